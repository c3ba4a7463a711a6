//! Aliases with their routing; whatever an alias sends traffic to is preserved, however old.

use super::versions::preserve;
use super::{Artifact, Aws};
use crate::Inquiry;
use aws_sdk_lambda::types::AliasConfiguration;
use evidence::ArtifactKind;
use futures_util::FutureExt as _;

pub(super) const ARTIFACT: Artifact = Artifact {
    kind: ArtifactKind::Aliases,
    actions: &["lambda:ListAliases"],
    collect: |aws, inquiry| collect(aws, inquiry).boxed(),
};

async fn collect(aws: &Aws, inquiry: &mut Inquiry<'_>) {
    inquiry
        .ask_pages(
            "aliases",
            "lambda:ListAliases",
            &aws.target.name,
            |raw, marker| {
                aws.clients
                    .lambda
                    .list_aliases()
                    .function_name(aws.target.id_unqualified())
                    .set_marker(marker)
                    .customize()
                    .interceptor(raw)
                    .send()
            },
            |inquiry, page| {
                for alias in page.aliases() {
                    follow(inquiry, alias);
                }
                page.next_marker
            },
        )
        .await;
}

/// Wants what an alias leads to: its own policy and mappings, the versions that it sends traffic to.
fn follow(inquiry: &mut Inquiry<'_>, alias: &AliasConfiguration) {
    inquiry.then_maybe(ArtifactKind::ResourcePolicy, alias.name());
    inquiry.then_maybe(ArtifactKind::EventSourceMappings, alias.name());
    let weighted = alias
        .routing_config()
        .and_then(|routing| routing.additional_version_weights())
        .into_iter()
        .flat_map(|weights| weights.keys().map(String::as_str));
    // $LATEST is asked for in any case.
    for version in alias
        .function_version()
        .into_iter()
        .chain(weighted)
        .filter(|version| *version != "$LATEST")
    {
        preserve(inquiry, version);
    }
}

#[cfg(test)]
mod tests {
    use crate::aws::canned::{collect, outcomes_when_refused};
    use evidence::ArtifactKind;

    const FUNCTION: &str = "arn:aws:lambda:eu-west-1:111122223333:function:billing";

    #[tokio::test]
    async fn every_version_that_gets_traffic_is_preserved() {
        let collected = collect(
            FUNCTION,
            ArtifactKind::Aliases,
            None,
            &[(
                "GET /aliases",
                200,
                r#"{"Aliases":[{"Name":"live","FunctionVersion":"3","RoutingConfig":{"AdditionalVersionWeights":{"2":0.05}}},{"Name":"next","FunctionVersion":"$LATEST"}]}"#,
            )],
        )
        .await;
        insta::assert_json_snapshot!(collected.told());
    }

    #[tokio::test]
    async fn no_answer_is_told_apart_from_none() {
        let outcomes = outcomes_when_refused(FUNCTION, ArtifactKind::Aliases, None).await;
        assert_eq!(outcomes, ["absent", "denied", "failed"]);
    }
}
