//! A function that was stopped, or that may run without the limit it had.

use super::{Look, Noticed, Rule, proof};
use evidence::{Confidence, Severity};

pub(super) const RULE: Rule = Rule {
    id: "concurrency-changed",
    technique: "T1489",
    advice: "Set the reserved concurrency back; 0 stops every call, and no limit lets a loop or a miner take the whole account's share.",
    look,
};

fn look(look: &Look<'_>) -> Vec<Noticed> {
    let Some(now) = look.now.concurrency.value() else {
        return Vec::new();
    };
    let before = look.before.and_then(|before| before.concurrency.value());
    let was = before.map(|before| before.reserved);
    let (statement, severity) = match (was, now.reserved) {
        (Some(Some(0)) | None, Some(0)) => (
            "The function is stopped: nothing may run".to_owned(),
            Severity::Info,
        ),
        (Some(_), Some(0)) => (
            "The function was stopped: nothing may run".to_owned(),
            Severity::Medium,
        ),
        (Some(Some(was)), None) if was > 0 => (
            format!("At most {was} could run at a time; there is no such limit any more"),
            Severity::Low,
        ),
        (Some(Some(was)), Some(is)) if was > 0 && is >= was.saturating_mul(10) => (
            format!("At most {was} could run at a time, and {is} now"),
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
    use crate::canned::{Pieces, ordinary};
    use crate::findings::tests::found;
    use evidence::{ArtifactKind, Severity};
    use serde_json::{Value, json};

    const RULE: &str = "concurrency-changed";

    fn with(reply: Value) -> Pieces {
        ordinary().answered(
            ArtifactKind::Concurrency,
            "lambda:GetFunctionConcurrency",
            reply,
        )
    }

    #[test]
    fn stopped_is_medium_and_unlimited_is_low() {
        let stopped = with(json!({"ReservedConcurrentExecutions": 0}));
        assert_eq!(found(RULE, &stopped, Some(&ordinary())), [Severity::Medium]);
        assert_eq!(found(RULE, &stopped, None), [Severity::Info]);
        assert_eq!(
            found(RULE, &with(json!({})), Some(&ordinary())),
            [Severity::Low]
        );
    }

    #[test]
    fn a_little_more_or_less_is_nothing() {
        let more = with(json!({"ReservedConcurrentExecutions": 40}));
        assert_eq!(found(RULE, &more, Some(&ordinary())), []);
        assert_eq!(found(RULE, &with(json!({})), None), []);
    }
}
