//! The chain of manifests, each with the digest of the one before, and how to verify it by hand.

use evidence::{CaseId, Envelope, PAYLOAD_TYPE, Sha256Digest, keys, shown};
use jiff::Timestamp;
use serde::Serialize;
use vault::{Case, Vault, VaultError};

/// The manifests of a case.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Chain {
    /// In order; the first is the case itself.
    pub links: Vec<Link>,
    /// How to verify them, step by step.
    pub verify: Vec<Step>,
}

/// One manifest.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Link {
    /// 0 is the case itself, later numbers are addenda.
    pub sequence: u32,
    /// The digest of the manifest, which the next one carries.
    pub sha256: Sha256Digest,
    /// The digest that it carries of the one before.
    pub previous_sha256: Option<Sha256Digest>,
    /// Whether that is the digest of the one before.
    pub follows: bool,
    /// SHA-256 of the public key (DER) that the envelope names; none if the envelope cannot be read.
    /// Whether it signed is for the verifier to say.
    pub key_id: Option<String>,
    /// When it was drawn up.
    pub sealed_at: Timestamp,
    /// Which program sealed it, and as whom.
    pub responder: String,
    /// How many exhibits it lists.
    pub exhibits: usize,
    /// Its key in the vault.
    pub key: String,
}

/// One step on the way to certainty.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Step {
    /// What it shows.
    pub shows: String,
    /// The command, in a POSIX shell.
    pub command: String,
}

impl Chain {
    /// Of a case. Envelopes are read again for the key that each names.
    pub async fn read(vault: &dyn Vault, case: &Case) -> Result<Self, VaultError> {
        let mut links = Vec::new();
        let mut before = None;
        for (manifest, sha256) in case.manifests.iter().zip(&case.digests) {
            let responder = &manifest.responder;
            links.push(Link {
                sequence: manifest.sequence,
                sha256: *sha256,
                previous_sha256: manifest.previous_sha256,
                follows: manifest.previous_sha256 == before,
                key_id: key_id(vault, &manifest.case_id, manifest.sequence).await?,
                sealed_at: manifest.sealed_at,
                responder: shown(
                    &format!(
                        "{} {} as {}",
                        responder.program, responder.version, responder.identity
                    ),
                    300,
                ),
                exhibits: manifest.exhibits().count(),
                key: keys::manifest(&manifest.case_id, manifest.sequence),
            });
            before = Some(*sha256);
        }
        let last = links.last().map_or(0, |link| link.sequence);
        Ok(Self {
            verify: steps(&case.first().case_id, last),
            links,
        })
    }
}

async fn key_id(
    vault: &dyn Vault,
    id: &CaseId,
    sequence: u32,
) -> Result<Option<String>, VaultError> {
    let bytes = match vault.get(&keys::envelope(id, sequence)).await {
        Ok(bytes) => bytes,
        Err(VaultError::NotFound { .. } | VaultError::TooLarge { .. }) => return Ok(None),
        Err(error) => return Err(error),
    };
    let signature = Envelope::read(&bytes).and_then(|envelope| envelope.signature());
    Ok(signature.ok().map(|signature| shown(&signature.key_id, 64)))
}

/// A case's id is letters, digits, `-` and `_`: it can stand in a command as it is.
fn steps(id: &CaseId, last: u32) -> Vec<Step> {
    let step = |shows: &str, command: String| Step {
        shows: shows.to_owned(),
        command,
    };
    vec![
        step(
            "Everything at once, with coldcase: every signature, every link, every byte. Take the public key from KMS or from whom you trust, not from the case.",
            format!("coldcase verify {id}"),
        ),
        step(
            "Or by hand, with nothing of coldcase: copy the case out of its bucket, and fetch the key.",
            format!(
                "aws s3 sync s3://BUCKET/content content --quiet\n\
                 aws s3 sync s3://BUCKET/cases/{id} cases/{id} --quiet\n\
                 aws s3 sync s3://BUCKET/examinations/{id} examinations/{id} --quiet\n\
                 aws kms get-public-key --key-id SIGNING_KEY_ARN --query PublicKey --output text \\\n  \
                 | base64 --decode | openssl pkey -pubin -inform DER -out coldcase.pem\n\
                 cd cases/{id}"
            ),
        ),
        step(
            "Who says so: each line must read “Verified OK”.",
            format!(
                "for n in $(seq -f %04g 0 {last}); do\n  \
                 {{ printf 'DSSEv1 {} {PAYLOAD_TYPE} %d ' \"$(stat -c %s manifest-$n.json)\"; cat manifest-$n.json; }} \\\n    \
                 | openssl dgst -sha256 -verify ../../coldcase.pem -signature manifest-$n.sig\ndone",
                PAYLOAD_TYPE.len()
            ),
        ),
        step(
            "About what: each list of digests is named in its manifest, and every exhibit, and the manifest before, hashes to its digest.",
            format!(
                "for n in $(seq -f %04g 0 {last}); do\n  \
                 grep -q \"$(sha256sum manifest-$n.sha256 | cut -c1-64)\" manifest-$n.json \\\n    \
                 && sha256sum --quiet --check manifest-$n.sha256 && echo \"$n is whole\"\ndone"
            ),
        ),
    ]
}
