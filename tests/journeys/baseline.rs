//! What functions are, recorded before anything happens: all of them by a sweep, one of them because
//! a responder accepts a change or the owner trusts who made it.

use aws_sdk_lambda::types::Runtime;
use coldcase_tests::{Account, Victim, package, policy, unique};
use evidence::{ArtifactKind, CaseId, CustodyAction, Outcome, Request, ResourceKind, Target, keys};
use futures_util::{StreamExt as _, stream};
use serde_json::{Value, json};
use snapshot::{Baseline, Cause, Piece};
use std::collections::BTreeSet;
use vault::Vault as _;

fn target(account: &Account, function: &str) -> Target {
    let (number, region) = (&account.account, &account.region);
    Target::aws(number, region, ResourceKind::Function, function)
}

/// A function's records, in order.
async fn records(account: &Account, function: &str) -> Vec<Baseline> {
    let vault = account.vault().await;
    let folder = keys::baselines(&target(account, function));
    let mut records = Vec::new();
    for key in vault.list(&folder, 1000).await.unwrap() {
        records.push(serde_json::from_slice(&vault.get(&key).await.unwrap()).unwrap());
    }
    records
}

fn piece(record: &Baseline, artifact: ArtifactKind) -> &Piece {
    let wanted = Request::whole(artifact);
    let mut pieces = record.pieces.iter();
    pieces.find(|piece| piece.request == wanted).unwrap()
}

async fn sfn(account: &Account) -> aws_sdk_sfn::Client {
    aws_sdk_sfn::Client::new(&account.config().await)
}

/// Starts a sweep; its ARN.
async fn start(account: &Account) -> String {
    let started = sfn(account).await.start_execution();
    let started = started.state_machine_arn(account.output("BaselineArn"));
    let started = started.name(unique("sweep")).input("{}").send().await;
    started.unwrap().execution_arn
}

/// Waits for the end of an execution; what became of it.
async fn ended(account: &Account, execution: &str) -> (String, Value) {
    let sfn = &sfn(account).await;
    account
        .until("the end of a sweep", || async {
            let now = sfn.describe_execution().execution_arn(execution);
            let now = now.send().await.unwrap();
            let output = now.output().unwrap_or("null");
            let output: Value = serde_json::from_str(output).unwrap();
            (now.status().as_str() != "RUNNING").then(|| (now.status().as_str().to_owned(), output))
        })
        .await
}

async fn sweep(account: &Account) {
    let execution = start(account).await;
    let (status, output) = ended(account, &execution).await;
    assert_eq!(status, "SUCCEEDED", "{output}");
}

/// Waits for what the deployment started.
async fn deployed(account: &Account) {
    let (sfn, machine) = (&sfn(account).await, account.output("BaselineArn"));
    let machine = &machine;
    account
        .until("the sweep that a deployment starts", || async {
            let all = sfn.list_executions().state_machine_arn(machine);
            let all = all.send().await.unwrap();
            let all = all.executions();
            let is_over = |one: &aws_sdk_sfn::types::ExecutionListItem| {
                assert!(
                    !["FAILED", "TIMED_OUT"].contains(&one.status().as_str()),
                    "{one:?}"
                );
                one.status().as_str() == "SUCCEEDED"
            };
            (!all.is_empty() && all.iter().all(is_over)).then_some(())
        })
        .await;
}

/// Asks the function itself; its answer, or the type and the message of its error.
async fn ask(account: &Account, input: Value) -> Result<Value, (String, String)> {
    let lambda = account.lambda().await;
    let answer = lambda
        .invoke()
        .function_name(account.output("BaselineFunctionName"));
    let answer = answer
        .payload(aws_sdk_lambda::primitives::Blob::new(input.to_string()))
        .send()
        .await
        .unwrap();
    let payload = answer.payload().map(|blob| blob.as_ref().to_vec());
    let payload: Value = serde_json::from_slice(&payload.unwrap()).unwrap();
    let text = |name: &str| payload[name].as_str().unwrap().to_owned();
    match answer.function_error() {
        None => Ok(payload),
        Some(_) => Err((text("errorType"), text("errorMessage"))),
    }
}

/// Many functions of one role.
async fn functions(account: &Account, prefix: &str, count: usize) -> Vec<String> {
    let role = account.role(&unique(&format!("{prefix}-role")), &[]).await;
    let lambda = &account.lambda().await;
    let names: Vec<String> = (0..count).map(|_| unique(prefix)).collect();
    let made = stream::iter(&names).map(async |name| {
        let code = aws_sdk_lambda::types::FunctionCode::builder();
        let made = lambda.create_function().function_name(name).role(&role);
        let made = made.runtime(Runtime::Python312).handler("app.handler");
        let made = made.code(code.zip_file(package(name)).build());
        made.send().await.unwrap();
        account.settled(name).await;
    });
    made.buffer_unordered(8).collect::<Vec<()>>().await;
    names
}

