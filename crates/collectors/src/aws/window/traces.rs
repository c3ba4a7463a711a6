//! X-Ray's traces of the function: their summaries, then their segments.
//!
//! X-Ray keeps traces 30 days, of what ran while tracing was on, and of that a sample. Where
//! Transaction Search is on, spans go to a log group instead, and X-Ray holds the small share that is
//! indexed. Sources: API reference of GetTraceSummaries, BatchGetTraces, GetTraceSegmentDestination;
//! CloudWatch's user guide, Transaction Search; X-Ray's developer guide, filter expressions and
//! segment documents.

use super::few::{Few, told};
use super::{Artifact, Investigation};
use crate::{Entry, Inquiry, Observed, Observer, Page, Reading, Refusal};
use async_trait::async_trait;
use aws_sdk_xray::primitives::DateTime;
use aws_sdk_xray::types::{TimeRangeType, TraceSegmentDestination};
use evidence::{ArtifactKind, Request, Sha256Digest, Window};
use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use std::collections::BTreeMap;

const SUMMARIES: &str = "xray:GetTraceSummaries";
const SEGMENTS: &str = "xray:BatchGetTraces";
const DESTINATION: &str = "xray:GetTraceSegmentDestination";

pub(super) const ARTIFACT: Artifact = Artifact {
    kind: ArtifactKind::Traces,
    actions: &[SUMMARIES, SEGMENTS, DESTINATION],
    requests: |_| vec![Request::whole(ArtifactKind::Traces)],
    readings: |investigation, _| vec![Box::new(Traces::new(investigation))],
    observer: |investigation, _, _| {
        Box::new(Seen {
            function: &investigation.target.name,
            tampered_at: investigation.tampered_at,
            ..Seen::default()
        })
    },
    after: &[],
};

/// How long X-Ray keeps a trace.
const KEPT: SignedDuration = SignedDuration::from_hours(30 * 24);

/// The longest range of one question. The documentation names none; X-Ray refuses ranges that are
/// longer than 6 hours in some of its calls, and than 24 in others.
const SLICE: SignedDuration = SignedDuration::from_hours(6);

/// BatchGetTraces takes five ids.
const BATCH: usize = 5;

/// How many traces are read for one page; each is up to 500 KB.
const TRACES_A_PAGE: usize = 20;

/// How often X-Ray is asked for a trace that it leaves out.
const TRIES: u32 = 3;

/// How often a slice is listed anew because its token is refused.
const MOST_RESTARTS: u32 = 3;

/// The most pages of one BatchGetTraces.
const MOST_BATCH_PAGES: usize = 50;

/// A trace has 500 KB; what is much longer is none.
const LONGEST: usize = 4 * 1024 * 1024;

/// The traces of one function in a window.
struct Traces<'a> {
    client: aws_sdk_xray::Client,
    name: &'a str,
    window: Window,
}

/// Where the reading is.
#[derive(Clone, Debug, Serialize, Deserialize)]
struct Place {
    /// The slice, both ends included.
    since: Timestamp,
    until: Timestamp,
    /// Of the slice's next page of summaries.
    token: Option<String>,
    /// Whether all of the slice's summaries are here.
    listed: bool,
    restarts: u32,
    /// Traces whose segments are still to be read.
    pending: Vec<Pending>,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
struct Pending {
    id: String,
    at_ns: i64,
    tries: u32,
}

impl<'a> Traces<'a> {
    fn new(investigation: &'a Investigation) -> Self {
        Self {
            client: investigation.clients.xray.clone(),
            name: &investigation.target.name,
            window: investigation.window,
        }
    }

    /// `service(id(…))` of the function, and of Lambda itself where the function did not come to run.
    /// None for a name that Lambda does not allow: it stands between quotes.
    fn filter(&self) -> Option<String> {
        let is_plain = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_');
        let name = self.name;
        (!name.is_empty() && name.bytes().all(is_plain)).then(|| {
            format!(
                r#"service(id(name: "{name}", type: "AWS::Lambda::Function")) OR service(id(name: "{name}", type: "AWS::Lambda"))"#
            )
        })
    }

    /// The first slice; none if X-Ray keeps nothing of the window any more.
    async fn begin(&self, inquiry: &mut Inquiry<'_>) -> Option<Place> {
        let destination = inquiry.ask(DESTINATION, "of the account in the Region", |raw| {
            let request = self.client.get_trace_segment_destination();
            request.customize().interceptor(raw).send()
        });
        let destination = destination.await;
        if destination.and_then(|reply| reply.destination)
            == Some(TraceSegmentDestination::CloudWatchLogs)
        {
            inquiry.refuse(Refusal::Failed(
                "Transaction Search is on: the spans are in the log group aws/spans, and X-Ray \
                 holds only the share of them that is indexed"
                    .to_owned(),
            ));
        }
        let kept_since = inquiry.now().checked_sub(KEPT).unwrap_or(Timestamp::MIN);
        if self.window.since < kept_since {
            inquiry.refuse(Refusal::Failed(
                "X-Ray keeps traces for 30 days, and the window begins before".to_owned(),
            ));
        }
        self.slice(self.window.since.max(kept_since))
    }

