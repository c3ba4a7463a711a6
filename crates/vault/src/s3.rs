//! A vault in an S3 bucket with Object Lock: what is written stays until its date.

mod signing;
mod transfer;

use crate::flow::{Flow, Measured};
use crate::{Hold, Opened, PASSES, Receipt, Source, SourceError, Vault, VaultError, key};
use async_trait::async_trait;
use aws_sdk_s3::Client;
use aws_sdk_s3::error::{DisplayErrorContext, ProvideErrorMetadata, SdkError};
use aws_sdk_s3::operation::head_object::HeadObjectOutput;
use aws_sdk_s3::primitives::{ByteStream, DateTime};
use aws_sdk_s3::types::{
    ChecksumMode, ObjectLockMode, ObjectLockRetention, ObjectLockRetentionMode,
    ServerSideEncryption,
};
use bytes::{Bytes, BytesMut};
use evidence::{Sha256Digest, keys};
use futures_util::{StreamExt as _, stream};
use jiff::Timestamp;
use signing::SignedAs;
use std::collections::BTreeSet;
use std::fmt;
use std::str::FromStr;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::Semaphore;
use transfer::{Begun, Parts};

/// What goes to S3 in one piece: 5 MiB, the least that S3 takes as a part.
pub const PART_BYTES: usize = 5 * 1024 * 1024;
/// A source that ends within this many bytes does not wait for its turn: 256 KiB.
const UNHURRIED_BYTES: usize = 256 * 1024;
/// The most parts that an upload may have.
const MOST_PARTS: u64 = 10_000;
/// How often a write that met another one is tried.
const TRIES: u32 = 5;

/// Tells the time.
pub type Clock = Arc<dyn Fn() -> Timestamp + Send + Sync>;

/// An IAM action that the vault needs, on what, and for what.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Permission {
    /// E.g. `s3:PutObject`.
    pub action: &'static str,
    /// `bucket`, `objects`, `bucket-key` (SSE-KMS) or `signing-key`.
    pub on: &'static str,
    /// What fails without it.
    pub for_what: &'static str,
}

/// Every action that [`S3Vault`] and [`KmsSigner`](crate::KmsSigner) use.
pub const PERMISSIONS: &[Permission] = &[
    Permission {
        action: "s3:PutObject",
        on: "objects",
        for_what: "put_once and put_content: PutObject, CreateMultipartUpload, UploadPart, \
                   CompleteMultipartUpload",
    },
    Permission {
        action: "s3:PutObjectRetention",
        on: "objects",
        for_what: "the lock of every object written, and its extension",
    },
    Permission {
        action: "s3:GetObject",
        on: "objects",
        for_what: "get, open, holds, and telling the same bytes from others: GetObject, HeadObject",
    },
    Permission {
        action: "s3:GetObjectRetention",
        on: "objects",
        for_what: "HeadObject tells the lock only to those who may read it",
    },
    Permission {
        action: "s3:AbortMultipartUpload",
        on: "objects",
        for_what: "an upload that cannot be finished leaves no parts behind",
    },
    Permission {
        action: "s3:ListBucket",
        on: "bucket",
        for_what: "list; and without it what is absent is answered as denied",
    },
    Permission {
        action: "kms:GenerateDataKey",
        on: "bucket-key",
        for_what: "every write under SSE-KMS",
    },
    Permission {
        action: "kms:Decrypt",
        on: "bucket-key",
        for_what: "every read under SSE-KMS, and every multipart upload",
    },
    Permission {
        action: "kms:Sign",
        on: "signing-key",
        for_what: "the signature of a manifest",
    },
    Permission {
        action: "kms:GetPublicKey",
        on: "signing-key",
        for_what: "checking a signature before it is kept, and the key beside the case",
    },
];

/// How firmly an object is locked.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum LockMode {
    /// Those with `s3:BypassGovernanceRetention` can still remove it.
    Governance,
    /// Nobody can, root included, until the date.
    Compliance,
}

/// Text that is no lock mode.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error("{0:?} is no lock mode; use GOVERNANCE or COMPLIANCE")]
pub struct BadLockMode(String);

impl FromStr for LockMode {
    type Err = BadLockMode;

