//! Names the target of an event from any of the shapes in which CloudTrail writes it.
//!
//! A name in a request is a bare name, a full ARN or a partial one, with or without a qualifier.
//! What an ARN says about account and Region goes before what the record says: a call may cross
//! either. Everything here was written by whoever made the call, so lengths are bounded.

use crate::record::Record;
use crate::table::Subject;
use evidence::{Partition, Provider, ResourceKind, Target};
use serde_json::Value;

/// Longer names than any service allows; what is longer names nothing.
const MAX_NAME: usize = 1024;

/// The targets of a record whose row has this subject: none, where the record names none; several,
/// where one call is about several. For denied calls, whose parameters are left out, the target is
/// taken from the error's words.
pub fn targets(record: &Record, subject: Subject) -> Vec<Target> {
    let mut found = Vec::new();
    let mut add = |target: Option<Target>| {
        if let Some(target) = target.filter(well_formed)
            && !found.contains(&target)
        {
            found.push(target);
        }
    };
    match subject {
        Subject::Function => add(function(record)),
        Subject::Alias => add(alias(record)),
        Subject::Layer => add(layer(record)),
        Subject::EventSourceMapping => add(function(record).or_else(|| mapping(record))),
        Subject::CodeSigningConfig => add(code_signing_config(record)),
        Subject::LambdaResource => {
            let resource = texts(record, &["resource", "resourceArn", "arn"]);
            add(resource.into_iter().find_map(|text| arn(record, text)));
        }
        Subject::Role => {
            let name = text(record, "roleName");
            add(name.map(|name| global(record, ResourceKind::Role, name)));
        }
        Subject::Policy => add(text(record, "policyArn").and_then(|text| arn(record, text))),
        Subject::LogGroup => add(log_group(record)),
        Subject::Trail => add(trail(record)),
        Subject::Rule => add(rule(record)),
        Subject::Bucket => {
            let name = text(record, "bucketName");
            add(name.map(|name| here(record, ResourceKind::Bucket, name)));
        }
        Subject::Key => keys(record).for_each(|key| add(Some(key))),
        Subject::KeyAlias => {
            let names = texts(record, &["aliasName", "targetKeyId"]);
            names.into_iter().for_each(|name| add(key(record, name)));
            keys(record).for_each(|key| add(Some(key)));
        }
        Subject::Queue => add(text(record, "queueUrl").and_then(|url| queue(record, url))),
        Subject::Topic => {
            let topic = texts(record, &["topicArn", "subscriptionArn"]);
            add(topic.into_iter().find_map(|text| arn(record, text)));
        }
        Subject::StateMachine => add(state_machine(record)),
        Subject::Alarm => {
            let names = record.request("alarmNames").and_then(Value::as_array);
            let names = names.into_iter().flatten().filter_map(Value::as_str);
            for name in names.chain(text(record, "alarmName")).take(100) {
                add(Some(here(record, ResourceKind::Alarm, name)));
            }
        }
        Subject::Nothing => {}
    }
    if found.is_empty() && record.error_code().is_some() {
        let named = named_in_error(record, subject).filter(well_formed);
        found.extend(named.map(|target| match subject {
            Subject::LogGroup => of_log_group(target),
            _ => target,
        }));
    }
    found.retain(|target| subject.kinds().contains(&target.kind));
    found
}

/// The log group itself, where [`targets`] answers the function that writes to it.
pub(crate) fn log_group_itself(record: &Record) -> Option<Target> {
    let name = texts(
        record,
        &["logGroupName", "logGroupIdentifier", "resourceIdentifier"],
    );
    let name = name.into_iter().next()?;
    if name.starts_with("arn:") {
        return arn(record, name).filter(|target| target.kind == ResourceKind::LogGroup);
    }
    Some(here(record, ResourceKind::LogGroup, name))
}

fn log_group(record: &Record) -> Option<Target> {
    log_group_itself(record).map(of_log_group)
}

