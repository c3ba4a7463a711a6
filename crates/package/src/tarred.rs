//! Tar archives, plain or in gzip: read block by block, whatever the blocks say.

use crate::Oddity;
use crate::source::Unreadable;
use crate::walk::{Broken, Met, Place, Stream, Walk};
use flate2::bufread::GzDecoder;
use std::io::{self, BufRead, BufReader, Read};

const BLOCK: usize = 512;

/// Bytes of the reader's buffer.
const BUFFER_BYTES: usize = 64 << 10;

/// Bytes of an extended header that are looked at: there is room for any honest name.
const EXTENDED_BYTES: usize = 1 << 20;

/// Pieces of a sparse file that are followed.
const MOST_PIECES: usize = 1 << 16;

static ZEROS: [u8; BUFFER_BYTES] = [0; BUFFER_BYTES];

/// Reads a plain tar.
pub(crate) fn read(
    walk: &mut Walk<'_, '_>,
    place: &Place,
    from: &mut dyn Read,
) -> Result<(), Unreadable> {
    Reader::new(from)
        .read(walk, place)
        .map_err(|error| match error {
            Stop::Io(error) => Unreadable::reading(error),
            Stop::Unreadable(why) => why,
        })
}

/// Reads a tar in gzip.
pub(crate) fn read_gzip(
    walk: &mut Walk<'_, '_>,
    place: &Place,
    from: &mut dyn Read,
) -> Result<(), Unreadable> {
    let mut gunzip = Gunzip::new(BufReader::with_capacity(BUFFER_BYTES, from));
    read(walk, place, &mut gunzip)?;
    if walk.reads_no_more() {
        return Ok(());
    }
    match gunzip.broken {
        Some(Broken::Short) => walk.odd(
            Oddity::Truncated,
            place.archive(),
            "its gzip stream ends too soon",
        ),
        Some(_) => {
            walk.contents.is_complete = false;
            walk.odd(
                Oddity::BadChecksum,
                place.archive(),
                "its gzip stream is damaged: its bytes make no sense or have another checksum",
            );
        }
        None => {}
    }
    if gunzip.stray_bytes > 0 {
        walk.odd(
            Oddity::StrayBytes,
            place.archive(),
            format!("{} bytes after the gzip stream", gunzip.stray_bytes),
        );
    }
    Ok(())
}

/// Whether a tar begins here: its header has its checksum.
pub(crate) fn is_header(bytes: &[u8]) -> bool {
    let Some(block) = bytes.first_chunk::<BLOCK>() else {
        return false;
    };
    let Some(said) = number(&block[148..156]) else {
        return false;
    };
    let rest = || block[..148].iter().chain(&block[156..]);
    let blanks = 8 * u64::from(b' ');
    let plain = rest().map(|byte| u64::from(*byte)).sum::<u64>() + blanks;
    let signed = rest().map(|byte| i64::from(*byte as i8)).sum::<i64>() + blanks as i64;
    said > blanks && (said == plain || i64::try_from(said) == Ok(signed))
}

/// Whether this is the beginning of a gzip stream that unpacks to a tar.
pub(crate) fn is_gzip_of_tar(bytes: &[u8]) -> bool {
    if !bytes.starts_with(&[0x1f, 0x8b]) {
        return false;
    }
    let mut block = [0xff; BLOCK];
    let mut decoder = GzDecoder::new(bytes);
    decoder.read_exact(&mut block).is_ok() && (is_header(&block) || block == [0; BLOCK])
}

enum Stop {
    Io(io::Error),
    Unreadable(Unreadable),
}

impl From<io::Error> for Stop {
    fn from(error: io::Error) -> Self {
        Self::Io(error)
    }
}

impl From<Unreadable> for Stop {
    fn from(why: Unreadable) -> Self {
        Self::Unreadable(why)
    }
}

