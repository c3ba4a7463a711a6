//! A bag that lies somewhere, as a folder or a zip: its files by their paths, and nothing outside of it.
//!
//! Symbolic links, devices and names that no vault would take are not followed and not opened: each is a
//! fault. The payload can be read as a vault, by the keys that it had there.

use crate::names::DATA;
use crate::tags::{Info, MOST_BYTES};
use crate::zipped::{self, Range};
use async_trait::async_trait;
use bytes::Bytes;
use evidence::{CaseId, Sha256Digest, shown};
use futures_util::{StreamExt as _, stream};
use sha2::{Digest as _, Sha256};
use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use vault::{Opened, Receipt, SMALL_BYTES, Source, SourceError, Vault, VaultError};

/// The most files of a bag.
const MOST_FILES: usize = 1_000_000;
/// The most faults of names that are told.
const MOST_FAULTS: usize = 1_000;
/// How deep folders are looked into.
const DEEPEST: usize = 16;
/// How much is read at once.
const CHUNK_BYTES: usize = 128 * 1024;

/// A bag that is open. Nothing of it is believed yet.
#[derive(Debug)]
pub struct Bag {
    place: PathBuf,
    files: BTreeMap<String, Held>,
    /// What is in it and cannot be a part of a bag: the name, fit to be shown, and why.
    pub(crate) faults: Vec<(String, String)>,
}

#[derive(Clone, Debug)]
enum Held {
    File {
        path: PathBuf,
        size_bytes: u64,
    },
    Packed {
        zip: Arc<File>,
        at: u64,
        size_bytes: u64,
    },
}

/// What cannot be read as a bag at all.
#[derive(Debug, thiserror::Error)]
pub enum BadBag {
    /// It is no folder and no zip, or one without bagit.txt.
    #[error("{place} is no bag: {why}")]
    NoBag {
        /// Where.
        place: String,
        /// Why not.
        why: String,
    },
    /// It could not be read.
    #[error("{place} cannot be read: {cause}")]
    Io {
        /// Where.
        place: String,
        /// Why not.
        cause: io::Error,
    },
}

impl Bag {
    /// Whether something looks like a bag: a folder with `bagit.txt`, or a file that begins as a zip does.
    pub fn is_like(place: &Path) -> bool {
        if place.is_dir() {
            return fs::symlink_metadata(place.join(crate::names::DECLARATION)).is_ok();
        }
        let mut begins = [0; 4];
        let read = File::open(place).and_then(|mut file| file.read_exact(&mut begins));
        read.is_ok() && begins == *b"PK\x03\x04"
    }

    /// Opens a bag and lists what is in it.
    pub fn open(place: &Path) -> Result<Self, BadBag> {
        let shown_place = || shown(&place.display().to_string(), 400);
        let io = |cause| BadBag::Io {
            place: shown_place(),
            cause,
        };
        let no_bag = |why: String| BadBag::NoBag {
            place: shown_place(),
            why,
        };
        let mut bag = Self {
            place: place.to_owned(),
            files: BTreeMap::new(),
            faults: Vec::new(),
        };
        let metadata = fs::metadata(place).map_err(io)?;
        if metadata.is_dir() {
            bag.walk(place, "", 0).map_err(io)?;
        } else if metadata.is_file() {
            let zip = File::open(place).map_err(io)?;
            let packed = zipped::unpack(&zip).map_err(io)?.map_err(no_bag)?;
            bag.unpack(&Arc::new(zip), packed);
        } else {
            return Err(no_bag("it is neither a folder nor a zip".to_owned()));
        }
        if !bag.files.contains_key(crate::names::DECLARATION) {
            return Err(no_bag("there is no bagit.txt in it".to_owned()));
        }
        Ok(bag)
    }

    /// Where it is.
    pub fn place(&self) -> &Path {
        &self.place
    }

    /// How many bytes `data/` has in all.
    pub fn payload_bytes(&self) -> u64 {
        let payload = self.files().filter(|(name, _)| name.starts_with(DATA));
        payload.map(|(_, size_bytes)| size_bytes).sum()
    }

