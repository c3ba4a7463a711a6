//! The service of Cloud Run that runs a function of the second generation. Whoever may change it can do so
//! behind the function's back: what it runs is what is really called. Holds values of variables.

use super::{Artifact, Function, RUN, configuration, last, part, text};
use crate::{Inquiry, Refusal};
use evidence::{ArtifactKind, shown};
use futures_util::FutureExt as _;
use serde_json::Value;

const SERVICE: &str =
    "GET run.googleapis.com/v2/projects/{project}/locations/{location}/services/{service}";

pub(super) const ARTIFACT: Artifact = Artifact {
    kind: ArtifactKind::RunningService,
    permissions: &["run.services.get"],
    operations: &[SERVICE, configuration::FUNCTION],
    is_planned: true,
    collect: |function, inquiry| collect(function, inquiry).boxed(),
};

async fn collect(function: &Function, inquiry: &mut Inquiry<'_>) {
    let Some(described) = function.described(inquiry).await else {
        return;
    };
    let Some(service) = service(inquiry, &described) else {
        return;
    };
    let path = service.path();
    let reply = function
        .get(inquiry, SERVICE, service.name, &path, &[])
        .await;
    let template = "/template/serviceAccount";
    let account = reply.as_ref().and_then(|reply| text(reply, template));
    // The service may act as somebody else than the function's description says.
    inquiry.then_maybe(ArtifactKind::ExecutionRole, account);
}

/// A service, by the parts of its name.
pub(super) struct Service<'a> {
    pub(super) project: &'a str,
    pub(super) location: &'a str,
    pub(super) name: &'a str,
}

impl Service<'_> {
    pub(super) fn path(&self) -> [(&'static str, &str); 3] {
        [
            ("project", self.project),
            ("location", self.location),
            ("service", self.name),
        ]
    }
}

/// The service behind a function, as its description names it; none is said.
pub(super) fn service<'a>(inquiry: &mut Inquiry<'_>, function: &'a Value) -> Option<Service<'a>> {
    if configuration::is_first_generation(function) {
        inquiry.conclude_absent(
            "a function of the first generation runs in no service that could be looked at",
        );
        return None;
    }
    let name = text(function, "/serviceConfig/service").unwrap_or_default();
    let service = part(name, "projects").zip(part(name, "locations"));
    let Some((project, location)) = service.filter(|_| part(name, "services").is_some()) else {
        inquiry.refuse(Refusal::Failed(format!(
            "the function names no service of {RUN}: {:?}",
            shown(name, 200)
        )));
        return None;
    };
    Some(Service {
        project,
        location,
        name: last(name),
    })
}

#[cfg(test)]
mod tests {
    use crate::gcp::canned::{GEN_1, GEN_2, collect, outcomes_when_refused, script};
    use evidence::ArtifactKind;

    const SERVICE: &str = r#"{"name":"projects/example-project/locations/europe-west1/services/billing-api","template":{"serviceAccount":"other@example-project.iam.gserviceaccount.com","containers":[{"image":"i","env":[{"name":"MODE","value":"marked-secret"}]}]}}"#;

    #[tokio::test(start_paused = true)]
    async fn the_service_is_kept_as_it_is_and_whoever_it_acts_as_is_followed() {
        let script = script(&[
            ("GET /functions/billing-api", 200, GEN_2),
            ("GET /services/billing-api", 200, SERVICE),
        ]);
        let collected = collect(ArtifactKind::RunningService, None, script).await;
        insta::assert_json_snapshot!(collected.told());
    }

    #[tokio::test(start_paused = true)]
    async fn the_first_generation_has_none() {
        let script = script(&[("GET /functions/billing-api", 200, GEN_1)]);
        let collected = collect(ArtifactKind::RunningService, None, script).await;
        assert_eq!(collected.outcome().0, "absent");
    }

    #[tokio::test(start_paused = true)]
    async fn a_function_that_names_no_service_is_told() {
        let other = r#"{"environment":"GEN_2","serviceConfig":{"service":"marked/../x"}}"#;
        let script = script(&[("GET /functions/billing-api", 200, other)]);
        let collected = collect(ArtifactKind::RunningService, None, script).await;
        assert_eq!(collected.outcome().0, "partial");
    }

    #[tokio::test(start_paused = true)]
    async fn no_answer_is_told_apart_from_none() {
        let outcomes = outcomes_when_refused(ArtifactKind::RunningService, None).await;
        assert_eq!(outcomes, ["absent", "denied", "failed"]);
    }
}
