//! What was done in the window to the function, its layers, mappings, roles, policies and log groups,
//! to what sets it off, and who took its roles.
//!
//! Asked for in the order of what it costs: first what the event history lists by the resource's name,
//! then calls by their names, last everything of a service, of which what names none of it is left
//! out. IAM's records are in one Region of the partition only. The trail's own files come after: they
//! hold what was done with data as well, above all who invoked the function, and what is older than 90
//! days.

use super::few::{Few, told};
use super::lookup::{Keep, Lookup};
use super::trail_files::{self, TrailFiles};
use super::{Artifact, Investigation};
use crate::Facts;
use crate::aws::Clients;
use crate::{ENTRIES, Entry, Observed, Observer, Reading};
use aws_sdk_cloudtrail::types::LookupAttributeKey as Key;
use evidence::{
    ArtifactKind, Category, Confidence, Finding, Partition, Proof, Request, ResourceKind, Severity,
    Target, Window,
};
use jiff::Timestamp;
use serde::Serialize;
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;
use trail::{Classification, Decision, Query, Record, Scope, TABLE};

pub(super) const ARTIFACT: Artifact = Artifact {
    kind: ArtifactKind::AuditEvents,
    actions: trail_files::ACTIONS,
    requests: |_| vec![Request::whole(ArtifactKind::AuditEvents)],
    readings: |investigation, _| {
        let mut readings: Vec<Box<dyn Reading + '_>> = event_history(investigation);
        readings.extend(trail(investigation));
        readings
    },
    observer: |investigation, _, _| {
        Box::new(Changes::new(
            investigation.window,
            investigation.tampered_at,
            investigation.event_id.as_deref(),
            &investigation.facts.roles,
        ))
    },
    after: &[],
};

/// How many layers, mappings, policies, roles are asked for by name. What is beyond is still found
/// among everything of its service.
const MOST_NAMED: usize = 20;

/// Calls by which other services are made to set a function off, and which name it: EventBridge,
/// EventBridge Scheduler, S3, SNS.
const TRIGGERS: &[&str] = &[
    "PutTargets",
    "CreateSchedule",
    "UpdateSchedule",
    "PutBucketNotification",
    "Subscribe",
];

/// The event history's answer to what was done.
fn event_history(investigation: &Investigation) -> Vec<Box<dyn Reading>> {
    let Investigation {
        clients: home,
        target,
        facts,
        ..
    } = investigation;
    let concern: Keep = {
        let resources = resources(investigation);
        Arc::new(move |record: &Record| resources.iter().any(|query| query.matches(record)))
    };
    // A resource of another service may have the same name.
    let named_in = |service: &'static str| -> Keep {
        let concern = concern.clone();
        Arc::new(move |record: &Record| record.service() == Some(service) || concern(record))
    };
    let (in_lambda, in_iam) = (named_in("lambda"), named_in("iam"));
    let mut questions = Questions {
        investigation,
        asked: BTreeSet::new(),
        readings: Vec::new(),
    };

    questions.ask(home, Key::ResourceName, &target.name, Some(&in_lambda));
    questions.ask(home, Key::ResourceName, &target.id_unqualified(), None);
    for layer in layers(investigation).iter().take(MOST_NAMED) {
        if layer.account == target.account {
            questions.ask(home, Key::ResourceName, &layer.name, Some(&in_lambda));
        }
        questions.ask(home, Key::ResourceName, &layer.id_unqualified(), None);
    }
    for mapping in facts.mappings.iter().take(MOST_NAMED) {
        questions.ask(home, Key::ResourceName, mapping, None);
    }
    // Who takes a role does so where its caller is: nearly always here.
    for role in facts.roles.iter().take(MOST_NAMED) {
        questions.ask(home, Key::ResourceName, role, None);
    }
    // Many a program makes log streams all day; the few calls that matter have names of their own.
    for row in TABLE.iter().filter(|row| row.service == "logs") {
        questions.ask(home, Key::EventName, row.base_name, Some(&concern));
    }
    for name in TRIGGERS {
        questions.ask(home, Key::EventName, name, Some(&concern));
    }

    let global = investigation.regions.of(global_region(&target.region));
    let has_power = !(facts.roles.is_empty() && facts.policies.is_empty());
    let global = global.filter(|_| has_power);
    if let Some(global) = &global {
        for role in facts.roles.iter().take(MOST_NAMED) {
            if let Ok(role) = Target::from_arn(role) {
                questions.ask(global, Key::ResourceName, &role.name, Some(&in_iam));
            }
            questions.ask(global, Key::ResourceName, role, None);
        }
        for policy in own_policies(facts).take(MOST_NAMED) {
            questions.ask(global, Key::ResourceName, policy, None);
        }
    }

    questions.ask(
        home,
        Key::EventSource,
        "lambda.amazonaws.com",
        Some(&concern),
    );
    if let Some(global) = &global {
        questions.ask(
            global,
            Key::EventSource,
            "iam.amazonaws.com",
            Some(&concern),
        );
    }
    questions.readings
}

