//! An examined case as a finding of AWS Security Hub (AWS Security Finding Format).
//!
//! Fields, their spelling and their limits: BatchImportFindings in the Security Hub API Reference;
//! a test holds what is built here against the service's published model. The id is the case's, so
//! that what a later pass comes to updates the same finding.

use crate::announcement::{confidence, severity, verdict_line};
use evidence::{Confidence, Manifest, Severity, keys, shown};
use jiff::Timestamp;
use serde_json::{Value, json};

/// The finding; none where the responder's `identity` is no ARN of a function, which AWS's is.
pub(crate) fn finding(
    manifest: &Manifest,
    created_at: Timestamp,
    identity: &str,
    place: &str,
) -> Option<Value> {
    let mut parts = identity.split(':').skip(1);
    let (partition, _, region, account) =
        (parts.next()?, parts.next()?, parts.next()?, parts.next()?);
    let id = &manifest.case_id;
    let (severity, confidence) = (severity(manifest), confidence(manifest));
    let key = keys::envelope(id, manifest.sequence);
    let types = ["Unusual Behaviors/Serverless"];
    let label = json!({ "Label": label(severity) });
    let mut finding = json!({
        "SchemaVersion": "2018-10-08",
        "Id": format!("coldcase/{region}/{id}"),
        "ProductArn": format!("arn:{partition}:securityhub:{region}:{account}:product/{account}/default"),
        "GeneratorId": "coldcase",
        "AwsAccountId": account,
        "Types": types,
        "CreatedAt": created_at,
        // Security Hub takes an update only if this is later than what it has.
        "UpdatedAt": manifest.sealed_at,
        "Severity": label,
        "FindingProviderFields": { "Severity": label, "Types": types },
        "Confidence": percent(confidence),
        "Title": shown(&format!("The function {} was changed", manifest.target.name), 256),
        "Description": filled(&verdict_line(manifest), 1024),
        "ProductFields": {
            "coldcase/case": id,
            "coldcase/sequence": manifest.sequence.to_string(),
            "coldcase/address": format!("{place}/{key}"),
        },
        "Resources": [{
            "Type": "AwsLambdaFunction",
            "Id": shown(&manifest.target.id(), 512),
            "Partition": partition,
            "Region": manifest.target.region,
        }],
        "RecordState": "ACTIVE",
    });
    let worst = manifest
        .findings
        .iter()
        .max_by_key(|finding| finding.severity);
    if let Some(advice) = worst.and_then(|finding| finding.advice.as_ref()) {
        finding["Remediation"] = json!({ "Recommendation": { "Text": filled(advice, 512) } });
    }
    Some(finding)
}

/// A text of at most so many characters, never empty, which Security Hub refuses.
fn filled(text: &str, longest: usize) -> String {
    match text.trim().is_empty() {
        true => "Nothing more is known.".to_owned(),
        false => shown(text, longest),
    }
}

const fn label(severity: Severity) -> &'static str {
    match severity {
        Severity::Info => "INFORMATIONAL",
        Severity::Low => "LOW",
        Severity::Medium => "MEDIUM",
        Severity::High => "HIGH",
        Severity::Critical => "CRITICAL",
    }
}

const fn percent(confidence: Confidence) -> u8 {
    match confidence {
        Confidence::Low => 30,
        Confidence::Medium => 60,
        Confidence::High => 90,
    }
}
