//! Zip archives: their directory, what stands before each entry, and whatever lies between.
//!
//! The layout is that of PKWARE's APPNOTE 6.3: local headers with their data, the central directory,
//! its end. Programs disagree about which of these to believe where they differ; here each
//! difference is written down, and what only one of them tells is listed all the same.

use crate::Oddity;
use crate::bytes::Bytes;
use crate::source::Unreadable;
use crate::walk::{Broken, Met, Place, Poured, Stream, Walk, spelled};
use evidence::shown;
use flate2::{Decompress, FlushDecompress, Status};
use std::io;

const LOCAL: [u8; 4] = *b"PK\x03\x04";
const CENTRAL: [u8; 4] = *b"PK\x01\x02";
const END: [u8; 4] = *b"PK\x05\x06";
const END_64: [u8; 4] = *b"PK\x06\x06";
const LOCATOR_64: [u8; 4] = *b"PK\x06\x07";
const DESCRIPTOR: [u8; 4] = *b"PK\x07\x08";
const SIGNATURE: [u8; 4] = *b"PK\x05\x05";

/// An end without a comment.
const END_BYTES: usize = 22;

/// The farthest from the end of the file that an end can begin.
const TAIL_BYTES: usize = END_BYTES + 0xffff;

/// How many places that look like an end are tried.
const MOST_ENDS: usize = 64;

/// Bytes unpacked at a time.
const CHUNK_BYTES: usize = 64 << 10;

/// How many spans between entries are searched for more entries.
const MOST_GAPS: usize = 100_000;

const STORED: u16 = 0;
const DEFLATED: u16 = 8;

/// Reads a zip.
pub(crate) fn read(
    walk: &mut Walk<'_, '_>,
    place: &Place,
    bytes: &mut dyn Bytes,
) -> Result<(), Unreadable> {
    Reader {
        walk,
        place,
        bytes,
        state: Decompress::new(false),
        chunk: vec![0; CHUNK_BYTES],
        spans: Vec::new(),
    }
    .read()
}

/// Whether these bytes end as a zip does, whatever they begin with.
pub(crate) fn ends_as_zip(mut bytes: &[u8]) -> bool {
    ends_as_zip_at(&mut bytes).unwrap_or(false)
}

/// The same of bytes that lie elsewhere.
pub(crate) fn ends_as_zip_at(bytes: &mut dyn Bytes) -> io::Result<bool> {
    Ok(ends(bytes)?.iter().any(|end| end.entries > 0))
}

/// An end of the directory that leads to a directory.
#[derive(Clone, Copy, Debug)]
struct End {
    /// Where the directory begins.
    directory_at: u64,
    /// Where the end begins, that of zip64 if there is one.
    at: u64,
    /// Where it ends, its comment included.
    to: u64,
    /// Where the comment should end but the file is over.
    is_cut: bool,
    entries: u64,
    /// What must be added to offsets: bytes put before the archive.
    shift: u64,
    /// Two places for the directory make sense.
    is_ambiguous: bool,
    is_split: bool,
}

/// What a header says of its entry.
#[derive(Clone, Debug, Default)]
struct Header {
    flags: u16,
    method: u16,
    time: u16,
    date: u16,
    crc: u32,
    packed: u64,
    size: u64,
    name: Vec<u8>,
    /// UTC, from an extended timestamp.
    modified: Option<i64>,
    /// The name again, in an extra field.
    other_name: Option<Vec<u8>>,
    is_aes: bool,
    lacks_zip64: bool,
}

struct Entry {
    header: Header,
    offset: u64,
    mode: Option<u32>,
    is_dos_folder: bool,
}

/// What stands before an entry's data.
struct Local {
    header: Header,
    data_at: u64,
}

struct Span {
    from: u64,
    to: u64,
    what: What,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum What {
    Entry(usize),
    Structure,
}

struct Reader<'z, 'w, 'v, 'o> {
    walk: &'w mut Walk<'v, 'o>,
    place: &'z Place,
    bytes: &'z mut dyn Bytes,
    state: Decompress,
    chunk: Vec<u8>,
    spans: Vec<Span>,
}

impl Reader<'_, '_, '_, '_> {
    fn read(mut self) -> Result<(), Unreadable> {
        let ends = ends(self.bytes).map_err(Unreadable::reading)?;
        let mut paths = Vec::new();
        let is_listed = !ends.is_empty();
        if let Some(end) = ends.first() {
            self.judge_end(end, &ends[1..]);
            let entries = self.directory(end).map_err(Unreadable::reading)?;
            for entry in &entries {
                match self.entry(entry, end.shift, paths.len())? {
                    Some(path) => paths.push(path),
                    None => break,
                }
            }
        } else {
            self.odd(
                Oddity::Truncated,
                "it has no directory at its end; entries are taken from what stands before them",
            );
        }
        let gaps = self.gaps(&paths);
        drop(paths);
        for (from, to) in gaps {
            if self.walk.reads_no_more() {
                break;
            }
            self.gap(from, to, is_listed)?;
        }
        Ok(())
    }

