//! The image that was built, as the registry has it: when it was made and when it came.

use super::{Artifact, Function};
use crate::{Inquiry, Refusal};
use evidence::{ArtifactKind, shown};
use futures_util::FutureExt as _;

const IMAGE: &str = "GET artifactregistry.googleapis.com/v1/projects/{project}/locations/{location}/repositories/{repository}/dockerImages/{image}";

pub(super) const ARTIFACT: Artifact = Artifact {
    kind: ArtifactKind::ContainerImage,
    permissions: &["artifactregistry.dockerimages.get"],
    operations: &[IMAGE],
    is_planned: false,
    collect: |function, inquiry| collect(function, inquiry).boxed(),
};

async fn collect(function: &Function, inquiry: &mut Inquiry<'_>) {
    let uri = inquiry.request().selector.clone().unwrap_or_default();
    let Some((location, project, repository, image)) = taken_apart(&uri) else {
        return inquiry.refuse(Refusal::Failed(format!(
            "{:?} is no image of the Artifact Registry, which is the one that is asked",
            shown(&uri, 200)
        )));
    };
    let path = [
        ("project", project),
        ("location", location),
        ("repository", repository),
        ("image", image),
    ];
    function.get(inquiry, IMAGE, image, &path, &[]).await;
}

/// `LOCATION-docker.pkg.dev/PROJECT/REPOSITORY/IMAGE@sha256:DIGEST`
fn taken_apart(uri: &str) -> Option<(&str, &str, &str, &str)> {
    let (host, path) = uri.split_once('/')?;
    let location = host.strip_suffix("-docker.pkg.dev")?;
    let mut parts = path.splitn(3, '/');
    let (project, repository, image) = (parts.next()?, parts.next()?, parts.next()?);
    let is_whole = [location, project, repository]
        .iter()
        .all(|part| !part.is_empty());
    (is_whole && image.contains("@sha256:")).then_some((location, project, repository, image))
}

#[cfg(test)]
mod tests {
    use crate::gcp::canned::{collect, outcomes_when_refused, script};
    use evidence::ArtifactKind;

    const URI: &str =
        "europe-west1-docker.pkg.dev/example-project/gcf-artifacts/billing--api@sha256:aa";

    #[tokio::test(start_paused = true)]
    async fn an_image_is_asked_for_by_its_digest() {
        let script = script(&[(
            "GET /repositories/gcf-artifacts/dockerImages/billing--api%40sha256%3Aaa",
            200,
            r#"{"uri":"u"}"#,
        )]);
        let collected = collect(ArtifactKind::ContainerImage, Some(URI), script).await;
        assert_eq!(collected.outcome(), ("acquired", ""));
    }

    #[tokio::test(start_paused = true)]
    async fn an_image_of_another_registry_is_told() {
        for uri in [
            "gcr.io/example-project/x@sha256:aa",
            "x",
            "-docker.pkg.dev/p/r/i@sha256:aa",
        ] {
            let collected = collect(ArtifactKind::ContainerImage, Some(uri), &[]).await;
            assert_eq!(collected.outcome().0, "failed", "{uri}");
            assert!(collected.asked.is_empty());
        }
    }

    #[tokio::test(start_paused = true)]
    async fn no_answer_is_told_apart_from_none() {
        let outcomes = outcomes_when_refused(ArtifactKind::ContainerImage, Some(URI)).await;
        assert_eq!(outcomes, ["absent", "denied", "failed"]);
    }
}
