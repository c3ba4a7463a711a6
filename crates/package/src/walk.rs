//! One walk through a source: names are admitted, bytes poured within the limits, archives within
//! archives entered, and what is odd written down.

use crate::source::Unreadable;
use crate::{Content, Contents, File, Irregularity, Kind, Limits, Observer, Oddity};
use crate::{tarred, zipped};
use evidence::{Sha256Digest, is_hidden, shown};
use sha2::{Digest as _, Sha256};
use std::collections::hash_map::{Entry, RandomState};
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::hash::BuildHasher as _;
use std::io;
use unicode_normalization::UnicodeNormalization as _;

/// How many irregularities of one kind are written down one by one.
const EACH_ODDITY: usize = 200;

/// Bytes of all paths together: a directory of names alone can otherwise fill the memory.
const PATHS_BYTES: usize = 32 << 20;

/// From which size on ratios are looked at.
const RATIO_FROM_BYTES: u64 = 1 << 20;

/// A held buffer that is larger is given back once its file has passed.
const KEPT_BYTES: usize = 1 << 20;

/// Unpacked bytes on their way.
pub(crate) trait Stream {
    /// The next of them; none at the end.
    fn next(&mut self) -> Result<&[u8], Broken>;

    /// How many packed bytes were taken for them so far; none if they are not packed one by one.
    fn packed_bytes(&self) -> Option<u64> {
        None
    }
}

/// Why a stream does not go on.
#[derive(Debug)]
pub(crate) enum Broken {
    /// The system failed.
    Io(io::Error),
    /// It ends too soon.
    Short,
    /// Its bytes make no sense.
    Corrupt,
}

impl From<io::Error> for Broken {
    fn from(error: io::Error) -> Self {
        Self::Io(error)
    }
}

/// Where the walk is: in which archive within which.
#[derive(Clone, Debug, Default)]
pub(crate) struct Place {
    /// What stands before every path: nothing, or `lib/a.jar!/`.
    pub prefix: String,
    /// Archives around it.
    pub depth: usize,
}

impl Place {
    /// The path of the archive itself, if it lies in another.
    pub fn archive(&self) -> Option<&str> {
        self.prefix.strip_suffix("!/")
    }
}

/// What an archive says of an entry.
#[derive(Clone, Debug, Default)]
pub(crate) struct Met {
    pub path: String,
    pub mode: Option<u32>,
    pub modified_at: Option<String>,
}

/// How the bytes of a file came.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Poured {
    /// All of them, so many.
    Whole(u64),
    /// Not all: the stream broke, and this says so.
    Broken,
    /// Not all: the limits, and that is written down.
    Beyond,
    /// Not looked at: nobody asked, or the walk is over.
    Skipped,
}

/// Who wants to see the files.
pub(crate) enum Visitor<'v, 'o> {
    /// Everybody sees all.
    Observers(&'v mut [&'o mut dyn Observer]),
    /// Some files only.
    Pick {
        wanted: &'v BTreeSet<String>,
        left: usize,
        found: &'v mut dyn FnMut(&str, Content<'_>),
    },
}

/// The walk.
pub(crate) struct Walk<'v, 'o> {
    pub limits: Limits,
    pub contents: Contents,
    visitor: Visitor<'v, 'o>,
    /// Bytes of the outermost source as packed; none if nothing is packed.
    packed_bytes: Option<u64>,
    spent_bytes: u64,
    worked_bytes: u64,
    entries: usize,
    /// Of every path met, a keyed hash, and the last number given to its name: that two hashes agree by
    /// chance does not happen, and would only give a file a number.
    paths: HashMap<u64, u64>,
    key: RandomState,
    paths_bytes: usize,
    held_outside: usize,
    /// Nothing more is read.
    is_spent: bool,
    /// Nothing more is listed.
    is_full: bool,
    met: HashMap<Oddity, usize>,
    spare: Vec<u8>,
}

