//! The deployed stack, by what CloudFormation says of it.

use super::account::refused;
use super::{Account, Options};
use anyhow::Result;
use aws_sdk_cloudformation::error::ProvideErrorMetadata as _;
use std::collections::BTreeMap;

/// A deployed stack.
#[derive(Clone, Debug)]
pub struct Stack {
    /// Its name.
    pub name: String,
    /// Its outputs, as `template.yaml` names them (BucketName, FunctionArn, …).
    pub outputs: BTreeMap<String, String>,
    /// Its parameters.
    pub parameters: BTreeMap<String, String>,
}

impl Stack {
    /// The stack that the options name, in the account's Region; none if there is none.
    ///
    /// # Errors
    /// Where CloudFormation cannot be asked: a stack that may be there is not taken for none.
    pub async fn find(account: &Account, options: &Options) -> Result<Option<Self>> {
        let client = aws_sdk_cloudformation::Client::new(&account.config);
        let reply = client
            .describe_stacks()
            .stack_name(&options.stack)
            .send()
            .await;
        let reply = match reply {
            Ok(reply) => reply,
            // CloudFormation's way to say that there is none.
            Err(error)
                if error.code() == Some("ValidationError")
                    && error
                        .message()
                        .unwrap_or_default()
                        .contains("does not exist") =>
            {
                return Ok(None);
            }
            Err(error) => {
                return Err(refused(
                    "cloudformation:DescribeStacks",
                    Some("ResponderPolicy"),
                    &error,
                ));
            }
        };
        let Some(stack) = reply.stacks().first() else {
            return Ok(None);
        };
        let pairs =
            |key: Option<&str>, value: Option<&str>| Some((key?.to_owned(), value?.to_owned()));
        Ok(Some(Self {
            name: options.stack.clone(),
            outputs: stack
                .outputs()
                .iter()
                .filter_map(|one| pairs(one.output_key(), one.output_value()))
                .collect(),
            parameters: stack
                .parameters()
                .iter()
                .filter_map(|one| pairs(one.parameter_key(), one.parameter_value()))
                .collect(),
        }))
    }

    /// An output of the stack; an older or a foreign stack may not have it.
    pub fn output(&self, name: &str) -> Result<&str> {
        let found = self.outputs.get(name).map(String::as_str);
        found.ok_or_else(|| {
            super::Failure::new(
                super::Kind::Usage,
                format!(
                    "the stack {} has no output {name}: it is older than this program, or not coldcase's; \
                     deploy it anew, or name another with --stack",
                    self.name
                ),
            )
        })
    }
}
