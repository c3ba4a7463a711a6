use super::super::trail_account::{ACCOUNT, Fault, REGION, TrailAccount, gzip, log_file};
use super::*;
use crate::Surroundings as _;
use crate::aws::canned::carry_out;
use crate::{Concluded, Desk};
use crate::{Facts, Scope};
use evidence::{Target, Window};
use ring::rand::SystemRandom;
use ring::signature::{KeyPair as _, RSA_PKCS1_SHA256, RsaKeyPair};
use std::collections::BTreeMap;
use std::sync::{Arc, LazyLock};
use vault::MemoryVault;

const BUCKET: &str = "trail";
const FINGERPRINT: &str = "31e8b5433410dfb61a9dc45cc65b22ff";

static CLOUDTRAIL: LazyLock<RsaKeyPair> = LazyLock::new(|| {
    key(include_bytes!(
        "../../../../../trail/tests/digests/cloudtrail.pkcs1.der"
    ))
});
static FORGER: LazyLock<RsaKeyPair> = LazyLock::new(|| {
    key(include_bytes!(
        "../../../../../trail/tests/digests/forger.pkcs1.der"
    ))
});

fn key(der: &[u8]) -> RsaKeyPair {
    RsaKeyPair::from_der(der).unwrap()
}

fn time(text: &str) -> Timestamp {
    text.parse().unwrap()
}

fn scope() -> Scope {
    let function = "arn:aws:lambda:eu-west-1:111122223333:function:billing";
    Scope {
        target: Target::from_arn(function).unwrap(),
        facts: Facts::default(),
        window: Window::new(time("2026-01-01T22:00:00Z"), time("2026-01-02T02:00:00Z")).unwrap(),
        baseline: None,
        tampered_at: Some(time("2026-01-02T00:30:00Z")),
    }
}

fn source() -> TrailSource {
    TrailSource {
        bucket: Some(BUCKET.to_owned()),
        prefix: String::new(),
        limit_bytes: 1 << 40,
        athena: None,
    }
}

fn digest_key(region: &str, end: Timestamp) -> String {
    let (day, stamp) = (end.strftime("%Y/%m/%d"), end.strftime("%Y%m%dT%H%M%SZ"));
    format!(
        "AWSLogs/{ACCOUNT}/CloudTrail-Digest/{region}/{day}/{ACCOUNT}_CloudTrail-Digest_{region}_all_{REGION}_{stamp}.json.gz"
    )
}

/// The name of the n-th log file of the hour before `end`.
fn log_key(region: &str, end: Timestamp, number: i64) -> String {
    let named = end - SignedDuration::from_mins(55 - 20 * number);
    log_file(region, &named.strftime("%Y%m%dT%H%M").to_string(), "a")
}

fn hours() -> Vec<Timestamp> {
    (0..6)
        .map(|hour| time("2026-01-01T22:01:31Z") + SignedDuration::from_hours(hour))
        .collect()
}

/// Signs a digest anew and puts it where it says that it is.
fn put_digest(account: &TrailAccount, digest: &Value, by: &RsaKeyPair) -> (String, String) {
    let body = digest.to_string();
    let sha256 = Sha256Digest::of(&body).to_string();
    let text = |field: &str| digest[field].as_str().unwrap_or("null").to_owned();
    let signed = [
        text("digestEndTime"),
        format!("{}/{}", text("digestS3Bucket"), text("digestS3Object")),
        sha256.clone(),
        text("previousDigestSignature"),
    ]
    .join("\n");
    let mut signature = vec![0; by.public().modulus_len()];
    by.sign(
        &RSA_PKCS1_SHA256,
        &SystemRandom::new(),
        signed.as_bytes(),
        &mut signature,
    )
    .unwrap();
    let signature: String = signature.iter().map(|byte| format!("{byte:02x}")).collect();
    let metadata = BTreeMap::from([
        ("signature".to_owned(), signature.clone()),
        ("signature-algorithm".to_owned(), "SHA256withRSA".to_owned()),
    ]);
    let at = (BUCKET.to_owned(), text("digestS3Object"));
    account.with(|state| state.objects.insert(at, (gzip(body), metadata)));
    (sha256, signature)
}

