//! A summary of activity as people read it: what stands out, then the calls by service and action, then
//! who and from where.

use crate::desk::{Output, Tone, severity_tone, sheet};
use evidence::shown;
use std::io::{self, Write};
use trail::{Summary, Values};

/// How many marks, actions and values are told; JSON has all.
const MARKS: usize = 30;
const ACTIONS: usize = 60;
const VALUES: usize = 12;

/// Writes it.
pub(super) fn write(out: &mut dyn Write, summary: &Summary) -> io::Result<()> {
    let columns = Output::columns();
    let totals = &summary.totals;
    let span = match (totals.first_at, totals.last_at) {
        (Some(first), Some(last)) => format!(", {} to {}", sheet::at(first), sheet::at(last)),
        _ => String::new(),
    };
    writeln!(
        out,
        "{}{}",
        Tone::Strong.paint(format!(
            "{}, {} failed",
            sheet::count(totals.calls as usize, "call", "calls"),
            sheet::number(totals.failed_calls)
        )),
        Tone::Faint.paint(span)
    )?;
    if let (Some(at), Some(calls)) = (summary.tampered_at, summary.calls_after_tampering) {
        let calls = sheet::count(calls as usize, "call", "calls");
        writeln!(out, "{calls} after the change of {}", sheet::at(at))?;
    }
    marks(out, summary, columns)?;
    actions(out, summary, columns)?;
    for (name, values) in [
        ("from", &totals.addresses),
        ("agents", &totals.user_agents),
        ("roles", &totals.roles),
        ("sessions", &totals.sessions),
        ("keys", &totals.access_keys),
        ("Regions", &totals.regions),
    ] {
        told(out, name, values, columns)?;
    }
    Ok(())
}

fn marks(out: &mut dyn Write, summary: &Summary, columns: usize) -> io::Result<()> {
    writeln!(out, "\n{}", Tone::Strong.paint("What stands out"))?;
    if summary.marks.is_empty() {
        writeln!(out, "  nothing")?;
    }
    for mark in summary.marks.iter().take(MARKS) {
        let word = format!("{:<9}", function::word(mark.severity));
        let mut begin = severity_tone(mark.severity).paint(word);
        for text in sheet::wrapped(&mark.statement, columns - 11, 4) {
            writeln!(out, "  {begin}{text}")?;
            begin = " ".repeat(9);
        }
        let ids = mark.evidence.event_ids.iter().take(3);
        let ids: Vec<String> = ids.map(|id| shown(id, 40)).collect();
        let mut proof = format!("records {}", ids.join(", "));
        if let Some(technique) = &mark.technique {
            proof = format!("ATT&CK {}; {proof}", shown(technique, 20));
        }
        let proof = sheet::cut(&proof, columns - 11);
        writeln!(out, "  {:<9}{}", "", Tone::Faint.paint(proof))?;
    }
    let more = summary.marks.len().saturating_sub(MARKS) as u64 + summary.more_marks;
    match more {
        0 => Ok(()),
        more => writeln!(out, "  {}", Tone::Faint.paint(format!("and {more} more"))),
    }
}

fn actions(out: &mut dyn Write, summary: &Summary, columns: usize) -> io::Result<()> {
    let room = columns.saturating_sub(2 + 9 + 9 + 2 + 20).max(16);
    let head = format!(
        "{:<room$}  {:>9}{:>9}  {}",
        "Calls", "CALLS", "FAILED", "LAST"
    );
    writeln!(out, "\n{}", Tone::Strong.paint(head))?;
    let mut actions: Vec<_> = summary.actions.iter().collect();
    actions.sort_by_key(|action| std::cmp::Reverse(action.figures.calls));
    for action in actions.iter().take(ACTIONS) {
        let name = format!("{}:{}", action.service, action.action);
        let figures = &action.figures;
        let last = figures.last_at.map_or_else(String::new, sheet::at);
        let failed = format!("{:>9}", sheet::number(figures.failed_calls));
        writeln!(
            out,
            "  {}{:>9}{}  {}",
            sheet::padded(&name, room),
            sheet::number(figures.calls),
            match figures.failed_calls {
                0 => failed,
                _ => Tone::Warn.paint(failed),
            },
            Tone::Faint.paint(last)
        )?;
    }
    let more = actions.len().saturating_sub(ACTIONS);
    if more > 0 {
        let more = format!("and {more} more actions; --json has all");
        writeln!(out, "  {}", Tone::Faint.paint(more))?;
    }
    if summary.totals.more_actions_calls > 0 {
        let more = summary.totals.more_actions_calls;
        writeln!(
            out,
            "  {}",
            Tone::Warn.paint(format!("{more} calls of actions beyond those"))
        )?;
    }
    writeln!(out)
}

/// Values, those of most calls first.
fn told(out: &mut dyn Write, name: &str, values: &Values, columns: usize) -> io::Result<()> {
    if values.calls_by_value.is_empty() {
        return Ok(());
    }
    let mut all: Vec<_> = values.calls_by_value.iter().collect();
    all.sort_by_key(|(_, calls)| std::cmp::Reverse(**calls));
    let first = all.iter().take(VALUES);
    let mut texts: Vec<String> = first
        .map(|(value, calls)| format!("{} ({})", shown(value, 100), sheet::number(**calls)))
        .collect();
    if all.len() > VALUES {
        texts.push(format!("and {} more", all.len() - VALUES));
    }
    if values.more_calls > 0 {
        texts.push(format!(
            "{} calls with others",
            sheet::number(values.more_calls)
        ));
    }
    let mut begin = format!("{name:<10}");
    for text in sheet::wrapped(&texts.join(", "), columns - 10, 6) {
        writeln!(out, "{}{text}", Tone::Faint.paint(&begin))?;
        begin = " ".repeat(10);
    }
    Ok(())
}
