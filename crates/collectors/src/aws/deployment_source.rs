//! Where the event says the code came from: an S3 object version, or an image.
//!
//! The selector is `s3://BUCKET/KEY?versionId=VERSION` (`%` and `?` of the key percent-encoded, the
//! version left out where none is named) or the image's address as the event has it.

use super::announced::Announced;
use super::container_image::{ImageUri, Registry};
use super::{Artifact, Aws};
use crate::{Inquiry, Refusal};
use async_trait::async_trait;
use aws_sdk_ecr::types::ImageIdentifier;
use aws_smithy_types::error::metadata::ProvideErrorMetadata as _;
use evidence::{ArtifactKind, Confidence, Finding, Proof, Request, Severity, Sha256Digest};
use futures_util::FutureExt as _;
use serde_json::{Value, json};
use vault::{Opened, Source, SourceError};

pub(super) const ARTIFACT: Artifact = Artifact {
    kind: ArtifactKind::DeploymentSource,
    // Reading a named version is authorised as GetObjectVersion, any other reading as GetObject.
    actions: &[
        "s3:GetObject",
        "s3:GetObjectVersion",
        "ecr:BatchGetImage",
        "lambda:GetFunction",
    ],
    collect: |aws, inquiry| collect(aws, inquiry).boxed(),
};

/// The source that a record names, for functions and for layers, whether made or updated.
pub(super) fn named_in(record: &Value) -> Option<Request> {
    ["", "/code", "/content"].into_iter().find_map(|place| {
        let parameter = |name: &str| {
            record
                .pointer(&format!("/requestParameters{place}/{name}"))
                .and_then(Value::as_str)
                .filter(|value| !value.is_empty())
        };
        let selector = match (parameter("s3Bucket"), parameter("s3Key")) {
            (Some(bucket), Some(key)) => object(bucket, key, parameter("s3ObjectVersion")),
            _ => parameter("imageUri")?.to_owned(),
        };
        Some(Request::one(ArtifactKind::DeploymentSource, selector))
    })
}

/// The selector of an S3 object.
pub(super) fn object(bucket: &str, key: &str, version: Option<&str>) -> String {
    let key = key.replace('%', "%25").replace('?', "%3F");
    match version {
        Some(version) => format!("s3://{bucket}/{key}?versionId={version}"),
        None => format!("s3://{bucket}/{key}"),
    }
}

async fn collect(aws: &Aws, inquiry: &mut Inquiry<'_>) {
    let selector = inquiry.request().selector.clone().unwrap_or_default();
    if let Some(object) = S3Object::parse(aws, &selector) {
        return keep_object(aws, inquiry, object).await;
    }
    match ImageUri::parse(&selector) {
        Some(image) => keep_image(aws, inquiry, &selector, image).await,
        None => inquiry.refuse(Refusal::Failed(
            "the source is neither an S3 object nor an image in ECR".to_owned(),
        )),
    }
}

async fn keep_object(aws: &Aws, inquiry: &mut Inquiry<'_>, mut object: S3Object) {
    let selector = inquiry.request().selector.clone().unwrap_or_default();
    // Only the source that the event names is what the event's digest is about.
    let recorded = aws.trigger.code_sha256.filter(|_| {
        aws.trigger.record.as_ref().and_then(named_in).as_ref() == Some(inquiry.request())
    });
    object.expected = recorded;
    let asked = inquiry
        .ask(object.action(), &selector, |raw| {
            aws.clients
                .s3
                .head_object()
                .bucket(&object.bucket)
                .key(&object.key)
                .set_version_id(object.version.clone())
                .customize()
                .interceptor(raw)
                .send()
        })
        .await;
    let Some(head) = asked else {
        return;
    };
    // A HEAD answers in headers; the reply that is kept is empty.
    inquiry.note(
        "object",
        json!({
            "bucket": object.bucket,
            "key": object.key,
            "version_id": head.version_id(),
            "e_tag": head.e_tag(),
            "size_bytes": head.content_length(),
            "last_modified": head.last_modified().map(ToString::to_string),
            "media_type": head.content_type(),
            "storage_class": head.storage_class().map(|class| class.as_str()),
            "encryption": head.server_side_encryption().map(|sse| sse.as_str()),
            "kms_key": head.ssekms_key_id(),
        }),
    );
    if object.version.is_none() {
        inquiry.note(
            "version",
            Value::from(match head.version_id() {
                Some(version) => format!(
                    "no version was named; the one that is current now was taken: {version}"
                ),
                None => "no version was named and the bucket keeps none; the object as it is now was taken".to_owned(),
            }),
        );
        // From here on the same version, though somebody overwrites the object meanwhile.
        object.version = head.version_id().map(str::to_owned);
    }
    let name = inquiry.part("object");
    let Some(exhibit) = inquiry
        .keep_content(object.action(), &selector, name, &object)
        .await
        .cloned()
    else {
        return;
    };
    let difference = Announced {
        rule: "deployment-source-mismatch",
        technique: "T1648",
        what: &format!("The deployment source {selector}"),
        by: "the event recorded a package of",
        digest: recorded,
        meaning: "the object was replaced since, or is not what was deployed",
    }
    .differs_from(&exhibit);
    if let Some(finding) = difference {
        inquiry.find(finding);
    }
}

