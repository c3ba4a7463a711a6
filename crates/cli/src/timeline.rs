//! `coldcase timeline`: everything in a case that has a time, in order.

use crate::desk::reading::examined;
use crate::desk::{
    self, Lines, Listing, Moment, Options, Output, Reading, Tone, moment, severity_tone, sheet,
};
use anyhow::Result;
use evidence::{CaseId, Exhibit, Severity, Target, TimelineEntry, TimelineSource};
use jiff::Timestamp;
use jiff::civil::Date;
use jiff::tz::TimeZone;
use serde::Serialize;
use std::collections::VecDeque;
use std::io;
use std::process::ExitCode;

/// Tells everything in a case that has a time, in order: the event, the audit trail, what the role did,
/// invocations, deployments, custody, findings.
///
/// Before the case is examined, only what its manifests say is told. On a terminal, a day's entries stand
/// under its date (UTC); elsewhere an entry is one line: time, source, severity, what, who, from where,
/// exhibit and line, with tabs between them.
#[derive(clap::Args)]
#[command(after_help = "\
Examples:
  coldcase timeline latest
  coldcase timeline latest --since event-10m --until event+1h
  coldcase timeline latest --source role-activity --grep AssumeRole
  coldcase timeline latest --severity high | cut -f 1,4
  coldcase timeline latest --json | jq '.entries[] | select(.from == \"198.51.100.7\")'")]
pub struct Args {
    /// A case's id, the beginning or the end of it, or `latest`.
    #[arg(value_name = "CASE")]
    case: String,

    #[command(flatten)]
    span: Span,

    /// Only entries whose what, who or from holds this; capital letters or not.
    #[arg(long, value_name = "TEXT")]
    grep: Option<String>,

    /// Only entries from there: trigger, audit-events, role-activity, deployment, invocation, baseline,
    /// custody, acquisition, finding; or as the lines say: event, trail, role, deployed, …
    #[arg(long, value_name = "SOURCE", value_parser = source, value_delimiter = ',')]
    source: Vec<TimelineSource>,

    /// Only entries that are at least so bad: info, low, medium, high, critical.
    #[arg(long, value_name = "WORD", value_parser = desk::severity)]
    severity: Option<Severity>,

    /// Only the last so many of them.
    #[arg(long, value_name = "N")]
    last: Option<usize>,
}

/// From when to when.
#[derive(clap::Args)]
pub struct Span {
    /// Nothing before this: a time, a date, -2h, or event-10m.
    #[arg(long, value_name = "T", value_parser = Moment::since, allow_hyphen_values = true)]
    since: Option<Moment>,

    /// Nothing after this: a time, a date, -2h, or event+1h.
    #[arg(long, value_name = "T", value_parser = Moment::until, allow_hyphen_values = true)]
    until: Option<Moment>,
}

impl Span {
    /// As times; the case's event is what `event` counts from.
    pub fn times(&self, reading: &Reading) -> Result<(Option<Timestamp>, Option<Timestamp>)> {
        let event = reading.case.first().trigger.occurred_at();
        moment::between(self.since, self.until, Some(event))
    }
}

fn source(text: &str) -> Result<TimelineSource, String> {
    // As in JSON, or as the lines for people say.
    let said = SOURCES.into_iter().find(|source| word(*source) == text);
    let found = said.map_or_else(|| serde_json::from_value(text.into()), Ok);
    found.map_err(|_| {
        "no source; write trigger, audit-events, role-activity, deployment, invocation, baseline, custody, \
         acquisition or finding"
            .to_owned()
    })
}

#[derive(Serialize)]
struct Head<'a> {
    vault: String,
    case_id: &'a CaseId,
    /// What of the chain does not fit together.
    altered: Vec<&'a str>,
    since: Option<Timestamp>,
    until: Option<Timestamp>,
    /// Whether an examination drew the timeline; else it is what the manifests alone say.
    examined: bool,
}

#[derive(Serialize)]
struct Tail {
    /// How many entries there are, those that were not asked for included.
    entries_in_all: u64,
    told: u64,
    not_read: Vec<String>,
}

/// Tells a case's timeline.
pub async fn run(args: &Args, options: &Options) -> Result<ExitCode> {
    let output = Output::new(options);
    let reading = Reading::of(&args.case, options, &output).await?;
    let (since, until) = args.span.times(&reading)?;
    let parts = parts(&reading);
    let head = Head {
        vault: reading.opened.place.raw(),
        case_id: &reading.id,
        altered: reading.altered(),
        since,
        until,
        examined: !parts.is_empty(),
    };
    if parts.is_empty() {
        output.remark(format_args!(
            "{} is not examined yet: this is what its manifests say",
            reading.id
        ));
    }
    let listing = output.list(&head, "entries")?;
    let wanted = Wanted {
        since,
        until,
        grep: args.grep.as_ref().map(|text| text.to_lowercase()),
        args,
    };
    let mut teller = Teller {
        listing,
        page: Page::new(&reading.case.first().target),
        wanted,
        kept: VecDeque::new(),
        in_all: 0,
        told: 0,
    };
    let mut later = VecDeque::from(said_by_manifests(&reading, &parts));
    let mut lines = Lines::of(reading.vault(), parts);
    let mut unreadable = 0_u64;
    while let Some(entry) = lines
        .next(|line| serde_json::from_slice::<TimelineEntry>(line.bytes).ok())
        .await?
    {
        let Some(entry) = entry else {
            unreadable += 1;
            continue;
        };
        while let Some(next) = later.pop_front_if(|next| next.occurred_at < entry.occurred_at) {
            teller.take(next)?;
        }
        teller.take(entry)?;
    }
    for entry in later {
        teller.take(entry)?;
    }
    let mut not_read = lines.not_read;
    if unreadable > 0 {
        not_read.push(format!("{unreadable} lines that are no entries"));
    }
    teller.end(not_read, &output)?;
    Ok(reading.code())
}

