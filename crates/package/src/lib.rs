//! What is in a package, a layer, an image: opened as hostile input, listed, identified, compared,
//! judged. Pure: no SDK, no runtime, no clock, no environment; bytes come in through [`Source`].
//!
//! A reader's path: a [`Source`] is opened and read once from beginning to end ([`Source::read`]);
//! every file in it becomes a [`File`] of the [`Contents`], and passes the [`Observer`]s on its way:
//! those that recognise [`components`], those that check [`integrity`], those that look for
//! [`indicators`]. What is odd about the archive itself is an [`Irregularity`] and never an end.

mod advisories;
mod bytes;
mod components;
mod contents;
mod cyclonedx;
mod difference;
mod examination;
mod expected;
mod folder;
mod indicators;
mod install_scripts;
mod integrity;
mod irregularities;
mod kind;
mod limits;
mod lookalike;
mod proof;
mod source;
mod tarred;
mod walk;
mod zipped;

pub use advisories::{Advisories, BadAdvisory};
pub use components::{Component, Components, Ecosystem, Presence};
pub use contents::{Contents, File, Irregularity, Kind, Oddity};
pub use cyclonedx::{BadInventory, cyclonedx};
pub use difference::{
    BinaryChange, BinaryFacts, Difference, Excerpt, FileChange, FileChanges, FileFacts, Moved,
    TextChange, unified,
};
pub use examination::{Examined, Judge, Tools, examine, worst, worst_first};
pub use expected::{BadExpected, Expected, Subject};
pub use indicators::{Indicators, Part, PartRole, across, excerpt};
pub use install_scripts::InstallScripts;
pub use integrity::{Bytecode, Checked, Deviance, Deviation, Integrity};
pub use irregularities::irregularities;
pub use limits::Limits;
pub use lookalike::lookalikes;
pub use source::{Source, Unreadable};

/// Looks at files as they pass.
pub trait Observer {
    /// One file, in the order of the archive; called once for every regular file of which at least
    /// the beginning could be read. An archive comes before the files in it.
    fn file(&mut self, file: &File, content: Content<'_>);
}

/// The bytes of a file.
#[derive(Clone, Copy, Debug)]
pub struct Content<'a> {
    /// Its beginning, up to [`Limits::held_bytes`].
    pub bytes: &'a [u8],
    /// Whether that is all of it.
    pub is_whole: bool,
}
