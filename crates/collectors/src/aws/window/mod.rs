//! What happened around a change: logs, audit trail, role activity and traces of a window of time.
//!
//! One file an artifact; [`ARTIFACTS`] is the registry. Each is read page by page
//! ([`crate::Reading`]) and looked at as its entries pass in order ([`crate::Observer`]).

mod athena;
mod audit_events;
mod execution_logs;
mod few;
mod lookup;
mod role_activity;
mod traces;
#[cfg(test)]
mod trail_account;
mod trail_body;
mod trail_bucket;
mod trail_files;
mod trail_integrity;

use crate::Pace;
pub use trail_bucket::{AthenaTable, TrailSource};

use super::{Clients, Regions};
use crate::{Carried, Facts, Observer, Reading, Scope, Surroundings, Task};
use evidence::{ArtifactKind, Permission, Request, Target, Window};
use jiff::Timestamp;
use std::sync::Arc;

/// One kind of artifact of a window.
pub(crate) struct Artifact {
    /// Its kind.
    kind: ArtifactKind,
    /// IAM actions; without any one of them the outcome is *denied*.
    actions: &'static [&'static str],
    /// What is wanted of the target: one request a log group.
    requests: fn(&Investigation) -> Vec<Request>,
    /// How a request is read: one reading after the other, their entries going into one exhibit.
    readings: for<'a> fn(&'a Investigation, &'a Request) -> Vec<Box<dyn Reading + 'a>>,
    /// Who looks at the entries. Gets what the artifacts in `after` carried.
    observer: for<'a> fn(&'a Investigation, &'a Request, &Carried) -> Box<dyn Observer + 'a>,
    /// Which artifacts have to be concluded before this one's entries are looked at.
    after: &'static [ArtifactKind],
}

/// The registry: everything that is collected of a window, what expires soonest first.
const ARTIFACTS: &[Artifact] = &[
    traces::ARTIFACT,
    execution_logs::ARTIFACT,
    audit_events::ARTIFACT,
    role_activity::BASELINE,
    role_activity::ARTIFACT,
    trail_integrity::ARTIFACT,
];

/// One window of one function, and all that is needed to look into it.
pub struct Investigation {
    /// Clients of the target's Region.
    pub(crate) clients: Clients,
    /// A way into other Regions: IAM's records are in us-east-1, a role may act anywhere.
    pub(crate) regions: Regions,
    /// The function.
    pub(crate) target: Target,
    /// What the sealed case says of it.
    pub(crate) facts: Facts,
    /// The window.
    pub(crate) window: Window,
    /// The window before it, which shows what is ordinary; none is looked at if none.
    pub(crate) baseline: Option<Window>,
    /// When the change happened that opened the case.
    pub(crate) tampered_at: Option<Timestamp>,
    /// The `eventID` of the record of that change; what happened in its second counts if none.
    pub(crate) event_id: Option<String>,
    /// How fast LookupEvents may be asked; one for the whole process.
    pub(crate) pace: Arc<Pace>,
    /// Where the account's trail keeps its files; they are not read if none.
    pub(crate) trail: Option<TrailSource>,
}

impl Investigation {
    /// An investigation; `clients` are of the target's Region.
    pub fn new(clients: Clients, regions: Regions, pace: Arc<Pace>, scope: Scope) -> Self {
        Self {
            clients,
            regions,
            target: scope.target,
            facts: scope.facts,
            window: scope.window,
            baseline: scope.baseline,
            tampered_at: scope.tampered_at,
            event_id: None,
            pace,
            trail: None,
        }
    }

    /// The same, of a case that was opened by the record with this `eventID`.
    pub fn caused_by(mut self, event_id: &str) -> Self {
        self.event_id = Some(event_id.to_owned());
        self
    }

    /// The same, with the files of the account's trail read as well.
    pub fn with_trail(mut self, trail: TrailSource) -> Self {
        self.trail = Some(trail);
        self
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
                .map(|artifact| (artifact.readings)(self, request))
                .unwrap_or_default(),
        }
    }

    fn observer<'a>(&'a self, request: &'a Request, carried: &Carried) -> Box<dyn Observer + 'a> {
        match artifact(request) {
            Some(artifact) => (artifact.observer)(self, request, carried),
            None => Box::new(crate::Unobserved),
        }
    }

    fn after(&self, request: &Request) -> &'static [ArtifactKind] {
        artifact(request).map_or(&[], |artifact| artifact.after)
    }
}

fn artifact(request: &Request) -> Option<&'static Artifact> {
    ARTIFACTS
        .iter()
        .find(|artifact| artifact.kind == request.artifact)
}

/// Every permission that an investigation needs, by artifact.
pub fn permissions() -> Vec<Permission> {
    ARTIFACTS
        .iter()
        .flat_map(|artifact| crate::permissions(artifact.kind, artifact.actions))
        .collect()
}