    fn slice(&self, since: Timestamp) -> Option<Place> {
        (since <= self.window.until).then(|| Place {
            since,
            until: since
                .checked_add(SLICE)
                .map_or(self.window.until, |until| until.min(self.window.until)),
            token: None,
            listed: false,
            restarts: 0,
            pending: Vec::new(),
        })
    }

    /// Where to go on.
    fn next(&self, place: Place) -> Option<Place> {
        if !place.listed || !place.pending.is_empty() {
            return Some(place);
        }
        // Both ends of a slice belong to it; what is met twice is one entry.
        (place.until < self.window.until)
            .then(|| self.slice(place.until))
            .flatten()
    }

    /// One page of summaries.
    async fn list(&self, inquiry: &mut Inquiry<'_>, place: &mut Place) -> Vec<Entry> {
        let Some(filter) = self.filter() else {
            inquiry.refuse(Refusal::Failed(
                "the function's name is none that Lambda allows; X-Ray is not asked".to_owned(),
            ));
            place.listed = true;
            return Vec::new();
        };
        let about = format!("{filter} from {} to {}", place.since, place.until);
        let request = self
            .client
            .get_trace_summaries()
            .time_range_type(TimeRangeType::TraceId)
            .start_time(DateTime::from_millis(place.since.as_millisecond()))
            .end_time(DateTime::from_millis(millisecond_after(place.until)))
            .filter_expression(filter)
            .set_next_token(place.token.clone());
        let reply = inquiry.ask(SUMMARIES, &about, |raw| {
            request.customize().interceptor(raw).send()
        });
        let Some(reply) = reply.await else {
            let refused = matches!(inquiry.last_refusal(), Some(Refusal::Failed(_)));
            if place.token.is_some() && refused && place.restarts < MOST_RESTARTS {
                // Tokens don't live for ever. What is listed again is the same entry.
                if !inquiry.is_transient() {
                    inquiry.take_back();
                }
                place.token = None;
                place.restarts += 1;
            } else {
                place.listed = true;
            }
            return Vec::new();
        };
        place.token = reply.next_token.filter(|token| !token.is_empty());
        place.listed = place.token.is_none();
        let mut entries = Vec::new();
        for summary in listed(inquiry, "TraceSummaries") {
            let id = id_of(summary).unwrap_or_default();
            let at_ns = began_ns(summary, id).unwrap_or(nanoseconds(place.since));
            entries.push(entry(at_ns, id, "summary", summary));
            if !id.is_empty() {
                place.pending.push(Pending {
                    id: id.to_owned(),
                    at_ns,
                    tries: 0,
                });
            }
        }
        entries
    }

    /// The segments of the next few traces.
    async fn read(&self, inquiry: &mut Inquiry<'_>, place: &mut Place) -> Vec<Entry> {
        let now = place.pending.len().min(TRACES_A_PAGE);
        let due: Vec<Pending> = place.pending.drain(..now).collect();
        let mut entries = Vec::new();
        for batch in due.chunks(BATCH) {
            let Some(left_out) = self.read_batch(inquiry, batch, &mut entries).await else {
                if let Some(Refusal::Denied(_)) = inquiry.last_refusal() {
                    // The others would be denied as well; the summaries may still be had.
                    place.pending.clear();
                    break;
                }
                continue;
            };
            for trace in batch.iter().filter(|trace| left_out.contains(&trace.id)) {
                if trace.tries + 1 < TRIES {
                    place.pending.push(Pending {
                        tries: trace.tries + 1,
                        ..trace.clone()
                    });
                } else {
                    inquiry.refuse(Refusal::Failed(format!(
                        "{SEGMENTS} leaves traces out although their summaries are there"
                    )));
                }
            }
        }
        entries
    }

