//! Least power: each permission is needed, none is missing, and without any one of them the case is
//! sealed all the same and says what was denied.
#![allow(clippy::unwrap_used, clippy::expect_used)]

use crate::delivery::{envelope, record, records};
use crate::roles_policy::{RolePolicy, statements_that_read};
use aws_sdk_ecr::primitives::Blob as EcrBlob;
use aws_sdk_lambda::primitives::Blob;
use aws_sdk_lambda::types::{
    AllowedPublishers, CodeSigningPolicies, CodeSigningPolicy, FunctionCode, FunctionUrlAuthType,
    LayerVersionContentInput, LoggingConfig, PackageType,
};
use aws_sdk_s3::primitives::ByteStream;
use coldcase_tests::{Account, Victim, package, package_bytes, policy, unique};
use evidence::{ArtifactKind as A, Outcome, SealedCase, Sha256Digest};
use serde_json::{Value, json};

/// What the responder is invoked with, and which acquisition is looked at.
#[derive(Clone, Debug)]
enum Ask {
    /// The event that changed the function with one of everything.
    Rich,
    /// The same, where no version of the source is named.
    RichWithoutVersion,
    /// The event that changed a function made of an image.
    Image,
    /// A responder's request about a resource.
    About(String),
}

/// An account with one of everything that can be read of a function.
struct Stage {
    account: Account,
    rich: Value,
    image: Value,
    managed_policy: String,
    role: String,
    mapping: String,
    code_signing: String,
}

impl Stage {
    async fn set() -> Self {
        let account = Account::deployed(&[]);
        let lambda = account.lambda().await;
        // What is invoked here and now is all that the responder answers.
        let mappings = lambda.list_event_source_mappings();
        let mappings = mappings.function_name(account.output("FunctionName"));
        for mapping in mappings.send().await.unwrap().event_source_mappings() {
            let update = lambda.update_event_source_mapping().enabled(false);
            update.uuid(mapping.uuid().unwrap()).send().await.unwrap();
        }
        let iam = account.iam().await;
        let victim = account.victim("rich").await;
        let managed = |name: &str| {
            let create = iam.create_policy().policy_name(name);
            create.policy_document(policy(&["*"])).send()
        };
        let attached = managed("attached")
            .await
            .unwrap()
            .policy
            .unwrap()
            .arn
            .unwrap();
        let boundary = managed("boundary")
            .await
            .unwrap()
            .policy
            .unwrap()
            .arn
            .unwrap();
        let attach = iam.attach_role_policy().role_name(&victim.role_name);
        attach.policy_arn(&attached).send().await.unwrap();
        let bound = iam.put_role_permissions_boundary();
        let bound = bound.role_name(&victim.role_name);
        bound.permissions_boundary(&boundary).send().await.unwrap();
        let (mapping, code_signing) = fill(&account, &victim).await;
        let rich = deploy_from_s3(&account, &victim).await;
        let image = image_function(&account, &victim).await;
        Self {
            account,
            rich,
            image,
            managed_policy: attached,
            role: victim.role,
            mapping,
            code_signing,
        }
    }

    /// Which question is answered with the help of this action.
    fn question(&self, action: &str, artifact: A) -> Ask {
        let arn = |service: &str, rest: &str| {
            let Account {
                region, account, ..
            } = &self.account;
            format!("arn:aws:{service}:{region}:{account}:{rest}")
        };
        match (artifact, action) {
            (A::DeploymentSource, "s3:GetObject") => Ask::RichWithoutVersion,
            (A::ContainerImage, _)
            | (A::DeploymentSource, "ecr:BatchGetImage" | "lambda:GetFunction") => Ask::Image,
            (A::ResponderPart, action) => Ask::About(match action.split_once(':').unwrap() {
                ("cloudtrail", _) => arn("cloudtrail", "trail/management"),
                ("events", _) => arn("events", "rule/coldcase-lambda"),
                ("kms", _) => self.account.output("SigningKeyArn"),
                // Of a Region that is not configured: its functions are not known, so that the
                // configuration itself is the case.
                ("lambda", "GetCodeSigningConfig") => {
                    let here = format!(":{}:", self.account.region);
                    self.code_signing.replace(&here, ":eu-west-1:")
                }
                ("lambda", _) => self.mapping.clone(),
                ("s3", _) => format!("arn:aws:s3:::{}", self.account.output("BucketName")),
                ("sns", _) => self.account.output("TopicArn"),
                ("sqs", _) => arn("sqs", "coldcase-events"),
                other => panic!("no question about {other:?}"),
            }),
            (A::FunctionsConcerned, "iam:ListEntitiesForPolicy") => {
                Ask::About(self.managed_policy.clone())
            }
            (A::FunctionsConcerned, "lambda:ListFunctions") => Ask::About(self.role.clone()),
            (A::FunctionsConcerned, "lambda:GetEventSourceMapping") => {
                Ask::About(self.mapping.clone())
            }
            (A::FunctionsConcerned, _) => Ask::About(self.code_signing.clone()),
            _ => Ask::Rich,
        }
    }

