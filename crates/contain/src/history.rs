//! What custody says of containments: which there were, how far each got, which are released.

use crate::aspect::{Aspect, State};
use crate::plan::{Step, undo};
use evidence::{CustodyAction, TargetChange};
use serde_json::Value;
use vault::Case;

/// One containment of a case.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Containment {
    /// Counted from 1.
    pub number: u32,
    /// The manifest that holds the function as it was right before.
    pub preserved: u32,
    /// The record that values came from.
    pub record: Option<u32>,
    /// What was intended, in order.
    pub intended: Vec<TargetChange>,
    /// What came of it; none if that was never sealed: it broke off.
    pub done: Option<Vec<TargetChange>>,
    /// Whether all of it was undone.
    pub is_released: bool,
}

/// Every containment of a case, in order.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct History {
    /// In order.
    pub containments: Vec<Containment>,
}

impl Containment {
    /// Whether it broke off before what came of it was sealed, and nobody released it.
    pub fn is_unfinished(&self) -> bool {
        self.done.is_none() && !self.is_released
    }

    /// What may have been changed, in order. Of what broke off that is all that was intended.
    fn changes(&self) -> impl Iterator<Item = &TargetChange> {
        let changes = self.done.as_ref().unwrap_or(&self.intended);
        changes.iter().filter(|change| change.not_done.is_none())
    }

    /// Its steps with the values that custody does not tell: those of the environment, as it was
    /// preserved and as the record has it. None if a newer coldcase wrote what this one does not know.
    pub fn steps(&self, preserved: &State, record: Option<&State>) -> Option<Vec<Step>> {
        let secret = |aspect: &Aspect| *aspect == Aspect::Setting("Environment");
        self.changes()
            .map(|change| {
                let aspect = Aspect::parse(&change.what)?;
                Some(match secret(&aspect) {
                    false => Step {
                        aspect,
                        before: change.before.clone(),
                        after: change.after.clone(),
                    },
                    true => Step {
                        before: preserved.get(&aspect).clone(),
                        after: record?.get(&aspect).clone(),
                        aspect,
                    },
                })
            })
            .collect()
    }

    /// The way back.
    pub fn undoing(&self, preserved: &State, record: Option<&State>) -> Option<Vec<Step>> {
        Some(undo(&self.steps(preserved, record)?))
    }
}

impl History {
    /// Reads the custody of a case.
    pub fn of(case: &Case) -> Self {
        let mut history = Self::default();
        for entry in case.manifests.iter().flat_map(|manifest| &manifest.custody) {
            history.take(&entry.action);
        }
        history
    }

    fn take(&mut self, action: &CustodyAction) {
        match action {
            CustodyAction::ContainmentIntended {
                containment,
                preserved,
                record,
                changes,
                ..
            } => self.containments.push(Containment {
                number: *containment,
                preserved: *preserved,
                record: *record,
                intended: changes.clone(),
                done: None,
                is_released: false,
            }),
            CustodyAction::Contained {
                containment,
                changes,
                ..
            } => {
                for known in &mut self.containments {
                    if known.number == *containment {
                        known.done = Some(changes.clone());
                    }
                }
            }
            CustodyAction::Released {
                containments,
                changes,
                ..
            } if changes.iter().all(|change| change.not_done.is_none()) => {
                for known in &mut self.containments {
                    known.is_released |= containments.contains(&known.number);
                }
            }
            _ => {}
        }
    }

    /// The number of the next one.
    pub fn next(&self) -> u32 {
        let last = self.containments.iter().map(|known| known.number).max();
        last.unwrap_or_default() + 1
    }

    /// Those that are not released, in order.
    pub fn open(&self) -> impl DoubleEndedIterator<Item = &Containment> {
        self.containments.iter().filter(|known| !known.is_released)
    }

    /// The layers that those took away.
    pub fn detached(&self) -> Vec<String> {
        let layers = |value: &Value| -> Vec<String> {
            let arns = value.as_array().into_iter().flatten();
            arns.filter_map(|arn| arn.as_str().map(str::to_owned))
                .collect()
        };
        let changes = self.open().flat_map(Containment::changes);
        let of_layers = changes.filter(|change| change.what == "setting Layers");
        let gone = of_layers.flat_map(|change| {
            let kept = layers(&change.after);
            let mut gone = layers(&change.before);
            gone.retain(|layer| !kept.contains(layer));
            gone
        });
        gone.collect()
    }

    /// The one that broke off, if the last one did.
    pub fn unfinished(&self) -> Option<&Containment> {
        self.containments.last().filter(|last| last.is_unfinished())
    }
}
