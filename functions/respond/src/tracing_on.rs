//! Turning X-Ray tracing on for what comes next, without harming what was.
//!
//! It is `UpdateFunctionConfiguration`: it replaces warm environments and raises the very event that
//! wakes the responder. So: after sealing only; only while the function is still what was sealed;
//! optimistic with `RevisionId`; with the intent in the vault before the call, so that our own event
//! can be told from an attacker's. The role is never edited.

use crate::case::TRACING_ADDENDUM;
use crate::{JSON, RespondError, Responder};
use aws_sdk_lambda::operation::update_function_configuration::UpdateFunctionConfigurationError;
use aws_sdk_lambda::types::{LastUpdateStatus, State, TracingConfig, TracingMode};
use collectors::Clouds;
use collectors::aws::Clients;
use evidence::{ArtifactKind, CaseId, CustodyAction, Provider, SealedCase, Target, keys};
use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};
use std::time::Duration;
use vault::VaultError;

/// How often the function is looked at while an update settles, and how long apart.
const LOOKS: u32 = 120;
const BETWEEN_LOOKS: Duration = Duration::from_millis(500);
/// How often the update is tried when somebody else's comes in between.
const TRIES: u32 = 3;

/// Fields of a configuration that change by themselves while an update settles.
const UNSETTLED: &[&str] = &[
    "LastModified",
    "LastUpdateStatus",
    "LastUpdateStatusReason",
    "LastUpdateStatusReasonCode",
    "RevisionId",
    "State",
    "StateReason",
    "StateReasonCode",
];

/// Of Google. <https://cloud.google.com/run/docs/trace>
const NO_SWITCH: &str = "Google Cloud has no switch for it: Cloud Run traces 0.1 requests a second of an \
     instance at the most, and that cannot be set";

/// For how long tracing is not turned on a second time.
const A_DAY: SignedDuration = SignedDuration::from_hours(24);

/// Written before tracing is turned on.
#[derive(Serialize, Deserialize)]
struct Intent {
    case_id: CaseId,
    function: String,
    revision_before: String,
    intended_at: Timestamp,
    /// How it was set then; X-Ray's is a switch, and was off.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    mode_before: Option<String>,
}

/// A function whose tracing is on already.
pub(crate) struct Standing {
    /// What tells its state from the next.
    pub(crate) revision: String,
    /// How it was set before coldcase turned it on, where the intent does not say.
    pub(crate) mode_before: String,
    /// How it is set now.
    pub(crate) mode_now: String,
}

/// The function as it is now.
struct Now {
    revision: String,
    tracing: TracingMode,
    settled: bool,
    substance: Map<String, Value>,
}

