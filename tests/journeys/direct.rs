//! A responder invokes the function by hand.

use crate::contents::{acquisition, content, function, tracing};
use crate::delivery::invoke;
use crate::noise::two_regions;
use aws_sdk_lambda::primitives::Blob;
use coldcase_tests::{Account, Victim, package_bytes, unique};
use evidence::{
    ArtifactKind, CaseId, CustodyAction, Outcome, Request, SealedCase, Sha256Digest, Trigger,
};
use serde_json::{Value, json};
use vault::Vault as _;

/// The sealed case that an answer names.
async fn sealed(account: &Account, done: &Value) -> SealedCase {
    assert_eq!(done["did"], "sealed", "{done}");
    let id: CaseId = done["case_id"].as_str().unwrap().parse().unwrap();
    let report = account.check(&id).await;
    assert!(report.is_sound(), "{report:?}");
    account.sealed(&id, 0).await.unwrap()
}

#[tokio::test]
async fn a_function_can_be_named_by_its_name_its_arn_or_its_alias() {
    let account = Account::shared();
    let lambda = account.lambda().await;
    let victim = account.victim("by-hand").await;
    account.case_of(&victim.name, "CreateFunction").await;
    let of = |make: &str| format!("{make} {}", victim.name);
    lambda
        .publish_version()
        .function_name(&victim.name)
        .send()
        .await
        .unwrap();
    lambda
        .create_alias()
        .function_name(&victim.name)
        .name("live")
        .function_version("1")
        .send()
        .await
        .unwrap();
    let arn = function(account, &victim.name, None).arn();
    for (target, qualifier) in [
        (victim.name.clone(), None),
        (arn.clone(), None),
        (format!("{arn}:live"), Some("live")),
    ] {
        let reason = of("ticket 4711 about");
        let request = json!({"target": target, "reason": reason, "tracing": false});
        let done = invoke(account, &request).await;
        assert_eq!(done.as_array().unwrap().len(), 1);
        let case = sealed(account, &done[0]).await;
        let manifest = case.manifest();
        assert_eq!(manifest.target, function(account, &victim.name, qualifier));
        assert!(
            matches!(&manifest.trigger, Trigger::Person { reason: kept, .. } if *kept == reason),
            "{:?}",
            manifest.trigger
        );
        let code = content(&case, &Request::whole(ArtifactKind::FunctionCode));
        assert_eq!(code.sha256, Sha256Digest::of(package_bytes("original")));
        if qualifier.is_some() {
            content(&case, &Request::one(ArtifactKind::FunctionCode, "live"));
        }
        let asked_for_event = manifest
            .acquisitions
            .iter()
            .any(|found| found.request.artifact == ArtifactKind::TriggerEvent);
        assert!(!asked_for_event, "there is no event");
        assert_eq!(
            tracing(account, &case).await,
            CustodyAction::TracingNotWanted
        );
        assert_eq!(done[0]["tracing"], "not wanted");
    }
}

#[tokio::test]
async fn the_same_request_id_is_the_same_case_and_another_is_another() {
    let account = Account::shared();
    let victim = account.victim("asked-twice").await;
    account.case_of(&victim.name, "CreateFunction").await;
    let id = unique("request");
    let ask = |id: String| {
        let request = json!({"target": victim.name, "reason": "twice", "tracing": true,
            "request_id": id});
        async move { invoke(account, &request).await }
    };
    let (first, second) = futures_util::join!(ask(id.clone()), ask(id.clone()));
    let third = ask(id).await;
    let other = ask(unique("request")).await;
    let case = sealed(account, &first[0]).await;
    assert_eq!(first[0]["case_id"], second[0]["case_id"]);
    assert_eq!(first[0]["case_id"], third[0]["case_id"]);
    assert_ne!(first[0]["case_id"], other[0]["case_id"]);
    assert_eq!(third[0]["tracing"], "was on already");
    let tracing = tracing(account, &case).await;
    assert!(
        matches!(tracing, CustodyAction::TracingAlreadyOn { .. }),
        "{tracing:?}"
    );
}

#[tokio::test]
async fn a_role_named_by_hand_leads_to_every_function_under_it() {
    let account = Account::shared();
    let role_name = unique("asked-role");
    let role = account.role(&role_name, &[]).await;
    let mut names = Vec::new();
    for _ in 0..2 {
        let victim = Victim {
            name: unique("under-asked"),
            role_name: role_name.clone(),
            role: role.clone(),
        };
        account.create(&victim, |create| create).await;
        names.push(victim.name);
    }
    let request = json!({"target": role, "reason": "the role was stolen", "tracing": false});
    let done = invoke(account, &request).await;
    assert_eq!(done[0]["did"], "spread-out", "{done}");
    let mut arns: Vec<_> = names
        .iter()
        .map(|name| function(account, name, None).arn())
        .collect();
    arns.sort_unstable();
    assert_eq!(done[0]["targets"], json!(arns));
    let mut asked = Vec::new();
    for name in &names {
        let what = format!("a case about {name}");
        let case = account
            .until(&what, || async {
                let cases = account.cases_about(name).await;
                cases.into_iter().find(|case| {
                    matches!(&case.manifest().trigger,
                        Trigger::Person { reason, .. } if reason == "the role was stolen")
                })
            })
            .await;
        let role = Request::one(ArtifactKind::ExecutionRole, &role);
        assert_eq!(acquisition(&case, &role).result, Outcome::Acquired);
        asked.push(case.manifest().trigger.clone());
    }
    assert_eq!(asked[0], asked[1], "one request, two cases");
}

