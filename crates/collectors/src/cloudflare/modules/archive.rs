//! An archive of modules in one form only: every module stored, in the order received, at one time.
//!
//! Each byte that is no content follows from the modules' names, sizes and checksums, so equal modules
//! make equal archives. PKWARE's APPNOTE, 4.3 to 4.5; what needs ZIP64 is refused, and cannot come from
//! a form of 128 MiB.

use super::Module;
use async_trait::async_trait;
use bytes::Bytes;
use evidence::Sha256Digest;
use futures_util::stream::{self, BoxStream};
use futures_util::{Stream, StreamExt as _};
use sha2::{Digest as _, Sha256};
use std::sync::Arc;
use vault::{Opened, Source, SourceError};

const LOCAL_BYTES: u64 = 30;
const CENTRAL_BYTES: u64 = 46;
const END_BYTES: u64 = 22;

/// A zip of modules, made anew from the reply that holds them whenever it is opened. Memory does not
/// grow with the modules' contents.
pub(crate) struct Archive<'a> {
    modules: Arc<[Module]>,
    reply: &'a dyn Source,
}

impl<'a> Archive<'a> {
    /// Of these modules, whose offsets are those of `reply`.
    pub(crate) fn of(modules: &[Module], reply: &'a dyn Source) -> Self {
        Self {
            modules: modules.into(),
            reply,
        }
    }

    /// How many bytes it has.
    fn size_bytes(&self) -> u64 {
        let entry = |module: &Module| {
            LOCAL_BYTES + CENTRAL_BYTES + 2 * module.name.len() as u64 + module.size_bytes
        };
        self.modules.iter().map(entry).sum::<u64>() + END_BYTES
    }
}

#[async_trait]
impl Source for Archive<'_> {
    fn expected(&self) -> Option<Sha256Digest> {
        None
    }

    fn media_type(&self) -> &str {
        "application/zip"
    }

    async fn open(&self) -> Result<Opened, SourceError> {
        let contents = Writing {
            modules: self.modules.clone(),
            reply: Reply {
                bytes: self.reply.open().await?.bytes,
                chunk: Bytes::new(),
                position: 0,
            },
            module: 0,
            open: None,
        };
        let contents = stream::try_unfold(contents, |mut contents| async {
            Ok(contents.next().await?.map(|bytes| (bytes, contents)))
        });
        Ok(Opened {
            bytes: contents.chain(directory(self.modules.clone())).boxed(),
            size_bytes: Some(self.size_bytes()),
        })
    }
}

/// The contents of an archive that is being written, each after its header.
struct Writing {
    modules: Arc<[Module]>,
    reply: Reply,
    /// The index of the one whose turn it is.
    module: usize,
    /// How many bytes of it are left, and the hash of those before, if its header is written.
    open: Option<(u64, Sha256)>,
}

impl Writing {
    async fn next(&mut self) -> Result<Option<Bytes>, SourceError> {
        while let Some(module) = self.modules.get(self.module) {
            match &mut self.open {
                None => {
                    self.reply.skip_to(module.offset).await?;
                    self.open = Some((module.size_bytes, Sha256::new()));
                    return local(module).map(Some);
                }
                Some((0, sha256)) => {
                    let found = std::mem::take(sha256).finalize().into();
                    if Sha256Digest::from_bytes(found) != module.sha256 {
                        return Err(failed("the reply is another one than was read before"));
                    }
                    self.open = None;
                    self.module += 1;
                }
                Some((left, sha256)) => {
                    let bytes = self.reply.take(*left).await?;
                    *left -= bytes.len() as u64;
                    sha256.update(&bytes);
                    return Ok(Some(bytes));
                }
            }
        }
        Ok(None)
    }
}

/// A reply that is passed over.
struct Reply {
    bytes: BoxStream<'static, Result<Bytes, SourceError>>,
    /// Read, not yet taken.
    chunk: Bytes,
    /// At which byte `chunk` begins.
    position: u64,
}

