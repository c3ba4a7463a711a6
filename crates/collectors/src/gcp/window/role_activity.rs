//! What the function's service account did in the window, wherever its credentials were used. Reads of data
//! are in Data Access audit logs, which are off unless the project's owner has turned them on.

use super::entries::{ENTRIES, Entries, quoted};
use super::{Artifact, Investigation};
use crate::gcp::text;
use crate::{Entry, Observed, Observer, Refusal};
use evidence::{ArtifactKind, Request, shown};
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};

pub(super) const ARTIFACT: Artifact = Artifact {
    kind: ArtifactKind::RoleActivity,
    permissions: &["logging.logEntries.list", "logging.privateLogEntries.list"],
    operations: &[ENTRIES],
    requests,
    reading: |investigation, request| {
        let email = request.selector.as_deref().unwrap_or_default();
        Box::new(Entries {
            investigation,
            filter: filter(email),
            about: format!("what {email} did"),
            gap: gap(investigation),
        })
    },
    observer: |_, _| Box::new(Calls::default()),
};

/// One of each account that the function or a revision of its service acts as.
fn requests(investigation: &Investigation) -> Vec<Request> {
    let roles = investigation.facts.roles.iter();
    let mut requests: Vec<Request> = roles
        .map(|email| Request::one(ArtifactKind::RoleActivity, email.as_str()))
        .collect();
    if requests.is_empty() {
        requests.push(Request::whole(ArtifactKind::RoleActivity));
    }
    requests
}

/// Acting itself, or somebody acting as it.
fn filter(email: &str) -> String {
    let email = quoted(email);
    format!(
        "logName:\"cloudaudit.googleapis.com\" AND (protoPayload.authenticationInfo.principalEmail={email} OR \
         protoPayload.authenticationInfo.serviceAccountDelegationInfo.firstPartyPrincipal.principalEmail={email})"
    )
}

fn gap(investigation: &Investigation) -> Option<String> {
    if investigation.facts.roles.is_empty() {
        return Some(
            "as whom the function acts is not known: its configuration could not be read"
                .to_owned(),
        );
    }
    match investigation.facts.reads_are_recorded {
        Some(true) => None,
        Some(false) => Some(
            "Data Access audit logs were off when the function was preserved: what its account read is \
             recorded nowhere"
                .to_owned(),
        ),
        None => Some("whether Data Access audit logs are on is not known".to_owned()),
    }
}

/// How many services, methods and addresses are told.
const MOST: usize = 500;

/// Counts calls by service and method.
#[derive(Default)]
struct Calls {
    entries: u64,
    refused: u64,
    services: BTreeMap<String, BTreeMap<String, u64>>,
    from: BTreeSet<String>,
    not_told: u64,
}

impl Observer for Calls {
    fn see(&mut self, entry: &Entry, _is_new: bool, _rows: &mut Vec<String>) {
        self.entries += 1;
        let Ok(read) = serde_json::from_str::<Value>(&entry.raw) else {
            return;
        };
        let of = |at, most| shown(text(&read, at).unwrap_or("unknown"), most);
        let code = read
            .pointer("/protoPayload/status/code")
            .and_then(Value::as_i64);
        self.refused += u64::from(code.is_some_and(|code| code != 0));
        if self.from.len() < MOST {
            self.from
                .insert(of("/protoPayload/requestMetadata/callerIp", 64));
        }
        let (service, method) = (
            of("/protoPayload/serviceName", 100),
            of("/protoPayload/methodName", 200),
        );
        let told: usize = self.services.values().map(BTreeMap::len).sum();
        let is_known = self
            .services
            .get(&service)
            .is_some_and(|it| it.contains_key(&method));
        if told >= MOST && !is_known {
            self.not_told += 1;
            return;
        }
        let methods = self.services.entry(service).or_default();
        *methods.entry(method).or_default() += 1;
    }

    fn conclude(self: Box<Self>, _rows: &mut Vec<String>) -> Observed {
        let calls = json!({
            "entries": self.entries,
            "refused": self.refused,
            "services": self.services,
            "from": self.from,
        });
        let refusals = (self.not_told > 0).then(|| {
            Refusal::Failed(format!(
                "{} calls are of more than {MOST} methods, and in no count",
                self.not_told
            ))
        });
        Observed {
            documents: match self.entries {
                0 => Vec::new(),
                _ => vec![("calls", calls)],
            },
            refusals: refusals.into_iter().collect(),
            ..Observed::default()
        }
    }
}
