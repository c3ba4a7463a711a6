//! What came of it: read from the sealed manifests, as JSON and as text.

use super::landing::{name_of, outcome, size_of};
use crate::desk::{Output, Tone, severity_tone, sheet};
use anyhow::Result;
use evidence::{
    CaseId, Confidence, CustodyAction, Manifest, Outcome, Request, Severity, Sha256Digest, Verdict,
    keys, shown,
};
use jiff::Timestamp;
use serde::Serialize;
use std::collections::BTreeMap;
use std::io::{self, Write};
use vault::{Case, Vault};

/// Everything that came of one `respond`.
#[derive(Serialize)]
pub struct Told {
    /// Asking again with it goes on in the same cases.
    pub request_id: String,
    /// Where the cases are.
    pub vault: String,
    /// Who preserved: `function` or `here`.
    pub by: By,
    /// Whether Ctrl-C ended it.
    pub interrupted: bool,
    /// Each case.
    pub cases: Vec<CaseTold>,
    /// What could not be done, in words.
    pub left: Vec<String>,
}

/// Who did the work.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum By {
    /// The stack's function.
    Function,
    /// This process.
    Here,
}

/// One case.
#[derive(Serialize)]
pub struct CaseTold {
    case_id: CaseId,
    target: Option<String>,
    sealed_at: Option<Timestamp>,
    signer: Option<String>,
    outcomes: BTreeMap<&'static str, usize>,
    acquisitions: Vec<AcquisitionTold>,
    tracing: Option<String>,
    addenda: usize,
    findings: BTreeMap<Severity, usize>,
    verdict: Option<Verdict>,
}

/// One artifact that was wanted.
#[derive(Serialize)]
struct AcquisitionTold {
    #[serde(flatten)]
    request: Request,
    /// Of which manifest: 0 is the case itself, later ones its addenda.
    sequence: u32,
    #[serde(flatten)]
    result: Outcome,
    exhibits: Vec<ExhibitTold>,
}

/// Bytes in the vault.
#[derive(Serialize)]
struct ExhibitTold {
    name: String,
    sha256: Sha256Digest,
    size_bytes: u64,
}

impl CaseTold {
    /// What the vault holds of a case by now.
    pub async fn read(vault: &dyn Vault, id: &CaseId) -> Result<Self> {
        let mut told = Self {
            case_id: id.clone(),
            target: None,
            sealed_at: None,
            signer: None,
            outcomes: BTreeMap::new(),
            acquisitions: Vec::new(),
            tracing: None,
            addenda: 0,
            findings: BTreeMap::new(),
            verdict: None,
        };
        let Some(case) = Case::read(vault, id).await? else {
            return Ok(told);
        };
        let first = case.first();
        told.target = Some(first.target.id());
        told.sealed_at = Some(first.sealed_at);
        told.signer = signer(vault, id).await?;
        told.addenda = case.manifests.len() - 1;
        for manifest in &case.manifests {
            told.add(manifest);
        }
        Ok(told)
    }

    fn add(&mut self, manifest: &Manifest) {
        for acquisition in &manifest.acquisitions {
            *self
                .outcomes
                .entry(acquisition.result.as_str())
                .or_default() += 1;
            self.acquisitions.push(AcquisitionTold {
                request: acquisition.request.clone(),
                sequence: manifest.sequence,
                result: acquisition.result.clone(),
                exhibits: acquisition
                    .exhibits
                    .iter()
                    .map(|exhibit| ExhibitTold {
                        name: exhibit.name.clone(),
                        sha256: exhibit.sha256,
                        size_bytes: exhibit.size_bytes,
                    })
                    .collect(),
            });
        }
        for finding in &manifest.findings {
            *self.findings.entry(finding.severity).or_default() += 1;
        }
        for entry in &manifest.custody {
            let told = match &entry.action {
                CustodyAction::TracingTurnedOn {
                    revision_before,
                    revision_after,
                    ..
                } => format!("turned on (revision {revision_before} → {revision_after})"),
                CustodyAction::TracingAlreadyOn { .. } => "was on already".to_owned(),
                CustodyAction::TracingNotPossible { why } => format!("not possible: {why}"),
                CustodyAction::TracingNotWanted => "not wanted".to_owned(),
                _ => continue,
            };
            self.tracing = Some(told);
        }
        if let Some(verdict) = &manifest.verdict {
            self.verdict = Some(verdict.clone());
        }
    }

    /// Whether everything that was wanted is there, or was never there.
    pub fn is_whole(&self) -> bool {
        let is_whole =
            |it: &AcquisitionTold| matches!(it.result, Outcome::Acquired | Outcome::Absent { .. });
        self.sealed_at.is_some() && self.acquisitions.iter().all(is_whole)
    }

    /// Whether an examination is sealed.
    pub fn is_examined(&self) -> bool {
        self.verdict.is_some()
    }
}

/// The id of the key that signed, by the file that lies beside the manifests.
async fn signer(vault: &dyn Vault, id: &CaseId) -> Result<Option<String>> {
    let beginning = format!("{}signer-", keys::case(id));
    let Some(key) = vault.list(&beginning, 1).await?.pop() else {
        return Ok(None);
    };
    let pem = vault.get(&key).await?;
    Ok(vault::key_id_of(&String::from_utf8_lossy(&pem)).ok())
}

