//! What is done about a record: respond, record or ignore, and why.

use crate::own::{own_tracing_attempt, own_tracing_change};
use crate::record::Record;
use crate::table::{DEFENCE, Row, Standing, Subject, row};
use crate::target::{log_group_itself, targets};
use crate::unwrap::Unreadable;
use evidence::{Category, ResourceKind, Severity, Sha256Digest, Target, Trigger};
use serde::Serialize;
use serde_json::Value;

/// What is done about a record.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Decision {
    /// A case for each target.
    Respond,
    /// A note, and no case.
    Record,
    /// Nothing.
    Ignore,
}

/// What was made of a record. The order of the fields is that of the command line's output.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Classification {
    /// CloudTrail's `eventID`.
    pub event_id: Option<String>,
    /// As recorded.
    pub event_name: Option<String>,
    /// Without the API date.
    pub base_name: Option<String>,
    /// What the call touches, if the table knows it.
    pub category: Option<Category>,
    /// What is done.
    pub decision: Decision,
    /// Why, in words.
    pub reason: String,
    /// What the call is about.
    pub targets: Vec<Target>,
    /// MITRE ATT&CK technique id.
    pub technique: Option<&'static str>,
    /// How bad.
    pub severity: Option<Severity>,
}

impl Classification {
    /// What is said of something that holds no record: ignored, with the reason.
    pub fn unreadable(unreadable: &Unreadable) -> Self {
        Self {
            event_id: None,
            event_name: None,
            base_name: None,
            category: None,
            decision: Decision::Ignore,
            reason: format!("unreadable: {unreadable}"),
            targets: Vec::new(),
            technique: None,
            severity: None,
        }
    }
}

/// What belongs to the responder itself. Empty by default: then nothing does.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Scope {
    own: Vec<Target>,
    own_role_arn: Option<String>,
}

impl Scope {
    /// The responder's own parts and the ARN of the role that it acts under, which is one of them.
    /// A part whose name ends in `*` stands for all that begin so, one in the Region `*` for those in
    /// every Region.
    pub fn new(own: impl IntoIterator<Item = Target>, own_role_arn: Option<String>) -> Self {
        let mut own: Vec<_> = own.into_iter().collect();
        own.extend(
            own_role_arn
                .as_deref()
                .and_then(|arn| Target::from_arn(arn).ok()),
        );
        Self { own, own_role_arn }
    }

    /// Whether `target` is one of the responder's own parts: the same kind and name, whole unless the
    /// part's ends in `*`, in the same account and, for what is in a Region, in the same Region.
    /// Qualifiers do not matter, and a bucket's name is its own the world over.
    pub fn owns(&self, target: &Target) -> bool {
        self.own.iter().any(|part| {
            let bucket = part.kind == ResourceKind::Bucket;
            let global = bucket || matches!(part.kind, ResourceKind::Role | ResourceKind::Policy);
            part.provider == target.provider
                && part.kind == target.kind
                && is_named(&part.name, &target.name)
                && (bucket || part.account == target.account)
                && (global || part.region == "*" || part.region == target.region)
        })
    }

    /// Whether the responder's own role made the call.
    pub fn acted(&self, record: &Record) -> bool {
        self.own_role_arn.is_some() && record.session_issuer_arn() == self.own_role_arn.as_deref()
    }

    /// The role that the responder acts under.
    pub fn own_role_arn(&self) -> Option<&str> {
        self.own_role_arn.as_deref()
    }
}

/// Whether a part's name, whole or a beginning with `*`, is this one. A beginning does not reach
/// over a `/`: rules of another bus are named `BUS/RULE`.
fn is_named(part: &str, name: &str) -> bool {
    match part.strip_suffix('*') {
        Some(beginning) => name
            .strip_prefix(beginning)
            .is_some_and(|rest| !rest.contains('/')),
        None => part == name,
    }
}

