//! Where a collector lays down what it found: the vault, as one case sees it.

use bytes::Bytes;
use evidence::{
    Acquisition, ArtifactKind, CaseId, Exhibit, Request, Sha256Digest, file_name, keys,
};
use jiff::Timestamp;
use serde_json::Value;
use std::sync::Arc;
use std::time::Duration;
use tokio::time::Instant;
use vault::{Clock, Source, Vault, VaultError};

/// One case's place in the vault.
#[derive(Clone)]
pub struct Desk {
    vault: Arc<dyn Vault>,
    case: CaseId,
    clock: Clock,
    limit_bytes: u64,
    deadline: Option<Instant>,
    watch: Option<Watch>,
}

/// Is told of every acquisition of a case as it comes in, before the case is sealed.
pub type Watch = Arc<dyn Fn(&CaseId, &Acquisition) + Send + Sync>;

impl Desk {
    /// A desk for `case`; no single artifact larger than `limit_bytes` is kept.
    pub fn new(vault: Arc<dyn Vault>, case: CaseId, clock: Clock, limit_bytes: u64) -> Self {
        Self {
            vault,
            case,
            clock,
            limit_bytes,
            deadline: None,
            watch: None,
        }
    }

    /// A desk that somebody looks at.
    pub fn watched(mut self, watch: Option<Watch>) -> Self {
        self.watch = watch;
        self
    }

    /// Tells whoever looks.
    pub(crate) fn tell(&self, acquisition: &Acquisition) {
        if let Some(watch) = &self.watch {
            watch(&self.case, acquisition);
        }
    }

    /// A desk that is cleared at `deadline`: what is under way then ends with what it has.
    pub fn until(mut self, deadline: Instant) -> Self {
        self.deadline = Some(deadline);
        self
    }

    /// Whether the deadline has passed.
    pub fn is_out_of_time(&self) -> bool {
        self.is_out_of_time_in(Duration::ZERO)
    }

    /// Whether the deadline will have passed after `pause`.
    pub fn is_out_of_time_in(&self, pause: Duration) -> bool {
        self.deadline
            .is_some_and(|deadline| deadline <= Instant::now() + pause)
    }

    /// Does `work` until the deadline; whether it came to its end.
    pub async fn in_time(&self, work: impl Future<Output = ()>) -> bool {
        match self.deadline {
            Some(deadline) => tokio::time::timeout_at(deadline, work).await.is_ok(),
            None => {
                work.await;
                true
            }
        }
    }

    /// The vault itself.
    pub fn vault(&self) -> &dyn Vault {
        &*self.vault
    }

    /// The case.
    pub fn case(&self) -> &CaseId {
        &self.case
    }

    /// Now.
    pub fn now(&self) -> Timestamp {
        (self.clock)()
    }

    /// Keeps what calls answered, as one JSON document.
    pub async fn keep_json(
        &self,
        request: &Request,
        source: &str,
        document: &Value,
    ) -> Result<Exhibit, VaultError> {
        self.keep_document(exhibit_name(request), source, document)
            .await
    }

    /// Keeps one JSON document under a name.
    pub async fn keep_document(
        &self,
        name: String,
        source: &str,
        document: &Value,
    ) -> Result<Exhibit, VaultError> {
        let bytes = Bytes::from(document.to_string());
        self.keep(name, source, bytes, "json", "application/json")
            .await
    }

    /// Keeps JSON Lines that are compressed with gzip already.
    pub async fn keep_lines(
        &self,
        name: String,
        source: &str,
        bytes: Bytes,
    ) -> Result<Exhibit, VaultError> {
        self.keep(name, source, bytes, "jsonl.gz", "application/gzip")
            .await
    }

    async fn keep(
        &self,
        name: String,
        source: &str,
        bytes: Bytes,
        extension: &str,
        media_type: &str,
    ) -> Result<Exhibit, VaultError> {
        let sha256 = Sha256Digest::of(&bytes);
        let key = keys::exhibit(&self.case, &name, &sha256, extension);
        let receipt = self.vault.put_once(&key, bytes, media_type).await?;
        Ok(Exhibit {
            name,
            key: receipt.key,
            sha256: receipt.sha256,
            size_bytes: receipt.size_bytes,
            media_type: media_type.to_owned(),
            source: source.to_owned(),
            acquired_at: self.now(),
        })
    }

    /// Keeps a package, a layer, an image's blob: streamed, hashed, once by digest.
    pub async fn keep_content(
        &self,
        name: String,
        source: &str,
        content: &dyn Source,
    ) -> Result<Exhibit, VaultError> {
        let receipt = self.vault.put_content(content, self.limit_bytes).await?;
        Ok(Exhibit {
            name,
            key: receipt.key,
            sha256: receipt.sha256,
            size_bytes: receipt.size_bytes,
            media_type: content.media_type().to_owned(),
            source: source.to_owned(),
            acquired_at: self.now(),
        })
    }
}

/// `configuration`, `layer-deps-3-0c0ffee01234`: readable, safe as a file name, one for each request.
pub fn exhibit_name(request: &Request) -> String {
    let kind: ArtifactKind = request.artifact;
    match &request.selector {
        None => kind.as_str().to_owned(),
        Some(selector) => {
            // Of an ARN the end tells more than the beginning, but two accounts may have a layer
            // of the same name: what is left out goes into a digest.
            let mut fields: Vec<&str> = selector.rsplitn(3, ':').collect();
            let left_out = fields.len() > 2;
            fields.truncate(2);
            fields.reverse();
            let readable = format!("{}-{}", kind.as_str(), fields.join("-"));
            if left_out {
                let mark = Sha256Digest::of(selector).short();
                let readable: String = file_name(&readable.replace('/', "-"), 64);
                format!("{readable}-{mark}")
            } else {
                file_name(&readable, 80)
            }
        }
    }
}
