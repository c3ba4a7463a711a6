//! A version that answers a few of the requests only: what happens to one visitor in a hundred is seldom
//! noticed, and whoever looks at the site sees the other version.

use super::{Look, Noticed, Rule, proof};
use crate::model::Snapshot;
use evidence::{Confidence, Severity};

pub(super) const RULE: Rule = Rule {
    id: "gradual-version",
    technique: "T1648",
    advice: "Ask who deployed it, and compare the code of that version with the one that answers the rest.",
    look,
};

fn look(look: &Look<'_>) -> Vec<Noticed> {
    // Aliases of functions have a rule of their own.
    let what = if look.now.is_worker() {
        "Worker"
    } else if look.now.is_google() {
        "function"
    } else {
        return Vec::new();
    };
    let before = look.before.and_then(|before| before.aliases.value());
    let mut noticed = Vec::new();
    for alias in look
        .now
        .aliases
        .value()
        .into_iter()
        .flat_map(|all| all.values())
    {
        if alias.weights.is_empty() {
            continue;
        }
        let main = (&alias.version, "most of the requests");
        let others = alias.weights.iter();
        let shares = others.map(|(version, share)| (version, share.as_str()));
        for (version, share) in shares.chain([main]) {
            let answered = before.map(|before| {
                let mut all = before.values();
                all.any(|old| old.version == *version || old.weights.contains_key(version))
            });
            let made = made(look.now, version);
            let other_code = match is_other_code(look, version) {
                true => ", with other code than was recorded",
                false => "",
            };
            let of = match share.ends_with('%') {
                true => format!("{share} of the requests"),
                false => share.to_owned(),
            };
            let (statement, severity) = match answered {
                Some(false) => (
                    format!(
                        "Version {version}{made} answers {of} and answered none when the {what} was \
                         recorded{other_code}"
                    ),
                    Severity::Medium,
                ),
                Some(true) | None => (
                    format!("Version {version}{made} answers {of}"),
                    Severity::Info,
                ),
            };
            noticed.push(Noticed {
                statement,
                severity,
                confidence: Confidence::High,
                proof: proof(&alias.place, "/versions", Some(version)),
            });
        }
    }
    noticed
}

/// Who made a version, if the list of versions tells.
fn made(snapshot: &Snapshot, version: &str) -> String {
    let versions = snapshot.versions.value();
    let told = versions.and_then(|versions| versions.get(version)?.description.clone());
    told.map(|told| format!(" ({told})")).unwrap_or_default()
}

/// Whether a version's code is known and differs from the one that answered when the Worker was recorded.
fn is_other_code(look: &Look<'_>, version: &str) -> bool {
    let now = look
        .now
        .versions
        .value()
        .and_then(|all| all.get(version)?.sha256);
    let before = look
        .before
        .and_then(|before| before.code.value()?.as_ref()?.sha256);
    now.zip(before).is_some_and(|(now, before)| now != before)
}

#[cfg(test)]
mod tests {
    use crate::canned::{Pieces, ordinary, worker};
    use crate::findings::tests::found;
    use evidence::Severity;
    use serde_json::json;

    const RULE: &str = "gradual-version";

    fn shared(shares: &[(&str, f64)]) -> Pieces {
        let versions = shares
            .iter()
            .map(|(id, percentage)| json!({"version_id": id, "percentage": percentage}))
            .collect();
        worker().live(versions)
    }

    #[test]
    fn a_version_that_answered_nothing_before_is_medium() {
        let now = shared(&[("v3", 99.0), ("v4", 1.0)]);
        assert_eq!(
            found(RULE, &now, Some(&worker())),
            [Severity::Medium, Severity::Info]
        );
        // The greater share, too.
        let now = shared(&[("v3", 40.0), ("v4", 60.0)]);
        assert_eq!(
            found(RULE, &now, Some(&worker())),
            [Severity::Medium, Severity::Info]
        );
    }

    #[test]
    fn as_before_or_without_a_record_it_is_info_and_all_at_once_is_nothing() {
        let now = shared(&[("v3", 99.0), ("v4", 1.0)]);
        let both = [Severity::Info, Severity::Info];
        assert_eq!(found(RULE, &now, Some(&now)), both);
        assert_eq!(found(RULE, &now, None), both);
        let now = shared(&[("v4", 100.0)]);
        assert_eq!(found(RULE, &now, Some(&worker())), []);
        assert_eq!(found(RULE, &ordinary(), Some(&ordinary())), []);
    }
}
