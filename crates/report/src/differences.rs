//! What is different from the last known good: settings by their meaning, packages by their files, texts
//! line by line.

use crate::reading::{each_line, is_lines};
use evidence::{ArtifactKind, Exhibit, Severity, Sha256Digest, shown};
use jiff::Timestamp;
use serde::de::IgnoredAny;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::ops::ControlFlow;
use vault::{Case, Vault, VaultError, exhibit_bytes};

/// The most settings, files of one package, and texts of one package that are told.
const MOST_SETTINGS: usize = 300;
const MOST_PARTS: usize = 50;
const MOST_FILES: usize = 300;
const MOST_TEXTS: usize = 60;
/// The most lines of one text and bytes of all texts that are told.
const MOST_LINES: usize = 600;
const MOST_TEXT_BYTES: usize = 512 * 1024;
/// The longest line, in characters.
const LONGEST_LINE: usize = 400;

/// A function beside how it was recorded as good.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Differences {
    /// The exhibit that tells it all.
    pub exhibit: String,
    /// The record that the function was compared with.
    pub baseline: String,
    /// When that was recorded.
    pub recorded_at: Option<Timestamp>,
    /// Settings that are different, the most telling first.
    pub settings: Vec<Setting>,
    /// How many more there are.
    pub more_settings: usize,
    /// What could not be compared.
    pub not_compared: Vec<String>,
    /// Whether tracing is on because coldcase turned it on, which does not count.
    pub tracing_turned_on_by_coldcase: bool,
    /// Packages that are different.
    pub parts: Vec<PartDifference>,
    /// What could not be read of it.
    pub gaps: Vec<String>,
}

/// A setting that is different.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Setting {
    /// In what part: `role-policy`.
    pub kind: String,
    /// Of what: `handler`, `environment variable PATH`.
    pub subject: String,
    /// As it was; none if it was not there. Of environment variables a mark.
    pub before: Option<String>,
    /// As it is; none if it is not there any more.
    pub after: Option<String>,
    /// One line for people.
    pub statement: String,
    /// How bad such a change is by itself.
    pub severity: Severity,
}

/// A package that is different.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct PartDifference {
    /// The exhibit's name.
    pub part: String,
    /// The digest of what was in its place.
    pub before_sha256: Sha256Digest,
    /// Its digest.
    pub after_sha256: Sha256Digest,
    /// How many files are there now only.
    pub added: usize,
    /// How many files were there before only.
    pub removed: usize,
    /// How many files have other bytes.
    pub changed: usize,
    /// How many files have another path.
    pub moved: usize,
    /// Why it could not be compared; none if it was.
    pub not_compared: Option<String>,
    /// File by file.
    pub files: Vec<FileDifference>,
    /// How many more there are.
    pub more_files: usize,
    /// What changed in texts.
    pub texts: Vec<TextDifference>,
    /// How many more texts there are.
    pub more_texts: usize,
}

/// What became of a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Touched {
    /// It has other bytes.
    Changed,
    /// It is there now only.
    Added,
    /// It was there before only.
    Removed,
    /// It has another path.
    Moved,
}

/// A file that is different.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct FileDifference {
    /// What became of it.
    pub touched: Touched,
    /// Its path.
    pub path: String,
    /// Its path before, where it was moved.
    pub from: Option<String>,
    /// What it is now: `script`, `elf`.
    pub kind: String,
    /// Its size before, in bytes.
    pub before_bytes: Option<u64>,
    /// Its size now, in bytes.
    pub after_bytes: Option<u64>,
}

/// What changed in a text.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct TextDifference {
    /// The file's path.
    pub path: String,
    /// Line by line, with a few around that did not change.
    pub lines: Vec<TextLine>,
    /// Of long lines: the places that differ.
    pub places: Vec<Place>,
    /// Whether more differs than stands here.
    pub is_cut: bool,
}

