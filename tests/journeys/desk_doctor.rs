//! `coldcase doctor`: a healthy deployment is found so, and each thing that breaks is a line that says
//! what to do.

use crate::noise::somebody;
use crate::roles_policy::RolePolicy;
use aws_sdk_eventbridge::types::{RuleState, Target};
use aws_sdk_lambda::types::Environment;
use aws_sdk_s3::types::{
    BucketVersioningStatus, ExpirationStatus, LifecycleExpiration, LifecycleRule,
    LifecycleRuleFilter, VersioningConfiguration,
};
use coldcase_tests::{Account, desk, fits_schema, policy, repository};
use serde_json::{Value, json};
use std::io::{BufRead as _, BufReader};
use std::process::{Command, Stdio};

/// What the doctor said, and the exit code.
struct Said {
    document: Value,
    code: i32,
}

impl Said {
    fn of(mut doctor: Command) -> Self {
        let output = doctor.output().unwrap();
        let error = String::from_utf8_lossy(&output.stderr);
        Self {
            document: serde_json::from_slice(&output.stdout).unwrap_or_else(|_| panic!("{error}")),
            code: output.status.code().unwrap(),
        }
    }

    fn lines(&self, result: &str) -> Vec<&Value> {
        let lines = self.document["lines"].as_array().unwrap().iter();
        lines.filter(|line| line["result"] == result).collect()
    }

    /// The one line of this result; nothing else has it.
    #[track_caller]
    fn only(&self, result: &str, check: &str, seen: &str) -> &Value {
        let lines = self.lines(result);
        let found = |line: &&Value| line["check"] == check && text(line, "seen").contains(seen);
        let strange: Vec<_> = lines.iter().filter(|line| !found(line)).collect();
        assert!(strange.is_empty(), "{strange:#?}");
        lines
            .first()
            .copied()
            .unwrap_or_else(|| panic!("no line of {check}: {seen}"))
    }
}

fn text<'a>(line: &'a Value, name: &str) -> &'a str {
    line[name].as_str().unwrap_or_default()
}

fn doctor(account: &Account) -> Command {
    let mut doctor = desk(account);
    doctor.args(["doctor", "--json", "--no-canary"]);
    doctor
}

/// What fails now is this, with this advice.
#[track_caller]
fn fails(account: &Account, check: &str, seen: &str, advice: &str) {
    let said = Said::of(doctor(account));
    let line = said.only("fail", check, seen);
    assert!(text(line, "advice").contains(advice), "{line:#}");
    assert_eq!(said.code, 1);
    assert_eq!(said.document["result"], "fail");
}

#[track_caller]
fn is_healthy(account: &Account) -> Said {
    let said = Said::of(doctor(account));
    let failed = said.lines("fail");
    assert!(failed.is_empty(), "{failed:#?}");
    assert_eq!(said.code, 0);
    said
}

#[tokio::test]
async fn a_healthy_deployment_is_found_so() {
    let account = Account::deployed(&["TrailBucket=management-trail"]);
    let said = is_healthy(&account);
    fits_schema("doctor", &said.document);
    assert!(said.lines("ok").len() > 40, "{:#}", said.document);
    // What is no fault: an owner's choices.
    let warned: Vec<_> = said
        .lines("warn")
        .iter()
        .map(|line| text(line, "what"))
        .collect();
    assert_eq!(warned, ["lock's mode", "who is told"]);
    let unchecked: Vec<_> = said
        .lines("not-checked")
        .iter()
        .map(|line| text(line, "what"))
        .collect();
    assert_eq!(unchecked, ["public key", "alarms"]);

    // The key that was kept is compared.
    let folder = tempfile::tempdir().unwrap();
    let (kept, other) = (
        folder.path().join("kept.pem"),
        folder.path().join("other.pem"),
    );
    std::fs::write(&kept, account.public_key().await).unwrap();
    let mut with_key = doctor(&account);
    let said = Said::of(std::mem::replace(
        with_key.arg("--key").arg(&kept),
        Command::new("true"),
    ));
    assert_eq!(said.code, 0);
    assert!(
        said.lines("ok")
            .iter()
            .any(|line| line["what"] == "public key")
    );
    let another = vault::LocalSigner::ephemeral().unwrap();
    std::fs::write(
        &other,
        vault::Signer::public_key_pem(&another).await.unwrap(),
    )
    .unwrap();
    let mut with_key = doctor(&account);
    let said = Said::of(std::mem::replace(
        with_key.arg("--key").arg(&other),
        Command::new("true"),
    ));
    said.only("fail", "signing-key", "is not the one that was kept");

    // For people: eighty columns, but for what is to be copied; advice under what is not ok.
    let mut plain = desk(&account);
    let plain = plain.args(["doctor", "--no-canary"]).env("COLUMNS", "80");
    let output = plain.output().unwrap();
    assert_eq!(output.status.code(), Some(0));
    let told = String::from_utf8(output.stdout).unwrap();
    for row in told.lines() {
        let longest = row
            .split_whitespace()
            .map(str::len)
            .max()
            .unwrap_or_default();
        assert!(row.chars().count() <= 80 || longest > 50, "{row}");
    }
    assert!(
        told.contains("\nThe roles\n") && told.contains("\n               -> "),
        "{told}"
    );
}