/// A trail that validates: six hours in two Regions, two log files an hour.
fn trail() -> TrailAccount {
    let account = TrailAccount::new();
    let public = base64::encode(CLOUDTRAIL.public_key().as_ref());
    let keys = json!([{"Fingerprint": FINGERPRINT, "Value": public, "ValidityStartTime": 0}]);
    validates(&account, true);
    for region in [REGION, "us-east-1"] {
        account.with(|state| state.keys.insert(region.to_owned(), keys.clone()));
        let mut previous: Option<(String, String, String)> = None;
        for end in hours() {
            let files: Vec<Value> = (0..2)
                .map(|number| {
                    let key = log_key(region, end, number);
                    let body = json!({"Records": [{"eventID": key}]}).to_string();
                    account.put(BUCKET, &key, gzip(&body));
                    json!({"s3Bucket": BUCKET, "s3Object": key, "hashValue": Sha256Digest::of(&body), "hashAlgorithm": "SHA-256"})
                })
                .collect();
            let key = digest_key(region, end);
            let mut digest = json!({
                "awsAccountId": ACCOUNT,
                "digestStartTime": end - SignedDuration::from_hours(1),
                "digestEndTime": end,
                "digestS3Bucket": BUCKET,
                "digestS3Object": key,
                "digestPublicKeyFingerprint": FINGERPRINT,
                "digestSignatureAlgorithm": "SHA256withRSA",
                "previousDigestS3Bucket": null, "previousDigestS3Object": null, "previousDigestHashValue": null,
                "previousDigestHashAlgorithm": null, "previousDigestSignature": null,
                "logFiles": files,
            });
            if let Some((key, sha256, signature)) = &previous {
                digest["previousDigestS3Bucket"] = BUCKET.into();
                digest["previousDigestS3Object"] = key.as_str().into();
                digest["previousDigestHashValue"] = sha256.as_str().into();
                digest["previousDigestHashAlgorithm"] = "SHA-256".into();
                digest["previousDigestSignature"] = signature.as_str().into();
            }
            let (sha256, signature) = put_digest(&account, &digest, &CLOUDTRAIL);
            previous = Some((key, sha256, signature));
        }
    }
    account
}

fn validates(account: &TrailAccount, is_on: bool) {
    let trail = json!({"Name": "all", "TrailARN": "arn:aws:cloudtrail:eu-west-1:111122223333:trail/all",
        "S3BucketName": BUCKET, "HomeRegion": REGION, "IsMultiRegionTrail": true, "LogFileValidationEnabled": is_on});
    account.with(|state| state.trails = vec![trail]);
}

fn object(account: &TrailAccount, key: &str) -> Vec<u8> {
    account.with(|state| {
        state.objects[&(BUCKET.to_owned(), key.to_owned())]
            .0
            .clone()
    })
}

fn delete(account: &TrailAccount, part: &str) {
    account.with(|state| state.objects.retain(|(_, key), _| !key.contains(part)));
}

/// Checks a trail.
async fn check(
    account: &TrailAccount,
    source: TrailSource,
) -> (Concluded, BTreeMap<String, String>) {
    let investigation = account.investigation(scope(), source);
    let request = Request::whole(ArtifactKind::TrailIntegrity);
    let task = investigation.task("first", &request);
    let observer = investigation.observer(&request, &Default::default());
    let (concluded, kept) = carry_out(&task, observer).await;
    for call in &concluded.acquisition.calls {
        assert!(
            ARTIFACT.actions.contains(&call.api.as_str()),
            "{} is not declared",
            call.api
        );
    }
    (concluded, kept)
}

