//! An alias that sends calls, or a share of them, to other code than before.

use super::{Look, Noticed, Rule, proof};
use evidence::{Confidence, Severity};

pub(super) const RULE: Rule = Rule {
    id: "alias-diverted",
    technique: "T1648",
    advice: "Point the alias back, and examine the code of the version that it was pointed at.",
    look,
};

fn look(look: &Look<'_>) -> Vec<Noticed> {
    // A deployment elsewhere names its versions each time; a rule of its own looks at shares.
    if look.now.is_worker() || look.now.is_google() {
        return Vec::new();
    }
    let before = look.before.and_then(|before| before.aliases.value());
    let mut noticed = Vec::new();
    for (name, alias) in look.now.aliases.value().into_iter().flatten() {
        let old = before.and_then(|before| before.get(name));
        let mut note = |statement, severity, below: &str| {
            noticed.push(Noticed {
                statement,
                severity,
                confidence: Confidence::High,
                proof: proof(&alias.place, below, None),
            });
        };
        let known = look
            .now
            .versions
            .is_whole()
            .then(|| look.now.versions.value())
            .flatten();
        for (version, share) in &alias.weights {
            let is_published = known.is_none_or(|known| known.contains_key(version));
            let is_new = old.map(|old| old.weights.get(version) != Some(share));
            let statement =
                format!("The alias {name} sends a share of {share} to version {version}");
            match (is_published, is_new) {
                (false, _) => note(
                    format!("{statement}, which is not published"),
                    Severity::High,
                    "/RoutingConfig",
                ),
                (true, Some(true)) => note(
                    format!("{statement} since it was recorded"),
                    Severity::Medium,
                    "/RoutingConfig",
                ),
                _ => note(statement, Severity::Info, "/RoutingConfig"),
            }
        }
        let Some(old) = old.filter(|old| old.version != alias.version) else {
            continue;
        };
        let (was, is) = (&old.version, &alias.version);
        let number = |version: &str| version.parse::<u64>().ok();
        let (what, severity) = match (number(was), number(is)) {
            (Some(_), None) => ("to code that is not published", Severity::Medium),
            (Some(was), Some(is)) if is < was => ("back to older code", Severity::Low),
            _ => ("to newer code", Severity::Info),
        };
        note(
            format!("The alias {name} was pointed {what}: {is} in place of {was}"),
            severity,
            "/FunctionVersion",
        );
    }
    noticed
}

#[cfg(test)]
mod tests {
    use crate::canned::{Pieces, ordinary};
    use crate::findings::tests::found;
    use evidence::{ArtifactKind, Severity};
    use serde_json::json;

    const RULE: &str = "alias-diverted";

    fn with(version: &str, other: Option<&str>) -> Pieces {
        let weights = other.map(|other| json!({other: 0.05})).unwrap_or(json!({}));
        ordinary().answered(
            ArtifactKind::Aliases,
            "lambda:ListAliases",
            json!({"Aliases": [{"Name": "live", "FunctionVersion": version, "RoutingConfig": {"AdditionalVersionWeights": weights}}]}),
        )
    }

    #[test]
    fn a_share_for_other_code_or_code_that_is_not_published() {
        assert_eq!(
            found(RULE, &with("2", Some("1")), Some(&ordinary())),
            [Severity::Medium]
        );
        assert_eq!(found(RULE, &with("2", Some("9")), None), [Severity::High]);
        assert_eq!(
            found(RULE, &with("$LATEST", None), Some(&ordinary())),
            [Severity::Medium]
        );
        assert_eq!(
            found(RULE, &with("1", None), Some(&ordinary())),
            [Severity::Low]
        );
    }

    #[test]
    fn as_before_is_nothing_and_a_newer_version_is_info() {
        assert_eq!(found(RULE, &ordinary(), Some(&ordinary())), []);
        assert_eq!(
            found(RULE, &with("3", None), Some(&ordinary())),
            [Severity::Info]
        );
        assert_eq!(found(RULE, &with("2", Some("1")), None), [Severity::Info]);
    }
}
