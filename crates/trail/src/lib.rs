//! CloudTrail records: taken out of whatever carried them, classified by a table, their target named.
//!
//! Pure by rule: no SDK, no runtime, no clock, no environment.
//!
//! A reader's path: [`unwrap`] yields [`Record`]s; [`classify`] looks each up in [`TABLE`] and says
//! respond, record or ignore, with the reason and the [`Target`](evidence::Target)s;
//! [`to_trigger`] turns what deserves a case into its trigger. [`patterns`] draws EventBridge's
//! event patterns from the same table, and [`own_tracing_change`] knows the one event that the
//! responder causes itself.
//!
//! Whole trails: [`scan_files`] (or a [`Scanner`], in one thread) finds the records of a [`Query`] in
//! files of any size; [`Activity`] sums up what was done and marks what stands out.

mod activity;
mod classify;
pub mod digests;
mod entry;
mod files;
mod framing;
mod gunzip;
mod marks;
mod own;
pub mod patterns;
mod power;
mod query;
mod record;
mod table;
mod target;
mod unwrap;

pub use activity::{Action, ActionSummary, Activity, Baseline, Known, Summary, Totals, Values};
pub use classify::{Classification, Decision, Scope, classify, to_trigger};
pub use entry::AuditEntry;
pub use files::{
    Breakage, BreakageKind, MAX_BREAKAGES, Match, Scanner, Sink, Tally, TrailFile, scan_files,
};
pub use framing::MAX_RECORD_BYTES;
pub use gunzip::{BOMB_BYTES, MAX_EXPANSION};
pub use marks::{Evidence, Mark, MarkRule};
pub use own::{OwnTracingAttempt, OwnTracingChange, own_tracing_attempt, own_tracing_change};
pub use query::Query;
pub use record::{Record, base_name};
pub use table::{Row, Standing, Subject, TABLE, row};
pub use target::targets;
pub use unwrap::{MAX_BYTES, MAX_DEPTH, Unreadable, unwrap, unwrap_value};
