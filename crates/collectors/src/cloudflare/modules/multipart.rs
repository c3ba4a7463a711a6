//! The parts of a `multipart/form-data` body, told apart while its bytes pass (RFC 2046, 5.1; RFC 7578).
//!
//! Whoever wrote a part's content may have written anything, so nothing here grows with the body: at
//! any time what is held is a line that may turn out to be a boundary, or the headers of one part.

use evidence::shown;
use std::fmt;

/// The most parts that are told apart.
pub(super) const MOST_PARTS: usize = 5_000;
/// The most bytes of a body that are read: 128 MiB. A Worker has 64 MiB at most, before compression.
pub(super) const MOST_BYTES: u64 = 128 * 1024 * 1024;
/// The most header lines that are read of a part.
const MOST_HEADER_LINES: usize = 64;
/// The longest header that is read, in bytes, folded lines together. So no name is longer.
pub(super) const LONGEST_HEADER: usize = 8 * 1024;
/// The longest boundary, by RFC 2046.
const LONGEST_BOUNDARY: usize = 70;
/// The most blanks that a boundary is followed by. RFC 2046 sets no limit; senders put none.
const MOST_PADDING: usize = 1024;
/// How many characters a sentence shows of what the provider said.
const SHOWN: usize = 100;

/// What is met in a body, in the order of its bytes.
pub(super) enum Event<'a> {
    /// A part begins.
    Begins(Head),
    /// More of its content; never empty.
    Content(&'a [u8]),
    /// It is over: at a boundary, or where reading ended.
    Ends,
    /// Something is not as it should be.
    Odd(Irregularity),
}

/// What a part says of itself before its content.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Head {
    /// Its number, counted from 1.
    pub(super) number: usize,
    /// Its `name`; if it has none its `filename`, its `filename*` as it stands, or `part-N`.
    pub(super) name: String,
    /// Its `filename`, if that is another than its name.
    pub(super) filename: Option<String>,
    /// Its `Content-Type`; empty if it has none.
    pub(super) content_type: String,
    /// At which byte of the body its content begins.
    pub(super) offset: u64,
}

/// What is not as it should be; as text, a sentence's worth.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Irregularity {
    /// The media type has no boundary, or one that no sender may choose.
    Boundary(String),
    /// There is no part at all.
    NoPart,
    /// A name is that of more than one part.
    NameTwice(String),
    /// A name is too long to be taken over; the part is named by its number.
    LongName(usize),
    /// A header was too long to be read.
    LongHeader(usize),
    /// There were more header lines than are read.
    ManyHeaders(usize),
    /// A header is no UTF-8; what is none of it is `U+FFFD` in the name.
    NotText(usize),
    /// A boundary, or the end, came before the empty line that ends the headers.
    CutHeaders(usize),
    /// The body broke off in this part's content, of which what came is kept.
    MissingEnd(usize),
    /// So many bytes follow the last boundary.
    AfterTheEnd(u64),
    /// There are more parts than are read.
    TooManyParts,
    /// There are more bytes than are read.
    TooLarge,
    /// So many more irregularities of single parts.
    More(u64),
}

impl fmt::Display for Irregularity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Boundary(media_type) => write!(
                f,
                "no part can be told from the next, since {} names no boundary that RFC 2046 allows",
                shown(media_type, SHOWN)
            ),
            Self::NoPart => f.write_str("there is no part in it"),
            Self::NameTwice(name) => {
                write!(f, "more than one part is named {}", shown(name, SHOWN))
            }
            Self::LongName(part) => write!(
                f,
                "the name of part {part} is longer than {LONGEST_HEADER} bytes and is left out"
            ),
            Self::LongHeader(part) => write!(
                f,
                "a header of part {part} is longer than {LONGEST_HEADER} bytes and was passed over"
            ),
            Self::ManyHeaders(part) => write!(
                f,
                "part {part} has more than {MOST_HEADER_LINES} header lines, the rest of which were passed over"
            ),
            Self::NotText(part) => write!(f, "a header of part {part} is no UTF-8"),
            Self::CutHeaders(part) => write!(f, "part {part} ends within its headers"),
            Self::MissingEnd(part) => write!(
                f,
                "it breaks off in part {part}, whose end is missing; what came of it is kept"
            ),
            Self::AfterTheEnd(bytes) => {
                write!(
                    f,
                    "{bytes} bytes follow the last boundary and belong to no part"
                )
            }
            Self::TooManyParts => write!(
                f,
                "it has more than {MOST_PARTS} parts, the rest of which were not read"
            ),
            Self::TooLarge => write!(
                f,
                "it is larger than {MOST_BYTES} bytes, the rest of which were not read"
            ),
            Self::More(count) => write!(f, "{count} more parts are not as they should be"),
        }
    }
}

