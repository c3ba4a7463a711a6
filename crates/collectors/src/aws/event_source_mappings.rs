//! Streams and queues that feed the function, a version or an alias.

use super::{Artifact, Aws};
use crate::Inquiry;
use evidence::ArtifactKind;
use futures_util::FutureExt as _;

pub(super) const ARTIFACT: Artifact = Artifact {
    kind: ArtifactKind::EventSourceMappings,
    actions: &["lambda:ListEventSourceMappings"],
    collect: |aws, inquiry| collect(aws, inquiry).boxed(),
};

async fn collect(aws: &Aws, inquiry: &mut Inquiry<'_>) {
    let about = aws.about(inquiry);
    // A mapping belongs to what it invokes: asked for the bare function, Lambda leaves out those
    // of its versions and aliases.
    let function = match Aws::qualifier(inquiry) {
        Some(qualifier) => format!("{}:{qualifier}", aws.target.id_unqualified()),
        None => aws.target.id_unqualified(),
    };
    inquiry
        .ask_pages(
            "event source mappings",
            "lambda:ListEventSourceMappings",
            &about,
            |raw, marker| {
                aws.clients
                    .lambda
                    .list_event_source_mappings()
                    .function_name(&function)
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
    async fn mappings_of_an_alias_are_asked_for_by_its_arn() {
        let collected = collect(
            FUNCTION,
            ArtifactKind::EventSourceMappings,
            Some("live"),
            &[(
                "GET /event-source-mappings billing%3Alive",
                200,
                r#"{"EventSourceMappings":[{"UUID":"0c0ffee0-1111-2222-3333-444455556666","EventSourceArn":"arn:aws:sqs:eu-west-1:111122223333:jobs","FunctionArn":"arn:aws:lambda:eu-west-1:111122223333:function:billing:live","State":"Enabled"}]}"#,
            )],
        )
        .await;
        insta::assert_json_snapshot!(collected.told());
    }

    #[tokio::test]
    async fn none_is_an_answer_too() {
        let none: crate::aws::canned::Script = &[(
            "GET /event-source-mappings",
            200,
            r#"{"EventSourceMappings":[]}"#,
        )];
        let collected = collect(FUNCTION, ArtifactKind::EventSourceMappings, None, none).await;
        assert_eq!(collected.outcome(), ("acquired", ""));
    }

    #[tokio::test]
    async fn no_answer_is_told_apart_from_none() {
        let outcomes =
            outcomes_when_refused(FUNCTION, ArtifactKind::EventSourceMappings, None).await;
        assert_eq!(outcomes, ["absent", "denied", "failed"]);
    }
}
