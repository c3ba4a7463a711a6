//! What can be said of a file that is no text: size, kind, entropy, what a program takes from others.

use crate::Kind;
use object::read::elf::{Dyn as _, ElfFile, FileHeader};
use object::{Endianness, FileKind, Object as _};
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;

/// How many names are kept of one program.
const NAMES: usize = 20_000;
/// How many names are told of one difference.
const TOLD: usize = 200;
/// How long a name may be.
const NAME_BYTES: usize = 256;

/// What can be said of a file.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct BinaryFacts {
    /// What it is.
    pub kind: Kind,
    /// The bytes that were looked at.
    pub size_bytes: u64,
    /// Whether those are all.
    pub is_whole: bool,
    /// Bits per byte, 0 to 8, to two places; over 7.5 it is packed, encrypted or an image.
    pub entropy: f64,
    /// Symbols that a program takes from others.
    #[serde(skip)]
    imports: BTreeSet<String>,
    /// Libraries that a program needs.
    #[serde(skip)]
    libraries: BTreeSet<String>,
}

/// A file that is no text, before and now.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct BinaryChange {
    /// The file's path. Chosen by the attacker: escape it on the way out.
    pub path: String,
    /// As it was; none if it was not there.
    pub before: Option<BinaryFacts>,
    /// As it is.
    pub after: Option<BinaryFacts>,
    /// Symbols that it takes from others now and did not before. At most 200.
    pub imports_added: Vec<String>,
    /// Symbols that it no longer takes from others. At most 200.
    pub imports_removed: Vec<String>,
    /// Libraries that it needs now and did not before. At most 200.
    pub libraries_added: Vec<String>,
    /// Libraries that it no longer needs. At most 200.
    pub libraries_removed: Vec<String>,
    /// How many more names there are in the four lists.
    pub names_left_out: usize,
}

impl BinaryFacts {
    /// Of these bytes, which are the whole file or its beginning.
    pub fn of(bytes: &[u8], is_whole: bool) -> Self {
        let kind = Kind::of(bytes, is_whole);
        let (imports, libraries) = match kind {
            Kind::Elf | Kind::Pe | Kind::MachO => names(bytes),
            _ => Default::default(),
        };
        Self {
            kind,
            size_bytes: bytes.len() as u64,
            is_whole,
            entropy: entropy(bytes),
            imports,
            libraries,
        }
    }
}

impl BinaryChange {
    pub(super) fn between(
        path: &str,
        before: Option<BinaryFacts>,
        after: Option<BinaryFacts>,
    ) -> Self {
        let mut change = Self {
            path: path.to_owned(),
            ..Self::default()
        };
        let none = BTreeSet::new();
        let of = |facts: &Option<BinaryFacts>, get: fn(&BinaryFacts) -> &BTreeSet<String>| {
            facts
                .as_ref()
                .map_or_else(|| none.clone(), |facts| get(facts).clone())
        };
        let mut left_out = 0;
        let mut new = |these: &BTreeSet<String>, those: &BTreeSet<String>| -> Vec<String> {
            let mut names: Vec<String> = these.difference(those).cloned().collect();
            left_out += names.len().saturating_sub(TOLD);
            names.truncate(TOLD);
            names
        };
        let (was, is) = (of(&before, |f| &f.imports), of(&after, |f| &f.imports));
        change.imports_added = new(&is, &was);
        change.imports_removed = new(&was, &is);
        let (was, is) = (of(&before, |f| &f.libraries), of(&after, |f| &f.libraries));
        change.libraries_added = new(&is, &was);
        change.libraries_removed = new(&was, &is);
        change.names_left_out = left_out;
        change.before = before;
        change.after = after;
        change
    }
}

/// Shannon's entropy in bits per byte, to two places.
fn entropy(bytes: &[u8]) -> f64 {
    let mut counts = [0_u64; 256];
    for byte in bytes {
        counts[usize::from(*byte)] += 1;
    }
    let total = bytes.len() as f64;
    let bits: f64 = counts
        .iter()
        .filter(|count| **count > 0)
        .map(|count| {
            let share = *count as f64 / total;
            -share * share.log2()
        })
        .sum();
    (bits * 100.0).round() / 100.0
}

/// What a program takes from others: symbols, and libraries by name. Empty if it cannot be read.
fn names(bytes: &[u8]) -> (BTreeSet<String>, BTreeSet<String>) {
    let mut imports = BTreeSet::new();
    let mut libraries = BTreeSet::new();
    let name = |bytes: &[u8]| {
        let cut = bytes.get(..bytes.len().min(NAME_BYTES)).unwrap_or_default();
        String::from_utf8_lossy(cut).into_owned()
    };
    let listed = object::File::parse(bytes)
        .ok()
        .and_then(|file| file.imports().ok());
    for import in listed.into_iter().flatten().take(NAMES) {
        imports.insert(name(import.name()));
        if !import.library().is_empty() {
            libraries.insert(name(import.library()));
        }
    }
    let needed = match FileKind::parse(bytes) {
        Ok(FileKind::Elf32) => needed::<object::elf::FileHeader32<Endianness>>(bytes),
        Ok(FileKind::Elf64) => needed::<object::elf::FileHeader64<Endianness>>(bytes),
        _ => None,
    };
    libraries.extend(needed.into_iter().flatten().map(name));
    (imports, libraries)
}

/// The libraries that an ELF program says it needs.
fn needed<'a, Elf: FileHeader<Endian = Endianness>>(bytes: &'a [u8]) -> Option<Vec<&'a [u8]>> {
    let file = ElfFile::<'a, Elf>::parse(bytes).ok()?;
    let endian = file.endian();
    let sections = file.elf_section_table();
    let (entries, strings) = sections.dynamic(endian, bytes).ok()??;
    let strings = sections.strings(endian, bytes, strings).ok()?;
    let needed = entries
        .iter()
        .take(NAMES)
        .filter(|entry| entry.tag32(endian) == Some(object::elf::DT_NEEDED));
    Some(
        needed
            .filter_map(|entry| entry.string(endian, strings).ok())
            .collect(),
    )
}
