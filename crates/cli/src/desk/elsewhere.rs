//! Providers other than AWS, as the caller's own environment reaches them.

use super::{Failure, Kind, cloudflare, google};
use anyhow::Result;
use collectors::Clouds;
use collectors::rest::Trouble;
use evidence::{Provider, Target};

/// Reaches the provider of a target; and whose the credentials are, for the manifest.
pub async fn reach(target: &Target) -> Result<(Clouds, String)> {
    match target.provider {
        Provider::Cloudflare => {
            let (cloud, identity) = cloudflare::reach(&target.account).await?;
            let clouds = Clouds {
                cloudflare: Some(cloud),
                ..Clouds::default()
            };
            Ok((clouds, identity))
        }
        Provider::Gcp => {
            let google = google::reach()?;
            let identity = google.identity().to_owned();
            let clouds = Clouds {
                google: Some(google),
                ..Clouds::default()
            };
            Ok((clouds, identity))
        }
        provider @ (Provider::Aws | Provider::Azure) => Err(Failure::new(
            Kind::Usage,
            format!(
                "this version of coldcase does not look into {}",
                provider.name()
            ),
        )),
    }
}

/// Refuses a function that is not there, before a case is made of a mistyped name. Who may not look learns
/// it from the case.
pub async fn check(clouds: &Clouds, target: &Target) -> Result<()> {
    let (what, within, refused): (_, _, fn(&Trouble) -> anyhow::Error) = match target.provider {
        Provider::Cloudflare => ("Worker", "account", cloudflare::refused),
        _ => ("function", "project", google::refused),
    };
    match clouds.knows(target).await {
        Ok(false) => Err(Failure::new(
            Kind::Absent,
            format!(
                "there is no {what} {} in {within} {}: check both; if it was deleted, --anyway preserves \
                 what is left of it",
                target.name, target.account
            ),
        )),
        Err(trouble @ (Trouble::Passing(_) | Trouble::Throttled(_))) => Err(refused(&trouble)),
        _ => Ok(()),
    }
}