    fn from_str(text: &str) -> Result<Self, BadLockMode> {
        match text {
            "GOVERNANCE" => Ok(Self::Governance),
            "COMPLIANCE" => Ok(Self::Compliance),
            _ => Err(BadLockMode(text.chars().take(40).collect())),
        }
    }
}

impl fmt::Display for LockMode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Governance => "GOVERNANCE",
            Self::Compliance => "COMPLIANCE",
        })
    }
}

/// How much longer than asked for everything is locked: an hour. A bucket policy that demands so
/// many days looks when the bytes arrive, by S3's clock, and may count whole days only.
const MARGIN_SECONDS: i64 = 3600;

/// The lock that every object gets, counted from its writing; an hour is added, so that clocks that
/// differ and transfers that take their time leave no object with less.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Lock {
    /// How firmly.
    pub mode: LockMode,
    /// For how many days.
    pub days: u32,
}

/// The lock of one object.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Until {
    mode: LockMode,
    /// Seconds since 1970.
    second: i64,
}

/// Keeps everything in one bucket, which has versioning and Object Lock.
///
/// Every write carries `If-None-Match: *`, a SHA-256 that S3 checks, SSE-KMS with the given key,
/// and an explicit lock. What S3 says is there already is compared by S3's own checksum, never by
/// its name: somebody else may have put other bytes under it.
///
/// Of large content at most two parts ([`PART_BYTES`] each) are in memory, however many transfers
/// are asked for: they take turns.
#[derive(Clone)]
pub struct S3Vault {
    client: Client,
    bucket: String,
    kms_key_id: Option<String>,
    lock: Lock,
    clock: Clock,
    part_bytes: usize,
    turn: Arc<Semaphore>,
}

impl fmt::Debug for S3Vault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("S3Vault")
            .field("bucket", &self.bucket)
            .field("lock", &self.lock)
            .finish_non_exhaustive()
    }
}

impl S3Vault {
    /// A vault in `bucket`. Without `kms_key_id` (an id or an ARN) the bucket's default encryption
    /// applies.
    pub fn new(
        client: Client,
        bucket: impl Into<String>,
        kms_key_id: Option<String>,
        lock: Lock,
        clock: Clock,
    ) -> Self {
        Self {
            client,
            bucket: bucket.into(),
            kms_key_id,
            lock,
            clock,
            part_bytes: PART_BYTES,
            turn: Arc::new(Semaphore::new(1)),
        }
    }

    /// The same with larger parts: faster over distant links, for twice that much memory.
    /// S3 refuses parts under 5 MiB.
    #[must_use]
    pub fn with_part_bytes(mut self, part_bytes: usize) -> Self {
        self.part_bytes = part_bytes.max(1);
        self
    }

    /// The bucket.
    pub fn bucket(&self) -> &str {
        &self.bucket
    }

    /// The lock that an object written now gets.
    fn until(&self) -> Until {
        let second = (self.clock)().as_second();
        Until {
            mode: self.lock.mode,
            second: second.saturating_add(i64::from(self.lock.days) * 86_400 + MARGIN_SECONDS),
        }
    }

    fn encryption(&self) -> Option<ServerSideEncryption> {
        self.kms_key_id
            .is_some()
            .then_some(ServerSideEncryption::AwsKms)
    }

