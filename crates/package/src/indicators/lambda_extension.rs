//! A Lambda extension in a layer: a program that Lambda starts beside the function, with the
//! function's role and environment, before any of the function's code runs.

use super::{Hit, Over, PartRole, Rule, Scene};
use crate::Kind;
use evidence::{Confidence, Severity};

pub(super) static RULE: Rule = Rule {
    id: "lambda-extension",
    technique: "T1546",
    advice: "See whether it is a vendor's that you chose: compare its digest with what the vendor publishes.",
    over: Over::Every,
    look,
};

fn look(scene: &Scene<'_>, hits: &mut Vec<Hit>) {
    let path = scene.file.path.trim_start_matches("./");
    let folder = match scene.part.role {
        PartRole::Layer => "extensions/",
        PartRole::Image => "opt/extensions/",
        // Lambda looks in /opt only.
        PartRole::Function => return,
    };
    let Some(name) = path.strip_prefix(folder) else {
        return;
    };
    // Only what lies directly in the folder is started.
    if name.is_empty() || name.contains('/') {
        return;
    }
    let may_run = scene.file.mode.is_none_or(|mode| mode & 0o111 != 0)
        && !matches!(scene.file.kind, Kind::Empty | Kind::Special);
    if may_run {
        hits.push(Hit::new(
            Severity::Medium,
            Confidence::Low,
            format!(
                "{} is started by Lambda beside the function, with its role and its environment",
                scene.path()
            ),
        ));
    }
}
