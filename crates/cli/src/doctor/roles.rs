//! The roles of the stack: what the code declares, no less and no more, and taken by nobody else.

use super::Check;
use super::deployment::Deployment;
use super::line::{Lines, Trouble};
use super::policies::{Ask, Document, lets};
use aws_sdk_iam::Client;
use aws_sdk_iam::types::PolicyEvaluationDecisionType as Decision;
use futures_util::FutureExt as _;
use percent_encoding::percent_decode_str;
use snapshot::Effect;
use std::collections::{BTreeMap, BTreeSet};

pub(super) const CHECK: Check = Check {
    name: "roles",
    area: "The roles",
    actions: &[
        "cloudformation:ListStackResources",
        "iam:GetPolicy",
        "iam:GetPolicyVersion",
        "iam:GetRole",
        "iam:GetRolePolicy",
        "iam:ListAttachedRolePolicies",
        "iam:ListRolePolicies",
        "iam:SimulatePrincipalPolicy",
    ],
    needs_stack: true,
    look: |deployment, lines| look(deployment, lines).boxed(),
};

/// The most policies of a role that are read; IAM allows fewer.
const MOST_POLICIES: usize = 60;

/// What a role is for.
struct Purpose {
    /// Its name in the template.
    part: &'static str,
    /// Whose it is.
    whose: &'static str,
    /// Who takes it.
    service: &'static str,
    /// Each action that it needs, with what ends as denied or fails without it.
    needs: BTreeMap<&'static str, String>,
    /// Whether it must be denied the destruction of evidence.
    guarded: bool,
}

async fn look(deployment: &Deployment, lines: &mut Lines) {
    let client = Client::new(deployment.config());
    for purpose in purposes(deployment) {
        let what = format!("role of {}", purpose.whose);
        let name = match role_name(deployment, purpose.part) {
            Ok(name) => name,
            Err(trouble) => {
                lines.trouble(what, &trouble);
                continue;
            }
        };
        match read(&client, &name).await {
            Err(trouble) => lines.trouble(what, &trouble),
            Ok(role) => {
                judge(&purpose, &role, deployment, lines);
                bounds(&client, &purpose, &role, deployment, lines).await;
            }
        }
    }
}

/// The role's name: an output of the stack holds its ARN, or CloudFormation lists it.
fn role_name(deployment: &Deployment, part: &str) -> Result<String, Trouble> {
    let output = match part {
        "RespondRole" => "RoleArn".to_owned(),
        other => format!("{other}Arn"),
    };
    let arn = deployment.output(&output);
    if let Some((_, name)) = arn.rsplit_once('/') {
        return Ok(name.to_owned());
    }
    match &deployment.parts {
        Err(trouble) => Err(trouble.clone()),
        Ok(_) => Ok(deployment.part(part).unwrap_or(part).to_owned()),
    }
}

/// A role as IAM tells it.
struct Role {
    name: String,
    arn: String,
    trust: Option<Document>,
    /// The permissions boundary's ARN.
    boundary: Option<String>,
    /// What the boundary says; none if there is none, or if it is no policy.
    bounded: Option<Document>,
    policies: Vec<Document>,
    /// Policies that hold no JSON.
    unread: Vec<String>,
}

