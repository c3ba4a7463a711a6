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

use aws_config::{BehaviorVersion, SdkConfig};
use vault::{http_client, retries, timeouts};

/// How the SDK asks: over one HTTP stack, patiently, slower where an account's rate is used up.
pub async fn sdk_config() -> SdkConfig {
    aws_config::defaults(BehaviorVersion::latest())
        .http_client(http_client())
        .retry_config(retries())
        .timeout_config(timeouts())
        .load()
        .await
}
