//! A vault that somebody looks at: bytes on their way in, pages of logs and trails, what is concluded.

use super::landing::{Landing, Step};
use async_trait::async_trait;
use bytes::Bytes;
use collectors::Concluded;
use futures_util::StreamExt as _;
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};
use vault::{Opened, Receipt, Source, SourceError, Vault, VaultError};

/// What takes less than this needs no bar.
const NOT_LONG: Duration = Duration::from_secs(1);

/// Passes everything on to the vault below it.
pub struct Watched {
    below: Arc<dyn Vault>,
    landing: Arc<Landing>,
    /// How many pages of each task there are, and the line that says so.
    pages: Mutex<Pages>,
}

#[derive(Default)]
struct Pages {
    step: Option<Step>,
    tasks: BTreeMap<String, u32>,
}

impl Watched {
    /// Looks at `below`.
    pub fn new(below: Arc<dyn Vault>, landing: Arc<Landing>) -> Self {
        Self {
            below,
            landing,
            pages: Mutex::default(),
        }
    }

    /// What is read from here on is told in this line.
    pub fn tell_in(&self, step: Option<Step>) {
        let mut pages = self.pages.lock().unwrap_or_else(PoisonError::into_inner);
        pages.tasks.clear();
        pages.step = step;
    }

    /// Tells what a key that was written newly says of the progress.
    fn landed(&self, key: &str, bytes: &Bytes) {
        let mut parts = key.split('/');
        if parts.next() != Some("windows") {
            return;
        }
        let (Some(task), Some(file)) = (parts.nth(2), parts.next()) else {
            return;
        };
        match file {
            "done.json" => {
                if let Ok(done) = serde_json::from_slice::<Concluded>(bytes) {
                    self.landing.acquisition(&done.acquisition);
                }
            }
            _ if file.ends_with(".gz") => {
                let mut pages = self.pages.lock().unwrap_or_else(PoisonError::into_inner);
                let number: u32 = file.trim_end_matches(".gz").parse().unwrap_or_default();
                let known = pages.tasks.entry(task.to_owned()).or_default();
                *known = number.max(*known);
                let told = match number {
                    1 => format!("{task}: 1 page"),
                    _ => format!("{task}: {number} pages"),
                };
                if let Some(step) = &pages.step {
                    step.at(&told);
                }
            }
            _ => {}
        }
    }
}

#[async_trait]
impl Vault for Watched {
    async fn put_once(
        &self,
        key: &str,
        bytes: Bytes,
        media_type: &str,
    ) -> Result<Receipt, VaultError> {
        let receipt = self.below.put_once(key, bytes.clone(), media_type).await?;
        if receipt.newly_stored {
            self.landed(key, &bytes);
        }
        Ok(receipt)
    }

    async fn put_content(
        &self,
        source: &dyn Source,
        limit_bytes: u64,
    ) -> Result<Receipt, VaultError> {
        let watched = Counted {
            source,
            landing: &self.landing,
        };
        self.below.put_content(&watched, limit_bytes).await
    }

    async fn get(&self, key: &str) -> Result<Bytes, VaultError> {
        self.below.get(key).await
    }

    async fn open(&self, key: &str) -> Result<Opened, VaultError> {
        self.below.open(key).await
    }

    async fn holds(&self, key: &str) -> Result<bool, VaultError> {
        self.below.holds(key).await
    }

    async fn renew(&self, key: &str) -> Result<Option<u64>, VaultError> {
        self.below.renew(key).await
    }

    async fn list(&self, prefix: &str, limit: usize) -> Result<Vec<String>, VaultError> {
        self.below.list(prefix, limit).await
    }
}

/// A source whose bytes are counted as they pass.
struct Counted<'a> {
    source: &'a dyn Source,
    landing: &'a Arc<Landing>,
}

#[async_trait]
impl Source for Counted<'_> {
    fn expected(&self) -> Option<evidence::Sha256Digest> {
        self.source.expected()
    }

    fn media_type(&self) -> &str {
        self.source.media_type()
    }

    async fn open(&self) -> Result<Opened, SourceError> {
        let Opened { bytes, size_bytes } = self.source.open().await?;
        let landing = Arc::clone(self.landing);
        let what = match self.source.expected() {
            Some(digest) => format!("{} {}", name_of(self.media_type()), digest.short()),
            None => name_of(self.media_type()).to_owned(),
        };
        let (began, mut passed, mut bar) = (Instant::now(), 0, None);
        let bytes = bytes.inspect(move |piece| {
            let Ok(piece) = piece else { return };
            let count = piece.len() as u64;
            passed += count;
            match &bar {
                Some(bar) => Step::passed(bar, count),
                None if began.elapsed() > NOT_LONG => {
                    let new = landing.transfer(&what, size_bytes);
                    new.passed(passed);
                    bar = Some(new);
                }
                None => {}
            }
        });
        Ok(Opened {
            bytes: bytes.boxed(),
            size_bytes,
        })
    }
}

fn name_of(media_type: &str) -> &'static str {
    match media_type {
        "application/zip" => "package",
        _ => "content",
    }
}
