//! `coldcase cases`: which cases there are.

use crate::desk::reading::{severity, to_come, verdict};
use crate::desk::{self, Moment, Options, Output, Place, Tone, moment, severity_tone, sheet};
use anyhow::Result;
use evidence::{CaseId, Severity, Target, Trigger, keys, shown};
use futures_util::StreamExt as _;
use futures_util::stream;
use jiff::Timestamp;
use serde::Serialize;
use std::io;
use std::process::ExitCode;
use vault::{Case, SealError, Vault, VaultError};

/// How many cases are read at a time.
const AT_A_TIME: usize = 16;

/// Lists the cases of a vault, the latest last: when, what, how bad, and the verdict's line.
///
/// A case that cannot be read is listed as broken; `coldcase verify CASE` says what is wrong with it.
/// Exits with 1 if a case that is listed is broken, and with 0 however bad the verdicts are.
#[derive(clap::Args)]
#[command(after_help = "\
Examples:
  coldcase cases
  coldcase cases --about billing --severity high --last 5
  coldcase cases --since -7d
  coldcase cases --vault ./coldcase-vault --json | jq -r '.cases[].case_id'")]
pub struct Args {
    /// Only cases whose target's ARN holds this.
    #[arg(long, value_name = "TEXT")]
    about: Option<String>,

    /// Only cases of what happened from then on: a time, a date, or -7d.
    #[arg(long, value_name = "T", value_parser = Moment::since, allow_hyphen_values = true)]
    since: Option<Moment>,

    /// Only cases that are at least so bad: info, low, medium, high, critical.
    #[arg(long, value_name = "WORD", value_parser = desk::severity)]
    severity: Option<Severity>,

    /// Only the last so many.
    #[arg(long, value_name = "N")]
    last: Option<usize>,
}

#[derive(Serialize)]
struct Listed {
    vault: String,
    /// How many cases were looked at: those that are left out by a condition, too.
    looked_at: usize,
    cases: Vec<Line>,
}

/// What there is of a case.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
enum State {
    Sealed,
    NotSealed,
    Broken,
}

#[derive(Serialize)]
struct Line {
    case_id: CaseId,
    state: State,
    /// Why it cannot be read.
    why: Option<String>,
    target: Option<Target>,
    trigger: Option<Trigger>,
    occurred_at: Option<Timestamp>,
    sealed_at: Option<Timestamp>,
    addenda: usize,
    examined: bool,
    /// Whether every stage of the investigation is done.
    complete: bool,
    severity: Option<Severity>,
    verdict: Option<String>,
}

/// Lists the cases.
pub async fn run(args: &Args, options: &Options) -> Result<ExitCode> {
    let output = Output::new(options);
    let (since, _) = moment::between(args.since, None, None)?;
    let opened = desk::open_vault(options, &output, false).await?;
    let ids = desk::ids(&*opened.vault).await?;
    let vault = &*opened.vault;
    let lines = ids.iter().rev().map(async |id| line(vault, id).await);
    // In order, so that the last so many are known without reading all.
    let mut lines = std::pin::pin!(stream::iter(lines).buffered(AT_A_TIME));
    let mut cases = Vec::new();
    let mut looked_at = 0;
    let (mut is_readable, mut failure) = (false, None);
    while cases.len() < args.last.unwrap_or(usize::MAX)
        && let Some(line) = lines.next().await
    {
        looked_at += 1;
        let (line, error) = line;
        is_readable |= error.is_none();
        failure = failure.or(error);
        if wanted(args, since, &line) {
            cases.push(line);
        }
    }
    // A service that gave nothing at all was not reached, or refused: nothing is known of any case.
    if let Some(error) = failure.filter(|_| !is_readable) {
        return Err(error);
    }
    cases.reverse();
    let listed = Listed {
        vault: opened.place.raw(),
        looked_at,
        cases,
    };
    output.answer(&listed, |out| tell(out, &listed, &opened.place, options))?;
    let is_broken = |line: &Line| line.state == State::Broken;
    Ok(match listed.cases.iter().any(is_broken) {
        true => ExitCode::from(1),
        false => ExitCode::SUCCESS,
    })
}

/// What there is of a case; and the error, if it is the service that gave nothing.
async fn line(vault: &dyn Vault, id: &CaseId) -> (Line, Option<anyhow::Error>) {
    let mut line = Line {
        case_id: id.clone(),
        state: State::NotSealed,
        why: None,
        target: None,
        trigger: None,
        occurred_at: None,
        sealed_at: None,
        addenda: 0,
        examined: false,
        complete: false,
        severity: None,
        verdict: None,
    };
    let read = match Case::read(vault, id).await {
        Ok(Some(case)) => {
            line.read(&case);
            return (line, None);
        }
        Ok(None) => vault.holds(&keys::manifest(id, 0)).await,
        Err(SealError::Vault(error)) => Err(error),
        Err(error) => {
            line.state = State::Broken;
            line.why = Some(shown(&error.to_string(), 400));
            return (line, None);
        }
    };
    match read {
        Ok(begun) => {
            line.why = Some(match begun {
                true => "it is being sealed, or its sealing was cut off".to_owned(),
                false => "its evidence is on its way, or it was given up".to_owned(),
            });
            (line, None)
        }
        Err(error) => {
            line.state = State::Broken;
            line.why = Some(shown(&error.to_string(), 400));
            let is_of_the_service =
                matches!(&error, VaultError::Unavailable { call, .. } if call.starts_with("s3:"));
            (line, is_of_the_service.then(|| error.into()))
        }
    }
}