/// What extended headers said of the entry that follows them.
#[derive(Clone, Default)]
struct Extended {
    name: Option<Vec<u8>>,
    link: Option<Vec<u8>>,
    size: Option<u64>,
    modified: Option<i64>,
    sparse: Option<Sparse>,
}

#[derive(Clone, Default)]
struct Sparse {
    /// The map stands before the data.
    is_map_inside: bool,
    name: Option<Vec<u8>>,
    real_size: Option<u64>,
    /// Offsets and lengths in turn.
    numbers: Vec<u64>,
}

struct Reader<'r> {
    from: &'r mut dyn Read,
    buffer: Vec<u8>,
    start: usize,
    filled: usize,
}

impl<'r> Reader<'r> {
    fn new(from: &'r mut dyn Read) -> Self {
        Self {
            from,
            buffer: vec![0; BUFFER_BYTES],
            start: 0,
            filled: 0,
        }
    }

    /// Takes some of the next bytes, `most` at most; none at the end.
    fn some(&mut self, most: u64) -> io::Result<&[u8]> {
        if self.start == self.filled {
            (self.start, self.filled) = (0, 0);
            loop {
                match self.from.read(&mut self.buffer) {
                    Ok(count) => {
                        self.filled = count;
                        break;
                    }
                    Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                    Err(error) => return Err(error),
                }
            }
        }
        let count = usize::try_from(most)
            .unwrap_or(usize::MAX)
            .min(self.filled - self.start);
        let some = &self.buffer[self.start..self.start + count];
        self.start += count;
        Ok(some)
    }

    /// Fills a block; how much of it there was.
    fn block(&mut self, block: &mut [u8; BLOCK]) -> io::Result<usize> {
        let mut have = 0;
        while have < BLOCK {
            let some = self.some((BLOCK - have) as u64)?;
            if some.is_empty() {
                break;
            }
            block[have..have + some.len()].copy_from_slice(some);
            have += some.len();
        }
        Ok(have)
    }

    /// Passes over bytes; how many there were.
    fn skip(&mut self, walk: &mut Walk<'_, '_>, count: u64) -> io::Result<u64> {
        let mut left = count;
        while left > 0 && !walk.reads_no_more() {
            let some = self.some(left)?.len() as u64;
            if some == 0 {
                break;
            }
            left -= some;
            walk.work(some);
        }
        Ok(count - left)
    }

    /// The data of an entry, its first `most` bytes; the rest is passed over.
    fn data(&mut self, walk: &mut Walk<'_, '_>, size: u64, most: usize) -> io::Result<Vec<u8>> {
        let mut data = Vec::new();
        let wanted = size.min(most as u64);
        while (data.len() as u64) < wanted {
            let some = self.some(wanted - data.len() as u64)?;
            if some.is_empty() {
                break;
            }
            data.extend_from_slice(some);
        }
        let taken = data.len() as u64;
        walk.work(taken);
        if taken == wanted {
            self.skip(walk, padded(size) - taken)?;
        }
        Ok(data)
    }

    fn read(&mut self, walk: &mut Walk<'_, '_>, place: &Place) -> Result<(), Stop> {
        let (mut zeros, mut has_ended, mut is_told) = (0, false, false);
        let (mut lost, mut stray) = (0_u64, 0_u64);
        let mut extended = Extended::default();
        while !walk.reads_no_more() {
            let mut block = [0; BLOCK];
            let count = self.block(&mut block)?;
            if count < BLOCK {
                if has_ended {
                    stray += count as u64;
                } else if count > 0 {
                    walk.odd(
                        Oddity::Truncated,
                        place.archive(),
                        "the tar ends within a header",
                    );
                } else {
                    walk.odd(
                        Oddity::Truncated,
                        place.archive(),
                        "the tar has no end mark",
                    );
                }
                break;
            }
            walk.work(BLOCK as u64);
            if block == [0; BLOCK] {
                zeros += 1;
                has_ended |= zeros >= 2;
                continue;
            }
            if !is_header(&block) {
                if has_ended {
                    stray += BLOCK as u64;
                } else {
                    lost += BLOCK as u64;
                }
                continue;
            }
            zeros = 0;
            if has_ended && !is_told {
                is_told = true;
                walk.odd(
                    Oddity::StrayBytes,
                    place.archive(),
                    "entries stand behind the end mark, where most programs do not look",
                );
            }
            self.entry(walk, place, &block, &mut extended)?;
        }
        if lost > 0 {
            walk.contents.is_complete = false;
            walk.odd(
                Oddity::BadChecksum,
                place.archive(),
                format!("{lost} bytes were skipped where a header with its checksum should be"),
            );
        }
        if stray > 0 {
            walk.odd(
                Oddity::StrayBytes,
                place.archive(),
                format!("{stray} bytes behind the end mark"),
            );
        }
        Ok(())
    }

