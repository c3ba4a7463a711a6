//! Cloudflare, as the caller's own environment reaches it.

use super::{Failure, Kind};
use anyhow::Result;
use collectors::cloudflare::{BASE, Cloudflare, Credentials};
use collectors::rest::Trouble;

/// The variable that Cloudflare's own SDKs read the API's address from.
const BASE_URL: &str = "CLOUDFLARE_BASE_URL";

/// Reaches an account of Cloudflare, or says what is missing; and whose the credentials are.
pub async fn reach(account: &str) -> Result<(Cloudflare, String)> {
    let set = |name: &str| std::env::var(name).ok();
    let credentials = Credentials::from_env(set)
        .map_err(|error| Failure::new(Kind::Access, error.to_string()))?;
    let base = set(BASE_URL).filter(|base| !base.trim().is_empty());
    let cloud = Cloudflare::new(base.as_deref().unwrap_or(BASE), credentials)
        .map_err(|error| Failure::new(Kind::Usage, format!("{BASE_URL} is {error}")))?;
    match cloud.identity(account).await {
        Ok(identity) => Ok((cloud, identity)),
        Err(trouble) => Err(refused(&trouble)),
    }
}

/// What Cloudflare would not do, in words that say what to do.
pub fn refused(trouble: &Trouble) -> anyhow::Error {
    let (kind, advice) = match trouble {
        Trouble::Denied(_) => (
            Kind::Access,
            "Cloudflare does not take these credentials: check CLOUDFLARE_API_TOKEN, and that the token \
             is one for this account",
        ),
        Trouble::Absent(_) => (Kind::Absent, "Cloudflare knows no such account or Worker"),
        Trouble::Throttled(_) => (
            Kind::Access,
            "Cloudflare refuses all requests for five minutes: there were more than 1,200 in the last five",
        ),
        Trouble::Passing(_) => (
            Kind::Access,
            "Cloudflare was not reached: check the network and CLOUDFLARE_BASE_URL",
        ),
        Trouble::Failed(_) => (Kind::Access, "Cloudflare refused"),
    };
    Failure::new(kind, format!("{advice} ({})", trouble.why()))
}
