//! Records are found by who called and what about, and what they add up to.

#![allow(clippy::unwrap_used, reason = "what a test cannot read, fails it")]

use evidence::{Confidence, Severity};
use proptest::prelude::*;
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::ops::ControlFlow;
use trail::{Activity, Baseline, Known, Mark, MarkRule, Query, Record, Scanner, Summary};

const ROLE: &str = "arn:aws:iam::111122223333:role/service/billing-role";
const INSIDE: &str =
    "Boto3/1.34 md/Botocore#1.34 os/linux exec-env/AWS_Lambda_python3.12 Botocore/1.34";
const ATTACKER: &str = "198.51.100.7";
const HOME: &str = "203.0.113.10";

/// A call by the session of the function `billing`.
fn call(service: &str, name: &str) -> Value {
    json!({
        "eventVersion": "1.11",
        "userIdentity": {
            "type": "AssumedRole",
            "principalId": "AROAEXAMPLE:billing",
            "arn": "arn:aws:sts::111122223333:assumed-role/billing-role/billing",
            "accountId": "111122223333",
            "accessKeyId": "ASIAEXAMPLEEXAMPLE01",
            "sessionContext": {"sessionIssuer": {"type": "Role", "arn": ROLE}},
        },
        "eventTime": "2026-11-20T09:00:00Z",
        "eventSource": format!("{service}.amazonaws.com"),
        "eventName": name,
        "awsRegion": "eu-west-1",
        "sourceIPAddress": HOME,
        "userAgent": INSIDE,
        "requestParameters": null,
        "responseElements": null,
        "eventID": format!("{service}-{name}"),
        "recipientAccountId": "111122223333",
    })
}

fn with(mut value: Value, changes: Value) -> Record {
    for (pointer, change) in changes.as_object().unwrap() {
        match value.pointer_mut(pointer) {
            Some(place) => *place = change.clone(),
            None => value[pointer.trim_start_matches('/')] = change.clone(),
        }
    }
    Record::new(value)
}

fn query(field: &str, value: &str) -> Query {
    let value = Some(value.to_owned());
    let mut query = Query::default();
    match field {
        "role" => query.role = value,
        "session" => query.session = value,
        "key" => query.access_key = value,
        _ => query.resource = value,
    }
    query
}

#[test]
fn a_caller_is_found_by_role_session_and_key() {
    let record = with(call("s3", "GetObject"), json!({}));
    let bare = with(
        call("s3", "GetObject"),
        json!({"/userIdentity/sessionContext": null}),
    );
    let by_id = with(call("s3", "GetObject"), json!({"/userIdentity/arn": null}));
    for (field, value, expected) in [
        ("role", ROLE, [true, true, true]),
        (
            "role",
            "arn:aws:iam::111122223333:role/billing-role",
            [false, true, false],
        ),
        (
            "role",
            "arn:aws:iam::444455556666:role/service/billing-role",
            [false, false, false],
        ),
        (
            "role",
            "arn:aws-cn:iam::111122223333:role/service/billing-role",
            [false, false, false],
        ),
        ("session", "billing", [true, true, true]),
        ("session", "billing-role", [false, false, false]),
        ("session", "illing", [false, false, false]),
        ("key", "ASIAEXAMPLEEXAMPLE01", [true, true, true]),
        ("key", "ASIAEXAMPLEEXAMPLE02", [false, false, false]),
    ] {
        let query = query(field, value);
        let found = [&record, &bare, &by_id].map(|record| query.matches(record));
        assert_eq!(found, expected, "{field} {value}");
    }
    let user = with(
        call("s3", "GetObject"),
        json!({"/userIdentity/sessionContext": null,
        "/userIdentity/principalId": "AIDAEXAMPLE",
        "/userIdentity/arn": "arn:aws:iam::111122223333:user/team/billing"}),
    );
    assert!(
        !query("session", "billing").matches(&user),
        "a user is no session"
    );
}

