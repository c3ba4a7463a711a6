//! One window of a function's log and trail, read page by page: nothing of it is missing and nothing is
//! there twice, whatever comes in between.
//!
//! The investigator runs in this process against an account of its own, over a window in the past, in
//! which nothing happened but what a test says; the vault is in memory.
#![allow(clippy::unwrap_used, clippy::expect_used)]

use async_trait::async_trait;
use aws_config::SdkConfig;
use bytes::Bytes;
use coldcase_tests::Account;
use collectors::aws::Regions;
use collectors::aws::window::Investigation;
use collectors::{Clouds, Desk, Surroundings as _};
use collectors::{Pace, Scope};
use evidence::{
    Acquisition, ArtifactKind, CaseId, Category, CustodyAction, OpenCase, Outcome, Request,
    ResourceKind, Responder, SealedCase, Severity, Target, Trigger, Window, keys,
};
use flate2::read::MultiGzDecoder;
use function::Attempt;
use futures_util::future::BoxFuture;
use investigate::{Investigator, Pass, Progress, Settings, Step};
use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};
use std::io::Read as _;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;
use vault::{LocalSigner, MemoryVault, Opened, Receipt, Signer, Source, Vault, VaultError};

/// What an investigator keeps back of its time, in order to seal.
pub const TIME_TO_SEAL: Duration = Duration::from_secs(30);

/// How much of the time before the window is its baseline.
const BASELINE_SECONDS: &str = "3600";

/// A sealed case of a function in an account where nothing else happens, and a window in its past.
pub struct Stage {
    pub account: Account,
    config: SdkConfig,
    pub target: Target,
    /// Six hours, which neither begin nor end at a full second.
    pub window: Window,
    signer: Arc<LocalSigner>,
    pub case: CaseId,
    sealed: MemoryVault,
}

impl Stage {
    /// `region` is the function's; two Regions' event histories are looked up unless it is us-east-1.
    pub async fn set(region: &str) -> Self {
        let account = Account::up();
        let config = account.config_in(region).await;
        let target = Target::aws(&account.account, region, ResourceKind::Function, "billing");
        let hour = SignedDuration::from_hours(1);
        let whole_second = Timestamp::from_second(Timestamp::now().as_second()).unwrap();
        let since = whole_second - hour * 14 + SignedDuration::from_millis(500);
        let until = since + hour * 6 - SignedDuration::from_millis(250);
        let stage = Self {
            account,
            config,
            window: Window::new(since, until).unwrap(),
            signer: Arc::new(LocalSigner::ephemeral().unwrap()),
            case: CaseId::derive(&changed(since + hour * 3), &target),
            sealed: MemoryVault::new(),
            target,
        };
        stage.seal(changed(since + hour * 3)).await;
        stage
    }

    /// The case as a responder leaves it: sealed, with the addendum that says what came of tracing.
    async fn seal(&self, trigger: Trigger) {
        let responder = Responder {
            program: "coldcase".to_owned(),
            version: "0".to_owned(),
            identity: "a test".to_owned(),
            attempt: "one".to_owned(),
        };
        let now = Timestamp::now();
        let case = OpenCase::open(trigger, self.target.clone(), responder.clone(), now);
        let draft = case.draft(now).unwrap();
        let sealed = vault::seal(&self.sealed, &*self.signer, draft).await;
        let mut tracing = sealed.unwrap().amend(responder, now);
        tracing.custody(CustodyAction::TracingNotWanted, now);
        let draft = tracing.draft(now).unwrap();
        vault::seal(&self.sealed, &*self.signer, draft)
            .await
            .unwrap();
    }

    /// A vault with nothing in it but the sealed case.
    pub async fn vault(&self) -> Arc<MemoryVault> {
        copy(&self.sealed, &[""], |_, bytes| Some(bytes)).await
    }

