//! What happened around a sealed case: one window of logs, audit trail, role activity and traces.
//!
//! The state machine of `infra/surroundings.asl.json` calls this function step by step. A step
//! reads on where the last one stopped and stops before its time is up ([`Investigator::take`]);
//! once everything that the [`plan`] asks for is concluded, an addendum is sealed
//! ([`addendum`]). What the examining function found, which cannot sign, is sealed here as well
//! ([`examination`]). Every step may run again, in any number of attempts at once: the vault decides
//! which one's words stand.

mod addendum;
mod announcement;
mod asff;
mod examination;
mod examined;
mod permissions;
mod plan;
mod report;
mod settings;

pub use examination::ToSeal;
pub use permissions::PERMISSIONS;
pub use plan::Pass;
pub use report::Reported;
pub use settings::Settings;

use collectors::{
    Around, Carried, Clouds, Concluded, Desk, Surroundings, carry, conclude, concluded, is_settled,
    read_on, stands_alone,
};
use collectors::{Pace, Scope};
use evidence::{
    CaseId, Finding, Manifest, Request, ResourceKind, SealedCase, Trigger, Window, keys,
};
use function::{Attempt, Notice};
use futures_util::StreamExt as _;
use futures_util::stream;
use plan::Plan;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;
use vault::{Clock, Signer, Vault, VaultError};

/// Everything that takes a step, behind ports.
pub struct Investigator {
    /// Where evidence goes.
    pub vault: Arc<dyn Vault>,
    /// Who signs.
    pub signer: Arc<dyn Signer>,
    /// What time it is.
    pub clock: Clock,
    /// The clouds that can be asked.
    pub clouds: Clouds,
    /// How fast LookupEvents may be asked.
    pub pace: Arc<Pace>,
    /// What the owner configured.
    pub settings: Settings,
}

/// What a step is asked for: `{"case_id": …, "pass": "first", "window": {"since": …, "until": …}}`.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct Step {
    /// The case.
    pub case_id: CaseId,
    /// Which pass.
    #[serde(default = "first")]
    pub pass: Pass,
    /// The window; as configured if not said.
    #[serde(default)]
    pub window: Option<Window>,
}

/// What the function is asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Order {
    /// To take a step of a pass.
    Collect(Step),
    /// To seal what an examination came to.
    Seal(ToSeal),
    /// To write a case down as people read it: `{"report": CASE}`.
    Report(CaseId),
}

const fn first() -> Pass {
    Pass::First
}

/// How far it got.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Progress {
    /// The case.
    pub case_id: CaseId,
    /// Whether something is left to read: the state machine then takes another step.
    pub again: bool,
    /// How many requests are concluded.
    pub concluded: usize,
    /// Of how many.
    pub requests: usize,
    /// Where the addendum's envelope is, once it is sealed.
    pub addendum: Option<String>,
    /// How many acquisitions ended in each outcome.
    pub outcomes: BTreeMap<String, usize>,
    /// The name of the pass, as examinations are asked for by.
    pub pass: String,
    /// What a person should be told now, if anything.
    pub notice: Option<Notice>,
    /// The detail of the event for other automation, once an examination is sealed.
    pub event: Option<Value>,
    /// The same as a finding of Security Hub.
    pub finding: Option<Value>,
}

