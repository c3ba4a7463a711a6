//! A trigger or a person → a case with its volatile evidence, sealed; then tracing.
//!
//! The way of an event: [`incoming`] says what came in, [`Responder::handle`] decides what it calls
//! for, [`case`] opens, acquires and seals, [`tracing_on`] turns tracing on afterwards, [`notice`]
//! tells somebody. Every step may run again after a crash or a redelivery and ends in the same case.

mod case;
mod deployers;
mod incoming;
mod invocation;
mod notice;
mod observability_on;
mod permissions;
mod ports;
mod settings;
mod tracing_on;

pub use deployers::{BadDeployer, Deployer};
pub use function::{Attempt, BadSetting, Notice};
pub use incoming::{DirectRequest, Incoming, Work};
pub use permissions::{PERMISSIONS, Permission};
pub use ports::{
    Baselines, Investigations, Notifier, Queue, QueueError, SfnBaselines, SfnInvestigations,
    SnsNotifier, SqsQueue,
};
pub use settings::{PARALLEL, Settings, Wiring};

use collectors::aws::TriggerFacts;
use collectors::{Clouds, Watch};
use evidence::{
    CaseId, Responder as ResponderIdentity, Severity, Sha256Digest, Target, Trigger, Window, keys,
};
use serde::Serialize;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::sync::Arc;
use trail::{Classification, Decision, Record};
use vault::Clock;
use vault::{Signer, Vault, VaultError};

/// Everything that answers an event, behind ports.
pub struct Responder {
    /// Where evidence goes.
    pub vault: Arc<dyn Vault>,
    /// Who signs.
    pub signer: Arc<dyn Signer>,
    /// What time it is.
    pub clock: Clock,
    /// The clouds that can be asked.
    pub clouds: Clouds,
    /// Where an event on many functions is spread out.
    pub queue: Arc<dyn Queue>,
    /// Who is told.
    pub notifier: Arc<dyn Notifier>,
    /// Who looks into what happened around a case.
    pub investigations: Arc<dyn Investigations>,
    /// Who records what a function is, once an expected change is sealed.
    pub baselines: Arc<dyn Baselines>,
    /// Who looks on as evidence comes in; nobody if none.
    pub watch: Option<Watch>,
    /// What the owner configured.
    pub settings: Settings,
}

/// What was done about one thing that came in.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(tag = "did", rename_all = "kebab-case")]
pub enum Done {
    /// A case is sealed: by this attempt or already before.
    Sealed {
        /// The case.
        case_id: CaseId,
        /// What names its target: an ARN, or the address of a function elsewhere.
        target: String,
        /// Where its envelope is.
        envelope: String,
        /// How many acquisitions ended in each outcome.
        outcomes: BTreeMap<&'static str, usize>,
        /// What came of tracing; none where it does not apply.
        tracing: Option<String>,
        /// What whoever asked should know at once.
        #[serde(skip_serializing_if = "Option::is_none")]
        remark: Option<String>,
    },
    /// The event concerns many functions: each has become a message of its own.
    SpreadOut {
        /// Their ARNs.
        targets: Vec<String>,
    },
    /// Written down, no case.
    Recorded {
        /// Under which key.
        key: String,
        /// Why no case.
        reason: String,
    },
    /// Nothing.
    Ignored {
        /// Why.
        reason: String,
    },
}

