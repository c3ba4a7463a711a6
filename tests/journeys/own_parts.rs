//! What is done to the responder itself: a critical case and an alert; and what is left when it has
//! been stopped.

use crate::contents::{assert_whole, document, judged, reply};
use crate::delivery::{as_responder, batch, envelope, invoke, records};
use crate::noise::{attempts_on, somebody};
use aws_sdk_kms::operation::get_key_policy::GetKeyPolicyOutput;
use aws_sdk_sqs::types::QueueAttributeName;
use coldcase_tests::{Account, policy, unique};
use evidence::{ArtifactKind, Category, Request, SealedCase, Severity, Target, Trigger};
use serde_json::{Value, json};
use std::sync::Mutex;

/// Somebody who listens to the stack's topic.
pub struct Listener<'a> {
    account: &'a Account,
    queue_url: String,
    heard: Mutex<Vec<(String, String)>>,
}

impl<'a> Listener<'a> {
    pub async fn to(account: &'a Account) -> Self {
        let name = unique("listener");
        let lets_topics_in = json!({"Version": "2012-10-17", "Statement": [{"Effect": "Allow",
            "Principal": {"Service": "sns.amazonaws.com"}, "Action": "sqs:SendMessage", "Resource": "*"}]});
        let queue = account
            .sqs()
            .await
            .create_queue()
            .queue_name(&name)
            .attributes(QueueAttributeName::Policy, lets_topics_in.to_string())
            .send()
            .await
            .unwrap();
        aws_sdk_sns::Client::new(&account.config().await)
            .subscribe()
            .topic_arn(account.output("TopicArn"))
            .protocol("sqs")
            .endpoint(format!(
                "arn:aws:sqs:{}:{}:{name}",
                account.region, account.account
            ))
            .send()
            .await
            .unwrap();
        Self {
            account,
            queue_url: queue.queue_url().unwrap().to_owned(),
            heard: Mutex::default(),
        }
    }

    /// Waits for a notice of this kind: its subject and text.
    pub async fn hears(&self, what: &str, wanted: impl Fn(&str, &str) -> bool) -> (String, String) {
        let sqs = &self.account.sqs().await;
        let wanted = &wanted;
        let look = || async {
            let received = sqs
                .receive_message()
                .queue_url(&self.queue_url)
                .max_number_of_messages(10)
                .send()
                .await
                .unwrap();
            let mut heard = self.heard.lock().unwrap();
            for message in received.messages() {
                let notice: Value = serde_json::from_str(message.body().unwrap()).unwrap();
                let text = |field: &str| notice[field].as_str().unwrap_or_default().to_owned();
                heard.push((text("Subject"), text("Message")));
            }
            let found = heard.iter().find(|(subject, text)| wanted(subject, text));
            found.cloned()
        };
        self.account.until(what, look).await
    }
}

impl Drop for Listener<'_> {
    /// A journey that fails for want of a notice shows what was heard instead.
    #[allow(clippy::print_stdout)]
    fn drop(&mut self) {
        if std::thread::panicking() {
            let heard = self.heard.lock().unwrap();
            heard.iter().for_each(|heard| println!("heard {heard:?}"));
        }
    }
}

fn part(account: &Account, arn: &str) -> Target {
    let mut target = Target::from_arn(arn).unwrap();
    if target.account.is_empty() {
        target.account.clone_from(&account.account);
    }
    if target.region.is_empty() {
        target.region.clone_from(&account.region);
    }
    target
}

async fn key_policy(kms: &aws_sdk_kms::Client, key: &str) -> GetKeyPolicyOutput {
    let policy = kms.get_key_policy().key_id(key).policy_name("default");
    policy.send().await.unwrap()
}

/// The critical case about a part of the responder, and that somebody was alerted to it.
async fn critical(
    account: &Account,
    listener: &Listener<'_>,
    event: &str,
    arn: &str,
    technique: &str,
) -> SealedCase {
    let target = part(account, arn);
    let case = account.case_of(&target.name, event).await;
    let expected = (Category::AntiForensics, Severity::Critical, technique);
    assert_eq!(judged(&case), expected, "{event}");
    assert_eq!(case.manifest().target, target, "{event}");
    assert_whole(account, &case).await;
    let id = case.manifest().case_id.as_str();
    let (subject, text) = listener
        .hears(&format!("an alert of {event}"), |_, text| text.contains(id))
        .await;
    assert!(
        subject.starts_with("ALERT: coldcase itself was touched"),
        "{subject}"
    );
    assert!(text.contains("CRITICAL"), "{text}");
    case
}

