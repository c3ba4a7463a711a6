//! One function as it is now: what the collectors bring of it, as pieces of a snapshot.

use crate::overlay::Overlay;
use crate::pace::Pace;
use async_trait::async_trait;
use collectors::aws::{Aws, Clients, TriggerFacts};
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
use vault::{Clock, Vault, VaultError};

/// What a record holds: what a function is, not what it does. Its log and whatever calls it are
/// looked at in a case.
pub const KINDS: &[ArtifactKind] = &[
    ArtifactKind::FunctionCode,
    ArtifactKind::Configuration,
    ArtifactKind::ContainerImage,
    ArtifactKind::Layer,
    ArtifactKind::Versions,
    ArtifactKind::Aliases,
    ArtifactKind::ResourcePolicy,
    ArtifactKind::UrlConfig,
    ArtifactKind::EventSourceMappings,
    ArtifactKind::EventInvokeConfig,
    ArtifactKind::Concurrency,
    ArtifactKind::CodeSigningConfig,
    ArtifactKind::RuntimeManagement,
    ArtifactKind::RecursionConfig,
    ArtifactKind::Tags,
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
    pub(crate) async fn tags(&self, clients: Clients, function: &Target) -> Option<Value> {
        let (_, desk) = self.desk(function);
        let sparing = self.collector(clients, function);
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
        clients: Clients,
        function: &Target,
    ) -> Result<Reading, VaultError> {
        let (mut case, desk) = self.desk(function);
        let sparing = self.collector(clients, function);
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

    fn collector(&self, clients: Clients, function: &Target) -> Sparing {
        Sparing {
            // Of published versions those that an alias sends traffic to; the list names them all,
            // and they cannot be changed.
            inner: Aws::new(clients, function.clone(), TriggerFacts::default(), 0),
            pace: Arc::clone(&self.pace),
            shared: Arc::clone(&self.shared),
        }
    }

    async fn piece(
        &self,
        acquisition: &Acquisition,
        function: &Target,
    ) -> Result<Piece, VaultError> {
        let mut piece = Piece {
            request: acquisition.request.clone(),
            result: acquisition.result.clone(),
            documents: Vec::new(),
            contents: Vec::new(),
        };
        for exhibit in &acquisition.exhibits {
            if exhibit.key.starts_with("content/") {
                piece.contents.push(Content::from(exhibit));
                continue;
            }
            let bytes = self.vault.get(&exhibit.key).await?;
            let mut json: Value = serde_json::from_slice(&bytes).unwrap_or_default();
            if let Some(target) = json.get_mut("target") {
                *target = Value::String(function.arn_unqualified());
            }
            piece.documents.push(Document {
                name: exhibit.name.clone(),
                json,
            });
        }
        Ok(piece)
    }
}

/// The collectors of AWS, at a pace, without what a record does not hold, and without asking twice
/// for what functions share.
struct Sparing {
    inner: Aws,
    pace: Arc<Pace>,
    shared: Arc<Mutex<HashMap<Request, Gathered>>>,
}

#[async_trait]
impl Collector for Sparing {
    fn plan(&self) -> Vec<Request> {
        self.inner.plan()
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
