//! A multipart upload: two buffers, one filling while the other is sent, and nothing left behind.

use super::signing::SignedAs;
use super::{Clash, MOST_PARTS, Pass, S3Vault, Until, unavailable};
use crate::flow::Flow;
use crate::{Receipt, VaultError};
use aws_sdk_s3::Client;
use aws_sdk_s3::primitives::{ByteStream, DateTime};
use aws_sdk_s3::types::{ChecksumAlgorithm, CompletedMultipartUpload, CompletedPart};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::{Bytes, BytesMut};
use evidence::{Sha256Digest, keys};
use sha2::{Digest as _, Sha256};

/// The checksum that S3 keeps of a multipart upload: a hash of its parts' hashes.
pub(super) struct Parts {
    part_bytes: usize,
    of_parts: Sha256,
    part: Sha256,
    filled: usize,
    count: u64,
}

impl Parts {
    pub(super) fn new(part_bytes: usize) -> Self {
        Self {
            part_bytes,
            of_parts: Sha256::new(),
            part: Sha256::new(),
            filled: 0,
            count: 0,
        }
    }

    pub(super) fn update(&mut self, mut bytes: &[u8]) {
        while !bytes.is_empty() {
            let (now, later) = bytes.split_at(bytes.len().min(self.part_bytes - self.filled));
            self.part.update(now);
            self.filled += now.len();
            bytes = later;
            if self.filled == self.part_bytes {
                self.end_part();
            }
        }
    }

    fn end_part(&mut self) {
        let part = self.part.finalize_reset();
        self.filled = 0;
        self.push(Sha256Digest::from_bytes(part.into()));
    }

    /// Takes a whole part that was hashed already.
    pub(super) fn push(&mut self, part: Sha256Digest) {
        self.of_parts.update(part.as_bytes());
        self.count += 1;
    }

    /// As `x-amz-checksum-sha256` spells it: base64, a hyphen, the number of parts.
    pub(super) fn checksum(&self) -> String {
        let mut of_parts = self.of_parts.clone();
        let mut count = self.count;
        if self.filled > 0 || count == 0 {
            of_parts.update(self.part.clone().finalize());
            count += 1;
        }
        format!("{}-{count}", STANDARD.encode(of_parts.finalize()))
    }
}

/// An upload that was begun. Dropped unfinished, it is aborted; should that fail too, the bucket's
/// lifecycle rule removes its parts.
pub(super) struct Begun<'a> {
    vault: &'a S3Vault,
    known: Sha256Digest,
    open: Option<Open>,
}

struct Open {
    client: Client,
    bucket: String,
    key: String,
    upload_id: String,
}

impl Drop for Begun<'_> {
    fn drop(&mut self) {
        if let Some(open) = self.open.take()
            && let Ok(runtime) = tokio::runtime::Handle::try_current()
        {
            runtime.spawn(open.abort());
        }
    }
}

impl Open {
    async fn abort(self) {
        let aborted = self
            .client
            .abort_multipart_upload()
            .bucket(&self.bucket)
            .key(&self.key)
            .upload_id(&self.upload_id)
            .send()
            .await;
        if let Err(error) = aborted {
            let error = unavailable("s3:AbortMultipartUpload", &self.key, &error);
            tracing::warn!(%error, "an unfinished upload is left to the bucket's lifecycle");
        }
    }
}

impl<'a> Begun<'a> {
    /// Begins an upload of the content that should have the digest `known`.
    pub(super) async fn create(
        vault: &'a S3Vault,
        known: Sha256Digest,
        media_type: &str,
        until: Until,
    ) -> Result<Self, VaultError> {
        let key = keys::content(&known);
        let created = vault
            .client
            .create_multipart_upload()
            .bucket(&vault.bucket)
            .key(&key)
            .checksum_algorithm(ChecksumAlgorithm::Sha256)
            .set_server_side_encryption(vault.encryption())
            .set_ssekms_key_id(vault.kms_key_id.clone())
            .object_lock_mode(until.mode.into())
            .object_lock_retain_until_date(DateTime::from_secs(until.second))
            .content_type(media_type)
            .send()
            .await
            .map_err(|error| unavailable("s3:PutObject", &key, &error))?;
        let upload_id = created.upload_id.ok_or_else(|| VaultError::Unavailable {
            call: "s3:PutObject",
            key: key.clone(),
            cause: "the reply names no upload".to_owned(),
        })?;
        Ok(Self {
            vault,
            known,
            open: Some(Open {
                client: vault.client.clone(),
                bucket: vault.bucket.clone(),
                key,
                upload_id,
            }),
        })
    }

