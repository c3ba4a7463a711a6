//! The deployed package of `$LATEST`, a version or an alias.

use super::{Artifact, Aws};
use crate::{Inquiry, Refusal};
use evidence::{ArtifactKind, Confidence, Finding, Proof, Request, Severity, Sha256Digest};
use futures_util::FutureExt as _;

pub(super) const ARTIFACT: Artifact = Artifact {
    kind: ArtifactKind::FunctionCode,
    actions: &["lambda:GetFunction"],
    collect: |aws, inquiry| collect(aws, inquiry).boxed(),
};

async fn collect(aws: &Aws, inquiry: &mut Inquiry<'_>) {
    let about = aws.about(inquiry);
    let qualifier = Aws::qualifier(inquiry);
    let asked = inquiry
        .ask("lambda:GetFunction", &about, |raw| {
            aws.clients
                .lambda
                .get_function()
                .function_name(aws.target.arn_unqualified())
                .set_qualifier(qualifier.clone())
                .customize()
                .interceptor(raw)
                .send()
        })
        .await;
    inquiry.withhold("/Code/Location", "a signed URL; the bytes are an exhibit");
    inquiry.withhold(
        "/Configuration/Environment",
        "the environment is in the configuration exhibit",
    );
    let Some(function) = asked else {
        return;
    };
    let Some(code) = function.code() else {
        return inquiry.refuse(Refusal::Absent("the reply names no code".to_owned()));
    };
    if let Some(image) = code.resolved_image_uri() {
        // Lambda does not follow tags: the digest is the code.
        return inquiry.then(Request::one(ArtifactKind::ContainerImage, image));
    }
    let Some(location) = code.location() else {
        return inquiry.refuse(Refusal::Absent(
            "Lambda keeps no copy of this code (self-managed); see the deployment source"
                .to_owned(),
        ));
    };
    let announced = function
        .configuration()
        .and_then(|configuration| configuration.code_sha256())
        .and_then(|text| Sha256Digest::from_base64(text).ok());
    let name = match &qualifier {
        Some(qualifier) => format!("function-code-{qualifier}.zip"),
        None => "function-code.zip".to_owned(),
    };
    let package = aws
        .clients
        .downloads
        .url(location, "application/zip", announced);
    let Some(exhibit) = inquiry
        .keep_content("https:GET", &format!("package of {about}"), name, &package)
        .await
    else {
        return;
    };
    let (name, computed) = (exhibit.name.clone(), exhibit.sha256);
    let sources = [
        ("Lambda announces", announced),
        // What the event says is about $LATEST at that moment.
        (
            "the event recorded",
            qualifier
                .is_none()
                .then_some(aws.trigger.code_sha256)
                .flatten(),
        ),
    ];
    for (who, digest) in sources {
        if let Some(digest) = digest.filter(|digest| *digest != computed) {
            inquiry.find(mismatch(&about, who, digest, computed, &name));
        }
    }
}

fn mismatch(
    about: &str,
    who: &str,
    said: Sha256Digest,
    computed: Sha256Digest,
    exhibit: &str,
) -> Finding {
    Finding {
        rule: "code-digest-mismatch".to_owned(),
        statement: format!(
            "The package of {about} hashes to {computed}, but {who} {said}: the code was changed again in between, or the copy is not what was deployed."
        ),
        severity: Severity::High,
        confidence: Confidence::High,
        technique: Some("T1648".to_owned()),
        proof: vec![Proof {
            exhibit: exhibit.to_owned(),
            path: None,
            line: None,
        }],
    }
}
