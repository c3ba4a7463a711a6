//! Reads a snapshot out of the documents that coldcase's collectors make of what Cloudflare answers about
//! a Worker.

mod addresses;
mod essence;
mod observability;
mod releases;
mod settings;
#[cfg(test)]
mod tests;

pub(crate) use essence::settled;
pub(crate) use releases::main_module;

use crate::mark::MarkKey;
use crate::model::Snapshot;
use crate::papers::{Asked, Found, Papers};
use crate::piece::Piece;
use crate::reading::Reading;
use serde_json::Value;

/// What the provider calls what runs a Worker's code.
pub(crate) const RUNTIME: &str = "workers";

const SETTINGS: &str = "GET /accounts/{account_id}/workers/scripts/{script_name}/settings";
const SCRIPT_SETTINGS: &str =
    "GET /accounts/{account_id}/workers/scripts/{script_name}/script-settings";
const SECRETS: &str = "GET /accounts/{account_id}/workers/scripts/{script_name}/secrets";
const VERSIONS: &str = "GET /accounts/{account_id}/workers/scripts/{script_name}/versions";
const VERSION: &str =
    "GET /accounts/{account_id}/workers/scripts/{script_name}/versions/{version_id}";
const DEPLOYMENTS: &str = "GET /accounts/{account_id}/workers/scripts/{script_name}/deployments";
const SCHEDULES: &str = "GET /accounts/{account_id}/workers/scripts/{script_name}/schedules";
const SUBDOMAIN: &str = "GET /accounts/{account_id}/workers/scripts/{script_name}/subdomain";
const OF_ACCOUNT: &str = "GET /accounts/{account_id}/workers/subdomain";
const DOMAINS: &str = "GET /accounts/{account_id}/workers/domains";
const ZONES: &str = "GET /zones";
const ROUTES: &str = "GET /zones/{zone_id}/workers/routes";
const TAILS: &str = "GET /accounts/{account_id}/workers/scripts/{script_name}/tails";

/// A Worker has no layers, no role, no concurrency of its own: those parts are none.
pub(crate) fn read(pieces: &[Piece], key: &MarkKey) -> Snapshot {
    let papers = Papers(pieces);
    let worker = papers
        .targets()
        .find_map(|target| Some((target, parts(target)?)));
    let name = worker.map(|(_, (_, name))| name);
    Snapshot {
        function: worker.map(|(target, _)| target.to_owned()),
        account: worker.map(|(_, (account, _))| account.to_owned()),
        settings: settings::settings(papers),
        environment: settings::environment(papers, key),
        code: releases::code(papers),
        versions: releases::versions(papers),
        aliases: releases::live(papers),
        urls: addresses::urls(papers, name),
        mappings: addresses::schedules(papers),
        tags: observability::tags(papers),
        log_group: observability::log_group(papers),
        ..Snapshot::without_parts()
    }
}

/// `cloudflare://ACCOUNT/SCRIPT` as its two names.
fn parts(target: &str) -> Option<(&str, &str)> {
    target.strip_prefix("cloudflare://")?.split_once('/')
}

/// What the first reply of a call has as its result; none if Cloudflare says that there is none. Every
/// reply is an envelope, `{"result", "success", "errors", "messages"}`.
fn result<'a>(papers: Papers<'a>, asked: Asked<'_>, call: &str) -> Reading<Option<Found<'a>>> {
    match papers.reply(asked, call) {
        Reading::Known(Some(found)) => match within(found) {
            Some(found) => Reading::Known(Some(found)),
            None => Reading::unknown("the reply has no result"),
        },
        other => other.map(|_| None),
    }
}

/// The result in an envelope.
fn within((mut place, reply): Found<'_>) -> Option<Found<'_>> {
    let result = reply.get("result").filter(|result| !result.is_null())?;
    place.pointer.push_str("/result");
    Some((place, result))
}

/// The entries of a list below `pointer`, each with its place.
fn items<'a>((place, value): &Found<'a>, pointer: &str) -> Vec<Found<'a>> {
    let listed = value.pointer(pointer).and_then(Value::as_array);
    let listed = listed.into_iter().flatten().take(crate::papers::MOST);
    listed
        .enumerate()
        .map(|(index, item)| {
            let mut place = place.clone();
            place.pointer.push_str(&format!("{pointer}/{index}"));
            (place, item)
        })
        .collect()
}
