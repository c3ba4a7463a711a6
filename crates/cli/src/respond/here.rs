//! The same code as the deployed functions run, in this process and with the caller's credentials:
//! preserve, seal, then tracing; look into the window; examine; seal what it comes to.

use super::Order;
use super::landing::Landing;
use super::watched::Watched;
use crate::desk::{Account, Failure, Kind, Place};
use anyhow::Result;
use async_trait::async_trait;
use collectors::Clouds;
use collectors::aws::Regions;
use collectors::aws::window::TrailSource;
use evidence::{CaseId, ResourceKind, Target, Window, shown};
use examine::{Bookcase, ExamineError, Examiner};
use function::{Attempt, Notice};
use investigate::{InvestigateError, Investigator, Pass, ToSeal};
use package::Limits;
use respond::{
    Baselines, DirectRequest, Done, Incoming, Investigations, Notifier, PARALLEL, Queue,
    QueueError, RespondError, Responder, Work,
};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::time::Instant;
use vault::{Clock, SealError, SignError, Signer, Vault};

/// How much of a function is preserved and looked at; what the template's defaults are.
const VERSIONS: usize = 5;
const LIMIT_BYTES: u64 = 2 << 30;
const EXAMINE_LIMIT_BYTES: u64 = 1_610_612_736;
const TRAIL_LIMIT_BYTES: u64 = 5 << 30;

/// How long one attempt may take. Preserving is one attempt; investigating is as many as it takes.
const TO_PRESERVE: Duration = Duration::from_secs(6 * 3600);
const TO_INVESTIGATE: Duration = Duration::from_secs(900);
const TO_EXAMINE: Duration = Duration::from_secs(1800);

/// How often a step that failed is taken again, and after how long.
const TRIES: u32 = 3;
const BETWEEN_TRIES: Duration = Duration::from_secs(2);

/// AWS as it is asked from here; `regions` are looked into besides the account's own.
pub fn aws(account: &Account, regions: &[String]) -> Clouds {
    // As patient as the deployed functions are: the account's rate is shared.
    let config = account
        .config
        .to_builder()
        .retry_config(vault::retries())
        .timeout_config(vault::timeouts())
        .build();
    let mut all = vec![account.region.clone()];
    for region in regions {
        if !all.contains(region) {
            all.push(region.clone());
        }
    }
    Clouds::of_aws(Regions::new(&config, &all))
}

/// Everything it takes, and what could not be done so far.
pub struct Here<'a> {
    order: &'a Order,
    vault: Arc<Watched>,
    signer: Arc<dyn Signer>,
    place: Place,
    clouds: Clouds,
    landing: Arc<Landing>,
    clock: Clock,
    attempt: String,
    /// Account and Region that a bare name of an AWS function is looked for in; empty without AWS.
    home: (String, String),
    /// Steps that came to nothing, in words.
    pub left: Vec<String>,
}

impl<'a> Here<'a> {
    /// Asks `clouds`, into `vault`, which is at `place`. `account` is of AWS, if it is asked.
    pub fn new(
        order: &'a Order,
        (clouds, account): (Clouds, Option<&Account>),
        (vault, place): (Arc<dyn Vault>, Place),
        signer: Arc<dyn Signer>,
        landing: &Arc<Landing>,
    ) -> Self {
        Self {
            order,
            vault: Arc::new(Watched::new(vault, Arc::clone(landing))),
            signer,
            place,
            clouds,
            landing: Arc::clone(landing),
            clock: Arc::new(jiff::Timestamp::now),
            attempt: format!("desk-{}", std::process::id()),
            home: account
                .map(|account| (account.id.clone(), account.region.clone()))
                .unwrap_or_default(),
            left: Vec::new(),
        }
    }

    /// Makes the cases of these targets, and looks into each.
    pub async fn respond(&mut self, targets: &[Target]) -> Result<()> {
        let mut cases = Vec::new();
        // Preserve first: nothing is looked into before everything is sealed.
        for target in targets {
            cases.extend(self.preserve(target).await?);
        }
        for (case, target) in cases {
            let is_function =
                Target::parse(&target).is_ok_and(|target| target.kind == ResourceKind::Function);
            if is_function {
                let pass = self.investigate(&case).await;
                self.examine(&case, pass).await?;
            }
        }
        Ok(())
    }

