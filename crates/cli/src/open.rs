//! `coldcase open`: a case's report in a browser.

use crate::desk::{Options, Output, Reading};
use anyhow::{Context as _, Result};
use evidence::CaseId;
use serde::Serialize;
use std::fs::{self, DirBuilder};
use std::io::{BufWriter, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode, Stdio};
use tempfile::NamedTempFile;

/// Opens a case's report in a browser.
///
/// The report is made anew from what is sealed; the page that lies in the vault beside the evidence is not
/// sealed, and is not opened. It is laid down where only you can read it ($XDG_STATE_HOME/coldcase/reports,
/// else ~/.local/state/coldcase/reports): it says what was found and holds no environment values. It fetches
/// nothing from anywhere. Where there is no browser, the path is told. Exits with 1 if the case's chain does
/// not hold together.
#[derive(clap::Args)]
#[command(after_help = "\
Examples:
  coldcase open latest
  scp host:$(ssh host coldcase open latest --print-path) .")]
pub struct Args {
    /// A case's id, the beginning or the end of it, or `latest`.
    #[arg(value_name = "CASE")]
    case: String,

    /// Only says where the report was laid down.
    #[arg(long)]
    print_path: bool,
}

#[derive(Serialize)]
struct Document<'a> {
    vault: String,
    case_id: &'a CaseId,
    /// What of the chain does not fit together.
    altered: Vec<&'a str>,
    /// As of which manifest the report tells the case.
    sequence: u32,
    path: PathBuf,
    /// Whether a browser was started.
    opened: bool,
}

/// Opens a report.
pub async fn run(args: &Args, options: &Options) -> Result<ExitCode> {
    let output = Output::new(options);
    let reading = Reading::of(&args.case, options, &output).await?;
    let sequence = reading.case.manifests.len() as u32 - 1;
    let path = folder()?.join(format!("{}-{sequence:04}.html", reading.id));
    make(&reading, &path).await?;
    let document = Document {
        vault: reading.opened.place.raw(),
        case_id: &reading.id,
        altered: reading.altered(),
        sequence,
        opened: !args.print_path && show(&path),
        path,
    };
    output.answer(&document, |out| {
        let path = evidence::shown(&document.path.display().to_string(), 4096);
        match (args.print_path, document.opened) {
            (true, _) => writeln!(out, "{path}"),
            (false, true) => writeln!(out, "opened {path}"),
            (false, false) => writeln!(out, "no browser was found; the report is {path}"),
        }
    })?;
    Ok(reading.code())
}

/// Where reports are laid down: a folder that only its owner can look into.
fn folder() -> Result<PathBuf> {
    // A relative one is none, as the XDG specification says; nor is a place that anybody can write to.
    let set = |name: &str| std::env::var_os(name).map(PathBuf::from);
    let set = |name: &str| set(name).filter(|path| path.is_absolute());
    let state = set("XDG_STATE_HOME").or_else(|| Some(set("HOME")?.join(".local/state")));
    let folder = state
        .context("reports are laid down in your home, and neither HOME nor XDG_STATE_HOME is set")?
        .join("coldcase/reports");
    let made = DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(&folder);
    made.and_then(|()| fs::set_permissions(&folder, fs::Permissions::from_mode(0o700)))
        .with_context(|| format!("reports cannot be laid down in {}", folder.display()))?;
    Ok(folder)
}

/// Makes the report from what is sealed.
async fn make(reading: &Reading, path: &Path) -> Result<()> {
    let report = report::Report::of(reading.vault(), &reading.case).await?;
    let mut file = aside(path)?;
    let mut out = BufWriter::new(&mut file);
    report
        .html(&mut out)
        .and_then(|()| out.flush())
        .with_context(|| format!("{} cannot be written", path.display()))?;
    drop(out);
    place(file, path)
}

/// A file that has no name yet and that only its owner can read.
fn aside(path: &Path) -> Result<NamedTempFile> {
    let folder = path.parent().unwrap_or(Path::new("."));
    NamedTempFile::new_in(folder).with_context(|| format!("{} cannot be written", folder.display()))
}

fn place(mut file: NamedTempFile, path: &Path) -> Result<()> {
    file.flush()
        .map_err(anyhow::Error::from)
        .and_then(|()| Ok(file.persist(path)?))
        .with_context(|| format!("{} cannot be written", path.display()))?;
    Ok(())
}

/// Starts a browser, if there is one and somebody sees it.
fn show(path: &Path) -> bool {
    let set = |name: &str| std::env::var_os(name).is_some_and(|value| !value.is_empty());
    let program = if cfg!(target_os = "macos") {
        "open"
    } else if set("DISPLAY") || set("WAYLAND_DISPLAY") || set("BROWSER") {
        "xdg-open"
    } else {
        return false;
    };
    let started = Command::new(program)
        .arg(path)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status();
    started.is_ok_and(|status| status.success())
}
