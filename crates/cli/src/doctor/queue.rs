//! The queue in which events wait: who puts them in, who takes them out, what was given up.

use super::Check;
use super::deployment::Deployment;
use super::line::{Lines, Trouble};
use super::policies::{Ask, Document};
use aws_sdk_sqs::types::QueueAttributeName;
use futures_util::FutureExt as _;
use serde_json::Value;
use std::collections::HashMap;

pub(super) const CHECK: Check = Check {
    name: "queue",
    area: "The queue",
    actions: &[
        "lambda:GetFunctionConfiguration",
        "lambda:ListEventSourceMappings",
        "sqs:GetQueueAttributes",
    ],
    needs_stack: true,
    look: |deployment, lines| look(deployment, lines).boxed(),
};

type Attributes = HashMap<QueueAttributeName, String>;

async fn look(deployment: &Deployment, lines: &mut Lines) {
    let client = aws_sdk_sqs::Client::new(deployment.config());
    let events = match attributes(&client, deployment.output("QueueUrl")).await {
        Ok(events) => Some(events),
        Err(trouble) => {
            lines.trouble("queue of events", &trouble);
            None
        }
    };
    if let Some(events) = &events {
        let lambda = aws_sdk_lambda::Client::new(deployment.config());
        let function = deployment.named("respond");
        let configuration = lambda.get_function_configuration().function_name(&function);
        match configuration.send().await {
            Ok(configuration) => {
                visibility(events, configuration.timeout().unwrap_or_default(), lines)
            }
            Err(error) => lines.trouble(
                "visibility timeout",
                &Trouble::of("lambda:GetFunctionConfiguration", &error),
            ),
        }
        admits(deployment, events, lines);
        let wanted = deployment.arn("sqs", &deployment.named("dead-letters"));
        let redrive = attribute(events, &QueueAttributeName::RedrivePolicy);
        let redrive: Value = serde_json::from_str(redrive).unwrap_or_default();
        if redrive["deadLetterTargetArn"] == wanted.as_str() {
            lines.ok("dead letters", "what fails ten times is kept for 14 days");
        } else {
            lines.fail(
                "dead letters",
                "an event that cannot be worked on is lost: the queue has no dead letters of the stack's",
                "deploy the stack anew",
            );
        }
        let waiting = number(events, &QueueAttributeName::ApproximateNumberOfMessages);
        if waiting == 0 {
            lines.ok("waiting", "no event waits");
        } else {
            lines.warn(
                "waiting",
                format!("{waiting} events wait to be worked on"),
                "if it stays so, see the functions below; the alarm WaitingAlarm watches how long",
            );
        }
        mapping(deployment, &lambda, &function, lines).await;
    }
    match attributes(&client, deployment.output("DeadLettersUrl")).await {
        Err(trouble) => lines.trouble("dead letters", &trouble),
        Ok(letters) => {
            let dead = number(&letters, &QueueAttributeName::ApproximateNumberOfMessages)
                + number(
                    &letters,
                    &QueueAttributeName::ApproximateNumberOfMessagesNotVisible,
                );
            if dead == 0 {
                lines.ok("given up", "no event was");
            } else {
                lines.fail(
                    "given up",
                    format!("{dead} events could not be worked on: evidence may be missing"),
                    "see the responder's log for why; deploy with RedrivePrincipalArn to read them and move them back (README)",
                );
            }
        }
    }
}

async fn attributes(client: &aws_sdk_sqs::Client, url: &str) -> Result<Attributes, Trouble> {
    let reply = client
        .get_queue_attributes()
        .queue_url(url)
        .attribute_names(QueueAttributeName::All)
        .send()
        .await;
    let reply = reply.map_err(|error| Trouble::of("sqs:GetQueueAttributes", &error))?;
    Ok(reply.attributes.unwrap_or_default())
}

fn attribute<'a>(of: &'a Attributes, name: &QueueAttributeName) -> &'a str {
    of.get(name).map(String::as_str).unwrap_or_default()
}

fn number(of: &Attributes, name: &QueueAttributeName) -> u64 {
    attribute(of, name).parse().unwrap_or_default()
}