impl<'v, 'o> Walk<'v, 'o> {
    pub fn new(limits: &Limits, packed_bytes: Option<u64>, visitor: Visitor<'v, 'o>) -> Self {
        Self {
            limits: *limits,
            contents: Contents {
                is_complete: true,
                ..Contents::default()
            },
            visitor,
            packed_bytes,
            spent_bytes: 0,
            worked_bytes: 0,
            entries: 0,
            paths: HashMap::new(),
            key: RandomState::new(),
            paths_bytes: 0,
            held_outside: 0,
            is_spent: false,
            is_full: false,
            met: HashMap::new(),
            spare: Vec::new(),
        }
    }

    /// What was seen, once all was.
    pub fn finish(mut self) -> Contents {
        if matches!(self.visitor, Visitor::Observers(_)) {
            self.note_twins();
        }
        let untold: BTreeMap<Oddity, usize> = self
            .met
            .iter()
            .filter(|(_, count)| **count > EACH_ODDITY)
            .map(|(oddity, count)| (*oddity, count - EACH_ODDITY))
            .collect();
        for (oddity, count) in untold {
            self.contents.irregularities.push(Irregularity {
                oddity,
                path: None,
                detail: format!("{count} more of this kind are not listed"),
            });
        }
        self.contents
    }

    /// Whether nothing more is read: the limits are reached, or everything wanted was found.
    pub fn reads_no_more(&self) -> bool {
        self.is_spent || self.lists_no_more()
    }

    /// Whether nothing more is even listed.
    pub fn lists_no_more(&self) -> bool {
        self.is_full || matches!(&self.visitor, Visitor::Pick { left: 0, .. })
    }

    /// How many entries may still be met.
    pub fn entries_left(&self) -> usize {
        self.limits.entries.saturating_sub(self.entries)
    }

    /// Writes down what is odd.
    pub fn odd(&mut self, oddity: Oddity, path: Option<&str>, detail: impl Into<String>) {
        if matches!(
            oddity,
            Oddity::BeyondLimits
                | Oddity::Bomb
                | Oddity::Encrypted
                | Oddity::Truncated
                | Oddity::UnknownMethod
                | Oddity::Refused
        ) {
            self.contents.is_complete = false;
        }
        let count = self.met.entry(oddity).or_default();
        *count += 1;
        if *count <= EACH_ODDITY {
            self.contents.irregularities.push(Irregularity {
                oddity,
                path: path.map(str::to_owned),
                detail: detail.into(),
            });
        }
    }

    /// From here on nothing is read any more.
    fn stop(&mut self, oddity: Oddity, path: Option<&str>, detail: impl Into<String>) {
        if !self.is_spent {
            self.odd(oddity, path, detail);
            self.is_spent = true;
        }
    }

    /// Counts bytes that were read only to get past them.
    pub fn work(&mut self, bytes: u64) {
        self.worked_bytes = self.worked_bytes.saturating_add(bytes);
        if let Some(packed) = self.packed_bytes
            && self.worked_bytes > RATIO_FROM_BYTES
            && self.worked_bytes / self.limits.ratio.max(1) > packed
        {
            let ratio = self.limits.ratio;
            self.stop(
                Oddity::Bomb,
                None,
                format!("unpacks to more than {ratio} times its {packed} packed bytes"),
            );
        } else if self.worked_bytes > self.limits.total_bytes.saturating_mul(2) {
            self.stop(
                Oddity::BeyondLimits,
                None,
                "more bytes were read to get at the files than the limit of bytes allows",
            );
        }
    }

    /// Counts an entry and takes its name. None once the limits are reached.
    pub fn admit(&mut self, place: &Place, name: &[u8]) -> Option<String> {
        if self.lists_no_more() {
            return None;
        }
        if self.entries >= self.limits.entries {
            let most = self.limits.entries;
            self.is_full = true;
            self.odd(
                Oddity::BeyondLimits,
                place.archive(),
                format!("more than {most} entries; the rest is not listed"),
            );
            return None;
        }
        self.entries += 1;
        let path = self.path_of(place, name);
        self.paths_bytes += path.len();
        if self.paths_bytes > PATHS_BYTES {
            self.is_full = true;
            self.odd(
                Oddity::BeyondLimits,
                place.archive(),
                format!("the paths take more than {PATHS_BYTES} bytes; the rest is not listed"),
            );
            return None;
        }
        Some(path)
    }

