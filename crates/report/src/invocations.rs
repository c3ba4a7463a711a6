//! How often the function ran, how long, and how it ended, over time: by the invocations that its logs
//! tell of.

use crate::reading::{each_line, is_lines};
use crate::spread::{Spread, Spreading, Together};
use evidence::{ArtifactKind, Exhibit, shown};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use std::cmp::Reverse;
use std::collections::BTreeMap;
use std::ops::ControlFlow;
use vault::{Case, Vault, VaultError};

/// How many invocations that failed, and how many others that took longest, are told one by one.
const MOST_FAILED: usize = 30;
const MOST_SLOW: usize = 10;

/// What the logs tell of invocations. A log can be forged by whoever holds the role's credentials.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Invocations {
    /// How many.
    pub invocations: u64,
    /// How many ended in an error, a failure or a timeout.
    pub failed: u64,
    /// How many began a new environment.
    pub cold_starts: u64,
    /// How many have no end in the log.
    pub without_end: u64,
    /// How many carry signs of a forged log.
    pub ambiguous: u64,
    /// The first.
    pub first_at: Option<Timestamp>,
    /// The last.
    pub last_at: Option<Timestamp>,
    /// The longest, in milliseconds.
    pub longest_ms: u64,
    /// The columns of `over_time`; none if there are no invocations.
    pub spread: Option<Spread>,
    /// By column: how many, how many of them failed, the mean and the longest duration in milliseconds.
    pub over_time: Vec<[u64; 4]>,
    /// Those that failed, nearest to the trigger, and those that took longest.
    pub notable: Vec<Invocation>,
    /// The exhibits that hold all of them.
    pub exhibits: Vec<String>,
    /// What could not be read.
    pub gaps: Vec<String>,
}

/// One invocation.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Invocation {
    /// When it began, or its first line.
    pub started_at: Timestamp,
    /// Lambda's id of the request.
    pub request_id: String,
    /// The version that ran.
    pub version: Option<String>,
    /// `success`, `error`, `failure`, `timeout`; none where it has no end.
    pub status: Option<String>,
    /// In Lambda's words.
    pub error: Option<String>,
    /// How long it took, in milliseconds.
    pub duration_ms: Option<u64>,
    /// Whether it began a new environment.
    pub cold_start: bool,
    /// Whether it carries signs of a forged log.
    pub ambiguous: bool,
    /// The exhibit that says so.
    pub exhibit: String,
    /// Its line there, counted from 1.
    pub line: u64,
}

/// A row of the table, as far as it is told.
#[derive(Deserialize)]
struct Row {
    #[serde(default)]
    request_id: String,
    version: Option<String>,
    started_at: Option<Timestamp>,
    first_line_at: Option<Timestamp>,
    duration_ms: Option<f64>,
    #[serde(default)]
    cold_start: bool,
    status: Option<String>,
    error: Option<String>,
    init_error: Option<String>,
    #[serde(default)]
    ambiguous: bool,
}

