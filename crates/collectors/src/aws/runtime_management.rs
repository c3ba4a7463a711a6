//! Which runtime version `$LATEST` runs on, and whether AWS updates it.

use super::{Artifact, Aws};
use crate::Inquiry;
use evidence::ArtifactKind;
use futures_util::FutureExt as _;

pub(super) const ARTIFACT: Artifact = Artifact {
    kind: ArtifactKind::RuntimeManagement,
    actions: &["lambda:GetRuntimeManagementConfig"],
    collect: |aws, inquiry| collect(aws, inquiry).boxed(),
};

async fn collect(aws: &Aws, inquiry: &mut Inquiry<'_>) {
    inquiry
        .ask(
            "lambda:GetRuntimeManagementConfig",
            &aws.target.name,
            |raw| {
                aws.clients
                    .lambda
                    .get_runtime_management_config()
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
    async fn the_runtime_in_use_is_kept() {
        let collected = collect(
            FUNCTION,
            ArtifactKind::RuntimeManagement,
            None,
            &[(
                "GET /runtime-management-config",
                200,
                r#"{"FunctionArn":"arn:aws:lambda:eu-west-1:111122223333:function:billing:$LATEST","UpdateRuntimeOn":"Manual","RuntimeVersionArn":"arn:aws:lambda:eu-west-1::runtime:0c0ffee"}"#,
            )],
        )
        .await;
        insta::assert_json_snapshot!(collected.told());
    }

    #[tokio::test]
    async fn no_answer_is_told_apart_from_none() {
        let outcomes = outcomes_when_refused(FUNCTION, ArtifactKind::RuntimeManagement, None).await;
        assert_eq!(outcomes, ["absent", "denied", "failed"]);
    }
}
