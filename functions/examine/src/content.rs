//! A package on its way from the vault to a file of our own: hashed as it comes, gone when it was looked at.

use evidence::Sha256Digest;
use futures_util::StreamExt as _;
use sha2::{Digest as _, Sha256};
use std::io::Write as _;
use std::path::Path;
use tempfile::NamedTempFile;
use tokio::time::{Instant, timeout_at};
use vault::Fault;
use vault::{SourceError, Vault, VaultError};

/// Lays the content under `key` down as a file in `folder`, if it is at most `limit_bytes` long and has
/// the digest that was sealed. The file is deleted when it is dropped.
pub async fn fetch(
    vault: &dyn Vault,
    key: &str,
    sha256: Sha256Digest,
    folder: &Path,
    limit_bytes: u64,
    deadline: Instant,
) -> Result<Result<NamedTempFile, Fault>, VaultError> {
    let fetching = streamed(vault, key, sha256, folder, limit_bytes);
    match timeout_at(deadline, fetching).await {
        Ok(fetched) => fetched,
        Err(_) => Ok(Err(Fault::OutOfTime)),
    }
}

async fn streamed(
    vault: &dyn Vault,
    key: &str,
    sha256: Sha256Digest,
    folder: &Path,
    limit_bytes: u64,
) -> Result<Result<NamedTempFile, Fault>, VaultError> {
    let mut opened = match vault.open(key).await {
        Ok(opened) => opened,
        Err(VaultError::NotFound { .. } | VaultError::BadKey { .. }) => {
            return Ok(Err(Fault::Missing));
        }
        Err(error) => return Err(error),
    };
    if opened.size_bytes.is_some_and(|size| size > limit_bytes) {
        return Ok(Err(Fault::TooLarge(limit_bytes)));
    }
    let no_space = |error: std::io::Error| Fault::NoSpace(error.kind().to_string());
    let mut file = match NamedTempFile::new_in(folder) {
        Ok(file) => file,
        Err(error) => return Ok(Err(no_space(error))),
    };
    let mut hash = Sha256::new();
    let mut size_bytes = 0_u64;
    while let Some(chunk) = opened.bytes.next().await {
        let chunk = chunk.map_err(|error| broken(key, &error))?;
        size_bytes += chunk.len() as u64;
        if size_bytes > limit_bytes {
            return Ok(Err(Fault::TooLarge(limit_bytes)));
        }
        hash.update(&chunk);
        if let Err(error) = file.write_all(&chunk) {
            return Ok(Err(no_space(error)));
        }
    }
    if let Err(error) = file.flush() {
        return Ok(Err(no_space(error)));
    }
    let found = Sha256Digest::from_bytes(hash.finalize().into());
    if found != sha256 {
        return Ok(Err(Fault::Altered(found)));
    }
    Ok(Ok(file))
}

fn broken(key: &str, error: &SourceError) -> VaultError {
    VaultError::Unavailable {
        call: "s3:GetObject",
        key: key.to_owned(),
        cause: error.to_string(),
    }
}