/// A line of a text, before and now: equal where both are there and the same.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct TextLine {
    /// Its number before, from 1.
    pub before_number: Option<u64>,
    /// As it was.
    pub before: Option<String>,
    /// Its number now, from 1.
    pub after_number: Option<u64>,
    /// As it is.
    pub after: Option<String>,
}

/// A place in a long line that differs.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Place {
    /// The line now, from 1.
    pub line: u64,
    /// The byte in it, from 1.
    pub column: u64,
    /// What stood there; cut.
    pub before: String,
    /// What stands there; cut.
    pub after: String,
}

impl Differences {
    /// By the latest examination that compared; none if none did.
    pub async fn read(vault: &dyn Vault, case: &Case) -> Result<Option<Self>, VaultError> {
        let examined = case.manifests.iter().rev().map(|manifest| {
            (manifest.acquisitions.iter())
                .filter(|acquisition| acquisition.request.artifact == ArtifactKind::Examination)
                .flat_map(|acquisition| &acquisition.exhibits)
                .collect::<Vec<_>>()
        });
        let is_changes = |exhibit: &&&Exhibit| {
            exhibit.media_type == "application/json" && exhibit.name.starts_with("changes-")
        };
        let found = examined
            .filter_map(|exhibits| {
                let changes = exhibits.iter().find(is_changes).copied()?;
                Some((changes, exhibits))
            })
            .next();
        let Some((changes, exhibits)) = found else {
            return Ok(None);
        };
        let document = match exhibit_bytes(vault, changes).await? {
            Ok(bytes) => {
                serde_json::from_slice::<Document>(&bytes).map_err(|error| error.to_string())
            }
            Err(fault) => Err(fault.to_string()),
        };
        let mut told = match document {
            Ok(document) => document.told(&changes.name),
            Err(why) => {
                let mut told = Document::default().told(&changes.name);
                told.gaps.push(format!("{}: {why}", changes.name));
                told
            }
        };
        let is_files =
            |exhibit: &&&Exhibit| is_lines(exhibit) && exhibit.name.starts_with("difference-");
        let parts: Vec<&Exhibit> = exhibits.iter().filter(is_files).copied().collect();
        let mut room = MOST_TEXT_BYTES;
        let mut unreadable = 0_u64;
        let mut current = None;
        let gaps = each_line(vault, parts, |line| {
            match serde_json::from_slice::<FileLine>(line.bytes) {
                Ok(line) => told.take(line, &mut current, &mut room),
                Err(_) => unreadable += 1,
            }
            ControlFlow::Continue(())
        })
        .await?;
        told.gaps.extend(gaps);
        if unreadable > 0 {
            told.gaps
                .push(format!("{unreadable} lines of differences are none"));
        }
        told.gaps = crate::few(told.gaps, 20);
        Ok(Some(told))
    }

    /// Whether nothing is different.
    pub fn is_empty(&self) -> bool {
        self.settings.is_empty() && self.parts.is_empty()
    }

    fn take(&mut self, line: FileLine, current: &mut Option<usize>, room: &mut usize) {
        if let FileLine::Part(head) = &line {
            let name = shown(&head.part, 100);
            *current = self.parts.iter().position(|part| part.part == name);
            return;
        }
        let Some(part) = current.and_then(|place| self.parts.get_mut(place)) else {
            return;
        };
        match line {
            FileLine::Part(_) | FileLine::Binary(IgnoredAny) => {}
            FileLine::Changed(change) => part.file(Touched::Changed, &change.after, {
                Some(change.before.size_bytes)
            }),
            FileLine::Added(file) => part.file(Touched::Added, &file, None),
            FileLine::Removed(file) => part.file(Touched::Removed, &file, None),
            FileLine::Moved(moved) => {
                part.file(Touched::Moved, &moved.after, Some(moved.after.size_bytes));
                if let Some(file) = part.files.last_mut().filter(|_| part.more_files == 0) {
                    file.from = Some(shown(&moved.from, 300));
                }
            }
            FileLine::Text(text) => part.text(&text, room),
        }
    }
}

