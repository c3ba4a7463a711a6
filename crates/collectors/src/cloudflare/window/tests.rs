//! What comes of a window of stored events and traces, against answers by hand and against a store that
//! answers as Cloudflare's does.

use super::*;
use crate::Facts;
use crate::cloudflare::canned::{Investigated, SCRIPT, cloud, investigate, investigate_through};
use crate::place::PAGE_BYTES;
use crate::{Desk, Inquiry, Refusal};
use aws_smithy_runtime_api::client::http::{
    HttpConnector, HttpConnectorFuture, SharedHttpConnector,
};
use aws_smithy_runtime_api::client::orchestrator::{HttpRequest, HttpResponse};
use aws_smithy_types::body::SdkBody;
use evidence::ArtifactKind::{AuditEvents, ExecutionLogs, Traces};
use jiff::Timestamp;
use proptest::prelude::*;
use serde::Deserialize;
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::sync::{Arc, Mutex};
use std::time::Duration;
use vault::MemoryVault;

/// The first moment of the window that tests look at, in milliseconds since 1970.
const SINCE_MS: i64 = 1_767_225_600_000;
const DAY_MS: i64 = 24 * 3600 * 1000;

/// The first day of 2026; the desk's clock shows three in the morning of the second.
pub(super) fn scope() -> Scope {
    between("2026-01-01T00:00:00Z", "2026-01-02T00:00:00Z")
}

fn between(since: &str, until: &str) -> Scope {
    Scope {
        target: Target::parse(SCRIPT).unwrap(),
        facts: Facts::default(),
        window: Window {
            since: since.parse().unwrap(),
            until: until.parse().unwrap(),
        },
        baseline: None,
        tampered_at: None,
    }
}

pub(super) fn leaked(value: &Value) -> &'static str {
    value.to_string().leak()
}

/// An answer with these events, which says that there are `count`.
fn events(events: &[Value], count: usize) -> Value {
    json!({"success": true, "errors": [], "messages": [], "result": {
        "run": {"status": "COMPLETED"},
        "statistics": {"elapsed": 0.01, "rows_read": 1, "bytes_read": 1, "abr_level": 1},
        "events": {"count": count, "events": events, "fields": [], "series": []},
    }})
}

fn line(at_ms: i64, id: &str) -> Value {
    json!({"timestamp": at_ms, "dataset": "cloudflare-workers", "source": {"message": id},
        "$metadata": {"id": id, "type": "cf-worker"}, "$workers": {"scriptName": "billing-api"}})
}

fn ended(at_ms: i64, id: &str, outcome: &str) -> Value {
    json!({"timestamp": at_ms, "dataset": "cloudflare-workers", "source": {"level": "info"},
        "$metadata": {"id": id, "type": "cf-worker-event", "trigger": "GET /"},
        "$workers": {"scriptName": "billing-api", "requestId": format!("R{id}"), "outcome": outcome,
            "wallTimeMs": 12.5, "cpuTimeMs": 2, "scriptVersion": {"id": "v-1"}}})
}

async fn answered(artifact: ArtifactKind, answer: &Value) -> Investigated {
    let script = vec![("POST /telemetry/query", 200, leaked(answer))].leak();
    investigate(scope(), artifact, script).await
}

fn ids(found: &Investigated, pointer: &str) -> Vec<String> {
    let lines = found.lines("-first-0").into_iter();
    let read = lines.map(|line| serde_json::from_str::<Value>(line).unwrap());
    read.map(|entry| entry.pointer(pointer).unwrap().as_str().unwrap().to_owned())
        .collect()
}

const ID: &str = "/$metadata/id";

/// A row as those who read it want it; what may be missing there may be null.
#[derive(Deserialize)]
struct Row {
    request_id: String,
    log_stream: String,
    version: Option<String>,
    started_at: Option<Timestamp>,
    first_line_at: Timestamp,
    last_line_at: Timestamp,
    duration_ms: Option<f64>,
    status: Option<String>,
    error: Option<String>,
    complete: bool,
}

