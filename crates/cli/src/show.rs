//! `coldcase show`: what happened, on one screen.

use crate::desk::reading::{Stage, findings, severity, to_come, verdict};
use crate::desk::{Options, Output, Reading, Tone, severity_tone, sheet};
use anyhow::Result;
use evidence::{
    CaseId, CustodyAction, CustodyEntry, Finding, Outcome, Provider, ResourceKind, Severity,
    Target, Trigger, Verdict, shown,
};
use jiff::Timestamp;
use report::without_marks;
use serde::Serialize;
use std::collections::BTreeMap;
use std::io;
use std::process::ExitCode;

/// How many findings are told.
const TOLD: usize = 8;

/// How many artifacts are named that are not there.
const MISSING: usize = 12;

/// Says what happened, on one screen: the verdict, who, what, when and where, the worst findings, what
/// changed, what was preserved and what was not, and what to run next.
///
/// CASE is a case's id, its beginning or its end, or `latest`. Nothing but the manifests is read;
/// their signatures are checked by the key beside the case, and whose key that is, and every digest, by
/// `coldcase verify CASE`. Exits with 1 if the case's chain does not hold together, and with 0 however bad
/// the verdict is: `coldcase findings CASE --severity high` answers by its exit code.
#[derive(clap::Args)]
#[command(after_help = "\
Examples:
  coldcase show latest
  coldcase show 3f9a1c2b4d5e6f70
  coldcase show latest --json | jq .verdict.line")]
pub struct Args {
    /// A case's id, the beginning or the end of it, or `latest`.
    #[arg(value_name = "CASE")]
    case: String,
}

#[derive(Serialize)]
struct Document<'a> {
    vault: String,
    case_id: &'a CaseId,
    /// What of the chain does not fit together.
    altered: Vec<&'a str>,
    severity: Severity,
    verdict: Option<Verdict>,
    target: &'a Target,
    arn: String,
    trigger: &'a Trigger,
    opened_at: Timestamp,
    sealed_at: Timestamp,
    /// When the last addendum was sealed; the case itself, if there is none.
    last_sealed_at: Timestamp,
    addenda: Vec<Addendum<'a>>,
    to_come: Vec<Stage>,
    findings: Findings<'a>,
    acquisitions: Acquisitions<'a>,
    exhibits: u64,
    size_bytes: u64,
    /// Whether there is something that the function is compared with.
    #[serde(skip)]
    is_compared: bool,
    /// Whether the function is contained and not released.
    #[serde(skip)]
    is_contained: bool,
}

#[derive(Serialize)]
struct Addendum<'a> {
    sequence: u32,
    sealed_at: Timestamp,
    custody: &'a [CustodyEntry],
}

#[derive(Serialize)]
struct Findings<'a> {
    by_severity: BTreeMap<Severity, usize>,
    worst: Vec<&'a Finding>,
    /// Beside those.
    more: usize,
}

#[derive(Serialize)]
struct Acquisitions<'a> {
    by_outcome: BTreeMap<&'static str, usize>,
    /// All that are not whole, with the reason.
    not_acquired: Vec<Missing<'a>>,
}

#[derive(Serialize)]
struct Missing<'a> {
    request: String,
    sequence: u32,
    #[serde(flatten)]
    result: &'a Outcome,
}

/// Shows a case.
pub async fn run(args: &Args, options: &Options) -> Result<ExitCode> {
    let output = Output::new(options);
    let reading = Reading::of(&args.case, options, &output).await?;
    let document = Document::of(&reading);
    output.answer(&document, |out| tell(out, &document, options))?;
    Ok(reading.code())
}

