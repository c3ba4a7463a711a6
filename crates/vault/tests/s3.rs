//! S3 held to the contract, in an account that is up already: `COLDCASE_ACCOUNT_ENDPOINT`,
//! `AWS_ACCESS_KEY_ID` and `AWS_SECRET_ACCESS_KEY` say where. Ignored here, because there is none;
//! `cargo test -p vault --test s3 -- --ignored` runs it, and the end-to-end tests include the suite.

#![allow(clippy::unwrap_used)]

mod suite;

use aws_sdk_s3::config::{BehaviorVersion, Credentials, Region, SharedCredentialsProvider};
use aws_smithy_http_client::tls;
use suite::s3::{self, Account};

async fn account(run: &str) -> Account {
    let read = |name| std::env::var(name).unwrap_or_else(|_| panic!("{name} is not set"));
    let http = aws_smithy_http_client::Builder::new()
        .tls_provider(tls::Provider::Rustls(
            tls::rustls_provider::CryptoMode::Ring,
        ))
        .build_https();
    let credentials = Credentials::new(
        read("AWS_ACCESS_KEY_ID"),
        read("AWS_SECRET_ACCESS_KEY"),
        None,
        None,
        "test",
    );
    let config = aws_sdk_s3::config::Builder::new()
        .behavior_version(BehaviorVersion::latest())
        .endpoint_url(read("COLDCASE_ACCOUNT_ENDPOINT"))
        .region(Region::new("us-east-1"))
        .credentials_provider(SharedCredentialsProvider::new(credentials.clone()))
        .http_client(http.clone())
        .force_path_style(true)
        .build();
    let s3 = aws_sdk_s3::Client::from_conf(config);
    let config = aws_sdk_kms::config::Builder::new()
        .behavior_version(BehaviorVersion::latest())
        .endpoint_url(read("COLDCASE_ACCOUNT_ENDPOINT"))
        .region(Region::new("us-east-1"))
        .credentials_provider(SharedCredentialsProvider::new(credentials))
        .http_client(http)
        .build();
    let kms = aws_sdk_kms::Client::from_conf(config);
    let bucket_key = kms
        .create_key()
        .send()
        .await
        .unwrap()
        .key_metadata
        .unwrap()
        .key_id;
    let signing_key = kms
        .create_key()
        .key_spec(aws_sdk_kms::types::KeySpec::EccNistP256)
        .key_usage(aws_sdk_kms::types::KeyUsageType::SignVerify)
        .send()
        .await
        .unwrap()
        .key_metadata
        .unwrap()
        .key_id;
    let bucket = format!("vault-{run}");
    s3::bucket(&s3, &bucket).await;
    Account {
        s3,
        kms,
        bucket,
        bucket_key,
        signing_key,
    }
}

#[tokio::test]
#[ignore = "needs an account"]
async fn s3_holds_the_contract() {
    let run = format!("contract{}", std::process::id());
    s3::all(&account(&run).await, &run).await;
}

/// Run alone: it looks at the peak of the whole process.
#[tokio::test]
#[ignore = "needs an account"]
async fn memory_stays_flat() {
    let run = format!("memory{}", std::process::id());
    let account = account(&run).await;
    let mut figures = Vec::new();
    for size_mb in [1, 250, 251] {
        let (kib, seconds) = s3::memory_while_streaming(&account, &run, size_mb * 1_000_000).await;
        eprintln!("{size_mb} MB: {kib} KiB above idle, {seconds:.2} s");
        figures.push(kib);
    }
    assert!(figures[1] < figures[0] + 16 * 1024, "{figures:?}");
}
