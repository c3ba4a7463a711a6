//! From a change to what is wrong with it: the deployed state machine has each case examined, the
//! examination sealed and told; and what takes the examining function over has gained nothing.

use crate::delivery::as_role;
use crate::own_parts::Listener;
use aws_sdk_eventbridge::types::Target as RuleTarget;
use aws_sdk_kms::primitives::Blob;
use aws_sdk_kms::types::{MessageType, SigningAlgorithmSpec};
use aws_sdk_s3::primitives::{ByteStream, DateTime};
use aws_sdk_s3::types::{ChecksumAlgorithm, ObjectLockMode};
use aws_sdk_sfn::types::ExecutionStatus;
use aws_sdk_sqs::types::QueueAttributeName;
use coldcase_tests::{Account, Victim, unique};
use evidence::{ArtifactKind, CaseId, CustodyAction, Outcome, Request, SealedCase, Severity, keys};
use serde_json::{Value, json};
use std::io::Write as _;
use std::time::{Duration, SystemTime};

/// What an environment must not show up in.
const SECRET: &str = "hunter2-of-the-environment";

/// A queue that hears what other automation hears.
async fn automation(account: &Account) -> String {
    let name = unique("automation");
    let lets_rules_in = json!({"Version": "2012-10-17", "Statement": [{"Effect": "Allow",
        "Principal": {"Service": "events.amazonaws.com"}, "Action": "sqs:SendMessage", "Resource": "*"}]});
    let queue = account.sqs().await.create_queue().queue_name(&name);
    let queue = queue
        .attributes(QueueAttributeName::Policy, lets_rules_in.to_string())
        .send()
        .await
        .unwrap();
    let events = aws_sdk_eventbridge::Client::new(&account.config().await);
    let pattern = json!({"source": ["coldcase"], "detail-type": ["Case Sealed"]});
    let put = events.put_rule().name(&name);
    put.event_pattern(pattern.to_string()).send().await.unwrap();
    let arn = format!("arn:aws:sqs:{}:{}:{name}", account.region, account.account);
    let target = RuleTarget::builder().id("queue").arn(arn).build().unwrap();
    let put = events.put_targets().rule(&name).targets(target);
    put.send().await.unwrap();
    queue.queue_url().unwrap().to_owned()
}

/// Waits for so many events about a case, in the order of their sequence.
async fn announced(account: &Account, queue: &str, id: &CaseId, count: usize) -> Vec<Value> {
    let sqs = &account.sqs().await;
    let heard = &std::sync::Mutex::new(Vec::<Value>::new());
    let look = async || {
        let receive = sqs.receive_message().queue_url(queue);
        let received = receive.max_number_of_messages(10).send().await.unwrap();
        let mut heard = heard.lock().unwrap();
        for message in received.messages() {
            let event: Value = serde_json::from_str(message.body().unwrap()).unwrap();
            if event["detail"]["case_id"] == id.as_str() {
                heard.push(event);
            }
        }
        heard.sort_by_key(|event| event["detail"]["sequence"].as_u64());
        (heard.len() >= count).then(|| heard.clone())
    };
    account.until("the events of a case", look).await
}

async fn ended(account: &Account, id: &CaseId) -> ExecutionStatus {
    let sfn = &aws_sdk_sfn::Client::new(&account.config().await);
    let machine = account.output("InvestigationArn");
    let arn = &format!("{}:{id}", machine.replace(":stateMachine:", ":execution:"));
    let look = async || {
        let now = sfn.describe_execution().execution_arn(arn).send().await;
        let now = now.unwrap().status().clone();
        (now != ExecutionStatus::Running).then_some(now)
    };
    account.until("the end of an execution", look).await
}

/// A function with a secret in its environment, there before coldcase is.
async fn payments(account: &Account) -> Victim {
    let name = unique("payments");
    let role_name = format!("{name}-role");
    let victim = Victim {
        role: account.role(&role_name, &["logs:*"]).await,
        role_name,
        name,
    };
    account
        .create(&victim, |create| {
            let environment = aws_sdk_lambda::types::Environment::builder();
            create.environment(environment.variables("TOKEN", SECRET).build())
        })
        .await;
    victim
}

fn examination(addendum: &SealedCase, pass: &str) -> evidence::Acquisition {
    let wanted = Request::one(ArtifactKind::Examination, pass);
    let mut all = addendum.manifest().acquisitions.iter();
    all.find(|one| one.request == wanted).unwrap().clone()
}

