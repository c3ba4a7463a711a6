//! The bucket that an audit trail delivers to: named by the owner or found through CloudTrail, its
//! folders, and what lies in them, listed page by page.
//!
//! Files lie in `[PREFIX/]AWSLogs/[ORGANISATION/]ACCOUNT/CloudTrail/REGION/YYYY/MM/DD/`.
//! Source: CloudTrail User Guide, "Finding your CloudTrail log files".

use super::Investigation;
use crate::aws::Clients;
use crate::aws::clients::is_region;
use crate::{Inquiry, Refusal};
use aws_sdk_cloudtrail::types::Trail;
use aws_sdk_s3::operation::list_objects_v2::{ListObjectsV2Error, ListObjectsV2Output};
use aws_smithy_runtime_api::client::orchestrator::HttpResponse;
use aws_smithy_runtime_api::client::result::SdkError;
use evidence::Window;
use jiff::civil::{Date, DateTime};
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};
use tokio::time::Instant;

/// Which trails there are.
pub(super) const DESCRIBE_TRAILS: &str = "cloudtrail:DescribeTrails";
/// What lies in a bucket.
pub(super) const LIST_BUCKET: &str = "s3:ListBucket";
/// A file. An encrypted one takes `kms:Decrypt` as well.
pub(super) const GET_OBJECT: &str = "s3:GetObject";
/// To read what is encrypted with a key of the owner's; S3 asks for it in the reader's name.
pub(super) const DECRYPT: &str = "kms:Decrypt";

/// The name of a file holds a time some minutes before its delivery, and it may hold events that are
/// somewhat later than its name (the User Guide's sample is named 14:45 and holds one of 14:52).
const NAMED_BEFORE: SignedDuration = SignedDuration::from_mins(15);
/// Most events are delivered within 5 minutes; those that services report late within an hour or two.
const DELIVERED_WITHIN: SignedDuration = SignedDuration::from_hours(2);

/// The most trails that are looked at; CloudTrail allows five a Region.
const MOST_TRAILS: usize = 5;
/// The most folders of Regions. There are some forty Regions.
const MOST_FOLDERS: usize = 200;

/// What the owner says of the account's audit trail.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TrailSource {
    /// The bucket that it delivers to; looked for through CloudTrail if none.
    pub bucket: Option<String>,
    /// What stands before `AWSLogs/` in that bucket, with or without a slash at its end; empty if
    /// nothing.
    pub prefix: String,
    /// The most that is read of it to answer one question, in bytes as stored (compressed).
    pub limit_bytes: u64,
    /// Where Athena can be asked which files to read, where they are more than that.
    pub athena: Option<AthenaTable>,
}

/// A table over the trail's files, made by `infra/athena.yaml` or like it: with CloudTrail's columns
/// and the partitions `region` and `day` (`2026/01/02`), in the stack's own Region.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AthenaTable {
    /// Its database in the Glue Data Catalog.
    pub database: String,
    /// Its name.
    pub table: String,
    /// The workgroup that runs the queries and says where results go.
    pub workgroup: String,
}

/// When files that may hold events of a window are named.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Span {
    pub(super) from: Timestamp,
    pub(super) until: Timestamp,
}

impl Span {
    /// Of files with events of `window`.
    pub(super) fn of(window: Window) -> Self {
        Self {
            from: window
                .since
                .checked_sub(NAMED_BEFORE)
                .unwrap_or(Timestamp::MIN),
            until: window
                .until
                .checked_add(DELIVERED_WITHIN)
                .unwrap_or(Timestamp::MAX),
        }
    }

    pub(super) fn contains(&self, time: Timestamp) -> bool {
        self.from <= time && time <= self.until
    }

    /// The first and the last day's folder.
    pub(super) fn days(&self) -> (Date, Date) {
        let date = |time: Timestamp| time.to_zoned(TimeZone::UTC).date();
        (date(self.from), date(self.until))
    }
}

