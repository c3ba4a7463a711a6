//! Least power of an investigation: each permission is needed, none is missing, and without any one of
//! them its artifact is denied by name and the addendum sealed all the same.
//!
//! Requests are carried out in this process under the deployed role; the whole pass at the end is the
//! deployed function's.
#![allow(clippy::unwrap_used, clippy::expect_used)]

use crate::delivery::as_role;
use crate::investigate_window::result;
use crate::roles_policy::{RolePolicy, statements_that_read};
use aws_config::SdkConfig;
use aws_sdk_lambda::primitives::Blob;
use aws_sdk_lambda::types::TracingMode;
use aws_sdk_s3::primitives::ByteStream;
use aws_sdk_s3::types::ServerSideEncryption;
use coldcase_tests::{Account, Victim, unique};
use collectors::aws::Regions;
use collectors::aws::window::{Investigation, TrailSource, permissions};
use collectors::{Carried, Desk, Surroundings as _};
use collectors::{Facts, Scope};
use evidence::{
    Acquisition, ArtifactKind as A, CaseId, CustodyAction, Outcome, Request, SealedCase, Window,
    keys,
};
use flate2::Compression;
use flate2::write::GzEncoder;
use futures_util::{StreamExt as _, stream};
use investigate::Settings;
use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};
use std::io::Write as _;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use vault::{MemoryVault, Vault as _};

const TRAIL: &str = "management-trail";
const INFREQUENT: &str = "/infrequent/access";
const LOOKUP: &str = "cloudtrail:LookupEvents";

/// A sealed case of a function that ran and was traced, in an account with one of everything that an
/// investigation reads.
struct Stage {
    account: Account,
    victim: Victim,
    case: SealedCase,
    /// The investigator's own power.
    config: SdkConfig,
    settings: Settings,
    /// What the whole pass looks into; named, so that none has to be waited for.
    window: Window,
    asked: AtomicI64,
}

impl Stage {
    async fn set() -> Self {
        let mut account = Account::up();
        let s3 = account.s3().await;
        s3.create_bucket().bucket(TRAIL).send().await.unwrap();
        let trail = format!("TrailBucket={TRAIL}");
        let athena = account.deploy_beside("coldcase-athena", "../infra/athena.yaml", &[&trail]);
        let kms = aws_sdk_kms::Client::new(&account.config().await);
        let key = kms.create_key().send().await.unwrap();
        let key = key.key_metadata.unwrap().arn.unwrap();
        let mut parameters = vec![
            // What is looked into is looked into by hand.
            "SettleSeconds=86400".to_owned(),
            "WindowSeconds=3600".to_owned(),
            "BaselineSeconds=3600".to_owned(),
            // Athena is asked whatever there is.
            "TrailLimitBytes=0".to_owned(),
            format!("TrailKeyArn={key}"),
            trail,
        ];
        for name in ["Workgroup", "Database", "Table", "ResultsBucket"] {
            let value = athena[format!("Athena{name}")].as_str().unwrap();
            parameters.push(format!("Athena{name}={value}"));
        }
        let parameters: Vec<&str> = parameters.iter().map(String::as_str).collect();
        account.deploy(&parameters);
        let (victim, case) = traced(&account).await;
        // Nothing else is added to the case from here on.
        account.examined(&case.manifest().case_id, "sealed").await;
        let line = json!({"timestamp": Timestamp::now().as_millisecond(), "message": "seldom"});
        let page = format!("logs?group={INFREQUENT}&stream=one&class=INFREQUENT_ACCESS");
        account.tell(&page, [&line]);
        account.tell("trail/deliver?digest=1", []);
        encrypted_file(&account, &key).await;
        let settings = settings(&account).await;
        let config = as_role(&account, "InvestigateRoleArn", "coldcase-investigate").await;
        let now = Timestamp::now();
        let window = Window::new(now - SignedDuration::from_hours(1), now).unwrap();
        Self {
            account,
            victim,
            case,
            config,
            settings,
            window,
            asked: AtomicI64::new(0),
        }
    }

