//! Where a value in a source comes from: the arguments of a call, and what was assigned to the names
//! in them. Reads text, not a syntax tree: near enough for Python, JavaScript and Ruby, and it cannot
//! be made to fail by a file that does not parse.

use super::Scene;
use super::pattern::Pattern;
use std::cell::Cell;
use std::ops::Range;

/// How far back the origin of a name is looked for.
const BACK: usize = 16 << 10;

/// How much is read to find where the values of one file come from: so many times its size. Ordinary
/// files need a few; what is written to be slow ends here, and that is said.
pub(super) struct Budget(Cell<usize>);

impl Budget {
    pub(super) fn of(bytes: &[u8]) -> Self {
        Self(Cell::new(
            bytes.len().saturating_mul(40).saturating_add(256 << 10),
        ))
    }

    pub(super) fn is_spent(&self) -> bool {
        self.0.get() == 0
    }

    fn spend(&self, bytes: usize) {
        self.0.set(self.0.get().saturating_sub(bytes));
    }
}

/// The longest arguments or assigned value that are read.
const LONGEST: usize = 2_000;

/// What stands between the bracket that ends at `open` and the one that closes it.
pub(super) fn arguments(bytes: &[u8], open: usize) -> Range<usize> {
    let end = bytes.len().min(open.saturating_add(LONGEST));
    let mut depth = 1_usize;
    let mut quote = None;
    let mut at = open;
    while at < end {
        let byte = bytes.get(at).copied().unwrap_or_default();
        match (quote, byte) {
            (Some(_), b'\\') => at += 1,
            (Some(open_quote), _) if byte == open_quote => quote = None,
            (Some(_), _) => {}
            (None, b'"' | b'\'' | b'`') => quote = Some(byte),
            (None, b'(' | b'[' | b'{') => depth += 1,
            (None, b')' | b']' | b'}') => {
                depth -= 1;
                if depth == 0 {
                    return open..at;
                }
            }
            (None, _) => {}
        }
        at += 1;
    }
    open..end
}

/// Whether `wanted` stands in the expression at `place`, or in what was assigned, up to three steps
/// back, to a name in it.
pub(super) fn comes_from(scene: &Scene<'_>, place: &Range<usize>, wanted: &Pattern) -> bool {
    origin(scene, place, wanted, 3).is_some()
}

/// Where `wanted` stands, if the expression at `place` holds it or is made from it in `steps` steps.
pub(super) fn origin(
    scene: &Scene<'_>,
    place: &Range<usize>,
    wanted: &Pattern,
    steps: usize,
) -> Option<Range<usize>> {
    follow(scene, place, wanted, steps, None)
}

/// As [`origin`], but not through a value in which `end` stands.
pub(super) fn origin_unless(
    scene: &Scene<'_>,
    place: &Range<usize>,
    wanted: &Pattern,
    steps: usize,
    end: &Pattern,
) -> Option<Range<usize>> {
    follow(scene, place, wanted, steps, Some(end))
}

fn follow(
    scene: &Scene<'_>,
    place: &Range<usize>,
    wanted: &Pattern,
    steps: usize,
    end: Option<&Pattern>,
) -> Option<Range<usize>> {
    let bytes = scene.bytes;
    scene.budget.spend(place.len());
    let expression = bytes.get(place.clone())?;
    if let Some(found) = wanted.find(expression) {
        return Some(place.start + found.start..place.start + found.end);
    }
    if steps == 0 || scene.budget.is_spent() {
        return None;
    }
    names(expression)
        .into_iter()
        .filter_map(|name| assigned(scene, name, place.start))
        .filter(|value| {
            end.is_none_or(|end| {
                bytes
                    .get(value.clone())
                    .is_none_or(|value| !end.is_in(value))
            })
        })
        .find_map(|value| follow(scene, &value, wanted, steps - 1, end))
}

/// The first names in an expression, words in quotes left out.
fn names(expression: &[u8]) -> Vec<&[u8]> {
    let mut names: Vec<&[u8]> = Vec::new();
    let mut at = 0;
    let mut quote = None;
    while at < expression.len() && names.len() < 6 {
        let byte = expression.get(at).copied().unwrap_or_default();
        match quote {
            Some(_) if byte == b'\\' => at += 1,
            Some(open) if byte == open => quote = None,
            Some(_) => {}
            None if matches!(byte, b'"' | b'\'' | b'`') => quote = Some(byte),
            None if is_name(byte) => {
                let end = expression
                    .get(at..)
                    .unwrap_or_default()
                    .iter()
                    .position(|byte| !is_name(*byte))
                    .map_or(expression.len(), |length| at + length);
                let is_member = at > 0 && expression.get(at - 1) == Some(&b'.');
                let name = expression.get(at..end).unwrap_or_default();
                if !is_member && !byte.is_ascii_digit() && !names.contains(&name) {
                    names.push(name);
                }
                at = end;
                continue;
            }
            None => {}
        }
        at += 1;
    }
    names
}

/// The value that was last assigned to `name` before `before`.
fn assigned(scene: &Scene<'_>, name: &[u8], before: usize) -> Option<Range<usize>> {
    let bytes = scene.bytes;
    let from = before.saturating_sub(BACK);
    let text = bytes.get(from..before)?;
    let mut end = text.len();
    // Seldom more: each place where the name stands is a place to read from.
    for _ in 0..40 {
        if scene.budget.is_spent() {
            return None;
        }
        let found = memchr::memmem::rfind(text.get(..end)?, name);
        scene.budget.spend(end - found.unwrap_or(0));
        let at = found?;
        end = at;
        let is_start = at == 0
            || !text
                .get(at - 1)
                .is_some_and(|byte| is_name(*byte) || *byte == b'.');
        let rest = text.get(at + name.len()..).unwrap_or_default();
        if !is_start || rest.first().is_some_and(|byte| is_name(*byte)) {
            continue;
        }
        let blank = rest.iter().take_while(|byte| **byte == b' ').count();
        let rest = rest.get(blank..).unwrap_or_default();
        let value = match rest {
            [b'=', b'=' | b'>', ..] => continue,
            [b'=', ..] => 1,
            [b'+', b'=', ..] | [b':', b'=', ..] => 2,
            // `with urlopen(…) as response:` names what stands before.
            [b':', ..] if text.get(..at).is_some_and(|text| text.ends_with(b" as ")) => {
                let line = memchr::memrchr(b'\n', text.get(..at)?).map_or(0, |end| end + 1);
                return Some(from + line..from + at);
            }
            _ => continue,
        };
        let start = from + at + name.len() + blank + value;
        return Some(statement(bytes, start));
    }
    None
}

/// From `start` to the end of the statement: a `;`, or a line's end outside of brackets.
fn statement(bytes: &[u8], start: usize) -> Range<usize> {
    let end = bytes.len().min(start.saturating_add(LONGEST));
    let mut depth = 0_usize;
    let mut quote = None;
    let mut at = start;
    while at < end {
        let byte = bytes.get(at).copied().unwrap_or_default();
        match (quote, byte) {
            (Some(_), b'\\') => at += 1,
            (Some(open), _) if byte == open => quote = None,
            (Some(_), _) => {}
            (None, b'"' | b'\'' | b'`') => quote = Some(byte),
            (None, b'(' | b'[' | b'{') => depth += 1,
            (None, b')' | b']' | b'}') if depth == 0 => return start..at,
            (None, b')' | b']' | b'}') => depth -= 1,
            (None, b'\n' | b';') if depth == 0 => return start..at,
            (None, _) => {}
        }
        at += 1;
    }
    start..end
}

fn is_name(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'$')
}
