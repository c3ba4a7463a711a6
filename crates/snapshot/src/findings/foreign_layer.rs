//! A layer out of an account that is neither the function's nor known: its owner runs code in here.

use super::{Look, Noticed, Rule, account_of, proof};
use evidence::{Confidence, Severity};

pub(super) const RULE: Rule = Rule {
    id: "foreign-layer",
    technique: "T1195.002",
    advice: "Find out whose account it is; examine the layer's bytes, and take the layer off unless somebody answers for it.",
    look,
};

/// Accounts that publish layers to everybody, as their publishers' documentation names them.
const PUBLISHERS: [(&str, &str); 24] = [
    ("017000801446", "Powertools for AWS Lambda"),
    ("580247275435", "Lambda Insights"),
    ("901920570463", "AWS Distro for OpenTelemetry"),
    ("615299751070", "AWS Distro for OpenTelemetry"),
    ("336392948345", "AWS SDK for pandas"),
    ("668099181075", "AWS's SciPy layer"),
    ("753240598075", "AWS Lambda Web Adapter"),
    ("177933569100", "AWS Parameters and Secrets extension"),
    ("015030872274", "AWS Parameters and Secrets extension"),
    ("187925254637", "AWS Parameters and Secrets extension"),
    ("027255383542", "AWS AppConfig extension"),
    ("434848589818", "AWS AppConfig extension"),
    ("066940009817", "AWS AppConfig extension"),
    ("590474943231", "AWS Parameters and Secrets extension"),
    ("997803712105", "AWS Parameters and Secrets extension"),
    ("345057560386", "AWS Parameters and Secrets extension"),
    ("200266452380", "AWS Parameters and Secrets extension"),
    ("359756378197", "AWS AppConfig extension"),
    ("728743619870", "AWS AppConfig extension"),
    ("282860088358", "AWS AppConfig extension"),
    ("039592058896", "AWS AppConfig extension"),
    ("184161586896", "OpenTelemetry"),
    ("464622532012", "Datadog"),
    ("451483290750", "New Relic"),
];

fn look(look: &Look<'_>) -> Vec<Noticed> {
    let (Some(layers), Some(own)) = (look.now.layers.value(), &look.now.account) else {
        return Vec::new();
    };
    let before = look.before.and_then(|before| before.layers.value());
    let mut noticed = Vec::new();
    for layer in layers {
        let Some(account) = account_of(&layer.arn).filter(|account| account != own) else {
            continue;
        };
        let publisher = PUBLISHERS.iter().find(|(known, _)| *known == account);
        let (statement, severity) = match (publisher, before) {
            (Some((_, publisher)), _) => (
                format!("The layer {} is published by {publisher}", layer.arn),
                Severity::Info,
            ),
            (None, Some(before)) => {
                let known = before
                    .iter()
                    .any(|old| account_of(&old.arn) == Some(account));
                if known {
                    (
                        format!("The layer {} is of account {account}, as before", layer.arn),
                        Severity::Info,
                    )
                } else {
                    (
                        format!(
                            "The layer {} of the unknown account {account} was added",
                            layer.arn
                        ),
                        Severity::High,
                    )
                }
            }
            (None, None) => (
                format!("The layer {} is of an account that is not known", layer.arn),
                Severity::Low,
            ),
        };
        noticed.push(Noticed {
            statement,
            severity,
            confidence: Confidence::High,
            proof: proof(&layer.place, "", Some(&layer.arn)),
        });
    }
    noticed
}

#[cfg(test)]
mod tests {
    use crate::canned::{Pieces, ordinary};
    use crate::findings::tests::found;
    use evidence::Severity;
    use serde_json::json;

    const RULE: &str = "foreign-layer";

    fn with(account: &str) -> Pieces {
        let arn = format!("arn:aws:lambda:eu-west-1:{account}:layer:tools:1");
        ordinary().configured(json!({"Layers": [{"Arn": arn}]}))
    }

    #[test]
    fn one_of_an_unknown_account_is_high_if_it_is_new() {
        assert_eq!(
            found(RULE, &with("999999999999"), Some(&ordinary())),
            [Severity::High]
        );
        assert_eq!(found(RULE, &with("999999999999"), None), [Severity::Low]);
        let same = with("999999999999");
        assert_eq!(found(RULE, &same, Some(&same)), [Severity::Info]);
    }

    #[test]
    fn one_of_the_functions_account_is_nothing_and_one_of_aws_is_info() {
        assert_eq!(found(RULE, &with("111122223333"), Some(&ordinary())), []);
        assert_eq!(
            found(RULE, &with("580247275435"), Some(&ordinary())),
            [Severity::Info]
        );
    }
}
