//! A Worker that runs by other rules of the runtime: flags and dates turn protections on and off.

use super::{Look, Noticed, Rule, proof};
use evidence::{Confidence, Severity};

pub(super) const RULE: Rule = Rule {
    id: "compatibility-changed",
    technique: "T1648",
    advice: "Read what the flag or the time between both dates changes: among it is what a Worker may fetch and what its code can see of its variables.",
    look,
};

fn look(look: &Look<'_>) -> Vec<Noticed> {
    let (Some(before), Some(now)) = (look.settings_before(), look.now.settings_now()) else {
        return Vec::new();
    };
    if !look.now.is_worker() {
        return Vec::new();
    }
    let mut noticed = Vec::new();
    for (field, what) in [
        ("compatibility_date", "compatibility date"),
        ("compatibility_flags", "compatibility flags"),
    ] {
        let of = |settings: &crate::Settings| settings.other.get(field).cloned();
        let (was, is) = (of(before), of(now));
        if was == is {
            continue;
        }
        // A later date is an ordinary update; ISO dates are in the order of their letters.
        let is_later = field == "compatibility_date" && is > was;
        let told = |value: &Option<String>| value.clone().unwrap_or_else(|| "none".to_owned());
        noticed.push(Noticed {
            statement: format!("The {what} changed from {} to {}", told(&was), told(&is)),
            severity: if is_later {
                Severity::Info
            } else {
                Severity::Low
            },
            confidence: Confidence::High,
            proof: match &is {
                Some(is) => proof(&now.place, &format!("/{field}"), Some(is)),
                None => proof(&now.place, "", None),
            },
        });
    }
    noticed
}

#[cfg(test)]
mod tests {
    use crate::canned::worker;
    use crate::findings::tests::found;
    use evidence::Severity;
    use serde_json::json;

    const RULE: &str = "compatibility-changed";

    #[test]
    fn other_flags_or_an_earlier_date_are_low_and_a_later_one_is_info() {
        for (field, value, severity) in [
            (
                "compatibility_flags",
                json!(["nodejs_compat", "unsafe_module"]),
                Severity::Low,
            ),
            ("compatibility_date", json!("2021-01-01"), Severity::Low),
            ("compatibility_date", json!("2026-02-01"), Severity::Info),
        ] {
            let now = worker().set(json!({ field: value }));
            assert_eq!(found(RULE, &now, Some(&worker())), [severity]);
            assert_eq!(found(RULE, &now, Some(&now)), []);
            assert_eq!(found(RULE, &now, None), []);
        }
    }
}