    pub fn investigator(&self, vault: Arc<dyn Vault>) -> Investigator {
        let settings = [
            ("AWS_LAMBDA_FUNCTION_NAME", "coldcase-investigate"),
            ("AWS_REGION", &self.target.region),
            ("COLDCASE_ACCOUNT", &self.target.account),
            ("COLDCASE_REGIONS", &self.target.region),
            ("COLDCASE_SETTLE_SECONDS", "0"),
            ("COLDCASE_LATE_SECONDS", "0"),
            ("COLDCASE_WINDOW_SECONDS", "3600"),
            ("COLDCASE_BASELINE_SECONDS", BASELINE_SECONDS),
            ("COLDCASE_TRAIL_LIMIT_BYTES", "1000000000"),
            ("COLDCASE_BUCKET", "in-memory"),
            ("COLDCASE_SIGNING_KEY", "ephemeral"),
            ("COLDCASE_LOCK_MODE", "GOVERNANCE"),
            ("COLDCASE_LOCK_DAYS", "1"),
        ];
        let settings = settings.map(|(name, value)| (name.to_owned(), value.to_owned()));
        Investigator {
            vault,
            signer: self.signer.clone(),
            clock: Arc::new(Timestamp::now),
            clouds: Clouds::of_aws(Regions::new(&self.config, &[&self.target.region])),
            pace: Arc::default(),
            settings: Settings::from_env(settings).unwrap(),
        }
    }

    pub fn step(&self, pass: Pass) -> Step {
        Step {
            case_id: self.case.clone(),
            pass,
            window: Some(self.window),
        }
    }

    /// Has the step's pass planned, and leaves only some artifacts in the plan: everything that is
    /// looked up in an audit trail takes a second.
    pub async fn plan(&self, vault: &MemoryVault, step: &Step, wanted: &[ArtifactKind]) -> Value {
        let drawn_up = copy(vault, &[""], |_, bytes| Some(bytes)).await;
        let progress = self
            .investigator(drawn_up.clone())
            .take(step.clone(), &attempt(Duration::ZERO))
            .await
            .unwrap();
        assert!(progress.again && progress.concluded == 0, "{progress:?}");
        let mut plans = Vec::new();
        for key in drawn_up.list("windows/", 1000).await.unwrap() {
            if key.ends_with("/plan.json") && !vault.holds(&key).await.unwrap() {
                plans.push(key);
            }
        }
        assert_eq!(plans.len(), 1, "{plans:?}");
        let mut plan: Value =
            serde_json::from_slice(&drawn_up.get(&plans[0]).await.unwrap()).unwrap();
        let requests = plan["requests"].as_array_mut().unwrap();
        requests.retain(|request| {
            wanted
                .iter()
                .any(|kind| request["artifact"] == kind.as_str())
        });
        let bytes = Bytes::from(plan.to_string());
        vault
            .put_once(&plans[0], bytes, "application/json")
            .await
            .unwrap();
        plan
    }

    /// Takes steps until nothing is left; the addendum.
    pub async fn finish(&self, vault: Arc<dyn Vault>, step: &Step) -> SealedCase {
        let investigator = self.investigator(vault.clone());
        loop {
            let progress = investigator
                .take(step.clone(), &attempt(LONG))
                .await
                .unwrap();
            if !progress.again {
                return addendum(&*vault, &progress).await;
            }
        }
    }

    /// Plans a pass over some artifacts and takes it.
    pub async fn pass(
        &self,
        vault: &Arc<MemoryVault>,
        pass: Pass,
        wanted: &[ArtifactKind],
    ) -> SealedCase {
        let step = self.step(pass);
        self.plan(vault, &step, wanted).await;
        self.finish(vault.clone(), &step).await
    }

    /// The whole chain is as it was sealed.
    pub async fn is_sound(&self, vault: &dyn Vault) {
        let key = self.signer.public_key_pem().await.unwrap();
        let report = vault::check(vault, &self.case, Some(&key)).await;
        assert!(report.is_sound(), "{report}");
    }

