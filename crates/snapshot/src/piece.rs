//! What a snapshot is read from: acquisitions with what they brought.

use evidence::{Exhibit, Outcome, Request};
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// One acquisition with the documents that it brought: what a snapshot is read from, be it a case's
/// or a baseline's.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Piece {
    /// What was asked for.
    pub request: Request,
    /// What came of it.
    pub result: Outcome,
    /// Its JSON documents. They hold environment values: kept in the vault, shown to nobody.
    pub documents: Vec<Document>,
    /// What else it brought: packages and layers, by digest.
    pub contents: Vec<Content>,
}

/// One document of an acquisition.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Document {
    /// The exhibit's name.
    pub name: String,
    /// What it says.
    pub json: Value,
}

/// Bytes that are kept in the vault under their digest.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Content {
    /// The exhibit's name.
    pub name: String,
    /// Where it is.
    pub key: String,
    /// Its SHA-256.
    pub sha256: evidence::Sha256Digest,
    /// Its size.
    pub size_bytes: u64,
}

impl Piece {
    /// The package that it brought; none if it brought none.
    pub fn archive(&self) -> Option<&Content> {
        self.contents.iter().find(|content| content.is_archive())
    }
}

impl Content {
    /// Whether it may be a package. A reply that was kept as it came is none; the package that was made of
    /// it is beside it.
    pub fn is_archive(&self) -> bool {
        let endings = [".raw", ".multipart", ".json"];
        !endings.iter().any(|ending| self.name.ends_with(ending))
    }
}

impl From<&Exhibit> for Content {
    fn from(exhibit: &Exhibit) -> Self {
        Self {
            name: exhibit.name.clone(),
            key: exhibit.key.clone(),
            sha256: exhibit.sha256,
            size_bytes: exhibit.size_bytes,
        }
    }
}