#[tokio::test]
async fn a_change_is_examined_at_once_and_after_each_pass_and_told_to_people_and_automation() {
    let mut account = Account::up();
    let victim = payments(&account).await;
    account.deploy(&[
        "SettleSeconds=1",
        "LateSeconds=2",
        "BaselineSeconds=0",
        "Tracing=off",
        "SecurityHub=on",
    ]);
    let account = &account;
    let listener = Listener::to(account).await;
    let queue = automation(account).await;
    account.tamper(&victim.name).await;
    let case = account.case_of(&victim.name, "UpdateFunctionCode").await;
    let id = &case.manifest().case_id;

    let mut sequences = Vec::new();
    for pass in ["sealed", "first", "second"] {
        let examined = account.examined(id, pass).await;
        let acquisition = examination(&examined, pass);
        assert!(
            matches!(
                acquisition.result,
                Outcome::Acquired | Outcome::Partial { .. }
            ),
            "{:?}",
            acquisition.result
        );
        let folder = format!("examinations/{id}/{pass}/");
        assert!(acquisition.exhibits.len() > 1);
        for exhibit in &acquisition.exhibits {
            assert!(exhibit.key.starts_with(&folder), "{}", exhibit.key);
        }
        let verdict = examined.manifest().verdict.clone().unwrap();
        assert!(!verdict.line.is_empty());
        let text = serde_json::to_string(examined.manifest()).unwrap();
        assert!(!text.contains(SECRET), "{text}");
        sequences.push(examined.manifest().sequence);
    }
    let first = account.collected(id, "first").await.manifest().sequence;
    let second = account.collected(id, "second").await.manifest().sequence;
    assert_eq!(
        [2, first, first + 1, second, second + 1][..],
        [2, 3, 4, 5, 6]
    );
    assert_eq!(sequences, [2, first + 1, second + 1]);
    assert_eq!(ended(account, id).await, ExecutionStatus::Succeeded);

    // People: the verdict and the way to the case.
    let (subject, body) = listener
        .hears("a verdict", |subject, body| {
            subject.starts_with("Case examined, ") && body.contains(id.as_str())
        })
        .await;
    assert!(
        subject.len() <= 100 && subject.contains(&victim.name),
        "{subject}"
    );
    let sealed = account.examined(id, "sealed").await;
    let line = &sealed.manifest().verdict.as_ref().unwrap().line;
    assert!(body.starts_with(&line.replace("://", ":[//]")), "{body}");
    assert!(
        body.contains(&keys::envelope(id, 2)) && !body.contains(SECRET),
        "{body}"
    );

    // Automation: one event a sealed examination.
    let events = announced(account, &queue, id, 3).await;
    let told: Vec<u64> = events
        .iter()
        .map(|one| one["detail"]["sequence"].as_u64().unwrap())
        .collect();
    assert_eq!(
        told,
        sequences
            .iter()
            .map(|one| u64::from(*one))
            .collect::<Vec<_>>()
    );
    let event = &events[0];
    assert_eq!(event["source"], "coldcase");
    assert_eq!(event["account"], account.account);
    assert_eq!(event["resources"], json!([case.manifest().target.arn()]));
    assert_eq!(event["detail"]["key"], keys::envelope(id, 2));
    assert_eq!(event["detail"]["bucket"], account.output("BucketName"));
    assert_eq!(event["detail"]["examined"], true);
    assert!(!json!(events).to_string().contains(SECRET));

    // Security Hub, which takes what its model takes: one finding, as the last pass left it.
    let findings = account.page("findings");
    let of_case: Vec<&Value> = findings
        .iter()
        .filter(|one| one["ProductFields"]["coldcase/case"] == id.as_str())
        .collect();
    assert_eq!(of_case.len(), 1, "{findings:?}");
    let sequence = of_case[0]["ProductFields"]["coldcase/sequence"].as_str();
    assert_eq!(sequence.unwrap(), sequences[2].to_string());

    let report = account.check(id).await;
    assert!(report.is_sound(), "{report}");
}

/// A package that is small as Lambda counts it, with an archive in it that is not.
fn bomb(megabytes: usize) -> Vec<u8> {
    let mut zip = zip::ZipWriter::new(std::io::Cursor::new(Vec::new()));
    let options = zip::write::SimpleFileOptions::default();
    zip.start_file("vendor.zip", options).unwrap();
    zip.write_all(&zeros(megabytes)).unwrap();
    zip.finish().unwrap().into_inner()
}

