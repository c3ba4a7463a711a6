//! Archives made byte by byte, which no honest writer would write: for the tests, and for the fuzzer
//! to begin with.

#![allow(clippy::unwrap_used, reason = "what a test cannot make, fails it")]

use std::io::{Cursor, Write as _};
use zip::write::SimpleFileOptions;

/// An entry as a writer would write it; each field can be made to lie.
#[derive(Clone)]
pub struct Entry {
    pub name: Vec<u8>,
    pub local_name: Option<Vec<u8>>,
    pub packed: Vec<u8>,
    pub method: u16,
    pub local_method: Option<u16>,
    pub flags: u16,
    pub crc: u32,
    pub size: u32,
    pub packed_said: Option<u32>,
    pub mode: u32,
    pub central_extra: Vec<u8>,
    /// Points at an earlier entry and writes nothing of its own.
    pub shares: Option<usize>,
    pub is_unlisted: bool,
    pub before: Vec<u8>,
    pub behind: Vec<u8>,
}

pub fn stored(name: impl AsRef<[u8]>, data: &[u8]) -> Entry {
    Entry {
        name: name.as_ref().to_vec(),
        local_name: None,
        packed: data.to_vec(),
        method: 0,
        local_method: None,
        flags: 0,
        crc: crc32fast::hash(data),
        size: data.len() as u32,
        packed_said: None,
        mode: 0o100_644,
        central_extra: Vec::new(),
        shares: None,
        is_unlisted: false,
        before: Vec::new(),
        behind: Vec::new(),
    }
}

pub fn deflated(name: impl AsRef<[u8]>, data: &[u8]) -> Entry {
    Entry {
        packed: deflate(data),
        method: 8,
        ..stored(name, data)
    }
}

pub fn deflate(data: &[u8]) -> Vec<u8> {
    let mut encoder =
        flate2::write::DeflateEncoder::new(Vec::new(), flate2::Compression::default());
    encoder.write_all(data).unwrap();
    encoder.finish().unwrap()
}

pub fn zipped(entries: &[Entry]) -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut central = Vec::new();
    let mut offsets: Vec<u32> = Vec::new();
    for entry in entries {
        let packed_said = entry.packed_said.unwrap_or(entry.packed.len() as u32);
        let is_stream = entry.flags & 8 != 0;
        let offset = if let Some(shared) = entry.shares {
            offsets[shared]
        } else {
            bytes.extend(&entry.before);
            let offset = bytes.len() as u32;
            let name = entry.local_name.as_ref().unwrap_or(&entry.name);
            bytes.extend(b"PK\x03\x04\x14\0");
            bytes.extend(entry.flags.to_le_bytes());
            bytes.extend(entry.local_method.unwrap_or(entry.method).to_le_bytes());
            bytes.extend([0, 0, 0x21, 0x58]);
            for number in [entry.crc, packed_said, entry.size] {
                bytes.extend(if is_stream { 0 } else { number }.to_le_bytes());
            }
            bytes.extend((name.len() as u16).to_le_bytes());
            bytes.extend([0, 0]);
            bytes.extend(name);
            bytes.extend(&entry.packed);
            if is_stream {
                bytes.extend(b"PK\x07\x08");
                for number in [entry.crc, packed_said, entry.size] {
                    bytes.extend(number.to_le_bytes());
                }
            }
            bytes.extend(&entry.behind);
            offset
        };
        offsets.push(offset);
        if entry.is_unlisted {
            continue;
        }
        central.extend(b"PK\x01\x02\x14\x03\x14\0");
        central.extend(entry.flags.to_le_bytes());
        central.extend(entry.method.to_le_bytes());
        central.extend([0, 0, 0x21, 0x58]);
        for number in [entry.crc, packed_said, entry.size] {
            central.extend(number.to_le_bytes());
        }
        central.extend((entry.name.len() as u16).to_le_bytes());
        central.extend((entry.central_extra.len() as u16).to_le_bytes());
        central.extend([0; 6]);
        central.extend((entry.mode << 16).to_le_bytes());
        central.extend(offset.to_le_bytes());
        central.extend(&entry.name);
        central.extend(&entry.central_extra);
    }
    let listed = entries.iter().filter(|entry| !entry.is_unlisted).count() as u16;
    let at = bytes.len() as u32;
    bytes.extend(&central);
    bytes.extend(end(listed, central.len() as u32, at, b""));
    bytes
}

