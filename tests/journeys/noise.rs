//! Noise opens no case: reads, dry runs, tags, attempts that failed, other people's business.

use crate::contents::judged;
use aws_sdk_lambda::config::Credentials;
use aws_sdk_lambda::error::ProvideErrorMetadata as _;
use coldcase_tests::{Account, package, policy, unique};
use evidence::{Category, Severity};
use serde_json::Value;
use std::collections::BTreeSet;
use std::sync::OnceLock;
use vault::Vault as _;

/// An account whose stack looks into two Regions and never turns tracing on. Its tests are few, so
/// that it becomes quiet.
pub fn two_regions() -> &'static Account {
    static SHARED: OnceLock<Account> = OnceLock::new();
    SHARED.get_or_init(|| Account::deployed(&["Regions=us-east-1,eu-west-1", "Tracing=off"]))
}

/// Somebody with keys who may do these things.
pub async fn somebody(account: &Account, actions: &[&str]) -> Credentials {
    let iam = account.iam().await;
    let name = unique("somebody");
    iam.create_user().user_name(&name).send().await.unwrap();
    if !actions.is_empty() {
        iam.put_user_policy()
            .user_name(&name)
            .policy_name("own")
            .policy_document(policy(actions))
            .send()
            .await
            .unwrap();
    }
    let made = iam
        .create_access_key()
        .user_name(&name)
        .send()
        .await
        .unwrap();
    let key = made.access_key().unwrap();
    Credentials::new(
        key.access_key_id(),
        key.secret_access_key(),
        None,
        None,
        "somebody",
    )
}

/// The notes about attempts whose target is named so: what was decided, and the record.
pub async fn attempts_on(account: &Account, name: &str) -> Vec<Value> {
    let vault = account.vault().await;
    let mut found = Vec::new();
    for key in vault.list("attempts/", 10_000).await.unwrap() {
        let note: Value = serde_json::from_slice(&vault.get(&key).await.unwrap()).unwrap();
        let targets = note["classification"]["targets"].as_array().unwrap();
        if targets.iter().any(|target| target["name"] == name) {
            found.push(note);
        }
    }
    found
}

/// The events that opened cases so far, whatever they are about.
async fn opened(account: &Account) -> BTreeSet<String> {
    let ids = account.case_ids().await;
    ids.iter().map(ToString::to_string).collect()
}

#[tokio::test]
async fn what_changes_no_function_opens_no_case() {
    let account = two_regions();
    let victim = account.victim("undisturbed").await;
    let function = format!(
        "arn:aws:lambda:{}:{}:function:{}",
        account.region, account.account, victim.name
    );
    account.case_of(&victim.name, "CreateFunction").await;
    let (lambda, iam, logs) = (
        account.lambda().await,
        account.iam().await,
        account.logs().await,
    );
    account.quiet().await;
    let before = about(account, &victim.name).await;

    // Reads.
    lambda
        .get_function()
        .function_name(&victim.name)
        .send()
        .await
        .unwrap();
    lambda.list_functions().send().await.unwrap();
    iam.get_role()
        .role_name(&victim.role_name)
        .send()
        .await
        .unwrap();
    // A dry run.
    let dry = lambda
        .update_function_code()
        .function_name(&victim.name)
        .zip_file(package("not deployed"))
        .dry_run(true);
    dry.send().await.unwrap();
    // Tags, and a version of what runs already.
    lambda
        .tag_resource()
        .resource(&function)
        .tags("team", "billing")
        .send()
        .await
        .unwrap();
    lambda
        .publish_version()
        .function_name(&victim.name)
        .send()
        .await
        .unwrap();
    // A function that is used and not changed.
    lambda
        .invoke()
        .function_name(&victim.name)
        .send()
        .await
        .unwrap();
    // A role, a policy, a layer, a log group and a queue that no function has to do with.
    let role = unique("no-functions");
    account.role(&role, &["s3:*"]).await;
    let group = unique("/custom/group");
    logs.create_log_group()
        .log_group_name(&group)
        .send()
        .await
        .unwrap();
    logs.delete_log_group()
        .log_group_name(&group)
        .send()
        .await
        .unwrap();
    let sqs = account.sqs().await;
    let queue = sqs.create_queue().queue_name(unique("others"));
    let queue = queue.send().await.unwrap();
    sqs.purge_queue()
        .queue_url(queue.queue_url().unwrap())
        .send()
        .await
        .unwrap();
    let bucket = unique("others");
    let s3 = account.s3().await;
    s3.create_bucket().bucket(&bucket).send().await.unwrap();
    s3.delete_bucket().bucket(&bucket).send().await.unwrap();

    account.quiet().await;
    assert_eq!(about(account, &victim.name).await, before);
    let names = opened(account).await;
    for other in [role.as_str(), &bucket, "custom", "others"] {
        let case = names.iter().find(|id| id.contains(other));
        assert_eq!(case, None, "{other}");
    }
}

/// The cases about a function by id.
async fn about(account: &Account, name: &str) -> BTreeSet<String> {
    let marked = format!("-{name}-");
    let mut ids = opened(account).await;
    ids.retain(|id| id.contains(&marked));
    ids
}

#[tokio::test]
async fn an_attempt_that_failed_is_written_down_with_its_target_and_opens_no_case() {
    let account = two_regions();
    let victim = account.victim("tried").await;
    let absent = unique("absent");
    let powerless = somebody(account, &[]).await;
    let powerless = account.config_as(powerless, &account.region).await;
    let powerless = aws_sdk_lambda::Client::new(&powerless);
    let lambda = account.lambda().await;

    let tries = [
        powerless
            .update_function_code()
            .function_name(&victim.name)
            .zip_file(package("denied"))
            .send()
            .await
            .unwrap_err()
            .code()
            .unwrap()
            .to_owned(),
        lambda
            .update_function_code()
            .function_name(&absent)
            .zip_file(package("nowhere"))
            .send()
            .await
            .unwrap_err()
            .code()
            .unwrap()
            .to_owned(),
        lambda
            .create_function()
            .function_name(&victim.name)
            .runtime("python3.12".into())
            .handler("app.handler")
            .role(&victim.role)
            .code(
                aws_sdk_lambda::types::FunctionCode::builder()
                    .zip_file(package("twice"))
                    .build(),
            )
            .send()
            .await
            .unwrap_err()
            .code()
            .unwrap()
            .to_owned(),
    ];
    assert_eq!(
        tries,
        [
            "AccessDeniedException",
            "ResourceNotFoundException",
            "ResourceConflictException"
        ]
    );

    account.quiet().await;
    let mut noted = attempts_on(account, &victim.name).await;
    noted.extend(attempts_on(account, &absent).await);
    let mut codes: Vec<_> = noted
        .iter()
        .map(|note| note["record"]["errorCode"].as_str().unwrap().to_owned())
        .collect();
    codes.sort_unstable();
    let expected = ["AccessDenied", "ResourceConflictException"];
    assert_eq!(codes[..2], expected);
    assert!(codes[2].starts_with("ResourceNotFound"), "{codes:?}");
    let trail = account.page("trail");
    for note in &noted {
        assert_eq!(note["classification"]["decision"], "record");
        assert!(trail.contains(&note["record"]), "the record is verbatim");
    }
    assert!(about(account, &absent).await.is_empty());
    let cases = account.cases_about(&victim.name).await;
    for case in &cases {
        let (category, severity, _) = judged(case);
        let made = (Category::Code, Severity::Medium);
        assert!(
            (category, severity) == made || category == Category::Role,
            "{case:?}"
        );
    }
}
