//! Content that comes differently each time it is asked for, kept aside in a file so that it can be read
//! from its first byte more than once.
//!
//! A vault reads what it keeps twice: to learn its digest, and to store it. Cloudflare puts a new
//! boundary between a Worker's modules in every reply, so that no second reply is equal to the first.

use async_trait::async_trait;
use bytes::Bytes;
use evidence::Sha256Digest;
use futures_util::StreamExt as _;
use std::fs::File;
use std::io::Write as _;
use std::os::unix::fs::FileExt as _;
use std::sync::Arc;
use tokio::sync::OnceCell;
use vault::{Opened, Source, SourceError};

/// How much is read from the file at a time.
const PIECE: usize = 64 * 1024;

/// A source that is opened once; a file without a name has what came.
pub(crate) struct Spooled<S> {
    below: S,
    limit_bytes: u64,
    kept: OnceCell<(Arc<File>, u64)>,
}

impl<S: Source> Spooled<S> {
    /// `below`, of which at most `limit_bytes` are kept aside.
    pub(crate) fn new(below: S, limit_bytes: u64) -> Self {
        Self {
            below,
            limit_bytes,
            kept: OnceCell::new(),
        }
    }

    /// What is read.
    pub(crate) fn below(&self) -> &S {
        &self.below
    }

    async fn fetch(&self) -> Result<(Arc<File>, u64), SourceError> {
        let aside = |error: std::io::Error| {
            SourceError::Failed(format!("what comes cannot be kept aside: {error}"))
        };
        let Opened {
            mut bytes,
            size_bytes,
        } = self.below.open().await?;
        let mut file = tempfile::tempfile().map_err(aside)?;
        let mut size = 0;
        while let Some(piece) = bytes.next().await.transpose()? {
            size += piece.len() as u64;
            if size > self.limit_bytes {
                return Err(SourceError::Failed(format!(
                    "more than {} bytes came",
                    self.limit_bytes
                )));
            }
            file.write_all(&piece).map_err(aside)?;
        }
        match size_bytes {
            Some(announced) if announced != size => Err(SourceError::Failed(format!(
                "{size} bytes came of the {announced} announced"
            ))),
            _ => Ok((Arc::new(file), size)),
        }
    }
}

#[async_trait]
impl<S: Source> Source for Spooled<S> {
    fn expected(&self) -> Option<Sha256Digest> {
        self.below.expected()
    }

    fn media_type(&self) -> &str {
        self.below.media_type()
    }

    async fn open(&self) -> Result<Opened, SourceError> {
        let (file, size) = self.kept.get_or_try_init(|| self.fetch()).await?.clone();
        let pieces = futures_util::stream::unfold(Some(0_u64), move |at| {
            let file = Arc::clone(&file);
            async move {
                let at = at.filter(|at| *at < size)?;
                let read = tokio::task::spawn_blocking(move || {
                    let mut piece = vec![0; PIECE];
                    let count = file.read_at(&mut piece, at)?;
                    piece.truncate(count);
                    Ok::<_, std::io::Error>(Bytes::from(piece))
                });
                let failed = |why: String| {
                    let why = format!("what was kept aside cannot be read: {why}");
                    Some((Err(SourceError::Failed(why)), None))
                };
                match read.await {
                    Ok(Ok(piece)) if piece.is_empty() => failed("it was cut off".to_owned()),
                    Ok(Ok(piece)) => {
                        let next = at + piece.len() as u64;
                        Some((Ok(piece), Some(next)))
                    }
                    Ok(Err(error)) => failed(error.to_string()),
                    Err(error) => failed(error.to_string()),
                }
            }
        });
        Ok(Opened {
            bytes: pieces.boxed(),
            size_bytes: Some(size),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::{AtomicU32, Ordering};

    /// Other bytes each time.
    struct Unsteady {
        opened: AtomicU32,
        pieces: usize,
        announced: Option<u64>,
    }

    #[async_trait]
    impl Source for Unsteady {
        fn expected(&self) -> Option<Sha256Digest> {
            None
        }

        fn media_type(&self) -> &str {
            "text/plain"
        }

        async fn open(&self) -> Result<Opened, SourceError> {
            let byte = u8::try_from(self.opened.fetch_add(1, Ordering::SeqCst)).unwrap();
            let piece = Bytes::from(vec![byte; 1000]);
            let pieces = std::iter::repeat_n(Ok(piece), self.pieces);
            Ok(Opened {
                bytes: futures_util::stream::iter(pieces).boxed(),
                size_bytes: self.announced,
            })
        }
    }

    fn unsteady(pieces: usize, announced: Option<u64>) -> Unsteady {
        Unsteady {
            opened: AtomicU32::new(0),
            pieces,
            announced,
        }
    }

    async fn read(source: &dyn Source) -> Result<Vec<u8>, SourceError> {
        let mut opened = source.open().await?;
        let mut all = Vec::new();
        while let Some(piece) = opened.bytes.next().await.transpose()? {
            all.extend_from_slice(&piece);
        }
        assert_eq!(opened.size_bytes, Some(all.len() as u64));
        Ok(all)
    }

    #[tokio::test]
    async fn what_is_never_the_same_is_read_twice_the_same() {
        let spooled = Spooled::new(unsteady(150, Some(150_000)), 1 << 20);
        let first = read(&spooled).await.unwrap();
        assert_eq!(first, vec![0; 150_000]);
        assert_eq!(read(&spooled).await.unwrap(), first);
    }

    #[tokio::test]
    async fn too_much_or_too_little_is_not_kept() {
        let endless = Spooled::new(unsteady(1 << 20, None), 10_000);
        let why = read(&endless).await.unwrap_err().to_string();
        assert!(why.contains("more than 10000 bytes"), "{why}");
        let short = Spooled::new(unsteady(2, Some(3000)), 10_000);
        let why = read(&short).await.unwrap_err().to_string();
        assert!(why.contains("2000 bytes came of the 3000"), "{why}");
    }
}
