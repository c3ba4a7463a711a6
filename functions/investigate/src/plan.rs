//! What a pass over a window sets out to collect: written down once, before the first page, so that
//! every step of it, whoever takes it, does the same.

use crate::{InvestigateError, Investigator, Step};
use collectors::Facts;
use collectors::is_settled;
use evidence::{Manifest, Request, SealedCase, Trigger, Window, keys};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use vault::VaultError;

/// One pass over one window of one case.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Plan {
    /// Its name.
    pub(crate) pass: String,
    /// The passes over the same window before it.
    pub(crate) earlier: Vec<String>,
    /// The window.
    pub(crate) window: Window,
    /// The window before it; none if none is looked at.
    pub(crate) baseline: Option<Window>,
    /// When the change happened that opened the case; none where a person did.
    pub(crate) tampered_at: Option<Timestamp>,
    /// What the sealed case says of an AWS function.
    #[serde(default)]
    pub(crate) facts: Facts,
    /// What is asked for.
    pub(crate) requests: Vec<Request>,
}

/// The passes of an investigation. The second one finds what came in late.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Pass {
    /// Soon after the event.
    First,
    /// After the trail has settled.
    Second,
}

impl Pass {
    const fn as_str(self) -> &'static str {
        match self {
            Self::First => "first",
            Self::Second => "second",
        }
    }
}

/// `first`, `second`; with a mark of the window where a responder named one, so that the passes
/// over different windows of one case stay apart.
pub(crate) fn name_of(pass: Pass, window: Option<Window>) -> String {
    match window {
        None => pass.as_str().to_owned(),
        Some(window) => format!("{}-{}", pass.as_str(), window.mark()),
    }
}

impl Investigator {
    /// The plan of a step's pass: the one written down, else a new one.
    pub(crate) async fn plan(
        &self,
        case: &SealedCase,
        step: &Step,
    ) -> Result<Plan, InvestigateError> {
        let id = &case.manifest().case_id;
        let pass = name_of(step.pass, step.window);
        let key = keys::plan(id, &pass);
        if let Some(plan) = self.written(&key).await? {
            return Ok(plan);
        }
        let plan = self.draw_up(case, step, pass).await?;
        let bytes = serde_json::to_vec(&plan).map_err(|error| bad_plan(&key, &error))?;
        match self.vault.put_once(&key, bytes.into(), JSON).await {
            Ok(_) => Ok(plan),
            // A parallel attempt was first.
            Err(VaultError::Conflict { .. }) => Ok(self.written(&key).await?.unwrap_or(plan)),
            Err(error) => Err(error.into()),
        }
    }

    async fn written(&self, key: &str) -> Result<Option<Plan>, InvestigateError> {
        match self.vault.get(key).await {
            Ok(bytes) => serde_json::from_slice(&bytes)
                .map(Some)
                .map_err(|error| bad_plan(key, &error)),
            Err(VaultError::NotFound { .. }) => Ok(None),
            Err(error) => Err(error.into()),
        }
    }

    async fn draw_up(
        &self,
        case: &SealedCase,
        step: &Step,
        pass: String,
    ) -> Result<Plan, InvestigateError> {
        let manifest = case.manifest();
        let now = (self.clock)();
        let window = self.window(manifest, step.window, now)?;
        let mut plan = Plan {
            earlier: match step.pass {
                Pass::First => Vec::new(),
                Pass::Second => vec![name_of(Pass::First, step.window)],
            },
            pass,
            window,
            baseline: self.baseline(window)?,
            tampered_at: match &manifest.trigger {
                Trigger::CloudTrailEvent { occurred_at, .. } => Some(*occurred_at),
                Trigger::Person { .. } => None,
            },
            facts: self.facts(manifest).await,
            requests: Vec::new(),
        };
        plan.requests = self.surroundings(manifest, &plan)?.plan();
        if !plan.earlier.is_empty() {
            let settled = |request: &Request| is_settled(request.artifact);
            plan.requests.retain(|request| !settled(request));
        }
        Ok(plan)
    }

    /// From so long before the event until now; or what a responder named, which cannot end later.
    fn window(
        &self,
        manifest: &Manifest,
        named: Option<Window>,
        now: Timestamp,
    ) -> Result<Window, InvestigateError> {
        let bad = |error: &dyn std::fmt::Display| InvestigateError::BadInput(error.to_string());
        match named {
            Some(window) => {
                let oldest = now.checked_sub(OLDEST).map_err(|e| bad(&e))?;
                if window.since < oldest || window.since > now {
                    return Err(InvestigateError::BadInput(format!(
                        "a window from {} on cannot be looked into: it begins in the future, or more \
                         than 400 days ago",
                        window.since
                    )));
                }
                Window::new(window.since, window.until.min(now)).map_err(|e| bad(&e))
            }
            None => {
                let (Trigger::CloudTrailEvent { occurred_at, .. }
                | Trigger::Person { occurred_at, .. }) = &manifest.trigger;
                let since = occurred_at
                    .checked_sub(self.settings.window)
                    .map_err(|e| bad(&e))?;
                // An event's time is its author's word for it.
                Window::new(since.min(now), now).map_err(|e| bad(&e))
            }
        }
    }

    fn baseline(&self, window: Window) -> Result<Option<Window>, InvestigateError> {
        if self.settings.baseline.is_zero() {
            return Ok(None);
        }
        let bad = |error: &dyn std::fmt::Display| InvestigateError::BadInput(error.to_string());
        let second = std::time::Duration::from_secs(1);
        let since = window.since.checked_sub(self.settings.baseline);
        let until = window.since.checked_sub(second).map_err(|e| bad(&e))?;
        let since = since.map_err(|e| bad(&e))?;
        Ok(Window::new(since, until).ok())
    }

    /// What the sealed case says of its function. An exhibit that cannot be read now costs what it
    /// would have added, not the investigation.
    async fn facts(&self, manifest: &Manifest) -> Facts {
        let mut facts = Facts::of(manifest);
        for acquisition in &manifest.acquisitions {
            if !Facts::reads(acquisition.request.artifact) {
                continue;
            }
            for exhibit in &acquisition.exhibits {
                let read = self.vault.get(&exhibit.key).await;
                let read = read.map(|bytes| serde_json::from_slice(&bytes));
                match read {
                    Ok(Ok(document)) => facts.learn(acquisition.request.artifact, &document),
                    Ok(Err(error)) => tracing::warn!(key = exhibit.key, %error, "not read"),
                    Err(error) => tracing::warn!(key = exhibit.key, %error, "not read"),
                }
            }
        }
        facts
    }
}

fn bad_plan(key: &str, error: &serde_json::Error) -> InvestigateError {
    InvestigateError::BadPlan {
        key: key.to_owned(),
        cause: error.to_string(),
    }
}

/// How long ago a window may begin: 400 days. Whatever is asked keeps less, but for a trail's files,
/// of which each day is listed.
const OLDEST: std::time::Duration = std::time::Duration::from_secs(400 * 86_400);

const JSON: &str = "application/json";
