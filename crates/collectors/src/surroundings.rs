//! What happened around a change: logs, audit trail, traces and what an identity did, in a window of
//! time.

use crate::{Concluded, Facts, Observer, Task};
use evidence::{ArtifactKind, Request, Target, Window};
use jiff::Timestamp;
use serde_json::Value;
use std::collections::BTreeMap;

/// What is looked into.
pub struct Scope {
    /// The function.
    pub target: Target,
    /// What the sealed case says of it.
    pub facts: Facts,
    /// The window.
    pub window: Window,
    /// The window before it; none is looked at if none.
    pub baseline: Option<Window>,
    /// When the change happened that opened the case.
    pub tampered_at: Option<Timestamp>,
}

/// Looks into the window around a change of one target.
pub trait Surroundings: Send + Sync {
    /// Everything that is wanted, what expires soonest first.
    fn plan(&self) -> Vec<Request>;

    /// A request of the plan as a task of a pass.
    fn task<'a>(&'a self, pass: &'a str, request: &'a Request) -> Task<'a>;

    /// Who looks at a request's entries; `carried` is what the artifacts in [`Self::after`] left.
    fn observer<'a>(&'a self, request: &'a Request, carried: &Carried) -> Box<dyn Observer + 'a>;

    /// What has to be concluded before a request's entries are looked at.
    fn after(&self, request: &Request) -> &'static [ArtifactKind];
}

/// What concluded artifacts leave for others, by kind.
pub type Carried = BTreeMap<ArtifactKind, Vec<Value>>;

/// Whether a later pass over the same window need not ask again: what was before it stays.
pub fn is_settled(artifact: ArtifactKind) -> bool {
    artifact == ArtifactKind::RoleBaseline
}

/// Whether every pass over a window makes it anew: a check says how things are when it is made.
pub fn stands_alone(artifact: ArtifactKind) -> bool {
    artifact == ArtifactKind::TrailIntegrity
}

/// Puts what a concluded request carries with the rest.
pub fn carry(carried: &mut Carried, concluded: &Concluded) {
    if !concluded.carry.is_null() {
        carried
            .entry(concluded.acquisition.request.artifact)
            .or_default()
            .push(concluded.carry.clone());
    }
}
