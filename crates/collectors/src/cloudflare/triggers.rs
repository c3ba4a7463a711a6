//! What runs the script besides requests: its cron schedules.

use super::{Artifact, Worker, list};
use crate::Inquiry;
use evidence::ArtifactKind;
use futures_util::FutureExt as _;

const SCHEDULES: &str = "GET /accounts/{account_id}/workers/scripts/{script_name}/schedules";

pub(super) const ARTIFACT: Artifact = Artifact {
    kind: ArtifactKind::EventSourceMappings,
    permissions: &["Workers Scripts Read"],
    operations: &[SCHEDULES],
    collect: |worker, inquiry| collect(worker, inquiry).boxed(),
};

async fn collect(worker: &Worker, inquiry: &mut Inquiry<'_>) {
    let reply = worker.ask(inquiry, SCHEDULES, &[]).await;
    if reply.is_some_and(|reply| list(&reply, "/result/schedules").is_empty()) {
        inquiry.conclude_absent("no schedule runs the script");
    }
}

#[cfg(test)]
mod tests {
    use crate::cloudflare::canned::{collect, outcomes_when_refused, script};
    use evidence::ArtifactKind;

    #[tokio::test(start_paused = true)]
    async fn schedules_are_kept() {
        let schedules = r#"{"success":true,"errors":[],"messages":[],"result":{"schedules":[{"cron":"*/5 * * * *","created_on":"2026-01-01T00:00:00Z"}]}}"#;
        let script = script(&[("GET /schedules", 200, schedules)]);
        let collected = collect(ArtifactKind::EventSourceMappings, None, script).await;
        insta::assert_json_snapshot!(collected.told());
    }

    #[tokio::test(start_paused = true)]
    async fn none_is_said() {
        let none = r#"{"success":true,"errors":[],"messages":[],"result":{"schedules":[]}}"#;
        let script = script(&[("GET /schedules", 200, none)]);
        let collected = collect(ArtifactKind::EventSourceMappings, None, script).await;
        assert_eq!(
            collected.outcome(),
            ("absent", "no schedule runs the script")
        );
    }

    #[tokio::test(start_paused = true)]
    async fn no_answer_is_told_apart_from_none() {
        let outcomes = outcomes_when_refused(ArtifactKind::EventSourceMappings, None).await;
        assert_eq!(outcomes, ["absent", "denied", "failed"]);
    }
}
