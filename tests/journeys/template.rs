//! The template says what the code says: exactly these permissions, exactly these events.
#![allow(clippy::unwrap_used, clippy::expect_used)]

use coldcase_tests::repository;
use serde_json::{Map, Value, json};
use serde_yaml_ng::Value as Yaml;
use std::collections::{BTreeMap, BTreeSet};
use trail::patterns::{MAX_PATTERN, is_narrowed, lets_through, rules};

/// As long as the template's head allows a name to be.
const STACK: &str = "a-stack-whose-name-is-quite-long";

/// The template as JSON. Of each `!If` the first branch: everything optional is there. Names and ARNs
/// of resources are made up.
fn template() -> Value {
    let text = std::fs::read_to_string(repository().join("template.yaml")).unwrap();
    resolved(&serde_yaml_ng::from_str(&text).unwrap())
}

fn resolved(yaml: &Yaml) -> Value {
    match yaml {
        Yaml::Sequence(items) => items.iter().map(resolved).collect(),
        Yaml::Mapping(fields) => {
            let field = |(name, value): (&Yaml, &Yaml)| {
                (name.as_str().unwrap().to_owned(), resolved(value))
            };
            Value::Object(fields.iter().map(field).collect::<Map<_, _>>())
        }
        Yaml::Tagged(tagged) => {
            let value = resolved(&tagged.value);
            match tagged.tag.to_string().as_str() {
                "!If" => value[1].clone(),
                "!Ref" => value_of(value.as_str().unwrap()).into(),
                "!GetAtt" => value_of(value.as_str().unwrap()).into(),
                "!Sub" => substituted(value.as_str().unwrap()).into(),
                other => json!({ other: value }),
            }
        }
        plain => serde_json::to_value(plain).unwrap(),
    }
}

fn substituted(text: &str) -> String {
    let mut parts = text.split("${");
    let mut whole = parts.next().unwrap().to_owned();
    for part in parts {
        let (name, rest) = part.split_once('}').unwrap();
        whole.push_str(&value_of(name));
        whole.push_str(rest);
    }
    whole
}

fn value_of(name: &str) -> String {
    match name {
        "AWS::StackName" => STACK.to_owned(),
        "AWS::AccountId" => "111122223333".to_owned(),
        "AWS::Region" => "ap-southeast-2".to_owned(),
        "AWS::Partition" => "aws".to_owned(),
        "Bucket" => format!("{STACK}-bucket-1a2b3c4d5e6f"),
        "Topic" => format!("arn:aws:sns:ap-southeast-2:111122223333:{STACK}-alerts"),
        // As CloudFormation names what has no name of its own.
        name if name.ends_with("Role") => format!("{STACK}-{name}-1A2B3C4D5E6F"),
        name if name.ends_with("Role.Arn") => {
            let role = value_of(name.strip_suffix(".Arn").unwrap());
            format!("arn:aws:iam::111122223333:role/{role}")
        }
        "SigningKey" | "BucketKey" => {
            format!("0c0ffee0-1111-2222-3333-{:0>12}", name.to_lowercase())
        }
        "SigningKey.Arn" | "BucketKey.Arn" => {
            let id = value_of(name.strip_suffix(".Arn").unwrap());
            format!("arn:aws:kms:ap-southeast-2:111122223333:key/{id}")
        }
        other => format!("<{other}>"),
    }
}

/// One or many, as many.
fn many(value: &Value) -> Vec<&Value> {
    match value {
        Value::Array(items) => items.iter().collect(),
        one => vec![one],
    }
}

fn statements(of: &str) -> Vec<Value> {
    let resource = &template()["Resources"][of]["Properties"];
    let statements = resource["PolicyDocument"]["Statement"].as_array().unwrap();
    assert!(!statements.is_empty(), "{of}");
    statements.clone()
}

fn actions(statements: &[Value]) -> BTreeSet<String> {
    let actions = statements.iter().flat_map(|one| many(&one["Action"]));
    actions
        .map(|one| one.as_str().unwrap().to_owned())
        .collect()
}

