//! The services' clients of one Region, over one HTTP stack.

use crate::rest::Downloads;
use aws_config::SdkConfig;
pub use vault::{http_client, s3_client};

/// The clients that the collectors ask through. Cheap to clone.
#[derive(Clone)]
pub struct Clients {
    region: String,
    pub(crate) lambda: aws_sdk_lambda::Client,
    pub(crate) iam: aws_sdk_iam::Client,
    pub(crate) cloudtrail: aws_sdk_cloudtrail::Client,
    pub(crate) logs: aws_sdk_cloudwatchlogs::Client,
    pub(crate) events: aws_sdk_eventbridge::Client,
    pub(crate) ecr: aws_sdk_ecr::Client,
    pub(crate) s3: aws_sdk_s3::Client,
    pub(crate) sns: aws_sdk_sns::Client,
    pub(crate) sqs: aws_sdk_sqs::Client,
    pub(crate) kms: aws_sdk_kms::Client,
    pub(crate) xray: aws_sdk_xray::Client,
    pub(crate) athena: aws_sdk_athena::Client,
    pub(crate) downloads: Downloads,
}

impl Clients {
    /// Clients of the Region that `config` names.
    pub fn new(config: &SdkConfig) -> Self {
        Self {
            region: config
                .region()
                .map(|region| region.as_ref().to_owned())
                .unwrap_or_default(),
            lambda: aws_sdk_lambda::Client::new(config),
            iam: aws_sdk_iam::Client::new(config),
            cloudtrail: aws_sdk_cloudtrail::Client::new(config),
            logs: aws_sdk_cloudwatchlogs::Client::new(config),
            events: aws_sdk_eventbridge::Client::new(config),
            ecr: aws_sdk_ecr::Client::new(config),
            s3: s3_client(config),
            sns: aws_sdk_sns::Client::new(config),
            sqs: aws_sdk_sqs::Client::new(config),
            kms: aws_sdk_kms::Client::new(config),
            xray: aws_sdk_xray::Client::new(config),
            athena: aws_sdk_athena::Client::new(config),
            downloads: Downloads::anywhere(),
        }
    }

    /// The Region that these clients ask; empty if the configuration named none.
    pub fn region(&self) -> &str {
        &self.region
    }

    /// The client for Lambda.
    pub fn lambda(&self) -> &aws_sdk_lambda::Client {
        &self.lambda
    }
}

/// The Regions where functions live, and a way into any other that something is asked about.
#[derive(Clone)]
pub struct Regions {
    config: SdkConfig,
    named: Vec<Clients>,
}

impl Regions {
    /// `names` are the Regions that the owner configured, the stack's own first.
    pub fn new<N: AsRef<str>>(config: &SdkConfig, names: &[N]) -> Self {
        let named = names
            .iter()
            .map(|name| Clients::new(&in_region(config, name.as_ref())))
            .collect();
        Self {
            config: config.clone(),
            named,
        }
    }

    /// The clients of the Regions that the owner configured.
    pub fn named(&self) -> &[Clients] {
        &self.named
    }

    /// The clients of a Region, configured or not. None for what is no Region's name: it would
    /// become part of a host name, and an event's author chose it.
    pub fn of(&self, region: &str) -> Option<Clients> {
        let known = self.named.iter().find(|clients| clients.region() == region);
        known
            .cloned()
            .or_else(|| is_region(region).then(|| Clients::new(&in_region(&self.config, region))))
    }
}

/// `eu-west-1`, `us-gov-east-1`: letters in two or more groups, then a number.
pub(crate) fn is_region(text: &str) -> bool {
    let mut groups = text.rsplit('-');
    let number = groups.next().unwrap_or_default();
    let words: Vec<&str> = groups.collect();
    let is_word = |word: &&str| {
        (2..=12).contains(&word.len()) && word.bytes().all(|byte| byte.is_ascii_lowercase())
    };
    (1..=2).contains(&number.len())
        && number.bytes().all(|byte| byte.is_ascii_digit())
        && (2..=3).contains(&words.len())
        && words.iter().all(is_word)
}

fn in_region(config: &SdkConfig, region: &str) -> SdkConfig {
    config
        .to_builder()
        .region(aws_config::Region::new(region.to_owned()))
        .build()
}

#[cfg(test)]
mod tests {
    use super::is_region;

    #[test]
    fn only_a_region_becomes_part_of_a_host_name() {
        for region in [
            "eu-west-1",
            "us-gov-east-1",
            "ap-southeast-12",
            "cn-north-1",
        ] {
            assert!(is_region(region), "{region}");
        }
        for other in [
            "",
            "eu",
            "eu-west",
            "eu-west-1.evil",
            "x/eu-west-1",
            "eu-west-",
            "-1",
            "a-b-1",
        ] {
            assert!(!is_region(other), "{other}");
        }
    }
}
