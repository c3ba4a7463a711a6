//! What a Worker is set to, and what it may use: a Worker has no role, its bindings are its rights.

use super::{RUNTIME, SECRETS, SETTINGS, VERSION, items, observability, releases, result};
use crate::mark::MarkKey;
use crate::model::{Binding, Place, Settings, Variable};
use crate::papers::{Found, Papers, as_text, text, whole};
use crate::reading::Reading;
use evidence::{ArtifactKind, names_what_is_bound};
use serde_json::Value;
use std::collections::BTreeMap;

/// Fields of the settings that are read elsewhere, or that every new version has others of.
const NOT_SETTINGS: [&str; 11] = [
    "annotations",
    "bindings",
    "created_on",
    "etag",
    "exports_reconciliation",
    "logpush",
    "modified_on",
    "observability",
    "startup_time_ms",
    "tags",
    "tail_consumers",
];

/// Fields of `placement` that tell what Cloudflare found out by itself.
pub(super) const FOUND_OUT: [&str; 2] = ["last_analyzed_at", "status"];

/// What a version settles for itself: an upload that is not deployed may be set to something else.
const OF_A_VERSION: [&str; 4] = [
    "compatibility_date",
    "compatibility_flags",
    "limits",
    "usage_model",
];

/// What the version was made of that answers most requests; none if that is not known.
fn live<'a>(papers: Papers<'a>) -> Option<Found<'a>> {
    let version = releases::live_version(papers)?;
    let found = result(papers, (ArtifactKind::Versions, Some(&version)), VERSION);
    let (mut place, found) = found.value()?.clone()?;
    place.pointer.push_str("/resources");
    Some((place, found.get("resources")?))
}

pub(super) fn settings(papers: Papers<'_>) -> Reading<Option<Settings>> {
    let found = result(papers, whole(ArtifactKind::Configuration), SETTINGS);
    found.map(|found| {
        let (place, settings) = found?;
        let mut fields = settings.as_object().cloned().unwrap_or_default();
        let live = live(papers).and_then(|(_, live)| live.get("script_runtime")?.as_object());
        let of_live = live.into_iter().flatten();
        fields.extend(
            of_live
                .filter(|(name, _)| OF_A_VERSION.contains(&name.as_str()))
                .map(|(name, value)| (name.clone(), value.clone())),
        );
        Some(Settings {
            place,
            runtime: Some(RUNTIME.to_owned()),
            handler: releases::live_version(papers)
                .and_then(|live| releases::main_module(papers, Some(&live)))
                .or_else(|| releases::main_module(papers, None)),
            tracing: observability::tracing(papers),
            other: fields
                .iter()
                .filter(|(name, _)| !NOT_SETTINGS.contains(&name.as_str()))
                .map(|(name, value)| (name.clone(), told(name, value)))
                .filter(|(_, value)| !["", "null", "{}", "[]"].contains(&value.as_str()))
                .collect(),
            ..Settings::default()
        })
    })
}

fn told(name: &str, value: &Value) -> String {
    match (name, value) {
        ("compatibility_flags", Value::Array(flags)) => {
            let mut flags: Vec<String> = flags.iter().map(as_text).collect();
            flags.sort();
            flags.dedup();
            flags.join(", ")
        }
        ("placement", Value::Object(fields)) => {
            let mut fields = fields.clone();
            fields.retain(|name, _| !FOUND_OUT.contains(&name.as_str()));
            as_text(&Value::Object(fields))
        }
        _ => as_text(value),
    }
}

/// The only place where values of a Worker's variables are touched.
///
/// Secrets are among the bindings and in a list of their own; that list is what is left to know of them
/// where the settings were refused.
pub(super) fn environment(
    papers: Papers<'_>,
    key: &MarkKey,
) -> Reading<BTreeMap<String, Variable>> {
    let settings = result(papers, whole(ArtifactKind::Configuration), SETTINGS);
    let mut all = BTreeMap::new();
    let secrets = result(papers, whole(ArtifactKind::Secrets), SECRETS);
    let bound = settings.value().and_then(Option::as_ref);
    for (found, list) in [
        (secrets.value().and_then(Option::as_ref), ""),
        (bound, "/bindings"),
    ] {
        for (place, binding) in found.into_iter().flat_map(|found| items(found, list)) {
            if let Some(name) = text(binding, "/name") {
                let variable = variable(place, binding, &name, key);
                all.insert(name, variable);
            }
        }
    }
    if let Some(live) = live(papers).filter(|(_, live)| live.get("bindings").is_some()) {
        as_live(&mut all, &live, key);
    }
    match settings {
        Reading::Known(Some(_)) => Reading::Known(all),
        Reading::Unknown { why } if !all.is_empty() => Reading::Partly { value: all, why },
        other => other.map(|_| BTreeMap::new()),
    }
}

/// Has it that what runs is bound to what its version was: the settings may be those of an upload that is
/// not deployed. Values are among the settings only; so a variable that has one stays if it is in both.
fn as_live(all: &mut BTreeMap<String, Variable>, live: &Found<'_>, key: &MarkKey) {
    let bound: BTreeMap<String, Found<'_>> = items(live, "/bindings")
        .into_iter()
        .filter_map(|(place, binding)| Some((text(binding, "/name")?, (place, binding))))
        .collect();
    // Secrets are set beside the versions as well.
    let is_secret = |it: &Variable| {
        let binding = it.binding.as_ref();
        binding.is_some_and(|binding| binding.kind.starts_with("secret_"))
    };
    all.retain(|name, variable| bound.contains_key(name) || is_secret(variable));
    for (name, (place, binding)) in bound {
        let kind = text(binding, "/type").unwrap_or_default();
        let has_value = ["plain_text", "json"].contains(&kind.as_str());
        let is_known = all.get(&name).is_some_and(|known| known.binding.is_none());
        if !(has_value && is_known) {
            let variable = variable(place, binding, &name, key);
            all.insert(name, variable);
        }
    }
}

fn variable(place: Place, binding: &Value, name: &str, key: &MarkKey) -> Variable {
    let kind = text(binding, "/type").unwrap_or_else(|| "of no type".to_owned());
    let value = match kind.as_str() {
        "plain_text" => binding.get("text"),
        "json" => binding.get("json"),
        _ => None,
    };
    if let Some(value) = value {
        return Variable {
            mark: key.mark(name, &as_text(value)),
            binding: None,
        };
    }
    let fields = binding.as_object().into_iter().flatten();
    let mut pairs: Vec<String> = fields
        .filter(|(field, _)| !["name", "type"].contains(&field.as_str()))
        .filter(|(_, value)| !value.is_null())
        .filter(|(field, _)| names_what_is_bound(field))
        .map(|(field, value)| format!("{field} {}", as_text(value)))
        .collect();
    pairs.sort();
    let points_at = (!pairs.is_empty()).then(|| pairs.join(", "));
    let known = format!("{kind}\n{}", points_at.as_deref().unwrap_or_default());
    Variable {
        mark: key.mark(name, &known),
        binding: Some(Binding {
            place,
            kind,
            points_at,
        }),
    }
}
