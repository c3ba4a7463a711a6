//! A function as it was known at a time ([`Baseline`]), and whether it still is as it was.

use crate::Piece;
use evidence::{CaseId, Outcome, Request, Responder};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

/// A record of a function, `baselines/FUNCTION/NNNNNN.json` in the vault.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Baseline {
    /// Its ARN, unqualified.
    pub function: String,
    /// When it was read.
    pub recorded_at: Timestamp,
    /// What for.
    pub cause: Cause,
    /// What it is.
    pub pieces: Vec<Piece>,
    /// What could not be read this time: the piece is an earlier record's.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub not_read: Vec<NotRead>,
    /// By whom.
    pub responder: Responder,
}

/// Why a function was recorded.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "why", rename_all = "kebab-case")]
pub enum Cause {
    /// The stack was deployed.
    Deployed,
    /// All functions were looked at, as on every day.
    Sweep,
    /// A responder accepted the change that this case is about.
    Accepted {
        /// The case.
        case_id: CaseId,
        /// Who, in their own words.
        by: String,
    },
    /// A deployer that the owner trusts made the change that this case is about.
    Expected {
        /// The case.
        case_id: CaseId,
    },
}

/// A piece that could not be read when a record was made.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct NotRead {
    /// What was asked for.
    pub request: Request,
    /// What came of it this time.
    pub result: Outcome,
}

/// What a function is, apart from what changes by itself: times of asking, states of an update,
/// request ids, when a role was last used. Two readings of a function that nobody touched are equal.
#[derive(Clone, Debug, PartialEq)]
pub struct Substance(Vec<(Request, Essence)>);

#[derive(Clone, Debug, PartialEq)]
struct Essence {
    /// What came of it, in one word: why words quote services.
    outcome: &'static str,
    documents: Vec<(String, Value)>,
    contents: Vec<(String, evidence::Sha256Digest)>,
}

/// Fields of AWS's replies that change by themselves; those of Cloudflare's are in `cloudflare/essence.rs`.
///
/// A function falls idle and wakes (`State`); an update settles; AWS gives a new `RevisionId` to
/// what only settled; a mapping's last result is of its last batch; provisioned concurrency comes and
/// goes. Sources: the model of Lambda's API.
const UNSETTLED: [&str; 13] = [
    "AllocatedProvisionedConcurrentExecutions",
    "AvailableProvisionedConcurrentExecutions",
    "LastProcessingResult",
    "LastUpdateStatus",
    "LastUpdateStatusReason",
    "LastUpdateStatusReasonCode",
    "ResponseMetadata",
    "RevisionId",
    "State",
    "StateReason",
    "StateReasonCode",
    "StateTransitionReason",
    "received_at",
];

/// What turning tracing on changes, beside what settles anyway.
const TRACED: [&str; 2] = ["LastModified", "TracingConfig"];

/// Lists whose order means nothing.
const UNORDERED: [&str; 6] = [
    "Aliases",
    "EventSourceMappings",
    "FunctionEventInvokeConfigs",
    "FunctionUrlConfigs",
    "ProvisionedConcurrencyConfigs",
    "Versions",
];

impl Substance {
    /// Of these pieces.
    pub fn of(pieces: &[Piece]) -> Self {
        Self::without(pieces, false)
    }

    /// Of these pieces, apart from what turning tracing on changes: coldcase itself does that after
    /// a case is sealed.
    pub fn apart_from_tracing(pieces: &[Piece]) -> Self {
        Self::without(pieces, true)
    }

    fn without(pieces: &[Piece], is_apart_from_tracing: bool) -> Self {
        let mut all: Vec<(Request, Essence)> = pieces
            .iter()
            .map(|piece| {
                let essence = Essence::of(piece, is_apart_from_tracing);
                (piece.request.clone(), essence)
            })
            .collect();
        all.sort_by(|a, b| a.0.cmp(&b.0));
        Self(all)
    }

    /// What is in this one and not, or not like this, in the other.
    pub fn missing_in(&self, other: &Self) -> Vec<Request> {
        let is_missing = |(request, essence): &&(Request, Essence)| {
            let found = other.0.binary_search_by(|probe| probe.0.cmp(request));
            found
                .ok()
                .and_then(|index| other.0.get(index))
                .map(|(_, there)| there)
                != Some(essence)
        };
        let missing = self.0.iter().filter(is_missing);
        missing.map(|(request, _)| request.clone()).collect()
    }
}