fn rows(found: &Investigated) -> Vec<Row> {
    let lines = found.lines("-invocations-").into_iter();
    lines
        .map(|row| serde_json::from_str(row).unwrap())
        .collect()
}

#[tokio::test(start_paused = true)]
async fn events_are_kept_in_order_and_once_each() {
    let (one, two) = (line(SINCE_MS + 1, "one"), line(SINCE_MS + 2, "two"));
    let answer = events(&[two.clone(), one.clone(), two.clone()], 3);
    let found = answered(ExecutionLogs, &answer).await;
    assert_eq!(found.outcome(), ("acquired", ""));
    assert_eq!(ids(&found, ID), ["one", "two"]);
    let lines = found.lines("-first-0");
    let kept: Value = serde_json::from_str(lines[0]).unwrap();
    assert_eq!(kept, one);
    // What is asked for is the Worker's, in its window, and kept nowhere.
    let asked: Vec<_> = found.asked[0].splitn(3, ' ').collect();
    assert_eq!(
        asked[1],
        "/client/v4/accounts/0123456789abcdef0123456789abcdef/workers/observability/telemetry/query"
    );
    let query: Value = serde_json::from_str(asked[2]).unwrap();
    insta::assert_json_snapshot!(query);
}

#[tokio::test(start_paused = true)]
async fn an_invocation_is_a_row_that_its_readers_can_read() {
    let mut unnamed = ended(SINCE_MS + 2000, "3", "canceled");
    unnamed["$workers"]["requestId"].take();
    let mut failed = ended(SINCE_MS + 1000, "2", "exception");
    failed["$metadata"]["error"] = json!("boom");
    let told = [
        line(SINCE_MS, "0"),
        ended(SINCE_MS + 500, "1", "ok"),
        failed,
        unnamed,
    ];
    let found = answered(ExecutionLogs, &events(&told, 4)).await;
    let rows = rows(&found);
    assert_eq!(rows.len(), 3);
    let at = Timestamp::from_millisecond(SINCE_MS + 500).unwrap();
    let first = &rows[0];
    assert_eq!(
        (first.request_id.as_str(), first.log_stream.as_str()),
        ("R1", "R1")
    );
    assert_eq!(first.version.as_deref(), Some("v-1"));
    assert_eq!(first.started_at, Some(at));
    assert_eq!(first.first_line_at.to_string(), "2026-01-01T00:00:00.4875Z");
    assert_eq!(first.last_line_at.to_string(), "2026-01-01T00:00:00.5125Z");
    assert_eq!(first.duration_ms, Some(12.5));
    assert!(first.complete && first.error.is_none());
    assert_eq!(first.status.as_deref(), Some("success"));
    assert_eq!(rows[1].status.as_deref(), Some("error"));
    assert_eq!(rows[1].error.as_deref(), Some("boom"));
    assert_eq!(rows[2].status.as_deref(), Some("failure"));
    assert_eq!(rows[2].request_id, "");
}

#[tokio::test(start_paused = true)]
async fn an_outcome_is_told_in_the_words_of_every_provider() {
    let outcomes = [
        "ok",
        "responseStreamDisconnected",
        "exception",
        "exceededCpu",
        "exceededMemory",
        "exceededWallTime",
        "canceled",
        "killSwitch",
        "daemonDown",
        "scriptNotFound",
        "loadShed",
        "newWord",
    ];
    let told: Vec<Value> = (0..)
        .zip(outcomes)
        .map(|(number, outcome)| ended(SINCE_MS + number, &number.to_string(), outcome))
        .collect();
    let found = answered(ExecutionLogs, &events(&told, told.len())).await;
    let words: Vec<_> = rows(&found)
        .into_iter()
        .map(|row| row.status.unwrap())
        .collect();
    assert_eq!(words[..3], ["success", "success", "error"]);
    assert!(
        words[3..11].iter().all(|word| word == "failure"),
        "{words:?}"
    );
    assert_eq!(words[11], "newWord");
}

