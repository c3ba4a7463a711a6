//! A Cloudflare that answers from a script, and a desk to work at: for tests.

use super::window::Investigation;
use super::{Cloudflare, Credentials, Worker};
use crate::Scope;
use crate::aws::canned::{Canned, carry_out, exhibits};
pub(super) use crate::aws::canned::{Collected, Investigated, SECRET, Script, script};
use crate::{Carried, Collector as _, Desk, Surroundings as _};
use aws_smithy_runtime_api::client::http::SharedHttpConnector;
use evidence::{ArtifactKind, Request, Target};
use std::sync::Arc;
use tokio::time::Instant;
use vault::MemoryVault;

pub(super) const SCRIPT: &str = "cloudflare://0123456789abcdef0123456789abcdef/billing-api";

/// Cloudflare as a connector answers for it.
pub(super) fn cloud(connector: SharedHttpConnector) -> Cloudflare {
    let credentials = Credentials::token(TOKEN).unwrap();
    let mut cloud = Cloudflare::new(super::BASE, credentials).unwrap();
    cloud.rest = cloud.rest.through(connector);
    cloud
}

const TOKEN: &str = "marked-token";

/// Reads one artifact of a window to its end against `script`, and concludes it. Wants a paused clock; `took` is by
/// that clock.
pub(super) async fn investigate(
    scope: Scope,
    artifact: ArtifactKind,
    script: Script,
) -> Investigated {
    let canned = Canned::answering(script);
    let asked = canned.asked();
    let mut investigated =
        investigate_through(scope, artifact, SharedHttpConnector::new(canned)).await;
    investigated.asked = asked.lock().unwrap().clone();
    investigated
}

/// The same against any connector; what was asked is for it to know. Holds for every artifact: each call is one of the
/// registry's, and the token comes out nowhere.
pub(super) async fn investigate_through(
    scope: Scope,
    artifact: ArtifactKind,
    connector: SharedHttpConnector,
) -> Investigated {
    let investigation = Investigation::new(&cloud(connector), scope);
    let began = Instant::now();
    let request = Request::whole(artifact);
    let task = investigation.task("first", &request);
    let observer = investigation.observer(&request, &Carried::new());
    let (concluded, kept) = carry_out(&task, observer).await;
    for call in &concluded.acquisition.calls {
        let known = super::operations().contains(&call.api.as_str());
        assert!(known, "{} is not in the registry", call.api);
    }
    let told = format!("{concluded:?}{kept:?}");
    assert!(!told.contains(TOKEN), "the token is told");
    Investigated {
        concluded,
        kept,
        asked: Vec::new(),
        took: began.elapsed(),
    }
}

/// Carries one request out against `script`. Wants a paused clock. Holds for every artifact: each call is one of the
/// registry's, and [`SECRET`] comes out in the configuration only.
pub(super) async fn collect(
    artifact: ArtifactKind,
    selector: Option<&str>,
    script: Script,
) -> Collected {
    let canned = Canned::answering(script);
    let asked = canned.asked();
    let cloud = cloud(SharedHttpConnector::new(canned));
    let worker = Worker::new(&cloud, Target::parse(SCRIPT).unwrap(), 3);
    let vault = Arc::new(MemoryVault::default());
    let clock = Arc::new(|| "2026-01-02T03:04:05Z".parse().unwrap());
    let case = "20260102T030405Z-test-0000000000000000".parse().unwrap();
    let desk = Desk::new(vault.clone(), case, clock, u64::MAX);
    let request = Request {
        artifact,
        selector: selector.map(str::to_owned),
    };
    let gathered = worker.collect(&desk, request).await;
    let kept = exhibits(&vault, &gathered.acquisition).await;
    for call in &gathered.acquisition.calls {
        let known = super::operations().contains(&call.api.as_str());
        assert!(known, "{} is not in the registry", call.api);
    }
    let told = format!("{gathered:?}{kept:?}");
    assert!(!told.contains(TOKEN), "{told}");
    assert!(!format!("{gathered:?}").contains(SECRET), "{gathered:?}");
    if artifact != ArtifactKind::Configuration {
        assert!(!format!("{kept:?}").contains(SECRET), "{kept:?}");
    }
    let asked = asked.lock().unwrap().clone();
    Collected {
        gathered,
        kept,
        asked,
    }
}

/// What comes of a request when every call is answered 404, 403, 500: three words.
pub(super) async fn outcomes_when_refused(
    artifact: ArtifactKind,
    selector: Option<&str>,
) -> [String; 3] {
    const ABSENT: Script = &[(
        "GET",
        404,
        r#"{"success":false,"errors":[{"code":10007,"message":"This Worker does not exist on your account."}],"messages":[],"result":null}"#,
    )];
    const DENIED: Script = &[(
        "GET",
        403,
        r#"{"success":false,"errors":[{"code":10000,"message":"Authentication error"}],"messages":[],"result":null}"#,
    )];
    const BROKEN: Script = &[(
        "GET",
        500,
        r#"{"success":false,"errors":[{"code":10013,"message":"An unknown error has occurred."}],"messages":[],"result":null}"#,
    )];
    let mut words = [ABSENT, DENIED, BROKEN].map(|script| (script, String::new()));
    for (script, word) in &mut words {
        let collected = collect(artifact, selector, script).await;
        *word = collected.outcome().0.to_owned();
    }
    words.map(|(_, word)| word)
}
