//! Trail files in an S3 bucket: listed a page at a time, fetched a few ahead, read as their bytes come.
//!
//! Searching is work for threads that wait, and the AWS SDK is not; so one thread of its own runs the
//! SDK, and the others wait for it.

use crate::desk::{self, Options};
use anyhow::{Context as _, Result, bail};
use aws_config::{Region, SdkConfig};
use aws_sdk_s3::Client;
use aws_sdk_s3::error::{DisplayErrorContext, ProvideErrorMetadata, SdkError};
use aws_sdk_s3::operation::get_object::{GetObjectError, GetObjectOutput};
use aws_sdk_s3::operation::list_objects_v2::{ListObjectsV2Error, ListObjectsV2Output};
use aws_sdk_s3::primitives::ByteStream;
use bytes::Bytes;
use collectors::aws::s3_client;
use std::collections::VecDeque;
use std::io::{self, Read};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use tokio::runtime::{Builder, Handle};
use tokio::task::JoinHandle;
use trail::TrailFile;

/// How many files are asked for ahead of their turn. Each holds a connection and what fits into it.
const AHEAD: usize = 16;

/// The files under `s3://BUCKET/PREFIX`, in the order of their keys, without digests. Reads with the
/// credentials and the Region of the AWS configuration, as the AWS CLI does; the bucket may be in any
/// Region. Files that are none of a trail by their names are counted in `other_files`.
///
/// # Errors
/// Where the URL is none, or the bucket cannot be listed. What cannot be read later is that file's own
/// breakage.
pub fn files(url: &str, options: &Options, other_files: Arc<AtomicU64>) -> Result<Listing> {
    let (bucket, prefix) = url
        .strip_prefix("s3://")
        .map(|rest| rest.split_once('/').unwrap_or((rest, "")))
        .filter(|(bucket, _)| !bucket.is_empty())
        .with_context(|| format!("{url} names no bucket; write s3://BUCKET/PREFIX"))?;
    let runtime = Builder::new_current_thread().enable_all().build()?;
    let handle = runtime.handle().clone();
    // It ends with the program.
    std::thread::Builder::new()
        .name("s3".to_owned())
        .spawn(move || runtime.block_on(std::future::pending::<()>()))?;
    let config = handle.block_on(desk::config(options));
    let mut listing = Listing {
        client: client(&config, None),
        runtime: handle,
        bucket: bucket.to_owned(),
        prefix: prefix.to_owned(),
        keys: VecDeque::new(),
        next: Next::First,
        ahead: VecDeque::new(),
        other_files,
    };
    // A wrong name is a mistake in the command: it is told now.
    if let Err(error) = listing.list() {
        let elsewhere = region_of(&error).map(str::to_owned);
        let Some(region) = elsewhere else {
            bail!(
                "s3://{bucket}/{prefix} cannot be listed ({}); {}",
                told(&error),
                what_to_do(&error)
            );
        };
        listing.client = client(&config, Some(region));
        if let Err(error) = listing.list() {
            bail!(
                "s3://{bucket}/{prefix} cannot be listed ({}); {}",
                told(&error),
                what_to_do(&error)
            );
        }
    }
    Ok(listing)
}

/// A client of the configuration's Region unless said otherwise; buckets are found from any.
fn client(config: &SdkConfig, region: Option<String>) -> Client {
    let region = region.map(Region::new).or_else(|| config.region().cloned());
    let region = region.unwrap_or_else(|| Region::from_static("us-east-1"));
    s3_client(&config.to_builder().region(region).build())
}

type ListError = SdkError<ListObjectsV2Error>;
type GetError = SdkError<GetObjectError>;

/// Where the next page of the listing begins.
enum Next {
    First,
    Token(String),
    End,
}

/// A file on its way.
type Fetched = JoinHandle<Result<GetObjectOutput, Box<GetError>>>;

/// A listing as it goes on.
pub struct Listing {
    client: Client,
    runtime: Handle,
    bucket: String,
    prefix: String,
    /// Listed, and not asked for yet.
    keys: VecDeque<String>,
    next: Next,
    /// Asked for, the next first.
    ahead: VecDeque<(String, Fetched)>,
    other_files: Arc<AtomicU64>,
}

