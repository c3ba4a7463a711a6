//! A role that may do more than before, another role, or a role that may do nearly everything.

use super::{Look, Noticed, Rule, proof, statement_is_new};
use crate::model::{Role, Snapshot};
use crate::policy::{Policy, Statement};
use crate::reading::Reading;
use evidence::{Confidence, Severity};

pub(super) const RULE: Rule = Rule {
    id: "role-widened",
    technique: "T1098.003",
    advice: "Take the permission back, end the role's sessions, and look through what the role did since.",
    look,
};

/// Policies of AWS's own that allow nearly everything, or to give oneself everything.
const POWERFUL: [&str; 4] = [
    "AdministratorAccess",
    "PowerUserAccess",
    "IAMFullAccess",
    "AWSLambda_FullAccess",
];

/// The same of Google's roles.
const POWERFUL_AT_GOOGLE: [&str; 6] = [
    "editor",
    "iam.securityAdmin",
    "iam.serviceAccountTokenCreator",
    "iam.serviceAccountUser",
    "owner",
    "resourcemanager.projectIamAdmin",
];

fn look(look: &Look<'_>) -> Vec<Noticed> {
    let mut noticed = Vec::new();
    if let (Some(before), Some(now)) = (look.settings_before(), look.now.settings_now())
        && let (Some(was), Some(is)) = (&before.role, &now.role)
        && was != is
    {
        noticed.push(Noticed {
            statement: format!("The function runs as another role: {is} in place of {was}"),
            severity: Severity::High,
            confidence: Confidence::High,
            proof: proof(&now.place, "/Role", Some(is)),
        });
    }
    let Some(role) = look.now.role_now() else {
        return noticed;
    };
    let before = look.before.and_then(Snapshot::role_now);
    let old: Option<Vec<&Policy>> = before.map(policies);
    for arn in role
        .attached
        .value()
        .into_iter()
        .flat_map(|attached| attached.keys())
    {
        let name = arn.rsplit('/').next().unwrap_or(arn);
        let is_powerful = match arn.strip_prefix("roles/") {
            Some(role) => POWERFUL_AT_GOOGLE.contains(&role),
            None => arn.contains(":aws:policy/") && POWERFUL.contains(&name),
        };
        if !is_powerful {
            continue;
        }
        let had = before.and_then(|before| before.attached.value());
        let had = had.map(|attached| attached.contains_key(arn));
        let (what, severity) = match had {
            Some(true) => ("carries, as before,", Severity::Info),
            Some(false) => ("was given", Severity::Critical),
            None => ("carries", Severity::Low),
        };
        noticed.push(Noticed {
            statement: format!("The role {what} {arn}"),
            severity,
            confidence: Confidence::High,
            proof: proof(&role.place, "", Some(&role.arn)),
        });
    }
    for statement in policies(role).into_iter().flat_map(Policy::allowing) {
        let power = power(statement);
        let is_new = old.as_ref().map(|old| {
            old.iter()
                .all(|policy| statement_is_new(statement, Some(policy)))
        });
        // What a role that nobody recorded may do is a matter of order, not of an attack.
        let (since, severity) = match (is_new, power) {
            (Some(false), _) | (None, Power::Some) => continue,
            (None, _) => ("", Severity::Low),
            (Some(true), Power::Everything) => (" since it was recorded", Severity::Critical),
            (Some(true), Power::Itself) => (" since it was recorded", Severity::High),
            (Some(true), Power::Wide) => (" since it was recorded", Severity::Medium),
            (Some(true), Power::Some) => (" since it was recorded", Severity::Low),
        };
        noticed.push(Noticed {
            statement: format!("The role may do more{since}: {}", statement.told(200)),
            severity,
            confidence: Confidence::High,
            proof: proof(&statement.place, "", Some(&statement.told(160))),
        });
    }
    if let Some(before) = before
        && let (Some(Some(was)), Some(is)) = (before.boundary.value(), role.boundary.value())
        && is.as_ref() != Some(was)
    {
        noticed.push(Noticed {
            statement: format!("The role's boundary {was} was taken off or replaced"),
            severity: Severity::High,
            confidence: Confidence::High,
            proof: proof(&role.place, "", None),
        });
    }
    noticed
}

