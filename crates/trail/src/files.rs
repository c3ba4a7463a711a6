//! Trail files searched: one file at a time, or many at once, in constant memory.
//!
//! A file is CloudTrail's `{"Records":[…]}`, a list of records, or one record a line, plain or gzip
//! (by its first bytes, not its name). Records are told apart without parsing them; those that cannot
//! match the [`Query`] are ruled out by their bytes, and only the rest is parsed. So a record is known
//! to be JSON throughout only if it was parsed: one that is broken inside and holds none of what is
//! asked for counts as a record.
//!
//! Whatever is broken (a file, a record, a line) is counted, located in a [`Breakage`] and passed
//! over. Nothing ends a scan but its [`Sink`].

use crate::framing::{Broken, Found, Framer};
use crate::gunzip::{Came, Gunzip, told};
use crate::query::{Query, Sieve};
use crate::record::Record;
use memchr::memchr_iter;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::borrow::Cow;
use std::collections::BTreeMap;
use std::io::{self, Read};
use std::num::NonZeroUsize;
use std::ops::ControlFlow;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};

/// How many broken things are listed; all are counted.
pub const MAX_BREAKAGES: usize = 1_000;

/// A record with more commas than this is passed over: parsed, it would take far more memory than its
/// bytes. The largest real ones have some thousands.
const MAX_COMMAS: usize = 50_000;

/// How many bytes of matches may wait for the files before theirs, all threads together.
const MAX_HELD_BYTES: usize = 8 * 1024 * 1024;

/// How many files threads may be ahead of the first that is not finished.
const MAX_FILES_AHEAD: u64 = 4_096;

/// The longest name of a file that is kept, in bytes.
const MAX_NAME_BYTES: usize = 1_024;

/// A record that was asked for.
#[derive(Debug)]
pub struct Match<'a> {
    /// The file's name.
    pub file: &'a str,
    /// Where the record begins in the decompressed file, in bytes.
    pub offset: u64,
    /// The record's bytes exactly as in the file; may hold line breaks.
    pub raw: &'a str,
    /// The same, parsed.
    pub record: Record,
}

/// What was read, found and passed over.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Tally {
    /// Files begun, those included that could not be opened.
    pub files: u64,
    /// Bytes read, as stored.
    pub stored_bytes: u64,
    /// Bytes after decompression.
    pub bytes: u64,
    /// Records met, without the broken ones.
    pub records: u64,
    /// Records that the query asked for.
    pub matched: u64,
    /// Things broken.
    pub broken: u64,
    /// The first of the broken things, in the order of the files; at most [`MAX_BREAKAGES`].
    pub breakages: Vec<Breakage>,
}

impl Tally {
    /// Adds what came of further files.
    pub fn add(&mut self, other: Self) {
        self.files += other.files;
        self.stored_bytes += other.stored_bytes;
        self.bytes += other.bytes;
        self.records += other.records;
        self.matched += other.matched;
        self.broken += other.broken;
        let room = MAX_BREAKAGES - self.breakages.len().min(MAX_BREAKAGES);
        self.breakages
            .extend(other.breakages.into_iter().take(room));
    }

    fn note(&mut self, file: &str, offset_bytes: u64, what: BreakageKind, why: impl Into<String>) {
        self.broken += 1;
        if self.breakages.len() < MAX_BREAKAGES {
            self.breakages.push(Breakage {
                file: file[..file.floor_char_boundary(MAX_NAME_BYTES)].to_owned(),
                offset_bytes,
                what,
                why: why.into(),
            });
        }
    }
}

/// Something that could not be read and was passed over.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Breakage {
    /// The file's name.
    pub file: String,
    /// Where it begins in the decompressed file, in bytes; what was read before it is fine.
    pub offset_bytes: u64,
    /// What is broken.
    pub what: BreakageKind,
    /// One sentence; quotes nothing of the record.
    pub why: String,
}

/// What a [`Breakage`] is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum BreakageKind {
    /// The file from there on, or up to the next gzip member.
    File,
    /// One record, or several that cannot be told apart.
    Record,
    /// Text where a record should begin.
    Text,
}

