//! A difference as people read it: settings, then each package's files, then texts line by line.

use super::{Document, Part, Side};
use crate::desk::{Output, Tone, severity_tone, sheet};
use console::measure_text_width;
use evidence::shown;
use package::{BinaryChange, Difference, FileFacts, TextChange};
use snapshot::{Change, Gap};
use std::io::{self, Write};

/// How many files of a kind are named.
const NAMED: usize = 100;

/// How much of a line is told, in characters.
const LINE: usize = 1_000;

/// Writes it.
pub(super) fn write(out: &mut dyn Write, document: &Document) -> io::Result<()> {
    let columns = Output::columns();
    let name = |side: &Side| {
        shown(
            side.function.rsplit([':', '/']).next().unwrap_or_default(),
            100,
        )
    };
    let (before, after) = (&document.before, &document.after);
    writeln!(
        out,
        "{}",
        Tone::Strong.paint(format!("{}, what is different", name(after)))
    )?;
    for (sign, side) in [("was", before), ("is ", after)] {
        let what = match side.what.starts_with("baselines/") {
            true => "the function as it was recorded as good".to_owned(),
            false => format!("case {}", side.what),
        };
        let line = format!("{sign}  {}  {what}", sheet::at(side.at));
        writeln!(
            out,
            "  {}",
            Tone::Faint.paint(sheet::cut(&line, columns.max(100) - 2))
        )?;
    }
    if before.function != after.function {
        let told = format!(
            "these are two functions: {} and {}",
            before.function, after.function
        );
        for text in sheet::wrapped(&told, columns - 2, 4) {
            writeln!(out, "  {}", Tone::Warn.paint(text))?;
        }
    }
    settings(out, document, columns)?;
    for part in &document.parts {
        package(out, part, columns)?;
    }
    if document.parts.is_empty() {
        writeln!(
            out,
            "\n{}\n  the same, byte by byte",
            Tone::Strong.paint("Packages")
        )?;
    }
    Ok(())
}

fn settings(out: &mut dyn Write, document: &Document, columns: usize) -> io::Result<()> {
    let changes = &document.changes;
    writeln!(
        out,
        "\n{}  {}",
        Tone::Strong.paint("Settings"),
        Tone::Faint.paint(match changes.len() {
            0 => "nothing that could be compared is different".to_owned(),
            many => format!("{} different", sheet::number(many as u64)),
        })
    )?;
    for change in changes {
        setting(out, change, columns)?;
    }
    if document.tracing_turned_on_by_coldcase {
        let told = "tracing is on and was not: coldcase turned it on, so it does not count";
        writeln!(out, "  {}", Tone::Faint.paint(told))?;
    }
    for gap in &document.gaps {
        not_compared(out, gap, columns)?;
    }
    Ok(())
}

fn setting(out: &mut dyn Write, change: &Change, columns: usize) -> io::Result<()> {
    let sign = match (&change.before, &change.after) {
        (None, _) => "+",
        (_, None) => "-",
        _ => "~",
    };
    let mut begin = format!("  {sign} ");
    for text in sheet::wrapped(&change.subject, columns - 4, 3) {
        writeln!(out, "{begin}{}", severity_tone(change.severity).paint(text))?;
        begin = " ".repeat(4);
    }
    for (sign, tone, value) in [
        ("was ", Tone::Gone, &change.before),
        ("is  ", Tone::Good, &change.after),
    ] {
        let Some(value) = value else { continue };
        let mut begin = sign;
        for text in sheet::wrapped(value, columns - 10, 6) {
            writeln!(
                out,
                "      {}{}",
                Tone::Faint.paint(begin),
                tone.paint(text)
            )?;
            begin = "    ";
        }
    }
    Ok(())
}

fn not_compared(out: &mut dyn Write, gap: &Gap, columns: usize) -> io::Result<()> {
    let when = if gap.is_before { "before" } else { "now" };
    let told = format!("? {}, unknown {when}: {}", gap.subject, gap.why);
    let mut begin = "  ";
    for text in sheet::wrapped(&told, columns - 4, 3) {
        writeln!(out, "{begin}{}", Tone::Warn.paint(text))?;
        begin = "    ";
    }
    Ok(())
}

