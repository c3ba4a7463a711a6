//! The Lambda function: reads the environment, builds the ports, answers.

use collectors::aws::Regions;
use function::Attempt;
use lambda_runtime::{Diagnostic, LambdaEvent, service_fn};
use respond::{Responder, Settings, SfnBaselines, SfnInvestigations, SnsNotifier, SqsQueue};
use serde_json::Value;
use std::sync::Arc;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), lambda_runtime::Error> {
    function::log(&["respond", "bootstrap_respond"]);
    let responder = &responder().await?;
    lambda_runtime::run(service_fn(async move |event: LambdaEvent<Value>| {
        let attempt = Attempt::of(&event.context);
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
    let config = function::sdk_config().await;
    let clock: vault::Clock = Arc::new(jiff::Timestamp::now);
    Ok(Responder {
        vault: Arc::new(settings.sealing.vault(&config, &clock)),
        signer: Arc::new(settings.sealing.signer(&config)),
        clock,
        regions: Regions::new(&config, &settings.regions),
        queue: Arc::new(SqsQueue {
            client: aws_sdk_sqs::Client::new(&config),
            url: settings.queue_url.clone(),
        }),
        notifier: Arc::new(SnsNotifier {
            client: aws_sdk_sns::Client::new(&config),
            topic_arn: settings.topic_arn.clone(),
        }),
        investigations: Arc::new(SfnInvestigations {
            client: aws_sdk_sfn::Client::new(&config),
            state_machine_arn: settings.investigation_arn.clone(),
        }),
        baselines: Arc::new(SfnBaselines {
            client: aws_sdk_sfn::Client::new(&config),
            state_machine_arn: settings.baseline_arn.clone(),
        }),
        settings,
    })
}
