//! The table of invocations that a log tells of, and the summary of the whole.
//!
//! A row is put together from Lambda's own lines and written when nothing more is to be expected of
//! it. What is open at a time is bounded, whatever the log says; what does not fit is written as
//! far as it is known.
//!
//! **What can be forged.** The function writes into the same stream as Lambda, and whoever holds
//! its role's credentials may write any line into any stream, with any time of the last two weeks.
//! So a log can tell of invocations that never were, or tell of those that were what its author
//! likes; and lines can be missing from it only where somebody deleted a stream or the group.
//! What gives a forger away is marked `ambiguous`, and everything is kept: two ends of one
//! invocation (one row each), a beginning while the same environment was still at work, a beginning
//! of another version than the stream's, a second beginning of a request that did not fail, lines
//! of Lambda's in both of its formats in one stream. Request ids can be checked against traces and
//! the audit trail.

use super::lines::{Format, Line, Own, Report, RequestId, Said, Sign, Status, owner_of_stream};
use crate::{Entry, Observed, Observer, Refusal};
use evidence::Window;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

const SECOND_NS: i64 = 1_000_000_000;
/// How long after its last line an invocation is over: Lambda's limit is 15 minutes.
const OVER_AFTER_NS: i64 = 20 * 60 * SECOND_NS;
/// How long a reported invocation is waited for once the next one has begun: lines of the same
/// moment may come in any order.
const AFTER_THE_NEXT_NS: i64 = 2 * SECOND_NS;
/// The most invocations that are open at a time; one takes less than a kilobyte.
const MOST_OPEN: usize = 10_000;
/// The most streams that are remembered.
const MOST_STREAMS: usize = 10_000;
/// The most ends of one invocation that are kept.
const MOST_REPORTS: usize = 4;
/// How many requests a stream remembers that are written already.
const REMEMBERED: usize = 4;
/// The longest name of a stream (API reference of CreateLogStream).
const LONGEST_STREAM: usize = 512;
/// The most versions that the summary tells apart.
const MOST_VERSIONS: usize = 200;

/// Looks at a log group's lines.
pub(super) struct Invocations {
    group: String,
    window: Window,
    /// Whether Lambda wrote all of its own lines: no level filter.
    whole: bool,
    open: BTreeMap<u64, Invocation>,
    /// Which of them is which.
    numbers: BTreeMap<(Arc<str>, RequestId), u64>,
    /// When each is over, the next one first.
    over: BTreeSet<(i64, u64)>,
    next_number: u64,
    streams: BTreeMap<Arc<str>, Stream>,
    /// When each was last written to, the least lately used first.
    used: BTreeSet<(i64, Arc<str>)>,
    now_ns: i64,
    anything_new: bool,
    summary: Summary,
}

/// An environment's stream.
#[derive(Default)]
struct Stream {
    used_ns: i64,
    function: Option<String>,
    version: Option<String>,
    /// How Lambda writes into it, by the first of its lines.
    format: Option<Format>,
    /// Whether it serves several requests at a time: `lambda-managed-instances`.
    concurrent: bool,
    /// An environment that began and was not used yet.
    init: Option<Init>,
    /// The invocation that lines without a request belong to.
    current: Option<u64>,
    /// Requests that are written already, and whether they failed.
    written: Vec<(RequestId, bool)>,
}

#[derive(Default)]
struct Init {
    kind: Option<String>,
    duration_ms: Option<f64>,
    restored: bool,
    error: Option<String>,
}

/// An invocation as far as it is known.
struct Invocation {
    stream: Arc<str>,
    id: RequestId,
    function: Option<String>,
    version: Option<String>,
    is_new: bool,
    first_ns: i64,
    last_ns: i64,
    started_ns: Option<i64>,
    ended_ns: Option<i64>,
    reported_ns: Option<i64>,
    /// When the next one began in its environment.
    next_ns: Option<i64>,
    /// Those that began in its environment before it was reported.
    overlapped_by: Vec<u64>,
    reports: Vec<Report>,
    status: Option<Status>,
    error: Option<String>,
    timed_out: bool,
    cold_start: bool,
    init_duration_ms: Option<f64>,
    restore_duration_ms: Option<f64>,
    init_error: Option<String>,
    trace_id: Option<String>,
    lines: u64,
    bytes: u64,
    error_lines: u64,
    ambiguous: bool,
}

