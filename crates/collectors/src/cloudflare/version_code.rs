//! The code of one version, deployed or not.

use super::modules::{Archive, Modules, modules_digest};
use super::{Worker, list, text};
use crate::{Inquiry, Refusal};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use evidence::shown;
use serde_json::{Value, json};

/// A beta of Cloudflare's; the script's name stands for the id of the Worker.
pub(super) const VERSION: &str =
    "GET /accounts/{account_id}/workers/workers/{worker_id}/versions/{version_id}";

pub(super) async fn collect(worker: &Worker, inquiry: &mut Inquiry<'_>, version: &str) {
    let path = [
        ("account_id", worker.target.account.as_str()),
        ("worker_id", worker.target.name.as_str()),
        ("version_id", version),
    ];
    let query = [("include", "modules".to_owned())];
    let call = worker.rest.call(VERSION, &path, &query, None);
    let Some(reply) = inquiry.ask_rest(VERSION, version, call).await else {
        return;
    };
    super::versions::withhold_values(inquiry);
    // The bytes are an exhibit of their own.
    let modules = inquiry
        .last_reply_mut()
        .and_then(|reply| reply.pointer_mut("/result/modules"))
        .and_then(Value::as_array_mut);
    for module in modules.into_iter().flatten() {
        if let Some(content) = module.get_mut("content_base64") {
            *content = "left out by coldcase: the bytes are in the zip".into();
        }
    }
    let mut files = Vec::new();
    for module in list(&reply, "/result/modules") {
        let name = text(module, "/name").unwrap_or_default();
        let content = text(module, "/content_base64").map(|text| STANDARD.decode(text));
        match content {
            Some(Ok(content)) => files.push((
                name.to_owned(),
                text(module, "/content_type").unwrap_or_default().to_owned(),
                Bytes::from(content),
            )),
            Some(Err(_)) | None => inquiry.refuse(Refusal::Failed(format!(
                "module {:?} of version {} came without its content",
                shown(name, 120),
                shown(version, 64),
            ))),
        }
    }
    if files.is_empty() {
        return inquiry.refuse(Refusal::Failed("the reply names no modules".to_owned()));
    }
    let (read, contents) = Modules::in_hand(files);
    for irregularity in &read.irregularities {
        inquiry.refuse(Refusal::Failed(format!(
            "the modules of version {}: {irregularity}",
            shown(version, 64)
        )));
    }
    inquiry.note(
        "code",
        json!({
            "main_module": text(&reply, "/result/main_module").map(|name| shown(name, 512)),
            "modules": read.modules,
            "modules_sha256": modules_digest(&read.modules),
        }),
    );
    let name = format!("{}.zip", inquiry.name());
    let source = format!("{VERSION} {version}");
    let archive = Archive::of(&read.modules, &contents);
    inquiry.keep_made(name, &source, &archive).await;
}

#[cfg(test)]
mod tests {
    use crate::cloudflare::canned::{collect, script};
    use evidence::ArtifactKind;

    #[tokio::test(start_paused = true)]
    async fn a_versions_modules_are_kept_as_a_zip_and_not_in_the_reply() {
        let script = script(&[(
            "GET /workers/workers/billing-api/versions/v4 include=modules",
            200,
            r#"{"success":true,"errors":[],"messages":[],"result":{"id":"v4","number":4,"main_module":"index.js","bindings":[{"type":"plain_text","name":"MODE","text":"marked-secret"}],"modules":[{"name":"index.js","content_type":"application/javascript+module","content_base64":"ZXhwb3J0IGRlZmF1bHQge30="}]}}"#,
        )]);
        let collected = collect(ArtifactKind::FunctionCode, Some("v4"), script).await;
        assert_eq!(collected.outcome(), ("acquired", ""));
        assert!(!collected.kept[0].contains("ZXhwb3J0"));
        assert!(collected.kept[1].contains("export default {}"));
        let exhibits = &collected.gathered.acquisition.exhibits;
        assert_eq!(exhibits[1].name, "function-code-v4.zip");
    }

    #[tokio::test(start_paused = true)]
    async fn a_module_without_its_content_is_told() {
        let script = script(&[(
            "GET /versions/v4",
            200,
            r#"{"success":true,"errors":[],"messages":[],"result":{"modules":[{"name":"a.js","content_base64":"not base64!"},{"name":"b.js","content_base64":"Yg=="}]}}"#,
        )]);
        let collected = collect(ArtifactKind::FunctionCode, Some("v4"), script).await;
        assert_eq!(collected.outcome().0, "partial");
        assert!(collected.outcome().1.contains("a.js"));
    }
}
