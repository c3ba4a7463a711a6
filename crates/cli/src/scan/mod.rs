//! `coldcase scan`: examines a package without a case.

mod fetched;
mod said;

use crate::desk::{Options, Output};
use anyhow::{Context, Result, bail};
use evidence::{Finding, Severity, Sha256Digest};
use package::{
    Advisories, Checked, Component, Contents, Difference, Examined, Expected, File, Irregularity,
    Judge, Limits, Part, PartRole, Source, Subject, Tools,
};
use serde::Serialize;
use sha2::{Digest as _, Sha256};
use signatures::{Matching, Signatures};
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

/// Examines a package, a layer or an unpacked folder, without a case; or what a function runs now.
///
/// Opens it as hostile input: nothing is unpacked to disk, nothing of it is run. Tells what was found,
/// the worst first; as JSON it is one document: inventory (each file with SHA-256, size, mode, time and
/// kind by content), irregularities of the archive, components, integrity against what was published,
/// the difference from another package if one is named, and findings with rule, severity, technique,
/// path, line and proof.
///
/// A function or a layer's version is downloaded with your credentials (lambda:GetFunction,
/// lambda:GetLayerVersion) into a private folder that is gone afterwards, held against the digest that
/// Lambda announces, and examined with its layers. Only files on disk need no account.
///
/// Exits with 0 if no finding is medium or above, with 1 if one is, with 2 if the package, or a file
/// that is named here, cannot be read.
#[derive(clap::Args)]
#[command(after_help = "\
Examples:
  coldcase scan function.zip
  coldcase scan billing
  coldcase scan arn:aws:lambda:eu-west-1:111122223333:layer:deps:3
  coldcase scan function.zip --against last-week.zip --json | jq -r '.difference.texts[].unified'
  coldcase scan build/ --runtime python3.13 --expected expected.json --arn billing
  coldcase scan layer.zip --layer --rules my-rules/ --advisories osv/ --sbom layer.cdx.json
  coldcase scan function.zip --json | jq -r '.findings[] | [.severity, .rule, .path, .line] | @tsv'")]
pub struct Args {
    /// A zip, a tar (plain or gzip) or a folder; or the ARN of a function or a layer's version, or a
    /// function's name (NAME or NAME:VERSION) if there is no such file.
    #[arg(value_name = "ZIP|DIR|ARN")]
    package: PathBuf,

    /// What the package was before: a zip, a tar or a folder to compare with.
    #[arg(long, value_name = "OLD")]
    against: Option<PathBuf>,

    /// Expected digests, in JSON: of the package, its layers, its components.
    #[arg(long, value_name = "FILE")]
    expected: Option<PathBuf>,

    /// The function (by ARN or name) or layer version that the package is meant for: the expected
    /// digests know it by that. Without it only its components are compared.
    #[arg(long, value_name = "ARN|NAME", requires = "expected")]
    arn: Option<String>,

    /// YARA rules beside our own: every *.yar and *.yara in this folder.
    #[arg(long, value_name = "DIR")]
    rules: Option<PathBuf>,

    /// No YARA rules at all.
    #[arg(long, conflicts_with = "rules")]
    no_rules: bool,

    /// Advisories in OSV's format: every *.json in this folder.
    #[arg(long, value_name = "DIR")]
    advisories: Option<PathBuf>,

    /// The function's runtime, as Lambda names it (python3.13, nodejs22.x, …).
    #[arg(long)]
    runtime: Option<String>,

    /// The function's handler.
    #[arg(long)]
    handler: Option<String>,

    /// It is a layer, whose files lie in /opt.
    #[arg(long)]
    layer: bool,

    /// Writes the components as CycloneDX JSON.
    #[arg(long, value_name = "FILE")]
    sbom: Option<PathBuf>,
}

