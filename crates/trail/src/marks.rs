//! What stands out in a role's activity, each with the records that prove it.
//!
//! # Stolen credentials
//!
//! A Lambda function's credentials are those of its role, in a session named after the function. Its
//! execution environments each get keys of their own, which are replaced every few hours; environments
//! may share one. What CloudTrail shows of a call made inside of one:
//! - `userAgent` contains `exec-env/AWS_Lambda_RUNTIME`, which every SDK adds where the variable
//!   `AWS_EXECUTION_ENV` is set. Lambda sets it in its managed runtimes, and not in OS-only ones
//!   (`provided.*`: Rust, Go, C++), so its absence alone proves nothing. It can be forged.
//! - `sourceIPAddress` is an address of Lambda's, or, for a function in a VPC, that of a NAT gateway,
//!   or a private one together with `vpcEndpointId`. The caller cannot forge it. One key may well show
//!   one of each, and a private address for each subnet.
//! - `userIdentity.inScopeOf.issuerType` is `AWS::Lambda::Function`, in newer records, wherever the
//!   call came from: it says whose the credentials are.
//! - Lambda itself calls with the function's role: with a host name for an address or `invokedBy` (event
//!   sources, network interfaces), or with the agent `awslambda-worker` (log streams). No caller can
//!   set the first two; such calls are never marked.
//!
//! A session is a function's if any of its calls shows one of these, or if the caller of this module
//! says so. An address is trusted for it if `awslambda-worker` called from it, or if it is the first,
//! by time and for each kind of address (private, IPv4, IPv6), that calls with the Lambda agent came
//! from with the same key. Calls that came without the agent and not from a trusted address are
//! marked:
//! - *critical, high confidence*: the same key was also used with the agent: in Lambda and elsewhere.
//!   (*Medium, low confidence* if both addresses are private: it may be another subnet.)
//! - *high, medium confidence*: another key of the session was used with the agent, this one never; or
//!   nothing of the session shows the agent, and the one of this call cannot be a function's (another
//!   system, another execution environment, the AWS command line).
//! - *medium, low confidence*: nothing of the session shows the agent, and the key came from several
//!   public addresses.
//! - *low, low confidence*: nothing of the session shows the agent, nor anything else.
//!
//! And calls *with* the agent from a public address other than the first of its kind: *medium, low
//! confidence*: the agent was forged, or environments share a key.
//!
//! What is marked without being theft: a function that sends requests through several NAT gateways or
//! a proxy; a program inside of the function that does not name its environment, called before any
//! that does; a person who tests with a function's credentials. What is theft and not marked: calls
//! through the function itself, or from behind the same NAT gateway; a stolen key that its function
//! never used, with a forged agent, which looks like one more environment.

use crate::activity::{Activity, Baseline, Call, bounded, keep_id, widen};
use crate::power;
use evidence::{Confidence, Severity};
use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

/// How many marks are listed.
const MAX_MARKS: usize = 500;

/// How many pairs of key and address are told apart.
const MAX_PLACES: usize = 4_096;

/// How many denied calls are kept of one session, and of how many sessions.
const MAX_DENIED: usize = 1_000;
const MAX_DENIED_SESSIONS: usize = 64;

/// What a burst of denied calls is: so many, over so many actions, within this time.
const BURST_CALLS: usize = 5;
const BURST_ACTIONS: usize = 3;
const BURST_TIME: SignedDuration = SignedDuration::from_mins(5);

/// What a mark is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum MarkRule {
    /// A function's credentials were used by something else.
    StolenCredentials,
    /// Power was given, taken, kept, or used against those who watch.
    PrivilegeOrPersistence,
    /// Many calls were denied in a short time: somebody tries what works.
    DeniedBurst,
    /// Not done before, as far as the baseline goes.
    FirstEver,
    /// Done after the function or its role was tampered with.
    AfterTampering,
}

