//! Records functions as they are: one numbered record each, and none where nothing changed.

use crate::reading::{Reader, Reading};
use crate::{BaselineError, JSON, Keeper};
use collectors::Collector;
use collectors::aws::TriggerFacts;
use evidence::{Outcome, ResourceKind, Target, keys};
use function::Attempt;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use snapshot::{Baseline, Cause, NotRead, Piece, Substance};
use std::sync::Arc;
use std::time::Duration;
use vault::VaultError;

/// Why functions are recorded.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Why {
    /// The stack was deployed.
    Deployed,
    /// All functions are looked at.
    Sweep,
}

impl From<Why> for Cause {
    fn from(why: Why) -> Self {
        match why {
            Why::Deployed => Self::Deployed,
            Why::Sweep => Self::Sweep,
        }
    }
}

/// What came of a batch.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Recorded {
    /// Functions that changed, or were never recorded: a new record each.
    pub recorded: usize,
    /// Functions that are as they were: nothing was written.
    pub unchanged: usize,
    /// Functions with the tag that leaves them out.
    pub excluded: usize,
    /// Functions that are there no more.
    pub gone: usize,
    /// Functions of which something could not be read because it is not allowed.
    pub denied: usize,
    /// Functions that could not be recorded, and why.
    pub failed: Vec<NotRecorded>,
    /// Functions for which there was no time: the state machine asks for them again.
    pub left: Vec<String>,
}

/// A function that could not be recorded.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct NotRecorded {
    /// Its ARN.
    pub function: String,
    /// Why.
    pub why: String,
}

/// The most functions that one invocation is given.
const MOST: usize = 100;
/// Kept back from the function's time limit for writing what was read.
const TIME_TO_WRITE: Duration = Duration::from_secs(30);
/// How often a record is written that met another one.
const TRIES: u32 = 5;
/// The most records of a function that are looked through for the latest.
const MOST_RECORDS: usize = 100_000;

/// What was done with one function.
enum Done {
    Recorded,
    Unchanged,
    Excluded,
    Gone,
    /// Nothing; for this reason.
    Failed(String),
}

impl Keeper {
    /// Records these functions.
    pub(crate) async fn record(
        &self,
        functions: Vec<String>,
        why: Why,
        attempt: &Attempt,
    ) -> Result<Recorded, BaselineError> {
        if functions.len() > MOST {
            return Err(BaselineError::BadInput(format!(
                "{} functions in one batch; {MOST} is the most",
                functions.len()
            )));
        }
        let targets: Vec<Target> = functions
            .iter()
            .map(|arn| self.function(arn))
            .collect::<Result<_, _>>()?;
        let reader = self.reader(attempt);
        let mut sum = Recorded::default();
        let mut begun = false;
        for function in targets {
            // What cannot be read within a whole invocation is not tried for ever.
            if begun && reader.is_out_of_time() {
                sum.left.push(function.id());
                continue;
            }
            let first = !std::mem::replace(&mut begun, true);
            let done = self
                .record_one(&reader, &function, why.into(), attempt)
                .await;
            let done = match done {
                // The time ran out while it was read: it is the first one of the next invocation.
                Ok((Done::Failed(_), _)) if !first && reader.is_out_of_time() => {
                    sum.left.push(function.id());
                    continue;
                }
                Ok((done, denied)) => {
                    sum.denied += usize::from(denied);
                    done
                }
                // Another function may fare better: one failure never stops the rest.
                Err(error) => Done::Failed(error.to_string()),
            };
            match done {
                Done::Recorded => sum.recorded += 1,
                Done::Unchanged => sum.unchanged += 1,
                Done::Excluded => sum.excluded += 1,
                Done::Gone => sum.gone += 1,
                Done::Failed(why) => {
                    let function = function.id();
                    tracing::error!(function, why, "a function could not be recorded");
                    sum.failed.push(NotRecorded { function, why });
                }
            }
        }
        tracing::info!(
            recorded = sum.recorded,
            unchanged = sum.unchanged,
            excluded = sum.excluded,
            gone = sum.gone,
            denied = sum.denied,
            failed = sum.failed.len(),
            left = sum.left.len(),
            "recorded"
        );
        Ok(sum)
    }

    pub(crate) fn reader(&self, attempt: &Attempt) -> Reader {
        let until = attempt.deadline.checked_sub(TIME_TO_WRITE);
        Reader::new(
            Arc::clone(&self.vault),
            Arc::clone(&self.clock),
            Arc::clone(&self.pace),
            self.settings.limit_bytes,
            until.unwrap_or(attempt.deadline),
        )
    }

    fn function(&self, arn: &str) -> Result<Target, BaselineError> {
        match Target::from_arn(arn) {
            Ok(target) if target.kind == ResourceKind::Function => Ok(target.unqualified()),
            Ok(_) => Err(BaselineError::BadInput(format!("{arn:?} is no function"))),
            Err(error) => Err(BaselineError::BadInput(error.to_string())),
        }
    }

