//! One case: open → acquire → seal → tracing → tell. Any step may run again, in any number of
//! attempts at once: the vault decides which one's words stand.

use crate::incoming::Work;
use crate::{Attempt, Done, JSON, RespondError, Responder, deployers, notice};
use collectors::{Desk, gather};
use evidence::{
    Acquisition, ArtifactKind, CaseId, CustodyAction, OpenCase, Outcome, Request, ResourceKind,
    SealedCase, Trigger, keys,
};
use serde_json::json;
use std::sync::Arc;
use std::time::Duration;
use vault::VaultError;

/// Kept back from the function's time limit for sealing, tracing and telling.
const TIME_TO_SEAL: Duration = Duration::from_secs(100);

/// The sequence number of the addendum that says what came of tracing.
pub(crate) const TRACING_ADDENDUM: u32 = 1;

impl Responder {
    pub(crate) async fn work(&self, work: Work, attempt: &Attempt) -> Result<Done, RespondError> {
        let id = CaseId::derive(&work.trigger, &work.target);
        let (sealed, unfinished) = tokio::try_join!(
            vault::sealed(&*self.vault, &id, 0),
            vault::unfinished(&*self.vault, &id, 0),
        )?;
        let case = match (sealed, unfinished) {
            (Some(case), _) => case,
            (None, Some(draft)) => vault::seal(&*self.vault, &*self.signer, draft).await?,
            (None, None) => self.seal_case(&id, &work, attempt).await?,
        };
        // Preserve first: only a sealed case gets this far.
        let tracing = match work.target.kind {
            ResourceKind::Function => Some(self.tracing(&case, &work, attempt).await?),
            _ => None,
        };
        // Told before anything else can fail: whoever breaks the investigations silences no alert.
        self.tell_of(&case, tracing.as_deref()).await?;
        let not_started = self.investigate(&case, &work).await?;
        self.refresh(&case).await?;
        Ok(Done::Sealed {
            envelope: keys::envelope(&id, 0),
            case_id: id,
            target: work.target.id(),
            outcomes: case.manifest().outcomes(),
            tracing,
            remark: not_started.or_else(|| remark(&case)),
        })
    }

    /// Opens the case, acquires and seals.
    async fn seal_case(
        &self,
        id: &CaseId,
        work: &Work,
        attempt: &Attempt,
    ) -> Result<SealedCase, RespondError> {
        let mut case = OpenCase::open(
            work.trigger.clone(),
            work.target.clone(),
            self.identity(attempt),
            self.now(),
        );
        let facts = Self::facts(work);
        match (self.clouds).collector(&work.target, facts, self.settings.versions) {
            Ok(collector) => {
                let desk = Desk::new(
                    Arc::clone(&self.vault),
                    id.clone(),
                    Arc::clone(&self.clock),
                    self.settings.limit_bytes,
                );
                let desk = desk.watched(self.watch.clone());
                let time_to_seal = attempt.deadline.checked_sub(TIME_TO_SEAL);
                let desk = desk.until(time_to_seal.unwrap_or(attempt.deadline));
                gather(&*collector, &desk, &mut case, self.settings.parallel).await;
            }
            Err(why) => case.record(Acquisition {
                request: Request::whole(ArtifactKind::TriggerEvent),
                target: work.target.clone(),
                result: Outcome::Failed { why },
                calls: Vec::new(),
                exhibits: Vec::new(),
            }),
        }
        if !work.gaps.is_empty() {
            case.record(Acquisition {
                request: Request::whole(ArtifactKind::FunctionsConcerned),
                target: work.target.clone(),
                result: Outcome::Partial {
                    why: work.gaps.join("; "),
                },
                calls: Vec::new(),
                exhibits: Vec::new(),
            });
        }
        if let Some(record) = &work.record {
            let read = trail::unwrap_value(record.clone()).pop();
            let record = read.and_then(Result::ok);
            let found = record.and_then(|record| {
                deployers::finding(&self.settings.deployers, &record, &work.target)
            });
            found.into_iter().for_each(|found| case.find(found));
        }
        let draft = case.draft(self.now())?;
        let case = vault::seal(&*self.vault, &*self.signer, draft).await?;
        tracing::info!(case = %id, target = %work.target, "sealed");
        Ok(case)
    }

