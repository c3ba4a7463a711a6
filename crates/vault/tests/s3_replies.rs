//! What S3 answers when others write at the same time or answers are lost, and what the vault makes
//! of it: replies from a script, in order.

#![allow(clippy::unwrap_used)]

mod suite;

use aws_sdk_s3::Client;
use aws_sdk_s3::config::retry::RetryConfig;
use aws_sdk_s3::config::{BehaviorVersion, Credentials, Region};
use aws_smithy_runtime_api::client::http::{
    HttpConnector, HttpConnectorFuture, SharedHttpConnector, http_client_fn,
};
use aws_smithy_runtime_api::client::orchestrator::{HttpRequest, HttpResponse};
use aws_smithy_types::body::SdkBody;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use evidence::{Sha256Digest, keys};
use std::collections::VecDeque;
use std::sync::{Arc, Mutex};
use suite::sources::{bytes, of};
use vault::{Hold, Lock, LockMode, PART_BYTES, S3Vault, Vault, VaultError};

/// `(method and part of the address, status, headers, body)`.
type Reply = (&'static str, u16, Vec<(&'static str, String)>, &'static str);

#[derive(Debug, Clone)]
struct Script {
    replies: Arc<Mutex<VecDeque<Reply>>>,
    seen: Arc<Mutex<Vec<HttpRequest>>>,
}

impl HttpConnector for Script {
    fn call(&self, request: HttpRequest) -> HttpConnectorFuture {
        let asked = format!("{} {}", request.method(), request.uri());
        let (wanted, status, headers, body) = self
            .replies
            .lock()
            .unwrap()
            .pop_front()
            .unwrap_or_else(|| panic!("unexpected: {asked}"));
        assert!(
            wanted.split(' ').all(|part| asked.contains(part)),
            "{asked} instead of {wanted}"
        );
        let mut response = HttpResponse::new(status.try_into().unwrap(), SdkBody::from(body));
        for (name, value) in headers {
            response.headers_mut().insert(name, value);
        }
        self.seen.lock().unwrap().push(request);
        HttpConnectorFuture::ready(Ok(response))
    }
}

impl Script {
    fn header(&self, request: usize, name: &str) -> String {
        self.seen.lock().unwrap()[request]
            .headers()
            .get(name)
            .unwrap_or_default()
            .to_owned()
    }

    fn is_done(&self) -> bool {
        self.replies.lock().unwrap().is_empty()
    }
}

fn vault(replies: Vec<Reply>) -> (S3Vault, Script) {
    let script = Script {
        replies: Arc::new(Mutex::new(replies.into())),
        seen: Arc::default(),
    };
    let connector = SharedHttpConnector::new(script.clone());
    let config = aws_sdk_s3::config::Builder::new()
        .behavior_version(BehaviorVersion::latest())
        .region(Region::new("eu-west-1"))
        .credentials_provider(Credentials::new(
            "AKIDEXAMPLE",
            "secret",
            None,
            None,
            "test",
        ))
        .retry_config(RetryConfig::disabled())
        .http_client(http_client_fn(move |_, _| connector.clone()))
        .build();
    let lock = Lock {
        mode: LockMode::Compliance,
        days: 10,
    };
    let clock = Arc::new(|| "2026-01-02T03:04:05.678Z".parse().unwrap());
    let vault = S3Vault::new(
        Client::from_conf(config),
        "evidence",
        Some("arn:key".to_owned()),
        lock,
        clock,
    );
    (vault, script)
}

/// What the lock has to be: ten days and the margin.
const UNTIL: &str = "2026-01-12T04:04:05Z";

fn head(bytes: &[u8], checksum: String, until: &str) -> Vec<(&'static str, String)> {
    vec![
        ("content-length", bytes.len().to_string()),
        ("x-amz-checksum-sha256", checksum),
        ("x-amz-object-lock-mode", "COMPLIANCE".to_owned()),
        ("x-amz-object-lock-retain-until-date", until.to_owned()),
    ]
}

/// The checksum that S3 tells of a multipart upload.
fn of_parts(bytes: &[u8]) -> String {
    let parts: Vec<_> = bytes
        .chunks(PART_BYTES)
        .map(|part| *Sha256Digest::of(part).as_bytes())
        .collect();
    format!(
        "{}-{}",
        STANDARD.encode(Sha256Digest::of(parts.concat()).as_bytes()),
        parts.len()
    )
}

const CREATED: &str =
    "<InitiateMultipartUploadResult><UploadId>U1</UploadId></InitiateMultipartUploadResult>";
const COMPLETED: &str =
    "<CompleteMultipartUploadResult><ETag>x</ETag></CompleteMultipartUploadResult>";
const DENIED: &str = "<Error><Code>AccessDenied</Code><Message>no</Message></Error>";

fn plain(wanted: &'static str, status: u16, body: &'static str) -> Reply {
    (wanted, status, vec![], body)
}