    fn entry(
        &mut self,
        walk: &mut Walk<'_, '_>,
        place: &Place,
        block: &[u8; BLOCK],
        extended: &mut Extended,
    ) -> Result<(), Stop> {
        let Some(size) = number(&block[124..136]) else {
            walk.odd(
                Oddity::BadChecksum,
                place.archive(),
                "an entry's size is no number; what follows is searched for the next header",
            );
            walk.contents.is_complete = false;
            return Ok(());
        };
        let what = block[156];
        match what {
            b'L' | b'K' => {
                let most = walk.limits.path_bytes.saturating_add(1);
                let mut text = self.data(walk, size, most)?;
                text.truncate(memchr::memchr(0, &text).unwrap_or(text.len()));
                if what == b'L' {
                    extended.name = Some(text);
                } else {
                    extended.link = Some(text);
                }
                return Ok(());
            }
            b'x' | b'X' | b'g' => {
                if size > EXTENDED_BYTES as u64 {
                    walk.odd(
                        Oddity::BeyondLimits,
                        place.archive(),
                        format!("an extended header of {size} bytes is cut"),
                    );
                }
                let records = self.data(walk, size, EXTENDED_BYTES)?;
                // What is said of all entries is a comment in every tar met so far; only what is
                // said of one is taken.
                if what != b'g' {
                    extended.take(&records);
                }
                return Ok(());
            }
            _ => {}
        }
        let said = std::mem::take(extended);
        let size = said.size.unwrap_or(size);
        let name = said
            .sparse
            .as_ref()
            .and_then(|sparse| sparse.name.clone())
            .or(said.name)
            .unwrap_or_else(|| name_in(block));
        let is_folder =
            what == b'5' || (matches!(what, 0 | b'0') && name.ends_with(b"/") && size == 0);
        if is_folder && matches!(name.as_slice(), b"." | b"./" | b"/") {
            return Ok(());
        }
        let Some(path) = walk.admit(place, &name) else {
            return Ok(());
        };
        let met = Met {
            path,
            mode: number(&block[100..108]).map(|mode| (mode & 0o7777) as u32),
            modified_at: said
                .modified
                .or_else(|| number(&block[136..148]).and_then(|time| time.try_into().ok()))
                .and_then(|time| jiff::Timestamp::from_second(time).ok())
                .map(|time| time.to_string()),
        };
        let link = || {
            said.link
                .clone()
                .unwrap_or_else(|| until_zero(&block[157..257]).to_vec())
        };
        match what {
            _ if is_folder => walk.folder(&met.path, &name),
            b'1' => walk.link(met, &name, &link(), true),
            b'2' => walk.link(met, &name, &link(), false),
            b'3' => walk.special(met, &name, "a character device"),
            b'4' => walk.special(met, &name, "a block device"),
            b'6' => walk.special(met, &name, "a pipe"),
            _ => {
                if !matches!(what, 0 | b'0' | b'7' | b'S') {
                    walk.odd(
                        Oddity::UnknownMethod,
                        Some(&met.path),
                        format!("an entry of the unknown type 0x{what:02x}, read as a file"),
                    );
                }
                return self.file(walk, place, met, &name, block, size, said.sparse);
            }
        }
        Ok(())
    }

