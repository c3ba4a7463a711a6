//! One order of everything in a case that has a time: the event, the audit trail, what the function's role
//! did, invocations, deployments, custody, acquisitions, findings; each with where it is from.
//!
//! Lines of logs and segments of traces are left to their exhibits: an invocation stands for its lines.
//! Memory does not grow with the case ([`order`]).

mod order;

use crate::ExamineError;
use crate::exhibits::{Exhibits, Lines as Kept};
use evidence::{
    ArtifactKind, Exhibit, Finding, Sha256Digest, TimelineEntry as Entry, TimelineSource as Source,
    shown,
};
use jiff::Timestamp;
use serde_json::Value;
use snapshot::Piece;
use std::path::Path;
use tokio::time::Instant;
use trail::AuditEntry;
use vault::{Case, Lines, Vault, exhibit_bytes, is_content};

/// The most entries of one source that are told: whoever can invoke a function, or call with its role,
/// can do so a million times, and must not push out what the others say.
pub(crate) const MOST_OF_ONE_SOURCE: usize = 200_000;

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
        let mut out = Kept::new(
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
        draft.push(Entry::of_trigger(self.case.first()))?;
        if let Some((at, why, key)) = &self.baseline {
            let mut entry = Entry::new(*at, Source::Baseline, why);
            entry.exhibit = Some(key.clone());
            draft.push(entry)?;
        }
        for entry in deployments(self.pieces) {
            draft.push(entry)?;
        }
        let mut told: Vec<&Finding> = Vec::new();
        for manifest in &self.case.manifests {
            for entry in Entry::of_custody(manifest) {
                draft.push(entry)?;
            }
            for finding in manifest.findings.iter().take(MOST_OF_ONE_SOURCE) {
                if !told.iter().any(|known| finding.repeats(known)) {
                    draft.push(Entry::of_finding(finding, manifest.sealed_at))?;
                    told.push(finding);
                }
            }
        }
        for finding in self.findings {
            if !told.iter().any(|known| finding.repeats(known)) {
                draft.push(Entry::of_finding(finding, self.now))?;
            }
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
                    let mut lines = Lines::of(&bytes[..]);
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

/// An entry of the provider's audit log.
fn record(source: Source, json: Value) -> Option<Entry> {
    let read = AuditEntry::read(json)?;
    let mut what = format!("{}:{}", shown(&read.service, 40), shown(&read.action, 80));
    for name in &read.on {
        what.push(' ');
        what.push_str(&shown(name, 80));
    }
    if let Some(code) = &read.error {
        what.push_str(" refused: ");
        what.push_str(&shown(code, 80));
    }
    let text = |text: Option<&str>| text.map(|text| shown(text, Entry::LONGEST));
    Some(Entry {
        who: text(read.who.as_deref()),
        from: text(read.from.as_deref()),
        severity: (read.severity).filter(|_| source == Source::AuditEvents),
        id: read.id.map(|id| shown(&id, 64)),
        ..Entry::new(read.occurred_at, source, &what)
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

/// When the provider says that code or settings were last changed, versions made, and versions deployed.
fn deployments(pieces: &[Piece]) -> Vec<Entry> {
    let mut entries: Vec<Entry> = Vec::new();
    let mut add = |exhibit: &str, at: Timestamp, who: Option<&str>, what: String| {
        let entry = Entry {
            exhibit: Some(shown(exhibit, 200)),
            who: who.map(|who| shown(who, Entry::LONGEST)),
            ..Entry::new(at, Source::Deployment, &what)
        };
        let is_known = |known: &Entry| (known.occurred_at, &known.what) == (at, &entry.what);
        if !entries.iter().any(is_known) && entries.len() < 5_000 {
            entries.push(entry);
        }
    };
    for piece in pieces {
        let is_listed = piece.request.artifact == ArtifactKind::Versions;
        let is_read = is_listed
            || matches!(
                piece.request.artifact,
                ArtifactKind::Configuration | ArtifactKind::Deployments
            );
        if !is_read {
            continue;
        }
        for document in &piece.documents {
            let replies = document.json.get("replies").and_then(Value::as_array);
            for reply in replies
                .into_iter()
                .flatten()
                .filter_map(|it| it.get("reply"))
            {
                let versions = reply.get("Versions").and_then(Value::as_array);
                let settings = versions.map_or(std::slice::from_ref(reply), Vec::as_slice);
                for settings in settings {
                    if let Some((at, what)) = of_lambda(settings) {
                        add(&document.name, at, None, what);
                    }
                }
                for (at, who, what) in of_worker(reply) {
                    add(&document.name, at, who, what);
                }
            }
        }
    }
    entries
}

/// When Lambda says that a version was made, or `$LATEST` changed.
fn of_lambda(settings: &Value) -> Option<(Timestamp, String)> {
    let text = |field: &str| settings.get(field).and_then(Value::as_str);
    let at = text("LastModified").and_then(lambda_time)?;
    let version = text("Version").unwrap_or("$LATEST");
    let what = match version {
        "$LATEST" => "$LATEST was last changed".to_owned(),
        version => format!("version {} was made", shown(version, 20)),
    };
    let what = match text("CodeSha256") {
        Some(code) => format!("{what}, code {}", shown(code, 64)),
        None => what,
    };
    Some((at, what))
}

/// When Cloudflare says that versions of a Worker were made and deployed, and who did it.
fn of_worker(reply: &Value) -> Vec<(Timestamp, Option<&str>, String)> {
    let list = |at: &str| {
        reply
            .pointer(at)
            .and_then(Value::as_array)
            .into_iter()
            .flatten()
    };
    let text = |value: &'_ Value, at: &str| value.pointer(at)?.as_str().map(str::to_owned);
    let moment = |value: &Value, at: &str| value.pointer(at)?.as_str()?.parse().ok();
    let made = list("/result/items").filter_map(|version| {
        let at = moment(version, "/metadata/created_on")?;
        let who = version
            .pointer("/metadata/author_email")
            .and_then(Value::as_str);
        let with = text(version, "/metadata/source").unwrap_or_else(|| "unknown".to_owned());
        let id = text(version, "/id")?;
        let what = format!(
            "version {} was made by {}",
            shown(&id, 40),
            shown(&with, 40)
        );
        Some((at, who, what))
    });
    let deployed = list("/result/deployments").filter_map(|deployment| {
        let at = moment(deployment, "/created_on")?;
        let who = deployment.pointer("/author_email").and_then(Value::as_str);
        let versions = deployment.get("versions")?.as_array()?;
        let shares: Vec<String> = (versions.iter().take(4))
            .filter_map(|version| {
                let id = text(version, "/version_id")?;
                let share = version.get("percentage")?.as_f64()?;
                Some(format!("{} for {share}%", shown(&id, 40)))
            })
            .collect();
        Some((at, who, format!("deployed: {}", shares.join(", "))))
    });
    made.chain(deployed).collect()
}

/// Lambda writes `2026-01-02T03:04:05.678+0000`.
fn lambda_time(text: &str) -> Option<Timestamp> {
    text.parse()
        .or_else(|_| Timestamp::strptime("%Y-%m-%dT%H:%M:%S%.f%z", text))
        .ok()
}

#[cfg(test)]
mod tests;
