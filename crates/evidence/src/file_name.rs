//! File names out of text that an attacker may have chosen.

use crate::digest::Sha256Digest;

/// `text` as a file name: letters, digits, `-`, `_` and `.`, at most `longest` of them, not hidden.
/// What had to be changed or cut is told apart by a digest at the end, because an attacker chose it.
pub fn file_name(text: &str, longest: usize) -> String {
    let safe: String = text
        .chars()
        .map(|c| match c {
            'a'..='z' | 'A'..='Z' | '0'..='9' | '-' | '_' | '.' => c,
            _ => '-',
        })
        .collect();
    let safe = safe.trim_start_matches('.');
    if safe == text && text.len() <= longest && !text.is_empty() {
        return safe.to_owned();
    }
    let mark = Sha256Digest::of(text).short();
    let kept: String = safe
        .chars()
        .take(longest.saturating_sub(mark.len() + 1))
        .collect();
    let kept = kept.trim_matches(['-', '.']);
    if kept.is_empty() {
        mark
    } else {
        format!("{kept}-{mark}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn an_ordinary_name_stays_as_it_is() {
        assert_eq!(file_name("billing-api_v2.json", 80), "billing-api_v2.json");
    }

    proptest! {
        #[test]
        fn a_hostile_name_stays_in_its_folder_and_is_told_from_others(a in ".{0,300}", b in ".{0,300}") {
            let (x, y) = (file_name(&a, 64), file_name(&b, 64));
            prop_assert!(!x.is_empty() && x.len() <= 64, "{}", x);
            prop_assert!(!x.starts_with('.') && !x.contains(['/', '\\', '\0']));
            if a != b {
                prop_assert_ne!(x, y);
            }
        }
    }
}