    #[allow(clippy::too_many_arguments)]
    fn file(
        &mut self,
        walk: &mut Walk<'_, '_>,
        place: &Place,
        met: Met,
        name: &[u8],
        block: &[u8; BLOCK],
        size: u64,
        sparse: Option<Sparse>,
    ) -> Result<(), Stop> {
        let mut before = 0;
        let pieces = if block[156] == b'S' {
            Some(self.old_pieces(block)?)
        } else if let Some(sparse) = sparse {
            let mut numbers = sparse.numbers;
            if sparse.is_map_inside {
                (numbers, before) = self.inner_map(size)?;
            }
            Some(Pieces::of(&numbers, sparse.real_size))
        } else {
            None
        };
        let mut portion = Portion {
            left: size.saturating_sub(before),
            reader: self,
        };
        let poured = match pieces {
            None => walk.regular(place, met, name, Some(&mut portion)),
            Some(Some(pieces)) => {
                let mut spread = Spread {
                    portion: &mut portion,
                    pieces,
                    at: 0,
                };
                walk.regular(place, met, name, Some(&mut spread))
            }
            Some(None) => {
                walk.odd(
                    Oddity::UnknownMethod,
                    Some(&met.path),
                    "a sparse file whose map makes no sense",
                );
                walk.regular(place, met, name, None)
            }
        };
        let left = portion.left;
        poured?;
        self.skip(walk, left.saturating_add(padded(size) - size))?;
        Ok(())
    }

    /// The map of a sparse file in the old GNU format: in the header and in blocks behind it.
    fn old_pieces(&mut self, block: &[u8; BLOCK]) -> io::Result<Option<Pieces>> {
        let mut numbers = Vec::new();
        let mut is_sane = numbers_of(&block[386..482], &mut numbers);
        let mut goes_on = block[482] != 0;
        while goes_on {
            let mut more = [0; BLOCK];
            if self.block(&mut more)? < BLOCK {
                return Ok(None);
            }
            if numbers.len() < MOST_PIECES * 2 {
                is_sane &= numbers_of(&more[..504], &mut numbers);
            } else {
                is_sane = false;
            }
            goes_on = more[504] != 0;
        }
        let real_size = number(&block[483..495]);
        Ok(is_sane.then(|| Pieces::of(&numbers, real_size)).flatten())
    }

    /// The map of a sparse file in format 1.0: decimal lines before the data, in whole blocks.
    fn inner_map(&mut self, size: u64) -> io::Result<(Vec<u64>, u64)> {
        let mut numbers = Vec::new();
        let (mut taken, mut count, mut digits) = (0, None, String::new());
        while taken + BLOCK as u64 <= size {
            let mut block = [0; BLOCK];
            if self.block(&mut block)? < BLOCK {
                break;
            }
            taken += BLOCK as u64;
            for byte in block {
                match byte {
                    b'0'..=b'9' if digits.len() < 20 => digits.push(byte as char),
                    b'\n' => {
                        let Ok(number) = digits.parse::<u64>() else {
                            return Ok((vec![u64::MAX], taken));
                        };
                        digits.clear();
                        if count.is_none() {
                            count = Some(number.saturating_mul(2));
                        } else {
                            numbers.push(number);
                        }
                        if count == Some(numbers.len() as u64) {
                            return Ok((numbers, taken));
                        }
                        if numbers.len() > MOST_PIECES * 2 {
                            return Ok((vec![u64::MAX], taken));
                        }
                    }
                    _ => return Ok((vec![u64::MAX], taken)),
                }
            }
        }
        Ok((vec![u64::MAX], taken))
    }
}

