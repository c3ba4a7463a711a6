//! The Lambda function: reads the environment, builds the ports, answers.

use collectors::Clouds;
use collectors::aws::Regions;
use function::Attempt;
use lambda_runtime::{Diagnostic, LambdaEvent, service_fn};
use respond::{
    Responder, Settings, SfnBaselines, SfnInvestigations, SnsNotifier, SqsQueue, Wiring,
};
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
    let wiring = Wiring::from_env(std::env::vars())?;
    let config = function::sdk_config().await;
    let clock: vault::Clock = Arc::new(jiff::Timestamp::now);
    Ok(Responder {
        vault: Arc::new(wiring.sealing.vault(&config, &clock)),
        signer: Arc::new(wiring.sealing.signer(&config)),
        clock,
        clouds: Clouds::of_aws(Regions::new(&config, &settings.regions)),
        queue: Arc::new(SqsQueue {
            client: aws_sdk_sqs::Client::new(&config),
            url: wiring.queue_url,
        }),
        notifier: Arc::new(SnsNotifier {
            client: aws_sdk_sns::Client::new(&config),
            topic_arn: wiring.topic_arn,
        }),
        investigations: Arc::new(SfnInvestigations {
            client: aws_sdk_sfn::Client::new(&config),
            state_machine_arn: wiring.investigation_arn,
        }),
        baselines: Arc::new(SfnBaselines {
            client: aws_sdk_sfn::Client::new(&config),
            state_machine_arn: wiring.baseline_arn,
        }),
        watch: None,
        settings,
    })
}
