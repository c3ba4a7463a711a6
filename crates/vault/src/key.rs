//! Which keys a vault takes: the same in every place, so that a case can move between them.

use crate::VaultError;

/// The longest key; S3 takes 1,024 bytes, and a bucket may be given a prefix later.
const LONGEST: usize = 900;
/// The longest part between two slashes; file systems take 255 bytes.
const LONGEST_PART: usize = 255;

/// Refuses a key that could leave its folder, hide in it, or that some place would not take.
pub(crate) fn check(key: &str) -> Result<(), VaultError> {
    let sound = key.len() <= LONGEST && key.split('/').all(|part| !part.is_empty() && sound(part));
    sound.then_some(()).ok_or_else(|| bad(key))
}

/// Whether a vault takes this for a key: a relative path of letters, digits and `-_.`, no part of which
/// begins with a dot.
pub fn is_key(key: &str) -> bool {
    check(key).is_ok()
}

/// The same for the beginning of a key; it may be empty or end anywhere.
pub(crate) fn check_prefix(prefix: &str) -> Result<(), VaultError> {
    let (folder, rest) = prefix.rsplit_once('/').unwrap_or(("", prefix));
    if !folder.is_empty() {
        check(folder)?;
    } else if prefix.starts_with('/') {
        return Err(bad(prefix));
    }
    (prefix.len() <= LONGEST && sound(rest))
        .then_some(())
        .ok_or_else(|| bad(prefix))
}

fn sound(part: &str) -> bool {
    part.len() <= LONGEST_PART
        && !part.starts_with('.')
        && part
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.'))
}

fn bad(key: &str) -> VaultError {
    VaultError::BadKey {
        key: key.chars().take(200).collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_stays_in_its_folder() {
        for key in ["a", "cases/x/manifest-0000.json", "a/b_c-d.e"] {
            assert!(check(key).is_ok(), "{key}");
        }
        let long = "a".repeat(256);
        for key in [
            "", "/", "/a", "a/", "a//b", ".", "..", "a/..", "../a", "a/./b", ".hidden", "a\\b",
            "a\0b", "a b", "ä", "a:b", "a\nb", &long,
        ] {
            assert!(check(key).is_err(), "{key:?}");
        }
    }

    #[test]
    fn a_prefix_may_end_anywhere_but_not_outside() {
        for prefix in ["", "a", "a/", "a/b", "cases/x/manifest-"] {
            assert!(check_prefix(prefix).is_ok(), "{prefix}");
        }
        for prefix in ["/", "/a", "../", "a/../", "a/..", "a//"] {
            assert!(check_prefix(prefix).is_err(), "{prefix}");
        }
    }
}
