//! The files of the account's audit trail, searched: what any of several questions asks for, record by
//! record as CloudTrail wrote it.
//!
//! Only there are data events (objects read, items written, functions invoked), and what is older than
//! the 90 days of CloudTrail's event history. A page is as many files as can be read in
//! [`WORK`], [`MOST_FILES`] at the most, or as hold [`PAGE_BYTES`] of what is asked for; a file is
//! read in one go unless it alone holds more. What is broken is told, a few by name and the rest in
//! number, and passed over.
//!
//! Before anything is read, the sizes of the window's files are summed up. Where they are more than
//! the owner's limit, Athena is asked which files hold any of it ([`super::athena`]); without a table,
//! the hours nearest to the change are read, as many as the limit allows, and the rest is told as
//! not read.

use super::Investigation;
use super::athena::{self, Answer, Question};
use super::lookup::{self, Keep};
use super::trail_body::{Came, Fetching, Stumbled};
use super::trail_bucket::{
    DECRYPT, DESCRIBE_TRAILS, Folder, GET_OBJECT, Kind, LIST_BUCKET, Measuring, Object, Place,
    Position, Span, TrailSource, center, client, find, list_day,
};
use crate::{Entry, Inquiry, Page, Reading, Refusal};
use async_trait::async_trait;
use evidence::Window;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::io::Read;
use std::ops::ControlFlow;
use std::time::Duration;
use tokio::time::Instant;
use trail::{Query, Scanner};

/// The IAM actions that CloudTrail's event history and a trail's files take, those included that S3 and
/// Athena ask for in the reader's name.
pub(super) const ACTIONS: &[&str] = &[
    lookup::ACTION,
    DESCRIBE_TRAILS,
    LIST_BUCKET,
    GET_OBJECT,
    DECRYPT,
    athena::START_QUERY,
    athena::GET_QUERY,
    athena::GET_RESULTS,
    athena::GET_DATABASE,
    athena::GET_TABLE,
    athena::LOCATE_RESULTS,
    athena::PUT_RESULTS,
];

/// How much of what is asked for a page holds before no further file is begun, and how much of one
/// file: a page is below three times as much with the last record, and so below the 8 MiB that the
/// vault takes even if it could not be compressed.
const PAGE_BYTES: usize = 2 * 1024 * 1024;

/// The most that one reading brings: 1 GiB, some 700,000 records. Whoever floods the trail must not keep
/// the case open for ever.
const MOST_BYTES: u64 = 1024 * 1024 * 1024;

/// The most files of a page.
const MOST_FILES: usize = 500;

/// How long a page is worked on before no further file is begun.
const WORK: Duration = Duration::from_secs(20);

/// How many broken files and records are told by name in one reading; the rest by number.
const MOST_TOLD: u64 = 5;

/// The longest question that is put on record.
const MOST_ASKED_BYTES: usize = 16 * 1024;

/// A reading of the trail's files: what any of some queries asks for.
pub(super) struct TrailFiles<'a> {
    investigation: &'a Investigation,
    source: &'a TrailSource,
    window: Window,
    queries: Vec<Query>,
    regions: Option<BTreeSet<String>>,
    keep: Option<Keep>,
    stumbled: Stumbled,
}

impl<'a> TrailFiles<'a> {
    /// What any of `queries` asks for, within `window`, in whatever Region it was done. None where no
    /// trail is to be looked for.
    pub(super) fn new(
        investigation: &'a Investigation,
        window: Window,
        queries: impl IntoIterator<Item = Query>,
    ) -> Option<Self> {
        let queries = queries.into_iter().map(|query| Query {
            since: Some(window.since),
            until: Some(window.until),
            ..query
        });
        Some(Self {
            investigation,
            source: investigation.trail.as_ref()?,
            window,
            queries: queries.collect(),
            regions: None,
            keep: None,
            stumbled: Stumbled::default(),
        })
    }

    /// Of these Regions only.
    pub(super) fn in_regions(mut self, regions: BTreeSet<String>) -> Self {
        self.regions = Some(regions);
        self
    }

    /// Of what is asked for, only what `keep` keeps.
    pub(super) fn only(mut self, keep: &Keep) -> Self {
        self.keep = Some(keep.clone());
        self
    }

