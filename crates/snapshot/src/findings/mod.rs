//! What is wrong with a function as it is configured, seen alone and beside how it was.
//!
//! One rule, one file; [`RULES`] is all of them. A rule looks at what is known only: what could not be
//! read makes no finding. Without a record of how the function was, an ordinary function gives nothing
//! above *info*; what has come since then weighs more.

mod alias_diverted;
mod binding_added;
mod code_signing_off;
mod compatibility_changed;
mod concurrency_changed;
mod foreign_layer;
mod gradual_version;
mod handler_moved;
mod key_removed;
mod layer_changed;
mod logging_off;
mod network_changed;
mod open_policy;
mod outside_destination;
mod preloading_variable;
mod public_url;
mod redirecting_variable;
mod role_trust;
mod role_widened;
mod run_behind_functions;
mod runtime_changed;
mod tail_consumer_added;
mod unversioned_code;
mod version_altered;
mod worker_route_added;

use crate::model::{Place, Settings, Snapshot};
use crate::policy::{Policy, Statement};
use evidence::{Confidence, Finding, Proof, Severity, shown};

/// Everything that is looked for.
pub const RULES: &[Rule] = &[
    preloading_variable::RULE,
    redirecting_variable::RULE,
    foreign_layer::RULE,
    layer_changed::RULE,
    handler_moved::RULE,
    runtime_changed::RULE,
    unversioned_code::RULE,
    version_altered::RULE,
    public_url::RULE,
    open_policy::RULE,
    outside_destination::RULE,
    role_widened::RULE,
    role_trust::RULE,
    code_signing_off::RULE,
    logging_off::RULE,
    alias_diverted::RULE,
    concurrency_changed::RULE,
    network_changed::RULE,
    key_removed::RULE,
    tail_consumer_added::RULE,
    worker_route_added::RULE,
    binding_added::RULE,
    gradual_version::RULE,
    compatibility_changed::RULE,
    run_behind_functions::RULE,
];

/// How many findings one rule makes.
const MOST: usize = 100;

/// One thing that is looked for.
pub struct Rule {
    /// Its id: `public-function-url`.
    pub id: &'static str,
    /// MITRE ATT&CK technique id.
    pub technique: &'static str,
    /// What to do, in one sentence.
    pub advice: &'static str,
    look: fn(&Look<'_>) -> Vec<Noticed>,
}

/// What a rule looks at.
struct Look<'a> {
    now: &'a Snapshot,
    before: Option<&'a Snapshot>,
}

impl<'a> Look<'a> {
    fn settings_before(&self) -> Option<&'a Settings> {
        self.before?.settings_now()
    }
}

/// What a rule noticed.
struct Noticed {
    statement: String,
    severity: Severity,
    confidence: Confidence,
    proof: Vec<Proof>,
}

/// What is wrong with `now`; what `before` had already weighs less. The worst first.
pub fn findings(now: &Snapshot, before: Option<&Snapshot>) -> Vec<Finding> {
    let look = Look { now, before };
    let mut findings: Vec<Finding> = RULES
        .iter()
        .flat_map(|rule| {
            let noticed = (rule.look)(&look).into_iter().take(MOST);
            noticed.map(|noticed| Finding {
                rule: rule.id.to_owned(),
                statement: shown(&noticed.statement, 400),
                severity: noticed.severity,
                confidence: noticed.confidence,
                technique: Some(rule.technique.to_owned()),
                advice: Some(rule.advice.to_owned()),
                proof: noticed.proof,
            })
        })
        .collect();
    findings.sort_by_key(|finding| std::cmp::Reverse(finding.severity));
    findings
}

/// Where something stands: the exhibit and a JSON pointer below `place`.
fn proof(place: &Place, below: &str, excerpt: Option<&str>) -> Vec<Proof> {
    if place.exhibit.is_empty() {
        return Vec::new();
    }
    vec![Proof {
        exhibit: place.exhibit.clone(),
        path: Some(format!("{}{below}", place.pointer)),
        line: None,
        excerpt: excerpt.map(|excerpt| shown(excerpt, 160)),
    }]
}

