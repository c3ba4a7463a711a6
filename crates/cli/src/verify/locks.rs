//! What keeps a case's objects from being removed, as the bucket says it.

use super::{Found, Line};
use evidence::shown;
use futures_util::{StreamExt as _, stream};
use jiff::Timestamp;
use serde::Serialize;
use std::collections::BTreeSet;
use vault::{Hold, Report, Vault, VaultError};

/// How many objects are asked about at a time.
const AT_A_TIME: usize = 16;
/// The most objects of one case that are asked about.
const MOST: usize = 20_000;
/// The most objects that are told by name.
const MOST_TOLD: usize = 100;

/// The locks of one case's objects.
#[derive(Clone, Debug, Serialize)]
pub(super) struct Locks {
    /// How many objects the sealed case has.
    objects: u64,
    /// How many of them are locked now.
    pub(super) locked: u64,
    /// When the first lock ends.
    pub(super) earliest_until: Option<Timestamp>,
    /// How firmly: GOVERNANCE can be lifted by those who may, COMPLIANCE by nobody.
    pub(super) modes: BTreeSet<String>,
    /// Why some could not be asked about.
    pub(super) why_not_told: Option<String>,
    #[serde(skip)]
    open: Vec<(String, String)>,
}

impl Locks {
    /// Asks about every object of a sealed case.
    pub(super) async fn ask(vault: &dyn Vault, report: &Report, now: Timestamp) -> Self {
        let mut locks = Self {
            objects: report.sealed.len() as u64,
            locked: 0,
            earliest_until: None,
            modes: BTreeSet::new(),
            why_not_told: None,
            open: Vec::new(),
        };
        let keys = report.sealed.iter().take(MOST);
        let asked = keys.map(async |key| (key, vault.hold(key).await));
        let mut asked = std::pin::pin!(stream::iter(asked).buffered(AT_A_TIME));
        let (mut not_told, mut why) = (report.sealed.len().saturating_sub(MOST), None);
        while let Some((key, hold)) = asked.next().await {
            match hold {
                Ok(Hold::Until { mode, until }) if until > now => {
                    locks.locked += 1;
                    locks.modes.insert(shown(&mode, 40));
                    let earliest = locks.earliest_until.unwrap_or(until);
                    locks.earliest_until = Some(earliest.min(until));
                }
                Ok(Hold::Until { until, .. }) => {
                    let why = format!("its lock ended at {until}");
                    locks.open.push((key.clone(), why));
                }
                Ok(Hold::Unlocked | Hold::Nothing) => {
                    let why = "not locked: whoever may delete objects can remove it".to_owned();
                    locks.open.push((key.clone(), why));
                }
                // Said already where its bytes were to be read.
                Err(VaultError::NotFound { .. } | VaultError::BadKey { .. }) => {}
                Err(error) => {
                    not_told += 1;
                    why.get_or_insert_with(|| shown(&error.to_string(), 300));
                }
            }
        }
        if not_told > 0 {
            let why = why.unwrap_or_else(|| format!("more than {MOST} objects"));
            locks.why_not_told = Some(format!("locks of {not_told} objects: {why}"));
        }
        locks
    }

    /// What is not locked, by name.
    pub(super) fn lines(&self) -> Vec<Line> {
        let note = |file: &str, why: String| Line {
            file: shown(file, 1_000),
            what: "lock",
            result: Found::Note,
            why: Some(why),
        };
        let told = self.open.iter().take(MOST_TOLD);
        let mut lines: Vec<Line> = told.map(|(key, why)| note(key, why.clone())).collect();
        if self.open.len() > MOST_TOLD {
            let more = self.open.len() - MOST_TOLD;
            lines.push(note("…", format!("{more} more objects are not locked")));
        }
        lines
    }
}
