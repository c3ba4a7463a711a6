//! Whether a case is what was sealed: every signature, every link of the chain, every byte.

use crate::signer::PublicPart;
use crate::{MOST_ADDENDA, Vault, VaultError, verify};
use evidence::{
    CaseId, Draft, Envelope, Exhibit, Sha256Digest, Signature, keys, pre_authentication,
};
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

/// The most files of one case that are looked at.
const MOST_FILES: usize = 100_000;

/// The most files of a baseline record that are looked at.
const MOST_CONTENTS: usize = 1_000;

/// What [`check`] saw, in the order in which it looked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Report {
    /// The case.
    pub case_id: CaseId,
    /// Each thing that was checked.
    pub checked: Vec<Checked>,
    /// The number of the last sealed manifest that is there, and its digest.
    pub last: Option<(u32, Sha256Digest)>,
    /// Ids of the keys that the manifests say they were signed with: SHA-256 of the public key.
    pub key_ids: BTreeSet<String>,
    /// The keys of everything that is sealed, sealing included.
    pub sealed: BTreeSet<String>,
    /// The keys of what the case was compared with: records of its function as good, their packages.
    pub compared: BTreeSet<String>,
    /// Digest and size of every exhibit and package that was read to its end, by key.
    pub measured: BTreeMap<String, (Sha256Digest, u64)>,
}

/// What a check may take for known, and whom it tells how far it is.
#[derive(Clone, Default)]
pub struct Terms<'a> {
    /// The public key that is trusted, in PEM. Without one the key that lies beside the case is used,
    /// which shows that the case fits together and not who sealed it, and the report says so.
    pub public_key_pem: Option<&'a str>,
    /// What was read to its end already, by key: large files need not be read twice.
    pub measured: BTreeMap<String, (Sha256Digest, u64)>,
    /// Told the size of every exhibit that is done, in bytes.
    pub progress: Option<&'a (dyn Fn(u64) + Sync)>,
}

/// One thing that was checked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Checked {
    /// Its key in the vault.
    pub key: String,
    /// What of it, in a few words: `signature`, `digest`, `chain`.
    pub what: &'static str,
    /// With which result.
    pub verdict: Verdict,
}

/// How a check ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// As it was sealed.
    Good,
    /// Not wrong, but worth saying.
    Note(String),
    /// Not as it was sealed, missing, or not readable.
    Bad(String),
}

impl Report {
    /// Whether everything is as it was sealed.
    pub fn is_sound(&self) -> bool {
        self.first_fault().is_none()
    }

    /// The first thing that is not.
    pub fn first_fault(&self) -> Option<&Checked> {
        self.checked
            .iter()
            .find(|checked| matches!(checked.verdict, Verdict::Bad(_)))
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for checked in &self.checked {
            writeln!(f, "{checked}")?;
        }
        Ok(())
    }
}

impl fmt::Display for Checked {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { key, what, verdict } = self;
        match verdict {
            Verdict::Good => write!(f, "good  {key}  {what}"),
            Verdict::Note(why) => write!(f, "note  {key}  {what}: {why}"),
            Verdict::Bad(why) => write!(f, "BAD   {key}  {what}: {why}"),
        }
    }
}

/// Verifies a whole case, addenda included, in any vault, with nothing but what is in it and the
/// public key. Memory does not grow with the evidence.
///
/// Without `public_key_pem` the key that lies beside the case is used: that shows that the case
/// fits together, not who sealed it, and the report says so.
///
/// What nothing inside a vault can show: that a whole last addendum was taken away.
pub async fn check(vault: &dyn Vault, id: &CaseId, public_key_pem: Option<&str>) -> Report {
    let terms = Terms {
        public_key_pem,
        ..Terms::default()
    };
    check_on(vault, id, terms).await
}

/// The same as [`check`], on terms.
pub async fn check_on(vault: &dyn Vault, id: &CaseId, terms: Terms<'_>) -> Report {
    let mut check = Check {
        vault,
        id,
        trusted: terms.public_key_pem,
        progress: terms.progress,
        accounted: BTreeSet::new(),
        bases: BTreeSet::new(),
        beside: BTreeMap::new(),
        report: Report {
            case_id: id.clone(),
            checked: Vec::new(),
            last: None,
            key_ids: BTreeSet::new(),
            sealed: BTreeSet::new(),
            compared: BTreeSet::new(),
            measured: terms.measured,
        },
    };
    check.all().await;
    check.report
}

