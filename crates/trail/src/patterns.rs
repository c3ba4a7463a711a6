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
/// Rules `responder-*` are about the responder's own parts only: the template narrows them by those
/// parts' names.
const RULES: [(&str, &str, &str, &str); 14] = [
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
        "responder-lambda",
        "lambda",
        "aws.lambda",
        "lambda.amazonaws.com",
    ),
    ("responder-iam", "iam", "aws.iam", "iam.amazonaws.com"),
    ("responder-logs", "logs", "aws.logs", "logs.amazonaws.com"),
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
            let name_prefixes = match rule {
                // Where another rule brings the calls on everybody's parts, this one is about our
                // own: there each writing call matters, and whole names would not fit beside them.
                "responder-lambda" | "responder-iam" | "responder-logs" => verbs(service),
                _ => prefixes(service),
            };
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

/// The verbs that the names in the table begin with.
fn verbs(service: &str) -> Vec<&'static str> {
    let mut verbs: Vec<_> = prefixes(service)
        .into_iter()
        .map(|name| {
            let second = name.char_indices().skip(1).find(|(_, c)| c.is_uppercase());
            second.map_or(name, |(end, _)| &name[..end])
        })
        .collect();
    verbs.dedup();
    verbs
}

/// One alternative for each field that may name a part. A refused call has no parameters; the
/// template adds the part's name in the error's words.
fn narrowing(rule: &str, own: &[Target]) -> Vec<Value> {
    let of = |kind, spell: fn(&Target) -> Vec<Value>| -> Vec<Value> {
        own.iter()
            .filter(|part| part.kind == kind)
            .flat_map(spell)
            .collect()
    };
    let name = |part: &Target| match part.name.strip_suffix('*') {
        Some(beginning) => vec![json!({"prefix": beginning})],
        None => vec![json!(part.name)],
    };
    let arn = |part: &Target| vec![json!({"prefix": part.arn()})];
    let anywhere = |part: &Target| vec![json!({"wildcard": format!("*{}*", part.name)})];
    let in_arn = |part: &Target| {
        let arn = part.arn();
        let end = arn.splitn(6, ':').last().unwrap_or_default();
        vec![json!({"wildcard": format!("*:{end}*")})]
    };
    let mut fields: Vec<(&str, Vec<Value>)> = match rule {
        // A function is named by its name, by an ARN or by a part of one, with or without a qualifier.
        "responder-lambda" => vec![
            ("functionName", of(ResourceKind::Function, anywhere)),
            ("fullyQualifiedArn", of(ResourceKind::Function, anywhere)),
            ("resource", of(ResourceKind::Function, in_arn)),
            ("resourceArn", of(ResourceKind::Function, in_arn)),
            ("uUID", of(ResourceKind::EventSourceMapping, name)),
            ("uuid", of(ResourceKind::EventSourceMapping, name)),
            (
                "role",
                of(ResourceKind::Role, |part| vec![json!(part.arn())]),
            ),
        ],
        "responder-iam" => vec![("roleName", of(ResourceKind::Role, name))],
        "responder-logs" => vec![
            ("logGroupName", of(ResourceKind::LogGroup, name)),
            ("logGroupIdentifier", {
                let mut either = of(ResourceKind::LogGroup, name);
                either.extend(of(ResourceKind::LogGroup, in_arn));
                either
            }),
            ("resourceIdentifier", of(ResourceKind::LogGroup, in_arn)),
        ],
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
    fields.retain(|(_, values)| !values.is_empty());
    let mut alternatives: Vec<_> = fields
        .into_iter()
        .map(|(field, values)| json!({"requestParameters": {field: values}}))
        .collect();
    let answered = of(ResourceKind::Function, in_arn);
    if rule == "responder-lambda" && !answered.is_empty() {
        alternatives.push(json!({"responseElements": {"functionArn": answered}}));
    }
    alternatives
}

/// Whether EventBridge would let `event` through `pattern`: for tests that hold a template's patterns
/// to the table. Knows what patterns here use: exact values, `prefix`, `suffix`, `wildcard`, `$or`, and
/// lists in the event, of which one item must match.
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
    if let Some((wildcard, found)) = text("wildcard") {
        return is_like(wildcard, found);
    }
    wanted == found
}

/// Whether `text` is `pattern`, in which `*` stands for anything.
fn is_like(pattern: &str, text: &str) -> bool {
    let Some((beginning, mut rest)) = pattern.split_once('*') else {
        return pattern == text;
    };
    let Some(mut text) = text.strip_prefix(beginning) else {
        return false;
    };
    while let Some((piece, after)) = rest.split_once('*') {
        let Some((_, following)) = text.split_once(piece) else {
            return false;
        };
        (text, rest) = (following, after);
    }
    text.ends_with(rest)
}

/// Whether a rule of this name is about the responder's own parts only.
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
            "arn:aws:lambda:eu-west-1:111122223333:event-source-mapping:7b1f7a1c-0000-4000-8000-000000000001",
            "arn:aws:iam::111122223333:role/coldcase-RespondRole-1",
            "arn:aws:logs:eu-west-1:111122223333:log-group:coldcase-RespondLog-1",
            "arn:aws:events:eu-west-1:111122223333:rule/coldcase-*",
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
        // What is done to others' functions, roles and logs comes by the rules about all of them.
        let patterns: Vec<_> = patterns
            .iter()
            .filter(|(rule, _)| is_narrowed(rule))
            .collect();
        let through = |service, name, request: Value| {
            let event = event(service, name, request);
            patterns
                .iter()
                .any(|(_, pattern)| lets_through(pattern, &event))
        };
        for (service, name, field, own, other) in [
            (
                "lambda",
                "PutFunctionConcurrency20171031",
                "functionName",
                json!("111122223333:function:coldcase-respond:live"),
                json!("billing"),
            ),
            (
                "lambda",
                "UpdateFunctionCode20150331v2",
                "functionName",
                json!("coldcase-respond"),
                json!("respond"),
            ),
            (
                "lambda",
                "DeleteEventSourceMapping20150331",
                "uUID",
                json!("7b1f7a1c-0000-4000-8000-000000000001"),
                json!("7b1f7a1c-0000-4000-8000-000000000002"),
            ),
            (
                "lambda",
                "CreateFunction20150331",
                "role",
                json!("arn:aws:iam::111122223333:role/coldcase-RespondRole-1"),
                json!("arn:aws:iam::111122223333:role/other"),
            ),
            (
                "iam",
                "DeleteRolePolicy",
                "roleName",
                json!("coldcase-RespondRole-1"),
                json!("other"),
            ),
            (
                "logs",
                "DeleteLogGroup",
                "logGroupName",
                json!("coldcase-RespondLog-1"),
                json!("/aws/lambda/billing"),
            ),
            (
                "logs",
                "PutRetentionPolicy",
                "logGroupIdentifier",
                json!("arn:aws:logs:eu-west-1:111122223333:log-group:coldcase-RespondLog-1:*"),
                json!("arn:aws:logs:eu-west-1:111122223333:log-group:other"),
            ),
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