    /// Which question is answered with the help of this action.
    fn question(&self, action: &str, artifact: A) -> (Request, TrailSource) {
        let request = match (artifact, action) {
            (A::ExecutionLogs, "logs:StartQuery" | "logs:GetQueryResults") => {
                Request::one(artifact, INFREQUENT)
            }
            (A::ExecutionLogs, _) => Request::one(artifact, self.group()),
            _ => Request::whole(artifact),
        };
        let configured = self.settings.trail.clone();
        assert!(configured.bucket.is_some() && configured.athena.is_some());
        let trail = match action {
            "s3:GetBucketLocation" | "s3:PutObject" => configured,
            action if action.starts_with("athena:") || action.starts_with("glue:") => configured,
            action => TrailSource {
                bucket: configured
                    .bucket
                    .filter(|_| action != "cloudtrail:DescribeTrails"),
                limit_bytes: u64::MAX,
                athena: None,
                ..configured
            },
        };
        (request, trail)
    }

    fn group(&self) -> String {
        format!("/aws/lambda/{}", self.victim.name)
    }

    /// What comes of a request under the role as it is now.
    async fn ask(&self, action: &str, artifact: A) -> Acquisition {
        let (request, trail) = self.question(action, artifact);
        let target = &self.case.manifest().target;
        let regions = Regions::new(&self.config, &self.settings.regions);
        // No two windows alike: Athena answers the same question with the same query, failed or not.
        let number = SignedDuration::from_secs(self.asked.fetch_add(1, Ordering::Relaxed));
        let since = self.case.manifest().sealed_at - SignedDuration::from_hours(1) - number;
        let second = SignedDuration::from_secs(1);
        let before = Window::new(since - SignedDuration::from_hours(1), since - second).unwrap();
        let groups = [self.group(), INFREQUENT.to_owned()];
        let scope = Scope {
            target: target.clone(),
            facts: Facts {
                log_groups: groups.map(|name| (name, Default::default())).into(),
                ..Facts::default()
            },
            window: Window::new(since, Timestamp::now()).unwrap(),
            baseline: Some(before),
            tampered_at: None,
        };
        let clients = regions.of(&target.region).unwrap();
        let investigation = Investigation::new(clients, regions, Arc::default(), scope);
        let investigation = investigation.with_trail(trail);
        let vault = Arc::new(MemoryVault::new());
        let id = self.case.manifest().case_id.clone();
        let desk = Desk::new(vault, id, Arc::new(Timestamp::now), u64::MAX);
        let mut task = investigation.task("first", &request);
        // One look into the event history shows what all of them need, and each takes a second; the
        // trail's files come last.
        if [A::AuditEvents, A::RoleBaseline, A::RoleActivity].contains(&artifact) {
            let files = task.readings.pop().unwrap();
            task.readings.truncate(1);
            if action != LOOKUP {
                task.readings = vec![files];
            }
        }
        assert!(collectors::read_on(&desk, &task).await.unwrap());
        let observer = investigation.observer(&request, &Carried::new());
        let concluded = collectors::conclude(&desk, &task, &[], observer).await;
        concluded.unwrap().unwrap().acquisition
    }

    /// Takes steps of the pass with the deployed function until nothing is left; what the last
    /// one answered, or its error.
    async fn pass(&self) -> Result<Value, (String, String)> {
        let id = &self.case.manifest().case_id;
        let payload = json!({"case_id": id, "window": self.window}).to_string();
        let lambda = self.account.lambda().await;
        let function = self.account.output("InvestigateFunctionName");
        loop {
            let invoke = lambda.invoke().function_name(&function);
            let invoke = invoke.payload(Blob::new(payload.clone()));
            let answer = invoke.send().await.unwrap();
            let said: Value = serde_json::from_slice(answer.payload().unwrap().as_ref()).unwrap();
            if answer.function_error().is_some() {
                let text = |field: &str| said[field].as_str().unwrap().to_owned();
                return Err((text("errorType"), text("errorMessage")));
            }
            if said["again"] == false {
                return Ok(said);
            }
        }
    }

