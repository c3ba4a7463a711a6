//! Whether the trail's own files are as CloudTrail delivered them: its digests, which CloudTrail signs
//! every hour, and the hashes of the log files that they list.
//!
//! The reading collects facts: which trails there are, CloudTrail's public keys, the digest files with
//! their signatures, then the hash of every log file. [`judge`] draws the conclusions. Each of a fact's
//! lines can be checked by hand: a digest's `body` is what was signed, byte by byte.
//!
//! The entries' order is that in which they are needed, not that of time: what was asked and the keys;
//! then the digests, the newest first, since each vouches for the one before; then the log files by
//! their times.

mod judge;

use super::trail_body::{AHEAD, Came, Fetching, Stumbled};
use super::trail_bucket::{
    DECRYPT, DESCRIBE_TRAILS, Folder, GET_OBJECT, Kind, LIST_BUCKET, Measuring, Object, Place,
    Position, Span, TrailSource, center, client, find, list_day, trails,
};
use super::{Artifact, Investigation};
use crate::inquiry::{is_transient, refusal};
use crate::{Entry, Inquiry, Page, Reading, Refusal};
use async_trait::async_trait;
use aws_sdk_cloudtrail::primitives::DateTime;
use aws_sdk_s3::error::ProvideErrorMetadata;
use aws_sdk_s3::operation::get_object::GetObjectError;
use aws_smithy_runtime_api::client::orchestrator::HttpResponse;
use aws_smithy_runtime_api::client::result::SdkError;
use aws_smithy_types::base64;
use evidence::{ArtifactKind, Request, Sha256Digest};
use flate2::read::MultiGzDecoder;
use futures_util::{FutureExt as _, StreamExt as _, stream};
use jiff::{SignedDuration, Timestamp};
use judge::Judge;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::io::Read;
use std::time::Duration;
use tokio::time::Instant;
use trail::digests::{DigestName, LogFileHash, MAX_DIGEST_BYTES};

pub(super) const ARTIFACT: Artifact = Artifact {
    kind: ArtifactKind::TrailIntegrity,
    actions: &[
        DESCRIBE_TRAILS,
        LIST_PUBLIC_KEYS,
        LIST_BUCKET,
        GET_OBJECT,
        DECRYPT,
    ],
    requests: |investigation| match investigation.trail {
        Some(_) => vec![Request::whole(ArtifactKind::TrailIntegrity)],
        None => Vec::new(),
    },
    readings: |investigation, _| match &investigation.trail {
        Some(source) => vec![Box::new(Checking {
            investigation,
            source,
            stumbled: Stumbled::default(),
        })],
        None => Vec::new(),
    },
    observer: |_, _, _| Box::new(Judge::default()),
    after: &[],
};

/// The keys that CloudTrail signs digests with.
const LIST_PUBLIC_KEYS: &str = "cloudtrail:ListPublicKeys";

/// How long a page is worked on before no further file is begun.
const WORK: Duration = Duration::from_secs(20);

/// The most log files of a page; a line of some 300 bytes each.
const MOST_FILES: usize = 500;

/// How many bytes of digests a page holds before no further one is begun.
const PAGE_BYTES: usize = 2 * 1024 * 1024;

/// The longest line of a digest. One lists a log file in some 400 bytes, so that this is ten thousand
/// of them in an hour and Region; with what a page holds before, it stays below what the vault takes.
const MOST_LINE_BYTES: usize = 4 * 1024 * 1024;

/// The largest digest file, as stored, that is read.
const MOST_STORED_BYTES: u64 = 8 * 1024 * 1024;

/// A log file that expands more than this is no log file. CloudTrail's shrink 10- to 40-fold.
const MOST_EXPANSION: u64 = 300;
/// Up to this size a file may expand as it likes.
const FREE_BYTES: u64 = 256 * 1024 * 1024;

/// How often a digest is read that breaks off.
const TRIES: u32 = 3;

/// How long after an event the file with it may be delivered.
const DELIVERED_WITHIN: SignedDuration = SignedDuration::from_hours(2);
/// Digests cover an hour each, and the one that covers the window's end comes after it.
const HOUR: SignedDuration = SignedDuration::from_hours(1);
/// A digest that ends in the window lists files that were named up to this long before it.
const LISTED_BEFORE: SignedDuration = SignedDuration::from_mins(90);

