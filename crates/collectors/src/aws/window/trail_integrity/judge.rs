//! What follows from the facts: the chains of digests are followed, the log files compared with what they
//! list, and what is not as CloudTrail left it becomes a finding.

use super::{Asked, Fact, FoundDigest, FoundFile, Key};
use crate::aws::window::trail_bucket::{Span, named_at};
use crate::{Entry, Observed, Observer, Refusal};
use aws_smithy_types::base64;
use evidence::{Confidence, Finding, Proof, Severity};
use flate2::Compression;
use flate2::read::GzDecoder;
use flate2::write::GzEncoder;
use jiff::Timestamp;
use serde_json::json;
use std::collections::BTreeMap;
use std::io::{Read as _, Write as _};
use trail::digests::{
    Chain, ChainKind, DeviationKind, DigestName, FoundDigest as Link, Integrity, Judgement,
    Location, LogFileState, Period, PublicKeys, TrailIntegrity,
};

/// How many bytes of digests, compressed, are held at a time: those of 100,000 log files at least.
const MOST_HELD_BYTES: usize = 16 * 1024 * 1024;

/// How many files a finding names.
const MOST_NAMED: usize = 5;

/// Puts the facts together, in bounded memory.
#[derive(Default)]
pub(super) struct Judge {
    asked: Option<Asked>,
    keys: BTreeMap<String, PublicKeys>,
    digests: BTreeMap<Location, Held>,
    held_bytes: usize,
    /// Once all digests are there.
    integrity: Option<Integrity>,
    /// Whether there is no digest at all.
    no_digest: bool,
    listed: Vec<(String, String, Span)>,
    unreadable: u64,
}

/// A digest that waits for the others.
struct Held {
    name: DigestName,
    signature: Option<String>,
    algorithm: Option<String>,
    /// Its bytes, compressed again; or why there are none.
    body: Result<Vec<u8>, String>,
}

impl Judge {
    fn keys(&mut self, region: String, keys: &[Key]) {
        let known = self.keys.entry(region).or_default();
        for key in keys {
            if let Ok(der) = base64::decode(&key.value) {
                known.add(key.fingerprint.clone(), der);
            }
        }
    }

    fn digest(&mut self, found: FoundDigest) {
        let location = Location::new(found.bucket, found.key);
        let Some(name) = DigestName::parse(&location.key) else {
            return;
        };
        let decoded = found.body_base64.and_then(|body| base64::decode(body).ok());
        let body = found.body.map(String::into_bytes).or(decoded);
        let body = match (body, found.unread) {
            (Some(body), _) => compressed(&body),
            (None, why) => Err(why.unwrap_or_else(|| "it is not there".to_owned())),
        };
        let bytes = body.as_ref().map_or(0, Vec::len);
        let body = match self.held_bytes + bytes > MOST_HELD_BYTES {
            true => Err("there are more digests than can be followed at once".to_owned()),
            false => body,
        };
        self.held_bytes += body.as_ref().map_or(0, Vec::len);
        let held = Held {
            name,
            signature: found.signature,
            algorithm: found.signature_algorithm,
            body,
        };
        self.digests.insert(location, held);
    }

    /// Follows every chain, the newest digest first.
    fn follow(&mut self) -> &mut Integrity {
        let (digests, keys) = (std::mem::take(&mut self.digests), &self.keys);
        let asked = self.asked.as_ref();
        self.integrity.get_or_insert_with(|| {
            let delivered = asked.map(|asked| asked.delivered);
            let asked = delivered.map_or(Period::new(Timestamp::MIN, Timestamp::MIN), |span| {
                Period::new(span.from, span.until)
            });
            let mut chains: BTreeMap<_, Vec<(Location, Held)>> = BTreeMap::new();
            for (location, held) in digests {
                let root = location.key.split("/CloudTrail-Digest/").next();
                let name = &held.name;
                let chain = (
                    location.bucket.clone(),
                    root.unwrap_or_default().to_owned(),
                    name.region.clone(),
                    name.trail.clone(),
                    name.home_region.clone(),
                    name.kind == ChainKind::Backfill,
                );
                chains.entry(chain).or_default().push((location, held));
            }
            let none = PublicKeys::default();
            let mut integrity = Integrity::new(asked);
            for ((_, _, region, trail, ..), mut digests) in chains {
                digests.sort_by_key(|(_, held)| std::cmp::Reverse(held.name.ended_at));
                let kind = digests
                    .first()
                    .map_or(ChainKind::Hourly, |(_, held)| held.name.kind);
                let keys = keys.get(&region).unwrap_or(&none);
                let mut chain = Chain::new(format!("{trail} in {region}"), kind, asked, keys);
                for (location, held) in digests {
                    match held.body.and_then(|body| inflated(&body)) {
                        Ok(body) => {
                            chain.link(&Link {
                                location,
                                inflated: &body,
                                signature: held.signature.as_deref(),
                                algorithm: held.algorithm.as_deref(),
                            });
                        }
                        Err(why) => chain.unread(&location, &why),
                    }
                }
                integrity.add(chain);
            }
            integrity
        })
    }