/// Something that stands out, with its proof.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Mark {
    /// Which rule made it.
    pub rule: MarkRule,
    /// How bad.
    pub severity: Severity,
    /// How sure.
    pub confidence: Confidence,
    /// MITRE ATT&CK technique id, where one fits.
    pub technique: Option<String>,
    /// One sentence; holds no secret. Names in it were chosen by whoever made the calls.
    pub statement: String,
    /// The calls that it is about.
    #[serde(flatten)]
    pub evidence: Evidence,
}

/// Calls that prove something.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Evidence {
    /// How many.
    pub calls: u64,
    /// How many of them failed.
    pub failed_calls: u64,
    /// The first.
    pub first_at: Option<Timestamp>,
    /// The last.
    pub last_at: Option<Timestamp>,
    /// `eventID` of the first few.
    pub event_ids: Vec<String>,
}

impl Evidence {
    pub(crate) fn note(&mut self, call: &Call<'_>) {
        self.calls += 1;
        self.failed_calls += u64::from(call.error.is_some());
        widen(&mut self.first_at, &mut self.last_at, call.time);
        keep_id(&mut self.event_ids, call.record);
    }

    fn add(&mut self, other: &Self) {
        self.calls += other.calls;
        self.failed_calls += other.failed_calls;
        widen(&mut self.first_at, &mut self.last_at, other.first_at);
        widen(&mut self.first_at, &mut self.last_at, other.last_at);
        let room = 5usize.saturating_sub(self.event_ids.len());
        self.event_ids
            .extend(other.event_ids.iter().take(room).cloned());
    }

    fn has_any(&self) -> bool {
        self.calls > 0
    }
}

/// Everything that stands out, the worst first, and how much more there is.
pub(crate) fn marks(activity: &Activity, baseline: Option<&Baseline>) -> (Vec<Mark>, u64) {
    let mut marks = activity.provenance.marks(&activity.known().functions);
    marks
        .extend((activity.powerful.iter()).filter_map(|(name, evidence)| powerful(name, evidence)));
    marks.extend((activity.denied.iter()).filter_map(|(who, burst)| burst.mark(who)));
    marks.extend(baseline.into_iter().flat_map(|known| new(activity, known)));
    marks.extend(after_tampering(activity));
    marks.sort_by(|a, b| {
        (b.severity.cmp(&a.severity))
            .then_with(|| b.confidence.cmp(&a.confidence))
            .then_with(|| (a.rule, &a.statement).cmp(&(b.rule, &b.statement)))
    });
    let more = marks.len().saturating_sub(MAX_MARKS);
    marks.truncate(MAX_MARKS);
    (marks, more as u64)
}

fn powerful(name: &str, evidence: &Evidence) -> Option<Mark> {
    let (service, action) = name.split_once(':')?;
    let power = power::named(service, action)?;
    let is_refused = evidence.failed_calls == evidence.calls;
    Some(Mark {
        rule: MarkRule::PrivilegeOrPersistence,
        severity: match is_refused {
            true => power.severity.min(Severity::Medium),
            false => power.severity,
        },
        confidence: Confidence::High,
        technique: Some(power.technique.to_owned()),
        statement: format!("{name} {}: {}", power.meaning, counted(evidence)),
        evidence: evidence.clone(),
    })
}

fn counted(evidence: &Evidence) -> String {
    let calls = match evidence.calls {
        1 => "1 call".into(),
        calls => format!("{calls} calls"),
    };
    match evidence.failed_calls {
        0 => calls,
        failed if failed == evidence.calls => format!("{calls}, all of which failed"),
        failed => format!("{calls}, {failed} of which failed"),
    }
}

