//! Where each record of a trail file begins and ends, found while its bytes arrive and without
//! parsing them.
//!
//! A file is `{"Records":[…]}` (other fields around it, several documents one after another), a list
//! of records, or one record a line. Inside of a record only quotes, backslashes and brackets are
//! looked at, 64 bytes at a time. What is not JSON shows soon: brackets that don't match, a bracket or
//! a quote where no value can begin, or letters outside of strings. The record is then given up and
//! the next place looked for that a record can begin at. The result does not depend on how the bytes
//! are cut when they arrive.

use memchr::{memchr, memchr2};
use std::ops::Range;

/// The largest record that is looked at, in bytes. CloudTrail's own limit is 256 KB, or 1 MB where an
/// account asked for large events.
pub const MAX_RECORD_BYTES: usize = 2 * 1024 * 1024;

/// How deep a record may nest. JSON parsers stop there as well.
const MAX_NESTING: u32 = 127;

/// How many lists and objects a record may hold: parsed, each takes some hundred bytes.
const MAX_BRACKETS: u32 = 20_000;

/// How much room is made for the next bytes at least.
const CHUNK: usize = 256 * 1024;

/// What every CloudTrail record begins with, unless the file's first one says otherwise.
const USUAL_HEAD: &[u8] = b"{\"eventVersion\"";
const WRAPPER_HEAD: &[u8] = b"{\"Records\"";
const BOM: &[u8] = b"\xEF\xBB\xBF";

/// The longest text by which the beginning of a record is recognised.
const MAX_HEAD: usize = 64;

/// Bytes that may be looked at again after a fault, per byte that came. It keeps a file made of
/// faults from being read over and over.
const SECOND_LOOKS: u64 = 4;
const FREE_SECOND_LOOKS: u64 = 1024 * 1024;

const NO_OBJECT: &str = "no object where a record should be";

/// What stands next in a file.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Found {
    /// A whole record: its bytes in the framer, until it is asked for the next one.
    Record {
        bytes: Range<usize>,
        has_backslash: bool,
    },
    /// Something that is passed over, from this offset in the file on.
    Broken(Fault),
}

#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Fault {
    pub(crate) offset: u64,
    pub(crate) what: Broken,
    pub(crate) why: &'static str,
}

enum Step {
    Found(Found),
    /// The state has changed.
    Further,
    /// More bytes must come.
    More,
}

/// What kind of thing is broken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Broken {
    /// A record, or what stands where one should.
    Record,
    /// Bytes between records, up to the next line or record.
    Text,
    /// The input ended inside of something.
    CutOff,
}

/// Holds the bytes that are not done with, and where in the structure they are.
pub(crate) struct Framer {
    buffer: Vec<u8>,
    filled: usize,
    /// The next byte that is not done with.
    at: usize,
    /// Where in the file `buffer` begins.
    base: u64,
    state: State,
    /// A fault was met: brackets and commas that lost their other half are no further faults.
    is_tolerant: bool,
    /// No record was found since the last fault: whatever is passed over belongs to it.
    is_quiet: bool,
    /// What the file's first record begins with.
    head: Option<Vec<u8>>,
    second_looks: u64,
}

#[derive(Clone, Copy)]
enum State {
    /// Between documents.
    Top,
    /// In a list of records.
    List { is_wrapped: bool },
    /// Inside of brackets.
    Inside(Inside),
    /// After text that is no JSON: up to the next line or record.
    Line,
    /// After an item that is no object: up to the next.
    Item { is_wrapped: bool },
    /// After a fault: up to where a record begins.
    Seek,
}

/// Inside of brackets. Offsets are those in the file.
#[derive(Clone, Copy)]
struct Inside {
    part: Part,
    start: u64,
    /// The next byte to look at; a whole number of blocks behind `start`.
    scanned: u64,
    /// All ones inside of a string.
    in_string: u64,
    /// One if the next byte is escaped.
    is_escaped: u64,
    /// The last byte of the block before.
    previous: u8,
    depth: u32,
    /// The kinds of the open brackets, the innermost in the lowest bit: one for an object.
    kinds: u128,
    /// How many brackets were opened.
    opened: u32,
    has_backslash: bool,
    is_too_deep: bool,
    /// Its bytes are not kept.
    is_dropped: bool,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Part {
    /// An object between documents: a record, or a wrapper of records.
    Document,
    /// An item of a list of records; if the list is a wrapper's, its other fields follow.
    Item { is_wrapped: bool },
    /// A wrapper's fields after its records.
    Rest,
}

/// How far a scan came; positions are those in the buffer.
enum Scanned {
    /// All bytes that are here, without an end.
    More,
    /// The object ends before this byte.
    End(usize),
    /// It is a wrapper: its list of records begins at this byte.
    List(usize),
    Fault(usize, &'static str),
}

impl Framer {
    pub(crate) fn new() -> Self {
        Self {
            buffer: Vec::new(),
            filled: 0,
            at: 0,
            base: 0,
            state: State::Top,
            is_tolerant: false,
            is_quiet: false,
            head: None,
            second_looks: 0,
        }
    }