#[tokio::test]
async fn what_wakes_the_responder_is_missed_when_it_is_gone() {
    let account = Account::deployed(&[]);
    let events = aws_sdk_eventbridge::Client::new(&account.config().await);
    let cloudtrail = aws_sdk_cloudtrail::Client::new(&account.config().await);

    events
        .disable_rule()
        .name("coldcase-lambda")
        .send()
        .await
        .unwrap();
    fails(
        &account,
        "rules",
        "is disabled",
        "aws events enable-rule --name coldcase-lambda",
    );
    events
        .enable_rule()
        .name("coldcase-lambda")
        .send()
        .await
        .unwrap();

    let rule = events
        .describe_rule()
        .name("coldcase-lambda")
        .send()
        .await
        .unwrap();
    let narrowed =
        json!({"source": ["aws.lambda"], "detail": {"eventName": [{"prefix": "CreateFunction"}]}});
    let put = |pattern: &str| {
        let put = events
            .put_rule()
            .name("coldcase-lambda")
            .event_pattern(pattern);
        put.state(RuleState::Enabled).send()
    };
    put(&narrowed.to_string()).await.unwrap();
    fails(
        &account,
        "matching",
        "does not match UpdateFunctionCode",
        "deploy the stack anew",
    );
    let everything =
        json!({"source": ["aws.lambda"], "detail-type": ["AWS API Call via CloudTrail"]});
    put(&everything.to_string()).await.unwrap();
    fails(
        &account,
        "matching",
        "matches GetFunction20150331v2",
        "deploy the stack anew",
    );
    put(rule.event_pattern().unwrap()).await.unwrap();

    let targets = events
        .list_targets_by_rule()
        .rule("coldcase-iam")
        .send()
        .await
        .unwrap();
    events
        .remove_targets()
        .rule("coldcase-iam")
        .ids("queue")
        .send()
        .await
        .unwrap();
    fails(
        &account,
        "rules",
        "does not lead to arn:aws:sqs",
        "deploy the stack anew",
    );
    let bare = targets.targets()[0].clone();
    let without_letters = Target::builder()
        .id("queue")
        .arn(bare.arn())
        .build()
        .unwrap();
    events
        .put_targets()
        .rule("coldcase-iam")
        .targets(without_letters)
        .send()
        .await
        .unwrap();
    let said = is_healthy(&account);
    let warned = said.lines("warn");
    assert!(
        warned
            .iter()
            .any(|line| text(line, "seen").contains("has no dead letters")),
        "{warned:#?}"
    );
    events
        .put_targets()
        .rule("coldcase-iam")
        .targets(bare)
        .send()
        .await
        .unwrap();

    cloudtrail
        .stop_logging()
        .name("management")
        .send()
        .await
        .unwrap();
    fails(
        &account,
        "trail",
        "the trail is stopped",
        "aws cloudtrail start-logging --name management",
    );
    cloudtrail
        .start_logging()
        .name("management")
        .send()
        .await
        .unwrap();

    let lambda = account.lambda().await;
    let mappings = lambda
        .list_event_source_mappings()
        .function_name("coldcase-respond");
    let mappings = mappings.send().await.unwrap();
    let uuid = mappings.event_source_mappings()[0].uuid().unwrap();
    lambda
        .update_event_source_mapping()
        .uuid(uuid)
        .enabled(false)
        .send()
        .await
        .unwrap();
    fails(
        &account,
        "queue",
        "Disabled: no event is answered",
        "update-event-source-mapping",
    );
    lambda
        .update_event_source_mapping()
        .uuid(uuid)
        .enabled(true)
        .send()
        .await
        .unwrap();

    let sqs = account.sqs().await;
    let open = json!({"Statement": [{"Effect": "Allow", "Principal": "*", "Action": "sqs:*", "Resource": "*"}]});
    for url in ["QueueUrl", "DeadLettersUrl"] {
        let set = sqs.set_queue_attributes().queue_url(account.output(url));
        let policy = aws_sdk_sqs::types::QueueAttributeName::Policy;
        set.attributes(policy, open.to_string())
            .send()
            .await
            .unwrap();
    }
    let said = Said::of(doctor(&account));
    said.only("fail", "queue", "does not deny others");
    assert_eq!(said.lines("fail").len(), 2);
    let send = sqs
        .send_message()
        .queue_url(account.output("DeadLettersUrl"));
    send.message_body("{}").send().await.unwrap();
    let said = Said::of(doctor(&account));
    let failed = said.lines("fail");
    assert!(
        failed
            .iter()
            .any(|line| text(line, "seen").starts_with("1 events could not be worked on")),
        "{failed:#?}"
    );

    cloudtrail
        .delete_trail()
        .name("management")
        .send()
        .await
        .unwrap();
    let said = Said::of(doctor(&account));
    let failed = said.lines("fail");
    let told = failed.iter().find(|line| line["check"] == "trail").unwrap();
    assert!(text(told, "advice").contains("create-trail"), "{told:#}");
}

