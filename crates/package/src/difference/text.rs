//! What changed in a text: as a unified difference where it has lines, as excerpts where it is one
//! long line, as programs are shipped that were made small.

use serde::{Deserialize, Serialize};
use similar::{Algorithm, DiffOp, DiffTag, capture_diff_slices, group_diff_ops};
use std::fmt::Write as _;

/// Unchanged lines around a change.
const CONTEXT: usize = 3;
/// How much one difference may say, in bytes.
const LONGEST: usize = 256 << 10;
/// A line that nobody reads.
const LONG_LINE: usize = 2_000;
/// How many pairs of lines are compared at most once what is the same at both ends is left aside;
/// beyond that the middle is told as replaced as a whole.
const PAIRS: usize = 16_000_000;
/// How many excerpts of a long line are kept.
const EXCERPTS: usize = 50;

/// What changed in a text.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TextChange {
    /// The file's path. Chosen by the attacker: escape it on the way out.
    pub path: String,
    /// A unified difference, as `patch` takes it; none if lines are too long or too many.
    pub unified: Option<String>,
    /// Where lines are too long or too many: the places that differ.
    pub excerpts: Vec<Excerpt>,
    /// Whether more differs than stands here.
    pub is_cut: bool,
}

/// A place that differs.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Excerpt {
    /// The line in what is, from 1.
    pub line: usize,
    /// The byte in that line, from 1.
    pub column: usize,
    /// What stood there; cut.
    pub before: String,
    /// What stands there; cut.
    pub after: String,
}

impl TextChange {
    /// None if the bytes are the same or no text. Says at most `room` bytes.
    pub(super) fn between(path: &str, before: &[u8], after: &[u8], room: usize) -> Option<Self> {
        let (old, new) = (as_text(before)?, as_text(after)?);
        if old == new {
            return None;
        }
        let most = room.min(LONGEST);
        let mut change = Self {
            path: path.to_owned(),
            unified: None,
            excerpts: Vec::new(),
            is_cut: false,
        };
        if !has_long_lines(old) && !has_long_lines(new) {
            change.unified = write_unified(old, new, path, most);
        }
        if change.unified.is_none() {
            (change.excerpts, change.is_cut) = excerpts(old, new, most);
        }
        Some(change)
    }

    /// How much it says, in bytes.
    pub(super) fn size(&self) -> usize {
        let excerpts = self.excerpts.iter();
        let excerpts: usize = excerpts.map(|one| one.before.len() + one.after.len()).sum();
        self.unified.as_ref().map_or(0, String::len) + excerpts
    }
}

/// Text: UTF-8 without a zero byte.
pub(super) fn as_text(bytes: &[u8]) -> Option<&str> {
    let text = std::str::from_utf8(bytes).ok()?;
    (!text.contains('\0')).then_some(text)
}

fn has_long_lines(text: &str) -> bool {
    text.split('\n').any(|line| line.len() > LONG_LINE)
}

/// The difference of two texts as `patch` takes it, with three lines of context; applied to `before`
/// it gives `after`. None if they are the same, one is no text, or it would be longer than 256 KiB.
/// The path stands in it escaped; the lines stand in it as they are.
pub fn unified(before: &[u8], after: &[u8], path: &str) -> Option<String> {
    write_unified(as_text(before)?, as_text(after)?, path, LONGEST)
}

fn write_unified(old: &str, new: &str, path: &str, most: usize) -> Option<String> {
    if old == new {
        return None;
    }
    let a: Vec<&str> = old.split_inclusive('\n').collect();
    let b: Vec<&str> = new.split_inclusive('\n').collect();
    let path = evidence::shown(path, 512);
    let mut text = String::new();
    // Writing to a String does not fail.
    let _ = match old.is_empty() {
        true => writeln!(text, "--- /dev/null"),
        false => writeln!(text, "--- a/{path}"),
    };
    let _ = writeln!(text, "+++ b/{path}");
    for group in group_diff_ops(operations(&a, &b), CONTEXT) {
        let (Some(first), Some(last)) = (group.first(), group.last()) else {
            continue;
        };
        let range = |start: usize, end: usize| match end - start {
            // An empty range is written with the line before it.
            0 => format!("{start},0"),
            1 => format!("{}", start + 1),
            length => format!("{},{length}", start + 1),
        };
        let _ = writeln!(
            text,
            "@@ -{} +{} @@",
            range(first.old_range().start, last.old_range().end),
            range(first.new_range().start, last.new_range().end)
        );
        for operation in &group {
            let (tag, was, is) = operation.as_tag_tuple();
            let lines =
                |of: &[&str], range: std::ops::Range<usize>, sign: char, text: &mut String| {
                    for line in of.get(range).unwrap_or_default() {
                        text.push(sign);
                        text.push_str(line);
                        if !line.ends_with('\n') {
                            text.push_str("\n\\ No newline at end of file\n");
                        }
                    }
                };
            if tag == DiffTag::Equal {
                lines(&a, was, ' ', &mut text);
            } else {
                lines(&a, was, '-', &mut text);
                lines(&b, is, '+', &mut text);
            }
            if text.len() > most {
                return None;
            }
        }
    }
    Some(text)
}

