//! What could be read, told apart from what could not.

use serde::{Deserialize, Serialize};

/// How the reason ends where nobody tried.
pub(crate) const NOT_ASKED: &str = " was not asked for";
/// The reason of a part that this kind of function does not have.
pub(crate) const NO_PART: &str = "there is no such part";

/// One part of a snapshot. What was refused is unknown, which is another thing than not there.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Reading<T> {
    /// Read, all of it.
    Known(T),
    /// A list that broke off: what is in it is there, what is not in it may be there all the same.
    Partly {
        /// What was read.
        value: T,
        /// What is missing and why.
        why: String,
    },
    /// Not read.
    Unknown {
        /// Why not.
        why: String,
    },
}

impl<T> Reading<T> {
    /// What was read, be it whole or not.
    pub fn value(&self) -> Option<&T> {
        match self {
            Self::Known(value) | Self::Partly { value, .. } => Some(value),
            Self::Unknown { .. } => None,
        }
    }

    /// The same, to be changed.
    pub(crate) fn value_mut(&mut self) -> Option<&mut T> {
        match self {
            Self::Known(value) | Self::Partly { value, .. } => Some(value),
            Self::Unknown { .. } => None,
        }
    }

    /// Whether all of it was read, so that what is not in it is not there.
    pub const fn is_whole(&self) -> bool {
        matches!(self, Self::Known(_))
    }

    /// Why not all of it was read.
    pub fn why(&self) -> Option<&str> {
        match self {
            Self::Known(_) => None,
            Self::Partly { why, .. } | Self::Unknown { why } => Some(why),
        }
    }

    /// Nobody tried to read it, as against: it was refused or failed.
    pub fn was_not_asked(&self) -> bool {
        matches!(self, Self::Unknown { why } if why.ends_with(NOT_ASKED))
    }

    /// There is no such part of this kind of function, so that it is missing nowhere.
    pub(crate) fn is_no_part(&self) -> bool {
        matches!(self, Self::Unknown { why } if why == NO_PART)
    }

    /// Not read.
    pub(crate) fn unknown(why: impl Into<String>) -> Self {
        Self::Unknown { why: why.into() }
    }

    /// The same of what was read.
    pub(crate) fn map<U>(self, make: impl FnOnce(T) -> U) -> Reading<U> {
        match self {
            Self::Known(value) => Reading::Known(make(value)),
            Self::Partly { value, why } => Reading::Partly {
                value: make(value),
                why,
            },
            Self::Unknown { why } => Reading::Unknown { why },
        }
    }
}