impl<'a> Document<'a> {
    fn of(reading: &'a Reading) -> Self {
        let case = &reading.case;
        let first = case.first();
        let last = case.manifests.last().unwrap_or(first);
        let found = findings(case);
        let mut by_severity = BTreeMap::new();
        for (finding, _) in &found {
            *by_severity.entry(finding.severity).or_default() += 1;
        }
        let mut by_outcome = BTreeMap::new();
        let mut not_acquired = Vec::new();
        for manifest in &case.manifests {
            for acquisition in &manifest.acquisitions {
                *by_outcome.entry(acquisition.result.as_str()).or_default() += 1;
                if acquisition.result != Outcome::Acquired {
                    not_acquired.push(Missing {
                        request: acquisition.request.to_string(),
                        sequence: manifest.sequence,
                        result: &acquisition.result,
                    });
                }
            }
        }
        let exhibits = || {
            case.manifests
                .iter()
                .flat_map(|manifest| manifest.exhibits())
        };
        let addenda = case.manifests.iter().skip(1).map(|manifest| Addendum {
            sequence: manifest.sequence,
            sealed_at: manifest.sealed_at,
            custody: &manifest.custody,
        });
        Self {
            vault: reading.opened.place.raw(),
            case_id: &reading.id,
            altered: reading.altered(),
            severity: severity(case),
            verdict: verdict(case).cloned().map(without_marks),
            target: &first.target,
            arn: first.target.id(),
            is_compared: !found.iter().any(|(it, _)| it.rule == "no-baseline"),
            is_contained: contain::History::of(case).open().next().is_some(),
            trigger: &first.trigger,
            opened_at: first.opened_at,
            sealed_at: first.sealed_at,
            last_sealed_at: last.sealed_at,
            addenda: addenda.collect(),
            to_come: to_come(case),
            findings: Findings {
                by_severity,
                more: found.len().saturating_sub(TOLD),
                worst: found
                    .iter()
                    .take(TOLD)
                    .map(|(finding, _)| *finding)
                    .collect(),
            },
            acquisitions: Acquisitions {
                by_outcome,
                not_acquired,
            },
            exhibits: exhibits().count() as u64,
            size_bytes: exhibits().map(|exhibit| exhibit.size_bytes).sum(),
        }
    }
}

fn tell(out: &mut dyn io::Write, document: &Document<'_>, options: &Options) -> io::Result<()> {
    let columns = Output::columns();
    let word = function::word(document.severity).to_uppercase();
    let room = columns.saturating_sub(word.len() + 2);
    writeln!(
        out,
        "{}  {}\n",
        Tone::Strong.paint(sheet::padded(document.case_id.as_str(), room)),
        severity_tone(document.severity).paint(word)
    )?;
    for statement in &document.altered {
        let mut begin = "ALTERED: ";
        for text in sheet::wrapped(statement, columns - 11, 4) {
            writeln!(out, "  {}", Tone::Bad.paint(format!("{begin}{text}")))?;
            begin = "         ";
        }
        writeln!(out)?;
    }
    let line = match &document.verdict {
        Some(verdict) => verdict.line.as_str(),
        None => "Not examined yet: what changed, and how bad that is, is not known so far.",
    };
    for text in sheet::wrapped(line, columns - 2, 6) {
        writeln!(out, "  {}", Tone::Strong.paint(text))?;
    }
    writeln!(out)?;
    facts(out, document, columns)?;
    changed(out, document, columns)?;
    found(out, document, columns)?;
    acquired(out, document, columns)?;
    course(out, document, columns)?;
    next(out, document, options)
}

/// A name and what there is to say of it, wrapped beside it.
fn fact(out: &mut dyn io::Write, name: &str, what: &str, columns: usize) -> io::Result<()> {
    const NAME: usize = 11;
    let mut name = format!("  {name:<NAME$}");
    for text in sheet::wrapped(what, columns - NAME - 2, 3) {
        writeln!(out, "{}{text}", Tone::Faint.paint(&name))?;
        name = " ".repeat(NAME + 2);
    }
    Ok(())
}

fn facts(out: &mut dyn io::Write, document: &Document<'_>, columns: usize) -> io::Result<()> {
    let target = document.target;
    let (who, from) = match document.trigger {
        Trigger::CloudTrailEvent {
            event_name,
            principal,
            source_address,
            technique,
            ..
        } => {
            let what = format!("{event_name} (ATT&CK {technique})");
            fact(out, "what", &what, columns)?;
            (principal.as_deref(), source_address.as_deref())
        }
        Trigger::Person { reason, .. } => {
            fact(out, "why", &format!("a responder asked: {reason}"), columns)?;
            let verdict = document.verdict.as_ref();
            (
                verdict.and_then(|it| it.by.as_deref()),
                verdict.and_then(|it| it.from.as_deref()),
            )
        }
    };
    let kind = match target.kind {
        ResourceKind::Function => "function",
        kind => kind.as_str(),
    };
    let mut whose = format!("{kind} {}", shown(&target.name, 200));
    if let Some(qualifier) = &target.qualifier {
        whose.push_str(&format!(":{}", shown(qualifier, 100)));
    }
    fact(
        out,
        "where",
        format!("{whose}, {} {}", target.account, target.region).trim_end(),
        columns,
    )?;
    let happened = document.trigger.occurred_at();
    fact(
        out,
        "when",
        &format!(
            "{}, sealed {} later",
            sheet::at(happened),
            sheet::lasting(happened, document.sealed_at)
        ),
        columns,
    )?;
    fact(out, "who", who.unwrap_or("no record says"), columns)?;
    fact(out, "from", from.unwrap_or("no record says"), columns)?;
    if document
        .verdict
        .as_ref()
        .is_some_and(|verdict| verdict.expected)
    {
        fact(
            out,
            "expected",
            "yes: a deployer that the owner trusts, as and where it usually acts",
            columns,
        )?;
    }
    Ok(())
}

