//! A zip in one form only: every file stored, in order, header after header without a gap, no comment.
//!
//! Each byte that is no content follows from the files' names, sizes and checksums. So whatever differs
//! from that is a fault, and nothing can hide between two files or stand there twice. Other programs
//! unpack it as any zip (PKWARE's APPNOTE, 4.3 to 4.5, ZIP64 where sizes need it).

use std::fs::File;
use std::io::{self, Seek as _, SeekFrom, Write as _};
use std::os::unix::fs::FileExt as _;

/// A file in a zip.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Packed {
    pub(crate) name: String,
    pub(crate) crc32: u32,
    pub(crate) size_bytes: u64,
    /// Where its header begins.
    header_at: u64,
}

/// The most files that are read of a zip.
const MOST_FILES: u64 = 1_000_000;
/// The most bytes of the directory at its end.
const MOST_DIRECTORY_BYTES: u64 = 512 * 1024 * 1024;

/// What 16 and 32 bits say where ZIP64 says more.
const MUCH: u64 = u32::MAX as u64;
const MANY: u64 = u16::MAX as u64;

const END_BYTES: u64 = 22;
const LOCATOR_BYTES: u64 = 20;
const END64_BYTES: u64 = 56;
const LOCAL_BYTES: u64 = 30;
const CENTRAL_BYTES: usize = 46;

impl Packed {
    fn is_large(&self) -> bool {
        self.size_bytes >= MUCH
    }

    /// Where its bytes begin.
    pub(crate) fn data_at(&self) -> u64 {
        let extra = if self.is_large() { 20 } else { 0 };
        self.header_at + LOCAL_BYTES + self.name.len() as u64 + extra
    }

    fn ends_at(&self) -> u64 {
        self.data_at().saturating_add(self.size_bytes)
    }

    /// The header before its bytes.
    fn local(&self) -> Vec<u8> {
        let mut header = Vec::with_capacity(64 + self.name.len());
        let large = self.is_large();
        header.extend(0x0403_4b50_u32.to_le_bytes());
        header.extend(version(large).to_le_bytes());
        self.common(&mut header, large);
        header.extend((if large { 20_u16 } else { 0 }).to_le_bytes());
        header.extend(self.name.as_bytes());
        if large {
            header.extend(1_u16.to_le_bytes());
            header.extend(16_u16.to_le_bytes());
            header.extend(self.size_bytes.to_le_bytes());
            header.extend(self.size_bytes.to_le_bytes());
        }
        header
    }

    /// Its line in the directory.
    fn central(&self) -> Vec<u8> {
        let mut header = Vec::with_capacity(96 + self.name.len());
        let (large, far) = (self.is_large(), self.header_at >= MUCH);
        let extra = match (large, far) {
            (false, false) => 0_u16,
            (true, false) => 20,
            (false, true) => 12,
            (true, true) => 28,
        };
        header.extend(0x0201_4b50_u32.to_le_bytes());
        // Made on Unix.
        header.extend((3_u16 << 8 | version(large || far)).to_le_bytes());
        header.extend(version(large || far).to_le_bytes());
        self.common(&mut header, large);
        header.extend(extra.to_le_bytes());
        // No comment, the first disk, no internal attributes; a file that only its owner may read.
        header.extend([0; 6]);
        header.extend((0o100_600_u32 << 16).to_le_bytes());
        header.extend(short(self.header_at).to_le_bytes());
        header.extend(self.name.as_bytes());
        if extra > 0 {
            header.extend(1_u16.to_le_bytes());
            header.extend((extra - 4).to_le_bytes());
        }
        if large {
            header.extend(self.size_bytes.to_le_bytes());
            header.extend(self.size_bytes.to_le_bytes());
        }
        if far {
            header.extend(self.header_at.to_le_bytes());
        }
        header
    }

    /// What both headers say: no flags, stored, midnight of the first of January 1980, checksum, sizes,
    /// the length of the name.
    fn common(&self, header: &mut Vec<u8>, large: bool) {
        header.extend([0, 0, 0, 0, 0, 0, 0x21, 0]);
        header.extend(self.crc32.to_le_bytes());
        let size = if large { MUCH } else { self.size_bytes };
        header.extend(short(size).to_le_bytes());
        header.extend(short(size).to_le_bytes());
        header.extend((self.name.len() as u16).to_le_bytes());
    }
}

const fn version(large: bool) -> u16 {
    if large { 45 } else { 20 }
}

