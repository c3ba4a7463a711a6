//! How a target is named in text: an ARN of AWS; of others an address of ours, or what the provider
//! itself writes, in its API, its console or its command line.
//!
//! | provider | address |
//! |---|---|
//! | AWS | the ARN |
//! | Google Cloud | `gcp://PROJECT/LOCATION/FUNCTION` |
//! | Azure | `azure://SUBSCRIPTION/GROUP/SITE[/slots/SLOT]` |
//! | Cloudflare | `cloudflare://ACCOUNT/SCRIPT` |
//!
//! Every part is held to the characters that the provider allows: it becomes part of a path.

use crate::target::{Provider, ResourceKind, Target};

/// Text that names no resource this program knows.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error(
    "{text:?} names no function coldcase knows: give an ARN \
     (arn:aws:lambda:REGION:ACCOUNT:function:NAME), gcp://PROJECT/LOCATION/FUNCTION, \
     azure://SUBSCRIPTION/GROUP/SITE[/slots/SLOT] or cloudflare://ACCOUNT/SCRIPT"
)]
pub struct BadTarget {
    /// What was given, cut to 200 characters.
    pub text: String,
}

impl Target {
    /// Reads an ARN, an address of ours, or the provider's own resource id or URL.
    pub fn parse(text: &str) -> Result<Self, BadTarget> {
        let text = text.trim();
        let read = if text.starts_with("arn:") {
            Self::from_arn(text).ok()
        } else {
            gcp(text)
                .or_else(|| azure(text))
                .or_else(|| cloudflare(text))
        };
        read.ok_or_else(|| BadTarget {
            text: text.chars().take(200).collect(),
        })
    }

    /// Whether text is meant to name a target fully, rather than to be a bare name.
    pub fn is_address(text: &str) -> bool {
        text.contains("://") || text.contains('/') || text.starts_with("arn:")
    }

    /// What names this resource and no other, qualifier included: the ARN where it has one, else our
    /// address. [`Target::parse`] reads it back.
    pub fn id(&self) -> String {
        let Self {
            account,
            region,
            name,
            ..
        } = self;
        match self.provider {
            Provider::Aws => self.arn(),
            Provider::Gcp => format!("gcp://{account}/{region}/{name}"),
            Provider::Azure => {
                let group = self.group.as_deref().unwrap_or_default();
                format!("azure://{account}/{group}/{name}")
            }
            Provider::Cloudflare => format!("cloudflare://{account}/{name}"),
        }
    }

    /// The same of the resource without its qualifier.
    pub fn id_unqualified(&self) -> String {
        self.unqualified().id()
    }
}

/// A function of a provider that is not AWS.
fn function(provider: Provider, account: &str, region: &str, name: &str) -> Target {
    Target {
        provider,
        account: account.to_owned(),
        region: region.to_owned(),
        kind: ResourceKind::Function,
        name: name.to_owned(),
        qualifier: None,
        group: None,
    }
}

fn gcp(text: &str) -> Option<Target> {
    let console = "https://console.cloud.google.com/functions/details/";
    let (project, location, name) = if let Some(path) = text.strip_prefix("gcp://") {
        let [project, location, name] = parts(path)?;
        (project, location, name)
    } else if let Some(page) = text.strip_prefix(console) {
        let (path, query) = page.split_once('?')?;
        let mut path = path.split('/');
        let query = query.split('#').next()?;
        let project = query
            .split('&')
            .find_map(|it| it.strip_prefix("project="))?;
        (project, path.next()?, path.next()?)
    } else {
        let path = text
            .strip_prefix("https://cloudfunctions.googleapis.com/v2/")
            .or_else(|| text.strip_prefix("https://cloudfunctions.googleapis.com/v1/"))
            .or_else(|| text.strip_prefix("//cloudfunctions.googleapis.com/"))
            .unwrap_or(text);
        let [
            "projects",
            project,
            "locations",
            location,
            "functions",
            name,
        ] = parts(path)?
        else {
            return None;
        };
        (project, location, name)
    };
    let is_good = of(project, 1..=63, |c| is_lower(c) || ":.-".contains(c))
        && of(location, 1..=40, |c| is_lower(c) || c == '-')
        && of(name, 1..=63, |c| {
            c.is_ascii_alphanumeric() || "-_".contains(c)
        });
    is_good.then(|| function(Provider::Gcp, project, location, name))
}

