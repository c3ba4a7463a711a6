//! The function's source: the zip that Google keeps for download, and the object that it was built from, by
//! its generation.

use super::{Artifact, Function, STORAGE, path, text};
use crate::spooled::Spooled;
use crate::{Inquiry, Refusal};
use evidence::ArtifactKind;
use futures_util::FutureExt as _;
use serde_json::{Value, json};

/// A POST that changes nothing: the answer is an address that is good for half an hour.
pub(super) const DOWNLOAD: &str = "POST cloudfunctions.googleapis.com/v2/projects/{project}/locations/{location}/functions/{function}:generateDownloadUrl";
/// Where the second version has no address for a function of the first generation.
pub(super) const DOWNLOAD_V1: &str = "POST cloudfunctions.googleapis.com/v1/projects/{project}/locations/{location}/functions/{function}:generateDownloadUrl";
const OBJECT: &str = "GET storage.googleapis.com/storage/v1/b/{bucket}/o/{object}";

pub(super) const ARTIFACT: Artifact = Artifact {
    kind: ArtifactKind::FunctionCode,
    permissions: &[
        "cloudfunctions.functions.sourceCodeGet",
        "storage.objects.get",
    ],
    operations: &[DOWNLOAD, DOWNLOAD_V1, OBJECT],
    is_planned: true,
    collect: |function, inquiry| collect(function, inquiry).boxed(),
};

/// The most that is read of one package. Google takes 100 MB packed and 500 MB unpacked at the most.
/// <https://cloud.google.com/functions/quotas>
const MOST_BYTES: u64 = 512 << 20;

const ZIP: &str = "application/zip";
/// How a signed address is named on record; itself it is a secret.
const SIGNED: &str = "https:GET";

async fn collect(function: &Function, inquiry: &mut Inquiry<'_>) {
    match inquiry.request().selector.clone() {
        Some(object) => built(function, inquiry, &object).await,
        None => deployed(function, inquiry).await,
    }
}

/// What Google gives as the deployed function's source.
async fn deployed(function: &Function, inquiry: &mut Inquiry<'_>) {
    let name = &function.target.name;
    let path = path(&function.target);
    let mut asked = function
        .post(inquiry, DOWNLOAD, name, &path, &[], Some(json!({})))
        .await;
    if asked.is_none() && matches!(inquiry.last_refusal(), Some(Refusal::Failed(_))) {
        asked = function
            .post(inquiry, DOWNLOAD_V1, name, &path, &[], Some(json!({})))
            .await;
        if asked.is_some() {
            // The first version's address stands for both.
            inquiry.take_back();
        }
    }
    let Some(reply) = asked else { return };
    inquiry.withhold("/downloadUrl", "a signed address");
    let Some(url) = text(&reply, "/downloadUrl") else {
        return inquiry.refuse(Refusal::Failed(format!(
            "{name}: Google answered without an address to download from"
        )));
    };
    let content = function.google.downloads.url(url, ZIP, None);
    let content = Spooled::new(content, MOST_BYTES);
    inquiry
        .keep_content(SIGNED, name, "function-code.zip", &content)
        .await;
}

/// An object by its generation, as the function's description names it: `gs://BUCKET/OBJECT#GENERATION`.
async fn built(function: &Function, inquiry: &mut Inquiry<'_>, object: &str) {
    let Some((bucket, name, generation)) = taken_apart(object) else {
        return inquiry.refuse(Refusal::Failed(format!(
            "{} is no object of a bucket",
            evidence::shown(object, 200)
        )));
    };
    let path = [("bucket", bucket), ("object", name)];
    let query = [("generation", generation.to_owned())];
    let described = function.get(inquiry, OBJECT, object, &path, &query).await;
    if let Some(described) = &described
        && described.get("generation").map(as_text).as_deref() != Some(generation)
    {
        inquiry.refuse(Refusal::Failed(format!(
            "{object}: storage described another generation than was asked for"
        )));
    }
    let media = [query[0].clone(), ("alt", "media".to_owned())];
    let content = function.google.hosts.get(STORAGE);
    let content = content.map(|storage| storage.content(OBJECT, &path, &media));
    match content {
        Some(Ok(content)) => {
            let content = Spooled::new(content.typed(ZIP), MOST_BYTES);
            let exhibit = format!("{}.zip", inquiry.name());
            inquiry
                .keep_content(OBJECT, object, exhibit, &content)
                .await;
        }
        Some(Err(trouble)) => inquiry.refuse(Refusal::Failed(trouble.why().to_owned())),
        None => {}
    }
}