#[test]
fn all_conditions_must_hold_and_both_ends_of_a_time_count() {
    let record = with(
        call("s3", "GetObject"),
        json!({"/requestParameters": {"bucketName": "b"}}),
    );
    let time = |text: &str| Some(text.parse().unwrap());
    let exact = Query {
        role: Some(ROLE.into()),
        session: Some("billing".into()),
        access_key: Some("ASIAEXAMPLEEXAMPLE01".into()),
        resource: Some("b".into()),
        since: time("2026-11-20T09:00:00Z"),
        until: time("2026-11-20T09:00:00Z"),
    };
    assert!(exact.matches(&record));
    for other in [
        Query {
            role: Some("arn:aws:iam::111122223333:role/other".into()),
            ..exact.clone()
        },
        Query {
            session: Some("other".into()),
            ..exact.clone()
        },
        Query {
            access_key: Some("other".into()),
            ..exact.clone()
        },
        Query {
            resource: Some("other".into()),
            ..exact.clone()
        },
        Query {
            since: time("2026-11-20T09:00:00.000000001Z"),
            ..exact.clone()
        },
        Query {
            until: time("2026-11-20T08:59:59Z"),
            ..exact.clone()
        },
    ] {
        assert!(!other.matches(&record), "{other:?}");
    }
    let undated = with(call("s3", "GetObject"), json!({"/eventTime": "redacted"}));
    assert!(
        !Query {
            since: time("1970-01-01T00:00:00Z"),
            ..Query::default()
        }
        .matches(&undated)
    );
    assert!(Query::default().matches(&undated));
}

#[test]
fn a_resource_is_found_wherever_a_record_names_it() {
    const FUNCTION: &str = "arn:aws:lambda:eu-west-1:111122223333:function:invoices";
    let named = |request: Value| {
        with(
            call("lambda", "Invoke"),
            json!({"/requestParameters": request}),
        )
    };
    let refused = |resource: &str| {
        let caller = "arn:aws:sts::111122223333:assumed-role/r/invoices";
        with(
            call("lambda", "Invoke"),
            json!({"/errorCode": "AccessDenied", "/errorMessage": format!(
            "User: {caller} is not authorized to perform: lambda:InvokeFunction on resource: {resource} because no identity-based policy allows the lambda:InvokeFunction action")}),
        )
    };
    let listed = |arn: &str| {
        with(
            call("lambda", "Invoke"),
            json!({"/resources": [{"ARN": arn}]}),
        )
    };
    for (record, by_name, by_arn, what) in [
        (
            named(json!({"functionName": "invoices"})),
            true,
            true,
            "name",
        ),
        (named(json!({"functionName": FUNCTION})), true, true, "ARN"),
        (
            named(json!({"functionName": format!("{FUNCTION}:live")})),
            true,
            true,
            "version",
        ),
        (
            named(json!({"a": [{"b": [[{"c": "invoices"}]]}]})),
            true,
            true,
            "deep",
        ),
        (
            named(json!({"a": "the invoices"})),
            false,
            false,
            "part of a text",
        ),
        (
            named(
                json!({"functionName": "arn:aws:lambda:eu-west-1:111122223333:function:invoices-2"}),
            ),
            false,
            false,
            "longer name",
        ),
        (
            named(
                json!({"functionName": "arn:aws:lambda:us-east-1:111122223333:function:invoices"}),
            ),
            true,
            false,
            "elsewhere",
        ),
        (listed(FUNCTION), true, true, "listed"),
        (refused(FUNCTION), true, true, "refused"),
        (
            refused("arn:aws:lambda:eu-west-1:111122223333:function:other"),
            false,
            false,
            "the refused caller",
        ),
        (
            with(
                call("iam", "GetRole"),
                json!({"/requestParameters": {"roleName": "invoices"}}),
            ),
            true,
            false,
            "another kind",
        ),
        (
            with(
                call("lambda", "Invoke"),
                json!({"/awsRegion": "us-east-1", "/requestParameters": {"functionName": "invoices"}}),
            ),
            true,
            false,
            "another Region",
        ),
        (
            with(
                call("lambda", "CreateFunction"),
                json!({"/responseElements": {"functionArn": FUNCTION}}),
            ),
            true,
            true,
            "response",
        ),
    ] {
        assert_eq!(
            query("resource", "invoices").matches(&record),
            by_name,
            "{what}, by name"
        );
        assert_eq!(
            query("resource", FUNCTION).matches(&record),
            by_arn,
            "{what}, by ARN"
        );
    }
    for (wanted, value) in [
        ("data", "arn:aws:s3:::data/a/b"),
        ("arn:aws:s3:::data", "arn:aws:s3:::data/a/b"),
        (
            "arn:aws:sqs:eu-west-1:111122223333:q",
            "https://sqs.eu-west-1.amazonaws.com/111122223333/q",
        ),
        (
            "/aws/lambda/x",
            "arn:aws:logs:eu-west-1:111122223333:log-group:/aws/lambda/x:*",
        ),
        ("app", "arn:aws:iam::111122223333:role/team/app"),
    ] {
        let service = if value.contains("sqs") { "sqs" } else { "s3" };
        let record = with(
            call(service, "X"),
            json!({"/requestParameters": {"x": value}}),
        );
        assert!(
            query("resource", wanted).matches(&record),
            "{wanted} in {value}"
        );
    }
    let mut deep = json!("invoices");
    for _ in 0..100 {
        deep = json!([deep]);
    }
    assert!(
        !query("resource", "invoices").matches(&named(deep)),
        "depth is bounded"
    );
}

