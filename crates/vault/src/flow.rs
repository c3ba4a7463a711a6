//! A source on its way into a vault: counted, hashed and held to its limit as its bytes pass.

use crate::{Opened, Source, SourceError, VaultError};
use bytes::{Buf, Bytes, BytesMut};
use evidence::Sha256Digest;
use futures_util::StreamExt as _;
use sha2::{Digest as _, Sha256};

/// One reading of a source.
pub(crate) struct Flow {
    opened: Opened,
    limit_bytes: u64,
    hash: Sha256,
    size_bytes: u64,
    /// Read and hashed, not yet handed out.
    ahead: Bytes,
    ended: bool,
}

/// What a source turned out to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Measured {
    pub(crate) sha256: Sha256Digest,
    pub(crate) size_bytes: u64,
}

impl Flow {
    /// Opens `source`. What announces itself as larger than the limit is not read at all.
    pub(crate) async fn open(source: &dyn Source, limit_bytes: u64) -> Result<Self, VaultError> {
        Self::of(source.open().await?, limit_bytes)
    }

    /// Takes over something already opened.
    pub(crate) fn of(opened: Opened, limit_bytes: u64) -> Result<Self, VaultError> {
        if opened.size_bytes.is_some_and(|size| size > limit_bytes) {
            return Err(too_large(limit_bytes));
        }
        Ok(Self {
            opened,
            limit_bytes,
            hash: Sha256::new(),
            size_bytes: 0,
            ahead: Bytes::new(),
            ended: false,
        })
    }

    /// How many bytes the provider announced.
    pub(crate) fn announced(&self) -> Option<u64> {
        self.opened.size_bytes
    }

    /// The next bytes, never empty; none at the end.
    pub(crate) async fn next(&mut self) -> Result<Option<Bytes>, VaultError> {
        if self.at_end().await? {
            return Ok(None);
        }
        Ok(Some(std::mem::take(&mut self.ahead)))
    }

    /// Whether nothing is left. May have to read on to know.
    pub(crate) async fn at_end(&mut self) -> Result<bool, VaultError> {
        while self.ahead.is_empty() && !self.ended {
            // A source that is always ready would keep everybody else waiting.
            tokio::task::coop::consume_budget().await;
            match self.opened.bytes.next().await.transpose()? {
                Some(bytes) => {
                    self.size_bytes += bytes.len() as u64;
                    if self.size_bytes > self.limit_bytes {
                        return Err(too_large(self.limit_bytes));
                    }
                    self.hash.update(&bytes);
                    self.ahead = bytes;
                }
                None => {
                    self.ended = true;
                    self.held_to_its_word()?;
                }
            }
        }
        Ok(self.ahead.is_empty())
    }

    fn held_to_its_word(&self) -> Result<(), VaultError> {
        match self.opened.size_bytes {
            Some(announced) if announced != self.size_bytes => Err(SourceError::Failed(format!(
                "{} bytes came of the {announced} announced",
                self.size_bytes
            ))
            .into()),
            _ => Ok(()),
        }
    }

    /// Fills `buffer` up to `full` bytes, or until nothing is left.
    pub(crate) async fn fill(
        &mut self,
        buffer: &mut BytesMut,
        full: usize,
    ) -> Result<(), VaultError> {
        while buffer.len() < full && !self.at_end().await? {
            let taken = self.ahead.len().min(full - buffer.len());
            buffer.extend_from_slice(&self.ahead[..taken]);
            self.ahead.advance(taken);
        }
        Ok(())
    }

    /// Reads what is left, keeping nothing, and tells what it was.
    pub(crate) async fn measure(mut self) -> Result<Measured, VaultError> {
        while self.next().await?.is_some() {}
        Ok(self.measured())
    }

    /// What it was. Only the whole truth at the end.
    pub(crate) fn measured(self) -> Measured {
        Measured {
            sha256: Sha256Digest::from_bytes(self.hash.finalize().into()),
            size_bytes: self.size_bytes,
        }
    }
}

fn too_large(limit_bytes: u64) -> VaultError {
    VaultError::TooLarge {
        what: "the content".to_owned(),
        limit_bytes,
    }
}
