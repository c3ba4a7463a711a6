//! What is different between two packages: which files, and what in them.
//!
//! [`FileChanges::between`] compares two lists of files by digest; [`Difference::read`] looks into
//! both packages once more, for the lines of texts that changed and for what says something of
//! programs. All of it is bounded, and what was left out is said.

mod binary;
mod markdown;
mod text;

pub use binary::{BinaryChange, BinaryFacts};
pub use text::{Excerpt, TextChange, unified};

use crate::{Content, Contents, File, Kind, Limits, Source, Unreadable};
use evidence::Sha256Digest;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};

/// How many files are looked into.
const LOOKED_INTO: usize = 500;
/// How much of a text is compared line by line, in bytes.
const TEXT_BYTES: usize = 1 << 20;
/// How much of all texts is held at a time, in bytes.
const HELD_BYTES: usize = 32 << 20;
/// How much is written down of all differences in texts, in bytes.
const WRITTEN_BYTES: usize = 4 << 20;

/// Which files are different. Times make no difference, and of modes only who may run a file.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct FileChanges {
    /// Only there now.
    pub added: Vec<FileFacts>,
    /// Only there before.
    pub removed: Vec<FileFacts>,
    /// There both times, and not the same.
    pub changed: Vec<FileChange>,
    /// The same bytes under another path.
    pub moved: Vec<Moved>,
    /// How many files are the same.
    pub unchanged: usize,
    /// How many have the same path, kind and size both times, and could not be read at one of them.
    pub unknown: usize,
    /// Whether both packages were read whole: else files may be missing here.
    pub is_complete: bool,
}

/// What is known of a file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FileFacts {
    /// Its path. Chosen by the attacker: escape it on the way out.
    pub path: String,
    /// What it is.
    pub kind: Kind,
    /// Its size in bytes.
    pub size_bytes: u64,
    /// Its digest, if it was read.
    pub sha256: Option<Sha256Digest>,
    /// Unix permission bits, where the archive has them.
    pub mode: Option<u32>,
    /// Where a link leads.
    pub link_to: Option<String>,
}

/// A file before and now.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FileChange {
    /// As it was.
    pub before: FileFacts,
    /// As it is.
    pub after: FileFacts,
}

/// The same bytes under another path.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Moved {
    /// The path before.
    pub from: String,
    /// As it is.
    pub after: FileFacts,
}

impl FileChanges {
    /// Compares two lists of files.
    pub fn between(before: &Contents, after: &Contents) -> Self {
        let was = by_path(before);
        let is = by_path(after);
        let mut changes = Self {
            is_complete: before.is_complete && after.is_complete,
            ..Self::default()
        };
        for (path, old) in &was {
            match is.get(path) {
                None => changes.removed.push(FileFacts::of(path, old)),
                Some(new) if differ(old, new) => changes.changed.push(FileChange {
                    before: FileFacts::of(path, old),
                    after: FileFacts::of(path, new),
                }),
                Some(new) if is_unknown(old) || is_unknown(new) => changes.unknown += 1,
                Some(_) => changes.unchanged += 1,
            }
        }
        let new = is.iter().filter(|(path, _)| !was.contains_key(*path));
        changes.added = new.map(|(path, file)| FileFacts::of(path, file)).collect();
        changes.pair_moved();
        changes
    }

    /// Whether nothing is different.
    pub fn is_empty(&self) -> bool {
        self.added.is_empty()
            && self.removed.is_empty()
            && self.changed.is_empty()
            && self.moved.is_empty()
    }

    /// Takes what went and what came with the same bytes together.
    fn pair_moved(&mut self) {
        let mut gone: BTreeMap<[u8; 32], Vec<usize>> = BTreeMap::new();
        for (index, file) in self.removed.iter().enumerate().rev() {
            if let Some(digest) = file.sha256.filter(|_| file.size_bytes > 0) {
                gone.entry(*digest.as_bytes()).or_default().push(index);
            }
        }
        let mut paired = BTreeSet::new();
        let mut added = Vec::new();
        for file in std::mem::take(&mut self.added) {
            let digest = file.sha256.filter(|_| file.size_bytes > 0);
            let from = digest.and_then(|digest| gone.get_mut(digest.as_bytes())?.pop());
            match from.and_then(|index| Some((index, self.removed.get(index)?))) {
                Some((index, old)) => {
                    paired.insert(index);
                    self.moved.push(Moved {
                        from: old.path.clone(),
                        after: file,
                    });
                }
                None => added.push(file),
            }
        }
        self.added = added;
        let removed = std::mem::take(&mut self.removed).into_iter().enumerate();
        let left = removed.filter(|(index, _)| !paired.contains(index));
        self.removed = left.map(|(_, file)| file).collect();
    }
}

impl FileFacts {
    fn of(path: &str, file: &File) -> Self {
        Self {
            path: path.to_owned(),
            kind: file.kind,
            size_bytes: file.size_bytes,
            sha256: file.sha256,
            mode: file.mode,
            link_to: file.link_to.clone(),
        }
    }

    fn is_text(&self) -> bool {
        // Data too: one control character in a text makes it that. What is held is UTF-8.
        matches!(
            self.kind,
            Kind::Text | Kind::Script | Kind::Empty | Kind::Data
        )
    }
}

/// The files by path; of two with one path the last, which is the one that is there once unpacked.
fn by_path(contents: &Contents) -> BTreeMap<&str, &File> {
    let files = contents.files.iter();
    files.map(|file| (file.path.as_str(), file)).collect()
}

