//! Where an examination lays down what it made: its own folder of the vault, and nowhere else.

use bytes::Bytes;
use evidence::{CaseId, Exhibit, Sha256Digest, file_name, keys};
use flate2::Compression;
use flate2::write::GzEncoder;
use serde::Serialize;
use serde_json::json;
use std::io::Write as _;
use std::sync::Arc;
use vault::{Clock, SMALL_BYTES, Vault, VaultError};

/// Where a part of JSON Lines is cut: 4 MiB stored. Put and read in one piece, it stays below the
/// vault's limit.
const PART_BYTES: usize = 4 * 1024 * 1024;

/// A third of the time that gzip's usual level takes, for a tenth more bytes.
const COMPRESSION: Compression = Compression::new(3);

/// How often the end of a package is written down.
const TRIES: u32 = 3;

/// The exhibits of one examination.
pub(crate) struct Exhibits {
    pub(crate) vault: Arc<dyn Vault>,
    pub(crate) case: CaseId,
    pub(crate) pass: String,
    /// Which run of the state machine asked.
    pub(crate) execution: Option<String>,
    pub(crate) clock: Clock,
    /// What is kept so far.
    pub(crate) kept: Vec<Exhibit>,
    /// What was too large to be kept.
    pub(crate) left_out: Vec<String>,
}

impl Exhibits {
    /// Writes down that a package is about to be opened; whether an attempt of the same execution wrote
    /// that before, and not that it came to the end of it.
    pub(crate) async fn opening(&self, sha256: Sha256Digest) -> Result<bool, VaultError> {
        let (begun, bytes) = self.note("opening", sha256);
        let (ended, _) = self.note("opened", sha256);
        let ended_it = self.vault.holds(&begun).await? && !self.vault.holds(&ended).await?;
        if !ended_it {
            self.vault.put_once(&begun, bytes, JSON).await?;
        }
        Ok(ended_it)
    }

    /// Writes down that opening a package came to its end, whatever came of it. Where that cannot be
    /// written, the examination goes on: to fail here would tell the next attempt that the package is
    /// deadly.
    pub(crate) async fn opened(&self, sha256: Sha256Digest) {
        let (key, bytes) = self.note("opened", sha256);
        for _ in 0..TRIES {
            match self.vault.put_once(&key, bytes.clone(), JSON).await {
                Ok(_) => return,
                Err(error) => tracing::warn!(%error, key, "the end of a package is not noted"),
            }
        }
    }

    fn note(&self, what: &str, sha256: Sha256Digest) -> (String, Bytes) {
        // The key carries the digest of this, so each execution has notes of its own.
        let note = json!({ what: sha256, "execution": self.execution });
        let bytes = Bytes::from(note.to_string());
        let digest = Sha256Digest::of(&bytes);
        let key = keys::examined(&self.case, &self.pass, what, &digest, "json");
        (key, bytes)
    }

    /// Keeps one JSON document. One that is too large is left out, which is told.
    pub(crate) async fn json(
        &mut self,
        name: &str,
        source: &str,
        document: &impl Serialize,
    ) -> Result<(), VaultError> {
        match serde_json::to_vec(document) {
            Ok(bytes) => self.keep(name, source, bytes, "json", JSON).await,
            Err(error) => {
                self.left_out.push(format!("{name} is not kept: {error}"));
                Ok(())
            }
        }
    }

    /// Keeps one document in a format of its own, under its name and the pass's.
    pub(crate) async fn keep(
        &mut self,
        name: &str,
        source: &str,
        bytes: Vec<u8>,
        extension: &str,
        media_type: &str,
    ) -> Result<(), VaultError> {
        if bytes.len() > SMALL_BYTES {
            self.left_out.push(format!(
                "{name} is not kept: it has {} bytes, and {SMALL_BYTES} are the most",
                bytes.len()
            ));
            return Ok(());
        }
        // Unique in the case, whichever passes are examined.
        let name = file_name(&format!("{name}-{}", self.pass), 80);
        let bytes = Bytes::from(bytes);
        let sha256 = Sha256Digest::of(&bytes);
        let key = keys::examined(&self.case, &self.pass, &name, &sha256, extension);
        let receipt = self.vault.put_once(&key, bytes, media_type).await?;
        self.kept.push(Exhibit {
            name,
            key: receipt.key,
            sha256: receipt.sha256,
            size_bytes: receipt.size_bytes,
            media_type: media_type.to_owned(),
            source: source.to_owned(),
            acquired_at: (self.clock)(),
        });
        Ok(())
    }
}

pub(crate) const JSON: &str = "application/json";

/// JSON Lines on their way into exhibits: `NAME-0001-PASS`, `NAME-0002-PASS`, which together, one after
/// the other, are one gzip file.
pub(crate) struct Lines {
    name: String,
    source: String,
    file: GzEncoder<Vec<u8>>,
    lines: u64,
    parts: usize,
}

impl Lines {
    /// No lines yet.
    pub(crate) fn new(name: &str, source: &str) -> Self {
        Self {
            name: name.to_owned(),
            source: source.to_owned(),
            file: GzEncoder::new(Vec::new(), COMPRESSION),
            lines: 0,
            parts: 0,
        }
    }

    /// Adds a line.
    pub(crate) async fn put(
        &mut self,
        exhibits: &mut Exhibits,
        line: &[u8],
    ) -> Result<(), VaultError> {
        // Writing into memory does not fail.
        let written = self.file.write_all(line);
        if written.and_then(|()| self.file.write_all(b"\n")).is_ok() {
            self.lines += 1;
        }
        if self.file.get_ref().len() >= PART_BYTES {
            self.cut(exhibits).await?;
        }
        Ok(())
    }

    /// Keeps what is left.
    pub(crate) async fn finish(mut self, exhibits: &mut Exhibits) -> Result<(), VaultError> {
        if self.lines > 0 {
            self.cut(exhibits).await?;
        }
        Ok(())
    }

    async fn cut(&mut self, exhibits: &mut Exhibits) -> Result<(), VaultError> {
        let next = GzEncoder::new(Vec::new(), COMPRESSION);
        let bytes = std::mem::replace(&mut self.file, next).finish();
        self.lines = 0;
        self.parts += 1;
        let name = format!("{}-{:04}", file_name(&self.name, 50), self.parts);
        match bytes {
            Ok(bytes) => {
                let kept = exhibits.keep(&name, &self.source, bytes, "jsonl.gz", GZIP);
                kept.await
            }
            Err(error) => {
                exhibits
                    .left_out
                    .push(format!("{name} is not kept: {error}"));
                Ok(())
            }
        }
    }
}

const GZIP: &str = "application/gzip";
