use super::*;
use proptest::prelude::*;

const A: &str = "aaaaaaaa-0000-4000-8000-000000000001";
const B: &str = "bbbbbbbb-0000-4000-8000-000000000002";
const C: &str = "cccccccc-0000-4000-8000-000000000003";
const STREAM: &str = "2026/01/02/[$LATEST]0abc";
/// 2026-01-02T03:00:00Z
const BEGIN_MS: i64 = 1_767_322_800_000;

fn window() -> Window {
    let since = Timestamp::from_millisecond(BEGIN_MS - 1000).unwrap();
    let until = since + jiff::SignedDuration::from_hours(2);
    Window::new(since, until).unwrap()
}

fn observer() -> Invocations {
    Invocations::of("/aws/lambda/billing", window(), true)
}

fn entry(ms: i64, number: usize, stream: &str, message: &str) -> Entry {
    let at = Timestamp::from_millisecond(BEGIN_MS + ms).unwrap();
    let event = json!({
        "logStreamName": stream, "timestamp": at.as_millisecond(), "message": message,
        "ingestionTime": at.as_millisecond() + 500, "eventId": format!("{number:056}"),
    });
    Entry::new(at, &format!("{number:056}"), event.to_string())
}

fn start(id: &str) -> String {
    format!("START RequestId: {id} Version: $LATEST\n")
}

fn end(id: &str) -> String {
    format!("END RequestId: {id}\n")
}

fn report(id: &str, more: &str) -> String {
    format!(
        "REPORT RequestId: {id}\tDuration: 90.50 ms\tBilled Duration: 91 ms\tMemory Size: 128 MB\tMax Memory Used: 40 MB\t{more}\n"
    )
}

fn read_json(rows: &[String]) -> Vec<Value> {
    rows.iter()
        .map(|row| serde_json::from_str(row).unwrap())
        .collect()
}

/// Rows, summary and gaps of new lines: (milliseconds, stream, message).
fn look(lines: &[(i64, &str, String)]) -> (Vec<Value>, Value, Vec<String>) {
    let mut observer = observer();
    let mut rows = Vec::new();
    for (number, (ms, stream, message)) in lines.iter().enumerate() {
        observer.see(&entry(*ms, number, stream, message), true, &mut rows);
    }
    let seen = Box::new(observer).conclude(&mut rows);
    let gaps = seen.refusals.iter().map(|gap| gap.why().to_owned());
    (
        read_json(&rows),
        seen.documents[0].1.clone(),
        gaps.collect(),
    )
}

#[test]
fn a_text_log_becomes_a_table() {
    let ts = |second: u32| format!("2026-01-02T03:00:{second:02}.000Z");
    let (rows, summary, gaps) = look(&[
        (0, STREAM, "INIT_START Runtime Version: python:3.12.v10\tRuntime Version ARN: arn:aws:lambda:eu-west-1::runtime:b475\n".into()),
        (150, STREAM, "loading\n".into()),
        (200, STREAM, start(A)),
        (210, STREAM, "hello\n".into()),
        (211, STREAM, format!("[INFO]\t{}\t{A}\tfine\n", ts(0))),
        (290, STREAM, end(A)),
        (290, STREAM, report(A, "Init Duration: 180.25 ms\t\nXRAY TraceId: 1-621fa5b2-1d0fdf726117126372296a3b\tSegmentId: 19852da441410609\tSampled: true\t")),
        // The next one fails, the one after takes too long, in another environment one exits.
        (1000, STREAM, start(B)),
        (1010, STREAM, "[ERROR] KeyError: 'password'\nTraceback (most recent call last):\n".into()),
        (1090, STREAM, end(B)),
        (1090, STREAM, report(B, "")),
        (2000, STREAM, start(C)),
        (5000, STREAM, format!("{} {C} Task timed out after 3.00 seconds\n\n", ts(5))),
        (5000, STREAM, end(C)),
        (5000, STREAM, report(C, "Status: timeout")),
        (6000, "2026/01/02/shared[7][0def]", format!("START RequestId: {A} Version: 7\n")),
        (6100, "2026/01/02/shared[7][0def]", end(A)),
        (6100, "2026/01/02/shared[7][0def]", report(A, "Status: error\tError Type: Runtime.OutOfMemory")),
        (6101, "2026/01/02/shared[7][0def]", format!("RequestId: {A} Error: Runtime exited with error: signal: killed\nRuntime.ExitError\n")),
    ]);
    assert_eq!(gaps, Vec::<String>::new());
    insta::assert_json_snapshot!(json!({"rows": rows, "summary": summary}));
}

