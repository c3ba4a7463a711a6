//! A vault in a directory, for a responder's own disk.

use crate::flow::Flow;
use crate::{Opened, Receipt, Source, SourceError, Vault, VaultError, key};
use async_trait::async_trait;
use bytes::{Bytes, BytesMut};
use evidence::{Sha256Digest, keys};
use futures_util::{StreamExt as _, stream};
use std::collections::BTreeSet;
use std::fs::{self, File, Metadata, OpenOptions, Permissions};
use std::io::{self, ErrorKind, Write as _};
use std::os::unix::fs::PermissionsExt as _;
use std::os::unix::fs::{DirBuilderExt as _, MetadataExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use std::process;
use std::sync::atomic::{AtomicU64, Ordering};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::task::spawn_blocking;

/// Where things wait until they are whole. Hidden, so that no key can name it.
const INCOMING: &str = ".incoming";
/// How much is read from a file at once.
const CHUNK_BYTES: usize = 128 * 1024;

/// Keeps everything as read-only files under one directory, which only its owner may enter.
///
/// A file comes whole or not at all: it is written aside, synced, and hard-linked to its name,
/// which fails when the name is taken. So the file system has to know hard links (exFAT does not).
/// Symbolic links inside the directory are not followed. The owner of the disk can still alter
/// what is kept here; [`check`](crate::check) shows it, Object Lock prevents it.
#[derive(Clone, Debug)]
pub struct DirectoryVault {
    root: PathBuf,
}

impl DirectoryVault {
    /// Opens the vault in `root`, which is made if it is not there.
    pub async fn open(root: impl Into<PathBuf>) -> Result<Self, VaultError> {
        let vault = Self::at(root);
        vault
            .blocking("mkdir", "cases", |root, _| {
                let mut builder = fs::DirBuilder::new();
                builder.recursive(true).mode(0o700).create(root)
            })
            .await?;
        Ok(vault)
    }

    /// The vault in `root` as it is: nothing is made before something is put into it.
    pub fn at(root: impl Into<PathBuf>) -> Self {
        Self { root: root.into() }
    }

    /// The directory.
    pub fn root(&self) -> &Path {
        &self.root
    }

    async fn blocking<T: Send + 'static>(
        &self,
        call: &'static str,
        key: &str,
        work: impl FnOnce(&Path, &str) -> io::Result<T> + Send + 'static,
    ) -> Result<T, VaultError> {
        let (root, owned) = (self.root.clone(), key.to_owned());
        spawn_blocking(move || work(&root, &owned))
            .await
            .unwrap_or_else(|_| Err(io::Error::other("the work was cancelled")))
            .map_err(|error| unavailable(call, key, &error))
    }

    /// A new file aside, which is gone when it is dropped.
    async fn aside(&self, key: &str) -> Result<(Aside, tokio::fs::File), VaultError> {
        let (aside, file) = self
            .blocking("create", key, |root, _| Aside::new(root))
            .await?;
        Ok((aside, tokio::fs::File::from_std(file)))
    }

    /// Gives what was written aside its name, once.
    async fn keep(
        &self,
        aside: Aside,
        mut file: tokio::fs::File,
        receipt: Receipt,
    ) -> Result<Receipt, VaultError> {
        let key = receipt.key.clone();
        file.flush()
            .await
            .map_err(|error| unavailable("write", &key, &error))?;
        let file = file.into_std().await;
        let newly_stored = self
            .blocking("link", &key, move |root, key| {
                file.set_permissions(Permissions::from_mode(0o444))?;
                file.sync_all()?;
                let folders = make_folders(root, key)?;
                let linked = fs::hard_link(&aside.path, root.join(key));
                for folder in folders.iter().rev() {
                    File::open(folder)?.sync_all()?;
                }
                match linked {
                    Ok(()) => Ok(true),
                    Err(error) if error.kind() == ErrorKind::AlreadyExists => Ok(false),
                    Err(error) => Err(error),
                }
            })
            .await?;
        if !newly_stored {
            self.same(&receipt).await?;
        }
        Ok(Receipt {
            newly_stored,
            ..receipt
        })
    }

    /// Reads what is under a receipt's key and compares.
    async fn same(&self, receipt: &Receipt) -> Result<(), VaultError> {
        let conflict = || VaultError::Conflict {
            key: receipt.key.clone(),
        };
        let opened = match Vault::open(self, &receipt.key).await {
            Err(VaultError::NotFound { .. }) => return Err(conflict()),
            opened => opened?,
        };
        if opened.size_bytes != Some(receipt.size_bytes) {
            return Err(conflict());
        }
        let there = Flow::of(opened, receipt.size_bytes)?
            .measure()
            .await
            .map_err(crate::reading("read", &receipt.key))?;
        (there.sha256 == receipt.sha256)
            .then_some(())
            .ok_or_else(conflict)
    }

    async fn file(&self, key: &str) -> Result<(File, Metadata), VaultError> {
        key::check(key)?;
        self.blocking("open", key, open_file)
            .await?
            .ok_or_else(|| VaultError::NotFound {
                key: key.to_owned(),
            })
    }
}