impl Line {
    fn read(&mut self, case: &Case) {
        let first = case.first();
        self.state = State::Sealed;
        if let Some(finding) = case.findings.first() {
            self.state = State::Broken;
            self.why = Some(finding.statement.clone());
        }
        let verdict = verdict(case);
        self.target = Some(first.target.clone());
        self.trigger = Some(first.trigger.clone());
        self.occurred_at = Some(first.trigger.occurred_at());
        self.sealed_at = Some(first.sealed_at);
        self.addenda = case.manifests.len() - 1;
        self.examined = verdict.is_some();
        self.complete = to_come(case).is_empty();
        self.severity = Some(severity(case));
        self.verdict = verdict.map(|it| it.line.clone());
    }
}

/// What cannot be read may be anything: it is left out only by its name and number.
fn wanted(args: &Args, since: Option<Timestamp>, line: &Line) -> bool {
    let about = args.about.as_deref().is_none_or(|about| {
        let arn = line.target.as_ref().map(Target::arn);
        arn.is_some_and(|arn| arn.contains(about)) || line.case_id.as_str().contains(about)
    });
    let since = since.is_none_or(|since| line.occurred_at.is_none_or(|at| at >= since));
    let severe = args
        .severity
        .is_none_or(|least| line.severity.is_none_or(|severity| severity >= least));
    about && since && severe
}

fn tell(
    out: &mut dyn io::Write,
    listed: &Listed,
    place: &Place,
    options: &Options,
) -> io::Result<()> {
    let columns = Output::columns();
    if listed.cases.is_empty() {
        return match listed.looked_at {
            0 => writeln!(
                out,
                "There is no case in {place} yet. `coldcase respond FUNCTION` opens one."
            ),
            more => writeln!(
                out,
                "None of the {} in {place} is what was asked for.",
                sheet::count(more, "case", "cases")
            ),
        };
    }
    let room = columns.saturating_sub(22 + 10 + 16).clamp(12, 64);
    let head = format!(
        "{:<22}{:<room$}{:<10}{}",
        "EVENT (UTC)", "FUNCTION", "SEVERITY", "STATE"
    );
    writeln!(out, "{}", Tone::Strong.paint(head))?;
    for line in &listed.cases {
        let when = line
            .occurred_at
            .map_or_else(|| "unknown".to_owned(), sheet::at);
        let name = line
            .target
            .as_ref()
            .map_or("unknown", |it| it.name.as_str());
        let severity = line.severity.map_or("", function::word);
        let tone = line.severity.map_or(Tone::Faint, severity_tone);
        let (state, of_state) = state(line);
        writeln!(
            out,
            "{when:<22}{}{}{}",
            sheet::padded(name, room - 2) + "  ",
            tone.paint(format!("{severity:<10}")),
            of_state.paint(state)
        )?;
        writeln!(out, "  {}", Tone::Faint.paint(line.case_id.as_str()))?;
        let told = match (&line.state, &line.why, &line.verdict) {
            (State::Sealed, _, Some(verdict)) => verdict.as_str(),
            (_, Some(why), _) => why,
            _ => "not examined yet",
        };
        for text in sheet::wrapped(told, columns - 2, 4) {
            writeln!(out, "  {text}")?;
        }
    }
    let (cases, shown) = (listed.looked_at, listed.cases.len());
    let last = listed.cases.iter().rev();
    let mut last = last.filter(|line| line.state == State::Sealed);
    writeln!(
        out,
        "\n{} in {place}{}",
        sheet::count(shown, "case", "cases"),
        match shown < cases {
            true => format!(", of {} that were looked at", sheet::number(cases as u64)),
            false => String::new(),
        }
    )?;
    if let Some(line) = last.next() {
        let command = desk::command(options, &["show", line.case_id.as_str()]);
        writeln!(out, "Read one:  {command}")?;
    }
    Ok(())
}

fn state(line: &Line) -> (&'static str, Tone) {
    match line.state {
        State::Broken => ("BROKEN", Tone::Bad),
        State::NotSealed => ("not sealed", Tone::Warn),
        State::Sealed if !line.examined => ("not examined", Tone::Warn),
        State::Sealed if !line.complete => ("in progress", Tone::Good),
        State::Sealed => ("complete", Tone::Good),
    }
}
