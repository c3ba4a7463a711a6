//! The build that made what runs: its source, its steps, the images that came of it.

use super::{Artifact, Function, last, list, part, text, values};
use crate::{Inquiry, Refusal};
use evidence::{ArtifactKind, shown};
use futures_util::FutureExt as _;
use serde_json::Value;

const BUILD: &str =
    "GET cloudbuild.googleapis.com/v1/projects/{project}/locations/{location}/builds/{build}";

pub(super) const ARTIFACT: Artifact = Artifact {
    kind: ArtifactKind::DeploymentSource,
    permissions: &["cloudbuild.builds.get"],
    operations: &[BUILD],
    is_planned: false,
    collect: |function, inquiry| collect(function, inquiry).boxed(),
};

async fn collect(function: &Function, inquiry: &mut Inquiry<'_>) {
    let name = inquiry.request().selector.clone().unwrap_or_default();
    let of = (
        part(&name, "projects"),
        part(&name, "locations"),
        part(&name, "builds"),
    );
    let (Some(project), Some(location), Some(build)) = of else {
        return inquiry.refuse(Refusal::Failed(format!(
            "{:?} is no build",
            shown(&name, 200)
        )));
    };
    let path = [
        ("project", project),
        ("location", location),
        ("build", build),
    ];
    let Some(reply) = function.get(inquiry, BUILD, last(&name), &path, &[]).await else {
        return;
    };
    inquiry.last_reply_mut().map(values::withhold);
    // By its digest, which no later push can change.
    let images = list(&reply, "/results/images").iter();
    for image in images.filter_map(by_digest) {
        inquiry.then_maybe(ArtifactKind::ContainerImage, Some(&image));
    }
}

/// `LOCATION-docker.pkg.dev/PROJECT/REPOSITORY/IMAGE@sha256:DIGEST`
fn by_digest(image: &Value) -> Option<String> {
    let name = text(image, "/name")?;
    let digest = text(image, "/digest")?;
    // A tag comes after the last slash; before it there may be a port.
    let slash = name.rfind('/')?;
    let bare = name[slash..].find([':', '@']);
    let bare = bare.map_or(name, |at| &name[..slash + at]);
    Some(format!("{bare}@{digest}"))
}

#[cfg(test)]
mod tests {
    use crate::gcp::canned::{collect, outcomes_when_refused, script};
    use evidence::ArtifactKind;

    const NAME: &str = "projects/111122223333/locations/europe-west1/builds/b-1";

    #[tokio::test(start_paused = true)]
    async fn images_are_followed_by_their_digests() {
        let build = r#"{"id":"b-1","results":{"images":[{"name":"europe-west1-docker.pkg.dev/example-project/gcf-artifacts/billing--api:version_1","digest":"sha256:aa"},{"name":"marked"}]}}"#;
        let script = script(&[("GET /builds/b-1", 200, build)]);
        let collected = collect(ArtifactKind::DeploymentSource, Some(NAME), script).await;
        let next: Vec<String> = collected
            .gathered
            .next
            .iter()
            .map(ToString::to_string)
            .collect();
        assert_eq!(
            next,
            [
                "container-image europe-west1-docker.pkg.dev/example-project/gcf-artifacts/billing--api@sha256:aa"
            ]
        );
    }

    #[tokio::test(start_paused = true)]
    async fn what_is_no_build_is_not_asked_for() {
        let collected = collect(ArtifactKind::DeploymentSource, Some("projects/p"), &[]).await;
        assert_eq!(
            collected.outcome(),
            ("failed", "\"projects/p\" is no build")
        );
        assert!(collected.asked.is_empty());
    }

    #[tokio::test(start_paused = true)]
    async fn no_answer_is_told_apart_from_none() {
        let outcomes = outcomes_when_refused(ArtifactKind::DeploymentSource, Some(NAME)).await;
        assert_eq!(outcomes, ["absent", "denied", "failed"]);
    }
}