    /// Forgets the file; keeps the memory.
    pub(crate) fn clear(&mut self) {
        let mut buffer = std::mem::take(&mut self.buffer);
        if buffer.len() > 2 * CHUNK {
            buffer = Vec::new();
        }
        *self = Self {
            buffer,
            ..Self::new()
        };
    }

    /// Begins anew at the present end of the bytes: what comes next does not continue them.
    pub(crate) fn interrupt(&mut self) {
        self.at = self.filled;
        self.state = State::Top;
        self.is_tolerant = true;
        self.is_quiet = true;
    }

    /// How many bytes of the file came so far.
    pub(crate) fn offset(&self) -> u64 {
        self.base + self.filled as u64
    }

    pub(crate) fn bytes(&self, range: &Range<usize>) -> &[u8] {
        &self.buffer[range.clone()]
    }

    pub(crate) fn offset_of(&self, range: &Range<usize>) -> u64 {
        self.base + range.start as u64
    }

    /// Room for the next bytes; say how many came with [`Self::arrived`].
    pub(crate) fn room(&mut self) -> &mut [u8] {
        if self.buffer.len() - self.filled < CHUNK {
            let keep = match self.state {
                State::Inside(inside) if inside.is_dropped => self.index(inside.scanned),
                _ => self.at,
            };
            // One more: it may be the line break that makes a place to go on at.
            let keep = keep.saturating_sub(1);
            self.buffer.copy_within(keep..self.filled, 0);
            self.filled -= keep;
            self.at = self.at.saturating_sub(keep);
            self.base += keep as u64;
            let wanted = (self.filled + CHUNK).max(2 * CHUNK);
            if self.buffer.len() < wanted {
                self.buffer.resize(wanted, 0);
            }
        }
        let end = self.filled + CHUNK;
        &mut self.buffer[self.filled..end]
    }

    pub(crate) fn arrived(&mut self, bytes: usize) {
        self.filled = self.buffer.len().min(self.filled + bytes);
    }

    /// What stands next in the bytes that came; nothing if more must come first. `is_all`: no more
    /// will come.
    pub(crate) fn next(&mut self, is_all: bool) -> Option<Found> {
        loop {
            let step = match self.state {
                State::Top => self.between_documents(is_all),
                State::List { is_wrapped } => self.in_list(is_wrapped, is_all),
                State::Inside(inside) => self.inside(inside, is_all),
                State::Line => self.pass_over_line(is_all),
                State::Item { is_wrapped } => self.pass_over_item(is_wrapped, is_all),
                State::Seek => self.seek(is_all),
            };
            match step {
                Step::Found(found) => return Some(found),
                Step::Further => {}
                Step::More => return None,
            }
        }
    }

    fn between_documents(&mut self, is_all: bool) -> Step {
        while let Some(rest) = self.rest() {
            match rest[0] {
                b' ' | b'\t' | b'\r' | b'\n' => self.at += 1,
                b',' | b']' | b'}' if self.is_tolerant => self.at += 1,
                b'{' => return self.begin(Part::Document),
                b'[' => {
                    self.at += 1;
                    return self.turn(State::List { is_wrapped: false });
                }
                0xEF if rest.len() < BOM.len() && !is_all => return Step::More,
                0xEF if rest.starts_with(BOM) => self.at += BOM.len(),
                _ if self.is_quiet => return self.turn(State::Seek),
                _ => {
                    let at = self.at;
                    self.at += 1;
                    self.state = State::Line;
                    return self.broken(at, Broken::Text, "not JSON");
                }
            }
        }
        Step::More
    }

