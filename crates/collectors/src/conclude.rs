//! From pages to exhibits: every entry once, in order of time, as JSON Lines in gzip parts.
//!
//! Memory does not grow with the evidence: a page is opened when its first entry is due and dropped
//! after its last; providers answer nearly in order, so few are open at a time. Where more than
//! [`MOST_OPEN`] overlap, some are opened late, and the outcome says so. The same pages give the
//! same bytes, whoever merges them and how often.

use crate::pages::{OpenPage, Pages, unreadable};
use crate::reading::{Entry, Task};
use crate::{Desk, Refusal, exhibit_name, inquiry};
use evidence::{Acquisition, Call, Exhibit, Finding, Outcome, Proof, keys};
use flate2::Compression;
use flate2::write::GzEncoder;
use futures_util::stream::{self, StreamExt as _};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::cmp::Reverse;
use std::collections::{BTreeMap, BinaryHeap};
use std::io::Write as _;
use vault::VaultError;

/// The most pages that are open at a time. An open page holds its stored bytes (about 100 KB for the
/// megabyte that CloudWatch Logs answers at most) and a decoder.
const MOST_OPEN: usize = 256;

/// How many pages' heads are fetched at a time.
const HEADS: usize = 8;

/// Where a part is cut: 4 MiB stored. Put and read in one piece, it stays below the vault's limit.
const PART_BYTES: usize = 4 * 1024 * 1024;

/// A third of the time that gzip's usual level takes, for a tenth more bytes.
const COMPRESSION: Compression = Compression::new(3);

/// Looks at every entry as it passes in order and says what follows from them.
pub trait Observer: Send {
    /// One entry. `is_new` is false for what an earlier pass has already brought. Rows for the
    /// table of [`Self::table`], one JSON document each, are pushed to `rows`.
    fn see(&mut self, entry: &Entry, is_new: bool, rows: &mut Vec<String>);

    /// After the last entry.
    fn conclude(self: Box<Self>, rows: &mut Vec<String>) -> Observed;

    /// What the rows are called: `invocations`. None where there are no rows.
    fn table(&self) -> Option<&'static str> {
        None
    }
}

/// What follows from the entries of a task.
#[derive(Clone, Debug, Default)]
pub struct Observed {
    /// Documents with their names, each an exhibit: `summary`.
    pub documents: Vec<(&'static str, Value)>,
    /// What was noticed. A proof's exhibit is the name of a document or of the table, or
    /// [`ENTRIES`].
    pub findings: Vec<Finding>,
    /// What is missing: a gap in a log.
    pub refusals: Vec<Refusal>,
    /// What a later task of the same pass needs of this one.
    pub carry: Value,
}

/// The exhibit of the entries themselves, in an observer's proof.
pub const ENTRIES: &str = "";

/// Sees nothing.
pub struct Unobserved;

impl Observer for Unobserved {
    fn see(&mut self, _entry: &Entry, _is_new: bool, _rows: &mut Vec<String>) {}

    fn conclude(self: Box<Self>, _rows: &mut Vec<String>) -> Observed {
        Observed::default()
    }
}

/// What came of a task, as it lies in the vault.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Concluded {
    /// For the case.
    pub acquisition: Acquisition,
    /// For the case.
    pub findings: Vec<Finding>,
    /// For a later task of the same pass.
    pub carry: Value,
}

/// What came of a task, if it is concluded.
pub async fn concluded(
    desk: &Desk,
    pass: &str,
    request: &evidence::Request,
) -> Result<Option<Concluded>, VaultError> {
    let key = keys::task_done(desk.case(), pass, request);
    match desk.vault().get(&key).await {
        Ok(bytes) => {
            let done = serde_json::from_slice(&bytes);
            Ok(Some(done.map_err(|cause| unreadable(&key, &cause.into()))?))
        }
        Err(VaultError::NotFound { .. }) => Ok(None),
        Err(error) => Err(error),
    }
}