    /// As a task takes it.
    pub(super) fn boxed(self) -> Box<dyn Reading + 'a> {
        Box::new(self)
    }

    /// What is asked, for the record: `records of role ARN or naming ARN`.
    fn asked(&self) -> String {
        let queries = self.queries.iter().map(|query| {
            let told = [
                ("of role", &query.role),
                ("of session", &query.session),
                ("of access key", &query.access_key),
                ("naming", &query.resource),
            ];
            let told = told
                .iter()
                .filter_map(|(what, value)| Some(format!("{what} {}", value.as_ref()?)));
            told.collect::<Vec<_>>().join(" and ")
        });
        let mut asked = queries.collect::<Vec<_>>().join(" or ");
        asked.truncate(asked.floor_char_boundary(MOST_ASKED_BYTES));
        asked
    }

    /// The same text for every file of a folder, so that the record has one line for all of them.
    fn about(&self, folder: &Folder) -> String {
        let Window { since, until } = self.window;
        format!(
            "{} files with records {} from {since} to {until}",
            folder.url(),
            self.asked()
        )
    }

    fn client(&self, folder: &Folder) -> aws_sdk_s3::Client {
        client(self.investigation, &folder.bucket_region)
    }

    /// Sums up the sizes of all files until none is left or the time is up. None where nothing is to
    /// be read.
    async fn measure(
        &self,
        inquiry: &mut Inquiry<'_>,
        mut measuring: Measuring,
        until: Instant,
    ) -> Option<Stage> {
        if !measuring.advance(self.investigation, inquiry, until).await {
            return Some(Stage::Measure(measuring));
        }
        let Measuring {
            place, sizes, span, ..
        } = measuring;
        let limit_bytes = self.source.limit_bytes;
        if sizes.total_bytes() <= limit_bytes {
            return Some(Stage::Read(Searching::new(place, span)));
        }
        let rest = Rest {
            too_large: sizes.too_large(limit_bytes),
            nearest: sizes.nearest(&span, center(self.investigation, self.window), limit_bytes),
        };
        match &self.source.athena {
            Some(_) => Some(Stage::Ask(Box::new(Asking {
                at: Searching::new(place, span),
                progress: athena::Progress::default(),
                row: 0,
                rest,
            }))),
            None => {
                let hint = "the parameter AthenaTable has Athena say which files to read";
                rest.read(inquiry, place, hint).map(Stage::Read)
            }
        }
    }

    /// Searches file after file in the order of the folders.
    async fn read(&self, inquiry: &mut Inquiry<'_>, mut at: Searching, until: Instant) -> Page {
        let mut found = Found::new(until, self);
        let mut listings = 0;
        while let Some(folder) = at.place.folders.get(at.position.folder).cloned() {
            if found.is_full() || (listings > 0 && Instant::now() >= until) {
                break;
            }
            listings += 1;
            let client = self.client(&folder);
            let listed = list_day(&client, inquiry, &folder, &at.position, &at.span).await;
            if inquiry.is_transient() {
                return Page::default();
            }
            let Some(listed) = listed else {
                at.position.leave(&folder.bucket, &at.place, &at.span);
                continue;
            };
            let last = listed.objects.last().map(|object| object.key.clone());
            let files = listed.objects.into_iter();
            let files = files.filter(|object| object.is_wanted(&at.span)).collect();
            match self
                .search(inquiry, &folder, files, &mut at, &mut found)
                .await
            {
                Done::All => at
                    .position
                    .move_on(last.filter(|_| !listed.is_all), &at.span),
                Done::Denied => at.position.leave(&folder.bucket, &at.place, &at.span),
                Done::Full => break,
                Done::Stumbled => return Page::default(),
                Done::Enough => return found.page(inquiry, None, &at),
            }
        }
        let is_last = at.place.folders.len() <= at.position.folder;
        found.page(inquiry, (!is_last).then_some(Stage::Read(at.clone())), &at)
    }

    /// Searches the files that Athena names.
    async fn read_named(
        &self,
        inquiry: &mut Inquiry<'_>,
        mut asking: Asking,
        until: Instant,
    ) -> Page {
        let Some(table) = &self.source.athena else {
            return Page::default();
        };
        let question = Question {
            investigation: self.investigation,
            table,
            window: self.window,
            queries: &self.queries,
            span: asking.at.span,
            folders: &asking.at.place.folders,
        };
        let named = match question.advance(inquiry, &mut asking.progress, until).await {
            Answer::Waiting => return Page::leading_to(&Stage::Ask(Box::new(asking))),
            Answer::Named(named) => named,
            Answer::Failed if inquiry.is_transient() => return Page::default(),
            Answer::Failed => {
                let hint = "Athena could not say which files to read";
                return match asking.rest.read(inquiry, asking.at.place, hint) {
                    Some(at) => Page::leading_to(&Stage::Read(at)),
                    None => Page::default(),
                };
            }
        };
        let mut found = Found::new(until, self);
        let mut files = named.files.into_iter().skip(asking.row).peekable();
        while let Some((folder, file)) = files.next() {
            // Neighbours in one folder are fetched together.
            let mut neighbours = vec![file];
            while let Some((_, file)) = files.next_if(|(next, _)| *next == folder) {
                neighbours.push(file);
            }
            let (count, before) = (neighbours.len(), found.files);
            let done = match asking.at.place.folders.get(folder).cloned() {
                Some(folder) => {
                    self.search(inquiry, &folder, neighbours, &mut asking.at, &mut found)
                        .await
                }
                None => Done::All,
            };
            match done {
                Done::All | Done::Denied => asking.row += count,
                Done::Stumbled => return Page::default(),
                Done::Enough => return found.page(inquiry, None, &asking.at),
                Done::Full => {
                    asking.row += found.files - before;
                    let at = asking.at.clone();
                    return found.page(inquiry, Some(Stage::Ask(Box::new(asking))), &at);
                }
            }
        }
        let at = asking.at.clone();
        let next = named.next.map(|token| {
            asking.row = 0;
            asking.progress.turn(token);
            Stage::Ask(Box::new(asking))
        });
        found.page(inquiry, next, &at)
    }

    /// Searches files of one folder, in their order, and moves on behind each.
    async fn search(
        &self,
        inquiry: &mut Inquiry<'_>,
        folder: &Folder,
        files: Vec<Object>,
        at: &mut Searching,
        found: &mut Found,
    ) -> Done {
        let client = self.client(folder);
        let about = self.about(folder);
        let mut left = files.len();
        let mut fetching = Fetching::new(&client, folder, &about, &self.stumbled, files);
        while left > 0 {
            if found.is_full() {
                return Done::Full;
            }
            let Some(file) = fetching.turn(inquiry).await else {
                break;
            };
            left -= 1;
            let pass_over = at.taken_of(&file.key);
            let url = format!("s3://{}/{}", folder.bucket, file.key);
            let came = fetching.read(inquiry, || {
                let scanner = found.scanner(self);
                let (url, keep) = (url.clone(), self.keep.clone());
                move |input| search(scanner, &url, input, pass_over, keep.as_ref())
            });
            let searched = match came.await {
                Came::Read((scanner, searched)) => {
                    found.scanner = Some(scanner);
                    searched
                }
                Came::Broken(why) => Searched::broken(why),
                Came::Denied => return Done::Denied,
                Came::Stumbled => return Done::Stumbled,
            };
            let taken = pass_over + searched.entries.len() as u64;
            at.found_bytes += found.take(searched.entries);
            if at.found_bytes >= MOST_BYTES {
                let key: String = file.key.chars().flat_map(char::escape_debug).collect();
                inquiry.refuse(Refusal::Failed(format!(
                    "more than {MOST_BYTES} bytes of the trail's records are asked for; what comes \
                     after s3://{}/{key} is not read",
                    folder.bucket
                )));
                return Done::Enough;
            }
            if searched.has_more {
                at.partly = Some(Partly {
                    key: file.key,
                    taken,
                });
                return Done::Full;
            }
            at.tell(
                inquiry,
                &folder.bucket,
                &file.key,
                &searched.broken,
                searched.broken_count,
            );
            at.partly = None;
            at.position.after = Some(file.key);
            found.files += 1;
        }
        Done::All
    }
}

