//! The function as it was last known to be good, before the event: later records may hold the attacker's work.

use evidence::{Manifest, ResourceKind, keys};
use ring::rand::{SecureRandom as _, SystemRandom};
use snapshot::{Baseline, Cause, MarkKey};
use vault::{Vault, VaultError};

/// The most records of one function that are listed.
const MOST_RECORDS: usize = 20_000;

/// The most records that are read, the newest first, to find one from before the event.
const MOST_READ: usize = 500;

/// A record and where it is.
pub(crate) struct Record {
    pub(crate) key: String,
    pub(crate) baseline: Baseline,
}

impl Record {
    /// Why it was made, in words for the timeline.
    pub(crate) const fn why(&self) -> &'static str {
        match &self.baseline.cause {
            Cause::Deployed => "the function was recorded as it was: the stack was deployed",
            Cause::Sweep => "the function was recorded as it was, as all are from time to time",
            Cause::Accepted { .. } => {
                "the function was recorded as good: a responder accepted a change"
            }
            Cause::Expected { .. } => {
                "the function was recorded as good: a trusted deployer had changed it"
            }
        }
    }
}

/// The latest record from before the event, or why there is none.
pub(crate) async fn before(
    vault: &dyn Vault,
    manifest: &Manifest,
) -> Result<Result<Record, String>, VaultError> {
    let target = &manifest.target;
    if target.kind != ResourceKind::Function {
        return Ok(Err("only functions have a known good state".to_owned()));
    }
    let event_at = manifest.trigger.occurred_at();
    let listed = vault.list(&keys::baselines(target), MOST_RECORDS).await?;
    if listed.is_empty() {
        return Ok(Err(
            "the function was never recorded as good, so what changed is not known".to_owned(),
        ));
    }
    if listed.len() >= MOST_RECORDS {
        tracing::warn!(records = listed.len(), "the newest records are not listed");
    }
    let mut unreadable = 0_usize;
    for key in listed.iter().rev().take(MOST_READ) {
        let bytes = match vault.get(key).await {
            Ok(bytes) => bytes,
            Err(VaultError::NotFound { .. } | VaultError::TooLarge { .. }) => {
                unreadable += 1;
                continue;
            }
            Err(error) => return Err(error),
        };
        match serde_json::from_slice::<Baseline>(&bytes) {
            Ok(baseline) if baseline.function != target.id_unqualified() => unreadable += 1,
            Ok(baseline) if baseline.recorded_at < event_at => {
                let key = key.clone();
                return Ok(Ok(Record { key, baseline }));
            }
            Ok(_) => {}
            Err(_) => unreadable += 1,
        }
    }
    Ok(Err(match unreadable {
        0 => format!(
            "every record of the function as good is from after the event ({event_at}), so what changed \
             is not known"
        ),
        count => format!(
            "there is no readable record of the function as good from before the event; {count} could \
             not be read"
        ),
    }))
}

/// The key of the marks that environment values are compared by: the vault's, else one for this time
/// only, whose marks compare with each other and with nothing else.
pub(crate) async fn mark_key(vault: &dyn Vault) -> Result<MarkKey, VaultError> {
    match vault.get(keys::MARK_KEY).await {
        Ok(bytes) => match MarkKey::from_bytes(&bytes) {
            Ok(key) => return Ok(key),
            Err(error) => tracing::warn!(%error, "marks are for this time only"),
        },
        Err(VaultError::NotFound { .. }) => {}
        Err(error) => return Err(error),
    }
    let mut bytes = [0; 32];
    SystemRandom::new()
        .fill(&mut bytes)
        .map_err(|_| VaultError::Unavailable {
            call: "the system's random numbers",
            key: keys::MARK_KEY.to_owned(),
            cause: "there are none".to_owned(),
        })?;
    Ok(MarkKey::new(bytes))
}
