//! A function's settings, raw, environment included. The only exhibit that holds its values.

use super::{Artifact, Aws};
use crate::Inquiry;
use evidence::{ArtifactKind, Request};
use futures_util::FutureExt as _;

pub(super) const ARTIFACT: Artifact = Artifact {
    kind: ArtifactKind::Configuration,
    actions: &["lambda:GetFunctionConfiguration"],
    collect: |aws, inquiry| collect(aws, inquiry).boxed(),
};

async fn collect(aws: &Aws, inquiry: &mut Inquiry<'_>) {
    let about = aws.about(inquiry);
    let qualifier = Aws::qualifier(inquiry);
    let Some(configuration) = inquiry
        .ask("lambda:GetFunctionConfiguration", &about, |raw| {
            aws.clients
                .lambda
                .get_function_configuration()
                .function_name(aws.target.arn_unqualified())
                .set_qualifier(qualifier.clone())
                .customize()
                .interceptor(raw)
                .send()
        })
        .await
    else {
        return;
    };
    for layer in configuration.layers() {
        inquiry.then_maybe(ArtifactKind::Layer, layer.arn());
    }
    inquiry.then_maybe(ArtifactKind::ExecutionRole, configuration.role());
    // Never assume /aws/lambda/NAME: the group may be another one.
    let custom = configuration
        .logging_config()
        .and_then(|logging| logging.log_group());
    let group = match custom {
        Some(group) => group.to_owned(),
        None => format!("/aws/lambda/{}", aws.target.name),
    };
    inquiry.then(Request::one(ArtifactKind::LogGroup, group));
}