/// The trail's files' answer, where they may be read: the same records once more, and those that the
/// event history does not have. Only there are uses of data, as who invoked the function, and what is
/// older than 90 days. Where a record lies depends on where a call was made: here, or where IAM is.
fn trail(investigation: &Investigation) -> Option<Box<dyn Reading + '_>> {
    let here = &investigation.target.region;
    let regions = [here.as_str(), global_region(here)].map(str::to_owned);
    let queries = resources(investigation);
    let files = TrailFiles::new(investigation, investigation.window, queries)?;
    Some(files.in_regions(BTreeSet::from(regions)).boxed())
}

struct Questions<'a> {
    investigation: &'a Investigation,
    /// Region, attribute, value: what is global is asked for in the same Region as the rest, if the
    /// function is there.
    asked: BTreeSet<(String, String, String)>,
    readings: Vec<Box<dyn Reading>>,
}

impl Questions<'_> {
    fn ask(&mut self, clients: &Clients, key: Key, value: &str, keep: Option<&Keep>) {
        let region = clients.region().to_owned();
        if !self
            .asked
            .insert((region, key.as_str().to_owned(), value.to_owned()))
        {
            return;
        }
        let Investigation { pace, window, .. } = self.investigation;
        let lookup = Lookup::new(clients, pace, *window, key, value);
        self.readings.push(Box::new(match keep {
            Some(keep) => lookup.only(keep),
            None => lookup,
        }));
    }
}

/// What a record is about if it is of interest: the function, its layers, mappings, log groups, roles,
/// policies. A record names it in its request or its answer or, where the call was refused and its
/// parameters are left out, in the error's words.
pub(super) fn resources(investigation: &Investigation) -> Vec<Query> {
    let Investigation { target, facts, .. } = investigation;
    let here = |kind, name: &String| {
        Target::aws(&target.account, &target.region, kind, name.as_str()).arn()
    };
    let layers = layers(investigation).into_iter();
    let layers = layers.map(|layer| layer.arn());
    let mappings = facts.mappings.iter();
    let mappings = mappings.map(|uuid| here(ResourceKind::EventSourceMapping, uuid));
    let groups = facts.log_groups.keys();
    let groups = groups.map(|name| here(ResourceKind::LogGroup, name));
    [target.id_unqualified()]
        .into_iter()
        .chain(layers)
        .chain(mappings)
        .chain(groups)
        .chain(facts.roles.iter().cloned())
        .chain(own_policies(facts).cloned())
        .map(|arn| Query {
            resource: Some(arn),
            ..Query::default()
        })
        .collect()
}

/// The account's policies: AWS's own don't change, and everybody attaches them.
fn own_policies(facts: &Facts) -> impl Iterator<Item = &String> {
    let policies = facts.policies.iter();
    policies.filter(|arn| !arn.contains("::aws:policy/"))
}

/// Its layers, each once, without their versions.
fn layers(investigation: &Investigation) -> BTreeSet<Target> {
    let layers = investigation.facts.layers.iter();
    let layers = layers.filter_map(|arn| Target::from_arn(arn).ok());
    layers.map(|layer| layer.unqualified()).collect()
}

/// Where IAM's records are.
pub(super) fn global_region(region: &str) -> &'static str {
    match Partition::of_region(region) {
        Partition::Aws => "us-east-1",
        Partition::AwsCn => "cn-north-1",
        Partition::AwsUsGov => "us-gov-west-1",
    }
}

/// How many event names are told apart.
const MOST_EVENTS: usize = 500;
/// How many targets of one call are told.
const MOST_TARGETS: usize = 20;
/// How many changes are listed from the window's beginning, and as many from its end.
const MOST_CHANGES: usize = 1_000;
/// How many principals are told apart.
const MOST_HANDS: usize = 100;
/// How many findings there are of one rule.
const MOST_FINDINGS: usize = 20;
/// How many sessions of the function's roles are passed on.
const MOST_SESSIONS: usize = 100;
/// How many lines prove one finding.
const MOST_PROOFS: usize = 5;

/// Sums up who did what, in bounded memory.
struct Changes<'a> {
    window: Window,
    tampered_at: Option<Timestamp>,
    event_id: Option<&'a str>,
    roles: &'a BTreeSet<String>,
    /// Entries of this pass so far: the number of the last one's line.
    lines: u64,
    records: u64,
    unreadable: u64,
    events: BTreeMap<(String, String), Event>,
    more_events: u64,
    first: Vec<Change>,
    last: VecDeque<Change>,
    left_out: u64,
    hands: BTreeMap<String, Hand>,
    /// What the case is about, or what changed at its very second: line and statement.
    at_tampering: Vec<(u64, String)>,
    /// Who made that change, in this pass's records or an earlier one's.
    culprit: Option<String>,
    logs: Vec<Finding>,
    taken: Vec<Finding>,
    sessions: Vec<Value>,
    more_sessions: u64,
}

/// One event name.
#[derive(Default, Serialize)]
struct Event {
    calls: u64,
    failed_calls: u64,
    first_at: Option<Timestamp>,
    last_at: Option<Timestamp>,
    errors: Few,
    principals: Few,
    addresses: Few,
    user_agents: Few,
    regions: Few,
}

