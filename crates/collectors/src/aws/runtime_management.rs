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
                    .function_name(aws.target.arn_unqualified())
                    .customize()
                    .interceptor(raw)
                    .send()
            },
        )
        .await;
}