#[test]
fn a_json_log_becomes_the_same_table() {
    let own = |what: &str, record: Value| {
        json!({"time": "t", "type": what, "record": record}).to_string()
    };
    let begun = json!({"requestId": A, "version": "$LATEST", "tracing": {"type": "X-Amzn-Trace-Id", "value": "Root=1-62e900b2-710d76f009d6e7785905449a;Parent=0efbd19962d95b05;Sampled=1"}});
    let metrics = |more: Value| {
        let mut metrics = json!({"durationMs": 90.5, "billedDurationMs": 91, "memorySizeMB": 128, "maxMemoryUsedMB": 40});
        for (name, value) in more.as_object().unwrap() {
            metrics[name] = value.clone();
        }
        metrics
    };
    let (rows, summary, gaps) = look(&[
        (0, STREAM, own("platform.initStart", json!({"initializationType": "on-demand", "phase": "init", "functionName": "billing", "functionVersion": "$LATEST"}))),
        (180, STREAM, own("platform.initReport", json!({"initializationType": "on-demand", "phase": "init", "status": "success", "metrics": {"durationMs": 180.25}}))),
        (200, STREAM, own("platform.start", begun)),
        (210, STREAM, json!({"timestamp": "t", "level": "INFO", "requestId": A, "message": "hello"}).to_string()),
        (211, STREAM, json!({"timestamp": "t", "level": "ERROR", "requestId": A, "message": "caught"}).to_string()),
        (290, STREAM, own("platform.runtimeDone", json!({"requestId": A, "status": "success"}))),
        (290, STREAM, own("platform.report", json!({"requestId": A, "status": "success", "metrics": metrics(json!({"initDurationMs": 180.25}))}))),
        (1000, STREAM, own("platform.start", json!({"requestId": B, "version": "$LATEST"}))),
        (1010, STREAM, json!({"timestamp": "t", "level": "ERROR", "errorType": "KeyError", "errorMessage": "'password'", "requestId": B}).to_string()),
        (1090, STREAM, own("platform.report", json!({"requestId": B, "status": "error", "errorType": "Function.KeyError", "metrics": metrics(json!({}))}))),
        (2000, STREAM, own("platform.start", json!({"requestId": C, "version": "$LATEST"}))),
        (5000, STREAM, own("platform.report", json!({"requestId": C, "status": "timeout", "metrics": metrics(json!({}))}))),
    ]);
    assert_eq!(gaps, Vec::<String>::new());
    insta::assert_json_snapshot!(json!({"rows": rows, "summary": summary}));
}

#[test]
fn an_environment_that_did_not_begin_at_first_says_nothing_of_how_an_invocation_ended() {
    let failed = |phase: &str, how: &str| {
        format!("INIT_REPORT Init Duration: 9999.47 ms\tPhase: {phase}\tStatus: {how}\n")
    };
    let (rows, ..) = look(&[
        (0, STREAM, "INIT_START Runtime Version: x\n".into()),
        (9999, STREAM, failed("init", "timeout")),
        (10_000, STREAM, start(A)),
        (10_090, STREAM, report(A, "")),
        (20_000, STREAM, start(B)),
        (
            20_050,
            STREAM,
            failed("invoke", "error\tError Type: Runtime.ExitError"),
        ),
        (
            20_090,
            STREAM,
            report(B, "Status: error\tError Type: Runtime.ExitError"),
        ),
        (30_000, STREAM, start(C)),
        (30_090, STREAM, report(C, "")),
    ]);
    let told: Vec<[&Value; 4]> = rows
        .iter()
        .map(|row| ["status", "error", "init_error", "cold_start"].map(|field| &row[field]))
        .collect();
    assert_eq!(
        json!(told),
        json!([
            ["success", null, "timeout", true],
            ["error", "Runtime.ExitError", "Runtime.ExitError", true],
            ["success", null, null, false],
        ])
    );
}