#[tokio::test]
async fn every_write_says_once_locked_encrypted_and_what_it_holds() {
    let (vault, script) = vault(vec![plain("PUT /a/b", 200, "")]);
    let bytes = Bytes::from_static(b"evidence");
    assert!(
        vault
            .put_once("a/b", bytes.clone(), "text/plain")
            .await
            .unwrap()
            .newly_stored
    );
    for (name, value) in [
        ("if-none-match", "*"),
        ("x-amz-object-lock-mode", "COMPLIANCE"),
        ("x-amz-object-lock-retain-until-date", UNTIL),
        ("x-amz-server-side-encryption", "aws:kms"),
        ("x-amz-server-side-encryption-aws-kms-key-id", "arn:key"),
        (
            "x-amz-checksum-sha256",
            &Sha256Digest::of(&bytes).to_base64(),
        ),
        (
            "x-amz-content-sha256",
            &Sha256Digest::of(&bytes).to_string(),
        ),
        ("content-type", "text/plain"),
    ] {
        assert_eq!(script.header(0, name), value, "{name}");
    }
}

#[tokio::test]
async fn a_write_that_meets_another_is_tried_again() {
    let (vault, script) = vault(vec![
        plain("PUT /a", 409, ""),
        plain("PUT /a", 412, ""),
        plain("HEAD /a", 404, ""),
        plain("PUT /a", 200, ""),
    ]);
    assert!(
        vault
            .put_once("a", Bytes::new(), "text/plain")
            .await
            .unwrap()
            .newly_stored
    );
    assert!(script.is_done());
}

#[tokio::test]
async fn what_is_there_unlocked_gets_its_lock() {
    let bytes = Bytes::from_static(b"evidence");
    let there = vec![
        ("content-length", "8".to_owned()),
        (
            "x-amz-checksum-sha256",
            Sha256Digest::of(&bytes).to_base64(),
        ),
        ("x-amz-version-id", "V7".to_owned()),
    ];
    let (vault, script) = vault(vec![
        plain("PUT /a", 412, ""),
        ("HEAD /a", 200, there, ""),
        plain("PUT retention versionId=V7", 200, ""),
    ]);
    assert!(
        !vault
            .put_once("a", bytes, "text/plain")
            .await
            .unwrap()
            .newly_stored
    );
    assert!(script.is_done());
}

#[tokio::test]
async fn a_lock_is_renewed_only_once_half_of_it_is_over() {
    let bytes = b"evidence";
    let content = format!("content/{}", Sha256Digest::of(bytes));
    for (until, is_renewed) in [
        ("2026-01-12T04:04:05Z", false),
        ("2026-01-07T03:34:06Z", false),
        ("2026-01-07T03:34:04Z", true),
        ("2026-01-01T00:00:00Z", true),
    ] {
        let there = head(bytes, Sha256Digest::of(bytes).to_base64(), until);
        let mut replies = vec![("HEAD /content", 200, there, "")];
        replies.extend(is_renewed.then(|| plain("PUT retention", 200, "")));
        let (vault, script) = vault(replies);
        assert_eq!(vault.renew(&content).await.unwrap(), Some(8), "{until}");
        assert!(script.is_done(), "{until}");
    }
}

#[tokio::test]
async fn content_that_is_not_what_its_name_says_is_not_renewed() {
    let content = format!("content/{}", Sha256Digest::of(b"evidence"));
    let planted = Sha256Digest::of(b"planted!").to_base64();
    let there = head(b"planted!", planted, UNTIL);
    let (vault, _) = vault(vec![("HEAD /content", 200, there, "")]);
    let error = vault.renew(&content).await.unwrap_err();
    assert!(matches!(error, VaultError::Conflict { .. }), "{error}");
}

#[tokio::test]
async fn without_a_checksum_what_is_there_is_read() {
    let there = || vec![("content-length", "8".to_owned())];
    for (found, same) in [("evidence", true), ("evidenze", false)] {
        let locked = plain("PUT retention", 200, "");
        let (vault, script) = vault(
            [
                plain("PUT /a", 412, ""),
                ("HEAD /a", 200, there(), ""),
                plain("GET /a", 200, found),
            ]
            .into_iter()
            .chain(same.then_some(locked))
            .collect(),
        );
        let put = vault
            .put_once("a", Bytes::from_static(b"evidence"), "text/plain")
            .await;
        assert_eq!(put.is_ok(), same, "{put:?}");
        assert!(same || matches!(put, Err(VaultError::Conflict { .. })));
        assert!(script.is_done());
    }
}

#[tokio::test]
async fn a_refusal_is_told_with_its_code() {
    let (vault, _) = vault(vec![plain("PUT /a", 403, DENIED)]);
    let error = vault
        .put_once("a", Bytes::new(), "text/plain")
        .await
        .unwrap_err();
    assert_eq!(error.to_string(), "s3:PutObject a: AccessDenied: no");
}