/// One call that changed something, or tried to.
#[derive(Serialize)]
struct Change {
    at: Timestamp,
    service: Option<String>,
    event_name: Option<String>,
    event_id: Option<String>,
    /// Of this pass's entries, counted from 1; none if an earlier pass brought it.
    line: Option<u64>,
    targets: Vec<String>,
    principal: Option<String>,
    address: Option<String>,
    user_agent: Option<String>,
    access_key: Option<String>,
    error: Option<String>,
    category: Option<Category>,
    severity: Option<Severity>,
    technique: Option<&'static str>,
    /// What the call means.
    meaning: String,
    /// Whether it happened at the second that the case is about.
    at_tampering: bool,
}

/// What one principal did in this pass.
#[derive(Default)]
struct Hand {
    changed: Deeds,
    denied: Deeds,
}

#[derive(Default)]
struct Deeds {
    count: u64,
    names: Few,
    lines: Vec<u64>,
    /// Of the worst one.
    worst: Option<(Severity, Option<&'static str>)>,
}

impl Deeds {
    fn add(&mut self, name: &str, line: u64, classification: &Classification) {
        self.count += 1;
        self.names.count(Some(name));
        if self.lines.len() < MOST_PROOFS {
            self.lines.push(line);
        }
        let this = classification
            .severity
            .map(|severity| (severity, classification.technique));
        if this.map(|(severity, _)| severity) > self.worst.map(|(severity, _)| severity) {
            self.worst = this;
        }
    }

    /// `AddPermission, UpdateFunctionCode (3 times)`.
    fn told(&self) -> String {
        let names = self.names.calls_by_value.iter();
        let mut names: Vec<String> = names
            .map(|(name, calls)| match calls {
                1 => name.clone(),
                calls => format!("{name} ({calls} times)"),
            })
            .collect();
        if self.names.more_calls > 0 {
            names.push(format!("and {} others", self.names.more_calls));
        }
        names.join(", ")
    }
}

impl<'a> Changes<'a> {
    fn new(
        window: Window,
        tampered_at: Option<Timestamp>,
        event_id: Option<&'a str>,
        roles: &'a BTreeSet<String>,
    ) -> Self {
        Self {
            window,
            tampered_at,
            event_id,
            roles,
            lines: 0,
            records: 0,
            unreadable: 0,
            events: BTreeMap::new(),
            more_events: 0,
            first: Vec::new(),
            last: VecDeque::new(),
            left_out: 0,
            hands: BTreeMap::new(),
            at_tampering: Vec::new(),
            culprit: None,
            logs: Vec::new(),
            taken: Vec::new(),
            sessions: Vec::new(),
            more_sessions: 0,
        }
    }

    fn count(&mut self, at: Timestamp, record: &Record) {
        let name = |text: Option<&str>| told(text.unwrap_or_default());
        let key = (name(record.service()), name(record.base_name()));
        if self.events.len() >= MOST_EVENTS && !self.events.contains_key(&key) {
            self.more_events += 1;
            return;
        }
        let event = self.events.entry(key).or_default();
        event.calls += 1;
        event.failed_calls += u64::from(record.error_code().is_some());
        event.first_at.get_or_insert(at);
        event.last_at = Some(at);
        event.errors.count(record.error_code());
        event.principals.count(record.principal());
        event.addresses.count(record.source_address());
        event.user_agents.count(record.user_agent());
        event.regions.count(record.region());
    }

    fn change(&mut self, at: Timestamp, line: Option<u64>, record: &Record) {
        let classification = trail::classify(record, &Scope::default());
        let text = |text: Option<&str>| text.map(told);
        let is_at_tampering = match self.event_id {
            Some(event_id) => record.event_id() == Some(event_id),
            None => {
                self.tampered_at
                    .is_some_and(|tampered_at| tampered_at.as_second() == at.as_second())
                    && classification.decision == Decision::Respond
            }
        };
        if is_at_tampering && self.culprit.is_none() {
            self.culprit = Some(told(record.principal().unwrap_or("an unknown principal")));
        }
        if let Some(line) = line {
            self.find(line, record, &classification, is_at_tampering);
        }
        let targets = classification.targets.iter().take(MOST_TARGETS);
        let error = record
            .error_code()
            .map(|code| match record.error_message() {
                Some(message) => told(&format!("{code}: {message}")),
                None => told(code),
            });
        let change = Change {
            at,
            service: text(record.service()),
            event_name: text(record.base_name()),
            event_id: text(record.event_id()),
            line,
            targets: targets.map(|target| told(&target.arn())).collect(),
            principal: text(record.principal()),
            address: text(record.source_address()),
            user_agent: text(record.user_agent()),
            access_key: text(record.access_key_id()),
            error,
            category: classification.category,
            severity: classification.severity,
            technique: classification.technique,
            meaning: classification.reason,
            at_tampering: is_at_tampering,
        };
        if self.first.len() < MOST_CHANGES {
            self.first.push(change);
            return;
        }
        self.last.push_back(change);
        if self.last.len() > MOST_CHANGES {
            self.last.pop_front();
            self.left_out += 1;
        }
    }