/// A row of the table.
#[derive(Serialize)]
struct Row<'a> {
    request_id: String,
    function: Option<&'a str>,
    version: Option<&'a str>,
    log_stream: &'a str,
    started_at: Option<Timestamp>,
    ended_at: Option<Timestamp>,
    duration_ms: Option<f64>,
    billed_ms: Option<u64>,
    memory_mb: Option<u64>,
    max_memory_used_mb: Option<u64>,
    cold_start: bool,
    init_duration_ms: Option<f64>,
    restore_duration_ms: Option<f64>,
    /// Why its environment did not begin at first. Lambda begins it once more within the
    /// invocation, which may then succeed.
    init_error: Option<&'a str>,
    /// `success` where nothing tells otherwise; none where it has no end.
    status: Option<Status>,
    error: Option<&'a str>,
    trace_id: Option<&'a str>,
    lines: u64,
    bytes: u64,
    error_lines: u64,
    first_line_at: Timestamp,
    last_line_at: Timestamp,
    /// Whether the log has its beginning and its end.
    complete: bool,
    ambiguous: bool,
}

#[derive(Default, Serialize)]
struct Summary {
    lines: u64,
    bytes: u64,
    new_lines: u64,
    first_line_at: Option<Timestamp>,
    last_line_at: Option<Timestamp>,
    /// Lines that are no log events.
    unreadable_lines: u64,
    /// Lines that belong to no invocation: before the first one, extensions.
    other_lines: u64,
    /// Lines of Lambda's in another format than the first one of their stream.
    mixed_format_lines: u64,
    /// Invocations that were written before their end was known, because too many were open.
    cut_short: u64,
    /// Invocations without a beginning that should be in the window.
    without_start: u64,
    /// Invocations without an end that should be in the window.
    without_end: u64,
    #[serde(flatten)]
    all: Counts,
    versions: BTreeMap<String, Counts>,
}

#[derive(Default, Serialize)]
struct Counts {
    invocations: u64,
    errors: u64,
    timeouts: u64,
    cold_starts: u64,
    ambiguous: u64,
    first_at: Option<Timestamp>,
    last_at: Option<Timestamp>,
}

/// What is needed of an event. Borrowed where no character is escaped.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Event<'a> {
    #[serde(borrow, default)]
    log_stream_name: Cow<'a, str>,
    #[serde(borrow)]
    message: Cow<'a, str>,
}

impl Invocations {
    /// Of a log group. `whole` says that no level filter keeps Lambda's own lines out of it.
    pub(super) fn of(group: &str, window: Window, whole: bool) -> Self {
        Self {
            group: group.to_owned(),
            window,
            whole,
            open: BTreeMap::new(),
            numbers: BTreeMap::new(),
            over: BTreeSet::new(),
            next_number: 0,
            streams: BTreeMap::new(),
            used: BTreeSet::new(),
            now_ns: i64::MIN,
            anything_new: false,
            summary: Summary::default(),
        }
    }

    /// The stream that a line is in, and its name.
    fn stream(&mut self, name: &str) -> Arc<str> {
        let end = name.floor_char_boundary(LONGEST_STREAM.min(name.len()));
        let name = name.get(..end).unwrap_or_default();
        let name: Arc<str> = match self.streams.get_key_value(name) {
            Some((name, _)) => name.clone(),
            None => name.into(),
        };
        let now_ns = self.now_ns;
        let stream = self.streams.entry(name.clone()).or_insert_with(|| {
            let (function, version) = owner_of_stream(&name);
            Stream {
                used_ns: now_ns,
                function,
                version,
                ..Stream::default()
            }
        });
        self.used.remove(&(stream.used_ns, name.clone()));
        stream.used_ns = now_ns;
        self.used.insert((now_ns, name.clone()));
        if self.streams.len() > MOST_STREAMS
            && let Some((_, least)) = self.used.pop_first()
        {
            self.streams.remove(&least);
        }
        name
    }