fn outcome(concluded: &Concluded) -> (&str, &str) {
    let outcome = &concluded.acquisition.result;
    (outcome.as_str(), outcome.why().unwrap_or_default())
}

fn report(kept: &BTreeMap<String, String>) -> Value {
    let report = kept.iter().find(|(name, _)| name.ends_with("-report"));
    serde_json::from_str(report.expect("no report").1).unwrap()
}

#[tokio::test(start_paused = true)]
async fn a_trail_that_was_left_alone_holds_and_each_fact_can_be_checked_by_hand() {
    let account = trail();
    let (concluded, kept) = check(&account, source()).await;
    assert_eq!(outcome(&concluded), ("acquired", ""));
    assert!(concluded.findings.is_empty(), "{:?}", concluded.findings);
    insta::assert_json_snapshot!(report(&kept));
    let calls = concluded.acquisition.calls.iter();
    let calls: Vec<_> = calls
        .map(|call| json!([call.api, call.about, call.requests]))
        .collect();
    insta::assert_json_snapshot!("calls", calls);
    let lines = kept.iter().filter(|(name, _)| !name.ends_with("-report"));
    let facts: Vec<Value> = lines
        .flat_map(|(_, text)| text.lines())
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    let kinds: Vec<&str> = facts
        .iter()
        .map(|fact| fact["what"].as_str().unwrap())
        .collect();
    let count = |kind: &str| kinds.iter().filter(|one| **one == kind).count();
    assert_eq!(
        (
            count("asked"),
            count("keys"),
            count("digest"),
            count("log-file"),
            count("listed")
        ),
        (1, 2, 12, 24, 2)
    );
    assert!(
        kinds.iter().rposition(|kind| *kind == "digest")
            < kinds.iter().position(|kind| *kind == "log-file")
    );
    let digest = facts.iter().find(|fact| fact["what"] == "digest").unwrap();
    let key = digest["key"].as_str().unwrap();
    assert!(key.ends_with("_20260102T030131Z.json.gz"), "{key}");
    let body = digest["body"].as_str().unwrap();
    assert_eq!(gzip(body), object(&account, key));
}

