//! The Lambda function: reads the environment, builds the ports, takes one step.

use baseline::{BATCHES_AT_A_TIME, Keeper, Pace, Settings, Step};
use collectors::Clouds;
use collectors::aws::Regions;
use function::Attempt;
use lambda_runtime::{Diagnostic, LambdaEvent, service_fn};
use serde_json::Value;
use std::sync::Arc;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), lambda_runtime::Error> {
    function::log(&["baseline", "bootstrap_baseline"]);
    let keeper = &keeper().await?;
    lambda_runtime::run(service_fn(async move |event: LambdaEvent<Value>| {
        let attempt = Attempt::of(&event.context);
        let result = match Step::read(event.payload) {
            Ok(step) => keeper.take(step, &attempt).await,
            Err(error) => Err(error),
        };
        result.map_err(|error| Diagnostic {
            error_type: error.name().to_owned(),
            error_message: error.to_string(),
        })
    }))
    .await
}

async fn keeper() -> anyhow::Result<Keeper> {
    let settings = Settings::from_env(std::env::vars())?;
    let config = function::sdk_config().await;
    let clock: vault::Clock = Arc::new(jiff::Timestamp::now);
    let per_second = f64::from(settings.requests_per_second) / f64::from(BATCHES_AT_A_TIME);
    Ok(Keeper {
        vault: Arc::new(settings.sealing.vault(&config, &clock)),
        signer: Arc::new(settings.sealing.signer(&config)),
        clock,
        clouds: Clouds::of_aws(Regions::new(&config, &settings.regions)),
        pace: Arc::new(Pace::of(per_second)),
        settings,
    })
}
