//! The execution role, out of IAM's XML and the documents that the collector decoded.

use super::xml;
use crate::model::{Place, Role};
use crate::papers::{Papers, entries, missing, not_asked, notes, replies, text};
use crate::piece::Piece;
use crate::policy::Policy;
use crate::reading::Reading;
use evidence::{ArtifactKind, Outcome};
use percent_encoding::percent_decode_str;
use serde_json::Value;
use std::collections::BTreeMap;

pub(super) fn role(papers: &Papers<'_>, arn: Option<&str>) -> Reading<Option<Role>> {
    let Some(arn) = arn else {
        return Reading::unknown("the settings name no role that could be read");
    };
    let asked = (ArtifactKind::ExecutionRole, Some(arn));
    let Some(piece) = papers.piece(asked) else {
        return not_asked(asked);
    };
    // A role that is gone is absent as a whole; of one that could be read in part, each part speaks
    // for itself.
    if replies(piece, "iam:GetRole").next().is_none()
        && matches!(piece.result, Outcome::Absent { .. })
    {
        return missing(piece, None);
    }
    if entries(piece).next().is_none() {
        return missing(piece, None);
    }
    let why = piece.result.why().unwrap_or("IAM did not answer");
    let get_role = all(piece, "iam:GetRole").into_iter().next();
    let (place, role_xml) = get_role.unzip();
    let boundary = match role_xml {
        Some(xml) => Reading::Known(xml::text(xml, "PermissionsBoundaryArn")),
        None => Reading::unknown(why),
    };
    let boundary_policy = match &boundary {
        Reading::Known(None) => Reading::Known(None),
        Reading::Known(Some(arn)) => managed(piece, arn, why).map(Some),
        _ => Reading::unknown(why),
    };
    Reading::Known(Some(Role {
        place: place.unwrap_or_default(),
        arn: arn.to_owned(),
        trust: trust(piece, role_xml, why),
        inline: inline(piece, why),
        attached: attached(piece, why),
        boundary,
        boundary_policy,
        tags: tags(piece, why),
    }))
}

/// The replies of a call as XML.
fn all<'a>(piece: &'a Piece, call: &str) -> Vec<(Place, &'a str)> {
    let replies = replies(piece, call);
    replies
        .filter_map(|(place, reply)| Some((place, reply.as_str()?)))
        .collect()
}

fn trust(piece: &Piece, role_xml: Option<&str>, why: &str) -> Reading<Policy> {
    if let Some(policy) = noted(piece, "trust policy") {
        return policy;
    }
    match role_xml {
        Some(xml) => {
            let encoded = xml::text(xml, "AssumeRolePolicyDocument").unwrap_or_default();
            decoded(&encoded, &Place::default())
        }
        None => Reading::unknown(why),
    }
}

/// A document that the collector decoded and noted.
fn noted(piece: &Piece, name: &str) -> Option<Reading<Policy>> {
    let (_, place, value) = notes(piece).find(|(noted, _, _)| *noted == name)?;
    Some(match Policy::read(value, &place) {
        Some(policy) => Reading::Known(policy),
        None => match value.as_str() {
            Some(text) => decoded(text, &place),
            None => Reading::unknown("the policy is not JSON"),
        },
    })
}

/// A document as IAM sends it: JSON, URL-encoded.
fn decoded(encoded: &str, place: &Place) -> Reading<Policy> {
    let text = percent_decode_str(encoded).decode_utf8_lossy();
    match Policy::read(&Value::from(text), place) {
        Some(policy) => Reading::Known(policy),
        None => Reading::unknown("the policy is not JSON"),
    }
}

/// A list that IAM tells page by page: its entries, and whether its last page was read.
fn listed(piece: &Piece, call: &str, tag: &str, block: &str, why: &str) -> Reading<Vec<String>> {
    let pages = all(piece, call);
    let Some((_, last)) = pages.last() else {
        return Reading::unknown(why);
    };
    let goes_on = xml::text(last, "IsTruncated").is_some_and(|text| text == "true");
    let value = pages
        .iter()
        .flat_map(|(_, page)| xml::blocks(page, block))
        .flat_map(|block| xml::texts(block, tag))
        .collect();
    match goes_on {
        false => Reading::Known(value),
        true => Reading::Partly {
            value,
            why: why.to_owned(),
        },
    }
}

fn inline(piece: &Piece, why: &str) -> Reading<BTreeMap<String, Reading<Policy>>> {
    let names = listed(piece, "iam:ListRolePolicies", "member", "PolicyNames", why);
    names.map(|names| {
        let names = names.into_iter();
        names
            .map(|name| {
                let policy = noted(piece, &format!("inline policy {name}"));
                let policy = policy.unwrap_or_else(|| Reading::unknown(why));
                (name, policy)
            })
            .collect()
    })
}

fn attached(piece: &Piece, why: &str) -> Reading<BTreeMap<String, Reading<Policy>>> {
    let arns = listed(
        piece,
        "iam:ListAttachedRolePolicies",
        "PolicyArn",
        "AttachedPolicies",
        why,
    );
    arns.map(|arns| {
        let arns = arns.into_iter();
        arns.map(|arn| {
            let policy = managed(piece, &arn, why);
            (arn, policy)
        })
        .collect()
    })
}

/// The document of a managed policy that is in force.
fn managed(piece: &Piece, arn: &str, why: &str) -> Reading<Policy> {
    match in_force(piece, arn) {
        Some(version) => noted(piece, &format!("policy {arn} {version}"))
            .unwrap_or_else(|| Reading::unknown(why)),
        None => Reading::unknown(why),
    }
}

fn in_force(piece: &Piece, arn: &str) -> Option<String> {
    let of = |call: &str| {
        let calls = entries(piece).filter(|(_, entry)| {
            text(entry, "/call").as_deref() == Some(call)
                && text(entry, "/about").as_deref() == Some(arn)
        });
        let replies = calls.filter_map(|(_, entry)| entry.get("reply")?.as_str());
        replies.collect::<Vec<_>>()
    };
    let told = of("iam:GetPolicy").into_iter();
    let told = told
        .filter_map(|xml| xml::text(xml, "DefaultVersionId"))
        .next();
    told.or_else(|| {
        of("iam:ListPolicyVersions")
            .into_iter()
            .flat_map(|xml| xml::blocks(xml, "member"))
            .find(|member| xml::text(member, "IsDefaultVersion").as_deref() == Some("true"))
            .and_then(|member| xml::text(member, "VersionId"))
    })
}

fn tags(piece: &Piece, why: &str) -> Reading<BTreeMap<String, String>> {
    let pages = all(piece, "iam:ListRoleTags");
    if pages.is_empty() {
        return Reading::unknown(why);
    }
    let members = pages
        .iter()
        .flat_map(|(_, page)| xml::blocks(page, "member"));
    Reading::Known(
        members
            .filter_map(|member| {
                let value = xml::text(member, "Value").unwrap_or_default();
                Some((xml::text(member, "Key")?, value))
            })
            .collect(),
    )
}
