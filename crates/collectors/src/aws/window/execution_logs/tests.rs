use super::*;
use crate::aws::canned::{Investigated, Script, investigate};
use crate::{Facts, Scope};
use evidence::{Target, Window};
use serde_json::json;

const GROUP: &str = "/aws/lambda/billing";
const STREAM: &str = "2026/01/02/[$LATEST]0abc";
/// 2026-01-02T03:00:00Z; the canned clock is at 03:04:05.
const SINCE_MS: i64 = 1_767_322_800_000;
const UNTIL_MS: i64 = SINCE_MS + 200_000;
const NO_SUCH_GROUP: &str =
    r#"{"__type":"ResourceNotFoundException","message":"The specified log group does not exist."}"#;
const NO_SUCH_TOKEN: &str =
    r#"{"__type":"InvalidParameterException","message":"The specified nextToken is invalid."}"#;
const DENIED: &str = r#"{"__type":"AccessDeniedException","message":"no"}"#;
const THROTTLED: &str = r#"{"__type":"ThrottlingException","message":"Rate exceeded"}"#;
const STANDARD: (&str, u16, &str) = (
    "DescribeLogGroups \"logGroupNamePrefix\":\"/aws/lambda/billing\"",
    200,
    r#"{"logGroups":[{"logGroupName":"/aws/lambda/billing","creationTime":1700000000000,"logGroupClass":"STANDARD"},{"logGroupName":"/aws/lambda/billing-2","logGroupClass":"DELIVERY"}]}"#,
);
const INFREQUENT: (&str, u16, &str) = (
    "DescribeLogGroups",
    200,
    r#"{"logGroups":[{"logGroupName":"/aws/lambda/billing","creationTime":1700000000000,"logGroupClass":"INFREQUENT_ACCESS"}]}"#,
);

type Answer = (&'static str, u16, &'static str);

fn scope(facts: Facts) -> Scope {
    let function = "arn:aws:lambda:eu-west-1:111122223333:function:billing";
    Scope {
        target: Target::from_arn(function).unwrap(),
        facts,
        window: Window::new(at(SINCE_MS), at(UNTIL_MS)).unwrap(),
        baseline: None,
        tampered_at: None,
    }
}

async fn read_with(facts: Facts, script: Vec<Answer>) -> Investigated {
    let request = Request::one(ArtifactKind::ExecutionLogs, GROUP);
    let script: Script = script.leak();
    investigate(scope(facts), &request, &Carried::new(), script).await
}

async fn read(script: Vec<Answer>) -> Investigated {
    read_with(Facts::default(), script).await
}

/// An event of a log, `ms` after the window's beginning.
fn event(ms: i64, message: &str) -> Value {
    let at = SINCE_MS + ms;
    json!({
        "logStreamName": STREAM, "timestamp": at, "message": message, "ingestionTime": at + 500,
        "eventId": format!("{at:040}{:016x}", message.len()), "unheardOf": {"kept": true},
    })
}

fn leak(body: Value) -> &'static str {
    body.to_string().leak()
}

/// A page with the token of the next one.
fn events(events: &[Value], token: Option<&str>) -> &'static str {
    leak(json!({"events": events, "nextToken": token, "searchedLogStreams": []}))
}

fn messages(found: &Investigated) -> Vec<String> {
    let lines = found.lines("first-0");
    let lines = lines.iter().map(|line| {
        let line: Value = serde_json::from_str(line).unwrap();
        line["message"].as_str().unwrap().to_owned()
    });
    lines.collect()
}

#[tokio::test(start_paused = true)]
async fn each_group_is_a_request() {
    let mut facts = Facts::default();
    for group in ["/own", GROUP] {
        facts
            .log_groups
            .insert(group.to_owned(), LogGroup::default());
    }
    let clients = crate::aws::canned::clients("eu-west-1", &[]);
    let regions =
        crate::aws::Regions::new(&aws_config::SdkConfig::builder().build(), &[] as &[&str]);
    let investigation = Investigation::new(clients, regions, Default::default(), scope(facts));
    let requests: Vec<String> = (ARTIFACT.requests)(&investigation)
        .iter()
        .map(ToString::to_string)
        .collect();
    assert_eq!(
        requests,
        ["execution-logs /aws/lambda/billing", "execution-logs /own"]
    );
}

