//! What an examination came to: written by the function that reads evidence, sealed by the one that signs.

use crate::acquisition::{Exhibit, Outcome};
use crate::finding::{Finding, Verdict};
use serde::{Deserialize, Serialize};

/// The content of [`crate::keys::examination`]. Whoever seals it did not write it: its keys have to lie in
/// the examination's own folder, and its digests are computed once more.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Examination {
    /// What was noticed that the case does not say yet, the worst first.
    pub findings: Vec<Finding>,
    /// What the whole case comes to, as far as is known.
    pub verdict: Verdict,
    /// What was made of the evidence.
    pub exhibits: Vec<Exhibit>,
    /// Whether everything was examined; if not, what was left out.
    pub outcome: Outcome,
}
