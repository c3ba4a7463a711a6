use super::super::AthenaTable;
use super::super::trail_account::{ACCOUNT, Fault, REGION, TrailAccount, gzip, log_file};
use super::super::trail_body::AHEAD;
use super::*;
use crate::aws::canned::carry_out;
use crate::{Concluded, Desk, Task, Unobserved};
use crate::{Facts, Scope};
use evidence::{ArtifactKind, Request, Target};
use std::collections::BTreeMap;
use std::sync::Arc;
use vault::MemoryVault;

const BUCKET: &str = "trail";
const ROLE: &str = "arn:aws:iam::111122223333:role/service/victim";
const FUNCTION: &str = "arn:aws:lambda:eu-west-1:111122223333:function:billing";

fn time(text: &str) -> Timestamp {
    text.parse().unwrap()
}

fn window() -> Window {
    Window::new(time("2026-01-01T22:00:00Z"), time("2026-01-02T02:00:00Z")).unwrap()
}

fn scope() -> Scope {
    Scope {
        target: Target::from_arn(FUNCTION).unwrap(),
        facts: Facts::default(),
        window: window(),
        baseline: None,
        tampered_at: Some(time("2026-01-02T00:30:00Z")),
    }
}

fn source() -> TrailSource {
    TrailSource {
        bucket: Some(BUCKET.to_owned()),
        prefix: String::new(),
        limit_bytes: 1 << 40,
        athena: None,
    }
}

fn of_role() -> Query {
    Query {
        role: Some(ROLE.to_owned()),
        ..Query::default()
    }
}

fn record(id: &str, at: &str) -> Value {
    by(id, at, ROLE)
}

fn by(id: &str, at: &str, role: &str) -> Value {
    json!({
        "eventVersion": "1.11", "eventID": id, "eventTime": at, "eventName": "GetObject",
        "eventSource": "s3.amazonaws.com", "eventCategory": "Data",
        "userIdentity": {"type": "AssumedRole", "arn": "arn:aws:sts::111122223333:assumed-role/victim/billing",
            "sessionContext": {"sessionIssuer": {"arn": role}}},
    })
}

fn other(id: &str) -> Value {
    by(
        id,
        "2026-01-02T00:00:00Z",
        "arn:aws:iam::111122223333:role/other",
    )
}

fn reading(investigation: &Investigation, query: Query) -> Box<dyn Reading + '_> {
    let files = TrailFiles::new(investigation, window(), [query]);
    files.unwrap().boxed()
}

/// Reads a question to its end; what came of it, and the lines.
async fn read(
    account: &TrailAccount,
    source: TrailSource,
    query: Query,
) -> (Concluded, Vec<String>) {
    let investigation = account.investigation(scope(), source);
    let request = Request::whole(ArtifactKind::RoleActivity);
    let task = Task {
        target: &investigation.target,
        pass: "first",
        request: &request,
        readings: vec![reading(&investigation, query)],
    };
    let (concluded, kept) = carry_out(&task, Box::new(Unobserved)).await;
    let lines = kept.values().flat_map(|text| text.lines());
    let lines = lines.map(str::to_owned).collect();
    for call in &concluded.acquisition.calls {
        assert!(
            ACTIONS.contains(&call.api.as_str()),
            "{} is not declared",
            call.api
        );
    }
    (concluded, lines)
}

fn ids(lines: &[String]) -> Vec<String> {
    let id = |line: &String| serde_json::from_str::<Value>(line).unwrap()["eventID"].clone();
    lines
        .iter()
        .map(|line| id(line).as_str().unwrap().to_owned())
        .collect()
}

fn outcome(concluded: &Concluded) -> (&str, &str) {
    let outcome = &concluded.acquisition.result;
    (outcome.as_str(), outcome.why().unwrap_or_default())
}