    /// One batch; the ids that X-Ray left out. None if it failed.
    async fn read_batch(
        &self,
        inquiry: &mut Inquiry<'_>,
        batch: &[Pending],
        entries: &mut Vec<Entry>,
    ) -> Option<Vec<String>> {
        let ids: Vec<String> = batch.iter().map(|trace| trace.id.clone()).collect();
        let about = format!("traces of {}", self.name);
        let mut left_out = Vec::new();
        let mut token = None;
        for _ in 0..MOST_BATCH_PAGES {
            let request = self
                .client
                .batch_get_traces()
                .set_trace_ids(Some(ids.clone()))
                .set_next_token(token.take());
            let reply = inquiry.ask(SEGMENTS, &about, |raw| {
                request.customize().interceptor(raw).send()
            });
            let reply = reply.await?;
            left_out.extend_from_slice(reply.unprocessed_trace_ids());
            for trace in listed(inquiry, "Traces") {
                let id = id_of(trace).unwrap_or_default();
                let known = batch.iter().find(|pending| pending.id == id);
                let at_ns = known.map(|pending| pending.at_ns);
                let at_ns = at_ns.or_else(|| began_ns(trace, id)).unwrap_or_default();
                entries.push(entry(at_ns, id, "trace", trace));
            }
            token = reply.next_token.filter(|token| !token.is_empty());
            if token.is_none() {
                return Some(left_out);
            }
        }
        inquiry.refuse(Refusal::Failed(format!(
            "{SEGMENTS}: more than {MOST_BATCH_PAGES} pages of {BATCH} traces; the rest is not read"
        )));
        Some(left_out)
    }
}

#[async_trait]
impl Reading for Traces<'_> {
    async fn page(&self, inquiry: &mut Inquiry<'_>, cursor: Option<&Value>) -> Page {
        let known = cursor.and_then(|cursor| Place::deserialize(cursor).ok());
        let place = match known {
            Some(place) => Some(place),
            None => self.begin(inquiry).await,
        };
        let Some(mut place) = place else {
            return Page::default();
        };
        let entries = match place.pending.is_empty() {
            true => self.list(inquiry, &mut place).await,
            false => self.read(inquiry, &mut place).await,
        };
        let is_over = place.pending.is_empty()
            && matches!(inquiry.last_refusal(), Some(Refusal::Denied(why)) if why.contains(SUMMARIES));
        let next = (!is_over).then(|| self.next(place)).flatten();
        Page {
            entries,
            next: next.map(|place| json!(place)),
        }
    }
}

/// The items of a list in the last reply, as they came.
fn listed<'r>(inquiry: &'r Inquiry<'_>, field: &str) -> impl Iterator<Item = &'r Value> {
    let reply = inquiry.last_reply();
    let items = reply.and_then(|reply| reply.get(field)?.as_array());
    items.into_iter().flatten()
}

/// `1-58406520-a006649127e371903a2de979`; X-Ray's are at most 35 characters long.
fn id_of(item: &Value) -> Option<&str> {
    let id = item.get("Id")?.as_str()?;
    (id.len() <= 64).then_some(id)
}

/// When a trace began: as the summary says, else by the second that its id holds.
fn began_ns(item: &Value, id: &str) -> Option<i64> {
    let seconds = item.get("StartTime").and_then(Value::as_f64);
    let of_id = || i64::from_str_radix(id.split('-').nth(1)?, 16).ok();
    let time = match seconds {
        Some(seconds) => SignedDuration::try_from_secs_f64(seconds).ok(),
        None => of_id().map(SignedDuration::from_secs),
    };
    i64::try_from(time?.as_nanos()).ok()
}

/// A summary or a trace. Segments may come late: another state of the same trace is another entry.
fn entry(at_ns: i64, id: &str, what: &str, item: &Value) -> Entry {
    let mut raw = json!({ (what): item }).to_string();
    let sha256 = Sha256Digest::of(&raw);
    if raw.len() > LONGEST {
        raw = json!({"cutByColdcase": {"id": id, "sizeBytes": raw.len(), "sha256": sha256}})
            .to_string();
    }
    let at = Timestamp::from_nanosecond(at_ns.into()).unwrap_or_default();
    Entry::new(at, &format!("{id}.{what}.{}", sha256.short()), raw)
}

fn nanoseconds(time: Timestamp) -> i64 {
    i64::try_from(time.as_nanosecond()).unwrap_or_default()
}

/// X-Ray's times have milliseconds: the one that holds the window's last moment belongs to it.
fn millisecond_after(time: Timestamp) -> i64 {
    let milliseconds = time.as_millisecond();
    milliseconds + i64::from(nanoseconds(time) > milliseconds.saturating_mul(1_000_000))
}

/// How many callees are told apart.
const MOST_CALLED: usize = 500;

