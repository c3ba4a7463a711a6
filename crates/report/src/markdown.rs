//! The report as Markdown: for tickets, mails and terminals.

use crate::{Differences, Report, TextDifference};
use evidence::{longest_run, shown};
use std::fmt::{self, Display, Write as _};
use std::io::{self, Write};

/// The most entries of the timeline, findings and lines of one text that are written.
const MOST_ENTRIES: usize = 300;
const MOST_FINDINGS: usize = 200;
const MOST_LINES: usize = 200;
/// The most acquisitions that are listed.
const MOST_ACQUISITIONS: usize = 300;

/// Writes the report.
pub(crate) fn write(report: &Report, out: &mut impl Write) -> io::Result<()> {
    let glance = &report.glance;
    match &report.verdict {
        Some(verdict) => {
            writeln!(out, "# {}\n", text(&verdict.line))?;
            writeln!(
                out,
                "**{}**, {} confidence{}\n",
                crate::word(&verdict.severity),
                crate::word(&verdict.confidence),
                if verdict.expected {
                    ", an expected change"
                } else {
                    ""
                }
            )?;
            for change in &verdict.changed {
                writeln!(out, "- {}", text(change))?;
            }
            writeln!(out)?;
        }
        None => writeln!(out, "# {}: sealed, not examined yet\n", text(&glance.name))?,
    }
    writeln!(out, "## At a glance\n\n| | |\n| --- | --- |")?;
    let when = glance.occurred_at.to_string();
    let sealed = format!("{} by {}", glance.sealed_at, glance.program);
    let none = "not recorded";
    for (name, value) in [
        ("Case", Some(report.case_id.as_str())),
        ("Who", Some(glance.principal.as_deref().unwrap_or(none))),
        ("From", Some(glance.address.as_deref().unwrap_or(none))),
        ("Did", glance.event.as_deref()),
        ("Asked because", glance.reason.as_deref()),
        ("When", Some(when.as_str())),
        ("To what", Some(glance.arn.as_str())),
        ("Technique", glance.technique.as_deref()),
        ("Trigger", Some(glance.id.as_str())),
        ("Sealed", Some(sealed.as_str())),
    ] {
        if let Some(value) = value {
            writeln!(out, "| {name} | {} |", cell(value))?;
        }
    }
    timeline(report, out)?;
    writeln!(out, "\n## Differences\n")?;
    match &report.differences {
        Some(differences) => compared(differences, out)?,
        None => writeln!(out, "Nothing was compared.")?,
    }
    findings(report, out)?;
    activity(report, out)?;
    acquisitions(report, out)?;
    custody(report, out)?;
    chain(report, out)
}

fn timeline(report: &Report, out: &mut impl Write) -> io::Result<()> {
    let timeline = &report.timeline;
    let items = timeline.telling(MOST_ENTRIES);
    writeln!(out, "\n## Timeline\n")?;
    let told = timeline.told;
    match told > items.len() as u64 {
        true => writeln!(
            out,
            "{told} entries; these are the {} most telling.\n",
            items.len()
        )?,
        false => writeln!(out, "{told} entries.\n")?,
    }
    gaps(&timeline.gaps, out)?;
    writeln!(
        out,
        "| Time | Source | Severity | What | Who | From |\n| --- | --- | --- | --- | --- | --- |"
    )?;
    for item in items {
        let severity = item.severity.map(|severity| crate::word(&severity));
        writeln!(
            out,
            "| {} | {} | {} | {} | {} | {} |",
            item.occurred_at,
            crate::word(&item.source),
            severity.unwrap_or_default(),
            cell(&item.what),
            cell(item.who.as_ref().map_or("", |who| who.as_str())),
            cell(item.from.as_ref().map_or("", |from| from.as_str()))
        )?;
    }
    Ok(())
}

fn compared(differences: &Differences, out: &mut impl Write) -> io::Result<()> {
    if let Some(recorded_at) = differences.recorded_at {
        writeln!(
            out,
            "Beside the function as it was recorded as good at {recorded_at}.\n"
        )?;
    }
    gaps(&differences.gaps, out)?;
    if !differences.settings.is_empty() {
        writeln!(
            out,
            "| Severity | Of what | Before | Now |\n| --- | --- | --- | --- |"
        )?;
        for setting in &differences.settings {
            writeln!(
                out,
                "| {} | {} | {} | {} |",
                crate::word(&setting.severity),
                cell(&setting.subject),
                cell(setting.before.as_deref().unwrap_or("was not there")),
                cell(setting.after.as_deref().unwrap_or("is not there"))
            )?;
        }
        writeln!(out)?;
    }
    for part in &differences.parts {
        writeln!(
            out,
            "### {}\n\n{} changed, {} added, {} removed, {} moved; `{}` before, `{}` now.\n",
            text(&part.part),
            part.changed,
            part.added,
            part.removed,
            part.moved,
            part.before_sha256,
            part.after_sha256
        )?;
        if let Some(why) = &part.not_compared {
            writeln!(out, "It could not be compared: {}\n", text(why))?;
        }
        for file in &part.files {
            writeln!(out, "- {} {}", crate::word(&file.touched), text(&file.path))?;
        }
        for change in &part.texts {
            unified(change, out)?;
        }
    }
    for gap in &differences.not_compared {
        writeln!(out, "- Not compared: {}", text(gap))?;
    }
    if differences.tracing_turned_on_by_coldcase {
        writeln!(
            out,
            "\nTracing is on because coldcase turned it on; it does not count."
        )?;
    }
    Ok(())
}

