//! What makes a difference and what does not.

use super::*;
use crate::canned::{FUNCTION, SECRET, ordinary};
use proptest::prelude::*;
use serde_json::{Value, json};

fn told(pieces: &crate::canned::Pieces) -> Vec<String> {
    let found = changes(&ordinary().snapshot(), &pieces.snapshot());
    found.into_iter().map(|change| change.statement).collect()
}

#[test]
fn times_revisions_and_the_order_of_what_has_none_make_no_difference() {
    let now = ordinary().configured(json!({
        "LastModified": "2026-02-02T00:00:00Z", "RevisionId": "r2", "LastUpdateStatus": "InProgress",
        "VpcConfig": {"VpcId": "vpc-1", "SecurityGroupIds": ["sg-1"], "SubnetIds": ["subnet-1", "subnet-2"]},
    }));
    assert_eq!(told(&now), Vec::<String>::new());
}

#[test]
fn the_attackers_changes_are_told_one_by_one() {
    let now = ordinary()
        .deployed("new code")
        .variable("AWS_LAMBDA_EXEC_WRAPPER", "/opt/evil")
        .variable("LD_PRELOAD", "/opt/evil.so")
        .configured(json!({
            "Handler": "evil.handler", "Role": FUNCTION.replace("lambda", "iam"), "TracingConfig": {"Mode": "PassThrough"},
            "Layers": [{"Arn": "arn:aws:lambda:eu-west-1:999999999999:layer:evil:1"}, {"Arn": "arn:aws:lambda:eu-west-1:111122223333:layer:deps:4"}],
            "LoggingConfig": {"LogFormat": "JSON", "LogGroup": "/else", "ApplicationLogLevel": "FATAL", "SystemLogLevel": "INFO"},
        }))
        .permitted(json!({"Sid": "door", "Effect": "Allow", "Principal": "*", "Action": "lambda:InvokeFunction", "Resource": FUNCTION}));
    let found = changes(&ordinary().snapshot(), &now.snapshot());
    insta::assert_json_snapshot!(found);
    let unknown = gaps(&ordinary().snapshot(), &now.snapshot());
    insta::assert_snapshot!(changes_as_markdown(&found, &unknown));
}

#[test]
fn what_the_record_never_asked_for_is_no_gap_and_what_was_refused_is() {
    let now = ordinary().snapshot();
    let subjects = |why: &str| -> Vec<String> {
        let mut record = ordinary().snapshot();
        record.log_group = Reading::unknown(why);
        let gaps = gaps(&record, &now).into_iter();
        gaps.filter(|gap| gap.is_before)
            .map(|gap| gap.subject)
            .collect()
    };
    let refused = subjects("denied");
    assert!(refused.contains(&"log group".to_owned()), "{refused:?}");
    let not_asked = subjects("log-group /aws/lambda/billing was not asked for");
    assert_eq!(not_asked.len() + 2, refused.len(), "{not_asked:?}");
}

#[test]
fn a_changed_value_is_told_by_its_mark_only() {
    let now = ordinary().variable("TABLE", "another-secret");
    let found = changes(&ordinary().snapshot(), &now.snapshot());
    assert_eq!(found.len(), 1);
    assert_eq!(found[0].kind, ChangeKind::Environment);
    let text = format!("{found:?}");
    assert!(
        !text.contains(SECRET) && !text.contains("another-secret"),
        "{text}"
    );
    assert_eq!(found[0].before.as_ref().unwrap().len(), 12);
}

#[test]
fn a_statement_of_the_same_name_is_changed_and_not_replaced() {
    let with = |action: &str| {
        ordinary().role_may(
            json!([{"Sid": "table", "Effect": "Allow", "Action": action, "Resource": "*"}]),
        )
    };
    let found = changes(&with("s3:GetObject").snapshot(), &with("s3:*").snapshot());
    assert_eq!(found.len(), 1);
    assert_eq!(
        found[0].statement,
        "inline policy data: statement table changed from allow s3:getobject on * to allow s3:* on *"
    );
}

#[test]
fn statements_in_another_order_under_other_names_are_no_change() {
    let one =
        json!({"Sid": "a", "Effect": "Allow", "Action": ["s3:GetObject"], "Resource": ["b", "a"]});
    let same =
        json!({"Sid": "b", "Effect": "Allow", "Action": "S3:getobject", "Resource": ["a", "b"]});
    let two = json!({"Effect": "Deny", "Action": "s3:*", "Resource": "*"});
    let was = ordinary().role_may(json!([one, two]));
    let is = ordinary().role_may(json!([two, same]));
    assert_eq!(changes(&was.snapshot(), &is.snapshot()), []);
}

