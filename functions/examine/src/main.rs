//! The Lambda function: reads the environment, builds the ports, examines one case.

use examine::{Buckets, Examiner, Settings, Step};
use function::{Attempt, Environment, Keeping};
use lambda_runtime::{Diagnostic, LambdaEvent, service_fn};
use package::Limits;
use serde_json::Value;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::Ordering;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), lambda_runtime::Error> {
    function::log(&["examine", "bootstrap_examine"]);
    let examiner = &examiner().await?;
    lambda_runtime::run(service_fn(async move |event: LambdaEvent<Value>| {
        if examiner.underway.load(Ordering::SeqCst) > 0 {
            // What an attacker packed keeps this process busy since the last examination, which was told
            // that the time was up. The state machine asks again, and gets a new one.
            tracing::warn!("a look at a package never came to its end: this process ends");
            std::process::exit(1);
        }
        let attempt = Attempt::of(&event.context);
        let result = match Step::read(event.payload) {
            Ok(step) => examiner.take(&step, &attempt).await,
            Err(error) => Err(error),
        };
        result.map_err(|error| Diagnostic {
            error_type: error.name().to_owned(),
            error_message: error.to_string(),
        })
    }))
    .await
}

async fn examiner() -> anyhow::Result<Examiner> {
    let settings = Settings::from_env(std::env::vars())?;
    let keeping = Keeping::from_environment(&Environment::of(std::env::vars()))?;
    let config = function::sdk_config().await;
    let clock: vault::Clock = Arc::new(jiff::Timestamp::now);
    // What an attempt that was cut off laid down here is in the way of this one.
    let scratch = std::env::temp_dir().join("coldcase-examine");
    empty(&scratch)?;
    Ok(Examiner {
        vault: Arc::new(keeping.vault(&config, &clock)),
        bookcase: Arc::new(Buckets(vault::s3_client(&config))),
        clock,
        scratch,
        limits: Limits::default(),
        settings,
        underway: Arc::default(),
    })
}

fn empty(folder: &Path) -> std::io::Result<()> {
    match std::fs::remove_dir_all(folder) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    std::fs::create_dir_all(folder)
}
