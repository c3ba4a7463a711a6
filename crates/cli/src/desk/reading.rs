//! A case that somebody names, read; and what its manifests alone tell of it.

use super::{Failure, Kind, Opened, Options, Output, Place, Tone, open_vault, resolve};
use anyhow::Result;
use evidence::{
    ArtifactKind, CaseId, CustodyAction, Exhibit, Finding, Manifest, Severity, Trigger, Verdict,
    keys,
};
use serde::Serialize;
use std::io::{self, Write as _};
use std::process::ExitCode;
use vault::{Case, Vault};

/// A case with the vault that it lies in.
pub struct Reading {
    /// Its id.
    pub id: CaseId,
    /// The vault.
    pub opened: Opened,
    /// Its chain.
    pub case: Case,
}

impl Reading {
    /// Opens the vault that the options name and reads the case that somebody `named`.
    pub async fn of(named: &str, options: &Options, output: &Output) -> Result<Self> {
        let opened = open_vault(options, output, false).await?;
        let id = resolve(&*opened.vault, &opened.place, named).await?;
        let case = case(&*opened.vault, &opened.place, &id).await?;
        tell_altered(&case);
        Ok(Self { id, opened, case })
    }

    /// What of the chain does not fit together; nothing, if it does.
    pub fn altered(&self) -> Vec<&str> {
        altered(&self.case)
    }

    /// The exit code of what is told of it: 1 if the chain does not fit together.
    pub fn code(&self) -> ExitCode {
        match self.case.findings.is_empty() {
            true => ExitCode::SUCCESS,
            false => ExitCode::from(1),
        }
    }

    /// The vault.
    pub fn vault(&self) -> &dyn Vault {
        &*self.opened.vault
    }
}

/// What of a chain does not fit together.
pub fn altered(case: &Case) -> Vec<&str> {
    case.findings
        .iter()
        .map(|finding| finding.statement.as_str())
        .collect()
}

/// Says of a chain that does not fit together that it does not: also where it is quiet, for whoever reads on
/// has to know.
pub fn tell_altered(case: &Case) {
    for statement in altered(case) {
        let line = Tone::Bad.paint(format!("ALTERED: {}", evidence::shown(statement, 400)));
        // Nobody to tell is no failure.
        let _ = writeln!(anstream::AutoStream::auto(io::stderr().lock()), "{line}");
    }
}

/// Reads a case by its id.
pub async fn case(vault: &dyn Vault, place: &Place, id: &CaseId) -> Result<Case> {
    if let Some(case) = Case::read(vault, id).await? {
        return Ok(case);
    }
    let begun = vault.holds(&keys::manifest(id, 0)).await?;
    let what = match begun {
        true => "it is being sealed; ask again in a minute",
        false => "nothing of it is sealed: its evidence is still on its way, or it was given up",
    };
    Err(Failure::new(
        Kind::Absent,
        format!("{id} in {place} is not sealed: {what}"),
    ))
}

/// What the last examination came to; none before the first.
pub fn verdict(case: &Case) -> Option<&Verdict> {
    let latest = case.manifests.iter().rev();
    latest
        .filter_map(|manifest| manifest.verdict.as_ref())
        .next()
}

/// Every finding once, the worst first: what does not fit together in the chain itself, then what the
/// manifests say.
pub fn findings(case: &Case) -> Vec<(&Finding, Option<&Manifest>)> {
    let of_the_chain = case.findings.iter().map(|finding| (finding, None));
    let mut all: Vec<(&Finding, Option<&Manifest>)> = of_the_chain.collect();
    for manifest in &case.manifests {
        for finding in &manifest.findings {
            if !all.iter().any(|(known, _)| finding.repeats(known)) {
                all.push((finding, Some(manifest)));
            }
        }
    }
    all.sort_by_key(|(finding, _)| std::cmp::Reverse((finding.severity, finding.confidence)));
    all
}

