//! The pages of one task of one pass, in the vault: written once each, in the order they came.
//!
//! A page is a gzip file. Its first line is its [`PageHead`] in JSON; every further line is one
//! entry: time in nanoseconds, id, record, parted by single spaces; sorted.

use crate::conclude::once_each;
use crate::inquiry::Inquiry;
use crate::reading::{Cursor, Entry};
use crate::{Desk, Refusal};
use bytes::Bytes;
use evidence::{Call, Finding, Request, keys};
use flate2::Compression;
use flate2::read::GzDecoder;
use flate2::write::GzEncoder;
use serde::{Deserialize, Serialize};
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use vault::{SMALL_BYTES, VaultError};

/// The most pages that are listed of one task.
const MOST_LISTED: usize = 100_000;

/// The longest line of a page, a record of CloudTrail or of a log being far shorter: 16 MiB.
const LONGEST_LINE: u64 = 16 * 1024 * 1024;

/// What is known of a page without its entries.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(crate) struct PageHead {
    /// Where the next page begins; none after the last.
    pub(crate) next: Option<Cursor>,
    /// The calls that it took, failed ones included.
    pub(crate) calls: Vec<Call>,
    /// What is missing from it.
    pub(crate) refusals: Vec<Refusal>,
    /// What was noticed.
    pub(crate) findings: Vec<Finding>,
    /// Time of the first entry in nanoseconds; none without entries.
    pub(crate) first_ns: Option<i64>,
    /// Time of the last entry.
    pub(crate) last_ns: Option<i64>,
    /// How long the records of all pages up to this one are together.
    #[serde(default)]
    pub(crate) read_bytes: u64,
    /// Whether it failed in a way that may pass.
    #[serde(skip)]
    pub(crate) transient: bool,
}

impl PageHead {
    /// Of a page that was asked for through `inquiry`.
    pub(crate) fn of_calls(inquiry: Inquiry<'_>) -> Self {
        let (calls, refusals, findings, transient) = inquiry.into_parts();
        Self {
            // A page of a trail's files takes hundreds of them.
            calls: once_each(calls),
            refusals,
            findings,
            transient,
            ..Self::default()
        }
    }
}

/// The pages of one task of one pass.
pub(crate) struct Pages<'a> {
    desk: &'a Desk,
    pass: &'a str,
    request: &'a Request,
}

impl<'a> Pages<'a> {
    pub(crate) fn of(desk: &'a Desk, pass: &'a str, request: &'a Request) -> Self {
        Self {
            desk,
            pass,
            request,
        }
    }

    /// The last page that was written, with its number.
    pub(crate) async fn last(&self) -> Result<Option<(u32, PageHead)>, VaultError> {
        let count = self.count().await?;
        if count == 0 {
            return Ok(None);
        }
        Ok(Some((count, self.open(count).await?.head)))
    }

    /// How many there are; they are numbered from 1 without a gap.
    pub(crate) async fn count(&self) -> Result<u32, VaultError> {
        let folder = keys::pages(self.desk.case(), self.pass, self.request);
        let listed = self.desk.vault().list(&folder, MOST_LISTED).await?;
        let pages = listed.iter().filter(|key| key.ends_with(".gz")).count();
        Ok(u32::try_from(pages).unwrap_or(u32::MAX))
    }

