//! What the checks look at: the account, and the stack with its parts by their names in the template.

use super::line::Trouble;
use crate::desk::{Account, Options, Stack};
use aws_config::{Region, SdkConfig};
use aws_sdk_cloudformation::error::ProvideErrorMetadata as _;
use std::collections::BTreeMap;

/// The parts of a stack that are listed at most; CloudFormation allows 500.
const MOST_PARTS: usize = 500;

/// A resource of the stack.
pub struct Part {
    /// Its name or ARN, as CloudFormation refers to it.
    pub id: String,
    /// `CREATE_COMPLETE` and the like.
    pub status: String,
}

/// An account with the stack, as far as it could be looked at.
pub struct Deployment {
    /// The account.
    pub account: Account,
    /// Outputs and parameters; without any if there is no stack.
    pub stack: Stack,
    /// `CREATE_COMPLETE` and the like; none if there is no stack.
    pub status: Result<Option<String>, Trouble>,
    /// The stack's resources by their names in the template.
    pub parts: Result<BTreeMap<String, Part>, Trouble>,
    /// The public key that the signing key has to be, in PEM.
    pub key: Option<String>,
}

impl Deployment {
    /// Looks for the stack and its parts.
    pub async fn look(account: Account, options: &Options, key: Option<String>) -> Self {
        let client = aws_sdk_cloudformation::Client::new(&account.config);
        let mut stack = Stack {
            name: options.stack.clone(),
            outputs: BTreeMap::new(),
            parameters: BTreeMap::new(),
        };
        let described = client.describe_stacks().stack_name(&options.stack);
        let status = match described.send().await {
            Ok(reply) => {
                let found = reply.stacks().first();
                for output in found.map(|found| found.outputs()).unwrap_or_default() {
                    if let (Some(name), Some(value)) = (output.output_key(), output.output_value())
                    {
                        stack.outputs.insert(name.to_owned(), value.to_owned());
                    }
                }
                for one in found.map(|found| found.parameters()).unwrap_or_default() {
                    if let (Some(name), Some(value)) = (one.parameter_key(), one.parameter_value())
                    {
                        stack.parameters.insert(name.to_owned(), value.to_owned());
                    }
                }
                Ok(found
                    .and_then(|found| found.stack_status())
                    .map(|status| status.as_str().to_owned()))
            }
            // CloudFormation's way to say that there is none.
            Err(error)
                if error.code() == Some("ValidationError")
                    && error
                        .message()
                        .unwrap_or_default()
                        .contains("does not exist") =>
            {
                Ok(None)
            }
            Err(error) => Err(Trouble::of("cloudformation:DescribeStacks", &error)),
        };
        let parts = match &status {
            Ok(Some(_)) => parts(&client, &options.stack).await,
            _ => Ok(BTreeMap::new()),
        };
        Self {
            account,
            stack,
            status,
            parts,
            key,
        }
    }

    /// Whether there is a stack to look at.
    pub const fn is_deployed(&self) -> bool {
        matches!(self.status, Ok(Some(_)))
    }

    /// Why there is none.
    pub fn why_not_deployed(&self) -> String {
        match &self.status {
            Err(trouble) => format!("the stack could not be looked at ({})", trouble.action),
            _ => format!(
                "there is no stack {} in {}",
                self.stack.name, self.account.region
            ),
        }
    }

    /// The configuration for clients.
    pub const fn config(&self) -> &SdkConfig {
        &self.account.config
    }

    /// The same for another Region.
    pub fn config_in(&self, region: &str) -> SdkConfig {
        let config = self.account.config.to_builder();
        config.region(Region::new(region.to_owned())).build()
    }

    /// An output of the stack; empty if it has none of this name, which the check of the stack tells.
    pub fn output(&self, name: &str) -> &str {
        self.stack
            .outputs
            .get(name)
            .map(String::as_str)
            .unwrap_or_default()
    }

    /// A parameter of the stack; empty if it has none of this name.
    pub fn parameter(&self, name: &str) -> &str {
        self.stack
            .parameters
            .get(name)
            .map(String::as_str)
            .unwrap_or_default()
    }

    /// What CloudFormation calls the resource of this name in the template, as far as that is known.
    pub fn part(&self, name: &str) -> Option<&str> {
        let parts = self.parts.as_ref().ok()?;
        parts.get(name).map(|part| part.id.as_str())
    }

    /// The name of a part that is named after the stack.
    pub fn named(&self, part: &str) -> String {
        format!("{}-{part}", self.stack.name)
    }

    /// `aws`, `aws-cn`, `aws-us-gov`: as the caller's ARN has it.
    pub fn partition(&self) -> &str {
        self.account.caller.split(':').nth(1).unwrap_or("aws")
    }

    /// An ARN in the account and Region.
    pub fn arn(&self, service: &str, rest: &str) -> String {
        let Account { region, id, .. } = &self.account;
        format!("arn:{}:{service}:{region}:{id}:{rest}", self.partition())
    }

    /// Where CloudTrail reports what is done in IAM.
    pub fn global_region(&self) -> &'static str {
        match self.partition() {
            "aws-cn" => "cn-north-1",
            "aws-us-gov" => "us-gov-west-1",
            _ => "us-east-1",
        }
    }

    /// The Regions whose functions the stack answers for, its own first.
    pub fn regions(&self) -> Vec<String> {
        let mut regions = vec![self.account.region.clone()];
        for named in self.parameter("Regions").split(',') {
            if !named.is_empty() && !regions.iter().any(|known| known == named) {
                regions.push(named.to_owned());
            }
        }
        regions
    }
}

/// Every resource of the stack.
async fn parts(
    client: &aws_sdk_cloudformation::Client,
    stack: &str,
) -> Result<BTreeMap<String, Part>, Trouble> {
    let mut parts = BTreeMap::new();
    let mut token = None;
    loop {
        let call = client.list_stack_resources().stack_name(stack);
        let page = call
            .set_next_token(token)
            .send()
            .await
            .map_err(|error| Trouble::of("cloudformation:ListStackResources", &error))?;
        for one in page.stack_resource_summaries() {
            let name = one.logical_resource_id().unwrap_or_default().to_owned();
            let part = Part {
                id: one.physical_resource_id().unwrap_or_default().to_owned(),
                status: one
                    .resource_status()
                    .map(|status| status.as_str().to_owned())
                    .unwrap_or_default(),
            };
            parts.insert(name, part);
        }
        token = page.next_token;
        if token.is_none() || parts.len() >= MOST_PARTS {
            return Ok(parts);
        }
    }
}