/// Makes exhibits of a task's pages, once all are there, and writes down what came of it. What a
/// pass in `earlier` has brought already is left out. None if the desk's deadline came first: then
/// it begins anew, and the parts that are in the vault are found there.
pub async fn conclude(
    desk: &Desk,
    task: &Task<'_>,
    earlier: &[String],
    observer: Box<dyn Observer + '_>,
) -> Result<Option<Concluded>, VaultError> {
    let mut sources = Vec::new();
    let mut calls = Vec::new();
    let mut refusals = Vec::new();
    let mut findings = Vec::new();
    for (pass, is_new) in earlier
        .iter()
        .map(|pass| (pass.as_str(), false))
        .chain([(task.pass, true)])
    {
        let pages = Pages::of(desk, pass, task.request);
        let count = pages.count().await?;
        let heads = (1..=count).map(async |number| (number, pages.open(number).await));
        let mut heads = stream::iter(heads).buffered(HEADS);
        while let Some((number, page)) = heads.next().await {
            if desk.is_out_of_time() {
                return Ok(None);
            }
            let head = page?.head;
            if is_new {
                calls.extend(head.calls);
                refusals.extend(head.refusals);
                findings.extend(head.findings);
            }
            if let Some(first_ns) = head.first_ns {
                sources.push(Source {
                    first_ns,
                    is_new,
                    number,
                    pass: pass.to_owned(),
                });
            }
        }
    }
    sources.sort_unstable();
    let calls = once_each(calls);
    let source = inquiry::sources(&calls);
    let mut merge = Merge {
        desk,
        task,
        waiting: sources,
        open: BinaryHeap::new(),
        crowded: false,
    };
    merge.waiting.reverse();
    let mut entries = Parts::new(desk, task, None, &source);
    let mut table = observer
        .table()
        .map(|table| Parts::new(desk, task, Some(table), &source));
    let mut observer = observer;
    let mut rows = Vec::new();
    let mut before: Option<Entry> = None;
    let mut unlike = 0_u64;
    let slow = keys::task_slow(desk.case(), task.pass, task.request);
    let (mut seen, mut any_old) = (0_u64, false);
    while let Some((entry, is_new)) = merge.next().await? {
        if let Some(before) = before.as_ref() {
            if entry.is_same(before) {
                continue;
            }
            unlike += u64::from((before.at_ns, &before.id) == (entry.at_ns, &entry.id));
        }
        seen += 1;
        // A merge is work without waiting; others and the deadline get their turn.
        if seen.is_multiple_of(1000) {
            tokio::task::yield_now().await;
            if desk.is_out_of_time() {
                // A second time there is no more time than the first time: what is merged until now
                // is sealed, rather than beginning anew for ever.
                if !desk.vault().holds(&slow).await? {
                    let note = "{\"what\": \"merging the pages took longer than a step\"}".into();
                    desk.vault()
                        .put_once(&slow, note, "application/json")
                        .await?;
                    return Ok(None);
                }
                refusals.push(Refusal::Failed(format!(
                    "merging took longer than two steps: from {} on, what was read is in the pages \
                     under {} and in no exhibit",
                    entry.occurred_at(),
                    keys::pages(desk.case(), task.pass, task.request)
                )));
                break;
            }
        }
        any_old |= !is_new;
        observer.see(&entry, is_new, &mut rows);
        if is_new {
            entries.put(&entry.raw).await?;
        }
        put_rows(&mut table, &mut rows).await?;
        before = Some(entry);
    }
    let found = observer.conclude(&mut rows);
    put_rows(&mut table, &mut rows).await?;
    if merge.crowded {
        refusals.push(Refusal::Failed(format!(
            "more than {MOST_OPEN} pages overlap: all of it is there, but not everywhere in order \
             of time, and some of it may be there twice"
        )));
    }
    if unlike > 0 {
        refusals.push(Refusal::Failed(format!(
            "{unlike} records have the time and id of another one and are not the same: all are kept, \
             and one of each may be forged"
        )));
    }
    refusals.extend(found.refusals);
    let mut exhibits = entries.finish().await?;
    if let Some(table) = table {
        exhibits.extend(table.finish().await?);
    }
    for (name, document) in found.documents {
        let name = part_name(task, Some(name));
        match desk.keep_document(name, &source, &document).await {
            Ok(exhibit) => exhibits.push(exhibit),
            // It follows from the records, which are kept; the case is worth more than it.
            Err(error @ VaultError::TooLarge { .. }) => {
                refusals.push(Refusal::Failed(format!("not kept: {error}")));
            }
            Err(error) => return Err(error),
        }
    }
    let known = findings.len();
    findings.extend(found.findings);
    for proof in findings
        .iter_mut()
        .skip(known)
        .flat_map(|finding| &mut finding.proof)
    {
        name_exhibit(task, &exhibits, proof);
    }
    let result = match inquiry::outcome(&refusals, !exhibits.is_empty()) {
        Outcome::Acquired if exhibits.is_empty() => Outcome::Absent {
            why: match any_old {
                true => "there is nothing more of it than an earlier pass brought".to_owned(),
                false => "there is nothing of it in the window".to_owned(),
            },
        },
        outcome => outcome,
    };
    let concluded = Concluded {
        acquisition: Acquisition {
            request: task.request.clone(),
            target: task.target.clone(),
            result,
            calls,
            exhibits,
        },
        findings,
        carry: found.carry,
    };
    write_down(desk, task, concluded).await.map(Some)
}

