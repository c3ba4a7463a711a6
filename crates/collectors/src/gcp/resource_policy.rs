//! Who may call the function: its own policy, and that of the service that runs it, which decides for the
//! second generation.

use super::{Artifact, Function, POLICY_VERSION, configuration, path, running_service};
use crate::Inquiry;
use evidence::ArtifactKind;
use futures_util::FutureExt as _;

const OF_FUNCTION: &str = "GET cloudfunctions.googleapis.com/v2/projects/{project}/locations/{location}/functions/{function}:getIamPolicy";
const OF_SERVICE: &str = "GET run.googleapis.com/v2/projects/{project}/locations/{location}/services/{service}:getIamPolicy";

pub(super) const ARTIFACT: Artifact = Artifact {
    kind: ArtifactKind::ResourcePolicy,
    permissions: &[
        "cloudfunctions.functions.getIamPolicy",
        "run.services.getIamPolicy",
    ],
    operations: &[OF_FUNCTION, OF_SERVICE, configuration::FUNCTION],
    is_planned: true,
    collect: |function, inquiry| collect(function, inquiry).boxed(),
};

async fn collect(function: &Function, inquiry: &mut Inquiry<'_>) {
    let name = &function.target.name;
    let own = path(&function.target);
    let query = [(POLICY_VERSION, "3".to_owned())];
    function.get(inquiry, OF_FUNCTION, name, &own, &query).await;
    let Some(described) = function.described(inquiry).await else {
        return;
    };
    if configuration::is_first_generation(&described) {
        return;
    }
    if let Some(service) = running_service::service(inquiry, &described) {
        let of_service = service.path();
        let asked = function.get(inquiry, OF_SERVICE, service.name, &of_service, &query);
        asked.await;
    }
}

#[cfg(test)]
mod tests {
    use crate::gcp::canned::{GEN_1, GEN_2, collect, outcomes_when_refused, script};
    use evidence::ArtifactKind;

    const PUBLIC: &str = r#"{"version":3,"etag":"e","bindings":[{"role":"roles/run.invoker","members":["allUsers"]}]}"#;

    #[tokio::test(start_paused = true)]
    async fn the_services_policy_is_kept_beside_the_functions() {
        let script = script(&[
            (
                "GET /functions/billing-api:getIamPolicy",
                200,
                r#"{"etag":"ACAB"}"#,
            ),
            ("GET /services/billing-api:getIamPolicy", 200, PUBLIC),
            ("GET /functions/billing-api", 200, GEN_2),
        ]);
        let collected = collect(ArtifactKind::ResourcePolicy, None, script).await;
        assert_eq!(collected.outcome(), ("acquired", ""));
        assert_eq!(collected.asked.len(), 3);
        assert!(collected.kept[0].contains("allUsers"));
    }

    #[tokio::test(start_paused = true)]
    async fn the_first_generation_has_one() {
        let script = script(&[
            ("GET /functions/billing-api:getIamPolicy", 200, PUBLIC),
            ("GET /functions/billing-api", 200, GEN_1),
        ]);
        let collected = collect(ArtifactKind::ResourcePolicy, None, script).await;
        assert_eq!(collected.outcome(), ("acquired", ""));
        assert_eq!(collected.asked.len(), 2);
    }

    #[tokio::test(start_paused = true)]
    async fn no_answer_is_told_apart_from_none() {
        let outcomes = outcomes_when_refused(ArtifactKind::ResourcePolicy, None).await;
        assert_eq!(outcomes, ["absent", "denied", "failed"]);
    }
}