fn azure(text: &str) -> Option<Target> {
    let lower = text.to_ascii_lowercase();
    let path = match lower.strip_prefix("azure://") {
        Some(path) => path.to_owned(),
        None => {
            // A resource id, alone or within an address of the API or the portal.
            let is_known = [
                "/",
                "https://management.azure.com/",
                "https://portal.azure.com/",
            ]
            .iter()
            .any(|begin| lower.starts_with(begin));
            let at = lower.find("/subscriptions/").filter(|_| is_known)?;
            let id = lower[at..].split(['?', '#']).next()?;
            let mut fields = id.split('/').skip(1);
            let mut next = |name: &str| (fields.next()? == name).then(|| fields.next()).flatten();
            let subscription = next("subscriptions")?;
            let group = next("resourcegroups")?;
            (next("providers")? == "microsoft.web").then_some(())?;
            let site = next("sites")?;
            match next("slots") {
                Some(slot) => format!("{subscription}/{group}/{site}/slots/{slot}"),
                None => format!("{subscription}/{group}/{site}"),
            }
        }
    };
    let mut fields = path.splitn(3, '/');
    let (subscription, group, name) = (fields.next()?, fields.next()?, fields.next()?);
    let (site, slot) = match name.split_once("/slots/") {
        Some((site, slot)) => (site, Some(slot)),
        None => (name, None),
    };
    let is_site = |text: &str| of(text, 1..=60, |c| is_lower(c) || c == '-');
    let is_good = of(subscription, 36..=36, |c| c.is_ascii_hexdigit() || c == '-')
        && of(group, 1..=90, |c| is_lower(c) || "-_.()".contains(c))
        && is_site(site)
        && slot.is_none_or(is_site);
    is_good.then(|| Target {
        group: Some(group.to_owned()),
        ..function(Provider::Azure, subscription, "", name)
    })
}

fn cloudflare(text: &str) -> Option<Target> {
    let path = |text| {
        let path: &str = text;
        path.split(['?', '#']).next()
    };
    let (account, name) = if let Some(path) = text.strip_prefix("cloudflare://") {
        let [account, name] = parts(path)?;
        (account, name)
    } else if let Some(page) = text.strip_prefix("https://dash.cloudflare.com/") {
        let (account, rest) = path(page)?.split_once('/')?;
        let name = rest.strip_prefix("workers/services/view/")?;
        let (name, environment) = name.split_once('/').unwrap_or((name, "production"));
        // A Worker of the older kind has environments, each a script of its own; what is asked for here
        // is the first one.
        if environment.split('/').next() != Some("production") {
            return None;
        }
        (account, name)
    } else {
        let api = "https://api.cloudflare.com/client/v4/accounts/";
        let (account, rest) = path(text.strip_prefix(api)?)?.split_once('/')?;
        let name = rest.strip_prefix("workers/scripts/")?;
        (account, name.split('/').next()?)
    };
    let is_good = of(account, 32..=32, |c| {
        c.is_ascii_digit() || ('a'..='f').contains(&c)
    }) && of(name, 1..=63, |c| {
        c.is_ascii_alphanumeric() || "-_.".contains(c)
    });
    is_good.then(|| function(Provider::Cloudflare, account, "", name))
}

/// Exactly so many parts, none of them empty.
fn parts<const N: usize>(path: &str) -> Option<[&str; N]> {
    let parts: Vec<&str> = path.split('/').collect();
    parts.try_into().ok()
}

/// Whether text is so long and of such characters only. What a path is made of by itself is no name.
fn of(text: &str, length: std::ops::RangeInclusive<usize>, is_good: impl Fn(char) -> bool) -> bool {
    length.contains(&text.len()) && text.chars().all(is_good) && text != "." && text != ".."
}

