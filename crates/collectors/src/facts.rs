//! What the sealed case says of the function that an investigation has to know: where it logs, as
//! whom it acts, what it is made of. No environment, no secret.

use evidence::{ArtifactKind, Manifest, Provider, Target};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};

/// What a sealed case says of its function.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Facts {
    /// The log groups that the function or one of its versions writes to, and Lambda's default.
    pub log_groups: BTreeMap<String, LogGroup>,
    /// What the function's logging leaves out: `application lines below WARN`.
    pub log_filters: BTreeSet<String>,
    /// ARNs of the roles that it or one of its versions runs as; of Google e-mails of service accounts.
    pub roles: BTreeSet<String>,
    /// ARNs of those roles' managed policies.
    pub policies: BTreeSet<String>,
    /// ARNs of its layers, with version.
    pub layers: BTreeSet<String>,
    /// UUIDs of its event source mappings.
    pub mappings: BTreeSet<String>,
    /// Of a Worker: whether Cloudflare stores what it does; none if that is not known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub is_stored: Option<bool>,
    /// Of a Google function: the service of Cloud Run that runs it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub service: Option<String>,
    /// Of a Google project: whether its audit logs have reads of data as well; none if that is not known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reads_are_recorded: Option<bool>,
}

/// What is known of a log group.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct LogGroup {
    /// `STANDARD`, `INFREQUENT_ACCESS` or `DELIVERY`; none if unknown.
    pub class: Option<String>,
    /// After how many days lines expire; none if never or unknown.
    pub retention_days: Option<i64>,
    /// When it was made, in milliseconds since 1970; none if unknown. A later time than this means
    /// that it was deleted and made again.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub created_ms: Option<i64>,
}

impl Facts {
    /// What a manifest says without its exhibits.
    pub fn of(manifest: &Manifest) -> Self {
        let mut facts = Self::default();
        match manifest.target.provider {
            Provider::Aws => {
                facts
                    .log_groups
                    .insert(default_log_group(&manifest.target), LogGroup::default());
            }
            Provider::Gcp => {}
            Provider::Azure | Provider::Cloudflare => return facts,
        }
        for acquisition in &manifest.acquisitions {
            let request = &acquisition.request;
            match (request.artifact, &request.selector) {
                (ArtifactKind::Layer, Some(arn)) => {
                    facts.layers.insert(arn.clone());
                }
                (ArtifactKind::LogGroup, Some(name)) => {
                    facts.log_groups.entry(name.clone()).or_default();
                }
                (ArtifactKind::ExecutionRole, Some(arn)) => {
                    facts.roles.insert(arn.clone());
                    let policies = acquisition.calls.iter();
                    let policies = policies.filter(|call| call.api == "iam:GetPolicy");
                    let arns = policies.map(|call| call.about.clone());
                    facts
                        .policies
                        .extend(arns.filter(|arn| arn.starts_with("arn:")));
                }
                _ => {}
            }
        }
        facts
    }

    /// Whether an artifact's exhibit has more to say.
    pub const fn reads(artifact: ArtifactKind) -> bool {
        matches!(
            artifact,
            ArtifactKind::Configuration
                | ArtifactKind::Versions
                | ArtifactKind::EventSourceMappings
                | ArtifactKind::LogGroup
                | ArtifactKind::Observability
        )
    }

    /// Learns from an exhibit of such an artifact: the document of the replies that its calls gave.
    pub fn learn(&mut self, artifact: ArtifactKind, document: &Value) {
        let replies = document.get("replies").and_then(Value::as_array);
        let replies = replies.into_iter().flatten();
        for reply in replies.filter_map(|reply| reply.get("reply")) {
            match artifact {
                ArtifactKind::Configuration => self.configuration(reply),
                ArtifactKind::Versions => {
                    for version in list(reply, "Versions") {
                        self.configuration(version);
                    }
                }
                ArtifactKind::EventSourceMappings => {
                    let mappings = list(reply, "EventSourceMappings");
                    let uuids = mappings.filter_map(|mapping| text(mapping, "/UUID"));
                    self.mappings.extend(uuids.map(str::to_owned));
                }
                ArtifactKind::Observability => {
                    let stored = reply.pointer("/result/observability/enabled");
                    self.is_stored = self.is_stored.or(stored.and_then(Value::as_bool));
                    // A policy of Google's says so by leaving it out.
                    if reply.get("etag").is_some() || reply.get("auditConfigs").is_some() {
                        self.reads_are_recorded = Some(records_reads(reply));
                    }
                }
                ArtifactKind::LogGroup => {
                    for group in list(reply, "logGroups") {
                        self.log_group(group);
                    }
                }
                _ => {}
            }
        }
    }

