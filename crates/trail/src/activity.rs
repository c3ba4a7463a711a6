//! What a role, a session or a key did, summed up call by call in bounded memory.
//!
//! Everything distinct is bounded, and what goes beyond is counted. An [`Activity`] can be stored and
//! read back between two calls, so a long collection may stop and go on. Records that are delivered
//! twice are counted twice: CloudTrail delivers at least once.

use crate::marks::{Burst, Evidence, Mark, Provenance, marks};
use crate::query::{refused_resources, session_name};
use crate::record::Record;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};

/// How many actions are told apart.
const MAX_ACTIONS: usize = 2_000;
/// How many distinct values of one kind are kept for one action.
const MAX_VALUES_PER_ACTION: usize = 50;
/// How many distinct values of one kind are kept over all actions.
const MAX_VALUES: usize = 1_000;
/// How many distinct values are kept altogether.
const MAX_VALUES_ALTOGETHER: usize = 40_000;
/// The longest value that is kept whole, in bytes.
const MAX_VALUE_BYTES: usize = 256;
/// How many actions a baseline knows.
const MAX_BASELINE_ACTIONS: usize = 20_000;

/// Fields of a request that name what it is about, the more telling first.
const NAMING_FIELDS: &[&str] = &[
    "functionName",
    "bucketName",
    "tableName",
    "secretId",
    "keyId",
    "queueUrl",
    "topicArn",
    "roleArn",
    "roleName",
    "userName",
    "policyArn",
    "groupName",
    "logGroupName",
    "streamName",
    "stateMachineArn",
    "repositoryName",
    "trailName",
    "resourceArn",
    "resource",
    "name",
    "names",
];

/// What the one who asks knows already.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Known {
    /// When the function or its role was tampered with: calls after it are counted.
    pub tampered_at: Option<Timestamp>,
    /// Names of Lambda functions; sessions with these names are theirs, even where no call shows it.
    pub functions: BTreeSet<String>,
}

/// Sums records up. Give it each with [`Self::add`], in any order; ask for the [`Summary`] at any time.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Activity {
    known: Known,
    totals: Totals,
    /// By service, then by action.
    actions: BTreeMap<String, BTreeMap<String, Action>>,
    action_count: usize,
    values_kept: usize,
    pub(crate) provenance: Provenance,
    pub(crate) denied: BTreeMap<String, Burst>,
    /// By service and action, as `SERVICE:ACTION`.
    pub(crate) powerful: BTreeMap<String, Evidence>,
    pub(crate) after_tampering: Evidence,
}

/// Figures over all actions.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Totals {
    /// Calls, failed ones included.
    pub calls: u64,
    /// Calls that failed.
    pub failed_calls: u64,
    /// Calls whose record has no time that can be read.
    pub undated_calls: u64,
    /// Calls of actions beyond those that are told apart.
    pub more_actions_calls: u64,
    /// The first call.
    pub first_at: Option<Timestamp>,
    /// The last call.
    pub last_at: Option<Timestamp>,
    /// ARNs of the roles behind the sessions.
    pub roles: Values,
    /// Names of sessions.
    pub sessions: Values,
    /// Ids of access keys.
    pub access_keys: Values,
    /// Addresses that calls came from; host names where a service called.
    pub addresses: Values,
    /// User agents.
    pub user_agents: Values,
    /// Regions of the calls.
    pub regions: Values,
    /// Accounts of the records.
    pub accounts: Values,
}

/// What was done of one kind.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Action {
    /// Calls, failed ones included.
    pub calls: u64,
    /// Calls that failed.
    pub failed_calls: u64,
    /// The first call.
    pub first_at: Option<Timestamp>,
    /// The last call.
    pub last_at: Option<Timestamp>,
    /// Error codes.
    pub errors: Values,
    /// What the calls were about: ARNs of the record's own list, else what the request names.
    pub resources: Values,
    /// Addresses that calls came from.
    pub addresses: Values,
    /// User agents.
    pub user_agents: Values,
    /// Names of sessions.
    pub sessions: Values,
    /// Ids of access keys.
    pub access_keys: Values,
    /// `eventID` of the first few.
    pub event_ids: Vec<String>,
}

/// Distinct values and how many calls had each. Long values are cut, with `…` at their end.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Values {
    /// Calls by value.
    pub calls_by_value: BTreeMap<String, u64>,
    /// Calls with further values, beyond those that are kept.
    pub more_calls: u64,
}

