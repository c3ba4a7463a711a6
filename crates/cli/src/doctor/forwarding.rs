//! Whether what is recorded in one Region only gets here: IAM's calls, and what is done to the trail.

use super::Check;
use super::deployment::Deployment;
use super::line::{Lines, Trouble};
use super::matching::{asked_of, event, pattern};
use super::rules::{faults, tell};
use aws_sdk_eventbridge::Client;
use futures_util::FutureExt as _;
use serde_json::json;
use std::collections::BTreeSet;

pub(super) const CHECK: Check = Check {
    name: "forwarding",
    area: "The rules",
    actions: &[
        "cloudtrail:DescribeTrails",
        "events:DescribeRule",
        "events:ListTargetsByRule",
        "events:TestEventPattern",
    ],
    needs_stack: true,
    look: |deployment, lines| look(deployment, lines).boxed(),
};

async fn look(deployment: &Deployment, lines: &mut Lines) {
    let (home, iam) = (&deployment.account.region, deployment.global_region());
    if home == iam {
        lines.ok(
            "IAM's events",
            format!("are recorded in {home}, where the stack is"),
        );
    } else {
        let rules = [("iam", true), ("trail", false), ("own", false)];
        from(deployment, iam, &rules, lines).await;
    }
    match trail_homes(deployment).await {
        Err(trouble) => lines.trouble("the trail's own events", &trouble),
        Ok(homes) => {
            for region in homes {
                if region == *home {
                    lines.ok(
                        "the trail's own events",
                        format!("are recorded in {home}, where the stack is"),
                    );
                } else if region != iam {
                    from(
                        deployment,
                        &region,
                        &[("trail", true), ("own", false)],
                        lines,
                    )
                    .await;
                } else {
                    lines.ok(
                        "the trail's own events",
                        format!("come by the same forwarder, from {region}"),
                    );
                }
            }
        }
    }
}

/// The home Regions of the trails: who stops a trail does so there.
async fn trail_homes(deployment: &Deployment) -> Result<BTreeSet<String>, Trouble> {
    let client = aws_sdk_cloudtrail::Client::new(deployment.config());
    let reply = client
        .describe_trails()
        .include_shadow_trails(true)
        .send()
        .await
        .map_err(|error| Trouble::of("cloudtrail:DescribeTrails", &error))?;
    let homes = reply.trail_list().iter();
    Ok(homes
        .filter_map(|trail| trail.home_region().map(str::to_owned))
        .collect())
}

/// Looks at the forwarder in another Region: each rule, and whether a sample of the first matches.
async fn from(deployment: &Deployment, region: &str, rules: &[(&str, bool)], lines: &mut Lines) {
    let home = &deployment.account.region;
    let client = Client::new(&deployment.config_in(region));
    let bus = deployment.arn("events", "event-bus/default");
    let mut sound = true;
    for (rule, needed) in rules {
        let name = format!("{}-{home}-{rule}", deployment.stack.name);
        match faults(&client, &name, std::slice::from_ref(&bus), false).await {
            Err(trouble) => {
                sound = false;
                lines.trouble(format!("rule {name} in {region}"), &trouble);
            }
            Ok(found) if found.is_empty() => {}
            Ok(mut found) => {
                sound = false;
                for fault in &mut found {
                    fault.works |= !needed;
                    if fault.seen.starts_with("is not there") {
                        fault.seen = format!(
                            "is not there: what is done {} is not seen here",
                            match *rule {
                                "iam" => "to roles and policies",
                                "trail" => "to the trail",
                                _ => "to the forwarder itself",
                            }
                        );
                        fault.advice = format!(
                            "aws cloudformation deploy --region {region} --stack-name {}-forwarder-{home} --template-file infra/events-forwarder.yaml --capabilities CAPABILITY_IAM --parameter-overrides HomeRegion={home} HomeStackName={}",
                            deployment.stack.name, deployment.stack.name
                        );
                    }
                }
                tell(lines, &format!("{name} in {region}"), found);
            }
        }
    }
    if sound {
        let first = format!("{}-{home}-{}", deployment.stack.name, rules[0].0);
        let (source, event_source, call) = match rules[0].0 {
            "iam" => ("aws.iam", "iam.amazonaws.com", "PutRolePolicy"),
            _ => ("aws.cloudtrail", "cloudtrail.amazonaws.com", "StopLogging"),
        };
        let sample = event(
            deployment,
            source,
            event_source,
            call,
            &json!({"roleName": "billing-role"}),
        );
        let matched = match pattern(&client, &first).await {
            Ok(Some(pattern)) => asked_of(&client, &pattern, &sample).await,
            Ok(None) => Ok(false),
            Err(trouble) => Err(trouble),
        };
        let what = format!("forwarder in {region}");
        match matched {
            Ok(true) => lines.ok(what, format!("sends what is recorded there to {home}")),
            Ok(false) => lines.fail(
                what,
                format!("its rule {first} does not match {call}"),
                "deploy infra/events-forwarder.yaml there anew",
            ),
            Err(trouble) => lines.trouble(what, &trouble),
        }
    }
}
