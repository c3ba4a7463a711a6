//! One line for the person who is woken: what changed, by whom, from where, how bad, how sure.

use crate::changes::{Change, ChangeKind};
use evidence::{Confidence, Finding, ResourceKind, Severity, Target, Trigger, Verdict, shown};

/// The longest line.
const LONGEST: usize = 300;
/// How many changes the verdict names one by one.
const NAMED: usize = 50;

/// How many files are different.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct FileSummary {
    /// Only there now.
    pub added: usize,
    /// Only there before.
    pub removed: usize,
    /// There both times, with other bytes.
    pub changed: usize,
}

impl FileSummary {
    /// All of them.
    pub const fn total(&self) -> usize {
        self.added + self.removed + self.changed
    }
}

/// What came of comparing the function with how it was known to be good.
#[derive(Clone, Copy, Debug, Default)]
pub struct Compared<'a> {
    /// The changes; none where there is no record of the function as it was.
    pub changes: Option<&'a [Change]>,
    /// The files of its code and layers that are different.
    pub files: FileSummary,
    /// How many parts could not be compared.
    pub gaps: usize,
}

/// What a case comes to. `expected`: a deployer that the owner trusts made the change, as and where it
/// usually does; then changes count for nothing by themselves, and findings as ever.
pub fn verdict(
    trigger: &Trigger,
    target: &Target,
    compared: &Compared<'_>,
    findings: &[Finding],
    expected: bool,
) -> Verdict {
    let (by, from) = match trigger {
        Trigger::CloudTrailEvent {
            principal,
            source_address,
            ..
        } => (principal.clone(), source_address.clone()),
        Trigger::Person { .. } => (None, None),
    };
    let changes = compared.changes.unwrap_or_default();
    let worst = findings
        .iter()
        .max_by_key(|finding| (finding.severity, finding.confidence));
    let (severity, confidence) = how_bad(trigger, target, compared, worst, expected);
    let someone_did =
        !changes.is_empty() || compared.files.total() > 0 || compared.changes.is_none();
    let who = if someone_did {
        who(trigger, compared, target)
    } else {
        String::new()
    };
    let mut notes = Vec::new();
    if expected {
        notes.push("expected of this deployer".to_owned());
    }
    if compared.gaps > 0 && compared.changes.is_some() {
        let parts = if compared.gaps == 1 { "part" } else { "parts" };
        notes.push(format!("{} {parts} not comparable", compared.gaps));
    }
    let mut how = format!(
        ": {}, {} confidence",
        severity_word(severity),
        confidence_word(confidence)
    );
    if !notes.is_empty() {
        how += &format!(" ({})", notes.join(", "));
    }
    let telling = |finding: &&Finding| finding.severity > Severity::Info;
    let (found, more) = match worst.filter(telling) {
        Some(finding) => {
            let more = findings.iter().filter(telling).count() - 1;
            let more = match more {
                0 => String::new(),
                1 => " (and 1 more finding)".to_owned(),
                more => format!(" (and {more} more findings)"),
            };
            (finding.statement.trim_end_matches('.'), more)
        }
        None if findings.is_empty() => ("nothing was found", String::new()),
        None => ("nothing above info was found", String::new()),
    };
    // How bad, how sure and how much more there is are never cut; of the rest the sentence of the
    // finding gives way first, then what changed.
    let room = LONGEST.saturating_sub(how.chars().count() + 2 + more.chars().count());
    let left_for_what = room.saturating_sub(40 + who.chars().count());
    let begin = shown(
        &format!("{}{who}", shown(&what(compared, target), left_for_what)),
        room,
    );
    let found = shown(found, room.saturating_sub(begin.chars().count()));
    let line = format!("{begin}{how}: {found}{more}");
    Verdict {
        line: shown(&line, LONGEST),
        severity,
        confidence,
        changed: told(changes),
        by: by.map(|by| shown(&by, 300)),
        from: from.map(|from| shown(&from, 200)),
        expected,
    }
}

fn told(changes: &[Change]) -> Vec<String> {
    let mut worst_first: Vec<&Change> = changes.iter().collect();
    worst_first.sort_by_key(|change| std::cmp::Reverse(change.severity));
    let mut told: Vec<String> = worst_first
        .iter()
        .take(NAMED)
        .map(|change| change.statement.clone())
        .collect();
    if changes.len() > NAMED {
        told.push(format!("and {} more changes", changes.len() - NAMED));
    }
    told
}

fn how_bad(
    trigger: &Trigger,
    target: &Target,
    compared: &Compared<'_>,
    worst: Option<&Finding>,
    expected: bool,
) -> (Severity, Confidence) {
    let of_trigger = match trigger {
        Trigger::CloudTrailEvent { severity, .. } => *severity,
        Trigger::Person { .. } => Severity::Info,
    };
    // What the event table says of a call is all that there is, unless the function was compared.
    let was_compared = compared.changes.is_some() && target.kind == ResourceKind::Function;
    let changed = compared.changes.unwrap_or_default().iter();
    let of_changes = changed.map(|change| change.severity).max();
    let hint = match (expected, was_compared) {
        (true, _) => Severity::Info,
        (false, true) => of_changes.unwrap_or(Severity::Info),
        (false, false) => of_changes.unwrap_or(Severity::Info).max(of_trigger),
    };
    match worst {
        Some(finding) if finding.severity >= hint => (finding.severity, finding.confidence),
        // That something changed follows from the digests; that it is an attack does not.
        _ if hint > Severity::Info => (hint, Confidence::Low),
        _ if compared.gaps > 0 || compared.changes.is_none() => (hint, Confidence::Low),
        _ => (hint, Confidence::High),
    }
}

