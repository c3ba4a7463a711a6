//! Statements of the function's policy that let everybody or another account in.

use super::{Look, Noticed, Rule, account_of, is_everybody, proof, statement_is_new};
use crate::policy::{Condition, Principal, Statement};
use evidence::{Confidence, Severity};

pub(super) const RULE: Rule = Rule {
    id: "open-resource-policy",
    technique: "T1098",
    advice: "Remove the statement unless somebody answers for it, and look in the audit trail for who used it.",
    look,
};

fn look(look: &Look<'_>) -> Vec<Noticed> {
    let own = look.now.account.as_deref().unwrap_or_default();
    let mut noticed = Vec::new();
    for (qualifier, policy) in &look.now.policies {
        let before = look.before.map(|before| before.policies.get(qualifier));
        let before = before.map(|reading| reading.and_then(|reading| reading.value()));
        for statement in policy
            .value()
            .into_iter()
            .flat_map(|policy| policy.allowing())
        {
            let Some((who, is_everybody)) = lets_in(statement, own) else {
                continue;
            };
            let is_new = before.map(|before| statement_is_new(statement, before));
            let severity = match (is_new, changes_the_function(statement)) {
                (Some(false), _) => Severity::Info,
                (_, true) => Severity::Critical,
                (Some(true), _) => Severity::High,
                (None, _) if is_everybody => Severity::Medium,
                (None, _) => Severity::Low,
            };
            let since = match is_new {
                Some(true) => " since it was recorded",
                Some(false) => ", as before",
                None => "",
            };
            noticed.push(Noticed {
                statement: format!("The policy lets {who} in{since}: {}", statement.told(160)),
                severity,
                confidence: Confidence::High,
                proof: proof(&statement.place, "", Some(&statement.told(160))),
            });
        }
    }
    noticed
}

/// More than calling it.
fn changes_the_function(statement: &Statement) -> bool {
    let calls = [
        "lambda:invokefunction",
        "lambda:invokefunctionurl",
        "lambda:invokeasync",
        "roles/cloudfunctions.invoker",
        "roles/run.invoker",
    ];
    !statement.not_actions.is_empty()
        || statement.actions.iter().any(|action| {
            let reads = ["lambda:get", "lambda:list"];
            let is_reading = reads.iter().any(|read| action.starts_with(read))
                || (action.starts_with("roles/") && action.ends_with("viewer"));
            !calls.contains(&action.as_str()) && !is_reading
        })
}

/// Who is let in who is not of the account, and whether that is everybody; none if nobody is.
fn lets_in(statement: &Statement, own: &str) -> Option<(String, bool)> {
    let bounds = Bounds::of(statement, own);
    let outsiders = bounds.outsiders.iter();
    if let Some(outsider) = outsiders.clone().next() {
        return Some((format!("the account {outsider}"), false));
    }
    if !statement.not_principals.is_empty() && !bounds.is_narrowed {
        return Some(("everybody but a few".to_owned(), true));
    }
    let mut found = None;
    for Principal { kind, name } in &statement.principals {
        match (kind.as_str(), name.as_str()) {
            ("AWS", "*") if !bounds.is_narrowed => return Some(("everybody".to_owned(), true)),
            ("Google", name) if is_everybody(name) => return Some(("everybody".to_owned(), true)),
            ("AWS", name) if name != "*" => {
                let account = account_of(name).unwrap_or(name);
                if account.len() == 12 && account != own {
                    found = Some((format!("the account {account}"), false));
                }
            }
            _ => {}
        }
    }
    found
}

/// What the conditions leave.
struct Bounds {
    /// Whether they leave only what is named in them.
    is_narrowed: bool,
    /// Other accounts that are named.
    outsiders: Vec<String>,
}

impl Bounds {
    fn of(statement: &Statement, own: &str) -> Self {
        let mut bounds = Self {
            is_narrowed: false,
            outsiders: Vec::new(),
        };
        for Condition {
            operator,
            key,
            values,
        } in &statement.conditions
        {
            let bare = operator
                .rsplit_once(':')
                .map_or(operator.as_str(), |(_, bare)| bare);
            // Those with IfExists hold where the key is not there; `ForAllValues` does, too.
            let binds = (bare.starts_with("arn") || bare.starts_with("string"))
                && !bare.contains("not")
                && !bare.ends_with("ifexists")
                && !operator.starts_with("forallvalues:");
            let narrows = [
                "aws:sourcearn",
                "aws:sourceaccount",
                "aws:sourceowner",
                "aws:sourceorgid",
                "aws:sourceorgpaths",
                "aws:principalorgid",
                "aws:principalorgpaths",
                "aws:principalaccount",
                "aws:principalarn",
                "lambda:eventsourcetoken",
            ];
            if !binds || !narrows.contains(&key.as_str()) {
                continue;
            }
            let accounts = values.iter().map(|value| match value.starts_with("arn:") {
                true => account_of(value).unwrap_or_default(),
                false => value.as_str(),
            });
            // `*` and `arn:aws:sns:*:*:*` name nobody; S3's ARNs have no account.
            let names_nobody = |value: &String| {
                value == "*"
                    || (value.starts_with("arn:")
                        && value.split(':').skip(4).all(|part| part == "*"))
            };
            if values.is_empty() || values.iter().any(names_nobody) {
                continue;
            }
            bounds.is_narrowed = true;
            let named = accounts.filter(|account| {
                account.len() == 12
                    && account.bytes().all(|b| b.is_ascii_digit())
                    && *account != own
            });
            bounds.outsiders.extend(named.map(str::to_owned));
        }
        bounds
    }
}

