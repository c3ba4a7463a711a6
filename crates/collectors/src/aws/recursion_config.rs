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
                    .function_name(aws.target.arn_unqualified())
                    .customize()
                    .interceptor(raw)
                    .send()
            },
        )
        .await;
}
