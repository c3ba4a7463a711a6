//! The finding that bytes are not what somebody announced.

use evidence::{Confidence, Exhibit, Finding, Proof, Severity, Sha256Digest};

/// A digest that somebody announced for something that is now an exhibit.
pub(super) struct Announced<'a> {
    /// E.g. `code-digest-mismatch`.
    pub(super) rule: &'static str,
    /// MITRE ATT&CK technique id.
    pub(super) technique: &'static str,
    /// The subject of the sentence: `The package of billing`.
    pub(super) what: &'a str,
    /// Who said what it would be: `Lambda announces`.
    pub(super) by: &'a str,
    /// What was said; nothing to compare with if none.
    pub(super) digest: Option<Sha256Digest>,
    /// What a difference means.
    pub(super) meaning: &'static str,
}

impl Announced<'_> {
    /// The finding, if the exhibit's bytes are others.
    pub(super) fn differs_from(&self, exhibit: &Exhibit) -> Option<Finding> {
        let digest = self.digest.filter(|digest| *digest != exhibit.sha256)?;
        Some(Finding {
            rule: self.rule.to_owned(),
            statement: format!(
                "{} hashes to {}, but {} {digest}: {}.",
                self.what, exhibit.sha256, self.by, self.meaning
            ),
            severity: Severity::High,
            confidence: Confidence::High,
            technique: Some(self.technique.to_owned()),
            advice: None,
            proof: vec![Proof {
                excerpt: None,
                exhibit: exhibit.name.clone(),
                path: None,
                line: None,
            }],
        })
    }
}