/// How bad the worst of it is: the verdict's word, else the worst finding's or the event's.
pub fn severity(case: &Case) -> Severity {
    let broken = case.findings.iter().map(|finding| finding.severity).max();
    let told = match verdict(case) {
        Some(verdict) => Some(verdict.severity),
        None => {
            let findings = case
                .manifests
                .iter()
                .flat_map(|manifest| &manifest.findings);
            let worst = findings.map(|finding| finding.severity).max();
            worst.max(match &case.first().trigger {
                Trigger::CloudTrailEvent { severity, .. } => Some(*severity),
                Trigger::Person { .. } => None,
            })
        }
    };
    told.max(broken).unwrap_or(Severity::Info)
}

/// A stage of an investigation.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Stage {
    /// The packages are examined.
    ExaminePackages,
    /// Logs, trail, role activity and traces around the event are collected.
    CollectWindow,
    /// They are examined.
    ExamineWindow,
    /// What came in late is collected.
    CollectLate,
    /// It is examined.
    ExamineLate,
}

impl Stage {
    /// In words, as something that is still to come.
    pub const fn words(self) -> &'static str {
        match self {
            Self::ExaminePackages => "the packages are examined",
            Self::CollectWindow => {
                "logs, audit trail, role activity and traces around the event are collected"
            }
            Self::ExamineWindow => "what was collected is examined",
            Self::CollectLate => "what the audit trail delivers late is collected",
            Self::ExamineLate => "what came late is examined",
        }
    }
}

/// What an investigation has not done yet, in its order.
pub fn to_come(case: &Case) -> Vec<Stage> {
    let custody = case.manifests.iter().flat_map(|manifest| &manifest.custody);
    let (mut collected, mut examined) = (Vec::new(), Vec::new());
    for entry in custody {
        match &entry.action {
            CustodyAction::WindowCollected { pass, .. } => collected.push(pass.as_str()),
            CustodyAction::Examined { pass } => examined.push(pass.as_str()),
            _ => {}
        }
    }
    // A window that somebody named has a mark behind the pass: `first-1a2b3c`.
    let has = |passes: &[&str], wanted: &str| {
        passes.iter().any(|pass| {
            pass.strip_prefix(wanted)
                .is_some_and(|rest| rest.is_empty() || rest.starts_with('-'))
        })
    };
    // A later step has all before it behind it: what runs on a desk does them in one.
    let mut is_behind = [
        has(&examined, "sealed"),
        has(&collected, "first"),
        has(&examined, "first"),
        has(&collected, "second"),
        has(&examined, "second"),
    ];
    for step in (1..is_behind.len()).rev() {
        is_behind[step - 1] |= is_behind[step] && step != 1;
    }
    is_behind[0] |= is_behind[2];
    // Nobody comes back to what was sealed at a desk; a stack's function does.
    let comes_back = case.first().responder.identity.split(':').nth(2) == Some("lambda");
    let [packages, window, examined_window, late, examined_late] = is_behind;
    let stages = [
        (Stage::ExaminePackages, packages),
        (Stage::CollectWindow, window),
        (Stage::ExamineWindow, examined_window),
        (Stage::CollectLate, late || !comes_back),
        (Stage::ExamineLate, examined_late || !comes_back),
    ];
    let left = stages.into_iter().filter(|(_, is_done)| !is_done);
    left.map(|(stage, _)| stage).collect()
}

/// The exhibits of the latest examination that has any for which `wanted` holds, in order.
pub fn examined(case: &Case, wanted: impl Fn(&Exhibit) -> bool) -> Vec<&Exhibit> {
    for manifest in case.manifests.iter().rev() {
        let of_examinations = manifest
            .acquisitions
            .iter()
            .filter(|acquisition| acquisition.request.artifact == ArtifactKind::Examination);
        let exhibits = of_examinations.flat_map(|acquisition| &acquisition.exhibits);
        let found: Vec<&Exhibit> = exhibits.filter(|exhibit| wanted(exhibit)).collect();
        if !found.is_empty() {
            return found;
        }
    }
    Vec::new()
}
