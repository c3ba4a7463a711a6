//! What an event or a case is about: one resource of one provider.

use serde::{Deserialize, Serialize};
use std::fmt;

/// Who runs the workload.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Provider {
    /// Amazon Web Services.
    Aws,
    /// Google Cloud.
    Gcp,
    /// Microsoft Azure.
    Azure,
    /// Cloudflare.
    Cloudflare,
}

impl Provider {
    /// As people call it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Aws => "AWS",
            Self::Gcp => "Google Cloud",
            Self::Azure => "Azure",
            Self::Cloudflare => "Cloudflare",
        }
    }
}

/// The part of AWS that a Region belongs to; the second field of an ARN.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Partition {
    /// Commercial Regions.
    Aws,
    /// Regions in China.
    AwsCn,
    /// GovCloud.
    AwsUsGov,
}

impl Partition {
    /// The partition of a Region, by the prefix of its name.
    pub fn of_region(region: &str) -> Self {
        if region.starts_with("cn-") {
            Self::AwsCn
        } else if region.starts_with("us-gov-") {
            Self::AwsUsGov
        } else {
            Self::Aws
        }
    }

    /// As written in ARNs.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Aws => "aws",
            Self::AwsCn => "aws-cn",
            Self::AwsUsGov => "aws-us-gov",
        }
    }
}

/// The kind of resource that a target is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ResourceKind {
    /// A Lambda function, a Google Cloud function, an Azure Functions app or slot, a Worker.
    Function,
    /// A Lambda layer; the qualifier is its version.
    Layer,
    /// An event source mapping, named by its UUID.
    EventSourceMapping,
    /// A Lambda code-signing configuration, named by its id.
    CodeSigningConfig,
    /// An IAM role, named without its path.
    Role,
    /// An IAM managed policy, named with its path; account `aws` for AWS's own.
    Policy,
    /// A CloudWatch Logs log group.
    LogGroup,
    /// A CloudTrail trail.
    Trail,
    /// An EventBridge rule.
    Rule,
    /// An SQS queue.
    Queue,
    /// An SNS topic.
    Topic,
    /// A CloudWatch alarm.
    Alarm,
    /// An S3 bucket.
    Bucket,
    /// A KMS key, named by its id (or an alias).
    Key,
    /// A Step Functions state machine.
    StateMachine,
}

impl ResourceKind {
    /// As in JSON.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Function => "function",
            Self::Layer => "layer",
            Self::EventSourceMapping => "event-source-mapping",
            Self::CodeSigningConfig => "code-signing-config",
            Self::Role => "role",
            Self::Policy => "policy",
            Self::LogGroup => "log-group",
            Self::Trail => "trail",
            Self::Rule => "rule",
            Self::Queue => "queue",
            Self::Topic => "topic",
            Self::Alarm => "alarm",
            Self::Bucket => "bucket",
            Self::Key => "key",
            Self::StateMachine => "state-machine",
        }
    }
}

/// One resource: what a trigger points at and what a case is about.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Target {
    /// Who runs it.
    pub provider: Provider,
    /// The account, as the record wrote it: redacted records hold no twelve digits. The project of
    /// Google Cloud, the subscription of Azure.
    pub account: String,
    /// The Region; `us-east-1` for IAM, as CloudTrail writes it. The location of Google Cloud; empty
    /// where the provider's names have none.
    pub region: String,
    /// What kind of resource.
    pub kind: ResourceKind,
    /// The bare name, without account, path (roles) or qualifier; `SITE/slots/SLOT` of an Azure slot.
    pub name: String,
    /// A version, an alias or a layer version, where the event names one.
    pub qualifier: Option<String>,
    /// The resource group, of Azure only.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub group: Option<String>,
}

/// Text that is no ARN of a resource this program knows.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error(
    "{text:?} is not the ARN of a Lambda function, layer, role or another resource coldcase knows; \
     a function's looks like arn:aws:lambda:REGION:ACCOUNT:function:NAME"
)]
pub struct BadArn {
    /// What was given, cut to 200 characters.
    pub text: String,
}

