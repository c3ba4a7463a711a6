//! What holds for any input at all, and for every real record at hand.

#![allow(clippy::unwrap_used, reason = "what a test cannot read, fails it")]

use evidence::{ResourceKind, Target};
use proptest::prelude::*;
use serde_json::{Map, Value, json};
use trail::{
    Classification, Decision, Record, Scope, Standing, TABLE, classify, own_tracing_change, row,
    to_trigger, unwrap, unwrap_value,
};

/// Any JSON, up to some depth.
fn any_json() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        ".{0,24}".prop_map(Value::from),
        r#"[{}\[\]":,a\\]{0,24}"#.prop_map(Value::from),
        "(arn:aws:(lambda|iam|logs|sqs|kms|states):[a-z:/0-9*$-]{0,40})".prop_map(Value::from),
    ];
    leaf.prop_recursive(6, 48, 6, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..6).prop_map(Value::from),
            prop::collection::vec((field(), inner.clone()), 0..6)
                .prop_map(|fields| Value::Object(fields.into_iter().collect::<Map<_, _>>())),
            // JSON inside a string, as carriers have it.
            inner.prop_map(|value| Value::String(value.to_string())),
        ]
    })
}

/// Fields that mean something here, and others.
fn field() -> impl Strategy<Value = String> {
    const FIELDS: &[&str] = &[
        "Records",
        "Events",
        "Messages",
        "logEvents",
        "detail",
        "detail-type",
        "body",
        "Body",
        "Sns",
        "Message",
        "message",
        "CloudTrailEvent",
        "eventName",
        "eventSource",
        "eventID",
        "eventTime",
        "eventCategory",
        "requestParameters",
        "responseElements",
        "userIdentity",
        "errorCode",
        "errorMessage",
        "readOnly",
        "awsRegion",
        "functionName",
        "qualifier",
        "layerName",
        "resource",
        "roleName",
        "logGroupName",
        "keyId",
        "queueUrl",
        "executionArn",
        "alarmNames",
        "resources",
    ];
    prop_oneof![
        prop::sample::select(FIELDS).prop_map(String::from),
        ".{0,8}"
    ]
}

/// A record of a call in the table, whose fields are anything.
fn any_known_record() -> impl Strategy<Value = Value> {
    let date = prop::sample::select(&["", "20150331", "20150331v2"][..]);
    let call = (prop::sample::select(TABLE), date);
    let fields = || prop::collection::vec((field(), any_json()), 0..8);
    (call, fields(), fields(), any_json(), any_json()).prop_map(
        |((row, date), request, response, error, identity)| {
            json!({
                "eventName": format!("{}{date}", row.base_name),
                "eventSource": format!("{}.amazonaws.com", row.service),
                "requestParameters": request.into_iter().collect::<Map<_, _>>(),
                "responseElements": response.into_iter().collect::<Map<_, _>>(),
                "errorCode": error, "userIdentity": identity, "recipientAccountId": "111122223333",
                "awsRegion": "eu-west-1", "eventTime": "2026-11-20T09:12:33Z",
            })
        },
    )
}

/// What must be true of every classification.
fn is_sound(record: &Record, made: &Classification) {
    assert!(!made.reason.is_empty());
    if made.decision == Decision::Respond {
        assert!(!made.targets.is_empty(), "{made:?}");
        assert!(made.category.is_some() && made.severity.is_some() && made.technique.is_some());
        assert!(record.error_code().is_none() && record.is_read_only() != Some(true));
    } else {
        assert_eq!(to_trigger(record, made), None);
    }
    for target in &made.targets {
        assert!(!target.name.is_empty());
    }
    assert!(serde_json::to_string(made).is_ok());
}