    /// Sends everything, beginning with the full `first` part, and finishes the upload if the
    /// digest is the known one.
    pub(super) async fn send(
        mut self,
        mut flow: Flow,
        first: BytesMut,
        part_bytes: usize,
        until: Until,
    ) -> Result<Pass, VaultError> {
        let mut parts = Parts::new(part_bytes);
        let mut done = Vec::new();
        let mut full = first.freeze();
        let mut spare = BytesMut::new();
        while !full.is_empty() {
            let number = done.len() as u64 + 1;
            if number > MOST_PARTS {
                return Err(VaultError::TooLarge {
                    what: "the content".to_owned(),
                    limit_bytes: MOST_PARTS * part_bytes as u64,
                });
            }
            let checksum = Sha256Digest::of(&full);
            parts.push(checksum);
            let fill = async {
                if !flow.at_end().await? {
                    spare.reserve(part_bytes);
                    flow.fill(&mut spare, part_bytes).await?;
                }
                Ok::<(), VaultError>(())
            };
            let (part, ()) = tokio::try_join!(self.upload(number, full.clone(), checksum), fill)?;
            done.push(part);
            let sent = std::mem::replace(&mut full, spare.freeze());
            // The same memory again, if nobody holds on to it.
            spare = sent.try_into_mut().unwrap_or_default();
            spare.clear();
        }
        drop(spare);
        let measured = flow.measured();
        if measured.sha256 != self.known {
            self.abort().await;
            return Ok(Pass::Other(measured.sha256));
        }
        let finished = self.complete(done).await?;
        self.abort().await;
        let key = keys::content(&self.known);
        // What S3 acknowledged is looked at all the same: is it whole, is it locked?
        match (self.vault.head(&key).await?, finished) {
            (Some(there), Finished::Acknowledged) => {
                let receipt = self
                    .vault
                    .found(measured, &there, Some(&parts), until)
                    .await?;
                Ok(Pass::Kept(Receipt {
                    newly_stored: true,
                    ..receipt
                }))
            }
            (Some(there), _) => {
                let receipt = self
                    .vault
                    .found(measured, &there, Some(&parts), until)
                    .await?;
                Ok(Pass::Kept(receipt))
            }
            (None, Finished::Failed(error)) => Err(error),
            (None, _) => Ok(Pass::Again),
        }
    }

    async fn upload(
        &self,
        number: u64,
        bytes: Bytes,
        checksum: Sha256Digest,
    ) -> Result<CompletedPart, VaultError> {
        let (key, upload_id) = self.names();
        let number = i32::try_from(number).unwrap_or(i32::MAX);
        let sent = self
            .vault
            .client
            .upload_part()
            .bucket(&self.vault.bucket)
            .key(key)
            .upload_id(upload_id)
            .part_number(number)
            .checksum_sha256(checksum.to_base64())
            .content_length(bytes.len() as i64)
            .body(ByteStream::from(bytes))
            .customize()
            .interceptor(SignedAs(checksum))
            .send()
            .await
            .map_err(|error| unavailable("s3:PutObject", key, &error))?;
        Ok(CompletedPart::builder()
            .part_number(number)
            .set_e_tag(sent.e_tag)
            .checksum_sha256(checksum.to_base64())
            .build())
    }

    async fn complete(&mut self, parts: Vec<CompletedPart>) -> Result<Finished, VaultError> {
        let (key, upload_id) = self.names();
        let completed = self
            .vault
            .client
            .complete_multipart_upload()
            .bucket(&self.vault.bucket)
            .key(key)
            .upload_id(upload_id)
            .if_none_match("*")
            .multipart_upload(
                CompletedMultipartUpload::builder()
                    .set_parts(Some(parts))
                    .build(),
            )
            .send()
            .await;
        match completed {
            Ok(_) => {
                self.open = None;
                Ok(Finished::Acknowledged)
            }
            Err(error) if Clash::of(&error).is_some() => Ok(Finished::Clashed),
            // The upload may have been finished by a first try whose answer was lost.
            Err(error) => Ok(Finished::Failed(unavailable("s3:PutObject", key, &error))),
        }
    }

    fn names(&self) -> (&str, &str) {
        self.open
            .as_ref()
            .map_or(("", ""), |open| (&open.key, &open.upload_id))
    }

    async fn abort(&mut self) {
        if let Some(open) = self.open.take() {
            open.abort().await;
        }
    }
}

/// How finishing an upload went.
enum Finished {
    Acknowledged,
    /// Another writer was first, or is writing just now.
    Clashed,
    Failed(VaultError),
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Whichever way the parts come, the checksum is S3's.
    #[test]
    fn a_checksum_of_parts_does_not_depend_on_chunks() {
        let bytes: Vec<u8> = (0..250u8).collect();
        let mut whole = Sha256::new();
        let mut pushed = Parts::new(100);
        for part in bytes.chunks(100) {
            whole.update(Sha256::digest(part));
            pushed.push(Sha256Digest::of(part));
        }
        let wanted = format!("{}-3", STANDARD.encode(whole.finalize()));
        assert_eq!(pushed.checksum(), wanted);
        for size in [1, 7, 99, 100, 101, 250] {
            let mut parts = Parts::new(100);
            for chunk in bytes.chunks(size) {
                parts.update(chunk);
            }
            assert_eq!(parts.checksum(), wanted, "chunks of {size}");
        }
    }
}