/// Every version of every object in the bucket that a sweep could have written, and its lock.
async fn objects(account: &Account) -> BTreeSet<(String, String)> {
    let s3 = account.s3().await;
    let mut objects = BTreeSet::new();
    for prefix in ["baselines/", "content/"] {
        let (mut key, mut version) = (None, None);
        loop {
            let page = s3
                .list_object_versions()
                .bucket(account.output("BucketName"));
            let page = page
                .prefix(prefix)
                .set_key_marker(key)
                .set_version_id_marker(version);
            let page = page.send().await.unwrap();
            for one in page.versions() {
                let text = |text: Option<&str>| text.unwrap().to_owned();
                objects.insert((text(one.key()), text(one.version_id())));
            }
            if page.is_truncated() != Some(true) {
                break;
            }
            (key, version) = (page.next_key_marker, page.next_version_id_marker);
        }
    }
    objects
}

#[tokio::test]
async fn a_sweep_records_every_function_and_a_second_one_writes_nothing() {
    let account = Account::deployed(&[
        "BaselineRequestsPerSecond=100",
        "BaselineExclude=none",
        "Tracing=off",
    ]);
    deployed(&account).await;
    // The stack's own functions were there when it was deployed.
    let own = records(&account, "coldcase-respond").await;
    assert_eq!(own.len(), 1);
    assert_eq!(own[0].cause, Cause::Deployed);
    let key = account.vault().await.get(keys::MARK_KEY).await.unwrap();
    assert_eq!(key.len(), 32);

    let names = functions(&account, "swept", 30).await;
    account.quiet().await;
    sweep(&account).await;
    for name in &names {
        let records = records(&account, name).await;
        assert_eq!(records.len(), 1, "{name}");
        let record = &records[0];
        assert_eq!(record.function, target(&account, name).arn());
        assert_eq!(record.cause, Cause::Sweep);
        let refused = record
            .pieces
            .iter()
            .filter(|piece| !matches!(piece.result, Outcome::Acquired | Outcome::Absent { .. }));
        let refused: Vec<_> = refused.collect();
        assert!(refused.is_empty(), "{refused:?}");
        let code = piece(record, ArtifactKind::FunctionCode);
        let bytes = account
            .vault()
            .await
            .get(&code.contents[0].key)
            .await
            .unwrap();
        assert_eq!(bytes, package(name).into_inner());
        let configuration = piece(record, ArtifactKind::Configuration).documents[0]
            .json
            .clone();
        assert_eq!(configuration["replies"][0]["reply"]["FunctionName"], **name);
        assert_eq!(configuration["target"], target(&account, name).arn());
    }
    let before = objects(&account).await;
    assert!(before.len() > 60);
    sweep(&account).await;
    assert_eq!(objects(&account).await, before);

    // One that changed is recorded anew, and only that one.
    account.tamper(&names[0]).await;
    account.quiet().await;
    sweep(&account).await;
    assert_eq!(records(&account, &names[0]).await.len(), 2);
    assert_eq!(records(&account, &names[1]).await.len(), 1);
    let after = records(&account, &names[0]).await;
    let digest = |record: &Baseline| piece(record, ArtifactKind::FunctionCode).contents[0].sha256;
    assert_ne!(digest(&after[0]), digest(&after[1]));
}

#[tokio::test]
async fn a_sweep_that_was_killed_is_taken_up_by_another() {
    let account = Account::deployed(&["BaselineRequestsPerSecond=40", "Tracing=off"]);
    deployed(&account).await;
    let names = functions(&account, "killed", 24).await;
    account.quiet().await;
    let execution = start(&account).await;
    let folders = || async {
        let keys = account
            .vault()
            .await
            .list("baselines/", 10_000)
            .await
            .unwrap();
        keys.len()
    };
    let before = folders().await;
    let folders = &folders;
    account
        .until("some records", || async {
            (folders().await > before + 3).then_some(())
        })
        .await;
    let stopped = sfn(&account)
        .await
        .stop_execution()
        .execution_arn(&execution);
    stopped.send().await.unwrap();
    let mut recorded = BTreeSet::new();
    for name in &names {
        if !records(&account, name).await.is_empty() {
            recorded.insert(name.clone());
        }
    }
    assert!(
        recorded.len() < names.len(),
        "it was stopped too late to show anything"
    );
    sweep(&account).await;
    for name in &names {
        assert_eq!(records(&account, name).await.len(), 1, "{name}");
    }
}

