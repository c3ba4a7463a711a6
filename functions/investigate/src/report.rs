//! A case as people read it, written beside the evidence once an addendum is sealed.
//!
//! It is made of what is sealed, and is no evidence: whoever doubts it has the case verified and makes it
//! anew (`coldcase open`, which never takes this one). The function that opens packages does not write it: readers trust a page.

use crate::{InvestigateError, Investigator};
use ::report::{Report, ReportError};
use bytes::Bytes;
use evidence::{CaseId, keys};
use serde::Serialize;
use vault::{SMALL_BYTES, VaultError};

/// What was written.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Reported {
    /// The case.
    pub case_id: CaseId,
    /// The number of the last manifest that is told of.
    pub sequence: u32,
    /// Where the pages are.
    pub written: Vec<String>,
    /// What is not written, and why.
    pub left_out: Vec<String>,
}

impl Investigator {
    /// Writes the case as a page, as Markdown and as JSON. Twice is once: what was written first stays.
    pub async fn report(&self, id: &CaseId) -> Result<Reported, InvestigateError> {
        let report = Report::read(&*self.vault, id).await.map_err(failed)?;
        let Some(report) = report else {
            return Err(InvestigateError::NoCase(format!(
                "there is no sealed case {id} in {}; list the folder cases/ for those that are",
                self.settings.place
            )));
        };
        let mut reported = Reported {
            case_id: id.clone(),
            sequence: report.sequence,
            written: Vec::new(),
            left_out: Vec::new(),
        };
        // One after the other: only one of them is held at a time.
        self.keep(&mut reported, "html", "text/html; charset=utf-8", |page| {
            report.html(page)
        })
        .await?;
        self.keep(
            &mut reported,
            "md",
            "text/markdown; charset=utf-8",
            |page| report.markdown(page),
        )
        .await?;
        self.keep(&mut reported, "json", "application/json", |page| {
            report.json(page)
        })
        .await?;
        tracing::info!(
            case = %id,
            sequence = reported.sequence,
            entries = report.timeline.items.len(),
            left_out = reported.left_out.len(),
            "reported"
        );
        Ok(reported)
    }

    async fn keep(
        &self,
        reported: &mut Reported,
        extension: &str,
        media_type: &str,
        write: impl FnOnce(&mut Vec<u8>) -> std::io::Result<()>,
    ) -> Result<(), InvestigateError> {
        let key = keys::report(&reported.case_id, reported.sequence, extension);
        let mut page = Vec::new();
        if let Err(error) = write(&mut page) {
            reported.left_out.push(format!("{key}: {error}"));
            return Ok(());
        }
        if page.len() > SMALL_BYTES {
            let why = format!(
                "{key}: it has {} bytes, and {SMALL_BYTES} are the most",
                page.len()
            );
            reported.left_out.push(why);
            return Ok(());
        }
        match self
            .vault
            .put_once(&key, Bytes::from(page), media_type)
            .await
        {
            // Another version of this program may have written it before.
            Ok(_) | Err(VaultError::Conflict { .. }) => {
                reported.written.push(key);
                Ok(())
            }
            Err(error) => Err(error.into()),
        }
    }
}

fn failed(error: ReportError) -> InvestigateError {
    match error {
        ReportError::Vault(error) => error.into(),
        ReportError::Case(error) => error.into(),
    }
}