fn package(out: &mut dyn Write, part: &Part, columns: usize) -> io::Result<()> {
    let told = match (&part.difference, &part.before_sha256, &part.after_sha256) {
        (Some(difference), ..) => {
            let files = &difference.files;
            let counts = [
                (files.added.len(), "added"),
                (files.removed.len(), "removed"),
                (files.changed.len(), "changed"),
                (files.moved.len(), "moved"),
                (files.unchanged, "the same"),
            ];
            let told = counts.iter().filter(|(many, _)| *many > 0);
            let told: Vec<String> = told.map(|(many, what)| format!("{many} {what}")).collect();
            match told.is_empty() {
                true => "no file is different".to_owned(),
                false => told.join(", "),
            }
        }
        (None, None, _) => "was not there before".to_owned(),
        (None, _, None) => "is not there any more".to_owned(),
        (None, ..) => "is another one, and could not be compared".to_owned(),
    };
    let name = sheet::cut(&part.part, columns.saturating_sub(2));
    writeln!(
        out,
        "\n{}  {}",
        Tone::Strong.paint(name),
        Tone::Faint.paint(told)
    )?;
    if let Some(why) = &part.not_compared {
        for text in sheet::wrapped(why, columns - 2, 3) {
            writeln!(out, "  {}", Tone::Warn.paint(text))?;
        }
    }
    if part.more_files > 0 {
        let told = format!("{} more files are different", part.more_files);
        writeln!(out, "  {}", Tone::Warn.paint(told))?;
    }
    match &part.difference {
        Some(difference) => contents(out, difference, columns),
        None => Ok(()),
    }
}

fn contents(out: &mut dyn Write, difference: &Difference, columns: usize) -> io::Result<()> {
    let files = &difference.files;
    let changed = files.changed.iter().map(|change| {
        let (was, is) = (&change.before, &change.after);
        let told = match was.sha256.is_some() && was.sha256 == is.sha256 {
            true => format!("mode {}, now {}", mode(was), mode(is)),
            false => format!(
                "{}, now {}",
                sheet::size(was.size_bytes),
                sheet::size(is.size_bytes)
            ),
        };
        (is.path.clone(), told)
    });
    listed(out, "~", Tone::Warn, changed, columns)?;
    let one = |file: &FileFacts| (file.path.clone(), sheet::size(file.size_bytes));
    listed(out, "+", Tone::Good, files.added.iter().map(one), columns)?;
    listed(out, "-", Tone::Gone, files.removed.iter().map(one), columns)?;
    let moved = (files.moved.iter()).map(|it| (it.after.path.clone(), format!("was {}", it.from)));
    listed(out, ">", Tone::Faint, moved, columns)?;
    if files.unknown > 0 {
        let told = format!("{} could not be read and may be different", files.unknown);
        writeln!(out, "  {}", Tone::Warn.paint(told))?;
    }
    if !files.is_complete {
        let told = "not all of both packages was read: files may be missing here";
        writeln!(out, "  {}", Tone::Warn.paint(told))?;
    }
    for change in &difference.texts {
        text(out, change, columns)?;
    }
    for change in &difference.binaries {
        binary(out, change, columns)?;
    }
    if difference.not_looked_into > 0 {
        let told = format!(
            "{} more files were not looked into",
            difference.not_looked_into
        );
        writeln!(out, "\n  {}", Tone::Warn.paint(told))?;
    }
    Ok(())
}

fn mode(file: &FileFacts) -> String {
    file.mode
        .map_or_else(|| "none".to_owned(), |mode| format!("{mode:o}"))
}

fn listed(
    out: &mut dyn Write,
    sign: &str,
    tone: Tone,
    files: impl ExactSizeIterator<Item = (String, String)>,
    columns: usize,
) -> io::Result<()> {
    let more = files.len().saturating_sub(NAMED);
    let told: Vec<(String, String)> = files.take(NAMED).collect();
    let longest = told
        .iter()
        .map(|(path, _)| measure_text_width(path).min(400))
        .max();
    let room = longest.unwrap_or_default().clamp(8, (columns - 4) / 2);
    for (path, what) in told {
        let left = columns.saturating_sub(room + 6);
        // A long path is more worth than what stands beside it.
        let path = match measure_text_width(&path) > room {
            true => format!(
                "{}\n{}",
                sheet::cut(&path, columns - 4),
                " ".repeat(4 + room)
            ),
            false => sheet::padded(&path, room),
        };
        let mut lines = path.splitn(2, '\n');
        let (first, second) = (lines.next().unwrap_or_default(), lines.next());
        write!(out, "  {} {first}", tone.paint(sign))?;
        if let Some(second) = second {
            write!(out, "\n{second}")?;
        }
        writeln!(out, "  {}", Tone::Faint.paint(sheet::cut(&what, left)))?;
    }
    if more > 0 {
        writeln!(
            out,
            "  {sign} {}",
            Tone::Faint.paint(format!("and {more} more; --json has all"))
        )?;
    }
    Ok(())
}

