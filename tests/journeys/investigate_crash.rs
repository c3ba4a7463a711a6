//! Cut off anywhere, an investigation goes on where it stopped and ends in what it would have ended in.
//!
//! Every attempt is an investigator of its own on the same vault, as every invocation of the function is.
#![allow(clippy::unwrap_used, clippy::expect_used)]

use crate::investigate_window::{Stage, TIME_TO_SEAL, addendum, attempt, copy, messages, result};
use async_trait::async_trait;
use bytes::Bytes;
use collectors::{
    Concluded, Desk, Inquiry, Page, Reading, Surroundings as _, Task, conclude, read_on,
};
use evidence::{ArtifactKind, CustodyAction, Request, SealedCase, Sha256Digest, Window, keys};
use futures_util::StreamExt as _;
use futures_util::future::join_all;
use futures_util::stream;
use investigate::{Pass, Progress};
use jiff::SignedDuration;
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};
use std::future::pending;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;
use tokio::sync::Notify;
use vault::{MemoryVault, Opened, Receipt, Source, Vault, VaultError};

/// At which of a vault's calls an attempt is cut off, before or after it took effect.
#[derive(Clone, Copy, Debug)]
struct Cut {
    call: usize,
    after: bool,
}

/// A vault that counts its calls, and at one of them never answers.
struct Faulty {
    vault: Arc<MemoryVault>,
    cut: Option<Cut>,
    /// Whether only what was not there before counts.
    new_only: bool,
    calls: AtomicUsize,
    reached: Notify,
}

impl Faulty {
    fn new(vault: &Arc<MemoryVault>, cut: Option<Cut>, new_only: bool) -> Arc<Self> {
        Arc::new(Self {
            vault: vault.clone(),
            cut,
            new_only,
            calls: AtomicUsize::new(0),
            reached: Notify::new(),
        })
    }

    fn calls(&self) -> usize {
        self.calls.load(Ordering::Relaxed)
    }

    async fn call<T>(&self, new: bool, call: impl Future<Output = T>) -> T {
        // Others get their turn between any two calls, as they do where a vault is far away.
        tokio::task::yield_now().await;
        if self.new_only && !new {
            return call.await;
        }
        let number = self.calls.fetch_add(1, Ordering::Relaxed) + 1;
        // Whoever else comes to the vault while the attempt dies is too late as well.
        let here = self.cut.filter(|cut| cut.call <= number);
        if here.is_some_and(|cut| !cut.after || cut.call < number) {
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

    /// Does the work with this vault; none if it was cut off.
    async fn during<T>(&self, work: impl Future<Output = T>) -> Option<T> {
        tokio::select! {
            done = work => Some(done),
            () = self.reached.notified() => None,
        }
    }
}

#[async_trait]
impl Vault for Faulty {
    async fn put_once(&self, key: &str, bytes: Bytes, media: &str) -> Result<Receipt, VaultError> {
        let new = !self.vault.holds(key).await?;
        self.call(new, self.vault.put_once(key, bytes, media)).await
    }

    async fn put_content(&self, source: &dyn Source, limit: u64) -> Result<Receipt, VaultError> {
        self.call(true, self.vault.put_content(source, limit)).await
    }

    async fn get(&self, key: &str) -> Result<Bytes, VaultError> {
        self.call(false, self.vault.get(key)).await
    }

    async fn open(&self, key: &str) -> Result<Opened, VaultError> {
        self.call(false, self.vault.open(key)).await
    }

    async fn holds(&self, key: &str) -> Result<bool, VaultError> {
        self.call(false, self.vault.holds(key)).await
    }

    async fn list(&self, prefix: &str, limit: usize) -> Result<Vec<String>, VaultError> {
        self.call(false, self.vault.list(prefix, limit)).await
    }
}

/// A reading that counts the pages it is asked for.
struct Counted<'a> {
    reading: Box<dyn Reading + 'a>,
    asked: &'a AtomicUsize,
}

#[async_trait]
impl Reading for Counted<'_> {
    async fn page(&self, inquiry: &mut Inquiry<'_>, cursor: Option<&Value>) -> Page {
        self.asked.fetch_add(1, Ordering::Relaxed);
        self.reading.page(inquiry, cursor).await
    }
}

