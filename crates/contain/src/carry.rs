//! Carrying a plan out: preserved, intended, made step by step, read back, sealed.

use crate::aspect::{Aspect, State};
use crate::history::{Containment, History};
use crate::ledger::{Intended, Intent, Ledger};
use crate::plan::{Stand, Step, apply, batches, plan, stand};
use crate::port::{Function, Now, Refused};
use crate::preserve;
use crate::wish::{Impossible, Wishes, wished};
use bytes::{Bytes, BytesMut};
use evidence::{CaseId, CustodyAction, OpenCase, Sha256Digest, TargetChange, keys};
use futures_util::StreamExt as _;
use serde_json::Value;
use snapshot::{MarkKey, Snapshot};
use std::sync::Arc;
use vault::{Case, Clock, SealError, Vault, VaultError};

/// Everything that containing stands on, behind ports.
pub struct Containing {
    /// Where the case is; it is only read.
    pub vault: Arc<dyn Vault>,
    /// Who seals.
    pub ledger: Arc<dyn Ledger>,
    /// What time it is.
    pub clock: Clock,
    /// The function.
    pub function: Arc<dyn Function>,
    /// Whether a layer may be detached whose bytes cannot be preserved.
    pub may_lose_layers: bool,
}

/// What would be done.
#[derive(Debug)]
pub struct Survey {
    /// The function as it is.
    pub now: Now,
    /// A containment that broke off, with what is left of it; it is finished first.
    pub unfinished: Option<(Containment, Vec<Step>)>,
    /// The containments that are released, the latest first; none when containing.
    pub released: Vec<u32>,
    /// What is to be changed beside that.
    pub steps: Vec<Step>,
    /// What is not changed although one might think so, and why.
    pub left: Vec<String>,
    /// The record that values come from.
    pub record: Option<u32>,
}

impl Survey {
    /// Whether there is nothing to do.
    pub fn is_empty(&self) -> bool {
        self.unfinished.is_none() && self.steps.is_empty()
    }

    /// Everything that will be changed, in order.
    pub fn changes(&self) -> Vec<TargetChange> {
        let rest = self.unfinished.iter().flat_map(|(_, steps)| steps);
        rest.chain(&self.steps).map(Step::told).collect()
    }
}

/// What was done.
#[derive(Clone, Debug, Default)]
pub struct Outcome {
    /// The containment made, if one was.
    pub containment: Option<u32>,
    /// The manifest that holds the function as it was right before.
    pub preserved: Option<u32>,
    /// Whether that was sealed now; else it was sealed before and nothing had changed since.
    pub newly_preserved: bool,
    /// Every change, made or not.
    pub changes: Vec<TargetChange>,
    /// What is not now as it was before the containments that were released.
    pub differs: Vec<String>,
    /// What could not be compared.
    pub not_compared: Vec<String>,
    /// Why it stopped, if it did.
    pub stopped: Option<Refused>,
    /// Where the envelopes of what was sealed are.
    pub addenda: Vec<String>,
}

impl Outcome {
    fn take(&mut self, id: &CaseId, intended: &Intended) {
        self.preserved = Some(intended.preserved);
        self.newly_preserved = intended.newly_preserved;
        self.seal(id, intended.sequence);
    }

    fn seal(&mut self, id: &CaseId, sequence: u32) {
        self.addenda.push(keys::envelope(id, sequence));
    }

    /// Whether everything was done.
    pub fn is_complete(&self) -> bool {
        self.changes.iter().all(|change| change.not_done.is_none())
    }
}