#[tokio::test(start_paused = true)]
async fn what_the_role_did_anywhere_is_found_as_it_was_written_and_nothing_else() {
    let account = TrailAccount::new();
    // Delivered late, delivered early, at both edges, on either side of midnight, in two Regions.
    account.deliver(
        BUCKET,
        REGION,
        "20260101T2150",
        "a",
        &[record("edge", "2026-01-01T22:00:00Z"), other("1")],
    );
    account.deliver(
        BUCKET,
        REGION,
        "20260101T2355",
        "b",
        &[record("before midnight", "2026-01-01T23:59:59Z")],
    );
    account.deliver(
        BUCKET,
        REGION,
        "20260102T0005",
        "c",
        &[
            record("early", "2026-01-01T21:59:59Z"),
            record("after midnight", "2026-01-02T00:00:01Z"),
        ],
    );
    account.deliver(
        BUCKET,
        "ap-south-1",
        "20260102T0355",
        "d",
        &[
            record("late", "2026-01-02T02:00:00Z"),
            record("too late", "2026-01-02T02:00:01Z"),
        ],
    );
    // Delivered at other times.
    account.deliver(
        BUCKET,
        REGION,
        "20260101T2140",
        "e",
        &[record("x", "2026-01-01T22:00:00Z")],
    );
    account.deliver(
        BUCKET,
        REGION,
        "20260102T0405",
        "f",
        &[record("y", "2026-01-02T01:00:00Z")],
    );
    // Under a name that says nothing, and no file at all.
    let folder = format!("AWSLogs/{ACCOUNT}/CloudTrail/{REGION}/2026/01/02/");
    let odd = record("odd", "2026-01-02T01:00:00Z").to_string();
    account.put(BUCKET, &format!("{folder}renamed"), odd.clone());
    account.put(BUCKET, &folder, "");
    let (concluded, lines) = read(&account, source(), of_role()).await;
    assert_eq!(
        ids(&lines),
        ["edge", "before midnight", "after midnight", "odd", "late"]
    );
    assert_eq!(lines[3], odd);
    assert_eq!(outcome(&concluded), ("acquired", ""));
    let calls = &concluded.acquisition.calls;
    let told: Vec<_> = calls
        .iter()
        .map(|call| json!([call.api, call.about, call.requests]))
        .collect();
    insta::assert_json_snapshot!(told);
}

#[tokio::test(start_paused = true)]
async fn any_page_may_be_read_twice_and_by_another_program() {
    let account = TrailAccount::new();
    account.with(|state| state.most_keys = 7);
    for number in 0..25 {
        let at = format!("2026-01-02T00:{number:02}:00Z");
        let stamp = format!("20260102T00{number:02}");
        account.deliver(
            BUCKET,
            REGION,
            &stamp,
            "a",
            &[record(&format!("small {number:02}"), &at), other("1")],
        );
    }
    // One file that alone is three pages, compressed and not.
    let padding = "x".repeat(100_000);
    let large: Vec<Value> = (0..70)
        .map(|number| {
            let mut record = record(&format!("large {number:02}"), "2026-01-02T01:00:00Z");
            record["requestParameters"] = json!({ "padding": padding });
            record
        })
        .collect();
    account.deliver(BUCKET, REGION, "20260102T0100", "b", &large);
    let plain = json!({"Records": large})
        .to_string()
        .replace("large", "plain");
    account.put(BUCKET, &log_file("us-east-1", "20260102T0100", "c"), plain);

    let investigation = account.investigation(scope(), source());
    let request = Request::whole(ArtifactKind::RoleActivity);
    let clock = Arc::new(|| time("2026-01-02T03:04:05Z"));
    let case = "20260102T030405Z-test-0000000000000000".parse().unwrap();
    let desk = Desk::new(Arc::new(MemoryVault::default()), case, clock, u64::MAX);
    let (mut cursor, mut pages, mut found): (Option<Value>, u32, BTreeMap<String, u32>) =
        Default::default();
    loop {
        let mut twice = Vec::new();
        for _ in 0..2 {
            // A reading that knows nothing but the cursor.
            let reading = reading(&investigation, of_role());
            let mut inquiry = Inquiry::new(&desk, &investigation.target, request.clone());
            twice.push(reading.page(&mut inquiry, cursor.as_ref()).await);
            assert_eq!(inquiry.last_refusal(), None);
        }
        assert_eq!(twice[0], twice[1]);
        let page = twice.remove(0);
        let bytes: usize = page.entries.iter().map(|entry| entry.raw.len()).sum();
        assert!(bytes < 3 * PAGE_BYTES, "{bytes}");
        for entry in page.entries {
            *found.entry(entry.id).or_default() += 1;
        }
        pages += 1;
        cursor = page.next;
        if cursor.is_none() {
            break;
        }
    }
    assert!(pages >= 7, "{pages}");
    assert!(found.values().all(|times| *times == 1), "{found:?}");
    assert_eq!(found.len(), 25 + 70 + 70);
}