#[async_trait]
impl Vault for DirectoryVault {
    async fn put_once(
        &self,
        key: &str,
        bytes: Bytes,
        _media_type: &str,
    ) -> Result<Receipt, VaultError> {
        key::check(key)?;
        crate::small(key, bytes.len() as u64)?;
        let receipt = Receipt {
            key: key.to_owned(),
            sha256: Sha256Digest::of(&bytes),
            size_bytes: bytes.len() as u64,
            newly_stored: false,
        };
        if self.holds(key).await? {
            self.same(&receipt).await?;
            return Ok(receipt);
        }
        let (aside, file) = self
            .blocking("write", key, move |root, _| {
                let (aside, mut file) = Aside::new(root)?;
                file.write_all(&bytes)?;
                Ok((aside, file))
            })
            .await?;
        self.keep(aside, tokio::fs::File::from_std(file), receipt)
            .await
    }

    async fn put_content(
        &self,
        source: &dyn Source,
        limit_bytes: u64,
    ) -> Result<Receipt, VaultError> {
        if let Some(expected) = source.expected()
            && self.holds(&keys::content(&expected)).await?
        {
            let measured = Flow::open(source, limit_bytes).await?.measure().await?;
            if measured.sha256 == expected {
                let receipt = Receipt {
                    key: keys::content(&expected),
                    sha256: measured.sha256,
                    size_bytes: measured.size_bytes,
                    newly_stored: false,
                };
                self.same(&receipt).await?;
                return Ok(receipt);
            }
        }
        // The name is given at the end, when the digest is known: one reading is enough.
        let mut flow = Flow::open(source, limit_bytes).await?;
        let (aside, mut file) = self.aside("content").await?;
        while let Some(bytes) = flow.next().await? {
            file.write_all(&bytes)
                .await
                .map_err(|error| unavailable("write", "content", &error))?;
        }
        let measured = flow.measured();
        let receipt = Receipt {
            key: keys::content(&measured.sha256),
            sha256: measured.sha256,
            size_bytes: measured.size_bytes,
            newly_stored: true,
        };
        self.keep(aside, file, receipt).await
    }

    async fn get(&self, key: &str) -> Result<Bytes, VaultError> {
        let opened = Vault::open(self, key).await?;
        crate::small(key, opened.size_bytes.unwrap_or(0))?;
        let mut flow = Flow::of(opened, crate::SMALL_BYTES as u64)?;
        let mut bytes = BytesMut::new();
        flow.fill(&mut bytes, crate::SMALL_BYTES)
            .await
            .map_err(crate::reading("read", key))?;
        Ok(bytes.freeze())
    }

    async fn open(&self, key: &str) -> Result<Opened, VaultError> {
        let (file, metadata) = self.file(key).await?;
        let file = tokio::fs::File::from_std(file);
        let bytes = stream::try_unfold(file, |mut file| async move {
            let mut chunk = BytesMut::with_capacity(CHUNK_BYTES);
            let read = file.read_buf(&mut chunk).await;
            match read {
                Ok(0) => Ok(None),
                Ok(_) => Ok(Some((chunk.freeze(), file))),
                Err(error) => Err(SourceError::Failed(error.to_string())),
            }
        });
        Ok(Opened {
            bytes: bytes.boxed(),
            size_bytes: Some(metadata.len()),
        })
    }

    async fn holds(&self, key: &str) -> Result<bool, VaultError> {
        match self.file(key).await {
            Ok(_) => Ok(true),
            Err(VaultError::NotFound { .. }) => Ok(false),
            Err(error) => Err(error),
        }
    }

    async fn list(&self, prefix: &str, limit: usize) -> Result<Vec<String>, VaultError> {
        key::check_prefix(prefix)?;
        let all = self.blocking("list", prefix, list_files).await?;
        Ok(all.into_iter().take(limit).collect())
    }
}