/// Sums the traces up.
#[derive(Default)]
struct Seen<'a> {
    function: &'a str,
    tampered_at: Option<Timestamp>,
    entries: u64,
    unreadable: u64,
    traces: u64,
    faults: u64,
    errors: u64,
    throttles: u64,
    partial: u64,
    after_tampering: u64,
    first_at: Option<Timestamp>,
    last_at: Option<Timestamp>,
    /// The summary that was seen last: another state of the same trace follows it at once.
    last: Option<(String, Value)>,
    /// The same of the segments.
    last_trace: Option<(Timestamp, String, Value)>,
    called: BTreeMap<(String, String), Called>,
    more_called: u64,
}

/// Somebody whom the function called.
#[derive(Default, Serialize)]
struct Called {
    calls: u64,
    calls_after_tampering: Option<u64>,
    first_at: Option<Timestamp>,
    last_at: Option<Timestamp>,
    /// The hosts of the addresses called. Paths and queries may hold secrets.
    hosts: Few,
    /// Of an AWS service.
    operations: Few,
    /// Functions, queues, tables.
    resources: Few,
}

impl Seen<'_> {
    fn is_after(&self, at: Timestamp) -> bool {
        self.tampered_at.is_some_and(|tampered_at| at > tampered_at)
    }

    fn summed_up(&mut self) {
        let Some((_, summary)) = self.last.take() else {
            return;
        };
        let is = |field: &str| u64::from(summary.get(field) == Some(&Value::Bool(true)));
        self.traces += 1;
        self.faults += is("HasFault");
        self.errors += is("HasError");
        self.throttles += is("HasThrottle");
        self.partial += is("IsPartial");
    }

    fn looked_into(&mut self) {
        let Some((at, _, trace)) = self.last_trace.take() else {
            return;
        };
        let segments = trace.get("Segments").and_then(Value::as_array);
        for segment in segments.into_iter().flatten() {
            let document = segment.get("Document").and_then(Value::as_str);
            match document.map(serde_json::from_str::<Value>) {
                Some(Ok(document)) => self.segment(at, &document),
                _ => self.unreadable += 1,
            }
        }
    }

    /// Only the function's own segment says what the function called.
    fn segment(&mut self, at: Timestamp, document: &Value) {
        let is =
            |field: &str, wanted: &str| document.get(field).and_then(Value::as_str) == Some(wanted);
        if is("origin", "AWS::Lambda::Function") && is("name", self.function) {
            self.subsegments(at, document);
        }
    }

    fn subsegments(&mut self, at: Timestamp, document: &Value) {
        let parts = document.get("subsegments").and_then(Value::as_array);
        for part in parts.into_iter().flatten() {
            let namespace = part.get("namespace").and_then(Value::as_str);
            if let Some(namespace @ ("remote" | "aws")) = namespace {
                self.call(at, namespace, part);
            }
            // As deep as the parser lets documents be: 128.
            self.subsegments(at, part);
        }
    }

    fn call(&mut self, at: Timestamp, namespace: &str, part: &Value) {
        let text = |pointer: &str| part.pointer(pointer).and_then(Value::as_str);
        let began = part.get("start_time").and_then(Value::as_f64);
        let began = began.and_then(|seconds| SignedDuration::try_from_secs_f64(seconds).ok());
        let at = began
            .and_then(|began| Timestamp::from_duration(began).ok())
            .unwrap_or(at);
        let is_after = self.is_after(at);
        let key = (
            namespace.to_owned(),
            told(text("/name").unwrap_or_default()),
        );
        if self.called.len() >= MOST_CALLED && !self.called.contains_key(&key) {
            self.more_called += 1;
            return;
        }
        let called = self.called.entry(key).or_default();
        called.calls += 1;
        if self.tampered_at.is_some() {
            *called.calls_after_tampering.get_or_insert(0) += u64::from(is_after);
        }
        called.first_at = Some(called.first_at.map_or(at, |first| first.min(at)));
        called.last_at = Some(called.last_at.map_or(at, |last| last.max(at)));
        called.hosts.count(text("/http/request/url").map(host));
        called.operations.count(text("/aws/operation"));
        for pointer in [
            "/aws/function_name",
            "/aws/bucket_name",
            "/aws/table_name",
            "/aws/queue_url",
            "/aws/topic_arn",
            "/aws/key",
        ] {
            called.resources.count(text(pointer));
        }
    }
}

/// The host of an address, with its port. What is no address is its own.
fn host(url: &str) -> &str {
    let rest = url.split_once("://").map_or(url, |(_, rest)| rest);
    let authority = rest.split(['/', '?', '#']).next().unwrap_or(rest);
    authority
        .rsplit_once('@')
        .map_or(authority, |(_, host)| host)
}

