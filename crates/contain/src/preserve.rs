//! The function as it is right now, sealed before anything is changed.
//!
//! Packages go into the vault as they are read; replies are held in memory until it is known whether
//! they say anything that is not sealed already.

use crate::aspect::State;
use crate::carry::ContainError;
use crate::port::Function;
use async_trait::async_trait;
use bytes::Bytes;
use collectors::Desk;
use evidence::{
    Acquisition, ArtifactKind, CaseId, CustodyAction, Finding, Manifest, OpenCase, Outcome,
    Request, keys,
};
use snapshot::{Content, Document, Piece};
use std::sync::Arc;
use tokio::time::Instant;
use vault::{
    Case, Clock, MemoryVault, Opened, Receipt, Source, Vault, VaultError, exhibit_bytes, is_content,
};

/// Content in the vault beneath, everything else in memory. With nothing beneath, content is known by
/// the digest that the provider announces, and not read.
struct Held {
    beneath: Option<Arc<dyn Vault>>,
    replies: MemoryVault,
}

/// A function as it was just read; nothing of it but its packages is in the vault yet.
pub(crate) struct Read {
    pub(crate) acquisitions: Vec<Acquisition>,
    pub(crate) findings: Vec<Finding>,
    pub(crate) pieces: Vec<Piece>,
    case: CaseId,
    held: Arc<Held>,
}

/// What a manifest preserved of a function.
pub struct Pieces(pub Vec<Piece>);

/// Reads a function.
pub(crate) async fn read(
    function: &dyn Function,
    vault: Option<&Arc<dyn Vault>>,
    clock: &Clock,
    limit_bytes: u64,
    deadline: Option<Instant>,
    mut scratch: OpenCase,
) -> Result<Read, ContainError> {
    let held = Arc::new(Held {
        beneath: vault.cloned(),
        replies: MemoryVault::new(),
    });
    let id: CaseId = scratch.id().clone();
    let place: Arc<dyn Vault> = held.clone();
    let mut desk = Desk::new(place, id.clone(), Arc::clone(clock), limit_bytes);
    if let Some(deadline) = deadline {
        desk = desk.until(deadline);
    }
    function.preserve(&desk, &mut scratch).await;
    let acquisitions = scratch.acquisitions().to_vec();
    let pieces = of(&*held, &acquisitions, None).await?;
    Ok(Read {
        findings: scratch.findings().to_vec(),
        acquisitions,
        pieces,
        case: id,
        held,
    })
}

impl Read {
    /// The state, if everything that containment may change could be read, code included.
    pub(crate) fn state(&self) -> Result<State, ContainError> {
        let not_preserved = |why: String| ContainError::NotPreserved(why);
        for artifact in [
            ArtifactKind::FunctionCode,
            ArtifactKind::Configuration,
            ArtifactKind::ResourcePolicy,
            ArtifactKind::Concurrency,
        ] {
            let request = Request::whole(artifact);
            let result = self.outcome(&request);
            match (artifact, result) {
                (_, Some(Outcome::Acquired))
                | (ArtifactKind::ResourcePolicy, Some(Outcome::Absent { .. })) => {}
                (ArtifactKind::Configuration, Some(Outcome::Absent { .. })) => {
                    return Err(ContainError::Refused(crate::Refused::Gone));
                }
                (_, Some(other)) => {
                    return Err(not_preserved(format!(
                        "{request} is {}: {}",
                        other.as_str(),
                        other.why().unwrap_or_default()
                    )));
                }
                (_, None) => return Err(not_preserved(format!("{request} was not asked for"))),
            }
        }
        State::of_pieces(&self.pieces).map_err(|error| not_preserved(error.to_string()))
    }

    /// What came of a request.
    pub(crate) fn outcome(&self, request: &Request) -> Option<&Outcome> {
        let mut all = self.acquisitions.iter();
        Some(&all.find(|one| one.request == *request)?.result)
    }

    /// Whether a request brought bytes that are in the vault.
    pub(crate) fn holds_content(&self, request: &Request) -> bool {
        let mut all = self.acquisitions.iter();
        all.any(|one| one.request == *request && one.exhibits.iter().any(is_content))
    }

    /// Puts into the vault what was only held; the acquisitions, their exhibits named so that they are
    /// told from those of the case itself.
    pub(crate) async fn keep(
        &self,
        vault: &dyn Vault,
        mark: &str,
    ) -> Result<Vec<Acquisition>, ContainError> {
        let mut acquisitions = self.acquisitions.clone();
        for exhibit in acquisitions.iter_mut().flat_map(|it| &mut it.exhibits) {
            exhibit.name = format!("{mark}{}", exhibit.name);
            if is_content(exhibit) {
                continue;
            }
            let bytes = self.held.replies.get(&exhibit.key).await?;
            let extension = exhibit.key.rsplit('.').next().unwrap_or("json");
            exhibit.key = keys::exhibit(&self.case, &exhibit.name, &exhibit.sha256, extension);
            vault
                .put_once(&exhibit.key, bytes, &exhibit.media_type)
                .await?;
        }
        Ok(acquisitions)
    }
}

