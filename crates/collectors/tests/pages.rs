//! What is read page by page comes out whole, once and in order, however it was paged, cut off,
//! repeated or overtaken.
#![allow(clippy::unwrap_used, clippy::expect_used, missing_docs)]

use async_trait::async_trait;
use collectors::{
    Concluded, Desk, Entry, Inquiry, Observed, Observer, Page, Reading, Task, Unobserved, conclude,
    read_on,
};
use evidence::{ArtifactKind, Request, Target, keys};
use flate2::read::MultiGzDecoder;
use jiff::Timestamp;
use proptest::prelude::*;
use serde_json::{Value, json};
use std::io::Read as _;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;
use tokio::time::Instant;
use vault::{MemoryVault, Vault};

/// Pages that were drawn up beforehand.
struct Prepared<'a> {
    pages: &'a [Vec<Entry>],
    /// At this page it hangs for ever.
    hangs_at: Option<usize>,
    asked: &'a AtomicUsize,
}

#[async_trait]
impl Reading for Prepared<'_> {
    async fn page(&self, _inquiry: &mut Inquiry<'_>, cursor: Option<&Value>) -> Page {
        let number = cursor.and_then(Value::as_u64).unwrap_or(0) as usize;
        if self.hangs_at == Some(number) {
            std::future::pending::<()>().await;
        }
        self.asked.fetch_add(1, Ordering::Relaxed);
        Page {
            entries: self.pages.get(number).cloned().unwrap_or_default(),
            next: (number + 1 < self.pages.len()).then(|| json!(number + 1)),
        }
    }
}

struct Stage {
    vault: Arc<MemoryVault>,
    target: Target,
    request: Request,
    asked: AtomicUsize,
}

impl Stage {
    fn set() -> Self {
        let arn = "arn:aws:lambda:eu-west-1:111122223333:function:billing";
        Self {
            vault: Arc::default(),
            target: Target::from_arn(arn).unwrap(),
            request: Request::one(ArtifactKind::ExecutionLogs, "/aws/lambda/billing"),
            asked: AtomicUsize::new(0),
        }
    }

    fn desk(&self) -> Desk {
        let case = "20260102T030405Z-test-0000000000000000".parse().unwrap();
        let clock = Arc::new(|| "2026-01-02T03:04:05Z".parse().unwrap());
        Desk::new(self.vault.clone(), case, clock, u64::MAX)
    }

    fn task<'a>(
        &'a self,
        pass: &'a str,
        pages: &'a [Vec<Entry>],
        hangs_at: Option<usize>,
    ) -> Task<'a> {
        Task {
            target: &self.target,
            pass,
            request: &self.request,
            readings: vec![Box::new(Prepared {
                pages,
                hangs_at,
                asked: &self.asked,
            })],
        }
    }

    /// One whole pass.
    async fn pass(&self, pass: &str, earlier: &[String], pages: &[Vec<Entry>]) -> Concluded {
        let task = self.task(pass, pages, None);
        assert!(read_on(&self.desk(), &task).await.unwrap());
        self.conclude(&task, earlier).await
    }

    async fn conclude(&self, task: &Task<'_>, earlier: &[String]) -> Concluded {
        self.observed(task, earlier, Box::new(Unobserved)).await
    }

    async fn observed(
        &self,
        task: &Task<'_>,
        earlier: &[String],
        observer: Box<dyn Observer>,
    ) -> Concluded {
        let desk = self.desk();
        let concluded = conclude(&desk, task, earlier, observer).await;
        concluded.unwrap().unwrap()
    }

    /// The parts of an exhibit, one after the other, as one gzip file.
    async fn lines(&self, concluded: &Concluded) -> Vec<String> {
        let mut stored = Vec::new();
        for exhibit in &concluded.acquisition.exhibits {
            let bytes = self.vault.get(&exhibit.key).await.unwrap();
            assert_eq!(evidence::Sha256Digest::of(&bytes), exhibit.sha256);
            stored.extend_from_slice(&bytes);
        }
        if stored.is_empty() {
            return Vec::new();
        }
        let mut text = String::new();
        let mut file = MultiGzDecoder::new(stored.as_slice());
        file.read_to_string(&mut text).unwrap();
        text.lines().map(str::to_owned).collect()
    }
}

