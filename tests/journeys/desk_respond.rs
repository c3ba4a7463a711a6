//! `coldcase respond`, the real program: with the stack, without one, interrupted, killed, refused.

use coldcase_tests::{Account, Victim, desk, desk_as, fits_schema, unique};
use evidence::{CaseId, CustodyAction, Trigger};
use serde_json::Value;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::sync::OnceLock;
use std::time::{Duration, Instant};
use vault::{Case, DirectoryVault, Vault as _};

/// An account without a stack, for tests that leave nothing behind that others mind.
fn bare() -> &'static Account {
    static BARE: OnceLock<Account> = OnceLock::new();
    BARE.get_or_init(Account::up)
}

/// What the program answered on standard output, as JSON, with its exit code.
fn answered(output: &Output) -> (i32, Value) {
    let error = String::from_utf8_lossy(&output.stderr);
    let answer = serde_json::from_slice(&output.stdout)
        .unwrap_or_else(|_| panic!("no JSON on standard output; standard error: {error}"));
    fits_schema("respond", &answer);
    (output.status.code().unwrap(), answer)
}

fn respond(account: &Account, vault: &Path, targets: &[&str], options: &[&str]) -> Output {
    let mut command = desk(account);
    command.args(["respond", "--json", "--window", "1h", "--vault"]);
    command.arg(vault).args(targets).args(options);
    command.output().unwrap()
}

/// The case in a folder, checked as a stranger would: every digest, every signature, the chain.
async fn checked(folder: &Path, told: &Value) -> Case {
    let id: CaseId = told["case_id"].as_str().unwrap().parse().unwrap();
    let vault = DirectoryVault::open(folder).await.unwrap();
    let report = vault::check(&vault, &id, None).await;
    assert!(report.is_sound(), "{report:?}");
    Case::read(&vault, &id).await.unwrap().unwrap()
}

fn actions(case: &Case) -> Vec<&CustodyAction> {
    let entries = case.manifests.iter().flat_map(|it| &it.custody);
    entries.map(|entry| &entry.action).collect()
}

/// A function in an account without a stack.
async fn victim(account: &Account, prefix: &str) -> Victim {
    account.victim(prefix).await
}

#[tokio::test]
async fn without_a_stack_a_tampered_function_ends_in_a_sealed_case_with_a_verdict() {
    let account = bare();
    let victim = victim(account, "alone").await;
    account.tamper(&victim.name).await;
    account.settled(&victim.name).await;
    let folder = tempfile::tempdir().unwrap();
    let place = folder.path().join("evidence");
    let output = respond(
        account,
        &place,
        &[&victim.name],
        &["--reason", "ticket 4711"],
    );
    let (_, answer) = answered(&output);
    assert_eq!(answer["by"], "here", "{answer:#}");
    assert_eq!(answer["left"], serde_json::json!([]), "{answer:#}");
    let told = &answer["cases"][0];
    let case = checked(&place, told).await;
    let first = case.first();
    assert!(
        matches!(&first.trigger, Trigger::Person { reason, .. } if reason == "ticket 4711"),
        "{:?}",
        first.trigger
    );
    assert!(
        first.responder.identity.starts_with("arn:aws:iam::"),
        "{:?}",
        first.responder
    );
    let actions = actions(&case);
    let at = |wanted: fn(&CustodyAction) -> bool| actions.iter().position(|it| wanted(it));
    let traced = at(|it| matches!(it, CustodyAction::TracingTurnedOn { .. })).unwrap();
    let looked = at(|it| matches!(it, CustodyAction::WindowCollected { .. })).unwrap();
    let examined = at(|it| matches!(it, CustodyAction::Examined { .. })).unwrap();
    assert!(traced < looked && looked < examined, "{actions:?}");
    assert!(told["verdict"]["line"].is_string(), "{told:#}");
    // Everything that was asked for is told, with its outcome.
    let wanted = case.manifests.iter().map(|it| it.acquisitions.len()).sum();
    assert_eq!(told["acquisitions"].as_array().map(Vec::len), Some(wanted));
}