#[tokio::test(start_paused = true)]
async fn events_are_kept_as_they_came_and_the_windows_edges_are_inside() {
    let inside = [event(0, "first"), event(200_000, "last")];
    let found = read(vec![
        STANDARD,
        (
            "FilterLogEvents \"startTime\":1767322800000 \"endTime\":1767323000000",
            200,
            events(
                &[
                    event(-1, "before"),
                    inside[0].clone(),
                    inside[1].clone(),
                    event(200_001, "after"),
                ],
                None,
            ),
        ),
    ])
    .await;
    assert_eq!(found.outcome(), ("acquired", ""));
    let lines: Vec<Value> = found
        .lines("first-0")
        .iter()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    assert_eq!(lines, inside);
    assert_eq!(found.document("summary")["lines"], 2);
}

#[tokio::test(start_paused = true)]
async fn empty_pages_with_a_token_are_passed_and_pages_in_any_order_give_the_same() {
    let id = "aaaaaaaa-0000-4000-8000-000000000001";
    let own = [
        event(10, &format!("START RequestId: {id} Version: $LATEST\n")),
        event(20, "hello\n"),
        event(20, "hello again\n"),
        event(90, &format!("END RequestId: {id}\n")),
        event(
            91,
            &format!("REPORT RequestId: {id}\tDuration: 80.00 ms\tBilled Duration: 80 ms\n"),
        ),
    ];
    let mut all = Vec::new();
    for order in [[0, 1, 2, 3, 4], [4, 3, 2, 1, 0], [2, 4, 0, 3, 1]] {
        let page = |place: usize, token| {
            events(&[own[order[place]].clone(), own[order[0]].clone()], token)
        };
        let found = read(vec![
            STANDARD,
            (
                "FilterLogEvents \"nextToken\":\"t1\"",
                200,
                events(&[], Some("t2")),
            ),
            (
                "FilterLogEvents \"nextToken\":\"t2\"",
                200,
                page(1, Some("t3")),
            ),
            (
                "FilterLogEvents \"nextToken\":\"t3\"",
                200,
                page(2, Some("t4")),
            ),
            (
                "FilterLogEvents \"nextToken\":\"t4\"",
                200,
                page(3, Some("t5")),
            ),
            ("FilterLogEvents \"nextToken\":\"t5\"", 200, page(4, None)),
            ("FilterLogEvents", 200, page(0, Some("t1"))),
        ])
        .await;
        assert_eq!(found.outcome(), ("acquired", ""));
        assert_eq!(found.asked.len(), 7);
        assert_eq!(found.lines("invocations").len(), 1);
        all.push(found.kept);
    }
    assert_eq!(all[0], all[1]);
    assert_eq!(all[0], all[2]);
}

#[tokio::test(start_paused = true)]
async fn a_token_that_is_refused_is_left_behind_and_nothing_comes_twice() {
    let found = read(vec![
        STANDARD,
        (
            "FilterLogEvents \"nextToken\":\"stale\"",
            400,
            NO_SUCH_TOKEN,
        ),
        (
            "FilterLogEvents \"startTime\":1767322800000",
            200,
            events(&[event(10, "a"), event(50, "b")], Some("stale")),
        ),
        (
            "FilterLogEvents \"startTime\":1767322800050 \"nextToken\":\"fresh\"",
            200,
            events(&[event(70, "d")], None),
        ),
        (
            "FilterLogEvents \"startTime\":1767322800050",
            200,
            events(&[event(50, "b"), event(60, "c")], Some("fresh")),
        ),
    ])
    .await;
    assert_eq!(found.outcome(), ("acquired", ""));
    assert_eq!(messages(&found), ["a", "b", "c", "d"]);
    // That it was refused stays on record.
    let calls = &found.concluded.acquisition.calls;
    assert!(calls.iter().any(|call| call.error.is_some()));
}

#[tokio::test(start_paused = true)]
async fn a_token_that_is_refused_again_and_again_ends_the_reading_and_says_so() {
    let found = read(vec![
        STANDARD,
        ("FilterLogEvents \"nextToken\"", 400, NO_SUCH_TOKEN),
        (
            "FilterLogEvents",
            200,
            events(&[event(50, "b")], Some("stale")),
        ),
    ])
    .await;
    let why =
        "the next page was refused twice at 2026-01-02T03:00:00.05Z; what follows is not read";
    assert_eq!(found.outcome(), ("partial", why));
    assert_eq!(messages(&found), ["b"]);
}

