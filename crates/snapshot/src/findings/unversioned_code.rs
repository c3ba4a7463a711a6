//! Code that was changed past the versions that the function publishes.

use super::{Look, Noticed, Rule, proof};
use evidence::{Confidence, Severity};

pub(super) const RULE: Rule = Rule {
    id: "unversioned-code",
    technique: "T1648",
    advice: "Ask who deployed it: read the difference of files, and deploy the last published version again if nobody answers.",
    look,
};

fn look(look: &Look<'_>) -> Vec<Noticed> {
    let code = |snapshot: &'_ crate::Snapshot| snapshot.code.value()?.clone();
    let (Some(before), Some(now)) = (look.before.and_then(code), code(look.now)) else {
        return Vec::new();
    };
    let (Some(was), Some(is)) = (before.digest(), now.digest()) else {
        return Vec::new();
    };
    if was == is {
        return Vec::new();
    }
    let versions = look.now.versions.value();
    let publishes = versions.is_some_and(|versions| !versions.is_empty());
    let is_published = versions.is_some_and(|versions| {
        versions
            .values()
            .any(|version| version.sha256.as_ref() == Some(is))
    });
    let (statement, severity) = match (publishes, is_published) {
        // Every upload of a Worker makes a version.
        _ if look.now.is_worker() => ("The code was changed", Severity::Low),
        (true, false) => (
            "The code was changed and no version of it was published, though the function has versions",
            Severity::Medium,
        ),
        (true, true) => (
            "The code was changed and a version of it was published",
            Severity::Info,
        ),
        (false, _) => ("The code was changed", Severity::Low),
    };
    vec![Noticed {
        statement: statement.to_owned(),
        severity,
        confidence: Confidence::High,
        proof: proof(&now.place, "", Some(&format!("sha256 {is}, before {was}"))),
    }]
}

#[cfg(test)]
mod tests {
    use crate::canned::ordinary;
    use crate::findings::tests::found;
    use evidence::{ArtifactKind, Severity, Sha256Digest};
    use serde_json::json;

    const RULE: &str = "unversioned-code";

    #[test]
    fn code_past_the_versions_is_medium() {
        let now = ordinary().deployed("new code");
        assert_eq!(found(RULE, &now, Some(&ordinary())), [Severity::Medium]);
    }

    #[test]
    fn a_published_version_of_it_is_info_and_the_same_code_is_nothing() {
        let digest = Sha256Digest::of("new code").to_base64();
        let now = ordinary().deployed("new code").answered(
            ArtifactKind::Versions,
            "lambda:ListVersionsByFunction",
            json!({"Versions": [{"Version": "3", "CodeSha256": digest}]}),
        );
        assert_eq!(found(RULE, &now, Some(&ordinary())), [Severity::Info]);
        assert_eq!(found(RULE, &ordinary(), Some(&ordinary())), []);
        assert_eq!(found(RULE, &ordinary().deployed("new"), None), []);
    }
}