/// One line of the exhibit.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "what", rename_all = "kebab-case")]
enum Fact {
    /// What was checked.
    Asked(Asked),
    /// The keys of one Region.
    Keys { region: String, keys: Vec<Key> },
    /// A digest file.
    Digest(Box<FoundDigest>),
    /// There is no digest of the time that matters.
    NoDigest,
    /// A log file.
    LogFile(FoundFile),
    /// All log files of a folder that are named within a time are among the lines.
    Listed {
        bucket: String,
        folder: String,
        named: Span,
    },
}

/// What was checked.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Asked {
    /// When the files were delivered that matter.
    delivered: Span,
    /// Trails that make digests, by CloudTrail's word. None if it was not to be had.
    validating: Option<Vec<String>>,
}

/// A public key, as ListPublicKeys gives it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Key {
    fingerprint: String,
    /// DER, in base64.
    value: String,
}

/// A digest file as it lay in the bucket.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
struct FoundDigest {
    bucket: String,
    key: String,
    /// The object's metadata.
    signature: Option<String>,
    signature_algorithm: Option<String>,
    /// Its bytes, inflated: what is hashed and signed. None if it could not be read.
    body: Option<String>,
    /// The same in base64, where they are no text.
    body_base64: Option<String>,
    /// Why it could not be read.
    unread: Option<String>,
}

/// A log file as it lay in the bucket.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct FoundFile {
    bucket: String,
    key: String,
    /// S3's LastModified.
    stored_at: Option<Timestamp>,
    /// Of its inflated bytes, if it could be read to its end.
    sha256: Option<Sha256Digest>,
    /// Whether it is no whole gzip file.
    #[serde(default)]
    is_corrupt: bool,
    /// Why it could not be read.
    unread: Option<String>,
}

impl Fact {
    /// A line at a place in the order.
    fn entry(&self, rank: i64) -> Entry {
        let raw = json!(self).to_string();
        Entry {
            at_ns: rank,
            id: Sha256Digest::of(&raw).to_string(),
            raw,
        }
    }
}

fn nanoseconds(time: Timestamp) -> i64 {
    i64::try_from(time.as_nanosecond()).unwrap_or(i64::MAX)
}

/// Before everything else.
const FIRST: i64 = i64::MIN;

/// The reading.
struct Checking<'a> {
    investigation: &'a Investigation,
    source: &'a TrailSource,
    stumbled: Stumbled,
}

/// How far it has come; its cursor.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
enum Stage {
    /// Reading digests.
    Digests(Walk),
    /// Summing up the sizes of the log files.
    Measure(Measuring),
    /// Hashing log files.
    Files(Walk),
}

/// A way through folders.
#[derive(Clone, Debug, Serialize, Deserialize)]
struct Walk {
    place: Place,
    span: Span,
    position: Position,
    /// When files were delivered that matter.
    delivered: Span,
    /// How many were read.
    count: u64,
    /// Whether nothing stood in the way so far.
    is_complete: bool,
}

impl Walk {
    fn new(place: Place, span: Span, delivered: Span) -> Self {
        Self {
            place,
            span,
            position: Position::first(&span),
            delivered,
            count: 0,
            is_complete: true,
        }
    }

    /// Goes on behind a bucket that does not answer.
    fn leave(&mut self, bucket: &str) {
        self.is_complete = false;
        self.position.leave(bucket, &self.place, &self.span);
    }
}

#[async_trait]
impl Reading for Checking<'_> {
    async fn page(&self, inquiry: &mut Inquiry<'_>, cursor: Option<&Value>) -> Page {
        let until = Instant::now() + WORK;
        let page = match cursor.map(Stage::deserialize) {
            None => self.begin(inquiry).await,
            Some(Ok(Stage::Digests(walk))) => self.digests(inquiry, walk, until).await,
            Some(Ok(Stage::Measure(measuring))) => self.measure(inquiry, measuring, until).await,
            Some(Ok(Stage::Files(walk))) => self.files(inquiry, walk, until).await,
            Some(Err(_)) => {
                inquiry.refuse(Refusal::Failed(
                    "where the next page of the check begins cannot be read; the rest is not checked"
                        .to_owned(),
                ));
                Page::default()
            }
        };
        match inquiry.is_transient() {
            true => Page::default(),
            false => page,
        }
    }
}

