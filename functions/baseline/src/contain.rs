//! Sealing what a responder does to a function: nobody but the stack may write evidence, so whoever
//! contains has it say so. The function is read and preserved with this function's own power; it is
//! changed with the responder's.

use crate::{BaselineError, Keeper};
use ::contain::{ContainError, Intended, Intent, LambdaFunction, Ledger as _, Sealing};
use evidence::{CaseId, CustodyAction, Provider};
use function::Attempt;
use serde::Deserialize;
use std::sync::Arc;
use std::time::Duration;

/// A responder is about to contain or to release the function of a case.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Intention {
    /// The case.
    pub case_id: CaseId,
    /// What.
    pub intent: Intent,
}

/// What came of it.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Conclusion {
    /// The case.
    pub case_id: CaseId,
    /// What.
    pub came: CustodyAction,
}

/// Kept back from the function's time limit for sealing what was read.
const TIME_TO_SEAL: Duration = Duration::from_secs(30);

impl Keeper {
    /// Seals the function as it is, and what is about to be done to it.
    pub(crate) async fn intend(
        &self,
        intention: Intention,
        attempt: &Attempt,
    ) -> Result<Intended, BaselineError> {
        let sealing = self.sealing(&intention.case_id, attempt).await?;
        let intended = sealing.intend(&intention.case_id, &intention.intent).await;
        intended.map_err(named)
    }

    /// Seals what came of it; the addendum's number.
    pub(crate) async fn conclude(
        &self,
        conclusion: Conclusion,
        attempt: &Attempt,
    ) -> Result<u32, BaselineError> {
        let sealing = self.sealing(&conclusion.case_id, attempt).await?;
        let sequence = sealing
            .conclude(&conclusion.case_id, &conclusion.came)
            .await;
        sequence.map_err(named)
    }

    async fn sealing(&self, id: &CaseId, attempt: &Attempt) -> Result<Sealing, BaselineError> {
        let case = self.case(id).await?;
        let target = case.manifest().target.unqualified();
        let regions = self
            .clouds
            .aws
            .as_ref()
            .filter(|_| target.provider == Provider::Aws);
        let regions = regions.ok_or_else(|| {
            BaselineError::BadInput("coldcase contains functions of AWS only".to_owned())
        })?;
        let clients = regions.of(&target.region).ok_or_else(|| {
            BaselineError::BadInput(format!(
                "{:?} is no Region that could be asked",
                target.region
            ))
        })?;
        Ok(Sealing {
            vault: Arc::clone(&self.vault),
            signer: Arc::clone(&self.signer),
            clock: Arc::clone(&self.clock),
            function: Arc::new(LambdaFunction::new(clients, &target, crate::KINDS)),
            identity: self.identity(attempt),
            limit_bytes: self.settings.limit_bytes,
            deadline: attempt.deadline.checked_sub(TIME_TO_SEAL),
        })
    }
}

fn named(error: ContainError) -> BaselineError {
    match error {
        ContainError::Vault(error) => BaselineError::Vault(error),
        ContainError::Seal(error) => BaselineError::Seal(error),
        ContainError::BadIntent(why) => BaselineError::BadInput(why),
        other => BaselineError::NotRead(other.to_string()),
    }
}