fn new(activity: &Activity, known: &Baseline) -> Vec<Mark> {
    let mut marks = Vec::new();
    for (service, action, figures) in activity.actions() {
        if known.holds(service, action) {
            continue;
        }
        let is_new_service = !known.holds_service(service);
        let evidence = Evidence {
            calls: figures.calls,
            failed_calls: figures.failed_calls,
            first_at: figures.first_at,
            last_at: figures.last_at,
            event_ids: figures.event_ids.clone(),
        };
        let what = match is_new_service {
            true => "a service that was not used before",
            false => "an action that was not used before",
        };
        marks.push(Mark {
            rule: MarkRule::FirstEver,
            severity: match is_new_service {
                true => Severity::Medium,
                false => Severity::Low,
            },
            confidence: match known.is_cut() || activity.has_unknown_actions() {
                true => Confidence::Low,
                false => Confidence::Medium,
            },
            technique: Some(CLOUD_ACCOUNTS.into()),
            statement: format!(
                "{}:{} is {what}: {}",
                shown(service),
                shown(action),
                counted(&evidence)
            ),
            evidence,
        });
    }
    marks
}

fn after_tampering(activity: &Activity) -> Option<Mark> {
    let tampered_at = activity.known().tampered_at?;
    let evidence = activity.after_tampering.clone();
    evidence.has_any().then(|| Mark {
        rule: MarkRule::AfterTampering,
        severity: Severity::Info,
        confidence: Confidence::High,
        technique: None,
        statement: format!(
            "{} came after the tampering at {tampered_at}",
            counted(&evidence)
        ),
        evidence,
    })
}

/// Valid Accounts: Cloud Accounts.
const CLOUD_ACCOUNTS: &str = "T1078.004";
/// Cloud Service Discovery.
const SERVICE_DISCOVERY: &str = "T1526";

/// Denied calls of one session.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Burst {
    calls: Vec<Denied>,
    more_calls: u64,
}

#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
struct Denied {
    at: Timestamp,
    action: String,
    event_id: Option<String>,
}

impl Burst {
    pub(crate) fn note(sessions: &mut BTreeMap<String, Self>, call: &Call<'_>) {
        let (Some(at), Some(code)) = (call.time, call.error) else {
            return;
        };
        const DENIALS: &[&str] = &["AccessDenied", "Unauthorized", "NotAuthorized", "Forbidden"];
        if !DENIALS.iter().any(|denial| code.contains(denial)) {
            return;
        }
        let who = call.record.principal().unwrap_or("unknown");
        let who = bounded(who);
        if sessions.len() >= MAX_DENIED_SESSIONS && !sessions.contains_key(&who) {
            return;
        }
        let burst = sessions.entry(who).or_default();
        if burst.calls.len() >= MAX_DENIED {
            burst.more_calls += 1;
            return;
        }
        burst.calls.push(Denied {
            at,
            action: format!("{}:{}", call.service, call.action),
            event_id: call.record.event_id().map(bounded),
        });
    }

    /// All calls that belong to some burst, as one mark.
    fn mark(&self, who: &str) -> Option<Mark> {
        let mut calls: Vec<&Denied> = self.calls.iter().collect();
        calls.sort();
        let mut in_burst = vec![false; calls.len()];
        let mut actions: BTreeMap<&str, usize> = BTreeMap::new();
        let mut start = 0;
        let mut marked_to = 0;
        for end in 0..calls.len() {
            *actions.entry(&calls[end].action).or_default() += 1;
            while calls[end].at.duration_since(calls[start].at) > BURST_TIME {
                if let Some(count) = actions.get_mut(calls[start].action.as_str()) {
                    *count -= 1;
                    if *count == 0 {
                        actions.remove(calls[start].action.as_str());
                    }
                }
                start += 1;
            }
            if end + 1 - start >= BURST_CALLS && actions.len() >= BURST_ACTIONS {
                in_burst[marked_to.max(start)..=end].fill(true);
                marked_to = end + 1;
            }
        }
        let burst: Vec<_> = calls
            .iter()
            .zip(&in_burst)
            .filter_map(|(call, is_in)| is_in.then_some(*call))
            .collect();
        let (first, last) = (burst.first()?, burst.last()?);
        let actions: BTreeSet<_> = burst.iter().map(|call| call.action.as_str()).collect();
        let more = match self.more_calls {
            0 => String::new(),
            more => format!("; {more} more denied calls were not looked at"),
        };
        Some(Mark {
            rule: MarkRule::DeniedBurst,
            severity: Severity::Medium,
            confidence: Confidence::Medium,
            technique: Some(SERVICE_DISCOVERY.into()),
            statement: format!(
                "{} was denied {} calls of {} actions in short time, as one who tries what works{more}",
                shown(who),
                burst.len(),
                actions.len()
            ),
            evidence: Evidence {
                calls: burst.len() as u64,
                failed_calls: burst.len() as u64,
                first_at: Some(first.at),
                last_at: Some(last.at),
                event_ids: burst
                    .iter()
                    .filter_map(|call| call.event_id.clone())
                    .take(5)
                    .collect(),
            },
        })
    }
}