fn text(out: &mut dyn Write, change: &TextChange, columns: usize) -> io::Result<()> {
    writeln!(out)?;
    match &change.unified {
        Some(unified) => {
            let (mut is_in_hunk, width) = (false, Output::width());
            for line in unified.split_terminator('\n') {
                is_in_hunk |= line.starts_with("@@");
                unified_line(out, line, is_in_hunk, width)?;
            }
        }
        None => {
            let path = sheet::cut(&change.path, columns);
            writeln!(out, "{}", Tone::Strong.paint(path))?;
        }
    }
    for excerpt in &change.excerpts {
        let at = format!("@@ line {}, column {} @@", excerpt.line, excerpt.column);
        writeln!(out, "{}", Tone::Place.paint(at))?;
        for (sign, tone, part) in [
            ("-", Tone::Gone, &excerpt.before),
            ("+", Tone::Good, &excerpt.after),
        ] {
            if !part.is_empty() {
                let line = format!("{sign}{}", sheet::pressed(part, LINE));
                let mut begin = String::new();
                for row in sheet::broken(&line, columns - 1) {
                    writeln!(out, "{begin}{}", tone.paint(row))?;
                    begin = Tone::Faint.paint(GOES_ON);
                }
            }
        }
    }
    if change.is_cut {
        let told = "more of this file is different than stands here";
        writeln!(out, "{}", Tone::Warn.paint(told))?;
    }
    Ok(())
}

/// What stands before the rest of a line that is longer than a row: no line of a difference begins so.
const GOES_ON: &str = "↳";

/// Writes a line of a unified difference; what it hides is shown. For people it is broken into rows; where
/// nobody said how wide they are, it is left whole, with its tabs, for other programs.
/// Before its first hunk it is of a file's names; a line of the file that only looks so is none.
fn unified_line(
    out: &mut dyn Write,
    line: &str,
    is_in_hunk: bool,
    width: Option<usize>,
) -> io::Result<()> {
    let line = line.strip_suffix('\r').unwrap_or(line);
    let tone = match line.as_bytes() {
        _ if !is_in_hunk => Some(Tone::Strong),
        [b'@', b'@', ..] => Some(Tone::Place),
        [b'-', ..] => Some(Tone::Gone),
        [b'+', ..] => Some(Tone::Good),
        _ => None,
    };
    let paint = |text: &str| tone.map_or_else(|| text.to_owned(), |tone| tone.paint(text));
    let Some(width) = width else {
        let parts = line.split('\t').map(|part| shown(part, usize::MAX));
        let parts: Vec<String> = parts.map(|part| paint(&part)).collect();
        return writeln!(out, "{}", parts.join("\t"));
    };
    let text = sheet::pressed(&line.replace('\t', "    "), LINE);
    let mut rows = sheet::broken(&text, width - 1).into_iter();
    writeln!(out, "{}", paint(&rows.next().unwrap_or_default()))?;
    for row in rows {
        writeln!(out, "{}{}", Tone::Faint.paint(GOES_ON), paint(&row))?;
    }
    Ok(())
}

fn binary(out: &mut dyn Write, change: &BinaryChange, columns: usize) -> io::Result<()> {
    writeln!(
        out,
        "\n{}",
        Tone::Strong.paint(sheet::cut(&change.path, columns))
    )?;
    for (word, side) in [("was", &change.before), ("is ", &change.after)] {
        if let Some(side) = side {
            let kind = format!("{:?}", side.kind).to_lowercase();
            let (size, entropy) = (sheet::size(side.size_bytes), side.entropy);
            writeln!(
                out,
                "  {word} {kind}, {size}, entropy {entropy} bits per byte"
            )?;
        }
    }
    for (title, names) in [
        ("takes from others now", &change.imports_added),
        ("no longer takes from others", &change.imports_removed),
        ("needs the libraries now", &change.libraries_added),
        ("no longer needs the libraries", &change.libraries_removed),
    ] {
        if !names.is_empty() {
            let names: Vec<String> = names.iter().map(|name| shown(name, 120)).collect();
            for text in sheet::wrapped(&format!("{title}: {}", names.join(", ")), columns - 2, 6) {
                writeln!(out, "  {text}")?;
            }
        }
    }
    Ok(())
}
