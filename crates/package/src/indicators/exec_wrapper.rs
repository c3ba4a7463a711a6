//! A script that Lambda starts in place of the runtime when `AWS_LAMBDA_EXEC_WRAPPER` names it.

use super::pattern::Pattern;
use super::scene::Language;
use super::{Hit, Over, PartRole, Rule, Scene};
use crate::Kind;
use evidence::{Confidence, Severity};

pub(super) static RULE: Rule = Rule {
    id: "exec-wrapper",
    technique: "T1574",
    advice: "See whether AWS_LAMBDA_EXEC_WRAPPER names it in the function's configuration, now or before.",
    over: Over::Source(&["exec ", "os.exec", "AWS_LAMBDA_EXEC_WRAPPER"]),
    look,
};

/// Hands over to the command that it was given: the runtime.
static HANDS_OVER: Pattern = Pattern::new(
    r#"(?:^|[\n;&])\s*exec\s+(?:-a\s+\S{1,40}\s+)?(?:\S{1,80}\s+){0,3}["']?\$(?:@|\*|\{@|\{args|\{ARGS|args|1)|os\.exec\w{1,3}\s*\(\s*(?:args|sys\.argv)"#,
);
static NAMED: Pattern = Pattern::new(r"AWS_LAMBDA_EXEC_WRAPPER\s*=");

fn look(scene: &Scene<'_>, hits: &mut Vec<Hit>) {
    let is_script = scene.file.kind == Kind::Script
        && matches!(
            scene.language,
            Language::Shell | Language::Python | Language::Unknown
        );
    // Deeper inside it is a component's own script.
    let is_near_the_top = scene.file.path.matches('/').count() <= 1
        && !scene.file.path.starts_with("bin/")
        && scene.part.role != PartRole::Image;
    if is_script
        && is_near_the_top
        && let Some(place) = HANDS_OVER.find(scene.bytes)
    {
        let place = place.start
            + scene
                .bytes
                .get(place.clone())
                .unwrap_or_default()
                .iter()
                .take_while(|byte| byte.is_ascii_whitespace())
                .count()..place.end;
        let severity = if scene.part.role == PartRole::Layer {
            Severity::Medium
        } else {
            Severity::Low
        };
        hits.push(
            Hit::new(
                severity,
                Confidence::Low,
                format!(
                    "{} can be started in place of the runtime: it does something and then starts what it is given",
                    scene.path()
                ),
            )
            .at(scene, &place),
        );
    } else if scene.language == Language::Shell
        && let Some(place) = NAMED.find(scene.bytes)
    {
        hits.push(
            Hit::new(
                Severity::Low,
                Confidence::Low,
                format!("{} sets AWS_LAMBDA_EXEC_WRAPPER", scene.path()),
            )
            .at(scene, &place),
        );
    }
}
