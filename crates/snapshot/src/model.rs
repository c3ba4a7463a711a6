//! The function as it is configured, in words of no provider.

use crate::mark::{Mark, MarkKey};
use crate::papers::Papers;
use crate::piece::Piece;
use crate::policy::Policy;
use crate::reading::{NO_PART, Reading};
use evidence::Sha256Digest;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// A function as it is configured. Names, digests and marks; no environment value is in it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Snapshot {
    /// The function's ARN without a qualifier, or the address that stands for one; none if no piece
    /// names it.
    pub function: Option<String>,
    /// Its account; none if no piece names it.
    pub account: Option<String>,
    /// Handler, runtime, role and the like of what is deployed; none if there is no such function.
    pub settings: Reading<Option<Settings>>,
    /// The environment: names with marks, and the bindings of a Worker. Lambda may tell the rest and not
    /// this.
    pub environment: Reading<BTreeMap<String, Variable>>,
    /// The deployed code; none if there is no such function.
    pub code: Reading<Option<Code>>,
    /// The layers in the order in which they are laid over each other.
    pub layers: Reading<Vec<Layer>>,
    /// Who may use a layer of the function's own account, by layer version.
    pub layer_policies: BTreeMap<String, Reading<Policy>>,
    /// Published versions, by number.
    pub versions: Reading<BTreeMap<String, Version>>,
    /// Aliases, by name.
    pub aliases: Reading<BTreeMap<String, Alias>>,
    /// Who may call, by qualifier; of the function itself under `""`.
    pub policies: BTreeMap<String, Reading<Policy>>,
    /// Addresses under which the function can be called, by qualifier.
    pub urls: Reading<BTreeMap<String, FunctionUrl>>,
    /// What is read and handed to the function, by qualifier and then by the mapping's id.
    pub mappings: BTreeMap<String, Reading<BTreeMap<String, Mapping>>>,
    /// What becomes of asynchronous calls, by qualifier.
    pub async_calls: Reading<BTreeMap<String, AsyncCalls>>,
    /// How much of it may run.
    pub concurrency: Reading<Concurrency>,
    /// Provisioned concurrency, by qualifier.
    pub provisioned: Reading<BTreeMap<String, u64>>,
    /// What code may be deployed; none if any may.
    pub signing: Reading<Option<Signing>>,
    /// How the runtime is kept up to date, and a runtime version it is tied to.
    pub runtime_management: Reading<Option<String>>,
    /// Whether loops are stopped: `Allow` or `Terminate`.
    pub recursion: Reading<Option<String>>,
    /// Tags.
    pub tags: Reading<BTreeMap<String, String>>,
    /// Rules, buckets and topics that the policy lets in, by ARN; none if such a one is not there.
    pub invokers: BTreeMap<String, Reading<Option<Invoker>>>,
    /// The role that the function runs as; none if there is no such role.
    pub role: Reading<Option<Role>>,
    /// Where the function's lines go, and how much is written down of what it does.
    pub log_group: Reading<Option<LogGroup>>,
    /// Of a Google function: what its service runs, where that is not what was deployed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub behind: Option<Behind>,
}

impl Snapshot {
    /// Reads the documents of a provider as coldcase's collectors keep them. What was refused becomes
    /// unknown; a document that says nothing that can be understood does so, too.
    pub fn read(pieces: &[Piece], key: &MarkKey) -> Self {
        match Papers(pieces).targets().next() {
            Some(target) if target.starts_with("cloudflare://") => {
                crate::cloudflare::read(pieces, key)
            }
            Some(target) if target.starts_with("gcp://") => crate::gcp::read(pieces, key),
            Some(target) if !target.starts_with("arn:") => Self {
                function: Some(target.to_owned()),
                ..Self::unread("coldcase cannot read how functions of this provider are configured")
            },
            // Where everything was refused, there is no document that names a target.
            Some(_) | None => crate::aws::read(pieces, key),
        }
    }

    /// A snapshot of which no part is known.
    fn unread(why: &str) -> Self {
        fn none<T>(why: &str) -> Reading<T> {
            Reading::unknown(why)
        }
        Self {
            function: None,
            account: None,
            settings: none(why),
            environment: none(why),
            code: none(why),
            layers: none(why),
            layer_policies: BTreeMap::new(),
            versions: none(why),
            aliases: none(why),
            policies: BTreeMap::new(),
            urls: none(why),
            mappings: BTreeMap::new(),
            async_calls: none(why),
            concurrency: none(why),
            provisioned: none(why),
            signing: none(why),
            runtime_management: none(why),
            recursion: none(why),
            tags: none(why),
            invokers: BTreeMap::new(),
            role: none(why),
            log_group: none(why),
            behind: None,
        }
    }

