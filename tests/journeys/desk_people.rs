//! The stack's policies for people: each is enough for the commands that it is for, and for no others.

use aws_sdk_lambda::config::Credentials;
use coldcase_tests::{Account, Victim, desk_as, fits_schema};
use evidence::CaseId;
use serde_json::{Value, json};
use std::process::{Output, Stdio};

fn run(account: &Account, who: &Credentials, words: &[&str]) -> Output {
    let mut command = desk_as(account, who);
    command.args(words).stdin(Stdio::null()).output().unwrap()
}

/// What a command answered, which fits its schema.
fn answered(account: &Account, who: &Credentials, words: &[&str]) -> (i32, Value) {
    let output = run(account, who, &[words, &["--json"]].concat());
    let error = String::from_utf8_lossy(&output.stderr);
    let answer = serde_json::from_slice(&output.stdout);
    let answer =
        answer.unwrap_or_else(|_| panic!("{words:?}: no JSON on standard output: {error}"));
    fits_schema(words[0], &answer);
    (output.status.code().unwrap(), answer)
}

/// A tampered function and its case, once it is examined.
async fn case(account: &Account, prefix: &str) -> (Victim, CaseId) {
    let victim = account.victim(prefix).await;
    account.tamper(&victim.name).await;
    let case = account.case_of(&victim.name, "UpdateFunctionCode").await;
    let id = case.manifest().case_id.clone();
    account.examined(&id, "sealed").await;
    account.quiet().await;
    account.settled(&victim.name).await;
    (victim, id)
}

async fn reserved(account: &Account, function: &str) -> Option<i32> {
    let lambda = account.lambda().await;
    let now = lambda.get_function_concurrency().function_name(function);
    now.send().await.unwrap().reserved_concurrent_executions()
}

#[tokio::test(flavor = "multi_thread")]
async fn who_may_respond_asks_reads_and_verifies_and_cannot_contain() {
    let account = Account::shared();
    let (victim, id) = case(account, "responded").await;
    let name = &victim.name;
    let person = account.person(&["ResponderPolicyArn"], &[]).await;

    let words = ["respond", name.as_str(), "--wait", "--no-tracing"];
    let (code, came) = answered(account, &person, &words);
    assert!(code <= 1, "{came:#}");
    let told = &came["cases"][0];
    assert_eq!(
        (&came["by"], &came["left"]),
        (&json!("function"), &json!([]))
    );
    assert!(told["verdict"]["line"].is_string(), "{came:#}");
    let asked = told["case_id"].as_str().unwrap();

    let (code, listed) = answered(account, &person, &["cases"]);
    assert!(code <= 1, "{listed:#}");
    for id in [id.as_str(), asked] {
        assert!(listed.to_string().contains(id), "{id} is not listed");
    }
    // What a responder reads, all of it from the vault.
    for command in ["show", "findings", "timeline", "logs"] {
        let output = run(account, &person, &[command, id.as_str(), "--json"]);
        let error = String::from_utf8_lossy(&output.stderr);
        assert!(
            matches!(output.status.code(), Some(0 | 1)),
            "{command}: {error}"
        );
        assert!(output.stdout.starts_with(b"{"), "{command}: {error}");
    }
    let (code, verified) = answered(account, &person, &["verify", id.as_str()]);
    assert_eq!(code, 0, "{verified:#}");
    let found = &verified["cases"][0];
    assert_eq!(found["trusted_key"], "the stack's key in KMS");
    assert_eq!(found["locks"]["locked"], found["locks"]["objects"]);

    let before = account.vault().await;
    let manifests = vault::Case::read(&before, &id).await.unwrap().unwrap();
    let stop = [
        "contain",
        id.as_str(),
        "--reserved-concurrency-zero",
        "--yes",
    ];
    let output = run(account, &person, &stop);
    let error = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(3), "{error}");
    for told in [
        "nothing was changed",
        "your role lacks lambda:",
        "ContainPolicy",
    ] {
        assert!(error.contains(told), "{error}");
    }
    assert_eq!(reserved(account, name).await, None);
    let after = vault::Case::read(&before, &id).await.unwrap().unwrap();
    assert_eq!(after.manifests.len(), manifests.manifests.len());
}

#[tokio::test(flavor = "multi_thread")]
async fn who_may_contain_as_well_contains_and_releases_and_not_coldcase_itself() {
    let account = Account::shared();
    let (victim, id) = case(account, "contained-by").await;
    let name = &victim.name;
    let policies = ["ResponderPolicyArn", "ContainPolicyArn"];
    let person = account.person(&policies, &[]).await;

    let stop = [
        "contain",
        id.as_str(),
        "--reserved-concurrency-zero",
        "--yes",
    ];
    let (code, contained) = answered(account, &person, &stop);
    assert_eq!(
        (code, &contained["complete"]),
        (0, &json!(true)),
        "{contained:#}"
    );
    assert_eq!(reserved(account, name).await, Some(0));
    let (code, released) = answered(account, &person, &["release", id.as_str(), "--yes"]);
    assert_eq!(
        (code, &released["differs"]),
        (0, &json!([])),
        "{released:#}"
    );
    assert_eq!(released["not_compared"], json!([]));
    assert_eq!(reserved(account, name).await, None);
    let (code, verified) = answered(account, &person, &["verify", id.as_str()]);
    assert_eq!(code, 0, "{verified:#}");

    let config = account.config_as(person, &account.region).await;
    let own = aws_sdk_lambda::Client::new(&config).put_function_concurrency();
    let own = own.function_name(account.output("FunctionName"));
    let refused = own.reserved_concurrent_executions(0).send().await;
    let refused = refused.unwrap_err().into_service_error();
    assert_eq!(refused.meta().code(), Some("AccessDeniedException"));
}