#[tokio::test]
async fn a_role_with_less_or_more_than_it_needs_is_named() {
    let account = Account::deployed(&[]);
    let iam = account.iam().await;
    let role = RolePolicy::of(&account, "RoleArn").await;
    role.without("lambda:GetFunction", |_| true).await;
    fails(
        &account,
        "roles",
        "lacks lambda:GetFunction",
        "deploy the stack anew",
    );
    let said = Said::of(doctor(&account));
    let line = said.only("fail", "roles", "denied: ");
    assert!(text(line, "seen").contains("function-code"), "{line:#}");
    role.without("kms:Sign", |_| true).await;
    fails(
        &account,
        "roles",
        "lacks kms:Sign on arn:aws:kms",
        "deploy the stack anew",
    );
    role.restored().await;

    let examiner = account.output("ExamineRoleArn");
    let examiner = examiner.rsplit('/').next().unwrap();
    let give = |actions: &[&str]| {
        let put = iam
            .put_role_policy()
            .role_name(examiner)
            .policy_name("more");
        put.policy_document(policy(actions)).send()
    };
    give(&["*"]).await.unwrap();
    fails(
        &account,
        "roles",
        "may more than it needs: * (inline policy more)",
        "take it away",
    );
    give(&["s3:PutObject"]).await.unwrap();
    fails(
        &account,
        "roles",
        "s3:PutObject on what is not the stack's",
        "take it away",
    );
    iam.delete_role_policy()
        .role_name(examiner)
        .policy_name("more")
        .send()
        .await
        .unwrap();

    let made = iam
        .create_policy()
        .policy_name("kept-apart")
        .policy_document(policy(&["iam:*"]));
    let made = made.send().await.unwrap().policy.unwrap().arn.unwrap();
    let attach = iam
        .attach_role_policy()
        .role_name(examiner)
        .policy_arn(&made);
    attach.send().await.unwrap();
    fails(
        &account,
        "roles",
        "iam:* (policy arn:aws:iam::111122223333:policy/kept-apart)",
        "take it away",
    );
    let detach = iam
        .detach_role_policy()
        .role_name(examiner)
        .policy_arn(&made);
    detach.send().await.unwrap();

    // A boundary does not show in the role's policies.
    let bound = iam.put_role_permissions_boundary().role_name(examiner);
    bound.permissions_boundary(&made).send().await.unwrap();
    let said = Said::of(doctor(&account));
    let line = said.only("fail", "roles", "it is refused: ");
    assert!(
        text(line, "seen").contains("s3:GetObject by its boundary"),
        "{line:#}"
    );
    let warned = said.lines("warn");
    let strange =
        |line: &&&Value| text(line, "seen").contains("boundary that the stack did not set");
    assert_eq!(warned.iter().filter(strange).count(), 1, "{warned:#?}");
    let unbound = iam.delete_role_permissions_boundary().role_name(examiner);
    unbound.send().await.unwrap();

    let trust = json!({"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "sts:AssumeRole",
        "Principal": {"Service": "lambda.amazonaws.com", "AWS": "arn:aws:iam::444455556666:root"}}]});
    let update = iam.update_assume_role_policy().role_name(examiner);
    update
        .policy_document(trust.to_string())
        .send()
        .await
        .unwrap();
    fails(
        &account,
        "roles",
        "can also be taken by 444455556666",
        "deploy the stack anew",
    );
}