async fn read(client: &Client, name: &str) -> Result<Role, Trouble> {
    let got = client.get_role().role_name(name).send().await;
    let got = got.map_err(|error| Trouble::of("iam:GetRole", &error))?;
    let got = got.role();
    let trust = got
        .and_then(|role| role.assume_role_policy_document())
        .and_then(|text| Document::of_text("trust", &decoded(text)));
    let boundary = got
        .and_then(|role| role.permissions_boundary())
        .and_then(|boundary| boundary.permissions_boundary_arn())
        .map(str::to_owned);
    let mut role = Role {
        name: name.to_owned(),
        arn: got.map(|role| role.arn().to_owned()).unwrap_or_default(),
        trust,
        bounded: match &boundary {
            Some(arn) => Document::of_text(arn.as_str(), &managed(client, arn).await?),
            None => None,
        },
        boundary,
        policies: Vec::new(),
        unread: Vec::new(),
    };
    let mut inline = client
        .list_role_policies()
        .role_name(name)
        .into_paginator()
        .items()
        .send();
    while let Some(policy) = inline.next().await {
        let policy = policy.map_err(|error| Trouble::of("iam:ListRolePolicies", &error))?;
        let call = client
            .get_role_policy()
            .role_name(name)
            .policy_name(&policy);
        let reply = call.send().await;
        let reply = reply.map_err(|error| Trouble::of("iam:GetRolePolicy", &error))?;
        role.add(
            format!("inline policy {policy}"),
            &decoded(reply.policy_document()),
        );
        if role.policies.len() >= MOST_POLICIES {
            break;
        }
    }
    let attached = client.list_attached_role_policies().role_name(name);
    let mut attached = attached.into_paginator().items().send();
    while let Some(policy) = attached.next().await {
        let policy = policy.map_err(|error| Trouble::of("iam:ListAttachedRolePolicies", &error))?;
        let arn = policy.policy_arn().unwrap_or_default();
        role.add(format!("policy {arn}"), &managed(client, arn).await?);
        if role.policies.len() >= MOST_POLICIES {
            break;
        }
    }
    Ok(role)
}

/// A managed policy as it is now.
async fn managed(client: &Client, arn: &str) -> Result<String, Trouble> {
    let reply = client.get_policy().policy_arn(arn).send().await;
    let reply = reply.map_err(|error| Trouble::of("iam:GetPolicy", &error))?;
    let version = reply
        .policy()
        .and_then(|policy| policy.default_version_id());
    let call = client.get_policy_version().policy_arn(arn);
    let reply = call.version_id(version.unwrap_or_default()).send().await;
    let reply = reply.map_err(|error| Trouble::of("iam:GetPolicyVersion", &error))?;
    let version = reply.policy_version();
    let text = version.and_then(|version| version.document());
    Ok(decoded(text.unwrap_or_default()))
}

impl Role {
    fn add(&mut self, name: String, text: &str) {
        match Document::of_text(name.clone(), text) {
            Some(document) => self.policies.push(document),
            None => self.unread.push(name),
        }
    }
}

/// IAM answers documents URL-encoded.
fn decoded(text: &str) -> String {
    percent_decode_str(text).decode_utf8_lossy().into_owned()
}

/// Holds the role's documents against its purpose.
fn judge(purpose: &Purpose, role: &Role, deployment: &Deployment, lines: &mut Lines) {
    let what = format!("role of {}", purpose.whose);
    let before = lines.len();
    let less = missing(purpose, &role.policies, deployment);
    if !less.is_empty() {
        lines.fail(
            &what,
            format!("lacks {}", less.join("; ")),
            "find out who took that away (events DeleteRolePolicy, PutRolePolicy, DetachRolePolicy), then deploy the stack anew",
        );
    }
    let more = surplus(purpose, &role.policies, deployment);
    if !more.is_empty() {
        lines.fail(
            &what,
            format!("may more than it needs: {}", more.join("; ")),
            format!("find out who gave it that (events PutRolePolicy, AttachRolePolicy on {}), take it away, and deploy the stack anew", role.name),
        );
    }
    if !role.unread.is_empty() {
        lines.fail(
            &what,
            format!("{} cannot be read as a policy", role.unread.join(", ")),
            "look at it with aws iam get-role-policy",
        );
    }
    if purpose.guarded {
        let object = format!(
            "arn:{}:s3:::{}/cases/x",
            deployment.partition(),
            deployment.output("BucketName")
        );
        let free = [
            ("s3:DeleteObjectVersion", object.as_str()),
            ("s3:BypassGovernanceRetention", object.as_str()),
            (
                "kms:ScheduleKeyDeletion",
                deployment.output("SigningKeyArn"),
            ),
        ];
        let free: Vec<_> = free
            .into_iter()
            .filter(|(action, on)| {
                !role
                    .policies
                    .iter()
                    .any(|policy| policy.denies(&Ask::new(action, on)))
            })
            .map(|(action, _)| action)
            .collect();
        if !free.is_empty() {
            lines.fail(
                &what,
                format!(
                    "is no longer denied {}, whatever else it is given",
                    free.join(", ")
                ),
                "deploy the stack anew: statement NeverDestroyEvidence is gone",
            );
        }
    }
    let others = takers(role.trust.as_ref(), purpose.service);
    if !others.is_empty() {
        lines.fail(
            &what,
            format!("can also be taken by {}", others.join(", ")),
            "find out who let them (event UpdateAssumeRolePolicy), then deploy the stack anew",
        );
    }
    if lines.len() == before {
        let seen = format!(
            "{} actions, those that the code declares and no others",
            purpose.needs.len()
        );
        lines.ok(what, seen);
    }
}