/// What a variable does, how much it tells where nothing is known of before, and how much where it has
/// come since or has another value now.
type Judged = (&'static str, Severity, Severity);

/// Environment variables that `judge` knows.
fn variables(look: &Look<'_>, judge: &dyn Fn(&str) -> Option<Judged>) -> Vec<Noticed> {
    let Some(now) = look.now.environment.value() else {
        return Vec::new();
    };
    // A Worker's variables are none of a process's: no runtime looks at them.
    if look.now.is_worker() {
        return Vec::new();
    }
    let place = look
        .now
        .settings_now()
        .map(|settings| settings.place.clone());
    let before = look.before.and_then(|before| before.environment.value());
    let mut noticed = Vec::new();
    for (name, variable) in now {
        let Some((meaning, alone, since)) = judge(name) else {
            continue;
        };
        let (what, severity) = match before.map(|before| before.get(name)) {
            None => ("is set", alone),
            Some(None) => ("was added", since),
            Some(Some(old)) if old != variable => ("has another value than before", since),
            Some(Some(_)) => ("is set as before", Severity::Info),
        };
        let place = place.clone().unwrap_or_default();
        let variables = match look.now.is_google() {
            true => "/serviceConfig/environmentVariables",
            false => "/Environment/Variables",
        };
        noticed.push(Noticed {
            statement: format!("The environment variable {name} {what}: it {meaning}"),
            severity,
            confidence: Confidence::Medium,
            proof: proof(&place, &format!("{variables}/{}", token(name)), Some(name)),
        });
    }
    noticed
}

/// The account in an ARN; none where there is none, as in S3's.
fn account_of(arn: &str) -> Option<&str> {
    let account = arn.strip_prefix("arn:")?.split(':').nth(3)?;
    let is_account = account.len() == 12 && account.bytes().all(|b| b.is_ascii_digit());
    is_account.then_some(account)
}

/// Whether a member of a policy of Google's is everybody: with or without an account of Google's.
fn is_everybody(member: &str) -> bool {
    ["allUsers", "allAuthenticatedUsers"].contains(&member)
}

/// Whether no statement of `before` says the same.
fn statement_is_new(statement: &Statement, before: Option<&Policy>) -> bool {
    let old = before.into_iter().flat_map(|policy| &policy.statements);
    !old.into_iter().any(|old| old.says_the_same_as(statement))
}

/// A name as part of a JSON pointer (RFC 6901).
fn token(name: &str) -> String {
    name.replace('~', "~0").replace('/', "~1")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::canned::{Pieces, SECRET, ordinary, worker};
    use serde_json::json;

    /// The severities of what a rule finds, the worst first.
    pub(super) fn found(rule: &str, now: &Pieces, before: Option<&Pieces>) -> Vec<Severity> {
        let before = before.map(Pieces::snapshot);
        let found = findings(&now.snapshot(), before.as_ref());
        let of_rule = found.iter().filter(|finding| finding.rule == rule);
        of_rule.map(|finding| finding.severity).collect()
    }

    #[test]
    fn an_ordinary_function_gives_nothing_above_info() {
        for before in [None, Some(ordinary().snapshot())] {
            for finding in findings(&ordinary().snapshot(), before.as_ref()) {
                assert_eq!(finding.severity, Severity::Info, "{}", finding.statement);
            }
        }
    }

    #[test]
    fn an_ordinary_worker_gives_nothing_above_info() {
        for now in [worker(), worker().read_again(), worker().reordered()] {
            for before in [None, Some(worker().snapshot())] {
                for finding in findings(&now.snapshot(), before.as_ref()) {
                    assert_eq!(finding.severity, Severity::Info, "{}", finding.statement);
                }
            }
        }
    }

    /// Everything that an attacker may do to a Worker, at once.
    fn attacked() -> Pieces {
        worker()
            .uploaded("evil code")
            .bound(json!({"type": "plain_text", "name": "NODE_OPTIONS", "text": SECRET}))
            .bound(json!({"type": "service", "name": "AUTH", "service": "auth"}))
            .set(json!({"compatibility_flags": [], "compatibility_date": null}))
            .observed(json!({"tail_consumers": [{"service": "evil"}], "logpush": true, "observability": null}))
            .routed(json!([{"id": "r2", "pattern": "shop.example.com/*", "script": "billing-api"}]))
            .live(vec![
                json!({"version_id": "v3", "percentage": 10}),
                json!({"version_id": "v4", "percentage": 90}),
            ])
    }

    #[test]
    fn what_is_found_of_a_worker_is_told_without_the_words_of_aws() {
        let found = findings(&attacked().snapshot(), Some(&worker().snapshot()));
        insta::assert_json_snapshot!(found);
        let text = serde_json::to_string(&found).unwrap().to_lowercase();
        for word in [
            "lambda",
            "arn:",
            "role",
            "alias",
            "layer",
            "environment variable",
        ] {
            assert!(!text.contains(word), "{word} in {text}");
        }
    }

    #[test]
    fn nothing_is_found_in_what_could_not_be_read() {
        let nothing = Snapshot::read(&[], &crate::MarkKey::new([0; 32]));
        assert_eq!(findings(&nothing, Some(&ordinary().snapshot())), []);
        assert_eq!(findings(&nothing, None), []);
    }

    #[test]
    fn every_rule_has_an_id_of_its_own_a_technique_and_advice() {
        let mut ids: Vec<&str> = RULES.iter().map(|rule| rule.id).collect();
        ids.sort_unstable();
        ids.dedup();
        assert_eq!(ids.len(), RULES.len());
        for rule in RULES {
            assert!(rule.technique.starts_with('T'), "{}", rule.id);
            assert!(rule.advice.ends_with('.'), "{}", rule.id);
        }
    }

    #[test]
    fn every_proof_points_at_something_in_its_exhibit_and_holds_no_value() {
        let now = ordinary().variable("LD_PRELOAD", SECRET);
        point_at_something(&now, &findings(&now.snapshot(), None));
        let now = attacked();
        let found = findings(&now.snapshot(), Some(&worker().snapshot()));
        assert!(
            found
                .iter()
                .filter(|finding| !finding.proof.is_empty())
                .count()
                > 5
        );
        point_at_something(&now, &found);
    }

    fn point_at_something(now: &Pieces, found: &[Finding]) {
        assert!(!serde_json::to_string(&found).unwrap().contains(SECRET));
        for proof in found.iter().flat_map(|finding| &finding.proof) {
            let documents = now.0.iter().flat_map(|piece| &piece.documents);
            let mut exhibit = documents.filter(|document| document.name == proof.exhibit);
            let json = &exhibit.next().unwrap().json;
            let pointer = proof.path.as_deref().unwrap();
            assert!(json.pointer(pointer).is_some(), "{pointer}");
        }
    }
}
