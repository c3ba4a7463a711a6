//! What is different between two snapshots, in the sense of what it does: the order of statements,
//! the case of actions, times and counters make no difference.

mod compare;
mod markdown;
mod words;

pub use markdown::{changes_as_markdown, changes_as_markdown_for};

use crate::model::{
    Alias, AsyncCalls, Code, FunctionUrl, Invoker, Layer, LogGroup, Mapping, Role, Settings,
    Signing, Snapshot, Variable, Version,
};
use crate::policy::Policy;
use crate::reading::Reading;
use compare::{Comparison, Fact};
use evidence::{Provider, Severity};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};
use words::Words;

/// What part of a function a change is in. In the order in which changes are told.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ChangeKind {
    /// The function as a whole: made or deleted.
    Function,
    /// The code.
    Code,
    /// Layers and their order.
    Layer,
    /// The entry point.
    Handler,
    /// The runtime, the kind of package, the instruction set.
    Runtime,
    /// What an image runs.
    Image,
    /// Environment variables, by name.
    Environment,
    /// Which role it runs as.
    Role,
    /// Who may become the role.
    RoleTrust,
    /// What the role may do.
    RolePolicy,
    /// The most that the role may be allowed.
    RoleBoundary,
    /// The role's tags.
    RoleTag,
    /// Who may call.
    ResourcePolicy,
    /// Addresses that it can be called under.
    FunctionUrl,
    /// Streams and queues that feed it.
    Mapping,
    /// What becomes of asynchronous calls.
    AsyncCalls,
    /// Where failed calls go.
    DeadLetter,
    /// Rules, buckets, topics.
    Invoker,
    /// Aliases and how they share calls out.
    Alias,
    /// Published versions.
    Version,
    /// Whether code must be signed.
    CodeSigning,
    /// Networks.
    Network,
    /// File systems.
    FileSystem,
    /// The key of the environment.
    EncryptionKey,
    /// Tracing.
    Tracing,
    /// Where lines go, and which.
    Logging,
    /// How much of it may run.
    Concurrency,
    /// Memory, time, storage.
    Limits,
    /// How the runtime is kept up to date.
    RuntimeManagement,
    /// Whether loops are stopped.
    Recursion,
    /// Who may use its layers.
    LayerPolicy,
    /// The description, start from snapshots, whatever else there is.
    Setting,
    /// Tags.
    Tag,
}

impl ChangeKind {
    /// In words of what runs at this provider, as part of a sentence.
    pub const fn words_for(self, provider: Provider) -> &'static str {
        match (provider, self) {
            (Provider::Cloudflare, Self::Function) => "the Worker itself",
            (Provider::Cloudflare, Self::Handler) => "the main module",
            (Provider::Cloudflare, Self::Environment) => "bindings",
            (Provider::Cloudflare, Self::FunctionUrl) => "addresses",
            (Provider::Cloudflare, Self::Alias) => "which version answers",
            (Provider::Cloudflare, Self::Mapping) => "schedules",
            _ => self.words(),
        }
    }

    /// In words of AWS, as part of a sentence.
    pub const fn words(self) -> &'static str {
        match self {
            Self::Function => "the function itself",
            Self::Code => "code",
            Self::Layer => "layers",
            Self::Handler => "the handler",
            Self::Runtime => "the runtime",
            Self::Image => "the image's command",
            Self::Environment => "environment",
            Self::Role => "the role",
            Self::RoleTrust => "the role's trust",
            Self::RolePolicy => "the role's permissions",
            Self::RoleBoundary => "the role's boundary",
            Self::RoleTag => "the role's tags",
            Self::ResourcePolicy => "who may call",
            Self::FunctionUrl => "function URLs",
            Self::Mapping => "event sources",
            Self::AsyncCalls => "destinations",
            Self::DeadLetter => "the dead-letter target",
            Self::Invoker => "triggers",
            Self::Alias => "aliases",
            Self::Version => "versions",
            Self::CodeSigning => "code signing",
            Self::Network => "the network",
            Self::FileSystem => "file systems",
            Self::EncryptionKey => "the encryption key",
            Self::Tracing => "tracing",
            Self::Logging => "logging",
            Self::Concurrency => "concurrency",
            Self::Limits => "memory, time or storage",
            Self::RuntimeManagement => "runtime updates",
            Self::Recursion => "loop detection",
            Self::LayerPolicy => "who may use layers",
            Self::Setting => "other settings",
            Self::Tag => "tags",
        }
    }
}

