//! How answers are said: text for people at any width, JSON for programs, never an attacker's escapes.

use super::Options;
use anstyle::{AnsiColor, Style};
use console::measure_text_width;
use evidence::{Severity, shown};
use serde::Serialize;
use serde_json::Serializer;
use serde_json::ser::{CompactFormatter, Formatter, PrettyFormatter};
use std::borrow::Cow;
use std::fmt;
use std::io::{self, BufWriter, IsTerminal as _, Write as _};

/// Standard output and error, as the options want them.
#[derive(Clone, Copy, Debug)]
pub struct Output {
    json: bool,
    quiet: bool,
}

/// How a word stands out. Colours are left away where they are not wanted (NO_COLOR, no terminal).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Tone {
    /// A heading.
    Strong,
    /// Beside the point.
    Faint,
    /// All is well.
    Good,
    /// Look.
    Warn,
    /// Wake somebody.
    Bad,
    /// Was there before.
    Gone,
    /// Where in a file.
    Place,
}

/// How a severity stands out.
pub const fn severity_tone(severity: Severity) -> Tone {
    match severity {
        Severity::Info => Tone::Faint,
        Severity::Low => Tone::Strong,
        Severity::Medium => Tone::Warn,
        Severity::High | Severity::Critical => Tone::Bad,
    }
}

impl Tone {
    const fn style(self) -> Style {
        match self {
            Self::Strong => Style::new().bold(),
            Self::Faint => Style::new().dimmed(),
            Self::Good => AnsiColor::Green.on_default(),
            Self::Warn => AnsiColor::Yellow.on_default(),
            Self::Bad => AnsiColor::Red.on_default().bold(),
            Self::Gone => AnsiColor::Red.on_default(),
            Self::Place => AnsiColor::Cyan.on_default(),
        }
    }

    /// `text` in this tone. `text` may be hostile: control characters are shown, not sent.
    pub fn paint(self, text: impl AsRef<str>) -> String {
        let style = self.style();
        format!("{style}{}{style:#}", shown(text.as_ref(), usize::MAX))
    }
}

impl Output {
    /// As the options want it.
    pub const fn new(options: &Options) -> Self {
        Self {
            json: options.json,
            quiet: options.quiet,
        }
    }

    /// Whether JSON is wanted.
    pub const fn is_json(self) -> bool {
        self.json
    }

    /// Whether progress may be drawn: on a terminal, where nobody wants quiet.
    pub fn draws(self) -> bool {
        !self.quiet && io::stderr().is_terminal()
    }

    /// The answer: `document` as JSON if that is wanted, else what `text` writes.
    pub fn answer(
        self,
        document: &impl Serialize,
        text: impl FnOnce(&mut dyn io::Write) -> io::Result<()>,
    ) -> io::Result<()> {
        if self.json {
            let mut out = BufWriter::new(io::stdout().lock());
            let visible = Visible(PrettyFormatter::new());
            let written = document.serialize(&mut Serializer::with_formatter(&mut out, visible));
            let written = written.map_err(io::Error::from);
            return read_enough(
                written
                    .and_then(|()| writeln!(out))
                    .and_then(|()| out.flush()),
            );
        }
        let mut out = BufWriter::new(anstream::AutoStream::auto(io::stdout().lock()));
        read_enough(text(&mut out).and_then(|()| out.flush()))
    }

    /// An answer that is written as it is read: a document that begins with the fields of `head` and
    /// has the rest in a list called `name`. As text, `head` is not said.
    pub fn list(self, head: &impl Serialize, name: &'static str) -> io::Result<Listing> {
        let mut listing = Listing {
            json: self.json,
            out: BufWriter::new(anstream::AutoStream::auto(io::stdout().lock())),
            is_empty: true,
            is_over: false,
        };
        if self.json {
            let head = listing.fields(head)?;
            let name = serde_json::to_string(name)?;
            write!(listing.out, "{{{head}{name}: [")?;
        }
        Ok(listing)
    }

    /// A remark for people, on standard error.
    pub fn remark(self, what: fmt::Arguments<'_>) {
        if !self.quiet {
            // Nobody to tell is no failure.
            let what = folded(&what.to_string(), Self::columns());
            let _ = writeln!(anstream::AutoStream::auto(io::stderr().lock()), "{what}");
        }
    }

    /// A remark on what a JSON document says itself.
    pub fn aside(self, what: fmt::Arguments<'_>) {
        if !self.json {
            self.remark(what);
        }
    }

