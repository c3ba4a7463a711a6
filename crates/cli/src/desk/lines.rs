//! JSON Lines of a case's exhibits, read part by part and line by line: however many there are, one part
//! (8 MiB at most) and one line are held.

use super::sheet;
use anyhow::Result;
use bytes::{Buf as _, Bytes};
use evidence::{Exhibit, shown};
use std::collections::VecDeque;
use vault::{Vault, exhibit_bytes};

/// The lines of several exhibits, one after the other.
pub struct Lines<'a> {
    vault: &'a dyn Vault,
    /// Those that are not open yet.
    waiting: VecDeque<&'a Exhibit>,
    open: Option<Part>,
    /// What is not told, and why: exhibits that are gone or altered, lines that are too long.
    pub not_read: Vec<String>,
}

struct Part {
    name: String,
    lines: vault::Lines<bytes::buf::Reader<Bytes>>,
}

/// A line and where it stands.
pub struct Line<'a> {
    /// The exhibit's name; hostile as all names.
    pub exhibit: &'a str,
    /// Counted from 1.
    pub number: u64,
    /// Without its end.
    pub bytes: &'a [u8],
}

impl<'a> Lines<'a> {
    /// The lines of `exhibits`, each checked against its digest when its turn comes.
    pub fn of(vault: &'a dyn Vault, exhibits: impl IntoIterator<Item = &'a Exhibit>) -> Self {
        Self {
            vault,
            waiting: exhibits.into_iter().collect(),
            open: None,
            not_read: Vec::new(),
        }
    }

    /// Reads the next line that is not too long with `read`; none at the end.
    pub async fn next<T>(&mut self, read: impl Fn(Line<'_>) -> T) -> Result<Option<T>> {
        loop {
            let Some(part) = &mut self.open else {
                let Some(exhibit) = self.waiting.pop_front() else {
                    return Ok(None);
                };
                match exhibit_bytes(self.vault, exhibit).await? {
                    Ok(bytes) => {
                        self.open = Some(Part {
                            name: exhibit.name.clone(),
                            lines: vault::Lines::of(bytes.reader()),
                        });
                    }
                    Err(fault) => {
                        let name = shown(&exhibit.name, 100);
                        self.not_read.push(format!("{name}: {fault}"));
                    }
                }
                continue;
            };
            let number = part.lines.number + 1;
            if let Some(bytes) = part.lines.next() {
                return Ok(Some(read(Line {
                    exhibit: &part.name,
                    number,
                    bytes,
                })));
            }
            let (name, lines) = (shown(&part.name, 100), &part.lines);
            if lines.too_long > 0 {
                let many = sheet::count(lines.too_long as usize, "line", "lines");
                self.not_read
                    .push(format!("{name}: {many} too long to be read"));
            }
            if lines.is_broken {
                let line = lines.number;
                self.not_read
                    .push(format!("{name} breaks off after line {line}"));
            }
            self.open = None;
        }
    }
}
