//! One order of everything in a case that has a time: the event, the audit trail, what the function's role
//! did, invocations, deployments, custody, acquisitions, findings; each with where it is from.
//!
//! Lines of logs and segments of traces are left to their exhibits: an invocation stands for its lines.
//! Memory does not grow with the case ([`order`]).

mod lines;
mod order;

use crate::ExamineError;
use crate::evidence::{Case, exhibit_bytes, is_content};
use crate::exhibits::{Exhibits, Lines};
use evidence::{
    ArtifactKind, CustodyAction, Exhibit, Finding, Manifest, Severity, Sha256Digest, Trigger, shown,
};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use snapshot::Piece;
use std::path::Path;
use tokio::time::Instant;
use trail::{Decision, Record, Scope};
use vault::Vault;

/// The most entries of one source that are told: whoever can invoke a function, or call with its role,
/// can do so a million times, and must not push out what the others say.
pub(crate) const MOST_OF_ONE_SOURCE: usize = 200_000;

/// The longest text of an entry, in characters.
const LONGEST: usize = 300;

/// Where an entry is from; of two of one moment, which is told first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Source {
    /// What opened the case.
    Trigger,
    /// The audit trail, about the function and what belongs to it.
    AuditEvents,
    /// The audit trail, about what the function's role did.
    RoleActivity,
    /// Lambda's own word for when code or settings were changed.
    Deployment,
    /// The function's log.
    Invocation,
    /// When the function was last recorded as good.
    Baseline,
    /// Who did what with the evidence.
    Custody,
    /// When evidence was in the vault.
    Acquisition,
    /// What was noticed; its time is when it was written down.
    Finding,
}

/// One line of the timeline.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Entry {
    /// When.
    pub occurred_at: Timestamp,
    /// Where it is from.
    pub source: Source,
    /// What happened, bounded and without control characters.
    pub what: String,
    /// Who did it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub who: Option<String>,
    /// From which address.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub from: Option<String>,
    /// The exhibit that says so.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub exhibit: Option<String>,
    /// Its line there, counted from 1.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub line: Option<u64>,
    /// How bad.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub severity: Option<Severity>,
    /// CloudTrail's id of the event, Lambda's of the request.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub id: Option<String>,
}

/// What a timeline is drawn from.
pub(crate) struct Drawing<'a> {
    pub(crate) vault: &'a dyn Vault,
    pub(crate) case: &'a Case,
    /// The documents of the case itself.
    pub(crate) pieces: &'a [Piece],
    /// What this examination noticed.
    pub(crate) findings: &'a [Finding],
    /// When the function was last recorded, why, and where that is.
    pub(crate) baseline: Option<(Timestamp, &'static str, String)>,
    /// Where files may be laid down.
    pub(crate) scratch: &'a Path,
    pub(crate) now: Timestamp,
    pub(crate) deadline: Instant,
    /// The most entries of one source.
    pub(crate) most: usize,
}

/// What came of it.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Drawn {
    /// How many entries it has.
    pub(crate) entries: u64,
    /// What it does not tell.
    pub(crate) left_out: Vec<String>,
    /// Exhibits that are not as they were sealed.
    pub(crate) findings: Vec<Finding>,
}

