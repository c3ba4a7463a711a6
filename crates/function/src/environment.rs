//! The environment that `template.yaml` sets.

use std::collections::HashMap;

/// A function's environment variables.
pub struct Environment(HashMap<String, String>);

/// A setting that is missing or cannot be.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error("the environment variable {name} {what}; template.yaml sets it")]
pub struct BadSetting {
    /// The variable.
    pub name: &'static str,
    /// What is wrong with it.
    pub what: String,
}

impl Environment {
    /// These variables.
    pub fn of(variables: impl IntoIterator<Item = (String, String)>) -> Self {
        Self(variables.into_iter().collect())
    }

    /// A text; empty counts as missing.
    pub fn optional(&self, name: &'static str) -> Option<String> {
        self.0.get(name).filter(|text| !text.is_empty()).cloned()
    }

    /// A text that has to be there.
    pub fn text(&self, name: &'static str) -> Result<String, BadSetting> {
        self.optional(name).ok_or_else(|| BadSetting {
            name,
            what: "is missing".to_owned(),
        })
    }

    /// A list, its items separated by commas; none if missing.
    pub fn list(&self, name: &'static str) -> Vec<String> {
        self.optional(name)
            .unwrap_or_default()
            .split(',')
            .map(str::trim)
            .filter(|text| !text.is_empty())
            .map(str::to_owned)
            .collect()
    }

    /// A whole number that has to be there.
    pub fn number<T: std::str::FromStr>(&self, name: &'static str) -> Result<T, BadSetting> {
        let text = self.text(name)?;
        text.parse().map_err(|_| BadSetting {
            name,
            what: format!("is {text:?}; it takes a whole number"),
        })
    }

    /// The Regions that have functions: the function's own first, then those of `COLDCASE_REGIONS`.
    pub fn regions(&self) -> Result<Vec<String>, BadSetting> {
        let mut regions = vec![self.text("AWS_REGION")?];
        for other in self.list("COLDCASE_REGIONS") {
            if !regions.contains(&other) {
                regions.push(other);
            }
        }
        Ok(regions)
    }
}
