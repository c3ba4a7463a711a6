//! What happened around a change of a function: its logs and traces, the project's audit logs, and what its
//! service account did.
//!
//! One file an artifact; [`ARTIFACTS`] is the registry.

mod audit_events;
mod entries;
mod execution_logs;
mod role_activity;
mod traces;

pub(super) use entries::ENTRIES;

use super::Google;
use crate::{Carried, Facts, Observer, Reading, Scope, Surroundings, Task, Unobserved};
use evidence::{ArtifactKind, Permission, Request, Target, Window};

/// One kind of artifact of a window.
struct Artifact {
    /// Its kind.
    kind: ArtifactKind,
    /// The permissions of IAM that it takes.
    permissions: &'static [&'static str],
    /// The operations that it is got by.
    operations: &'static [&'static str],
    /// What is wanted: of service accounts a request each.
    requests: fn(&Investigation) -> Vec<Request>,
    /// How it is read.
    reading: for<'a> fn(&'a Investigation, &'a Request) -> Box<dyn Reading + 'a>,
    /// Who looks at the entries.
    observer: for<'a> fn(&'a Investigation, &'a Request) -> Box<dyn Observer + 'a>,
}

/// The registry: what expires soonest first. Logs and traces are kept 30 days, audit logs 400.
const ARTIFACTS: &[Artifact] = &[
    traces::ARTIFACT,
    execution_logs::ARTIFACT,
    audit_events::ARTIFACT,
    role_activity::ARTIFACT,
];

/// One window of one function, and all that is needed to look into it.
pub struct Investigation {
    google: Google,
    target: Target,
    window: Window,
    facts: Facts,
}

impl Investigation {
    /// An investigation of what `scope` names.
    pub fn new(google: &Google, scope: Scope) -> Self {
        Self {
            google: google.clone(),
            target: scope.target,
            window: scope.window,
            facts: scope.facts,
        }
    }

    /// The service that runs the function: as its description names it, else as Functions names them.
    fn service(&self) -> String {
        let named = self.facts.service.clone();
        named.unwrap_or_else(|| self.target.name.to_ascii_lowercase().replace('_', "-"))
    }
}

impl Surroundings for Investigation {
    fn plan(&self) -> Vec<Request> {
        ARTIFACTS
            .iter()
            .flat_map(|artifact| (artifact.requests)(self))
            .collect()
    }

    fn task<'a>(&'a self, pass: &'a str, request: &'a Request) -> Task<'a> {
        Task {
            target: &self.target,
            pass,
            request,
            readings: artifact(request)
                .map(|artifact| (artifact.reading)(self, request))
                .into_iter()
                .collect(),
        }
    }

    fn observer<'a>(&'a self, request: &'a Request, _carried: &Carried) -> Box<dyn Observer + 'a> {
        match artifact(request) {
            Some(artifact) => (artifact.observer)(self, request),
            None => Box::new(Unobserved),
        }
    }

    fn after(&self, _request: &Request) -> &'static [ArtifactKind] {
        &[]
    }
}

fn artifact(request: &Request) -> Option<&'static Artifact> {
    ARTIFACTS
        .iter()
        .find(|artifact| artifact.kind == request.artifact)
}

/// Every permission that is needed for a window, by artifact.
pub(super) fn permissions() -> impl Iterator<Item = Permission> {
    ARTIFACTS
        .iter()
        .flat_map(|artifact| crate::permissions(artifact.kind, artifact.permissions))
}

/// Every operation that a window is read by.
pub(super) fn operations() -> impl Iterator<Item = &'static str> {
    let all = ARTIFACTS.iter().flat_map(|artifact| artifact.operations);
    all.copied()
}

#[cfg(test)]
mod tests;
