//! Real chains, signed with a key of the tests, and everything that can be done to them.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "what a test cannot read, fails it"
)]

use evidence::Sha256Digest;
use jiff::{SignedDuration, Timestamp};
use proptest::prelude::*;
use ring::rand::SystemRandom;
use ring::signature::{KeyPair as _, RSA_PKCS1_SHA256, RsaKeyPair};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::sync::LazyLock;
use trail::digests::DeviationKind::{
    BadSignature, ChainBroken, Changed, Gap, Missing, Moved, Restarted, Unlisted, Unread,
};
use trail::digests::{
    Chain, ChainKind, DeviationKind, Digest, DigestName, FoundDigest, Integrity, Judgement,
    Location, LogFileHash, LogFileState, LogFileVerdict, MAX_DIGEST_BYTES, Period, PublicKeys,
    Refused, TrailIntegrity, UncoveredWhy,
};

const BUCKET: &str = "trail-bucket";
const ROOT: &str = "AWSLogs/111122223333";
const FINGERPRINT: &str = "31e8b5433410dfb61a9dc45cc65b22ff";

static CLOUDTRAIL: LazyLock<RsaKeyPair> =
    LazyLock::new(|| RsaKeyPair::from_der(include_bytes!("digests/cloudtrail.pkcs1.der")).unwrap());
static FORGER: LazyLock<RsaKeyPair> =
    LazyLock::new(|| RsaKeyPair::from_der(include_bytes!("digests/forger.pkcs1.der")).unwrap());

fn public_keys() -> PublicKeys {
    [(FINGERPRINT, CLOUDTRAIL.public_key().as_ref())]
        .into_iter()
        .collect()
}

fn sign(text: &str, key: &RsaKeyPair) -> String {
    let mut signature = vec![0; key.public().modulus_len()];
    key.sign(
        &RSA_PKCS1_SHA256,
        &SystemRandom::new(),
        text.as_bytes(),
        &mut signature,
    )
    .unwrap();
    hex::encode(signature)
}

/// The signing string as documentation has it, made without the code under test.
fn text_to_sign(digest: &Value, bytes: &[u8]) -> String {
    [
        digest["digestEndTime"].as_str().unwrap().to_owned(),
        format!(
            "{}/{}",
            digest["digestS3Bucket"].as_str().unwrap(),
            digest["digestS3Object"].as_str().unwrap()
        ),
        Sha256Digest::of(bytes).to_string(),
        digest["previousDigestSignature"]
            .as_str()
            .unwrap_or("null")
            .to_owned(),
    ]
    .join("\n")
}

fn at(hours: i64) -> Timestamp {
    let midnight: Timestamp = "2026-03-01T00:01:31Z".parse().unwrap();
    midnight + SignedDuration::from_hours(hours)
}

fn compact(time: Timestamp, format: &str) -> String {
    time.strftime(format).to_string()
}

fn digest_key(end: Timestamp, suffix: &str) -> String {
    let day = compact(end, "%Y/%m/%d");
    let stamp = compact(end, "%Y%m%dT%H%M%SZ");
    format!(
        "{ROOT}/CloudTrail-Digest/eu-west-1/{day}/111122223333_CloudTrail-Digest_eu-west-1_all_events_eu-west-1_{stamp}{suffix}.json.gz"
    )
}

fn log_key(time: Timestamp, unique: &str) -> String {
    let day = compact(time, "%Y/%m/%d");
    let stamp = compact(time, "%Y%m%dT%H%MZ");
    format!(
        "{ROOT}/CloudTrail/eu-west-1/{day}/111122223333_CloudTrail_eu-west-1_{stamp}_{unique}.json.gz"
    )
}

fn url(key: &str) -> String {
    format!("s3://{BUCKET}/{key}")
}

/// An object, inflated.
#[derive(Clone, Debug)]
struct Object {
    bytes: Vec<u8>,
    signature: Option<String>,
    stored_at: Timestamp,
    gzip_is_whole: bool,
}

/// The trail's bucket, and CloudTrail, which delivers to it.
#[derive(Clone, Debug, Default)]
struct Bucket {
    objects: BTreeMap<String, Object>,
    /// The last digest of each chain: key, hash, signature.
    last: BTreeMap<&'static str, (String, String, String)>,
}

impl Bucket {
    /// A trail whose validation is on since `at(0)`, with `hours` digests; two log files an hour, none in every
    /// third hour.
    fn with_hours(hours: i64) -> Self {
        let mut bucket = Self::default();
        for hour in 0..hours {
            bucket.deliver_hour(hour);
        }
        bucket
    }

    fn deliver_hour(&mut self, hour: i64) {
        let logs = if hour % 3 == 2 {
            vec![]
        } else {
            vec![self.log(hour, "first"), self.log(hour, "second")]
        };
        self.deliver_digest("", at(hour), at(hour + 1), &logs);
    }

    fn log(&mut self, hour: i64, unique: &str) -> String {
        let time = at(hour) + SignedDuration::from_mins(20);
        let key = log_key(time, unique);
        let bytes = format!(r#"{{"Records":[{{"eventID":"{hour}-{unique}"}}]}}"#).into_bytes();
        self.put(&key, bytes, time + SignedDuration::from_mins(4));
        key
    }

    fn put(&mut self, key: &str, bytes: Vec<u8>, stored_at: Timestamp) {
        self.objects.insert(
            key.to_owned(),
            Object {
                bytes,
                signature: None,
                stored_at,
                gzip_is_whole: true,
            },
        );
    }

    fn deliver_digest(
        &mut self,
        suffix: &'static str,
        start: Timestamp,
        end: Timestamp,
        logs: &[String],
    ) {
        let previous = self.last.get(suffix);
        let key = digest_key(end, suffix);
        let log_files: Vec<_> = logs
            .iter()
            .map(|log| {
                json!({
                    "s3Bucket": BUCKET,
                    "s3Object": log,
                    "hashValue": Sha256Digest::of(&self.objects[log].bytes).to_string(),
                    "hashAlgorithm": "SHA-256",
                    "newestEventTime": start.to_string(),
                    "oldestEventTime": start.to_string(),
                })
            })
            .collect();
        let digest = json!({
            "awsAccountId": "111122223333",
            "digestStartTime": start.to_string(),
            "digestEndTime": end.to_string(),
            "digestS3Bucket": BUCKET,
            "digestS3Object": key,
            "digestPublicKeyFingerprint": FINGERPRINT,
            "digestSignatureAlgorithm": "SHA256withRSA",
            "newestEventTime": null,
            "oldestEventTime": null,
            "previousDigestS3Bucket": previous.map(|_| BUCKET),
            "previousDigestS3Object": previous.map(|(key, _, _)| key),
            "previousDigestHashValue": previous.map(|(_, hash, _)| hash),
            "previousDigestHashAlgorithm": previous.map(|_| "SHA-256"),
            "previousDigestSignature": previous.map(|(_, _, signature)| signature),
            "logFiles": log_files,
        });
        let signature = self.write_digest(&key, &digest, &CLOUDTRAIL, end);
        let hash = Sha256Digest::of(&self.objects[&key].bytes).to_string();
        self.last.insert(suffix, (key, hash, signature));
    }

    fn write_digest(
        &mut self,
        key: &str,
        digest: &Value,
        signer: &RsaKeyPair,
        stored_at: Timestamp,
    ) -> String {
        let bytes = serde_json::to_vec(digest).unwrap();
        let signature = sign(&text_to_sign(digest, &bytes), signer);
        self.put(key, bytes, stored_at);
        self.object(key).signature = Some(signature.clone());
        signature
    }

    fn object(&mut self, key: &str) -> &mut Object {
        self.objects.get_mut(key).unwrap()
    }

    fn digest(&self, key: &str) -> Value {
        serde_json::from_slice(&self.objects[key].bytes).unwrap()
    }

    fn keys(&self, part: &str) -> Vec<String> {
        let keys = self.objects.keys().filter(|key| key.contains(part));
        keys.cloned().collect()
    }

    /// Looks at everything, as the caller is told to.
    fn checked(&self, asked: Period, keys: &PublicKeys) -> TrailIntegrity {
        let mut integrity = Integrity::new(asked);
        for kind in [ChainKind::Hourly, ChainKind::Backfill] {
            let mut chain = Chain::new(format!("{kind:?}"), kind, asked, keys);
            for key in self.keys("/CloudTrail-Digest/").iter().rev() {
                if key.ends_with("_backfill.json.gz") == (kind == ChainKind::Backfill) {
                    chain.link(&found(key, &self.objects[key]));
                }
            }
            integrity.add(chain);
        }
        for key in self.keys("/CloudTrail/") {
            let object = &self.objects[&key];
            let state = if object.gzip_is_whole {
                let mut hash = LogFileHash::new();
                for part in object.bytes.chunks(7) {
                    hash.feed(part);
                }
                LogFileState::Read(hash.finish())
            } else {
                LogFileState::Corrupt
            };
            integrity.log_file(&Location::new(BUCKET, key), Some(object.stored_at), &state);
        }
        let gone: Vec<_> = integrity
            .expected()
            .map(|file| file.location.clone())
            .collect();
        for location in gone {
            integrity.log_file(&location, None, &LogFileState::Absent);
        }
        integrity.report()
    }

    /// The report over the six hours that most tests have.
    fn report(&self) -> TrailIntegrity {
        self.checked(Period::new(at(0), at(6)), &public_keys())
    }
}

fn found<'a>(key: &str, object: &'a Object) -> FoundDigest<'a> {
    FoundDigest {
        location: Location::new(BUCKET, key),
        inflated: &object.bytes,
        signature: object.signature.as_deref(),
        algorithm: object.signature.as_ref().map(|_| "SHA256withRSA"),
    }
}

