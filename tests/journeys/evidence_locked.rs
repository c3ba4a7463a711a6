//! Evidence cannot be deleted, overwritten, weakened or let expire early, by the account's
//! administrator either.
#![allow(clippy::unwrap_used, clippy::expect_used)]

use crate::delivery::{as_responder, versions};
use aws_sdk_s3::error::{ProvideErrorMetadata, SdkError};
use aws_sdk_s3::primitives::{ByteStream, DateTime};
use aws_sdk_s3::types::{
    BucketVersioningStatus, ChecksumAlgorithm, ChecksumMode, ObjectLockMode, ObjectLockRetention,
    ObjectLockRetentionMode, ServerSideEncryption, VersioningConfiguration,
};
use coldcase_tests::Account;
use evidence::{SealedCase, Sha256Digest};
use jiff::{SignedDuration, Timestamp};

const DAY: i64 = 86_400;

fn in_days(days: i64) -> DateTime {
    let then = Timestamp::now() + SignedDuration::from_secs(days * DAY);
    DateTime::from_secs(then.as_second())
}

/// The call was refused for want of permission, or because of the lock.
fn refused<T, E>(what: &str, result: Result<T, SdkError<E>>)
where
    E: ProvideErrorMetadata,
{
    let Err(error) = result else {
        panic!("{what} was allowed");
    };
    let status = error.raw_response().map(|reply| reply.status().as_u16());
    assert_eq!(status, Some(403), "{what}: {:?}", error.code());
}

/// A sealed case in a stack of this mode.
async fn sealed_case(account: &Account) -> SealedCase {
    let victim = account.victim("locked").await;
    account.case_of(&victim.name, "CreateFunction").await
}

async fn nobody_alters(account: &Account, mode: ObjectLockMode) {
    let case = sealed_case(account).await;
    let id = &case.manifest().case_id;
    let (s3, bucket) = (&account.s3().await, &account.output("BucketName"));
    let kept = versions(account, &evidence::keys::case(id)).await;
    assert!(kept.len() > 20, "{kept:?}");
    let code = case
        .manifest()
        .exhibits()
        .find(|exhibit| exhibit.name == "function-code.zip")
        .unwrap();
    let keys = [
        evidence::keys::envelope(id, 0),
        evidence::keys::manifest(id, 0),
        code.key.clone(),
    ];
    let retention_mode = ObjectLockRetentionMode::from(mode.as_str());
    for key in &keys {
        let head = s3.head_object().bucket(bucket).key(key);
        let head = head.send().await.unwrap();
        let version = head.version_id().unwrap();

        let delete = s3.delete_object().bucket(bucket).key(key);
        refused("a delete marker", delete.send().await);
        let delete = s3.delete_object().bucket(bucket).key(key);
        let delete = delete.version_id(version);
        refused("deleting a version", delete.send().await);
        let delete = s3.delete_object().bucket(bucket).key(key);
        let delete = delete.version_id(version).bypass_governance_retention(true);
        refused("deleting past the lock", delete.send().await);

        let overwrite = || {
            let put = s3.put_object().bucket(bucket).key(key);
            put.body(ByteStream::from_static(b"nothing to see"))
        };
        refused("overwriting", overwrite().send().await);
        let again = overwrite().if_none_match("*").send().await;
        refused("writing as somebody else than the responder", again);
        let matched = overwrite().if_match(head.e_tag().unwrap()).send().await;
        refused("overwriting what is known to be there", matched);
        let copy = s3.copy_object().bucket(bucket).key(key);
        let copy = copy.copy_source(format!("{bucket}/{}", keys[2]));
        refused("copying over it", copy.send().await);

        for (what, mode, days) in [
            ("a shorter retention", retention_mode.clone(), 30),
            ("a weaker mode", ObjectLockRetentionMode::Governance, 30),
        ] {
            for bypass in [false, true] {
                let retention = ObjectLockRetention::builder()
                    .mode(mode.clone())
                    .retain_until_date(in_days(days))
                    .build();
                let put = s3.put_object_retention().bucket(bucket).key(key);
                let put = put.version_id(version).retention(retention);
                let put = put.bypass_governance_retention(bypass);
                refused(what, put.send().await);
            }
        }
        let put = s3.put_object_retention().bucket(bucket).key(key);
        let none = ObjectLockRetention::builder().build();
        let put = put.version_id(version).retention(none);
        let put = put.bypass_governance_retention(true);
        assert!(put.send().await.is_err(), "no retention at all");
    }

    let suspended = VersioningConfiguration::builder()
        .status(BucketVersioningStatus::Suspended)
        .build();
    let suspend = s3.put_bucket_versioning().bucket(bucket);
    let suspend = suspend.versioning_configuration(suspended).send().await;
    assert!(suspend.is_err(), "suspending versioning");
    let removed = s3.delete_bucket().bucket(bucket).send().await;
    assert!(removed.is_err(), "deleting the bucket");

    assert_eq!(versions(account, &evidence::keys::case(id)).await, kept);
    let report = account.check(id).await;
    assert!(report.is_sound(), "{report}");
}