/// One difference.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Change {
    /// In what part.
    pub kind: ChangeKind,
    /// Of what: `handler`, `environment variable PATH`. Escaped.
    pub subject: String,
    /// As it was; none if it was not there. Of environment variables a mark. Escaped, cut.
    pub before: Option<String>,
    /// As it is; none if it is not there any more. Escaped, cut.
    pub after: Option<String>,
    /// One line for people. Escaped.
    pub statement: String,
    /// How bad a change of this kind is by itself: a hint, findings judge.
    pub severity: Severity,
}

impl Change {
    /// Whether it is what coldcase itself does to a function after sealing: X-Ray turned on, or the
    /// observability of a Worker.
    pub fn is_tracing_on(&self) -> bool {
        let is_mode = self.kind == ChangeKind::Tracing
            && self.before.as_deref() == Some("PassThrough")
            && self.after.as_deref() == Some("Active");
        let is_more = self.kind == ChangeKind::Logging
            && words::TURNED_ON.contains(&self.subject.as_str())
            && matches!(self.after.as_deref(), Some("on" | "1"));
        is_mode || is_more
    }
}

/// A part that cannot be compared, or not as a whole, because it could not be read.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Gap {
    /// Which part.
    pub subject: String,
    /// Whether it is missing in what was; else in what is.
    pub is_before: bool,
    /// Why. Escaped, cut.
    pub why: String,
}

/// Everything that is different, the most telling part first. What could not be read before or after
/// is no difference: see [`gaps`].
pub fn changes(before: &Snapshot, after: &Snapshot) -> Vec<Change> {
    compared(before, after).changes()
}

/// What could not be compared, and why. With two equal snapshots: what is unknown of one. What was
/// never asked for before is no gap: a record of the known good holds less than a case.
pub fn gaps(before: &Snapshot, after: &Snapshot) -> Vec<Gap> {
    compared(before, after).gaps()
}

