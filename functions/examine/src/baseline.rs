//! The function as it was last known to be good, before the event: later records may hold the attacker's work.

use evidence::{Manifest, ResourceKind, keys};
use jiff::Timestamp;
use serde::Deserialize;
use vault::{Vault, VaultError};

/// The most records of one function that are listed.
const MOST_RECORDS: usize = 20_000;

/// The most records that are read, the newest first, to find one from before the event.
const MOST_READ: usize = 500;

/// A record, as far as it is read here.
#[derive(Clone, Debug, Deserialize)]
pub(crate) struct Record {
    /// The function's ARN, without a qualifier.
    function: String,
    /// When everything in it was read.
    pub(crate) recorded_at: Timestamp,
    /// Where it is.
    #[serde(skip)]
    pub(crate) key: String,
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
            "the function was never recorded as good: what changed is not known".to_owned(),
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
        let record = serde_json::from_slice::<Record>(&bytes);
        match record {
            Ok(record) if record.function != target.arn_unqualified() => unreadable += 1,
            Ok(record) if record.recorded_at < event_at => {
                return Ok(Ok(Record {
                    key: key.clone(),
                    ..record
                }));
            }
            Ok(_) => {}
            Err(_) => unreadable += 1,
        }
    }
    Ok(Err(match unreadable {
        0 => format!(
            "every record of the function as good is from after the event ({event_at}): what changed is \
             not known"
        ),
        count => format!(
            "there is no readable record of the function as good from before the event; {count} could \
             not be read"
        ),
    }))
}