#[tokio::test]
async fn nobody_deletes_overwrites_shortens_or_bypasses_what_is_locked_in_governance_mode() {
    let account = Account::shared();
    nobody_alters(account, ObjectLockMode::Governance).await;
    every_object_is_locked(account, ObjectLockMode::Governance, 365).await;
}

#[tokio::test]
async fn nobody_deletes_overwrites_shortens_or_bypasses_what_is_locked_in_compliance_mode() {
    let account = Account::deployed(&["RetentionMode=COMPLIANCE", "RetentionDays=400"]);
    nobody_alters(&account, ObjectLockMode::Compliance).await;
    every_object_is_locked(&account, ObjectLockMode::Compliance, 400).await;
}

#[tokio::test]
async fn a_write_that_is_weaker_locked_unencrypted_unconditional_or_in_the_clear_is_refused() {
    let account = &Account::deployed(&[]);
    // As the responder itself, who alone may write at all.
    let responder = as_responder(account).await;
    let s3 = &collectors::aws::s3_client(&responder);
    let bucket = &account.output("BucketName");
    let other_key = aws_sdk_kms::Client::new(&account.config().await)
        .create_key()
        .send()
        .await
        .unwrap()
        .key_metadata
        .unwrap()
        .arn
        .unwrap();
    let key = "planted/file";
    let put = || {
        let put = s3.put_object().bucket(bucket).key(key).if_none_match("*");
        put.body(ByteStream::from_static(b"planted"))
    };
    let locked = |mode, days| {
        let put = put().object_lock_mode(mode);
        put.object_lock_retain_until_date(in_days(days))
    };
    let unconditional = s3.put_object().bucket(bucket).key(key);
    refused("an unconditional write", unconditional.send().await);
    let short = locked(ObjectLockMode::Governance, 30);
    refused("a shorter lock", short.send().await);
    let short = locked(ObjectLockMode::Compliance, 30);
    refused("a shorter lock", short.send().await);
    let plain = put().server_side_encryption(ServerSideEncryption::Aes256);
    refused("encryption without the key", plain.send().await);
    let other = put().server_side_encryption(ServerSideEncryption::AwsKms);
    let other = other.ssekms_key_id(&other_key);
    refused("encryption with another key", other.send().await);
    let clear = put().customize().mutate_request(|request| {
        request.headers_mut().insert("x-account-plain-http", "1");
    });
    refused("a write in the clear", clear.send().await);
    let read = s3.list_objects_v2().bucket(bucket);
    let clear = read.customize().mutate_request(|request| {
        request.headers_mut().insert("x-account-plain-http", "1");
    });
    refused("reading in the clear", clear.send().await);
    assert!(versions(account, key).await.is_empty());
    // The same write without any of these faults goes through, so that it is they that were refused.
    let good = locked(ObjectLockMode::Governance, 366)
        .checksum_algorithm(ChecksumAlgorithm::Sha256)
        .server_side_encryption(ServerSideEncryption::AwsKms)
        .ssekms_key_id(account.output("BucketKeyArn"));
    good.send().await.unwrap();
    let overwrite = put().send().await.unwrap_err();
    let status = overwrite.raw_response().unwrap().status().as_u16();
    assert_eq!(status, 412, "writing where something is");
    let delete = s3.delete_object().bucket(bucket).key(key);
    refused("deleting as the responder", delete.send().await);
}

/// Every object of the bucket: its lock said explicitly, its key, its checksum.
async fn every_object_is_locked(account: &Account, mode: ObjectLockMode, days: i64) {
    let (s3, bucket) = (&account.s3().await, &account.output("BucketName"));
    let kept = versions(account, "").await;
    assert!(kept.len() > 20, "{kept:?}");
    for (key, count) in kept {
        assert_eq!(count, 1, "{key}");
        let head = s3.head_object().bucket(bucket).key(&key);
        let head = head
            .checksum_mode(ChecksumMode::Enabled)
            .send()
            .await
            .unwrap();
        assert_eq!(head.object_lock_mode(), Some(&mode), "{key}");
        let until = head.object_lock_retain_until_date().unwrap().secs();
        assert!(
            until > Timestamp::now().as_second() + (days - 1) * DAY,
            "{key}"
        );
        let retention = s3.get_object_retention().bucket(bucket).key(&key);
        let retention = retention.send().await.unwrap().retention.unwrap();
        assert_eq!(
            retention.mode().map(|mode| mode.as_str()),
            Some(mode.as_str())
        );
        assert_eq!(
            retention.retain_until_date().unwrap().secs(),
            until,
            "{key}"
        );
        assert_eq!(
            head.server_side_encryption(),
            Some(&ServerSideEncryption::AwsKms),
            "{key}"
        );
        let bucket_key = account.output("BucketKeyArn");
        assert!(bucket_key.ends_with(head.ssekms_key_id().unwrap()), "{key}");
        // A composite checksum of a multipart upload ends in the number of its parts.
        let checksum = head.checksum_sha256().unwrap_or_else(|| panic!("{key}"));
        let whole = Sha256Digest::from_base64(checksum);
        assert!(
            whole.is_ok() || checksum.contains("=-"),
            "{key}: {checksum}"
        );
    }
}
