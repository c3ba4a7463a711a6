//! What the case says in its own documents: every acquisition, and its exhibits as they were sealed.

use evidence::{Finding, Manifest, shown};
use serde_json::Value;
use snapshot::{Content, Document, Piece};
use vault::{Vault, VaultError, exhibit_bytes, is_content};

/// The most documents that are held at a time, and the most bytes of them.
const MOST_DOCUMENTS: usize = 3_000;
const MOST_DOCUMENT_BYTES: u64 = 96 * 1024 * 1024;

/// What was read of a manifest's documents.
#[derive(Default)]
pub struct Pieces {
    /// One an acquisition.
    pub pieces: Vec<Piece>,
    /// What is not as it was sealed.
    pub findings: Vec<Finding>,
    /// What was not looked at.
    pub left_out: Vec<String>,
}

impl Pieces {
    /// Every acquisition of a manifest with its documents. What is large stays where it is and is
    /// named by its digest.
    pub async fn of(vault: &dyn Vault, manifest: &Manifest) -> Result<Self, VaultError> {
        let mut read = Self::default();
        let (mut documents, mut bytes_held) = (0_usize, 0_u64);
        let mut too_many = 0_u64;
        for acquisition in &manifest.acquisitions {
            let mut piece = Piece {
                request: acquisition.request.clone(),
                result: acquisition.result.clone(),
                documents: Vec::new(),
                contents: Vec::new(),
            };
            for exhibit in &acquisition.exhibits {
                if is_content(exhibit) {
                    piece.contents.push(Content::from(exhibit));
                    continue;
                }
                if exhibit.media_type != "application/json" {
                    continue;
                }
                if documents >= MOST_DOCUMENTS
                    || bytes_held.saturating_add(exhibit.size_bytes) > MOST_DOCUMENT_BYTES
                {
                    too_many += 1;
                    continue;
                }
                match exhibit_bytes(vault, exhibit).await? {
                    Ok(bytes) => match serde_json::from_slice::<Value>(&bytes) {
                        Ok(json) => {
                            documents += 1;
                            bytes_held += exhibit.size_bytes;
                            piece.documents.push(Document {
                                name: exhibit.name.clone(),
                                json,
                            });
                        }
                        Err(_) => read
                            .left_out
                            .push(format!("{} is no JSON", shown(&exhibit.name, 100))),
                    },
                    Err(fault) => {
                        read.left_out
                            .push(format!("{}: {fault}", shown(&exhibit.name, 100)));
                        read.findings.extend(fault.finding(&exhibit.name));
                    }
                }
            }
            read.pieces.push(piece);
        }
        if too_many > 0 {
            read.left_out.push(format!(
                "{too_many} documents: a case is read up to {MOST_DOCUMENTS} documents and \
                 {MOST_DOCUMENT_BYTES} bytes of them"
            ));
        }
        Ok(read)
    }
}