impl Checking<'_> {
    /// Finds the digests, and the keys that they are signed with.
    async fn begin(&self, inquiry: &mut Inquiry<'_>) -> Page {
        let window = self.investigation.window;
        let now = inquiry.now();
        let delivered = Span {
            from: window.since,
            until: later(window.until, DELIVERED_WITHIN).min(now),
        };
        // Whose bucket is named may still not be allowed to ask; then it is not known who validates.
        let known = trails(self.investigation, inquiry).await;
        let validating: Option<Vec<String>> = known.map(|trails| {
            let trails = trails.iter();
            let trails = trails.filter(|trail| trail.log_file_validation_enabled() == Some(true));
            trails
                .filter_map(|trail| trail.name().map(str::to_owned))
                .collect()
        });
        let place = find(
            self.investigation,
            inquiry,
            self.source,
            Kind::Digests,
            None,
        )
        .await;
        let is_expected = validating.as_ref().is_some_and(|trails| !trails.is_empty());
        let asked = Fact::Asked(Asked {
            delivered,
            validating: validating.clone(),
        });
        if place.folders.is_empty() {
            let Some(Refusal::Absent(why)) = inquiry.last_refusal().cloned() else {
                return Page::default();
            };
            // It is told better than that a folder is not there.
            inquiry.take_back();
            if is_expected {
                return Page {
                    entries: vec![asked.entry(FIRST), Fact::NoDigest.entry(FIRST)],
                    next: None,
                };
            }
            inquiry.refuse(Refusal::Absent(no_digests(validating.as_deref(), &why)));
            return Page::default();
        }
        let mut entries = vec![asked.entry(FIRST)];
        let regions: BTreeSet<String> = place
            .folders
            .iter()
            .map(|folder| folder.region.clone())
            .collect();
        for region in regions {
            match self.keys(inquiry, &region, &delivered).await {
                Some(keys) => {
                    entries.push(Fact::Keys { region, keys }.entry(FIRST));
                }
                None if matches!(inquiry.last_refusal(), Some(Refusal::Denied(_))) => {
                    // Whatever the Region, it is one permission.
                    inquiry.take_back();
                    inquiry.refuse(Refusal::Denied(format!(
                        "{LIST_PUBLIC_KEYS} is denied: no digest's signature can be checked"
                    )));
                    break;
                }
                None => {}
            }
        }
        // A digest covers the hour before its end.
        let span = Span {
            from: delivered.from,
            until: later(delivered.until, HOUR),
        };
        let walk = Walk::new(place, span, delivered);
        Page {
            entries,
            next: Some(json!(Stage::Digests(walk))),
        }
    }

    /// The keys of a Region that were valid at any time that matters. A backfill digest may be signed
    /// long after its hour.
    async fn keys(
        &self,
        inquiry: &mut Inquiry<'_>,
        region: &str,
        delivered: &Span,
    ) -> Option<Vec<Key>> {
        let clients = self.investigation.regions.of(region)?;
        let since = earlier(delivered.from, HOUR);
        let until = later(inquiry.now(), HOUR);
        let about = format!("the keys of {region} from {since}");
        let mut keys = Vec::new();
        let mut token = None;
        for _ in 0..crate::inquiry::PAGES {
            let request = clients
                .cloudtrail
                .list_public_keys()
                .start_time(DateTime::from_secs(since.as_second()))
                .end_time(DateTime::from_secs(until.as_second()))
                .set_next_token(token);
            let answer = inquiry
                .ask(LIST_PUBLIC_KEYS, &about, |_| request.send())
                .await?;
            keys.extend(answer.public_key_list().iter().filter_map(|key| {
                Some(Key {
                    fingerprint: key.fingerprint()?.to_owned(),
                    value: base64::encode(key.value()?.as_ref()),
                })
            }));
            token = answer.next_token.filter(|token| !token.is_empty());
            if token.is_none() {
                break;
            }
        }
        Some(keys)
    }

    /// Reads digest files, folder by folder.
    async fn digests(&self, inquiry: &mut Inquiry<'_>, mut walk: Walk, until: Instant) -> Page {
        let mut entries = Vec::new();
        let mut bytes = 0;
        'folders: while let Some(folder) = walk.place.folders.get(walk.position.folder).cloned() {
            if Instant::now() >= until {
                break;
            }
            let client = client(self.investigation, &folder.bucket_region);
            let listed = list_day(&client, inquiry, &folder, &walk.position, &walk.span).await;
            if inquiry.is_transient() {
                return Page::default();
            }
            let Some(listed) = listed else {
                walk.leave(&folder.bucket);
                continue;
            };
            let last = listed.objects.last().map(|object| object.key.clone());
            let (digests, others): (Vec<_>, Vec<_>) = listed
                .objects
                .into_iter()
                .filter(|object| !object.key.ends_with('/'))
                .map(|object| (DigestName::parse(&object.key), object))
                .partition(|(name, _)| name.is_some());
            if !others.is_empty() {
                inquiry.refuse(Refusal::Failed(format!(
                    "among the digests in {} are files that are none",
                    folder.url()
                )));
            }
            let digests: Vec<(Timestamp, Object)> = digests
                .into_iter()
                .filter_map(|(name, object)| Some((name?.ended_at, object)))
                .filter(|(ended_at, _)| walk.span.contains(*ended_at))
                .collect();
            let about = format!("{} digests", folder.url());
            let (client, of) = (&client, &folder);
            let mut fetched = stream::iter(digests)
                .map(|(ended_at, object)| {
                    async move {
                        let fetched = fetch_digest(client, &of.bucket, &object.key).await;
                        (ended_at, object, fetched)
                    }
                    .boxed()
                })
                .buffered(AHEAD);
            loop {
                let began = inquiry.now();
                let Some((ended_at, object, fetched)) = fetched.next().await else {
                    break;
                };
                let mut is_denied = false;
                let mut digest = match fetched {
                    Ok(digest) => {
                        inquiry.note_call(GET_OBJECT, &about, began, None);
                        digest
                    }
                    Err(error) => {
                        let refused = refusal(GET_OBJECT, &about, &error);
                        inquiry.note_call(GET_OBJECT, &about, began, Some(&refused));
                        if is_transient(&error) {
                            inquiry.refuse(refused);
                            inquiry.may_pass();
                            return Page::default();
                        }
                        is_denied = matches!(refused, Refusal::Denied(_));
                        let code = error
                            .as_service_error()
                            .and_then(ProvideErrorMetadata::code);
                        FoundDigest {
                            unread: Some(format!("{GET_OBJECT}: {}", code.unwrap_or("failed"))),
                            ..FoundDigest::default()
                        }
                    }
                };
                digest.bucket.clone_from(&folder.bucket);
                digest.key.clone_from(&object.key);
                let mut is_unread = digest.unread.is_some();
                // The newest first.
                let rank = nanoseconds(ended_at).saturating_neg();
                let mut entry = Fact::Digest(Box::new(digest.clone())).entry(rank);
                if entry.raw.len() > MOST_LINE_BYTES {
                    is_unread = true;
                    digest.body = None;
                    digest.body_base64 = None;
                    digest.unread = Some("it is larger than is read of a digest".to_owned());
                    entry = Fact::Digest(Box::new(digest)).entry(rank);
                }
                bytes += entry.raw.len();
                entries.push(entry);
                match is_unread {
                    true => walk.is_complete = false,
                    false => walk.count += 1,
                }
                if is_denied {
                    inquiry.refuse(denied(&folder));
                    walk.leave(&folder.bucket);
                    continue 'folders;
                }
                walk.position.after = Some(object.key);
                if bytes >= PAGE_BYTES || Instant::now() >= until {
                    break 'folders;
                }
            }
            walk.position
                .move_on(last.filter(|_| !listed.is_all), &walk.span);
        }
        if walk.position.folder < walk.place.folders.len() {
            return Page {
                entries,
                next: Some(json!(Stage::Digests(walk))),
            };
        }
        if walk.count == 0 {
            // What nobody could look for is not missing.
            entries.extend(walk.is_complete.then(|| Fact::NoDigest.entry(FIRST)));
            return Page {
                entries,
                next: None,
            };
        }
        let span = Span {
            from: earlier(walk.delivered.from, LISTED_BEFORE),
            until: walk.delivered.until,
        };
        let logs = Place {
            folders: walk.place.folders.iter().filter_map(log_folder).collect(),
        };
        Page {
            entries,
            next: Some(json!(Stage::Measure(Measuring::new(logs, span)))),
        }
    }

    async fn measure(
        &self,
        inquiry: &mut Inquiry<'_>,
        mut measuring: Measuring,
        until: Instant,
    ) -> Page {
        let stage = if measuring.advance(self.investigation, inquiry, until).await {
            let limit_bytes = self.source.limit_bytes;
            let mut span = Some(measuring.span);
            if measuring.sizes.total_bytes() > limit_bytes {
                let center = center(self.investigation, self.investigation.window);
                span = measuring
                    .sizes
                    .nearest(&measuring.span, center, limit_bytes);
                let checked = match &span {
                    Some(Span { from, until }) => {
                        format!("the log files named from {from} to {until} are")
                    }
                    None => "no log file is".to_owned(),
                };
                inquiry.refuse(Refusal::Failed(format!(
                    "{}: {checked} compared with their digests, and the digests themselves",
                    measuring.sizes.too_large(limit_bytes)
                )));
            }
            span.map(|span| {
                let delivered = measuring.span;
                Stage::Files(Walk::new(measuring.place, span, delivered))
            })
        } else {
            Some(Stage::Measure(measuring))
        };
        Page {
            entries: Vec::new(),
            next: stage.map(|stage| json!(stage)),
        }
    }

    /// Hashes log files, folder by folder.
    async fn files(&self, inquiry: &mut Inquiry<'_>, mut walk: Walk, until: Instant) -> Page {
        let mut entries = Vec::new();
        let mut listings = 0;
        let is_full = |entries: &Vec<Entry>| {
            entries.len() >= MOST_FILES || (!entries.is_empty() && Instant::now() >= until)
        };
        'folders: while let Some(folder) = walk.place.folders.get(walk.position.folder).cloned() {
            if is_full(&entries) || (listings > 0 && Instant::now() >= until) {
                break;
            }
            listings += 1;
            let client = client(self.investigation, &folder.bucket_region);
            let listed = list_day(&client, inquiry, &folder, &walk.position, &walk.span).await;
            if inquiry.is_transient() {
                return Page::default();
            }
            let Some(listed) = listed else {
                walk.leave(&folder.bucket);
                continue;
            };
            let last = listed.objects.last().map(|object| object.key.clone());
            let files = listed.objects.into_iter();
            let files: Vec<Object> = files.filter(|object| object.is_of(&walk.span)).collect();
            let mut left = files.len();
            let about = format!("{} files, for their hashes", folder.url());
            let mut fetching = Fetching::new(&client, &folder, &about, &self.stumbled, files);
            while left > 0 {
                if is_full(&entries) {
                    break 'folders;
                }
                let Some(file) = fetching.turn(inquiry).await else {
                    break;
                };
                left -= 1;
                let mut found = FoundFile {
                    bucket: folder.bucket.clone(),
                    key: file.key.clone(),
                    stored_at: file.stored_at,
                    sha256: None,
                    is_corrupt: false,
                    unread: None,
                };
                match fetching.read(inquiry, || hash).await {
                    Came::Read(Hashed::Whole(sha256)) => found.sha256 = Some(sha256),
                    Came::Read(Hashed::Corrupt) => found.is_corrupt = true,
                    Came::Read(Hashed::Bomb) => {
                        found.unread = Some(format!("it expands more than {MOST_EXPANSION}-fold"));
                    }
                    Came::Broken(why) => found.unread = Some(why),
                    Came::Denied => {
                        walk.leave(&folder.bucket);
                        continue 'folders;
                    }
                    Came::Stumbled => return Page::default(),
                }
                let rank = file.time().map_or(0, nanoseconds).max(0);
                entries.push(Fact::LogFile(found).entry(rank));
                walk.count += 1;
                walk.position.after = Some(file.key);
            }
            let before = walk.position.folder;
            walk.position
                .move_on(last.filter(|_| !listed.is_all), &walk.span);
            if walk.position.folder > before {
                let listed = Fact::Listed {
                    bucket: folder.bucket.clone(),
                    folder: folder.key.clone(),
                    named: walk.span,
                };
                entries.push(listed.entry(nanoseconds(walk.span.until)));
            }
        }
        let is_last = walk.position.folder >= walk.place.folders.len();
        Page {
            entries,
            next: (!is_last).then(|| json!(Stage::Files(walk))),
        }
    }
}

