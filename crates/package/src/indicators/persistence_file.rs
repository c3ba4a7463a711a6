//! Files that let somebody in again or start something by the clock: keys that may log in, cron.

use super::{Hit, Over, PartRole, Rule, Scene};
use crate::Kind;
use evidence::{Confidence, Severity};

pub(super) static RULE: Rule = Rule {
    id: "persistence-file",
    technique: "T1053.003",
    advice: "A function has no use for it: find out who put it there, and where else it was deployed.",
    over: Over::Every,
    look,
};

fn look(scene: &Scene<'_>, hits: &mut Vec<Hit>) {
    if !matches!(scene.file.kind, Kind::Text | Kind::Script | Kind::Data) {
        return;
    }
    let path = scene.file.path.as_str();
    let rooted = format!("/{path}");
    let (what, technique, severity) =
        if rooted.ends_with("/authorized_keys") || rooted.ends_with("/authorized_keys2") {
            ("lists keys that may log in", "T1098.004", Severity::Medium)
        } else if rooted.ends_with("/etc/ld.so.preload") {
            ("is loaded into every program", "T1574.006", Severity::High)
        } else if [
            "/var/spool/cron/",
            "/etc/cron.d/",
            "/etc/crontab",
            "/etc/cron.hourly/",
            "/etc/cron.daily/",
        ]
        .iter()
        .any(|folder| rooted.contains(folder))
            || matches!(scene.name, "crontab" | "crontab.txt")
        {
            (
                "starts something by the clock",
                "T1053.003",
                Severity::Medium,
            )
        } else {
            return;
        };
    // A distribution's image has cron files of its own.
    let severity = if scene.part.role == PartRole::Image && technique == "T1053.003" {
        Severity::Info
    } else {
        severity
    };
    hits.push(
        Hit::new(
            severity,
            Confidence::Medium,
            format!("{} {what}", scene.path()),
        )
        .technique(technique)
        .if_owned(Severity::Info),
    );
}
