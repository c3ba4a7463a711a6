//! Google Cloud, as the caller's own environment reaches it.

use super::{Failure, Kind};
use anyhow::Result;
use collectors::gcp::{Credentials, Google};
use collectors::rest::Trouble;

/// Reaches Google Cloud, or says what is missing.
pub fn reach() -> Result<Google> {
    let set = |name: &str| std::env::var(name).ok();
    let credentials = Credentials::from_env(set)
        .map_err(|error| Failure::new(Kind::Access, error.to_string()))?;
    Google::new(&credentials, set).map_err(|error| Failure::new(Kind::Usage, error.to_string()))
}

/// What Google would not do, in words that say what to do.
pub fn refused(trouble: &Trouble) -> anyhow::Error {
    let (kind, advice) = match trouble {
        Trouble::Denied(_) => (
            Kind::Access,
            "Google does not take these credentials: check them with `gcloud auth \
             application-default print-access-token`, and that they may read the project's functions",
        ),
        Trouble::Absent(_) => (Kind::Absent, "Google knows no such project or function"),
        Trouble::Throttled(_) => (
            Kind::Access,
            "Google refuses for now: the project's requests of this minute are used up",
        ),
        Trouble::Passing(_) => (
            Kind::Access,
            "Google was not reached: check the network, and CLOUDSDK_API_ENDPOINT_OVERRIDES_… if set",
        ),
        Trouble::Failed(_) => (Kind::Access, "Google refused"),
    };
    Failure::new(kind, format!("{advice} ({})", trouble.why()))
}
