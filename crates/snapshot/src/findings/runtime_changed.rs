//! Another runtime, another kind of package, another instruction set.

use super::{Look, Noticed, Rule, proof};
use evidence::{Confidence, Severity};

pub(super) const RULE: Rule = Rule {
    id: "runtime-changed",
    technique: "T1648",
    advice: "Ask who moved the function: a runtime of one's own (provided) runs any program that lies in the package.",
    look,
};

fn look(look: &Look<'_>) -> Vec<Noticed> {
    let (Some(before), Some(now)) = (look.settings_before(), look.now.settings_now()) else {
        return Vec::new();
    };
    let mut noticed = Vec::new();
    let mut told = |what: &str, was: &str, is: &str, severity, field: &str| {
        if was != is {
            noticed.push(Noticed {
                statement: format!("The {what} was changed from {was} to {is}"),
                severity,
                confidence: Confidence::High,
                proof: proof(&now.place, field, Some(is)),
            });
        }
    };
    let of = |runtime: &Option<String>| runtime.clone().unwrap_or_else(|| "none".to_owned());
    let (was, is) = (of(&before.runtime), of(&now.runtime));
    // python3.11 to python3.12 is an ordinary update.
    let severity = if language(&was) == language(&is) {
        Severity::Info
    } else {
        Severity::Medium
    };
    told("runtime", &was, &is, severity, "/Runtime");
    let of = |package: &Option<String>| package.clone().unwrap_or_else(|| "Zip".to_owned());
    let (was, is) = (of(&before.package_type), of(&now.package_type));
    told(
        "kind of package",
        &was,
        &is,
        Severity::Medium,
        "/PackageType",
    );
    noticed
}

fn language(runtime: &str) -> &str {
    let end = runtime.find(|c: char| !c.is_ascii_alphabetic());
    runtime
        .get(..end.unwrap_or(runtime.len()))
        .unwrap_or(runtime)
}

#[cfg(test)]
mod tests {
    use crate::canned::ordinary;
    use crate::findings::tests::found;
    use evidence::Severity;
    use serde_json::json;

    #[test]
    fn another_language_is_medium() {
        let now = ordinary().configured(json!({"Runtime": "provided.al2023"}));
        assert_eq!(
            found("runtime-changed", &now, Some(&ordinary())),
            [Severity::Medium]
        );
    }

    #[test]
    fn a_newer_release_is_info_and_the_same_is_nothing() {
        let now = ordinary().configured(json!({"Runtime": "python3.13"}));
        assert_eq!(
            found("runtime-changed", &now, Some(&ordinary())),
            [Severity::Info]
        );
        assert_eq!(found("runtime-changed", &now, Some(&now)), []);
    }
}
