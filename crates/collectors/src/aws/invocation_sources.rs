//! A rule, bucket or topic that the function's resource policy lets in: is it there, and what does it
//! send where?

use super::{Artifact, Aws};
use crate::{Inquiry, Refusal};
use evidence::{ArtifactKind, Partition, ResourceKind, Target};
use futures_util::FutureExt as _;

/// The selector is the ARN that a condition of the policy names.
pub(super) const ARTIFACT: Artifact = Artifact {
    kind: ArtifactKind::InvocationSources,
    actions: &[
        "events:DescribeRule",
        "events:ListTargetsByRule",
        "s3:GetBucketNotification",
        "sns:GetTopicAttributes",
        "sns:ListSubscriptionsByTopic",
    ],
    collect: |aws, inquiry| collect(aws, inquiry).boxed(),
};

async fn collect(aws: &Aws, inquiry: &mut Inquiry<'_>) {
    let arn = inquiry.request().selector.clone().unwrap_or_default();
    // Whoever could write the policy chose the ARN.
    let shown: String = arn.chars().take(200).collect();
    let Ok(source) = Target::from_arn(&arn) else {
        return not_looked_up(inquiry, &shown, "coldcase does not read this service");
    };
    let reads = [
        ResourceKind::Rule,
        ResourceKind::Bucket,
        ResourceKind::Topic,
    ];
    if !reads.contains(&source.kind) {
        return not_looked_up(inquiry, &shown, "coldcase does not read this service");
    }
    let fields = [&source.region, &source.account, &source.name];
    if fields.iter().any(|field| field.contains(['*', '?'])) {
        return not_looked_up(inquiry, &shown, "a pattern, which names no single resource");
    }
    match source.kind {
        ResourceKind::Bucket => notifications(aws, inquiry, &source.name).await,
        // The clients are of the function's Region, and a Region that an attacker made up must not
        // become part of a host name.
        _ if source.region != aws.target.region => inquiry.refuse(Refusal::Failed(format!(
            "not looked up: {shown} is in another Region"
        ))),
        ResourceKind::Rule => rule(aws, inquiry, &source).await,
        _ => topic(aws, inquiry, &source).await,
    }
}

fn not_looked_up(inquiry: &mut Inquiry<'_>, arn: &str, why: &str) {
    inquiry.refuse(Refusal::Absent(format!("not looked up: {arn}: {why}")));
}

async fn notifications(aws: &Aws, inquiry: &mut Inquiry<'_>, bucket: &str) {
    if !is_bucket_name(bucket) {
        return inquiry.refuse(Refusal::Absent("no bucket can have this name".to_owned()));
    }
    inquiry
        .ask("s3:GetBucketNotification", bucket, |raw| {
            let call = aws.clients.s3.get_bucket_notification_configuration();
            call.bucket(bucket).customize().interceptor(raw).send()
        })
        .await;
}

/// Whether a bucket can be called so: the name becomes part of a host name or a path.
pub(super) fn is_bucket_name(name: &str) -> bool {
    (3..=255).contains(&name.len())
        && name
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'-' | b'_'))
}

/// A rule with its pattern, its state and where it sends what.
pub(super) async fn rule(aws: &Aws, inquiry: &mut Inquiry<'_>, rule: &Target) {
    // `NAME`, or `BUS/NAME` on a bus of one's own; a partner's bus has slashes in its name.
    let (bus, name) = match rule.name.rsplit_once('/') {
        Some((bus, name)) => (Some(bus), name),
        None => (None, rule.name.as_str()),
    };
    // By name EventBridge would answer with a rule of ours that happens to be called so.
    let bus = if rule.account == aws.target.account {
        bus.map(str::to_owned)
    } else {
        let partition = Partition::of_region(&rule.region).as_str();
        let (region, account) = (&rule.region, &rule.account);
        let bus = bus.unwrap_or("default");
        Some(format!(
            "arn:{partition}:events:{region}:{account}:event-bus/{bus}"
        ))
    };
    let described = inquiry
        .ask("events:DescribeRule", &rule.name, |raw| {
            let call = aws.clients.events.describe_rule().name(name);
            let call = call.set_event_bus_name(bus.clone());
            call.customize().interceptor(raw).send()
        })
        .await;
    if described.is_none() && inquiry.is_absent() {
        return;
    }
    inquiry
        .ask_pages(
            "the rule's targets",
            "events:ListTargetsByRule",
            &rule.name,
            |raw, next| {
                let call = aws.clients.events.list_targets_by_rule().rule(name);
                let call = call.set_event_bus_name(bus.clone()).set_next_token(next);
                call.customize().interceptor(raw).send()
            },
            |_, page| page.next_token,
        )
        .await;
}

