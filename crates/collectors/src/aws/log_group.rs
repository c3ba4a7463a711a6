//! A log group's settings: retention, key, class, size, who else gets its lines, when the last came.

use super::{Artifact, Aws};
use crate::Inquiry;
use aws_sdk_cloudwatchlogs::types::{LogGroupClass, OrderBy};
use evidence::ArtifactKind;
use futures_util::FutureExt as _;
use serde_json::Value;

/// The selector is the group's name.
pub(super) const ARTIFACT: Artifact = Artifact {
    kind: ArtifactKind::LogGroup,
    actions: &[
        "logs:DescribeLogGroups",
        "logs:DescribeSubscriptionFilters",
        "logs:DescribeLogStreams",
    ],
    collect: |aws, inquiry| collect(aws, inquiry).boxed(),
};

/// How many streams are named, the one written to last first.
const STREAMS: i32 = 5;

async fn collect(aws: &Aws, inquiry: &mut Inquiry<'_>) {
    let group = match &inquiry.request().selector {
        Some(selector) => selector.clone(),
        None => aws.target.name.clone(),
    };
    let logs = &aws.clients.logs;
    // A prefix is all that can be asked for. The list is sorted: the name itself comes first.
    let asked = inquiry
        .ask("logs:DescribeLogGroups", &group, |raw| {
            let call = logs.describe_log_groups().log_group_name_prefix(&group);
            call.customize().interceptor(raw).send()
        })
        .await;
    keep_only(inquiry, &group);
    let mut has_filters = true;
    if let Some(reply) = asked {
        let mut groups = reply.log_groups().iter();
        let Some(found) = groups.find(|found| found.log_group_name() == Some(group.as_str()))
        else {
            return inquiry.conclude_absent(format!("there is no log group {group}"));
        };
        // Other classes know no subscription filters, and refuse to be asked.
        has_filters = !matches!(
            found.log_group_class(),
            Some(LogGroupClass::InfrequentAccess | LogGroupClass::Delivery)
        );
    }
    if has_filters {
        inquiry
            .ask("logs:DescribeSubscriptionFilters", &group, |raw| {
                let call = logs.describe_subscription_filters().log_group_name(&group);
                call.customize().interceptor(raw).send()
            })
            .await;
    }
    inquiry
        .ask("logs:DescribeLogStreams", &group, |raw| {
            let call = logs.describe_log_streams().log_group_name(&group);
            let call = call.order_by(OrderBy::LastEventTime).descending(true);
            let call = call.limit(STREAMS);
            call.customize().interceptor(raw).send()
        })
        .await;
}

