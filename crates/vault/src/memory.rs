//! A vault in memory, for tests.

use crate::flow::Flow;
use crate::{Opened, Receipt, Source, Vault, VaultError, key};
use async_trait::async_trait;
use bytes::Bytes;
use evidence::{Sha256Digest, keys};
use futures_util::{StreamExt as _, stream};
use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::sync::{Mutex, MutexGuard, PoisonError};

/// Keeps everything in memory, and only as long as it lives. Its memory grows with the evidence.
#[derive(Debug, Default)]
pub struct MemoryVault {
    kept: Mutex<BTreeMap<String, Bytes>>,
}

impl MemoryVault {
    /// An empty one.
    pub fn new() -> Self {
        Self::default()
    }

    fn kept(&self) -> MutexGuard<'_, BTreeMap<String, Bytes>> {
        // Nothing panics while the map is half changed.
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn keep(&self, key: String, bytes: Bytes) -> Result<Receipt, VaultError> {
        let receipt = Receipt {
            sha256: Sha256Digest::of(&bytes),
            size_bytes: bytes.len() as u64,
            newly_stored: true,
            key,
        };
        match self.kept().entry(receipt.key.clone()) {
            Entry::Vacant(place) => {
                place.insert(bytes);
                Ok(receipt)
            }
            Entry::Occupied(there) if *there.get() == bytes => Ok(Receipt {
                newly_stored: false,
                ..receipt
            }),
            Entry::Occupied(_) => Err(VaultError::Conflict { key: receipt.key }),
        }
    }

    fn look_up(&self, key: &str) -> Result<Bytes, VaultError> {
        key::check(key)?;
        self.kept()
            .get(key)
            .cloned()
            .ok_or_else(|| VaultError::NotFound {
                key: key.to_owned(),
            })
    }
}

#[async_trait]
impl Vault for MemoryVault {
    async fn put_once(
        &self,
        key: &str,
        bytes: Bytes,
        _media_type: &str,
    ) -> Result<Receipt, VaultError> {
        key::check(key)?;
        crate::small(key, bytes.len() as u64)?;
        self.keep(key.to_owned(), bytes)
    }

    async fn put_content(
        &self,
        source: &dyn Source,
        limit_bytes: u64,
    ) -> Result<Receipt, VaultError> {
        let mut flow = Flow::open(source, limit_bytes).await?;
        let mut bytes = Vec::new();
        while let Some(chunk) = flow.next().await? {
            bytes.extend_from_slice(&chunk);
        }
        self.keep(keys::content(&flow.measured().sha256), bytes.into())
    }

    async fn get(&self, key: &str) -> Result<Bytes, VaultError> {
        let bytes = self.look_up(key)?;
        crate::small(key, bytes.len() as u64)?;
        Ok(bytes)
    }

    async fn open(&self, key: &str) -> Result<Opened, VaultError> {
        let bytes = self.look_up(key)?;
        Ok(Opened {
            size_bytes: Some(bytes.len() as u64),
            bytes: stream::iter([Ok(bytes)]).boxed(),
        })
    }

    async fn holds(&self, key: &str) -> Result<bool, VaultError> {
        key::check(key)?;
        Ok(self.kept().contains_key(key))
    }

    async fn list(&self, prefix: &str, limit: usize) -> Result<Vec<String>, VaultError> {
        key::check_prefix(prefix)?;
        Ok(self
            .kept()
            .range(prefix.to_owned()..)
            .map(|(key, _)| key)
            .take_while(|key| key.starts_with(prefix))
            .take(limit)
            .cloned()
            .collect())
    }
}
