//! What the owner configured, read from the environment that `template.yaml` sets.

use evidence::{ResourceKind, Target};
use function::{BadSetting, Environment, Sealing};

/// Settings of one stack.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Who records and manifests name: the function's ARN.
    pub identity: String,
    /// Regions where functions live; the stack's own first.
    pub regions: Vec<String>,
    /// The largest artifact that is kept, in bytes.
    pub limit_bytes: u64,
    /// How many requests a second AWS is asked, by all batches of a sweep together.
    pub requests_per_second: u32,
    /// Names of functions that are not recorded, with `*` and `?` as wildcards.
    pub exclude: Vec<String>,
    /// The tag that keeps a function from being recorded.
    pub exclude_tag: Option<String>,
    /// Whether an expected change of a trusted deployer refreshes the baseline.
    pub trusted_may_refresh: bool,
    /// Where evidence goes and who signs for it.
    pub sealing: Sealing,
}

/// How many batches of a sweep `infra/baseline.asl.json` has recorded at a time; a test compares
/// the two.
pub const BATCHES_AT_A_TIME: u32 = 2;

impl Settings {
    /// Reads the settings from environment variables.
    pub fn from_env(env: impl IntoIterator<Item = (String, String)>) -> Result<Self, BadSetting> {
        let env = Environment::of(env);
        let name = env.text("AWS_LAMBDA_FUNCTION_NAME")?;
        let account = env.text("COLDCASE_ACCOUNT")?;
        let region = env.text("AWS_REGION")?;
        Ok(Self {
            identity: Target::aws(&account, &region, ResourceKind::Function, name).arn(),
            regions: env.regions()?,
            limit_bytes: env.number("COLDCASE_LIMIT_BYTES")?,
            requests_per_second: env.number("COLDCASE_REQUESTS_PER_SECOND")?,
            exclude: env.list("COLDCASE_EXCLUDE"),
            exclude_tag: env.optional("COLDCASE_EXCLUDE_TAG"),
            trusted_may_refresh: match env.text("COLDCASE_TRUSTED_MAY_REFRESH")?.as_str() {
                "on" => true,
                "off" => false,
                other => {
                    return Err(BadSetting {
                        name: "COLDCASE_TRUSTED_MAY_REFRESH",
                        what: format!("is {other:?}; it takes on or off"),
                    });
                }
            },
            sealing: Sealing::from_environment(&env)?,
        })
    }

    /// Whether the owner wants no function of this name recorded.
    pub(crate) fn excludes(&self, name: &str) -> bool {
        let mut patterns = self.exclude.iter();
        patterns.any(|pattern| function::is_like(pattern, name))
    }
}