    fn odd(&mut self, oddity: Oddity, detail: impl Into<String>) {
        self.walk.odd(oddity, self.place.archive(), detail);
    }

    fn judge_end(&mut self, end: &End, others: &[End]) {
        if end.is_cut {
            self.odd(Oddity::Truncated, "its comment ends too soon");
        }
        if end.is_split {
            self.odd(
                Oddity::ContradictingHeaders,
                "it says to be one of several parts",
            );
        }
        if end.is_ambiguous || !others.is_empty() {
            self.odd(
                Oddity::ContradictingHeaders,
                "it has more than one directory: programs differ in which they read",
            );
        }
    }

    /// The entries of the directory, as many as the limits allow.
    fn directory(&mut self, end: &End) -> io::Result<Vec<Entry>> {
        let mut entries = Vec::new();
        let mut at = end.directory_at;
        // One more than allowed is taken, so that the walk notices.
        let most = self.walk.entries_left().saturating_add(1);
        let most_names = self.walk.limits.path_bytes.saturating_add(64);
        let mut is_bad = false;
        while at < end.at && entries.len() < most {
            let Some(fixed) = self.bytes.at(at)?.first_chunk::<46>().copied() else {
                is_bad = true;
                break;
            };
            if !fixed.starts_with(&CENTRAL) {
                is_bad = !fixed.starts_with(&SIGNATURE) && entries.len() as u64 != end.entries;
                break;
            }
            let name_bytes = usize::from(u16_at(&fixed, 28));
            let extra_bytes = usize::from(u16_at(&fixed, 30));
            let next = at + 46 + (name_bytes + extra_bytes) as u64 + u64::from(u16_at(&fixed, 32));
            if next > end.at {
                is_bad = true;
                break;
            }
            let mut name = self.bytes.copy(at + 46, name_bytes)?;
            let extra = self.bytes.copy(at + 46 + name_bytes as u64, extra_bytes)?;
            let mut offset = u64::from(u32_at(&fixed, 42));
            let mut header = Header {
                flags: u16_at(&fixed, 8),
                method: u16_at(&fixed, 10),
                time: u16_at(&fixed, 12),
                date: u16_at(&fixed, 14),
                crc: u32_at(&fixed, 16),
                packed: u64::from(u32_at(&fixed, 20)),
                size: u64::from(u32_at(&fixed, 24)),
                ..Header::default()
            };
            header.take_extra(&extra, &name, Some(&mut offset));
            // A longer name is cut anyway, and is told from the others by its number.
            name.truncate(most_names);
            name.shrink_to_fit();
            header.name = name;
            let made_by = fixed[5];
            let attributes = u32_at(&fixed, 38);
            let mode = attributes >> 16;
            entries.push(Entry {
                header,
                offset,
                mode: (matches!(made_by, 3 | 19) && mode != 0).then_some(mode),
                is_dos_folder: attributes & 0x10 != 0,
            });
            at = next;
        }
        let is_cut = entries.len() == most;
        if is_bad {
            let told = format!(
                "its directory breaks off after {} of {} entries",
                entries.len(),
                end.entries
            );
            self.odd(Oddity::Truncated, told);
        } else if !is_cut && entries.len() as u64 != end.entries {
            let told = format!(
                "its end announces {} entries, its directory has {}",
                end.entries,
                entries.len()
            );
            self.odd(Oddity::ContradictingHeaders, told);
        }
        // The directory's own records, and a signature of it, are no stray bytes.
        let to = match self.bytes.at(at)?.first_chunk::<6>() {
            Some(mark) if !is_bad && mark.starts_with(&SIGNATURE) => {
                (at + 6 + u64::from(u16_at(mark, 4))).min(end.at)
            }
            _ => at,
        };
        self.structure(end.directory_at, if is_cut { end.at } else { to });
        self.structure(end.at, end.to);
        Ok(entries)
    }

    fn structure(&mut self, from: u64, to: u64) {
        self.spans.push(Span {
            from,
            to,
            what: What::Structure,
        });
    }