#[tokio::test(start_paused = true)]
async fn a_throttled_page_is_asked_for_again() {
    let found = read(vec![
        ("once DescribeLogGroups", 400, THROTTLED),
        STANDARD,
        ("once FilterLogEvents", 400, THROTTLED),
        ("once FilterLogEvents", 503, "{}"),
        (
            "FilterLogEvents \"nextToken\"",
            200,
            events(&[event(20, "b")], None),
        ),
        ("FilterLogEvents", 200, events(&[event(10, "a")], Some("t"))),
    ])
    .await;
    assert_eq!(found.outcome(), ("acquired", ""));
    assert_eq!(messages(&found), ["a", "b"]);
    assert_eq!(found.asked.len(), 6);
}

#[tokio::test(start_paused = true)]
async fn a_group_that_is_not_there_is_absent() {
    const NONE: Answer = (
        "DescribeLogGroups",
        200,
        r#"{"logGroups":[{"logGroupName":"/aws/lambda/billing-2"}]}"#,
    );
    let found = read(vec![NONE]).await;
    assert_eq!(
        found.outcome(),
        ("absent", "there is no log group /aws/lambda/billing")
    );
    assert!(found.kept.is_empty());
    let mut facts = Facts::default();
    let known = LogGroup {
        class: Some("STANDARD".to_owned()),
        ..LogGroup::default()
    };
    facts.log_groups.insert(GROUP.to_owned(), known);
    let found = read_with(facts, vec![NONE]).await;
    let why =
        "there is no log group /aws/lambda/billing any more: it was there when the case was sealed";
    assert_eq!(found.outcome(), ("absent", why));
    // The same where groups cannot be asked about: two things are told.
    let found = read(vec![
        ("DescribeLogGroups", 400, DENIED),
        ("FilterLogEvents", 400, NO_SUCH_GROUP),
    ])
    .await;
    assert_eq!(found.outcome().0, "denied");
    assert!(found.kept.is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_group_that_is_deleted_half_way_leaves_what_was_read() {
    let deleted = "the log group was deleted while it was read";
    let found = read(vec![
        STANDARD,
        ("FilterLogEvents \"nextToken\"", 400, NO_SUCH_GROUP),
        ("FilterLogEvents", 200, events(&[event(10, "a")], Some("t"))),
    ])
    .await;
    assert_eq!(found.outcome(), ("partial", deleted));
    assert_eq!(messages(&found), ["a"]);
    // Between being looked at and being read.
    let found = read(vec![STANDARD, ("FilterLogEvents", 400, NO_SUCH_GROUP)]).await;
    assert_eq!(found.outcome(), ("failed", deleted));
    let found = read(vec![INFREQUENT, ("StartQuery", 400, NO_SUCH_GROUP)]).await;
    assert_eq!(found.outcome(), ("failed", deleted));
}

#[tokio::test(start_paused = true)]
async fn a_group_without_a_line_in_the_window_has_nothing() {
    let found = read(vec![STANDARD, ("FilterLogEvents", 200, events(&[], None))]).await;
    assert_eq!(
        found.outcome(),
        ("absent", "there is nothing of it in the window")
    );
}

#[tokio::test(start_paused = true)]
async fn what_may_not_be_asked_is_denied_and_the_rest_is_kept() {
    let found = read(vec![
        ("DescribeLogGroups", 400, DENIED),
        ("FilterLogEvents", 200, events(&[event(10, "a")], None)),
    ])
    .await;
    let (word, why) = found.outcome();
    assert_eq!((word, messages(&found).len()), ("denied", 1));
    assert!(why.starts_with("logs:DescribeLogGroups"), "{why}");
    let found = read(vec![STANDARD, ("FilterLogEvents", 400, DENIED)]).await;
    assert!(found.outcome().1.starts_with("logs:FilterLogEvents"));
}

#[tokio::test(start_paused = true)]
async fn gaps_are_told_in_so_many_words() {
    let filters = ["application lines below WARN", "platform lines below ERROR"];
    let mut facts = Facts {
        log_filters: filters.map(str::to_owned).into(),
        ..Facts::default()
    };
    let known = LogGroup {
        created_ms: Some(1_700_000_000_000),
        ..LogGroup::default()
    };
    facts.log_groups.insert(GROUP.to_owned(), known);
    let mut scope = scope(facts);
    scope.window.since = "2025-12-01T00:00:00Z".parse().unwrap();
    let request = Request::one(ArtifactKind::ExecutionLogs, GROUP);
    let script: Script = vec![
        (
            "DescribeLogGroups",
            200,
            r#"{"logGroups":[{"logGroupName":"/aws/lambda/billing","creationTime":1767225600000,"retentionInDays":3}]}"#,
        ),
        ("FilterLogEvents", 200, events(&[event(10, "a")], None)),
    ]
    .leak();
    let found = investigate(scope, &request, &Carried::new(), script).await;
    assert_eq!(
        found.outcome(),
        (
            "partial",
            "the log group was deleted and made again at 2026-01-01T00:00:00Z: the lines before \
             are gone; the function's logging leaves out application lines below WARN and \
             platform lines below ERROR; lines before 2025-12-30T03:04:05Z have expired: the group \
             keeps 3 days"
        )
    );
    assert_eq!(messages(&found), ["a"]);
}

#[tokio::test(start_paused = true)]
async fn a_group_that_only_hands_lines_on_is_not_read() {
    let found = read(vec![(
        "DescribeLogGroups",
        200,
        r#"{"logGroups":[{"logGroupName":"/aws/lambda/billing","logGroupClass":"DELIVERY"}]}"#,
    )])
    .await;
    let why = "the log group is of the class DELIVERY: it hands its lines on to S3 or Firehose, and \
               CloudWatch Logs does not show them";
    assert_eq!(found.outcome(), ("failed", why));
    assert_eq!(found.asked.len(), 1);
}

/// A row of a query.
fn row(ms: i64, message: &str) -> Value {
    let field = |field: &str, value: String| json!({"field": field, "value": value});
    let time = |ms: i64| {
        at(SINCE_MS + ms)
            .strftime("%Y-%m-%d %H:%M:%S.%3f")
            .to_string()
    };
    json!([
        field("@timestamp", time(ms)),
        field("@message", message.to_owned()),
        field("@logStream", STREAM.to_owned()),
        field("@ingestionTime", time(ms + 500)),
        field("@ptr", format!("pointer-{ms}-{}", fastrand::u64(..))),
    ])
}

fn answer(status: &str, matched: u64, bytes: u64, rows: &[Value]) -> &'static str {
    leak(json!({"status": status, "results": rows, "statistics": {
        "recordsMatched": matched as f64, "recordsScanned": matched as f64, "bytesScanned": bytes as f64,
    }}))
}

fn started(id: &str) -> &'static str {
    leak(json!({"queryId": id}))
}

