//! Code that puts itself between Lambda and the function: the address of the runtime API changed, or
//! the runtime's own loop replaced.

use super::pattern::Pattern;
use super::{Hit, Over, Rule, Scene};
use evidence::{Confidence, Severity};

pub(super) static RULE: Rule = Rule {
    id: "runtime-api-intercepted",
    technique: "T1557",
    advice: "Whoever holds this place reads every event and can change every answer; compare with the layers and wrappers that you deployed yourself.",
    over: Over::Source(&[
        "AWS_LAMBDA_RUNTIME_API",
        "runtime/invocation",
        "/var/runtime",
    ]),
    look,
};

/// The address set to something else. A library for observing does so as well.
static MOVED: Pattern = Pattern::new(
    r#"(?:^|[;&\s])(?:export\s+)?AWS_LAMBDA_RUNTIME_API=["']?[\w$\{.\[]|(?:environ\[\s*|process\.env(?:\.|\[)\s*|putenv\(\s*|setdefault\(\s*|ENV\[)["']?AWS_LAMBDA_RUNTIME_API["']?\s*\]?\s*(?:=[^=]|,)"#,
);
static ASKS: Pattern = Pattern::new(r"2018-06-01/runtime/invocation|runtime/invocation/next");
/// The runtime's own start, taken over: copied, killed, started anew from elsewhere.
static RESTARTED: Pattern = Pattern::new(
    r"/var/runtime/bootstrap|runtime/init/error|/tmp/bootstrap|/tmp/runtime|os\.kill\s*\(|pkill\s|/var/runtime/(?:index\.mjs|lambda_runtime)",
);

fn look(scene: &Scene<'_>, hits: &mut Vec<Hit>) {
    if let Some(place) = MOVED.find(scene.bytes) {
        hits.push(
            Hit::new(
                Severity::Medium,
                Confidence::Medium,
                format!(
                    "{} gives the runtime another address to fetch events from",
                    scene.path()
                ),
            )
            .at(scene, &place),
        );
        return;
    }
    if let Some(place) = ASKS.find(scene.bytes)
        && RESTARTED.is_in(scene.bytes)
        // What AWS publishes for images and custom runtimes does just this.
        && !["awslambdaric", "aws-lambda-ric"].iter().any(|own| scene.file.path.contains(own))
    {
        hits.push(
            Hit::new(
                Severity::High,
                Confidence::Medium,
                format!("{} fetches events in place of the runtime", scene.path()),
            )
            .technique("T1574")
            .at(scene, &place),
        );
    }
}
