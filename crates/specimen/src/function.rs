//! How the function was and how it is: what its provider answers when it is asked.

use crate::contents::{self, Content};
use crate::{ACCOUNT, ATTACKER, REGION, SECRET, Specimen, hostile, window};
use collectors::exhibit_name;
use evidence::{ArtifactKind, Outcome, Request, Target};
use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};
use snapshot::{Document, Piece};

/// The function's role.
pub(crate) const ROLE: &str = "arn:aws:iam::111122223333:role/billing-role";
/// The layer that came with the change.
pub(crate) const FOREIGN_LAYER: &str = "arn:aws:lambda:eu-west-1:444455556666:layer:telemetry:1";
const OWN_LAYER: &str = "arn:aws:lambda:eu-west-1:111122223333:layer:deps:3";

/// One question to the provider and what it told.
pub(crate) struct Told {
    pub(crate) request: Request,
    pub(crate) result: Outcome,
    replies: Vec<Reply>,
    pub(crate) contents: Vec<Content>,
}

enum Reply {
    Call(&'static str, String, Value),
    Note(String, Value),
    Refused(&'static str, String),
}

impl Told {
    fn of(request: Request) -> Self {
        Self {
            request,
            result: Outcome::Acquired,
            replies: Vec::new(),
            contents: Vec::new(),
        }
    }

    fn call(mut self, call: &'static str, about: &str, reply: Value) -> Self {
        self.replies
            .push(Reply::Call(call, about.to_owned(), reply));
        self
    }

    fn note(mut self, name: &str, value: Value) -> Self {
        self.replies.push(Reply::Note(name.to_owned(), value));
        self
    }

    fn content(mut self, content: Content) -> Self {
        self.contents.push(content);
        self
    }

    fn refused(mut self, call: &'static str, about: &str, result: Outcome) -> Self {
        self.result = result;
        self.replies.push(Reply::Refused(call, about.to_owned()));
        self
    }

    /// Every call with what it asked about.
    pub(crate) fn calls(&self) -> impl Iterator<Item = (&'static str, &str)> {
        self.replies.iter().filter_map(|reply| match reply {
            Reply::Call(call, about, _) | Reply::Refused(call, about) => {
                Some((*call, about.as_str()))
            }
            Reply::Note(..) => None,
        })
    }

    /// Where the document is from.
    pub(crate) fn source(&self) -> String {
        let mut names: Vec<&str> = Vec::new();
        for (call, _) in self.calls() {
            if !names.contains(&call) {
                names.push(call);
            }
        }
        match names.is_empty() {
            true => "the trigger".to_owned(),
            false => names.join(", "),
        }
    }

    /// The document that the collectors make of the replies; none where all was refused.
    pub(crate) fn document(&self, target: &Target, received_at: Timestamp) -> Option<Value> {
        let replies = self.replies.iter().filter_map(|reply| match reply {
            Reply::Call(call, about, reply) => Some(json!({
                "call": call,
                "about": about,
                "received_at": received_at,
                "reply": reply,
            })),
            Reply::Note(name, value) => Some(json!({ "note": name, "value": value })),
            Reply::Refused(..) => None,
        });
        let replies: Vec<Value> = replies.collect();
        (!replies.is_empty()).then(|| {
            json!({
                "artifact": self.request.artifact,
                "selector": self.request.selector,
                "target": target.arn(),
                "replies": replies,
            })
        })
    }

    /// The same as a record of a known good function has it.
    pub(crate) fn as_piece(&self) -> Piece {
        let target = Target::aws(ACCOUNT, REGION, evidence::ResourceKind::Function, "");
        let document = self.document(&target, Timestamp::UNIX_EPOCH);
        Piece {
            request: self.request.clone(),
            result: self.result.clone(),
            documents: document
                .map(|json| Document {
                    name: exhibit_name(&self.request),
                    json,
                })
                .into_iter()
                .collect(),
            contents: self.contents.iter().map(Content::as_content).collect(),
        }
    }
}

/// The function the day before the change.
pub(crate) fn as_it_was(specimen: &Specimen) -> Vec<Told> {
    State {
        specimen,
        changed: false,
    }
    .told()
}

/// The function after the change, with what woke the responder.
pub(crate) fn as_it_is(specimen: &Specimen) -> Vec<Told> {
    let record = window::tampering(specimen);
    let trigger = Told::of(Request::whole(ArtifactKind::TriggerEvent)).note("record", record);
    let state = State {
        specimen,
        changed: true,
    };
    let mut told = vec![trigger];
    told.extend(state.told());
    told
}

struct State<'a> {
    specimen: &'a Specimen,
    changed: bool,
}

impl State<'_> {
    fn told(&self) -> Vec<Told> {
        use ArtifactKind as Kind;
        let name = self.specimen.function.as_str();
        let arn = self.specimen.target().arn();
        let whole = |kind| Told::of(Request::whole(kind));
        let code = self.code();
        let located = json!({
            "Configuration": self.configuration(false),
            "Code": {"RepositoryType": "S3", "Location": "withheld by coldcase: a signed URL; the bytes are an exhibit"},
        });
        let mut told = vec![
            whole(Kind::FunctionCode)
                .call("lambda:GetFunction", name, located)
                .content(code),
            whole(Kind::Configuration).call(
                "lambda:GetFunctionConfiguration",
                name,
                self.configuration(true),
            ),
            layer(OWN_LAYER, contents::own_layer),
        ];
        if self.changed {
            told.push(layer(FOREIGN_LAYER, contents::foreign_layer));
        }
        told.extend([
            whole(Kind::Versions).call(
                "lambda:ListVersionsByFunction",
                name,
                json!({"Versions": [self.version("$LATEST"), self.version("1"), self.version("2")]}),
            ),
            whole(Kind::Aliases).call(
                "lambda:ListAliases",
                name,
                json!({"Aliases": [{"Name": "live", "FunctionVersion": "2", "Description": ""}]}),
            ),
            whole(Kind::ResourcePolicy).call(
                "lambda:GetPolicy",
                name,
                json!({"Policy": self.policy(&arn).to_string(), "RevisionId": "r1"}),
            ),
            whole(Kind::UrlConfig).call(
                "lambda:ListFunctionUrlConfigs",
                name,
                json!({"FunctionUrlConfigs": []}),
            ),
            whole(Kind::EventSourceMappings).call(
                "lambda:ListEventSourceMappings",
                name,
                json!({"EventSourceMappings": [{
                    "UUID": "0c0ffee0-1111-4222-8333-444455556666", "BatchSize": 10, "State": "Enabled",
                    "EventSourceArn": format!("arn:aws:sqs:{REGION}:{ACCOUNT}:orders"), "FunctionArn": arn}]}),
            ),
            whole(Kind::EventInvokeConfig).call(
                "lambda:ListFunctionEventInvokeConfigs",
                name,
                json!({"FunctionEventInvokeConfigs": []}),
            ),
            whole(Kind::Concurrency)
                .call(
                    "lambda:GetFunctionConcurrency",
                    name,
                    json!({"ReservedConcurrentExecutions": 20}),
                )
                .call(
                    "lambda:ListProvisionedConcurrencyConfigs",
                    name,
                    json!({"ProvisionedConcurrencyConfigs": []}),
                ),
            whole(Kind::CodeSigningConfig).refused(
                "lambda:GetFunctionCodeSigningConfig",
                name,
                Outcome::Absent {
                    why: format!("lambda:GetFunctionCodeSigningConfig {name}: ResourceNotFoundException"),
                },
            ),
            whole(Kind::RuntimeManagement).call(
                "lambda:GetRuntimeManagementConfig",
                name,
                json!({"UpdateRuntimeOn": "Auto", "FunctionArn": arn}),
            ),
            whole(Kind::RecursionConfig).call(
                "lambda:GetFunctionRecursionConfig",
                name,
                json!({"RecursiveLoop": "Terminate"}),
            ),
            whole(Kind::Tags).refused(
                "lambda:ListTags",
                name,
                Outcome::Denied {
                    why: format!("lambda:ListTags {name}: AccessDeniedException"),
                },
            ),
            self.log_group(),
            self.role(),
        ]);
        told
    }

