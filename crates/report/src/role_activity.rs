//! What the function's role did, by service over time, what of it stands out, and who called what.

use crate::callers::{Callers, Mapping};
use crate::reading::{each_line, is_lines};
use crate::spread::{Spread, Spreading};
use evidence::{ArtifactKind, Exhibit, shown};
use jiff::Timestamp;
use serde::Serialize;
use std::cmp::Reverse;
use std::collections::{BTreeMap, HashSet};
use std::ops::ControlFlow;
use trail::{Mark, Record, Summary};
use vault::{Case, Vault, VaultError, exhibit_bytes};

/// How many services, and actions of all of them, are told apart.
const MOST_SERVICES: usize = 300;
const MOST_ACTIONS: usize = 5_000;
/// How many are told.
const TOLD_SERVICES: usize = 40;
const TOLD_ACTIONS: usize = 12;
const TOLD_MARKS: usize = 40;
/// How many records are known by their ids, so that one that is there twice counts once.
const MOST_KNOWN: usize = 400_000;

/// What the function's role did in the windows that were looked into.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct RoleActivity {
    /// Calls, failed ones included.
    pub calls: u64,
    /// Calls that failed.
    pub failed_calls: u64,
    /// The first call.
    pub first_at: Option<Timestamp>,
    /// The last call.
    pub last_at: Option<Timestamp>,
    /// The columns of `over_time`; none if nothing was called.
    pub spread: Option<Spread>,
    /// The most called first.
    pub services: Vec<ServiceCalls>,
    /// Services that are not listed.
    pub more_services: usize,
    /// What stands out, the worst first.
    pub marks: Vec<Mark>,
    /// Marks that are not listed.
    pub more_marks: u64,
    /// Who called what, from where: the role, and those who changed the function or what belongs to it.
    pub callers: Callers,
    /// The exhibits that hold all of it.
    pub exhibits: Vec<String>,
    /// What could not be read.
    pub gaps: Vec<String>,
}

/// What was called of one service.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct ServiceCalls {
    /// E.g. `s3`.
    pub service: String,
    /// Calls, failed ones included.
    pub calls: u64,
    /// Calls that failed.
    pub failed_calls: u64,
    /// The most called actions.
    pub actions: Vec<ActionCalls>,
    /// Actions that are not listed.
    pub more_actions: usize,
    /// Calls, and those of them that failed, by column.
    pub over_time: Vec<[u64; 2]>,
}

/// One action.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct ActionCalls {
    /// E.g. `GetObject`.
    pub action: String,
    /// Calls, failed ones included.
    pub calls: u64,
    /// Calls that failed.
    pub failed_calls: u64,
}

impl RoleActivity {
    /// Of all windows; none if no window was looked into. Memory is bounded, whatever was called.
    pub async fn read(vault: &dyn Vault, case: &Case) -> Result<Option<Self>, VaultError> {
        let acquired = |kind| {
            let manifests = case.manifests.iter();
            let all = manifests.flat_map(|manifest| &manifest.acquisitions);
            all.filter(move |acquisition| acquisition.request.artifact == kind)
        };
        let exhibits = |kind| acquired(kind).flat_map(|acquisition| &acquisition.exhibits);
        let lines = |kind| -> Vec<&Exhibit> { exhibits(kind).filter(|it| is_lines(it)).collect() };
        if acquired(ArtifactKind::RoleActivity).next().is_none()
            && acquired(ArtifactKind::AuditEvents).next().is_none()
        {
            return Ok(None);
        }
        let mut told = Self::default();
        let mut counting = Counting::default();
        let mut mapping = Mapping::around(&case.first().trigger);
        let mut known = HashSet::new();
        let mut unreadable = 0_u64;
        for kind in [ArtifactKind::RoleActivity, ArtifactKind::AuditEvents] {
            let parts = lines(kind);
            let names = parts.iter().map(|part| shown(&part.name, 100));
            told.exhibits.extend(names);
            let gaps = each_line(vault, parts, |line| {
                let Ok(json) = serde_json::from_slice(line.bytes) else {
                    unreadable += 1;
                    return ControlFlow::Continue(());
                };
                let json: serde_json::Value = json;
                // Other providers' logs are no records of CloudTrail: the timeline has them.
                if json.get("eventTime").is_none() && json.get("eventName").is_none() {
                    return ControlFlow::Continue(());
                }
                let record = Record::new(json);
                if is_known(&mut known, &record) {
                    return ControlFlow::Continue(());
                }
                mapping.add(&record);
                if kind == ArtifactKind::RoleActivity {
                    counting.add(&record);
                }
                ControlFlow::Continue(())
            });
            told.gaps.extend(gaps.await?);
        }
        if unreadable > 0 {
            told.gaps
                .push(format!("{unreadable} lines are no records of CloudTrail"));
        }
        if let Some(summary) = latest_summary(
            vault,
            &exhibits(ArtifactKind::RoleActivity).collect::<Vec<_>>(),
            &mut told.gaps,
        )
        .await?
        {
            let marks = summary.marks.len().saturating_sub(TOLD_MARKS) as u64;
            told.more_marks = summary.more_marks + marks;
            told.marks = summary.marks;
            told.marks.truncate(TOLD_MARKS);
            for mark in &mut told.marks {
                mark.statement = shown(&mark.statement, 600);
                mark.technique = mark.technique.as_deref().map(|text| shown(text, 40));
                mark.evidence.event_ids.clear();
            }
        }
        told.callers = mapping.map();
        told.gaps = crate::few(told.gaps, 20);
        told.exhibits = crate::few(told.exhibits, 50);
        counting.tell(&mut told);
        Ok(Some(told))
    }
}

