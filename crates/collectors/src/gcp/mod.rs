//! Google Cloud: functions of both generations, asked by HTTP with application default credentials.
//!
//! One file an artifact; [`ARTIFACTS`] is the registry. To add one: a file, a line, and the permission that
//! it takes. Each operation is one constant, with the host it is of, looked up in Google's own discovery
//! documents by a test.

mod built_from;
#[cfg(test)]
mod canned;
mod configuration;
mod container_image;
mod credentials;
mod event_trigger;
mod function_code;
mod observability;
mod resource_policy;
mod running_service;
mod service_account;
mod values;
mod versions;
pub mod window;

pub use credentials::{BadCredentials, Credentials};

use crate::rest::{BadBase, Downloads, Reply, Rest, Trouble, told_by_error};
use crate::{Collect, Collector, Desk, Gathered, Inquiry, Pace, carry_out};
use async_trait::async_trait;
use evidence::{ArtifactKind, Permission, Request, Target};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

/// A host of Google's, and what gcloud calls it where its address is set by hand.
struct Host {
    name: &'static str,
    /// `CLOUDSDK_API_ENDPOINT_OVERRIDES_…`
    variable: &'static str,
    /// Between two requests: a half of what a project is allowed at the most, for others need it too.
    between: Duration,
}

const fn host(name: &'static str, variable: &'static str, between_ms: u64) -> Host {
    Host {
        name,
        variable,
        between: Duration::from_millis(between_ms),
    }
}

/// The hosts. Rates that are not said to be lower are 600 a minute and more; entries of logs may be read
/// 60 times a minute in a project, traces 300 times. <https://cloud.google.com/logging/quotas>,
/// <https://cloud.google.com/trace/docs/quotas>
const HOSTS: &[Host] = &[
    host(
        FUNCTIONS,
        "CLOUDSDK_API_ENDPOINT_OVERRIDES_CLOUDFUNCTIONS",
        100,
    ),
    host(RUN, "CLOUDSDK_API_ENDPOINT_OVERRIDES_RUN", 100),
    host(STORAGE, "CLOUDSDK_API_ENDPOINT_OVERRIDES_STORAGE", 100),
    host(EVENTARC, "CLOUDSDK_API_ENDPOINT_OVERRIDES_EVENTARC", 100),
    host(BUILD, "CLOUDSDK_API_ENDPOINT_OVERRIDES_CLOUDBUILD", 100),
    host(
        IMAGES,
        "CLOUDSDK_API_ENDPOINT_OVERRIDES_ARTIFACTREGISTRY",
        100,
    ),
    host(IAM, "CLOUDSDK_API_ENDPOINT_OVERRIDES_IAM", 100),
    host(
        PROJECTS,
        "CLOUDSDK_API_ENDPOINT_OVERRIDES_CLOUDRESOURCEMANAGER",
        200,
    ),
    host(LOGGING, "CLOUDSDK_API_ENDPOINT_OVERRIDES_LOGGING", 2000),
    host(TRACE, "CLOUDSDK_API_ENDPOINT_OVERRIDES_CLOUDTRACE", 400),
];

const FUNCTIONS: &str = "cloudfunctions.googleapis.com";
const RUN: &str = "run.googleapis.com";
const STORAGE: &str = "storage.googleapis.com";
const EVENTARC: &str = "eventarc.googleapis.com";
const BUILD: &str = "cloudbuild.googleapis.com";
const IMAGES: &str = "artifactregistry.googleapis.com";
const IAM: &str = "iam.googleapis.com";
const PROJECTS: &str = "cloudresourcemanager.googleapis.com";
const LOGGING: &str = "logging.googleapis.com";
const TRACE: &str = "cloudtrace.googleapis.com";

/// Where an answer that there were too many requests does not say for how long: quotas are by the minute.
const BLOCKED: Duration = Duration::from_secs(60);

/// The POSTs that read only.
const READING_POSTS: &[&str] = &[
    function_code::DOWNLOAD,
    function_code::DOWNLOAD_V1,
    service_account::POLICY,
    PROJECT_POLICY,
    window::ENTRIES,
];

/// Also says which audit logs a project has.
pub(crate) const PROJECT_POLICY: &str =
    "POST cloudresourcemanager.googleapis.com/v1/projects/{project}:getIamPolicy";

/// Somebody's access to Google Cloud. Cheap to clone; all clones keep one pace for each host.
#[derive(Clone)]
pub struct Google {
    hosts: Arc<BTreeMap<&'static str, Rest>>,
    downloads: Downloads,
    whose: Arc<str>,
}

