//! Tracing is turned on after sealing only, once, and never quietly.

use crate::contents::{document, event_id, function, judged, reply, tracing};
use crate::delivery::records;
use async_trait::async_trait;
use aws_sdk_lambda::types::{TracingConfig, TracingMode};
use bytes::Bytes;
use coldcase_tests::{Account, Victim, unique};
use collectors::Clouds;
use collectors::aws::Regions;
use evidence::{ArtifactKind, Category, CustodyAction, Request, Severity, Target};
use respond::{
    Attempt, DirectRequest, Done, Incoming, Responder, Settings, SfnBaselines, SfnInvestigations,
    SnsNotifier, SqsQueue,
};
use serde_json::Value;
use std::sync::Arc;
use std::time::Duration;
use vault::{LocalSigner, MemoryVault, Opened, Receipt, Source, Vault, VaultError};

async fn mode(account: &Account, name: &str) -> (TracingMode, String) {
    let lambda = account.lambda().await;
    let now = lambda.get_function_configuration().function_name(name);
    let now = now.send().await.unwrap();
    let mode = now.tracing_config().and_then(|tracing| tracing.mode());
    (
        mode.cloned().unwrap_or(TracingMode::PassThrough),
        now.revision_id().unwrap().to_owned(),
    )
}

async fn set_tracing(account: &Account, name: &str, mode: TracingMode) {
    account.settled(name).await;
    account
        .lambda()
        .await
        .update_function_configuration()
        .function_name(name)
        .tracing_config(TracingConfig::builder().mode(mode).build())
        .send()
        .await
        .unwrap();
}

/// The calls by which the responder's own role changed this function's configuration.
fn own_changes(account: &Account, name: &str) -> Vec<Value> {
    let role = account.output("RoleArn");
    let mut changes = records(account, "UpdateFunctionConfiguration", name);
    changes.retain(|record| {
        record["userIdentity"]["sessionContext"]["sessionIssuer"]["arn"] == role.as_str()
    });
    changes
}

#[tokio::test]
async fn tracing_is_turned_on_once_the_case_is_sealed_and_opens_none_itself() {
    let account = Account::shared();
    let victim = account.victim("traced").await;
    account.case_of(&victim.name, "CreateFunction").await;
    account.quiet().await;
    // The role's making may have opened a case of the function as well, and either may be first.
    let mut turned_on = Vec::new();
    for case in account.cases_about(&victim.name).await {
        let action = tracing(account, &case).await;
        if matches!(action, CustodyAction::TracingTurnedOn { .. }) {
            turned_on.push(case);
        }
    }
    assert_eq!(turned_on.len(), 1, "{turned_on:?}");
    let case = turned_on.remove(0);
    let sealed_at = case.manifest().sealed_at;
    // What was sealed is the function without tracing.
    let configuration = Request::whole(ArtifactKind::Configuration);
    let configuration = document(account, &case, &configuration).await;
    let sealed = reply(&configuration, "lambda:GetFunctionConfiguration");
    assert_eq!(sealed["TracingConfig"]["Mode"], "PassThrough");

    let changes = own_changes(account, &victim.name);
    assert_eq!(changes.len(), 1, "{changes:?}");
    let changed_at: jiff::Timestamp = changes[0]["eventTime"].as_str().unwrap().parse().unwrap();
    // The trail knows seconds.
    assert!(changed_at.as_second() >= sealed_at.as_second());
    let (now, revision) = mode(account, &victim.name).await;
    assert_eq!(now, TracingMode::Active);
    let addendum = account.sealed(&case.manifest().case_id, 1).await.unwrap();
    let custody = addendum.manifest().custody.last().unwrap();
    assert!(custody.occurred_at > sealed_at);
    let asked = changes[0]["requestParameters"]["revisionId"].as_str();
    assert_eq!(
        custody.action,
        CustodyAction::TracingTurnedOn {
            revision_before: asked.unwrap().to_owned(),
            revision_after: revision,
            mode_before: "PassThrough".to_owned(),
            mode_after: "Active".to_owned(),
        }
    );

    // The change came back as an event and was recognised.
    account.quiet().await;
    let change = changes[0]["eventID"].as_str().unwrap();
    let opened = account.cases_about(&victim.name).await;
    assert!(opened.iter().all(|case| event_id(case) != change));

    // The next case finds it on and leaves it.
    account.tamper(&victim.name).await;
    let next = account.case_of(&victim.name, "UpdateFunctionCode").await;
    let tracing = tracing(account, &next).await;
    assert!(
        matches!(tracing, CustodyAction::TracingAlreadyOn { .. }),
        "{tracing:?}"
    );
    assert_eq!(own_changes(account, &victim.name).len(), 1);
}

