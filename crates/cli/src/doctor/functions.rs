//! The functions of the stack: able to run, under their own role, with the settings that belong to it.

use super::Check;
use super::deployment::Deployment;
use super::line::{Lines, Trouble};
use aws_sdk_cloudwatchlogs::Client as Logs;
use aws_sdk_lambda::Client;
use aws_sdk_lambda::operation::get_function_configuration::GetFunctionConfigurationOutput;
use aws_sdk_lambda::types::{LastUpdateStatus, State};
use evidence::shown;
use function::{Environment, Keeping, Sealing};
use futures_util::FutureExt as _;
use jiff::{SignedDuration, Timestamp};
use std::collections::HashMap;

pub(super) const CHECK: Check = Check {
    name: "functions",
    area: "The functions",
    actions: &[
        "lambda:GetFunctionConcurrency",
        "lambda:GetFunctionConfiguration",
        "lambda:ListFunctionEventInvokeConfigs",
        "logs:DescribeLogGroups",
        "logs:FilterLogEvents",
    ],
    needs_stack: true,
    look: |deployment, lines| look(deployment, lines).boxed(),
};

/// How far back errors are looked for.
const RECENT: SignedDuration = SignedDuration::from_hours(24);
/// How many pages of a log are looked through; empty pages are normal.
const PAGES: usize = 20;

/// A function of the stack: its name's last part, and the output that holds its role.
const FUNCTIONS: [(&str, &str); 4] = [
    ("respond", "RoleArn"),
    ("investigate", "InvestigateRoleArn"),
    ("examine", "ExamineRoleArn"),
    ("baseline", "BaselineRoleArn"),
];

async fn look(deployment: &Deployment, lines: &mut Lines) {
    let client = Client::new(deployment.config());
    let logs = Logs::new(deployment.config());
    for (part, role) in FUNCTIONS {
        let name = deployment.named(part);
        let configuration = client
            .get_function_configuration()
            .function_name(&name)
            .send()
            .await;
        let configuration = match configuration {
            Ok(configuration) => configuration,
            Err(error) => {
                let trouble = Trouble::of("lambda:GetFunctionConfiguration", &error);
                lines.trouble(&name, &trouble);
                continue;
            }
        };
        let before = lines.len();
        runs(&name, &configuration, deployment.output(role), lines);
        settings(deployment, part, &configuration, lines);
        concurrency(&client, &name, lines).await;
        if lines.len() == before {
            lines.ok(
                &name,
                "active, under its own role, with the stack's settings",
            );
        }
        log(&logs, &name, &configuration, lines).await;
    }
    failed_requests(&client, deployment, lines).await;
}

/// Whether the function can run at all, and as whom.
fn runs(name: &str, of: &GetFunctionConfigurationOutput, role: &str, lines: &mut Lines) {
    match of.state() {
        Some(State::Active) | None => {}
        // Lambda puts to rest what was not used for weeks; the first event wakes it.
        Some(State::Inactive) => lines.warn(
            name,
            "is inactive: Lambda put it to rest, and the first event takes longer",
            format!("aws lambda get-function --function-name {name} wakes it"),
        ),
        Some(state) => lines.fail(
            name,
            format!(
                "is {}: {}",
                state.as_str(),
                of.state_reason().unwrap_or("Lambda does not say why")
            ),
            "deploy the stack anew",
        ),
    }
    if of.last_update_status() == Some(&LastUpdateStatus::Failed) {
        lines.fail(
            name,
            format!(
                "its last update failed: {}",
                of.last_update_status_reason().unwrap_or_default()
            ),
            "deploy the stack anew",
        );
    }
    let runs_as = of.role().unwrap_or_default();
    if runs_as != role {
        lines.fail(
            name,
            format!("runs as {runs_as}, not as the stack's {role}"),
            "find out who changed it (event UpdateFunctionConfiguration), then deploy the stack anew",
        );
    }
    if of.layers().iter().next().is_some() {
        lines.fail(
            name,
            "has layers; the stack gives it none",
            "find out who added them (event UpdateFunctionConfiguration), then deploy the stack anew",
        );
    }
}