    /// What a single request is read with, apart from a pass.
    pub fn investigation(&self) -> Investigation {
        let regions = Regions::new(&self.config, &[&self.target.region]);
        let scope = Scope {
            target: self.target.clone(),
            facts: Default::default(),
            window: self.window,
            baseline: None,
            tampered_at: None,
        };
        let clients = regions.of(&self.target.region).unwrap();
        Investigation::new(clients, regions, Arc::<Pace>::default(), scope)
    }

    pub fn desk(&self, vault: Arc<dyn Vault>) -> Desk {
        Desk::new(vault, self.case.clone(), Arc::new(Timestamp::now), u64::MAX)
    }

    pub fn group(&self) -> String {
        format!("/aws/lambda/{}", self.target.name)
    }

    pub fn logs(&self) -> Request {
        Request::one(ArtifactKind::ExecutionLogs, self.group())
    }

    /// Writes lines into the function's log.
    pub fn write<'a>(&self, lines: impl IntoIterator<Item = (Timestamp, &'a str)>) {
        let lines: Vec<Value> = lines
            .into_iter()
            .map(|(at, line)| json!({"timestamp": at.as_millisecond(), "message": line}))
            .collect();
        let (group, region) = (self.group(), &self.target.region);
        let page = format!("logs?group={group}&stream=2026/11/23/[$LATEST]e1&region={region}");
        self.account.tell(&page.replace(['[', ']'], "_"), &lines);
    }

    /// Puts records into the trail that no call made.
    pub fn record<'a>(&self, records: impl IntoIterator<Item = &'a Value>) {
        self.account.tell("trail", records);
    }

    /// A call that the function's role session made.
    pub fn of_session(&self, at: Timestamp, id: &str) -> Value {
        let Target {
            account,
            region,
            name,
            ..
        } = &self.target;
        json!({
            "eventVersion": "1.11", "eventID": id, "eventTime": at.strftime("%Y-%m-%dT%H:%M:%SZ").to_string(),
            "eventSource": "dynamodb.amazonaws.com", "eventName": "DescribeTable", "readOnly": true,
            "awsRegion": region, "recipientAccountId": account, "eventType": "AwsApiCall",
            "eventCategory": "Management", "managementEvent": true,
            "sourceIPAddress": "198.51.100.10", "userAgent": "aws-sdk-rust/1.3 exec-env/AWS_Lambda_python3.12",
            "userIdentity": {"type": "AssumedRole", "principalId": format!("AROAEXAMPLE:{name}"),
                "arn": format!("arn:aws:sts::{account}:assumed-role/billing-role/{name}"), "accountId": account,
                "accessKeyId": "ASIAEXAMPLE"},
            "requestParameters": {"tableName": id}, "responseElements": null,
        })
    }

    /// A change of the function by somebody.
    fn of_change(&self, at: Timestamp, id: &str) -> Value {
        let mut record = self.of_session(at, id);
        record["eventSource"] = json!("lambda.amazonaws.com");
        record["eventName"] = json!("UpdateFunctionCode20150331v2");
        record["readOnly"] = json!(false);
        record["userIdentity"] = json!({"type": "IAMUser", "userName": "ci-deploy", "accountId": self.target.account,
            "arn": format!("arn:aws:iam::{}:user/ci-deploy", self.target.account)});
        record["requestParameters"] = json!({"functionName": self.target.name});
        record
    }
}

const LONG: Duration = Duration::from_secs(900);

/// An attempt that may take so long.
pub fn attempt(time: Duration) -> Attempt {
    Attempt {
        id: coldcase_tests::unique("attempt"),
        deadline: tokio::time::Instant::now() + time,
    }
}

fn changed(occurred_at: Timestamp) -> Trigger {
    Trigger::CloudTrailEvent {
        event_id: "e-1".to_owned(),
        event_name: "UpdateFunctionCode20150331v2".to_owned(),
        occurred_at,
        category: Category::Code,
        severity: Severity::High,
        technique: "T1525".to_owned(),
        principal: None,
        source_address: None,
    }
}