    fn file(&mut self, file: &FoundFile) {
        let location = Location::new(&file.bucket, &file.key);
        let state = match (&file.sha256, file.is_corrupt) {
            (Some(sha256), _) => LogFileState::Read(*sha256),
            (None, true) => LogFileState::Corrupt,
            (None, false) => LogFileState::Unread(
                file.unread
                    .clone()
                    .unwrap_or_else(|| "no reason given".to_owned()),
            ),
        };
        self.follow().log_file(&location, file.stored_at, &state);
    }

    /// What digests list and no listing showed is gone.
    fn miss(&mut self) {
        let listed = std::mem::take(&mut self.listed);
        let is_gone = |location: &Location| {
            listed.iter().any(|(bucket, folder, named)| {
                let time = named_at(&location.key);
                location.bucket == *bucket
                    && location.key.starts_with(folder.as_str())
                    && time.is_some_and(|time| named.contains(time))
            })
        };
        let integrity = self.follow();
        let expected = integrity.expected().map(|file| &file.location);
        let gone: Vec<Location> = expected
            .filter(|location| is_gone(location))
            .cloned()
            .collect();
        for location in gone {
            integrity.log_file(&location, None, &LogFileState::Absent);
        }
    }
}

impl Observer for Judge {
    /// Every pass makes the check anew, so that there is nothing of an earlier one.
    fn see(&mut self, entry: &Entry, _is_new: bool, _rows: &mut Vec<String>) {
        match serde_json::from_str(&entry.raw) {
            Ok(Fact::Asked(asked)) => self.asked = Some(asked),
            Ok(Fact::Keys { region, keys }) => self.keys(region, &keys),
            Ok(Fact::Digest(found)) => self.digest(*found),
            Ok(Fact::NoDigest) => self.no_digest = true,
            Ok(Fact::LogFile(found)) => self.file(&found),
            Ok(Fact::Listed {
                bucket,
                folder,
                named,
            }) => self.listed.push((bucket, folder, named)),
            Err(_) => self.unreadable += 1,
        }
    }

    fn conclude(mut self: Box<Self>, _rows: &mut Vec<String>) -> Observed {
        let Some(asked) = self.asked.clone() else {
            return Observed::default();
        };
        if self.no_digest {
            return without_digests(&asked);
        }
        if self.integrity.is_none() && self.digests.is_empty() {
            return Observed::default();
        }
        self.miss();
        let Some(report) = self.integrity.take().map(Integrity::report) else {
            return Observed::default();
        };
        let mut refusals = Vec::new();
        if report.judgement == Judgement::NothingProven {
            refusals.push(Refusal::Failed(report.verdict.clone()));
        } else if report.log_files_not_checked > 0 {
            refusals.push(Refusal::Failed(format!(
                "{} of {} log files that digests list were not compared with them",
                report.log_files_not_checked, report.log_files_listed
            )));
        }
        if self.unreadable > 0 {
            refusals.push(Refusal::Failed(format!(
                "{} facts cannot be read again",
                self.unreadable
            )));
        }
        Observed {
            findings: findings(&report),
            documents: vec![("report", json!(report))],
            refusals,
            carry: json!({ "judgement": report.judgement, "verdict": report.verdict }),
        }
    }
}

