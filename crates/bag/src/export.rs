//! A case out of its vault into a bag of its own, whole or not at all.

use crate::how_to;
use crate::names::{DATA, DECLARATION, HOW_TO, INFO, MANIFEST, TAG_MANIFEST};
use crate::tags::{self, Info, Sums};
use crate::verify::{labels, last_of};
use crate::zipped::Packer;
use evidence::{CaseId, Envelope, Sha256Digest, keys};
use futures_util::TryStreamExt as _;
use jiff::Timestamp;
use sha2::{Digest as _, Sha256};
use std::collections::{BTreeMap, BTreeSet};
use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, ErrorKind, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use vault::{Report, Terms, Vault, VaultError};

/// The most files of one folder of the vault that are exported.
const MOST_FILES: usize = 100_000;

/// What is to be exported, and what is known of it from outside.
pub struct Order<'a> {
    /// From where.
    pub vault: &'a dyn Vault,
    /// Which case.
    pub id: &'a CaseId,
    /// To where: a zip if it ends with `.zip`, else a folder. It must not be there.
    pub to: &'a Path,
    /// The public key that is trusted, if one is.
    pub public_key_pem: Option<&'a str>,
    /// Where the case was, for `bag-info.txt`.
    pub from: String,
    /// Who exports, for `bag-info.txt`.
    pub by: String,
    /// When.
    pub at: Timestamp,
    /// Files that are not in the vault and go with the payload, by key: reports.
    pub beside: Vec<(String, Vec<u8>)>,
    /// Told how many bytes more were read of the vault, each exhibit twice: it is verified, then copied.
    pub progress: Option<&'a (dyn Fn(u64) + Sync)>,
}

/// What was exported.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Exported {
    /// How many files `data/` has.
    pub payload_files: u64,
    /// Their bytes in all.
    pub payload_bytes: u64,
    /// SHA-256 of `tagmanifest-sha256.txt`: stands for the whole bag.
    pub bag_sha256: Sha256Digest,
    /// What the verification of the case came to before it was copied.
    pub case: Report,
}

