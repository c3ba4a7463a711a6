//! Tracing that is off, lines that go elsewhere, are not written or are soon deleted.

use super::{Look, Noticed, Rule, proof};
use crate::model::{LogGroup, Place, Settings};
use evidence::{Confidence, Severity};

pub(super) const RULE: Rule = Rule {
    id: "logging-off",
    technique: "T1562.008",
    advice: "Put logging back as it was, and take the window since the change as one without records of the function's own.",
    look,
};

fn look(look: &Look<'_>) -> Vec<Noticed> {
    let (Some(before), Some(now)) = (look.settings_before(), look.now.settings_now()) else {
        return Vec::new();
    };
    let mut noticed = Vec::new();
    let mut note = |statement: String, severity, place: &Place, below: &str| {
        noticed.push(Noticed {
            statement,
            severity,
            confidence: Confidence::High,
            proof: proof(place, below, None),
        });
    };
    let is_other = |mode: &str| mode != "Active";
    if !before.tracing.as_deref().is_none_or(is_other)
        && now.tracing.as_deref().is_some_and(is_other)
    {
        let statement = "Tracing was turned off".to_owned();
        note(statement, Severity::Low, &now.place, "");
    }
    let field = |settings: &Settings, name: &str| settings.logging.get(name).cloned();
    if let (Some(was), Some(is)) = (field(before, "LogGroup"), field(now, "LogGroup"))
        && was != is
    {
        let statement = format!("Lines go to the log group {is} and no longer to {was}");
        note(statement, Severity::Medium, &now.place, "/LoggingConfig");
    }
    for level in ["ApplicationLogLevel", "SystemLogLevel"] {
        let (was, is) = (field(before, level), field(now, level));
        if rank(is.as_deref()) > rank(was.as_deref()) {
            let is = is.unwrap_or_default();
            let statement = format!("Fewer lines are written than before: {level} is {is}");
            note(statement, Severity::Medium, &now.place, "/LoggingConfig");
        }
    }
    let group_before = look.before.and_then(|before| before.log_group.value());
    match (group_before, look.now.log_group.value()) {
        (Some(Some(was)), Some(Some(is))) if was.name == is.name => {
            let days = |days: Option<u64>| days.unwrap_or(u64::MAX);
            if days(is.retention_days) < days(was.retention_days) {
                let statement = format!(
                    "Lines are kept for {} days, and longer before",
                    days(is.retention_days)
                );
                note(statement, Severity::Medium, &is.place, "");
            }
            if let Some((name, was, value)) = less_recorded(was, is) {
                let statement = format!(
                    "Less is written down than before: observability {name} is {value} and was {was}"
                );
                note(statement, Severity::Medium, &is.place, "");
            }
        }
        (Some(Some(was)), Some(None)) => {
            let statement = format!("The log group {} is not there any more", was.name);
            note(statement, Severity::High, &now.place, "");
        }
        _ => {}
    }
    noticed
}

/// The first setting of a Worker's observability that lets less through than it did: its name, as it was,
/// as it is. Traces are told with the mode of tracing.
fn less_recorded<'a>(was: &'a LogGroup, is: &'a LogGroup) -> Option<(&'a str, &'a str, &'a str)> {
    const SETTINGS: [&str; 6] = [
        "enabled",
        "logs.enabled",
        "logs.invocation_logs",
        "logs.persist",
        "head_sampling_rate",
        "logs.head_sampling_rate",
    ];
    let rate = |value: &str| match value {
        "on" => Some(1.0),
        "off" => Some(0.0),
        rate => rate.parse::<f64>().ok(),
    };
    SETTINGS.into_iter().find_map(|name| {
        let (was, is) = (was.other.get(name)?, is.other.get(name)?);
        (rate(is)? < rate(was)?).then_some((name, was.as_str(), is.as_str()))
    })
}

/// How little a level lets through.
fn rank(level: Option<&str>) -> usize {
    let levels = ["TRACE", "DEBUG", "INFO", "WARN", "ERROR", "FATAL"];
    let level = level.unwrap_or("INFO");
    levels.iter().position(|known| *known == level).unwrap_or(2)
}

#[cfg(test)]
mod tests {
    use crate::canned::{ordinary, worker};
    use crate::findings::tests::found;
    use evidence::{ArtifactKind, Outcome, Severity};
    use serde_json::json;

    const RULE: &str = "logging-off";

    #[test]
    fn fewer_lines_elsewhere_or_for_a_shorter_time() {
        let group =
            json!({"logGroups": [{"logGroupName": "/aws/lambda/billing", "retentionInDays": 1}]});
        let gone = Outcome::Absent {
            why: "there is no log group".to_owned(),
        };
        for (now, severity) in [
            (
                ordinary().configured(json!({"TracingConfig": {"Mode": "PassThrough"}})),
                Severity::Low,
            ),
            (
                ordinary().configured(json!({"LoggingConfig": {"LogGroup": "/else"}})),
                Severity::Medium,
            ),
            (
                ordinary().configured(
                    json!({"LoggingConfig": {"LogFormat": "JSON", "ApplicationLogLevel": "FATAL"}}),
                ),
                Severity::Medium,
            ),
            (
                ordinary().log_group("logs:DescribeLogGroups", group),
                Severity::Medium,
            ),
            (
                ordinary().refused(ArtifactKind::LogGroup, Some("/aws/lambda/billing"), gone),
                Severity::High,
            ),
        ] {
            assert_eq!(found(RULE, &now, Some(&ordinary())), [severity]);
            assert_eq!(found(RULE, &now, None), []);
            assert_eq!(found(RULE, &now, Some(&now)), []);
        }
    }

    #[test]
    fn less_that_is_written_down_of_a_worker() {
        let with = |logs: bool, rate: f64| {
            worker().observed(
                json!({"observability": {"enabled": true, "head_sampling_rate": rate,
                "logs": {"enabled": logs, "invocation_logs": true}}}),
            )
        };
        let all = with(true, 1.0);
        let none = worker().observed(json!({"observability": {"enabled": false}}));
        for now in [none, with(false, 1.0), with(true, 0.01)] {
            assert_eq!(found(RULE, &now, Some(&all)), [Severity::Medium]);
            assert_eq!(found(RULE, &now, None), []);
            assert_eq!(found(RULE, &all, Some(&now)), []);
        }
        let traced = worker()
            .observed(json!({"observability": {"enabled": true, "traces": {"enabled": true}}}));
        let untraced = worker().observed(json!({"observability": {"enabled": true}}));
        assert_eq!(found(RULE, &untraced, Some(&traced)), [Severity::Low]);
    }

    #[test]
    fn more_lines_and_tracing_turned_on_are_nothing() {
        let now = ordinary().configured(
            json!({"LoggingConfig": {"LogFormat": "JSON", "ApplicationLogLevel": "DEBUG"}}),
        );
        assert_eq!(found(RULE, &now, Some(&ordinary())), []);
        let was = ordinary().configured(json!({"TracingConfig": {"Mode": "PassThrough"}}));
        assert_eq!(found(RULE, &ordinary(), Some(&was)), []);
    }
}