/// Takes what a scan finds. `Break` ends the scan.
pub trait Sink {
    /// A record that was asked for; in the order of the files, and as in the file.
    fn matched(&mut self, found: Match<'_>) -> ControlFlow<()>;

    /// A file was read to its end, or as far as it could be. Its matches came before.
    fn finished(&mut self, file: &str, tally: &Tally) -> ControlFlow<()> {
        let _ = (file, tally);
        ControlFlow::Continue(())
    }
}

impl<F: FnMut(Match<'_>) -> ControlFlow<()>> Sink for F {
    fn matched(&mut self, found: Match<'_>) -> ControlFlow<()> {
        self(found)
    }
}

/// Searches one file after another, in one thread and with the same memory: some 700 KiB, and 2 MiB
/// more while a record is that large.
pub struct Scanner<'a> {
    queries: Cow<'a, [Query]>,
    sieves: Vec<Sieve>,
    gunzip: Gunzip,
    framer: Framer,
}

impl<'a> Scanner<'a> {
    /// Prepares to look for what is asked.
    pub fn new(query: &'a Query) -> Self {
        Self::of(Cow::Borrowed(std::slice::from_ref(query)))
    }

    /// Prepares to look for what any of `queries` asks for; for nothing if there is none.
    pub fn any(queries: Vec<Query>) -> Self {
        Self::of(Cow::Owned(queries))
    }

    fn of(queries: Cow<'a, [Query]>) -> Self {
        Self {
            sieves: queries.iter().map(Sieve::of).collect(),
            queries,
            gunzip: Gunzip::new(),
            framer: Framer::new(),
        }
    }

    /// Reads `input` to its end and hands each match out as it is found. `name` is for the breakages.
    ///
    /// Never fails: what cannot be read is in the tally. After a `Break`, the tally tells how far it
    /// came.
    pub fn scan(
        &mut self,
        name: &str,
        mut input: impl Read,
        mut on_match: impl FnMut(Match<'_>) -> ControlFlow<()>,
    ) -> Tally {
        self.gunzip.clear();
        self.framer.clear();
        let mut tally = Tally {
            files: 1,
            ..Tally::default()
        };
        loop {
            let came = self.gunzip.next(&mut input, self.framer.room());
            let (bytes, gap, is_all) = match came {
                Came::Bytes(bytes) => (bytes, None, false),
                Came::Broken(bytes, gap) => (bytes, Some(gap), true),
                Came::End => (0, None, true),
            };
            self.framer.arrived(bytes);
            tally.bytes += bytes as u64;
            tally.stored_bytes = self.gunzip.read_bytes();
            while let Some(found) = self.framer.next(is_all) {
                match found {
                    Found::Record {
                        bytes,
                        has_backslash,
                    } => {
                        let raw = self.framer.bytes(&bytes);
                        let offset = self.framer.offset_of(&bytes);
                        tally.records += 1;
                        let mut sieves = self.sieves.iter();
                        if !sieves.any(|sieve| sieve.lets_through(raw, has_backslash)) {
                            continue;
                        }
                        let is_wanted =
                            |record: &Record| self.queries.iter().any(|one| one.matches(record));
                        match read_record(raw) {
                            Ok((raw, record)) if is_wanted(&record) => {
                                tally.matched += 1;
                                let file = name;
                                let found = Match {
                                    file,
                                    offset,
                                    raw,
                                    record,
                                };
                                if on_match(found).is_break() {
                                    return tally;
                                }
                            }
                            Ok(_) => {}
                            Err(why) => {
                                tally.records -= 1;
                                tally.note(name, offset, BreakageKind::Record, why);
                            }
                        }
                    }
                    // The gap tells of it.
                    Found::Broken(fault) if fault.what == Broken::CutOff && gap.is_some() => {}
                    Found::Broken(fault) => {
                        let what = match fault.what {
                            Broken::Text => BreakageKind::Text,
                            Broken::Record | Broken::CutOff => BreakageKind::Record,
                        };
                        tally.note(name, fault.offset, what, fault.why);
                    }
                }
            }
            match gap {
                Some(gap) => {
                    tally.note(name, self.framer.offset(), BreakageKind::File, gap.why());
                    self.framer.interrupt();
                }
                None if is_all => return tally,
                None => {}
            }
        }
    }
}

/// Parses what may match.
fn read_record(raw: &[u8]) -> Result<(&str, Record), String> {
    if memchr_iter(b',', raw).count() > MAX_COMMAS {
        return Err(format!("more than {MAX_COMMAS} commas, as no record has"));
    }
    let text = str::from_utf8(raw).map_err(|_| "not UTF-8")?;
    let value: Value = serde_json::from_str(text).map_err(|error| {
        // Of the parser's words only where it stopped: they may quote the record.
        format!(
            "not JSON at line {}, column {} of the record",
            error.line(),
            error.column()
        )
    })?;
    let is_record = ["eventName", "eventID", "eventSource", "insightDetails"]
        .iter()
        .any(|field| value.get(field).is_some());
    match is_record {
        true => Ok((text, Record::new(value))),
        false => Err("JSON, but no CloudTrail record".into()),
    }
}

/// A file that can be opened when its turn comes.
pub struct TrailFile {
    /// Its name, for the breakages: a path, an object's URL.
    pub name: String,
    open: Open,
}

type Open = Box<dyn FnOnce() -> io::Result<Box<dyn Read>> + Send>;

impl TrailFile {
    /// `open` is called once, in the thread that reads the file, and may block, as may what it
    /// answers with. Its error is counted as a breakage of this file: so an error of listing files can
    /// be passed on as a file that cannot be opened.
    pub fn new<R: Read + 'static>(
        name: impl Into<String>,
        open: impl FnOnce() -> io::Result<R> + Send + 'static,
    ) -> Self {
        Self {
            name: name.into(),
            open: Box::new(|| Ok(Box::new(open()?))),
        }
    }
}

