//! An image function's code: the manifest by digest, its config and every layer, from ECR.

use super::announced::Announced;
use super::{Artifact, Aws};
use crate::{Inquiry, Refusal};
use aws_sdk_ecr::config::Region;
use aws_sdk_ecr::operation::batch_get_image::BatchGetImageOutput;
use aws_sdk_ecr::types::ImageIdentifier;
use evidence::{ArtifactKind, Sha256Digest};
use futures_util::FutureExt as _;
use serde_json::Value;
use std::collections::{BTreeSet, VecDeque};

pub(super) const ARTIFACT: Artifact = Artifact {
    kind: ArtifactKind::ContainerImage,
    actions: &["ecr:BatchGetImage", "ecr:GetDownloadUrlForLayer"],
    collect: |aws, inquiry| collect(aws, inquiry).boxed(),
};

/// How many manifests of one index are read: an image has one for each architecture.
const MANIFESTS: usize = 32;
/// How many configs and layers are fetched; Docker itself builds no image of more than 127 layers.
const BLOBS: usize = 200;
/// What ECR may answer with. Without this list it converts manifests, and their digests change.
const MANIFEST_TYPES: [&str; 4] = [
    "application/vnd.oci.image.manifest.v1+json",
    "application/vnd.oci.image.index.v1+json",
    "application/vnd.docker.distribution.manifest.v2+json",
    "application/vnd.docker.distribution.manifest.list.v2+json",
];
const MEANING: &str = "the registry gives out something else than the image that was deployed";

async fn collect(aws: &Aws, inquiry: &mut Inquiry<'_>) {
    let selector = inquiry.request().selector.clone().unwrap_or_default();
    let image = ImageUri::parse(&selector);
    let Some((image, digest)) = image.and_then(|image| {
        let digest = image.digest?;
        Some((image, digest))
    }) else {
        return inquiry.refuse(Refusal::Failed(
            "what the function names is not the digest of an image in ECR".to_owned(),
        ));
    };
    let registry = Registry::of(aws, image);
    let mut waiting = VecDeque::from([digest]);
    let mut known = BTreeSet::from([digest]);
    let mut read = 0;
    let mut blobs: Vec<Blob> = Vec::new();
    while let Some(digest) = waiting.pop_front() {
        if read == MANIFESTS {
            inquiry.refuse(Refusal::Failed(format!(
                "the image has more than {MANIFESTS} manifests"
            )));
            break;
        }
        read += 1;
        let Some(manifest) = keep_manifest(&registry, inquiry, digest).await else {
            continue;
        };
        for child in descriptors(inquiry, manifest.get("manifests")) {
            if known.insert(child.digest) {
                waiting.push_back(child.digest);
            }
        }
        for blob in descriptors(inquiry, manifest.get("config"))
            .into_iter()
            .map(|config| Blob {
                role: "config",
                ..config
            })
            .chain(descriptors(inquiry, manifest.get("layers")))
        {
            if known.insert(blob.digest) {
                blobs.push(blob);
            }
        }
    }
    let wanted = blobs.len();
    let mut kept = 0;
    for (index, blob) in blobs.into_iter().take(BLOBS).enumerate() {
        if keep_blob(&registry, inquiry, index, &blob).await {
            kept += 1;
        }
    }
    if kept < wanted {
        // A blob that ECR says it does not have must not look like nothing was missing.
        inquiry.refuse(Refusal::Failed(format!(
            "{} of the image's {wanted} configs and layers are missing",
            wanted - kept
        )));
    }
}

/// A config or a layer, as a manifest names it.
struct Blob {
    role: &'static str,
    digest: Sha256Digest,
    media_type: &'static str,
}

