//! CloudTrail's digest files: whether log files are those that CloudTrail delivered.
//!
//! Whoever can write to the trail's bucket can delete or rewrite log files. CloudTrail signs, every
//! hour, a digest file that names the log files of that hour with their hashes and the digest before
//! it. What follows judges such a chain; fetching, inflating and listing are the caller's.
//!
//! # A reader's path
//! 1. [`DigestName::parse`] sorts the keys of the bucket: one [`Chain`] for each trail, Region and
//!    [`ChainKind`].
//! 2. [`Chain::link`] takes the digest files **newest first**, since each vouches for the one before.
//! 3. [`Integrity::add`] takes the finished chains, then [`Integrity::log_file`] each log file that is
//!    in the bucket ([`LogFileHash`] hashes it) and each that [`Integrity::expected`] still waits for.
//! 4. [`Integrity::report`] says what is proven, what deviates and what is not covered.
//!
//! # Facts and where they come from
//! *Structure*, *custom* and *CLI* are the pages "CloudTrail digest file structure", "Custom
//! implementations of CloudTrail log file integrity validation" and "Validating CloudTrail log file
//! integrity with the AWS CLI" of the CloudTrail User Guide; *aws-cli* is
//! `awscli/customizations/cloudtrail/validation.py` of github.com/aws/aws-cli.
//!
//! - A digest is delivered every hour and for each Region, also when nothing happened; then `logFiles`
//!   is empty and both event times are null (*structure*). Its times are those at which log files were
//!   delivered, not those of their events (*structure*); it begins where the one before ended (the
//!   samples of *structure*).
//! - Signed is `digestEndTime \n digestS3Bucket/digestS3Object \n hex(SHA-256(digest)) \n
//!   previousDigestSignature`, without a newline at the end (*custom*). The digest is hashed **inflated**,
//!   times and signature are taken as they stand in it, and where there is no previous signature the
//!   word `null` stands for it (*aws-cli*).
//! - The signature is RSASSA-PKCS1-v1_5 with SHA-256, in hex in the object's metadata `signature`;
//!   `signature-algorithm` is `SHA256withRSA` (*structure*, *aws-cli*).
//! - `previousDigestHashValue` and `logFiles[].hashValue` are hex SHA-256 of **uncompressed** contents
//!   (*structure*).
//! - The key is the one of `ListPublicKeys`, asked in the digest's own Region, whose fingerprint is the
//!   digest's `digestPublicKeyFingerprint`; it is DER of PKCS#1 (*custom*). One of the three keys in the
//!   sample response of *custom* is a SubjectPublicKeyInfo instead, so both are read. (The fingerprint
//!   is the MD5 of those bytes in all three; this is not documented and not relied on.)
//! - The five `previousDigest…` fields are null in a starting digest: validation was turned on, or was
//!   off, or logging was off, in between (*structure*). Log files of such a time are in no digest.
//! - A digest that lies elsewhere than it says has been moved and proves nothing there (*CLI*).
//! - Log files that were processed late come in *backfill* digests: `…_backfill.json.gz`, with the
//!   metadata `backfill-generation-timestamp`, whose time (give or take an hour) is the one to ask
//!   `ListPublicKeys` for (*structure*, *aws-cli*). They are a chain of their own (*aws-cli*).
//! - `validate-logs` checks only what digests list (*CLI*), and follows previous digests without
//!   comparing `previousDigestHashValue` (*aws-cli*). Here both are done.
//!
//! # What is not proven here
//! That every event reached a log file; what happened in the hour that has no digest yet; anything about
//! a time in which validation was off.

use evidence::Sha256Digest;
use jiff::{SignedDuration, Timestamp};
use ring::signature::{RSA_PKCS1_2048_8192_SHA256, RsaPublicKeyComponents};
use serde::{Deserialize, Deserializer, Serialize};
use sha2::{Digest as _, Sha256};
use std::collections::BTreeMap;
use std::fmt;

/// The largest digest file that is read, in bytes, inflated. A listed log file takes about 400 bytes,
/// so that this is some forty thousand of them in one hour and Region.
pub const MAX_DIGEST_BYTES: usize = 16 * 1024 * 1024;

/// How many listed log files are kept in mind. Beyond it no file is called unlisted.
pub const MAX_LISTED: usize = 200_000;

/// How many deviations a report names. All are counted.
pub const MAX_DEVIATIONS: usize = 1_000;

/// CloudTrail's name for the only algorithm it signs with.
pub const SIGNATURE_ALGORITHM: &str = "SHA256withRSA";

/// CloudTrail's name for the only algorithm it hashes with.
pub const HASH_ALGORITHM: &str = "SHA-256";

/// Digests are due every hour.
const HOUR: SignedDuration = SignedDuration::from_hours(1);

/// Two neighbours that are this far apart still count as adjoining: nobody but CloudTrail signs their
/// times, and a file is not delivered in a second.
const ADJOINING: SignedDuration = SignedDuration::from_secs(60);

/// How long CloudTrail may take to list what it delivered: the rest of the hour, and an hour of delay.
const OVERDUE: SignedDuration = SignedDuration::from_hours(2);

/// The time in a log file's name is minutes before its delivery (*structure*'s sample is named 14:45 and
/// holds an event of 14:52), so a file is expected in the digests of this long after it.
const NAME_TO_DELIVERY: SignedDuration = SignedDuration::from_hours(1);

/// The clocks of S3 and CloudTrail are not the same.
const STORED_TO_DELIVERY: SignedDuration = SignedDuration::from_mins(5);

/// Where an object is. Shown as `s3://bucket/key`, control characters escaped.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Location {
    /// The bucket's name.
    pub bucket: String,
    /// The object's key.
    pub key: String,
}

impl Location {
    /// The object `key` of `bucket`.
    pub fn new(bucket: impl Into<String>, key: impl Into<String>) -> Self {
        Self {
            bucket: bucket.into(),
            key: key.into(),
        }
    }
}

impl fmt::Display for Location {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "s3://{}/{}", shown(&self.bucket), shown(&self.key))
    }
}

/// What somebody else wrote, fit for a report: one line, bounded (an S3 key has at most 1024 bytes).
fn shown(text: &str) -> String {
    let mut line = String::new();
    for character in text.chars().take(1024) {
        if character.is_control() {
            line.extend(character.escape_default());
        } else {
            line.push(character);
        }
    }
    line
}

/// A time from `from` until `until`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Period {
    /// Its beginning.
    pub from: Timestamp,
    /// Its end.
    pub until: Timestamp,
}

impl Period {
    /// From `from` until `until`; empty where the end is not after the beginning.
    pub const fn new(from: Timestamp, until: Timestamp) -> Self {
        Self { from, until }
    }

    fn length(&self) -> SignedDuration {
        self.until.duration_since(self.from)
    }
}

impl fmt::Display for Period {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} to {}", self.from, self.until)
    }
}

