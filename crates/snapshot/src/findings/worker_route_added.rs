//! A Worker that answers where it did not: in front of somebody's pages, or for everybody.

use super::{Look, Noticed, Rule, proof};
use evidence::{Confidence, Severity};

pub(super) const RULE: Rule = Rule {
    id: "worker-route-added",
    technique: "T1557",
    advice: "Ask who added the address; on a route or domain of a site the Worker reads and rewrites everything that its visitors send and get.",
    look,
};

fn look(look: &Look<'_>) -> Vec<Noticed> {
    let before = look.before.map(|before| &before.urls);
    // What is missing in a list that broke off may have been there.
    let before = before.filter(|before| before.is_whole());
    let (Some(before), Some(now)) = (before.and_then(|urls| urls.value()), look.now.urls.value())
    else {
        return Vec::new();
    };
    let added = now.iter().filter(|(name, _)| !before.contains_key(*name));
    // Function URLs have a rule of their own.
    let added = added.filter(|_| look.now.is_worker());
    added
        .map(|(name, url)| {
            let at = match &url.url {
                Some(url) => format!("{name} ({url})"),
                None => name.clone(),
            };
            Noticed {
                statement: format!("The Worker answers on {at} since it was recorded"),
                severity: Severity::Medium,
                confidence: Confidence::High,
                proof: proof(&url.place, "", Some(name)),
            }
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use crate::canned::{Pieces, ordinary, worker};
    use crate::findings::tests::found;
    use evidence::{ArtifactKind, Outcome, Severity};
    use serde_json::json;

    const RULE: &str = "worker-route-added";

    fn routed(pattern: &str, script: &str) -> Pieces {
        worker().routed(json!([
            {"id": "r1", "pattern": "billing.example.com/*", "script": "billing-api"},
            {"id": "r2", "pattern": pattern, "script": script},
        ]))
    }

    #[test]
    fn another_route_a_domain_or_workers_dev_is_medium() {
        let domain = worker().resulted(
            ArtifactKind::UrlConfig,
            "GET /accounts/{account_id}/workers/domains",
            json!([{"id": "d1", "hostname": "pay.example.com", "service": "billing-api"}]),
        );
        let dev = worker().resulted(
            ArtifactKind::UrlConfig,
            "GET /accounts/{account_id}/workers/scripts/{script_name}/subdomain",
            json!({"enabled": true, "previews_enabled": false}),
        );
        for now in [routed("shop.example.com/*", "billing-api"), domain, dev] {
            assert_eq!(found(RULE, &now, Some(&worker())), [Severity::Medium]);
            assert_eq!(found(RULE, &now, Some(&now)), []);
            assert_eq!(found(RULE, &now, None), []);
            assert_eq!(found(RULE, &worker(), Some(&now)), []);
        }
    }

    #[test]
    fn a_route_of_another_script_is_nothing() {
        let now = routed("shop.example.com/*", "shop");
        assert_eq!(found(RULE, &now, Some(&worker())), []);
    }

    #[test]
    fn nothing_is_new_where_not_all_was_read_before() {
        let mut was = worker();
        was.piece(ArtifactKind::UrlConfig, None).result = Outcome::Denied {
            why: "the routes of example.org: Authentication error".to_owned(),
        };
        let now = routed("shop.example.com/*", "billing-api");
        assert_eq!(found(RULE, &now, Some(&was)), []);
        assert_eq!(found(RULE, &ordinary(), Some(&ordinary())), []);
    }
}