#[tokio::test]
async fn whatever_is_done_to_a_part_of_the_responder_is_a_critical_case_and_an_alert() {
    let account = Account::deployed(&[]);
    let account = &account;
    let config = account.config().await;
    let events = aws_sdk_eventbridge::Client::new(&config);
    let kms = aws_sdk_kms::Client::new(&config);
    let (lambda, iam) = (account.lambda().await, account.iam().await);
    let (s3, sqs) = (account.s3().await, account.sqs().await);
    let here = format!("{}:{}", account.region, account.account);
    let rule = |name: &str| format!("arn:aws:events:{here}:rule/coldcase-{name}");
    let queue = format!("arn:aws:sqs:{here}:coldcase-events");
    let bucket = account.output("BucketName");
    let bucket_arn = format!("arn:aws:s3:::{bucket}");
    let key = account.output("SigningKeyArn");
    let function = account.output("FunctionArn");
    let role = account.output("RoleArn");

    let listener = Listener::to(account).await;
    sqs.set_queue_attributes()
        .queue_url(account.output("QueueUrl"))
        .attributes(QueueAttributeName::ReceiveMessageWaitTimeSeconds, "1")
        .send()
        .await
        .unwrap();
    events
        .remove_targets()
        .rule("coldcase-responder-cloudwatch")
        .ids("queue")
        .send()
        .await
        .unwrap();
    events
        .disable_rule()
        .name("coldcase-logs")
        .send()
        .await
        .unwrap();
    let same = key_policy(&kms, &key).await;
    kms.put_key_policy()
        .key_id(&key)
        .policy(same.policy().unwrap())
        .send()
        .await
        .unwrap();
    let expiry = aws_sdk_s3::types::LifecycleRule::builder()
        .id("gone")
        .status(aws_sdk_s3::types::ExpirationStatus::Enabled)
        .filter(
            aws_sdk_s3::types::LifecycleRuleFilter::builder()
                .prefix("")
                .build(),
        )
        .expiration(
            aws_sdk_s3::types::LifecycleExpiration::builder()
                .days(1)
                .build(),
        )
        .build()
        .unwrap();
    s3.put_bucket_lifecycle_configuration()
        .bucket(&bucket)
        .lifecycle_configuration(
            aws_sdk_s3::types::BucketLifecycleConfiguration::builder()
                .rules(expiry)
                .build()
                .unwrap(),
        )
        .send()
        .await
        .unwrap();
    let same = s3.get_bucket_policy().bucket(&bucket).send().await.unwrap();
    s3.put_bucket_policy()
        .bucket(&bucket)
        .policy(same.policy().unwrap())
        .send()
        .await
        .unwrap();
    iam.put_role_policy()
        .role_name(part(account, &role).name)
        .policy_name("more")
        .policy_document(policy(&["s3:ListAllMyBuckets"]))
        .send()
        .await
        .unwrap();
    lambda
        .update_function_configuration()
        .function_name(&function)
        .description("nothing to see here")
        .send()
        .await
        .unwrap();

    let mut kept = Vec::new();
    for (event, arn, technique, call) in [
        (
            "Subscribe",
            &account.output("TopicArn"),
            "T1685",
            "sns:ListSubscriptionsByTopic",
        ),
        (
            "SetQueueAttributes",
            &queue,
            "T1685",
            "sqs:GetQueueAttributes",
        ),
        (
            "RemoveTargets",
            &rule("responder-cloudwatch"),
            "T1685",
            "events:ListTargetsByRule",
        ),
        ("DisableRule", &rule("logs"), "T1685", "events:DescribeRule"),
        ("PutKeyPolicy", &key, "T1685", "kms:GetKeyPolicy"),
        (
            "PutBucketLifecycle",
            &bucket_arn,
            "T1485.001",
            "s3:GetLifecycleConfiguration",
        ),
        (
            "PutBucketPolicy",
            &bucket_arn,
            "T1685",
            "s3:GetBucketPolicy",
        ),
    ] {
        let case = critical(account, &listener, event, arn, technique).await;
        let state = Request::whole(ArtifactKind::ResponderPart);
        let state = document(account, &case, &state).await;
        kept.push((event, reply(&state, call).clone()));
    }
    let state = |event: &str| {
        let found = kept.iter().find(|(of, _)| *of == event);
        found.unwrap().1.to_string()
    };
    assert!(state("DisableRule").contains("DISABLED"));
    assert!(!state("RemoveTargets").contains(&queue));
    assert!(state("RemoveTargets").contains("coldcase-alerts"));
    assert!(state("PutBucketLifecycle").contains("<Days>1</Days>"));
    assert!(state("Subscribe").contains("listener"));

    let case = critical(account, &listener, "PutRolePolicy", &role, "T1098.003").await;
    let role = Request::whole(ArtifactKind::ExecutionRole);
    let role = document(account, &case, &role).await;
    assert!(role.to_string().contains("s3:ListAllMyBuckets"));
    let event = "UpdateFunctionConfiguration";
    let case = critical(account, &listener, event, &function, "T1648").await;
    let configuration = Request::whole(ArtifactKind::Configuration);
    let configuration = document(account, &case, &configuration).await;
    let configuration = reply(&configuration, "lambda:GetFunctionConfiguration");
    assert_eq!(configuration["Description"], "nothing to see here");
    let tracing = crate::contents::tracing(account, &case).await;
    assert!(
        matches!(&tracing, evidence::CustodyAction::TracingNotPossible { why }
            if why == "coldcase does not change itself"),
        "{tracing:?}"
    );

    attempts_are_alerted(account, &listener).await;
    the_responders_role_in_other_hands_is_critical(account, &listener).await;
    hostile_words_take_one_line(account, &listener).await;
}