/// The blobs of a descriptor or a list of descriptors. The manifest is the attacker's: what is no
/// digest is not asked for.
fn descriptors(inquiry: &mut Inquiry<'_>, value: Option<&Value>) -> Vec<Blob> {
    let items = match value {
        None | Some(Value::Null) => return Vec::new(),
        Some(Value::Array(items)) => items.as_slice(),
        Some(one) => std::slice::from_ref(one),
    };
    let blobs: Vec<Blob> = items
        .iter()
        .filter_map(|item| {
            Some(Blob {
                role: "layer",
                digest: digest_of(item.get("digest")?.as_str()?)?,
                media_type: media_type(item.get("mediaType").and_then(Value::as_str)),
            })
        })
        .collect();
    if blobs.len() < items.len() {
        inquiry.refuse(Refusal::Failed(format!(
            "{} of the manifest's entries carry no SHA-256 digest",
            items.len() - blobs.len()
        )));
    }
    blobs
}

/// Reads a manifest and keeps its bytes as they are: their SHA-256 is what names them.
async fn keep_manifest(
    registry: &Registry,
    inquiry: &mut Inquiry<'_>,
    digest: Sha256Digest,
) -> Option<Value> {
    let about = registry.about(digest);
    let reply = registry
        .manifest(
            inquiry,
            &about,
            ImageIdentifier::builder()
                .image_digest(format!("sha256:{digest}"))
                .build(),
        )
        .await?;
    let text = reply.images().first()?.image_manifest()?.to_owned();
    let name = inquiry.part(&format!("manifest-{}.json", digest.short()));
    let exhibit = inquiry
        .keep_bytes(
            "ecr:BatchGetImage",
            &about,
            name,
            media_type(reply.images().first()?.image_manifest_media_type()),
            text.clone().into(),
        )
        .await
        .cloned()?;
    let difference = Announced {
        rule: "image-digest-mismatch",
        technique: "T1525",
        what: &format!("The manifest of {about}"),
        by: "its digest says",
        digest: Some(digest),
        meaning: MEANING,
    }
    .differs_from(&exhibit);
    if let Some(finding) = difference {
        inquiry.find(finding);
    }
    match serde_json::from_str(&text) {
        Ok(manifest) => Some(manifest),
        Err(_) => {
            inquiry.refuse(Refusal::Failed(format!(
                "the manifest of {about} is not JSON"
            )));
            None
        }
    }
}

/// Fetches a config or a layer; whether it is in the vault.
async fn keep_blob(
    registry: &Registry,
    inquiry: &mut Inquiry<'_>,
    index: usize,
    blob: &Blob,
) -> bool {
    let about = registry.about(blob.digest);
    let asked = inquiry
        .ask("ecr:GetDownloadUrlForLayer", &about, |raw| {
            registry
                .client
                .get_download_url_for_layer()
                .registry_id(&registry.image.account)
                .repository_name(&registry.image.repository)
                .layer_digest(format!("sha256:{}", blob.digest))
                .customize()
                .interceptor(raw)
                .send()
        })
        .await;
    inquiry.withhold("/downloadUrl", "a signed URL; the bytes are an exhibit");
    let url = asked.and_then(|reply| reply.download_url().map(str::to_owned));
    let Some(url) = url else {
        return false;
    };
    let content = registry
        .downloads
        .url(&url, blob.media_type, Some(blob.digest));
    // The first is the config, the layers follow in the order in which they are laid down.
    let name = inquiry.part(&format!("{index:03}-{}-{}", blob.role, blob.digest.short()));
    let Some(exhibit) = inquiry
        .keep_content(
            "https:GET",
            &format!("{} {about}", blob.role),
            name,
            &content,
        )
        .await
        .cloned()
    else {
        return false;
    };
    let difference = Announced {
        rule: "image-digest-mismatch",
        technique: "T1525",
        what: &format!("The {} {about}", blob.role),
        by: "the manifest says",
        digest: Some(blob.digest),
        meaning: MEANING,
    }
    .differs_from(&exhibit);
    if let Some(finding) = difference {
        inquiry.find(finding);
    }
    true
}

