//! The script's versions, newest first, and what one of them was made of. A version is made by every
//! upload and by every change of a binding; it says who made it, and by which tool.

use super::{Artifact, Worker, list, text};
use crate::inquiry::PAGES;
use crate::{Inquiry, Refusal};
use evidence::{ArtifactKind, Request, names_what_is_bound};
use futures_util::FutureExt as _;
use serde_json::Value;

const VERSIONS: &str = "GET /accounts/{account_id}/workers/scripts/{script_name}/versions";
const VERSION: &str =
    "GET /accounts/{account_id}/workers/scripts/{script_name}/versions/{version_id}";

pub(super) const ARTIFACT: Artifact = Artifact {
    kind: ArtifactKind::Versions,
    permissions: &["Workers Scripts Read"],
    operations: &[VERSIONS, VERSION],
    collect: |worker, inquiry| collect(worker, inquiry).boxed(),
};

/// How many versions one page has.
const PER_PAGE: usize = 100;

async fn collect(worker: &Worker, inquiry: &mut Inquiry<'_>) {
    match inquiry.request().selector.clone() {
        Some(version) => one(worker, inquiry, &version).await,
        None => all(worker, inquiry).await,
    }
}

async fn all(worker: &Worker, inquiry: &mut Inquiry<'_>) {
    let mut found = Vec::new();
    for page in 1..=PAGES {
        let query = [
            ("page", page.to_string()),
            ("per_page", PER_PAGE.to_string()),
        ];
        let Some(reply) = worker.ask(inquiry, VERSIONS, &query).await else {
            break;
        };
        withhold_values(inquiry);
        let items = list(&reply, "/result/items");
        found.extend(
            items
                .iter()
                .filter_map(|it| text(it, "/id").map(str::to_owned)),
        );
        // A page may have fewer than were asked for.
        let total = reply.pointer("/result_info/total_count");
        let is_last = match total.and_then(Value::as_u64) {
            Some(total) => found.len() as u64 >= total || items.is_empty(),
            None => items.len() < PER_PAGE,
        };
        if is_last {
            break;
        }
        if page == PAGES {
            inquiry.refuse(Refusal::Failed(format!(
                "more than {PAGES} pages of versions; the rest is not read"
            )));
        }
    }
    for version in found.iter().take(worker.versions) {
        inquiry.then(Request::one(ArtifactKind::FunctionCode, version));
    }
}

async fn one(worker: &Worker, inquiry: &mut Inquiry<'_>, version: &str) {
    let mut path = super::path(&worker.target).to_vec();
    path.push(("version_id", version));
    let call = worker.rest.call(VERSION, &path, &[], None);
    inquiry.ask_rest(VERSION, version, call).await;
    withhold_values(inquiry);
}

/// Takes the values of plain variables out of the last reply, wherever its bindings are: they belong to
/// the configuration's exhibit only.
pub(super) fn withhold_values(inquiry: &mut Inquiry<'_>) {
    match inquiry.last_reply_mut() {
        // Nested deeper than is read, it came as text: whoever can name a thing can do that.
        Some(Value::String(_)) => inquiry.withhold("", "values may be in it"),
        Some(reply) => withhold(reply),
        None => {}
    }
}

/// Takes the values of bindings out of a document: what a list of `bindings` has besides what names the
/// bound thing, and what of anything that is named and typed holds a value wherever it is found.
pub(super) fn withhold(value: &mut Value) {
    within(value, false, 0);
}

fn within(value: &mut Value, is_listed: bool, depth: usize) {
    // Replies are read to a depth of 128 at the most.
    if depth > 128 {
        return;
    }
    match value {
        Value::Array(items) => {
            for item in items {
                within(item, is_listed, depth + 1);
            }
        }
        Value::Object(fields) => {
            let is_typed = fields.contains_key("type") && fields.contains_key("name");
            for (name, field) in fields {
                let is_value = match is_listed {
                    true => !names_what_is_bound(name),
                    false => is_typed && VALUES.contains(&name.as_str()),
                };
                match is_value {
                    true => *field = WITHHELD.into(),
                    false => within(field, name == "bindings", depth + 1),
                }
            }
        }
        _ => {}
    }
}

