//! What is deployed: settings, environment, code, layers, versions, and what is laid down about them.

use crate::mark::MarkKey;
use crate::model::{Code, Layer, LogGroup, Place, Settings, Signing, Variable, Version};
use crate::papers::{Papers, as_text, entries, missing, not_asked, replies, text, whole};
use crate::policy::Policy;
use crate::reading::Reading;
use evidence::{ArtifactKind, Sha256Digest};
use serde_json::Value;
use std::collections::BTreeMap;

const CONFIGURATION: &str = "lambda:GetFunctionConfiguration";

/// Fields of a configuration that are read elsewhere, or that change when nobody changes anything.
const NOT_SETTINGS: [&str; 33] = [
    "Architectures",
    "CodeSha256",
    "CodeSize",
    "ConfigSha256",
    "DeadLetterConfig",
    "Description",
    "Environment",
    "EphemeralStorage",
    "FileSystemConfigs",
    "FunctionArn",
    "FunctionName",
    "Handler",
    "ImageConfigResponse",
    "KMSKeyArn",
    "LastModified",
    "LastUpdateStatus",
    "LastUpdateStatusReason",
    "LastUpdateStatusReasonCode",
    "Layers",
    "LoggingConfig",
    "MasterArn",
    "MemorySize",
    "PackageType",
    "RevisionId",
    "Role",
    "Runtime",
    "RuntimeVersionConfig",
    "SigningJobArn",
    "SigningProfileVersionArn",
    "SnapStart",
    "Timeout",
    "TracingConfig",
    "VpcConfig",
];

/// More of them.
const NOT_SETTINGS_EITHER: [&str; 6] = [
    "ResponseMetadata",
    "State",
    "StateReason",
    "StateReasonCode",
    "Version",
    "LastUpdateTime",
];

pub(super) fn settings(papers: &Papers<'_>, name: Option<&str>) -> Reading<Option<Settings>> {
    papers
        .reply(whole(ArtifactKind::Configuration), CONFIGURATION)
        .map(|found| found.map(|(place, reply)| of_reply(place, reply, name)))
}

fn of_reply(place: Place, reply: &Value, name: Option<&str>) -> Settings {
    let number = |pointer: &str| reply.pointer(pointer).and_then(Value::as_u64);
    let list = |pointer: &str| {
        let list = reply.pointer(pointer).and_then(Value::as_array);
        let texts = list.into_iter().flatten().filter_map(Value::as_str);
        let mut texts: Vec<String> = texts.map(str::to_owned).collect();
        texts.sort();
        texts
    };
    let map = |pointer: &str| -> BTreeMap<String, String> {
        let fields = reply.pointer(pointer).and_then(Value::as_object);
        let fields = fields.into_iter().flatten();
        fields
            .map(|(name, value)| (name.clone(), as_text(value)))
            .filter(|(_, value)| !value.is_empty() && value != "null")
            .collect()
    };
    let mut architectures = list("/Architectures");
    if architectures.is_empty() {
        architectures.push("x86_64".to_owned());
    }
    let network = [
        (
            "network",
            text(reply, "/VpcConfig/VpcId").into_iter().collect(),
        ),
        ("subnets", list("/VpcConfig/SubnetIds")),
        ("security groups", list("/VpcConfig/SecurityGroupIds")),
    ];
    let mut logging = map("/LoggingConfig");
    // Replies from before Lambda could do otherwise say nothing of it.
    let defaults = [
        ("LogFormat", Some("Text".to_owned())),
        ("LogGroup", name.map(|name| format!("/aws/lambda/{name}"))),
    ];
    for (field, default) in defaults {
        if let Some(default) = default {
            logging.entry(field.to_owned()).or_insert(default);
        }
    }
    let file_systems = reply
        .pointer("/FileSystemConfigs")
        .and_then(Value::as_array);
    let fields = reply.as_object().into_iter().flatten();
    Settings {
        place,
        runtime: text(reply, "/Runtime"),
        handler: text(reply, "/Handler"),
        package_type: text(reply, "/PackageType").or_else(|| Some("Zip".to_owned())),
        architectures,
        memory_mb: number("/MemorySize"),
        timeout_s: number("/Timeout"),
        storage_mb: number("/EphemeralStorage/Size").or(Some(512)),
        role: text(reply, "/Role"),
        description: text(reply, "/Description"),
        network: network
            .into_iter()
            .filter(|(_, ids): &(_, Vec<String>)| !ids.is_empty())
            .map(|(what, ids)| (what.to_owned(), ids))
            .collect(),
        file_systems: file_systems
            .into_iter()
            .flatten()
            .filter_map(|one| Some((text(one, "/Arn")?, text(one, "/LocalMountPath")?)))
            .collect(),
        tracing: text(reply, "/TracingConfig/Mode").or_else(|| Some("PassThrough".to_owned())),
        dead_letter: text(reply, "/DeadLetterConfig/TargetArn"),
        logging,
        key: text(reply, "/KMSKeyArn"),
        snap_start: text(reply, "/SnapStart/ApplyOn").filter(|on| on != "None"),
        image: map("/ImageConfigResponse/ImageConfig"),
        other: fields
            .filter(|(name, _)| {
                !NOT_SETTINGS.contains(&name.as_str())
                    && !NOT_SETTINGS_EITHER.contains(&name.as_str())
            })
            .map(|(name, value)| (name.clone(), as_text(value)))
            .filter(|(_, value)| !value.is_empty() && value != "null" && value != "{}")
            .collect(),
    }
}

