//! From an event to what happened around it: the deployed state machine takes the deployed function's
//! steps, and each pass ends in an addendum to the sealed case.
#![allow(clippy::unwrap_used, clippy::expect_used)]

use crate::delivery::{batch, envelope, invoke, record};
use crate::investigate_window::{copy, ids, invocations, kept, messages, result};
use crate::own_parts::Listener;
use aws_sdk_lambda::primitives::Blob;
use aws_sdk_sfn::types::{ExecutionStatus, HistoryEventType};
use bytes::Bytes;
use coldcase_tests::{Account, Victim, unique, zip};
use evidence::{ArtifactKind, CaseId, CustodyAction, Outcome, Request, SealedCase, Window, keys};
use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};
use std::collections::BTreeSet;
use vault::{Vault as _, Verdict};

const AUDIT: Request = Request::whole(ArtifactKind::AuditEvents);
const ACTIVITY: Request = Request::whole(ArtifactKind::RoleActivity);

/// A function that says what it is told to say and lists tables.
async fn talkative(account: &Account) -> Victim {
    let name = unique("talkative");
    let role_name = format!("{name}-role");
    let actions = [
        "logs:*",
        "dynamodb:ListTables",
        "xray:PutTraceSegments",
        "xray:PutTelemetryRecords",
    ];
    let victim = Victim {
        role: account.role(&role_name, &actions).await,
        role_name,
        name,
    };
    let code = talkative_code("first");
    account
        .create(&victim, |create| {
            let code = aws_sdk_lambda::types::FunctionCode::builder().zip_file(code);
            create.code(code.build())
        })
        .await;
    victim
}

fn talkative_code(version: &str) -> Blob {
    Blob::new(zip(&format!(
        "import boto3\n\
         def handler(event, context):\n    \
             print(event)\n    \
             boto3.client('dynamodb').list_tables()\n    \
             return {version:?}\n"
    )))
}

async fn say(account: &Account, victim: &Victim, what: &str) {
    account.settled(&victim.name).await;
    let lambda = account.lambda().await;
    let invoke = lambda.invoke().function_name(&victim.name);
    let answer = invoke
        .payload(Blob::new(json!(what).to_string()))
        .send()
        .await
        .unwrap();
    assert_eq!(answer.function_error(), None, "{answer:?}");
}

/// Which pass over which window an addendum is of.
fn pass(addendum: &SealedCase) -> (String, Window) {
    let mut actions = addendum
        .manifest()
        .custody
        .iter()
        .map(|entry| &entry.action);
    let found = actions.find_map(|action| match action {
        CustodyAction::WindowCollected { pass, window } => Some((pass.clone(), *window)),
        _ => None,
    });
    found.unwrap()
}

/// The names of the executions so far.
async fn executions(account: &Account) -> Vec<String> {
    let sfn = aws_sdk_sfn::Client::new(&account.config().await);
    let list = sfn
        .list_executions()
        .state_machine_arn(account.output("InvestigationArn"));
    let list = list.send().await.unwrap();
    list.executions()
        .iter()
        .map(|one| one.name().to_owned())
        .collect()
}

/// Waits for the end of an execution: how it ended, and its error.
async fn ended(account: &Account, name: &str) -> (ExecutionStatus, Option<String>) {
    let sfn = &aws_sdk_sfn::Client::new(&account.config().await);
    let arn = &execution_arn(account, name);
    account
        .until("the end of an execution", || async move {
            let now = sfn
                .describe_execution()
                .execution_arn(arn)
                .send()
                .await
                .unwrap();
            let running = *now.status() == ExecutionStatus::Running;
            (!running).then(|| (now.status().clone(), now.error().map(str::to_owned)))
        })
        .await
}

fn execution_arn(account: &Account, name: &str) -> String {
    let machine = account.output("InvestigationArn");
    format!(
        "{}:{name}",
        machine.replace(":stateMachine:", ":execution:")
    )
}