/// The exhibits that hold the latest examination's timeline.
fn parts(reading: &Reading) -> Vec<&Exhibit> {
    examined(&reading.case, |exhibit| {
        exhibit.name.starts_with("timeline-") && exhibit.media_type == "application/gzip"
    })
}

/// What the manifests say that the timeline cannot: it was drawn before they were sealed.
fn said_by_manifests(reading: &Reading, parts: &[&Exhibit]) -> Vec<TimelineEntry> {
    let drawn = parts.first().and_then(|part| {
        let manifests = &reading.case.manifests;
        let holds = |it: &&evidence::Manifest| it.exhibits().any(|exhibit| exhibit == *part);
        manifests.iter().find(holds).map(|it| it.sequence)
    });
    let mut entries = Vec::new();
    for manifest in &reading.case.manifests {
        if drawn.is_some_and(|drawn| manifest.sequence < drawn) {
            continue;
        }
        if manifest.sequence == 0 {
            entries.push(TimelineEntry::of_trigger(manifest));
        }
        entries.extend(TimelineEntry::of_custody(manifest));
        // What an examination found is in its timeline.
        if drawn != Some(manifest.sequence) {
            let findings = manifest.findings.iter();
            entries.extend(findings.map(|it| TimelineEntry::of_finding(it, manifest.sealed_at)));
        }
    }
    entries.sort_by_key(|entry| (entry.occurred_at, entry.source));
    entries
}

/// What is asked for.
struct Wanted<'a> {
    since: Option<Timestamp>,
    until: Option<Timestamp>,
    /// In small letters.
    grep: Option<String>,
    args: &'a Args,
}

impl Wanted<'_> {
    fn holds(&self, entry: &TimelineEntry) -> bool {
        let sources = &self.args.source;
        let severe = |least| entry.severity.is_some_and(|severity| severity >= least);
        let says = |text: &String| {
            let fields = [Some(&entry.what), entry.who.as_ref(), entry.from.as_ref()];
            let mut fields = fields.into_iter().flatten();
            fields.any(|field| field.to_lowercase().contains(text))
        };
        self.since.is_none_or(|since| entry.occurred_at >= since)
            && self.until.is_none_or(|until| entry.occurred_at <= until)
            && (sources.is_empty() || sources.contains(&entry.source))
            && self.args.severity.is_none_or(severe)
            && self.grep.as_ref().is_none_or(says)
    }
}

struct Teller<'a> {
    listing: Listing,
    page: Page,
    wanted: Wanted<'a>,
    /// The last ones, where only they are asked for.
    kept: VecDeque<TimelineEntry>,
    in_all: u64,
    told: u64,
}

impl Teller<'_> {
    fn take(&mut self, entry: TimelineEntry) -> io::Result<()> {
        self.in_all += 1;
        if !self.wanted.holds(&entry) {
            return Ok(());
        }
        match self.wanted.args.last {
            None => self.tell(&entry),
            Some(last) => {
                self.kept.push_back(entry);
                if self.kept.len() > last {
                    self.kept.pop_front();
                }
                Ok(())
            }
        }
    }

    fn tell(&mut self, entry: &TimelineEntry) -> io::Result<()> {
        self.told += 1;
        let page = &mut self.page;
        self.listing.push(entry, |out| page.write(out, entry))
    }

    fn end(mut self, not_read: Vec<String>, output: &Output) -> Result<()> {
        for entry in std::mem::take(&mut self.kept) {
            self.tell(&entry)?;
        }
        let tail = Tail {
            entries_in_all: self.in_all,
            told: self.told,
            not_read,
        };
        let page = &mut self.page;
        self.listing.end(&tail, |out| page.unfold(out))?;
        for what in &tail.not_read {
            output.remark(format_args!("not read: {what}"));
        }
        output.remark(format_args!(
            "{} of {}",
            sheet::number(tail.told),
            sheet::count(tail.entries_in_all as usize, "entry", "entries"),
        ));
        Ok(())
    }
}

/// How entries are written: for people, day by day; for other programs a line each.
struct Page {
    width: Option<usize>,
    account: String,
    day: Option<Date>,
    /// Acquisitions in a row that brought all there is: for people they are one line.
    folded: Vec<TimelineEntry>,
}

