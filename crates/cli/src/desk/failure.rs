//! What went wrong, in words that say what to do, and the exit code that says which kind it was.

use std::fmt;
use std::process::ExitCode;

/// The kinds of failure that a script tells apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// The command or a file that it names cannot be used as it is: exit code 2.
    Usage,
    /// AWS was not reached, or refused: no credentials, no Region, expired, denied: exit code 3.
    Access,
    /// There is none: no such case, function, bucket: exit code 4.
    Absent,
    /// The vault is broken, full, or holds something else: exit code 5.
    Vault,
}

impl Kind {
    /// The process's exit code. 0 and 1 are answers: nothing is wrong, something is. 130 is Ctrl-C.
    pub const fn code(self) -> u8 {
        match self {
            Self::Usage => 2,
            Self::Access => 3,
            Self::Absent => 4,
            Self::Vault => 5,
        }
    }

    /// As in JSON.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Usage => "usage",
            Self::Access => "access",
            Self::Absent => "absent",
            Self::Vault => "vault",
        }
    }
}

/// A failure of a known kind. Anything else that fails counts as [`Kind::Usage`].
#[derive(Debug)]
pub struct Failure {
    /// Which kind.
    pub kind: Kind,
    /// What happened and what to do, without secrets and without control characters.
    pub what: String,
}

impl Failure {
    /// A failure as an error.
    #[expect(clippy::new_ret_no_self, reason = "whoever fails returns an error")]
    pub fn new(kind: Kind, what: impl Into<String>) -> anyhow::Error {
        Self {
            kind,
            what: what.into(),
        }
        .into()
    }

    /// The exit code of an error.
    pub fn code(error: &anyhow::Error) -> ExitCode {
        ExitCode::from(Self::kind(error).code())
    }

    /// Whether nobody reads the answer any more.
    pub fn is_of_the_reader(error: &anyhow::Error) -> bool {
        let written = error.downcast_ref::<std::io::Error>();
        written.is_some_and(|error| error.kind() == std::io::ErrorKind::BrokenPipe)
    }

    /// The kind of an error, from what it was made of.
    pub fn kind(error: &anyhow::Error) -> Kind {
        if let Some(failure) = error.downcast_ref::<Self>() {
            return failure.kind;
        }
        let of_the_vault = match error.downcast_ref::<vault::SealError>() {
            Some(vault::SealError::Vault(error)) => Some(error),
            // What is sealed does not hold together.
            Some(_) => return Kind::Vault,
            None => error.downcast_ref::<vault::VaultError>(),
        };
        match of_the_vault {
            Some(vault::VaultError::NotFound { .. }) => Kind::Absent,
            // A bucket that is not there, or not to be used, is no broken vault.
            Some(vault::VaultError::Unavailable { call, cause, .. }) if call.starts_with("s3:") => {
                let code = cause.split(':').next().unwrap_or_default();
                match code {
                    "NoSuchBucket" => Kind::Absent,
                    "AccessDenied" | "ExpiredToken" | "InvalidAccessKeyId" | "InvalidToken" => {
                        Kind::Access
                    }
                    _ => Kind::Vault,
                }
            }
            Some(_) => Kind::Vault,
            None if is_of_the_disk(error) => Kind::Vault,
            None => Kind::Usage,
        }
    }
}

/// Whether the disk is full, whatever was to be written.
fn is_of_the_disk(error: &anyhow::Error) -> bool {
    let mut causes = error.chain().filter_map(|it| it.downcast_ref());
    causes.any(|it: &std::io::Error| {
        matches!(
            it.kind(),
            std::io::ErrorKind::StorageFull | std::io::ErrorKind::QuotaExceeded
        )
    })
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.what)
    }
}

impl std::error::Error for Failure {}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io;

    #[test]
    fn a_full_disk_is_no_misuse() {
        let full = anyhow::Error::new(io::Error::from(io::ErrorKind::StorageFull));
        assert_eq!(
            Failure::kind(&full.context("cannot be written")),
            Kind::Vault
        );
        let other = anyhow::Error::new(io::Error::from(io::ErrorKind::InvalidInput));
        assert_eq!(Failure::kind(&other), Kind::Usage);
    }
}