#[derive(Serialize)]
struct Report<'a> {
    package: String,
    /// Whether all of it could be read.
    complete: bool,
    inventory: &'a [File],
    irregularities: &'a [Irregularity],
    components: &'a [Component],
    integrity: &'a Checked,
    #[serde(skip_serializing_if = "Option::is_none")]
    difference: Option<Difference>,
    findings: Vec<Line<'a>>,
    /// Of a function in an account: the layers that it loads.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    layers: Vec<Report<'a>>,
    /// What it is made of as well, and could not be examined.
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    not_examined: &'a [String],
}

/// A finding, with where it is on top.
#[derive(Serialize)]
struct Line<'a> {
    #[serde(flatten)]
    finding: &'a Finding,
    path: Option<&'a str>,
    line: Option<u64>,
}

/// One package on disk, and what is known of it.
struct Wanted {
    part: Part,
    arn: Option<String>,
    path: PathBuf,
    /// Noticed on the way here: bytes that are not what was announced.
    findings: Vec<Finding>,
}

/// What it is held against.
struct Against {
    advisories: Advisories,
    expected: Option<Expected>,
    signatures: Option<Signatures>,
}

/// Examines what `args` name.
pub async fn run(args: &Args, options: &Options) -> Result<ExitCode> {
    let output = Output::new(options);
    let against = Against::of(args)?;
    let (wanted, not_examined, _folder) = match fetched::named(&args.package) {
        Some(named) => {
            let fetched = fetched::fetch(&named, args, options, &output).await?;
            (fetched.wanted, fetched.not_examined, Some(fetched.folder))
        }
        None => (vec![on_disk(args)], Vec::new(), None),
    };
    let limits = Limits::default();
    let mut examined = Vec::new();
    let mut difference = None;
    for (index, one) in wanted.iter().enumerate() {
        let (found, mut source) = against.examine(one, limits)?;
        if let (0, Some(before)) = (index, &args.against) {
            difference = Some(compare(before, &mut source, &found.contents, &limits)?);
        }
        examined.push(found);
    }
    if let (Some(file), Some(one), Some(found)) = (&args.sbom, wanted.first(), examined.first()) {
        let document =
            package::cyclonedx(&one.part.name, &found.components, jiff::Timestamp::now())?;
        fs::write(file, document)
            .with_context(|| format!("{} cannot be written", file.display()))?;
    }
    let mut reports = wanted
        .iter()
        .zip(&examined)
        .map(|(one, found)| Report::of(one, found));
    let Some(mut report) = reports.next() else {
        bail!("nothing was named to be examined");
    };
    report.layers = reports.collect();
    report.difference = difference;
    report.not_examined = &not_examined;
    output.answer(&report, |out| said::tell(out, &report))?;
    let worst = examined
        .iter()
        .filter_map(|one| package::worst(&one.findings));
    Ok(match worst.max() {
        Some(severity) if severity >= Severity::Medium => ExitCode::from(1),
        _ => ExitCode::SUCCESS,
    })
}

fn on_disk(args: &Args) -> Wanted {
    Wanted {
        part: Part {
            name: args.package.display().to_string(),
            role: if args.layer {
                PartRole::Layer
            } else {
                PartRole::Function
            },
            runtime: args.runtime.clone(),
            handler: args.handler.clone(),
        },
        arn: args.arn.clone(),
        path: args.package.clone(),
        findings: Vec::new(),
    }
}

impl Against {
    fn of(args: &Args) -> Result<Self> {
        Ok(Self {
            advisories: match &args.advisories {
                Some(folder) => read_advisories(folder)?,
                None => Advisories::default(),
            },
            expected: match &args.expected {
                Some(file) => Some(
                    Expected::read(&read(file)?)
                        .with_context(|| format!("{} holds no expected digests", file.display()))?,
                ),
                None => None,
            },
            signatures: match (&args.rules, args.no_rules) {
                (_, true) => None,
                (Some(folder), false) => Some(Signatures::with(read_rules(folder)?.into_iter())?),
                (None, false) => Some(Signatures::ours()?),
            },
        })
    }

