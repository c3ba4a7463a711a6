//! The next addendum of a case, whoever else adds to it at the same time.

use crate::{SealError, Signer, Vault, seal, sealed};
use evidence::{BadSeal, Draft, Manifest, SealedCase};

/// The most addenda that one case has: a responder may look into many windows.
pub const MOST_ADDENDA: u32 = 1000;

/// Seals what `draw` draws up as the next addendum of `case`; twice is once.
///
/// `is_ours` tells the addendum that this very step ends in from all others: where it is sealed
/// already, that one comes back and nothing is drawn up. `draw` is given the last addendum so far
/// (or the case itself) and may be called more than once: whoever else adds to the case at the
/// same time takes a number first, and the next one is tried.
pub async fn amend(
    vault: &dyn Vault,
    signer: &dyn Signer,
    case: &SealedCase,
    is_ours: impl Fn(&Manifest) -> bool + Send,
    draw: impl Fn(&SealedCase) -> Result<Draft, BadSeal> + Send,
) -> Result<SealedCase, SealError> {
    let id = &case.manifest().case_id;
    let mut last = case.clone();
    for sequence in case.manifest().sequence + 1..MOST_ADDENDA {
        if let Some(addendum) = sealed(vault, id, sequence).await? {
            if is_ours(addendum.manifest()) {
                return Ok(addendum);
            }
            last = addendum;
            continue;
        }
        let draft = draw(&last).map_err(SealError::Draft)?;
        let addendum = seal(vault, signer, draft).await?;
        if is_ours(addendum.manifest()) {
            return Ok(addendum);
        }
        last = addendum;
    }
    Err(SealError::Full(id.clone()))
}