impl Extended {
    /// Reads `LENGTH KEY=VALUE\n` records; what makes no sense ends it.
    fn take(&mut self, mut records: &[u8]) {
        while let Some(blank) = memchr::memchr(b' ', records) {
            let length = std::str::from_utf8(&records[..blank])
                .ok()
                .and_then(|digits| digits.parse::<usize>().ok());
            let Some(record) = length.and_then(|length| records.get(blank + 1..length)) else {
                return;
            };
            records = &records[blank + 1 + record.len()..];
            let record = record.strip_suffix(b"\n").unwrap_or(record);
            let Some(equals) = memchr::memchr(b'=', record) else {
                return;
            };
            let (key, value) = (&record[..equals], &record[equals + 1..]);
            let text = std::str::from_utf8(value).unwrap_or_default();
            match key {
                b"path" => self.name = Some(value.to_vec()),
                b"linkpath" => self.link = Some(value.to_vec()),
                b"size" => self.size = text.parse().ok(),
                b"mtime" => {
                    self.modified = text
                        .split('.')
                        .next()
                        .and_then(|seconds| seconds.parse().ok());
                }
                _ => {
                    if let Some(key) = key.strip_prefix(b"GNU.sparse.") {
                        self.sparse.get_or_insert_default().take(key, value, text);
                    }
                }
            }
        }
    }
}

impl Sparse {
    fn take(&mut self, key: &[u8], value: &[u8], text: &str) {
        match key {
            b"name" => self.name = Some(value.to_vec()),
            b"realsize" | b"size" => self.real_size = text.parse().ok(),
            b"major" => self.is_map_inside = text == "1",
            b"offset" | b"numbytes" if self.numbers.len() <= MOST_PIECES * 2 => {
                self.numbers.push(text.parse().unwrap_or(u64::MAX));
            }
            b"map" => {
                self.numbers = text
                    .split(',')
                    .take(MOST_PIECES * 2 + 1)
                    .filter(|number| !number.is_empty())
                    .map(|number| number.parse().unwrap_or(u64::MAX))
                    .collect();
            }
            _ => {}
        }
    }
}

/// The bytes of one entry.
struct Portion<'p, 'r> {
    reader: &'p mut Reader<'r>,
    left: u64,
}

impl Portion<'_, '_> {
    fn some(&mut self, most: u64) -> Result<&[u8], Broken> {
        let most = most.min(self.left);
        if most == 0 {
            return Ok(&[]);
        }
        let some = self.reader.some(most)?;
        if some.is_empty() {
            return Err(Broken::Short);
        }
        self.left -= some.len() as u64;
        Ok(some)
    }
}

impl Stream for Portion<'_, '_> {
    fn next(&mut self) -> Result<&[u8], Broken> {
        self.some(u64::MAX)
    }
}

/// Where the data of a sparse file belong; there are zeros between them.
struct Pieces {
    /// Offset and length, in order; the next last.
    waiting: Vec<(u64, u64)>,
    real_size: u64,
}

impl Pieces {
    /// None if pieces overlap or lie outside.
    fn of(numbers: &[u64], real_size: Option<u64>) -> Option<Self> {
        let (pairs, []) = numbers.as_chunks::<2>() else {
            return None;
        };
        let mut end = 0_u64;
        for [offset, length] in pairs {
            if *offset < end {
                return None;
            }
            end = offset.checked_add(*length)?;
        }
        let real_size = real_size.unwrap_or(end);
        (pairs.len() <= MOST_PIECES && end <= real_size).then(|| Self {
            waiting: pairs.iter().rev().map(|pair| (pair[0], pair[1])).collect(),
            real_size,
        })
    }
}

/// A sparse file as it will be on disk.
struct Spread<'s, 'p, 'r> {
    portion: &'s mut Portion<'p, 'r>,
    pieces: Pieces,
    at: u64,
}