    /// A snapshot of something that has none of these parts.
    pub(crate) fn without_parts() -> Self {
        Self::unread(NO_PART)
    }

    /// Whether it is a Worker of Cloudflare's, which is named and looked at in other words.
    pub(crate) fn is_worker(&self) -> bool {
        let function = self.function.as_deref();
        function.is_some_and(|function| function.starts_with("cloudflare://"))
    }

    /// Whether it is a function of Google's.
    pub(crate) fn is_google(&self) -> bool {
        let function = self.function.as_deref();
        function.is_some_and(|function| function.starts_with("gcp://"))
    }

    /// The settings, if they were read and there are any.
    pub fn settings_now(&self) -> Option<&Settings> {
        self.settings.value()?.as_ref()
    }

    /// The role, if it was read and there is one.
    pub fn role_now(&self) -> Option<&Role> {
        self.role.value()?.as_ref()
    }
}

/// Where in the evidence something stands.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Place {
    /// The exhibit's name.
    pub exhibit: String,
    /// A JSON pointer into it.
    pub pointer: String,
}

/// Settings of what is deployed.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Settings {
    /// Where they stand.
    pub place: Place,
    /// The runtime; none of an image.
    pub runtime: Option<String>,
    /// The entry point: the handler, or the main module; none of an image.
    pub handler: Option<String>,
    /// `Zip` or `Image`.
    pub package_type: Option<String>,
    /// Instruction sets.
    pub architectures: Vec<String>,
    /// Memory in MB.
    pub memory_mb: Option<u64>,
    /// The longest run in seconds.
    pub timeout_s: Option<u64>,
    /// `/tmp` in MB.
    pub storage_mb: Option<u64>,
    /// The ARN of the role.
    pub role: Option<String>,
    /// The description.
    pub description: Option<String>,
    /// Subnets, security groups and the network itself.
    pub network: BTreeMap<String, Vec<String>>,
    /// File systems: where each is mounted, by its ARN.
    pub file_systems: BTreeMap<String, String>,
    /// `Active` or `PassThrough`.
    pub tracing: Option<String>,
    /// Where failed asynchronous calls go.
    pub dead_letter: Option<String>,
    /// Log group, format and levels.
    pub logging: BTreeMap<String, String>,
    /// The key of the environment.
    pub key: Option<String>,
    /// When snapshots are started from.
    pub snap_start: Option<String>,
    /// What an image runs: entry point, command, working directory.
    pub image: BTreeMap<String, String>,
    /// Whatever else the provider says and does not change by itself, as sorted JSON.
    pub other: BTreeMap<String, String>,
}

/// One environment variable.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Variable {
    /// Stands for its value, or for all that is known of a binding.
    pub mark: Mark,
    /// What it gives a Worker besides a value; none of what is a value only.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub binding: Option<Binding>,
}

/// What a Worker may use under a name: a bucket, a database, another Worker, a secret.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Binding {
    /// Where it is told of.
    pub place: Place,
    /// Its kind in the provider's words: `r2_bucket`.
    pub kind: String,
    /// What it points at, as `field value` pairs; none of what points at nothing, as secrets.
    pub points_at: Option<String>,
}

/// Deployed code.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Code {
    /// Where it is told of.
    pub place: Place,
    /// The digest that the provider announces; of an image that of its manifest.
    pub sha256: Option<Sha256Digest>,
    /// The digest of the bytes in the vault.
    pub kept_sha256: Option<Sha256Digest>,
    /// Its size as the provider tells it.
    pub size_bytes: Option<u64>,
    /// The image's repository, or the object that the code is run from.
    pub origin: Option<String>,
    /// The profile that signed it.
    pub signed_by: Option<String>,
}

impl Code {
    /// What tells this code from other code.
    pub const fn digest(&self) -> Option<&Sha256Digest> {
        match &self.sha256 {
            Some(digest) => Some(digest),
            None => self.kept_sha256.as_ref(),
        }
    }
}

/// One layer of a function.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Layer {
    /// Where it is named.
    pub place: Place,
    /// The ARN of the layer version.
    pub arn: String,
    /// The digest of its bytes, if those could be read.
    pub sha256: Option<Sha256Digest>,
    /// Its size as the function's settings tell it.
    pub size_bytes: Option<u64>,
}