    /// The number of the open invocation of a request, which is opened if there is none.
    fn number(&mut self, stream: &Arc<str>, id: RequestId, rows: &mut Vec<String>) -> u64 {
        let key = (stream.clone(), id);
        if let Some(number) = self.numbers.get(&key) {
            return *number;
        }
        if self.open.len() >= MOST_OPEN
            && let Some((_, number)) = self.over.first().copied()
        {
            if let Some(open) = self.open.get(&number)
                && open.reported_ns.is_none()
            {
                self.summary.cut_short += 1;
                self.write(number, false, rows);
            } else {
                self.write(number, true, rows);
            }
        }
        let number = self.next_number;
        self.next_number += 1;
        let known = self.streams.get(stream);
        let invocation = Invocation {
            stream: stream.clone(),
            id,
            function: known.and_then(|stream| stream.function.clone()),
            version: known.and_then(|stream| stream.version.clone()),
            is_new: false,
            first_ns: self.now_ns,
            last_ns: self.now_ns,
            started_ns: None,
            ended_ns: None,
            reported_ns: None,
            next_ns: None,
            overlapped_by: Vec::new(),
            reports: Vec::new(),
            status: None,
            error: None,
            timed_out: false,
            cold_start: false,
            init_duration_ms: None,
            restore_duration_ms: None,
            init_error: None,
            trace_id: None,
            lines: 0,
            bytes: 0,
            error_lines: 0,
            // A request that is written already comes again: its end was forged, or this is.
            ambiguous: known.is_some_and(|stream| stream.has_written(id).is_some()),
        };
        self.over.insert((invocation.over_ns(), number));
        self.open.insert(number, invocation);
        self.numbers.insert(key, number);
        number
    }

    /// Changes an open invocation, and when it is over.
    fn change(&mut self, number: u64, change: impl FnOnce(&mut Invocation)) {
        if let Some(invocation) = self.open.get_mut(&number) {
            self.over.remove(&(invocation.over_ns(), number));
            change(invocation);
            self.over.insert((invocation.over_ns(), number));
        }
    }

    /// A line belongs to an invocation.
    fn count(&mut self, number: u64, bytes: u64, is_new: bool) {
        let now_ns = self.now_ns;
        self.change(number, |invocation| {
            invocation.last_ns = now_ns;
            invocation.lines += 1;
            invocation.bytes += bytes;
            invocation.is_new |= is_new;
        });
    }

    fn start(
        &mut self,
        stream: &Arc<str>,
        id: RequestId,
        version: Option<String>,
        trace_id: Option<String>,
        rows: &mut Vec<String>,
    ) -> u64 {
        let now_ns = self.now_ns;
        let is_known = self.numbers.contains_key(&(stream.clone(), id));
        let known = self.streams.get(stream);
        let failed = known.and_then(|stream| stream.has_written(id));
        let mut number = self.number(stream, id, rows);
        if !is_known {
            // An asynchronous event is tried again under the same id, but only after a failure.
            self.change(number, |it| it.ambiguous = failed == Some(false));
        }
        if let Some(known) = self.open.get(&number)
            && known.started_ns.is_some()
            && known.reported_ns.is_some()
        {
            let again = !known.failed();
            self.change(number, |known| known.ambiguous |= again);
            self.write(number, true, rows);
            number = self.number(stream, id, rows);
            self.change(number, |invocation| invocation.ambiguous = again);
        }
        let known = self.streams.get_mut(stream);
        let (mut init, mut current, mut other_version) = (None, None, false);
        if let Some(known) = known {
            init = known.init.take();
            current = known.current.replace(number).filter(|_| !known.concurrent);
            other_version = known.version.is_some() && version != known.version;
        }
        if let Some(current) = current.filter(|current| *current != number) {
            self.change(current, |before| {
                before.next_ns.get_or_insert(now_ns);
                let is_open = before.reported_ns.is_none();
                if is_open && before.overlapped_by.len() < MOST_REPORTS {
                    before.overlapped_by.push(number);
                }
            });
        }
        self.change(number, |invocation| {
            invocation.ambiguous |= invocation.started_ns.is_some() || other_version;
            invocation.started_ns.get_or_insert(now_ns);
            invocation.version = version.or(invocation.version.take());
            invocation.trace_id = trace_id.or(invocation.trace_id.take());
            if let Some(init) = init {
                invocation.begins(init);
            }
        });
        number
    }

    fn report(
        &mut self,
        stream: &Arc<str>,
        id: RequestId,
        report: Report,
        rows: &mut Vec<String>,
    ) -> u64 {
        let now_ns = self.now_ns;
        let number = self.number(stream, id, rows);
        let mut overlapped_by = Vec::new();
        self.change(number, |invocation| {
            invocation.ambiguous |= !invocation.reports.is_empty();
            invocation.reported_ns.get_or_insert(now_ns);
            if invocation.reports.len() < MOST_REPORTS {
                invocation.reports.push(report);
            }
            overlapped_by = std::mem::take(&mut invocation.overlapped_by);
        });
        for other in overlapped_by {
            let began = self.open.get(&other).and_then(|other| other.started_ns);
            if began.is_some_and(|began| began < now_ns) {
                self.change(other, |other| other.ambiguous = true);
                self.change(number, |invocation| invocation.ambiguous = true);
            }
        }
        number
    }