/// JSON as some writers put it: any character may be escaped.
fn written(value: &Value, is_escaped: &mut impl FnMut() -> bool) -> String {
    match value {
        Value::String(text) => {
            let mut json = String::from("\"");
            for unit in text.encode_utf16() {
                let plain = u8::try_from(unit)
                    .ok()
                    .filter(|b| b.is_ascii_graphic() && !b"\"\\".contains(b));
                match plain {
                    Some(b'/') if is_escaped() => json.push_str("\\/"),
                    Some(byte) if !is_escaped() => json.push(byte.into()),
                    _ => json.push_str(&format!("\\u{unit:04x}")),
                }
            }
            json + "\""
        }
        Value::Array(items) => {
            let items: Vec<_> = items.iter().map(|item| written(item, is_escaped)).collect();
            format!("[{}]", items.join(","))
        }
        Value::Object(fields) => {
            let fields: Vec<_> = fields
                .iter()
                .map(|(name, field)| {
                    let name = written(&json!(name), is_escaped);
                    format!("{name}:{}", written(field, is_escaped))
                })
                .collect();
            format!("{{{}}}", fields.join(","))
        }
        other => other.to_string(),
    }
}

proptest! {
    /// Ruling records out by their bytes never loses one that matches, however it is written.
    #[test]
    fn a_scan_finds_what_the_query_matches(
        name in prop_oneof![r"[a-z/\\é\x22 ]{1,6}", Just("billing".to_owned()), Just("a/b".to_owned())],
        field in prop::sample::select(&["role", "session", "key", "resource"][..]),
        form in 0..7usize,
        escapes in prop::collection::vec(prop::bool::weighted(0.2), 1..40),
    ) {
        let value = match form {
            0 => name.clone(),
            1 => format!("arn:aws:lambda:eu-west-1:111122223333:function:{name}"),
            2 => format!("arn:aws:lambda:eu-west-1:111122223333:function:{name}:live"),
            3 => format!("arn:aws:s3:::{name}/key/{name}"),
            4 => format!("arn:aws:iam::111122223333:role/path/{name}"),
            5 => format!("https://sqs.eu-west-1.amazonaws.com/111122223333/{name}"),
            _ => format!("arn:aws:sqs:eu-west-1:111122223333:{name}"),
        };
        let record = with(call(["lambda", "s3", "sqs", "iam"][form % 4], "X"), json!({
            "/userIdentity/arn": format!("arn:aws:sts::111122223333:assumed-role/{name}/{name}"),
            "/userIdentity/sessionContext/sessionIssuer/arn": value,
            "/userIdentity/accessKeyId": name,
            "/requestParameters": {"x": [value, name]},
        }));
        let mut turn = escapes.iter().cycle().copied();
        let text = written(record.raw(), &mut || turn.next().unwrap());
        for wanted in [&name, &value] {
            let query = query(field, wanted);
            let mut found = 0;
            Scanner::new(&query).scan("file", text.as_bytes(), |_| { found += 1; ControlFlow::Continue(()) });
            prop_assert_eq!(found == 1, query.matches(&record), "{} {}: {}", field, wanted, text);
        }
    }
}