/// What hashing came to.
enum Hashed {
    Whole(Sha256Digest),
    Corrupt,
    Bomb,
}

/// Hashes what a gzip file holds, all of its members.
fn hash(input: Box<dyn Read>) -> Hashed {
    let mut file = MultiGzDecoder::new(Counted { input, bytes: 0 });
    let mut hash = LogFileHash::new();
    let mut buffer = vec![0; 64 * 1024];
    let mut inflated = 0_u64;
    loop {
        match file.read(&mut buffer) {
            Ok(0) => return Hashed::Whole(hash.finish()),
            Ok(count) => {
                hash.feed(&buffer[..count]);
                inflated += count as u64;
                if inflated > FREE_BYTES && inflated / MOST_EXPANSION > file.get_ref().bytes {
                    return Hashed::Bomb;
                }
            }
            Err(_) => return Hashed::Corrupt,
        }
    }
}

/// Counts what was read.
struct Counted {
    input: Box<dyn Read>,
    bytes: u64,
}

impl Read for Counted {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        let count = self.input.read(buffer)?;
        self.bytes += count as u64;
        Ok(count)
    }
}

/// Where the log files lie that a folder's digests list, whether or not any is left there.
fn log_folder(digests: &Folder) -> Option<Folder> {
    let (root, region) = digests.key.rsplit_once("/CloudTrail-Digest/")?;
    Some(Folder {
        key: format!("{root}/CloudTrail/{region}"),
        ..digests.clone()
    })
}