/// Another vault with what `change` makes of each thing in some folders: itself, something else, or
/// nothing.
pub async fn copy(
    vault: &dyn Vault,
    folders: &[&str],
    change: impl Fn(&str, Bytes) -> Option<Bytes>,
) -> Arc<MemoryVault> {
    let copy = Arc::new(MemoryVault::new());
    for folder in folders {
        for key in vault.list(folder, 100_000).await.unwrap() {
            if let Some(bytes) = change(&key, vault.get(&key).await.unwrap()) {
                copy.put_once(&key, bytes, "any").await.unwrap();
            }
        }
    }
    copy
}

/// The addendum that a step says it ended in.
pub async fn addendum(vault: &dyn Vault, progress: &Progress) -> SealedCase {
    let key = progress.addendum.as_deref().unwrap();
    SealedCase::read(&vault.get(key).await.unwrap()).unwrap()
}

/// What came of a request.
pub fn result<'a>(addendum: &'a SealedCase, request: &Request) -> &'a Acquisition {
    let mut acquisitions = addendum.manifest().acquisitions.iter();
    acquisitions
        .find(|acquisition| acquisition.request == *request)
        .unwrap_or_else(|| panic!("no {request}"))
}

/// The records or events that a pass brought of a request, as they are kept: one a line.
pub async fn kept(vault: &dyn Vault, acquisition: &Acquisition) -> Vec<Value> {
    lines(vault, acquisition, |name| !name.ends_with("-invocations")).await
}

/// The invocations that a pass read from a log.
pub async fn invocations(vault: &dyn Vault, acquisition: &Acquisition) -> Vec<Value> {
    lines(vault, acquisition, |name| name.ends_with("-invocations")).await
}

async fn lines(
    vault: &dyn Vault,
    acquisition: &Acquisition,
    wanted: impl Fn(&str) -> bool,
) -> Vec<Value> {
    let mut text = String::new();
    for exhibit in &acquisition.exhibits {
        // `execution-logs-…-first-0001`: a part of several; documents have no number.
        let (name, number) = exhibit.name.rsplit_once('-').unwrap();
        let is_part = number.len() == 4 && number.bytes().all(|byte| byte.is_ascii_digit());
        if is_part && wanted(name) {
            let bytes = vault.get(&exhibit.key).await.unwrap();
            let mut part = MultiGzDecoder::new(&bytes[..]);
            part.read_to_string(&mut text).unwrap();
        }
    }
    assert!(text.is_empty() || text.ends_with('\n'));
    // Not `lines`: a carriage return within a line would be taken for its end.
    text.split_terminator('\n')
        .map(|line| serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}")))
        .collect()
}

pub async fn messages(vault: &dyn Vault, addendum: &SealedCase, request: &Request) -> Vec<String> {
    let events = kept(vault, result(addendum, request)).await;
    let messages = events
        .iter()
        .map(|event| event["message"].as_str().unwrap());
    messages.map(str::to_owned).collect()
}

pub async fn ids(vault: &dyn Vault, addendum: &SealedCase, request: &Request) -> Vec<String> {
    let records = kept(vault, result(addendum, request)).await;
    let ids = records
        .iter()
        .map(|record| record["eventID"].as_str().unwrap());
    ids.map(str::to_owned).collect()
}

const ACTIVITY: Request = Request::whole(ArtifactKind::RoleActivity);
const BEFORE: Request = Request::whole(ArtifactKind::RoleBaseline);

