//! The known good of every function, recorded before anything happens.
//!
//! The event arrives after the change: without a memory of the function as it was, nobody can say
//! what the attacker did. The state machine of `infra/baseline.asl.json` has this function [`list`]
//! the functions of every Region page by page and [`record`] them in batches: as they are, each in
//! a numbered record of its own ([`snapshot::Baseline`]), and only where something changed. A
//! responder who [`accept`]s a change has what the function is now recorded as good. Every step may
//! run again, in any number of attempts at once: the vault decides which one's words stand.

mod accept;
mod contain;
mod list;
mod overlay;
mod pace;
mod permissions;
mod reading;
mod record;
mod settings;

pub use accept::{Acceptance, Accepted, Expectation};
pub use contain::{Conclusion, Intention};
pub use list::{Marker, Page};
pub use pace::Pace;
pub use permissions::PERMISSIONS;
pub use reading::{KINDS, permissions};
pub use record::{NotRecorded, Recorded, Why};
pub use settings::{BATCHES_AT_A_TIME, Settings};

use collectors::Clouds;
use evidence::Responder;
use function::Attempt;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use std::sync::Arc;
use vault::{Clock, Signer, Vault, VaultError};

/// Everything that takes a step, behind ports.
pub struct Keeper {
    /// Where records go.
    pub vault: Arc<dyn Vault>,
    /// Who signs for an accepted change.
    pub signer: Arc<dyn Signer>,
    /// What time it is.
    pub clock: Clock,
    /// The clouds that can be asked.
    pub clouds: Clouds,
    /// How fast they are asked.
    pub pace: Arc<Pace>,
    /// What the owner configured.
    pub settings: Settings,
}

/// What a step is asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Step {
    /// `{"list": MARKER}`, null for the first page: which functions there are.
    List(Marker),
    /// `{"record": [ARN, …], "why": "deployed" | "sweep"}`: these functions as they are.
    Record(Vec<String>, Why),
    /// `{"accept": {"case_id", "by", "why"}}`: a responder accepts the change of a case.
    Accept(Acceptance),
    /// `{"expected": {"case_id"}}`: a trusted deployer made the change of a case.
    Expected(Expectation),
    /// `{"intend": {"case_id", "intent"}}`: a responder is about to contain or release a function.
    Intend(Box<Intention>),
    /// `{"conclude": {"case_id", "came"}}`: what came of it.
    Conclude(Conclusion),
}

/// Why a step could not be taken. Taking it again may help, which the state machine does.
#[derive(Debug, thiserror::Error)]
pub enum BaselineError {
    /// The input is none that this function takes.
    #[error("{0}")]
    BadInput(String),
    /// There is no such case, or it is not ready.
    #[error("{0}")]
    NoCase(String),
    /// The function is not as the case preserved it.
    #[error("{0}")]
    Changed(String),
    /// What the function is now, or what a case preserved of it, cannot be read.
    #[error("{0}")]
    NotRead(String),
    /// The functions of a Region cannot be listed.
    #[error("{0}")]
    NotListed(String),
    /// The vault failed.
    #[error(transparent)]
    Vault(#[from] VaultError),
    /// The addendum could not be sealed.
    #[error("the addendum could not be sealed: {0}")]
    Seal(#[from] vault::SealError),
}

impl BaselineError {
    /// One word for what went wrong, for the state machine and for people.
    pub const fn name(&self) -> &'static str {
        match self {
            Self::BadInput(_) => "BadInput",
            Self::NoCase(_) => "NoCase",
            Self::Changed(_) => "Changed",
            Self::NotRead(_) => "NotRead",
            Self::NotListed(_) => "NotListed",
            Self::Vault(_) => "VaultFailed",
            Self::Seal(_) => "NotSealed",
        }
    }
}

impl Step {
    /// Reads a step's input.
    pub fn read(payload: Value) -> Result<Self, BaselineError> {
        let Value::Object(mut fields) = payload else {
            return Err(bad_input("the input is no object"));
        };
        let why = match fields.remove("why") {
            None | Some(Value::Null) => Why::Sweep,
            Some(why) => part(why)?,
        };
        let mut fields = fields.into_iter();
        let (Some((name, value)), None) = (fields.next(), fields.next()) else {
            return Err(bad_input("the input asks for none or more than one thing"));
        };
        match name.as_str() {
            "list" => Ok(Self::List(
                part::<Option<Marker>>(value)?.unwrap_or_default(),
            )),
            "record" => Ok(Self::Record(part(value)?, why)),
            "accept" => Ok(Self::Accept(part(value)?)),
            "expected" => Ok(Self::Expected(part(value)?)),
            "intend" => Ok(Self::Intend(part(value)?)),
            "conclude" => Ok(Self::Conclude(part(value)?)),
            _ => Err(bad_input("the input asks for nothing that is known here")),
        }
    }
}

fn part<T: DeserializeOwned>(value: Value) -> Result<T, BaselineError> {
    serde_json::from_value(value).map_err(bad_input)
}

fn bad_input(error: impl std::fmt::Display) -> BaselineError {
    BaselineError::BadInput(format!(
        "{error}; a change is accepted by {{\"accept\": {{\"case_id\": \"20260102T030405Z-…\", \
         \"by\": \"your name\", \"why\": \"change 4711\"}}}}, functions are recorded by \
         {{\"record\": [\"arn:aws:lambda:REGION:ACCOUNT:function:NAME\"]}}"
    ))
}

impl Keeper {
    /// Takes one step.
    pub async fn take(&self, step: Step, attempt: &Attempt) -> Result<Value, BaselineError> {
        Ok(match step {
            Step::List(marker) => json!(self.list(marker).await?),
            Step::Record(functions, why) => json!(self.record(functions, why, attempt).await?),
            Step::Accept(acceptance) => json!(self.accept(acceptance, attempt).await?),
            Step::Expected(expectation) => json!(self.expected(expectation, attempt).await?),
            Step::Intend(intention) => json!(self.intend(*intention, attempt).await?),
            Step::Conclude(conclusion) => json!(self.conclude(conclusion, attempt).await?),
        })
    }

    fn identity(&self, attempt: &Attempt) -> Responder {
        Responder::coldcase(&self.settings.identity, &attempt.id)
    }
}

pub(crate) const JSON: &str = "application/json";

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn a_step_is_one_thing() {
        let read = |value: Value| Step::read(value);
        assert_eq!(
            read(json!({"list": null})).unwrap(),
            Step::List(Marker::default())
        );
        assert_eq!(
            read(json!({"list": {}})).unwrap(),
            Step::List(Marker::default())
        );
        assert_eq!(
            read(json!({"record": ["a"], "why": "deployed"})).unwrap(),
            Step::Record(vec!["a".to_owned()], Why::Deployed)
        );
        assert_eq!(
            read(json!({"record": ["a"]})).unwrap(),
            Step::Record(vec!["a".to_owned()], Why::Sweep)
        );
        for bad in [
            json!(null),
            json!({}),
            json!({"why": "sweep"}),
            json!({"list": null, "record": []}),
            json!({"record": "all"}),
            json!({"record": [], "why": "accepted"}),
            json!({"accept": {"case_id": "x", "by": "me"}}),
            json!({"forget": []}),
        ] {
            let error = read(bad.clone()).unwrap_err();
            assert_eq!(error.name(), "BadInput", "{bad}");
        }
    }
}
