//! A log group of the class INFREQUENT_ACCESS, which only Logs Insights reads: one query a slice of
//! time, and shorter slices where there is more than a query answers.
//!
//! Sources: API reference of StartQuery and GetQueryResults (times in seconds, both included; 10,000
//! rows; statistics count every record that matches), quotas of CloudWatch Logs (results are kept
//! for seven days, so that a query under way is found again).

use super::{LogGroupReading, Stage, at, page as page_of};
use crate::{Entry, Inquiry, Page, Refusal};
use aws_sdk_cloudwatchlogs::operation::get_query_results::GetQueryResultsOutput;
use aws_sdk_cloudwatchlogs::types::{QueryStatus, ResultField};
use evidence::Sha256Digest;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};
use std::collections::HashMap;
use std::time::Duration;

/// What is asked of each slice.
const QUERY: &str = "fields @timestamp, @message, @logStream, @ingestionTime, @ptr \
                     | sort @timestamp asc | limit 10000";
/// The most rows that a query answers.
const MOST_ROWS: u64 = 10_000;
/// How many bytes of lines a slice should have at most, since it is held in memory: 8 MiB.
const SLICE_BYTES: u64 = 8 * 1024 * 1024;
/// Between two looks at a query.
const PAUSE: Duration = Duration::from_secs(1);
/// How many looks make a page. A query runs for up to an hour; whoever goes on finds it again.
const LOOKS: u32 = 60;
/// How often the query of a slice is begun again when it got lost or failed.
const TRIES: u32 = 3;

/// What is still to be read, and in which steps.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Slice {
    /// The first second.
    from: i64,
    /// How many seconds at a time.
    step: i64,
    /// No slice may end before this second: of a time when there was no group yet, or whose lines
    /// have expired, Insights answers nothing but an error.
    earliest_end: i64,
    /// The last second.
    last: i64,
    /// The query that was begun.
    query: Option<String>,
    /// How often this slice's query got lost or failed.
    failures: u32,
    /// Whether the group is known to exist.
    was_there: bool,
}

impl Slice {
    /// All of a window.
    pub(super) fn whole(
        first_ms: i64,
        last_ms: i64,
        nothing_before_ms: Option<i64>,
        was_there: bool,
    ) -> Self {
        let (from, last) = (first_ms.div_euclid(1000), last_ms.div_euclid(1000));
        Self {
            from,
            step: last - from + 1,
            earliest_end: nothing_before_ms.map_or(from, |ms| ms.div_euclid(1000) + 1),
            last,
            query: None,
            failures: 0,
            was_there,
        }
    }

    /// The slice's last second.
    fn to(&self) -> i64 {
        (self.from + self.step.max(1) - 1)
            .max(self.earliest_end)
            .min(self.last)
    }

    /// The same seconds again, in more slices; none where it is a single second.
    fn shorter(&self, parts: i64) -> Option<Self> {
        let seconds = self.to() - self.from + 1;
        let step = (seconds / parts.max(2)).max(1);
        let shorter = Self {
            step,
            query: None,
            failures: 0,
            ..*self
        };
        (shorter.to() < self.to()).then_some(shorter)
    }

    /// What comes after this slice; none at the window's end.
    fn following(&self, step: i64) -> Option<Stage> {
        let from = self.to() + 1;
        (from <= self.last).then(|| {
            Stage::Insights(Self {
                from,
                step: step.clamp(1, self.last - from + 1),
                query: None,
                failures: 0,
                was_there: true,
                ..*self
            })
        })
    }
}

/// One slice, or a look at its query.
pub(super) async fn page(
    reading: &LogGroupReading<'_>,
    inquiry: &mut Inquiry<'_>,
    mut slice: Slice,
) -> Page {
    let query = match slice.query.take() {
        Some(query) => query,
        None => match start(reading, inquiry, &slice).await {
            Some(query) => query,
            None => return not_started(reading, inquiry, &slice),
        },
    };
    for look in 0..LOOKS {
        if look > 0 {
            tokio::time::sleep(PAUSE).await;
        }
        // One row is enough to learn how the query stands and how much there is of it.
        let Some(answer) = results(reading, inquiry, &query, 1, None).await else {
            if inquiry.is_transient() {
                return Page::default();
            }
            // Results that are not there any more are made anew.
            return again(inquiry, slice);
        };
        match answer.status() {
            Some(QueryStatus::Complete) => {
                return complete(reading, inquiry, slice, &query, &answer).await;
            }
            Some(QueryStatus::Scheduled | QueryStatus::Running) | None => {}
            Some(QueryStatus::Timeout) => {
                let shorter = slice.shorter(2);
                return match shorter {
                    Some(shorter) => page_of(Vec::new(), Some(Stage::Insights(shorter))),
                    None => not_read(inquiry, &slice, "Timeout"),
                };
            }
            Some(status) => {
                let status = status.as_str().to_owned();
                inquiry.refuse(Refusal::Failed(status));
                return again(inquiry, slice);
            }
        }
    }
    slice.query = Some(query);
    page_of(Vec::new(), Some(Stage::Insights(slice)))
}