#[tokio::test]
async fn an_event_ends_in_two_addenda_that_say_what_happened_around_it_and_hang_on_the_case() {
    let mut account = Account::up();
    // Before coldcase is there, so that its making is no case.
    let victim = talkative(&account).await;
    account.deploy(&[
        "SettleSeconds=1",
        "LateSeconds=6",
        "WindowSeconds=3600",
        "BaselineSeconds=3600",
        "TrailBucket=management-trail",
    ]);
    let account = &account;
    say(account, &victim, "paid").await;
    // Once, a step cannot read what it needs; the state machine has it taken again.
    let fault = json!({"service": "s3", "operation": "GetObject", "match": "/first/plan.json",
        "code": "AccessDenied"});
    account.tell("faults", [&fault]);
    let update = account.lambda().await.update_function_code();
    let update = update
        .function_name(&victim.name)
        .zip_file(talkative_code("tampered"));
    update.send().await.unwrap();
    say(
        account,
        &victim,
        "REPORT RequestId: 1\tDuration: x ms\n\u{7}{\"broken\": ",
    )
    .await;
    let change = record(account, "UpdateFunctionCode", &victim.name);
    let happened_at: Timestamp = change["eventTime"].as_str().unwrap().parse().unwrap();
    // A record as no call makes it, which names the function.
    let mut hostile = change.clone();
    hostile["eventID"] = json!("hostile");
    hostile["userAgent"] = json!([{"not": "text\n"}]);
    hostile["responseElements"] = json!("\u{1b}[2J");
    account.tell("trail", [&hostile]);
    let case = account.case_of(&victim.name, "UpdateFunctionCode").await;
    let id = &case.manifest().case_id;
    let vault = &account.vault().await;

    let first = account.collected(id, "first").await;
    // Now comes what was on its way all the time.
    let earlier = happened_at - SignedDuration::from_mins(10);
    let mut late = change.clone();
    late["eventID"] = json!("late");
    late["eventTime"] = json!(earlier);
    account.tell("trail", [&late]);
    let group = format!("/aws/lambda/{}", victim.name);
    let line = json!({"timestamp": earlier.as_millisecond(), "message": "late line"});
    account.tell(&format!("logs?group={group}&stream=late"), [&line]);
    let logs = Request::one(ArtifactKind::ExecutionLogs, group);

    let (name, window) = pass(&first);
    assert_eq!(name, "first");
    assert_eq!(window.since, happened_at - SignedDuration::from_hours(1));
    for request in [&logs, &AUDIT, &ACTIVITY] {
        assert_eq!(
            result(&first, request).result,
            Outcome::Acquired,
            "{request}"
        );
    }
    let lines = messages(vault, &first, &logs).await;
    let says = |wanted: &str| lines.iter().any(|line| line.contains(wanted));
    assert!(says("paid") && says("broken"), "{lines:?}");
    let pages = account.page("invocations");
    let of_victim = pages
        .iter()
        .filter(|line| line["function"] == victim.name.as_str());
    let real: Vec<&Value> = of_victim.map(|line| &line["request_id"]).collect();
    let table = invocations(vault, result(&first, &logs)).await;
    let told: Vec<&Value> = table.iter().map(|row| &row["request_id"]).collect();
    assert_eq!(told, real);
    let audit = ids(vault, &first, &AUDIT).await;
    let event_id = change["eventID"].as_str().unwrap();
    assert!(audit.iter().any(|id| id == event_id) && audit.iter().any(|id| id == "hostile"));
    let calls = kept(vault, result(&first, &ACTIVITY)).await;
    let listed = calls
        .iter()
        .filter(|call| call["eventName"] == "ListTables");
    assert_eq!(listed.count(), 2, "{calls:?}");

    let second = account.collected(id, "second").await;
    let (name, whole) = pass(&second);
    assert_eq!(name, "second");
    assert!(whole.since == window.since && whole.until > window.until);
    let late_lines = messages(vault, &second, &logs).await;
    assert!(
        late_lines.iter().any(|line| line == "late line"),
        "{late_lines:?}"
    );
    assert!(
        ids(vault, &second, &AUDIT)
            .await
            .iter()
            .any(|id| id == "late")
    );
    for request in [&logs, &AUDIT, &ACTIVITY] {
        let field = if *request == logs {
            "eventId"
        } else {
            "eventID"
        };
        let mut seen = BTreeSet::new();
        for addendum in [&first, &second] {
            for entry in kept(vault, result(addendum, request)).await {
                let id = entry[field].as_str().unwrap().to_owned();
                assert!(seen.insert(id.clone()), "{id} twice in {request}");
            }
        }
    }
    let report = account.check(id).await;
    assert!(report.is_sound(), "{report}");

    // One execution, named after the case; delivered again, the event starts no other.
    assert_eq!(
        ended(account, id.as_str()).await,
        (ExecutionStatus::Succeeded, None)
    );
    let again = batch(&[("m-1", envelope(account, &change))]);
    assert_eq!(
        invoke(account, &again).await,
        json!({"batchItemFailures": []})
    );
    assert_eq!(executions(account).await, [id.as_str()]);
    assert_eq!(account.page("faults").len(), 1);
    let sfn = aws_sdk_sfn::Client::new(&account.config().await);
    let history = sfn
        .get_execution_history()
        .execution_arn(execution_arn(account, id.as_str()));
    let history = history.max_results(1000).send().await.unwrap();
    let failed = history
        .events()
        .iter()
        .filter(|event| *event.r#type() == HistoryEventType::TaskFailed);
    assert_eq!(failed.count(), 1);

    is_found_out_when_changed(account, id, &[&first, &second]).await;
}

/// Whoever changes an addendum's exhibit, or takes an addendum out, is found out.
async fn is_found_out_when_changed(account: &Account, id: &CaseId, addenda: &[&SealedCase]) {
    let public_key = account.public_key().await;
    let examinations = format!("examinations/{id}/");
    let folders = [&keys::case(id), "content/", &examinations];
    let sealed = copy(&account.vault().await, &folders, |_, bytes| Some(bytes)).await;
    let fault = async |change: &dyn Fn(&str, Bytes) -> Option<Bytes>| {
        let changed = copy(&*sealed, &[""], change).await;
        let report = vault::check(&*changed, id, Some(&public_key)).await;
        let fault = report.first_fault()?;
        Some((fault.key.clone(), fault.what, fault.verdict.clone()))
    };
    assert_eq!(fault(&|_, bytes| Some(bytes)).await, None);
    for addendum in addenda {
        for exhibit in addendum.manifest().exhibits() {
            let alter = |key: &str, bytes: Bytes| {
                let mut bytes = bytes.to_vec();
                if key == exhibit.key {
                    *bytes.last_mut().unwrap() ^= 1;
                }
                Some(bytes.into())
            };
            let (key, what, _) = fault(&alter).await.unwrap();
            assert_eq!((&key, what), (&exhibit.key, "digest"));
        }
    }
    let gone = addenda[0].manifest().sequence;
    let named = format!("/manifest-{gone:04}.");
    let without = |key: &str, bytes| (!key.contains(&named)).then_some(bytes);
    let missing = Verdict::Bad("missing".to_owned());
    assert_eq!(
        fault(&without).await,
        Some((keys::envelope(id, gone), "envelope", missing))
    );
}

/// Invokes the investigator by hand; the name and the words of its error.
async fn refused(account: &Account, payload: &Value) -> (String, String) {
    let lambda = account.lambda().await;
    let invoke = lambda
        .invoke()
        .function_name(account.output("InvestigateFunctionName"));
    let answer = invoke
        .payload(Blob::new(payload.to_string()))
        .send()
        .await
        .unwrap();
    let said: Value = serde_json::from_slice(answer.payload().unwrap().as_ref()).unwrap();
    assert!(answer.function_error().is_some(), "{payload}: {said}");
    let text = |field: &str| said[field].as_str().unwrap().to_owned();
    (text("errorType"), text("errorMessage"))
}

#[tokio::test]
async fn a_responders_own_windows_are_looked_into_and_bad_input_is_refused_by_name_and_leaves_nothing()
 {
    let mut account = Account::up();
    let victim = talkative(&account).await;
    let group = format!("/aws/lambda/{}", victim.name);
    let hour = SignedDuration::from_hours(1);
    let now = Timestamp::now();
    let window = |ago: i32| json!({"since": now - hour * ago, "until": now - hour * (ago - 1)});
    let lines = [50, 30, 10].map(|ago| {
        let at = now - hour * ago + SignedDuration::from_mins(10);
        json!({"timestamp": at.as_millisecond(), "message": format!("{ago} hours ago")})
    });
    account.tell(&format!("logs?group={group}&stream=old"), &lines);
    account.deploy(&["SettleSeconds=1", "LateSeconds=3600", "BaselineSeconds=0"]);
    let account = &account;
    let listener = Listener::to(account).await;
    let vault = &account.vault().await;

    let nobody = "20261123T031501Z-nobody-3f9a1c2b4d5e6f70";
    let unknown = json!({ "case_id": nobody });
    for (payload, name, words) in [
        (&unknown, "NoCase", "no sealed case"),
        (&json!("nonsense"), "BadInput", "a step looks like"),
        (&json!({"case_id": 7}), "BadInput", "a step looks like"),
        (
            &json!({"case_id": "../../etc"}),
            "BadInput",
            "is not a case id",
        ),
        (
            &json!({"case_id": nobody, "pass": "third"}),
            "BadInput",
            "third",
        ),
        (
            &json!({"case_id": nobody, "window": {"since": "yesterday"}}),
            "BadInput",
            "a step looks like",
        ),
    ] {
        let (error, said) = refused(account, payload).await;
        assert_eq!(error, name, "{payload}: {said}");
        assert!(said.contains(words), "{payload}: {said}");
    }
    for folder in ["windows/".to_owned(), keys::case(&nobody.parse().unwrap())] {
        let left = vault.list(&folder, 100).await.unwrap();
        assert_eq!(left, Vec::<String>::new(), "{folder}");
    }

    // With the request for a case, and by hand for the same case.
    let request = json!({"target": victim.name, "reason": "odd egress", "request_id": "odd-egress",
        "tracing": false, "window": window(50)});
    let answer = invoke(account, &request).await;
    let id: CaseId = answer[0]["case_id"].as_str().unwrap().parse().unwrap();
    let sfn = aws_sdk_sfn::Client::new(&account.config().await);
    let start = async |name: &str, window: Value| {
        let start = sfn
            .start_execution()
            .state_machine_arn(account.output("InvestigationArn"));
        let input = json!({"case_id": id, "window": window}).to_string();
        start.name(name).input(input).send().await.unwrap();
    };
    start("by-hand", window(30)).await;
    let backwards = json!({"since": now, "until": now - hour});
    let (error, said) = refused(account, &json!({"case_id": id, "window": backwards})).await;
    assert_eq!(error, "BadInput");
    assert!(said.contains("ends before it begins"), "{said}");
    // What can never be done is not tried again: somebody is told, and the execution fails.
    start("backwards", backwards).await;
    let (_, told) = listener
        .hears("a notice of a failed investigation", |subject, _| {
            subject == "An investigation failed"
        })
        .await;
    assert!(
        told.contains(id.as_str()) && told.contains("BadInput"),
        "{told}"
    );
    assert!(
        told.contains(&execution_arn(account, "backwards")),
        "{told}"
    );
    let failed = (ExecutionStatus::Failed, Some("BadInput".to_owned()));
    assert_eq!(ended(account, "backwards").await, failed);

    let logs = Request::one(ArtifactKind::ExecutionLogs, group);
    let mut looked_into = BTreeSet::new();
    let of_passes =
        |action: &CustodyAction| matches!(action, CustodyAction::WindowCollected { .. });
    let both = async || {
        let addenda = account.addenda(&id, of_passes).await;
        (addenda.len() == 2).then_some(addenda)
    };
    for addendum in account.until("two passes", both).await {
        let (name, Window { since, until }) = pass(&addendum);
        account.examined(&id, &name).await;
        assert!(name.starts_with("first-"), "{name}");
        let lines = messages(vault, &addendum, &logs).await;
        looked_into.insert((json!({"since": since, "until": until}).to_string(), lines));
    }
    let expected = [50, 30].map(|ago| (window(ago).to_string(), vec![format!("{ago} hours ago")]));
    assert_eq!(looked_into, BTreeSet::from(expected));
    let report = account.check(&id).await;
    assert!(report.is_sound(), "{report}");
    // Asked for again, it is the same case and the same execution.
    assert_eq!(
        invoke(account, &request).await[0]["case_id"],
        answer[0]["case_id"]
    );
    let mut executions = executions(account).await;
    executions.sort();
    // Named after the case, and after the window that was asked for.
    assert!(
        executions[0].starts_with(&format!("{id}-")),
        "{executions:?}"
    );
    assert_eq!(executions[1..], ["backwards", "by-hand"]);
    let plans = vault.list("windows/", 10_000).await.unwrap();
    let plans = plans.iter().filter(|key| key.ends_with("plan.json"));
    assert_eq!(plans.count(), 2);
    assert_eq!(account.addenda(&id, of_passes).await.len(), 2);
    // Three executions for one case: it is examined once as it was sealed, and after each pass.
    let of_examinations = |action: &CustodyAction| matches!(action, CustodyAction::Examined { .. });
    assert_eq!(account.addenda(&id, of_examinations).await.len(), 3);
}
