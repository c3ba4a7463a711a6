//! What the case says: its manifests in order, and its exhibits, each checked against its digest.

use crate::ExamineError;
use bytes::Bytes;
use evidence::{
    CaseId, Confidence, Exhibit, Finding, Manifest, Proof, Severity, Sha256Digest, keys, shown,
};
use serde_json::Value;
use snapshot::{Content, Document, Piece};
use vault::{SealError, Vault, VaultError};

/// The most addenda that are read.
const MOST_ADDENDA: u32 = 1000;
/// The most documents that are held at a time, and the most bytes of them.
const MOST_DOCUMENTS: usize = 3_000;
const MOST_DOCUMENT_BYTES: u64 = 96 * 1024 * 1024;

/// A sealed case with every addendum that is sealed by now.
pub(crate) struct Case {
    /// In the order of their numbers; the first one is the case itself.
    pub(crate) manifests: Vec<Manifest>,
    /// What does not fit together.
    pub(crate) findings: Vec<Finding>,
}

impl Case {
    /// Reads the case's chain. Whose signature it is, is the verifier's part: here it is only that
    /// each link carries the digest of the one before.
    pub(crate) async fn read(vault: &dyn Vault, id: &CaseId) -> Result<Self, ExamineError> {
        let Some(first) = vault::sealed(vault, id, 0).await? else {
            return Err(ExamineError::NoCase(id.clone()));
        };
        let mut before = first.manifest_sha256();
        let mut case = Self {
            manifests: vec![first.manifest().clone()],
            findings: Vec::new(),
        };
        for sequence in 1..MOST_ADDENDA {
            match vault::sealed(vault, id, sequence).await {
                Ok(None) => break,
                Ok(Some(addendum)) => {
                    if addendum.manifest().previous_sha256 != Some(before) {
                        case.findings.push(altered(
                            &keys::envelope(id, sequence),
                            format!("Addendum {sequence} does not carry the digest of the manifest before it"),
                        ));
                    }
                    before = addendum.manifest_sha256();
                    case.manifests.push(addendum.manifest().clone());
                }
                Err(SealError::Vault(error)) => return Err(error.into()),
                Err(error) => {
                    case.findings.push(altered(
                        &keys::envelope(id, sequence),
                        shown(&format!("Addendum {sequence} cannot be read: {error}"), 400),
                    ));
                    break;
                }
            }
        }
        Ok(case)
    }

    /// The case itself.
    pub(crate) fn first(&self) -> &Manifest {
        // There is always one: nothing else makes a case.
        &self.manifests[0]
    }

    /// Whether the case says so already.
    pub(crate) fn says(&self, finding: &Finding) -> bool {
        self.manifests
            .iter()
            .flat_map(|manifest| &manifest.findings)
            .any(|known| {
                (&known.rule, known.proof.first()) == (&finding.rule, finding.proof.first())
            })
    }
}

/// What was read of a manifest's documents.
#[derive(Default)]
pub(crate) struct Pieces {
    /// One an acquisition.
    pub(crate) pieces: Vec<Piece>,
    /// What is not as it was sealed.
    pub(crate) findings: Vec<Finding>,
    /// What was not looked at.
    pub(crate) left_out: Vec<String>,
}