/// Where the credentials of sessions were used.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Provenance {
    /// By role and session, `ROLE SESSION`.
    sessions: BTreeMap<String, Session>,
    places: usize,
    unplaced_calls: u64,
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
struct Session {
    name: String,
    /// A record says that its credentials are a function's, or Lambda itself used them.
    is_of_function: bool,
    /// By access key, then by address.
    keys: BTreeMap<String, BTreeMap<String, Place>>,
}

/// What came from one address with one key.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
struct Place {
    /// With the agent of a Lambda function.
    inside: Evidence,
    /// With that of Lambda's own workers.
    workers: Evidence,
    /// With one that cannot be a function's.
    elsewhere: Evidence,
    /// With any other.
    unsaid: Evidence,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Agent {
    Inside,
    Worker,
    Elsewhere,
    Unsaid,
}

impl Agent {
    fn of(text: &str) -> Self {
        let text = text[..text.floor_char_boundary(1024)].to_ascii_lowercase();
        // An attacker who takes over the whole environment sends the marker from another system.
        const SYSTEMS: &[&str] = &["os/macos", "os/windows", "darwin/", "windows/", "macosx/"];
        let is_other_system = SYSTEMS.iter().any(|system| text.contains(system));
        if text.contains("aws_lambda_") && !is_other_system {
            return Self::Inside;
        }
        if text.starts_with("awslambda-worker") {
            return Self::Worker;
        }
        const OTHERS: &[&str] = &["exec-env/", "aws-cli/", "terraform", "pulumi", "kali"];
        match is_other_system || OTHERS.iter().any(|other| text.contains(other)) {
            true => Self::Elsewhere,
            false => Self::Unsaid,
        }
    }
}

/// Addresses of one kind that one key comes from at a time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum AddressKind {
    /// Seen through an endpoint in the VPC.
    Private,
    V4,
    V6,
}

impl AddressKind {
    fn of(address: &str) -> Option<Self> {
        Some(match address.parse().ok()? {
            IpAddr::V4(v4) => {
                // 100.64.0.0/10 is used inside of networks only as well.
                let is_shared = v4.octets()[0] == 100 && v4.octets()[1] & 0xC0 == 64;
                match v4.is_private() || v4.is_loopback() || v4.is_link_local() || is_shared {
                    true => Self::Private,
                    false => Self::V4,
                }
            }
            IpAddr::V6(v6) => match v6.is_unique_local() || v6.is_loopback() {
                true => Self::Private,
                false => Self::V6,
            },
        })
    }
}

