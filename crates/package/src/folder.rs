//! A folder on disk: every file in it, in the order of names; no link is followed.

use crate::Oddity;
use crate::source::Unreadable;
use crate::walk::{Broken, Met, Place, Stream, Walk};
use std::fs::{self, File, FileType, Metadata};
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};

/// Bytes read at a time.
const CHUNK_BYTES: usize = 128 << 10;

/// Reads a folder.
pub(crate) fn read(walk: &mut Walk<'_, '_>, place: &Place, root: &Path) -> Result<(), Unreadable> {
    let mut stream = Reading {
        file: None,
        buffer: vec![0; CHUNK_BYTES],
    };
    // What is still to be looked at, the next last.
    let mut waiting = children(root).map_err(Unreadable::reading)?;
    while let Some(path) = waiting.pop() {
        if walk.lists_no_more() {
            break;
        }
        let relative = path.strip_prefix(root).unwrap_or(&path);
        let name = bytes_of(relative);
        let Some(shown) = walk.admit(place, &name) else {
            break;
        };
        let met = |about: Option<&Metadata>| Met {
            path: shown.clone(),
            mode: about.and_then(mode_of),
            modified_at: about.and_then(modified_at),
        };
        let about = match fs::symlink_metadata(&path) {
            Ok(about) => about,
            Err(why) => {
                walk.odd(Oddity::Refused, Some(&shown), refusal(&why));
                walk.regular(place, met(None), &name, None)?;
                continue;
            }
        };
        if about.is_dir() {
            walk.folder(&shown, &name);
            match children(&path) {
                Ok(more) => waiting.extend(more),
                Err(why) => walk.odd(Oddity::Refused, Some(&shown), refusal(&why)),
            }
        } else if about.is_symlink() {
            let target = fs::read_link(&path).unwrap_or_default();
            walk.link(met(Some(&about)), &name, &bytes_of(&target), false);
        } else if about.is_file() {
            match File::open(&path) {
                Ok(file) => {
                    stream.file = Some(file);
                    walk.regular(place, met(Some(&about)), &name, Some(&mut stream))?;
                }
                Err(why) => {
                    walk.odd(Oddity::Refused, Some(&shown), refusal(&why));
                    walk.regular(place, met(Some(&about)), &name, None)?;
                }
            }
        } else {
            walk.special(met(Some(&about)), &name, what_it_is(about.file_type()));
        }
    }
    Ok(())
}

/// What a folder holds, the last name first.
fn children(folder: &Path) -> io::Result<Vec<PathBuf>> {
    let mut paths = fs::read_dir(folder)?
        .map(|entry| entry.map(|entry| entry.path()))
        .collect::<io::Result<Vec<_>>>()?;
    paths.sort_unstable_by(|a, b| b.cmp(a));
    Ok(paths)
}

fn refusal(why: &io::Error) -> String {
    format!("the system does not give it: {}", why.kind())
}

struct Reading {
    file: Option<File>,
    buffer: Vec<u8>,
}

impl Stream for Reading {
    fn next(&mut self) -> Result<&[u8], Broken> {
        let Some(file) = &mut self.file else {
            return Ok(&[]);
        };
        loop {
            match file.read(&mut self.buffer) {
                Ok(count) => return Ok(&self.buffer[..count]),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(Broken::Io(error)),
            }
        }
    }
}

fn modified_at(about: &Metadata) -> Option<String> {
    let time = jiff::Timestamp::try_from(about.modified().ok()?).ok()?;
    jiff::Timestamp::from_second(time.as_second())
        .ok()
        .map(|time| time.to_string())
}

#[cfg(unix)]
fn bytes_of(path: &Path) -> Vec<u8> {
    use std::os::unix::ffi::OsStrExt as _;
    path.as_os_str().as_bytes().to_vec()
}

#[cfg(not(unix))]
fn bytes_of(path: &Path) -> Vec<u8> {
    let parts: Vec<_> = path.iter().map(|part| part.to_string_lossy()).collect();
    parts.join("/").into_bytes()
}

#[cfg(unix)]
fn mode_of(about: &Metadata) -> Option<u32> {
    use std::os::unix::fs::MetadataExt as _;
    Some(about.mode() & 0o7777)
}

#[cfg(not(unix))]
fn mode_of(_: &Metadata) -> Option<u32> {
    None
}

#[cfg(unix)]
fn what_it_is(what: FileType) -> &'static str {
    use std::os::unix::fs::FileTypeExt as _;
    if what.is_char_device() || what.is_block_device() {
        "a device"
    } else if what.is_fifo() {
        "a pipe"
    } else if what.is_socket() {
        "a socket"
    } else {
        "neither file, folder nor link"
    }
}

#[cfg(not(unix))]
fn what_it_is(_: FileType) -> &'static str {
    "neither file, folder nor link"
}