impl Stream for Spread<'_, '_, '_> {
    fn next(&mut self) -> Result<&[u8], Broken> {
        while let Some((offset, length)) = self.pieces.waiting.last_mut() {
            if self.at < *offset {
                let hole = (*offset - self.at).min(BUFFER_BYTES as u64);
                self.at += hole;
                return Ok(&ZEROS[..hole as usize]);
            }
            if *length == 0 {
                self.pieces.waiting.pop();
                continue;
            }
            let some = self.portion.some(*length)?;
            if some.is_empty() {
                return Err(Broken::Short);
            }
            let count = some.len() as u64;
            self.at += count;
            *offset += count;
            *length -= count;
            return Ok(some);
        }
        let hole = (self.pieces.real_size - self.at).min(BUFFER_BYTES as u64);
        self.at += hole;
        Ok(&ZEROS[..hole as usize])
    }
}

/// A gzip file of one or more streams. What is wrong with it ends it, and is kept for later.
struct Gunzip<R> {
    stream: Option<GzDecoder<R>>,
    broken: Option<Broken>,
    stray_bytes: u64,
}

impl<R: BufRead> Gunzip<R> {
    fn new(from: R) -> Self {
        Self {
            stream: Some(GzDecoder::new(from)),
            broken: None,
            stray_bytes: 0,
        }
    }
}

impl<R: BufRead> Read for Gunzip<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        while let Some(stream) = &mut self.stream {
            match stream.read(buffer) {
                Ok(0) => {}
                Ok(count) => return Ok(count),
                Err(error) => {
                    self.stream = None;
                    self.broken = Some(match error.kind() {
                        io::ErrorKind::UnexpectedEof => Broken::Short,
                        io::ErrorKind::InvalidInput | io::ErrorKind::InvalidData => Broken::Corrupt,
                        _ => return Err(error),
                    });
                    return Ok(0);
                }
            }
            let Some(mut from) = self.stream.take().map(GzDecoder::into_inner) else {
                break;
            };
            if from.fill_buf()?.starts_with(&[0x1f]) {
                self.stream = Some(GzDecoder::new(from));
                continue;
            }
            // Zeros fill the last block of a tape; anything else does not belong here.
            let mut is_padding = true;
            loop {
                let rest = from.fill_buf()?;
                let count = rest.len();
                if count == 0 {
                    break;
                }
                is_padding &= rest.iter().all(|byte| *byte == 0);
                self.stray_bytes += count as u64;
                from.consume(count);
            }
            if is_padding {
                self.stray_bytes = 0;
            }
        }
        Ok(0)
    }
}

fn padded(size: u64) -> u64 {
    size.checked_next_multiple_of(BLOCK as u64).unwrap_or(size)
}

fn until_zero(bytes: &[u8]) -> &[u8] {
    &bytes[..memchr::memchr(0, bytes).unwrap_or(bytes.len())]
}

fn name_in(block: &[u8; BLOCK]) -> Vec<u8> {
    let name = until_zero(&block[..100]);
    let prefix = until_zero(&block[345..500]);
    if block[257..263] == *b"ustar\0" && !prefix.is_empty() {
        [prefix, b"/", name].concat()
    } else {
        name.to_vec()
    }
}

/// A number of a header: octal digits between blanks, or 256-based.
fn number(field: &[u8]) -> Option<u64> {
    match field {
        [0x80, rest @ ..] => rest.iter().try_fold(0_u64, |sum, byte| {
            Some(sum.checked_mul(256)? + u64::from(*byte))
        }),
        _ => {
            let text = std::str::from_utf8(until_zero(field)).ok()?.trim();
            if text.is_empty() {
                return Some(0);
            }
            if !text.bytes().all(|byte| byte.is_ascii_digit()) {
                return None;
            }
            u64::from_str_radix(text, 8).ok()
        }
    }
}

/// Reads pairs of twelve-byte numbers up to the first empty one; whether all were numbers.
fn numbers_of(fields: &[u8], numbers: &mut Vec<u64>) -> bool {
    for field in fields.chunks_exact(12) {
        if field[0] == 0 {
            break;
        }
        match number(field) {
            Some(number) => numbers.push(number),
            None => return false,
        }
    }
    true
}
