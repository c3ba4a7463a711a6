//! Whether the function's code must be signed, by whom, and what happens when it is not.

use super::{Artifact, Aws};
use crate::Inquiry;
use evidence::ArtifactKind;
use futures_util::FutureExt as _;

pub(super) const ARTIFACT: Artifact = Artifact {
    kind: ArtifactKind::CodeSigningConfig,
    actions: &[
        "lambda:GetFunctionCodeSigningConfig",
        "lambda:GetCodeSigningConfig",
    ],
    collect: |aws, inquiry| collect(aws, inquiry).boxed(),
};

async fn collect(aws: &Aws, inquiry: &mut Inquiry<'_>) {
    let Some(in_force) = inquiry
        .ask(
            "lambda:GetFunctionCodeSigningConfig",
            &aws.target.name,
            |raw| {
                aws.clients
                    .lambda
                    .get_function_code_signing_config()
                    .function_name(aws.target.id_unqualified())
                    .customize()
                    .interceptor(raw)
                    .send()
            },
        )
        .await
    else {
        return;
    };
    let arn = in_force.code_signing_config_arn();
    // A function without one is answered with an empty reply.
    if arn.is_empty() {
        return;
    }
    inquiry
        .ask("lambda:GetCodeSigningConfig", arn, |raw| {
            aws.clients
                .lambda
                .get_code_signing_config()
                .code_signing_config_arn(arn)
                .customize()
                .interceptor(raw)
                .send()
        })
        .await;
}

#[cfg(test)]
mod tests {
    use crate::aws::canned::{collect, outcomes_when_refused};
    use evidence::ArtifactKind;

    const FUNCTION: &str = "arn:aws:lambda:eu-west-1:111122223333:function:billing";

    const ARN: &str = r#"{"CodeSigningConfigArn":"arn:aws:lambda:eu-west-1:111122223333:code-signing-config:csc-0c0ffee","FunctionName":"billing"}"#;

    #[tokio::test]
    async fn the_configuration_in_force_is_followed() {
        let collected = collect(
            FUNCTION,
            ArtifactKind::CodeSigningConfig,
            None,
            &[
                ("GET /functions/ /code-signing-config", 200, ARN),
                (
                    "GET /code-signing-configs/ csc-0c0ffee",
                    200,
                    r#"{"CodeSigningConfig":{"CodeSigningConfigId":"csc-0c0ffee","CodeSigningConfigArn":"arn:aws:lambda:eu-west-1:111122223333:code-signing-config:csc-0c0ffee","AllowedPublishers":{"SigningProfileVersionArns":[]},"CodeSigningPolicies":{"UntrustedArtifactOnDeployment":"Warn"},"LastModified":"2026-01-01T00:00:00Z"}}"#,
                ),
            ],
        )
        .await;
        insta::assert_json_snapshot!(collected.told());
    }

    #[tokio::test]
    async fn a_function_without_one_is_an_answer_too() {
        let without: crate::aws::canned::Script = &[(
            "GET /code-signing-config",
            200,
            r#"{"FunctionName":"billing"}"#,
        )];
        let collected = collect(FUNCTION, ArtifactKind::CodeSigningConfig, None, without).await;
        assert_eq!(collected.outcome(), ("acquired", ""));
        assert_eq!(collected.asked.len(), 1);
    }

    #[tokio::test]
    async fn no_answer_is_told_apart_from_none() {
        let outcomes = outcomes_when_refused(FUNCTION, ArtifactKind::CodeSigningConfig, None).await;
        assert_eq!(outcomes, ["absent", "denied", "failed"]);
    }
}
