//! Figures over time, in steps that grow with the time there is: one pass, bounded memory, and the same
//! result whatever the order.

use jiff::Timestamp;
use serde::Serialize;
use std::collections::BTreeMap;

/// The most columns of a picture.
const MOST: i64 = 120;

/// How long a step can be, in seconds; each is a multiple of the one before.
const STEPS: &[i64] = &[
    1,
    5,
    15,
    60,
    300,
    900,
    3600,
    7200,
    21_600,
    43_200,
    86_400,
    604_800,
    2_419_200,
    29_030_400,
    290_304_000,
    2_903_040_000,
];

/// The columns of a picture over time.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Spread {
    /// When the first column begins.
    pub since: Timestamp,
    /// How long a column is, in seconds.
    pub step_seconds: i64,
    /// How many columns there are.
    pub columns: usize,
}

/// What two columns come to together.
pub(crate) trait Together: Copy + Default {
    fn add(&mut self, other: Self);
}

impl Together for [u64; 2] {
    fn add(&mut self, other: Self) {
        for (mine, theirs) in self.iter_mut().zip(other) {
            *mine = mine.saturating_add(theirs);
        }
    }
}

/// Figures by series and time.
pub(crate) struct Spreading<K, V> {
    step: usize,
    ends: Option<(i64, i64)>,
    series: BTreeMap<K, BTreeMap<i64, V>>,
}

impl<K: Ord, V: Together> Spreading<K, V> {
    pub(crate) fn new() -> Self {
        Self {
            step: 0,
            ends: None,
            series: BTreeMap::new(),
        }
    }

    pub(crate) fn add(&mut self, key: K, at: Timestamp, value: V) {
        let mut place = at.as_second().div_euclid(self.seconds());
        let (mut first, mut last) = match self.ends {
            Some((first, last)) => (first.min(place), last.max(place)),
            None => (place, place),
        };
        while last - first >= MOST && self.step + 1 < STEPS.len() {
            let before = self.seconds();
            self.step += 1;
            let factor = self.seconds() / before;
            for columns in self.series.values_mut() {
                let mut coarser: BTreeMap<i64, V> = BTreeMap::new();
                for (place, value) in std::mem::take(columns) {
                    coarser
                        .entry(place.div_euclid(factor))
                        .or_default()
                        .add(value);
                }
                *columns = coarser;
            }
            place = place.div_euclid(factor);
            first = first.div_euclid(factor);
            last = last.div_euclid(factor);
        }
        self.ends = Some((first, last));
        let columns = self.series.entry(key).or_default();
        columns.entry(place).or_default().add(value);
    }

    fn seconds(&self) -> i64 {
        STEPS.get(self.step).copied().unwrap_or(1)
    }

    /// The columns; none if there is nothing.
    pub(crate) fn spread(&self) -> Option<Spread> {
        let (first, last) = self.ends?;
        let step_seconds = self.seconds();
        Some(Spread {
            since: Timestamp::from_second(first.saturating_mul(step_seconds)).unwrap_or_default(),
            step_seconds,
            columns: usize::try_from(last - first + 1).unwrap_or(1).min(1000),
        })
    }

    /// One series, a figure a column.
    pub(crate) fn columns(&self, key: &K) -> Vec<V> {
        let Some((spread, (first, _))) = self.spread().zip(self.ends) else {
            return Vec::new();
        };
        let mut columns = vec![V::default(); spread.columns];
        for (place, value) in self.series.get(key).into_iter().flatten() {
            let place = usize::try_from(place - first).unwrap_or(usize::MAX);
            if let Some(column) = columns.get_mut(place) {
                *column = *value;
            }
        }
        columns
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn nothing_is_lost_whatever_the_order(mut seconds in prop::collection::vec(-1_000_000_i64..4_000_000_000, 1..200)) {
            let spread = |seconds: &[i64]| {
                let mut spreading: Spreading<(), [u64; 2]> = Spreading::new();
                for second in seconds {
                    spreading.add((), Timestamp::from_second(*second).unwrap(), [1, 0]);
                }
                (spreading.spread(), spreading.columns(&()))
            };
            let (grid, columns) = spread(&seconds);
            prop_assert!(columns.len() as i64 <= MOST);
            prop_assert_eq!(columns.iter().map(|[n, _]| *n).sum::<u64>(), seconds.len() as u64);
            let first = *seconds.iter().min().unwrap();
            let grid = grid.unwrap();
            prop_assert!((0..grid.step_seconds).contains(&(first - grid.since.as_second())));
            seconds.reverse();
            prop_assert_eq!(spread(&seconds), (Some(grid), columns));
        }
    }
}
