//! Regular expressions that rules look for, compiled when first used.

use regex::bytes::{Regex, RegexBuilder};
use std::ops::Range;
use std::sync::OnceLock;

/// A regular expression over bytes; `.` and `\w` are ASCII. Linear in the size of what it reads.
pub(super) struct Pattern {
    source: &'static str,
    compiled: OnceLock<Option<Regex>>,
}

impl Pattern {
    pub(super) const fn new(source: &'static str) -> Self {
        Self {
            source,
            compiled: OnceLock::new(),
        }
    }

    /// Where it first stands.
    pub(super) fn find(&self, bytes: &[u8]) -> Option<Range<usize>> {
        self.regex()?.find(bytes).map(|found| found.range())
    }

    /// Where it stands, without overlaps; at most the first `most`.
    pub(super) fn all<'a>(
        &'a self,
        bytes: &'a [u8],
        most: usize,
    ) -> impl Iterator<Item = Range<usize>> + 'a {
        self.regex()
            .into_iter()
            .flat_map(move |regex| regex.find_iter(bytes).map(|found| found.range()))
            .take(most)
    }

    /// What its first group holds, where it first stands.
    pub(super) fn group<'a>(&self, bytes: &'a [u8]) -> Option<&'a [u8]> {
        self.regex()?
            .captures(bytes)?
            .get(1)
            .map(|group| group.as_bytes())
    }

    /// What the first of its groups that holds something holds, where it first stands.
    pub(super) fn any_group<'a>(&self, bytes: &'a [u8]) -> Option<&'a [u8]> {
        let found = self.regex()?.captures(bytes)?;
        found
            .iter()
            .skip(1)
            .flatten()
            .next()
            .map(|it| it.as_bytes())
    }

    pub(super) fn is_in(&self, bytes: &[u8]) -> bool {
        self.regex().is_some_and(|regex| regex.is_match(bytes))
    }

    fn regex(&self) -> Option<&Regex> {
        let compiled = self.compiled.get_or_init(|| {
            RegexBuilder::new(self.source)
                .unicode(false)
                .size_limit(4 << 20)
                .dfa_size_limit(4 << 20)
                .build()
                .ok()
        });
        // Every rule has a fixture that fires, so a pattern that does not compile fails a test.
        debug_assert!(compiled.is_some(), "does not compile: {}", self.source);
        compiled.as_ref()
    }
}
