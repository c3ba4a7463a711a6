//! What a case is called.

use crate::digest::Sha256Digest;
use crate::file_name::file_name;
use crate::target::Target;
use crate::trigger::Trigger;
use serde::{Deserialize, Serialize};
use std::fmt;
use std::str::FromStr;

/// The name of a case, derived from its trigger and target: the same event on the same function
/// is the same case, however often it is delivered. Reads `20261123T031501Z-billing-3f9a1c2b4d5e6f70`,
/// sorts by time, and is a valid name for a Step Functions execution (80 characters at most).
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(into = "String", try_from = "String")]
pub struct CaseId(String);

/// Text that is no case id.
#[derive(Debug, thiserror::Error)]
#[error("{0:?} is not a case id; one looks like 20261123T031501Z-billing-3f9a1c2b4d5e6f70")]
pub struct BadCaseId(String);

impl CaseId {
    /// The case of this trigger on this target.
    pub fn derive(trigger: &Trigger, target: &Target) -> Self {
        let identity = Sha256Digest::of(format!("{}\n{}", trigger.identity(), target.id()));
        let name: String = file_name(&target.name.replace('.', "-"), 40);
        Self(format!(
            "{}-{}-{}",
            trigger.occurred_at().strftime("%Y%m%dT%H%M%SZ"),
            name,
            &identity.to_string()[..16]
        ))
    }

    /// As text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for CaseId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl From<CaseId> for String {
    fn from(id: CaseId) -> Self {
        id.0
    }
}

impl TryFrom<String> for CaseId {
    type Error = BadCaseId;

    fn try_from(text: String) -> Result<Self, BadCaseId> {
        let plain = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '_';
        if (1..=80).contains(&text.len()) && text.chars().all(plain) {
            Ok(Self(text))
        } else {
            Err(BadCaseId(text.chars().take(100).collect()))
        }
    }
}

impl FromStr for CaseId {
    type Err = BadCaseId;

    fn from_str(text: &str) -> Result<Self, BadCaseId> {
        text.to_owned().try_into()
    }
}
