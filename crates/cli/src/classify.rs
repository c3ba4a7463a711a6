//! `coldcase classify`: what would be done with each CloudTrail record of a file.

use crate::desk::json_line;
use anyhow::{Context, Result, bail};
use evidence::Target;
use serde::de::IgnoredAny;
use serde_json::{Deserializer, Value};
use std::fs::File;
use std::io::{self, BufRead, BufReader, BufWriter, ErrorKind, Read, Write};
use std::path::PathBuf;
use trail::{Classification, Scope, Unreadable};

/// Says what coldcase would do with each CloudTrail record of FILE.
///
/// FILE is JSON in any wrapper that carries CloudTrail records (a trail's file, an EventBridge event,
/// what LookupEvents answers, SQS and SNS messages, a list, a bare record), pretty-printed or not, or
/// one record a line (JSON Lines), which is read in constant memory.
///
/// Prints one JSON object a line for each record, with event_id, event_name, base_name, category,
/// decision (respond, record or ignore), reason, targets, technique and severity. What cannot be read
/// is ignored, with the line and the reason. Exits with 0, or with 2 if FILE cannot be read.
#[derive(clap::Args)]
#[command(after_help = "\
Examples:
  coldcase classify event.json
  gunzip -c 111122223333_CloudTrail_*.json.gz | coldcase classify
  aws cloudtrail lookup-events --lookup-attributes AttributeKey=EventSource,AttributeValue=lambda.amazonaws.com \\
    | coldcase classify | jq -c 'select(.decision == \"respond\")'
  coldcase classify --own arn:aws:s3:::coldcase-evidence --own arn:aws:events:eu-west-1:111122223333:rule/coldcase-\\* trail.json")]
pub struct Args {
    /// The file to read; `-`, or nothing, is standard input.
    #[arg(value_name = "FILE", default_value = "-")]
    file: PathBuf,

    /// The ARN of one of the responder's own parts; whatever touches it is critical. Its name may end in
    /// `*`, its Region may be `*`. Repeatable.
    #[arg(long = "own", value_name = "ARN", value_parser = own_part)]
    own: Vec<Target>,

    /// The ARN of the role that the responder acts under; what it does is critical.
    #[arg(long, value_name = "ARN", value_parser = own_role)]
    own_role: Option<String>,
}

fn own_part(text: &str) -> Result<Target, evidence::BadArn> {
    Target::from_arn(text)
}

fn own_role(text: &str) -> Result<String, String> {
    match Target::from_arn(text) {
        Ok(target) if target.kind == evidence::ResourceKind::Role => Ok(text.to_owned()),
        _ => Err(format!(
            "{text:?} is not the ARN of a role; one looks like arn:aws:iam::ACCOUNT:role/NAME"
        )),
    }
}

/// Classifies what `args` name and prints it. A reader of the output that goes away ends it quietly.
pub fn run(args: &Args) -> Result<()> {
    let scope = Scope::new(args.own.iter().cloned(), args.own_role.clone());
    let output = BufWriter::new(io::stdout().lock());
    if args.file.as_os_str() == "-" {
        let input = BufReader::with_capacity(1 << 16, io::stdin().lock());
        return Desk { scope, output }
            .read(input)
            .context("standard input cannot be read");
    }
    let name = args.file.display();
    let open = |file: &PathBuf| {
        let file = File::open(file)?;
        match file.metadata()?.is_dir() {
            true => Err(ErrorKind::IsADirectory.into()),
            false => Ok(file),
        }
    };
    let file = match open(&args.file) {
        Ok(file) => file,
        Err(error) => bail!("{name} cannot be opened ({error}); {}", what_to_do(&error)),
    };
    let input = BufReader::with_capacity(1 << 16, file);
    Desk { scope, output }
        .read(input)
        .with_context(|| format!("{name} cannot be read to its end"))
}

fn what_to_do(error: &io::Error) -> &'static str {
    match error.kind() {
        ErrorKind::NotFound => "check the path, or pass - to read standard input",
        ErrorKind::PermissionDenied => "ask for read access to it, or pipe it in and pass -",
        ErrorKind::IsADirectory => "name one of its files, or concatenate them and pass -",
        _ => "name a file that can be read, or pass - to read standard input",
    }
}

/// Reads values and writes what is thought of each.
///
/// A value ends where its brackets close at the end of a line: so a document may stretch over many
/// lines, while JSON Lines need no more memory than one line. A line that is a whole object by itself
/// shows that an unfinished value before it was broken off, unless it fits into it.
struct Desk<W> {
    scope: Scope,
    output: W,
}

