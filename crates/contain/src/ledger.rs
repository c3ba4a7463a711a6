//! Who seals what is done to a function: the function as it is, what is intended, what came of it.
//!
//! Without a stack the responder's own key does ([`Sealing`]); with one nobody but the stack may write
//! evidence, so its function is asked to, which uses [`Sealing`] in turn.

use crate::carry::ContainError;
use crate::history::History;
use crate::port::Function;
use crate::preserve::{self, Read};
use async_trait::async_trait;
use evidence::{
    Acquisition, ArtifactKind, BadSeal, CaseId, CustodyAction, Finding, Manifest, Outcome, Request,
    Responder, SealedCase,
};
use serde::{Deserialize, Serialize};
use snapshot::Substance;
use std::sync::Arc;
use tokio::time::Instant;
use vault::{Case, Clock, Signer, Vault};

/// Seals what is done to the function of a case.
#[async_trait]
pub trait Ledger: Send + Sync {
    /// Seals the function as it is right now, unless a manifest of the case holds exactly that, and
    /// what is about to be done to it. Nothing may be changed before this answers.
    async fn intend(&self, case: &CaseId, intent: &Intent) -> Result<Intended, ContainError>;

    /// Seals what came of it ([`CustodyAction::Contained`] or [`CustodyAction::Released`]); the
    /// addendum's number.
    async fn conclude(&self, case: &CaseId, came: &CustodyAction) -> Result<u32, ContainError>;
}

/// What is about to be done.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Intent {
    /// [`CustodyAction::ContainmentIntended`], of which the ledger says `containment` and `preserved`,
    /// or [`CustodyAction::ReleaseIntended`].
    pub action: CustodyAction,
    /// Layers that it takes away: their bytes have to be preserved.
    pub detaches: Vec<String>,
    /// Whether they need not.
    pub may_lose_layers: bool,
}

/// What was sealed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Intended {
    /// The containment's number; 0 of a release.
    pub containment: u32,
    /// The manifest that holds the function as it is.
    pub preserved: u32,
    /// Whether that was sealed now.
    pub newly_preserved: bool,
    /// The addendum's number.
    pub sequence: u32,
}

/// Seals with a key at hand, into a vault that may be written.
pub struct Sealing {
    /// Where the case is.
    pub vault: Arc<dyn Vault>,
    /// Who signs.
    pub signer: Arc<dyn Signer>,
    /// What time it is.
    pub clock: Clock,
    /// The function.
    pub function: Arc<dyn Function>,
    /// Who seals; `attempt` tells this run from others.
    pub identity: Responder,
    /// The largest artifact that is preserved, in bytes.
    pub limit_bytes: u64,
    /// When preserving has to be over, if it has to.
    pub deadline: Option<Instant>,
}

/// The longest that somebody's words may be, in characters, and the most changes.
const LONGEST_NAME: usize = 300;
const LONGEST_REASON: usize = 2000;
const MOST_CHANGES: usize = 1000;

#[async_trait]
impl Ledger for Sealing {
    async fn intend(&self, case: &CaseId, intent: &Intent) -> Result<Intended, ContainError> {
        check(&intent.action)?;
        let case = self.caught_up(case).await?;
        let history = History::of(&case);
        let (number, mark) = match &intent.action {
            CustodyAction::ContainmentIntended { .. } => {
                (history.next(), preserve::before_containing(history.next()))
            }
            CustodyAction::ReleaseIntended { containments, .. } => {
                // Released ones as well: that may have been sealed a moment ago, by catching up.
                let known = |number: &u32| {
                    let mut all = history.containments.iter();
                    all.any(|one| one.number == *number)
                };
                if containments.is_empty() || !containments.iter().all(known) {
                    return Err(bad("it releases what is not contained"));
                }
                let last = containments.first().copied().unwrap_or_default();
                (0, preserve::before_releasing(last))
            }
            _ => return Err(bad("it is no intent")),
        };
        let read = self.read(&case).await?;
        // Whole, or nothing is changed.
        read.state()?;
        if !intent.may_lose_layers {
            keeps_layers(&read, &intent.detaches)?;
        }
        let action = |preserved_: u32| {
            let mut action = intent.action.clone();
            if let CustodyAction::ContainmentIntended {
                containment,
                preserved,
                ..
            } = &mut action
            {
                (*containment, *preserved) = (number, preserved_);
            }
            action
        };
        let known = self.preserved(&case, &read).await?;
        let sequence = match known {
            Some(known) => self.amend(&case, &[], &[], |_| action(known)).await?,
            None => {
                let acquisitions = read.keep(&*self.vault, &mark).await?;
                self.amend(&case, &acquisitions, &read.findings, action)
                    .await?
            }
        };
        Ok(Intended {
            containment: number,
            preserved: known.unwrap_or(sequence),
            newly_preserved: known.is_none(),
            sequence,
        })
    }

    async fn conclude(&self, case: &CaseId, came: &CustodyAction) -> Result<u32, ContainError> {
        check(came)?;
        let case = self.caught_up(case).await?;
        let history = History::of(&case);
        let known = |number: &u32| history.containments.iter().any(|one| one.number == *number);
        let is_known = match came {
            CustodyAction::Contained { containment, .. } => known(containment),
            CustodyAction::Released { containments, .. } => containments.iter().all(known),
            _ => return Err(bad("it is not what came of an intent")),
        };
        if !is_known {
            return Err(bad("nothing like it was intended"));
        }
        self.amend(&case, &[], &[], |_| came.clone()).await
    }
}