    /// The case that the bag says it holds; verified or not.
    pub fn case_id(&self) -> Option<CaseId> {
        let bytes = self.small(crate::names::INFO, MOST_BYTES).ok()?;
        let (info, _) = Info::read(&bytes);
        info.get(crate::verify::labels::CASE)?.parse().ok()
    }

    /// All its files with their sizes in bytes.
    pub(crate) fn files(&self) -> impl Iterator<Item = (&str, u64)> {
        let files = self.files.iter();
        files.map(|(name, held)| (name.as_str(), held.size_bytes()))
    }

    fn fault(&mut self, name: &str, why: &str) {
        if self.faults.len() < MOST_FAULTS {
            self.faults.push((shown(name, 300), why.to_owned()));
        }
    }

    fn walk(&mut self, folder: &Path, beginning: &str, depth: usize) -> io::Result<()> {
        for entry in fs::read_dir(folder)? {
            let entry = entry?;
            let name = entry.file_name();
            let name = format!("{beginning}{}", name.to_string_lossy());
            let kind = entry.file_type()?;
            if kind.is_symlink() {
                self.fault(&name, "it is a symbolic link, which is not followed");
            } else if kind.is_dir() {
                if depth >= DEEPEST {
                    self.fault(&name, "it lies too deep to be looked into");
                } else {
                    self.walk(&entry.path(), &format!("{name}/"), depth + 1)?;
                }
            } else if !kind.is_file() {
                self.fault(&name, "it is neither a file nor a folder");
            } else if entry.file_name().to_str().is_none() || !vault::is_key(&name) {
                self.fault(&name, "no file of a bag is called so");
            } else if self.files.len() >= MOST_FILES {
                self.fault(&name, "there are more files than are looked at");
                return Ok(());
            } else {
                let held = Held::File {
                    size_bytes: entry.metadata()?.len(),
                    path: entry.path(),
                };
                self.files.insert(name, held);
            }
        }
        Ok(())
    }

    /// A zip has one folder, which is the bag.
    fn unpack(&mut self, zip: &Arc<File>, packed: Vec<zipped::Packed>) {
        let folder = packed
            .first()
            .and_then(|first| first.name.split_once('/'))
            .map(|(folder, _)| format!("{folder}/"))
            .unwrap_or_default();
        for file in packed {
            let name = file.name.strip_prefix(&folder);
            let Some(name) = name.filter(|name| vault::is_key(name)) else {
                self.fault(&file.name, "no file of a bag is called so");
                continue;
            };
            let held = Held::Packed {
                zip: Arc::clone(zip),
                at: file.data_at(),
                size_bytes: file.size_bytes,
            };
            if self.files.insert(name.to_owned(), held).is_some() {
                self.fault(&file.name, "it is in the zip more than once");
            }
        }
    }

    /// Opens a file at its beginning; none if it is not there.
    fn reader(&self, name: &str) -> io::Result<Option<(Box<dyn Read + Send>, u64)>> {
        let Some(held) = self.files.get(name) else {
            return Ok(None);
        };
        let reader: Box<dyn Read + Send> = match held {
            Held::File { path, .. } => Box::new(File::open(path)?),
            Held::Packed {
                zip,
                at,
                size_bytes,
            } => Box::new(Range {
                file: Arc::clone(zip),
                at: *at,
                left: *size_bytes,
            }),
        };
        Ok(Some((reader, held.size_bytes())))
    }

    /// A file of at most `limit` bytes; else why it is not read.
    pub(crate) fn small(&self, name: &str, limit: u64) -> Result<Vec<u8>, String> {
        let opened = self.reader(name).map_err(|error| error.to_string())?;
        let (reader, _) = opened.ok_or_else(|| "missing".to_owned())?;
        let mut bytes = Vec::new();
        let read = reader.take(limit + 1).read_to_end(&mut bytes);
        read.map_err(|error| error.to_string())?;
        if bytes.len() as u64 > limit {
            return Err(format!("it is longer than {limit} bytes"));
        }
        Ok(bytes)
    }

