//! A layer version that the function carries: its bytes, and who else may use it.

use super::announced::Announced;
use super::{Artifact, Aws};
use crate::{Inquiry, Refusal};
use evidence::{ArtifactKind, ResourceKind, Sha256Digest, Target};
use futures_util::FutureExt as _;
use serde_json::Value;

pub(super) const ARTIFACT: Artifact = Artifact {
    kind: ArtifactKind::Layer,
    // GetLayerVersionByArn is authorised as GetLayerVersion.
    actions: &["lambda:GetLayerVersion", "lambda:GetLayerVersionPolicy"],
    collect: |aws, inquiry| collect(aws, inquiry).boxed(),
};

async fn collect(aws: &Aws, inquiry: &mut Inquiry<'_>) {
    let arn = inquiry.request().selector.clone().unwrap_or_default();
    let version = Target::from_arn(&arn).ok().and_then(|layer| {
        let number: i64 = layer.qualifier.as_deref()?.parse().ok()?;
        (layer.kind == ResourceKind::Layer).then_some((layer, number))
    });
    let Some((layer, number)) = version else {
        return inquiry.refuse(Refusal::Failed(
            "what the function names is not the ARN of a layer version".to_owned(),
        ));
    };
    let own = layer.account == aws.target.account;
    let readable = keep_bytes(aws, inquiry, &arn, own).await;
    if own {
        inquiry
            .ask("lambda:GetLayerVersionPolicy", &arn, |raw| {
                aws.clients
                    .lambda
                    .get_layer_version_policy()
                    .layer_name(layer.id_unqualified())
                    .version_number(number)
                    .customize()
                    .interceptor(raw)
                    .send()
            })
            .await;
        note_policy(inquiry);
    } else if readable {
        inquiry.note(
            "policy",
            Value::from(format!(
                "not asked for: the layer is account {}'s, which can grant others lambda:GetLayerVersion only",
                layer.account
            )),
        );
    }
}

/// Keeps the bytes; whether Lambda tells of the layer at all.
async fn keep_bytes(aws: &Aws, inquiry: &mut Inquiry<'_>, arn: &str, own: bool) -> bool {
    let asked = inquiry
        .ask("lambda:GetLayerVersion", arn, |raw| {
            aws.clients
                .lambda
                .get_layer_version_by_arn()
                .arn(arn)
                .customize()
                .interceptor(raw)
                .send()
        })
        .await;
    inquiry.withhold(
        "/Content/Location",
        "a signed URL; the bytes are an exhibit",
    );
    let Some(version) = asked else {
        // What the refusal means is not plain from the service's error code.
        inquiry.explain(if own {
            "a deleted layer version cannot be read, but functions go on running it"
        } else {
            "another account's layer can be read only while that account allows it"
        });
        return false;
    };
    let content = version.content();
    let Some(location) = content.and_then(|content| content.location()) else {
        inquiry.refuse(Refusal::Failed(format!(
            "lambda:GetLayerVersion {arn} names no place to download from"
        )));
        return true;
    };
    let announced = content
        .and_then(|content| content.code_sha256())
        .and_then(|text| Sha256Digest::from_base64(text).ok());
    let bytes = aws
        .clients
        .downloads
        .url(location, "application/zip", announced);
    let name = inquiry.part("bytes.zip");
    let Some(exhibit) = inquiry
        .keep_content("https:GET", &format!("bytes of {arn}"), name, &bytes)
        .await
        .cloned()
    else {
        return true;
    };
    let difference = Announced {
        rule: "layer-digest-mismatch",
        technique: "T1648",
        what: &format!("The layer {arn}"),
        by: "Lambda announces",
        digest: announced,
        meaning: "the copy is not what functions load",
    }
    .differs_from(&exhibit);
    if let Some(finding) = difference {
        inquiry.find(finding);
    }
    true
}

/// The policy comes as JSON in a string; readers want it as JSON too.
fn note_policy(inquiry: &mut Inquiry<'_>) {
    let policy = inquiry
        .last_reply()
        .and_then(|reply| reply.get("Policy"))
        .and_then(Value::as_str)
        .and_then(|text| serde_json::from_str::<Value>(text).ok());
    if let Some(policy) = policy {
        inquiry.note("policy", policy);
    }
}