impl Told {
    /// 0 if all that was wanted is there or was never there; 1 if something was refused or failed.
    pub fn is_whole(&self) -> bool {
        self.left.is_empty() && self.cases.iter().all(CaseTold::is_whole)
    }

    /// For people; `again` is the command that goes on with it, `vault` the option that names the vault.
    pub fn text(&self, out: &mut dyn Write, again: &str, vault: &str) -> io::Result<()> {
        let columns = Output::columns().min(100);
        for case in &self.cases {
            case.text(out, columns)?;
        }
        if !self.left.is_empty() {
            writeln!(out, "\n{}", Tone::Bad.paint("Not done"))?;
            for left in &self.left {
                wrapped(out, "  ", &shown(left, 1000), columns)?;
            }
        }
        let again_told = |out: &mut dyn Write| {
            writeln!(
                out,
                "  {again}\n    {}",
                Tone::Faint.paint("goes on where this one stopped")
            )
        };
        if self.interrupted {
            writeln!(out, "\n{}", Tone::Strong.paint("Interrupted"))?;
            return again_told(out);
        }
        if self.cases.is_empty() {
            return Ok(());
        }
        writeln!(out, "\n{}", Tone::Strong.paint("Next"))?;
        for case in &self.cases {
            let id = case.case_id.as_str();
            let id = id.rsplit('-').next().unwrap_or(id);
            if case.sealed_at.is_some() {
                writeln!(out, "  coldcase show {id}{vault}")?;
            }
        }
        let waits = self.by == By::Function && self.cases.iter().any(|case| !case.is_examined());
        if waits {
            wrapped(
                out,
                "  ",
                "The stack goes on by itself: it examines the case now, and again once what happened \
                 around it is collected. `coldcase show` tells how far it is; --wait follows it.",
                columns,
            )?;
        }
        if self.left.is_empty() {
            return Ok(());
        }
        again_told(out)
    }
}

impl CaseTold {
    fn text(&self, out: &mut dyn Write, columns: usize) -> io::Result<()> {
        writeln!(out, "\n{}", Tone::Strong.paint(self.case_id.as_str()))?;
        let Some(sealed_at) = self.sealed_at else {
            return writeln!(out, "  not sealed yet");
        };
        let mut line = |name: &str, text: &str| -> io::Result<()> {
            let begin = format!("  {name:<10}");
            wrapped_after(out, &begin, &" ".repeat(12), text, columns)
        };
        line(
            "target",
            &shown(self.target.as_deref().unwrap_or("unknown"), 300),
        )?;
        let sealed_at = sealed_at.strftime("%Y-%m-%d %H:%M:%S UTC");
        let key = self.signer.as_deref().and_then(|key| key.get(..16));
        let key = key.unwrap_or("unknown");
        line("sealed", &format!("{sealed_at}, signed with key {key}"))?;
        for word in ["acquired", "absent"] {
            let of: Vec<String> = self.named(word).collect();
            if !of.is_empty() {
                line(word, &format!("{}: {}", of.len(), of.join(", ")))?;
            }
        }
        for acquisition in &self.acquisitions {
            let why = match &acquisition.result {
                Outcome::Acquired | Outcome::Absent { .. } => continue,
                other => other.why().unwrap_or_default(),
            };
            let (word, _) = outcome(&acquisition.result);
            let name = name_of(&acquisition.request, 60);
            line(word, &format!("{name}: {}", shown(why, 600)))?;
        }
        if let Some(tracing) = &self.tracing {
            line("tracing", &shown(tracing, 300))?;
        }
        if !self.findings.is_empty() {
            let of = self.findings.iter().rev();
            let of: Vec<String> = of
                .map(|(severity, count)| format!("{count} {}", function::word(*severity)))
                .collect();
            line("findings", &of.join(", "))?;
        }
        let Some(verdict) = &self.verdict else {
            return line("verdict", "not examined yet");
        };
        let sure = match verdict.confidence {
            Confidence::Low => "not sure",
            Confidence::Medium => "fairly sure",
            Confidence::High => "sure",
        };
        let word = function::word(verdict.severity);
        writeln!(
            out,
            "  verdict   {}, {sure}",
            severity_tone(verdict.severity).paint(word)
        )?;
        wrapped(out, "            ", &shown(&verdict.line, 1000), columns)
    }

    fn named(&self, word: &str) -> impl Iterator<Item = String> {
        let of = self.acquisitions.iter();
        of.filter(move |it| it.result.as_str() == word).map(|it| {
            let name = name_of(&it.request, 48);
            match it.exhibits.iter().map(|exhibit| exhibit.size_bytes).sum() {
                size if size >= 1_000_000 => format!("{name} ({})", size_of(size)),
                _ => name,
            }
        })
    }
}

fn wrapped(out: &mut dyn Write, indent: &str, text: &str, columns: usize) -> io::Result<()> {
    wrapped_after(out, indent, indent, text, columns)
}

/// Writes words in lines of at most `columns`; `begin` stands before the first, `indent` before others.
fn wrapped_after(
    out: &mut dyn Write,
    begin: &str,
    indent: &str,
    text: &str,
    columns: usize,
) -> io::Result<()> {
    for row in sheet::rows(begin, indent, text, columns) {
        writeln!(out, "{}", row.trim_end())?;
    }
    Ok(())
}
