//! Reads a snapshot out of the documents that coldcase's collectors make of what AWS answers.

mod access;
mod invokers;
mod role;
mod settings;
mod xml;

use crate::mark::MarkKey;
use crate::model::Snapshot;
use crate::papers::Papers;
use crate::piece::Piece;

pub(crate) fn read(pieces: &[Piece], key: &MarkKey) -> Snapshot {
    let papers = Papers(pieces);
    let function = function(papers);
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
        behind: None,
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

/// The function's ARN without a qualifier.
fn function(papers: Papers<'_>) -> Option<String> {
    papers
        .targets()
        .find(|arn| arn.split(':').nth(2) == Some("lambda") && arn.contains(":function:"))
        .map(|arn| arn.split(':').take(7).collect::<Vec<_>>().join(":"))
}

#[cfg(test)]
mod tests;
