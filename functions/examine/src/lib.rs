//! Reads the evidence of a sealed case and writes what follows from it. Has no other power: what it opens
//! is an attacker's, and an attack on it ends here.
//!
//! One examination ([`Examiner::take`]): the case and its addenda are read ([`evidence`]), the function's
//! last known good state from before the event is found ([`baseline`]), every package is opened
//! ([`parts`]) and compared ([`difference`]), everything that has a time is put into one order
//! ([`timeline`]), and what it comes to is written down, once, as the examination's result. Another
//! function, which opens nothing, seals it.

mod baseline;
#[cfg(test)]
mod canned;
mod content;
mod difference;
mod evidence;
mod exhibits;
mod look;
mod owner;
mod parts;
mod permissions;
mod result;
mod settings;
#[cfg(test)]
mod tests;
mod timeline;

pub use crate::evidence::Pieces;
pub use content::fetch;
pub use owner::{BadPlace, Bookcase, Buckets, Place};
pub use permissions::PERMISSIONS;
pub use settings::Settings;

use ::evidence::{CaseId, file_name, keys};
use exhibits::Exhibits;
use function::Attempt;
use owner::Owner;
use package::Limits;
use parts::{Opening, Packages};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use snapshot::Compared;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::AtomicUsize;
use std::time::Duration;
use timeline::Drawing;
use vault::{Case, Clock, SealError, Vault, VaultError};

/// Everything that examines a case, behind ports.
pub struct Examiner {
    /// Where evidence is, and where findings go.
    pub vault: Arc<dyn Vault>,
    /// Where the owner's rules, advisories and expected digests are.
    pub bookcase: Arc<dyn Bookcase>,
    /// What time it is.
    pub clock: Clock,
    /// Where packages are laid down while they are looked at.
    pub scratch: PathBuf,
    /// How much of a hostile package is looked at.
    pub limits: Limits,
    /// What the owner configured.
    pub settings: Settings,
    /// How many looks at packages are being taken. One that came to no end in its time goes on, and the
    /// next examination should be another process's.
    pub underway: Arc<AtomicUsize>,
}

/// What is asked for: `{"case_id": …, "pass": "sealed"}`.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Step {
    /// The case.
    pub case_id: CaseId,
    /// After which pass: `sealed`, `first`, `second`, or one over a window that somebody named.
    pub pass: String,
    /// Which run of the state machine asks. An attempt takes only what its own run wrote for a sign that
    /// a package ended it: another run may be at the same package.
    #[serde(default)]
    pub execution: Option<String>,
}

/// The longest name of an execution, in characters; Step Functions has 80.
const LONGEST_EXECUTION: usize = 256;

/// Where the result is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Answer {
    /// The case.
    pub case_id: CaseId,
    /// After which pass.
    pub pass: String,
    /// The result's key in the vault.
    pub result: String,
}