fn short(number: u64) -> u32 {
    u32::try_from(number).unwrap_or(u32::MAX)
}

/// Everything after the last file.
fn directory(files: &[Packed], begins_at: u64) -> Vec<u8> {
    let mut bytes = Vec::new();
    for file in files {
        bytes.extend(file.central());
    }
    let (count, size) = (files.len() as u64, bytes.len() as u64);
    if count >= MANY || size >= MUCH || begins_at >= MUCH {
        let end64_at = begins_at + size;
        bytes.extend(0x0606_4b50_u32.to_le_bytes());
        bytes.extend((END64_BYTES - 12).to_le_bytes());
        bytes.extend((3_u16 << 8 | 45).to_le_bytes());
        bytes.extend(45_u16.to_le_bytes());
        bytes.extend([0; 8]);
        bytes.extend(count.to_le_bytes());
        bytes.extend(count.to_le_bytes());
        bytes.extend(size.to_le_bytes());
        bytes.extend(begins_at.to_le_bytes());
        bytes.extend(0x0706_4b50_u32.to_le_bytes());
        bytes.extend([0; 4]);
        bytes.extend(end64_at.to_le_bytes());
        bytes.extend(1_u32.to_le_bytes());
    }
    let count = u16::try_from(count).unwrap_or(u16::MAX);
    bytes.extend(0x0605_4b50_u32.to_le_bytes());
    bytes.extend([0; 4]);
    bytes.extend(count.to_le_bytes());
    bytes.extend(count.to_le_bytes());
    bytes.extend(short(size).to_le_bytes());
    bytes.extend(short(begins_at).to_le_bytes());
    bytes.extend([0; 2]);
    bytes
}

/// Writes a zip, file after file.
pub(crate) struct Packer {
    file: File,
    at: u64,
    files: Vec<Packed>,
    open: Option<(Packed, crc32fast::Hasher)>,
}

impl Packer {
    /// Into an empty file.
    pub(crate) fn new(file: File) -> Self {
        Self {
            file,
            at: 0,
            files: Vec::new(),
            open: None,
        }
    }

    /// Begins a file that will have exactly `size_bytes`.
    pub(crate) fn begin(&mut self, name: &str, size_bytes: u64) -> io::Result<()> {
        let packed = Packed {
            name: name.to_owned(),
            crc32: 0,
            size_bytes,
            header_at: self.at,
        };
        self.file.write_all(&packed.local())?;
        self.at = packed.data_at();
        self.open = Some((packed, crc32fast::Hasher::new()));
        Ok(())
    }

    /// More of it.
    pub(crate) fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.file.write_all(bytes)?;
        self.at += bytes.len() as u64;
        if let Some((_, crc32)) = &mut self.open {
            crc32.update(bytes);
        }
        Ok(())
    }

    /// Ends it: its checksum goes into the header before it.
    pub(crate) fn end(&mut self) -> io::Result<()> {
        let Some((mut packed, crc32)) = self.open.take() else {
            return Ok(());
        };
        if self.at != packed.ends_at() {
            return Err(io::Error::other("it has another size than was announced"));
        }
        packed.crc32 = crc32.finalize();
        self.file.seek(SeekFrom::Start(packed.header_at))?;
        self.file.write_all(&packed.local())?;
        self.file.seek(SeekFrom::Start(self.at))?;
        self.files.push(packed);
        Ok(())
    }

    /// Writes the directory; what was written is on the disk then.
    pub(crate) fn finish(mut self) -> io::Result<()> {
        self.file.write_all(&directory(&self.files, self.at))?;
        self.file.sync_all()
    }
}