    /// Reads one entry of the directory; its path. None once the limits are reached.
    fn entry(
        &mut self,
        entry: &Entry,
        shift: u64,
        index: usize,
    ) -> Result<Option<String>, Unreadable> {
        let header = &entry.header;
        let Some(path) = self.walk.admit(self.place, &header.name) else {
            return Ok(None);
        };
        let said = &path;
        if let Some(other) = &header.other_name {
            let told = format!("a second name in it says {}", quoted(other));
            self.walk
                .odd(Oddity::ContradictingHeaders, Some(said), told);
        }
        if header.lacks_zip64 {
            self.walk.odd(
                Oddity::ContradictingHeaders,
                Some(said),
                "its sizes should stand in a zip64 field that is missing",
            );
        }
        let mut local = None;
        for offset in [entry.offset.saturating_add(shift), entry.offset] {
            local = self.local(offset).map_err(Unreadable::reading)?;
            if let Some(local) = &local {
                let to = local.data_at.saturating_add(header.packed);
                let to = to.saturating_add(self.descriptor(entry, local, to, &path)?);
                self.spans.push(Span {
                    from: offset,
                    to,
                    what: What::Entry(index),
                });
                break;
            }
        }
        match &local {
            Some(local) => self.compare(&path, header, &local.header),
            None if entry.offset.saturating_add(shift).saturating_add(30) > self.bytes.size() => {
                self.walk.odd(
                    Oddity::Truncated,
                    Some(&path),
                    "it should stand behind the end of the archive",
                );
            }
            None => {
                self.walk.contents.is_complete = false;
                self.walk.odd(
                    Oddity::ContradictingHeaders,
                    Some(&path),
                    "no entry stands where the directory says",
                );
            }
        }
        let data_at = local.map(|local| local.data_at);
        self.unpack(&path, header, entry.mode, entry.is_dos_folder, data_at)?;
        Ok(Some(path))
    }

    /// The local header at this place, if there is one.
    fn local(&mut self, at: u64) -> io::Result<Option<Local>> {
        let Some(fixed) = self.bytes.at(at)?.first_chunk::<30>().copied() else {
            return Ok(None);
        };
        if !fixed.starts_with(&LOCAL) {
            return Ok(None);
        }
        let name_bytes = usize::from(u16_at(&fixed, 26));
        let extra_bytes = usize::from(u16_at(&fixed, 28));
        // Many headers can claim the same bytes for their names.
        self.walk.work((name_bytes + extra_bytes) as u64);
        let name = self.bytes.copy(at + 30, name_bytes)?;
        let extra = self.bytes.copy(at + 30 + name_bytes as u64, extra_bytes)?;
        let mut header = Header {
            flags: u16_at(&fixed, 6),
            method: u16_at(&fixed, 8),
            time: u16_at(&fixed, 10),
            date: u16_at(&fixed, 12),
            crc: u32_at(&fixed, 14),
            packed: u64::from(u32_at(&fixed, 18)),
            size: u64::from(u32_at(&fixed, 22)),
            ..Header::default()
        };
        header.take_extra(&extra, &name, None);
        header.name = name;
        Ok(Some(Local {
            header,
            data_at: at + 30 + (name_bytes + extra_bytes) as u64,
        }))
    }

    /// Bytes of the data descriptor behind the data, which repeats checksum and sizes.
    fn descriptor(
        &mut self,
        entry: &Entry,
        local: &Local,
        at: u64,
        path: &str,
    ) -> Result<u64, Unreadable> {
        if !local.header.has_descriptor() && !entry.header.has_descriptor() {
            return Ok(0);
        }
        let some = self.bytes.copy(at, 24).map_err(Unreadable::reading)?;
        let header = &entry.header;
        let bytes = descriptor_bytes(&some, header.crc, header.packed, header.size);
        if bytes.is_none() && some.starts_with(&DESCRIPTOR) {
            self.walk.odd(
                Oddity::ContradictingHeaders,
                Some(path),
                "checksum or sizes behind its data are not those of the directory",
            );
            return Ok(16);
        }
        Ok(bytes.unwrap_or(0))
    }

    /// Notes where directory and local header differ.
    fn compare(&mut self, path: &str, header: &Header, local: &Header) {
        let mut differences = Vec::new();
        let most = self.walk.limits.path_bytes.saturating_add(64);
        if local.name[..local.name.len().min(most)] != header.name {
            differences.push(format!("it calls itself {}", quoted(&local.name)));
        }
        if local.method != header.method {
            differences.push(format!(
                "method {} and {} there",
                local.method, header.method
            ));
        }
        if (local.flags ^ header.flags) & 1 != 0 {
            differences.push("only one says that it is encrypted".to_owned());
        }
        // Written as a stream, its sizes were not known yet and stand behind the data.
        let is_open = |said: u64| local.has_descriptor() && said == 0;
        if local.packed != header.packed && !is_open(local.packed) {
            differences.push(format!(
                "{} packed bytes and {} there",
                local.packed, header.packed
            ));
        }
        if local.size != header.size && !is_open(local.size) {
            differences.push(format!("{} bytes and {} there", local.size, header.size));
        }
        if local.crc != header.crc && !is_open(u64::from(local.crc)) {
            differences.push("another checksum than there".to_owned());
        }
        if !differences.is_empty() {
            self.walk.odd(
                Oddity::ContradictingHeaders,
                Some(path),
                format!(
                    "what stands before it is not what the directory says: {}",
                    differences.join("; ")
                ),
            );
        }
    }