#[tokio::test(start_paused = true)]
async fn an_event_without_a_time_is_told_and_one_with_a_broken_one_is_not_lost() {
    let mut without = line(0, "without");
    without["timestamp"].take();
    let mut beyond = line(0, "beyond");
    beyond["timestamp"] = json!(1e300);
    let mut broken = line(0, "broken");
    broken["timestamp"] = json!(SINCE_MS as f64 + 0.75);
    let found = answered(ExecutionLogs, &events(&[without, beyond, broken], 3)).await;
    assert_eq!(
        found.outcome(),
        ("partial", "2 events have no time and are left out")
    );
    assert_eq!(ids(&found, ID), ["broken"]);
}

#[tokio::test(start_paused = true)]
async fn hostile_events_are_kept_and_do_no_harm() {
    let long = "\u{202e}\n\"x".repeat(130_000);
    let mut of_other_types = ended(SINCE_MS + 3, "types", "ok");
    of_other_types["$workers"] =
        json!({"wallTimeMs": 3, "requestId": 7, "outcome": [], "scriptVersion": "v"});
    let mut endless = ended(SINCE_MS + 4, "endless", &"no\nword".repeat(100));
    endless["$workers"]["wallTimeMs"] = json!(1e300);
    endless["$metadata"]["error"] = json!(long);
    endless["$metadata"]["trigger"] = json!("\u{202e}".repeat(5000));
    let mut backwards = ended(SINCE_MS + 5, "backwards", "ok");
    backwards["$workers"]["wallTimeMs"] = json!(-1e9);
    let told = [
        json!({"timestamp": SINCE_MS, "$metadata": {"id": "bare"}}),
        json!({"timestamp": SINCE_MS + 1, "$metadata": {"id": long.as_str()}, "$workers": null}),
        json!({"timestamp": SINCE_MS + 2, "$metadata": "x", "$workers": 4}),
        json!({"timestamp": [], "$workers": {"wallTimeMs": "x"}}),
        json!(null),
        json!("text"),
        of_other_types,
        endless,
        backwards,
    ];
    let found = answered(ExecutionLogs, &events(&told, told.len())).await;
    let (word, why) = found.outcome();
    assert_eq!(
        (word, why),
        ("partial", "3 events have no time and are left out")
    );
    assert_eq!(found.lines("execution-logs-first-0").len(), 6);
    let rows = rows(&found);
    assert_eq!(rows.len(), 3);
    for row in &rows {
        assert!(row.first_line_at <= row.last_line_at);
    }
    // The row is for looking at; all of it is in the entry.
    let error = rows[1].error.as_deref().unwrap();
    assert!(error.chars().count() <= 1000 && !error.contains('\n'));
    assert!(rows[1].status.as_deref().unwrap().chars().count() <= 40);
}

#[tokio::test(start_paused = true)]
async fn what_an_answer_says_against_itself_is_told() {
    let whole = events(&[line(SINCE_MS, "one")], 1);
    let with = |pointer: &str, value: Value| {
        let mut answer = whole.clone();
        *answer.pointer_mut(pointer).unwrap() = value;
        answer
    };
    for (answer, wanted) in [
        (
            with("/result/run/status", json!("STARTED")),
            "the query did not come to its end: STARTED",
        ),
        (
            with("/result/statistics/abr_level", json!(10)),
            "Cloudflare answered from a sample of what it stored",
        ),
    ] {
        let found = answered(ExecutionLogs, &answer).await;
        assert_eq!(found.outcome(), ("partial", wanted));
        assert_eq!(ids(&found, ID), ["one"]);
    }
    // Nothing is told apart from no answer.
    for nothing in [json!(null), json!({}), json!("text")] {
        let found = answered(ExecutionLogs, &with("/result", nothing)).await;
        assert_eq!(
            found.outcome(),
            ("failed", "an answer has no events at all, not even none")
        );
    }
    let none = answered(ExecutionLogs, &events(&[], 0)).await;
    assert_eq!(
        none.outcome(),
        ("absent", "there is nothing of it in the window")
    );
    let hidden = answered(ExecutionLogs, &events(&[], 3)).await;
    assert_eq!(
        hidden.outcome(),
        ("failed", "there are more events than Cloudflare answers")
    );
    assert_eq!(hidden.asked.len(), 1);
}

