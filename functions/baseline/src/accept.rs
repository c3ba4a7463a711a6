//! A change that counts as good from now on: because a responder says so, or because the owner
//! trusts who made it.

use crate::reading::{Reading, piece};
use crate::record::failure;
use crate::{BaselineError, Keeper};
use evidence::{CaseId, CustodyAction, Manifest, ResourceKind, SealedCase, Target, keys};
use function::Attempt;
use serde::{Deserialize, Serialize};
use snapshot::{Baseline, Cause, Piece, Substance};

/// A responder accepts the change that a case is about.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Acceptance {
    /// The case.
    pub case_id: CaseId,
    /// Who, in their own words.
    pub by: String,
    /// Why.
    pub why: String,
}

/// A trusted deployer made the change that a case is about.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Expectation {
    /// The case.
    pub case_id: CaseId,
}

/// What came of it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Accepted {
    /// The case.
    pub case_id: CaseId,
    /// Where the envelope of the addendum is that says who accepted it; none for an expected change.
    pub addendum: Option<String>,
    /// Where the new record is; none if none was made.
    pub record: Option<String>,
    /// Why none was made.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub why_not: Option<String>,
}

/// The longest that somebody's words may be, in characters.
const LONGEST_NAME: usize = 200;
const LONGEST_REASON: usize = 2000;
/// The rule of the finding that marks a trusted deployer's change.
const EXPECTED: &str = "expected-change";
/// How often a record is written that met another one.
const TRIES: u32 = 5;

impl Keeper {
    /// Seals that a responder accepted the change of a case, and records the function as it is now:
    /// as the case preserved it, or nothing is done. Twice is once.
    pub(crate) async fn accept(
        &self,
        acceptance: Acceptance,
        attempt: &Attempt,
    ) -> Result<Accepted, BaselineError> {
        words("by", &acceptance.by, LONGEST_NAME)?;
        words("why", &acceptance.why, LONGEST_REASON)?;
        let id = &acceptance.case_id;
        let case = self.case(id).await?;
        let function = case.manifest().target.unqualified();
        if let Some((number, record)) = self.record_of(&function, id).await? {
            let addendum = self.seal(&case, &acceptance, attempt).await?;
            tracing::info!(case = %id, number, cause = ?record.cause, "was accepted before");
            return Ok(accepted(id, Some(&addendum), &function, number));
        }
        let reading = self.as_preserved(&case, &function, attempt).await?;
        let addendum = self.seal(&case, &acceptance, attempt).await?;
        // If somebody else's words were sealed first, those are the case's.
        let by = addendum.manifest().custody.iter().rev();
        let by = by.into_iter().find_map(|entry| match &entry.action {
            CustodyAction::ChangeAccepted { by, .. } => Some(by.clone()),
            _ => None,
        });
        let cause = Cause::Accepted {
            case_id: id.clone(),
            by: by.unwrap_or(acceptance.by),
        };
        let number = self.record_anew(&function, cause, reading, attempt).await?;
        Ok(accepted(id, Some(&addendum), &function, number))
    }

    /// Records the function of a case that a trusted deployer's change opened, if the owner allows
    /// that and the function still is as the case preserved it.
    pub(crate) async fn expected(
        &self,
        expectation: Expectation,
        attempt: &Attempt,
    ) -> Result<Accepted, BaselineError> {
        let id = &expectation.case_id;
        if !self.settings.trusted_may_refresh {
            return Err(BaselineError::BadInput(
                "trusted deployers may not refresh a baseline; the parameter TrustedMayRefresh \
                 allows it"
                    .to_owned(),
            ));
        }
        let case = self.case(id).await?;
        let manifest = case.manifest();
        if !manifest.findings.iter().any(|one| one.rule == EXPECTED) {
            return Err(BaselineError::BadInput(format!(
                "the change of case {id} is not a trusted deployer's"
            )));
        }
        let function = manifest.target.unqualified();
        if let Some((number, _)) = self.record_of(&function, id).await? {
            return Ok(accepted(id, None, &function, number));
        }
        let reading = match self.as_preserved(&case, &function, attempt).await {
            Ok(reading) => reading,
            // A pipeline makes several changes in a row; the last one's case is as the function is.
            Err(BaselineError::Changed(why)) => {
                return Ok(Accepted {
                    case_id: id.clone(),
                    addendum: None,
                    record: None,
                    why_not: Some(why),
                });
            }
            Err(error) => return Err(error),
        };
        let cause = Cause::Expected {
            case_id: id.clone(),
        };
        let number = self.record_anew(&function, cause, reading, attempt).await?;
        Ok(accepted(id, None, &function, number))
    }

    /// The sealed case, once what came of tracing is sealed as well: its number is kept for it.
    pub(crate) async fn case(&self, id: &CaseId) -> Result<SealedCase, BaselineError> {
        let Some(case) = vault::sealed(&*self.vault, id, 0).await? else {
            return Err(BaselineError::NoCase(format!(
                "there is no sealed case {id} in s3://{}; list the folder cases/ for those that are",
                self.settings.sealing.bucket
            )));
        };
        if case.manifest().target.kind != ResourceKind::Function {
            return Err(BaselineError::BadInput(format!(
                "case {id} is about {}; only a function has a baseline or can be contained",
                case.manifest().target.id()
            )));
        }
        if vault::sealed(&*self.vault, id, 1).await?.is_none() {
            return Err(BaselineError::NoCase(format!(
                "case {id} is still being worked on: what came of tracing is not sealed yet"
            )));
        }
        Ok(case)
    }

