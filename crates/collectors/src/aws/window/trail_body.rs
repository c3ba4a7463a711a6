//! A file of the trail on its way: fetched ahead by the runtime, read by a thread that may wait for its
//! pieces. Memory does not grow with the file.

use super::trail_bucket::{Folder, GET_OBJECT, Object};
use crate::inquiry::{is_transient, refusal};
use crate::{Inquiry, Refusal};
use aws_sdk_s3::error::ProvideErrorMetadata;
use aws_sdk_s3::operation::get_object::GetObjectError;
use aws_sdk_s3::primitives::ByteStream;
use aws_smithy_runtime_api::client::orchestrator::HttpResponse;
use aws_smithy_runtime_api::client::result::SdkError;
use bytes::Bytes;
use futures_util::stream::{self, BoxStream};
use futures_util::{FutureExt as _, StreamExt as _};
use jiff::Timestamp;
use std::io::{self, Read};
use std::sync::{Mutex, PoisonError};
use tokio::sync::mpsc;

/// How many files are fetched ahead of the one that is read.
pub(super) const AHEAD: usize = 8;

/// Up to this size a file is fetched ahead as a whole. CloudTrail writes one every few minutes, most
/// of them far smaller.
const SMALL_BYTES: u64 = 256 * 1024;

/// How many pieces of a larger file may wait to be read; a piece is what the connection gave.
const PIECES: usize = 8;

/// How often a file is read that breaks off, and a page is begun anew because of one, before that file
/// is passed over.
const TRIES: u32 = 3;

/// Why a file did not come.
type Error = SdkError<GetObjectError, HttpResponse>;

/// What came of a file.
pub(super) enum Came<T> {
    /// What was made of it.
    Read(T),
    /// It could not be read, for this reason; the next one may.
    Broken(String),
    /// Its bucket's files may not be read, which is refused.
    Denied,
    /// A call failed in passing: the page is to be begun anew.
    Stumbled,
}

/// The file at which the last attempts at a page failed in passing, and how often.
#[derive(Default)]
pub(super) struct Stumbled(Mutex<(String, u32)>);

impl Stumbled {
    /// Whether a page should be begun anew because of this file.
    fn is_worth_another_try(&self, key: &str) -> bool {
        let mut stumbled = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if stumbled.0 != key {
            *stumbled = (key.to_owned(), 0);
        }
        stumbled.1 += 1;
        stumbled.1 < TRIES
    }
}

/// Files of one folder, fetched one after the other.
pub(super) struct Fetching<'a> {
    client: &'a aws_sdk_s3::Client,
    folder: &'a Folder,
    /// What is asked, the same for all of them, so that the record has one line.
    about: &'a str,
    stumbled: &'a Stumbled,
    ahead: BoxStream<'a, (Object, Result<Fetched, Error>)>,
    next: Option<(Object, Result<Fetched, Error>, Timestamp)>,
}

impl<'a> Fetching<'a> {
    pub(super) fn new(
        client: &'a aws_sdk_s3::Client,
        folder: &'a Folder,
        about: &'a str,
        stumbled: &'a Stumbled,
        files: Vec<Object>,
    ) -> Self {
        let fetch = move |file: Object| {
            async move {
                let fetched = fetch(client, &folder.bucket, &file.key).await;
                (file, fetched)
            }
            .boxed()
        };
        Self {
            client,
            folder,
            about,
            stumbled,
            ahead: stream::iter(files).map(fetch).buffered(AHEAD).boxed(),
            next: None,
        }
    }

    /// Turns to the next file, which is answered.
    pub(super) async fn turn(&mut self, inquiry: &Inquiry<'_>) -> Option<Object> {
        let began = inquiry.now();
        let (file, fetched) = self.ahead.next().await?;
        self.next = Some((file.clone(), fetched, began));
        Some(file)
    }

    /// Has the file that was turned to read by `work`, away from the runtime's own thread; anew where it
    /// breaks off.
    pub(super) async fn read<T, W>(
        &mut self,
        inquiry: &mut Inquiry<'_>,
        mut work: impl FnMut() -> W,
    ) -> Came<T>
    where
        T: Send + 'static,
        W: FnOnce(Box<dyn Read>) -> T + Send + 'static,
    {
        let Some((file, mut fetched, mut began)) = self.next.take() else {
            return Came::Broken("it was not asked for".to_owned());
        };
        for tries in 1.. {
            let bytes = match fetched {
                Ok(bytes) => bytes,
                Err(error) => return self.refused(inquiry, &file, &error, began),
            };
            inquiry.note_call(GET_OBJECT, self.about, began, None);
            let (result, is_cut_off) = bytes.read(work()).await;
            match result {
                Some(result) if !is_cut_off || tries == TRIES => return Came::Read(result),
                None if !is_cut_off => break,
                None if tries == TRIES => {
                    return Came::Broken("the download was cut off".to_owned());
                }
                _ => {}
            }
            began = inquiry.now();
            fetched = fetch(self.client, &self.folder.bucket, &file.key).await;
        }
        Came::Broken("it could not be read to its end".to_owned())
    }

