//! What the function's role sessions did in the window, and what they did before it: every call made
//! with the credentials that Lambda gives the function, wherever they were used.
//!
//! A session of a Lambda function is named after the function, and CloudTrail's event history calls
//! the session's name *Username*: that finds the sessions of every role that the function has had.
//! Calls on data are in a trail's files only.

use super::lookup::{Keep, Lookup};
use super::trail_files::{self, TrailFiles};
use super::{Artifact, Investigation};
use crate::Carried;
use crate::{Entry, Observed, Observer, Reading};
use aws_sdk_cloudtrail::types::LookupAttributeKey as Key;
use evidence::{ArtifactKind, Finding, Proof, Request, Severity, Window};
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::sync::Arc;
use trail::{Activity, Baseline, Known, Query, Record};

pub(super) const BASELINE: Artifact = Artifact {
    kind: ArtifactKind::RoleBaseline,
    actions: trail_files::ACTIONS,
    requests: |investigation| match investigation.baseline {
        Some(_) => vec![Request::whole(ArtifactKind::RoleBaseline)],
        None => Vec::new(),
    },
    readings: |investigation, _| match investigation.baseline {
        Some(baseline) => sessions(investigation, baseline),
        None => Vec::new(),
    },
    observer: |_, _, _| Box::new(Before(Baseline::default())),
    after: &[],
};

pub(super) const ARTIFACT: Artifact = Artifact {
    kind: ArtifactKind::RoleActivity,
    actions: trail_files::ACTIONS,
    requests: |_| vec![Request::whole(ArtifactKind::RoleActivity)],
    readings: |investigation, _| sessions(investigation, investigation.window),
    observer: |investigation, _, carried| Box::new(During::new(investigation, carried)),
    after: &[ArtifactKind::RoleBaseline],
};

/// The most findings of one window; the summary lists every mark.
const MOST_FINDINGS: usize = 100;

/// Every call of the function's sessions in `window`.
fn sessions(investigation: &Investigation, window: Window) -> Vec<Box<dyn Reading + '_>> {
    let name = investigation.target.name.clone();
    // An IAM user may be called like the function.
    let keep: Keep = Arc::new(move |record: &Record| is_session(record, &name));
    let mut asked = BTreeSet::new();
    let here = investigation.regions.named().iter().cloned();
    let global = super::audit_events::global_region(&investigation.target.region);
    let global = investigation.regions.of(global);
    let mut readings: Vec<Box<dyn Reading + '_>> = Vec::new();
    for clients in [investigation.clients.clone()]
        .into_iter()
        .chain(here)
        .chain(global)
    {
        if asked.insert(clients.region().to_owned()) {
            let lookup = Lookup::new(
                &clients,
                &investigation.pace,
                window,
                Key::Username,
                &investigation.target.name,
            );
            readings.push(Box::new(lookup.only(&keep)));
        }
    }
    // Uses of data are in the trail's files only, whatever the Region.
    let query = Query {
        session: Some(investigation.target.name.clone()),
        ..Query::default()
    };
    let files = TrailFiles::new(investigation, window, vec![query]);
    readings.extend(files.map(|files| files.only(&keep).boxed()));
    readings
}

/// Whether a call was made in a role's session of this name.
fn is_session(record: &Record, name: &str) -> bool {
    let session = record
        .raw()
        .pointer("/userIdentity/arn")
        .and_then(Value::as_str)
        .and_then(|arn| arn.split_once(":assumed-role/"))
        .and_then(|(_, path)| path.rsplit_once('/'));
    match session {
        Some((_, session)) => session == name,
        None => record
            .raw()
            .pointer("/userIdentity/principalId")
            .and_then(Value::as_str)
            .and_then(|id| id.split_once(':'))
            .is_some_and(|(_, session)| session == name),
    }
}

fn record_of(entry: &Entry) -> Option<Record> {
    serde_json::from_str(&entry.raw).ok().map(Record::new)
}

/// What is ordinary.
struct Before(Baseline);

impl Observer for Before {
    fn see(&mut self, entry: &Entry, _is_new: bool, _rows: &mut Vec<String>) {
        if let Some(record) = record_of(entry) {
            self.0.add(&record);
        }
    }

    fn conclude(self: Box<Self>, _rows: &mut Vec<String>) -> Observed {
        let baseline = json!(self.0);
        Observed {
            documents: vec![("actions", baseline.clone())],
            carry: baseline,
            ..Observed::default()
        }
    }
}

/// What was done, and what of it stands out.
struct During {
    activity: Activity,
    baseline: Option<Baseline>,
}

impl During {
    fn new(investigation: &Investigation, carried: &Carried) -> Self {
        let carried = carried.get(&ArtifactKind::RoleBaseline);
        Self {
            activity: Activity::new(Known {
                tampered_at: investigation.tampered_at,
                functions: BTreeSet::from([investigation.target.name.clone()]),
            }),
            baseline: carried
                .and_then(|carried| carried.first())
                .and_then(|baseline| serde_json::from_value(baseline.clone()).ok()),
        }
    }
}

impl Observer for During {
    fn see(&mut self, entry: &Entry, _is_new: bool, _rows: &mut Vec<String>) {
        if let Some(record) = record_of(entry) {
            self.activity.add(&record);
        }
    }

    fn conclude(self: Box<Self>, _rows: &mut Vec<String>) -> Observed {
        // A function that did nothing at all before is new, or its baseline says nothing.
        let baseline = self.baseline.filter(|baseline| !baseline.is_empty());
        let summary = self.activity.summary(baseline.as_ref());
        let findings = summary
            .marks
            .iter()
            .enumerate()
            .filter(|(_, mark)| mark.severity > Severity::Info)
            .take(MOST_FINDINGS)
            .map(|(place, mark)| Finding {
                rule: json!(mark.rule).as_str().unwrap_or_default().to_owned(),
                statement: mark.statement.clone(),
                severity: mark.severity,
                confidence: mark.confidence,
                technique: mark.technique.clone(),
                advice: None,
                proof: vec![Proof {
                    excerpt: None,
                    exhibit: "summary".to_owned(),
                    path: Some(format!("/marks/{place}")),
                    line: None,
                }],
            })
            .collect();
        Observed {
            documents: vec![("summary", json!(summary))],
            findings,
            ..Observed::default()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn session(arn: &str, principal: &str) -> bool {
        let record = json!({"userIdentity": {"arn": arn, "principalId": principal}});
        is_session(&Record::new(record), "billing")
    }

    #[test]
    fn a_session_is_told_from_a_user_of_the_same_name() {
        let role = "arn:aws:sts::111122223333:assumed-role/any-role/billing";
        assert!(session(role, "AROAEXAMPLE:billing"));
        assert!(session("", "AROAEXAMPLE:billing"));
        assert!(!session(
            "arn:aws:iam::111122223333:user/billing",
            "AIDAEXAMPLE"
        ));
        assert!(!session(&format!("{role}-2"), "AROAEXAMPLE:billing"));
        assert!(!session("", ""));
    }
}
