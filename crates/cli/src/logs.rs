//! `coldcase logs`: what the function wrote into its logs, and its invocations.

use crate::desk::{self, Failure, Kind, Lines, Listing, Options, Output, Reading, Tone, sheet};
use crate::timeline::Span;
use anyhow::Result;
use evidence::{Acquisition, ArtifactKind, CaseId, Exhibit, shown};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::collections::VecDeque;
use std::io;
use std::process::ExitCode;

/// How many logs are read side by side: each holds a part of 8 MiB at most.
const SIDE_BY_SIDE: usize = 16;

/// How much of a message is told to people, in characters; `--json` has all of it.
const LONGEST: usize = 4_000;

/// How many lines of one message are told to people.
const MOST_LINES: usize = 60;

/// Prints the lines of the function's logs that the case holds, in order of time; or, with
/// --invocations, the table of its invocations.
///
/// An invocation's lines are those of its environment's log stream between its first and its last one.
/// Whoever holds the role's credentials can write into a log: what gives a forger away is marked
/// ambiguous. Exits with 1 if the case's chain does not hold together.
#[derive(clap::Args)]
#[command(after_help = "\
Examples:
  coldcase logs latest --since event
  coldcase logs latest --grep error --last 50
  coldcase logs latest --invocations
  coldcase logs latest --invocation 8f5b2c10
  coldcase logs latest --json | jq -r '.lines[] | [.at, .message] | @tsv'")]
pub struct Args {
    /// A case's id, the beginning or the end of it, or `latest`.
    #[arg(value_name = "CASE")]
    case: String,

    #[command(flatten)]
    span: Span,

    /// Only lines that hold this; capital letters or not.
    #[arg(long, value_name = "TEXT")]
    grep: Option<String>,

    /// Only the last so many of them.
    #[arg(long, value_name = "N")]
    last: Option<usize>,

    /// Only the lines of the invocation with this request id, or one that begins so.
    #[arg(long, value_name = "REQUEST_ID", value_parser = request_id)]
    invocation: Option<String>,

    /// The table of invocations: when, how they ended, how long they took.
    #[arg(long, conflicts_with = "invocation")]
    invocations: bool,
}

fn request_id(text: &str) -> Result<String, String> {
    let is_id = |c: char| c.is_ascii_alphanumeric() || c == '-';
    match text.len() {
        4..=36 if text.chars().all(is_id) => Ok(text.to_lowercase()),
        _ => Err("no request id; take one of `coldcase logs CASE --invocations`".to_owned()),
    }
}

#[derive(Serialize)]
struct Head<'a> {
    vault: String,
    case_id: &'a CaseId,
    /// What of the chain does not fit together.
    altered: Vec<&'a str>,
    since: Option<Timestamp>,
    until: Option<Timestamp>,
    /// The invocation whose lines these are, as the table has it.
    #[serde(skip_serializing_if = "Option::is_none")]
    invocation: Option<&'a Row>,
}

#[derive(Serialize)]
struct Tail {
    lines_in_all: u64,
    told: u64,
    not_read: Vec<String>,
}

/// An event of CloudWatch Logs, as it lies in the exhibit.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Event {
    #[serde(default)]
    log_stream_name: String,
    timestamp: Option<i64>,
    ingestion_time: Option<i64>,
    #[serde(default)]
    message: String,
    event_id: Option<String>,
}

impl Event {
    /// Reads an event of CloudWatch Logs, of what Cloudflare stores, or of Google's logs: there the
    /// request, or the execution, is the stream.
    fn read(bytes: &[u8]) -> Option<Self> {
        let json: Value = serde_json::from_slice(bytes).ok()?;
        let text = |at: &str| json.pointer(at).and_then(Value::as_str).map(str::to_owned);
        if json.get("logName").is_some() {
            return Some(Self::of_google(&json));
        }
        if json.get("$workers").is_none() && json.get("$metadata").is_none() {
            return serde_json::from_value(json).ok();
        }
        Some(Self {
            log_stream_name: text("/$workers/requestId").unwrap_or_default(),
            timestamp: json.get("timestamp").and_then(milliseconds),
            ingestion_time: None,
            message: (text("/$metadata/message"))
                .or_else(|| text("/source/message"))
                .or_else(|| json.get("source").map(Value::to_string))
                .unwrap_or_default(),
            event_id: text("/$metadata/id"),
        })
    }

