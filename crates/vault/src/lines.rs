//! An exhibit of JSON Lines in gzip, line by line: bounded in what a line and what the whole may become.

use flate2::read::MultiGzDecoder;
use std::io::{BufRead as _, BufReader, Read};

/// The longest line that is looked at: 1 MiB. A record of CloudTrail has 256 KB at most.
const LONGEST: u64 = 1024 * 1024;

/// What one exhibit of at most 8 MiB may become: 1 GiB.
const MOST_BYTES: u64 = 1024 * 1024 * 1024;

/// The lines of one exhibit, read from its bytes: a slice, or an owned reader of them.
pub struct Lines<R: Read> {
    file: BufReader<std::io::Take<MultiGzDecoder<R>>>,
    line: Vec<u8>,
    /// The number of the line last read, counted from 1.
    pub number: u64,
    /// How many were too long to be looked at.
    pub too_long: u64,
    /// Whether it broke off before its end.
    pub is_broken: bool,
}

impl<R: Read> Lines<R> {
    /// The lines of these bytes.
    pub fn of(bytes: R) -> Self {
        Self {
            file: BufReader::with_capacity(64 * 1024, MultiGzDecoder::new(bytes).take(MOST_BYTES)),
            line: Vec::new(),
            number: 0,
            too_long: 0,
            is_broken: false,
        }
    }

    /// The next line that is not too long.
    #[expect(
        clippy::should_implement_trait,
        reason = "what is lent cannot be an iterator's item"
    )]
    pub fn next(&mut self) -> Option<&[u8]> {
        match self.advance() {
            true => Some(self.line()),
            false => None,
        }
    }

    /// The line last read, without its end.
    pub fn line(&self) -> &[u8] {
        self.line.trim_ascii_end()
    }

    /// Reads the next line that is not too long; whether there is one.
    pub fn advance(&mut self) -> bool {
        loop {
            self.line.clear();
            match (&mut self.file)
                .take(LONGEST)
                .read_until(b'\n', &mut self.line)
            {
                Ok(0) => {
                    self.is_broken |= self.file.get_ref().limit() == 0;
                    return false;
                }
                Ok(_) => {}
                Err(_) => {
                    self.is_broken = true;
                    return false;
                }
            }
            self.number += 1;
            if self.line.last() == Some(&b'\n') || (self.line.len() as u64) < LONGEST {
                return true;
            }
            self.too_long += 1;
            if self.skip().is_err() {
                self.is_broken = true;
                return false;
            }
        }
    }

    /// Passes over the rest of a line.
    fn skip(&mut self) -> std::io::Result<()> {
        loop {
            let held = self.file.fill_buf()?;
            if held.is_empty() {
                return Ok(());
            }
            let (used, is_end) = match held.iter().position(|byte| *byte == b'\n') {
                Some(end) => (end + 1, true),
                None => (held.len(), false),
            };
            self.file.consume(used);
            if is_end {
                return Ok(());
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use flate2::Compression;
    use flate2::write::GzEncoder;
    use std::io::Write as _;

    fn gzip(bytes: &[u8]) -> Vec<u8> {
        let mut file = GzEncoder::new(Vec::new(), Compression::fast());
        file.write_all(bytes).unwrap();
        file.finish().unwrap()
    }

    #[test]
    fn a_line_without_an_end_is_passed_over_and_the_next_one_read() {
        let mut text = b"{\"a\":1}\n".to_vec();
        text.extend(std::iter::repeat_n(b'x', 3 * 1024 * 1024));
        text.extend(b"\n{\"b\":2}");
        let bytes = gzip(&text);
        let mut lines = Lines::of(&bytes[..]);
        assert_eq!(lines.next(), Some(&b"{\"a\":1}"[..]));
        assert_eq!(lines.next(), Some(&b"{\"b\":2}"[..]));
        assert_eq!((lines.number, lines.too_long), (3, 1));
        assert_eq!(lines.next(), None);
        assert!(!lines.is_broken);
    }

    #[test]
    fn what_is_cut_off_says_so() {
        let bytes = gzip(&b"{\"a\":1}\n".repeat(100_000));
        let mut lines = Lines::of(&bytes[..bytes.len() / 2]);
        while lines.next().is_some() {}
        assert!(lines.is_broken);
    }
}