/// Somebody without the permission tries each kind of part.
async fn attempts_are_alerted(account: &Account, listener: &Listener<'_>) {
    let keys = somebody(account, &[]).await;
    let config = account.config_as(keys, &account.region).await;
    let role = part(account, &account.output("RoleArn"));
    let key = part(account, &account.output("SigningKeyArn"));
    let bucket = account.output("BucketName");
    let function = account.output("FunctionName");

    aws_sdk_eventbridge::Client::new(&config)
        .disable_rule()
        .name("coldcase-lambda")
        .send()
        .await
        .unwrap_err();
    aws_sdk_sqs::Client::new(&config)
        .purge_queue()
        .queue_url(account.output("QueueUrl"))
        .send()
        .await
        .unwrap_err();
    aws_sdk_lambda::Client::new(&config)
        .update_function_code()
        .function_name(&function)
        .zip_file(coldcase_tests::package("mine"))
        .send()
        .await
        .unwrap_err();
    aws_sdk_iam::Client::new(&config)
        .put_role_policy()
        .role_name(&role.name)
        .policy_name("mine")
        .policy_document(policy(&["*"]))
        .send()
        .await
        .unwrap_err();
    aws_sdk_kms::Client::new(&config)
        .disable_key()
        .key_id(&key.name)
        .send()
        .await
        .unwrap_err();
    collectors::aws::s3_client(&config)
        .delete_bucket_policy()
        .bucket(&bucket)
        .send()
        .await
        .unwrap_err();

    for (event, name) in [
        ("DisableRule", "coldcase-lambda"),
        ("PurgeQueue", "coldcase-events"),
        ("UpdateFunctionCode", &function),
        ("PutRolePolicy", &role.name),
        ("DisableKey", &key.name),
        ("DeleteBucketPolicy", &bucket),
    ] {
        let tried = |subject: &str, text: &str| {
            subject == "ALERT: somebody tried to touch coldcase"
                && text.contains(event)
                && text.contains(name)
        };
        let (_, text) = listener
            .hears(&format!("an alert of the attempt at {event}"), tried)
            .await;
        assert!(text.contains("(AccessDenied)"), "{text}");
        assert!(text.contains(":user/somebody-"), "{text}");
        let noted = attempts_on(account, name).await;
        let noted = noted
            .iter()
            .find(|note| note["classification"]["base_name"] == event)
            .unwrap_or_else(|| panic!("{event} on {name} is not written down"));
        assert_eq!(noted["classification"]["severity"], "critical");
        assert_eq!(noted["record"]["requestParameters"], Value::Null);
    }
}

