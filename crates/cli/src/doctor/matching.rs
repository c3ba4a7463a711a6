//! Whether the rules match what they are for, and nothing else: EventBridge itself is asked with events
//! as CloudTrail sends them, and every row of the table of events is held against the patterns.

use super::Check;
use super::deployment::Deployment;
use super::line::{Lines, Trouble};
use aws_sdk_eventbridge::Client;
use futures_util::FutureExt as _;
use serde_json::{Value, json};
use trail::TABLE;
use trail::patterns::{is_narrowed, lets_through, rules};

pub(super) const CHECK: Check = Check {
    name: "matching",
    area: "The rules",
    actions: &["events:DescribeRule", "events:TestEventPattern"],
    needs_stack: true,
    look: |deployment, lines| look(deployment, lines).boxed(),
};

/// An event that EventBridge is asked about.
pub(super) struct Sample {
    /// The rule's name without the stack's.
    pub(super) rule: &'static str,
    /// The call, dated as CloudTrail dates it.
    pub(super) call: &'static str,
    /// What it was about.
    pub(super) request: Value,
    /// Whether the rule is for it.
    pub(super) matches: bool,
}

async fn look(deployment: &Deployment, lines: &mut Lines) {
    let client = Client::new(deployment.config());
    let samples = samples(deployment);
    let (mut asked, mut rows, mut wrong) = (0, 0, 0);
    for (rule, drawn) in rules() {
        let name = deployment.named(rule);
        let what = format!("rule {name}");
        let pattern = match pattern(&client, &name).await {
            Ok(Some(pattern)) => pattern,
            // That it is not there is told by the check of the rules.
            Ok(None) => continue,
            Err(trouble) => {
                lines.trouble(what, &trouble);
                continue;
            }
        };
        let mut faults = Vec::new();
        if !is_narrowed(rule) {
            let of_rule = TABLE.iter().filter(|row| rule_of(row.service) == rule);
            for row in of_rule {
                rows += 1;
                let call = format!("{}20150331v2", row.base_name);
                let event = event(
                    deployment,
                    drawn.source,
                    drawn.event_source,
                    &call,
                    &json!({}),
                );
                if !lets_through(&pattern, &event) {
                    faults.push(format!("does not match {}", row.base_name));
                }
            }
        }
        for sample in samples.iter().filter(|sample| sample.rule == rule) {
            let event = event(
                deployment,
                drawn.source,
                drawn.event_source,
                sample.call,
                &sample.request,
            );
            match asked_of(&client, &pattern, &event).await {
                Ok(matched) => {
                    asked += 1;
                    if matched != sample.matches {
                        let verb = if matched { "matches" } else { "does not match" };
                        let fault = format!("{verb} {} of {}", sample.call, sample.request);
                        faults.push(fault);
                    }
                }
                Err(trouble) => lines.trouble(&what, &trouble),
            }
        }
        if !faults.is_empty() {
            wrong += 1;
            lines.fail(
                what,
                faults.join("; "),
                "somebody changed it (event PutRule), or the stack is older than this program: deploy the stack anew",
            );
        }
    }
    if wrong == 0 && asked > 0 {
        lines.ok(
            "matching",
            format!("{asked} sample events answered by EventBridge as they should be, {rows} kinds of event held against the patterns"),
        );
    }
}

/// A rule's pattern; none if there is no such rule.
pub(super) async fn pattern(client: &Client, name: &str) -> Result<Option<Value>, Trouble> {
    let rule = client.describe_rule().name(name).send().await;
    match rule.map_err(|error| Trouble::of("events:DescribeRule", &error)) {
        Ok(rule) => {
            let pattern = rule.event_pattern().unwrap_or("{}");
            Ok(serde_json::from_str(pattern).ok())
        }
        Err(trouble) if trouble.is_absent() => Ok(None),
        Err(trouble) => Err(trouble),
    }
}

/// EventBridge's own answer.
pub(super) async fn asked_of(
    client: &Client,
    pattern: &Value,
    event: &Value,
) -> Result<bool, Trouble> {
    let test = client
        .test_event_pattern()
        .event_pattern(pattern.to_string())
        .event(event.to_string());
    let reply = test.send().await;
    let reply = reply.map_err(|error| Trouble::of("events:TestEventPattern", &error))?;
    Ok(reply.result())
}

/// The rule that brings a service's calls on everybody's parts.
fn rule_of(service: &str) -> &str {
    match service {
        "cloudtrail" => "trail",
        other => other,
    }
}

/// An event as CloudTrail hands it to EventBridge.
pub(super) fn event(
    deployment: &Deployment,
    source: &str,
    event_source: &str,
    call: &str,
    request: &Value,
) -> Value {
    let account = &deployment.account;
    json!({
        "version": "0",
        "id": "6f87d04b-9f74-4f04-a780-7acf4b0a9b38",
        "detail-type": "AWS API Call via CloudTrail",
        "source": source,
        "account": account.id,
        "time": "2026-01-02T03:04:05Z",
        "region": account.region,
        "resources": [],
        "detail": {
            "eventVersion": "1.11",
            "userIdentity": {"type": "IAMUser", "accountId": account.id, "userName": "somebody"},
            "eventTime": "2026-01-02T03:04:05Z",
            "eventSource": event_source,
            "eventName": call,
            "awsRegion": account.region,
            "sourceIPAddress": "203.0.113.7",
            "userAgent": "coldcase-doctor",
            "requestParameters": request,
            "responseElements": null,
            "requestID": "5f87d04b-9f74-4f04-a780-7acf4b0a9b38",
            "eventID": "4f87d04b-9f74-4f04-a780-7acf4b0a9b38",
            "readOnly": false,
            "eventType": "AwsApiCall",
            "managementEvent": true,
            "recipientAccountId": account.id,
            "eventCategory": "Management",
        },
    })
}

