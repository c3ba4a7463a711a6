//! The case's own account of itself: what was asked, what came of it, who did what.

use crate::acquisition::{Acquisition, Exhibit};
use crate::case_id::CaseId;
use crate::digest::Sha256Digest;
use crate::finding::{Finding, Verdict};
use crate::target::Target;
use crate::trigger::Trigger;
use crate::window::Window;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::collections::BTreeMap;

/// Which program made a manifest, and as whom.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Responder {
    /// `coldcase`.
    pub program: String,
    /// Its version.
    pub version: String,
    /// The Lambda function or the user that ran it.
    pub identity: String,
    /// The request or process that did the work; tells one attempt from another.
    pub attempt: String,
}

impl Responder {
    /// This version of coldcase, run by `identity` in this `attempt`.
    pub fn coldcase(identity: impl Into<String>, attempt: impl Into<String>) -> Self {
        Self {
            program: "coldcase".to_owned(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
            identity: identity.into(),
            attempt: attempt.into(),
        }
    }
}

/// What was done to the evidence or the target.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "action", rename_all = "kebab-case")]
pub enum CustodyAction {
    /// The case was opened.
    Opened,
    /// Its evidence was brought into the vault.
    EvidenceAcquired {
        /// Exhibits in the vault.
        exhibits: u64,
        /// Their bytes in all.
        size_bytes: u64,
    },
    /// Logs, audit trail, role activity and traces of a window were collected.
    WindowCollected {
        /// Which pass over which window: tells one addendum of a case from another.
        pass: String,
        /// The window.
        #[serde(flatten)]
        window: Window,
    },
    /// What was collected was examined.
    Examined {
        /// After which pass: tells one addendum of a case from another.
        pass: String,
    },
    /// A responder accepted the change: what the function is now counts as good.
    ChangeAccepted {
        /// Who says so, in their own words.
        by: String,
        /// Why.
        reason: String,
    },
    /// Tracing of the target was turned on: X-Ray's on AWS, Workers' observability on Cloudflare.
    TracingTurnedOn {
        /// What tells one state of the function from the next: the `RevisionId` of a Lambda function,
        /// the id of a Worker's deployment; before.
        revision_before: String,
        /// The same after.
        revision_after: String,
        /// The mode before; where it is more than a word, as JSON: what puts it back.
        mode_before: String,
        /// The mode after.
        mode_after: String,
    },
    /// Tracing was on already; nothing was changed.
    TracingAlreadyOn {
        /// As [`Self::TracingTurnedOn`] tells states apart.
        revision: String,
    },
    /// Tracing could not be turned on; nothing was changed.
    TracingNotPossible {
        /// Why, in words for the responder.
        why: String,
    },
    /// Tracing is switched off by configuration or by the request; nothing was changed.
    TracingNotWanted,
    /// The target is about to be contained. Sealed before the first call, so that what breaks off can be
    /// continued or undone.
    ContainmentIntended {
        /// Which containment of this case, counted from 1.
        containment: u32,
        /// Who wants it, in their own words.
        by: String,
        /// Why.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        reason: Option<String>,
        /// The number of the manifest that holds the target as it was right before.
        preserved: u32,
        /// The record of the function as good that values are restored from.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        record: Option<u32>,
        /// What will be changed, in order.
        changes: Vec<TargetChange>,
    },
    /// The target was contained, as far as `changes` says.
    Contained {
        /// Which containment.
        containment: u32,
        /// Who wanted it, in their own words.
        by: String,
        /// What was changed, in order, and what was not.
        changes: Vec<TargetChange>,
    },
    /// What containments changed is about to be undone. Sealed before the first call.
    ReleaseIntended {
        /// Which containments, the latest first.
        containments: Vec<u32>,
        /// Who wants it, in their own words.
        by: String,
        /// Why.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        reason: Option<String>,
        /// What will be changed, in order.
        changes: Vec<TargetChange>,
    },
    /// What containments changed was undone, as far as `changes` says.
    Released {
        /// Which containments, the latest first.
        containments: Vec<u32>,
        /// Who wanted it, in their own words.
        by: String,
        /// What was changed, in order, and what was not.
        changes: Vec<TargetChange>,
        /// What is not now as it was before the first of them.
        differs: Vec<String>,
    },
}

/// One change that coldcase makes to a target.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TargetChange {
    /// Of what: `reserved-concurrency`, `code`, `policy-statement SID`, or `setting NAME` with the
    /// provider's name for it.
    pub what: String,
    /// As it was; null if there was none. Of an environment the names of its variables only.
    pub before: Value,
    /// As it is wanted; null if none is.
    pub after: Value,
    /// Why the change was not made; none where it was, or is still to be.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub not_done: Option<String>,
}

