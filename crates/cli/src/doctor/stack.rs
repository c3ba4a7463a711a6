//! The stack: there, whole, and as new as this program.

use super::Check;
use super::deployment::Deployment;
use super::line::Lines;
use futures_util::FutureExt as _;

pub(super) const CHECK: Check = Check {
    name: "stack",
    area: "The account and the stack",
    actions: &[
        "cloudformation:DescribeStacks",
        "cloudformation:ListStackResources",
    ],
    needs_stack: false,
    look: |deployment, lines| look(deployment, lines).boxed(),
};

/// What `template.yaml` of this version tells; a stack without one of them is older or another one.
/// A test compares them.
const OUTPUTS: &[&str] = &[
    "AcceptCommand",
    "AcceptPolicyArn",
    "AskCommand",
    "BaselineArn",
    "BaselineFunctionName",
    "BaselineRoleArn",
    "BucketKeyArn",
    "BucketName",
    "ContainPolicyArn",
    "DeadLettersUrl",
    "ExamineFunctionName",
    "ExamineRoleArn",
    "FunctionArn",
    "FunctionName",
    "InvestigateFunctionName",
    "InvestigateRoleArn",
    "InvestigationArn",
    "LogGroupName",
    "PublicKeyCommand",
    "QueueUrl",
    "ResponderPolicyArn",
    "RoleArn",
    "SigningKeyArn",
    "TopicArn",
];

async fn look(deployment: &Deployment, lines: &mut Lines) {
    let name = &deployment.stack.name;
    let what = format!("stack {name}");
    let status = match &deployment.status {
        Ok(Some(status)) => status,
        Ok(None) => {
            return lines.fail(
                what,
                deployment.why_not_deployed(),
                "deploy it (make deploy), or name another with --stack and --region",
            );
        }
        Err(trouble) => return lines.trouble(what, trouble),
    };
    match status.as_str() {
        "CREATE_COMPLETE" | "UPDATE_COMPLETE" => lines.ok(&what, status),
        "UPDATE_ROLLBACK_COMPLETE" => lines.warn(
            &what,
            "its last update failed; what was there before is in place",
            format!("aws cloudformation describe-stack-events --stack-name {name} says why"),
        ),
        _ if status.ends_with("_IN_PROGRESS") => lines.warn(
            &what,
            format!("{status}: it is being changed right now"),
            "run coldcase doctor again when that is done",
        ),
        _ => lines.fail(
            &what,
            status,
            format!("aws cloudformation describe-stack-events --stack-name {name} says why; deploy it anew"),
        ),
    }
    let missing: Vec<_> = OUTPUTS
        .iter()
        .filter(|output| deployment.output(output).is_empty())
        .copied()
        .collect();
    if missing.is_empty() {
        lines.ok("version", "it has all that this program looks for");
    } else {
        lines.fail(
            "version",
            format!(
                "it has no output {}: it is older than this program, or not coldcase's",
                missing.join(", ")
            ),
            "deploy the template of this version",
        );
    }
    match &deployment.parts {
        Err(trouble) => lines.trouble("its parts", trouble),
        Ok(parts) => {
            let broken: Vec<_> = parts
                .iter()
                .filter(|(_, part)| {
                    !part.status.ends_with("_COMPLETE") || part.status.starts_with("DELETE")
                })
                .map(|(name, part)| format!("{name} ({})", part.status))
                .collect();
            if broken.is_empty() {
                lines.ok("its parts", format!("{} parts, all complete", parts.len()));
            } else {
                lines.fail("its parts", broken.join(", "), "deploy the stack anew");
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::OUTPUTS;

    #[test]
    fn the_outputs_are_those_of_the_template() {
        let template = include_str!("../../../../template.yaml");
        let outputs = template.split("\nOutputs:\n").nth(1).unwrap();
        let named = outputs.lines().filter_map(|line| {
            let name = line.strip_prefix("  ")?.strip_suffix(':')?;
            (!name.starts_with(' ')).then_some(name)
        });
        let mut named: Vec<_> = named.collect();
        named.sort_unstable();
        assert_eq!(OUTPUTS, named);
    }
}