/// Reads one request to its end and concludes it.
async fn read(desk: &Desk, stage: &Stage, request: &Request, asked: &AtomicUsize) -> Concluded {
    let investigation = stage.investigation();
    let task = investigation.task("first", request);
    let readings = task.readings.into_iter();
    let task = Task {
        readings: readings
            .map(|reading| -> Box<dyn Reading> { Box::new(Counted { reading, asked }) })
            .collect(),
        ..task
    };
    assert!(read_on(desk, &task).await.unwrap());
    let observer = investigation.observer(request, &BTreeMap::new());
    conclude(desk, &task, &[], observer).await.unwrap().unwrap()
}

/// What an attempt made: each exhibit's name and digest, what came of it, what was noticed.
fn made(concluded: &Concluded) -> Value {
    json!([
        exhibits([&concluded.acquisition]),
        concluded.acquisition.result,
        concluded.findings,
        concluded.carry,
    ])
}

fn exhibits<'a>(
    acquisitions: impl IntoIterator<Item = &'a evidence::Acquisition>,
) -> BTreeMap<String, Sha256Digest> {
    let exhibits = acquisitions.into_iter().flat_map(|one| &one.exhibits);
    exhibits
        .map(|exhibit| (exhibit.name.clone(), exhibit.sha256))
        .collect()
}

/// Lines for six pages and more: what is over an hour apart begins a page of its own.
fn write_pages(stage: &Stage) {
    let at = |minutes| stage.window.since + SignedDuration::from_mins(minutes);
    let id = "3e0d0f3a-4f0e-4d0b-8a51-0f2b8f1e7c11";
    let lines = [
        (1, format!("START RequestId: {id} Version: $LATEST\n")),
        (2, "paid".to_owned()),
        (3, format!("END RequestId: {id}\n")),
        (
            4,
            format!(
                "REPORT RequestId: {id}\tDuration: 3.10 ms\tBilled Duration: 4 ms\tMemory Size: 128 MB\tMax Memory Used: 40 MB\t\n"
            ),
        ),
        (70, "sent".to_owned()),
        (140, "sent again".to_owned()),
        (210, "Traceback (most recent call last):".to_owned()),
        (280, "gone".to_owned()),
    ];
    stage.write(
        lines
            .iter()
            .map(|(minutes, line)| (at(*minutes), line.as_str())),
    );
}

#[tokio::test]
async fn a_reading_cut_off_at_any_call_goes_on_with_at_most_one_page_asked_for_twice_and_makes_the_same()
 {
    let stage = &Stage::set("us-east-1").await;
    write_pages(stage);
    let request = &stage.logs();
    let undisturbed = Faulty::new(&stage.vault().await, None, false);
    let pages = AtomicUsize::new(0);
    let whole = read(&stage.desk(undisturbed.clone()), stage, request, &pages).await;
    let (steps, pages) = (undisturbed.calls(), pages.into_inner());
    assert!(pages >= 6, "{pages}");
    // Each page is written, looked at, and merged, at the least.
    assert!(steps > 3 * pages, "{steps}");
    assert!(
        whole.acquisition.exhibits.len() >= 2,
        "{:?}",
        whole.acquisition.exhibits
    );
    let whole = &made(&whole);
    let cuts = (1..=steps).flat_map(|call| [false, true].map(|after| Cut { call, after }));
    let died = stream::iter(cuts)
        .map(|cut| async move {
            let vault = stage.vault().await;
            let asked = AtomicUsize::new(0);
            let first = Faulty::new(&vault, Some(cut), false);
            let cut_off = first
                .during(read(&stage.desk(first.clone()), stage, request, &asked))
                .await;
            let folder = keys::pages(&stage.case, "first", request);
            let there = vault.list(&folder, 100).await.unwrap();
            let there = there.iter().filter(|key| key.ends_with(".gz")).count();
            let wasted = asked.load(Ordering::Relaxed) - there;
            assert!(wasted <= 1, "{cut:?}: {wasted}");
            let done = read(&stage.desk(vault.clone()), stage, request, &asked).await;
            assert_eq!(made(&done), *whole, "{cut:?}");
            assert_eq!(asked.into_inner(), pages + wasted, "{cut:?}");
            for exhibit in &done.acquisition.exhibits {
                let bytes = vault.get(&exhibit.key).await.unwrap();
                assert_eq!(Sha256Digest::of(&bytes), exhibit.sha256, "{cut:?}");
            }
            usize::from(cut_off.is_none())
        })
        .buffer_unordered(8)
        .fold(0, |sum, died| std::future::ready(sum + died))
        .await;
    assert_eq!(died, 2 * steps);
}