fn as_text(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}

/// Bucket, object and generation; the object's name may hold anything, `#` and `/` included.
fn taken_apart(object: &str) -> Option<(&str, &str, &str)> {
    let (path, generation) = object.strip_prefix("gs://")?.rsplit_once('#')?;
    let (bucket, name) = path.split_once('/')?;
    let is_number = !generation.is_empty() && generation.bytes().all(|byte| byte.is_ascii_digit());
    (is_number && !bucket.is_empty() && !name.is_empty()).then_some((bucket, name, generation))
}

#[cfg(test)]
mod tests {
    use super::taken_apart;
    use crate::gcp::canned::{collect, outcomes_when_refused, script};
    use evidence::ArtifactKind;

    const ADDRESS: &str = r#"{"downloadUrl":"https://storage.googleapis.com/gcf-v2-sources/billing.zip?X-Goog-Signature=marked-secret"}"#;
    const ZIP: &str = "content-type: application/zip\n\nPK\u{3}\u{4}source";

    #[tokio::test(start_paused = true)]
    async fn the_source_is_kept_and_its_address_is_not() {
        let script = script(&[
            ("POST :generateDownloadUrl", 200, ADDRESS),
            ("GET /gcf-v2-sources/billing.zip", 200, ZIP),
        ]);
        let collected = collect(ArtifactKind::FunctionCode, None, script).await;
        assert_eq!(collected.outcome(), ("acquired", ""));
        assert_eq!(collected.kept[1], "PK\u{3}\u{4}source");
        assert!(collected.kept[0].contains("a signed address"));
    }

    #[tokio::test(start_paused = true)]
    async fn what_the_second_version_will_not_do_the_first_does() {
        let script = script(&[
            (
                "POST /v2/ :generateDownloadUrl",
                400,
                r#"{"error":{"code":400,"status":"INVALID_ARGUMENT","message":"1st gen"}}"#,
            ),
            ("POST /v1/ :generateDownloadUrl", 200, ADDRESS),
            ("GET /gcf-v2-sources/billing.zip", 200, ZIP),
        ]);
        let collected = collect(ArtifactKind::FunctionCode, None, script).await;
        assert_eq!(collected.outcome(), ("acquired", ""));
    }

    #[tokio::test(start_paused = true)]
    async fn an_address_inside_a_network_is_not_asked() {
        for url in [
            "https://169.254.169.254/computeMetadata/v1/",
            "https://10.0.0.7/source.zip",
            "http://storage.googleapis.com/source.zip",
            "file:///etc/passwd",
        ] {
            let address = format!(r#"{{"downloadUrl":"{url}"}}"#);
            let address: &'static str = Box::leak(address.into_boxed_str());
            let script = script(&[
                ("POST :generateDownloadUrl", 200, address),
                ("GET", 200, ZIP),
            ]);
            let collected = collect(ArtifactKind::FunctionCode, None, script).await;
            assert_eq!(collected.outcome().0, "partial", "{url}");
            assert_eq!(collected.asked.len(), 1, "{url}");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn what_was_built_is_got_by_its_generation() {
        let script = script(&[
            ("GET alt=media generation=17", 200, ZIP),
            (
                "GET /o/function-source.zip?generation=17",
                200,
                r#"{"generation":"17","md5Hash":"m"}"#,
            ),
        ]);
        let object = "gs://gcf-sources/function-source.zip#17";
        let collected = collect(ArtifactKind::FunctionCode, Some(object), script).await;
        assert_eq!(collected.outcome(), ("acquired", ""));
        assert_eq!(collected.kept[1], "PK\u{3}\u{4}source");
    }

    #[test]
    fn an_objects_name_may_hold_anything() {
        let object = "gs://bucket/a/b#1/c d.zip#17";
        assert_eq!(taken_apart(object), Some(("bucket", "a/b#1/c d.zip", "17")));
        for bad in [
            "gs://bucket/a",
            "gs://bucket#1",
            "gs:///a#1",
            "s3://b/a#1",
            "gs://b/a#x",
            "gs://b/#1",
        ] {
            assert_eq!(taken_apart(bad), None, "{bad}");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn no_answer_is_told_apart_from_none() {
        for object in [None, Some("gs://bucket/source.zip#17")] {
            let outcomes = outcomes_when_refused(ArtifactKind::FunctionCode, object).await;
            assert_eq!(outcomes, ["absent", "denied", "failed"]);
        }
    }
}
