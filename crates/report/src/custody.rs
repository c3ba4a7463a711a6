//! Who did what with the evidence and the target, over all manifests.

use crate::word;
use evidence::{CustodyAction, shown};
use jiff::Timestamp;
use serde::Serialize;
use vault::Case;

/// The most lines that are told.
const MOST: usize = 2_000;

/// The chain of custody, in the order in which it was sealed.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Custody {
    /// Line by line.
    pub deeds: Vec<Deed>,
    /// How many more there are.
    pub more: usize,
}

/// One thing that was done.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Deed {
    /// When.
    pub occurred_at: Timestamp,
    /// The number of the manifest that says so.
    pub sequence: u32,
    /// Who.
    pub who: String,
    /// What: `evidence-acquired`.
    pub action: String,
    /// What, in words.
    pub what: String,
}

impl Custody {
    /// Of all manifests.
    pub fn of(case: &Case) -> Self {
        let manifests = case.manifests.iter();
        let mut deeds: Vec<Deed> = manifests
            .flat_map(|manifest| {
                manifest.custody.iter().map(|entry| Deed {
                    occurred_at: entry.occurred_at,
                    sequence: manifest.sequence,
                    who: shown(&entry.who, 300),
                    action: action(&entry.action),
                    what: shown(&what(&entry.action), 600),
                })
            })
            .collect();
        let more = deeds.len().saturating_sub(MOST);
        deeds.truncate(MOST);
        Self { deeds, more }
    }
}

fn action(action: &CustodyAction) -> String {
    let json = serde_json::to_value(action).unwrap_or_default();
    json.get("action").map(word).unwrap_or_default()
}

/// In words, with the revisions where the target itself was changed.
fn what(action: &CustodyAction) -> String {
    let words = action.words();
    match action {
        CustodyAction::TracingTurnedOn {
            revision_before,
            revision_after,
            mode_before,
            mode_after,
        } => format!(
            "{words}: {mode_before} → {mode_after}, revision {revision_before} → {revision_after}"
        ),
        CustodyAction::TracingAlreadyOn { revision } => format!("{words}, revision {revision}"),
        _ => words,
    }
}