fn marks(rows: &[Value]) -> Vec<(&str, bool, bool)> {
    rows.iter()
        .map(|row| {
            let is = |field: &str| row[field].as_bool().unwrap();
            let id = row["request_id"].as_str().unwrap();
            (&id[..1], is("complete"), is("ambiguous"))
        })
        .collect()
}

#[test]
fn two_ends_of_one_invocation_are_two_rows_and_both_are_ambiguous() {
    let forged = report(A, "").replace("90.50", "1.00");
    let (rows, summary, _) = look(&[
        (0, STREAM, start(A)),
        (10, STREAM, end(A)),
        (10, STREAM, forged),
        // Ten minutes of work that the forged end hides.
        (600_000, STREAM, "exfiltrating\n".into()),
        (600_000, STREAM, end(A)),
        (600_001, STREAM, report(A, "")),
    ]);
    assert_eq!(marks(&rows), [("a", true, true), ("a", true, true)]);
    assert_eq!(
        [&rows[0]["duration_ms"], &rows[1]["duration_ms"]],
        [1.0, 90.5]
    );
    assert_eq!(rows[0]["lines"], 6);
    assert_eq!(
        (&summary["invocations"], &summary["ambiguous"]),
        (&1.into(), &1.into())
    );
}

#[test]
fn ends_without_end_stay_few() {
    let mut lines = vec![(0, STREAM, start(A))];
    lines.extend((0..5000).map(|number| (number, STREAM, report(A, ""))));
    let (rows, summary, _) = look(&lines);
    assert_eq!(rows.len(), MOST_REPORTS);
    assert_eq!(summary["lines"], 5001);
}

#[test]
fn a_beginning_while_the_environment_is_at_work_is_ambiguous_and_so_is_what_it_interrupts() {
    let (rows, ..) = look(&[
        (0, STREAM, start(A)),
        (10, STREAM, start(B)),
        (20, STREAM, report(B, "")),
        (30, STREAM, end(A)),
        (30, STREAM, report(A, "")),
        (5000, STREAM, start(C)),
        (5090, STREAM, report(C, "")),
    ]);
    assert_eq!(
        marks(&rows),
        [("a", true, true), ("b", true, true), ("c", true, false)]
    );
}

#[test]
fn lines_of_one_millisecond_may_come_in_any_order() {
    let lines = [
        (0, STREAM, start(A)),
        (90, STREAM, end(A)),
        (90, STREAM, report(A, "")),
        (90, STREAM, start(B)),
        (180, STREAM, end(B)),
        (180, STREAM, report(B, "")),
    ];
    for order in [[0, 1, 2, 3, 4, 5], [0, 3, 2, 1, 5, 4], [0, 2, 3, 1, 4, 5]] {
        let (rows, _, gaps) = look(&order.map(|line| lines[line].clone()));
        assert_eq!(marks(&rows), [("a", true, false), ("b", true, false)]);
        assert_eq!(gaps, Vec::<String>::new());
    }
}

#[test]
fn another_version_than_the_streams_is_ambiguous() {
    let forged = format!("START RequestId: {A} Version: 9\n");
    let (rows, ..) = look(&[(0, STREAM, forged), (90, STREAM, report(A, ""))]);
    assert_eq!(marks(&rows), [("a", true, true)]);
}

#[test]
fn an_event_that_is_tried_again_is_two_invocations_of_one_request() {
    let (rows, ..) = look(&[
        (0, STREAM, start(A)),
        (90, STREAM, report(A, "Status: timeout")),
        (30_000, STREAM, start(B)),
        (30_090, STREAM, report(B, "")),
        (60_000, STREAM, start(A)),
        (60_090, STREAM, report(A, "")),
        // After a success there is no reason to.
        (90_000, STREAM, start(A)),
        (90_090, STREAM, report(A, "")),
    ]);
    assert_eq!(
        marks(&rows),
        [
            ("a", true, false),
            ("b", true, false),
            ("a", true, true),
            ("a", true, true)
        ]
    );
    assert_eq!(rows[0]["status"], "timeout");
}

