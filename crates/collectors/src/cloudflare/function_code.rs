//! The script's code as it is deployed: its modules as they came, and as a zip that is the same whenever
//! the modules are.
//!
//! What `content/v2` answers under a gradual deployment is not written down anywhere; the code of each
//! deployed version is got besides, by its id.

use super::modules::{Archive, Modules, modules_digest};
use super::{Artifact, Worker, path, version_code};
use crate::spooled::Spooled;
use crate::{Inquiry, Refusal};
use evidence::{ArtifactKind, shown};
use futures_util::FutureExt as _;
use serde_json::json;
use vault::Source as _;

const CONTENT: &str = "GET /accounts/{account_id}/workers/scripts/{script_name}/content/v2";

pub(super) const ARTIFACT: Artifact = Artifact {
    kind: ArtifactKind::FunctionCode,
    permissions: &["Workers Scripts Read"],
    operations: &[CONTENT, version_code::VERSION],
    collect: |worker, inquiry| collect(worker, inquiry).boxed(),
};

/// The most that is read of one script. Cloudflare takes 64 MB of modules at the most.
/// <https://developers.cloudflare.com/workers/platform/limits/>
const MOST_BYTES: u64 = 160 << 20;

async fn collect(worker: &Worker, inquiry: &mut Inquiry<'_>) {
    match inquiry.request().selector.clone() {
        Some(version) => version_code::collect(worker, inquiry, &version).await,
        None => deployed(worker, inquiry).await,
    }
}

async fn deployed(worker: &Worker, inquiry: &mut Inquiry<'_>) {
    let about = &worker.target.name;
    let content = match worker.rest.content(CONTENT, &path(&worker.target), &[]) {
        Ok(content) => Spooled::new(content, MOST_BYTES),
        Err(trouble) => return inquiry.refuse(Refusal::Failed(trouble.why().to_owned())),
    };
    let raw = inquiry
        .keep_content(CONTENT, about, "function-code.raw", &content)
        .await;
    if raw.is_none() {
        return;
    }
    let headers = content.below().headers();
    let header = |name: &str| {
        let found = headers.iter().find(|(known, _)| known == name);
        found.map(|(_, value)| value.as_str())
    };
    let media_type = header("content-type").unwrap_or_default();
    let opened = match content.open().await {
        Ok(opened) => opened,
        Err(error) => return inquiry.refuse(Refusal::Failed(error.to_string())),
    };
    let read = match media_type.starts_with("multipart/") {
        true => Modules::of_form(media_type, opened.bytes).await,
        // A script of the older kind is one file and comes as it is.
        false => Modules::of_script(media_type, opened.bytes).await,
    };
    let read = match read {
        Ok(read) => read,
        Err(error) => return inquiry.refuse(Refusal::Failed(error.to_string())),
    };
    for irregularity in &read.irregularities {
        inquiry.refuse(Refusal::Failed(format!(
            "the modules of {about}: {irregularity}"
        )));
    }
    inquiry.note(
        "code",
        json!({
            "content_type": shown(media_type, 200),
            "main_module": header("cf-entrypoint").map(|name| shown(name, 512)),
            "modules": read.modules,
            "modules_sha256": modules_digest(&read.modules),
        }),
    );
    if read.modules.is_empty() {
        return;
    }
    let archive = Archive::of(&read.modules, &content);
    let source = "the modules in function-code.raw";
    inquiry
        .keep_made("function-code.zip", source, &archive)
        .await;
}

#[cfg(test)]
mod tests {
    use crate::cloudflare::canned::{collect, outcomes_when_refused, script};
    use evidence::ArtifactKind;

    const TWO: &str = "content-type: multipart/form-data; boundary=one\ncf-entrypoint: index.js\n\n--one\r\nContent-Disposition: form-data; name=\"index.js\"; filename=\"index.js\"\r\nContent-Type: application/javascript+module\r\n\r\nexport default {}\r\n--one\r\nContent-Disposition: form-data; name=\"lib.js\"; filename=\"lib.js\"\r\nContent-Type: application/javascript+module\r\n\r\nexport const a = 1\r\n--one--\r\n";

    #[tokio::test(start_paused = true)]
    async fn modules_are_kept_as_they_came_and_as_a_zip() {
        let script = script(&[("GET /content/v2", 200, TWO)]);
        let collected = collect(ArtifactKind::FunctionCode, None, script).await;
        assert_eq!(collected.outcome(), ("acquired", ""));
        let names = collected.gathered.acquisition.exhibits.iter();
        let names: Vec<&str> = names.map(|exhibit| exhibit.name.as_str()).collect();
        assert_eq!(
            names,
            ["function-code", "function-code.raw", "function-code.zip"]
        );
        insta::assert_json_snapshot!(
            serde_json::from_str::<serde_json::Value>(&collected.kept[0]).unwrap()
        );
        assert_eq!(collected.kept[1], TWO.split_once("\n\n").unwrap().1);
        assert!(collected.kept[2].starts_with("PK\u{3}\u{4}"));
    }

    #[tokio::test(start_paused = true)]
    async fn a_new_boundary_makes_no_other_zip() {
        let other = TWO.replace("one", "another");
        let other: &'static str = Box::leak(other.into_boxed_str());
        let zip = async |body: &'static str| {
            let script = script(&[("GET /content/v2", 200, body)]);
            let collected = collect(ArtifactKind::FunctionCode, None, script).await;
            let exhibits = collected.gathered.acquisition.exhibits;
            (exhibits[1].sha256, exhibits[2].sha256)
        };
        let ((raw, one), (other_raw, another)) = (zip(TWO).await, zip(other).await);
        assert_ne!(raw, other_raw);
        assert_eq!(one, another);
    }

    #[tokio::test(start_paused = true)]
    async fn a_script_of_one_file_is_one_module() {
        let script = script(&[(
            "GET /content/v2",
            200,
            "content-type: application/javascript\n\naddEventListener('fetch', () => {})",
        )]);
        let collected = collect(ArtifactKind::FunctionCode, None, script).await;
        assert_eq!(collected.outcome(), ("acquired", ""));
        assert!(collected.kept[0].contains("index.js"));
    }

    #[tokio::test(start_paused = true)]
    async fn modules_that_break_off_are_kept_as_far_as_they_came() {
        let cut = TWO.replace("\r\n--one--\r\n", "");
        let cut: &'static str = Box::leak(cut.into_boxed_str());
        let script = script(&[("GET /content/v2", 200, cut)]);
        let collected = collect(ArtifactKind::FunctionCode, None, script).await;
        assert_eq!(collected.outcome().0, "partial");
        assert!(collected.outcome().1.contains("breaks off in part 2"));
        assert_eq!(collected.kept.len(), 3);
    }

    #[tokio::test(start_paused = true)]
    async fn no_answer_is_told_apart_from_none() {
        for version in [None, Some("v4")] {
            let outcomes = outcomes_when_refused(ArtifactKind::FunctionCode, version).await;
            assert_eq!(outcomes, ["absent", "denied", "failed"]);
        }
    }
}