async fn start(
    reading: &LogGroupReading<'_>,
    inquiry: &mut Inquiry<'_>,
    slice: &Slice,
) -> Option<String> {
    let logs = &reading.investigation.clients.logs;
    let started = inquiry
        .ask("logs:StartQuery", reading.group, |raw| {
            let call = logs.start_query().log_group_name(reading.group);
            // Whether the last second is meant to its end is not said; what is of the next slice is
            // left out below.
            let call = call.start_time(slice.from).end_time(slice.to() + 1);
            let call = call.query_string(QUERY);
            call.customize().interceptor(raw).send()
        })
        .await;
    let id = started.and_then(|started| started.query_id);
    if id.is_none() && inquiry.last_refusal().is_none() {
        inquiry.refuse(Refusal::Failed("StartQuery named no query".to_owned()));
    }
    id
}

/// What follows from a query that was not begun.
fn not_started(reading: &LogGroupReading<'_>, inquiry: &mut Inquiry<'_>, slice: &Slice) -> Page {
    match inquiry.last_refusal() {
        // Too many queries of the account run at a time.
        Some(Refusal::Failed(why)) if why.contains(": LimitExceededException") => {
            inquiry.may_pass();
        }
        Some(Refusal::Absent(_)) if slice.was_there => reading.tell_deletion(inquiry),
        // It may be this slice's time alone that is refused.
        Some(Refusal::Failed(_)) if !inquiry.is_transient() => {
            return page_of(Vec::new(), slice.following(slice.step));
        }
        _ => {}
    }
    Page::default()
}

/// Begins a slice's query anew instead of the refusal that is last; a few times.
fn again(inquiry: &mut Inquiry<'_>, mut slice: Slice) -> Page {
    let why = match inquiry.last_refusal() {
        Some(Refusal::Denied(_)) => return Page::default(),
        Some(refusal) => refusal.why().to_owned(),
        None => String::new(),
    };
    inquiry.take_back();
    slice.failures += 1;
    if slice.failures < TRIES {
        slice.query = None;
        return page_of(Vec::new(), Some(Stage::Insights(slice)));
    }
    not_read(inquiry, &slice, &why)
}

/// Goes on after a slice that cannot be read.
fn not_read(inquiry: &mut Inquiry<'_>, slice: &Slice, why: &str) -> Page {
    let (from, to) = (at(slice.from * 1000), at(slice.to() * 1000));
    inquiry.refuse(Refusal::Failed(format!(
        "lines from {from} to {to} are not read: the query ended with {why}"
    )));
    page_of(Vec::new(), slice.following(slice.step))
}

async fn results(
    reading: &LogGroupReading<'_>,
    inquiry: &mut Inquiry<'_>,
    query: &str,
    rows: i32,
    token: Option<String>,
) -> Option<GetQueryResultsOutput> {
    let logs = &reading.investigation.clients.logs;
    let answer = inquiry
        .ask("logs:GetQueryResults", reading.group, |raw| {
            let call = logs.get_query_results().query_id(query);
            let call = call.max_items(rows).set_next_token(token);
            call.customize().interceptor(raw).send()
        })
        .await;
    // The rows are in the answer: no need to hold them twice.
    if let Some(reply) = inquiry.last_reply_mut() {
        reply.take();
    }
    answer
}

/// A query that is complete: its rows, or shorter slices where there are too many.
async fn complete(
    reading: &LogGroupReading<'_>,
    inquiry: &mut Inquiry<'_>,
    slice: Slice,
    query: &str,
    answer: &GetQueryResultsOutput,
) -> Page {
    let size = Size::of(answer);
    if size.parts() > 1
        && let Some(shorter) = slice.shorter(size.parts())
    {
        return page_of(Vec::new(), Some(Stage::Insights(shorter)));
    }
    let mut rows = Rows::default();
    let mut token = None;
    let mut cut = false;
    loop {
        let rows_a_page = size.rows_a_page();
        let Some(answer) = results(reading, inquiry, query, rows_a_page, token).await else {
            if inquiry.is_transient() {
                return Page::default();
            }
            return again(inquiry, slice);
        };
        for row in answer.results() {
            rows.take(row, slice.from * 1000);
        }
        // What one second holds need not fit into memory, and statistics need not be exact.
        cut = cut || rows.bytes > 4 * SLICE_BYTES;
        token = answer.next_token.filter(|token| !token.is_empty());
        if token.is_none() || cut {
            break;
        }
    }
    let end_ms = (slice.to() + 1) * 1000;
    let whole = rows.count < MOST_ROWS || rows.last_ms >= end_ms;
    if (cut || !whole)
        && let Some(shorter) = slice.shorter(2)
    {
        // More than the statistics said.
        return page_of(Vec::new(), Some(Stage::Insights(shorter)));
    }
    if cut || (!whole && size.lines != rows.count) {
        let (read, second) = (rows.count, at(slice.from * 1000));
        let there = size.lines.max(read);
        inquiry.refuse(Refusal::Failed(format!(
            "of the second {second} only the first {read} of {there} lines are read"
        )));
    }
    let window = reading.first_ms()..=reading.last_ms();
    let entries = rows.entries.into_iter().filter(|entry| {
        let ms = entry.at_ns.div_euclid(1_000_000);
        ms < end_ms && window.contains(&ms)
    });
    page_of(entries.collect(), slice.following(size.next_step(&slice)))
}