fn allowing(policy: &str) -> Vec<Value> {
    let mut allowing = statements(policy);
    allowing.retain(|statement| statement["Effect"] == "Allow");
    allowing
}

#[test]
fn each_role_is_allowed_what_its_code_declares_and_nothing_else() {
    let mut declared = BTreeSet::new();
    let collectors = collectors::aws::permissions();
    declared.extend(collectors.iter().map(|one| one.action.to_owned()));
    declared.extend(
        collectors::aws::LOCATE_PERMISSIONS
            .iter()
            .map(|one| (*one).to_owned()),
    );
    declared.extend(vault::PERMISSIONS.iter().map(|one| one.action.to_owned()));
    declared.extend(respond::PERMISSIONS.iter().map(|one| one.action.to_owned()));
    assert_eq!(actions(&allowing("RespondPolicy")), declared);

    let mut declared = BTreeSet::new();
    let collectors = collectors::aws::window::permissions();
    declared.extend(collectors.iter().map(|one| one.action.to_owned()));
    declared.extend(vault::PERMISSIONS.iter().map(|one| one.action.to_owned()));
    declared.extend(
        investigate::PERMISSIONS
            .iter()
            .map(|(action, _)| (*action).to_owned()),
    );
    assert_eq!(actions(&allowing("InvestigatePolicy")), declared);

    let declared = examine::PERMISSIONS.iter();
    let declared = declared.map(|(action, ..)| (*action).to_owned()).collect();
    assert_eq!(actions(&allowing("ExaminePolicy")), declared);
}

#[test]
fn what_opens_untrusted_packages_writes_under_examinations_and_signs_nothing() {
    for statement in allowing("ExaminePolicy") {
        let writes = actions(std::slice::from_ref(&statement))
            .iter()
            .any(|action| action.starts_with("s3:Put"));
        let resources = many(&statement["Resource"]);
        let examinations = |one: &&Value| one.as_str().unwrap().ends_with("/examinations/*");
        assert!(!writes || resources.iter().all(examinations), "{statement}");
    }
    let denying = statements("BucketPolicy").into_iter().find(|statement| {
        statement["Condition"]["ArnEquals"]["aws:PrincipalArn"] == value_of("ExamineRole.Arn")
    });
    let denying = denying.unwrap();
    assert_eq!(denying["Effect"], "Deny");
    assert!(actions(std::slice::from_ref(&denying)).contains("s3:PutObject"));
    let but = denying["NotResource"].as_str().unwrap();
    assert!(but.ends_with("/examinations/*"), "{but}");
    let key = template()["Resources"]["SigningKey"].to_string();
    assert!(key.contains("InvestigateRole") && !key.contains("ExamineRole"));
}

#[test]
fn who_records_functions_has_its_power_and_no_other() {
    let mut declared = BTreeSet::new();
    let collectors = baseline::permissions();
    declared.extend(collectors.iter().map(|one| one.action.to_owned()));
    declared.extend(vault::PERMISSIONS.iter().map(|one| one.action.to_owned()));
    declared.extend(
        baseline::PERMISSIONS
            .iter()
            .map(|(action, _)| (*action).to_owned()),
    );
    assert_eq!(actions(&allowing("BaselinePolicy")), declared);
}

#[test]
fn who_contains_may_read_all_that_a_release_compares() {
    let read = baseline::permissions().into_iter();
    let read: BTreeSet<String> = read.map(|one| one.action.to_owned()).collect();
    let may = actions(&allowing("ContainPolicy"));
    let missing: Vec<_> = read.difference(&may).collect();
    assert!(missing.is_empty(), "{missing:?}");
}

#[test]
fn a_sweep_asks_no_faster_than_the_owner_allows() {
    let machine = repository().join("infra/baseline.asl.json");
    let machine: Value = serde_json::from_slice(&std::fs::read(machine).unwrap()).unwrap();
    let at_a_time = &machine["States"]["RecordAll"]["MaxConcurrency"];
    assert_eq!(*at_a_time, baseline::BATCHES_AT_A_TIME);
}