/// Takes the groups that only begin with the name out of the last reply.
fn keep_only(inquiry: &mut Inquiry<'_>, group: &str) {
    let groups = inquiry
        .last_reply_mut()
        .and_then(|reply| reply.get_mut("logGroups")?.as_array_mut());
    if let Some(groups) = groups {
        groups.retain(|found| found.get("logGroupName").and_then(Value::as_str) == Some(group));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::aws::canned::{Script, collect};

    const FUNCTION: &str = "arn:aws:lambda:eu-west-1:111122223333:function:billing";
    const GROUP: Option<&str> = Some("/aws/lambda/billing");
    const GROUPS: (&str, u16, &str) = (
        "DescribeLogGroups /aws/lambda/billing",
        200,
        r#"{"logGroups":[
            {"logGroupName":"/aws/lambda/billing","retentionInDays":1,"kmsKeyId":"arn:aws:kms:eu-west-1:111122223333:key/k","storedBytes":42,"logGroupClass":"STANDARD","unheardOf":true},
            {"logGroupName":"/aws/lambda/billing-2","retentionInDays":365}]}"#,
    );
    const STREAMS: (&str, u16, &str) = (
        "DescribeLogStreams \"orderBy\":\"LastEventTime\" \"descending\":true",
        200,
        r#"{"logStreams":[{"logStreamName":"2026/01/02/[$LATEST]aa","lastEventTimestamp":1767323045000}]}"#,
    );
    const FILTERS: (&str, u16, &str) = (
        "DescribeSubscriptionFilters",
        200,
        r#"{"subscriptionFilters":[{"filterName":"siphon","destinationArn":"arn:aws:logs:eu-west-1:999999999999:destination:d"}]}"#,
    );
    const DENIED: &str = r#"{"__type":"AccessDeniedException","message":"no"}"#;

    #[tokio::test]
    async fn settings_filters_and_last_event_are_kept_of_this_group_only() {
        const SCRIPT: Script = &[GROUPS, STREAMS, FILTERS];
        let found = collect(FUNCTION, ArtifactKind::LogGroup, GROUP, SCRIPT).await;
        assert_eq!(found.outcome(), ("acquired", ""));
        for wanted in [
            "\"retentionInDays\":1,",
            "unheardOf",
            "siphon",
            "1767323045000",
        ] {
            assert!(found.kept[0].contains(wanted), "{wanted}");
        }
        assert!(!found.kept[0].contains("billing-2"));
    }

    #[tokio::test]
    async fn a_group_that_only_begins_so_is_absent_and_not_asked_about_further() {
        const SCRIPT: Script = &[(
            "DescribeLogGroups",
            200,
            r#"{"logGroups":[{"logGroupName":"/aws/lambda/billing-2"}]}"#,
        )];
        let found = collect(FUNCTION, ArtifactKind::LogGroup, GROUP, SCRIPT).await;
        assert_eq!(
            found.outcome(),
            ("absent", "there is no log group /aws/lambda/billing")
        );
        assert_eq!(found.asked.len(), 1);
        assert!(found.kept[0].contains("\"logGroups\":[]"));
    }

    #[tokio::test]
    async fn a_group_of_infrequent_access_is_not_asked_for_filters_it_cannot_have() {
        const SCRIPT: Script = &[
            (
                "DescribeLogGroups",
                200,
                r#"{"logGroups":[{"logGroupName":"/aws/lambda/billing","logGroupClass":"INFREQUENT_ACCESS"}]}"#,
            ),
            STREAMS,
        ];
        let found = collect(FUNCTION, ArtifactKind::LogGroup, GROUP, SCRIPT).await;
        assert_eq!(found.outcome(), ("acquired", ""));
        assert_eq!(found.asked.len(), 2);
    }

    #[tokio::test]
    async fn a_target_that_is_a_group_needs_no_selector() {
        const SCRIPT: Script = &[GROUPS, STREAMS, FILTERS];
        let group = "arn:aws:logs:eu-west-1:111122223333:log-group:/aws/lambda/billing";
        let found = collect(group, ArtifactKind::LogGroup, None, SCRIPT).await;
        assert_eq!(found.outcome(), ("acquired", ""));
    }

    #[tokio::test]
    async fn any_one_permission_missing_is_denied_and_the_rest_is_kept() {
        const NO_GROUPS: Script = &[("DescribeLogGroups", 400, DENIED), STREAMS, FILTERS];
        const NO_STREAMS: Script = &[GROUPS, ("DescribeLogStreams", 400, DENIED), FILTERS];
        const NO_FILTERS: Script = &[
            GROUPS,
            STREAMS,
            ("DescribeSubscriptionFilters", 400, DENIED),
        ];
        for (script, action) in [
            (NO_GROUPS, "logs:DescribeLogGroups"),
            (NO_STREAMS, "logs:DescribeLogStreams"),
            (NO_FILTERS, "logs:DescribeSubscriptionFilters"),
        ] {
            let found = collect(FUNCTION, ArtifactKind::LogGroup, GROUP, script).await;
            let (word, why) = found.outcome();
            assert_eq!(word, "denied");
            assert!(why.starts_with(action), "{why}");
            assert_eq!((found.kept.len(), found.asked.len()), (1, 3));
        }
    }

    #[tokio::test]
    async fn what_breaks_is_told() {
        const SCRIPT: Script = &[GROUPS, FILTERS, ("DescribeLogStreams", 500, "{}")];
        let found = collect(FUNCTION, ArtifactKind::LogGroup, GROUP, SCRIPT).await;
        assert_eq!(found.outcome().0, "partial");
        let found = collect(FUNCTION, ArtifactKind::LogGroup, GROUP, &[]).await;
        assert_eq!(found.outcome().0, "failed");
    }
}