#[tokio::test(start_paused = true)]
async fn an_infrequent_access_group_is_queried_and_rows_become_events() {
    // Two lines are alike in all that a row says, and every query names them differently.
    let rows = [
        row(-1, "before"),
        row(0, "a"),
        row(1, "same"),
        row(1, "same"),
        row(200_000, "last"),
        row(200_001, "after"),
    ];
    let found = read(vec![
        INFREQUENT,
        (
            "once StartQuery \"startTime\":1767322800 \"endTime\":1767323001 limit",
            200,
            started("q"),
        ),
        (
            "once GetQueryResults \"queryId\":\"q\" \"maxItems\":1",
            200,
            answer("Scheduled", 0, 0, &[]),
        ),
        (
            "once GetQueryResults \"queryId\":\"q\"",
            200,
            answer("Running", 3, 60, &rows[..1]),
        ),
        (
            "GetQueryResults \"queryId\":\"q\"",
            200,
            answer("Complete", 6, 60, &rows),
        ),
    ])
    .await;
    assert_eq!(found.outcome(), ("acquired", ""));
    assert_eq!(messages(&found), ["a", "same", "same", "last"]);
    let line: Value = serde_json::from_str(found.lines("first-0")[0]).unwrap();
    assert_eq!(line["timestamp"], SINCE_MS);
    assert_eq!(line["ingestionTime"], SINCE_MS + 500);
    assert_eq!(line["logStreamName"], STREAM);
    assert!(line["@ptr"].as_str().unwrap().starts_with("pointer-0"));
    assert!(line["eventId"].as_str().unwrap().ends_with("-1"));
}