impl Drawing<'_> {
    /// Draws the timeline and keeps it as `timeline-0001.jsonl.gz` and on.
    pub(crate) async fn keep(&self, exhibits: &mut Exhibits) -> Result<Drawn, ExamineError> {
        let mut draft = Draft {
            sorter: order::Sorter::new(self.scratch),
            drawn: Drawn::default(),
            out_of_time: false,
        };
        self.told(&mut draft)?;
        for source in [
            Source::AuditEvents,
            Source::RoleActivity,
            Source::Invocation,
        ] {
            self.streamed(&mut draft, source).await?;
        }
        if draft.out_of_time {
            draft.drawn.left_out.push(
                "the timeline: its time was up before every exhibit of the window was read"
                    .to_owned(),
            );
        }
        let mut merged = draft.sorter.merge()?;
        let mut drawn = draft.drawn;
        let mut out = Lines::new(
            "timeline",
            "coldcase: the exhibits of the case and its addenda",
        );
        while let Some(entry) = merged.next()? {
            out.put(exhibits, &entry).await?;
            drawn.entries += 1;
            if drawn.entries.is_multiple_of(1000) {
                tokio::task::yield_now().await;
            }
        }
        out.finish(exhibits).await?;
        Ok(drawn)
    }

    /// What the manifests and the documents say.
    fn told(&self, draft: &mut Draft) -> Result<(), ExamineError> {
        draft.push(trigger(self.case.first()))?;
        if let Some((at, why, key)) = &self.baseline {
            let mut entry = Entry::new(*at, Source::Baseline, why);
            entry.exhibit = Some(key.clone());
            draft.push(entry)?;
        }
        for entry in deployments(self.pieces) {
            draft.push(entry)?;
        }
        for manifest in &self.case.manifests {
            for entry in custody(manifest) {
                draft.push(entry)?;
            }
            for finding in manifest.findings.iter().take(MOST_OF_ONE_SOURCE) {
                draft.push(of_finding(finding, manifest.sealed_at))?;
            }
        }
        for finding in self.findings {
            draft.push(of_finding(finding, self.now))?;
        }
        Ok(())
    }

    /// What the exhibits of the windows say, entry by entry.
    async fn streamed(&self, draft: &mut Draft, source: Source) -> Result<(), ExamineError> {
        let mut told = 0_usize;
        let mut beyond = 0_u64;
        let mut unreadable = 0_u64;
        for manifest in &self.case.manifests {
            for acquisition in &manifest.acquisitions {
                let kind = acquisition.request.artifact;
                for exhibit in &acquisition.exhibits {
                    if is_content(exhibit) || !is_read(source, kind, exhibit) {
                        continue;
                    }
                    if draft.out_of_time || Instant::now() >= self.deadline {
                        draft.out_of_time = true;
                        return Ok(());
                    }
                    let bytes = match exhibit_bytes(self.vault, exhibit).await? {
                        Ok(bytes) => bytes,
                        Err(fault) => {
                            let name = shown(&exhibit.name, 100);
                            draft.drawn.left_out.push(format!("{name}: {fault}"));
                            draft.drawn.findings.extend(fault.finding(&exhibit.name));
                            continue;
                        }
                    };
                    let mut lines = lines::Lines::of(&bytes);
                    loop {
                        let read = lines.next().map(|line| of_line(source, line));
                        let Some(read) = read else { break };
                        if lines.number.is_multiple_of(1000) {
                            tokio::task::yield_now().await;
                            if Instant::now() >= self.deadline {
                                draft.out_of_time = true;
                                return Ok(());
                            }
                        }
                        let Some(mut entry) = read else {
                            unreadable += 1;
                            continue;
                        };
                        if told >= self.most {
                            beyond += 1;
                            continue;
                        }
                        told += 1;
                        entry.exhibit = Some(shown(&exhibit.name, 200));
                        entry.line = Some(lines.number);
                        draft.push(entry)?;
                    }
                    unreadable += lines.too_long;
                    if lines.is_broken {
                        let name = shown(&exhibit.name, 100);
                        draft
                            .drawn
                            .left_out
                            .push(format!("{name} breaks off after line {}", lines.number));
                    }
                }
            }
        }
        if beyond > 0 {
            draft.drawn.left_out.push(format!(
                "the timeline: {beyond} entries of {} beyond the first {}",
                name_of(source),
                self.most
            ));
        }
        if unreadable > 0 {
            draft.drawn.left_out.push(format!(
                "the timeline: {unreadable} lines of {} that have no time, are too long or no JSON",
                name_of(source)
            ));
        }
        Ok(())
    }
}

struct Draft {
    sorter: order::Sorter,
    drawn: Drawn,
    out_of_time: bool,
}

impl Draft {
    fn push(&mut self, entry: Entry) -> Result<(), ExamineError> {
        // The same record is in the answers to several questions: about the function, about its role,
        // about windows that overlap.
        let mark = entry.id.as_ref().map(|id| {
            let of = match entry.source {
                Source::AuditEvents | Source::RoleActivity => "record",
                _ => "request",
            };
            let digest = Sha256Digest::of(format!("{of} {id}"));
            let mut mark = [0; 16];
            mark.copy_from_slice(&digest.as_bytes()[..16]);
            mark
        });
        let json = serde_json::to_vec(&entry).map_err(std::io::Error::other)?;
        let place = entry.source as u8;
        self.sorter.push(entry.occurred_at, place, mark, json)?;
        Ok(())
    }
}

impl Entry {
    fn new(occurred_at: Timestamp, source: Source, what: &str) -> Self {
        Self {
            occurred_at,
            source,
            what: shown(what, LONGEST),
            who: None,
            from: None,
            exhibit: None,
            line: None,
            severity: None,
            id: None,
        }
    }
}

const fn name_of(source: Source) -> &'static str {
    match source {
        Source::AuditEvents => "the audit trail",
        Source::RoleActivity => "the role's activity",
        Source::Invocation => "invocations",
        _ => "others",
    }
}

