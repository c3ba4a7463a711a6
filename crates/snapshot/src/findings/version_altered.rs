//! A published version that is not what it was: versions cannot be changed, so one record lies.

use super::{Look, Noticed, Rule};
use evidence::{Confidence, Severity};

pub(super) const RULE: Rule = Rule {
    id: "version-altered",
    technique: "T1565.001",
    advice: "Compare the version's bytes in the vault with both digests; find out whether the function was deleted and made anew under its name.",
    look,
};

fn look(look: &Look<'_>) -> Vec<Noticed> {
    let before = look.before.and_then(|before| before.versions.value());
    let (Some(before), Some(now)) = (before, look.now.versions.value()) else {
        return Vec::new();
    };
    let altered = now.iter().filter(|(number, version)| {
        let was = before.get(*number).and_then(|was| was.sha256);
        matches!((was, version.sha256), (Some(was), Some(is)) if was != is)
    });
    altered
        .map(|(number, _)| Noticed {
            statement: format!("The published version {number} has other code than it had"),
            severity: Severity::Critical,
            confidence: Confidence::High,
            proof: Vec::new(),
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use crate::canned::{Pieces, ordinary};
    use crate::findings::tests::found;
    use evidence::{ArtifactKind, Severity, Sha256Digest};
    use serde_json::json;

    fn with(number: &str) -> Pieces {
        let digest = Sha256Digest::of("other").to_base64();
        ordinary().answered(
            ArtifactKind::Versions,
            "lambda:ListVersionsByFunction",
            json!({"Versions": [{"Version": number, "CodeSha256": digest}]}),
        )
    }

    #[test]
    fn other_code_under_an_old_number_is_critical() {
        assert_eq!(
            found("version-altered", &with("2"), Some(&ordinary())),
            [Severity::Critical]
        );
    }

    #[test]
    fn a_new_number_is_nothing() {
        assert_eq!(found("version-altered", &with("3"), Some(&ordinary())), []);
        assert_eq!(found("version-altered", &with("2"), None), []);
    }
}
