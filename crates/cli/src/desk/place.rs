//! A place of evidence, as people write it.

use std::convert::Infallible;
use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;

/// A bucket or a directory.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Place {
    /// `s3://BUCKET`.
    Bucket(String),
    /// A directory.
    Directory(PathBuf),
}

impl FromStr for Place {
    type Err = Infallible;

    fn from_str(text: &str) -> Result<Self, Infallible> {
        Ok(match text.strip_prefix("s3://") {
            Some(bucket) => Self::Bucket(bucket.trim_end_matches('/').to_owned()),
            None => Self::Directory(PathBuf::from(text)),
        })
    }
}

impl Place {
    /// As it was written, for JSON and for commands: not fit to be shown on a terminal.
    pub fn raw(&self) -> String {
        match self {
            Self::Bucket(bucket) => format!("s3://{bucket}"),
            Self::Directory(path) => path.display().to_string(),
        }
    }
}

/// For people: without control characters.
impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&evidence::shown(&self.raw(), 4096))
    }
}