/// The files of one Region in one bucket.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub(super) struct Folder {
    pub(super) bucket: String,
    /// The Region that the bucket is in.
    pub(super) bucket_region: String,
    /// `AWSLogs/111122223333/CloudTrail/eu-west-1/`.
    pub(super) key: String,
    /// The Region whose events it holds.
    pub(super) region: String,
}

impl Folder {
    /// `s3://BUCKET/AWSLogs/111122223333/CloudTrail/eu-west-1/`.
    pub(super) fn url(&self) -> String {
        format!("s3://{}/{}", self.bucket, self.key)
    }
}

/// Where the trails' files are.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Place {
    pub(super) folders: Vec<Folder>,
}

/// What a folder of files is called.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// Log files.
    Logs,
    /// Digest files.
    Digests,
}

impl Kind {
    const fn folder(self) -> &'static str {
        match self {
            Self::Logs => "CloudTrail",
            Self::Digests => "CloudTrail-Digest",
        }
    }
}

/// Where CloudTrail delivers, or the owner says that it does.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Delivery {
    bucket: String,
    prefix: String,
}

/// Finds the folders of the Regions `wanted`; of all Regions if none. What stands in the way is
/// refused; then there may be no folder.
pub(super) async fn find(
    investigation: &Investigation,
    inquiry: &mut Inquiry<'_>,
    source: &TrailSource,
    kind: Kind,
    wanted: Option<&BTreeSet<String>>,
) -> Place {
    let mut place = Place::default();
    let deliveries = match &source.bucket {
        Some(bucket) => BTreeSet::from([Delivery {
            bucket: bucket.clone(),
            prefix: source.prefix.trim_matches('/').to_owned(),
        }]),
        None => {
            let Some(trails) = trails(investigation, inquiry).await else {
                inquiry.explain(
                    "without it no trail is found unless the parameter TrailBucket names its bucket",
                );
                return place;
            };
            deliveries(&trails)
        }
    };
    if deliveries.is_empty() {
        inquiry.refuse(Refusal::Absent(
            "no trail of the account delivers to a bucket: data events are recorded nowhere, and \
             management events in CloudTrail's event history only"
                .to_owned(),
        ));
        return place;
    }
    for delivery in deliveries {
        let mut found = folders(investigation, inquiry, &delivery, kind).await;
        // Reading a bucket that nobody named is not granted: a gap to know of, and no refusal of the
        // account's that drowns the others.
        if source.bucket.is_none()
            && let Some(Refusal::Denied(_)) = inquiry.last_refusal()
        {
            inquiry.take_back();
            inquiry.refuse(Refusal::Failed(format!(
                "the trail's files in s3://{} are not read, and so no data events: the parameter \
                 TrailBucket does not name the bucket",
                delivery.bucket
            )));
        }
        let is_any = !found.is_empty();
        found.retain(|folder| wanted.is_none_or(|wanted| wanted.contains(&folder.region)));
        if let (true, true, Some(wanted)) = (is_any, found.is_empty(), wanted) {
            let wanted: Vec<&str> = wanted.iter().map(String::as_str).collect();
            inquiry.refuse(Refusal::Absent(format!(
                "s3://{} holds files of other Regions than {}",
                delivery.bucket,
                wanted.join(" and ")
            )));
        }
        place.folders.append(&mut found);
    }
    if place.folders.len() > MOST_FOLDERS {
        place.folders.truncate(MOST_FOLDERS);
        inquiry.refuse(Refusal::Failed(format!(
            "the trail's buckets hold more than {MOST_FOLDERS} Regions' folders; the rest is not read"
        )));
    }
    place
}

