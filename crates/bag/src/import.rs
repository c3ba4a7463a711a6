//! A verified bag into another vault: what is sealed, and nothing else.

use crate::read::Bag;
use crate::verify::Verified;
use async_trait::async_trait;
use evidence::{CaseId, Manifest, SealedCase, Sha256Digest, keys};
use std::collections::{BTreeMap, BTreeSet};
use vault::{Opened, Report, Source, SourceError, Terms, Vault, VaultError};

/// What came of an import.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Imported {
    /// The case.
    pub case_id: CaseId,
    /// How many files were stored now.
    pub stored: u64,
    /// How many were there already, with the same bytes.
    pub there_already: u64,
    /// How many bytes the case has in all.
    pub size_bytes: u64,
    /// The files of the bag that were not taken over: nothing that is sealed lists them.
    pub left_out: Vec<String>,
    /// What the verification in the other vault came to.
    pub case: Report,
}

/// Why a bag was not taken over, or not all of it: what was stored stays, and the same import again goes
/// on from there.
#[derive(Debug, thiserror::Error)]
pub enum ImportError {
    /// The bag does not verify.
    #[error("the bag does not verify: {file}: {why}; nothing was imported")]
    Unsound {
        /// Which file is wrong.
        file: String,
        /// What is wrong with it.
        why: String,
    },
    /// The bag's case cannot be read.
    #[error("{key} cannot be read: {why}")]
    Unreadable {
        /// Which file.
        key: String,
        /// Why.
        why: String,
    },
    /// The other vault failed, or holds something else under one of the keys.
    #[error(transparent)]
    Vault(#[from] VaultError),
}

/// Puts the case of a verified bag into another vault, write-once, and verifies it there. Twice is once.
///
/// Taken over is what is sealed: manifests, signatures, the public key, exhibits. Records of functions as
/// good are not, for what counts as good is each vault's own word; nor are reports, which are made anew
/// of what is sealed. They are told as left out.
pub async fn import(
    bag: &Bag,
    verified: &Verified,
    into: &dyn Vault,
    public_key_pem: Option<&str>,
    progress: Option<&(dyn Fn(u64) + Sync)>,
) -> Result<Imported, ImportError> {
    let faulty = verified
        .checked
        .iter()
        .find_map(|checked| match &checked.verdict {
            vault::Verdict::Bad(why) => Some((&checked.key, why)),
            _ => None,
        });
    if let Some((file, why)) = faulty {
        return Err(ImportError::Unsound {
            file: evidence::shown(file, 300),
            why: evidence::shown(why, 300),
        });
    }
    let (Some(case), Some(id)) = (&verified.case, &verified.case_id) else {
        return Err(ImportError::Unsound {
            file: crate::names::INFO.to_owned(),
            why: "it does not say which case this is".to_owned(),
        });
    };
    let mut importing = Importing {
        bag,
        into,
        progress,
        stored: 0,
        there_already: 0,
        size_bytes: 0,
    };
    let (exhibits, sealing) = parts(bag, id, case).await?;
    for (key, media_type) in &exhibits {
        importing.put(key, media_type).await?;
    }
    // The envelope of each manifest comes last: its presence means sealed.
    for (key, media_type) in &sealing {
        importing.put(key, media_type).await?;
    }
    let Importing {
        stored,
        there_already,
        size_bytes,
        ..
    } = importing;
    let taken: BTreeSet<&str> = exhibits
        .keys()
        .map(String::as_str)
        .chain(sealing.iter().map(|(key, _)| key.as_str()))
        .collect();
    let left_out = bag.list("", usize::MAX).await?;
    let left_out = left_out
        .into_iter()
        .filter(|key| !taken.contains(key.as_str()));
    let terms = Terms {
        public_key_pem,
        progress,
        ..Terms::default()
    };
    Ok(Imported {
        case_id: id.clone(),
        stored,
        there_already,
        size_bytes,
        left_out: left_out.collect(),
        case: vault::check_on(into, id, terms).await,
    })
}

/// Keys with their media types: exhibits in any order, then what seals, in the order of sealing.
async fn parts(
    bag: &Bag,
    id: &CaseId,
    case: &Report,
) -> Result<(BTreeMap<String, String>, Vec<(String, &'static str)>), ImportError> {
    let (mut exhibits, mut sealing) = (BTreeMap::new(), Vec::new());
    for key_id in &case.key_ids {
        sealing.push((keys::signer(id, key_id), "application/x-pem-file"));
    }
    let last = case.last.map_or(0, |(number, _)| number);
    for number in 0..=last {
        let manifest = manifest(bag, id, number).await?;
        for exhibit in manifest.exhibits() {
            exhibits.insert(exhibit.key.clone(), exhibit.media_type.clone());
        }
        sealing.extend([
            (keys::manifest(id, number), "application/json"),
            (keys::sums(id, number), "text/plain; charset=utf-8"),
            (keys::signature(id, number), "application/octet-stream"),
            (
                keys::envelope(id, number),
                "application/vnd.dsse.envelope.v1+json",
            ),
        ]);
    }
    // A manifest names keys; which ones of another vault are written is not its to say.
    let (own, examined) = (keys::case(id), format!("examinations/{id}/"));
    for key in exhibits.keys() {
        let is_evidence = [own.as_str(), &examined, "content/"];
        if !is_evidence.iter().any(|folder| key.starts_with(folder)) {
            return Err(ImportError::Unreadable {
                key: evidence::shown(key, 300),
                why: "it is no place of evidence of this case".to_owned(),
            });
        }
    }
    Ok((exhibits, sealing))
}

async fn manifest(bag: &Bag, id: &CaseId, number: u32) -> Result<Manifest, ImportError> {
    let key = keys::envelope(id, number);
    let bytes = bag.get(&key).await?;
    match SealedCase::read(&bytes) {
        Ok(sealed) => Ok(sealed.manifest().clone()),
        Err(error) => Err(ImportError::Unreadable {
            key,
            why: evidence::shown(&error.to_string(), 300),
        }),
    }
}

struct Importing<'a> {
    bag: &'a Bag,
    into: &'a dyn Vault,
    progress: Option<&'a (dyn Fn(u64) + Sync)>,
    stored: u64,
    there_already: u64,
    size_bytes: u64,
}

impl Importing<'_> {
    async fn put(&mut self, key: &str, media_type: &str) -> Result<(), ImportError> {
        let digest = key.strip_prefix("content/").map(str::parse::<Sha256Digest>);
        let receipt = match digest {
            Some(Ok(sha256)) => {
                let content = Content {
                    bag: self.bag,
                    key: key.to_owned(),
                    sha256,
                    media_type: media_type.to_owned(),
                };
                self.into.put_content(&content, u64::MAX).await?
            }
            _ => {
                let bytes = self.bag.get(key).await?;
                self.into.put_once(key, bytes, media_type).await?
            }
        };
        if receipt.key != key {
            return Err(ImportError::Unreadable {
                key: key.to_owned(),
                why: "it changed after it was verified".to_owned(),
            });
        }
        match receipt.newly_stored {
            true => self.stored += 1,
            false => self.there_already += 1,
        }
        self.size_bytes += receipt.size_bytes;
        if let Some(progress) = self.progress {
            progress(receipt.size_bytes);
        }
        Ok(())
    }
}

/// A package of the bag.
struct Content<'a> {
    bag: &'a Bag,
    key: String,
    sha256: Sha256Digest,
    media_type: String,
}

#[async_trait]
impl Source for Content<'_> {
    fn expected(&self) -> Option<Sha256Digest> {
        Some(self.sha256)
    }

    fn media_type(&self) -> &str {
        &self.media_type
    }

    async fn open(&self) -> Result<Opened, SourceError> {
        let opened = Vault::open(self.bag, &self.key).await;
        opened.map_err(|error| SourceError::Failed(error.to_string()))
    }
}
