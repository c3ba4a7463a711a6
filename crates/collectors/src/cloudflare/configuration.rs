//! The script's settings: bindings with their plain values, compatibility, limits, placement. The only
//! exhibit with values of variables; those of secrets come back nowhere.

use super::{Artifact, Worker};
use crate::Inquiry;
use evidence::ArtifactKind;
use futures_util::FutureExt as _;

/// Also what tells whether there is such a script.
pub(super) const SETTINGS: &str =
    "GET /accounts/{account_id}/workers/scripts/{script_name}/settings";

pub(super) const ARTIFACT: Artifact = Artifact {
    kind: ArtifactKind::Configuration,
    permissions: &["Workers Scripts Read"],
    operations: &[SETTINGS],
    collect: |worker, inquiry| collect(worker, inquiry).boxed(),
};

async fn collect(worker: &Worker, inquiry: &mut Inquiry<'_>) {
    worker.ask(inquiry, SETTINGS, &[]).await;
}

#[cfg(test)]
mod tests {
    use crate::cloudflare::canned::{collect, outcomes_when_refused, script};
    use evidence::ArtifactKind;

    #[tokio::test(start_paused = true)]
    async fn bindings_are_kept_with_their_plain_values() {
        let settings = r#"{"success":true,"errors":[],"messages":[],"result":{"bindings":[{"type":"plain_text","name":"MODE","text":"marked-secret"},{"type":"secret_text","name":"KEY"}],"compatibility_date":"2026-01-01","field_of_tomorrow":1}}"#;
        let collected = collect(
            ArtifactKind::Configuration,
            None,
            script(&[("GET /settings", 200, settings)]),
        )
        .await;
        insta::assert_json_snapshot!(collected.told());
    }

    #[tokio::test(start_paused = true)]
    async fn no_answer_is_told_apart_from_none() {
        let outcomes = outcomes_when_refused(ArtifactKind::Configuration, None).await;
        assert_eq!(outcomes, ["absent", "denied", "failed"]);
    }
}