    fn refused<T>(
        &self,
        inquiry: &mut Inquiry<'_>,
        file: &Object,
        error: &Error,
        began: Timestamp,
    ) -> Came<T> {
        let refused = refusal(GET_OBJECT, self.about, error);
        inquiry.note_call(GET_OBJECT, self.about, began, Some(&refused));
        let why = match error
            .as_service_error()
            .and_then(ProvideErrorMetadata::code)
        {
            Some("NoSuchKey") => "it was deleted while the trail was read".to_owned(),
            Some(code) => format!("{GET_OBJECT}: {code}"),
            None => format!("{GET_OBJECT} failed"),
        };
        match refused {
            Refusal::Denied(_) => {
                inquiry.refuse(Refusal::Denied(format!(
                    "the files in s3://{}/ may not be read: {why} (the parameter TrailBucket grants \
                     it, and TrailKeyArn kms:Decrypt where the trail is encrypted with a key of the \
                     owner's)",
                    self.folder.bucket
                )));
                Came::Denied
            }
            _ if is_transient(error) && self.stumbled.is_worth_another_try(&file.key) => {
                inquiry.refuse(refused);
                inquiry.may_pass();
                Came::Stumbled
            }
            _ => Came::Broken(why),
        }
    }
}

/// A file that was asked for.
enum Fetched {
    Whole(Bytes),
    Streaming(ByteStream),
    CutOff,
}

async fn fetch(client: &aws_sdk_s3::Client, bucket: &str, key: &str) -> Result<Fetched, Error> {
    let answer = client.get_object().bucket(bucket).key(key).send().await?;
    // What the object really has, not what was listed, decides what is held in memory.
    let size = answer.content_length();
    let size = size.and_then(|size| u64::try_from(size).ok());
    if size.is_none_or(|size| size > SMALL_BYTES) {
        return Ok(Fetched::Streaming(answer.body));
    }
    Ok(match answer.body.collect().await {
        Ok(bytes) => Fetched::Whole(bytes.into_bytes()),
        Err(_) => Fetched::CutOff,
    })
}

impl Fetched {
    /// What `work` makes of the bytes, and whether they stopped coming. Nothing if it could not be
    /// done at all.
    async fn read<T: Send + 'static>(
        self,
        work: impl FnOnce(Box<dyn Read>) -> T + Send + 'static,
    ) -> (Option<T>, bool) {
        match self {
            Self::Whole(bytes) => {
                let input = io::Cursor::new(bytes);
                let done = tokio::task::spawn_blocking(move || work(Box::new(input)));
                (done.await.ok(), false)
            }
            Self::Streaming(mut body) => {
                let (sender, pieces) = mpsc::channel(PIECES);
                let input = Pieces {
                    pieces,
                    piece: Bytes::new(),
                };
                let done = tokio::task::spawn_blocking(move || work(Box::new(input)));
                let mut is_cut_off = false;
                while let Some(piece) = body.next().await {
                    is_cut_off |= piece.is_err();
                    // Nobody takes it any more where enough was read.
                    if sender.send(piece.map_err(drop)).await.is_err() || is_cut_off {
                        break;
                    }
                }
                drop(sender);
                (done.await.ok(), is_cut_off)
            }
            Self::CutOff => (None, true),
        }
    }
}

/// A body whose pieces come from the runtime, read by a thread that may wait for them.
struct Pieces {
    pieces: mpsc::Receiver<Result<Bytes, ()>>,
    piece: Bytes,
}

impl Read for Pieces {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        while self.piece.is_empty() {
            self.piece = match self.pieces.blocking_recv() {
                Some(Ok(piece)) => piece,
                Some(Err(())) => return Err(io::Error::other("the download was cut off")),
                None => return Ok(0),
            };
        }
        let count = buffer.len().min(self.piece.len());
        buffer[..count].copy_from_slice(&self.piece.split_to(count));
        Ok(count)
    }
}