/// Notes which image the event's address leads to now, has it preserved, and compares it with the
/// one that the function runs: Lambda does not follow a tag that is moved.
async fn keep_image(aws: &Aws, inquiry: &mut Inquiry<'_>, uri: &str, image: ImageUri) {
    let wanted = match image.digest {
        Some(digest) => ImageIdentifier::builder().image_digest(format!("sha256:{digest}")),
        None => ImageIdentifier::builder().image_tag(image.tag.as_deref().unwrap_or("latest")),
    }
    .build();
    let registry = Registry::of(aws, image);
    let reply = registry.manifest(inquiry, uri, wanted).await;
    let digest = reply
        .as_ref()
        .and_then(|reply| reply.images().first()?.image_id()?.image_digest());
    let now = digest.map(|digest| format!("{}@{digest}", repository(uri)));
    if let Some(now) = &now {
        inquiry.then(Request::one(ArtifactKind::ContainerImage, now));
    }
    let asked = inquiry
        .ask("lambda:GetFunction", &aws.target.name, |raw| {
            aws.clients
                .lambda
                .get_function()
                .function_name(aws.target.id_unqualified())
                .customize()
                .interceptor(raw)
                .send()
        })
        .await;
    if asked.is_some() {
        inquiry.withhold("/Code/Location", "a signed URL");
        inquiry.withhold(
            "/Configuration/Environment",
            "the environment is in the configuration exhibit",
        );
    }
    let runs = asked
        .as_ref()
        .and_then(|function| function.code()?.resolved_image_uri());
    let (Some(now), Some(runs)) = (now, runs) else {
        return;
    };
    if now != runs {
        inquiry.find(Finding {
            rule: "deployment-source-mismatch".to_owned(),
            statement: format!(
                "The event deployed {uri}, which is now {now}, but {} runs {runs}: the tag was moved, or the code was changed again.",
                aws.target.name
            ),
            severity: Severity::Medium,
            confidence: Confidence::High,
            technique: Some("T1525".to_owned()),
            advice: None,
            proof: vec![Proof {
                excerpt: None,
                exhibit: inquiry.name(),
                path: None,
                line: None,
            }],
        });
    }
}

/// `HOST/REPOSITORY`, without tag and digest.
fn repository(uri: &str) -> &str {
    let bare = uri.split_once('@').map_or(uri, |(bare, _)| bare);
    match (bare.rfind(':'), bare.rfind('/')) {
        (Some(colon), Some(slash)) if colon > slash => &bare[..colon],
        _ => bare,
    }
}

/// An object in S3, or one version of it; read again from its first byte as often as needed.
struct S3Object {
    client: aws_sdk_s3::Client,
    bucket: String,
    key: String,
    version: Option<String>,
    expected: Option<Sha256Digest>,
}