/// A text's difference, behind a fence that nothing in it can end.
fn unified(change: &TextDifference, out: &mut impl Write) -> io::Result<()> {
    let mut lines = Vec::new();
    for line in change.lines.iter().take(MOST_LINES) {
        match (&line.before, &line.after) {
            (Some(before), Some(after)) if before == after => lines.push(format!(" {before}")),
            (None, None) => lines.push("...".to_owned()),
            (before, after) => {
                lines.extend(before.iter().map(|before| format!("-{before}")));
                lines.extend(after.iter().map(|after| format!("+{after}")));
            }
        }
    }
    let longest = lines.iter().map(|line| longest_run(line, '`')).max();
    let fence = "`".repeat(longest.unwrap_or(0).max(2) + 1);
    writeln!(out, "\n{}:\n\n{fence}diff", text(&change.path))?;
    for line in &lines {
        writeln!(out, "{line}")?;
    }
    writeln!(out, "{fence}")?;
    if change.is_cut || change.lines.len() > MOST_LINES {
        writeln!(out, "\nMore of it differs than stands here.")?;
    }
    Ok(())
}

fn findings(report: &Report, out: &mut impl Write) -> io::Result<()> {
    writeln!(out, "\n## Findings\n")?;
    let findings = &report.findings.findings;
    if findings.is_empty() {
        writeln!(out, "Nothing was noticed.")?;
    }
    for noticed in findings.iter().take(MOST_FINDINGS) {
        let finding = &noticed.finding;
        write!(
            out,
            "- **{}** {} (`{}`, {} confidence",
            crate::word(&finding.severity),
            text(&finding.statement),
            finding.rule.replace('`', "'"),
            crate::word(&finding.confidence)
        )?;
        if let Some(technique) = &finding.technique {
            write!(out, ", ATT&CK {}", text(technique))?;
        }
        writeln!(out, ")")?;
        if let Some(advice) = &finding.advice {
            writeln!(out, "  - {}", text(advice))?;
        }
        for proof in finding.proof.iter().take(5) {
            write!(out, "  - proof: {}", text(&proof.exhibit))?;
            if let Some(path) = &proof.path {
                write!(out, " {}", text(path))?;
            }
            if let Some(line) = proof.line {
                write!(out, " line {line}")?;
            }
            if let Some(excerpt) = &proof.excerpt {
                write!(out, ": {}", text(excerpt))?;
            }
            writeln!(out)?;
        }
    }
    let more = findings.len().saturating_sub(MOST_FINDINGS) + report.findings.more;
    if more > 0 {
        writeln!(out, "- and {more} more, none worse")?;
    }
    Ok(())
}

fn activity(report: &Report, out: &mut impl Write) -> io::Result<()> {
    writeln!(out, "\n## Role activity\n")?;
    match &report.role_activity {
        None => writeln!(out, "Not looked into yet.")?,
        Some(activity) => {
            writeln!(
                out,
                "{} calls, {} of which failed.\n",
                activity.calls, activity.failed_calls
            )?;
            gaps(&activity.gaps, out)?;
            for mark in &activity.marks {
                writeln!(
                    out,
                    "- **{}** {}",
                    crate::word(&mark.severity),
                    text(&mark.statement)
                )?;
            }
            writeln!(out, "\n| Service | Calls | Failed |\n| --- | --- | --- |")?;
            for service in &activity.services {
                writeln!(
                    out,
                    "| {} | {} | {} |",
                    cell(&service.service),
                    service.calls,
                    service.failed_calls
                )?;
            }
            writeln!(
                out,
                "\n| From or as | As or to | Calls | Failed |\n| --- | --- | --- | --- |"
            )?;
            for edge in &activity.callers.edges {
                let nodes = &activity.callers.nodes;
                if let Some((from, to)) = nodes.get(edge.from).zip(nodes.get(edge.to)) {
                    writeln!(
                        out,
                        "| {} | {} | {} | {} |",
                        cell(&from.name),
                        cell(&to.name),
                        edge.calls,
                        edge.failed_calls
                    )?;
                }
            }
        }
    }
    writeln!(out, "\n## Invocations\n")?;
    let Some(invocations) = &report.invocations else {
        return writeln!(out, "No log of invocations is in the case.");
    };
    writeln!(
        out,
        "{} invocations, {} failed, {} in a new environment, the longest {} ms.\n",
        invocations.invocations,
        invocations.failed,
        invocations.cold_starts,
        invocations.longest_ms
    )?;
    gaps(&invocations.gaps, out)
}