impl PartDifference {
    fn file(&mut self, touched: Touched, file: &FileFacts, before_bytes: Option<u64>) {
        if self.files.len() >= MOST_FILES {
            self.more_files += 1;
            return;
        }
        let (before_bytes, after_bytes) = match touched {
            Touched::Removed => (Some(file.size_bytes), None),
            _ => (before_bytes, Some(file.size_bytes)),
        };
        self.files.push(FileDifference {
            touched,
            path: shown(&file.path, 300),
            from: None,
            kind: shown(file.kind.as_str().unwrap_or_default(), 40),
            before_bytes,
            after_bytes,
        });
    }

    fn text(&mut self, text: &TextChange, room: &mut usize) {
        if self.texts.len() >= MOST_TEXTS || *room == 0 {
            self.more_texts += 1;
            return;
        }
        let mut told = TextDifference {
            path: shown(&text.path, 300),
            is_cut: text.is_cut,
            ..TextDifference::default()
        };
        side_by_side(text.unified.as_deref().unwrap_or_default(), &mut told, room);
        for place in text.excerpts.iter().take(20) {
            told.places.push(Place {
                line: place.line,
                column: place.column,
                before: shown(&place.before, LONGEST_LINE),
                after: shown(&place.after, LONGEST_LINE),
            });
        }
        self.texts.push(told);
    }
}

/// A unified difference as two columns: what went stands beside what came in its place.
fn side_by_side(unified: &str, told: &mut TextDifference, room: &mut usize) {
    let (mut before, mut after) = (0_u64, 0_u64);
    // Where the next added line goes: beside the first removed one that has none yet.
    let mut beside = 0;
    for line in unified.lines() {
        if told.lines.len() >= MOST_LINES || *room < line.len() {
            told.is_cut = true;
            *room = room.saturating_sub(line.len());
            return;
        }
        if let Some(places) = line.strip_prefix("@@ ") {
            (before, after) = beginnings(places);
            if !told.lines.is_empty() {
                told.lines.push(TextLine::default());
            }
            beside = told.lines.len();
            continue;
        }
        // Before the first place come the names of the files.
        if (before, after) == (0, 0) {
            continue;
        }
        *room -= line.len();
        let text = |from: usize| Some(shown(line.get(from..).unwrap_or_default(), LONGEST_LINE));
        match line.as_bytes().first() {
            Some(b'-') => {
                told.lines.push(TextLine {
                    before_number: Some(before),
                    before: text(1),
                    ..TextLine::default()
                });
                before += 1;
            }
            Some(b'+') => {
                let free = told.lines.get_mut(beside).filter(|row| row.after.is_none());
                match free {
                    Some(row) => {
                        row.after_number = Some(after);
                        row.after = text(1);
                    }
                    None => told.lines.push(TextLine {
                        after_number: Some(after),
                        after: text(1),
                        ..TextLine::default()
                    }),
                }
                beside += 1;
                after += 1;
            }
            Some(b' ') | None => {
                told.lines.push(TextLine {
                    before_number: Some(before),
                    before: text(1),
                    after_number: Some(after),
                    after: text(1),
                });
                before += 1;
                after += 1;
                beside = told.lines.len();
            }
            // `\ No newline at end of file`.
            Some(_) => {}
        }
    }
}

/// `-1,7 +1,9 @@`: where what follows begins, before and now.
fn beginnings(places: &str) -> (u64, u64) {
    let mut numbers = places.split(' ').take(2).map(|place| {
        let first = place.trim_start_matches(['-', '+']).split(',').next();
        first.and_then(|first| first.parse().ok()).unwrap_or(1)
    });
    let before: u64 = numbers.next().unwrap_or(1);
    // Of a file that came, nothing was before: the count begins with 0 there.
    (before.max(1), numbers.next().unwrap_or(1).max(1))
}

