//! Cut off anywhere, the next attempt ends in the same sealed case, with nothing left half done.
//!
//! The responder runs in this process, under the deployed function's role, against the real
//! collectors, bucket and keys. Each of its ports counts its calls, and an attempt is dropped
//! before one of them, or after it took effect and before its answer came.
#![allow(clippy::unwrap_used, clippy::expect_used)]

use crate::delivery::{as_responder, envelope, is_about_tracing, versions};
use async_trait::async_trait;
use aws_sdk_s3::primitives::ByteStream;
use aws_sdk_sqs::types::QueueAttributeName;
use bytes::Bytes;
use coldcase_tests::{Account, Victim, package_bytes, policy, unique};
use collectors::Clouds;
use collectors::aws::Regions;
use evidence::{CaseId, CustodyAction, Signature, Window, keys};
use futures_util::stream::{self, StreamExt as _};
use respond::{
    Attempt, Done, Incoming, Investigations, Notice, Notifier, Queue, QueueError, RespondError,
    Responder, Settings, SfnBaselines, SfnInvestigations, SnsNotifier, SqsQueue, Wiring, Work,
};
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::future::pending;
use std::process::Command;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::sync::Notify;
use vault::{Opened, Receipt, SignError, Signer, Source, Vault, VaultError};

/// Where an attempt is cut off: at which call of a port, before or after it took effect.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Cut {
    call: usize,
    after: bool,
}

/// Counts the calls of all ports of one attempt, and cuts it off at one of them.
struct Fault {
    cut: Option<Cut>,
    calls: Mutex<Vec<&'static str>>,
    reached: Notify,
    told: AtomicUsize,
    sent: Mutex<Vec<Work>>,
}

impl Fault {
    fn new(cut: Option<Cut>) -> Arc<Self> {
        Arc::new(Self {
            cut,
            calls: Mutex::default(),
            reached: Notify::new(),
            told: AtomicUsize::new(0),
            sent: Mutex::default(),
        })
    }

    async fn step<T>(&self, name: &'static str, call: impl Future<Output = T>) -> T {
        let number = {
            let mut calls = self.calls.lock().unwrap();
            calls.push(name);
            calls.len()
        };
        let here = self.cut.filter(|cut| cut.call == number);
        if here.is_some_and(|cut| !cut.after) {
            self.reached.notify_one();
            pending::<()>().await;
        }
        let answer = call.await;
        if here.is_some() {
            self.reached.notify_one();
            pending::<()>().await;
        }
        answer
    }

    fn steps(&self) -> Vec<&'static str> {
        self.calls.lock().unwrap().clone()
    }
}

/// A port whose calls go through a [`Fault`].
struct Faulty<P: ?Sized> {
    port: Arc<P>,
    fault: Arc<Fault>,
}

#[async_trait]
impl Vault for Faulty<dyn Vault> {
    async fn put_once(
        &self,
        key: &str,
        bytes: Bytes,
        media_type: &str,
    ) -> Result<Receipt, VaultError> {
        let call = self.port.put_once(key, bytes, media_type);
        self.fault.step("put_once", call).await
    }

    async fn put_content(
        &self,
        source: &dyn Source,
        limit_bytes: u64,
    ) -> Result<Receipt, VaultError> {
        let call = self.port.put_content(source, limit_bytes);
        self.fault.step("put_content", call).await
    }

    async fn get(&self, key: &str) -> Result<Bytes, VaultError> {
        self.fault.step("get", self.port.get(key)).await
    }

    async fn open(&self, key: &str) -> Result<Opened, VaultError> {
        self.fault.step("open", self.port.open(key)).await
    }

    async fn holds(&self, key: &str) -> Result<bool, VaultError> {
        self.fault.step("holds", self.port.holds(key)).await
    }

    async fn list(&self, prefix: &str, limit: usize) -> Result<Vec<String>, VaultError> {
        self.fault.step("list", self.port.list(prefix, limit)).await
    }
}

#[async_trait]
impl Signer for Faulty<dyn Signer> {
    async fn sign(&self, message: &[u8]) -> Result<Signature, SignError> {
        self.fault.step("sign", self.port.sign(message)).await
    }