#[tokio::test(start_paused = true)]
async fn what_is_older_than_cloudflare_keeps_is_told_and_not_asked_for() {
    let script = vec![(
        "POST /telemetry/query",
        200,
        leaked(&events(&[line(SINCE_MS, "one")], 1)),
    )]
    .leak();
    let old = between("2025-12-01T00:00:00Z", "2026-01-02T00:00:00Z");
    let found = investigate(old, ExecutionLogs, script).await;
    let (word, why) = found.outcome();
    assert_eq!(word, "partial");
    assert!(
        why.contains("of the time before 2025-12-26T03:04:05Z"),
        "{why}"
    );
    assert!(
        found.asked[0].contains("\"from\":1766718245000"),
        "{}",
        found.asked[0]
    );
    // All of it is too old.
    let older = between("2025-12-01T00:00:00Z", "2025-12-02T00:00:00Z");
    let found = investigate(older, ExecutionLogs, script).await;
    assert_eq!((found.outcome().0, found.asked.len()), ("failed", 0));
}

#[tokio::test(start_paused = true)]
async fn a_window_that_ends_before_it_begins_is_told_and_one_of_a_moment_is_asked_for() {
    let script = vec![("POST /telemetry/query", 200, leaked(&events(&[], 0)))].leak();
    let backwards = between("2026-01-02T00:00:00Z", "2026-01-01T00:00:00Z");
    let found = investigate(backwards, ExecutionLogs, script).await;
    assert_eq!(
        found.outcome(),
        ("failed", "the window ends before it begins")
    );
    assert_eq!(found.asked.len(), 0);
    let moment = between("2026-01-01T00:00:00Z", "2026-01-01T00:00:00Z");
    let found = investigate(moment, ExecutionLogs, script).await;
    assert_eq!((found.outcome().0, found.asked.len()), ("absent", 1));
    // Cloudflare refuses a query whose ends are one.
    assert!(
        found.asked[0].contains(r#"{"from":1767225600000,"to":1767225600001}"#),
        "{}",
        found.asked[0]
    );
}

#[tokio::test(start_paused = true)]
async fn nothing_is_absent_with_the_reason_where_nothing_was_stored() {
    let none = events(&[], 0);
    let one = events(&[line(SINCE_MS, "one")], 1);
    for (answer, is_stored, wanted) in [
        (&none, Some(false), "absent"),
        (&none, Some(true), "absent"),
        (&one, Some(false), "acquired"),
    ] {
        let script = vec![("POST /telemetry/query", 200, leaked(answer))].leak();
        let mut scope = scope();
        scope.facts.is_stored = is_stored;
        let found = investigate(scope, ExecutionLogs, script).await;
        let (word, why) = found.outcome();
        assert_eq!(word, wanted);
        let is_why = why.starts_with("observability was off when the Worker was preserved");
        assert_eq!(
            is_why,
            wanted == "absent" && is_stored == Some(false),
            "{why}"
        );
    }
}

#[tokio::test(start_paused = true)]
async fn a_place_that_is_lost_is_told() {
    let investigation = Investigation::new(&cloud(Store::default().connector()), scope());
    let vault = Arc::new(MemoryVault::default());
    let clock = Arc::new(|| "2026-01-02T03:04:05Z".parse().unwrap());
    let case = "20260102T030405Z-test-0000000000000000".parse().unwrap();
    let desk = Desk::new(vault, case, clock, u64::MAX);
    for artifact in [ExecutionLogs, Traces, AuditEvents] {
        let request = Request::whole(artifact);
        let task = investigation.task("first", &request);
        for garbage in [
            json!("x"),
            json!({"todo": [{"from_ms": "x"}]}),
            json!({"since": 4}),
            json!([[]]),
        ] {
            let mut inquiry = Inquiry::new(&desk, task.target, request.clone());
            let page = task.readings[0].page(&mut inquiry, Some(&garbage)).await;
            assert_eq!(page, crate::Page::default());
            let lost = Refusal::Failed("the place in it is lost".to_owned());
            assert_eq!(inquiry.last_refusal(), Some(&lost));
        }
    }
}

/// A store of events that answers as the stand-in does: newest first, after `offset`, so many at the most.
#[derive(Clone, Debug)]
struct Store {
    /// Time and id of each event.
    events: Vec<(i64, String)>,
    /// How many it answers at the most, whatever is asked for.
    at_most: usize,
    /// Whether the last millisecond of a timeframe is part of it.
    is_closed: bool,
    /// What it says there are for each one that there is; none if it does not say.
    counts: Option<f64>,
    /// What each event is long, in bytes.
    padding: usize,
    /// How long an answer may be for those who ask, in bytes.
    largest: usize,
    /// Whether it goes on after an entry.
    pages: bool,
    /// The number of the request from which on it lets nobody in.
    closed_from: usize,
    asked: Arc<Mutex<Vec<Value>>>,
}

impl Default for Store {
    fn default() -> Self {
        Self {
            events: Vec::new(),
            at_most: usize::MAX,
            is_closed: true,
            counts: Some(1.0),
            padding: 0,
            largest: usize::MAX,
            pages: true,
            closed_from: usize::MAX,
            asked: Arc::default(),
        }
    }
}

impl Store {
    fn of(times: impl IntoIterator<Item = i64>) -> Self {
        let events = (0..)
            .zip(times)
            .map(|(number, at_ms)| (at_ms, format!("E{number:06}")));
        Self {
            events: events.collect(),
            ..Self::default()
        }
    }

    fn connector(&self) -> SharedHttpConnector {
        SharedHttpConnector::new(self.clone())
    }

    async fn read(&self, artifact: ArtifactKind) -> Investigated {
        investigate_through(scope(), artifact, self.connector()).await
    }

    fn requests(&self) -> usize {
        self.asked.lock().unwrap().len()
    }

    fn answer(&self, query: &Value) -> Value {
        let ms = |at| query.pointer(at).and_then(Value::as_i64).unwrap();
        let (from, to) = (ms("/timeframe/from"), ms("/timeframe/to"));
        assert!(from < to, "a query whose ends are one is refused");
        let limit = usize::try_from(ms("/limit")).unwrap();
        let is_in = |at: i64| at >= from && (at < to || self.is_closed && at == to);
        let mut found: Vec<_> = self.events.iter().filter(|(at, _)| is_in(*at)).collect();
        found.sort_unstable();
        found.reverse();
        let count = found.len();
        if let Some(offset) = query["offset"].as_str().filter(|_| self.pages) {
            let place = found.iter().position(|(_, id)| id == offset);
            found = place.map_or(Vec::new(), |place| found.split_off(place + 1));
        }
        found.truncate(limit.min(self.at_most));
        let padding = "x".repeat(self.padding);
        if query["view"] == "traces" {
            let trace = |(at, id): &&(i64, String)| json!({"traceId": id, "traceStartMs": at, "traceEndMs": at, "spans": 1});
            return json!({"traces": found.iter().map(trace).collect::<Vec<_>>()});
        }
        let event = |(at, id): &&(i64, String)| json!({"timestamp": at, "$metadata": {"id": id}, "source": padding});
        let mut told = json!({"events": {"events": found.iter().map(event).collect::<Vec<_>>()}});
        if let Some(factor) = self.counts {
            told["events"]["count"] = json!(count as f64 * factor);
        }
        told
    }
}

impl HttpConnector for Store {
    fn call(&self, request: HttpRequest) -> HttpConnectorFuture {
        let query: Value = serde_json::from_slice(request.body().bytes().unwrap()).unwrap();
        let mut asked = self.asked.lock().unwrap();
        asked.push(query.clone());
        let (status, body) = match asked.len() >= self.closed_from {
            true => (
                403,
                json!({"success": false, "errors": [{"code": 10000, "message": "Authentication error"}]}),
            ),
            false => (200, json!({"success": true, "result": self.answer(&query)})),
        };
        let body = body.to_string();
        let length = match body.len() > self.largest {
            true => 17 * 1024 * 1024,
            false => body.len(),
        };
        let mut reply = HttpResponse::new(status.try_into().unwrap(), SdkBody::from(body));
        let headers = reply.headers_mut();
        headers.insert("content-type", "application/json");
        headers.insert("content-length", length.to_string());
        HttpConnectorFuture::ready(Ok(reply))
    }
}

/// The ids that came, each once; panics if one came twice.
fn once(found: &Investigated, pointer: &str) -> BTreeSet<String> {
    let all = ids(found, pointer);
    let once: BTreeSet<String> = all.iter().cloned().collect();
    assert_eq!(once.len(), all.len(), "something came twice");
    once
}

fn all(store: &Store) -> BTreeSet<String> {
    store.events.iter().map(|(_, id)| id.clone()).collect()
}

#[tokio::test(start_paused = true)]
async fn many_events_take_few_requests_and_leave_half_of_the_rate_to_others() {
    let store = Store::of((0..25_000).map(|number| SINCE_MS + number * DAY_MS / 25_000));
    let found = store.read(ExecutionLogs).await;
    assert_eq!(found.outcome(), ("acquired", ""));
    assert_eq!(once(&found, ID), all(&store));
    // 16 slices of 1,563 events, and 15 that were halved; 127 in all for 100,000 events.
    assert_eq!(store.requests(), 31);
    let longest = Duration::from_millis(600) * 31;
    assert!(
        found.took >= Duration::from_millis(500) * 30 && found.took <= longest,
        "{:?}",
        found.took
    );
}

#[tokio::test(start_paused = true)]
async fn a_full_answer_is_halved_until_it_is_whole_whatever_becomes_of_the_last_millisecond() {
    for (is_closed, counts, at_most) in [
        (true, Some(1.0), usize::MAX),
        (false, Some(1.0), usize::MAX),
        (false, None, usize::MAX),
        // Fewer than are asked for: the count tells, or that no answer was longer.
        (true, Some(1.0), 100),
        (false, None, 100),
    ] {
        let mut store = Store::of((0..5000).map(|number| SINCE_MS + number * 7));
        // At the very ends of the window as well.
        store.events[0].0 = SINCE_MS;
        store.events[4999].0 = SINCE_MS + DAY_MS;
        (store.is_closed, store.counts, store.at_most) = (is_closed, counts, at_most);
        let found = store.read(ExecutionLogs).await;
        assert_eq!(found.outcome(), ("acquired", ""));
        assert_eq!(once(&found, ID), all(&store));
        assert!(store.requests() < 220, "{}", store.requests());
    }
}

#[tokio::test(start_paused = true)]
async fn a_millisecond_that_is_full_is_gone_on_with_after_its_last_event() {
    for is_closed in [true, false] {
        let mut store = Store::of((0..5000).map(|number| SINCE_MS + 50 + number % 2));
        store.is_closed = is_closed;
        let found = store.read(ExecutionLogs).await;
        assert_eq!(found.outcome(), ("acquired", ""));
        assert_eq!(once(&found, ID), all(&store));
        assert!(store.requests() < 80, "{}", store.requests());
    }
}

#[tokio::test(start_paused = true)]
async fn an_answer_that_does_not_go_on_is_told_and_does_not_go_round() {
    let mut store = Store::of((0..3000).map(|_| SINCE_MS + 50));
    store.pages = false;
    let found = store.read(ExecutionLogs).await;
    assert_eq!(
        found.outcome(),
        ("partial", "there are more events than Cloudflare answers")
    );
    assert_eq!(once(&found, ID).len(), 2000);
    assert!(store.requests() < 80, "{}", store.requests());
}

/// A Worker that stores one in ten of its events: what the count is of, no answer holds.
#[tokio::test(start_paused = true)]
async fn a_count_of_what_was_sampled_away_is_told_and_costs_few_requests() {
    let mut store = Store::of((0..1500).map(|number| SINCE_MS + number * 50_000));
    store.counts = Some(10.0);
    let found = store.read(ExecutionLogs).await;
    assert_eq!(
        found.outcome(),
        ("partial", "there are more events than Cloudflare answers")
    );
    assert_eq!(once(&found, ID), all(&store));
    assert!(store.requests() < 10, "{}", store.requests());
}

#[tokio::test(start_paused = true)]
async fn long_lines_do_not_keep_the_others_from_being_read() {
    for apart_ms in [1000, 0] {
        let mut store = Store::of((0..150).map(|number| SINCE_MS + 50 + number * apart_ms));
        (store.padding, store.largest) = (1000, 16_000);
        let found = store.read(ExecutionLogs).await;
        assert_eq!(found.outcome(), ("acquired", ""));
        assert_eq!(once(&found, ID), all(&store));
        assert!(store.requests() < 120, "{}", store.requests());
    }
}

/// What the vault takes in one piece is less than what an answer may be.
#[tokio::test(start_paused = true)]
async fn a_page_is_never_longer_than_the_vault_takes() {
    let mut store = Store::of([SINCE_MS, SINCE_MS + DAY_MS / 2 + 1]);
    store.padding = PAGE_BYTES / 2;
    let found = store.read(ExecutionLogs).await;
    assert_eq!(found.outcome(), ("acquired", ""));
    assert_eq!(once(&found, ID), all(&store));
    assert_eq!(store.requests(), 3);
}

#[tokio::test(start_paused = true)]
async fn whoever_is_shut_out_in_the_middle_keeps_what_came() {
    let mut store = Store::of((0..9000).map(|number| SINCE_MS + number * 9000));
    store.closed_from = 8;
    let found = store.read(ExecutionLogs).await;
    let (word, why) = found.outcome();
    assert_eq!(word, "denied");
    assert!(
        why.ends_with("answered 403 10000: Authentication error"),
        "{why}"
    );
    assert_eq!(store.requests(), 8);
    // The first four are halves of halves.
    let kept = once(&found, ID);
    assert!(
        kept.len() > 1000 && kept.is_subset(&all(&store)),
        "{}",
        kept.len()
    );
}

#[tokio::test(start_paused = true)]
async fn traces_are_kept_by_id_and_beginning_and_full_answers_halved() {
    for (at_most, most_requests) in [(usize::MAX, 20), (50, 300)] {
        let mut store = Store::of((0..4500).map(|number| SINCE_MS + number * 10_000));
        store.at_most = at_most;
        let found = store.read(Traces).await;
        assert_eq!(found.outcome(), ("acquired", ""));
        assert_eq!(once(&found, "/traceId"), all(&store));
        let first: Value = serde_json::from_str(found.lines("traces-first-0")[0]).unwrap();
        assert_eq!(
            (&first["traceId"], &first["traceStartMs"]),
            (&json!("E000000"), &json!(SINCE_MS))
        );
        assert!(store.requests() < most_requests, "{}", store.requests());
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(40))]

    /// However the events lie and however few are answered at a time, each comes once.
    #[test]
    fn every_event_comes_once(
        times in prop::collection::vec(0_i64..40, 0..60),
        at_most in 1_usize..30,
        is_closed in any::<bool>(),
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .start_paused(true)
            .build()
            .unwrap();
        let mut store = Store::of(times.into_iter().map(|at| SINCE_MS + at));
        (store.at_most, store.is_closed) = (at_most, is_closed);
        let mut scope = scope();
        scope.window.until = Timestamp::from_millisecond(SINCE_MS + 39).unwrap();
        let found = runtime.block_on(investigate_through(scope, ExecutionLogs, store.connector()));
        let wanted = if store.events.is_empty() { "absent" } else { "acquired" };
        prop_assert_eq!(found.outcome().0, wanted);
        prop_assert_eq!(once(&found, ID), all(&store));
    }
}