impl Provenance {
    pub(crate) fn note(&mut self, call: &Call<'_>) {
        let Some(name) = call.session else { return };
        let record = call.record;
        let role = record.session_issuer_arn().unwrap_or_default();
        let id = bounded(&format!("{role} {name}"));
        let issuer = record.text("/userIdentity/inScopeOf/issuerType");
        let is_of_function = issuer == Some("AWS::Lambda::Function");
        let address = record.source_address().unwrap_or_default();
        let is_by_service = record.text("/userIdentity/invokedBy").is_some()
            || (!address.is_empty() && AddressKind::of(address).is_none());
        if is_by_service {
            let by_lambda = [record.text("/userIdentity/invokedBy"), Some(address)]
                .contains(&Some("lambda.amazonaws.com"));
            if let Some(session) = self.sessions.get_mut(&id) {
                session.is_of_function |= is_of_function || by_lambda;
            } else if (is_of_function || by_lambda) && self.places < MAX_PLACES {
                self.places += 1;
                let session = self.sessions.entry(id).or_default();
                session.name = bounded(name);
                session.is_of_function = true;
            }
            return;
        }
        let key = bounded(record.access_key_id().unwrap_or("(no key)"));
        let is_known = (self.sessions.get(&id))
            .and_then(|session| session.keys.get(&key)?.get(address))
            .is_some();
        if address.is_empty() || (!is_known && self.places >= MAX_PLACES) {
            self.unplaced_calls += 1;
            return;
        }
        self.places += usize::from(!is_known);
        let session = self.sessions.entry(id).or_default();
        session.name = bounded(name);
        session.is_of_function |= is_of_function;
        let addresses = session.keys.entry(key).or_default();
        let place = addresses.entry(address.to_owned()).or_default();
        match Agent::of(record.user_agent().unwrap_or_default()) {
            Agent::Inside => &mut place.inside,
            Agent::Worker => &mut place.workers,
            Agent::Elsewhere => &mut place.elsewhere,
            Agent::Unsaid => &mut place.unsaid,
        }
        .note(call);
    }

    pub(crate) const fn unplaced_calls(&self) -> u64 {
        self.unplaced_calls
    }

    fn marks(&self, functions: &BTreeSet<String>) -> Vec<Mark> {
        self.sessions
            .values()
            .flat_map(|session| session.marks(functions.contains(&session.name)))
            .collect()
    }
}

/// One key's, or one session's, suspicious calls of one sort.
#[derive(Default)]
struct Suspects {
    evidence: Evidence,
    addresses: Vec<String>,
}

impl Suspects {
    fn add(&mut self, address: &str, evidence: &Evidence) {
        if evidence.has_any() {
            self.evidence.add(evidence);
            self.addresses.push(address.to_owned());
        }
    }

    fn mark(
        self,
        severity: Severity,
        confidence: Confidence,
        say: impl FnOnce(&str) -> String,
    ) -> Option<Mark> {
        let first: Vec<_> = self.addresses.iter().take(3).cloned().collect();
        let mut places = first.join(", ");
        if self.addresses.len() > 3 {
            places = format!("{places} and {} more", self.addresses.len() - 3);
        }
        self.evidence.has_any().then(|| Mark {
            rule: MarkRule::StolenCredentials,
            severity,
            confidence,
            technique: Some(CLOUD_ACCOUNTS.into()),
            statement: say(&format!("{} from {places}", counted(&self.evidence))),
            evidence: self.evidence,
        })
    }
}