impl Listing {
    /// Lists a page, if there is one.
    fn list(&mut self) -> Result<(), Box<ListError>> {
        let token = match &self.next {
            Next::First => None,
            Next::Token(token) => Some(token.clone()),
            Next::End => return Ok(()),
        };
        let request = self
            .client
            .list_objects_v2()
            .bucket(&self.bucket)
            .prefix(&self.prefix)
            .set_continuation_token(token);
        let page: ListObjectsV2Output = self.runtime.block_on(request.send()).map_err(Box::new)?;
        for object in page.contents() {
            match object.key() {
                Some(key) if is_digest(key) => {}
                Some(key) if is_trail_file(key) => self.keys.push_back(key.to_owned()),
                _ => {
                    self.other_files.fetch_add(1, Ordering::Relaxed);
                }
            }
        }
        self.next = match page.next_continuation_token {
            Some(token) => Next::Token(token),
            None => Next::End,
        };
        Ok(())
    }

    /// Asks for files, as far ahead as is good.
    fn ask(&mut self) {
        while self.ahead.len() < AHEAD
            && let Some(key) = self.keys.pop_front()
        {
            let request = self.client.get_object().bucket(&self.bucket).key(&key);
            let answer = async { request.send().await.map_err(Box::new) };
            self.ahead.push_back((key, self.runtime.spawn(answer)));
        }
    }
}

impl Iterator for Listing {
    type Item = TrailFile;

    fn next(&mut self) -> Option<TrailFile> {
        while self.keys.is_empty() && self.ahead.len() < AHEAD && !matches!(self.next, Next::End) {
            if let Err(error) = self.list() {
                // Told as a file that cannot be read, in its place; nothing is listed after it.
                self.next = Next::End;
                let name = format!("s3://{}/{} (the rest of it)", self.bucket, self.prefix);
                let error = io::Error::other(told(&error));
                return Some(TrailFile::new(name, || Err::<Body, _>(error)));
            }
        }
        self.ask();
        let (key, answer) = self.ahead.pop_front()?;
        let runtime = self.runtime.clone();
        let name = format!("s3://{}/{key}", self.bucket);
        Some(TrailFile::new(name, move || {
            let answer = runtime.block_on(answer).map_err(io::Error::other)?;
            let answer = answer.map_err(|error| io::Error::other(told(&error)))?;
            Ok(Body {
                runtime,
                body: answer.body,
                piece: Bytes::new(),
            })
        }))
    }
}

/// A file's bytes as they come.
struct Body {
    runtime: Handle,
    body: ByteStream,
    piece: Bytes,
}

impl Read for Body {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        while self.piece.is_empty() {
            match self.runtime.block_on(self.body.next()) {
                Some(Ok(piece)) => self.piece = piece,
                Some(Err(_)) => return Err(io::Error::other("the download was cut off")),
                None => return Ok(0),
            }
        }
        let count = buffer.len().min(self.piece.len());
        buffer[..count].copy_from_slice(&self.piece.split_to(count));
        Ok(count)
    }
}

fn is_digest(key: &str) -> bool {
    key.contains("/CloudTrail-Digest/")
}

fn is_trail_file(key: &str) -> bool {
    let endings = [".json.gz", ".json", ".ndjson", ".jsonl"];
    endings.iter().any(|ending| key.ends_with(ending))
}

/// The service's own code; what went wrong on the way if it did not answer. No URL, no key.
fn told<E>(error: &SdkError<E>) -> String
where
    E: ProvideErrorMetadata + std::error::Error + 'static,
{
    match error.as_service_error() {
        Some(service) => service.code().unwrap_or("refused").to_owned(),
        None => {
            let told = DisplayErrorContext(error).to_string();
            told.chars().take(300).collect()
        }
    }
}

/// The Region that S3 names where a bucket was asked for in another.
fn region_of(error: &ListError) -> Option<&str> {
    error.raw_response()?.headers().get("x-amz-bucket-region")
}

fn what_to_do(error: &ListError) -> &'static str {
    match error
        .as_service_error()
        .and_then(ProvideErrorMetadata::code)
    {
        Some("AccessDenied") => "reading it takes s3:ListBucket and s3:GetObject on it",
        Some("NoSuchBucket") => "check the bucket's name",
        Some(_) => "check the bucket's name and your AWS credentials",
        None => {
            "check your AWS configuration (aws configure, AWS_PROFILE, AWS_REGION) and the network"
        }
    }
}
