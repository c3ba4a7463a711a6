//! One line of a case's timeline: something that has a time, and where it is from.

use crate::finding::{Finding, Severity};
use crate::manifest::Manifest;
use crate::shown::shown;
use crate::trigger::Trigger;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

/// Where an entry is from; of two of one moment, which is told first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum TimelineSource {
    /// What opened the case.
    Trigger,
    /// The audit trail, about the function and what belongs to it.
    AuditEvents,
    /// The audit trail, about what the function's role did.
    RoleActivity,
    /// Lambda's own word for when code or settings were changed.
    Deployment,
    /// The function's log.
    Invocation,
    /// When the function was last recorded as good.
    Baseline,
    /// Who did what with the evidence.
    Custody,
    /// When evidence was in the vault.
    Acquisition,
    /// What was noticed; its time is when it was written down.
    Finding,
}

/// One line of the timeline.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TimelineEntry {
    /// When.
    pub occurred_at: Timestamp,
    /// Where it is from.
    pub source: TimelineSource,
    /// What happened, bounded and without control characters.
    pub what: String,
    /// Who did it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub who: Option<String>,
    /// From which address.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub from: Option<String>,
    /// The exhibit that says so.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub exhibit: Option<String>,
    /// Its line there, counted from 1.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub line: Option<u64>,
    /// How bad.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub severity: Option<Severity>,
    /// CloudTrail's id of the event, Lambda's of the request.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub id: Option<String>,
}

impl TimelineEntry {
    /// The longest text of an entry, in characters.
    pub const LONGEST: usize = 300;

    /// An entry that says what happened, and nothing else yet. `what` is bounded and shown without
    /// control characters.
    pub fn new(occurred_at: Timestamp, source: TimelineSource, what: &str) -> Self {
        Self {
            occurred_at,
            source,
            what: shown(what, Self::LONGEST),
            who: None,
            from: None,
            exhibit: None,
            line: None,
            severity: None,
            id: None,
        }
    }

    /// What opened the case that this is the manifest of.
    pub fn of_trigger(manifest: &Manifest) -> Self {
        match &manifest.trigger {
            Trigger::CloudTrailEvent {
                event_name,
                occurred_at,
                severity,
                principal,
                source_address,
                ..
            } => Self {
                who: principal.as_deref().map(|who| shown(who, Self::LONGEST)),
                from: source_address
                    .as_deref()
                    .map(|from| shown(from, Self::LONGEST)),
                severity: Some(*severity),
                ..Self::new(
                    *occurred_at,
                    TimelineSource::Trigger,
                    &format!("{event_name} on {}", manifest.target.name),
                )
            },
            Trigger::Person {
                reason,
                occurred_at,
                ..
            } => Self::new(
                *occurred_at,
                TimelineSource::Trigger,
                &format!("a responder asked: {reason}"),
            ),
        }
    }

    /// Who did what with the evidence: custody, the seal, and what came of each thing asked for.
    pub fn of_custody(manifest: &Manifest) -> Vec<Self> {
        let mut entries = Vec::new();
        for entry in &manifest.custody {
            entries.push(Self {
                who: Some(shown(&entry.who, Self::LONGEST)),
                ..Self::new(
                    entry.occurred_at,
                    TimelineSource::Custody,
                    &entry.action.words(),
                )
            });
        }
        let what = match manifest.sequence {
            0 => "the case was sealed".to_owned(),
            sequence => format!("addendum {sequence} was sealed"),
        };
        entries.push(Self {
            who: Some(shown(&manifest.responder.identity, Self::LONGEST)),
            ..Self::new(manifest.sealed_at, TimelineSource::Custody, &what)
        });
        for acquisition in &manifest.acquisitions {
            let exhibits = acquisition.exhibits.iter();
            let ended = exhibits.map(|exhibit| exhibit.acquired_at);
            let began = acquisition.calls.iter().map(|call| call.started_at);
            let Some(at) = ended.max().or_else(|| began.max()) else {
                continue;
            };
            let mut what = format!("{}: {}", acquisition.request, acquisition.result.as_str());
            if let Some(why) = acquisition.result.why() {
                what.push_str(&format!(", {why}"));
            }
            let exhibit = acquisition.exhibits.first();
            entries.push(Self {
                exhibit: exhibit.map(|exhibit| shown(&exhibit.name, 200)),
                ..Self::new(at, TimelineSource::Acquisition, &what)
            });
        }
        entries
    }

    /// A finding, written down `at` that time.
    pub fn of_finding(finding: &Finding, at: Timestamp) -> Self {
        let proof = finding.proof.first();
        Self {
            severity: Some(finding.severity),
            exhibit: proof.map(|proof| shown(&proof.exhibit, 200)),
            line: proof.and_then(|proof| proof.line),
            ..Self::new(
                at,
                TimelineSource::Finding,
                &format!("{}: {}", finding.rule, finding.statement),
            )
        }
    }
}
