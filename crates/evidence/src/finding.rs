//! Statements about the evidence, each with its proof.

use serde::{Deserialize, Serialize};

/// How bad.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Severity {
    /// Worth knowing.
    Info,
    /// Seldom an attack by itself.
    Low,
    /// Look today.
    Medium,
    /// Look now.
    High,
    /// Wake somebody.
    Critical,
}

/// How sure.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Confidence {
    /// May have an innocent reason.
    Low,
    /// Likely.
    Medium,
    /// Follows from the bytes.
    High,
}

/// Where in the evidence a finding can be checked.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Proof {
    /// The exhibit's name.
    pub exhibit: String,
    /// A JSON pointer or a path inside the exhibit.
    pub path: Option<String>,
    /// A line, counted from 1.
    pub line: Option<u64>,
    /// What stands there: at most what the rule matched, bounded, and nothing of an environment's values.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub excerpt: Option<String>,
}

/// A statement with its proof.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Finding {
    /// The rule that made it, e.g. `code-digest-mismatch`.
    pub rule: String,
    /// One sentence; holds no secret.
    pub statement: String,
    /// How bad.
    pub severity: Severity,
    /// How sure.
    pub confidence: Confidence,
    /// MITRE ATT&CK technique id, where one fits.
    pub technique: Option<String>,
    /// What to do next, in one sentence.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub advice: Option<String>,
    /// Where to check it.
    pub proof: Vec<Proof>,
}

impl Finding {
    /// Whether it says what `other` says: each examination says anew what those before it said.
    pub fn repeats(&self, other: &Self) -> bool {
        (&self.rule, &self.statement, self.proof.first())
            == (&other.rule, &other.statement, other.proof.first())
    }
}

/// What a case comes to, as far as is known when it is written.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Verdict {
    /// One line for people: what changed, by whom, from where, how bad, how sure. No secrets.
    pub line: String,
    /// How bad the worst of it is.
    pub severity: Severity,
    /// How sure.
    pub confidence: Confidence,
    /// What changed, one entry each, the most telling first.
    pub changed: Vec<String>,
    /// Who changed it, as CloudTrail's record names them; none if no record says.
    pub by: Option<String>,
    /// From which address.
    pub from: Option<String>,
    /// Whether a deployer that the owner trusts made the change, as and where it usually does.
    pub expected: bool,
}