/// Some writers escape slashes and nothing else.
#[test]
fn an_escaped_slash_hides_nothing() {
    let record = with(call("s3", "X"), json!({"/requestParameters": {"x": "a/b"}}));
    let text = record.raw().to_string().replace("a/b", r"a\/b");
    let mut found = 0;
    Scanner::new(&query("resource", "a/b")).scan("file", text.as_bytes(), |_| {
        found += 1;
        ControlFlow::Continue(())
    });
    assert_eq!(found, 1);
}

fn summary_of(records: &[Record], known: Known, baseline: Option<&Baseline>) -> Summary {
    let mut activity = Activity::new(known);
    for record in records {
        activity.add(record);
    }
    let stored = serde_json::to_string(&activity).unwrap();
    let read: Activity = serde_json::from_str(&stored).unwrap();
    assert_eq!(read, activity, "it can be stored and read back");
    // The same calls in any order are the same.
    let mut backwards = Activity::new(activity.known().clone());
    records
        .iter()
        .rev()
        .for_each(|record| backwards.add(record));
    let (forth, back) = (activity.summary(baseline), backwards.summary(baseline));
    assert_eq!(forth.totals, back.totals);
    let rules = |summary: &Summary| {
        summary
            .marks
            .iter()
            .map(|m| (m.rule, m.severity, m.statement.clone()))
            .collect::<Vec<_>>()
    };
    assert_eq!(rules(&forth), rules(&back));
    forth
}

fn marks_of(records: &[Record], rule: MarkRule) -> Vec<Mark> {
    let mut marks = summary_of(records, Known::default(), None).marks;
    marks.retain(|mark| mark.rule == rule);
    marks
}

fn stolen(records: &[Record]) -> Vec<(Severity, Confidence)> {
    let marks = marks_of(records, MarkRule::StolenCredentials);
    for mark in &marks {
        assert_eq!(mark.technique.as_deref(), Some("T1078.004"));
        assert!(!mark.evidence.event_ids.is_empty(), "{mark:?}");
    }
    marks
        .iter()
        .map(|mark| (mark.severity, mark.confidence))
        .collect()
}

const CLI: &str = "aws-cli/2.15.59 os/linux#6.1 lang/python#3.11";
const RUST: &str = "aws-sdk-rust/1.3 ua/2.1 api/s3#1.1 os/linux lang/rust#1.94";

/// From where, with which agent, by which key; at a minute of the hour.
fn used(minute: u8, address: &str, agent: &str, key: u8) -> Record {
    with(
        call("s3", "GetObject"),
        json!({
            "/eventTime": format!("2026-11-20T09:{minute:02}:00Z"),
            "/sourceIPAddress": address,
            "/userAgent": agent,
            "/userIdentity/accessKeyId": format!("ASIAEXAMPLEEXAMPLE{key:02}"),
            "/eventID": format!("{minute}-{address}"),
        }),
    )
}