#[tokio::test]
async fn what_happened_at_the_very_edges_of_a_window_is_in_it_and_nothing_outside_is() {
    let stage = Stage::set("us-east-1").await;
    let Window { since, until } = stage.window;
    let ms = SignedDuration::from_millis(1);
    stage.write([
        (since - ms, "before"),
        (since, "first"),
        (until, "last"),
        (until + ms, "after"),
    ]);
    // CloudTrail's times are whole seconds: those in which the window begins and ends belong to it.
    let second = SignedDuration::from_secs(1);
    let baseline = SignedDuration::from_secs(BASELINE_SECONDS.parse().unwrap());
    let edges = [
        (since - baseline - second, "too-early"),
        (since - baseline, "ordinary-first"),
        (since - second, "ordinary-last"),
        (since, "first"),
        (until, "last"),
        (until + second, "too-late"),
    ];
    let records: Vec<Value> = edges
        .iter()
        .map(|(at, id)| stage.of_session(*at, id))
        .collect();
    stage.record(&records);
    let changes = edges
        .iter()
        .map(|(at, id)| stage.of_change(*at, &format!("change-{id}")));
    stage.record(&changes.collect::<Vec<_>>());
    let vault = stage.vault().await;
    let wanted = [
        ArtifactKind::ExecutionLogs,
        ArtifactKind::RoleBaseline,
        ArtifactKind::RoleActivity,
    ];
    let first = stage.pass(&vault, Pass::First, &wanted).await;
    assert_eq!(
        messages(&*vault, &first, &stage.logs()).await,
        ["first", "last"]
    );
    assert_eq!(
        ids(&*vault, &first, &BEFORE).await,
        ["ordinary-first", "ordinary-last"]
    );
    assert_eq!(ids(&*vault, &first, &ACTIVITY).await, ["first", "last"]);
    // The same of the trail about the function, of which the first question is enough.
    let request = Request::whole(ArtifactKind::AuditEvents);
    let (desk, investigation) = (stage.desk(vault.clone()), stage.investigation());
    let mut task = investigation.task("edges", &request);
    task.readings.truncate(1);
    assert!(collectors::read_on(&desk, &task).await.unwrap());
    let observer = investigation.observer(&request, &BTreeMap::new());
    let concluded = collectors::conclude(&desk, &task, &[], observer)
        .await
        .unwrap();
    let records = kept(&*vault, &concluded.unwrap().acquisition).await;
    let ids: Vec<&str> = records
        .iter()
        .map(|record| record["eventID"].as_str().unwrap())
        .collect();
    assert_eq!(ids, ["change-first", "change-last"]);
    stage.is_sound(&*vault).await;
}

#[tokio::test]
async fn what_comes_in_late_is_in_the_second_pass_once_and_nothing_of_the_first_is_in_it_again() {
    let stage = Stage::set("us-east-1").await;
    let at = |minutes| stage.window.since + SignedDuration::from_mins(minutes);
    stage.write([(at(10), "one"), (at(20), "two"), (at(200), "three")]);
    let early = [10, 20, 200].map(|minutes| stage.of_session(at(minutes), &format!("r-{minutes}")));
    stage.record(&early);
    let vault = stage.vault().await;
    let wanted = [
        ArtifactKind::ExecutionLogs,
        ArtifactKind::RoleActivity,
        ArtifactKind::RoleBaseline,
    ];
    let first = stage.pass(&vault, Pass::First, &wanted).await;
    assert_eq!(
        messages(&*vault, &first, &stage.logs()).await,
        ["one", "two", "three"]
    );
    assert_eq!(
        ids(&*vault, &first, &ACTIVITY).await,
        ["r-10", "r-20", "r-200"]
    );
    // Late, at the very time of something known, before everything and after everything.
    stage.write([
        (at(5), "late before"),
        (at(20), "late beside"),
        (at(300), "late after"),
    ]);
    let late =
        [5, 20, 300].map(|minutes| stage.of_session(at(minutes), &format!("late-{minutes}")));
    // What the trail delivers twice is one record.
    stage.record(late.iter().chain([&late[0], &early[1]]));
    let second = stage.pass(&vault, Pass::Second, &wanted).await;
    let late_lines = ["late before", "late beside", "late after"];
    assert_eq!(messages(&*vault, &second, &stage.logs()).await, late_lines);
    assert_eq!(
        ids(&*vault, &second, &ACTIVITY).await,
        ["late-5", "late-20", "late-300"]
    );
    // What was before the window stays as the first pass found it.
    let requests = second
        .manifest()
        .acquisitions
        .iter()
        .map(|one| &one.request);
    assert!(!requests.collect::<Vec<_>>().contains(&&BEFORE));
    assert_eq!(second.manifest().sequence, first.manifest().sequence + 1);
    assert_eq!(
        second.manifest().previous_sha256,
        Some(first.manifest_sha256())
    );
    stage.is_sound(&*vault).await;
    // The second pass again ends in the same addendum.
    let again = stage.finish(vault.clone(), &stage.step(Pass::Second)).await;
    assert_eq!(again, second);
    assert!(!vault.holds(&keys::manifest(&stage.case, 4)).await.unwrap());
}