    /// The record that was made because of a case, if it was.
    async fn record_of(
        &self,
        function: &Target,
        id: &CaseId,
    ) -> Result<Option<(u32, Baseline)>, BaselineError> {
        // Newest first: a case is accepted soon after it is sealed.
        for number in self.numbers(function).await?.into_iter().rev() {
            let record = self.read_record(function, number).await?;
            let (Cause::Accepted { case_id, .. } | Cause::Expected { case_id }) = &record.cause
            else {
                continue;
            };
            if case_id == id {
                return Ok(Some((number, record)));
            }
        }
        Ok(None)
    }

    /// The function as it is now, if that is as the case preserved it; what coldcase itself changed
    /// after sealing, tracing, does not count.
    async fn as_preserved(
        &self,
        case: &SealedCase,
        function: &Target,
        attempt: &Attempt,
    ) -> Result<Reading, BaselineError> {
        let id = &case.manifest().case_id;
        let collector = self.collector(function).map_err(BaselineError::BadInput)?;
        let reading = self.reader(attempt).read(&*collector, function).await?;
        if reading.is_gone() {
            return Err(BaselineError::Changed(format!(
                "there is no function {} any more; nothing is left to be accepted",
                function.id()
            )));
        }
        if let Some(why) = failure(&reading.pieces) {
            return Err(BaselineError::NotRead(format!(
                "what {} is now cannot be read: {why}",
                function.id()
            )));
        }
        let preserved = self.preserved(case.manifest()).await?;
        let of = match self.traced(id).await? {
            true => Substance::apart_from_tracing,
            false => Substance::of,
        };
        let differs = of(&reading.pieces).missing_in(&of(&preserved));
        if differs.is_empty() {
            return Ok(reading);
        }
        let named: Vec<String> = differs.iter().map(ToString::to_string).collect();
        Err(BaselineError::Changed(format!(
            "{} is not as case {id} preserved it: {} changed since, or could not be preserved; \
             accept the case of the latest change, or ask for a new case and accept that",
            function.id(),
            function::line(&named.join(", "), 500)
        )))
    }

    /// Whether coldcase turned tracing on after the case was sealed.
    async fn traced(&self, id: &CaseId) -> Result<bool, BaselineError> {
        let addendum = vault::sealed(&*self.vault, id, 1).await?;
        Ok(addendum.is_some_and(|addendum| {
            let custody = &addendum.manifest().custody;
            custody
                .iter()
                .any(|entry| matches!(entry.action, CustodyAction::TracingTurnedOn { .. }))
        }))
    }

    /// What a case preserved, as pieces.
    async fn preserved(&self, manifest: &Manifest) -> Result<Vec<Piece>, BaselineError> {
        let mut pieces = Vec::new();
        for acquisition in &manifest.acquisitions {
            if !crate::KINDS.contains(&acquisition.request.artifact) {
                continue;
            }
            pieces.push(piece(&*self.vault, acquisition).await?);
        }
        Ok(pieces)
    }

    /// Seals who accepted the change, and why; the first who did is the one.
    async fn seal(
        &self,
        case: &SealedCase,
        acceptance: &Acceptance,
        attempt: &Attempt,
    ) -> Result<SealedCase, BaselineError> {
        let is_ours = |manifest: &Manifest| {
            let mut custody = manifest.custody.iter();
            custody.any(|entry| matches!(entry.action, CustodyAction::ChangeAccepted { .. }))
        };
        let draw = |last: &SealedCase| {
            let mut addendum = last.amend(self.identity(attempt), (self.clock)());
            let action = CustodyAction::ChangeAccepted {
                by: acceptance.by.clone(),
                reason: acceptance.why.clone(),
            };
            addendum.custody(action, (self.clock)());
            addendum.draft((self.clock)())
        };
        Ok(vault::amend(&*self.vault, &*self.signer, case, is_ours, draw).await?)
    }

    /// Writes what was read as the function's next record, whatever the one before says.
    async fn record_anew(
        &self,
        function: &Target,
        cause: Cause,
        reading: Reading,
        attempt: &Attempt,
    ) -> Result<u32, BaselineError> {
        let record = Baseline {
            function: function.id_unqualified(),
            recorded_at: (self.clock)(),
            cause,
            pieces: reading.pieces,
            not_read: Vec::new(),
            responder: self.identity(attempt),
        };
        for _ in 0..TRIES {
            let numbers = self.numbers(function).await?;
            let number = numbers.last().copied().unwrap_or_default() + 1;
            if self.write(function, number, &record).await? {
                return Ok(number);
            }
        }
        Err(BaselineError::NotRead(format!(
            "others recorded {} over and over at the same time; ask again",
            function.id()
        )))
    }
}

fn accepted(
    id: &CaseId,
    addendum: Option<&SealedCase>,
    function: &Target,
    number: u32,
) -> Accepted {
    Accepted {
        case_id: id.clone(),
        addendum: addendum.map(|addendum| keys::envelope(id, addendum.manifest().sequence)),
        record: Some(keys::baseline(function, number)),
        why_not: None,
    }
}

/// Somebody's words: some, not too many, on one line.
fn words(what: &str, text: &str, longest: usize) -> Result<(), BaselineError> {
    let bad = |why: &str| Err(BaselineError::BadInput(format!("{what:?} {why}")));
    if text.trim().is_empty() {
        return bad("is empty: custody says who accepted a change, and why");
    }
    if text.chars().count() > longest {
        return bad(&format!("is longer than {longest} characters"));
    }
    if text.chars().any(char::is_control) {
        return bad("holds control characters; write it on one line");
    }
    Ok(())
}