/// Every file of a zip in the form that [`Packer`] gives it; else why it is none.
pub(crate) fn unpack(file: &File) -> io::Result<Result<Vec<Packed>, String>> {
    let size = file.metadata()?.len();
    let foreign = |why: &str| {
        Ok(Err(format!(
            "{why}: it is not as coldcase packs bags; unpack it with another program and verify the folder"
        )))
    };
    let Some(end_at) = size.checked_sub(END_BYTES) else {
        return foreign("it is shorter than the shortest zip");
    };
    let mut end = [0; END_BYTES as usize];
    file.read_exact_at(&mut end, end_at)?;
    if end[..4] != 0x0605_4b50_u32.to_le_bytes() {
        return foreign("it does not end with the end of a zip");
    }
    let mut count = u64::from(u16_at(&end, 10));
    let mut begins_at = u64::from(u32_at(&end, 16));
    let mut length = u64::from(u32_at(&end, 12));
    if count == MANY || begins_at == MUCH || length == MUCH {
        let Some(end64_at) = end_at.checked_sub(LOCATOR_BYTES + END64_BYTES) else {
            return foreign("it has no room for what its end announces");
        };
        let mut end64 = [0; END64_BYTES as usize];
        file.read_exact_at(&mut end64, end64_at)?;
        count = u64_at(&end64, 32);
        length = u64_at(&end64, 40);
        begins_at = u64_at(&end64, 48);
    }
    if count > MOST_FILES || length > MOST_DIRECTORY_BYTES {
        return foreign("it announces more files than are read");
    }
    let Some(rest) = size
        .checked_sub(begins_at)
        .filter(|rest| *rest <= MOST_DIRECTORY_BYTES + 98)
    else {
        return foreign("its directory is not at its end");
    };
    let mut bytes = vec![0; usize::try_from(rest).unwrap_or_default()];
    file.read_exact_at(&mut bytes, begins_at)?;
    let Some(files) = listed(&bytes, count) else {
        return foreign("its directory cannot be read");
    };
    if directory(&files, begins_at) != bytes {
        return foreign("its directory says more than it should, or something else");
    }
    let mut at = 0;
    for packed in &files {
        if packed.header_at != at {
            return foreign("its files do not follow one another without a gap");
        }
        let wanted = packed.local();
        let mut found = vec![0; wanted.len()];
        if at.saturating_add(wanted.len() as u64) > begins_at {
            return foreign("a file of it lies in its directory");
        }
        file.read_exact_at(&mut found, at)?;
        if found != wanted {
            let name = evidence::shown(&packed.name, 200);
            return foreign(&format!("the header of {name} differs from the directory"));
        }
        at = packed.ends_at();
    }
    if at != begins_at {
        return foreign("there is something between the last file and the directory");
    }
    Ok(Ok(files))
}

/// The files that a directory lists; none if it breaks off.
fn listed(bytes: &[u8], count: u64) -> Option<Vec<Packed>> {
    let mut files = Vec::new();
    let mut rest = bytes;
    for _ in 0..count {
        let header = rest.get(..CENTRAL_BYTES)?;
        if header[..4] != 0x0201_4b50_u32.to_le_bytes() {
            return None;
        }
        let (name, extra) = (u16_at(header, 28) as usize, u16_at(header, 30) as usize);
        let comment = u16_at(header, 32) as usize;
        let mut packed = Packed {
            name: String::from_utf8(rest.get(CENTRAL_BYTES..CENTRAL_BYTES + name)?.to_vec())
                .ok()?,
            crc32: u32_at(header, 16),
            size_bytes: u64::from(u32_at(header, 24)),
            header_at: u64::from(u32_at(header, 42)),
        };
        let begins = CENTRAL_BYTES + name;
        let mut more = rest
            .get(begins..begins + extra)?
            .get(4..)
            .unwrap_or_default();
        if packed.size_bytes == MUCH {
            packed.size_bytes = u64::from_le_bytes(more.get(..8)?.try_into().ok()?);
            more = more.get(16..)?;
        }
        if packed.header_at == MUCH {
            packed.header_at = u64::from_le_bytes(more.get(..8)?.try_into().ok()?);
        }
        files.push(packed);
        rest = rest.get(begins + extra + comment..)?;
    }
    Some(files)
}

fn u16_at(bytes: &[u8], at: usize) -> u16 {
    let mut two = [0; 2];
    two.copy_from_slice(&bytes[at..at + 2]);
    u16::from_le_bytes(two)
}

fn u32_at(bytes: &[u8], at: usize) -> u32 {
    let mut four = [0; 4];
    four.copy_from_slice(&bytes[at..at + 4]);
    u32::from_le_bytes(four)
}

fn u64_at(bytes: &[u8], at: usize) -> u64 {
    let mut eight = [0; 8];
    eight.copy_from_slice(&bytes[at..at + 8]);
    u64::from_le_bytes(eight)
}

/// A range of a file, read from its beginning; others may read the same file meanwhile.
pub(crate) struct Range {
    pub(crate) file: std::sync::Arc<File>,
    pub(crate) at: u64,
    pub(crate) left: u64,
}