/// The steps from one list to the other. What is the same at both ends is left aside first, since the
/// work grows with the product of the rest.
fn operations(a: &[&str], b: &[&str]) -> Vec<DiffOp> {
    let same =
        |pairs: &mut dyn Iterator<Item = (&&str, &&str)>| pairs.take_while(|(x, y)| x == y).count();
    let head = same(&mut a.iter().zip(b));
    let (a_rest, b_rest) = (&a[head..], &b[head..]);
    let tail = same(&mut a_rest.iter().rev().zip(b_rest.iter().rev()));
    let a_middle = &a_rest[..a_rest.len() - tail];
    let b_middle = &b_rest[..b_rest.len() - tail];
    let mut operations = Vec::new();
    if head > 0 {
        operations.push(DiffOp::Equal {
            old_index: 0,
            new_index: 0,
            len: head,
        });
    }
    if a_middle.len().saturating_mul(b_middle.len()) > PAIRS {
        operations.push(DiffOp::Replace {
            old_index: head,
            old_len: a_middle.len(),
            new_index: head,
            new_len: b_middle.len(),
        });
    } else {
        let inner = capture_diff_slices(Algorithm::Myers, a_middle, b_middle);
        operations.extend(inner.into_iter().map(|operation| shifted(operation, head)));
    }
    if tail > 0 {
        operations.push(DiffOp::Equal {
            old_index: a.len() - tail,
            new_index: b.len() - tail,
            len: tail,
        });
    }
    operations
}

fn shifted(operation: DiffOp, by: usize) -> DiffOp {
    match operation {
        DiffOp::Equal {
            old_index,
            new_index,
            len,
        } => DiffOp::Equal {
            old_index: old_index + by,
            new_index: new_index + by,
            len,
        },
        DiffOp::Delete {
            old_index,
            old_len,
            new_index,
        } => DiffOp::Delete {
            old_index: old_index + by,
            old_len,
            new_index: new_index + by,
        },
        DiffOp::Insert {
            old_index,
            new_index,
            new_len,
        } => DiffOp::Insert {
            old_index: old_index + by,
            new_index: new_index + by,
            new_len,
        },
        DiffOp::Replace {
            old_index,
            old_len,
            new_index,
            new_len,
        } => DiffOp::Replace {
            old_index: old_index + by,
            old_len,
            new_index: new_index + by,
            new_len,
        },
    }
}

/// The places where two texts of long lines differ: compared statement by statement.
fn excerpts(old: &str, new: &str, most: usize) -> (Vec<Excerpt>, bool) {
    const SHOWN: usize = 2_000;
    let (a, b) = (statements(old), statements(new));
    let mut found: Vec<Excerpt> = Vec::new();
    let mut said = 0;
    let mut is_cut = false;
    let (mut offset, mut at) = (0, 0);
    for operation in operations(&a, &b) {
        let (tag, was, is) = operation.as_tag_tuple();
        if tag == DiffTag::Equal {
            continue;
        }
        let passed = b.get(at..is.start).unwrap_or_default().iter();
        offset += passed.map(|piece| piece.len()).sum::<usize>();
        at = is.start;
        let joined = |of: &[&str], range: std::ops::Range<usize>| {
            let mut text = String::new();
            for piece in of.get(range).unwrap_or_default() {
                if text.len() + piece.len() > SHOWN {
                    let rest = piece.chars().take(SHOWN.saturating_sub(text.len()));
                    text.extend(rest);
                    return (text, true);
                }
                text.push_str(piece);
            }
            (text, false)
        };
        let ((before, cut_before), (after, cut_after)) = (joined(&a, was), joined(&b, is));
        is_cut |= cut_before || cut_after;
        said += before.len() + after.len();
        if found.len() >= EXCERPTS || said > most {
            return (found, true);
        }
        let passed = new.get(..offset).unwrap_or_default();
        let line_begins = passed.rfind('\n').map_or(0, |at| at + 1);
        found.push(Excerpt {
            line: passed.matches('\n').count() + 1,
            column: offset - line_begins + 1,
            before,
            after,
        });
    }
    (found, is_cut)
}

/// Cuts after what ends statements in most languages, and after 200 bytes at the latest.
fn statements(text: &str) -> Vec<&str> {
    let mut pieces = Vec::new();
    let mut from = 0;
    for (at, character) in text.char_indices() {
        let end = at + character.len_utf8();
        if matches!(character, '\n' | ';' | '{' | '}' | ',') || end - from >= 200 {
            pieces.extend(text.get(from..end));
            from = end;
        }
    }
    pieces.extend(text.get(from..).filter(|rest| !rest.is_empty()));
    pieces
}
