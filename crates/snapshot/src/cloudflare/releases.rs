//! The code of a Worker, its versions, and which of them answers what share of the requests.

use super::{DEPLOYMENTS, VERSIONS, items, result, within};
use crate::model::{Alias, Code, Version};
use crate::papers::{Asked, Found, Papers, missing, not_asked, notes, replies, text, whole};
use crate::reading::Reading;
use evidence::{ArtifactKind, Outcome, shown};
use serde_json::Value;
use std::collections::BTreeMap;

/// What a deployment is told under: there is one at a time.
const LIVE: &str = "live";

/// What the collector noted about the modules.
fn noted<'a>(papers: Papers<'a>, asked: Asked<'_>) -> Option<Found<'a>> {
    let mut notes = notes(papers.piece(asked)?);
    notes.find_map(|(name, place, value)| (name == "code").then_some((place, value)))
}

/// The module that is called first, of what runs or of a version; none if that is not known. A script of
/// the older kind is one module and names none.
pub(crate) fn main_module(papers: Papers<'_>, version: Option<&str>) -> Option<String> {
    let (_, code) = noted(papers, (ArtifactKind::FunctionCode, version))?;
    text(code, "/main_module").or_else(|| {
        let modules = code.get("modules")?.as_array()?;
        text(modules.first().filter(|_| modules.len() == 1)?, "/name")
    })
}

/// The version that answers most requests; none if nothing is deployed, or that is not known.
pub(super) fn live_version(papers: Papers<'_>) -> Option<String> {
    let live = live(papers);
    Some(live.value()?.get(LIVE)?.version.clone())
}

/// The code that answers most requests. What is answered as the script's content may be the newest upload,
/// deployed or not; a version's code is got by its id and never another.
pub(super) fn code(papers: Papers<'_>) -> Reading<Option<Code>> {
    let live = live_version(papers);
    let of_live = (ArtifactKind::FunctionCode, live.as_deref());
    let is_whole = papers
        .piece(of_live)
        .is_some_and(|piece| piece.result == Outcome::Acquired);
    if live.is_some() && is_whole && noted(papers, of_live).is_some() {
        return code_of(papers, of_live);
    }
    let content = code_of(papers, whole(ArtifactKind::FunctionCode));
    match (live, content) {
        (Some(live), Reading::Known(code))
            if newest(papers).is_some_and(|newest| newest != live) =>
        {
            Reading::Partly {
                value: code,
                why: format!(
                    "version {} is live and its code was not preserved; the script's content may be that \
                     of a newer version",
                    shown(&live, 64)
                ),
            }
        }
        (_, content) => content,
    }
}

/// The version that was uploaded last.
fn newest(papers: Papers<'_>) -> Option<String> {
    let piece = papers.piece(whole(ArtifactKind::Versions))?;
    let page = replies(piece, VERSIONS).find_map(within)?;
    let (_, newest) = items(&page, "/items").into_iter().next()?;
    text(newest, "/id")
}

fn code_of<'a>(papers: Papers<'a>, asked: Asked<'_>) -> Reading<Option<Code>> {
    let Some(piece) = papers.piece(asked) else {
        return not_asked(asked);
    };
    let Some((place, noted)) = noted(papers, asked) else {
        return match &piece.result {
            Outcome::Acquired => Reading::unknown("what the modules are was not noted"),
            _ => missing(piece, None),
        };
    };
    let modules = noted.get("modules").and_then(Value::as_array);
    let sizes = modules
        .into_iter()
        .flatten()
        .map(|module| module.get("size_bytes").and_then(Value::as_u64));
    // The reply as it came has another boundary every time; equal modules make an equal archive.
    let code = Code {
        place,
        sha256: text(noted, "/modules_sha256").and_then(|digest| digest.parse().ok()),
        kept_sha256: piece.archive().map(|content| content.sha256),
        size_bytes: sizes.sum(),
        ..Code::default()
    };
    match piece.result.why() {
        Some(why) => Reading::Partly {
            value: Some(code),
            why: why.to_owned(),
        },
        None => Reading::Known(Some(code)),
    }
}

pub(super) fn versions(papers: Papers<'_>) -> Reading<BTreeMap<String, Version>> {
    let asked = whole(ArtifactKind::Versions);
    let Some(piece) = papers.piece(asked) else {
        return not_asked(asked);
    };
    let pages: Vec<Found<'_>> = replies(piece, VERSIONS).filter_map(within).collect();
    if pages.is_empty() {
        return match &piece.result {
            Outcome::Acquired => Reading::unknown("the reply has no result"),
            _ => missing(piece, BTreeMap::new()),
        };
    }
    let items = pages.iter().flat_map(|page| items(page, "/items"));
    let versions = items
        .filter_map(|(_, item)| {
            let id = text(item, "/id")?;
            let version = version(papers, &id, item);
            Some((id, version))
        })
        .collect();
    match piece.result.why().filter(|_| !is_absent(&piece.result)) {
        Some(why) => Reading::Partly {
            value: versions,
            why: why.to_owned(),
        },
        None => Reading::Known(versions),
    }
}

const fn is_absent(result: &Outcome) -> bool {
    matches!(result, Outcome::Absent { .. })
}

fn version(papers: Papers<'_>, id: &str, item: &Value) -> Version {
    let asked = (ArtifactKind::FunctionCode, Some(id));
    // What broke off has a digest of what came only.
    let is_whole = papers
        .piece(asked)
        .is_some_and(|piece| piece.result == Outcome::Acquired);
    let noted = noted(papers, asked).filter(|_| is_whole);
    let number = item.get("number").and_then(Value::as_f64);
    let told = [
        number.map(|number| format!("number {number}")),
        text(item, "/metadata/author_email").map(|author| format!("by {author}")),
        text(item, "/metadata/source").map(|source| format!("with {source}")),
        text(item, "/metadata/created_on").map(|at| format!("at {at}")),
    ];
    let told: Vec<String> = told.into_iter().flatten().collect();
    Version {
        sha256: noted.and_then(|(_, code)| text(code, "/modules_sha256")?.parse().ok()),
        description: (!told.is_empty()).then(|| told.join(" ")),
        handler: main_module(papers, Some(id)),
        ..Version::default()
    }
}

/// The deployment that answers, as an alias that shares its calls out.
pub(super) fn live(papers: Papers<'_>) -> Reading<BTreeMap<String, Alias>> {
    let found = result(papers, whole(ArtifactKind::Deployments), DEPLOYMENTS);
    found.map(|found| {
        // The first is the one that is live.
        let mut deployments = found.iter().flat_map(|found| items(found, "/deployments"));
        let live = deployments.next().and_then(|live| {
            let shares = items(&live, "/versions").into_iter();
            let mut shares: Vec<(f64, String)> = shares
                .filter_map(|(_, share)| {
                    let percentage = share.get("percentage").and_then(Value::as_f64);
                    Some((percentage.unwrap_or(100.0), text(share, "/version_id")?))
                })
                .collect();
            // Their order means nothing.
            shares.sort_by(|a, b| b.0.total_cmp(&a.0).then_with(|| a.1.cmp(&b.1)));
            let mut shares = shares.into_iter();
            let (_, version) = shares.next()?;
            let weights = shares.map(|(percentage, other)| (other, format!("{percentage} %")));
            Some(Alias {
                place: live.0,
                version,
                weights: weights.collect(),
                description: None,
            })
        });
        live.into_iter()
            .map(|live| (LIVE.to_owned(), live))
            .collect()
    })
}
