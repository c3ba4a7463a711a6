//! The deployed package of `$LATEST`, a version or an alias.

use super::announced::Announced;
use super::{Artifact, Aws, deployment_source};
use crate::{Inquiry, Refusal};
use evidence::{ArtifactKind, Request, Sha256Digest};
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
    if let Some(object) = code.resolved_s3_object()
        && let (Some(bucket), Some(key)) = (object.s3_bucket(), object.s3_key())
    {
        let source = deployment_source::object(bucket, key, object.s3_object_version());
        inquiry.then(Request::one(ArtifactKind::DeploymentSource, source));
    }
    if let Some(image) = code.resolved_image_uri() {
        // Lambda does not follow tags: the digest is the code.
        return inquiry.then(Request::one(ArtifactKind::ContainerImage, image));
    }
    let Some(location) = code.location() else {
        return match code.error().and_then(|error| error.error_code()) {
            Some(error) => inquiry.refuse(Refusal::Failed(format!(
                "Lambda cannot give out the package of {about}: {error}"
            ))),
            None if code.resolved_s3_object().is_some() => inquiry.note(
                "code",
                "Lambda keeps no copy of self-managed code; see the deployment source".into(),
            ),
            None => inquiry.refuse(Refusal::Failed(format!(
                "the reply names no place to download the package of {about} from"
            ))),
        };
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
        .cloned()
    else {
        return;
    };
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
    for (by, digest) in sources {
        let difference = Announced {
            rule: "code-digest-mismatch",
            technique: "T1648",
            what: &format!("The package of {about}"),
            by,
            digest,
            meaning: "the code was changed again in between, or the copy is not what was deployed",
        }
        .differs_from(&exhibit);
        if let Some(finding) = difference {
            inquiry.find(finding);
        }
    }
}
