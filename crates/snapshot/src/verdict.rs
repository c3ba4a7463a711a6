//! One line for the person who is woken: which call, by whom, from where, what differs, how bad, how sure.

use crate::changes::{Change, ChangeKind};
use evidence::{
    Category, Confidence, Finding, Provider, ResourceKind, Severity, Target, Trigger, Verdict,
    shown,
};

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

/// What a case comes to. `expected`: a deployer that the owner trusts made the call, as and where it
/// usually does; then changes that such a call can make count for nothing by themselves. Others, which
/// somebody else may have made since the record, and findings count as ever.
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
    let head = head(trigger, target);
    let mut notes = Vec::new();
    if expected {
        notes.push("expected of this deployer".to_owned());
    }
    if compared.gaps > 0 && compared.changes.is_some() {
        let parts = if compared.gaps == 1 { "part" } else { "parts" };
        notes.push(format!("{} {parts} not comparable", compared.gaps));
    }
    let mut how = format!(
        ". {}, {} confidence",
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
    let left_for_what = room.saturating_sub(40 + head.chars().count());
    let what = shown(&what(trigger, compared, target), left_for_what);
    let begin = shown(&format!("{head}{what}"), room);
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
    // What the event table says of a call is all that there is, unless the function was compared.
    let was_compared = compared.changes.is_some() && target.kind == ResourceKind::Function;
    let left_nothing = left_nothing(trigger, compared);
    let of_trigger = match trigger {
        Trigger::CloudTrailEvent { .. } if expected => Severity::Info,
        Trigger::CloudTrailEvent { .. } if was_compared && !left_nothing => Severity::Info,
        // What is undone may have done its work, but is less than what is still there; logs and
        // things that were deleted leave no difference by their nature.
        Trigger::CloudTrailEvent {
            category, severity, ..
        } if was_compared => match category {
            Category::AntiForensics | Category::Destruction => *severity,
            _ => (*severity).min(Severity::Medium),
        },
        Trigger::CloudTrailEvent { severity, .. } => *severity,
        Trigger::Person { .. } => Severity::Info,
    };
    let counting = compared.changes.unwrap_or_default().iter();
    let of_changes = counting
        .filter(|change| !(expected && can_make(trigger, change)))
        .map(|change| change.severity)
        .max();
    let hint = of_changes.unwrap_or(Severity::Info).max(of_trigger);
    match worst {
        Some(finding)
            if finding.severity >= hint && (finding.severity > Severity::Info || !left_nothing) =>
        {
            (finding.severity, finding.confidence)
        }
        // That something changed follows from the digests; that it is an attack does not.
        _ if hint > Severity::Info || left_nothing => (hint, Confidence::Low),
        _ if compared.gaps > 0 || compared.changes.is_none() => (hint, Confidence::Low),
        _ => (hint, Confidence::High),
    }
}

/// Whether the call that opened the case can have made this change. The record may be a day old, so
/// that others may have made it all the same. Whoever asked did not say what it is about: anything.
fn can_make(trigger: &Trigger, change: &Change) -> bool {
    use ChangeKind as Kind;
    let Trigger::CloudTrailEvent {
        category,
        event_name,
        ..
    } = trigger
    else {
        return true;
    };
    let kind = change.kind;
    // coldcase itself turns tracing on.
    if kind == Kind::Tracing && change.severity == Severity::Info {
        return false;
    }
    let of_configuration = matches!(
        kind,
        Kind::Layer
            | Kind::Handler
            | Kind::Runtime
            | Kind::Image
            | Kind::Environment
            | Kind::Role
            | Kind::DeadLetter
            | Kind::Network
            | Kind::FileSystem
            | Kind::EncryptionKey
            | Kind::Tracing
            | Kind::Logging
            | Kind::Limits
            | Kind::RuntimeManagement
            | Kind::Setting
    );
    match category {
        Category::Code => {
            matches!(kind, Kind::Function | Kind::Code | Kind::Runtime)
                || (of_configuration && bare(event_name) == "CreateFunction")
        }
        Category::Configuration => of_configuration,
        Category::Layer => matches!(kind, Kind::Layer | Kind::LayerPolicy),
        Category::Permission => kind == Kind::ResourcePolicy,
        Category::Trigger => matches!(
            kind,
            Kind::Mapping | Kind::FunctionUrl | Kind::AsyncCalls | Kind::Invoker
        ),
        Category::Alias => kind == Kind::Alias,
        Category::Concurrency => matches!(kind, Kind::Concurrency | Kind::Recursion),
        Category::CodeSigning => kind == Kind::CodeSigning,
        Category::Role => matches!(
            kind,
            Kind::Role | Kind::RoleTrust | Kind::RolePolicy | Kind::RoleBoundary
        ),
        Category::Policy => matches!(kind, Kind::RolePolicy | Kind::RoleBoundary),
        Category::Destruction => {
            matches!(kind, Kind::Function | Kind::Version | Kind::Layer) && change.after.is_none()
        }
        Category::AntiForensics => matches!(kind, Kind::Logging | Kind::Invoker),
    }
}

