//! How everything of the house reaches AWS: one HTTP stack, and S3 wherever it is.

use aws_config::SdkConfig;
use aws_config::retry::RetryConfig;
use aws_config::timeout::TimeoutConfig;
use aws_smithy_http_client::tls::{self, rustls_provider::CryptoMode};
use aws_smithy_runtime_api::client::http::SharedHttpClient;
use std::time::Duration;

/// The HTTP client that every SDK client shares: hyper 1 and rustls with ring.
pub fn http_client() -> SharedHttpClient {
    aws_smithy_http_client::Builder::new()
        .tls_provider(tls::Provider::Rustls(CryptoMode::Ring))
        .build_https()
}

/// How the SDK asks again: patiently, and slower where an account's rate is used up.
pub fn retries() -> RetryConfig {
    RetryConfig::adaptive().with_max_attempts(8)
}

/// How long the SDK waits for an answer.
pub fn timeouts() -> TimeoutConfig {
    TimeoutConfig::builder()
        .connect_timeout(Duration::from_secs(4))
        .operation_attempt_timeout(Duration::from_secs(60))
        .build()
}

/// A client for S3. Path-style addresses are for endpoints that are no AWS hosts.
pub fn s3_client(config: &SdkConfig) -> aws_sdk_s3::Client {
    let config = aws_sdk_s3::config::Builder::from(config)
        .force_path_style(config.endpoint_url().is_some())
        .build();
    aws_sdk_s3::Client::from_conf(config)
}