/// What an examination calls the source of a comparison, before the record's key.
const COMPARED: &str = "coldcase: the case beside ";

struct Check<'a> {
    vault: &'a dyn Vault,
    id: &'a CaseId,
    trusted: Option<&'a str>,
    progress: Option<&'a (dyn Fn(u64) + Sync)>,
    /// The files that are told of already.
    accounted: BTreeSet<String>,
    /// The records that the case was compared with.
    bases: BTreeSet<String>,
    /// The keys beside the case in PEM, by the ids that envelopes name; none if it is none.
    beside: BTreeMap<String, Option<String>>,
    report: Report,
}

impl Check<'_> {
    async fn all(&mut self) {
        let folder = keys::case(self.id);
        let files = match self.vault.list(&folder, MOST_FILES).await {
            Ok(files) => files,
            Err(error) => return self.bad(&folder, "list", error),
        };
        let (sealed, unsealed) = self.sequences(&files);
        if sealed.is_empty() {
            self.bad(&keys::envelope(self.id, 0), "envelope", "not sealed");
        }
        let mut previous = None;
        let mut next = 0;
        for sequence in sealed {
            while next < sequence {
                self.bad(&keys::envelope(self.id, next), "envelope", "missing");
                (next, previous) = (next + 1, None);
            }
            previous = self.sealed(sequence, previous).await;
            next = sequence + 1;
        }
        for sequence in unsealed {
            let key = keys::envelope(self.id, sequence);
            self.note(&key, "envelope", "begun, but not sealed (yet?)");
            for part in [keys::manifest, keys::sums, keys::signature] {
                self.accounted.insert(part(self.id, sequence));
            }
        }
        for base in std::mem::take(&mut self.bases) {
            self.base(&base).await;
        }
        let notified = keys::notified(self.id);
        for file in files {
            if self.accounted.contains(&file) {
                continue;
            }
            let why = if file == notified {
                "not sealed: it only says that somebody was told of the case"
            } else {
                "no sealed manifest lists it"
            };
            self.note(&file, "membership", why);
        }
    }

    /// Checks what the case was compared with, as far as that can be checked: the packages of the record
    /// are kept by their digests, its own words are not sealed in the case.
    async fn base(&mut self, key: &str) {
        #[derive(serde::Deserialize)]
        struct Record {
            pieces: Vec<Piece>,
        }
        #[derive(serde::Deserialize)]
        struct Piece {
            #[serde(default)]
            contents: Vec<Content>,
        }
        #[derive(serde::Deserialize)]
        struct Content {
            key: String,
            sha256: Sha256Digest,
            size_bytes: u64,
        }
        let bytes = match self.vault.get(key).await {
            Ok(bytes) => bytes,
            Err(VaultError::NotFound { .. }) => {
                return self.note(
                    key,
                    "record as good",
                    "the case was compared with it, and it is not here",
                );
            }
            Err(error) => return self.bad(key, "record as good", error),
        };
        let record: Record = match serde_json::from_slice(&bytes) {
            Ok(record) => record,
            Err(error) => return self.bad(key, "record as good", error),
        };
        self.report.compared.insert(key.to_owned());
        self.note(
            key,
            "record as good",
            "the case was compared with it; what it says is not sealed in the case",
        );
        let contents = record.pieces.into_iter().flat_map(|piece| piece.contents);
        for content in contents.take(MOST_CONTENTS) {
            if content.key != keys::content(&content.sha256) {
                self.bad(key, "record as good", "it names a package that is none");
                continue;
            }
            if !self.accounted.insert(content.key.clone()) {
                continue;
            }
            if !self.vault.holds(&content.key).await.unwrap_or(true) {
                self.note(
                    &content.key,
                    "digest",
                    "the case was compared with it, and it is not here",
                );
                continue;
            }
            self.report.compared.insert(content.key.clone());
            self.measure(&content.key, content.sha256, content.size_bytes)
                .await;
        }
    }

    /// The numbers that have an envelope, and those that have only a manifest.
    fn sequences(&self, files: &[String]) -> (BTreeSet<u32>, BTreeSet<u32>) {
        let numbers = |of: fn(&CaseId, u32) -> String| -> BTreeSet<u32> {
            files
                .iter()
                .filter_map(|file| {
                    let (_, name) = file.rsplit_once("/manifest-")?;
                    let number = name.split_once('.')?.0.parse().ok()?;
                    // No case has more: a file of such a name is none of its manifests.
                    (number < MOST_ADDENDA && of(self.id, number) == *file).then_some(number)
                })
                .collect()
        };
        let sealed = numbers(keys::envelope);
        let unsealed = &numbers(keys::manifest) - &sealed;
        (sealed, unsealed)
    }

    /// Checks one manifest with everything that it lists; its digest, for the next link.
    async fn sealed(
        &mut self,
        sequence: u32,
        previous: Option<Sha256Digest>,
    ) -> Option<Sha256Digest> {
        let (payload, signature) = self.envelope(sequence).await?;
        let digest = Sha256Digest::of(&payload);
        self.report.last = Some((sequence, digest));
        let manifest_key = keys::manifest(self.id, sequence);
        self.file_is(&manifest_key, "same as in the envelope", &payload)
            .await;
        self.file_is(
            &keys::signature(self.id, sequence),
            "same as in the envelope",
            &signature.der,
        )
        .await;
        let draft = match Draft::adopt(payload) {
            Ok(draft) => draft,
            Err(error) => {
                self.bad(&manifest_key, "form", error);
                return Some(digest);
            }
        };
        // A reader of JSON or base64 forgives what a byte for byte copy does not.
        let key = keys::envelope(self.id, sequence);
        match draft.envelope(&signature) {
            Ok(wanted) => self.file_is(&key, "form", &wanted).await,
            Err(error) => self.bad(&key, "form", error),
        }
        let manifest = draft.manifest();
        if (&manifest.case_id, manifest.sequence) != (self.id, sequence) {
            let found = format!("it is number {} of {}", manifest.sequence, manifest.case_id);
            self.bad(&manifest_key, "place", found);
        } else if sequence > 0 && previous.is_none() {
            self.bad(&manifest_key, "chain", "the manifest before it is missing");
        } else if manifest.previous_sha256 != previous {
            self.bad(
                &manifest_key,
                "chain",
                "it does not carry the digest of the one before",
            );
        } else {
            self.good(&manifest_key, "chain");
        }
        self.file_is(
            &keys::sums(self.id, sequence),
            "digests",
            draft.sums().as_bytes(),
        )
        .await;
        for exhibit in manifest.exhibits() {
            self.exhibit(exhibit).await;
        }
        Some(digest)
    }

    /// Checks the envelope's signature; what it holds.
    async fn envelope(&mut self, sequence: u32) -> Option<(Vec<u8>, Signature)> {
        let key = keys::envelope(self.id, sequence);
        self.belongs(&key);
        let bytes = match self.vault.get(&key).await {
            Ok(bytes) => bytes,
            Err(error) => {
                self.bad(&key, "envelope", error);
                return None;
            }
        };
        let opened = Envelope::read(&bytes)
            .and_then(|envelope| Ok((envelope.payload()?, envelope.signature()?)));
        let (payload, signature) = match opened {
            Ok(opened) => opened,
            Err(error) => {
                self.bad(&key, "envelope", error);
                return None;
            }
        };
        self.report.key_ids.insert(signature.key_id.clone());
        let beside = self.key_beside(&signature.key_id).await;
        // Without any key there is nothing to verify with; that was said above.
        if let Some(pem) = self.trusted.or(beside.as_deref()) {
            match verify(pem, &pre_authentication(&payload), &signature) {
                Ok(()) => self.good(&key, "signature"),
                Err(error) => self.bad(&key, "signature", error),
            }
        }
        Some((payload, signature))
    }

    /// The key beside the case, looked at once, whatever it signed.
    async fn key_beside(&mut self, key_id: &str) -> Option<String> {
        if let Some(known) = self.beside.get(key_id) {
            return known.clone();
        }
        let pem = self.look_beside(key_id).await;
        self.beside.insert(key_id.to_owned(), pem.clone());
        pem
    }

    /// It has to be the one that its name says.
    async fn look_beside(&mut self, key_id: &str) -> Option<String> {
        let key = keys::signer(self.id, key_id);
        self.belongs(&key);
        let bytes = match self.vault.get(&key).await {
            Ok(bytes) => bytes,
            Err(error) => {
                self.bad(&key, "key", error);
                return None;
            }
        };
        match PublicPart::read(&String::from_utf8_lossy(&bytes)) {
            Ok(public) if public.key_id == key_id && bytes == public.pem => {
                match self.trusted {
                    Some(_) => self.good(&key, "key"),
                    None => self.note(
                        &key,
                        "key",
                        "taken from the case itself: shows that it fits together, not who sealed it",
                    ),
                }
                Some(public.pem)
            }
            Ok(public) => {
                let found = format!("it is another one, or spelt differently: {}", public.key_id);
                self.bad(&key, "key", found);
                None
            }
            Err(error) => {
                self.bad(&key, "key", error);
                None
            }
        }
    }

    /// Compares a small file with what it has to hold.
    async fn file_is(&mut self, key: &str, what: &'static str, wanted: &[u8]) {
        self.belongs(key);
        match self.vault.get(key).await {
            Ok(bytes) if bytes == wanted => self.good(key, what),
            Ok(bytes) => {
                let same = bytes.iter().zip(wanted).take_while(|(a, b)| a == b).count();
                self.bad(key, what, format!("it differs from byte {same} on"));
            }
            Err(error) => self.bad(key, what, error),
        }
    }

    async fn exhibit(&mut self, exhibit: &Exhibit) {
        self.belongs(&exhibit.key);
        if let Some(base) = exhibit.source.strip_prefix(COMPARED)
            && base.starts_with("baselines/")
            && crate::is_key(base)
        {
            self.bases.insert(base.to_owned());
        }
        self.measure(&exhibit.key, exhibit.sha256, exhibit.size_bytes)
            .await;
    }

    /// Reads what is under a key to its end, once, and compares.
    async fn measure(&mut self, key: &str, sha256: Sha256Digest, size_bytes: u64) {
        let known = self.report.measured.get(key).copied();
        let measured = match known {
            Some(measured) => Ok(measured),
            None => {
                let measured = crate::measure(self.vault, key, size_bytes).await;
                if let Some(progress) = self.progress {
                    progress(size_bytes);
                }
                measured
            }
        };
        match measured {
            Ok((found, size)) => {
                self.report.measured.insert(key.to_owned(), (found, size));
                if (found, size) == (sha256, size_bytes) {
                    self.good(key, "digest");
                } else {
                    let found =
                        format!("{found} ({size} bytes) instead of {sha256} ({size_bytes} bytes)");
                    self.bad(key, "digest", found);
                }
            }
            Err(VaultError::TooLarge { .. }) => {
                self.bad(
                    key,
                    "digest",
                    format!("it is longer than {size_bytes} bytes"),
                );
            }
            Err(error) => self.bad(key, "digest", error),
        }
    }

    /// Takes a file for one of the sealed case's.
    fn belongs(&mut self, key: &str) {
        self.accounted.insert(key.to_owned());
        self.report.sealed.insert(key.to_owned());
    }

    fn good(&mut self, key: &str, what: &'static str) {
        self.push(key, what, Verdict::Good);
    }

    fn note(&mut self, key: &str, what: &'static str, why: &str) {
        self.push(key, what, Verdict::Note(why.to_owned()));
    }

    fn bad(&mut self, key: &str, what: &'static str, why: impl fmt::Display) {
        self.push(key, what, Verdict::Bad(why.to_string()));
    }

    fn push(&mut self, key: &str, what: &'static str, verdict: Verdict) {
        self.report.checked.push(Checked {
            key: key.to_owned(),
            what,
            verdict,
        });
    }
}
