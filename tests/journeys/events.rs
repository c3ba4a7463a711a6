//! Each category of event opens the right cases, and they hold what was there to be had.

use crate::contents::{
    acquisition, assert_whole, content, document, function, judged, note, reply, selectors,
};
use crate::noise::two_regions;
use aws_sdk_lambda::primitives::Blob;
use aws_sdk_lambda::types::{
    AliasRoutingConfiguration, AllowedPublishers, CodeSigningPolicies, CodeSigningPolicy,
    Environment, FunctionUrlAuthType, LayerVersionContentInput, RecursiveLoop, UpdateRuntimeOn,
};
use coldcase_tests::{Account, Victim, package_bytes, policy, unique};
use evidence::{
    ArtifactKind, Category, CustodyAction, Outcome, Request, SealedCase, Severity, Sha256Digest,
};
use serde_json::{Value, json};

/// A function about which everything is quiet: the case of its making is closed, tracing is on.
async fn calm(account: &Account, prefix: &str) -> Victim {
    let victim = account.victim(prefix).await;
    account.case_of(&victim.name, "CreateFunction").await;
    victim
}

/// The case that a call opened about a function: judged so, about exactly this target, and whole.
async fn case(
    account: &Account,
    victim: &Victim,
    event: &str,
    expected: (Category, Severity, &str),
    qualifier: Option<&str>,
) -> SealedCase {
    let case = account.case_of(&victim.name, event).await;
    assert_eq!(judged(&case), expected, "{event}");
    assert_eq!(
        case.manifest().target,
        function(account, &victim.name, qualifier),
        "{event}"
    );
    assert_whole(account, &case).await;
    case
}

#[tokio::test]
async fn overwritten_code_ends_in_a_sealed_case_that_holds_the_new_code() {
    let account = Account::shared();
    let victim = account.victim("code").await;
    account.tamper(&victim.name).await;
    let expected = (Category::Code, Severity::High, "T1648");
    let case = case(account, &victim, "UpdateFunctionCode", expected, None).await;
    let now = account
        .lambda()
        .await
        .get_function_configuration()
        .function_name(&victim.name)
        .send()
        .await
        .unwrap();
    let code = content(&case, &Request::whole(ArtifactKind::FunctionCode));
    assert_eq!(code.name, "function-code.zip");
    assert_eq!(Some(code.sha256.to_base64().as_str()), now.code_sha256());
}

#[tokio::test]
async fn code_deployed_from_a_bucket_is_kept_from_there_in_the_version_that_was_deployed() {
    let account = Account::shared();
    let (s3, lambda) = (account.s3().await, account.lambda().await);
    let bucket = format!("cdk-{}-assets-x", unique("deploy"));
    s3.create_bucket().bucket(&bucket).send().await.unwrap();
    s3.put_bucket_versioning()
        .bucket(&bucket)
        .versioning_configuration(
            aws_sdk_s3::types::VersioningConfiguration::builder()
                .status(aws_sdk_s3::types::BucketVersioningStatus::Enabled)
                .build(),
        )
        .send()
        .await
        .unwrap();
    let mut versions = Vec::new();
    let deployed = package_bytes("deployed");
    for bytes in [deployed.clone(), package_bytes("something innocent")] {
        let put = s3
            .put_object()
            .bucket(&bucket)
            .key("app.zip")
            .body(bytes.into())
            .send()
            .await
            .unwrap();
        versions.push(put.version_id().unwrap().to_owned());
    }
    let victim = calm(account, "from-bucket").await;
    lambda
        .update_function_code()
        .function_name(&victim.name)
        .s3_bucket(&bucket)
        .s3_key("app.zip")
        .s3_object_version(&versions[0])
        .send()
        .await
        .unwrap();
    let expected = (Category::Code, Severity::High, "T1648");
    let case = case(account, &victim, "UpdateFunctionCode", expected, None).await;
    let source = format!("s3://{bucket}/app.zip?versionId={}", versions[0]);
    let source = content(&case, &Request::one(ArtifactKind::DeploymentSource, source));
    assert_eq!(source.sha256, Sha256Digest::of(&deployed));
    let code = content(&case, &Request::whole(ArtifactKind::FunctionCode));
    assert_eq!(code.key, source.key, "the same bytes are kept once");
}