/// Six hours, as they should be.
fn six_hours() -> Bucket {
    Bucket::with_hours(6)
}

/// The key of the digest that ends at this hour.
fn ending(hour: i64) -> String {
    digest_key(at(hour), "")
}

fn first_log_of(hour: i64) -> String {
    log_key(at(hour) + SignedDuration::from_mins(20), "first")
}

fn second_log_of(hour: i64) -> String {
    log_key(at(hour) + SignedDuration::from_mins(20), "second")
}

#[track_caller]
fn assert_deviates(report: &TrailIntegrity, expected: &[(DeviationKind, &str)]) {
    let named: Vec<_> = report
        .deviations
        .iter()
        .map(|deviation| (deviation.kind, deviation.file.clone()))
        .collect();
    let expected: Vec<_> = expected
        .iter()
        .map(|(kind, key)| (*kind, url(key)))
        .collect();
    assert_eq!(named, expected, "{report:#?}");
    assert_eq!(report.deviation_count, expected.len() as u64);
}

fn uncovered(report: &TrailIntegrity) -> Vec<(Timestamp, Timestamp, UncoveredWhy)> {
    let parts = report.chains.iter().flat_map(|chain| &chain.uncovered);
    parts
        .map(|part| (part.period.from, part.period.until, part.why))
        .collect()
}

// ---- What CloudTrail writes ------------------------------------------------------------------------

/// The example of the user guide's page "CloudTrail digest file structure".
#[test]
fn the_documentations_example_is_read() {
    let signature = "50887ccffad4c002b97caa37cc9dc626e3c680207d41d27fa5835458e066e0d3652fc4dfc30937e4d5f4cc7f796e7a258fb50a43ac427f2237f6e505d4efaf373d156e15e3b68dea9f58111d395b62628d6bd367a9024d2183b5c5f6e19466d3a996b92df705bc997b8a0e13430f241d733cf95df4e41bb6c304c3f58363043572ea57a27085639ce187e679c0d81c7519b1184fa77fb7ab0b0e40a32dace6e1eefc3995c5ae182da49b62b26398cebb52a2201a6387b75b89c83e5570bcb9bba6c34a80f2f00a1c6ebe07d1ff149eccd812dc805bb3eeff6657db32a6cb48d2d096404eb76181877bc6ebb8cd0b23f823200155b2fd8848d428e46e8456328a";
    let folder = "AWSLogs/111122223333/CloudTrail-Digest/us-east-2/2015/08/17/111122223333_CloudTrail-Digest_us-east-2_your-trail-name_us-east-2_";
    let log = "AWSLogs/111122223333/CloudTrail/us-east-2/2015/08/17/111122223333_CloudTrail_us-east-2_20150817T1445Z_9nYN7gp2eWAJHIfT.json.gz";
    let bytes = serde_json::to_vec_pretty(&json!({
        "awsAccountId": "111122223333",
        "digestStartTime": "2015-08-17T14:01:31Z",
        "digestEndTime": "2015-08-17T15:01:31Z",
        "digestS3Bucket": "amzn-s3-demo-bucket",
        "digestS3Object": format!("{folder}20150817T150131Z.json.gz"),
        "digestPublicKeyFingerprint": "31e8b5433410dfb61a9dc45cc65b22ff",
        "digestSignatureAlgorithm": "SHA256withRSA",
        "newestEventTime": "2015-08-17T14:52:27Z",
        "oldestEventTime": "2015-08-17T14:42:27Z",
        "previousDigestS3Bucket": "amzn-s3-demo-bucket",
        "previousDigestS3Object": format!("{folder}20150817T140131Z.json.gz"),
        "previousDigestHashValue": "97fb791cf91ffc440d274f8190dbdd9aa09c34432aba82739df18b6d3c13df2d",
        "previousDigestHashAlgorithm": "SHA-256",
        "previousDigestSignature": signature,
        "logFiles": [{
            "s3Bucket": "amzn-s3-demo-bucket",
            "s3Object": log,
            "hashValue": "9bb6196fc6b84d6f075a56548feca262bd99ba3c2de41b618e5b6e22c1fc71f6",
            "hashAlgorithm": "SHA-256",
            "newestEventTime": "2015-08-17T14:52:27Z",
            "oldestEventTime": "2015-08-17T14:42:27Z"
        }]
    }))
    .unwrap();

    let digest = Digest::read(&bytes).unwrap();

    assert_eq!(digest.delivered.from.to_string(), "2015-08-17T14:01:31Z");
    assert_eq!(digest.delivered.until.to_string(), "2015-08-17T15:01:31Z");
    assert_eq!(digest.fingerprint, "31e8b5433410dfb61a9dc45cc65b22ff");
    let previous = digest.previous.as_ref().unwrap();
    assert_eq!(
        previous.location.to_string(),
        format!("s3://amzn-s3-demo-bucket/{folder}20150817T140131Z.json.gz")
    );
    assert_eq!(
        previous.sha256.unwrap().to_string(),
        "97fb791cf91ffc440d274f8190dbdd9aa09c34432aba82739df18b6d3c13df2d"
    );
    assert_eq!(digest.log_files[0].location.key, log);
    assert_eq!(
        digest.log_files[0].newest_event_at.unwrap().to_string(),
        "2015-08-17T14:52:27Z"
    );
    assert_eq!(
        digest.signed_text(),
        format!(
            "2015-08-17T15:01:31Z\namzn-s3-demo-bucket/{folder}20150817T150131Z.json.gz\n{}\n{signature}",
            Sha256Digest::of(&bytes)
        )
    );
    let name = DigestName::parse(&digest.location.key).unwrap();
    assert_eq!(
        (
            name.account.as_str(),
            name.region.as_str(),
            name.trail.as_str()
        ),
        ("111122223333", "us-east-2", "your-trail-name")
    );
    assert_eq!(name.ended_at, digest.delivered.until);
    assert_eq!(name.kind, ChainKind::Hourly);
}