    async fn public_key_pem(&self) -> Result<String, SignError> {
        self.fault.step("key", self.port.public_key_pem()).await
    }
}

#[async_trait]
impl Queue for Faulty<dyn Queue> {
    async fn send(&self, works: &[Work]) -> Result<(), QueueError> {
        self.fault
            .step("send", async {
                self.fault.sent.lock().unwrap().extend_from_slice(works);
                self.port.send(works).await
            })
            .await
    }

    async fn try_again(&self, receipt_handle: &str, wait: std::time::Duration) {
        self.port.try_again(receipt_handle, wait).await;
    }
}

#[async_trait]
impl Notifier for Faulty<dyn Notifier> {
    async fn notify(&self, notice: &Notice) -> Result<(), String> {
        self.fault
            .step("notify", async {
                self.fault.told.fetch_add(1, Ordering::Relaxed);
                self.port.notify(notice).await
            })
            .await
    }
}

#[async_trait]
impl Investigations for Faulty<dyn Investigations> {
    async fn start(&self, case: &CaseId, window: Option<Window>) -> Result<(), String> {
        self.fault
            .step("start", self.port.start(case, window))
            .await
    }
}

/// An account whose events nobody answers but the responder in this process.
struct Stage {
    account: Account,
    config: aws_config::SdkConfig,
    settings: Settings,
    wiring: Wiring,
    role: String,
}

impl Stage {
    async fn set() -> Self {
        let account = Account::deployed(&[]);
        let lambda = account.lambda().await;
        let function = account.output("FunctionName");
        let mappings = lambda.list_event_source_mappings();
        let mappings = mappings.function_name(&function).send().await.unwrap();
        for mapping in mappings.event_source_mappings() {
            let update = lambda.update_event_source_mapping().enabled(false);
            let update = update.uuid(mapping.uuid().unwrap());
            update.send().await.unwrap();
        }
        let deployed = lambda.get_function_configuration();
        let deployed = deployed.function_name(&function).send().await.unwrap();
        let mut variables = deployed.environment().unwrap().variables().unwrap().clone();
        variables.insert("AWS_REGION".to_owned(), account.region.clone());
        variables.insert("AWS_LAMBDA_FUNCTION_NAME".to_owned(), function);
        let settings = Settings::from_env(variables.clone()).unwrap();
        let wiring = Wiring::from_env(variables).unwrap();
        // Only the function's own role may sign.
        let config = as_responder(&account).await;
        let role = account
            .role(
                &unique("crash-role"),
                &["xray:PutTraceSegments", "xray:PutTelemetryRecords"],
            )
            .await;
        Self {
            account,
            config,
            settings,
            wiring,
            role,
        }
    }

    fn responder(&self, fault: &Arc<Fault>) -> Responder {
        let clock: vault::Clock = Arc::new(jiff::Timestamp::now);
        let vault: Arc<dyn Vault> = Arc::new(self.wiring.sealing.vault(&self.config, &clock));
        let signer: Arc<dyn Signer> = Arc::new(self.wiring.sealing.signer(&self.config));
        let queue: Arc<dyn Queue> = Arc::new(SqsQueue {
            client: aws_sdk_sqs::Client::new(&self.config),
            url: self.wiring.queue_url.clone(),
        });
        let notifier: Arc<dyn Notifier> = Arc::new(SnsNotifier {
            client: aws_sdk_sns::Client::new(&self.config),
            topic_arn: self.wiring.topic_arn.clone(),
        });
        let investigations: Arc<dyn Investigations> = Arc::new(SfnInvestigations {
            client: aws_sdk_sfn::Client::new(&self.config),
            state_machine_arn: self.wiring.investigation_arn.clone(),
        });
        let fault = || Arc::clone(fault);
        Responder {
            vault: Arc::new(Faulty {
                port: vault,
                fault: fault(),
            }),
            signer: Arc::new(Faulty {
                port: signer,
                fault: fault(),
            }),
            clock,
            clouds: Clouds::of_aws(Regions::new(&self.config, &["us-east-1"])),
            queue: Arc::new(Faulty {
                port: queue,
                fault: fault(),
            }),
            notifier: Arc::new(Faulty {
                port: notifier,
                fault: fault(),
            }),
            investigations: Arc::new(Faulty {
                port: investigations,
                fault: fault(),
            }),
            baselines: Arc::new(SfnBaselines {
                client: aws_sdk_sfn::Client::new(&self.config),
                state_machine_arn: self.wiring.baseline_arn.clone(),
            }),
            watch: None,
            settings: self.settings.clone(),
        }
    }

