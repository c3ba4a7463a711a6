//! What was noticed, the worst first, each with its proof.

use evidence::{Finding, Proof, shown};
use serde::Serialize;
use std::cmp::Reverse;
use std::collections::HashSet;
use vault::Case;

/// The most findings that a report tells.
const MOST: usize = 500;
/// The most places that prove one.
const MOST_PROOFS: usize = 20;

/// The findings of a case and its addenda, each once.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Findings {
    /// The worst first; of equals the surest.
    pub findings: Vec<Noticed>,
    /// How many more there are, none worse than those that are listed.
    pub more: usize,
}

/// A finding, bounded and fit to be shown, and where it was first written down.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Noticed {
    /// The number of the manifest that says so first; none if it was noticed when the chain was read.
    pub sequence: Option<u32>,
    /// The finding.
    #[serde(flatten)]
    pub finding: Finding,
}

impl Findings {
    /// Of all manifests. What several say of the same proof by the same rule is told once.
    pub fn of(case: &Case) -> Self {
        let noticed = case.findings.iter().map(|finding| (None, finding));
        let said = case.manifests.iter().flat_map(|manifest| {
            let findings = manifest.findings.iter();
            findings.map(|finding| (Some(manifest.sequence), finding))
        });
        let mut known = HashSet::new();
        let mut all: Vec<(Option<u32>, &Finding)> = noticed
            .chain(said)
            .filter(|(_, finding)| known.insert(mark(finding)))
            .collect();
        all.sort_by_key(|(_, finding)| Reverse((finding.severity, finding.confidence)));
        Self {
            more: all.len().saturating_sub(MOST),
            findings: all.into_iter().take(MOST).map(noticed_of).collect(),
        }
    }
}

/// What makes two findings one: the rule and the first proof, or what it says where it has none.
fn mark(finding: &Finding) -> (&str, Option<&str>, Option<&str>, Option<u64>) {
    let rule = finding.rule.as_str();
    match finding.proof.first() {
        Some(proof) => (
            rule,
            Some(&proof.exhibit),
            proof.path.as_deref(),
            proof.line,
        ),
        None => (rule, None, Some(&finding.statement), None),
    }
}

fn noticed_of((sequence, finding): (Option<u32>, &Finding)) -> Noticed {
    let text = |text: &Option<String>, longest| text.as_deref().map(|text| shown(text, longest));
    let proof = |proof: &Proof| Proof {
        exhibit: shown(&proof.exhibit, 200),
        path: text(&proof.path, 400),
        line: proof.line,
        excerpt: text(&proof.excerpt, 600),
    };
    Noticed {
        sequence,
        finding: Finding {
            rule: shown(&finding.rule, 80),
            statement: shown(&finding.statement, 1000),
            severity: finding.severity,
            confidence: finding.confidence,
            technique: text(&finding.technique, 40),
            advice: text(&finding.advice, 600),
            proof: finding.proof.iter().take(MOST_PROOFS).map(proof).collect(),
        },
    }
}