impl Values {
    fn count(&mut self, value: Option<&str>, most: usize, kept: &mut usize) {
        let Some(value) = value else { return };
        let value = bounded(value);
        if let Some(calls) = self.calls_by_value.get_mut(value.as_str()) {
            *calls += 1;
        } else if self.calls_by_value.len() < most && *kept < MAX_VALUES_ALTOGETHER {
            *kept += 1;
            self.calls_by_value.insert(value, 1);
        } else {
            self.more_calls += 1;
        }
    }
}

impl Activity {
    /// Nothing yet.
    pub fn new(known: Known) -> Self {
        Self {
            known,
            ..Self::default()
        }
    }

    /// What was known from the start.
    pub const fn known(&self) -> &Known {
        &self.known
    }

    /// Adds one call.
    pub fn add(&mut self, record: &Record) {
        let call = Call::of(record);
        self.total(&call);
        self.note_action(&call);
        self.provenance.note(&call);
        if let Some(power) = crate::power::of(&call) {
            let key = format!("{}:{}", power.service, power.base_name);
            self.powerful.entry(key).or_default().note(&call);
        }
        Burst::note(&mut self.denied, &call);
        if let (Some(tampered_at), Some(time)) = (self.known.tampered_at, call.time)
            && time > tampered_at
        {
            self.after_tampering.note(&call);
        }
    }

    fn total(&mut self, call: &Call<'_>) {
        let totals = &mut self.totals;
        totals.calls += 1;
        totals.failed_calls += u64::from(call.error.is_some());
        totals.undated_calls += u64::from(call.time.is_none());
        widen(&mut totals.first_at, &mut totals.last_at, call.time);
        let kept = &mut self.values_kept;
        for (values, value) in [
            (&mut totals.roles, call.record.session_issuer_arn()),
            (&mut totals.sessions, call.session),
            (&mut totals.access_keys, call.record.access_key_id()),
            (&mut totals.addresses, call.record.source_address()),
            (&mut totals.user_agents, call.record.user_agent()),
            (&mut totals.regions, call.record.region()),
            (&mut totals.accounts, call.record.account()),
        ] {
            values.count(value, MAX_VALUES, kept);
        }
    }

    fn note_action(&mut self, call: &Call<'_>) {
        let known = (self.actions.get(call.service.as_str()))
            .is_some_and(|actions| actions.contains_key(call.action.as_str()));
        if !known && self.action_count >= MAX_ACTIONS {
            self.totals.more_actions_calls += 1;
            return;
        }
        self.action_count += usize::from(!known);
        let service = self.actions.entry(call.service.clone()).or_default();
        let action = service.entry(call.action.clone()).or_default();
        action.calls += 1;
        action.failed_calls += u64::from(call.error.is_some());
        widen(&mut action.first_at, &mut action.last_at, call.time);
        let kept = &mut self.values_kept;
        for resource in resources(call.record) {
            let values = &mut action.resources;
            values.count(Some(resource), MAX_VALUES_PER_ACTION, kept);
        }
        for (values, value) in [
            (&mut action.errors, call.error),
            (&mut action.sessions, call.session),
            (&mut action.access_keys, call.record.access_key_id()),
            (&mut action.addresses, call.record.source_address()),
            (&mut action.user_agents, call.record.user_agent()),
        ] {
            values.count(value, MAX_VALUES_PER_ACTION, kept);
        }
        keep_id(&mut action.event_ids, call.record);
    }

    /// The figures and what stands out. `baseline`: what the same role did before, if that is known;
    /// without one, nothing is marked as new.
    pub fn summary(&self, baseline: Option<&Baseline>) -> Summary {
        let (marks, more_marks) = marks(self, baseline);
        let actions = self.actions.iter().flat_map(|(service, actions)| {
            actions.iter().map(|(action, figures)| ActionSummary {
                service: service.clone(),
                action: action.clone(),
                figures: figures.clone(),
            })
        });
        Summary {
            totals: self.totals.clone(),
            tampered_at: self.known.tampered_at,
            calls_after_tampering: self.known.tampered_at.map(|_| self.after_tampering.calls),
            baseline_actions: baseline.map(Baseline::len),
            unplaced_calls: self.provenance.unplaced_calls(),
            actions: actions.collect(),
            marks,
            more_marks,
        }
    }

    pub(crate) fn actions(&self) -> impl Iterator<Item = (&str, &str, &Action)> {
        self.actions.iter().flat_map(|(service, actions)| {
            let service = service.as_str();
            (actions.iter()).map(move |(action, figures)| (service, action.as_str(), figures))
        })
    }

    pub(crate) fn has_unknown_actions(&self) -> bool {
        self.totals.more_actions_calls > 0
    }
}