#[tokio::test]
async fn empty_pages_throttling_and_broken_answers_lose_nothing_double_nothing_and_are_on_record() {
    let stage = Stage::set("us-east-1").await;
    let at = |minutes| stage.window.since + SignedDuration::from_mins(minutes);
    // More than an hour apart, so that a page ends before each, the first one empty.
    let lines = [(70, "a"), (70, "b"), (140, "c"), (210, "d"), (280, "e")];
    stage.write(lines.map(|(minutes, line)| (at(minutes), line)));
    let numbers: Vec<i64> = (1..=5).collect();
    let records = numbers
        .iter()
        .map(|number| stage.of_session(at(number * 10), &format!("r-{number}")));
    stage.record(&records.collect::<Vec<_>>());
    let logs = |code: &str, skip: u32, times: u32| json!({"service": "logs", "operation": "FilterLogEvents", "code": code, "skip": skip, "times": times});
    let lookup = |fault: Value| {
        let mut whole = json!({"service": "cloudtrail", "operation": "LookupEvents"});
        whole
            .as_object_mut()
            .unwrap()
            .extend(fault.as_object().unwrap().clone());
        whole
    };
    // As often as the SDK asks for a page, and once more.
    let faults = [
        logs("ThrottlingException", 1, 4),
        logs("InternalFailure", 3, 4),
        lookup(json!({"page_size": 2})),
        lookup(json!({"page_size": 0})),
        lookup(json!({"page_size": 1})),
        lookup(json!({"page_size": 0})),
        lookup(json!({"code": "ThrottlingException", "skip": 1})),
        lookup(json!({"code": "InternalError", "skip": 2})),
        lookup(json!({"hang_up": true, "skip": 3})),
    ];
    stage.account.tell("faults", &faults);
    let vault = stage.vault().await;
    let wanted = [ArtifactKind::ExecutionLogs, ArtifactKind::RoleActivity];
    let first = stage.pass(&vault, Pass::First, &wanted).await;
    let fired = stage.account.page("faults");
    assert_eq!(fired.len(), 4 + 4 + 7, "{fired:?}");
    assert_eq!(
        messages(&*vault, &first, &stage.logs()).await,
        ["a", "b", "c", "d", "e"]
    );
    let all: Vec<String> = numbers.iter().map(|number| format!("r-{number}")).collect();
    assert_eq!(ids(&*vault, &first, &ACTIVITY).await, all);
    let failed = |request: &Request| {
        let acquisition = result(&first, request);
        assert_eq!(acquisition.result, Outcome::Acquired);
        let errors = acquisition
            .calls
            .iter()
            .filter_map(|call| call.error.as_deref());
        errors.map(str::to_owned).collect::<Vec<_>>().join("\n")
    };
    let (of_logs, of_trail) = (failed(&stage.logs()), failed(&ACTIVITY));
    assert!(of_logs.contains("ThrottlingException"), "{of_logs:?}");
    assert!(of_logs.contains("InternalFailure"), "{of_logs:?}");
    assert!(of_trail.contains("ThrottlingException"), "{of_trail:?}");
    assert!(of_trail.contains("InternalError"), "{of_trail:?}");
    assert!(of_trail.contains("cannot be read"), "{of_trail:?}");
    // Five pages with something in them or not, the last one included.
    let calls = result(&first, &ACTIVITY).calls.iter();
    let good = calls.filter(|call| call.api == "cloudtrail:LookupEvents" && call.error.is_none());
    assert_eq!(good.map(|call| call.requests).sum::<u64>(), 5);
    stage.is_sound(&*vault).await;
}