/// The documents that say what a role may do, as far as they could be read.
fn policies(role: &Role) -> Vec<&Policy> {
    [&role.inline, &role.attached]
        .into_iter()
        .filter_map(Reading::value)
        .flat_map(|policies| policies.values().filter_map(Reading::value))
        .collect()
}

/// How much a statement gives.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Power {
    Everything,
    /// The means to give oneself more.
    Itself,
    Wide,
    Some,
}

fn power(statement: &Statement) -> Power {
    let anything = statement.resources.iter().any(|resource| resource == "*")
        || !statement.not_resources.is_empty();
    let of = |wanted: &str| {
        statement
            .actions
            .iter()
            .any(|action| match action.strip_suffix('*') {
                Some(begin) => wanted.starts_with(begin),
                None => action == wanted,
            })
    };
    let all = statement
        .actions
        .iter()
        .any(|action| ["*", "*:*"].contains(&action.as_str()));
    if (all || !statement.not_actions.is_empty()) && anything {
        return Power::Everything;
    }
    let steps = [
        "iam:passrole",
        "iam:createaccesskey",
        "iam:attachrolepolicy",
        "iam:putrolepolicy",
        "iam:createpolicyversion",
        "iam:updateassumerolepolicy",
        "lambda:updatefunctioncode",
        "sts:assumerole",
    ];
    if all || (anything && steps.iter().any(|step| of(step))) {
        return Power::Itself;
    }
    let whole_service = statement
        .actions
        .iter()
        .any(|action| action.ends_with(":*"));
    if whole_service && anything {
        return Power::Wide;
    }
    Power::Some
}

#[cfg(test)]
mod tests {
    use crate::canned::{Pieces, ordinary};
    use crate::findings::tests::found;
    use evidence::Severity;
    use serde_json::json;

    const RULE: &str = "role-widened";

    fn may(action: &str, resource: &str) -> Pieces {
        ordinary().role_may(json!([{"Effect": "Allow", "Action": action, "Resource": resource}]))
    }

    #[test]
    fn the_more_it_gives_the_worse() {
        for (action, resource, severity) in [
            ("*", "*", Severity::Critical),
            ("iam:PassRole", "*", Severity::High),
            ("iam:*", "*", Severity::High),
            ("sts:AssumeRole", "*", Severity::High),
            ("s3:*", "*", Severity::Medium),
            ("s3:GetObject", "arn:aws:s3:::a/*", Severity::Low),
        ] {
            let now = may(action, resource);
            assert_eq!(found(RULE, &now, Some(&ordinary())), [severity], "{action}");
            assert_eq!(found(RULE, &now, Some(&now)), [], "{action}");
            assert!(
                found(RULE, &now, None).iter().all(|s| *s <= Severity::Low),
                "{action}"
            );
        }
    }

    #[test]
    fn administrator_access_that_was_attached_is_critical() {
        let now = ordinary().attached("arn:aws:iam::aws:policy/AdministratorAccess");
        assert_eq!(found(RULE, &now, Some(&ordinary())), [Severity::Critical]);
        assert_eq!(found(RULE, &now, Some(&now)), [Severity::Info]);
    }

    #[test]
    fn another_role_is_high() {
        let now = ordinary().configured(json!({"Role": "arn:aws:iam::111122223333:role/admin"}));
        assert_eq!(found(RULE, &now, Some(&ordinary())), [Severity::High]);
    }

    #[test]
    fn the_same_role_and_less_than_before_are_nothing() {
        assert_eq!(found(RULE, &ordinary(), Some(&ordinary())), []);
        let less = ordinary().role_may(json!([]));
        assert_eq!(found(RULE, &less, Some(&ordinary())), []);
        assert_eq!(found(RULE, &ordinary(), None), []);
    }
}
