//! What is written down of what a Worker does, and who else gets it.

use super::{SCRIPT_SETTINGS, SETTINGS, result};
use crate::model::LogGroup;
use crate::papers::{Found, Papers, as_text, text, whole};
use crate::reading::Reading;
use evidence::ArtifactKind;
use serde_json::Value;
use std::collections::BTreeMap;

/// What holds where Cloudflare says nothing. Source: the comments on `observability` in wrangler's
/// configuration, <https://developers.cloudflare.com/workers/observability/logs/workers-logs/>.
const DEFAULTS: [(&str, &str); 8] = [
    ("enabled", "off"),
    ("head_sampling_rate", "1"),
    ("logs.head_sampling_rate", "1"),
    ("logs.persist", "on"),
    ("traces.enabled", "off"),
    ("traces.head_sampling_rate", "1"),
    ("traces.persist", "on"),
    ("redact_query_string", "off"),
];

/// The settings of the script that no version has: they hold at once, for whatever runs. The settings of
/// the newest version repeat them.
fn found<'a>(papers: Papers<'a>) -> Reading<Option<Found<'a>>> {
    let own = result(papers, whole(ArtifactKind::Observability), SCRIPT_SETTINGS);
    if own.is_whole() {
        return own;
    }
    let repeated = result(papers, whole(ArtifactKind::Configuration), SETTINGS);
    let tells = |(_, settings): &Found<'_>| {
        ["observability", "logpush", "tail_consumers"]
            .iter()
            .any(|field| settings.get(field).is_some())
    };
    match repeated {
        Reading::Known(Some(found)) if tells(&found) => Reading::Known(Some(found)),
        _ => own,
    }
}

pub(super) fn log_group(papers: Papers<'_>) -> Reading<Option<LogGroup>> {
    found(papers).map(|found| {
        let (place, settings) = found?;
        Some(LogGroup {
            place,
            name: "Workers Logs".to_owned(),
            subscriptions: Some(receivers(settings)),
            other: recorded(settings),
            ..LogGroup::default()
        })
    })
}

/// `Active` or `PassThrough`, as of every function; none if it is not known.
pub(super) fn tracing(papers: Papers<'_>) -> Option<String> {
    let found = found(papers);
    let (_, settings) = found.value()?.as_ref()?;
    let recorded = recorded(settings);
    let is_on = |name: &str| recorded.get(name).is_some_and(|value| value == "on");
    let mode = match is_on("enabled") && is_on("traces.enabled") {
        true => "Active",
        false => "PassThrough",
    };
    Some(mode.to_owned())
}

pub(super) fn tags(papers: Papers<'_>) -> Reading<BTreeMap<String, String>> {
    let own = found(papers);
    let repeated = result(papers, whole(ArtifactKind::Configuration), SETTINGS);
    let tags = |found: Found<'_>| {
        let tags = found.1.get("tags")?.as_array()?.iter();
        let tags = tags.filter_map(Value::as_str);
        Some(tags.map(|tag| (tag.to_owned(), "set".to_owned())).collect())
    };
    match (own, repeated) {
        (Reading::Unknown { why }, Reading::Known(Some(repeated))) => match tags(repeated) {
            Some(tags) => Reading::Known(tags),
            None => Reading::unknown(why),
        },
        (own, _) => own.map(|found| found.and_then(tags).unwrap_or_default()),
    }
}

/// Every setting of `observability` but where to, by its path, with what holds by default.
fn recorded(settings: &Value) -> BTreeMap<String, String> {
    let mut recorded = BTreeMap::new();
    let observability = settings.get("observability").and_then(Value::as_object);
    for (name, value) in observability.into_iter().flatten() {
        match value {
            Value::Object(fields) => {
                for (field, value) in fields.iter().filter(|(field, _)| *field != "destinations") {
                    tell(&mut recorded, format!("{name}.{field}"), value);
                }
            }
            value => tell(&mut recorded, name.clone(), value),
        }
    }
    for (name, default) in DEFAULTS {
        let known = recorded.entry(name.to_owned());
        known.or_insert_with(|| default.to_owned());
    }
    // Logs are on with observability, and invocations are among them, unless they are turned off.
    for (name, follows) in [
        ("logs.enabled", "enabled"),
        ("logs.invocation_logs", "logs.enabled"),
    ] {
        if let Some(value) = recorded.get(follows).cloned() {
            recorded.entry(name.to_owned()).or_insert(value);
        }
    }
    recorded
}

fn tell(recorded: &mut BTreeMap<String, String>, name: String, value: &Value) {
    let told = match value {
        Value::Null => return,
        Value::Bool(true) => "on".to_owned(),
        Value::Bool(false) => "off".to_owned(),
        // 1 and 1.0 are one rate.
        Value::Number(number) => match number.as_f64() {
            Some(number) => number.to_string(),
            None => number.to_string(),
        },
        other => as_text(other),
    };
    recorded.insert(name, told);
}

/// Who else gets every request, header and line.
fn receivers(settings: &Value) -> BTreeMap<String, String> {
    let mut receivers = BTreeMap::new();
    let list = |pointer: &str| {
        let list = settings.pointer(pointer).and_then(Value::as_array);
        list.into_iter().flatten()
    };
    for consumer in list("/tail_consumers") {
        let Some(mut name) = text(consumer, "/service") else {
            continue;
        };
        for (field, of) in [("environment", "in"), ("namespace", "of the namespace")] {
            if let Some(value) = consumer.get(field).and_then(Value::as_str) {
                name.push_str(&format!(" {of} {value}"));
            }
        }
        receivers.insert(format!("tail consumer {name}"), "on".to_owned());
    }
    for (what, pointer) in [
        ("logs", "/observability/logs/destinations"),
        ("traces", "/observability/traces/destinations"),
    ] {
        for destination in list(pointer) {
            let name = format!("{what} to {}", as_text(destination));
            receivers.insert(name, "on".to_owned());
        }
    }
    if settings.get("logpush").and_then(Value::as_bool) == Some(true) {
        receivers.insert("logpush".to_owned(), "on".to_owned());
    }
    receivers
}