proptest! {
    #[test]
    fn no_bytes_make_it_panic(bytes in prop::collection::vec(any::<u8>(), 0..256)) {
        let _ = unwrap(&bytes);
    }

    #[test]
    fn no_json_makes_it_panic(value in any_json()) {
        let own = [Target::aws("111122223333", "eu-west-1", ResourceKind::Function, "a")];
        let scope = Scope::new(own, Some("arn:aws:iam::111122223333:role/r".into()));
        for record in unwrap_value(value.clone()).into_iter().flatten() {
            is_sound(&record, &classify(&record, &scope));
        }
        let record = Record::new(value);
        is_sound(&record, &classify(&record, &scope));
        let _ = own_tracing_change(&record, "arn:aws:iam::111122223333:role/r");
    }

    #[test]
    fn a_known_call_with_any_parameters_is_classified_soundly(value in any_known_record()) {
        let record = Record::new(value);
        let made = classify(&record, &Scope::default());
        is_sound(&record, &made);
        prop_assert!(made.category.is_some());
    }

    #[test]
    fn wrapping_changes_nothing(value in any_known_record()) {
        let bare = Record::new(value.clone());
        let in_sqs = json!({"Records": [{"body": json!({"detail": value}).to_string()}]});
        // Through text and back, as a fraction may be spelled anew.
        let read: Value = serde_json::from_str(&value.to_string()).unwrap();
        prop_assert_eq!(unwrap_value(in_sqs), vec![Ok(Record::new(read))]);
        prop_assert_eq!(unwrap_value(value), vec![Ok(bare)]);
    }

    #[test]
    fn a_failed_call_never_opens_a_case(row in prop::sample::select(TABLE), code in "[A-Z][a-z]{1,12}") {
        let record = Record::new(json!({
            "eventName": row.base_name, "eventSource": format!("{}.amazonaws.com", row.service),
            "errorCode": code, "requestParameters": {"functionName": "billing", "roleName": "r"},
            "recipientAccountId": "111122223333", "awsRegion": "eu-west-1",
        }));
        let own = [Target::aws("111122223333", "eu-west-1", ResourceKind::Function, "billing")];
        let made = classify(&record, &Scope::new(own, None));
        prop_assert_eq!(made.decision, Decision::Record);
        prop_assert!(made.reason.contains(&code) && made.reason.contains("attempt"));
    }

    #[test]
    fn a_mere_prefix_of_a_name_is_another_call(row in prop::sample::select(TABLE), more in "[A-Z][a-z]{2,8}") {
        let name = format!("{}{more}", row.base_name);
        prop_assume!(trail::row(row.service, &name).is_none());
        let record = Record::new(json!({
            "eventName": name, "eventSource": format!("{}.amazonaws.com", row.service),
            "requestParameters": {"functionName": "billing", "roleName": "r", "name": "t"},
        }));
        prop_assert_ne!(classify(&record, &Scope::default()).decision, Decision::Respond);
    }
}

#[test]
fn only_the_very_same_part_is_the_responders_own() {
    let own = "arn:aws:lambda:eu-west-1:111122223333:function:coldcase-respond";
    let role = "arn:aws:iam::111122223333:role/coldcase-respond";
    let scope = Scope::new([Target::from_arn(own).unwrap()], Some(role.into()));
    for (arn, owned) in [
        (own, true),
        (
            "arn:aws:lambda:eu-west-1:111122223333:function:coldcase-respond:7",
            true,
        ),
        (role, true),
        (
            "arn:aws:lambda:eu-west-1:111122223333:function:coldcase-respond-2",
            false,
        ),
        (
            "arn:aws:lambda:eu-west-1:111122223333:function:coldcase",
            false,
        ),
        (
            "arn:aws:lambda:us-east-1:111122223333:function:coldcase-respond",
            false,
        ),
        (
            "arn:aws:lambda:eu-west-1:444455556666:function:coldcase-respond",
            false,
        ),
        (
            "arn:aws:lambda:eu-west-1:111122223333:layer:coldcase-respond",
            false,
        ),
        ("arn:aws:iam::444455556666:role/coldcase-respond", false),
    ] {
        assert_eq!(scope.owns(&Target::from_arn(arn).unwrap()), owned, "{arn}");
    }
}

#[test]
fn a_part_may_be_named_by_its_beginning_and_be_in_any_region() {
    let scope = Scope::new(
        [
            "arn:aws:events:eu-west-1:111122223333:rule/coldcase-*",
            "arn:aws:events:*:111122223333:rule/coldcase-eu-west-1-*",
        ]
        .map(|arn| Target::from_arn(arn).unwrap()),
        None,
    );
    for (arn, owned) in [
        (
            "arn:aws:events:eu-west-1:111122223333:rule/coldcase-lambda",
            true,
        ),
        ("arn:aws:events:eu-west-1:111122223333:rule/coldcase", false),
        (
            "arn:aws:events:eu-west-1:111122223333:rule/coldcase-bus/nightly",
            false,
        ),
        (
            "arn:aws:events:us-east-1:111122223333:rule/coldcase-lambda",
            false,
        ),
        (
            "arn:aws:events:us-east-1:111122223333:rule/coldcase-eu-west-1-iam",
            true,
        ),
        (
            "arn:aws:events:us-east-1:444455556666:rule/coldcase-eu-west-1-iam",
            false,
        ),
        (
            "arn:aws:cloudwatch:eu-west-1:111122223333:alarm:coldcase-errors",
            false,
        ),
    ] {
        assert_eq!(scope.owns(&Target::from_arn(arn).unwrap()), owned, "{arn}");
    }
}

