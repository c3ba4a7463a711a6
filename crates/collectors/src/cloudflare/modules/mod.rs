//! The modules of a Worker: what a reply that holds its code consists of, and one archive of them.
//!
//! The reply is kept as it came. Its boundary is a new one every time, so two replies with the same
//! code differ; the [`Archive`] and the [`modules_digest`] of equal modules do not.

mod archive;
mod multipart;
#[cfg(test)]
mod tests;

pub(crate) use archive::Archive;
use multipart::Irregularity;

use async_trait::async_trait;
use bytes::Bytes;
use evidence::Sha256Digest;
use futures_util::stream::{self, BoxStream};
use futures_util::{Stream, StreamExt as _};
use multipart::{Event, Head, LONGEST_HEADER, MOST_BYTES, MOST_PARTS, Parser};
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};
use std::collections::HashSet;
use vault::{Opened, Source, SourceError};

/// What the only module of a service worker is called: it has no name of its own.
const SCRIPT: &str = "index.js";

/// How many irregularities of single parts are told each for itself.
const MOST_TOLD: usize = 20;

/// One module of a Worker.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Module {
    /// As the provider gives it: it may lead out of its folder, or be that of another module as well.
    pub(crate) name: String,
    /// The file name of its part, if that is another.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) filename: Option<String>,
    /// E.g. `application/javascript+module`; empty if none was given.
    pub(crate) content_type: String,
    /// At which byte of the reply its content begins.
    pub(crate) offset: u64,
    /// How many bytes it has.
    pub(crate) size_bytes: u64,
    /// Of its content, as archives have it.
    pub(crate) crc32: u32,
    /// Of its content.
    pub(crate) sha256: Sha256Digest,
}

/// The modules of a reply, in the order they came, and what is not as it should be about it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Modules {
    /// Every module that was read; the last one of a reply that breaks off as far as it came.
    pub(crate) modules: Vec<Module>,
    /// Why there may be others, or these may be different ones.
    pub(crate) irregularities: Vec<Irregularity>,
}

impl Modules {
    /// Of a form (`multipart/form-data; boundary=…`), one part a module. Its bytes are passed over;
    /// memory does not grow with them.
    ///
    /// A form that is not sound is read as far as it can be. An error is one of the bytes' source.
    pub(crate) async fn of_form(
        media_type: &str,
        mut bytes: impl Stream<Item = Result<Bytes, SourceError>> + Unpin,
    ) -> Result<Self, SourceError> {
        let mut reading = Reading::default();
        match multipart::boundary(media_type) {
            Ok(boundary) => {
                let mut parser = Parser::new(&boundary);
                while !parser.is_stopped()
                    && let Some(chunk) = next(&mut bytes).await?
                {
                    parser.feed(&chunk, &mut |event| reading.take(event));
                }
                if !parser.is_stopped() {
                    parser.finish(&mut |event| reading.take(event));
                }
            }
            Err(irregularity) => reading.note(irregularity),
        }
        Ok(reading.modules())
    }

    /// Of a service worker's script, which is the reply as a whole: one module, `index.js`.
    pub(crate) async fn of_script(
        media_type: &str,
        mut bytes: impl Stream<Item = Result<Bytes, SourceError>> + Unpin,
    ) -> Result<Self, SourceError> {
        let mut reading = Reading::default();
        reading.begin(named(SCRIPT.to_owned(), media_type.to_owned(), 0));
        let mut room = MOST_BYTES;
        while let Some(chunk) = next(&mut bytes).await? {
            let read = chunk.len().min(usize::try_from(room).unwrap_or(usize::MAX));
            reading.content(&chunk[..read]);
            room -= read as u64;
            if read < chunk.len() {
                reading.note(Irregularity::TooLarge);
                break;
            }
        }
        reading.end();
        Ok(reading.modules())
    }

    /// Of modules in hand (name, content type, content), and their contents one after the other as
    /// what an [`Archive`] of them is made from.
    pub(crate) fn in_hand(modules: Vec<(String, String, Bytes)>) -> (Self, Contents) {
        let mut reading = Reading::default();
        let mut contents = Vec::new();
        let mut offset = 0;
        for (number, (name, content_type, content)) in (1..).zip(modules) {
            if number > MOST_PARTS {
                reading.note(Irregularity::TooManyParts);
                break;
            }
            let name = if name.is_empty() {
                multipart::part_name(number)
            } else if name.len() > LONGEST_HEADER {
                reading.note(Irregularity::LongName(number));
                multipart::part_name(number)
            } else {
                name
            };
            reading.begin(named(name, content_type, offset));
            reading.content(&content);
            reading.end();
            offset += content.len() as u64;
            contents.push(content);
        }
        (reading.modules(), Contents(contents))
    }
}