/// Why there is no bag. What was begun is gone again.
#[derive(Debug, thiserror::Error)]
pub enum ExportError {
    /// Something is there already.
    #[error("{0} is there already; nothing is overwritten")]
    Exists(String),
    /// There is no sealed case of this id.
    #[error("case {0} is not sealed")]
    NotSealed(CaseId),
    /// The vault failed, or what it holds changed meanwhile.
    #[error(transparent)]
    Vault(#[from] VaultError),
    /// It could not be written.
    #[error("{place} cannot be written: {cause}")]
    Io {
        /// Where.
        place: String,
        /// Why.
        cause: io::Error,
    },
}

/// Exports a case: verifies it, then copies it and everything that it refers to.
///
/// A case that does not verify is exported all the same, for it may be the only copy left; the bag says
/// so, and so does the answer. What is written stands beside its place under a name that ends in
/// `.partial`, and gets its name when it is whole. It is gone when this future is dropped before; one
/// that a killed process left is replaced.
pub async fn export(order: Order<'_>) -> Result<Exported, ExportError> {
    let place = evidence::shown(&order.to.display().to_string(), 400);
    if fs::symlink_metadata(order.to).is_ok() {
        return Err(ExportError::Exists(place));
    }
    let io = |cause| ExportError::Io {
        place: place.clone(),
        cause,
    };
    let (case, keys) = verified(&order).await?;
    let mut writing = Writing {
        sink: Sink::begin(order.to, order.id).map_err(io)?,
        payload: Sums::default(),
        tags: Sums::default(),
        payload_bytes: 0,
    };
    for key in &keys {
        writing
            .copy(&order, key, &case)
            .await
            .map_err(|error| match error {
                CopyError::Vault(error) => ExportError::Vault(error),
                CopyError::Io(cause) => io(cause),
            })?;
    }
    let exported = writing
        .finish(&order, case)
        .await
        .map_err(|error| match error {
            CopyError::Vault(error) => ExportError::Vault(error),
            CopyError::Io(cause) if cause.kind() == ErrorKind::AlreadyExists => {
                ExportError::Exists(place.clone())
            }
            CopyError::Io(cause) => io(cause),
        })?;
    Ok(exported)
}

/// The case as it was verified, and the keys that are copied: those of an addendum that is sealed meanwhile
/// are verified as well.
async fn verified(order: &Order<'_>) -> Result<(Report, BTreeSet<String>), ExportError> {
    let mut measured = BTreeMap::new();
    loop {
        let terms = Terms {
            public_key_pem: order.public_key_pem,
            measured,
            progress: order.progress,
        };
        let case = vault::check_on(order.vault, order.id, terms).await;
        if case.last.is_none() {
            return Err(ExportError::NotSealed(order.id.clone()));
        }
        let keys = belonging(order, &case).await?;
        // What only looks like an envelope is no member of the case.
        let is_member = |key: &String| {
            let mut checked = case.checked.iter();
            !checked.any(|checked| &checked.key == key && checked.what == "membership")
        };
        let own = keys::case(order.id);
        let is_envelope = |key: &&String| key.starts_with(&own) && key.ends_with(".dsse.json");
        let mut unseen = (keys.iter())
            .filter(is_envelope)
            .filter(|key| !case.sealed.contains(*key) && is_member(key));
        if unseen.next().is_none() {
            return Ok((case, keys));
        }
        measured = case.measured;
    }
}

/// The keys of the case and of what it refers to that are there.
async fn belonging(order: &Order<'_>, case: &Report) -> Result<BTreeSet<String>, VaultError> {
    let id = order.id;
    let (own, examined) = (keys::case(id), format!("examinations/{id}/"));
    let mut found = BTreeSet::new();
    for folder in [&own, &examined, &keys::reports(id)] {
        found.extend(order.vault.list(folder, MOST_FILES).await?);
    }
    // A manifest names keys; which ones may leave the vault is not its to say.
    let may_leave = |key: &&String| key.starts_with("content/") || case.compared.contains(*key);
    for key in case.sealed.iter().chain(&case.compared).filter(may_leave) {
        if order.vault.holds(key).await? {
            found.insert(key.clone());
        }
    }
    Ok(found)
}

enum CopyError {
    Vault(VaultError),
    Io(io::Error),
}

impl From<VaultError> for CopyError {
    fn from(error: VaultError) -> Self {
        Self::Vault(error)
    }
}

impl From<io::Error> for CopyError {
    fn from(error: io::Error) -> Self {
        Self::Io(error)
    }
}

struct Writing {
    sink: Sink,
    payload: Sums,
    tags: Sums,
    payload_bytes: u64,
}

impl Writing {
    /// Streams what is under a key of the vault into the payload.
    async fn copy(&mut self, order: &Order<'_>, key: &str, case: &Report) -> Result<(), CopyError> {
        let opened = order.vault.open(key).await?;
        let changed = |cause: String| VaultError::Unavailable {
            call: "reading",
            key: key.to_owned(),
            cause,
        };
        let Some(size_bytes) = opened.size_bytes else {
            return Err(changed("the vault does not say how long it is".to_owned()).into());
        };
        let name = format!("{DATA}{key}");
        self.sink.open(&name, size_bytes)?;
        let (mut hash, mut bytes) = (Sha256::new(), opened.bytes);
        while let Some(chunk) = bytes
            .try_next()
            .await
            .map_err(|error| changed(error.to_string()))?
        {
            hash.update(&chunk);
            self.sink.write(&chunk)?;
            if let Some(progress) = order.progress {
                progress(chunk.len() as u64);
            }
        }
        self.sink.close()?;
        let sha256 = digest(hash)?;
        if case
            .measured
            .get(key)
            .is_some_and(|(measured, _)| *measured != sha256)
        {
            return Err(changed("it changed while it was exported".to_owned()).into());
        }
        self.payload_bytes += size_bytes;
        self.payload.0.insert(name, sha256);
        Ok(())
    }

    fn put(&mut self, name: &str, bytes: &[u8]) -> io::Result<()> {
        self.sink.open(name, bytes.len() as u64)?;
        self.sink.write(bytes)?;
        self.sink.close()?;
        let sha256 = Sha256Digest::of(bytes);
        if name.starts_with(DATA) {
            self.payload_bytes += bytes.len() as u64;
            self.payload.0.insert(name.to_owned(), sha256);
        } else {
            self.tags.0.insert(name.to_owned(), sha256);
        }
        Ok(())
    }

