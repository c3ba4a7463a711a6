//! What was done to the function, the service that runs it and the account that it acts as: the project's
//! audit logs.

use super::entries::{ENTRIES, Entries, quoted};
use super::{Artifact, Investigation};
use crate::gcp::text;
use crate::{ENTRIES as LINES, Entry, Observed, Observer, Refusal};
use evidence::{ArtifactKind, Confidence, Finding, Proof, Request, Severity, Target, shown};
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};

pub(super) const ARTIFACT: Artifact = Artifact {
    kind: ArtifactKind::AuditEvents,
    permissions: &["logging.logEntries.list", "logging.privateLogEntries.list"],
    operations: &[ENTRIES],
    requests: |_| vec![Request::whole(ArtifactKind::AuditEvents)],
    reading: |investigation, _| {
        Box::new(Entries {
            investigation,
            filter: filter(investigation),
            about: format!("audit logs of {}", investigation.target.account),
            gap: None,
        })
    },
    observer: |investigation, _| {
        Box::new(Seen {
            target: &investigation.target,
            entries: 0,
            lines: 0,
            by: BTreeMap::new(),
            keys: BTreeMap::new(),
            not_counted: 0,
        })
    },
};

/// Everything that an audit log says of the function by name, of its service, of its service accounts, and
/// of roles that those were given.
fn filter(investigation: &Investigation) -> String {
    let Target {
        account,
        region,
        name,
        ..
    } = &investigation.target;
    let service = investigation.service();
    let of = |kind: &str, named: &str| {
        let name = format!("projects/{account}/locations/{region}/{kind}/{named}");
        format!("protoPayload.resourceName={}", quoted(&name))
    };
    let mut any = vec![
        of("functions", name),
        of("services", &service),
        // As Run's first version names them.
        format!(
            "protoPayload.resourceName={}",
            quoted(&format!("namespaces/{account}/services/{service}"))
        ),
        format!(
            "(resource.type=\"cloud_function\" AND resource.labels.function_name={} AND \
             resource.labels.region={})",
            quoted(name),
            quoted(region)
        ),
        format!(
            "(resource.type=\"cloud_run_revision\" AND resource.labels.service_name={} AND \
             resource.labels.location={})",
            quoted(&service),
            quoted(region)
        ),
    ];
    for email in investigation.facts.roles.iter().take(MOST_ACCOUNTS) {
        let path = format!("/serviceAccounts/{email}");
        let member = format!("serviceAccount:{email}");
        any.push(format!("protoPayload.resourceName:{}", quoted(&path)));
        any.push(format!("resource.labels.email_id={}", quoted(email)));
        any.push(format!(
            "protoPayload.serviceData.policyDelta.bindingDeltas.member={}",
            quoted(&member)
        ));
    }
    format!(
        "logName:\"cloudaudit.googleapis.com\" AND ({})",
        any.join(" OR ")
    )
}

/// How many service accounts are asked about: a filter may be of 20,000 characters.
/// <https://cloud.google.com/logging/quotas>
const MOST_ACCOUNTS: usize = 20;
/// How many actors are counted: whoever makes many accounts must not fill the memory.
const MOST_ACTORS: usize = 1000;
/// How many keys are told of.
const MOST_TOLD: usize = 50;

/// Looks at every entry as it passes.
struct Seen<'a> {
    target: &'a Target,
    entries: u64,
    /// Lines of the exhibit: what an earlier pass brought has none.
    lines: u64,
    /// By actor: what they did, how often, from where.
    by: BTreeMap<String, Deeds>,
    /// Keys that were made, by account and actor: the first line that says so; none of an earlier pass.
    keys: BTreeMap<(String, String), Option<u64>>,
    not_counted: u64,
}

#[derive(Default)]
struct Deeds {
    methods: BTreeMap<String, u64>,
    from: BTreeSet<String>,
}

/// A key of a service account that somebody has outside.
const KEY_MADE: [&str; 2] = [
    "google.iam.admin.v1.CreateServiceAccountKey",
    "google.iam.admin.v1.UploadServiceAccountKey",
];

