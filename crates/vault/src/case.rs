//! A sealed case with its addenda, and its exhibits, each checked against its digest when it is read.

use crate::seal::sealed_as;
use crate::{MOST_ADDENDA, SealError, Vault, VaultError, key_id_of, verify};
use bytes::Bytes;
use evidence::{
    CaseId, Confidence, Envelope, Exhibit, Finding, Manifest, Proof, Severity, Sha256Digest, keys,
    pre_authentication, shown,
};
use std::collections::HashMap;

/// A sealed case with every addendum that is sealed by now.
pub struct Case {
    /// In the order of their numbers; the first one is the case itself.
    pub manifests: Vec<Manifest>,
    /// Of each manifest, in the same order: what the next one carries.
    pub digests: Vec<Sha256Digest>,
    /// What does not fit together.
    pub findings: Vec<Finding>,
}

impl Case {
    /// Reads the case's chain: each link carries the digest of the one before, and a signature that fits
    /// it by the key that lies beside the case. Whose key that is, is the verifier's part.
    ///
    /// None if there is no sealed case of this id. A link or a signature that does not fit is a finding;
    /// an addendum that cannot be read as well, and the chain is told up to there. An error is what may be
    /// over when it is tried again, and a case whose own manifest cannot be read.
    pub async fn read(vault: &dyn Vault, id: &CaseId) -> Result<Option<Self>, SealError> {
        let Some((first, envelope)) = sealed_as(vault, id, 0).await? else {
            return Ok(None);
        };
        let mut before = first.manifest_sha256();
        let mut case = Self {
            manifests: vec![first.manifest().clone()],
            digests: vec![before],
            findings: Vec::new(),
        };
        let mut signers = Signers {
            vault,
            id,
            known: HashMap::new(),
        };
        case.findings.extend(signers.fault(0, &envelope).await?);
        for sequence in 1..MOST_ADDENDA {
            match sealed_as(vault, id, sequence).await {
                Ok(None) => break,
                Ok(Some((addendum, envelope))) => {
                    case.findings
                        .extend(signers.fault(sequence, &envelope).await?);
                    if addendum.manifest().previous_sha256 != Some(before) {
                        case.findings.push(altered(
                            &keys::envelope(id, sequence),
                            format!("Addendum {sequence} does not carry the digest of the manifest before it"),
                        ));
                    }
                    before = addendum.manifest_sha256();
                    case.digests.push(before);
                    case.manifests.push(addendum.manifest().clone());
                }
                Err(SealError::Vault(error)) if may_pass(&error) => return Err(error.into()),
                Err(error) => {
                    case.findings.push(altered(
                        &keys::envelope(id, sequence),
                        shown(&format!("Addendum {sequence} cannot be read: {error}"), 400),
                    ));
                    break;
                }
            }
        }
        Ok(Some(case))
    }

    /// The case itself.
    pub fn first(&self) -> &Manifest {
        // There is always one: nothing else makes a case.
        &self.manifests[0]
    }

    /// Whether the case says so already.
    pub fn says(&self, finding: &Finding) -> bool {
        self.manifests
            .iter()
            .flat_map(|manifest| &manifest.findings)
            .any(|known| {
                (&known.rule, known.proof.first()) == (&finding.rule, finding.proof.first())
            })
    }
}

/// Whether trying again may help: a service that is asked over a network. A file that is a folder or a
/// link stays one.
fn may_pass(error: &VaultError) -> bool {
    matches!(error, VaultError::Unavailable { call, .. } if call.starts_with("s3:"))
}

/// The keys that lie beside a case.
struct Signers<'a> {
    vault: &'a dyn Vault,
    id: &'a CaseId,
    /// By id: the key in PEM, or why there is none.
    known: HashMap<String, Result<String, String>>,
}

impl Signers<'_> {
    /// What is the matter with an envelope's signature; none if it fits.
    async fn fault(
        &mut self,
        sequence: u32,
        envelope: &[u8],
    ) -> Result<Option<Finding>, VaultError> {
        let opened = Envelope::read(envelope)
            .and_then(|envelope| Ok((envelope.payload()?, envelope.signature()?)));
        let why = match opened {
            Err(error) => error.to_string(),
            Ok((payload, signature)) => match self.key(&signature.key_id).await? {
                Err(why) => why.clone(),
                Ok(pem) => match verify(pem, &pre_authentication(&payload), &signature) {
                    Ok(()) => return Ok(None),
                    Err(error) => error.to_string(),
                },
            },
        };
        let what = match sequence {
            0 => "The case's own manifest".to_owned(),
            more => format!("Addendum {more}"),
        };
        Ok(Some(altered(
            &keys::envelope(self.id, sequence),
            shown(
                &format!(
                    "{what} is not what was signed, and nothing that it says can be relied on: {why}"
                ),
                400,
            ),
        )))
    }

    async fn key(&mut self, key_id: &str) -> Result<&Result<String, String>, VaultError> {
        if !self.known.contains_key(key_id) {
            let found = match self.vault.get(&keys::signer(self.id, key_id)).await {
                Ok(bytes) => {
                    let pem = String::from_utf8_lossy(&bytes).into_owned();
                    match key_id_of(&pem) {
                        Ok(found) if found == key_id => Ok(pem),
                        Ok(_) => Err("the key beside the case is another one".to_owned()),
                        Err(error) => Err(error.to_string()),
                    }
                }
                Err(error) if may_pass(&error) => return Err(error),
                Err(error) => Err(format!("the key beside the case cannot be read: {error}")),
            };
            self.known.insert(key_id.to_owned(), found);
        }
        Ok(&self.known[key_id])
    }
}

/// Whether an exhibit is a package, a layer, an image's blob: kept once, by its digest.
pub fn is_content(exhibit: &Exhibit) -> bool {
    exhibit.key == keys::content(&exhibit.sha256)
}

/// Why an exhibit cannot be looked at.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Fault {
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
    pub fn finding(&self, name: &str) -> Option<Finding> {
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

/// A small exhibit's bytes, if they are those that were sealed; else what is the matter with it.
pub async fn exhibit_bytes(
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