/// Only a tracing change of which the vault holds the intent is the responder's own: the same call
/// made with its role by somebody else is a case, and so is one that changes more.
async fn the_responders_role_in_other_hands_is_critical(
    account: &Account,
    listener: &Listener<'_>,
) {
    let victim = account.victim("by-stolen-role").await;
    account.case_of(&victim.name, "CreateFunction").await;
    let stolen = aws_sdk_lambda::Client::new(&as_responder(account).await);
    let role = account.output("RoleArn");
    critical(account, listener, "UpdateAssumeRolePolicy", &role, "T1098").await;

    for description in [None, Some("harmless")] {
        account.settled(&victim.name).await;
        let now = account
            .lambda()
            .await
            .get_function_configuration()
            .function_name(&victim.name)
            .send()
            .await
            .unwrap();
        stolen
            .update_function_configuration()
            .function_name(now.function_arn().unwrap())
            .revision_id(now.revision_id().unwrap())
            .tracing_config(
                aws_sdk_lambda::types::TracingConfig::builder()
                    .mode(aws_sdk_lambda::types::TracingMode::Active)
                    .build(),
            )
            .set_description(description.map(str::to_owned))
            .send()
            .await
            .unwrap();
        let changes = records(account, "UpdateFunctionConfiguration", &victim.name);
        let change = changes.last().unwrap()["eventID"].as_str().unwrap();
        let what = format!("a case of the change to {description:?}");
        let case = account
            .until(&what, || async {
                let cases = account.cases_about(&victim.name).await;
                cases
                    .into_iter()
                    .find(|case| crate::contents::event_id(case) == change)
            })
            .await;
        let expected = (Category::Configuration, Severity::Critical, "T1648");
        assert_eq!(judged(&case), expected);
        assert_whole(account, &case).await;
        let id = case.manifest().case_id.as_str();
        let (subject, _) = listener
            .hears("an alert of the stolen role", |_, text| text.contains(id))
            .await;
        assert!(subject.starts_with("ALERT: "), "{subject}");
    }
}

/// What an attacker or a person writes stays on its line, and secrets stay in the vault.
async fn hostile_words_take_one_line(account: &Account, listener: &Listener<'_>) {
    let victim = account.victim("worded").await;
    account.case_of(&victim.name, "CreateFunction").await;
    let secret = unique("marked-secret");
    account
        .lambda()
        .await
        .update_function_configuration()
        .function_name(&victim.name)
        .environment(
            aws_sdk_lambda::types::Environment::builder()
                .variables("TOKEN", &secret)
                .build(),
        )
        .send()
        .await
        .unwrap();
    let event = "UpdateFunctionConfiguration";
    let case = account.case_of(&victim.name, event).await;
    let id = case.manifest().case_id.clone();
    let (subject, text) = listener
        .hears("a notice", |_, text| text.contains(id.as_str()))
        .await;
    assert_eq!(
        subject,
        format!("Case sealed: function {}", victim.name),
        "a notice names what it is about"
    );
    let Trigger::CloudTrailEvent { occurred_at, .. } = &case.manifest().trigger else {
        panic!("not an event's case");
    };
    let mut counts = std::collections::BTreeMap::<&str, usize>::new();
    for acquisition in &case.manifest().acquisitions {
        *counts.entry(acquisition.result.as_str()).or_default() += 1;
    }
    let counts: Vec<_> = counts
        .iter()
        .map(|(what, n)| format!("{n} {what}"))
        .collect();
    let expected = format!(
        "Case sealed.\n\nCase      {id}\nTarget    arn:aws:lambda:{}:{}:function:{}\n\
         Event     UpdateFunctionConfiguration20150331v2 at {occurred_at}\n\
         Severity  high  (ATT&CK T1648)\n\
         By        arn:aws:iam::{}:user/administrator\nFrom      127.0.0.1\n\
         Evidence  {}\nTracing   was on already\n\n\
         Sealed at {} in s3://{}/cases/{id}/manifest-0000.dsse.json\n",
        account.region,
        account.account,
        victim.name,
        account.account,
        counts.join(", "),
        case.manifest().sealed_at,
        account.output("BucketName"),
    );
    assert_eq!(text, expected);

    let reason = "look\nSealed at once in s3://elsewhere/\u{202e}\u{2028}evil\u{7}";
    let request = json!({"target": victim.name, "reason": reason, "tracing": false});
    let done = invoke(account, &request).await;
    let id = done[0]["case_id"].as_str().unwrap();
    let (_, text) = listener
        .hears("a notice of a request", |_, text| text.contains(id))
        .await;
    let asked: Vec<_> = text.lines().filter(|line| line.contains("look")).collect();
    assert_eq!(asked.len(), 1, "{text}");
    assert!(asked[0].starts_with("Asked     at "), "{text}");
    assert!(
        asked[0].ends_with("look?Sealed at once in s3://elsewhere/??evil?"),
        "{text}"
    );
    let heard = listener.heard.lock().unwrap();
    assert!(heard.len() > 20, "{}", heard.len());
    for (subject, text) in heard.iter() {
        assert!(!subject.contains(&secret) && !text.contains(&secret));
    }
}