/// What the key of a digest file says:
/// `[PREFIX/]AWSLogs/[ORGANISATION/]ACCOUNT/CloudTrail-Digest/REGION/YYYY/MM/DD/`
/// `ACCOUNT_CloudTrail-Digest_REGION_TRAIL_HOMEREGION_YYYYMMDDTHHMMSSZ[_backfill].json.gz` (*structure*).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DigestName {
    /// The account whose log files it lists.
    pub account: String,
    /// The Region whose log files it lists.
    pub region: String,
    /// The trail.
    pub trail: String,
    /// The Region in which the trail was made.
    pub home_region: String,
    /// The end of its hour.
    pub ended_at: Timestamp,
    /// Hourly or backfill.
    pub kind: ChainKind,
}

impl DigestName {
    /// Reads a key; nothing where it is not the name of a digest file.
    pub fn parse(key: &str) -> Option<Self> {
        let (_, name) = key.rsplit_once('/')?;
        let stem = name.strip_suffix(".json.gz")?;
        let (stem, kind) = match stem.strip_suffix("_backfill") {
            Some(stem) => (stem, ChainKind::Backfill),
            None => (stem, ChainKind::Hourly),
        };
        // A trail's name may hold underscores (CloudTrail's naming requirements); the others don't.
        let (account, rest) = stem.split_once("_CloudTrail-Digest_")?;
        let (region, rest) = rest.split_once('_')?;
        let (rest, stamp) = rest.rsplit_once('_')?;
        let (trail, home_region) = rest.rsplit_once('_')?;
        Some(Self {
            account: account.to_owned(),
            region: region.to_owned(),
            trail: trail.to_owned(),
            home_region: home_region.to_owned(),
            ended_at: stamped(stamp)?,
            kind,
        })
    }
}

/// `YYYYMMDDTHHMMSSZ`, or `YYYYMMDDTHHMMZ` as log files have it.
fn stamped(stamp: &str) -> Option<Timestamp> {
    let digits = stamp.strip_suffix('Z')?;
    let (date, time) = digits.split_once('T')?;
    let all_digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
    if date.len() != 8 || !matches!(time.len(), 4 | 6) || !all_digits(date) || !all_digits(time) {
        return None;
    }
    let seconds = time.get(4..6).unwrap_or("00");
    format!(
        "{}-{}-{}T{}:{}:{seconds}Z",
        &date[..4],
        &date[4..6],
        &date[6..],
        &time[..2],
        &time[2..4]
    )
    .parse()
    .ok()
}

/// Whose log files a place holds: bucket, everything before `/CloudTrail/` or `/CloudTrail-Digest/`, Region.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Territory {
    bucket: String,
    root: String,
    region: String,
}

impl Territory {
    fn of(location: &Location, folder: &str) -> Option<Self> {
        let (root, rest) = location.key.rsplit_once(folder)?;
        let (region, _) = rest.split_once('/')?;
        Some(Self {
            bucket: location.bucket.clone(),
            root: root.to_owned(),
            region: region.to_owned(),
        })
    }

    fn of_digest(location: &Location) -> Option<Self> {
        Self::of(location, "/CloudTrail-Digest/")
    }

    fn of_log_file(location: &Location) -> Option<Self> {
        Self::of(location, "/CloudTrail/")
    }
}

/// The time in a log file's name, `ACCOUNT_CloudTrail_REGION_YYYYMMDDTHHMMZ_UNIQUE.json.gz`.
fn log_file_stamp(key: &str) -> Option<Timestamp> {
    let (_, name) = key.rsplit_once('/')?;
    let (_, rest) = name.split_once("_CloudTrail_")?;
    let (_, rest) = rest.split_once('_')?;
    stamped(rest.split_once('_')?.0)
}

/// A digest file's contents, as far as they matter here.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Digest {
    /// Where it says that it is.
    pub location: Location,
    /// The time in which its log files were delivered.
    pub delivered: Period,
    /// The key it is signed with, as [`PublicKeys`] knows it.
    pub fingerprint: String,
    /// The digest before it; nothing in a starting digest.
    pub previous: Option<Previous>,
    /// The log files it vouches for.
    pub log_files: Vec<ListedLogFile>,
    sha256: Sha256Digest,
    signature_algorithm: Option<String>,
    end_time_text: String,
    previous_signature_text: Option<String>,
}

/// The digest before, as the one after it describes it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Previous {
    /// Where it is.
    pub location: Location,
    /// Of its inflated bytes. Nothing where the algorithm is one that is not known here.
    pub sha256: Option<Sha256Digest>,
    /// In hex, as in its metadata.
    pub signature: String,
}

/// A log file, as a digest lists it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ListedLogFile {
    /// Where it is.
    pub location: Location,
    /// Of its inflated bytes. Nothing where the algorithm is one that is not known here.
    pub sha256: Option<Sha256Digest>,
    /// The time of its oldest event, where the digest says it.
    pub oldest_event_at: Option<Timestamp>,
    /// The time of its newest event, where the digest says it.
    pub newest_event_at: Option<Timestamp>,
}