const THROTTLED: &str = "cf-ray: 1\nretry-after: 40\n\n{\"success\":false,\"errors\":[{\"code\":10429,\"message\":\"slow down\"}]}";

/// Halves of the day: so many are said to be there that the first answer is not whole.
fn halves(second: &[(&'static str, u16, &'static str)]) -> crate::cloudflare::canned::Script {
    let middle = SINCE_MS + DAY_MS / 2;
    let first: &str = format!("POST \"from\":{SINCE_MS},\"to\":{middle}").leak();
    let mut script = vec![
        (
            "once POST",
            200,
            leaked(&events(
                &[line(SINCE_MS, "early"), line(middle + 9, "late")],
                9,
            )),
        ),
        (first, 200, leaked(&events(&[line(SINCE_MS, "early")], 1))),
    ];
    script.extend_from_slice(second);
    script.leak()
}

#[tokio::test(start_paused = true)]
async fn what_is_throttled_in_the_middle_is_waited_for_and_gone_on_with() {
    let late = leaked(&events(&[line(SINCE_MS + DAY_MS / 2 + 9, "late")], 1));
    let script = halves(&[("once POST", 429, THROTTLED), ("POST", 200, late)]);
    let found = investigate(scope(), ExecutionLogs, script).await;
    assert_eq!(found.outcome(), ("acquired", ""));
    assert_eq!(ids(&found, ID), ["early", "late"]);
    assert_eq!(found.asked.len(), 4);
    assert!(found.took >= Duration::from_secs(40), "{:?}", found.took);
}

