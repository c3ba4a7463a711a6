//! What calls the function besides requests: the events it is for, and the trigger that brings them.

use super::{Artifact, Function, configuration, last, part, text};
use crate::{Inquiry, Refusal};
use evidence::{ArtifactKind, shown};
use futures_util::FutureExt as _;

const TRIGGER: &str =
    "GET eventarc.googleapis.com/v1/projects/{project}/locations/{location}/triggers/{trigger}";

pub(super) const ARTIFACT: Artifact = Artifact {
    kind: ArtifactKind::EventSourceMappings,
    permissions: &["eventarc.triggers.get"],
    operations: &[TRIGGER, configuration::FUNCTION],
    is_planned: true,
    collect: |function, inquiry| collect(function, inquiry).boxed(),
};

async fn collect(function: &Function, inquiry: &mut Inquiry<'_>) {
    let Some(described) = function.described(inquiry).await else {
        return;
    };
    if described.get("eventTrigger").is_none_or(|it| it.is_null()) {
        return inquiry.conclude_absent("no event calls the function, requests only");
    }
    // The first generation has no trigger of its own: the events are in the function's description.
    let Some(name) = text(&described, "/eventTrigger/trigger") else {
        return;
    };
    let Some((project, location)) = part(name, "projects").zip(part(name, "locations")) else {
        return inquiry.refuse(Refusal::Failed(format!(
            "the function's trigger is no trigger: {:?}",
            shown(name, 200)
        )));
    };
    let path = [
        ("project", project),
        ("location", location),
        ("trigger", last(name)),
    ];
    function.get(inquiry, TRIGGER, last(name), &path, &[]).await;
}

#[cfg(test)]
mod tests {
    use crate::gcp::canned::{GEN_1, GEN_2, collect, outcomes_when_refused, script};
    use evidence::ArtifactKind;

    #[tokio::test(start_paused = true)]
    async fn the_trigger_is_kept() {
        let script = script(&[
            ("GET /functions/billing-api", 200, GEN_2),
            (
                "GET /triggers/billing-api-123",
                200,
                r#"{"name":"t","eventFilters":[]}"#,
            ),
        ]);
        let collected = collect(ArtifactKind::EventSourceMappings, None, script).await;
        assert_eq!(collected.outcome(), ("acquired", ""));
        assert_eq!(collected.asked.len(), 2);
    }

    #[tokio::test(start_paused = true)]
    async fn a_function_without_one_is_said_to_have_none() {
        let script = script(&[("GET /functions/billing-api", 200, GEN_1)]);
        let collected = collect(ArtifactKind::EventSourceMappings, None, script).await;
        let none = ("absent", "no event calls the function, requests only");
        assert_eq!(collected.outcome(), none);
    }

    #[tokio::test(start_paused = true)]
    async fn no_answer_is_told_apart_from_none() {
        let outcomes = outcomes_when_refused(ArtifactKind::EventSourceMappings, None).await;
        assert_eq!(outcomes, ["absent", "denied", "failed"]);
    }
}
