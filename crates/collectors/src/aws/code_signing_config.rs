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
                    .function_name(aws.target.arn_unqualified())
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