#[async_trait]
impl Reading for TrailFiles<'_> {
    async fn page(&self, inquiry: &mut Inquiry<'_>, cursor: Option<&Value>) -> Page {
        let until = Instant::now() + WORK;
        let known = cursor.map(Stage::deserialize);
        let mut stage = match known {
            Some(Ok(stage)) => stage,
            Some(Err(_)) => {
                inquiry.refuse(Refusal::Failed(
                    "where the trail's next page begins cannot be read; the rest is not read"
                        .to_owned(),
                ));
                return Page::default();
            }
            None => {
                let regions = self.regions.as_ref();
                let place = find(
                    self.investigation,
                    inquiry,
                    self.source,
                    Kind::Logs,
                    regions,
                )
                .await;
                if place.folders.is_empty() || inquiry.is_transient() {
                    return Page::default();
                }
                Stage::Measure(Measuring::new(place, Span::of(self.window)))
            }
        };
        if let Stage::Measure(measuring) = stage {
            let measured = self.measure(inquiry, measuring, until).await;
            let Some(measured) = measured.filter(|_| !inquiry.is_transient()) else {
                return Page::default();
            };
            stage = measured;
        }
        match stage {
            Stage::Measure(_) => Page::leading_to(&stage),
            Stage::Read(at) => self.read(inquiry, at, until).await,
            Stage::Ask(asking) => self.read_named(inquiry, *asking, until).await,
        }
    }
}