/// The repository of one image, asked in the Region that the image's address names.
pub(super) struct Registry {
    client: aws_sdk_ecr::Client,
    downloads: crate::rest::Downloads,
    pub(super) image: ImageUri,
}

impl Registry {
    /// The registry of `image`, which may be in another account and Region than the function.
    pub(super) fn of(aws: &Aws, image: ImageUri) -> Self {
        let here = aws.clients.ecr.config().region().map(Region::as_ref);
        let client = if here == Some(image.region.as_str()) {
            aws.clients.ecr.clone()
        } else {
            let there = aws.clients.ecr.config().to_builder();
            aws_sdk_ecr::Client::from_conf(there.region(Region::new(image.region.clone())).build())
        };
        Self {
            client,
            downloads: aws.clients.downloads.clone(),
            image,
        }
    }

    fn about(&self, digest: Sha256Digest) -> String {
        format!("{}@sha256:{digest}", self.image.repository)
    }

    /// Asks for one manifest. A manifest that is not there comes as a failure inside a success.
    pub(super) async fn manifest(
        &self,
        inquiry: &mut Inquiry<'_>,
        about: &str,
        wanted: ImageIdentifier,
    ) -> Option<BatchGetImageOutput> {
        let reply = inquiry
            .ask("ecr:BatchGetImage", about, |raw| {
                self.client
                    .batch_get_image()
                    .registry_id(&self.image.account)
                    .repository_name(&self.image.repository)
                    .image_ids(wanted)
                    .set_accepted_media_types(Some(MANIFEST_TYPES.map(str::to_owned).to_vec()))
                    .customize()
                    .interceptor(raw)
                    .send()
            })
            .await?;
        if reply
            .images()
            .iter()
            .any(|image| image.image_manifest().is_some())
        {
            return Some(reply);
        }
        let code = reply
            .failures()
            .first()
            .and_then(|failure| failure.failure_code())
            .map_or("no image in the reply", |code| code.as_str());
        inquiry.refuse(Refusal::Failed(format!(
            "ecr:BatchGetImage {about}: {code}"
        )));
        None
    }
}

/// The address of an image in ECR.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct ImageUri {
    pub(super) account: String,
    pub(super) region: String,
    pub(super) repository: String,
    pub(super) tag: Option<String>,
    pub(super) digest: Option<Sha256Digest>,
}

impl ImageUri {
    /// Reads `ACCOUNT.dkr.ecr.REGION.HOST/REPOSITORY[:TAG][@sha256:DIGEST]`; also the FIPS and
    /// dual-stack (`ACCOUNT.dkr-ecr.REGION.on.aws`) addresses. Lambda takes images from ECR only.
    pub(super) fn parse(uri: &str) -> Option<Self> {
        let (host, path) = uri.split_once('/')?;
        let labels: Vec<&str> = host.split('.').collect();
        let (account, region) = match labels.as_slice() {
            [account, "dkr", "ecr" | "ecr-fips", region, _, ..]
            | [account, "dkr-ecr" | "dkr-ecr-fips", region, _, ..] => (*account, *region),
            _ => return None,
        };
        let (path, digest) = match path.split_once('@') {
            Some((path, digest)) => (path, Some(digest_of(digest)?)),
            None => (path, None),
        };
        let (repository, tag) = match path.split_once(':') {
            Some((repository, tag)) => (repository, Some(tag.to_owned())),
            None => (path, None),
        };
        let plain = !account.is_empty() && account.bytes().all(|byte| byte.is_ascii_digit());
        (plain && !repository.is_empty()).then(|| Self {
            account: account.to_owned(),
            region: region.to_owned(),
            repository: repository.to_owned(),
            tag,
            digest,
        })
    }
}

fn digest_of(text: &str) -> Option<Sha256Digest> {
    text.strip_prefix("sha256:")?.parse().ok()
}