#[tokio::test]
async fn a_new_function_is_a_case_of_its_own() {
    let account = Account::shared();
    let victim = account.victim("new").await;
    let expected = (Category::Code, Severity::Medium, "T1648");
    let case = case(account, &victim, "CreateFunction", expected, None).await;
    let code = content(&case, &Request::whole(ArtifactKind::FunctionCode));
    assert_eq!(code.sha256, Sha256Digest::of(package_bytes("original")));
}

async fn publish_layer(account: &Account, name: &str, bytes: Vec<u8>) -> String {
    let lambda = account.lambda().await;
    let content = LayerVersionContentInput::builder()
        .zip_file(Blob::new(bytes))
        .build();
    let layer = lambda
        .publish_layer_version()
        .layer_name(name)
        .content(content)
        .send()
        .await
        .unwrap();
    layer.layer_version_arn().unwrap().to_owned()
}

#[tokio::test]
async fn a_changed_configuration_is_kept_with_its_environment_and_its_layers_bytes() {
    let account = Account::shared();
    let bytes = package_bytes("a layer");
    let layer = publish_layer(account, &unique("implant"), bytes.clone()).await;
    let victim = calm(account, "configured").await;
    let lambda = account.lambda().await;
    lambda
        .update_function_configuration()
        .function_name(&victim.name)
        .layers(&layer)
        .environment(
            Environment::builder()
                .variables("NODE_OPTIONS", "--require /opt/implant.js")
                .build(),
        )
        .send()
        .await
        .unwrap();
    let expected = (Category::Configuration, Severity::High, "T1648");
    let event = "UpdateFunctionConfiguration";
    let changed = case(account, &victim, event, expected, None).await;
    let kept = content(&changed, &Request::one(ArtifactKind::Layer, &layer));
    assert_eq!(kept.sha256, Sha256Digest::of(&bytes));
    let configuration = Request::whole(ArtifactKind::Configuration);
    let configuration = document(account, &changed, &configuration).await;
    assert_eq!(
        reply(&configuration, "lambda:GetFunctionConfiguration")["Environment"]["Variables"],
        json!({"NODE_OPTIONS": "--require /opt/implant.js"})
    );

    account.settled(&victim.name).await;
    lambda
        .put_runtime_management_config()
        .function_name(&victim.name)
        .update_runtime_on(UpdateRuntimeOn::FunctionUpdate)
        .send()
        .await
        .unwrap();
    let expected = (Category::Configuration, Severity::Medium, "T1689");
    let event = "PutRuntimeManagementConfig";
    let pinned = case(account, &victim, event, expected, None).await;
    let runtime = Request::whole(ArtifactKind::RuntimeManagement);
    let runtime = document(account, &pinned, &runtime).await;
    assert_eq!(
        reply(&runtime, "lambda:GetRuntimeManagementConfig")["UpdateRuntimeOn"],
        "FunctionUpdate"
    );
}