#[tokio::test]
async fn the_exit_code_says_whether_all_that_was_wanted_is_there() {
    let account = bare();
    let victim = victim(account, "coded").await;
    let folder = tempfile::tempdir().unwrap();
    let output = respond(account, folder.path(), &[&victim.name], &["--no-tracing"]);
    let (code, answer) = answered(&output);
    let acquisitions = answer["cases"][0]["acquisitions"].as_array().unwrap();
    let is_whole = acquisitions
        .iter()
        .all(|it| it["outcome"] == "acquired" || it["outcome"] == "absent");
    assert_eq!(code, i32::from(!is_whole), "{answer:#}");
    assert_eq!(answer["cases"][0]["tracing"], "not wanted");
}

/// Two functions of one role; the role, and the functions' names in order.
async fn under_one_role(account: &Account) -> (String, Vec<String>) {
    let role_name = unique("desk-role");
    let role = account.role(&role_name, &[]).await;
    let mut names = Vec::new();
    for _ in 0..2 {
        let victim = Victim {
            name: unique("under-desk"),
            role_name: role_name.clone(),
            role: role.clone(),
        };
        account.create(&victim, |create| create).await;
        names.push(victim.name);
    }
    names.sort();
    (role, names)
}

#[tokio::test]
async fn a_role_without_a_stack_leads_to_a_case_for_every_function_under_it() {
    let account = bare();
    let (role, names) = under_one_role(account).await;
    let folder = tempfile::tempdir().unwrap();
    let output = respond(account, folder.path(), &[&role], &["--no-tracing"]);
    let (_, answer) = answered(&output);
    let mut about: Vec<String> = Vec::new();
    for told in answer["cases"].as_array().unwrap() {
        let case = checked(folder.path(), told).await;
        about.push(case.first().target.name.clone());
        assert!(told["verdict"]["line"].is_string(), "{told:#}");
    }
    about.sort();
    assert_eq!(about, names);
}

#[tokio::test]
async fn functions_are_found_by_their_tag() {
    let account = bare();
    let victim = victim(account, "tagged").await;
    let value = unique("value");
    let lambda = account.lambda().await;
    let arn = format!(
        "arn:aws:lambda:{}:{}:function:{}",
        account.region, account.account, victim.name
    );
    let tag = lambda.tag_resource().resource(&arn).tags("case", &value);
    tag.send().await.unwrap();
    let folder = tempfile::tempdir().unwrap();
    let tag = format!("case={value}");
    let options = ["--no-tracing", "--all-with-tag", &tag];
    let (_, answer) = answered(&respond(account, folder.path(), &[], &options));
    let cases = answer["cases"].as_array().unwrap();
    assert_eq!(cases.len(), 1, "{answer:#}");
    assert_eq!(cases[0]["target"], arn);

    let options = ["--all-with-tag", "case=nobody-has-this"];
    let none = respond(account, folder.path(), &[], &options);
    assert_eq!(none.status.code(), Some(4));
}