#[test]
fn names_with_underscores_prefixes_and_backfills_are_told_apart() {
    let name = DigestName::parse(
        "logs/AWSLogs/o-exampleorgid/111122223333/CloudTrail-Digest/eu-west-1/2026/03/01/111122223333_CloudTrail-Digest_eu-west-1_my_trail.2_us-east-1_20260301T010131Z_backfill.json.gz",
    )
    .unwrap();
    assert_eq!(name.trail, "my_trail.2");
    assert_eq!(name.region, "eu-west-1");
    assert_eq!(name.home_region, "us-east-1");
    assert_eq!(name.kind, ChainKind::Backfill);
    assert_eq!(name.ended_at, at(1));
    for other in [
        "",
        "111122223333_CloudTrail-Digest_eu-west-1_t_eu-west-1_20260301T010131Z.json.gz",
        "a/111122223333_CloudTrail_eu-west-1_20260301T0101Z_abc.json.gz",
        "a/111122223333_CloudTrail-Digest_eu-west-1_t_eu-west-1_20261301T010131Z.json.gz",
        "a/111122223333_CloudTrail-Digest_eu-west-1_t_eu-west-1_2026030éT010131Z.json.gz",
    ] {
        assert_eq!(DigestName::parse(other), None, "{other}");
    }
}

#[test]
fn a_signature_made_with_openssl_and_accepted_by_aws_cli_holds() {
    let bytes = include_bytes!("digests/signed-with-openssl.json");
    let signature = include_str!("digests/signed-with-openssl.hex").trim();
    let digest = Digest::read(bytes).unwrap();
    let mut found = FoundDigest {
        location: digest.location.clone(),
        inflated: bytes,
        signature: Some(signature),
        algorithm: Some("SHA256withRSA"),
    };
    assert_eq!(digest.verify(&found, &public_keys()), Ok(()));
    let upper = signature.to_uppercase();
    found.signature = Some(&upper);
    assert_eq!(digest.verify(&found, &public_keys()), Ok(()));
}

#[test]
fn a_key_in_a_subject_public_key_info_is_read_too() {
    let pkcs1 = CLOUDTRAIL.public_key().as_ref();
    assert_eq!(pkcs1.len(), 270);
    let mut wrapped = hex::decode("30820122300d06092a864886f70d01010105000382010f00").unwrap();
    wrapped.extend_from_slice(pkcs1);
    let keys: PublicKeys = [(FINGERPRINT, wrapped)].into_iter().collect();
    let report = six_hours().checked(Period::new(at(0), at(6)), &keys);
    assert_eq!(report.judgement, Judgement::Holds, "{report:#?}");
}

#[test]
fn each_refusal_is_named() {
    let bucket = six_hours();
    let object = &bucket.objects[&ending(3)];
    let digest = Digest::read(&object.bytes).unwrap();
    let keys = public_keys();
    let good = found(&ending(3), object);
    assert_eq!(digest.verify(&good, &keys), Ok(()));

    let refused = |change: &dyn Fn(&mut FoundDigest<'_>)| {
        let mut found = good.clone();
        change(&mut found);
        digest.verify(&found, &keys).unwrap_err()
    };
    assert_eq!(
        refused(&|found| found.location.bucket = "other".into()),
        Refused::Moved {
            says: digest.location.clone()
        }
    );
    assert_eq!(
        refused(&|found| found.signature = None),
        Refused::SignatureMissing
    );
    assert_eq!(
        refused(&|found| found.signature = Some("zz")),
        Refused::SignatureMalformed
    );
    assert_eq!(
        refused(&|found| found.signature = Some("")),
        Refused::SignatureWrong
    );
    assert_eq!(
        refused(&|found| found.algorithm = Some("MD5withRSA\n")),
        Refused::AlgorithmUnknown {
            algorithm: "MD5withRSA\\n".into()
        }
    );
    let none = PublicKeys::default();
    assert_eq!(
        digest.verify(&good, &none),
        Err(Refused::KeyUnknown {
            fingerprint: FINGERPRINT.into()
        })
    );
    let whole = CLOUDTRAIL.public_key().as_ref();
    for der in [
        &whole[..200],
        &whole[1..],
        b"",
        &[0x30, 0x82],
        &[0x30, 0x80, 0, 0],
    ] {
        let keys: PublicKeys = [(FINGERPRINT, der)].into_iter().collect();
        assert_eq!(
            digest.verify(&good, &keys),
            Err(Refused::KeyUnusable {
                fingerprint: FINGERPRINT.into()
            })
        );
    }
    let forger: PublicKeys = [(FINGERPRINT, FORGER.public_key().as_ref())]
        .into_iter()
        .collect();
    assert_eq!(digest.verify(&good, &forger), Err(Refused::SignatureWrong));
}

