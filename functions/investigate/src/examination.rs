//! Seals what an examination came to: the function that opens untrusted packages cannot sign.

use crate::announcement::{self, Before};
use crate::examined::{self, Unfit};
use crate::{InvestigateError, Investigator, Progress};
use evidence::{
    Acquisition, ArtifactKind, CaseId, Confidence, CustodyAction, Examination, Finding, Manifest,
    Outcome, Proof, Request, SealedCase, Severity, Verdict, file_name, keys, shown,
};
use function::Attempt;
use serde::Deserialize;
use vault::VaultError;

/// What is asked for: `{"case_id": …, "examination": "sealed"}`.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ToSeal {
    /// The case.
    pub case_id: CaseId,
    /// After which pass: `sealed`, `first`, `second`, or one over a window that somebody named.
    pub examination: String,
    /// The name of the error that the examining function ended with, if it did. Where it left no
    /// result, that is what is sealed.
    #[serde(default)]
    pub failure: Option<String>,
}

/// What goes into the addendum.
struct Draft {
    acquisition: Acquisition,
    findings: Vec<Finding>,
    verdict: Option<Verdict>,
}

impl Investigator {
    /// Seals the result of an examination as the next addendum of its case; twice is once.
    pub async fn seal_examination(
        &self,
        asked: &ToSeal,
        attempt: &Attempt,
    ) -> Result<Progress, InvestigateError> {
        let (id, pass) = (&asked.case_id, asked.examination.as_str());
        if pass.is_empty() || file_name(pass, 64) != pass {
            return Err(InvestigateError::BadInput(format!(
                "{:?} is no pass: take letters, digits, - and _",
                shown(pass, 80)
            )));
        }
        let case = self.case(id).await?;
        let earlier = self.addenda(id).await?;
        let is_ours = |manifest: &Manifest| is_of(manifest, pass);
        let addendum = match earlier.iter().find(|one| is_ours(one.manifest())) {
            Some(addendum) => addendum.clone(),
            None => {
                let draft = self.draft(&case, &earlier, asked).await?;
                let draw = |last: &SealedCase| {
                    let mut addendum = last.amend(self.identity(attempt), (self.clock)());
                    addendum.record(draft.acquisition.clone());
                    for finding in &draft.findings {
                        addendum.find(finding.clone());
                    }
                    if let Some(verdict) = &draft.verdict {
                        addendum.conclude(verdict.clone());
                    }
                    let examined = CustodyAction::Examined {
                        pass: pass.to_owned(),
                    };
                    addendum.custody(examined, (self.clock)());
                    addendum.draft((self.clock)())
                };
                self.amend(&case, is_ours, draw).await?
            }
        };
        let manifest = addendum.manifest();
        let before = Before::of(&case, &earlier, manifest.sequence);
        let place = &self.settings.place;
        let progress = Progress {
            notice: announcement::notice(manifest, pass, &before, place),
            event: Some(announcement::event(manifest, pass, place)),
            finding: crate::asff::finding(
                manifest,
                case.manifest().sealed_at,
                &self.settings.identity,
                place,
            ),
            ..Progress::sealed(&addendum, pass)
        };
        tracing::info!(
            case = %progress.case_id,
            pass,
            addendum = progress.addendum,
            "examination sealed"
        );
        Ok(progress)
    }

    /// The addenda so far, in order.
    async fn addenda(&self, id: &CaseId) -> Result<Vec<SealedCase>, InvestigateError> {
        let mut addenda = Vec::new();
        for sequence in 1..vault::MOST_ADDENDA {
            match vault::sealed(&*self.vault, id, sequence).await? {
                Some(addendum) => addenda.push(addendum),
                None => break,
            }
        }
        Ok(addenda)
    }

    /// What the examination came to: its result if it fits, else that it does not.
    async fn draft(
        &self,
        case: &SealedCase,
        earlier: &[SealedCase],
        asked: &ToSeal,
    ) -> Result<Draft, InvestigateError> {
        let pass = asked.examination.as_str();
        let key = keys::examination(&asked.case_id, pass);
        let bytes = match self.vault.get(&key).await {
            Ok(bytes) => bytes,
            Err(VaultError::NotFound { .. }) => {
                let Some(failure) = &asked.failure else {
                    return Err(InvestigateError::NoCase(format!(
                        "case {} was not examined after pass {pass}: {key} is not there",
                        asked.case_id
                    )));
                };
                let plain = |c: &char| c.is_ascii_alphanumeric() || *c == '.';
                let error: String = failure.chars().filter(plain).take(80).collect();
                return Ok(failed(
                    case,
                    pass,
                    FAILED,
                    &format!(
                        "the examination ended with {error} before it came to a result; the log of the \
                     examining function says more"
                    ),
                ));
            }
            Err(VaultError::TooLarge { limit_bytes, .. }) => {
                let why = format!("its result is larger than {limit_bytes} bytes");
                return Ok(failed(case, pass, UNFIT, &why));
            }
            Err(error) => return Err(error.into()),
        };
        let now = (self.clock)();
        let times = (case.manifest().opened_at, now);
        let itself = examined::itself(key, pass, &bytes, now);
        match examined::read(&*self.vault, &asked.case_id, pass, &bytes, times).await {
            Ok(Examination {
                outcome,
                exhibits,
                findings,
                verdict,
            }) => {
                let mut acquisition = acquisition(case, pass, outcome);
                acquisition.exhibits = exhibits;
                acquisition.exhibits.push(itself);
                let verdict = examined::held_to(verdict, case, earlier, &findings);
                Ok(Draft {
                    acquisition,
                    findings,
                    verdict: Some(verdict),
                })
            }
            Err(Unfit::Bad(why)) => {
                let mut draft = failed(
                    case,
                    pass,
                    UNFIT,
                    &format!("its result is not sealed: {why}"),
                );
                draft.acquisition.exhibits.push(itself);
                Ok(draft)
            }
            Err(Unfit::Vault(error)) => Err(error.into()),
        }
    }
}

/// Whether an addendum is what the examination after this pass ended in.
fn is_of(manifest: &Manifest, wanted: &str) -> bool {
    manifest
        .custody
        .iter()
        .any(|entry| matches!(&entry.action, CustodyAction::Examined { pass } if pass == wanted))
}

fn acquisition(case: &SealedCase, pass: &str, result: Outcome) -> Acquisition {
    Acquisition {
        request: Request::one(ArtifactKind::Examination, pass),
        target: case.manifest().target.clone(),
        result,
        calls: Vec::new(),
        exhibits: Vec::new(),
    }
}

/// The examining function died, or ran out of memory or time.
pub(crate) const FAILED: &str = "examination-failed";
/// It came to a result that it cannot have come to by itself.
pub(crate) const UNFIT: &str = "examination-unfit";

/// An examination without a result is a finding: packages are made to bring about exactly that.
fn failed(case: &SealedCase, pass: &str, rule: &str, why: &str) -> Draft {
    let finding = Finding {
        rule: rule.to_owned(),
        statement: format!("What was preserved could not be examined: {why}."),
        severity: Severity::High,
        confidence: Confidence::Low,
        technique: None,
        advice: Some(
            "Open the package in a place that has no credentials; a package that brings its reader \
             down may be meant to."
                .to_owned(),
        ),
        proof: vec![Proof {
            exhibit: Request::one(ArtifactKind::Examination, pass).to_string(),
            path: None,
            line: None,
            excerpt: None,
        }],
    };
    Draft {
        acquisition: acquisition(
            case,
            pass,
            Outcome::Failed {
                why: why.to_owned(),
            },
        ),
        findings: vec![finding],
        verdict: None,
    }
}
