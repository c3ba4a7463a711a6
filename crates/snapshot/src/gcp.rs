//! Reads a snapshot out of the documents that coldcase's collectors make of what Google answers about a
//! function, and of the service of Cloud Run that runs one of the second generation.

use crate::mark::MarkKey;
use crate::model::{
    Alias, Behind, Binding, Code, FunctionUrl, LogGroup, Mapping, Place, Role, Settings, Snapshot,
    Variable, Version,
};
use crate::papers::{Found, MOST, Papers, as_text, missing, not_asked, replies, text, whole};
use crate::piece::Piece;
use crate::policy::{Condition, Effect, Policy, Principal, Statement};
use crate::reading::Reading;
use evidence::{ArtifactKind, Sha256Digest};
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};

const FUNCTION: &str = "GET cloudfunctions.googleapis.com/v2/projects/{project}/locations/{location}/functions/{function}";
const OF_FUNCTION: &str = "GET cloudfunctions.googleapis.com/v2/projects/{project}/locations/{location}/functions/{function}:getIamPolicy";
const SERVICE: &str =
    "GET run.googleapis.com/v2/projects/{project}/locations/{location}/services/{service}";
const OF_SERVICE: &str = "GET run.googleapis.com/v2/projects/{project}/locations/{location}/services/{service}:getIamPolicy";
const REVISIONS: &str = "GET run.googleapis.com/v2/projects/{project}/locations/{location}/services/{service}/revisions";
const BUILD: &str =
    "GET cloudbuild.googleapis.com/v1/projects/{project}/locations/{location}/builds/{build}";
const OF_ACCOUNT: &str =
    "POST iam.googleapis.com/v1/projects/{project}/serviceAccounts/{account}:getIamPolicy";
const OF_PROJECT: &str =
    "POST cloudresourcemanager.googleapis.com/v1/projects/{project}:getIamPolicy";

/// What a service's traffic is told under.
const LIVE: &str = "live";

/// Fields of how a function is built and runs that are read elsewhere, or that each deployment has others
/// of.
const NOT_SETTINGS: [&str; 15] = [
    "availableMemory",
    "build",
    "entryPoint",
    "environmentVariables",
    "gcfUri",
    "revision",
    "runtime",
    "secretEnvironmentVariables",
    "service",
    "serviceAccountEmail",
    "source",
    "sourceProvenance",
    "sourceToken",
    "timeoutSeconds",
    "uri",
];
/// Those that say how the network is reached.
const NETWORK: [&str; 4] = [
    "directVpcEgress",
    "directVpcNetworkInterface",
    "vpcConnector",
    "vpcConnectorEgressSettings",
];

/// A function has no layers and no versions but the revisions of its service.
pub(crate) fn read(pieces: &[Piece], key: &MarkKey) -> Snapshot {
    let papers = Papers(pieces);
    let target = papers.targets().find(|it| it.starts_with("gcp://"));
    let project = target.and_then(|it| it.strip_prefix("gcp://")?.split('/').next());
    Snapshot {
        function: target.map(str::to_owned),
        account: project.map(str::to_owned),
        settings: function(papers).map(|found| found.as_ref().map(settings)),
        environment: function(papers).map(|found| {
            let environment = found.as_ref().map(|found| environment(found, key));
            environment.unwrap_or_default()
        }),
        code: code(papers),
        versions: versions(papers),
        aliases: live(papers),
        policies: policies(papers),
        urls: function(papers).map(|found| found.as_ref().map(urls).unwrap_or_default()),
        mappings: mappings(papers),
        tags: function(papers).map(|found| {
            let labels = found
                .as_ref()
                .and_then(|(_, it)| it.get("labels")?.as_object());
            let labels = labels.into_iter().flatten().take(MOST);
            labels
                .map(|(name, value)| (name.clone(), as_text(value)))
                .collect()
        }),
        role: role(papers),
        log_group: audited(papers),
        behind: behind(papers),
        ..Snapshot::without_parts()
    }
}

