//! What people and other automation are told of an examined case.

use evidence::{
    Confidence, CustodyAction, Finding, Manifest, Outcome, SealedCase, Severity, keys, shown,
};
use function::{Notice, subject, word};
use serde_json::{Value, json};
use std::collections::BTreeSet;

/// What was known, and could have been told, before an addendum.
pub(crate) struct Before {
    /// How bad earlier examinations said it is, and whether they took it for expected.
    verdicts: Vec<(Severity, bool)>,
    /// Rule, severity and technique of all findings so far.
    findings: BTreeSet<(String, Severity, Option<String>)>,
    /// Whether a later examination is sealed already.
    outdated: bool,
}

impl Before {
    /// What the case and its addenda up to `sequence` say.
    pub(crate) fn of(case: &SealedCase, addenda: &[SealedCase], sequence: u32) -> Self {
        let is_before = |one: &&SealedCase| one.manifest().sequence < sequence;
        let earlier = || std::iter::once(case).chain(addenda.iter().filter(is_before));
        let findings = earlier().flat_map(|one| &one.manifest().findings);
        Self {
            verdicts: earlier()
                .map(SealedCase::manifest)
                .filter(|manifest| is_examined(manifest))
                .map(|manifest| (severity(manifest), is_expected(manifest)))
                .collect(),
            findings: findings.map(kind).collect(),
            outdated: addenda
                .iter()
                .any(|one| one.manifest().sequence > sequence && is_examined(one.manifest())),
        }
    }

    fn is_worse(&self, manifest: &Manifest) -> bool {
        let now = severity(manifest);
        let worst = self.verdicts.iter().map(|(severity, _)| *severity).max();
        worst.is_none_or(|worst| now > worst)
            || (!is_expected(manifest) && self.verdicts.iter().all(|(_, expected)| *expected))
            || urgent(manifest).any(|finding| !self.findings.contains(&kind(finding)))
    }
}

fn kind(finding: &Finding) -> (String, Severity, Option<String>) {
    (
        finding.rule.clone(),
        finding.severity,
        finding.technique.clone(),
    )
}

fn urgent(manifest: &Manifest) -> impl Iterator<Item = &Finding> {
    let is_urgent = |finding: &&Finding| finding.severity >= Severity::High;
    manifest.findings.iter().filter(is_urgent)
}

fn is_examined(manifest: &Manifest) -> bool {
    let mut actions = manifest.custody.iter().map(|entry| &entry.action);
    actions.any(|action| matches!(action, CustodyAction::Examined { .. }))
}

/// Whether the examination came to a result, whatever it is.
fn came_to_an_end(manifest: &Manifest) -> bool {
    let mut results = manifest.acquisitions.iter().map(|one| &one.result);
    !results.any(|result| matches!(result, Outcome::Failed { .. }))
}

/// How bad an examined addendum is: its verdict, else the worst of its findings.
pub(crate) fn severity(manifest: &Manifest) -> Severity {
    let findings = manifest.findings.iter().map(|finding| finding.severity);
    let verdict = manifest.verdict.as_ref().map(|verdict| verdict.severity);
    verdict.or(findings.max()).unwrap_or(Severity::Info)
}

pub(crate) fn confidence(manifest: &Manifest) -> Confidence {
    let verdict = manifest.verdict.as_ref();
    verdict.map_or(Confidence::Low, |verdict| verdict.confidence)
}

fn is_expected(manifest: &Manifest) -> bool {
    let verdict = manifest.verdict.as_ref();
    verdict.is_some_and(|verdict| verdict.expected)
}

/// The verdict in one line; where there is none, why.
pub(crate) fn verdict_line(manifest: &Manifest) -> String {
    let failure = manifest.findings.first().map(|finding| &finding.statement);
    let verdict = manifest.verdict.as_ref().map(|verdict| &verdict.line);
    let line = verdict.or(failure).cloned();
    line.unwrap_or_else(|| "Nothing was noticed.".to_owned())
}