#[tokio::test(start_paused = true)]
async fn many_files_are_several_pages() {
    let account = TrailAccount::new();
    for number in 0..1_300 {
        account.deliver(
            BUCKET,
            REGION,
            "20260102T0000",
            &format!("{number:04}"),
            &[record(&number.to_string(), "2026-01-02T00:00:00Z")],
        );
    }
    let (concluded, lines) = read(&account, source(), of_role()).await;
    assert_eq!(lines.len(), 1_300);
    let got = concluded
        .acquisition
        .calls
        .iter()
        .find(|call| call.api == GET_OBJECT)
        .unwrap();
    assert_eq!(got.requests, 1_300);
}

#[tokio::test(start_paused = true)]
async fn what_is_broken_is_told_a_few_times_and_passed_over() {
    let account = TrailAccount::new();
    let whole = gzip(json!({"Records": [record("1", "2026-01-02T00:00:00Z"), record("2", "2026-01-02T00:00:00Z")]}).to_string());
    account.put(
        BUCKET,
        &log_file(REGION, "20260102T0000", "a"),
        "no gzip, no JSON",
    );
    account.put(
        BUCKET,
        &log_file(REGION, "20260102T0001", "b"),
        &whole[..whole.len() - 20],
    );
    for number in 2..8 {
        account.put(
            BUCKET,
            &log_file(REGION, &format!("20260102T000{number}"), "c"),
            "nothing",
        );
    }
    account.deliver(
        BUCKET,
        REGION,
        "20260102T0009",
        "d",
        &[record("3", "2026-01-02T00:00:00Z")],
    );
    account.fault("T0005Z_c", 1, Fault::Deleted);
    let (concluded, lines) = read(&account, source(), of_role()).await;
    assert!(ids(&lines).contains(&"3".to_owned()), "{lines:?}");
    let (word, why) = outcome(&concluded);
    assert_eq!(word, "partial");
    insta::assert_snapshot!(why.replace("; ", "\n"));
}

#[tokio::test(start_paused = true)]
async fn a_download_that_breaks_off_is_tried_again_and_given_up_in_the_end() {
    let account = TrailAccount::new();
    account.deliver(
        BUCKET,
        REGION,
        "20260102T0000",
        "a",
        &[record("small", "2026-01-02T00:00:00Z")],
    );
    let large: String = (0..3_000).map(|_| format!("{}\n", other("1"))).collect();
    let large = format!("{large}{}", record("large", "2026-01-02T00:00:00Z"));
    account.put(BUCKET, &log_file(REGION, "20260102T0001", "b"), large);
    account.deliver(
        BUCKET,
        REGION,
        "20260102T0002",
        "c",
        &[record("lost", "2026-01-02T00:00:00Z")],
    );
    account.deliver(
        BUCKET,
        REGION,
        "20260102T0003",
        "d",
        &[record("throttled", "2026-01-02T00:00:00Z")],
    );
    account.deliver(
        BUCKET,
        REGION,
        "20260102T0004",
        "e",
        &[record("broken", "2026-01-02T00:00:00Z")],
    );
    for (file, times, fault) in [
        (
            "Get s3://trail/AWSLogs/111122223333/CloudTrail/eu-west-1/2026/01/02/111122223333_CloudTrail_eu-west-1_20260102T0000Z",
            2,
            Fault::CutOff,
        ),
        ("T0001Z_b", 2, Fault::CutOff),
        ("T0002Z_c", u32::MAX, Fault::CutOff),
        ("T0003Z_d", 2, Fault::Refused(503, "SlowDown")),
        ("T0004Z_e", u32::MAX, Fault::Refused(500, "InternalError")),
    ] {
        account.fault(file, times, fault);
    }
    let (concluded, lines) = read(&account, source(), of_role()).await;
    assert_eq!(ids(&lines), ["large", "small", "throttled"]);
    let (word, why) = outcome(&concluded);
    assert_eq!(word, "partial");
    let told: Vec<&str> = why.split("; ").collect();
    assert_eq!(told.len(), 2, "{told:#?}");
    assert!(
        told[0].contains("T0002Z_c") && told[0].contains("cut off"),
        "{told:#?}"
    );
    assert!(
        told[1].contains("T0004Z_e") && told[1].contains("InternalError"),
        "{told:#?}"
    );
}