    /// The sealed cases that a target leads to, each with what it is about.
    async fn preserve(&mut self, target: &Target) -> Result<Vec<(CaseId, String)>> {
        let queue = Arc::new(Kept::default());
        let responder = self.responder(Arc::clone(&queue));
        let request = DirectRequest {
            target: target.id(),
            reason: self.order.reason.clone(),
            tracing: Some(self.order.tracing),
            window: None,
            request_id: Some(self.order.request.id.clone()),
        };
        let step = self.landing.step("preserving");
        step.at(&target.name);
        let attempt = self.attempt_within(TO_PRESERVE);
        let mut done = responder
            .handle(Incoming::Direct(request), &attempt)
            .await
            .map_err(respond_failure)?;
        let works = std::mem::take(&mut *queue.0.lock().unwrap_or_else(PoisonError::into_inner));
        for work in works {
            step.at(&work.target.name);
            let attempt = self.attempt_within(TO_PRESERVE);
            let work = Incoming::Work(Box::new(work));
            let one = responder.handle(work, &attempt).await;
            done.extend(one.map_err(respond_failure)?);
        }
        drop(step);
        let mut cases = Vec::new();
        for one in done {
            match one {
                Done::Sealed {
                    case_id,
                    target,
                    tracing,
                    remark,
                    ..
                } => {
                    self.landing.sealed(&case_id, &target, tracing.as_deref());
                    self.left.extend(remark);
                    cases.push((case_id, target));
                }
                Done::Ignored { reason } => self.left.push(format!("{}: {reason}", target.id())),
                Done::SpreadOut { .. } | Done::Recorded { .. } => {}
            }
        }
        Ok(cases)
    }

    /// Looks into the window, step by step, until all is read. Answers the pass that the examination
    /// comes after.
    async fn investigate(&mut self, case: &CaseId) -> &'static str {
        let window = super::again::length(self.order.window);
        self.landing.say(format_args!(
            "looking    into the logs, the audit trail and what identities did, of {window}"
        ));
        self.vault.tell_in(Some(self.landing.step("reading")));
        let investigator = self.investigator();
        let (mut tries, mut told) = (0, None);
        let why = loop {
            let step = investigate::Step {
                case_id: case.clone(),
                pass: Pass::First,
                window: None,
            };
            let attempt = self.attempt_within(TO_INVESTIGATE);
            match investigator.take(step, &attempt).await {
                Ok(progress) if progress.again => {
                    tries = 0;
                    told = Some((progress.concluded, progress.requests));
                }
                Ok(_) => break None,
                Err(error @ InvestigateError::BadInput(_)) => break Some(error),
                Err(error) if tries + 1 >= TRIES => break Some(error),
                Err(_) => {
                    tries += 1;
                    tokio::time::sleep(BETWEEN_TRIES).await;
                }
            }
        };
        self.vault.tell_in(None);
        match why {
            None => "first",
            Some(error) => {
                let so_far = told.map(|(done, of)| format!(" ({done} of {of} were read)"));
                self.left.push(format!(
                    "{case}: what happened around it could not be looked into{}: {}",
                    so_far.unwrap_or_default(),
                    shown(&error.to_string(), 400)
                ));
                "sealed"
            }
        }
    }

    /// Examines what is preserved and seals what it comes to.
    async fn examine(&mut self, case: &CaseId, pass: &str) -> Result<()> {
        self.landing.say(format_args!(
            "examining  packages, settings and what was read"
        ));
        let step = self.landing.step("examining");
        let scratch = tempfile::Builder::new()
            .prefix("coldcase-examine-")
            .tempdir()?;
        let examiner = Examiner {
            vault: Arc::clone(&self.vault) as Arc<dyn Vault>,
            bookcase: Arc::new(Nobody),
            clock: Arc::clone(&self.clock),
            scratch: scratch.path().to_owned(),
            limits: Limits::default(),
            settings: examine::Settings {
                limit_bytes: EXAMINE_LIMIT_BYTES,
                rules: None,
                advisories: None,
                expected: None,
            },
            underway: Arc::default(),
        };
        let asked = examine::Step {
            case_id: case.clone(),
            pass: pass.to_owned(),
            execution: Some(self.order.request.id.clone()),
        };
        let attempt = self.attempt_within(TO_EXAMINE);
        let failure = match examiner.take(&asked, &attempt).await {
            Ok(_) => None,
            Err(ExamineError::Vault(error)) => return Err(error.into()),
            Err(error) => {
                self.left.push(format!(
                    "{case}: what was preserved could not be examined: {}",
                    shown(&error.to_string(), 400)
                ));
                Some(error.name().to_owned())
            }
        };
        step.at("sealing");
        let to_seal = ToSeal {
            case_id: case.clone(),
            examination: pass.to_owned(),
            failure,
        };
        let investigator = self.investigator();
        let sealed = investigator.seal_examination(&to_seal, &attempt).await;
        match sealed {
            Ok(_) => Ok(()),
            Err(InvestigateError::Vault(error)) => Err(error.into()),
            Err(InvestigateError::Seal(error)) => Err(seal_failure(error)),
            Err(error) => {
                self.left.push(format!(
                    "{case}: the examination could not be sealed: {}",
                    shown(&error.to_string(), 400)
                ));
                Ok(())
            }
        }
    }

    fn attempt_within(&self, time: Duration) -> Attempt {
        Attempt {
            id: self.attempt.clone(),
            deadline: Instant::now() + time,
        }
    }

    fn responder(&self, queue: Arc<Kept>) -> Responder {
        let landing = Arc::clone(&self.landing);
        Responder {
            vault: Arc::clone(&self.vault) as Arc<dyn Vault>,
            signer: Arc::clone(&self.signer),
            clock: Arc::clone(&self.clock),
            clouds: self.clouds.clone(),
            queue,
            notifier: Arc::new(Nobody),
            investigations: Arc::new(Nobody),
            baselines: Arc::new(Nobody),
            watch: Some(Arc::new(move |id, acquisition| {
                landing.begin(id);
                landing.acquisition(acquisition);
            })),
            settings: respond::Settings {
                own: trail::Scope::new([], None),
                role_arn: self.order.identity.clone(),
                identity: self.order.identity.clone(),
                account: self.home.0.clone(),
                region: self.home.1.clone(),
                regions: vec![self.home.1.clone()],
                tracing: self.order.tracing,
                versions: VERSIONS,
                limit_bytes: LIMIT_BYTES,
                parallel: PARALLEL,
                place: self.place.to_string(),
                deployers: Vec::new(),
            },
        }
    }

    fn investigator(&self) -> Investigator {
        let trail = self.order.trail.clone();
        Investigator {
            vault: Arc::clone(&self.vault) as Arc<dyn Vault>,
            signer: Arc::clone(&self.signer),
            clock: Arc::clone(&self.clock),
            clouds: self.clouds.clone(),
            pace: Arc::default(),
            settings: investigate::Settings {
                identity: self.order.identity.clone(),
                regions: self.order.regions.clone(),
                settle: Duration::ZERO,
                late: Duration::ZERO,
                window: self.order.window,
                baseline: self.order.baseline,
                trail: TrailSource {
                    bucket: trail.as_ref().map(|(bucket, _)| bucket.clone()),
                    prefix: trail.map(|(_, prefix)| prefix).unwrap_or_default(),
                    limit_bytes: TRAIL_LIMIT_BYTES,
                    athena: None,
                },
                place: self.place.to_string(),
            },
        }
    }
}