const ROLE: &str = "arn:aws:iam::111122223333:role/coldcase-respond";

/// A call on the function `billing`, by whoever it says.
fn call(name: &str, identity: Value, request: Value) -> Value {
    json!({
        "eventID": "1", "eventName": name, "eventTime": "2026-11-20T09:12:33Z",
        "eventSource": "lambda.amazonaws.com", "awsRegion": "eu-west-1",
        "recipientAccountId": "111122223333", "userIdentity": identity, "requestParameters": request,
    })
}

fn by_us() -> Value {
    json!({"type": "AssumedRole", "sessionContext": {"sessionIssuer": {"arn": ROLE}}})
}

#[test]
fn what_application_auto_scaling_does_by_itself_opens_no_case() {
    let scope = Scope::default();
    let scaling = "application-autoscaling.amazonaws.com";
    let request = || json!({"functionName": "billing", "qualifier": "live"});
    for name in [
        "PutProvisionedConcurrencyConfig",
        "DeleteProvisionedConcurrencyConfig",
    ] {
        let decision = |record| classify(&Record::new(record), &scope).decision;
        let invoked = call(name, json!({"invokedBy": scaling}), request());
        assert_eq!(decision(invoked), Decision::Record);
        let mut sent = call(name, json!({}), request());
        assert_eq!(decision(sent.clone()), Decision::Respond);
        sent["sourceIPAddress"] = json!(scaling);
        assert_eq!(decision(sent), Decision::Record);
    }
    let other = call(
        "UpdateFunctionCode20150331v2",
        json!({"invokedBy": scaling}),
        request(),
    );
    assert_eq!(
        classify(&Record::new(other), &scope).decision,
        Decision::Respond
    );
}

#[test]
fn who_gives_the_responders_role_to_a_function_touches_the_responder() {
    let scope = Scope::new([], Some(ROLE.into()));
    for name in [
        "CreateFunction20150331",
        "UpdateFunctionConfiguration20150331v2",
    ] {
        let given = call(
            name,
            json!({}),
            json!({"functionName": "billing", "role": ROLE}),
        );
        let made = classify(&Record::new(given), &scope);
        assert_eq!(made.decision, Decision::Respond);
        assert_eq!(made.severity, Some(evidence::Severity::Critical));
        assert_eq!(made.category, Some(evidence::Category::AntiForensics));
        let about: Vec<_> = made.targets.iter().map(Target::arn).collect();
        let billing = "arn:aws:lambda:eu-west-1:111122223333:function:billing";
        assert_eq!(about, [ROLE, billing], "{}", made.reason);
        let mut refused = call(name, json!({}), Value::Null);
        refused["errorCode"] = json!("AccessDenied");
        refused["errorMessage"] = json!(format!(
            "User: arn:aws:iam::111122223333:user/mallory is not authorized to perform: iam:PassRole on resource: {ROLE} because no identity-based policy allows the iam:PassRole action"
        ));
        let made = classify(&Record::new(refused), &scope);
        assert_eq!(made.decision, Decision::Record);
        assert_eq!(made.severity, Some(evidence::Severity::Critical));
        assert_eq!(made.targets[0].arn(), ROLE);
    }
}

#[test]
fn what_the_responders_role_fails_at_is_critical_but_for_tracing() {
    let scope = Scope::new([], Some(ROLE.into()));
    let tracing = json!({"functionName": "billing", "revisionId": "r1",
        "tracingConfig": {"mode": "Active"}, "environment": {}});
    for (name, request, severity, words) in [
        (
            "UpdateFunctionCode20150331v2",
            json!({"functionName": "billing"}),
            evidence::Severity::Critical,
            "which never does that",
        ),
        (
            "UpdateFunctionConfiguration20150331v2",
            json!({"functionName": "billing", "layers": []}),
            evidence::Severity::Critical,
            "which never does that",
        ),
        (
            "UpdateFunctionConfiguration20150331v2",
            tracing.clone(),
            evidence::Severity::High,
            "unless the vault holds the intent",
        ),
        (
            "CreateCapacityProvider20251130",
            json!({}),
            evidence::Severity::Critical,
            "never does that",
        ),
    ] {
        let mut failed = call(name, by_us(), request);
        failed["errorCode"] = json!("ResourceNotFoundException");
        let record = Record::new(failed);
        let made = classify(&record, &scope);
        assert!(scope.acted(&record));
        assert_eq!(made.decision, Decision::Record);
        assert_eq!(made.severity, Some(severity), "{}", made.reason);
        assert!(made.reason.contains(words), "{}", made.reason);
    }
}