impl Page {
    /// Nothing yet.
    fn leading_to(stage: &Stage) -> Self {
        Self {
            entries: Vec::new(),
            next: Some(json!(stage)),
        }
    }
}

/// How far a reading has come; its cursor.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
enum Stage {
    Measure(Measuring),
    Read(Searching),
    Ask(Box<Asking>),
}

/// Which files are searched, and how far.
#[derive(Clone, Debug, Serialize, Deserialize)]
struct Searching {
    place: Place,
    span: Span,
    position: Position,
    /// The file that holds more than its page took.
    partly: Option<Partly>,
    /// What was broken so far.
    broken: u64,
    /// How much was found so far.
    found_bytes: u64,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
struct Partly {
    key: String,
    /// How many of the records that it holds are in pages already.
    taken: u64,
}

impl Searching {
    fn new(place: Place, span: Span) -> Self {
        Self {
            place,
            span,
            position: Position::first(&span),
            partly: None,
            broken: 0,
            found_bytes: 0,
        }
    }

    fn taken_of(&self, key: &str) -> u64 {
        let partly = self.partly.as_ref().filter(|partly| partly.key == key);
        partly.map_or(0, |partly| partly.taken)
    }

    /// Tells what is broken in a file, as long as there is not much of it.
    fn tell(
        &mut self,
        inquiry: &mut Inquiry<'_>,
        bucket: &str,
        key: &str,
        broken: &[String],
        count: u64,
    ) {
        let room = MOST_TOLD.saturating_sub(self.broken);
        for why in broken.iter().take(usize::try_from(room).unwrap_or(0)) {
            let key: String = key.chars().flat_map(char::escape_debug).collect();
            inquiry.refuse(Refusal::Failed(format!("s3://{bucket}/{key}: {why}")));
        }
        self.broken += count;
    }
}

/// Which files Athena is asked about, and how far its answer is read.
#[derive(Clone, Debug, Serialize, Deserialize)]
struct Asking {
    at: Searching,
    progress: athena::Progress,
    /// How many files of the present page of the answer are done.
    row: usize,
    rest: Rest,
}

/// What is done where the files are too many and nobody says which to read.
#[derive(Clone, Debug, Serialize, Deserialize)]
struct Rest {
    too_large: String,
    nearest: Option<Span>,
}

impl Rest {
    fn read(&self, inquiry: &mut Inquiry<'_>, place: Place, hint: &str) -> Option<Searching> {
        let read = match &self.nearest {
            Some(Span { from, until }) => format!(
                "only files named from {from} to {until} are read, the hours nearest to the change"
            ),
            None => "nothing of it is read".to_owned(),
        };
        let why = format!("{}: {read} ({hint})", self.too_large);
        inquiry.refuse(Refusal::Failed(why));
        self.nearest.map(|span| Searching::new(place, span))
    }
}

/// How searching some files ended.
enum Done {
    /// All are searched.
    All,
    /// The page is full, or its time is up.
    Full,
    /// The bucket's files may not be read.
    Denied,
    /// A call failed in passing.
    Stumbled,
    /// There is too much of it.
    Enough,
}

/// What a page has found so far.
struct Found {
    until: Instant,
    entries: Vec<Entry>,
    bytes: usize,
    files: usize,
    /// None while it is at work.
    scanner: Option<Scanner<'static>>,
}

impl Found {
    fn new(until: Instant, reading: &TrailFiles<'_>) -> Self {
        Self {
            until,
            entries: Vec::new(),
            bytes: 0,
            files: 0,
            scanner: Some(Scanner::any(reading.queries.clone())),
        }
    }