#[tokio::test(start_paused = true)]
async fn what_breaks_is_asked_for_again_and_in_the_end_told() {
    let late = leaked(&events(&[line(SINCE_MS + DAY_MS / 2 + 9, "late")], 1));
    let broken = r#"{"success":false,"errors":[{"code":10013,"message":"An unknown error"}]}"#;
    let script = halves(&[
        ("once POST", 502, broken),
        ("once POST", 500, broken),
        ("POST", 200, late),
    ]);
    let found = investigate(scope(), ExecutionLogs, script).await;
    assert_eq!(found.outcome(), ("acquired", ""));
    assert_eq!(ids(&found, ID), ["early", "late"]);
    let script = halves(&[("POST", 500, broken)]);
    let found = investigate(scope(), ExecutionLogs, script).await;
    let (word, why) = found.outcome();
    assert_eq!(word, "partial");
    assert!(
        why.ends_with("answered 500 10013: An unknown error"),
        "{why}"
    );
    assert_eq!(ids(&found, ID), ["early"]);
}

#[tokio::test(start_paused = true)]
async fn a_slice_that_is_refused_is_told_and_the_others_are_read() {
    let middle = SINCE_MS + DAY_MS / 2;
    let refused: &str = format!("POST \"from\":{SINCE_MS},\"to\":{middle}").leak();
    let whole = [line(SINCE_MS, "early"), line(middle + 9, "late")];
    let script = vec![
        ("once POST", 200, leaked(&events(&whole, 9))),
        (
            refused,
            400,
            r#"{"success":false,"errors":[{"code":7003,"message":"too complex"}]}"#,
        ),
        ("POST", 200, leaked(&events(&[line(middle + 9, "late")], 1))),
    ]
    .leak();
    let found = investigate(scope(), ExecutionLogs, script).await;
    let (word, why) = found.outcome();
    assert_eq!(word, "partial");
    assert!(why.ends_with("answered 400 7003: too complex"), "{why}");
    assert_eq!(ids(&found, ID), ["late"]);
}

#[tokio::test(start_paused = true)]
async fn no_answer_is_told_apart_from_none() {
    for artifact in [Traces, ExecutionLogs, AuditEvents] {
        let mut words = Vec::new();
        for (status, body) in [
            (
                404,
                r#"{"success":false,"errors":[{"code":7003,"message":"none"}]}"#,
            ),
            (
                403,
                r#"{"success":false,"errors":[{"code":10000,"message":"Authentication error"}]}"#,
            ),
            (
                500,
                r#"{"success":false,"errors":[{"code":10013,"message":"unknown"}]}"#,
            ),
            (
                400,
                r#"{"success":false,"errors":[{"code":10021,"message":"bad"}]}"#,
            ),
            (200, "<html>"),
        ] {
            let script = vec![("POST", status, body), ("GET", status, body)].leak();
            let found = investigate(scope(), artifact, script).await;
            words.push(found.outcome().0.to_owned());
        }
        assert_eq!(words, ["absent", "denied", "failed", "failed", "failed"]);
    }
}