impl Observer for Seen<'_> {
    fn see(&mut self, entry: &Entry, is_new: bool, _rows: &mut Vec<String>) {
        self.entries += 1;
        self.lines += u64::from(is_new);
        let Ok(read) = serde_json::from_str::<Value>(&entry.raw) else {
            return;
        };
        let of = |at| text(&read, at);
        let who = of("/protoPayload/authenticationInfo/principalEmail")
            .or_else(|| of("/protoPayload/authenticationInfo/principalSubject"))
            .unwrap_or("unknown");
        let who = shown(who, 200);
        let method = of("/protoPayload/methodName").unwrap_or("unknown");
        // What was tried in vain has changed nothing; it is counted with its method.
        let code = read
            .pointer("/protoPayload/status/code")
            .and_then(Value::as_i64);
        let is_failure = code.is_some_and(|code| code != 0);
        if self.by.len() < MOST_ACTORS || self.by.contains_key(&who) {
            let deeds = self.by.entry(who.clone()).or_default();
            let said = match is_failure {
                true => format!("{} (refused)", shown(method, 120)),
                false => shown(method, 120),
            };
            if deeds.methods.len() < MOST_TOLD || deeds.methods.contains_key(&said) {
                *deeds.methods.entry(said).or_default() += 1;
            }
            let from = of("/protoPayload/requestMetadata/callerIp").unwrap_or("unknown");
            if deeds.from.len() < MOST_TOLD {
                deeds.from.insert(shown(from, 64));
            }
        } else {
            self.not_counted += 1;
        }
        if KEY_MADE.contains(&method) && !is_failure && self.keys.len() < MOST_ACTORS {
            let account = of("/resource/labels/email_id")
                .or_else(|| of("/protoPayload/resourceName").map(crate::gcp::last));
            let account = shown(account.unwrap_or("unknown"), 200);
            let line = self.keys.entry((account, who)).or_insert(None);
            *line = line.or(is_new.then_some(self.lines));
        }
    }

    fn conclude(self: Box<Self>, _rows: &mut Vec<String>) -> Observed {
        let findings: Vec<Finding> = self
            .keys
            .iter()
            .filter_map(|((account, who), line)| {
                Some(key_made(self.target, account, who, (*line)?))
            })
            .collect();
        let mut refusals = Vec::new();
        if findings.len() > MOST_TOLD {
            refusals.push(Refusal::Failed(format!(
                "keys of service accounts were made {} times, of which {MOST_TOLD} are told",
                findings.len()
            )));
        }
        if self.not_counted > 0 {
            refusals.push(Refusal::Failed(format!(
                "{} entries are by others than the first {MOST_ACTORS} actors, and in no count",
                self.not_counted
            )));
        }
        let by: serde_json::Map<String, Value> = self
            .by
            .iter()
            .map(|(who, deeds)| {
                let told = json!({"methods": deeds.methods, "from": deeds.from});
                (who.clone(), told)
            })
            .collect();
        let summary = json!({ "entries": self.entries, "by": by });
        Observed {
            documents: match self.entries {
                0 => Vec::new(),
                _ => vec![("summary", summary)],
            },
            findings: findings.into_iter().take(MOST_TOLD).collect(),
            refusals,
            ..Observed::default()
        }
    }
}

/// Somebody has made a key of the account that the function acts as: it works from anywhere, for as long
/// as nobody deletes it.
fn key_made(target: &Target, account: &str, who: &str, line: u64) -> Finding {
    Finding {
        rule: "service-account-key-created".to_owned(),
        statement: format!(
            "{who} made a key of {account}, as which {} acts",
            shown(&target.name, 80)
        ),
        severity: Severity::High,
        confidence: Confidence::High,
        technique: Some("T1098.001".to_owned()),
        advice: Some("Delete that key unless its owner can tell what it is for.".to_owned()),
        proof: vec![Proof {
            exhibit: LINES.to_owned(),
            path: None,
            line: Some(line),
            excerpt: None,
        }],
    }
}