#[test]
fn every_row_is_answered_with_a_case_on_the_responders_own_part() {
    let account = "111122223333";
    let here = |kind, name: &str| Target::aws(account, "eu-west-1", kind, name);
    let own = [
        here(ResourceKind::Function, "own"),
        here(ResourceKind::Layer, "own"),
        here(ResourceKind::CodeSigningConfig, "own"),
        here(ResourceKind::Role, "own"),
        here(ResourceKind::Policy, "own"),
        here(ResourceKind::LogGroup, "own"),
        here(ResourceKind::Trail, "own"),
        here(ResourceKind::Rule, "own"),
        here(ResourceKind::Bucket, "own"),
        here(ResourceKind::Key, "alias/own"),
        here(ResourceKind::Queue, "own"),
        here(ResourceKind::Topic, "own"),
        here(ResourceKind::StateMachine, "own"),
        here(ResourceKind::Alarm, "own"),
    ];
    let scope = Scope::new(own, None);
    for row in TABLE.iter().filter(|row| !row.subject.kinds().is_empty()) {
        let lambda = row.service == "lambda";
        let record = Record::new(json!({
            "eventID": "1", "eventName": row.base_name, "eventTime": "2026-11-20T09:12:33Z",
            "eventSource": format!("{}.amazonaws.com", row.service),
            "awsRegion": "eu-west-1", "recipientAccountId": account,
            "requestParameters": {
                "functionName": "own", "layerName": "own", "roleName": "own", "bucketName": "own",
                "resource": "arn:aws:lambda:eu-west-1:111122223333:function:own",
                "codeSigningConfigArn": "arn:aws:lambda:eu-west-1:111122223333:code-signing-config:own",
                "policyArn": "arn:aws:iam::111122223333:policy/own", "logGroupName": "own",
                "name": if lambda { "live" } else { "own" }, "trailName": "own",
                "keyId": "alias/own", "aliasName": "alias/own",
                "queueUrl": "https://sqs.eu-west-1.amazonaws.com/111122223333/own",
                "topicArn": "arn:aws:sns:eu-west-1:111122223333:own", "alarmName": "own",
                "stateMachineArn": "arn:aws:states:eu-west-1:111122223333:stateMachine:own",
            },
        }));
        let made = classify(&record, &scope);
        let name = row.base_name;
        assert_eq!(made.decision, Decision::Respond, "{name}");
        assert_eq!(made.severity, Some(evidence::Severity::Critical), "{name}");
        assert_eq!(
            made.category,
            Some(evidence::Category::AntiForensics),
            "{name}"
        );
        assert!(made.reason.contains("responder's own"), "{name}");
        assert!(to_trigger(&record, &made).is_some(), "{name}");
    }
}

#[test]
fn a_redelivered_record_without_an_id_has_the_same_trigger() {
    let record = || {
        Record::new(json!({
            "eventName": "UpdateFunctionCode", "eventSource": "lambda.amazonaws.com",
            "eventTime": "2026-11-20T09:12:33Z", "requestParameters": {"functionName": "billing"},
        }))
    };
    let trigger = |record: Record| to_trigger(&record, &classify(&record, &Scope::default()));
    let one = trigger(record()).unwrap();
    assert_eq!(Some(&one), trigger(record()).as_ref());
    assert!(one.identity().starts_with("sha256:"));
}