    /// A `LogEntry`: a text, an object with or without a message, or a request.
    fn of_google(json: &Value) -> Self {
        let text = |at: &str| json.pointer(at).and_then(Value::as_str).map(str::to_owned);
        let time = |at: &str| text(at).and_then(|at| at.parse::<Timestamp>().ok());
        let request = || {
            let status = json.pointer("/httpRequest/status")?;
            let [method, url] = ["requestMethod", "requestUrl"]
                .map(|field| text(&format!("/httpRequest/{field}")).unwrap_or_default());
            Some(format!("{method} {url} {status}"))
        };
        Self {
            log_stream_name: text("/labels/execution_id")
                .or_else(|| text("/trace")?.rsplit('/').next().map(str::to_owned))
                .unwrap_or_default(),
            timestamp: time("/timestamp").map(|at| at.as_millisecond()),
            ingestion_time: time("/receiveTimestamp").map(|at| at.as_millisecond()),
            message: (text("/textPayload"))
                .or_else(|| text("/jsonPayload/message"))
                .or_else(|| json.get("jsonPayload").map(Value::to_string))
                .or_else(request)
                .or_else(|| json.get("protoPayload").map(Value::to_string))
                .unwrap_or_default(),
            event_id: text("/insertId"),
        }
    }
}

/// A time in milliseconds, whole or not.
fn milliseconds(value: &Value) -> Option<i64> {
    #[expect(
        clippy::cast_possible_truncation,
        reason = "a time out of range is none"
    )]
    let whole = |time: f64| time as i64;
    value.as_i64().or_else(|| value.as_f64().map(whole))
}

/// A line of a log and where it stands.
#[derive(Serialize)]
struct Line {
    at: Timestamp,
    group: String,
    stream: String,
    message: String,
    event_id: Option<String>,
    exhibit: String,
    line: u64,
}

/// A row of the table of invocations, as it lies in the exhibit; what a log does not say is none.
#[derive(Clone, Debug, Serialize, Deserialize)]
struct Row {
    request_id: String,
    function: Option<String>,
    version: Option<String>,
    #[serde(default)]
    log_stream: String,
    started_at: Option<Timestamp>,
    ended_at: Option<Timestamp>,
    duration_ms: Option<f64>,
    billed_ms: Option<u64>,
    memory_mb: Option<u64>,
    max_memory_used_mb: Option<u64>,
    #[serde(default)]
    cold_start: bool,
    init_error: Option<String>,
    status: Option<String>,
    error: Option<String>,
    trace_id: Option<String>,
    #[serde(default)]
    lines: u64,
    #[serde(default)]
    error_lines: u64,
    first_line_at: Timestamp,
    last_line_at: Timestamp,
    /// Whether the log has its beginning and its end.
    #[serde(default)]
    complete: bool,
    #[serde(default)]
    ambiguous: bool,
}

/// Prints a case's logs.
pub async fn run(args: &Args, options: &Options) -> Result<ExitCode> {
    let output = Output::new(options);
    let reading = Reading::of(&args.case, options, &output).await?;
    let logs = logs(&reading);
    if logs.is_empty() {
        output.remark(format_args!("{}", why_none(&reading)));
    }
    if args.invocations {
        return invocations(args, &output, &reading, &logs).await;
    }
    let (since, until) = args.span.times(&reading)?;
    let row = match &args.invocation {
        Some(id) => Some(invocation(&reading, &logs, id).await?),
        None => None,
    };
    let head = Head {
        vault: reading.opened.place.raw(),
        case_id: &reading.id,
        altered: reading.altered(),
        since,
        until,
        invocation: row.as_ref(),
    };
    let mut teller = Teller {
        listing: output.list(&head, "lines")?,
        page: Page {
            width: Output::width(),
            several: logs.iter().any(|log| log.group != logs[0].group),
            stream: String::new(),
        },
        kept: VecDeque::new(),
        last: args.last,
        in_all: 0,
        told: 0,
    };
    let grep = args.grep.as_ref().map(|text| text.to_lowercase());
    let mut merged = Merge::of(&reading, &logs).await?;
    while let Some(line) = merged.next().await? {
        teller.in_all += 1;
        let wanted = since.is_none_or(|since| line.at >= since)
            && until.is_none_or(|until| line.at <= until)
            && row.as_ref().is_none_or(|row| row.wrote(&line))
            && (grep.as_ref()).is_none_or(|text| line.message.to_lowercase().contains(text));
        if wanted {
            teller.take(line)?;
        }
    }
    teller.end(merged.not_read(), &output)?;
    Ok(reading.code())
}