impl Invocations {
    /// Of all windows and log groups; none if no log was read. Memory is bounded.
    pub async fn read(vault: &dyn Vault, case: &Case) -> Result<Option<Self>, VaultError> {
        let manifests = case.manifests.iter();
        let acquisitions = manifests.flat_map(|manifest| &manifest.acquisitions);
        let parts: Vec<&Exhibit> = acquisitions
            .filter(|acquisition| acquisition.request.artifact == ArtifactKind::ExecutionLogs)
            .flat_map(|acquisition| &acquisition.exhibits)
            .filter(|exhibit| is_table(exhibit))
            .collect();
        if parts.is_empty() {
            return Ok(None);
        }
        let around = case.first().trigger.occurred_at();
        let mut told = Self {
            exhibits: parts.iter().map(|part| shown(&part.name, 100)).collect(),
            ..Self::default()
        };
        let mut over_time: Spreading<(), Column> = Spreading::new();
        let mut failed: Best<(u64, u64)> = Best::new(MOST_FAILED);
        let mut slow: Best<(Reverse<u64>, u64)> = Best::new(MOST_SLOW);
        let mut unreadable = 0_u64;
        let mut number = 0_u64;
        let gaps = each_line(vault, parts, |line| {
            let row = serde_json::from_slice(line.bytes).ok();
            let row = row.and_then(|row: Row| Some((row.started_at.or(row.first_line_at)?, row)));
            let Some((at, row)) = row else {
                unreadable += 1;
                return ControlFlow::Continue(());
            };
            number += 1;
            let is_failed = row
                .status
                .as_deref()
                .is_some_and(|status| status != "success")
                || row.error.is_some();
            let duration_ms = row.duration_ms.map(|ms| ms.clamp(0.0, 1e9) as u64);
            told.count(&row, at, is_failed, duration_ms.unwrap_or_default());
            over_time.add(
                (),
                at,
                Column {
                    invocations: 1,
                    failed: u64::from(is_failed),
                    sum_ms: duration_ms.unwrap_or_default(),
                    longest_ms: duration_ms.unwrap_or_default(),
                },
            );
            let apart = (at.as_millisecond()).abs_diff(around.as_millisecond());
            let slowness = Reverse(duration_ms.unwrap_or_default());
            let one = || invocation(&row, at, duration_ms, line.exhibit, line.number);
            if is_failed {
                failed.offer((apart, number), one);
            } else if duration_ms.is_some() {
                slow.offer((slowness, number), one);
            }
            ControlFlow::Continue(())
        })
        .await?;
        told.gaps = crate::few(gaps, 20);
        if unreadable > 0 {
            let why = format!("{unreadable} lines that have no time or are no invocations");
            told.gaps.push(why);
        }
        told.exhibits = crate::few(told.exhibits, 50);
        told.spread = over_time.spread();
        told.over_time = (over_time.columns(&()).iter())
            .map(|column| {
                let mean_ms = column.sum_ms / column.invocations.max(1);
                [
                    column.invocations,
                    column.failed,
                    mean_ms,
                    column.longest_ms,
                ]
            })
            .collect();
        told.notable = failed.all().chain(slow.all()).collect();
        told.notable
            .sort_by(|a, b| (a.started_at, &a.request_id).cmp(&(b.started_at, &b.request_id)));
        Ok(Some(told))
    }

    fn count(&mut self, row: &Row, at: Timestamp, is_failed: bool, duration_ms: u64) {
        self.invocations += 1;
        self.failed += u64::from(is_failed);
        self.cold_starts += u64::from(row.cold_start);
        self.without_end += u64::from(row.status.is_none());
        self.ambiguous += u64::from(row.ambiguous);
        self.first_at = Some(self.first_at.map_or(at, |first| first.min(at)));
        self.last_at = Some(self.last_at.map_or(at, |last| last.max(at)));
        self.longest_ms = self.longest_ms.max(duration_ms);
    }
}

/// Lines of a log are `execution-logs-GROUP-PASS-0001`, its invocations
/// `execution-logs-GROUP-PASS-invocations-0001`.
fn is_table(exhibit: &Exhibit) -> bool {
    let name = exhibit.name.rsplit_once('-').map(|(name, _)| name);
    is_lines(exhibit) && name.is_some_and(|name| name.ends_with("-invocations"))
}

fn invocation(
    row: &Row,
    started_at: Timestamp,
    duration_ms: Option<u64>,
    exhibit: &Exhibit,
    line: u64,
) -> Invocation {
    let text = |text: &Option<String>| text.as_deref().map(|text| shown(text, 200));
    Invocation {
        started_at,
        request_id: shown(&row.request_id, 64),
        version: text(&row.version),
        status: text(&row.status),
        error: text(&row.error).or_else(|| text(&row.init_error)),
        duration_ms,
        cold_start: row.cold_start,
        ambiguous: row.ambiguous,
        exhibit: shown(&exhibit.name, 100),
        line,
    }
}

/// One column.
#[derive(Clone, Copy, Default)]
struct Column {
    invocations: u64,
    failed: u64,
    sum_ms: u64,
    longest_ms: u64,
}

impl Together for Column {
    fn add(&mut self, other: Self) {
        self.invocations += other.invocations;
        self.failed += other.failed;
        self.sum_ms = self.sum_ms.saturating_add(other.sum_ms);
        self.longest_ms = self.longest_ms.max(other.longest_ms);
    }
}

/// The few with the least rank.
struct Best<R> {
    most: usize,
    kept: BTreeMap<R, Invocation>,
}

impl<R: Ord + Copy> Best<R> {
    const fn new(most: usize) -> Self {
        Self {
            most,
            kept: BTreeMap::new(),
        }
    }

    fn offer(&mut self, rank: R, item: impl FnOnce() -> Invocation) {
        if self.kept.len() >= self.most {
            match self.kept.last_key_value() {
                Some((worst, _)) if *worst > rank => self.kept.pop_last(),
                _ => return,
            };
        }
        self.kept.insert(rank, item());
    }

    fn all(self) -> impl Iterator<Item = Invocation> {
        self.kept.into_values()
    }
}
