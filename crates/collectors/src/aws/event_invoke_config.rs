//! Retries and destinations of asynchronous calls, for every qualifier.

use super::{Artifact, Aws};
use crate::Inquiry;
use evidence::ArtifactKind;
use futures_util::FutureExt as _;

pub(super) const ARTIFACT: Artifact = Artifact {
    kind: ArtifactKind::EventInvokeConfig,
    actions: &["lambda:ListFunctionEventInvokeConfigs"],
    collect: |aws, inquiry| collect(aws, inquiry).boxed(),
};

async fn collect(aws: &Aws, inquiry: &mut Inquiry<'_>) {
    inquiry
        .ask_pages(
            "event invoke configurations",
            "lambda:ListFunctionEventInvokeConfigs",
            &aws.target.name,
            |raw, marker| {
                aws.clients
                    .lambda
                    .list_function_event_invoke_configs()
                    .function_name(aws.target.id_unqualified())
                    .set_marker(marker)
                    .customize()
                    .interceptor(raw)
                    .send()
            },
            |_, page| page.next_marker,
        )
        .await;
}

#[cfg(test)]
mod tests {
    use crate::aws::canned::{collect, outcomes_when_refused};
    use evidence::ArtifactKind;

    const FUNCTION: &str = "arn:aws:lambda:eu-west-1:111122223333:function:billing";

    #[tokio::test]
    async fn retries_and_destinations_are_kept() {
        let collected = collect(
            FUNCTION,
            ArtifactKind::EventInvokeConfig,
            None,
            &[
                ("GET /event-invoke-config/list Marker=2", 200, r#"{"FunctionEventInvokeConfigs":[]}"#),
                (
                    "GET /event-invoke-config/list",
                    200,
                    r#"{"FunctionEventInvokeConfigs":[{"FunctionArn":"arn:aws:lambda:eu-west-1:111122223333:function:billing:$LATEST","MaximumRetryAttempts":0}],"NextMarker":"2"}"#,
                ),
            ],
        )
        .await;
        insta::assert_json_snapshot!(collected.told());
    }

    #[tokio::test]
    async fn a_list_that_breaks_off_is_partial() {
        let collected = collect(
            FUNCTION,
            ArtifactKind::EventInvokeConfig,
            None,
            &[
                (
                    "GET /event-invoke-config/list Marker=2",
                    500,
                    r#"{"__type":"ServiceException"}"#,
                ),
                (
                    "GET /event-invoke-config/list",
                    200,
                    r#"{"FunctionEventInvokeConfigs":[],"NextMarker":"2"}"#,
                ),
            ],
        )
        .await;
        assert_eq!(collected.outcome().0, "partial");
    }

    #[tokio::test]
    async fn a_list_without_end_is_cut_off() {
        let endless: crate::aws::canned::Script = &[(
            "GET /event-invoke-config/list",
            200,
            r#"{"FunctionEventInvokeConfigs":[],"NextMarker":"2"}"#,
        )];
        let collected = collect(FUNCTION, ArtifactKind::EventInvokeConfig, None, endless).await;
        assert_eq!(collected.outcome().0, "partial");
        assert_eq!(collected.asked.len(), crate::inquiry::PAGES);
    }

    #[tokio::test]
    async fn no_answer_is_told_apart_from_none() {
        let outcomes = outcomes_when_refused(FUNCTION, ArtifactKind::EventInvokeConfig, None).await;
        assert_eq!(outcomes, ["absent", "denied", "failed"]);
    }
}
