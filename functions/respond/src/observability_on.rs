//! Turning a Worker's observability on for what comes next: what tracing is on Cloudflare.
//!
//! The rules are those of X-Ray ([`crate::tracing_on`]): after sealing only; only while the deployment is
//! still what was sealed; the intent in the vault before the call; before and after in custody, so that
//! it can be undone.

use crate::tracing_on::Standing;
use crate::{RespondError, Responder};
use collectors::cloudflare::{Cloudflare, Observability};
use collectors::rest::Trouble;
use evidence::{ArtifactKind, CustodyAction, SealedCase};
use serde_json::Value;

impl Responder {
    /// Turns observability on for the case's Worker, or says why not.
    pub(crate) async fn turn_observability_on(
        &self,
        case: &SealedCase,
        cloud: &Cloudflare,
    ) -> Result<CustodyAction, RespondError> {
        let target = &case.manifest().target;
        let not_possible = |why: String| Ok(CustodyAction::TracingNotPossible { why });
        let Some(sealed) = self.sealed_deployment(case).await? else {
            return not_possible(
                "what is deployed could not be sealed, and nothing is changed before it is"
                    .to_owned(),
            );
        };
        let before = match cloud.observability(target).await {
            Ok(before) => before,
            Err(trouble) => return not_possible(trouble.why().to_owned()),
        };
        let mode = |observability: &Observability| observability.setting.to_string();
        if before.is_on() {
            let standing = Standing {
                revision: before.deployment.clone(),
                mode_before: "null".to_owned(),
                mode_now: mode(&before),
            };
            return self.already_on(case, target, standing).await;
        }
        if let Some(other) = self.turned_off_again(case, target).await? {
            return not_possible(format!(
                "somebody turned it off after coldcase had turned it on (case {other}); it is not turned \
                 on twice within a day, for that could go on for ever"
            ));
        }
        if before.deployment != sealed {
            return not_possible(
                "the Worker was deployed again after it was sealed: preserve that deployment first"
                    .to_owned(),
            );
        }
        let now = mode(&before);
        self.write_intent(case, target, &before.deployment, Some(&now))
            .await?;
        let answer = cloud.turn_observability_on(target, &before).await;
        if let Err(refused @ (Trouble::Denied(_) | Trouble::Absent(_))) = &answer {
            return not_possible(refused.why().to_owned());
        }
        // What was asked for and what is stand apart until it is looked at; an answer that was lost may
        // have been a yes.
        Ok(match cloud.observability(target).await {
            Ok(after) if !after.is_on() => CustodyAction::TracingNotPossible {
                why: match answer {
                    Err(trouble) => trouble.why().to_owned(),
                    Ok(()) => "Cloudflare took the change and observability is off all the same"
                        .to_owned(),
                },
            },
            Ok(after) => CustodyAction::TracingTurnedOn {
                revision_before: before.deployment.clone(),
                revision_after: after.deployment.clone(),
                mode_before: mode(&before),
                mode_after: mode(&after),
            },
            Err(trouble) => CustodyAction::TracingTurnedOn {
                revision_before: before.deployment.clone(),
                revision_after: format!("unknown ({})", trouble.why()),
                mode_before: mode(&before),
                mode_after: "unknown".to_owned(),
            },
        })
    }

    /// The id of the deployment that was sealed as the live one.
    async fn sealed_deployment(&self, case: &SealedCase) -> Result<Option<String>, RespondError> {
        let mut acquisitions = case.manifest().acquisitions.iter();
        let of_deployments =
            acquisitions.find(|it| it.request.artifact == ArtifactKind::Deployments);
        let Some(exhibit) = of_deployments.and_then(|it| it.exhibits.first()) else {
            return Ok(None);
        };
        let document: Value =
            serde_json::from_slice(&self.vault.get(&exhibit.key).await?).unwrap_or_default();
        let live = document.pointer("/replies/0/reply/result/deployments/0/id");
        Ok(live.and_then(Value::as_str).map(str::to_owned))
    }
}