    /// Lists an entry and, where that is possible, unpacks it. How far it reaches, if that is known
    /// from its data.
    fn unpack(
        &mut self,
        path: &str,
        header: &Header,
        mode: Option<u32>,
        is_dos_folder: bool,
        data_at: Option<u64>,
    ) -> Result<u64, Unreadable> {
        let name = header.name.as_slice();
        let format = mode.unwrap_or_default() & 0o170_000;
        let is_empty = header.size == 0 && header.packed <= 2;
        if is_empty && (name.ends_with(b"/") || format == 0o040_000 || is_dos_folder) {
            self.walk.folder(path, name);
            return Ok(header.packed);
        }
        if name.ends_with(b"/") {
            self.walk.odd(
                Oddity::HostileName,
                Some(path),
                "it is called like a folder and has bytes",
            );
        }
        let met = Met {
            path: path.to_owned(),
            mode: mode.map(|mode| mode & 0o7777),
            modified_at: header.modified_at(),
        };
        let special = match format {
            0o020_000 | 0o060_000 => Some("a device"),
            0o010_000 => Some("a pipe"),
            0o140_000 => Some("a socket"),
            _ => None,
        };
        if let Some(what) = special {
            if header.size == 0 {
                self.walk.special(met, name, what);
                return Ok(header.packed);
            }
            self.walk.odd(
                Oddity::SpecialFile,
                Some(path),
                format!("says to be {what} and has bytes, read as a file"),
            );
        }
        let unread = if header.flags & 0x2041 != 0 || header.is_aes || header.method == 99 {
            Some((
                Oddity::Encrypted,
                "it is encrypted and was not read".to_owned(),
            ))
        } else if !matches!(header.method, STORED | DEFLATED) {
            Some((
                Oddity::UnknownMethod,
                format!(
                    "packed by method {}, which is not read here",
                    method_name(header.method)
                ),
            ))
        } else {
            None
        };
        if let Some((oddity, why)) = &unread {
            self.walk.odd(*oddity, Some(path), why.as_str());
        }
        let Some(data_at) = data_at.filter(|_| unread.is_none()) else {
            self.walk.regular(self.place, met, name, None)?;
            return Ok(header.packed);
        };
        let end = data_at.saturating_add(header.packed);
        let mut stream = Unpacking {
            is_whole: end <= self.bytes.size(),
            end: end.min(self.bytes.size()),
            bytes: self.bytes,
            from: data_at,
            at: data_at,
            state: (header.method == DEFLATED).then(|| {
                self.state.reset(false);
                &mut self.state
            }),
            chunk: &mut self.chunk,
            crc: crc32fast::Hasher::new(),
            has_ended: false,
        };
        if format == 0o120_000 {
            let most = self.walk.limits.path_bytes;
            let target = link_target(&mut stream, most)?;
            let taken = stream.at - stream.from;
            self.walk.work(taken);
            self.walk.link(met, name, &target, false);
            return Ok(header.packed);
        }
        let poured = self
            .walk
            .regular(self.place, met, name, Some(&mut stream))?;
        let (taken, crc) = (stream.at - stream.from, stream.crc.finalize());
        if let Poured::Whole(size) = poured {
            let mut wrong = Vec::new();
            if size != header.size {
                wrong.push(format!("has {size} bytes and announces {}", header.size));
            }
            if crc != header.crc {
                wrong.push(format!(
                    "has the checksum {crc:08x} and announces {:08x}",
                    header.crc
                ));
            }
            if !wrong.is_empty() {
                self.walk
                    .odd(Oddity::BadChecksum, Some(path), wrong.join("; "));
            }
            if taken < header.packed {
                self.walk.odd(
                    Oddity::StrayBytes,
                    Some(path),
                    format!("{} bytes behind its packed data", header.packed - taken),
                );
            }
        }
        Ok(taken)
    }

