//! What a policy says to one question, read as IAM reads it: enough to tell what is allowed and denied
//! by the documents, nothing of boundaries and organisations.

use function::is_like;
use serde_json::Value;
use snapshot::{Condition, Effect, Place, Policy, Principal, Statement};
use std::collections::BTreeMap;

/// A policy with its name.
#[derive(Clone, Debug)]
pub(super) struct Document {
    /// What people call it: `inline policy respond`.
    pub(super) name: String,
    policy: Policy,
}

/// A question: may this be done with that, by whom, in which circumstances?
#[derive(Clone, Debug)]
pub(super) struct Ask {
    action: String,
    resource: String,
    principal: Option<Principal>,
    context: BTreeMap<String, String>,
    /// Whether a condition on something that is not in the context may hold.
    open: bool,
}

impl Ask {
    /// A question about an action (`s3:PutObject`) and a resource (an ARN or `*`).
    pub(super) fn new(action: &str, resource: &str) -> Self {
        Self {
            action: action.to_ascii_lowercase(),
            resource: resource.to_owned(),
            principal: None,
            context: BTreeMap::new(),
            open: false,
        }
    }

    /// In any circumstances: what is allowed in some counts as allowed, what is denied in some does not
    /// count as denied.
    pub(super) fn whenever(action: &str, resource: &str) -> Self {
        Self {
            open: true,
            ..Self::new(action, resource)
        }
    }

    /// By this principal: `AWS` and an ARN, or `Service` and its name.
    pub(super) fn by(mut self, kind: &str, name: &str) -> Self {
        self.principal = Some(Principal {
            kind: kind.to_owned(),
            name: name.to_owned(),
        });
        self
    }

    /// With a key of the context; `key` in lower case.
    pub(super) fn with(mut self, key: &str, value: &str) -> Self {
        self.context.insert(key.to_owned(), value.to_owned());
        self
    }
}

impl Document {
    /// A policy that was read.
    pub(super) fn of(name: impl Into<String>, document: &Value) -> Option<Self> {
        let policy = Policy::read(document, &Place::default())?;
        let name = name.into();
        Some(Self { name, policy })
    }

    /// A policy as a text; none if it is no policy.
    pub(super) fn of_text(name: impl Into<String>, text: &str) -> Option<Self> {
        let document: Value = serde_json::from_str(text).ok()?;
        Self::of(name, &document)
    }

    /// Its statements.
    pub(super) fn statements(&self) -> &[Statement] {
        &self.policy.statements
    }

    /// Whether it allows, denials of its own apart.
    pub(super) fn allows(&self, ask: &Ask) -> bool {
        self.says(Effect::Allow, ask)
    }

    /// Whether it denies.
    pub(super) fn denies(&self, ask: &Ask) -> bool {
        self.says(Effect::Deny, ask)
    }

    fn says(&self, effect: Effect, ask: &Ask) -> bool {
        let mut statements = self.policy.statements.iter();
        statements.any(|statement| statement.effect == effect && covers(statement, ask))
    }
}

/// Whether a role's documents together let it.
pub(super) fn lets(documents: &[Document], ask: &Ask) -> bool {
    documents.iter().any(|document| document.allows(ask))
        && !documents.iter().any(|document| document.denies(ask))
}

fn covers(statement: &Statement, ask: &Ask) -> bool {
    let like = |patterns: &std::collections::BTreeSet<String>, text: &str| {
        patterns.iter().any(|pattern| is_like(pattern, text))
    };
    let action = if statement.not_actions.is_empty() {
        like(&statement.actions, &ask.action)
    } else {
        !like(&statement.not_actions, &ask.action)
    };
    let resource = if !statement.not_resources.is_empty() {
        !like(&statement.not_resources, &ask.resource)
    } else {
        statement.resources.is_empty() || like(&statement.resources, &ask.resource)
    };
    let conditions = statement
        .conditions
        .iter()
        .all(|condition| holds(condition, ask, statement.effect));
    action && resource && is_about(statement, ask) && conditions
}

fn is_about(statement: &Statement, ask: &Ask) -> bool {
    let Some(asks) = &ask.principal else {
        return true;
    };
    let account = asks.name.split(':').nth(4).unwrap_or_default();
    let names = |principal: &Principal| {
        // `*` is everybody, services as well.
        principal.name == "*"
            || (principal.kind == asks.kind
                && (principal.name == asks.name || principal.name == account))
    };
    if statement.not_principals.is_empty() {
        statement.principals.iter().any(names)
    } else {
        !statement.not_principals.iter().any(names)
    }
}