/// The boundary that a media type names; else why there is none to go by.
pub(super) fn boundary(media_type: &str) -> Result<String, Irregularity> {
    parameter(media_type, "boundary")
        .filter(|boundary| is_boundary(boundary))
        .ok_or_else(|| Irregularity::Boundary(media_type.to_owned()))
}

/// The `bchars` of RFC 2046, 5.1.1.
fn is_boundary(text: &str) -> bool {
    (1..=LONGEST_BOUNDARY).contains(&text.len())
        && !text.ends_with(' ')
        && text
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || b"'()+_,-./:=? ".contains(&byte))
}

/// Tells the parts of one body apart; is given its bytes in order, in whatever chunks they come.
pub(super) struct Parser {
    /// The boundary with the line's end and the dashes that belong to it.
    delimiter: Vec<u8>,
    state: State,
    line: Line,
    /// What earlier chunks brought of the line that may be a boundary.
    held: Vec<u8>,
    headers: Headers,
    /// How many bytes were read.
    position: u64,
    parts: usize,
}

/// Between which boundaries the next byte lies.
#[derive(Clone, Copy, PartialEq, Eq)]
enum State {
    Preamble,
    Headers,
    Content,
    /// After the last boundary: whether its line has ended, and how many bytes followed.
    Epilogue {
        line_ended: bool,
        odd_bytes: u64,
    },
    Stopped,
}

/// How much of a boundary's line the bytes before the next one are.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Line {
    Other,
    /// So many bytes of the delimiter.
    Delimiter(usize),
    /// One of the two dashes that mark the last boundary.
    Dash,
    /// So many blanks after the delimiter.
    Padding(usize),
    /// The first half of the line's end.
    Return,
}

/// What a byte makes of a line that may be a boundary.
enum Step {
    Goes(Line),
    Fails,
    NextPart,
    LastBoundary,
}

/// The headers of one part as far as they were read.
#[derive(Default)]
struct Headers {
    /// Each without its line's end, continuation lines added.
    fields: Vec<Vec<u8>>,
    lines: usize,
    line: Vec<u8>,
    line_is_long: bool,
    /// Whether the byte before was a carriage return.
    returned: bool,
    /// Whether the header that the next line may continue was too long.
    is_passing: bool,
}

/// The virtual line's end before the first byte of a body, and before that of a part's content: the
/// grammar of RFC 2046 lets a boundary follow there at once.
const AT_LINE: Line = Line::Delimiter(2);

impl Parser {
    /// Of a body with this boundary.
    pub(super) fn new(boundary: &str) -> Self {
        Self {
            delimiter: format!("\r\n--{boundary}").into_bytes(),
            state: State::Preamble,
            line: AT_LINE,
            held: Vec::new(),
            headers: Headers::default(),
            position: 0,
            parts: 0,
        }
    }

    /// Whether a limit was reached: what follows is not looked at.
    pub(super) fn is_stopped(&self) -> bool {
        self.state == State::Stopped
    }

