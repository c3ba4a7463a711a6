//! The addendum that a pass ends in, and what a person is told of it.

use crate::plan::Plan;
use crate::{InvestigateError, Investigator};
use collectors::Concluded;
use evidence::{
    BadSeal, CustodyAction, Draft, Finding, Manifest, Request, Responder, SealedCase, Severity,
    keys,
};
use function::{Attempt, Notice, line, subject, word};
use std::collections::BTreeMap;
use vault::SealError;

impl Investigator {
    /// Seals what a pass brought as the next addendum of the case; twice is once.
    pub(crate) async fn seal(
        &self,
        case: &SealedCase,
        plan: &Plan,
        done: BTreeMap<Request, Concluded>,
        attempt: &Attempt,
    ) -> Result<SealedCase, InvestigateError> {
        let is_ours = |manifest: &Manifest| is_of(manifest, &plan.pass);
        let draw = |last: &SealedCase| {
            let mut addendum = last.amend(self.identity(attempt), (self.clock)());
            for concluded in done.values() {
                addendum.record(concluded.acquisition.clone());
                for finding in &concluded.findings {
                    addendum.find(finding.clone());
                }
            }
            let collected = CustodyAction::WindowCollected {
                pass: plan.pass.clone(),
                window: plan.window,
            };
            addendum.custody(collected, (self.clock)());
            addendum.draft((self.clock)())
        };
        self.amend(case, is_ours, draw).await
    }

    /// Seals the next addendum of a case; twice is once.
    pub(crate) async fn amend(
        &self,
        case: &SealedCase,
        is_ours: impl Fn(&Manifest) -> bool + Send,
        draw: impl Fn(&SealedCase) -> Result<Draft, BadSeal> + Send,
    ) -> Result<SealedCase, InvestigateError> {
        let sealed = vault::amend(&*self.vault, &*self.signer, case, is_ours, draw).await;
        sealed.map_err(|error| match error {
            // Another try would end the same.
            SealError::Full(_) => InvestigateError::BadInput(error.to_string()),
            error => error.into(),
        })
    }

    pub(crate) fn identity(&self, attempt: &Attempt) -> Responder {
        Responder::coldcase(&self.settings.identity, &attempt.id)
    }
}

/// Whether an addendum is what this pass ended in.
fn is_of(manifest: &Manifest, wanted: &str) -> bool {
    manifest.custody.iter().any(|entry| {
        matches!(&entry.action, CustodyAction::WindowCollected { pass, .. } if pass == wanted)
    })
}

/// What a person should be told: findings that somebody should look at now and that an `earlier`
/// pass did not make, whatever the figures in their words. None otherwise.
pub(crate) fn notice(addendum: &SealedCase, earlier: &[Finding], place: &str) -> Option<Notice> {
    let manifest = addendum.manifest();
    let is_known = |finding: &Finding| {
        earlier.iter().any(|known| {
            (&known.rule, known.severity, &known.technique)
                == (&finding.rule, finding.severity, &finding.technique)
        })
    };
    let urgent: Vec<_> = manifest
        .findings
        .iter()
        .filter(|finding| finding.severity >= Severity::High && !is_known(finding))
        .collect();
    let worst = urgent.iter().map(|finding| finding.severity).max()?;
    let what = match worst {
        Severity::Critical => "ALERT: critical finding",
        _ => "Finding",
    };
    let mut body = format!(
        "{what}.\n\nCase      {}\nTarget    {}\n",
        manifest.case_id,
        line(&manifest.target.id(), 300)
    );
    for finding in urgent.iter().take(20) {
        body.push_str(&format!(
            "{:<9} {}{}\n",
            word(finding.severity),
            line(&finding.statement, 400),
            finding
                .technique
                .as_ref()
                .map(|technique| format!("  (ATT&CK {technique})"))
                .unwrap_or_default()
        ));
    }
    if urgent.len() > 20 {
        body.push_str(&format!("          … and {} more\n", urgent.len() - 20));
    }
    body.push_str(&format!(
        "\nSealed at {} in {place}/{}\n",
        manifest.sealed_at,
        keys::envelope(&manifest.case_id, manifest.sequence)
    ));
    Some(Notice {
        subject: subject(what, &manifest.target),
        body,
    })
}
