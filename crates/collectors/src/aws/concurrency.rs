//! Reserved concurrency of the function and provisioned concurrency of its qualifiers.

use super::{Artifact, Aws};
use crate::Inquiry;
use evidence::ArtifactKind;
use futures_util::FutureExt as _;

pub(super) const ARTIFACT: Artifact = Artifact {
    kind: ArtifactKind::Concurrency,
    actions: &[
        "lambda:GetFunctionConcurrency",
        "lambda:ListProvisionedConcurrencyConfigs",
    ],
    collect: |aws, inquiry| collect(aws, inquiry).boxed(),
};

async fn collect(aws: &Aws, inquiry: &mut Inquiry<'_>) {
    inquiry
        .ask("lambda:GetFunctionConcurrency", &aws.target.name, |raw| {
            aws.clients
                .lambda
                .get_function_concurrency()
                .function_name(aws.target.id_unqualified())
                .customize()
                .interceptor(raw)
                .send()
        })
        .await;
    inquiry
        .ask_pages(
            "provisioned concurrency configurations",
            "lambda:ListProvisionedConcurrencyConfigs",
            &aws.target.name,
            |raw, marker| {
                aws.clients
                    .lambda
                    .list_provisioned_concurrency_configs()
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
    async fn reserved_and_provisioned_are_kept() {
        let collected = collect(
            FUNCTION,
            ArtifactKind::Concurrency,
            None,
            &[
                (
                    "GET /provisioned-concurrency",
                    200,
                    r#"{"ProvisionedConcurrencyConfigs":[]}"#,
                ),
                (
                    "GET /concurrency",
                    200,
                    r#"{"ReservedConcurrentExecutions":0}"#,
                ),
            ],
        )
        .await;
        insta::assert_json_snapshot!(collected.told());
    }

    #[tokio::test]
    async fn one_denied_call_does_not_stop_the_other() {
        let collected = collect(
            FUNCTION,
            ArtifactKind::Concurrency,
            None,
            &[
                (
                    "GET /provisioned-concurrency",
                    200,
                    r#"{"ProvisionedConcurrencyConfigs":[]}"#,
                ),
                (
                    "GET /concurrency",
                    403,
                    r#"{"__type":"AccessDeniedException"}"#,
                ),
            ],
        )
        .await;
        let (outcome, why) = collected.outcome();
        assert_eq!(outcome, "denied");
        assert!(why.contains("lambda:GetFunctionConcurrency"), "{why}");
        assert_eq!(collected.kept.len(), 1);
    }

    #[tokio::test]
    async fn no_answer_is_told_apart_from_none() {
        let outcomes = outcomes_when_refused(FUNCTION, ArtifactKind::Concurrency, None).await;
        assert_eq!(outcomes, ["absent", "denied", "failed"]);
    }
}
