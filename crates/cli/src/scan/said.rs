//! What a scan found, told to people: what it comes to first, then each finding, the worst first.

use super::Report;
use crate::desk::{Output, Tone, severity_tone, sheet};
use crate::findings;
use evidence::{Finding, Severity, shown};
use package::Difference;
use std::io;

/// How many findings are told one by one; the document has them all.
const MOST_FINDINGS: usize = 100;
/// How many files of a difference are named.
const MOST_FILES: usize = 20;

pub(super) fn tell(out: &mut dyn io::Write, report: &Report<'_>) -> io::Result<()> {
    let columns = Output::columns();
    one(out, report, columns)?;
    for layer in &report.layers {
        writeln!(out)?;
        one(out, layer, columns)?;
    }
    for missing in report.not_examined {
        for line in sheet::wrapped(&format!("Not examined: {missing}"), columns, 6) {
            writeln!(out, "{}", Tone::Warn.paint(line))?;
        }
    }
    Ok(())
}

fn one(out: &mut dyn io::Write, report: &Report<'_>, columns: usize) -> io::Result<()> {
    let all: Vec<&Finding> = report.findings.iter().map(|line| line.finding).collect();
    let worst = all.iter().map(|finding| finding.severity).max();
    let (tone, verdict) = match worst {
        Some(worst) if worst >= Severity::Medium => (
            severity_tone(worst),
            format!("{}: look at this", function::word(worst).to_uppercase()),
        ),
        _ if !report.complete => (
            Tone::Warn,
            "NOT READ WHOLE: nothing was found in what was read".to_owned(),
        ),
        Some(Severity::Low) => (Tone::Good, "Nothing of weight was found".to_owned()),
        _ => (Tone::Good, "Nothing wrong was found".to_owned()),
    };
    for line in sheet::wrapped(&report.package, columns, 3) {
        writeln!(out, "{}", Tone::Strong.paint(line))?;
    }
    writeln!(out, "{}", tone.paint(verdict))?;
    for line in sheet::wrapped(&counts(report, &all), columns, 6) {
        writeln!(out, "{line}")?;
    }
    writeln!(out)?;
    for finding in all.iter().take(MOST_FINDINGS) {
        findings::tell_one(out, finding, None, columns)?;
    }
    if all.len() > MOST_FINDINGS {
        let more = sheet::number((all.len() - MOST_FINDINGS) as u64);
        writeln!(out, "and {more} findings more; --json has them all\n")?;
    }
    match &report.difference {
        Some(difference) => compared(out, difference, columns),
        None => Ok(()),
    }
}

/// `3 findings (1 high, 2 info), 12 files of 48 kB, 4 components; …`.
fn counts(report: &Report<'_>, all: &[&Finding]) -> String {
    use Severity::{Critical, High, Info, Low, Medium};
    let by_severity: Vec<String> = [Critical, High, Medium, Low, Info]
        .into_iter()
        .map(|severity| {
            (
                severity,
                all.iter().filter(|it| it.severity == severity).count(),
            )
        })
        .filter(|(_, count)| *count > 0)
        .map(|(severity, count)| format!("{count} {}", function::word(severity)))
        .collect();
    let mut counts = sheet::count(all.len(), "finding", "findings");
    if !by_severity.is_empty() {
        counts.push_str(&format!(" ({})", by_severity.join(", ")));
    }
    let bytes: u64 = report.inventory.iter().map(|file| file.size_bytes).sum();
    counts.push_str(&format!(
        "; {} of {}, {}, {}",
        sheet::count(report.inventory.len(), "file", "files"),
        sheet::size(bytes),
        sheet::count(report.components.len(), "component", "components"),
        sheet::count(
            report.irregularities.len(),
            "irregularity of the archive",
            "irregularities of the archive"
        ),
    ));
    let checked = report.integrity;
    counts.push_str(&match checked.components {
        0 => "; no component says what was published".to_owned(),
        components => format!(
            "; {} held against what was published, {} not as published",
            sheet::count(components, "component", "components"),
            sheet::count(checked.deviations.len(), "file", "files")
        ),
    });
    if !report.complete {
        counts.push_str("; not all of it could be read");
    }
    counts
}

fn compared(out: &mut dyn io::Write, difference: &Difference, columns: usize) -> io::Result<()> {
    let files = &difference.files;
    writeln!(
        out,
        "{}",
        Tone::Strong.paint(format!(
            "Since the other package: {} changed, {} added, {} removed, {} moved, {} the same",
            files.changed.len(),
            files.added.len(),
            files.removed.len(),
            files.moved.len(),
            files.unchanged
        ))
    )?;
    let changed = files.changed.iter().map(|it| ('~', &it.after.path));
    let added = files.added.iter().map(|it| ('+', &it.path));
    let removed = files.removed.iter().map(|it| ('-', &it.path));
    let moved = files.moved.iter().map(|it| ('>', &it.after.path));
    let all: Vec<_> = changed.chain(added).chain(removed).chain(moved).collect();
    for (mark, path) in all.iter().take(MOST_FILES) {
        writeln!(
            out,
            "  {mark} {}",
            sheet::cut(&shown(path, 400), columns - 4)
        )?;
    }
    if all.len() > MOST_FILES {
        writeln!(
            out,
            "  and {} more",
            sheet::number((all.len() - MOST_FILES) as u64)
        )?;
    }
    writeln!(out, "--json has the lines that changed")
}