/// No digest in the time that matters.
fn without_digests(asked: &Asked) -> Observed {
    let validating = asked.validating.as_deref();
    let why = super::no_digests(validating, "there is no digest of the window");
    let trails = validating.unwrap_or_default().join(", ");
    let Span { from, until } = asked.delivered;
    let finding = Finding {
        rule: "trail-digests-missing".to_owned(),
        statement: format!(
            "Log file validation of {trails} is on, and from {from} to {until} there is no digest, \
             though one is due every hour: it was turned on only now, or the digests were deleted."
        ),
        severity: Severity::Medium,
        confidence: Confidence::Medium,
        technique: Some(REMOVAL.to_owned()),
        advice: None,
        proof: vec![Proof {
            excerpt: None,
            exhibit: crate::ENTRIES.to_owned(),
            path: None,
            line: Some(1),
        }],
    };
    Observed {
        refusals: vec![Refusal::Failed(why)],
        findings: (!trails.is_empty())
            .then_some(finding)
            .into_iter()
            .collect(),
        ..Observed::default()
    }
}

/// One finding a kind of deviation. What could not be read is no deviation; it is in the outcome.
fn findings(report: &TrailIntegrity) -> Vec<Finding> {
    let mut findings = Vec::new();
    for (kind, count) in &report.deviations_by_kind {
        let (rule, says, severity, technique) = match kind {
            DeviationKind::Changed => (
                "trail-changed",
                "files of the audit trail are not what CloudTrail delivered",
                Severity::High,
                STORED_DATA,
            ),
            DeviationKind::Missing => (
                "trail-files-missing",
                "files that CloudTrail delivered are gone",
                Severity::High,
                REMOVAL,
            ),
            DeviationKind::BadSignature => (
                "trail-digest-not-signed",
                "digests of the audit trail are not signed by CloudTrail",
                Severity::High,
                STORED_DATA,
            ),
            DeviationKind::ChainBroken => (
                "trail-chain-broken",
                "digests of the audit trail contradict each other",
                Severity::High,
                STORED_DATA,
            ),
            DeviationKind::Unlisted => (
                "trail-files-unlisted",
                "files lie among the audit trail's that CloudTrail did not deliver",
                Severity::High,
                STORED_DATA,
            ),
            DeviationKind::Moved => (
                "trail-digest-moved",
                "digests of the audit trail do not lie where they say",
                Severity::High,
                STORED_DATA,
            ),
            DeviationKind::Gap => (
                "trail-digest-gap",
                "times are in no digest of the audit trail",
                Severity::High,
                REMOVAL,
            ),
            DeviationKind::Restarted => (
                "trail-validation-restarted",
                "the audit trail or its validation was off for a time",
                Severity::Medium,
                LOGGING_OFF,
            ),
            DeviationKind::Unread => continue,
        };
        let of_kind = report.deviations.iter().enumerate();
        let of_kind = of_kind
            .filter(|(_, deviation)| deviation.kind == *kind)
            .take(MOST_NAMED);
        let of_kind: Vec<_> = of_kind.collect();
        let named: Vec<&str> = of_kind
            .iter()
            .map(|(_, deviation)| deviation.file.as_str())
            .collect();
        let more = count.saturating_sub(named.len() as u64);
        let more = match more {
            0 => String::new(),
            more => format!(", and {more} more"),
        };
        findings.push(Finding {
            rule: rule.to_owned(),
            statement: format!("{count} times: {says}: {}{more}.", named.join(", ")),
            severity,
            confidence: Confidence::High,
            technique: Some(technique.to_owned()),
            advice: None,
            proof: of_kind
                .iter()
                .map(|(number, _)| Proof {
                    excerpt: None,
                    exhibit: "report".to_owned(),
                    path: Some(format!("/deviations/{number}")),
                    line: None,
                })
                .collect(),
        });
    }
    findings
}

/// ATT&CK: Data Manipulation: Stored Data Manipulation.
const STORED_DATA: &str = "T1565.001";
/// ATT&CK: Indicator Removal.
const REMOVAL: &str = "T1070";
/// ATT&CK: Impair Defenses: Disable or Modify Cloud Logs.
const LOGGING_OFF: &str = "T1562.008";

fn compressed(body: &[u8]) -> Result<Vec<u8>, String> {
    let mut file = GzEncoder::new(Vec::new(), Compression::fast());
    let written = file.write_all(body).and_then(|()| file.finish());
    written.map_err(|error| error.to_string())
}

fn inflated(body: &[u8]) -> Result<Vec<u8>, String> {
    let mut bytes = Vec::new();
    let read = GzDecoder::new(body).read_to_end(&mut bytes);
    read.map(|_| bytes).map_err(|error| error.to_string())
}