impl Reply {
    /// At least one of the next bytes, at most so many.
    async fn take(&mut self, most: u64) -> Result<Bytes, SourceError> {
        while self.chunk.is_empty() {
            self.chunk = match self.bytes.next().await {
                Some(chunk) => chunk?,
                None => return Err(failed("the reply is shorter than when it was read before")),
            };
        }
        let most = usize::try_from(most).unwrap_or(usize::MAX);
        let taken = self.chunk.split_to(self.chunk.len().min(most));
        self.position += taken.len() as u64;
        Ok(taken)
    }

    /// Passes over what lies before `offset`; what is not there, or was taken before, is found out by
    /// the hash of what follows.
    async fn skip_to(&mut self, offset: u64) -> Result<(), SourceError> {
        while self.position < offset {
            self.take(offset - self.position).await?;
        }
        Ok(())
    }
}

fn failed(why: &str) -> SourceError {
    SourceError::Failed(why.to_owned())
}

/// Everything after the last content, line by line: names may be long.
fn directory(modules: Arc<[Module]>) -> impl Stream<Item = Result<Bytes, SourceError>> + Send {
    let (mut header_at, mut size_bytes) = (0, 0);
    stream::iter((0..=modules.len()).map(move |index| {
        let Some(module) = modules.get(index) else {
            return end(modules.len(), size_bytes, header_at);
        };
        let line = central(module, header_at)?;
        header_at += LOCAL_BYTES + module.name.len() as u64 + module.size_bytes;
        size_bytes += line.len() as u64;
        Ok(line)
    }))
}

/// The header before a module's content.
fn local(module: &Module) -> Result<Bytes, SourceError> {
    let mut header = Vec::with_capacity(LOCAL_BYTES as usize + module.name.len());
    header.extend(0x0403_4b50_u32.to_le_bytes());
    common(&mut header, module)?;
    header.extend(module.name.as_bytes());
    Ok(header.into())
}

/// A module's line in the directory.
fn central(module: &Module, header_at: u64) -> Result<Bytes, SourceError> {
    let mut line = Vec::with_capacity(CENTRAL_BYTES as usize + module.name.len());
    line.extend(0x0201_4b50_u32.to_le_bytes());
    line.extend(VERSION.to_le_bytes());
    common(&mut line, module)?;
    // No comment, the first disk, no attributes.
    line.extend([0; 10]);
    line.extend(short(header_at)?.to_le_bytes());
    line.extend(module.name.as_bytes());
    Ok(line.into())
}

/// The version of APPNOTE that a reader has to know: 2.0.
const VERSION: u16 = 20;
/// The names are UTF-8 (bit 11).
const UTF8: u16 = 1 << 11;
/// The first of January 1980, the earliest day there is.
const DATE: u16 = 1 << 5 | 1;

/// What both headers say: version, flags, stored, midnight, checksum, sizes, the length of the name,
/// nothing extra.
fn common(header: &mut Vec<u8>, module: &Module) -> Result<(), SourceError> {
    let name_bytes = u16::try_from(module.name.len())
        .map_err(|_| failed("the name of a module is too long for an archive"))?;
    let size = short(module.size_bytes)?.to_le_bytes();
    header.extend(VERSION.to_le_bytes());
    header.extend(UTF8.to_le_bytes());
    header.extend([0; 4]);
    header.extend(DATE.to_le_bytes());
    header.extend(module.crc32.to_le_bytes());
    header.extend(size);
    header.extend(size);
    header.extend(name_bytes.to_le_bytes());
    header.extend([0; 2]);
    Ok(())
}

/// What ends an archive.
fn end(count: usize, directory_bytes: u64, directory_at: u64) -> Result<Bytes, SourceError> {
    let count = u16::try_from(count)
        .map_err(|_| failed("there are too many modules for an archive"))?
        .to_le_bytes();
    let mut end = Vec::with_capacity(END_BYTES as usize);
    end.extend(0x0605_4b50_u32.to_le_bytes());
    end.extend([0; 4]);
    end.extend(count);
    end.extend(count);
    end.extend(short(directory_bytes)?.to_le_bytes());
    end.extend(short(directory_at)?.to_le_bytes());
    end.extend([0; 2]);
    Ok(end.into())
}

fn short(number: u64) -> Result<u32, SourceError> {
    u32::try_from(number).map_err(|_| failed("the modules are too large for an archive"))
}