    fn own(&mut self, stream: &Arc<str>, own: Own, rows: &mut Vec<String>) -> Option<u64> {
        let now_ns = self.now_ns;
        match own {
            Own::Init {
                kind,
                function,
                version,
            } => {
                let known = self.streams.get_mut(stream)?;
                known.concurrent |= kind.as_deref() == Some("lambda-managed-instances");
                known.function = known.function.take().or(function);
                known.version = known.version.take().or(version);
                known.init = Some(Init {
                    restored: kind.as_deref() == Some("snap-start"),
                    kind,
                    ..Init::default()
                });
                None
            }
            Own::InitReport {
                duration_ms,
                restored,
                status,
                error,
            } => {
                let error = match status {
                    None | Some(Status::Success) => None,
                    Some(Status::Timeout) => Some("timeout".to_owned()),
                    Some(_) => error.or_else(|| Some("error".to_owned())),
                };
                let known = self.streams.get_mut(stream)?;
                let at_work = known.current.filter(|number| {
                    let current = self.open.get(number);
                    current.is_some_and(|current| current.reported_ns.is_none())
                });
                let kind = known.init.as_ref().and_then(|init| init.kind.clone());
                let init = Init {
                    kind,
                    duration_ms,
                    restored,
                    error,
                };
                // Where an invocation is at work already, it is that one's environment.
                if known.init.is_none()
                    && let Some(number) = at_work
                {
                    self.change(number, |invocation| invocation.begins(init));
                    return Some(number);
                }
                known.init = Some(init);
                None
            }
            Own::Start {
                id,
                version,
                trace_id,
            } => Some(self.start(stream, id, version, trace_id, rows)),
            Own::End { id, status, error } => {
                let number = self.number(stream, id, rows);
                self.change(number, |invocation| {
                    invocation.ended_ns.get_or_insert(now_ns);
                    invocation.status = invocation.status.or(status);
                    invocation.error = invocation.error.take().or(error);
                });
                Some(number)
            }
            Own::Report { id, report } => Some(self.report(stream, id, report, rows)),
        }
    }

    /// A line of the function or its runtime: whose it is.
    fn said(&mut self, stream: &Arc<str>, said: Said) -> Option<u64> {
        let named = said.id.map(|id| (stream.clone(), id));
        let named = named.and_then(|key| self.numbers.get(&key).copied());
        let current = || self.streams.get(stream)?.current;
        let number = named
            .or_else(current)
            .filter(|number| self.open.contains_key(number))?;
        self.change(number, |invocation| match said.sign {
            Some(Sign::Timeout) => invocation.timed_out = true,
            Some(Sign::Fatal(what)) => {
                invocation.error_lines += 1;
                invocation.error.get_or_insert(what);
            }
            Some(Sign::ErrorLine) => invocation.error_lines += 1,
            None => {}
        });
        Some(number)
    }

    /// Writes what is over.
    fn write_over(&mut self, rows: &mut Vec<String>) {
        while let Some((over_ns, number)) = self.over.first().copied()
            && over_ns < self.now_ns
        {
            self.write(number, true, rows);
        }
    }

    /// Writes an invocation. `was_waited_for` says that what it lacks should have come.
    fn write(&mut self, number: u64, was_waited_for: bool, rows: &mut Vec<String>) {
        let Some(mut invocation) = self.open.remove(&number) else {
            return;
        };
        self.over.remove(&(invocation.over_ns(), number));
        let key = (invocation.stream.clone(), invocation.id);
        self.numbers.remove(&key);
        if let Some(stream) = self.streams.get_mut(&invocation.stream) {
            stream.written.push((invocation.id, invocation.failed()));
            if stream.written.len() > REMEMBERED {
                stream.written.remove(0);
            }
        }
        // Another one began in its environment, which is impossible before its end.
        invocation.ambiguous |= !invocation.overlapped_by.is_empty() && was_waited_for;
        if was_waited_for {
            self.miss(&invocation);
        }
        self.summary.add(&invocation);
        if invocation.is_new {
            let none = Report::default();
            match invocation.reports.as_slice() {
                [] => rows.extend(invocation.row(&none)),
                reports => rows.extend(reports.iter().filter_map(|report| invocation.row(report))),
            }
        }
    }