    /// What no entry and no directory covers; where entries overlap is noted.
    fn gaps(&mut self, paths: &[String]) -> Vec<(u64, u64)> {
        let len = self.bytes.size();
        let mut spans = std::mem::take(&mut self.spans);
        spans.sort_by_key(|span| (span.from, span.to));
        let mut gaps = Vec::new();
        let (mut reached, mut before) = (0_u64, What::Structure);
        for span in &spans {
            if span.from > reached {
                gaps.push((reached, span.from.min(len)));
            } else if span.from < reached {
                let name = |what| match what {
                    What::Entry(index) => paths.get(index).map(String::as_str),
                    What::Structure => None,
                };
                let (path, other) = match span.what {
                    What::Structure => (name(before), None),
                    what => (name(what), name(before)),
                };
                let other = other.map_or("the directory".to_owned(), |other| shown(other, 100));
                self.walk.odd(
                    Oddity::OverlappingEntries,
                    path.or(self.place.archive()),
                    format!(
                        "shares {} bytes with {other}",
                        reached.min(span.to) - span.from
                    ),
                );
            }
            if span.to > reached {
                (reached, before) = (span.to, span.what);
            }
        }
        if reached < len {
            gaps.push((reached, len));
        }
        gaps.truncate(MOST_GAPS);
        gaps
    }

    /// Searches bytes that belong to nothing for entries of which the directory does not know.
    fn gap(&mut self, from: u64, to: u64, is_listed: bool) -> Result<(), Unreadable> {
        let is_padding = |bytes: &[u8]| bytes.iter().all(|byte| *byte == 0);
        let mut at = from;
        let mut stray_from = from;
        while at < to && !self.walk.reads_no_more() {
            let found = self
                .bytes
                .find(LOCAL, at, to)
                .map_err(Unreadable::reading)?;
            let Some(found) = found else { break };
            self.walk.work(found - at);
            let Some(local) = self
                .local(found)
                .map_err(Unreadable::reading)?
                .filter(|local| is_plausible(local, to, self.bytes.size()))
            else {
                at = found + 4;
                continue;
            };
            self.stray(stray_from, found, is_listed, is_padding)?;
            at = self.recovered(local, to, is_listed)?;
            stray_from = at;
        }
        if !self.walk.reads_no_more() {
            self.walk.work(to.saturating_sub(at));
            self.stray(stray_from, to, is_listed, is_padding)?;
        }
        Ok(())
    }

    /// Notes bytes that are part of nothing; remains of a directory are part of it.
    fn stray(
        &mut self,
        from: u64,
        to: u64,
        is_listed: bool,
        is_padding: impl Fn(&[u8]) -> bool,
    ) -> Result<(), Unreadable> {
        let mut from = from;
        if !is_listed {
            while from < to {
                let some = self.bytes.at(from).map_err(Unreadable::reading)?;
                let room = usize::try_from(to - from).unwrap_or(usize::MAX);
                let bytes = structure_bytes(&some[..some.len().min(room)]);
                if bytes == 0 {
                    break;
                }
                from = from.saturating_add(bytes);
            }
        }
        if from >= to {
            return Ok(());
        }
        let sample = self.bytes.copy(from, 16).map_err(Unreadable::reading)?;
        let count = to - from;
        // Alignment of entries to four bytes or to pages is done with zeros.
        if count <= 4096 && from > 0 && to < self.bytes.size() {
            let all = self
                .bytes
                .copy(from, count as usize)
                .map_err(Unreadable::reading)?;
            if is_padding(&all) {
                return Ok(());
            }
        }
        let sample = &sample[..sample.len().min(usize::try_from(count).unwrap_or(16))];
        let place = if from == 0 {
            "before"
        } else if to == self.bytes.size() {
            "behind"
        } else {
            "between"
        };
        self.odd(
            Oddity::StrayBytes,
            format!(
                "{count} bytes {place} what belongs to the archive, at {from}, beginning with {}",
                quoted(sample)
            ),
        );
        Ok(())
    }

    /// Lists an entry that only its local header tells of; where it ends.
    fn recovered(&mut self, local: Local, to: u64, is_listed: bool) -> Result<u64, Unreadable> {
        let Local {
            mut header,
            data_at,
        } = local;
        let Some(path) = self.walk.admit(self.place, &header.name) else {
            return Ok(to);
        };
        if is_listed {
            self.walk.odd(
                Oddity::StrayBytes,
                Some(&path),
                "it stands in the archive and not in its directory",
            );
        }
        // Bit 3: the sizes stand behind the data, which has to be gone through to find them.
        if header.has_descriptor() && header.packed == 0 {
            self.measure(&mut header, data_at, to)?;
        }
        self.unpack(&path, &header, None, false, Some(data_at))?;
        let end = data_at.saturating_add(header.packed);
        let some = self.bytes.copy(end, 24).map_err(Unreadable::reading)?;
        let descriptor = if header.has_descriptor() {
            descriptor_bytes(&some, header.crc, header.packed, header.size).unwrap_or(0)
        } else {
            0
        };
        Ok(end
            .saturating_add(descriptor)
            .clamp(data_at, to.max(data_at)))
    }

