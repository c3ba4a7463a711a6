//! What comes of a window, against answers by hand.

use super::*;
use crate::gcp::canned::{Investigated, TARGET, investigate};
use evidence::ArtifactKind::{AuditEvents, ExecutionLogs, RoleActivity, Traces};
use serde_json::{Value, json};

const ACCOUNT: &str = "billing@example-project.iam.gserviceaccount.com";

fn scope() -> Scope {
    Scope {
        target: Target::parse(TARGET).unwrap(),
        facts: Facts {
            service: Some("billing-api".to_owned()),
            roles: [ACCOUNT.to_owned()].into(),
            reads_are_recorded: Some(true),
            ..Facts::default()
        },
        window: Window {
            since: "2026-01-01T00:00:00Z".parse().unwrap(),
            until: "2026-01-02T00:00:00Z".parse().unwrap(),
        },
        baseline: None,
        tampered_at: None,
    }
}

/// An entry at a second of the window.
fn entry(second: i64, more: Value) -> Value {
    let at = jiff::Timestamp::from_second(1_767_225_600 + second).unwrap();
    let mut entry = json!({"timestamp": at, "insertId": format!("i{second}"),
        "logName": "projects/example-project/logs/run.googleapis.com%2Fstdout"});
    let fields = entry.as_object_mut().unwrap();
    fields.extend(more.as_object().cloned().unwrap_or_default());
    entry
}

fn line(second: i64) -> Value {
    entry(second, json!({"textPayload": format!("line {second}")}))
}

fn page(entries: &[Value], next: Option<&str>) -> &'static str {
    json!({"entries": entries, "nextPageToken": next})
        .to_string()
        .leak()
}

async fn read(artifact: ArtifactKind, lines: &[(&'static str, u16, &'static str)]) -> Investigated {
    let request = match artifact {
        RoleActivity => Request::one(artifact, ACCOUNT),
        other => Request::whole(other),
    };
    investigate(scope(), &request, lines.to_vec().leak()).await
}

fn seconds(found: &Investigated, name: &str) -> Vec<String> {
    let lines = found.lines(name).into_iter();
    let read = lines.map(|line| serde_json::from_str::<Value>(line).unwrap());
    read.map(|entry| entry["insertId"].as_str().unwrap_or("none").to_owned())
        .collect()
}

const REFUSED: &str = r#"{"error":{"code":400,"message":"page_token doesn't match arguments from the request","status":"INVALID_ARGUMENT"}}"#;

#[tokio::test(start_paused = true)]
async fn empty_pages_go_on_and_what_comes_twice_is_kept_once() {
    let found = read(
        ExecutionLogs,
        &[
            ("POST \"pageToken\":\"b\"", 200, page(&[], Some("c"))),
            ("POST \"pageToken\":\"c\"", 200, page(&[line(3)], None)),
            ("POST", 200, page(&[line(2), line(1), line(2)], Some("b"))),
        ],
    )
    .await;
    assert_eq!(found.outcome(), ("acquired", ""));
    assert_eq!(
        seconds(&found, "execution-logs-first-0"),
        ["i1", "i2", "i3"]
    );
    insta::assert_snapshot!(found.asked[0]);
    // 60 requests a minute are everybody's in the project.
    assert!(
        found.took >= std::time::Duration::from_secs(4),
        "{:?}",
        found.took
    );
}

#[tokio::test(start_paused = true)]
async fn a_token_that_has_run_out_is_begun_again_where_it_was() {
    let found = read(
        ExecutionLogs,
        &[
            ("POST \"pageToken\":\"b\"", 400, REFUSED),
            (
                "POST 2026-01-01T00:00:06Z",
                200,
                page(&[line(6), line(7), line(8)], None),
            ),
            ("POST", 200, page(&[line(5), line(6), line(7)], Some("b"))),
        ],
    )
    .await;
    assert_eq!(found.outcome(), ("acquired", ""));
    assert_eq!(
        seconds(&found, "execution-logs-first-0"),
        ["i5", "i6", "i7", "i8"]
    );
}