#[tokio::test]
async fn somebody_elses_tracing_change_opens_a_case() {
    let account = Account::shared();
    let victim = account.victim("blinded").await;
    account.case_of(&victim.name, "CreateFunction").await;
    let name = &victim.name;
    let expected = (Category::Configuration, Severity::High, "T1648");

    // Off: a case. It is not turned on again, for that could go on for ever.
    set_tracing(account, name, TracingMode::PassThrough).await;
    let event = "UpdateFunctionConfiguration";
    let off = account.case_of(name, event).await;
    assert_eq!(judged(&off), expected);
    let done = tracing(account, &off).await;
    assert!(
        matches!(&done, CustodyAction::TracingNotPossible { why }
            if why.contains("somebody turned it off")),
        "{done:?}"
    );
    assert_eq!(mode(account, name).await.0, TracingMode::PassThrough);
    assert_eq!(own_changes(account, name).len(), 1);

    // On, by somebody else, as if it were the responder: a case as well.
    set_tracing(account, name, TracingMode::Active).await;
    let by_others = records(account, event, name);
    let latest = by_others.last().unwrap()["eventID"].as_str().unwrap();
    let on = account
        .until("a case of the second change", || async {
            let cases = account.cases_about(name).await;
            cases.into_iter().find(|case| event_id(case) == latest)
        })
        .await;
    assert_eq!(judged(&on), expected);
}

#[tokio::test]
async fn a_role_without_the_permission_is_left_as_it_is_and_the_case_says_so() {
    let account = Account::shared();
    let name = unique("no-xray");
    let role_name = format!("{name}-role");
    let role = account.role(&role_name, &["s3:ListAllMyBuckets"]).await;
    let victim = Victim {
        name,
        role_name,
        role,
    };
    account.create(&victim, |create| create).await;
    let case = account.case_of(&victim.name, "CreateFunction").await;
    let done = tracing(account, &case).await;
    assert!(
        matches!(&done, CustodyAction::TracingNotPossible { why }
            if why.contains("xray:PutTraceSegments") && why.contains("not edited")),
        "{done:?}"
    );
    assert_eq!(
        mode(account, &victim.name).await.0,
        TracingMode::PassThrough
    );
    let responder = account.output("RoleArn");
    let edits: Vec<_> = account
        .page("trail")
        .into_iter()
        .filter(|record| {
            record["eventSource"] == "iam.amazonaws.com"
                && record["readOnly"] == false
                && record["userIdentity"]["sessionContext"]["sessionIssuer"]["arn"]
                    == responder.as_str()
        })
        .collect();
    assert!(edits.is_empty(), "{edits:?}");
}

/// A vault in which something happens the moment a case is sealed.
struct Meddled {
    vault: MemoryVault,
    account: &'static Account,
    function: Option<String>,
}

#[async_trait]
impl Vault for Meddled {
    async fn put_once(
        &self,
        key: &str,
        bytes: Bytes,
        media_type: &str,
    ) -> Result<Receipt, VaultError> {
        let receipt = self.vault.put_once(key, bytes, media_type).await?;
        if let Some(function) = &self.function
            && key.ends_with("/manifest-0000.dsse.json")
        {
            self.account.tamper(function).await;
            self.account.settled(function).await;
        }
        Ok(receipt)
    }

    async fn put_content(
        &self,
        source: &dyn Source,
        limit_bytes: u64,
    ) -> Result<Receipt, VaultError> {
        self.vault.put_content(source, limit_bytes).await
    }