/// Whether files that differ can be the call's work where no change says of what part they are.
const fn can_make_files(trigger: &Trigger) -> bool {
    match trigger {
        Trigger::CloudTrailEvent { category, .. } => matches!(category, Category::Code),
        Trigger::Person { .. } => true,
    }
}

/// Whether the function was compared and nothing that differs can be the work of the call.
fn left_nothing(trigger: &Trigger, compared: &Compared<'_>) -> bool {
    let (Trigger::CloudTrailEvent { .. }, Some(changes)) = (trigger, compared.changes) else {
        return false;
    };
    let files = compared.files.total() > 0 && can_make_files(trigger);
    !files && !changes.iter().any(|change| can_make(trigger, change))
}

/// `; since the record of the known good differ: code (3 files) and 1 layer`, first what the call can
/// have made.
fn what(trigger: &Trigger, compared: &Compared<'_>, target: &Target) -> String {
    let provider = target.provider;
    let name = match provider {
        Provider::Cloudflare => format!("the Worker {}", shown(&target.name, 64)),
        _ => shown(&target.name, 64),
    };
    let Some(changes) = compared.changes else {
        return format!("; there is no record of {name} as it was known to be good");
    };
    let (own, others): (Vec<&Change>, Vec<&Change>) =
        changes.iter().partition(|change| can_make(trigger, change));
    let of = |kind| changes.iter().any(|change| change.kind == kind);
    // Files of no part that is known to differ are told as code.
    let stray = match compared.files.total() {
        0 => 0,
        _ if of(ChangeKind::Code) || of(ChangeKind::Layer) => 0,
        files => files,
    };
    let told_with = if of(ChangeKind::Code) {
        ChangeKind::Code
    } else {
        ChangeKind::Layer
    };
    let files = (told_with, compared.files.total());
    let mine = can_make_files(trigger);
    let own = parts(provider, &own, files, if mine { stray } else { 0 });
    let others = parts(provider, &others, files, if mine { 0 } else { stray });
    let is_event = matches!(trigger, Trigger::CloudTrailEvent { .. });
    let mut told = match own {
        Some((list, verb)) => format!("; since the record of the known good {verb}: {list}"),
        None if is_event => {
            " left no difference: undone since, or of a kind that a record does not hold".to_owned()
        }
        None => format!("; nothing about {name} differs from the record of the known good"),
    };
    if let Some((list, _)) = others {
        told += &format!("; also different since the record: {list}");
    }
    told
}

/// `code (3 files), 1 environment name and the role`, with the verb; none where nothing differs.
fn parts(
    provider: Provider,
    changes: &[&Change],
    (told_with, files): (ChangeKind, usize),
    stray: usize,
) -> Option<(String, &'static str)> {
    let in_files = |files: usize| match files {
        0 => String::new(),
        1 => " (1 file)".to_owned(),
        files => format!(" ({files} files)"),
    };
    let mut parts: Vec<String> = Vec::new();
    let mut is_plural = false;
    if stray > 0 {
        parts.push(format!("code{}", in_files(stray)));
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
        let part = match kind {
            ChangeKind::Environment if provider == Provider::Cloudflare => plural("binding"),
            ChangeKind::Environment => plural("environment name"),
            ChangeKind::Layer => plural("layer"),
            ChangeKind::RolePolicy => plural("role permission"),
            kind => kind.words_for(provider).to_owned(),
        };
        let of_part = if *kind == told_with { files } else { 0 };
        parts.push(format!("{part}{}", in_files(of_part)));
        is_plural |= match kind {
            ChangeKind::Environment | ChangeKind::Layer | ChangeKind::RolePolicy => count > 1,
            kind => kind.words_for(provider).ends_with('s'),
        };
    }
    let others = telling.len().saturating_sub(room) + lesser.len();
    match (others, lesser.first()) {
        (0, _) => {}
        (1, Some(kind)) if parts.is_empty() => {
            is_plural |= kind.words_for(provider).ends_with('s');
            parts.push(kind.words_for(provider).to_owned());
        }
        (1, _) => parts.push("1 lesser part".to_owned()),
        (others, _) => {
            is_plural = true;
            parts.push(format!("{others} lesser parts"));
        }
    }
    let last = parts.pop()?;
    if parts.is_empty() {
        return Some((last, if is_plural { "differ" } else { "differs" }));
    }
    Some((format!("{} and {last}", parts.join(", ")), "differ"))
}

/// `UpdateFunctionCode by user/ci-deploy from 203.0.113.66`.
fn head(trigger: &Trigger, target: &Target) -> String {
    let Trigger::CloudTrailEvent {
        principal,
        source_address,
        event_name,
        ..
    } = trigger
    else {
        return "A person asked, no event names who did it".to_owned();
    };
    let event = shown(bare(event_name), 48);
    let by = match principal {
        Some(principal) => format!("by {}", short(principal, &target.account)),
        None => "by somebody whom the record does not name".to_owned(),
    };
    let from = match source_address {
        Some(address) => format!("from {}", shown(address, 45)),
        None => "from an unknown address".to_owned(),
    };
    format!("{event} {by} {from}")
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
        Severity::Info => "Info",
        Severity::Low => "Low",
        Severity::Medium => "Medium",
        Severity::High => "High",
        Severity::Critical => "Critical",
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
