//! The difference that a case's examination sealed, read back from its exhibits.

use super::{Document, Part, Side};
use crate::desk::reading::examined;
use crate::desk::{Failure, Kind, Lines, Options, Output, Reading};
use anyhow::Result;
use evidence::{Exhibit, Sha256Digest, file_name, shown};
use jiff::Timestamp;
use package::{BinaryChange, Difference, FileChange, FileFacts, Moved, TextChange};
use serde::Deserialize;
use snapshot::{Change, Gap};
use vault::exhibit_bytes;

/// The most files of one package that are held.
const MOST_FILES: usize = 50_000;

/// The exhibit `changes-PASS`.
#[derive(Deserialize)]
struct Changes {
    function: String,
    baseline: String,
    recorded_at: Timestamp,
    changes: Vec<Change>,
    gaps: Vec<Gap>,
    #[serde(default)]
    tracing_turned_on_by_coldcase: bool,
    parts: Vec<PartChange>,
}

#[derive(Deserialize)]
struct PartChange {
    part: String,
    before_sha256: Sha256Digest,
    after_sha256: Sha256Digest,
    not_compared: Option<String>,
}

/// A line of the exhibit `difference-PART-0001-PASS`.
#[derive(Default, Deserialize)]
#[serde(default)]
struct Line {
    unchanged: usize,
    unknown: usize,
    is_complete: Option<bool>,
    not_looked_into: usize,
    changed: Option<FileChange>,
    added: Option<FileFacts>,
    removed: Option<FileFacts>,
    moved: Option<Moved>,
    text: Option<TextChange>,
    binary: Option<BinaryChange>,
}

/// Reads it.
pub(super) async fn read(named: &str, options: &Options, output: &Output) -> Result<Document> {
    let reading = Reading::of(named, options, output).await?;
    let is_changes =
        |it: &Exhibit| it.name.starts_with("changes-") && it.media_type == "application/json";
    let Some(exhibit) = examined(&reading.case, is_changes).first().copied() else {
        return Err(Failure::new(Kind::Absent, why_none(&reading)));
    };
    let bytes = exhibit_bytes(reading.vault(), exhibit).await?;
    let bytes = bytes.map_err(|fault| {
        let name = shown(&exhibit.name, 100);
        Failure::new(Kind::Vault, format!("{name} of {}: {fault}", reading.id))
    })?;
    let changes: Changes = serde_json::from_slice(&bytes).map_err(|error| {
        let name = shown(&exhibit.name, 100);
        let what = shown(&error.to_string(), 200);
        Failure::new(
            Kind::Vault,
            format!(
                "{name} of {} is not what an examination writes: {what}",
                reading.id
            ),
        )
    })?;
    let mut document = Document {
        vault: reading.opened.place.raw(),
        altered: reading.altered().into_iter().map(str::to_owned).collect(),
        before: Side {
            what: changes.baseline,
            function: changes.function.clone(),
            at: changes.recorded_at,
        },
        after: Side {
            what: reading.id.to_string(),
            function: changes.function,
            at: reading.case.first().sealed_at,
        },
        changes: changes.changes,
        gaps: changes.gaps,
        tracing_turned_on_by_coldcase: changes.tracing_turned_on_by_coldcase,
        parts: Vec::new(),
        not_read: Vec::new(),
    };
    for change in changes.parts {
        let part = part(&reading, exhibit, change, &mut document.not_read).await?;
        document.parts.push(part);
    }
    Ok(document)
}

/// What is different in a package: its lines lie beside the changes, in the same examination.
async fn part(
    reading: &Reading,
    changes: &Exhibit,
    change: PartChange,
    not_read: &mut Vec<String>,
) -> Result<Part> {
    let mut part = Part {
        part: change.part,
        before_sha256: Some(change.before_sha256),
        after_sha256: Some(change.after_sha256),
        not_compared: change.not_compared,
        more_files: 0,
        difference: None,
    };
    if part.not_compared.is_some() {
        return Ok(part);
    }
    let begins = format!("{}-", file_name(&format!("difference-{}", part.part), 50));
    let manifests = reading.case.manifests.iter();
    let acquisitions = manifests.flat_map(|manifest| &manifest.acquisitions);
    let beside = acquisitions
        .map(|acquisition| &acquisition.exhibits)
        .find(|exhibits| exhibits.contains(changes));
    let parts = beside.into_iter().flatten().filter(|exhibit| {
        exhibit.media_type == "application/gzip" && exhibit.name.starts_with(&begins)
    });
    let mut lines = Lines::of(reading.vault(), parts);
    let mut difference = Difference::default();
    let (mut read, mut unreadable) = (0_u64, 0_u64);
    while let Some(line) = lines
        .next(|line| serde_json::from_slice::<Line>(line.bytes).ok())
        .await?
    {
        match line {
            Some(line) => part.more_files += take(&mut difference, line),
            None => unreadable += 1,
        }
        read += 1;
    }
    not_read.append(&mut lines.not_read);
    if unreadable > 0 {
        not_read.push(format!(
            "{begins}: {unreadable} lines that say no difference"
        ));
    }
    match read {
        0 => part.not_compared = Some("its exhibit could not be read".to_owned()),
        _ => part.difference = Some(difference),
    }
    Ok(part)
}

/// Adds what a line says; how many files were left out.
fn take(difference: &mut Difference, line: Line) -> u64 {
    let files = &mut difference.files;
    if let Some(is_complete) = line.is_complete {
        files.is_complete = is_complete;
        files.unchanged = line.unchanged;
        files.unknown = line.unknown;
        difference.not_looked_into = line.not_looked_into;
    }
    difference.texts.extend(line.text);
    difference.binaries.extend(line.binary);
    let held = files.changed.len() + files.added.len() + files.removed.len() + files.moved.len();
    if held >= MOST_FILES {
        let is_file = line.changed.is_some()
            || line.added.is_some()
            || line.removed.is_some()
            || line.moved.is_some();
        return u64::from(is_file);
    }
    files.changed.extend(line.changed);
    files.added.extend(line.added);
    files.removed.extend(line.removed);
    files.moved.extend(line.moved);
    0
}

/// Why there is no difference to tell.
fn why_none(reading: &Reading) -> String {
    let id = &reading.id;
    let no_baseline = reading.case.manifests.iter().find_map(|manifest| {
        let mut findings = manifest.findings.iter();
        findings.find(|finding| finding.rule == "no-baseline")
    });
    match (no_baseline, crate::desk::reading::verdict(&reading.case)) {
        (Some(finding), _) => format!(
            "{id}: {}; compare it with another case: coldcase diff OTHER..{id}",
            shown(&finding.statement, 400)
        ),
        (None, Some(_)) => {
            format!("the examination of {id} kept no difference; see coldcase show {id}")
        }
        (None, None) => format!(
            "{id} is not examined yet, so its difference is not known; compare it with another case: \
             coldcase diff OTHER..{id}"
        ),
    }
}