fn compared(before: &Snapshot, after: &Snapshot) -> Comparison {
    let mut all = Comparison::default();
    // Where everything was refused, only the other one tells what it is.
    let is_worker = before.is_worker() || after.is_worker();
    let words = match is_worker {
        true => &words::OF_A_WORKER,
        false => &words::OF_A_FUNCTION,
    };
    settings(&mut all, words, &before.settings, &after.settings);
    code(&mut all, &before.code, &after.code);
    layers(&mut all, &before.layers, &after.layers);
    environment(&mut all, is_worker, before, after);
    role(&mut all, before, after);
    access(&mut all, words, before, after);
    names(&mut all, words, before, after);
    all.options(
        ChangeKind::CodeSigning,
        "code signing",
        (&before.signing, &after.signing),
        |signing: &Signing| {
            vec![
                Fact::new("configuration", Some(signing.arn.clone()), Severity::Medium),
                Fact::new("policy", signing.policy.clone(), Severity::Medium),
                Fact::new(
                    "publishers",
                    signing.publishers.as_ref().map(|list| list.join(", ")),
                    Severity::Medium,
                ),
            ]
        },
        Severity::Medium,
    );
    all.options(
        ChangeKind::Logging,
        words.log_group,
        (&before.log_group, &after.log_group),
        |group: &LogGroup| {
            let days = group.retention_days.map(|days| format!("{days} days"));
            let mut facts = vec![
                Fact::new("name", Some(group.name.clone()), Severity::Low),
                Fact::new("retention", days, Severity::Low),
                Fact::new("key", group.key.clone(), Severity::Low),
                Fact::new("class", group.class.clone(), Severity::Low),
            ];
            facts.extend(group.other.iter().map(|(name, value)| {
                // More is written down than before.
                let severity = match value.as_str() {
                    "on" | "1" => Severity::Info,
                    _ => Severity::Low,
                };
                Fact::new(name, Some(value.clone()), severity)
            }));
            facts
        },
        Severity::Low,
    );
    subscriptions(&mut all, words, before, after);
    all.values(
        ChangeKind::Concurrency,
        "reserved concurrency",
        (&before.concurrency, &after.concurrency),
        |concurrency| concurrency.reserved.map(|most| most.to_string()),
        Severity::Low,
    );
    all.maps(
        ChangeKind::Concurrency,
        "provisioned concurrency of",
        (&before.provisioned, &after.provisioned),
        |most| vec![Fact::new("", Some(most.to_string()), Severity::Info)],
        Severity::Info,
    );
    all.values(
        ChangeKind::RuntimeManagement,
        "runtime updates",
        (&before.runtime_management, &after.runtime_management),
        Clone::clone,
        Severity::Low,
    );
    all.values(
        ChangeKind::Recursion,
        "loop detection",
        (&before.recursion, &after.recursion),
        Clone::clone,
        Severity::Low,
    );
    tags(
        &mut all,
        ChangeKind::Tag,
        "tag",
        (&before.tags, &after.tags),
    );
    all
}

/// Values, and what a Worker may use, which stands among them.
fn environment(all: &mut Comparison, is_worker: bool, before: &Snapshot, after: &Snapshot) {
    let of = |snapshot: &Snapshot, is_binding: bool| {
        snapshot.environment.clone().map(|mut all| {
            all.retain(|_, variable| variable.binding.is_some() == is_binding);
            all
        })
    };
    all.maps(
        ChangeKind::Environment,
        "environment variable",
        (&of(before, false), &of(after, false)),
        |variable: &Variable| {
            vec![Fact::new(
                "",
                Some(variable.mark.to_string()),
                Severity::Low,
            )]
        },
        Severity::Low,
    );
    if is_worker {
        all.maps(
            ChangeKind::Environment,
            "binding",
            (&of(before, true), &of(after, true)),
            |variable: &Variable| {
                let binding = variable.binding.iter();
                let told = binding.map(|binding| match &binding.points_at {
                    Some(points_at) => format!("{}, {points_at}", binding.kind),
                    None => binding.kind.clone(),
                });
                told.map(|told| Fact::new("", Some(told), Severity::Medium))
                    .collect()
            },
            Severity::Medium,
        );
    }
}