/// Says what is done about `record`.
///
/// The responder's own tracing change is classified like any other: see [`own_tracing_change`],
/// which the caller asks first and believes only if the vault holds the intent.
pub fn classify(record: &Record, scope: &Scope) -> Classification {
    let judged = judge(record, scope);
    let owned = |text: Option<&str>| text.map(ToOwned::to_owned);
    Classification {
        event_id: owned(record.event_id()),
        event_name: owned(record.event_name()),
        base_name: owned(record.base_name()),
        category: judged.category,
        decision: judged.decision,
        reason: judged.reason,
        targets: judged.targets,
        technique: judged.technique,
        severity: judged.severity,
    }
}

/// The trigger of a case, for a record that deserves one. `None` for every other decision, and for
/// a record without a readable time, which CloudTrail does not write. A record without an id is
/// known by its digest, so that its redelivery still reopens the same case.
pub fn to_trigger(record: &Record, classification: &Classification) -> Option<Trigger> {
    if classification.decision != Decision::Respond {
        return None;
    }
    let event_id = match record.event_id() {
        Some(id) => id.to_owned(),
        None => format!(
            "sha256:{}",
            Sha256Digest::of(serde_json::to_vec(record.raw()).ok()?)
        ),
    };
    Some(Trigger::CloudTrailEvent {
        event_id,
        event_name: record.event_name()?.to_owned(),
        occurred_at: record.occurred_at()?,
        category: classification.category?,
        severity: classification.severity?,
        technique: classification.technique.unwrap_or_default().to_owned(),
        principal: record.principal().map(ToOwned::to_owned),
        source_address: record.source_address().map(ToOwned::to_owned),
    })
}

struct Judged {
    category: Option<Category>,
    decision: Decision,
    reason: String,
    targets: Vec<Target>,
    technique: Option<&'static str>,
    severity: Option<Severity>,
}

impl Judged {
    fn ignored(reason: String) -> Self {
        Self {
            category: None,
            decision: Decision::Ignore,
            reason,
            targets: Vec::new(),
            technique: None,
            severity: None,
        }
    }
}

fn judge(record: &Record, scope: &Scope) -> Judged {
    let (service, name) = match call(record) {
        Ok(call) => call,
        Err(reason) => return Judged::ignored(reason),
    };
    match row(service, name) {
        Some(row) => judge_known(record, scope, row),
        None => judge_unknown(record, scope, service, name),
    }
}

/// The service and base name of a management call that may have changed something, or why the
/// record is none.
fn call(record: &Record) -> Result<(&str, &str), String> {
    let insight = record.event_category() == Some("Insight")
        || record.event_type() == Some("AwsCloudTrailInsight");
    if insight {
        return Err("a CloudTrail Insight: a statistic about calls, not a call".into());
    }
    let Some(source) = record.event_source() else {
        return Err("no eventSource: not a CloudTrail record".into());
    };
    let Some(service) = record.service() else {
        return Err(match source.strip_prefix("aws:") {
            Some(_) => format!(
                "a notification or stream item of {}, which looks like a CloudTrail record and is none",
                shown(source)
            ),
            None => format!("{} is no service of AWS", shown(source)),
        });
    };
    let Some(name) = record.base_name() else {
        return Err("no eventName: no call to classify".into());
    };
    if record.is_read_only() == Some(true) {
        return Err(format!("{} only reads", shown(name)));
    }
    Ok((service, name))
}

/// A call that is in no row. New write calls of Lambda are noted rather than passed over: AWS adds
/// some every year.
fn judge_unknown(record: &Record, scope: &Scope, service: &str, name: &str) -> Judged {
    let data = record.event_category() == Some("Data")
        || record.raw().get("managementEvent") == Some(&Value::Bool(false));
    if service != "lambda" {
        return Judged::ignored(format!(
            "{} of {} touches nothing that is watched",
            shown(name),
            shown(service)
        ));
    }
    if data || name.starts_with("Invoke") {
        return Judged::ignored(format!("{} uses a function and changes none", shown(name)));
    }
    let reads = ["Get", "List"].iter().any(|verb| name.starts_with(verb));
    if reads && record.is_read_only().is_none() {
        return Judged::ignored(format!("{} only reads", shown(name)));
    }
    let tried = match record.error_code() {
        Some(code) => format!("; it failed with {}", shown(code)),
        None => String::new(),
    };
    let acted = scope.acted(record);
    let by_us = match acted {
        true => "; the responder's own role, which made it, never does that",
        false => "",
    };
    Judged {
        decision: Decision::Record,
        targets: targets(record, Subject::Function),
        severity: acted.then_some(Severity::Critical),
        ..Judged::ignored(format!(
            "{} writes to Lambda and is not in the table yet{tried}{by_us}",
            shown(name)
        ))
    }
}