/// Why nothing was changed, or nothing more.
#[derive(Debug, thiserror::Error)]
pub enum ContainError {
    /// The wish cannot be granted.
    #[error("{0}; nothing was changed")]
    Impossible(#[from] Impossible),
    /// Lambda refused to tell what the function is.
    #[error("{0}; nothing was changed")]
    Refused(Refused),
    /// The function cannot be preserved as it is.
    #[error("the function cannot be preserved as it is now ({0}); nothing was changed")]
    NotPreserved(String),
    /// The evidence is not as it was sealed.
    #[error("the evidence cannot be used: {0}; nothing was changed")]
    Evidence(String),
    /// Code that is to be put back cannot be.
    #[error("{0}; nothing was changed")]
    Code(String),
    /// What is to be sealed is nothing that is sealed here.
    #[error("{0}")]
    BadIntent(String),
    /// Whoever seals could not be asked, or refused.
    #[error("{0}; nothing was sealed")]
    Ledger(String),
    /// The vault failed.
    #[error(transparent)]
    Vault(#[from] VaultError),
    /// An addendum could not be sealed.
    #[error(transparent)]
    Seal(#[from] SealError),
}

/// The largest package that `UpdateFunctionCode` takes without a bucket: Lambda's quota for direct
/// uploads.
const LARGEST_UPLOAD: u64 = 50 * 1024 * 1024;
/// How often a call is tried that met somebody else's update.
const TRIES: u32 = 3;

impl Containing {
    /// What containing would change.
    pub async fn survey(&self, case: &Case, wishes: &Wishes) -> Result<Survey, ContainError> {
        let now = self.function.look().await.map_err(ContainError::Refused)?;
        let history = History::of(case);
        let mut state = now.state.clone();
        let unfinished = match history.unfinished() {
            Some(containment) => {
                let steps = self.steps_of(case, containment).await?;
                apply(&steps, &mut state);
                Some((containment.clone(), left_to_do(steps, &now.state)))
            }
            None => None,
        };
        let wishes = Wishes {
            detached: history.detached(),
            ..wishes.clone()
        };
        let wished = wished(&state, &wishes)?;
        let survey = Survey {
            steps: plan(&state, &wished.state),
            now,
            unfinished,
            released: Vec::new(),
            left: wished.left,
            record: wishes.restore.as_ref().map(|restore| restore.record),
        };
        self.can_upload(&survey).await?;
        Ok(survey)
    }

    /// What releasing would change: everything that the containments of the case changed and that
    /// nobody released.
    pub async fn survey_release(&self, case: &Case) -> Result<Survey, ContainError> {
        let now = self.function.look().await.map_err(ContainError::Refused)?;
        let history = History::of(case);
        let mut survey = Survey {
            now,
            unfinished: None,
            released: Vec::new(),
            steps: Vec::new(),
            left: Vec::new(),
            record: None,
        };
        for containment in history.open().rev() {
            survey.released.push(containment.number);
            let steps = self.steps_of(case, containment).await?;
            survey.steps.extend(crate::plan::undo(&steps));
        }
        self.can_upload(&survey).await?;
        Ok(survey)
    }

    /// Contains, as surveyed.
    pub async fn contain(
        &self,
        case: &Case,
        survey: &Survey,
        by: &str,
        reason: Option<&str>,
    ) -> Result<Outcome, ContainError> {
        let mut outcome = Outcome::default();
        let id = &case.first().case_id;
        if let Some((containment, steps)) = &survey.unfinished {
            self.finish(id, containment, steps, by, &mut outcome)
                .await?;
            if !outcome.is_complete() {
                return Ok(outcome);
            }
        }
        if survey.steps.is_empty() {
            return Ok(outcome);
        }
        let mut expected = survey.now.state.clone();
        if let Some((_, steps)) = &survey.unfinished {
            apply(steps, &mut expected);
        }
        let intent = Intent {
            action: CustodyAction::ContainmentIntended {
                containment: 0,
                by: by.to_owned(),
                reason: reason.map(str::to_owned),
                preserved: 0,
                record: survey.record,
                changes: survey.steps.iter().map(Step::told).collect(),
            },
            detaches: detached(&expected, &survey.steps),
            may_lose_layers: self.may_lose_layers,
        };
        let intended = self.ledger.intend(id, &intent).await?;
        outcome.take(id, &intended);
        outcome.containment = Some(intended.containment);
        let (told, stopped) = self.make(&survey.steps, Some(expected)).await?;
        outcome.changes.extend(told.clone());
        outcome.stopped = stopped;
        let done = CustodyAction::Contained {
            containment: intended.containment,
            by: by.to_owned(),
            changes: told,
        };
        outcome.seal(id, self.ledger.conclude(id, &done).await?);
        Ok(outcome)
    }

    /// Releases, as surveyed.
    pub async fn release(
        &self,
        case: &Case,
        survey: &Survey,
        by: &str,
        reason: Option<&str>,
    ) -> Result<Outcome, ContainError> {
        let mut outcome = Outcome::default();
        let id = &case.first().case_id;
        let Some(first) = History::of(case).open().next().cloned() else {
            return Ok(outcome);
        };
        let before = self.pieces_before(case, &first).await?;
        let intent = Intent {
            action: CustodyAction::ReleaseIntended {
                containments: survey.released.clone(),
                by: by.to_owned(),
                reason: reason.map(str::to_owned),
                changes: survey.steps.iter().map(Step::told).collect(),
            },
            detaches: detached(&survey.now.state, &survey.steps),
            may_lose_layers: self.may_lose_layers,
        };
        let intended = self.ledger.intend(id, &intent).await?;
        outcome.take(id, &intended);
        let (told, stopped) = self.make(&survey.steps, None).await?;
        outcome.changes.extend(told.clone());
        outcome.stopped = stopped;
        self.compare(case, &before, &mut outcome).await?;
        let done = CustodyAction::Released {
            containments: survey.released.clone(),
            by: by.to_owned(),
            changes: told,
            differs: outcome.differs.clone(),
        };
        outcome.seal(id, self.ledger.conclude(id, &done).await?);
        Ok(outcome)
    }

    /// Does what a containment left to do that broke off.
    async fn finish(
        &self,
        id: &CaseId,
        containment: &Containment,
        steps: &[Step],
        by: &str,
        outcome: &mut Outcome,
    ) -> Result<(), ContainError> {
        let mut all: Vec<TargetChange> = containment.intended.clone();
        let (told, stopped) = self.make(steps, None).await?;
        for change in &mut all {
            let came = told
                .iter()
                .find(|it| it.what == change.what && it.after == change.after);
            change.not_done = came.and_then(|it| it.not_done.clone());
        }
        outcome.containment = Some(containment.number);
        outcome.preserved = Some(containment.preserved);
        outcome.changes.extend(told);
        outcome.stopped = stopped;
        let done = CustodyAction::Contained {
            containment: containment.number,
            by: by.to_owned(),
            changes: all,
        };
        outcome.seal(id, self.ledger.conclude(id, &done).await?);
        Ok(())
    }

    /// Makes the steps, one call after the other; what came of each, and why it stopped if it did.
    ///
    /// With `expected`, the function has to be exactly that before each call, and what the steps so far
    /// made of it: whatever else changes, it stops. Without, only what a step is about has to be as it
    /// was, and what is not is left alone.
    async fn make(
        &self,
        steps: &[Step],
        mut expected: Option<State>,
    ) -> Result<(Vec<TargetChange>, Option<Refused>), ContainError> {
        let mut told: Vec<TargetChange> = steps.iter().map(Step::told).collect();
        let mut stopped: Option<Refused> = None;
        for batch in batches(steps) {
            let why = match &stopped {
                Some(_) => Some("not tried: an earlier step failed".to_owned()),
                None => match self.make_one(steps, batch.clone(), expected.as_ref()).await {
                    Ok(()) => None,
                    Err(Made::Left(why)) => Some(why),
                    Err(Made::Stopped(refused)) => {
                        let why = refused.to_string();
                        stopped = Some(refused);
                        Some(why)
                    }
                },
            };
            for change in told.get_mut(batch.clone()).into_iter().flatten() {
                change.not_done.clone_from(&why);
            }
            if let (Some(expected), None) = (&mut expected, &why) {
                apply(steps.get(batch).unwrap_or_default(), expected);
            }
        }
        Ok((told, stopped))
    }

    async fn make_one(
        &self,
        steps: &[Step],
        batch: std::ops::Range<usize>,
        expected: Option<&State>,
    ) -> Result<(), Made> {
        let calls = steps.get(batch.clone()).unwrap_or_default();
        let mut met = None;
        for _ in 0..TRIES {
            let now = self.function.look().await.map_err(Made::Stopped)?;
            let stands: Vec<Stand> = batch
                .clone()
                .map(|it| stand(steps, it, &now.state))
                .collect();
            if stands.iter().all(|it| *it == Stand::Done) {
                return Ok(());
            }
            if let Some(expected) = expected {
                let differs = now.state.differences(expected);
                if !differs.is_empty() {
                    return Err(Made::Stopped(Refused::Meanwhile(names(&differs))));
                }
            }
            if stands.contains(&Stand::Other) {
                let others = calls
                    .iter()
                    .zip(&stands)
                    .filter(|(_, it)| **it == Stand::Other);
                let others: Vec<Aspect> = others.map(|(step, _)| step.aspect.clone()).collect();
                return Err(Made::Left(format!(
                    "left as it is: somebody else changed it since ({})",
                    names(&others)
                )));
            }
            let code = match calls {
                [step] if step.aspect == Aspect::Code => Some(self.code(step).await?),
                _ => None,
            };
            match self.function.change(calls, &now, code).await {
                Ok(()) => {
                    let after = self.function.look().await.map_err(Made::Stopped)?;
                    let wrong: Vec<Aspect> = calls
                        .iter()
                        .filter(|step| *after.state.get(&step.aspect) != step.after)
                        .map(|step| step.aspect.clone())
                        .collect();
                    if wrong.is_empty() {
                        return Ok(());
                    }
                    return Err(Made::Stopped(Refused::Failed(format!(
                        "Lambda took the call, but read back it is not so: {}",
                        names(&wrong)
                    ))));
                }
                // Lambda's own revision may be another one although nothing is; look again.
                Err(Refused::Meanwhile(what)) => met = Some(Refused::Meanwhile(what)),
                Err(refused) => return Err(Made::Stopped(refused)),
            }
        }
        Err(Made::Stopped(met.unwrap_or_else(|| {
            Refused::Meanwhile("over and over".to_owned())
        })))
    }

    /// The bytes of the code that a step puts in place.
    async fn code(&self, step: &Step) -> Result<Bytes, Made> {
        let failed = |why: String| Made::Stopped(Refused::Failed(why));
        let sha256 = digest(&step.after).ok_or_else(|| failed("it names no digest".to_owned()))?;
        let key = keys::content(&sha256);
        let mut opened = self
            .vault
            .open(&key)
            .await
            .map_err(|error| failed(error.to_string()))?;
        let mut bytes = BytesMut::new();
        while let Some(part) = opened.bytes.next().await {
            let part = part.map_err(|error| failed(format!("{key}: {error}")))?;
            if (bytes.len() + part.len()) as u64 > LARGEST_UPLOAD {
                return Err(failed(too_large(&key)));
            }
            bytes.extend_from_slice(&part);
        }
        let bytes = bytes.freeze();
        match Sha256Digest::of(&bytes) == sha256 {
            true => Ok(bytes),
            false => Err(failed(format!("{key} is not what its name says"))),
        }
    }

    /// Whether all code that is to be put in place is in the vault and can be uploaded.
    async fn can_upload(&self, survey: &Survey) -> Result<(), ContainError> {
        let rest = survey.unfinished.iter().flat_map(|(_, steps)| steps);
        for step in rest.chain(&survey.steps) {
            if step.aspect != Aspect::Code {
                continue;
            }
            let Some(sha256) = digest(&step.after) else {
                continue;
            };
            let key = keys::content(&sha256);
            match self.vault.open(&key).await {
                Ok(opened) if opened.size_bytes.unwrap_or_default() > LARGEST_UPLOAD => {
                    return Err(ContainError::Code(too_large(&key)));
                }
                Ok(_) => {}
                Err(VaultError::NotFound { .. }) => {
                    return Err(ContainError::Code(format!(
                        "the code that is to be put in place is not in the vault ({key})"
                    )));
                }
                Err(error) => return Err(error.into()),
            }
        }
        Ok(())
    }

    /// A containment's steps, with the values that only the evidence holds.
    async fn steps_of(
        &self,
        case: &Case,
        containment: &Containment,
    ) -> Result<Vec<Step>, ContainError> {
        let bad = |why: String| ContainError::Evidence(why);
        let preserved = self.state_before(case, containment).await?;
        let record = match containment.record {
            Some(number) => Some(self.record(case, number).await?),
            None => None,
        };
        containment
            .steps(&preserved, record.as_ref())
            .ok_or_else(|| {
                bad(format!(
                    "containment {} is of a newer coldcase",
                    containment.number
                ))
            })
    }

    /// The function as it was before a containment.
    async fn state_before(
        &self,
        case: &Case,
        containment: &Containment,
    ) -> Result<State, ContainError> {
        let pieces = self.pieces_before(case, containment).await?;
        State::of_pieces(&pieces.0).map_err(|error| ContainError::Evidence(error.to_string()))
    }

    async fn pieces_before(
        &self,
        case: &Case,
        containment: &Containment,
    ) -> Result<preserve::Pieces, ContainError> {
        let sequence = containment.preserved;
        let mut manifests = case.manifests.iter();
        let manifest = manifests
            .find(|it| it.sequence == sequence)
            .ok_or_else(|| {
                ContainError::Evidence(format!("the case has no manifest {sequence}"))
            })?;
        preserve::pieces(&*self.vault, manifest).await
    }

    /// A function as it was recorded.
    pub async fn record(&self, case: &Case, number: u32) -> Result<State, ContainError> {
        let target = &case.first().target;
        let key = keys::baseline(&target.unqualified(), number);
        let bytes = self.vault.get(&key).await?;
        let bad = |why: String| ContainError::Evidence(format!("{key}: {why}"));
        let record: snapshot::Baseline =
            serde_json::from_slice(&bytes).map_err(|error| bad(error.to_string()))?;
        if record.function != target.id_unqualified() {
            return Err(bad("it is another function's".to_owned()));
        }
        State::of_pieces(&record.pieces).map_err(|error| bad(error.to_string()))
    }

    /// Compares the function as it is now with how it was before it was contained.
    async fn compare(
        &self,
        case: &Case,
        before: &preserve::Pieces,
        outcome: &mut Outcome,
    ) -> Result<(), ContainError> {
        let first = case.first();
        let scratch = OpenCase::open(
            first.trigger.clone(),
            first.target.clone(),
            first.responder.clone(),
            (self.clock)(),
        );
        let read = preserve::read(
            &*self.function,
            None,
            &self.clock,
            LARGEST_UPLOAD,
            None,
            scratch,
        );
        let read = read.await?;
        // Names alone are told, so that the key keeps nothing secret.
        let key = MarkKey::new([0; 32]);
        let (before, after) = (
            Snapshot::read(&before.0, &key),
            Snapshot::read(&read.pieces, &key),
        );
        let mut differs: Vec<String> = snapshot::changes(&before, &after)
            .into_iter()
            .filter(|change| change.kind != snapshot::ChangeKind::Tracing)
            .map(|change| change.subject)
            .collect();
        differs.dedup();
        outcome.differs = differs;
        // What a comparison never looks at is no gap.
        outcome.not_compared = snapshot::gaps(&before, &after)
            .into_iter()
            .filter(|gap| !gap.is_before && !gap.why.ends_with("was not asked for"))
            .map(|gap| format!("{}: {}", gap.subject, gap.why))
            .collect();
        Ok(())
    }
}

/// What became of one call that was not made.
enum Made {
    /// It was left, and others may be made.
    Left(String),
    /// Nothing more is to be made.
    Stopped(Refused),
}

/// The steps that are not done yet.
fn left_to_do(steps: Vec<Step>, now: &State) -> Vec<Step> {
    let is_left: Vec<bool> = (0..steps.len())
        .map(|index| stand(&steps, index, now) != Stand::Done)
        .collect();
    let steps = steps.into_iter().zip(is_left);
    steps
        .filter(|(_, left)| *left)
        .map(|(step, _)| step)
        .collect()
}

/// The layers that steps take away.
fn detached(now: &State, steps: &[Step]) -> Vec<String> {
    let mut after = now.clone();
    apply(steps, &mut after);
    let kept = after.layers();
    let layers = now.layers().into_iter();
    let gone = layers.filter(|layer| !kept.contains(layer));
    gone.map(str::to_owned).collect()
}

fn digest(code: &Value) -> Option<Sha256Digest> {
    code.get("sha256")?.as_str()?.parse().ok()
}

fn too_large(key: &str) -> String {
    format!(
        "the code that is to be put in place ({key}) is larger than 50 MB, which Lambda takes from a \
         bucket only: coldcase does not do that yet; deploy it yourself from there"
    )
}

fn names(aspects: &[Aspect]) -> String {
    let names: Vec<String> = aspects.iter().map(ToString::to_string).collect();
    evidence::shown(&names.join(", "), 500)
}
