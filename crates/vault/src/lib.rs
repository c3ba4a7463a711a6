//! Where evidence is kept, and who signs for it.
//!
//! One contract ([`Vault`]), three places: [`S3Vault`] with Object Lock, [`DirectoryVault`] for a
//! responder's disk, [`MemoryVault`] for tests. One suite (`tests/contract.rs`) holds all of them
//! to it. [`seal`] turns a draft manifest into a sealed case in any of them; [`check`] verifies one.

mod amend;
mod case;
mod check;
mod connection;
mod directory;
mod flow;
mod key;
mod lines;
mod memory;
mod s3;
mod seal;
mod signer;

pub use amend::{MOST_ADDENDA, amend};
pub use case::{Case, Fault, exhibit_bytes, is_content};
pub use check::{Checked, Report, Terms, Verdict, check, check_on};
pub use connection::{http_client, retries, s3_client, timeouts};
pub use directory::DirectoryVault;
pub use key::is_key;
pub use lines::Lines;
pub use memory::MemoryVault;
pub use s3::{BadLockMode, Clock, Lock, LockMode, PART_BYTES, PERMISSIONS, Permission, S3Vault};
pub use seal::{SealError, seal, sealed, unfinished};
pub use signer::{BadSignature, KmsSigner, LocalSigner, SignError, Signer, key_id_of, verify};

use async_trait::async_trait;
use bytes::Bytes;
use evidence::Sha256Digest;
use futures_util::stream::BoxStream;
use std::collections::BTreeSet;

/// A write-once place for bytes.
///
/// There is no way to overwrite or delete, by design. Every promise below is held by every
/// implementation:
/// - what was put is kept as it was put; what is acknowledged is durable;
/// - the same bytes again under the same key succeed, other bytes are [`VaultError::Conflict`],
///   also when two writers race: exactly one set of bytes wins;
/// - a put that was cut off leaves nothing under its key.
#[async_trait]
pub trait Vault: Send + Sync {
    /// Keeps a small thing (at most [`SMALL_BYTES`]) under `key`.
    async fn put_once(
        &self,
        key: &str,
        bytes: Bytes,
        media_type: &str,
    ) -> Result<Receipt, VaultError>;

    /// Streams something of any size, hashing it on the way, to `content/SHA256`; once, however
    /// many cases hold it. Memory does not grow with its size. Where the content is already there,
    /// it is read and hashed all the same (the provider's word is not proof) and only not stored
    /// again; its lock is extended to what a new object would get.
    ///
    /// The key must be known before the last byte is: [`Source::expected`] is tried first; if the
    /// bytes turn out to be others (or nothing was expected), the source is opened again and the
    /// bytes are kept under the digest they really have.
    async fn put_content(
        &self,
        source: &dyn Source,
        limit_bytes: u64,
    ) -> Result<Receipt, VaultError>;

    /// Reads a small thing back; more than [`SMALL_BYTES`] is an error.
    async fn get(&self, key: &str) -> Result<Bytes, VaultError>;

    /// Opens what is under `key` at its first byte, whatever its size. What breaks while it is read
    /// is [`SourceError::Failed`].
    async fn open(&self, key: &str) -> Result<Opened, VaultError>;

    /// Whether something is under `key`.
    async fn holds(&self, key: &str) -> Result<bool, VaultError>;

    /// Keeps what is under `key` for as long as it is referred to: where less than half of the lock
    /// that a new object would get is left, it is extended to all of it. Answers its size in bytes;
    /// none if nothing is there.
    ///
    /// Nothing is read. Of `content/SHA256` a checksum of the whole that the place itself computed is
    /// compared with the name, and other bytes are a conflict; large content has none there, and
    /// whoever reads it hashes it again.
    async fn renew(&self, key: &str) -> Result<Option<u64>, VaultError> {
        match self.open(key).await {
            Ok(opened) => Ok(Some(opened.size_bytes.unwrap_or_default())),
            Err(VaultError::NotFound { .. }) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// How what is under `key` is kept from being removed or overwritten.
    async fn hold(&self, key: &str) -> Result<Hold, VaultError> {
        key::check(key)?;
        Ok(Hold::Nothing)
    }

    /// The keys that begin with `prefix`, sorted; at most `limit`.
    async fn list(&self, prefix: &str, limit: usize) -> Result<Vec<String>, VaultError>;

    /// The names of the folders right under `prefix`, which ends with a slash; sorted, each once, all of
    /// them.
    async fn folders(&self, prefix: &str) -> Result<Vec<String>, VaultError> {
        let keys = self.list(prefix, usize::MAX).await?;
        let names = keys.iter().filter_map(|key| folder(prefix, key));
        let names: BTreeSet<&str> = names.collect();
        Ok(names.into_iter().map(str::to_owned).collect())
    }
}

/// The folder right under `prefix` that a key lies in.
fn folder<'k>(prefix: &str, key: &'k str) -> Option<&'k str> {
    Some(key.strip_prefix(prefix)?.split_once('/')?.0)
}

