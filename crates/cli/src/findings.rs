//! `coldcase findings`: what was noticed, with its proof.

use crate::desk::reading::findings;
use crate::desk::{self, Options, Output, Reading, Tone, severity_tone, sheet};
use anyhow::Result;
use evidence::{CaseId, Confidence, Finding, Proof, Severity, shown};
use jiff::Timestamp;
use serde::Serialize;
use std::io;
use std::process::ExitCode;

/// Tells what was noticed in a case, the worst first: each with its proof, what to do, and its ATT&CK
/// technique.
///
/// Exits with 1 if a finding that is told is medium or above.
#[derive(clap::Args)]
#[command(after_help = "\
Examples:
  coldcase findings latest
  coldcase findings latest --severity medium
  coldcase findings latest --rule reverse-shell
  coldcase findings latest --json | jq -r '.findings[] | [.severity, .rule, .statement] | @tsv'")]
pub struct Args {
    /// A case's id, the beginning or the end of it, or `latest`.
    #[arg(value_name = "CASE")]
    case: String,

    /// Only findings that are at least so bad: info, low, medium, high, critical.
    #[arg(long, value_name = "WORD", value_parser = desk::severity)]
    severity: Option<Severity>,

    /// Only findings of this rule.
    #[arg(long, value_name = "NAME")]
    rule: Option<String>,
}

#[derive(Serialize)]
struct Document<'a> {
    vault: String,
    case_id: &'a CaseId,
    findings: Vec<Line<'a>>,
    /// Beside those, which were not asked for.
    more: usize,
}

#[derive(Serialize)]
struct Line<'a> {
    #[serde(flatten)]
    finding: &'a Finding,
    /// The manifest that says so; none where it follows from the chain itself.
    sequence: Option<u32>,
    sealed_at: Option<Timestamp>,
}

/// Tells a case's findings.
pub async fn run(args: &Args, options: &Options) -> Result<ExitCode> {
    let output = Output::new(options);
    let reading = Reading::of(&args.case, options, &output).await?;
    let all = findings(&reading.case);
    let in_all = all.len();
    let wanted = all.into_iter().filter(|(finding, _)| {
        args.severity.is_none_or(|least| finding.severity >= least)
            && args.rule.as_ref().is_none_or(|rule| finding.rule == *rule)
    });
    let found: Vec<Line<'_>> = wanted
        .map(|(finding, manifest)| Line {
            finding,
            sequence: manifest.map(|manifest| manifest.sequence),
            sealed_at: manifest.map(|manifest| manifest.sealed_at),
        })
        .collect();
    let document = Document {
        vault: reading.opened.place.raw(),
        case_id: &reading.id,
        more: in_all - found.len(),
        findings: found,
    };
    output.answer(&document, |out| tell(out, &document))?;
    let worst = document.findings.iter().map(|it| it.finding.severity).max();
    Ok(match worst {
        Some(severity) if severity >= Severity::Medium => ExitCode::from(1),
        _ => ExitCode::SUCCESS,
    })
}

fn tell(out: &mut dyn io::Write, document: &Document<'_>) -> io::Result<()> {
    let columns = Output::columns();
    for line in &document.findings {
        let said = match line.sequence {
            Some(0) => "sealed with the case".to_owned(),
            Some(sequence) => format!("addendum {sequence}"),
            None => "of the chain itself".to_owned(),
        };
        tell_one(out, line.finding, Some(said), columns)?;
    }
    let (told, more) = (document.findings.len(), document.more);
    let told = match told {
        0 => "No finding".to_owned(),
        told => sheet::count(told, "finding", "findings"),
    };
    let more = match more {
        0 => String::new(),
        more => format!(
            "; {} more that were not asked for",
            sheet::number(more as u64)
        ),
    };
    writeln!(out, "{told} in {}{more}", document.case_id)
}

/// How many places of a finding are told.
const PLACES: usize = 5;

/// Tells one finding, with its proof and what to do; `said` is where it is said.
pub(crate) fn tell_one(
    out: &mut dyn io::Write,
    finding: &Finding,
    said: Option<String>,
    columns: usize,
) -> io::Result<()> {
    let sure = match finding.confidence {
        Confidence::Low => "may be innocent",
        Confidence::Medium => "likely",
        Confidence::High => "sure",
    };
    let mut beside = vec![sure.to_owned()];
    beside.extend(finding.technique.as_deref().map(technique));
    beside.extend(said);
    let word = function::word(finding.severity).to_uppercase();
    let rule = shown(&finding.rule, 60);
    let room = columns.saturating_sub(word.len() + rule.len() + 4);
    writeln!(
        out,
        "{}  {}  {}",
        severity_tone(finding.severity).paint(word),
        Tone::Strong.paint(rule),
        Tone::Faint.paint(sheet::cut(&beside.join(", "), room))
    )?;
    for text in sheet::wrapped(&finding.statement, columns - 2, 8) {
        writeln!(out, "  {text}")?;
    }
    for proof in finding.proof.iter().take(PLACES) {
        for text in sheet::wrapped(&place(proof), columns - 4, 3) {
            writeln!(out, "    {}", Tone::Faint.paint(text))?;
        }
        if let Some(excerpt) = &proof.excerpt {
            for text in sheet::wrapped(excerpt, columns - 6, 3) {
                writeln!(out, "    > {text}")?;
            }
        }
    }
    if finding.proof.len() > PLACES {
        let more = finding.proof.len() - PLACES;
        let more = Tone::Faint.paint(format!("and at {more} more places"));
        writeln!(out, "    {more}")?;
    }
    if let Some(advice) = &finding.advice {
        let mut begin = "  -> ";
        for text in sheet::wrapped(advice, columns - 5, 4) {
            writeln!(out, "{begin}{text}")?;
            begin = "     ";
        }
    }
    writeln!(out)
}

fn technique(id: &str) -> String {
    format!("ATT&CK {}", shown(id, 20))
}

/// Where a finding can be checked: `function-code app.py:12`.
fn place(proof: &Proof) -> String {
    let mut place = shown(&proof.exhibit, 200);
    if let Some(path) = &proof.path {
        place.push(' ');
        place.push_str(&shown(path, 300));
    }
    if let Some(line) = proof.line {
        place.push_str(&format!(":{line}"));
    }
    place
}