#[tokio::test]
async fn who_stops_the_responder_is_told_of_and_a_person_can_still_have_evidence_preserved() {
    let account = Account::deployed(&[]);
    let account = &account;
    let listener = &Listener::to(account).await;
    let config = account.config().await;
    let kms = aws_sdk_kms::Client::new(&config);
    let key = account.output("SigningKeyArn");
    let victim = account.victim("unwatched").await;
    account.case_of(&victim.name, "CreateFunction").await;
    account.quiet().await;

    // Without the key nothing can be signed. The rule tells the topic by itself; the case waits.
    kms.disable_key().key_id(&key).send().await.unwrap();
    let direct = |event: &'static str| {
        move |_: &str, text: &str| text.contains(&format!("coldcase: {event} of "))
    };
    let (_, text) = listener
        .hears("the rule's own alert", direct("DisableKey"))
        .await;
    assert!(text.contains("user/administrator"), "{text}");
    let name = part(account, &key).name;
    assert!(account.cases_about(&name).await.is_empty());
    kms.enable_key().key_id(&key).send().await.unwrap();
    let record = account.page("trail");
    let record = record
        .iter()
        .rfind(|record| record["eventName"] == "DisableKey")
        .unwrap();
    let again = batch(&[("again", envelope(account, record))]);
    let answer = invoke(account, &again).await;
    assert_eq!(answer, json!({"batchItemFailures": []}));
    critical(account, listener, "DisableKey", &key, "T1485").await;

    // Without the rule, changes of functions are not heard of. Taking it away is.
    let events = aws_sdk_eventbridge::Client::new(&config);
    let rule = format!(
        "arn:aws:events:{}:{}:rule/coldcase-lambda",
        account.region, account.account
    );
    let rule_name = "coldcase-lambda";
    let targets = events.remove_targets().rule(rule_name).ids("queue");
    targets.send().await.unwrap();
    events.delete_rule().name(rule_name).send().await.unwrap();
    critical(account, listener, "RemoveTargets", &rule, "T1685").await;
    let gone = critical(account, listener, "DeleteRule", &rule, "T1685").await;
    let state = Request::whole(ArtifactKind::ResponderPart);
    let state = &crate::contents::acquisition(&gone, &state).result;
    assert!(
        matches!(state, evidence::Outcome::Absent { .. }),
        "{state:?}"
    );

    // Without the trail nothing is heard of at all. That it was stopped is.
    let trail = aws_sdk_cloudtrail::Client::new(&config);
    trail
        .stop_logging()
        .name("management")
        .send()
        .await
        .unwrap();
    let stopped = account.case_of("management", "StopLogging").await;
    let expected = (Category::AntiForensics, Severity::Critical, "T1685.002");
    assert_eq!(judged(&stopped), expected);
    assert_whole(account, &stopped).await;
    let state = Request::whole(ArtifactKind::ResponderPart);
    let state = document(account, &stopped, &state).await;
    let status = reply(&state, "cloudtrail:GetTrailStatus");
    assert_eq!(status["IsLogging"], false);
    let id = stopped.manifest().case_id.as_str();
    let (subject, _) = listener
        .hears("an alert of StopLogging", |_, text| text.contains(id))
        .await;
    assert!(subject.starts_with("ALERT: "), "{subject}");

    let before = account.cases_about(&victim.name).await.len();
    account.tamper(&victim.name).await;
    assert_eq!(
        records(account, "UpdateFunctionCode", &victim.name).len(),
        1
    );
    account.quiet().await;
    assert_eq!(account.cases_about(&victim.name).await.len(), before);
    let request = json!({"target": victim.name, "reason": "the trail was stopped"});
    let done = invoke(account, &request).await;
    assert_eq!(done[0]["did"], "sealed");
    let id = done[0]["case_id"].as_str().unwrap().parse().unwrap();
    assert!(account.check(&id).await.is_sound());
}