/// `/aws/lambda/NAME` is the function; so is `/aws/lambda/us-east-1.NAME`, where Lambda@Edge writes
/// in whichever Region a viewer was near.
fn of_log_group(group: Target) -> Target {
    match group.name.strip_prefix("/aws/lambda/") {
        Some(name) if group.kind == ResourceKind::LogGroup && !name.is_empty() => {
            let (region, name) = match name.strip_prefix("us-east-1.") {
                Some(name) => ("us-east-1", name),
                None => (group.region.as_str(), name),
            };
            Target::aws(&group.account, region, ResourceKind::Function, name)
        }
        _ => group,
    }
}

fn function(record: &Record) -> Option<Target> {
    let asked = texts(
        record,
        &["functionName", "fullyQualifiedArn", "functionArn"],
    );
    if let Some(target) = asked
        .into_iter()
        .find_map(|text| function_named(record, text))
    {
        let qualifier = target.qualifier.clone();
        return Some(
            target
                .qualified(qualifier.or_else(|| text(record, "qualifier").map(ToOwned::to_owned))),
        );
    }
    // With `publish: true` the response carries `:N`: the same function, not a new one.
    let answered = ["functionArn", "functionName"];
    answered
        .iter()
        .filter_map(|field| record.response(field)?.as_str())
        .find_map(|text| function_named(record, text))
        .map(|target| target.unqualified())
}

fn alias(record: &Record) -> Option<Target> {
    let target = function(record)?;
    let name = text(record, "name").map(ToOwned::to_owned);
    let qualifier = name.or_else(|| target.qualifier.clone());
    Some(target.qualified(qualifier))
}

/// `NAME`, `NAME:QUALIFIER`, `ACCOUNT:function:NAME[:QUALIFIER]`, `function:NAME…` or an ARN, which
/// some records write with `%3A` for the colon.
fn function_named(record: &Record, text: &str) -> Option<Target> {
    let decoded;
    let text = if text.contains("%3A") || text.contains("%3a") {
        decoded = text
            .replace("%3A", ":")
            .replace("%3a", ":")
            .replace("%24", "$");
        decoded.as_str()
    } else {
        text
    };
    if text.starts_with("arn:") {
        return arn(record, text).filter(|target| target.kind == ResourceKind::Function);
    }
    let (owner, text) = match text.split_once(":function:") {
        Some((owner, text)) => (Some(owner), text),
        None => (None, text.strip_prefix("function:").unwrap_or(text)),
    };
    let (name, qualifier) = match text.split_once(':') {
        Some((name, qualifier)) => (name, Some(qualifier)),
        None => (text, None),
    };
    let mut target = here(record, ResourceKind::Function, name).qualified(qualifier);
    if let Some(owner) = owner {
        // Either `ACCOUNT` or `REGION:ACCOUNT`.
        let (region, account) = owner.rsplit_once(':').unwrap_or(("", owner));
        account.clone_into(&mut target.account);
        if !region.is_empty() {
            region.clone_into(&mut target.region);
        }
    }
    Some(target)
}

/// PublishLayerVersion's answer names the version that is new; the version of the other calls is
/// in the request.
fn layer(record: &Record) -> Option<Target> {
    let is_layer = |target: &Target| target.kind == ResourceKind::Layer;
    let asked = text(record, "layerName").and_then(|name| match name.starts_with("arn:") {
        true => arn(record, name).filter(is_layer),
        false => Some(here(record, ResourceKind::Layer, name)),
    });
    let answered = ["layerVersionArn", "layerArn"]
        .iter()
        .filter_map(|field| record.response(field)?.as_str())
        .find_map(|text| arn(record, text).filter(is_layer));
    let named = asked.or_else(|| answered.clone())?;
    let version = named.qualifier.clone();
    let version = version
        .or_else(|| number(record.request("versionNumber")))
        .or_else(|| number(record.response("version")))
        .or_else(|| answered?.qualifier);
    Some(named.qualified(version))
}

fn mapping(record: &Record) -> Option<Target> {
    let asked = texts(record, &["uUID", "uuid", "UUID"]);
    let answered = record.response("uUID").and_then(Value::as_str);
    let uuid = asked.into_iter().next().or(answered)?;
    Some(here(record, ResourceKind::EventSourceMapping, uuid))
}

