//! The function's tags.

use super::{Artifact, Aws};
use crate::Inquiry;
use evidence::ArtifactKind;
use futures_util::FutureExt as _;

pub(super) const ARTIFACT: Artifact = Artifact {
    kind: ArtifactKind::Tags,
    actions: &["lambda:ListTags"],
    collect: |aws, inquiry| collect(aws, inquiry).boxed(),
};

async fn collect(aws: &Aws, inquiry: &mut Inquiry<'_>) {
    inquiry
        .ask("lambda:ListTags", &aws.target.name, |raw| {
            aws.clients
                .lambda
                .list_tags()
                .resource(aws.target.arn_unqualified())
                .customize()
                .interceptor(raw)
                .send()
        })
        .await;
}