/// Whether the function would take its settings, and whether they are the stack's.
fn settings(
    deployment: &Deployment,
    part: &str,
    of: &GetFunctionConfigurationOutput,
    lines: &mut Lines,
) {
    let name = deployment.named(part);
    let environment = of.environment();
    if let Some(error) = environment.and_then(|it| it.error()) {
        return lines.fail(
            name,
            format!(
                "its environment cannot be decrypted: {}",
                error.message().unwrap_or_default()
            ),
            "let the caller use the key, or deploy the stack anew",
        );
    }
    let variables = environment
        .and_then(|it| it.variables())
        .cloned()
        .unwrap_or_default();
    let refused = refused(part, &name, &deployment.account.region, &variables);
    if let Some(refused) = refused {
        return lines.fail(
            name,
            format!("does not start with its environment: {refused}"),
            "the stack is older than this program, or its environment was changed: deploy it anew",
        );
    }
    // Names only: values may be somebody's secrets.
    let others: Vec<_> = expected(deployment)
        .into_iter()
        .filter(|(_, _, parts)| parts.contains(&part))
        .filter(|(variable, wanted, _)| {
            variables.get(*variable).unwrap_or(&String::new()) != wanted
        })
        .map(|(variable, ..)| variable)
        .collect();
    if !others.is_empty() {
        lines.fail(
            name,
            format!("{} in its environment is not what the stack says", others.join(", ")),
            "find out who changed it (event UpdateFunctionConfiguration), then deploy the stack anew",
        );
    }
}

/// What the function itself would say to its environment.
fn refused(
    part: &str,
    name: &str,
    region: &str,
    variables: &HashMap<String, String>,
) -> Option<String> {
    let mut env = variables.clone();
    env.insert("AWS_REGION".to_owned(), region.to_owned());
    env.insert("AWS_LAMBDA_FUNCTION_NAME".to_owned(), name.to_owned());
    let refused = match part {
        "respond" => respond::Settings::from_env(env.clone())
            .err()
            .or_else(|| respond::Wiring::from_env(env).err()),
        "investigate" => investigate::Settings::from_env(env.clone())
            .err()
            .or_else(|| Sealing::from_environment(&Environment::of(env)).err()),
        "examine" => examine::Settings::from_env(env.clone())
            .err()
            .or_else(|| Keeping::from_environment(&Environment::of(env)).err()),
        _ => baseline::Settings::from_env(env.clone())
            .err()
            .or_else(|| Sealing::from_environment(&Environment::of(env)).err()),
    };
    refused.map(|refused| format!("{} is missing or cannot be read", refused.name))
}

