//! A Worker's documents without what changes by itself, so that two readings of a Worker that nobody
//! touched are equal.

use super::{ROUTES, TAILS, ZONES, parts};
use serde_json::{Map, Value};

/// Fields that are new in every reading, or that Cloudflare changes by itself.
///
/// The digest of a reply is of the bytes as they came, what was taken out of them included; `messages`
/// and `result_info` are about the reply; how long a start took is measured; placement is analysed again
/// and again. Source: the types of Cloudflare's SDK.
const UNSETTLED: [&str; 9] = [
    "errors",
    "last_analyzed_at",
    "messages",
    "modified_on",
    "received_at",
    "reply_bytes",
    "reply_sha256",
    "result_info",
    "startup_time_ms",
];

/// What turning tracing on sets of `observability`, and of its `logs` and `traces`.
const TRACED: [&str; 2] = ["enabled", "head_sampling_rate"];
const TRACED_BELOW: [&str; 2] = ["enabled", "invocation_logs"];

/// A document without what changes by itself; `is_apart_from_tracing`: and without what coldcase sets when
/// it turns tracing on.
pub(crate) fn settled(document: Value, is_apart_from_tracing: bool) -> Value {
    let target = document.get("target").and_then(Value::as_str);
    let script = target.and_then(parts).map(|(_, script)| script.to_owned());
    let Value::Object(mut fields) = document else {
        return document;
    };
    fields.remove("target");
    if let Some(Value::Array(entries)) = fields.get_mut("replies") {
        // Who listens at this moment is nothing that the Worker is.
        entries.retain(|entry| call_of(entry) != Some(TAILS));
        for entry in entries.iter_mut() {
            if entry.get("note").and_then(Value::as_str) == Some("code") {
                apart_from_the_boundary(entry);
            }
            let call = call_of(entry).map(str::to_owned);
            let result = entry.pointer_mut("/reply/result");
            if let (Some(call), Some(Value::Array(listed))) = (call, result) {
                only_own(&call, listed, script.as_deref());
            }
        }
    }
    of(Value::Object(fields), is_apart_from_tracing)
}

fn call_of(entry: &Value) -> Option<&str> {
    entry.get("call")?.as_str()
}

/// The boundary of a reply is a new one every time, and as long as it is, so far in its modules begin.
fn apart_from_the_boundary(entry: &mut Value) {
    let code = entry.get_mut("value").and_then(Value::as_object_mut);
    let Some(code) = code else {
        return;
    };
    code.remove("content_type");
    let modules = code.get_mut("modules").and_then(Value::as_array_mut);
    for module in modules.into_iter().flatten() {
        if let Some(module) = module.as_object_mut() {
            module.remove("offset");
        }
    }
}

/// Zones have many settings and routes of many scripts, which others change.
fn only_own(call: &str, listed: &mut Vec<Value>, script: Option<&str>) {
    match call {
        ZONES => {
            for zone in listed.iter_mut().filter_map(Value::as_object_mut) {
                zone.retain(|field, _| ["id", "name"].contains(&field.as_str()));
            }
        }
        ROUTES => listed.retain(|route| route.get("script").and_then(Value::as_str) == script),
        _ => {}
    }
}

fn of(value: Value, is_apart_from_tracing: bool) -> Value {
    match value {
        Value::Object(fields) => {
            let is_placement = fields.contains_key("mode") || fields.contains_key("region");
            // Variables may have any name, and any JSON for a value.
            let is_binding = fields.contains_key("type") && fields.contains_key("name");
            let kept = fields.into_iter().filter(|(name, value)| {
                let is_settled =
                    !(UNSETTLED.contains(&name.as_str()) || is_placement && name == "status");
                is_binding || (is_settled && !value.is_null())
            });
            let kept = kept.map(|(name, value)| match name.as_str() {
                "json" if is_binding => (name, value),
                "observability" if is_apart_from_tracing => (name, apart_from_tracing(value)),
                // The first deployment is live; replies are in the order in which they were asked for.
                "deployments" | "replies" => (name, each(value, is_apart_from_tracing)),
                _ => (name, of(value, is_apart_from_tracing)),
            });
            Value::Object(kept.collect::<Map<_, _>>())
        }
        // The order of every other list means nothing.
        Value::Array(_) => match each(value, is_apart_from_tracing) {
            Value::Array(mut items) => {
                items.sort_by_cached_key(Value::to_string);
                Value::Array(items)
            }
            other => other,
        },
        plain => plain,
    }
}

fn apart_from_tracing(observability: Value) -> Value {
    let Value::Object(mut fields) = observability else {
        return observability;
    };
    for below in ["logs", "traces"] {
        if let Some(Value::Object(below)) = fields.get_mut(below) {
            below
                .retain(|field, value| !TRACED_BELOW.contains(&field.as_str()) && !value.is_null());
        }
    }
    fields.retain(|field, value| {
        let is_empty = value.as_object().is_some_and(Map::is_empty);
        !TRACED.contains(&field.as_str()) && !is_empty && !value.is_null()
    });
    of(Value::Object(fields), true)
}

/// The same of every item, in the order they have.
fn each(list: Value, is_apart_from_tracing: bool) -> Value {
    match list {
        Value::Array(items) => {
            let items = items.into_iter();
            items.map(|item| of(item, is_apart_from_tracing)).collect()
        }
        other => of(other, is_apart_from_tracing),
    }
}
