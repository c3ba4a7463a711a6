//! Whether a bag is whole and its case what was sealed: every file, every digest, every signature.

use crate::names::{DATA, DECLARATION, HOW_TO, INFO, MANIFEST, TAG_MANIFEST};
use crate::read::Bag;
use crate::tags::{self, Info, MOST_BYTES, Sums};
use evidence::{CaseId, Sha256Digest};
use std::collections::{BTreeMap, BTreeSet};
use vault::{Checked, Report, Terms, Verdict};

/// What was seen of a bag, in the order in which it was looked at.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Verified {
    /// The case, as the bag says; none if it does not.
    pub case_id: Option<CaseId>,
    /// Each thing that was checked; the keys are the files of the bag.
    pub checked: Vec<Checked>,
    /// What was seen of the sealed case, by the keys of its vault; none if the bag does not say which
    /// case it holds.
    pub case: Option<Report>,
    /// What `bag-info.txt` says, in its order.
    pub info: Vec<(String, String)>,
    /// SHA-256 of `tagmanifest-sha256.txt`: stands for the whole bag.
    pub bag_sha256: Option<Sha256Digest>,
    /// How many files `data/` has.
    pub payload_files: u64,
    /// Their bytes in all.
    pub payload_bytes: u64,
}

impl Verified {
    /// Whether everything is as it was exported and sealed.
    pub fn is_sound(&self) -> bool {
        let is_bad = |checked: &Checked| matches!(checked.verdict, Verdict::Bad(_));
        !self.checked.iter().any(is_bad)
    }
}

/// Verifies a bag, and the case in it, with nothing but the bag and the public key. Memory does not grow
/// with the evidence.
///
/// Without `public_key_pem` the key in the bag is used: that shows that the case fits together, not who
/// sealed it. `progress` is told how many bytes more were read, of the payload.
///
/// What nothing inside a bag can show: that somebody took a last addendum away and wrote the files about
/// the files anew. Whoever has the digest of the whole bag from elsewhere sees that.
pub async fn verify(
    bag: &Bag,
    public_key_pem: Option<&str>,
    progress: Option<&(dyn Fn(u64) + Sync)>,
) -> Verified {
    let mut verifying = Verifying {
        bag,
        progress,
        checked: Vec::new(),
        measured: BTreeMap::new(),
    };
    for (name, why) in &bag.faults {
        verifying.push(name, "name", Verdict::Bad(why.clone()));
    }
    let bag_sha256 = verifying.tags();
    verifying.payload();
    let info = verifying.info();
    let case_id = info.get(labels::CASE).and_then(|id| id.parse().ok());
    let mut case = None;
    match &case_id {
        Some(id) => case = Some(verifying.case(id, public_key_pem, &info).await),
        None => verifying.bad(INFO, labels::CASE, "it does not say which case this is"),
    }
    let payload = bag.files().filter(|(name, _)| name.starts_with(DATA));
    let payload_files = payload.count() as u64;
    Verified {
        case_id,
        checked: verifying.checked,
        case,
        info: info.0,
        bag_sha256,
        payload_files,
        payload_bytes: bag.payload_bytes(),
    }
}

/// The labels of `bag-info.txt` that are read again.
pub(crate) mod labels {
    pub(crate) const CASE: &str = "External-Identifier";
    pub(crate) const OXUM: &str = "Payload-Oxum";
    pub(crate) const LAST: &str = "Coldcase-Last-Manifest";
}

/// The files that every bag of ours has beside its payload.
const TAGS: [&str; 4] = [DECLARATION, INFO, HOW_TO, MANIFEST];

struct Verifying<'a> {
    bag: &'a Bag,
    progress: Option<&'a (dyn Fn(u64) + Sync)>,
    checked: Vec<Checked>,
    /// By the vault's keys.
    measured: BTreeMap<String, (Sha256Digest, u64)>,
}