    /// How many columns a person reads at: those of the terminal, or what COLUMNS says. None where
    /// nobody said and nobody watches.
    pub fn width() -> Option<usize> {
        let told = std::env::var("COLUMNS").ok();
        let told = told.and_then(|columns| columns.parse::<usize>().ok());
        let told = told.filter(|columns| *columns > 0);
        let seen = || console::Term::stdout().size_checked();
        told.or_else(|| seen().map(|(_, columns)| usize::from(columns)))
            .map(|columns| columns.clamp(40, 200))
    }

    /// How many columns there are; 80 where nobody watches.
    pub fn columns() -> usize {
        Self::width().unwrap_or(80)
    }
}

/// Lines that are wider than `width`, broken between words; a word that is wider stays whole, so that a
/// path can be copied.
fn folded(text: &str, width: usize) -> String {
    let mut folded = String::new();
    for line in text.split('\n') {
        if !folded.is_empty() {
            folded.push('\n');
        }
        if measure_text_width(line) <= width {
            folded.push_str(line);
            continue;
        }
        let mut column = 0;
        for word in line.split_inclusive(' ') {
            let room = measure_text_width(word.trim_end());
            if column > 2 && column + room > width {
                folded.truncate(folded.trim_end_matches(' ').len());
                folded.push_str("\n  ");
                column = 2;
            }
            folded.push_str(word);
            column += measure_text_width(word);
        }
    }
    folded
}

/// An answer that is written as it is read.
pub struct Listing {
    json: bool,
    out: BufWriter<anstream::AutoStream<io::StdoutLock<'static>>>,
    is_empty: bool,
    /// Whether nobody reads on: what follows is not written, and the answer's exit code stays.
    is_over: bool,
}

impl Listing {
    /// One more: as JSON on a line of its own, or what `text` writes.
    pub fn push(
        &mut self,
        one: &impl Serialize,
        text: impl FnOnce(&mut dyn io::Write) -> io::Result<()>,
    ) -> io::Result<()> {
        if self.is_over {
            return Ok(());
        }
        let written = self.write(one, text);
        let is_over = |error: &io::Error| error.kind() == io::ErrorKind::BrokenPipe;
        self.is_over = written.as_ref().is_err_and(is_over);
        read_enough(written)
    }

    fn write(
        &mut self,
        one: &impl Serialize,
        text: impl FnOnce(&mut dyn io::Write) -> io::Result<()>,
    ) -> io::Result<()> {
        if !self.json {
            return text(&mut self.out);
        }
        let begins: &[u8] = if self.is_empty { b"\n  " } else { b",\n  " };
        self.is_empty = false;
        self.out.write_all(begins)?;
        let visible = Visible(CompactFormatter);
        one.serialize(&mut Serializer::with_formatter(&mut self.out, visible))?;
        Ok(())
    }

    /// The end: the fields of `tail`, which are known only now; or what `text` writes.
    pub fn end(
        mut self,
        tail: &impl Serialize,
        text: impl FnOnce(&mut dyn io::Write) -> io::Result<()>,
    ) -> io::Result<()> {
        match self.is_over {
            true => Ok(()),
            false => read_enough(self.finish(tail, text)),
        }
    }

    fn finish(
        &mut self,
        tail: &impl Serialize,
        text: impl FnOnce(&mut dyn io::Write) -> io::Result<()>,
    ) -> io::Result<()> {
        if !self.json {
            text(&mut self.out)?;
            return self.out.flush();
        }
        self.out
            .write_all(if self.is_empty { b"]" } else { b"\n]" })?;
        let tail = self.fields(tail)?;
        if let Some(tail) = tail.strip_suffix(", ") {
            write!(self.out, ", {tail}")?;
        }
        self.out.write_all(b"}\n")?;
        self.out.flush()
    }

    /// The fields of an object, each followed by a comma.
    #[expect(clippy::unused_self, reason = "said of a listing")]
    fn fields(&self, object: &impl Serialize) -> io::Result<String> {
        let text = json_line(object)?;
        let fields = text.strip_prefix('{').and_then(|it| it.strip_suffix('}'));
        Ok(match fields {
            Some("") | None => String::new(),
            Some(fields) => format!("{fields}, "),
        })
    }
}

/// A reader that has seen enough (head, less) is no failure, and does not change the answer's exit code.
fn read_enough(written: io::Result<()>) -> io::Result<()> {
    match written {
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
        written => written,
    }
}