#[tokio::test]
async fn a_request_that_cannot_be_understood_is_answered_with_what_to_do() {
    let account = Account::shared();
    let lambda = account.lambda().await;
    for (request, told) in [
        (
            json!({"target": "no such thing!", "reason": "x"}),
            vec!["no such thing!", "arn:aws:lambda:"],
        ),
        (
            json!({"target": "arn:aws:ec2:us-east-1:111122223333:instance/i-1", "reason": "x"}),
            vec!["instance/i-1", "arn:aws:lambda:"],
        ),
        (
            json!({"target": "billing"}),
            vec!["reason", "arn:aws:lambda:"],
        ),
        (
            json!({"target": "billing", "reason": "x", "trace": true}),
            vec!["trace", "tracing", "arn:aws:lambda:"],
        ),
    ] {
        let answer = lambda
            .invoke()
            .function_name(account.output("FunctionName"))
            .payload(Blob::new(request.to_string()))
            .send()
            .await
            .unwrap();
        let payload = answer.payload().unwrap().as_ref();
        let payload: Value = serde_json::from_slice(payload).unwrap();
        assert!(answer.function_error().is_some(), "{request}: {payload}");
        assert_eq!(payload["errorType"], "BadInput", "{request}");
        let message = payload["errorMessage"].as_str().unwrap();
        for word in told {
            assert!(message.contains(word), "{request}: {message}");
        }
    }
}

#[tokio::test]
async fn a_function_that_is_not_there_is_a_sealed_case_that_says_so() {
    let account = Account::shared();
    let name = unique("never-was");
    let request = json!({"target": name, "reason": "is it still there?"});
    let done = invoke(account, &request).await;
    let case = sealed(account, &done[0]).await;
    for artifact in [ArtifactKind::FunctionCode, ArtifactKind::Configuration] {
        let outcome = &acquisition(&case, &Request::whole(artifact)).result;
        assert!(matches!(outcome, Outcome::Absent { .. }), "{outcome:?}");
    }
    let tracing = done[0]["tracing"].as_str().unwrap();
    assert!(tracing.starts_with("not possible: "), "{tracing}");
}

#[tokio::test]
async fn a_person_with_the_responders_policy_can_ask_and_read_and_nothing_else() {
    let account = Account::shared();
    let victim = account.victim("asked-for").await;
    account.case_of(&victim.name, "CreateFunction").await;
    let keys = account.person(&["ResponderPolicyArn"], &[]).await;
    let config = account.config_as(keys, &account.region).await;
    let lambda = aws_sdk_lambda::Client::new(&config);
    let request = json!({"target": victim.name, "reason": "mine", "tracing": false});
    let answer = lambda
        .invoke()
        .function_name(account.output("FunctionName"))
        .payload(Blob::new(request.to_string()))
        .send()
        .await
        .unwrap();
    let done: Value = serde_json::from_slice(answer.payload().unwrap().as_ref()).unwrap();
    let id: CaseId = done[0]["case_id"].as_str().unwrap().parse().unwrap();

    let vault = vault::S3Vault::new(
        collectors::aws::s3_client(&config),
        account.output("BucketName"),
        Some(account.output("BucketKeyArn")),
        vault::Lock {
            mode: vault::LockMode::Governance,
            days: 365,
        },
        std::sync::Arc::new(jiff::Timestamp::now),
    );
    let signer = vault::KmsSigner::new(
        aws_sdk_kms::Client::new(&config),
        account.output("SigningKeyArn"),
    );
    let public_key = vault::Signer::public_key_pem(&signer).await.unwrap();
    let report = vault::check(&vault, &id, Some(&public_key)).await;
    assert!(report.is_sound(), "{report:?}");
    vault
        .put_once("cases/forged.json", "{}".into(), "application/json")
        .await
        .unwrap_err();
    vault::Signer::sign(&signer, b"forged").await.unwrap_err();
    lambda
        .get_function()
        .function_name(&victim.name)
        .send()
        .await
        .unwrap_err();
}

#[tokio::test]
async fn tracing_asked_for_by_hand_is_not_possible_where_the_stack_has_it_off() {
    let account = two_regions();
    let victim = account.victim("off-by-parameter").await;
    let case = account.case_of(&victim.name, "CreateFunction").await;
    let not_wanted = CustodyAction::TracingNotWanted;
    assert_eq!(tracing(account, &case).await, not_wanted);

    let request = json!({"target": victim.name, "reason": "trace it", "tracing": true});
    let done = invoke(account, &request).await;
    let told = done[0]["tracing"].as_str().unwrap();
    assert!(told.starts_with("not possible: "), "{told}");
    assert!(
        told.contains("lambda:UpdateFunctionConfiguration"),
        "{told}"
    );
    let now = account
        .lambda()
        .await
        .get_function_configuration()
        .function_name(&victim.name)
        .send()
        .await
        .unwrap();
    let mode = now.tracing_config().and_then(|tracing| tracing.mode());
    assert_ne!(mode, Some(&aws_sdk_lambda::types::TracingMode::Active));
}