impl Verifying<'_> {
    /// The files about the files, against the digests of theirs. SHA-256 of the last of them.
    fn tags(&mut self) -> Option<Sha256Digest> {
        let bytes = match self.bag.small(TAG_MANIFEST, MOST_BYTES) {
            Ok(bytes) => bytes,
            Err(why) => {
                self.bad(TAG_MANIFEST, "file", why);
                return None;
            }
        };
        let (sums, faults) = Sums::read(&bytes, |path| {
            !path.starts_with(DATA) && path != TAG_MANIFEST
        });
        self.form(TAG_MANIFEST, faults);
        for wanted in TAGS {
            if !sums.0.contains_key(wanted) {
                let why = format!("it does not list {wanted}");
                self.bad(TAG_MANIFEST, "list", why);
            }
        }
        self.compare(&sums, TAG_MANIFEST);
        let files: Vec<String> = self.bag.files().map(|(name, _)| name.to_owned()).collect();
        for name in files {
            let is_tag = !name.starts_with(DATA) && name != TAG_MANIFEST;
            if is_tag && !sums.0.contains_key(&name) {
                self.bad(&name, "list", format!("{TAG_MANIFEST} does not list it"));
            }
        }
        match self.bag.small(DECLARATION, MOST_BYTES) {
            Ok(bytes) if bytes == tags::DECLARATION.as_bytes() => {
                self.push(DECLARATION, "form", Verdict::Good);
            }
            Ok(_) => self.bad(
                DECLARATION,
                "form",
                "it does not declare BagIt 1.0 in UTF-8",
            ),
            // Said above.
            Err(_) => {}
        }
        Some(Sha256Digest::of(&bytes))
    }

    /// The payload, against its manifest.
    fn payload(&mut self) {
        let bytes = match self.bag.small(MANIFEST, MOST_BYTES) {
            Ok(bytes) => bytes,
            Err(why) => return self.bad(MANIFEST, "file", why),
        };
        let (sums, faults) = Sums::read(&bytes, |path| path.starts_with(DATA));
        self.form(MANIFEST, faults);
        self.compare(&sums, MANIFEST);
        let files = self.bag.files().map(|(name, _)| name);
        let added: Vec<String> = files
            .filter(|name| name.starts_with(DATA) && !sums.0.contains_key(*name))
            .map(str::to_owned)
            .collect();
        for name in added {
            self.bad(&name, "list", format!("{MANIFEST} does not list it"));
        }
    }

    /// Reads every file that `sums` lists and compares.
    fn compare(&mut self, sums: &Sums, manifest: &'static str) {
        for (path, wanted) in &sums.0 {
            let key = path.strip_prefix(DATA);
            let progress = self.progress.filter(|_| key.is_some());
            match self.bag.measure(path, progress) {
                Ok(Some((found, size_bytes))) => {
                    if let Some(key) = key {
                        self.measured.insert(key.to_owned(), (found, size_bytes));
                    }
                    if found == *wanted {
                        self.push(path, "digest", Verdict::Good);
                    } else {
                        let why = format!("{found} instead of {wanted}, which {manifest} lists");
                        self.bad(path, "digest", why);
                    }
                }
                Ok(None) => self.bad(path, "file", format!("missing; {manifest} lists it")),
                Err(error) => self.bad(path, "file", error.to_string()),
            }
        }
    }

    fn info(&mut self) -> Info {
        let bytes = match self.bag.small(INFO, MOST_BYTES) {
            Ok(bytes) => bytes,
            Err(why) => {
                self.bad(INFO, "file", why);
                return Info::default();
            }
        };
        let (info, faults) = Info::read(&bytes);
        self.form(INFO, faults);
        let files = self.bag.files().filter(|(name, _)| name.starts_with(DATA));
        let found = format!("{}.{}", self.bag.payload_bytes(), files.count());
        match info.get(labels::OXUM) {
            Some(wanted) if wanted == found => self.push(INFO, labels::OXUM, Verdict::Good),
            Some(wanted) => {
                let wanted = evidence::shown(wanted, 60);
                self.bad(
                    INFO,
                    labels::OXUM,
                    format!("it says {wanted}, and there is {found}"),
                );
            }
            None => self.bad(INFO, labels::OXUM, "it does not say how much there is"),
        }
        info
    }

    /// The sealed case itself.
    async fn case(&mut self, id: &CaseId, public_key_pem: Option<&str>, info: &Info) -> Report {
        let terms = Terms {
            public_key_pem,
            // Every exhibit was read just now.
            measured: std::mem::take(&mut self.measured),
            progress: None,
        };
        let report = vault::check_on(self.bag, id, terms).await;
        for checked in &report.checked {
            self.checked.push(Checked {
                key: format!("{DATA}{}", checked.key),
                ..checked.clone()
            });
        }
        self.last(&report, info);
        self.beside(id, &report);
        report
    }

    /// Whether the chain is as long as it was.
    fn last(&mut self, report: &Report, info: &Info) {
        let found = report.last.map(|(number, sha256)| last_of(number, sha256));
        match (info.get(labels::LAST), found) {
            (Some(wanted), Some(found)) if wanted == found => {
                self.push(INFO, labels::LAST, Verdict::Good);
            }
            (Some(wanted), found) => {
                let wanted = evidence::shown(wanted, 120);
                let found = found.unwrap_or_else(|| "none".to_owned());
                let why = format!("it says {wanted}, and the last one here is {found}");
                self.bad(INFO, labels::LAST, why);
            }
            (None, _) => self.bad(
                INFO,
                labels::LAST,
                "it does not say which manifest is the last",
            ),
        }
    }

    /// What lies in the bag and belongs to nothing that is sealed.
    fn beside(&mut self, id: &CaseId, report: &Report) {
        let known: BTreeSet<&str> = report.checked.iter().map(|one| one.key.as_str()).collect();
        let (reports, examinations) = (evidence::keys::reports(id), format!("examinations/{id}/"));
        let (mut reported, mut noted) = (0, 0);
        let names: Vec<String> = self.bag.files().map(|(name, _)| name.to_owned()).collect();
        for name in names {
            let Some(key) = name.strip_prefix(DATA) else {
                continue;
            };
            if known.contains(key) || report.sealed.contains(key) {
                continue;
            }
            if key.starts_with(&reports) {
                reported += 1;
            } else if key.starts_with(&examinations) {
                noted += 1;
            } else {
                let why = "nothing that is sealed refers to it".to_owned();
                self.push(&name, "membership", Verdict::Note(why));
            }
        }
        // Every bag has these: told by the folder.
        for (folder, many, what) in [
            (
                reports,
                reported,
                "reports: made of what is sealed, and not sealed themselves",
            ),
            (
                examinations,
                noted,
                "notes of examinations: no sealed manifest lists them",
            ),
        ] {
            if many > 0 {
                let why = format!("{many} {what}");
                self.push(&format!("{DATA}{folder}"), "membership", Verdict::Note(why));
            }
        }
    }

    fn form(&mut self, name: &str, faults: Vec<String>) {
        if faults.is_empty() {
            self.push(name, "form", Verdict::Good);
        }
        for fault in faults {
            self.bad(name, "form", fault);
        }
    }

    fn bad(&mut self, name: &str, what: &'static str, why: impl Into<String>) {
        self.push(name, what, Verdict::Bad(why.into()));
    }

    fn push(&mut self, name: &str, what: &'static str, verdict: Verdict) {
        self.checked.push(Checked {
            key: name.to_owned(),
            what,
            verdict,
        });
    }
}

/// A manifest's number and digest, as `bag-info.txt` names the last one.
pub(crate) fn last_of(number: u32, sha256: Sha256Digest) -> String {
    format!("{number:04} {sha256}")
}