impl Target {
    /// A target of AWS without a qualifier.
    pub fn aws(
        account: impl Into<String>,
        region: impl Into<String>,
        kind: ResourceKind,
        name: impl Into<String>,
    ) -> Self {
        Self {
            provider: Provider::Aws,
            account: account.into(),
            region: region.into(),
            kind,
            name: name.into(),
            qualifier: None,
            group: None,
        }
    }

    /// The same target with a qualifier; an empty one and `$LATEST` count as none.
    pub fn qualified(mut self, qualifier: Option<impl Into<String>>) -> Self {
        self.qualifier = qualifier
            .map(Into::into)
            .filter(|q| !q.is_empty() && q != "$LATEST");
        self
    }

    /// The same resource without its qualifier.
    pub fn unqualified(&self) -> Self {
        Self {
            qualifier: None,
            ..self.clone()
        }
    }

    /// Reads an ARN. Global services carry no Region: `us-east-1` is put in, where their events are.
    pub fn from_arn(arn: &str) -> Result<Self, BadArn> {
        Self::parse_arn(arn).ok_or_else(|| BadArn {
            text: arn.chars().take(200).collect(),
        })
    }

    fn parse_arn(arn: &str) -> Option<Self> {
        let mut parts = arn.splitn(6, ':');
        let ("arn", Some(partition), Some(service), Some(region), Some(account), Some(resource)) = (
            parts.next()?,
            parts.next(),
            parts.next(),
            parts.next(),
            parts.next(),
            parts.next(),
        ) else {
            return None;
        };
        // Where a global service's events are, in each partition.
        let region = match (region, partition) {
            ("", "aws-cn") => "cn-north-1",
            ("", "aws-us-gov") => "us-gov-west-1",
            ("", _) => "us-east-1",
            (region, _) => region,
        };
        let of =
            |kind, name: &str| (!name.is_empty()).then(|| Self::aws(account, region, kind, name));
        match service {
            "lambda" => {
                let mut fields = resource.splitn(3, ':');
                let (kind, name, qualifier) = (fields.next()?, fields.next()?, fields.next());
                let kind = match kind {
                    "function" => ResourceKind::Function,
                    "layer" => ResourceKind::Layer,
                    "event-source-mapping" => ResourceKind::EventSourceMapping,
                    "code-signing-config" => ResourceKind::CodeSigningConfig,
                    _ => return None,
                };
                of(kind, name).map(|target| target.qualified(qualifier))
            }
            "iam" => {
                let (kind, path) = resource.split_once('/')?;
                match kind {
                    "role" => of(ResourceKind::Role, path.rsplit('/').next()?),
                    "policy" => of(ResourceKind::Policy, path),
                    _ => None,
                }
            }
            "logs" => {
                let name = resource.strip_prefix("log-group:")?;
                of(ResourceKind::LogGroup, name.split(':').next()?)
            }
            "cloudtrail" => of(ResourceKind::Trail, resource.strip_prefix("trail/")?),
            "events" => of(ResourceKind::Rule, resource.strip_prefix("rule/")?),
            "sqs" => of(ResourceKind::Queue, resource),
            "sns" => of(ResourceKind::Topic, resource.split(':').next()?),
            "cloudwatch" => of(ResourceKind::Alarm, resource.strip_prefix("alarm:")?),
            "s3" => of(ResourceKind::Bucket, resource.split('/').next()?),
            "kms" => of(
                ResourceKind::Key,
                resource.strip_prefix("key/").unwrap_or(resource),
            ),
            "states" => of(
                ResourceKind::StateMachine,
                resource.strip_prefix("stateMachine:")?,
            ),
            _ => None,
        }
    }

