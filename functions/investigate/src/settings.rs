//! What the owner configured, read from the environment that `template.yaml` sets.

use evidence::{ResourceKind, Target};
use function::{BadSetting, Environment, Sealing};
use std::time::Duration;

/// Settings of one stack.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Who the manifest names: the function's ARN.
    pub identity: String,
    /// Regions where functions live; the stack's own first.
    pub regions: Vec<String>,
    /// How long before the event the window begins.
    pub window: Duration,
    /// How much of the time before the window shows what is ordinary; none if zero.
    pub baseline: Duration,
    /// Where evidence goes and who signs for it.
    pub sealing: Sealing,
}

impl Settings {
    /// Reads the settings from environment variables.
    pub fn from_env(env: impl IntoIterator<Item = (String, String)>) -> Result<Self, BadSetting> {
        let env = Environment::of(env);
        let name = env.text("AWS_LAMBDA_FUNCTION_NAME")?;
        let account = env.text("COLDCASE_ACCOUNT")?;
        let region = env.text("AWS_REGION")?;
        let seconds = |name| env.number(name).map(Duration::from_secs);
        Ok(Self {
            identity: Target::aws(&account, &region, ResourceKind::Function, name).arn(),
            regions: env.regions()?,
            window: seconds("COLDCASE_WINDOW_SECONDS")?,
            baseline: seconds("COLDCASE_BASELINE_SECONDS")?,
            sealing: Sealing::from_environment(&env)?,
        })
    }
}