    /// Reads on.
    pub(super) fn feed(&mut self, chunk: &[u8], on: &mut impl FnMut(Event<'_>)) {
        let room = usize::try_from(MOST_BYTES - self.position).unwrap_or(usize::MAX);
        let mut rest = &chunk[..chunk.len().min(room)];
        while !rest.is_empty() {
            let used = match self.state {
                State::Preamble | State::Content => self.until_boundary(rest, on),
                State::Headers => self.header_line(rest, on),
                State::Epilogue { .. } => self.epilogue(rest),
                State::Stopped => rest.len(),
            };
            self.position += used as u64;
            rest = &rest[used..];
        }
        if chunk.len() > room && !self.is_stopped() {
            self.finish(on);
            on(Event::Odd(Irregularity::TooLarge));
        }
    }

    /// There are no more bytes.
    pub(super) fn finish(&mut self, on: &mut impl FnMut(Event<'_>)) {
        match std::mem::replace(&mut self.state, State::Stopped) {
            State::Headers => on(Event::Odd(Irregularity::CutHeaders(self.parts))),
            State::Content => {
                // Half a boundary is none.
                content(&self.held, on);
                on(Event::Ends);
                on(Event::Odd(Irregularity::MissingEnd(self.parts)));
            }
            State::Epilogue { odd_bytes, .. } if odd_bytes > 0 => {
                on(Event::Odd(Irregularity::AfterTheEnd(odd_bytes)));
            }
            State::Preamble | State::Epilogue { .. } | State::Stopped => {}
        }
        if self.parts == 0 {
            on(Event::Odd(Irregularity::NoPart));
        }
    }

    /// Passes over content, or what stands before the first part, up to the end of a boundary; answers
    /// how many bytes that took.
    fn until_boundary(&mut self, chunk: &[u8], on: &mut impl FnMut(Event<'_>)) -> usize {
        let is_content = self.state == State::Content;
        // Where the line began that may be a boundary; in an earlier chunk, where this one begins.
        let mut begins = 0;
        let mut at = 0;
        while at < chunk.len() {
            if self.line == Line::Other {
                let Some(ahead) = chunk[at..].iter().position(|byte| *byte == b'\r') else {
                    break;
                };
                begins = at + ahead;
                at = begins + 1;
                self.line = Line::Delimiter(1);
                continue;
            }
            match self.step(chunk[at]) {
                Step::Goes(line) => {
                    self.line = line;
                    at += 1;
                }
                // A boundary has no carriage return but its first byte and its last: another boundary
                // can begin at this byte and at none before it.
                Step::Fails => {
                    if is_content {
                        content(&self.held, on);
                    }
                    self.held.clear();
                    self.line = Line::Other;
                }
                step @ (Step::NextPart | Step::LastBoundary) => {
                    if is_content {
                        content(&chunk[..begins], on);
                        on(Event::Ends);
                    }
                    self.held.clear();
                    self.pass(matches!(step, Step::LastBoundary), on);
                    return at + 1;
                }
            }
        }
        if self.line == Line::Other {
            begins = chunk.len();
        }
        if is_content {
            content(&chunk[..begins], on);
        }
        self.held.extend_from_slice(&chunk[begins..]);
        chunk.len()
    }

    fn step(&self, byte: u8) -> Step {
        let whole = self.delimiter.len();
        match (self.line, byte) {
            (Line::Delimiter(matched), _) if matched < whole => {
                if byte == self.delimiter[matched] {
                    Step::Goes(Line::Delimiter(matched + 1))
                } else {
                    Step::Fails
                }
            }
            (Line::Delimiter(_), b'-') => Step::Goes(Line::Dash),
            (Line::Dash, b'-') => Step::LastBoundary,
            (Line::Delimiter(_), b' ' | b'\t') => Step::Goes(Line::Padding(1)),
            (Line::Padding(blanks), b' ' | b'\t') if blanks < MOST_PADDING => {
                Step::Goes(Line::Padding(blanks + 1))
            }
            (Line::Delimiter(_) | Line::Padding(_), b'\r') => Step::Goes(Line::Return),
            (Line::Return, b'\n') => Step::NextPart,
            _ => Step::Fails,
        }
    }

    /// A boundary was passed.
    fn pass(&mut self, is_last: bool, on: &mut impl FnMut(Event<'_>)) {
        self.headers = Headers::default();
        self.state = if is_last {
            State::Epilogue {
                line_ended: false,
                odd_bytes: 0,
            }
        } else if self.parts == MOST_PARTS {
            on(Event::Odd(Irregularity::TooManyParts));
            State::Stopped
        } else {
            self.parts += 1;
            State::Headers
        };
    }

    /// Reads up to the end of a header line; answers how many bytes that took.
    fn header_line(&mut self, chunk: &[u8], on: &mut impl FnMut(Event<'_>)) -> usize {
        for (at, byte) in chunk.iter().enumerate() {
            if self.headers.push(*byte) {
                self.header(self.position + at as u64 + 1, on);
                return at + 1;
            }
        }
        chunk.len()
    }

    /// A header line was read, and the next byte is the one at `offset`.
    fn header(&mut self, offset: u64, on: &mut impl FnMut(Event<'_>)) {
        let line = std::mem::take(&mut self.headers.line);
        let is_long = std::mem::take(&mut self.headers.line_is_long);
        if line.is_empty() {
            self.begin(offset, on);
            self.state = State::Content;
            self.line = AT_LINE;
        } else if let Some(is_last) = self.is_boundary_line(&line) {
            on(Event::Odd(Irregularity::CutHeaders(self.parts)));
            self.begin(offset, on);
            on(Event::Ends);
            self.pass(is_last, on);
        } else if let Err(irregularity) = self.headers.add(line, is_long, self.parts) {
            on(Event::Odd(irregularity));
        }
    }

    /// Whether a header line is a boundary, and then, whether it is the last one.
    fn is_boundary_line(&self, line: &[u8]) -> Option<bool> {
        let rest = line.strip_prefix(&self.delimiter[2..])?;
        let dashes = rest.strip_prefix(b"--");
        let is_padding = |rest: &[u8]| rest.iter().all(|byte| matches!(byte, b' ' | b'\t'));
        is_padding(dashes.unwrap_or(rest)).then_some(dashes.is_some())
    }

    /// The headers are over.
    fn begin(&mut self, offset: u64, on: &mut impl FnMut(Event<'_>)) {
        let headers = std::mem::take(&mut self.headers);
        let number = self.parts;
        let mut is_text = true;
        let mut field = |name: &str| {
            let value = headers.value(name).unwrap_or_default();
            is_text &= std::str::from_utf8(value).is_ok();
            String::from_utf8_lossy(value).into_owned()
        };
        let disposition = field("content-disposition");
        let content_type = field("content-type");
        if !is_text {
            on(Event::Odd(Irregularity::NotText(number)));
        }
        let named = |parameter: &String| !parameter.is_empty();
        let name = parameter(&disposition, "name").filter(named);
        let filename = parameter(&disposition, "filename").filter(named);
        let name = name
            .or_else(|| filename.clone())
            .or_else(|| parameter(&disposition, "filename*").filter(named))
            .unwrap_or_else(|| part_name(number));
        on(Event::Begins(Head {
            number,
            filename: filename.filter(|filename| *filename != name),
            name,
            content_type,
            offset,
        }));
    }

    /// Counts what follows the last boundary: blanks and one line's end may.
    fn epilogue(&mut self, chunk: &[u8]) -> usize {
        if let State::Epilogue {
            line_ended,
            odd_bytes,
        } = &mut self.state
        {
            for byte in chunk {
                match byte {
                    b' ' | b'\t' | b'\r' if !*line_ended => {}
                    b'\n' if !*line_ended => *line_ended = true,
                    _ => {
                        *line_ended = true;
                        *odd_bytes += 1;
                    }
                }
            }
        }
        chunk.len()
    }
}

/// What a part is called that has no name of its own.
pub(super) fn part_name(number: usize) -> String {
    format!("part-{number}")
}

fn content(bytes: &[u8], on: &mut impl FnMut(Event<'_>)) {
    if !bytes.is_empty() {
        on(Event::Content(bytes));
    }
}

impl Headers {
    /// Takes a byte; whether it ended a line.
    fn push(&mut self, byte: u8) -> bool {
        let ends = self.returned && byte == b'\n';
        self.returned = byte == b'\r';
        if ends {
            if !self.line_is_long {
                self.line.pop();
            }
            return true;
        }
        // One more, for the carriage return.
        if self.line.len() <= LONGEST_HEADER {
            self.line.push(byte);
        } else {
            self.line_is_long = true;
        }
        false
    }

    /// Takes a line that was read; else says why not. Of a header that is too long nothing is taken.
    fn add(&mut self, line: Vec<u8>, is_long: bool, part: usize) -> Result<(), Irregularity> {
        self.lines += 1;
        if self.lines > MOST_HEADER_LINES {
            return match self.lines - MOST_HEADER_LINES {
                1 => Err(Irregularity::ManyHeaders(part)),
                _ => Ok(()),
            };
        }
        let is_folded = matches!(line.first(), Some(b' ' | b'\t'));
        if is_folded && self.is_passing {
            return Ok(());
        }
        let before = match self.fields.last() {
            Some(field) if is_folded => field.len(),
            _ => {
                self.fields.push(Vec::new());
                0
            }
        };
        self.is_passing = is_long || before + line.len() > LONGEST_HEADER;
        if let Some(field) = self.fields.last_mut() {
            if self.is_passing {
                field.clear();
                return Err(Irregularity::LongHeader(part));
            }
            field.extend(line);
        }
        Ok(())
    }

    /// What the first header of this name says.
    fn value(&self, name: &str) -> Option<&[u8]> {
        self.fields.iter().find_map(|field| {
            let colon = field.iter().position(|byte| *byte == b':')?;
            field[..colon]
                .trim_ascii()
                .eq_ignore_ascii_case(name.as_bytes())
                .then(|| field[colon + 1..].trim_ascii())
        })
    }
}

/// The value of a header's parameter; the first one's, if there are more of this name.
///
/// In quotes a backslash stands before a quote or a backslash; before anything else it is itself, as
/// senders write it that put a path there. Percent forms are kept as they are.
fn parameter(header: &str, wanted: &str) -> Option<String> {
    let mut rest = &header[header.find(';')?..];
    loop {
        rest = rest.trim_start_matches([' ', '\t', ';']);
        let (name, after) = rest.split_at(rest.find(['=', ';'])?);
        let Some(after) = after.strip_prefix('=') else {
            rest = after;
            continue;
        };
        let (value, after) = value(after.trim_start());
        if name.trim().eq_ignore_ascii_case(wanted) {
            return Some(value);
        }
        rest = after;
    }
}

/// A parameter's value, a token or in quotes, and what follows it.
fn value(text: &str) -> (String, &str) {
    let to_next = |text: &str| text.find(';').unwrap_or(text.len());
    let Some(quoted) = text.strip_prefix('"') else {
        let (token, after) = text.split_at(to_next(text));
        return (token.trim_end().to_owned(), after);
    };
    let mut value = String::new();
    let mut characters = quoted.chars();
    while let Some(character) = characters.next() {
        let after = characters.as_str();
        match character {
            '"' => return (value, &after[to_next(after)..]),
            '\\' if after.starts_with(['"', '\\']) => value.extend(characters.next()),
            other => value.push(other),
        }
    }
    (value, "")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_held_does_not_grow_with_the_body() {
        let mut parser = Parser::new("B");
        let mut most = 0;
        let mut pass = |parser: &mut Parser, bytes: &[u8]| {
            for chunk in bytes.chunks(7) {
                parser.feed(chunk, &mut |_| {});
                let fields = parser.headers.fields.iter().map(Vec::len).sum::<usize>();
                most = most.max(parser.held.len() + parser.headers.line.len() + fields);
            }
        };
        pass(&mut parser, &b"\r\n--".repeat(10_000));
        pass(&mut parser, b"\r\n--B\r\n");
        // Headers that are one line, many lines, one header of many lines.
        pass(&mut parser, &[b'a'; 100_000]);
        pass(&mut parser, b"\r\n");
        pass(&mut parser, &b"a: b\r\n".repeat(10_000));
        pass(&mut parser, &b" b\r\n".repeat(10_000));
        pass(&mut parser, b"\r\n");
        // A boundary that never ends its line.
        let mut line = b"\r\n--B".to_vec();
        line.extend([b' '; 100_000]);
        pass(&mut parser, &line.repeat(3));
        assert!(parser.state == State::Content);
        assert!((1_000..10_000).contains(&most), "{most}");
    }
}
