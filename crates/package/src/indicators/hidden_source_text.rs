//! Source that does not say what it shows: direction changed in the middle of a line (Trojan Source,
//! CVE-2021-42574), or bytes written in characters that nobody sees.

use super::{Hit, Over, Rule, Scene};
use evidence::{Confidence, Severity};
use std::ops::Range;

pub(super) static RULE: Rule = Rule {
    id: "hidden-source-text",
    technique: "T1027",
    advice: "Read the file in an editor that shows every character; decode what is hidden without running it.",
    over: Over::Source(&[]),
    look,
};

/// As many unseen characters in a row carry something: an emoji has one or two, a flag of a region six.
const HIDING: usize = 12;

fn look(scene: &Scene<'_>, hits: &mut Vec<Hit>) {
    if scene.bytes.is_ascii() {
        return;
    }
    if let Some(place) = unseen_run(scene.bytes) {
        hits.push(
            Hit::new(
                Severity::High,
                Confidence::High,
                format!(
                    "{} holds {} or more characters in a row that cannot be seen",
                    scene.path(),
                    HIDING
                ),
            )
            .at(scene, &place),
        );
    }
    if let Some(place) = unbalanced_direction(scene.bytes) {
        hits.push(
            Hit::new(
                Severity::Medium,
                Confidence::Medium,
                format!(
                    "{} changes the direction of writing in a line and does not change it back: it runs otherwise than it reads",
                    scene.path()
                ),
            )
            .if_owned(Severity::Info)
            .at(scene, &place),
        );
    }
}

/// Variation selectors, tags and zero-width characters, [`HIDING`] or more in a row.
fn unseen_run(bytes: &[u8]) -> Option<Range<usize>> {
    let mut start = 0;
    let mut length = 0;
    let mut at = 0;
    while at < bytes.len() {
        let here = bytes.get(at..).unwrap_or_default();
        let width = match here {
            // U+200B–200D, U+2060–2064
            [0xe2, 0x80, 0x8b..=0x8d, ..] | [0xe2, 0x81, 0xa0..=0xa4, ..] => 3,
            // U+FE00–FE0F
            [0xef, 0xb8, 0x80..=0x8f, ..] => 3,
            // U+E0000–E0FFF
            [0xf3, 0xa0, _, _, ..] => 4,
            // U+3164 and U+FFA0, fillers
            [0xe3, 0x85, 0xa4, ..] | [0xef, 0xbe, 0xa0, ..] => 3,
            _ => 0,
        };
        if width == 0 {
            length = 0;
            // On to the next byte that may begin one of them.
            at += 1 + here.iter().skip(1).take_while(|byte| **byte < 0xe2).count();
            continue;
        }
        if length == 0 {
            start = at;
        }
        length += 1;
        at += width;
        if length >= HIDING {
            return Some(start..at);
        }
    }
    None
}

/// A line in which an embedding, an override or an isolate is opened and not closed.
fn unbalanced_direction(bytes: &[u8]) -> Option<Range<usize>> {
    // Looking goes on after each line: one that is balanced does not excuse the next.
    let mut from = 0;
    while let Some(at) = next_direction(bytes, from) {
        let start = memchr::memrchr(b'\n', bytes.get(..at)?).map_or(0, |end| end + 1);
        let end = memchr::memchr(b'\n', bytes.get(at..)?).map_or(bytes.len(), |length| at + length);
        let line = bytes.get(start..end)?;
        let count =
            |wanted: fn(&[u8]) -> bool| line.windows(3).filter(|three| wanted(three)).count();
        let embedded = count(|three| matches!(three, [0xe2, 0x80, 0xaa | 0xab | 0xad | 0xae]));
        let ended = count(|three| *three == [0xe2, 0x80, 0xac]);
        let isolated = count(|three| matches!(three, [0xe2, 0x81, 0xa6..=0xa8]));
        let released = count(|three| *three == [0xe2, 0x81, 0xa9]);
        if embedded != ended || isolated != released {
            return Some(start.max(at.saturating_sub(60))..end.min(at + 100));
        }
        from = end;
    }
    None
}

/// Where the direction of writing is next changed.
fn next_direction(bytes: &[u8], from: usize) -> Option<usize> {
    let rest = bytes.get(from..)?;
    memchr::memchr_iter(0xe2, rest)
        .find(|at| {
            matches!(
                rest.get(*at..at + 3),
                Some([0xe2, 0x80, 0xaa..=0xab | 0xad..=0xae] | [0xe2, 0x81, 0xa6..=0xa8])
            )
        })
        .map(|at| from + at)
}