/// The exhibits of one log group that one pass brought.
struct Log<'a> {
    group: String,
    lines: Vec<&'a Exhibit>,
    invocations: Vec<&'a Exhibit>,
}

fn logs(reading: &Reading) -> Vec<Log<'_>> {
    let manifests = reading.case.manifests.iter();
    let acquisitions = manifests.flat_map(|manifest| &manifest.acquisitions);
    let of_logs = acquisitions.filter(|it| it.request.artifact == ArtifactKind::ExecutionLogs);
    of_logs.filter_map(Log::of).collect()
}

impl<'a> Log<'a> {
    /// None where an acquisition brought nothing.
    fn of(acquisition: &'a Acquisition) -> Option<Self> {
        let exhibits = acquisition.exhibits.iter();
        let parts = exhibits.filter(|exhibit| exhibit.media_type == "application/gzip");
        // Lines are `execution-logs-GROUP-PASS-0001`, invocations
        // `execution-logs-GROUP-PASS-invocations-0001`.
        let (invocations, lines): (Vec<&Exhibit>, Vec<&Exhibit>) = parts.partition(|exhibit| {
            let name = exhibit.name.rsplit_once('-');
            name.is_some_and(|(name, _)| name.ends_with("-invocations"))
        });
        let group = acquisition.request.selector.as_deref().unwrap_or("unknown");
        (!lines.is_empty() || !invocations.is_empty()).then(|| Self {
            group: shown(group, 512),
            lines,
            invocations,
        })
    }
}

/// Why there are no logs in a case.
fn why_none(reading: &Reading) -> String {
    if !reading.altered().is_empty() {
        return "what is sealed after what was altered is not read; `coldcase verify` says what that is".to_owned();
    }
    let manifests = reading.case.manifests.iter();
    let acquisitions = manifests.flat_map(|manifest| &manifest.acquisitions);
    let told: Vec<String> = acquisitions
        .filter(|it| it.request.artifact == ArtifactKind::ExecutionLogs)
        .map(|it| {
            let why = it.result.why().unwrap_or("nothing");
            format!("{}: {} ({})", it.request, it.result.as_str(), why)
        })
        .collect();
    match told.is_empty() {
        true => {
            "no logs were collected yet; that comes with the first pass over the window".to_owned()
        }
        false => shown(&told.join("; "), 600),
    }
}

/// The lines of several logs in order of time.
struct Merge<'a> {
    sources: Vec<Source<'a>>,
    unreadable: u64,
}

struct Source<'a> {
    group: String,
    lines: Lines<'a>,
    /// Its next line.
    head: Option<Line>,
}

impl<'a> Merge<'a> {
    async fn of(reading: &'a Reading, logs: &[Log<'a>]) -> Result<Self> {
        let mut parts: Vec<(&str, Vec<&'a Exhibit>)> = Vec::new();
        for log in logs {
            // Beyond so many, a group's passes are told one after the other.
            let known = parts.iter_mut().find(|(group, _)| *group == log.group);
            match known {
                Some((_, exhibits)) if logs.len() > SIDE_BY_SIDE => exhibits.extend(&log.lines),
                _ => parts.push((&log.group, log.lines.clone())),
            }
        }
        let mut merge = Self {
            sources: Vec::new(),
            unreadable: 0,
        };
        for (group, exhibits) in parts {
            let mut source = Source {
                group: group.to_owned(),
                lines: Lines::of(reading.vault(), exhibits),
                head: None,
            };
            source.read(&mut merge.unreadable).await?;
            merge.sources.push(source);
        }
        Ok(merge)
    }

    async fn next(&mut self) -> Result<Option<Line>> {
        let heads = self.sources.iter().enumerate();
        let first = heads
            .filter_map(|(place, source)| Some((source.head.as_ref()?.at, place)))
            .min();
        let Some(source) = first.and_then(|(_, place)| self.sources.get_mut(place)) else {
            return Ok(None);
        };
        let line = source.head.take();
        source.read(&mut self.unreadable).await?;
        Ok(line)
    }

    fn not_read(self) -> Vec<String> {
        let mut not_read: Vec<String> = (self.sources.into_iter())
            .flat_map(|source| source.lines.not_read)
            .collect();
        if self.unreadable > 0 {
            not_read.push(format!("{} lines that are no events", self.unreadable));
        }
        not_read
    }
}

