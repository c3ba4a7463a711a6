//! The rules of the stack: there, on, on the right bus, with their targets and dead letters.

use super::Check;
use super::deployment::Deployment;
use super::line::{Lines, Trouble};
use aws_sdk_eventbridge::Client;
use aws_sdk_eventbridge::types::{RuleState, Target};
use futures_util::FutureExt as _;

pub(super) const CHECK: Check = Check {
    name: "rules",
    area: "The rules",
    actions: &["events:DescribeRule", "events:ListTargetsByRule"],
    needs_stack: true,
    look: |deployment, lines| look(deployment, lines).boxed(),
};

async fn look(deployment: &Deployment, lines: &mut Lines) {
    let client = Client::new(deployment.config());
    let mut sound = Vec::new();
    for rule in trail::patterns::rules().keys() {
        let name = deployment.named(rule);
        let mut wanted = vec![deployment.arn("sqs", &deployment.named("events"))];
        if trail::patterns::is_narrowed(rule) {
            wanted.push(deployment.output("TopicArn").to_owned());
        }
        match faults(&client, &name, &wanted, true).await {
            Err(trouble) => lines.trouble(format!("rule {name}"), &trouble),
            Ok(faults) if faults.is_empty() => sound.push(name),
            Ok(faults) => tell(lines, &name, faults),
        }
    }
    for rule in ["baseline-deployed", "baseline-schedule"] {
        let name = deployment.named(rule);
        let wanted = [deployment.output("BaselineArn").to_owned()];
        match faults(&client, &name, &wanted, true).await {
            Err(trouble) => lines.trouble(format!("rule {name}"), &trouble),
            Ok(faults) if faults.is_empty() => sound.push(name),
            Ok(faults) => tell(lines, &name, faults),
        }
    }
    if !sound.is_empty() {
        let seen = format!(
            "{} on the default bus are on, with their targets and dead letters",
            sound.len()
        );
        lines.ok("rules", seen);
    }
}

/// What is wrong with a rule, and what to do.
pub(super) struct Fault {
    pub(super) seen: String,
    pub(super) advice: String,
    /// Whether events get where they should all the same.
    pub(super) works: bool,
}

/// Tells each fault of a rule.
pub(super) fn tell(lines: &mut Lines, name: &str, faults: Vec<Fault>) {
    for fault in faults {
        let what = format!("rule {name}");
        if fault.works {
            lines.warn(what, fault.seen, fault.advice);
        } else {
            lines.fail(what, fault.seen, fault.advice);
        }
    }
}

/// What is wrong with a rule on the default bus that should lead to each of `wanted`.
pub(super) async fn faults(
    client: &Client,
    name: &str,
    wanted: &[String],
    in_stack: bool,
) -> Result<Vec<Fault>, Trouble> {
    let anew = if in_stack {
        "find out who did that (CloudTrail), then deploy the stack anew"
    } else {
        "deploy infra/events-forwarder.yaml there anew"
    };
    let rule = client.describe_rule().name(name).send().await;
    let rule = match rule.map_err(|error| Trouble::of("events:DescribeRule", &error)) {
        Ok(rule) => rule,
        Err(trouble) if trouble.is_absent() => {
            return Ok(vec![Fault {
                seen: "is not there: what it is for wakes nobody".to_owned(),
                advice: anew.to_owned(),
                works: false,
            }]);
        }
        Err(trouble) => return Err(trouble),
    };
    let mut faults = Vec::new();
    if !matches!(
        rule.state(),
        Some(RuleState::Enabled | RuleState::EnabledWithAllCloudtrailManagementEvents)
    ) {
        faults.push(Fault {
            seen: "is disabled: what it is for wakes nobody".to_owned(),
            advice: format!("find out who disabled it (event DisableRule), then aws events enable-rule --name {name}"),
            works: false,
        });
    }
    if rule.event_bus_name().is_some_and(|bus| bus != "default") {
        faults.push(Fault {
            seen: "is not on the default bus, where CloudTrail's events arrive".to_owned(),
            advice: anew.to_owned(),
            works: false,
        });
    }
    let targets = client.list_targets_by_rule().rule(name).send().await;
    let targets = targets.map_err(|error| Trouble::of("events:ListTargetsByRule", &error))?;
    faults.extend(targets_faults(targets.targets(), wanted, anew));
    Ok(faults)
}

fn targets_faults(targets: &[Target], wanted: &[String], anew: &str) -> Vec<Fault> {
    let mut faults = Vec::new();
    for arn in wanted {
        let Some(target) = targets.iter().find(|target| target.arn() == arn) else {
            faults.push(Fault {
                seen: format!("does not lead to {arn}"),
                advice: anew.to_owned(),
                works: false,
            });
            continue;
        };
        // The topic is told beside the queue; a notice that is lost is not evidence that is lost.
        let has_letters = target
            .dead_letter_config()
            .and_then(|config| config.arn())
            .is_some();
        if !has_letters && !arn.contains(":sns:") {
            faults.push(Fault {
                seen: format!(
                    "has no dead letters: an event that {arn} does not take is lost after 24 hours"
                ),
                advice: anew.to_owned(),
                works: true,
            });
        }
    }
    for target in targets {
        if !wanted.iter().any(|arn| arn == target.arn()) {
            faults.push(Fault {
                seen: format!("also leads to {}, which is not the stack's", target.arn()),
                advice: "find out who put it there (event PutTargets), and take it out".to_owned(),
                works: true,
            });
        }
    }
    faults
}

#[cfg(test)]
mod tests {
    use super::*;
    use aws_sdk_eventbridge::types::DeadLetterConfig;

    fn target(arn: &str, letters: bool) -> Target {
        let letters = letters.then(|| DeadLetterConfig::builder().arn("dead").build());
        let target = Target::builder().id("x").arn(arn);
        target.set_dead_letter_config(letters).build().unwrap()
    }

    #[test]
    fn a_target_that_is_missing_fails_and_one_too_many_is_named() {
        let wanted = ["arn:aws:sqs:x:y:events".to_owned()];
        let of = |targets: &[Target]| {
            let faults = targets_faults(targets, &wanted, "anew");
            faults.iter().map(|fault| fault.works).collect::<Vec<_>>()
        };
        assert!(of(&[target(&wanted[0], true)]).is_empty());
        assert_eq!(of(&[]), [false]);
        assert_eq!(of(&[target(&wanted[0], false)]), [true]);
        assert_eq!(
            of(&[
                target(&wanted[0], true),
                target("arn:aws:sqs:x:y:other", true)
            ]),
            [true]
        );
    }
}