fn changed(out: &mut dyn io::Write, document: &Document<'_>, columns: usize) -> io::Result<()> {
    let changed = document.verdict.as_ref().map(|it| it.changed.as_slice());
    let Some(changed) = changed.filter(|changed| !changed.is_empty()) else {
        return Ok(());
    };
    writeln!(out, "\n{}", Tone::Strong.paint("Changed"))?;
    for what in changed.iter().take(10) {
        bullet(out, what, columns, 2)?;
    }
    more(out, changed.len().saturating_sub(10))
}

fn bullet(out: &mut dyn io::Write, what: &str, columns: usize, lines: usize) -> io::Result<()> {
    let mut sign = "- ";
    for text in sheet::wrapped(what, columns - 4, lines) {
        writeln!(out, "  {sign}{text}")?;
        sign = "  ";
    }
    Ok(())
}

fn more(out: &mut dyn io::Write, more: usize) -> io::Result<()> {
    match more {
        0 => Ok(()),
        more => writeln!(out, "  {}", Tone::Faint.paint(format!("and {more} more"))),
    }
}

fn found(out: &mut dyn io::Write, document: &Document<'_>, columns: usize) -> io::Result<()> {
    let found = &document.findings;
    let counts: Vec<String> = (found.by_severity.iter().rev())
        .map(|(severity, many)| format!("{many} {}", function::word(*severity).to_lowercase()))
        .collect();
    let counts = match counts.is_empty() {
        true => "none so far".to_owned(),
        false => counts.join(", "),
    };
    writeln!(
        out,
        "\n{}  {}",
        Tone::Strong.paint("Findings"),
        Tone::Faint.paint(counts)
    )?;
    for finding in &found.worst {
        let word = format!("{:<9}", function::word(finding.severity));
        let rule = format!("{}: ", shown(&finding.rule, 60));
        let mut begin = severity_tone(finding.severity).paint(word);
        for text in sheet::wrapped(&(rule + &finding.statement), columns - 11, 2) {
            writeln!(out, "  {begin}{text}")?;
            begin = " ".repeat(9);
        }
    }
    more(out, found.more)
}

fn acquired(out: &mut dyn io::Write, document: &Document<'_>, columns: usize) -> io::Result<()> {
    let all = &document.acquisitions;
    let count = |outcome: &str| all.by_outcome.get(outcome).copied().unwrap_or_default();
    let counts: Vec<String> = ["acquired", "partial", "denied", "failed", "absent"]
        .into_iter()
        .filter(|outcome| count(outcome) > 0)
        .map(|outcome| format!("{} {outcome}", count(outcome)))
        .collect();
    writeln!(
        out,
        "\n{}  {}",
        Tone::Strong.paint("Preserved"),
        Tone::Faint.paint(format!(
            "{}; {}, {}",
            counts.join(", "),
            sheet::count(document.exhibits as usize, "exhibit", "exhibits"),
            sheet::size(document.size_bytes)
        ))
    )?;
    let is_absent = |missing: &&Missing<'_>| matches!(missing.result, Outcome::Absent { .. });
    let gaps: Vec<_> = all
        .not_acquired
        .iter()
        .filter(|it| !is_absent(it))
        .collect();
    for missing in gaps.iter().take(MISSING) {
        let tone = match missing.result {
            Outcome::Partial { .. } => Tone::Warn,
            _ => Tone::Bad,
        };
        let word = format!("{:<9}", missing.result.as_str());
        let why = missing.result.why().unwrap_or_default();
        let mut begin = tone.paint(word);
        let told = format!("{}: {}", shown(&missing.request, 120), shown(why, 400));
        for text in sheet::wrapped(&told, columns - 11, 2) {
            writeln!(out, "  {begin}{text}")?;
            begin = " ".repeat(9);
        }
    }
    more(out, gaps.len().saturating_sub(MISSING))?;
    let absent: Vec<String> = (all.not_acquired.iter().filter(is_absent))
        .map(|missing| shown(&missing.request, 60))
        .collect();
    if !absent.is_empty() {
        let mut begin = Tone::Faint.paint(format!("{:<9}", "absent"));
        for text in sheet::wrapped(&absent.join(", "), columns - 11, 3) {
            writeln!(out, "  {begin}{}", Tone::Faint.paint(text))?;
            begin = " ".repeat(9);
        }
    }
    Ok(())
}