#[test]
fn who_records_functions_writes_no_exhibits_but_of_what_is_contained_and_no_words_of_others() {
    let written = allowing("BaselinePolicy").into_iter().filter(|statement| {
        let actions = many(&statement["Action"]);
        actions.contains(&&json!("s3:PutObject"))
    });
    let places = written.flat_map(|one| {
        many(&one["Resource"])
            .into_iter()
            .cloned()
            .collect::<Vec<_>>()
    });
    let bucket = value_of("Bucket.Arn");
    let places: Vec<String> = places
        .map(|one| one.as_str().unwrap().replace(&bucket, ""))
        .collect();
    let wanted = [
        "/baselines/*",
        "/content/*",
        "/cases/*/manifest-*",
        "/cases/*/signer-*",
        // The function as it is right before somebody contains or releases it.
        "/cases/*/exhibits/before-*",
    ];
    assert_eq!(places, wanted);
}

#[test]
fn no_action_is_a_pattern_and_every_statement_names_what_it_is_about() {
    // Where AWS knows no resource to name, by the Service Authorization Reference's tables of
    // actions (docs.aws.amazon.com/service-authorization/latest/reference/list_*.html).
    let unnamable = BTreeMap::from([
        (
            "lambda:ListEventSourceMappings",
            "list_awslambda.html: no resource type",
        ),
        (
            "lambda:ListFunctions",
            "list_awslambda.html: no resource type",
        ),
        // Asked of the account's list as a whole, whatever prefix the call names
        // (github.com/hashicorp/terraform-provider-aws/issues/8804).
        ("logs:DescribeLogGroups", "list_amazoncloudwatchlogs.html"),
        (
            "cloudtrail:DescribeTrails",
            "list_awscloudtrail.html: no resource type",
        ),
        (
            "cloudtrail:ListPublicKeys",
            "list_awscloudtrail.html: no resource type",
        ),
        (
            "cloudtrail:LookupEvents",
            "list_awscloudtrail.html: no resource type",
        ),
        (
            "logs:GetQueryResults",
            "list_amazoncloudwatchlogs.html: no resource type",
        ),
        (
            "xray:BatchGetTraces",
            "list_awsx-ray.html: no resource type",
        ),
        (
            "xray:GetTraceSegmentDestination",
            "list_awsx-ray.html: no resource type",
        ),
        (
            "xray:GetTraceSummaries",
            "list_awsx-ray.html: no resource type",
        ),
    ]);
    let mut of_everything = BTreeSet::new();
    let mut people = statements("ResponderPolicy");
    people.extend(statements("AcceptPolicy"));
    people.extend(statements("ContainPolicy"));
    people.extend(allowing("RespondPolicy"));
    people.extend(allowing("InvestigatePolicy"));
    people.extend(allowing("ExaminePolicy"));
    people.extend(allowing("BaselinePolicy"));
    for statement in &people {
        for action in many(&statement["Action"]) {
            assert!(!action.as_str().unwrap().contains(['*', '?']), "{action}");
        }
        assert!(statement.get("NotAction").is_none() && statement.get("NotResource").is_none());
        if many(&statement["Resource"]).contains(&&json!("*")) {
            of_everything.extend(actions(std::slice::from_ref(statement)));
        }
    }
    let unnamable: BTreeSet<String> = unnamable.keys().map(|one| (*one).to_owned()).collect();
    assert_eq!(of_everything, unnamable);
}

#[test]
fn each_role_is_denied_the_destruction_of_evidence_whatever_else_it_is_given() {
    for policy in [
        "RespondPolicy",
        "InvestigatePolicy",
        "ExaminePolicy",
        "BaselinePolicy",
    ] {
        cannot_destroy(policy);
    }
}