    /// Who reads a function. Of published versions those that traffic goes to; the list names them all,
    /// and they cannot be changed.
    pub(crate) fn collector(&self, function: &Target) -> Result<Box<dyn Collector>, String> {
        self.clouds.collector(function, TriggerFacts::default(), 0)
    }

    /// Records one function; also whether anything of it was denied.
    async fn record_one(
        &self,
        reader: &Reader,
        function: &Target,
        cause: Cause,
        attempt: &Attempt,
    ) -> Result<(Done, bool), BaselineError> {
        let collector = match self.collector(function) {
            Ok(collector) => collector,
            Err(why) => return Ok((Done::Failed(why), false)),
        };
        if let Some(tag) = &self.settings.exclude_tag
            && let Some(tags) = reader.tags(&*collector, function).await
            && is_tagged(&tags, tag)
        {
            return Ok((Done::Excluded, false));
        }
        let reading = reader.read(&*collector, function).await?;
        if reading.is_gone() {
            return Ok((Done::Gone, false));
        }
        let denied = denied(&reading.pieces);
        for finding in &reading.findings {
            tracing::warn!(function = %function.id(), rule = finding.rule, "noticed");
        }
        let failed = failure(&reading.pieces);
        for _ in 0..TRIES {
            let latest = self.latest(function).await?;
            // What broke on the way is no knowledge: the next sweep may read it whole.
            if let (Some(why), Some(_)) = (&failed, &latest) {
                return Ok((Done::Failed(why.clone()), denied));
            }
            let (pieces, not_read) = kept(&reading, latest.as_ref().map(|(_, latest)| latest));
            let number = match &latest {
                Some((number, latest))
                    if Substance::of(&latest.pieces) == Substance::of(&pieces) =>
                {
                    self.vault.renew(&keys::baseline(function, *number)).await?;
                    return Ok((Done::Unchanged, denied));
                }
                Some((number, _)) => number + 1,
                None => 1,
            };
            let record = Baseline {
                function: function.id_unqualified(),
                recorded_at: (self.clock)(),
                cause: cause.clone(),
                pieces,
                not_read,
                responder: self.identity(attempt),
            };
            if self.write(function, number, &record).await? {
                return Ok((Done::Recorded, denied));
            }
        }
        Ok((
            Done::Failed("others recorded it over and over at the same time".to_owned()),
            denied,
        ))
    }

    /// The latest record of a function with its number.
    pub(crate) async fn latest(
        &self,
        function: &Target,
    ) -> Result<Option<(u32, Baseline)>, BaselineError> {
        let numbers = self.numbers(function).await?;
        let Some(number) = numbers.last().copied() else {
            return Ok(None);
        };
        Ok(Some((number, self.read_record(function, number).await?)))
    }

    /// The numbers of a function's records, in order.
    pub(crate) async fn numbers(&self, function: &Target) -> Result<Vec<u32>, BaselineError> {
        let folder = keys::baselines(function);
        let keys = self.vault.list(&folder, MOST_RECORDS).await?;
        let number = |key: &String| {
            let name = key.strip_prefix(&folder)?.strip_suffix(".json")?;
            name.parse::<u32>().ok()
        };
        Ok(keys.iter().filter_map(number).collect())
    }

    /// One record.
    pub(crate) async fn read_record(
        &self,
        function: &Target,
        number: u32,
    ) -> Result<Baseline, BaselineError> {
        let key = keys::baseline(function, number);
        let bytes = self.vault.get(&key).await?;
        serde_json::from_slice(&bytes)
            .map_err(|error| BaselineError::NotRead(format!("{key} is no record: {error}")))
    }

    /// Writes a record; whether its number was free.
    pub(crate) async fn write(
        &self,
        function: &Target,
        number: u32,
        record: &Baseline,
    ) -> Result<bool, BaselineError> {
        let bytes = serde_json::to_vec(record)
            .map_err(|error| BaselineError::NotRead(error.to_string()))?;
        let key = keys::baseline(function, number);
        match self.vault.put_once(&key, bytes.into(), JSON).await {
            Ok(_) => Ok(true),
            Err(VaultError::Conflict { .. }) => Ok(false),
            Err(error) => Err(error.into()),
        }
    }
}

/// The pieces to record: what is denied now and was read before, or came in part and was whole, stays
/// as it was read, and is named. A permission that is taken away must not take the memory away, and
/// neither must a call that was throttled half-way.
fn kept(reading: &Reading, latest: Option<&Baseline>) -> (Vec<Piece>, Vec<NotRead>) {
    let mut not_read = Vec::new();
    let pieces = reading.pieces.iter().map(|piece| {
        let known = latest.and_then(|latest| {
            let mut pieces = latest.pieces.iter();
            pieces.find(|known| known.request == piece.request)
        });
        match known {
            Some(known) if knows_less(&piece.result, &known.result) => {
                not_read.push(NotRead {
                    request: piece.request.clone(),
                    result: piece.result.clone(),
                });
                known.clone()
            }
            _ => piece.clone(),
        }
    });
    (pieces.collect(), not_read)
}