impl Session {
    fn marks(&self, is_told: bool) -> Vec<Mark> {
        let places = || self.keys.values().flat_map(BTreeMap::values);
        let has_agent = places().any(|place| place.inside.has_any());
        let has_workers = places().any(|place| place.workers.has_any());
        if !(has_agent || has_workers || self.is_of_function || is_told) {
            return Vec::new();
        }
        let homes: BTreeMap<&str, BTreeMap<AddressKind, &str>> = (self.keys.iter())
            .map(|(key, addresses)| (key.as_str(), homes(addresses)))
            .collect();
        let workers = self.keys.values().flatten();
        let trusted: BTreeSet<&str> = workers
            .filter(|(_, place)| place.workers.has_any())
            .map(|(address, _)| address.as_str())
            .chain(homes.values().flat_map(|homes| homes.values().copied()))
            .collect();

        let session = shown(&self.name);
        let mut marks = Vec::new();
        let mut silent = Suspects::default();
        for (key, addresses) in &self.keys {
            let homes = &homes[key.as_str()];
            let key = shown(key);
            let [mut both, mut subnets, mut other_key, mut alien, mut forged] =
                [(); 5].map(|()| Suspects::default());
            let mut several = Suspects::default();
            let public = |address: &str| AddressKind::of(address) != Some(AddressKind::Private);
            let public_places = addresses.keys().filter(|address| public(address)).count();
            for (address, place) in addresses {
                let kind = AddressKind::of(address);
                let home = kind.and_then(|kind| homes.get(&kind).copied());
                if kind != Some(AddressKind::Private) && home != Some(address) {
                    forged.add(address, &place.inside);
                }
                if trusted.contains(address.as_str()) {
                    continue;
                }
                let mut outside = place.elsewhere.clone();
                outside.add(&place.unsaid);
                if !homes.is_empty() {
                    match kind == Some(AddressKind::Private) && home.is_some() {
                        true => subnets.add(address, &outside),
                        false => both.add(address, &outside),
                    }
                } else if has_agent {
                    other_key.add(address, &outside);
                } else {
                    alien.add(address, &place.elsewhere);
                    match public_places > 1 && public(address) {
                        true => several.add(address, &place.unsaid),
                        false => silent.add(address, &place.unsaid),
                    }
                }
            }
            use Confidence as Sure;
            marks.extend(both.mark(Severity::Critical, Sure::High, |calls| {
                let home = homes.values().copied().collect::<Vec<_>>().join(", ");
                format!("key {key} of function session {session} was used in Lambda (from {home}) and outside of it: {calls}")
            }));
            marks.extend(subnets.mark(Severity::Medium, Sure::Low, |calls| {
                format!("key {key} of function session {session} was used in Lambda, and without its agent in the network: {calls}; it may be another subnet of the function")
            }));
            marks.extend(other_key.mark(Severity::High, Sure::Medium, |calls| {
                format!("key {key} of function session {session} was used outside of Lambda only, while others were used inside: {calls}")
            }));
            marks.extend(alien.mark(Severity::High, Sure::Medium, |calls| {
                format!("key {key} of function session {session} was used by a program that does not run in Lambda: {calls}")
            }));
            marks.extend(several.mark(Severity::Medium, Sure::Low, |calls| {
                format!("key {key} of function session {session} was used from several addresses, without the agent of Lambda: {calls}")
            }));
            marks.extend(forged.mark(Severity::Medium, Sure::Low, |calls| {
                format!("key {key} of function session {session} shows the agent of Lambda from another address than at first: {calls}; the agent was forged, or environments share the key")
            }));
        }
        marks.extend(silent.mark(Severity::Low, Confidence::Low, |calls| {
            format!("nothing shows that function session {session} was used in Lambda: {calls}; functions of OS-only runtimes look the same")
        }));
        marks
    }
}

/// The first address of each kind, by time, that showed the agent of Lambda.
fn homes(addresses: &BTreeMap<String, Place>) -> BTreeMap<AddressKind, &str> {
    let mut homes: BTreeMap<AddressKind, (Timestamp, &str)> = BTreeMap::new();
    for (address, place) in addresses {
        if let Some(kind) = AddressKind::of(address)
            && place.inside.has_any()
        {
            let first = place.inside.first_at.unwrap_or(Timestamp::MAX);
            let home = homes.entry(kind).or_insert((first, address));
            if first < home.0 {
                *home = (first, address);
            }
        }
    }
    (homes.into_iter())
        .map(|(kind, (_, address))| (kind, address))
        .collect()
}

/// A name that whoever made the calls may have chosen, fit for a sentence.
fn shown(name: &str) -> String {
    let name: String = name.chars().take(128).collect();
    name.escape_debug().to_string()
}