    /// Writes a small thing under `key`, unless something is there: then compares.
    async fn put(
        &self,
        key: &str,
        bytes: Bytes,
        media_type: &str,
        until: Until,
    ) -> Result<Receipt, VaultError> {
        let receipt = Receipt {
            key: key.to_owned(),
            sha256: Sha256Digest::of(&bytes),
            size_bytes: bytes.len() as u64,
            newly_stored: true,
        };
        let mut attempt = 0;
        loop {
            attempt += 1;
            let put = self
                .client
                .put_object()
                .bucket(&self.bucket)
                .key(key)
                .if_none_match("*")
                .checksum_sha256(receipt.sha256.to_base64())
                .set_server_side_encryption(self.encryption())
                .set_ssekms_key_id(self.kms_key_id.clone())
                .object_lock_mode(until.mode.into())
                .object_lock_retain_until_date(DateTime::from_secs(until.second))
                .content_type(media_type)
                .content_length(receipt.size_bytes as i64)
                .body(ByteStream::from(bytes.clone()))
                .customize()
                .interceptor(SignedAs(receipt.sha256))
                .send()
                .await;
            let error = match put {
                Ok(_) => return Ok(receipt),
                Err(error) => error,
            };
            match Clash::of(&error) {
                Some(Clash::Taken) => {
                    if let Some(there) = self.head(key).await? {
                        let measured = Measured {
                            sha256: receipt.sha256,
                            size_bytes: receipt.size_bytes,
                        };
                        self.same(key, &there, measured, None).await?;
                        if locked(&there).is_none() {
                            self.extend(key, &there, until).await?;
                        }
                        return Ok(Receipt {
                            newly_stored: false,
                            ..receipt
                        });
                    }
                }
                Some(Clash::Racing) => {}
                None => return Err(unavailable("s3:PutObject", key, &error)),
            }
            if attempt == TRIES {
                return Err(unavailable("s3:PutObject", key, &error));
            }
            tokio::time::sleep(Duration::from_millis(50 << attempt)).await;
        }
    }

    /// What is under `key`, if anything.
    async fn head(&self, key: &str) -> Result<Option<HeadObjectOutput>, VaultError> {
        let head = self
            .client
            .head_object()
            .bucket(&self.bucket)
            .key(key)
            .checksum_mode(ChecksumMode::Enabled)
            .send()
            .await;
        match head {
            Ok(there) => Ok(Some(there)),
            Err(error) if status(&error) == Some(404) => Ok(None),
            Err(error) => Err(unavailable("s3:GetObject", key, &error)),
        }
    }

    /// Makes sure that what is under `key` is what was measured: by the checksum that S3 computed
    /// when it was written, else by reading it back.
    async fn same(
        &self,
        key: &str,
        there: &HeadObjectOutput,
        wanted: Measured,
        parts: Option<&Parts>,
    ) -> Result<(), VaultError> {
        let conflict = || VaultError::Conflict {
            key: key.to_owned(),
        };
        if there.content_length().and_then(|n| u64::try_from(n).ok()) != Some(wanted.size_bytes) {
            return Err(conflict());
        }
        if let Some(checksum) = there.checksum_sha256() {
            let whole = Sha256Digest::from_base64(checksum) == Ok(wanted.sha256);
            if whole || parts.is_some_and(|parts| parts.checksum() == checksum) {
                return Ok(());
            }
        }
        let opened = Vault::open(self, key).await?;
        let found = match Flow::of(opened, wanted.size_bytes) {
            Ok(flow) => flow
                .measure()
                .await
                .map_err(crate::reading("s3:GetObject", key))?,
            Err(_) => return Err(conflict()),
        };
        if found == wanted {
            Ok(())
        } else {
            Err(conflict())
        }
    }

    /// Extends the lock of what is under `key`, if it would end earlier than `until`.
    async fn extend(
        &self,
        key: &str,
        there: &HeadObjectOutput,
        until: Until,
    ) -> Result<(), VaultError> {
        let now = locked(there);
        if now.is_some_and(|now| now.second >= until.second) {
            return Ok(());
        }
        // A firmer lock stays: it cannot be loosened.
        let mode = now.map_or(until.mode, |now| now.mode.max(until.mode));
        let retention = ObjectLockRetention::builder()
            .mode(mode.into())
            .retain_until_date(DateTime::from_secs(until.second))
            .build();
        let extended = self
            .client
            .put_object_retention()
            .bucket(&self.bucket)
            .key(key)
            .set_version_id(there.version_id().map(str::to_owned))
            .retention(retention)
            .send()
            .await;
        let Err(error) = extended else {
            return Ok(());
        };
        // A parallel attempt that began a moment later may have extended it further in between; S3
        // refuses to shorten a lock.
        let looked = self.head(key).await?;
        let later = looked.as_ref().and_then(locked);
        if later.is_some_and(|later| later.second >= until.second) {
            return Ok(());
        }
        Err(unavailable("s3:PutObjectRetention", key, &error))
    }