    fn in_list(&mut self, is_wrapped: bool, is_all: bool) -> Step {
        while let Some(rest) = self.rest() {
            match rest[0] {
                b' ' | b'\t' | b'\r' | b'\n' | b',' => self.at += 1,
                b'{' | b'[' => return self.begin(Part::Item { is_wrapped }),
                b']' => {
                    self.at += 1;
                    return match is_wrapped {
                        true => self.begin(Part::Rest),
                        false => self.turn(State::Top),
                    };
                }
                byte => {
                    let at = self.at;
                    self.at += 1;
                    self.state = State::Item { is_wrapped };
                    if byte == b'"' {
                        // Most likely a field of a record that lost its bracket.
                        self.state = State::Seek;
                        self.is_tolerant = true;
                        self.is_quiet = true;
                    }
                    return self.broken(at, Broken::Record, NO_OBJECT);
                }
            }
        }
        if !is_all {
            return Step::More;
        }
        self.state = State::Top;
        let why = "the input ends inside of a list of records";
        self.broken(self.filled, Broken::CutOff, why)
    }

    fn begin(&mut self, part: Part) -> Step {
        let start = self.base + self.at as u64;
        self.turn(State::Inside(Inside::begin(part, start)))
    }

    fn inside(&mut self, mut inside: Inside, is_all: bool) -> Step {
        let scanned = inside.scan(&self.buffer[..self.filled], self.base, is_all);
        match scanned {
            Scanned::More if !is_all => {
                self.state = State::Inside(inside);
                Step::More
            }
            Scanned::More => {
                let why = match inside.part {
                    Part::Rest => "the input ends inside of a document",
                    _ => "the input ends inside of a record",
                };
                self.give_up(&inside, self.filled, Broken::CutOff, why)
            }
            Scanned::Fault(at, why) => self.give_up(&inside, at, Broken::Record, why),
            Scanned::List(at) => {
                self.at = at;
                self.is_quiet = false;
                self.turn(State::List { is_wrapped: true })
            }
            Scanned::End(end) => {
                self.at = end;
                self.state = match inside.part {
                    Part::Item { is_wrapped } => State::List { is_wrapped },
                    Part::Document | Part::Rest => State::Top,
                };
                match inside.part {
                    Part::Rest => Step::Further,
                    _ => self.record(&inside, end),
                }
            }
        }
    }

    fn record(&mut self, inside: &Inside, end: usize) -> Step {
        self.is_quiet = false;
        let length = self.base + end as u64 - inside.start;
        let why = match () {
            () if length > MAX_RECORD_BYTES as u64 => "larger than any record (2 MiB)",
            () if inside.is_too_deep => "nested deeper than any record (127 brackets)",
            () if inside.opened > MAX_BRACKETS => "more lists and objects than any record (20,000)",
            () => {
                let start = self.index(inside.start);
                if self.buffer[start] == b'[' {
                    return self.broken(start, Broken::Record, NO_OBJECT);
                }
                if self.head.is_none() {
                    self.head = Some(head_of(&self.buffer[start..end]));
                }
                return Step::Found(Found::Record {
                    bytes: start..end,
                    has_backslash: inside.has_backslash,
                });
            }
        };
        Step::Found(Found::Broken(Fault {
            offset: inside.start,
            what: Broken::Record,
            why,
        }))
    }

    /// Gives what was begun up, because of the byte at `at`, and goes on where a record begins: after
    /// the beginning of what was given up, for it may have swallowed others.
    fn give_up(&mut self, inside: &Inside, at: usize, what: Broken, why: &'static str) -> Step {
        let reached = self.base + at as u64;
        let again = reached - inside.start;
        let allowed = FREE_SECOND_LOOKS + SECOND_LOOKS * reached;
        self.at = at;
        if !inside.is_dropped && self.second_looks + again <= allowed {
            self.second_looks += again;
            self.at = self.index(inside.start) + 1;
        }
        self.state = State::Seek;
        self.is_tolerant = true;
        self.is_quiet = true;
        Step::Found(Found::Broken(Fault {
            offset: inside.start,
            what,
            why,
        }))
    }

    fn broken(&self, at: usize, what: Broken, why: &'static str) -> Step {
        let offset = self.base + at as u64;
        Step::Found(Found::Broken(Fault { offset, what, why }))
    }