    /// One attempt; none if it was cut off.
    async fn attempt(
        &self,
        fault: &Arc<Fault>,
        incoming: Incoming,
    ) -> Option<Result<Vec<Done>, RespondError>> {
        let responder = self.responder(fault);
        let attempt = Attempt {
            id: unique("attempt"),
            deadline: tokio::time::Instant::now() + Duration::from_secs(900),
        };
        tokio::select! {
            done = responder.handle(incoming, &attempt) => Some(done),
            () = fault.reached.notified() => None,
        }
    }

    /// A function of its own, which nobody has answered for yet.
    async fn function(&self) -> Victim {
        let victim = Victim {
            name: unique("crash"),
            role_name: String::new(),
            role: self.role.clone(),
        };
        self.account.create(&victim, |create| create).await;
        victim
    }

    /// Functions of their own, which nobody has answered for yet, each with the event of its making.
    async fn functions(&self, count: usize) -> Vec<(Victim, Value)> {
        let victims: Vec<Victim> = stream::iter(0..count)
            .map(|_| self.function())
            .buffered(8)
            .collect()
            .await;
        let mut made: BTreeMap<String, Value> = records_of(&self.account, "CreateFunction");
        victims
            .into_iter()
            .map(|victim| {
                let record = made.remove(&victim.name).unwrap();
                (victim, record)
            })
            .collect()
    }

    /// What came out of the queue.
    fn event(&self, record: &Value) -> Incoming {
        Incoming::read_text(&envelope(&self.account, record)).unwrap()
    }

    /// One case, sealed once and sound, with tracing turned on and somebody told.
    async fn is_dealt_with(&self, done: &[Done], told: usize, how: &str) {
        let account = &self.account;
        let [Done::Sealed { case_id: id, .. }] = done else {
            panic!("{how}: {done:?}");
        };
        let versions = versions(account, &keys::case(id)).await;
        let once = versions.values().all(|count| *count == 1);
        assert!(once, "{how}: {versions:?}");
        assert!(versions.contains_key(&keys::notified(id)), "{how}");
        assert_eq!(
            account.addenda(id, is_about_tracing).await.len(),
            1,
            "{how}"
        );
        assert!((1..=2).contains(&told), "{how}: told {told} times");
        let report = account.check(id).await;
        assert!(report.is_sound(), "{how}: {report}");
        let addendum = account.sealed(id, 1).await.unwrap();
        let last = &addendum.manifest().custody.last().unwrap().action;
        assert!(
            matches!(last, CustodyAction::TracingTurnedOn { .. }),
            "{how}: {last:?}"
        );
        let case = account.sealed(id, 0).await.unwrap();
        for acquisition in &case.manifest().acquisitions {
            assert!(
                !["failed", "denied", "partial"].contains(&acquisition.result.as_str()),
                "{how}: {acquisition:?}"
            );
        }
    }
}

/// The successful records of a call, by the function that it names.
fn records_of(account: &Account, base_event: &str) -> BTreeMap<String, Value> {
    let mut of = BTreeMap::new();
    for record in account.page("trail") {
        let name = record["eventName"].as_str().unwrap();
        if trail::base_name(name) != base_event || !record["errorCode"].is_null() {
            continue;
        }
        let function = record["requestParameters"]["functionName"]
            .as_str()
            .unwrap();
        let function = function.rsplit(':').next().unwrap().to_owned();
        let another = of.insert(function.clone(), record);
        assert!(another.is_none(), "{base_event} twice on {function}");
    }
    of
}