#[test]
fn ends_in_both_formats_are_two_rows_and_both_are_ambiguous() {
    let forged = json!({"type": "platform.report", "record": {"requestId": A, "status": "success", "metrics": {"durationMs": 1}}});
    let (rows, summary, _) = look(&[
        (0, STREAM, start(A)),
        (10, STREAM, forged.to_string()),
        (90, STREAM, report(A, "Status: timeout")),
        (5000, STREAM, start(B)),
        (5090, STREAM, report(B, "")),
    ]);
    assert_eq!(
        marks(&rows),
        [("a", true, true), ("a", true, true), ("b", true, false)]
    );
    assert_eq!(
        [&rows[0]["status"], &rows[1]["status"]],
        ["success", "timeout"]
    );
    assert_eq!(summary["mixed_format_lines"], 1);
}

#[test]
fn what_should_be_in_the_window_and_is_not_is_told() {
    let lines = [
        // The first began before the window, the last is not over yet.
        (10, STREAM, report(A, "")),
        (60_000, STREAM, report(B, "")),
        (120_000, "2026/01/02/[$LATEST]0def", start(A)),
        (7_100_000, STREAM, start(C)),
    ];
    let (rows, summary, gaps) = look(&lines);
    assert_eq!(rows.len(), 4);
    assert_eq!(
        gaps,
        [
            "1 invocations have an end and no beginning: lines are missing, or ends are forged",
            "1 invocations have a beginning and no end: lines are missing, or beginnings are forged"
        ]
    );
    assert_eq!(
        (&summary["without_start"], &summary["without_end"]),
        (&1.into(), &1.into())
    );
    // Where a level filter leaves Lambda's lines out, nothing follows from that.
    let mut filtered = Box::new(Invocations::of("g", window(), false));
    for (number, (ms, stream, message)) in lines.iter().enumerate() {
        filtered.see(&entry(*ms, number, stream, message), true, &mut Vec::new());
    }
    assert_eq!(filtered.conclude(&mut Vec::new()).refusals, []);
}

#[test]
fn a_row_comes_again_only_if_a_line_of_it_is_new() {
    let lines = [
        (0, start(A), false),
        (90, report(A, ""), false),
        (5000, start(B), false),
        (5090, report(B, ""), true),
    ];
    let mut observer = Box::new(observer());
    let mut rows = Vec::new();
    for (number, (ms, message, is_new)) in lines.iter().enumerate() {
        observer.see(&entry(*ms, number, STREAM, message), *is_new, &mut rows);
    }
    let seen = observer.conclude(&mut rows);
    assert_eq!(marks(&read_json(&rows)), [("b", true, false)]);
    let summary = &seen.documents[0].1;
    assert_eq!(
        (&summary["invocations"], &summary["new_lines"]),
        (&2.into(), &1.into())
    );
}

#[test]
fn where_nothing_is_new_nothing_is_said_again() {
    let mut observer = Box::new(observer());
    let mut rows = Vec::new();
    observer.see(&entry(60_000, 0, STREAM, &report(A, "")), false, &mut rows);
    let seen = observer.conclude(&mut rows);
    assert!(rows.is_empty() && seen.documents.is_empty() && seen.refusals.is_empty());
}

#[test]
fn what_is_no_log_event_is_counted() {
    let mut observer = Box::new(observer());
    let at = Timestamp::from_millisecond(BEGIN_MS).unwrap();
    for raw in [
        "",
        "7",
        "\"text\"",
        "{}",
        r#"{"message":7}"#,
        "{\"message\":\"x",
    ] {
        observer.see(&Entry::new(at, "", raw.to_owned()), true, &mut Vec::new());
    }
    let seen = observer.conclude(&mut Vec::new());
    assert_eq!(seen.documents[0].1["unreadable_lines"], 6);
}

