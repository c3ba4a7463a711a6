//! Who signs for the evidence: a key of KMS that never leaves it, or a file for a directory vault.

use async_trait::async_trait;
use aws_sdk_kms::error::{DisplayErrorContext, ProvideErrorMetadata};
use aws_sdk_kms::primitives::Blob;
use aws_sdk_kms::types::{MessageType, SigningAlgorithmSpec};
use evidence::{Sha256Digest, Signature};
use p256::ecdsa::signature::{Signer as _, Verifier as _};
use p256::ecdsa::{self, SigningKey, VerifyingKey};
use p256::elliptic_curve::rand_core::OsRng;
use p256::pkcs8::{
    DecodePrivateKey as _, DecodePublicKey as _, EncodePrivateKey as _, EncodePublicKey as _,
    LineEnding,
};
use std::fs::{self, File, OpenOptions, Permissions};
use std::io::{self, ErrorKind, Read as _, Write as _};
use std::os::unix::fs::{OpenOptionsExt as _, PermissionsExt as _};
use std::path::Path;
use std::process;
use std::sync::atomic::{AtomicU64, Ordering};
use tokio::sync::OnceCell;

/// Signs with one ECDSA P-256 key.
#[async_trait]
pub trait Signer: Send + Sync {
    /// Signs SHA-256 of `message`.
    async fn sign(&self, message: &[u8]) -> Result<Signature, SignError>;

    /// The public key as a PEM `SubjectPublicKeyInfo`, as openssl takes it.
    async fn public_key_pem(&self) -> Result<String, SignError>;
}

/// Why nothing was signed. Never holds key material.
#[derive(Debug, thiserror::Error)]
pub enum SignError {
    /// The key service or the key file cannot be used now; trying again may help.
    #[error("{call}: {cause}")]
    Unavailable {
        /// E.g. `kms:Sign`, or what was done with the key file.
        call: &'static str,
        /// The service's error code and message.
        cause: String,
    },
    /// The key is no ECDSA P-256 key.
    #[error("the signing key is not an ECDSA P-256 key: {0}")]
    WrongKey(String),
    /// Somebody else may read the private key.
    #[error("the key file may be read by others (mode {mode:o}); make it 0600, or start a new key")]
    Exposed {
        /// Its permission bits.
        mode: u32,
    },
}

/// A signature that is not one.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum BadSignature {
    /// The key cannot be read.
    #[error("no ECDSA P-256 public key in PEM: {0}")]
    Key(String),
    /// Made with another key than the one at hand.
    #[error("signed with key {found}, not with the given key {given}")]
    OtherKey {
        /// Named by the signature.
        found: String,
        /// Computed from the given key.
        given: String,
    },
    /// Not a signature of this message by this key.
    #[error("the signature does not fit")]
    Mismatch,
}

/// Checks a signature over `message`, key id included.
pub fn verify(
    public_key_pem: &str,
    message: &[u8],
    signature: &Signature,
) -> Result<(), BadSignature> {
    let key = VerifyingKey::from_public_key_pem(public_key_pem)
        .map_err(|error| BadSignature::Key(error.to_string()))?;
    let given = key_id(&key).map_err(|error| BadSignature::Key(error.to_string()))?;
    if given != signature.key_id {
        return Err(BadSignature::OtherKey {
            found: signature.key_id.chars().take(64).collect(),
            given,
        });
    }
    let signature =
        ecdsa::Signature::from_der(&signature.der).map_err(|_| BadSignature::Mismatch)?;
    key.verify(message, &signature)
        .map_err(|_| BadSignature::Mismatch)
}

/// What a public key in PEM is called in signatures: SHA-256 of its `SubjectPublicKeyInfo` in DER, in hex.
pub fn key_id_of(public_key_pem: &str) -> Result<String, BadSignature> {
    Ok(PublicPart::read(public_key_pem)?.key_id)
}

/// SHA-256 of the key's `SubjectPublicKeyInfo` in DER, in hex.
fn key_id(key: &VerifyingKey) -> Result<String, p256::pkcs8::spki::Error> {
    Ok(Sha256Digest::of(key.to_public_key_der()?.as_bytes()).to_string())
}

/// What everybody may know of a key.
#[derive(Clone, Debug)]
pub(crate) struct PublicPart {
    pub(crate) key_id: String,
    /// In the one spelling that this program writes.
    pub(crate) pem: String,
}

