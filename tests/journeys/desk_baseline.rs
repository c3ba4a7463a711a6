//! `coldcase baseline`, `expected` and `scan` with the stack: what is known to be good, who may say so, and
//! what is held against it.

use aws_sdk_lambda::config::Credentials;
use coldcase_tests::{Account, desk, desk_as, fits_schema, package_bytes, unique};
use evidence::{CaseId, CustodyAction, ResourceKind, Sha256Digest, Target};
use serde_json::{Value, json};
use std::path::Path;
use std::process::{Command, Output};

/// What a command answered, as JSON, with its exit code; a schema of its name fits it.
fn answered(mut command: Command, schema: &str) -> (i32, Value) {
    let output = command.arg("--json").output().unwrap();
    let error = String::from_utf8_lossy(&output.stderr);
    let answer = serde_json::from_slice(&output.stdout);
    let answer = answer.unwrap_or_else(|_| panic!("no JSON on standard output: {error}"));
    fits_schema(schema, &answer);
    (output.status.code().unwrap(), answer)
}

/// The administrator's command line.
fn run(account: &Account, words: &[&str]) -> Command {
    let mut command = desk(account);
    command.args(words);
    command
}

fn run_as(account: &Account, who: &Credentials, words: &[&str]) -> Command {
    let mut command = desk_as(account, who);
    command.args(words);
    command
}

/// A command that fails: with this exit code, with these words, and with nothing on standard output.
fn fails(mut command: Command, code: i32, words: &[&str]) {
    let output: Output = command.output().unwrap();
    let error = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(code), "{error}");
    assert_eq!(String::from_utf8_lossy(&output.stdout), "");
    for word in words {
        assert!(error.contains(word), "no {word:?} in: {error}");
    }
}

fn arn(account: &Account, function: &str) -> String {
    let (number, region) = (&account.account, &account.region);
    Target::aws(number, region, ResourceKind::Function, function).arn()
}

/// Waits for the next second: of when something was done, CloudTrail tells the second only.
async fn next_second(account: &Account) {
    let now = jiff::Timestamp::now().as_second();
    let later = async || (jiff::Timestamp::now().as_second() > now).then_some(());
    account.until("the next second", later).await;
}

/// Has the stack record a function as it is.
async fn record(account: &Account, function: &str) {
    let (code, came) = answered(
        run(account, &["baseline", "--record", function]),
        "baseline",
    );
    assert_eq!(
        (code, &came["recorded"]["recorded"]),
        (0, &json!(1)),
        "{came:#}"
    );
    next_second(account).await;
}

/// What is recorded of one function.
fn known(account: &Account, function: &str) -> Value {
    let (code, listed) = answered(run(account, &["baseline", function]), "baseline");
    assert_eq!(code, 0);
    assert_eq!(
        listed["functions"].as_array().map(Vec::len),
        Some(1),
        "{listed:#}"
    );
    assert_eq!(listed["functions"][0]["function"], arn(account, function));
    listed["functions"][0].clone()
}

/// Changes a function's code; its case, once it is examined.
async fn tampered(account: &Account, function: &str) -> CaseId {
    let before = account.cases_about(function).await;
    let known: Vec<CaseId> = before
        .iter()
        .map(|it| it.manifest().case_id.clone())
        .collect();
    account.tamper(function).await;
    let look = async || {
        let cases = account.cases_about(function).await.into_iter();
        let mut new = cases.map(|it| it.manifest().case_id.clone());
        new.find(|id| !known.contains(id))
    };
    let id = account.until("a case of the change", look).await;
    account.examined(&id, "sealed").await;
    account.settled(function).await;
    id
}