/// The document `changes-PASS`, as far as it is told.
#[derive(Default, Deserialize)]
#[serde(default)]
struct Document {
    baseline: String,
    recorded_at: Option<Timestamp>,
    changes: Vec<Change>,
    gaps: Vec<NotCompared>,
    tracing_turned_on_by_coldcase: bool,
    parts: Vec<PartChange>,
}

#[derive(Deserialize)]
struct Change {
    kind: String,
    subject: String,
    before: Option<String>,
    after: Option<String>,
    statement: String,
    severity: Severity,
}

#[derive(Deserialize)]
struct NotCompared {
    subject: String,
    is_before: bool,
    why: String,
}

#[derive(Deserialize)]
struct PartChange {
    part: String,
    before_sha256: Sha256Digest,
    after_sha256: Sha256Digest,
    #[serde(default)]
    added: usize,
    #[serde(default)]
    removed: usize,
    #[serde(default)]
    changed: usize,
    #[serde(default)]
    moved: usize,
    not_compared: Option<String>,
}

/// A line of `difference-PART-NNNN-PASS`.
#[derive(Deserialize)]
#[serde(rename_all = "kebab-case")]
enum FileLine {
    Changed(FileChange),
    Added(FileFacts),
    Removed(FileFacts),
    Moved(Moved),
    Text(TextChange),
    Binary(IgnoredAny),
    #[serde(untagged)]
    Part(Head),
}

#[derive(Deserialize)]
struct Head {
    #[serde(deserialize_with = "name_of")]
    part: String,
}

fn name_of<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<String, D::Error> {
    #[derive(Deserialize)]
    struct Named {
        part: String,
    }
    Ok(Named::deserialize(deserializer)?.part)
}

#[derive(Deserialize)]
struct FileChange {
    before: FileFacts,
    after: FileFacts,
}

#[derive(Deserialize)]
struct Moved {
    from: String,
    after: FileFacts,
}

#[derive(Deserialize)]
struct FileFacts {
    path: String,
    #[serde(default)]
    kind: Value,
    #[serde(default)]
    size_bytes: u64,
}

#[derive(Deserialize)]
struct TextChange {
    path: String,
    unified: Option<String>,
    #[serde(default)]
    excerpts: Vec<Excerpt>,
    #[serde(default)]
    is_cut: bool,
}

#[derive(Deserialize)]
struct Excerpt {
    line: u64,
    column: u64,
    before: String,
    after: String,
}

impl Document {
    fn told(self, name: &str) -> Differences {
        let text = |text: &str| shown(text, 500);
        let optional = |value: &Option<String>| value.as_deref().map(text);
        Differences {
            exhibit: shown(name, 100),
            baseline: text(&self.baseline),
            recorded_at: self.recorded_at,
            more_settings: self.changes.len().saturating_sub(MOST_SETTINGS),
            settings: (self.changes.iter().take(MOST_SETTINGS))
                .map(|change| Setting {
                    kind: shown(&change.kind, 40),
                    subject: text(&change.subject),
                    before: optional(&change.before),
                    after: optional(&change.after),
                    statement: text(&change.statement),
                    severity: change.severity,
                })
                .collect(),
            not_compared: (self.gaps.iter().take(100))
                .map(|gap| {
                    let when = if gap.is_before {
                        "as it was"
                    } else {
                        "as it is"
                    };
                    text(&format!("{}, {when}: {}", gap.subject, gap.why))
                })
                .collect(),
            tracing_turned_on_by_coldcase: self.tracing_turned_on_by_coldcase,
            parts: (self.parts.into_iter().take(MOST_PARTS))
                .map(|part| PartDifference {
                    part: shown(&part.part, 100),
                    before_sha256: part.before_sha256,
                    after_sha256: part.after_sha256,
                    added: part.added,
                    removed: part.removed,
                    changed: part.changed,
                    moved: part.moved,
                    not_compared: optional(&part.not_compared),
                    files: Vec::new(),
                    more_files: 0,
                    texts: Vec::new(),
                    more_texts: 0,
                })
                .collect(),
            gaps: Vec::new(),
        }
    }
}
