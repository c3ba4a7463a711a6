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
    /// X-Ray tracing of the target was turned on.
    TracingTurnedOn {
        /// The function's `RevisionId` before.
        revision_before: String,
        /// The function's `RevisionId` after.
        revision_after: String,
        /// The mode before.
        mode_before: String,
        /// The mode after.
        mode_after: String,
    },
    /// Tracing was on already; nothing was changed.
    TracingAlreadyOn {
        /// The function's `RevisionId`.
        revision: String,
    },
    /// Tracing could not be turned on; nothing was changed.
    TracingNotPossible {
        /// Why, in words for the responder.
        why: String,
    },
    /// Tracing is switched off by configuration or by the request; nothing was changed.
    TracingNotWanted,
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
