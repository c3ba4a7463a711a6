//! Where the script answers: on workers.dev, on domains of its own, on routes of the account's zones. A
//! new route puts it in front of somebody else's pages.

use super::{Artifact, Worker, list, text};
use crate::{Inquiry, Refusal};
use evidence::{ArtifactKind, shown};
use futures_util::FutureExt as _;

const SUBDOMAIN: &str = "GET /accounts/{account_id}/workers/scripts/{script_name}/subdomain";
const OF_ACCOUNT: &str = "GET /accounts/{account_id}/workers/subdomain";
const DOMAINS: &str = "GET /accounts/{account_id}/workers/domains";
const ZONES: &str = "GET /zones";
const ROUTES: &str = "GET /zones/{zone_id}/workers/routes";

pub(super) const ARTIFACT: Artifact = Artifact {
    kind: ArtifactKind::UrlConfig,
    permissions: &["Workers Scripts Read", "Workers Routes Read", "Zone Read"],
    operations: &[SUBDOMAIN, OF_ACCOUNT, DOMAINS, ZONES, ROUTES],
    collect: |worker, inquiry| collect(worker, inquiry).boxed(),
};

/// How many zones are asked for their routes. Each takes a request of the few that Cloudflare allows.
const MOST_ZONES: usize = 100;
const PER_PAGE: usize = 50;

async fn collect(worker: &Worker, inquiry: &mut Inquiry<'_>) {
    worker.ask(inquiry, SUBDOMAIN, &[]).await;
    let account = [("account_id", worker.target.account.as_str())];
    let call = worker.rest.call(OF_ACCOUNT, &account, &[], None);
    inquiry.ask_rest(OF_ACCOUNT, "the account", call).await;
    // An account that never used workers.dev has no subdomain.
    if inquiry.is_absent() {
        inquiry.take_back();
    }
    let service = [("service", worker.target.name.clone())];
    let call = worker.rest.call(DOMAINS, &account, &service, None);
    inquiry.ask_rest(DOMAINS, &worker.target.name, call).await;
    let mut zones = Vec::new();
    for page in 1..=MOST_ZONES / PER_PAGE {
        let query = [
            ("account.id", worker.target.account.clone()),
            ("page", page.to_string()),
            ("per_page", PER_PAGE.to_string()),
        ];
        let call = worker.rest.call(ZONES, &[], &query, None);
        let Some(reply) = inquiry.ask_rest(ZONES, "the account", call).await else {
            break;
        };
        let found = list(&reply, "/result");
        zones.extend(found.iter().filter_map(|zone| {
            Some((
                text(zone, "/id")?.to_owned(),
                shown(text(zone, "/name").unwrap_or_default(), 253),
            ))
        }));
        let total = reply.pointer("/result_info/total_count");
        let total = total
            .and_then(serde_json::Value::as_u64)
            .unwrap_or_default();
        if total > MOST_ZONES as u64 && page == 1 {
            inquiry.refuse(Refusal::Failed(format!(
                "the account has {total} zones, and only {MOST_ZONES} are asked for their routes: \
                 Cloudflare refuses more than 1,200 requests in five minutes"
            )));
        }
        if found.len() < PER_PAGE {
            break;
        }
    }
    for (id, name) in zones {
        let path = [("zone_id", id.as_str())];
        let call = worker.rest.call(ROUTES, &path, &[], None);
        inquiry.ask_rest(ROUTES, &name, call).await;
    }
}

#[cfg(test)]
mod tests {
    use crate::cloudflare::canned::{collect, outcomes_when_refused, script};
    use evidence::ArtifactKind;

    const NONE: &str = r#"{"success":true,"errors":[],"messages":[],"result":[]}"#;
    const SUBDOMAIN: &str = r#"{"success":true,"errors":[],"messages":[],"result":{"enabled":true,"previews_enabled":false,"subdomain":"example"}}"#;
    const ZONES: &str = r#"{"success":true,"errors":[],"messages":[],"result":[{"id":"z1","name":"example.com"},{"id":"z2","name":"example.org"}],"result_info":{"total_count":2}}"#;

    #[tokio::test(start_paused = true)]
    async fn the_routes_of_every_zone_are_asked_for() {
        let routes = r#"{"success":true,"errors":[],"messages":[],"result":[{"id":"r1","pattern":"example.com/*","script":"billing-api"}]}"#;
        let script = script(&[
            ("GET /zones/z1/workers/routes", 200, routes),
            ("GET /zones/z2/workers/routes", 200, NONE),
            ("GET /zones?", 200, ZONES),
            ("GET /domains service=billing-api", 200, NONE),
            ("GET /subdomain", 200, SUBDOMAIN),
        ]);
        let collected = collect(ArtifactKind::UrlConfig, None, script).await;
        insta::assert_json_snapshot!(collected.told());
    }

    #[tokio::test(start_paused = true)]
    async fn a_zone_that_may_not_be_looked_at_is_named() {
        let denied = r#"{"success":false,"errors":[{"code":10000,"message":"Authentication error"}],"messages":[],"result":null}"#;
        let script = script(&[
            ("GET /zones/z1/workers/routes", 200, NONE),
            ("GET /zones/z2/workers/routes", 403, denied),
            ("GET /zones?", 200, ZONES),
            ("GET /domains", 200, NONE),
            ("GET /subdomain", 200, SUBDOMAIN),
        ]);
        let collected = collect(ArtifactKind::UrlConfig, None, script).await;
        assert_eq!(collected.outcome().0, "denied");
        assert!(
            collected.outcome().1.contains("example.org"),
            "{:?}",
            collected.outcome()
        );
    }

    #[tokio::test(start_paused = true)]
    async fn more_zones_than_are_asked_are_told() {
        let many = r#"{"success":true,"errors":[],"messages":[],"result":[{"id":"z1","name":"example.com"}],"result_info":{"total_count":101}}"#;
        let script = script(&[
            ("GET /workers/routes", 200, NONE),
            ("GET /zones?", 200, many),
            ("GET /domains", 200, NONE),
            ("GET /subdomain", 200, SUBDOMAIN),
        ]);
        let collected = collect(ArtifactKind::UrlConfig, None, script).await;
        assert_eq!(collected.outcome().0, "partial");
        assert!(collected.outcome().1.contains("101 zones"));
    }

    #[tokio::test(start_paused = true)]
    async fn no_answer_is_told_apart_from_none() {
        let outcomes = outcomes_when_refused(ArtifactKind::UrlConfig, None).await;
        assert_eq!(outcomes, ["absent", "denied", "failed"]);
    }
}