#[tokio::test(start_paused = true)]
async fn a_slice_with_too_many_rows_is_cut_and_one_second_with_too_many_is_told() {
    // 21 seconds hold 12,003 lines, 12,000 of them in the eleventh.
    let full: Vec<Value> = (0..10_000)
        .map(|number| row(10_000, &number.to_string()))
        .collect();
    let mut script = vec![INFREQUENT];
    let slices = (0..=20_i64).flat_map(|from| (from..=20).map(move |to| (from, to)));
    for (from, to) in slices {
        let (first, end) = (SINCE_MS / 1000 + from, SINCE_MS / 1000 + to + 1);
        let started_as = format!("StartQuery \"startTime\":{first} \"endTime\":{end}");
        script.push((started_as.leak(), 200, started(&format!("q-{from}-{to}-"))));
        let few: Vec<Value> = [0, 15, 20]
            .iter()
            .filter(|second| (from..=to).contains(second))
            .map(|second| row(second * 1000, &format!("at {second}")))
            .collect();
        let lines = few.len() as u64;
        let body = if !(from..=to).contains(&10) {
            answer("Complete", lines, lines * 30, &few)
        } else if from == to {
            answer("Complete", 12_000, 12_000 * 30, &full)
        } else {
            let not_looked_at = row(from * 1000, "of a slice that is cut");
            answer("Complete", lines + 12_000, 12_000 * 30, &[not_looked_at])
        };
        let asked_as = format!("GetQueryResults \"queryId\":\"q-{from}-{to}-\"");
        script.push((asked_as.leak(), 200, body));
    }
    let mut scope = scope(Facts::default());
    scope.window.until = at(SINCE_MS + 20_000);
    let request = Request::one(ArtifactKind::ExecutionLogs, GROUP);
    let found = investigate(scope, &request, &Carried::new(), script.leak()).await;
    let why = "of the second 2026-01-02T03:00:10Z only the first 10000 of 12000 lines are read";
    assert_eq!(found.outcome(), ("partial", why));
    let messages = messages(&found);
    assert_eq!(messages.len(), 10_003);
    assert_eq!(
        (messages[0].as_str(), messages[10_002].as_str()),
        ("at 0", "at 20")
    );
    // Steps get shorter towards the burst and longer after it.
    let queries = found
        .asked
        .iter()
        .filter(|call| call.starts_with("StartQuery"));
    let queries = queries.count();
    assert!(queries < 20, "{queries}");
}

#[tokio::test(start_paused = true)]
async fn a_slice_of_too_many_bytes_is_cut_before_it_is_read() {
    let found = read(vec![
        INFREQUENT,
        (
            "once StartQuery \"endTime\":1767323001",
            200,
            started("whole"),
        ),
        (
            "once GetQueryResults \"whole\" \"maxItems\":1",
            200,
            answer("Complete", 20, 20 << 20, &[]),
        ),
        ("StartQuery \"startTime\":1767322800", 200, started("part")),
        (
            "GetQueryResults \"part\"",
            200,
            answer("Complete", 1, 1, &[row(10, "a")]),
        ),
        ("StartQuery", 200, started("rest")),
        (
            "GetQueryResults \"rest\"",
            200,
            answer("Complete", 0, 0, &[]),
        ),
    ])
    .await;
    assert_eq!(found.outcome(), ("acquired", ""));
    assert_eq!(messages(&found), ["a"]);
}

