//! Bytes of a trail file as they are meant: decompressed if they are gzip, of one member or several.

use crc32fast::Hasher;
use flate2::{Decompress, FlushDecompress, Status};
use memchr::memchr;
use std::io::{self, ErrorKind, Read};

/// How much is read of the input at once.
const INPUT: usize = 64 * 1024;

/// Real trail files shrink 10- to 40-fold; deflate can do 1,032. A file that expands more than this
/// is cut off, once it has grown to [`BOMB_BYTES`].
pub const MAX_EXPANSION: u64 = 300;

/// Up to this size, in bytes, a file may expand as it likes.
pub const BOMB_BYTES: u64 = 256 * 1024 * 1024;

/// What came of asking for bytes.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Came {
    /// So many bytes.
    Bytes(usize),
    /// So many bytes, behind which some are missing. What comes next, if anything, begins anew.
    Broken(usize, Gap),
    /// There are no more.
    End,
}

/// Why bytes are missing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Gap {
    /// The compressed data end too soon.
    CutOff,
    /// The compressed data are not what a compressor writes.
    NotGzip,
    /// All bytes are there, but they are not what was compressed.
    Checksum,
    /// The file expands too much; nothing is read any more.
    Bomb,
    /// Reading failed; nothing is read any more.
    Unreadable(String),
}

impl Gap {
    pub(crate) fn why(&self) -> String {
        match self {
            Self::CutOff => "the gzip data are cut off".into(),
            Self::NotGzip => "the gzip data are damaged".into(),
            Self::Checksum => {
                "the gzip checksum does not fit: the records before it may have been altered".into()
            }
            Self::Bomb => format!(
                "expands more than {MAX_EXPANSION}-fold, as no trail file does; the rest is not read"
            ),
            Self::Unreadable(error) => format!("cannot be read further: {error}"),
        }
    }
}

/// Decompresses; its memory serves one file after another.
pub(crate) struct Gunzip {
    input: Vec<u8>,
    at: usize,
    filled: usize,
    is_all: bool,
    inflate: Decompress,
    checksum: Hasher,
    /// Bytes of the present member, modulo 2³².
    member_bytes: u32,
    stage: Stage,
    read_bytes: u64,
    given_bytes: u64,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Stage {
    /// Nothing is known of the input yet.
    Start,
    /// Not compressed.
    Plain,
    /// Before a gzip member.
    Header,
    /// Inside of one.
    Body,
    /// After damage: up to the next member.
    Seek,
    Done,
}

/// Bytes that a gzip member begins with.
const MAGIC: [u8; 3] = [0x1F, 0x8B, 0x08];

impl Gunzip {
    pub(crate) fn new() -> Self {
        Self {
            input: Vec::new(),
            at: 0,
            filled: 0,
            is_all: false,
            inflate: Decompress::new(false),
            checksum: Hasher::new(),
            member_bytes: 0,
            stage: Stage::Start,
            read_bytes: 0,
            given_bytes: 0,
        }
    }

    /// Forgets the file; keeps the memory.
    pub(crate) fn clear(&mut self) {
        self.at = 0;
        self.filled = 0;
        self.is_all = false;
        self.stage = Stage::Start;
        self.read_bytes = 0;
        self.given_bytes = 0;
    }

    /// How many bytes of the file were read.
    pub(crate) const fn read_bytes(&self) -> u64 {
        self.read_bytes
    }

    /// Puts the next bytes into `output`: as many as fit, unless the input ends or breaks.
    pub(crate) fn next(&mut self, input: &mut impl Read, output: &mut [u8]) -> Came {
        let mut given = 0;
        loop {
            if given == output.len() {
                return Came::Bytes(given);
            }
            let step = match self.stage {
                Stage::Start => self.start(input),
                Stage::Plain => self.copy(input, &mut output[given..]),
                Stage::Header => self.header(input),
                Stage::Body => self.body(input, &mut output[given..]),
                Stage::Seek => self.seek(input),
                Stage::Done if given == 0 => return Came::End,
                Stage::Done => return Came::Bytes(given),
            };
            match step {
                Ok(bytes) => {
                    given += bytes;
                    self.given_bytes += bytes as u64;
                    if self.given_bytes > BOMB_BYTES
                        && self.given_bytes / MAX_EXPANSION > self.read_bytes
                    {
                        self.stage = Stage::Done;
                        return Came::Broken(given, Gap::Bomb);
                    }
                }
                Err((bytes, gap)) => {
                    self.given_bytes += bytes as u64;
                    return Came::Broken(given + bytes, gap);
                }
            }
        }
    }

    fn start(&mut self, input: &mut impl Read) -> Result<usize, (usize, Gap)> {
        while self.filled < MAGIC.len() && self.more(input)? {}
        self.stage = match self.rest().starts_with(&MAGIC[..2]) {
            true => Stage::Header,
            false => Stage::Plain,
        };
        Ok(0)
    }

    fn copy(&mut self, input: &mut impl Read, output: &mut [u8]) -> Result<usize, (usize, Gap)> {
        if self.rest().is_empty() && !self.more(input)? {
            self.stage = Stage::Done;
            return Ok(0);
        }
        let bytes = self.rest().len().min(output.len());
        output[..bytes].copy_from_slice(&self.rest()[..bytes]);
        self.at += bytes;
        Ok(bytes)
    }

