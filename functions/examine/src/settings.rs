//! What the owner configured, read from the environment that `template.yaml` sets.

use crate::owner::Place;
use function::{BadSetting, Environment};

/// Settings of one stack.
#[derive(Clone, Debug)]
pub struct Settings {
    /// The largest package, layer or image layer that is laid down and opened, in bytes as stored.
    pub limit_bytes: u64,
    /// A folder of YARA rules.
    pub rules: Option<Place>,
    /// A folder of advisories in OSV's format.
    pub advisories: Option<Place>,
    /// A file that says what the right digests are.
    pub expected: Option<Place>,
}

impl Settings {
    /// Reads the settings from environment variables.
    pub fn from_env(env: impl IntoIterator<Item = (String, String)>) -> Result<Self, BadSetting> {
        let env = Environment::of(env);
        let place = |name: &'static str| {
            env.optional(name)
                .map(|text| {
                    text.parse::<Place>().map_err(|error| BadSetting {
                        name,
                        what: error.to_string(),
                    })
                })
                .transpose()
        };
        Ok(Self {
            limit_bytes: env.number("COLDCASE_EXAMINE_LIMIT_BYTES")?,
            rules: place("COLDCASE_RULES")?,
            advisories: place("COLDCASE_ADVISORIES")?,
            expected: place("COLDCASE_EXPECTED")?,
        })
    }
}
