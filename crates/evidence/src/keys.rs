//! Every key under which something is kept in the vault.
//!
//! ```text
//! cases/CASE/exhibits/NAME.DIGEST12.EXT   what a call answered; small
//! content/SHA256                          packages, layers, images; stored once, shared by cases
//! cases/CASE/manifest-NNNN.json           an in-toto statement in canonical JSON; 0000 is the case, later ones its addenda
//! cases/CASE/manifest-NNNN.sha256         digests of its exhibits and of the manifest before, for `sha256sum -c` in this folder
//! cases/CASE/manifest-NNNN.sig            the signature over it (DSSE pre-authentication encoding), DER
//! cases/CASE/manifest-NNNN.dsse.json      the same as a DSSE envelope; written last: its presence means sealed
//! cases/CASE/signer-ID.pem                the public key, for convenience; take the trusted one from elsewhere
//! cases/CASE/notified.json                written after the notification went out
//! requests/REQUEST.json                   when a responder's request came in: a repeated one reopens the same case
//! windows/CASE/PASS/plan.json             what a pass over a window sets out to collect; written once, before the first page
//! windows/CASE/PASS/TASK/NNNNNN.gz        one page as the provider gave it, and where the next one begins
//! windows/CASE/PASS/TASK/slow.json        that merging its pages took longer than a step; the next attempt ends with what it has
//! windows/CASE/PASS/TASK/done.json        what came of a task once its pages are exhibits
//! examinations/CASE/PASS/NAME.DIGEST12.EXT what examining a case brought; written by a function that can write nothing else
//! examinations/CASE/PASS/result.json      the findings and the verdict of an examination; last, nothing is read without it
//! reports/CASE/NNNN.html, .md, .json      the case as people read it, as of manifest NNNN; made of what is sealed, and never evidence itself
//! baselines/FUNCTION/NNNNNN.json          a function as it was known to be good; the highest number is the latest
//! baselines/mark-key                      the key of the marks that environment values are compared by
//! attempts/YYYY/MM/DD/EVENT.json          events that are recorded only: failed calls, lesser changes
//! tracing/FUNCTION/REVISION.json          written before tracing is turned on: tells our own event from an attacker's
//! ```

use crate::acquisition::Request;
use crate::case_id::CaseId;
use crate::digest::Sha256Digest;
use crate::file_name::file_name;
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

/// Something that the examination after `pass` made of a case.
pub fn examined(
    id: &CaseId,
    pass: &str,
    name: &str,
    sha256: &Sha256Digest,
    extension: &str,
) -> String {
    let name = file_name(name, 80);
    format!(
        "examinations/{id}/{}/{name}.{}.{extension}",
        file_name(pass, 64),
        sha256.short()
    )
}

/// What an examination came to.
pub fn examination(id: &CaseId, pass: &str) -> String {
    format!("examinations/{id}/{}/result.json", file_name(pass, 64))
}

/// Everything that was written about a case for people to read.
pub fn reports(id: &CaseId) -> String {
    format!("reports/{id}/")
}

/// A case as people read it, as of the manifest with this number; `extension` is `html`, `md` or `json`.
pub fn report(id: &CaseId, sequence: u32, extension: &str) -> String {
    format!("reports/{id}/{sequence:04}.{extension}")
}

/// All records of a function as it was known to be good.
pub fn baselines(function: &Target) -> String {
    format!("baselines/{}/", Sha256Digest::of(function.id_unqualified()))
}

/// One record of a function as it was known to be good, counted from 1.
pub fn baseline(function: &Target, number: u32) -> String {
    format!("{}{number:06}.json", baselines(function))
}

/// The key of the marks that environment values are compared by.
pub const MARK_KEY: &str = "baselines/mark-key";

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

/// The public key that a case was signed with, by the first 16 digits of its key id.
pub fn signer(id: &CaseId, key_id: &str) -> String {
    let beginning = key_id.get(..16).unwrap_or(key_id);
    format!("cases/{id}/signer-{}.pem", file_name(beginning, 32))
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
    format!("tracing/{}/", Sha256Digest::of(function.id_unqualified()))
}

/// What a pass over a window sets out to collect.
pub fn plan(id: &CaseId, pass: &str) -> String {
    format!("windows/{id}/{}/plan.json", file_name(pass, 64))
}

/// The pages of one task of a pass.
pub fn pages(id: &CaseId, pass: &str, task: &Request) -> String {
    let task = file_name(&task.to_string(), 80);
    format!("windows/{id}/{}/{task}/", file_name(pass, 64))
}

/// One page of a task, counted from 1.
pub fn page(id: &CaseId, pass: &str, task: &Request, number: u32) -> String {
    format!("{}{number:06}.gz", pages(id, pass, task))
}

/// That merging a task's pages took longer than a step.
pub fn task_slow(id: &CaseId, pass: &str, task: &Request) -> String {
    format!("{}slow.json", pages(id, pass, task))
}

/// What came of a task.
pub fn task_done(id: &CaseId, pass: &str, task: &Request) -> String {
    format!("{}done.json", pages(id, pass, task))
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