/// The only place where environment values are touched.
pub(super) fn environment(
    papers: &Papers<'_>,
    key: &MarkKey,
) -> Reading<BTreeMap<String, Variable>> {
    let found = match papers.reply(whole(ArtifactKind::Configuration), CONFIGURATION) {
        Reading::Known(Some((_, reply))) => reply,
        Reading::Known(None) => return Reading::Known(BTreeMap::new()),
        Reading::Partly { why, .. } | Reading::Unknown { why } => return Reading::unknown(why),
    };
    if let Some(error) = found.pointer("/Environment/Error").filter(|e| !e.is_null()) {
        let code = text(error, "/ErrorCode").unwrap_or_default();
        return Reading::unknown(format!("Lambda could not read the environment: {code}"));
    }
    let variables = match found.get("Environment") {
        None | Some(Value::Null) => return Reading::Known(BTreeMap::new()),
        Some(Value::Object(environment)) => environment.get("Variables"),
        Some(_) => return Reading::unknown("the environment is withheld in the evidence"),
    };
    let variables = variables.and_then(Value::as_object).into_iter().flatten();
    Reading::Known(
        variables
            .map(|(name, value)| {
                let mark = key.mark(name, &as_text(value));
                (
                    name.clone(),
                    Variable {
                        mark,
                        binding: None,
                    },
                )
            })
            .collect(),
    )
}

pub(super) fn code(papers: &Papers<'_>) -> Reading<Option<Code>> {
    let asked = whole(ArtifactKind::FunctionCode);
    let kept = papers.piece(asked).and_then(|piece| piece.contents.first());
    let of = |place: Place, configuration: &Value, code: Option<&Value>| {
        let image = code.and_then(|code| text(code, "/ResolvedImageUri"));
        let origin = image.clone().or_else(|| {
            let code = code?;
            let bucket = text(code, "/ResolvedS3Object/S3Bucket")?;
            Some(format!(
                "s3://{bucket}/{}",
                text(code, "/ResolvedS3Object/S3Key")?
            ))
        });
        Code {
            place,
            sha256: image
                .as_deref()
                .and_then(|uri| digest(uri.rsplit_once("@sha256:")?.1))
                .or_else(|| digest(&text(configuration, "/CodeSha256")?)),
            kept_sha256: kept.map(|content| content.sha256),
            size_bytes: configuration.pointer("/CodeSize").and_then(Value::as_u64),
            origin,
            signed_by: text(configuration, "/SigningProfileVersionArn"),
        }
    };
    let told = papers.reply(asked, "lambda:GetFunction");
    if let Reading::Known(Some((place, reply))) = told {
        let configuration = reply.get("Configuration").unwrap_or(&Value::Null);
        return Reading::Known(Some(of(place, configuration, reply.get("Code"))));
    }
    // The settings tell the digest, too.
    let told_elsewhere = papers.reply(whole(ArtifactKind::Configuration), CONFIGURATION);
    match (told, told_elsewhere) {
        (Reading::Unknown { .. }, Reading::Known(Some((place, reply))))
            if reply.get("CodeSha256").is_some() =>
        {
            Reading::Known(Some(of(place, reply, None)))
        }
        (told, _) => told.map(|_| None),
    }
}

