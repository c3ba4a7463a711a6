//! Rules, buckets and topics that the function's policy lets in: what they send, and to whom.

use super::xml;
use crate::mark::MarkKey;
use crate::model::Invoker;
use crate::papers::{Papers, as_text, entries, missing, text};
use crate::reading::Reading;
use evidence::ArtifactKind;
use serde_json::Value;
use std::collections::BTreeMap;

pub(super) fn invokers(
    papers: &Papers<'_>,
    key: &MarkKey,
) -> BTreeMap<String, Reading<Option<Invoker>>> {
    let selectors = papers.selectors(ArtifactKind::InvocationSources);
    let sources = selectors.into_iter().flatten();
    sources
        .filter_map(|arn| {
            let piece = papers.piece((ArtifactKind::InvocationSources, Some(arn)))?;
            let mut place = None;
            let mut facts = Vec::new();
            for (at, entry) in entries(piece) {
                if let (Some(call), Some(reply)) = (text(entry, "/call"), entry.get("reply")) {
                    place.get_or_insert(at);
                    facts.extend(said(&call, reply, key));
                }
            }
            facts.sort();
            facts.dedup();
            let invoker = match place {
                None => missing(piece, None),
                Some(place) => {
                    let invoker = Some(Invoker { place, facts });
                    match piece.result.why() {
                        Some(why) => Reading::Partly {
                            value: invoker,
                            why: why.to_owned(),
                        },
                        None => Reading::Known(invoker),
                    }
                }
            };
            Some((arn.to_owned(), invoker))
        })
        .collect()
}

/// What a reply says that somebody laid down. Counts of subscribers and tokens change by themselves;
/// what a rule hands over and where a topic sends to may hold secrets, and is marked.
fn said(call: &str, reply: &Value, key: &MarkKey) -> Vec<String> {
    let marked = |name: &str, value: &str| format!("{name}: marked {}", key.mark(name, value));
    let xml = reply.as_str().unwrap_or_default();
    match call {
        "events:DescribeRule" => ["State", "ScheduleExpression", "EventPattern", "RoleArn"]
            .into_iter()
            .filter_map(|name| Some(format!("{name}: {}", text(reply, &format!("/{name}"))?)))
            .collect(),
        "events:ListTargetsByRule" => {
            let targets = reply.get("Targets").and_then(Value::as_array);
            let targets = targets.into_iter().flatten().filter_map(Value::as_object);
            targets
                .map(|target| {
                    let mut fields: Vec<String> = target
                        .iter()
                        .map(|(name, value)| match name.as_str() {
                            "Id" | "Arn" | "RoleArn" => format!("{name}: {}", as_text(value)),
                            _ => marked(name, &as_text(value)),
                        })
                        .collect();
                    fields.sort();
                    format!("target {}", fields.join(", "))
                })
                .collect()
        }
        "s3:GetBucketNotification" => [
            "CloudFunctionConfiguration",
            "LambdaFunctionConfiguration",
            "QueueConfiguration",
            "TopicConfiguration",
            "EventBridgeConfiguration",
        ]
        .into_iter()
        .flat_map(|kind| xml::blocks(xml, kind).into_iter().map(move |b| (kind, b)))
        .map(|(kind, block)| {
            let mut leaves: Vec<String> = xml::leaves(block)
                .into_iter()
                .map(|(name, value)| format!("{name}: {value}"))
                .collect();
            leaves.sort();
            format!("{kind} {}", leaves.join(", "))
        })
        .collect(),
        "sns:GetTopicAttributes" => xml::blocks(xml, "entry")
            .into_iter()
            .filter_map(|entry| Some((xml::text(entry, "key")?, xml::text(entry, "value")?)))
            .filter(|(name, _)| ["Policy", "Owner", "KmsMasterKeyId"].contains(&name.as_str()))
            .map(
                |(name, value)| match serde_json::from_str::<Value>(&value) {
                    Ok(json) => format!("{name}: {}", as_text(&json)),
                    Err(_) => format!("{name}: {value}"),
                },
            )
            .collect(),
        "sns:ListSubscriptionsByTopic" => xml::blocks(xml, "member")
            .into_iter()
            .map(|member| {
                let mut fields: Vec<String> = xml::leaves(member)
                    .into_iter()
                    .filter(|(name, _)| name != "TopicArn")
                    .map(|(name, value)| match name.as_str() {
                        "Endpoint" if !value.starts_with("arn:") => marked(&name, &value),
                        _ => format!("{name}: {value}"),
                    })
                    .collect();
                fields.sort();
                format!("subscription {}", fields.join(", "))
            })
            .collect(),
        _ => Vec::new(),
    }
}