/// The first conclusion written is the task's.
async fn write_down(
    desk: &Desk,
    task: &Task<'_>,
    concluded: Concluded,
) -> Result<Concluded, VaultError> {
    let key = keys::task_done(desk.case(), task.pass, task.request);
    let bytes = serde_json::to_vec(&concluded).map_err(|cause| unreadable(&key, &cause.into()))?;
    let put = desk
        .vault()
        .put_once(&key, bytes.into(), "application/json");
    match put.await {
        Ok(_) => Ok(concluded),
        Err(VaultError::Conflict { .. }) => {
            let theirs = self::concluded(desk, task.pass, task.request).await?;
            Ok(theirs.unwrap_or(concluded))
        }
        Err(error) => Err(error),
    }
}

async fn put_rows(table: &mut Option<Parts<'_>>, rows: &mut Vec<String>) -> Result<(), VaultError> {
    for row in rows.drain(..) {
        if let Some(table) = table {
            table.put(&row).await?;
        }
    }
    Ok(())
}

/// The same question asked page by page is one line in the record.
pub(crate) fn once_each(calls: Vec<Call>) -> Vec<Call> {
    let mut told: Vec<Call> = Vec::new();
    let mut place: BTreeMap<(String, String, Option<String>), usize> = BTreeMap::new();
    for call in calls {
        let question = (call.api.clone(), call.about.clone(), call.error.clone());
        match place.get(&question).and_then(|at| told.get_mut(*at)) {
            Some(first) => {
                first.requests += call.requests;
                first.duration_ms += call.duration_ms;
            }
            None => {
                place.insert(question, told.len());
                told.push(call);
            }
        }
    }
    told
}

/// An observer knows what it wrote, not what it is called in the case.
fn name_exhibit(task: &Task<'_>, exhibits: &[Exhibit], proof: &mut Proof) {
    let part = Some(proof.exhibit.as_str()).filter(|part| !part.is_empty());
    let begins = part_name(task, part);
    if let Some(exhibit) = exhibits
        .iter()
        .find(|exhibit| exhibit.name.starts_with(&begins))
    {
        proof.exhibit.clone_from(&exhibit.name);
    }
}

/// `execution-logs-aws-lambda-billing-first-invocations`.
fn part_name(task: &Task<'_>, part: Option<&str>) -> String {
    let request = exhibit_name(task.request);
    match part {
        Some(part) => format!("{request}-{}-{part}", task.pass),
        None => format!("{request}-{}", task.pass),
    }
}

/// A page that is not open yet.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Source {
    first_ns: i64,
    /// Of two that hold the same entry the earlier pass comes first.
    is_new: bool,
    number: u32,
    pass: String,
}

/// An open page and its next entry; the heap's order is the entries'.
struct Opened {
    entry: Entry,
    is_new: bool,
    number: u32,
    page: OpenPage,
}

impl Opened {
    fn rank(&self) -> (i64, &str, bool, u32) {
        (self.entry.at_ns, &self.entry.id, self.is_new, self.number)
    }
}

