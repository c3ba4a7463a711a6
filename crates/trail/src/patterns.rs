//! EventBridge event patterns, drawn from the classification table.
//!
//! Names are matched by prefix, since Lambda's carry an API date that changes; a prefix that
//! another one covers is left out. Patterns let more through than the classifier answers, never
//! less. Read-only calls do not come at all: a rule in state `ENABLED` gets write calls only.

use crate::table::TABLE;
use evidence::{ResourceKind, Target};
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;

/// The most characters that EventBridge takes for a pattern, by its default quota.
pub const MAX_PATTERN: usize = 2048;

/// What one rule lets through.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RulePattern {
    /// As in the event's `source`.
    pub source: &'static str,
    /// As in the record's `eventSource`.
    pub event_source: &'static str,
    /// Prefixes of the event's name, sorted; none covers another.
    pub name_prefixes: Vec<&'static str>,
}

/// A rule's name (its last part), its service in the table, `source` and `eventSource`.
/// Rules `responder-*` are about services in which only the responder's own parts matter: the
/// template narrows them by those parts' names.
const RULES: [(&str, &str, &str, &str); 11] = [
    ("lambda", "lambda", "aws.lambda", "lambda.amazonaws.com"),
    ("iam", "iam", "aws.iam", "iam.amazonaws.com"),
    ("logs", "logs", "aws.logs", "logs.amazonaws.com"),
    (
        "trail",
        "cloudtrail",
        "aws.cloudtrail",
        "cloudtrail.amazonaws.com",
    ),
    (
        "responder-events",
        "events",
        "aws.events",
        "events.amazonaws.com",
    ),
    ("responder-s3", "s3", "aws.s3", "s3.amazonaws.com"),
    ("responder-kms", "kms", "aws.kms", "kms.amazonaws.com"),
    ("responder-sqs", "sqs", "aws.sqs", "sqs.amazonaws.com"),
    ("responder-sns", "sns", "aws.sns", "sns.amazonaws.com"),
    (
        "responder-states",
        "states",
        "aws.states",
        "states.amazonaws.com",
    ),
    // CloudWatch's calls are recorded under its old name.
    (
        "responder-cloudwatch",
        "cloudwatch",
        "aws.monitoring",
        "monitoring.amazonaws.com",
    ),
];

/// Every rule by its name, with what it lets through.
pub fn rules() -> BTreeMap<&'static str, RulePattern> {
    RULES
        .into_iter()
        .map(|(rule, service, source, event_source)| {
            let name_prefixes = prefixes(service);
            (
                rule,
                RulePattern {
                    source,
                    event_source,
                    name_prefixes,
                },
            )
        })
        .collect()
}

/// The same as EventBridge takes it. With `own` parts given, a rule `responder-*` matches those
/// only, and is left out where there are none of its kind.
pub fn event_patterns(own: &[Target]) -> Vec<(String, Value)> {
    let pattern = |(rule, pattern): (&str, RulePattern)| {
        let mut detail = Map::new();
        detail.insert("eventSource".into(), json!([pattern.event_source]));
        let names: Vec<_> = pattern
            .name_prefixes
            .iter()
            .map(|p| json!({"prefix": p}))
            .collect();
        detail.insert("eventName".into(), Value::Array(names));
        if rule.starts_with("responder-") && !own.is_empty() {
            let narrowed = narrowing(rule, own);
            if narrowed.is_empty() {
                return None;
            }
            detail.insert("$or".into(), Value::Array(narrowed));
        }
        let value = json!({
            "source": [pattern.source],
            "detail-type": ["AWS API Call via CloudTrail"],
            "detail": detail,
        });
        Some((rule.to_owned(), value))
    };
    rules().into_iter().filter_map(pattern).collect()
}

/// The names in the table that no shorter name of the same service covers.
fn prefixes(service: &str) -> Vec<&'static str> {
    let mut names: Vec<_> = TABLE
        .iter()
        .filter(|row| row.service == service)
        .map(|row| row.base_name)
        .collect();
    names.sort_unstable();
    names.dedup_by(|later, kept| later.starts_with(*kept));
    names
}