fn settings(
    all: &mut Comparison,
    words: &Words,
    before: &Reading<Option<Settings>>,
    after: &Reading<Option<Settings>>,
) {
    if let (Some(was), Some(is)) = (before.value(), after.value())
        && was.is_some() != is.is_some()
    {
        let there = |there: bool| there.then(|| "there".to_owned());
        all.value(
            ChangeKind::Function,
            words.function,
            there(was.is_some()),
            there(is.is_some()),
            Severity::Medium,
        );
        return;
    }
    all.note_gaps("settings", before, after);
    let (Some(Some(was)), Some(Some(is))) = (before.value(), after.value()) else {
        return;
    };
    use ChangeKind as Kind;
    use Severity::{Info, Low, Medium};
    type Get = fn(&Settings) -> Option<String>;
    let plain: [(Kind, &str, Get, Severity); 13] = [
        (Kind::Handler, "handler", |s| s.handler.clone(), Medium),
        (Kind::Runtime, "runtime", |s| s.runtime.clone(), Low),
        (
            Kind::Runtime,
            "package type",
            |s| s.package_type.clone(),
            Medium,
        ),
        (
            Kind::Runtime,
            "architecture",
            |s| Some(s.architectures.join(", ")),
            Low,
        ),
        (
            Kind::Limits,
            "memory in MB",
            |s| s.memory_mb.map(|n| n.to_string()),
            Info,
        ),
        (
            Kind::Limits,
            "timeout in seconds",
            |s| s.timeout_s.map(|n| n.to_string()),
            Info,
        ),
        (
            Kind::Limits,
            "storage in MB",
            |s| s.storage_mb.map(|n| n.to_string()),
            Info,
        ),
        (Kind::Role, "role", |s| s.role.clone(), Medium),
        (
            Kind::Setting,
            "description",
            |s| s.description.clone(),
            Info,
        ),
        (Kind::Tracing, "tracing", |s| s.tracing.clone(), Low),
        (
            Kind::DeadLetter,
            "dead-letter target",
            |s| s.dead_letter.clone(),
            Low,
        ),
        (
            Kind::EncryptionKey,
            "key of the environment",
            |s| s.key.clone(),
            Low,
        ),
        (
            Kind::Setting,
            "start from snapshots",
            |s| s.snap_start.clone(),
            Info,
        ),
    ];
    for (kind, subject, get, severity) in plain {
        let (was, is) = (get(was), get(is));
        // What a Worker's settings leave open is told by another reply, and that one may be missing.
        if words.is_open_unknown && (was.is_none() || is.is_none()) {
            continue;
        }
        let subject = match kind {
            Kind::Handler => words.handler,
            _ => subject,
        };
        // coldcase itself turns tracing on.
        let severity = match (kind, is.as_deref()) {
            (Kind::Tracing, Some("Active")) => Info,
            _ => severity,
        };
        all.value(kind, subject, was, is, severity);
    }
    let joined = |settings: &Settings| -> BTreeMap<String, String> {
        let network = settings.network.iter();
        network
            .map(|(what, ids)| (what.clone(), ids.join(", ")))
            .collect()
    };
    for (kind, what, was, is, severity) in [
        (Kind::Network, "", &joined(was), &joined(is), Medium),
        (
            Kind::FileSystem,
            "file system",
            &was.file_systems,
            &is.file_systems,
            Medium,
        ),
        (Kind::Logging, "logging:", &was.logging, &is.logging, Low),
        (Kind::Image, "image:", &was.image, &is.image, Medium),
        (Kind::Setting, "setting", &was.other, &is.other, Info),
    ] {
        let names: BTreeSet<&String> = was.keys().chain(is.keys()).collect();
        for name in names {
            let subject = format!("{what} {name}");
            let (was, is) = (was.get(name).cloned(), is.get(name).cloned());
            all.value(kind, subject.trim(), was, is, severity);
        }
    }
}

fn code(all: &mut Comparison, before: &Reading<Option<Code>>, after: &Reading<Option<Code>>) {
    all.note_gaps("code", before, after);
    let (Some(Some(was)), Some(Some(is))) = (before.value(), after.value()) else {
        return;
    };
    // Announced is compared with announced: Lambda may announce another digest than the bytes have.
    let (a, b) = match (&was.sha256, &is.sha256) {
        (Some(a), Some(b)) => (Some(a), Some(b)),
        _ => (was.digest(), is.digest()),
    };
    let told = |digest: Option<&evidence::Sha256Digest>, code: &Code| {
        digest.map(|digest| match code.size_bytes {
            Some(size) => format!("sha256 {digest}, {size} bytes"),
            None => format!("sha256 {digest}"),
        })
    };
    match (a, b) {
        (Some(a), Some(b)) if a != b => all.value(
            ChangeKind::Code,
            "code",
            told(Some(a), was),
            told(Some(b), is),
            Severity::Medium,
        ),
        (None, _) => all.gap("code", true, "no digest of the code is known"),
        (_, None) => all.gap("code", false, "no digest of the code is known"),
        _ => {}
    }
    // The repository or bucket, not the digest or version that changes with every deployment.
    let origin = |code: &Code| {
        let origin = code.origin.as_deref()?;
        Some(origin.split('@').next().unwrap_or(origin).to_owned())
    };
    for (subject, was, is) in [
        ("origin of the code", origin(was), origin(is)),
        (
            "signer of the code",
            was.signed_by.clone(),
            is.signed_by.clone(),
        ),
    ] {
        all.value(ChangeKind::Code, subject, was, is, Severity::Low);
    }
}