    /// The case that an invocation seals; it must be a new one.
    async fn ask(&self, ask: &Ask) -> SealedCase {
        let event = |record: &Value| {
            let mut record = record.clone();
            record["eventID"] = unique("event").into();
            serde_json::from_str(&envelope(&self.account, &record)).unwrap()
        };
        let payload: Value = match ask {
            Ask::Rich => event(&self.rich),
            Ask::RichWithoutVersion => {
                let mut record = self.rich.clone();
                let parameters = record["requestParameters"].as_object_mut().unwrap();
                parameters.remove("s3ObjectVersion").unwrap();
                event(&record)
            }
            Ask::Image => event(&self.image),
            Ask::About(arn) => json!({"target": arn, "reason": "a test", "tracing": false}),
        };
        let answer = crate::delivery::invoke(&self.account, &payload).await;
        let did = &answer[0];
        assert_eq!(did["did"], "sealed", "{ask:?}: {answer}");
        let id = did["case_id"].as_str().unwrap().parse().unwrap();
        self.account.sealed(&id, 0).await.unwrap()
    }
}

/// Puts one of everything on the function; a mapping's ARN, a code-signing configuration's ARN.
async fn fill(account: &Account, victim: &Victim) -> (String, String) {
    let lambda = account.lambda().await;
    let name = &victim.name;
    let layer = LayerVersionContentInput::builder().zip_file(package("layer"));
    let layer = lambda.publish_layer_version().content(layer.build());
    let layer = layer.layer_name("deps").send().await.unwrap();
    let group = "/own/group";
    let logs = account.logs().await;
    logs.create_log_group()
        .log_group_name(group)
        .send()
        .await
        .unwrap();
    let configure = lambda.update_function_configuration().function_name(name);
    let configure = configure.layers(layer.layer_version_arn().unwrap());
    let configure = configure.logging_config(LoggingConfig::builder().log_group(group).build());
    configure.send().await.unwrap();
    account.settled(name).await;
    lambda
        .publish_version()
        .function_name(name)
        .send()
        .await
        .unwrap();
    let alias = lambda.create_alias().function_name(name).name("live");
    alias.function_version("1").send().await.unwrap();
    let url = lambda.create_function_url_config().function_name(name);
    url.auth_type(FunctionUrlAuthType::None)
        .send()
        .await
        .unwrap();
    let invoke = lambda
        .put_function_event_invoke_config()
        .function_name(name);
    invoke.maximum_retry_attempts(0).send().await.unwrap();
    let reserve = lambda.put_function_concurrency().function_name(name);
    reserve
        .reserved_concurrent_executions(3)
        .send()
        .await
        .unwrap();
    let profile = format!(
        "arn:aws:signer:{}:{}:/signing-profiles/p/1",
        account.region, account.account
    );
    let signing = lambda
        .create_code_signing_config()
        .allowed_publishers(
            AllowedPublishers::builder()
                .signing_profile_version_arns(profile)
                .build()
                .unwrap(),
        )
        .code_signing_policies(
            CodeSigningPolicies::builder()
                .untrusted_artifact_on_deployment(CodeSigningPolicy::Warn)
                .build(),
        )
        .send()
        .await
        .unwrap();
    let code_signing = signing.code_signing_config.unwrap().code_signing_config_arn;
    let signed = lambda
        .put_function_code_signing_config()
        .function_name(name);
    let signed = signed.code_signing_config_arn(&code_signing);
    signed.send().await.unwrap();
    let queue = account.sqs().await.create_queue().queue_name("jobs");
    queue.send().await.unwrap();
    let jobs = format!("arn:aws:sqs:{}:{}:jobs", account.region, account.account);
    let mapping = lambda.create_event_source_mapping().function_name(name);
    let mapping = mapping
        .event_source_arn(jobs)
        .enabled(false)
        .send()
        .await
        .unwrap();
    let mapping = format!(
        "arn:aws:lambda:{}:{}:event-source-mapping:{}",
        account.region,
        account.account,
        mapping.uuid().unwrap()
    );
    let events = aws_sdk_eventbridge::Client::new(&account.config().await);
    let rule = events.put_rule().name("nightly");
    let rule = rule
        .schedule_expression("rate(1 day)")
        .send()
        .await
        .unwrap();
    let s3 = account.s3().await;
    s3.create_bucket().bucket("inbox").send().await.unwrap();
    let sns = aws_sdk_sns::Client::new(&account.config().await);
    let topic = sns.create_topic().name("orders").send().await.unwrap();
    for (service, source) in [
        ("events", rule.rule_arn().unwrap()),
        ("s3", "arn:aws:s3:::inbox"),
        ("sns", topic.topic_arn().unwrap()),
    ] {
        let allow = lambda.add_permission().function_name(name);
        let allow = allow.statement_id(service).action("lambda:InvokeFunction");
        let allow = allow.principal(format!("{service}.amazonaws.com"));
        allow.source_arn(source).send().await.unwrap();
    }
    (mapping, code_signing)
}

