//! A function URL that anybody may call.

use super::{Look, Noticed, Rule, proof};
use evidence::{Confidence, Severity};

pub(super) const RULE: Rule = Rule {
    id: "public-function-url",
    technique: "T1133",
    advice: "Unless the function is meant for everybody, set AuthType to AWS_IAM or delete the URL, and look for calls through it in the logs.",
    look,
};

fn look(look: &Look<'_>) -> Vec<Noticed> {
    let before = look.before.and_then(|before| before.urls.value());
    let mut noticed = Vec::new();
    for (qualifier, url) in look.now.urls.value().into_iter().flatten() {
        if url.auth.as_deref() != Some("NONE") {
            continue;
        }
        let of = match qualifier.as_str() {
            "" => "the function".to_owned(),
            alias => format!("the alias {alias}"),
        };
        let old = before.map(|before| before.get(qualifier).map(|old| old.auth.as_deref()));
        let (what, severity) = match old {
            Some(Some(Some("NONE"))) => ("can be called by anybody, as before", Severity::Info),
            Some(Some(_)) => (
                "can be called by anybody now, and could not before",
                Severity::High,
            ),
            Some(None) => ("was added and can be called by anybody", Severity::High),
            None => ("can be called by anybody", Severity::Medium),
        };
        noticed.push(Noticed {
            statement: format!("The URL of {of} {what}"),
            severity,
            confidence: Confidence::High,
            proof: proof(&url.place, "/AuthType", Some("NONE")),
        });
    }
    noticed
}

#[cfg(test)]
mod tests {
    use crate::canned::{FUNCTION, Pieces, ordinary};
    use crate::findings::tests::found;
    use evidence::{ArtifactKind, Severity};
    use serde_json::json;

    const RULE: &str = "public-function-url";

    fn with(auth: &str) -> Pieces {
        ordinary().answered(
            ArtifactKind::UrlConfig,
            "lambda:ListFunctionUrlConfigs",
            json!({"FunctionUrlConfigs": [{"FunctionArn": FUNCTION, "AuthType": auth}]}),
        )
    }

    #[test]
    fn one_without_authentication_is_high_if_it_is_new() {
        assert_eq!(
            found(RULE, &with("NONE"), Some(&ordinary())),
            [Severity::High]
        );
        assert_eq!(found(RULE, &with("NONE"), None), [Severity::Medium]);
        assert_eq!(
            found(RULE, &with("NONE"), Some(&with("NONE"))),
            [Severity::Info]
        );
    }

    #[test]
    fn one_with_authentication_is_nothing() {
        assert_eq!(found(RULE, &with("AWS_IAM"), Some(&ordinary())), []);
    }
}
