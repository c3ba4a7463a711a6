//! What the account's owner adds: YARA rules, advisories, expected digests, from a bucket of theirs. What
//! cannot be read is told and costs nothing else.

use async_trait::async_trait;
use aws_sdk_s3::error::{DisplayErrorContext, ProvideErrorMetadata as _};
use bytes::{Bytes, BytesMut};
use evidence::{Confidence, Finding, Proof, Severity, shown};
use futures_util::stream::{self, StreamExt as _};
use package::{Advisories, Expected};
use signatures::{BadRules, Signatures};
use std::fmt;
use std::str::FromStr;

/// The most files of a folder that are read, and how large one and all of them may be.
struct Most {
    files: usize,
    file_bytes: u64,
    all_bytes: u64,
}

const RULES: Most = Most {
    files: 500,
    file_bytes: 4 * 1024 * 1024,
    all_bytes: 24 * 1024 * 1024,
};
const ADVISORIES: Most = Most {
    files: 20_000,
    file_bytes: 16 * 1024 * 1024,
    all_bytes: 64 * 1024 * 1024,
};
const EXPECTED: Most = Most {
    files: 1,
    file_bytes: 8 * 1024 * 1024,
    all_bytes: 8 * 1024 * 1024,
};

/// How advisories come: one by one, or as a collection of a registry.
const ARCHIVES: [&str; 4] = [".json", ".zip", ".tar", ".tar.gz"];

/// How many files are fetched at a time.
const PARALLEL: usize = 16;

/// A folder or a file in S3: `s3://BUCKET/PREFIX`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Place {
    /// The bucket.
    pub bucket: String,
    /// What the keys begin with.
    pub prefix: String,
}

/// Text that is no place in S3.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error("is {0:?}; it takes a place like s3://my-bucket/folder/")]
pub struct BadPlace(String);

impl FromStr for Place {
    type Err = BadPlace;

    fn from_str(text: &str) -> Result<Self, BadPlace> {
        let bad = || BadPlace(shown(text, 200));
        let place = text.strip_prefix("s3://").ok_or_else(bad)?;
        let (bucket, prefix) = place.split_once('/').unwrap_or((place, ""));
        let is_plain = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b".-_".contains(&b);
        if bucket.is_empty() || !bucket.bytes().all(is_plain) {
            return Err(bad());
        }
        Ok(Self {
            bucket: bucket.to_owned(),
            prefix: prefix.to_owned(),
        })
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "s3://{}/{}", self.bucket, self.prefix)
    }
}

/// Reads the owner's places.
#[async_trait]
pub trait Bookcase: Send + Sync {
    /// The keys that begin with the place's prefix and their sizes in bytes; at most `limit`.
    async fn list(&self, place: &Place, limit: usize) -> Result<Vec<(String, u64)>, String>;

    /// One file of at most `limit_bytes`.
    async fn get(&self, place: &Place, key: &str, limit_bytes: u64) -> Result<Bytes, String>;
}

/// Buckets.
pub struct Buckets(pub aws_sdk_s3::Client);

#[async_trait]
impl Bookcase for Buckets {
    async fn list(&self, place: &Place, limit: usize) -> Result<Vec<(String, u64)>, String> {
        let mut found = Vec::new();
        let mut after = None;
        while found.len() < limit {
            let page = self
                .0
                .list_objects_v2()
                .bucket(&place.bucket)
                .prefix(&place.prefix)
                .set_continuation_token(after)
                .send()
                .await
                .map_err(|error| told(error.code(), &error))?;
            for object in page.contents() {
                if let Some(key) = object.key() {
                    let size_bytes = object.size().and_then(|size| u64::try_from(size).ok());
                    found.push((key.to_owned(), size_bytes.unwrap_or_default()));
                }
            }
            after = page.next_continuation_token().map(str::to_owned);
            if after.is_none() {
                break;
            }
        }
        found.truncate(limit);
        Ok(found)
    }

    async fn get(&self, place: &Place, key: &str, limit_bytes: u64) -> Result<Bytes, String> {
        let object = self.0.get_object().bucket(&place.bucket).key(key);
        let object = object
            .send()
            .await
            .map_err(|error| told(error.code(), &error))?;
        let mut body = object.body;
        let mut bytes = BytesMut::new();
        while let Some(chunk) = body.next().await {
            let chunk = chunk.map_err(|error| DisplayErrorContext(&error).to_string())?;
            if (bytes.len() + chunk.len()) as u64 > limit_bytes {
                return Err(format!("has more than {limit_bytes} bytes"));
            }
            bytes.extend_from_slice(&chunk);
        }
        Ok(bytes.freeze())
    }
}

fn told(code: Option<&str>, error: &(dyn std::error::Error + 'static)) -> String {
    match code {
        Some(code) => code.to_owned(),
        None => DisplayErrorContext(error).to_string(),
    }
}

/// What is looked with, and what of the owner's could not be used.
pub(crate) struct Owner {
    pub(crate) signatures: Signatures,
    pub(crate) advisories: Advisories,
    pub(crate) expected: Option<Expected>,
    /// What could not be read.
    pub(crate) findings: Vec<Finding>,
}

/// The places that the owner configured.
#[derive(Clone, Copy)]
pub(crate) struct Places<'a> {
    pub(crate) rules: Option<&'a Place>,
    pub(crate) advisories: Option<&'a Place>,
    pub(crate) expected: Option<&'a Place>,
}