#[tokio::test]
async fn what_holds_an_object_is_told_as_s3_says_it() {
    let locked = "<Retention><Mode>COMPLIANCE</Mode><RetainUntilDate>2026-01-12T04:04:05Z</RetainUntilDate></Retention>";
    let none = "<Error><Code>NoSuchObjectLockConfiguration</Code><Message>none</Message></Error>";
    let lockless = "<Error><Code>InvalidRequest</Code><Message>Bucket is missing Object Lock Configuration</Message></Error>";
    let gone = "<Error><Code>NoSuchKey</Code><Message>gone</Message></Error>";
    let asked = "GET /a ?retention";
    let (vault, script) = vault(vec![
        plain(asked, 200, locked),
        plain(asked, 404, none),
        plain(asked, 400, lockless),
        plain(asked, 404, gone),
        plain(asked, 403, DENIED),
    ]);
    let until = Hold::Until {
        mode: "COMPLIANCE".to_owned(),
        until: UNTIL.parse().unwrap(),
    };
    assert_eq!(vault.hold("a").await.unwrap(), until);
    assert_eq!(vault.hold("a").await.unwrap(), Hold::Unlocked);
    assert_eq!(vault.hold("a").await.unwrap(), Hold::Nothing);
    let gone = vault.hold("a").await;
    assert!(matches!(gone, Err(VaultError::NotFound { .. })));
    // Who may not ask is told so, and nothing is taken for locked or not.
    let denied = vault.hold("a").await.unwrap_err();
    assert_eq!(
        denied.to_string(),
        "s3:GetObjectRetention a: AccessDenied: no"
    );
    assert!(script.is_done());
}

/// The parts of an upload, up to its completion.
fn upload() -> Vec<Reply> {
    vec![
        plain("HEAD /content/", 404, ""),
        plain("POST uploads", 200, CREATED),
        plain("PUT partNumber=1", 200, ""),
        plain("PUT partNumber=2", 200, ""),
    ]
}

fn large() -> Bytes {
    bytes("large", PART_BYTES + 10)
}

#[tokio::test]
async fn an_upload_is_locked_checked_and_completed_once() {
    let bytes = large();
    let mut replies = upload();
    replies.push(plain("POST uploadId=U1", 200, COMPLETED));
    replies.push((
        "HEAD /content/",
        200,
        head(&bytes, of_parts(&bytes), UNTIL),
        "",
    ));
    let (vault, script) = vault(replies);
    let receipt = vault.put_content(&of(&bytes), u64::MAX).await.unwrap();
    assert!(receipt.newly_stored && script.is_done());
    assert_eq!(receipt.key, keys::content(&Sha256Digest::of(&bytes)));
    for (request, name, value) in [
        (1, "x-amz-object-lock-mode", "COMPLIANCE"),
        (1, "x-amz-object-lock-retain-until-date", UNTIL),
        (1, "x-amz-server-side-encryption", "aws:kms"),
        (1, "x-amz-checksum-algorithm", "SHA256"),
        (
            2,
            "x-amz-checksum-sha256",
            &Sha256Digest::of(&bytes[..PART_BYTES]).to_base64(),
        ),
        (
            3,
            "x-amz-checksum-sha256",
            &Sha256Digest::of(&bytes[PART_BYTES..]).to_base64(),
        ),
        (
            3,
            "x-amz-content-sha256",
            &Sha256Digest::of(&bytes[PART_BYTES..]).to_string(),
        ),
        (4, "if-none-match", "*"),
    ] {
        assert_eq!(script.header(request, name), value, "{name}");
    }
}

#[tokio::test]
async fn a_completion_whose_answer_was_lost_is_found_out() {
    let bytes = large();
    let mut replies = upload();
    replies.push(plain("POST uploadId=U1", 500, ""));
    replies.push(plain("DELETE uploadId=U1", 404, ""));
    replies.push((
        "HEAD /content/",
        200,
        head(&bytes, of_parts(&bytes), UNTIL),
        "",
    ));
    let (vault, script) = vault(replies);
    vault.put_content(&of(&bytes), u64::MAX).await.unwrap();
    assert!(script.is_done());
}

#[tokio::test]
async fn a_completion_that_came_second_gives_way_and_compares() {
    let bytes = large();
    let mut replies = upload();
    replies.push(plain("POST uploadId=U1", 412, ""));
    replies.push(plain("DELETE uploadId=U1", 204, ""));
    let mut there = head(&bytes, of_parts(&bytes), UNTIL);
    there[1].1 = of_parts(b"other");
    replies.push(("HEAD /content/", 200, there, ""));
    replies.push(plain("GET /content/", 200, "other"));
    let (vault, script) = vault(replies);
    let error = vault.put_content(&of(&bytes), u64::MAX).await.unwrap_err();
    assert!(matches!(error, VaultError::Conflict { .. }), "{error}");
    assert!(script.is_done());
}

#[tokio::test]
async fn an_upload_that_fails_is_aborted() {
    let mut replies = upload();
    replies.truncate(2);
    replies.push(plain("PUT partNumber=1", 403, DENIED));
    replies.push(plain("DELETE uploadId=U1", 204, ""));
    let (vault, script) = vault(replies);
    let error = vault
        .put_content(&of(&large()), u64::MAX)
        .await
        .unwrap_err();
    assert!(
        matches!(
            error,
            VaultError::Unavailable {
                call: "s3:PutObject",
                ..
            }
        ),
        "{error}"
    );
    // The abort goes on by itself.
    for _ in 0..100 {
        tokio::task::yield_now().await;
    }
    assert!(script.is_done());
}