/// Bytes that are no digest file.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not a digest file: {why}")]
pub struct BadDigest {
    /// One sentence; quotes nothing but names of fields.
    pub why: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Written {
    digest_start_time: String,
    digest_end_time: String,
    #[serde(rename = "digestS3Bucket")]
    digest_s3_bucket: String,
    #[serde(rename = "digestS3Object")]
    digest_s3_object: String,
    digest_public_key_fingerprint: String,
    digest_signature_algorithm: Option<String>,
    #[serde(rename = "previousDigestS3Bucket")]
    previous_digest_s3_bucket: Option<String>,
    #[serde(rename = "previousDigestS3Object")]
    previous_digest_s3_object: Option<String>,
    previous_digest_hash_value: Option<String>,
    previous_digest_hash_algorithm: Option<String>,
    previous_digest_signature: Option<String>,
    log_files: Vec<WrittenLogFile>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct WrittenLogFile {
    #[serde(rename = "s3Bucket")]
    bucket: String,
    #[serde(rename = "s3Object")]
    object: String,
    hash_value: String,
    hash_algorithm: String,
    #[serde(default, deserialize_with = "time_or_nothing")]
    oldest_event_time: Option<Timestamp>,
    #[serde(default, deserialize_with = "time_or_nothing")]
    newest_event_time: Option<Timestamp>,
}

/// Event times decide nothing here, so an odd one is no reason to refuse a signed digest.
fn time_or_nothing<'de, D: Deserializer<'de>>(from: D) -> Result<Option<Timestamp>, D::Error> {
    let text = Option::<String>::deserialize(from)?;
    Ok(text.and_then(|text| text.parse().ok()))
}

impl Digest {
    /// Reads the inflated bytes of a digest file, at most [`MAX_DIGEST_BYTES`]. Unknown fields are
    /// passed over; every field that is signed, hashed or linked must be there and make sense.
    ///
    /// # Errors
    /// [`BadDigest`] says which field is amiss.
    pub fn read(inflated: &[u8]) -> Result<Self, BadDigest> {
        if inflated.len() > MAX_DIGEST_BYTES {
            return Err(bad(format!(
                "{} bytes are more than the {MAX_DIGEST_BYTES} that are read",
                inflated.len()
            )));
        }
        // The error's own words may quote what was read; its kind and place may not.
        let written: Written = serde_json::from_slice(inflated).map_err(|error| {
            let kind = match error.classify() {
                serde_json::error::Category::Data => "a field is missing or of another type",
                serde_json::error::Category::Eof => "it ends too early",
                _ => "it is not JSON",
            };
            bad(format!(
                "{kind} (line {}, column {})",
                error.line(),
                error.column()
            ))
        })?;
        let delivered = Period {
            from: time("digestStartTime", &written.digest_start_time)?,
            until: time("digestEndTime", &written.digest_end_time)?,
        };
        if delivered.from > delivered.until {
            return Err(bad("it ends before it begins".into()));
        }
        let log_files = written
            .log_files
            .into_iter()
            .map(|file| {
                Ok(ListedLogFile {
                    sha256: hash("hashValue", &file.hash_algorithm, &file.hash_value)?,
                    location: Location::new(file.bucket, file.object),
                    oldest_event_at: file.oldest_event_time,
                    newest_event_at: file.newest_event_time,
                })
            })
            .collect::<Result<_, BadDigest>>()?;
        let previous = match (
            written.previous_digest_s3_bucket,
            written.previous_digest_s3_object,
            &written.previous_digest_signature,
        ) {
            (None, None, None) => None,
            (Some(bucket), Some(key), Some(signature)) => Some(Previous {
                location: Location::new(bucket, key),
                sha256: match (
                    &written.previous_digest_hash_algorithm,
                    &written.previous_digest_hash_value,
                ) {
                    (Some(algorithm), Some(value)) => {
                        hash("previousDigestHashValue", algorithm, value)?
                    }
                    _ => return Err(bad("previousDigestHashValue is missing".into())),
                },
                signature: signature.clone(),
            }),
            _ => return Err(bad("it names half of a previous digest".into())),
        };
        Ok(Self {
            location: Location::new(written.digest_s3_bucket, written.digest_s3_object),
            delivered,
            fingerprint: written.digest_public_key_fingerprint,
            previous,
            log_files,
            sha256: Sha256Digest::of(inflated),
            signature_algorithm: written.digest_signature_algorithm,
            end_time_text: written.digest_end_time,
            previous_signature_text: written.previous_digest_signature,
        })
    }

    /// The hash of its inflated bytes.
    pub const fn sha256(&self) -> Sha256Digest {
        self.sha256
    }

    /// What CloudTrail signs.
    pub fn signed_text(&self) -> String {
        format!(
            "{}\n{}/{}\n{}\n{}",
            self.end_time_text,
            self.location.bucket,
            self.location.key,
            self.sha256,
            self.previous_signature_text.as_deref().unwrap_or("null")
        )
    }

    /// Judges one digest by itself: that it lies where it says, and that its signature holds.
    ///
    /// # Errors
    /// [`Refused`] names what is wrong.
    pub fn verify(&self, found: &FoundDigest<'_>, keys: &PublicKeys) -> Result<(), Refused> {
        if self.location != found.location {
            return Err(Refused::Moved {
                says: self.location.clone(),
            });
        }
        self.verify_signature(found, keys)
    }

    fn verify_signature(&self, found: &FoundDigest<'_>, keys: &PublicKeys) -> Result<(), Refused> {
        let signature = found.signature.ok_or(Refused::SignatureMissing)?;
        let algorithms = [found.algorithm, self.signature_algorithm.as_deref()];
        for algorithm in algorithms.into_iter().flatten() {
            if algorithm != SIGNATURE_ALGORITHM {
                return Err(Refused::AlgorithmUnknown {
                    algorithm: shown(algorithm).chars().take(64).collect(),
                });
            }
        }
        let signature = hex::decode(signature).map_err(|_| Refused::SignatureMalformed)?;
        let fingerprint = || shown(&self.fingerprint).chars().take(64).collect();
        let der = keys
            .get(&self.fingerprint)
            .ok_or_else(|| Refused::KeyUnknown {
                fingerprint: fingerprint(),
            })?;
        let (n, e) = rsa_key(der).ok_or_else(|| Refused::KeyUnusable {
            fingerprint: fingerprint(),
        })?;
        RsaPublicKeyComponents { n, e }
            .verify(
                &RSA_PKCS1_2048_8192_SHA256,
                self.signed_text().as_bytes(),
                &signature,
            )
            .map_err(|_| Refused::SignatureWrong)
    }
}

fn bad(why: String) -> BadDigest {
    BadDigest { why }
}

fn time(field: &str, text: &str) -> Result<Timestamp, BadDigest> {
    text.parse()
        .map_err(|_| bad(format!("{field} is not a time")))
}

fn hash(field: &str, algorithm: &str, value: &str) -> Result<Option<Sha256Digest>, BadDigest> {
    if algorithm != HASH_ALGORITHM {
        return Ok(None);
    }
    value
        .parse()
        .map(Some)
        .map_err(|_| bad(format!("{field} is not the hex of a SHA-256")))
}

/// A digest file as it lies in the bucket.
#[derive(Clone, Debug)]
pub struct FoundDigest<'a> {
    /// Where it was found.
    pub location: Location,
    /// Its bytes after gunzip. What cannot be inflated is passed as it is, and refused.
    pub inflated: &'a [u8],
    /// The object's metadata `signature` (the header `x-amz-meta-signature`).
    pub signature: Option<&'a str>,
    /// The object's metadata `signature-algorithm`.
    pub algorithm: Option<&'a str>,
}

/// Why a digest file, by itself, proves nothing.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    /// It says that it lies elsewhere.
    #[error("it was moved: it says that it is {says}")]
    Moved {
        /// Where it says that it is.
        says: Location,
    },
    /// The object's metadata has no signature.
    #[error("its metadata has no signature")]
    SignatureMissing,
    /// The signature is not hex.
    #[error("the signature in its metadata is not hex")]
    SignatureMalformed,
    /// It is signed in another way than CloudTrail signs.
    #[error("{algorithm} is not how CloudTrail signs")]
    AlgorithmUnknown {
        /// What it says, cut short.
        algorithm: String,
    },
    /// CloudTrail publishes no such key for the time and Region.
    #[error("it names a key that CloudTrail does not publish here ({fingerprint})")]
    KeyUnknown {
        /// What it says, cut short.
        fingerprint: String,
    },
    /// The key cannot be read, or has fewer than 2048 bits.
    #[error("the public key {fingerprint} is no RSA key of 2048 bits or more")]
    KeyUnusable {
        /// Which key.
        fingerprint: String,
    },
    /// The signature is not that key's over these contents.
    #[error("the signature in its metadata is not CloudTrail's over these contents")]
    SignatureWrong,
}