/// What of a binding holds a value or a key.
const VALUES: [&str; 4] = ["text", "json", "key_base64", "key_jwk"];

const WITHHELD: &str = "withheld by coldcase: values are in the configuration exhibit";

#[cfg(test)]
mod tests {
    use crate::cloudflare::canned::{collect, outcomes_when_refused, script};
    use evidence::ArtifactKind;

    #[tokio::test(start_paused = true)]
    async fn the_newest_lead_to_their_code() {
        let page = r#"{"success":true,"errors":[],"messages":[],"result":{"items":[{"id":"v4","number":4,"metadata":{"author_email":"alice@example.com","source":"wrangler"}},{"id":"v3"},{"id":"v2"},{"id":"v1"}]}}"#;
        let script = script(&[("GET /versions page=1", 200, page)]);
        let collected = collect(ArtifactKind::Versions, None, script).await;
        insta::assert_json_snapshot!(collected.told());
    }

    #[tokio::test(start_paused = true)]
    async fn a_full_page_is_followed_by_the_next_and_an_empty_one_ends() {
        let items: Vec<String> = (0..100).map(|n| format!(r#"{{"id":"v{n}"}}"#)).collect();
        let items = items.join(",");
        let full = format!(
            r#"{{"success":true,"errors":[],"messages":[],"result":{{"items":[{items}]}}}}"#
        );
        let full: &'static str = Box::leak(full.into_boxed_str());
        let empty = r#"{"success":true,"errors":[],"messages":[],"result":{"items":[]}}"#;
        let script = script(&[
            ("GET /versions page=1&", 200, full),
            ("GET /versions page=2&", 200, empty),
        ]);
        let collected = collect(ArtifactKind::Versions, None, script).await;
        assert_eq!(collected.outcome(), ("acquired", ""));
        assert_eq!(collected.asked.len(), 2);
    }

    #[tokio::test(start_paused = true)]
    async fn a_short_page_is_not_the_last_while_more_are_announced() {
        let first = r#"{"success":true,"errors":[],"messages":[],"result":{"items":[{"id":"v2"}]},"result_info":{"total_count":2}}"#;
        let second = r#"{"success":true,"errors":[],"messages":[],"result":{"items":[{"id":"v1"}]},"result_info":{"total_count":2}}"#;
        let script = script(&[
            ("GET /versions page=1&", 200, first),
            ("GET /versions page=2&", 200, second),
        ]);
        let collected = collect(ArtifactKind::Versions, None, script).await;
        assert_eq!(collected.outcome(), ("acquired", ""));
        assert_eq!(collected.asked.len(), 2);
    }

    #[tokio::test(start_paused = true)]
    async fn what_a_binding_of_tomorrow_holds_is_taken_for_a_value() {
        let version = r#"{"success":true,"errors":[],"messages":[],"result":{"id":"v4","resources":{"bindings":[{"type":"vault","name":"V","passphrase":"marked-secret","store_id":"s1"}]}}}"#;
        let script = script(&[("GET /versions/v4", 200, version)]);
        let collected = collect(ArtifactKind::Versions, Some("v4"), script).await;
        assert!(collected.kept[0].contains("withheld by coldcase"));
        assert!(collected.kept[0].contains("s1"));
    }

    #[tokio::test(start_paused = true)]
    async fn a_version_is_kept_without_the_values_of_its_variables() {
        let version = r#"{"success":true,"errors":[],"messages":[],"result":{"id":"v4","resources":{"bindings":[{"type":"plain_text","name":"MODE","text":"marked-secret"},{"type":"json","name":"J","json":{"a":"marked-secret"}}],"script":{"etag":"e"}}}}"#;
        let script = script(&[("GET /versions/v4", 200, version)]);
        let collected = collect(ArtifactKind::Versions, Some("v4"), script).await;
        assert_eq!(collected.outcome(), ("acquired", ""));
        assert!(collected.kept[0].contains("withheld by coldcase"));
    }

    #[tokio::test(start_paused = true)]
    async fn no_answer_is_told_apart_from_none() {
        for selector in [None, Some("v4")] {
            let outcomes = outcomes_when_refused(ArtifactKind::Versions, selector).await;
            assert_eq!(outcomes, ["absent", "denied", "failed"]);
        }
    }
}