    fn pass_over_line(&mut self, is_all: bool) -> Step {
        while let Some(rest) = self.rest() {
            match memchr2(b'\n', b'{', rest) {
                None => self.at = self.filled,
                Some(next) => {
                    self.at += next;
                    if self.buffer[self.at] == b'\n' {
                        return self.turn(State::Top);
                    }
                    match self.is_beginning(is_all) {
                        None => return Step::More,
                        Some(true) => return self.turn(State::Top),
                        Some(false) => self.at += 1,
                    }
                }
            }
        }
        Step::More
    }

    fn pass_over_item(&mut self, is_wrapped: bool, is_all: bool) -> Step {
        while let Some(rest) = self.rest() {
            let end = rest
                .iter()
                .position(|byte| matches!(byte, b',' | b']' | b'{' | b'\n'));
            match end {
                None => self.at = self.filled,
                Some(end) => {
                    self.at += end;
                    return self.turn(State::List { is_wrapped });
                }
            }
        }
        match is_all {
            true => self.turn(State::List { is_wrapped }),
            false => Step::More,
        }
    }

    fn seek(&mut self, is_all: bool) -> Step {
        while let Some(rest) = self.rest() {
            match memchr(b'{', rest) {
                None => self.at = self.filled,
                Some(next) => {
                    self.at += next;
                    match self.is_beginning(is_all) {
                        None => return Step::More,
                        Some(true) => return self.turn(State::Top),
                        Some(false) => self.at += 1,
                    }
                }
            }
        }
        Step::More
    }

    /// Whether a record, or a wrapper of records, begins at the bracket that is next: at the start of a
    /// line, or with the field that they begin with. Nothing if more bytes must come to say so.
    fn is_beginning(&self, is_all: bool) -> Option<bool> {
        if self.at > 0 && self.buffer[self.at - 1] == b'\n' {
            return Some(true);
        }
        let rest = &self.buffer[self.at..self.filled];
        if rest.len() < MAX_HEAD && !is_all {
            return None;
        }
        let head = self.head.as_deref().unwrap_or(USUAL_HEAD);
        Some(
            rest.starts_with(USUAL_HEAD)
                || rest.starts_with(WRAPPER_HEAD)
                || (!head.is_empty() && rest.starts_with(head)),
        )
    }

    fn rest(&self) -> Option<&[u8]> {
        (self.at < self.filled).then(|| &self.buffer[self.at..self.filled])
    }

    fn turn(&mut self, state: State) -> Step {
        self.state = state;
        Step::Further
    }

    /// Where in the buffer a byte of the file stands.
    fn index(&self, offset: u64) -> usize {
        usize::try_from(offset.saturating_sub(self.base)).unwrap_or(usize::MAX)
    }
}

/// What a record begins with, up to its first field's name; empty where that is nothing to go by.
fn head_of(record: &[u8]) -> Vec<u8> {
    let record = &record[..record.len().min(MAX_HEAD)];
    let Some(name) = record.iter().position(|byte| *byte == b'"') else {
        return Vec::new();
    };
    let length = record[name + 1..]
        .iter()
        .position(|byte| !byte.is_ascii_alphanumeric());
    match length {
        Some(length @ 3..) if record[name + 1 + length] == b'"' => {
            record[..name + length + 2].to_vec()
        }
        _ => Vec::new(),
    }
}

impl Inside {
    const fn begin(part: Part, start: u64) -> Self {
        let is_rest = matches!(part, Part::Rest);
        Self {
            part,
            start,
            scanned: start,
            in_string: 0,
            is_escaped: 0,
            previous: b',',
            depth: is_rest as u32,
            kinds: is_rest as u128,
            opened: 0,
            has_backslash: false,
            is_too_deep: false,
            is_dropped: is_rest,
        }
    }

    /// Looks at the bytes that are not looked at yet.
    fn scan(&mut self, buffer: &[u8], base: u64, is_all: bool) -> Scanned {
        let index = |offset: u64| usize::try_from(offset - base).unwrap_or(usize::MAX);
        loop {
            let at = index(self.scanned);
            let Some(rest) = buffer.get(at..) else {
                return Scanned::More;
            };
            match rest.first_chunk::<BLOCK>() {
                Some(block) => {
                    if let Some(scanned) = self.scan_block(block, buffer, at, base) {
                        return scanned;
                    }
                    self.scanned += BLOCK as u64;
                    if self.scanned - self.start > MAX_RECORD_BYTES as u64 {
                        self.is_dropped = true;
                    }
                }
                None if is_all => {
                    let mut block = [b' '; BLOCK];
                    block[..rest.len()].copy_from_slice(rest);
                    return self
                        .scan_block(&block, buffer, at, base)
                        .unwrap_or(Scanned::More);
                }
                None => return Scanned::More,
            }
        }
    }