fn code_signing_config(record: &Record) -> Option<Target> {
    let asked = text(record, "codeSigningConfigArn");
    let answered = record
        .response("codeSigningConfig")
        .and_then(|config| config.get("codeSigningConfigArn")?.as_str());
    arn(record, asked.or(answered)?)
}

fn trail(record: &Record) -> Option<Target> {
    let answered = record.response("trailARN").and_then(Value::as_str);
    let name = texts(record, &["name", "trailName"])
        .into_iter()
        .next()
        .or(answered)?;
    if name.starts_with("arn:") {
        return arn(record, name);
    }
    // The ARN in the answer knows the trail's home Region; calls come from anywhere.
    let home = answered.and_then(|text| arn(record, text));
    Some(
        home.filter(|home| home.name == name)
            .unwrap_or_else(|| here(record, ResourceKind::Trail, name)),
    )
}

/// Rules of the default bus are named alone, others as `BUS/RULE`, as in their ARNs.
fn rule(record: &Record) -> Option<Target> {
    let name = texts(record, &["rule", "name"]).into_iter().next()?;
    if name.starts_with("arn:") {
        return arn(record, name);
    }
    let bus = text(record, "eventBusName").unwrap_or("default");
    let bus = bus.rsplit('/').next().unwrap_or(bus);
    Some(match bus {
        "default" => here(record, ResourceKind::Rule, name),
        bus => here(record, ResourceKind::Rule, &format!("{bus}/{name}")),
    })
}

/// The key behind an alias where the record resolves it, then what the request named.
fn keys(record: &Record) -> impl Iterator<Item = Target> {
    let answered = record.response("keyId").and_then(Value::as_str);
    let asked = text(record, "keyId");
    answered
        .into_iter()
        .chain(record.resource_arns().take(10))
        .chain(asked)
        .filter_map(|name| key(record, name))
}

fn key(record: &Record, name: &str) -> Option<Target> {
    match name.starts_with("arn:") {
        true => arn(record, name).filter(|target| target.kind == ResourceKind::Key),
        false => Some(here(record, ResourceKind::Key, name)),
    }
}

/// `https://sqs.REGION.amazonaws.com/ACCOUNT/NAME`.
fn queue(record: &Record, url: &str) -> Option<Target> {
    let mut parts = url.rsplit('/');
    let name = parts.next()?;
    let mut target = here(record, ResourceKind::Queue, name);
    if let Some(account) = parts.next()
        && account.len() == 12
        && account.bytes().all(|b| b.is_ascii_digit())
    {
        account.clone_into(&mut target.account);
    }
    Some(target)
}

/// Versions and aliases of a state machine stand behind its name; an execution's ARN holds it too.
fn state_machine(record: &Record) -> Option<Target> {
    let text = texts(record, &["stateMachineArn", "executionArn"])
        .into_iter()
        .next()?;
    let target = arn(record, &text.replacen(":execution:", ":stateMachine:", 1))?;
    let name = target.name.split(':').next().unwrap_or_default().to_owned();
    Some(Target { name, ..target })
}

/// `… is not authorized to perform: lambda:UpdateFunctionCode on resource: ARN because …`; IAM may
/// write `on resource: role NAME`. The caller's own ARN stands before; it is of no kind known here
/// unless a role called, so what follows `resource:` is read first.
fn named_in_error(record: &Record, subject: Subject) -> Option<Target> {
    let message: String = record.error_message()?.chars().take(4096).collect();
    let told = message.split_once("on resource: ").map(|(_, rest)| rest)?;
    let mut words = told
        .split([' ', '"', '\'', ',', ')', '\n', '\t'])
        .filter(|word| !word.is_empty());
    let first = words.next()?;
    let named = match first {
        "role" | "policy" | "function" => words.next()?,
        word => word,
    };
    let named = named.trim_end_matches('.');
    if named.starts_with("arn:") {
        let target = arn(record, named)?;
        return subject
            .kinds()
            .contains(&target.kind)
            .then_some(target)
            .or_else(|| {
                // A log group is answered as its function, and is not in every list of kinds.
                (subject == Subject::LogGroup)
                    .then(|| arn(record, named))
                    .flatten()
            });
    }
    match first {
        "role" => Some(global(record, ResourceKind::Role, named)),
        "function" => function_named(record, named),
        _ => None,
    }
}