    /// Finds sizes and checksum of an entry that was written as a stream.
    fn measure(&mut self, header: &mut Header, data_at: u64, to: u64) -> Result<(), Unreadable> {
        if header.method == DEFLATED {
            self.state.reset(false);
            let mut stream = Unpacking {
                is_whole: true,
                end: to,
                bytes: self.bytes,
                from: data_at,
                at: data_at,
                state: Some(&mut self.state),
                chunk: &mut self.chunk,
                crc: crc32fast::Hasher::new(),
                has_ended: false,
            };
            let mut size = 0;
            let mut worked = 0;
            loop {
                match stream.next() {
                    Ok([]) => break,
                    Ok(chunk) => size += chunk.len() as u64,
                    Err(Broken::Io(error)) => return Err(Unreadable::reading(error)),
                    // What is wrong is said when it is unpacked.
                    Err(_) => {
                        header.packed = to.saturating_sub(data_at);
                        return Ok(());
                    }
                }
                let done = size.max(stream.at - data_at);
                self.walk.work(done - worked);
                worked = done;
                if self.walk.reads_no_more() {
                    break;
                }
            }
            header.packed = stream.at - data_at;
            header.size = size;
            header.crc = stream.crc.finalize();
            self.walk.work(header.packed.saturating_sub(worked));
        } else {
            let mut at = data_at;
            header.packed = to.saturating_sub(data_at);
            while let Some(found) = self
                .bytes
                .find(DESCRIPTOR, at, to)
                .map_err(Unreadable::reading)?
            {
                let some = self.bytes.copy(found, 24).map_err(Unreadable::reading)?;
                if some.len() >= 16 && u64::from(u32_at(&some, 8)) == found - data_at {
                    header.packed = found - data_at;
                    break;
                }
                at = found + 4;
            }
            self.walk.work(header.packed);
            header.size = header.packed;
        }
        let at = data_at.saturating_add(header.packed);
        let some = self.bytes.copy(at, 24).map_err(Unreadable::reading)?;
        if some.starts_with(&DESCRIPTOR) && some.len() >= 16 {
            header.crc = u32_at(&some, 4);
        }
        Ok(())
    }
}

/// The bytes of one entry.
struct Unpacking<'u> {
    bytes: &'u mut dyn Bytes,
    from: u64,
    at: u64,
    end: u64,
    /// Whether the archive reaches to the end of the entry.
    is_whole: bool,
    /// None if stored as it is.
    state: Option<&'u mut Decompress>,
    chunk: &'u mut [u8],
    crc: crc32fast::Hasher,
    has_ended: bool,
}

impl Stream for Unpacking<'_> {
    fn next(&mut self) -> Result<&[u8], Broken> {
        let Some(state) = &mut self.state else {
            let left = self.end - self.at.min(self.end);
            if left == 0 {
                return if self.is_whole {
                    Ok(&[])
                } else {
                    Err(Broken::Short)
                };
            }
            let some = self.bytes.at(self.at)?;
            if some.is_empty() {
                return Err(Broken::Short);
            }
            let some = &some[..some.len().min(usize::try_from(left).unwrap_or(usize::MAX))];
            let some = &some[..some.len().min(CHUNK_BYTES)];
            self.at += some.len() as u64;
            self.crc.update(some);
            return Ok(some);
        };
        while !self.has_ended {
            let left = self.end - self.at.min(self.end);
            let input = self.bytes.at(self.at)?;
            let input = &input[..input.len().min(usize::try_from(left).unwrap_or(usize::MAX))];
            let is_dry = input.is_empty();
            let (before_in, before_out) = (state.total_in(), state.total_out());
            let status = state
                .decompress(input, self.chunk, FlushDecompress::None)
                .map_err(|_| Broken::Corrupt)?;
            let taken = state.total_in() - before_in;
            let made = (state.total_out() - before_out) as usize;
            self.at += taken;
            self.has_ended = status == Status::StreamEnd;
            if made > 0 {
                self.crc.update(&self.chunk[..made]);
                return Ok(&self.chunk[..made]);
            }
            if taken == 0 && !self.has_ended {
                return Err(if is_dry {
                    Broken::Short
                } else {
                    Broken::Corrupt
                });
            }
        }
        Ok(&[])
    }

    fn packed_bytes(&self) -> Option<u64> {
        Some(self.at - self.from)
    }
}

impl Header {
    fn has_descriptor(&self) -> bool {
        self.flags & 8 != 0
    }

