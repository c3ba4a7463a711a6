//! `coldcase expected`: the digests that the owner expects, written from a build or from the baseline.

use crate::baseline::records::known;
use crate::desk::{self, Failure, Kind, Options, Output, sheet};
use crate::scan::digest_of;
use anyhow::{Context as _, Result};
use evidence::{ArtifactKind, shown};
use package::{Components, Expected, Limits, Observer, Source};
use serde_json::json;
use std::fs::OpenOptions;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

/// Writes the digests that you expect, as `scan --expected` and the stack's examiner read them: from a
/// build, or from what is recorded of functions as good.
///
/// Of a zip its digest is written, as Lambda knows it (CodeSha256), of a folder every file; of both the
/// components in it. A path without a name gives its components only.
///
/// Keep the file where whoever may change functions cannot change it.
#[derive(clap::Args)]
#[command(after_help = "\
Examples:
  coldcase expected billing=build/ --out expected.json
  coldcase expected billing=function.zip arn:aws:lambda:eu-west-1:111122223333:layer:deps:3=deps.zip
  coldcase expected --from-baseline --out expected.json
  coldcase expected --from-baseline billing orders | jq .functions
  coldcase scan build/ --expected expected.json --arn billing")]
pub struct Args {
    /// A folder, a zip or a tar, and which function (by name or ARN) or layer version it is; with
    /// --from-baseline functions, all that are recorded if none is named.
    #[arg(value_name = "NAME=PATH|FUNCTION")]
    named: Vec<String>,

    /// Which function or layer version the only path is.
    #[arg(long, value_name = "ARN|NAME", conflicts_with = "from_baseline")]
    arn: Option<String>,

    /// Writes what the latest records of the vault say.
    #[arg(long)]
    from_baseline: bool,

    /// Where to write it; standard output if not said.
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,

    /// Writes over a file that is there.
    #[arg(long, requires = "out")]
    force: bool,
}

/// Writes expected digests.
pub async fn run(args: &Args, options: &Options) -> Result<ExitCode> {
    let output = Output::new(options);
    let mut not_covered = Vec::new();
    let expected = match args.from_baseline {
        true => of_baseline(args, options, &output, &mut not_covered).await?,
        false => of_packages(args, &mut not_covered)?,
    };
    let document = expected.to_json();
    let text = format!("{document:#}\n");
    // What cannot be read back is of no use to anybody.
    Expected::read(text.as_bytes())?;
    for one in &not_covered {
        output.remark(format_args!("not covered: {}", shown(one, 400)));
    }
    let Some(path) = &args.out else {
        output.answer(&document, |out| out.write_all(text.as_bytes()))?;
        return Ok(ExitCode::SUCCESS);
    };
    let mut file = OpenOptions::new();
    match args.force {
        true => file.write(true).create(true).truncate(true),
        false => file.write(true).create_new(true),
    };
    let mut file = file.open(path).with_context(|| {
        format!(
            "{} cannot be written; --force writes over a file",
            path.display()
        )
    })?;
    file.write_all(text.as_bytes())
        .and_then(|()| file.sync_all())
        .with_context(|| format!("{} cannot be written", path.display()))?;
    let count = |section: &str| {
        document[section]
            .as_object()
            .map_or(0, serde_json::Map::len)
    };
    let counts = ["functions", "layers", "components"].map(count);
    let written = json!({
        "out": path.display().to_string(),
        "functions": counts[0],
        "layers": counts[1],
        "components": counts[2],
        "not_covered": not_covered,
    });
    output.answer(&written, |out| {
        writeln!(
            out,
            "{}: {}, {}, {}",
            shown(&path.display().to_string(), 400),
            sheet::count(counts[0], "function", "functions"),
            sheet::count(counts[1], "layer", "layers"),
            sheet::count(counts[2], "component", "components")
        )
    })?;
    Ok(ExitCode::SUCCESS)
}

fn of_packages(args: &Args, not_covered: &mut Vec<String>) -> Result<Expected> {
    let mut named: Vec<(Option<String>, PathBuf)> = args.named.iter().map(|it| split(it)).collect();
    match (&args.arn, &mut named[..]) {
        (_, []) => {
            return Err(Failure::new(
                Kind::Usage,
                "of what? name a folder or a package, or say --from-baseline",
            ));
        }
        (Some(arn), [(name, _)]) if name.is_none() => *name = Some(arn.clone()),
        (Some(_), _) => {
            return Err(Failure::new(
                Kind::Usage,
                "--arn names one path that has no name; write NAME=PATH for each",
            ));
        }
        (None, _) => {}
    }
    let mut expected = Expected::default();
    for (name, path) in named {
        of_package(&mut expected, name.as_deref(), &path, not_covered)?;
    }
    Ok(expected)
}

/// `NAME=PATH`, where NAME could be a function's or an ARN; else all of it is a path.
fn split(text: &str) -> (Option<String>, PathBuf) {
    let is_name = |name: &str| {
        !name.is_empty()
            && name
                .bytes()
                .all(|byte| byte.is_ascii_alphanumeric() || b"-_:$".contains(&byte))
    };
    match text.split_once('=') {
        Some((name, path)) if is_name(name) => (Some(name.to_owned()), PathBuf::from(path)),
        _ => (None, PathBuf::from(text)),
    }
}

fn of_package(
    expected: &mut Expected,
    name: Option<&str>,
    path: &Path,
    not_covered: &mut Vec<String>,
) -> Result<()> {
    let mut source = Source::open(path)?;
    let sha256 = digest_of(path)?;
    let mut components = Components::new();
    let contents = source.read(
        &Limits::default(),
        &mut [&mut components as &mut dyn Observer],
    )?;
    let told = path.display();
    if !contents.is_complete {
        return Err(Failure::new(
            Kind::Usage,
            format!("{told} cannot be read whole; `coldcase scan` says what is odd about it"),
        ));
    }
    if contents.files.is_empty() {
        return Err(Failure::new(
            Kind::Usage,
            format!("{told} is empty: there is nothing to expect"),
        ));
    }
    let components = components.finish(&contents);
    match name {
        // A zip is one thing; of a folder there are its files.
        Some(name) => expected.expect(name, sha256, sha256.is_none().then_some(&contents))?,
        None => not_covered.push(format!(
            "what is no component in {told}: write NAME={told} with the function's name or ARN"
        )),
    }
    for left in expected.expect_components(&contents, &components) {
        not_covered.push(format!("{} in {told}: it has no digest", left.purl));
    }
    Ok(())
}

async fn of_baseline(
    args: &Args,
    options: &Options,
    output: &Output,
    not_covered: &mut Vec<String>,
) -> Result<Expected> {
    let opened = desk::open_vault(options, output, false).await?;
    let mut expected = Expected::default();
    for one in known(&*opened.vault, &args.named).await? {
        let function = &one.latest.function;
        let mut has_code = false;
        for piece in &one.latest.pieces {
            let selector = piece.request.selector.as_deref();
            let name = match (piece.request.artifact, selector) {
                (ArtifactKind::FunctionCode, None) => function.clone(),
                (ArtifactKind::FunctionCode, Some(version)) => format!("{function}:{version}"),
                (ArtifactKind::Layer, Some(arn)) => arn.to_owned(),
                _ => continue,
            };
            for content in &piece.contents {
                has_code |= name == *function;
                expected.expect(&name, Some(content.sha256), None)?;
            }
        }
        if !has_code {
            not_covered.push(format!(
                "{function}: its record {} has no package (it may be an image, or unreadable then)",
                one.key
            ));
        }
    }
    Ok(expected)
}
