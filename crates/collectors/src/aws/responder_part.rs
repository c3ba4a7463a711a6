//! The present state of a part of the responder or of the audit trail: is it still there, still on,
//! still locked?

use super::invocation_sources::{is_bucket_name, rule, topic};
use super::{Artifact, Aws};
use crate::{Inquiry, Refusal};
use aws_sdk_sqs::types::QueueAttributeName;
use evidence::{ArtifactKind, ResourceKind};
use futures_util::FutureExt as _;

/// Of the target itself; there is no selector.
pub(super) const ARTIFACT: Artifact = Artifact {
    kind: ArtifactKind::ResponderPart,
    actions: &[
        "cloudtrail:DescribeTrails",
        "cloudtrail:GetEventSelectors",
        "cloudtrail:GetTrailStatus",
        "events:DescribeRule",
        "events:ListTargetsByRule",
        "kms:DescribeKey",
        "kms:GetKeyPolicy",
        "lambda:GetCodeSigningConfig",
        "lambda:GetEventSourceMapping",
        "s3:GetBucketObjectLockConfiguration",
        "s3:GetBucketPolicy",
        "s3:GetBucketVersioning",
        "s3:GetEncryptionConfiguration",
        "s3:GetLifecycleConfiguration",
        "sns:GetTopicAttributes",
        "sns:ListSubscriptionsByTopic",
        "sqs:GetQueueAttributes",
        "sqs:GetQueueUrl",
    ],
    collect: |aws, inquiry| collect(aws, inquiry).boxed(),
};

async fn collect(aws: &Aws, inquiry: &mut Inquiry<'_>) {
    match aws.target.kind {
        ResourceKind::Rule => rule(aws, inquiry, &aws.target).await,
        ResourceKind::Topic => topic(aws, inquiry, &aws.target).await,
        ResourceKind::Queue => queue(aws, inquiry).await,
        ResourceKind::Bucket => bucket(aws, inquiry).await,
        ResourceKind::Key => key(aws, inquiry).await,
        ResourceKind::Trail => trail(aws, inquiry).await,
        ResourceKind::EventSourceMapping => mapping(aws, inquiry).await,
        ResourceKind::CodeSigningConfig => code_signing(aws, inquiry).await,
        kind @ (ResourceKind::Function
        | ResourceKind::Layer
        | ResourceKind::Role
        | ResourceKind::Policy
        | ResourceKind::LogGroup
        | ResourceKind::Alarm
        | ResourceKind::StateMachine) => inquiry.refuse(Refusal::Failed(format!(
            "not looked up: coldcase does not read what state a {} is in",
            kind.as_str()
        ))),
    }
}

async fn queue(aws: &Aws, inquiry: &mut Inquiry<'_>) {
    let (name, account) = (&aws.target.name, &aws.target.account);
    let found = inquiry
        .ask("sqs:GetQueueUrl", name, |raw| {
            let call = aws.clients.sqs.get_queue_url().queue_name(name);
            let call = call.queue_owner_aws_account_id(account);
            call.customize().interceptor(raw).send()
        })
        .await;
    let Some(url) = found.as_ref().and_then(|found| found.queue_url()) else {
        return;
    };
    inquiry
        .ask("sqs:GetQueueAttributes", name, |raw| {
            let call = aws.clients.sqs.get_queue_attributes().queue_url(url);
            let call = call.attribute_names(QueueAttributeName::All);
            call.customize().interceptor(raw).send()
        })
        .await;
}

async fn bucket(aws: &Aws, inquiry: &mut Inquiry<'_>) {
    let name = &aws.target.name;
    let s3 = &aws.clients.s3;
    if !is_bucket_name(name) {
        return inquiry.refuse(Refusal::Absent("no bucket can have this name".to_owned()));
    }
    // Every bucket has an answer to this one, so that "none" means that the bucket is gone.
    inquiry
        .ask("s3:GetBucketVersioning", name, |raw| {
            let call = s3.get_bucket_versioning().bucket(name);
            call.customize().interceptor(raw).send()
        })
        .await;
    if inquiry.is_absent() {
        return;
    }
    inquiry
        .ask("s3:GetBucketObjectLockConfiguration", name, |raw| {
            let call = s3.get_object_lock_configuration().bucket(name);
            call.customize().interceptor(raw).send()
        })
        .await;
    inquiry
        .ask("s3:GetBucketPolicy", name, |raw| {
            let call = s3.get_bucket_policy().bucket(name);
            call.customize().interceptor(raw).send()
        })
        .await;
    inquiry
        .ask("s3:GetLifecycleConfiguration", name, |raw| {
            let call = s3.get_bucket_lifecycle_configuration().bucket(name);
            call.customize().interceptor(raw).send()
        })
        .await;
    inquiry
        .ask("s3:GetEncryptionConfiguration", name, |raw| {
            let call = s3.get_bucket_encryption().bucket(name);
            call.customize().interceptor(raw).send()
        })
        .await;
}