/// A topic with its policy and who subscribes to it.
pub(super) async fn topic(aws: &Aws, inquiry: &mut Inquiry<'_>, topic: &Target) {
    let arn = topic.id_unqualified();
    let attributes = inquiry
        .ask("sns:GetTopicAttributes", &arn, |raw| {
            let call = aws.clients.sns.get_topic_attributes().topic_arn(&arn);
            call.customize().interceptor(raw).send()
        })
        .await;
    if attributes.is_none() && inquiry.is_absent() {
        return;
    }
    inquiry
        .ask_pages(
            "the topic's subscriptions",
            "sns:ListSubscriptionsByTopic",
            &arn,
            |raw, next| {
                let call = aws.clients.sns.list_subscriptions_by_topic();
                let call = call.topic_arn(&arn).set_next_token(next);
                call.customize().interceptor(raw).send()
            },
            |_, page| page.next_token,
        )
        .await;
}

#[cfg(test)]
mod tests {
    use crate::aws::canned::{Collected, Script, collect};
    use evidence::ArtifactKind;

    const FUNCTION: &str = "arn:aws:lambda:eu-west-1:111122223333:function:billing";
    const DENIED: &str = r#"{"__type":"AccessDeniedException","message":"no"}"#;
    const GONE: &str = r#"{"__type":"ResourceNotFoundException","message":"gone"}"#;
    const ALL: Script = &[
        ("DescribeRule event-bus/default", 400, DENIED),
        ("ListTargetsByRule event-bus/default", 400, DENIED),
        ("DescribeRule \"gone\"", 400, GONE),
        (
            "DescribeRule \"Name\":\"nightly\"",
            200,
            r#"{"Name":"nightly","State":"ENABLED","ScheduleExpression":"rate(1 day)"}"#,
        ),
        (
            "ListTargetsByRule \"NextToken\":\"two\"",
            200,
            r#"{"Targets":[{"Id":"2","Arn":"arn:aws:lambda:eu-west-1:111122223333:function:other"}]}"#,
        ),
        (
            "ListTargetsByRule \"Rule\":\"nightly\"",
            200,
            r#"{"NextToken":"two","Targets":[{"Id":"1","Arn":"arn:aws:lambda:eu-west-1:111122223333:function:billing"}]}"#,
        ),
        (
            "GET /?notification",
            200,
            "<NotificationConfiguration><CloudFunctionConfiguration><Id>drop</Id></CloudFunctionConfiguration></NotificationConfiguration>",
        ),
        (
            "GetTopicAttributes 999999999999",
            403,
            "<ErrorResponse><Error><Type>Sender</Type><Code>AuthorizationError</Code><Message>no</Message></Error></ErrorResponse>",
        ),
        (
            "ListSubscriptionsByTopic 999999999999",
            403,
            "<ErrorResponse><Error><Type>Sender</Type><Code>AuthorizationError</Code><Message>no</Message></Error></ErrorResponse>",
        ),
        (
            "GetTopicAttributes",
            200,
            "<GetTopicAttributesResponse><GetTopicAttributesResult><Attributes><entry><key>Owner</key><value>111122223333</value></entry></Attributes></GetTopicAttributesResult></GetTopicAttributesResponse>",
        ),
        (
            "ListSubscriptionsByTopic",
            200,
            "<ListSubscriptionsByTopicResponse><ListSubscriptionsByTopicResult><Subscriptions><member><Protocol>lambda</Protocol></member></Subscriptions></ListSubscriptionsByTopicResult></ListSubscriptionsByTopicResponse>",
        ),
    ];