    /// Counts what an invocation lacks although the window has room for it.
    fn miss(&mut self, invocation: &Invocation) {
        let since_ns = nanoseconds(self.window.since);
        let until_ns = nanoseconds(self.window.until);
        let longest = invocation.reports.iter().filter_map(|it| it.duration_ms);
        let took_ns = longest.fold(0.0, f64::max) * 1e6;
        // What a line claims may be anything; Lambda's limit is 15 minutes.
        let took_ns = (took_ns as i64).clamp(0, OVER_AFTER_NS) + SECOND_NS;
        if invocation.started_ns.is_none()
            && invocation
                .reported_ns
                .is_some_and(|reported| reported.saturating_sub(took_ns) > since_ns)
        {
            self.summary.without_start += 1;
        }
        let should_have_ended = invocation.last_ns.saturating_add(OVER_AFTER_NS) < until_ns;
        if invocation.reported_ns.is_none() && should_have_ended {
            self.summary.without_end += 1;
        }
    }

    fn gaps(&self) -> Vec<Refusal> {
        if !self.whole {
            return Vec::new();
        }
        let mut gaps = Vec::new();
        let Summary {
            without_start,
            without_end,
            ..
        } = self.summary;
        if without_start > 0 {
            gaps.push(format!(
                "{without_start} invocations have an end and no beginning: lines are missing, or \
                 ends are forged"
            ));
        }
        if without_end > 0 {
            gaps.push(format!(
                "{without_end} invocations have a beginning and no end: lines are missing, or \
                 beginnings are forged"
            ));
        }
        gaps.into_iter().map(Refusal::Failed).collect()
    }
}

impl Observer for Invocations {
    fn see(&mut self, entry: &Entry, is_new: bool, rows: &mut Vec<String>) {
        self.now_ns = self.now_ns.max(entry.at_ns);
        self.anything_new |= is_new;
        self.write_over(rows);
        let event: Option<Event<'_>> = serde_json::from_str(&entry.raw).ok();
        let bytes = event.as_ref().map_or(0, |event| event.message.len() as u64);
        self.summary.line(entry, bytes, is_new);
        let Some(event) = event else {
            self.summary.unreadable_lines += 1;
            return;
        };
        let stream = self.stream(&event.log_stream_name);
        let number = match Line::of(&event.message) {
            Line::Own(format, own) => {
                let known = self.streams.get_mut(&stream);
                let uses = known.map(|stream| *stream.format.get_or_insert(format));
                let number = self.own(&stream, own, rows);
                // An environment uses one format. Which one is Lambda's is not known for sure
                // where the window begins in the middle of a stream, so neither is believed less.
                if uses.is_some_and(|uses| uses != format) {
                    self.summary.mixed_format_lines += 1;
                    if let Some(number) = number {
                        self.change(number, |invocation| invocation.ambiguous = true);
                    }
                }
                number
            }
            Line::Said(said) => self.said(&stream, said),
        };
        match number {
            Some(number) => self.count(number, bytes, is_new),
            None => self.summary.other_lines += 1,
        }
    }

    fn conclude(mut self: Box<Self>, rows: &mut Vec<String>) -> Observed {
        while let Some((_, number)) = self.over.first().copied() {
            self.write(number, true, rows);
        }
        if !self.anything_new {
            // Nothing came since the pass before, which told what there is to tell.
            return Observed::default();
        }
        let refusals = self.gaps();
        let mut summary = json!({"log_group": self.group, "window": self.window});
        if let (Some(summary), Ok(Value::Object(counts))) =
            (summary.as_object_mut(), serde_json::to_value(&self.summary))
        {
            summary.extend(counts);
        }
        Observed {
            documents: vec![("summary", summary)],
            refusals,
            ..Observed::default()
        }
    }

    fn table(&self) -> Option<&'static str> {
        Some("invocations")
    }
}

impl Stream {
    /// Whether an invocation of this request, which is written already, failed; none if none is.
    fn has_written(&self, id: RequestId) -> Option<bool> {
        let mut latest = self.written.iter().rev();
        let (_, failed) = latest.find(|(written, _)| *written == id)?;
        Some(*failed)
    }
}

impl Invocation {
    /// When nothing more is to be expected.
    fn over_ns(&self) -> i64 {
        let over = self.last_ns.saturating_add(OVER_AFTER_NS);
        match (self.reported_ns, self.next_ns) {
            (Some(reported), Some(next)) => {
                over.min(reported.max(next).saturating_add(AFTER_THE_NEXT_NS))
            }
            _ => over,
        }
    }