impl Responder {
    /// Turns tracing on for the case's function, or says why not.
    pub(crate) async fn turn_tracing_on(
        &self,
        case: &SealedCase,
    ) -> Result<CustodyAction, RespondError> {
        let target = case.manifest().target.unqualified();
        let not_possible = |why: String| Ok(CustodyAction::TracingNotPossible { why });
        // To try would raise an alert about ourselves.
        if self.settings.own.owns(&target) {
            return not_possible("coldcase does not change itself".to_owned());
        }
        let regions = match (target.provider, &self.clouds) {
            (
                Provider::Aws,
                Clouds {
                    aws: Some(regions), ..
                },
            ) => regions,
            (
                Provider::Cloudflare,
                Clouds {
                    cloudflare: Some(cloud),
                    ..
                },
            ) => return self.turn_observability_on(case, cloud).await,
            (Provider::Gcp, _) => return not_possible(NO_SWITCH.to_owned()),
            (provider, _) => {
                return not_possible(format!(
                    "coldcase does not know how to turn tracing on for {}",
                    provider.name()
                ));
            }
        };
        let Some(clients) = &regions.of(&target.region) else {
            return not_possible("the event names a Region that is none".to_owned());
        };
        let sealed = match self.sealed_substance(case).await? {
            Some(substance) => substance,
            None => {
                return not_possible(
                    "the configuration could not be sealed, and nothing is changed before it is"
                        .to_owned(),
                );
            }
        };
        for _ in 0..TRIES {
            let before = match self.settled(clients, &target).await {
                Ok(before) => before,
                Err(why) => return not_possible(why),
            };
            if before.tracing == TracingMode::Active {
                let standing = Standing {
                    revision: before.revision,
                    mode_before: TracingMode::PassThrough.as_str().to_owned(),
                    mode_now: TracingMode::Active.as_str().to_owned(),
                };
                return self.already_on(case, &target, standing).await;
            }
            if let Some(other) = self.turned_off_again(case, &target).await? {
                return not_possible(format!(
                    "somebody turned it off after coldcase had turned it on (case {other}); it is \
                     not turned on twice within a day, for that could go on for ever"
                ));
            }
            if before.substance != sealed {
                return not_possible(
                    "the function was changed again after it was sealed; that change has a case \
                     of its own"
                        .to_owned(),
                );
            }
            self.write_intent(case, &target, &before.revision, None)
                .await?;
            let answer = clients
                .lambda()
                .update_function_configuration()
                .function_name(target.arn())
                .revision_id(&before.revision)
                .tracing_config(TracingConfig::builder().mode(TracingMode::Active).build())
                .send()
                .await;
            match answer.map_err(aws_sdk_lambda::error::SdkError::into_service_error) {
                Ok(_) => {
                    let after = match self.settled(clients, &target).await {
                        Ok(after) => after.revision,
                        Err(why) => format!("unknown ({why})"),
                    };
                    return Ok(CustodyAction::TracingTurnedOn {
                        revision_before: before.revision,
                        revision_after: after,
                        mode_before: before.tracing.as_str().to_owned(),
                        mode_after: TracingMode::Active.as_str().to_owned(),
                    });
                }
                // Somebody was faster; look again, once that has settled.
                Err(
                    UpdateFunctionConfigurationError::PreconditionFailedException(_)
                    | UpdateFunctionConfigurationError::ResourceConflictException(_),
                ) => {}
                Err(UpdateFunctionConfigurationError::InvalidParameterValueException(error))
                    if mentions_xray(error.message()) =>
                {
                    return not_possible(
                        "the execution role lacks xray:PutTraceSegments and \
                         xray:PutTelemetryRecords; a suspect role is not edited"
                            .to_owned(),
                    );
                }
                Err(error) => {
                    use aws_smithy_types::error::metadata::ProvideErrorMetadata as _;
                    let code = error.code().unwrap_or("no answer").to_owned();
                    return not_possible(format!("lambda:UpdateFunctionConfiguration: {code}"));
                }
            }
        }
        not_possible(format!(
            "the function was being changed by somebody else, {TRIES} times in a row"
        ))
    }

    /// Tracing is on. If an attempt at this very case did it and did not live to say so, say so now.
    pub(crate) async fn already_on(
        &self,
        case: &SealedCase,
        target: &Target,
        now: Standing,
    ) -> Result<CustodyAction, RespondError> {
        let id = &case.manifest().case_id;
        let ours = self.intents(target).await?;
        let Some(intent) = ours.into_iter().find(|intent| intent.case_id == *id) else {
            return Ok(CustodyAction::TracingAlreadyOn {
                revision: now.revision,
            });
        };
        Ok(CustodyAction::TracingTurnedOn {
            revision_before: intent.revision_before,
            revision_after: now.revision,
            mode_before: intent.mode_before.unwrap_or(now.mode_before),
            mode_after: now.mode_now,
        })
    }

    /// The case that turned tracing on within the last day, though it is off now.
    pub(crate) async fn turned_off_again(
        &self,
        case: &SealedCase,
        target: &Target,
    ) -> Result<Option<CaseId>, RespondError> {
        for intent in self.intents(target).await? {
            if intent.case_id == case.manifest().case_id
                || self.now().duration_since(intent.intended_at) > A_DAY
            {
                continue;
            }
            let addendum = vault::sealed(&*self.vault, &intent.case_id, TRACING_ADDENDUM).await?;
            let turned_on = addendum.is_some_and(|addendum| {
                let custody = &addendum.manifest().custody;
                custody
                    .iter()
                    .any(|entry| matches!(entry.action, CustodyAction::TracingTurnedOn { .. }))
            });
            if turned_on {
                return Ok(Some(intent.case_id));
            }
        }
        Ok(None)
    }