    async fn source(arn: &str) -> Collected {
        let kind = ArtifactKind::InvocationSources;
        collect(FUNCTION, kind, Some(arn), ALL).await
    }

    #[tokio::test]
    async fn a_rule_is_kept_with_all_its_targets() {
        let found = source("arn:aws:events:eu-west-1:111122223333:rule/nightly").await;
        assert_eq!(found.outcome(), ("acquired", ""));
        assert!(found.kept[0].contains("rate(1 day)"));
        assert!(found.kept[0].contains("function:other"));
        assert!(!found.asked[0].contains("EventBusName"));
    }

    #[tokio::test]
    async fn a_rule_is_asked_for_on_its_own_bus() {
        let found = source("arn:aws:events:eu-west-1:111122223333:rule/orders/nightly").await;
        assert_eq!(found.outcome(), ("acquired", ""));
        assert!(found.asked[0].contains(r#""EventBusName":"orders""#));
    }

    #[tokio::test]
    async fn buckets_and_topics_are_kept() {
        let found = source("arn:aws:s3:::inbox").await;
        assert_eq!(found.outcome(), ("acquired", ""));
        assert!(found.kept[0].contains("<Id>drop</Id>"));
        let found = source("arn:aws:sns:eu-west-1:111122223333:orders").await;
        assert_eq!(found.outcome(), ("acquired", ""));
        assert!(found.kept[0].contains("<Protocol>lambda</Protocol>"));
    }

    #[tokio::test]
    async fn a_source_that_is_gone_is_absent_and_one_of_another_account_is_asked_there_and_denied()
    {
        let found = source("arn:aws:events:eu-west-1:111122223333:rule/gone").await;
        assert_eq!(found.outcome().0, "absent");
        assert_eq!(found.asked.len(), 1);
        for foreign in [
            "arn:aws:events:eu-west-1:999999999999:rule/nightly",
            "arn:aws:sns:eu-west-1:999999999999:orders",
        ] {
            let found = source(foreign).await;
            assert_eq!(found.outcome().0, "denied", "{foreign}");
            assert!(found.asked[0].contains("999999999999"));
        }
    }

    #[tokio::test]
    async fn what_is_not_looked_up_says_so_and_asks_nothing() {
        for (arn, why) in [
            (
                "arn:aws:execute-api:eu-west-1:111122223333:abc/*/GET/",
                "does not read this service",
            ),
            ("no ARN at all", "does not read this service"),
            (
                "arn:aws:sqs:eu-west-1:111122223333:q",
                "does not read this service",
            ),
            ("arn:aws:events:eu-west-1:111122223333:rule/*", "a pattern"),
            ("arn:aws:s3:::in?ox", "a pattern"),
        ] {
            let found = source(arn).await;
            let (word, reason) = found.outcome();
            assert_eq!(word, "absent");
            assert!(reason.starts_with("not looked up: "), "{reason}");
            assert!(reason.contains(why), "{reason}");
            assert!(found.asked.is_empty());
        }
    }

    #[tokio::test]
    async fn a_made_up_region_or_bucket_never_becomes_part_of_a_host_name() {
        for arn in [
            "arn:aws:sns:x.attacker.example#:111122223333:orders",
            "arn:aws:events:us-east-1:111122223333:rule/nightly",
            "arn:aws:s3:::arn:aws:s3:x.attacker.example:1:accesspoint",
            "arn:aws:s3:::x.attacker.example#",
        ] {
            let found = source(arn).await;
            assert!(["failed", "absent"].contains(&found.outcome().0), "{arn}");
            assert!(found.asked.is_empty(), "{arn}");
        }
    }
}