/// What tells the modules of one Worker from those of another: SHA-256 over their sorted lines
/// `name\0content_type\0sha256\n`. In names and types a backslash, a NUL and a line's end are written
/// with a backslash, so that no name can stand for another module's line.
pub(crate) fn modules_digest(modules: &[Module]) -> Sha256Digest {
    let plain = |text: &str| {
        text.replace('\\', "\\\\")
            .replace('\0', "\\0")
            .replace('\n', "\\n")
    };
    let mut lines: Vec<String> = modules
        .iter()
        .map(|module| {
            let (name, content_type) = (plain(&module.name), plain(&module.content_type));
            format!("{name}\0{content_type}\0{}\n", module.sha256)
        })
        .collect();
    lines.sort_unstable();
    Sha256Digest::of(lines.concat())
}

/// Contents in hand, one after the other.
pub(crate) struct Contents(Vec<Bytes>);

#[async_trait]
impl Source for Contents {
    fn expected(&self) -> Option<Sha256Digest> {
        None
    }

    fn media_type(&self) -> &str {
        "application/octet-stream"
    }

    async fn open(&self) -> Result<Opened, SourceError> {
        let bytes: BoxStream<'static, _> = stream::iter(self.0.clone()).map(Ok).boxed();
        Ok(Opened {
            size_bytes: Some(self.0.iter().map(|content| content.len() as u64).sum()),
            bytes,
        })
    }
}

/// The next chunk; none at the end.
async fn next(
    bytes: &mut (impl Stream<Item = Result<Bytes, SourceError>> + Unpin),
) -> Result<Option<Bytes>, SourceError> {
    // A source that is always ready would keep everybody else waiting.
    tokio::task::coop::consume_budget().await;
    bytes.next().await.transpose()
}

/// A module of which nothing was read yet.
fn named(name: String, content_type: String, offset: u64) -> Module {
    Module {
        name,
        filename: None,
        content_type,
        offset,
        size_bytes: 0,
        crc32: 0,
        sha256: Sha256Digest::from_bytes([0; 32]),
    }
}

/// The modules as far as they were read.
#[derive(Default)]
struct Reading {
    read: Modules,
    names: HashSet<String>,
    names_twice: HashSet<String>,
    open: Option<(Module, crc32fast::Hasher, Sha256)>,
    /// How many irregularities of single parts there were.
    told: usize,
}

impl Reading {
    fn take(&mut self, event: Event<'_>) {
        match event {
            Event::Begins(Head {
                name,
                filename,
                content_type,
                offset,
                ..
            }) => self.begin(Module {
                filename,
                ..named(name, content_type, offset)
            }),
            Event::Content(bytes) => self.content(bytes),
            Event::Ends => self.end(),
            Event::Odd(irregularity) => self.note(irregularity),
        }
    }

    fn begin(&mut self, module: Module) {
        if !self.names.insert(module.name.clone()) && self.names_twice.insert(module.name.clone()) {
            self.note(Irregularity::NameTwice(module.name.clone()));
        }
        self.open = Some((module, crc32fast::Hasher::new(), Sha256::new()));
    }

    fn content(&mut self, bytes: &[u8]) {
        if let Some((module, crc32, sha256)) = &mut self.open {
            module.size_bytes += bytes.len() as u64;
            crc32.update(bytes);
            sha256.update(bytes);
        }
    }

    fn end(&mut self) {
        if let Some((module, crc32, sha256)) = self.open.take() {
            self.read.modules.push(Module {
                crc32: crc32.finalize(),
                sha256: Sha256Digest::from_bytes(sha256.finalize().into()),
                ..module
            });
        }
    }

    /// Takes it down: what concerns a single part up to a number, what concerns the whole always.
    fn note(&mut self, irregularity: Irregularity) {
        let is_of_a_part = matches!(
            irregularity,
            Irregularity::NameTwice(_)
                | Irregularity::LongName(_)
                | Irregularity::LongHeader(_)
                | Irregularity::ManyHeaders(_)
                | Irregularity::NotText(_)
                | Irregularity::CutHeaders(_)
        );
        self.told += usize::from(is_of_a_part);
        if !is_of_a_part || self.told <= MOST_TOLD {
            self.read.irregularities.push(irregularity);
        }
    }

    fn modules(mut self) -> Modules {
        if let Some(more @ 1..) = self.told.checked_sub(MOST_TOLD) {
            self.read
                .irregularities
                .push(Irregularity::More(more as u64));
        }
        self.read
    }
}