/// The function's own description.
fn function(papers: Papers<'_>) -> Reading<Option<Found<'_>>> {
    papers.reply(whole(ArtifactKind::Configuration), FUNCTION)
}

/// The service that runs it.
fn service(papers: Papers<'_>) -> Reading<Option<Found<'_>>> {
    papers.reply(whole(ArtifactKind::RunningService), SERVICE)
}

fn settings((place, function): &Found<'_>) -> Settings {
    let of = |pointer| text(function, pointer);
    let parts = ["buildConfig", "serviceConfig"].into_iter();
    let fields = parts
        .filter_map(|part| function.get(part)?.as_object())
        .flatten();
    let (mut network, mut other) = (BTreeMap::new(), BTreeMap::new());
    for (name, value) in fields {
        let told = as_text(value);
        if NOT_SETTINGS.contains(&name.as_str()) || ["", "null", "{}", "[]"].contains(&&*told) {
            continue;
        }
        if NETWORK.contains(&name.as_str()) {
            network.insert(name.clone(), vec![told]);
        } else {
            other.insert(name.clone(), told);
        }
    }
    other.extend(of("/environment").map(|generation| ("environment".to_owned(), generation)));
    other.extend(of("/kmsKeyName").map(|key| ("kmsKeyName".to_owned(), key)));
    Settings {
        place: place.clone(),
        runtime: of("/buildConfig/runtime"),
        handler: of("/buildConfig/entryPoint"),
        memory_mb: of("/serviceConfig/availableMemory").and_then(|it| megabytes(&it)),
        timeout_s: function
            .pointer("/serviceConfig/timeoutSeconds")
            .and_then(Value::as_u64),
        role: of("/serviceConfig/serviceAccountEmail"),
        description: of("/description"),
        network,
        other,
        ..Settings::default()
    }
}

/// `256M`, `512Mi`, `1G`, `2Gi`: Google takes both and means what it says only roughly.
fn megabytes(text: &str) -> Option<u64> {
    let digits = text
        .find(|c: char| !c.is_ascii_digit())
        .unwrap_or(text.len());
    let (number, unit) = text.split_at(digits);
    let number: u64 = number.parse().ok()?;
    match unit {
        "M" | "Mi" => Some(number),
        "G" | "Gi" => number.checked_mul(1024),
        _ => None,
    }
}

/// The only place where values of a function's variables are touched. Secrets that are given to it by name
/// are among them.
fn environment((place, function): &Found<'_>, key: &MarkKey) -> BTreeMap<String, Variable> {
    let mut all = BTreeMap::new();
    for (part, told) in [("serviceConfig", ""), ("buildConfig", " (build)")] {
        let variables = function.pointer(&format!("/{part}/environmentVariables"));
        let variables = variables.and_then(Value::as_object).into_iter().flatten();
        for (name, value) in variables.take(MOST) {
            let mark = key.mark(name, &as_text(value));
            all.insert(
                format!("{name}{told}"),
                Variable {
                    mark,
                    binding: None,
                },
            );
        }
    }
    for (list, named, kind) in [
        ("secretEnvironmentVariables", "/key", "secret"),
        ("secretVolumes", "/mountPath", "secret volume"),
    ] {
        let pointer = format!("/serviceConfig/{list}");
        let secrets = function.pointer(&pointer).and_then(Value::as_array);
        for (index, secret) in secrets.into_iter().flatten().take(MOST).enumerate() {
            let Some(name) = text(secret, named) else {
                continue;
            };
            let pairs = ["projectId", "secret", "version"].into_iter();
            let pairs =
                pairs.filter_map(|field| Some((field, text(secret, &format!("/{field}"))?)));
            let pairs: Vec<String> = pairs.map(|(field, it)| format!("{field} {it}")).collect();
            let points_at = (!pairs.is_empty()).then(|| pairs.join(", "));
            let place = Place {
                exhibit: place.exhibit.clone(),
                pointer: format!("{}{pointer}/{index}", place.pointer),
            };
            let known = points_at.clone().unwrap_or_default();
            let variable = Variable {
                mark: key.mark(&name, &known),
                binding: Some(Binding {
                    place,
                    kind: kind.to_owned(),
                    points_at,
                }),
            };
            all.insert(name, variable);
        }
    }
    all
}

fn code(papers: Papers<'_>) -> Reading<Option<Code>> {
    let asked = whole(ArtifactKind::FunctionCode);
    let Some(piece) = papers.piece(asked) else {
        return not_asked(asked);
    };
    let Some(archive) = piece.archive() else {
        return missing(piece, None);
    };
    let source = "/buildConfig/sourceProvenance/resolvedStorageSource";
    let found = function(papers);
    let built = found
        .value()
        .and_then(Option::as_ref)
        .and_then(|(_, function)| {
            let of = |field| text(function, &format!("{source}/{field}"));
            Some(format!("gs://{}/{}", of("bucket")?, of("object")?))
        });
    let first = piece.documents.first();
    Reading::Known(Some(Code {
        place: Place {
            exhibit: first
                .map(|document| document.name.clone())
                .unwrap_or_default(),
            pointer: String::new(),
        },
        kept_sha256: Some(archive.sha256),
        origin: built,
        ..Code::default()
    }))
}

/// The digest in `IMAGE@sha256:DIGEST`.
fn digest(image: &str) -> Option<Sha256Digest> {
    image.rsplit_once("@sha256:")?.1.parse().ok()
}

/// The last part of a resource's name.
fn last(name: &str) -> &str {
    name.rsplit('/').next().unwrap_or(name)
}

fn versions(papers: Papers<'_>) -> Reading<BTreeMap<String, Version>> {
    let asked = whole(ArtifactKind::Versions);
    papers
        .list(asked, REVISIONS, "revisions", "nextPageToken")
        .map(|revisions| {
            let read = revisions.iter().filter_map(|(_, revision)| {
                let name = text(revision, "/name")?;
                let image = text(revision, "/containers/0/image");
                let version = Version {
                    sha256: image.as_deref().and_then(digest),
                    description: text(revision, "/createTime").map(|at| format!("made {at}")),
                    role: text(revision, "/serviceAccount"),
                    ..Version::default()
                };
                Some((last(&name).to_owned(), version))
            });
            read.collect()
        })
}

/// Which revision answers what share of the requests.
fn live(papers: Papers<'_>) -> Reading<BTreeMap<String, Alias>> {
    service(papers).map(|found| {
        let Some((place, service)) = found else {
            return BTreeMap::new();
        };
        let ready = text(service, "/latestReadyRevision");
        let list = service
            .get("trafficStatuses")
            .or_else(|| service.get("traffic"));
        let shares = list
            .and_then(Value::as_array)
            .into_iter()
            .flatten()
            .take(MOST);
        let mut shares: Vec<(u64, String)> = shares
            .filter_map(|share| {
                let named = text(share, "/revision").or_else(|| ready.clone())?;
                let percent = share.get("percent").and_then(Value::as_u64)?;
                Some((percent, last(&named).to_owned()))
            })
            .filter(|(percent, _)| *percent > 0)
            .collect();
        if shares.is_empty() {
            shares.extend(ready.iter().map(|ready| (100, last(ready).to_owned())));
        }
        shares.sort();
        let Some((_, version)) = shares.pop() else {
            return BTreeMap::new();
        };
        let others = shares.into_iter();
        let alias = Alias {
            place,
            version,
            weights: others
                .map(|(percent, it)| (it, format!("{percent}%")))
                .collect(),
            description: None,
        };
        BTreeMap::from([(LIVE.to_owned(), alias)])
    })
}

/// What Google calls a policy: members by role.
fn policy((place, found): &Found<'_>) -> Policy {
    let bindings = found.get("bindings").and_then(Value::as_array);
    let statements = bindings.into_iter().flatten().take(MOST).enumerate();
    Policy {
        statements: statements
            .filter_map(|(index, binding)| {
                let members = binding.get("members")?.as_array()?.iter().take(MOST);
                let principals = members.filter_map(Value::as_str).map(|name| Principal {
                    kind: "Google".to_owned(),
                    name: name.to_owned(),
                });
                let condition =
                    text(binding, "/condition/expression").map(|expression| Condition {
                        operator: "cel".to_owned(),
                        key: "expression".to_owned(),
                        values: [expression].into(),
                    });
                Some(Statement {
                    place: Place {
                        exhibit: place.exhibit.clone(),
                        pointer: format!("{}/bindings/{index}", place.pointer),
                    },
                    sid: None,
                    effect: Effect::Allow,
                    principals: principals.collect(),
                    not_principals: BTreeSet::new(),
                    actions: text(binding, "/role").into_iter().collect(),
                    not_actions: BTreeSet::new(),
                    resources: BTreeSet::new(),
                    not_resources: BTreeSet::new(),
                    conditions: condition.into_iter().collect(),
                })
            })
            .collect(),
    }
}

/// The function's own, and that of the service, which decides for the second generation.
fn policies(papers: Papers<'_>) -> BTreeMap<String, Reading<Policy>> {
    let asked = whole(ArtifactKind::ResourcePolicy);
    let Some(piece) = papers.piece(asked) else {
        return BTreeMap::new();
    };
    let of = |call| replies(piece, call).next();
    let mut all = BTreeMap::new();
    let own = match of(OF_FUNCTION) {
        Some(found) => Reading::Known(policy(&found)),
        None => missing(piece, Policy::default()),
    };
    all.insert(String::new(), own);
    if let Some(found) = of(OF_SERVICE) {
        all.insert("service".to_owned(), Reading::Known(policy(&found)));
    }
    all
}

fn urls((place, function): &Found<'_>) -> BTreeMap<String, FunctionUrl> {
    let mut urls = BTreeMap::new();
    for (key, pointer) in [("service", "/serviceConfig/uri"), ("function", "/url")] {
        let Some(url) = text(function, pointer) else {
            continue;
        };
        let place = Place {
            exhibit: place.exhibit.clone(),
            pointer: format!("{}{pointer}", place.pointer),
        };
        let url = FunctionUrl {
            place,
            url: Some(url),
            ..FunctionUrl::default()
        };
        urls.insert(key.to_owned(), url);
    }
    urls
}

fn mappings(papers: Papers<'_>) -> BTreeMap<String, Reading<BTreeMap<String, Mapping>>> {
    let mappings = function(papers).map(|found| {
        let trigger = found.and_then(|(place, it)| Some((place, it.get("eventTrigger")?)));
        let Some((mut place, trigger)) = trigger.filter(|(_, it)| it.is_object()) else {
            return BTreeMap::new();
        };
        place.pointer.push_str("/eventTrigger");
        let event = text(trigger, "/eventType").unwrap_or_else(|| "an event".to_owned());
        let others = [
            "serviceAccountEmail",
            "retryPolicy",
            "triggerRegion",
            "pubsubTopic",
        ];
        let others = others.into_iter();
        let mapping = Mapping {
            place,
            source: Some(event.clone()),
            filter: trigger.get("eventFilters").map(as_text),
            other: others
                .filter_map(|field| Some((field.to_owned(), text(trigger, &format!("/{field}"))?)))
                .collect(),
            ..Mapping::default()
        };
        BTreeMap::from([(event, mapping)])
    });
    BTreeMap::from([(String::new(), mappings)])
}

/// The service account: who may act as it, and what the project lets it do.
fn role(papers: Papers<'_>) -> Reading<Option<Role>> {
    let found = function(papers);
    let email = found.value().and_then(Option::as_ref);
    let Some(email) = email.and_then(|(_, it)| text(it, "/serviceConfig/serviceAccountEmail"))
    else {
        return found.map(|_| None);
    };
    let asked = (ArtifactKind::ExecutionRole, Some(email.as_str()));
    let Some(piece) = papers.piece(asked) else {
        return not_asked(asked);
    };
    let member = format!("serviceAccount:{email}");
    let project = replies(piece, OF_PROJECT).next();
    let place = project.as_ref().map(|(place, _)| place.clone());
    let granted: Reading<BTreeMap<String, Reading<Policy>>> = match &project {
        None => missing(piece, BTreeMap::new()),
        Some(found) => {
            let mut roles: BTreeMap<String, Reading<Policy>> = BTreeMap::new();
            for mut statement in policy(found).statements {
                if !statement.principals.iter().any(|it| it.name == member) {
                    continue;
                }
                // Who else has the role is not of this account.
                statement.principals.clear();
                let name = statement.actions.iter().next().cloned().unwrap_or_default();
                let statements = vec![statement];
                roles.insert(name, Reading::Known(Policy { statements }));
            }
            Reading::Known(roles)
        }
    };
    let trust = match replies(piece, OF_ACCOUNT).next() {
        Some(found) => Reading::Known(policy(&found)),
        None => missing(piece, Policy::default()),
    };
    Reading::Known(Some(Role {
        place: place.unwrap_or_default(),
        arn: email,
        trust,
        inline: Reading::Known(BTreeMap::new()),
        attached: granted,
        boundary: Reading::Known(None),
        boundary_policy: Reading::Known(None),
        tags: Reading::Known(BTreeMap::new()),
    }))
}

/// Which reads of data are written down.
fn audited(papers: Papers<'_>) -> Reading<Option<LogGroup>> {
    let found = papers.reply(whole(ArtifactKind::Observability), OF_PROJECT);
    found.map(|found| {
        let (place, policy) = found?;
        let configs = policy.get("auditConfigs").and_then(Value::as_array);
        let mut other = BTreeMap::new();
        for config in configs.into_iter().flatten().take(MOST) {
            let service = text(config, "/service").unwrap_or_default();
            let logs = config.get("auditLogConfigs").map(as_text);
            other.insert(service, logs.unwrap_or_default());
        }
        Some(LogGroup {
            place,
            name: "Data Access audit logs".to_owned(),
            other,
            ..LogGroup::default()
        })
    })
}

/// What the service runs, where that is not what Functions deployed; none if it is, or if that is not
/// known.
fn behind(papers: Papers<'_>) -> Option<Behind> {
    let (found, running) = (function(papers), service(papers));
    let (_, function) = found.value()?.as_ref()?;
    let (place, service) = running.value()?.as_ref()?;
    let place = |pointer: &str| Place {
        exhibit: place.exhibit.clone(),
        pointer: format!("{}{pointer}", place.pointer),
    };
    let known = text(function, "/serviceConfig/revision").map(|it| last(&it).to_owned());
    let runs = live(papers).value()?.get(LIVE)?.version.clone();
    if let Some(known) = known.filter(|known| *known != runs) {
        return Some(Behind {
            place: place("/latestReadyRevision"),
            what: "revision".to_owned(),
            deployed: known,
            runs,
        });
    }
    let build = text(function, "/buildConfig/build")?;
    let piece = papers.piece((ArtifactKind::DeploymentSource, Some(&build)))?;
    let (_, build) = replies(piece, BUILD).next()?;
    let built = text(build, "/results/images/0/digest")?;
    let image = text(service, "/template/containers/0/image")?;
    let runs = digest(&image)?.to_string();
    let deployed = built.strip_prefix("sha256:")?.to_owned();
    (deployed != runs).then(|| Behind {
        place: place("/template/containers/0/image"),
        what: "image".to_owned(),
        deployed,
        runs,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::canned::{Pieces, SECRET, google};
    use evidence::Severity;
    use proptest::prelude::*;
    use serde_json::json;

    fn severities(rule: &str, now: &Pieces, before: Option<&Pieces>) -> Vec<Severity> {
        let before = before.map(Pieces::snapshot);
        let found = crate::findings(&now.snapshot(), before.as_ref()).into_iter();
        found
            .filter(|finding| finding.rule == rule)
            .map(|finding| finding.severity)
            .collect()
    }

    #[test]
    fn a_function_is_read_without_its_values() {
        let snapshot = google().snapshot();
        insta::assert_json_snapshot!(snapshot);
        assert!(!format!("{snapshot:?}").contains(SECRET));
    }

    #[test]
    fn an_unchanged_function_differs_in_nothing_and_is_nothing_above_info() {
        let snapshot = google().snapshot();
        assert_eq!(crate::changes(&snapshot, &snapshot), []);
        let findings = crate::findings(&snapshot, Some(&snapshot));
        let worst = findings.iter().map(|finding| finding.severity).max();
        assert!(
            worst.is_none_or(|worst| worst == Severity::Info),
            "{findings:?}"
        );
    }

    #[test]
    fn what_was_changed_is_told() {
        let before = google();
        let mut after = google();
        after.reply(ArtifactKind::Configuration, None, FUNCTION, json!({
            "name": "projects/example-project/locations/europe-west1/functions/billing-api",
            "environment": "GEN_2",
            "buildConfig": {"runtime": "nodejs22", "entryPoint": "stolen"},
            "serviceConfig": {"serviceAccountEmail": "owner@example-project.iam.gserviceaccount.com",
                "environmentVariables": {"MODE": "other", "NODE_OPTIONS": "--require /tmp/x.js"},
                "revision": "billing-api-00002-abc",
                "vpcConnector": "projects/example-project/locations/europe-west1/connectors/c"},
        }));
        let changes = crate::changes(&before.snapshot(), &after.snapshot());
        let kinds: Vec<String> = changes
            .iter()
            .map(|change| format!("{:?}", change.kind))
            .collect();
        for kind in ["Handler", "Environment", "Network"] {
            assert!(kinds.iter().any(|it| it == kind), "{kind}: {kinds:?}");
        }
        assert!(!severities("preloading-variable", &after, Some(&before)).is_empty());
        assert!(!severities("role-widened", &after, Some(&before)).is_empty());
    }

    #[test]
    fn a_revision_that_functions_does_not_know_is_found() {
        let mut after = google();
        after.reply(ArtifactKind::RunningService, None, SERVICE, json!({
            "latestReadyRevision": "projects/example-project/locations/europe-west1/services/billing-api/revisions/billing-api-00003-evil",
            "trafficStatuses": [{"type": "TRAFFIC_TARGET_ALLOCATION_TYPE_LATEST", "percent": 100}],
        }));
        assert_eq!(
            severities("run-behind-functions", &after, Some(&google())),
            [Severity::High]
        );
        assert_eq!(
            severities("run-behind-functions", &after, Some(&after)),
            [Severity::Info]
        );
        assert!(severities("run-behind-functions", &google(), None).is_empty());
    }

    #[test]
    fn an_image_that_no_build_made_is_found() {
        let mut after = google();
        after.reply(ArtifactKind::RunningService, None, SERVICE, json!({
            "latestReadyRevision": "projects/p/locations/l/services/s/revisions/billing-api-00002-abc",
            "template": {"containers": [{"image": format!("europe-west1-docker.pkg.dev/x/y/z@sha256:{}", "e".repeat(64))}]},
        }));
        assert_eq!(
            severities("run-behind-functions", &after, None),
            [Severity::High]
        );
    }

    #[test]
    fn a_share_for_another_revision_is_found() {
        let mut after = google();
        after.reply(ArtifactKind::RunningService, None, SERVICE, json!({
            "trafficStatuses": [{"revision": "billing-api-00002-abc", "percent": 99}, {"revision": "billing-api-00001-old", "percent": 1}],
        }));
        assert!(severities("gradual-version", &after, Some(&google())).contains(&Severity::Medium));
        assert!(severities("alias-diverted", &after, Some(&google())).is_empty());
    }

    #[test]
    fn everybody_may_call_it_and_that_is_new_or_was_so() {
        let mut after = google();
        let public = json!({"bindings": [{"role": "roles/run.invoker", "members": ["allUsers"]}]});
        after.reply(ArtifactKind::ResourcePolicy, None, OF_SERVICE, public);
        let rule = "open-resource-policy";
        assert_eq!(severities(rule, &after, Some(&google())), [Severity::High]);
        assert_eq!(severities(rule, &after, Some(&after)), [Severity::Info]);
        let admin = json!({"bindings": [{"role": "roles/run.admin", "members": ["allAuthenticatedUsers"]}]});
        after.reply(ArtifactKind::ResourcePolicy, None, OF_SERVICE, admin);
        assert_eq!(
            severities(rule, &after, Some(&google())),
            [Severity::Critical]
        );
    }

    #[test]
    fn a_role_of_the_project_that_is_new_is_found() {
        let mut after = google();
        let email = "billing@example-project.iam.gserviceaccount.com";
        let policy = json!({"bindings": [{"role": "roles/owner", "members": [format!("serviceAccount:{email}")]}]});
        after.reply(ArtifactKind::ExecutionRole, Some(email), OF_PROJECT, policy);
        assert!(severities("role-widened", &after, Some(&google())).contains(&Severity::Critical));
    }

    #[test]
    fn sizes_are_read_in_either_way() {
        assert_eq!(
            ["256M", "512Mi", "1G", "2Gi"].map(megabytes),
            [256, 512, 1024, 2048].map(Some)
        );
        assert_eq!(
            ["", "M", "1T", "99999999999999999999G"].map(megabytes),
            [None; 4]
        );
    }

    fn anything() -> impl Strategy<Value = Value> {
        let leaf = prop_oneof![
            Just(Value::Null),
            any::<bool>().prop_map(Value::from),
            any::<i64>().prop_map(Value::from),
            ".{0,12}".prop_map(Value::from),
        ];
        let names = prop::sample::select(vec![
            "serviceConfig",
            "buildConfig",
            "environmentVariables",
            "revisions",
            "bindings",
            "members",
            "trafficStatuses",
            "percent",
            "containers",
            "image",
            "auditConfigs",
            "eventTrigger",
            "results",
        ]);
        leaf.prop_recursive(4, 40, 6, move |inner| {
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
                prop::collection::vec((names.clone(), inner), 0..5).prop_map(|fields| {
                    fields
                        .into_iter()
                        .map(|(name, value)| (name.to_owned(), value))
                        .collect::<serde_json::Map<_, _>>()
                        .into()
                }),
            ]
        })
    }

    proptest! {
        #[test]
        fn any_answers_make_a_snapshot(answers in prop::collection::vec(anything(), 6)) {
            let mut pieces = google();
            for (answer, (kind, call)) in answers.into_iter().zip([
                (ArtifactKind::Configuration, FUNCTION), (ArtifactKind::RunningService, SERVICE),
                (ArtifactKind::Versions, REVISIONS), (ArtifactKind::ResourcePolicy, OF_SERVICE),
                (ArtifactKind::Observability, OF_PROJECT), (ArtifactKind::ResourcePolicy, OF_FUNCTION),
            ]) {
                pieces.reply(kind, None, call, answer);
            }
            let (before, after) = (google().snapshot(), pieces.snapshot());
            crate::changes(&before, &after);
            crate::findings(&after, Some(&before));
        }
    }
}