/// The public keys of one Region, as `ListPublicKeys` gives them.
#[derive(Clone, Debug, Default)]
pub struct PublicKeys(BTreeMap<String, Vec<u8>>);

impl PublicKeys {
    /// Adds a key: `Fingerprint` and `Value` (DER) of the answer.
    pub fn add(&mut self, fingerprint: impl Into<String>, der: impl Into<Vec<u8>>) {
        self.0.insert(fingerprint.into(), der.into());
    }

    /// Whether the key is known.
    pub fn contains(&self, fingerprint: &str) -> bool {
        self.0.contains_key(fingerprint)
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    fn get(&self, fingerprint: &str) -> Option<&[u8]> {
        self.0.get(fingerprint).map(Vec::as_slice)
    }
}

impl<F: Into<String>, D: Into<Vec<u8>>> FromIterator<(F, D)> for PublicKeys {
    fn from_iter<I: IntoIterator<Item = (F, D)>>(keys: I) -> Self {
        let mut all = Self::default();
        for (fingerprint, der) in keys {
            all.add(fingerprint, der);
        }
        all
    }
}

const SEQUENCE: u8 = 0x30;
const INTEGER: u8 = 0x02;
const BIT_STRING: u8 = 0x03;

/// Modulus and exponent of PKCS#1's RSAPublicKey, or of one inside X.509's SubjectPublicKeyInfo
/// (RFC 8017, A.1.1; RFC 5280, 4.1).
fn rsa_key(der: &[u8]) -> Option<(&[u8], &[u8])> {
    let (fields, after) = element(SEQUENCE, der)?;
    if !after.is_empty() {
        return None;
    }
    if fields.first() == Some(&SEQUENCE) {
        // AlgorithmIdentifier of rsaEncryption (1.2.840.113549.1.1.1), then the key as a bit string.
        const RSA_ENCRYPTION: &[u8] = b"\x06\x09\x2a\x86\x48\x86\xf7\x0d\x01\x01\x01";
        let (algorithm, rest) = element(SEQUENCE, fields)?;
        let (bits, _) = element(BIT_STRING, rest)?;
        let inner = bits.strip_prefix(&[0])?;
        let is_rsa = algorithm.starts_with(RSA_ENCRYPTION);
        // The inner key must be plain: nothing nests deeper.
        let plain = element(SEQUENCE, inner)?.0.first() == Some(&INTEGER);
        return if is_rsa && plain {
            rsa_key(inner)
        } else {
            None
        };
    }
    let (n, rest) = element(INTEGER, fields)?;
    let (e, rest) = element(INTEGER, rest)?;
    let n = n.strip_prefix(&[0]).unwrap_or(n);
    let sound = rest.is_empty() && (256..=1024).contains(&n.len()) && !e.is_empty();
    sound.then_some((n, e))
}

/// The contents of the DER element that `bytes` begin with, and what comes after it.
fn element(tag: u8, bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let (&first, rest) = bytes.split_first()?;
    let (&length, rest) = rest.split_first()?;
    let (length, rest) = match length {
        0..=0x7f => (usize::from(length), rest),
        0x81 => {
            let (&length, rest) = rest.split_first()?;
            (usize::from(length), rest)
        }
        0x82 => {
            let (&[high, low], rest) = rest.split_first_chunk()?;
            (usize::from(u16::from_be_bytes([high, low])), rest)
        }
        _ => return None,
    };
    (first == tag).then(|| rest.split_at_checked(length))?
}

/// What kind of digests a chain is made of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ChainKind {
    /// One an hour, without holes.
    Hourly,
    /// For log files that were processed late; they cover no time of their own.
    Backfill,
}

/// What is wrong with a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum DeviationKind {
    /// Its contents are not those that CloudTrail delivered.
    Changed,
    /// It is not there.
    Missing,
    /// Its signature is missing, is wrong, or is made with a key that is not CloudTrail's.
    BadSignature,
    /// It and the digest after it contradict each other.
    ChainBroken,
    /// There is a time that no digest covers and no restart explains.
    Gap,
    /// Validation or logging was off, and was turned on again.
    Restarted,
    /// It is among CloudTrail's log files and no digest lists it.
    Unlisted,
    /// It does not lie where it says.
    Moved,
    /// It could not be read, so it is neither proven nor refuted.
    Unread,
}

impl fmt::Display for DeviationKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Changed => "changed",
            Self::Missing => "missing",
            Self::BadSignature => "bad signature",
            Self::ChainBroken => "chain broken",
            Self::Gap => "gap",
            Self::Restarted => "restarted",
            Self::Unlisted => "unlisted",
            Self::Moved => "moved",
            Self::Unread => "unread",
        })
    }
}

/// One thing that is not as CloudTrail left it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Deviation {
    /// What is wrong.
    pub kind: DeviationKind,
    /// `s3://bucket/key`.
    pub file: String,
    /// One sentence.
    pub what: String,
}

/// What came of one digest file.
#[derive(Clone, Debug)]
pub struct Link {
    /// What it says, where it can be read at all.
    pub digest: Option<Digest>,
    /// Whether it is CloudTrail's: by its own signature, or because a proven digest after it has its hash.
    /// Only then may what it lists be believed.
    pub proven: bool,
    /// What is wrong with it or, missing, with its neighbours.
    pub deviations: Vec<Deviation>,
}

/// The digest files of one trail, Region and kind, taken newest first.
#[derive(Debug)]
pub struct Chain<'k> {
    name: String,
    kind: ChainKind,
    asked: Period,
    keys: &'k PublicKeys,
    after: Option<After>,
    /// Of the oldest proven digest so far; how far back time is accounted for.
    accounted_from: Option<Timestamp>,
    /// Digests since then that are there and cannot be trusted.
    untrusted_since: i32,
    /// Whether the hole that opens before it is already named.
    explained: bool,
    /// Digests that are there, cannot be trusted, and are newer than the newest that can.
    untrusted_newest: i32,
    newest_proven: Option<(Location, Timestamp)>,
    proven: Vec<(Territory, Period)>,
    off: Vec<Period>,
    begins: bool,
    listed: Vec<ListedLogFile>,
    forgotten: u64,
    checked: u64,
    deviations: Vec<Deviation>,
}

/// What is known of the digest before, from the one after it.
#[derive(Debug)]
struct After {
    location: Location,
    /// Whether the digest is proven, and so what it says of the one before.
    proven: bool,
    names: Names,
}

#[derive(Debug)]
enum Names {
    Previous(Previous),
    /// A starting digest names none.
    None,
    /// It could not be read.
    Unknown,
}