    /// The digest and the size of a file; none if it is not there. `progress` is told how many bytes
    /// more were read.
    pub(crate) fn measure(
        &self,
        name: &str,
        progress: Option<&(dyn Fn(u64) + Sync)>,
    ) -> io::Result<Option<(Sha256Digest, u64)>> {
        let Some((mut reader, _)) = self.reader(name)? else {
            return Ok(None);
        };
        let (mut hash, mut size) = (Sha256::new(), 0);
        let mut chunk = vec![0; CHUNK_BYTES];
        loop {
            let read = reader.read(&mut chunk)?;
            if read == 0 {
                break;
            }
            hash.update(&chunk[..read]);
            size += read as u64;
            if let Some(progress) = progress {
                progress(read as u64);
            }
        }
        // The digest's own text is what it is made of.
        let digest = hex::encode(hash.finalize()).parse();
        digest
            .map(|digest| Some((digest, size)))
            .map_err(|error: evidence::BadDigest| io::Error::other(error.to_string()))
    }
}

impl Held {
    const fn size_bytes(&self) -> u64 {
        match self {
            Self::File { size_bytes, .. } | Self::Packed { size_bytes, .. } => *size_bytes,
        }
    }
}

fn unavailable(key: &str, cause: &dyn std::fmt::Display) -> VaultError {
    VaultError::Unavailable {
        call: "reading the bag's",
        key: key.to_owned(),
        cause: cause.to_string(),
    }
}

fn read_only(key: &str) -> VaultError {
    VaultError::Unavailable {
        call: "writing",
        key: key.to_owned(),
        cause: "a bag is read only".to_owned(),
    }
}

/// The payload, by the keys of the vault that it is from.
#[async_trait]
impl Vault for Bag {
    async fn put_once(&self, key: &str, _: Bytes, _: &str) -> Result<Receipt, VaultError> {
        Err(read_only(key))
    }

    async fn put_content(&self, _: &dyn Source, _: u64) -> Result<Receipt, VaultError> {
        Err(read_only("content"))
    }

    async fn get(&self, key: &str) -> Result<Bytes, VaultError> {
        if !self.holds(key).await? {
            return Err(VaultError::NotFound {
                key: key.to_owned(),
            });
        }
        self.small(&format!("{DATA}{key}"), SMALL_BYTES as u64)
            .map(Bytes::from)
            .map_err(|why| unavailable(key, &why))
    }

    async fn open(&self, key: &str) -> Result<Opened, VaultError> {
        let opened = self.reader(&format!("{DATA}{key}"));
        let opened = opened.map_err(|error| unavailable(key, &error))?;
        let (reader, size_bytes) = opened.ok_or_else(|| VaultError::NotFound {
            key: key.to_owned(),
        })?;
        let bytes = stream::try_unfold(reader, |mut reader| async move {
            let mut chunk = vec![0; CHUNK_BYTES];
            match reader.read(&mut chunk) {
                Ok(0) => Ok(None),
                Ok(read) => {
                    chunk.truncate(read);
                    Ok(Some((Bytes::from(chunk), reader)))
                }
                Err(error) => Err(SourceError::Failed(error.to_string())),
            }
        });
        Ok(Opened {
            bytes: bytes.boxed(),
            size_bytes: Some(size_bytes),
        })
    }

    async fn holds(&self, key: &str) -> Result<bool, VaultError> {
        Ok(self.files.contains_key(&format!("{DATA}{key}")))
    }

    async fn list(&self, prefix: &str, limit: usize) -> Result<Vec<String>, VaultError> {
        let begins = format!("{DATA}{prefix}");
        let files = self.files.range(begins.clone()..);
        let files = files.take_while(|(name, _)| name.starts_with(&begins));
        let keys = files.filter_map(|(name, _)| Some(name.strip_prefix(DATA)?.to_owned()));
        Ok(keys.take(limit).collect())
    }
}