/// What keeps something in its place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Hold {
    /// The place knows no locks: whoever may write there may remove it.
    Nothing,
    /// The place knows locks, and there is none on it.
    Unlocked,
    /// It is locked.
    Until {
        /// How firmly, in the provider's word: `GOVERNANCE`, `COMPLIANCE`.
        mode: String,
        /// Until when.
        until: jiff::Timestamp,
    },
}

/// How often a source is opened before its content counts as unstable.
const PASSES: u32 = 3;

/// The most that is put or read in one piece: 8 MiB. An API reply is far smaller.
pub const SMALL_BYTES: usize = 8 * 1024 * 1024;

/// Refuses what is too large to be put or read in one piece.
fn small(key: &str, size_bytes: u64) -> Result<(), VaultError> {
    if size_bytes <= SMALL_BYTES as u64 {
        return Ok(());
    }
    Err(VaultError::TooLarge {
        what: key.to_owned(),
        limit_bytes: SMALL_BYTES as u64,
    })
}

/// Reads what is under `key` to its end, keeping nothing: the SHA-256 and the size that it really has.
/// More than `limit_bytes` is [`VaultError::TooLarge`].
pub async fn measure(
    vault: &dyn Vault,
    key: &str,
    limit_bytes: u64,
) -> Result<(Sha256Digest, u64), VaultError> {
    let measured = flow::Flow::of(vault.open(key).await?, limit_bytes)?
        .measure()
        .await
        .map_err(reading("read", key))?;
    Ok((measured.sha256, measured.size_bytes))
}

/// What breaks while the vault's own bytes are read is the vault's failure, no source's.
fn reading(call: &'static str, key: &str) -> impl Fn(VaultError) -> VaultError {
    move |error| match error {
        VaultError::Source(cause) => VaultError::Unavailable {
            call,
            key: key.to_owned(),
            cause: cause.to_string(),
        },
        other => other,
    }
}

/// Proof that something is in the vault.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Receipt {
    /// Under which key.
    pub key: String,
    /// Of the whole content, computed here, not taken from anybody.
    pub sha256: Sha256Digest,
    /// Of the whole content.
    pub size_bytes: u64,
    /// Whether this call stored it, or found it there. After a lost answer and a retry the vault
    /// may find its own bytes: good for statistics, no proof of who came first.
    pub newly_stored: bool,
}

/// Something large that can be read from its first byte, more than once.
#[async_trait]
pub trait Source: Send + Sync {
    /// What the provider says the SHA-256 is.
    fn expected(&self) -> Option<Sha256Digest>;

    /// E.g. `application/zip`.
    fn media_type(&self) -> &str;

    /// Opens it at its first byte.
    async fn open(&self) -> Result<Opened, SourceError>;
}

/// An opened source.
pub struct Opened {
    /// The bytes. Dropped unread, nothing is lost.
    pub bytes: BoxStream<'static, Result<Bytes, SourceError>>,
    /// How many there will be, if the provider told.
    pub size_bytes: Option<u64>,
}

/// Why a source could not be read. Never holds a signed URL.
#[derive(Clone, Debug, thiserror::Error, PartialEq, Eq)]
pub enum SourceError {
    /// Refused, or the link has run out.
    #[error("refused: {0}")]
    Denied(String),
    /// There is none.
    #[error("not there: {0}")]
    Absent(String),
    /// Anything else: cut off, unreachable, not what was announced.
    #[error("{0}")]
    Failed(String),
}

/// Why something could not be kept or read back.
#[derive(Debug, thiserror::Error)]
pub enum VaultError {
    /// Other bytes are already there.
    #[error("{key} already holds other bytes; evidence is written once")]
    Conflict {
        /// Under which key.
        key: String,
    },
    /// Nothing is there.
    #[error("{key} is not in the vault")]
    NotFound {
        /// Under which key.
        key: String,
    },
    /// Longer than allowed.
    #[error("{what} is larger than the limit of {limit_bytes} bytes")]
    TooLarge {
        /// A key or a source.
        what: String,
        /// The limit.
        limit_bytes: u64,
    },
    /// A key that could leave its folder or that S3 would not take.
    #[error("{key:?} is no key: use relative paths of letters, digits and -_./")]
    BadKey {
        /// The key.
        key: String,
    },
    /// The source broke; nothing was kept.
    #[error("the source cannot be read: {0}")]
    Source(#[from] SourceError),
    /// The bytes changed at every reading; nothing was kept.
    #[error("the content changed while it was read, {0} times in a row")]
    Unstable(u32),
    /// The place itself failed; trying again may help.
    #[error("{call} {key}: {cause}")]
    Unavailable {
        /// E.g. `s3:PutObject`.
        call: &'static str,
        /// Under which key.
        key: String,
        /// The service's error code and message.
        cause: String,
    },
}
