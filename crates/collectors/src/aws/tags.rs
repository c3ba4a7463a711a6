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
                .resource(aws.target.id_unqualified())
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

    #[tokio::test]
    async fn tags_are_kept() {
        let collected = collect(
            FUNCTION,
            ArtifactKind::Tags,
            None,
            &[("GET /tags/", 200, r#"{"Tags":{"team":"billing"}}"#)],
        )
        .await;
        insta::assert_json_snapshot!(collected.told());
    }

    #[tokio::test]
    async fn no_answer_is_told_apart_from_none() {
        let outcomes = outcomes_when_refused(FUNCTION, ArtifactKind::Tags, None).await;
        assert_eq!(outcomes, ["absent", "denied", "failed"]);
    }
}