#[test]
fn a_key_used_in_lambda_and_elsewhere_is_stolen() {
    let records = [
        used(0, HOME, INSIDE, 1),
        used(5, ATTACKER, CLI, 1),
        used(6, ATTACKER, RUST, 1),
    ];
    let marks = marks_of(&records, MarkRule::StolenCredentials);
    assert_eq!(marks.len(), 1, "{marks:?}");
    let mark = &marks[0];
    assert_eq!(
        (mark.severity, mark.confidence),
        (Severity::Critical, Confidence::High)
    );
    assert_eq!(mark.evidence.calls, 2);
    assert_eq!(
        mark.evidence
            .event_ids
            .iter()
            .collect::<BTreeSet<_>>()
            .len(),
        2
    );
    for part in [ATTACKER, HOME, "ASIAEXAMPLEEXAMPLE01", "billing", "2 calls"] {
        assert!(mark.statement.contains(part), "{}", mark.statement);
    }
}

#[test]
fn what_lambda_does_is_never_marked() {
    let service = |changes: Value| with(call("sqs", "ReceiveMessage"), changes);
    let records = [
        used(0, HOME, INSIDE, 1),
        // A program in the function that does not name its environment.
        used(1, HOME, "curl/8.5", 1),
        used(2, "203.0.113.99", "awslambda-worker/1.0 rust/1.66", 1),
        used(3, "203.0.113.99", "curl/8.5", 1),
        // Another environment, with a key and an address of its own; a function in a VPC.
        used(4, "203.0.113.55", INSIDE, 2),
        used(5, "10.0.1.5", INSIDE, 2),
        used(6, "10.0.2.9", INSIDE, 2),
        used(7, "2001:db8::5", INSIDE, 2),
        service(
            json!({"/sourceIPAddress": "lambda.amazonaws.com", "/userAgent": "lambda.amazonaws.com"}),
        ),
        service(json!({"/sourceIPAddress": "AWS Internal", "/userAgent": "AWS Internal"})),
        with(
            call("kms", "Decrypt"),
            json!({"/userIdentity/invokedBy": "secretsmanager.amazonaws.com",
            "/sourceIPAddress": "secretsmanager.amazonaws.com", "/userAgent": "secretsmanager.amazonaws.com"}),
        ),
    ];
    assert_eq!(stolen(&records), []);
}

#[test]
fn how_sure_it_is_depends_on_what_else_the_session_shows() {
    use Confidence as Sure;
    let function = |mut record: Value| {
        record["userIdentity"]["inScopeOf"] = json!({"issuerType": "AWS::Lambda::Function"});
        Record::new(record)
    };
    let scoped = |minute, address, agent| function(used(minute, address, agent, 1).into_raw());
    for (records, expected, what) in [
        (
            vec![used(0, HOME, INSIDE, 1), used(1, ATTACKER, RUST, 2)],
            vec![(Severity::High, Sure::Medium)],
            "a key that was never seen inside",
        ),
        (
            vec![used(0, HOME, INSIDE, 1), used(1, ATTACKER, INSIDE, 1)],
            vec![(Severity::Medium, Sure::Low)],
            "a forged agent",
        ),
        (
            vec![
                used(0, HOME, INSIDE, 1),
                used(1, ATTACKER, INSIDE, 1),
                used(2, ATTACKER, RUST, 1),
            ],
            vec![
                (Severity::Critical, Sure::High),
                (Severity::Medium, Sure::Low),
            ],
            "a forged agent, and not",
        ),
        (
            vec![
                used(0, HOME, INSIDE, 1),
                used(1, ATTACKER, "x os/macos exec-env/AWS_Lambda_python3.12", 1),
            ],
            vec![(Severity::Critical, Sure::High)],
            "the whole environment on another system",
        ),
        (
            vec![used(0, "10.0.1.5", INSIDE, 1), used(1, "10.0.9.9", RUST, 1)],
            vec![(Severity::Medium, Sure::Low)],
            "two private addresses",
        ),
        (
            vec![used(0, "10.0.1.5", INSIDE, 1), used(1, ATTACKER, RUST, 1)],
            vec![(Severity::Critical, Sure::High)],
            "out of the VPC",
        ),
        (
            vec![scoped(0, HOME, RUST)],
            vec![(Severity::Low, Sure::Low)],
            "an OS-only runtime",
        ),
        (
            vec![scoped(0, HOME, RUST), scoped(1, ATTACKER, RUST)],
            vec![(Severity::Medium, Sure::Low)],
            "an OS-only runtime in two places",
        ),
        (
            vec![scoped(0, HOME, CLI)],
            vec![(Severity::High, Sure::Medium)],
            "the command line",
        ),
        (
            vec![
                used(0, HOME, "awslambda-worker/1.0", 1),
                used(1, HOME, RUST, 1),
            ],
            vec![],
            "an OS-only runtime where its logs come from",
        ),
        (
            vec![used(0, HOME, RUST, 1), used(1, ATTACKER, CLI, 1)],
            vec![],
            "a session that is no function's",
        ),
        (
            vec![
                used(0, ATTACKER, "exec-env/AWS_ECS_FARGATE", 1),
                used(1, HOME, INSIDE, 2),
            ],
            vec![(Severity::High, Sure::Medium)],
            "another execution environment",
        ),
    ] {
        assert_eq!(stolen(&records), expected, "{what}");
    }
    let known = Known {
        functions: ["billing".to_owned()].into(),
        ..Known::default()
    };
    let told = summary_of(&[used(0, HOME, CLI, 1)], known, None);
    assert_eq!(told.marks[0].rule, MarkRule::StolenCredentials);
}

