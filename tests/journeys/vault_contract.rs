//! S3 held to the contract of a vault, in an account with nothing else in it.
#![allow(clippy::unwrap_used)]

#[path = "../../crates/vault/tests/suite/mod.rs"]
mod suite;

use aws_sdk_kms::types::{KeySpec, KeyUsageType};
use coldcase_tests::Account;

#[tokio::test]
async fn s3_holds_the_contract_of_a_vault() {
    let account = Account::up();
    let s3 = account.s3().await;
    let kms = aws_sdk_kms::Client::new(&account.config().await);
    let bucket_key = kms.create_key().send().await.unwrap();
    let signing_key = kms
        .create_key()
        .key_spec(KeySpec::EccNistP256)
        .key_usage(KeyUsageType::SignVerify)
        .send()
        .await
        .unwrap();
    suite::s3::bucket(&s3, "vault-contract").await;
    let place = suite::s3::Account {
        s3,
        kms,
        bucket: "vault-contract".to_owned(),
        bucket_key: bucket_key.key_metadata.unwrap().key_id,
        signing_key: signing_key.key_metadata.unwrap().key_id,
    };
    suite::s3::all(&place, "contract").await;
}