    /// It is the first one of an environment.
    fn begins(&mut self, init: Init) {
        // Others begin before anybody asks.
        let on_demand = init.kind.as_deref();
        self.cold_start = matches!(on_demand, None | Some("on-demand" | "snap-start"));
        if init.restored {
            self.restore_duration_ms = init.duration_ms;
        } else {
            self.init_duration_ms = init.duration_ms;
        }
        self.init_error = init.error;
    }

    /// How it ended by one of its reports, and by what else was said.
    fn ended(&self, report: &Report) -> Option<Status> {
        if let Some(status) = report.status {
            return Some(status);
        }
        if self.timed_out {
            return Some(Status::Timeout);
        }
        if let Some(status) = self.status {
            return Some(status);
        }
        if self.error.is_some() {
            return Some(Status::Error);
        }
        report.duration_ms.map(|_| Status::Success)
    }

    fn status(&self) -> Option<Status> {
        let none = Report::default();
        self.ended(self.reports.first().unwrap_or(&none))
    }

    fn failed(&self) -> bool {
        !matches!(self.status(), None | Some(Status::Success))
    }

    fn is_cold(&self) -> bool {
        let told = |report: &Report| report.init_duration_ms.or(report.restore_duration_ms);
        self.cold_start || self.reports.iter().any(|report| told(report).is_some())
    }

    fn row(&self, report: &Report) -> Option<String> {
        let row = Row {
            request_id: self.id.to_string(),
            function: self.function.as_deref(),
            version: self.version.as_deref(),
            log_stream: &self.stream,
            started_at: self.started_ns.map(time),
            ended_at: self.ended_ns.or(self.reported_ns).map(time),
            duration_ms: report.duration_ms,
            billed_ms: report.billed_ms.map(whole),
            memory_mb: report.memory_mb.map(whole),
            max_memory_used_mb: report.max_memory_used_mb.map(whole),
            cold_start: self.is_cold(),
            init_duration_ms: report.init_duration_ms.or(self.init_duration_ms),
            restore_duration_ms: report.restore_duration_ms.or(self.restore_duration_ms),
            init_error: self.init_error.as_deref(),
            status: self.ended(report),
            error: report.error.as_deref().or(self.error.as_deref()),
            trace_id: report.trace_id.as_deref().or(self.trace_id.as_deref()),
            lines: self.lines,
            bytes: self.bytes,
            error_lines: self.error_lines,
            first_line_at: time(self.first_ns),
            last_line_at: time(self.last_ns),
            complete: self.started_ns.is_some() && self.reported_ns.is_some(),
            ambiguous: self.ambiguous,
        };
        // Numbers are finite and names are strings: it always becomes JSON.
        serde_json::to_string(&row).ok()
    }
}

impl Summary {
    fn line(&mut self, entry: &Entry, bytes: u64, is_new: bool) {
        let at = entry.occurred_at();
        self.lines += 1;
        self.bytes += bytes;
        self.new_lines += u64::from(is_new);
        self.first_line_at.get_or_insert(at);
        self.last_line_at = self.last_line_at.max(Some(at));
    }

    fn add(&mut self, invocation: &Invocation) {
        let version = invocation.version.as_deref().unwrap_or("unknown");
        let version = match &invocation.function {
            Some(function) => format!("{function}:{version}"),
            None => version.to_owned(),
        };
        let known = self.versions.len() < MOST_VERSIONS || self.versions.contains_key(&version);
        let version = if known { version } else { "others".to_owned() };
        self.all.add(invocation);
        self.versions.entry(version).or_default().add(invocation);
    }
}

impl Counts {
    fn add(&mut self, invocation: &Invocation) {
        let status = invocation.status();
        self.invocations += 1;
        self.timeouts += u64::from(status == Some(Status::Timeout));
        self.errors += u64::from(matches!(status, Some(Status::Error | Status::Failure)));
        self.cold_starts += u64::from(invocation.is_cold());
        self.ambiguous += u64::from(invocation.ambiguous);
        let (first, last) = (time(invocation.first_ns), time(invocation.last_ns));
        self.first_at = Some(self.first_at.map_or(first, |at| at.min(first)));
        self.last_at = self.last_at.max(Some(last));
    }
}

/// What Lambda counts in whole numbers.
fn whole(number: f64) -> u64 {
    number as u64
}

fn time(at_ns: i64) -> Timestamp {
    Timestamp::from_nanosecond(at_ns.into()).unwrap_or_default()
}

fn nanoseconds(at: Timestamp) -> i64 {
    i64::try_from(at.as_nanosecond()).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests;