    /// Writes a page and answers where the next one begins. Where another attempt wrote this page
    /// first, that one stands.
    pub(crate) async fn put(
        &self,
        number: u32,
        mut head: PageHead,
        mut entries: Vec<Entry>,
    ) -> Result<Option<Cursor>, VaultError> {
        entries.sort_unstable();
        entries.dedup_by(|a, b| a.is_same(b));
        head.first_ns = entries.first().map(|entry| entry.at_ns);
        head.last_ns = entries.last().map(|entry| entry.at_ns);
        let key = keys::page(self.desk.case(), self.pass, self.request, number);
        let mut bytes = write(&head, &entries).map_err(|cause| unreadable(&key, &cause))?;
        // Readings keep their pages far below what the vault takes in one piece. What an attacker
        // bloats all the same is cut, and told, rather than keeping the case from ever being sealed.
        let mut left_out = 0;
        while bytes.len() > SMALL_BYTES && !entries.is_empty() {
            let half = entries.len() / 2;
            left_out += entries.len() - half;
            entries.truncate(half);
            head.last_ns = entries.last().map(|entry| entry.at_ns);
            head.first_ns = entries.first().map(|entry| entry.at_ns);
            bytes = write(&head, &entries).map_err(|cause| unreadable(&key, &cause))?;
        }
        if left_out > 0 {
            head.refusals.push(Refusal::Failed(format!(
                "{left_out} records are too large to be kept, of a page of more than {SMALL_BYTES} bytes"
            )));
            bytes = write(&head, &entries).map_err(|cause| unreadable(&key, &cause))?;
        }
        let put = self.desk.vault().put_once(&key, bytes, GZIP).await;
        match put {
            Ok(_) => Ok(head.next),
            Err(VaultError::Conflict { .. }) => Ok(self.open(number).await?.head.next),
            Err(error) => Err(error),
        }
    }

    /// Opens a page at its first entry.
    pub(crate) async fn open(&self, number: u32) -> Result<OpenPage, VaultError> {
        let key = keys::page(self.desk.case(), self.pass, self.request, number);
        let bytes = self.desk.vault().get(&key).await?;
        OpenPage::read(bytes).map_err(|cause| unreadable(&key, &cause))
    }
}

/// A page whose entries are read one by one. Holds the page as it is stored and a line.
pub(crate) struct OpenPage {
    pub(crate) head: PageHead,
    lines: BufReader<GzDecoder<std::io::Cursor<Bytes>>>,
}

impl OpenPage {
    fn read(bytes: Bytes) -> std::io::Result<Self> {
        let decoder = GzDecoder::new(std::io::Cursor::new(bytes));
        let mut lines = BufReader::with_capacity(4096, decoder);
        let line = next_line(&mut lines)?.unwrap_or_default();
        Ok(Self {
            head: serde_json::from_str(&line)?,
            lines,
        })
    }

    /// The next entry.
    pub(crate) fn next(&mut self) -> std::io::Result<Option<Entry>> {
        let Some(line) = next_line(&mut self.lines)? else {
            return Ok(None);
        };
        let bad = || std::io::Error::other("a line of a page is no entry");
        let (at_ns, rest) = line.split_once(' ').ok_or_else(bad)?;
        let (id, raw) = rest.split_once(' ').ok_or_else(bad)?;
        Ok(Some(Entry {
            at_ns: at_ns.parse().map_err(|_| bad())?,
            id: id.to_owned(),
            raw: raw.to_owned(),
        }))
    }
}

const GZIP: &str = "application/gzip";

fn next_line(
    lines: &mut BufReader<GzDecoder<std::io::Cursor<Bytes>>>,
) -> std::io::Result<Option<String>> {
    let mut line = String::new();
    let read = lines.take(LONGEST_LINE).read_line(&mut line)?;
    if read == 0 {
        return Ok(None);
    }
    line.truncate(line.trim_end_matches('\n').len());
    Ok(Some(line))
}

fn write(head: &PageHead, entries: &[Entry]) -> std::io::Result<Bytes> {
    let mut file = GzEncoder::new(Vec::new(), Compression::fast());
    serde_json::to_writer(&mut file, head)?;
    file.write_all(b"\n")?;
    for Entry { at_ns, id, raw } in entries {
        writeln!(file, "{at_ns} {id} {raw}")?;
    }
    Ok(file.finish()?.into())
}

/// A page in the vault that cannot be read: somebody else wrote there, or the vault is broken.
pub(crate) fn unreadable(key: &str, cause: &std::io::Error) -> VaultError {
    VaultError::Unavailable {
        call: "reading a page",
        key: key.to_owned(),
        cause: cause.to_string(),
    }
}