/// A message to people, where the verdict is the first one or worse than those before. None
/// otherwise, and none for what a later examination has overtaken.
pub(crate) fn notice(
    manifest: &Manifest,
    pass: &str,
    before: &Before,
    place: &str,
) -> Option<Notice> {
    if before.outdated || !before.is_worse(manifest) {
        return None;
    }
    let severity = severity(manifest);
    let what = match came_to_an_end(manifest) {
        true => format!("Case examined, {}", word(severity)),
        false => format!("Case not examined, {}", word(severity)),
    };
    let mut body = format!(
        "{}\n\nSeverity  {}, confidence {}{}\nCase      {}\nTarget    {}\n",
        unlinked(&verdict_line(manifest)),
        word(severity),
        sureness(confidence(manifest)),
        match is_expected(manifest) {
            true => ", an expected change",
            false => "",
        },
        manifest.case_id,
        shown(&manifest.target.id(), 300)
    );
    if let Some(verdict) = &manifest.verdict {
        for (label, value) in [("By", &verdict.by), ("From", &verdict.from)] {
            if let Some(value) = value {
                body.push_str(&format!("{label:<9} {}\n", unlinked(value)));
            }
        }
        for (number, changed) in verdict.changed.iter().take(MOST_CHANGES).enumerate() {
            let label = if number == 0 { "Changed" } else { "" };
            body.push_str(&format!("{label:<9} {}\n", unlinked(changed)));
        }
        let more = verdict.changed.len().saturating_sub(MOST_CHANGES);
        if more > 0 {
            body.push_str(&format!("          … and {more} more\n"));
        }
    }
    let mut worst: Vec<_> = manifest.findings.iter().collect();
    worst.retain(|finding| finding.severity >= Severity::Medium);
    worst.sort_by_key(|finding| std::cmp::Reverse(finding.severity));
    if !worst.is_empty() {
        body.push_str("\nFindings\n");
    }
    for finding in worst.iter().take(MOST_TOLD) {
        let technique = finding.technique.as_ref();
        let technique = technique
            .map(|id| format!("  (ATT&CK {id})"))
            .unwrap_or_default();
        body.push_str(&format!(
            "{:<9} {}{technique}\n",
            word(finding.severity),
            unlinked(&shown(&finding.statement, 400))
        ));
        if let Some(advice) = &finding.advice {
            body.push_str(&format!(
                "          Next: {}\n",
                unlinked(&shown(advice, 400))
            ));
        }
    }
    let more = worst.len().saturating_sub(MOST_TOLD);
    if more > 0 {
        body.push_str(&format!("          … and {more} more\n"));
    }
    let (id, key) = (
        &manifest.case_id,
        keys::envelope(&manifest.case_id, manifest.sequence),
    );
    let result = keys::examination(id, pass);
    let folder = result.trim_end_matches("result.json");
    body.push_str(&format!(
        "\nSealed at {} in {place}/{key}\n\n\
         Look further:\n\
         aws s3 cp {place}/{key} - | jq -r .payload | base64 --decode | jq .predicate\n\
         aws s3 cp --recursive {place}/{folder} {id}\n",
        manifest.sealed_at
    ));
    Some(Notice {
        subject: subject(&what, &manifest.target),
        body,
    })
}

/// Text of an examination, which a hostile package may have dictated, must not become a link that
/// people click because this message comes from whom they trust.
fn unlinked(text: &str) -> String {
    text.replace("://", ":[//]")
}

/// The most findings that a message tells.
const MOST_TOLD: usize = 10;
/// The most changes that it tells.
const MOST_CHANGES: usize = 10;

/// The detail of the event `Case Sealed` of `coldcase` for other automation: the same whenever the
/// same addendum is announced, so that its case and sequence name it.
pub(crate) fn event(manifest: &Manifest, pass: &str, place: &str) -> Value {
    let target = &manifest.target;
    let count = |severity| {
        let findings = manifest.findings.iter();
        findings
            .filter(|finding| finding.severity == severity)
            .count()
    };
    json!({
        "case_id": manifest.case_id,
        "sequence": manifest.sequence,
        "pass": pass,
        "sealed_at": manifest.sealed_at,
        "target": {
            "arn": shown(&target.id(), 300),
            "account": target.account,
            "region": target.region,
            "name": shown(&target.name, 140),
        },
        "examined": came_to_an_end(manifest),
        "severity": severity(manifest),
        "confidence": confidence(manifest),
        "expected": is_expected(manifest),
        "verdict": verdict_line(manifest),
        "findings": {
            "critical": count(Severity::Critical),
            "high": count(Severity::High),
            "medium": count(Severity::Medium),
            "low": count(Severity::Low),
            "info": count(Severity::Info),
        },
        "bucket": place.trim_start_matches("s3://"),
        "key": keys::envelope(&manifest.case_id, manifest.sequence),
    })
}

fn sureness(confidence: Confidence) -> &'static str {
    match confidence {
        Confidence::Low => "low",
        Confidence::Medium => "medium",
        Confidence::High => "high",
    }
}