/// Variables, what they have to be, and of which functions.
fn expected(deployment: &Deployment) -> Vec<(&'static str, String, &'static [&'static str])> {
    const ALL: &[&str] = &["respond", "investigate", "examine", "baseline"];
    const SEALING: &[&str] = &["respond", "investigate", "baseline"];
    const RESPOND: &[&str] = &["respond"];
    const BASELINE: &[&str] = &["baseline"];
    let output = |name: &str| deployment.output(name).to_owned();
    let parameter = |name: &str| deployment.parameter(name).to_owned();
    let regions = match deployment.parameter("Regions") {
        "" => deployment.account.region.clone(),
        named => named.to_owned(),
    };
    vec![
        ("COLDCASE_BUCKET", output("BucketName"), ALL),
        ("COLDCASE_BUCKET_KEY", output("BucketKeyArn"), ALL),
        ("COLDCASE_LOCK_MODE", parameter("RetentionMode"), ALL),
        ("COLDCASE_LOCK_DAYS", parameter("RetentionDays"), ALL),
        ("COLDCASE_SIGNING_KEY", output("SigningKeyArn"), SEALING),
        ("COLDCASE_REGIONS", regions, SEALING),
        ("COLDCASE_TRACING", parameter("Tracing"), RESPOND),
        ("COLDCASE_QUEUE_URL", output("QueueUrl"), RESPOND),
        ("COLDCASE_TOPIC_ARN", output("TopicArn"), RESPOND),
        (
            "COLDCASE_INVESTIGATION_ARN",
            output("InvestigationArn"),
            RESPOND,
        ),
        ("COLDCASE_ROLE_ARN", output("RoleArn"), RESPOND),
        (
            "COLDCASE_TRUSTED_DEPLOYERS",
            parameter("TrustedDeployers"),
            RESPOND,
        ),
        ("COLDCASE_EXCLUDE", parameter("BaselineExclude"), BASELINE),
        (
            "COLDCASE_EXCLUDE_TAG",
            parameter("BaselineExcludeTag"),
            BASELINE,
        ),
    ]
}

async fn concurrency(client: &Client, name: &str, lines: &mut Lines) {
    match client
        .get_function_concurrency()
        .function_name(name)
        .send()
        .await
    {
        Ok(reply) => {
            if reply.reserved_concurrent_executions() == Some(0) {
                lines.fail(
                    name,
                    "its reserved concurrency is 0: it cannot run at all",
                    format!("find out who did that (event PutFunctionConcurrency), then aws lambda delete-function-concurrency --function-name {name}"),
                );
            }
        }
        Err(error) => lines.trouble(name, &Trouble::of("lambda:GetFunctionConcurrency", &error)),
    }
}

/// Where the function writes, how long that is kept, and whether it told of errors of late.
async fn log(logs: &Logs, name: &str, of: &GetFunctionConfigurationOutput, lines: &mut Lines) {
    let what = format!("log of {name}");
    let group = of.logging_config().and_then(|config| config.log_group());
    let group = group.map_or_else(|| format!("/aws/lambda/{name}"), str::to_owned);
    let described = logs
        .describe_log_groups()
        .log_group_name_prefix(&group)
        .send()
        .await;
    match described {
        Err(error) => return lines.trouble(&what, &Trouble::of("logs:DescribeLogGroups", &error)),
        Ok(reply) => {
            let found = reply
                .log_groups()
                .iter()
                .find(|one| one.log_group_name() == Some(&group));
            let Some(found) = found else {
                return lines.fail(
                    what,
                    format!("log group {group} is not there: what goes wrong is told to nobody"),
                    "find out who deleted it (event DeleteLogGroup), then deploy the stack anew",
                );
            };
            if found.retention_in_days().is_none() {
                lines.warn(
                    &what,
                    "is kept for ever; the stack sets a retention",
                    format!("aws logs put-retention-policy --log-group-name {group} --retention-in-days 365"),
                );
            }
        }
    }
    match errors(logs, &group).await {
        Err(trouble) => lines.trouble(what, &trouble),
        Ok(None) => lines.ok(what, "no error in the last 24 hours"),
        Ok(Some((count, first))) => lines.warn(
            what,
            format!(
                "{count} errors in the last 24 hours, the first: {}",
                shown(&first, 200)
            ),
            format!("aws logs tail {group} --since 1d --filter-pattern ERROR shows them"),
        ),
    }
}

/// How many errors were logged of late, and the first; none if none.
async fn errors(logs: &Logs, group: &str) -> Result<Option<(usize, String)>, Trouble> {
    let since = Timestamp::now()
        .saturating_sub(RECENT)
        .unwrap_or(Timestamp::UNIX_EPOCH);
    let mut pages = logs
        .filter_log_events()
        .log_group_name(group)
        .filter_pattern("ERROR")
        .start_time(since.as_millisecond())
        .into_paginator()
        .send();
    let (mut count, mut first) = (0, None);
    for _ in 0..PAGES {
        let Some(page) = pages.next().await else {
            break;
        };
        let page = page.map_err(|error| Trouble::of("logs:FilterLogEvents", &error))?;
        count += page.events().len();
        first = first.or_else(|| {
            let event = page.events().first()?;
            event.message().map(told)
        });
    }
    Ok(first.map(|first| (count, first)))
}

/// The message of a line, where it is one of ours.
fn told(line: &str) -> String {
    let parsed: Option<serde_json::Value> = serde_json::from_str(line).ok();
    let message = parsed.as_ref().and_then(|line| {
        let message = line
            .get("message")
            .or_else(|| line.pointer("/fields/message"));
        message.and_then(serde_json::Value::as_str)
    });
    message.unwrap_or(line).to_owned()
}

/// Where a request of a person goes that failed: the queue has retries of its own, an invocation not.
async fn failed_requests(client: &Client, deployment: &Deployment, lines: &mut Lines) {
    let name = deployment.named("respond");
    let what = "failed requests";
    let anew = "deploy the stack anew";
    let gone = "an asynchronous request that fails leaves no trace: the function has no destination for it";
    let configs = client.list_function_event_invoke_configs();
    match configs.function_name(&name).send().await {
        Ok(reply) => {
            let letters = deployment.arn("sqs", &deployment.named("dead-letters"));
            let leads_there = reply.function_event_invoke_configs().iter().any(|config| {
                let destination = config.destination_config();
                let on_failure = destination.and_then(|it| it.on_failure());
                on_failure.and_then(|it| it.destination()) == Some(&letters)
            });
            if leads_there {
                lines.ok(what, "go to the dead letters");
            } else {
                lines.warn(what, gone, anew);
            }
        }
        Err(error) => {
            let trouble = Trouble::of("lambda:ListFunctionEventInvokeConfigs", &error);
            lines.trouble(what, &trouble);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_variable_that_is_missing_is_named() {
        let refused = refused("respond", "coldcase-respond", "eu-west-1", &HashMap::new());
        assert!(refused.unwrap().starts_with("COLDCASE_"));
    }

    #[test]
    fn a_line_of_the_log_is_told_by_its_message() {
        assert_eq!(told(r#"{"level":"ERROR","fields":{"message":"no"}}"#), "no");
        assert_eq!(told("plain ERROR"), "plain ERROR");
    }
}