#[tokio::test]
async fn a_layers_event_opens_a_case_for_every_function_that_carries_it() {
    let account = two_regions();
    let lambda = account.lambda().await;
    let name = unique("shared-deps");
    let first_bytes = package_bytes("first version");
    let first = publish_layer(account, &name, first_bytes.clone()).await;
    let role_name = unique("carriers");
    let role = account.role(&role_name, &[]).await;
    let mut carriers = Vec::new();
    for prefix in ["carrier-a", "carrier-b", "carrier-none"] {
        let victim = Victim {
            name: unique(prefix),
            role_name: role_name.clone(),
            role: role.clone(),
        };
        let layer = (prefix != "carrier-none").then(|| vec![first.clone()]);
        account
            .create(&victim, |create| create.set_layers(layer))
            .await;
        carriers.push(victim);
    }
    let bystander = carriers.pop().unwrap();

    publish_layer(account, &name, package_bytes("second version")).await;
    lambda
        .add_layer_version_permission()
        .layer_name(&name)
        .version_number(1)
        .statement_id("everybody")
        .action("lambda:GetLayerVersion")
        .principal("*")
        .send()
        .await
        .unwrap();
    for carrier in &carriers {
        for (event, expected) in [
            (
                "PublishLayerVersion",
                (Category::Layer, Severity::High, "T1525"),
            ),
            (
                "AddLayerVersionPermission",
                (Category::Layer, Severity::Medium, "T1537"),
            ),
        ] {
            let case = case(account, carrier, event, expected, None).await;
            let layer = Request::one(ArtifactKind::Layer, &first);
            let kept = content(&case, &layer);
            assert_eq!(kept.sha256, Sha256Digest::of(&first_bytes));
            if event == "AddLayerVersionPermission" {
                let layer = document(account, &case, &layer).await;
                assert_eq!(note(&layer, "policy")["Statement"][0]["Principal"], "*");
            }
        }
    }

    lambda
        .delete_layer_version()
        .layer_name(&name)
        .version_number(1)
        .send()
        .await
        .unwrap();
    for carrier in &carriers {
        let hidden = account.case_of(&carrier.name, "DeleteLayerVersion").await;
        let expected = (Category::Destruction, Severity::High, "T1485");
        assert_eq!(judged(&hidden), expected);
        let layer = acquisition(&hidden, &Request::one(ArtifactKind::Layer, &first));
        assert!(
            matches!(&layer.result, Outcome::Absent { why } if why.contains("go on running")),
            "{layer:?}"
        );
    }

    account.quiet().await;
    let others = account.cases_about(&bystander.name).await;
    let others: Vec<_> = others.iter().map(judged).collect();
    assert_eq!(others, [(Category::Code, Severity::Medium, "T1648")]);
}

#[tokio::test]
async fn an_opened_policy_is_kept_for_the_function_and_for_each_qualifier() {
    let account = Account::shared();
    let lambda = account.lambda().await;
    let victim = calm(account, "opened").await;
    lambda
        .publish_version()
        .function_name(&victim.name)
        .send()
        .await
        .unwrap();
    lambda
        .create_alias()
        .function_name(&victim.name)
        .name("live")
        .function_version("1")
        .send()
        .await
        .unwrap();
    lambda
        .add_permission()
        .function_name(&victim.name)
        .qualifier("live")
        .statement_id("stranger")
        .action("lambda:InvokeFunction")
        .principal("444455556666")
        .send()
        .await
        .unwrap();
    let expected = (Category::Permission, Severity::High, "T1546");
    let opened = case(account, &victim, "AddPermission", expected, Some("live")).await;
    let policy = Request::one(ArtifactKind::ResourcePolicy, "live");
    let policy = document(account, &opened, &policy).await;
    let statement = &note(&policy, "policy")["Statement"][0];
    assert_eq!(statement["Sid"], "stranger");
    assert!(statement["Principal"].to_string().contains("444455556666"));
    for without in [
        Request::whole(ArtifactKind::ResourcePolicy),
        Request::one(ArtifactKind::ResourcePolicy, "1"),
    ] {
        let outcome = &acquisition(&opened, &without).result;
        assert!(matches!(outcome, Outcome::Absent { .. }), "{without}");
    }

    lambda
        .remove_permission()
        .function_name(&victim.name)
        .qualifier("live")
        .statement_id("stranger")
        .send()
        .await
        .unwrap();
    let expected = (Category::Permission, Severity::Medium, "T1489");
    case(account, &victim, "RemovePermission", expected, Some("live")).await;
}

