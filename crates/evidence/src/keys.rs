//! Every key under which something is kept in the vault.
//!
//! ```text
//! cases/CASE/exhibits/NAME.DIGEST12.EXT   what a call answered; small
//! content/SHA256                          packages, layers, images; stored once, shared by cases
//! cases/CASE/manifest-NNNN.json           an in-toto statement in canonical JSON; 0000 is the case, later ones its addenda
//! cases/CASE/manifest-NNNN.sha256         its exhibits' digests, for `sha256sum -c` in this folder
//! cases/CASE/manifest-NNNN.sig            the signature over it (DSSE pre-authentication encoding), DER
//! cases/CASE/manifest-NNNN.dsse.json      the same as a DSSE envelope; written last: its presence means sealed
//! cases/CASE/signer-ID.pem                the public key, for convenience; take the trusted one from elsewhere
//! cases/CASE/notified.json                written after the notification went out
//! requests/REQUEST.json                   when a responder's request came in: a repeated one reopens the same case
//! attempts/YYYY/MM/DD/EVENT.json          events that are recorded only: failed calls, lesser changes
//! tracing/FUNCTION/REVISION.json          written before tracing is turned on: tells our own event from an attacker's
//! ```

use crate::case::CaseId;
use crate::digest::Sha256Digest;
use crate::target::Target;
use jiff::Timestamp;

/// Large content, by its digest.
pub fn content(sha256: &Sha256Digest) -> String {
    format!("content/{sha256}")
}

/// Everything of one case but its shared content.
pub fn case(id: &CaseId) -> String {
    format!("cases/{id}/")
}

/// An exhibit of a case. The digest in the name lets two attempts at one case live side by side:
/// equal bytes meet under one key, unequal ones never collide.
pub fn exhibit(id: &CaseId, name: &str, sha256: &Sha256Digest, extension: &str) -> String {
    let name = file_name(name, 80);
    format!("cases/{id}/exhibits/{name}.{}.{extension}", sha256.short())
}

/// The manifest with this sequence number; 0 is the case itself.
pub fn manifest(id: &CaseId, sequence: u32) -> String {
    format!("cases/{id}/manifest-{sequence:04}.json")
}

/// The digests of a manifest's exhibits.
pub fn sums(id: &CaseId, sequence: u32) -> String {
    format!("cases/{id}/manifest-{sequence:04}.sha256")
}

/// The signature of a manifest.
pub fn signature(id: &CaseId, sequence: u32) -> String {
    format!("cases/{id}/manifest-{sequence:04}.sig")
}

/// The envelope: what seals.
pub fn envelope(id: &CaseId, sequence: u32) -> String {
    format!("cases/{id}/manifest-{sequence:04}.dsse.json")
}

/// The public key that a case was signed with, by its key id.
pub fn signer(id: &CaseId, key_id: &str) -> String {
    format!("cases/{id}/signer-{}.pem", file_name(key_id, 16))
}

/// That somebody was told of a case.
pub fn notified(id: &CaseId) -> String {
    format!("cases/{id}/notified.json")
}

/// A responder's request, by its id.
pub fn request(request_id: &str) -> String {
    format!("requests/{}.json", file_name(request_id, 80))
}

/// The intents to turn tracing on for this function, at any revision.
pub fn tracing_intents(function: &Target) -> String {
    format!("tracing/{}/", Sha256Digest::of(function.arn_unqualified()))
}

/// An event that is recorded and opens no case.
pub fn attempt(occurred_at: Timestamp, event_id: &str) -> String {
    format!(
        "attempts/{}/{}.json",
        occurred_at.strftime("%Y/%m/%d"),
        file_name(event_id, 80)
    )
}

/// The intent to turn tracing on at this revision of this function.
pub fn tracing_intent(function: &Target, revision_id: &str) -> String {
    format!(
        "{}{}.json",
        tracing_intents(function),
        file_name(revision_id, 80)
    )
}

/// `text` as a file name: letters, digits, `-`, `_` and `.`, at most `longest` of them, not hidden.
/// What had to be changed or cut is told apart by a digest at the end, because an attacker chose it.
pub fn file_name(text: &str, longest: usize) -> String {
    let safe: String = text
        .chars()
        .map(|c| match c {
            'a'..='z' | 'A'..='Z' | '0'..='9' | '-' | '_' | '.' => c,
            _ => '-',
        })
        .collect();
    let safe = safe.trim_start_matches('.');
    if safe == text && text.len() <= longest && !text.is_empty() {
        return safe.to_owned();
    }
    let mark = Sha256Digest::of(text).short();
    let kept: String = safe
        .chars()
        .take(longest.saturating_sub(mark.len() + 1))
        .collect();
    let kept = kept.trim_matches(['-', '.']);
    if kept.is_empty() {
        mark
    } else {
        format!("{kept}-{mark}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn an_ordinary_name_stays_as_it_is() {
        assert_eq!(file_name("billing-api_v2.json", 80), "billing-api_v2.json");
    }

    proptest! {
        #[test]
        fn a_hostile_name_stays_in_its_folder_and_is_told_from_others(a in ".{0,300}", b in ".{0,300}") {
            let (x, y) = (file_name(&a, 64), file_name(&b, 64));
            prop_assert!(!x.is_empty() && x.len() <= 64, "{}", x);
            prop_assert!(!x.starts_with('.') && !x.contains(['/', '\\', '\0']));
            if a != b {
                prop_assert_ne!(x, y);
            }
        }
    }
}