#[test]
fn power_is_marked_once_an_action() {
    let own = with(
        call("sts", "AssumeRole"),
        json!({"/requestParameters": {"roleArn": ROLE}}),
    );
    let other = with(
        call("sts", "AssumeRole"),
        json!({"/requestParameters": {"roleArn": "arn:aws:iam::111122223333:role/admin"}}),
    );
    let refused = with(
        call("iam", "CreateUser"),
        json!({"/errorCode": "AccessDenied"}),
    );
    let code = with(call("lambda", "UpdateFunctionCode20150331v2"), json!({}));
    let records = [
        own,
        other,
        refused,
        code.clone(),
        code,
        with(call("s3", "GetObject"), json!({})),
        with(call("kms", "CreateGrant"), json!({})),
    ];
    let marks = marks_of(&records, MarkRule::PrivilegeOrPersistence);
    let told: Vec<_> = marks
        .iter()
        .map(|m| {
            (
                m.statement.as_str(),
                m.severity,
                m.technique.as_deref().unwrap(),
            )
        })
        .collect();
    assert_eq!(
        told,
        [
            (
                "lambda:UpdateFunctionCode replaces the code that runs: 2 calls",
                Severity::High,
                "T1648"
            ),
            (
                "iam:CreateUser makes a user: 1 call, all of which failed",
                Severity::Medium,
                "T1136.003"
            ),
            (
                "sts:AssumeRole takes another role: 1 call",
                Severity::Medium,
                "T1548.005"
            ),
        ]
    );
    assert_eq!(marks[0].evidence.event_ids.len(), 2);
}

