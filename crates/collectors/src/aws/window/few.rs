//! Different values of a kind and how often each was met, in bounded memory: for summaries of what
//! anybody may have written.

use serde::Serialize;
use std::collections::BTreeMap;

/// How many different values are kept.
const MOST: usize = 20;

/// The longest value in a summary, in characters.
const LONGEST: usize = 512;

/// Different values, how often each was met, and how often further ones were.
#[derive(Clone, Debug, Default, Serialize)]
pub(super) struct Few {
    pub(super) calls_by_value: BTreeMap<String, u64>,
    pub(super) more_calls: u64,
}

impl Few {
    /// Counts a value; none is not counted.
    pub(super) fn count(&mut self, value: Option<&str>) {
        let Some(value) = value else { return };
        let value = told(value);
        let has_room = self.calls_by_value.len() < MOST;
        match self.calls_by_value.get_mut(&value) {
            Some(calls) => *calls += 1,
            None if has_room => {
                self.calls_by_value.insert(value, 1);
            }
            None => self.more_calls += 1,
        }
    }
}

/// Text that may be anybody's, as it may be shown: cut to 512 characters, without control characters.
pub(super) fn told(text: &str) -> String {
    let mut told: String = text
        .chars()
        .take(LONGEST)
        .map(|c| if c.is_control() { '\u{fffd}' } else { c })
        .collect();
    if text.chars().nth(LONGEST).is_some() {
        told.push('…');
    }
    told
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_beyond_the_limit_is_counted_and_not_kept() {
        let mut few = Few::default();
        for n in 0..100 {
            few.count(Some(&format!("{}\n{}", n % 50, "ä".repeat(1_000))));
        }
        few.count(None);
        assert_eq!(few.calls_by_value.len(), MOST);
        assert_eq!(few.more_calls, 60);
        for (value, calls) in few.calls_by_value {
            assert_eq!((value.chars().count(), calls), (LONGEST + 1, 2));
            assert!(!value.contains('\n') && value.ends_with('…'));
        }
    }
}