/// `code (3 files), 1 environment name and the role were changed`.
fn what(compared: &Compared<'_>, target: &Target) -> String {
    let name = shown(&target.name, 64);
    let files = compared.files.total();
    let Some(changes) = compared.changes else {
        return format!("{name} was touched and there is no record of it as it was");
    };
    let mut parts: Vec<String> = Vec::new();
    let mut is_plural = false;
    let files_told = match files {
        0 => String::new(),
        1 => " (1 file)".to_owned(),
        files => format!(" ({files} files)"),
    };
    if files > 0 && !changes.iter().any(|change| change.kind == ChangeKind::Code) {
        parts.push(format!("code{files_told}"));
    }
    let mut kinds: Vec<ChangeKind> = changes.iter().map(|change| change.kind).collect();
    kinds.sort_unstable();
    kinds.dedup();
    // What matters less is counted, so that the line stays short.
    let (telling, lesser): (Vec<_>, Vec<_>) = kinds.into_iter().partition(|kind| {
        changes
            .iter()
            .any(|change| change.kind == *kind && change.severity > Severity::Info)
    });
    let room = 6;
    for kind in telling.iter().take(room) {
        let count = changes.iter().filter(|change| change.kind == *kind).count();
        let plural = |what: &str| match count {
            1 => format!("1 {what}"),
            count => format!("{count} {what}s"),
        };
        parts.push(match kind {
            ChangeKind::Code => format!("code{files_told}"),
            ChangeKind::Environment => plural("environment name"),
            ChangeKind::Layer => plural("layer"),
            ChangeKind::RolePolicy => plural("role permission"),
            kind => kind.words().to_owned(),
        });
        is_plural |= count > 1 || kind.words().ends_with('s');
    }
    let others = telling.len().saturating_sub(room) + lesser.len();
    match others {
        0 => {}
        1 if parts.is_empty() => {
            parts.push(lesser.first().map_or("", |kind| kind.words()).to_owned())
        }
        1 => parts.push("1 lesser part".to_owned()),
        others => parts.push(format!("{others} lesser parts")),
    }
    let Some(last) = parts.pop() else {
        return format!("nothing about {name} is different from how it was known to be good");
    };
    let verb = if parts.is_empty() && !is_plural && others < 2 {
        "was"
    } else {
        "were"
    };
    let list = match parts.len() {
        0 => last,
        _ => format!("{} and {last}", parts.join(", ")),
    };
    format!("{list} {verb} changed")
}

fn who(trigger: &Trigger, compared: &Compared<'_>, target: &Target) -> String {
    let Trigger::CloudTrailEvent {
        principal,
        source_address,
        event_name,
        ..
    } = trigger
    else {
        return " (a person asked; no event names who did it)".to_owned();
    };
    let by = match principal {
        Some(principal) => format!(" by {}", short(principal, &target.account)),
        None => " by somebody whom the record does not name".to_owned(),
    };
    let from = match source_address {
        Some(address) => format!(" from {}", shown(address, 45)),
        None => " from an unknown address".to_owned(),
    };
    let with = match compared.changes {
        None => format!(" with {}", shown(bare(event_name), 48)),
        Some(_) => String::new(),
    };
    format!("{by}{from}{with}")
}

/// `UpdateFunctionCode20150331v2` as `UpdateFunctionCode`.
fn bare(event_name: &str) -> &str {
    let undated = event_name.trim_end_matches(|c: char| c.is_ascii_digit());
    let undated = match undated.strip_suffix('v') {
        Some(rest) if rest.ends_with(|c: char| c.is_ascii_digit()) => {
            rest.trim_end_matches(|c: char| c.is_ascii_digit())
        }
        _ => undated,
    };
    if undated.is_empty() {
        event_name
    } else {
        undated
    }
}

/// `arn:aws:sts::111122223333:assumed-role/ci-deploy/session` as `assumed-role/ci-deploy`; with the
/// account where it is another one than the target's.
fn short(principal: &str, account: &str) -> String {
    let mut fields = principal.splitn(6, ':');
    let (first, of, who) = (fields.next(), fields.nth(3), fields.next());
    let (Some("arn"), Some(of), Some(who)) = (first, of, who) else {
        return shown(principal, 60);
    };
    let parts: Vec<&str> = who.split('/').collect();
    let who = match parts.as_slice() {
        [kind @ "assumed-role", role, ..] => format!("{kind}/{role}"),
        _ => who.to_owned(),
    };
    let who = shown(&who, 60);
    if of == account || of.is_empty() {
        who
    } else {
        format!("{who} of account {}", shown(of, 20))
    }
}

const fn severity_word(severity: Severity) -> &'static str {
    match severity {
        Severity::Info => "info",
        Severity::Low => "low",
        Severity::Medium => "medium",
        Severity::High => "high",
        Severity::Critical => "critical",
    }
}

const fn confidence_word(confidence: Confidence) -> &'static str {
    match confidence {
        Confidence::Low => "low",
        Confidence::Medium => "medium",
        Confidence::High => "high",
    }
}

#[cfg(test)]
mod tests;