/// Whether an exhibit holds lines for this source.
fn is_read(source: Source, kind: ArtifactKind, exhibit: &Exhibit) -> bool {
    if exhibit.media_type != "application/gzip" {
        return false;
    }
    match source {
        Source::AuditEvents => kind == ArtifactKind::AuditEvents,
        Source::RoleActivity => kind == ArtifactKind::RoleActivity,
        // Lines of a log are `execution-logs-GROUP-PASS-0001`, its invocations
        // `execution-logs-GROUP-PASS-invocations-0001`.
        Source::Invocation => {
            kind == ArtifactKind::ExecutionLogs
                && exhibit
                    .name
                    .rsplit_once('-')
                    .is_some_and(|(name, _)| name.ends_with("-invocations"))
        }
        _ => false,
    }
}

fn of_line(source: Source, text: &[u8]) -> Option<Entry> {
    let json: Value = serde_json::from_slice(text).ok()?;
    match source {
        Source::Invocation => invocation(&json),
        source => record(source, json),
    }
}

/// A record of CloudTrail.
fn record(source: Source, json: Value) -> Option<Entry> {
    let record = Record::new(json);
    let at = record.occurred_at()?;
    let service = record.service().unwrap_or("unknown");
    let name = record.base_name().unwrap_or("unknown");
    let mut what = format!("{}:{}", shown(service, 40), shown(name, 80));
    let mut severity = None;
    let classification = trail::classify(&record, &Scope::default());
    for target in classification.targets.iter().take(2) {
        what.push(' ');
        what.push_str(&shown(&target.name, 80));
    }
    if classification.decision == Decision::Respond && source == Source::AuditEvents {
        severity = classification.severity;
    }
    if let Some(code) = record.error_code() {
        what.push_str(" refused: ");
        what.push_str(&shown(code, 80));
    }
    let text = |text: Option<&str>| text.map(|text| shown(text, LONGEST));
    Some(Entry {
        who: text(record.principal()),
        from: text(record.source_address()),
        severity,
        id: record.event_id().map(|id| shown(id, 64)),
        ..Entry::new(at, source, &what)
    })
}

/// A row of the table of invocations.
fn invocation(row: &Value) -> Option<Entry> {
    let text = |field: &str| row.get(field).and_then(Value::as_str);
    let at = text("started_at").or_else(|| text("first_line_at"))?;
    let at: Timestamp = at.parse().ok()?;
    let id = text("request_id").unwrap_or("unknown");
    let mut what = format!("invocation {}", shown(id, 40));
    if let Some(version) = text("version") {
        what.push_str(&format!(" of {}", shown(version, 20)));
    }
    what.push_str(&format!(
        ": {}",
        shown(text("status").unwrap_or("no end"), 40)
    ));
    if let Some(duration_ms) = row.get("duration_ms").and_then(Value::as_f64) {
        what.push_str(&format!(" after {duration_ms:.0} ms"));
    }
    if row.get("cold_start").and_then(Value::as_bool) == Some(true) {
        what.push_str(", a new environment");
    }
    if let Some(error) = text("error").or_else(|| text("init_error")) {
        what.push_str(&format!(" ({})", shown(error, 80)));
    }
    Some(Entry {
        id: Some(shown(id, 40)),
        ..Entry::new(at, Source::Invocation, &what)
    })
}

fn trigger(manifest: &Manifest) -> Entry {
    match &manifest.trigger {
        Trigger::CloudTrailEvent {
            event_name,
            occurred_at,
            severity,
            principal,
            source_address,
            ..
        } => Entry {
            who: principal.as_deref().map(|who| shown(who, LONGEST)),
            from: source_address.as_deref().map(|from| shown(from, LONGEST)),
            severity: Some(*severity),
            ..Entry::new(
                *occurred_at,
                Source::Trigger,
                &format!("{event_name} on {}", manifest.target.name),
            )
        },
        Trigger::Person {
            reason,
            occurred_at,
            ..
        } => Entry::new(
            *occurred_at,
            Source::Trigger,
            &format!("a responder asked: {reason}"),
        ),
    }
}

