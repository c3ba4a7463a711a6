//! What was asked for and what came of it: nothing that was asked for is missing.

use evidence::{Acquisition, Sha256Digest, shown};
use serde::Serialize;
use std::collections::BTreeMap;
use vault::Case;

/// The most that are told, with the most calls and exhibits of all of them.
const MOST: usize = 1_000;
const MOST_CALLS: usize = 3_000;
const MOST_EXHIBITS: usize = 3_000;

/// The acquisitions of all manifests, in the order in which they were sealed.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Acquisitions {
    /// How many ended in each outcome.
    pub outcomes: BTreeMap<&'static str, usize>,
    /// One by one.
    pub acquired: Vec<Acquired>,
    /// How many more there are.
    pub more: usize,
    /// How many calls are not listed.
    pub more_calls: usize,
    /// How many exhibits are not listed.
    pub more_exhibits: usize,
}

/// What came of one request.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Acquired {
    /// The number of the manifest.
    pub sequence: u32,
    /// What was asked for, and which one of several.
    pub request: String,
    /// `acquired`, `partial`, `absent`, `denied` or `failed`.
    pub outcome: &'static str,
    /// The reason, for all but *acquired*.
    pub why: Option<String>,
    /// How, in order.
    pub calls: Vec<CallMade>,
    /// What is in the vault now.
    pub exhibits: Vec<Kept>,
}

/// One call to the provider, perhaps of many requests.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct CallMade {
    /// The IAM action.
    pub api: String,
    /// What it was asked about.
    pub about: String,
    /// How long it took, in milliseconds.
    pub duration_ms: u64,
    /// How many requests it took.
    pub requests: u64,
    /// The provider's error code, where it failed.
    pub error: Option<String>,
}

/// One exhibit.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Kept {
    /// Its name in the case.
    pub name: String,
    /// Where in the vault.
    pub key: String,
    /// Of the whole content.
    pub sha256: Sha256Digest,
    /// Of the whole content.
    pub size_bytes: u64,
}

impl Acquisitions {
    /// Of all manifests.
    pub fn of(case: &Case) -> Self {
        let mut all = Self::default();
        for manifest in &case.manifests {
            for acquisition in &manifest.acquisitions {
                *all.outcomes.entry(acquisition.result.as_str()).or_default() += 1;
                if all.acquired.len() >= MOST {
                    all.more += 1;
                    continue;
                }
                let calls: usize = all.acquired.iter().map(|one| one.calls.len()).sum();
                let exhibits: usize = all.acquired.iter().map(|one| one.exhibits.len()).sum();
                let calls = MOST_CALLS.saturating_sub(calls);
                let exhibits = MOST_EXHIBITS.saturating_sub(exhibits);
                all.more_calls += acquisition.calls.len().saturating_sub(calls);
                all.more_exhibits += acquisition.exhibits.len().saturating_sub(exhibits);
                let acquired = acquired(manifest.sequence, acquisition, calls, exhibits);
                all.acquired.push(acquired);
            }
        }
        all
    }
}

fn acquired(sequence: u32, of: &Acquisition, calls: usize, exhibits: usize) -> Acquired {
    let text = |text: &str| shown(text, 300);
    Acquired {
        sequence,
        request: text(&of.request.to_string()),
        outcome: of.result.as_str(),
        why: of.result.why().map(|why| shown(why, 1000)),
        calls: (of.calls.iter().take(calls))
            .map(|call| CallMade {
                api: text(&call.api),
                about: text(&call.about),
                duration_ms: call.duration_ms,
                requests: call.requests,
                error: call.error.as_deref().map(text),
            })
            .collect(),
        exhibits: (of.exhibits.iter().take(exhibits))
            .map(|exhibit| Kept {
                name: text(&exhibit.name),
                key: text(&exhibit.key),
                sha256: exhibit.sha256,
                size_bytes: exhibit.size_bytes,
            })
            .collect(),
    }
}