#[tokio::test]
async fn a_url_is_a_trigger_from_its_making_to_its_end() {
    let account = Account::shared();
    let lambda = account.lambda().await;
    let victim = calm(account, "addressed").await;
    let kept = async |case: &SealedCase| {
        let url = Request::whole(ArtifactKind::UrlConfig);
        let url = document(account, case, &url).await;
        reply(&url, "lambda:ListFunctionUrlConfigs")["FunctionUrlConfigs"][0]["AuthType"].clone()
    };
    let opens = (Category::Trigger, Severity::High, "T1546");

    lambda
        .create_function_url_config()
        .function_name(&victim.name)
        .auth_type(FunctionUrlAuthType::AwsIam)
        .send()
        .await
        .unwrap();
    let made = case(account, &victim, "CreateFunctionUrlConfig", opens, None).await;
    assert_eq!(kept(&made).await, "AWS_IAM");

    lambda
        .update_function_url_config()
        .function_name(&victim.name)
        .auth_type(FunctionUrlAuthType::None)
        .send()
        .await
        .unwrap();
    let updated = case(account, &victim, "UpdateFunctionUrlConfig", opens, None).await;
    assert_eq!(kept(&updated).await, "NONE");

    lambda
        .delete_function_url_config()
        .function_name(&victim.name)
        .send()
        .await
        .unwrap();
    let closes = (Category::Trigger, Severity::Medium, "T1489");
    let closed = case(account, &victim, "DeleteFunctionUrlConfig", closes, None).await;
    let url = Request::whole(ArtifactKind::UrlConfig);
    let url = document(account, &closed, &url).await;
    let left = &reply(&url, "lambda:ListFunctionUrlConfigs")["FunctionUrlConfigs"];
    assert_eq!(*left, json!([]));
}

#[tokio::test]
async fn a_mapping_that_is_named_by_its_id_alone_leads_to_its_function() {
    let account = Account::shared();
    let (lambda, sqs) = (account.lambda().await, account.sqs().await);
    let name = unique("fed");
    let queue = sqs
        .create_queue()
        .queue_name(&name)
        .send()
        .await
        .unwrap()
        .queue_url()
        .unwrap()
        .to_owned();
    let role_name = format!("{name}-role");
    let role = account.role(&role_name, &["sqs:*"]).await;
    let victim = Victim {
        name: name.clone(),
        role_name,
        role,
    };
    account.create(&victim, |create| create).await;
    let source = format!("arn:aws:sqs:{}:{}:{name}", account.region, account.account);
    let mapping = lambda
        .create_event_source_mapping()
        .function_name(&name)
        .event_source_arn(&source)
        .send()
        .await
        .unwrap();
    let uuid = mapping.uuid().unwrap();
    let opens = (Category::Trigger, Severity::High, "T1546");
    let made = case(account, &victim, "CreateEventSourceMapping", opens, None).await;
    let mappings = Request::whole(ArtifactKind::EventSourceMappings);
    let mappings = document(account, &made, &mappings).await;
    let first = &reply(&mappings, "lambda:ListEventSourceMappings")["EventSourceMappings"][0];
    assert_eq!(first["EventSourceArn"], source);

    lambda
        .update_event_source_mapping()
        .uuid(uuid)
        .batch_size(1)
        .send()
        .await
        .unwrap();
    let changes = (Category::Trigger, Severity::Medium, "T1546");
    let changed = case(account, &victim, "UpdateEventSourceMapping", changes, None).await;
    let record = crate::contents::recorded(account, crate::contents::event_id(&changed));
    assert_eq!(record["requestParameters"].get("functionName"), None);

    lambda
        .delete_event_source_mapping()
        .uuid(uuid)
        .send()
        .await
        .unwrap();
    let ends = (Category::Trigger, Severity::Medium, "T1489");
    case(account, &victim, "DeleteEventSourceMapping", ends, None).await;
    sqs.delete_queue().queue_url(queue).send().await.unwrap();
}

#[tokio::test]
async fn where_results_go_is_a_trigger_too() {
    let account = Account::shared();
    let victim = calm(account, "results").await;
    account
        .lambda()
        .await
        .put_function_event_invoke_config()
        .function_name(&victim.name)
        .maximum_retry_attempts(0)
        .send()
        .await
        .unwrap();
    let expected = (Category::Trigger, Severity::Medium, "T1546");
    let event = "PutFunctionEventInvokeConfig";
    let case = case(account, &victim, event, expected, None).await;
    let config = Request::whole(ArtifactKind::EventInvokeConfig);
    let config = document(account, &case, &config).await;
    let configs = &reply(&config, "lambda:ListFunctionEventInvokeConfigs");
    let configs = &configs["FunctionEventInvokeConfigs"];
    assert_eq!(configs[0]["MaximumRetryAttempts"], 0);
}