#[test]
fn what_is_no_digest_is_refused_without_quoting_it() {
    let good = six_hours().digest(&ending(2));
    let why = |change: &dyn Fn(&mut Value)| {
        let mut digest = good.clone();
        change(&mut digest);
        let bytes = serde_json::to_vec(&digest).unwrap();
        Digest::read(&bytes).unwrap_err().to_string()
    };
    let cases = [
        why(&|digest| digest["digestStartTime"] = json!("s3cret")),
        why(&|digest| digest["digestStartTime"] = digest["digestEndTime"].take()),
        why(&|digest| digest["digestEndTime"] = json!("2001-01-01T00:00:00Z")),
        why(&|digest| digest["logFiles"] = json!([{"s3Bucket": "s3cret"}])),
        why(&|digest| digest["logFiles"][0]["hashValue"] = json!("s3cret")),
        why(&|digest| digest["previousDigestHashValue"] = json!("s3cret")),
        why(&|digest| digest["previousDigestHashValue"] = Value::Null),
        why(&|digest| digest["previousDigestS3Object"] = Value::Null),
        why(&|digest| digest["digestS3Bucket"] = json!({"s3cret": 1})),
        why(&|digest| *digest = json!("s3cret")),
        Digest::read(b"s3cret").unwrap_err().to_string(),
        Digest::read(b"").unwrap_err().to_string(),
        Digest::read(&vec![b' '; MAX_DIGEST_BYTES + 1])
            .unwrap_err()
            .to_string(),
    ];
    for case in &cases {
        assert!(!case.contains("s3cret"), "{case}");
    }
    insta::assert_snapshot!(cases.join("\n"), @r"
    not a digest file: digestStartTime is not a time
    not a digest file: a field is missing or of another type (line 1, column 92)
    not a digest file: it ends before it begins
    not a digest file: a field is missing or of another type (line 1, column 1383)
    not a digest file: hashValue is not the hex of a SHA-256
    not a digest file: previousDigestHashValue is not the hex of a SHA-256
    not a digest file: previousDigestHashValue is missing
    not a digest file: it names half of a previous digest
    not a digest file: a field is missing or of another type (line 1, column 128)
    not a digest file: a field is missing or of another type (line 1, column 8)
    not a digest file: it is not JSON (line 1, column 1)
    not a digest file: it ends too early (line 1, column 0)
    not a digest file: 16777217 bytes are more than the 16777216 that are read
    ");
}

// ---- What holds ------------------------------------------------------------------------------------

#[test]
fn an_untouched_trail_holds() {
    let report = six_hours().report();
    assert_deviates(&report, &[]);
    assert_eq!(report.judgement, Judgement::Holds);
    assert_eq!((report.digests_checked, report.digests_proven), (6, 6));
    assert_eq!((report.log_files_listed, report.log_files_intact), (8, 8));
    assert_eq!(report.log_files_not_checked, 0);
    assert_eq!(report.chains[0].covered, [Period::new(at(0), at(6))]);
    assert_eq!(uncovered(&report), []);
    assert_eq!(
        report.verdict,
        "6 of 6 digest files are CloudTrail's, 8 of 8 log files that they list are as delivered."
    );
    let json = serde_json::to_string(&report).unwrap();
    assert_eq!(
        serde_json::from_str::<TrailIntegrity>(&json).unwrap(),
        report
    );
}

#[test]
fn the_last_hour_has_no_digest_yet_and_is_said_not_to_be_covered() {
    let mut bucket = six_hours();
    // Delivered after the last digest: in no digest, and nobody's fault.
    bucket.log(6, "first");
    let asked = Period::new(at(0), at(6) + SignedDuration::from_mins(50));
    let report = bucket.checked(asked, &public_keys());
    assert_deviates(&report, &[]);
    assert_eq!(
        uncovered(&report),
        [(at(6), asked.until, UncoveredWhy::NotYetDelivered)]
    );
    assert_eq!(report.log_files_not_covered, 1);
    assert_eq!(
        report.verdict,
        "6 of 6 digest files are CloudTrail's, 8 of 8 log files that they list are as delivered; 1 log files \
         are in no digest and of a time that none covers; not covered: 2026-03-01T06:01:31Z to \
         2026-03-01T06:51:31Z of Hourly (CloudTrail delivers the digest of the last hour after the hour)."
    );
}

#[test]
fn a_trail_without_validation_proves_nothing() {
    let mut bucket = six_hours();
    bucket.objects.retain(|key, _| !key.contains("-Digest"));
    let report = bucket.report();
    assert_deviates(&report, &[]);
    assert_eq!(report.judgement, Judgement::NothingProven);
    assert_eq!(report.log_files_not_covered, 8);
    assert_eq!(
        uncovered(&report),
        [(at(0), at(6), UncoveredWhy::NoDigests)]
    );
    assert!(
        report
            .verdict
            .starts_with("Nothing is proven: no digest file was found; 8 log files"),
        "{}",
        report.verdict
    );
}

#[test]
fn a_window_in_the_middle_of_a_chain_asks_for_nothing_older() {
    let mut bucket = Bucket::with_hours(12);
    for hour in 1..=5 {
        bucket.objects.remove(&ending(hour));
    }
    bucket.objects.remove(&ending(12));
    let report = bucket.checked(Period::new(at(5), at(11)), &public_keys());
    assert_deviates(&report, &[]);
    assert_eq!(report.chains[0].covered, [Period::new(at(5), at(11))]);
}

#[test]
fn time_before_validation_began_is_not_covered_and_not_a_deviation() {
    let report = six_hours().checked(Period::new(at(-10), at(6)), &public_keys());
    assert_deviates(&report, &[]);
    assert_eq!(
        uncovered(&report),
        [(at(-10), at(0), UncoveredWhy::NotBegun)]
    );
}

#[test]
fn a_key_that_is_not_at_hand_is_made_up_for_by_the_digest_after() {
    let mut bucket = six_hours();
    let mut rotated = bucket.digest(&ending(6));
    rotated["digestPublicKeyFingerprint"] = json!("new");
    bucket.write_digest(&ending(6), &rotated, &CLOUDTRAIL, at(6));
    let keys: PublicKeys = [("new", CLOUDTRAIL.public_key().as_ref())]
        .into_iter()
        .collect();
    let report = bucket.checked(Period::new(at(0), at(6)), &keys);
    assert_deviates(&report, &[]);
    assert_eq!(report.digests_proven, 6);
}

// ---- Log files -------------------------------------------------------------------------------------

#[test]
fn a_changed_log_file_is_named() {
    let mut bucket = six_hours();
    bucket.object(&first_log_of(3)).bytes[3] ^= 1;
    let report = bucket.report();
    assert_deviates(&report, &[(Changed, &first_log_of(3))]);
    assert_eq!(report.judgement, Judgement::Deviates);
    assert_eq!(report.log_files_intact, 7);
    assert_eq!(
        report.verdict,
        "Not as CloudTrail left it (1 changed): 6 of 6 digest files are CloudTrail's, 7 of 8 log files that \
         they list are as delivered."
    );
}

#[test]
fn a_deleted_log_file_is_named() {
    let mut bucket = six_hours();
    bucket.objects.remove(&second_log_of(4));
    assert_deviates(&bucket.report(), &[(Missing, &second_log_of(4))]);
}

#[test]
fn a_truncated_log_file_is_named() {
    let mut bucket = six_hours();
    bucket.object(&second_log_of(4)).gzip_is_whole = false;
    bucket.object(&first_log_of(4)).bytes.truncate(5);
    assert_deviates(
        &bucket.report(),
        &[(Changed, &first_log_of(4)), (Changed, &second_log_of(4))],
    );
}

#[test]
fn swapped_log_files_are_both_named() {
    let mut bucket = six_hours();
    let first = bucket.objects[&first_log_of(1)].clone();
    let second = std::mem::replace(bucket.object(&first_log_of(3)), first);
    *bucket.object(&first_log_of(1)) = second;
    assert_deviates(
        &bucket.report(),
        &[(Changed, &first_log_of(1)), (Changed, &first_log_of(3))],
    );
}

#[test]
fn a_log_file_that_nobody_delivered_is_named() {
    let mut bucket = six_hours();
    let named_in_time = log_key(at(2), "planted");
    // Stored long after: its name alone puts it into a covered hour.
    bucket.put(&named_in_time, b"{}".to_vec(), at(40));
    let stored_in_time = log_key(at(-40), "planted");
    bucket.put(&stored_in_time, b"{}".to_vec(), at(2));
    let unnamed = format!("{ROOT}/CloudTrail/eu-west-1/2026/03/01/anything");
    bucket.put(&unnamed, b"{}".to_vec(), at(2));
    let report = bucket.report();
    assert_eq!(report.deviations_by_kind, BTreeMap::from([(Unlisted, 3)]));
    for key in [&named_in_time, &stored_in_time, &unnamed] {
        assert!(
            report
                .deviations
                .iter()
                .any(|deviation| deviation.file == url(key))
        );
    }
}

#[test]
fn a_log_file_of_another_region_or_prefix_is_not_called_unlisted() {
    let mut bucket = six_hours();
    let key = first_log_of(1).replace("eu-west-1", "us-east-1");
    bucket.put(&key, b"{}".to_vec(), at(2));
    bucket.put(&format!("other/{}", first_log_of(1)), b"{}".to_vec(), at(2));
    let report = bucket.report();
    assert_deviates(&report, &[]);
    assert_eq!(report.log_files_not_covered, 2);
}

#[test]
fn a_log_file_at_the_edge_of_what_is_covered_is_not_called_unlisted() {
    let mut bucket = six_hours();
    let late = at(5) + SignedDuration::from_mins(50);
    bucket.put(
        &log_key(late, "late"),
        b"{}".to_vec(),
        at(6) - SignedDuration::from_mins(1),
    );
    assert_deviates(&bucket.report(), &[]);
}

#[test]
fn a_log_file_in_a_backfill_digest_is_listed() {
    let mut bucket = six_hours();
    let late = bucket.log(2, "late");
    assert_deviates(&bucket.report(), &[(Unlisted, &late)]);
    bucket.deliver_digest("_backfill", at(2), at(3), std::slice::from_ref(&late));
    let report = bucket.report();
    assert_deviates(&report, &[]);
    assert_eq!(report.log_files_intact, 9);
    bucket.object(&late).bytes.push(b' ');
    assert_deviates(&bucket.report(), &[(Changed, &late)]);
}

#[test]
fn a_deleted_backfill_digest_is_named() {
    let mut bucket = six_hours();
    for hour in [0, 2, 4] {
        bucket.deliver_digest("_backfill", at(hour), at(hour + 1), &[]);
    }
    assert_deviates(&bucket.report(), &[]);
    let middle = digest_key(at(3), "_backfill");
    bucket.objects.remove(&middle);
    assert_deviates(&bucket.report(), &[(Missing, &middle)]);
    let oldest = digest_key(at(1), "_backfill");
    bucket.objects.remove(&oldest);
    assert_deviates(&bucket.report(), &[(Missing, &middle)]);
}

#[test]
fn what_could_not_be_read_is_neither_proven_nor_refuted() {
    let bucket = six_hours();
    let asked = Period::new(at(0), at(6));
    let keys = public_keys();
    let mut integrity = Integrity::new(asked);
    let mut chain = Chain::new("all", ChainKind::Hourly, asked, &keys);
    for hour in (1..=6).rev() {
        let key = ending(hour);
        if hour == 3 {
            chain.unread(&Location::new(BUCKET, key), "AccessDenied");
        } else {
            let link = chain.link(&found(&key, &bucket.objects[&key]));
            assert!(link.proven);
        }
    }
    integrity.add(chain);
    let file = Location::new(BUCKET, first_log_of(4));
    integrity.log_file(&file, None, &LogFileState::Unread("AccessDenied".into()));
    let report = integrity.report();
    assert_deviates(&report, &[(Unread, &ending(3)), (Unread, &first_log_of(4))]);
    assert_eq!(report.log_files_not_checked, report.log_files_listed);
    assert_eq!(
        uncovered(&report),
        [(at(2), at(3), UncoveredWhy::NotProven)]
    );
    assert!(
        report
            .verdict
            .contains("8 listed log files were not checked"),
        "{}",
        report.verdict
    );
}

// ---- Digest files ----------------------------------------------------------------------------------

#[test]
fn an_edited_digest_is_named_and_its_log_files_are_not_believed() {
    let mut bucket = six_hours();
    let mut digest = bucket.digest(&ending(4));
    digest["logFiles"][0]["hashValue"] = json!(Sha256Digest::of(b"forged").to_string());
    bucket.object(&ending(4)).bytes = serde_json::to_vec(&digest).unwrap();
    bucket.object(&first_log_of(3)).bytes = b"forged".to_vec();
    let report = bucket.report();
    assert_deviates(&report, &[(Changed, &ending(4))]);
    assert_eq!(report.digests_proven, 5);
    // Its two log files are proven by nothing now.
    assert_eq!(report.log_files_intact, 6);
    assert_eq!(report.log_files_not_covered, 2);
    assert_eq!(
        uncovered(&report),
        [(at(3), at(4), UncoveredWhy::NotProven)]
    );
}

#[test]
fn a_digest_signed_by_somebody_else_is_named() {
    let mut bucket = six_hours();
    let mut digest = bucket.digest(&ending(4));
    digest["logFiles"].as_array_mut().unwrap().pop();
    bucket.write_digest(&ending(4), &digest, &FORGER, at(30));
    let report = bucket.report();
    assert_deviates(&report, &[(BadSignature, &ending(4))]);
    assert!(
        report.deviations[0]
            .what
            .starts_with("Its contents and its signature were both replaced"),
        "{}",
        report.deviations[0].what
    );

    // With a key that CloudTrail doesn't publish it is no better.
    digest["digestPublicKeyFingerprint"] = json!("0123");
    bucket.write_digest(&ending(4), &digest, &FORGER, at(30));
    let report = bucket.report();
    assert_deviates(&report, &[(BadSignature, &ending(4))]);
    assert!(
        report.deviations[0]
            .what
            .contains("does not publish here (0123)")
    );
}

#[test]
fn the_newest_digest_has_nothing_but_its_signature() {
    let mut bucket = six_hours();
    let digest = bucket.digest(&ending(6));
    bucket.write_digest(&ending(6), &digest, &FORGER, at(30));
    let report = bucket.report();
    assert_deviates(&report, &[(BadSignature, &ending(6))]);
    assert_eq!(
        uncovered(&report),
        [(at(5), at(6), UncoveredWhy::NotProven)]
    );
    // Its content is the true one, which nothing proves.
    assert_eq!(report.digests_proven, 5);
}

#[test]
fn a_whole_chain_signed_by_somebody_else_proves_nothing() {
    let mut bucket = six_hours();
    for hour in 1..=6 {
        let digest = bucket.digest(&ending(hour));
        bucket.write_digest(&ending(hour), &digest, &FORGER, at(30));
    }
    let report = bucket.report();
    assert_eq!(report.judgement, Judgement::NothingProven);
    assert_eq!(
        report.deviations_by_kind,
        BTreeMap::from([(BadSignature, 6)])
    );
    assert_eq!(report.log_files_listed, 0);
    assert!(
        report
            .verdict
            .starts_with("Nothing is proven: of 6 digest files none is proven"),
        "{}",
        report.verdict
    );
}

#[test]
fn a_truncated_digest_is_named() {
    let mut bucket = six_hours();
    bucket.object(&ending(4)).bytes.truncate(300);
    let report = bucket.report();
    assert_deviates(&report, &[(Changed, &ending(4))]);
    assert_eq!(
        uncovered(&report),
        [(at(3), at(4), UncoveredWhy::NotProven)]
    );
}

#[test]
fn replaced_metadata_is_named_and_the_contents_stay_proven() {
    for replacement in [
        None,
        Some(String::new()),
        Some("ff".repeat(256)),
        Some("no hex".into()),
    ] {
        let mut bucket = six_hours();
        bucket.object(&ending(4)).signature = replacement;
        let report = bucket.report();
        assert_deviates(&report, &[(BadSignature, &ending(4))]);
        assert!(
            report.deviations[0]
                .what
                .contains("its contents are proven by")
        );
        assert_eq!(report.digests_proven, 6);
        assert_eq!(report.log_files_intact, 8);
        assert_eq!(uncovered(&report), []);
    }
}

#[test]
fn a_deleted_digest_is_named_with_the_hours_it_takes_along() {
    let mut bucket = six_hours();
    bucket.objects.remove(&ending(4));
    let report = bucket.report();
    assert_deviates(&report, &[(Missing, &ending(4))]);
    assert_eq!(
        uncovered(&report),
        [(at(3), at(4), UncoveredWhy::NotProven)]
    );

    bucket.objects.remove(&ending(3));
    let report = bucket.report();
    assert_deviates(&report, &[(Missing, &ending(4))]);
    assert!(
        report.deviations[0]
            .what
            .ends_with("No digest covers 2026-03-01T02:01:31Z to 2026-03-01T04:01:31Z."),
        "{}",
        report.deviations[0].what
    );
}

#[test]
fn deleting_the_oldest_digests_is_noticed() {
    let mut bucket = six_hours();
    for hour in 1..=2 {
        bucket.objects.remove(&ending(hour));
    }
    let report = bucket.report();
    assert_deviates(&report, &[(Missing, &ending(2))]);
    assert_eq!(
        uncovered(&report),
        [(at(0), at(2), UncoveredWhy::NotProven)]
    );
}

#[test]
fn deleting_the_newest_digests_is_noticed() {
    let mut bucket = six_hours();
    for hour in 4..=6 {
        bucket.objects.remove(&ending(hour));
    }
    let report = bucket.report();
    assert_deviates(&report, &[(Gap, &ending(3))]);
    assert_eq!(
        uncovered(&report),
        [(at(3), at(6), UncoveredWhy::NothingAfter)]
    );
}

#[test]
fn a_planted_newest_digest_does_not_excuse_that_others_are_gone() {
    let mut bucket = Bucket::with_hours(10);
    for hour in 4..=10 {
        bucket.objects.remove(&ending(hour));
    }
    bucket.put(&ending(10), b"garbage".to_vec(), at(30));
    let report = bucket.checked(Period::new(at(0), at(10)), &public_keys());
    assert_deviates(&report, &[(Changed, &ending(10)), (Gap, &ending(3))]);
    assert_eq!(
        uncovered(&report),
        [(at(3), at(10), UncoveredWhy::NotProven)]
    );
}

#[test]
fn a_moved_digest_is_named_and_so_is_the_place_it_left() {
    let mut bucket = six_hours();
    let moved = format!("{}x", ending(4));
    let object = bucket.objects.remove(&ending(4)).unwrap();
    bucket.objects.insert(moved.clone(), object.clone());
    assert_deviates(&bucket.report(), &[(Moved, &moved), (Missing, &ending(4))]);

    // A copy beside the original does no harm, and is named.
    bucket.objects.insert(ending(4), object);
    let report = bucket.report();
    assert_deviates(&report, &[(Moved, &moved)]);
    assert_eq!(report.digests_proven, 6);
}

#[test]
fn swapped_digests_are_both_named() {
    let mut bucket = six_hours();
    let third = bucket.objects[&ending(3)].clone();
    let fourth = std::mem::replace(bucket.object(&ending(4)), third);
    *bucket.object(&ending(3)) = fourth;
    let report = bucket.report();
    assert_deviates(&report, &[(Moved, &ending(4)), (Moved, &ending(3))]);
    assert_eq!(
        uncovered(&report),
        [(at(2), at(4), UncoveredWhy::NotProven)]
    );
}

#[test]
fn an_older_digest_in_the_place_of_a_newer_is_named() {
    let mut bucket = six_hours();
    let old = bucket.objects[&ending(2)].clone();
    *bucket.object(&ending(4)) = old;
    assert_deviates(&bucket.report(), &[(Moved, &ending(4))]);
}

#[test]
fn a_chain_closed_over_a_deleted_digest_is_named() {
    // Digest 3 is taken out, and 4 is made to name 2; the forger has no better key than their own.
    let mut bucket = six_hours();
    let third = bucket.digest(&ending(3));
    let mut fourth = bucket.digest(&ending(4));
    for field in [
        "previousDigestS3Object",
        "previousDigestHashValue",
        "previousDigestSignature",
        "digestStartTime",
    ] {
        fourth[field] = third[field].clone();
    }
    bucket.objects.remove(&ending(3));
    bucket.write_digest(&ending(4), &fourth, &FORGER, at(30));
    let report = bucket.report();
    assert_deviates(&report, &[(BadSignature, &ending(4)), (Gap, &ending(2))]);
    assert_eq!(
        uncovered(&report),
        [(at(2), at(4), UncoveredWhy::NotProven)]
    );
}

#[test]
fn a_forged_digest_that_names_another_past_is_named() {
    let mut bucket = six_hours();
    let mut fourth = bucket.digest(&ending(4));
    fourth["previousDigestS3Object"] = json!(ending(1));
    bucket.write_digest(&ending(4), &fourth, &FORGER, at(30));
    assert_deviates(
        &bucket.report(),
        &[(BadSignature, &ending(4)), (ChainBroken, &ending(4))],
    );
}

#[test]
fn two_digests_that_cloudtrail_signed_and_that_contradict_each_other_are_named() {
    let mut bucket = six_hours();
    let mut fourth = bucket.digest(&ending(4));
    fourth["awsAccountId"] = json!("444455556666");
    bucket.write_digest(&ending(4), &fourth, &CLOUDTRAIL, at(4));
    let report = bucket.report();
    assert_deviates(&report, &[(ChainBroken, &ending(4))]);
    assert_eq!(report.digests_proven, 6);
}

#[test]
fn a_planted_digest_does_not_hide_the_real_ones() {
    let mut bucket = six_hours();
    let mut planted = bucket.digest(&ending(4));
    let between = digest_key(at(3) + SignedDuration::from_mins(30), "");
    planted["digestS3Object"] = json!(between);
    bucket.write_digest(&between, &planted, &FORGER, at(30));
    let garbage = digest_key(at(2) + SignedDuration::from_mins(30), "");
    bucket.put(&garbage, b"garbage".to_vec(), at(30));
    let report = bucket.report();
    assert_deviates(&report, &[(BadSignature, &between), (Changed, &garbage)]);
    assert_eq!(report.digests_proven, 6);
    assert_eq!(uncovered(&report), []);
    // Nor does it excuse that one is gone.
    bucket.objects.remove(&ending(3));
    assert_deviates(
        &bucket.report(),
        &[
            (BadSignature, &between),
            (Changed, &garbage),
            (Missing, &ending(3)),
        ],
    );
}

#[test]
fn a_restart_is_named_with_the_time_it_left_open() {
    let mut bucket = Bucket::with_hours(2);
    bucket.last.clear();
    for hour in 4..6 {
        bucket.deliver_hour(hour);
    }
    let report = bucket.report();
    assert_deviates(&report, &[(Restarted, &ending(5))]);
    assert_eq!(uncovered(&report), [(at(2), at(4), UncoveredWhy::Off)]);
    // What was delivered meanwhile is in no digest, and cannot be called unlisted.
    bucket.log(3, "meanwhile");
    let report = bucket.report();
    assert_deviates(&report, &[(Restarted, &ending(5))]);
    assert_eq!(report.log_files_not_covered, 1);
}

#[test]
fn a_hole_in_cloudtrails_own_chain_is_named() {
    let mut bucket = Bucket::with_hours(2);
    for hour in 4..6 {
        bucket.deliver_hour(hour);
    }
    let report = bucket.report();
    assert_deviates(&report, &[(Gap, &ending(2))]);
    assert_eq!(
        uncovered(&report),
        [(at(2), at(4), UncoveredWhy::NotProven)]
    );
}

#[test]
fn a_trail_that_changed_its_bucket_is_followed() {
    let bucket = six_hours();
    let keys = public_keys();
    let asked = Period::new(at(0), at(6));
    let mut chain = Chain::new("all", ChainKind::Hourly, asked, &keys);
    assert_eq!(chain.previous(), None);
    let mut next = Some(Location::new(BUCKET, ending(6)));
    let mut links = 0;
    while let Some(location) = next {
        let link = chain.link(&found(&location.key, &bucket.objects[&location.key]));
        assert!(link.proven && link.deviations.is_empty());
        links += 1;
        next = chain.previous().cloned();
    }
    assert_eq!(links, 6);
}

#[test]
fn names_from_the_bucket_cannot_break_out_of_a_line() {
    let mut bucket = six_hours();
    let key = log_key(at(2), "x\n\u{1b}[31mALL IS WELL\u{7}");
    bucket.put(&key, b"{}".to_vec(), at(2));
    let report = bucket.report();
    assert_eq!(report.deviation_count, 1);
    assert!(!report.deviations[0].file.chars().any(char::is_control));
}

#[test]
fn a_report_names_a_thousand_and_counts_all() {
    let mut bucket = six_hours();
    for number in 0..1_100 {
        let key = log_key(at(2), &format!("planted{number}"));
        bucket.put(&key, b"{}".to_vec(), at(2));
    }
    let report = bucket.report();
    assert_eq!(report.deviation_count, 1_100);
    assert_eq!(report.deviations.len(), 1_000);
}

// ---- What must not be blamed ------------------------------------------------------------------------

#[test]
fn a_forged_digest_cannot_cast_doubt_on_the_one_before() {
    let mut bucket = six_hours();
    let mut fourth = bucket.digest(&ending(4));
    fourth["previousDigestHashValue"] = json!(Sha256Digest::of(b"lie").to_string());
    bucket.write_digest(&ending(4), &fourth, &FORGER, at(30));
    assert_deviates(&bucket.report(), &[(BadSignature, &ending(4))]);
}

#[test]
fn a_signature_in_capitals_is_the_same_signature() {
    let mut bucket = six_hours();
    let signature = &mut bucket.object(&ending(4)).signature;
    *signature = signature.as_ref().map(|hex| hex.to_uppercase());
    assert_deviates(&bucket.report(), &[]);
}

#[test]
fn untrusted_digests_account_for_their_own_hours_only() {
    let mut bucket = six_hours();
    for hour in 4..=6 {
        bucket.object(&ending(hour)).signature = Some("00".repeat(256));
    }
    // Nothing newer proves them, and nothing is missing.
    let report = bucket.report();
    let expected = [4, 5, 6].map(|hour| (BadSignature, ending(hour)));
    let mut named: Vec<_> = report
        .deviations
        .iter()
        .map(|deviation| (deviation.kind, deviation.file.clone()))
        .collect();
    named.reverse();
    assert_eq!(named, expected.map(|(kind, key)| (kind, url(&key))));
    assert_eq!(
        uncovered(&report),
        [(at(3), at(6), UncoveredWhy::NotProven)]
    );
}

#[test]
fn one_fault_does_not_excuse_the_next() {
    // CloudTrail leaves out hours 2 and 3; somebody deletes, or edits, what ends at 7.
    let mut bucket = Bucket::with_hours(2);
    for hour in 4..9 {
        bucket.deliver_hour(hour);
    }
    let asked = Period::new(at(0), at(9));
    let mut deleted = bucket.clone();
    deleted.objects.remove(&ending(7));
    assert_deviates(
        &deleted.checked(asked, &public_keys()),
        &[(Missing, &ending(7)), (Gap, &ending(2))],
    );
    for hour in [7, 8] {
        bucket.object(&ending(hour)).bytes.push(b'x');
    }
    assert_deviates(
        &bucket.checked(asked, &public_keys()),
        &[
            (Changed, &ending(8)),
            (Changed, &ending(7)),
            (Gap, &ending(2)),
        ],
    );
}

#[test]
fn a_backfill_from_before_the_asked_time_is_not_missed() {
    let mut bucket = six_hours();
    for hour in [0, 3] {
        bucket.deliver_digest("_backfill", at(hour), at(hour + 1), &[]);
    }
    bucket.objects.remove(&digest_key(at(1), "_backfill"));
    let asked = Period::new(at(2), at(6));
    assert_deviates(&bucket.checked(asked, &public_keys()), &[]);
}

#[test]
fn a_backfill_that_names_an_hourly_digest_says_nothing_of_other_backfills() {
    let mut bucket = six_hours();
    bucket.deliver_digest("_backfill", at(0), at(1), &[]);
    let hourly = bucket.last[""].clone();
    bucket.last.insert("_backfill", hourly);
    bucket.deliver_digest("_backfill", at(2), at(3), &[]);
    assert_deviates(&bucket.report(), &[]);
}

#[test]
fn a_log_file_that_was_delivered_twice_may_be_either() {
    let mut bucket = six_hours();
    let log = first_log_of(3);
    let first = bucket.objects[&log].bytes.clone();
    bucket.object(&log).bytes = b"delivered again".to_vec();
    bucket.deliver_digest("_backfill", at(3), at(4), std::slice::from_ref(&log));
    assert_deviates(&bucket.report(), &[]);
    bucket.object(&log).bytes = first;
    assert_deviates(&bucket.report(), &[]);
    bucket.object(&log).bytes = b"by somebody else".to_vec();
    assert_deviates(&bucket.report(), &[(Changed, &log)]);
}

#[test]
fn a_log_file_is_counted_once() {
    let bucket = six_hours();
    let keys = public_keys();
    let asked = Period::new(at(0), at(6));
    let mut chain = Chain::new("all", ChainKind::Hourly, asked, &keys);
    chain.link(&found(&ending(5), &bucket.objects[&ending(5)]));
    let mut integrity = Integrity::new(asked);
    integrity.add(chain);
    let log = Location::new(BUCKET, first_log_of(4));
    assert!(integrity.lists(&log));
    for _ in 0..3 {
        let verdict = integrity.log_file(&log, None, &LogFileState::Absent);
        assert_eq!(verdict, LogFileVerdict::Missing);
    }
    let report = integrity.report();
    assert_eq!(report.deviations_by_kind[&Missing], 2);
    assert_eq!(report.log_files_not_checked, 1);
}

#[test]
fn a_log_file_that_is_hashed_in_an_unknown_way_is_not_judged() {
    let mut bucket = six_hours();
    let mut sixth = bucket.digest(&ending(5));
    sixth["logFiles"][0]["hashAlgorithm"] = json!("SHA-512");
    sixth["logFiles"][0]["hashValue"] = json!("00".repeat(64));
    bucket.objects.remove(&ending(6));
    bucket.write_digest(&ending(5), &sixth, &CLOUDTRAIL, at(5));
    let report = bucket.report();
    assert_deviates(&report, &[(Unread, &first_log_of(4))]);
    assert_eq!(report.log_files_not_checked, 1);
}

#[test]
fn a_prefix_that_looks_like_cloudtrails_folders_confuses_nobody() {
    let mut bucket = Bucket::default();
    let key = |key: &str| format!("copies/CloudTrail/of/CloudTrail-Digest/{key}");
    bucket.deliver_digest("", at(0), at(6), &[]);
    let mut digest = bucket.digest(&ending(6));
    digest["digestS3Object"] = json!(key(&ending(6)));
    bucket.objects.clear();
    bucket.write_digest(&key(&ending(6)), &digest, &CLOUDTRAIL, at(6));
    let planted = key(&log_key(at(2), "planted"));
    bucket.put(&planted, b"{}".to_vec(), at(2));
    // The key has both folders in its name, so the harness would take it for a digest.
    let keys = public_keys();
    let asked = Period::new(at(0), at(6));
    let mut chain = Chain::new("all", ChainKind::Hourly, asked, &keys);
    let digest = key(&ending(6));
    assert!(chain.link(&found(&digest, &bucket.objects[&digest])).proven);
    let mut integrity = Integrity::new(asked);
    integrity.add(chain);
    let verdict = integrity.log_file(
        &Location::new(BUCKET, planted),
        Some(at(2)),
        &LogFileState::Corrupt,
    );
    assert_eq!(verdict, LogFileVerdict::Unlisted);
}

#[test]
fn a_key_of_too_few_bits_is_not_used() {
    // RSAPublicKey of 1024 bits.
    let mut der = vec![0x30, 0x81, 0x89, 0x02, 0x81, 0x81, 0x00];
    der.extend([0xc3; 128]);
    der.extend([0x02, 0x03, 0x01, 0x00, 0x01]);
    let keys: PublicKeys = [(FINGERPRINT, der)].into_iter().collect();
    let bucket = six_hours();
    let object = &bucket.objects[&ending(3)];
    let digest = Digest::read(&object.bytes).unwrap();
    assert_eq!(
        digest.verify(&found(&ending(3), object), &keys),
        Err(Refused::KeyUnusable {
            fingerprint: FINGERPRINT.into()
        })
    );
}

// ---- Whatever comes --------------------------------------------------------------------------------

/// Something of the shape of a digest, with anything in it.
fn almost_a_digest() -> impl Strategy<Value = Vec<u8>> {
    let value = prop_oneof![
        Just(Value::Null),
        any::<i64>().prop_map(Value::from),
        ".{0,20}".prop_map(Value::from),
        Just(json!("2026-03-01T03:01:31Z")),
        Just(json!("SHA-256")),
        Just(json!("9999-12-31T23:59:59Z")),
        Just(json!("-009999-01-02T00:00:00Z")),
        Just(
            json!([{"s3Bucket": "b", "s3Object": "o", "hashValue": "00", "hashAlgorithm": "MD5"}])
        ),
        Just(json!([[[]], {}])),
    ];
    const FIELDS: &[&str] = &[
        "digestStartTime",
        "digestEndTime",
        "digestS3Bucket",
        "digestS3Object",
        "digestPublicKeyFingerprint",
        "digestSignatureAlgorithm",
        "previousDigestS3Bucket",
        "previousDigestS3Object",
        "previousDigestHashValue",
        "previousDigestHashAlgorithm",
        "previousDigestSignature",
        "logFiles",
    ];
    let changes = prop::collection::vec((prop::sample::select(FIELDS), value), 0..4);
    (1..=6i64, changes).prop_map(|(hour, changes)| {
        static GOOD: LazyLock<Bucket> = LazyLock::new(six_hours);
        let mut digest = GOOD.digest(&ending(hour));
        for (field, value) in changes {
            digest[field] = value;
        }
        serde_json::to_vec(&digest).unwrap()
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 128, ..ProptestConfig::default() })]

    #[test]
    fn any_bytes_are_read_or_refused(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        let _ = Digest::read(&bytes);
        let _ = DigestName::parse(&String::from_utf8_lossy(&bytes));
    }

    #[test]
    fn any_key_is_used_or_refused(der in prop::collection::vec(any::<u8>(), 0..300), head in 0..3usize) {
        let mut key = [&b""[..], &[0x30, 0x82], &[0x30, 0x0a, 0x30]][head].to_vec();
        key.extend(der);
        let keys: PublicKeys = [(FINGERPRINT, key)].into_iter().collect();
        let bucket = Bucket::with_hours(1);
        let report = bucket.checked(Period::new(at(0), at(1)), &keys);
        prop_assert_eq!(report.judgement, Judgement::NothingProven);
    }

    /// Any files, in any order, at any place: judged without a panic, and never proven unless CloudTrail's.
    #[test]
    fn any_chain_is_judged(
        files in prop::collection::vec((almost_a_digest(), 1..=6i64, any::<bool>()), 0..8),
        backfill in any::<bool>(),
    ) {
        let good = six_hours();
        let keys = public_keys();
        let asked = Period::new(at(0), at(6));
        let kind = if backfill { ChainKind::Backfill } else { ChainKind::Hourly };
        let mut chain = Chain::new("any", kind, asked, &keys);
        for (bytes, hour, signed) in &files {
            let mut object = good.objects[&ending(*hour)].clone();
            object.bytes.clone_from(bytes);
            if !signed {
                object.signature = None;
            }
            let link = chain.link(&found(&ending(*hour), &object));
            if link.proven {
                prop_assert_eq!(bytes, &good.objects[&ending(*hour)].bytes);
            }
        }
        let mut integrity = Integrity::new(asked);
        integrity.add(chain);
        let report = integrity.report();
        prop_assert!(report.digests_proven <= report.digests_checked);
        prop_assert!(serde_json::to_string(&report).is_ok());
    }

    /// Whichever bit of whichever file is flipped, the report names that file and no other.
    #[test]
    fn no_bit_can_be_flipped_unnoticed(file in any::<prop::sample::Index>(), bit in any::<prop::sample::Index>()) {
        let mut bucket = six_hours();
        let keys: Vec<_> = bucket.objects.keys().cloned().collect();
        let key = &keys[file.index(keys.len())];
        let bytes = &mut bucket.object(key).bytes;
        let bit = bit.index(bytes.len() * 8);
        bytes[bit / 8] ^= 1 << (bit % 8);
        let report = bucket.report();
        prop_assert_eq!(report.judgement, Judgement::Deviates);
        let named = url(key);
        prop_assert!(report.deviations.iter().any(|deviation| deviation.file == named), "{report:#?}");
    }

    /// Whichever files are deleted, the report does not hold, unless it says that the time is not covered.
    #[test]
    fn no_file_can_be_deleted_unnoticed(deleted in prop::collection::btree_set(0..14usize, 1..8)) {
        let mut bucket = six_hours();
        let keys: Vec<_> = bucket.objects.keys().cloned().collect();
        prop_assert_eq!(keys.len(), 14);
        for index in &deleted {
            bucket.objects.remove(&keys[*index]);
        }
        let report = bucket.report();
        prop_assert!(
            report.judgement != Judgement::Holds || !uncovered(&report).is_empty(),
            "{report:#?}"
        );
    }
}
