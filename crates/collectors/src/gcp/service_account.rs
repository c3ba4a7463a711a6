//! Whom the function acts as: the service account, its keys, who may act as it, and what the project lets it
//! do.

use super::{Artifact, Function, POLICY_VERSION, PROJECT_POLICY};
use crate::{Inquiry, Refusal};
use evidence::{ArtifactKind, shown};
use futures_util::FutureExt as _;

const ACCOUNT: &str = "GET iam.googleapis.com/v1/projects/{project}/serviceAccounts/{account}";
const KEYS: &str = "GET iam.googleapis.com/v1/projects/{project}/serviceAccounts/{account}/keys";
/// A POST that only reads.
pub(super) const POLICY: &str =
    "POST iam.googleapis.com/v1/projects/{project}/serviceAccounts/{account}:getIamPolicy";

pub(super) const ARTIFACT: Artifact = Artifact {
    kind: ArtifactKind::ExecutionRole,
    permissions: &[
        "iam.serviceAccounts.get",
        "iam.serviceAccountKeys.list",
        "iam.serviceAccounts.getIamPolicy",
        "resourcemanager.projects.getIamPolicy",
    ],
    operations: &[ACCOUNT, KEYS, POLICY, PROJECT_POLICY],
    is_planned: false,
    collect: |function, inquiry| collect(function, inquiry).boxed(),
};

async fn collect(function: &Function, inquiry: &mut Inquiry<'_>) {
    let email = inquiry.request().selector.clone().unwrap_or_default();
    let Some((name, domain)) = email.split_once('@').filter(|(name, _)| !name.is_empty()) else {
        return inquiry.refuse(Refusal::Failed(format!(
            "{:?} is no service account",
            shown(&email, 200)
        )));
    };
    // It may be of another project than the function, and then its e-mail says of which; that of an
    // account that Google makes by itself does not, and those are of the function's.
    let project = match domain.strip_suffix(".iam.gserviceaccount.com") {
        Some(project) => project,
        None if domain == "appspot.gserviceaccount.com" => name,
        None => function.target.account.as_str(),
    };
    let path = [("project", project), ("account", email.as_str())];
    function.get(inquiry, ACCOUNT, &email, &path, &[]).await;
    function.get(inquiry, KEYS, &email, &path, &[]).await;
    let query = [(POLICY_VERSION, "3".to_owned())];
    let asked = function.post(inquiry, POLICY, &email, &path, &query, None);
    asked.await;
    function.project_policy(inquiry).await;
}

#[cfg(test)]
mod tests {
    use crate::gcp::canned::{collect, outcomes_when_refused, script};
    use evidence::ArtifactKind;

    const EMAIL: &str = "billing@example-project.iam.gserviceaccount.com";

    #[tokio::test(start_paused = true)]
    async fn the_account_its_keys_and_its_roles_are_kept() {
        let script = script(&[
            (
                "GET /keys",
                200,
                r#"{"keys":[{"name":"k1","keyType":"USER_MANAGED"}]}"#,
            ),
            ("POST /serviceAccounts/", 200, r#"{"etag":"ACAB"}"#),
            (
                "POST /v1/projects/example-project:getIamPolicy",
                200,
                r#"{"bindings":[{"role":"roles/editor","members":["serviceAccount:billing@example-project.iam.gserviceaccount.com"]}]}"#,
            ),
            (
                "GET /serviceAccounts/",
                200,
                r#"{"email":"billing@example-project.iam.gserviceaccount.com"}"#,
            ),
        ]);
        let collected = collect(ArtifactKind::ExecutionRole, Some(EMAIL), script).await;
        assert_eq!(collected.outcome(), ("acquired", ""));
        assert_eq!(collected.asked.len(), 4);
        assert!(
            collected
                .asked
                .iter()
                .any(|call| call.contains(r#"{"options":{"requestedPolicyVersion":3}}"#))
        );
    }

    #[tokio::test(start_paused = true)]
    async fn an_account_is_asked_about_in_its_own_project() {
        for (email, project) in [
            (
                "ci@other-project.iam.gserviceaccount.com",
                "/projects/other-project/",
            ),
            (
                "old-project@appspot.gserviceaccount.com",
                "/projects/old-project/",
            ),
            (
                "111122223333-compute@developer.gserviceaccount.com",
                "/projects/example-project/",
            ),
        ] {
            let collected = collect(ArtifactKind::ExecutionRole, Some(email), &[]).await;
            assert!(
                collected.asked[0].contains(project),
                "{:?}",
                collected.asked
            );
        }
    }

    #[tokio::test(start_paused = true)]
    async fn no_answer_is_told_apart_from_none() {
        let outcomes = outcomes_when_refused(ArtifactKind::ExecutionRole, Some(EMAIL)).await;
        assert_eq!(outcomes, ["absent", "denied", "failed"]);
    }
}