/// Works that are done one after the other, here.
#[derive(Default)]
struct Kept(Mutex<Vec<Work>>);

#[async_trait]
impl Queue for Kept {
    async fn send(&self, works: &[Work]) -> Result<(), QueueError> {
        let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        kept.extend_from_slice(works);
        Ok(())
    }

    async fn try_again(&self, _receipt_handle: &str, _wait: Duration) {}
}

/// Whoever asked sits here: nobody else is told, and nothing is started elsewhere.
struct Nobody;

#[async_trait]
impl Notifier for Nobody {
    async fn notify(&self, _notice: &Notice) -> Result<(), String> {
        Ok(())
    }
}

#[async_trait]
impl Investigations for Nobody {
    async fn start(&self, _case: &CaseId, _window: Option<Window>) -> Result<(), String> {
        Ok(())
    }
}

#[async_trait]
impl Baselines for Nobody {
    async fn refresh(&self, _case: &CaseId) -> Result<(), String> {
        Ok(())
    }
}

#[async_trait]
impl Bookcase for Nobody {
    async fn list(
        &self,
        _place: &examine::Place,
        _limit: usize,
    ) -> Result<Vec<(String, u64)>, String> {
        Ok(Vec::new())
    }

    async fn get(
        &self,
        place: &examine::Place,
        _key: &str,
        _limit_bytes: u64,
    ) -> Result<bytes::Bytes, String> {
        Err(format!("{place} is not read from here"))
    }
}

fn respond_failure(error: RespondError) -> anyhow::Error {
    match error {
        RespondError::Vault(error) => error.into(),
        RespondError::Seal(error) => seal_failure(error),
        RespondError::Locate(error) => Failure::new(Kind::Access, error.to_string()),
        RespondError::BadInput(what) => Failure::new(Kind::Usage, what),
        other => Failure::new(Kind::Vault, other.to_string()),
    }
}

/// What could not be sealed, in words that say what to do.
fn seal_failure(error: SealError) -> anyhow::Error {
    match error {
        SealError::Vault(error) => error.into(),
        SealError::Sign(SignError::Unavailable { call, cause }) if call.starts_with("kms:") => {
            Failure::new(
                Kind::Access,
                format!(
                    "nothing was signed: {call}: {}; another key is named with --kms-key or --key",
                    shown(&cause, 300)
                ),
            )
        }
        SealError::OtherSigner { key_id, .. } => Failure::new(
            Kind::Usage,
            format!(
                "another key than {key_id} began to seal this case: go on with that one (--key), or ask \
                 for a new case with another --request-id"
            ),
        ),
        other => Failure::new(Kind::Vault, other.to_string()),
    }
}