#[test]
fn a_layer_that_was_moved_before_another_is_a_change() {
    let layers = |names: [&str; 2]| {
        let arns = names.map(
            |name| json!({"Arn": format!("arn:aws:lambda:eu-west-1:111122223333:layer:{name}:1")}),
        );
        ordinary().configured(json!({ "Layers": arns }))
    };
    let found = changes(
        &layers(["a", "b"]).snapshot(),
        &layers(["b", "a"]).snapshot(),
    );
    assert_eq!(found.len(), 1);
    assert_eq!(found[0].subject, "order of the layers");
}

#[test]
fn the_policy_of_a_new_alias_is_new_and_that_of_an_old_version_was_not_asked_for() {
    let statement =
        json!([{"Effect": "Allow", "Principal": "*", "Action": "lambda:InvokeFunction"}]);
    let policy = json!({"Policy": json!({ "Statement": statement }).to_string()});
    for (qualifier, expected) in [("new", 1), ("1", 0)] {
        let mut now = ordinary();
        now.reply(
            evidence::ArtifactKind::ResourcePolicy,
            Some(qualifier),
            "lambda:GetPolicy",
            policy.clone(),
        );
        assert_eq!(told(&now).len(), expected, "{qualifier}");
    }
}

#[test]
fn a_deleted_function_is_one_change_of_the_whole() {
    let gone = evidence::Outcome::Absent {
        why: "ResourceNotFoundException".to_owned(),
    };
    let now = ordinary().refused(evidence::ArtifactKind::Configuration, None, gone);
    let found = changes(&ordinary().snapshot(), &now.snapshot());
    assert_eq!(found[0].kind, ChangeKind::Function);
    assert_eq!(found[0].after, None);
}

#[test]
fn hostile_names_and_values_are_shown_as_what_they_are() {
    let name = "A\u{202e}`\u{1b}[2J\n## owned";
    let now = ordinary().configured(json!({ "Handler": name, "Description": "``` <script>" }));
    let found = changes(&ordinary().snapshot(), &now.snapshot());
    let text = changes_as_markdown(&found, &[]) + &format!("{found:?}");
    assert!(!text.contains(['\u{202e}', '\u{1b}']));
    assert!(!text.contains("\n## owned"));
}

#[test]
fn texts_that_differ_beyond_what_is_shown_are_told_apart() {
    let long = |end: &str| "x".repeat(5000) + end;
    let was = ordinary().configured(json!({ "Description": long("a") }));
    let is = ordinary().configured(json!({ "Description": long("b") }));
    let found = changes(&was.snapshot(), &is.snapshot());
    assert_ne!(found[0].before, found[0].after);
}

#[test]
fn more_changes_than_are_told_are_counted() {
    let mut now = ordinary();
    let versions: Vec<Value> = (3..3000)
        .map(|n: u32| json!({"Version": n.to_string()}))
        .collect();
    now.reply(
        evidence::ArtifactKind::Versions,
        None,
        "lambda:ListVersionsByFunction",
        json!({ "Versions": versions }),
    );
    let found = changes(&ordinary().snapshot(), &now.snapshot());
    assert_eq!(found.len(), 2001);
    assert!(found.last().unwrap().statement.starts_with("999 more"));
}

proptest! {
    /// Shuffled keys, lists of one with and without brackets, case: the same policy.
    #[test]
    fn a_policy_written_in_another_way_is_the_same(
        statements in prop::collection::vec((0_usize..3, prop::collection::btree_set("[a-c]:[A-Z][a-z]{0,3}", 1..3), any::<bool>()), 0..5),
        seed in any::<u64>(),
    ) {
        let write = |other: bool| -> Value {
            let mut written: Vec<Value> = statements.iter().map(|(sid, actions, deny)| {
                let mut actions: Vec<String> = actions.iter().cloned().collect();
                if other {
                    actions.reverse();
                    actions.iter_mut().for_each(|action| *action = action.to_uppercase());
                }
                let actions = if other && actions.len() == 1 { json!(actions[0]) } else { json!(actions) };
                let effect = if *deny { "Deny" } else { "Allow" };
                if other {
                    json!({"Resource": ["*"], "Action": actions, "Effect": effect, "Sid": format!("x{sid}")})
                } else {
                    json!({"Sid": sid.to_string(), "Effect": effect, "Action": actions, "Resource": "*"})
                }
            }).collect();
            if other && !written.is_empty() {
                let by = seed as usize % written.len();
                written.rotate_left(by);
            }
            Value::from(written)
        };
        let (was, is) = (ordinary().role_may(write(false)), ordinary().role_may(write(true)));
        prop_assert_eq!(changes(&was.snapshot(), &is.snapshot()), vec![]);
    }
}