fn judge_known(record: &Record, scope: &Scope, row: &Row) -> Judged {
    let mut targets = targets(record, row.subject);
    let own_group = (row.subject == Subject::LogGroup)
        .then(|| log_group_itself(record))
        .flatten()
        .filter(|group| scope.owns(group));
    if let Some(group) = own_group
        && !targets.iter().any(|target| scope.owns(target))
    {
        targets = vec![group];
    }
    if targets.iter().any(|target| scope.owns(target)) {
        // One call may name others' alarms as well, or a key and its alias: the case is about ours.
        targets.retain(|target| scope.owns(target));
    } else if let Some(role) = own_role_given(record, row, scope) {
        // The function is what somebody made of our power: it is evidence as well.
        targets.insert(0, role);
    }
    let own = targets.iter().find(|target| scope.owns(target));
    let name = row.base_name;
    let meaning = row.meaning;
    let judged = |decision, reason| Judged {
        category: Some(row.category),
        decision,
        reason,
        targets: targets.clone(),
        technique: row.technique,
        severity: Some(row.severity),
    };
    let on_own = |decision, reason| Judged {
        category: Some(Category::AntiForensics),
        technique: row.technique.or(DEFENCE),
        severity: Some(Severity::Critical),
        ..judged(decision, reason)
    };

    if let Some(code) = record.error_code() {
        let code = shown(code);
        return match own {
            Some(part) => on_own(
                Decision::Record,
                format!(
                    "an attempt on the responder's own {}: {name} failed with {code}",
                    described(part)
                ),
            ),
            None if scope.acted(record) => {
                let ours = scope
                    .own_role_arn()
                    .and_then(|role| own_tracing_attempt(record, role));
                match ours {
                    Some(_) => judged(
                        Decision::Record,
                        format!(
                            "an attempt by the responder's own role to turn tracing on: {name} failed \
                             with {code}; an alert unless the vault holds the intent"
                        ),
                    ),
                    None => Judged {
                        severity: Some(Severity::Critical),
                        ..judged(
                            Decision::Record,
                            format!(
                                "an attempt by the responder's own role, which never does that: {name} \
                                 failed with {code}; somebody may hold its credentials"
                            ),
                        )
                    },
                }
            }
            None => judged(
                Decision::Record,
                format!("an attempt: {name} failed with {code} and changed nothing"),
            ),
        };
    }
    if record.is_dry_run() {
        return judged(
            Decision::Ignore,
            format!("a dry run: {name} changed nothing"),
        );
    }
    if record.event_category() == Some("NetworkActivity") {
        return judged(
            Decision::Ignore,
            format!("{name} as seen at a VPC endpoint; the call has a management event of its own"),
        );
    }
    if let Some(part) = own {
        return on_own(
            Decision::Respond,
            format!(
                "{name} on the responder's own {}: {meaning}",
                described(part)
            ),
        );
    }
    if scope.acted(record) {
        let ours = scope
            .own_role_arn()
            .and_then(|role| own_tracing_change(record, role));
        let reason = match ours {
            Some(_) => format!(
                "{name} by the responder's own role turns tracing on; a case unless the vault holds the intent"
            ),
            None => format!("{name} by the responder's own role, which never does that: {meaning}"),
        };
        // A call that names nothing still says something about the role.
        let role = scope
            .own_role_arn()
            .and_then(|arn| Target::from_arn(arn).ok());
        let acting = role.into_iter().filter(|_| targets.is_empty()).collect();
        return Judged {
            severity: Some(Severity::Critical),
            targets: if targets.is_empty() {
                acting
            } else {
                targets.clone()
            },
            ..judged(Decision::Respond, reason)
        };
    }
    if is_automatic_scaling(record, row) {
        return judged(
            Decision::Record,
            format!("{name} by Application Auto Scaling, as load or a schedule asks: {meaning}"),
        );
    }
    let said = format!("{name} {meaning}{}", touched(record, row));
    match row.standing {
        Standing::Ignore => judged(
            Decision::Ignore,
            format!("{said}; only the responder's own is watched"),
        ),
        Standing::Record => judged(Decision::Record, said),
        Standing::Respond | Standing::RespondForFunctions if targets.is_empty() => judged(
            Decision::Record,
            format!("{said}; the record names no target, so there is nothing to preserve"),
        ),
        Standing::RespondForFunctions
            if !targets
                .iter()
                .any(|target| target.kind == ResourceKind::Function) =>
        {
            judged(
                Decision::Record,
                format!("{said}; the log group is no function's by its name"),
            )
        }
        Standing::Respond | Standing::RespondForFunctions => judged(Decision::Respond, said),
    }
}

