//! What is deployed: the first deployment is live, the ones after it were before. Each names versions
//! with their share of the traffic: under a gradual deployment an attacker's version may answer one
//! request of a hundred.

use super::{Artifact, Worker, list, text};
use crate::Inquiry;
use evidence::{ArtifactKind, Request};
use futures_util::FutureExt as _;

/// Also what tells one state of a Worker from the next.
pub(super) const DEPLOYMENTS: &str =
    "GET /accounts/{account_id}/workers/scripts/{script_name}/deployments";

pub(super) const ARTIFACT: Artifact = Artifact {
    kind: ArtifactKind::Deployments,
    permissions: &["Workers Scripts Read"],
    operations: &[DEPLOYMENTS],
    collect: |worker, inquiry| collect(worker, inquiry).boxed(),
};

async fn collect(worker: &Worker, inquiry: &mut Inquiry<'_>) {
    let Some(reply) = worker.ask(inquiry, DEPLOYMENTS, &[]).await else {
        return;
    };
    let Some(live) = list(&reply, "/result/deployments").first() else {
        return inquiry.conclude_absent("nothing is deployed");
    };
    for version in list(live, "/versions") {
        if let Some(version) = text(version, "/version_id") {
            inquiry.then(Request::one(ArtifactKind::FunctionCode, version));
            inquiry.then(Request::one(ArtifactKind::Versions, version));
        }
    }
}

#[cfg(test)]
mod tests {
    use crate::cloudflare::canned::{collect, outcomes_when_refused, script};
    use evidence::ArtifactKind;

    #[tokio::test(start_paused = true)]
    async fn every_version_that_answers_now_is_followed() {
        let deployments = r#"{"success":true,"errors":[],"messages":[],"result":{"deployments":[{"id":"d2","strategy":"percentage","versions":[{"version_id":"v4","percentage":10},{"version_id":"v3","percentage":90}]},{"id":"d1","versions":[{"version_id":"v3","percentage":100}]}]}}"#;
        let script = script(&[("GET /deployments", 200, deployments)]);
        let collected = collect(ArtifactKind::Deployments, None, script).await;
        insta::assert_json_snapshot!(collected.told());
    }

    #[tokio::test(start_paused = true)]
    async fn a_worker_without_a_deployment_is_said_to_have_none() {
        let none = r#"{"success":true,"errors":[],"messages":[],"result":{"deployments":[]}}"#;
        let script = script(&[("GET /deployments", 200, none)]);
        let collected = collect(ArtifactKind::Deployments, None, script).await;
        assert_eq!(collected.outcome(), ("absent", "nothing is deployed"));
    }

    #[tokio::test(start_paused = true)]
    async fn no_answer_is_told_apart_from_none() {
        let outcomes = outcomes_when_refused(ArtifactKind::Deployments, None).await;
        assert_eq!(outcomes, ["absent", "denied", "failed"]);
    }
}