pub fn end(entries: u16, size: u32, at: u32, comment: &[u8]) -> Vec<u8> {
    let mut bytes = b"PK\x05\x06\0\0\0\0".to_vec();
    bytes.extend(entries.to_le_bytes());
    bytes.extend(entries.to_le_bytes());
    bytes.extend(size.to_le_bytes());
    bytes.extend(at.to_le_bytes());
    bytes.extend((comment.len() as u16).to_le_bytes());
    bytes.extend(comment);
    bytes
}

/// The same by a writer that everybody uses.
pub fn written(files: &[(&str, &[u8])]) -> Vec<u8> {
    let mut writer = zip::ZipWriter::new(Cursor::new(Vec::new()));
    for (name, bytes) in files {
        writer
            .start_file(*name, SimpleFileOptions::default())
            .unwrap();
        writer.write_all(bytes).unwrap();
    }
    writer.finish().unwrap().into_inner()
}

/// A block that begins an entry of a tar.
pub fn header(name: &str, what: u8, size: u64) -> [u8; 512] {
    let mut header = tar::Header::new_gnu();
    let bytes = header.as_mut_bytes();
    let name = &name.as_bytes()[..name.len().min(100)];
    bytes[..name.len()].copy_from_slice(name);
    header.set_mode(0o644);
    header.set_mtime(1_700_000_000);
    header.set_uid(0);
    header.set_gid(0);
    header.set_size(size);
    header.as_mut_bytes()[156] = what;
    header.set_cksum();
    *header.as_bytes()
}

pub fn tar_entry(name: &str, what: u8, data: &[u8]) -> Vec<u8> {
    let mut bytes = header(name, what, data.len() as u64).to_vec();
    bytes.extend(data);
    bytes.resize(bytes.len().next_multiple_of(512), 0);
    bytes
}

pub fn tarred(entries: &[Vec<u8>]) -> Vec<u8> {
    let mut bytes = entries.concat();
    bytes.extend([0; 1024]);
    bytes
}

pub fn pax(records: &[(&str, &str)]) -> Vec<u8> {
    let mut data = Vec::new();
    for (key, value) in records {
        let rest = format!(" {key}={value}\n");
        let mut length = rest.len() + 1;
        while length != rest.len() + length.to_string().len() {
            length += 1;
        }
        data.extend(format!("{length}{rest}").into_bytes());
    }
    tar_entry("PaxHeaders/x", b'x', &data)
}

pub fn gzipped(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

/// A compact value of each kind of package, for cutting and mutating.
pub fn specimens() -> Vec<Vec<u8>> {
    let text = b"import os\n".repeat(40);
    let jar = written(&[
        ("META-INF/MANIFEST.MF", b"Manifest-Version: 1.0\n"),
        ("A.class", b"A"),
    ]);
    let stream = Entry {
        flags: 8,
        ..deflated("stream.py", &text)
    };
    let tar = tarred(&[
        tar_entry("a.py", b'0', &text),
        tar_entry("././@LongLink", b'L', &[b'n'; 150]),
        tar_entry("n", b'0', b"long"),
        pax(&[("path", "größe/x")]),
        tar_entry("x", b'0', b"pax"),
        tar_entry("lib/a.jar", b'0', &jar),
    ]);
    vec![
        written(&[("a.py", &text), ("b/c.txt", b"hello"), ("lib/a.jar", &jar)]),
        zipped(&[
            stored("a", b"one"),
            stream,
            deflated("lib/a.jar", &jar),
            Entry {
                mode: 0o120_777,
                ..stored("link", b"a")
            },
        ]),
        gzipped(&tar),
        tar,
    ]
}
