//! What could not be had is in the manifest with its reason, and what was changed in between is a
//! finding.
#![allow(clippy::unwrap_used, clippy::expect_used)]

use crate::contents::acquisition;
use crate::crash::noise;
use crate::delivery::{envelope, invoke, record};
use aws_sdk_lambda::config::Credentials;
use aws_sdk_lambda::primitives::Blob;
use aws_sdk_lambda::types::LayerVersionContentInput;
use coldcase_tests::{Account, package, package_bytes, unique};
use evidence::{ArtifactKind, Outcome, Request, SealedCase};
use serde_json::{Value, json};

/// A package of one megabyte and a bit that does not get smaller.
fn oversized() -> Blob {
    let mut zip = noise(1_100_000);
    zip.extend(package_bytes("large"));
    Blob::new(zip)
}

/// The case that a responder's request seals now.
async fn asked(account: &Account, function: &str) -> SealedCase {
    let request = json!({"target": function, "reason": "a test", "tracing": false});
    let answer = invoke(account, &request).await;
    let id = answer[0]["case_id"].as_str().unwrap().parse().unwrap();
    let report = account.check(&id).await;
    assert!(report.is_sound(), "{report}");
    account.sealed(&id, 0).await.unwrap()
}

fn result<'a>(case: &'a SealedCase, artifact: ArtifactKind, of: Option<&str>) -> &'a Outcome {
    let request = match of {
        Some(selector) => Request::one(artifact, selector),
        None => Request::whole(artifact),
    };
    &acquisition(case, &request).result
}

#[tokio::test]
async fn what_is_larger_than_the_limit_is_told_with_the_limit_and_not_copied() {
    let account = Account::deployed(&["ArtifactLimitBytes=1048576"]);
    let lambda = account.lambda().await;
    let victim = account.victim("large").await;
    let content = LayerVersionContentInput::builder().zip_file(oversized());
    let layer = lambda.publish_layer_version().layer_name("large");
    let layer = layer.content(content.build()).send().await.unwrap();
    let layer = layer.layer_version_arn().unwrap();
    let configure = lambda.update_function_configuration().layers(layer);
    account.settled(&victim.name).await;
    let configure = configure.function_name(&victim.name);
    configure.send().await.unwrap();
    account.settled(&victim.name).await;
    let update = lambda.update_function_code().zip_file(oversized());
    update.function_name(&victim.name).send().await.unwrap();
    account.settled(&victim.name).await;
    let case = asked(&account, &victim.name).await;
    for (artifact, selector) in [
        (ArtifactKind::FunctionCode, None),
        (ArtifactKind::Layer, Some(layer)),
    ] {
        let Outcome::Partial { why } = result(&case, artifact, selector) else {
            panic!("{:?}", result(&case, artifact, selector));
        };
        assert!(why.contains("1048576"), "{why}");
    }
    let largest = case.manifest().exhibits().map(|one| one.size_bytes).max();
    assert!(largest.unwrap() <= 1_048_576);
}

#[tokio::test]
async fn a_layer_that_its_account_no_longer_shares_is_denied() {
    let account = Account::shared();
    // Twelve digits as a key are the root of another account here.
    let other = Credentials::new("444455556666", "any", None, None, "another account");
    let other = account.config_as(other, &account.region).await;
    let other = aws_sdk_lambda::Client::new(&other);
    let name = unique("foreign");
    let content = LayerVersionContentInput::builder().zip_file(package("theirs"));
    let layer = other.publish_layer_version().layer_name(&name);
    let layer = layer.content(content.build()).send().await.unwrap();
    let layer = layer.layer_version_arn().unwrap();
    let share = other.add_layer_version_permission().layer_name(&name);
    let share = share.version_number(1).statement_id("us");
    let share = share.action("lambda:GetLayerVersion");
    share.principal(&account.account).send().await.unwrap();
    let victim = account.victim("foreign-layer").await;
    account.settled(&victim.name).await;
    // Their layer is used while it is shared, and kept; then they take it back.
    let lambda = account.lambda().await;
    account
        .until("a function that can be changed", || async {
            let configure = lambda.update_function_configuration().layers(layer);
            let configure = configure.function_name(&victim.name).send().await;
            configure.ok()
        })
        .await;
    account.settled(&victim.name).await;
    let case = asked(account, &victim.name).await;
    let shared = result(&case, ArtifactKind::Layer, Some(layer));
    assert_eq!(*shared, Outcome::Acquired);
    let unshare = other.remove_layer_version_permission().layer_name(&name);
    let unshare = unshare.version_number(1).statement_id("us");
    unshare.send().await.unwrap();
    let case = asked(account, &victim.name).await;
    let Outcome::Denied { why } = result(&case, ArtifactKind::Layer, Some(layer)) else {
        panic!("{:?}", result(&case, ArtifactKind::Layer, Some(layer)));
    };
    assert!(why.contains("lambda:GetLayerVersion"), "{why}");
    assert!(why.contains("another account's layer"), "{why}");
}

