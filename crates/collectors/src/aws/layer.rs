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
    keep_bytes(aws, inquiry, &arn, own).await;
    if own {
        inquiry
            .ask("lambda:GetLayerVersionPolicy", &arn, |raw| {
                aws.clients
                    .lambda
                    .get_layer_version_policy()
                    .layer_name(layer.arn_unqualified())
                    .version_number(number)
                    .customize()
                    .interceptor(raw)
                    .send()
            })
            .await;
        note_policy(inquiry);
    } else {
        inquiry.note(
            "policy",
            Value::from(format!(
                "not asked for: the layer is account {}'s, which can grant others lambda:GetLayerVersion only",
                layer.account
            )),
        );
    }
}

async fn keep_bytes(aws: &Aws, inquiry: &mut Inquiry<'_>, arn: &str, own: bool) {
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
        inquiry.note(
            "bytes",
            Value::from(if own {
                "not obtained. A deleted layer version cannot be read, but functions go on running it"
            } else {
                "not obtained. Another account's layer can be read only while that account allows it"
            }),
        );
        return;
    };
    let content = version.content();
    let Some(location) = content.and_then(|content| content.location()) else {
        return inquiry.refuse(Refusal::Failed(format!(
            "lambda:GetLayerVersion {arn} names no place to download from"
        )));
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
        return;
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
