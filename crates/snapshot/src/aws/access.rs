//! Who and what calls the function, under which name, how often, and where results go.

use super::qualifier;
use super::settings::read_policy;
use crate::model::{Alias, AsyncCalls, Concurrency, FunctionUrl, Mapping};
use crate::papers::{Papers, as_text, text, whole};
use crate::policy::Policy;
use crate::reading::Reading;
use evidence::ArtifactKind;
use serde_json::Value;
use std::collections::BTreeMap;

pub(super) fn aliases(papers: &Papers<'_>) -> Reading<BTreeMap<String, Alias>> {
    let listed = papers.list(
        whole(ArtifactKind::Aliases),
        "lambda:ListAliases",
        "Aliases",
        "NextMarker",
    );
    listed.map(|listed| {
        let listed = listed.into_iter();
        listed
            .filter_map(|(place, alias)| {
                let weights = alias.pointer("/RoutingConfig/AdditionalVersionWeights");
                let weights = weights.and_then(Value::as_object).into_iter().flatten();
                let facts = Alias {
                    place,
                    version: text(alias, "/FunctionVersion")?,
                    weights: weights
                        .map(|(version, weight)| (version.clone(), as_text(weight)))
                        .collect(),
                    description: text(alias, "/Description"),
                };
                Some((text(alias, "/Name")?, facts))
            })
            .collect()
    })
}

pub(super) fn policies(papers: &Papers<'_>) -> BTreeMap<String, Reading<Policy>> {
    let selectors = papers.selectors(ArtifactKind::ResourcePolicy).into_iter();
    selectors
        .map(|selector| {
            let asked = (ArtifactKind::ResourcePolicy, selector);
            let policy = match papers.reply(asked, "lambda:GetPolicy") {
                Reading::Known(Some((place, reply))) => read_policy(reply, &place),
                other => other.map(|_| Policy::default()),
            };
            (selector.unwrap_or_default().to_owned(), policy)
        })
        .collect()
}

pub(super) fn urls(papers: &Papers<'_>) -> Reading<BTreeMap<String, FunctionUrl>> {
    let listed = papers.list(
        whole(ArtifactKind::UrlConfig),
        "lambda:ListFunctionUrlConfigs",
        "FunctionUrlConfigs",
        "NextMarker",
    );
    listed.map(|listed| {
        let listed = listed.into_iter();
        listed
            .filter_map(|(place, url)| {
                let cors = url.get("Cors").and_then(Value::as_object);
                let facts = FunctionUrl {
                    place,
                    url: text(url, "/FunctionUrl"),
                    auth: text(url, "/AuthType"),
                    invoke_mode: text(url, "/InvokeMode").or_else(|| Some("BUFFERED".to_owned())),
                    cors: cors
                        .into_iter()
                        .flatten()
                        .map(|(name, value)| (name.clone(), as_set(value)))
                        .filter(|(_, value)| value != "null" && value != "[]")
                        .collect(),
                };
                Some((qualifier(&text(url, "/FunctionArn")?), facts))
            })
            .collect()
    })
}

/// Text of a list whose order means nothing.
fn as_set(value: &Value) -> String {
    let Value::Array(items) = value else {
        return as_text(value);
    };
    let mut items: Vec<String> = items.iter().map(as_text).collect();
    items.sort();
    items.dedup();
    Value::from(items).to_string()
}

/// Fields of a mapping that are read by name, or change when nobody changes anything.
const NOT_OTHER: [&str; 11] = [
    "UUID",
    "EventSourceMappingArn",
    "FunctionArn",
    "EventSourceArn",
    "State",
    "StateTransitionReason",
    "LastModified",
    "LastProcessingResult",
    "DestinationConfig",
    "FilterCriteria",
    "FilterCriteriaError",
];

pub(super) fn mappings(
    papers: &Papers<'_>,
) -> BTreeMap<String, Reading<BTreeMap<String, Mapping>>> {
    let selectors = papers.selectors(ArtifactKind::EventSourceMappings);
    let selectors = selectors.into_iter();
    selectors
        .map(|selector| {
            let listed = papers.list(
                (ArtifactKind::EventSourceMappings, selector),
                "lambda:ListEventSourceMappings",
                "EventSourceMappings",
                "NextMarker",
            );
            let mappings = listed.map(|listed| {
                let listed = listed.into_iter();
                listed
                    .filter_map(|(place, mapping)| {
                        let state = text(mapping, "/State");
                        let rest = mapping.as_object().into_iter().flatten();
                        let facts = Mapping {
                            place,
                            source: text(mapping, "/EventSourceArn"),
                            is_enabled: state
                                .map(|state| !matches!(state.as_str(), "Disabled" | "Disabling")),
                            on_failure: text(mapping, "/DestinationConfig/OnFailure/Destination"),
                            filter: mapping
                                .pointer("/FilterCriteria/Filters")
                                .map(as_set)
                                .filter(|filters| filters != "null" && filters != "[]"),
                            other: rest
                                .filter(|(name, _)| !NOT_OTHER.contains(&name.as_str()))
                                .map(|(name, value)| (name.clone(), as_set(value)))
                                .filter(|(_, value)| {
                                    !["", "null", "[]", "{}"].contains(&value.as_str())
                                })
                                .collect(),
                        };
                        Some((text(mapping, "/UUID")?, facts))
                    })
                    .collect()
            });
            (selector.unwrap_or_default().to_owned(), mappings)
        })
        .collect()
}

pub(super) fn async_calls(papers: &Papers<'_>) -> Reading<BTreeMap<String, AsyncCalls>> {
    let listed = papers.list(
        whole(ArtifactKind::EventInvokeConfig),
        "lambda:ListFunctionEventInvokeConfigs",
        "FunctionEventInvokeConfigs",
        "NextMarker",
    );
    listed.map(|listed| {
        let listed = listed.into_iter();
        listed
            .filter_map(|(place, calls)| {
                let number = |pointer: &str| calls.pointer(pointer).and_then(Value::as_u64);
                let facts = AsyncCalls {
                    place,
                    retries: number("/MaximumRetryAttempts"),
                    max_age_s: number("/MaximumEventAgeInSeconds"),
                    on_success: text(calls, "/DestinationConfig/OnSuccess/Destination"),
                    on_failure: text(calls, "/DestinationConfig/OnFailure/Destination"),
                };
                Some((qualifier(&text(calls, "/FunctionArn")?), facts))
            })
            .collect()
    })
}

pub(super) fn concurrency(papers: &Papers<'_>) -> Reading<Concurrency> {
    let asked = whole(ArtifactKind::Concurrency);
    papers
        .reply(asked, "lambda:GetFunctionConcurrency")
        .map(|found| match found {
            Some((place, reply)) => Concurrency {
                place,
                reserved: reply
                    .get("ReservedConcurrentExecutions")
                    .and_then(Value::as_u64),
            },
            None => Concurrency::default(),
        })
}

pub(super) fn provisioned(papers: &Papers<'_>) -> Reading<BTreeMap<String, u64>> {
    let listed = papers.list(
        whole(ArtifactKind::Concurrency),
        "lambda:ListProvisionedConcurrencyConfigs",
        "ProvisionedConcurrencyConfigs",
        "NextMarker",
    );
    listed.map(|listed| {
        let listed = listed.into_iter();
        listed
            .filter_map(|(_, one)| {
                let wanted = one
                    .get("RequestedProvisionedConcurrentExecutions")?
                    .as_u64()?;
                Some((qualifier(&text(one, "/FunctionArn")?), wanted))
            })
            .collect()
    })
}
