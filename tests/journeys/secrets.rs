//! Secrets stay in the vault: an environment is in the configuration exhibits and nowhere else, and
//! signed URLs are nowhere at all.
#![allow(clippy::unwrap_used, clippy::expect_used)]

use crate::delivery::{REDRIVE, invoke, versions};
use aws_sdk_lambda::types::{Environment, LayerVersionContentInput};
use aws_sdk_sqs::types::QueueAttributeName;
use coldcase_tests::{Account, Victim, package, unique};
use evidence::ArtifactKind;
use serde_json::{Value, json};
use vault::Vault as _;

/// In the environment, in no other form than this.
const MARKED: &str = "marked-secret-3f9c0a7e51";
const MARKED_AND_PUBLISHED: &str = "marked-secret-of-a-version-7b21d4";

/// What signed URLs have in them: AWS's own, and the account's links.
const SIGNED: [&str; 3] = [
    "X-Amz-Signature",
    "X-Amz-Security-Token",
    "/_account/download/",
];

/// Everything that is in a queue.
async fn drained(account: &Account, url: &str) -> Vec<String> {
    let sqs = account.sqs().await;
    let mut bodies = Vec::new();
    loop {
        let receive = sqs.receive_message().queue_url(url);
        let received = receive.max_number_of_messages(10).send().await.unwrap();
        if received.messages().is_empty() {
            return bodies;
        }
        for message in received.messages() {
            bodies.push(message.body().unwrap().to_owned());
            let delete = sqs.delete_message().queue_url(url);
            let delete = delete.receipt_handle(message.receipt_handle().unwrap());
            delete.send().await.unwrap();
        }
    }
}

/// A function that has the secrets, in `$LATEST` and in a version, with a layer.
async fn keeper_of_secrets(account: &Account) -> Victim {
    let victim = Victim {
        name: unique("keeper"),
        role_name: unique("keeper-role"),
        role: String::new(),
    };
    let xray = ["xray:PutTraceSegments", "xray:PutTelemetryRecords"];
    let role = account.role(&victim.role_name, &xray).await;
    let victim = Victim { role, ..victim };
    let lambda = account.lambda().await;
    let content = LayerVersionContentInput::builder().zip_file(package("layer"));
    let layer = lambda.publish_layer_version().layer_name("deps");
    let layer = layer.content(content.build()).send().await.unwrap();
    let with = |secret: &str| Environment::builder().variables("API_KEY", secret).build();
    account
        .create(&victim, |create| {
            let create = create.environment(with(MARKED_AND_PUBLISHED)).publish(true);
            create.layers(layer.layer_version_arn().unwrap())
        })
        .await;
    account
        .until("a function that can be changed", || async {
            let configure = lambda.update_function_configuration();
            let configure = configure.function_name(&victim.name);
            configure.environment(with(MARKED)).send().await.ok()
        })
        .await;
    victim
}