/// Which declared actions the documents do not allow on what they are for.
fn missing(purpose: &Purpose, policies: &[Document], deployment: &Deployment) -> Vec<String> {
    let mut missing = Vec::new();
    for (action, what_for) in &purpose.needs {
        let lacks = on(purpose.part, action, deployment)
            .into_iter()
            .find(|resource| !lets(policies, &Ask::whenever(action, resource)));
        if let Some(resource) = lacks {
            let place = if resource == "*" {
                String::new()
            } else {
                format!(" on {resource}")
            };
            missing.push(format!("{action}{place} ({what_for})"));
        }
    }
    missing
}

/// What the documents allow beyond what is declared, and declared actions on what is not the stack's.
fn surplus(purpose: &Purpose, policies: &[Document], deployment: &Deployment) -> Vec<String> {
    let declared: BTreeSet<String> = purpose
        .needs
        .keys()
        .map(|action| action.to_ascii_lowercase())
        .collect();
    let optional: BTreeSet<String> = optional(purpose.part, deployment);
    let mut more = Vec::new();
    for policy in policies {
        for statement in policy.statements() {
            if statement.effect != Effect::Allow {
                continue;
            }
            let beyond: Vec<_> = statement
                .actions
                .iter()
                .filter(|action| !declared.contains(*action) && !optional.contains(*action))
                .cloned()
                .collect();
            if !statement.not_actions.is_empty() {
                more.push(format!("{}: {}", policy.name, statement.told(200)));
            } else if !beyond.is_empty() {
                more.push(format!("{} ({})", beyond.join(", "), policy.name));
            }
        }
    }
    for action in purpose.needs.keys() {
        for foreign in elsewhere(action, deployment) {
            if lets(policies, &Ask::whenever(action, &foreign)) {
                more.push(format!(
                    "{action} on what is not the stack's, e.g. {foreign}"
                ));
            }
        }
    }
    more
}

/// Who else may take the role.
fn takers(trust: Option<&Document>, service: &str) -> Vec<String> {
    let statements = trust.map(Document::statements).unwrap_or_default();
    let mut others = Vec::new();
    for statement in statements.iter().filter(|one| one.effect == Effect::Allow) {
        for principal in &statement.principals {
            if principal.kind != "Service" || principal.name != service {
                others.push(principal.name.clone());
            }
        }
        if !statement.not_principals.is_empty() {
            others.push("everybody but a few".to_owned());
        }
    }
    let trusts = |principal: &snapshot::Principal| principal.name == service;
    if !statements
        .iter()
        .any(|one| one.principals.iter().any(trusts))
    {
        others.push(format!("others only, and not by {service}"));
    }
    others
}

