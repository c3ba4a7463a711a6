//! Policies in a form in which equal ones are equal: order, case of actions, a list of one and a bare
//! text make no difference.

use crate::model::Place;
use evidence::shown;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};

/// How many statements of a policy are read; the provider's limit of size leaves room for fewer.
const STATEMENTS: usize = 2_000;

/// A policy.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Policy {
    /// In the order of the document.
    pub statements: Vec<Statement>,
}

/// What a statement does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Effect {
    /// It allows.
    Allow,
    /// It denies.
    Deny,
}

/// Who a statement is about.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Principal {
    /// `AWS`, `Service`, `Federated`, `CanonicalUser`.
    pub kind: String,
    /// An ARN, an account, a service, `*`.
    pub name: String,
}

/// When a statement holds.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Condition {
    /// The operator in lower case: `arnlike`, `foranyvalue:stringequals`.
    pub operator: String,
    /// The key in lower case: `aws:sourcearn`.
    pub key: String,
    /// Any of these.
    pub values: BTreeSet<String>,
}

/// One statement of a policy.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Statement {
    /// Where it stands.
    pub place: Place,
    /// Its name, where it has one.
    pub sid: Option<String>,
    /// What it does.
    pub effect: Effect,
    /// Whom it is about; empty in a role's policies.
    pub principals: BTreeSet<Principal>,
    /// Whom it is not about.
    pub not_principals: BTreeSet<Principal>,
    /// What may be done, in lower case.
    pub actions: BTreeSet<String>,
    /// Everything but this may be done, in lower case.
    pub not_actions: BTreeSet<String>,
    /// With what.
    pub resources: BTreeSet<String>,
    /// With everything but this.
    pub not_resources: BTreeSet<String>,
    /// When.
    pub conditions: BTreeSet<Condition>,
}

impl Policy {
    /// Reads a policy: JSON, or JSON in a text. None if it is neither.
    pub fn read(document: &Value, place: &Place) -> Option<Self> {
        let parsed;
        let (document, is_inside) = match document {
            Value::String(text) => {
                parsed = serde_json::from_str::<Value>(text).ok()?;
                (&parsed, false)
            }
            other => (other, true),
        };
        let statements = document.as_object()?.get("Statement");
        let place_of = |index: Option<usize>| Place {
            exhibit: place.exhibit.clone(),
            pointer: match (is_inside, index) {
                (false, _) => place.pointer.clone(),
                (true, Some(index)) => format!("{}/Statement/{index}", place.pointer),
                (true, None) => format!("{}/Statement", place.pointer),
            },
        };
        let statements = match statements {
            Some(Value::Array(several)) => several
                .iter()
                .take(STATEMENTS)
                .enumerate()
                .filter_map(|(index, one)| Statement::read(one, place_of(Some(index))))
                .collect(),
            Some(one) => Statement::read(one, place_of(None)).into_iter().collect(),
            None => Vec::new(),
        };
        Some(Self { statements })
    }

    /// Those that allow.
    pub fn allowing(&self) -> impl Iterator<Item = &Statement> {
        let all = self.statements.iter();
        all.filter(|statement| statement.effect == Effect::Allow)
    }
}

impl Statement {
    fn read(value: &Value, place: Place) -> Option<Self> {
        let value = value.as_object()?;
        let field = |name: &str| {
            let mut fields = value.iter();
            // AWS takes the names of these fields in any case.
            fields
                .find(|(key, _)| key.eq_ignore_ascii_case(name))
                .map(|(_, value)| value)
        };
        let deny = field("Effect").and_then(Value::as_str);
        let lower = |name: &str| -> BTreeSet<String> {
            let texts = texts(field(name)).into_iter();
            texts.map(|text| text.to_ascii_lowercase()).collect()
        };
        Some(Self {
            place,
            sid: field("Sid")
                .and_then(Value::as_str)
                .filter(|sid| !sid.is_empty())
                .map(str::to_owned),
            effect: match deny {
                Some(text) if text.eq_ignore_ascii_case("Deny") => Effect::Deny,
                _ => Effect::Allow,
            },
            principals: principals(field("Principal")),
            not_principals: principals(field("NotPrincipal")),
            actions: lower("Action"),
            not_actions: lower("NotAction"),
            resources: texts(field("Resource")),
            not_resources: texts(field("NotResource")),
            conditions: conditions(field("Condition")),
        })
    }

    /// Whether both say the same, whatever they are called and wherever they stand.
    pub fn says_the_same_as(&self, other: &Self) -> bool {
        self.content() == other.content()
    }

