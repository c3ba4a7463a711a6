//! From a draft to a sealed case: the order of the writes, and how a cut-off attempt is finished.

use crate::signer::PublicPart;
use crate::{BadSignature, MOST_ADDENDA, SignError, Signer, Vault, VaultError, verify};
use bytes::Bytes;
use evidence::{BadSeal, CaseId, Draft, SealedCase, Signature, keys};

const JSON: &str = "application/json";
const DSSE: &str = "application/vnd.dsse.envelope.v1+json";
const PEM: &str = "application/x-pem-file";
const DER: &str = "application/octet-stream";
const TEXT: &str = "text/plain; charset=utf-8";

/// Why a case is not sealed. Whatever was written stays, and the next attempt goes on from there.
#[derive(Debug, thiserror::Error)]
pub enum SealError {
    /// A write or a read failed.
    #[error(transparent)]
    Vault(#[from] VaultError),
    /// Nothing was signed.
    #[error(transparent)]
    Sign(#[from] SignError),
    /// The manifest that is there does not hold together.
    #[error("{key}: {cause}")]
    BadManifest {
        /// Where.
        key: String,
        /// What is wrong with it.
        cause: BadSeal,
    },
    /// The manifest that is there is another case's, or hangs on another chain.
    #[error("{key} holds the manifest of {found}")]
    OtherManifest {
        /// Where.
        key: String,
        /// What it says it is.
        found: String,
    },
    /// The signature that is there is not by this signer: another key began to seal this case.
    #[error("{key} is not a signature by this responder's key {key_id}: {cause}")]
    OtherSigner {
        /// Where.
        key: String,
        /// The key of the signer at hand.
        key_id: String,
        /// How it fails.
        cause: BadSignature,
    },
    /// What was to be sealed cannot be written down.
    #[error("the manifest cannot be drawn up: {0}")]
    Draft(BadSeal),
    /// The case has as many addenda as a case may have.
    #[error("case {0} has {MOST_ADDENDA} addenda; open a new case")]
    Full(CaseId),
}

/// Seals a draft: manifest, digests, signature, public key, and last the envelope, whose presence
/// means *sealed*. The exhibits are in the vault already.
///
/// Twice is once: where an earlier or a parallel attempt wrote a manifest, that one is taken over
/// and finished; `draft` is then dropped. Every attempt ends in the same sealed case, which is what
/// comes back.
pub async fn seal(
    vault: &dyn Vault,
    signer: &dyn Signer,
    draft: Draft,
) -> Result<SealedCase, SealError> {
    let key = async { Ok(signer.public_key_pem().await?) };
    let ((draft, fresh), pem) = tokio::try_join!(put_or_adopt(vault, draft), key)?;
    let (id, sequence) = (draft.manifest().case_id.clone(), draft.manifest().sequence);
    let key_id = PublicPart::read(&pem)
        .map_err(|error| SignError::WrongKey(error.to_string()))?
        .key_id;
    let put = async |key: String, text: String, media_type: &str| {
        vault.put_once(&key, text.into(), media_type).await?;
        Ok::<(), SealError>(())
    };
    let ((), (), signature) = tokio::try_join!(
        put(keys::sums(&id, sequence), draft.sums(), TEXT),
        put(keys::signer(&id, &key_id), pem.clone(), PEM),
        sign_or_adopt(vault, signer, &pem, &key_id, &draft, fresh),
    )?;
    let key = keys::envelope(&id, sequence);
    let bad = |cause| SealError::BadManifest {
        key: key.clone(),
        cause,
    };
    let envelope = draft.envelope(&signature).map_err(bad)?;
    let sealed = SealedCase::read(&envelope).map_err(bad)?;
    vault.put_once(&key, envelope.into(), DSSE).await?;
    Ok(sealed)
}

/// The sealed case, or addendum, if it is sealed. Its signature is [`check`](crate::check)'s part.
pub async fn sealed(
    vault: &dyn Vault,
    id: &CaseId,
    sequence: u32,
) -> Result<Option<SealedCase>, SealError> {
    let sealed = sealed_as(vault, id, sequence).await?;
    Ok(sealed.map(|(sealed, _)| sealed))
}

/// As [`sealed`], with the envelope as it is in the vault.
pub(crate) async fn sealed_as(
    vault: &dyn Vault,
    id: &CaseId,
    sequence: u32,
) -> Result<Option<(SealedCase, Bytes)>, SealError> {
    let key = keys::envelope(id, sequence);
    let Some(bytes) = found(vault.get(&key).await)? else {
        return Ok(None);
    };
    let sealed = SealedCase::read(&bytes).map_err(|cause| SealError::BadManifest {
        key: key.clone(),
        cause,
    })?;
    let manifest = sealed.manifest();
    if (&manifest.case_id, manifest.sequence) != (id, sequence) {
        return Err(other_manifest(key, manifest));
    }
    Ok(Some((sealed, bytes)))
}

/// A manifest that was written and never sealed: what [`seal`] goes on from.
pub async fn unfinished(
    vault: &dyn Vault,
    id: &CaseId,
    sequence: u32,
) -> Result<Option<Draft>, SealError> {
    let key = keys::manifest(id, sequence);
    let Some(bytes) = found(vault.get(&key).await)? else {
        return Ok(None);
    };
    if vault.holds(&keys::envelope(id, sequence)).await? {
        return Ok(None);
    }
    let draft = adopt(&key, bytes.to_vec())?;
    let manifest = draft.manifest();
    if (&manifest.case_id, manifest.sequence) != (id, sequence) {
        return Err(other_manifest(key, manifest));
    }
    Ok(Some(draft))
}

/// The first manifest written is the case's. Says whether that was ours, now.
async fn put_or_adopt(vault: &dyn Vault, draft: Draft) -> Result<(Draft, bool), SealError> {
    let ours = draft.manifest();
    let key = keys::manifest(&ours.case_id, ours.sequence);
    match vault
        .put_once(&key, draft.bytes().to_vec().into(), JSON)
        .await
    {
        Ok(receipt) => return Ok((draft, receipt.newly_stored)),
        Err(VaultError::Conflict { .. }) => {}
        Err(error) => return Err(error.into()),
    }
    let adopted = adopt(&key, vault.get(&key).await?.to_vec())?;
    let theirs = adopted.manifest();
    let place = |manifest: &evidence::Manifest| {
        (
            manifest.case_id.clone(),
            manifest.sequence,
            manifest.previous_sha256,
        )
    };
    if place(theirs) != place(ours) {
        return Err(other_manifest(key, theirs));
    }
    tracing::info!(
        case = %theirs.case_id,
        attempt = theirs.responder.attempt,
        "took over the manifest of another attempt"
    );
    Ok((adopted, false))
}

/// ECDSA signatures differ from one signing to the next: the first one written is the case's.
async fn sign_or_adopt(
    vault: &dyn Vault,
    signer: &dyn Signer,
    pem: &str,
    own_key_id: &str,
    draft: &Draft,
    fresh: bool,
) -> Result<Signature, SealError> {
    let key = keys::signature(&draft.manifest().case_id, draft.manifest().sequence);
    let message = draft.pre_authentication();
    let verified = |signature: Signature| match verify(pem, &message, &signature) {
        Ok(()) => Ok(signature),
        Err(cause) => Err(SealError::OtherSigner {
            key: key.clone(),
            key_id: own_key_id.to_owned(),
            cause,
        }),
    };
    let adopt = |der: bytes::Bytes| {
        verified(Signature {
            key_id: own_key_id.to_owned(),
            der: der.to_vec(),
        })
    };
    // Nobody can have signed a manifest that was not there before.
    if !fresh && let Some(there) = found(vault.get(&key).await)? {
        return adopt(there);
    }
    let signature = verified(signer.sign(&message).await?)?;
    match vault
        .put_once(&key, signature.der.clone().into(), DER)
        .await
    {
        Ok(_) => Ok(signature),
        Err(VaultError::Conflict { .. }) => adopt(vault.get(&key).await?),
        Err(error) => Err(error.into()),
    }
}

fn adopt(key: &str, bytes: Vec<u8>) -> Result<Draft, SealError> {
    Draft::adopt(bytes).map_err(|cause| SealError::BadManifest {
        key: key.to_owned(),
        cause,
    })
}

fn other_manifest(key: String, manifest: &evidence::Manifest) -> SealError {
    SealError::OtherManifest {
        key,
        found: format!(
            "case {}, number {}, after {}",
            manifest.case_id,
            manifest.sequence,
            manifest
                .previous_sha256
                .map_or_else(|| "none".to_owned(), |digest| digest.to_string())
        ),
    }
}

fn found<T>(result: Result<T, VaultError>) -> Result<Option<T>, VaultError> {
    match result {
        Ok(value) => Ok(Some(value)),
        Err(VaultError::NotFound { .. }) => Ok(None),
        Err(error) => Err(error),
    }
}
