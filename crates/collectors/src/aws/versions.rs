//! The published versions; the newest of them are preserved.

use super::{Artifact, Aws};
use crate::Inquiry;
use evidence::{ArtifactKind, Request};
use futures_util::FutureExt as _;
use serde_json::Value;

pub(super) const ARTIFACT: Artifact = Artifact {
    kind: ArtifactKind::Versions,
    actions: &["lambda:ListVersionsByFunction"],
    collect: |aws, inquiry| collect(aws, inquiry).boxed(),
};

async fn collect(aws: &Aws, inquiry: &mut Inquiry<'_>) {
    let mut numbers: Vec<u64> = Vec::new();
    inquiry
        .ask_pages(
            "versions",
            "lambda:ListVersionsByFunction",
            &aws.target.name,
            |raw, marker| {
                aws.clients
                    .lambda
                    .list_versions_by_function()
                    .function_name(aws.target.id_unqualified())
                    .set_marker(marker)
                    .customize()
                    .interceptor(raw)
                    .send()
            },
            |inquiry, page| {
                withhold_environments(inquiry);
                numbers.extend(
                    page.versions()
                        .iter()
                        .filter_map(|version| version.version()?.parse::<u64>().ok()),
                );
                page.next_marker
            },
        )
        .await;
    numbers.sort_unstable_by(|a, b| b.cmp(a));
    for number in numbers.into_iter().take(aws.versions) {
        preserve(inquiry, &number.to_string());
    }
}

/// Wants everything that can be had of one version.
pub(super) fn preserve(inquiry: &mut Inquiry<'_>, version: &str) {
    for artifact in [
        ArtifactKind::FunctionCode,
        ArtifactKind::Configuration,
        ArtifactKind::ResourcePolicy,
        ArtifactKind::EventSourceMappings,
    ] {
        inquiry.then(Request::one(artifact, version));
    }
}

/// Environments belong to the configuration exhibits only.
fn withhold_environments(inquiry: &mut Inquiry<'_>) {
    let listed = inquiry
        .last_reply()
        .and_then(|reply| reply.get("Versions"))
        .and_then(Value::as_array)
        .map_or(0, Vec::len);
    for index in 0..listed.max(1) {
        inquiry.withhold(
            &format!("/Versions/{index}/Environment"),
            "the environment is in the configuration exhibits of preserved versions",
        );
    }
}

#[cfg(test)]
mod tests {
    use crate::aws::canned::{collect, outcomes_when_refused};
    use evidence::ArtifactKind;

    const FUNCTION: &str = "arn:aws:lambda:eu-west-1:111122223333:function:billing";

    #[tokio::test]
    async fn the_newest_versions_are_preserved_and_no_environment_is_told() {
        let collected = collect(
            FUNCTION,
            ArtifactKind::Versions,
            None,
            &[
                (
                    "GET /versions Marker=4",
                    200,
                    r#"{"Versions":[{"Version":"9"},{"Version":"10","Environment":{"Variables":{"KEY":"marked-secret"}}}]}"#,
                ),
                (
                    "GET /versions",
                    200,
                    r#"{"NextMarker":"4","Versions":[{"Version":"$LATEST","Environment":{"Variables":{"KEY":"marked-secret"}}},{"Version":"1"},{"Version":"8"}]}"#,
                ),
            ],
        )
        .await;
        insta::assert_json_snapshot!(collected.told());
    }

    #[tokio::test]
    async fn a_list_that_breaks_off_is_partial_and_what_came_is_preserved() {
        let collected = collect(
            FUNCTION,
            ArtifactKind::Versions,
            None,
            &[
                (
                    "GET /versions Marker=4",
                    500,
                    r#"{"__type":"ServiceException"}"#,
                ),
                (
                    "GET /versions",
                    200,
                    r#"{"NextMarker":"4","Versions":[{"Version":"1"}]}"#,
                ),
            ],
        )
        .await;
        assert_eq!(collected.outcome().0, "partial");
        assert_eq!(collected.gathered.next.len(), 4);
    }

    #[tokio::test]
    async fn no_answer_is_told_apart_from_none() {
        let outcomes = outcomes_when_refused(FUNCTION, ArtifactKind::Versions, None).await;
        assert_eq!(outcomes, ["absent", "denied", "failed"]);
    }
}