#[tokio::test(start_paused = true)]
async fn every_way_to_alter_a_trail_is_found_and_named() {
    type Alter = fn(&TrailAccount);
    let alterations: &[(&str, Alter, &[&str])] = &[
        (
            "a log file changed",
            |account| account.put(BUCKET, &log_key(REGION, hours()[2], 0), gzip("{}")),
            &["trail-changed"],
        ),
        (
            "a log file with something behind its end",
            |account| {
                let key = log_key(REGION, hours()[2], 0);
                let longer = [object(account, &key), gzip("{\"Records\":[]}")].concat();
                account.put(BUCKET, &key, longer);
            },
            &["trail-changed"],
        ),
        (
            "a log file cut off",
            |account| {
                let key = log_key(REGION, hours()[2], 0);
                let half = object(account, &key)[..30].to_vec();
                account.put(BUCKET, &key, half);
            },
            &["trail-changed"],
        ),
        (
            "a log file emptied",
            |account| account.put(BUCKET, &log_key(REGION, hours()[2], 0), ""),
            &["trail-changed"],
        ),
        (
            "a log file deleted",
            |account| delete(account, &log_key(REGION, hours()[2], 1)),
            &["trail-files-missing"],
        ),
        (
            "all log files of a Region deleted",
            |account| delete(account, "/CloudTrail/us-east-1/"),
            &["trail-files-missing"],
        ),
        (
            "a log file added",
            |account| account.put(BUCKET, &log_file(REGION, "20260101T2330", "b"), gzip("{}")),
            &["trail-files-unlisted"],
        ),
        (
            "a digest deleted",
            |account| delete(account, &digest_key(REGION, hours()[2])),
            &["trail-files-missing"],
        ),
        (
            "a digest edited",
            |account| {
                let mut digest: Value = serde_json::from_slice(&inflate(&object(
                    account,
                    &digest_key(REGION, hours()[2]),
                )))
                .unwrap();
                digest["logFiles"].as_array_mut().unwrap().pop();
                let at = (BUCKET.to_owned(), digest_key(REGION, hours()[2]));
                account
                    .with(|state| state.objects.get_mut(&at).unwrap().0 = gzip(digest.to_string()));
            },
            &["trail-changed"],
        ),
        (
            "a digest signed by somebody else",
            |account| {
                let digest: Value = serde_json::from_slice(&inflate(&object(
                    account,
                    &digest_key(REGION, hours()[2]),
                )))
                .unwrap();
                put_digest(account, &digest, &FORGER);
            },
            &["trail-digest-not-signed"],
        ),
        (
            "a digest without a signature",
            |account| {
                let at = (BUCKET.to_owned(), digest_key(REGION, hours()[2]));
                account.with(|state| state.objects.get_mut(&at).unwrap().1.clear());
            },
            &["trail-digest-not-signed"],
        ),
    ];
    for (what, alter, rules) in alterations {
        let account = trail();
        alter(&account);
        let (concluded, kept) = check(&account, source()).await;
        let found: Vec<&str> = concluded
            .findings
            .iter()
            .map(|finding| finding.rule.as_str())
            .collect();
        assert_eq!(&found, rules, "{what}: {:#}", report(&kept));
        let finding = &concluded.findings[0];
        assert_eq!(finding.severity, evidence::Severity::High);
        assert!(
            finding
                .statement
                .contains("s3://trail/AWSLogs/111122223333/CloudTrail"),
            "{}",
            finding.statement
        );
        let path = finding.proof[0].path.as_deref().unwrap();
        assert!(report(&kept).pointer(path).is_some(), "{what}");
        assert!(
            kept.contains_key(&finding.proof[0].exhibit),
            "{what}: {:?}",
            finding.proof
        );
    }
}

fn inflate(bytes: &[u8]) -> Vec<u8> {
    let mut body = Vec::new();
    MultiGzDecoder::new(bytes).read_to_end(&mut body).unwrap();
    body
}

#[tokio::test(start_paused = true)]
async fn without_digests_it_is_said_what_that_means() {
    for (is_on, word, told, rules) in [
        (
            Some(false),
            "absent",
            "log file validation is off: nothing can show",
            0,
        ),
        (Some(true), "partial", "log file validation is on, but", 1),
        (None, "denied", "cloudtrail:DescribeTrails", 0),
    ] {
        let account = trail();
        delete(&account, "CloudTrail-Digest");
        match is_on {
            Some(is_on) => validates(&account, is_on),
            None => account.fault("DescribeTrails", 1, Fault::Refused(403, "AccessDenied")),
        }
        let (concluded, _) = check(&account, source()).await;
        let (got, why) = outcome(&concluded);
        assert!(got == word && why.contains(told), "{got}: {why}");
        assert_eq!(concluded.findings.len(), rules, "{:?}", concluded.findings);
        // Without a list there is nothing to compare log files with.
        assert!(account.asked("Get ").is_empty());
    }
    // Older ones are there, and none of the window.
    let account = trail();
    for hour in hours() {
        delete(&account, &format!("{}", hour.strftime("%Y%m%dT%H%M%SZ")));
    }
    account.put(
        BUCKET,
        &digest_key(REGION, time("2025-12-01T00:00:00Z")),
        gzip("{}"),
    );
    let (concluded, _) = check(&account, source()).await;
    assert_eq!(concluded.findings[0].rule, "trail-digests-missing");
    assert!(!concluded.findings[0].proof.is_empty());
}