    fn find(
        &mut self,
        line: u64,
        record: &Record,
        classification: &Classification,
        is_at_tampering: bool,
    ) {
        let name = told(record.base_name().unwrap_or_default());
        let principal = told(record.principal().unwrap_or("an unknown principal"));
        let address = told(record.source_address().unwrap_or("an unknown address"));
        let by = format!("{principal} from {address}");
        let of_table = classification.category.is_some();
        if is_at_tampering && self.at_tampering.len() < MOST_PROOFS {
            let statement = format!("{name} by {by}");
            self.at_tampering.push((line, statement));
        }
        let failed = record.error_code();
        let is_known = self.hands.contains_key(&principal);
        if of_table && !is_at_tampering && (is_known || self.hands.len() < MOST_HANDS) {
            let hand = self.hands.entry(principal.clone()).or_default();
            match failed {
                None => hand.changed.add(&name, line, classification),
                Some(code) if is_denial(code) => hand.denied.add(&name, line, classification),
                Some(_) => {}
            }
        }
        if failed.is_none()
            && record.service() == Some("logs")
            && let (Some(technique), Some(severity)) =
                (classification.technique, classification.severity)
        {
            let group = record.request("logGroupName").and_then(Value::as_str);
            let group = group
                .map(|group| format!(" on {}", told(group)))
                .unwrap_or_default();
            let days = record.request("retentionInDays").and_then(Value::as_u64);
            let days = days
                .map(|days| format!(" ({days} {})", if days == 1 { "day" } else { "days" }))
                .unwrap_or_default();
            note(
                &mut self.logs,
                Finding {
                    rule: "log-tampering".to_owned(),
                    statement: format!("{name}{group}{days} by {by}: {}", classification.reason),
                    severity,
                    confidence: Confidence::High,
                    technique: Some(technique.to_owned()),
                    advice: None,
                    proof: vec![proof(line)],
                },
            );
        }
    }

    /// Somebody got credentials of one of the function's roles: Lambda does, all day.
    fn taken(&mut self, at: Timestamp, line: Option<u64>, record: &Record) {
        let role = record.request("roleArn").and_then(Value::as_str);
        let Some(role) = role.filter(|role| self.roles.contains(*role)) else {
            return;
        };
        let caller = record.raw().pointer("/userIdentity/type");
        if record.error_code().is_some() || caller.and_then(Value::as_str) == Some("AWSService") {
            return;
        }
        let field = |value: Option<&Value>| value.and_then(Value::as_str).map(told);
        let session = field(record.request("roleSessionName"));
        let key = record
            .raw()
            .pointer("/responseElements/credentials/accessKeyId");
        let principal = told(record.principal().unwrap_or("an unknown principal"));
        let address = told(record.source_address().unwrap_or("an unknown address"));
        if self.sessions.len() < MOST_SESSIONS {
            self.sessions.push(json!({
                "at": at,
                "role": told(role),
                "session": session,
                "access_key": field(key),
                "principal": principal,
                "address": address,
                "line": line,
            }));
        } else {
            self.more_sessions += 1;
        }
        if let Some(line) = line {
            let session = session.unwrap_or_default();
            let statement = format!(
                "{principal} took the function's role {} from {address}, as session {session:?}: \
                 as a rule only Lambda does",
                told(role)
            );
            note(
                &mut self.taken,
                Finding {
                    rule: "role-taken".to_owned(),
                    statement,
                    severity: Severity::Medium,
                    confidence: Confidence::High,
                    // Valid Accounts: Cloud Accounts.
                    technique: Some("T1078.004".to_owned()),
                    advice: None,
                    proof: vec![proof(line)],
                },
            );
        }
    }

