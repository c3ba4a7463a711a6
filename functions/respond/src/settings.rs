//! What the owner configured, read from the environment that `template.yaml` sets.

use crate::{Deployer, RespondError};
use evidence::{ResourceKind, Target};
use function::{BadSetting, Environment, Sealing};
use trail::Scope;

/// Settings of one stack.
#[derive(Clone, Debug)]
pub struct Settings {
    /// The responder's own parts and role: what happens to them is about the responder.
    pub own: Scope,
    /// The role that the responder runs as.
    pub role_arn: String,
    /// Who the manifest names: the function's ARN.
    pub identity: String,
    /// Account of the stack.
    pub account: String,
    /// Region of the stack.
    pub region: String,
    /// Regions where functions live; the stack's own first.
    pub regions: Vec<String>,
    /// Whether tracing is turned on after sealing.
    pub tracing: bool,
    /// How many published versions are preserved, newest first.
    pub versions: usize,
    /// The largest artifact that is kept, in bytes.
    pub limit_bytes: u64,
    /// How many requests of one case are carried out at a time.
    pub parallel: usize,
    /// Where evidence is, in words: `s3://BUCKET`, or a folder.
    pub place: String,
    /// Deployers that the owner trusts.
    pub deployers: Vec<Deployer>,
}

/// What the deployed function is connected to.
#[derive(Clone, Debug)]
pub struct Wiring {
    /// Where evidence goes and who signs for it.
    pub sealing: Sealing,
    /// Where an event on many functions is spread out.
    pub queue_url: String,
    /// Who is told; nobody if none.
    pub topic_arn: Option<String>,
    /// The state machine that looks into the time around a case; none if none.
    pub investigation_arn: Option<String>,
    /// The state machine that records an expected change as good; none if that is not wanted.
    pub baseline_arn: Option<String>,
}

impl Wiring {
    /// Reads it from environment variables.
    pub fn from_env(env: impl IntoIterator<Item = (String, String)>) -> Result<Self, BadSetting> {
        let env = Environment::of(env);
        Ok(Self {
            sealing: Sealing::from_environment(&env)?,
            queue_url: env.text("COLDCASE_QUEUE_URL")?,
            topic_arn: env.optional("COLDCASE_TOPIC_ARN"),
            investigation_arn: env.optional("COLDCASE_INVESTIGATION_ARN"),
            baseline_arn: env.optional("COLDCASE_BASELINE_ARN"),
        })
    }
}

/// Requests of one case at a time. With five cases at a time in an account this stays near
/// Lambda's 15 control-plane requests a second; the SDK backs off where it does not.
pub const PARALLEL: usize = 6;

const DEPLOYERS: &str = "COLDCASE_TRUSTED_DEPLOYERS";

impl Settings {
    /// Reads the settings from environment variables.
    pub fn from_env(env: impl IntoIterator<Item = (String, String)>) -> Result<Self, BadSetting> {
        let env = Environment::of(env);
        let role_arn = env.text("COLDCASE_ROLE_ARN")?;
        let region = env.text("AWS_REGION")?;
        let account = Target::from_arn(&role_arn)
            .map_err(|error| BadSetting {
                name: "COLDCASE_ROLE_ARN",
                what: format!("cannot be read: {error}"),
            })?
            .account;
        let mut own = Vec::new();
        for arn in env.list("COLDCASE_OWN") {
            own.push(Target::from_arn(&arn).map_err(|error| BadSetting {
                name: "COLDCASE_OWN",
                what: format!("cannot be read: {error}"),
            })?);
        }
        let name = env.text("AWS_LAMBDA_FUNCTION_NAME")?;
        Ok(Self {
            own: Scope::new(own, Some(role_arn.clone())),
            identity: Target::aws(&account, &region, ResourceKind::Function, name).arn(),
            account,
            region,
            regions: env.regions()?,
            role_arn,
            tracing: match env.text("COLDCASE_TRACING")?.as_str() {
                "on" => true,
                "off" => false,
                other => {
                    return Err(BadSetting {
                        name: "COLDCASE_TRACING",
                        what: format!("is {other:?}; it takes on or off"),
                    });
                }
            },
            versions: env.number("COLDCASE_VERSIONS")?,
            limit_bytes: env.number("COLDCASE_LIMIT_BYTES")?,
            parallel: PARALLEL,
            place: format!("s3://{}", env.text("COLDCASE_BUCKET")?),
            deployers: Deployer::all(&env.optional(DEPLOYERS).unwrap_or_default()).map_err(
                |error| BadSetting {
                    name: DEPLOYERS,
                    what: format!("cannot be read: {error}"),
                },
            )?,
        })
    }

    /// What a responder named: an ARN, an address of another provider's function, or a function's name in
    /// the stack's own Region.
    pub fn resolve(&self, text: &str) -> Result<Target, RespondError> {
        let plain = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '_';
        if !text.is_empty() && text.len() <= 64 && text.chars().all(plain) {
            return Ok(Target::aws(
                &self.account,
                &self.region,
                ResourceKind::Function,
                text,
            ));
        }
        Target::parse(text).map_err(|error| RespondError::BadInput(error.to_string()))
    }
}
