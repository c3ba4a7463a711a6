//! Code that had to be signed and need not be any more.

use super::{Look, Noticed, Rule, proof};
use evidence::{Confidence, Severity};

pub(super) const RULE: Rule = Rule {
    id: "code-signing-off",
    technique: "T1553.006",
    advice: "Put the code-signing configuration back and compare the deployed code with the last signed build.",
    look,
};

fn look(look: &Look<'_>) -> Vec<Noticed> {
    let Some(now) = look.now.signing.value() else {
        return Vec::new();
    };
    let before = look.before.and_then(|before| before.signing.value());
    let noticed = |statement: &str, severity, proof| {
        vec![Noticed {
            statement: statement.to_owned(),
            severity,
            confidence: Confidence::High,
            proof,
        }]
    };
    match (before, now) {
        (Some(Some(_)), None) => noticed(
            "Code had to be signed and need not be any more: the configuration was taken off",
            Severity::High,
            look.now
                .settings_now()
                .map_or_else(Vec::new, |settings| proof(&settings.place, "", None)),
        ),
        (before, Some(now)) if now.policy.as_deref() == Some("Warn") => {
            let pointer = "/CodeSigningConfig/CodeSigningPolicies/UntrustedArtifactOnDeployment";
            let evidence = proof(&now.place, pointer, Some("Warn"));
            let was = before.and_then(|before| before.as_ref()?.policy.as_deref());
            match was {
                Some("Enforce") => noticed(
                    "Code that is not signed is only warned about now, and was refused before",
                    Severity::High,
                    evidence,
                ),
                _ => noticed(
                    "Code that is not signed is only warned about",
                    Severity::Info,
                    evidence,
                ),
            }
        }
        (Some(Some(was)), Some(now)) => match (&was.publishers, &now.publishers) {
            (Some(was), Some(is)) if is.iter().any(|publisher| !was.contains(publisher)) => {
                noticed(
                    "Signatures of further publishers are taken",
                    Severity::Medium,
                    proof(&now.place, "/CodeSigningConfig/AllowedPublishers", None),
                )
            }
            _ => Vec::new(),
        },
        _ => Vec::new(),
    }
}

#[cfg(test)]
mod tests {
    use crate::canned::{Pieces, ordinary};
    use crate::findings::tests::found;
    use evidence::{ArtifactKind, Severity};
    use serde_json::{Value, json};

    const RULE: &str = "code-signing-off";

    fn with(call: &str, reply: Value) -> Pieces {
        ordinary().answered(ArtifactKind::CodeSigningConfig, call, reply)
    }

    fn policy(policy: &str, publishers: Value) -> Pieces {
        with(
            "lambda:GetCodeSigningConfig",
            json!({"CodeSigningConfig": {"AllowedPublishers": {"SigningProfileVersionArns": publishers}, "CodeSigningPolicies": {"UntrustedArtifactOnDeployment": policy}}}),
        )
    }

    #[test]
    fn taken_off_or_loosened_is_high() {
        let off = with(
            "lambda:GetFunctionCodeSigningConfig",
            json!({"FunctionName": "billing"}),
        );
        assert_eq!(found(RULE, &off, Some(&ordinary())), [Severity::High]);
        assert_eq!(
            found(RULE, &policy("Warn", json!([])), Some(&ordinary())),
            [Severity::High]
        );
        let mallory = policy(
            "Enforce",
            json!(["arn:aws:signer:eu-west-1:999999999999:/signing-profiles/p/v"]),
        );
        assert_eq!(found(RULE, &mallory, Some(&ordinary())), [Severity::Medium]);
    }

    #[test]
    fn never_on_is_nothing_and_a_mere_warning_is_info() {
        let off = with(
            "lambda:GetFunctionCodeSigningConfig",
            json!({"FunctionName": "billing"}),
        );
        assert_eq!(found(RULE, &off, Some(&off)), []);
        assert_eq!(found(RULE, &off, None), []);
        assert_eq!(
            found(RULE, &policy("Warn", json!([])), None),
            [Severity::Info]
        );
        assert_eq!(found(RULE, &ordinary(), Some(&ordinary())), []);
    }
}