    /// What was written before tracing was turned on for this function, newest last.
    async fn intents(&self, target: &Target) -> Result<Vec<Intent>, RespondError> {
        let keys = self
            .vault
            .list(&keys::tracing_intents(target), 1000)
            .await?;
        let mut intents = Vec::new();
        for key in keys {
            // What cannot be read as one was not written by this program.
            intents.extend(serde_json::from_slice::<Intent>(&self.vault.get(&key).await?).ok());
        }
        intents.sort_by_key(|intent| intent.intended_at);
        Ok(intents)
    }

    pub(crate) async fn write_intent(
        &self,
        case: &SealedCase,
        target: &Target,
        revision: &str,
        mode_before: Option<&str>,
    ) -> Result<(), RespondError> {
        let intent = json!(Intent {
            case_id: case.manifest().case_id.clone(),
            function: target.id(),
            mode_before: mode_before.map(str::to_owned),
            revision_before: revision.to_owned(),
            intended_at: self.now(),
        });
        let key = keys::tracing_intent(target, revision);
        match self
            .vault
            .put_once(&key, intent.to_string().into(), JSON)
            .await
        {
            // Another attempt, or another case of the same function, means the same.
            Ok(_) | Err(VaultError::Conflict { .. }) => Ok(()),
            Err(error) => Err(error.into()),
        }
    }

    /// The function once no update is under way.
    async fn settled(&self, clients: &Clients, target: &Target) -> Result<Now, String> {
        for _ in 0..LOOKS {
            let now = look(clients, target).await?;
            if now.settled {
                return Ok(now);
            }
            tokio::time::sleep(BETWEEN_LOOKS).await;
        }
        Err(format!(
            "an update of the function did not finish within {LOOKS} s"
        ))
    }

    /// What was sealed as the configuration of `$LATEST`, without the fields that change by themselves.
    async fn sealed_substance(
        &self,
        case: &SealedCase,
    ) -> Result<Option<Map<String, Value>>, RespondError> {
        let exhibit = case
            .manifest()
            .acquisitions
            .iter()
            .filter(|acquisition| {
                acquisition.request.artifact == ArtifactKind::Configuration
                    && acquisition.request.selector.is_none()
            })
            .find_map(|acquisition| acquisition.exhibits.first());
        let Some(exhibit) = exhibit else {
            return Ok(None);
        };
        let document: Value =
            serde_json::from_slice(&self.vault.get(&exhibit.key).await?).unwrap_or_default();
        Ok(document
            .pointer("/replies/0/reply")
            .and_then(Value::as_object)
            .map(substance))
    }
}

/// Reads the function through the same raw reply that the exhibit was made of.
async fn look(clients: &Clients, target: &Target) -> Result<Now, String> {
    let raw = collectors::RawReply::default();
    let configuration = clients
        .lambda()
        .get_function_configuration()
        .function_name(target.arn())
        .customize()
        .interceptor(raw.clone())
        .send()
        .await
        .map_err(|error| {
            use aws_smithy_types::error::metadata::ProvideErrorMetadata as _;
            format!(
                "lambda:GetFunctionConfiguration: {}",
                error.code().unwrap_or("no answer")
            )
        })?;
    Ok(Now {
        revision: configuration.revision_id().unwrap_or_default().to_owned(),
        tracing: configuration
            .tracing_config()
            .and_then(|tracing| tracing.mode())
            .cloned()
            .unwrap_or(TracingMode::PassThrough),
        settled: configuration.last_update_status() != Some(&LastUpdateStatus::InProgress)
            && configuration.state() != Some(&State::Pending),
        substance: raw.value().as_object().map(substance).unwrap_or_default(),
    })
}

fn substance(configuration: &Map<String, Value>) -> Map<String, Value> {
    let mut substance = configuration.clone();
    substance.retain(|field, value| !UNSETTLED.contains(&field.as_str()) && !value.is_null());
    substance
}

fn mentions_xray(message: Option<&str>) -> bool {
    message.is_some_and(|text| {
        let text = text.to_ascii_lowercase();
        text.contains("xray") || text.contains("x-ray") || text.contains("puttracesegments")
    })
}
