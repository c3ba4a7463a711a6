//! Whose signature counts: the public key that a responder trusts, from a file, by its digest, or from KMS.

use super::{Account, Failure, Kind, Opened, Options, Output};
use anyhow::{Context as _, Result};
use evidence::{CaseId, Sha256Digest, keys, shown};
use std::fs::File;
use std::io::Read as _;
use std::path::{Path, PathBuf};
use vault::{KmsSigner, Signer as _, Vault};

/// The longest file that may be a key.
const LONGEST_KEY: u64 = 64 * 1024;

/// The most signers of one case that are looked through.
const MOST_SIGNERS: usize = 1_000;

/// Whose key is trusted. Without one the key that comes with the case shows that it fits together, not who
/// sealed it.
#[derive(Clone, Debug, Default, clap::Args)]
#[command(next_help_heading = "Trusted key")]
pub struct Trusted {
    /// The public key, a PEM file that you did not get with the evidence. Of a stack's vault the default is
    /// the stack's own key, if KMS tells it.
    #[arg(long, value_name = "FILE", conflicts_with = "key_id")]
    key: Option<PathBuf>,

    /// Its SHA-256 (64 hexadecimal digits, as verify and HOW-TO-VERIFY.md name it), or the id, ARN or alias
    /// of a key of KMS, which is asked for its public half.
    #[arg(long, value_name = "ID")]
    key_id: Option<String>,
}

/// A key that is trusted, and where it is from.
#[derive(Clone, Debug)]
pub struct TrustedKey {
    /// PEM; none if only the digest is known and no key of the case has it.
    pub pem: Option<String>,
    /// Where it is from, in words.
    pub whence: String,
}

/// What is trusted, before the case is known.
pub enum Trust {
    /// Nobody said; the case's own key is used.
    None,
    /// This key.
    Key(TrustedKey),
    /// The key that has this digest.
    Digest(Sha256Digest),
}

impl Trusted {
    /// Finds the key that the options name, else the stack's.
    pub async fn find(
        &self,
        opened: Option<&Opened>,
        options: &Options,
        output: &Output,
    ) -> Result<Trust> {
        if let Some(file) = &self.key {
            let pem = read(file)?;
            return Ok(Trust::Key(TrustedKey {
                pem: Some(pem),
                whence: file.display().to_string(),
            }));
        }
        let stack = opened.and_then(|opened| {
            let stack = opened.stack.as_ref()?;
            let account = opened.account.as_ref()?;
            Some((account, stack.outputs.get("SigningKeyArn")?))
        });
        match (&self.key_id, stack) {
            (Some(id), _) if id.len() == 64 => match id.to_lowercase().parse() {
                Ok(digest) => Ok(Trust::Digest(digest)),
                Err(_) => Err(Failure::new(
                    Kind::Usage,
                    "--key-id of 64 characters is a SHA-256; this one is none",
                )),
            },
            (Some(id), _) => {
                let reached = Account::reach(options);
                let account = reached.await.context("KMS cannot be asked for the key")?;
                let pem = ask(&account, id).await.map_err(|why| {
                    Failure::new(
                        Kind::Access,
                        format!("KMS does not tell the key {}: {why}", shown(id, 200)),
                    )
                })?;
                Ok(Trust::Key(TrustedKey {
                    pem: Some(pem),
                    whence: format!("KMS, {}", shown(id, 200)),
                }))
            }
            (None, Some((account, arn))) => match ask(account, arn).await {
                Ok(pem) => Ok(Trust::Key(TrustedKey {
                    pem: Some(pem),
                    whence: "the stack's key in KMS".to_owned(),
                })),
                Err(why) => {
                    output.remark(format_args!("the stack's key is not known: {why}"));
                    Ok(Trust::None)
                }
            },
            (None, None) => Ok(Trust::None),
        }
    }
}

impl Trust {
    /// The key for one case. Of a digest it is the key beside the case that has it.
    pub async fn of(&self, vault: &dyn Vault, id: &CaseId) -> Result<Option<TrustedKey>> {
        match self {
            Self::None => Ok(None),
            Self::Key(key) => Ok(Some(key.clone())),
            Self::Digest(digest) => {
                let mut key = TrustedKey {
                    pem: None,
                    whence: format!("the digest {digest}"),
                };
                let signers = format!("{}signer-", keys::case(id));
                for signer in vault.list(&signers, MOST_SIGNERS).await? {
                    let bytes = vault.get(&signer).await?;
                    let pem = String::from_utf8_lossy(&bytes).into_owned();
                    if vault::key_id_of(&pem).is_ok_and(|id| id == digest.to_string()) {
                        key.pem = Some(pem);
                    }
                }
                Ok(Some(key))
            }
        }
    }
}

fn read(file: &Path) -> Result<String> {
    let unusable = |why: String| {
        let place = shown(&file.display().to_string(), 300);
        Failure::new(Kind::Usage, format!("{place} is no public key: {why}"))
    };
    let mut pem = String::new();
    let opened = File::open(file).map_err(|error| unusable(error.to_string()))?;
    let read = opened.take(LONGEST_KEY).read_to_string(&mut pem);
    read.map_err(|error| unusable(error.to_string()))?;
    vault::key_id_of(&pem).map_err(|error| unusable(error.to_string()))?;
    Ok(pem)
}

async fn ask(account: &Account, key: &str) -> Result<String, String> {
    let client = aws_sdk_kms::Client::new(&account.config);
    let pem = KmsSigner::new(client, key).public_key_pem().await;
    pem.map_err(|error| shown(&error.to_string(), 300))
}
