//! What a person is told: what happened, to what, by whom, and where the evidence is. No secrets.

use evidence::{SealedCase, Severity, Trigger, keys};
use function::{Notice, line, subject, word};
use trail::{Classification, Record};

/// A case was sealed.
pub(crate) fn of_case(
    case: &SealedCase,
    about_responder: bool,
    place: &str,
    tracing: Option<&str>,
) -> Notice {
    let manifest = case.manifest();
    let what = match &manifest.trigger {
        _ if about_responder => "ALERT: coldcase itself was touched",
        Trigger::CloudTrailEvent {
            severity: Severity::Critical,
            ..
        } => "ALERT: critical case sealed",
        _ => "Case sealed",
    };
    let mut body = format!(
        "{what}.\n\nCase      {}\nTarget    {}\n",
        manifest.case_id,
        line(&manifest.target.id(), 300)
    );
    match &manifest.trigger {
        Trigger::CloudTrailEvent {
            event_name,
            occurred_at,
            severity,
            technique,
            principal,
            source_address,
            ..
        } => {
            body.push_str(&format!(
                "Event     {} at {occurred_at}\nSeverity  {}  (ATT&CK {technique})\nBy        {}\nFrom      {}\n",
                line(event_name, 100),
                word(*severity),
                line(principal.as_deref().unwrap_or("unknown"), 300),
                line(source_address.as_deref().unwrap_or("unknown"), 100),
            ));
        }
        Trigger::Person {
            reason,
            occurred_at,
            ..
        } => body.push_str(&format!(
            "Asked     at {occurred_at}: {}\n",
            line(reason, 300)
        )),
    }
    let outcomes: Vec<String> = manifest
        .outcomes()
        .iter()
        .map(|(outcome, count)| format!("{count} {outcome}"))
        .collect();
    body.push_str(&format!("Evidence  {}\n", outcomes.join(", ")));
    for finding in &manifest.findings {
        body.push_str(&format!(
            "Finding   {}: {}\n",
            word(finding.severity),
            line(&finding.statement, 400)
        ));
    }
    if let Some(tracing) = tracing {
        body.push_str(&format!("Tracing   {}\n", line(tracing, 300)));
    }
    body.push_str(&format!(
        "\nSealed at {} in {place}/{}\n",
        manifest.sealed_at,
        keys::envelope(&manifest.case_id, 0)
    ));
    Notice {
        subject: subject(what, &manifest.target),
        body,
    }
}

/// Somebody tried to touch the responder and failed.
pub(crate) fn of_attempt(classification: &Classification, record: &Record) -> Notice {
    let what = "ALERT: somebody tried to touch coldcase";
    let targets: Vec<String> = classification
        .targets
        .iter()
        .map(|target| line(&target.id(), 300))
        .collect();
    Notice {
        subject: what.to_owned(),
        body: format!(
            "{what}.\n\nEvent     {} ({})\nTarget    {}\nBy        {}\nFrom      {}\n",
            line(
                classification.event_name.as_deref().unwrap_or("unknown"),
                100
            ),
            line(record.error_code().unwrap_or("no error"), 100),
            targets.join(", "),
            line(record.principal().unwrap_or("unknown"), 300),
            line(record.source_address().unwrap_or("unknown"), 100),
        ),
    }
}
