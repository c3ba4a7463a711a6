//! What an examination says it came to, read as what it is: the word of a function that the package
//! which it opened may have taken over.
//!
//! Sizes and counts are bounded, texts are escaped, keys have to lie in the examination's own folder,
//! and digests are what the bytes in the vault really have. What does not fit is no result.

use crate::examination::{FAILED, UNFIT};
use evidence::{
    CaseId, CustodyAction, Examination, Exhibit, Finding, Manifest, Outcome, Proof, SealedCase,
    Severity, Sha256Digest, Trigger, Verdict, file_name, keys, shown,
};
use jiff::Timestamp;
use std::collections::BTreeSet;
use vault::{Vault, VaultError};

/// The most findings that are sealed: the worst ones.
pub(crate) const MOST_FINDINGS: usize = 500;
/// What their texts may take in the manifest, which is read in one piece.
const FINDINGS_BYTES: usize = 2 * 1024 * 1024;
/// The most places that one finding is shown at.
const MOST_PROOFS: usize = 8;
/// The most exhibits.
const MOST_EXHIBITS: usize = 1000;
/// The largest exhibit.
const EXHIBIT_BYTES: u64 = 64 * 1024 * 1024;
/// The largest exhibits in all: they are read again before anything is sealed.
const ALL_BYTES: u64 = 1024 * 1024 * 1024;
/// The most changes that a verdict counts up.
const MOST_CHANGED: usize = 50;

/// Why there is no result to seal.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Unfit {
    /// It is not what an examination writes; in words that can be told.
    #[error("{0}")]
    Bad(String),
    /// It could not be read; another try may help.
    #[error(transparent)]
    Vault(#[from] VaultError),
}

/// Reads a result and measures every exhibit that it names.
pub(crate) async fn read(
    vault: &dyn Vault,
    id: &CaseId,
    pass: &str,
    bytes: &[u8],
    (opened_at, now): (Timestamp, Timestamp),
) -> Result<Examination, Unfit> {
    let written: Examination = serde_json::from_slice(bytes).map_err(|error| {
        Unfit::Bad(format!(
            "it is not what an examination writes: {}",
            shown(&error.to_string(), 200)
        ))
    })?;
    let exhibits = exhibits(vault, id, pass, written.exhibits).await?;
    let exhibits = exhibits.into_iter().map(|exhibit| Exhibit {
        // Neither before the case nor in the future, whatever it says.
        acquired_at: exhibit.acquired_at.clamp(opened_at.min(now), now),
        source: shown(&exhibit.source, 200),
        ..exhibit
    });
    let (findings, left_out) = findings(written.findings)?;
    let outcome = outcome(written.outcome, left_out);
    Ok(Examination {
        outcome,
        exhibits: exhibits.collect(),
        findings,
        verdict: verdict(written.verdict),
    })
}

/// The exhibits, if each is where and what it is said to be.
async fn exhibits(
    vault: &dyn Vault,
    id: &CaseId,
    pass: &str,
    written: Vec<Exhibit>,
) -> Result<Vec<Exhibit>, Unfit> {
    if written.len() > MOST_EXHIBITS {
        return Err(Unfit::Bad(format!(
            "it names {} exhibits, more than {MOST_EXHIBITS}",
            written.len()
        )));
    }
    let (mut names, mut left) = (BTreeSet::new(), ALL_BYTES);
    for exhibit in &written {
        let bad = |why: &str| Unfit::Bad(format!("exhibit {}: {why}", shown(&exhibit.name, 80)));
        if file_name(&exhibit.name, 80) != exhibit.name || !names.insert(&exhibit.name) {
            return Err(bad("its name is none, or another's"));
        }
        if !is_own_key(id, pass, exhibit) {
            return Err(bad("it does not lie in the examination's own folder"));
        }
        let plain = |c: char| c.is_ascii_alphanumeric() || "/.+-=; ".contains(c);
        if exhibit.media_type.len() > 100 || !exhibit.media_type.chars().all(plain) {
            return Err(bad("its media type is none"));
        }
        let limit = EXHIBIT_BYTES.min(left);
        if exhibit.size_bytes > limit {
            return Err(bad("it is larger than what is sealed"));
        }
        let found = match vault::measure(vault, &exhibit.key, exhibit.size_bytes).await {
            Ok(found) => found,
            Err(VaultError::NotFound { .. }) => return Err(bad("it is not in the vault")),
            Err(VaultError::TooLarge { .. }) => {
                return Err(bad("it is longer than it is said to be"));
            }
            Err(error) => return Err(error.into()),
        };
        if found != (exhibit.sha256, exhibit.size_bytes) {
            return Err(bad("its bytes are not those that were named"));
        }
        left -= exhibit.size_bytes;
    }
    Ok(written)
}