fn entry(second: i64, id: &str) -> Entry {
    let at = Timestamp::from_second(second).unwrap();
    Entry::new(at, id, format!("{{\"at\":{second},\"id\":{id:?}}}"))
}

fn run<T>(work: impl Future<Output = T>) -> T {
    let runtime = tokio::runtime::Builder::new_current_thread();
    let runtime = { runtime }.enable_all().build().unwrap();
    runtime.block_on(work)
}

/// Pages of entries in any order, some of them twice or on several pages, some pages empty.
fn pages() -> impl Strategy<Value = Vec<Vec<Entry>>> {
    let one = (0..40_i64, 0..6_u8).prop_map(|(second, id)| entry(second, &id.to_string()));
    prop::collection::vec(prop::collection::vec(one, 0..8), 1..12)
}

fn expected(pages: &[Vec<Entry>]) -> Vec<String> {
    let mut entries: Vec<&Entry> = pages.iter().flatten().collect();
    entries.sort();
    entries.dedup();
    entries.into_iter().map(|entry| entry.raw.clone()).collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn every_entry_comes_out_once_and_in_order(pages in pages()) {
        run(async {
            let stage = Stage::set();
            let concluded = stage.pass("first", &[], &pages).await;
            assert_eq!(stage.lines(&concluded).await, expected(&pages));
            let outcome = concluded.acquisition.result.as_str();
            let empty = pages.iter().all(Vec::is_empty);
            assert_eq!(outcome, if empty { "absent" } else { "acquired" });
        });
    }

    #[test]
    fn cut_off_at_any_page_it_ends_in_the_same_bytes(pages in pages(), at in 0..12_usize) {
        run(async {
            let undisturbed = Stage::set();
            let whole = undisturbed.pass("first", &[], &pages).await;
            let cut = Stage::set();
            let hanging = cut.task("first", &pages, Some(at % pages.len()));
            let soon = cut.desk().until(Instant::now() + Duration::from_millis(20));
            assert!(!read_on(&soon, &hanging).await.unwrap());
            let resumed = cut.pass("first", &[], &pages).await;
            assert_eq!(resumed, whole);
            // What was read stays read: each page is asked for once, the one it hung at again.
            assert_eq!(cut.asked.load(Ordering::Relaxed), pages.len());
        });
    }

    #[test]
    fn a_second_pass_brings_what_the_first_did_not(pages in pages(), late in pages()) {
        run(async {
            let stage = Stage::set();
            stage.pass("first", &[], &pages).await;
            let all: Vec<Vec<Entry>> = pages.iter().chain(&late).cloned().collect();
            let second = stage.pass("second", &["first".to_owned()], &all).await;
            let before = expected(&pages);
            let mut new = expected(&all);
            new.retain(|line| !before.contains(line));
            assert_eq!(stage.lines(&second).await, new);
        });
    }
}

#[tokio::test]
async fn a_large_exhibit_is_cut_into_parts_that_are_one_gzip_file_together() {
    let stage = Stage::set();
    // Digests do not compress.
    let line = |n: i64| {
        let noise: String = (0..16)
            .map(|k| evidence::Sha256Digest::of(format!("{n} {k}")).to_string())
            .collect();
        Entry::new(
            Timestamp::from_second(n).unwrap(),
            "",
            format!("{n} {noise}"),
        )
    };
    let pages: Vec<Vec<Entry>> = (0..12)
        .map(|page| (page * 1000..page * 1000 + 1000).map(line).collect())
        .collect();
    let concluded = stage.pass("first", &[], &pages).await;
    assert_eq!(concluded.acquisition.exhibits.len(), 2);
    let names: Vec<&str> = concluded
        .acquisition
        .exhibits
        .iter()
        .map(|e| e.name.as_str())
        .collect();
    assert!(
        names[0].ends_with("-0001") && names[1].ends_with("-0002"),
        "{names:?}"
    );
    assert_eq!(stage.lines(&concluded).await, expected(&pages));
}