/// Waits until `seen`, within a bound.
fn wait_until(what: &str, mut seen: impl FnMut() -> bool) {
    let began = Instant::now();
    while !seen() {
        assert!(
            began.elapsed() < Duration::from_secs(300),
            "{what} did not happen"
        );
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// Every file of a vault that is evidence: of what lands aside nothing counts.
fn files(folder: &Path) -> Vec<PathBuf> {
    let Ok(entries) = fs::read_dir(folder) else {
        return Vec::new();
    };
    let mut found = Vec::new();
    for entry in entries.flatten() {
        let path = entry.path();
        if path.is_dir() {
            found.extend(files(&path));
        } else if !path.to_string_lossy().contains("/.incoming/") {
            found.push(path);
        }
    }
    found
}

/// Ends a run with `signal` once something of the case lies in the vault; its exit code.
fn cut_off(
    account: &Account,
    vault: &Path,
    name: &str,
    request: &str,
    after: &str,
    signal: &str,
) -> Option<i32> {
    let mut command = desk(account);
    command.args(["respond", "--json", "--window", "1h", "--no-tracing", name]);
    command
        .arg("--vault")
        .arg(vault)
        .args(["--request-id", request]);
    let child = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn();
    let mut child = child.unwrap();
    wait_until(after, || {
        let landed = files(vault);
        landed.iter().any(|it| it.to_string_lossy().contains(after))
            || child.try_wait().unwrap().is_some()
    });
    let pid = child.id().to_string();
    Command::new("kill").args([signal, &pid]).status().unwrap();
    child.wait().unwrap().code()
}

#[tokio::test]
async fn ctrl_c_says_how_to_go_on_and_the_same_request_goes_on_in_the_same_case() {
    let account = bare();
    let victim = victim(account, "stopped").await;
    let folder = tempfile::tempdir().unwrap();
    let request = unique("stopped");
    // LookupEvents answers once a second: the window is being looked into.
    let code = cut_off(
        account,
        folder.path(),
        &victim.name,
        &request,
        "windows/",
        "-INT",
    );
    assert_eq!(code, Some(130));
    let options = ["--no-tracing", "--request-id", &request];
    let (_, answer) = answered(&respond(account, folder.path(), &[&victim.name], &options));
    assert_eq!(answer["interrupted"], false);
    let vault = DirectoryVault::open(folder.path()).await.unwrap();
    let cases = vault.list("cases/", 10_000).await.unwrap();
    let ids: std::collections::BTreeSet<_> = cases
        .iter()
        .filter_map(|key| key.split('/').nth(1))
        .collect();
    assert_eq!(ids.len(), 1, "{ids:?}");
    let case = checked(folder.path(), &answer["cases"][0]).await;
    let collected = |it: &&&CustodyAction| matches!(it, CustodyAction::WindowCollected { .. });
    assert_eq!(actions(&case).iter().filter(collected).count(), 1);
}

#[tokio::test]
async fn killed_at_any_stage_the_same_request_ends_in_the_same_case() {
    let account = bare();
    let victim = victim(account, "killed").await;
    let folder = tempfile::tempdir().unwrap();
    let request = unique("killed");
    for after in [
        "requests/",
        "/exhibits/",
        "manifest-0000.json",
        "manifest-0000.dsse.json",
        "windows/",
        "/done.json",
        "manifest-0002.json",
        "examinations/",
        "manifest-0003.json",
    ] {
        cut_off(
            account,
            folder.path(),
            &victim.name,
            &request,
            after,
            "-KILL",
        );
    }
    let options = ["--no-tracing", "--request-id", &request];
    let (_, answer) = answered(&respond(account, folder.path(), &[&victim.name], &options));
    assert_eq!(
        answer["cases"].as_array().map(Vec::len),
        Some(1),
        "{answer:#}"
    );
    assert_eq!(answer["left"], serde_json::json!([]), "{answer:#}");
    let case = checked(folder.path(), &answer["cases"][0]).await;
    assert_eq!(
        case.manifests.len(),
        4,
        "case, tracing, window, examination"
    );
    assert!(answer["cases"][0]["verdict"]["line"].is_string());
}

#[tokio::test]
async fn what_cannot_be_done_is_said_in_words_with_its_exit_code() {
    let account = bare();
    let victim = victim(account, "refused").await;
    let folder = tempfile::tempdir().unwrap();
    let ready = || {
        let mut command = desk(account);
        command.args(["respond", "--vault"]).arg(folder.path());
        command
    };
    let mut no_credentials = ready();
    no_credentials
        .arg(&victim.name)
        .env_remove("AWS_ACCESS_KEY_ID")
        .env_remove("AWS_SECRET_ACCESS_KEY");
    let mut no_region = ready();
    no_region.arg(&victim.name).env_remove("AWS_REGION");
    let mut expired = ready();
    expired
        .arg(&victim.name)
        .env("AWS_SESSION_TOKEN", "expired");
    let mut unreachable = ready();
    unreachable
        .arg(&victim.name)
        .env("AWS_ENDPOINT_URL", "http://127.0.0.1:9")
        .env("AWS_MAX_ATTEMPTS", "1");
    let mut unknown = ready();
    unknown.arg(&victim.name[1..]);
    let mut no_target = ready();
    no_target.arg("arn:aws:ec2:us-east-1:111122223333:instance/i-1");
    let mut no_bucket = desk(account);
    no_bucket.args([
        "respond",
        &victim.name,
        "--vault",
        "s3://no-such-bucket-here",
    ]);
    let file = folder.path().join("a-file");
    fs::write(&file, "no vault").unwrap();
    let mut broken = desk(account);
    broken.args(["respond", &victim.name, "--vault"]).arg(&file);
    let of = |command: &mut Command| {
        let output = command.output().unwrap();
        let error = String::from_utf8(output.stderr).unwrap();
        (output.status.code().unwrap(), error)
    };
    for (name, mut command, code, told) in [
        (
            "no credentials",
            no_credentials,
            3,
            "no AWS credentials were found",
        ),
        ("no Region", no_region, 3, "--region"),
        ("expired", expired, 3, "coldcase: sts:GetCallerIdentity"),
        ("unreachable", unreachable, 3, "AWS was not reached"),
        ("unknown function", unknown, 4, victim.name.as_str()),
        ("no target", no_target, 2, "arn:aws:lambda:"),
        ("no bucket", no_bucket, 4, "no-such-bucket-here"),
        ("broken vault", broken, 5, "cannot be used as a vault"),
    ] {
        let (got, error) = of(&mut command);
        assert_eq!(got, code, "{name}: {error}");
        assert!(error.contains(told), "{name}: {error}");
        assert!(!error.contains('\u{1b}'), "{name}: {error}");
    }
}

#[tokio::test]
async fn a_full_disk_is_said_and_once_there_is_room_the_request_goes_on() {
    let account = bare();
    let victim = victim(account, "full").await;
    let folder = tempfile::tempdir().unwrap();
    let request = unique("full");
    let program = desk(account);
    let mut shell = Command::new("sh");
    // No file may become larger than one block of 512 bytes: the disk is as good as full.
    shell.args(["-c", "trap '' XFSZ; ulimit -f 1; exec \"$@\"", "sh"]);
    shell.arg(program.get_program());
    shell.args([
        "respond",
        &victim.name,
        "--no-tracing",
        "--window",
        "1h",
        "--vault",
    ]);
    shell.arg(folder.path()).args(["--request-id", &request]);
    for (name, value) in program.get_envs() {
        match value {
            Some(value) => shell.env(name, value),
            None => shell.env_remove(name),
        };
    }
    let output = shell.output().unwrap();
    let error = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(5), "{error}");
    assert!(
        error.contains(&format!("--request-id={request}")),
        "{error}"
    );
    let options = ["--no-tracing", "--request-id", &request];
    let (_, answer) = answered(&respond(account, folder.path(), &[&victim.name], &options));
    checked(folder.path(), &answer["cases"][0]).await;
}

#[tokio::test]
async fn whoever_may_read_little_gets_a_case_that_says_so() {
    let account = bare();
    let victim = victim(account, "little").await;
    let role_name = unique("responder");
    let trust = serde_json::json!({"Version": "2012-10-17", "Statement": [{"Effect": "Allow",
        "Principal": {"AWS": format!("arn:aws:iam::{}:root", account.account)},
        "Action": "sts:AssumeRole"}]});
    let iam = account.iam().await;
    let role = iam
        .create_role()
        .role_name(&role_name)
        .assume_role_policy_document(trust.to_string())
        .send()
        .await
        .unwrap();
    iam.put_role_policy()
        .role_name(&role_name)
        .policy_name("own")
        .policy_document(coldcase_tests::policy(&["lambda:GetFunctionConfiguration"]))
        .send()
        .await
        .unwrap();
    let session = account.session(role.role().unwrap().arn(), "night").await;
    let folder = tempfile::tempdir().unwrap();
    let output = desk_as(account, &session)
        .args([
            "respond",
            &victim.name,
            "--json",
            "--window",
            "1h",
            "--vault",
        ])
        .arg(folder.path())
        .output()
        .unwrap();
    let (code, answer) = answered(&output);
    assert_eq!(code, 1, "{answer:#}");
    let told = &answer["cases"][0];
    checked(folder.path(), told).await;
    assert!(told["outcomes"]["denied"].as_u64() > Some(5), "{told:#}");
    let tracing = told["tracing"].as_str().unwrap();
    assert!(tracing.starts_with("not possible"), "{tracing}");
}

#[tokio::test]
async fn with_the_stack_its_function_does_the_work_and_the_verdict_can_be_waited_for() {
    let account = Account::shared();
    let victim = account.victim("by-the-desk").await;
    account.case_of(&victim.name, "CreateFunction").await;
    let request = unique("desk");
    let options = ["--wait", "--no-tracing", "--request-id", &request];
    let mut command = desk(account);
    let output = command
        .args(["respond", "--json", &victim.name, "--reason", "by the desk"])
        .args(options)
        .output()
        .unwrap();
    let (_, answer) = answered(&output);
    assert_eq!(answer["by"], "function");
    assert_eq!(answer["request_id"], Value::from(request));
    assert_eq!(
        answer["vault"],
        format!("s3://{}", account.output("BucketName"))
    );
    let told = &answer["cases"][0];
    assert!(told["verdict"]["line"].is_string(), "{answer:#}");
    let id: CaseId = told["case_id"].as_str().unwrap().parse().unwrap();
    let report = account.check(&id).await;
    assert!(report.is_sound(), "{report:?}");
    let landed = String::from_utf8_lossy(&output.stderr);
    assert!(landed.contains(&format!("case       {id}")), "{landed}");
}

/// What the cases of an answer are about, in order; each is sealed by the stack's function, with what
/// came of tracing.
async fn sealed_by_the_stack(account: &Account, answer: &Value) -> Vec<String> {
    assert_eq!(answer["by"], "function");
    assert_eq!(answer["left"], serde_json::json!([]), "{answer:#}");
    let mut about = Vec::new();
    for told in answer["cases"].as_array().unwrap() {
        assert_eq!(told["tracing"], "not wanted", "{told:#}");
        let id: CaseId = told["case_id"].as_str().unwrap().parse().unwrap();
        let report = account.check(&id).await;
        assert!(report.is_sound(), "{report}");
        let case = account.sealed(&id, 0).await.unwrap();
        let manifest = case.manifest();
        assert!(
            matches!(&manifest.trigger, Trigger::Person { reason, .. } if reason == "ticket 4711"),
            "{:?}",
            manifest.trigger
        );
        about.push(manifest.target.name.clone());
    }
    about.sort();
    about
}

#[tokio::test]
async fn with_the_stack_a_role_or_a_tag_leads_to_a_case_for_each_of_its_functions() {
    let account = Account::shared();
    let (role, names) = under_one_role(account).await;
    let value = unique("value");
    let lambda = account.lambda().await;
    for name in &names {
        let (region, number) = (&account.region, &account.account);
        let arn = format!("arn:aws:lambda:{region}:{number}:function:{name}");
        let tag = lambda.tag_resource().resource(arn).tags("team", &value);
        tag.send().await.unwrap();
    }
    account.quiet().await;
    let tag = format!("team={value}");
    let respond = |more: &[&str]| {
        let mut command = desk(account);
        command.args(["respond", "--json", "--no-tracing"]);
        command.args(["--reason", "ticket 4711"]).args(more);
        command
    };
    for what in [&[role.as_str()][..], &["--all-with-tag", &tag]] {
        let (_, answer) = answered(&respond(what).output().unwrap());
        assert_eq!(
            sealed_by_the_stack(account, &answer).await,
            names,
            "{what:?}"
        );
    }

    // Looking for a tag takes what no policy of the stack holds: settings of every function.
    let person = account.person(&["ResponderPolicyArn"], &[]).await;
    let output = desk_as(account, &person)
        .args(["respond", "--all-with-tag", &tag])
        .output()
        .unwrap();
    let error = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(3), "{error}");
    assert!(
        error.contains("lambda:ListFunctions") && error.contains("no policy of coldcase's stack"),
        "{error}"
    );
    // Who may not look it up asks for the role all the same: the stack's function looks.
    let mut command = desk_as(account, &person);
    let asked = command.args(["respond", &role, "--json", "--no-tracing"]);
    let asked = asked.args(["--reason", "ticket 4711"]).output().unwrap();
    let (_, answer) = answered(&asked);
    assert_eq!(sealed_by_the_stack(account, &answer).await, names);
}