    fn findings(&mut self) -> Vec<Finding> {
        let mut findings = Vec::new();
        if let (false, Some(at)) = (self.at_tampering.is_empty(), self.tampered_at) {
            let told: Vec<&str> = self
                .at_tampering
                .iter()
                .map(|(.., what)| what.as_str())
                .collect();
            findings.push(Finding {
                rule: "change-in-trail".to_owned(),
                statement: format!(
                    "the audit trail holds the change of {at} that the case is about: {}",
                    told.join("; ")
                ),
                severity: Severity::Info,
                confidence: Confidence::High,
                technique: None,
                advice: None,
                proof: self
                    .at_tampering
                    .iter()
                    .map(|(line, ..)| proof(*line))
                    .collect(),
            });
        }
        if let Some(principal) = &self.culprit
            && let Some(Hand { changed, .. }) = self.hands.get(principal)
            && changed.count > 0
        {
            findings.push(Finding {
                rule: "more-by-the-same-hand".to_owned(),
                statement: format!(
                    "{principal}, who made the change that the case is about, made {} more in \
                         the window: {}",
                    changed.count,
                    changed.told()
                ),
                severity: changed
                    .worst
                    .map_or(Severity::Info, |(severity, _)| severity),
                confidence: Confidence::High,
                technique: changed
                    .worst
                    .and_then(|(_, technique)| technique)
                    .map(str::to_owned),
                advice: None,
                proof: changed.lines.iter().map(|line| proof(*line)).collect(),
            });
        }
        let denied = self.hands.iter().filter(|(_, hand)| hand.denied.count > 0);
        for (principal, Hand { denied, .. }) in denied.take(MOST_FINDINGS) {
            findings.push(Finding {
                rule: "denied-changes".to_owned(),
                statement: format!(
                    "{principal} tried to change the function or what belongs to it and was denied \
                     {}: {}",
                    match denied.count {
                        1 => "once".to_owned(),
                        count => format!("{count} times"),
                    },
                    denied.told()
                ),
                severity: Severity::Medium,
                confidence: Confidence::High,
                technique: denied
                    .worst
                    .and_then(|(_, technique)| technique)
                    .map(str::to_owned),
                advice: None,
                proof: denied.lines.iter().map(|line| proof(*line)).collect(),
            });
        }
        findings.append(&mut self.logs);
        findings.append(&mut self.taken);
        findings
    }
}

impl Observer for Changes<'_> {
    fn see(&mut self, entry: &Entry, is_new: bool, _rows: &mut Vec<String>) {
        self.lines += u64::from(is_new);
        let line = is_new.then_some(self.lines);
        self.records += 1;
        let Ok(raw @ Value::Object(_)) = serde_json::from_str(&entry.raw) else {
            self.unreadable += 1;
            return;
        };
        let (record, at) = (Record::new(raw), entry.occurred_at());
        self.count(at, &record);
        if record.service() == Some("sts") {
            self.taken(at, line, &record);
        } else if may_have_changed(&record) {
            self.change(at, line, &record);
        }
    }

    fn conclude(mut self: Box<Self>, _rows: &mut Vec<String>) -> Observed {
        if self.records == 0 {
            return Observed::default();
        }
        let findings = self.findings();
        let events = self.events.iter().map(|((service, name), event)| {
            json!({ "service": service, "event_name": name, "figures": event })
        });
        let summary = json!({
            "window": self.window,
            "tampered_at": self.tampered_at,
            "records": self.records,
            "unreadable_records": self.unreadable,
            "events": events.collect::<Vec<_>>(),
            "records_of_more_events": self.more_events,
            "changes": self.first.iter().chain(&self.last).collect::<Vec<_>>(),
            "changes_left_out_in_the_middle": self.left_out,
            "role_sessions": self.sessions,
            "more_role_sessions": self.more_sessions,
        });
        let refusals = match self.unreadable {
            0 => Vec::new(),
            count => vec![crate::Refusal::Failed(format!(
                "{count} records are no JSON objects: kept as they came, not looked at"
            ))],
        };
        Observed {
            documents: vec![("summary", summary)],
            findings,
            refusals,
            carry: json!({ "role_sessions": self.sessions }),
        }
    }
}

/// Whether a record is of a call that changes something, carried out or not: no read, no dry run, no
/// use of what is there (a data event).
fn may_have_changed(record: &Record) -> bool {
    let is_used = matches!(
        record.event_category(),
        Some("Data" | "Insight" | "NetworkActivity")
    ) || record.raw().get("managementEvent") == Some(&Value::Bool(false));
    let name = record.event_name().unwrap_or_default();
    let reads = record.is_read_only().unwrap_or_else(|| {
        let verbs = ["Get", "List", "Describe", "Invoke"];
        verbs.iter().any(|verb| name.starts_with(verb))
    });
    !is_used && !reads && !record.is_dry_run()
}

fn is_denial(code: &str) -> bool {
    code.contains("AccessDenied") || code.contains("Unauthorized") || code.contains("NotAuthorized")
}

fn note(findings: &mut Vec<Finding>, finding: Finding) {
    if findings.len() < MOST_FINDINGS {
        findings.push(finding);
    }
}

fn proof(line: u64) -> Proof {
    Proof {
        excerpt: None,
        exhibit: ENTRIES.to_owned(),
        path: None,
        line: Some(line),
    }
}

#[cfg(test)]
mod tests {
    use super::super::{Carried, Scope as WindowScope};
    use super::*;
    use crate::aws::canned::{self, Investigated, Script};
    use crate::facts::LogGroup;

    const ROLE: &str = "arn:aws:iam::111122223333:role/service-role/billing-role";
    const LAYER: &str = "arn:aws:lambda:eu-west-1:111122223333:layer:deps:3";
    const FUNCTION: &str = "arn:aws:lambda:eu-west-1:111122223333:function:billing";
    const TAMPERED_AT: &str = "2026-01-01T12:00:00Z";

