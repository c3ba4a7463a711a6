//! The Lambda function: reads the environment, builds the ports, does what is asked for.

use collectors::Clouds;
use collectors::Pace;
use collectors::aws::Regions;
use function::{Attempt, Environment, Sealing};
use investigate::{Investigator, Order, Settings};
use lambda_runtime::{Diagnostic, LambdaEvent, service_fn};
use serde_json::Value;
use std::sync::Arc;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), lambda_runtime::Error> {
    function::log(&["investigate", "bootstrap_investigate"]);
    let investigator = &investigator().await?;
    lambda_runtime::run(service_fn(async move |event: LambdaEvent<Value>| {
        let attempt = Attempt::of(&event.context);
        let result = match Order::read(event.payload) {
            Ok(order) => investigator.carry_out(order, &attempt).await,
            Err(error) => Err(error),
        };
        result.map_err(|error| Diagnostic {
            error_type: error.name().to_owned(),
            error_message: error.to_string(),
        })
    }))
    .await
}

async fn investigator() -> anyhow::Result<Investigator> {
    let settings = Settings::from_env(std::env::vars())?;
    let sealing = Sealing::from_environment(&Environment::of(std::env::vars()))?;
    let config = function::sdk_config().await;
    let clock: vault::Clock = Arc::new(jiff::Timestamp::now);
    Ok(Investigator {
        vault: Arc::new(sealing.vault(&config, &clock)),
        signer: Arc::new(sealing.signer(&config)),
        clock,
        clouds: Clouds::of_aws(Regions::new(&config, &settings.regions)),
        pace: Arc::new(Pace::default()),
        settings,
    })
}