/// The account's trails that record what happens in the function's Region. None if CloudTrail did not
/// answer.
pub(super) async fn trails(
    investigation: &Investigation,
    inquiry: &mut Inquiry<'_>,
) -> Option<Vec<Trail>> {
    let clients = &investigation.clients;
    let about = format!("the trails of {}", clients.region());
    let answer = inquiry
        .ask(DESCRIBE_TRAILS, &about, |_| {
            clients.cloudtrail.describe_trails().send()
        })
        .await?;
    let mut trails: Vec<Trail> = answer
        .trail_list
        .unwrap_or_default()
        .into_iter()
        .filter(|trail| {
            trail.is_multi_region_trail() == Some(true)
                || trail.home_region() == Some(clients.region())
        })
        .collect();
    trails.sort_by_key(|trail| trail.trail_arn().unwrap_or_default().to_owned());
    trails.truncate(MOST_TRAILS);
    Some(trails)
}

fn deliveries(trails: &[Trail]) -> BTreeSet<Delivery> {
    trails
        .iter()
        .filter_map(|trail| {
            Some(Delivery {
                bucket: trail.s3_bucket_name()?.to_owned(),
                prefix: trail
                    .s3_key_prefix()
                    .unwrap_or_default()
                    .trim_matches('/')
                    .to_owned(),
            })
        })
        .filter(|delivery| !delivery.bucket.is_empty())
        .collect()
}

/// The folders of every Region: of the account itself and, where an organisation's trail delivers,
/// of the account among the organisation's.
async fn folders(
    investigation: &Investigation,
    inquiry: &mut Inquiry<'_>,
    delivery: &Delivery,
    kind: Kind,
) -> Vec<Folder> {
    let account = &investigation.target.account;
    let mut lister = Lister::new(investigation, delivery);
    let base = match delivery.prefix.as_str() {
        "" => "AWSLogs/".to_owned(),
        prefix => format!("{prefix}/AWSLogs/"),
    };
    let mut roots = vec![format!("{base}{account}/{}/", kind.folder())];
    let organisations = lister.folders(inquiry, &format!("{base}o-")).await;
    let Some(organisations) = organisations else {
        return Vec::new();
    };
    for organisation in organisations {
        roots.push(format!("{organisation}{account}/{}/", kind.folder()));
    }
    let mut found = Vec::new();
    let mut odd = 0;
    for root in roots {
        for key in lister.folders(inquiry, &root).await.unwrap_or_default() {
            let region = key
                .strip_prefix(&root)
                .and_then(|rest| rest.strip_suffix('/'));
            // It becomes part of questions and of host names, and may be anybody's.
            let Some(region) = region.filter(|region| is_region(region)) else {
                odd += 1;
                continue;
            };
            found.push(Folder {
                bucket: delivery.bucket.clone(),
                bucket_region: lister.clients.region().to_owned(),
                region: region.to_owned(),
                key,
            });
        }
    }
    if odd > 0 {
        inquiry.refuse(Refusal::Failed(format!(
            "{odd} folders among the Regions' in s3://{}/{base} are no Region's; they are not read",
            delivery.bucket
        )));
    }
    if found.is_empty() && !inquiry.is_transient() && inquiry.last_refusal().is_none() {
        inquiry.refuse(Refusal::Absent(format!(
            "s3://{}/{base} holds no {} folder of account {account}",
            delivery.bucket,
            kind.folder()
        )));
    }
    found
}

/// Lists folders of one bucket, in whatever Region it turns out to be.
struct Lister<'a> {
    investigation: &'a Investigation,
    bucket: &'a str,
    clients: Clients,
}

impl<'a> Lister<'a> {
    fn new(investigation: &'a Investigation, delivery: &'a Delivery) -> Self {
        Self {
            investigation,
            bucket: &delivery.bucket,
            clients: investigation.clients.clone(),
        }
    }

    /// The folders that begin so. None where S3 did not answer, which is refused.
    async fn folders(&mut self, inquiry: &mut Inquiry<'_>, prefix: &str) -> Option<Vec<String>> {
        let about = format!("s3://{}/{prefix}", self.bucket);
        let mut found = Vec::new();
        let mut after: Option<String> = None;
        for _ in 0..crate::inquiry::PAGES {
            let answer = self.list(inquiry, &about, prefix, after.take()).await?;
            let prefixes = answer.common_prefixes();
            found.extend(
                prefixes
                    .iter()
                    .filter_map(|one| one.prefix())
                    .map(str::to_owned),
            );
            after = answer.next_continuation_token;
            if after.is_none() {
                break;
            }
        }
        Some(found)
    }