    /// The ARN of a target of AWS, qualifier included where the kind has one. Of any target, see
    /// [`Target::id`].
    pub fn arn(&self) -> String {
        let Self {
            account,
            region,
            name,
            ..
        } = self;
        let partition = Partition::of_region(region).as_str();
        let mut arn = match self.kind {
            ResourceKind::Function => {
                format!("arn:{partition}:lambda:{region}:{account}:function:{name}")
            }
            ResourceKind::Layer => {
                format!("arn:{partition}:lambda:{region}:{account}:layer:{name}")
            }
            ResourceKind::EventSourceMapping => {
                format!("arn:{partition}:lambda:{region}:{account}:event-source-mapping:{name}")
            }
            ResourceKind::CodeSigningConfig => {
                format!("arn:{partition}:lambda:{region}:{account}:code-signing-config:{name}")
            }
            ResourceKind::Role => format!("arn:{partition}:iam::{account}:role/{name}"),
            ResourceKind::Policy => format!("arn:{partition}:iam::{account}:policy/{name}"),
            ResourceKind::LogGroup => {
                format!("arn:{partition}:logs:{region}:{account}:log-group:{name}")
            }
            ResourceKind::Trail => {
                format!("arn:{partition}:cloudtrail:{region}:{account}:trail/{name}")
            }
            ResourceKind::Rule => format!("arn:{partition}:events:{region}:{account}:rule/{name}"),
            ResourceKind::Queue => format!("arn:{partition}:sqs:{region}:{account}:{name}"),
            ResourceKind::Topic => format!("arn:{partition}:sns:{region}:{account}:{name}"),
            ResourceKind::Alarm => {
                format!("arn:{partition}:cloudwatch:{region}:{account}:alarm:{name}")
            }
            ResourceKind::Bucket => format!("arn:{partition}:s3:::{name}"),
            ResourceKind::Key if name.starts_with("alias/") => {
                format!("arn:{partition}:kms:{region}:{account}:{name}")
            }
            ResourceKind::Key => format!("arn:{partition}:kms:{region}:{account}:key/{name}"),
            ResourceKind::StateMachine => {
                format!("arn:{partition}:states:{region}:{account}:stateMachine:{name}")
            }
        };
        if let Some(qualifier) = &self.qualifier {
            arn.push(':');
            arn.push_str(qualifier);
        }
        arn
    }
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.id())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_arn_survives_the_round_trip() {
        for arn in [
            "arn:aws:lambda:eu-west-1:111122223333:function:billing",
            "arn:aws:lambda:eu-west-1:111122223333:function:billing:7",
            "arn:aws:lambda:eu-west-1:111122223333:layer:deps:3",
            "arn:aws-cn:lambda:cn-north-1:111122223333:function:billing",
            "arn:aws:iam::111122223333:role/billing-role",
            "arn:aws:iam::aws:policy/service-role/AWSLambdaBasicExecutionRole",
            "arn:aws-us-gov:iam::111122223333:role/billing-role",
            "arn:aws-cn:iam::aws:policy/ReadOnlyAccess",
            "arn:aws:kms:eu-west-1:111122223333:key/0c0ffee0-1111-2222-3333-444455556666",
            "arn:aws:s3:::evidence",
            "arn:aws:events:eu-west-1:111122223333:rule/coldcase-lambda",
        ] {
            assert_eq!(Target::from_arn(arn).unwrap().arn(), arn);
        }
    }

    #[test]
    fn latest_is_no_qualifier_and_a_role_loses_its_path() {
        let arn = "arn:aws:lambda:eu-west-1:111122223333:function:billing:$LATEST";
        assert_eq!(Target::from_arn(arn).unwrap().qualifier, None);
        let role = Target::from_arn("arn:aws:iam::111122223333:role/service-role/x").unwrap();
        assert_eq!(role.name, "x");
    }

    #[test]
    fn what_is_no_arn_is_named_in_the_error() {
        for text in [
            "",
            "billing",
            "arn:aws:ec2:eu-west-1:1:instance/i-1",
            "arn:aws:lambda:::function:",
        ] {
            let error = Target::from_arn(text).unwrap_err().to_string();
            assert!(error.contains(&format!("{text:?}")), "{error}");
        }
    }
}
