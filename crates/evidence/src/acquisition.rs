//! What was asked for, and what came of it.

use crate::digest::Sha256Digest;
use crate::target::Target;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use std::fmt;

/// A kind of thing to get. Declared in order of volatility: what an attacker can overwrite or what
/// expires soonest comes first, and a plan is carried out in this order (NIST SP 800-86, 5.2.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ArtifactKind {
    /// The record that woke the responder, verbatim.
    TriggerEvent,
    /// The deployed package of `$LATEST` or a version.
    FunctionCode,
    /// Settings and environment, raw.
    Configuration,
    /// Names and kinds of the secrets that the code may use, where they are no part of the settings.
    Secrets,
    /// An image function's manifest, config and layers by digest.
    ContainerImage,
    /// A layer's bytes, description and policy.
    Layer,
    /// The S3 object version or image that the event says the code came from.
    DeploymentSource,
    /// Published versions.
    Versions,
    /// The service that a function runs as, with its revisions: Cloud Run's behind a Google function.
    RunningService,
    /// Aliases with their routing.
    Aliases,
    /// What is deployed: versions with their share of the traffic, slots.
    Deployments,
    /// Who may call: policies per qualifier.
    ResourcePolicy,
    /// Function URLs.
    UrlConfig,
    /// Streams and queues that feed the function.
    EventSourceMappings,
    /// Retries and destinations of asynchronous calls.
    EventInvokeConfig,
    /// Reserved and provisioned concurrency.
    Concurrency,
    /// Code-signing configuration in force.
    CodeSigningConfig,
    /// Which runtime version is used.
    RuntimeManagement,
    /// Whether recursive loops are stopped.
    RecursionConfig,
    /// Tags.
    Tags,
    /// Retention, subscription filters and last event of the log group.
    LogGroup,
    /// What is logged and traced, where to, and who listens in now.
    Observability,
    /// Rules, buckets and topics that the resource policy lets in.
    InvocationSources,
    /// The execution role: trust, policies, boundary, tags, last use.
    ExecutionRole,
    /// The present state of a part of the responder or of the audit trail.
    ResponderPart,
    /// Which functions a layer, role or policy concerns; asked for before their cases are opened,
    /// and in a case only where the answer has gaps.
    FunctionsConcerned,
    /// X-Ray's traces of the window. X-Ray keeps them 30 days.
    Traces,
    /// The lines of one log group in the window, and the invocations read from them.
    ExecutionLogs,
    /// What the code wrote into a store of data points in the window.
    Datapoints,
    /// What was seen of invocations while the responder listened.
    LiveTail,
    /// What was done in the window to the function, its role, layers, versions and triggers.
    AuditEvents,
    /// What the function's role sessions did before the window: what is ordinary for them.
    RoleBaseline,
    /// What the function's role sessions did in the window.
    RoleActivity,
    /// Whether the trail's own files are as CloudTrail wrote them.
    TrailIntegrity,
    /// What examining the rest of the case brought: contents, components, differences, the timeline.
    Examination,
}

impl ArtifactKind {
    /// As in JSON and in exhibit names.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::TriggerEvent => "trigger-event",
            Self::FunctionCode => "function-code",
            Self::Configuration => "configuration",
            Self::Secrets => "secrets",
            Self::ContainerImage => "container-image",
            Self::Layer => "layer",
            Self::DeploymentSource => "deployment-source",
            Self::Versions => "versions",
            Self::RunningService => "running-service",
            Self::Aliases => "aliases",
            Self::Deployments => "deployments",
            Self::ResourcePolicy => "resource-policy",
            Self::UrlConfig => "url-config",
            Self::EventSourceMappings => "event-source-mappings",
            Self::EventInvokeConfig => "event-invoke-config",
            Self::Concurrency => "concurrency",
            Self::CodeSigningConfig => "code-signing-config",
            Self::RuntimeManagement => "runtime-management",
            Self::RecursionConfig => "recursion-config",
            Self::Tags => "tags",
            Self::LogGroup => "log-group",
            Self::Observability => "observability",
            Self::InvocationSources => "invocation-sources",
            Self::ExecutionRole => "execution-role",
            Self::ResponderPart => "responder-part",
            Self::FunctionsConcerned => "functions-concerned",
            Self::Traces => "traces",
            Self::ExecutionLogs => "execution-logs",
            Self::Datapoints => "datapoints",
            Self::LiveTail => "live-tail",
            Self::AuditEvents => "audit-events",
            Self::RoleBaseline => "role-baseline",
            Self::RoleActivity => "role-activity",
            Self::TrailIntegrity => "trail-integrity",
            Self::Examination => "examination",
        }
    }
}

