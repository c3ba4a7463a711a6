//! What a case says, as people read it: gathered once from what is sealed, written as a page that stands
//! alone ([`Report::html`]), as Markdown ([`Report::markdown`]) and as JSON ([`Report::json`]).
//!
//! A report is made of evidence and is none itself: whoever doubts it verifies the case, and the report
//! says how. It holds what manifests, findings and exhibits made for people say: never the value of an
//! environment variable, never a signed URL. The same sealed case gives the same bytes; nothing here
//! looks at a clock. Everything in it is bounded, and what was left out is said.
//!
//! The parts that commands show by themselves are public: [`timeline`], [`each_line`], [`Findings::of`],
//! [`Differences::read`], [`RoleActivity::read`], [`Invocations::read`].

mod acquisitions;
mod callers;
mod chain;
mod custody;
mod differences;
mod findings;
mod glance;
mod html;
mod invocations;
mod markdown;
mod reading;
mod role_activity;
mod spread;
mod timeline;

pub use acquisitions::{Acquired, Acquisitions, CallMade, Kept};
pub use callers::{Callers, Edge, Node};
pub use chain::{Chain, Link, Step};
pub use custody::{Custody, Deed};
pub use differences::{
    Differences, FileDifference, PartDifference, Place, Setting, TextDifference, TextLine, Touched,
};
pub use findings::{Findings, Noticed};
pub use glance::Glance;
pub use invocations::{Invocation, Invocations};
pub use reading::{Line, each_line};
pub use role_activity::{ActionCalls, RoleActivity, ServiceCalls};
pub use spread::Spread;
pub use timeline::{Name, Timeline, TimelineItem, timeline};

use evidence::{CaseId, Verdict, shown};
use jiff::Timestamp;
use serde::Serialize;
use std::io;
use vault::{Case, SealError, Vault, VaultError};

/// The most entries of the timeline that a report holds.
pub const MOST_ENTRIES: usize = 100_000;

/// What a case says.
#[derive(Clone, Debug, Serialize)]
pub struct Report {
    /// Which form this is: [`Report::FORMAT`].
    pub format: &'static str,
    /// The case.
    pub case_id: CaseId,
    /// The number of the last manifest that it is made of.
    pub sequence: u32,
    /// When that was sealed.
    pub as_of: Timestamp,
    /// What it all comes to, by the latest examination; none before the first.
    pub verdict: Option<Verdict>,
    /// Who, what, when, where.
    pub glance: Glance,
    /// Everything that has a time.
    pub timeline: Timeline,
    /// What is different from the last known good; none where nothing was compared.
    pub differences: Option<Differences>,
    /// What was noticed, the worst first.
    pub findings: Findings,
    /// What the function's role did, and who called what; none where it was not looked into.
    pub role_activity: Option<RoleActivity>,
    /// How often the function ran, how long, and how it ended; none where no log was read.
    pub invocations: Option<Invocations>,
    /// What was asked for and what came of it.
    pub acquisitions: Acquisitions,
    /// Who did what with the evidence and the target.
    pub custody: Custody,
    /// The manifests, each with the digest of the one before, and how to verify them by hand.
    pub chain: Chain,
}

/// Why a case could not be told.
#[derive(Debug, thiserror::Error)]
pub enum ReportError {
    /// The vault failed; trying again may help.
    #[error(transparent)]
    Vault(#[from] VaultError),
    /// The case cannot be read.
    #[error("the case cannot be read: {0}")]
    Case(SealError),
}

impl From<SealError> for ReportError {
    fn from(error: SealError) -> Self {
        match error {
            SealError::Vault(error) => Self::Vault(error),
            other => Self::Case(other),
        }
    }
}

impl Report {
    /// The form of the JSON.
    pub const FORMAT: &'static str = "coldcase-report/1";