impl Source<'_> {
    async fn read(&mut self, unreadable: &mut u64) -> Result<()> {
        let group = &self.group;
        let read = |line: desk::Line<'_>| {
            let event = Event::read(line.bytes)?;
            let ms = event.timestamp.or(event.ingestion_time)?;
            Some(Line {
                at: Timestamp::from_millisecond(ms).ok()?,
                group: group.clone(),
                stream: event.log_stream_name,
                message: event.message,
                event_id: event.event_id,
                exhibit: line.exhibit.to_owned(),
                line: line.number,
            })
        };
        while let Some(line) = self.lines.next(read).await? {
            if line.is_some() {
                self.head = line;
                break;
            }
            *unreadable += 1;
        }
        Ok(())
    }
}

struct Teller {
    listing: Listing,
    page: Page,
    kept: VecDeque<Line>,
    last: Option<usize>,
    in_all: u64,
    told: u64,
}

impl Teller {
    fn take(&mut self, line: Line) -> io::Result<()> {
        let Some(last) = self.last else {
            return self.tell(&line);
        };
        self.kept.push_back(line);
        if self.kept.len() > last {
            self.kept.pop_front();
        }
        Ok(())
    }

    fn tell(&mut self, line: &Line) -> io::Result<()> {
        self.told += 1;
        let page = &mut self.page;
        self.listing.push(line, |out| page.write(out, line))
    }

    fn end(mut self, not_read: Vec<String>, output: &Output) -> Result<()> {
        for line in std::mem::take(&mut self.kept) {
            self.tell(&line)?;
        }
        let tail = Tail {
            lines_in_all: self.in_all,
            told: self.told,
            not_read,
        };
        self.listing.end(&tail, |_| Ok(()))?;
        remarks(output, &tail.not_read);
        let lines = sheet::count(tail.lines_in_all as usize, "line", "lines");
        output.remark(format_args!("{} of {lines}", sheet::number(tail.told)));
        Ok(())
    }
}

fn remarks(output: &Output, not_read: &[String]) {
    for what in not_read {
        output.remark(format_args!("not read: {what}"));
    }
}

struct Page {
    width: Option<usize>,
    /// Whether there are several log groups.
    several: bool,
    /// The stream that was told last.
    stream: String,
}

impl Page {
    fn write(&mut self, out: &mut dyn io::Write, line: &Line) -> io::Result<()> {
        let at = sheet::at_ms(line.at);
        let message = line.message.trim_end();
        let Some(width) = self.width else {
            let group = shown(&line.group, 512);
            let stream = shown(&line.stream, 512);
            return writeln!(
                out,
                "{at}\t{group}\t{stream}\t{}",
                shown(message, usize::MAX)
            );
        };
        if line.stream != self.stream {
            self.stream.clone_from(&line.stream);
            let stream = match self.several {
                true => format!("{} {}", line.group, line.stream),
                false => line.stream.clone(),
            };
            writeln!(out, "{}", Tone::Faint.paint(sheet::cut(&stream, width)))?;
        }
        let mut begin = Tone::Faint.paint(&at);
        let mut lines = message.split('\n');
        for text in lines.by_ref().take(MOST_LINES) {
            let text = sheet::pressed(&text.trim_end_matches('\r').replace('\t', "  "), LONGEST);
            for row in sheet::broken(&text, width - at.len() - 2) {
                writeln!(out, "{begin}  {row}")?;
                begin = " ".repeat(at.len());
            }
        }
        match lines.count() {
            0 => Ok(()),
            more => writeln!(
                out,
                "{begin}  {}",
                Tone::Faint.paint(format!("and {more} more lines"))
            ),
        }
    }
}