/// What came of all calls; as JSON, sorted and the same for the same calls.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Summary {
    /// Figures over all actions.
    #[serde(flatten)]
    pub totals: Totals,
    /// When the function or its role was tampered with, if that was told.
    pub tampered_at: Option<Timestamp>,
    /// Calls after that, if it was told.
    pub calls_after_tampering: Option<u64>,
    /// How many actions the baseline holds, if there was one.
    pub baseline_actions: Option<u64>,
    /// Calls of sessions that were not looked at for stolen credentials, because there were too many
    /// keys or addresses, or no address.
    pub unplaced_calls: u64,
    /// By service, then by action.
    pub actions: Vec<ActionSummary>,
    /// What stands out, the worst first.
    pub marks: Vec<Mark>,
    /// Marks beyond those that are listed.
    pub more_marks: u64,
}

/// One action's figures.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ActionSummary {
    /// E.g. `s3`.
    pub service: String,
    /// The event's name without its API date.
    pub action: String,
    /// Its figures.
    #[serde(flatten)]
    pub figures: Action,
}

/// What was done before: services and actions of an earlier window.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Baseline {
    actions: BTreeMap<String, BTreeSet<String>>,
    count: usize,
    more_calls: u64,
}

impl Baseline {
    /// Adds one call of the earlier window, whether or not it failed.
    pub fn add(&mut self, record: &Record) {
        let call = Call::of(record);
        if self.holds(&call.service, &call.action) {
            return;
        }
        if self.count >= MAX_BASELINE_ACTIONS {
            self.more_calls += 1;
            return;
        }
        self.count += 1;
        let actions = self.actions.entry(call.service).or_default();
        actions.insert(call.action);
    }

    /// How many actions it holds.
    pub const fn len(&self) -> u64 {
        self.count as u64
    }

    /// Whether nothing was done before.
    pub const fn is_empty(&self) -> bool {
        self.count == 0
    }

    pub(crate) fn holds_service(&self, service: &str) -> bool {
        self.actions.contains_key(service)
    }

    pub(crate) fn holds(&self, service: &str, action: &str) -> bool {
        (self.actions.get(service)).is_some_and(|actions| actions.contains(action))
    }

    /// Whether actions were left out for want of room.
    pub(crate) const fn is_cut(&self) -> bool {
        self.more_calls > 0
    }
}

/// What several parts want to know of a record.
pub(crate) struct Call<'a> {
    pub(crate) record: &'a Record,
    pub(crate) service: String,
    pub(crate) action: String,
    pub(crate) time: Option<Timestamp>,
    pub(crate) session: Option<&'a str>,
    pub(crate) error: Option<&'a str>,
}

impl<'a> Call<'a> {
    fn of(record: &'a Record) -> Self {
        let service = record.service().or_else(|| record.event_source());
        let action = record.base_name().or_else(|| record.event_type());
        Self {
            record,
            service: bounded(service.unwrap_or("unknown")),
            action: bounded(action.unwrap_or("unknown")),
            time: record.occurred_at(),
            session: session_name(record),
            error: record.error_code(),
        }
    }
}

/// What a call was about.
fn resources(record: &Record) -> Vec<&str> {
    const MOST: usize = 20;
    let listed: Vec<_> = record.resource_arns().take(MOST).collect();
    if !listed.is_empty() {
        return listed;
    }
    let named = NAMING_FIELDS
        .iter()
        .find_map(|field| match record.request(field)? {
            Value::String(name) => Some(vec![name.as_str()]),
            Value::Array(names) => {
                Some(names.iter().filter_map(Value::as_str).take(MOST).collect())
            }
            _ => None,
        });
    named.unwrap_or_else(|| {
        let refused = record
            .error_message()
            .into_iter()
            .flat_map(refused_resources);
        refused
            .filter(|word| word.starts_with("arn:"))
            .take(1)
            .collect()
    })
}

pub(crate) fn keep_id(event_ids: &mut Vec<String>, record: &Record) {
    const MOST: usize = 5;
    if event_ids.len() < MOST
        && let Some(id) = record.event_id()
    {
        event_ids.push(bounded(id));
    }
}

pub(crate) fn widen(
    first_at: &mut Option<Timestamp>,
    last_at: &mut Option<Timestamp>,
    time: Option<Timestamp>,
) {
    if let Some(time) = time {
        *first_at = Some(first_at.map_or(time, |first| first.min(time)));
        *last_at = Some(last_at.map_or(time, |last| last.max(time)));
    }
}

pub(crate) fn bounded(text: &str) -> String {
    if text.len() <= MAX_VALUE_BYTES {
        return text.to_owned();
    }
    let mut cut = text[..text.floor_char_boundary(MAX_VALUE_BYTES)].to_owned();
    cut.push('…');
    cut
}
