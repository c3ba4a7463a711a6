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
                .function_name(aws.target.id_unqualified())
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::aws::TriggerFacts;
    use crate::aws::canned::{Script, collect, collect_after, outcomes_when_refused};
    use serde_json::json;

    const FUNCTION: &str = "arn:aws:lambda:eu-west-1:111122223333:function:billing";
    const ZIP: &str = r#"{"Configuration":{"FunctionName":"billing","CodeSha256":"yeHlMX/1LUP7lMHmoplrrfynbD7aGIYnh36mhm24Yfk=","Environment":{"Variables":{"KEY":"marked-secret"}},"FieldOfTomorrow":1},"Code":{"RepositoryType":"S3","Location":"https://code.test/package?X-Amz-Signature=marked-secret"},"Tags":{"team":"billing"}}"#;

    #[tokio::test]
    async fn the_package_is_kept_and_neither_url_nor_environment_is_told() {
        let whole: Script = &[
            ("GET /functions/", 200, ZIP),
            ("GET /package", 200, "package of billing"),
        ];
        let collected = collect(FUNCTION, ArtifactKind::FunctionCode, None, whole).await;
        insta::assert_json_snapshot!(collected.told());
    }

    #[tokio::test]
    async fn bytes_that_are_not_what_was_announced_are_a_finding() {
        let other: Script = &[
            ("GET /functions/ Qualifier=7", 200, ZIP),
            ("GET /package", 200, "other bytes"),
        ];
        let collected = collect(FUNCTION, ArtifactKind::FunctionCode, Some("7"), other).await;
        assert_eq!(collected.gathered.findings.len(), 1);
        assert!(
            collected.gathered.findings[0]
                .statement
                .contains("billing:7")
        );
    }

    #[tokio::test]
    async fn code_that_changed_since_the_event_is_a_finding_for_latest_only() {
        let update = || {
            TriggerFacts::of_record(&json!({"responseElements": {
                "codeSha256": "dXNertauWe+cdVTJ6Ypx2vJXfEslXEHg5UU1fYbgDog=",
            }}))
        };
        let since: Script = &[
            ("GET /functions/", 200, ZIP),
            ("GET /package", 200, "package of billing"),
        ];
        let kind = ArtifactKind::FunctionCode;
        let latest = collect_after(update(), FUNCTION, kind, None, since).await;
        assert!(
            latest.gathered.findings[0]
                .statement
                .contains("the event recorded")
        );
        let version = collect_after(update(), FUNCTION, kind, Some("7"), since).await;
        assert!(version.gathered.findings.is_empty());
    }

    #[tokio::test]
    async fn an_image_is_followed_by_its_digest() {
        let image: Script = &[(
            "GET /functions/",
            200,
            r#"{"Code":{"RepositoryType":"ECR","ImageUri":"r:live","ResolvedImageUri":"r@sha256:00"}}"#,
        )];
        let collected = collect(FUNCTION, ArtifactKind::FunctionCode, None, image).await;
        assert_eq!(
            collected.gathered.next,
            [Request::one(ArtifactKind::ContainerImage, "r@sha256:00")]
        );
    }

    #[tokio::test]
    async fn self_managed_code_is_followed_to_its_object() {
        let own: Script = &[(
            "GET /functions/",
            200,
            r#"{"Code":{"RepositoryType":"S3","ResolvedS3Object":{"S3Bucket":"b","S3Key":"k","S3ObjectVersion":"v"}}}"#,
        )];
        let collected = collect(FUNCTION, ArtifactKind::FunctionCode, None, own).await;
        assert_eq!(collected.outcome(), ("acquired", ""));
        assert_eq!(
            collected.gathered.next,
            [Request::one(
                ArtifactKind::DeploymentSource,
                "s3://b/k?versionId=v"
            )]
        );
    }

    #[tokio::test]
    async fn a_package_that_cannot_be_downloaded_is_partial_or_denied() {
        let broken: Script = &[("GET /functions/", 200, ZIP), ("GET /package", 500, "")];
        let collected = collect(FUNCTION, ArtifactKind::FunctionCode, None, broken).await;
        assert_eq!(collected.outcome().0, "partial");
        let downloads = |asked: &&String| asked.contains("/package");
        assert_eq!(collected.asked.iter().filter(downloads).count(), 3);
        let expired: Script = &[("GET /functions/", 200, ZIP), ("GET /package", 403, "")];
        let collected = collect(FUNCTION, ArtifactKind::FunctionCode, None, expired).await;
        assert_eq!(collected.outcome().0, "denied");
    }

    /// Lists too deep for our JSON reader, which stops at 128; the SDK skips what it does not know.
    #[tokio::test]
    async fn a_reply_that_cannot_be_searched_for_secrets_is_withheld_whole() {
        let deep = format!(
            r#"{{"Deep":{}{},{}"#,
            "[".repeat(200),
            "]".repeat(200),
            &ZIP[1..]
        );
        let script: Script = Box::leak(Box::new([
            ("GET /functions/", 200, &*Box::leak(deep.into_boxed_str())),
            ("GET /package", 200, "package of billing"),
        ]));
        let collected = collect(FUNCTION, ArtifactKind::FunctionCode, None, script).await;
        assert_eq!(collected.outcome(), ("acquired", ""));
        assert!(collected.kept[0].contains("withheld by coldcase"));
    }

    #[tokio::test]
    async fn no_answer_is_told_apart_from_none() {
        let outcomes = outcomes_when_refused(FUNCTION, ArtifactKind::FunctionCode, None).await;
        assert_eq!(outcomes, ["absent", "denied", "failed"]);
    }
}