impl Pieces {
    /// Every acquisition of a manifest with its documents. What is large stays where it is and is
    /// named by its digest.
    pub(crate) async fn of(vault: &dyn Vault, manifest: &Manifest) -> Result<Self, VaultError> {
        let mut read = Self::default();
        let (mut documents, mut bytes_held) = (0_usize, 0_u64);
        let mut too_many = 0_u64;
        for acquisition in &manifest.acquisitions {
            let mut piece = Piece {
                request: acquisition.request.clone(),
                result: acquisition.result.clone(),
                documents: Vec::new(),
                contents: Vec::new(),
            };
            for exhibit in &acquisition.exhibits {
                if is_content(exhibit) {
                    piece.contents.push(Content::from(exhibit));
                    continue;
                }
                if exhibit.media_type != "application/json" {
                    continue;
                }
                if documents >= MOST_DOCUMENTS
                    || bytes_held.saturating_add(exhibit.size_bytes) > MOST_DOCUMENT_BYTES
                {
                    too_many += 1;
                    continue;
                }
                match exhibit_bytes(vault, exhibit).await? {
                    Ok(bytes) => match serde_json::from_slice::<Value>(&bytes) {
                        Ok(json) => {
                            documents += 1;
                            bytes_held += exhibit.size_bytes;
                            piece.documents.push(Document {
                                name: exhibit.name.clone(),
                                json,
                            });
                        }
                        Err(_) => read
                            .left_out
                            .push(format!("{} is no JSON", shown(&exhibit.name, 100))),
                    },
                    Err(fault) => {
                        read.left_out
                            .push(format!("{}: {fault}", shown(&exhibit.name, 100)));
                        read.findings.extend(fault.finding(&exhibit.name));
                    }
                }
            }
            read.pieces.push(piece);
        }
        if too_many > 0 {
            read.left_out.push(format!(
                "{too_many} documents: a case is read up to {MOST_DOCUMENTS} documents and \
                 {MOST_DOCUMENT_BYTES} bytes of them"
            ));
        }
        Ok(read)
    }
}

/// Whether an exhibit is a package, a layer, an image's blob: kept once, by its digest.
pub(crate) fn is_content(exhibit: &Exhibit) -> bool {
    exhibit.key == keys::content(&exhibit.sha256)
}

/// Why an exhibit cannot be looked at.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Fault {
    /// It is not there any more.
    #[error("it is not in the vault")]
    Missing,
    /// It is not what was sealed.
    #[error("its bytes are not those that were sealed (SHA-256 {0})")]
    Altered(Sha256Digest),
    /// It is larger than what is looked at.
    #[error("it has more than {0} bytes")]
    TooLarge(u64),
    /// There was no time left to read it.
    #[error("the time was up before it was read")]
    OutOfTime,
    /// It did not fit beside what is being examined.
    #[error("it could not be laid down to be examined: {0}")]
    NoSpace(String),
}

impl Fault {
    /// What follows from it for the evidence itself.
    pub(crate) fn finding(&self, name: &str) -> Option<Finding> {
        let what = match self {
            Self::Missing => "is missing from the vault",
            Self::Altered(_) => "is not what was sealed: its digest is another one",
            Self::TooLarge(_) | Self::OutOfTime | Self::NoSpace(_) => return None,
        };
        Some(altered(
            name,
            format!("The exhibit {} {what}", shown(name, 200)),
        ))
    }
}

fn altered(exhibit: &str, statement: String) -> Finding {
    Finding {
        rule: "evidence-altered".to_owned(),
        statement,
        severity: Severity::Critical,
        confidence: Confidence::High,
        // Indicator Removal.
        technique: Some("T1070".to_owned()),
        advice: Some(
            "Verify the case with its public key, and look in the bucket's own trail for who wrote there."
                .to_owned(),
        ),
        proof: vec![Proof {
            exhibit: shown(exhibit, 200),
            path: None,
            line: None,
            excerpt: None,
        }],
    }
}

/// A small exhibit's bytes, if they are those that were sealed.
pub(crate) async fn exhibit_bytes(
    vault: &dyn Vault,
    exhibit: &Exhibit,
) -> Result<Result<Bytes, Fault>, VaultError> {
    let bytes = match vault.get(&exhibit.key).await {
        Ok(bytes) => bytes,
        Err(VaultError::NotFound { .. } | VaultError::BadKey { .. }) => {
            return Ok(Err(Fault::Missing));
        }
        Err(VaultError::TooLarge { limit_bytes, .. }) => {
            return Ok(Err(Fault::TooLarge(limit_bytes)));
        }
        Err(error) => return Err(error),
    };
    let found = Sha256Digest::of(&bytes);
    if found != exhibit.sha256 {
        return Ok(Err(Fault::Altered(found)));
    }
    Ok(Ok(bytes))
}