fn cannot_destroy(policy: &str) {
    let mut denying = statements(policy);
    denying.retain(|statement| statement["Effect"] == "Deny");
    assert_eq!(denying.len(), 1);
    assert_eq!(denying[0]["Resource"], "*");
    assert!(denying[0].get("Condition").is_none());
    let denied = actions(&denying);
    for action in [
        "kms:DisableKey",
        "kms:ScheduleKeyDeletion",
        "s3:BypassGovernanceRetention",
        "s3:DeleteBucketPolicy",
        "s3:DeleteObject",
        "s3:DeleteObjectVersion",
        "s3:PutBucketObjectLockConfiguration",
        "s3:PutBucketPolicy",
        "s3:PutBucketVersioning",
        "s3:PutLifecycleConfiguration",
    ] {
        assert!(denied.contains(action), "{action}");
    }
    assert!(denied.is_disjoint(&actions(&allowing(policy))));
}

#[test]
fn the_bucket_refuses_a_key_that_only_the_writer_has() {
    // The local account does not know this condition key, so it is looked at here.
    let refusing = statements("BucketPolicy").into_iter().find(|statement| {
        let absent = &statement["Condition"]["Null"];
        absent["s3:x-amz-server-side-encryption-customer-algorithm"] == "false"
    });
    let refusing = refusing.unwrap();
    assert_eq!(refusing["Effect"], "Deny");
    assert_eq!(refusing["Principal"], "*");
    assert_eq!(refusing["Action"], "s3:PutObject");
}

/// The template's rules by the last part of their names.
fn patterns() -> BTreeMap<String, Value> {
    let template = template();
    let resources = template["Resources"].as_object().unwrap();
    let rules = resources
        .values()
        .filter(|one| one["Type"] == "AWS::Events::Rule");
    let named = |rule: &Value| {
        let name = rule["Properties"]["Name"].as_str().unwrap();
        let name = name.strip_prefix(&format!("{STACK}-")).unwrap();
        assert!(
            rule["Properties"]
                .get("State")
                .is_none_or(|state| state == "ENABLED")
        );
        (name.to_owned(), rule["Properties"]["EventPattern"].clone())
    };
    let mut patterns: BTreeMap<String, Value> = rules.map(named).collect();
    // Those that start sweeps let no call of anybody's through.
    patterns.retain(|name, _| !name.starts_with("baseline-"));
    patterns
}

#[test]
fn every_rule_lets_through_what_the_table_of_events_says() {
    let mut drawn: BTreeMap<String, Value> = BTreeMap::new();
    for (name, rule) in rules() {
        let prefixes = rule.name_prefixes.iter();
        let prefixes: Vec<Value> = prefixes.map(|prefix| json!({ "prefix": prefix })).collect();
        let pattern = json!({
            "source": [rule.source],
            "detail-type": ["AWS API Call via CloudTrail"],
            "detail": {"eventSource": [rule.event_source], "eventName": prefixes},
        });
        drawn.insert(name.to_owned(), pattern);
    }
    let mut written = patterns();
    for (name, pattern) in &mut written {
        let length = pattern.to_string().chars().count();
        assert!(length <= MAX_PATTERN, "{name}: {length}");
        let narrowed = pattern["detail"].as_object_mut().unwrap().remove("$or");
        assert_eq!(narrowed.is_some(), is_narrowed(name), "{name}");
    }
    assert_eq!(written, drawn);
}