#[tokio::test(start_paused = true)]
async fn a_trail_that_may_not_be_read_is_denied_with_what_would_allow_it() {
    for (call, hint) in [
        ("List", "TrailBucket"),
        ("Get", "TrailKeyArn"),
        ("DescribeTrails", "TrailBucket"),
    ] {
        let account = TrailAccount::new();
        account.deliver(
            BUCKET,
            REGION,
            "20260102T0000",
            "a",
            &[record("1", "2026-01-02T00:00:00Z")],
        );
        account.deliver(
            BUCKET,
            "us-east-1",
            "20260102T0000",
            "a",
            &[record("1", "2026-01-02T00:00:00Z")],
        );
        account.fault(call, u32::MAX, Fault::Refused(403, "AccessDenied"));
        let found = TrailSource {
            bucket: (call != "DescribeTrails").then(|| BUCKET.to_owned()),
            ..source()
        };
        let (concluded, lines) = read(&account, found, of_role()).await;
        let (word, why) = outcome(&concluded);
        assert_eq!((word, lines.len()), ("denied", 0), "{call}: {why}");
        assert!(why.contains(hint) && !why.contains("; "), "{call}: {why}");
        // Nobody goes on hammering.
        assert!(
            account.asked("Get ").len() <= AHEAD,
            "{:?}",
            account.asked("Get ")
        );
    }
}

#[tokio::test(start_paused = true)]
async fn a_trail_is_found_through_cloudtrail_in_whatever_region_its_bucket_is() {
    let account = TrailAccount::new();
    let trail = |name: &str, bucket: &str, home: &str, is_multi: bool| {
        json!({"Name": name, "TrailARN": format!("arn:aws:cloudtrail:{home}:{ACCOUNT}:trail/{name}"), "S3BucketName": bucket,
            "HomeRegion": home, "IsMultiRegionTrail": is_multi, "S3KeyPrefix": "logs"})
    };
    account.with(|state| {
        state.trails = vec![
            trail("everywhere", "archive", "us-east-1", true),
            trail("here", BUCKET, REGION, false),
            trail("elsewhere", "unseen", "us-west-2", false),
        ];
        state
            .elsewhere
            .insert("archive".to_owned(), "eu-central-1".to_owned());
    });
    let twice = json!({"Records": [record("both", "2026-01-02T00:00:00Z")]}).to_string();
    let once = json!({"Records": [record("one", "2026-01-02T00:00:00Z")]}).to_string();
    let key = log_file(REGION, "20260102T0000", "a");
    account.put(BUCKET, &format!("logs/{key}"), twice.clone());
    account.put("archive", &format!("logs/{key}"), twice);
    // An organisation's trail has the account's files among those of others.
    let organisation = key.replace("AWSLogs/", "logs/AWSLogs/o-abcde12345/");
    account.put("archive", &organisation, once);
    account.put(
        "archive",
        "logs/AWSLogs/o-abcde12345/444455556666/CloudTrail/eu-west-1/2026/01/02/x",
        "x",
    );
    account.put(
        "archive",
        "logs/AWSLogs/111122223333/CloudTrail/not a region/x",
        "x",
    );
    let found = TrailSource {
        bucket: None,
        ..source()
    };
    let (concluded, lines) = read(&account, found, of_role()).await;
    assert_eq!(ids(&lines), ["both", "one"]);
    assert_eq!(outcome(&concluded).0, "partial");
    assert!(
        outcome(&concluded)
            .1
            .contains("1 folders among the Regions'"),
        "{:?}",
        outcome(&concluded)
    );
    assert!(account.asked("unseen").is_empty() && account.asked("444455556666").is_empty());
}

#[tokio::test(start_paused = true)]
async fn no_trail_is_told_apart_from_an_empty_one_and_from_a_bucket_that_is_gone() {
    let account = TrailAccount::new();
    let nowhere = TrailSource {
        bucket: None,
        ..source()
    };
    let (concluded, _) = read(&account, nowhere, of_role()).await;
    let (word, why) = outcome(&concluded);
    assert!(
        word == "absent" && why.contains("no trail of the account"),
        "{word} {why}"
    );
    let (concluded, _) = read(&account, source(), of_role()).await;
    let (word, why) = outcome(&concluded);
    assert!(
        word == "failed" && why.contains("bucket trail is not there"),
        "{word} {why}"
    );
    account.put(
        BUCKET,
        "AWSLogs/444455556666/CloudTrail/eu-west-1/2026/01/02/x",
        "x",
    );
    let (concluded, _) = read(&account, source(), of_role()).await;
    let (word, why) = outcome(&concluded);
    assert!(
        word == "absent" && why.contains("no CloudTrail folder of account 111122223333"),
        "{word} {why}"
    );
    account.deliver(BUCKET, REGION, "20260102T0000", "a", &[other("1")]);
    let (concluded, _) = read(&account, source(), of_role()).await;
    assert_eq!(
        outcome(&concluded),
        ("absent", "there is nothing of it in the window")
    );
}

