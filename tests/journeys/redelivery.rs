//! Twice is once: an event delivered again, in parallel or after everything is done, changes nothing.
#![allow(clippy::unwrap_used, clippy::expect_used)]

use crate::delivery::{
    REDRIVE, batch, deliver, envelope, invoke, is_about_tracing, record, records, versions,
};
use aws_sdk_sqs::types::QueueAttributeName;
use coldcase_tests::{Account, Victim};
use evidence::{CustodyAction, keys};
use futures_util::future::join_all;
use serde_json::{Value, json};

/// One case of the event, sealed once, sound, with tracing dealt with once.
async fn is_one_sealed_case(account: &Account, victim: &Victim, event_id: &str) {
    let of_event: Vec<_> = account
        .cases_about(&victim.name)
        .await
        .into_iter()
        .filter(|case| case.manifest().trigger.identity() == event_id)
        .collect();
    assert_eq!(of_event.len(), 1);
    let id = &of_event[0].manifest().case_id;
    let versions = versions(account, &keys::case(id)).await;
    for (key, count) in &versions {
        assert_eq!(*count, 1, "{key}");
    }
    for sequence in [0, 1] {
        assert!(versions.contains_key(&keys::manifest(id, sequence)));
        assert!(versions.contains_key(&keys::envelope(id, sequence)));
    }
    assert_eq!(account.addenda(id, is_about_tracing).await.len(), 1);
    assert!(versions.contains_key(&keys::notified(id)));
    let report = account.check(id).await;
    assert!(report.is_sound(), "{report}");
}

#[tokio::test]
async fn an_event_delivered_again_in_parallel_and_after_all_is_done_is_one_sealed_case() {
    let account = &Account::deployed(&[REDRIVE]);
    let victim = account.victim("again").await;
    account.case_of(&victim.name, "CreateFunction").await;
    account.tamper(&victim.name).await;
    let record = record(account, "UpdateFunctionCode", &victim.name);
    let body = envelope(account, &record);
    // Five at once, while the rule's own delivery is under way.
    let five = batch(&[("m-1", body.clone())]);
    let answers = join_all((0..5).map(|_| invoke(account, &five))).await;
    for answer in answers {
        assert_eq!(answer, json!({"batchItemFailures": []}));
    }
    // Five through the queue, and once more when nothing is left to do.
    join_all((0..5).map(|_| deliver(account, &body))).await;
    let case = account.case_of(&victim.name, "UpdateFunctionCode").await;
    let folder = keys::case(&case.manifest().case_id);
    let before = versions(account, &folder).await;
    deliver(account, &body).await;
    assert_eq!(versions(account, &folder).await, before);
    is_one_sealed_case(account, &victim, record["eventID"].as_str().unwrap()).await;
    // Made, then changed, then delivered twelve times: tracing was turned on once.
    let changes = records(account, "UpdateFunctionConfiguration", &victim.name);
    assert_eq!(changes.len(), 1, "{changes:?}");
}

#[tokio::test]
async fn five_attempts_at_once_turn_tracing_on_once_and_say_so_in_one_addendum() {
    let account = Account::shared();
    let victim = account.victim("race").await;
    // No attempt is ahead of the others: this is the first that is heard of the function.
    let record = record(account, "CreateFunction", &victim.name);
    let five = batch(&[("m-1", envelope(account, &record))]);
    let answers = join_all((0..5).map(|_| invoke(account, &five))).await;
    for answer in answers {
        assert_eq!(answer, json!({"batchItemFailures": []}));
    }
    let case = account.case_of(&victim.name, "CreateFunction").await;
    is_one_sealed_case(account, &victim, record["eventID"].as_str().unwrap()).await;
    let changes = records(account, "UpdateFunctionConfiguration", &victim.name);
    assert_eq!(changes.len(), 1, "{changes:?}");
    let addendum = account.sealed(&case.manifest().case_id, 1).await.unwrap();
    match &addendum.manifest().custody.last().unwrap().action {
        CustodyAction::TracingTurnedOn {
            revision_before, ..
        } => assert_eq!(
            *revision_before,
            changes[0]["requestParameters"]["revisionId"]
        ),
        // Giving the role its policy is an event on the same function and may have been faster.
        CustodyAction::TracingAlreadyOn { .. } => {}
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn of_a_batch_with_one_bad_message_only_that_one_is_delivered_again() {
    let account = Account::shared();
    let (one, two) = (account.victim("one").await, account.victim("two").await);
    let body =
        |victim: &Victim| envelope(account, &record(account, "CreateFunction", &victim.name));
    let answer = invoke(
        account,
        &batch(&[
            ("good-1", body(&one)),
            ("bad", "{\"not\": JSON".to_owned()),
            ("good-2", body(&two)),
        ]),
    )
    .await;
    assert_eq!(
        answer,
        json!({"batchItemFailures": [{"itemIdentifier": "bad"}]})
    );
    for victim in [&one, &two] {
        account.case_of(&victim.name, "CreateFunction").await;
    }
}

#[tokio::test]
async fn a_message_that_can_never_be_answered_ends_in_the_dead_letters_unchanged() {
    let account = Account::deployed(&[REDRIVE]);
    let sqs = account.sqs().await;
    let queue = account.output("QueueUrl");
    let attribute = |name| {
        let request = sqs.get_queue_attributes().queue_url(&queue);
        request.attribute_names(name).send()
    };
    let before = attribute(QueueAttributeName::RedrivePolicy).await.unwrap();
    let before = before.attributes().unwrap()[&QueueAttributeName::RedrivePolicy].clone();
    let mut redrive: Value = serde_json::from_str(&before).unwrap();
    // Ten tries of sixteen minutes each, as the template has it, are more than a test can wait for.
    assert_eq!(
        redrive["maxReceiveCount"].to_string().trim_matches('"'),
        "10"
    );
    redrive["maxReceiveCount"] = json!(1);
    sqs.set_queue_attributes()
        .queue_url(&queue)
        .attributes(QueueAttributeName::RedrivePolicy, redrive.to_string())
        .attributes(QueueAttributeName::VisibilityTimeout, "1")
        .send()
        .await
        .unwrap();
    let poison = "no event of any kind";
    let request = sqs.send_message().queue_url(&queue).message_body(poison);
    request.send().await.unwrap();
    let dead = account.output("DeadLettersUrl");
    let (sqs, dead) = (&sqs, &dead);
    account
        .until("a dead letter", || async {
            let request = sqs.receive_message().queue_url(dead);
            let received = request.max_number_of_messages(10).send().await.unwrap();
            // Changing the queue is an event as well, which so short a time may not suffice for.
            let mut messages = received.messages().iter();
            messages
                .any(|message| message.body() == Some(poison))
                .then_some(())
        })
        .await;
    // The queue may give a message up before the function has written down what it thinks of it.
    account
        .until("an error in the log", || async {
            let log = account.responder_log().await;
            (log.contains("not answered; the queue delivers it again")
                && log.contains(r#""level":"ERROR""#))
            .then_some(())
        })
        .await;
}