/// An archive of so many megabytes of zeros.
fn zeros(megabytes: usize) -> Vec<u8> {
    let mut zip = zip::ZipWriter::new(std::io::Cursor::new(Vec::new()));
    let options = zip::write::SimpleFileOptions::default();
    for number in 0..megabytes / 64 {
        zip.start_file(format!("zeros-{number}"), options).unwrap();
        for _ in 0..64 {
            zip.write_all(&vec![0; 1024 * 1024]).unwrap();
        }
    }
    zip.finish().unwrap().into_inner()
}

#[tokio::test]
async fn a_bomb_leaves_the_case_sealed_and_examined_and_is_told() {
    let mut account = Account::up();
    let victim = payments(&account).await;
    account.deploy(&["SettleSeconds=3600", "BaselineSeconds=0", "Tracing=off"]);
    let account = &account;
    let update = account.lambda().await.update_function_code();
    let update = update
        .function_name(&victim.name)
        .zip_file(aws_sdk_lambda::primitives::Blob::new(bomb(256)));
    update.send().await.unwrap();
    let case = account.case_of(&victim.name, "UpdateFunctionCode").await;
    let id = &case.manifest().case_id;
    let examined = account.examined(id, "sealed").await;
    let manifest = examined.manifest();
    let worst = manifest
        .findings
        .iter()
        .map(|finding| finding.severity)
        .max();
    assert!(worst >= Some(Severity::Medium), "{manifest:#?}");
    let report = account.check(id).await;
    assert!(report.is_sound(), "{report}");
}

#[tokio::test]
async fn an_examining_function_that_dies_leaves_the_case_sealed_and_the_passes_going_on() {
    let mut account = Account::up();
    let victim = payments(&account).await;
    account.deploy(&[
        "SettleSeconds=1",
        "LateSeconds=3600",
        "BaselineSeconds=0",
        "Tracing=off",
    ]);
    let account = &account;
    let listener = Listener::to(account).await;
    // Somebody took it over, so thoroughly that it does nothing any more.
    let mut dead = zip::ZipWriter::new(std::io::Cursor::new(Vec::new()));
    let options = zip::write::SimpleFileOptions::default().unix_permissions(0o755);
    dead.start_file("bootstrap", options).unwrap();
    dead.write_all(b"#!/bin/sh\nexit 1\n").unwrap();
    let update = account.lambda().await.update_function_code();
    let update = update
        .function_name(account.output("ExamineFunctionName"))
        .zip_file(aws_sdk_lambda::primitives::Blob::new(
            dead.finish().unwrap().into_inner(),
        ));
    update.send().await.unwrap();
    // Which is what the responder is woken by.
    let (_, told) = listener
        .hears("an alert about a part of the responder", |_, body| {
            body.contains("coldcase: UpdateFunctionCode")
                && body.contains("on one of its own parts")
        })
        .await;
    assert!(told.contains("Was it you?"), "{told}");

    account.tamper(&victim.name).await;
    let case = account.case_of(&victim.name, "UpdateFunctionCode").await;
    let id = &case.manifest().case_id;
    let examined = account.examined(id, "sealed").await;
    let result = examination(&examined, "sealed").result;
    assert!(matches!(result, Outcome::Failed { .. }), "{result:?}");
    assert_eq!(examined.manifest().findings[0].rule, "examination-failed");
    assert_eq!(examined.manifest().verdict, None);
    let (_, body) = listener
        .hears("a notice of it", |subject, body| {
            subject.starts_with("Case not examined, high") && body.contains(id.as_str())
        })
        .await;
    assert!(body.contains("could not be examined"), "{body}");
    account.collected(id, "first").await;
    let report = account.check(id).await;
    assert!(report.is_sound(), "{report}");
}

/// What S3 answers to a write: nothing, or its error's code.
async fn put(s3: &aws_sdk_s3::Client, bucket: &str, key: &str, once: bool) -> Option<String> {
    let until = SystemTime::now() + Duration::from_hours(366 * 24);
    let put = s3
        .put_object()
        .bucket(bucket)
        .key(key)
        .body(ByteStream::from_static(b"taken over"))
        .checksum_algorithm(ChecksumAlgorithm::Sha256)
        .object_lock_mode(ObjectLockMode::Governance)
        .object_lock_retain_until_date(DateTime::from(until));
    let put = if once { put.if_none_match("*") } else { put };
    code(put.send().await)
}