#[tokio::test]
async fn what_the_owner_leaves_out_is_left_out_and_what_is_denied_is_told() {
    let account = Account::deployed(&[
        "BaselineRequestsPerSecond=100",
        "BaselineExclude=scratch-*,coldcase-*",
        "Tracing=off",
    ]);
    deployed(&account).await;
    assert!(records(&account, "coldcase-respond").await.is_empty());
    let scratch = functions(&account, "scratch", 1).await.remove(0);
    let tagged = functions(&account, "tagged", 1).await.remove(0);
    let plain = functions(&account, "plain", 1).await.remove(0);
    let lambda = account.lambda().await;
    let tag = lambda
        .tag_resource()
        .resource(target(&account, &tagged).arn());
    tag.tags("coldcase:exclude", "yes").send().await.unwrap();
    account.quiet().await;
    sweep(&account).await;
    assert!(records(&account, &scratch).await.is_empty());
    assert!(records(&account, &tagged).await.is_empty());
    let known = records(&account, &plain).await;
    assert_eq!(known.len(), 1);

    // A permission that is taken away takes no memory away.
    let role = account.output("BaselineRoleArn");
    let role = role.rsplit('/').next().unwrap();
    let deny = policy(&["iam:GetRole", "lambda:GetPolicy"]).replace("Allow", "Deny");
    let iam = account.iam().await;
    let denied = iam.put_role_policy().role_name(role).policy_name("deny");
    denied.policy_document(deny).send().await.unwrap();
    let arn = target(&account, &plain).arn();
    let answer = ask(&account, json!({"record": [arn]})).await.unwrap();
    assert_eq!(
        (&answer["unchanged"], &answer["denied"]),
        (&json!(1), &json!(1)),
        "{answer}"
    );
    account.tamper(&plain).await;
    let answer = ask(&account, json!({"record": [arn]})).await.unwrap();
    assert_eq!(
        (&answer["recorded"], &answer["denied"]),
        (&json!(1), &json!(1)),
        "{answer}"
    );
    let after = records(&account, &plain).await.pop().unwrap();
    let role_of = |record: &Baseline| {
        let mut pieces = record.pieces.iter();
        let found = pieces.find(|piece| piece.request.artifact == ArtifactKind::ExecutionRole);
        found.unwrap().clone()
    };
    assert_eq!(role_of(&after), role_of(&known[0]));
    let not_read = after.not_read.iter().map(|one| {
        assert!(matches!(one.result, Outcome::Denied { .. }), "{one:?}");
        one.request.artifact
    });
    let not_read: Vec<ArtifactKind> = not_read.collect();
    let wanted = [ArtifactKind::ResourcePolicy, ArtifactKind::ExecutionRole];
    assert_eq!(not_read, wanted);
}

async fn acceptances(account: &Account, id: &CaseId) -> Vec<CustodyAction> {
    let mut found = Vec::new();
    for sequence in 1.. {
        let Some(addendum) = account.sealed(id, sequence).await else {
            return found;
        };
        let custody = addendum.manifest().custody.iter();
        found.extend(
            custody
                .map(|entry| entry.action.clone())
                .filter(|action| matches!(action, CustodyAction::ChangeAccepted { .. })),
        );
    }
    found
}

