//! Events as they are delivered, the responder's answers, and what is in the bucket then.
#![allow(clippy::unwrap_used)]

use aws_sdk_lambda::primitives::Blob;
use coldcase_tests::Account;
use evidence::CustodyAction;
use serde_json::{Value, json};
use std::collections::BTreeMap;

/// The newest successful record of this call on a function of this name, as CloudTrail wrote it.
pub fn record(account: &Account, base_event: &str, function: &str) -> Value {
    records(account, base_event, function)
        .pop()
        .unwrap_or_else(|| panic!("no record of {base_event} on {function}"))
}

/// All successful records of this call on a function of this name, oldest first.
pub fn records(account: &Account, base_event: &str, function: &str) -> Vec<Value> {
    let about = |record: &Value| {
        let named = record["requestParameters"]["functionName"].as_str();
        named.is_some_and(|named| named == function || named.ends_with(&format!(":{function}")))
    };
    let mut records = account.page("trail");
    records.retain(|record| {
        trail::base_name(record["eventName"].as_str().unwrap()) == base_event
            && record.get("errorCode").is_none_or(Value::is_null)
            && about(record)
    });
    records
}

/// The message that EventBridge makes of a record.
pub fn envelope(account: &Account, record: &Value) -> String {
    let service = record["eventSource"].as_str().unwrap();
    let service = service.strip_suffix(".amazonaws.com").unwrap();
    json!({
        "version": "0",
        "id": record["eventID"],
        "detail-type": "AWS API Call via CloudTrail",
        "source": format!("aws.{service}"),
        "account": account.account,
        "time": record["eventTime"],
        "region": record["awsRegion"],
        "resources": [],
        "detail": record,
    })
    .to_string()
}

/// A batch as Lambda takes it from a queue; each message's id says what it is.
pub fn batch(messages: &[(&str, String)]) -> Value {
    let records: Vec<Value> = messages
        .iter()
        .map(|(id, body)| {
            json!({"messageId": id, "body": body, "eventSource": "aws:sqs",
                "receiptHandle": id, "attributes": {}, "messageAttributes": {}})
        })
        .collect();
    json!({ "Records": records })
}

/// Invokes the responder and takes its answer.
pub async fn invoke(account: &Account, payload: &Value) -> Value {
    let answer = account
        .lambda()
        .await
        .invoke()
        .function_name(account.output("FunctionName"))
        .payload(Blob::new(payload.to_string()))
        .send()
        .await
        .unwrap();
    let payload: Value = serde_json::from_slice(answer.payload().unwrap().as_ref()).unwrap();
    assert_eq!(answer.function_error(), None, "{payload}");
    payload
}

/// For a stack in which the account's administrator may handle messages; as the template stands by
/// itself, nobody may but the responder.
pub const REDRIVE: &str = "RedrivePrincipalArn=arn:aws:iam::111122223333:user/administrator";

/// Whether an addendum with this in its custody says what came of tracing.
pub fn is_about_tracing(action: &CustodyAction) -> bool {
    matches!(
        action,
        CustodyAction::TracingTurnedOn { .. }
            | CustodyAction::TracingAlreadyOn { .. }
            | CustodyAction::TracingNotPossible { .. }
            | CustodyAction::TracingNotWanted
    )
}

/// The responder's own power in this process.
pub async fn as_responder(account: &Account) -> aws_config::SdkConfig {
    as_role(account, "RoleArn", &account.output("FunctionName")).await
}

/// The power of the role that this output of the stack names, in a session of this name. The role's
/// trust is opened for it: for accounts of one's own only.
pub async fn as_role(account: &Account, output: &str, session: &str) -> aws_config::SdkConfig {
    let role = account.output(output);
    let trust = json!({"Version": "2012-10-17", "Statement": [{
        "Effect": "Allow", "Action": "sts:AssumeRole",
        "Principal": {"AWS": format!("arn:aws:iam::{}:root", account.account)}}]});
    account
        .iam()
        .await
        .update_assume_role_policy()
        .role_name(role.rsplit_once('/').unwrap().1)
        .policy_document(trust.to_string())
        .send()
        .await
        .unwrap();
    let administrator = account.config().await;
    let credentials = aws_config::sts::AssumeRoleProvider::builder(role)
        .session_name(session)
        .configure(&administrator)
        .build()
        .await;
    administrator
        .to_builder()
        .credentials_provider(aws_sdk_lambda::config::SharedCredentialsProvider::new(
            credentials,
        ))
        .build()
}

/// Puts a message into the responder's queue and waits until it is answered.
pub async fn deliver(account: &Account, body: &str) {
    let sent = account
        .sqs()
        .await
        .send_message()
        .queue_url(account.output("QueueUrl"))
        .message_body(body)
        .send()
        .await
        .unwrap();
    let id = sent.message_id().unwrap();
    let (logs, group) = (&account.logs().await, &account.output("LogGroupName"));
    account
        .until("an answer to a message", || async {
            let told = logs
                .filter_log_events()
                .log_group_name(group)
                .filter_pattern(format!("\"{id}\""))
                .send()
                .await
                .unwrap();
            let answered = |line: &str| line.contains(id) && line.contains("\"answered\"");
            let mut lines = told.events().iter().filter_map(|event| event.message());
            lines.any(answered).then_some(())
        })
        .await;
}

/// How many versions each object under a prefix has, delete markers counted as well.
pub async fn versions(account: &Account, prefix: &str) -> BTreeMap<String, usize> {
    let (s3, bucket) = (account.s3().await, account.output("BucketName"));
    let (mut key, mut version) = (None, None);
    let mut versions = BTreeMap::new();
    loop {
        let page = s3
            .list_object_versions()
            .bucket(&bucket)
            .prefix(prefix)
            .set_key_marker(key)
            .set_version_id_marker(version)
            .send()
            .await
            .unwrap();
        let markers = page.delete_markers().iter().map(|marker| marker.key());
        let kept = page.versions().iter().map(|version| version.key());
        for key in kept.chain(markers) {
            *versions.entry(key.unwrap().to_owned()).or_default() += 1;
        }
        if page.is_truncated() != Some(true) {
            return versions;
        }
        key = page.next_key_marker().map(str::to_owned);
        version = page.next_version_id_marker().map(str::to_owned);
    }
}
