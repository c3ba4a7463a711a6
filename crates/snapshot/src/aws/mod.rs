//! Reads a snapshot out of the documents that coldcase's collectors make of what AWS answers.

mod access;
mod invokers;
mod papers;
mod role;
mod settings;
mod xml;

use crate::mark::MarkKey;
use crate::model::{Place, Snapshot};
use crate::piece::Piece;
use evidence::ArtifactKind;
use papers::Papers;
use serde_json::Value;

/// How many entries of a list are read.
const MOST: usize = 10_000;

pub(crate) fn read(pieces: &[Piece], key: &MarkKey) -> Snapshot {
    let papers = Papers(pieces);
    let function = papers.function();
    let account = function.as_deref().and_then(|arn| arn.split(':').nth(4));
    let name = function.as_deref().and_then(|arn| arn.rsplit(':').next());
    let settings = settings::settings(&papers, name);
    let present = settings.value().and_then(Option::as_ref);
    let role_arn = present.and_then(|settings| settings.role.clone());
    let group = present.and_then(|settings| settings.logging.get("LogGroup").cloned());
    Snapshot {
        account: account.map(str::to_owned),
        environment: settings::environment(&papers, key),
        code: settings::code(&papers),
        layers: settings::layers(&papers),
        layer_policies: settings::layer_policies(&papers),
        versions: settings::versions(&papers),
        aliases: access::aliases(&papers),
        policies: access::policies(&papers),
        urls: access::urls(&papers),
        mappings: access::mappings(&papers),
        async_calls: access::async_calls(&papers),
        concurrency: access::concurrency(&papers),
        provisioned: access::provisioned(&papers),
        signing: settings::signing(&papers),
        runtime_management: settings::runtime_management(&papers),
        recursion: settings::recursion(&papers),
        tags: settings::tags(&papers),
        invokers: invokers::invokers(&papers, key),
        role: role::role(&papers, role_arn.as_deref()),
        log_group: settings::log_group(&papers, group.as_deref()),
        settings,
        function,
    }
}

/// A text that says something.
fn text(value: &Value, pointer: &str) -> Option<String> {
    let text = value.pointer(pointer)?.as_str()?;
    (!text.is_empty()).then(|| text.to_owned())
}

/// A value as text: texts bare, the rest as JSON with its keys sorted. The order of lists is kept.
fn as_text(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        other => sorted(other).to_string(),
    }
}

fn sorted(value: &Value) -> Value {
    match value {
        Value::Object(fields) => {
            let mut fields: Vec<_> = fields.iter().map(|(k, v)| (k.clone(), sorted(v))).collect();
            fields.sort_by(|a, b| a.0.cmp(&b.0));
            Value::Object(fields.into_iter().collect())
        }
        Value::Array(items) => Value::Array(items.iter().map(sorted).collect()),
        other => other.clone(),
    }
}

/// The qualifier of an ARN `…:function:NAME:QUALIFIER`; `""` of the function itself.
fn qualifier(arn: &str) -> String {
    let qualifier = arn.split(':').nth(7).unwrap_or_default();
    match qualifier {
        "$LATEST" => String::new(),
        other => other.to_owned(),
    }
}

/// What came of one request to AWS.
type Found<'a> = (Place, &'a Value);

/// The only one of its kind.
const fn whole(artifact: ArtifactKind) -> (ArtifactKind, Option<&'static str>) {
    (artifact, None)
}

#[cfg(test)]
mod tests;
