//! Why a case was opened.

use crate::finding::Severity;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

/// What an API call touches, in the words of the classification table.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Category {
    /// The code that runs.
    Code,
    /// Settings of a function: environment, handler, runtime, logging, tracing.
    Configuration,
    /// A layer or who may use it.
    Layer,
    /// Who may call a function.
    Permission,
    /// What calls a function: mappings, URLs, invoke destinations.
    Trigger,
    /// Where an alias points.
    Alias,
    /// How much of a function may run.
    Concurrency,
    /// Whether code must be signed.
    CodeSigning,
    /// An execution role.
    Role,
    /// A policy that a role carries.
    Policy,
    /// A function, version or layer removed.
    Destruction,
    /// Trails, logs, rules, buckets, keys: what would have told on the attacker.
    AntiForensics,
}

/// Why: what made the responder act. Its identity, with the target's, makes the case's.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "why", rename_all = "kebab-case")]
pub enum Trigger {
    /// CloudTrail recorded a call. The record itself is an exhibit of the case.
    CloudTrailEvent {
        /// CloudTrail's `eventID`.
        event_id: String,
        /// As recorded, API date included.
        event_name: String,
        /// When the call was made, by CloudTrail.
        occurred_at: Timestamp,
        /// What it touches.
        category: Category,
        /// How bad, by the table.
        severity: Severity,
        /// MITRE ATT&CK technique id.
        technique: String,
        /// Who called, by `userIdentity.arn`, else the best the record has.
        principal: Option<String>,
        /// From where; a host name when a service called.
        source_address: Option<String>,
    },
    /// A responder asked.
    Person {
        /// Identifies the request: a repeated one reopens the same case.
        request_id: String,
        /// Their words.
        reason: String,
        /// When the request came in.
        occurred_at: Timestamp,
    },
}

impl Trigger {
    /// When it happened.
    pub fn occurred_at(&self) -> Timestamp {
        match self {
            Self::CloudTrailEvent { occurred_at, .. } | Self::Person { occurred_at, .. } => {
                *occurred_at
            }
        }
    }

    /// What makes this trigger the one it is: equal for every redelivery, different otherwise.
    pub fn identity(&self) -> &str {
        match self {
            Self::CloudTrailEvent { event_id, .. } => event_id,
            Self::Person { request_id, .. } => request_id,
        }
    }
}