#[test]
fn a_flood_of_forged_beginnings_and_streams_does_not_fill_memory() {
    let mut observer = Box::new(observer());
    let mut rows = Vec::new();
    let flood = 3 * MOST_OPEN;
    for number in 0..flood {
        let id = format!("{number:08x}-0000-4000-8000-000000000000");
        let stream = format!("{number:0600}");
        let stream = if number % 2 == 0 { &stream } else { STREAM };
        observer.see(&entry(0, number, stream, &start(&id)), true, &mut rows);
        assert!(observer.open.len() <= MOST_OPEN && observer.streams.len() <= MOST_STREAMS);
    }
    check(&observer);
    let seen = observer.conclude(&mut rows);
    assert_eq!(rows.len(), flood);
    assert_eq!(seen.documents[0].1["cut_short"], flood - MOST_OPEN);
}

#[test]
fn a_line_of_ten_megabytes_is_a_line() {
    let (rows, summary, _) = look(&[
        (0, STREAM, start(A)),
        (
            10,
            STREAM,
            format!("{}{}", start(B).trim_end(), "x".repeat(10 << 20)),
        ),
        (
            20,
            STREAM,
            format!("{{\"a\":\"{}", "\u{0}\u{1b}".repeat(1 << 20)),
        ),
        (90, STREAM, report(A, "")),
    ]);
    assert_eq!((rows.len(), &rows[0]["lines"]), (1, &4.into()));
    assert_eq!(summary["invocations"], 1);
}

/// The same things are everywhere, and few of each.
fn check(observer: &Invocations) {
    assert_eq!(observer.open.len(), observer.numbers.len());
    assert_eq!(observer.open.len(), observer.over.len());
    assert_eq!(observer.streams.len(), observer.used.len());
    for invocation in observer.open.values() {
        assert!(invocation.reports.len() <= MOST_REPORTS);
        assert!(invocation.overlapped_by.len() <= MOST_REPORTS);
        assert!(invocation.stream.len() <= LONGEST_STREAM);
    }
    for stream in observer.streams.values() {
        assert!(stream.written.len() <= REMEMBERED);
    }
}

fn messages() -> impl Strategy<Value = String> {
    let id = prop::sample::select(vec![A, B, C]);
    let record = prop::sample::select(vec![
        "platform.start",
        "platform.runtimeDone",
        "platform.report",
        "platform.initStart",
        "platform.initReport",
    ]);
    prop_oneof![
        id.clone().prop_map(start),
        id.clone().prop_map(end),
        id.clone().prop_map(|id| report(id, "")),
        (id.clone(), any::<f64>(), "\\PC{0,20}").prop_map(|(id, number, more)| report(id, &more)
            .replace("90.50", &number.to_string())),
        (id.clone(), record, any::<Option<f64>>()).prop_map(|(id, what, number)| json!({
            "type": what, "record": {"requestId": id, "metrics": {"durationMs": number}, "status": "success"}
        })
        .to_string()),
        id.prop_map(|id| format!("x {id} Task timed out after 1 seconds")),
        Just("INIT_START Runtime Version: x".to_owned()),
        "(?s).{0,40}",
        "(START|END|REPORT|INIT_REPORT|\\[ERROR\\]|RequestId:)[ \t].{0,60}",
        "\\{\"(type|level|requestId|record)\":.{0,40}\\}",
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(100))]

    #[test]
    fn any_log_is_looked_at_to_its_end(
        lines in prop::collection::vec((0..400_000_i64, "[ab]|2026/01/02/\\[[12]\\]a", messages(), any::<bool>()), 0..60)
    ) {
        let mut observer = Box::new(observer());
        let (mut rows, mut ms) = (Vec::new(), 0);
        for (number, (later, stream, message, is_new)) in lines.iter().enumerate() {
            ms += later;
            observer.see(&entry(ms, number, stream, message), *is_new, &mut rows);
            check(&observer);
        }
        let seen = observer.conclude(&mut rows);
        let rows = read_json(&rows);
        if let Some((_, summary)) = seen.documents.first() {
            prop_assert_eq!(&summary["lines"], lines.len());
            prop_assert!(summary["invocations"].as_u64().unwrap() <= lines.len() as u64);
        } else {
            prop_assert!(rows.is_empty());
        }
        for row in rows {
            prop_assert!(RequestId::of(row["request_id"].as_str().unwrap()).is_some());
        }
    }
}