    /// A folder: only its name matters.
    pub fn folder(&mut self, path: &str, name: &[u8]) {
        self.judge_name(path, name);
    }

    /// A name that nobody has had yet: the second of the same becomes `name#2`.
    fn unique(&mut self, path: String, name: &[u8]) -> String {
        self.judge_name(&path, name);
        let hash = self.key.hash_one(&path);
        let Some(mut count) = self.paths.get(&hash).copied() else {
            self.paths.insert(hash, 1);
            return path;
        };
        // Ten thousand of one name must not try ten thousand numbers each.
        let other = loop {
            count += 1;
            let other = format!("{path}#{count}");
            let other_hash = self.key.hash_one(&other);
            if let Entry::Vacant(entry) = self.paths.entry(other_hash) {
                entry.insert(1);
                break other;
            }
        };
        self.paths.insert(hash, count);
        self.odd(
            Oddity::DuplicateName,
            Some(&other),
            format!("another entry of this name, listed with #{count} behind it"),
        );
        other
    }

    /// A regular file: poured, hashed, listed, shown, and entered if it is an archive.
    pub fn regular(
        &mut self,
        place: &Place,
        met: Met,
        name: &[u8],
        stream: Option<&mut dyn Stream>,
    ) -> Result<Poured, Unreadable> {
        let path = self.unique(met.path, name);
        if let Some(mode) = met.mode.filter(|mode| mode & 0o6000 != 0) {
            self.odd(
                Oddity::Privileged,
                Some(&path),
                format!("runs with the rights of its owner: mode {mode:04o}"),
            );
        }
        let mut held = if self.held_outside == 0 {
            std::mem::take(&mut self.spare)
        } else {
            Vec::new()
        };
        held.clear();
        let room = self.limits.held_bytes.saturating_sub(self.held_outside);
        let mut hash = Sha256::new();
        let (poured, size_bytes) = match stream {
            Some(stream) if self.wants(&path) => {
                self.pour(&path, stream, room, &mut hash, &mut held)?
            }
            _ => (Poured::Skipped, 0),
        };
        let is_whole = poured == Poured::Whole(held.len() as u64);
        let kind = Kind::of(&held, is_whole);
        let file = File {
            sha256: matches!(poured, Poured::Whole(_))
                .then(|| Sha256Digest::from_bytes(hash.finalize().into())),
            path,
            size_bytes,
            mode: met.mode,
            modified_at: met.modified_at,
            kind,
            link_to: None,
        };
        if is_whole || !held.is_empty() {
            let content = Content {
                bytes: &held,
                is_whole,
            };
            match &mut self.visitor {
                Visitor::Observers(observers) => {
                    for observer in observers.iter_mut() {
                        observer.file(&file, content);
                    }
                }
                Visitor::Pick {
                    wanted,
                    left,
                    found,
                } => {
                    if wanted.contains(&file.path) {
                        *left -= 1;
                        found(&file.path, content);
                    }
                }
            }
        }
        let path = file.path.clone();
        if matches!(self.visitor, Visitor::Observers(_)) {
            self.contents.files.push(file);
        }
        if !held.is_empty() {
            if held.capacity() - held.len() > KEPT_BYTES {
                held.shrink_to_fit();
            }
            let taken = held.capacity();
            self.held_outside += taken;
            let entered = self.enter(place, &path, kind, &held, is_whole);
            self.held_outside -= taken;
            entered?;
        }
        if self.held_outside == 0 && held.capacity() <= room.max(KEPT_BYTES) {
            self.spare = held;
        }
        Ok(poured)
    }