#[tokio::test]
async fn an_attempt_that_dies_at_any_step_leaves_a_case_that_the_next_one_finishes() {
    let stage = &Stage::set().await;
    let whole = Fault::new(None);
    let (_, record) = stage.functions(1).await.remove(0);
    let done = stage.attempt(&whole, stage.event(&record)).await;
    let told = whole.told.load(Ordering::Relaxed);
    stage
        .is_dealt_with(&done.unwrap().unwrap(), told, "whole")
        .await;
    let steps = whole.steps();
    assert!(steps.len() > 30, "{steps:?}");
    for port in ["put_once", "put_content", "get", "sign", "key", "notify"] {
        assert!(steps.contains(&port), "{port} in {steps:?}");
    }
    let cuts = (1..=steps.len()).flat_map(|call| [false, true].map(|after| Cut { call, after }));
    // A function each: tracing is turned on once in a function's life.
    let functions = stage.functions(2 * steps.len()).await;
    let names: Vec<&String> = functions.iter().map(|(victim, _)| &victim.name).collect();
    let died = stream::iter(cuts.zip(&functions))
        .map(|(cut, (_, record))| async move {
            let first = Fault::new(Some(cut));
            let died = stage.attempt(&first, stage.event(record)).await.is_none();
            let next = Fault::new(None);
            let done = stage.attempt(&next, stage.event(record)).await.unwrap();
            let how = format!("{cut:?} of {:?}", first.steps().last());
            let done = done.unwrap_or_else(|error| panic!("{how}: {error}"));
            let told = first.told.load(Ordering::Relaxed) + next.told.load(Ordering::Relaxed);
            stage.is_dealt_with(&done, told, &how).await;
            died
        })
        .buffer_unordered(8)
        .filter(|died| std::future::ready(*died))
        .count()
        .await;
    // Every step of the whole attempt was one at which another died, before it and after it.
    assert_eq!(died, 2 * steps.len());
    let traced = records_of(&stage.account, "UpdateFunctionConfiguration");
    assert!(names.iter().all(|name| traced.contains_key(*name)));
    let cases = stage.account.case_ids().await;
    assert_eq!(cases.len(), 1 + names.len());
    let uploads = stage.account.s3().await.list_multipart_uploads();
    let uploads = uploads
        .bucket(&stage.wiring.sealing.bucket)
        .send()
        .await
        .unwrap();
    assert!(uploads.uploads().is_empty());
}

#[tokio::test]
async fn an_event_on_many_functions_that_dies_at_any_step_ends_in_one_case_for_each() {
    let stage = &Stage::set().await;
    stage.functions(2).await;
    let (_, role) = stage.role.rsplit_once('/').unwrap();
    let mut cuts = (1..).flat_map(|call| [false, true].map(|after| Cut { call, after }));
    for ended in 0.. {
        let cut = cuts.next().unwrap();
        let put = stage.account.iam().await.put_role_policy().role_name(role);
        let put = put.policy_name("wider").policy_document(policy(&["s3:*"]));
        put.send().await.unwrap();
        let mut records = stage.account.page("trail");
        records.retain(|record| record["eventName"] == "PutRolePolicy");
        let record = records.pop().unwrap();
        let first = Fault::new(Some(cut));
        let died = stage.attempt(&first, stage.event(&record)).await.is_none();
        let next = Fault::new(None);
        let done = stage.attempt(&next, stage.event(&record)).await.unwrap();
        let done = done.unwrap();
        let spread = matches!(&done[..], [Done::SpreadOut { targets }] if targets.len() == 2);
        assert!(spread, "{done:?}");
        if !died {
            // Cut off before and after the messages were sent, at the least.
            assert!(ended >= 2, "{ended}");
            return;
        }
        // Whatever is in the queue, some of it twice, is one case for each function.
        let mut works = std::mem::take(&mut *first.sent.lock().unwrap());
        works.append(&mut next.sent.lock().unwrap());
        let mut cases = BTreeMap::<String, BTreeSet<String>>::new();
        for work in works {
            let work = Incoming::read_text(&work.to_message()).unwrap();
            let done = stage.attempt(&Fault::new(None), work).await;
            let [
                Done::Sealed {
                    case_id, target, ..
                },
            ] = &done.unwrap().unwrap()[..]
            else {
                panic!("{cut:?}");
            };
            let ids = cases.entry(target.clone()).or_default();
            ids.insert(case_id.to_string());
        }
        assert_eq!(cases.len(), 2, "{cut:?}");
        assert!(cases.values().all(|ids| ids.len() == 1), "{cases:?}");
    }
}