/// The media types that are known; the manifest's own word stands in the manifest.
fn media_type(said: Option<&str>) -> &'static str {
    const KNOWN: [&str; 7] = [
        "application/vnd.oci.image.config.v1+json",
        "application/vnd.oci.image.layer.v1.tar",
        "application/vnd.oci.image.layer.v1.tar+gzip",
        "application/vnd.oci.image.layer.v1.tar+zstd",
        "application/vnd.docker.container.image.v1+json",
        "application/vnd.docker.image.rootfs.diff.tar",
        "application/vnd.docker.image.rootfs.diff.tar.gzip",
    ];
    KNOWN
        .into_iter()
        .chain(MANIFEST_TYPES)
        .find(|known| Some(*known) == said)
        .unwrap_or("application/octet-stream")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::aws::canned::{Script, collect, outcomes_when_refused};

    const FUNCTION: &str = "arn:aws:lambda:eu-west-1:111122223333:function:billing";
    const IMAGE: &str = "444455556666.dkr.ecr.eu-central-1.amazonaws.com/team/billing@sha256:a58123e050cd5c9a0d14d4ed6654a4a5749d82e4abf7737bcaa58209a90da043";
    const INDEX: &str = "444455556666.dkr.ecr.eu-central-1.amazonaws.com/team/billing@sha256:4e62f7e0cb32ebb3392b74de0f878c1b4688927f41971f51495a9700fe042b47";
    const MANIFEST: &str = r#"{"images":[{"imageManifestMediaType":"application/vnd.oci.image.manifest.v1+json","registryId":"444455556666","repositoryName":"team/billing","imageId":{"imageDigest":"sha256:a58123e050cd5c9a0d14d4ed6654a4a5749d82e4abf7737bcaa58209a90da043"},"imageManifest":"{\"schemaVersion\":2,\"mediaType\":\"application/vnd.oci.image.manifest.v1+json\",\"config\":{\"mediaType\":\"application/vnd.oci.image.config.v1+json\",\"digest\":\"sha256:b2f3fbe52c04b1673c16ab9e8f5847cde685177201c9e7f217fee83e0d8910fb\"},\"layers\":[{\"mediaType\":\"application/vnd.oci.image.layer.v1.tar+gzip\",\"digest\":\"sha256:f191e625176e7514249870c60bc24622131b04927a418001d1969c9cecd260f1\"},{\"mediaType\":\"application/vnd.oci.image.layer.v1.tar+gzip\",\"digest\":\"sha256:77c7ed05b2e49df2e55d70cb007508cc66b2f5419a940bfd6f8749ba7db77c45\"}]}"}],"failures":[]}"#;
    const CONFIG: (&str, u16, &str) = (
        "GetDownloadUrlForLayer b2f3fbe52c04b1673c16ab9e8f5847cde685177201c9e7f217fee83e0d8910fb",
        200,
        r#"{"downloadUrl":"https://blobs.test/config?X-Amz-Signature=marked-secret","layerDigest":"x"}"#,
    );
    const LAYER_ONE: (&str, u16, &str) = (
        "GetDownloadUrlForLayer f191e625176e7514249870c60bc24622131b04927a418001d1969c9cecd260f1",
        200,
        r#"{"downloadUrl":"https://blobs.test/one?X-Amz-Signature=marked-secret","layerDigest":"x"}"#,
    );
    const LAYER_TWO: (&str, u16, &str) = (
        "GetDownloadUrlForLayer 77c7ed05b2e49df2e55d70cb007508cc66b2f5419a940bfd6f8749ba7db77c45",
        200,
        r#"{"downloadUrl":"https://blobs.test/two?X-Amz-Signature=marked-secret","layerDigest":"x"}"#,
    );

    #[tokio::test]
    async fn manifest_config_and_layers_are_kept_under_their_digests() {
        let whole: Script = &[
            (
                "BatchGetImage 444455556666 team/billing a58123e050cd5c9a0d14d4ed6654a4a5749d82e4abf7737bcaa58209a90da043",
                200,
                MANIFEST,
            ),
            CONFIG,
            LAYER_ONE,
            LAYER_TWO,
            ("GET /config", 200, r#"{"architecture":"arm64"}"#),
            ("GET /one", 200, "layer one"),
            ("GET /two", 200, "layer two"),
        ];
        let collected = collect(FUNCTION, ArtifactKind::ContainerImage, Some(IMAGE), whole).await;
        insta::assert_json_snapshot!(collected.told());
    }

    #[tokio::test]
    async fn an_index_leads_to_its_manifests() {
        let index: Script = &[
            (
                "BatchGetImage 4e62f7e0cb32ebb3392b74de0f878c1b4688927f41971f51495a9700fe042b47",
                200,
                r#"{"images":[{"registryId":"444455556666","repositoryName":"team/billing","imageId":{"imageDigest":"sha256:4e62f7e0cb32ebb3392b74de0f878c1b4688927f41971f51495a9700fe042b47"},"imageManifest":"{\"schemaVersion\":2,\"manifests\":[{\"digest\":\"sha256:a58123e050cd5c9a0d14d4ed6654a4a5749d82e4abf7737bcaa58209a90da043\",\"mediaType\":\"application/vnd.oci.image.manifest.v1+json\"}]}"}],"failures":[]}"#,
            ),
            (
                "BatchGetImage a58123e050cd5c9a0d14d4ed6654a4a5749d82e4abf7737bcaa58209a90da043",
                200,
                MANIFEST,
            ),
            CONFIG,
            LAYER_ONE,
            LAYER_TWO,
            ("GET /config", 200, r#"{"architecture":"arm64"}"#),
            ("GET /one", 200, "layer one"),
            ("GET /two", 200, "layer two"),
        ];
        let collected = collect(FUNCTION, ArtifactKind::ContainerImage, Some(INDEX), index).await;
        assert_eq!(collected.outcome(), ("acquired", ""));
        // The replies, two manifests, a config and two layers.
        assert_eq!(collected.kept.len(), 6);
    }

    #[tokio::test]
    async fn bytes_that_are_not_their_digest_are_findings() {
        let tampered: Script = &[
            (
                "BatchGetImage",
                200,
                r#"{"images":[{"imageManifest":"{\"schemaVersion\": 2,\"mediaType\":\"application/vnd.oci.image.manifest.v1+json\",\"config\":{\"mediaType\":\"application/vnd.oci.image.config.v1+json\",\"digest\":\"sha256:b2f3fbe52c04b1673c16ab9e8f5847cde685177201c9e7f217fee83e0d8910fb\"},\"layers\":[{\"mediaType\":\"application/vnd.oci.image.layer.v1.tar+gzip\",\"digest\":\"sha256:f191e625176e7514249870c60bc24622131b04927a418001d1969c9cecd260f1\"},{\"mediaType\":\"application/vnd.oci.image.layer.v1.tar+gzip\",\"digest\":\"sha256:77c7ed05b2e49df2e55d70cb007508cc66b2f5419a940bfd6f8749ba7db77c45\"}]}"}]}"#,
            ),
            CONFIG,
            LAYER_ONE,
            LAYER_TWO,
            ("GET /config", 200, r#"{"architecture":"arm64"}"#),
            ("GET /one", 200, "layer one, with something added"),
            ("GET /two", 200, "layer two"),
        ];
        let collected = collect(
            FUNCTION,
            ArtifactKind::ContainerImage,
            Some(IMAGE),
            tampered,
        )
        .await;
        assert_eq!(collected.outcome(), ("acquired", ""));
        let findings = &collected.gathered.findings;
        assert_eq!(findings.len(), 2);
        assert!(
            findings[0]
                .statement
                .starts_with("The manifest of team/billing")
        );
        assert!(findings[1].statement.starts_with("The layer team/billing"));
    }

    #[tokio::test]
    async fn a_missing_layer_is_partial_and_the_others_are_kept() {
        let gap: Script = &[
            ("BatchGetImage", 200, MANIFEST),
            CONFIG,
            (
                "GetDownloadUrlForLayer f191e625176e7514249870c60bc24622131b04927a418001d1969c9cecd260f1",
                400,
                r#"{"__type":"LayersNotFoundException"}"#,
            ),
            LAYER_TWO,
            ("GET /config", 200, r#"{"architecture":"arm64"}"#),
            ("GET /two", 200, "layer two"),
        ];
        let collected = collect(FUNCTION, ArtifactKind::ContainerImage, Some(IMAGE), gap).await;
        let (outcome, why) = collected.outcome();
        assert_eq!(outcome, "partial");
        assert!(
            why.contains("1 of the image's 3 configs and layers are missing"),
            "{why}"
        );
        assert_eq!(collected.kept.len(), 4);
    }

    #[tokio::test]
    async fn a_manifest_that_names_no_digest_is_not_followed() {
        let hostile: Script = &[(
            "BatchGetImage",
            200,
            r#"{"images":[{"registryId":"444455556666","repositoryName":"team/billing","imageId":{"imageDigest":"sha256:6ad8a90c361240857264d988678cb68045475a4fd128fcf45a81fc529037e027"},"imageManifest":"{\"config\":{\"digest\":\"../../etc/passwd\"},\"layers\":[]}"}],"failures":[]}"#,
        )];
        let collected = collect(FUNCTION, ArtifactKind::ContainerImage, Some(IMAGE), hostile).await;
        assert_eq!(collected.outcome().0, "partial");
        assert_eq!(collected.asked.len(), 1);
    }

    #[tokio::test]
    async fn an_image_that_is_gone_is_told() {
        let gone: Script = &[(
            "BatchGetImage",
            200,
            r#"{"images":[],"failures":[{"failureCode":"ImageNotFound","failureReason":"Requested image not found"}]}"#,
        )];
        let collected = collect(FUNCTION, ArtifactKind::ContainerImage, Some(IMAGE), gone).await;
        let (outcome, why) = collected.outcome();
        assert_eq!(outcome, "partial");
        assert!(why.contains("ImageNotFound"), "{why}");
    }

    #[tokio::test]
    async fn no_answer_is_told_apart_from_none() {
        let outcomes =
            outcomes_when_refused(FUNCTION, ArtifactKind::ContainerImage, Some(IMAGE)).await;
        assert_eq!(outcomes, ["absent", "denied", "failed"]);
    }

    #[test]
    fn addresses_are_read() {
        let read = |uri: &str| {
            ImageUri::parse(uri).map(|image| {
                let found = (image.account, image.region, image.repository);
                (found, image.tag, image.digest.is_some())
            })
        };
        let billing = |tag: Option<&str>, digest| {
            let found = (
                "111122223333".into(),
                "eu-west-1".into(),
                "team/billing".into(),
            );
            Some((found, tag.map(str::to_owned), digest))
        };
        let host = "111122223333.dkr.ecr.eu-west-1.amazonaws.com/team/billing";
        let digest = "sha256:a58123e050cd5c9a0d14d4ed6654a4a5749d82e4abf7737bcaa58209a90da043";
        assert_eq!(read(host), billing(None, false));
        assert_eq!(read(&format!("{host}:v1")), billing(Some("v1"), false));
        assert_eq!(read(&format!("{host}@{digest}")), billing(None, true));
        assert_eq!(
            read(&format!("{host}:v1@{digest}")),
            billing(Some("v1"), true)
        );
        assert_eq!(
            read("111122223333.dkr-ecr.eu-west-1.on.aws/team/billing"),
            billing(None, false)
        );
        for other in [
            "",
            "billing",
            "docker.io/library/alpine",
            "evil.dkr.ecr.eu-west-1.amazonaws.com/x",
            "111122223333.dkr.ecr.eu-west-1.amazonaws.com/x@md5:0",
        ] {
            assert_eq!(read(other), None, "{other}");
        }
    }
}