#[tokio::test]
async fn an_aliass_versions_are_kept_however_old_and_the_others_newest_first() {
    let account = Account::shared();
    let lambda = account.lambda().await;
    let victim = calm(account, "alias").await;
    let mut versions = Vec::new();
    for number in 0..8 {
        let bytes = package_bytes(&format!("release {number}"));
        account.settled(&victim.name).await;
        lambda
            .update_function_code()
            .function_name(&victim.name)
            .zip_file(Blob::new(bytes.clone()))
            .publish(true)
            .send()
            .await
            .unwrap();
        versions.push(Sha256Digest::of(&bytes));
    }
    lambda
        .create_alias()
        .function_name(&victim.name)
        .name("live")
        .function_version("2")
        .send()
        .await
        .unwrap();
    let makes = (Category::Alias, Severity::Medium, "T1648");
    case(account, &victim, "CreateAlias", makes, Some("live")).await;
    lambda
        .update_alias()
        .function_name(&victim.name)
        .name("live")
        .function_version("2")
        .routing_config(
            AliasRoutingConfiguration::builder()
                .additional_version_weights("1", 0.1)
                .build(),
        )
        .send()
        .await
        .unwrap();
    let moves = (Category::Alias, Severity::High, "T1648");
    let moved = case(account, &victim, "UpdateAlias", moves, Some("live")).await;

    // Five by default, newest first; the alias's own and both that it sends traffic to.
    let mut kept = selectors(&moved, ArtifactKind::FunctionCode);
    kept.sort_unstable();
    let expected = [None, Some("1"), Some("2"), Some("4"), Some("5")];
    let expected = expected
        .into_iter()
        .chain(["6", "7", "8", "live"].map(Some))
        .collect::<Vec<_>>();
    assert_eq!(kept, expected);
    for (number, digest) in versions.iter().enumerate() {
        let number = (number + 1).to_string();
        if number != "3" {
            let code = Request::one(ArtifactKind::FunctionCode, &number);
            assert_eq!(content(&moved, &code).sha256, *digest, "{number}");
        }
    }
    let aliases = Request::whole(ArtifactKind::Aliases);
    let aliases = document(account, &moved, &aliases).await;
    let live = &reply(&aliases, "lambda:ListAliases")["Aliases"][0];
    assert_eq!(
        live["RoutingConfig"]["AdditionalVersionWeights"],
        json!({"1": 0.1})
    );

    lambda
        .delete_alias()
        .function_name(&victim.name)
        .name("live")
        .send()
        .await
        .unwrap();
    let ends = (Category::Alias, Severity::Medium, "T1489");
    case(account, &victim, "DeleteAlias", ends, Some("live")).await;
}

#[tokio::test]
async fn how_much_may_run_is_kept_when_it_is_changed() {
    let account = Account::shared();
    let lambda = account.lambda().await;
    let victim = calm(account, "stopped").await;
    lambda
        .put_function_concurrency()
        .function_name(&victim.name)
        .reserved_concurrent_executions(0)
        .send()
        .await
        .unwrap();
    let stops = (Category::Concurrency, Severity::Medium, "T1489");
    let stopped = case(account, &victim, "PutFunctionConcurrency", stops, None).await;
    let concurrency = Request::whole(ArtifactKind::Concurrency);
    let concurrency = document(account, &stopped, &concurrency).await;
    assert_eq!(
        reply(&concurrency, "lambda:GetFunctionConcurrency")["ReservedConcurrentExecutions"],
        0
    );

    lambda
        .delete_function_concurrency()
        .function_name(&victim.name)
        .send()
        .await
        .unwrap();
    let lifts = (Category::Concurrency, Severity::Medium, "T1578.005");
    case(account, &victim, "DeleteFunctionConcurrency", lifts, None).await;

    lambda
        .put_function_recursion_config()
        .function_name(&victim.name)
        .recursive_loop(RecursiveLoop::Allow)
        .send()
        .await
        .unwrap();
    let loops = (Category::Concurrency, Severity::Medium, "T1496");
    let looping = case(account, &victim, "PutFunctionRecursionConfig", loops, None).await;
    let recursion = Request::whole(ArtifactKind::RecursionConfig);
    let recursion = document(account, &looping, &recursion).await;
    assert_eq!(
        reply(&recursion, "lambda:GetFunctionRecursionConfig")["RecursiveLoop"],
        "Allow"
    );
}

