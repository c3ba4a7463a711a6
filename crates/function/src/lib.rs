//! What every Lambda function begins with: its environment, its log, its clients, its vault; and
//! how it speaks to people.

mod attempt;
mod environment;
mod log;
mod notice;
mod sealing;
mod wildcard;

pub use attempt::Attempt;
pub use environment::{BadSetting, Environment};
pub use log::log;
pub use notice::{Notice, line, subject, word};
pub use sealing::{Keeping, Sealing};
pub use wildcard::is_like;

use aws_config::{BehaviorVersion, SdkConfig, retry::RetryConfig, timeout::TimeoutConfig};
use std::time::Duration;
use vault::http_client;

/// How the SDK asks: over one HTTP stack, patiently, slower where an account's rate is used up.
pub async fn sdk_config() -> SdkConfig {
    aws_config::defaults(BehaviorVersion::latest())
        .http_client(http_client())
        .retry_config(RetryConfig::adaptive().with_max_attempts(8))
        .timeout_config(
            TimeoutConfig::builder()
                .connect_timeout(Duration::from_secs(4))
                .operation_attempt_timeout(Duration::from_secs(60))
                .build(),
        )
        .load()
        .await
}