/// Files of an hour each, all of the same size.
fn hourly(account: &TrailAccount) -> u64 {
    let padding: String = (0..4_000).map(|_| fastrand::alphanumeric()).collect();
    for (stamp, at) in [
        ("20260101T2210", "2026-01-01T22:05:00Z"),
        ("20260101T2310", "2026-01-01T23:05:00Z"),
        ("20260102T0010", "2026-01-02T00:05:00Z"),
        ("20260102T0110", "2026-01-02T01:05:00Z"),
        ("20260102T0210", "2026-01-02T02:00:00Z"),
    ] {
        let mut record = record(stamp, at);
        record["padding"] = padding.clone().into();
        account.put(BUCKET, &log_file(REGION, stamp, "a"), record.to_string());
    }
    account.with(|state| state.objects.values().next().unwrap().0.len() as u64)
}

#[tokio::test(start_paused = true)]
async fn of_a_trail_that_is_too_large_the_hours_nearest_to_the_change_are_read() {
    let account = TrailAccount::new();
    let size_bytes = hourly(&account);
    for (limit_bytes, expected) in [
        (
            size_bytes * 5,
            &[
                "20260101T2210",
                "20260101T2310",
                "20260102T0010",
                "20260102T0110",
                "20260102T0210",
            ][..],
        ),
        (
            size_bytes * 3,
            &["20260101T2310", "20260102T0010", "20260102T0110"],
        ),
        (size_bytes * 2, &["20260102T0010", "20260102T0110"]),
        (size_bytes, &["20260102T0010"]),
        (size_bytes - 1, &[]),
        (0, &[]),
    ] {
        let limited = TrailSource {
            limit_bytes,
            ..source()
        };
        let (concluded, lines) = read(&account, limited, of_role()).await;
        assert_eq!(ids(&lines), expected, "{limit_bytes}");
        let (word, why) = outcome(&concluded);
        match expected.len() {
            5 => assert_eq!(word, "acquired"),
            0 => assert!(
                word == "failed" && why.contains("nothing of it is read"),
                "{why}"
            ),
            _ => assert!(
                word == "partial" && why.contains("5 files of the window hold"),
                "{why}"
            ),
        }
    }
}

fn with_athena() -> TrailSource {
    TrailSource {
        limit_bytes: 0,
        athena: Some(AthenaTable {
            database: "coldcase".to_owned(),
            table: "trail".to_owned(),
            workgroup: "coldcase-trail".to_owned(),
        }),
        ..source()
    }
}

#[tokio::test(start_paused = true)]
async fn athena_names_the_files_that_are_read_and_is_asked_once() {
    let account = TrailAccount::new();
    hourly(&account);
    for number in 0..450 {
        let record = record(&format!("many {number}"), "2026-01-02T00:00:00Z");
        account.deliver(
            BUCKET,
            REGION,
            "20260102T0030",
            &format!("{number:03}"),
            &[record],
        );
    }
    let path = |key: String| format!("s3://{BUCKET}/{key}");
    account.with(|state| {
        state.query_states = vec![("QUEUED", ""), ("RUNNING", ""), ("SUCCEEDED", "")];
        state.paths = (0..450)
            .map(|number| path(log_file(REGION, "20260102T0030", &format!("{number:03}"))))
            .collect();
        state
            .paths
            .push(path(log_file(REGION, "20260101T2210", "a")));
        state.paths.push("s3://elsewhere/AWSLogs/x".to_owned());
    });
    let (concluded, lines) = read(&account, with_athena(), of_role()).await;
    assert_eq!(lines.len(), 451);
    assert_eq!(account.asked("StartQueryExecution").len(), 1);
    assert_eq!(account.asked("GetQueryExecution").len(), 3);
    assert_eq!(account.asked("GetQueryResults").len(), 3);
    assert_eq!(account.asked("Get s3://").len(), 451);
    assert!(account.asked("elsewhere").is_empty());
    let (word, why) = outcome(&concluded);
    assert!(
        word == "partial" && why.contains("elsewhere than the trail"),
        "{word} {why}"
    );
    let calls = &concluded.acquisition.calls;
    let query = calls
        .iter()
        .find(|call| call.api == athena::START_QUERY)
        .unwrap();
    insta::assert_snapshot!(query.about.replace(" AND ", "\nAND "));
}

