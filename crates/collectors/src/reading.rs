//! Something that is read page by page: a log, the audit trail, traces.
//!
//! A [`Reading`] knows how to get one page; [`read_on`] drives it. Each page is written to the
//! vault before the next one is asked for, together with where the next one begins, so that
//! whoever goes on after a crash repeats at most one page. [`crate::conclude`] makes
//! exhibits of the pages.

use crate::inquiry::Inquiry;
use crate::pages::{PageHead, Pages};
use crate::{Desk, Refusal};
use async_trait::async_trait;
use evidence::{Request, Sha256Digest, Target};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::time::Duration;
use vault::VaultError;

/// One record as the provider gave it, and what puts it in order.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Entry {
    /// When it happened, in nanoseconds since 1970.
    pub at_ns: i64,
    /// The provider's id of it. Two entries with the same time and id are the same one.
    pub id: String,
    /// The record, verbatim, on one line.
    pub raw: String,
}

impl Entry {
    /// An entry; `id` and `raw` may come from anybody. JSON that spans lines is written on one.
    pub fn new(occurred_at: Timestamp, id: &str, raw: String) -> Self {
        let plain = |text: &str| text.len() <= 128 && text.bytes().all(|b| b.is_ascii_graphic());
        let at_ns = occurred_at.as_nanosecond();
        Self {
            at_ns: i64::try_from(at_ns).unwrap_or(if at_ns < 0 { i64::MIN } else { i64::MAX }),
            id: match id {
                "" => Sha256Digest::of(&raw).to_string(),
                id if plain(id) => id.to_owned(),
                id => Sha256Digest::of(id).to_string(),
            },
            raw: if raw.contains(['\n', '\r']) {
                on_one_line(&raw)
            } else {
                raw
            },
        }
    }

    /// Whether this is the other one once more: of the same time and id, and the same record, however
    /// it is written. Whoever plants another record under the id of a real one takes its place nowhere.
    pub fn is_same(&self, other: &Self) -> bool {
        let read = |raw: &str| serde_json::from_str::<Value>(raw).ok();
        (self.at_ns, &self.id) == (other.at_ns, &other.id)
            && (self.raw == other.raw
                || read(&self.raw).is_some_and(|raw| Some(raw) == read(&other.raw)))
    }

    /// When it happened.
    pub fn occurred_at(&self) -> Timestamp {
        Timestamp::from_nanosecond(self.at_ns.into()).unwrap_or_default()
    }
}

/// JSON without its line ends; what is no JSON becomes a JSON string.
fn on_one_line(raw: &str) -> String {
    match serde_json::from_str::<Value>(raw) {
        Ok(value) => value.to_string(),
        Err(_) => Value::String(raw.to_owned()).to_string(),
    }
}

/// One page.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Page {
    /// What it holds, in any order; nothing is normal.
    pub entries: Vec<Entry>,
    /// Where the next page begins; none after the last.
    pub next: Option<Value>,
}

/// Something that is read page by page.
#[async_trait]
pub trait Reading: Send + Sync {
    /// Reads the page at `cursor`, the first one without. Calls go through `inquiry`, which notes
    /// each, and what was refused; its replies are not kept. Where a call failed in passing, the
    /// page is thrown away and asked for again.
    async fn page(&self, inquiry: &mut Inquiry<'_>, cursor: Option<&Value>) -> Page;

    /// Whether this reads on in the very thing that the reading before it read. If that is not there
    /// any more, it is lost, not absent.
    fn reads_on(&self) -> bool {
        false
    }
}

/// Where a task goes on: which of its readings, and where in it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Cursor {
    reading: usize,
    at: Option<Value>,
}

/// The most pages of one task. Whoever floods a log must not keep the case open for ever.
const MOST_PAGES: u32 = 20_000;

/// The most that is read in one task: 2 GiB of records. All of it has to be merged within one step.
const MOST_BYTES: u64 = 2 * 1024 * 1024 * 1024;