#[tokio::test(start_paused = true)]
async fn a_token_that_always_runs_out_is_told_in_the_end() {
    let found = read(
        ExecutionLogs,
        &[
            ("POST \"pageToken\":\"b\"", 400, REFUSED),
            ("POST", 200, page(&[line(5)], Some("b"))),
        ],
    )
    .await;
    assert_eq!(found.outcome().0, "partial");
    assert_eq!(seconds(&found, "execution-logs-first-0"), ["i5"]);
}

#[tokio::test(start_paused = true)]
async fn the_same_token_for_ever_is_left() {
    let found = read(ExecutionLogs, &[("POST", 200, page(&[line(5)], Some("b")))]).await;
    assert_eq!(found.outcome().0, "partial");
    assert!(
        found.outcome().1.contains("given twice"),
        "{:?}",
        found.outcome()
    );
    assert_eq!(found.asked.len(), 2);
}

#[tokio::test(start_paused = true)]
async fn long_entries_are_asked_for_fewer_at_a_time() {
    let long: &'static str = "x".repeat(900_000).leak();
    let many: Vec<Value> = (0..12)
        .map(|second| entry(second, json!({"textPayload": long})))
        .collect();
    let (few, rest) = many.split_at(4);
    let found = read(
        ExecutionLogs,
        &[
            ("POST \"pageSize\":1000", 200, page(&many, None)),
            ("POST \"pageSize\":250 pageToken", 200, page(rest, None)),
            ("POST \"pageSize\":250", 200, page(few, Some("b"))),
            (
                "POST \"pageSize\":62 pageToken",
                200,
                page(&many[8..], None),
            ),
            ("POST \"pageSize\":62", 200, page(&many[3..8], Some("c"))),
        ],
    )
    .await;
    assert_eq!(found.outcome(), ("acquired", ""));
    assert_eq!(found.lines("execution-logs-first-0").len(), 12);
}

#[tokio::test(start_paused = true)]
async fn requests_are_rows() {
    let request = entry(
        7,
        json!({"trace": "projects/example-project/traces/t7", "resource": {"labels": {"revision_name": "billing-api-00002"}},
            "httpRequest": {"status": 200, "latency": "0.25s", "requestMethod": "GET", "requestUrl": "https://billing.example.com/?q=1"}}),
    );
    let found = read(
        ExecutionLogs,
        &[("POST", 200, page(&[line(6), request], None))],
    )
    .await;
    let rows = found.lines("invocations");
    assert_eq!(rows.len(), 1);
    let row: Value = serde_json::from_str(rows[0]).unwrap();
    assert_eq!(
        (&row["request_id"], &row["duration_ms"]),
        (&json!("t7"), &json!(250.0))
    );
}

fn audit(second: i64, method: &str, more: Value) -> Value {
    let mut payload = json!({"@type": "type.googleapis.com/google.cloud.audit.AuditLog", "methodName": method,
        "serviceName": "iam.googleapis.com", "authenticationInfo": {"principalEmail": "mallory@example.com"},
        "requestMetadata": {"callerIp": "198.51.100.7"}, "resourceName": "projects/-/serviceAccounts/1"});
    let fields = payload.as_object_mut().unwrap();
    fields.extend(more.as_object().cloned().unwrap_or_default());
    entry(
        second,
        json!({"protoPayload": payload, "resource": {"labels": {"email_id": ACCOUNT}}}),
    )
}

#[tokio::test(start_paused = true)]
async fn a_key_that_was_made_is_a_finding_and_one_that_was_refused_is_none() {
    let made = "google.iam.admin.v1.CreateServiceAccountKey";
    let entries = [
        audit(1, made, json!({"status": {"code": 7}})),
        audit(2, made, json!({"status": {}})),
        audit(
            3,
            "google.cloud.functions.v2.FunctionService.UpdateFunction",
            json!({"request": {"function":
            {"serviceConfig": {"environmentVariables": {"MODE": "marked-secret"}}}}}),
        ),
    ];
    let found = read(AuditEvents, &[("POST", 200, page(&entries, None))]).await;
    assert_eq!(found.outcome(), ("acquired", ""));
    insta::assert_json_snapshot!(found.concluded.findings);
    insta::assert_json_snapshot!(found.document("summary"));
    insta::assert_snapshot!(found.asked[0]);
}

