//! Where a Worker answers, and what calls it besides.

use super::{DOMAINS, OF_ACCOUNT, ROUTES, SCHEDULES, SUBDOMAIN, items, result, within};
use crate::model::{FunctionUrl, Mapping, Place};
use crate::papers::{Found, Papers, missing, not_asked, replies, text, whole};
use crate::reading::Reading;
use evidence::{ArtifactKind, Outcome};
use serde_json::Value;
use std::collections::BTreeMap;

/// Every address by its kind and name. Whether anything asks who calls is the code's business, and none
/// of these replies tells.
pub(super) fn urls(
    papers: Papers<'_>,
    name: Option<&str>,
) -> Reading<BTreeMap<String, FunctionUrl>> {
    let asked = whole(ArtifactKind::UrlConfig);
    let Some(piece) = papers.piece(asked) else {
        return not_asked(asked);
    };
    let results = |call| replies(piece, call).filter_map(within);
    let mut urls = BTreeMap::new();
    let mut add = |key: String, place: Place, url: Option<String>| {
        let url = FunctionUrl {
            place,
            url,
            ..FunctionUrl::default()
        };
        urls.insert(key, url);
    };
    let mut was_answered = false;
    let subdomain = results(OF_ACCOUNT).find_map(|(_, account)| text(account, "/subdomain"));
    for (place, on) in results(SUBDOMAIN) {
        was_answered = true;
        let is_on = |field: &str| on.get(field).and_then(Value::as_bool) == Some(true);
        let below = |field: &str| Place {
            pointer: format!("{}/{field}", place.pointer),
            ..place.clone()
        };
        if is_on("enabled") {
            let url = name.zip(subdomain.as_deref());
            let url = url.map(|(name, of)| format!("https://{name}.{of}.workers.dev"));
            add("workers.dev".to_owned(), below("enabled"), url);
        }
        if is_on("previews_enabled") {
            let place = below("previews_enabled");
            add("previews on workers.dev".to_owned(), place, None);
        }
    }
    for found in results(DOMAINS) {
        was_answered = true;
        for (place, domain) in items(&found, "") {
            if let Some(host) = text(domain, "/hostname") {
                add(format!("custom domain {host}"), place, None);
            }
        }
    }
    for found in results(ROUTES) {
        was_answered = true;
        for (place, route) in items(&found, "") {
            // A zone has the routes of all its scripts.
            let is_own = name.is_some() && route.get("script").and_then(Value::as_str) == name;
            if let Some(pattern) = text(route, "/pattern").filter(|_| is_own) {
                add(format!("route {pattern}"), place, None);
            }
        }
    }
    match &piece.result {
        Outcome::Acquired if was_answered => Reading::Known(urls),
        Outcome::Acquired => Reading::unknown("the replies have no result"),
        Outcome::Partial { why } | Outcome::Denied { why } | Outcome::Failed { why }
            if was_answered =>
        {
            Reading::Partly {
                value: urls,
                why: why.clone(),
            }
        }
        _ => missing(piece, BTreeMap::new()),
    }
}

/// The cron schedules. Nothing is said of a Worker whose schedules were not asked for.
pub(super) fn schedules(
    papers: Papers<'_>,
) -> BTreeMap<String, Reading<BTreeMap<String, Mapping>>> {
    let asked = whole(ArtifactKind::EventSourceMappings);
    if papers.piece(asked).is_none() {
        return BTreeMap::new();
    }
    let found = result(papers, asked, SCHEDULES);
    let schedules = found.map(|found| {
        let found: Vec<Found<'_>> = found.into_iter().collect();
        let all = found.iter().flat_map(|found| items(found, "/schedules"));
        all.filter_map(|(place, schedule)| {
            let mapping = Mapping {
                place,
                source: Some("cron".to_owned()),
                ..Mapping::default()
            };
            Some((text(schedule, "/cron")?, mapping))
        })
        .collect()
    });
    BTreeMap::from([(String::new(), schedules)])
}