#[tokio::test]
async fn a_secret_is_in_configurations_and_nowhere_else_and_no_signed_url_anywhere() {
    let account = Account::deployed(&[REDRIVE]);
    let sqs = account.sqs().await;
    let told = sqs.create_queue().queue_name("told").send().await.unwrap();
    let told = told.queue_url().unwrap();
    let arn = format!("arn:aws:sqs:{}:{}:told", account.region, account.account);
    let policy = json!({"Version": "2012-10-17", "Statement": [{"Effect": "Allow",
        "Principal": {"Service": "sns.amazonaws.com"}, "Action": "sqs:SendMessage", "Resource": arn}]});
    let allow = sqs.set_queue_attributes().queue_url(told);
    let allow = allow.attributes(QueueAttributeName::Policy, policy.to_string());
    allow.send().await.unwrap();
    let sns = aws_sdk_sns::Client::new(&account.config().await);
    let subscribe = sns.subscribe().topic_arn(account.output("TopicArn"));
    subscribe
        .protocol("sqs")
        .endpoint(&arn)
        .send()
        .await
        .unwrap();

    let victim = keeper_of_secrets(&account).await;
    account.tamper(&victim.name).await;
    account.case_of(&victim.name, "UpdateFunctionCode").await;
    // What fails is told as well, on its way to the dead letters too.
    let poison = json!({"target": "no-such:thing", "reason": "a test"});
    let failing = account.lambda().await.invoke();
    let failing = failing.function_name(account.output("FunctionName"));
    let failing = failing.payload(aws_sdk_lambda::primitives::Blob::new(poison.to_string()));
    let failed = failing.send().await.unwrap();
    assert!(failed.function_error().is_some());
    let error = String::from_utf8(failed.payload().unwrap().as_ref().to_vec()).unwrap();
    let request = json!({"target": victim.name, "reason": "a test"});
    let answer = invoke(&account, &request).await;
    account.quiet().await;
    let recorded = json!({"record": [format!(
        "arn:aws:lambda:{}:{}:function:{}", account.region, account.account, victim.name)]})
    .to_string();
    let record = account.lambda().await.invoke();
    let record = record.function_name(account.output("BaselineFunctionName"));
    let recorded = record.payload(aws_sdk_lambda::primitives::Blob::new(recorded));
    let recorded = recorded.send().await.unwrap();
    assert!(recorded.function_error().is_none());
    let recorded = String::from_utf8_lossy(recorded.payload().unwrap().as_ref()).into_owned();

    let mut everything = vec![
        ("an error".to_owned(), error),
        ("an answer".to_owned(), answer.to_string()),
        ("the baseline's answer".to_owned(), recorded),
        ("the log".to_owned(), account.responder_log().await),
    ];
    let notices = drained(&account, told).await;
    assert!(notices.iter().any(|notice| notice.contains(&victim.name)));
    let dead = drained(&account, &account.output("DeadLettersUrl")).await;
    let queued = drained(&account, &account.output("QueueUrl")).await;
    for message in notices.into_iter().chain(dead).chain(queued) {
        everything.push(("a message".to_owned(), message));
    }
    let vault = account.vault().await;
    let (mut exhibits, mut records) = ([0, 0], 0);
    let kept = versions(&account, "").await;
    for key in kept.keys() {
        let text = String::from_utf8_lossy(&vault.get(key).await.unwrap()).into_owned();
        let name = key.rsplit('/').next().unwrap();
        let configuration = format!("{}.", ArtifactKind::Configuration.as_str());
        let of_version = format!("{}-1.", ArtifactKind::Configuration.as_str());
        let is_exhibit = key.contains("/exhibits/");
        let is_configuration =
            is_exhibit && (name.starts_with(&configuration) || name.starts_with(&of_version));
        if key.starts_with("baselines/") && key.ends_with(".json") {
            // A record holds what the exhibits of a case would: the environment in its
            // configuration and nowhere else.
            let mut record: Value = serde_json::from_str(&text).unwrap();
            let pieces = record["pieces"].as_array_mut().unwrap();
            let is_configuration = |piece: &Value| piece["request"]["artifact"] == "configuration";
            let (with, without): (Vec<Value>, Vec<Value>) =
                pieces.drain(..).partition(is_configuration);
            records += usize::from(json!(with).to_string().contains(MARKED));
            *pieces = without;
            everything.push((key.clone(), record.to_string()));
        } else if is_configuration {
            exhibits[0] += usize::from(text.contains(MARKED));
            exhibits[1] += usize::from(text.contains(MARKED_AND_PUBLISHED));
            let unsigned = SIGNED.iter().all(|mark| !text.contains(mark));
            assert!(unsigned, "{key} holds a signed URL");
        } else {
            everything.push((key.clone(), text));
        }
    }
    // Both secrets are where they belong, so that they could have been seen elsewhere.
    assert!(exhibits[0] >= 1 && exhibits[1] >= 1, "{exhibits:?}");
    assert!(records >= 1);
    assert!(everything.len() > 50, "{}", everything.len());
    for (place, text) in &everything {
        for mark in [MARKED, MARKED_AND_PUBLISHED].iter().chain(&SIGNED) {
            assert!(!text.contains(mark), "{place} holds {mark}");
        }
    }
}
