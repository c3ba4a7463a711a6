//! A Worker that answers with all that is bound to it, or sends it away: its secrets come in as the
//! argument `env`, and no ordinary program writes that out as a whole.

use super::flow;
use super::pattern::Pattern;
use super::{Hit, Over, Rule, Scene};
use evidence::{Confidence, Severity};

pub(super) static RULE: Rule = Rule {
    id: "worker-environment-given-away",
    technique: "T1552",
    advice: "Replace every secret that is bound to the Worker, and look in the audit log for whose token uploaded this version.",
    over: Over::SourceWithBoth(&["env"], &["Response", "fetch", "send(", "postMessage("]),
    look,
};

/// All bindings as one value: of a handler's argument, of a class, of `cloudflare:workers`.
static WHOLE: Pattern = Pattern::new(
    r"(?:JSON\.stringify|Response\.json|URLSearchParams|structuredClone|btoa)\(\s*(?:this\.)?env\s*[,)]|\.\.\.\s*(?:this\.)?env\s*[,})]|Object\.(?:entries|values|assign|fromEntries)\([^()]{0,60}\benv\s*\)|\bbody\s*:\s*(?:this\.)?env\s*[,})]",
);
/// What leaves: an answer, a request, a message. `app.fetch(request, env)` is how one handler calls the
/// next, and stays within.
static LEAVES: Pattern = Pattern::new(
    r"new\s+Response\s*\(|\bResponse\.json\s*\(|(?:^|[^.\w])fetch\s*\(|\b(?:globalThis|self)\.fetch\s*\(|\.(?:send|postMessage|writeDataPoint)\s*\(|new\s+Request\s*\(",
);
/// Only names of bindings, or nothing of their values.
static NAMES: Pattern = Pattern::new(r"Object\.keys\s*\(|(?i:redact|scrub|sanitiz)");

fn look(scene: &Scene<'_>, hits: &mut Vec<Hit>) {
    if scene.part.runtime.as_deref() != Some("workers") || !WHOLE.is_in(scene.bytes) {
        return;
    }
    let given = LEAVES.all(scene.bytes, 1_000).find(|call| {
        // The call itself may be what writes all of it out: `Response.json(env)`.
        let said = call.start..flow::arguments(scene.bytes, call.end).end.saturating_add(1);
        let said = said.start..said.end.min(scene.bytes.len());
        flow::origin_unless(scene, &said, &WHOLE, 2, &NAMES).is_some()
    });
    if let Some(place) = given {
        hits.push(
            Hit::new(
                Severity::Critical,
                Confidence::High,
                format!(
                    "{} gives away everything that is bound to the Worker, its secrets included",
                    scene.path()
                ),
            )
            .at(scene, &place),
        );
    }
}
