//! Any number of entries in order of time, in bounded memory: what does not fit is sorted in pieces, laid
//! down as compressed files, and merged from there.

use flate2::Compression;
use flate2::read::GzDecoder;
use flate2::write::GzEncoder;
use jiff::Timestamp;
use std::cmp::Reverse;
use std::collections::{BinaryHeap, HashSet};
use std::fs::File;
use std::io::{self, BufReader, BufWriter, Read, Seek as _, Write as _};
use std::path::{Path, PathBuf};

/// How many bytes of entries are held before they are laid down: 16 MiB.
const HELD_BYTES: usize = 16 * 1024 * 1024;

/// How many entries of one moment are remembered, to know one that comes twice.
const MOST_OF_A_MOMENT: usize = 50_000;

/// The longest entry, in bytes of JSON. Ours are far shorter; a file of ours that was tampered with is
/// not believed.
const LONGEST: u32 = 1024 * 1024;

/// What an entry is sorted and known by.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Rank {
    at: Timestamp,
    /// Of two things of one moment, which is told first.
    place: u8,
    /// The order in which they came.
    number: u64,
    /// What tells it from others of its moment, where it may come twice.
    mark: Option<[u8; 16]>,
}

type Ranked = (Rank, Box<[u8]>);

/// Entries on their way into order.
pub(super) struct Sorter {
    folder: PathBuf,
    held: Vec<Ranked>,
    held_bytes: usize,
    limit_bytes: usize,
    laid_down: Vec<File>,
    number: u64,
}

impl Sorter {
    /// A sorter that lays down files in `folder`.
    pub(super) fn new(folder: &Path) -> Self {
        Self {
            folder: folder.to_owned(),
            held: Vec::new(),
            held_bytes: 0,
            limit_bytes: HELD_BYTES,
            laid_down: Vec::new(),
            number: 0,
        }
    }

    #[cfg(test)]
    pub(super) fn holding(mut self, limit_bytes: usize) -> Self {
        self.limit_bytes = limit_bytes;
        self
    }

    /// Takes an entry. Of those that have a moment and a mark in common the first one is kept.
    pub(super) fn push(
        &mut self,
        at: Timestamp,
        place: u8,
        mark: Option<[u8; 16]>,
        entry: Vec<u8>,
    ) -> io::Result<()> {
        self.number += 1;
        let rank = Rank {
            at,
            place,
            number: self.number,
            mark,
        };
        self.held_bytes += entry.len() + size_of::<Ranked>();
        self.held.push((rank, entry.into()));
        if self.held_bytes >= self.limit_bytes {
            self.lay_down()?;
        }
        Ok(())
    }

    fn lay_down(&mut self) -> io::Result<()> {
        self.held.sort_unstable_by_key(|(rank, _)| *rank);
        // Without a name: whatever happens, the space is given back.
        let file = tempfile::tempfile_in(&self.folder)?;
        let mut out = GzEncoder::new(BufWriter::new(file), Compression::fast());
        for (rank, entry) in self.held.drain(..) {
            out.write_all(&rank.at.as_nanosecond().to_le_bytes())?;
            out.write_all(&[rank.place])?;
            out.write_all(&rank.number.to_le_bytes())?;
            out.write_all(&[u8::from(rank.mark.is_some())])?;
            out.write_all(&rank.mark.unwrap_or_default())?;
            let length = u32::try_from(entry.len()).map_err(io::Error::other)?;
            out.write_all(&length.to_le_bytes())?;
            out.write_all(&entry)?;
        }
        let mut file = out.finish()?.into_inner().map_err(io::Error::other)?;
        file.rewind()?;
        self.laid_down.push(file);
        self.held_bytes = 0;
        Ok(())
    }

    /// Everything, in order.
    pub(super) fn merge(mut self) -> io::Result<Merged> {
        self.held.sort_unstable_by_key(|(rank, _)| *rank);
        let mut runs: Vec<Run> = self
            .laid_down
            .into_iter()
            .map(|file| Run::File(Box::new(GzDecoder::new(BufReader::new(file)))))
            .collect();
        runs.push(Run::Held(self.held.into_iter()));
        let mut merged = Merged {
            heads: BinaryHeap::new(),
            runs,
            moment: None,
            seen: HashSet::new(),
        };
        for run in 0..merged.runs.len() {
            merged.advance(run)?;
        }
        Ok(merged)
    }
}

enum Run {
    File(Box<GzDecoder<BufReader<File>>>),
    Held(std::vec::IntoIter<Ranked>),
}