/// One alternative for each request parameter that may name a part.
fn narrowing(rule: &str, own: &[Target]) -> Vec<Value> {
    let of = |kind, spell: fn(&Target) -> Vec<Value>| -> Vec<Value> {
        own.iter()
            .filter(|part| part.kind == kind)
            .flat_map(spell)
            .collect()
    };
    let name = |part: &Target| vec![json!(part.name)];
    let arn = |part: &Target| vec![json!({"prefix": part.arn()})];
    let fields: Vec<(&str, Vec<Value>)> = match rule {
        "responder-events" => vec![
            ("name", of(ResourceKind::Rule, name)),
            ("rule", of(ResourceKind::Rule, name)),
        ],
        "responder-s3" => vec![("bucketName", of(ResourceKind::Bucket, name))],
        "responder-kms" => {
            let key = of(ResourceKind::Key, |part| {
                vec![json!(part.name), json!(part.arn())]
            });
            vec![
                ("keyId", key.clone()),
                ("aliasName", key.clone()),
                ("targetKeyId", key),
            ]
        }
        "responder-sqs" => vec![(
            "queueUrl",
            of(ResourceKind::Queue, |part| {
                vec![json!({"suffix": format!("/{}/{}", part.account, part.name)})]
            }),
        )],
        "responder-sns" => vec![
            ("topicArn", of(ResourceKind::Topic, arn)),
            ("subscriptionArn", of(ResourceKind::Topic, arn)),
        ],
        "responder-states" => vec![
            ("stateMachineArn", of(ResourceKind::StateMachine, arn)),
            (
                "executionArn",
                of(ResourceKind::StateMachine, |part| {
                    vec![json!({"prefix": part.arn().replacen(":stateMachine:", ":execution:", 1)})]
                }),
            ),
        ],
        "responder-cloudwatch" => vec![
            ("alarmNames", of(ResourceKind::Alarm, name)),
            ("alarmName", of(ResourceKind::Alarm, name)),
        ],
        _ => Vec::new(),
    };
    fields
        .into_iter()
        .filter(|(_, values)| !values.is_empty())
        .map(|(field, values)| json!({"requestParameters": {field: values}}))
        .collect()
}

/// Whether EventBridge would let `event` through `pattern`: for tests that hold a template's patterns
/// to the table. Knows what patterns here use: exact values, `prefix`, `suffix`, `$or`, and lists in
/// the event, of which one item must match.
pub fn lets_through(pattern: &Value, event: &Value) -> bool {
    let Value::Object(fields) = pattern else {
        return false;
    };
    fields
        .iter()
        .all(|(field, wanted)| match (field.as_str(), wanted) {
            ("$or", Value::Array(alternatives)) => {
                alternatives.iter().any(|one| lets_through(one, event))
            }
            (_, Value::Array(values)) => {
                let found = event.get(field).map(|found| match found {
                    Value::Array(items) => items.as_slice(),
                    one => std::slice::from_ref(one),
                });
                found
                    .is_some_and(|found| values.iter().any(|v| found.iter().any(|f| accepts(v, f))))
            }
            (_, inner) => event
                .get(field)
                .is_some_and(|event| lets_through(inner, event)),
        })
}

fn accepts(wanted: &Value, found: &Value) -> bool {
    let text = |operator| {
        wanted
            .get(operator)
            .and_then(Value::as_str)
            .zip(found.as_str())
    };
    if let Some((prefix, found)) = text("prefix") {
        return found.starts_with(prefix);
    }
    if let Some((suffix, found)) = text("suffix") {
        return found.ends_with(suffix);
    }
    wanted == found
}

