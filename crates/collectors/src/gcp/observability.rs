//! What the project records of reads: its audit configuration. That Google has no switch for tracing is said.

use super::{Artifact, Function, PROJECT_POLICY};
use crate::Inquiry;
use evidence::ArtifactKind;
use futures_util::FutureExt as _;
use serde_json::Value;

pub(super) const ARTIFACT: Artifact = Artifact {
    kind: ArtifactKind::Observability,
    permissions: &["resourcemanager.projects.getIamPolicy"],
    operations: &[PROJECT_POLICY],
    is_planned: true,
    collect: |function, inquiry| collect(function, inquiry).boxed(),
};

async fn collect(function: &Function, inquiry: &mut Inquiry<'_>) {
    let Some(_) = function.project_policy(inquiry).await else {
        return;
    };
    // Who may do what is kept with the service account.
    if let Some(Value::Object(policy)) = inquiry.last_reply_mut() {
        policy.retain(|field, _| field != "bindings");
    }
    inquiry.note(
        "tracing",
        "Cloud Run traces 0.1 requests a second of an instance at the most, and has no switch for it; \
         Data Access audit logs are off unless they are in auditConfigs"
            .into(),
    );
}

#[cfg(test)]
mod tests {
    use crate::gcp::canned::{collect, outcomes_when_refused, script};
    use evidence::ArtifactKind;

    #[tokio::test(start_paused = true)]
    async fn what_is_recorded_is_kept_and_who_may_do_what_is_not() {
        let policy = r#"{"version":3,"bindings":[{"role":"roles/owner","members":["user:marked@example.com"]}],"auditConfigs":[{"service":"allServices","auditLogConfigs":[{"logType":"DATA_READ"}]}]}"#;
        let script = script(&[("POST :getIamPolicy", 200, policy)]);
        let collected = collect(ArtifactKind::Observability, None, script).await;
        assert_eq!(collected.outcome(), ("acquired", ""));
        assert!(collected.kept[0].contains("DATA_READ"));
        assert!(!collected.kept[0].contains("marked"));
    }

    #[tokio::test(start_paused = true)]
    async fn no_answer_is_told_apart_from_none() {
        let outcomes = outcomes_when_refused(ArtifactKind::Observability, None).await;
        assert_eq!(outcomes, ["absent", "denied", "failed"]);
    }
}