    /// Reads a member's header (RFC 1952): ten bytes, then what its flags announce.
    fn header(&mut self, input: &mut impl Read) -> Result<usize, (usize, Gap)> {
        // Some tools fill the last block up with zeros.
        loop {
            match self.peek(input)? {
                Some(0) => self.at += 1,
                Some(_) => break,
                None => {
                    self.stage = Stage::Done;
                    return Ok(0);
                }
            }
        }
        let mut fixed = [0; 10];
        for (index, byte) in fixed.iter_mut().enumerate() {
            *byte = self.byte(input)?;
            if MAGIC.get(index).is_some_and(|expected| expected != byte) {
                return self.damaged();
            }
        }
        let flags = fixed[3];
        if flags & 0xE0 != 0 {
            return self.damaged();
        }
        if flags & 4 != 0 {
            let length = [self.byte(input)?, self.byte(input)?];
            for _ in 0..u16::from_le_bytes(length) {
                self.byte(input)?;
            }
        }
        for named in [8, 16] {
            while flags & named != 0 && self.byte(input)? != 0 {}
        }
        if flags & 2 != 0 {
            self.byte(input)?;
            self.byte(input)?;
        }
        self.inflate.reset(false);
        self.checksum.reset();
        self.member_bytes = 0;
        self.stage = Stage::Body;
        Ok(0)
    }

    fn body(&mut self, input: &mut impl Read, output: &mut [u8]) -> Result<usize, (usize, Gap)> {
        if self.rest().is_empty() && !self.more(input)? {
            self.stage = Stage::Done;
            return Err((0, Gap::CutOff));
        }
        let (read, given) = (self.inflate.total_in(), self.inflate.total_out());
        let status = self.inflate.decompress(
            &self.input[self.at..self.filled],
            output,
            FlushDecompress::None,
        );
        let since = |total: u64, before: u64| usize::try_from(total - before).unwrap_or(usize::MAX);
        let read = since(self.inflate.total_in(), read);
        let given = since(self.inflate.total_out(), given).min(output.len());
        self.at = self.filled.min(self.at + read);
        self.checksum.update(&output[..given]);
        // A format of 1992 counts in 32 bits.
        #[allow(clippy::cast_possible_truncation)]
        let given_modulo = given as u32;
        self.member_bytes = self.member_bytes.wrapping_add(given_modulo);
        match status {
            // Neither taking nor giving anything, with room and input for both, would never end.
            Ok(Status::Ok | Status::BufError) if read > 0 || given > 0 => Ok(given),
            Ok(Status::StreamEnd) => self.trailer(input, given),
            Ok(_) | Err(_) => {
                self.stage = Stage::Seek;
                Err((given, Gap::NotGzip))
            }
        }
    }

    fn trailer(&mut self, input: &mut impl Read, given: usize) -> Result<usize, (usize, Gap)> {
        let mut trailer = [0; 8];
        for byte in &mut trailer {
            *byte = self.byte(input).map_err(|(_, gap)| (given, gap))?;
        }
        self.stage = Stage::Header;
        let mut expected = [0; 8];
        expected[..4].copy_from_slice(&self.checksum.clone().finalize().to_le_bytes());
        expected[4..].copy_from_slice(&self.member_bytes.to_le_bytes());
        match trailer == expected {
            true => Ok(given),
            false => Err((given, Gap::Checksum)),
        }
    }

    fn damaged(&mut self) -> Result<usize, (usize, Gap)> {
        self.stage = Stage::Seek;
        Err((0, Gap::NotGzip))
    }

    /// Looks for the next member: its magic bytes, no reserved flag, and what compressors write for
    /// their effort and system, so that hardly anything else looks like one.
    fn seek(&mut self, input: &mut impl Read) -> Result<usize, (usize, Gap)> {
        loop {
            let next = memchr(MAGIC[0], self.rest()).unwrap_or(self.rest().len());
            self.at += next;
            while self.rest().len() < 10 && self.more(input)? {}
            let Some(header) = self.rest().first_chunk::<10>() else {
                self.at = self.filled;
                self.stage = Stage::Done;
                return Ok(0);
            };
            let is_member = header.starts_with(&MAGIC)
                && header[3] & 0xE0 == 0
                && matches!(header[8], 0 | 2 | 4)
                && (header[9] <= 13 || header[9] == 255);
            if is_member {
                self.stage = Stage::Header;
                return Ok(0);
            }
            self.at += 1;
        }
    }

    fn rest(&self) -> &[u8] {
        &self.input[self.at..self.filled]
    }

    fn byte(&mut self, input: &mut impl Read) -> Result<u8, (usize, Gap)> {
        match self.peek(input)? {
            Some(byte) => {
                self.at += 1;
                Ok(byte)
            }
            None => {
                self.stage = Stage::Done;
                Err((0, Gap::CutOff))
            }
        }
    }

    fn peek(&mut self, input: &mut impl Read) -> Result<Option<u8>, (usize, Gap)> {
        if self.rest().is_empty() {
            self.more(input)?;
        }
        Ok(self.rest().first().copied())
    }

    /// Reads on, behind what is not used yet; `false` at the end.
    fn more(&mut self, input: &mut impl Read) -> Result<bool, (usize, Gap)> {
        if self.is_all {
            return Ok(false);
        }
        if self.input.is_empty() {
            self.input.resize(INPUT, 0);
        }
        self.input.copy_within(self.at..self.filled, 0);
        self.filled -= self.at;
        self.at = 0;
        loop {
            match input.read(&mut self.input[self.filled..]) {
                Ok(0) => {
                    self.is_all = true;
                    return Ok(false);
                }
                Ok(bytes) => {
                    let bytes = bytes.min(self.input.len() - self.filled);
                    self.filled += bytes;
                    self.read_bytes += bytes as u64;
                    return Ok(true);
                }
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => {
                    self.is_all = true;
                    self.stage = Stage::Done;
                    return Err((0, Gap::Unreadable(told(&error))));
                }
            }
        }
    }
}

/// An input's own words, in bounds and on one line.
pub(crate) fn told(error: &io::Error) -> String {
    let text: String = error.to_string().chars().take(200).collect();
    text.escape_debug().to_string()
}