/// Lines of a value that is not finished yet.
#[derive(Default)]
struct Pending {
    bytes: Vec<u8>,
    /// The number of each line, counted from 1, and where it begins in `bytes`.
    lines: Vec<(u64, usize)>,
    nesting: Nesting,
}

impl<W: Write> Desk<W> {
    fn read<R: Read>(mut self, mut input: BufReader<R>) -> io::Result<()> {
        match self.read_all(&mut input) {
            Err(Stop::Output(error)) if error.kind() == ErrorKind::BrokenPipe => Ok(()),
            Err(Stop::Output(error) | Stop::Input(error)) => Err(error),
            Ok(()) => Ok(()),
        }
    }

    fn read_all<R: Read>(&mut self, input: &mut BufReader<R>) -> Result<(), Stop> {
        let mut pending = Pending::default();
        let mut line = Vec::new();
        let mut number = 0;
        loop {
            line.clear();
            if input.buffer().is_empty() {
                // The next read may wait for whoever writes the input; show what is known so far.
                self.output.flush().map_err(Stop::Output)?;
            }
            let whole = read_line(input, &mut line)?;
            if line.is_empty() {
                break;
            }
            number += 1;
            if number == 1 && line.starts_with(b"\xEF\xBB\xBF") {
                line.drain(..3);
            }
            if !whole || pending.bytes.len() + line.len() > trail::MAX_BYTES {
                self.give_up(&mut pending)?;
                self.unreadable(
                    number,
                    None,
                    "longer than is read at once; split the document",
                )?;
                continue;
            }
            if line.iter().all(u8::is_ascii_whitespace) {
                continue;
            }
            if !pending.lines.is_empty() && !pending.nesting.takes_object() && begins_anew(&line) {
                self.give_up(&mut pending)?;
            }
            pending.push(&line, number);
            if pending.nesting.is_closed() {
                self.finish(&mut pending)?;
            } else if pending.nesting.in_string {
                // JSON has no line breaks inside strings: this line was cut.
                self.give_up(&mut pending)?;
            }
        }
        self.give_up(&mut pending)?;
        self.output.flush().map_err(Stop::Output)
    }

    /// Classifies the values of lines whose brackets have closed.
    fn finish(&mut self, pending: &mut Pending) -> Result<(), Stop> {
        let mut values = Deserializer::from_slice(&pending.bytes).into_iter::<Value>();
        let mut error = None;
        for value in values.by_ref() {
            match value {
                Ok(value) => self.classify(pending.first(), value)?,
                Err(found) => {
                    error = Some(found);
                    break;
                }
            }
        }
        match error {
            None => pending.clear(),
            Some(_) if pending.lines.len() > 1 => {
                // Values before the fault are out already.
                pending.drop_lines_before(values.byte_offset());
                return self.give_up(pending);
            }
            Some(error) => {
                self.unreadable(
                    pending.first(),
                    None,
                    &format!("not JSON: {}", in_line(&error)),
                )?;
                pending.clear();
            }
        }
        Ok(())
    }

    /// Gives up on an unfinished value: its lines are read one by one. Those that are no object by
    /// themselves are named together up to the next that begins like one.
    fn give_up(&mut self, pending: &mut Pending) -> Result<(), Stop> {
        let why = match serde_json::from_slice::<IgnoredAny>(&pending.bytes) {
            Err(error) => format!("not JSON: {}", in_line(&error)),
            Ok(_) => "not JSON: an unfinished value".into(),
        };
        let mut broken: Option<(u64, u64)> = None;
        for index in 0..pending.lines.len() {
            let (number, line) = pending.line(index);
            let value = match begins_anew(line) {
                true => serde_json::from_slice::<Value>(line).ok(),
                false => None,
            };
            if (value.is_some() || line.starts_with(b"{"))
                && let Some((first, last)) = broken.take()
            {
                self.unreadable(first, Some(last), &why)?;
            }
            match value {
                Some(value) => self.classify(number, value)?,
                None => broken = Some((broken.map_or(number, |(first, _)| first), number)),
            }
        }
        if let Some((first, last)) = broken {
            self.unreadable(first, Some(last), &why)?;
        }
        pending.clear();
        Ok(())
    }

    fn classify(&mut self, line: u64, value: Value) -> Result<(), Stop> {
        for record in trail::unwrap_value(value) {
            match record {
                Ok(record) => {
                    let classification = trail::classify(&record, &self.scope);
                    self.write(&classification)?;
                }
                Err(unreadable) => self.unreadable(line, None, &unreadable.why)?,
            }
        }
        Ok(())
    }