    /// Gathers what a case says, addenda included. None if there is no sealed case of this id.
    ///
    /// An exhibit that is missing, or is not what was sealed, is told where it should have been; only a
    /// vault that fails is an error. Memory grows with what is told, which is bounded, not with the case.
    pub async fn read(vault: &dyn Vault, id: &CaseId) -> Result<Option<Self>, ReportError> {
        match Case::read(vault, id).await? {
            Some(case) => Ok(Some(Self::of(vault, &case).await?)),
            None => Ok(None),
        }
    }

    /// As [`Report::read`], of a case that is read already.
    pub async fn of(vault: &dyn Vault, case: &Case) -> Result<Self, ReportError> {
        let first = case.first();
        let last = case.manifests.last().unwrap_or(first);
        Ok(Self {
            format: Self::FORMAT,
            case_id: first.case_id.clone(),
            sequence: last.sequence,
            as_of: last.sealed_at,
            verdict: verdict(case),
            glance: Glance::of(first),
            timeline: Timeline::read(vault, case, MOST_ENTRIES).await?,
            differences: Differences::read(vault, case).await?,
            findings: Findings::of(case),
            role_activity: RoleActivity::read(vault, case).await?,
            invocations: Invocations::read(vault, case).await?,
            acquisitions: Acquisitions::of(case),
            custody: Custody::of(case),
            chain: Chain::read(vault, case).await?,
        })
    }

    /// Writes the page: one file that needs nothing else, small enough for the vault to take in one piece.
    pub fn html(&self, out: &mut impl io::Write) -> io::Result<()> {
        html::write(self, out)
    }

    /// Writes the same as Markdown, with the most telling of the timeline.
    pub fn markdown(&self, out: &mut impl io::Write) -> io::Result<()> {
        markdown::write(self, out)
    }

    /// Writes the same as JSON (`infra/schemas/report.schema.json`), with the most telling of the timeline.
    pub fn json(&self, out: &mut impl io::Write) -> io::Result<()> {
        serde_json::to_writer_pretty(&mut *out, self)?;
        out.write_all(b"\n")
    }
}

/// The latest verdict, fit to be shown.
fn verdict(case: &Case) -> Option<Verdict> {
    let mut manifests = case.manifests.iter().rev();
    let verdict = manifests.find_map(|manifest| manifest.verdict.as_ref())?;
    let verdict = without_marks(verdict.clone());
    let text = |text: &Option<String>| text.as_deref().map(|text| shown(text, 300));
    Some(Verdict {
        line: shown(&verdict.line, 600),
        severity: verdict.severity,
        confidence: verdict.confidence,
        changed: (verdict.changed.iter().take(50))
            .map(|change| shown(change, 300))
            .collect(),
        by: text(&verdict.by),
        from: text(&verdict.from),
        expected: verdict.expected,
    })
}

/// A verdict without the marks that stand for environment variables' values: they say nothing to people,
/// and nobody can try values on them.
pub fn without_marks(mut verdict: Verdict) -> Verdict {
    for what in &mut verdict.changed {
        *what = without_mark(what).to_owned();
    }
    verdict
}

fn without_mark(what: &str) -> &str {
    let verbs = [" added: ", " removed: ", " changed from "];
    let is_of_the_environment = what.starts_with("environment variable ");
    let cut = verbs.iter().find_map(|verb| {
        let at = what.rfind(verb)?;
        what.get(..at + verb.trim_end_matches("from ").trim_end_matches(": ").len())
    });
    match cut {
        Some(cut) if is_of_the_environment => cut.trim_end(),
        _ => what,
    }
}

/// A word of the house as it stands in JSON: `kebab-case`.
fn word(value: &impl Serialize) -> String {
    match serde_json::to_value(value) {
        Ok(serde_json::Value::String(word)) => word,
        _ => String::new(),
    }
}

/// At most so many of what was left out, and how many more there are.
fn few(mut texts: Vec<String>, most: usize) -> Vec<String> {
    if texts.len() > most {
        let more = texts.len() - most;
        texts.truncate(most);
        texts.push(format!("and {more} more"));
    }
    texts.iter().map(|text| shown(text, 400)).collect()
}