    async fn get(&self, key: &str) -> Result<Bytes, VaultError> {
        self.vault.get(key).await
    }

    async fn open(&self, key: &str) -> Result<Opened, VaultError> {
        self.vault.open(key).await
    }

    async fn holds(&self, key: &str) -> Result<bool, VaultError> {
        self.vault.holds(key).await
    }

    async fn list(&self, prefix: &str, limit: usize) -> Result<Vec<String>, VaultError> {
        self.vault.list(prefix, limit).await
    }
}

/// A responder in this process, in an account without a stack: nobody else answers.
async fn responder(account: &'static Account, meddled_with: Option<&Victim>) -> Responder {
    let config = account.config().await;
    let role_arn = format!("arn:aws:iam::{}:role/responder", account.account);
    Responder {
        vault: Arc::new(Meddled {
            vault: MemoryVault::default(),
            account,
            function: meddled_with.map(|victim| victim.name.clone()),
        }),
        signer: Arc::new(LocalSigner::ephemeral().unwrap()),
        clock: Arc::new(jiff::Timestamp::now),
        clouds: Clouds::of_aws(Regions::new(&config, &["us-east-1"])),
        queue: Arc::new(SqsQueue {
            client: account.sqs().await,
            url: "unused".to_owned(),
        }),
        notifier: Arc::new(SnsNotifier {
            client: aws_sdk_sns::Client::new(&config),
            topic_arn: None,
        }),
        investigations: Arc::new(SfnInvestigations {
            client: aws_sdk_sfn::Client::new(&config),
            state_machine_arn: None,
        }),
        baselines: Arc::new(SfnBaselines {
            client: aws_sdk_sfn::Client::new(&config),
            state_machine_arn: None,
        }),
        watch: None,
        settings: Settings {
            own: trail::Scope::new([], Some(role_arn.clone())),
            role_arn,
            identity: "arn:aws:lambda:us-east-1:111122223333:function:responder".to_owned(),
            account: account.account.clone(),
            region: account.region.clone(),
            regions: vec![account.region.clone()],
            tracing: true,
            versions: 5,
            limit_bytes: 1 << 30,
            parallel: 6,
            place: "memory".to_owned(),
            deployers: Vec::new(),
        },
    }
}

/// What a case by hand says of tracing.
async fn told(responder: &Responder, target: &Target) -> String {
    let request = DirectRequest {
        target: target.arn(),
        reason: "a test".to_owned(),
        tracing: Some(true),
        window: None,
        request_id: None,
    };
    let attempt = Attempt {
        id: unique("attempt"),
        deadline: tokio::time::Instant::now() + Duration::from_secs(300),
    };
    let done = responder.handle(Incoming::Direct(request), &attempt).await;
    match done.unwrap().pop() {
        Some(Done::Sealed {
            tracing: Some(told),
            ..
        }) => told,
        other => panic!("not sealed: {other:?}"),
    }
}

#[tokio::test]
async fn a_function_changed_again_after_sealing_is_left_alone_until_that_change_is_sealed() {
    static ACCOUNT: std::sync::OnceLock<Account> = std::sync::OnceLock::new();
    let account = ACCOUNT.get_or_init(Account::up);
    let victim = account.victim("changed-again").await;
    let target = function(account, &victim.name, None);

    let meddled = responder(account, Some(&victim)).await;
    let told_of_first = told(&meddled, &target).await;
    assert!(
        told_of_first.starts_with("not possible: the function was changed again"),
        "{told_of_first}"
    );
    assert_eq!(
        mode(account, &victim.name).await.0,
        TracingMode::PassThrough
    );
    assert!(records(account, "UpdateFunctionConfiguration", &victim.name).is_empty());

    let undisturbed = responder(account, None).await;
    let told_of_second = told(&undisturbed, &target).await;
    assert!(
        told_of_second.starts_with("turned on (revision "),
        "{told_of_second}"
    );
    assert_eq!(mode(account, &victim.name).await.0, TracingMode::Active);
}
