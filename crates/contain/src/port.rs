//! What containing needs of the function: to look at it, to preserve it, to change it.

use crate::aspect::State;
use crate::plan::Step;
use async_trait::async_trait;
use bytes::Bytes;
use collectors::Desk;
use evidence::OpenCase;

/// A function at one moment, with no update under way.
#[derive(Clone, Debug)]
pub struct Now {
    /// What it is.
    pub state: State,
    /// Its `RevisionId`: a call with it fails where somebody else was faster.
    pub revision: String,
    /// The `RevisionId` of its resource policy, if there is one.
    pub policy_revision: Option<String>,
}

/// Why something could not be done. Holds the service's code and message, never a value.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    /// There is no such function.
    #[error("there is no such function any more")]
    Gone,
    /// Not allowed.
    #[error("{permission} is not allowed: {cause}")]
    Denied {
        /// The IAM action.
        permission: &'static str,
        /// The service's word.
        cause: String,
    },
    /// Somebody else changed the function at the same time; it is as they left it.
    #[error("somebody else changed the function at the same time ({0})")]
    Meanwhile(String),
    /// Anything else.
    #[error("{0}")]
    Failed(String),
}

/// One function.
#[async_trait]
pub trait Function: Send + Sync {
    /// The function once no update is under way.
    async fn look(&self) -> Result<Now, Refused>;

    /// Brings the function as it is now to the desk, and into the case what came of it.
    async fn preserve(&self, desk: &Desk, case: &mut OpenCase);

    /// Makes one call: one step, or several of settings. `now` is what it was seen as; `code` are the
    /// bytes, where the step is about code.
    async fn change(&self, steps: &[Step], now: &Now, code: Option<Bytes>) -> Result<(), Refused>;
}