/// Base64 as in Lambda's replies, or hexadecimal digits.
fn digest(text: &str) -> Option<Sha256Digest> {
    let hexadecimal = text.parse().ok();
    hexadecimal.or_else(|| Sha256Digest::from_base64(text).ok())
}

pub(super) fn layers(papers: &Papers<'_>) -> Reading<Vec<Layer>> {
    let found = papers.reply(whole(ArtifactKind::Configuration), CONFIGURATION);
    found.map(|found| {
        let Some((place, reply)) = found else {
            return Vec::new();
        };
        let layers = reply.get("Layers").and_then(Value::as_array);
        let layers = layers.into_iter().flatten().enumerate();
        layers
            .filter_map(|(index, layer)| {
                let arn = text(layer, "/Arn").or_else(|| layer.as_str().map(str::to_owned))?;
                Some(Layer {
                    place: Place {
                        exhibit: place.exhibit.clone(),
                        pointer: format!("{}/Layers/{index}", place.pointer),
                    },
                    sha256: layer_digest(papers, &arn),
                    size_bytes: layer.pointer("/CodeSize").and_then(Value::as_u64),
                    arn,
                })
            })
            .collect()
    })
}

fn layer_digest(papers: &Papers<'_>, arn: &str) -> Option<Sha256Digest> {
    let piece = papers.piece((ArtifactKind::Layer, Some(arn)))?;
    let announced = replies(piece, "lambda:GetLayerVersion")
        .next()
        .and_then(|(_, reply)| digest(&text(reply, "/Content/CodeSha256")?));
    announced.or_else(|| piece.contents.first().map(|content| content.sha256))
}

pub(super) fn layer_policies(papers: &Papers<'_>) -> BTreeMap<String, Reading<Policy>> {
    let selectors = papers.selectors(ArtifactKind::Layer);
    let own = super::function(*papers);
    let own = own.as_deref().and_then(|arn| arn.split(':').nth(4));
    let layers = selectors.into_iter().flatten();
    layers
        .filter(|arn| arn.split(':').nth(4) == own)
        .map(|arn| {
            let asked = (ArtifactKind::Layer, Some(arn));
            let policy = match papers.reply(asked, "lambda:GetLayerVersionPolicy") {
                Reading::Known(Some((place, reply))) => read_policy(reply, &place),
                other => other.map(|_| Policy::default()),
            };
            (arn.to_owned(), policy)
        })
        .collect()
}

/// The policy of a reply, which has it as JSON in a text under `Policy`.
pub(super) fn read_policy(reply: &Value, place: &Place) -> Reading<Policy> {
    let place = Place {
        exhibit: place.exhibit.clone(),
        pointer: format!("{}/Policy", place.pointer),
    };
    let policy = reply.get("Policy").unwrap_or(&Value::Null);
    match Policy::read(policy, &place) {
        Some(policy) => Reading::Known(policy),
        None => Reading::unknown("the policy is not JSON"),
    }
}

pub(super) fn versions(papers: &Papers<'_>) -> Reading<BTreeMap<String, Version>> {
    let listed = papers.list(
        whole(ArtifactKind::Versions),
        "lambda:ListVersionsByFunction",
        "Versions",
        "NextMarker",
    );
    listed.map(|listed| {
        let listed = listed.into_iter();
        listed
            .filter_map(|(_, version)| {
                let number = text(version, "/Version").filter(|number| number != "$LATEST")?;
                let facts = Version {
                    sha256: text(version, "/CodeSha256").and_then(|text| digest(&text)),
                    description: text(version, "/Description"),
                    handler: text(version, "/Handler"),
                    runtime: text(version, "/Runtime"),
                    role: text(version, "/Role"),
                };
                Some((number, facts))
            })
            .collect()
    })
}