/// Searches `files` with so many threads. Matches and finished files reach the sink in the order of
/// the files whatever the threads do, from any of them, one at a time.
///
/// `files` is asked for the next file when a thread is free, one thread at a time, and may block.
/// Memory: about 1 MiB a thread (3 MiB while a record is that large), and 8 MiB of matches that wait
/// for the files before theirs.
pub fn scan_files<I, S>(files: I, query: &Query, threads: NonZeroUsize, sink: &mut S) -> Tally
where
    I: IntoIterator<Item = TrailFile>,
    I::IntoIter: Send,
    S: Sink + Send,
{
    let desk = Desk {
        files: Mutex::new((0, files.into_iter())),
        order: Mutex::new(Order::default()),
        moved: Condvar::new(),
        sink: Mutex::new(sink),
        is_over: AtomicBool::new(false),
    };
    match threads.get() {
        1 => desk.work(query),
        threads => std::thread::scope(|scope| {
            for _ in 0..threads {
                scope.spawn(|| desk.work(query));
            }
        }),
    }
    let order = desk.order.into_inner();
    order.unwrap_or_else(PoisonError::into_inner).total
}

/// What the threads share. The file at the front hands its matches out at once; those of the files
/// behind it wait. Files are taken in order, so the front is always in some thread's hands, and that
/// thread never waits for another.
struct Desk<'s, I, S> {
    files: Mutex<(u64, I)>,
    order: Mutex<Order>,
    moved: Condvar,
    sink: Mutex<&'s mut S>,
    is_over: AtomicBool,
}

#[derive(Default)]
struct Order {
    /// The first file that is not finished.
    front: u64,
    /// Files that were finished before their turn.
    waiting: BTreeMap<u64, Held>,
    held_bytes: usize,
    total: Tally,
}

/// What waits for its turn.
#[derive(Default)]
struct Held {
    name: String,
    raw: String,
    /// Where each match begins in the file, and ends in `raw`.
    matches: Vec<(u64, usize)>,
    tally: Tally,
    /// As counted in [`Order::held_bytes`].
    bytes: usize,
}

