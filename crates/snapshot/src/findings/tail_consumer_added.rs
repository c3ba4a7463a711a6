//! Somebody else gets what a Worker handles: every request, with its headers, and every line.

use super::{Look, Noticed, Rule, proof};
use crate::model::{LogGroup, Snapshot};
use evidence::{Confidence, Severity};

pub(super) const RULE: Rule = Rule {
    id: "tail-consumer-added",
    technique: "T1020",
    advice: "Take the receiver off unless somebody answers for it, read its code, and count what it was sent: cookies and tokens of users are among it.",
    look,
};

fn look(look: &Look<'_>) -> Vec<Noticed> {
    let Some(now) = observability(look.now) else {
        return Vec::new();
    };
    let before = look.before.and_then(observability);
    let before = before.and_then(|before| before.subscriptions.as_ref());
    let mut noticed = Vec::new();
    for name in now.subscriptions.iter().flat_map(|names| names.keys()) {
        let is_tail = name.starts_with("tail consumer ");
        let (since, severity) = match before.map(|before| before.contains_key(name)) {
            None => ("", Severity::Info),
            Some(true) => (", as before", Severity::Info),
            Some(false) if is_tail => (" since it was recorded", Severity::High),
            // Logpush and exports go where the account's owner set them up.
            Some(false) => (" since it was recorded", Severity::Medium),
        };
        let below = match name.as_str() {
            _ if is_tail => "/tail_consumers",
            "logpush" => "/logpush",
            _ => "/observability",
        };
        let statement = match is_tail {
            true => format!("Every request to the Worker is handed to the {name}{since}"),
            false => format!("What the Worker writes is sent on ({name}){since}"),
        };
        noticed.push(Noticed {
            statement,
            severity,
            confidence: Confidence::High,
            proof: proof(&now.place, below, Some(name)),
        });
    }
    noticed
}

/// Of a Worker only: who subscribes to a log group is another rule's.
fn observability(snapshot: &Snapshot) -> Option<&LogGroup> {
    let group = snapshot.log_group.value()?.as_ref();
    group.filter(|_| snapshot.is_worker())
}

#[cfg(test)]
mod tests {
    use crate::canned::{self, Pieces, worker};
    use crate::findings::tests::found;
    use evidence::{ArtifactKind, Outcome, Severity};
    use serde_json::json;

    const RULE: &str = "tail-consumer-added";

    fn with(consumer: &str) -> Pieces {
        worker().observed(json!({"tail_consumers": [{"service": consumer}]}))
    }

    #[test]
    fn one_that_came_since_is_high() {
        assert_eq!(
            found(RULE, &with("evil"), Some(&worker())),
            [Severity::High]
        );
        // In the place of another one, too.
        assert_eq!(
            found(RULE, &with("evil"), Some(&with("old"))),
            [Severity::High]
        );
    }

    #[test]
    fn logs_that_are_pushed_or_exported_since_are_medium() {
        for changed in [
            json!({"logpush": true}),
            json!({"observability": {"enabled": true, "logs": {"enabled": true, "invocation_logs": true, "destinations": ["evil"]}}}),
        ] {
            let now = worker().observed(changed);
            assert_eq!(found(RULE, &now, Some(&worker())), [Severity::Medium]);
        }
    }

    #[test]
    fn one_from_before_is_info_and_none_is_nothing() {
        assert_eq!(
            found(RULE, &with("old"), Some(&with("old"))),
            [Severity::Info]
        );
        assert_eq!(found(RULE, &with("old"), None), [Severity::Info]);
        assert_eq!(found(RULE, &worker(), Some(&with("old"))), []);
    }

    #[test]
    fn what_could_not_be_read_before_makes_none_new() {
        let denied = Outcome::Denied {
            why: "Authentication error".to_owned(),
        };
        let was = worker()
            .refused(ArtifactKind::Observability, None, denied.clone())
            .refused(ArtifactKind::Configuration, None, denied);
        assert_eq!(found(RULE, &with("old"), Some(&was)), [Severity::Info]);
        assert_eq!(
            found(RULE, &canned::ordinary(), Some(&canned::ordinary())),
            []
        );
    }
}