/// Whether a condition holds. A key that is not there makes a negated comparison true and any other
/// false, as IAM has it; with an open question nobody knows.
fn holds(condition: &Condition, ask: &Ask, effect: Effect) -> bool {
    let operator = condition.operator.as_str();
    let operator = operator
        .strip_prefix("foranyvalue:")
        .or_else(|| operator.strip_prefix("forallvalues:"))
        .unwrap_or(operator);
    let (operator, if_exists) = match operator.strip_suffix("ifexists") {
        Some(operator) => (operator, true),
        None => (operator, false),
    };
    let found = ask.context.get(&condition.key);
    if found.is_none() && ask.open {
        return effect == Effect::Allow;
    }
    let values = &condition.values;
    if operator == "null" {
        return values
            .iter()
            .any(|value| (value == "true") == found.is_none());
    }
    let negated = operator.contains("not");
    let Some(found) = found else {
        return negated || if_exists;
    };
    let number = |text: &str| text.parse::<f64>().ok();
    let compare = |of: fn(f64, f64) -> bool| {
        values.iter().any(|value| {
            matches!((number(found), number(value)), (Some(found), Some(value)) if of(found, value))
        })
    };
    match operator {
        "stringequals" | "bool" => values.contains(found),
        "stringnotequals" => !values.contains(found),
        "stringequalsignorecase" => values.iter().any(|value| value.eq_ignore_ascii_case(found)),
        "stringlike" | "arnlike" | "arnequals" => values.iter().any(|value| is_like(value, found)),
        "stringnotlike" | "arnnotlike" | "arnnotequals" => {
            !values.iter().any(|value| is_like(value, found))
        }
        "numericequals" => compare(|found, value| found == value),
        "numericlessthan" => compare(|found, value| found < value),
        "numericlessthanequals" => compare(|found, value| found <= value),
        "numericgreaterthan" => compare(|found, value| found > value),
        "numericgreaterthanequals" => compare(|found, value| found >= value),
        // What is not known here is not taken for protection.
        _ => effect == Effect::Allow,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn policy(statement: Value) -> Document {
        Document::of("a policy", &json!({ "Statement": statement })).unwrap()
    }

    #[test]
    fn actions_and_resources_are_patterns_and_a_denial_outweighs() {
        let allow =
            policy(json!({"Effect": "Allow", "Action": "s3:Put*", "Resource": "arn:aws:s3:::b/*"}));
        let deny = policy(json!({"Effect": "Deny", "Action": "s3:PutObject", "Resource": "*"}));
        let put = Ask::new("s3:PutObject", "arn:aws:s3:::b/x");
        assert!(lets(std::slice::from_ref(&allow), &put));
        assert!(!lets(
            std::slice::from_ref(&allow),
            &Ask::new("s3:PutObject", "arn:aws:s3:::c/x")
        ));
        assert!(!lets(
            std::slice::from_ref(&allow),
            &Ask::new("s3:GetObject", "arn:aws:s3:::b/x")
        ));
        assert!(!lets(&[allow, deny], &put));
    }

    #[test]
    fn not_action_allows_everything_else() {
        let but = policy(json!({"Effect": "Allow", "NotAction": "iam:*", "Resource": "*"}));
        assert!(but.allows(&Ask::new("s3:DeleteObject", "x")));
        assert!(!but.allows(&Ask::new("iam:CreateRole", "x")));
    }

    #[test]
    fn an_absent_key_makes_a_negated_condition_true_and_others_false() {
        let unless = policy(
            json!({"Effect": "Deny", "Principal": "*", "Action": "s3:*", "Resource": "*",
            "Condition": {"ArnNotEquals": {"aws:PrincipalArn": ["arn:aws:iam::111122223333:role/own"]}}}),
        );
        let put =
            || Ask::new("s3:PutObject", "x").by("AWS", "arn:aws:iam::111122223333:role/other");
        assert!(unless.denies(&put()));
        assert!(
            unless.denies(&put().with("aws:principalarn", "arn:aws:iam::111122223333:role/other"))
        );
        assert!(
            !unless.denies(&put().with("aws:principalarn", "arn:aws:iam::111122223333:role/own"))
        );
        let plain = policy(
            json!({"Effect": "Deny", "Principal": "*", "Action": "s3:*", "Resource": "*",
            "Condition": {"Bool": {"aws:SecureTransport": "false"}}}),
        );
        assert!(!plain.denies(&put()));
        assert!(plain.denies(&put().with("aws:securetransport", "false")));
        assert!(!plain.denies(&put().with("aws:securetransport", "true")));
    }

    #[test]
    fn null_asks_whether_a_key_is_there() {
        let once = policy(
            json!({"Effect": "Deny", "Principal": "*", "Action": "s3:PutObject", "Resource": "*",
            "Condition": {"Null": {"s3:if-none-match": "true"}, "Bool": {"s3:ObjectCreationOperation": "true"}}}),
        );
        let put = || Ask::new("s3:PutObject", "x").with("s3:objectcreationoperation", "true");
        assert!(once.denies(&put()));
        assert!(!once.denies(&put().with("s3:if-none-match", "*")));
    }

    #[test]
    fn an_open_question_takes_a_conditional_allow_and_no_conditional_denial() {
        let via = json!({"StringLike": {"kms:ViaService": "s3.*"}});
        let allow = policy(
            json!({"Effect": "Allow", "Action": "kms:Decrypt", "Resource": "*", "Condition": via}),
        );
        let deny = policy(
            json!({"Effect": "Deny", "Action": "kms:Decrypt", "Resource": "*", "Condition": via}),
        );
        assert!(lets(
            &[allow.clone(), deny],
            &Ask::whenever("kms:Decrypt", "x")
        ));
        assert!(!lets(&[allow], &Ask::new("kms:Decrypt", "x")));
    }

    #[test]
    fn a_service_is_not_an_account() {
        let rules = policy(
            json!({"Effect": "Allow", "Principal": {"Service": "events.amazonaws.com"},
            "Action": "sqs:SendMessage", "Resource": "q"}),
        );
        let ask = || Ask::new("sqs:SendMessage", "q");
        assert!(rules.allows(&ask().by("Service", "events.amazonaws.com")));
        assert!(!rules.allows(&ask().by("AWS", "arn:aws:iam::111122223333:role/x")));
        let account = policy(
            json!({"Effect": "Allow", "Principal": {"AWS": "arn:aws:iam::111122223333:root"},
            "Action": "kms:Sign", "Resource": "*"}),
        );
        assert!(
            account
                .allows(&Ask::new("kms:Sign", "k").by("AWS", "arn:aws:iam::111122223333:role/x"))
        );
        assert!(
            !account
                .allows(&Ask::new("kms:Sign", "k").by("AWS", "arn:aws:iam::444455556666:role/x"))
        );
    }
}