#[cfg(test)]
mod tests {
    use crate::aws::canned::{collect, outcomes_when_refused};
    use evidence::ArtifactKind;

    const LAYER: &str = "arn:aws:lambda:eu-west-1:111122223333:layer:deps:3";
    const FOREIGN: &str = "arn:aws:lambda:eu-west-1:444455556666:layer:deps:3";
    const DEPS: &str = r#"{"Content":{"Location":"https://layers.test/deps.zip?X-Amz-Signature=marked-secret","CodeSha256":"dXNertauWe+cdVTJ6Ypx2vJXfEslXEHg5UU1fYbgDog=","CodeSize":10},"Version":3}"#;
    const FUNCTION: &str = "arn:aws:lambda:eu-west-1:111122223333:function:billing";

    #[tokio::test]
    async fn bytes_and_policy_are_kept_and_the_signed_url_is_not() {
        let collected = collect(
            FUNCTION,
            ArtifactKind::Layer,
            Some(LAYER),
            &[
                (
                    "GET /policy",
                    200,
                    r#"{"Policy":"{\"Statement\":[{\"Effect\":\"Allow\",\"Principal\":\"*\"}]}","RevisionId":"r1"}"#,
                ),
                ("GET find=LayerVersion", 200, DEPS),
                ("GET /deps.zip", 200, "layer deps"),
            ],
        )
        .await;
        insta::assert_json_snapshot!(collected.told());
    }

    #[tokio::test]
    async fn other_bytes_than_announced_are_a_finding() {
        let collected = collect(
            FUNCTION,
            ArtifactKind::Layer,
            Some(LAYER),
            &[
                (
                    "GET /policy",
                    404,
                    r#"{"__type":"ResourceNotFoundException"}"#,
                ),
                ("GET find=LayerVersion", 200, DEPS),
                ("GET /deps.zip", 200, "something else"),
            ],
        )
        .await;
        // A layer that is shared with nobody has no policy: nothing is missing.
        assert_eq!(collected.outcome(), ("acquired", ""));
        assert_eq!(collected.gathered.findings[0].rule, "layer-digest-mismatch");
    }

    #[tokio::test]
    async fn another_accounts_unreadable_layer_is_denied_and_its_policy_is_not_asked_for() {
        let collected = collect(
            FUNCTION,
            ArtifactKind::Layer,
            Some(FOREIGN),
            &[(
                "GET find=LayerVersion",
                403,
                r#"{"__type":"AccessDeniedException"}"#,
            )],
        )
        .await;
        let (outcome, why) = collected.outcome();
        assert_eq!(outcome, "denied");
        assert!(why.contains("another account's layer"), "{why}");
        assert_eq!(collected.asked.len(), 1);
    }

    #[tokio::test]
    async fn a_deleted_layer_is_absent_and_it_is_said_that_it_may_still_run() {
        let collected = collect(
            FUNCTION,
            ArtifactKind::Layer,
            Some(LAYER),
            &[("GET", 404, r#"{"__type":"ResourceNotFoundException"}"#)],
        )
        .await;
        let (outcome, why) = collected.outcome();
        assert_eq!(outcome, "absent");
        assert!(why.contains("go on running it"), "{why}");
    }

    #[tokio::test]
    async fn a_link_that_has_run_out_is_denied() {
        let collected = collect(
            FUNCTION,
            ArtifactKind::Layer,
            Some(FOREIGN),
            &[
                ("GET find=LayerVersion", 200, DEPS),
                (
                    "GET /deps.zip",
                    403,
                    "<Error><Code>AccessDenied</Code></Error>",
                ),
            ],
        )
        .await;
        assert_eq!(collected.outcome().0, "denied");
    }

    #[tokio::test]
    async fn no_answer_is_told_apart_from_none() {
        let outcomes = outcomes_when_refused(FUNCTION, ArtifactKind::Layer, Some(LAYER)).await;
        assert_eq!(outcomes, ["absent", "denied", "failed"]);
    }
}
