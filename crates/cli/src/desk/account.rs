//! The AWS account, as the caller's own configuration reaches it.

use super::{Failure, Kind, Options};
use anyhow::Result;
use aws_config::{BehaviorVersion, Region, SdkConfig};
use aws_sdk_sts::error::{DisplayErrorContext, ProvideErrorMetadata};
use collectors::aws::http_client;

/// Credentials and a Region that work.
#[derive(Clone)]
pub struct Account {
    /// For clients.
    pub config: SdkConfig,
    /// Twelve digits.
    pub id: String,
    /// The caller's ARN, as STS tells it.
    pub caller: String,
    /// The Region of the configuration.
    pub region: String,
}

/// The configuration that the options and the environment make: profiles, SSO, Region, endpoint.
pub async fn config(options: &Options) -> SdkConfig {
    let mut loader = aws_config::defaults(BehaviorVersion::latest()).http_client(http_client());
    if let Some(profile) = &options.profile {
        loader = loader.profile_name(profile);
    }
    if let Some(region) = &options.region {
        loader = loader.region(Region::new(region.clone()));
    }
    if let Some(url) = &options.endpoint_url {
        loader = loader.endpoint_url(url);
    }
    loader.load().await
}

impl Account {
    /// Reaches the account, or says what is missing: no Region, no credentials, expired ones.
    pub async fn reach(options: &Options) -> Result<Self> {
        let config = config(options).await;
        let Some(region) = config.region().map(ToString::to_string) else {
            return Err(Failure::new(
                Kind::Access,
                "no AWS Region is configured; name one with --region or AWS_REGION, or run `aws configure`",
            ));
        };
        let identity = aws_sdk_sts::Client::new(&config)
            .get_caller_identity()
            .send()
            .await;
        match identity {
            Ok(identity) => Ok(Self {
                id: identity.account.unwrap_or_default(),
                caller: identity.arn.unwrap_or_default(),
                region,
                config,
            }),
            Err(error) => Err(refused("sts:GetCallerIdentity", None, &error)),
        }
    }
}

/// A call to AWS that failed, in words that say what to do. Holds the service's code and message and
/// never a URL's signature. `held_by` is the stack's policy for people that allows the call; none does
/// what the responder's own role has to allow.
pub fn refused<E, R>(
    call: &str,
    held_by: Option<&str>,
    error: &aws_sdk_sts::error::SdkError<E, R>,
) -> anyhow::Error
where
    E: ProvideErrorMetadata + std::error::Error + Send + Sync + 'static,
    R: std::fmt::Debug + Send + Sync + 'static,
{
    let code = error
        .as_service_error()
        .and_then(ProvideErrorMetadata::code);
    let told = match error.as_service_error() {
        Some(service) => service.message().unwrap_or_default().to_owned(),
        None => chain(error),
    };
    let lacking = match held_by {
        Some(policy) => {
            format!("your role lacks this permission, which the policy {policy} of the stack holds")
        }
        None => "your role lacks this permission; no policy of coldcase's stack holds it, so it has to be \
                 granted to you"
            .to_owned(),
    };
    let advice = match code {
        Some("ExpiredToken" | "ExpiredTokenException" | "RequestExpired") => {
            "the credentials have expired: sign in again (aws sso login, or new session credentials)"
        }
        Some("AccessDenied" | "AccessDeniedException" | "UnauthorizedOperation") => &lacking,
        Some("InvalidClientTokenId" | "UnrecognizedClientException" | "SignatureDoesNotMatch") => {
            "these credentials are not known to AWS: check AWS_PROFILE and the keys"
        }
        Some(_) => "the service refused",
        None if is_of_credentials(&DisplayErrorContext(error).to_string()) => {
            "no AWS credentials were found: sign in (aws sso login, aws configure) or set AWS_PROFILE"
        }
        None => "AWS was not reached: check the network, the Region and the endpoint",
    };
    let code = code.unwrap_or("no answer");
    let kind = match code {
        "ResourceNotFoundException" | "NoSuchBucket" | "NoSuchEntity" => Kind::Absent,
        _ => Kind::Access,
    };
    Failure::new(
        kind,
        format!("{call}: {advice} ({code}: {})", evidence::shown(&told, 300)),
    )
}

/// Whether somebody is not signed in, by all that is known of a failure.
fn is_of_credentials(all: &str) -> bool {
    all.contains("credential") || all.contains("profile")
}

/// How many causes of causes are told.
const MOST_CAUSES: usize = 8;

/// A failure and what caused it, in words, each once; without a password that stands in a URL.
pub fn chain(error: &(dyn std::error::Error + 'static)) -> String {
    let causes = std::iter::successors(Some(error), |error| error.source());
    let mut told: Vec<String> = Vec::new();
    for cause in causes.take(MOST_CAUSES) {
        let words = without_password(&cause.to_string());
        if !words.is_empty() && !told.iter().any(|before| before.contains(&words)) {
            told.push(words);
        }
    }
    told.join(": ")
}

/// `http://name:password@host` as `http://…@host`.
fn without_password(text: &str) -> String {
    let mut clean = String::new();
    let mut rest = text;
    while let Some(at) = rest.find("//") {
        let (before, after) = rest.split_at(at + 2);
        clean.push_str(before);
        let end = after.find(|c: char| c.is_whitespace() || "/?#\"'".contains(c));
        let host = &after[..end.unwrap_or(after.len())];
        rest = after;
        if let Some(name) = host.rfind('@') {
            clean.push('…');
            rest = &after[name..];
        }
    }
    clean + rest
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fmt;

    #[derive(Debug)]
    struct Layer(&'static str, Option<Box<Layer>>);

    impl fmt::Display for Layer {
        fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str(self.0)
        }
    }

    impl std::error::Error for Layer {
        fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
            let inner = self.1.as_deref()?;
            Some(inner)
        }
    }

    #[test]
    fn a_failure_is_told_with_its_causes_and_no_dump() {
        let inner = Layer(
            "tcp connect to http://me:secret@127.0.0.1:1/x refused",
            None,
        );
        let same = Layer("dispatch failure", Some(Box::new(inner)));
        let outer = Layer("dispatch failure", Some(Box::new(same)));
        assert_eq!(
            chain(&outer),
            "dispatch failure: tcp connect to http://…@127.0.0.1:1/x refused"
        );
    }
}