    /// The content is under its key already: proves it, and extends its lock.
    async fn found(
        &self,
        measured: Measured,
        there: &HeadObjectOutput,
        parts: Option<&Parts>,
        until: Until,
    ) -> Result<Receipt, VaultError> {
        let key = keys::content(&measured.sha256);
        self.same(&key, there, measured, parts).await?;
        self.extend(&key, there, until).await?;
        Ok(Receipt {
            key,
            sha256: measured.sha256,
            size_bytes: measured.size_bytes,
            newly_stored: false,
        })
    }

    /// The part size for a content of this length: S3 takes 10,000 parts.
    fn part_bytes(&self, announced: Option<u64>) -> usize {
        let least = announced.unwrap_or(0).div_ceil(MOST_PARTS);
        let least = usize::try_from(least).unwrap_or(usize::MAX);
        if least <= self.part_bytes {
            self.part_bytes
        } else {
            least.next_multiple_of(1024 * 1024)
        }
    }

    /// One reading of `source`, with `known` as the digest that it should have.
    async fn pass(
        &self,
        source: &dyn Source,
        limit_bytes: u64,
        known: Option<Sha256Digest>,
        until: Until,
    ) -> Result<Pass, VaultError> {
        let there = match known {
            Some(known) => self.head(&keys::content(&known)).await?,
            None => None,
        };
        let mut flow = Flow::open(source, limit_bytes).await?;
        let part_bytes = self.part_bytes(flow.announced());
        let mut buffer = BytesMut::new();
        if let (Some(known), Some(there)) = (known, there) {
            return self
                .prove(flow, &buffer, part_bytes, known, &there, until)
                .await;
        }
        flow.fill(&mut buffer, UNHURRIED_BYTES.min(part_bytes))
            .await?;
        // From here on memory is taken, by one transfer at a time.
        let mut waited = false;
        let _turn = match (flow.at_end().await?, self.turn.try_acquire()) {
            (true, _) => None,
            (false, Ok(turn)) => Some(turn),
            (false, Err(_)) => {
                waited = true;
                self.turn.acquire().await.ok()
            }
        };
        if !flow.at_end().await? {
            let announced = flow.announced().and_then(|n| usize::try_from(n).ok());
            let wanted = announced.unwrap_or(part_bytes).min(part_bytes);
            buffer.reserve(wanted.saturating_sub(buffer.len()));
        }
        flow.fill(&mut buffer, part_bytes).await?;
        if flow.at_end().await? {
            let measured = flow.measured();
            let kept = self
                .put(
                    &keys::content(&measured.sha256),
                    buffer.freeze(),
                    source.media_type(),
                    until,
                )
                .await?;
            return Ok(Pass::Kept(kept));
        }
        let Some(known) = known else {
            return Ok(Pass::Other(flow.measure().await?.sha256));
        };
        // While this one waited for its turn, another artifact may have been the same content.
        if waited && let Some(there) = self.head(&keys::content(&known)).await? {
            return self
                .prove(flow, &buffer, part_bytes, known, &there, until)
                .await;
        }
        let begun = Begun::create(self, known, source.media_type(), until).await?;
        begun.send(flow, buffer, part_bytes, until).await
    }
}

impl S3Vault {
    /// The content is there: the source is read to its end all the same, because the provider's
    /// word is not proof, but not stored again. `read` is what was read of it already.
    async fn prove(
        &self,
        mut flow: Flow,
        read: &[u8],
        part_bytes: usize,
        known: Sha256Digest,
        there: &HeadObjectOutput,
        until: Until,
    ) -> Result<Pass, VaultError> {
        // Hashed in the same parts in which it was once sent: S3's checksum is over those.
        let mut parts = Parts::new(part_bytes);
        parts.update(read);
        while let Some(bytes) = flow.next().await? {
            parts.update(&bytes);
        }
        let measured = flow.measured();
        if measured.sha256 != known {
            return Ok(Pass::Other(measured.sha256));
        }
        Ok(Pass::Kept(
            self.found(measured, there, Some(&parts), until).await?,
        ))
    }
}

/// What came of one reading.
enum Pass {
    Kept(Receipt),
    /// The content has this digest, not the one that was tried; nothing was kept.
    Other(Sha256Digest),
    /// Another writer came between; nothing was kept.
    Again,
}

