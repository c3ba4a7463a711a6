//! What happened around a change of a Worker: stored events and traces, and the account's audit log.
//!
//! One file an artifact; [`ARTIFACTS`] is the registry.

mod audit_events;
mod execution_logs;
mod slices;
mod telemetry;
mod traces;

pub(super) use telemetry::QUERY;

use super::{Cloudflare, Rest};
use crate::{Carried, Observer, Reading, Scope, Surroundings, Task, Unobserved};
use evidence::{ArtifactKind, Permission, Request, Target, Window};

/// One kind of artifact of a window.
struct Artifact {
    /// Its kind.
    kind: ArtifactKind,
    /// What the token has to be allowed.
    permissions: &'static [&'static str],
    /// The operations that it is got by.
    operations: &'static [&'static str],
    /// How it is read.
    reading: for<'a> fn(&'a Investigation) -> Box<dyn Reading + 'a>,
    /// Who looks at the entries.
    observer: for<'a> fn(&'a Investigation) -> Box<dyn Observer + 'a>,
}

/// The registry: what expires soonest first.
const ARTIFACTS: &[Artifact] = &[
    traces::ARTIFACT,
    execution_logs::ARTIFACT,
    audit_events::ARTIFACT,
];

/// One window of one Worker, and all that is needed to look into it.
pub struct Investigation {
    rest: Rest,
    target: Target,
    window: Window,
    /// Whether Cloudflare stored what the Worker did, by what was sealed; none if that is not known.
    is_stored: Option<bool>,
}

impl Investigation {
    /// An investigation of what `scope` names.
    pub fn new(cloud: &Cloudflare, scope: Scope) -> Self {
        Self {
            rest: cloud.rest.clone(),
            target: scope.target,
            window: scope.window,
            is_stored: scope.facts.is_stored,
        }
    }
}

impl Surroundings for Investigation {
    fn plan(&self) -> Vec<Request> {
        ARTIFACTS
            .iter()
            .map(|artifact| Request::whole(artifact.kind))
            .collect()
    }

    fn task<'a>(&'a self, pass: &'a str, request: &'a Request) -> Task<'a> {
        Task {
            target: &self.target,
            pass,
            request,
            readings: artifact(request)
                .map(|artifact| (artifact.reading)(self))
                .into_iter()
                .collect(),
        }
    }

    fn observer<'a>(&'a self, request: &'a Request, _carried: &Carried) -> Box<dyn Observer + 'a> {
        match artifact(request) {
            Some(artifact) => (artifact.observer)(self),
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

/// Every permission that a token needs for a window, by artifact.
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
