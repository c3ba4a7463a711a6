//! AWS: Lambda functions, layers and roles, and the responder's own parts.
//!
//! One file an artifact; [`ARTIFACTS`] is the registry. To add one: a file, a line, its permissions
//! in `template.yaml` (a test compares them).

mod aliases;
mod announced;
#[cfg(test)]
pub(crate) mod canned;
mod clients;
mod code_signing_config;
mod concurrency;
mod configuration;
mod container_image;
mod deployment_source;
mod event_invoke_config;
mod event_source_mappings;
mod execution_role;
mod function_code;
mod invocation_sources;
mod layer;
mod locate;
mod log_group;
mod recursion_config;
mod resource_policy;
mod responder_part;
mod runtime_management;
mod tags;
mod trigger_event;
mod url_config;
mod versions;
pub mod window;

pub use clients::{Clients, Regions, http_client, s3_client};
pub use locate::{LOCATE_PERMISSIONS, LocateError, Located, functions_concerned};

use crate::{Collect, Collector, Desk, Gathered, Inquiry, carry_out};
use async_trait::async_trait;
use evidence::{ArtifactKind, Permission, Request, ResourceKind, Sha256Digest, Target};
use serde_json::Value;

/// One kind of artifact: what it is, what it needs, how it is got.
pub(crate) struct Artifact {
    /// Its kind.
    kind: ArtifactKind,
    /// IAM actions; without any one of them the outcome is *denied*.
    actions: &'static [&'static str],
    /// Carries one request out.
    collect: Collect<Aws>,
}

/// The registry: everything that can be asked of AWS, most volatile first.
const ARTIFACTS: &[Artifact] = &[
    trigger_event::ARTIFACT,
    function_code::ARTIFACT,
    configuration::ARTIFACT,
    container_image::ARTIFACT,
    layer::ARTIFACT,
    deployment_source::ARTIFACT,
    versions::ARTIFACT,
    aliases::ARTIFACT,
    resource_policy::ARTIFACT,
    url_config::ARTIFACT,
    event_source_mappings::ARTIFACT,
    event_invoke_config::ARTIFACT,
    concurrency::ARTIFACT,
    code_signing_config::ARTIFACT,
    runtime_management::ARTIFACT,
    recursion_config::ARTIFACT,
    tags::ARTIFACT,
    log_group::ARTIFACT,
    invocation_sources::ARTIFACT,
    execution_role::ARTIFACT,
    responder_part::ARTIFACT,
];

/// What the trigger says about the target, for collectors that look at it.
#[derive(Clone, Debug, Default)]
pub struct TriggerFacts {
    /// The CloudTrail record, verbatim; none when a person asked.
    pub record: Option<Value>,
    /// `responseElements.codeSha256`: what AWS computed when the call was made.
    pub code_sha256: Option<Sha256Digest>,
}

impl TriggerFacts {
    /// Reads the facts from a record.
    pub fn of_record(record: &Value) -> Self {
        Self {
            code_sha256: record
                .pointer("/responseElements/codeSha256")
                .and_then(Value::as_str)
                .and_then(|text| Sha256Digest::from_base64(text).ok()),
            record: Some(record.clone()),
        }
    }
}

/// Collects one target of one account and Region.
pub struct Aws {
    clients: Clients,
    target: Target,
    trigger: TriggerFacts,
    /// How many published versions are preserved, newest first; those in use by an alias always.
    versions: usize,
}

impl Aws {
    /// A collector for `target`; `clients` are of its Region.
    pub fn new(clients: Clients, target: Target, trigger: TriggerFacts, versions: usize) -> Self {
        Self {
            clients,
            target,
            trigger,
            versions,
        }
    }

    /// The qualifier that a request is about; none is `$LATEST`.
    fn qualifier(inquiry: &Inquiry<'_>) -> Option<String> {
        inquiry.request().selector.clone()
    }

    /// What a call is about: the function, with the qualifier if there is one.
    fn about(&self, inquiry: &Inquiry<'_>) -> String {
        match &inquiry.request().selector {
            Some(qualifier) => format!("{}:{qualifier}", self.target.name),
            None => self.target.name.clone(),
        }
    }
}