impl Essence {
    fn of(piece: &Piece, is_apart_from_tracing: bool) -> Self {
        let also: &[&str] = match is_apart_from_tracing {
            true => &TRACED,
            false => &[],
        };
        let documents = piece.documents.iter();
        let contents = piece.contents.iter();
        Self {
            outcome: piece.result.as_str(),
            documents: documents
                .map(|document| {
                    let mut json = document.json.clone();
                    if is_of_a_worker(&json) {
                        let json = crate::cloudflare::settled(json, is_apart_from_tracing);
                        return (document.name.clone(), json);
                    }
                    if let Some(fields) = json.as_object_mut() {
                        // A role that many functions share is read once, on behalf of one of them.
                        fields.remove("target");
                    }
                    (document.name.clone(), settled(json, also))
                })
                .collect(),
            contents: contents
                // A reply as it came: what it says is in the documents and the other contents.
                .filter(|content| !content.name.ends_with(".raw"))
                .map(|content| (content.name.clone(), content.sha256))
                .collect(),
        }
    }
}

fn is_of_a_worker(document: &Value) -> bool {
    let target = document.get("target").and_then(Value::as_str);
    target.is_some_and(|target| target.starts_with("cloudflare://"))
}

fn settled(value: Value, also: &[&str]) -> Value {
    match value {
        Value::Object(fields) => {
            // A mapping is switched off by its state; a function only falls idle.
            let is_mapping = fields.contains_key("UUID");
            let kept = fields.into_iter().filter(|(name, value)| {
                let name = name.as_str();
                let is_settled = is_mapping && name == "State" || !UNSETTLED.contains(&name);
                is_settled && !also.contains(&name) && !value.is_null()
            });
            let kept = kept.map(|(name, value)| {
                let value = match name.as_str() {
                    // The owner's own names, which may be any.
                    "Variables" | "Tags" => value,
                    "State" => on_its_way(value),
                    unordered if UNORDERED.contains(&unordered) => sorted(settled(value, also)),
                    _ => settled(value, also),
                };
                (name, value)
            });
            Value::Object(kept.collect::<Map<_, _>>())
        }
        Value::Array(items) => items.into_iter().map(|item| settled(item, also)).collect(),
        // IAM answers XML. A role that was never used has an empty element, or none.
        Value::String(text) if text.contains("</") => {
            let text = ["RequestId", "RoleLastUsed"]
                .iter()
                .fold(text, |text, element| without_element(&text, element));
            Value::String(without_indentation(&text))
        }
        plain => plain,
    }
}

/// Where a mapping's state leads: making, switching and changing one takes a minute.
fn on_its_way(state: Value) -> Value {
    match state.as_str() {
        Some("Creating" | "Enabling" | "Updating") => Value::from("Enabled"),
        Some("Disabling") => Value::from("Disabled"),
        _ => state,
    }
}

fn sorted(value: Value) -> Value {
    match value {
        Value::Array(mut items) => {
            items.sort_by_cached_key(Value::to_string);
            Value::Array(items)
        }
        other => other,
    }
}

/// An XML text without these elements, whatever they hold.
fn without_element(text: &str, name: &str) -> String {
    let (open, close) = (format!("<{name}>"), format!("</{name}>"));
    let text = text.replace(&format!("<{name}/>"), "");
    let mut kept = String::with_capacity(text.len());
    let mut rest = text.as_str();
    while let Some((before, inside)) = rest.split_once(&open) {
        kept.push_str(before);
        match inside.split_once(&close) {
            Some((_, after)) => rest = after,
            None => return kept + &open + inside,
        }
    }
    kept + rest
}