impl PublicPart {
    pub(crate) fn read(public_key_pem: &str) -> Result<Self, BadSignature> {
        VerifyingKey::from_public_key_pem(public_key_pem)
            .map_err(|error| BadSignature::Key(error.to_string()))
            .and_then(|key| Self::of(&key).map_err(|error| BadSignature::Key(error.to_string())))
    }

    fn of(key: &VerifyingKey) -> Result<Self, SignError> {
        let wrong = |error: p256::pkcs8::spki::Error| SignError::WrongKey(error.to_string());
        Ok(Self {
            key_id: key_id(key).map_err(wrong)?,
            pem: key.to_public_key_pem(LineEnding::LF).map_err(wrong)?,
        })
    }
}

/// Signs with an asymmetric KMS key (`ECC_NIST_P256`, `SIGN_VERIFY`).
/// Needs `kms:Sign` and `kms:GetPublicKey` on it.
#[derive(Debug)]
pub struct KmsSigner {
    client: aws_sdk_kms::Client,
    key: String,
    public: OnceCell<PublicPart>,
}

impl KmsSigner {
    /// Signs with `key`: a key's id or ARN, or an alias.
    pub fn new(client: aws_sdk_kms::Client, key: impl Into<String>) -> Self {
        Self {
            client,
            key: key.into(),
            public: OnceCell::new(),
        }
    }

    async fn public(&self) -> Result<&PublicPart, SignError> {
        self.public
            .get_or_try_init(|| async {
                let reply = self
                    .client
                    .get_public_key()
                    .key_id(&self.key)
                    .send()
                    .await
                    .map_err(|error| kms("kms:GetPublicKey", &error))?;
                let der = reply.public_key().map(AsRef::as_ref).unwrap_or_default();
                let key = VerifyingKey::from_public_key_der(der)
                    .map_err(|error| SignError::WrongKey(error.to_string()))?;
                PublicPart::of(&key)
            })
            .await
    }
}

#[async_trait]
impl Signer for KmsSigner {
    async fn sign(&self, message: &[u8]) -> Result<Signature, SignError> {
        let public = self.public().await?;
        // KMS takes 4 KiB at most in one piece; the digest always fits.
        let digest = Sha256Digest::of(message);
        let reply = self
            .client
            .sign()
            .key_id(&self.key)
            .message(Blob::new(digest.as_bytes()))
            .message_type(MessageType::Digest)
            .signing_algorithm(SigningAlgorithmSpec::EcdsaSha256)
            .send()
            .await
            .map_err(|error| kms("kms:Sign", &error))?;
        let der = reply
            .signature
            .map(Blob::into_inner)
            .ok_or_else(|| SignError::Unavailable {
                call: "kms:Sign",
                cause: "the reply holds no signature".to_owned(),
            })?;
        Ok(Signature {
            key_id: public.key_id.clone(),
            der,
        })
    }

    async fn public_key_pem(&self) -> Result<String, SignError> {
        Ok(self.public().await?.pem.clone())
    }
}

fn kms<E>(call: &'static str, error: &E) -> SignError
where
    E: ProvideErrorMetadata + std::error::Error,
{
    let cause = match (error.code(), error.message()) {
        (Some(code), Some(message)) => format!("{code}: {message}"),
        (Some(code), None) => code.to_owned(),
        _ => DisplayErrorContext(error).to_string(),
    };
    SignError::Unavailable { call, cause }
}

/// Signs with a key of its own, kept in a file or only in memory.
pub struct LocalSigner {
    key: SigningKey,
    public: PublicPart,
}

impl std::fmt::Debug for LocalSigner {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("LocalSigner")
            .field("key_id", &self.public.key_id)
            .finish_non_exhaustive()
    }
}

impl LocalSigner {
    /// A new key that is kept nowhere.
    pub fn ephemeral() -> Result<Self, SignError> {
        Self::of(SigningKey::random(&mut OsRng))
    }

    /// The key in `path`, a PKCS#8 PEM; a new one if there is none. Only its owner may read it.
    pub fn in_file(path: impl AsRef<Path>) -> Result<Self, SignError> {
        let path = path.as_ref();
        let file = |call| {
            move |error: io::Error| SignError::Unavailable {
                call,
                cause: error.to_string(),
            }
        };
        match Self::read(path) {
            Ok(signer) => signer,
            Err(error) if error.kind() == ErrorKind::NotFound => {
                let pem = SigningKey::random(&mut OsRng)
                    .to_pkcs8_pem(LineEnding::LF)
                    .map_err(|error| SignError::WrongKey(error.to_string()))?;
                write_new(path, pem.as_bytes()).map_err(file("write the key file"))?;
                // Whoever was first, everybody signs with the key that is there.
                Self::read(path).map_err(file("read the key file"))?
            }
            Err(error) => Err(file("read the key file")(error)),
        }
    }