#[async_trait]
impl Collector for Aws {
    fn plan(&self) -> Vec<Request> {
        use ArtifactKind as A;
        let mut plan = Vec::new();
        if self.trigger.record.is_some() {
            plan.push(Request::whole(A::TriggerEvent));
        }
        match self.target.kind {
            ResourceKind::Function => {
                plan.extend(
                    [
                        A::FunctionCode,
                        A::Configuration,
                        A::Versions,
                        A::Aliases,
                        A::ResourcePolicy,
                        A::UrlConfig,
                        A::EventSourceMappings,
                        A::EventInvokeConfig,
                        A::Concurrency,
                        A::CodeSigningConfig,
                        A::RuntimeManagement,
                        A::RecursionConfig,
                        A::Tags,
                    ]
                    .map(Request::whole),
                );
                plan.extend(
                    self.trigger
                        .record
                        .as_ref()
                        .and_then(deployment_source::named_in),
                );
                if let Some(qualifier) = &self.target.qualifier {
                    plan.extend(
                        [A::FunctionCode, A::Configuration, A::ResourcePolicy]
                            .map(|artifact| Request::one(artifact, qualifier)),
                    );
                }
            }
            ResourceKind::Role | ResourceKind::Policy => {
                plan.push(Request::whole(A::ExecutionRole));
            }
            ResourceKind::Layer if self.target.qualifier.is_some() => {
                plan.push(Request::one(A::Layer, self.target.arn()));
            }
            ResourceKind::LogGroup => plan.push(Request::whole(A::LogGroup)),
            _ => plan.push(Request::whole(A::ResponderPart)),
        }
        plan
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

/// Every permission that the AWS collectors need, by artifact.
pub fn permissions() -> Vec<Permission> {
    ARTIFACTS
        .iter()
        .flat_map(|artifact| crate::permissions(artifact.kind, artifact.actions))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What is planned for a target, without a trigger event.
    fn plan(arn: &str) -> Vec<String> {
        let clients = canned::clients("eu-west-1", &[]);
        let target = Target::from_arn(arn).unwrap();
        let aws = Aws::new(clients, target, TriggerFacts::default(), 3);
        aws.plan().iter().map(Request::to_string).collect()
    }

    #[test]
    fn the_registry_is_in_order_of_volatility_and_holds_each_kind_and_action_once() {
        let kinds: Vec<ArtifactKind> = ARTIFACTS.iter().map(|artifact| artifact.kind).collect();
        let mut sorted = kinds.clone();
        sorted.sort_unstable();
        sorted.dedup();
        assert_eq!(kinds, sorted);
        for artifact in ARTIFACTS {
            let mut actions = artifact.actions.to_vec();
            actions.sort_unstable();
            actions.dedup();
            assert_eq!(actions.len(), artifact.actions.len(), "{:?}", artifact.kind);
        }
    }

    #[test]
    fn every_planned_artifact_of_a_function_is_in_the_registry() {
        let planned = plan("arn:aws:lambda:eu-west-1:111122223333:function:billing:7");
        for request in &planned {
            let kind = request.split(' ').next().unwrap();
            let known = ARTIFACTS.iter().any(|known| known.kind.as_str() == kind);
            assert!(known, "{request}");
        }
        assert!(planned.contains(&"function-code 7".to_owned()));
    }

    #[test]
    fn what_is_no_function_is_read_by_what_fits_it() {
        let layer = "arn:aws:lambda:eu-west-1:111122223333:layer:deps";
        assert_eq!(plan(&format!("{layer}:3")), [format!("layer {layer}:3")]);
        for (arn, planned) in [
            ("arn:aws:iam::111122223333:role/x", "execution-role"),
            ("arn:aws:iam::111122223333:policy/x", "execution-role"),
            (
                "arn:aws:logs:eu-west-1:111122223333:log-group:x",
                "log-group",
            ),
            ("arn:aws:s3:::evidence", "responder-part"),
            (layer, "responder-part"),
        ] {
            assert_eq!(plan(arn), [planned], "{arn}");
        }
    }

    /// Everything that a function leads to: each request with its outcome.
    async fn outcomes(trigger: &Value, script: canned::Script) -> Vec<String> {
        let function = "arn:aws:lambda:eu-west-1:111122223333:function:billing";
        let target = Target::from_arn(function).unwrap();
        let now = || "2026-01-02T03:04:05Z".parse().unwrap();
        let why = evidence::Trigger::Person {
            request_id: "r-1".to_owned(),
            reason: "a test".to_owned(),
            occurred_at: now(),
        };
        let responder = evidence::Responder {
            program: "coldcase".to_owned(),
            version: "0".to_owned(),
            identity: "test".to_owned(),
            attempt: "1".to_owned(),
        };
        let mut case = evidence::OpenCase::open(why, target.clone(), responder, now());
        let vault = std::sync::Arc::new(vault::MemoryVault::default());
        let desk = Desk::new(vault, case.id().clone(), std::sync::Arc::new(now), u64::MAX);
        // Too soon for anything to be tried again.
        let soon = tokio::time::Instant::now() + std::time::Duration::from_secs(1);
        let desk = desk.until(soon);
        let clients = canned::clients("eu-west-1", script);
        let aws = Aws::new(clients, target, TriggerFacts::of_record(trigger), 3);
        crate::gather(&aws, &desk, &mut case, 4).await;
        let mut told: Vec<String> = case
            .acquisitions()
            .iter()
            .map(|found| format!("{}: {}", found.request, found.result.as_str()))
            .collect();
        told.sort();
        told
    }

    #[tokio::test]
    async fn a_deleted_function_leaves_its_event_and_an_answer_to_every_question() {
        let event = serde_json::json!({"eventName": "DeleteFunction20150331"});
        let gone: canned::Script = &[
            ("GET", 404, r#"{"__type":"ResourceNotFoundException"}"#),
            ("DescribeLogGroups", 200, r#"{"logGroups":[]}"#),
        ];
        let told = outcomes(&event, gone).await;
        let (event, rest): (Vec<_>, Vec<_>) = told
            .iter()
            .partition(|line| line.starts_with("trigger-event"));
        assert_eq!(event, ["trigger-event: acquired"]);
        assert_eq!(rest.len(), 14);
        assert!(
            rest.iter().all(|line| line.ends_with(": absent")),
            "{rest:?}"
        );
    }

    #[tokio::test]
    async fn what_is_found_is_followed_once() {
        let event = serde_json::json!({"requestParameters": {"s3Bucket": "b", "s3Key": "k"}});
        let script: canned::Script = &[
            ("GET /package", 200, "package of billing"),
            (
                "GET /versions",
                200,
                r#"{"Versions":[{"Version":"$LATEST"},{"Version":"1"},{"Version":"2"},{"Version":"3"},{"Version":"4"}]}"#,
            ),
            (
                "GET /aliases",
                200,
                r#"{"Aliases":[{"Name":"live","FunctionVersion":"1","RoutingConfig":{"AdditionalVersionWeights":{"4":0.1}}}]}"#,
            ),
            (
                "GET /policy",
                404,
                r#"{"__type":"ResourceNotFoundException"}"#,
            ),
            (
                "GET /event-source-mappings",
                200,
                r#"{"EventSourceMappings":[]}"#,
            ),
            (
                "GET /configuration",
                200,
                r#"{"FunctionName":"billing","Layers":[{"Arn":"arn:aws:lambda:eu-west-1:444455556666:layer:deps:3"}]}"#,
            ),
            (
                "GET find=LayerVersion",
                403,
                r#"{"__type":"AccessDeniedException"}"#,
            ),
            (
                "GET /2015-03-31/functions/ Qualifier",
                200,
                r#"{"Code":{"Location":"https://code.test/package"}}"#,
            ),
            (
                "GET /functions/ billing/",
                404,
                r#"{"__type":"ResourceNotFoundException"}"#,
            ),
            (
                "GET /functions/",
                200,
                r#"{"Code":{"Location":"https://code.test/package"}}"#,
            ),
            ("GET", 404, r#"{"__type":"ResourceNotFoundException"}"#),
            ("HEAD", 200, ""),
        ];
        insta::assert_snapshot!(outcomes(&event, script).await.join("\n"));
    }
}