async fn key(aws: &Aws, inquiry: &mut Inquiry<'_>) {
    let arn = aws.target.id_unqualified();
    let described = inquiry
        .ask("kms:DescribeKey", &arn, |raw| {
            let call = aws.clients.kms.describe_key().key_id(&arn);
            call.customize().interceptor(raw).send()
        })
        .await;
    // An alias is enough to describe a key, but not to ask for its policy.
    let id = described
        .as_ref()
        .and_then(|reply| reply.key_metadata())
        .map(|key| key.key_id().to_owned());
    let id = match id {
        Some(id) => id,
        None if inquiry.is_absent() || aws.target.name.starts_with("alias/") => return,
        None => aws.target.name.clone(),
    };
    inquiry
        .ask("kms:GetKeyPolicy", &arn, |raw| {
            let call = aws.clients.kms.get_key_policy().key_id(&id);
            let call = call.policy_name("default");
            call.customize().interceptor(raw).send()
        })
        .await;
}

async fn trail(aws: &Aws, inquiry: &mut Inquiry<'_>) {
    let arn = aws.target.id_unqualified();
    let cloudtrail = &aws.clients.cloudtrail;
    let found = inquiry
        .ask("cloudtrail:DescribeTrails", &arn, |raw| {
            let call = cloudtrail.describe_trails().trail_name_list(&arn);
            call.customize().interceptor(raw).send()
        })
        .await;
    // CloudTrail answers an empty list for a trail that is gone.
    if found.is_some_and(|found| found.trail_list().is_empty()) {
        return inquiry.conclude_absent(format!("there is no trail {arn}"));
    }
    inquiry
        .ask("cloudtrail:GetTrailStatus", &arn, |raw| {
            let call = cloudtrail.get_trail_status().name(&arn);
            call.customize().interceptor(raw).send()
        })
        .await;
    inquiry
        .ask("cloudtrail:GetEventSelectors", &arn, |raw| {
            let call = cloudtrail.get_event_selectors().trail_name(&arn);
            call.customize().interceptor(raw).send()
        })
        .await;
}

async fn mapping(aws: &Aws, inquiry: &mut Inquiry<'_>) {
    let uuid = &aws.target.name;
    inquiry
        .ask("lambda:GetEventSourceMapping", uuid, |raw| {
            let call = aws.clients.lambda.get_event_source_mapping().uuid(uuid);
            call.customize().interceptor(raw).send()
        })
        .await;
}

async fn code_signing(aws: &Aws, inquiry: &mut Inquiry<'_>) {
    let arn = aws.target.id_unqualified();
    inquiry
        .ask("lambda:GetCodeSigningConfig", &arn, |raw| {
            let call = aws.clients.lambda.get_code_signing_config();
            let call = call.code_signing_config_arn(&arn);
            call.customize().interceptor(raw).send()
        })
        .await;
}

#[cfg(test)]
mod tests {
    use crate::aws::canned::{Collected, Script, collect};
    use evidence::ArtifactKind;

    const DENIED: &str = r#"{"__type":"AccessDeniedException","message":"no"}"#;
    const DENIED_XML: &str = "<Error><Code>AccessDenied</Code><Message>no</Message></Error>";

