//! A service of Cloud Run that runs something else than the function that it is of: whoever may change the
//! service needs not touch the function, whose description goes on as if nothing had happened.

use super::{Look, Noticed, Rule, proof};
use evidence::{Confidence, Severity, shown};

pub(super) const RULE: Rule = Rule {
    id: "run-behind-functions",
    technique: "T1525",
    advice: "Look in the audit log for who changed the service, and deploy the function again once that is clear.",
    look,
};

fn look(look: &Look<'_>) -> Vec<Noticed> {
    let Some(behind) = &look.now.behind else {
        return Vec::new();
    };
    let was_so = look.before.is_some_and(|before| {
        let old = before.behind.as_ref();
        old.is_some_and(|old| (&old.what, &old.runs) == (&behind.what, &behind.runs))
    });
    let (as_before, severity) = match was_so {
        true => (", as when it was recorded", Severity::Info),
        false => ("", Severity::High),
    };
    let [runs, deployed] = [&behind.runs, &behind.deployed].map(|text| shown(text, 80));
    vec![Noticed {
        statement: format!(
            "The service runs the {} {runs}, and the function was deployed as {deployed}{as_before}",
            behind.what
        ),
        severity,
        confidence: Confidence::High,
        proof: proof(&behind.place, "", Some(&runs)),
    }]
}