    async fn finish(mut self, order: &Order<'_>, case: Report) -> Result<Exported, CopyError> {
        for (key, bytes) in &order.beside {
            let name = format!("{DATA}{key}");
            if !self.payload.0.contains_key(&name) {
                self.put(&name, bytes)?;
            }
        }
        let signed = signed(order, &case).await?;
        self.put(DECLARATION, tags::DECLARATION.as_bytes())?;
        self.put(MANIFEST, self.payload.text().as_bytes())?;
        self.put(INFO, self.info(order, &case).text().as_bytes())?;
        self.put(HOW_TO, how_to::text(order.id, &signed).as_bytes())?;
        let tags = self.tags.text();
        self.put(TAG_MANIFEST, tags.as_bytes())?;
        self.sink.finish()?;
        Ok(Exported {
            payload_files: self.payload.0.len() as u64,
            payload_bytes: self.payload_bytes,
            bag_sha256: Sha256Digest::of(&tags),
            case,
        })
    }

    fn info(&self, order: &Order<'_>, case: &Report) -> Info {
        let mut info = Info::default();
        let bad = case.checked.iter();
        let bad = bad.filter(|checked| matches!(checked.verdict, vault::Verdict::Bad(_)));
        let found = match bad.count() {
            0 => "everything was as it was sealed".to_owned(),
            faults => {
                format!("{faults} faults: this bag holds what the vault held, altered or not")
            }
        };
        info.put(labels::CASE, order.id.as_str());
        info.put(
            "External-Description",
            "A case of coldcase: evidence of one function, as it was sealed",
        );
        info.put("Bagging-Date", &order.at.strftime("%Y-%m-%d").to_string());
        info.put(
            "Bag-Software-Agent",
            concat!("coldcase ", env!("CARGO_PKG_VERSION")),
        );
        info.put(
            labels::OXUM,
            &format!("{}.{}", self.payload_bytes, self.payload.0.len()),
        );
        info.put("Coldcase-Exported-At", &order.at.to_string());
        info.put("Coldcase-Exported-By", &order.by);
        info.put("Coldcase-Exported-From", &order.from);
        info.put("Coldcase-Verified-Before-Export", &found);
        if let Some((number, sha256)) = case.last {
            info.put(labels::LAST, &last_of(number, sha256));
        }
        for key_id in &case.key_ids {
            info.put("Coldcase-Signed-With-Key", key_id);
        }
        info
    }
}

/// Which key signed which manifests, by the envelopes' own word.
async fn signed(
    order: &Order<'_>,
    case: &Report,
) -> Result<BTreeMap<String, Vec<u32>>, VaultError> {
    let mut signed: BTreeMap<String, Vec<u32>> = BTreeMap::new();
    let last = case.last.map_or(0, |(number, _)| number);
    for number in 0..=last {
        let key = keys::envelope(order.id, number);
        if !case.sealed.contains(&key) {
            continue;
        }
        let envelope = match order.vault.get(&key).await {
            Ok(bytes) => Envelope::read(&bytes).and_then(|envelope| envelope.signature()),
            Err(VaultError::NotFound { .. }) => continue,
            Err(error) => return Err(error),
        };
        // An altered envelope was told of already. What goes into a command is hexadecimal.
        if let Ok(signature) = envelope
            && signature.key_id.parse::<Sha256Digest>().is_ok()
        {
            signed.entry(signature.key_id).or_default().push(number);
        }
    }
    Ok(signed)
}

fn digest(hash: Sha256) -> io::Result<Sha256Digest> {
    let digest = hex::encode(hash.finalize()).parse();
    digest.map_err(|error: evidence::BadDigest| io::Error::other(error.to_string()))
}

/// Where the bag grows: beside its place, and gone when it is dropped before it is whole.
struct Sink {
    to: PathBuf,
    partial: PathBuf,
    form: Form,
    is_whole: bool,
}

enum Form {
    Folder(Option<File>),
    Zip {
        packer: Option<Packer>,
        folder: String,
    },
}

impl Sink {
    fn begin(to: &Path, id: &CaseId) -> io::Result<Self> {
        let mut partial = to.as_os_str().to_owned();
        partial.push(".partial");
        let partial = PathBuf::from(partial);
        remove(&partial)?;
        let is_zip = to
            .extension()
            .is_some_and(|it| it.eq_ignore_ascii_case("zip"));
        // Raw evidence holds the values of environment variables: for its owner's eyes only.
        let form = if is_zip {
            Form::Zip {
                packer: Some(Packer::new(create(&partial)?)),
                folder: format!("{id}/"),
            }
        } else {
            DirBuilder::new().mode(0o700).create(&partial)?;
            Form::Folder(None)
        };
        Ok(Self {
            to: to.to_owned(),
            partial,
            form,
            is_whole: false,
        })
    }

