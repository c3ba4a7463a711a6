//! The Lambda function: reads the environment, builds the ports, answers.

use aws_config::{BehaviorVersion, retry::RetryConfig, timeout::TimeoutConfig};
use collectors::aws::{Regions, http_client, s3_client};
use lambda_runtime::{Diagnostic, LambdaEvent, service_fn};
use respond::{Attempt, Responder, Settings, SnsNotifier, SqsQueue};
use serde_json::Value;
use std::sync::Arc;
use std::time::{Duration, SystemTime};
use tokio::time::Instant;
use tracing::Level;
use tracing_subscriber::filter::filter_fn;
use tracing_subscriber::{EnvFilter, Layer as _, prelude::*};
use vault::{KmsSigner, S3Vault};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), lambda_runtime::Error> {
    log();
    let responder = &responder().await?;
    lambda_runtime::run(service_fn(async move |event: LambdaEvent<Value>| {
        let attempt = Attempt {
            id: event.context.request_id.clone(),
            deadline: Instant::now()
                + event
                    .context
                    .deadline()
                    .duration_since(SystemTime::now())
                    .unwrap_or_default(),
        };
        let done = responder.invoke(event.payload, &attempt).await;
        done.map_err(|error| Diagnostic {
            error_type: error.name().to_owned(),
            error_message: error.to_string(),
        })
    }))
    .await
}

async fn responder() -> anyhow::Result<Responder> {
    let settings = Settings::from_env(std::env::vars())?;
    let config = aws_config::defaults(BehaviorVersion::latest())
        .http_client(http_client())
        .retry_config(RetryConfig::adaptive().with_max_attempts(8))
        .timeout_config(
            TimeoutConfig::builder()
                .connect_timeout(Duration::from_secs(4))
                .operation_attempt_timeout(Duration::from_secs(60))
                .build(),
        )
        .load()
        .await;
    let clock: vault::Clock = Arc::new(jiff::Timestamp::now);
    let regions = Regions::new(&config, &settings.regions);
    Ok(Responder {
        vault: Arc::new(S3Vault::new(
            s3_client(&config),
            settings.bucket.clone(),
            settings.bucket_key.clone(),
            settings.lock,
            Arc::clone(&clock),
        )),
        signer: Arc::new(KmsSigner::new(
            aws_sdk_kms::Client::new(&config),
            settings.signing_key.clone(),
        )),
        clock,
        regions,
        queue: Arc::new(SqsQueue {
            client: aws_sdk_sqs::Client::new(&config),
            url: settings.queue_url.clone(),
        }),
        notifier: Arc::new(SnsNotifier {
            client: aws_sdk_sns::Client::new(&config),
            topic_arn: settings.topic_arn.clone(),
        }),
        settings,
    })
}

/// JSON lines, as much as RUST_LOG says. Below *info* only our own: the SDK writes requests and
/// replies there, signed URLs and environments included.
fn log() {
    let harmless = filter_fn(|line| {
        *line.level() <= Level::INFO || OWN.iter().any(|own| line.target().starts_with(own))
    });
    let lines = tracing_subscriber::fmt::layer()
        .json()
        .without_time()
        .with_filter(EnvFilter::from_default_env())
        .with_filter(harmless);
    tracing_subscriber::registry().with(lines).init();
}

/// Where our own lines come from.
const OWN: [&str; 5] = [
    "respond",
    "bootstrap_respond",
    "collectors",
    "trail",
    "vault",
];
