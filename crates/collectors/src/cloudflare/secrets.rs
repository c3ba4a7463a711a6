//! The names and types of the script's secrets; their values come back nowhere.

use super::{Artifact, Worker, list};
use crate::Inquiry;
use evidence::ArtifactKind;
use futures_util::FutureExt as _;

const SECRETS: &str = "GET /accounts/{account_id}/workers/scripts/{script_name}/secrets";

pub(super) const ARTIFACT: Artifact = Artifact {
    kind: ArtifactKind::Secrets,
    permissions: &["Workers Scripts Read"],
    operations: &[SECRETS],
    collect: |worker, inquiry| collect(worker, inquiry).boxed(),
};

async fn collect(worker: &Worker, inquiry: &mut Inquiry<'_>) {
    let reply = worker.ask(inquiry, SECRETS, &[]).await;
    // A key's material is none of Cloudflare's to give out; should it ever, it is not kept.
    super::versions::withhold_values(inquiry);
    if reply.is_some_and(|reply| list(&reply, "/result").is_empty()) {
        inquiry.conclude_absent("the script has no secrets");
    }
}

#[cfg(test)]
mod tests {
    use crate::cloudflare::canned::{collect, outcomes_when_refused, script};
    use evidence::ArtifactKind;

    #[tokio::test(start_paused = true)]
    async fn names_are_kept_and_material_never() {
        let secrets = r#"{"success":true,"errors":[],"messages":[],"result":[{"name":"KEY","type":"secret_text","text":"marked-secret"},{"name":"SIGN","type":"secret_key","key_base64":"marked-secret"}]}"#;
        let script = script(&[("GET /secrets", 200, secrets)]);
        let collected = collect(ArtifactKind::Secrets, None, script).await;
        insta::assert_json_snapshot!(collected.told());
    }

    #[tokio::test(start_paused = true)]
    async fn none_is_said() {
        let none = r#"{"success":true,"errors":[],"messages":[],"result":[]}"#;
        let script = script(&[("GET /secrets", 200, none)]);
        let collected = collect(ArtifactKind::Secrets, None, script).await;
        assert_eq!(collected.outcome(), ("absent", "the script has no secrets"));
    }

    #[tokio::test(start_paused = true)]
    async fn no_answer_is_told_apart_from_none() {
        let outcomes = outcomes_when_refused(ArtifactKind::Secrets, None).await;
        assert_eq!(outcomes, ["absent", "denied", "failed"]);
    }
}