/// Names that AWS documents; the table must know each.
#[test]
fn the_table_knows_every_documented_call_that_touches_a_function_or_its_traces() {
    let documented = [
        (
            "lambda",
            "UpdateFunctionCode UpdateFunctionConfiguration AddPermission RemovePermission CreateFunction DeleteFunction PublishVersion CreateAlias UpdateAlias DeleteAlias CreateEventSourceMapping UpdateEventSourceMapping DeleteEventSourceMapping PublishLayerVersion DeleteLayerVersion PutFunctionConcurrency DeleteFunctionConcurrency TagResource UntagResource AddLayerVersionPermission CreateFunctionUrlConfig UpdateFunctionUrlConfig DeleteFunctionUrlConfig PutFunctionCodeSigningConfig DeleteFunctionCodeSigningConfig UpdateCodeSigningConfig DeleteCodeSigningConfig PutFunctionEventInvokeConfig UpdateFunctionEventInvokeConfig DeleteFunctionEventInvokeConfig PutRuntimeManagementConfig PutProvisionedConcurrencyConfig DeleteProvisionedConcurrencyConfig PutFunctionRecursionConfig",
        ),
        (
            "iam",
            "UpdateAssumeRolePolicy AttachRolePolicy DetachRolePolicy PutRolePolicy DeleteRolePolicy CreatePolicyVersion SetDefaultPolicyVersion DeletePolicyVersion PutRolePermissionsBoundary DeleteRolePermissionsBoundary UpdateRole CreateRole DeleteRole",
        ),
        (
            "cloudtrail",
            "StopLogging DeleteTrail UpdateTrail PutEventSelectors",
        ),
        (
            "logs",
            "DeleteLogGroup DeleteLogStream PutRetentionPolicy PutSubscriptionFilter DeleteSubscriptionFilter",
        ),
        (
            "events",
            "DisableRule DeleteRule RemoveTargets PutRule PutTargets",
        ),
        ("cloudwatch", "DeleteAlarms"),
        (
            "s3",
            "PutBucketPolicy DeleteBucketPolicy PutBucketLifecycle PutBucketVersioning PutObjectLockConfiguration PutBucketObjectLockConfiguration DeleteBucketEncryption",
        ),
        ("kms", "DisableKey ScheduleKeyDeletion PutKeyPolicy"),
    ];
    for (service, names) in documented {
        for name in names.split(' ') {
            assert!(row(service, name).is_some(), "{service} {name}");
        }
    }
}

/// Real records are kept outside the repository; where they are absent there is nothing to check.
fn real_records() -> Vec<(String, Value)> {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../../../shared/data/aws");
    let Ok(files) = std::fs::read_dir(folder) else {
        return Vec::new();
    };
    let mut found = Vec::new();
    for path in files.map(|file| file.unwrap().path()) {
        if path
            .extension()
            .is_none_or(|extension| extension != "ndjson")
        {
            continue;
        }
        let name = path.file_stem().unwrap().to_string_lossy().into_owned();
        for line in std::fs::read_to_string(&path).unwrap().lines() {
            let mut wrapped: Value = serde_json::from_str(line).unwrap();
            found.push((name.clone(), wrapped["record"].take()));
        }
    }
    found
}

#[test]
fn every_real_record_is_read_as_one_record_and_classified_soundly() {
    for (file, value) in real_records() {
        let found = unwrap_value(value.clone());
        assert!(
            matches!(&found[..], [Ok(record)] if *record.raw() == value),
            "{file}: {value}"
        );
        let record = Record::new(value);
        is_sound(&record, &classify(&record, &Scope::default()));
    }
}

#[test]
fn no_real_look_alike_is_taken_for_a_call() {
    for (file, value) in real_records() {
        if file == "not-cloudtrail" {
            let made = classify(&Record::new(value), &Scope::default());
            assert_eq!(made.decision, Decision::Ignore, "{made:?}");
            assert_eq!(made.category, None);
        }
    }
}

#[test]
fn every_real_write_to_lambda_is_known_and_names_its_function() {
    for (_, value) in real_records() {
        let record = Record::new(value);
        let writes = record.service() == Some("lambda")
            && record.is_read_only() != Some(true)
            && record.event_category() != Some("Data")
            && record.error_code().is_none();
        if let (true, Some(name)) = (writes, record.base_name()) {
            let row = row("lambda", name).unwrap_or_else(|| panic!("{name} is in no row"));
            let made = classify(&record, &Scope::default());
            if row.standing == Standing::Respond {
                assert_eq!(made.decision, Decision::Respond, "{made:?}");
                assert_eq!(made.targets.len(), 1);
                assert_eq!(made.targets[0].kind, ResourceKind::Function);
            }
        }
    }
}

#[test]
fn no_real_read_or_failure_opens_a_case() {
    for (_, value) in real_records() {
        let record = Record::new(value);
        let made = classify(&record, &Scope::default());
        if record.is_read_only() == Some(true) {
            assert_eq!(made.decision, Decision::Ignore);
        } else if record.error_code().is_some() {
            assert_ne!(made.decision, Decision::Respond);
        }
    }
}

#[test]
fn every_real_time_that_is_one_is_read() {
    for (_, value) in real_records() {
        let record = Record::new(value);
        let text = record.raw()["eventTime"].as_str().unwrap_or_default();
        let is_time = text.len() >= 19 && text.starts_with("20");
        assert_eq!(
            record.occurred_at().is_some(),
            is_time || text.starts_with("1970"),
            "{text}"
        );
    }
}
