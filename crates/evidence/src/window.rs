//! A stretch of time that is looked into.

use crate::digest::Sha256Digest;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

/// From when to when, both included.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Window {
    /// The first moment.
    pub since: Timestamp,
    /// The last moment.
    pub until: Timestamp,
}

/// A window that ends before it begins.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error("a window from {since} to {until} ends before it begins")]
pub struct BadWindow {
    since: Timestamp,
    until: Timestamp,
}

impl Window {
    /// A window; its end is not before its beginning.
    pub fn new(since: Timestamp, until: Timestamp) -> Result<Self, BadWindow> {
        if until < since {
            return Err(BadWindow { since, until });
        }
        Ok(Self { since, until })
    }

    /// Twelve hexadecimal digits that tell this window from others, for names.
    pub fn mark(&self) -> String {
        Sha256Digest::of(format!("{} {}", self.since, self.until)).short()
    }

    /// Whether `time` lies in it.
    pub fn contains(&self, time: Timestamp) -> bool {
        self.since <= time && time <= self.until
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_edges_are_inside() {
        let at = |second: i64| Timestamp::from_second(second).unwrap();
        let window = Window::new(at(10), at(20)).unwrap();
        let inside: Vec<i64> = (8..23).filter(|s| window.contains(at(*s))).collect();
        assert_eq!(inside, (10..=20).collect::<Vec<_>>());
        assert!(Window::new(at(10), at(10)).is_ok());
        assert!(Window::new(at(11), at(10)).is_err());
    }
}
