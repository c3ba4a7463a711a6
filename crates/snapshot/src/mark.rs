//! Marks: how environment values are compared without being known.

use ring::hmac;
use serde::{Deserialize, Serialize};
use std::fmt;

/// The key of the marks: 32 random bytes, of an account's vault. Without it a mark cannot be made, so
/// that nobody tries out values who can read findings only.
#[derive(Clone, PartialEq, Eq)]
pub struct MarkKey([u8; 32]);

/// A key that is not 32 bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "the mark key is {length} bytes long instead of 32; is it really the vault's baselines/mark-key?"
)]
pub struct BadMarkKey {
    /// What it is.
    pub length: usize,
}

/// Stands for a value: equal for equal values of the same name, different otherwise, except for one
/// pair in 2^48. 12 hexadecimal digits.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Mark(String);

impl MarkKey {
    /// A key of 32 bytes.
    pub const fn new(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    /// The key as it lies in the vault: 32 bytes.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, BadMarkKey> {
        let length = bytes.len();
        bytes
            .try_into()
            .map(Self)
            .map_err(|_| BadMarkKey { length })
    }

    /// The mark of a value. The name goes into it, so that marks do not tell which variables or
    /// functions share a secret.
    pub(crate) fn mark(&self, name: &str, value: &str) -> Mark {
        let key = hmac::Key::new(hmac::HMAC_SHA256, &self.0);
        let mut context = hmac::Context::with_key(&key);
        context.update(name.as_bytes());
        // No name of an environment variable holds a zero byte.
        context.update(&[0]);
        context.update(value.as_bytes());
        let tag = context.sign();
        let digits = tag.as_ref().iter().take(6);
        Mark(digits.map(|byte| format!("{byte:02x}")).collect())
    }
}

impl fmt::Debug for MarkKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("MarkKey(withheld)")
    }
}

impl fmt::Display for Mark {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_mark_is_the_beginning_of_the_keyed_hash_of_name_and_value() {
        // python3 -c 'import hmac;print(hmac.new(b"\x07"*32,b"KEY\0secret","sha256").hexdigest()[:12])'
        let mark = MarkKey::new([7; 32]).mark("KEY", "secret");
        assert_eq!(mark.to_string(), "b64c33d8c8fe");
    }

    #[test]
    fn a_key_of_another_length_is_refused_and_no_key_is_shown() {
        assert_eq!(MarkKey::from_bytes(b"short"), Err(BadMarkKey { length: 5 }));
        assert_eq!(format!("{:?}", MarkKey::new([7; 32])), "MarkKey(withheld)");
    }

    proptest! {
        #[test]
        fn marks_are_equal_for_equal_values_under_one_key_only(a in ".{0,20}", b in ".{0,20}") {
            let (one, other) = (MarkKey::new([1; 32]), MarkKey::new([2; 32]));
            prop_assert_eq!(one.mark("N", &a) == one.mark("N", &b), a == b);
            prop_assert_ne!(one.mark("N", &a), other.mark("N", &a));
            prop_assert_ne!(one.mark("N", &a), one.mark("M", &a));
        }
    }
}
