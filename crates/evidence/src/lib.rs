//! The language of the house: what the functions and the command line say to each other.
//!
//! Pure by rule: no SDK, no runtime, no clock, no environment. Times and identities come in as
//! arguments, so that everything here can be tested by value.
//!
//! A reader's path: a [`Trigger`] on a [`Target`] opens a case ([`OpenCase`]); each thing asked for
//! becomes an [`Acquisition`] with its [`Exhibit`]s; the case becomes a [`Draft`] manifest, and,
//! once signed, a [`SealedCase`]. Only a sealed case can be amended, and the types make any other
//! order unspellable.

mod acquisition;
mod address;
mod bindings;
mod canonical;
mod case;
mod case_id;
mod digest;
mod examination;
mod file_name;
mod finding;
pub mod keys;
mod manifest;
mod seal;
mod shown;
mod target;
mod timeline;
mod trigger;
mod window;

pub use acquisition::{Acquisition, ArtifactKind, Call, Exhibit, Outcome, Permission, Request};
pub use address::BadTarget;
pub use bindings::names_what_is_bound;
pub use canonical::canonical_json;
pub use case::{Draft, OpenCase, SealedCase};
pub use case_id::{BadCaseId, CaseId};
pub use digest::{BadDigest, Sha256Digest};
pub use examination::Examination;
pub use file_name::file_name;
pub use finding::{Confidence, Finding, Proof, Severity, Verdict};
pub use manifest::{CustodyAction, CustodyEntry, Manifest, Responder, TargetChange};
pub use seal::{BadSeal, Envelope, PAYLOAD_TYPE, STATEMENT_TYPE, Signature, pre_authentication};
pub use shown::{is_hidden, longest_run, shown, shown_code};
pub use target::{BadArn, Partition, Provider, ResourceKind, Target};
pub use timeline::{TimelineEntry, TimelineSource};
pub use trigger::{Category, Trigger};
pub use window::{BadWindow, Window};