#[tokio::test]
async fn functions_that_would_not_work_are_found() {
    let account = Account::deployed(&[]);
    let lambda = account.lambda().await;
    let name = "coldcase-examine";
    let reserve = lambda.put_function_concurrency().function_name(name);
    reserve
        .reserved_concurrent_executions(0)
        .send()
        .await
        .unwrap();
    fails(
        &account,
        "functions",
        "it cannot run at all",
        "delete-function-concurrency",
    );
    lambda
        .delete_function_concurrency()
        .function_name(name)
        .send()
        .await
        .unwrap();

    let configuration = lambda
        .get_function_configuration()
        .function_name(name)
        .send()
        .await
        .unwrap();
    let environment = configuration
        .environment()
        .unwrap()
        .variables()
        .unwrap()
        .clone();
    let set = |variables: std::collections::HashMap<String, String>| {
        let environment = Environment::builder()
            .set_variables(Some(variables))
            .build();
        lambda
            .update_function_configuration()
            .function_name(name)
            .environment(environment)
            .send()
    };
    let mut less = environment.clone();
    less.remove("COLDCASE_BUCKET");
    set(less).await.unwrap();
    account.settled(name).await;
    fails(
        &account,
        "functions",
        "COLDCASE_BUCKET is missing",
        "deploy it anew",
    );
    let mut other = environment.clone();
    other.insert("COLDCASE_BUCKET".to_owned(), "a-secret-place".to_owned());
    set(other).await.unwrap();
    account.settled(name).await;
    fails(
        &account,
        "functions",
        "COLDCASE_BUCKET in its environment is not",
        "deploy the stack anew",
    );
    let said = Said::of(doctor(&account));
    assert!(
        !said.document.to_string().contains("a-secret-place"),
        "values are not told"
    );
    set(environment).await.unwrap();
    account.settled(name).await;

    let role = configuration.role().unwrap();
    let other = account.output("RoleArn");
    let change = |role: &str| {
        lambda
            .update_function_configuration()
            .function_name(name)
            .role(role)
            .send()
    };
    change(&other).await.unwrap();
    account.settled(name).await;
    fails(
        &account,
        "functions",
        "not as the stack's",
        "deploy the stack anew",
    );
    change(role).await.unwrap();
    account.settled(name).await;

    let group = configuration.logging_config().unwrap().log_group().unwrap();
    let logs = account.logs().await;
    logs.delete_log_group()
        .log_group_name(group)
        .send()
        .await
        .unwrap();
    fails(
        &account,
        "functions",
        "is not there: what goes wrong is told to nobody",
        "deploy the stack anew",
    );
    logs.create_log_group()
        .log_group_name(group)
        .send()
        .await
        .unwrap();
    let said = is_healthy(&account);
    assert!(
        said.lines("warn")
            .iter()
            .any(|line| text(line, "seen").contains("kept for ever"))
    );

    // A function without a record.
    account.victim("unrecorded").await;
    let said = is_healthy(&account);
    let warned = said.lines("warn");
    let line = warned
        .iter()
        .find(|line| line["check"] == "baselines")
        .unwrap();
    assert!(text(line, "seen").contains("unrecorded"), "{line:#}");
    assert!(text(line, "advice").contains("start-execution"), "{line:#}");

    let states = aws_sdk_sfn::Client::new(&account.config().await);
    let delete = states
        .delete_state_machine()
        .state_machine_arn(account.output("InvestigationArn"));
    delete.send().await.unwrap();
    fails(&account, "investigations", "is", "deploy the stack anew");
}

