//! The diagnosis as people read it: by area, with the advice under each line that is not ok.

use super::Diagnosis;
use super::line::{Line, Verdict};
use crate::desk::{Tone, sheet};
use std::io;

/// How far the texts are moved in: behind the longest mark.
const INDENT: usize = 15;

/// Writes the diagnosis within so many columns.
pub fn say(out: &mut dyn io::Write, diagnosis: &Diagnosis, columns: usize) -> io::Result<()> {
    let mut area = "";
    for line in &diagnosis.lines {
        if line.area != area {
            if !area.is_empty() {
                writeln!(out)?;
            }
            area = line.area;
            writeln!(out, "{}", Tone::Strong.paint(area))?;
        }
        one(out, line, columns)?;
    }
    writeln!(out)?;
    writeln!(out, "{}", sum(&diagnosis.lines))
}

fn one(out: &mut dyn io::Write, line: &Line, columns: usize) -> io::Result<()> {
    let (mark, tone) = mark(line.result);
    let painted = tone.paint(mark);
    let room = columns.saturating_sub(INDENT).max(20);
    let text = format!("{}: {}", line.what, line.seen);
    let rows = sheet::rows("", "", &text, room);
    for (number, row) in rows.iter().enumerate() {
        if number == 0 {
            let gap = " ".repeat(INDENT - 2 - mark.len());
            writeln!(out, "  {painted}{gap}{row}")?;
        } else {
            writeln!(out, "{}{row}", " ".repeat(INDENT))?;
        }
    }
    for (number, row) in line
        .advice
        .iter()
        .flat_map(|advice| sheet::rows("", "", advice, room.saturating_sub(3)))
        .enumerate()
    {
        let lead = if number == 0 { "-> " } else { "   " };
        writeln!(out, "{}{lead}{row}", " ".repeat(INDENT))?;
    }
    Ok(())
}

const fn mark(verdict: Verdict) -> (&'static str, Tone) {
    match verdict {
        Verdict::Ok => ("ok", Tone::Good),
        Verdict::Warn => ("warn", Tone::Warn),
        Verdict::Fail => ("FAIL", Tone::Bad),
        Verdict::NotChecked => ("not checked", Tone::Faint),
    }
}

/// How many lines there are of each kind, the worst first.
fn sum(lines: &[Line]) -> String {
    let count = |verdict| lines.iter().filter(|line| line.result == verdict).count();
    let parts = [
        (Verdict::Fail, "failed"),
        (Verdict::Warn, "to look at"),
        (Verdict::NotChecked, "not checked"),
        (Verdict::Ok, "ok"),
    ];
    let parts = parts.map(|(verdict, word)| (count(verdict), word));
    let parts: Vec<String> = parts
        .into_iter()
        .filter(|(count, _)| *count > 0)
        .map(|(count, word)| format!("{count} {word}"))
        .collect();
    parts.join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::doctor::line::Lines;

    #[test]
    fn lines_fit_eighty_columns_and_advice_stands_under_what_is_not_ok() {
        let mut lines = Lines::of("x", "The area");
        lines.ok("a rule", "on");
        lines.fail("another", "word ".repeat(40), "do ".repeat(50));
        let diagnosis = Diagnosis {
            account: String::new(),
            region: String::new(),
            caller: String::new(),
            stack: String::new(),
            result: Verdict::Fail,
            permissions: vec![],
            lines: lines.done(),
        };
        let mut out = Vec::new();
        say(&mut out, &diagnosis, 80).unwrap();
        let text = console::strip_ansi_codes(std::str::from_utf8(&out).unwrap()).into_owned();
        for row in text.lines() {
            assert!(row.len() <= 80, "{row}");
        }
        assert!(
            text.starts_with("The area\n  ok           a rule: on\n  FAIL         another:"),
            "{text}"
        );
        assert_eq!(text.matches("-> do").count(), 1, "{text}");
        assert!(text.ends_with("1 failed, 1 ok\n"), "{text}");
    }

    #[test]
    fn a_long_word_stays_whole() {
        assert_eq!(
            sheet::rows("", "", "a bbbbbbbb c", 4),
            ["a", "bbbbbbbb", "c"]
        );
    }
}