/// What a responder's own request finds to be different from the known good.
fn different(account: &Account, function: &str) -> Value {
    let words = ["respond", function, "--wait", "--no-tracing"];
    let (_, answer) = answered(run(account, &words), "respond");
    let verdict = answer["cases"][0]["verdict"].clone();
    assert!(verdict["line"].is_string(), "{answer:#}");
    verdict["changed"].clone()
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_person_accepts_is_good_and_the_next_examination_finds_nothing_different() {
    let account = Account::shared();
    let victim = account.victim("accepted-here").await;
    let name = &victim.name;
    account.case_of(name, "CreateFunction").await;
    account.quiet().await;
    record(account, name).await;
    let good = known(account, name);
    assert_eq!(good["cause"]["why"], "sweep", "{good:#}");

    let first = tampered(account, name).await;
    assert_ne!(different(account, name), json!([]));
    next_second(account).await;
    let latest = tampered(account, name).await;

    let alice = account
        .person(&["ResponderPolicyArn", "AcceptPolicyArn"], &[])
        .await;
    let accept = |id: &CaseId, more: &[&str]| {
        let words = [
            "baseline",
            "--accept",
            id.as_str(),
            "--reason",
            "change 4711",
        ];
        run_as(account, &alice, &[&words[..], more].concat())
    };
    // Where nobody can be asked nothing is accepted; and a case accepts what it preserved, not what
    // somebody changed since.
    fails(accept(&latest, &[]), 2, &["--yes"]);
    fails(
        accept(&first, &["--yes"]),
        2,
        &["function-code", "changed since"],
    );
    assert_eq!(known(account, name), good);

    let (code, came) = answered(accept(&latest, &["--yes"]), "baseline");
    assert_eq!(code, 0, "{came:#}");
    assert_eq!(came["accepted"]["case_id"], latest.as_str());
    let by = came["by"].as_str().unwrap();
    assert!(by.contains(":user/person-"), "{by}");
    let now = known(account, name);
    assert_eq!(
        (&now["record"], &now["records"]),
        (
            &came["accepted"]["record"],
            &json!(good["records"].as_u64().unwrap() + 1)
        )
    );
    let cause = json!({"why": "accepted", "case_id": latest.as_str(), "by": by});
    assert_eq!(now["cause"], cause);
    // Who and why are sealed in the case.
    let said = CustodyAction::ChangeAccepted {
        by: by.to_owned(),
        reason: "change 4711".to_owned(),
    };
    let sealed = account.addenda(&latest, |action| *action == said).await;
    assert_eq!(sealed.len(), 1);
    let report = account.check(&latest).await;
    assert!(report.is_sound(), "{report}");

    next_second(account).await;
    assert_eq!(different(account, name), json!([]));
}

#[tokio::test(flavor = "multi_thread")]
async fn who_may_not_say_what_is_good_is_told_which_policy_lets_and_changes_nothing() {
    let account = Account::shared();
    let victim = account.victim("not-accepted").await;
    let name = &victim.name;
    account.case_of(name, "CreateFunction").await;
    account.quiet().await;
    record(account, name).await;
    let good = known(account, name);
    let case = tampered(account, name).await;
    let accept = [
        "baseline",
        "--accept",
        case.as_str(),
        "--reason",
        "x",
        "--yes",
    ];

    let responder = account.person(&["ResponderPolicyArn"], &[]).await;
    let denied = ["lambda:InvokeFunction", "AcceptPolicy"];
    fails(run_as(account, &responder, &accept), 3, &denied);
    fails(
        run_as(account, &responder, &["baseline", "--record", name]),
        3,
        &denied,
    );
    let denied = ["states:StartExecution", "AcceptPolicy"];
    fails(
        run_as(account, &responder, &["baseline", "--record", "--all"]),
        3,
        &denied,
    );
    // But may see what is known.
    let (code, listed) = answered(run_as(account, &responder, &["baseline", name]), "baseline");
    assert_eq!((code, &listed["functions"][0]), (0, &good));
    let nobody = account.person(&[], &[]).await;
    let denied = ["cloudformation:DescribeStacks", "ResponderPolicy"];
    fails(run_as(account, &nobody, &["baseline"]), 3, &denied);

    let unknown = "20260102T030405Z-none-0000000000000000";
    let words = ["baseline", "--accept", unknown, "--reason", "x", "--yes"];
    fails(
        run(account, &words),
        4,
        &["there is no case", unknown, "coldcase cases"],
    );
    let never = unique("never-recorded");
    fails(
        run(account, &["baseline", &never]),
        4,
        &[&never, "--record"],
    );

    assert_eq!(known(account, name), good);
    let accepted = |action: &CustodyAction| matches!(action, CustodyAction::ChangeAccepted { .. });
    assert!(account.addenda(&case, accepted).await.is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn the_digests_of_the_known_good_are_what_scan_and_the_stack_expect() {
    const OWNER: &str = "owner-of-expected-digests";
    let account =
        Account::deployed(&["ExaminationBucket=owner-of-expected-digests", "Tracing=off"]);
    let account = &account;
    let s3 = account.s3().await;
    s3.create_bucket().bucket(OWNER).send().await.unwrap();
    let victim = account.victim("expected").await;
    let name = &victim.name;
    let lambda = account.lambda().await;
    let published = lambda.publish_version().function_name(name);
    published.send().await.unwrap();
    let live = lambda.create_alias().function_name(name).name("live");
    live.function_version("1").send().await.unwrap();
    account.case_of(name, "CreateFunction").await;
    account.quiet().await;
    // Everything is recorded by who may do that and no more.
    let keeper = account
        .person(&["ResponderPolicyArn", "AcceptPolicyArn"], &[])
        .await;
    let all = run_as(account, &keeper, &["baseline", "--record", "--all"]);
    let (code, came) = answered(all, "baseline");
    assert_eq!(code, 0, "{came:#}");
    assert!(came["recorded"]["execution"].is_string(), "{came:#}");

    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("expected.json");
    let out = file.to_str().unwrap();
    let write = ["expected", "--from-baseline", name, "--out", out];
    let (code, written) = answered(run(account, &write), "expected-out");
    assert_eq!((code, &written["functions"]), (0, &json!(2)), "{written:#}");
    assert_eq!(written["not_covered"], json!([]));
    let document: Value = serde_json::from_slice(&std::fs::read(&file).unwrap()).unwrap();
    fits_schema("expected", &document);
    let (_, printed) = answered(
        run(account, &["expected", "--from-baseline", name]),
        "expected",
    );
    assert_eq!(printed, document);
    let whole = arn(account, name);
    let digest = Sha256Digest::of(package_bytes("original")).to_string();
    let functions = json!({whole.clone(): digest, format!("{whole}:1"): digest});
    assert_eq!(document, json!({ "functions": functions }));
    // Not written over by mistake; not of what nobody recorded.
    fails(run(account, &write), 2, &[out, "--force"]);
    let never = ["expected", "--from-baseline", "never-recorded"];
    fails(run(account, &never), 4, &["never-recorded", "--record"]);

    let scan = ["scan", name.as_str(), "--expected", out];
    let deviations = |report: &Value| {
        let findings = report["findings"].as_array().unwrap().iter();
        let rules = findings.filter(|it| it["rule"] == "expected-digest-deviation");
        rules.count()
    };
    let (code, report) = answered(run(account, &scan), "scan");
    assert_eq!((code, deviations(&report)), (0, 0), "{report:#}");
    let put = s3.put_object().bucket(OWNER).key("expected.json");
    let body = std::fs::read(&file).unwrap();
    put.body(body.into()).send().await.unwrap();

    let case = tampered(account, name).await;
    let (code, report) = answered(run(account, &scan), "scan");
    assert_eq!((code, deviations(&report)), (1, 1), "{report:#}");
    let examined = account.examined(&case, "sealed").await;
    let findings = &examined.manifest().findings;
    let of_stack = findings
        .iter()
        .filter(|it| it.rule == "expected-digest-deviation");
    assert_eq!(of_stack.count(), 1, "{findings:#?}");
    account.quiet().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn scan_examines_what_a_function_runs_with_no_power_to_write_and_leaves_nothing() {
    let account = Account::shared();
    let victim = account.victim("scanned").await;
    let name = &victim.name;
    account.case_of(name, "CreateFunction").await;
    account.quiet().await;
    let before = account.cases_about(name).await.len();
    let only_reads = account.person(&[], &["lambda:GetFunction"]).await;
    let reads_nothing = account.person(&[], &[]).await;
    let (here, scratch) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let scan = |who: &Credentials, what: &str| {
        let mut command = run_as(account, who, &["scan", what]);
        command
            .current_dir(here.path())
            .env("TMPDIR", scratch.path());
        command
    };
    let whole = arn(account, name);
    let (code, report) = answered(scan(&only_reads, &whole), "scan");
    assert_eq!(code, 0, "{report:#}");
    assert_eq!(
        (&report["package"], &report["complete"]),
        (&json!(whole), &json!(true))
    );
    let files = report["inventory"].as_array().unwrap();
    let paths: Vec<_> = files.iter().map(|it| &it["path"]).collect();
    assert_eq!(paths, ["app.py"]);

    fails(
        scan(&reads_nothing, &whole),
        3,
        &["denied", "lambda:GetFunction"],
    );
    let never = arn(account, "never-was");
    fails(scan(&only_reads, &never), 4, &["absent", "never-was"]);

    // Neither here nor where it was downloaded to, nor in the vault.
    let is_empty = |folder: &Path| folder.read_dir().unwrap().next().is_none();
    assert!(is_empty(here.path()) && is_empty(scratch.path()));
    assert_eq!(account.cases_about(name).await.len(), before);
}