#[tokio::test(start_paused = true)]
async fn what_the_account_did_is_counted() {
    let entries = [
        audit(
            1,
            "storage.objects.get",
            json!({"serviceName": "storage.googleapis.com"}),
        ),
        audit(
            2,
            "storage.objects.get",
            json!({"serviceName": "storage.googleapis.com", "status": {"code": 7}}),
        ),
    ];
    let found = read(
        RoleActivity,
        &[("POST principalEmail", 200, page(&entries, None))],
    )
    .await;
    assert_eq!(found.outcome(), ("acquired", ""));
    insta::assert_json_snapshot!(found.document("calls"));
}

#[tokio::test(start_paused = true)]
async fn that_reads_are_not_recorded_is_told() {
    for (recorded, word) in [(Some(false), "were off"), (None, "is not known")] {
        let facts = Facts {
            reads_are_recorded: recorded,
            ..scope().facts
        };
        let scope = Scope { facts, ..scope() };
        let request = Request::one(RoleActivity, ACCOUNT);
        let entries = [audit(1, "m", json!({}))];
        let script = vec![("POST", 200, page(&entries, None))].leak();
        let found = investigate(scope, &request, script).await;
        assert_eq!(found.outcome().0, "partial");
        assert!(found.outcome().1.contains(word), "{:?}", found.outcome());
    }
}

#[tokio::test(start_paused = true)]
async fn nobody_acts_and_it_is_said() {
    let scope = Scope {
        facts: Facts::default(),
        ..scope()
    };
    let google = crate::gcp::canned::google(
        &aws_smithy_runtime_api::client::http::SharedHttpConnector::new(
            crate::aws::canned::Canned::answering(&[]),
        ),
    );
    let investigation = Investigation::new(&google, scope);
    let plan = investigation.plan();
    assert!(plan.contains(&Request::whole(RoleActivity)), "{plan:?}");
}

#[tokio::test(start_paused = true)]
async fn traces_are_read_to_their_end() {
    let trace = |id: &str, at: &str| json!({"traceId": id, "projectId": "example-project", "spans": [{"spanId": "1", "startTime": at, "labels": {}}]});
    let first = json!({"traces": [trace("t1", "2026-01-01T00:00:01Z"), trace("t2", "2026-01-01T00:00:02Z")], "nextPageToken": "b"});
    let last = json!({"traces": [trace("t3", "2026-01-01T00:00:03Z")]});
    let found = read(
        Traces,
        &[
            ("GET pageToken=b", 200, last.to_string().leak()),
            ("GET", 200, first.to_string().leak()),
        ],
    )
    .await;
    assert_eq!(found.outcome(), ("acquired", ""));
    assert_eq!(found.lines("traces-first-0").len(), 3);
    assert_eq!(
        found.asked[0],
        "GET /v1/projects/example-project/traces?view=COMPLETE&startTime=2026-01-01T00%3A00%3A00Z\
         &endTime=2026-01-02T00%3A00%3A00Z&orderBy=start&pageSize=200 "
    );
}

#[tokio::test(start_paused = true)]
async fn no_answer_is_told_apart_from_none() {
    for artifact in [ExecutionLogs, AuditEvents, RoleActivity, Traces] {
        let refused =
            r#"{"error":{"code":403,"message":"Permission denied","status":"PERMISSION_DENIED"}}"#;
        let found = read(artifact, &[("POST", 403, refused), ("GET", 403, refused)]).await;
        assert_eq!(found.outcome().0, "denied", "{artifact:?}");
        let found = read(artifact, &[("POST", 200, "{}"), ("GET", 200, "{}")]).await;
        assert_eq!(found.outcome().0, "absent", "{artifact:?}");
    }
}

#[test]
fn a_name_cannot_leave_its_quotes() {
    assert_eq!(entries::quoted("a\" OR \"b\\"), r#""a\" OR \"b\\""#);
}