    /// Takes what is known of the extra fields: zip64 sizes, UTC times, a second name, AES.
    fn take_extra(&mut self, mut extra: &[u8], name: &[u8], mut offset: Option<&mut u64>) {
        let full = u64::from(u32::MAX);
        let is_due = |value: u64| value == full;
        let mut is_missing = is_due(self.size) || is_due(self.packed);
        while let Some((head, rest)) = extra.split_first_chunk::<4>() {
            let bytes = usize::from(u16_at(head, 2)).min(rest.len());
            let (field, rest) = rest.split_at(bytes);
            extra = rest;
            match u16_at(head, 0) {
                0x0001 => {
                    let mut numbers = field.as_chunks::<8>().0.iter();
                    let mut next = || numbers.next().map(|number| u64::from_le_bytes(*number));
                    if is_due(self.size) {
                        self.size = next().unwrap_or(self.size);
                    }
                    if is_due(self.packed) {
                        self.packed = next().unwrap_or(self.packed);
                    }
                    if let Some(offset) = offset.as_deref_mut().filter(|offset| is_due(**offset)) {
                        *offset = next().unwrap_or(*offset);
                    }
                    is_missing = false;
                }
                0x5455 if field.first().is_some_and(|flags| flags & 1 != 0) => {
                    self.modified = field
                        .get(1..5)
                        .map(|time| i64::from(u32_at(time, 0) as i32));
                }
                0x7075 if field.len() > 5 && field[0] == 1 => {
                    let is_current = u32_at(field, 1) == crc32fast::hash(name);
                    if is_current && &field[5..] != name && std::str::from_utf8(name).is_ok() {
                        self.other_name = Some(field[5..].iter().copied().take(4096).collect());
                    }
                }
                0x9901 => self.is_aes = true,
                _ => {}
            }
        }
        self.lacks_zip64 = is_missing;
    }

    /// UTC if an extra field knows, local time of who knows where if only DOS does.
    fn modified_at(&self) -> Option<String> {
        if let Some(time) = self.modified {
            return jiff::Timestamp::from_second(time)
                .ok()
                .map(|time| time.to_string());
        }
        let (date, time) = (self.date, self.time);
        jiff::civil::DateTime::new(
            1980 + (date >> 9) as i16,
            (date >> 5 & 15) as i8,
            (date & 31) as i8,
            (time >> 11) as i8,
            (time >> 5 & 63) as i8,
            (time & 31) as i8 * 2,
            0,
        )
        .ok()
        .map(|time| time.to_string())
    }
}

/// Everything at the end that leads to a directory: the last one first, then one whose comment reaches
/// to the end of the file, if that is another.
fn ends(bytes: &mut dyn Bytes) -> io::Result<Vec<End>> {
    let len = bytes.size();
    let tail_at = len.saturating_sub(TAIL_BYTES as u64);
    let tail = bytes.copy(tail_at, TAIL_BYTES)?;
    let mut found: Vec<End> = Vec::new();
    for at in memchr::memmem::rfind_iter(&tail, &END).take(MOST_ENDS) {
        let Some(fixed) = tail[at..].first_chunk::<END_BYTES>() else {
            continue;
        };
        let to = tail_at + (at + END_BYTES) as u64 + u64::from(u16_at(fixed, 20));
        if !found.is_empty() && to != len {
            continue;
        }
        if let Some(end) = end_at(bytes, tail_at + at as u64, fixed, to)? {
            found.push(end);
        }
    }
    Ok(found)
}

fn end_at(
    bytes: &mut dyn Bytes,
    end: u64,
    fixed: &[u8; END_BYTES],
    to: u64,
) -> io::Result<Option<End>> {
    let len = bytes.size();
    let mut at = end;
    let mut entries = u64::from(u16_at(fixed, 10));
    let mut size = u64::from(u32_at(fixed, 12));
    let mut offset = u64::from(u32_at(fixed, 16));
    let mut disks = u64::from(u16_at(fixed, 4)) + u64::from(u16_at(fixed, 6));
    let is_64 = entries == 0xffff || size == u64::from(u32::MAX) || offset == u64::from(u32::MAX);
    let (mut is_64_told, mut is_contradicted) = (false, false);
    if let Some(locator_at) = end.checked_sub(20)
        && let Some(locator) = bytes.at(locator_at)?.first_chunk::<20>().copied()
        && locator.starts_with(&LOCATOR_64)
    {
        let said = u64_at(&locator, 8);
        for place in [said, locator_at.saturating_sub(56)] {
            if let Some(more) = bytes.at(place)?.first_chunk::<56>().copied()
                && more.starts_with(&END_64)
                && place < locator_at
            {
                let told = (u64_at(&more, 32), u64_at(&more, 40), u64_at(&more, 48));
                is_contradicted = !is_64 && told != (entries, size, offset);
                if is_64 {
                    (entries, size, offset) = told;
                    disks = 0;
                    is_64_told = true;
                }
                at = place;
                break;
            }
        }
    }
    let is_split = disks != 0 && !(is_64 && !is_64_told && disks == 2 * 0xffff);
    let mut leads = |place: Option<u64>| -> io::Result<Option<u64>> {
        let Some(place) = place.filter(|place| *place < at) else {
            return Ok(None);
        };
        Ok(bytes.at(place)?.starts_with(&CENTRAL).then_some(place))
    };
    // Bytes before the archive shift it all: then the directory ends where its end begins, and does
    // not begin where it is said to.
    let by_size = leads(at.checked_sub(size))?;
    let by_offset = leads(Some(offset))?;
    let directory_at = match by_size.or(by_offset) {
        Some(directory_at) => directory_at,
        None if entries == 0 && size == 0 => at,
        None => return Ok(None),
    };
    Ok(Some(End {
        directory_at,
        at,
        to: to.min(len),
        is_cut: to > len,
        entries,
        shift: if by_size.is_some() {
            directory_at.saturating_sub(offset)
        } else {
            0
        },
        is_ambiguous: is_contradicted
            || by_size.is_some() && by_offset.is_some() && by_size != by_offset,
        is_split,
    }))
}