    fn read(path: &Path) -> io::Result<Result<Self, SignError>> {
        let mut file = File::open(path)?;
        let mode = file.metadata()?.permissions().mode() & 0o777;
        if mode & 0o077 != 0 {
            return Ok(Err(SignError::Exposed { mode }));
        }
        let mut pem = String::new();
        file.read_to_string(&mut pem)?;
        Ok(SigningKey::from_pkcs8_pem(&pem)
            .map_err(|error| SignError::WrongKey(error.to_string()))
            .and_then(Self::of))
    }

    fn of(key: SigningKey) -> Result<Self, SignError> {
        let public = PublicPart::of(key.verifying_key())?;
        Ok(Self { key, public })
    }
}

/// Writes a file whole or not at all; if one is there already, it stays.
fn write_new(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let mut aside = path.as_os_str().to_owned();
    static COUNT: AtomicU64 = AtomicU64::new(0);
    let count = COUNT.fetch_add(1, Ordering::Relaxed);
    aside.push(format!(".{}-{count}.new", process::id()));
    let written = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(&aside)
        .and_then(|mut file| {
            file.write_all(bytes)?;
            file.set_permissions(Permissions::from_mode(0o600))?;
            file.sync_all()
        })
        .and_then(|()| match fs::hard_link(&aside, path) {
            Err(error) if error.kind() != ErrorKind::AlreadyExists => Err(error),
            _ => Ok(()),
        });
    let _ = fs::remove_file(&aside);
    written
}

#[async_trait]
impl Signer for LocalSigner {
    async fn sign(&self, message: &[u8]) -> Result<Signature, SignError> {
        let signature: ecdsa::Signature = self.key.sign(message);
        Ok(Signature {
            key_id: self.public.key_id.clone(),
            der: signature.to_der().as_bytes().to_vec(),
        })
    }

    async fn public_key_pem(&self) -> Result<String, SignError> {
        Ok(self.public.pem.clone())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_signature_fits_its_message_and_key_and_no_other() {
        let (signer, other) = (
            LocalSigner::ephemeral().unwrap(),
            LocalSigner::ephemeral().unwrap(),
        );
        let pem = signer.public_key_pem().await.unwrap();
        let signature = signer.sign(b"message").await.unwrap();
        assert_eq!(verify(&pem, b"message", &signature), Ok(()));
        assert_eq!(
            verify(&pem, b"massage", &signature),
            Err(BadSignature::Mismatch)
        );
        let theirs = other.public_key_pem().await.unwrap();
        assert!(matches!(
            verify(&theirs, b"message", &signature),
            Err(BadSignature::OtherKey { .. })
        ));
        assert!(matches!(
            verify("no key", b"message", &signature),
            Err(BadSignature::Key(_))
        ));
        let garbled = Signature {
            der: b"garbled".to_vec(),
            ..signature
        };
        assert_eq!(
            verify(&pem, b"message", &garbled),
            Err(BadSignature::Mismatch)
        );
    }

    #[tokio::test]
    async fn a_key_file_is_made_once_and_is_its_owners_alone() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("signing-key.pem");
        let pems: Vec<_> = std::thread::scope(|scope| {
            let makers: Vec<_> = (0..8)
                .map(|_| scope.spawn(|| LocalSigner::in_file(&path).unwrap().public.pem))
                .collect();
            makers.into_iter().map(|m| m.join().unwrap()).collect()
        });
        assert!(pems.iter().all(|pem| *pem == pems[0]), "{pems:?}");
        let mode = fs::metadata(&path).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
        assert_eq!(fs::read_dir(&folder).unwrap().count(), 1);
    }

    #[test]
    fn a_key_that_others_may_read_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("signing-key.pem");
        LocalSigner::in_file(&path).unwrap();
        fs::set_permissions(&path, Permissions::from_mode(0o640)).unwrap();
        assert!(matches!(
            LocalSigner::in_file(&path),
            Err(SignError::Exposed { mode: 0o640 })
        ));
    }

    #[test]
    fn a_signer_shows_nothing_of_its_key() {
        let shown = format!("{:?}", LocalSigner::ephemeral().unwrap());
        assert!(shown.starts_with("LocalSigner { key_id: \""), "{shown}");
    }
}
