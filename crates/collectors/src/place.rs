//! Where a reading is that goes through a window in order of time, so many entries at a time, each answer
//! with a cursor for the next.

use crate::{Entry, Page};
use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};
use serde_json::json;

/// The most that a page holds, in bytes of its entries: even where they cannot be packed, the vault takes
/// it in one piece.
pub(crate) const PAGE_BYTES: usize = 6 * 1024 * 1024;

/// How often it is begun again where a cursor has run out.
const MOST_RESTARTS: u32 = 10;
/// What is begun again overlaps by so much: what comes twice is kept once.
const A_SECOND: SignedDuration = SignedDuration::from_secs(1);

/// The place; kept with the pages, so that another process goes on from there.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Place {
    /// From when on it is asked.
    pub(crate) since: Timestamp,
    /// The provider's mark of the next page; none at a beginning.
    pub(crate) cursor: Option<String>,
    /// The time of the last entry that came.
    pub(crate) last: Timestamp,
    restarts: u32,
    /// How many entries are asked for at a time.
    pub(crate) limit: usize,
}

impl Place {
    /// The beginning of a window.
    pub(crate) fn beginning(since: Timestamp, limit: usize) -> Self {
        Self {
            since,
            cursor: None,
            last: since,
            restarts: 0,
            limit,
        }
    }

    /// The next page from here.
    pub(crate) fn going_on(self, entries: Vec<Entry>) -> Page {
        Page {
            entries,
            next: Some(json!(self)),
        }
    }

    /// The same place with fewer entries asked for at a time; none if it was one only.
    pub(crate) fn with_less(mut self) -> Option<Self> {
        let may = self.limit > 1;
        self.limit = (self.limit / 4).max(1);
        may.then_some(self)
    }

    /// What was too long is past: more may be asked for again, `most` at a time.
    pub(crate) fn relieved(&mut self, most: usize) {
        self.limit = (self.limit * 2).min(most);
    }

    /// Begins again at the last entry, as often as that may be.
    pub(crate) fn begun_again(mut self) -> Option<Self> {
        let may = self.cursor.is_some() && self.restarts < MOST_RESTARTS;
        let last = self.last.checked_sub(A_SECOND).unwrap_or(self.last);
        self.since = self.since.max(last);
        self.cursor = None;
        self.restarts += 1;
        may.then_some(self)
    }
}