    /// A link and where it leads: from its own folder, or from the folder of all if `is_hard`.
    pub fn link(&mut self, met: Met, name: &[u8], target: &[u8], is_hard: bool) {
        let path = self.unique(met.path, name);
        let mut link_to = spelled(&target[..target.len().min(self.limits.path_bytes)]);
        if target.len() > self.limits.path_bytes {
            link_to.push('…');
        }
        let inner = match path.rsplit_once("!/") {
            _ if is_hard => "",
            Some((_, inner)) => inner,
            None => path.as_str(),
        };
        if link_to.starts_with('/') {
            self.odd(
                Oddity::EscapingLink,
                Some(&path),
                format!("leads to the absolute path {}", shown(&link_to, 100)),
            );
        } else if climbs_out(inner, &link_to) {
            self.odd(
                Oddity::EscapingLink,
                Some(&path),
                format!("leads out of the package to {}", shown(&link_to, 100)),
            );
        }
        self.list(path, met.mode, met.modified_at, Kind::Link, Some(link_to));
    }

    /// A device, a pipe, a socket.
    pub fn special(&mut self, met: Met, name: &[u8], what: &str) {
        let path = self.unique(met.path, name);
        self.odd(Oddity::SpecialFile, Some(&path), what);
        self.list(path, met.mode, met.modified_at, Kind::Special, None);
    }

    fn list(
        &mut self,
        path: String,
        mode: Option<u32>,
        modified_at: Option<String>,
        kind: Kind,
        link_to: Option<String>,
    ) {
        if matches!(self.visitor, Visitor::Observers(_)) {
            self.contents.files.push(File {
                path,
                sha256: None,
                size_bytes: 0,
                mode,
                modified_at,
                kind,
                link_to,
            });
        }
    }

    /// Whether anybody wants to see this file, or one within it.
    fn wants(&self, path: &str) -> bool {
        !self.reads_no_more()
            && match &self.visitor {
                Visitor::Observers(_) => true,
                Visitor::Pick { wanted, .. } => wanted.contains(path) || is_within(wanted, path),
            }
    }

    /// Takes what a stream gives, as far as the limits allow; how it went and how many bytes came.
    fn pour(
        &mut self,
        path: &str,
        stream: &mut dyn Stream,
        room: usize,
        hash: &mut Sha256,
        held: &mut Vec<u8>,
    ) -> Result<(Poured, u64), Unreadable> {
        let is_hashed = matches!(self.visitor, Visitor::Observers(_));
        let mut size_bytes = 0_u64;
        let mut worked = 0;
        let poured = loop {
            let broken = match stream.next() {
                Ok([]) => break Poured::Whole(size_bytes),
                Ok(chunk) => {
                    size_bytes += chunk.len() as u64;
                    self.spent_bytes = self.spent_bytes.saturating_add(chunk.len() as u64);
                    if is_hashed {
                        hash.update(chunk);
                    }
                    hold(held, chunk, room);
                    None
                }
                Err(broken) => Some(broken),
            };
            // Packed bytes that yield nothing are work as well.
            let packed = stream.packed_bytes();
            if let Some(packed) = packed {
                self.work(packed - worked);
                worked = packed;
            }
            match broken {
                None => {}
                Some(Broken::Io(error)) => return Err(Unreadable::reading(error)),
                Some(Broken::Short) => {
                    self.odd(
                        Oddity::Truncated,
                        Some(path),
                        format!("ends too soon, after {size_bytes} bytes"),
                    );
                    break Poured::Broken;
                }
                Some(Broken::Corrupt) => {
                    self.contents.is_complete = false;
                    self.odd(
                        Oddity::BadChecksum,
                        Some(path),
                        format!("its packed bytes make no sense after {size_bytes} unpacked bytes"),
                    );
                    break Poured::Broken;
                }
            }
            if self.is_beyond(path, size_bytes, packed) {
                break Poured::Beyond;
            }
        };
        if let Some(packed) = stream.packed_bytes() {
            self.work(packed - worked);
        }
        Ok((poured, size_bytes))
    }