    async fn list(
        &mut self,
        inquiry: &mut Inquiry<'_>,
        about: &str,
        prefix: &str,
        token: Option<String>,
    ) -> Option<ListObjectsV2Output> {
        let mut elsewhere = None;
        let answer = self
            .send(inquiry, about, prefix, token.clone(), &mut elsewhere)
            .await;
        let Some(clients) = elsewhere.and_then(|region| self.investigation.regions.of(&region))
        else {
            return answer.or_else(|| {
                explain(inquiry, self.bucket);
                None
            });
        };
        // The bucket is in another Region; that is no failure.
        inquiry.take_back();
        self.clients = clients;
        let answer = self.send(inquiry, about, prefix, token, &mut None).await;
        answer.or_else(|| {
            explain(inquiry, self.bucket);
            None
        })
    }

    async fn send(
        &self,
        inquiry: &mut Inquiry<'_>,
        about: &str,
        prefix: &str,
        token: Option<String>,
        elsewhere: &mut Option<String>,
    ) -> Option<ListObjectsV2Output> {
        let request = self
            .clients
            .s3
            .list_objects_v2()
            .bucket(self.bucket)
            .prefix(prefix)
            .delimiter("/")
            .set_continuation_token(token);
        let here = self.clients.region();
        inquiry
            .ask(LIST_BUCKET, about, |_| async move {
                let answer = request.send().await;
                if let Err(error) = &answer {
                    *elsewhere = other_region(error, here);
                }
                answer
            })
            .await
    }
}

/// The Region that S3 names where a bucket was asked for in the wrong one.
fn other_region(error: &SdkError<ListObjectsV2Error, HttpResponse>, here: &str) -> Option<String> {
    let told = error.raw_response()?.headers().get("x-amz-bucket-region")?;
    (told != here).then(|| told.to_owned())
}

/// Says what a refused listing means.
fn explain(inquiry: &mut Inquiry<'_>, bucket: &str) {
    match inquiry.last_refusal() {
        Some(Refusal::Denied(_)) => inquiry.explain(
            "the parameter TrailBucket grants it, and the bucket's policy must allow it where the \
             bucket is another account's",
        ),
        Some(Refusal::Absent(why)) => {
            let why = format!("the trail's bucket {bucket} is not there: {why}");
            inquiry.take_back();
            inquiry.refuse(Refusal::Failed(why));
        }
        _ => {}
    }
}

/// A file in the bucket.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Object {
    pub(super) key: String,
    pub(super) size_bytes: u64,
    /// S3's LastModified.
    pub(super) stored_at: Option<Timestamp>,
}

impl Object {
    /// Whether it holds anything, and is of the time that matters.
    pub(super) fn is_wanted(&self, span: &Span) -> bool {
        self.size_bytes > 0 && self.is_of(span)
    }

    /// Whether it is a file, no folder's own mark, and of the time that matters.
    pub(super) fn is_of(&self, span: &Span) -> bool {
        !self.key.ends_with('/') && self.time().is_none_or(|time| span.contains(time))
    }

    /// The time in its name, else when it was stored: whoever puts a file there under a name of
    /// their own does not keep it from being read.
    pub(super) fn time(&self) -> Option<Timestamp> {
        named_at(&self.key).or(self.stored_at)
    }
}

/// The time in `ACCOUNT_CloudTrail_REGION_YYYYMMDDTHHMMZ_UNIQUE.json.gz`.
pub(super) fn named_at(key: &str) -> Option<Timestamp> {
    let (_, name) = key.rsplit_once('/')?;
    let stamp = name.split('_').nth(3)?;
    let time = DateTime::strptime("%Y%m%dT%H%MZ", stamp).ok()?;
    Some(time.to_zoned(TimeZone::UTC).ok()?.timestamp())
}