impl<'k> Chain<'k> {
    /// A chain called `name` in the report (say, trail and Region). `asked` is the time that matters; its
    /// end must not lie in the future. Feed it every digest file whose end lies between `asked.from` and an
    /// hour after `asked.until`.
    pub fn new(
        name: impl Into<String>,
        kind: ChainKind,
        asked: Period,
        keys: &'k PublicKeys,
    ) -> Self {
        Self {
            name: name.into(),
            kind,
            asked,
            keys,
            after: None,
            accounted_from: None,
            untrusted_since: 0,
            explained: false,
            untrusted_newest: 0,
            newest_proven: None,
            proven: Vec::new(),
            off: Vec::new(),
            begins: false,
            listed: Vec::new(),
            forgotten: 0,
            checked: 0,
            deviations: Vec::new(),
        }
    }

    /// The digest that the last one names as the one before it: worth fetching, should it not be among those
    /// that were listed (the trail may have had another bucket).
    pub fn previous(&self) -> Option<&Location> {
        match &self.after.as_ref()?.names {
            Names::Previous(previous) => Some(&previous.location),
            Names::None | Names::Unknown => None,
        }
    }

    /// Takes the next older digest file and judges it, and what lies between it and the one after it.
    pub fn link(&mut self, found: &FoundDigest<'_>) -> Link {
        self.checked += 1;
        let link = self.judge(found);
        self.deviations.extend(link.deviations.iter().cloned());
        if let Some(digest) = &link.digest
            && link.proven
        {
            let room = MAX_LISTED.saturating_sub(self.listed.len());
            let files = digest.log_files.iter();
            self.forgotten += files.len().saturating_sub(room) as u64;
            self.listed.extend(files.take(room).cloned());
        }
        link
    }

    /// Notes that the digest file at `location` is there and could not be read, and why (denied, say; one
    /// sentence without secrets). What it would have proven stays unproven.
    pub fn unread(&mut self, location: &Location, why: &str) {
        self.checked += 1;
        self.deviations.push(Deviation {
            kind: DeviationKind::Unread,
            file: location.to_string(),
            what: format!("The digest could not be read: {}.", shown(why)),
        });
        self.lose(location);
    }

    fn judge(&mut self, found: &FoundDigest<'_>) -> Link {
        let mut deviations = Vec::new();
        let mut deviates = |kind, location: &Location, what: String| {
            deviations.push(Deviation {
                kind,
                file: location.to_string(),
                what,
            });
        };
        let digest = match Digest::read(found.inflated) {
            Ok(digest) => digest,
            Err(error) => {
                deviates(
                    DeviationKind::Changed,
                    &found.location,
                    format!("CloudTrail never wrote this: {error}."),
                );
                self.lose(&found.location);
                return Link {
                    digest: None,
                    proven: false,
                    deviations,
                };
            }
        };
        if digest.location != found.location {
            deviates(
                DeviationKind::Moved,
                &found.location,
                format!(
                    "The digest was moved: it says that it is {}.",
                    digest.location
                ),
            );
            // What lies there in place of the right one has used up the expectation; a copy elsewhere has not.
            self.lose(&found.location);
            return Link {
                digest: Some(digest),
                proven: false,
                deviations,
            };
        }

        let by_itself = digest.verify_signature(found, self.keys);
        let expected = self.after.as_ref().and_then(|after| match &after.names {
            Names::Previous(previous) if previous.location == found.location => {
                Some((after, previous))
            }
            _ => None,
        });
        let same_bytes = expected.map(|(_, previous)| previous.sha256 == Some(digest.sha256));
        let same_signature = expected.map(|(_, previous)| {
            found
                .signature
                .is_some_and(|signature| signature.eq_ignore_ascii_case(&previous.signature))
        });
        let vouched = expected.is_some_and(|(after, _)| after.proven) && same_bytes == Some(true);
        let after_is_proven = self.after.as_ref().is_some_and(|after| after.proven);
        let after_file = self
            .after
            .as_ref()
            .map_or_else(String::new, |after| after.location.to_string());

        let proven = by_itself.is_ok() || vouched;
        match (&by_itself, same_bytes.filter(|_| after_is_proven)) {
            (Ok(()), Some(true)) if same_signature == Some(true) => {}
            (Ok(()), Some(_)) => deviates(
                DeviationKind::ChainBroken,
                &found.location,
                format!(
                    "It is signed by CloudTrail, but {after_file} names another hash or signature for it."
                ),
            ),
            (Ok(()), None) => {}
            // Only the key is not at hand: contents and signature are those that a proven digest records.
            (Err(_), Some(true)) if same_signature == Some(true) => {}
            (Err(refused), Some(true)) => deviates(
                DeviationKind::BadSignature,
                &found.location,
                format!(
                    "The signature in its metadata was replaced or removed ({refused}); its contents are \
                     proven by {after_file}."
                ),
            ),
            (Err(refused), Some(false)) if same_signature == Some(true) => deviates(
                DeviationKind::Changed,
                &found.location,
                format!(
                    "Its contents were changed: {refused}, and {after_file} names another hash."
                ),
            ),
            (Err(refused), Some(false)) => deviates(
                DeviationKind::BadSignature,
                &found.location,
                format!(
                    "Its contents and its signature were both replaced: {refused}, and {after_file} names \
                     another hash and another signature."
                ),
            ),
            (Err(refused), None) => deviates(
                DeviationKind::BadSignature,
                &found.location,
                format!("It is not proven: {refused}."),
            ),
        }

        // What nobody names and nobody signed is not the older neighbour: that one may still come.
        if !proven && expected.is_none() && self.after.is_some() {
            return Link {
                digest: Some(digest),
                proven,
                deviations,
            };
        }

        // The link itself: does the digest after it name this one?
        if let (Some(after), None) = (&self.after, expected) {
            let hole = self
                .accounted_from
                .filter(|_| self.kind == ChainKind::Hourly)
                .map(|until| Period::new(digest.delivered.until, until));
            let in_words =
                hole.map_or_else(String::new, |hole| format!(" No digest covers {hole}."));
            match &after.names {
                // A backfill digest that names an hourly one says nothing about the backfill digests.
                Names::Previous(previous)
                    if self.kind == ChainKind::Backfill
                        && !previous.location.key.ends_with("_backfill.json.gz") => {}
                Names::Previous(previous) if after.proven => {
                    deviates(
                        DeviationKind::Missing,
                        &previous.location,
                        format!(
                            "{after_file} names this digest as the one before it, and it is not \
                             there.{in_words}"
                        ),
                    );
                    self.explained = true;
                }
                Names::Previous(previous) => deviates(
                    DeviationKind::ChainBroken,
                    &after.location,
                    format!(
                        "It names {} as the digest before it, where {} was found.",
                        previous.location, found.location
                    ),
                ),
                Names::None if after.proven && self.kind == ChainKind::Hourly => {
                    deviates(
                        DeviationKind::Restarted,
                        &after.location,
                        format!(
                            "A new chain starts here: log file validation, or logging itself, was off \
                             before.{in_words} Whether digests just before it were deleted cannot be seen."
                        ),
                    );
                    self.off.extend(hole);
                    self.explained = true;
                }
                Names::None | Names::Unknown => {}
            }
        }

        if proven {
            if self.kind == ChainKind::Hourly
                && !self.explained
                && let Some(until) = self.accounted_from
            {
                // Untrusted digests in between account for an hour each, at most.
                let hole = Period::new(digest.delivered.until, until);
                let accounted = HOUR.saturating_mul(self.untrusted_since);
                if hole.length() > accounted.saturating_add(ADJOINING) {
                    deviates(
                        DeviationKind::Gap,
                        &found.location,
                        format!(
                            "After it no digest covers all of {hole}, though one is due every hour."
                        ),
                    );
                }
            }
            if let Some(territory) = Territory::of_digest(&found.location) {
                self.proven.push((territory, digest.delivered));
            }
            self.accounted_from = Some(match self.accounted_from {
                Some(so_far) => so_far.min(digest.delivered.from),
                None => digest.delivered.from,
            });
            if self
                .newest_proven
                .as_ref()
                .is_none_or(|(_, until)| *until < digest.delivered.until)
            {
                self.newest_proven = Some((found.location.clone(), digest.delivered.until));
            }
            self.untrusted_since = 0;
            self.explained = false;
        } else {
            self.distrust();
        }
        self.begins = proven && digest.previous.is_none();
        self.after = Some(After {
            location: found.location.clone(),
            proven,
            names: match &digest.previous {
                Some(previous) => Names::Previous(previous.clone()),
                None => Names::None,
            },
        });
        Link {
            digest: Some(digest),
            proven,
            deviations,
        }
    }

