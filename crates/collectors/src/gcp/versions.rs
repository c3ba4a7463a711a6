//! The revisions of the service that runs a function of the second generation: each deployment is one, and
//! one that Functions does not know of was made behind its back. Values of variables are withheld: what runs
//! is in the service.

use super::{Artifact, Function, configuration, running_service, text, values};
use crate::{Inquiry, Refusal};
use evidence::ArtifactKind;
use futures_util::FutureExt as _;

const REVISIONS: &str = "GET run.googleapis.com/v2/projects/{project}/locations/{location}/services/{service}/revisions";

pub(super) const ARTIFACT: Artifact = Artifact {
    kind: ArtifactKind::Versions,
    permissions: &["run.revisions.list"],
    operations: &[REVISIONS, configuration::FUNCTION],
    is_planned: true,
    collect: |function, inquiry| collect(function, inquiry).boxed(),
};

/// Revisions in one answer: each is a description of some kilobytes.
const PAGE: usize = 100;
/// The most pages; Google keeps 1,000 revisions of a service. <https://cloud.google.com/run/quotas>
const PAGES: usize = 20;

async fn collect(function: &Function, inquiry: &mut Inquiry<'_>) {
    let Some(described) = function.described(inquiry).await else {
        return;
    };
    let Some(service) = running_service::service(inquiry, &described) else {
        return;
    };
    let path = service.path();
    let mut token: Option<String> = None;
    for _ in 0..PAGES {
        let mut query = vec![("pageSize", PAGE.to_string())];
        query.extend(token.take().map(|token| ("pageToken", token)));
        let asked = function.get(inquiry, REVISIONS, service.name, &path, &query);
        let Some(reply) = asked.await else { return };
        inquiry.last_reply_mut().map(values::withhold);
        let Some(next) = text(&reply, "/nextPageToken") else {
            return;
        };
        token = Some(next.to_owned());
    }
    inquiry.refuse(Refusal::Failed(format!(
        "there are more than {PAGES} pages of revisions; the rest is not read"
    )));
}

#[cfg(test)]
mod tests {
    use crate::gcp::canned::{GEN_1, GEN_2, collect, outcomes_when_refused, script};
    use evidence::ArtifactKind;

    #[tokio::test(start_paused = true)]
    async fn all_pages_are_read_and_values_are_withheld() {
        let script = script(&[
            ("GET /functions/billing-api", 200, GEN_2),
            (
                "GET pageToken=more",
                200,
                r#"{"revisions":[{"name":"r1"}]}"#,
            ),
            (
                "GET /revisions",
                200,
                r#"{"revisions":[{"name":"r2","containers":[{"image":"i","env":[{"name":"KEY","value":"marked-secret"},{"name":"OTHER","valueSource":{}}]}]}],"nextPageToken":"more"}"#,
            ),
        ]);
        let collected = collect(ArtifactKind::Versions, None, script).await;
        assert_eq!(collected.outcome(), ("acquired", ""));
        insta::assert_json_snapshot!(collected.told());
    }

    #[tokio::test(start_paused = true)]
    async fn pages_without_end_are_left() {
        let script = script(&[
            ("GET /functions/billing-api", 200, GEN_2),
            (
                "GET /revisions",
                200,
                r#"{"revisions":[],"nextPageToken":"more"}"#,
            ),
        ]);
        let collected = collect(ArtifactKind::Versions, None, script).await;
        assert_eq!(collected.outcome().0, "partial");
        assert_eq!(collected.asked.len(), 1 + super::PAGES);
    }

    #[tokio::test(start_paused = true)]
    async fn the_first_generation_has_none() {
        let script = script(&[("GET /functions/billing-api", 200, GEN_1)]);
        let collected = collect(ArtifactKind::Versions, None, script).await;
        assert_eq!(collected.outcome().0, "absent");
    }

    #[tokio::test(start_paused = true)]
    async fn no_answer_is_told_apart_from_none() {
        let outcomes = outcomes_when_refused(ArtifactKind::Versions, None).await;
        assert_eq!(outcomes, ["absent", "denied", "failed"]);
    }
}