/// `…:layer:NAME:3` as `…:layer:NAME` and `3`.
fn layer_name(arn: &str) -> (&str, &str) {
    arn.rsplit_once(':').unwrap_or((arn, ""))
}

fn layers(all: &mut Comparison, before: &Reading<Vec<Layer>>, after: &Reading<Vec<Layer>>) {
    all.note_gaps("layers", before, after);
    let (Some(was), Some(is)) = (before.value(), after.value()) else {
        return;
    };
    let named = |layers: &[Layer], name: &str| {
        let mut of_name = layers
            .iter()
            .filter(|layer| layer_name(&layer.arn).0 == name);
        of_name.next().cloned()
    };
    for layer in is {
        let (name, _) = layer_name(&layer.arn);
        let subject = format!("layer {name}");
        let told = |layer: &Layer| match &layer.sha256 {
            Some(digest) => format!("version {}, sha256 {digest}", layer_name(&layer.arn).1),
            None => format!("version {}", layer_name(&layer.arn).1),
        };
        match named(was, name) {
            None => all.value(
                ChangeKind::Layer,
                &subject,
                None,
                Some(told(layer)),
                Severity::Medium,
            ),
            Some(old) => {
                for (layer, is_before) in [(&old, true), (layer, false)] {
                    if layer.sha256.is_none() {
                        all.gap(&format!("digest of {}", layer.arn), is_before, "not read");
                    }
                }
                let is_other = old.arn != layer.arn
                    || matches!((old.sha256, layer.sha256), (Some(a), Some(b)) if a != b);
                if is_other {
                    let (old, new) = (Some(told(&old)), Some(told(layer)));
                    all.value(ChangeKind::Layer, &subject, old, new, Severity::Low);
                }
            }
        }
    }
    for layer in was {
        let (name, version) = layer_name(&layer.arn);
        if named(is, name).is_none() {
            let old = Some(format!("version {version}"));
            all.value(
                ChangeKind::Layer,
                &format!("layer {name}"),
                old,
                None,
                Severity::Low,
            );
        }
    }
    let order = |layers: &[Layer], others: &[Layer]| -> Vec<String> {
        let names = layers.iter().map(|layer| layer_name(&layer.arn).0);
        names
            .filter(|name| named(others, name).is_some())
            .map(str::to_owned)
            .collect()
    };
    let (old, new) = (order(was, is), order(is, was));
    if old != new {
        let (old, new) = (Some(old.join(", ")), Some(new.join(", ")));
        all.value(
            ChangeKind::Layer,
            "order of the layers",
            old,
            new,
            Severity::Low,
        );
    }
}

