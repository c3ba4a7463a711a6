//! The records of a vault: of each function the latest, and how many there are.

use crate::desk::{Failure, Kind};
use anyhow::Result;
use evidence::shown;
use futures_util::{StreamExt as _, TryStreamExt as _, stream};
use snapshot::Baseline;
use std::collections::BTreeMap;
use vault::Vault;

/// The most records that are looked through.
const MOST: usize = 1_000_000;
/// How many records are read at a time.
const AT_A_TIME: usize = 8;

/// What is recorded of one function.
pub struct Known {
    /// Where the latest record is.
    pub key: String,
    /// How many records there are.
    pub records: usize,
    /// The latest.
    pub latest: Baseline,
}

/// What is recorded of every function, or of those that `only` names by name or ARN, in the order of
/// their ARNs.
///
/// # Errors
/// A record that is none; a function that is named and has none.
pub async fn known(vault: &dyn Vault, only: &[String]) -> Result<Vec<Known>> {
    let mut folders: BTreeMap<String, (u32, usize)> = BTreeMap::new();
    for key in vault.list("baselines/", MOST).await? {
        let number = key.rsplit_once('/').and_then(|(folder, name)| {
            let number: u32 = name.strip_suffix(".json")?.parse().ok()?;
            Some((folder.to_owned(), number))
        });
        if let Some((folder, number)) = number {
            let (latest, count) = folders.entry(folder).or_default();
            *latest = number.max(*latest);
            *count += 1;
        }
    }
    let mut known: Vec<Known> = stream::iter(folders)
        .map(async |(folder, (number, records))| {
            let key = format!("{folder}/{number:06}.json");
            let bytes = vault.get(&key).await?;
            let latest = serde_json::from_slice(&bytes).map_err(|error| {
                Failure::new(Kind::Vault, format!("{key} is no record: {error}"))
            })?;
            anyhow::Ok(Known {
                key,
                records,
                latest,
            })
        })
        .buffer_unordered(AT_A_TIME)
        .try_collect()
        .await?;
    for named in only {
        if !known.iter().any(|one| is_named(&one.latest, named)) {
            return Err(Failure::new(
                Kind::Absent,
                format!(
                    "nothing is recorded of {}; `coldcase baseline --record` does that",
                    shown(named, 200)
                ),
            ));
        }
    }
    known.retain(|one| only.is_empty() || only.iter().any(|named| is_named(&one.latest, named)));
    known.sort_by(|a, b| a.latest.function.cmp(&b.latest.function));
    Ok(known)
}

fn is_named(record: &Baseline, named: &str) -> bool {
    record.function == named || record.function.rsplit(':').next() == Some(named)
}