/// What was done since, and what is still to come.
fn course(out: &mut dyn io::Write, document: &Document<'_>, columns: usize) -> io::Result<()> {
    let addenda = &document.addenda;
    let heading = match addenda.len() {
        0 => "no addendum yet".to_owned(),
        many => sheet::count(many, "addendum", "addenda"),
    };
    writeln!(
        out,
        "\n{}  {}",
        Tone::Strong.paint("Since"),
        Tone::Faint.paint(heading)
    )?;
    for addendum in addenda.iter().rev().take(8).rev() {
        // What it is there for; how many exhibits that brought is beside the point.
        let mut deeds = addendum.custody.iter().rev();
        let deed = deeds.find(|entry| {
            !matches!(
                entry.action,
                CustodyAction::EvidenceAcquired { .. } | CustodyAction::Opened
            )
        });
        let what = deed.map_or_else(|| "sealed".to_owned(), |entry| entry.action.words());
        let begin = format!(
            "{:>2}  {}  ",
            addendum.sequence,
            sheet::at(addendum.sealed_at)
        );
        let width = begin.len();
        let mut begin = Tone::Faint.paint(begin);
        for text in sheet::wrapped(&what, columns - width - 2, 2) {
            writeln!(out, "  {begin}{text}")?;
            begin = " ".repeat(width);
        }
    }
    let words: Vec<&str> = document.to_come.iter().map(|stage| stage.words()).collect();
    if let Some((first, rest)) = words.split_first() {
        let mut told = format!("still to come: {first}");
        if !rest.is_empty() {
            told.push_str(&format!("; then {}", rest.join("; ")));
        }
        bullet(out, &told, columns, 4)?;
    }
    Ok(())
}

fn next(out: &mut dyn io::Write, document: &Document<'_>, options: &Options) -> io::Result<()> {
    // The end of an id is the shortest that names one case only.
    let id = document.case_id.as_str();
    let short = id.rsplit('-').next().unwrap_or(id);
    writeln!(out, "\n{}", Tone::Strong.paint("Next"))?;
    let mut say = |command: &str, what: &str| {
        let mut words: Vec<&str> = command.split(' ').collect();
        words.insert(1, short);
        let command = crate::desk::command(options, &words);
        if command.len() > 40 {
            // To be copied whole.
            return writeln!(out, "  {command}");
        }
        writeln!(out, "  {command:<42}{}", Tone::Faint.paint(what))
    };
    if document.verdict.is_some() {
        if document.is_compared {
            say("diff", "what changed, line by line")?;
        }
        say("findings", "each with its proof")?;
        say("timeline", "everything in its order")?;
    }
    say("open", "the report in a browser")?;
    say("verify", "every digest, every signature")?;
    if document.is_contained {
        say("release", "undo what containing changed")?;
    } else if document.severity >= Severity::High
        && document.target.kind == ResourceKind::Function
        && document.target.provider == Provider::Aws
    {
        say("contain --reserved-concurrency-zero", "stop the function")?;
    }
    if document.altered.is_empty() {
        let beside =
            "The signatures fit the key beside the case; whose it is, `verify --key FILE` says.";
        for text in sheet::wrapped(beside, Output::columns() - 2, 2) {
            writeln!(out, "  {}", Tone::Faint.paint(text))?;
        }
    }
    Ok(())
}