#[tokio::test]
async fn a_deleted_log_group_and_a_layer_deleted_while_in_use_are_absent() {
    let account = Account::shared();
    let (lambda, logs) = (account.lambda().await, account.logs().await);
    let victim = account.victim("gone").await;
    let name = unique("gone-layer");
    let content = LayerVersionContentInput::builder().zip_file(package("ours"));
    let layer = lambda.publish_layer_version().layer_name(&name);
    let layer = layer.content(content.build()).send().await.unwrap();
    let layer = layer.layer_version_arn().unwrap();
    account
        .until("a function that can be changed", || async {
            let configure = lambda.update_function_configuration().layers(layer);
            let configure = configure.function_name(&victim.name).send().await;
            configure.ok()
        })
        .await;
    account.settled(&victim.name).await;
    let group = format!("/aws/lambda/{}", victim.name);
    let create = logs.create_log_group().log_group_name(&group);
    create.send().await.unwrap();
    let case = asked(account, &victim.name).await;
    let kept = result(&case, ArtifactKind::LogGroup, Some(&group));
    assert_eq!(*kept, Outcome::Acquired);
    let kept = result(&case, ArtifactKind::Layer, Some(layer));
    assert_eq!(*kept, Outcome::Acquired);
    let delete = logs.delete_log_group().log_group_name(&group);
    delete.send().await.unwrap();
    let delete = lambda.delete_layer_version().layer_name(&name);
    delete.version_number(1).send().await.unwrap();
    let case = asked(account, &victim.name).await;
    let Outcome::Absent { why } = result(&case, ArtifactKind::LogGroup, Some(&group)) else {
        panic!("{:?}", result(&case, ArtifactKind::LogGroup, Some(&group)));
    };
    assert!(why.contains(&group), "{why}");
    let Outcome::Absent { why } = result(&case, ArtifactKind::Layer, Some(layer)) else {
        panic!("{:?}", result(&case, ArtifactKind::Layer, Some(layer)));
    };
    assert!(why.contains("go on running it"), "{why}");
}

#[tokio::test]
async fn code_that_was_changed_again_before_it_was_acquired_is_a_finding() {
    let account = Account::shared();
    let victim = account.victim("changed-again").await;
    account.case_of(&victim.name, "CreateFunction").await;
    account.tamper(&victim.name).await;
    let first = record(account, "UpdateFunctionCode", &victim.name);
    account.case_of(&victim.name, "UpdateFunctionCode").await;
    account.tamper(&victim.name).await;
    // The first change's event comes late: what it announced is not there any more.
    let mut late = first.clone();
    late["eventID"] = unique("late").into();
    let event: Value = serde_json::from_str(&envelope(account, &late)).unwrap();
    let answer = invoke(account, &event).await;
    let id = answer[0]["case_id"].as_str().unwrap().parse().unwrap();
    let case = account.sealed(&id, 0).await.unwrap();
    let findings = &case.manifest().findings;
    assert_eq!(findings.len(), 1, "{findings:?}");
    assert_eq!(findings[0].rule, "code-digest-mismatch");
    let said = first["responseElements"]["codeSha256"].as_str().unwrap();
    let said = evidence::Sha256Digest::from_base64(said).unwrap();
    assert!(findings[0].statement.contains(&said.to_string()));
    let proof = &findings[0].proof[0].exhibit;
    let code = case.manifest().exhibits().find(|one| one.name == *proof);
    assert_ne!(code.unwrap().sha256, said);
    assert_eq!(
        *result(&case, ArtifactKind::FunctionCode, None),
        Outcome::Acquired
    );
}