/// The row of the invocation whose request id begins so. Where it has several ends, the one that is told
/// first, with the lines of all.
async fn invocation(reading: &Reading, logs: &[Log<'_>], id: &str) -> Result<Row> {
    let mut found: Option<Row> = None;
    let parts = logs.iter().flat_map(|log| log.invocations.iter().copied());
    let mut lines = Lines::of(reading.vault(), parts);
    while let Some(row) = lines.next(Row::read).await? {
        let Some(row) = row else { continue };
        if !row.request_id.to_lowercase().starts_with(id) {
            continue;
        }
        match &mut found {
            None => found = Some(row),
            Some(known) if known.request_id == row.request_id => {
                known.first_line_at = known.first_line_at.min(row.first_line_at);
                known.last_line_at = known.last_line_at.max(row.last_line_at);
            }
            Some(known) => {
                return Err(Failure::new(
                    Kind::Usage,
                    format!(
                        "{id} begins several request ids ({}, {}, …): name more of it",
                        shown(&known.request_id, 40),
                        shown(&row.request_id, 40)
                    ),
                ));
            }
        }
    }
    found.ok_or_else(|| {
        Failure::new(
            Kind::Absent,
            format!(
                "no log of {} tells of an invocation {id}; `coldcase logs CASE --invocations` lists them",
                reading.id
            ),
        )
    })
}

impl Row {
    fn read(line: desk::Line<'_>) -> Option<Self> {
        serde_json::from_slice(line.bytes).ok()
    }

    /// Whether a line is this invocation's: of its stream and its time, and of no other request.
    fn wrote(&self, line: &Line) -> bool {
        let is_then = (self.first_line_at..=self.last_line_at).contains(&line.at);
        line.stream == self.log_stream
            && is_then
            && names_request(&line.message)
                .is_none_or(|id| id.eq_ignore_ascii_case(&self.request_id))
    }
}

/// The request that a line of Lambda's own says it is about.
fn names_request(message: &str) -> Option<&str> {
    let beginnings = ["RequestId: ", "\"requestId\":\"", "\"requestId\": \""];
    let from = beginnings
        .iter()
        .find_map(|begin| Some(message.find(begin)? + begin.len()))?;
    let id = message.get(from..from + 36)?;
    let is_id = |c: char| c.is_ascii_hexdigit() || c == '-';
    id.chars().all(is_id).then_some(id)
}

#[derive(Serialize)]
struct TableTail {
    rows_in_all: u64,
    told: u64,
    failed: u64,
    ambiguous: u64,
    not_read: Vec<String>,
}

/// Prints the table of invocations: pass by pass, group by group.
async fn invocations(
    args: &Args,
    output: &Output,
    reading: &Reading,
    logs: &[Log<'_>],
) -> Result<ExitCode> {
    let (since, until) = args.span.times(reading)?;
    let head = Head {
        vault: reading.opened.place.raw(),
        case_id: &reading.id,
        altered: reading.altered(),
        since,
        until,
        invocation: None,
    };
    let grep = args.grep.as_ref().map(|text| text.to_lowercase());
    let mut listing = output.list(&head, "invocations")?;
    let mut tail = TableTail {
        rows_in_all: 0,
        told: 0,
        failed: 0,
        ambiguous: 0,
        not_read: Vec::new(),
    };
    let mut kept: VecDeque<Row> = VecDeque::new();
    let parts = logs.iter().flat_map(|log| log.invocations.iter().copied());
    let mut lines = Lines::of(reading.vault(), parts);
    let mut unreadable = 0_u64;
    let width = Output::columns();
    while let Some(row) = lines.next(Row::read).await? {
        let Some(row) = row else {
            unreadable += 1;
            continue;
        };
        tail.rows_in_all += 1;
        let at = row.started_at.unwrap_or(row.first_line_at);
        let says = |text: &String| {
            let fields = [
                Some(&row.request_id),
                row.status.as_ref(),
                row.error.as_ref(),
            ];
            let mut fields = fields.into_iter().flatten();
            fields.any(|field| field.to_lowercase().contains(text))
        };
        let wanted = since.is_none_or(|since| at >= since)
            && until.is_none_or(|until| at <= until)
            && grep.as_ref().is_none_or(says);
        if !wanted {
            continue;
        }
        tail.told += 1;
        let failed = row
            .status
            .as_deref()
            .is_none_or(|status| status != "success");
        tail.failed += u64::from(failed);
        tail.ambiguous += u64::from(row.ambiguous);
        match args.last {
            None => listing.push(&row, |out| row.write(out, width))?,
            Some(last) => {
                kept.push_back(row);
                if kept.len() > last {
                    kept.pop_front();
                    tail.told -= 1;
                }
            }
        }
    }
    for row in kept {
        listing.push(&row, |out| row.write(out, width))?;
    }
    tail.not_read = lines.not_read;
    if unreadable > 0 {
        tail.not_read
            .push(format!("{unreadable} lines that are no invocations"));
    }
    listing.end(&tail, |_| Ok(()))?;
    remarks(output, &tail.not_read);
    output.remark(format_args!(
        "{} of {}; {} did not succeed, {} ambiguous",
        sheet::number(tail.told),
        sheet::count(tail.rows_in_all as usize, "invocation", "invocations"),
        sheet::number(tail.failed),
        sheet::number(tail.ambiguous)
    ));
    Ok(reading.code())
}

impl Row {
    fn write(&self, out: &mut dyn io::Write, width: usize) -> io::Result<()> {
        let at = self.started_at.unwrap_or(self.first_line_at);
        let status = self.status.as_deref().unwrap_or("no end");
        let tone = match status {
            "success" => Tone::Good,
            "no end" => Tone::Warn,
            _ => Tone::Bad,
        };
        let took = self
            .duration_ms
            .map_or_else(String::new, |ms| format!("{ms:.0} ms"));
        let mut notes = Vec::new();
        if self.cold_start {
            notes.push("new");
        }
        if self.ambiguous {
            notes.push("ambiguous");
        }
        writeln!(
            out,
            "{}  {}  {}{:>9}  {}",
            Tone::Faint.paint(at.strftime("%m-%d %H:%M:%S").to_string()),
            sheet::padded(&self.request_id, 36),
            tone.paint(sheet::padded(status, 8)),
            took,
            notes.join(", ")
        )?;
        let error = self.error.as_deref().or(self.init_error.as_deref());
        if let Some(error) = error.filter(|error| *error != status) {
            for text in sheet::wrapped(error, width - 16, 2) {
                writeln!(out, "{}{text}", " ".repeat(16))?;
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn read(json: &Value) -> (String, Option<i64>, String) {
        let event = Event::read(json.to_string().as_bytes()).unwrap();
        (event.log_stream_name, event.timestamp, event.message)
    }

    #[test]
    fn entries_of_google_are_lines_whatever_they_hold() {
        let entry = |fields: Value| {
            let mut entry = json!({"logName": "l", "insertId": "i", "timestamp": "2026-01-01T00:00:00.5Z",
                "trace": "projects/p/traces/t1"});
            let all = entry.as_object_mut().unwrap();
            all.extend(fields.as_object().unwrap().clone());
            read(&entry)
        };
        let at = Some(1_767_225_600_500);
        let of = |stream: &str, message: &str| (stream.to_owned(), at, message.to_owned());
        let request = json!({"httpRequest": {"requestMethod": "GET", "requestUrl": "https://x.example.com/", "status": 200}});
        for (fields, told) in [
            (json!({"textPayload": "hello"}), of("t1", "hello")),
            (
                json!({"jsonPayload": {"message": "hello", "a": 1}, "labels": {"execution_id": "e1"}}),
                of("e1", "hello"),
            ),
            (json!({"jsonPayload": {"a": 1}}), of("t1", r#"{"a":1}"#)),
            (request, of("t1", "GET https://x.example.com/ 200")),
            (json!({}), of("t1", "")),
        ] {
            assert_eq!(entry(fields), told);
        }
    }

    #[test]
    fn events_of_cloudwatch_and_of_cloudflare_are_lines() {
        let cloudwatch =
            json!({"logStreamName": "s", "timestamp": 7, "message": "hello", "eventId": "1"});
        assert_eq!(
            read(&cloudwatch),
            ("s".to_owned(), Some(7), "hello".to_owned())
        );
        let cloudflare = json!({"timestamp": 7.0, "$metadata": {"id": "1", "message": "hello"}, "$workers": {"requestId": "r"}});
        assert_eq!(
            read(&cloudflare),
            ("r".to_owned(), Some(7), "hello".to_owned())
        );
    }
}