/// A vault that has something happen after something was written.
struct Struck {
    vault: Arc<MemoryVault>,
    done: AtomicBool,
    /// Whether it is this key.
    at: fn(&str) -> bool,
    strike: Box<dyn Fn() -> BoxFuture<'static, ()> + Send + Sync>,
}

#[async_trait]
impl Vault for Struck {
    async fn put_once(&self, key: &str, bytes: Bytes, media: &str) -> Result<Receipt, VaultError> {
        let put = self.vault.put_once(key, bytes, media).await;
        if (self.at)(key) && !self.done.swap(true, Ordering::Relaxed) {
            (self.strike)().await;
        }
        put
    }

    async fn put_content(&self, source: &dyn Source, limit: u64) -> Result<Receipt, VaultError> {
        self.vault.put_content(source, limit).await
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

#[tokio::test]
async fn of_a_log_group_deleted_half_way_what_was_read_is_kept_and_the_rest_told() {
    let stage = Stage::set("us-east-1").await;
    let at = |minutes| stage.window.since + SignedDuration::from_mins(minutes);
    // What is nearest to the change is read first.
    stage.write([(at(70), "lost"), (at(140), "kept"), (at(210), "kept")]);
    let vault = stage.vault().await;
    let step = stage.step(Pass::First);
    stage
        .plan(&vault, &step, &[ArtifactKind::ExecutionLogs])
        .await;
    let client = aws_sdk_cloudwatchlogs::Client::new(&stage.config);
    let group = stage.group();
    let struck = Struck {
        vault: vault.clone(),
        done: AtomicBool::new(false),
        // The group is looked at, the first page is empty, the next one holds the first line.
        at: |key| key.contains("/execution-logs") && key.ends_with("/000003.gz"),
        strike: Box::new(move || {
            let delete = client.delete_log_group().log_group_name(&group);
            Box::pin(async move {
                delete.send().await.unwrap();
            })
        }),
    };
    let struck = Arc::new(struck);
    let first = stage.finish(struck.clone(), &step).await;
    assert!(struck.done.load(Ordering::Relaxed));
    assert_eq!(
        messages(&*vault, &first, &stage.logs()).await,
        ["kept", "kept"]
    );
    let Outcome::Partial { why } = &result(&first, &stage.logs()).result else {
        panic!("{:?}", result(&first, &stage.logs()));
    };
    assert!(why.contains("deleted while it was read"), "{why}");
    stage.is_sound(&*vault).await;
    // The second pass finds it gone, and takes nothing away from the first.
    let second = stage
        .pass(&vault, Pass::Second, &[ArtifactKind::ExecutionLogs])
        .await;
    let Outcome::Absent { why } = &result(&second, &stage.logs()).result else {
        panic!("{:?}", result(&second, &stage.logs()));
    };
    assert!(why.contains(&stage.group()), "{why}");
    stage.is_sound(&*vault).await;
}

#[tokio::test]
async fn hostile_lines_and_records_are_sealed_like_others_one_a_line() {
    let stage = Stage::set("us-east-1").await;
    let at = |minutes| stage.window.since + SignedDuration::from_mins(minutes);
    let lines = [
        "two\nlines\r\nand\rmore",
        "\u{0}\u{1}\u{7}\u{1b}[2J\u{7f}\u{85}\u{2028}\u{2029}\u{feff}\u{202e}",
        "{\"level\": \"ERROR\", \"message\": ",
        "{\"type\": \"platform.report\", \"time\": 4, \"record\": [{}]}",
        "REPORT RequestId: 00000000-0000-0000-0000-000000000000\tDuration: 1e999 ms\tBilled Duration: -1 ms\t\
         Memory Size: 99999999999999999999 MB\tMax Memory Used: NaN MB\tInit Duration: \t",
        "START RequestId: ../../../etc/passwd Version: $LATEST\n",
        "END RequestId: ",
        "0 1 2",
        " ",
    ];
    let deep = format!("{}{}", "[".repeat(5000), "]".repeat(5000));
    let long = "x".repeat(250_000);
    let lines: Vec<&str> = lines.into_iter().chain([deep.as_str(), &long]).collect();
    stage.write(
        lines
            .iter()
            .enumerate()
            .map(|(n, line)| (at(n as i64), *line)),
    );
    let mut records = Vec::new();
    for (field, value) in [
        ("eventName", json!(["UpdateFunctionCode"])),
        ("eventName", Value::Null),
        ("eventSource", json!({"dynamodb": 1})),
        ("eventTime", json!(-1)),
        ("eventTime", json!("+999999-99-99T99:99:99Z")),
        ("errorCode", json!({"AccessDenied": []})),
        ("requestParameters", json!("a\nb\r\nc\u{0}")),
        ("responseElements", json!([[[[]]]])),
        (
            "sourceIPAddress",
            json!("=cmd|' /C calc'!A1\n\u{1b}]0;x\u{7}"),
        ),
        ("userAgent", json!(1e308)),
        ("readOnly", json!("perhaps")),
        ("resources", json!([null, 1, {"ARN": {}}])),
        ("awsRegion", json!("us-east-1")),
        ("additionalEventData", json!("y".repeat(200_000))),
    ] {
        let number = records.len();
        let mut record = stage.of_session(at(number as i64), &format!("r-{number}"));
        record[field] = value;
        records.push(record);
    }
    // Ids that are none.
    for id in [
        json!("a b\nc/../d"),
        json!(""),
        json!(7),
        Value::Null,
        json!("i".repeat(3000)),
    ] {
        let number = records.len();
        let mut record = stage.of_session(at(number as i64), "");
        record["requestParameters"] = json!({"number": number});
        record["eventID"] = id;
        records.push(record);
    }
    let deep = (0..100).fold(json!("down"), |inner, _| json!({ "k": inner }));
    let mut nested = stage.of_session(at(40), "nested");
    nested["requestParameters"] = deep;
    records.push(nested);
    stage.record(&records);
    let vault = stage.vault().await;
    let wanted = [ArtifactKind::ExecutionLogs, ArtifactKind::RoleActivity];
    let first = stage.pass(&vault, Pass::First, &wanted).await;
    assert_eq!(messages(&*vault, &first, &stage.logs()).await, lines);
    let found = kept(&*vault, result(&first, &ACTIVITY)).await;
    let all = |records: &[Value]| {
        records
            .iter()
            .map(Value::to_string)
            .collect::<BTreeSet<_>>()
    };
    // Two times of them are none: CloudTrail files these under the time of their arrival, which is
    // after the window.
    let timeless = |record: &Value| !matches!(&record["eventTime"], Value::String(time) if time.starts_with('2'));
    records.retain(|record| !timeless(record));
    assert_eq!(found.len(), records.len());
    assert_eq!(all(&found), all(&records));
    stage.is_sound(&*vault).await;
    let second = stage.pass(&vault, Pass::Second, &wanted).await;
    assert!(
        kept(&*vault, result(&second, &stage.logs()))
            .await
            .is_empty()
    );
    assert!(kept(&*vault, result(&second, &ACTIVITY)).await.is_empty());
    stage.is_sound(&*vault).await;
}