#[tokio::test]
async fn whose_code_a_function_accepts_is_kept_and_a_shared_rule_leads_to_its_functions() {
    let account = Account::shared();
    let lambda = account.lambda().await;
    let victim = calm(account, "signed").await;
    let profile = format!(
        "arn:aws:signer:{}:{}:/signing-profiles/ours/abcdefghij",
        account.region, account.account
    );
    let publishers = AllowedPublishers::builder()
        .signing_profile_version_arns(&profile)
        .build()
        .unwrap();
    let made = lambda
        .create_code_signing_config()
        .allowed_publishers(publishers)
        .send()
        .await
        .unwrap();
    let config = made
        .code_signing_config()
        .unwrap()
        .code_signing_config_arn()
        .to_owned();
    let expected = (Category::CodeSigning, Severity::High, "T1553.006");
    let signing = Request::whole(ArtifactKind::CodeSigningConfig);

    lambda
        .put_function_code_signing_config()
        .function_name(&victim.name)
        .code_signing_config_arn(&config)
        .send()
        .await
        .unwrap();
    let event = "PutFunctionCodeSigningConfig";
    let bound = case(account, &victim, event, expected, None).await;
    let kept = document(account, &bound, &signing).await;
    let of_function = reply(&kept, "lambda:GetFunctionCodeSigningConfig");
    assert_eq!(of_function["CodeSigningConfigArn"], config.as_str());

    lambda
        .update_code_signing_config()
        .code_signing_config_arn(&config)
        .code_signing_policies(
            CodeSigningPolicies::builder()
                .untrusted_artifact_on_deployment(CodeSigningPolicy::Warn)
                .build(),
        )
        .send()
        .await
        .unwrap();
    case(account, &victim, "UpdateCodeSigningConfig", expected, None).await;

    lambda
        .delete_function_code_signing_config()
        .function_name(&victim.name)
        .send()
        .await
        .unwrap();
    let event = "DeleteFunctionCodeSigningConfig";
    let freed = case(account, &victim, event, expected, None).await;
    let kept = document(account, &freed, &signing).await;
    let of_function = reply(&kept, "lambda:GetFunctionCodeSigningConfig");
    assert!(!of_function.to_string().contains("csc-"), "{of_function}");
}

#[tokio::test]
async fn a_widened_role_is_kept_with_its_documents_decoded() {
    let account = Account::shared();
    let iam = account.iam().await;
    let victim = calm(account, "widened").await;
    let made = iam
        .create_policy()
        .policy_name(unique("everything"))
        .policy_document(policy(&["dynamodb:Scan"]))
        .send()
        .await
        .unwrap();
    let managed = made.policy().unwrap().arn().unwrap().to_owned();
    iam.attach_role_policy()
        .role_name(&victim.role_name)
        .policy_arn(&managed)
        .send()
        .await
        .unwrap();
    let widens = (Category::Role, Severity::High, "T1098.003");
    let widened = case(account, &victim, "AttachRolePolicy", widens, None).await;
    let role = Request::one(ArtifactKind::ExecutionRole, &victim.role);
    let role_document = document(account, &widened, &role).await;
    let trusted = &note(&role_document, "trust policy")["Statement"][0]["Principal"];
    assert_eq!(trusted["Service"], "lambda.amazonaws.com");
    let inline = &note(&role_document, "inline policy own")["Statement"][0]["Action"];
    assert!(inline.to_string().contains("xray:PutTraceSegments"));
    assert!(
        has_document(&role_document, "dynamodb:Scan"),
        "{role_document}"
    );

    // An event names a policy only: it leads to the roles that carry it, and on to their functions.
    iam.create_policy_version()
        .policy_arn(&managed)
        .policy_document(policy(&["dynamodb:DeleteTable"]))
        .set_as_default(true)
        .send()
        .await
        .unwrap();
    let writes = (Category::Policy, Severity::High, "T1098.003");
    let rewritten = case(account, &victim, "CreatePolicyVersion", writes, None).await;
    let role_document = document(account, &rewritten, &role).await;
    for action in ["dynamodb:Scan", "dynamodb:DeleteTable"] {
        assert!(has_document(&role_document, action), "{action}");
    }

    iam.update_assume_role_policy()
        .role_name(&victim.role_name)
        .policy_document(
            json!({"Version": "2012-10-17", "Statement": [{"Effect": "Allow",
                "Principal": {"AWS": "arn:aws:iam::444455556666:root"}, "Action": "sts:AssumeRole"}]})
            .to_string(),
        )
        .send()
        .await
        .unwrap();
    let hands_over = (Category::Role, Severity::High, "T1098");
    let handed = case(account, &victim, "UpdateAssumeRolePolicy", hands_over, None).await;
    let role_document = document(account, &handed, &role).await;
    let trusted = &note(&role_document, "trust policy")["Statement"][0]["Principal"]["AWS"];
    assert_eq!(*trusted, "arn:aws:iam::444455556666:root");
}