/// A digest file with its signature, inflated. What is too large, cut off or no gzip is told in it.
async fn fetch_digest(
    client: &aws_sdk_s3::Client,
    bucket: &str,
    key: &str,
) -> Result<FoundDigest, SdkError<GetObjectError, HttpResponse>> {
    let mut digest = FoundDigest::default();
    for _ in 0..TRIES {
        let answer = client.get_object().bucket(bucket).key(key).send().await?;
        let metadata = |name: &str| answer.metadata()?.get(name).cloned();
        digest.signature = metadata("signature");
        digest.signature_algorithm = metadata("signature-algorithm");
        let size = answer
            .content_length()
            .and_then(|size| u64::try_from(size).ok());
        if size.is_none_or(|size| size > MOST_STORED_BYTES) {
            digest.unread = Some("it is larger than is read of a digest".to_owned());
            return Ok(digest);
        }
        let Ok(stored) = answer.body.collect().await else {
            digest.unread = Some("the download was cut off".to_owned());
            continue;
        };
        digest.unread = None;
        let stored = stored.into_bytes();
        let mut body = Vec::new();
        let most = MAX_DIGEST_BYTES as u64 + 1;
        let inflated = MultiGzDecoder::new(&stored[..])
            .take(most)
            .read_to_end(&mut body);
        // What cannot be inflated is judged as it is.
        let body = match inflated {
            Ok(_) => body,
            Err(_) => stored.to_vec(),
        };
        match String::from_utf8(body) {
            Ok(text) => digest.body = Some(text),
            Err(error) => digest.body_base64 = Some(base64::encode(error.as_bytes())),
        }
        break;
    }
    Ok(digest)
}

fn denied(folder: &Folder) -> Refusal {
    Refusal::Denied(format!(
        "the digests in s3://{}/ may not be read: {GET_OBJECT} is denied (the parameter TrailBucket \
         grants it, and TrailKeyArn kms:Decrypt where the trail is encrypted with a key of the \
         owner's)",
        folder.bucket
    ))
}

/// Says that there is nothing by which the trail could be checked.
fn no_digests(validating: Option<&[String]>, why: &str) -> String {
    let nothing = "nothing can show that the trail was not altered";
    match validating {
        Some([]) => format!("log file validation is off: {nothing}"),
        Some(_) => format!("log file validation is on, but {why}: {nothing}"),
        None => {
            format!("{why}: log file validation was not on, or they were deleted; {nothing}")
        }
    }
}

fn later(time: Timestamp, by: SignedDuration) -> Timestamp {
    time.checked_add(by).unwrap_or(Timestamp::MAX)
}

fn earlier(time: Timestamp, by: SignedDuration) -> Timestamp {
    time.checked_sub(by).unwrap_or(Timestamp::MIN)
}

#[cfg(test)]
mod tests;
