//! The function as Google describes it: how it is built, how it runs, its environment. Values of variables
//! are here and in the service that runs it, nowhere else.

use super::{Artifact, Function, path, text};
use crate::Inquiry;
use evidence::ArtifactKind;
use futures_util::FutureExt as _;
use serde_json::Value;

/// Of both generations; also what tells whether there is such a function.
pub(super) const FUNCTION: &str = "GET cloudfunctions.googleapis.com/v2/projects/{project}/locations/{location}/functions/{function}";
/// The first generation has some of its settings in the first version only: `versionId`, `securityLevel`.
const FUNCTION_V1: &str = "GET cloudfunctions.googleapis.com/v1/projects/{project}/locations/{location}/functions/{function}";

pub(super) const ARTIFACT: Artifact = Artifact {
    kind: ArtifactKind::Configuration,
    permissions: &["cloudfunctions.functions.get"],
    operations: &[FUNCTION, FUNCTION_V1],
    is_planned: true,
    collect: |function, inquiry| collect(function, inquiry).boxed(),
};

async fn collect(function: &Function, inquiry: &mut Inquiry<'_>) {
    let name = &function.target.name;
    let path = path(&function.target);
    let Some(reply) = function.get(inquiry, FUNCTION, name, &path, &[]).await else {
        return;
    };
    if is_first_generation(&reply) {
        function.get(inquiry, FUNCTION_V1, name, &path, &[]).await;
    }
    for (kind, at) in [
        (
            ArtifactKind::ExecutionRole,
            "/serviceConfig/serviceAccountEmail",
        ),
        (ArtifactKind::DeploymentSource, "/buildConfig/build"),
    ] {
        inquiry.then_maybe(kind, text(&reply, at));
    }
    if let Some(source) = built_source(&reply) {
        inquiry.then_maybe(ArtifactKind::FunctionCode, Some(&source));
    }
}

/// Whether a function is of the first generation, by its description.
pub(super) fn is_first_generation(function: &Value) -> bool {
    text(function, "/environment") == Some("GEN_1")
}

/// The object that the function was built from, as Google resolved it: `gs://BUCKET/OBJECT#GENERATION`. What
/// lies there under another generation is not what was built.
fn built_source(function: &Value) -> Option<String> {
    let source = "/buildConfig/sourceProvenance/resolvedStorageSource";
    let of = |field| text(function, &format!("{source}/{field}"));
    let (bucket, object) = (of("bucket")?, of("object")?);
    // A number of 64 bits comes as text.
    let generation = function.pointer(&format!("{source}/generation"))?;
    let generation = match generation {
        Value::String(text) => text.clone(),
        other => other.as_u64()?.to_string(),
    };
    Some(format!("gs://{bucket}/{object}#{generation}"))
}

#[cfg(test)]
mod tests {
    use crate::gcp::canned::{GEN_1, GEN_2, collect, outcomes_when_refused, script};
    use evidence::ArtifactKind;

    #[tokio::test(start_paused = true)]
    async fn what_it_names_is_followed() {
        let script = script(&[("GET /functions/billing-api", 200, GEN_2)]);
        let collected = collect(ArtifactKind::Configuration, None, script).await;
        insta::assert_json_snapshot!(collected.told());
        assert_eq!(collected.outcome().0, "acquired");
    }

    #[tokio::test(start_paused = true)]
    async fn the_first_generation_is_asked_about_twice() {
        let script = script(&[("GET /functions/billing-api", 200, GEN_1)]);
        let collected = collect(ArtifactKind::Configuration, None, script).await;
        assert_eq!(collected.asked.len(), 2);
        assert_eq!(collected.outcome().0, "acquired");
    }

    #[tokio::test(start_paused = true)]
    async fn no_answer_is_told_apart_from_none() {
        let outcomes = outcomes_when_refused(ArtifactKind::Configuration, None).await;
        assert_eq!(outcomes, ["absent", "denied", "failed"]);
    }
}
