//! Cloudflare: Workers, asked by HTTP with an API token.
//!
//! One file an artifact; [`ARTIFACTS`] is the registry. To add one: a file, a line, and the token's
//! permission that it takes. Each operation is one constant, looked up in Cloudflare's own types by a
//! test.

mod addresses;
#[cfg(test)]
mod canned;
mod configuration;
mod credentials;
mod deployments;
mod function_code;
mod identity;
mod modules;
mod observability;
mod secrets;
mod tracing;
mod triggers;
mod version_code;
mod versions;
pub mod window;

pub use credentials::{BadCredentials, Credentials};
pub use tracing::Observability;

use crate::rest::{BadBase, Rest, Trouble, told_by_cloudflare};
use crate::{Collect, Collector, Desk, Gathered, Inquiry, Pace, carry_out};
use async_trait::async_trait;
use evidence::{ArtifactKind, Permission, Request, Target};
use serde_json::Value;
use std::sync::Arc;
use std::time::Duration;

/// Where Cloudflare's API is.
pub const BASE: &str = "https://api.cloudflare.com/client/v4";

/// Between two requests: half of the 1,200 in five minutes that Cloudflare allows a user over all their
/// tokens. <https://developers.cloudflare.com/fundamentals/api/reference/limits/>
const BETWEEN: Duration = Duration::from_millis(500);
/// Whoever exceeds them is refused everything for the next five minutes.
const BLOCKED: Duration = Duration::from_secs(300);

/// One user's or account's access to Cloudflare. Cheap to clone; all clones keep one pace.
#[derive(Clone)]
pub struct Cloudflare {
    rest: Rest,
    /// The user that a key is of; none of a token.
    user: Option<String>,
}

impl Cloudflare {
    /// Access by `credentials`; `base` is [`BASE`], or what the operator put in its place.
    pub fn new(base: &str, credentials: Credentials) -> Result<Self, BadBase> {
        let pace = Arc::new(Pace::of(BETWEEN, BLOCKED));
        let user = credentials.user();
        Ok(Self {
            user,
            rest: Rest::new(base, credentials.into_keys(), pace)?
                .telling(told_by_cloudflare)
                .reading_posts(&[window::QUERY]),
        })
    }

    /// Whose the credentials are, for the manifest: `cloudflare token ID`. A token of a user and one of
    /// an account are asked about in different places; of a key nothing can be asked, it is its user's.
    pub async fn identity(&self, account: &str) -> Result<String, Trouble> {
        if let Some(user) = &self.user {
            return Ok(format!("cloudflare user {}", evidence::shown(user, 120)));
        }
        let of_user = self.rest.call(OF_USER, &[], &[], None).await;
        let reply = match of_user {
            Err(Trouble::Denied(_) | Trouble::Failed(_) | Trouble::Absent(_)) => {
                let path = [("account_id", account)];
                self.rest.call(OF_ACCOUNT, &path, &[], None).await?
            }
            other => other?,
        };
        let id = text(&reply.json, "/result/id").unwrap_or("of an unknown id");
        Ok(format!("cloudflare token {}", evidence::shown(id, 64)))
    }

    /// Whether there is such a Worker; an error if that cannot be told.
    pub async fn knows(&self, target: &Target) -> Result<bool, Trouble> {
        let path = path(target);
        match self
            .rest
            .call(configuration::SETTINGS, &path, &[], None)
            .await
        {
            Ok(_) => Ok(true),
            Err(Trouble::Absent(_)) => Ok(false),
            Err(trouble) => Err(trouble),
        }
    }
}

const OF_USER: &str = "GET /user/tokens/verify";
const OF_ACCOUNT: &str = "GET /accounts/{account_id}/tokens/verify";

/// One kind of artifact: what it is, what it needs, how it is got.
struct Artifact {
    /// Its kind.
    kind: ArtifactKind,
    /// What the token has to be allowed, in the words of Cloudflare's dashboard.
    permissions: &'static [&'static str],
    /// The operations that it is got by.
    operations: &'static [&'static str],
    /// Carries one request out.
    collect: Collect<Worker>,
}

/// The registry: everything that can be asked of a Worker, most volatile first.
const ARTIFACTS: &[Artifact] = &[
    function_code::ARTIFACT,
    configuration::ARTIFACT,
    secrets::ARTIFACT,
    versions::ARTIFACT,
    deployments::ARTIFACT,
    addresses::ARTIFACT,
    triggers::ARTIFACT,
    observability::ARTIFACT,
    identity::ARTIFACT,
];