/// Deploys from a bucket as SAM does; the record of it.
async fn deploy_from_s3(account: &Account, victim: &Victim) -> Value {
    let s3 = account.s3().await;
    let bucket = "aws-sam-cli-managed-default-permissions";
    s3.create_bucket().bucket(bucket).send().await.unwrap();
    let versioning = aws_sdk_s3::types::VersioningConfiguration::builder()
        .status(aws_sdk_s3::types::BucketVersioningStatus::Enabled)
        .build();
    let enable = s3.put_bucket_versioning().bucket(bucket);
    let enable = enable.versioning_configuration(versioning);
    enable.send().await.unwrap();
    let put = s3.put_object().bucket(bucket).key("rich.zip");
    let body = ByteStream::from(package_bytes("from a bucket"));
    let put = put.body(body).send().await.unwrap();
    account.settled(&victim.name).await;
    let update = account.lambda().await.update_function_code();
    let update = update.function_name(&victim.name).s3_bucket(bucket);
    let update = update.s3_key("rich.zip");
    let update = update.s3_object_version(put.version_id().unwrap());
    update.send().await.unwrap();
    account.settled(&victim.name).await;
    record(account, "UpdateFunctionCode", &victim.name)
}

/// A function made of an image of one layer; the record of its last change.
async fn image_function(account: &Account, victim: &Victim) -> Value {
    let ecr = aws_sdk_ecr::Client::new(&account.config().await);
    let created = ecr
        .create_repository()
        .repository_name("app")
        .send()
        .await
        .unwrap();
    let uri = created
        .repository()
        .unwrap()
        .repository_uri()
        .unwrap()
        .to_owned();
    let mut digests = Vec::new();
    for content in [r#"{"architecture":"amd64","config":{}}"#, "a layer"] {
        let upload = ecr.initiate_layer_upload().repository_name("app");
        let upload = upload.send().await.unwrap().upload_id.unwrap();
        let part = ecr.upload_layer_part().repository_name("app");
        let part = part.upload_id(&upload).part_first_byte(0);
        let part = part.part_last_byte(content.len() as i64 - 1);
        let part = part.layer_part_blob(EcrBlob::new(content));
        part.send().await.unwrap();
        let digest = format!("sha256:{}", Sha256Digest::of(content));
        let complete = ecr.complete_layer_upload().repository_name("app");
        let complete = complete.upload_id(&upload).layer_digests(&digest);
        complete.send().await.unwrap();
        digests.push((digest, content.len()));
    }
    let kind = "application/vnd.oci.image.manifest.v1+json";
    let manifest = json!({
        "schemaVersion": 2, "mediaType": kind,
        "config": {"mediaType": "application/vnd.oci.image.config.v1+json",
            "digest": digests[0].0, "size": digests[0].1},
        "layers": [{"mediaType": "application/vnd.oci.image.layer.v1.tar+gzip",
            "digest": digests[1].0, "size": digests[1].1}],
    });
    let put = ecr.put_image().repository_name("app").image_tag("live");
    let put = put.image_manifest(manifest.to_string());
    put.image_manifest_media_type(kind).send().await.unwrap();
    let (name, image) = (unique("image"), format!("{uri}:live"));
    let code = FunctionCode::builder().image_uri(&image).build();
    let create = account.lambda().await.create_function();
    let create = create.function_name(&name).role(&victim.role);
    let create = create.package_type(PackageType::Image).code(code);
    create.send().await.unwrap();
    account.settled(&name).await;
    let update = account.lambda().await.update_function_code();
    let update = update.function_name(&name).image_uri(&image);
    update.send().await.unwrap();
    account.settled(&name).await;
    record(account, "UpdateFunctionCode", &name)
}