fn role(all: &mut Comparison, before: &Snapshot, after: &Snapshot) {
    all.note_gaps("role", &before.role, &after.role);
    let (Some(was), Some(is)) = (before.role.value(), after.role.value()) else {
        return;
    };
    let (Some(was), Some(is)) = (was, is) else {
        if was.is_some() != is.is_some() {
            let arn = |role: &Option<Role>| role.as_ref().map(|role| role.arn.clone());
            let subject = "existence of the role";
            all.value(
                ChangeKind::Role,
                subject,
                arn(was),
                arn(is),
                Severity::Medium,
            );
        }
        return;
    };
    all.policies(
        ChangeKind::RoleTrust,
        "the role's trust",
        (&was.trust, &is.trust),
        Severity::High,
    );
    for (what, was, is) in [
        ("inline policy", &was.inline, &is.inline),
        ("attached policy", &was.attached, &is.attached),
    ] {
        named_policies(all, what, was, is);
    }
    all.values(
        ChangeKind::RoleBoundary,
        "the role's boundary",
        (&was.boundary, &is.boundary),
        Clone::clone,
        Severity::High,
    );
    if let (Some(Some(a)), Some(Some(b))) =
        (was.boundary_policy.value(), is.boundary_policy.value())
        && was.boundary == is.boundary
    {
        let (a, b) = (Reading::Known(a.clone()), Reading::Known(b.clone()));
        let subject = "the role's boundary";
        all.policies(
            ChangeKind::RoleBoundary,
            subject,
            (&a, &b),
            Severity::Medium,
        );
    }
    tags(
        all,
        ChangeKind::RoleTag,
        "tag of the role",
        (&was.tags, &is.tags),
    );
}

fn named_policies(
    all: &mut Comparison,
    what: &str,
    before: &Reading<BTreeMap<String, Reading<Policy>>>,
    after: &Reading<BTreeMap<String, Reading<Policy>>>,
) {
    all.note_gaps(&format!("{what} list of the role"), before, after);
    let (Some(was), Some(is)) = (before.value(), after.value()) else {
        return;
    };
    let names: BTreeSet<&String> = was.keys().chain(is.keys()).collect();
    for name in names {
        let subject = format!("{what} {name}");
        let said = |policy: &Reading<Policy>| {
            Some(match policy.value() {
                Some(policy) => {
                    let told = policy.statements.iter().map(|one| one.told(160));
                    told.collect::<Vec<_>>().join("; ")
                }
                None => "could not be read".to_owned(),
            })
        };
        let kind = ChangeKind::RolePolicy;
        match (was.get(name), is.get(name)) {
            (Some(a), Some(b)) => all.policies(kind, &subject, (a, b), Severity::Medium),
            (None, Some(b)) if before.is_whole() => {
                all.value(kind, &subject, None, said(b), Severity::Medium);
            }
            (Some(a), None) if after.is_whole() => {
                all.value(kind, &subject, said(a), None, Severity::Low);
            }
            _ => {}
        }
    }
}