/// Everything that an addendum says, but who made it, when and with how many calls.
fn content(addendum: &SealedCase) -> Value {
    let manifest = addendum.manifest();
    let results = manifest
        .acquisitions
        .iter()
        .map(|one| json!([one.request, one.result]));
    json!([
        exhibits(&manifest.acquisitions),
        results.collect::<Vec<_>>(),
        manifest.findings,
        manifest.sequence,
        manifest.previous_sha256,
    ])
}

#[tokio::test]
async fn an_investigation_killed_before_and_after_everything_it_writes_ends_in_the_same_one_addendum()
 {
    // Elsewhere, so that two Regions' trails are read one after the other.
    let stage = &Stage::set("eu-west-1").await;
    write_pages(stage);
    let at = |minutes| stage.window.since + SignedDuration::from_mins(minutes);
    let records = [-30, 10, 20, 30, 200]
        .map(|minutes| stage.of_session(at(minutes), &format!("r-{minutes}")));
    stage.record(&records);
    let elsewhere = {
        let mut record = stage.of_session(at(40), "in-us-east-1");
        record["awsRegion"] = json!("us-east-1");
        record
    };
    stage.record([&elsewhere]);
    // Two pages of four records.
    let short = json!({"service": "cloudtrail", "operation": "LookupEvents", "page_size": 2, "times": 1000});
    stage.account.tell("faults", [&short]);
    let wanted = [
        ArtifactKind::ExecutionLogs,
        ArtifactKind::RoleBaseline,
        ArtifactKind::RoleActivity,
    ];
    let step = &stage.step(Pass::First);
    let planned = stage.vault().await;
    stage.plan(&planned, step, &wanted).await;
    let planned = || copy(&*planned, &[""], |_, bytes| Some(bytes));
    let whole = Faulty::new(&planned().await, None, true);
    let undisturbed = content(&stage.finish(whole.clone(), step).await);
    let writes = whole.calls();
    // Pages, exhibits, conclusions, and what seals: manifest, digests, signature, key, envelope.
    assert!(writes > 20, "{writes}");

    let vault = planned().await;
    let mut killed = 0;
    let progress: Progress = loop {
        // Once before the first thing it adds, then after it: each pair of attempts leaves one more.
        let cut = Cut {
            call: 1,
            after: killed % 2 == 1,
        };
        let attempt_vault = Faulty::new(&vault, Some(cut), true);
        let investigator = stage.investigator(attempt_vault.clone());
        let attempt = attempt(Duration::from_secs(900));
        let done = attempt_vault
            .during(investigator.take(step.clone(), &attempt))
            .await;
        match done {
            Some(done) => break done.unwrap(),
            None => killed += 1,
        }
        assert!(killed <= 3 * writes, "it gets nowhere");
    };
    assert!(killed >= 2 * writes - 2, "{killed} of {writes}");
    let last = addendum(&*vault, &progress).await;
    assert_eq!(content(&last), undisturbed);
    assert!(!vault.holds(&keys::manifest(&stage.case, 3)).await.unwrap());
    stage.is_sound(&*vault).await;
    // Who comes after all is done is told of the same.
    let again = stage.finish(vault.clone(), step).await;
    assert_eq!(again, last);
    assert!(!vault.holds(&keys::manifest(&stage.case, 3)).await.unwrap());
}

