//! The lines of exhibits, one after the other, in bounded memory; what could not be read is said.

use bytes::Buf as _;
use evidence::{Exhibit, shown};
use std::ops::ControlFlow;
use vault::{Lines, Vault, VaultError, exhibit_bytes};

/// One line of an exhibit.
#[derive(Clone, Copy, Debug)]
pub struct Line<'a> {
    /// Of which exhibit.
    pub exhibit: &'a Exhibit,
    /// Counted from 1.
    pub number: u64,
    /// Without its end. May be anything: the attacker may have written it.
    pub bytes: &'a [u8],
}

/// Gives every line of these gzip exhibits to `each`, in order, until it breaks off. Answers what could
/// not be read, in words. One part of at most 8 MiB is held at a time.
pub async fn each_line<'a>(
    vault: &dyn Vault,
    exhibits: impl IntoIterator<Item = &'a Exhibit, IntoIter: Send> + Send,
    mut each: impl FnMut(Line<'_>) -> ControlFlow<()> + Send,
) -> Result<Vec<String>, VaultError> {
    let mut gaps = Vec::new();
    for exhibit in exhibits {
        let name = shown(&exhibit.name, 100);
        let bytes = match exhibit_bytes(vault, exhibit).await? {
            Ok(bytes) => bytes,
            Err(fault) => {
                gaps.push(format!("{name}: {fault}"));
                continue;
            }
        };
        let mut lines = Lines::of(bytes.reader());
        while lines.advance() {
            let line = Line {
                exhibit,
                number: lines.number,
                bytes: lines.line(),
            };
            if each(line).is_break() {
                return Ok(gaps);
            }
            if lines.number.is_multiple_of(1000) {
                // Reading is work without waiting; others get their turn.
                tokio::task::yield_now().await;
            }
        }
        if lines.too_long > 0 {
            gaps.push(format!(
                "{name}: {} lines are too long to be looked at",
                lines.too_long
            ));
        }
        if lines.is_broken {
            gaps.push(format!("{name} breaks off after line {}", lines.number));
        }
    }
    Ok(gaps)
}

/// Whether an exhibit is a part of JSON Lines in gzip.
pub(crate) fn is_lines(exhibit: &Exhibit) -> bool {
    exhibit.media_type == "application/gzip"
}