/// Why a case was not examined. Trying again may help, which the state machine does.
#[derive(Debug, thiserror::Error)]
pub enum ExamineError {
    /// The input is none that this function takes.
    #[error("{0}")]
    BadInput(String),
    /// There is no such case.
    #[error("there is no sealed case {0}; list the folder cases/ for those that are")]
    NoCase(CaseId),
    /// The vault failed.
    #[error(transparent)]
    Vault(#[from] VaultError),
    /// The case does not hold together.
    #[error("the case cannot be read: {0}")]
    BadCase(SealError),
    /// Our own rules cannot be used.
    #[error("our own rules cannot be used: {0}")]
    Rules(#[from] signatures::BadRules),
    /// No files could be laid down.
    #[error("the function's own storage failed: {0}")]
    Scratch(#[from] std::io::Error),
}

impl From<SealError> for ExamineError {
    fn from(error: SealError) -> Self {
        match error {
            SealError::Vault(error) => Self::Vault(error),
            other => Self::BadCase(other),
        }
    }
}

impl ExamineError {
    /// One word for what went wrong, for the state machine and for people.
    pub const fn name(&self) -> &'static str {
        match self {
            Self::BadInput(_) => "BadInput",
            Self::NoCase(_) => "NoCase",
            Self::Vault(_) => "VaultFailed",
            Self::BadCase(_) => "BadCase",
            Self::Rules(_) => "BadRules",
            Self::Scratch(_) => "NoScratch",
        }
    }
}

impl Step {
    /// Reads a step's input.
    pub fn read(payload: Value) -> Result<Self, ExamineError> {
        let step: Self = serde_json::from_value(payload).map_err(|error| {
            ExamineError::BadInput(format!(
                "{error}; a step looks like {{\"case_id\": \"20260102T030405Z-…\", \"pass\": \"sealed\"}}"
            ))
        })?;
        if step.pass.is_empty() || file_name(&step.pass, 64) != step.pass {
            return Err(ExamineError::BadInput(
                "that is no pass: take letters, digits, - and _, 64 of them at most".to_owned(),
            ));
        }
        let execution = step.execution.as_deref().unwrap_or_default();
        if execution.chars().count() > LONGEST_EXECUTION {
            return Err(ExamineError::BadInput(format!(
                "that is no execution's name: {LONGEST_EXECUTION} characters are the most"
            )));
        }
        Ok(step)
    }
}

/// Kept back from the function's time limit for the timeline and the result.
const TIME_TO_DRAW: Duration = Duration::from_secs(90);
/// Kept back of that for the result.
const TIME_TO_WRITE: Duration = Duration::from_secs(20);

impl Examiner {
    /// Examines a case. Twice is once: what is written down first is the result.
    pub async fn take(&self, step: &Step, attempt: &Attempt) -> Result<Answer, ExamineError> {
        let vault = &*self.vault;
        let answer = Answer {
            case_id: step.case_id.clone(),
            pass: step.pass.clone(),
            result: keys::examination(&step.case_id, &step.pass),
        };
        if vault.holds(&answer.result).await? {
            return Ok(answer);
        }
        let until = |kept_back| {
            let until = attempt.deadline.checked_sub(kept_back);
            until.unwrap_or(attempt.deadline)
        };
        let scratch = tempfile::tempdir_in(&self.scratch)?;
        let Some(case) = Case::read(vault, &step.case_id).await? else {
            return Err(ExamineError::NoCase(step.case_id.clone()));
        };
        let told = Pieces::of(vault, case.first()).await?;
        let baseline = baseline::before(vault, case.first()).await?;
        let key = baseline::mark_key(vault).await?;
        let intents = keys::tracing_intents(&case.first().target);
        let is_traced_by_us = !vault.list(&intents, 1).await?.is_empty();
        let record = baseline.as_ref().ok();
        let settings = difference::Settings::look(&told.pieces, record, &key, is_traced_by_us);
        let mut exhibits = Exhibits {
            vault: Arc::clone(&self.vault),
            case: step.case_id.clone(),
            pass: step.pass.clone(),
            execution: step.execution.clone(),
            clock: Arc::clone(&self.clock),
            kept: Vec::new(),
            left_out: Vec::new(),
        };
        let packages = match result::packages_of(vault, step).await? {
            Some(packages) => packages,
            None => {
                let opening = Opening {
                    vault,
                    scratch: scratch.path(),
                    limit_bytes: self.settings.limit_bytes,
                    limits: self.limits,
                    owner: Arc::new(self.owner().await?),
                    deadline: until(TIME_TO_DRAW),
                    underway: Arc::clone(&self.underway),
                };
                let mut wanted = parts::wanted(&told.pieces, &case.first().target);
                if let Ok(record) = &baseline {
                    difference::pair(&mut wanted, record);
                }
                let (mut packages, texts) = opening.all(wanted, &mut exhibits).await?;
                packages.findings.extend(opening.owner.findings.clone());
                if let Ok(record) = &baseline {
                    let target = &case.first().target;
                    let changed = &packages.changed;
                    difference::keep(&mut exhibits, target, record, &settings, changed, &texts)
                        .await?;
                }
                exhibits
                    .json(
                        result::PACKAGES,
                        "coldcase: the packages of the case",
                        &packages,
                    )
                    .await?;
                packages
            }
        };
        let Packages {
            findings: of_packages,
            changed,
            mut left_out,
            ..
        } = packages;
        left_out.extend(told.left_out);
        let mut findings = case.findings.clone();
        findings.extend(told.findings);
        findings.extend(of_packages);
        findings.extend(settings.findings);
        if let Err(why) = &baseline {
            findings.push(result::no_baseline(why));
        }
        let drawing = Drawing {
            vault,
            case: &case,
            pieces: &told.pieces,
            findings: &findings,
            baseline: baseline.as_ref().ok().map(|record| {
                (
                    record.baseline.recorded_at,
                    record.why(),
                    record.key.clone(),
                )
            }),
            scratch: scratch.path(),
            now: (self.clock)(),
            deadline: until(TIME_TO_WRITE),
            most: timeline::MOST_OF_ONE_SOURCE,
        };
        let drawn = drawing.keep(&mut exhibits).await?;
        findings.extend(drawn.findings);
        left_out.extend(drawn.left_out);
        left_out.append(&mut exhibits.left_out);
        let outcome = result::outcome(&left_out);
        let not_compared = changed.iter().filter(|part| part.not_compared.is_some());
        let compared = Compared {
            changes: settings.changes.as_deref(),
            files: difference::files(&changed),
            gaps: settings.gaps.len() + not_compared.count(),
        };
        let verdict = result::verdict(&case, &compared, &findings);
        findings.retain(|finding| !case.says(finding));
        let outcome_word = outcome.as_str();
        result::write(vault, &answer.result, findings, verdict, exhibits, outcome).await?;
        tracing::info!(
            case = %answer.case_id,
            pass = answer.pass,
            entries = drawn.entries,
            outcome = outcome_word,
            "examined"
        );
        Ok(answer)
    }

    async fn owner(&self) -> Result<Owner, ExamineError> {
        let places = owner::Places {
            rules: self.settings.rules.as_ref(),
            advisories: self.settings.advisories.as_ref(),
            expected: self.settings.expected.as_ref(),
        };
        Ok(Owner::gather(&*self.bookcase, places).await?)
    }
}