    fn code(&self) -> Content {
        match self.changed {
            true => contents::bad_code(self.specimen),
            false => contents::good_code(),
        }
    }

    fn configuration(&self, with_environment: bool) -> Value {
        let code = self.code();
        let name = self.specimen.function.as_str();
        let mut variables = json!({"TABLE": "bills", "DATABASE_PASSWORD": SECRET});
        let mut layers = vec![json!({"Arn": OWN_LAYER, "CodeSize": 200})];
        let mut modified_at = self.specimen.after(SignedDuration::from_hours(-24 * 30));
        if self.changed {
            layers.push(json!({"Arn": FOREIGN_LAYER, "CodeSize": 300}));
            variables["TELEMETRY_URL"] = json!(format!("https://{ATTACKER}/c"));
            modified_at = self.specimen.changed_at;
        }
        let mut description = "bills every night".to_owned();
        if self.changed && self.specimen.hostile {
            description = hostile::NAME.to_owned();
            variables[hostile::NAME] = json!(SECRET);
        }
        let environment = match with_environment {
            true => json!({ "Variables": variables }),
            false => json!("withheld by coldcase: the environment is in the configuration exhibit"),
        };
        json!({
            "FunctionName": name, "FunctionArn": self.specimen.target().arn(), "Runtime": "python3.13",
            "Handler": "app.handler", "Role": ROLE, "PackageType": "Zip", "MemorySize": 256,
            "Timeout": 15, "CodeSha256": code.sha256().to_base64(), "CodeSize": code.bytes.len(),
            "Architectures": ["arm64"], "EphemeralStorage": {"Size": 512},
            "Description": description, "Environment": environment, "Layers": layers,
            "TracingConfig": {"Mode": "PassThrough"}, "Version": "$LATEST",
            "LoggingConfig": {"LogFormat": "Text", "LogGroup": self.group()},
            "LastModified": modified_at.strftime("%Y-%m-%dT%H:%M:%S.000+0000").to_string(),
            "RevisionId": "4d2c1f0e-0001-4000-8000-000000000001",
            "State": "Active", "LastUpdateStatus": "Successful",
        })
    }