/// Where in the folders a listing is: which folder, which day, after which key.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Position {
    pub(super) folder: usize,
    pub(super) day: Date,
    pub(super) after: Option<String>,
}

impl Position {
    /// Before the first file.
    pub(super) fn first(span: &Span) -> Self {
        Self {
            folder: 0,
            day: span.days().0,
            after: None,
        }
    }

    /// At the next day's beginning, or at the next folder's.
    pub(super) fn next_day(&mut self, span: &Span) {
        let (first, last) = span.days();
        self.after = None;
        match self.day.tomorrow() {
            Ok(tomorrow) if tomorrow <= last => self.day = tomorrow,
            _ => {
                self.folder += 1;
                self.day = first;
            }
        }
    }
}

impl Position {
    /// Behind `key` where the day has more files, else at the next day.
    pub(super) fn move_on(&mut self, key: Option<String>, span: &Span) {
        match key {
            Some(key) => self.after = Some(key),
            None => self.next_day(span),
        }
    }

    /// At the first folder in another bucket than this one.
    pub(super) fn leave(&mut self, bucket: &str, place: &Place, span: &Span) {
        let folders = place.folders.iter().skip(self.folder);
        self.folder += folders.take_while(|folder| folder.bucket == bucket).count();
        self.day = span.days().0;
        self.after = None;
    }
}

/// What one listing brought.
pub(super) struct Listed {
    pub(super) objects: Vec<Object>,
    /// Whether it is the day's end.
    pub(super) is_all: bool,
}

/// Lists up to 1,000 files of a day. None where S3 did not answer, which is refused.
pub(super) async fn list_day(
    client: &aws_sdk_s3::Client,
    inquiry: &mut Inquiry<'_>,
    folder: &Folder,
    position: &Position,
    span: &Span,
) -> Option<Listed> {
    let prefix = format!("{}{}/", folder.key, position.day.strftime("%Y/%m/%d"));
    let (first, last) = span.days();
    let about = format!("{} files of {first} to {last}", folder.url());
    let answer = inquiry
        .ask(LIST_BUCKET, &about, |_| {
            client
                .list_objects_v2()
                .bucket(&folder.bucket)
                .prefix(&prefix)
                .set_start_after(position.after.clone())
                .send()
        })
        .await;
    let Some(answer) = answer else {
        explain(inquiry, &folder.bucket);
        return None;
    };
    let objects = answer.contents().iter().filter_map(|object| {
        let stored_at = object.last_modified()?;
        Some(Object {
            key: object.key()?.to_owned(),
            size_bytes: u64::try_from(object.size().unwrap_or(0)).unwrap_or(0),
            stored_at: Timestamp::from_second(stored_at.secs()).ok(),
        })
    });
    Some(Listed {
        objects: objects.collect(),
        is_all: answer.is_truncated() != Some(true),
    })
}

/// How much there is, by the hour.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Sizes {
    /// Bytes as stored, by hours since 1970.
    by_hour: BTreeMap<i64, u64>,
    files: u64,
}

const HOUR_SECONDS: i64 = 3600;

impl Sizes {
    pub(super) fn add(&mut self, object: &Object) {
        let hour = object
            .time()
            .map_or(0, |time| time.as_second().div_euclid(HOUR_SECONDS));
        *self.by_hour.entry(hour).or_default() += object.size_bytes;
        self.files += 1;
    }

    /// Says by how much they are too large.
    pub(super) fn too_large(&self, limit_bytes: u64) -> String {
        format!(
            "the trail's {} files of the window hold {}, more than the limit of {}",
            self.files,
            gigabytes(self.total_bytes()),
            gigabytes(limit_bytes)
        )
    }

    pub(super) fn total_bytes(&self) -> u64 {
        self.by_hour.values().sum()
    }

