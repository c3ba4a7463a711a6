//! One function as it is now: what the collectors bring of it, as pieces of a snapshot.

use crate::BaselineError;
use crate::overlay::Overlay;
use crate::pace::Pace;
use async_trait::async_trait;
use collectors::{Collector, Desk, Gathered, gather};
use evidence::{
    Acquisition, ArtifactKind, CaseId, Finding, OpenCase, Outcome, Permission, Request, Responder,
    Target, Trigger,
};
use serde_json::Value;
use snapshot::{Content, Document, Piece};
use std::collections::HashMap;
use std::sync::Arc;
use tokio::sync::Mutex;
use tokio::time::Instant;
use vault::{Clock, Vault, exhibit_bytes, is_content};

/// What a record holds: what a function is, not what it does. Its log and whatever calls it are
/// looked at in a case.
pub const KINDS: &[ArtifactKind] = &[
    ArtifactKind::FunctionCode,
    ArtifactKind::Configuration,
    ArtifactKind::Secrets,
    ArtifactKind::ContainerImage,
    ArtifactKind::Layer,
    ArtifactKind::Versions,
    ArtifactKind::Aliases,
    ArtifactKind::Deployments,
    ArtifactKind::ResourcePolicy,
    ArtifactKind::UrlConfig,
    ArtifactKind::EventSourceMappings,
    ArtifactKind::EventInvokeConfig,
    ArtifactKind::Concurrency,
    ArtifactKind::CodeSigningConfig,
    ArtifactKind::RuntimeManagement,
    ArtifactKind::RecursionConfig,
    ArtifactKind::Tags,
    ArtifactKind::Observability,
    ArtifactKind::ExecutionRole,
];

/// Every permission that reading a function may need.
pub fn permissions() -> Vec<Permission> {
    let mut needed = collectors::aws::permissions();
    needed.retain(|permission| KINDS.contains(&permission.artifact));
    needed
}

/// How many requests of one function are carried out at a time; the pace bounds them further.
const PARALLEL: usize = 4;

/// Reads functions one after the other. What they share (a role, a layer) is read once.
pub(crate) struct Reader {
    vault: Arc<Overlay>,
    clock: Clock,
    pace: Arc<Pace>,
    limit_bytes: u64,
    deadline: Instant,
    shared: Arc<Mutex<HashMap<Request, Gathered>>>,
}

/// What came of reading one function.
pub(crate) struct Reading {
    pub(crate) pieces: Vec<Piece>,
    /// What the collectors noticed: bytes that are not what was announced.
    pub(crate) findings: Vec<Finding>,
}

impl Reading {
    /// What came of asking for one thing.
    pub(crate) fn outcome(&self, artifact: ArtifactKind) -> Option<&Outcome> {
        let wanted = Request::whole(artifact);
        let mut pieces = self.pieces.iter();
        Some(&pieces.find(|piece| piece.request == wanted)?.result)
    }

    /// Whether the provider says that there is no such function.
    pub(crate) fn is_gone(&self) -> bool {
        matches!(
            self.outcome(ArtifactKind::Configuration),
            Some(Outcome::Absent { .. })
        )
    }
}

impl Reader {
    pub(crate) fn new(
        vault: Arc<dyn Vault>,
        clock: Clock,
        pace: Arc<Pace>,
        limit_bytes: u64,
        deadline: Instant,
    ) -> Self {
        Self {
            vault: Arc::new(Overlay::over(vault)),
            clock,
            pace,
            limit_bytes,
            deadline,
            shared: Arc::default(),
        }
    }

    /// Whether there is no time for another function.
    pub(crate) fn is_out_of_time(&self) -> bool {
        Instant::now() >= self.deadline
    }

    /// The function's tags; none if they cannot be read.
    pub(crate) async fn tags(&self, collector: &dyn Collector, function: &Target) -> Option<Value> {
        let (_, desk) = self.desk(function);
        let sparing = self.sparing(collector);
        let request = Request::whole(ArtifactKind::Tags);
        let gathered = sparing.collect(&desk, request.clone()).await;
        let piece = self.piece(&gathered.acquisition, function).await.ok()?;
        // Not asked for again a moment later.
        if !gathered.transient {
            self.shared.lock().await.insert(request, gathered);
        }
        piece
            .documents
            .first()
            .and_then(|document| document.json.pointer("/replies/0/reply/Tags"))
            .cloned()
    }

    /// Reads one function.
    pub(crate) async fn read(
        &self,
        collector: &dyn Collector,
        function: &Target,
    ) -> Result<Reading, BaselineError> {
        let (mut case, desk) = self.desk(function);
        let sparing = self.sparing(collector);
        gather(&sparing, &desk, &mut case, PARALLEL).await;
        // The tags are this function's own.
        let tags = Request::whole(ArtifactKind::Tags);
        self.shared.lock().await.remove(&tags);
        let mut pieces = Vec::new();
        for acquisition in case.acquisitions() {
            pieces.push(self.piece(acquisition, function).await?);
        }
        pieces.sort_by(|a, b| a.request.cmp(&b.request));
        Ok(Reading {
            pieces,
            findings: case.findings().to_vec(),
        })
    }

