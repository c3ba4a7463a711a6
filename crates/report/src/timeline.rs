//! Everything in a case that has a time, in order: as the latest examination drew it, and what was
//! sealed since.

use crate::reading::{Line, each_line, is_lines};
use evidence::{
    ArtifactKind, CustodyAction, Exhibit, Manifest, Severity, TimelineEntry, TimelineSource, shown,
};
use jiff::Timestamp;
use serde::{Serialize, Serializer};
use std::cmp::Reverse;
use std::collections::{BinaryHeap, HashSet};
use std::ops::ControlFlow;
use std::sync::Arc;
use vault::{Case, Vault, VaultError};

/// The most entries that are written as JSON: the most telling.
pub(crate) const MOST_IN_JSON: usize = 10_000;

/// The most distinct names that are kept once.
const MOST_NAMES: usize = 50_000;

/// Gives every entry of a case's timeline to `each`, in order of time but for the few that were sealed
/// after the latest examination, which come last. Answers what could not be read, in words. Entries may
/// say anything: show them with [`evidence::shown`].
///
/// Memory does not grow with the timeline. Before a case was examined, it is what its manifests say.
pub async fn timeline(
    vault: &dyn Vault,
    case: &Case,
    mut each: impl FnMut(TimelineEntry) -> ControlFlow<()> + Send,
) -> Result<Vec<String>, VaultError> {
    let (parts, after) = drawn(case);
    let mut unreadable = 0_u64;
    let mut is_done = false;
    let mut gaps = each_line(
        vault,
        parts,
        |line: Line<'_>| match serde_json::from_slice(line.bytes) {
            Ok(entry) => {
                let flow = each(entry);
                is_done = flow.is_break();
                flow
            }
            Err(_) => {
                unreadable += 1;
                ControlFlow::Continue(())
            }
        },
    )
    .await?;
    if unreadable > 0 {
        gaps.push(format!("{unreadable} lines of the timeline are no entries"));
    }
    let later = after.iter().flat_map(told);
    if !is_done {
        for entry in later {
            if each(entry).is_break() {
                break;
            }
        }
    }
    Ok(gaps)
}

/// The parts of the latest timeline, and the manifests that were sealed after it was drawn.
fn drawn(case: &Case) -> (Vec<&Exhibit>, &[Manifest]) {
    for (place, manifest) in case.manifests.iter().enumerate().rev() {
        let parts: Vec<&Exhibit> = (manifest.acquisitions.iter())
            .filter(|acquisition| acquisition.request.artifact == ArtifactKind::Examination)
            .flat_map(|acquisition| &acquisition.exhibits)
            .filter(|exhibit| is_lines(exhibit) && exhibit.name.starts_with("timeline-"))
            .collect();
        if !parts.is_empty() {
            return (parts, &case.manifests[place..]);
        }
    }
    (Vec::new(), &case.manifests)
}

/// What a manifest says by itself. Findings of an examination are in the timeline that it drew.
fn told(manifest: &Manifest) -> Vec<TimelineEntry> {
    let mut entries = Vec::new();
    if manifest.sequence == 0 {
        entries.push(TimelineEntry::of_trigger(manifest));
    }
    entries.extend(TimelineEntry::of_custody(manifest));
    let is_examined = (manifest.custody.iter())
        .any(|entry| matches!(entry.action, CustodyAction::Examined { .. }));
    if !is_examined {
        let findings = manifest.findings.iter();
        entries
            .extend(findings.map(|finding| TimelineEntry::of_finding(finding, manifest.sealed_at)));
    }
    entries
}

/// The timeline as a report holds it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Timeline {
    /// In order of time.
    pub items: Vec<TimelineItem>,
    /// How many entries there are in all. Where they are more than `items`, the least telling ones
    /// furthest from the trigger are left out.
    pub told: u64,
    /// The exhibits that hold all of them.
    pub exhibits: Vec<String>,
    /// What could not be read.
    pub gaps: Vec<String>,
}

/// One entry, bounded and fit to be shown; what repeats is kept once.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct TimelineItem {
    /// When.
    pub occurred_at: Timestamp,
    /// Where it is from.
    pub source: TimelineSource,
    /// How bad.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub severity: Option<Severity>,
    /// What happened.
    pub what: Box<str>,
    /// Who did it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub who: Option<Name>,
    /// From which address.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub from: Option<Name>,
    /// The exhibit that says so.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub exhibit: Option<Name>,
    /// Its line there, counted from 1.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub line: Option<u64>,
    /// CloudTrail's id of the event, Lambda's of the request.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub id: Option<Box<str>>,
}

/// A name that many entries share.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Name(Arc<str>);

impl Name {
    /// As text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl Serialize for Name {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.0)
    }
}

impl Serialize for Timeline {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        #[derive(Serialize)]
        struct Written<'a> {
            told: u64,
            listed: usize,
            exhibits: &'a [String],
            gaps: &'a [String],
            items: Vec<&'a TimelineItem>,
        }
        let items = self.telling(MOST_IN_JSON);
        Written {
            told: self.told,
            listed: items.len(),
            exhibits: &self.exhibits,
            gaps: &self.gaps,
            items,
        }
        .serialize(serializer)
    }
}