    fn scope() -> WindowScope {
        let one = |text: &str| BTreeSet::from([text.to_owned()]);
        WindowScope {
            target: Target::from_arn(FUNCTION).unwrap(),
            facts: Facts {
                log_groups: ["/aws/lambda/billing", "/custom"]
                    .map(|name| (name.to_owned(), LogGroup::default()))
                    .into(),
                roles: one(ROLE),
                policies: BTreeSet::from([
                    "arn:aws:iam::111122223333:policy/billing".to_owned(),
                    "arn:aws:iam::aws:policy/service-role/AWSLambdaBasicExecutionRole".to_owned(),
                ]),
                layers: BTreeSet::from([
                    LAYER.to_owned(),
                    "arn:aws:lambda:eu-west-1:111122223333:layer:deps:4".to_owned(),
                    "arn:aws:lambda:eu-west-1:580247275435:layer:LambdaInsightsExtension:2"
                        .to_owned(),
                ]),
                mappings: one("0c5a1b2c-0000-4000-8000-000000000001"),
                ..Facts::default()
            },
            window: Window::new(
                "2026-01-01T00:00:00Z".parse().unwrap(),
                "2026-01-02T00:00:00Z".parse().unwrap(),
            )
            .unwrap(),
            baseline: None,
            tampered_at: Some(TAMPERED_AT.parse().unwrap()),
        }
    }