    async fn keys(&self) -> BTreeSet<String> {
        let id: &CaseId = &self.case.manifest().case_id;
        let vault = self.account.vault().await;
        let mut keys = BTreeSet::new();
        for folder in [keys::case(id), format!("windows/{id}/")] {
            keys.extend(vault.list(&folder, 100_000).await.unwrap());
        }
        keys
    }
}

/// A function that ran under tracing, and the case of its making.
async fn traced(account: &Account) -> (Victim, SealedCase) {
    let name = unique("traced");
    let role_name = format!("{name}-role");
    let actions = [
        "logs:*",
        "xray:PutTraceSegments",
        "xray:PutTelemetryRecords",
    ];
    let victim = Victim {
        role: account.role(&role_name, &actions).await,
        role_name,
        name,
    };
    account.create(&victim, |create| create).await;
    let case = account.case_of(&victim.name, "CreateFunction").await;
    account.settled(&victim.name).await;
    let lambda = account.lambda().await;
    let now = lambda.get_function_configuration();
    let now = now.function_name(&victim.name).send().await.unwrap();
    let mode = now.tracing_config().and_then(|tracing| tracing.mode());
    assert_eq!(mode, Some(&TracingMode::Active));
    let answer = lambda.invoke().function_name(&victim.name).send().await;
    assert_eq!(answer.unwrap().function_error(), None);
    (victim, case)
}

/// Puts a file among the trail's that only who may use the key can read.
async fn encrypted_file(account: &Account, key: &str) {
    let Account {
        account: id,
        region,
        ..
    } = account;
    let now = Timestamp::now();
    let (day, stamp) = (now.strftime("%Y/%m/%d"), now.strftime("%Y%m%dT%H%MZ"));
    let name = format!(
        "AWSLogs/{id}/CloudTrail/{region}/{day}/{id}_CloudTrail_{region}_{stamp}_encrypted.json.gz"
    );
    let mut file = GzEncoder::new(Vec::new(), Compression::fast());
    file.write_all(br#"{"Records":[]}"#).unwrap();
    let put = account.s3().await.put_object().bucket(TRAIL).key(name);
    let put = put.server_side_encryption(ServerSideEncryption::AwsKms);
    let put = put.ssekms_key_id(key);
    let body = ByteStream::from(file.finish().unwrap());
    put.body(body).send().await.unwrap();
}

/// The settings of the deployed function.
async fn settings(account: &Account) -> Settings {
    let function = account.output("InvestigateFunctionName");
    let lambda = account.lambda().await;
    let deployed = lambda.get_function_configuration();
    let deployed = deployed.function_name(&function).send().await.unwrap();
    let mut variables = deployed.environment().unwrap().variables().unwrap().clone();
    variables.insert("AWS_REGION".to_owned(), account.region.clone());
    variables.insert("AWS_LAMBDA_FUNCTION_NAME".to_owned(), function);
    Settings::from_env(variables).unwrap()
}

#[tokio::test]
async fn without_any_one_permission_its_artifact_is_denied_by_name_and_the_addendum_sealed() {
    let stage = &Stage::set().await;
    let mut declared: BTreeMap<&str, Vec<A>> = BTreeMap::new();
    for permission in permissions() {
        declared
            .entry(permission.action)
            .or_default()
            .push(permission.artifact);
    }
    assert!(declared.len() > 15, "{declared:?}");
    let role = RolePolicy::of(&stage.account, "InvestigateRoleArn").await;
    let ask = |action: &'static str, artifacts: &[A]| {
        stream::iter(artifacts.to_vec())
            .map(move |artifact| async move { (artifact, stage.ask(action, artifact).await) })
            .buffer_unordered(4)
            .collect::<Vec<_>>()
    };

    // With all of them nothing is denied, whatever is asked.
    let mut asked = BTreeSet::new();
    for (action, artifacts) in &declared {
        let mut artifacts = artifacts.clone();
        artifacts.retain(|artifact| {
            let question = stage.question(action, *artifact);
            asked.insert(format!("{question:?} {}", *action == LOOKUP))
        });
        for (artifact, acquisition) in ask(action, &artifacts).await {
            let result = &acquisition.result;
            let is_whole = matches!(result, Outcome::Acquired | Outcome::Absent { .. });
            assert!(is_whole, "{artifact:?} with {action}: {result:?}");
        }
    }

    let mut idle = Vec::new();
    for (action, artifacts) in &declared {
        role.without(action, statements_that_read).await;
        for (artifact, acquisition) in ask(action, artifacts).await {
            match acquisition.result {
                Outcome::Denied { why } if why.contains(action) => {}
                other => idle.push((action, artifact, other)),
            }
        }
    }
    role.restored().await;
    assert!(idle.is_empty(), "without them: {idle:#?}");

    is_sealed_without_some(stage, &role).await;
}