impl Sealing {
    /// The case once a manifest is sealed that an earlier run wrote and did not come to seal. What
    /// such a one intends was never begun.
    async fn caught_up(&self, id: &CaseId) -> Result<Case, ContainError> {
        let read = async || {
            let case = Case::read(&*self.vault, id).await?;
            case.ok_or_else(|| ContainError::Evidence(format!("case {id} is not sealed")))
        };
        let case = read().await?;
        let last = case.manifests.last().map_or(0, |last| last.sequence);
        let Some(draft) = vault::unfinished(&*self.vault, id, last + 1).await? else {
            return Ok(case);
        };
        vault::seal(&*self.vault, &*self.signer, draft).await?;
        read().await
    }

    /// The function as it is now.
    async fn read(&self, case: &Case) -> Result<Read, ContainError> {
        let id = &case.first().case_id;
        let sealed = vault::sealed(&*self.vault, id, 0).await?;
        let sealed =
            sealed.ok_or_else(|| ContainError::Evidence(format!("case {id} is not sealed")))?;
        let scratch = sealed.amend(self.identity.clone(), (self.clock)());
        preserve::read(
            &*self.function,
            Some(&self.vault),
            &self.clock,
            self.limit_bytes,
            self.deadline,
            scratch,
        )
        .await
    }

    /// The manifest that holds the function exactly as it was read, if there is one.
    async fn preserved(&self, case: &Case, read: &Read) -> Result<Option<u32>, ContainError> {
        let of = match preserve::is_traced(case) {
            true => Substance::apart_from_tracing,
            false => Substance::of,
        };
        let now = of(&read.pieces);
        for manifest in case.manifests.iter().rev() {
            let is_whole = manifest.sequence == 0 || preserve::mark(manifest).is_some();
            if !is_whole || manifest.acquisitions.is_empty() {
                continue;
            }
            // What cannot be read back preserves nothing.
            let Ok(pieces) = preserve::pieces(&*self.vault, manifest).await else {
                continue;
            };
            if now.missing_in(&of(&pieces.0)).is_empty() {
                return Ok(Some(manifest.sequence));
            }
        }
        Ok(None)
    }

    /// Seals one custody action as the next addendum; `action` is told its number.
    async fn amend(
        &self,
        case: &Case,
        acquisitions: &[Acquisition],
        findings: &[Finding],
        action: impl Fn(u32) -> CustodyAction + Send + Sync,
    ) -> Result<u32, ContainError> {
        let id = &case.first().case_id;
        let sealed = vault::sealed(&*self.vault, id, 0).await?;
        let sealed =
            sealed.ok_or_else(|| ContainError::Evidence(format!("case {id} is not sealed")))?;
        let attempt = &self.identity.attempt;
        let is_ours = |manifest: &Manifest| {
            let wanted = action(manifest.sequence);
            manifest.responder.attempt == *attempt
                && manifest.custody.iter().any(|entry| entry.action == wanted)
        };
        let draw = |last: &SealedCase| -> Result<_, BadSeal> {
            let mut addendum = last.amend(self.identity.clone(), (self.clock)());
            for acquisition in acquisitions {
                addendum.record(acquisition.clone());
            }
            for finding in findings {
                addendum.find(finding.clone());
            }
            let number = last.manifest().sequence + 1;
            addendum.custody(action(number), (self.clock)());
            addendum.draft((self.clock)())
        };
        let addendum = vault::amend(&*self.vault, &*self.signer, &sealed, is_ours, draw).await?;
        Ok(addendum.manifest().sequence)
    }
}

/// Nothing is detached whose bytes are not in the vault: it could not be examined, and perhaps not be
/// attached again.
fn keeps_layers(read: &Read, detaches: &[String]) -> Result<(), ContainError> {
    for layer in detaches {
        let request = Request::one(ArtifactKind::Layer, layer);
        if !read.holds_content(&request) {
            let why = read.outcome(&request).and_then(Outcome::why);
            return Err(ContainError::NotPreserved(format!(
                "the layer {} that is to be detached: {}; --unpreserved-layers detaches it all the same",
                evidence::shown(layer, 200),
                why.unwrap_or("its bytes could not be read")
            )));
        }
    }
    Ok(())
}

/// Whether an action is one that is sealed here, of a size that can be.
fn check(action: &CustodyAction) -> Result<(), ContainError> {
    let (by, reason, changes) = match action {
        CustodyAction::ContainmentIntended {
            by,
            reason,
            changes,
            ..
        }
        | CustodyAction::ReleaseIntended {
            by,
            reason,
            changes,
            ..
        } => (by, reason.as_deref(), changes),
        CustodyAction::Contained { by, changes, .. }
        | CustodyAction::Released { by, changes, .. } => (by, None, changes),
        _ => return Err(bad("it is nothing about containing")),
    };
    words("by", by, LONGEST_NAME)?;
    reason.map_or(Ok(()), |reason| words("reason", reason, LONGEST_REASON))?;
    match changes.len() > MOST_CHANGES {
        true => Err(bad("it has too many changes")),
        false => Ok(()),
    }
}

/// Somebody's words: some, not too many, on one line.
fn words(what: &str, text: &str, longest: usize) -> Result<(), ContainError> {
    let why = if text.trim().is_empty() {
        "is empty"
    } else if text.chars().count() > longest {
        "is too long"
    } else if text.chars().any(char::is_control) {
        "holds control characters; write it on one line"
    } else {
        return Ok(());
    };
    Err(bad(&format!("{what} {why}")))
}

fn bad(why: &str) -> ContainError {
    ContainError::BadIntent(format!("this cannot be sealed: {why}"))
}