/// Whether an exhibit's key is the one that an examination of this case and pass would keep it under.
fn is_own_key(id: &CaseId, pass: &str, exhibit: &Exhibit) -> bool {
    let beginning = keys::examined(id, pass, &exhibit.name, &exhibit.sha256, "");
    let Some(extension) = exhibit.key.strip_prefix(&beginning) else {
        return false;
    };
    let plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit();
    let mut parts = extension.split('.');
    extension.len() <= 16 && parts.all(|part| !part.is_empty() && part.chars().all(plain))
}

/// The findings in words that may be shown, the worst ones if there are too many; and how many those
/// are that are left out.
fn findings(written: Vec<Finding>) -> Result<(Vec<Finding>, usize), Unfit> {
    let all = written.len();
    let mut findings = Vec::with_capacity(all.min(MOST_FINDINGS));
    let mut written = written;
    // Stable: what an examination puts first among equals stays first.
    written.sort_by_key(|finding| std::cmp::Reverse(finding.severity));
    let mut left = FINDINGS_BYTES;
    for finding in written.into_iter().take(MOST_FINDINGS) {
        let finding = plain(finding)?;
        let size = serde_json::to_vec(&finding).map_or(usize::MAX, |text| text.len());
        let Some(rest) = left.checked_sub(size) else {
            break;
        };
        left = rest;
        findings.push(finding);
    }
    let left_out = all - findings.len();
    Ok((findings, left_out))
}

/// A finding with bounded, escaped texts.
fn plain(finding: Finding) -> Result<Finding, Unfit> {
    if !is_rule(&finding.rule) {
        return Err(Unfit::Bad(format!(
            "a finding of the rule {:?}, which is no rule's name",
            shown(&finding.rule, 80)
        )));
    }
    if finding
        .technique
        .as_deref()
        .is_some_and(|id| !is_technique(id))
    {
        return Err(Unfit::Bad(format!(
            "a finding of the rule {} names a technique that ATT&CK cannot have",
            finding.rule
        )));
    }
    let proof = finding
        .proof
        .into_iter()
        .take(MOST_PROOFS)
        .map(|proof| Proof {
            exhibit: shown(&proof.exhibit, 200),
            path: proof.path.map(|path| shown(&path, 400)),
            line: proof.line,
            excerpt: proof.excerpt.map(|excerpt| shown(&excerpt, 160)),
        });
    Ok(Finding {
        statement: shown(&finding.statement, 600),
        advice: finding.advice.map(|advice| shown(&advice, 600)),
        proof: proof.collect(),
        ..finding
    })
}

/// Kebab-case, 80 characters at most.
fn is_rule(text: &str) -> bool {
    let plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
    (1..=80).contains(&text.len()) && text.chars().all(plain)
}

/// `T1059`, `T1059.006`.
fn is_technique(text: &str) -> bool {
    let digits =
        |text: &str, count| text.len() == count && text.bytes().all(|b| b.is_ascii_digit());
    let (whole, part) = text.split_once('.').unwrap_or((text, "000"));
    whole.strip_prefix('T').is_some_and(|id| digits(id, 4)) && digits(part, 3)
}

fn verdict(written: Verdict) -> Verdict {
    let mut changed = written.changed;
    let more = changed.len().saturating_sub(MOST_CHANGED);
    changed.truncate(MOST_CHANGED);
    let mut changed: Vec<String> = changed.iter().map(|one| shown(one, 300)).collect();
    if more > 0 {
        changed.push(format!("… and {more} more"));
    }
    Verdict {
        line: shown(&written.line, 600),
        changed,
        by: written.by.map(|by| shown(&by, 300)),
        from: written.from.map(|from| shown(&from, 100)),
        ..written
    }
}

