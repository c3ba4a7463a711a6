//! Who signs at the desk: the stack's key, another key of KMS, or a key in a file of the responder's own.

use super::{Account, Failure, Kind, Opened, Output};
use anyhow::{Context as _, Result};
use std::env;
use std::fs::DirBuilder;
use std::os::unix::fs::DirBuilderExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use vault::{KmsSigner, LocalSigner, SealError, SignError, Signer};

/// Whose key signs.
#[derive(Clone, Debug, Default, clap::Args)]
#[command(next_help_heading = "Signing")]
pub struct Key {
    /// Signs with the key in this file; it is made if there is none. Without a stack the default is
    /// ~/.config/coldcase/signing-key.pem.
    #[arg(long, value_name = "FILE", conflicts_with = "kms_key")]
    key: Option<PathBuf>,

    /// Signs with this key of KMS (ECC_NIST_P256). The default is the stack's, if there is one.
    #[arg(long, value_name = "ARN|ID|ALIAS")]
    kms_key: Option<String>,
}

impl Key {
    /// The file that was named.
    pub fn file(&self) -> Option<&Path> {
        self.key.as_deref()
    }

    /// The key of KMS that was named.
    pub fn of_kms(&self) -> Option<&str> {
        self.kms_key.as_deref()
    }

    /// The signer for what is sealed in this vault.
    ///
    /// A key of KMS is asked nothing yet: that it may not be used is told when it signs, and [`sealing`]
    /// says it in words.
    pub fn signer(
        &self,
        opened: &Opened,
        account: Option<&Account>,
        output: &Output,
    ) -> Result<Arc<dyn Signer>> {
        let stack = opened
            .stack
            .as_ref()
            .and_then(|stack| stack.outputs.get("SigningKeyArn"));
        match (&self.key, self.kms_key.as_ref().or(stack)) {
            (None, Some(key)) => {
                let account = account.or(opened.account.as_ref()).ok_or_else(|| {
                    Failure::new(
                        Kind::Access,
                        "a key of KMS signs with AWS credentials only: sign in, or name a file with --key",
                    )
                })?;
                let client = aws_sdk_kms::Client::new(&account.config);
                Ok(Arc::new(KmsSigner::new(client, key.clone())))
            }
            (Some(file), _) => in_file(file, output),
            (None, None) => in_file(&default_file()?, output),
        }
    }
}

fn in_file(path: &Path, output: &Output) -> Result<Arc<dyn Signer>> {
    let is_new = !path.exists();
    if is_new && let Some(folder) = path.parent().filter(|it| !it.as_os_str().is_empty()) {
        DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(folder)
            .with_context(|| format!("{} cannot be made", folder.display()))?;
    }
    let signer = LocalSigner::in_file(path)
        .with_context(|| format!("the signing key {} cannot be used", path.display()))?;
    if is_new {
        output.remark(format_args!(
            "a signing key was made: {}; keep it, and keep its public half elsewhere",
            path.display()
        ));
    }
    Ok(Arc::new(signer))
}

/// `$XDG_CONFIG_HOME/coldcase/signing-key.pem`, or the same below `~/.config`.
fn default_file() -> Result<PathBuf> {
    let config = match env::var_os("XDG_CONFIG_HOME").filter(|it| !it.is_empty()) {
        Some(config) => PathBuf::from(config),
        None => match env::var_os("HOME").filter(|it| !it.is_empty()) {
            Some(home) => PathBuf::from(home).join(".config"),
            None => {
                return Err(Failure::new(
                    Kind::Usage,
                    "there is no home folder to keep a signing key in: name a file with --key",
                ));
            }
        },
    };
    Ok(config.join("coldcase").join("signing-key.pem"))
}

/// What could not be sealed, in words that say what to do.
pub fn sealing(error: SealError) -> anyhow::Error {
    match error {
        SealError::Vault(error) => error.into(),
        SealError::Sign(SignError::Unavailable { call, cause }) if call.starts_with("kms:") => {
            Failure::new(
                Kind::Access,
                format!(
                    "nothing was sealed: {call} was refused or failed ({}); the stack's key signs for \
                     those whom its key policy and the policy ContainPolicy let, --key FILE signs with \
                     a key of your own",
                    evidence::shown(&cause, 300)
                ),
            )
        }
        other => Failure::new(Kind::Vault, format!("nothing was sealed: {other}")),
    }
}