/// Why something could not be dealt with. Trying again may help, which the queue does.
#[derive(Debug, thiserror::Error)]
pub enum RespondError {
    /// The input is none that this function takes.
    #[error("{0}")]
    BadInput(String),
    /// The vault failed.
    #[error(transparent)]
    Vault(#[from] VaultError),
    /// The case could not be sealed.
    #[error("the case could not be sealed: {0}")]
    Seal(#[from] vault::SealError),
    /// The manifest does not hold together.
    #[error("the manifest does not hold together: {0}")]
    BadSeal(#[from] evidence::BadSeal),
    /// The functions that an event concerns could not be found.
    #[error("the functions concerned could not be found: {0}")]
    Locate(#[from] collectors::aws::LocateError),
    /// A message could not be passed on.
    #[error(transparent)]
    Queue(#[from] QueueError),
    /// The investigation could not be started; what is sealed stays sealed.
    #[error("the investigation could not be started: {0}")]
    Investigation(String),
    /// An expected change could not be recorded as good; what is sealed stays sealed.
    #[error("the expected change could not be recorded as good: {0}")]
    NotRefreshed(String),
    /// Nobody could be told; what is sealed stays sealed.
    #[error("nobody could be told: {0}")]
    Untold(String),
}

impl RespondError {
    /// One word for what went wrong; the `errorType` of a direct invocation.
    pub const fn name(&self) -> &'static str {
        match self {
            Self::BadInput(_) => "BadInput",
            Self::Vault(_) => "VaultFailed",
            Self::Seal(_) | Self::BadSeal(_) => "NotSealed",
            Self::Locate(_) => "FunctionsNotFound",
            Self::Queue(_) => "QueueFailed",
            Self::Investigation(_) => "NotInvestigated",
            Self::NotRefreshed(_) => "NotRefreshed",
            Self::Untold(_) => "NobodyTold",
        }
    }
}

impl Responder {
    /// Deals with one thing that came in.
    pub async fn handle(
        &self,
        incoming: Incoming,
        attempt: &Attempt,
    ) -> Result<Vec<Done>, RespondError> {
        match incoming {
            Incoming::Work(work) => Ok(vec![self.work(*work, attempt).await?]),
            Incoming::Direct(request) => self.direct(request, attempt).await,
            Incoming::Events(records) => {
                let mut done = Vec::new();
                for record in records {
                    done.extend(match record {
                        Ok(record) => self.event(record, attempt).await?,
                        Err(unreadable) => vec![Done::Ignored {
                            reason: unreadable.to_string(),
                        }],
                    });
                }
                Ok(done)
            }
        }
    }

    /// A CloudTrail record: ignored, recorded, or answered with a case for each target.
    async fn event(&self, record: Record, attempt: &Attempt) -> Result<Vec<Done>, RespondError> {
        if let Some(reason) = self.is_our_own_tracing_change(&record).await? {
            return Ok(vec![Done::Ignored { reason }]);
        }
        let classification = trail::classify(&record, &self.settings.own);
        match classification.decision {
            Decision::Ignore => Ok(vec![Done::Ignored {
                reason: classification.reason,
            }]),
            Decision::Record => Ok(vec![self.write_down(&record, classification).await?]),
            Decision::Respond => self.answer(record, classification, attempt).await,
        }
    }

    async fn answer(
        &self,
        record: Record,
        classification: Classification,
        attempt: &Attempt,
    ) -> Result<Vec<Done>, RespondError> {
        let Some(trigger) = trail::to_trigger(&record, &classification) else {
            return Ok(vec![self.write_down(&record, classification).await?]);
        };
        let targets = self.targets_of(&classification.targets).await?;
        let record = record.into_raw();
        let works = targets
            .into_iter()
            .map(|(target, gaps)| Work {
                trigger: trigger.clone(),
                target,
                record: Some(record.clone()),
                tracing: None,
                window: None,
                gaps,
            })
            .collect();
        self.answer_all(works, attempt).await
    }

    /// One piece of work is done here and now; several become a message each.
    async fn answer_all(
        &self,
        mut works: Vec<Work>,
        attempt: &Attempt,
    ) -> Result<Vec<Done>, RespondError> {
        match (works.len(), works.pop()) {
            (_, None) => Ok(vec![Done::Ignored {
                reason: "no function in the configured Regions is concerned".to_owned(),
            }]),
            (1, Some(only)) => Ok(vec![self.work(only, attempt).await?]),
            (_, Some(last)) => {
                works.push(last);
                self.queue.send(&works).await?;
                Ok(vec![Done::SpreadOut {
                    targets: works.iter().map(|work| work.target.id()).collect(),
                }])
            }
        }
    }

    /// The functions that these targets lead to, each with what could not be looked up about it;
    /// the responder's own parts stay themselves.
    async fn targets_of(
        &self,
        named: &[Target],
    ) -> Result<BTreeMap<Target, Vec<String>>, RespondError> {
        let mut targets = BTreeMap::new();
        for target in named {
            if self.settings.own.owns(target) {
                targets.insert(target.clone(), Vec::new());
                continue;
            }
            let located = self.clouds.concerned(target).await?;
            for found in located.targets {
                // Gaps belong into the case of what was searched for.
                let gaps = if found == *target {
                    located.gaps.clone()
                } else {
                    Vec::new()
                };
                targets.entry(found).or_insert(gaps);
            }
        }
        Ok(targets)
    }

    /// A responder's own request.
    async fn direct(
        &self,
        request: DirectRequest,
        attempt: &Attempt,
    ) -> Result<Vec<Done>, RespondError> {
        let target = self.settings.resolve(&request.target)?;
        let window = match request.window {
            Some(Window { since, until }) => Some(
                Window::new(since, until)
                    .map_err(|error| RespondError::BadInput(error.to_string()))?,
            ),
            None => None,
        };
        let request_id = request.request_id.unwrap_or_else(|| attempt.id.clone());
        let occurred_at = self.first_asked_at(&request_id).await?;
        let trigger = Trigger::Person {
            request_id,
            reason: request.reason,
            occurred_at,
        };
        let works = self
            .targets_of(&[target])
            .await?
            .into_iter()
            .map(|(target, gaps)| Work {
                trigger: trigger.clone(),
                target,
                record: None,
                tracing: request.tracing,
                window,
                gaps,
            })
            .collect();
        self.answer_all(works, attempt).await
    }

    /// When a request was first heard: the same for every repetition of it, so that it reopens
    /// the same case.
    async fn first_asked_at(&self, request_id: &str) -> Result<jiff::Timestamp, RespondError> {
        let key = keys::request(request_id);
        let now = (self.clock)();
        let note = json!({ "request_id": request_id, "occurred_at": now }).to_string();
        match self.vault.put_once(&key, note.into(), JSON).await {
            Ok(_) => Ok(now),
            Err(VaultError::Conflict { .. }) => {
                let bytes = self.vault.get(&key).await?;
                let note: Value = serde_json::from_slice(&bytes).unwrap_or_default();
                Ok(note["occurred_at"]
                    .as_str()
                    .and_then(|text| text.parse().ok())
                    .unwrap_or(now))
            }
            Err(error) => Err(error.into()),
        }
    }

    /// Keeps an event that opens no case. An attempt on the responder itself is told as well.
    async fn write_down(
        &self,
        record: &Record,
        classification: Classification,
    ) -> Result<Done, RespondError> {
        let note = json!({ "classification": classification, "record": record.raw() }).to_string();
        let event_id = match &classification.event_id {
            Some(event_id) => event_id.clone(),
            None => Sha256Digest::of(&note).to_string(),
        };
        let occurred_at = record.occurred_at().unwrap_or_else(|| self.now());
        let key = keys::attempt(occurred_at, &event_id);
        let reason = classification.reason.clone();
        if self.vault.holds(&key).await? {
            return Ok(Done::Recorded { key, reason });
        }
        if self.is_about_us(record, &classification).await? {
            self.tell(&notice::of_attempt(&classification, record))
                .await?;
        }
        // After telling: twice told by a crash in between is better than never.
        match self.vault.put_once(&key, note.into(), JSON).await {
            Ok(_) | Err(VaultError::Conflict { .. }) => Ok(Done::Recorded { key, reason }),
            Err(error) => Err(error.into()),
        }
    }

    /// Whether somebody tried something on the responder, or with its role. Our own tracing call
    /// that was refused is neither.
    async fn is_about_us(
        &self,
        record: &Record,
        classification: &Classification,
    ) -> Result<bool, RespondError> {
        if let Some(attempt) = trail::own_tracing_attempt(record, &self.settings.role_arn) {
            let intents = match &attempt.revision_id {
                Some(revision_id) => keys::tracing_intent(&attempt.function, revision_id),
                None => keys::tracing_intents(&attempt.function),
            };
            if !self.vault.list(&intents, 1).await?.is_empty() {
                return Ok(false);
            }
        }
        let own = |target: &Target| self.settings.own.owns(target);
        Ok(classification.targets.iter().any(own)
            || classification.severity == Some(Severity::Critical)
                && self.settings.own.acted(record))
    }

    /// Whether this event is our own turning tracing on: exactly that, by our own role, at a
    /// revision for which the intent is in the vault. Anything else that our role does is an event
    /// like any other.
    async fn is_our_own_tracing_change(
        &self,
        record: &Record,
    ) -> Result<Option<String>, RespondError> {
        let Some(change) = trail::own_tracing_change(record, &self.settings.role_arn) else {
            return Ok(None);
        };
        let intent = keys::tracing_intent(&change.function, &change.revision_id);
        let known = self.vault.holds(&intent).await?;
        Ok(known.then(|| "coldcase itself turned tracing on, as a sealed case says".to_owned()))
    }

    /// Tells somebody.
    async fn tell(&self, notice: &Notice) -> Result<(), RespondError> {
        self.notifier
            .notify(notice)
            .await
            .map_err(RespondError::Untold)
    }

    fn identity(&self, attempt: &Attempt) -> ResponderIdentity {
        ResponderIdentity::coldcase(&self.settings.identity, &attempt.id)
    }

    fn now(&self) -> jiff::Timestamp {
        (self.clock)()
    }

    fn facts(work: &Work) -> TriggerFacts {
        work.record
            .as_ref()
            .map(TriggerFacts::of_record)
            .unwrap_or_default()
    }
}

pub(crate) const JSON: &str = "application/json";