/// `value` as JSON on one line, in which nothing is hidden.
pub fn json_line(value: &impl Serialize) -> io::Result<String> {
    let mut line = Vec::new();
    value.serialize(&mut Serializer::with_formatter(
        &mut line,
        Visible(CompactFormatter),
    ))?;
    String::from_utf8(line).map_err(io::Error::other)
}

/// JSON that somebody else wrote, with what a terminal would obey as `\u…`; outside of strings, where
/// JSON has none of it, that makes it no worse.
pub fn visible(json: &str) -> Cow<'_, str> {
    let obeyed = |it: char| evidence::is_hidden(it) && !matches!(it, '\n' | '\r' | '\t');
    if !json.contains(obeyed) {
        return json.into();
    }
    let mut text = String::with_capacity(json.len());
    for character in json.chars() {
        match obeyed(character) {
            true => escape(&mut text, character),
            false => text.push(character),
        }
    }
    text.into()
}

/// Writes a character as JSON's `\u…`.
fn escape(text: &mut String, character: char) {
    for unit in character.encode_utf16(&mut [0; 2]) {
        text.push_str(&format!("\\u{unit:04x}"));
    }
}

/// JSON in which nothing is hidden: what a terminal would obey, and what turns the direction of writing,
/// is written as `\u…`, which is the same string to whoever reads JSON.
struct Visible<F>(F);

impl<F: Formatter> Formatter for Visible<F> {
    fn write_string_fragment<W: ?Sized + io::Write>(
        &mut self,
        out: &mut W,
        fragment: &str,
    ) -> io::Result<()> {
        let mut from = 0;
        for (at, character) in fragment.char_indices() {
            if evidence::is_hidden(character) {
                self.0.write_string_fragment(out, &fragment[from..at])?;
                let mut escaped = String::new();
                escape(&mut escaped, character);
                out.write_all(escaped.as_bytes())?;
                from = at + character.len_utf8();
            }
        }
        self.0.write_string_fragment(out, &fragment[from..])
    }

    fn begin_array<W: ?Sized + io::Write>(&mut self, out: &mut W) -> io::Result<()> {
        self.0.begin_array(out)
    }

    fn end_array<W: ?Sized + io::Write>(&mut self, out: &mut W) -> io::Result<()> {
        self.0.end_array(out)
    }

    fn begin_array_value<W: ?Sized + io::Write>(
        &mut self,
        out: &mut W,
        first: bool,
    ) -> io::Result<()> {
        self.0.begin_array_value(out, first)
    }

    fn end_array_value<W: ?Sized + io::Write>(&mut self, out: &mut W) -> io::Result<()> {
        self.0.end_array_value(out)
    }

    fn begin_object<W: ?Sized + io::Write>(&mut self, out: &mut W) -> io::Result<()> {
        self.0.begin_object(out)
    }

    fn end_object<W: ?Sized + io::Write>(&mut self, out: &mut W) -> io::Result<()> {
        self.0.end_object(out)
    }

    fn begin_object_key<W: ?Sized + io::Write>(
        &mut self,
        out: &mut W,
        first: bool,
    ) -> io::Result<()> {
        self.0.begin_object_key(out, first)
    }

    fn begin_object_value<W: ?Sized + io::Write>(&mut self, out: &mut W) -> io::Result<()> {
        self.0.begin_object_value(out)
    }

    fn end_object_value<W: ?Sized + io::Write>(&mut self, out: &mut W) -> io::Result<()> {
        self.0.end_object_value(out)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn json_hides_nothing_and_says_the_same() {
        let hostile = "a\u{1b}[2J\u{9b}31m\u{7f}\u{202e}b\u{e0041}\"\\請";
        let mut out = Vec::new();
        let visible = Visible(PrettyFormatter::new());
        [hostile]
            .serialize(&mut Serializer::with_formatter(&mut out, visible))
            .unwrap();
        let text = String::from_utf8(out).unwrap();
        assert!(
            !text.chars().any(|it| it != '\n' && evidence::is_hidden(it)),
            "{text:?}"
        );
        let read: Vec<String> = serde_json::from_str(&text).unwrap();
        assert_eq!(read, [hostile]);
        let raw = serde_json::to_string(&read).unwrap();
        let seen = super::visible(&raw);
        assert!(!seen.chars().any(evidence::is_hidden), "{seen:?}");
        assert_eq!(serde_json::from_str::<Vec<String>>(&seen).unwrap(), read);
        assert_eq!(super::visible("{\n}"), "{\n}");
    }
}