    /// Looks at one block, which stands at `at` in the buffer.
    fn scan_block(
        &mut self,
        block: &[u8; BLOCK],
        buffer: &[u8],
        at: usize,
        base: u64,
    ) -> Option<Scanned> {
        let marks = Marks::of(block);
        let mut quotes = marks.quotes;
        if marks.backslashes | self.is_escaped != 0 {
            self.has_backslash = true;
            quotes &= !self.escaped(marks.backslashes);
        }
        let in_string = prefix_xor(quotes) ^ self.in_string;
        self.in_string = (in_string.cast_signed() >> 63).cast_unsigned();
        let mut brackets = marks.brackets & !in_string;

        // A string begins behind a bracket, a comma or a colon. Where a quote was lost, all quotes
        // change their part, and the first that opens a string shows it.
        let opening = (quotes & in_string).trailing_zeros() as usize;
        let is_amiss = opening < BLOCK && {
            let before = match opening {
                0 => self.previous,
                _ => block[opening - 1],
            };
            !matches!(
                before,
                b'{' | b'[' | b',' | b':' | b' ' | b'\n' | b'\t' | b'\r'
            )
        };
        self.previous = block[BLOCK - 1];
        if is_amiss {
            brackets &= (1 << opening) - 1;
        }
        while brackets != 0 {
            let here = brackets.trailing_zeros() as usize;
            brackets &= brackets - 1;
            let scanned = match block[here] {
                b'{' => self.open(1, buffer, at + here, base),
                b'[' => self.open(0, buffer, at + here, base),
                b'}' => self.close(1, at + here),
                b']' => self.close(0, at + here),
                _ => Some(Scanned::Fault(
                    at + here,
                    "not JSON: text outside of strings",
                )),
            };
            if scanned.is_some() {
                return scanned;
            }
        }
        is_amiss.then(|| Scanned::Fault(at + opening, "not JSON: a string where none can begin"))
    }

    fn open(&mut self, kind: u128, buffer: &[u8], at: usize, base: u64) -> Option<Scanned> {
        self.depth = self.depth.saturating_add(1);
        self.opened = self.opened.saturating_add(1);
        if self.depth > MAX_NESTING {
            self.is_too_deep = true;
        }
        if self.depth > 1 && !self.is_dropped {
            let start = usize::try_from(self.start - base).unwrap_or(usize::MAX);
            let before = buffer.get(start..at).unwrap_or_default().trim_ascii_end();
            let fits = match self.kinds & 1 {
                1 => before.last() == Some(&b':'),
                _ => matches!(before.last(), Some(b'[' | b',')),
            };
            if !fits && !self.is_too_deep {
                return Some(Scanned::Fault(
                    at,
                    "not JSON: a bracket where none can begin",
                ));
            }
            if kind == 0 && self.depth == 2 && self.part == Part::Document {
                let name = before.strip_suffix(b":").unwrap_or_default();
                if name.trim_ascii_end().ends_with(b"\"Records\"") {
                    return Some(Scanned::List(at + 1));
                }
            }
        }
        self.kinds = (self.kinds << 1) | kind;
        None
    }

    fn close(&mut self, kind: u128, at: usize) -> Option<Scanned> {
        // Beyond what `kinds` holds, brackets are only counted.
        if !self.is_too_deep && self.kinds & 1 != kind {
            return Some(Scanned::Fault(at, "not JSON: brackets that don't match"));
        }
        self.kinds >>= 1;
        self.depth = self.depth.saturating_sub(1);
        (self.depth == 0).then_some(Scanned::End(at + 1))
    }

