//! Where evidence goes and who signs for it.

use crate::{BadSetting, Environment};
use aws_config::SdkConfig;
use std::sync::Arc;
use vault::{BadLockMode, Clock, KmsSigner, Lock, S3Vault, s3_client};

/// The settings of a stack's vault.
#[derive(Clone, Debug)]
pub struct Keeping {
    /// Where evidence is.
    pub bucket: String,
    /// The KMS key that encrypts it.
    pub bucket_key: Option<String>,
    /// Object Lock.
    pub lock: Lock,
}

impl Keeping {
    /// As the environment says.
    pub fn from_environment(environment: &Environment) -> Result<Self, BadSetting> {
        let mode = environment.text("COLDCASE_LOCK_MODE")?;
        Ok(Self {
            bucket: environment.text("COLDCASE_BUCKET")?,
            bucket_key: environment.optional("COLDCASE_BUCKET_KEY"),
            lock: Lock {
                mode: mode.parse().map_err(|error: BadLockMode| BadSetting {
                    name: "COLDCASE_LOCK_MODE",
                    what: error.to_string(),
                })?,
                days: environment.number("COLDCASE_LOCK_DAYS")?,
            },
        })
    }

    /// The vault.
    pub fn vault(&self, config: &SdkConfig, clock: &Clock) -> S3Vault {
        S3Vault::new(
            s3_client(config),
            self.bucket.clone(),
            self.bucket_key.clone(),
            self.lock,
            Arc::clone(clock),
        )
    }
}

/// The settings of a stack's vault and signer.
#[derive(Clone, Debug)]
pub struct Sealing {
    /// Where evidence goes.
    pub bucket: String,
    /// The KMS key that encrypts it.
    pub bucket_key: Option<String>,
    /// The KMS key that signs.
    pub signing_key: String,
    /// Object Lock.
    pub lock: Lock,
}

impl Sealing {
    /// As the environment says.
    pub fn from_environment(environment: &Environment) -> Result<Self, BadSetting> {
        let Keeping {
            bucket,
            bucket_key,
            lock,
        } = Keeping::from_environment(environment)?;
        Ok(Self {
            bucket,
            bucket_key,
            signing_key: environment.text("COLDCASE_SIGNING_KEY")?,
            lock,
        })
    }

    /// The vault.
    pub fn vault(&self, config: &SdkConfig, clock: &Clock) -> S3Vault {
        let keeping = Keeping {
            bucket: self.bucket.clone(),
            bucket_key: self.bucket_key.clone(),
            lock: self.lock,
        };
        keeping.vault(config, clock)
    }

    /// The signer.
    pub fn signer(&self, config: &SdkConfig) -> KmsSigner {
        KmsSigner::new(aws_sdk_kms::Client::new(config), self.signing_key.clone())
    }
}