#[tokio::test]
async fn a_step_whose_time_is_up_says_again_and_the_next_one_goes_on() {
    let stage = &Stage::set("us-east-1").await;
    write_pages(stage);
    let wanted = [ArtifactKind::ExecutionLogs];
    let step = stage.step(Pass::First);
    let vault = stage.vault().await;
    let whole = stage.pass(&vault, Pass::First, &wanted).await;
    let slow =
        json!({"service": "logs", "operation": "FilterLogEvents", "seconds": 0.15, "times": 1000});
    stage.account.tell("faults", [&slow]);
    let vault = stage.vault().await;
    stage.plan(&vault, &step, &wanted).await;
    let mut steps = 0;
    let progress = loop {
        steps += 1;
        // Enough for a page or two; more with every step, should the machine be slow.
        let time = TIME_TO_SEAL + Duration::from_millis(250) * steps;
        let investigator = stage.investigator(vault.clone());
        let progress = investigator
            .take(step.clone(), &attempt(time))
            .await
            .unwrap();
        if !progress.again {
            break progress;
        }
        assert_eq!((progress.concluded, progress.requests), (0, 1));
        assert!(progress.addendum.is_none() && progress.notice.is_none());
        assert!(!vault.holds(&keys::manifest(&stage.case, 2)).await.unwrap());
    };
    assert!(steps >= 3, "{steps}");
    let addendum = addendum(&*vault, &progress).await;
    assert_eq!(content(&addendum), content(&whole));
    stage.is_sound(&*vault).await;
}

#[tokio::test]
async fn steps_at_once_end_in_one_addendum_and_passes_at_once_in_one_each() {
    let stage = &Stage::set("us-east-1").await;
    write_pages(stage);
    let at = |minutes| stage.window.since + SignedDuration::from_mins(minutes);
    stage.record(&[10, 20].map(|minutes| stage.of_session(at(minutes), &format!("r-{minutes}"))));
    let wanted = [ArtifactKind::ExecutionLogs, ArtifactKind::RoleActivity];
    // Two windows, the second one's pass planned beside the first one's.
    let half = Window::new(stage.window.since, at(100)).unwrap();
    let steps = [stage.window, half].map(|window| {
        let mut step = stage.step(Pass::First);
        step.window = Some(window);
        step
    });
    let vault = stage.vault().await;
    for step in &steps {
        stage.plan(&vault, step, &wanted).await;
    }
    // Three attempts at the one, two at the other.
    let attempts = [0, 1, 0, 1, 0].map(|window| &steps[window]);
    let vault_of = |_| Faulty::new(&vault, None, false);
    let addenda = join_all(attempts.map(|step| stage.finish(vault_of(step), step))).await;
    assert_eq!(addenda[0], addenda[2]);
    assert_eq!(addenda[0], addenda[4]);
    assert_eq!(addenda[1], addenda[3]);
    let sequences = addenda.iter().map(|one| one.manifest().sequence);
    assert_eq!(sequences.collect::<BTreeSet<_>>(), BTreeSet::from([2, 3]));
    assert!(!vault.holds(&keys::manifest(&stage.case, 4)).await.unwrap());
    for (addendum, step) in addenda.iter().zip(attempts) {
        let windows = addendum
            .manifest()
            .custody
            .iter()
            .filter_map(|entry| match entry.action {
                CustodyAction::WindowCollected { window, .. } => Some(window),
                _ => None,
            });
        assert_eq!(windows.collect::<Vec<_>>(), [step.window.unwrap()]);
    }
    let all = messages(&*vault, &addenda[0], &stage.logs()).await;
    let some = messages(&*vault, &addenda[1], &stage.logs()).await;
    assert_eq!((all.len(), some.len()), (8, 5));
    assert_eq!(all[..5], some);
    for addendum in &addenda {
        let activity = result(addendum, &Request::whole(ArtifactKind::RoleActivity));
        assert_eq!(activity.result, evidence::Outcome::Acquired);
    }
    stage.is_sound(&*vault).await;

    // Nothing is planned yet: two draw up a plan at the same time and carry out the same one.
    let vault = stage.vault().await;
    let investigators = [0, 1].map(|_| stage.investigator(Faulty::new(&vault, None, false)));
    let mut step = stage.step(Pass::First);
    step.window = None;
    let short = attempt(TIME_TO_SEAL + Duration::from_millis(300));
    let both = join_all(
        investigators
            .iter()
            .map(|one| one.take(step.clone(), &short)),
    )
    .await;
    let both: Vec<Progress> = both.into_iter().map(Result::unwrap).collect();
    assert!(both.iter().all(|progress| progress.again));
    let folder = format!("windows/{}/", stage.case);
    let mut keys = vault.list(&folder, 1000).await.unwrap();
    keys.retain(|key| key.ends_with("plan.json"));
    assert_eq!(keys.len(), 1, "{keys:?}");
}