    fn distrust(&mut self) {
        self.untrusted_since = self.untrusted_since.saturating_add(1);
        if self.newest_proven.is_none() {
            self.untrusted_newest = self.untrusted_since;
        }
    }

    /// A file that says nothing about what came before it: if it was the expected one, the thread is lost;
    /// if not, it is passed over.
    fn lose(&mut self, location: &Location) {
        let expected = match self.after.as_ref().map(|after| &after.names) {
            Some(Names::Previous(previous)) => previous.location == *location,
            Some(Names::None) => false,
            Some(Names::Unknown) | None => true,
        };
        if expected {
            self.distrust();
            self.begins = false;
            self.after = Some(After {
                location: location.clone(),
                proven: false,
                names: Names::Unknown,
            });
        }
    }

    /// Judges what is beyond the newest and the oldest digest, once all are fed.
    fn finish(&mut self) {
        let due = OVERDUE.saturating_add(HOUR.saturating_mul(self.untrusted_newest));
        if let (ChainKind::Hourly, Some((location, until))) = (self.kind, &self.newest_proven)
            && later(*until, due) < self.asked.until
        {
            self.deviations.push(Deviation {
                kind: DeviationKind::Gap,
                file: location.to_string(),
                what: format!(
                    "After it no digest covers all the time until {}, though one is due every hour: validation or \
                     logging was turned off, or digests were deleted.",
                    self.asked.until
                ),
            });
        }
        let Some(After {
            location,
            proven: true,
            names: Names::Previous(previous),
        }) = &self.after
        else {
            return;
        };
        let in_time = match self.kind {
            ChainKind::Hourly => self
                .accounted_from
                .is_some_and(|from| from > later(self.asked.from, ADJOINING)),
            ChainKind::Backfill => DigestName::parse(&previous.location.key)
                .is_some_and(|name| name.kind == self.kind && name.ended_at >= self.asked.from),
        };
        if in_time {
            self.deviations.push(Deviation {
                kind: DeviationKind::Missing,
                file: previous.location.to_string(),
                what: format!(
                    "{location} names this digest as the one before it, and neither it nor any older one \
                     is there."
                ),
            });
        }
    }

    fn covered(&self) -> Vec<Period> {
        if self.kind == ChainKind::Backfill {
            return Vec::new();
        }
        merged(self.proven.iter().map(|(_, period)| *period).collect())
            .into_iter()
            .map(|period| Period {
                from: period.from.max(self.asked.from),
                until: period.until.min(self.asked.until),
            })
            .filter(|period| period.from < period.until)
            .collect()
    }

    /// The rest of the asked time, with the reason.
    fn uncovered(&self, covered: &[Period]) -> Vec<Uncovered> {
        if self.kind == ChainKind::Backfill {
            return Vec::new();
        }
        let mut rest = Vec::new();
        let mut from = self.asked.from;
        for period in covered {
            rest.push(Period::new(from, period.from));
            from = period.until;
        }
        rest.push(Period::new(from, self.asked.until));
        rest.into_iter()
            .filter(|period| period.from < period.until)
            .map(|period| Uncovered {
                why: self.why_uncovered(&period),
                period,
            })
            .collect()
    }

    fn why_uncovered(&self, period: &Period) -> UncoveredWhy {
        let overlaps = |off: &Period| off.from < period.until && period.from < off.until;
        let oldest = self.proven.iter().map(|(_, period)| period.from).min();
        match (oldest, &self.newest_proven) {
            (Some(oldest), Some((_, newest))) => {
                if *newest <= period.from && self.untrusted_newest > 0 {
                    UncoveredWhy::NotProven
                } else if *newest <= period.from && period.length() <= OVERDUE {
                    UncoveredWhy::NotYetDelivered
                } else if *newest <= period.from {
                    UncoveredWhy::NothingAfter
                } else if period.until <= oldest && self.begins {
                    UncoveredWhy::NotBegun
                } else if self.off.iter().any(overlaps) {
                    UncoveredWhy::Off
                } else {
                    UncoveredWhy::NotProven
                }
            }
            _ if self.checked == 0 => UncoveredWhy::NoDigests,
            _ => UncoveredWhy::NotProven,
        }
    }
}

fn later(time: Timestamp, by: SignedDuration) -> Timestamp {
    time.checked_add(by).unwrap_or(Timestamp::MAX)
}

/// The same times, in order, those that overlap or adjoin made one.
fn merged(mut periods: Vec<Period>) -> Vec<Period> {
    periods.sort_unstable();
    let mut all: Vec<Period> = Vec::new();
    for period in periods {
        match all.last_mut() {
            Some(last) if period.from <= later(last.until, ADJOINING) => {
                last.until = last.until.max(period.until);
            }
            _ => all.push(period),
        }
    }
    all
}

/// Hashes one log file while it is read.
///
/// Give it every byte that comes out of the inflater, **all gzip members included**: the very bytes from
/// which records are read. A decoder that stops after the first member would call a file intact to which
/// somebody has appended another.
#[derive(Clone, Debug, Default)]
pub struct LogFileHash(Sha256);

impl LogFileHash {
    /// Begins.
    pub fn new() -> Self {
        Self::default()
    }

    /// Takes the next inflated bytes.
    pub fn feed(&mut self, inflated: &[u8]) {
        self.0.update(inflated);
    }

    /// The hash of all of it.
    pub fn finish(self) -> Sha256Digest {
        Sha256Digest::from_bytes(self.0.finalize().into())
    }
}