/// Room for time and source.
const BEFORE: usize = 8 + 2 + 8 + 2;

impl Page {
    fn new(target: &Target) -> Self {
        Self {
            width: Output::width(),
            account: target.account.clone(),
            day: None,
            folded: Vec::new(),
        }
    }

    fn write(&mut self, out: &mut dyn io::Write, entry: &TimelineEntry) -> io::Result<()> {
        if self.width.is_none() {
            return line(out, entry);
        }
        let is_whole = entry.what.ends_with(": acquired");
        if entry.source == TimelineSource::Acquisition && is_whole && self.folded.len() < 100 {
            self.folded.push(entry.clone());
            return Ok(());
        }
        self.unfold(out)?;
        self.people(out, entry)
    }

    /// Writes the acquisitions that were held back.
    fn unfold(&mut self, out: &mut dyn io::Write) -> io::Result<()> {
        let folded = std::mem::take(&mut self.folded);
        match folded.as_slice() {
            [] => Ok(()),
            [first, .., last] => {
                let named = |entry: &TimelineEntry| entry.what.replace(": acquired", "");
                let what = format!(
                    "{} artifacts acquired, {} to {}",
                    folded.len(),
                    named(first),
                    named(last)
                );
                let mut entry = last.clone();
                entry.what = what;
                self.people(out, &entry)
            }
            [only] => self.people(out, only),
        }
    }

    fn people(&mut self, out: &mut dyn io::Write, entry: &TimelineEntry) -> io::Result<()> {
        let width = self.width.unwrap_or(80);
        let at = entry.occurred_at.to_zoned(TimeZone::UTC);
        if self.day != Some(at.date()) {
            let begin = if self.day.is_some() { "\n" } else { "" };
            self.day = Some(at.date());
            let day = at.strftime("%A, %-d %B %Y (UTC)").to_string();
            writeln!(out, "{begin}{}", Tone::Strong.paint(day))?;
        }
        let begin = format!("{}  {:<8}  ", at.strftime("%H:%M:%S"), word(entry.source));
        let mut begin = Tone::Faint.paint(begin);
        for text in sheet::wrapped(&entry.what, width - BEFORE, 4) {
            let text = match entry.severity {
                Some(severity) if severity > Severity::Info => severity_tone(severity).paint(text),
                _ => text,
            };
            writeln!(out, "{begin}{text}")?;
            begin = " ".repeat(BEFORE);
        }
        let who = entry.who.as_ref().map(|who| self.short(who));
        let by = match (who, &entry.from) {
            (None, None) => return Ok(()),
            (Some(who), None) => format!("by {who}"),
            (None, Some(from)) => format!("from {from}"),
            (Some(who), Some(from)) => format!("by {who} from {from}"),
        };
        for text in sheet::wrapped(&by, width - BEFORE, 2) {
            writeln!(out, "{}{}", " ".repeat(BEFORE), Tone::Faint.paint(text))?;
        }
        Ok(())
    }

    /// Who, without what goes without saying: of the case's own account, no ARN's beginning.
    fn short<'w>(&self, who: &'w str) -> &'w str {
        let mut parts = who.splitn(6, ':');
        let account = parts.nth(4);
        match (account, parts.next()) {
            (Some(account), Some(rest)) if who.starts_with("arn:") && account == self.account => {
                rest
            }
            _ => who,
        }
    }
}

/// One line, with tabs between its fields.
fn line(out: &mut dyn io::Write, entry: &TimelineEntry) -> io::Result<()> {
    let text = |text: Option<&String>| {
        text.map_or_else(
            || "-".to_owned(),
            |text| evidence::shown(text, TimelineEntry::LONGEST),
        )
    };
    let proof = match (&entry.exhibit, entry.line) {
        (Some(exhibit), Some(line)) => format!("{}:{line}", evidence::shown(exhibit, 200)),
        (exhibit, _) => text(exhibit.as_ref()),
    };
    writeln!(
        out,
        "{}\t{}\t{}\t{}\t{}\t{}\t{proof}",
        entry.occurred_at,
        word(entry.source),
        entry.severity.map_or("-", function::word),
        text(Some(&entry.what)),
        text(entry.who.as_ref()),
        text(entry.from.as_ref()),
    )
}

const SOURCES: [TimelineSource; 9] = [
    TimelineSource::Trigger,
    TimelineSource::AuditEvents,
    TimelineSource::RoleActivity,
    TimelineSource::Deployment,
    TimelineSource::Invocation,
    TimelineSource::Baseline,
    TimelineSource::Custody,
    TimelineSource::Acquisition,
    TimelineSource::Finding,
];

const fn word(source: TimelineSource) -> &'static str {
    match source {
        TimelineSource::Trigger => "event",
        TimelineSource::AuditEvents => "trail",
        TimelineSource::RoleActivity => "role",
        TimelineSource::Deployment => "deployed",
        TimelineSource::Invocation => "invoked",
        TimelineSource::Baseline => "record",
        TimelineSource::Custody => "custody",
        TimelineSource::Acquisition => "evidence",
        TimelineSource::Finding => "finding",
    }
}