    fn examine(&self, wanted: &Wanted, limits: Limits) -> Result<(Examined, Source)> {
        // Opened before it is digested: of what is no file nor folder there is no end.
        let mut source = Source::open(&wanted.path)?;
        let subject = Subject {
            part: &wanted.part.name,
            arn: wanted.arn.as_deref(),
            sha256: digest_of(&wanted.path)?,
        };
        let tools = Tools {
            limits,
            advisories: &self.advisories,
            expected: self.expected.as_ref(),
        };
        let judge = self.signatures.as_ref().map(|signatures| {
            Box::new(Matching::new(signatures, &wanted.part.name)) as Box<dyn Judge>
        });
        let mut examined = package::examine(&wanted.part, &subject, &mut source, &tools, judge)?;
        examined.findings.extend(wanted.findings.iter().cloned());
        package::worst_first(&mut examined.findings);
        Ok((examined, source))
    }
}

impl<'a> Report<'a> {
    fn of(wanted: &Wanted, examined: &'a Examined) -> Self {
        Self {
            package: wanted.part.name.clone(),
            complete: examined.contents.is_complete,
            inventory: &examined.contents.files,
            irregularities: &examined.contents.irregularities,
            components: &examined.components,
            integrity: &examined.integrity,
            difference: None,
            findings: examined.findings.iter().map(Line::of).collect(),
            layers: Vec::new(),
            not_examined: &[],
        }
    }
}

impl<'a> Line<'a> {
    fn of(finding: &'a Finding) -> Self {
        let first = finding.proof.first();
        Self {
            finding,
            path: first.and_then(|proof| proof.path.as_deref()),
            line: first.and_then(|proof| proof.line),
        }
    }
}

/// Compares with what the package was before.
fn compare(
    before: &Path,
    now: &mut Source,
    contents: &Contents,
    limits: &Limits,
) -> Result<Difference> {
    let mut before = Source::open(before)?;
    let contents_before = before.read(limits, &mut [])?;
    Ok(Difference::read(
        (&mut before, &contents_before),
        (now, contents),
        limits,
    )?)
}

/// Every YARA file of a folder, by name.
fn read_rules(folder: &Path) -> Result<Vec<(String, String)>> {
    let mut rules = Vec::new();
    for file in files_of(folder, &["yar", "yara"])? {
        let text = String::from_utf8(read(&file)?)
            .with_context(|| format!("{} is not UTF-8 text", file.display()))?;
        rules.push((file.display().to_string(), text));
    }
    Ok(rules)
}

fn read_advisories(folder: &Path) -> Result<Advisories> {
    let mut advisories = Advisories::default();
    for file in files_of(folder, &["json"])? {
        advisories.add(&file.display().to_string(), &read(&file)?)?;
    }
    Ok(advisories)
}

/// The files of a folder with one of these endings, in order of name; an empty folder is a mistake.
fn files_of(folder: &Path, endings: &[&str]) -> Result<Vec<PathBuf>> {
    let unreadable = || format!("{} cannot be listed; name a folder", folder.display());
    let mut files = Vec::new();
    for entry in fs::read_dir(folder).with_context(unreadable)? {
        let path = entry.with_context(unreadable)?.path();
        let ending = path.extension().and_then(|ending| ending.to_str());
        if ending.is_some_and(|ending| endings.contains(&ending)) && path.is_file() {
            files.push(path);
        }
    }
    if files.is_empty() {
        let wanted = endings.join(" and *.");
        bail!(
            "{} holds no *.{wanted}; name the folder they lie in",
            folder.display()
        );
    }
    files.sort();
    Ok(files)
}

fn read(file: &Path) -> Result<Vec<u8>> {
    fs::read(file).with_context(|| format!("{} cannot be read", file.display()))
}

/// SHA-256 of a file; none of a folder.
pub(crate) fn digest_of(path: &Path) -> Result<Option<Sha256Digest>> {
    if path.is_dir() {
        return Ok(None);
    }
    let unreadable = || format!("{} cannot be read", path.display());
    let mut file = fs::File::open(path).with_context(unreadable)?;
    let mut hash = Sha256::new();
    io::copy(&mut file, &mut hash).with_context(unreadable)?;
    Ok(Some(Sha256Digest::from_bytes(hash.finalize().into())))
}
