//! A difference as Markdown, for people. Lines are the attacker's: each stands in a fence that it
//! cannot end, and shows what it hides.

use super::{BinaryChange, BinaryFacts, Difference, FileChanges, FileFacts, TextChange};
use evidence::{longest_run, shown, shown_code};
use std::fmt::{Result, Write as _};

/// How many files of a kind are named.
const NAMED: usize = 500;
/// How much of a line is shown.
const LINE_CHARS: usize = 1_000;

impl FileChanges {
    /// Which files, as a list.
    pub fn as_markdown(&self) -> String {
        let mut text = String::new();
        // Writing to a String does not fail.
        let _ = write_files(&mut text, self);
        text
    }
}

impl Difference {
    /// Which files, and what in them.
    pub fn as_markdown(&self) -> String {
        let mut text = self.files.as_markdown();
        let _ = write_details(&mut text, self);
        text
    }
}

fn write_files(text: &mut String, files: &FileChanges) -> Result {
    if files.is_empty() {
        writeln!(
            text,
            "No file is different; {} are the same.",
            files.unchanged
        )?;
    } else {
        writeln!(
            text,
            "{} added, {} removed, {} changed, {} moved, {} the same.",
            files.added.len(),
            files.removed.len(),
            files.changed.len(),
            files.moved.len(),
            files.unchanged
        )?;
    }
    if files.unknown > 0 {
        writeln!(
            text,
            "\n{} could not be read and may be different.",
            files.unknown
        )?;
    }
    if !files.is_complete {
        writeln!(
            text,
            "\nNot all of both packages was read: files may be missing here."
        )?;
    }
    let path = |path: &str| shown_code(path, 512);
    let about = |file: &FileFacts| {
        let kind = format!("{:?}", file.kind).to_lowercase();
        match &file.link_to {
            Some(to) => format!("link to {}", shown_code(to, 512)),
            None => format!("{kind}, {} bytes", file.size_bytes),
        }
    };
    let changed: Vec<String> = files
        .changed
        .iter()
        .take(NAMED)
        .map(|change| {
            let (was, is) = (&change.before, &change.after);
            let mode = |mode: Option<u32>| mode.map_or("none".to_owned(), |m| format!("{m:o}"));
            if was.sha256.is_some() && was.sha256 == is.sha256 {
                let (was, is) = (mode(was.mode), mode(is.mode));
                format!("{}: mode {was}, now {is}", path(&change.after.path))
            } else {
                format!("{}: {}, now {}", path(&is.path), about(was), about(is))
            }
        })
        .collect();
    let plain = |files: &[FileFacts]| -> Vec<String> {
        let files = files.iter().take(NAMED);
        files
            .map(|file| format!("{}: {}", path(&file.path), about(file)))
            .collect()
    };
    let moved: Vec<String> = files
        .moved
        .iter()
        .take(NAMED)
        .map(|moved| format!("{} to {}", path(&moved.from), path(&moved.after.path)))
        .collect();
    for (title, lines, total) in [
        ("Changed", changed, files.changed.len()),
        ("Added", plain(&files.added), files.added.len()),
        ("Removed", plain(&files.removed), files.removed.len()),
        ("Moved", moved, files.moved.len()),
    ] {
        if lines.is_empty() {
            continue;
        }
        writeln!(text, "\n**{title}**\n")?;
        for line in &lines {
            writeln!(text, "- {line}")?;
        }
        if total > lines.len() {
            writeln!(text, "- and {} more", total - lines.len())?;
        }
    }
    Ok(())
}

fn write_details(text: &mut String, difference: &Difference) -> Result {
    for change in &difference.texts {
        write_text(text, change)?;
    }
    for change in &difference.binaries {
        write_binary(text, change)?;
    }
    if difference.not_looked_into > 0 {
        let files = difference.not_looked_into;
        writeln!(
            text,
            "\n{files} more files are different and were not looked into."
        )?;
    }
    Ok(())
}

fn write_text(text: &mut String, change: &TextChange) -> Result {
    writeln!(text, "\n#### {}\n", shown_code(&change.path, 512))?;
    if let Some(unified) = &change.unified {
        let fence = "`".repeat(longest_run(unified, '`').max(2) + 1);
        writeln!(text, "{fence}diff")?;
        for line in unified.split_terminator('\n') {
            writeln!(text, "{}", visible(line))?;
        }
        writeln!(text, "{fence}")?;
    }
    for excerpt in &change.excerpts {
        let (line, column) = (excerpt.line, excerpt.column);
        writeln!(text, "- line {line}, column {column}")?;
        for (word, part) in [("was", &excerpt.before), ("is", &excerpt.after)] {
            if !part.is_empty() {
                writeln!(text, "  - {word} {}", shown_code(part, LINE_CHARS))?;
            }
        }
    }
    if change.is_cut {
        writeln!(text, "\nMore of this file is different than stands here.")?;
    }
    Ok(())
}

/// A line with its tabs and with everything hidden in it made visible.
fn visible(line: &str) -> String {
    // The end of a line of Windows is no news on every line.
    let line = line.strip_suffix('\r').unwrap_or(line);
    let parts: Vec<String> = line
        .split('\t')
        .map(|part| shown(part, LINE_CHARS))
        .collect();
    parts.join("\t")
}

fn write_binary(text: &mut String, change: &BinaryChange) -> Result {
    writeln!(text, "\n#### {}\n", shown_code(&change.path, 512))?;
    let facts = |facts: &BinaryFacts| {
        let kind = format!("{:?}", facts.kind).to_lowercase();
        let (size, entropy) = (facts.size_bytes, facts.entropy);
        let more = if facts.is_whole { "" } else { " and more" };
        format!("{kind}, {size} bytes{more}, entropy {entropy} bits per byte")
    };
    for (word, side) in [("was", &change.before), ("is", &change.after)] {
        if let Some(side) = side {
            writeln!(text, "- {word} {}", facts(side))?;
        }
    }
    for (title, names) in [
        ("takes from others now", &change.imports_added),
        ("no longer takes from others", &change.imports_removed),
        ("needs the libraries now", &change.libraries_added),
        ("no longer needs the libraries", &change.libraries_removed),
    ] {
        if !names.is_empty() {
            let names: Vec<String> = names.iter().map(|name| shown_code(name, 120)).collect();
            writeln!(text, "- {title}: {}", names.join(", "))?;
        }
    }
    if change.names_left_out > 0 {
        writeln!(text, "- and {} more names", change.names_left_out)?;
    }
    Ok(())
}