    /// What it says, as something that has an order.
    pub(crate) fn content(&self) -> impl Ord + '_ {
        (
            self.effect,
            (&self.principals, &self.not_principals),
            (&self.actions, &self.not_actions),
            (&self.resources, &self.not_resources),
            &self.conditions,
        )
    }

    /// One line for people, escaped, at most `longest` characters.
    pub fn told(&self, longest: usize) -> String {
        let mut line = match self.effect {
            Effect::Allow => "allow ".to_owned(),
            Effect::Deny => "deny ".to_owned(),
        };
        let list = |of: &BTreeSet<String>| of.iter().cloned().collect::<Vec<_>>().join(", ");
        let who = |of: &BTreeSet<Principal>| {
            let names = of.iter().map(|principal| principal.name.clone());
            names.collect::<Vec<_>>().join(", ")
        };
        if !self.principals.is_empty() {
            line += &format!("{} ", who(&self.principals));
        }
        if !self.not_principals.is_empty() {
            line += &format!("everybody but {} ", who(&self.not_principals));
        }
        if !self.actions.is_empty() {
            line += &list(&self.actions);
        }
        if !self.not_actions.is_empty() {
            line += &format!("everything but {}", list(&self.not_actions));
        }
        if !self.resources.is_empty() {
            line += &format!(" on {}", list(&self.resources));
        }
        if !self.not_resources.is_empty() {
            line += &format!(" on everything but {}", list(&self.not_resources));
        }
        let mut word = " if";
        for condition in &self.conditions {
            let Condition {
                operator,
                key,
                values,
            } = condition;
            line += &format!("{word} {key} {operator} {}", list(values));
            word = " and";
        }
        shown(&line, longest)
    }
}

/// IAM writes a list of one without brackets, and numbers and truth values without quotes.
fn texts(value: Option<&Value>) -> BTreeSet<String> {
    let text = |value: &Value| match value {
        Value::String(text) => Some(text.clone()),
        Value::Bool(_) | Value::Number(_) => Some(value.to_string()),
        _ => None,
    };
    match value {
        Some(Value::Array(several)) => several.iter().filter_map(text).collect(),
        Some(one) => text(one).into_iter().collect(),
        None => BTreeSet::new(),
    }
}

fn principals(value: Option<&Value>) -> BTreeSet<Principal> {
    let of = |kind: &str, names: BTreeSet<String>| {
        let kind = kind.to_owned();
        names.into_iter().map(move |name| Principal {
            kind: kind.clone(),
            name: account_of_root(name),
        })
    };
    match value {
        Some(Value::Object(kinds)) => kinds
            .iter()
            .flat_map(|(kind, names)| of(kind, texts(Some(names))))
            .collect(),
        // `"Principal": "*"` is `{"AWS": "*"}`.
        other => of("AWS", texts(other)).collect(),
    }
}

/// `111122223333` and `arn:aws:iam::111122223333:root` are the same, and AWS turns one into the other.
fn account_of_root(name: String) -> String {
    let fields: Vec<&str> = name.split(':').collect();
    match fields.as_slice() {
        ["arn", _, "iam", "", account, "root"] => (*account).to_owned(),
        _ => name,
    }
}

fn conditions(value: Option<&Value>) -> BTreeSet<Condition> {
    let mut merged: BTreeMap<(String, String), BTreeSet<String>> = BTreeMap::new();
    for (operator, keys) in value.and_then(Value::as_object).into_iter().flatten() {
        for (key, values) in keys.as_object().into_iter().flatten() {
            let operator = operator.to_ascii_lowercase();
            let place = merged.entry((operator, key.to_ascii_lowercase()));
            place.or_default().extend(texts(Some(values)));
        }
    }
    let merged = merged.into_iter();
    merged
        .map(|((operator, key), values)| Condition {
            operator,
            key,
            values,
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn one(statement: Value) -> Statement {
        let policy = Policy::read(&json!({ "Statement": statement }), &Place::default());
        policy.unwrap().statements.remove(0)
    }

    #[test]
    fn lists_of_one_case_and_order_make_no_difference() {
        let a = one(
            json!({"Sid":"a","Effect":"Allow","Principal":{"AWS":"111122223333"},"Action":"LAMBDA:invokefunction",
            "Condition":{"ArnLike":{"AWS:SourceArn":"arn:aws:s3:::b"},"Bool":{"aws:SecureTransport":true}}}),
        );
        let b = one(
            json!([{"Condition":{"Bool":{"aws:SecureTransport":["true"]},"arnlike":{"aws:sourcearn":["arn:aws:s3:::b"]}},
            "Action":["lambda:InvokeFunction"],"Principal":{"AWS":["arn:aws:iam::111122223333:root"]},"Effect":"Allow"}]),
        );
        assert!(a.says_the_same_as(&b));
    }

    #[test]
    fn what_is_denied_is_not_what_is_allowed_and_not_action_is_not_action() {
        let allow = one(json!({"Effect":"Allow","Action":"s3:*","Resource":"*"}));
        let deny = one(json!({"Effect":"Deny","Action":"s3:*","Resource":"*"}));
        let but = one(json!({"Effect":"Allow","NotAction":"s3:*","Resource":"*"}));
        assert!(!allow.says_the_same_as(&deny));
        assert!(!allow.says_the_same_as(&but));
        assert_eq!(but.told(80), "allow everything but s3:* on *");
    }

    #[test]
    fn a_policy_in_a_text_is_read_and_other_text_is_none() {
        let text = json!(r#"{"Statement":{"Effect":"Allow","Principal":"*","Action":"x:Y"}}"#);
        let policy = Policy::read(&text, &Place::default()).unwrap();
        assert_eq!(policy.statements[0].told(80), "allow * x:y");
        assert!(Policy::read(&json!("no policy"), &Place::default()).is_none());
        assert!(Policy::read(&json!(7), &Place::default()).is_none());
    }

    #[test]
    fn an_unset_effect_is_taken_as_the_worse_one() {
        assert_eq!(one(json!({"Action":"*"})).effect, Effect::Allow);
    }
}