#[tokio::test(start_paused = true)]
async fn where_athena_fails_the_hours_nearest_to_the_change_are_read_and_the_reason_is_told() {
    for (state, reason, word, told) in [
        (
            "FAILED",
            "HIVE_CURSOR_ERROR: x",
            "partial",
            "HIVE_CURSOR_ERROR",
        ),
        (
            "CANCELLED",
            "Bytes scanned limit was exceeded",
            "partial",
            "scanned limit",
        ),
        (
            "FAILED",
            "User: x is not authorized to perform: glue:GetTable on resource: y",
            "denied",
            "glue:GetTable",
        ),
        (
            "FAILED",
            "Access denied when writing output to url: s3://r/q.csv",
            "denied",
            "s3:PutObject",
        ),
        (
            "FAILED",
            "PERMISSION_DENIED: Permission denied on S3 path: s3://trail",
            "denied",
            "s3:ListBucket",
        ),
    ] {
        let account = TrailAccount::new();
        let size_bytes = hourly(&account);
        account.with(|account| account.query_states = vec![(state, reason)]);
        let limited = TrailSource {
            limit_bytes: size_bytes,
            ..with_athena()
        };
        let (concluded, lines) = read(&account, limited, of_role()).await;
        assert_eq!(ids(&lines), ["20260102T0010"]);
        let (got, why) = outcome(&concluded);
        assert!(got == word && why.contains(told), "{got}: {why}");
        assert_eq!(account.asked("StartQueryExecution").len(), 1);
    }
    let account = TrailAccount::new();
    hourly(&account);
    account.fault(
        "StartQueryExecution",
        1,
        Fault::Refused(400, "AccessDeniedException"),
    );
    let (concluded, lines) = read(&account, with_athena(), of_role()).await;
    let (word, why) = outcome(&concluded);
    assert!(
        word == "denied" && why.contains("athena:StartQueryExecution"),
        "{word}: {why}"
    );
    assert!(lines.is_empty() && !why.contains("SELECT"), "{why}");
}

#[tokio::test(start_paused = true)]
async fn a_query_takes_any_name_as_a_text() {
    let account = TrailAccount::new();
    hourly(&account);
    account.with(|account| account.query_states = vec![("FAILED", "")]);
    let query = Query {
        role: Some("arn:aws:iam::111122223333:role/o'x_y".to_owned()),
        session: Some("a%' OR 1=1 --\\".to_owned()),
        access_key: Some("AKIA'".to_owned()),
        resource: Some("arn:aws:lambda:eu-west-1:111122223333:function:o'hara".to_owned()),
        ..Query::default()
    };
    let (concluded, _) = read(&account, with_athena(), query).await;
    let calls = &concluded.acquisition.calls;
    let query = calls
        .iter()
        .find(|call| call.api == athena::START_QUERY)
        .unwrap();
    insta::assert_snapshot!(query.about.replace(" AND ", "\nAND "));
    assert!(query.about.matches('\'').count().is_multiple_of(2));
}

#[tokio::test(start_paused = true)]
async fn only_the_regions_that_are_asked_for_are_read() {
    let account = TrailAccount::new();
    for region in [REGION, "us-east-1", "ap-south-1"] {
        let record = record(region, "2026-01-02T00:00:00Z");
        account.deliver(BUCKET, region, "20260102T0000", "a", &[record]);
    }
    let investigation = account.investigation(scope(), source());
    let request = Request::whole(ArtifactKind::AuditEvents);
    for (regions, found) in [
        (&["us-east-1", REGION][..], &[REGION, "us-east-1"][..]),
        (&["us-west-2"], &[]),
    ] {
        let regions = regions.iter().map(|region| (*region).to_owned());
        let files = TrailFiles::new(&investigation, window(), [of_role()]).unwrap();
        let task = Task {
            target: &investigation.target,
            pass: "first",
            request: &request,
            readings: vec![files.in_regions(regions.collect()).boxed()],
        };
        let (concluded, kept) = carry_out(&task, Box::new(Unobserved)).await;
        let lines: Vec<String> = kept
            .values()
            .flat_map(|text| text.lines())
            .map(str::to_owned)
            .collect();
        let mut got = ids(&lines);
        got.sort();
        assert_eq!(got, found);
        if found.is_empty() {
            assert!(
                outcome(&concluded)
                    .1
                    .contains("other Regions than us-west-2"),
                "{concluded:?}"
            );
        }
    }
}