    fn open(&mut self, name: &str, size_bytes: u64) -> io::Result<()> {
        match &mut self.form {
            Form::Folder(open) => {
                let path = self.partial.join(name);
                if let Some(folder) = path.parent() {
                    DirBuilder::new()
                        .recursive(true)
                        .mode(0o700)
                        .create(folder)?;
                }
                *open = Some(create(&path)?);
                Ok(())
            }
            Form::Zip {
                packer: Some(packer),
                folder,
            } => packer.begin(&format!("{folder}{name}"), size_bytes),
            Form::Zip { packer: None, .. } => Err(over()),
        }
    }

    fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        match &mut self.form {
            Form::Folder(Some(file)) => file.write_all(bytes),
            Form::Zip {
                packer: Some(packer),
                ..
            } => packer.write(bytes),
            _ => Err(over()),
        }
    }

    fn close(&mut self) -> io::Result<()> {
        match &mut self.form {
            Form::Folder(open) => open.take().map_or(Ok(()), |file| file.sync_all()),
            Form::Zip {
                packer: Some(packer),
                ..
            } => packer.end(),
            Form::Zip { packer: None, .. } => Err(over()),
        }
    }

    /// Gives the bag its name, unless somebody took it meanwhile.
    fn finish(&mut self) -> io::Result<()> {
        match &mut self.form {
            Form::Folder(_) => {
                // Onto an empty folder of the same moment it would be moved without a word.
                if fs::symlink_metadata(&self.to).is_ok() {
                    return Err(ErrorKind::AlreadyExists.into());
                }
                fs::rename(&self.partial, &self.to)?;
            }
            Form::Zip { packer, .. } => {
                packer.take().map_or_else(|| Err(over()), Packer::finish)?;
                match fs::hard_link(&self.partial, &self.to) {
                    Ok(()) => {}
                    Err(error) if error.kind() == ErrorKind::AlreadyExists => return Err(error),
                    // Not every file system knows links.
                    Err(_) if fs::symlink_metadata(&self.to).is_err() => {
                        fs::rename(&self.partial, &self.to)?;
                    }
                    Err(error) => return Err(error),
                }
            }
        }
        if let Some(parent) = self.to.parent().filter(|it| !it.as_os_str().is_empty()) {
            // A file system that cannot be asked for this has the bag all the same.
            let _ = File::open(parent).and_then(|folder| folder.sync_all());
        }
        self.is_whole = matches!(self.form, Form::Folder(_));
        Ok(())
    }
}

impl Drop for Sink {
    fn drop(&mut self) {
        if !self.is_whole {
            // Of a zip the second name; of what was cut off, all of it.
            let _ = remove(&self.partial);
        }
    }
}

fn over() -> io::Error {
    io::Error::other("the bag is closed already")
}

fn create(path: &Path) -> io::Result<File> {
    OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(path)
}

/// Removes what an export that was killed left. Never follows a link.
fn remove(path: &Path) -> io::Result<()> {
    let removed = match fs::symlink_metadata(path) {
        Ok(metadata) if metadata.is_dir() => fs::remove_dir_all(path),
        Ok(_) => fs::remove_file(path),
        Err(error) => Err(error),
    };
    match removed {
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(()),
        other => other,
    }
}