/// An XML text without what stands between two elements, if that is space only.
fn without_indentation(text: &str) -> String {
    let parts = text.split('>').map(|part| match part.trim_start() {
        inner if inner.starts_with('<') || inner.is_empty() => inner,
        _ => part,
    });
    parts.collect::<Vec<_>>().join(">")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Document;
    use evidence::ArtifactKind;
    use serde_json::json;

    fn piece(artifact: ArtifactKind, reply: Value) -> Piece {
        Piece {
            request: Request::whole(artifact),
            result: Outcome::Acquired,
            documents: vec![Document {
                name: artifact.as_str().to_owned(),
                json: json!({"target": "arn:…", "replies": [{"call": "…", "received_at": "now", "reply": reply}]}),
            }],
            contents: Vec::new(),
        }
    }

    fn of(reply: Value) -> Substance {
        Substance::of(&[piece(ArtifactKind::Configuration, reply)])
    }

    #[test]
    fn what_changes_by_itself_is_no_change() {
        let before = of(
            json!({"Handler": "a", "State": "Active", "RevisionId": "1", "LastUpdateStatus": "InProgress"}),
        );
        let after = of(
            json!({"RevisionId": "2", "State": "Inactive", "StateReason": "idle", "Handler": "a"}),
        );
        assert_eq!(before, after);
        let other = of(json!({"Handler": "b"}));
        assert_ne!(before, other);
        assert_eq!(
            other.missing_in(&before),
            [Request::whole(ArtifactKind::Configuration)]
        );
    }

    #[test]
    fn a_mapping_that_is_switched_off_is_a_change() {
        let mapping = |state: &str, last: &str| {
            of(json!({"EventSourceMappings": [
                {"UUID": "1", "State": state, "LastProcessingResult": last}]}))
        };
        assert_eq!(
            mapping("Enabled", "OK"),
            mapping("Enabled", "No records processed")
        );
        assert_ne!(mapping("Enabled", "OK"), mapping("Disabled", "OK"));
        assert_eq!(mapping("Enabled", "OK"), mapping("Creating", "OK"));
        assert_ne!(mapping("Enabled", "OK"), mapping("Disabling", "OK"));
    }

    #[test]
    fn a_variable_or_tag_of_any_name_counts() {
        for field in ["Variables", "Tags"] {
            let before = of(json!({field: {"State": "1"}}));
            let after = of(json!({field: {"State": "2"}}));
            assert_ne!(before, after, "{field}");
        }
    }

    #[test]
    fn lists_without_an_order_compare_as_sets_and_layers_do_not() {
        let list = |field: &str, items: [&str; 2]| of(json!({field: items}));
        assert_eq!(list("Aliases", ["a", "b"]), list("Aliases", ["b", "a"]));
        assert_ne!(list("Layers", ["a", "b"]), list("Layers", ["b", "a"]));
    }

    #[test]
    fn a_role_that_is_used_is_the_same_role() {
        let role = |used: &str, id: &str, path: &str| {
            of(json!(format!(
                "<R><Path>{path}</Path><RoleLastUsed><Date>{used}</Date></RoleLastUsed><RequestId>{id}</RequestId></R>"
            )))
        };
        assert_eq!(role("1", "x", "/"), role("2", "y", "/"));
        assert_ne!(role("1", "x", "/"), role("1", "x", "/other/"));
        for never in ["", "<RoleLastUsed/>", "\n  <RoleLastUsed></RoleLastUsed>\n"] {
            let never = format!("<R>\n <Path>/</Path>{never}</R>\n");
            assert_eq!(role("1", "x", "/"), of(json!(never)), "{never}");
        }
        assert_ne!(of(json!("<R>a b</R>")), of(json!("<R> a b</R>")));
    }

    #[test]
    fn an_element_that_never_ends_is_kept() {
        assert_eq!(without_element("a<X>b", "X"), "a<X>b");
        assert_eq!(without_element("a<X>b</X>c<X>d</X>", "X"), "ac");
    }

    #[test]
    fn tracing_alone_is_no_change_where_that_is_asked() {
        let off = json!({"LastModified": "1", "TracingConfig": {"Mode": "PassThrough"}});
        let on = json!({"LastModified": "2", "TracingConfig": {"Mode": "Active"}});
        let pieces = |reply| [piece(ArtifactKind::Configuration, reply)];
        assert_ne!(
            Substance::of(&pieces(off.clone())),
            Substance::of(&pieces(on.clone()))
        );
        assert_eq!(
            Substance::apart_from_tracing(&pieces(off)),
            Substance::apart_from_tracing(&pieces(on))
        );
    }
}
