//! What is different from the function as it was known to be good: settings by their meaning, packages by
//! their files.

use crate::ExamineError;
use crate::baseline::Record;
use crate::exhibits::{Exhibits, Lines};
use crate::parts::{PartChange, Wanted};
use ::evidence::{ArtifactKind, Finding, Target, shown, shown_code};
use jiff::Timestamp;
use package::Difference;
use serde::Serialize;
use serde_json::{Value, json};
use snapshot::{
    Change, FileSummary, Gap, MarkKey, Piece, Snapshot, changes, changes_as_markdown_for, findings,
    gaps,
};

/// The function's configuration as it is in the case, judged, and compared if there is a record.
pub(crate) struct Settings {
    /// What is wrong.
    pub(crate) findings: Vec<Finding>,
    /// What is different; none where there is no record.
    pub(crate) changes: Option<Vec<Change>>,
    /// What could not be compared.
    pub(crate) gaps: Vec<Gap>,
    /// Whether tracing is on now and was not before, and coldcase did that itself: no change of anybody
    /// else's, so none of `changes`.
    pub(crate) tracing_is_ours: bool,
}

impl Settings {
    /// Looks at a case's documents beside those of the record. `is_traced_by_us`: coldcase wrote down
    /// that it turns tracing on for this function.
    pub(crate) fn look(
        now: &[Piece],
        before: Option<&Record>,
        key: &MarkKey,
        is_traced_by_us: bool,
    ) -> Self {
        let now = Snapshot::read(now, key);
        let before = before.map(|record| Snapshot::read(&record.baseline.pieces, key));
        let mut changes = before.as_ref().map(|before| changes(before, &now));
        let mut tracing_is_ours = false;
        if let Some(changes) = changes.as_mut().filter(|_| is_traced_by_us) {
            let all = changes.len();
            changes.retain(|change| !change.is_tracing_on());
            tracing_is_ours = changes.len() < all;
        }
        Self {
            findings: findings(&now, before.as_ref()),
            changes,
            tracing_is_ours,
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
        let content = before.and_then(Piece::archive);
        wanted.before = content.cloned();
    }
}

/// A layer without its version.
fn layer(arn: Option<&str>) -> Option<String> {
    let target = Target::from_arn(arn?).ok()?;
    Some(target.id_unqualified())
}

/// How many files are different in all.
pub(crate) fn files(changed: &[PartChange]) -> FileSummary {
    changed
        .iter()
        .fold(FileSummary::default(), |sum, part| FileSummary {
            added: sum.added + part.added,
            removed: sum.removed + part.removed,
            // Of what went and came with the same bytes only the name is another one.
            changed: sum.changed + part.changed + part.moved,
        })
}

#[derive(Serialize)]
struct Document<'a> {
    function: String,
    baseline: &'a str,
    recorded_at: Timestamp,
    changes: &'a [Change],
    gaps: &'a [Gap],
    tracing_turned_on_by_coldcase: bool,
    parts: &'a [PartChange],
}

/// Keeps the difference for machines and for people.
pub(crate) async fn keep(
    exhibits: &mut Exhibits,
    target: &Target,
    record: &Record,
    settings: &Settings,
    parts: &[PartChange],
    texts: &str,
) -> Result<(), ExamineError> {
    let changes = settings.changes.as_deref().unwrap_or_default();
    let document = Document {
        function: target.id_unqualified(),
        baseline: &record.key,
        recorded_at: record.baseline.recorded_at,
        changes,
        gaps: &settings.gaps,
        tracing_turned_on_by_coldcase: settings.tracing_is_ours,
        parts,
    };
    let source = format!("coldcase: the case beside {}", record.key);
    exhibits.json("changes", &source, &document).await?;
    let mut text = format!(
        "# What changed in {}\n\nBeside the function as it was recorded at {}.\n\n## Settings\n\n{}",
        shown_code(&target.name, 100),
        record.baseline.recorded_at,
        changes_as_markdown_for(target.provider, changes, &settings.gaps)
    );
    if settings.tracing_is_ours {
        text.push_str(
            "\nTracing is on and was not before: coldcase turned it on, so it does not count.\n",
        );
    }
    text.push_str(texts);
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

/// The longest account of one package's difference, and of all of them, in bytes.
const LONGEST_PART: usize = 3 * 1024 * 1024;

/// What is different in a package, in words.
pub(crate) fn part_markdown(change: &PartChange, details: Option<&Difference>) -> String {
    let title = format!("\n## {}\n\n", shown_code(&change.part, 100));
    let body = match details {
        Some(details) => {
            let text = details.as_markdown();
            match text.len() > LONGEST_PART {
                true => format!(
                    "{}\nWhat changed in them is too long for this account: see the exhibit {}.\n",
                    details.files.as_markdown(),
                    files_name(change)
                ),
                false => text,
            }
        }
        None => format!(
            "It is another one than before, and could not be compared: {}\n",
            shown(change.not_compared.as_deref().unwrap_or("unknown"), 300)
        ),
    };
    title + &body
}

fn files_name(change: &PartChange) -> String {
    format!("difference-{}", change.part)
}

/// Keeps what is different in a package, a line a file and a text.
pub(crate) async fn keep_files(
    exhibits: &mut Exhibits,
    change: &PartChange,
    details: &Difference,
) -> Result<(), ExamineError> {
    let source = format!(
        "coldcase: {} beside {}",
        shown(&change.part, 100),
        change.before_sha256
    );
    let mut lines = Lines::new(&files_name(change), &source);
    let head = json!({
        "part": change,
        "unchanged": details.files.unchanged,
        "unknown": details.files.unknown,
        "is_complete": details.files.is_complete,
        "not_looked_into": details.not_looked_into,
    });
    put(&mut lines, exhibits, &head).await?;
    for file in &details.files.changed {
        put(&mut lines, exhibits, &json!({ "changed": file })).await?;
    }
    for file in &details.files.added {
        put(&mut lines, exhibits, &json!({ "added": file })).await?;
    }
    for file in &details.files.removed {
        put(&mut lines, exhibits, &json!({ "removed": file })).await?;
    }
    for file in &details.files.moved {
        put(&mut lines, exhibits, &json!({ "moved": file })).await?;
    }
    for text in &details.texts {
        put(&mut lines, exhibits, &json!({ "text": text })).await?;
    }
    for binary in &details.binaries {
        put(&mut lines, exhibits, &json!({ "binary": binary })).await?;
    }
    lines.finish(exhibits).await?;
    Ok(())
}

async fn put(lines: &mut Lines, exhibits: &mut Exhibits, line: &Value) -> Result<(), ExamineError> {
    lines.put(exhibits, line.to_string().as_bytes()).await?;
    Ok(())
}