/// The responder's own role, if the call gives it to a function. Where it was refused, the error
/// names the role that could not be passed.
fn own_role_given(record: &Record, row: &Row, scope: &Scope) -> Option<Target> {
    let gives = row.service == "lambda"
        && matches!(
            row.base_name,
            "CreateFunction" | "UpdateFunctionConfiguration"
        );
    let asked = record.request("role").and_then(Value::as_str);
    let refused = || {
        let (_, resource) = record.error_message()?.split_once("on resource: ")?;
        resource.split([' ', '"', '\n']).next()
    };
    let role = gives.then(|| asked.or_else(refused)).flatten()?;
    Target::from_arn(role)
        .ok()
        .filter(|role| role.kind == ResourceKind::Role && scope.owns(role))
}

/// Whether Application Auto Scaling moved provisioned concurrency, which it does all day where it was
/// told to. AWS writes both fields itself; no caller can.
fn is_automatic_scaling(record: &Record, row: &Row) -> bool {
    const SCALING: &str = "application-autoscaling.amazonaws.com";
    row.service == "lambda"
        && matches!(
            row.base_name,
            "PutProvisionedConcurrencyConfig" | "DeleteProvisionedConcurrencyConfig"
        )
        && (record.text("/userIdentity/invokedBy") == Some(SCALING)
            || record.source_address() == Some(SCALING))
}

/// Which settings a configuration change names: the field names are AWS's, the values stay out.
fn touched(record: &Record, row: &Row) -> String {
    const SETTINGS: [&str; 20] = [
        "role",
        "handler",
        "runtime",
        "layers",
        "environment",
        "kMSKeyArn",
        "tracingConfig",
        "loggingConfig",
        "vpcConfig",
        "imageConfig",
        "timeout",
        "memorySize",
        "ephemeralStorage",
        "deadLetterConfig",
        "fileSystemConfigs",
        "snapStart",
        "description",
        "durableConfig",
        "capacityProviderConfig",
        "tenancyConfig",
    ];
    if row.base_name != "UpdateFunctionConfiguration" {
        return String::new();
    }
    let named: Vec<_> = SETTINGS
        .into_iter()
        .filter(|field| record.request(field).is_some())
        .collect();
    match named.is_empty() {
        true => String::new(),
        false => format!("; this one names {}", named.join(", ")),
    }
}

fn described(part: &Target) -> String {
    format!(
        "{} {}",
        part.kind.as_str().replace('-', " "),
        shown(&part.name)
    )
}

/// Names were written by whoever made the call: cut and escaped before they are shown.
fn shown(text: &str) -> String {
    text.chars()
        .take(120)
        .collect::<String>()
        .escape_debug()
        .to_string()
}