    fn configuration(&mut self, configuration: &Value) {
        if let Some(email) = text(configuration, "/serviceConfig/serviceAccountEmail") {
            self.roles.insert(email.to_owned());
        }
        if let Some(service) = text(configuration, "/serviceConfig/service") {
            self.service = service.rsplit('/').next().map(str::to_owned);
        }
        if let Some(role) = text(configuration, "/Role") {
            self.roles.insert(role.to_owned());
        }
        if let Some(group) = text(configuration, "/LoggingConfig/LogGroup") {
            self.log_groups.entry(group.to_owned()).or_default();
        }
        for layer in list(configuration, "Layers") {
            let arn = text(layer, "/Arn").map(str::to_owned);
            self.layers.extend(arn);
        }
        for (pointer, whose) in [
            ("/LoggingConfig/ApplicationLogLevel", "application"),
            ("/LoggingConfig/SystemLogLevel", "platform"),
        ] {
            // INFO lets everything through that Lambda and most programs write.
            let level = text(configuration, pointer);
            if let Some(level @ ("WARN" | "ERROR" | "FATAL")) = level {
                self.log_filters
                    .insert(format!("{whose} lines below {level}"));
            }
        }
    }

    fn log_group(&mut self, group: &Value) {
        let Some(name) = text(group, "/logGroupName") else {
            return;
        };
        let known = self.log_groups.entry(name.to_owned()).or_default();
        known.class = text(group, "/logGroupClass").map(str::to_owned);
        known.retention_days = group.get("retentionInDays").and_then(Value::as_i64);
        known.created_ms = group.get("creationTime").and_then(Value::as_i64);
    }
}

/// Whether a project's policy has Data Access audit logs of reads, of all services and for everybody.
fn records_reads(policy: &Value) -> bool {
    list(policy, "auditConfigs")
        .filter(|config| text(config, "/service") == Some("allServices"))
        .flat_map(|config| list(config, "auditLogConfigs"))
        .any(|log| {
            let is_exempted = list(log, "exemptedMembers").next().is_some();
            text(log, "/logType") == Some("DATA_READ") && !is_exempted
        })
}

/// Where Lambda logs if nobody says otherwise.
fn default_log_group(function: &Target) -> String {
    format!("/aws/lambda/{}", function.name)
}

fn text<'a>(value: &'a Value, pointer: &str) -> Option<&'a str> {
    value.pointer(pointer)?.as_str()
}

fn list<'a>(value: &'a Value, field: &str) -> impl Iterator<Item = &'a Value> {
    let items = value.get(field).and_then(Value::as_array);
    items.into_iter().flatten()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn versions_lead_to_roles_log_groups_layers_and_filters_of_their_own() {
        let mut facts = Facts::default();
        let document = json!({"replies": [{"call": "lambda:ListVersionsByFunction", "reply": {"Versions": [
            {"Version": "$LATEST", "Role": "arn:aws:iam::111122223333:role/new",
             "LoggingConfig": {"LogFormat": "JSON", "LogGroup": "/own", "SystemLogLevel": "WARN", "ApplicationLogLevel": "INFO"}},
            {"Version": "1", "Role": "arn:aws:iam::111122223333:role/old", "LoggingConfig": {"LogGroup": "/aws/lambda/f"},
             "Layers": [{"Arn": "arn:aws:lambda:eu-west-1:111122223333:layer:l:1"}]}]}}, {"note": "n", "value": 1}]});
        facts.learn(ArtifactKind::Versions, &document);
        let mappings =
            json!({"replies": [{"reply": {"EventSourceMappings": [{"UUID": "u-1"}, {}]}}]});
        facts.learn(ArtifactKind::EventSourceMappings, &mappings);
        let groups = json!({"replies": [{"reply": {"logGroups": [{"logGroupName": "/own", "retentionInDays": 3, "logGroupClass": "INFREQUENT_ACCESS"}]}}]});
        facts.learn(ArtifactKind::LogGroup, &groups);
        insta::assert_json_snapshot!(facts);
    }

    /// A Worker's observability, by the reply that tells of it; the one about tails tells nothing.
    #[test]
    fn whether_a_worker_s_doings_are_stored_is_known_only_where_it_is_told() {
        let told = |observability: Value| {
            let mut facts = Facts::default();
            let document = json!({"artifact": "observability", "replies": [
                {"call": "GET tails", "reply": {"success": true, "result": []}},
                {"call": "GET script-settings", "reply": {"success": true, "result": observability}},
                {"note": "n", "value": {"result": {"observability": {"enabled": true}}}}]});
            assert!(Facts::reads(ArtifactKind::Observability));
            facts.learn(ArtifactKind::Observability, &document);
            facts.is_stored
        };
        assert_eq!(
            told(json!({"observability": {"enabled": true}})),
            Some(true)
        );
        assert_eq!(
            told(json!({"observability": {"enabled": false}})),
            Some(false)
        );
        for unknown in [
            json!(null),
            json!({}),
            json!({"observability": null}),
            json!({"observability": {"enabled": "no"}}),
        ] {
            assert_eq!(told(unknown), None);
        }
        let mut facts = Facts::default();
        facts.learn(ArtifactKind::Observability, &json!([1]));
        assert_eq!(facts, Facts::default());
    }
}
