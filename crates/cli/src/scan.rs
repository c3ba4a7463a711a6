//! `coldcase scan`: examines a package without a case.

use anyhow::{Context, Result, bail};
use evidence::{Finding, Severity, Sha256Digest};
use package::{
    Advisories, Checked, Component, Contents, Difference, Expected, File, Irregularity, Judge,
    Limits, Part, PartRole, Source, Subject, Tools,
};
use serde::Serialize;
use sha2::{Digest as _, Sha256};
use signatures::{Matching, Signatures};
use std::fs;
use std::io::{self, IsTerminal as _, Write as _};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

/// Examines a package, a layer or an unpacked folder, without a case and without an account.
///
/// Opens it as hostile input: nothing is unpacked to disk, nothing of it is run. Prints one JSON
/// document: inventory (each file with SHA-256, size, mode, time and kind by content),
/// irregularities of the archive, components, integrity against what was published, the
/// difference from another package if one is named, and findings with rule, severity, technique,
/// path, line and proof.
///
/// Exits with 0 if no finding is medium or above, with 1 if one is, with 2 if the package, or a file
/// that is named here, cannot be read.
#[derive(clap::Args)]
#[command(after_help = "\
Examples:
  coldcase scan function.zip
  coldcase scan function.zip --against last-week.zip | jq -r '.difference.texts[].unified' | cat -v
  coldcase scan build/ --runtime python3.13 --expected expected.json
  coldcase scan layer.zip --layer --rules my-rules/ --advisories osv/ --sbom layer.cdx.json
  coldcase scan function.zip | jq -r '.findings[] | [.severity, .rule, .path, .line] | @tsv'")]
pub struct Args {
    /// A zip, a tar (plain or gzip) or a folder.
    #[arg(value_name = "ZIP|DIR")]
    package: PathBuf,

    /// What the package was before: a zip, a tar or a folder to compare with.
    #[arg(long, value_name = "OLD")]
    against: Option<PathBuf>,

    /// Expected digests, in JSON: of the package, its layers, its components.
    #[arg(long, value_name = "FILE")]
    expected: Option<PathBuf>,

    /// The ARN of the function or layer version that the package is meant for: the expected digests
    /// know it by that. Without it only its components are compared.
    #[arg(long, value_name = "ARN", requires = "expected")]
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
}

/// A finding, with where it is on top.
#[derive(Serialize)]
struct Line<'a> {
    #[serde(flatten)]
    finding: &'a Finding,
    path: Option<&'a str>,
    line: Option<u64>,
}

/// Examines what `args` name.
pub fn run(args: &Args) -> Result<ExitCode> {
    let advisories = match &args.advisories {
        Some(folder) => read_advisories(folder)?,
        None => Advisories::default(),
    };
    let expected = match &args.expected {
        Some(file) => Some(
            Expected::read(&read(file)?)
                .with_context(|| format!("{} holds no expected digests", file.display()))?,
        ),
        None => None,
    };
    let signatures = match (&args.rules, args.no_rules) {
        (_, true) => None,
        (Some(folder), false) => Some(Signatures::with(read_rules(folder)?.into_iter())?),
        (None, false) => Some(Signatures::ours()?),
    };
    let part = Part {
        name: args.package.display().to_string(),
        role: if args.layer {
            PartRole::Layer
        } else {
            PartRole::Function
        },
        runtime: args.runtime.clone(),
        handler: args.handler.clone(),
    };
    // Opened before it is digested: of what is no file nor folder there is no end.
    let mut source = Source::open(&args.package)?;
    let subject = Subject {
        part: &part.name,
        arn: args.arn.as_deref(),
        sha256: digest_of(&args.package)?,
    };
    let tools = Tools {
        limits: Limits::default(),
        advisories: &advisories,
        expected: expected.as_ref(),
    };
    let judge = signatures
        .as_ref()
        .map(|signatures| Box::new(Matching::new(signatures, &part.name)) as Box<dyn Judge>);
    let examined = package::examine(&part, &subject, &mut source, &tools, judge)?;
    let difference = match &args.against {
        Some(before) => Some(compare(
            before,
            &mut source,
            &examined.contents,
            &tools.limits,
        )?),
        None => None,
    };
    if let Some(file) = &args.sbom {
        let document =
            package::cyclonedx(&part.name, &examined.components, jiff::Timestamp::now())?;
        fs::write(file, document)
            .with_context(|| format!("{} cannot be written", file.display()))?;
    }
    let report = Report {
        package: part.name.clone(),
        complete: examined.contents.is_complete,
        inventory: &examined.contents.files,
        irregularities: &examined.contents.irregularities,
        components: &examined.components,
        integrity: &examined.integrity,
        difference,
        findings: examined.findings.iter().map(Line::of).collect(),
    };
    print(&report)?;
    Ok(match package::worst(&examined.findings) {
        Some(severity) if severity >= Severity::Medium => ExitCode::from(1),
        _ => ExitCode::SUCCESS,
    })
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
fn digest_of(path: &Path) -> Result<Option<Sha256Digest>> {
    if path.is_dir() {
        return Ok(None);
    }
    let unreadable = || format!("{} cannot be read", path.display());
    let mut file = fs::File::open(path).with_context(unreadable)?;
    let mut hash = Sha256::new();
    io::copy(&mut file, &mut hash).with_context(unreadable)?;
    Ok(Some(Sha256Digest::from_bytes(hash.finalize().into())))
}

/// One JSON document: on a terminal for people to read, elsewhere on one line. A reader that goes
/// away ends it quietly.
fn print(report: &Report<'_>) -> Result<()> {
    let mut output = io::BufWriter::new(io::stdout().lock());
    let written = match output.get_ref().is_terminal() {
        true => serde_json::to_writer_pretty(&mut output, report),
        false => serde_json::to_writer(&mut output, report),
    };
    let written = written
        .map_err(io::Error::from)
        .and_then(|()| writeln!(output))
        .and_then(|()| output.flush());
    match written {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => {
            Err(error).context("the report cannot be written")
        }
        _ => Ok(()),
    }
}