    async fn investigate(lines: &[(&'static str, u16, &'static str)]) -> Investigated {
        let mut script = lines.to_vec();
        script.push(("LookupEvents", 200, r#"{"Events":[]}"#));
        let script: Script = script.leak();
        let request = Request::whole(ArtifactKind::AuditEvents);
        canned::investigate(scope(), &request, &Carried::new(), script).await
    }

    /// A call by `user`, so many seconds after the tampering; `more` goes over it.
    fn call(user: &str, second: i64, service: &str, name: &str, more: Value) -> Value {
        let at = TAMPERED_AT.parse::<Timestamp>().unwrap();
        let region = if service == "iam" {
            "us-east-1"
        } else {
            "eu-west-1"
        };
        let mut record = json!({
            "eventVersion": "1.11",
            "userIdentity": {
                "type": "IAMUser",
                "arn": format!("arn:aws:iam::111122223333:user/{user}"),
                "accessKeyId": "AKIDEXAMPLE",
            },
            "eventTime": at + jiff::SignedDuration::from_secs(second),
            "eventSource": format!("{service}.amazonaws.com"),
            "eventName": name,
            "awsRegion": region,
            "sourceIPAddress": "198.51.100.7",
            "userAgent": "aws-cli/2.31",
            "eventID": format!("{name} {second}"),
            "readOnly": name.starts_with("Get") || name.starts_with("Assume"),
            "eventType": "AwsApiCall",
            "managementEvent": true,
            "recipientAccountId": "111122223333",
            "eventCategory": "Management",
        });
        for (field, value) in more.as_object().unwrap() {
            record[field] = value.clone();
        }
        record
    }

    fn page(records: &[&Value]) -> &'static str {
        let events = records.iter().map(|record| {
            let at: Timestamp = record["eventTime"].as_str().unwrap().parse().unwrap();
            json!({"EventTime": at.as_second(), "CloudTrailEvent": record.to_string()})
        });
        let events: Vec<Value> = events.collect();
        json!({ "Events": events }).to_string().leak()
    }

    fn about(function: &str) -> Value {
        json!({"requestParameters": {"functionName": function}})
    }

    fn denied(resource: &str) -> Value {
        json!({"errorCode": "AccessDenied", "requestParameters": null, "errorMessage": format!(
            "User: arn:aws:iam::111122223333:user/mallory is not authorized to perform: X:Y on \
             resource: {resource} because no identity-based policy allows the X:Y action"
        )})
    }

    #[tokio::test(start_paused = true)]
    async fn what_was_done_is_found_by_name_and_by_service_told_once_and_summed_up() {
        let update = call(
            "mallory",
            0,
            "lambda",
            "UpdateFunctionCode20150331v2",
            about("billing"),
        );
        let look = call(
            "mallory",
            -60,
            "lambda",
            "GetFunction20150331v2",
            about("111122223333:function:billing:live"),
        );
        let permit = call(
            "mallory",
            30,
            "lambda",
            "AddPermission20150331v2",
            about(FUNCTION),
        );
        let trace = call(
            "coldcase",
            70,
            "lambda",
            "UpdateFunctionConfiguration20150331v2",
            about("billing"),
        );
        let refused = call(
            "mallory",
            20,
            "lambda",
            "DeleteFunction20150331",
            denied(FUNCTION),
        );
        let others = call(
            "deploy",
            1,
            "lambda",
            "UpdateFunctionCode20150331v2",
            about("billing2"),
        );
        let expire = json!({"requestParameters": {"logGroupName": "/aws/lambda/billing", "retentionInDays": 1}});
        let expire = call("mallory", 40, "logs", "PutRetentionPolicy", expire);
        let elsewhere = json!({"requestParameters": {"logGroupName": "/aws/lambda/billing2", "retentionInDays": 1}});
        let elsewhere = call("ops", 41, "logs", "PutRetentionPolicy", elsewhere);
        let grant = call(
            "mallory",
            50,
            "iam",
            "PutRolePolicy",
            denied("role billing-role"),
        );
        let unrelated = json!({"requestParameters": {"roleName": "another-role",
            "policyArn": "arn:aws:iam::aws:policy/service-role/AWSLambdaBasicExecutionRole"}});
        let unrelated = call("ops", 51, "iam", "AttachRolePolicy", unrelated);
        let assume = |session: &str| {
            json!({
                "requestParameters": {"roleArn": ROLE, "roleSessionName": session},
                "responseElements": {"credentials": {"accessKeyId": "ASIAEXAMPLE"}},
            })
        };
        let taken = call("mallory", 60, "sts", "AssumeRole", assume("quiet"));
        let mut started = call("", -3600, "sts", "AssumeRole", assume("billing"));
        started["userIdentity"] =
            json!({"type": "AWSService", "invokedBy": "lambda.amazonaws.com"});
        started["sourceIPAddress"] = "lambda.amazonaws.com".into();
        let targets = json!({"requestParameters": {"rule": "nightly", "targets": [{"id": "1", "arn": FUNCTION}]}});
        let targets = call("deploy", -7200, "events", "PutTargets", targets);
        let bucket = json!({"requestParameters": {"bucketName": "billing"}});
        let bucket = call("ops", 3, "s3", "CreateBucket", bucket);

        let found = investigate(&[
            // A bucket of the same name has nothing to do with it.
            (r#"LookupEvents "AttributeValue":"billing""#, 200, page(&[&trace, &bucket, &update])),
            (r#"LookupEvents "AttributeValue":"arn:aws:lambda:eu-west-1:111122223333:function:billing""#, 200, page(&[&permit])),
            (r#"LookupEvents cloudtrail.eu-west-1 ResourceName role/service-role/billing-role"#, 200, page(&[&taken, &started])),
            ("LookupEvents EventName PutRetentionPolicy", 200, page(&[&elsewhere, &expire])),
            ("LookupEvents EventName PutTargets", 200, page(&[&targets])),
            ("LookupEvents cloudtrail.us-east-1 EventSource iam.amazonaws.com", 200, page(&[&unrelated, &grant])),
            ("LookupEvents EventSource lambda.amazonaws.com", 200, page(&[&trace, &permit, &refused, &others, &update, &look])),
        ])
        .await;
        assert_eq!(found.outcome(), ("acquired", ""));
        let expected = [
            &targets, &started, &look, &update, &refused, &permit, &expire, &grant, &taken, &trace,
        ];
        let expected: Vec<String> = expected.iter().map(ToString::to_string).collect();
        assert_eq!(found.lines("audit-events-first-0"), expected);
        insta::assert_json_snapshot!(json!({
            "findings": found.concluded.findings,
            "carry": found.concluded.carry,
            "summary": found.document("summary"),
        }));
    }

    #[tokio::test(start_paused = true)]
    async fn every_question_is_asked_once_and_nothing_at_all_is_told_as_such() {
        let found = investigate(&[]).await;
        let (outcome, why) = found.outcome();
        assert_eq!(
            (outcome, why),
            ("absent", "there is nothing of it in the window")
        );
        let abouts = found.concluded.acquisition.calls.iter();
        assert!(abouts.clone().all(|call| call.requests == 1));
        let questions = abouts.map(|call| call.about.split(" from ").next().unwrap());
        insta::assert_json_snapshot!(questions.collect::<Vec<_>>());
    }

    /// What comes of records that are seen in order.
    fn observed(records: impl Iterator<Item = (Value, bool)>) -> Observed {
        observed_of(None, records)
    }

    /// The same, in a case that the record with this id opened.
    fn observed_of(
        event_id: Option<&str>,
        records: impl Iterator<Item = (Value, bool)>,
    ) -> Observed {
        let scope = scope();
        let mut observer = Changes::new(
            scope.window,
            scope.tampered_at,
            event_id,
            &scope.facts.roles,
        );
        for (record, is_new) in records {
            let at = record["eventTime"].as_str().unwrap().parse().unwrap();
            let entry = Entry::new(at, "", record.to_string());
            observer.see(&entry, is_new, &mut Vec::new());
        }
        Box::new(observer).conclude(&mut Vec::new())
    }

    #[test]
    fn memory_does_not_grow_with_the_number_of_records_or_names() {
        let flood = (0..6_000).map(|n: i64| {
            let name = match n % 4 {
                0 => format!("Unheard{n}"),
                1 => "DeleteFunction20150331".to_owned(),
                2 => "DeleteLogGroup".to_owned(),
                _ => "AssumeRole".to_owned(),
            };
            let service = ["lambda", "lambda", "logs", "sts"][usize::try_from(n % 4).unwrap()];
            let mut record = call(&format!("user{n}"), n, service, &name, about("billing"));
            if n % 8 == 1 {
                record["errorCode"] = "AccessDenied".into();
            }
            record["userAgent"] = format!("{n}{}", "ä\n".repeat(500)).into();
            record["requestParameters"]["logGroupName"] = "/aws/lambda/billing".into();
            record["requestParameters"]["roleArn"] = ROLE.into();
            (record, true)
        });
        let observed = observed(flood);
        let (_, summary) = &observed.documents[0];
        assert_eq!(summary["records"], 6_000);
        assert_eq!(summary["events"].as_array().unwrap().len(), MOST_EVENTS);
        assert_eq!(
            summary["changes"].as_array().unwrap().len(),
            2 * MOST_CHANGES
        );
        assert_eq!(summary["changes_left_out_in_the_middle"], 4_500 - 2 * 1_000);
        assert_eq!(summary["changes"][2 * MOST_CHANGES - 1]["line"], 5_999);
        assert_eq!(summary["more_role_sessions"], 1_500 - 100);
        assert!(summary.to_string().len() < 8 * 1024 * 1024);
        assert!(!summary.to_string().contains("\\n"));
        let mut findings: BTreeMap<&str, usize> = BTreeMap::new();
        for finding in &observed.findings {
            *findings.entry(&finding.rule).or_default() += 1;
            assert!(finding.statement.len() < 4096);
        }
        let expected = [
            ("denied-changes", 20),
            ("log-tampering", 20),
            ("role-taken", 20),
        ];
        assert_eq!(findings, BTreeMap::from(expected));
    }

    #[test]
    fn the_change_that_the_case_is_about_is_known_by_its_id_not_by_its_second() {
        let change = |who: &str, id: &str| {
            let name = "UpdateFunctionCode20150331v2";
            let mut record = call(who, 0, "lambda", name, about("billing"));
            record["eventTime"] = TAMPERED_AT.into();
            record["eventID"] = id.into();
            (record, true)
        };
        let records = [change("mallory", "e-1"), change("coldcase", "e-2")];
        let principals = |event_id| {
            let observed = observed_of(event_id, records.clone().into_iter());
            let mut findings = observed.findings.into_iter();
            let found = findings.find(|finding| finding.rule == "change-in-trail");
            let told = found.unwrap().statement;
            ["mallory", "coldcase"].map(|who| told.contains(who))
        };
        assert_eq!(principals(Some("e-1")), [true, false]);
        assert_eq!(principals(None), [true, true]);
    }

    #[test]
    fn what_the_same_hand_does_a_day_later_is_found_in_the_second_pass() {
        let name = "UpdateFunctionCode20150331v2";
        let mut first = call("mallory", 0, "lambda", name, about("billing"));
        first["eventTime"] = TAMPERED_AT.into();
        first["eventID"] = "e-1".into();
        let later = call(
            "mallory",
            9,
            "lambda",
            "AddPermission20150331v2",
            about("billing"),
        );
        let records = [(first, false), (later, true)];
        let observed = observed_of(Some("e-1"), records.into_iter());
        let rules: Vec<&str> = observed.findings.iter().map(|f| f.rule.as_str()).collect();
        assert_eq!(rules, ["more-by-the-same-hand"]);
    }

    #[test]
    fn what_an_earlier_pass_found_is_summed_up_and_not_found_again() {
        let update = call(
            "mallory",
            0,
            "lambda",
            "UpdateFunctionCode20150331v2",
            about("billing"),
        );
        let delete = call(
            "mallory",
            9,
            "lambda",
            "DeleteAlias20150331",
            about("billing"),
        );
        let late = call(
            "mallory",
            5,
            "lambda",
            "DeleteFunction20150331",
            denied(FUNCTION),
        );
        let observed = observed([(update, false), (late, true), (delete, false)].into_iter());
        let rules = observed
            .findings
            .iter()
            .map(|finding| finding.rule.as_str());
        assert_eq!(rules.collect::<Vec<_>>(), ["denied-changes"]);
        assert_eq!(observed.findings[0].proof, [proof(1)]);
        let (_, summary) = &observed.documents[0];
        let lines = summary["changes"].as_array().unwrap().iter();
        let lines: Vec<_> = lines.map(|change| change["line"].as_u64()).collect();
        assert_eq!(lines, [None, Some(1), None]);
    }

    #[test]
    fn uses_reads_and_dry_runs_are_no_changes() {
        let changes = |more: Value| {
            may_have_changed(&Record::new(call(
                "u",
                0,
                "lambda",
                "UpdateAlias20150331",
                more,
            )))
        };
        assert!(changes(json!({})));
        assert!(changes(json!({"errorCode": "AccessDenied"})));
        assert!(changes(json!({"readOnly": null})));
        assert!(!changes(json!({"readOnly": "true"})));
        assert!(!changes(json!({"eventName": "Invoke", "readOnly": null})));
        assert!(!changes(json!({"eventCategory": "Data"})));
        assert!(!changes(json!({"managementEvent": false})));
        assert!(!changes(json!({"requestParameters": {"dryRun": true}})));
    }

    #[test]
    fn iam_is_recorded_in_one_region_of_each_partition() {
        let regions = ["eu-west-1", "cn-northwest-1", "us-gov-east-1"].map(global_region);
        assert_eq!(regions, ["us-east-1", "cn-north-1", "us-gov-west-1"]);
    }
}
