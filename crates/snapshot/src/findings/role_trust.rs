//! A role that others than the function's service may become.

use super::{Look, Noticed, Rule, account_of, is_everybody, proof, statement_is_new};
use evidence::{Confidence, Severity};

pub(super) const RULE: Rule = Rule {
    id: "role-trusts-others",
    technique: "T1098.003",
    advice: "Take the statement out of the role's trust policy, and look in the audit trail for AssumeRole calls that used it.",
    look,
};

fn look(look: &Look<'_>) -> Vec<Noticed> {
    let (Some(role), Some(own)) = (look.now.role_now(), look.now.account.as_deref()) else {
        return Vec::new();
    };
    let before = look.before.and_then(|before| before.role_now());
    let before = before.and_then(|role| role.trust.value());
    let mut noticed = Vec::new();
    for statement in role
        .trust
        .value()
        .into_iter()
        .flat_map(|trust| trust.allowing())
    {
        let is_new = before.map(|before| statement_is_new(statement, Some(before)));
        let names = statement.principals.iter();
        let strangers = names.clone().filter(|who| match who.kind.as_str() {
            "Service" => false,
            "AWS" => account_of(&who.name).unwrap_or(&who.name) != own,
            "Google" => is_everybody(&who.name),
            _ => true,
        });
        let strangers = strangers.count() + statement.not_principals.len();
        let own_people = names.filter(|who| ["AWS", "Google"].contains(&who.kind.as_str()));
        let own_people = own_people.count();
        let bound = !statement.conditions.is_empty();
        let severity = match (is_new, strangers > 0, own_people > 0) {
            (_, false, false) => continue,
            (Some(false), ..) => Severity::Info,
            (Some(true), true, _) => Severity::Critical,
            (Some(true), false, _) => Severity::High,
            (None, true, _) if !bound => Severity::Medium,
            (None, ..) => Severity::Info,
        };
        let since = match is_new {
            Some(true) => " since it was recorded",
            Some(false) => ", as before",
            None => "",
        };
        noticed.push(Noticed {
            statement: format!(
                "The role can be taken by others than the function{since}: {}",
                statement.told(200)
            ),
            severity,
            confidence: Confidence::High,
            proof: proof(&statement.place, "", Some(&statement.told(160))),
        });
    }
    noticed
}

#[cfg(test)]
mod tests {
    use crate::canned::{Pieces, ordinary};
    use crate::findings::tests::found;
    use evidence::Severity;
    use serde_json::{Value, json};

    const RULE: &str = "role-trusts-others";

    fn trusting(principal: Value) -> Pieces {
        ordinary().role_trusts(json!([
            {"Effect": "Allow", "Principal": {"Service": "lambda.amazonaws.com"}, "Action": "sts:AssumeRole"},
            {"Effect": "Allow", "Principal": principal, "Action": "sts:AssumeRole"}]))
    }

    #[test]
    fn a_new_stranger_is_critical_and_somebody_of_the_account_is_high() {
        for (who, severity) in [
            (json!("*"), Severity::Critical),
            (
                json!({"AWS": "arn:aws:iam::999999999999:root"}),
                Severity::Critical,
            ),
            (
                json!({"Federated": "accounts.google.com"}),
                Severity::Critical,
            ),
            (
                json!({"AWS": "arn:aws:iam::111122223333:user/mallory"}),
                Severity::High,
            ),
        ] {
            let now = trusting(who.clone());
            assert_eq!(found(RULE, &now, Some(&ordinary())), [severity], "{who}");
            assert_eq!(found(RULE, &now, Some(&now)), [Severity::Info], "{who}");
        }
    }

    #[test]
    fn services_are_nothing() {
        let now =
            trusting(json!({"Service": ["edgelambda.amazonaws.com", "scheduler.amazonaws.com"]}));
        assert_eq!(found(RULE, &now, Some(&ordinary())), []);
        assert_eq!(found(RULE, &ordinary(), None), []);
    }
}