/// Reads an ARN. Global services carry no Region in theirs: the one where their events are recorded
/// is put in. A bucket's and a rule's ARN may lack the account, which the record then gives.
fn arn(record: &Record, text: &str) -> Option<Target> {
    if text.len() > 2 * MAX_NAME {
        return None;
    }
    let mut target = Target::from_arn(text).ok()?;
    let mut parts = text.splitn(5, ':').skip(1);
    if let (Some(partition), _, Some("")) = (parts.next(), parts.next(), parts.next()) {
        global_region(partition).clone_into(&mut target.region);
    }
    if target.account.is_empty() {
        record
            .account()
            .unwrap_or_default()
            .clone_into(&mut target.account);
    }
    Some(target)
}

fn global_region(partition: &str) -> &'static str {
    match partition {
        "aws-cn" => "cn-north-1",
        "aws-us-gov" => "us-gov-west-1",
        _ => "us-east-1",
    }
}

/// A resource of the record's account and Region.
fn here(record: &Record, kind: ResourceKind, name: &str) -> Target {
    Target {
        provider: Provider::Aws,
        account: record
            .account()
            .or_else(|| account_in_answer(record))
            .unwrap_or_default()
            .to_owned(),
        region: record.region().unwrap_or_default().to_owned(),
        kind,
        name: name.to_owned(),
        qualifier: None,
        group: None,
    }
}

/// A resource that is in no Region, such as a role: as CloudTrail does, `us-east-1` (or its
/// counterpart in another partition) is put in.
fn global(record: &Record, kind: ResourceKind, name: &str) -> Target {
    let partition = Partition::of_region(record.region().unwrap_or_default());
    Target {
        region: global_region(partition.as_str()).to_owned(),
        ..here(record, kind, name)
    }
}

/// Records without any account id may still have an ARN in their answer.
fn account_in_answer(record: &Record) -> Option<&str> {
    let arn = ["functionArn", "layerArn", "trailARN", "topicArn"]
        .iter()
        .find_map(|field| record.response(field)?.as_str())?;
    arn.split(':').nth(4)
}

fn text<'a>(record: &'a Record, field: &str) -> Option<&'a str> {
    record
        .request(field)?
        .as_str()
        .filter(|text| !text.is_empty())
}

fn texts<'a>(record: &'a Record, fields: &[&str]) -> Vec<&'a str> {
    fields
        .iter()
        .filter_map(|field| text(record, field))
        .collect()
}

fn number(value: Option<&Value>) -> Option<String> {
    match value? {
        Value::Number(number) => Some(number.to_string()),
        Value::String(text) if text.bytes().all(|b| b.is_ascii_digit()) => Some(text.clone()),
        _ => None,
    }
}