#[async_trait]
impl Vault for S3Vault {
    async fn put_once(
        &self,
        key: &str,
        bytes: Bytes,
        media_type: &str,
    ) -> Result<Receipt, VaultError> {
        key::check(key)?;
        crate::small(key, bytes.len() as u64)?;
        self.put(key, bytes, media_type, self.until()).await
    }

    async fn put_content(
        &self,
        source: &dyn Source,
        limit_bytes: u64,
    ) -> Result<Receipt, VaultError> {
        let until = self.until();
        let mut known = source.expected();
        for _ in 0..PASSES {
            match self.pass(source, limit_bytes, known, until).await? {
                Pass::Kept(receipt) => return Ok(receipt),
                Pass::Other(digest) => known = Some(digest),
                Pass::Again => {}
            }
        }
        Err(VaultError::Unstable(PASSES))
    }

    async fn get(&self, key: &str) -> Result<Bytes, VaultError> {
        let opened = Vault::open(self, key).await?;
        crate::small(key, opened.size_bytes.unwrap_or(0))?;
        let mut flow = Flow::of(opened, crate::SMALL_BYTES as u64)?;
        let mut bytes = BytesMut::new();
        flow.fill(&mut bytes, crate::SMALL_BYTES)
            .await
            .map_err(crate::reading("s3:GetObject", key))?;
        Ok(bytes.freeze())
    }

    async fn open(&self, key: &str) -> Result<Opened, VaultError> {
        key::check(key)?;
        let got = self
            .client
            .get_object()
            .bucket(&self.bucket)
            .key(key)
            .send()
            .await;
        let object = match got {
            Ok(object) => object,
            Err(error) if status(&error) == Some(404) => {
                return Err(VaultError::NotFound {
                    key: key.to_owned(),
                });
            }
            Err(error) => return Err(unavailable("s3:GetObject", key, &error)),
        };
        let size_bytes = object.content_length().and_then(|n| u64::try_from(n).ok());
        let bytes = stream::try_unfold(object.body, |mut body| async move {
            match body.try_next().await {
                Ok(Some(bytes)) => Ok(Some((bytes, body))),
                Ok(None) => Ok(None),
                Err(error) => Err(SourceError::Failed(DisplayErrorContext(&error).to_string())),
            }
        });
        Ok(Opened {
            bytes: bytes.boxed(),
            size_bytes,
        })
    }

    async fn holds(&self, key: &str) -> Result<bool, VaultError> {
        key::check(key)?;
        Ok(self.head(key).await?.is_some())
    }

    async fn renew(&self, key: &str) -> Result<Option<u64>, VaultError> {
        key::check(key)?;
        let Some(there) = self.head(key).await? else {
            return Ok(None);
        };
        let named = key.strip_prefix("content/").map(str::parse::<Sha256Digest>);
        let whole = there.checksum_sha256().map(Sha256Digest::from_base64);
        if let (Some(Ok(named)), Some(Ok(whole))) = (named, whole)
            && named != whole
        {
            return Err(VaultError::Conflict {
                key: key.to_owned(),
            });
        }
        let (now, until) = ((self.clock)().as_second(), self.until());
        let half = now.midpoint(until.second);
        if locked(&there).is_none_or(|locked| locked.second < half) {
            self.extend(key, &there, until).await?;
        }
        let size = there.content_length().and_then(|n| u64::try_from(n).ok());
        Ok(Some(size.unwrap_or_default()))
    }

    async fn hold(&self, key: &str) -> Result<Hold, VaultError> {
        key::check(key)?;
        let asked = self
            .client
            .get_object_retention()
            .bucket(&self.bucket)
            .key(key)
            .send()
            .await;
        let retention = match asked {
            Ok(reply) => reply.retention,
            Err(error) => match error.code() {
                Some("NoSuchKey") => {
                    return Err(VaultError::NotFound {
                        key: key.to_owned(),
                    });
                }
                Some("NoSuchObjectLockConfiguration") => return Ok(Hold::Unlocked),
                // How S3 says that the bucket itself knows no locks.
                Some("InvalidRequest" | "ObjectLockConfigurationNotFoundError") => {
                    return Ok(Hold::Nothing);
                }
                _ => return Err(unavailable("s3:GetObjectRetention", key, &error)),
            },
        };
        let until = retention.and_then(|retention| {
            let until = retention.retain_until_date?.secs();
            Some(Hold::Until {
                mode: retention.mode?.as_str().to_owned(),
                until: jiff::Timestamp::from_second(until).ok()?,
            })
        });
        Ok(until.unwrap_or(Hold::Unlocked))
    }

