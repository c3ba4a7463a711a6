//! What the owner configured, read from the environment that `template.yaml` sets.

use collectors::aws::window::{AthenaTable, TrailSource};
use evidence::{ResourceKind, Target};
use function::{BadSetting, Environment};
use std::time::Duration;

/// Settings of one stack.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Who the manifest names: the function's ARN.
    pub identity: String,
    /// Regions where functions live; the stack's own first.
    pub regions: Vec<String>,
    /// How long after the sealing of a case the first pass is due.
    pub settle: Duration,
    /// How long after that the second one is.
    pub late: Duration,
    /// How long before the event the window begins.
    pub window: Duration,
    /// How much of the time before the window shows what is ordinary; none if zero.
    pub baseline: Duration,
    /// Where the account's audit trail keeps its files, and how much of them is read.
    pub trail: TrailSource,
    /// Where evidence is, in words: `s3://BUCKET`, or a folder.
    pub place: String,
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
            settle: seconds("COLDCASE_SETTLE_SECONDS")?,
            late: seconds("COLDCASE_LATE_SECONDS")?,
            window: seconds("COLDCASE_WINDOW_SECONDS")?,
            baseline: seconds("COLDCASE_BASELINE_SECONDS")?,
            trail: TrailSource {
                bucket: env.optional("COLDCASE_TRAIL_BUCKET"),
                prefix: env.optional("COLDCASE_TRAIL_PREFIX").unwrap_or_default(),
                limit_bytes: env.number("COLDCASE_TRAIL_LIMIT_BYTES")?,
                athena: athena(&env)?,
            },
            place: format!("s3://{}", env.text("COLDCASE_BUCKET")?),
        })
    }
}

/// The table that Athena can be asked about; none if none is named.
fn athena(env: &Environment) -> Result<Option<AthenaTable>, BadSetting> {
    const TABLE: &str = "COLDCASE_ATHENA_TABLE";
    let Some(named) = env.optional(TABLE) else {
        return Ok(None);
    };
    let (database, table) = named.split_once('.').ok_or_else(|| BadSetting {
        name: TABLE,
        what: format!("is {named:?}; it takes a database and a table with a dot between them"),
    })?;
    Ok(Some(AthenaTable {
        database: database.to_owned(),
        table: table.to_owned(),
        workgroup: env.text("COLDCASE_ATHENA_WORKGROUP")?,
    }))
}