    fn version(&self, number: &str) -> Value {
        let code = match number {
            "$LATEST" => self.code(),
            _ => contents::good_code(),
        };
        json!({"Version": number, "CodeSha256": code.sha256().to_base64(), "Handler": "app.handler",
            "Runtime": "python3.13", "Role": ROLE, "Environment": "withheld by coldcase"})
    }

    fn policy(&self, arn: &str) -> Value {
        let mut statements = vec![json!({
            "Sid": "nightly", "Effect": "Allow", "Principal": {"Service": "events.amazonaws.com"},
            "Action": "lambda:InvokeFunction", "Resource": arn,
            "Condition": {"ArnLike": {"AWS:SourceArn": format!("arn:aws:events:{REGION}:{ACCOUNT}:rule/nightly")}},
        })];
        if self.changed {
            statements.push(json!({
                "Sid": "support", "Effect": "Allow", "Principal": {"AWS": "arn:aws:iam::444455556666:root"},
                "Action": "lambda:InvokeFunction", "Resource": arn,
            }));
        }
        json!({"Version": "2012-10-17", "Statement": statements})
    }

    fn group(&self) -> String {
        format!("/aws/lambda/{}", self.specimen.function)
    }

    fn log_group(&self) -> Told {
        let group = self.group();
        let described = json!({"logGroups": [{
            "logGroupName": group, "retentionInDays": 30, "storedBytes": 42_000,
            "logGroupClass": "STANDARD", "creationTime": 1_700_000_000_000_i64}]});
        Told::of(Request::one(ArtifactKind::LogGroup, group.as_str()))
            .call("logs:DescribeLogGroups", &group, described)
            .call(
                "logs:DescribeSubscriptionFilters",
                &group,
                json!({"subscriptionFilters": []}),
            )
    }

    fn role(&self) -> Told {
        let basic = "arn:aws:iam::aws:policy/service-role/AWSLambdaBasicExecutionRole";
        let mut actions = json!(["dynamodb:GetItem", "dynamodb:PutItem"]);
        let mut resource = json!(format!("arn:aws:dynamodb:{REGION}:{ACCOUNT}:table/bills"));
        if self.changed {
            actions = json!(["dynamodb:*", "s3:*", "iam:CreateAccessKey"]);
            resource = json!("*");
        }
        let members =
            format!("<member><PolicyName>p</PolicyName><PolicyArn>{basic}</PolicyArn></member>");
        Told::of(Request::one(ArtifactKind::ExecutionRole, ROLE))
            .call("iam:GetRole", "billing-role", json!(format!(
                "<GetRoleResponse><GetRoleResult><Role><Arn>{ROLE}</Arn><AssumeRolePolicyDocument>%7B%7D</AssumeRolePolicyDocument></Role></GetRoleResult></GetRoleResponse>")))
            .note("trust policy", json!({"Statement": [{"Effect": "Allow", "Principal": {"Service": "lambda.amazonaws.com"}, "Action": "sts:AssumeRole"}]}))
            .call("iam:ListRolePolicies", "billing-role", json!(
                "<R><PolicyNames><member>data</member></PolicyNames><IsTruncated>false</IsTruncated></R>"))
            .note("inline policy data", json!({"Statement": [{"Sid": "table", "Effect": "Allow", "Action": actions, "Resource": resource}]}))
            .call("iam:ListAttachedRolePolicies", "billing-role", json!(format!(
                "<R><AttachedPolicies>{members}</AttachedPolicies><IsTruncated>false</IsTruncated></R>")))
            .call("iam:GetPolicy", basic, json!("<R><Policy><DefaultVersionId>v3</DefaultVersionId></Policy></R>"))
            .note(&format!("policy {basic} v3"), json!({"Statement": {"Effect": "Allow", "Action": ["logs:CreateLogStream", "logs:PutLogEvents"], "Resource": "*"}}))
    }
}

fn layer(arn: &str, content: fn(&str) -> Content) -> Told {
    let request = Request::one(ArtifactKind::Layer, arn);
    let content = content(&format!("{}-bytes.zip", exhibit_name(&request)));
    let version = arn
        .rsplit(':')
        .next()
        .and_then(|last| last.parse::<u32>().ok());
    let reply = json!({
        "Content": {"CodeSha256": content.sha256().to_base64(), "CodeSize": content.bytes.len(),
            "Location": "withheld by coldcase: a signed URL; the bytes are an exhibit"},
        "Version": version, "LayerVersionArn": arn,
    });
    Told::of(request)
        .call("lambda:GetLayerVersion", arn, reply)
        .content(content)
}
