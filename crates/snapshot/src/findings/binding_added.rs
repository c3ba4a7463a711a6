//! A Worker that may use more than before: bindings are the rights of something that has no role.

use super::{Look, Noticed, Rule, proof};
use evidence::{Confidence, Severity};

pub(super) const RULE: Rule = Rule {
    id: "binding-added",
    technique: "T1098.003",
    advice: "Ask who bound it, and look for what the code does with it; what it points at may have been read or written since.",
    look,
};

/// Kinds that give a Worker nothing but what it was uploaded with, or what it is itself.
const OF_ITS_OWN: [&str; 7] = [
    "assets",
    "data_blob",
    "inherit",
    "ratelimit",
    "text_blob",
    "version_metadata",
    "wasm_module",
];

fn look(look: &Look<'_>) -> Vec<Noticed> {
    let before = look.before.map(|before| &before.environment);
    // What is missing in a list that broke off may have been there.
    let before = before.filter(|before| before.is_whole());
    let before = before.and_then(|environment| environment.value());
    let (Some(before), Some(now)) = (before, look.now.environment.value()) else {
        return Vec::new();
    };
    let mut noticed = Vec::new();
    for (name, variable) in now {
        let old = before.get(name);
        let Some(binding) = variable.binding.as_ref() else {
            continue;
        };
        if old == Some(variable) || OF_ITS_OWN.contains(&binding.kind.as_str()) {
            continue;
        }
        let old = old.and_then(|old| old.binding.as_ref());
        // Where it stands in the list is nothing about it.
        let is_same = |old: &crate::Binding| {
            (&old.kind, &old.points_at) == (&binding.kind, &binding.points_at)
        };
        if old.is_some_and(is_same) {
            continue;
        }
        let to = match &binding.points_at {
            Some(points_at) => format!("{}, {points_at}", binding.kind),
            None => binding.kind.clone(),
        };
        let statement = match old {
            None => format!("The Worker may use {name} ({to}) since it was recorded"),
            Some(_) => format!("The binding {name} is another one since it was recorded: {to}"),
        };
        noticed.push(Noticed {
            statement,
            severity: Severity::Medium,
            confidence: Confidence::High,
            proof: proof(&binding.place, "", Some(name)),
        });
    }
    noticed
}

#[cfg(test)]
mod tests {
    use crate::canned::worker;
    use crate::findings::tests::found;
    use evidence::{ArtifactKind, Outcome, Severity};
    use serde_json::json;

    const RULE: &str = "binding-added";

    #[test]
    fn one_that_was_not_there_is_medium() {
        for binding in [
            json!({"type": "secret_text", "name": "EXTRA"}),
            json!({"type": "service", "name": "EXTRA", "service": "auth"}),
            json!({"type": "r2_bucket", "name": "EXTRA", "bucket_name": "customers"}),
            json!({"type": "hyperdrive", "name": "EXTRA", "id": "h1"}),
            json!({"type": "kind_of_tomorrow", "name": "EXTRA"}),
        ] {
            let now = worker().bound(binding);
            assert_eq!(found(RULE, &now, Some(&worker())), [Severity::Medium]);
            assert_eq!(found(RULE, &now, Some(&now)), []);
            assert_eq!(found(RULE, &now, None), []);
            assert_eq!(found(RULE, &worker(), Some(&now)), []);
        }
    }

    #[test]
    fn one_that_points_elsewhere_is_medium() {
        let now = worker()
            .bound(json!({"type": "kv_namespace", "name": "INVOICES", "namespace_id": "other"}));
        assert_eq!(found(RULE, &now, Some(&worker())), [Severity::Medium]);
    }

    #[test]
    fn a_variable_or_a_part_of_the_worker_itself_is_nothing() {
        for binding in [
            json!({"type": "plain_text", "name": "EXTRA", "text": "x"}),
            json!({"type": "json", "name": "EXTRA", "json": {"type": "service"}}),
            json!({"type": "version_metadata", "name": "EXTRA"}),
        ] {
            let now = worker().bound(binding);
            assert_eq!(found(RULE, &now, Some(&worker())), []);
        }
    }

    #[test]
    fn another_order_or_settings_that_were_refused_make_none_new() {
        let now = worker().reordered();
        assert_eq!(found(RULE, &now, Some(&worker())), []);
        let denied = Outcome::Denied {
            why: "Authentication error".to_owned(),
        };
        let was = worker().refused(ArtifactKind::Configuration, None, denied);
        assert_eq!(found(RULE, &worker(), Some(&was)), []);
    }
}