fn visibility(events: &Attributes, timeout: i32, lines: &mut Lines) {
    let visibility = number(events, &QueueAttributeName::VisibilityTimeout);
    if visibility >= u64::try_from(timeout).unwrap_or_default() {
        lines.ok(
            "visibility timeout",
            format!("{visibility} s, the function has {timeout} s"),
        );
    } else {
        lines.fail(
            "visibility timeout",
            format!("{visibility} s is less than the function's {timeout} s: events are worked on twice at a time"),
            "deploy the stack anew",
        );
    }
}

/// Whether the rules may put events in, and nobody may take them out.
fn admits(deployment: &Deployment, events: &Attributes, lines: &mut Lines) {
    let policy = attribute(events, &QueueAttributeName::Policy);
    let queue = deployment.arn("sqs", &deployment.named("events"));
    let Some(policy) = Document::of_text("queue", policy) else {
        return lines.fail(
            "policy",
            "the queue has none: rules may not put events in",
            "deploy the stack anew",
        );
    };
    let rule = deployment.arn("events", &format!("rule/{}", deployment.named("lambda")));
    let ask = Ask::new("sqs:SendMessage", &queue)
        .by("Service", "events.amazonaws.com")
        .with("aws:sourcearn", &rule)
        .with("aws:securetransport", "true")
        .with("aws:principalisawsservice", "true");
    if policy.allows(&ask) {
        lines.ok("policy", "lets the stack's rules put events in");
    } else {
        lines.fail(
            "policy",
            format!("does not let rule {rule} put events in: they go to the dead letters"),
            "deploy the stack anew",
        );
    }
    let stranger = format!(
        "arn:{}:iam::{}:role/somebody",
        deployment.partition(),
        deployment.account.id
    );
    for (action, would) in [
        (
            "sqs:ReceiveMessage",
            "take events out, so that they are never answered",
        ),
        ("sqs:SendMessage", "make events up"),
    ] {
        let ask = Ask::new(action, &queue)
            .by("AWS", &stranger)
            .with("aws:principalarn", &stranger)
            .with("aws:securetransport", "true")
            .with("aws:principalisawsservice", "false");
        if !policy.denies(&ask) {
            lines.fail(
                "policy",
                format!("does not deny others {action}: who has it from IAM may {would}"),
                "find out who changed it (event SetQueueAttributes), then deploy the stack anew",
            );
        }
    }
}

/// What feeds the function.
async fn mapping(
    deployment: &Deployment,
    lambda: &aws_sdk_lambda::Client,
    function: &str,
    lines: &mut Lines,
) {
    let listed = lambda.list_event_source_mappings().function_name(function);
    let mappings = match listed.send().await {
        Ok(reply) => reply.event_source_mappings.unwrap_or_default(),
        Err(error) => {
            let trouble = Trouble::of("lambda:ListEventSourceMappings", &error);
            return lines.trouble("feeding", &trouble);
        }
    };
    let queue = deployment.arn("sqs", &deployment.named("events"));
    let Some(mapping) = mappings
        .iter()
        .find(|one| one.event_source_arn() == Some(&queue))
    else {
        return lines.fail(
            "feeding",
            "nothing feeds the function from the queue: no event is ever answered",
            "find out who took the mapping away (event DeleteEventSourceMapping), then deploy the stack anew",
        );
    };
    let uuid = mapping.uuid().unwrap_or_default();
    let state = mapping.state().unwrap_or_default();
    match state {
        "Enabled" => {}
        "Creating" | "Enabling" | "Updating" => lines.warn(
            "feeding",
            format!("the mapping is {state}"),
            "run coldcase doctor again in a minute",
        ),
        _ => {
            return lines.fail(
                "feeding",
                format!("the mapping that feeds the function is {state}: no event is answered"),
                format!("find out who did that (event UpdateEventSourceMapping), then aws lambda update-event-source-mapping --uuid {uuid} --enabled"),
            );
        }
    }
    let partial = mapping
        .function_response_types()
        .iter()
        .any(|one| one.as_str() == "ReportBatchItemFailures");
    if partial {
        lines.ok("feeding", "the mapping to the function is on");
    } else {
        lines.fail(
            "feeding",
            "the mapping does not report failures one by one: an event that fails counts as answered",
            "deploy the stack anew",
        );
    }
}