impl CustodyAction {
    /// In words, as a sentence without its end. What others wrote stands in it as they wrote it.
    pub fn words(&self) -> String {
        match self {
            Self::Opened => "the case was opened".to_owned(),
            Self::EvidenceAcquired {
                exhibits,
                size_bytes,
            } => format!("{exhibits} exhibits of {size_bytes} bytes are in the vault"),
            Self::WindowCollected { pass, window } => format!(
                "the window from {} to {} was collected (pass {pass})",
                window.since, window.until
            ),
            Self::Examined { pass } => format!("the evidence was examined (after pass {pass})"),
            Self::ChangeAccepted { by, reason } => {
                format!("the change was accepted by {by}: {reason}")
            }
            Self::TracingTurnedOn { .. } => "tracing was turned on".to_owned(),
            Self::TracingAlreadyOn { .. } => "tracing was on already".to_owned(),
            Self::TracingNotPossible { why } => format!("tracing could not be turned on: {why}"),
            Self::TracingNotWanted => "tracing is not wanted".to_owned(),
            Self::ContainmentIntended { by, changes, .. } => {
                format!("{by} is about to contain the function: {}", named(changes))
            }
            Self::Contained { by, changes, .. } => {
                format!("the function was contained by {by}: {}", named(changes))
            }
            Self::ReleaseIntended { by, changes, .. } => {
                format!("{by} is about to release the function: {}", named(changes))
            }
            Self::Released { by, changes, .. } => {
                format!("the function was released by {by}: {}", named(changes))
            }
        }
    }
}

/// What was changed in the target, by name.
fn named(changes: &[TargetChange]) -> String {
    let names = changes.iter().map(|change| match change.not_done {
        Some(_) => format!("{} (not done)", change.what),
        None => change.what.clone(),
    });
    names.collect::<Vec<_>>().join(", ")
}

/// One line of the chain of custody (ISO/IEC 27037, 6.1).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CustodyEntry {
    /// When.
    pub occurred_at: Timestamp,
    /// Who: the responder's identity.
    pub who: String,
    /// What.
    #[serde(flatten)]
    pub action: CustodyAction,
}

/// The canonical list of everything in a case, or in one addendum to it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Manifest {
    /// The case.
    pub case_id: CaseId,
    /// 0 is the case itself, later numbers are addenda.
    pub sequence: u32,
    /// SHA-256 of the manifest before (`manifest-NNNN.json`); none for the first.
    pub previous_sha256: Option<Sha256Digest>,
    /// Why.
    pub trigger: Trigger,
    /// Of what.
    pub target: Target,
    /// By whom.
    pub responder: Responder,
    /// When work began.
    pub opened_at: Timestamp,
    /// When the manifest was drawn up; no evidence of it is later.
    pub sealed_at: Timestamp,
    /// What was asked for and what came of it, most volatile first.
    pub acquisitions: Vec<Acquisition>,
    /// What was noticed.
    pub findings: Vec<Finding>,
    /// What it all comes to; in addenda that examined something.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub verdict: Option<Verdict>,
    /// Who did what.
    pub custody: Vec<CustodyEntry>,
}

impl Manifest {
    /// Every exhibit, in the order of the acquisitions.
    pub fn exhibits(&self) -> impl Iterator<Item = &Exhibit> {
        self.acquisitions
            .iter()
            .flat_map(|acquisition| &acquisition.exhibits)
    }

    /// How many acquisitions ended in each outcome.
    pub fn outcomes(&self) -> BTreeMap<&'static str, usize> {
        let mut outcomes = BTreeMap::new();
        for acquisition in &self.acquisitions {
            *outcomes.entry(acquisition.result.as_str()).or_default() += 1;
        }
        outcomes
    }
}
