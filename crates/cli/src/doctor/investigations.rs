//! The state machines: what looks into the time around a case, and what records functions.

use super::Check;
use super::deployment::Deployment;
use super::line::{Lines, Trouble};
use aws_sdk_sfn::Client;
use aws_sdk_sfn::types::{ExecutionStatus, StateMachineStatus};
use futures_util::FutureExt as _;

pub(super) const CHECK: Check = Check {
    name: "investigations",
    area: "Afterwards",
    actions: &["states:DescribeStateMachine", "states:ListExecutions"],
    needs_stack: true,
    look: |deployment, lines| look(deployment, lines).boxed(),
};

async fn look(deployment: &Deployment, lines: &mut Lines) {
    let client = Client::new(deployment.config());
    for (what, output) in [
        ("investigations", "InvestigationArn"),
        ("sweeps", "BaselineArn"),
    ] {
        let arn = deployment.output(output);
        match client
            .describe_state_machine()
            .state_machine_arn(arn)
            .send()
            .await
        {
            Err(error) => {
                lines.trouble(what, &Trouble::of("states:DescribeStateMachine", &error));
                continue;
            }
            Ok(machine) if machine.status() == Some(&StateMachineStatus::Active) => {
                lines.ok(what, format!("{} is active", machine.name()));
            }
            Ok(machine) => lines.fail(
                what,
                format!("{} is being deleted", machine.name()),
                "find out who did that (event DeleteStateMachine), then deploy the stack anew",
            ),
        }
        failed(&client, what, arn, lines).await;
    }
}

async fn failed(client: &Client, what: &str, arn: &str, lines: &mut Lines) {
    let mut failed = Vec::new();
    for status in [ExecutionStatus::Failed, ExecutionStatus::TimedOut] {
        let listed = client.list_executions().state_machine_arn(arn);
        match listed.status_filter(status).max_results(10).send().await {
            Ok(reply) => failed.extend(reply.executions),
            Err(error) => {
                return lines.trouble(what, &Trouble::of("states:ListExecutions", &error));
            }
        }
    }
    failed.sort_by_key(|one| std::cmp::Reverse(one.start_date));
    if let Some(last) = failed.first() {
        lines.warn(
            what,
            format!(
                "{} did not finish of late, the last one {} on {}",
                failed.len(),
                last.name(),
                last.start_date()
            ),
            format!(
                "aws stepfunctions get-execution-history --execution-arn {} says why",
                last.execution_arn()
            ),
        );
    }
}