/// What the exhibits of a preservation are named with.
pub(crate) fn mark(manifest: &Manifest) -> Option<String> {
    manifest
        .custody
        .iter()
        .find_map(|entry| match &entry.action {
            CustodyAction::ContainmentIntended { containment, .. } => {
                Some(before_containing(*containment))
            }
            CustodyAction::ReleaseIntended { containments, .. } => Some(before_releasing(
                containments.first().copied().unwrap_or_default(),
            )),
            _ => None,
        })
}

/// The mark of what was preserved before a containment.
pub(crate) fn before_containing(number: u32) -> String {
    format!("before-containment-{number}-")
}

/// The mark of what was preserved before a release.
pub(crate) fn before_releasing(number: u32) -> String {
    format!("before-release-{number}-")
}

/// What a manifest preserved; every exhibit checked against its digest.
pub async fn pieces(vault: &dyn Vault, manifest: &Manifest) -> Result<Pieces, ContainError> {
    let mark = mark(manifest);
    Ok(Pieces(
        of(vault, &manifest.acquisitions, mark.as_deref()).await?,
    ))
}

async fn of(
    vault: &dyn Vault,
    acquisitions: &[Acquisition],
    mark: Option<&str>,
) -> Result<Vec<Piece>, ContainError> {
    let mut pieces = Vec::new();
    for acquisition in acquisitions {
        let mut piece = Piece {
            request: acquisition.request.clone(),
            result: acquisition.result.clone(),
            documents: Vec::new(),
            contents: Vec::new(),
        };
        for exhibit in &acquisition.exhibits {
            let name = match mark {
                Some(mark) => exhibit.name.strip_prefix(mark).unwrap_or(&exhibit.name),
                None => &exhibit.name,
            };
            if is_content(exhibit) {
                piece.contents.push(Content {
                    name: name.to_owned(),
                    ..Content::from(exhibit)
                });
                continue;
            }
            if exhibit.media_type != "application/json" {
                continue;
            }
            let bad = |why: String| ContainError::Evidence(format!("{}: {why}", exhibit.name));
            let bytes = exhibit_bytes(vault, exhibit).await?;
            let bytes = bytes.map_err(|fault| bad(fault.to_string()))?;
            piece.documents.push(Document {
                name: name.to_owned(),
                json: serde_json::from_slice(&bytes).map_err(|error| bad(error.to_string()))?,
            });
        }
        pieces.push(piece);
    }
    Ok(pieces)
}

/// Whether coldcase turned tracing on after the case was sealed.
pub(crate) fn is_traced(case: &Case) -> bool {
    let mut custody = case.manifests.iter().flat_map(|manifest| &manifest.custody);
    custody.any(|entry| matches!(entry.action, CustodyAction::TracingTurnedOn { .. }))
}

impl Held {
    fn of(&self, key: &str) -> &dyn Vault {
        match &self.beneath {
            Some(beneath) if key.starts_with("content/") => &**beneath,
            _ => &self.replies,
        }
    }
}

#[async_trait]
impl Vault for Held {
    async fn put_once(
        &self,
        key: &str,
        bytes: Bytes,
        media_type: &str,
    ) -> Result<Receipt, VaultError> {
        self.of(key).put_once(key, bytes, media_type).await
    }

    async fn put_content(
        &self,
        source: &dyn Source,
        limit_bytes: u64,
    ) -> Result<Receipt, VaultError> {
        match (&self.beneath, source.expected()) {
            (Some(beneath), _) => beneath.put_content(source, limit_bytes).await,
            (None, Some(sha256)) => Ok(Receipt {
                key: keys::content(&sha256),
                sha256,
                size_bytes: 0,
                newly_stored: false,
            }),
            (None, None) => self.replies.put_content(source, limit_bytes).await,
        }
    }

    async fn get(&self, key: &str) -> Result<Bytes, VaultError> {
        self.of(key).get(key).await
    }

    async fn open(&self, key: &str) -> Result<Opened, VaultError> {
        self.of(key).open(key).await
    }

    async fn holds(&self, key: &str) -> Result<bool, VaultError> {
        self.of(key).holds(key).await
    }

    async fn list(&self, prefix: &str, limit: usize) -> Result<Vec<String>, VaultError> {
        self.of(prefix).list(prefix, limit).await
    }
}
