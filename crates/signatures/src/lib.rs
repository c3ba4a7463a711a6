//! YARA rules over the files of a package: a few of our own, and the owner's.
//!
//! Our own stand in `rules/*.yar`, each with a fixture that fires and one that does not
//! (`tests/rules/RULE/`). A rule's `meta` says what a match is worth: `severity` and `confidence` (as
//! in findings, else *medium*), `technique` (ATT&CK), `description`, `advice`.

mod compile;
mod matching;

pub use compile::{BadRules, Signatures};
pub use matching::{Bounds, Matching};