fn is_lower(c: char) -> bool {
    c.is_ascii_lowercase() || c.is_ascii_digit()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const ACCOUNT: &str = "0123456789abcdef0123456789abcdef";
    const SUBSCRIPTION: &str = "00000000-1111-2222-3333-444455556666";

    #[test]
    fn an_address_survives_the_round_trip() {
        for id in [
            "arn:aws:lambda:eu-west-1:111122223333:function:billing:7".to_owned(),
            "gcp://example-project/europe-west1/billing_api".to_owned(),
            "gcp://example.com:old-project/us-central1/f".to_owned(),
            format!("azure://{SUBSCRIPTION}/billing-rg/billing-api"),
            format!("azure://{SUBSCRIPTION}/billing_(old).rg/billing-api/slots/staging"),
            format!("cloudflare://{ACCOUNT}/billing-api"),
        ] {
            assert_eq!(Target::parse(&id).unwrap().id(), id);
            assert!(Target::is_address(&id));
        }
    }

    #[test]
    fn what_the_provider_writes_is_the_same_target() {
        let gcp = "gcp://example-project/europe-west1/billing";
        let azure = format!("azure://{SUBSCRIPTION}/rg/billing-api");
        let resource = format!(
            "subscriptions/{SUBSCRIPTION}/resourceGroups/RG/providers/Microsoft.Web/sites/Billing-API"
        );
        let cloudflare = format!("cloudflare://{ACCOUNT}/billing-api");
        let path = "projects/example-project/locations/europe-west1/functions/billing";
        for (text, id) in [
            (path.to_owned(), gcp),
            (format!("//cloudfunctions.googleapis.com/{path}"), gcp),
            (format!("https://cloudfunctions.googleapis.com/v2/{path}"), gcp),
            (
                "https://console.cloud.google.com/functions/details/europe-west1/billing?env=gen2&project=example-project#x"
                    .to_owned(),
                gcp,
            ),
            (format!("/{resource}"), &azure),
            (format!("https://management.azure.com/{resource}?api-version=2025-05-01"), &azure),
            (format!("https://portal.azure.com/#@example.com/resource/{resource}/appServices"), &azure),
            (format!("/{resource}/slots/Staging/config"), &format!("{azure}/slots/staging")),
            (
                format!("https://dash.cloudflare.com/{ACCOUNT}/workers/services/view/billing-api/production?x=1"),
                &cloudflare,
            ),
            (
                format!("https://api.cloudflare.com/client/v4/accounts/{ACCOUNT}/workers/scripts/billing-api/settings"),
                &cloudflare,
            ),
            (format!(" {cloudflare}\n"), &cloudflare),
        ] {
            assert_eq!(Target::parse(&text).map(|it| it.id()), Ok(id.to_owned()), "{text}");
        }
    }

    #[test]
    fn what_would_lead_elsewhere_names_nothing() {
        for text in [
            String::new(),
            "billing".to_owned(),
            "gcp://p/l".to_owned(),
            "gcp://p/l/f/g".to_owned(),
            "gcp://p/l/..".to_owned(),
            "gcp://p/../f".to_owned(),
            "gcp:///l/f".to_owned(),
            "gcp://p/l/f?x=1".to_owned(),
            "gcp://p/l@evil.test/f".to_owned(),
            "projects/p/locations/l/services/f".to_owned(),
            format!("azure://{SUBSCRIPTION}/rg"),
            format!("azure://{SUBSCRIPTION}/rg/site/slots/"),
            format!("azure://{SUBSCRIPTION}/rg/site/hostruntime/x"),
            format!("azure://{SUBSCRIPTION}/../site"),
            "azure://evil.test/rg/site".to_owned(),
            format!(
                "/subscriptions/{SUBSCRIPTION}/resourceGroups/rg/providers/Microsoft.Evil/sites/x"
            ),
            format!(
                "https://evil.test/subscriptions/{SUBSCRIPTION}/resourceGroups/rg/providers/Microsoft.Web/sites/x"
            ),
            format!("cloudflare://{ACCOUNT}/.."),
            format!("cloudflare://{ACCOUNT}/"),
            format!("cloudflare://{ACCOUNT}/a/b"),
            format!("cloudflare://{ACCOUNT}0/a"),
            "cloudflare://0123456789ABCDEF0123456789ABCDEF/a".to_owned(),
            format!("https://dash.cloudflare.com.evil.test/{ACCOUNT}/workers/services/view/a"),
            format!("https://dash.cloudflare.com/{ACCOUNT}/workers/services/view/a/staging"),
            "s3://bucket/key".to_owned(),
        ] {
            let error = Target::parse(&text).unwrap_err().to_string();
            assert!(error.contains(&format!("{text:?}")), "{error}");
        }
    }

    proptest! {
        #[test]
        fn whatever_is_read_is_written_so_that_it_is_read_again(
            text in "(gcp|azure|cloudflare)://[a-f0-9/.:@%-]{0,60}|arn:aws:lambda:[a-z:/-]{0,40}|.{0,60}"
        ) {
            if let Ok(target) = Target::parse(&text) {
                prop_assert_eq!(Target::parse(&target.id()).unwrap(), target);
            }
        }
    }
}