/// One artifact wanted of one target.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Request {
    /// What kind.
    pub artifact: ArtifactKind,
    /// Which one, where a target has several: a version, a layer ARN, an object.
    pub selector: Option<String>,
}

impl Request {
    /// The only one of its kind.
    pub const fn whole(artifact: ArtifactKind) -> Self {
        Self {
            artifact,
            selector: None,
        }
    }

    /// One of several.
    pub fn one(artifact: ArtifactKind, selector: impl Into<String>) -> Self {
        Self {
            artifact,
            selector: Some(selector.into()),
        }
    }
}

impl fmt::Display for Request {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.artifact.as_str())?;
        match &self.selector {
            Some(selector) => write!(f, " {selector}"),
            None => Ok(()),
        }
    }
}

/// What came of a request. Told, never left out.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "outcome", rename_all = "kebab-case")]
pub enum Outcome {
    /// All of it is in the vault.
    Acquired,
    /// Some of it is; `why` names what is missing.
    Partial {
        /// What is missing and why.
        why: String,
    },
    /// The provider says there is none.
    Absent {
        /// The provider's word for it.
        why: String,
    },
    /// The responder may not read it.
    Denied {
        /// Which permission is missing or who refused.
        why: String,
    },
    /// Anything else; the case is sealed all the same.
    Failed {
        /// What happened, without secrets.
        why: String,
    },
}

impl Outcome {
    /// One word.
    pub const fn as_str(&self) -> &'static str {
        match self {
            Self::Acquired => "acquired",
            Self::Partial { .. } => "partial",
            Self::Absent { .. } => "absent",
            Self::Denied { .. } => "denied",
            Self::Failed { .. } => "failed",
        }
    }

    /// The reason, for all but *acquired*.
    pub fn why(&self) -> Option<&str> {
        match self {
            Self::Acquired => None,
            Self::Partial { why }
            | Self::Absent { why }
            | Self::Denied { why }
            | Self::Failed { why } => Some(why),
        }
    }
}

/// One call to the provider.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Call {
    /// The IAM action, e.g. `lambda:GetPolicy`; of a provider without such, method and path of the
    /// operation, `GET /accounts/{account_id}/…`; a download is `https:GET`.
    pub api: String,
    /// What it was asked about: a name, an ARN, a qualifier; never a signed URL.
    pub about: String,
    /// When it began.
    pub started_at: Timestamp,
    /// How long it took, in milliseconds.
    pub duration_ms: u64,
    /// The provider's error code, where it failed.
    pub error: Option<String>,
    /// How many requests it took, where that was not one: a list is read page by page.
    #[serde(default = "once", skip_serializing_if = "is_once")]
    pub requests: u64,
}

const fn once() -> u64 {
    1
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde calls it so")]
const fn is_once(requests: &u64) -> bool {
    *requests == 1
}

/// Bytes in the vault.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Exhibit {
    /// Unique in its case, readable, safe as a file name.
    pub name: String,
    /// Where in the vault.
    pub key: String,
    /// Of the whole content.
    pub sha256: Sha256Digest,
    /// Of the whole content.
    pub size_bytes: u64,
    /// E.g. `application/zip`.
    pub media_type: String,
    /// The call that it came from; no URL with a signature.
    pub source: String,
    /// When its last byte was in the vault.
    pub acquired_at: Timestamp,
}

/// What came of one request: its outcome, the calls made, the exhibits gained.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Acquisition {
    /// What was asked for.
    pub request: Request,
    /// Of what.
    pub target: Target,
    /// What came of it.
    pub result: Outcome,
    /// How, in order.
    pub calls: Vec<Call>,
    /// What is in the vault now.
    pub exhibits: Vec<Exhibit>,
}

/// What a collector must be allowed, and why: an IAM action of AWS, an IAM permission of Google Cloud,
/// an action of Azure's Resource Manager, a permission of a Cloudflare token.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Permission {
    /// E.g. `lambda:GetFunction`.
    pub action: &'static str,
    /// The artifact that ends *denied* or *partial* without it.
    pub artifact: ArtifactKind,
}