/// An address that was set by hand and is none.
#[derive(Clone, Copy, Debug, thiserror::Error, PartialEq, Eq)]
#[error("{variable} is {error}")]
pub struct BadHost {
    /// The variable that sets it.
    pub variable: &'static str,
    /// What is wrong.
    pub error: BadBase,
}

impl Google {
    /// Access by `credentials`. `env` may have other addresses of the hosts, as gcloud reads them:
    /// `CLOUDSDK_API_ENDPOINT_OVERRIDES_RUN=https://run.example.internal/`.
    pub fn new(
        credentials: &Credentials,
        env: impl Fn(&str) -> Option<String>,
    ) -> Result<Self, BadHost> {
        let mut hosts = BTreeMap::new();
        let mut own = None;
        for host in HOSTS {
            let set = env(host.variable).filter(|base| !base.trim().is_empty());
            let usual = format!("https://{}", host.name);
            let base = set.as_deref().map_or(usual.as_str(), str::trim);
            let pace = Arc::new(Pace::of(host.between, BLOCKED));
            let rest = Rest::new(base, credentials.keys(), pace).map_err(|error| BadHost {
                variable: host.variable,
                error,
            })?;
            // Signed addresses are of storage; one that is set by hand may be anywhere.
            if host.name == STORAGE && set.is_some() {
                own = Some(rest.origin().clone());
            }
            let rest = rest.telling(told_by_error).reading_posts(READING_POSTS);
            hosts.insert(host.name, rest);
        }
        Ok(Self {
            hosts: Arc::new(hosts),
            downloads: Downloads::new(own),
            whose: credentials.whose().into(),
        })
    }

    /// Whose the credentials are, for the manifest.
    pub fn identity(&self) -> &str {
        &self.whose
    }

    /// Whether there is such a function; an error if that cannot be told.
    pub async fn knows(&self, target: &Target) -> Result<bool, Trouble> {
        match self
            .call(configuration::FUNCTION, &path(target), &[], None)
            .await
        {
            Ok(_) => Ok(true),
            Err(Trouble::Absent(_)) => Ok(false),
            Err(trouble) => Err(trouble),
        }
    }

    /// Makes one call of the host that the operation is of.
    async fn call(
        &self,
        op: &'static str,
        path: &[(&str, &str)],
        query: &[(&str, String)],
        body: Option<Value>,
    ) -> Result<Reply, Trouble> {
        self.host(op)?.call(op, path, query, body).await
    }

    fn host(&self, op: &str) -> Result<&Rest, Trouble> {
        let host = op
            .split_once(' ')
            .and_then(|(_, rest)| rest.split_once('/'));
        let rest = host.and_then(|(host, _)| self.hosts.get(host));
        rest.ok_or_else(|| Trouble::Failed(format!("{op} is of no host that is known")))
    }
}

/// One kind of artifact: what it is, what it needs, how it is got.
struct Artifact {
    /// Its kind.
    kind: ArtifactKind,
    /// The permissions of IAM that it takes.
    permissions: &'static [&'static str],
    /// The operations that it is got by.
    operations: &'static [&'static str],
    /// Whether it is wanted without anything having led to it.
    is_planned: bool,
    /// Carries one request out.
    collect: Collect<Function>,
}

/// The registry: everything that can be asked of a function, most volatile first.
const ARTIFACTS: &[Artifact] = &[
    function_code::ARTIFACT,
    configuration::ARTIFACT,
    container_image::ARTIFACT,
    built_from::ARTIFACT,
    versions::ARTIFACT,
    running_service::ARTIFACT,
    resource_policy::ARTIFACT,
    event_trigger::ARTIFACT,
    observability::ARTIFACT,
    service_account::ARTIFACT,
];

/// Collects one function.
pub struct Function {
    google: Google,
    target: Target,
}

impl Function {
    /// A collector for `target`.
    pub fn new(google: &Google, target: Target) -> Self {
        Self {
            google: google.clone(),
            target,
        }
    }

    /// Asks by GET.
    async fn get(
        &self,
        inquiry: &mut Inquiry<'_>,
        op: &'static str,
        about: &str,
        path: &[(&str, &str)],
        query: &[(&str, String)],
    ) -> Option<Value> {
        let call = self.google.call(op, path, query, None);
        inquiry.ask_rest(op, about, call).await
    }