/// A whole pass of the deployed function, whose power to keep, to sign and to read is taken from it
/// one after the other.
async fn is_sealed_without_some(stage: &Stage, role: &RolePolicy) {
    let account = &stage.account;
    let id = &stage.case.manifest().case_id;
    let of_pass = |action: &CustodyAction| matches!(action, CustodyAction::WindowCollected { .. });
    // What cannot be kept is a failed step, which leaves nothing.
    let before = stage.keys().await;
    role.without("s3:PutObject", |statement| statement == "Vault")
        .await;
    let (error, said) = stage.pass().await.unwrap_err();
    assert_eq!(error, "VaultFailed", "{said}");
    assert!(said.contains("s3:PutObject"), "{said}");
    assert_eq!(stage.keys().await, before);

    // What cannot be read is denied; what cannot be signed is not sealed, though all of it is there.
    let unreadable = ["logs:FilterLogEvents", "xray:BatchGetTraces"];
    let and_sign = [&unreadable[..], &["kms:Sign"]].concat();
    let reads_or_seals = |statement: &str| statement == "Seal" || statements_that_read(statement);
    role.without_all(&and_sign, reads_or_seals).await;
    let (error, said) = stage.pass().await.unwrap_err();
    assert_eq!(error, "NotSealed", "{said}");
    assert!(said.contains("kms:Sign"), "{said}");
    assert!(account.addenda(id, of_pass).await.is_empty());
    let report = account.check(id).await;
    assert!(report.is_sound(), "{report}");

    role.without_all(&unreadable, statements_that_read).await;
    let done = stage.pass().await.unwrap();
    let addendum = account.addenda(id, of_pass).await.pop().unwrap();
    assert_eq!(
        done["addendum"],
        keys::envelope(id, addendum.manifest().sequence)
    );
    let mut denied = BTreeMap::new();
    for acquisition in &addendum.manifest().acquisitions {
        match &acquisition.result {
            Outcome::Denied { why } => {
                denied.insert(acquisition.request.to_string(), why.as_str());
            }
            Outcome::Acquired | Outcome::Absent { .. } => {}
            // Athena names files with records; nobody but the limit keeps the others from being read.
            Outcome::Partial { why }
                if acquisition.request.artifact == A::TrailIntegrity
                    && why.contains("more than the limit") => {}
            other => panic!("{}: {other:?}", acquisition.request),
        }
    }
    let logs = Request::one(A::ExecutionLogs, stage.group());
    let traces = Request::whole(A::Traces);
    let expected = [(&logs, unreadable[0]), (&traces, unreadable[1])];
    assert_eq!(denied.len(), expected.len(), "{denied:#?}");
    for (request, action) in expected {
        assert!(denied[&request.to_string()].contains(action), "{denied:#?}");
    }
    let audit = result(&addendum, &Request::whole(A::AuditEvents));
    assert_eq!(audit.result, Outcome::Acquired);
    let report = account.check(id).await;
    assert!(report.is_sound(), "{report}");
    role.restored().await;
}
