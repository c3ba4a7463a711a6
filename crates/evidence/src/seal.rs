//! The seal: an in-toto statement about the exhibits, signed as a DSSE envelope.
//!
//! Sources: in-toto Statement v1, DSSE v1 (`PAE`), both under the in-toto and secure-systems-lab
//! attestation specifications.

use crate::digest::Sha256Digest;
use crate::manifest::Manifest;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::{Deserialize, Serialize};

/// The envelope's `payloadType`.
pub const PAYLOAD_TYPE: &str = "application/vnd.in-toto+json";
/// The statement's `_type`.
pub const STATEMENT_TYPE: &str = "https://in-toto.io/Statement/v1";
/// The statement's `predicateType`.
const PREDICATE_TYPE: &str = "https://coldcase.dev/manifest/v1";

/// An in-toto statement whose predicate is the manifest.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Statement {
    #[serde(rename = "_type")]
    kind: String,
    subject: Vec<Subject>,
    #[serde(rename = "predicateType")]
    predicate_type: String,
    pub(crate) predicate: Manifest,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Subject {
    name: String,
    digest: SubjectDigest,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct SubjectDigest {
    sha256: Sha256Digest,
}

impl Statement {
    /// A statement about every exhibit of `manifest` and about the list of their digests.
    pub(crate) fn about(manifest: Manifest) -> Self {
        let sums = Subject {
            name: crate::keys::sums(&manifest.case_id, manifest.sequence),
            digest: SubjectDigest {
                sha256: Sha256Digest::of(sums(&manifest)),
            },
        };
        let exhibits = manifest.exhibits().map(|exhibit| Subject {
            name: exhibit.key.clone(),
            digest: SubjectDigest {
                sha256: exhibit.sha256,
            },
        });
        Self {
            kind: STATEMENT_TYPE.to_owned(),
            subject: std::iter::once(sums).chain(exhibits).collect(),
            predicate_type: PREDICATE_TYPE.to_owned(),
            predicate: manifest,
        }
    }

    /// Reads a statement and checks that its subjects are those of its manifest.
    pub(crate) fn read(bytes: &[u8]) -> Result<Self, BadSeal> {
        let statement: Self =
            serde_json::from_slice(bytes).map_err(|error| BadSeal::Statement(error.to_string()))?;
        if statement != Self::about(statement.predicate.clone()) {
            return Err(BadSeal::Statement(
                "its subjects are not the exhibits that its manifest lists".to_owned(),
            ));
        }
        Ok(statement)
    }
}

/// The digests of a manifest's exhibits, and of the manifest before it, as `sha256sum -c` reads
/// them in the case's own folder.
pub(crate) fn sums(manifest: &Manifest) -> String {
    let folder = crate::keys::case(&manifest.case_id);
    let mut lines: Vec<String> = manifest
        .exhibits()
        .map(|exhibit| {
            let path = match exhibit.key.strip_prefix(&folder) {
                Some(inside) => inside.to_owned(),
                None => format!("../../{}", exhibit.key),
            };
            format!("{}  {path}\n", exhibit.sha256)
        })
        .collect();
    if let (Some(previous), Some(sequence)) =
        (manifest.previous_sha256, manifest.sequence.checked_sub(1))
    {
        let key = crate::keys::manifest(&manifest.case_id, sequence);
        let name = key.strip_prefix(&folder).unwrap_or(&key);
        lines.push(format!("{previous}  {name}\n"));
    }
    lines.sort();
    lines.dedup();
    lines.concat()
}

/// The bytes that are signed: DSSE's pre-authentication encoding of `payload`.
pub fn pre_authentication(payload: &[u8]) -> Vec<u8> {
    let mut bytes = format!(
        "DSSEv1 {} {PAYLOAD_TYPE} {} ",
        PAYLOAD_TYPE.len(),
        payload.len()
    )
    .into_bytes();
    bytes.extend_from_slice(payload);
    bytes
}

/// An ECDSA P-256 signature over SHA-256 of the pre-authentication encoding.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Signature {
    /// SHA-256 of the signer's public key (SubjectPublicKeyInfo, DER), in hex.
    pub key_id: String,
    /// ASN.1 DER, as `openssl dgst -verify` takes it.
    pub der: Vec<u8>,
}

/// A DSSE envelope.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Envelope {
    payload: String,
    #[serde(rename = "payloadType")]
    payload_type: String,
    signatures: Vec<EnvelopeSignature>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct EnvelopeSignature {
    keyid: String,
    sig: String,
}

/// A manifest or an envelope that does not hold together.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum BadSeal {
    /// The envelope is no DSSE envelope of ours.
    #[error("the envelope cannot be read: {0}")]
    Envelope(String),
    /// The payload is no statement of ours.
    #[error("the manifest cannot be read: {0}")]
    Statement(String),
}

impl Envelope {
    pub(crate) fn new(payload: &[u8], signature: &Signature) -> Self {
        Self {
            payload: STANDARD.encode(payload),
            payload_type: PAYLOAD_TYPE.to_owned(),
            signatures: vec![EnvelopeSignature {
                keyid: signature.key_id.clone(),
                sig: STANDARD.encode(&signature.der),
            }],
        }
    }

    /// Reads an envelope; checks its form, not its signature.
    pub fn read(bytes: &[u8]) -> Result<Self, BadSeal> {
        let bad = |why: &str| BadSeal::Envelope(why.to_owned());
        let envelope: Self =
            serde_json::from_slice(bytes).map_err(|error| BadSeal::Envelope(error.to_string()))?;
        if envelope.payload_type != PAYLOAD_TYPE {
            return Err(bad("its payload type is not in-toto's"));
        }
        if envelope.signatures.len() != 1 {
            return Err(bad("it does not carry exactly one signature"));
        }
        Ok(envelope)
    }

    /// The signed statement, byte for byte `manifest-NNNN.json`.
    pub fn payload(&self) -> Result<Vec<u8>, BadSeal> {
        STANDARD
            .decode(&self.payload)
            .map_err(|error| BadSeal::Envelope(format!("payload: {error}")))
    }

    /// The signature.
    pub fn signature(&self) -> Result<Signature, BadSeal> {
        let signature = self
            .signatures
            .first()
            .ok_or_else(|| BadSeal::Envelope("no signature".to_owned()))?;
        Ok(Signature {
            key_id: signature.keyid.clone(),
            der: STANDARD
                .decode(&signature.sig)
                .map_err(|error| BadSeal::Envelope(format!("signature: {error}")))?,
        })
    }
}