#[tokio::test]
async fn a_vault_that_can_be_altered_is_found() {
    let account = Account::deployed(&[]);
    let (s3, bucket) = (account.s3().await, account.output("BucketName"));
    let kms = aws_sdk_kms::Client::new(&account.config().await);

    let policy = s3.get_bucket_policy().bucket(&bucket).send().await.unwrap();
    let policy: Value = serde_json::from_str(policy.policy().unwrap()).unwrap();
    for (sid, seen) in [
        ("RefuseDeleting", "deleted once its lock ends"),
        ("RefuseWritersOtherThanTheResponder", "others can write"),
        (
            "RefuseTheExaminerAnythingElse",
            "what opens untrusted packages can write",
        ),
        ("RefuseOverwriting", "on top of evidence"),
        ("RefuseShorterRetention", "for less than was asked for"),
        ("RefuseBypassingTheLock", "locks can be bypassed"),
        ("RefusePlainHttp", "sent unencrypted"),
    ] {
        let mut less = policy.clone();
        less["Statement"]
            .as_array_mut()
            .unwrap()
            .retain(|one| one["Sid"] != sid);
        s3.put_bucket_policy()
            .bucket(&bucket)
            .policy(less.to_string())
            .send()
            .await
            .unwrap();
        let said = Said::of(doctor(&account));
        let failed = said.lines("fail");
        assert!(
            failed.iter().any(|line| text(line, "seen").contains(seen)),
            "{sid}: {failed:#?}"
        );
        assert!(
            failed.iter().all(|line| line["check"] == "bucket"),
            "{failed:#?}"
        );
    }
    s3.delete_bucket_policy()
        .bucket(&bucket)
        .send()
        .await
        .unwrap();
    fails(
        &account,
        "bucket",
        "the bucket has none",
        "deploy the stack anew",
    );
    s3.put_bucket_policy()
        .bucket(&bucket)
        .policy(policy.to_string())
        .send()
        .await
        .unwrap();

    s3.delete_public_access_block()
        .bucket(&bucket)
        .send()
        .await
        .unwrap();
    fails(
        &account,
        "bucket",
        "is not blocked",
        "put-public-access-block",
    );
    let block = aws_sdk_s3::types::PublicAccessBlockConfiguration::builder()
        .block_public_acls(true)
        .ignore_public_acls(true)
        .block_public_policy(true)
        .restrict_public_buckets(true)
        .build();
    let put = s3.put_public_access_block().bucket(&bucket);
    put.public_access_block_configuration(block)
        .send()
        .await
        .unwrap();

    let rule = LifecycleRule::builder()
        .id("sweep-up")
        .status(ExpirationStatus::Enabled)
        .filter(LifecycleRuleFilter::builder().prefix("").build())
        .expiration(LifecycleExpiration::builder().days(1).build())
        .build()
        .unwrap();
    let configuration = aws_sdk_s3::types::BucketLifecycleConfiguration::builder().rules(rule);
    let put = s3.put_bucket_lifecycle_configuration().bucket(&bucket);
    put.lifecycle_configuration(configuration.build().unwrap())
        .send()
        .await
        .unwrap();
    fails(
        &account,
        "bucket",
        "rule sweep-up lets evidence expire",
        "take it away",
    );
    s3.delete_bucket_lifecycle()
        .bucket(&bucket)
        .send()
        .await
        .unwrap();

    // AWS refuses this under a lock; the local account does not.
    let suspended = VersioningConfiguration::builder()
        .status(BucketVersioningStatus::Suspended)
        .build();
    let put = s3
        .put_bucket_versioning()
        .bucket(&bucket)
        .versioning_configuration(suspended);
    if put.send().await.is_ok() {
        fails(
            &account,
            "bucket",
            "objects can be replaced",
            "put-bucket-versioning",
        );
        let enabled = VersioningConfiguration::builder()
            .status(BucketVersioningStatus::Enabled)
            .build();
        let put = s3
            .put_bucket_versioning()
            .bucket(&bucket)
            .versioning_configuration(enabled);
        put.send().await.unwrap();
    }

    let key = account.output("SigningKeyArn");
    kms.schedule_key_deletion()
        .key_id(&key)
        .pending_window_in_days(30)
        .send()
        .await
        .unwrap();
    let said = Said::of(doctor(&account));
    let failed = said.lines("fail");
    let line = failed
        .iter()
        .find(|line| text(line, "seen").contains("will be deleted"))
        .unwrap();
    assert!(
        text(line, "advice").contains("cancel-key-deletion"),
        "{line:#}"
    );
    kms.cancel_key_deletion().key_id(&key).send().await.unwrap();
    kms.enable_key().key_id(&key).send().await.unwrap();

    let own = kms.get_key_policy().key_id(&key).send().await.unwrap();
    let open = json!({"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "kms:*", "Resource": "*",
        "Principal": {"AWS": "arn:aws:iam::111122223333:root"}}]});
    let put = |policy: &str| kms.put_key_policy().key_id(&key).policy(policy).send();
    put(&open.to_string()).await.unwrap();
    fails(
        &account,
        "signing-key",
        "signatures prove less",
        "PutKeyPolicy",
    );
    put(own.policy().unwrap()).await.unwrap();

    let key = account.output("BucketKeyArn");
    kms.disable_key().key_id(&key).send().await.unwrap();
    fails(
        &account,
        "encryption-key",
        "is disabled",
        "aws kms enable-key",
    );
    kms.enable_key().key_id(&key).send().await.unwrap();
    is_healthy(&account);
}