/// Collects one Worker.
pub struct Worker {
    rest: Rest,
    target: Target,
    /// How many versions are preserved besides those that are deployed, newest first.
    versions: usize,
}

impl Worker {
    /// A collector for `target`.
    pub fn new(cloud: &Cloudflare, target: Target, versions: usize) -> Self {
        Self {
            rest: cloud.rest.clone(),
            target,
            versions,
        }
    }

    /// Asks about the script as such.
    async fn ask(
        &self,
        inquiry: &mut Inquiry<'_>,
        operation: &'static str,
        query: &[(&str, String)],
    ) -> Option<Value> {
        let path = path(&self.target);
        let call = self.rest.call(operation, &path, query, None);
        inquiry.ask_rest(operation, &self.target.name, call).await
    }
}

/// The script as paths of `/accounts/{account_id}/workers/scripts/{script_name}` name it.
fn path(target: &Target) -> [(&'static str, &str); 2] {
    [
        ("account_id", &target.account),
        ("script_name", &target.name),
    ]
}

#[async_trait]
impl Collector for Worker {
    fn plan(&self) -> Vec<Request> {
        ARTIFACTS
            .iter()
            .map(|artifact| Request::whole(artifact.kind))
            .collect()
    }

    async fn collect(&self, desk: &Desk, request: Request) -> Gathered {
        let artifact = ARTIFACTS
            .iter()
            .find(|artifact| artifact.kind == request.artifact);
        let collect = artifact.map(|artifact| artifact.collect);
        carry_out(self, collect, desk, &self.target, request).await
    }

    fn permissions(&self) -> Vec<Permission> {
        permissions()
    }
}

/// Every permission that a token needs, by artifact.
pub fn permissions() -> Vec<Permission> {
    ARTIFACTS
        .iter()
        .flat_map(|artifact| crate::permissions(artifact.kind, artifact.permissions))
        .chain(window::permissions())
        .collect()
}

/// Every operation that anything here is got by, sorted: what Cloudflare's own types are asked about.
pub fn operations() -> Vec<&'static str> {
    let own = [OF_USER, OF_ACCOUNT, tracing::CHANGE];
    let of = ARTIFACTS.iter().flat_map(|artifact| artifact.operations);
    let mut operations: Vec<&str> = own
        .iter()
        .chain(of)
        .copied()
        .chain(window::operations())
        .collect();
    operations.sort_unstable();
    operations.dedup();
    operations
}

fn text<'a>(value: &'a Value, pointer: &str) -> Option<&'a str> {
    value.pointer(pointer)?.as_str()
}

fn list<'a>(value: &'a Value, pointer: &str) -> &'a [Value] {
    let items = value.pointer(pointer).and_then(Value::as_array);
    items.map(Vec::as_slice).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_registry_is_in_order_of_volatility_and_holds_each_kind_once() {
        let kinds: Vec<ArtifactKind> = ARTIFACTS.iter().map(|artifact| artifact.kind).collect();
        let mut sorted = kinds.clone();
        sorted.sort_unstable();
        sorted.dedup();
        assert_eq!(kinds, sorted);
    }

    #[tokio::test]
    async fn a_key_is_its_users_and_is_not_asked_about() {
        let set = |name: &str| match name {
            "CLOUDFLARE_API_KEY" => Some("marked-key".to_owned()),
            "CLOUDFLARE_EMAIL" => Some("alice@example.com".to_owned()),
            _ => None,
        };
        let credentials = Credentials::from_env(set).unwrap();
        // Nobody listens there.
        let cloud = Cloudflare::new("http://127.0.0.1:9", credentials).unwrap();
        let identity = cloud.identity("0123456789abcdef0123456789abcdef").await;
        assert_eq!(identity.unwrap(), "cloudflare user alice@example.com");
    }

    #[test]
    fn nothing_that_preserves_can_change_a_thing() {
        let of_window = window::operations();
        let all = ARTIFACTS.iter().flat_map(|artifact| artifact.operations);
        for operation in all.copied().chain(of_window) {
            let is_reading = operation.starts_with("GET /") || operation == window::QUERY;
            assert!(is_reading, "{operation}");
        }
    }
}