#[tokio::test]
async fn a_change_that_a_responder_accepts_is_good_from_then_on() {
    let account = Account::deployed(&["BaselineRequestsPerSecond=100"]);
    deployed(&account).await;
    let victim: Victim = account.victim("accepted").await;
    account.quiet().await;
    account.tamper(&victim.name).await;
    let case = account.case_of(&victim.name, "UpdateFunctionCode").await;
    let id = case.manifest().case_id.clone();
    account.quiet().await;
    let accept = |by: &str| json!({"accept": {"case_id": id, "by": by, "why": "change 4711"}});
    for bad in ["", "two\nlines"] {
        let (name, _) = ask(&account, accept(bad)).await.unwrap_err();
        assert_eq!(name, "BadInput", "{bad:?}");
    }
    // coldcase itself turned tracing on in between: that is not what is accepted.
    let answer = ask(&account, accept("Alice")).await.unwrap();
    let again = ask(&account, accept("Mallory")).await.unwrap();
    assert_eq!(answer["record"], again["record"], "{answer} {again}");
    assert_eq!(answer["addendum"], again["addendum"]);
    let said = CustodyAction::ChangeAccepted {
        by: "Alice".to_owned(),
        reason: "change 4711".to_owned(),
    };
    assert_eq!(acceptances(&account, &id).await, [said]);
    let latest = records(&account, &victim.name).await.pop().unwrap();
    let cause = Cause::Accepted {
        case_id: id.clone(),
        by: "Alice".to_owned(),
    };
    assert_eq!(latest.cause, cause);
    let report = account.check(&id).await;
    assert!(report.is_sound(), "{report}");

    // What changed since its case was sealed is not accepted by that case.
    account.tamper(&victim.name).await;
    account.quiet().await;
    account.tamper(&victim.name).await;
    account.quiet().await;
    let mut cases = account.cases_about(&victim.name).await;
    cases.retain(|case| case.manifest().case_id != id);
    cases.sort_by_key(|case| case.manifest().sealed_at);
    let of_code = |case: &evidence::SealedCase| {
        matches!(&case.manifest().trigger,
            evidence::Trigger::CloudTrailEvent { event_name, .. }
                if event_name.starts_with("UpdateFunctionCode"))
    };
    let older = cases.iter().find(|case| of_code(case)).unwrap();
    let older = &older.manifest().case_id;
    let refused = json!({"accept": {"case_id": older, "by": "Alice", "why": "x"}});
    let (name, message) = ask(&account, refused).await.unwrap_err();
    assert_eq!(name, "Changed", "{message}");
    assert!(message.contains("function-code"), "{message}");
    assert!(acceptances(&account, older).await.is_empty());
    let unknown = json!({"accept": {"case_id": "20260102T030405Z-none-0000000000000000", "by": "a", "why": "x"}});
    assert_eq!(ask(&account, unknown).await.unwrap_err().0, "NoCase");
}

#[tokio::test]
async fn a_trusted_deployer_is_expected_where_it_works_and_a_finding_elsewhere() {
    let account = Account::up();
    let role = account
        .role("pipeline", &["lambda:*", "iam:PassRole"])
        .await;
    let mut account = account;
    let trusted = format!("TrustedDeployers={role}|127.0.0.0/8|ours-*");
    account.deploy(&[
        &trusted,
        "TrustedMayRefresh=on",
        "BaselineRequestsPerSecond=100",
    ]);
    deployed(&account).await;
    let ours = account.victim("ours").await;
    let theirs = account.victim("theirs").await;
    account.quiet().await;
    let trust = json!({"Version": "2012-10-17", "Statement": [{"Effect": "Allow",
        "Principal": {"AWS": format!("arn:aws:iam::{}:root", account.account)},
        "Action": "sts:AssumeRole"}]});
    let iam = account.iam().await;
    let updated = iam.update_assume_role_policy().role_name("pipeline");
    updated
        .policy_document(trust.to_string())
        .send()
        .await
        .unwrap();
    let pipeline = account.session(&role, "run-1").await;
    let lambda = aws_sdk_lambda::Client::new(&account.config_as(pipeline, &account.region).await);
    for function in [&ours.name, &theirs.name] {
        account.settled(function).await;
        let update = lambda.update_function_code().function_name(function);
        update
            .zip_file(package(&unique("new")))
            .send()
            .await
            .unwrap();
    }
    let rules = async |name: &str| {
        let case = account.case_of(name, "UpdateFunctionCode").await;
        let findings = case.manifest().findings.iter();
        let rules: Vec<String> = findings.map(|one| one.rule.clone()).collect();
        (case.manifest().case_id.clone(), rules)
    };
    let (id, found) = rules(&ours.name).await;
    assert!(found.contains(&"expected-change".to_owned()), "{found:?}");
    let (other, found) = rules(&theirs.name).await;
    assert!(
        found.contains(&"unexpected-use-of-deployer".to_owned()),
        "{found:?}"
    );
    let name = &ours.name;
    let account = &account;
    account
        .until("the record of an expected change", || async {
            let latest = records(account, name).await.pop()?;
            (latest.cause
                == Cause::Expected {
                    case_id: id.clone(),
                })
            .then_some(())
        })
        .await;
    let causes: Vec<Cause> = records(account, &theirs.name)
        .await
        .into_iter()
        .map(|one| one.cause)
        .collect();
    assert!(
        !causes
            .iter()
            .any(|cause| matches!(cause, Cause::Expected { .. })),
        "{causes:?}"
    );
    // Nobody can talk the baseline into it.
    let refused = ask(account, json!({"expected": {"case_id": other}})).await;
    assert_eq!(refused.unwrap_err().0, "BadInput");
    account.quiet().await;
}