/// What EventBridge is asked about: for each rule what it is for, and what is none of its business.
pub(super) fn samples(deployment: &Deployment) -> Vec<Sample> {
    let own = |part: &str| deployment.named(part);
    let role = |output: &str| {
        let arn = deployment.output(output);
        arn.rsplit('/').next().unwrap_or_default().to_owned()
    };
    let queue = |name: &str| {
        let account = &deployment.account;
        format!(
            "https://sqs.{}.amazonaws.com/{}/{name}",
            account.region, account.id
        )
    };
    let topic = |name: &str| deployment.arn("sns", name);
    let execution =
        |machine: &str| deployment.arn("states", &format!("execution:{machine}:a-case"));
    let of = |rule, call, request: Value, matches| Sample {
        rule,
        call,
        request,
        matches,
    };
    let function = || json!({"functionName": "billing"});
    let mut samples = vec![
        of("lambda", "UpdateFunctionCode20150331v2", function(), true),
        of(
            "lambda",
            "UpdateFunctionConfiguration20150331v2",
            function(),
            true,
        ),
        of("lambda", "AddPermission20150331v2", function(), true),
        of(
            "lambda",
            "PublishLayerVersion20181031",
            json!({"layerName": "deps"}),
            true,
        ),
        of(
            "lambda",
            "CreateEventSourceMapping20150331",
            function(),
            true,
        ),
        of("lambda", "GetFunction20150331v2", function(), false),
        of("lambda", "Invoke", function(), false),
        of(
            "iam",
            "PutRolePolicy",
            json!({"roleName": "billing-role"}),
            true,
        ),
        of(
            "iam",
            "AttachRolePolicy",
            json!({"roleName": "billing-role"}),
            true,
        ),
        of(
            "iam",
            "UpdateAssumeRolePolicy",
            json!({"roleName": "billing-role"}),
            true,
        ),
        of("iam", "GetRole", json!({"roleName": "billing-role"}), false),
        of("iam", "CreateUser", json!({"userName": "somebody"}), false),
        of(
            "logs",
            "DeleteLogGroup",
            json!({"logGroupName": "/aws/lambda/billing"}),
            true,
        ),
        of(
            "logs",
            "CreateLogStream",
            json!({"logGroupName": "/aws/lambda/billing"}),
            false,
        ),
        of("trail", "StopLogging", json!({"name": "management"}), true),
        of(
            "trail",
            "PutEventSelectors",
            json!({"trailName": "management"}),
            true,
        ),
        of("trail", "LookupEvents", json!({}), false),
    ];
    let mut narrowed = |rule, call, parameter: &str, ours: Value, theirs: Value| {
        for (value, matches) in [(ours, true), (theirs, false)] {
            let mut request = serde_json::Map::new();
            request.insert(parameter.to_owned(), value);
            samples.push(of(rule, call, Value::Object(request), matches));
        }
    };
    narrowed(
        "responder-lambda",
        "PutFunctionConcurrency20171031",
        "functionName",
        json!(own("respond")),
        json!("billing"),
    );
    let mut roles: Vec<String> = [
        "RoleArn",
        "InvestigateRoleArn",
        "ExamineRoleArn",
        "BaselineRoleArn",
    ]
    .map(role)
    .into();
    let parts = [
        "InvestigationRole",
        "BaselineSweepRole",
        "BaselineStartRole",
    ];
    let parts = parts.iter().filter_map(|part| deployment.part(part));
    roles.extend(parts.map(str::to_owned));
    for role in roles {
        narrowed(
            "responder-iam",
            "PutRolePolicy",
            "roleName",
            json!(role),
            json!("billing-role"),
        );
    }
    narrowed(
        "responder-logs",
        "DeleteLogGroup",
        "logGroupName",
        json!(deployment.output("LogGroupName")),
        json!("/aws/lambda/billing"),
    );
    narrowed(
        "responder-events",
        "DisableRule",
        "name",
        json!(own("lambda")),
        json!("nightly"),
    );
    narrowed(
        "responder-s3",
        "PutBucketPolicy",
        "bucketName",
        json!(deployment.output("BucketName")),
        json!("billing-invoices"),
    );
    for output in ["SigningKeyArn", "BucketKeyArn"] {
        narrowed(
            "responder-kms",
            "ScheduleKeyDeletion",
            "keyId",
            json!(deployment.output(output)),
            json!(deployment.arn("kms", "key/0c0ffee0-1111-2222-3333-444455556666")),
        );
    }
    for name in ["events", "dead-letters"] {
        narrowed(
            "responder-sqs",
            "PurgeQueue",
            "queueUrl",
            json!(queue(&own(name))),
            json!(queue("jobs")),
        );
    }
    narrowed(
        "responder-sns",
        "Unsubscribe",
        "subscriptionArn",
        json!(format!("{}:0c0ffee0", deployment.output("TopicArn"))),
        json!(topic("orders:0c0ffee0")),
    );
    narrowed(
        "responder-states",
        "StopExecution",
        "executionArn",
        json!(execution(&own("investigation"))),
        json!(execution("nightly")),
    );
    narrowed(
        "responder-cloudwatch",
        "DeleteAlarms",
        "alarmNames",
        json!([own("errors")]),
        json!(["billing-errors"]),
    );
    samples
}