/// The acquisitions of one kind that were denied, as `artifact: why`.
fn denied(case: &SealedCase) -> Vec<(A, String)> {
    let acquisitions = case.manifest().acquisitions.iter();
    acquisitions
        .filter_map(|acquisition| match &acquisition.result {
            Outcome::Denied { why } => Some((acquisition.request.artifact, why.clone())),
            // What could not be located is a gap of the case, named by the action that was denied.
            Outcome::Partial { why } if acquisition.request.artifact == A::FunctionsConcerned => {
                Some((A::FunctionsConcerned, why.clone()))
            }
            _ => None,
        })
        .collect()
}

#[tokio::test]
async fn without_any_one_permission_its_artifact_is_denied_by_name_and_the_case_sealed() {
    let stage = Stage::set().await;
    let mut declared: Vec<(&str, A)> = collectors::aws::permissions()
        .iter()
        .map(|permission| (permission.action, permission.artifact))
        .collect();
    let locate = collectors::aws::LOCATE_PERMISSIONS.iter();
    declared.extend(locate.map(|action| (*action, A::FunctionsConcerned)));
    let role = RolePolicy::of(&stage.account, "RoleArn").await;

    // With all of them nothing is denied, whatever is asked.
    let mut asked = Vec::new();
    for (action, artifact) in &declared {
        let ask = stage.question(action, *artifact);
        // Where everything may be read these lead to functions, several at once or none.
        let leads_on =
            *artifact == A::FunctionsConcerned || *action == "lambda:GetEventSourceMapping";
        if leads_on
            || asked
                .iter()
                .any(|known| format!("{known:?}") == format!("{ask:?}"))
        {
            continue;
        }
        let case = stage.ask(&ask).await;
        let mut refused = denied(&case);
        // Asked on purpose about a Region that is not configured.
        refused.retain(|(_, why)| !why.contains("does not name this Region"));
        assert!(refused.is_empty(), "{ask:?}: {refused:?}");
        asked.push(ask);
    }

    let mut idle = Vec::new();
    for (action, artifact) in &declared {
        role.without(action, statements_that_read).await;
        let case = stage.ask(&stage.question(action, *artifact)).await;
        let names_it = |(kind, why): &(A, String)| kind == artifact && why.contains(action);
        if !denied(&case).iter().any(names_it) {
            idle.push((action, artifact, denied(&case)));
        }
        let report = stage.account.check(&case.manifest().case_id).await;
        assert!(report.is_sound(), "without {action}: {report}");
    }
    role.restored().await;
    assert!(idle.is_empty(), "nothing changes without {idle:#?}");
    assert!(declared.len() > 50, "{}", declared.len());
}

#[tokio::test]
async fn without_the_permission_to_turn_tracing_on_the_case_is_sealed_and_says_so() {
    let account = Account::deployed(&["Tracing=off"]);
    let victim = account.victim("untraced").await;
    // Off, the stack does not have the permission; a responder asks for it all the same.
    let arn = format!(
        "arn:aws:lambda:{}:{}:function:{}",
        account.region, account.account, victim.name
    );
    let request = json!({"target": arn, "reason": "a test", "tracing": true});
    let answer = account
        .lambda()
        .await
        .invoke()
        .function_name(account.output("FunctionName"))
        .payload(Blob::new(request.to_string()))
        .send()
        .await
        .unwrap();
    let answer: Value = serde_json::from_slice(answer.payload().unwrap().as_ref()).unwrap();
    let tracing = answer[0]["tracing"].as_str().unwrap();
    assert!(tracing.starts_with("not possible"), "{tracing}");
    assert!(
        tracing.contains("lambda:UpdateFunctionConfiguration"),
        "{tracing}"
    );
    assert!(records(&account, "UpdateFunctionConfiguration", &victim.name).is_empty());
}
