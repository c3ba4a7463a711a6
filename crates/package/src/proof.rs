//! Where in a package a finding can be checked, fit to be shown.

use evidence::{Proof, shown};

/// How much of a name stands in a sentence.
pub(crate) const NAME_CHARS: usize = 120;
/// How much of a path stands in a sentence or a proof.
pub(crate) const PATH_CHARS: usize = 512;
/// How much stands in an excerpt.
pub(crate) const EXCERPT_CHARS: usize = 160;

/// The file at `path` of the exhibit `part`.
pub(crate) fn of_file(part: &str, path: &str) -> Proof {
    Proof {
        exhibit: part.to_owned(),
        path: Some(shown(path, PATH_CHARS)),
        line: None,
        excerpt: None,
    }
}

/// The exhibit `part` as a whole.
pub(crate) fn of_part(part: &str) -> Proof {
    Proof {
        exhibit: part.to_owned(),
        path: None,
        line: None,
        excerpt: None,
    }
}