impl Observer for Seen<'_> {
    fn see(&mut self, entry: &Entry, _is_new: bool, _rows: &mut Vec<String>) {
        self.entries += 1;
        let at = entry.occurred_at();
        let id = match entry.id.split_once('.') {
            Some((id, _)) if !id.is_empty() => id.to_owned(),
            _ => entry.id.clone(),
        };
        let Ok(Value::Object(mut item)) = serde_json::from_str(&entry.raw) else {
            self.unreadable += 1;
            return;
        };
        if let Some(summary) = item.remove("summary") {
            if self.last.as_ref().is_none_or(|(last, _)| *last != id) {
                self.summed_up();
                self.after_tampering += u64::from(self.is_after(at));
                self.first_at.get_or_insert(at);
                self.last_at = Some(at);
            }
            self.last = Some((id, summary));
        } else if let Some(trace) = item.remove("trace") {
            let last = self.last_trace.as_ref();
            if last.is_none_or(|(_, last, _)| *last != id) {
                self.looked_into();
            }
            self.last_trace = Some((at, id, trace));
        } else {
            self.unreadable += 1;
        }
    }

    fn conclude(mut self: Box<Self>, _rows: &mut Vec<String>) -> Observed {
        if self.entries == 0 {
            return Observed {
                refusals: vec![Refusal::Absent(
                    "X-Ray holds no trace of the function in the window: it has them of what ran \
                     while tracing was on, and of that a sample"
                        .to_owned(),
                )],
                ..Observed::default()
            };
        }
        self.summed_up();
        self.looked_into();
        let called = self.called.iter().map(|((namespace, name), figures)| {
            json!({ "namespace": namespace, "name": name, "figures": figures })
        });
        let summary = json!({
            "tampered_at": self.tampered_at,
            "traces": self.traces,
            "traces_after_tampering": self.tampered_at.map(|_| self.after_tampering),
            "with_faults": self.faults,
            "with_errors": self.errors,
            "throttled": self.throttles,
            "partial": self.partial,
            "unreadable": self.unreadable,
            "first_at": self.first_at,
            "last_at": self.last_at,
            "called": called.collect::<Vec<_>>(),
            "calls_of_more": self.more_called,
        });
        Observed {
            documents: vec![("summary", summary)],
            ..Observed::default()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::aws::canned::{self, Investigated, Script};
    use crate::{Carried, Facts, Scope};
    use evidence::Target;

    const XRAY: (&str, u16, &str) = (
        "POST /GetTraceSegmentDestination",
        200,
        r#"{"Destination":"XRay","Status":"ACTIVE"}"#,
    );
    const NOTHING: (&str, u16, &str) = ("POST /TraceSummaries", 200, r#"{"TraceSummaries":[]}"#);
    const TWO_HOURS: &str = "2026-01-01T11:00:00Z/2026-01-01T13:00:00Z";

    async fn traces_of(
        name: &str,
        window: &str,
        lines: &[(&'static str, u16, &'static str)],
    ) -> Investigated {
        let (since, until) = window.split_once('/').unwrap();
        let mut target =
            Target::from_arn("arn:aws:lambda:eu-west-1:111122223333:function:billing").unwrap();
        name.clone_into(&mut target.name);
        let scope = Scope {
            target,
            facts: Facts::default(),
            window: Window::new(since.parse().unwrap(), until.parse().unwrap()).unwrap(),
            baseline: None,
            tampered_at: Some("2026-01-01T12:00:00Z".parse().unwrap()),
        };
        let script: Script = lines.to_vec().leak();
        let request = Request::whole(ArtifactKind::Traces);
        canned::investigate(scope, &request, &Carried::new(), script).await
    }

    fn leaked(value: &Value) -> &'static str {
        value.to_string().leak()
    }

    /// Seconds since noon.
    fn at(second: i64) -> i64 {
        let noon: Timestamp = "2026-01-01T12:00:00Z".parse().unwrap();
        noon.as_second() + second
    }

    fn id(second: i64) -> String {
        format!("1-{:08x}-a006649127e371903a2de979", at(second))
    }

    fn summary(second: i64) -> Value {
        json!({"Id": id(second), "StartTime": at(second), "Duration": 0.5,
            "HasFault": second > 0, "HasError": false, "HasThrottle": false, "IsPartial": false})
    }

    fn trace(second: i64, segments: &[Value]) -> Value {
        let segments = segments.iter();
        let segments = segments
            .map(|segment| json!({"Id": "70de5b6f19ff9a0a", "Document": segment.to_string()}));
        json!({"Id": id(second), "Duration": 0.5, "Segments": segments.collect::<Vec<_>>()})
    }

    fn called(second: i64, url: &str) -> Value {
        json!({"id": "1", "name": "billing", "origin": "AWS::Lambda::Function", "trace_id": id(second),
        "start_time": at(second), "end_time": at(second) + 1, "subsegments": [
            {"id": "2", "name": "Invocation", "start_time": at(second), "subsegments": [
                {"id": "3", "name": "out", "namespace": "remote", "start_time": at(second),
                 "http": {"request": {"method": "POST", "url": url}}},
                {"id": "4", "name": "DynamoDB", "namespace": "aws", "start_time": at(second),
                 "aws": {"operation": "PutItem", "table_name": "orders"}},
            ]},
            {"id": "5", "name": "Overhead", "start_time": at(second)},
        ]})
    }

    fn asked(found: &Investigated, path: &str) -> Vec<Value> {
        let begins = format!("POST {path} ");
        let calls = found
            .asked
            .iter()
            .filter_map(|call| call.strip_prefix(&begins));
        calls
            .map(|body| serde_json::from_str(body).unwrap())
            .collect()
    }

    #[tokio::test(start_paused = true)]
    async fn a_window_is_asked_for_in_slices_and_says_whom_the_function_called() {
        let lines = [
            XRAY,
            (
                r#"once POST /TraceSummaries "StartTime":1767225600"#,
                200,
                leaked(&json!({"TraceSummaries": [summary(-23_400)]})),
            ),
            // On the edge of two slices a trace is found twice.
            (
                r#"once POST /TraceSummaries "StartTime":1767247200"#,
                200,
                leaked(&json!({"TraceSummaries": [summary(0)]})),
            ),
            (
                r#"once POST /TraceSummaries "StartTime":1767268800"#,
                200,
                leaked(&json!({"TraceSummaries": [summary(60), summary(0)]})),
            ),
            (
                "once POST /Traces",
                200,
                leaked(
                    &json!({"Traces": [trace(-23_400, &[called(-23_400, "https://api.example.com/v1?key=s")])]}),
                ),
            ),
            (
                "once POST /Traces",
                200,
                leaked(&json!({"Traces": [trace(0, &[])]})),
            ),
            (
                "once POST /Traces",
                200,
                leaked(&json!({"Traces": [trace(60, &[
                called(60, "http://u:p@198.51.100.9:8080/token/s3cr3t#f"),
                // What calls the function is not called by it.
                json!({"name": "upstream", "origin": "AWS::ECS::Container", "subsegments": [{"name": "billing", "namespace": "remote"}]}),
            ])], "NextToken": "more"})),
            ),
            (
                r#"once POST /Traces "NextToken":"more""#,
                200,
                leaked(&json!({"Traces": [trace(0, &[])]})),
            ),
        ];
        let found = traces_of(
            "billing",
            "2026-01-01T00:00:00Z/2026-01-01T12:59:59.9999Z",
            &lines,
        )
        .await;
        assert_eq!(found.outcome(), ("acquired", ""));
        let kept: Vec<Value> = found
            .lines("traces-first-0")
            .iter()
            .map(|line| serde_json::from_str(line).unwrap())
            .collect();
        let at_first = [
            json!({"summary": summary(-23_400)}),
            json!({"trace": trace(-23_400, &[called(-23_400, "https://api.example.com/v1?key=s")])}),
        ];
        assert_eq!(kept[..2], at_first);
        assert_eq!(kept.len(), 6);
        let asked = asked(&found, "/TraceSummaries");
        let ranges: Vec<_> = asked
            .iter()
            .map(|body| (&body["StartTime"], &body["EndTime"]))
            .collect();
        assert_eq!(
            json!(ranges),
            json!([
                [1_767_225_600, 1_767_247_200],
                [1_767_247_200, 1_767_268_800],
                [1_767_268_800, 1_767_272_400],
            ])
        );
        assert_eq!(asked[0]["TimeRangeType"], "TraceId");
        assert_eq!(
            asked[0]["FilterExpression"],
            r#"service(id(name: "billing", type: "AWS::Lambda::Function")) OR service(id(name: "billing", type: "AWS::Lambda"))"#
        );
        insta::assert_json_snapshot!(found.document("summary"));
        assert!(!found.document("summary").to_string().contains("s3cr3t"));
    }

    #[tokio::test(start_paused = true)]
    async fn five_traces_are_asked_for_at_a_time_and_what_is_left_out_again() {
        let summaries: Vec<Value> = (1..=23).map(summary).collect();
        let left_out = [id(7), id(9)];
        let lines = [
            XRAY,
            (
                "once POST /TraceSummaries",
                200,
                leaked(&json!({ "TraceSummaries": summaries })),
            ),
            (
                leaked_pattern("once POST /Traces", &id(7)),
                200,
                leaked(&json!({"Traces": [trace(8, &[])], "UnprocessedTraceIds": left_out})),
            ),
            (
                leaked_pattern("once POST /Traces", &id(9)),
                200,
                leaked(&json!({"Traces": [trace(7, &[])], "UnprocessedTraceIds": [id(9)]})),
            ),
            (
                leaked_pattern("once POST /Traces", &id(9)),
                200,
                leaked(&json!({"Traces": [trace(9, &[])]})),
            ),
            ("POST /Traces", 200, r#"{"Traces":[]}"#),
        ];
        let found = traces_of("billing", TWO_HOURS, &lines).await;
        assert_eq!(found.outcome(), ("acquired", ""));
        let sizes: Vec<usize> = asked(&found, "/Traces")
            .iter()
            .map(|body| body["TraceIds"].as_array().unwrap().len())
            .collect();
        // Three and the two left out; the one that is left out again.
        assert_eq!(sizes, [5, 5, 5, 5, 5, 1]);
        assert_eq!(found.lines("traces-first-0").len(), 23 + 3);
    }

    fn leaked_pattern(words: &str, more: &str) -> &'static str {
        format!("{words} {more}").leak()
    }

    #[tokio::test(start_paused = true)]
    async fn what_is_always_left_out_is_told() {
        let lines = [
            XRAY,
            (
                "POST /TraceSummaries",
                200,
                leaked(&json!({"TraceSummaries": [summary(1)]})),
            ),
            (
                "POST /Traces",
                200,
                leaked(&json!({"Traces": [], "UnprocessedTraceIds": [id(1)]})),
            ),
        ];
        let found = traces_of("billing", TWO_HOURS, &lines).await;
        let why = "xray:BatchGetTraces leaves traces out although their summaries are there";
        assert_eq!(found.outcome(), ("partial", why));
        assert_eq!(asked(&found, "/Traces").len(), 3);
    }

    #[tokio::test(start_paused = true)]
    async fn transaction_search_says_where_the_spans_are() {
        let lines = [
            (
                "POST /GetTraceSegmentDestination",
                200,
                r#"{"Destination":"CloudWatchLogs","Status":"ACTIVE"}"#,
            ),
            NOTHING,
        ];
        let found = traces_of("billing", TWO_HOURS, &lines).await;
        let (outcome, why) = found.outcome();
        assert_eq!(outcome, "failed");
        assert!(
            why.contains("Transaction Search is on: the spans are in the log group aws/spans"),
            "{why}"
        );
    }

    #[tokio::test(start_paused = true)]
    async fn no_trace_at_all_is_explained() {
        let found = traces_of("billing", TWO_HOURS, &[XRAY, NOTHING]).await;
        let (outcome, why) = found.outcome();
        assert_eq!(outcome, "absent");
        assert!(why.contains("while tracing was on"), "{why}");
    }

    #[tokio::test(start_paused = true)]
    async fn empty_pages_throttling_and_refused_tokens_lose_nothing() {
        let page = |seconds: &[i64], token: Option<&str>| {
            let summaries: Vec<Value> = seconds.iter().copied().map(summary).collect();
            leaked(&json!({"TraceSummaries": summaries, "NextToken": token}))
        };
        let lines = [
            XRAY,
            (
                r#"once POST /TraceSummaries "NextToken":"t1""#,
                200,
                page(&[], Some("t2")),
            ),
            (
                r#"once POST /TraceSummaries "NextToken":"t2""#,
                429,
                r#"{"__type":"ThrottledException"}"#,
            ),
            (
                r#"once POST /TraceSummaries "NextToken":"t2""#,
                400,
                r#"{"__type":"InvalidRequestException","message":"Invalid NextToken"}"#,
            ),
            (
                r#"once POST /TraceSummaries "NextToken":"t3""#,
                200,
                page(&[2, 1], None),
            ),
            ("once POST /TraceSummaries", 200, page(&[3], Some("t1"))),
            ("once POST /TraceSummaries", 200, page(&[3], Some("t3"))),
            ("once POST /Traces", 500, "{}"),
            ("POST /Traces", 200, r#"{"Traces":[]}"#),
        ];
        let found = traces_of("billing", TWO_HOURS, &lines).await;
        assert_eq!(found.outcome(), ("acquired", ""));
        assert_eq!(found.lines("traces-first-0").len(), 3);
        assert_eq!(found.document("summary")["traces"], 3);
    }

    #[tokio::test(start_paused = true)]
    async fn each_denial_is_told_and_the_rest_goes_on() {
        const DENIED: &str = r#"{"__type":"AccessDeniedException"}"#;
        let summaries = (
            "POST /TraceSummaries",
            200,
            leaked(&json!({"TraceSummaries": [summary(1)]})),
        );
        for (denied, missing, kept) in [
            (
                "POST /GetTraceSegmentDestination",
                "xray:GetTraceSegmentDestination",
                1,
            ),
            ("POST /Traces", "xray:BatchGetTraces", 1),
            ("POST /TraceSummaries", "xray:GetTraceSummaries", 0),
        ] {
            let lines = [
                (denied, 403, DENIED),
                XRAY,
                summaries,
                ("POST /Traces", 200, "{}"),
            ];
            let found = traces_of("billing", TWO_HOURS, &lines).await;
            let (outcome, why) = found.outcome();
            assert_eq!(outcome, "denied");
            assert!(why.contains(missing), "{why}");
            assert_eq!(found.lines("traces-first-0").len(), kept, "{denied}");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn what_x_ray_has_forgotten_is_not_asked_for() {
        let long = "2025-11-01T00:00:00Z/2025-12-03T06:00:00Z";
        let found = traces_of("billing", long, &[XRAY, NOTHING]).await;
        let why = "X-Ray keeps traces for 30 days, and the window begins before";
        assert_eq!(found.outcome(), ("failed", why));
        let asked = asked(&found, "/TraceSummaries");
        assert_eq!(asked.len(), 1);
        let begin: Timestamp = "2025-12-03T03:04:05Z".parse().unwrap();
        assert_eq!(asked[0]["StartTime"], begin.as_second());

        let gone = "2025-11-01T00:00:00Z/2025-11-02T00:00:00Z";
        let found = traces_of("billing", gone, &[XRAY]).await;
        assert_eq!(found.outcome(), ("failed", why));
    }

    #[tokio::test(start_paused = true)]
    async fn names_and_documents_that_are_none_break_nothing() {
        let found = traces_of(r#"x") OR service("y"#, TWO_HOURS, &[XRAY]).await;
        assert_eq!(found.outcome().0, "failed");

        let deep = format!("{}1{}", "[".repeat(10_000), "]".repeat(10_000));
        let odd = json!({"Id": id(1), "Segments": [
            {"Document": "{"}, {"Document": deep}, {},
            {"Document": json!({"name": "billing", "origin": "AWS::Lambda::Function",
                "subsegments": [7, {"namespace": "remote", "name": [], "start_time": 1e300, "http": "x"},
                    {"namespace": "remote", "name": "a\nb", "http": {"request": {"url": "://@?"}}}]}).to_string()},
        ]});
        let lines = [
            XRAY,
            (
                "POST /TraceSummaries",
                200,
                leaked(
                    &json!({"TraceSummaries": [summary(1), {"Id": "x".repeat(5_000)}, {"StartTime": 1e18}]}),
                ),
            ),
            ("POST /Traces", 200, leaked(&json!({ "Traces": [odd] }))),
        ];
        let found = traces_of("billing", TWO_HOURS, &lines).await;
        assert_eq!(found.outcome(), ("acquired", ""));
        let summary = found.document("summary");
        assert_eq!(
            (&summary["traces"], &summary["unreadable"]),
            (&json!(3), &json!(3))
        );
        let names = summary["called"].as_array().unwrap().iter();
        let names: Vec<&Value> = names.map(|called| &called["name"]).collect();
        assert_eq!(json!(names), json!(["", "a\u{fffd}b"]));
    }

    #[test]
    fn memory_does_not_grow_with_what_was_called() {
        let mut seen = Seen {
            function: "billing",
            ..Seen::default()
        };
        for n in 0..2_000 {
            let segment = json!({"name": "billing", "origin": "AWS::Lambda::Function", "subsegments": [
                {"namespace": "remote", "name": format!("host{n}"), "http": {"request": {"url": format!("https://h{n}")}}}]});
            let entry = entry(n, &format!("1-{n:08x}-a"), "trace", &trace(n, &[segment]));
            seen.see(&entry, true, &mut Vec::new());
        }
        let observed = Box::new(seen).conclude(&mut Vec::new());
        let (_, summary) = &observed.documents[0];
        assert_eq!(summary["called"].as_array().unwrap().len(), MOST_CALLED);
        assert_eq!(summary["calls_of_more"], 2_000 - MOST_CALLED);
    }

    #[test]
    fn only_the_host_of_an_address_is_told() {
        for (url, expected) in [
            ("https://api.example.com/v1?key=s", "api.example.com"),
            (
                "http://user:secret@198.51.100.9:8080/x",
                "198.51.100.9:8080",
            ),
            ("https://example.com?token=s", "example.com"),
            ("example.com/path", "example.com"),
            ("", ""),
        ] {
            assert_eq!(host(url), expected);
        }
    }
}
