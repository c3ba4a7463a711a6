//! A window that is asked for in slices, each halved until its answer is whole: for what answers so many
//! entries at the most.

use serde::{Deserialize, Serialize};

/// What is still to be asked; the last one is next.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Slices {
    todo: Vec<Slice>,
    /// The most entries that one answer has held: where fewer come, it was not for want of room.
    most: usize,
}

/// One slice, in milliseconds since 1970. Whether the last one is part of an answer is not documented,
/// so two slices that meet share the millisecond at which they do; what comes twice is kept once.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Slice {
    pub(super) from_ms: i64,
    /// Later than `from_ms`: a query whose ends are one is refused.
    pub(super) to_ms: i64,
    /// How many entries are asked for at a time.
    pub(super) at_most: usize,
    /// The last entry that came of it, where its answer is gone on with.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) after: Option<String>,
    /// How many came of it until then.
    #[serde(default)]
    pub(super) seen: u64,
}

/// No slice shorter than this is halved.
const SHORTEST_MS: i64 = 2;

/// By how much less is asked for where so many entries are too long together.
const LESS: usize = 4;

impl Slices {
    /// All of it, `at_most` entries at a time; nothing if it does not end after it begins.
    pub(super) fn of(from_ms: i64, to_ms: i64, at_most: usize) -> Self {
        let whole = Slice {
            from_ms,
            to_ms,
            at_most,
            after: None,
            seen: 0,
        };
        Self {
            todo: (from_ms < to_ms).then_some(whole).into_iter().collect(),
            most: 0,
        }
    }

    /// Takes the next one out.
    pub(super) fn next(&mut self) -> Option<Slice> {
        self.todo.pop()
    }

    /// Whether nothing is left.
    pub(super) fn is_empty(&self) -> bool {
        self.todo.is_empty()
    }

    /// Takes note of how many entries an answer held; whether no answer has held more.
    pub(super) fn is_longest(&mut self, found: usize) -> bool {
        self.most = self.most.max(found);
        found == self.most
    }

    /// Puts a slice back whose answer was not whole: as two halves, the earlier one next; false if it is
    /// too short for that, or is being gone on with.
    pub(super) fn halve(&mut self, slice: &Slice) -> bool {
        if slice.to_ms - slice.from_ms < SHORTEST_MS || slice.after.is_some() {
            return false;
        }
        let middle = slice.from_ms + (slice.to_ms - slice.from_ms) / 2;
        let half = |from_ms, to_ms| Slice {
            from_ms,
            to_ms,
            ..slice.clone()
        };
        self.todo.push(half(middle, slice.to_ms));
        self.todo.push(half(slice.from_ms, middle));
        true
    }

    /// Puts a slice back whose answer was too long: as two halves, or else to be asked for fewer entries
    /// at a time; false if it was one only.
    pub(super) fn lessen(&mut self, slice: &Slice) -> bool {
        if self.halve(slice) {
            return true;
        }
        let may = slice.at_most > 1;
        if may {
            self.todo.push(Slice {
                at_most: (slice.at_most / LESS).max(1),
                ..slice.clone()
            });
        }
        may
    }

    /// Puts a slice back that is gone on with after an entry, `seen` having come of it.
    pub(super) fn go_on(&mut self, slice: Slice, after: String, seen: u64) {
        self.todo.push(Slice {
            after: Some(after),
            seen,
            ..slice
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        /// However it is halved, all of it is asked for in order, and no query ends where it begins.
        #[test]
        fn halves_cover_the_whole(from in 0_i64..1000, length in 1_i64..200, full in any::<u64>()) {
            let mut slices = Slices::of(from, from + length, 10);
            let (mut next, mut turn) = (from, 0);
            while let Some(slice) = slices.next() {
                prop_assert!(slice.from_ms < slice.to_ms);
                turn += 1;
                let is_full = full >> (turn % 64) & 1 == 1;
                if is_full && slices.halve(&slice) {
                    continue;
                }
                prop_assert_eq!(slice.from_ms, next);
                next = slice.to_ms;
            }
            prop_assert_eq!(next, from + length);
        }
    }

    #[test]
    fn what_does_not_end_after_it_begins_is_nothing() {
        assert!(Slices::of(2, 1, 10).is_empty());
        assert!(Slices::of(2, 2, 10).is_empty());
    }

    #[test]
    fn what_is_too_long_comes_to_an_end_one_by_one() {
        let mut slices = Slices::of(0, 1, 2000);
        let mut asked = Vec::new();
        while let Some(slice) = slices.next() {
            asked.push(slice.at_most);
            slices.lessen(&slice);
        }
        assert_eq!(asked, [2000, 500, 125, 31, 7, 1]);
    }
}
