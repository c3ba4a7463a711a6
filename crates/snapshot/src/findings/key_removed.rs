//! An environment that was under a key of the account's and is not any more.

use super::{Look, Noticed, Rule, proof};
use evidence::{Confidence, Severity};

pub(super) const RULE: Rule = Rule {
    id: "environment-key-removed",
    technique: "T1600",
    advice: "Put the key back, and take the secrets in the environment as known to whoever may read the configuration.",
    look,
};

fn look(look: &Look<'_>) -> Vec<Noticed> {
    let (Some(before), Some(now)) = (look.settings_before(), look.now.settings_now()) else {
        return Vec::new();
    };
    let (statement, severity) = match (&before.key, &now.key) {
        (Some(was), None) => (
            format!(
                "The environment is no longer under the key {was}: whoever may read the settings reads it"
            ),
            Severity::Medium,
        ),
        (Some(was), Some(is)) if was != is => (
            format!("The environment is under the key {is} and no longer under {was}"),
            Severity::Low,
        ),
        _ => return Vec::new(),
    };
    vec![Noticed {
        statement,
        severity,
        confidence: Confidence::High,
        proof: proof(&now.place, "", None),
    }]
}

#[cfg(test)]
mod tests {
    use crate::canned::ordinary;
    use crate::findings::tests::found;
    use evidence::Severity;
    use serde_json::json;

    #[test]
    fn a_key_that_was_taken_off_is_medium() {
        let now = ordinary().configured(json!({ "KMSKeyArn": null }));
        assert_eq!(
            found("environment-key-removed", &now, Some(&ordinary())),
            [Severity::Medium]
        );
    }

    #[test]
    fn never_a_key_is_nothing() {
        let now = ordinary().configured(json!({ "KMSKeyArn": null }));
        assert_eq!(found("environment-key-removed", &now, Some(&now)), []);
        assert_eq!(found("environment-key-removed", &now, None), []);
    }
}