/// What no document shows: a boundary and the organisation's policies. IAM itself is asked.
async fn bounds(
    client: &Client,
    purpose: &Purpose,
    role: &Role,
    deployment: &Deployment,
    lines: &mut Lines,
) {
    let what = format!("bounds of {}", purpose.whose);
    let wanted = deployment.parameter("PermissionsBoundaryArn");
    match &role.boundary {
        Some(boundary) if boundary != wanted => lines.warn(
            &what,
            format!("the role has a permissions boundary that the stack did not set: {boundary}"),
            "find out who set it (event PutRolePermissionsBoundary)",
        ),
        None if !wanted.is_empty() => lines.warn(
            &what,
            format!("the role has lost its permissions boundary {wanted}"),
            "find out who took it away (event DeleteRolePermissionsBoundary), then deploy the stack anew",
        ),
        _ => {}
    }
    // Only what is allowed without conditions: a simulation knows no circumstances.
    let mut by_resource: BTreeMap<String, Vec<&str>> = BTreeMap::new();
    for action in purpose.needs.keys() {
        for resource in on(purpose.part, action, deployment) {
            if lets(&role.policies, &Ask::new(action, &resource)) {
                by_resource.entry(resource).or_default().push(action);
            }
        }
    }
    let mut refused = BTreeSet::new();
    if role.boundary.is_some() {
        for (resource, actions) in &by_resource {
            let beyond = actions.iter().filter(|action| {
                let ask = Ask::new(action, resource);
                let bounded = role.bounded.as_ref();
                !bounded.is_some_and(|bounded| bounded.allows(&ask) && !bounded.denies(&ask))
            });
            refused.extend(beyond.map(|action| format!("{action} by its boundary")));
        }
    }
    let mut asked = 0;
    for (resource, actions) in by_resource {
        asked += actions.len();
        let simulate = client
            .simulate_principal_policy()
            .policy_source_arn(&role.arn)
            .set_action_names(Some(
                actions.iter().map(|action| (*action).to_owned()).collect(),
            ))
            .resource_arns(&resource);
        let mut results = simulate.into_paginator().items().send();
        while let Some(result) = results.next().await {
            match result {
                Ok(result) => {
                    if *result.eval_decision() != Decision::Allowed {
                        let by = if result
                            .organizations_decision_detail()
                            .is_some_and(|detail| !detail.allowed_by_organizations())
                        {
                            "the organisation"
                        } else {
                            "a boundary or another policy"
                        };
                        refused.insert(format!("{} by {by}", result.eval_action_name()));
                    }
                }
                Err(error) => {
                    let trouble = Trouble::of("iam:SimulatePrincipalPolicy", &error);
                    return lines.not_checked(
                        what,
                        format!("permissions boundary and organisation's policies: {} did not answer ({})", trouble.action, trouble.told),
                        format!("ask as somebody who has {}; the role's own documents were read", trouble.action),
                    );
                }
            }
        }
    }
    if refused.is_empty() {
        lines.ok(what, format!("IAM's simulation allows {asked} of {asked}; an organisation's policies with conditions are not part of it"));
    } else {
        let refused: Vec<_> = refused.into_iter().collect();
        lines.fail(
            what,
            format!(
                "the role's policies allow it, but it is refused: {}",
                refused.join("; ")
            ),
            "let the boundary or the organisation's policies allow it",
        );
    }
}