/// A file that has no name in the vault yet. Gone when dropped, whatever happened.
struct Aside {
    path: PathBuf,
}

impl Aside {
    fn new(root: &Path) -> io::Result<(Self, File)> {
        static COUNT: AtomicU64 = AtomicU64::new(0);
        loop {
            let count = COUNT.fetch_add(1, Ordering::Relaxed);
            let path = root
                .join(INCOMING)
                .join(format!("{}-{count}", process::id()));
            let created = OpenOptions::new()
                .write(true)
                .create_new(true)
                .mode(0o600)
                .open(&path);
            match created {
                Ok(file) => return Ok((Self { path }, file)),
                // Left behind by a process that had the same number and was killed.
                Err(error) if error.kind() == ErrorKind::AlreadyExists => {}
                // The first that is written here.
                Err(error) if error.kind() == ErrorKind::NotFound && root.is_dir() => {
                    let mut builder = fs::DirBuilder::new();
                    builder.recursive(true).mode(0o700);
                    builder.create(root.join(INCOMING))?;
                }
                Err(error) => return Err(error),
            }
        }
    }
}

impl Drop for Aside {
    fn drop(&mut self) {
        let _ = fs::remove_file(&self.path);
    }
}

/// Makes the folders of `key`, none of which may be a link; all of them, outermost first.
fn make_folders(root: &Path, key: &str) -> io::Result<Vec<PathBuf>> {
    let mut folders = vec![root.to_owned()];
    let mut folder = root.to_owned();
    let names: Vec<&str> = key.split('/').collect();
    for name in &names[..names.len().saturating_sub(1)] {
        folder.push(name);
        match fs::DirBuilder::new().mode(0o700).create(&folder) {
            Err(error) if error.kind() != ErrorKind::AlreadyExists => return Err(error),
            _ => no_link(&folder)?,
        }
        folders.push(folder.clone());
    }
    Ok(folders)
}

fn no_link(folder: &Path) -> io::Result<()> {
    if fs::symlink_metadata(folder)?.is_dir() {
        return Ok(());
    }
    Err(io::Error::other("a folder of the key is a link or a file"))
}

/// Opens a plain file; links, in the folders or at the end, are refused.
fn open_file(root: &Path, key: &str) -> io::Result<Option<(File, Metadata)>> {
    match open_plain(root, key) {
        Ok(found) => Ok(Some(found)),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

fn open_plain(root: &Path, key: &str) -> io::Result<(File, Metadata)> {
    let mut path = root.to_owned();
    for name in key.split('/') {
        if path != root {
            no_link(&path)?;
        }
        path.push(name);
    }
    let named = fs::symlink_metadata(&path)?;
    if !named.is_file() {
        return Err(io::Error::other("not a plain file"));
    }
    let file = File::open(&path)?;
    let opened = file.metadata()?;
    if (opened.dev(), opened.ino()) != (named.dev(), named.ino()) {
        return Err(io::Error::other("it was exchanged while it was opened"));
    }
    Ok((file, opened))
}

fn list_files(root: &Path, prefix: &str) -> io::Result<BTreeSet<String>> {
    let mut found = BTreeSet::new();
    // From the root down, also to a deep prefix: a link on the way is not followed.
    let mut waiting = vec![String::new()];
    while let Some(folder) = waiting.pop() {
        let entries = match fs::read_dir(root.join(&folder)) {
            Ok(entries) => entries,
            Err(error)
                if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory) =>
            {
                continue;
            }
            Err(error) => return Err(error),
        };
        for entry in entries {
            let entry = entry?;
            // What is not UTF-8 or not a key was not put by a vault.
            let Some(name) = entry.file_name().to_str().map(str::to_owned) else {
                continue;
            };
            let key = if folder.is_empty() {
                name
            } else {
                format!("{folder}/{name}")
            };
            if key::check(&key).is_err() {
                continue;
            }
            let kind = entry.file_type()?;
            let ahead = key.len().min(prefix.len());
            if kind.is_dir() && key.as_bytes()[..ahead] == prefix.as_bytes()[..ahead] {
                waiting.push(key);
            } else if kind.is_file() && key.starts_with(prefix) {
                found.insert(key);
            }
        }
    }
    Ok(found)
}

fn unavailable(call: &'static str, key: &str, error: &io::Error) -> VaultError {
    VaultError::Unavailable {
        call,
        key: key.to_owned(),
        cause: error.to_string(),
    }
}