#[tokio::test]
async fn who_may_not_look_hears_so_and_that_nothing_failed() {
    let account = Account::shared();
    let nobody = somebody(account, &["sts:GetCallerIdentity", "cloudformation:*"]).await;
    let mut denied = doctor(account);
    denied.env("AWS_ACCESS_KEY_ID", nobody.access_key_id());
    denied.env("AWS_SECRET_ACCESS_KEY", nobody.secret_access_key());
    let said = Said::of(denied);
    fits_schema("doctor", &said.document);
    assert!(said.lines("fail").is_empty(), "{:#?}", said.lines("fail"));
    let refused = said.lines("not-checked");
    let names = |action: &str| refused.iter().any(|line| line["unanswered"] == action);
    for action in [
        "cloudtrail:DescribeTrails",
        "events:DescribeRule",
        "iam:GetRole",
        "kms:DescribeKey",
        "lambda:GetFunctionConfiguration",
        "s3:GetBucketPolicy",
        "sqs:GetQueueAttributes",
        "states:DescribeStateMachine",
        "sns:GetTopicAttributes",
    ] {
        assert!(names(action), "{action}: {refused:#?}");
    }
    assert_eq!(
        (said.code, &said.document["result"]),
        (3, &json!("not-checked"))
    );

    // Who may what the document names may look at everything.
    let healthy = Said::of(doctor(account));
    let permissions: Vec<_> = healthy.document["permissions"]
        .as_array()
        .unwrap()
        .iter()
        .map(|one| one.as_str().unwrap())
        .collect();
    let reader = somebody(account, &permissions).await;
    let mut reads = doctor(account);
    reads.env("AWS_ACCESS_KEY_ID", reader.access_key_id());
    reads.env("AWS_SECRET_ACCESS_KEY", reader.secret_access_key());
    let said = Said::of(reads);
    let refused: Vec<_> = said.document["lines"]
        .as_array()
        .unwrap()
        .iter()
        .filter(|line| !line["unanswered"].is_null())
        .collect();
    assert!(refused.is_empty(), "{refused:#?}");

    let mut unknown = doctor(account);
    unknown.env("AWS_SECRET_ACCESS_KEY", "another");
    let output = unknown.output().unwrap();
    assert_eq!(output.status.code(), Some(3));
    assert!(output.stdout.is_empty());
}

#[tokio::test]
async fn without_a_stack_the_rest_is_not_checked_and_advice_is_to_deploy() {
    let account = Account::up();
    let said = Said::of(doctor(&account));
    fits_schema("doctor", &said.document);
    let line = said.only("fail", "stack", "there is no stack coldcase in us-east-1");
    assert!(text(line, "advice").contains("make deploy"), "{line:#}");
    let ok = said.lines("ok");
    assert!(
        ok.iter().any(|line| line["check"] == "trail"),
        "the trail is looked at all the same"
    );
    assert_eq!(said.code, 1);
}