#[test]
fn rules_about_the_responder_let_its_own_parts_through_and_nobody_elses() {
    let patterns = patterns();
    let (account, key) = ("111122223333", value_of("SigningKey.Arn"));
    let queue = |name: &str| format!("https://sqs.ap-southeast-2.amazonaws.com/{account}/{name}");
    let topic = |name: &str| format!("arn:aws:sns:ap-southeast-2:{account}:{name}");
    let own = |part: &str| format!("{STACK}-{part}");
    let execution = |machine: &str| {
        format!("arn:aws:states:ap-southeast-2:{account}:execution:{machine}:some-case")
    };
    let mut looked_at = BTreeSet::new();
    for (rule, event, parameter, ours, theirs) in [
        (
            "lambda",
            "CreateFunction20150331",
            "role",
            json!(value_of("RespondRole.Arn")),
            json!("another"),
        ),
        (
            "lambda",
            "PutFunctionConcurrency20171031",
            "functionName",
            json!(own("respond")),
            json!("billing"),
        ),
        (
            "iam",
            "PutRolePolicy",
            "roleName",
            json!(value_of("RespondRole")),
            json!("another"),
        ),
        (
            "logs",
            "DeleteLogGroup",
            "logGroupName",
            json!(value_of("RespondLog")),
            json!("another"),
        ),
        (
            "events",
            "DisableRule",
            "name",
            json!(own("lambda")),
            json!("nightly"),
        ),
        (
            "events",
            "RemoveTargets",
            "rule",
            json!(own("lambda")),
            json!("nightly"),
        ),
        (
            "s3",
            "PutBucketPolicy",
            "bucketName",
            json!(value_of("Bucket")),
            json!("inbox"),
        ),
        ("kms", "DisableKey", "keyId", json!(key), json!("another")),
        (
            "kms",
            "UpdateAlias",
            "targetKeyId",
            json!(key),
            json!("another"),
        ),
        (
            "sqs",
            "PurgeQueue",
            "queueUrl",
            json!(queue(&own("events"))),
            json!(queue("jobs")),
        ),
        (
            "sns",
            "DeleteTopic",
            "topicArn",
            json!(topic(&own("alerts"))),
            json!(topic("orders")),
        ),
        (
            "states",
            "StopExecution",
            "executionArn",
            json!(execution(&own("investigation"))),
            json!(execution("orders")),
        ),
        (
            "lambda",
            "UpdateFunctionCode20150331v2",
            "functionName",
            json!(own("investigate")),
            json!("investigate"),
        ),
        (
            "lambda",
            "UpdateFunctionConfiguration20150331v2",
            "functionName",
            json!(format!("111122223333:function:{}:7", own("examine"))),
            json!("111122223333:function:examine"),
        ),
        (
            "lambda",
            "UpdateFunctionConfiguration20150331v2",
            "role",
            json!(value_of("ExamineRole.Arn")),
            json!("arn:aws:iam::111122223333:role/ExamineRole"),
        ),
        (
            "iam",
            "PutRolePolicy",
            "roleName",
            json!(value_of("ExamineRole")),
            json!("ExamineRole"),
        ),
        (
            "logs",
            "DeleteLogGroup",
            "logGroupName",
            json!(value_of("ExamineLog")),
            json!("another"),
        ),
        (
            "iam",
            "AttachRolePolicy",
            "roleName",
            json!(value_of("InvestigateRole")),
            json!("another"),
        ),
        (
            "logs",
            "DeleteLogGroup",
            "logGroupName",
            json!(value_of("InvestigateLog")),
            json!("another"),
        ),
        (
            "cloudwatch",
            "DeleteAlarms",
            "alarmNames",
            json!([own("errors")]),
            json!(["errors"]),
        ),
    ] {
        let name = format!("responder-{rule}");
        let pattern = &patterns[&name];
        let event = |part: &Value| {
            json!({
                "source": pattern["source"][0],
                "detail-type": "AWS API Call via CloudTrail",
                "detail": {
                    "eventSource": pattern["detail"]["eventSource"][0],
                    "eventName": event,
                    "requestParameters": {parameter: part},
                },
            })
        };
        assert!(lets_through(pattern, &event(&ours)), "{name}: {ours}");
        assert!(!lets_through(pattern, &event(&theirs)), "{name}: {theirs}");
        looked_at.insert(name);
    }
    let narrowed = patterns.keys().filter(|name| is_narrowed(name)).cloned();
    assert_eq!(looked_at, narrowed.collect());
}
