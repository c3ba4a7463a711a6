//! A function as it is configured: read from evidence ([`Piece`]), compared with how it was, judged.
//! Pure: no SDK, no runtime, no clock, no environment.
//!
//! A reader's path: [`Snapshot::read`] makes a snapshot of pieces, [`changes()`] compares two, with
//! [`gaps()`] for what could not be compared, [`findings()`] says what is wrong, and [`verdict()`]
//! makes one line of it all. [`changes_as_markdown`] is for people.
//!
//! A [`Baseline`] is the pieces of a function as it was known to be good.
//!
//! Values of environment variables never leave `read`: a [`Mark`] stands for each.

mod aws;
mod baseline;
#[cfg(test)]
mod canned;
mod changes;
mod cloudflare;
mod findings;
mod gcp;
mod mark;
mod model;
mod papers;
mod piece;
mod policy;
mod reading;
mod runtime;
mod verdict;

pub use baseline::{Baseline, Cause, NotRead, Substance};
pub use changes::{
    Change, ChangeKind, Gap, changes, changes_as_markdown, changes_as_markdown_for, gaps,
};
pub use findings::{RULES, Rule, findings};
pub use mark::{BadMarkKey, Mark, MarkKey};
pub use model::{
    Alias, AsyncCalls, Behind, Binding, Code, Concurrency, FunctionUrl, Invoker, Layer, LogGroup,
    Mapping, Place, Role, Settings, Signing, Snapshot, Variable, Version,
};
pub use piece::{Content, Document, Piece};
pub use policy::{Condition, Effect, Policy, Principal, Statement};
pub use reading::Reading;
pub use runtime::{Running, runtime_of};
pub use verdict::{Compared, FileSummary, verdict};
