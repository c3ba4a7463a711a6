//! The files about the files: which BagIt this is, what is known of the bag, the digests of everything.

use evidence::{Sha256Digest, shown};
use std::collections::BTreeMap;

/// What `bagit.txt` holds (RFC 8493, 2.1.1).
pub(crate) const DECLARATION: &str = "BagIt-Version: 1.0\nTag-File-Character-Encoding: UTF-8\n";

/// The most bytes of a tag file that are read.
pub(crate) const MOST_BYTES: u64 = 64 * 1024 * 1024;

/// The most faults of one file that are told.
const MOST_FAULTS: usize = 100;

/// Digests of files by their paths in the bag (RFC 8493, 2.1.3).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Sums(pub(crate) BTreeMap<String, Sha256Digest>);

impl Sums {
    /// As `sha256sum -c` reads it, sorted by path.
    pub(crate) fn text(&self) -> String {
        let lines = self.0.iter();
        lines
            .map(|(path, sha256)| format!("{sha256}  {path}\n"))
            .collect()
    }

    /// Reads a manifest in the one spelling that [`Self::text`] has, and says what else stands there.
    pub(crate) fn read(bytes: &[u8], fits: impl Fn(&str) -> bool) -> (Self, Vec<String>) {
        let mut sums = Self::default();
        let mut faults = Faults::default();
        let text = String::from_utf8_lossy(bytes);
        let mut before = String::new();
        for (place, line) in text.split_inclusive('\n').enumerate() {
            let number = place + 1;
            let Some(line) = line.strip_suffix('\n') else {
                faults.say(format!("line {number} has no end"));
                continue;
            };
            if line.ends_with('\r') {
                faults.say(format!("line {number} ends with a carriage return"));
                continue;
            }
            let Some((digest, path)) = line.split_once("  ") else {
                faults.say(format!("line {number} is no digest and path"));
                continue;
            };
            let read: Option<Sha256Digest> = digest.parse().ok();
            let Some(read) = read.filter(|read| read.to_string() == digest) else {
                faults.say(format!("line {number} has no SHA-256 in lower case"));
                continue;
            };
            if !vault::is_key(path) || !fits(path) {
                let path = shown(path, 200);
                faults.say(format!(
                    "line {number} names {path:?}, which is no file of a bag here"
                ));
                continue;
            }
            if sums.0.insert(path.to_owned(), read).is_some() {
                faults.say(format!("line {number} names {path} once more"));
            } else if *path < *before {
                faults.say(format!("line {number}, {path}, is not in order"));
            }
            before = path.to_owned();
        }
        if faults.0.is_empty() && sums.text().as_bytes() != bytes {
            faults.say("it is spelt in another way than bags are".to_owned());
        }
        (sums, faults.0)
    }
}

#[derive(Default)]
struct Faults(Vec<String>);

impl Faults {
    fn say(&mut self, what: String) {
        match self.0.len() {
            MOST_FAULTS => self.0.push("and more of that kind".to_owned()),
            few if few < MOST_FAULTS => self.0.push(what),
            _ => {}
        }
    }
}

/// What is known of a bag (RFC 8493, 2.2.2): labels with values, in order.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Info(pub(crate) Vec<(String, String)>);

/// The most labels.
const MOST_LABELS: usize = 1_000;

impl Info {
    pub(crate) fn put(&mut self, label: &str, value: &str) {
        // One line each, whatever stands in it.
        self.0.push((label.to_owned(), shown(value, 1_000)));
    }

    pub(crate) fn get(&self, label: &str) -> Option<&str> {
        let mut found = self.0.iter().filter(|(known, _)| known == label);
        match (found.next(), found.next()) {
            (Some((_, value)), None) => Some(value),
            _ => None,
        }
    }

    pub(crate) fn text(&self) -> String {
        let lines = self.0.iter();
        lines
            .map(|(label, value)| format!("{label}: {value}\n"))
            .collect()
    }

    pub(crate) fn read(bytes: &[u8]) -> (Self, Vec<String>) {
        let mut info = Self::default();
        let mut faults = Faults::default();
        for (place, line) in String::from_utf8_lossy(bytes).lines().enumerate() {
            if info.0.len() >= MOST_LABELS {
                faults.say(format!("it has more than {MOST_LABELS} lines"));
                break;
            }
            match line.split_once(": ") {
                Some((label, value)) => info.0.push((label.to_owned(), value.to_owned())),
                None => faults.say(format!("line {} is no label and value", place + 1)),
            }
        }
        (info, faults.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sums() -> Sums {
        let files = ["data/a/b", "data/a/c", "data/d"];
        Sums(
            files
                .map(|path| (path.to_owned(), Sha256Digest::of(path)))
                .into(),
        )
    }

    fn faults(text: &str) -> Vec<String> {
        Sums::read(text.as_bytes(), |path| path.starts_with("data/")).1
    }

    #[test]
    fn a_manifest_is_read_as_it_was_written() {
        let text = sums().text();
        let (read, faults) = Sums::read(text.as_bytes(), |_| true);
        assert_eq!((read, faults), (sums(), Vec::new()));
    }

    #[test]
    fn whatever_a_manifest_is_not_is_told_with_its_line() {
        let text = sums().text();
        let line = |number: usize| text.lines().nth(number - 1).unwrap().to_owned();
        let told = |text: &str, wanted: &str| {
            let faults = faults(text);
            assert!(
                faults.iter().any(|fault| fault.contains(wanted)),
                "{wanted}: {faults:?}"
            );
        };
        told(
            &text.replace('\n', "\r\n"),
            "line 1 ends with a carriage return",
        );
        told(text.trim_end(), "line 3 has no end");
        told(&text.to_uppercase(), "line 1 has no SHA-256 in lower case");
        told(
            &format!("{text}{}\n", line(3)),
            "line 4 names data/d once more",
        );
        told(
            &format!("{}\n{}\n", line(2), line(1)),
            "line 2, data/a/b, is not in order",
        );
        told(&text.replace("  ", " *"), "line 1 is no digest and path");
        told(&format!("\u{feff}{text}"), "line 1 has no SHA-256");
        for path in [
            "data/../../etc/passwd",
            "/etc/passwd",
            "data//a",
            "data/.a",
            "data/a\u{1b}[2J",
            "bagit.txt",
            "data/a%0a",
        ] {
            let text = format!("{}  {path}\n", Sha256Digest::of(path));
            told(&text, "which is no file of a bag here");
            assert!(!faults(&text)[0].contains('\u{1b}'));
        }
    }

    #[test]
    fn a_million_bad_lines_are_told_in_short() {
        let faults = faults(&"x\n".repeat(1_000_000));
        assert_eq!(faults.len(), MOST_FAULTS + 1);
    }

    #[test]
    fn a_value_of_bag_info_cannot_become_a_line_of_its_own() {
        let mut info = Info::default();
        info.put("Coldcase-Exported-By", "me\nExternal-Identifier: another");
        assert_eq!(info.text().lines().count(), 1);
        let (read, faults) = Info::read(info.text().as_bytes());
        assert_eq!(faults, Vec::<String>::new());
        assert_eq!(read.get("External-Identifier"), None);
    }

    #[test]
    fn a_label_that_stands_there_twice_says_nothing() {
        let (info, _) = Info::read(b"A: 1\nB: 2\nA: 3\n");
        assert_eq!((info.get("A"), info.get("B")), (None, Some("2")));
    }
}