/// Names come from whoever made the call: what no service would accept names nothing.
fn well_formed(target: &Target) -> bool {
    let plain = |text: &str| text.len() <= MAX_NAME && !text.chars().any(char::is_control);
    !target.name.is_empty()
        && plain(&target.name)
        && plain(&target.account)
        && plain(&target.region)
        && target.qualifier.as_deref().is_none_or(plain)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn named(subject: Subject, request: Value, response: Value) -> Vec<String> {
        let record = Record::new(json!({
            "awsRegion": "eu-west-1", "recipientAccountId": "111122223333",
            "requestParameters": request, "responseElements": response,
        }));
        targets(&record, subject).iter().map(Target::arn).collect()
    }

    const BILLING: &str = "arn:aws:lambda:eu-west-1:111122223333:function:billing";

    #[test]
    fn a_function_is_named_by_every_shape() {
        for (request, response, arn) in [
            (
                json!({"functionName": "billing"}),
                json!(null),
                BILLING.to_owned(),
            ),
            (
                json!({"functionName": BILLING}),
                json!(null),
                BILLING.to_owned(),
            ),
            (
                json!({"functionName": "111122223333:function:billing"}),
                json!(null),
                BILLING.to_owned(),
            ),
            (
                json!({"functionName": "function:billing"}),
                json!(null),
                BILLING.to_owned(),
            ),
            (
                json!({"functionName": "eu-west-1:111122223333:function:billing"}),
                json!(null),
                BILLING.to_owned(),
            ),
            (
                json!({"functionName": "billing:live"}),
                json!(null),
                format!("{BILLING}:live"),
            ),
            (
                json!({"functionName": "billing:$LATEST"}),
                json!(null),
                BILLING.to_owned(),
            ),
            (
                json!({"functionName": format!("{BILLING}:7")}),
                json!(null),
                format!("{BILLING}:7"),
            ),
            (
                json!({"functionName": "billing", "qualifier": "live"}),
                json!(null),
                format!("{BILLING}:live"),
            ),
            (
                json!({"functionName": "billing", "qualifier": "$LATEST"}),
                json!(null),
                BILLING.to_owned(),
            ),
            (
                json!({"fullyQualifiedArn": format!("{BILLING}:live")}),
                json!(null),
                format!("{BILLING}:live"),
            ),
            (
                json!({"functionName": "arn%3Aaws%3Alambda%3Aeu-west-1%3A111122223333%3Afunction%3Abilling"}),
                json!(null),
                BILLING.to_owned(),
            ),
            (
                json!({"functionName": "billing", "publish": true}),
                json!({"functionArn": format!("{BILLING}:8")}),
                BILLING.to_owned(),
            ),
            (
                json!(null),
                json!({"functionArn": format!("{BILLING}:8")}),
                BILLING.to_owned(),
            ),
        ] {
            assert_eq!(
                named(Subject::Function, request.clone(), response),
                [arn],
                "{request}"
            );
        }
    }

    #[test]
    fn an_arn_goes_before_the_records_account_and_region() {
        let foreign = "arn:aws:lambda:us-west-2:444455556666:function:billing";
        assert_eq!(
            named(
                Subject::Function,
                json!({"functionName": foreign}),
                json!(null)
            ),
            [foreign]
        );
        let partial = json!({"functionName": "444455556666:function:billing"});
        let arn = "arn:aws:lambda:eu-west-1:444455556666:function:billing";
        assert_eq!(named(Subject::Function, partial, json!(null)), [arn]);
    }

    #[test]
    fn everything_but_a_function_is_named_too() {
        let deps = "arn:aws:lambda:eu-west-1:111122223333:layer:deps";
        let uuid = "a1b2c3d4-5678-90ab-cdef-111122223333";
        let key = "arn:aws:kms:eu-west-1:111122223333:key/0c0ffee0-1111-2222-3333-444455556666";
        for (subject, request, response, arns) in [
            (
                Subject::Alias,
                json!({"functionName": "billing", "name": "live"}),
                json!(null),
                vec![format!("{BILLING}:live")],
            ),
            (
                Subject::Layer,
                json!({"layerName": "deps"}),
                json!({"layerVersionArn": format!("{deps}:8"), "version": 8}),
                vec![format!("{deps}:8")],
            ),
            (
                Subject::Layer,
                json!({"layerName": deps, "versionNumber": "3"}),
                json!(null),
                vec![format!("{deps}:3")],
            ),
            (
                Subject::Layer,
                json!({"layerName": "deps", "versionNumber": 3}),
                json!(null),
                vec![format!("{deps}:3")],
            ),
            (
                Subject::EventSourceMapping,
                json!({"uUID": uuid}),
                json!(null),
                vec![format!(
                    "arn:aws:lambda:eu-west-1:111122223333:event-source-mapping:{uuid}"
                )],
            ),
            (
                Subject::EventSourceMapping,
                json!({"uUID": uuid}),
                json!({"functionArn": BILLING}),
                vec![BILLING.into()],
            ),
            (
                Subject::EventSourceMapping,
                json!({"functionName": "billing"}),
                json!({"uUID": uuid}),
                vec![BILLING.into()],
            ),
            (
                Subject::LambdaResource,
                json!({"resource": BILLING}),
                json!(null),
                vec![BILLING.into()],
            ),
            (
                Subject::LambdaResource,
                json!({"resource": "billing"}),
                json!(null),
                vec![],
            ),
            (
                Subject::CodeSigningConfig,
                json!({"codeSigningConfigArn": "arn:aws:lambda:eu-west-1:111122223333:code-signing-config:csc-0f"}),
                json!(null),
                vec!["arn:aws:lambda:eu-west-1:111122223333:code-signing-config:csc-0f".into()],
            ),
            (
                Subject::Role,
                json!({"roleName": "billing-role"}),
                json!(null),
                vec!["arn:aws:iam::111122223333:role/billing-role".into()],
            ),
            (
                Subject::Policy,
                json!({"policyArn": "arn:aws:iam::111122223333:policy/team/billing"}),
                json!(null),
                vec!["arn:aws:iam::111122223333:policy/team/billing".into()],
            ),
            (
                Subject::LogGroup,
                json!({"logGroupName": "/aws/lambda/billing", "logStreamName": "s"}),
                json!(null),
                vec![BILLING.into()],
            ),
            (
                Subject::LogGroup,
                json!({"logGroupName": "/aws/lambda/us-east-1.edge"}),
                json!(null),
                vec!["arn:aws:lambda:us-east-1:111122223333:function:edge".into()],
            ),
            (
                Subject::LogGroup,
                json!({"logGroupName": "/custom/billing"}),
                json!(null),
                vec!["arn:aws:logs:eu-west-1:111122223333:log-group:/custom/billing".into()],
            ),
            (
                Subject::LogGroup,
                json!({"logGroupIdentifier": "arn:aws:logs:eu-west-1:111122223333:log-group:/aws/lambda/billing:*"}),
                json!(null),
                vec![BILLING.into()],
            ),
            (
                Subject::Trail,
                json!({"name": "audit"}),
                json!(null),
                vec!["arn:aws:cloudtrail:eu-west-1:111122223333:trail/audit".into()],
            ),
            (
                Subject::Trail,
                json!({"name": "arn:aws:cloudtrail:us-west-2:111122223333:trail/audit"}),
                json!(null),
                vec!["arn:aws:cloudtrail:us-west-2:111122223333:trail/audit".into()],
            ),
            (
                Subject::Trail,
                json!({"trailName": "audit"}),
                json!({"trailARN": "arn:aws:cloudtrail:us-west-2:111122223333:trail/audit"}),
                vec!["arn:aws:cloudtrail:us-west-2:111122223333:trail/audit".into()],
            ),
            (
                Subject::Rule,
                json!({"name": "nightly"}),
                json!(null),
                vec!["arn:aws:events:eu-west-1:111122223333:rule/nightly".into()],
            ),
            (
                Subject::Rule,
                json!({"rule": "nightly", "eventBusName": "default"}),
                json!(null),
                vec!["arn:aws:events:eu-west-1:111122223333:rule/nightly".into()],
            ),
            (
                Subject::Rule,
                json!({"rule": "nightly", "eventBusName": "arn:aws:events:eu-west-1:111122223333:event-bus/audit"}),
                json!(null),
                vec!["arn:aws:events:eu-west-1:111122223333:rule/audit/nightly".into()],
            ),
            (
                Subject::Bucket,
                json!({"bucketName": "evidence"}),
                json!(null),
                vec!["arn:aws:s3:::evidence".into()],
            ),
            (
                Subject::Key,
                json!({"keyId": "0c0ffee0-1111-2222-3333-444455556666"}),
                json!(null),
                vec![key.into()],
            ),
            (
                Subject::Key,
                json!({"keyId": "alias/evidence"}),
                json!({"keyId": key}),
                vec![
                    key.into(),
                    "arn:aws:kms:eu-west-1:111122223333:alias/evidence".into(),
                ],
            ),
            (
                Subject::KeyAlias,
                json!({"aliasName": "alias/evidence", "targetKeyId": key}),
                json!(null),
                vec![
                    "arn:aws:kms:eu-west-1:111122223333:alias/evidence".into(),
                    key.into(),
                ],
            ),
            (
                Subject::Queue,
                json!({"queueUrl": "https://sqs.eu-west-1.amazonaws.com/111122223333/events"}),
                json!(null),
                vec!["arn:aws:sqs:eu-west-1:111122223333:events".into()],
            ),
            (
                Subject::Topic,
                json!({"topicArn": "arn:aws:sns:eu-west-1:111122223333:alerts"}),
                json!(null),
                vec!["arn:aws:sns:eu-west-1:111122223333:alerts".into()],
            ),
            (
                Subject::Topic,
                json!({"subscriptionArn": format!("arn:aws:sns:eu-west-1:111122223333:alerts:{uuid}")}),
                json!(null),
                vec!["arn:aws:sns:eu-west-1:111122223333:alerts".into()],
            ),
            (
                Subject::StateMachine,
                json!({"stateMachineArn": "arn:aws:states:eu-west-1:111122223333:stateMachine:cases:live"}),
                json!(null),
                vec!["arn:aws:states:eu-west-1:111122223333:stateMachine:cases".into()],
            ),
            (
                Subject::StateMachine,
                json!({"executionArn": "arn:aws:states:eu-west-1:111122223333:execution:cases:one"}),
                json!(null),
                vec!["arn:aws:states:eu-west-1:111122223333:stateMachine:cases".into()],
            ),
            (
                Subject::Alarm,
                json!({"alarmNames": ["one", "two", 3]}),
                json!(null),
                vec![
                    "arn:aws:cloudwatch:eu-west-1:111122223333:alarm:one".into(),
                    "arn:aws:cloudwatch:eu-west-1:111122223333:alarm:two".into(),
                ],
            ),
            (Subject::Nothing, json!({"name": "x"}), json!(null), vec![]),
        ] {
            assert_eq!(named(subject, request.clone(), response), arns, "{request}");
        }
    }

    #[test]
    fn a_role_keeps_its_partition() {
        let record = Record::new(json!({"awsRegion": "cn-northwest-1",
            "recipientAccountId": "111122223333", "requestParameters": {"roleName": "r"}}));
        let arn = targets(&record, Subject::Role)[0].arn();
        assert_eq!(arn, "arn:aws-cn:iam::111122223333:role/r");
    }

    #[test]
    fn a_denied_call_names_its_target_in_the_message() {
        for (subject, resource, arn) in [
            (
                Subject::Function,
                BILLING.to_owned(),
                Some(BILLING.to_owned()),
            ),
            (
                Subject::Alias,
                format!("{BILLING}:live because no identity-based policy"),
                Some(format!("{BILLING}:live")),
            ),
            (
                Subject::Role,
                "role billing-role because".into(),
                Some("arn:aws:iam::111122223333:role/billing-role".into()),
            ),
            (
                Subject::Policy,
                "policy arn:aws:iam::111122223333:policy/p with an explicit deny".into(),
                Some("arn:aws:iam::111122223333:policy/p".into()),
            ),
            (
                Subject::LogGroup,
                "arn:aws:logs:eu-west-1:111122223333:log-group:/aws/lambda/billing:log-stream:"
                    .into(),
                Some(BILLING.into()),
            ),
            (
                Subject::Bucket,
                "\"arn:aws:s3:::evidence\" because".into(),
                Some("arn:aws:s3:::evidence".into()),
            ),
            (Subject::Function, "*".into(), None),
            (
                Subject::Function,
                "arn:aws:iam::111122223333:role/x".into(),
                None,
            ),
        ] {
            let record = Record::new(json!({
                "awsRegion": "eu-west-1", "recipientAccountId": "111122223333",
                "errorCode": "AccessDenied", "requestParameters": null,
                "errorMessage": format!("User: arn:aws:iam::111122223333:user/mallory is not authorized to perform: x:Y on resource: {resource}"),
            }));
            let found: Vec<_> = targets(&record, subject).iter().map(Target::arn).collect();
            assert_eq!(found, arn.into_iter().collect::<Vec<_>>(), "{resource}");
        }
    }

    #[test]
    fn a_name_no_service_would_accept_names_nothing() {
        for name in ["", "a\nb", &"x".repeat(MAX_NAME + 1)] {
            assert!(
                named(
                    Subject::Function,
                    json!({"functionName": name}),
                    json!(null)
                )
                .is_empty()
            );
        }
    }
}