    fn unreadable(&mut self, first: u64, last: Option<u64>, why: &str) -> Result<(), Stop> {
        let why = match last {
            Some(last) if last != first => format!("lines {first}-{last}: {why}"),
            _ => format!("line {first}: {why}"),
        };
        self.write(&Classification::unreadable(&Unreadable { why }))
    }

    fn write(&mut self, classification: &Classification) -> Result<(), Stop> {
        let json = json_line(classification).map_err(Stop::Output)?;
        writeln!(self.output, "{json}").map_err(Stop::Output)
    }
}

/// Which side ended the work.
enum Stop {
    Input(io::Error),
    Output(io::Error),
}

impl Pending {
    fn push(&mut self, line: &[u8], number: u64) {
        self.lines.push((number, self.bytes.len()));
        self.bytes.extend_from_slice(line);
        self.nesting.read(line);
    }

    fn first(&self) -> u64 {
        self.lines.first().map_or(0, |(number, _)| *number)
    }

    fn line(&self, index: usize) -> (u64, &[u8]) {
        let (number, start) = self.lines[index];
        let end = self
            .lines
            .get(index + 1)
            .map_or(self.bytes.len(), |(_, next)| *next);
        (number, &self.bytes[start..end])
    }

    /// Forgets the lines that end at or before `offset`.
    fn drop_lines_before(&mut self, offset: usize) {
        let begun = self.lines.partition_point(|(_, start)| *start <= offset);
        let done = begun.saturating_sub(1);
        let cut = self.lines.get(done).map_or(0, |(_, start)| *start);
        self.bytes.drain(..cut);
        self.lines.drain(..done);
        self.lines.iter_mut().for_each(|(_, start)| *start -= cut);
    }

    fn clear(&mut self) {
        *self = Self::default();
    }
}

/// Which brackets are open, and whether a string is.
#[derive(Default)]
struct Nesting {
    open: Vec<u8>,
    in_string: bool,
    escaped: bool,
    /// The last byte that is no white space.
    last: u8,
}

impl Nesting {
    fn read(&mut self, line: &[u8]) {
        for byte in line.trim_ascii_end() {
            if self.in_string {
                match byte {
                    _ if self.escaped => self.escaped = false,
                    b'\\' => self.escaped = true,
                    b'"' => self.in_string = false,
                    _ => {}
                }
            } else {
                match byte {
                    b'"' => self.in_string = true,
                    b'{' | b'[' => self.open.push(*byte),
                    b'}' | b']' => drop(self.open.pop()),
                    _ => {}
                }
            }
            self.last = *byte;
        }
    }

    /// Whether an object may follow: as an item of a list or as the value of a field.
    fn takes_object(&self) -> bool {
        match self.open.last() {
            Some(b'[') => matches!(self.last, b'[' | b','),
            Some(_) => self.last == b':',
            None => true,
        }
    }

    fn is_closed(&self) -> bool {
        self.open.is_empty() && !self.in_string
    }
}

/// Whether a line, unindented, is a whole object by itself.
fn begins_anew(line: &[u8]) -> bool {
    line.starts_with(b"{") && serde_json::from_slice::<IgnoredAny>(line).is_ok()
}

/// Reads up to and including the next line break; `false` if the line was longer than is read at
/// once, in which case the rest of it is skipped.
fn read_line(input: &mut impl BufRead, line: &mut Vec<u8>) -> Result<bool, Stop> {
    let limit = trail::MAX_BYTES as u64;
    let read = input
        .by_ref()
        .take(limit)
        .read_until(b'\n', line)
        .map_err(Stop::Input)?;
    if (read as u64) < limit || line.ends_with(b"\n") {
        return Ok(true);
    }
    loop {
        let buffer = input.fill_buf().map_err(Stop::Input)?;
        if buffer.is_empty() {
            return Ok(false);
        }
        let end = buffer.iter().position(|byte| *byte == b'\n');
        let used = end.map_or(buffer.len(), |end| end + 1);
        input.consume(used);
        if end.is_some() {
            return Ok(false);
        }
    }
}

/// serde_json's own position counts from the start of the value; the line is said already.
fn in_line(error: &serde_json::Error) -> String {
    let text = error.to_string();
    match text.rsplit_once(" at line ") {
        Some((what, _)) => format!("{what} (column {})", error.column()),
        None => text,
    }
}
