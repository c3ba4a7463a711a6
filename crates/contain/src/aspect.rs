//! What containment may change of a function: its state, aspect by aspect, read from Lambda's replies.

use evidence::{ArtifactKind, Outcome, Sha256Digest};
use serde_json::{Map, Value, json};
use snapshot::Piece;
use std::collections::BTreeMap;
use std::fmt;

/// One thing about a function that can be changed and put back. In the order in which containment
/// changes them: what stops a function comes first.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Aspect {
    /// Reserved concurrency: a number; 0 stops the function.
    ReservedConcurrency,
    /// A statement of the function's own resource policy, by its `Sid`.
    Statement(String),
    /// The code of `$LATEST`: `{"sha256": hex, "package": "Zip"|"Image", "architectures": […]}`.
    Code,
    /// A setting, by Lambda's name for it.
    Setting(&'static str),
}

/// Settings that can be changed: all that `UpdateFunctionConfiguration` takes and replies tell.
pub(crate) const SETTINGS: [&str; 17] = [
    "DeadLetterConfig",
    "Description",
    "Environment",
    "EphemeralStorage",
    "FileSystemConfigs",
    "Handler",
    "ImageConfig",
    "KMSKeyArn",
    "Layers",
    "LoggingConfig",
    "MemorySize",
    "Role",
    "Runtime",
    "SnapStart",
    "Timeout",
    "TracingConfig",
    "VpcConfig",
];

impl Aspect {
    /// The setting of this name, if it is one that can be changed.
    pub fn setting(name: &str) -> Option<Self> {
        let found = SETTINGS.iter().find(|known| **known == name);
        found.map(|known| Self::Setting(known))
    }

    /// As custody writes it: `reserved-concurrency`, `code`, `policy-statement SID`, `setting NAME`.
    pub fn parse(text: &str) -> Option<Self> {
        match text.split_once(' ') {
            None if text == "reserved-concurrency" => Some(Self::ReservedConcurrency),
            None if text == "code" => Some(Self::Code),
            Some(("policy-statement", sid)) => Some(Self::Statement(sid.to_owned())),
            Some(("setting", name)) => Self::setting(name),
            _ => None,
        }
    }
}

impl fmt::Display for Aspect {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::ReservedConcurrency => f.write_str("reserved-concurrency"),
            Self::Code => f.write_str("code"),
            Self::Statement(sid) => write!(f, "policy-statement {sid}"),
            Self::Setting(name) => write!(f, "setting {name}"),
        }
    }
}

/// A function as far as containment may change it. What is not set is not there. Holds the values of
/// environment variables: never shown, never logged.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct State(pub(crate) BTreeMap<Aspect, Value>);

impl fmt::Debug for State {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.0.keys()).finish()
    }
}

/// A state that cannot be read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct Unreadable(pub String);

impl State {
    /// Of the replies of `GetFunctionConfiguration`, `GetFunctionConcurrency` and `GetPolicy` (null
    /// where there is no policy).
    pub fn of(
        configuration: &Value,
        concurrency: &Value,
        policy: &Value,
    ) -> Result<Self, Unreadable> {
        let mut state = Self::default();
        let sha256 = configuration
            .get("CodeSha256")
            .and_then(Value::as_str)
            .and_then(|text| Sha256Digest::from_base64(text).ok())
            .ok_or_else(|| Unreadable("Lambda tells no digest of the code".to_owned()))?;
        state.set(
            Aspect::Code,
            json!({
                "sha256": sha256.to_string(),
                "package": configuration.get("PackageType").cloned().unwrap_or_else(|| "Zip".into()),
                "architectures": configuration
                    .get("Architectures")
                    .filter(|it| !it.is_null())
                    .cloned()
                    .unwrap_or_else(|| json!(["x86_64"])),
            }),
        );
        for name in SETTINGS {
            state.set(Aspect::Setting(name), setting(configuration, name));
        }
        state.set(
            Aspect::ReservedConcurrency,
            concurrency
                .get("ReservedConcurrentExecutions")
                .cloned()
                .unwrap_or_default(),
        );
        for (sid, statement) in statements(policy)? {
            state.set(Aspect::Statement(sid), statement);
        }
        Ok(state)
    }

    /// Of what a case or a record holds.
    pub fn of_pieces(pieces: &[Piece]) -> Result<Self, Unreadable> {
        let configuration = reply(
            pieces,
            ArtifactKind::Configuration,
            "lambda:GetFunctionConfiguration",
        )?;
        let concurrency = reply(
            pieces,
            ArtifactKind::Concurrency,
            "lambda:GetFunctionConcurrency",
        )?;
        let policy = reply(pieces, ArtifactKind::ResourcePolicy, "lambda:GetPolicy")?;
        if configuration.is_null() {
            return Err(Unreadable("there was no such function".to_owned()));
        }
        Self::of(&configuration, &concurrency, &policy)
    }

    /// What an aspect is; null if it is not there.
    pub fn get(&self, aspect: &Aspect) -> &Value {
        self.0.get(aspect).unwrap_or(&Value::Null)
    }