    /// A desk for a case that is never sealed: the collectors' exhibits end in a record.
    fn desk(&self, function: &Target) -> (OpenCase, Desk) {
        let now = (self.clock)();
        let nobody = Responder {
            program: String::new(),
            version: String::new(),
            identity: String::new(),
            attempt: String::new(),
        };
        let trigger = Trigger::Person {
            request_id: "baseline".to_owned(),
            reason: String::new(),
            occurred_at: now,
        };
        let case = OpenCase::open(trigger, function.clone(), nobody, now);
        let id: CaseId = case.id().clone();
        let vault: Arc<dyn Vault> = self.vault.clone();
        let desk = Desk::new(vault, id, Arc::clone(&self.clock), self.limit_bytes);
        (case, desk.until(self.deadline))
    }

    fn sparing<'a>(&self, inner: &'a dyn Collector) -> Sparing<'a> {
        Sparing {
            inner,
            pace: Arc::clone(&self.pace),
            shared: Arc::clone(&self.shared),
        }
    }

    async fn piece(
        &self,
        acquisition: &Acquisition,
        function: &Target,
    ) -> Result<Piece, BaselineError> {
        let mut piece = piece(&*self.vault, acquisition).await?;
        for document in &mut piece.documents {
            if let Some(target) = document.json.get_mut("target") {
                *target = Value::String(function.id_unqualified());
            }
        }
        Ok(piece)
    }
}

/// An acquisition with what it brought, as it was written down.
pub(crate) async fn piece(
    vault: &dyn Vault,
    acquisition: &Acquisition,
) -> Result<Piece, BaselineError> {
    let mut piece = Piece {
        request: acquisition.request.clone(),
        result: acquisition.result.clone(),
        documents: Vec::new(),
        contents: Vec::new(),
    };
    for exhibit in &acquisition.exhibits {
        if is_content(exhibit) {
            piece.contents.push(Content::from(exhibit));
            continue;
        }
        let bad = |why: String| BaselineError::NotRead(format!("{}: {why}", exhibit.key));
        let bytes = exhibit_bytes(vault, exhibit).await?;
        let bytes = bytes.map_err(|fault| bad(fault.to_string()))?;
        piece.documents.push(Document {
            name: exhibit.name.clone(),
            json: serde_json::from_slice(&bytes).map_err(|error| bad(error.to_string()))?,
        });
    }
    Ok(piece)
}

/// A provider's collectors, at a pace, without what a record does not hold, and without asking twice
/// for what functions share.
struct Sparing<'a> {
    inner: &'a dyn Collector,
    pace: Arc<Pace>,
    shared: Arc<Mutex<HashMap<Request, Gathered>>>,
}

#[async_trait]
impl Collector for Sparing<'_> {
    fn plan(&self) -> Vec<Request> {
        let mut plan = self.inner.plan();
        plan.retain(|request| KINDS.contains(&request.artifact));
        plan
    }

    async fn collect(&self, desk: &Desk, request: Request) -> Gathered {
        let is_shared = matches!(
            request.artifact,
            ArtifactKind::ExecutionRole | ArtifactKind::Layer
        );
        if let Some(known) = self.shared.lock().await.get(&request) {
            return known.clone();
        }
        self.pace.wait().await;
        let mut gathered = self.inner.collect(desk, request.clone()).await;
        gathered
            .next
            .retain(|request| KINDS.contains(&request.artifact));
        if is_shared && !gathered.transient {
            let mut shared = self.shared.lock().await;
            shared.insert(request, gathered.clone());
        }
        gathered
    }

    fn permissions(&self) -> Vec<Permission> {
        permissions()
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use evidence::{Exhibit, Sha256Digest};
    use vault::MemoryVault;

    #[tokio::test]
    async fn a_document_that_is_not_what_was_written_down_is_never_read_as_another() {
        let vault = MemoryVault::new();
        let now: jiff::Timestamp = "2026-11-23T03:15:07Z".parse().unwrap();
        let read = async |kept: &'static str, sealed: &str| {
            let key = format!("cases/x/{}.json", Sha256Digest::of(sealed));
            vault
                .put_once(&key, kept.into(), "application/json")
                .await
                .unwrap();
            let exhibit = Exhibit {
                name: "configuration".to_owned(),
                key,
                sha256: Sha256Digest::of(sealed),
                size_bytes: sealed.len() as u64,
                media_type: "application/json".to_owned(),
                source: "a test".to_owned(),
                acquired_at: now,
            };
            let acquisition = Acquisition {
                request: Request::whole(ArtifactKind::Configuration),
                target: Target::from_arn("arn:aws:lambda:eu-west-1:111122223333:function:billing")
                    .unwrap(),
                result: Outcome::Acquired,
                calls: Vec::new(),
                exhibits: vec![exhibit],
            };
            piece(&vault, &acquisition).await
        };
        let good = read("{}", "{}").await.unwrap();
        assert_eq!(good.documents[0].json, serde_json::json!({}));
        for (kept, sealed) in [("{\"a\":1}", "{\"a\":2}"), ("no JSON", "no JSON")] {
            let error = read(kept, sealed).await.unwrap_err();
            assert_eq!(error.name(), "NotRead", "{error}");
        }
    }
}