fn code<T, E>(result: Result<T, E>) -> Option<String>
where
    E: aws_sdk_s3::error::ProvideErrorMetadata,
{
    let error = result.err()?;
    Some(error.code().unwrap_or("no code").to_owned())
}

#[tokio::test]
async fn who_takes_the_examining_function_over_can_write_examinations_and_nothing_else() {
    let mut account = Account::up();
    let victim = payments(&account).await;
    account.deploy(&["SettleSeconds=3600", "BaselineSeconds=0", "Tracing=off"]);
    let account = &account;
    account.tamper(&victim.name).await;
    let case = account.case_of(&victim.name, "UpdateFunctionCode").await;
    let id = &case.manifest().case_id;
    account.examined(id, "sealed").await;
    let config = as_role(account, "ExamineRoleArn", "coldcase-examine").await;
    let s3 = collectors::aws::s3_client(&config);
    let bucket = account.output("BucketName");
    let denied = Some("AccessDenied".to_owned());

    assert_eq!(
        put(&s3, &bucket, &format!("examinations/{id}/x/a"), true).await,
        None
    );
    // Not even there twice, nor without asking that nothing be there.
    let again = put(&s3, &bucket, &format!("examinations/{id}/x/a"), true).await;
    assert_eq!(again.as_deref(), Some("PreconditionFailed"));
    assert_eq!(
        put(&s3, &bucket, &format!("examinations/{id}/x/b"), false).await,
        denied
    );
    for key in [
        keys::manifest(id, 9),
        keys::envelope(id, 9),
        keys::notified(id),
        format!("content/{}", "a".repeat(64)),
        format!("windows/{id}/first/plan.json"),
        format!("baselines/{}/000001.json", "a".repeat(64)),
        keys::MARK_KEY.to_owned(),
        "examinations".to_owned(),
    ] {
        assert_eq!(put(&s3, &bucket, &key, true).await, denied, "{key}");
    }
    let sealed = keys::envelope(id, 0);
    let delete = s3.delete_object().bucket(&bucket).key(&sealed);
    assert_eq!(code(delete.send().await), denied);
    assert_eq!(
        code(s3.delete_bucket_policy().bucket(&bucket).send().await),
        denied
    );
    assert_eq!(code(s3.list_buckets().send().await), denied);

    let refused = |code: Option<String>| code.unwrap().starts_with("AccessDenied");
    let kms = aws_sdk_kms::Client::new(&config);
    let sign = kms
        .sign()
        .key_id(account.output("SigningKeyArn"))
        .message(Blob::new("a manifest"))
        .message_type(MessageType::Raw)
        .signing_algorithm(SigningAlgorithmSpec::EcdsaSha256);
    assert!(refused(code(sign.send().await)));
    let lambda = aws_sdk_lambda::Client::new(&config);
    assert!(refused(code(lambda.list_functions().send().await)));
    let invoke = lambda
        .invoke()
        .function_name(account.output("InvestigateFunctionName"));
    assert!(refused(code(invoke.send().await)));
    let sns = aws_sdk_sns::Client::new(&config);
    let publish = sns
        .publish()
        .topic_arn(account.output("TopicArn"))
        .message("x");
    assert!(code(publish.send().await).is_some());
    let sfn = aws_sdk_sfn::Client::new(&config);
    let start = sfn
        .start_execution()
        .state_machine_arn(account.output("InvestigationArn"));
    assert!(refused(code(start.send().await)));

    // What it wrote where an examination's result would be is none, and is told as such.
    let forged = format!("examinations/{id}/forged/result.json");
    assert_eq!(put(&s3, &bucket, &forged, true).await, None);
    let invoke = account.lambda().await.invoke();
    let answer = invoke
        .function_name(account.output("InvestigateFunctionName"))
        .payload(aws_sdk_lambda::primitives::Blob::new(
            json!({"case_id": id, "examination": "forged"}).to_string(),
        ))
        .send()
        .await
        .unwrap();
    assert_eq!(answer.function_error(), None, "{answer:?}");
    let of_it = |action: &CustodyAction| matches!(action, CustodyAction::Examined { pass } if pass == "forged");
    let forged = account.addenda(id, of_it).await.pop().unwrap();
    assert_eq!(forged.manifest().findings[0].rule, "examination-unfit");
    let report = account.check(id).await;
    assert!(report.is_sound(), "{report}");
}