/// Whether the same record was there before. Overlapping windows and questions bring some twice.
fn is_known(known: &mut HashSet<u64>, record: &Record) -> bool {
    let Some(id) = record.event_id() else {
        return false;
    };
    let digest = evidence::Sha256Digest::of(id);
    let mut mark = [0; 8];
    mark.copy_from_slice(&digest.as_bytes()[..8]);
    let mark = u64::from_le_bytes(mark);
    if known.len() >= MOST_KNOWN {
        return known.contains(&mark);
    }
    !known.insert(mark)
}

async fn latest_summary(
    vault: &dyn Vault,
    exhibits: &[&Exhibit],
    gaps: &mut Vec<String>,
) -> Result<Option<Summary>, VaultError> {
    let is_summary = |exhibit: &&&Exhibit| {
        exhibit.media_type == "application/json" && exhibit.name.ends_with("-summary")
    };
    // A later pass sums up what earlier ones brought as well.
    let Some(exhibit) = exhibits.iter().rev().find(is_summary) else {
        return Ok(None);
    };
    let why = match exhibit_bytes(vault, exhibit).await? {
        Ok(bytes) => match serde_json::from_slice(&bytes) {
            Ok(summary) => return Ok(Some(summary)),
            Err(error) => error.to_string(),
        },
        Err(fault) => fault.to_string(),
    };
    gaps.push(format!("{}: {why}", exhibit.name));
    Ok(None)
}

/// Calls by service, action and time.
#[derive(Default)]
struct Counting {
    calls: [u64; 2],
    ends: Option<(Timestamp, Timestamp)>,
    services: BTreeMap<String, [u64; 2]>,
    actions: BTreeMap<(String, String), [u64; 2]>,
    over_time: Option<Spreading<String, [u64; 2]>>,
}

impl Counting {
    fn add(&mut self, record: &Record) {
        let service = record.service().or_else(|| record.event_source());
        let mut service = shown(service.unwrap_or("unknown"), 60);
        let action = record.base_name().or_else(|| record.event_type());
        let action = shown(action.unwrap_or("unknown"), 100);
        if self.services.len() >= MOST_SERVICES && !self.services.contains_key(&service) {
            service = "others".to_owned();
        }
        let call = [1, u64::from(record.error_code().is_some())];
        add(&mut self.calls, call);
        add(self.services.entry(service.clone()).or_default(), call);
        if let Some(at) = record.occurred_at() {
            let (first, last) = self.ends.unwrap_or((at, at));
            self.ends = Some((first.min(at), last.max(at)));
            let over_time = self.over_time.get_or_insert_with(Spreading::new);
            over_time.add(service.clone(), at, call);
        }
        let key = (service, action);
        if self.actions.len() < MOST_ACTIONS || self.actions.contains_key(&key) {
            add(self.actions.entry(key).or_default(), call);
        }
    }

    fn tell(self, told: &mut RoleActivity) {
        [told.calls, told.failed_calls] = self.calls;
        told.first_at = self.ends.map(|(first, _)| first);
        told.last_at = self.ends.map(|(_, last)| last);
        told.spread = self.over_time.as_ref().and_then(Spreading::spread);
        let mut services: Vec<_> = self.services.into_iter().collect();
        services.sort_by_key(|(_, [calls, _])| Reverse(*calls));
        told.more_services = services.len().saturating_sub(TOLD_SERVICES);
        services.truncate(TOLD_SERVICES);
        for (service, [calls, failed_calls]) in services {
            let mut actions: Vec<ActionCalls> = (self.actions.iter())
                .filter(|((of, _), _)| *of == service)
                .map(|((_, action), [calls, failed_calls])| ActionCalls {
                    action: action.clone(),
                    calls: *calls,
                    failed_calls: *failed_calls,
                })
                .collect();
            actions.sort_by_key(|action| Reverse(action.calls));
            let more_actions = actions.len().saturating_sub(TOLD_ACTIONS);
            actions.truncate(TOLD_ACTIONS);
            let over_time = self.over_time.as_ref();
            told.services.push(ServiceCalls {
                over_time: over_time
                    .map(|over_time| over_time.columns(&service))
                    .unwrap_or_default(),
                service,
                calls,
                failed_calls,
                actions,
                more_actions,
            });
        }
    }
}

fn add(sum: &mut [u64; 2], call: [u64; 2]) {
    sum[0] += call[0];
    sum[1] += call[1];
}