/// Who and what calls.
fn access(all: &mut Comparison, words: &Words, before: &Snapshot, after: &Snapshot) {
    for (qualifier, was, is) in by_qualifier(before, after, |snapshot| &snapshot.policies) {
        let subject = format!("policy of {}", qualified(&qualifier));
        all.policies(
            ChangeKind::ResourcePolicy,
            &subject,
            (&was, &is),
            Severity::Medium,
        );
    }
    for (qualifier, was, is) in by_qualifier(before, after, |snapshot| &snapshot.mappings) {
        let what = match qualifier.as_str() {
            "" => words.mapping.to_owned(),
            other => format!("{} of {other}:", words.mapping),
        };
        all.maps(
            ChangeKind::Mapping,
            &what,
            (&was, &is),
            mapping,
            Severity::Medium,
        );
    }
    all.maps(
        ChangeKind::FunctionUrl,
        words.url,
        (&before.urls, &after.urls),
        |url: &FunctionUrl| {
            if words.is_open_unknown {
                // Its name says it all.
                return vec![Fact::new("", Some("on".to_owned()), Severity::Medium)];
            }
            let mut facts = vec![
                Fact::new("authentication", url.auth.clone(), Severity::Medium),
                Fact::new("address", url.url.clone(), Severity::Low),
                Fact::new("invoke mode", url.invoke_mode.clone(), Severity::Info),
            ];
            let cors = url.cors.iter();
            facts.extend(cors.map(|(name, value)| {
                Fact::new(&format!("CORS {name}"), Some(value.clone()), Severity::Low)
            }));
            facts
        },
        Severity::Medium,
    );
    all.maps(
        ChangeKind::AsyncCalls,
        "asynchronous calls of",
        (&before.async_calls, &after.async_calls),
        |calls: &AsyncCalls| {
            let number = |number: Option<u64>| number.map(|number| number.to_string());
            vec![
                Fact::new(
                    "destination on success",
                    calls.on_success.clone(),
                    Severity::Medium,
                ),
                Fact::new(
                    "destination on failure",
                    calls.on_failure.clone(),
                    Severity::Medium,
                ),
                Fact::new("retries", number(calls.retries), Severity::Info),
                Fact::new(
                    "greatest age in seconds",
                    number(calls.max_age_s),
                    Severity::Info,
                ),
            ]
        },
        Severity::Low,
    );
    let arns: BTreeSet<&String> = before
        .invokers
        .keys()
        .chain(after.invokers.keys())
        .collect();
    for arn in arns {
        // Which sources are asked about follows from the policies: one that is new there is told there.
        let (Some(was), Some(is)) = (before.invokers.get(arn), after.invokers.get(arn)) else {
            continue;
        };
        all.options(
            ChangeKind::Invoker,
            &format!("trigger {arn}"),
            (was, is),
            |invoker: &Invoker| vec![Fact::new("", Some(invoker.facts.join("; ")), Severity::Low)],
            Severity::Low,
        );
    }
    let arns = before.layer_policies.keys();
    for arn in arns.filter(|arn| after.layer_policies.contains_key(*arn)) {
        if let (Some(was), Some(is)) = (
            before.layer_policies.get(arn),
            after.layer_policies.get(arn),
        ) {
            let subject = format!("policy of layer {arn}");
            all.policies(ChangeKind::LayerPolicy, &subject, (was, is), Severity::Low);
        }
    }
}

fn mapping(mapping: &Mapping) -> Vec<Fact> {
    let enabled = mapping
        .is_enabled
        .map(|is| if is { "on" } else { "off" }.to_owned());
    let mut facts = vec![
        Fact::new("source", mapping.source.clone(), Severity::Medium),
        Fact::new("running", enabled, Severity::Low),
        Fact::new(
            "destination on failure",
            mapping.on_failure.clone(),
            Severity::Medium,
        ),
        Fact::new("filter", mapping.filter.clone(), Severity::Low),
    ];
    let other = mapping.other.iter();
    facts.extend(other.map(|(name, value)| Fact::new(name, Some(value.clone()), Severity::Info)));
    facts
}

/// Aliases and versions.
fn names(all: &mut Comparison, words: &Words, before: &Snapshot, after: &Snapshot) {
    all.maps(
        ChangeKind::Alias,
        words.alias,
        (&before.aliases, &after.aliases),
        |alias: &Alias| {
            let weights = alias.weights.iter();
            let weights: Vec<_> = weights.map(|(v, share)| format!("{v}: {share}")).collect();
            let weights = (!weights.is_empty()).then(|| weights.join(", "));
            vec![
                Fact::new("version", Some(alias.version.clone()), Severity::Low),
                Fact::new(words.shares, weights, Severity::Medium),
                Fact::new("description", alias.description.clone(), Severity::Info),
            ]
        },
        Severity::Low,
    );
    let (mut was, mut is) = (before.versions.clone(), after.versions.clone());
    if words.is_open_unknown {
        only_what_both_know(&mut was, &mut is);
    }
    all.maps(
        ChangeKind::Version,
        "version",
        (&was, &is),
        |version: &Version| {
            let digest = version.sha256.map(|digest| format!("sha256 {digest}"));
            vec![
                Fact::new("code", digest, Severity::High),
                Fact::new("handler", version.handler.clone(), Severity::High),
                Fact::new("runtime", version.runtime.clone(), Severity::Low),
                Fact::new("role", version.role.clone(), Severity::High),
                Fact::new("description", version.description.clone(), Severity::Info),
            ]
        },
        Severity::Info,
    );
}