    fn is_beyond(&mut self, path: &str, size_bytes: u64, packed: Option<u64>) -> bool {
        let ratio = self.limits.ratio;
        if self.spent_bytes > self.limits.total_bytes {
            let most = self.limits.total_bytes;
            self.stop(
                Oddity::BeyondLimits,
                Some(path),
                format!(
                    "all files together have more than {most} bytes; the rest was not looked at"
                ),
            );
        } else if let Some(packed) = self.packed_bytes
            && self.spent_bytes > RATIO_FROM_BYTES
            && self.spent_bytes / ratio.max(1) > packed
        {
            self.stop(
                Oddity::Bomb,
                Some(path),
                format!(
                    "all files together are more than {ratio} times larger than their {packed} \
                     packed bytes; the rest was not looked at"
                ),
            );
        } else if let Some(packed) = packed
            && size_bytes > RATIO_FROM_BYTES
            && size_bytes / ratio.max(1) > packed
        {
            self.odd(
                Oddity::Bomb,
                Some(path),
                format!(
                    "becomes more than {ratio} times larger than packed: {size_bytes} bytes of \
                     {packed}; its rest was not looked at"
                ),
            );
            return true;
        }
        self.is_spent
    }

    /// Goes into an archive within the archive.
    fn enter(
        &mut self,
        place: &Place,
        path: &str,
        kind: Kind,
        held: &[u8],
        is_whole: bool,
    ) -> Result<(), Unreadable> {
        if self.reads_no_more() {
            return Ok(());
        }
        if let Visitor::Pick { wanted, .. } = &self.visitor
            && !is_within(wanted, path)
        {
            return Ok(());
        }
        let shape = match Shape::of(held, kind) {
            Some(shape) => shape,
            None => return Ok(()),
        };
        if !is_whole {
            let most = self.limits.held_bytes;
            self.odd(
                Oddity::BeyondLimits,
                Some(path),
                format!("an archive that is larger than the {most} bytes held was not opened"),
            );
            return Ok(());
        }
        if place.depth >= self.limits.depth {
            let most = self.limits.depth;
            self.odd(
                Oddity::BeyondLimits,
                Some(path),
                format!("an archive within {most} archives was not opened"),
            );
            return Ok(());
        }
        let inner = Place {
            prefix: format!("{path}!/"),
            depth: place.depth + 1,
        };
        let mut bytes = held;
        match shape {
            Shape::Zip => zipped::read(self, &inner, &mut bytes),
            Shape::Tar => tarred::read(self, &inner, &mut bytes),
            Shape::Gzip => tarred::read_gzip(self, &inner, &mut bytes),
        }
    }

    fn path_of(&mut self, place: &Place, name: &[u8]) -> String {
        let mut path = place.prefix.clone();
        let name = trimmed(name);
        let most = self.limits.path_bytes.saturating_sub(path.len()).max(64);
        if name.is_empty() {
            path.push_str("(unnamed)");
            return path;
        }
        let spelled = spelled(name).replace("!/", "\\x21/");
        if spelled.len() <= most {
            path.push_str(&spelled);
        } else {
            path.push_str(&spelled[..spelled.floor_char_boundary(most - '…'.len_utf8())]);
            path.push('…');
            self.odd(
                Oddity::BeyondLimits,
                Some(&path),
                format!("a path of {} bytes is cut", name.len()),
            );
        }
        path
    }

    fn judge_name(&mut self, path: &str, name: &[u8]) {
        let name = trimmed(name);
        if name.is_empty() {
            self.odd(Oddity::HostileName, Some(path), "has no name");
            return;
        }
        let traversal = if name.first() == Some(&b'/') {
            Some("an absolute path")
        } else if name
            .split(|byte| matches!(byte, b'/' | b'\\'))
            .any(|part| part == b"..")
        {
            Some("a path that climbs out by `..`")
        } else if matches!(name, [letter, b':', ..] if letter.is_ascii_alphabetic()) {
            Some("a path that begins with a drive")
        } else if name.contains(&b'\\') {
            Some("a path with a backslash")
        } else {
            None
        };
        if let Some(how) = traversal {
            self.odd(Oddity::TraversingPath, Some(path), how);
        }
        let hostile = match std::str::from_utf8(name) {
            Err(_) => Some("its name is no UTF-8"),
            Ok(text) if text.chars().any(is_hidden) => {
                Some("its name has control characters, or characters that change how it is read")
            }
            Ok(text) if text.contains("!/") => {
                Some("its name looks like one within a nested archive")
            }
            Ok(_) => None,
        };
        if let Some(how) = hostile {
            self.odd(Oddity::HostileName, Some(path), how);
        }
    }

