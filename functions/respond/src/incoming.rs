//! What may come in: CloudTrail records in any wrapper, a responder's request, our own messages.

use crate::RespondError;
use evidence::{Target, Trigger, Window};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use trail::{Record, Unreadable};

/// One thing to deal with.
#[derive(Debug)]
pub enum Incoming {
    /// CloudTrail records, and what could not be read as one.
    Events(Vec<Result<Record, Unreadable>>),
    /// A responder asks.
    Direct(DirectRequest),
    /// One target of an event that concerned several.
    Work(Box<Work>),
}

/// `{"target": ARN, "reason": …, "tracing": …, "window": …}`: what a responder invokes the function with.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DirectRequest {
    /// An ARN of a function, a layer or a role, the bare name of a function in the stack's Region, or the
    /// address of another provider's function.
    pub target: String,
    /// Why; goes into the manifest.
    pub reason: String,
    /// Whether to turn tracing on afterwards; as configured if not said.
    #[serde(default)]
    pub tracing: Option<bool>,
    /// What time to look into afterwards; as configured if not said.
    #[serde(default)]
    pub window: Option<Window>,
    /// Names the request, so that asking again reopens the same case; the invocation's own id if
    /// not said.
    #[serde(default)]
    pub request_id: Option<String>,
}

/// One case to be made: a trigger on one target.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Work {
    /// Why.
    pub trigger: Trigger,
    /// Of what.
    pub target: Target,
    /// The CloudTrail record, verbatim.
    pub record: Option<Value>,
    /// Whether to turn tracing on; as configured if not said.
    pub tracing: Option<bool>,
    /// What time to look into afterwards; as configured if not said.
    #[serde(default)]
    pub window: Option<Window>,
    /// What could not be looked up when the functions concerned were searched; only in the case of
    /// what was searched for.
    #[serde(default)]
    pub gaps: Vec<String>,
}

/// The field that marks our own messages.
const WORK: &str = "coldcase-work";

impl Work {
    /// As a message's body.
    pub fn to_message(&self) -> String {
        serde_json::json!({ WORK: self }).to_string()
    }
}

impl Incoming {
    /// Reads a message's body or a direct invocation's payload.
    pub fn read(mut value: Value) -> Result<Self, RespondError> {
        let bad = |error: serde_json::Error| RespondError::BadInput(format!("bad input: {error}"));
        if let Some(work) = value.get_mut(WORK) {
            let work = serde_json::from_value(work.take()).map_err(bad)?;
            return Ok(Self::Work(Box::new(work)));
        }
        if value.get("target").is_some() {
            return serde_json::from_value(value)
                .map(Self::Direct)
                .map_err(|error| {
                    RespondError::BadInput(format!(
                        "{error}; a request looks like \
                         {{\"target\": \"arn:aws:lambda:REGION:ACCOUNT:function:NAME\", \
                         \"reason\": \"why\", \"tracing\": false, \
                         \"window\": {{\"since\": \"2026-01-02T00:00:00Z\", \
                         \"until\": \"2026-01-03T00:00:00Z\"}}}}"
                    ))
                });
        }
        Ok(Self::Events(trail::unwrap_value(value)))
    }

    /// Reads a message's body.
    pub fn read_text(body: &str) -> Result<Self, RespondError> {
        let value = serde_json::from_str(body)
            .map_err(|error| RespondError::BadInput(format!("not JSON: {error}")))?;
        Self::read(value)
    }
}