#[cfg(test)]
mod tests {
    use crate::canned::{FUNCTION, Pieces, ordinary};
    use crate::findings::tests::found;
    use evidence::Severity;
    use serde_json::{Value, json};

    const RULE: &str = "open-resource-policy";

    fn with(principal: Value, action: &str, condition: Value) -> Pieces {
        ordinary().permitted(
            json!({"Sid": "door", "Effect": "Allow", "Principal": principal, "Action": action,
            "Resource": FUNCTION, "Condition": condition}),
        )
    }

    #[test]
    fn everybody_another_account_and_its_resources_are_high_if_they_are_new() {
        for (principal, condition) in [
            (json!("*"), json!({})),
            (
                json!({"AWS": "*"}),
                json!({"Bool": {"aws:SecureTransport": "true"}}),
            ),
            (
                json!("*"),
                json!({"StringEqualsIfExists": {"aws:SourceAccount": "111122223333"}}),
            ),
            (
                json!("*"),
                json!({"StringNotEquals": {"aws:SourceAccount": "111122223333"}}),
            ),
            (
                json!("*"),
                json!({"ArnLike": {"aws:SourceArn": "arn:aws:sns:*:*:*"}}),
            ),
            (
                json!("*"),
                json!({"StringEquals": {"lambda:FunctionUrlAuthType": "NONE"}}),
            ),
            (json!({"AWS": "arn:aws:iam::999999999999:root"}), json!({})),
            (json!({"AWS": ["111122223333", "999999999999"]}), json!({})),
            (
                json!({"Service": "sns.amazonaws.com"}),
                json!({"ArnLike": {"aws:SourceArn": "arn:aws:sns:eu-west-1:999999999999:t"}}),
            ),
            (
                json!({"Service": "s3.amazonaws.com"}),
                json!({"StringEquals": {"aws:SourceAccount": "999999999999"}}),
            ),
        ] {
            let now = with(
                principal.clone(),
                "lambda:InvokeFunction",
                condition.clone(),
            );
            assert_eq!(
                found(RULE, &now, Some(&ordinary())),
                [Severity::High],
                "{principal} {condition}"
            );
            assert!(found(RULE, &now, None)[0] >= Severity::Low, "{principal}");
            assert_eq!(
                found(RULE, &now, Some(&now)),
                [Severity::Info],
                "{principal}"
            );
        }
    }

    #[test]
    fn who_may_change_the_function_from_outside_is_critical() {
        for action in [
            "lambda:UpdateFunctionCode",
            "lambda:*",
            "*",
            "lambda:AddPermission",
        ] {
            let now = with(json!({"AWS": "999999999999"}), action, json!({}));
            assert_eq!(found(RULE, &now, None), [Severity::Critical], "{action}");
        }
    }

    #[test]
    fn the_account_itself_its_organisation_and_services_of_its_resources_are_nothing() {
        for (principal, condition) in [
            (json!({"AWS": "arn:aws:iam::111122223333:root"}), json!({})),
            (
                json!("*"),
                json!({"StringEquals": {"aws:PrincipalOrgID": "o-1"}}),
            ),
            (
                json!("*"),
                json!({"ArnLike": {"aws:SourceArn": "arn:aws:s3:::uploads"}}),
            ),
            (
                json!({"Service": "apigateway.amazonaws.com"}),
                json!({"ArnLike": {"aws:SourceArn": "arn:aws:execute-api:eu-west-1:111122223333:a/*/GET/"}}),
            ),
            (
                json!({"Service": "s3.amazonaws.com"}),
                json!({"StringEquals": {"aws:SourceAccount": "111122223333"}}),
            ),
            (json!({"Service": "apigateway.amazonaws.com"}), json!({})),
        ] {
            let now = with(principal.clone(), "lambda:InvokeFunction", condition);
            assert_eq!(found(RULE, &now, Some(&ordinary())), [], "{principal}");
        }
    }
}