/// A published version.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Version {
    /// The digest of its code.
    pub sha256: Option<Sha256Digest>,
    /// The description.
    pub description: Option<String>,
    /// The entry point.
    pub handler: Option<String>,
    /// The runtime.
    pub runtime: Option<String>,
    /// The role.
    pub role: Option<String>,
}

/// An alias.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Alias {
    /// Where it is told of.
    pub place: Place,
    /// The version that it names, or `$LATEST`; of several that share calls the one with the most.
    pub version: String,
    /// Other versions with the share of calls that they get, as written.
    pub weights: BTreeMap<String, String>,
    /// The description.
    pub description: Option<String>,
}

/// A function URL, or any address under which a Worker answers.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct FunctionUrl {
    /// Where it is told of.
    pub place: Place,
    /// The address.
    pub url: Option<String>,
    /// `NONE` or `AWS_IAM`; none where nothing tells.
    pub auth: Option<String>,
    /// `BUFFERED` or `RESPONSE_STREAM`.
    pub invoke_mode: Option<String>,
    /// Whom browsers let call: each setting as sorted text.
    pub cors: BTreeMap<String, String>,
}

/// An event source mapping.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Mapping {
    /// Where it is told of.
    pub place: Place,
    /// What is read.
    pub source: Option<String>,
    /// Whether it is meant to run.
    pub is_enabled: Option<bool>,
    /// Where what failed goes.
    pub on_failure: Option<String>,
    /// Which records are handed over.
    pub filter: Option<String>,
    /// The rest that says what it does, each as text.
    pub other: BTreeMap<String, String>,
}

/// What becomes of asynchronous calls.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct AsyncCalls {
    /// Where it is told of.
    pub place: Place,
    /// How often a failed call is repeated.
    pub retries: Option<u64>,
    /// How old a call may become, in seconds.
    pub max_age_s: Option<u64>,
    /// Where results go.
    pub on_success: Option<String>,
    /// Where failures go.
    pub on_failure: Option<String>,
}

/// How much of a function may run.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Concurrency {
    /// Where it is told of.
    pub place: Place,
    /// Reserved, and so the most that may run; 0 stops the function.
    pub reserved: Option<u64>,
}

/// Which code may be deployed.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Signing {
    /// Where it is told of.
    pub place: Place,
    /// The configuration's ARN.
    pub arn: String,
    /// `Enforce` or `Warn`; none if the configuration could not be read.
    pub policy: Option<String>,
    /// Whose signatures are taken; none if the configuration could not be read.
    pub publishers: Option<Vec<String>>,
}

/// What calls the function: a rule, a bucket, a topic.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Invoker {
    /// Where it is told of.
    pub place: Place,
    /// What it says of itself, as sorted `path: value` lines.
    pub facts: Vec<String>,
}

/// What a service runs that was changed behind the back of the function that it is of.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Behind {
    /// Where it is told of.
    pub place: Place,
    /// `revision`, or `image` where the revision is the same.
    pub what: String,
    /// The one that was deployed.
    pub deployed: String,
    /// The one that runs.
    pub runs: String,
}

/// An execution role.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Role {
    /// Where it is told of.
    pub place: Place,
    /// Its ARN, or the e-mail of the service account, as the function names it.
    pub arn: String,
    /// Who may become it.
    pub trust: Reading<Policy>,
    /// Policies of its own, by name.
    pub inline: Reading<BTreeMap<String, Reading<Policy>>>,
    /// Policies that are attached to it, by ARN.
    pub attached: Reading<BTreeMap<String, Reading<Policy>>>,
    /// The most that it may be allowed: the policy's ARN.
    pub boundary: Reading<Option<String>>,
    /// What the boundary says.
    pub boundary_policy: Reading<Option<Policy>>,
    /// Tags.
    pub tags: Reading<BTreeMap<String, String>>,
}

/// A log group, or the observability of a Worker.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct LogGroup {
    /// Where it is told of.
    pub place: Place,
    /// Its name.
    pub name: String,
    /// How long lines are kept; none for ever.
    pub retention_days: Option<u64>,
    /// Its key.
    pub key: Option<String>,
    /// Its class.
    pub class: Option<String>,
    /// Who else gets its lines: destinations by the name of the filter or receiver; none if that could
    /// not be read.
    pub subscriptions: Option<BTreeMap<String, String>>,
    /// How much is written down, each as text.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub other: BTreeMap<String, String>,
}