    /// Says what an aspect is; null takes it away.
    pub fn set(&mut self, aspect: Aspect, value: Value) {
        if value.is_null() {
            self.0.remove(&aspect);
        } else {
            self.0.insert(aspect, value);
        }
    }

    /// Every aspect that one of two states has.
    pub fn aspects<'a>(&'a self, other: &'a Self) -> impl Iterator<Item = &'a Aspect> {
        let others = other.0.keys().filter(|it| !self.0.contains_key(*it));
        self.0.keys().chain(others)
    }

    /// What two states differ in.
    pub fn differences(&self, other: &Self) -> Vec<Aspect> {
        let mut differs: Vec<Aspect> = self
            .aspects(other)
            .filter(|it| self.get(it) != other.get(it))
            .cloned()
            .collect();
        differs.sort();
        differs
    }

    /// The ARNs of the layers, in order.
    pub fn layers(&self) -> Vec<&str> {
        let layers = self.get(&Aspect::Setting("Layers")).as_array();
        let layers = layers.into_iter().flatten();
        layers.filter_map(Value::as_str).collect()
    }
}

/// A setting in the one spelling in which two replies can be compared; null if it is as if it were
/// not there.
fn setting(configuration: &Value, name: &str) -> Value {
    let raw = |pointer: &str| configuration.pointer(pointer).cloned().unwrap_or_default();
    let some = |value: Value| match &value {
        Value::String(text) if text.is_empty() => Value::Null,
        Value::Array(items) if items.is_empty() => Value::Null,
        Value::Object(fields) if fields.is_empty() => Value::Null,
        _ => value,
    };
    let or = |value: Value, usual: Value| if value.is_null() { usual } else { value };
    match name {
        "Environment" => match raw("/Environment/Error") {
            Value::Null => some(raw("/Environment/Variables")),
            _ => json!({ UNREADABLE: true }),
        },
        "Layers" => {
            let layers = configuration.get("Layers").and_then(Value::as_array);
            let arns = layers.into_iter().flatten().map(|it| it["Arn"].clone());
            some(arns.collect())
        }
        "DeadLetterConfig" => some(raw("/DeadLetterConfig/TargetArn")),
        "EphemeralStorage" => or(raw("/EphemeralStorage/Size"), 512.into()),
        "TracingConfig" => or(raw("/TracingConfig/Mode"), "PassThrough".into()),
        "SnapStart" => or(raw("/SnapStart/ApplyOn"), "None".into()),
        "ImageConfig" => some(raw("/ImageConfigResponse/ImageConfig")),
        "VpcConfig" => {
            let list = |field: &str| {
                let mut ids: Vec<Value> = raw(&format!("/VpcConfig/{field}"))
                    .as_array()
                    .cloned()
                    .unwrap_or_default();
                ids.sort_by_cached_key(Value::to_string);
                Value::from(ids)
            };
            let (subnets, groups) = (list("SubnetIds"), list("SecurityGroupIds"));
            if subnets == json!([]) && groups == json!([]) {
                return Value::Null;
            }
            let mut network = json!({ "SubnetIds": subnets, "SecurityGroupIds": groups });
            if raw("/VpcConfig/Ipv6AllowedForDualStack") == json!(true) {
                network["Ipv6AllowedForDualStack"] = true.into();
            }
            network
        }
        name => some(raw(&format!("/{name}"))),
    }
}

/// Stands in the place of an environment that Lambda could not decrypt.
pub(crate) const UNREADABLE: &str = "unreadable";

/// Statements by their `Sid`.
fn statements(policy: &Value) -> Result<BTreeMap<String, Value>, Unreadable> {
    let Some(text) = policy.get("Policy").and_then(Value::as_str) else {
        return Ok(BTreeMap::new());
    };
    let bad = || Unreadable("the resource policy is no JSON".to_owned());
    let policy: Value = serde_json::from_str(text).map_err(|_| bad())?;
    let statements = match policy.get("Statement") {
        Some(Value::Array(statements)) => statements.clone(),
        Some(one @ Value::Object(_)) => vec![one.clone()],
        _ => Vec::new(),
    };
    let mut found = BTreeMap::new();
    for statement in statements {
        let sid = match statement.get("Sid").and_then(Value::as_str) {
            Some(sid) => sid.to_owned(),
            // Calls name statements by their Sid: one without can be seen and not be changed.
            None => format!("#{}", Sha256Digest::of(statement.to_string()).short()),
        };
        found.insert(sid, statement);
    }
    Ok(found)
}