fn is_unknown(file: &File) -> bool {
    file.sha256.is_none() && !matches!(file.kind, Kind::Link | Kind::Special)
}

fn differ(before: &File, after: &File) -> bool {
    // Who may run it, and as whom; the rest differs from one packer to the next.
    let may_run = |mode: Option<u32>| mode.map(|mode| (mode & 0o111 != 0, mode & 0o6000));
    let bytes = match (before.sha256, after.sha256) {
        (Some(a), Some(b)) => a != b,
        _ => before.size_bytes != after.size_bytes,
    };
    let mode = match (may_run(before.mode), may_run(after.mode)) {
        (Some(a), Some(b)) => a != b,
        _ => false,
    };
    bytes || mode || before.kind != after.kind || before.link_to != after.link_to
}

/// Which files are different, and what in them.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Difference {
    /// Which files.
    pub files: FileChanges,
    /// What changed in texts: those that changed, then those that came.
    pub texts: Vec<TextChange>,
    /// What is to be said of what is no text.
    pub binaries: Vec<BinaryChange>,
    /// Files that were not looked into, because there are too many or they are too large.
    pub not_looked_into: usize,
}

impl Difference {
    /// Looks into the files that are different. The limits must be those that both were read with.
    ///
    /// # Errors
    /// As [`Source::read`].
    pub fn read(
        (before, was): (&mut Source, &Contents),
        (after, is): (&mut Source, &Contents),
        limits: &Limits,
    ) -> Result<Self, Unreadable> {
        let files = FileChanges::between(was, is);
        let mut old = Looked::default();
        let mut new = Looked::default();
        let wanted = Wanted::of(&files);
        before.pick(&wanted.before, limits, &mut |path, content| {
            old.take(path, content);
        })?;
        after.pick(&wanted.after, limits, &mut |path, content| {
            new.take(path, content);
        })?;
        let mut difference = Self {
            files: FileChanges::default(),
            texts: Vec::new(),
            binaries: Vec::new(),
            not_looked_into: wanted.left_out,
        };
        let mut room = WRITTEN_BYTES;
        for change in &files.changed {
            if change.before.sha256.is_some() && change.before.sha256 == change.after.sha256 {
                continue;
            }
            let path = &change.after.path;
            if change.before.is_text() && change.after.is_text() {
                // Of one that is too long to be held there is nothing to compare with.
                let before = old.texts.remove(path);
                let after = new.texts.remove(path);
                if let (Some(before), Some(after)) = (before, after)
                    && difference.text(path, &before, &after, &mut room)
                {
                    continue;
                }
            }
            difference.binary(path, &mut old, &mut new);
        }
        for file in files.added.iter().filter(|file| file.kind != Kind::Empty) {
            let after = new.texts.remove(&file.path).filter(|_| file.is_text());
            match after {
                Some(after) if difference.text(&file.path, &[], &after, &mut room) => {}
                _ => difference.binary(&file.path, &mut old, &mut new),
            }
        }
        difference.files = files;
        Ok(difference)
    }

    /// Whether something is to be told of it as a text.
    fn text(&mut self, path: &str, before: &[u8], after: &[u8], room: &mut usize) -> bool {
        let change = TextChange::between(path, before, after, *room);
        *room = room.saturating_sub(change.as_ref().map_or(0, TextChange::size));
        let is_text = change.is_some();
        self.texts.extend(change);
        is_text
    }

    fn binary(&mut self, path: &str, old: &mut Looked, new: &mut Looked) {
        let (before, after) = (old.facts.remove(path), new.facts.remove(path));
        if before.is_some() || after.is_some() {
            let change = BinaryChange::between(path, before, after);
            self.binaries.push(change);
        }
    }
}

/// Which files are looked into: those that changed first.
struct Wanted {
    before: BTreeSet<String>,
    after: BTreeSet<String>,
    left_out: usize,
}

impl Wanted {
    fn of(files: &FileChanges) -> Self {
        let is_file = |file: &&FileFacts| !matches!(file.kind, Kind::Link | Kind::Special);
        let changed = files.changed.iter().map(|change| &change.after);
        let all: Vec<&FileFacts> = changed.chain(&files.added).filter(is_file).collect();
        let after: BTreeSet<String> = all
            .iter()
            .take(LOOKED_INTO)
            .map(|file| file.path.clone())
            .collect();
        let before = files.changed.iter().map(|change| &change.before.path);
        Self {
            before: before
                .filter(|path| after.contains(*path))
                .cloned()
                .collect(),
            left_out: all.len().saturating_sub(LOOKED_INTO),
            after,
        }
    }
}

/// What was seen of one package.
#[derive(Default)]
struct Looked {
    texts: BTreeMap<String, Vec<u8>>,
    facts: BTreeMap<String, BinaryFacts>,
    held: usize,
}

impl Looked {
    fn take(&mut self, path: &str, content: Content<'_>) {
        let bytes = content.bytes;
        self.facts
            .insert(path.to_owned(), BinaryFacts::of(bytes, content.is_whole));
        let fits = bytes.len() <= TEXT_BYTES && self.held + bytes.len() <= HELD_BYTES;
        if content.is_whole && fits && text::as_text(bytes).is_some() {
            self.held += bytes.len();
            self.texts.insert(path.to_owned(), bytes.to_vec());
        }
    }
}

#[cfg(test)]
mod tests;
