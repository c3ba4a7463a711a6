//! The services' clients of one Region, over one HTTP stack.

use aws_config::SdkConfig;
use aws_smithy_http_client::tls::{self, rustls_provider::CryptoMode};
use aws_smithy_runtime_api::client::http::SharedHttpClient;

/// The HTTP client that every SDK client shares: hyper 1 and rustls with ring.
pub fn http_client() -> SharedHttpClient {
    aws_smithy_http_client::Builder::new()
        .tls_provider(tls::Provider::Rustls(CryptoMode::Ring))
        .build_https()
}

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
    pub(crate) downloads: crate::aws::download::Downloads,
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
            downloads: crate::aws::download::Downloads::default(),
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

/// A client for S3. Path-style addresses are for endpoints that are no AWS hosts.
pub fn s3_client(config: &SdkConfig) -> aws_sdk_s3::Client {
    let config = aws_sdk_s3::config::Builder::from(config)
        .force_path_style(config.endpoint_url().is_some())
        .build();
    aws_sdk_s3::Client::from_conf(config)
}