/// Whether a rule of this name is about services where only the responder's own parts matter.
pub fn is_narrowed(rule: &str) -> bool {
    rule.starts_with("responder-")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn event(service: &str, name: &str, request: Value) -> Value {
        let service = if service == "cloudwatch" {
            "monitoring"
        } else {
            service
        };
        json!({"source": format!("aws.{service}"), "detail-type": "AWS API Call via CloudTrail",
            "detail": {"eventSource": format!("{service}.amazonaws.com"), "eventName": name,
                "requestParameters": request}})
    }

    fn own_parts() -> Vec<Target> {
        [
            "arn:aws:lambda:eu-west-1:111122223333:function:coldcase-respond",
            "arn:aws:events:eu-west-1:111122223333:rule/coldcase-lambda",
            "arn:aws:s3:::coldcase-evidence-111122223333-eu-west-1",
            "arn:aws:kms:eu-west-1:111122223333:key/0c0ffee0-1111-2222-3333-444455556666",
            "arn:aws:sqs:eu-west-1:111122223333:coldcase-events",
            "arn:aws:sqs:eu-west-1:111122223333:coldcase-dead-letters",
            "arn:aws:sns:eu-west-1:111122223333:coldcase-alerts",
            "arn:aws:states:eu-west-1:111122223333:stateMachine:coldcase-investigate",
            "arn:aws:cloudwatch:eu-west-1:111122223333:alarm:coldcase-errors",
        ]
        .map(|arn| Target::from_arn(arn).unwrap())
        .into()
    }

    #[test]
    fn every_row_is_let_through_by_its_dated_and_undated_name() {
        let patterns = event_patterns(&[]);
        for row in TABLE {
            for date in ["", "20150331", "20150331v2", "20991231v10"] {
                let event = event(row.service, &format!("{}{date}", row.base_name), json!({}));
                assert!(
                    patterns
                        .iter()
                        .any(|(_, pattern)| lets_through(pattern, &event)),
                    "{event}"
                );
            }
        }
    }

    #[test]
    fn reads_and_other_services_are_not_let_through() {
        let patterns = event_patterns(&[]);
        for (service, name) in [
            ("lambda", "GetFunction20150331v2"),
            ("lambda", "Invoke"),
            ("iam", "GetRole"),
            ("logs", "CreateLogStream"),
            ("ec2", "RunInstances"),
            ("s3", "PutObject"),
            ("s3", "GetObject"),
            ("kms", "Sign"),
            ("states", "StartExecution"),
        ] {
            let event = event(service, name, json!({}));
            assert!(
                !patterns
                    .iter()
                    .any(|(_, pattern)| lets_through(pattern, &event)),
                "{event}"
            );
        }
    }

    #[test]
    fn a_pattern_is_no_longer_than_eventbridge_takes() {
        for own in [vec![], own_parts()] {
            let patterns = event_patterns(&own);
            assert_eq!(patterns.len(), RULES.len());
            for (rule, pattern) in patterns {
                let length = pattern.to_string().chars().count();
                assert!(length <= MAX_PATTERN, "{rule}: {length}");
            }
        }
    }

    #[test]
    fn a_rule_about_the_responder_lets_only_its_own_parts_through() {
        let patterns = event_patterns(&own_parts());
        let through = |service, name, request: Value| {
            let event = event(service, name, request);
            patterns
                .iter()
                .any(|(_, pattern)| lets_through(pattern, &event))
        };
        for (service, name, field, own, other) in [
            (
                "events",
                "DisableRule",
                "name",
                json!("coldcase-lambda"),
                json!("nightly"),
            ),
            (
                "events",
                "RemoveTargets",
                "rule",
                json!("coldcase-lambda"),
                json!("nightly"),
            ),
            (
                "s3",
                "PutBucketPolicy",
                "bucketName",
                json!("coldcase-evidence-111122223333-eu-west-1"),
                json!("b"),
            ),
            (
                "kms",
                "DisableKey",
                "keyId",
                json!(
                    "arn:aws:kms:eu-west-1:111122223333:key/0c0ffee0-1111-2222-3333-444455556666"
                ),
                json!("k"),
            ),
            (
                "sqs",
                "PurgeQueue",
                "queueUrl",
                json!("https://sqs.eu-west-1.amazonaws.com/111122223333/coldcase-events"),
                json!("https://sqs.eu-west-1.amazonaws.com/111122223333/q"),
            ),
            (
                "sns",
                "DeleteTopic",
                "topicArn",
                json!("arn:aws:sns:eu-west-1:111122223333:coldcase-alerts"),
                json!("arn:aws:sns:eu-west-1:111122223333:t"),
            ),
            (
                "states",
                "StopExecution",
                "executionArn",
                json!("arn:aws:states:eu-west-1:111122223333:execution:coldcase-investigate:e"),
                json!("arn:aws:states:eu-west-1:111122223333:execution:x:e"),
            ),
            (
                "cloudwatch",
                "DeleteAlarms",
                "alarmNames",
                json!(["a", "coldcase-errors"]),
                json!(["a"]),
            ),
        ] {
            assert!(through(service, name, json!({field: own})), "{name}");
            assert!(!through(service, name, json!({field: other})), "{name}");
        }
    }

    #[test]
    fn a_rule_without_own_parts_of_its_kind_is_left_out() {
        let own = [Target::from_arn("arn:aws:s3:::evidence").unwrap()];
        let names: Vec<_> = event_patterns(&own)
            .into_iter()
            .map(|(rule, _)| rule)
            .collect();
        assert_eq!(names, ["iam", "lambda", "logs", "responder-s3", "trail"]);
    }

    #[test]
    fn no_prefix_covers_another() {
        for (rule, pattern) in rules() {
            for one in &pattern.name_prefixes {
                let covering = pattern
                    .name_prefixes
                    .iter()
                    .filter(|p| one.starts_with(**p));
                assert_eq!(covering.count(), 1, "{rule}: {one}");
            }
        }
    }

    #[test]
    fn every_service_in_the_table_has_a_rule() {
        for row in TABLE {
            assert!(
                RULES.iter().any(|rule| rule.1 == row.service),
                "{}",
                row.service
            );
        }
    }
}