/// Why a step could not be taken. Taking it again may help, which the state machine does.
#[derive(Debug, thiserror::Error)]
pub enum InvestigateError {
    /// The input is none that this function takes.
    #[error("{0}")]
    BadInput(String),
    /// The pass is not due: what there is to collect has not arrived.
    #[error("{0}")]
    TooEarly(String),
    /// There is no such case, or it is not ready.
    #[error("{0}")]
    NoCase(String),
    /// The plan of a pass is not ours.
    #[error("{key} is no plan: {cause}")]
    BadPlan {
        /// Where.
        key: String,
        /// Why.
        cause: String,
    },
    /// The vault failed.
    #[error(transparent)]
    Vault(#[from] VaultError),
    /// The addendum could not be sealed.
    #[error("the addendum could not be sealed: {0}")]
    Seal(#[from] vault::SealError),
    /// The manifest does not hold together.
    #[error("the manifest does not hold together: {0}")]
    BadSeal(#[from] evidence::BadSeal),
}

impl InvestigateError {
    /// One word for what went wrong, for the state machine and for people.
    pub const fn name(&self) -> &'static str {
        match self {
            Self::BadInput(_) => "BadInput",
            Self::TooEarly(_) => "TooEarly",
            Self::NoCase(_) => "NoCase",
            Self::BadPlan { .. } => "BadPlan",
            Self::Vault(_) => "VaultFailed",
            Self::Seal(_) | Self::BadSeal(_) => "NotSealed",
        }
    }
}

/// Kept back from the function's time limit for sealing.
const TIME_TO_SEAL: Duration = Duration::from_secs(30);

/// How many requests are read at a time. Each holds a page, of a few megabytes at most.
const PARALLEL: usize = 6;

/// How far a request has come in a step.
enum Reached {
    /// It was concluded before.
    Concluded(Box<Concluded>),
    /// All of it is read.
    End,
    /// The deadline came first.
    Deadline,
}

impl Order {
    /// Reads the function's input.
    pub fn read(payload: Value) -> Result<Self, InvestigateError> {
        if let Some(case) = payload.get("report") {
            let case = serde_json::from_value(case.clone());
            return case.map(Self::Report).map_err(|error| {
                InvestigateError::BadInput(format!(
                    "{error}; a report is asked for with {{\"report\": \"20260102T030405Z-…\"}}"
                ))
            });
        }
        if payload.get("examination").is_none() {
            return Step::read(payload).map(Self::Collect);
        }
        let examination = serde_json::from_value(payload);
        examination.map(Self::Seal).map_err(|error| {
            InvestigateError::BadInput(format!(
                "{error}; to have an examination sealed, ask with \
                 {{\"case_id\": \"20260102T030405Z-…\", \"examination\": \"sealed\"}}"
            ))
        })
    }
}

impl Progress {
    /// Nothing is left to do: this addendum is what a pass ended in.
    pub(crate) fn sealed(addendum: &SealedCase, pass: &str) -> Self {
        let manifest = addendum.manifest();
        let outcomes = manifest.outcomes().into_iter();
        Self {
            case_id: manifest.case_id.clone(),
            again: false,
            concluded: manifest.acquisitions.len(),
            requests: manifest.acquisitions.len(),
            addendum: Some(keys::envelope(&manifest.case_id, manifest.sequence)),
            outcomes: outcomes
                .map(|(outcome, count)| (outcome.to_owned(), count))
                .collect(),
            pass: pass.to_owned(),
            notice: None,
            event: None,
            finding: None,
        }
    }
}

impl Step {
    /// Reads a step's input.
    pub fn read(payload: Value) -> Result<Self, InvestigateError> {
        serde_json::from_value(payload).map_err(|error| {
            InvestigateError::BadInput(format!(
                "{error}; a step looks like {{\"case_id\": \"20260102T030405Z-…\", \"pass\": \"first\", \
                 \"window\": {{\"since\": \"2026-01-02T00:00:00Z\", \"until\": \"2026-01-03T00:00:00Z\"}}}}"
            ))
        })
    }
}

impl Investigator {
    /// Does what is asked for; the answer is a [`Progress`] or a [`Reported`], in JSON.
    pub async fn carry_out(
        &self,
        order: Order,
        attempt: &Attempt,
    ) -> Result<Value, InvestigateError> {
        Ok(match order {
            Order::Collect(step) => json!(self.take(step, attempt).await?),
            Order::Seal(examination) => json!(self.seal_examination(&examination, attempt).await?),
            Order::Report(case) => json!(self.report(&case).await?),
        })
    }

    /// Takes one step.
    pub async fn take(&self, step: Step, attempt: &Attempt) -> Result<Progress, InvestigateError> {
        let case = self.case(&step.case_id).await?;
        self.is_due(&case, &step)?;
        let plan = self.plan(&case, &step).await?;
        let manifest = case.manifest();
        let surroundings = self.surroundings(manifest, &plan)?;
        let surroundings = &*surroundings;
        let desk = Desk::new(
            Arc::clone(&self.vault),
            step.case_id.clone(),
            Arc::clone(&self.clock),
            u64::MAX,
        );
        let until = attempt.deadline.checked_sub(TIME_TO_SEAL);
        let desk = desk.until(until.unwrap_or(attempt.deadline));
        let done = self.read(&desk, surroundings, &plan).await?;
        let (concluded, requests) = (done.len(), plan.requests.len());
        let progress = if concluded < requests {
            Progress {
                case_id: step.case_id.clone(),
                again: true,
                concluded,
                requests,
                addendum: None,
                outcomes: BTreeMap::new(),
                pass: plan.pass.clone(),
                notice: None,
                event: None,
                finding: None,
            }
        } else {
            let addendum = self.seal(&case, &plan, done, attempt).await?;
            let known = self.findings_of(&desk, surroundings, &plan.earlier).await?;
            let place = &self.settings.place;
            Progress {
                concluded,
                requests,
                notice: addendum::notice(&addendum, &known, place),
                ..Progress::sealed(&addendum, &plan.pass)
            }
        };
        tracing::info!(
            case = %progress.case_id,
            pass = plan.pass,
            concluded = progress.concluded,
            requests = progress.requests,
            addendum = progress.addendum,
            "step"
        );
        Ok(progress)
    }

    /// Refuses a pass before its time: who may invoke this function could have both passes over and
    /// done with before the attack goes on. A window that somebody names is theirs.
    fn is_due(&self, case: &SealedCase, step: &Step) -> Result<(), InvestigateError> {
        let wait = match (step.window, step.pass) {
            (Some(_), _) => return Ok(()),
            (None, Pass::First) => self.settings.settle,
            (None, Pass::Second) => self.settings.settle + self.settings.late,
        };
        let sealed_at = case.manifest().sealed_at;
        let due = sealed_at.checked_add(wait).unwrap_or(sealed_at);
        if (self.clock)() >= due {
            return Ok(());
        }
        Err(InvestigateError::TooEarly(format!(
            "this pass over case {} is due at {due}; name a window to look into one now",
            case.manifest().case_id
        )))
    }

    /// The sealed case, once whatever comes before an investigation is sealed as well.
    async fn case(&self, id: &CaseId) -> Result<SealedCase, InvestigateError> {
        let Some(case) = vault::sealed(&*self.vault, id, 0).await? else {
            return Err(InvestigateError::NoCase(format!(
                "there is no sealed case {id} in {}; list the folder cases/ for those that are",
                self.settings.place
            )));
        };
        if case.manifest().target.kind != ResourceKind::Function {
            return Err(InvestigateError::BadInput(format!(
                "case {id} is about {}; logs and role activity are a function's",
                case.manifest().target.id()
            )));
        }
        // The first addendum is about tracing; its number is kept for it.
        if vault::sealed(&*self.vault, id, 1).await?.is_none() {
            return Err(InvestigateError::NoCase(format!(
                "case {id} is still being worked on: what came of tracing is not sealed yet"
            )));
        }
        Ok(case)
    }

    fn surroundings(
        &self,
        manifest: &Manifest,
        plan: &Plan,
    ) -> Result<Box<dyn Surroundings>, InvestigateError> {
        let around = Around {
            scope: Scope {
                target: manifest.target.clone(),
                facts: plan.facts.clone(),
                window: plan.window,
                baseline: plan.baseline,
                tampered_at: plan.tampered_at,
            },
            event_id: match &manifest.trigger {
                Trigger::CloudTrailEvent { event_id, .. } => Some(event_id.clone()),
                Trigger::Person { .. } => None,
            },
            pace: Arc::clone(&self.pace),
            trail: self.settings.trail.clone(),
        };
        let surroundings = self.clouds.surroundings(around);
        surroundings.map_err(InvestigateError::BadInput)
    }

    /// Reads on, several requests at a time, and concludes what is read to its end. Answers what is
    /// concluded, by this step or before.
    async fn read(
        &self,
        desk: &Desk,
        surroundings: &dyn Surroundings,
        plan: &Plan,
    ) -> Result<BTreeMap<Request, Concluded>, InvestigateError> {
        let mut done = BTreeMap::new();
        let mut carried = self.settled(desk, surroundings, plan).await?;
        let mut keep = |carried: &mut Carried, concluded: Concluded| {
            carry(carried, &concluded);
            done.insert(concluded.acquisition.request.clone(), concluded);
        };
        // All is read before anything is concluded: what expires is not kept waiting by what is large.
        let reached: Vec<_> = stream::iter(&plan.requests)
            .map(async |request| (request, self.reach(desk, surroundings, plan, request).await))
            .buffer_unordered(PARALLEL)
            .collect()
            .await;
        let (mut left, mut cut_off) = (Vec::new(), Vec::new());
        for (request, reached) in reached {
            match reached? {
                Reached::Concluded(concluded) => keep(&mut carried, *concluded),
                Reached::End => left.push(request),
                Reached::Deadline => cut_off.push(request),
            }
        }
        // What waits for others is concluded in a later round.
        loop {
            let is_open = |artifact| {
                let mut open = left.iter().chain(&cut_off);
                open.any(|request| request.artifact == artifact)
            };
            let is_ready = |request: &&Request| {
                let mut after = surroundings.after(request).iter();
                !after.any(|artifact| is_open(*artifact))
            };
            let (round, waiting): (Vec<&Request>, Vec<&Request>) =
                left.iter().copied().partition(is_ready);
            if round.is_empty() {
                break;
            }
            let results: Vec<_> = stream::iter(round)
                .map(|request| self.conclude(desk, surroundings, plan, request, &carried))
                .buffer_unordered(PARALLEL)
                .collect()
                .await;
            left = waiting;
            for result in results {
                match result? {
                    Some(concluded) => keep(&mut carried, concluded),
                    None => left.clear(),
                }
            }
        }
        Ok(done)
    }

    /// Reads a request on, unless it is concluded already.
    async fn reach(
        &self,
        desk: &Desk,
        surroundings: &dyn Surroundings,
        plan: &Plan,
        request: &Request,
    ) -> Result<Reached, VaultError> {
        if let Some(concluded) = concluded(desk, &plan.pass, request).await? {
            return Ok(Reached::Concluded(Box::new(concluded)));
        }
        let task = surroundings.task(&plan.pass, request);
        Ok(match read_on(desk, &task).await? {
            true => Reached::End,
            false => Reached::Deadline,
        })
    }

    /// What earlier passes over the same window found.
    async fn findings_of(
        &self,
        desk: &Desk,
        surroundings: &dyn Surroundings,
        passes: &[String],
    ) -> Result<Vec<Finding>, VaultError> {
        let mut findings = Vec::new();
        for pass in passes {
            for request in surroundings.plan() {
                if let Some(done) = concluded(desk, pass, &request).await? {
                    findings.extend(done.findings);
                }
            }
        }
        Ok(findings)
    }

    /// What an earlier pass carries that this one does not ask for again.
    async fn settled(
        &self,
        desk: &Desk,
        surroundings: &dyn Surroundings,
        plan: &Plan,
    ) -> Result<Carried, VaultError> {
        let mut carried = Carried::new();
        for request in surroundings.plan() {
            if !is_settled(request.artifact) {
                continue;
            }
            for pass in &plan.earlier {
                if let Some(done) = concluded(desk, pass, &request).await? {
                    carry(&mut carried, &done);
                }
            }
        }
        Ok(carried)
    }

    /// Makes exhibits of a request that is read to its end; none if the deadline came first.
    async fn conclude(
        &self,
        desk: &Desk,
        surroundings: &dyn Surroundings,
        plan: &Plan,
        request: &Request,
        carried: &Carried,
    ) -> Result<Option<Concluded>, VaultError> {
        let task = surroundings.task(&plan.pass, request);
        let observer = surroundings.observer(request, carried);
        let earlier = match stands_alone(request.artifact) {
            true => &[],
            false => plan.earlier.as_slice(),
        };
        conclude(desk, &task, earlier, observer).await
    }
}