/// What the caller found at a log file's place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum LogFileState {
    /// It was read to its end.
    Read(Sha256Digest),
    /// It is there, and is not gzip, or breaks off, or has something after its end.
    Corrupt,
    /// It is not there.
    Absent,
    /// It could not be read (denied, archived, too large): one sentence without secrets.
    Unread(String),
}

/// What a log file is found to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum LogFileVerdict {
    /// As CloudTrail delivered it.
    Intact,
    /// Not as CloudTrail delivered it.
    Changed,
    /// Delivered, and no longer there.
    Missing,
    /// There, in a time that digests cover, and in no digest.
    Unlisted,
    /// In no digest, as is to be expected of a time that no proven digest covers.
    NotCovered,
    /// Listed, and not to be judged: it could not be read, or is hashed in an unknown way.
    NotChecked,
}

#[derive(Debug)]
struct Listed {
    /// More than one only where a backfill digest lists the file again.
    files: Vec<ListedLogFile>,
    judged: bool,
}

/// Puts chains and log files together.
#[derive(Debug)]
pub struct Integrity {
    asked: Period,
    chains: Vec<ChainReport>,
    covered: Vec<(Territory, Vec<Period>)>,
    listed: BTreeMap<Location, Listed>,
    forgotten: u64,
    intact: u64,
    judged: u64,
    not_covered: u64,
    kinds: BTreeMap<DeviationKind, u64>,
    deviations: Vec<Deviation>,
}

impl Integrity {
    /// For the time that matters.
    pub const fn new(asked: Period) -> Self {
        Self {
            asked,
            chains: Vec::new(),
            covered: Vec::new(),
            listed: BTreeMap::new(),
            forgotten: 0,
            intact: 0,
            judged: 0,
            not_covered: 0,
            kinds: BTreeMap::new(),
            deviations: Vec::new(),
        }
    }

    /// Takes a chain to which every digest file was fed. Add every chain that delivers to a place (all
    /// trails, hourly and backfill) before asking for its log files: a file that another trail delivered is
    /// in that trail's digests only, and the name of a log file does not say which trail it is of.
    pub fn add(&mut self, mut chain: Chain<'_>) {
        chain.finish();
        let covered = chain.covered();
        self.chains.push(ChainReport {
            uncovered: chain.uncovered(&covered),
            covered,
            digests_checked: chain.checked,
            digests_proven: u64::try_from(chain.proven.len()).unwrap_or(u64::MAX),
            kind: chain.kind,
            name: chain.name,
        });
        if chain.kind == ChainKind::Hourly {
            for (territory, period) in chain.proven {
                match self.covered.iter_mut().find(|(of, _)| *of == territory) {
                    Some((_, periods)) => periods.push(period),
                    None => self.covered.push((territory, vec![period])),
                }
            }
            for (_, periods) in &mut self.covered {
                *periods = merged(std::mem::take(periods));
            }
        }
        self.forgotten += chain.forgotten;
        for deviation in chain.deviations {
            self.deviates(deviation);
        }
        for file in chain.listed {
            if let Some(listed) = self.listed.get_mut(&file.location) {
                if !listed.files.contains(&file) {
                    listed.files.push(file);
                }
            } else if self.listed.len() < MAX_LISTED {
                let files = vec![file.clone()];
                self.listed.insert(
                    file.location,
                    Listed {
                        files,
                        judged: false,
                    },
                );
            } else {
                self.forgotten += 1;
            }
        }
    }

    /// The listed log files that are not judged yet. Those that a listing of the bucket did not show are to
    /// be asked for by name, and judged [`Absent`](LogFileState::Absent) if they are not there.
    pub fn expected(&self) -> impl Iterator<Item = &ListedLogFile> {
        self.listed
            .values()
            .filter(|listed| !listed.judged)
            .filter_map(|listed| listed.files.first())
    }

    /// Whether a proven digest lists the log file.
    pub fn lists(&self, location: &Location) -> bool {
        self.listed.contains_key(location)
    }

    /// Judges one log file, once. `stored_at` is the object's LastModified: S3 sets it, so that whoever adds
    /// a file under an old name cannot choose it.
    pub fn log_file(
        &mut self,
        location: &Location,
        stored_at: Option<Timestamp>,
        state: &LogFileState,
    ) -> LogFileVerdict {
        let (verdict, deviation) = match self.listed.get_mut(location) {
            Some(listed) if listed.judged => return judged(listed, state).0,
            Some(listed) => {
                listed.judged = true;
                judged(listed, state)
            }
            None if *state == LogFileState::Absent => return LogFileVerdict::NotCovered,
            None => self.unlisted(location, stored_at),
        };
        match verdict {
            LogFileVerdict::Intact => {
                self.intact += 1;
                self.judged += 1;
            }
            LogFileVerdict::Changed | LogFileVerdict::Missing => self.judged += 1,
            LogFileVerdict::NotCovered => self.not_covered += 1,
            LogFileVerdict::Unlisted | LogFileVerdict::NotChecked => {}
        }
        if let Some((kind, what)) = deviation {
            self.deviates(Deviation {
                kind,
                file: location.to_string(),
                what,
            });
        }
        verdict
    }

    fn unlisted(&self, location: &Location, stored_at: Option<Timestamp>) -> Judged {
        let territory = Territory::of_log_file(location);
        let covered = self
            .covered
            .iter()
            .find(|(of, _)| Some(of) == territory.as_ref())
            .map_or(&[][..], |(_, periods)| periods);
        // Delivered, at the latest, so much after; then some covering digest must list it.
        let within = |time: Option<Timestamp>, delay| {
            time.is_some_and(|time| {
                covered
                    .iter()
                    .any(|period| period.from <= time && later(time, delay) <= period.until)
            })
        };
        let surely = within(log_file_stamp(&location.key), NAME_TO_DELIVERY)
            || within(stored_at, STORED_TO_DELIVERY);
        if !surely || self.forgotten > 0 {
            return (LogFileVerdict::NotCovered, None);
        }
        (
            LogFileVerdict::Unlisted,
            Some((
                DeviationKind::Unlisted,
                "No digest lists this log file, though digests cover its time: CloudTrail did not deliver \
                 it there, or not through the trails whose digests were checked."
                    .to_owned(),
            )),
        )
    }

    fn deviates(&mut self, deviation: Deviation) {
        *self.kinds.entry(deviation.kind).or_default() += 1;
        if self.deviations.len() < MAX_DEVIATIONS {
            self.deviations.push(deviation);
        }
    }

