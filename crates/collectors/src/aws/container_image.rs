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
            "application/vnd.oci.image.manifest.v1+json",
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
    downloads: super::download::Downloads,
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
        .find(|known| Some(*known) == said)
        .unwrap_or("application/octet-stream")
}