impl io::Read for Range {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        let most = usize::try_from(self.left)
            .unwrap_or(usize::MAX)
            .min(into.len());
        let read = self.file.read_at(&mut into[..most], self.at)?;
        self.at += read as u64;
        self.left -= read as u64;
        Ok(read)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::io::Read as _;

    fn pack(files: &[(&str, &[u8])]) -> File {
        let file = tempfile::tempfile().unwrap();
        let mut packer = Packer::new(file.try_clone().unwrap());
        for (name, bytes) in files {
            packer.begin(name, bytes.len() as u64).unwrap();
            packer.write(bytes).unwrap();
            packer.end().unwrap();
        }
        packer.finish().unwrap();
        file
    }

    fn names(file: &File) -> Vec<String> {
        let files = unpack(file).unwrap().unwrap();
        files.into_iter().map(|packed| packed.name).collect()
    }

    const FILES: &[(&str, &[u8])] = &[
        ("a/bagit.txt", b"hello"),
        ("a/data/x", b""),
        ("a/data/y", b"world"),
    ];

    #[test]
    fn what_was_packed_is_unpacked() {
        let file = pack(FILES);
        assert_eq!(names(&file), ["a/bagit.txt", "a/data/x", "a/data/y"]);
        assert_eq!(names(&pack(&[])), Vec::<String>::new());
        let third = unpack(&file).unwrap().unwrap().pop().unwrap();
        let mut bytes = Vec::new();
        let mut range = Range {
            file: file.into(),
            at: third.data_at(),
            left: third.size_bytes,
        };
        range.read_to_end(&mut bytes).unwrap();
        assert_eq!(bytes, b"world");
    }

    #[test]
    fn many_files_and_large_ones_are_said_in_zip64() {
        let many: Vec<String> = (0..70_000).map(|number| format!("a/{number:06}")).collect();
        let many: Vec<(&str, &[u8])> = many.iter().map(|name| (name.as_str(), &b""[..])).collect();
        assert_eq!(names(&pack(&many)).len(), 70_000);
        // Sparse: what is skipped takes no room.
        let file = tempfile::tempfile().unwrap();
        let size = MUCH + 10;
        let large = Packed {
            name: "a/large".to_owned(),
            crc32: 7,
            size_bytes: size,
            header_at: 0,
        };
        let small = Packed {
            name: "a/small".to_owned(),
            crc32: 0,
            size_bytes: 0,
            header_at: large.ends_at(),
        };
        file.write_all_at(&large.local(), 0).unwrap();
        file.write_all_at(&small.local(), small.header_at).unwrap();
        let end = directory(&[large.clone(), small.clone()], small.ends_at());
        file.write_all_at(&end, small.ends_at()).unwrap();
        assert_eq!(unpack(&file).unwrap().unwrap(), [large, small]);
    }

    #[test]
    fn a_file_of_another_size_than_announced_is_no_file() {
        let mut packer = Packer::new(tempfile::tempfile().unwrap());
        packer.begin("a", 3).unwrap();
        packer.write(b"four").unwrap();
        assert!(packer.end().is_err());
    }

    proptest! {
        #[test]
        fn any_changed_byte_is_content_or_refused(place in any::<prop::sample::Index>(), with in 1_u8..) {
            let file = pack(FILES);
            let size = file.metadata().unwrap().len();
            let at = place.index(size as usize) as u64;
            let mut byte = [0];
            file.read_exact_at(&mut byte, at).unwrap();
            file.write_all_at(&[byte[0] ^ with], at).unwrap();
            let contents = unpack(&pack(FILES)).unwrap().unwrap();
            let is_content = contents.iter().any(|packed| (packed.data_at()..packed.ends_at()).contains(&at));
            prop_assert_eq!(unpack(&file).unwrap().is_ok(), is_content);
        }

        #[test]
        fn any_bytes_are_read_without_panic(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
            let file = tempfile::tempfile().unwrap();
            file.write_all_at(&bytes, 0).unwrap();
            let _ = unpack(&file);
        }

        #[test]
        fn a_zip_cut_anywhere_or_with_more_at_its_end_is_refused(cut in 1_u64..200, more in 1_usize..50) {
            let file = pack(FILES);
            let size = file.metadata().unwrap().len();
            file.set_len(size - cut.min(size)).unwrap();
            prop_assert!(!matches!(unpack(&file), Ok(Ok(_))));
            let file = pack(FILES);
            file.write_all_at(&vec![0; more], size).unwrap();
            prop_assert!(!matches!(unpack(&file), Ok(Ok(_))));
        }
    }
}