fn acquisitions(report: &Report, out: &mut impl Write) -> io::Result<()> {
    writeln!(
        out,
        "\n## Acquisitions\n\n| Manifest | Asked for | Outcome | Exhibits | Reason |\n| --- | --- | --- | --- | --- |"
    )?;
    let acquired = &report.acquisitions.acquired;
    for one in acquired.iter().take(MOST_ACQUISITIONS) {
        writeln!(
            out,
            "| {:04} | {} | {} | {} | {} |",
            one.sequence,
            cell(&one.request),
            one.outcome,
            one.exhibits.len(),
            cell(one.why.as_deref().unwrap_or_default())
        )?;
    }
    let more = acquired.len().saturating_sub(MOST_ACQUISITIONS) + report.acquisitions.more;
    if more > 0 {
        writeln!(out, "\n{more} more are in the manifests.")?;
    }
    Ok(())
}

fn custody(report: &Report, out: &mut impl Write) -> io::Result<()> {
    writeln!(
        out,
        "\n## Custody\n\n| Time | Manifest | What | Who |\n| --- | --- | --- | --- |"
    )?;
    for deed in &report.custody.deeds {
        writeln!(
            out,
            "| {} | {:04} | {} | {} |",
            deed.occurred_at,
            deed.sequence,
            cell(&deed.what),
            cell(&deed.who)
        )?;
    }
    if report.custody.more > 0 {
        writeln!(
            out,
            "\n{} more lines are in the manifests.",
            report.custody.more
        )?;
    }
    Ok(())
}

fn chain(report: &Report, out: &mut impl Write) -> io::Result<()> {
    writeln!(
        out,
        "\n## Chain\n\n| Manifest | Sealed | SHA-256 | Previous | Key |\n| --- | --- | --- | --- | --- |"
    )?;
    for link in &report.chain.links {
        let previous = link.previous_sha256.map(|digest| format!("`{digest}`"));
        writeln!(
            out,
            "| {:04} | {} | `{}` | {}{} | {} |",
            link.sequence,
            link.sealed_at,
            link.sha256,
            previous.unwrap_or_default(),
            if link.follows {
                ""
            } else {
                " **is not the digest of the one before**"
            },
            cell(
                link.key_id
                    .as_deref()
                    .unwrap_or("the envelope cannot be read")
            )
        )?;
    }
    writeln!(out, "\n### Verify it yourself\n")?;
    for step in &report.chain.verify {
        writeln!(out, "{}\n\n```sh\n{}\n```\n", step.shows, step.command)?;
    }
    writeln!(
        out,
        "This report tells what is sealed and is no evidence itself."
    )
}

fn gaps(gaps: &[String], out: &mut impl Write) -> io::Result<()> {
    for gap in gaps {
        writeln!(out, "- Not told here: {}", text(gap))?;
    }
    if gaps.is_empty() {
        Ok(())
    } else {
        writeln!(out)
    }
}

/// Text that is nothing but text: what Markdown or HTML would take for its own is escaped, and what hides
/// is written out.
fn text(from: &str) -> impl Display {
    let from = shown(from, 1000);
    fmt::from_fn(move |f| {
        for (place, character) in from.char_indices() {
            let rest = &from[place..];
            match character {
                '<' => f.write_str("&lt;")?,
                '>' => f.write_str("&gt;")?,
                '&' => f.write_str("&amp;")?,
                '\\' | '`' | '*' | '_' | '[' | ']' | '(' | ')' | '!' | '|' | '~' | '#' | '+'
                | '$' => {
                    write!(f, "\\{character}")?;
                }
                // No list, rule or heading begins here.
                '-' | '=' if place == 0 => write!(f, "\\{character}")?,
                // Addresses become links by themselves.
                ':' if rest.starts_with("://") => f.write_str("\\:")?,
                '.' if from[..place].to_ascii_lowercase().ends_with("www") => f.write_str("\\.")?,
                plain => f.write_char(plain)?,
            }
        }
        Ok(())
    })
}

/// The same in a cell of a table: a pipe is escaped anyway.
fn cell(from: &str) -> impl Display {
    text(from)
}