/// Whether what came of a request now says less than what came of it before.
fn knows_less(now: &Outcome, before: &Outcome) -> bool {
    match now {
        Outcome::Denied { .. } => !matches!(before, Outcome::Denied { .. }),
        Outcome::Partial { .. } => matches!(before, Outcome::Acquired),
        _ => false,
    }
}

fn denied(pieces: &[Piece]) -> bool {
    let mut results = pieces.iter().map(|piece| &piece.result);
    results.any(|result| matches!(result, Outcome::Denied { .. }))
}

/// What broke, if anything did.
pub(crate) fn failure(pieces: &[Piece]) -> Option<String> {
    let mut pieces = pieces.iter();
    pieces.find_map(|piece| match &piece.result {
        Outcome::Failed { why } => Some(format!("{}: {why}", piece.request)),
        _ => None,
    })
}

/// Whether a function's tags hold the one that leaves it out; `false` as its value does not.
fn is_tagged(tags: &Value, tag: &str) -> bool {
    tags.get(tag)
        .is_some_and(|value| value.as_str() != Some("false"))
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use evidence::{ArtifactKind, Request, Responder};
    use serde_json::json;

    fn piece(artifact: ArtifactKind, result: Outcome) -> Piece {
        Piece {
            request: Request::whole(artifact),
            result,
            documents: Vec::new(),
            contents: Vec::new(),
        }
    }

    fn denied_() -> Outcome {
        Outcome::Denied {
            why: "no".to_owned(),
        }
    }

    fn record(pieces: Vec<Piece>) -> Baseline {
        Baseline {
            function: String::new(),
            recorded_at: "2026-01-02T03:04:05Z".parse().unwrap(),
            cause: Cause::Sweep,
            pieces,
            not_read: Vec::new(),
            responder: Responder {
                program: String::new(),
                version: String::new(),
                identity: String::new(),
                attempt: String::new(),
            },
        }
    }

    #[test]
    fn what_is_denied_now_stays_as_it_was_known() {
        use ArtifactKind::{Configuration, ExecutionRole, Tags};
        let known = record(vec![
            piece(Configuration, Outcome::Acquired),
            piece(ExecutionRole, Outcome::Acquired),
            piece(Tags, denied_()),
        ]);
        let now = Reading {
            pieces: vec![
                piece(Configuration, Outcome::Acquired),
                piece(ExecutionRole, denied_()),
                piece(Tags, denied_()),
            ],
            findings: Vec::new(),
        };
        let (pieces, not_read) = kept(&now, Some(&known));
        assert_eq!(pieces, known.pieces);
        assert_eq!(not_read.len(), 1);
        assert_eq!(not_read[0].request, Request::whole(ExecutionRole));
        let (pieces, not_read) = kept(&now, None);
        assert_eq!((pieces, not_read.len()), (now.pieces, 0));
    }

    #[test]
    fn what_breaks_off_now_stays_as_it_was_known_whole() {
        use ArtifactKind::{ExecutionRole, Versions};
        let partial = || Outcome::Partial {
            why: "throttled".to_owned(),
        };
        let known = record(vec![
            piece(ExecutionRole, Outcome::Acquired),
            piece(Versions, partial()),
        ]);
        let now = Reading {
            pieces: vec![piece(ExecutionRole, partial()), piece(Versions, partial())],
            findings: Vec::new(),
        };
        let (pieces, not_read) = kept(&now, Some(&known));
        assert_eq!(pieces, known.pieces);
        assert_eq!(not_read.len(), 1);
        assert_eq!(not_read[0].request, Request::whole(ExecutionRole));
    }

    #[test]
    fn a_tag_leaves_a_function_out_unless_it_says_no() {
        for (tags, excluded) in [
            (json!({"coldcase:exclude": ""}), true),
            (json!({"coldcase:exclude": "yes"}), true),
            (json!({"coldcase:exclude": "false"}), false),
            (json!({"coldcase": "x"}), false),
            (json!("no tags"), false),
        ] {
            assert_eq!(is_tagged(&tags, "coldcase:exclude"), excluded, "{tags}");
        }
    }

    #[test]
    fn a_cause_is_told_in_one_word() {
        assert_eq!(
            json!(Cause::from(Why::Deployed)),
            json!({"why": "deployed"})
        );
        assert_eq!(json!(Cause::from(Why::Sweep)), json!({"why": "sweep"}));
    }
}