/// How often a page that fails in passing is asked for in a row before the reading is given up.
const TRIES: u32 = 10;

/// One thing to be read in one pass, and by which readings, one after the other.
pub struct Task<'a> {
    /// Of what.
    pub target: &'a Target,
    /// Which pass.
    pub pass: &'a str,
    /// Which artifact.
    pub request: &'a Request,
    /// How it is read.
    pub readings: Vec<Box<dyn Reading + 'a>>,
}

/// Reads on from where the last page ended, until nothing is left (*true*) or the desk's deadline
/// has come. Whatever was read until then is in the vault.
pub async fn read_on(desk: &Desk, task: &Task<'_>) -> Result<bool, VaultError> {
    let pages = Pages::of(desk, task.pass, task.request);
    let mut read_bytes = 0;
    let (mut number, mut cursor) = match pages.last().await? {
        Some((number, head)) => {
            read_bytes = head.read_bytes;
            (number, head.next)
        }
        None => (0, Some(Cursor::default())),
    };
    let mut failed_in_a_row = 0;
    // What was asked in vain belongs to the page that came of it in the end.
    let mut calls = Vec::new();
    while let Some(here) = cursor.take() {
        let Some(reading) = task.readings.get(here.reading) else {
            break;
        };
        if desk.is_out_of_time() {
            return Ok(false);
        }
        let mut inquiry = Inquiry::new(desk, task.target, task.request.clone());
        let mut page = Page::default();
        let in_time = desk
            .in_time(async { page = reading.page(&mut inquiry, here.at.as_ref()).await })
            .await;
        if !in_time {
            return Ok(false);
        }
        let mut head = PageHead::of_calls(inquiry);
        calls.append(&mut head.calls);
        if head.transient {
            failed_in_a_row += 1;
            if failed_in_a_row < TRIES {
                let pause = pause_after(failed_in_a_row);
                if desk.is_out_of_time_in(pause) {
                    return Ok(false);
                }
                tokio::time::sleep(pause).await;
                cursor = Some(here);
                continue;
            }
            page = Page::default();
        }
        failed_in_a_row = 0;
        head.calls = std::mem::take(&mut calls);
        number += 1;
        if reading.reads_on() && read_bytes > 0 {
            for refusal in &mut head.refusals {
                if let Refusal::Absent(why) = refusal {
                    *refusal = Refusal::Failed(format!("deleted while it was read: {why}"));
                }
            }
        }
        read_bytes += page
            .entries
            .iter()
            .map(|entry| entry.raw.len() as u64)
            .sum::<u64>();
        head.read_bytes = read_bytes;
        let is_full = number >= MOST_PAGES || read_bytes >= MOST_BYTES;
        if is_full && (page.next.is_some() || here.reading + 1 < task.readings.len()) {
            head.refusals.push(Refusal::Failed(format!(
                "more than {MOST_PAGES} pages or {MOST_BYTES} bytes; the rest is not read"
            )));
        }
        head.next = Some(match page.next.take() {
            Some(at) => Cursor {
                reading: here.reading,
                at: Some(at),
            },
            None => Cursor {
                reading: here.reading + 1,
                at: None,
            },
        })
        .filter(|next| !is_full && next.reading < task.readings.len());
        // Where a parallel attempt was first, its page stands and we go on from there.
        cursor = pages.put(number, head, page.entries).await?;
    }
    if number == 0 {
        // A task without a reading: one empty page says so.
        pages.put(1, PageHead::default(), Vec::new()).await?;
    }
    Ok(true)
}

/// Doubling from one second to a minute, each half random, so that several don't come in step.
fn pause_after(failures: u32) -> Duration {
    let longest = (1_u64 << failures.saturating_sub(1).min(6)).min(60) * 1000;
    Duration::from_millis(longest / 2 + fastrand::u64(0..=longest / 2))
}
