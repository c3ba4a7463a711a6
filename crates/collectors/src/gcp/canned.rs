//! A Google that answers from a script, and a desk to work at: for tests.

use super::window::Investigation;
use super::{Credentials, Function, Google};
use crate::aws::canned::{Canned, carry_out, exhibits};
pub(super) use crate::aws::canned::{Collected, Investigated, SECRET, Script, script};
use crate::rest::Downloads;
use crate::{Carried, Collector as _, Desk, Scope, Surroundings as _};
use aws_smithy_runtime_api::client::http::SharedHttpConnector;
use evidence::{ArtifactKind, Request, Target};
use std::sync::Arc;
use tokio::time::Instant;
use vault::MemoryVault;

pub(super) const TARGET: &str = "gcp://example-project/europe-west1/billing-api";

pub(super) const GEN_2: &str = r#"{"name":"projects/example-project/locations/europe-west1/functions/billing-api","environment":"GEN_2","state":"ACTIVE","buildConfig":{"build":"projects/111122223333/locations/europe-west1/builds/b-1","runtime":"nodejs22","entryPoint":"handle","sourceProvenance":{"resolvedStorageSource":{"bucket":"gcf-v2-sources-111122223333-europe-west1","object":"billing-api/function-source.zip","generation":"17"}}},"serviceConfig":{"service":"projects/example-project/locations/europe-west1/services/billing-api","serviceAccountEmail":"billing@example-project.iam.gserviceaccount.com","environmentVariables":{"MODE":"marked-secret"},"revision":"billing-api-00002-abc"},"eventTrigger":{"trigger":"projects/example-project/locations/europe-west1/triggers/billing-api-123"},"field_of_tomorrow":1}"#;
pub(super) const GEN_1: &str = r#"{"name":"projects/example-project/locations/europe-west1/functions/billing-api","environment":"GEN_1","state":"ACTIVE","buildConfig":{"runtime":"nodejs20","entryPoint":"handle"},"serviceConfig":{"serviceAccountEmail":"example-project@appspot.gserviceaccount.com","environmentVariables":{"MODE":"marked-secret"}}}"#;

const TOKEN: &str = "marked-token";

/// Google as a connector answers for it.
pub(super) fn google(connector: &SharedHttpConnector) -> Google {
    let credentials = Credentials::token(TOKEN).unwrap();
    let mut google = Google::new(&credentials, |_| None).unwrap();
    let hosts = google.hosts.iter();
    let hosts = hosts.map(|(name, rest)| (*name, rest.clone().through(connector.clone())));
    google.hosts = Arc::new(hosts.collect());
    google.downloads = Downloads::new(None).through(connector.clone());
    google
}

/// Carries one request out against `script`. Wants a paused clock. Holds for every artifact: each call is one of the
/// registry's or a download, and [`SECRET`] comes out where values of variables belong only.
pub(super) async fn collect(
    artifact: ArtifactKind,
    selector: Option<&str>,
    script: Script,
) -> Collected {
    let canned = Canned::answering(script);
    let asked = canned.asked();
    let google = google(&SharedHttpConnector::new(canned));
    let function = Function::new(&google, Target::parse(TARGET).unwrap());
    let vault = Arc::new(MemoryVault::default());
    let clock = Arc::new(|| "2026-01-02T03:04:05Z".parse().unwrap());
    let case = "20260102T030405Z-test-0000000000000000".parse().unwrap();
    let desk = Desk::new(vault.clone(), case, clock, u64::MAX);
    let request = Request {
        artifact,
        selector: selector.map(str::to_owned),
    };
    let gathered = function.collect(&desk, request).await;
    let kept = exhibits(&vault, &gathered.acquisition).await;
    for call in &gathered.acquisition.calls {
        let known = super::operations().contains(&call.api.as_str()) || call.api == "https:GET";
        assert!(known, "{} is not in the registry", call.api);
    }
    let told = format!("{gathered:?}{kept:?}");
    assert!(!told.contains(TOKEN), "{told}");
    assert!(!format!("{gathered:?}").contains(SECRET), "{gathered:?}");
    let has_values = [ArtifactKind::Configuration, ArtifactKind::RunningService];
    if !has_values.contains(&artifact) {
        assert!(!format!("{kept:?}").contains(SECRET), "{kept:?}");
    }
    let asked = asked.lock().unwrap().clone();
    Collected {
        gathered,
        kept,
        asked,
    }
}

/// Reads one request of a window to its end against `script`, and concludes it. Wants a paused clock; `took` is by that
/// clock. Holds for every artifact: each call is one of the registry's, and neither token nor [`SECRET`] comes out.
pub(super) async fn investigate(scope: Scope, request: &Request, script: Script) -> Investigated {
    let canned = Canned::answering(script);
    let asked = canned.asked();
    let google = google(&SharedHttpConnector::new(canned));
    let investigation = Investigation::new(&google, scope);
    let began = Instant::now();
    let task = investigation.task("first", request);
    let observer = investigation.observer(request, &Carried::new());
    let (concluded, kept) = carry_out(&task, observer).await;
    for call in &concluded.acquisition.calls {
        let known = super::operations().contains(&call.api.as_str());
        assert!(known, "{} is not in the registry", call.api);
    }
    let told = format!("{concluded:?}{kept:?}");
    assert!(!told.contains(TOKEN) && !told.contains(SECRET), "{told}");
    let asked = asked.lock().unwrap().clone();
    Investigated {
        concluded,
        kept,
        asked,
        took: began.elapsed(),
    }
}

/// What comes of a request when every call is answered 404, 403, 500: three words.
pub(super) async fn outcomes_when_refused(
    artifact: ArtifactKind,
    selector: Option<&str>,
) -> [String; 3] {
    const ABSENT: &str =
        r#"{"error":{"code":404,"message":"Resource was not found","status":"NOT_FOUND"}}"#;
    const DENIED: &str = r#"{"error":{"code":403,"message":"Permission denied on resource","status":"PERMISSION_DENIED"}}"#;
    const BROKEN: &str = r#"{"error":{"code":500,"message":"Internal error","status":"INTERNAL"}}"#;
    let mut words = [(404, ABSENT), (403, DENIED), (500, BROKEN)].map(|(status, body)| {
        let script = script(&[("GET", status, body), ("POST", status, body)]);
        (script, String::new())
    });
    for (script, word) in &mut words {
        let collected = collect(artifact, selector, script).await;
        *word = collected.outcome().0.to_owned();
    }
    words.map(|(_, word)| word)
}