#[tokio::test(start_paused = true)]
async fn what_may_not_be_asked_is_denied_and_nothing_is_called_missing_for_it() {
    for (call, told) in [
        ("ListPublicKeys", "no digest's signature can be checked"),
        (
            "Get s3://trail/AWSLogs/111122223333/CloudTrail-Digest",
            "the digests in s3://trail/ may not be read",
        ),
        (
            "Get s3://trail/AWSLogs/111122223333/CloudTrail/",
            "the files in s3://trail/ may not be read",
        ),
        ("List s3://trail/", "s3:ListBucket"),
        (
            "List s3://trail/AWSLogs/111122223333/CloudTrail-Digest/eu-west-1/2026",
            "s3:ListBucket",
        ),
    ] {
        let account = trail();
        account.fault(call, u32::MAX, Fault::Refused(403, "AccessDeniedException"));
        let (concluded, _) = check(&account, source()).await;
        let (word, why) = outcome(&concluded);
        assert!(
            word == "denied" && why.contains(told),
            "{call}: {word}: {why}"
        );
        let missing = concluded
            .findings
            .iter()
            .find(|finding| finding.rule.contains("missing"));
        assert_eq!(missing, None, "{call}");
        // Nobody goes on hammering.
        let most = if call == "ListPublicKeys" {
            36
        } else {
            12 + AHEAD
        };
        let got = account.asked("Get ").len();
        assert!(got <= most, "{call}: {got}");
    }
}

#[tokio::test(start_paused = true)]
async fn of_a_trail_that_is_too_large_the_digests_are_checked_and_the_nearest_log_files() {
    let account = trail();
    let size_bytes = object(&account, &log_key(REGION, hours()[2], 0)).len() as u64;
    for (limit_bytes, compared) in [(0, 0), (size_bytes * 11, 8)] {
        let limited = TrailSource {
            limit_bytes,
            ..source()
        };
        let (concluded, kept) = check(&account, limited).await;
        let (word, why) = outcome(&concluded);
        assert!(
            word == "partial" && why.contains("more than the limit"),
            "{word}: {why}"
        );
        let report = report(&kept);
        assert_eq!(report["digests_proven"], 12);
        assert_eq!(report["log_files_intact"], compared, "{why}");
        assert_eq!(report["deviation_count"], 0);
        assert!(concluded.findings.is_empty());
    }
}

#[tokio::test(start_paused = true)]
async fn any_page_may_be_read_twice_and_a_passing_failure_costs_nothing() {
    let account = trail();
    account.with(|state| state.most_keys = 2);
    let investigation = account.investigation(scope(), source());
    let request = Request::whole(ArtifactKind::TrailIntegrity);
    let clock = Arc::new(|| time("2026-01-02T03:04:05Z"));
    let case = "20260102T030405Z-test-0000000000000000".parse().unwrap();
    let desk = Desk::new(Arc::new(MemoryVault::default()), case, clock, u64::MAX);
    let mut cursor = None;
    let mut pages = 0;
    loop {
        let mut twice = Vec::new();
        for _ in 0..2 {
            let task = investigation.task("first", &request);
            let mut inquiry = Inquiry::new(&desk, &investigation.target, request.clone());
            twice.push(task.readings[0].page(&mut inquiry, cursor.as_ref()).await);
            assert_eq!(inquiry.last_refusal(), None);
        }
        assert_eq!(twice[0], twice[1]);
        pages += 1;
        cursor = twice.remove(0).next;
        if cursor.is_none() {
            break;
        }
    }
    assert_eq!(pages, 4);
    for call in [
        "ListPublicKeys",
        "List s3://",
        "CloudTrail-Digest_eu-west-1",
        "CloudTrail_us-east-1",
        "DescribeTrails",
    ] {
        account.fault(call, 2, Fault::Refused(503, "SlowDown"));
    }
    account.fault("T0101", 2, Fault::CutOff);
    let (concluded, kept) = check(&account, source()).await;
    assert_eq!(outcome(&concluded), ("acquired", ""), "{:#}", report(&kept));
    assert_eq!(report(&kept)["log_files_intact"], 24);
}
