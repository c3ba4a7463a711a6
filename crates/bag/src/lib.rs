//! A case that stands alone: a BagIt folder or zip (RFC 8493) that anybody can check with `sha256sum` and
//! `openssl`, without this program and without the vault.
//!
//! ```text
//! bagit.txt              which version of BagIt this is
//! bag-info.txt           which case, how much of it, its last manifest, who exported it and when
//! HOW-TO-VERIFY.md       the commands to check all of it by hand
//! manifest-sha256.txt    the digest of every file in data/
//! tagmanifest-sha256.txt the digest of every other file
//! data/                  the vault's own keys: cases/CASE/…, content/…, examinations/CASE/…, …
//! ```
//!
//! [`export`] writes one, [`verify`] checks one, [`import`] puts one into another vault. A bag comes from
//! anywhere and is hostile until it is verified: nothing outside of it is read, whatever it names, nothing
//! of it is believed that is not checked, and [`import`] takes what is sealed and nothing else.
//!
//! A zip is read only in the one form that [`export`] gives it, byte for byte: stored, in order, without
//! a gap. So nothing can hide in it. One that another program packed is unpacked first.

mod export;
mod how_to;
mod import;
mod read;
mod tags;
mod verify;
mod zipped;

pub use export::{ExportError, Exported, Order, export};
pub use import::{ImportError, Imported, import};
pub use read::{BadBag, Bag};
pub use verify::{Verified, verify};

/// What a bag's files are called.
pub(crate) mod names {
    pub(crate) const DECLARATION: &str = "bagit.txt";
    pub(crate) const INFO: &str = "bag-info.txt";
    pub(crate) const HOW_TO: &str = "HOW-TO-VERIFY.md";
    pub(crate) const MANIFEST: &str = "manifest-sha256.txt";
    pub(crate) const TAG_MANIFEST: &str = "tagmanifest-sha256.txt";
    /// What all payload begins with.
    pub(crate) const DATA: &str = "data/";
}