#[tokio::test]
async fn more_pages_at_a_time_than_can_be_open_lose_nothing_and_are_told() {
    let stage = Stage::set();
    let pages: Vec<Vec<Entry>> = (0..300)
        .map(|page| {
            vec![
                entry(0, &format!("{page:03}-a")),
                entry(9, &format!("{page:03}-b")),
            ]
        })
        .collect();
    let concluded = stage.pass("first", &[], &pages).await;
    let mut lines = stage.lines(&concluded).await;
    lines.sort();
    let mut wanted = expected(&pages);
    wanted.sort();
    assert_eq!(lines, wanted);
    let why = concluded.acquisition.result.why().unwrap();
    assert!(why.contains("256 pages overlap"), "{why}");
}

#[tokio::test]
async fn of_two_attempts_at_once_the_first_page_written_stands() {
    let stage = Stage::set();
    let pages = [
        vec![entry(1, "a")],
        vec![entry(2, "b")],
        vec![entry(3, "c")],
    ];
    let task = stage.task("first", &pages, None);
    let desk = stage.desk();
    let (one, other) = tokio::join!(read_on(&desk, &task), read_on(&desk, &task));
    assert!(one.unwrap() && other.unwrap());
    let folder = keys::pages(desk.case(), "first", &stage.request);
    assert_eq!(stage.vault.list(&folder, 100).await.unwrap().len(), 3);
    let concluded = stage.conclude(&task, &[]).await;
    assert_eq!(stage.lines(&concluded).await, expected(&pages));
}

#[tokio::test]
async fn a_line_that_spans_lines_is_one_line() {
    let stage = Stage::set();
    let at = Timestamp::from_second(1).unwrap();
    let pages = [vec![
        Entry::new(at, "1", "{\n  \"a\": 1\r\n}".to_owned()),
        Entry::new(at, "2", "no JSON\nat all".to_owned()),
        Entry::new(at, "an id\nwith spaces", "{}".to_owned()),
    ]];
    let concluded = stage.pass("first", &[], &pages).await;
    let mut lines = stage.lines(&concluded).await;
    lines.sort();
    assert_eq!(lines, ["\"no JSON\\nat all\"", "{\"a\":1}", "{}"]);
}

/// Counts, and makes a row of every other entry.
#[derive(Default)]
struct Counting(u64, u64);

impl Observer for Counting {
    fn see(&mut self, entry: &Entry, is_new: bool, rows: &mut Vec<String>) {
        self.0 += 1;
        self.1 += u64::from(is_new);
        if is_new && self.1 % 2 == 1 {
            rows.push(json!({ "row": entry.id }).to_string());
        }
    }

    fn conclude(self: Box<Self>, rows: &mut Vec<String>) -> Observed {
        rows.push(json!("the end").to_string());
        Observed {
            documents: vec![("summary", json!({ "all": self.0, "new": self.1 }))],
            ..Observed::default()
        }
    }

    fn table(&self) -> Option<&'static str> {
        Some("rows")
    }
}

#[tokio::test]
async fn an_observer_sees_old_and_new_and_leaves_a_table_and_a_document() {
    let stage = Stage::set();
    stage.pass("first", &[], &[vec![entry(1, "a")]]).await;
    let pages = [vec![entry(1, "a"), entry(2, "b"), entry(3, "c")]];
    let task = stage.task("second", &pages, None);
    assert!(read_on(&stage.desk(), &task).await.unwrap());
    let earlier = ["first".to_owned()];
    let observer = Box::new(Counting::default());
    let concluded = stage.observed(&task, &earlier, observer).await;
    let exhibits = &concluded.acquisition.exhibits;
    let names: Vec<&str> = exhibits
        .iter()
        .map(|exhibit| exhibit.name.as_str())
        .collect();
    let base = names[0].strip_suffix("-0001").unwrap();
    assert_eq!(names[1], format!("{base}-rows-0001"));
    assert_eq!(names[2], format!("{base}-summary"));
    let summary = stage.vault.get(&exhibits[2].key).await.unwrap();
    assert_eq!(&summary[..], br#"{"all":3,"new":2}"#);
    let again = stage.conclude(&task, &earlier).await;
    assert_eq!(again, concluded, "the first conclusion stands");
}