/// How much a slice holds, by its query's statistics.
struct Size {
    lines: u64,
    bytes: u64,
}

impl Size {
    fn of(answer: &GetQueryResultsOutput) -> Self {
        let Some(statistics) = answer.statistics() else {
            return Self { lines: 0, bytes: 0 };
        };
        // Numbers come as fractions; what is none counts as nothing.
        let whole = |number: f64| number.max(0.0) as u64;
        let lines = whole(statistics.records_matched());
        let scanned = whole(statistics.records_scanned()).max(1);
        // More may be looked through than belongs to the slice.
        let bytes = whole(statistics.bytes_scanned()) / scanned;
        Self {
            lines,
            bytes: bytes.saturating_mul(lines),
        }
    }

    /// Into how many slices it should be cut.
    fn parts(&self) -> i64 {
        let by_lines = match self.lines {
            ..=MOST_ROWS => 1,
            // Lines come in bursts: somewhat more slices than needed on the average.
            lines => lines.saturating_mul(5) / (4 * MOST_ROWS) + 1,
        };
        let by_bytes = self.bytes.div_ceil(SLICE_BYTES);
        i64::try_from(by_lines.max(by_bytes)).unwrap_or(i64::MAX)
    }

    /// How many rows are asked for at a time, so that an answer is a few megabytes.
    fn rows_a_page(&self) -> i32 {
        let a_line = self.bytes / self.lines.max(1);
        let rows = (SLICE_BYTES / 4) / a_line.max(200);
        i32::try_from(rows.clamp(1, MOST_ROWS)).unwrap_or(1)
    }

    /// Longer steps where little is written.
    fn next_step(&self, slice: &Slice) -> i64 {
        if self.lines < MOST_ROWS / 4 && self.bytes < SLICE_BYTES / 4 {
            slice.step.saturating_mul(2)
        } else {
            slice.step
        }
    }
}

/// Rows on their way into entries.
#[derive(Default)]
struct Rows {
    entries: Vec<Entry>,
    /// How often the same line of the same millisecond came.
    times: HashMap<Sha256Digest, u32>,
    count: u64,
    bytes: u64,
    last_ms: i64,
}

impl Rows {
    /// Takes one row; `otherwise_ms` is the time of one that has none.
    ///
    /// A row has no event id, and nothing says that `@ptr` stays the same from one query to
    /// the next. What makes it the same line again is stream, times and message, and for lines that
    /// are alike in all of that their number.
    fn take(&mut self, row: &[ResultField], otherwise_ms: i64) {
        let mut event = Map::new();
        let mut message = String::new();
        let (mut stream, mut ms, mut ingested_ms) = ("", None, None);
        for field in row {
            let (Some(name), Some(value)) = (field.field(), field.value()) else {
                continue;
            };
            match name {
                "@timestamp" => ms = milliseconds(value),
                "@ingestionTime" => ingested_ms = milliseconds(value),
                "@logStream" => stream = value,
                "@message" => value.clone_into(&mut message),
                other => {
                    event.insert(other.to_owned(), Value::from(value));
                }
            }
        }
        let ms = ms.unwrap_or(otherwise_ms);
        let same = json!([stream, ms, ingested_ms, message]).to_string();
        let same = Sha256Digest::of(&same);
        let times = self.times.entry(same).or_insert(0);
        *times += 1;
        let id = format!("{same}-{times}");
        self.count += 1;
        self.bytes += message.len() as u64;
        self.last_ms = self.last_ms.max(ms);
        event.insert("logStreamName".to_owned(), Value::from(stream));
        event.insert("timestamp".to_owned(), Value::from(ms));
        event.insert("message".to_owned(), Value::from(message));
        event.insert("ingestionTime".to_owned(), Value::from(ingested_ms));
        event.insert("eventId".to_owned(), Value::from(id.as_str()));
        let raw = Value::Object(event).to_string();
        self.entries.push(Entry::new(at(ms), &id, raw));
    }
}

/// `2026-01-02 03:04:05.678`, in UTC, or milliseconds since 1970.
fn milliseconds(text: &str) -> Option<i64> {
    if let Ok(ms) = text.parse() {
        return Some(ms);
    }
    let time: Timestamp = format!("{text}Z").parse().ok()?;
    Some(time.as_millisecond())
}
