//! Bytes at a place: a file through one window, or memory.

use std::fs::File;
use std::io::{self, Read as _, Seek as _, SeekFrom};

/// How many bytes [`Bytes::at`] gives at least, if there are that many.
pub(crate) const AT_LEAST: usize = 512;

/// A file's window. What is read is read once, start to end, but for the directory of a zip.
const WINDOW_BYTES: usize = 128 << 10;

/// Bytes that can be looked at anywhere.
pub(crate) trait Bytes {
    /// How many there are.
    fn size(&self) -> u64;

    /// Some of what stands at `offset`: [`AT_LEAST`] or all that there is; nothing beyond the end.
    fn at(&mut self, offset: u64) -> io::Result<&[u8]>;

    /// What stands at `offset`, `count` bytes or up to the end.
    fn copy(&mut self, offset: u64, count: usize) -> io::Result<Vec<u8>> {
        let mut copied = Vec::new();
        while copied.len() < count {
            let some = self.at(offset.saturating_add(copied.len() as u64))?;
            if some.is_empty() {
                break;
            }
            copied.extend_from_slice(&some[..some.len().min(count - copied.len())]);
        }
        Ok(copied)
    }

    /// Where `mark` stands first, from `from` on and before `to`.
    fn find(&mut self, mark: [u8; 4], from: u64, to: u64) -> io::Result<Option<u64>> {
        let finder = memchr::memmem::Finder::new(&mark);
        let mut at = from;
        while at.saturating_add(4) <= to {
            let room = usize::try_from(to - at).unwrap_or(usize::MAX);
            let some = self.at(at)?;
            let some = &some[..some.len().min(room)];
            if some.len() < 4 {
                break;
            }
            if let Some(found) = finder.find(some) {
                return Ok(Some(at + found as u64));
            }
            at += some.len() as u64 - 3;
        }
        Ok(None)
    }
}

impl Bytes for &[u8] {
    fn size(&self) -> u64 {
        self.len() as u64
    }

    fn at(&mut self, offset: u64) -> io::Result<&[u8]> {
        let offset = usize::try_from(offset).unwrap_or(usize::MAX);
        Ok(self.get(offset..).unwrap_or_default())
    }
}

/// A file, seen through a window.
pub(crate) struct FileBytes<'f> {
    file: &'f mut File,
    len: u64,
    window: Vec<u8>,
    start: u64,
    filled: usize,
}

impl<'f> FileBytes<'f> {
    pub(crate) fn new(file: &'f mut File) -> io::Result<Self> {
        let len = file.seek(SeekFrom::End(0))?;
        Ok(Self {
            file,
            len,
            window: vec![0; WINDOW_BYTES],
            start: 0,
            filled: 0,
        })
    }

    fn seen(&self, offset: u64) -> &[u8] {
        offset
            .checked_sub(self.start)
            .and_then(|skip| usize::try_from(skip).ok())
            .and_then(|skip| self.window[..self.filled].get(skip..))
            .unwrap_or_default()
    }
}

impl Bytes for FileBytes<'_> {
    fn size(&self) -> u64 {
        self.len
    }

    fn at(&mut self, offset: u64) -> io::Result<&[u8]> {
        let rest = self.len.saturating_sub(offset);
        if (self.seen(offset).len() as u64) < rest.min(AT_LEAST as u64) {
            self.file.seek(SeekFrom::Start(offset))?;
            (self.start, self.filled) = (offset, 0);
            while self.filled < self.window.len() {
                match self.file.read(&mut self.window[self.filled..]) {
                    Ok(0) => break,
                    Ok(count) => self.filled += count,
                    Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                    Err(error) => return Err(error),
                }
            }
        }
        Ok(self.seen(offset))
    }
}