    /// A page has one file at least, however long that takes.
    fn is_full(&self) -> bool {
        self.bytes >= PAGE_BYTES
            || self.files >= MOST_FILES
            || (self.files > 0 && Instant::now() >= self.until)
    }

    fn take(&mut self, entries: Vec<Entry>) -> u64 {
        let bytes = entries.iter().map(|entry| entry.raw.len()).sum::<usize>();
        self.bytes += bytes;
        self.entries.extend(entries);
        bytes as u64
    }

    /// The page; the last one tells how much more was broken.
    fn page(self, inquiry: &mut Inquiry<'_>, next: Option<Stage>, at: &Searching) -> Page {
        let untold = at.broken.saturating_sub(MOST_TOLD);
        if next.is_none() && untold > 0 {
            inquiry.refuse(Refusal::Failed(format!(
                "{untold} more broken files or records of the trail are passed over"
            )));
        }
        Page {
            entries: self.entries,
            next: next.map(|stage| json!(stage)),
        }
    }

    /// The scanner, or a new one where it went lost with a file that broke off.
    fn scanner(&mut self, reading: &TrailFiles<'_>) -> Scanner<'static> {
        let scanner = self.scanner.take();
        scanner.unwrap_or_else(|| Scanner::any(reading.queries.clone()))
    }
}

/// What came of one file.
#[derive(Default)]
struct Searched {
    entries: Vec<Entry>,
    /// Whether it holds more than a page takes.
    has_more: bool,
    /// The first of what is broken.
    broken: Vec<String>,
    broken_count: u64,
}

impl Searched {
    fn broken(why: String) -> Self {
        Self {
            broken: vec![why],
            broken_count: 1,
            ..Self::default()
        }
    }
}

fn search(
    mut scanner: Scanner<'static>,
    url: &str,
    input: impl Read,
    pass_over: u64,
    keep: Option<&Keep>,
) -> (Scanner<'static>, Searched) {
    let mut searched = Searched::default();
    let (mut passed_over, mut bytes) = (0, 0);
    let tally = scanner.scan(url, input, |found| {
        if keep.is_some_and(|keep| !keep(&found.record)) {
            return ControlFlow::Continue(());
        }
        if passed_over < pass_over {
            passed_over += 1;
            return ControlFlow::Continue(());
        }
        if bytes >= PAGE_BYTES {
            searched.has_more = true;
            return ControlFlow::Break(());
        }
        bytes += found.raw.len();
        // Every question has a time, so that what answers it has one.
        let at = found.record.occurred_at().unwrap_or(Timestamp::UNIX_EPOCH);
        let id = found.record.event_id().unwrap_or_default();
        searched
            .entries
            .push(Entry::new(at, id, found.raw.to_owned()));
        ControlFlow::Continue(())
    });
    let told = usize::try_from(MOST_TOLD).unwrap_or(0);
    let told = tally.breakages.iter().take(told);
    searched.broken = told
        .map(|breakage| format!("at byte {}: {}", breakage.offset_bytes, breakage.why))
        .collect();
    searched.broken_count = tally.broken;
    (scanner, searched)
}

#[cfg(test)]
mod tests;