    /// The hours around `center` that hold no more than `limit_bytes` together. None if the first is
    /// more already.
    pub(super) fn nearest(&self, span: &Span, center: Timestamp, limit_bytes: u64) -> Option<Span> {
        let hour_of = |time: Timestamp| time.as_second().div_euclid(HOUR_SECONDS);
        let (first, last) = (hour_of(span.from), hour_of(span.until));
        let center = hour_of(center).clamp(first, last);
        let size = |hour: i64| self.by_hour.get(&hour).copied().unwrap_or(0);
        let mut left = limit_bytes.checked_sub(size(center))?;
        let (mut low, mut high) = (center, center);
        // What comes after a change tells more than what came before it.
        loop {
            let later = (high < last && size(high + 1) <= left).then_some(high + 1);
            if let Some(hour) = later {
                left -= size(hour);
                high = hour;
            }
            let earlier = (low > first && size(low - 1) <= left).then_some(low - 1);
            if let Some(hour) = earlier {
                left -= size(hour);
                low = hour;
            }
            if later.is_none() && earlier.is_none() {
                break;
            }
        }
        let begins = |hour: i64| Timestamp::from_second(hour.saturating_mul(HOUR_SECONDS)).ok();
        let ends = Timestamp::from_second((high + 1).saturating_mul(HOUR_SECONDS) - 1).ok();
        Some(Span {
            from: begins(low)?.max(span.from),
            until: ends?.min(span.until),
        })
    }
}

/// The summing up of sizes, as far as it came.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Measuring {
    pub(super) place: Place,
    pub(super) span: Span,
    pub(super) sizes: Sizes,
    position: Position,
}

impl Measuring {
    pub(super) fn new(place: Place, span: Span) -> Self {
        Self {
            place,
            span,
            sizes: Sizes::default(),
            position: Position::first(&span),
        }
    }

    /// Goes on until all is summed up (*true*), or the time is up, or a call failed in passing.
    pub(super) async fn advance(
        &mut self,
        investigation: &Investigation,
        inquiry: &mut Inquiry<'_>,
        until: Instant,
    ) -> bool {
        while let Some(folder) = self.place.folders.get(self.position.folder) {
            let client = client(investigation, &folder.bucket_region);
            let listed = list_day(&client, inquiry, folder, &self.position, &self.span).await;
            if inquiry.is_transient() {
                return false;
            }
            let Some(Listed { objects, is_all }) = listed else {
                let bucket = folder.bucket.clone();
                self.position.leave(&bucket, &self.place, &self.span);
                continue;
            };
            let wanted = objects.iter().filter(|object| object.is_wanted(&self.span));
            wanted.for_each(|object| self.sizes.add(object));
            let last = objects.into_iter().next_back().map(|object| object.key);
            self.position.move_on(last.filter(|_| !is_all), &self.span);
            if Instant::now() >= until {
                return self.position.folder >= self.place.folders.len();
            }
        }
        true
    }
}

/// The client of the Region that a bucket is in.
pub(super) fn client(investigation: &Investigation, bucket_region: &str) -> aws_sdk_s3::Client {
    let here = &investigation.clients;
    if here.region() == bucket_region {
        return here.s3.clone();
    }
    let clients = investigation.regions.of(bucket_region);
    clients.map_or_else(|| here.s3.clone(), |clients| clients.s3)
}

/// What matters most of a window that cannot be read as a whole.
pub(super) fn center(investigation: &Investigation, window: Window) -> Timestamp {
    investigation.tampered_at.unwrap_or(window.until)
}

/// `5.3 GB`, for people.
fn gigabytes(bytes: u64) -> String {
    match bytes {
        0..1_000_000 => format!("{} KB", bytes.div_ceil(1_000)),
        1_000_000..1_000_000_000 => {
            format!("{}.{} MB", bytes / 1_000_000, bytes / 100_000 % 10)
        }
        _ => format!("{}.{} GB", bytes / 1_000_000_000, bytes / 100_000_000 % 10),
    }
}