impl Run {
    fn next(&mut self) -> io::Result<Option<Ranked>> {
        let file = match self {
            Self::Held(held) => return Ok(held.next()),
            Self::File(file) => file,
        };
        let mut at = [0; 16];
        // The end is where an entry would begin.
        if file.read(&mut at[..1])? == 0 {
            return Ok(None);
        }
        file.read_exact(&mut at[1..])?;
        let mut place = [0; 1];
        file.read_exact(&mut place)?;
        let mut number = [0; 8];
        file.read_exact(&mut number)?;
        let mut has_mark = [0; 1];
        file.read_exact(&mut has_mark)?;
        let mut mark = [0; 16];
        file.read_exact(&mut mark)?;
        let mut length = [0; 4];
        file.read_exact(&mut length)?;
        let length = u32::from_le_bytes(length);
        if length > LONGEST {
            return Err(io::Error::other("a laid down entry is too long"));
        }
        let mut entry = vec![0; length as usize];
        file.read_exact(&mut entry)?;
        let at = Timestamp::from_nanosecond(i128::from_le_bytes(at)).map_err(io::Error::other)?;
        let rank = Rank {
            at,
            place: place[0],
            number: u64::from_le_bytes(number),
            mark: (has_mark[0] == 1).then_some(mark),
        };
        Ok(Some((rank, entry.into())))
    }
}

/// Entries in order.
pub(super) struct Merged {
    heads: BinaryHeap<Reverse<(Ranked, usize)>>,
    runs: Vec<Run>,
    moment: Option<Timestamp>,
    seen: HashSet<[u8; 16]>,
}

impl Merged {
    fn advance(&mut self, run: usize) -> io::Result<()> {
        if let Some(source) = self.runs.get_mut(run)
            && let Some(head) = source.next()?
        {
            self.heads.push(Reverse((head, run)));
        }
        Ok(())
    }

    /// The next one; none at the end.
    pub(super) fn next(&mut self) -> io::Result<Option<Box<[u8]>>> {
        while let Some(Reverse(((rank, entry), run))) = self.heads.pop() {
            self.advance(run)?;
            if self.moment != Some(rank.at) {
                self.moment = Some(rank.at);
                self.seen.clear();
            }
            if let Some(mark) = rank.mark
                && self.seen.len() < MOST_OF_A_MOMENT
                && !self.seen.insert(mark)
            {
                continue;
            }
            return Ok(Some(entry));
        }
        Ok(None)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sorted(pushed: &[(i64, u8, Option<u8>)], limit_bytes: usize) -> Vec<String> {
        let folder = tempfile::tempdir().unwrap();
        let mut sorter = Sorter::new(folder.path()).holding(limit_bytes);
        for (index, (second, place, mark)) in pushed.iter().enumerate() {
            let at = Timestamp::from_second(*second).unwrap();
            let mark = mark.map(|mark| [mark; 16]);
            let entry = format!("{second}-{place}-{index}").into_bytes();
            sorter.push(at, *place, mark, entry).unwrap();
        }
        let mut merged = sorter.merge().unwrap();
        let mut told = Vec::new();
        while let Some(entry) = merged.next().unwrap() {
            told.push(String::from_utf8(entry.into()).unwrap());
        }
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0);
        told
    }

    #[test]
    fn the_order_is_by_time_then_place_and_not_by_what_fits_in_memory() {
        let pushed: Vec<_> = (0..200_u32)
            .map(|n| (i64::from(n * 7919 % 41) - 20, (n % 3) as u8, None))
            .collect();
        let whole = sorted(&pushed, usize::MAX);
        assert_eq!(whole.len(), 200);
        let mut wanted: Vec<_> = pushed.iter().enumerate().collect();
        wanted.sort_by_key(|(index, (second, place, _))| (*second, *place, *index));
        let wanted: Vec<_> = wanted
            .iter()
            .map(|(index, (second, place, _))| format!("{second}-{place}-{index}"))
            .collect();
        assert_eq!(whole, wanted);
        for limit in [1, 300, 5_000] {
            assert_eq!(sorted(&pushed, limit), whole, "{limit}");
        }
    }

    /// Half a million entries: what is held at a time stays what it is for a few.
    #[test]
    fn memory_does_not_grow_with_the_number_of_entries() {
        let folder = tempfile::tempdir().unwrap();
        let mut sorter = Sorter::new(folder.path()).holding(1024 * 1024);
        let mut most_held = 0;
        for n in 0..500_000_i64 {
            let at = Timestamp::from_second(n * 7919 % 500_009).unwrap();
            sorter.push(at, 0, None, vec![b'x'; 100]).unwrap();
            most_held = most_held.max(sorter.held_bytes + sorter.held.capacity());
        }
        assert!(most_held < 2 * 1024 * 1024, "{most_held}");
        let mut merged = sorter.merge().unwrap();
        let mut entries = 0;
        while merged.next().unwrap().is_some() {
            entries += 1;
            assert!(merged.heads.len() <= merged.runs.len());
        }
        assert_eq!(entries, 500_000);
    }

    #[test]
    fn what_comes_twice_in_a_moment_is_told_once() {
        let pushed = [
            (5, 1, Some(7)),
            (5, 0, Some(7)),
            (6, 0, Some(7)),
            (5, 0, None),
            (5, 0, None),
        ];
        assert_eq!(sorted(&pushed, 1), ["5-0-1", "5-0-3", "5-0-4", "6-0-2"]);
    }
}
