//! What is different from the function as it was known to be good: settings by their meaning, packages by
//! their files.

use crate::ExamineError;
use crate::baseline::Record;
use crate::exhibits::Exhibits;
use crate::parts::{PartChange, Wanted};
use ::evidence::{ArtifactKind, Finding, Target, shown, shown_code};
use jiff::Timestamp;
use serde::Serialize;
use snapshot::{
    Change, FileSummary, Gap, MarkKey, Piece, Snapshot, changes, changes_as_markdown, findings,
    gaps,
};
use std::fmt::Write as _;

/// The function's configuration as it is in the case, judged, and compared if there is a record.
pub(crate) struct Settings {
    /// What is wrong.
    pub(crate) findings: Vec<Finding>,
    /// What is different; none where there is no record.
    pub(crate) changes: Option<Vec<Change>>,
    /// What could not be compared.
    pub(crate) gaps: Vec<Gap>,
}

impl Settings {
    /// Looks at a case's documents beside those of the record.
    pub(crate) fn look(now: &[Piece], before: Option<&Record>, key: &MarkKey) -> Self {
        let now = Snapshot::read(now, key);
        let before = before.map(|record| Snapshot::read(&record.baseline.pieces, key));
        Self {
            findings: findings(&now, before.as_ref()),
            changes: before.as_ref().map(|before| changes(before, &now)),
            gaps: before
                .as_ref()
                .map(|before| gaps(before, &now))
                .unwrap_or_default(),
        }
    }
}

/// Gives each package the one that was in its place when the function was recorded.
pub(crate) fn pair(wanted: &mut [Wanted], record: &Record) {
    let pieces = &record.baseline.pieces;
    for wanted in wanted {
        let before = pieces.iter().find(|piece| {
            let (request, of) = (&piece.request, &wanted.request);
            request.artifact == of.artifact
                && match of.artifact {
                    ArtifactKind::FunctionCode => request.selector == of.selector,
                    ArtifactKind::Layer => {
                        layer(request.selector.as_deref()) == layer(of.selector.as_deref())
                    }
                    // Layers of images have no places of their own; they are known by their digests.
                    _ => false,
                }
        });
        let content = before.and_then(|piece| piece.contents.first());
        wanted.before = content.cloned();
    }
}

/// A layer without its version.
fn layer(arn: Option<&str>) -> Option<String> {
    let target = Target::from_arn(arn?).ok()?;
    Some(target.arn_unqualified())
}

/// How many files are different in all.
pub(crate) fn files(changed: &[PartChange]) -> FileSummary {
    changed
        .iter()
        .fold(FileSummary::default(), |sum, part| FileSummary {
            added: sum.added + part.added,
            removed: sum.removed + part.removed,
            changed: sum.changed + part.changed,
        })
}

#[derive(Serialize)]
struct Document<'a> {
    function: String,
    baseline: &'a str,
    recorded_at: Timestamp,
    changes: &'a [Change],
    gaps: &'a [Gap],
    parts: &'a [PartChange],
}

/// Keeps the difference for machines and for people.
pub(crate) async fn keep(
    exhibits: &mut Exhibits,
    target: &Target,
    record: &Record,
    settings: &Settings,
    parts: &[PartChange],
) -> Result<(), ExamineError> {
    let changes = settings.changes.as_deref().unwrap_or_default();
    let document = Document {
        function: target.arn_unqualified(),
        baseline: &record.key,
        recorded_at: record.baseline.recorded_at,
        changes,
        gaps: &settings.gaps,
        parts,
    };
    let source = format!("coldcase: the case beside {}", record.key);
    exhibits.json("difference-json", &source, &document).await?;
    let text = markdown(target, record, changes, &settings.gaps, parts);
    exhibits
        .keep(
            "difference",
            &source,
            text.into_bytes(),
            "md",
            "text/markdown",
        )
        .await?;
    Ok(())
}

/// The difference in words.
fn markdown(
    target: &Target,
    record: &Record,
    changes: &[Change],
    gaps: &[Gap],
    parts: &[PartChange],
) -> String {
    let mut text = String::new();
    // Writing to a String does not fail.
    let _ = write!(
        text,
        "# What changed in {}\n\nBeside the function as it was recorded at {}.\n\n## Settings\n\n{}",
        shown_code(&target.name, 100),
        record.baseline.recorded_at,
        changes_as_markdown(changes, gaps)
    );
    for part in parts {
        let _ = write!(text, "\n## {}\n\n", shown_code(&part.part, 100));
        let _ = match &part.not_compared {
            Some(why) => writeln!(
                text,
                "It is another one than before, and could not be compared: {}",
                shown(why, 300)
            ),
            None => writeln!(
                text,
                "{} files added, {} removed, {} changed.",
                part.added, part.removed, part.changed
            ),
        };
    }
    text
}