    async fn list(&self, prefix: &str, limit: usize) -> Result<Vec<String>, VaultError> {
        key::check_prefix(prefix)?;
        let mut found: Vec<String> = Vec::new();
        let mut after = None;
        while found.len() < limit {
            let wanted = (limit - found.len()).min(1000);
            let page = self
                .client
                .list_objects_v2()
                .bucket(&self.bucket)
                .prefix(prefix)
                .max_keys(i32::try_from(wanted).unwrap_or(1000))
                .set_continuation_token(after)
                .send()
                .await
                .map_err(|error| unavailable("s3:ListBucket", prefix, &error))?;
            let keys = page.contents().iter().filter_map(|object| object.key());
            found.extend(keys.map(str::to_owned));
            after = page.next_continuation_token().map(str::to_owned);
            if after.is_none() {
                break;
            }
        }
        found.truncate(limit);
        Ok(found)
    }

    async fn folders(&self, prefix: &str) -> Result<Vec<String>, VaultError> {
        key::check_prefix(prefix)?;
        // A thousand folders a request, however much is in them.
        let mut found = BTreeSet::new();
        let mut after = None;
        loop {
            let page = self
                .client
                .list_objects_v2()
                .bucket(&self.bucket)
                .prefix(prefix)
                .delimiter("/")
                .set_continuation_token(after)
                .send()
                .await
                .map_err(|error| unavailable("s3:ListBucket", prefix, &error))?;
            let folders = page.common_prefixes().iter();
            let names = folders.filter_map(|folder| crate::folder(prefix, folder.prefix()?));
            found.extend(names.map(str::to_owned));
            after = page.next_continuation_token().map(str::to_owned);
            if after.is_none() {
                return Ok(found.into_iter().collect());
            }
        }
    }
}

/// How a conditional write failed.
enum Clash {
    /// Something is under the key.
    Taken,
    /// Somebody is writing under the key just now.
    Racing,
}

impl Clash {
    fn of<E>(error: &SdkError<E>) -> Option<Self>
    where
        SdkError<E>: ProvideErrorMetadata,
    {
        match status(error)? {
            412 => Some(Self::Taken),
            409 => Some(Self::Racing),
            _ => None,
        }
    }
}

fn status<E>(error: &SdkError<E>) -> Option<u16> {
    error.raw_response().map(|reply| reply.status().as_u16())
}

/// The lock on an object, if it has one.
fn locked(there: &HeadObjectOutput) -> Option<Until> {
    let mode = match there.object_lock_mode()? {
        ObjectLockMode::Compliance => LockMode::Compliance,
        _ => LockMode::Governance,
    };
    Some(Until {
        mode,
        second: there.object_lock_retain_until_date()?.secs(),
    })
}

impl From<LockMode> for ObjectLockMode {
    fn from(mode: LockMode) -> Self {
        match mode {
            LockMode::Governance => Self::Governance,
            LockMode::Compliance => Self::Compliance,
        }
    }
}

impl From<LockMode> for ObjectLockRetentionMode {
    fn from(mode: LockMode) -> Self {
        match mode {
            LockMode::Governance => Self::Governance,
            LockMode::Compliance => Self::Compliance,
        }
    }
}

fn unavailable<E>(call: &'static str, key: &str, error: &SdkError<E>) -> VaultError
where
    E: std::error::Error + 'static,
    SdkError<E>: ProvideErrorMetadata,
{
    let cause = match (error.code(), error.message(), status(error)) {
        (Some(code), Some(message), _) => format!("{code}: {message}"),
        (Some(code), None, _) => code.to_owned(),
        // HeadObject answers without words.
        (None, _, Some(403)) => "AccessDenied: HTTP 403".to_owned(),
        (None, _, Some(status)) => format!("HTTP {status}"),
        (None, _, None) => DisplayErrorContext(error).to_string(),
    };
    VaultError::Unavailable {
        call,
        key: key.to_owned(),
        cause,
    }
}