pub(super) fn signing(papers: &Papers<'_>) -> Reading<Option<Signing>> {
    let asked = whole(ArtifactKind::CodeSigningConfig);
    let in_force = papers.reply(asked, "lambda:GetFunctionCodeSigningConfig");
    let details = papers.reply(asked, "lambda:GetCodeSigningConfig");
    in_force.map(|found| {
        let (place, reply) = found?;
        let arn = text(reply, "/CodeSigningConfigArn")?;
        let details = details.value().and_then(Option::as_ref);
        let (place, details) = match details {
            Some((place, details)) => (place.clone(), Some(*details)),
            None => (place, None),
        };
        let publishers = details.map(|details| {
            let pointer = "/CodeSigningConfig/AllowedPublishers/SigningProfileVersionArns";
            let list = details.pointer(pointer).and_then(Value::as_array);
            let list = list.into_iter().flatten().filter_map(Value::as_str);
            let mut list: Vec<String> = list.map(str::to_owned).collect();
            list.sort();
            list
        });
        let pointer = "/CodeSigningConfig/CodeSigningPolicies/UntrustedArtifactOnDeployment";
        Some(Signing {
            place,
            arn,
            policy: details.and_then(|details| text(details, pointer)),
            publishers,
        })
    })
}

pub(super) fn runtime_management(papers: &Papers<'_>) -> Reading<Option<String>> {
    let asked = whole(ArtifactKind::RuntimeManagement);
    papers
        .reply(asked, "lambda:GetRuntimeManagementConfig")
        .map(|found| {
            let (_, reply) = found?;
            let mode = text(reply, "/UpdateRuntimeOn")?;
            // Otherwise AWS chooses the version, and nobody changed anything when it is another one.
            let version = text(reply, "/RuntimeVersionArn").filter(|_| mode == "Manual");
            Some(match version {
                Some(version) => format!("{mode} {version}"),
                None => mode,
            })
        })
}

pub(super) fn recursion(papers: &Papers<'_>) -> Reading<Option<String>> {
    papers
        .reply(
            whole(ArtifactKind::RecursionConfig),
            "lambda:GetFunctionRecursionConfig",
        )
        .map(|found| text(found?.1, "/RecursiveLoop"))
}

pub(super) fn tags(papers: &Papers<'_>) -> Reading<BTreeMap<String, String>> {
    papers
        .reply(whole(ArtifactKind::Tags), "lambda:ListTags")
        .map(|found| {
            let tags = found.and_then(|(_, reply)| reply.get("Tags")?.as_object());
            let tags = tags.into_iter().flatten();
            tags.map(|(name, value)| (name.clone(), as_text(value)))
                .collect()
        })
}

pub(super) fn log_group(papers: &Papers<'_>, name: Option<&str>) -> Reading<Option<LogGroup>> {
    let Some(name) = name else {
        return Reading::unknown("the settings name no log group that could be read");
    };
    let asked = (ArtifactKind::LogGroup, Some(name));
    let Some(piece) = papers.piece(asked) else {
        return not_asked(asked);
    };
    let groups = match papers.reply(asked, "logs:DescribeLogGroups") {
        Reading::Known(Some(found)) => found,
        Reading::Known(None) => return Reading::Known(None),
        Reading::Partly { why, .. } | Reading::Unknown { why } => return Reading::unknown(why),
    };
    let (place, reply) = groups;
    let listed = reply.get("logGroups").and_then(Value::as_array);
    let of_name = |group: &&Value| text(group, "/logGroupName").as_deref() == Some(name);
    let Some(group) = listed.into_iter().flatten().find(of_name) else {
        return missing(piece, None);
    };
    let filters = entries(piece)
        .find(|(_, entry)| {
            text(entry, "/call").as_deref() == Some("logs:DescribeSubscriptionFilters")
        })
        .map(|(_, entry)| {
            entry
                .pointer("/reply/subscriptionFilters")
                .and_then(Value::as_array)
        });
    let class = text(group, "/logGroupClass");
    let has_none = class.as_deref().is_some_and(|class| class != "STANDARD");
    let subscriptions = match filters {
        Some(filters) => Some(
            filters
                .into_iter()
                .flatten()
                .filter_map(|filter| {
                    let destination = text(filter, "/destinationArn")?;
                    Some((text(filter, "/filterName").unwrap_or_default(), destination))
                })
                .collect(),
        ),
        // Groups of other classes cannot have any.
        None => has_none.then(BTreeMap::new),
    };
    Reading::Known(Some(LogGroup {
        place,
        name: name.to_owned(),
        retention_days: group.pointer("/retentionInDays").and_then(Value::as_u64),
        key: text(group, "/kmsKeyId"),
        class,
        subscriptions,
        other: BTreeMap::new(),
    }))
}