/// What a call answered, as a case keeps it; null if there was none of it.
fn reply(pieces: &[Piece], artifact: ArtifactKind, call: &str) -> Result<Value, Unreadable> {
    let mut whole = pieces
        .iter()
        .filter(|piece| (piece.request.artifact, &piece.request.selector) == (artifact, &None));
    let Some(piece) = whole.next() else {
        return Err(Unreadable(format!(
            "{} was not asked for",
            artifact.as_str()
        )));
    };
    let unknown = |why: &str| Unreadable(format!("{}: {why}", artifact.as_str()));
    match &piece.result {
        Outcome::Acquired | Outcome::Partial { .. } => {}
        Outcome::Absent { .. } => return Ok(Value::Null),
        other => return Err(unknown(other.why().unwrap_or_default())),
    }
    let replies = piece
        .documents
        .iter()
        .filter_map(|document| document.json.get("replies")?.as_array())
        .flatten();
    let mut of_call = replies.filter(|reply| reply["call"] == call);
    let reply = of_call.next().and_then(|reply| reply.get("reply"));
    reply
        .filter(|reply| reply.is_object())
        .cloned()
        .ok_or_else(|| unknown(&format!("{call} brought nothing")))
}

/// An aspect's value as people and custody may see it: of an environment the names alone.
pub(crate) fn told(aspect: &Aspect, value: &Value) -> Value {
    match (aspect, value) {
        (Aspect::Setting("Environment"), Value::Object(variables)) => {
            let mut names: Vec<&String> = variables.keys().collect();
            names.sort();
            json!({ "variables": names })
        }
        _ => value.clone(),
    }
}

/// Whether an aspect's value could be read.
pub(crate) fn is_known(aspect: &Aspect, value: &Value) -> bool {
    *aspect != Aspect::Setting("Environment") || *value != json!({ UNREADABLE: true })
}

/// An object's fields, or none.
pub(crate) fn fields(value: &Value) -> Map<String, Value> {
    value.as_object().cloned().unwrap_or_default()
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn configuration(more: Value) -> Value {
        let mut all = json!({"CodeSha256": Sha256Digest::of("code").to_base64()});
        for (name, value) in fields(&more) {
            all[name] = value;
        }
        all
    }

    fn state(more: Value) -> State {
        State::of(&configuration(more), &json!({}), &Value::Null).unwrap()
    }

    #[test]
    fn what_is_empty_is_as_if_it_were_not_there() {
        let empty = state(json!({
            "Description": "", "Layers": [], "Environment": {"Variables": {}}, "KMSKeyArn": null,
            "VpcConfig": {"SubnetIds": [], "SecurityGroupIds": [], "VpcId": ""},
            "EphemeralStorage": {"Size": 512}, "TracingConfig": {"Mode": "PassThrough"},
            "SnapStart": {"ApplyOn": "None", "OptimizationStatus": "Off"},
            "DeadLetterConfig": {"TargetArn": ""}, "FileSystemConfigs": [],
        }));
        assert_eq!(empty.differences(&state(json!({}))), []);
    }

    #[test]
    fn what_settles_by_itself_is_no_part_of_the_state() {
        let one = state(json!({"State": "Active", "LastModified": "1", "RevisionId": "1"}));
        let other = state(json!({"State": "Inactive", "LastModified": "2", "RevisionId": "2"}));
        assert_eq!(one, other);
    }

    #[test]
    fn the_order_of_layers_counts_and_that_of_subnets_does_not() {
        let layers = |a, b| state(json!({"Layers": [{"Arn": a}, {"Arn": b}]}));
        assert_ne!(layers("x", "y"), layers("y", "x"));
        assert_eq!(layers("x", "y").layers(), ["x", "y"]);
        let subnets = |a, b| state(json!({"VpcConfig": {"SubnetIds": [a, b]}}));
        assert_eq!(subnets("x", "y"), subnets("y", "x"));
    }

    #[test]
    fn statements_are_known_by_their_sid() {
        let policy =
            json!({"Policy": r#"{"Statement":[{"Sid":"a","Effect":"Allow"},{"Effect":"Deny"}]}"#});
        let state = State::of(&configuration(json!({})), &json!({}), &policy).unwrap();
        let statements: Vec<String> = state
            .0
            .keys()
            .filter(|it| matches!(it, Aspect::Statement(_)))
            .map(ToString::to_string)
            .collect();
        assert_eq!(statements.len(), 2);
        assert!(statements.contains(&"policy-statement a".to_owned()));
        let hostile = json!({"Policy": "{no json"});
        assert!(State::of(&configuration(json!({})), &json!({}), &hostile).is_err());
    }

    #[test]
    fn a_value_of_the_environment_is_told_to_nobody() {
        let state = state(json!({"Environment": {"Variables": {"KEY": "marked-secret"}}}));
        let aspect = Aspect::Setting("Environment");
        let told = told(&aspect, state.get(&aspect)).to_string();
        assert_eq!(told, r#"{"variables":["KEY"]}"#);
        assert!(!format!("{state:?}").contains("marked-secret"));
    }

    #[test]
    fn every_aspect_is_read_as_it_is_written() {
        let mut all = vec![
            Aspect::ReservedConcurrency,
            Aspect::Code,
            Aspect::Statement("a b".to_owned()),
        ];
        all.extend(SETTINGS.map(Aspect::Setting));
        for aspect in all {
            assert_eq!(Aspect::parse(&aspect.to_string()), Some(aspect));
        }
        assert_eq!(Aspect::parse("setting Anything"), None);
    }
}