    /// What came of it.
    pub fn report(self) -> TrailIntegrity {
        let unchecked = self.listed.len() as u64 - self.judged;
        let mut report = TrailIntegrity {
            asked: self.asked,
            judgement: Judgement::NothingProven,
            verdict: String::new(),
            digests_checked: self.chains.iter().map(|chain| chain.digests_checked).sum(),
            digests_proven: self.chains.iter().map(|chain| chain.digests_proven).sum(),
            log_files_listed: self.listed.len() as u64 + self.forgotten,
            log_files_intact: self.intact,
            log_files_not_checked: unchecked + self.forgotten,
            log_files_not_covered: self.not_covered,
            deviation_count: self.kinds.values().sum(),
            deviations_by_kind: self.kinds,
            deviations: self.deviations,
            chains: self.chains,
        };
        report.judgement = if report.digests_proven == 0 {
            Judgement::NothingProven
        } else if report.deviation_count > 0 {
            Judgement::Deviates
        } else {
            Judgement::Holds
        };
        report.verdict = report.sentence();
        report
    }
}

type Judged = (LogFileVerdict, Option<(DeviationKind, String)>);

fn judged(listed: &Listed, state: &LogFileState) -> Judged {
    match state {
        LogFileState::Read(sha256) => {
            let hashes = || listed.files.iter().filter_map(|file| file.sha256);
            if hashes().any(|hash| hash == *sha256) {
                (LogFileVerdict::Intact, None)
            } else if hashes().next().is_none() {
                let what = "Its digest hashes it in a way that is not known here.".to_owned();
                let unread = (DeviationKind::Unread, what);
                (LogFileVerdict::NotChecked, Some(unread))
            } else {
                let what = format!(
                    "Its contents are not those that CloudTrail delivered: they hash to {sha256}."
                );
                (
                    LogFileVerdict::Changed,
                    Some((DeviationKind::Changed, what)),
                )
            }
        }
        LogFileState::Corrupt => {
            let what =
                "It is not, or not only, the gzip file that CloudTrail delivered.".to_owned();
            (
                LogFileVerdict::Changed,
                Some((DeviationKind::Changed, what)),
            )
        }
        LogFileState::Absent => {
            let what = "CloudTrail delivered this log file, and it is no longer there.".to_owned();
            (
                LogFileVerdict::Missing,
                Some((DeviationKind::Missing, what)),
            )
        }
        LogFileState::Unread(why) => {
            let what = format!("The log file could not be read: {}.", shown(why));
            (
                LogFileVerdict::NotChecked,
                Some((DeviationKind::Unread, what)),
            )
        }
    }
}

/// A time that no proven digest covers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Uncovered {
    /// The time.
    #[serde(flatten)]
    pub period: Period,
    /// Why.
    pub why: UncoveredWhy,
}

/// Why no proven digest covers a time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum UncoveredWhy {
    /// There is no digest at all.
    NoDigests,
    /// The chain starts after it.
    NotBegun,
    /// Validation or logging was off (or digests just before it came back were deleted).
    Off,
    /// What is there is not proven, or something was taken away.
    NotProven,
    /// Too new: the digest of the last hour comes after the hour.
    NotYetDelivered,
    /// Long overdue.
    NothingAfter,
}

impl fmt::Display for UncoveredWhy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::NoDigests => {
                "no digest file was found: log file validation was not on, or they were deleted"
            }
            Self::NotBegun => "log file validation began only after it",
            Self::Off => "log file validation or logging was off",
            Self::NotProven => "no digest that is proven covers it",
            Self::NotYetDelivered => {
                "CloudTrail delivers the digest of the last hour after the hour"
            }
            Self::NothingAfter => "no digest came any more, though one is due every hour",
        })
    }
}

/// One chain in the report.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ChainReport {
    /// As the caller calls it.
    pub name: String,
    /// Hourly or backfill.
    pub kind: ChainKind,
    /// Digest files that were there.
    pub digests_checked: u64,
    /// Those of them that are CloudTrail's.
    pub digests_proven: u64,
    /// The parts of the asked time that proven digests cover, by time of delivery; none for backfill.
    pub covered: Vec<Period>,
    /// The other parts; none for backfill.
    pub uncovered: Vec<Uncovered>,
}

/// The whole, in a word.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Judgement {
    /// What was checked is as CloudTrail delivered it. See what was not covered and not checked.
    Holds,
    /// Something is not.
    Deviates,
    /// No digest is proven, so nothing is.
    NothingProven,
}

/// Whether the trail's files can be relied on.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TrailIntegrity {
    /// The time that was asked about.
    pub asked: Period,
    /// In a word.
    pub judgement: Judgement,
    /// In a sentence, with what was not covered.
    pub verdict: String,
    /// Each chain, with what it covers.
    pub chains: Vec<ChainReport>,
    /// Digest files that were there.
    pub digests_checked: u64,
    /// Those of them that are CloudTrail's.
    pub digests_proven: u64,
    /// Log files that proven digests list.
    pub log_files_listed: u64,
    /// Those of them that are as CloudTrail delivered them.
    pub log_files_intact: u64,
    /// Those of them that were not looked at, or could not be judged.
    pub log_files_not_checked: u64,
    /// Log files that are in no digest, as is to be expected of their time.
    pub log_files_not_covered: u64,
    /// All deviations, named or not.
    pub deviation_count: u64,
    /// All deviations, by kind.
    pub deviations_by_kind: BTreeMap<DeviationKind, u64>,
    /// The first [`MAX_DEVIATIONS`] of them.
    pub deviations: Vec<Deviation>,
}

impl TrailIntegrity {
    fn sentence(&self) -> String {
        let files = format!(
            "{} of {} digest files are CloudTrail's, {} of {} log files that they list are as delivered",
            self.digests_proven, self.digests_checked, self.log_files_intact, self.log_files_listed
        );
        let mut parts = vec![match self.judgement {
            Judgement::NothingProven if self.digests_checked == 0 => {
                "Nothing is proven: no digest file was found".to_owned()
            }
            Judgement::NothingProven => format!(
                "Nothing is proven: of {} digest files none is proven to be CloudTrail's",
                self.digests_checked
            ),
            Judgement::Holds => files,
            Judgement::Deviates => {
                let kinds: Vec<_> = self
                    .deviations_by_kind
                    .iter()
                    .map(|(kind, count)| format!("{count} {kind}"))
                    .collect();
                format!("Not as CloudTrail left it ({}): {files}", kinds.join(", "))
            }
        }];
        if self.log_files_not_checked > 0 {
            parts.push(format!(
                "{} listed log files were not checked",
                self.log_files_not_checked
            ));
        }
        if self.log_files_not_covered > 0 {
            parts.push(format!(
                "{} log files are in no digest and of a time that none covers",
                self.log_files_not_covered
            ));
        }
        let mut uncovered = self
            .chains
            .iter()
            .flat_map(|chain| chain.uncovered.iter().map(move |part| (chain, part)));
        if let Some((chain, part)) = uncovered.next() {
            let more = match uncovered.count() {
                0 => String::new(),
                more => format!(", and {more} more"),
            };
            parts.push(format!(
                "not covered: {} of {} ({}){more}",
                part.period, chain.name, part.why
            ));
        }
        format!("{}.", parts.join("; "))
    }
}
