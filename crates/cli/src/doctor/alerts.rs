//! Whether anybody is told.

use super::Check;
use super::deployment::Deployment;
use super::line::{Lines, Trouble};
use super::policies::{Ask, Document};
use aws_sdk_sns::Client;
use futures_util::FutureExt as _;

pub(super) const CHECK: Check = Check {
    name: "alerts",
    area: "Afterwards",
    actions: &["sns:GetTopicAttributes", "sns:ListSubscriptionsByTopic"],
    needs_stack: true,
    look: |deployment, lines| look(deployment, lines).boxed(),
};

async fn look(deployment: &Deployment, lines: &mut Lines) {
    let client = Client::new(deployment.config());
    let topic = deployment.output("TopicArn");
    match client
        .list_subscriptions_by_topic()
        .topic_arn(topic)
        .send()
        .await
    {
        Err(error) => lines.trouble(
            "who is told",
            &Trouble::of("sns:ListSubscriptionsByTopic", &error),
        ),
        Ok(reply) => {
            let arns = reply.subscriptions().iter();
            let arns: Vec<_> = arns
                .map(|one| one.subscription_arn().unwrap_or_default())
                .collect();
            subscribers(&arns, topic, lines);
        }
    }
    match client.get_topic_attributes().topic_arn(topic).send().await {
        Err(error) => lines.trouble("topic", &Trouble::of("sns:GetTopicAttributes", &error)),
        Ok(reply) => {
            let attributes = reply.attributes();
            let policy = attributes.and_then(|attributes| attributes.get("Policy"));
            let policy = policy.and_then(|text| Document::of_text("topic", text));
            admits(deployment, policy.as_ref(), topic, lines);
        }
    }
    lines.not_checked(
        "alarms",
        "this program does not ask CloudWatch",
        format!("aws cloudwatch describe-alarms --alarm-name-prefix {}- should show them all OK, with actions enabled", deployment.stack.name),
    );
}

/// Those that have confirmed are told; the others only wait.
fn subscribers(arns: &[&str], topic: &str, lines: &mut Lines) {
    let confirmed = arns.iter().filter(|arn| arn.starts_with("arn:")).count();
    let waiting = arns.iter().filter(|arn| arn.contains("Pending")).count();
    match (confirmed, waiting) {
        (0, 0) => lines.warn(
            "who is told",
            "nobody has subscribed to alerts",
            format!("aws sns subscribe --topic-arn {topic} --protocol email --notification-endpoint YOU, and confirm it"),
        ),
        (0, waiting) => lines.fail(
            "who is told",
            format!("nobody: {waiting} have not confirmed their subscription"),
            "confirm it by the link in the mail from AWS, or subscribe again",
        ),
        (confirmed, 0) => lines.ok("who is told", format!("{confirmed} subscribers, all confirmed")),
        (confirmed, waiting) => lines.warn(
            "who is told",
            format!("{confirmed} subscribers; {waiting} have not confirmed"),
            "confirm it by the link in the mail from AWS, or take it out",
        ),
    }
}

fn admits(deployment: &Deployment, policy: Option<&Document>, topic: &str, lines: &mut Lines) {
    let rule = deployment.arn(
        "events",
        &format!("rule/{}", deployment.named("responder-iam")),
    );
    let alarm = deployment.arn(
        "cloudwatch",
        &format!("alarm:{}", deployment.named("errors")),
    );
    let mut refused = Vec::new();
    for (service, source) in [
        ("events.amazonaws.com", &rule),
        ("cloudwatch.amazonaws.com", &alarm),
    ] {
        let ask = Ask::new("sns:Publish", topic)
            .by("Service", service)
            .with("aws:sourcearn", source)
            .with("aws:securetransport", "true");
        let lets = policy.is_some_and(|policy| policy.allows(&ask) && !policy.denies(&ask));
        if !lets {
            refused.push(source.as_str());
        }
    }
    if refused.is_empty() {
        lines.ok("topic", "takes what rules and alarms of the stack tell");
    } else {
        lines.fail(
            "topic",
            format!("does not take what {} tells", refused.join(" and ")),
            "find out who changed it (event SetTopicAttributes), then deploy the stack anew",
        );
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::doctor::line::Verdict;

    #[test]
    fn only_who_confirmed_is_told() {
        let of = |arns: &[&str]| {
            let mut lines = Lines::of("x", "X");
            subscribers(arns, "topic", &mut lines);
            lines.done()[0].result
        };
        assert_eq!(of(&[]), Verdict::Warn);
        assert_eq!(of(&["PendingConfirmation"]), Verdict::Fail);
        assert_eq!(of(&["arn:aws:sns:x", "PendingConfirmation"]), Verdict::Warn);
        assert_eq!(of(&["arn:aws:sns:x"]), Verdict::Ok);
    }
}