    /// Turns tracing on, unless it was dealt with before, and seals what came of it as an addendum.
    async fn tracing(
        &self,
        case: &SealedCase,
        work: &Work,
        attempt: &Attempt,
    ) -> Result<String, RespondError> {
        let id = &case.manifest().case_id;
        if let Some(addendum) = vault::sealed(&*self.vault, id, TRACING_ADDENDUM).await? {
            return Ok(told(&addendum));
        }
        if let Some(draft) = vault::unfinished(&*self.vault, id, TRACING_ADDENDUM).await? {
            return Ok(told(
                &vault::seal(&*self.vault, &*self.signer, draft).await?,
            ));
        }
        let mut addendum = case.amend(self.identity(attempt), self.now());
        let wanted = work.tracing.unwrap_or(self.settings.tracing);
        let action = if wanted {
            self.turn_tracing_on(case).await?
        } else {
            CustodyAction::TracingNotWanted
        };
        addendum.custody(action, self.now());
        let draft = addendum.draft(self.now())?;
        Ok(told(
            &vault::seal(&*self.vault, &*self.signer, draft).await?,
        ))
    }

    /// Has what happened around the case looked into. Where that cannot be started, the queue has it
    /// tried again; whoever asked for the case learns of it at once.
    async fn investigate(
        &self,
        case: &SealedCase,
        work: &Work,
    ) -> Result<Option<String>, RespondError> {
        let manifest = case.manifest();
        if manifest.target.kind != ResourceKind::Function {
            return Ok(None);
        }
        let started = self.investigations.start(&manifest.case_id, work.window);
        match (started.await, &manifest.trigger) {
            (Ok(()), _) => Ok(None),
            (Err(error), Trigger::Person { .. }) => {
                tracing::error!(%error, "the investigation could not be started; the case is sealed all the same");
                Ok(Some(
                    "the case is sealed, but its investigation could not be started: ask again with \
                     the same request_id"
                        .to_owned(),
                ))
            }
            (Err(error), Trigger::CloudTrailEvent { .. }) => {
                Err(RespondError::Investigation(error))
            }
        }
    }

    /// Has an expected change recorded as good, where the owner wants that. Where that cannot be
    /// started, the queue has it tried again.
    async fn refresh(&self, case: &SealedCase) -> Result<(), RespondError> {
        let manifest = case.manifest();
        let mut findings = manifest.findings.iter();
        if !findings.any(|found| found.rule == deployers::EXPECTED) {
            return Ok(());
        }
        let refreshed = self.baselines.refresh(&manifest.case_id).await;
        refreshed.map_err(RespondError::NotRefreshed)
    }

    /// Tells of a case once; twice if a crash comes in between, rather than never. Where nobody can be
    /// told, the queue has it tried again; the case is sealed already.
    async fn tell_of(&self, case: &SealedCase, tracing: Option<&str>) -> Result<(), RespondError> {
        let key = keys::notified(&case.manifest().case_id);
        if self.vault.holds(&key).await? {
            return Ok(());
        }
        let about_responder = self.settings.own.owns(&case.manifest().target);
        let notice = notice::of_case(case, about_responder, &self.settings.place, tracing);
        match (self.tell(&notice).await, &case.manifest().trigger) {
            (Ok(()), _) => {}
            // Whoever asked has the answer in hand.
            (Err(error), Trigger::Person { .. }) => {
                tracing::error!(%error, "the case is sealed all the same");
                return Ok(());
            }
            (Err(error), Trigger::CloudTrailEvent { .. }) => return Err(error),
        }
        let note = json!({ "notified_at": self.now() }).to_string();
        match self.vault.put_once(&key, note.into(), JSON).await {
            Ok(_) | Err(VaultError::Conflict { .. }) => Ok(()),
            Err(error) => Err(error.into()),
        }
    }
}

/// A mistyped name and a deleted function look alike: all is absent, and that is sealed.
fn remark(case: &SealedCase) -> Option<String> {
    let manifest = case.manifest();
    let gone = manifest.acquisitions.iter().any(|acquisition| {
        acquisition.request == Request::whole(ArtifactKind::Configuration)
            && matches!(acquisition.result, Outcome::Absent { .. })
    });
    gone.then(|| {
        format!(
            "there is no function {} now: the case holds what is left of it; check the name",
            manifest.target.id()
        )
    })
}

/// What an addendum says of tracing, in one line.
fn told(addendum: &SealedCase) -> String {
    let last = addendum.manifest().custody.last();
    match last.map(|entry| &entry.action) {
        Some(CustodyAction::TracingTurnedOn {
            revision_before,
            revision_after,
            ..
        }) => format!("turned on (revision {revision_before} → {revision_after})"),
        Some(CustodyAction::TracingAlreadyOn { .. }) => "was on already".to_owned(),
        Some(CustodyAction::TracingNotPossible { why }) => format!("not possible: {why}"),
        Some(CustodyAction::TracingNotWanted) => "not wanted".to_owned(),
        _ => "nothing is known".to_owned(),
    }
}