/// How long the descriptor here is, if it says these things: with or without its mark, with sizes of
/// four or of eight bytes.
fn descriptor_bytes(some: &[u8], crc: u32, packed: u64, size: u64) -> Option<u64> {
    let says = |from: usize, is_long: bool| {
        let sizes = if is_long {
            some.get(from + 4..from + 20)
                .map(|sizes| (u64_at(sizes, 0), u64_at(sizes, 8)))
        } else {
            some.get(from + 4..from + 12)
                .map(|sizes| (u64::from(u32_at(sizes, 0)), u64::from(u32_at(sizes, 4))))
        };
        some.len() >= from + 4 && u32_at(some, from) == crc && sizes == Some((packed, size))
    };
    if some.starts_with(&DESCRIPTOR) {
        if says(4, true) {
            return Some(24);
        }
        if says(4, false) {
            return Some(16);
        }
    }
    if says(0, true) {
        return Some(20);
    }
    says(0, false).then_some(12)
}

/// Whether these bytes can be an entry that a program would read, and not four bytes by chance.
fn is_plausible(local: &Local, to: u64, len: u64) -> bool {
    let header = &local.header;
    let end = local.data_at.checked_add(header.packed);
    let is_known = matches!(header.method, 0..=20 | 93..=99);
    let is_named = !header.name.is_empty() && !header.name.contains(&0);
    // The last entry of an archive that was cut reaches beyond what is left.
    let fits = end.is_some_and(|end| end <= to || to == len);
    is_known && is_named && fits && local.data_at <= to
}

/// How long the piece of a directory here is; 0 if it is none.
fn structure_bytes(some: &[u8]) -> u64 {
    let fixed = |bytes: usize| some.len() >= bytes;
    if some.starts_with(&CENTRAL) && fixed(46) {
        46 + [28, 30, 32]
            .map(|at| u64::from(u16_at(some, at)))
            .iter()
            .sum::<u64>()
    } else if some.starts_with(&END) && fixed(END_BYTES) {
        END_BYTES as u64 + u64::from(u16_at(some, 20))
    } else if some.starts_with(&END_64) && fixed(12) {
        u64_at(some, 4).saturating_add(12)
    } else if some.starts_with(&LOCATOR_64) {
        20
    } else if some.starts_with(&CENTRAL) || some.starts_with(&END) || some.starts_with(&END_64) {
        some.len() as u64
    } else {
        0
    }
}

fn link_target(stream: &mut Unpacking<'_>, most: usize) -> Result<Vec<u8>, Unreadable> {
    let mut target = Vec::new();
    while target.len() <= most {
        match stream.next() {
            Ok([]) => break,
            Ok(chunk) => {
                target.extend_from_slice(&chunk[..chunk.len().min(most + 1 - target.len())]);
            }
            Err(Broken::Io(error)) => return Err(Unreadable::reading(error)),
            Err(_) => break,
        }
    }
    Ok(target)
}

fn method_name(method: u16) -> String {
    let name = match method {
        1 => "shrink",
        2..=5 => "reduce",
        6 => "implode",
        9 => "deflate64",
        12 => "bzip2",
        14 => "lzma",
        93 => "zstd",
        95 => "xz",
        98 => "ppmd",
        _ => return method.to_string(),
    };
    format!("{method} ({name})")
}

fn quoted(bytes: &[u8]) -> String {
    shown(&spelled(&bytes[..bytes.len().min(400)]), 100)
}

fn u16_at(bytes: &[u8], at: usize) -> u16 {
    u16::from_le_bytes([bytes[at], bytes[at + 1]])
}

fn u32_at(bytes: &[u8], at: usize) -> u32 {
    u32::from(u16_at(bytes, at)) | u32::from(u16_at(bytes, at + 2)) << 16
}

fn u64_at(bytes: &[u8], at: usize) -> u64 {
    u64::from(u32_at(bytes, at)) | u64::from(u32_at(bytes, at + 4)) << 32
}