impl S3Object {
    fn parse(aws: &Aws, selector: &str) -> Option<Self> {
        let (bucket, rest) = selector.strip_prefix("s3://")?.split_once('/')?;
        let (key, version) = match rest.split_once("?versionId=") {
            Some((key, version)) => (key, Some(version.to_owned())),
            None => (rest, None),
        };
        Some(Self {
            client: aws.clients.s3.clone(),
            bucket: bucket.to_owned(),
            key: key.replace("%3F", "?").replace("%25", "%"),
            version,
            expected: None,
        })
    }

    /// The IAM action that reading it takes.
    fn action(&self) -> &'static str {
        match self.version {
            Some(_) => "s3:GetObjectVersion",
            None => "s3:GetObject",
        }
    }
}

#[async_trait]
impl Source for S3Object {
    fn expected(&self) -> Option<Sha256Digest> {
        self.expected
    }

    fn media_type(&self) -> &str {
        "application/zip"
    }

    async fn open(&self) -> Result<Opened, SourceError> {
        let reply = self
            .client
            .get_object()
            .bucket(&self.bucket)
            .key(&self.key)
            .set_version_id(self.version.clone())
            .send()
            .await
            .map_err(|error| {
                let status = error.raw_response().map(|reply| reply.status().as_u16());
                let code = error.code().unwrap_or("could not be sent").to_owned();
                match (code.as_str(), status) {
                    ("AccessDenied", _) | (_, Some(403)) => SourceError::Denied(code),
                    ("NoSuchKey" | "NoSuchVersion" | "NoSuchBucket", _) | (_, Some(404)) => {
                        SourceError::Absent(code)
                    }
                    _ => SourceError::Failed(code),
                }
            })?;
        let size_bytes = reply
            .content_length()
            .and_then(|length| u64::try_from(length).ok());
        Ok(Opened {
            bytes: crate::rest::byte_stream(reply.body.into_inner()),
            size_bytes,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::aws::TriggerFacts;
    use crate::aws::canned::{Script, collect, collect_after, outcomes_when_refused};

    const FUNCTION: &str = "arn:aws:lambda:eu-west-1:111122223333:function:billing";
    const OBJECT: &str = "s3://deploys/billing.zip?versionId=v7";
    const IMAGE: &str = "111122223333.dkr.ecr.eu-west-1.amazonaws.com/billing:live";

    /// An update whose package hashes as `zip in the bucket` does.
    fn update() -> TriggerFacts {
        TriggerFacts::of_record(&json!({
            "requestParameters": {"s3Bucket": "deploys", "s3Key": "billing.zip", "s3ObjectVersion": "v7"},
            "responseElements": {"codeSha256": "b/qqdhMyBSnPP87ckPxesE9UN0wVN7raE2B6ORGXql0="},
        }))
    }

    #[tokio::test]
    async fn the_version_that_the_event_names_is_kept() {
        let found: Script = &[
            (
                "HEAD /billing.zip versionId=v7",
                200,
                "x-amz-version-id: v7\n\n",
            ),
            ("GET /billing.zip versionId=v7", 200, "zip in the bucket"),
        ];
        let collected = collect_after(
            update(),
            FUNCTION,
            ArtifactKind::DeploymentSource,
            Some(OBJECT),
            found,
        )
        .await;
        insta::assert_json_snapshot!(collected.told());
    }

    #[tokio::test]
    async fn other_bytes_than_the_event_recorded_are_a_finding() {
        let replaced: Script = &[("HEAD", 200, ""), ("GET", 200, "something else")];
        let collected = collect_after(
            update(),
            FUNCTION,
            ArtifactKind::DeploymentSource,
            Some(OBJECT),
            replaced,
        )
        .await;
        assert_eq!(
            collected.gathered.findings[0].rule,
            "deployment-source-mismatch"
        );
    }

    #[tokio::test]
    async fn the_events_digest_says_nothing_about_another_source() {
        let other: Script = &[("HEAD", 200, ""), ("GET", 200, "something else")];
        let collected = collect_after(
            update(),
            FUNCTION,
            ArtifactKind::DeploymentSource,
            Some("s3://deploys/billing.zip?versionId=v1"),
            other,
        )
        .await;
        assert!(collected.gathered.findings.is_empty());
    }

    #[tokio::test]
    async fn without_a_version_the_current_one_is_taken_and_said() {
        let current: Script = &[
            ("HEAD", 200, "x-amz-version-id: v9\n\n"),
            ("GET versionId=v9", 200, "zip in the bucket"),
        ];
        let collected = collect(
            FUNCTION,
            ArtifactKind::DeploymentSource,
            Some("s3://deploys/billing.zip"),
            current,
        )
        .await;
        assert_eq!(collected.outcome(), ("acquired", ""));
        assert!(collected.kept[0].contains("the one that is current now was taken: v9"));
    }

    #[tokio::test]
    async fn an_object_that_goes_away_meanwhile_is_told() {
        let gone: Script = &[
            ("HEAD", 200, "x-amz-version-id: v7\n\n"),
            ("GET", 403, "<Error><Code>AccessDenied</Code></Error>"),
        ];
        let collected = collect(FUNCTION, ArtifactKind::DeploymentSource, Some(OBJECT), gone).await;
        assert_eq!(collected.outcome().0, "denied");
    }

    #[tokio::test]
    async fn an_image_whose_tag_was_moved_is_preserved_and_a_finding() {
        let moved: Script = &[
            (
                "BatchGetImage live",
                200,
                r#"{"images":[{"imageId":{"imageDigest":"sha256:a58123e050cd5c9a0d14d4ed6654a4a5749d82e4abf7737bcaa58209a90da043","imageTag":"live"},"imageManifest":"{}"}]}"#,
            ),
            (
                "GET /functions/",
                200,
                r#"{"Configuration":{"Environment":{"Variables":{"KEY":"marked-secret"}}},"Code":{"RepositoryType":"ECR","Location":"https://x.test/?X-Amz-Signature=marked-secret","ImageUri":"111122223333.dkr.ecr.eu-west-1.amazonaws.com/billing:live","ResolvedImageUri":"111122223333.dkr.ecr.eu-west-1.amazonaws.com/billing@sha256:d9298a10d1b0735837dc4bd85dac641b0f3cef27a47e5d53a54f2f3f5b2fcffa"}}"#,
            ),
        ];
        let collected = collect(FUNCTION, ArtifactKind::DeploymentSource, Some(IMAGE), moved).await;
        insta::assert_json_snapshot!(collected.told());
    }

    #[tokio::test]
    async fn no_answer_is_told_apart_from_none() {
        let of = |selector| {
            outcomes_when_refused(FUNCTION, ArtifactKind::DeploymentSource, Some(selector))
        };
        assert_eq!(of(OBJECT).await, ["absent", "denied", "failed"]);
        assert_eq!(of(IMAGE).await, ["absent", "denied", "failed"]);
    }

    #[test]
    fn every_way_to_name_a_source_is_read() {
        let named = |parameters: Value| {
            named_in(&json!({"requestParameters": parameters})).and_then(|request| request.selector)
        };
        let object = json!({"s3Bucket": "b", "s3Key": "k", "s3ObjectVersion": "v"});
        let selector = Some("s3://b/k?versionId=v".to_owned());
        assert_eq!(named(object.clone()), selector);
        assert_eq!(named(json!({"code": object})), selector);
        assert_eq!(named(json!({"content": object})), selector);
        assert_eq!(
            named(json!({"code": {"imageUri": IMAGE}})),
            Some(IMAGE.to_owned())
        );
        assert_eq!(named(json!({"s3Bucket": "b"})), None);
        assert_eq!(named(Value::Null), None);
    }

    #[tokio::test]
    async fn a_key_that_looks_like_a_version_stays_a_key() {
        let selector = super::object("deploys", "50%?versionId=v1", None);
        let odd: Script = &[
            ("HEAD 50%25%3FversionId%3Dv1", 200, ""),
            ("GET 50%25%3FversionId%3Dv1", 200, "zip in the bucket"),
        ];
        let collected = collect(
            FUNCTION,
            ArtifactKind::DeploymentSource,
            Some(&selector),
            odd,
        )
        .await;
        assert_eq!(collected.outcome(), ("acquired", ""));
    }
}
