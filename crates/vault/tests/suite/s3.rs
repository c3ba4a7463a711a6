//! What S3 has to hold beyond the contract: locks, encryption, one version a key, nothing half done.

use super::sources::{bytes, of};
use super::{Place, cases};
use aws_sdk_s3::Client;
use aws_sdk_s3::types::{
    BucketVersioningStatus, ObjectLockEnabled, ServerSideEncryption, VersioningConfiguration,
};
use evidence::{Sha256Digest, keys};
use jiff::{SignedDuration, Timestamp};
use std::sync::Arc;
use std::time::Duration;
use vault::{KmsSigner, Lock, LockMode, PART_BYTES, S3Vault, Signer as _, Vault, verify};

/// An account to test in.
pub struct Account {
    pub s3: Client,
    pub kms: aws_sdk_kms::Client,
    /// A bucket of ours that [`bucket`] made, and nobody else writes to.
    pub bucket: String,
    /// A symmetric key.
    pub bucket_key: String,
    /// A P-256 key for signing.
    pub signing_key: String,
}

const LOCK: Lock = Lock {
    mode: LockMode::Governance,
    days: 30,
};

/// Makes a bucket with Object Lock.
pub async fn bucket(s3: &Client, name: &str) {
    s3.create_bucket()
        .bucket(name)
        .object_lock_enabled_for_bucket(true)
        .send()
        .await
        .unwrap();
    let versioning = VersioningConfiguration::builder()
        .status(BucketVersioningStatus::Enabled)
        .build();
    s3.put_bucket_versioning()
        .bucket(name)
        .versioning_configuration(versioning)
        .send()
        .await
        .unwrap();
    let lock = s3
        .get_object_lock_configuration()
        .bucket(name)
        .send()
        .await
        .unwrap();
    let enabled = lock
        .object_lock_configuration()
        .unwrap()
        .object_lock_enabled();
    assert_eq!(enabled, Some(&ObjectLockEnabled::Enabled));
}

impl Account {
    /// The vault, at a time.
    pub fn vault(&self, now: Timestamp) -> S3Vault {
        let clock = Arc::new(move || now);
        S3Vault::new(
            self.s3.clone(),
            &self.bucket,
            Some(self.bucket_key.clone()),
            LOCK,
            clock,
        )
    }

    fn place(&self, run: &str) -> Place {
        Place {
            vault: Arc::new(self.vault(Timestamp::now())),
            part_bytes: PART_BYTES,
            run: run.to_owned(),
        }
    }
}

/// All of it; `run` is letters and digits.
pub async fn all(account: &Account, run: &str) {
    let place = account.place(run);
    super::all(&place).await;
    cases::all(&place).await;
    every_object_is_locked_encrypted_and_alone(account).await;
    no_upload_is_left_open(account).await;
    content_met_again_is_locked_for_longer(account).await;
    a_signature_by_kms_fits(account).await;
}

/// Every key has one version, locked and encrypted.
pub async fn every_object_is_locked_encrypted_and_alone(account: &Account) {
    let wanted = Timestamp::now().as_second() + i64::from(LOCK.days - 1) * 86_400;
    let mut seen = std::collections::BTreeSet::new();
    let (mut key, mut version) = (None, None);
    loop {
        let page = account
            .s3
            .list_object_versions()
            .bucket(&account.bucket)
            .set_key_marker(key)
            .set_version_id_marker(version)
            .send()
            .await
            .unwrap();
        assert!(page.delete_markers().is_empty());
        for version in page.versions() {
            let key = version.key().unwrap();
            assert!(seen.insert(key.to_owned()), "{key} was written twice");
            let head = account
                .s3
                .head_object()
                .bucket(&account.bucket)
                .key(key)
                .send()
                .await
                .unwrap();
            assert_eq!(
                head.object_lock_mode().map(|m| m.as_str()),
                Some("GOVERNANCE"),
                "{key}"
            );
            assert!(
                head.object_lock_retain_until_date().unwrap().secs() >= wanted,
                "{key}"
            );
            assert_eq!(
                head.server_side_encryption(),
                Some(&ServerSideEncryption::AwsKms),
                "{key}"
            );
            assert!(
                head.ssekms_key_id().unwrap().ends_with(&account.bucket_key),
                "{key}"
            );
        }
        if page.is_truncated() != Some(true) {
            break;
        }
        key = page.next_key_marker().map(str::to_owned);
        version = page.next_version_id_marker().map(str::to_owned);
    }
    assert!(seen.len() > 50);
}

/// Whatever went wrong, its upload was aborted.
pub async fn no_upload_is_left_open(account: &Account) {
    let mut open = 0;
    for _ in 0..50 {
        let uploads = account
            .s3
            .list_multipart_uploads()
            .bucket(&account.bucket)
            .send()
            .await
            .unwrap();
        open = uploads.uploads().len();
        if open == 0 {
            return;
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    panic!("{open} uploads are left open");
}

/// Content that another case holds already gets the lock that a new object would get.
pub async fn content_met_again_is_locked_for_longer(account: &Account) {
    let now = Timestamp::now();
    let later = now + SignedDuration::from_hours(24 * 7);
    for size in [1000, PART_BYTES + 1000] {
        let bytes = bytes("longer", size);
        let retained = || async {
            let key = keys::content(&Sha256Digest::of(&bytes));
            let head = account
                .s3
                .head_object()
                .bucket(&account.bucket)
                .key(key)
                .send()
                .await
                .unwrap();
            head.object_lock_retain_until_date().unwrap().secs()
        };
        account
            .vault(now)
            .put_content(&of(&bytes), u64::MAX)
            .await
            .unwrap();
        let first = retained().await;
        account
            .vault(later)
            .put_content(&of(&bytes), u64::MAX)
            .await
            .unwrap();
        let second = retained().await;
        assert_eq!(second - first, 7 * 86_400);
        account
            .vault(now)
            .put_content(&of(&bytes), u64::MAX)
            .await
            .unwrap();
        assert_eq!(retained().await, second);
    }
}

/// KMS signs, and the signature fits.
pub async fn a_signature_by_kms_fits(account: &Account) {
    let signer = KmsSigner::new(account.kms.clone(), &account.signing_key);
    let message = vec![7; 100_000];
    let signature = signer.sign(&message).await.unwrap();
    let pem = signer.public_key_pem().await.unwrap();
    assert_eq!(verify(&pem, &message, &signature), Ok(()));
    assert!(verify(&pem, b"other", &signature).is_err());
}