impl PartialEq for Opened {
    fn eq(&self, other: &Self) -> bool {
        self.rank() == other.rank()
    }
}

impl Eq for Opened {}

impl PartialOrd for Opened {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Opened {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        self.rank().cmp(&other.rank())
    }
}

/// Every entry of every page in order of time and id.
struct Merge<'a> {
    desk: &'a Desk,
    task: &'a Task<'a>,
    /// Last the one that is due next.
    waiting: Vec<Source>,
    open: BinaryHeap<Reverse<Opened>>,
    /// Whether a page was due while too many were open.
    crowded: bool,
}

impl Merge<'_> {
    async fn next(&mut self) -> Result<Option<(Entry, bool)>, VaultError> {
        let due = |open: &BinaryHeap<Reverse<Opened>>, source: &Source| {
            open.peek()
                .is_none_or(|Reverse(first)| source.first_ns <= first.entry.at_ns)
        };
        while let Some(source) = self.waiting.last()
            && due(&self.open, source)
        {
            if self.open.len() >= MOST_OPEN {
                self.crowded = true;
                break;
            }
            let Source {
                is_new,
                number,
                pass,
                ..
            } = source.clone();
            self.waiting.pop();
            let pages = Pages::of(self.desk, &pass, self.task.request);
            let mut page = pages.open(number).await?;
            if let Some(entry) = self.read(&mut page, number)? {
                self.open.push(Reverse(Opened {
                    entry,
                    is_new,
                    number,
                    page,
                }));
            }
        }
        let Some(Reverse(mut first)) = self.open.pop() else {
            return Ok(None);
        };
        let following = self.read(&mut first.page, first.number)?;
        let is_new = first.is_new;
        let Some(following) = following else {
            return Ok(Some((first.entry, is_new)));
        };
        let entry = std::mem::replace(&mut first.entry, following);
        self.open.push(Reverse(first));
        Ok(Some((entry, is_new)))
    }

    fn read(&self, page: &mut OpenPage, number: u32) -> Result<Option<Entry>, VaultError> {
        page.next().map_err(|cause| {
            let key = keys::page(self.desk.case(), self.task.pass, self.task.request, number);
            unreadable(&key, &cause)
        })
    }
}

/// Lines on their way into exhibits: gzip files of at most [`PART_BYTES`] and a little, which
/// together, one after the other, are one gzip file.
struct Parts<'a> {
    desk: &'a Desk,
    name: String,
    source: String,
    file: GzEncoder<Vec<u8>>,
    lines: u64,
    kept: Vec<Exhibit>,
}

impl<'a> Parts<'a> {
    fn new(desk: &'a Desk, task: &Task<'_>, part: Option<&str>, source: &str) -> Self {
        Self {
            desk,
            name: part_name(task, part),
            source: source.to_owned(),
            file: GzEncoder::new(Vec::new(), COMPRESSION),
            lines: 0,
            kept: Vec::new(),
        }
    }

    async fn put(&mut self, line: &str) -> Result<(), VaultError> {
        // Writing into memory does not fail.
        let written = self.file.write_all(line.as_bytes());
        written
            .and_then(|()| self.file.write_all(b"\n"))
            .map_err(|cause| unreadable(&self.name, &cause))?;
        self.lines += 1;
        if self.file.get_ref().len() >= PART_BYTES {
            self.cut().await?;
        }
        Ok(())
    }

    async fn cut(&mut self) -> Result<(), VaultError> {
        let next = GzEncoder::new(Vec::new(), COMPRESSION);
        let bytes = std::mem::replace(&mut self.file, next)
            .finish()
            .map_err(|cause| unreadable(&self.name, &cause))?;
        self.lines = 0;
        let name = format!("{}-{:04}", self.name, self.kept.len() + 1);
        let kept = self.desk.keep_lines(name, &self.source, bytes.into());
        self.kept.push(kept.await?);
        Ok(())
    }

    async fn finish(mut self) -> Result<Vec<Exhibit>, VaultError> {
        if self.lines > 0 {
            self.cut().await?;
        }
        Ok(self.kept)
    }
}