    /// Which bytes of a block are escaped, after simdjson: in a run of backslashes every other one
    /// escapes what follows, which a subtraction's carry finds for all runs at once.
    fn escaped(&mut self, backslashes: u64) -> u64 {
        const ODD: u64 = 0xAAAA_AAAA_AAAA_AAAA;
        let escaping = backslashes & !self.is_escaped;
        let maybe = (escaping << 1) | ODD;
        let ends = maybe.wrapping_sub(escaping) ^ ODD;
        let escaped = ends ^ (backslashes | self.is_escaped);
        self.is_escaped = (ends & backslashes) >> 63;
        escaped
    }
}

const BLOCK: usize = 64;

/// Where in a block certain bytes stand, one bit each.
#[derive(Debug, PartialEq, Eq)]
struct Marks {
    quotes: u64,
    backslashes: u64,
    /// Brackets; also `Y`, `_`, `y` and DEL, which never stand outside of strings.
    brackets: u64,
}

impl Marks {
    /// Eight bytes at a time, in plain integers.
    fn of(block: &[u8; BLOCK]) -> Self {
        let mut marks = Self {
            quotes: 0,
            backslashes: 0,
            brackets: 0,
        };
        let (words, _) = block.as_chunks::<8>();
        for (index, word) in words.iter().enumerate() {
            let word = u64::from_le_bytes(*word);
            let shift = 8 * index;
            marks.quotes |= equal(word, b'"') << shift;
            marks.backslashes |= equal(word, b'\\') << shift;
            // `[` is 5B, `]` 5D, `{` 7B, `}` 7D: equal but for three bits.
            marks.brackets |= equal(word | (EACH * 0x26), 0x7F) << shift;
        }
        marks
    }
}

const EACH: u64 = 0x0101_0101_0101_0101;

/// Which of eight bytes equal `byte`, one bit each, the first byte's lowest.
const fn equal(word: u64, byte: u8) -> u64 {
    const LOW: u64 = EACH * 0x7F;
    let differing = word ^ (EACH * byte as u64);
    let differs = ((differing & LOW) + LOW) | differing | LOW;
    ((!differs >> 7).wrapping_mul(0x0102_0408_1020_4080)) >> 56
}

/// Each bit becomes the parity of itself and all lower ones.
const fn prefix_xor(mut bits: u64) -> u64 {
    bits ^= bits << 1;
    bits ^= bits << 2;
    bits ^= bits << 4;
    bits ^= bits << 8;
    bits ^= bits << 16;
    bits ^= bits << 32;
    bits
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn marks_of_each_byte(block: &[u8; BLOCK]) -> Marks {
        let marks = |is_marked: &dyn Fn(u8) -> bool| {
            (0..BLOCK).fold(0, |bits, index| {
                bits | (u64::from(is_marked(block[index])) << index)
            })
        };
        Marks {
            quotes: marks(&|byte| byte == b'"'),
            backslashes: marks(&|byte| byte == b'\\'),
            brackets: marks(&|byte| b"[]{}Y_y\x7F".contains(&byte)),
        }
    }

    #[test]
    fn every_byte_is_marked_as_what_it_is() {
        for byte in 0..=u8::MAX {
            let mut block = [byte; BLOCK];
            assert_eq!(Marks::of(&block), marks_of_each_byte(&block), "{byte}");
            block[17] = b'"';
            assert_eq!(Marks::of(&block), marks_of_each_byte(&block), "{byte}");
        }
    }

    proptest! {
        #[test]
        fn bytes_are_marked_where_they_stand(bytes in prop::collection::vec(any::<u8>(), BLOCK)) {
            let block = bytes.first_chunk().unwrap();
            prop_assert_eq!(Marks::of(block), marks_of_each_byte(block));
        }

        /// Against one byte after another, across blocks.
        #[test]
        fn escapes_are_those_that_a_reader_sees(
            bytes in prop::collection::vec(prop::sample::select(&b"\\\\\\\"a"[..]), BLOCK * 3),
        ) {
            let mut inside = Inside::begin(Part::Document, 0);
            let mut is_escaped = false;
            for block in bytes.chunks(BLOCK) {
                let block: &[u8; BLOCK] = block.first_chunk().unwrap();
                let escaped = inside.escaped(Marks::of(block).backslashes);
                for (index, byte) in block.iter().enumerate() {
                    prop_assert_eq!(escaped >> index & 1 == 1, is_escaped);
                    is_escaped = *byte == b'\\' && !is_escaped;
                }
            }
        }
    }

    #[test]
    fn parity_is_that_of_all_lower_bits() {
        for bits in [0, 1, 0b1001, u64::MAX, 0x8000_0000_0000_0001] {
            let expected = (0..64).fold(0, |parity: u64, index| {
                let below = bits & (u64::MAX >> (63 - index));
                parity | (u64::from(below.count_ones() % 2) << index)
            });
            assert_eq!(prefix_xor(bits), expected, "{bits:b}");
        }
    }
}