fn custody(manifest: &Manifest) -> Vec<Entry> {
    let mut entries = Vec::new();
    for entry in &manifest.custody {
        let what = match &entry.action {
            CustodyAction::Opened => "the case was opened".to_owned(),
            CustodyAction::EvidenceAcquired {
                exhibits,
                size_bytes,
            } => format!("{exhibits} exhibits of {size_bytes} bytes are in the vault"),
            CustodyAction::WindowCollected { pass, window } => format!(
                "the window from {} to {} was collected (pass {pass})",
                window.since, window.until
            ),
            CustodyAction::Examined { pass } => {
                format!("the evidence was examined (after pass {pass})")
            }
            CustodyAction::ChangeAccepted { by, reason } => {
                format!("the change was accepted by {by}: {reason}")
            }
            CustodyAction::TracingTurnedOn { .. } => "tracing was turned on".to_owned(),
            CustodyAction::TracingAlreadyOn { .. } => "tracing was on already".to_owned(),
            CustodyAction::TracingNotPossible { why } => {
                format!("tracing could not be turned on: {why}")
            }
            CustodyAction::TracingNotWanted => "tracing is not wanted".to_owned(),
        };
        entries.push(Entry {
            who: Some(shown(&entry.who, LONGEST)),
            ..Entry::new(entry.occurred_at, Source::Custody, &what)
        });
    }
    let what = match manifest.sequence {
        0 => "the case was sealed".to_owned(),
        sequence => format!("addendum {sequence} was sealed"),
    };
    entries.push(Entry {
        who: Some(shown(&manifest.responder.identity, LONGEST)),
        ..Entry::new(manifest.sealed_at, Source::Custody, &what)
    });
    for acquisition in &manifest.acquisitions {
        let ended = acquisition
            .exhibits
            .iter()
            .map(|exhibit| exhibit.acquired_at);
        let began = acquisition.calls.iter().map(|call| call.started_at);
        let Some(at) = ended.max().or_else(|| began.max()) else {
            continue;
        };
        let mut what = format!("{}: {}", acquisition.request, acquisition.result.as_str());
        if let Some(why) = acquisition.result.why() {
            what.push_str(&format!(", {why}"));
        }
        entries.push(Entry {
            exhibit: acquisition
                .exhibits
                .first()
                .map(|exhibit| shown(&exhibit.name, 200)),
            ..Entry::new(at, Source::Acquisition, &what)
        });
    }
    entries
}

fn of_finding(finding: &Finding, at: Timestamp) -> Entry {
    let proof = finding.proof.first();
    Entry {
        severity: Some(finding.severity),
        exhibit: proof.map(|proof| shown(&proof.exhibit, 200)),
        line: proof.and_then(|proof| proof.line),
        ..Entry::new(
            at,
            Source::Finding,
            &format!("{}: {}", finding.rule, finding.statement),
        )
    }
}

/// When Lambda says that code or settings were last changed, and versions made.
fn deployments(pieces: &[Piece]) -> Vec<Entry> {
    let mut entries: Vec<Entry> = Vec::new();
    let mut push = |exhibit: &str, settings: &Value| {
        let text = |field: &str| settings.get(field).and_then(Value::as_str);
        let Some(at) = text("LastModified").and_then(lambda_time) else {
            return;
        };
        let version = text("Version").unwrap_or("$LATEST");
        let what = match version {
            "$LATEST" => "$LATEST was last changed".to_owned(),
            version => format!("version {} was made", shown(version, 20)),
        };
        let what = match text("CodeSha256") {
            Some(code) => format!("{what}, code {}", shown(code, 64)),
            None => what,
        };
        let entry = Entry {
            exhibit: Some(shown(exhibit, 200)),
            ..Entry::new(at, Source::Deployment, &what)
        };
        let is_known = |known: &Entry| (known.occurred_at, &known.what) == (at, &entry.what);
        if !entries.iter().any(is_known) && entries.len() < 5_000 {
            entries.push(entry);
        }
    };
    for piece in pieces {
        let is_listed = piece.request.artifact == ArtifactKind::Versions;
        if piece.request.artifact != ArtifactKind::Configuration && !is_listed {
            continue;
        }
        for document in &piece.documents {
            let replies = document.json.get("replies").and_then(Value::as_array);
            for reply in replies
                .into_iter()
                .flatten()
                .filter_map(|it| it.get("reply"))
            {
                match reply.get("Versions").and_then(Value::as_array) {
                    Some(versions) => versions
                        .iter()
                        .for_each(|version| push(&document.name, version)),
                    None => push(&document.name, reply),
                }
            }
        }
    }
    entries
}

/// Lambda writes `2026-01-02T03:04:05.678+0000`.
fn lambda_time(text: &str) -> Option<Timestamp> {
    text.parse()
        .or_else(|_| Timestamp::strptime("%Y-%m-%dT%H:%M:%S%.f%z", text))
        .ok()
}

#[cfg(test)]
mod tests;
