//! Whether Lambda stops the function when it calls itself in a loop.

use super::{Artifact, Aws};
use crate::Inquiry;
use evidence::ArtifactKind;
use futures_util::FutureExt as _;

pub(super) const ARTIFACT: Artifact = Artifact {
    kind: ArtifactKind::RecursionConfig,
    actions: &["lambda:GetFunctionRecursionConfig"],
    collect: |aws, inquiry| collect(aws, inquiry).boxed(),
};

async fn collect(aws: &Aws, inquiry: &mut Inquiry<'_>) {
    inquiry
        .ask(
            "lambda:GetFunctionRecursionConfig",
            &aws.target.name,
            |raw| {
                aws.clients
                    .lambda
                    .get_function_recursion_config()
                    .function_name(aws.target.id_unqualified())
                    .customize()
                    .interceptor(raw)
                    .send()
            },
        )
        .await;
}

#[cfg(test)]
mod tests {
    use crate::aws::canned::{collect, outcomes_when_refused};
    use evidence::ArtifactKind;

    const FUNCTION: &str = "arn:aws:lambda:eu-west-1:111122223333:function:billing";

    #[tokio::test]
    async fn whether_loops_are_stopped_is_kept() {
        let collected = collect(
            FUNCTION,
            ArtifactKind::RecursionConfig,
            None,
            &[("GET /recursion-config", 200, r#"{"RecursiveLoop":"Allow"}"#)],
        )
        .await;
        insta::assert_json_snapshot!(collected.told());
    }

    #[tokio::test]
    async fn no_answer_is_told_apart_from_none() {
        let outcomes = outcomes_when_refused(FUNCTION, ArtifactKind::RecursionConfig, None).await;
        assert_eq!(outcomes, ["absent", "denied", "failed"]);
    }
}
