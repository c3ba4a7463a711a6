//! The vault as the collectors see it while a function is recorded: packages go into the stack's own
//! vault, replies stay in memory, for a record holds them itself.

use async_trait::async_trait;
use bytes::Bytes;
use evidence::keys;
use std::sync::Arc;
use vault::{MemoryVault, Opened, Receipt, Source, Vault, VaultError};

/// Content in the vault beneath, everything else in memory.
pub(crate) struct Overlay {
    beneath: Arc<dyn Vault>,
    replies: MemoryVault,
}

impl Overlay {
    /// Over `beneath`, with nothing in it.
    pub(crate) fn over(beneath: Arc<dyn Vault>) -> Self {
        Self {
            beneath,
            replies: MemoryVault::new(),
        }
    }

    fn of(&self, key: &str) -> &dyn Vault {
        if key.starts_with("content/") {
            &*self.beneath
        } else {
            &self.replies
        }
    }
}

#[async_trait]
impl Vault for Overlay {
    async fn put_once(
        &self,
        key: &str,
        bytes: Bytes,
        media_type: &str,
    ) -> Result<Receipt, VaultError> {
        self.of(key).put_once(key, bytes, media_type).await
    }

    /// What the vault holds already under the digest that the provider announces is not downloaded
    /// again: ten thousand packages a day would be, to prove what a case proves once it matters.
    async fn put_content(
        &self,
        source: &dyn Source,
        limit_bytes: u64,
    ) -> Result<Receipt, VaultError> {
        if let Some(sha256) = source.expected() {
            let key = keys::content(&sha256);
            match self.beneath.renew(&key).await {
                Ok(Some(size_bytes)) => {
                    return Ok(Receipt {
                        key,
                        sha256,
                        size_bytes,
                        newly_stored: false,
                    });
                }
                // Put below: other bytes in its place are a conflict there as well, and told.
                Ok(None) | Err(VaultError::Conflict { .. }) => {}
                Err(error) => return Err(error),
            }
        }
        self.beneath.put_content(source, limit_bytes).await
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

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use evidence::Sha256Digest;
    use futures_util::StreamExt as _;
    use std::sync::atomic::{AtomicUsize, Ordering};
    use vault::SourceError;

    struct Counted {
        bytes: &'static [u8],
        announced: &'static [u8],
        opened: AtomicUsize,
    }

    #[async_trait]
    impl Source for Counted {
        fn expected(&self) -> Option<Sha256Digest> {
            Some(Sha256Digest::of(self.announced))
        }

        fn media_type(&self) -> &str {
            "application/zip"
        }

        async fn open(&self) -> Result<Opened, SourceError> {
            self.opened.fetch_add(1, Ordering::SeqCst);
            let bytes = Bytes::from_static(self.bytes);
            Ok(Opened {
                size_bytes: Some(bytes.len() as u64),
                bytes: futures_util::stream::iter([Ok(bytes)]).boxed(),
            })
        }
    }

    fn source(bytes: &'static [u8], announced: &'static [u8]) -> Counted {
        Counted {
            bytes,
            announced,
            opened: AtomicUsize::new(0),
        }
    }

    #[tokio::test]
    async fn replies_stay_in_memory_and_content_goes_beneath() {
        let beneath = Arc::new(MemoryVault::new());
        let overlay = Overlay::over(beneath.clone());
        let bytes = Bytes::from_static(b"{}");
        overlay
            .put_once("cases/x/exhibits/a.json", bytes.clone(), "application/json")
            .await
            .unwrap();
        let package = source(b"package", b"package");
        let kept = overlay.put_content(&package, 100).await.unwrap();
        assert_eq!(overlay.get("cases/x/exhibits/a.json").await.unwrap(), bytes);
        assert_eq!(beneath.list("", 10).await.unwrap(), [kept.key]);
    }

    #[tokio::test]
    async fn what_is_held_is_not_downloaded_again() {
        let beneath = Arc::new(MemoryVault::new());
        let overlay = Overlay::over(beneath);
        let package = source(b"package", b"package");
        let first = overlay.put_content(&package, 100).await.unwrap();
        let again = overlay.put_content(&package, 100).await.unwrap();
        assert_eq!(package.opened.load(Ordering::SeqCst), 1);
        assert!(first.newly_stored && !again.newly_stored);
        assert_eq!((first.key, first.size_bytes), (again.key, again.size_bytes));
    }

    #[tokio::test]
    async fn what_is_not_held_is_kept_under_the_digest_it_really_has() {
        let overlay = Overlay::over(Arc::new(MemoryVault::new()));
        let package = source(b"other bytes", b"package");
        let kept = overlay.put_content(&package, 100).await.unwrap();
        assert_eq!(kept.sha256, Sha256Digest::of(b"other bytes"));
    }
}