/// The rule of the finding that marks a trusted deployer's change, made when the case was opened.
const EXPECTED: &str = "expected-change";
/// A package ended an earlier examination, which a later one may have got over.
const ENDS: &str = "package-ends-examination";

/// A verdict as far as the case bears it out. Who did it and from where is the sealed trigger's word, a
/// change is expected only if the case says so, and nothing is milder than what is known of it.
pub(crate) fn held_to(
    written: Verdict,
    case: &SealedCase,
    earlier: &[SealedCase],
    findings: &[Finding],
) -> Verdict {
    let manifests = || {
        let addenda = earlier.iter().map(SealedCase::manifest);
        std::iter::once(case.manifest()).chain(addenda)
    };
    // An earlier examination may have been taken over as well: it cannot vouch for this one.
    let own = manifests().filter(|manifest| !is_examination(manifest));
    let mut own = own.flat_map(|manifest| &manifest.findings);
    let expected = written.expected && own.any(|finding| finding.rule == EXPECTED);
    let known = manifests()
        .flat_map(|manifest| &manifest.findings)
        .filter(|finding| {
            !expected
                && finding.severity >= Severity::High
                && ![FAILED, UNFIT, ENDS].contains(&finding.rule.as_str())
        });
    let worst = findings.iter().chain(known).map(|finding| finding.severity);
    let severity = worst.fold(written.severity, Severity::max);
    let (by, from) = match &case.manifest().trigger {
        Trigger::CloudTrailEvent {
            principal,
            source_address,
            ..
        } => (principal.as_deref(), source_address.as_deref()),
        Trigger::Person { .. } => (None, None),
    };
    let mut amiss = Vec::new();
    if severity > written.severity {
        amiss.push(format!(
            "findings of the case are {}",
            function::word(severity)
        ));
    }
    if written.expected && !expected {
        amiss.push("the case does not say that the change was expected".to_owned());
    }
    // The sentence says otherwise; the reader is told before it.
    let line = match amiss.is_empty() {
        true => written.line,
        false => format!("({}) {}", amiss.join("; "), written.line),
    };
    Verdict {
        line: shown(&line, 600),
        severity,
        by: by.map(|by| shown(by, 300)),
        from: from.map(|from| shown(from, 200)),
        expected,
        ..written
    }
}

fn is_examination(manifest: &Manifest) -> bool {
    let mut actions = manifest.custody.iter().map(|entry| &entry.action);
    actions.any(|action| matches!(action, CustodyAction::Examined { .. }))
}

/// The outcome, with what is left out here told as well.
fn outcome(written: Outcome, left_out: usize) -> Outcome {
    let rest = format!("{left_out} more findings are in the result only, which is an exhibit");
    match written {
        Outcome::Acquired if left_out == 0 => Outcome::Acquired,
        Outcome::Acquired => Outcome::Partial { why: rest },
        Outcome::Partial { why } if left_out == 0 => Outcome::Partial {
            why: shown(&why, 1000),
        },
        Outcome::Partial { why } => Outcome::Partial {
            why: format!("{}; {rest}", shown(&why, 1000)),
        },
        Outcome::Absent { why } => Outcome::Absent {
            why: shown(&why, 1000),
        },
        Outcome::Denied { why } => Outcome::Denied {
            why: shown(&why, 1000),
        },
        Outcome::Failed { why } => Outcome::Failed {
            why: shown(&why, 1000),
        },
    }
}

/// The result itself as an exhibit: what was cut or left out can be looked up in it.
pub(crate) fn itself(key: String, pass: &str, bytes: &[u8], now: Timestamp) -> Exhibit {
    Exhibit {
        name: file_name(&format!("examination-{pass}-result.json"), 80),
        key,
        sha256: Sha256Digest::of(bytes),
        size_bytes: bytes.len() as u64,
        media_type: "application/json".to_owned(),
        source: "examine".to_owned(),
        acquired_at: now,
    }
}