#[tokio::test]
async fn a_stack_elsewhere_needs_the_forwarder() {
    let account = Account::up();
    let home = "eu-west-1";
    let deploy = Command::new(repository().join(".venv/account/bin/python"))
        .current_dir(repository().join("tests"))
        .args([
            "-m", "account", "deploy", "--stack", "coldcase", "--region", home,
        ])
        .args([
            "--endpoint",
            &account.endpoint,
            "--template",
            "../template.yaml",
        ])
        .args(["--parameter", "BaselineExclude=coldcase-*"])
        .output()
        .unwrap();
    assert!(
        deploy.status.success(),
        "{}",
        String::from_utf8_lossy(&deploy.stderr)
    );
    let there = || {
        let mut doctor = doctor(&account);
        doctor.env("AWS_REGION", home);
        Said::of(doctor)
    };
    let said = there();
    let line = said.only(
        "fail",
        "forwarding",
        "what is done to roles and policies is not seen here",
    );
    assert!(
        text(line, "advice").contains("infra/events-forwarder.yaml"),
        "{line:#}"
    );
    assert!(
        text(line, "advice").contains("HomeRegion=eu-west-1 HomeStackName=coldcase"),
        "{line:#}"
    );

    let parameters = ["HomeRegion=eu-west-1"];
    account.deploy_beside(
        "coldcase-forwarder-eu-west-1",
        "../infra/events-forwarder.yaml",
        &parameters,
    );
    let said = there();
    assert!(said.lines("fail").is_empty(), "{:#?}", said.lines("fail"));
    let ok = said.lines("ok");
    assert!(
        ok.iter()
            .any(|line| text(line, "seen") == "sends what is recorded there to eu-west-1"),
        "{ok:#?}"
    );

    let events = aws_sdk_eventbridge::Client::new(&account.config().await);
    events
        .disable_rule()
        .name("coldcase-eu-west-1-iam")
        .send()
        .await
        .unwrap();
    there().only("fail", "forwarding", "is disabled");
}

#[tokio::test]
async fn the_canary_ends_in_a_sealed_case_and_leaves_nothing_else() {
    let account = Account::deployed(&[]);
    let mut canary = desk(&account);
    canary.args(["doctor", "--json", "--canary", "--canary-wait", "90s"]);
    let said = Said::of(canary);
    fits_schema("doctor", &said.document);
    let lines = said.document["lines"].as_array().unwrap();
    let line = lines.iter().find(|line| line["check"] == "canary").unwrap();
    assert_eq!(line["result"], "ok", "{line:#}");
    assert!(
        text(line, "seen").contains("digests and signature are right"),
        "{line:#}"
    );
    assert_eq!(said.code, 0);
    let name = text(line, "what").trim_start_matches("canary ").to_owned();
    assert!(!account.cases_about(&name).await.is_empty());
    is_gone(&account, &name).await;

    // Without the rule no case comes, and that is a failure.
    let events = aws_sdk_eventbridge::Client::new(&account.config().await);
    events
        .disable_rule()
        .name("coldcase-lambda")
        .send()
        .await
        .unwrap();
    let mut canary = desk(&account);
    canary.args(["doctor", "--json", "--canary", "--canary-wait", "4s"]);
    let said = Said::of(canary);
    let failed = said.lines("fail");
    let line = failed
        .iter()
        .find(|line| line["check"] == "canary")
        .unwrap();
    assert!(
        text(line, "seen").contains("no sealed case followed within 4 s"),
        "{line:#}"
    );
    assert!(text(line, "advice").contains("--canary-wait"), "{line:#}");
    is_gone(&account, text(line, "what").trim_start_matches("canary ")).await;
    assert_eq!(said.code, 1);

    // Ctrl-C takes away what was made.
    let mut canary = desk(&account);
    canary.args(["doctor", "--canary", "--canary-wait", "10m"]);
    let mut canary = canary
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut said = String::new();
    BufReader::new(canary.stderr.take().unwrap())
        .read_line(&mut said)
        .unwrap();
    let name = said
        .split_whitespace()
        .find(|word| word.starts_with("canary-coldcase-"))
        .unwrap()
        .to_owned();
    let lambda = account.lambda().await;
    let (lambda, function) = (&lambda, &name);
    account
        .until("the canary", || async {
            let got = lambda
                .get_function_configuration()
                .function_name(function)
                .send()
                .await;
            got.ok().map(drop)
        })
        .await;
    let interrupt = Command::new("kill")
        .arg("-INT")
        .arg(canary.id().to_string())
        .status();
    assert!(interrupt.unwrap().success());
    assert_eq!(canary.wait().unwrap().code(), Some(130));
    is_gone(&account, &name).await;
}

async fn is_gone(account: &Account, name: &str) {
    let lambda = account.lambda().await;
    let function = lambda
        .get_function_configuration()
        .function_name(name)
        .send()
        .await;
    assert!(function.is_err(), "function {name} is left");
    let role = account.iam().await.get_role().role_name(name).send().await;
    assert!(role.is_err(), "role {name} is left");
}