    const ALL: Script = &[
        (
            "GetQueueUrl \"coldcase\" \"111122223333\"",
            200,
            r#"{"QueueUrl":"https://sqs.eu-west-1.amazonaws.com/111122223333/coldcase"}"#,
        ),
        (
            "GetQueueAttributes \"All\"",
            200,
            r#"{"Attributes":{"Policy":"{}","ApproximateNumberOfMessages":"3"}}"#,
        ),
        (
            "GET ?versioning",
            200,
            "<VersioningConfiguration><Status>Suspended</Status></VersioningConfiguration>",
        ),
        (
            "GET ?object-lock",
            200,
            "<ObjectLockConfiguration><ObjectLockEnabled>Enabled</ObjectLockEnabled></ObjectLockConfiguration>",
        ),
        (
            "GET ?policy",
            404,
            "<Error><Code>NoSuchBucketPolicy</Code></Error>",
        ),
        (
            "GET ?lifecycle",
            404,
            "<Error><Code>NoSuchLifecycleConfiguration</Code></Error>",
        ),
        (
            "GET ?encryption",
            404,
            "<Error><Code>ServerSideEncryptionConfigurationNotFoundError</Code></Error>",
        ),
        (
            "DescribeKey",
            200,
            r#"{"KeyMetadata":{"KeyId":"0c0ffee0","KeyState":"PendingDeletion"}}"#,
        ),
        (
            "GetKeyPolicy \"KeyId\":\"0c0ffee0\"",
            200,
            r#"{"Policy":"{}","PolicyName":"default"}"#,
        ),
        (
            "DescribeTrails trail/audit",
            200,
            r#"{"trailList":[{"Name":"audit","S3BucketName":"logs"}]}"#,
        ),
        ("DescribeTrails", 200, r#"{"trailList":[]}"#),
        ("GetTrailStatus", 200, r#"{"IsLogging":false}"#),
        (
            "GetEventSelectors",
            200,
            r#"{"EventSelectors":[{"ReadWriteType":"ReadOnly"}]}"#,
        ),
        (
            "DescribeRule",
            200,
            r#"{"Name":"coldcase-lambda","State":"DISABLED"}"#,
        ),
        ("ListTargetsByRule", 200, r#"{"Targets":[]}"#),
        (
            "GetTopicAttributes",
            200,
            "<GetTopicAttributesResponse><GetTopicAttributesResult><Attributes/></GetTopicAttributesResult></GetTopicAttributesResponse>",
        ),
        (
            "ListSubscriptionsByTopic",
            200,
            "<ListSubscriptionsByTopicResponse><ListSubscriptionsByTopicResult><Subscriptions/></ListSubscriptionsByTopicResult></ListSubscriptionsByTopicResponse>",
        ),
        (
            "GET /event-source-mappings/",
            200,
            r#"{"UUID":"0e5f","State":"Disabled"}"#,
        ),
        (
            "GET /code-signing-configs/",
            200,
            r#"{"CodeSigningConfig":{"CodeSigningConfigId":"csc-1","CodeSigningConfigArn":"a","AllowedPublishers":{"SigningProfileVersionArns":[]},"CodeSigningPolicies":{"UntrustedArtifactOnDeployment":"Warn"},"LastModified":"2026-01-01T00:00:00Z"}}"#,
        ),
    ];

    /// Each kind of part, the calls its state takes, and what a reader looks for in it.
    const PARTS: &[(&str, &[&str], &str)] = &[
        (
            "arn:aws:sqs:eu-west-1:111122223333:coldcase",
            &["sqs:GetQueueUrl", "sqs:GetQueueAttributes"],
            "ApproximateNumberOfMessages",
        ),
        (
            "arn:aws:s3:::evidence",
            &[
                "s3:GetBucketVersioning",
                "s3:GetBucketObjectLockConfiguration",
                "s3:GetBucketPolicy",
                "s3:GetLifecycleConfiguration",
                "s3:GetEncryptionConfiguration",
            ],
            "<Status>Suspended</Status>",
        ),
        (
            "arn:aws:kms:eu-west-1:111122223333:key/0c0ffee0",
            &["kms:DescribeKey", "kms:GetKeyPolicy"],
            "PendingDeletion",
        ),
        (
            "arn:aws:kms:eu-west-1:111122223333:alias/coldcase",
            &["kms:DescribeKey", "kms:GetKeyPolicy"],
            "PendingDeletion",
        ),
        (
            "arn:aws:cloudtrail:eu-west-1:111122223333:trail/audit",
            &[
                "cloudtrail:DescribeTrails",
                "cloudtrail:GetTrailStatus",
                "cloudtrail:GetEventSelectors",
            ],
            "\"IsLogging\":false",
        ),
        (
            "arn:aws:events:eu-west-1:111122223333:rule/coldcase-lambda",
            &["events:DescribeRule", "events:ListTargetsByRule"],
            "DISABLED",
        ),
        (
            "arn:aws:sns:eu-west-1:111122223333:coldcase",
            &["sns:GetTopicAttributes", "sns:ListSubscriptionsByTopic"],
            "GetTopicAttributesResult",
        ),
        (
            "arn:aws:lambda:eu-west-1:111122223333:event-source-mapping:0e5f",
            &["lambda:GetEventSourceMapping"],
            "Disabled",
        ),
        (
            "arn:aws:lambda:eu-west-1:111122223333:code-signing-config:csc-1",
            &["lambda:GetCodeSigningConfig"],
            "Warn",
        ),
    ];

    async fn part(arn: &str, script: Script) -> Collected {
        collect(arn, ArtifactKind::ResponderPart, None, script).await
    }

    fn calls(found: &Collected) -> Vec<&str> {
        let calls = found.gathered.acquisition.calls.iter();
        calls.map(|call| call.api.as_str()).collect()
    }

    #[tokio::test]
    async fn every_kind_of_part_is_kept_as_it_is() {
        for (arn, wanted, telling) in PARTS {
            let found = part(arn, ALL).await;
            assert_eq!(found.outcome(), ("acquired", ""), "{arn}");
            assert_eq!(calls(&found), *wanted, "{arn}");
            assert!(found.kept[0].contains(telling), "{arn}: {}", found.kept[0]);
        }
    }

    #[tokio::test]
    async fn every_action_used_is_declared_and_every_one_declared_is_used() {
        let mut used: Vec<&str> = PARTS
            .iter()
            .flat_map(|(_, calls, _)| calls.iter().copied())
            .collect();
        used.sort_unstable();
        used.dedup();
        assert_eq!(used, super::ARTIFACT.actions);
    }

    #[tokio::test]
    async fn a_deleted_part_is_absent_and_not_asked_about_further() {
        const GONE: Script = &[
            (
                "GetQueueUrl",
                400,
                r#"{"__type":"com.amazonaws.sqs#QueueDoesNotExist","message":"gone"}"#,
            ),
            (
                "GET ?versioning",
                404,
                "<Error><Code>NoSuchBucket</Code></Error>",
            ),
            (
                "DescribeKey",
                400,
                r#"{"__type":"NotFoundException","message":"gone"}"#,
            ),
            ("DescribeTrails", 200, r#"{"trailList":[]}"#),
            (
                "DescribeRule",
                400,
                r#"{"__type":"ResourceNotFoundException","message":"gone"}"#,
            ),
            (
                "GetTopicAttributes",
                404,
                "<ErrorResponse><Error><Type>Sender</Type><Code>NotFound</Code></Error></ErrorResponse>",
            ),
            (
                "GET",
                404,
                r#"{"__type":"ResourceNotFoundException","Message":"gone"}"#,
            ),
        ];
        for (arn, ..) in PARTS {
            let found = part(arn, GONE).await;
            assert_eq!(found.outcome().0, "absent", "{arn}: {:?}", found.outcome());
            assert_eq!(found.asked.len(), 1, "{arn}");
        }
    }

    #[tokio::test]
    async fn a_part_that_may_not_be_read_is_denied_action_by_action() {
        const REFUSING: Script = &[
            ("GET /event-source", 403, DENIED),
            ("GET /code-signing", 403, DENIED),
            ("GET", 403, DENIED_XML),
            (
                "GetTopicAttributes",
                403,
                "<ErrorResponse><Error><Code>AuthorizationError</Code></Error></ErrorResponse>",
            ),
            (
                "ListSubscriptionsByTopic",
                403,
                "<ErrorResponse><Error><Code>AuthorizationError</Code></Error></ErrorResponse>",
            ),
            ("GetQueueUrl", 400, DENIED),
            ("DescribeKey", 400, DENIED),
            ("GetKeyPolicy", 400, DENIED),
            ("DescribeTrails", 400, DENIED),
            ("GetTrailStatus", 400, DENIED),
            ("GetEventSelectors", 400, DENIED),
            ("DescribeRule", 400, DENIED),
            ("ListTargetsByRule", 400, DENIED),
        ];
        for (arn, wanted, _) in PARTS {
            let found = part(arn, REFUSING).await;
            let (word, why) = found.outcome();
            assert_eq!(word, "denied", "{arn}: {why}");
            // Without its URL a queue, without its id an alias cannot be asked about.
            let needs_the_first = arn.contains(":sqs:") || arn.contains("alias/");
            let expected = if needs_the_first { 1 } else { wanted.len() };
            assert_eq!(calls(&found), wanted[..expected], "{arn}");
        }
    }

    #[tokio::test]
    async fn what_breaks_is_told() {
        for (arn, ..) in PARTS {
            assert_eq!(part(arn, &[]).await.outcome().0, "failed", "{arn}");
        }
    }

    #[tokio::test]
    async fn a_kind_that_is_not_read_says_so() {
        let found = part("arn:aws:cloudwatch:eu-west-1:111122223333:alarm:dlq", ALL).await;
        let (word, why) = found.outcome();
        assert_eq!(word, "failed");
        assert!(why.contains("alarm"), "{why}");
    }
}
