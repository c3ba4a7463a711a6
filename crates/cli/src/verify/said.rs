//! What was verified, for people: in short, then what is wrong, then what could not be checked.

use super::{Document, Found, Line, OfCase, Sound};
use crate::desk::sheet::{at, count, size, wrapped};
use crate::desk::{Output, Tone};
use std::io;

/// The most lines of one kind that are told; JSON has them all.
const MOST: usize = 1_000;

/// Writes it.
pub(super) fn say(out: &mut dyn io::Write, document: &Document, all: bool) -> io::Result<()> {
    let columns = Output::columns();
    for case in &document.cases {
        summary(out, document, case, columns)?;
        if all {
            lines(out, case, Found::Good, Tone::Good, columns)?;
        }
        lines(out, case, Found::Note, Tone::Warn, columns)?;
        lines(out, case, Found::Bad, Tone::Bad, columns)?;
        writeln!(out)?;
    }
    writeln!(out, "{}", Tone::Strong.paint("Not checked"))?;
    for what in &document.not_checked {
        paragraph(out, "- ", "  ", what, columns)?;
    }
    Ok(())
}

fn summary(
    out: &mut dyn io::Write,
    document: &Document,
    case: &OfCase,
    columns: usize,
) -> io::Result<()> {
    let id = case.case_id.as_ref().map_or("(no case)", |id| id.as_str());
    let (word, tone) = match case.result {
        Sound::Good => ("GOOD", Tone::Good),
        Sound::Bad => ("BAD ", Tone::Bad),
    };
    writeln!(out, "{}  {}", tone.paint(word), Tone::Strong.paint(id))?;
    let mut say = |text: String| paragraph(out, "      ", "      ", &text, columns);
    let many = case.last.as_ref().map_or(0, |last| last.sequence + 1);
    let manifests = count(many as usize, "manifest", "manifests");
    let exhibits = count(case.exhibits as usize, "exhibit", "exhibits");
    say(match case.bad {
        0 => format!(
            "{manifests}, {exhibits} of {}: every digest, every signature and the chain are as they \
             were sealed",
            size(case.size_bytes)
        ),
        bad => format!(
            "{manifests}, {exhibits} of {}: {} wrong, of {} that were checked",
            size(case.size_bytes),
            count(bad as usize, "thing is", "things are"),
            case.checked.len()
        ),
    })?;
    if let Some(last) = &case.last {
        say(format!("last: {} {}", last.sequence, last.sha256))?;
    }
    for key in &case.signed_with {
        say(format!("key:  {key}"))?;
    }
    if let Some(whence) = &case.trusted_key {
        say(format!("trusted by {whence}"))?;
    }
    if let Some(locks) = &case.locks {
        let modes: Vec<&str> = locks.modes.iter().map(String::as_str).collect();
        let until = locks.earliest_until.map(at);
        say(match until {
            Some(until) => format!(
                "{} locked ({}), the first until {until}",
                count(locks.locked as usize, "object", "objects"),
                modes.join(", ")
            ),
            None => "no object is known to be locked".to_owned(),
        })?;
    }
    if let Some(bag) = &document.bag {
        let files = count(bag.payload_files as usize, "file", "files");
        say(format!("bag:  {files} of {}", size(bag.payload_bytes)))?;
        if let Some(digest) = bag.bag_sha256 {
            say(format!("bag's digest: {digest}"))?;
        }
        let told = |label: &str| bag.info.iter().find(|it| it.label == label);
        if let (Some(by), Some(when)) = (told("Coldcase-Exported-By"), told("Coldcase-Exported-At"))
        {
            say(format!("exported by {} at {}", by.value, when.value))?;
        }
    }
    Ok(())
}

fn lines(
    out: &mut dyn io::Write,
    case: &OfCase,
    wanted: Found,
    tone: Tone,
    columns: usize,
) -> io::Result<()> {
    let word = match wanted {
        Found::Good => "good",
        Found::Note => "note",
        Found::Bad => "BAD ",
    };
    let found: Vec<&Line> = case
        .checked
        .iter()
        .filter(|line| line.result == wanted)
        .collect();
    for line in found.iter().take(MOST) {
        // The word is coloured, and takes its six columns.
        let mut begins = format!("{}  ", tone.paint(word));
        let why = match &line.why {
            Some(why) => format!("{}: {why}", line.what),
            None => line.what.to_owned(),
        };
        for text in [&line.file, &why] {
            for part in wrapped(text, columns.saturating_sub(6), 40) {
                writeln!(out, "{begins}{part}")?;
                begins = " ".repeat(6);
            }
        }
    }
    if found.len() > MOST {
        writeln!(
            out,
            "      and {} more; --json has them all",
            found.len() - MOST
        )?;
    }
    Ok(())
}

fn paragraph(
    out: &mut dyn io::Write,
    first: &str,
    rest: &str,
    text: &str,
    columns: usize,
) -> io::Result<()> {
    let mut begins = first;
    for line in wrapped(text, columns.saturating_sub(first.len()), 40) {
        writeln!(out, "{begins}{line}")?;
        begins = rest;
    }
    Ok(())
}