/// What each role of the stack is for.
fn purposes(deployment: &Deployment) -> Vec<Purpose> {
    let on = |parameter: &str| deployment.parameter(parameter) == "on";
    let vault = || {
        vault::PERMISSIONS
            .iter()
            .map(|one| (one.action, one.for_what.to_owned()))
    };
    let kinds = |permissions: Vec<evidence::Permission>| {
        let mut by_action: BTreeMap<&'static str, BTreeSet<&'static str>> = BTreeMap::new();
        for one in permissions {
            by_action
                .entry(one.action)
                .or_default()
                .insert(one.artifact.as_str());
        }
        by_action.into_iter().map(|(action, kinds)| {
            let kinds: Vec<_> = kinds.into_iter().collect();
            (action, format!("denied: {}", kinds.join(", ")))
        })
    };
    let mut respond: BTreeMap<_, _> = vault().collect();
    respond.extend(
        respond::PERMISSIONS
            .iter()
            .map(|one| (one.action, one.for_what.to_owned())),
    );
    respond.extend(collectors::aws::LOCATE_PERMISSIONS.iter().map(|action| {
        (
            *action,
            "finding the functions that a role or layer concerns".to_owned(),
        )
    }));
    respond.extend(kinds(collectors::aws::permissions()));
    if !on("Tracing") {
        respond.remove("lambda:UpdateFunctionConfiguration");
    }
    let mut investigate: BTreeMap<_, _> = vault().collect();
    investigate.extend(kinds(collectors::aws::window::permissions()));
    investigate.extend(
        investigate::PERMISSIONS
            .iter()
            .map(|(action, what)| (*action, (*what).to_owned())),
    );
    if !has_athena(deployment) {
        investigate.retain(|action, _| !of_athena(action));
    }
    let examine: BTreeMap<_, _> = examine::PERMISSIONS
        .iter()
        .map(|(action, _, what)| (*action, (*what).to_owned()))
        .collect();
    let mut baseline: BTreeMap<_, _> = vault().collect();
    baseline.extend(kinds(baseline::permissions()));
    baseline.extend(
        baseline::PERMISSIONS
            .iter()
            .map(|(action, what)| (*action, (*what).to_owned())),
    );
    let words = |pairs: &[(&'static str, &str)]| -> BTreeMap<&'static str, String> {
        pairs
            .iter()
            .map(|(action, what)| (*action, (*what).to_owned()))
            .collect()
    };
    let mut investigation = words(&[
        ("lambda:InvokeFunction", "taking the steps"),
        ("sns:Publish", "telling somebody"),
        (
            "events:PutEvents",
            "announcing a sealed case to other automation",
        ),
    ]);
    if on("SecurityHub") {
        investigation.insert(
            "securityhub:BatchImportFindings",
            "telling Security Hub".to_owned(),
        );
    }
    let sweep = words(&[
        ("lambda:InvokeFunction", "recording a batch of functions"),
        ("sns:Publish", "telling somebody of failures"),
        ("states:DescribeExecution", "waiting for batches"),
        ("states:StartExecution", "starting batches"),
        ("states:StopExecution", "stopping batches"),
    ]);
    let start = words(&[("states:StartExecution", "starting a sweep on a schedule")]);
    let of = |part, whose, service, needs, guarded| Purpose {
        part,
        whose,
        service,
        needs,
        guarded,
    };
    let (lambda, states) = ("lambda.amazonaws.com", "states.amazonaws.com");
    vec![
        of("RespondRole", "respond", lambda, respond, true),
        of("InvestigateRole", "investigate", lambda, investigate, true),
        of("ExamineRole", "examine", lambda, examine, true),
        of("BaselineRole", "baseline", lambda, baseline, true),
        of(
            "InvestigationRole",
            "the investigation",
            states,
            investigation,
            false,
        ),
        of("BaselineSweepRole", "the sweep", states, sweep, false),
        of(
            "BaselineStartRole",
            "the schedule",
            "events.amazonaws.com",
            start,
            false,
        ),
    ]
}

fn has_athena(deployment: &Deployment) -> bool {
    [
        "TrailBucket",
        "AthenaWorkgroup",
        "AthenaDatabase",
        "AthenaTable",
        "AthenaResultsBucket",
    ]
    .iter()
    .all(|parameter| !deployment.parameter(parameter).is_empty())
}

fn of_athena(action: &str) -> bool {
    action.starts_with("athena:") || action.starts_with("glue:") || action == "s3:GetBucketLocation"
}

/// What a role is granted with some parameters, beside what it needs; in lower case.
fn optional(part: &str, deployment: &Deployment) -> BTreeSet<String> {
    let mut actions = BTreeSet::new();
    // Reading the trail's files takes the key that they are encrypted with.
    if part == "InvestigateRole" && !deployment.parameter("TrailKeyArn").is_empty() {
        actions.insert("kms:decrypt".to_owned());
    }
    actions
}

/// What an action of a role is for: ARNs of the stack's parts, else samples of what there may be.
fn on(part: &str, action: &str, deployment: &Deployment) -> Vec<String> {
    let d = deployment;
    let bucket = format!("arn:{}:s3:::{}", d.partition(), d.output("BucketName"));
    let account = |service: &str, rest: &str| {
        vec![format!(
            "arn:{}:{service}::{}:{rest}",
            d.partition(),
            d.account.id
        )]
    };
    let own = |service: &str, rest: &str| vec![d.arn(service, rest)];
    let output = |name: &str| vec![d.output(name).to_owned()];
    match (part, action) {
        ("ExamineRole", "s3:PutObject" | "s3:PutObjectRetention") => {
            vec![format!("{bucket}/examinations/a-case/first/result.json")]
        }
        ("BaselineRole", "s3:PutObject" | "s3:PutObjectRetention" | "s3:AbortMultipartUpload") => [
            "baselines/x/000001.json",
            "content/x",
            "cases/x/manifest-0001.json",
            "cases/x/signer-x.pem",
        ]
        .map(|key| format!("{bucket}/{key}"))
        .into(),
        ("InvestigationRole", "lambda:InvokeFunction") => ["investigate", "examine"]
            .map(|name| d.arn("lambda", &format!("function:{}", d.named(name))))
            .into(),
        ("BaselineSweepRole", "lambda:InvokeFunction") => {
            own("lambda", &format!("function:{}", d.named("baseline")))
        }
        ("BaselineSweepRole" | "BaselineStartRole", "states:StartExecution") => {
            output("BaselineArn")
        }
        ("BaselineSweepRole", _) if action.starts_with("states:") => {
            own("states", &format!("execution:{}/x:y", d.named("baseline")))
        }
        (
            _,
            "s3:PutObject"
            | "s3:PutObjectRetention"
            | "s3:GetObjectRetention"
            | "s3:AbortMultipartUpload"
            | "s3:GetObject",
        ) => {
            vec![format!("{bucket}/cases/x/exhibits/y")]
        }
        (_, "s3:GetObjectVersion") => {
            // Only where the owner lets code be read that functions are deployed from.
            let buckets = d.parameter("DeploymentBuckets");
            let first = buckets.split(',').find(|name| !name.is_empty());
            first
                .map(|name| {
                    vec![format!(
                        "arn:{}:s3:::{}/x",
                        d.partition(),
                        name.replace('*', "x")
                    )]
                })
                .unwrap_or_default()
        }
        (_, "s3:GetBucketNotification") => vec![format!("arn:{}:s3:::a-bucket", d.partition())],
        (_, "s3:GetBucketLocation") => {
            vec![format!(
                "arn:{}:s3:::{}",
                d.partition(),
                d.parameter("AthenaResultsBucket")
            )]
        }
        (_, _) if action.starts_with("s3:") => vec![bucket],
        (_, "kms:Sign" | "kms:GetPublicKey") => output("SigningKeyArn"),
        (_, "kms:Decrypt" | "kms:GenerateDataKey") => output("BucketKeyArn"),
        (_, "kms:DescribeKey" | "kms:GetKeyPolicy") => {
            vec![
                d.output("SigningKeyArn").to_owned(),
                d.output("BucketKeyArn").to_owned(),
            ]
        }
        (_, "sqs:GetQueueAttributes" | "sqs:GetQueueUrl" | "sqs:SendMessage") => {
            ["events", "dead-letters"]
                .map(|queue| d.arn("sqs", &d.named(queue)))
                .into()
        }
        (_, _) if action.starts_with("sqs:") => own("sqs", &d.named("events")),
        (_, "sns:Publish") => output("TopicArn"),
        (_, _) if action.starts_with("sns:") => own("sns", "a-topic"),
        (_, "states:StartExecution") => output("InvestigationArn"),
        (_, "events:PutEvents") => own("events", "event-bus/default"),
        (_, _) if action.starts_with("events:") => own("events", "rule/a-rule"),
        (_, "lambda:GetEventSourceMapping") => own("lambda", "event-source-mapping:x"),
        (_, "lambda:GetCodeSigningConfig" | "lambda:ListFunctionsByCodeSigningConfig") => {
            own("lambda", "code-signing-config:csc-0123456789abcdef0")
        }
        (_, "lambda:GetLayerVersion" | "lambda:GetLayerVersionPolicy") => {
            own("lambda", "layer:deps:1")
        }
        (_, "lambda:ListFunctions" | "lambda:ListEventSourceMappings") => vec!["*".to_owned()],
        (_, _) if action.starts_with("lambda:") => own("lambda", "function:a-function"),
        (_, _) if action.starts_with("ecr:") => own("ecr", "repository/an-image"),
        (
            _,
            "iam:GetPolicy"
            | "iam:GetPolicyVersion"
            | "iam:ListPolicyVersions"
            | "iam:ListEntitiesForPolicy",
        ) => account("iam", "policy/a-policy"),
        (_, _) if action.starts_with("iam:") => account("iam", "role/a-role"),
        (_, "logs:CreateLogStream" | "logs:PutLogEvents") => log_group(part, deployment),
        (_, "logs:DescribeLogGroups" | "logs:GetQueryResults") => vec!["*".to_owned()],
        (_, _) if action.starts_with("logs:") => own("logs", "log-group:/aws/lambda/a-function:*"),
        (_, "cloudtrail:GetEventSelectors" | "cloudtrail:GetTrailStatus") => {
            own("cloudtrail", "trail/a-trail")
        }
        (_, _) if action.starts_with("athena:") => own(
            "athena",
            &format!("workgroup/{}", d.parameter("AthenaWorkgroup")),
        ),
        (_, _) if action.starts_with("glue:") => own("glue", "catalog"),
        (_, _) if action.starts_with("securityhub:") => {
            own("securityhub", &format!("product/{}/default", d.account.id))
        }
        // These know no resource to be narrowed by.
        _ => vec!["*".to_owned()],
    }
}

/// The log group that a role's function writes to; none where CloudFormation did not say which.
fn log_group(part: &str, deployment: &Deployment) -> Vec<String> {
    let group = match part {
        "RespondRole" => Some(deployment.output("LogGroupName")),
        _ => deployment.part(&part.replace("Role", "Log")),
    };
    group
        .map(|group| vec![deployment.arn("logs", &format!("log-group:{group}:log-stream:x"))])
        .unwrap_or_default()
}

/// What an action must not reach: things of the same kind that are not the stack's.
fn elsewhere(action: &str, deployment: &Deployment) -> Vec<String> {
    let d = deployment;
    let foreign = match action {
        "s3:PutObject" | "s3:PutObjectRetention" | "s3:AbortMultipartUpload" => {
            format!("arn:{}:s3:::not-of-the-stack/x", d.partition())
        }
        "kms:Sign" | "kms:GenerateDataKey" => d.arn("kms", "key/not-of-the-stack"),
        "sqs:SendMessage" | "sqs:ReceiveMessage" | "sqs:DeleteMessage" => {
            d.arn("sqs", "not-of-the-stack")
        }
        "sns:Publish" => d.arn("sns", "not-of-the-stack"),
        "states:StartExecution" => d.arn("states", "stateMachine:not-of-the-stack"),
        "lambda:InvokeFunction" => d.arn("lambda", "function:not-of-the-stack"),
        "logs:PutLogEvents" => d.arn("logs", "log-group:/not/of/the/stack:log-stream:x"),
        "events:PutEvents" => d.arn("events", "event-bus/not-of-the-stack"),
        _ => return Vec::new(),
    };
    vec![foreign]
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};

    fn trust(principal: Value) -> Document {
        let statement =
            json!({"Effect": "Allow", "Principal": principal, "Action": "sts:AssumeRole"});
        Document::of("trust", &json!({ "Statement": statement })).unwrap()
    }

    #[test]
    fn a_role_is_taken_by_its_service_and_nobody_else() {
        let lambda = "lambda.amazonaws.com";
        let of = |principal: Value| takers(Some(&trust(principal)), lambda);
        assert!(of(json!({ "Service": lambda })).is_empty());
        assert_eq!(
            of(json!({ "Service": lambda, "AWS": "arn:aws:iam::444455556666:role/x" })).len(),
            1
        );
        assert_eq!(of(json!("*")).len(), 2);
        assert_eq!(takers(None, lambda).len(), 1);
    }
}