impl<I: Iterator<Item = TrailFile>, S: Sink> Desk<'_, I, S> {
    fn work(&self, query: &Query) {
        let _alarm = Alarm(self);
        let mut scanner = Scanner::new(query);
        while let Some((index, file)) = self.take() {
            let mut held = Held {
                name: file.name,
                ..Held::default()
            };
            let name = held.name.clone();
            let mut is_front = false;
            let tally = match (file.open)() {
                Ok(input) => scanner.scan(&name, input, |found| {
                    let flow = self.hand_out(index, found, &mut held, &mut is_front);
                    if flow.is_break() {
                        self.end();
                    }
                    flow
                }),
                Err(error) => {
                    let mut tally = Tally {
                        files: 1,
                        ..Tally::default()
                    };
                    let why = format!("cannot be opened: {}", told(&error));
                    tally.note(&name, 0, BreakageKind::File, why);
                    tally
                }
            };
            held.tally = tally;
            if self.is_over() || self.finish(index, held).is_break() {
                return self.end();
            }
        }
    }

    fn take(&self) -> Option<(u64, TrailFile)> {
        let mut files = lock(&self.files);
        let index = files.0;
        // Held while waiting: the others would have to wait as well.
        drop(self.wait(|order| index < order.front + MAX_FILES_AHEAD));
        if self.is_over() {
            return None;
        }
        files.0 += 1;
        files.1.next().map(|file| (index, file))
    }

    fn hand_out(
        &self,
        index: u64,
        found: Match<'_>,
        held: &mut Held,
        is_front: &mut bool,
    ) -> ControlFlow<()> {
        if self.is_over() {
            return ControlFlow::Break(());
        }
        if !*is_front {
            let bytes = found.raw.len() + size_of::<(u64, usize)>();
            let fits = |order: &Order| order.held_bytes + bytes <= MAX_HELD_BYTES;
            let mut order = self.wait(|order| order.front == index || fits(order));
            if self.is_over() {
                return ControlFlow::Break(());
            }
            if order.front != index {
                order.held_bytes += bytes;
                drop(order);
                held.bytes += bytes;
                held.raw.push_str(found.raw);
                held.matches.push((found.offset, held.raw.len()));
                return ControlFlow::Continue(());
            }
            drop(order);
            *is_front = true;
            self.hand_out_held(held)?;
        }
        lock(&self.sink).matched(found)
    }

    /// Hands out what waited, now that it is at the front.
    fn hand_out_held(&self, held: &mut Held) -> ControlFlow<()> {
        let mut start = 0;
        for (offset, end) in held.matches.drain(..) {
            let raw = &held.raw[start..end];
            start = end;
            // It was parsed before, and only its bytes were kept.
            if let Ok((raw, record)) = read_record(raw.as_bytes()) {
                let file = &held.name;
                lock(&self.sink).matched(Match {
                    file,
                    offset,
                    raw,
                    record,
                })?;
            }
        }
        held.raw = String::new();
        let bytes = std::mem::take(&mut held.bytes);
        if bytes > 0 {
            lock(&self.order).held_bytes -= bytes;
            self.moved.notify_all();
        }
        ControlFlow::Continue(())
    }

    fn finish(&self, index: u64, mut held: Held) -> ControlFlow<()> {
        let listed: usize = (held.tally.breakages.iter())
            .map(|breakage| size_of::<Breakage>() + breakage.file.len() + breakage.why.len())
            .sum();
        let fits = |order: &Order| order.held_bytes + listed <= MAX_HELD_BYTES;
        let mut order = self.wait(|order| order.front == index || fits(order));
        if order.front != index {
            order.held_bytes += listed;
            held.bytes += listed;
            order.waiting.insert(index, held);
            return ControlFlow::Continue(());
        }
        drop(order);
        loop {
            self.hand_out_held(&mut held)?;
            lock(&self.sink).finished(&held.name, &held.tally)?;
            let mut order = lock(&self.order);
            order.total.add(std::mem::take(&mut held.tally));
            order.front += 1;
            let front = order.front;
            let next = order.waiting.remove(&front);
            drop(order);
            self.moved.notify_all();
            match next {
                Some(next) => held = next,
                None => return ControlFlow::Continue(()),
            }
        }
    }

    fn wait(&self, is_turn: impl Fn(&Order) -> bool) -> MutexGuard<'_, Order> {
        let mut order = lock(&self.order);
        while !is_turn(&order) && !self.is_over() {
            order = (self.moved.wait(order)).unwrap_or_else(PoisonError::into_inner);
        }
        order
    }

    fn is_over(&self) -> bool {
        self.is_over.load(Ordering::Relaxed)
    }
}

impl<I, S> Desk<'_, I, S> {
    fn end(&self) {
        // Under the lock, so that nobody is between looking and waiting.
        let order = lock(&self.order);
        self.is_over.store(true, Ordering::Relaxed);
        drop(order);
        self.moved.notify_all();
    }
}

/// A thread that panics would leave the others waiting for ever.
struct Alarm<'d, 's, I, S>(&'d Desk<'s, I, S>);

impl<I, S> Drop for Alarm<'_, '_, I, S> {
    fn drop(&mut self) {
        if std::thread::panicking() {
            self.0.end();
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