/// Of a Worker's versions the list tells the names only; the code of a few is read besides.
fn only_what_both_know(
    before: &mut Reading<BTreeMap<String, Version>>,
    after: &mut Reading<BTreeMap<String, Version>>,
) {
    let (Some(before), Some(after)) = (before.value_mut(), after.value_mut()) else {
        return;
    };
    for (name, was) in before {
        let Some(is) = after.get_mut(name) else {
            continue;
        };
        if was.sha256.is_none() || is.sha256.is_none() {
            (was.sha256, is.sha256) = (None, None);
        }
        if was.handler.is_none() || is.handler.is_none() {
            (was.handler, is.handler) = (None, None);
        }
    }
}

fn subscriptions(all: &mut Comparison, words: &Words, before: &Snapshot, after: &Snapshot) {
    let of = |snapshot: &Snapshot| -> Reading<BTreeMap<String, String>> {
        match snapshot.log_group.value() {
            Some(Some(group)) => match &group.subscriptions {
                Some(filters) => Reading::Known(filters.clone()),
                None => Reading::unknown("who else gets the lines could not be read"),
            },
            Some(None) => Reading::Known(BTreeMap::new()),
            None => Reading::unknown(match snapshot.log_group.why() {
                Some(why) if snapshot.log_group.was_not_asked() => why,
                _ => words.unread_log_group,
            }),
        }
    };
    all.maps(
        ChangeKind::Logging,
        words.subscription,
        (&of(before), &of(after)),
        |destination| vec![Fact::new("", Some(destination.clone()), Severity::Medium)],
        Severity::Medium,
    );
}

type Texts = Reading<BTreeMap<String, String>>;

fn tags(all: &mut Comparison, kind: ChangeKind, what: &str, pair: (&Texts, &Texts)) {
    let value = |value: &String| vec![Fact::new("", Some(value.clone()), Severity::Info)];
    all.maps(kind, what, pair, value, Severity::Info);
}

/// What is kept by qualifier, before and after. One that is in one snapshot only was not there in the
/// other if that knows no such version or alias; else it was merely not asked about.
fn by_qualifier<T: Clone + Default>(
    before: &Snapshot,
    after: &Snapshot,
    of: impl Fn(&Snapshot) -> &BTreeMap<String, Reading<T>>,
) -> Vec<(String, Reading<T>, Reading<T>)> {
    let names: BTreeSet<&String> = of(before).keys().chain(of(after).keys()).collect();
    let mut pairs = Vec::new();
    for name in names {
        let read = |snapshot: &Snapshot| match of(snapshot).get(name) {
            Some(reading) => Some(reading.clone()),
            None if is_known_not_there(snapshot, name) => Some(Reading::Known(T::default())),
            None => None,
        };
        // Older versions are not asked about once there are newer ones: nothing to compare with.
        if let (Some(was), Some(is)) = (read(before), read(after)) {
            pairs.push((name.clone(), was, is));
        }
    }
    pairs
}

fn is_known_not_there(snapshot: &Snapshot, qualifier: &str) -> bool {
    let no_alias = snapshot.aliases.is_whole()
        && snapshot
            .aliases
            .value()
            .is_some_and(|aliases| !aliases.contains_key(qualifier));
    let no_version = snapshot.versions.is_whole()
        && snapshot
            .versions
            .value()
            .is_some_and(|versions| !versions.contains_key(qualifier));
    no_alias && no_version && !qualifier.is_empty()
}

fn qualified(qualifier: &str) -> String {
    match qualifier {
        "" => "the function".to_owned(),
        number if number.bytes().all(|b| b.is_ascii_digit()) => format!("version {number}"),
        alias => format!("alias {alias}"),
    }
}

#[cfg(test)]
mod tests;
