//! What an examination comes to, written down once; and what a later one takes over from the first.

use crate::exhibits::{Exhibits, JSON};
use crate::parts::Packages;
use crate::{ExamineError, Step};
use evidence::{
    Confidence, Examination, Finding, Outcome, Severity, Verdict, file_name, keys, shown,
};
use snapshot::Compared;
use vault::{Case, exhibit_bytes};
use vault::{Vault, VaultError};

/// The exhibit that says what came of the packages.
pub(crate) const PACKAGES: &str = "packages";

/// The examination that opens packages; later ones take its word for them, since a case's packages do
/// not change.
const OPENS: &str = "sealed";

/// The most findings of a result: the worst ones.
const MOST_FINDINGS: usize = 400;

/// The longest account of what was left out, in characters.
const LONGEST: usize = 900;

/// What the first examination says of the packages, if it says anything: none where there is none, or
/// where its word cannot be taken.
pub(crate) async fn packages_of(
    vault: &dyn Vault,
    step: &Step,
) -> Result<Option<Packages>, VaultError> {
    if step.pass == OPENS {
        return Ok(None);
    }
    let bytes = match vault.get(&keys::examination(&step.case_id, OPENS)).await {
        Ok(bytes) => bytes,
        Err(VaultError::NotFound { .. } | VaultError::TooLarge { .. }) => return Ok(None),
        Err(error) => return Err(error),
    };
    let Ok(examination) = serde_json::from_slice::<Examination>(&bytes) else {
        return Ok(None);
    };
    let name = file_name(&format!("{PACKAGES}-{OPENS}"), 80);
    let Some(exhibit) = examination.exhibits.iter().find(|exhibit| {
        exhibit.name == name
            && exhibit.key == keys::examined(&step.case_id, OPENS, &name, &exhibit.sha256, "json")
    }) else {
        return Ok(None);
    };
    let Ok(bytes) = exhibit_bytes(vault, exhibit).await? else {
        return Ok(None);
    };
    let packages: Option<Packages> = serde_json::from_slice(&bytes).ok();
    // What was not opened then may be opened now.
    Ok(packages.filter(|packages| {
        let mut parts = packages.parts.iter();
        parts.all(|part| part.not_examined.is_none())
    }))
}

/// What is told where nothing says how the function was.
pub(crate) fn no_baseline(why: &str) -> Finding {
    Finding {
        rule: "no-baseline".to_owned(),
        statement: format!("There is nothing to compare the function with: {why}"),
        severity: Severity::Info,
        confidence: Confidence::High,
        technique: None,
        advice: Some(
            "Compare the code and the settings with what the pipeline deployed last.".to_owned(),
        ),
        proof: Vec::new(),
    }
}

/// Whether everything was examined.
pub(crate) fn outcome(left_out: &[String]) -> Outcome {
    if left_out.is_empty() {
        return Outcome::Acquired;
    }
    let mut why = String::new();
    for (index, what) in left_out.iter().enumerate() {
        let more = left_out.len() - index;
        if why.chars().count() + what.chars().count() > LONGEST {
            why.push_str(&format!("; and {more} more"));
            break;
        }
        if index > 0 {
            why.push_str("; ");
        }
        why.push_str(what);
    }
    Outcome::Partial {
        why: shown(&why, LONGEST + 40),
    }
}

/// What the case comes to, with what it said before.
pub(crate) fn verdict(case: &Case, compared: &Compared<'_>, found: &[Finding]) -> Verdict {
    let manifest = case.first();
    let lasts = |finding: &&Finding| !PASSING.contains(&finding.rule.as_str());
    let known = case
        .manifests
        .iter()
        .flat_map(|manifest| &manifest.findings)
        .filter(lasts);
    // What the case says already counts once, unless it is said anew of this pass.
    let found = found
        .iter()
        .filter(|finding| !lasts(finding) || !case.says(finding));
    let findings: Vec<Finding> = known.chain(found).cloned().collect();
    let expected = manifest
        .findings
        .iter()
        .any(|finding| finding.rule == EXPECTED);
    snapshot::verdict(
        &manifest.trigger,
        &manifest.target,
        compared,
        &findings,
        expected,
    )
}

/// Rules of what ended an earlier examination. Whether it still holds, this pass says for itself.
const PASSING: [&str; 3] = [
    "examination-failed",
    "examination-unfit",
    "package-ends-examination",
];

/// The rule of the finding that marks a trusted deployer's change, made when the case was opened.
const EXPECTED: &str = "expected-change";

/// Writes the result, last of all. The first one written stands.
pub(crate) async fn write(
    vault: &dyn Vault,
    key: &str,
    mut findings: Vec<Finding>,
    verdict: Verdict,
    exhibits: Exhibits,
    outcome: Outcome,
) -> Result<(), ExamineError> {
    findings.sort_by_key(|finding| std::cmp::Reverse((finding.severity, finding.confidence)));
    if findings.len() > MOST_FINDINGS {
        let more = findings.len() - MOST_FINDINGS;
        findings.truncate(MOST_FINDINGS);
        findings.push(Finding {
            rule: "more-findings".to_owned(),
            statement: format!(
                "{more} more findings, none of them worse than those that are listed, are in the exhibit \
                 {PACKAGES} of this examination"
            ),
            severity: Severity::Info,
            confidence: Confidence::High,
            technique: None,
            advice: None,
            proof: Vec::new(),
        });
    }
    let examination = Examination {
        findings,
        verdict,
        exhibits: exhibits.kept,
        outcome,
    };
    let bytes = serde_json::to_vec(&examination).map_err(std::io::Error::other)?;
    match vault.put_once(key, bytes.into(), JSON).await {
        // Another attempt was first.
        Ok(_) | Err(VaultError::Conflict { .. }) => Ok(()),
        Err(error) => Err(error.into()),
    }
}
