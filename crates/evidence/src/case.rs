//! The life of a case: open → draft → sealed, and from sealed to the next addendum.

use crate::acquisition::Acquisition;
use crate::canonical::canonical_json;
use crate::case_id::CaseId;
use crate::digest::Sha256Digest;
use crate::finding::{Finding, Verdict};
use crate::manifest::{CustodyAction, CustodyEntry, Manifest, Responder};
use crate::seal::{self, BadSeal, Envelope, Signature, Statement};
use crate::target::Target;
use crate::trigger::Trigger;
use jiff::Timestamp;

/// A case, or an addendum to one, while evidence is still coming in.
#[derive(Clone, Debug)]
pub struct OpenCase {
    manifest: Manifest,
}

impl OpenCase {
    /// Opens the case of `trigger` on `target`.
    pub fn open(
        trigger: Trigger,
        target: Target,
        responder: Responder,
        opened_at: Timestamp,
    ) -> Self {
        let opened = CustodyEntry {
            occurred_at: opened_at,
            who: responder.identity.clone(),
            action: CustodyAction::Opened,
        };
        Self {
            manifest: Manifest {
                case_id: CaseId::derive(&trigger, &target),
                sequence: 0,
                previous_sha256: None,
                trigger,
                target,
                responder,
                opened_at,
                sealed_at: opened_at,
                acquisitions: Vec::new(),
                findings: Vec::new(),
                verdict: None,
                custody: vec![opened],
            },
        }
    }

    /// The case's id.
    pub fn id(&self) -> &CaseId {
        &self.manifest.case_id
    }

    /// The case's target.
    pub fn target(&self) -> &Target {
        &self.manifest.target
    }

    /// Takes down what came of a request.
    pub fn record(&mut self, acquisition: Acquisition) {
        self.manifest.acquisitions.push(acquisition);
    }

    /// What has come in so far.
    pub fn acquisitions(&self) -> &[Acquisition] {
        &self.manifest.acquisitions
    }

    /// Takes down a finding.
    pub fn find(&mut self, finding: Finding) {
        self.manifest.findings.push(finding);
    }

    /// What has been noticed so far.
    pub fn findings(&self) -> &[Finding] {
        &self.manifest.findings
    }

    /// Says what the case comes to.
    pub fn conclude(&mut self, verdict: Verdict) {
        self.manifest.verdict = Some(verdict);
    }

    /// Takes down who did what.
    pub fn custody(&mut self, action: CustodyAction, occurred_at: Timestamp) {
        self.manifest.custody.push(CustodyEntry {
            occurred_at,
            who: self.manifest.responder.identity.clone(),
            action,
        });
    }

    /// Draws up the manifest: acquisitions most volatile first.
    pub fn draft(mut self, sealed_at: Timestamp) -> Result<Draft, BadSeal> {
        let exhibits = self.manifest.exhibits().count() as u64;
        let size_bytes = self.manifest.exhibits().map(|e| e.size_bytes).sum();
        if exhibits > 0 {
            self.custody(
                CustodyAction::EvidenceAcquired {
                    exhibits,
                    size_bytes,
                },
                sealed_at,
            );
        }
        self.manifest.sealed_at = sealed_at;
        self.manifest
            .acquisitions
            .sort_by(|a, b| a.request.cmp(&b.request));
        let statement = Statement::about(self.manifest);
        let bytes =
            canonical_json(&statement).map_err(|error| BadSeal::Statement(error.to_string()))?;
        Ok(Draft {
            manifest: statement.predicate,
            bytes,
        })
    }
}

/// A finished manifest that nobody has signed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Draft {
    manifest: Manifest,
    bytes: Vec<u8>,
}

impl Draft {
    /// Takes over a manifest that another attempt at the same case wrote: the first one written
    /// is the case's, whoever signs it.
    pub fn adopt(bytes: Vec<u8>) -> Result<Self, BadSeal> {
        let statement = Statement::read(&bytes)?;
        Ok(Self {
            manifest: statement.predicate,
            bytes,
        })
    }

    /// The manifest.
    pub fn manifest(&self) -> &Manifest {
        &self.manifest
    }

    /// The in-toto statement in canonical JSON: what `manifest-NNNN.json` holds.
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// What `manifest-NNNN.sha256` holds.
    pub fn sums(&self) -> String {
        seal::sums(&self.manifest)
    }

    /// What is to be signed.
    pub fn pre_authentication(&self) -> Vec<u8> {
        seal::pre_authentication(&self.bytes)
    }

    /// The envelope, once somebody has signed. The caller has verified the signature.
    pub fn envelope(&self, signature: &Signature) -> Result<Vec<u8>, BadSeal> {
        canonical_json(&Envelope::new(&self.bytes, signature))
            .map_err(|error| BadSeal::Envelope(error.to_string()))
    }
}

/// A case whose envelope is in the vault.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SealedCase {
    manifest: Manifest,
    manifest_sha256: Sha256Digest,
}

impl SealedCase {
    /// Reads a sealed case from its envelope. Checks its form; the signature is the verifier's part.
    pub fn read(envelope: &[u8]) -> Result<Self, BadSeal> {
        let bytes = Envelope::read(envelope)?.payload()?;
        let statement = Statement::read(&bytes)?;
        Ok(Self {
            manifest: statement.predicate,
            manifest_sha256: Sha256Digest::of(&bytes),
        })
    }

    /// The manifest.
    pub fn manifest(&self) -> &Manifest {
        &self.manifest
    }

    /// SHA-256 of `manifest-NNNN.json`: what the next addendum carries.
    pub fn manifest_sha256(&self) -> Sha256Digest {
        self.manifest_sha256
    }

    /// Opens the next addendum. It carries the digest of this manifest: a chain.
    pub fn amend(&self, responder: Responder, opened_at: Timestamp) -> OpenCase {
        OpenCase {
            manifest: Manifest {
                sequence: self.manifest.sequence + 1,
                previous_sha256: Some(self.manifest_sha256),
                responder,
                opened_at,
                sealed_at: opened_at,
                acquisitions: Vec::new(),
                findings: Vec::new(),
                verdict: None,
                custody: Vec::new(),
                ..self.manifest.clone()
            },
        }
    }
}