    /// Names that differ in case or in Unicode form only: one of them hides the other on some systems.
    fn note_twins(&mut self) {
        let mut folded: HashMap<u64, usize> = HashMap::new();
        let mut twins = Vec::new();
        for (index, file) in self.contents.files.iter().enumerate() {
            let key: String = if file.path.is_ascii() {
                file.path.to_ascii_lowercase()
            } else {
                file.path.nfc().flat_map(char::to_lowercase).nfc().collect()
            };
            match folded.entry(self.key.hash_one(key)) {
                Entry::Vacant(entry) => {
                    entry.insert(index);
                }
                Entry::Occupied(entry) => {
                    twins.push((*entry.get(), index));
                }
            }
        }
        for (first, second) in twins {
            let path = self.contents.files[second].path.clone();
            let other = shown(&self.contents.files[first].path, 100);
            self.odd(
                Oddity::DuplicateName,
                Some(&path),
                format!("differs from {other} in case or Unicode form only"),
            );
        }
    }
}

/// What an archive is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Shape {
    Zip,
    Tar,
    Gzip,
}

impl Shape {
    /// Told by the bytes; a zip may stand behind something else.
    pub fn of(bytes: &[u8], kind: Kind) -> Option<Self> {
        match kind {
            Kind::Zip => Some(Self::Zip),
            Kind::Tar => Some(Self::Tar),
            Kind::Compressed => tarred::is_gzip_of_tar(bytes).then_some(Self::Gzip),
            Kind::Elf | Kind::Pe | Kind::MachO | Kind::Script | Kind::Data => {
                zipped::ends_as_zip(bytes).then_some(Self::Zip)
            }
            _ => None,
        }
    }
}

/// Keeps the beginning, growing as bytes come and never beyond `room`.
fn hold(held: &mut Vec<u8>, chunk: &[u8], room: usize) {
    let taken = chunk.len().min(room.saturating_sub(held.len()));
    if taken == 0 {
        return;
    }
    if held.capacity() - held.len() < taken {
        let grown = (held.capacity() * 2).max(64 << 10).max(held.len() + taken);
        held.reserve_exact(grown.min(room) - held.len());
    }
    held.extend_from_slice(&chunk[..taken]);
}

/// Whether something within the archive at `path` is wanted.
fn is_within(wanted: &BTreeSet<String>, path: &str) -> bool {
    let prefix = format!("{path}!/");
    wanted
        .range(prefix.clone()..)
        .next()
        .is_some_and(|found| found.starts_with(&prefix))
}

/// A name without `./` before it.
fn trimmed(mut name: &[u8]) -> &[u8] {
    while let Some(rest) = name.strip_prefix(b"./") {
        name = rest;
    }
    name
}

/// Bytes as text: what is no UTF-8 as `\xNN`.
pub(crate) fn spelled(bytes: &[u8]) -> String {
    let mut text = String::new();
    for chunk in bytes.utf8_chunks() {
        text.push_str(chunk.valid());
        for byte in chunk.invalid() {
            text.push_str(&format!("\\x{byte:02X}"));
        }
    }
    text
}

/// Whether a link at `path` to `target` leaves the folder of all.
fn climbs_out(path: &str, target: &str) -> bool {
    let mut depth = path.split('/').count() as i64 - 1;
    for part in target.split('/') {
        match part {
            "" | "." => {}
            ".." => depth -= 1,
            _ => depth += 1,
        }
        if depth < 0 {
            return true;
        }
    }
    false
}