    /// Asks by a POST that only reads.
    async fn post(
        &self,
        inquiry: &mut Inquiry<'_>,
        op: &'static str,
        about: &str,
        path: &[(&str, &str)],
        query: &[(&str, String)],
        body: Option<Value>,
    ) -> Option<Value> {
        let call = self.google.call(op, path, query, body);
        inquiry.ask_rest(op, about, call).await
    }

    /// The function as Google describes it now; what is kept of it here is without values.
    async fn described(&self, inquiry: &mut Inquiry<'_>) -> Option<Value> {
        let op = configuration::FUNCTION;
        let path = path(&self.target);
        let reply = self.get(inquiry, op, &self.target.name, &path, &[]).await?;
        inquiry.last_reply_mut().map(values::withhold);
        Some(reply)
    }

    /// The policy of the project: who has which role, and which audit logs there are.
    async fn project_policy(&self, inquiry: &mut Inquiry<'_>) -> Option<Value> {
        let project = self.target.account.as_str();
        let body = json!({"options": {"requestedPolicyVersion": 3}});
        let path = [("project", project)];
        let op = PROJECT_POLICY;
        self.post(inquiry, op, project, &path, &[], Some(body))
            .await
    }
}

/// The function as paths of `/projects/{project}/locations/{location}/functions/{function}` name it.
fn path(target: &Target) -> [(&'static str, &str); 3] {
    [
        ("project", &target.account),
        ("location", &target.region),
        ("function", &target.name),
    ]
}

/// A policy with its conditions; without asking for it so, bindings that have one come without.
const POLICY_VERSION: &str = "options.requestedPolicyVersion";

/// The last part of a resource's name: `projects/P/locations/L/services/S`.
fn last(name: &str) -> &str {
    name.rsplit('/').next().unwrap_or(name)
}

/// What follows `field` in a resource's name: its `locations`.
fn part<'a>(name: &'a str, field: &str) -> Option<&'a str> {
    let mut parts = name.split('/');
    parts.find(|part| *part == field)?;
    parts.next().filter(|part| !part.is_empty())
}

#[async_trait]
impl Collector for Function {
    fn plan(&self) -> Vec<Request> {
        ARTIFACTS
            .iter()
            .filter(|artifact| artifact.is_planned)
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

/// Every permission that is needed, by artifact.
pub fn permissions() -> Vec<Permission> {
    ARTIFACTS
        .iter()
        .flat_map(|artifact| crate::permissions(artifact.kind, artifact.permissions))
        .chain(window::permissions())
        .collect()
}

/// Every operation that anything here is got by, sorted: what Google's own documents are asked about.
pub fn operations() -> Vec<&'static str> {
    let of = ARTIFACTS.iter().flat_map(|artifact| artifact.operations);
    let mut operations: Vec<&str> = of.copied().chain(window::operations()).collect();
    operations.sort_unstable();
    operations.dedup();
    operations
}

fn text<'a>(value: &'a Value, pointer: &str) -> Option<&'a str> {
    let text = value.pointer(pointer)?.as_str();
    text.filter(|text| !text.is_empty())
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

    #[test]
    fn nothing_here_can_change_a_thing() {
        for operation in operations() {
            let is_reading = operation.starts_with("GET ") || READING_POSTS.contains(&operation);
            assert!(is_reading, "{operation}");
        }
    }

    #[test]
    fn every_operation_is_of_a_known_host() {
        let credentials = Credentials::token("marked-token").unwrap();
        let google = Google::new(&credentials, |_| None).unwrap();
        for operation in operations().iter().chain(READING_POSTS) {
            assert!(google.host(operation).is_ok(), "{operation}");
        }
    }

    #[test]
    fn an_address_of_gclouds_is_taken_and_a_bad_one_named() {
        let credentials = Credentials::token("marked-token").unwrap();
        let set = |wanted: &'static str, text: &'static str| {
            Google::new(&credentials, move |name| {
                (name == wanted).then(|| text.to_owned())
            })
        };
        let run = "CLOUDSDK_API_ENDPOINT_OVERRIDES_RUN";
        assert!(set(run, "https://run.example.internal/").is_ok());
        let error = set(run, "run.example.internal?key=marked").err().unwrap();
        assert!(error.to_string().starts_with(run), "{error}");
        assert!(!error.to_string().contains("marked"), "{error}");
    }

    #[test]
    fn names_of_resources_are_taken_apart() {
        let name = "projects/p/locations/l/services/s";
        assert_eq!((last(name), part(name, "locations")), ("s", Some("l")));
        assert_eq!(part(name, "builds"), None);
        assert_eq!(part("projects/p/locations/", "locations"), None);
    }
}