/// Whether a decoded document of the role allows `action`.
fn has_document(role: &Value, action: &str) -> bool {
    let replies = role["replies"].as_array().unwrap();
    replies
        .iter()
        .filter_map(|reply| reply["value"]["Statement"].as_array())
        .flatten()
        .any(|statement| statement["Action"].to_string().contains(action))
}

#[tokio::test]
async fn a_deleted_function_leaves_a_case_that_says_what_can_no_longer_be_had() {
    let account = Account::shared();
    let victim = calm(account, "deleted").await;
    account
        .lambda()
        .await
        .delete_function()
        .function_name(&victim.name)
        .send()
        .await
        .unwrap();
    let expected = (Category::Destruction, Severity::High, "T1485");
    let case = case(account, &victim, "DeleteFunction", expected, None).await;
    let whole = |artifact| &acquisition(&case, &Request::whole(artifact)).result;
    for gone in [
        ArtifactKind::FunctionCode,
        ArtifactKind::Configuration,
        ArtifactKind::Versions,
        ArtifactKind::Aliases,
        ArtifactKind::ResourcePolicy,
    ] {
        assert!(matches!(whole(gone), Outcome::Absent { .. }), "{gone:?}");
    }
    assert_eq!(*whole(ArtifactKind::TriggerEvent), Outcome::Acquired);
    let tracing = crate::contents::tracing(account, &case).await;
    assert!(
        matches!(tracing, CustodyAction::TracingNotPossible { .. }),
        "{tracing:?}"
    );
}

#[tokio::test]
async fn a_deleted_log_group_is_a_case_about_the_function_that_wrote_to_it() {
    let account = Account::shared();
    let logs = account.logs().await;
    let victim = calm(account, "silenced").await;
    let group = format!("/aws/lambda/{}", victim.name);
    logs.create_log_group()
        .log_group_name(&group)
        .send()
        .await
        .unwrap();
    logs.put_retention_policy()
        .log_group_name(&group)
        .retention_in_days(1)
        .send()
        .await
        .unwrap();
    let shortens = (Category::AntiForensics, Severity::Medium, "T1685.002");
    let shortened = case(account, &victim, "PutRetentionPolicy", shortens, None).await;
    let log_group = Request::one(ArtifactKind::LogGroup, &group);
    let settings = document(account, &shortened, &log_group).await;
    let kept = reply(&settings, "logs:DescribeLogGroups");
    assert_eq!(kept["logGroups"][0]["retentionInDays"], 1);

    logs.delete_log_group()
        .log_group_name(&group)
        .send()
        .await
        .unwrap();
    let deletes = (Category::AntiForensics, Severity::High, "T1685.002");
    let deleted = case(account, &victim, "DeleteLogGroup", deletes, None).await;
    let outcome = &acquisition(&deleted, &log_group).result;
    assert!(matches!(outcome, Outcome::Absent { .. }), "{outcome:?}");
    let code = content(&deleted, &Request::whole(ArtifactKind::FunctionCode));
    assert_eq!(code.sha256, Sha256Digest::of(package_bytes("original")));
}