impl Timeline {
    /// Reads at most `most` entries: where there are more, the most telling, and of those that tell as
    /// much the nearest to the trigger.
    pub async fn read(vault: &dyn Vault, case: &Case, most: usize) -> Result<Self, VaultError> {
        let around = case.first().trigger.occurred_at();
        let mut kept: BinaryHeap<Ranked> = BinaryHeap::new();
        let mut names = Names::default();
        let mut told = 0_u64;
        let gaps = timeline(vault, case, |entry| {
            told += 1;
            let rank = rank(entry.source, entry.severity, entry.occurred_at, around);
            if kept.len() >= most {
                match kept.peek() {
                    Some(worst) if worst.rank > rank => {
                        kept.pop();
                    }
                    _ => return ControlFlow::Continue(()),
                }
            }
            let item = names.item(entry);
            let number = told;
            kept.push(Ranked { rank, number, item });
            ControlFlow::Continue(())
        })
        .await?;
        let mut kept = kept.into_vec();
        kept.sort_unstable_by_key(|ranked| (ranked.item.occurred_at, ranked.number));
        let (parts, _) = drawn(case);
        Ok(Self {
            items: kept.into_iter().map(|ranked| ranked.item).collect(),
            told,
            exhibits: parts.iter().map(|part| shown(&part.name, 100)).collect(),
            gaps: crate::few(gaps, 20),
        })
    }

    /// The most telling entries, at most so many, in order of time.
    pub fn telling(&self, most: usize) -> Vec<&TimelineItem> {
        if self.items.len() <= most {
            return self.items.iter().collect();
        }
        let trigger = |item: &&TimelineItem| item.source == TimelineSource::Trigger;
        let around = self.items.iter().find(trigger).map(|item| item.occurred_at);
        let around = around.unwrap_or_default();
        let mut ranked: Vec<(Rank, usize)> = (self.items.iter().enumerate())
            .map(|(place, item)| {
                let rank = rank(item.source, item.severity, item.occurred_at, around);
                (rank, place)
            })
            .collect();
        ranked.sort_unstable();
        ranked.truncate(most);
        let mut places: Vec<usize> = ranked.into_iter().map(|(_, place)| place).collect();
        places.sort_unstable();
        let items = places.into_iter().filter_map(|place| self.items.get(place));
        items.collect()
    }
}

/// The less, the more telling: how much it tells, then how far it is from the trigger, in milliseconds.
type Rank = (Reverse<u8>, u64);

fn rank(
    source: TimelineSource,
    severity: Option<Severity>,
    at: Timestamp,
    around: Timestamp,
) -> Rank {
    let by_source = match source {
        TimelineSource::Trigger => 9,
        TimelineSource::Deployment | TimelineSource::Baseline => 5,
        TimelineSource::Finding => 4,
        TimelineSource::AuditEvents | TimelineSource::Custody => 3,
        TimelineSource::RoleActivity | TimelineSource::Acquisition => 2,
        TimelineSource::Invocation => 1,
    };
    let by_severity = match severity {
        Some(Severity::Critical) => 8,
        Some(Severity::High) => 7,
        Some(Severity::Medium) => 6,
        Some(Severity::Low | Severity::Info) | None => 0,
    };
    let apart = at.as_millisecond().abs_diff(around.as_millisecond());
    (Reverse(by_source.max(by_severity)), apart)
}

struct Ranked {
    rank: Rank,
    number: u64,
    item: TimelineItem,
}

impl Ord for Ranked {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        (&self.rank, self.number).cmp(&(&other.rank, other.number))
    }
}

impl PartialOrd for Ranked {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for Ranked {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other).is_eq()
    }
}

impl Eq for Ranked {}

/// Names that are kept once.
#[derive(Default)]
struct Names(HashSet<Arc<str>>);

impl Names {
    fn item(&mut self, entry: TimelineEntry) -> TimelineItem {
        let text = |text: &str| shown(text, TimelineEntry::LONGEST);
        TimelineItem {
            occurred_at: entry.occurred_at,
            source: entry.source,
            severity: entry.severity,
            what: text(&entry.what).into_boxed_str(),
            who: entry.who.map(|who| self.name(text(&who))),
            from: entry.from.map(|from| self.name(text(&from))),
            exhibit: entry.exhibit.map(|exhibit| self.name(text(&exhibit))),
            line: entry.line,
            id: entry.id.map(|id| shown(&id, 64).into_boxed_str()),
        }
    }

    fn name(&mut self, text: String) -> Name {
        if let Some(known) = self.0.get(text.as_str()) {
            return Name(known.clone());
        }
        let name: Arc<str> = text.into();
        if self.0.len() < MOST_NAMES {
            self.0.insert(name.clone());
        }
        Name(name)
    }
}
