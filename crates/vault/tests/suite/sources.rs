//! Sources that behave and sources that do not.

use async_trait::async_trait;
use bytes::Bytes;
use evidence::Sha256Digest;
use futures_util::{StreamExt as _, stream};
use std::sync::atomic::{AtomicUsize, Ordering};
use vault::{Opened, Source, SourceError};

type Scene = Box<dyn Fn(usize) -> Result<Opened, SourceError> + Send + Sync>;

/// A source that plays a scene at each opening, counted from 0.
pub struct Acted {
    expected: Option<Sha256Digest>,
    scene: Scene,
    opened: AtomicUsize,
}

impl Acted {
    pub fn new(
        expected: Option<Sha256Digest>,
        scene: impl Fn(usize) -> Result<Opened, SourceError> + Send + Sync + 'static,
    ) -> Self {
        Self {
            expected,
            scene: Box::new(scene),
            opened: AtomicUsize::new(0),
        }
    }

    /// The same with another promise.
    pub fn expecting(self, expected: Option<Sha256Digest>) -> Self {
        Self { expected, ..self }
    }

    /// How often it was opened.
    pub fn openings(&self) -> usize {
        self.opened.load(Ordering::SeqCst)
    }
}

#[async_trait]
impl Source for Acted {
    fn expected(&self) -> Option<Sha256Digest> {
        self.expected
    }

    fn media_type(&self) -> &str {
        "application/zip"
    }

    async fn open(&self) -> Result<Opened, SourceError> {
        (self.scene)(self.opened.fetch_add(1, Ordering::SeqCst))
    }
}

/// Chunks as an opened source.
pub fn opened<I>(chunks: I, size_bytes: Option<u64>) -> Opened
where
    I: IntoIterator<Item = Result<Bytes, SourceError>>,
    I::IntoIter: Send + 'static,
{
    Opened {
        bytes: stream::iter(chunks).boxed(),
        size_bytes,
    }
}

/// An honest source.
pub fn of(bytes: &Bytes) -> Acted {
    chunks(bytes, 65_536, Some(bytes.len() as u64)).expecting(Some(Sha256Digest::of(bytes)))
}

/// A source without expectation, in chunks of `chunk` bytes with empty ones between them.
pub fn chunks(bytes: &Bytes, chunk: usize, announced: Option<u64>) -> Acted {
    let bytes = bytes.clone();
    Acted::new(None, move |_| {
        let mut rest = bytes.clone();
        let chunks = std::iter::from_fn(move || {
            (!rest.is_empty()).then(|| {
                let next = rest.split_to(chunk.min(rest.len()));
                [Ok(next), Ok(Bytes::new())]
            })
        });
        Ok(opened(chunks.flatten(), announced))
    })
}

/// A source that never ends.
pub fn endless(expected: Option<Sha256Digest>) -> Acted {
    Acted::new(expected, |_| {
        Ok(opened(
            std::iter::repeat_with(|| Ok(Bytes::from_static(&[7; 8192]))),
            None,
        ))
    })
}

/// Bytes that follow from `seed`.
pub fn bytes(seed: &str, size: usize) -> Bytes {
    let start = Sha256Digest::of(seed);
    let mut state = u64::from_le_bytes(start.as_bytes()[..8].try_into().unwrap()) | 1;
    let mut bytes = Vec::with_capacity(size + 8);
    while bytes.len() < size {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        bytes.extend_from_slice(&state.to_le_bytes());
    }
    bytes.truncate(size);
    bytes.into()
}