#[tokio::test(start_paused = true)]
async fn a_query_that_takes_long_is_found_again_by_its_id() {
    let mut script = vec![INFREQUENT, ("once StartQuery", 200, started("slow"))];
    script.extend((0..150).map(|_| {
        (
            "once GetQueryResults \"slow\"",
            200,
            r#"{"status":"Running","results":[]}"#,
        )
    }));
    script.push((
        "GetQueryResults \"slow\"",
        200,
        answer("Complete", 1, 1, &[row(10, "a")]),
    ));
    let found = read(script).await;
    assert_eq!(found.outcome(), ("acquired", ""));
    assert_eq!(messages(&found), ["a"]);
    let begun = found
        .asked
        .iter()
        .filter(|call| call.starts_with("StartQuery"));
    assert_eq!(begun.count(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_query_that_is_lost_or_fails_is_begun_again_a_few_times() {
    let lost =
        r#"{"__type":"ResourceNotFoundException","message":"The specified query does not exist."}"#;
    let found = read(vec![
        INFREQUENT,
        (
            "once StartQuery",
            400,
            r#"{"__type":"LimitExceededException","message":"too many"}"#,
        ),
        ("once StartQuery", 200, started("q1")),
        ("once StartQuery", 200, started("q2")),
        ("once StartQuery", 200, started("q3")),
        ("GetQueryResults \"q1\"", 400, lost),
        ("GetQueryResults \"q2\"", 200, answer("Failed", 0, 0, &[])),
        (
            "GetQueryResults \"q3\"",
            200,
            answer("Complete", 1, 1, &[row(10, "a")]),
        ),
    ])
    .await;
    assert_eq!(found.outcome(), ("acquired", ""));
    assert_eq!(messages(&found), ["a"]);
    let found = read(vec![
        INFREQUENT,
        ("StartQuery", 200, started("q")),
        ("GetQueryResults", 200, answer("Cancelled", 0, 0, &[])),
    ])
    .await;
    let why = "lines from 2026-01-02T03:00:00Z to 2026-01-02T03:03:20Z are not read: the query ended \
               with Cancelled";
    assert_eq!(found.outcome(), ("failed", why));
}

#[tokio::test(start_paused = true)]
async fn a_query_that_times_out_is_cut_in_two() {
    let found = read(vec![
        INFREQUENT,
        (
            "once StartQuery \"endTime\":1767323001",
            200,
            started("whole"),
        ),
        (
            "GetQueryResults \"whole\"",
            200,
            r#"{"status":"Timeout","results":[]}"#,
        ),
        (
            "once StartQuery \"startTime\":1767322800 \"endTime\":1767322900",
            200,
            started("left"),
        ),
        (
            "GetQueryResults \"left\"",
            200,
            answer("Complete", 1, 1, &[row(10, "a")]),
        ),
        (
            "once StartQuery \"startTime\":1767322900",
            200,
            started("right"),
        ),
        (
            "GetQueryResults \"right\"",
            200,
            answer("Complete", 1, 1, &[row(150_000, "b")]),
        ),
    ])
    .await;
    assert_eq!(found.outcome(), ("acquired", ""));
    assert_eq!(messages(&found), ["a", "b"]);
}

#[tokio::test(start_paused = true)]
async fn a_group_of_unknown_class_is_queried_where_it_cannot_be_filtered() {
    let found = read(vec![
        ("DescribeLogGroups", 400, r#"{"__type":"InvalidParameterException","message":"broken"}"#),
        ("FilterLogEvents", 400, r#"{"__type":"InvalidOperationException","message":"FilterLogEvents is not supported for this log class."}"#),
        ("StartQuery", 200, started("q")),
        ("GetQueryResults", 200, answer("Complete", 1, 1, &[row(10, "a")])),
    ])
    .await;
    assert_eq!(messages(&found), ["a"]);
    let (word, why) = found.outcome();
    assert_eq!(word, "partial");
    assert!(
        why.starts_with("logs:DescribeLogGroups") && !why.contains("FilterLogEvents"),
        "{why}"
    );
}

#[tokio::test(start_paused = true)]
async fn hostile_lines_are_kept_whole_and_break_nothing() {
    let id = "aaaaaaaa-0000-4000-8000-000000000001";
    let hostile = [
        "\u{0}\u{1b}[2J\u{2028}\u{feff}\r\n".to_owned(),
        format!(
            "REPORT RequestId: {id}\tDuration: 99999999999999999999 ms\tBilled Duration: 1 ms\n"
        ),
        "{\"a\":".repeat(2000),
        "x".repeat(10 << 20),
        "\"}, {\"forged\": \"".to_owned(),
    ];
    let page: Vec<Value> = (0..)
        .zip(&hostile)
        .map(|(ms, text)| event(ms, text))
        .collect();
    let found = read(vec![
        STANDARD,
        ("FilterLogEvents", 200, events(&page, None)),
    ])
    .await;
    assert_eq!(found.outcome(), ("acquired", ""));
    assert_eq!(messages(&found), hostile);
    let rows = found.lines("invocations");
    assert_eq!(rows.len(), 1);
    assert!(rows[0].contains(r#""complete":false"#));
}