/// The running processes of the responder, seen through one that answered before.
fn processes(account: &Account) -> Vec<String> {
    let parent_of = |pid: &str| {
        let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
        let (name, rest) = stat.rsplit_once(") ")?;
        let parent = rest.split(' ').nth(1)?.to_owned();
        Some((name.split_once('(')?.1.to_owned(), parent))
    };
    let invocations = account.page("invocations");
    let pids = invocations.iter().filter_map(|line| line["pid"].as_u64());
    let Some((name, parent)) = pids
        .filter_map(|pid| parent_of(&pid.to_string()))
        .find(|(name, _)| name == "bootstrap")
    else {
        return Vec::new();
    };
    let all = std::fs::read_dir("/proc").unwrap();
    all.filter_map(|entry| entry.ok()?.file_name().into_string().ok())
        .filter(|pid| pid.bytes().all(|byte| byte.is_ascii_digit()))
        .filter(|pid| parent_of(pid).is_some_and(|found| found == (name.clone(), parent.clone())))
        .collect()
}

#[tokio::test]
async fn a_function_that_is_killed_while_it_acquires_is_followed_by_one_that_seals() {
    let account = Account::deployed(&[]);
    let s3 = account.s3().await;
    s3.create_bucket().bucket("deploys").send().await.unwrap();
    // Large enough that its copying can be caught in the act.
    let size = 80_000_000;
    let mut zip = package_bytes("slow");
    zip.splice(0..0, noise(size));
    let put = s3.put_object().bucket("deploys").key("slow.zip");
    put.body(ByteStream::from(zip)).send().await.unwrap();
    let victim = account.victim("killed").await;
    account.case_of(&victim.name, "CreateFunction").await;
    account.quiet().await;
    // What dies comes back after this time; sixteen minutes in the template.
    let queue = account.output("QueueUrl");
    let set = account.sqs().await.set_queue_attributes().queue_url(&queue);
    let set = set.attributes(QueueAttributeName::VisibilityTimeout, "12");
    set.send().await.unwrap();
    account.quiet().await;
    let before = account.case_ids().await;
    account.settled(&victim.name).await;
    let update = account.lambda().await.update_function_code();
    let update = update.function_name(&victim.name).s3_bucket("deploys");
    update.s3_key("slow.zip").send().await.unwrap();
    let vault = account.vault().await;
    let (account, before, vault) = (&account, &before, &vault);
    let id = account
        .until("a case that is being acquired", || async {
            let mut ids = account.case_ids().await;
            ids.retain(|id| !before.contains(id) && id.as_str().contains(&victim.name));
            ids.pop()
        })
        .await;
    let running = processes(account);
    assert!(!running.is_empty());
    let killed = Command::new("kill").arg("-KILL").args(&running).status();
    assert!(killed.unwrap().success());
    assert!(
        !vault.holds(&keys::manifest(&id, 0)).await.unwrap(),
        "killed too late"
    );
    let case = account.case_of(&victim.name, "UpdateFunctionCode").await;
    assert_eq!(case.manifest().case_id, id);
    let code = case
        .manifest()
        .exhibits()
        .find(|exhibit| exhibit.name == "function-code.zip")
        .unwrap();
    assert!(code.size_bytes > size as u64);
    let report = account.check(&id).await;
    assert!(report.is_sound(), "{report}");
    let died = account.page("invocations");
    assert!(died.iter().any(|line| line["outcome"] != "ok"), "{died:?}");
}

/// Bytes that do not compress, the same every time.
pub fn noise(size: usize) -> Vec<u8> {
    let mut state: u64 = 0x9e37_79b9_7f4a_7c15;
    let mut bytes = Vec::with_capacity(size + 8);
    while bytes.len() < size {
        // xorshift64: Marsaglia, 2003.
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        bytes.extend_from_slice(&state.to_le_bytes());
    }
    bytes.truncate(size);
    bytes
}