#[test]
fn a_burst_is_five_denials_of_three_actions_in_five_minutes() {
    let denied = |second: u32, action: &str| {
        with(
            call("iam", action),
            json!({"/errorCode": "AccessDenied", "/eventID": second.to_string(),
            "/eventTime": format!("2026-11-20T09:{:02}:{:02}Z", second / 60, second % 60)}),
        )
    };
    let burst = |seconds: [u32; 5], actions: [&str; 5]| {
        let records: Vec<_> = seconds
            .iter()
            .zip(actions)
            .map(|(s, a)| denied(*s, a))
            .collect();
        marks_of(&records, MarkRule::DeniedBurst)
    };
    let three = [
        "ListUsers",
        "ListRoles",
        "ListUsers",
        "GetUser",
        "ListUsers",
    ];
    let mark = burst([0, 10, 20, 30, 300], three).remove(0);
    assert_eq!((mark.evidence.calls, mark.severity), (5, Severity::Medium));
    assert!(
        mark.statement.contains("5 calls of 3 actions"),
        "{}",
        mark.statement
    );
    assert_eq!(burst([0, 10, 20, 30, 301], three), [], "too slow");
    assert_eq!(
        burst([0, 10, 20, 30, 40], ["A", "B", "A", "B", "A"]),
        [],
        "too few actions"
    );
    let records: Vec<_> = (0..5)
        .map(|s| {
            with(
                denied(s, three[s as usize]).into_raw(),
                json!({"/errorCode": "ThrottlingException"}),
            )
        })
        .collect();
    assert_eq!(marks_of(&records, MarkRule::DeniedBurst), [], "not denied");
}

#[test]
fn only_what_the_baseline_lacks_is_new() {
    let mut baseline = Baseline::default();
    baseline.add(&with(call("s3", "GetObject"), json!({})));
    let records = [
        with(call("s3", "GetObject"), json!({})),
        with(call("s3", "ListBuckets"), json!({})),
        with(call("ec2", "DescribeInstances"), json!({})),
    ];
    let summary = summary_of(&records, Known::default(), Some(&baseline));
    let told: Vec<_> = summary
        .marks
        .iter()
        .map(|m| (m.rule, m.severity, m.statement.as_str()))
        .collect();
    assert_eq!(
        told,
        [
            (
                MarkRule::FirstEver,
                Severity::Medium,
                "ec2:DescribeInstances is a service that was not used before: 1 call"
            ),
            (
                MarkRule::FirstEver,
                Severity::Low,
                "s3:ListBuckets is an action that was not used before: 1 call"
            ),
        ]
    );
    assert_eq!(summary.baseline_actions, Some(1));
    assert_eq!(summary_of(&records, Known::default(), None).marks, []);
}

#[test]
fn calls_after_the_tampering_are_counted() {
    let records: Vec<_> = (0..10)
        .map(|minute| used(minute, HOME, INSIDE, 1))
        .collect();
    let known = Known {
        tampered_at: Some("2026-11-20T09:06:00Z".parse().unwrap()),
        ..Known::default()
    };
    let summary = summary_of(&records, known, None);
    assert_eq!(summary.calls_after_tampering, Some(3));
    let mark = summary
        .marks
        .iter()
        .find(|m| m.rule == MarkRule::AfterTampering)
        .unwrap();
    assert_eq!(mark.evidence.event_ids.len(), 3);
}

#[test]
fn a_summary_says_what_was_done_with_what_from_where() {
    let records = [
        with(
            call("s3", "GetObject"),
            json!({"/requestParameters": {"bucketName": "data"}}),
        ),
        with(
            call("s3", "GetObject"),
            json!({"/errorCode": "NoSuchKey", "/requestParameters": {"bucketName": "data"}, "/eventTime": "2026-11-20T10:00:00Z"}),
        ),
        with(
            call("monitoring", "PutMetricData"),
            json!({"/eventTime": "redacted"}),
        ),
    ];
    let json = serde_json::to_value(summary_of(&records, Known::default(), None)).unwrap();
    assert_eq!(
        (
            &json["calls"],
            &json["failed_calls"],
            &json["undated_calls"]
        ),
        (&json!(3), &json!(1), &json!(1))
    );
    assert_eq!(json["actions"][0]["service"], "cloudwatch");
    let action = &json["actions"][1];
    assert_eq!(
        (&action["service"], &action["action"]),
        (&json!("s3"), &json!("GetObject"))
    );
    assert_eq!(action["first_at"], "2026-11-20T09:00:00Z");
    assert_eq!(action["last_at"], "2026-11-20T10:00:00Z");
    for (field, values) in [
        ("errors", json!({"NoSuchKey": 1})),
        ("resources", json!({"data": 2})),
        ("addresses", json!({HOME: 2})),
        ("user_agents", json!({INSIDE: 2})),
        ("sessions", json!({"billing": 2})),
        ("access_keys", json!({"ASIAEXAMPLEEXAMPLE01": 2})),
    ] {
        assert_eq!(
            action[field],
            json!({"calls_by_value": values, "more_calls": 0}),
            "{field}"
        );
    }
}