impl Owner {
    /// Fetches and reads what the owner configured.
    pub(crate) async fn gather(
        bookcase: &dyn Bookcase,
        places: Places<'_>,
    ) -> Result<Self, BadRules> {
        let mut findings = Vec::new();
        let mut expected = None;
        if let Some(place) = places.expected {
            let found = fetch(bookcase, place, &EXPECTED, &[""], &mut findings).await;
            if found.is_empty() && findings.is_empty() {
                findings.push(unusable(&place.to_string(), "there is no such file"));
            }
            for (key, bytes) in found {
                match Expected::read(&bytes) {
                    Ok(read) => expected = Some(read),
                    Err(error) => findings.push(unusable(&key, &error.to_string())),
                }
            }
        }
        let mut advisories = Advisories::new();
        if let Some(place) = places.advisories {
            let before = findings.len();
            let found = fetch(bookcase, place, &ADVISORIES, &ARCHIVES, &mut findings).await;
            if found.is_empty() && findings.len() == before {
                findings.push(unusable(&place.to_string(), "there is no advisory in it"));
            }
            for (key, bytes) in found {
                if let Err(error) = advisories.add(&key, &bytes) {
                    findings.push(unusable(&key, &error.why));
                }
            }
            for skipped in advisories.skipped() {
                findings.push(unusable(&skipped.name, &skipped.why));
            }
        }
        let mut sources = Vec::new();
        if let Some(place) = places.rules {
            let before = findings.len();
            let found = fetch(bookcase, place, &RULES, &[".yar", ".yara"], &mut findings).await;
            if found.is_empty() && findings.len() == before {
                findings.push(unusable(&place.to_string(), "there are no rules in it"));
            }
            for (key, bytes) in found {
                match String::from_utf8(bytes.to_vec()) {
                    Ok(source) => sources.push((key, source)),
                    Err(_) => findings.push(unusable(&key, "it is no UTF-8")),
                }
            }
        }
        let signatures = compiled(sources, &mut findings)?;
        bound(&mut findings);
        Ok(Self {
            signatures,
            advisories,
            expected,
            findings,
        })
    }
}

/// The rules that can be used, our own at least: a file that does not compile is left out and told.
fn compiled(
    mut sources: Vec<(String, String)>,
    findings: &mut Vec<Finding>,
) -> Result<Signatures, BadRules> {
    for _ in 0..MOST_BROKEN_RULES {
        let error = match Signatures::with(sources.iter().cloned()) {
            Ok(signatures) => return Ok(signatures),
            Err(error) => error,
        };
        let (BadRules::DoesNotCompile { name, .. } | BadRules::TooLarge { name, .. }) = &error;
        findings.push(unusable(name, &error.to_string()));
        let left = sources.len();
        sources.retain(|(key, _)| key != name && shown(key, 200) != *name);
        if sources.len() == left {
            break;
        }
    }
    if !sources.is_empty() {
        let why = "too many of the rules do not compile: none of the owner's are used";
        findings.push(unusable("rules", why));
    }
    Signatures::ours()
}

/// How many files that do not compile are left out one by one.
const MOST_BROKEN_RULES: usize = 10;

/// The files of a place whose names end in one of `endings`, within what is read at most.
async fn fetch(
    bookcase: &dyn Bookcase,
    place: &Place,
    most: &Most,
    endings: &[&str],
    findings: &mut Vec<Finding>,
) -> Vec<(String, Bytes)> {
    let listed = match bookcase.list(place, most.files.saturating_add(1)).await {
        Ok(listed) => listed,
        Err(why) => {
            findings.push(unusable(&place.to_string(), &why));
            return Vec::new();
        }
    };
    if listed.len() > most.files {
        let why = format!("only the first {} files of it are read", most.files);
        findings.push(unusable(&place.to_string(), &why));
    }
    let mut left = most.all_bytes;
    let mut wanted = Vec::new();
    for (key, size_bytes) in listed.into_iter().take(most.files) {
        if !endings.iter().any(|ending| key.ends_with(ending)) || size_bytes == 0 {
            continue;
        }
        match left.checked_sub(size_bytes) {
            Some(rest) if size_bytes <= most.file_bytes => {
                left = rest;
                wanted.push(key);
            }
            _ => findings.push(unusable(&key, "it is larger than what is read")),
        }
    }
    let fetched = wanted.into_iter().map(async |key| {
        let bytes = bookcase.get(place, &key, most.file_bytes).await;
        (key, bytes)
    });
    let fetched: Vec<_> = stream::iter(fetched).buffered(PARALLEL).collect().await;
    let mut found = Vec::new();
    for (key, bytes) in fetched {
        match bytes {
            Ok(bytes) => found.push((key, bytes)),
            Err(why) => findings.push(unusable(&key, &why)),
        }
    }
    found
}

/// A whole folder that cannot be read is one thing to mend.
fn bound(findings: &mut Vec<Finding>) {
    if findings.len() > MOST_FINDINGS {
        let more = findings.len() - MOST_FINDINGS;
        findings.truncate(MOST_FINDINGS);
        let why = format!("and {more} more of what the owner gives");
        findings.push(unusable("other files", &why));
    }
}

/// The most files of the owner's that are complained about one by one.
const MOST_FINDINGS: usize = 10;

fn unusable(what: &str, why: &str) -> Finding {
    Finding {
        rule: "owner-input-unusable".to_owned(),
        statement: format!(
            "What the owner gives to look with cannot be used: {}: {}",
            shown(what, 200),
            shown(why, 300)
        ),
        severity: Severity::Low,
        confidence: Confidence::High,
        technique: None,
        advice: Some(
            "Mend the file or the permission, and have the case examined again under another name of the \
             pass."
                .to_owned(),
        ),
        proof: vec![Proof {
            exhibit: shown(what, 200),
            path: None,
            line: None,
            excerpt: None,
        }],
    }
}