/// Whoever makes the calls decides how many names there are, and how long.
#[test]
fn what_is_distinct_is_bounded_and_what_is_beyond_is_counted() {
    let mut activity = Activity::new(Known {
        tampered_at: Some(jiff::Timestamp::UNIX_EPOCH),
        ..Known::default()
    });
    let calls = 20_000;
    for index in 0..calls {
        activity.add(&with(
            call("s3", &format!("Action{}", index % 5_000)),
            json!({
                "/sourceIPAddress": format!("198.51.{}.{}", index / 256 % 256, index % 256),
                "/userAgent": format!("{index}{}", "é".repeat(4_000)),
                "/userIdentity/accessKeyId": index.to_string(),
                "/userIdentity/arn": format!("arn:aws:sts::111122223333:assumed-role/r/{index}"),
                "/errorCode": "AccessDenied",
                "/requestParameters": {"name": index.to_string()},
            }),
        ));
    }
    let summary = activity.summary(Some(&Baseline::default()));
    assert_eq!(summary.totals.calls, calls);
    assert_eq!(summary.totals.more_actions_calls, calls / 5_000 * 3_000);
    let addresses = &summary.totals.addresses;
    let kept: u64 = addresses.calls_by_value.values().sum();
    assert_eq!(kept + addresses.more_calls, calls);
    assert_eq!(summary.marks.len(), 500);
    assert!(summary.more_marks > 0 && summary.unplaced_calls > 0);
    let bytes = serde_json::to_string(&activity).unwrap().len();
    assert!(bytes < 24 << 20, "{bytes} bytes are kept");
}

#[test]
fn names_that_others_chose_are_fit_for_a_line() {
    let record = with(
        call("s3", "GetObject"),
        json!({"/userIdentity/arn": "arn:aws:sts::1:assumed-role/r/a\n\u{1b}[31m",
        "/userAgent": CLI, "/userIdentity/inScopeOf": null}),
    );
    let known = Known {
        functions: ["a\n\u{1b}[31m".to_owned()].into(),
        ..Known::default()
    };
    let summary = summary_of(&[record], known, None);
    assert!(
        summary.marks[0].statement.contains(r"a\n\u{1b}[31m"),
        "{}",
        summary.marks[0].statement
    );
}

proptest! {
    /// Whatever a record holds, it can be summed up.
    #[test]
    fn any_record_can_be_added(
        fields in prop::collection::vec((prop::sample::select(&["/userIdentity", "/userIdentity/arn", "/eventTime", "/eventSource",
            "/eventName", "/sourceIPAddress", "/userAgent", "/requestParameters", "/errorCode", "/errorMessage", "/resources"][..]),
            prop_oneof![Just(json!(null)), Just(json!([])), Just(json!({"a": 1})), ".{0,40}".prop_map(Value::from), any::<i64>().prop_map(Value::from)]), 0..8)
    ) {
        let mut value = call("sts", "AssumeRole");
        for (pointer, change) in fields {
            if let Some(place) = value.pointer_mut(pointer) { *place = change; }
        }
        let record = Record::new(value);
        let mut activity = Activity::default();
        let mut baseline = Baseline::default();
        activity.add(&record);
        baseline.add(&record);
        prop_assert_eq!(activity.summary(Some(&baseline)).totals.calls, 1);
        query("resource", "x").matches(&record);
        query("session", "x").matches(&record);
        query("role", ROLE).matches(&record);
    }
}
