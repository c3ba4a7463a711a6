//! `coldcase diff`: what is different, in settings and in files: from the function as it was recorded as
//! good (`sealed`), or between two cases (`between`).

mod between;
mod page;
mod sealed;

use crate::desk::{Failure, Kind, Options, Output};
use anyhow::Result;
use evidence::Sha256Digest;
use jiff::Timestamp;
use package::Difference;
use serde::Serialize;
use snapshot::{Change, ChangeKind, Gap};
use std::process::ExitCode;

/// Tells what is different: settings by their meaning, packages by their files, texts line by line.
///
/// Of one CASE, what its examination sealed: the function beside the last record of it as good from before
/// the event. Of A..B, two cases of functions in the same vault, compared here and now. Values of
/// environment variables are never shown, only that they differ. Exits with 1 if something is different, or
/// a case was altered.
#[derive(clap::Args)]
#[command(after_help = "\
Examples:
  coldcase diff latest
  coldcase diff latest --stat
  coldcase diff latest~1..latest
  coldcase diff 3f9a1c2b4d5e6f70..latest
  coldcase diff latest --json | jq -r '.parts[].difference.texts[].unified'")]
pub struct Args {
    /// A case, or two with .. in between: ids, beginnings or ends of them, `latest`, or
    /// `latest~1`, the one before it.
    #[arg(value_name = "CASE|A..B")]
    cases: String,

    /// Only which settings and files; not what changed in texts.
    #[arg(long)]
    stat: bool,
}

/// A difference, wherever it is from.
#[derive(Serialize)]
struct Document {
    vault: String,
    /// What of the chains does not fit together.
    altered: Vec<String>,
    before: Side,
    after: Side,
    changes: Vec<Change>,
    gaps: Vec<Gap>,
    /// Tracing is on and was not before, and coldcase did that itself: none of `changes`.
    tracing_turned_on_by_coldcase: bool,
    parts: Vec<Part>,
    not_read: Vec<String>,
}

/// One side of a difference.
#[derive(Serialize)]
struct Side {
    /// The case, or the record of the function as good.
    what: String,
    /// The function's ARN.
    function: String,
    /// When it was like this.
    at: Timestamp,
}

/// A package that is another one.
#[derive(Serialize)]
struct Part {
    /// The exhibit's name.
    part: String,
    /// None if there was none.
    before_sha256: Option<Sha256Digest>,
    /// None if there is none any more.
    after_sha256: Option<Sha256Digest>,
    /// Why it could not be compared; none if it was, or there is nothing to compare with.
    not_compared: Option<String>,
    /// Files that were not told, because there are too many.
    more_files: u64,
    difference: Option<Difference>,
}

/// Tells a difference.
pub async fn run(args: &Args, options: &Options) -> Result<ExitCode> {
    let output = Output::new(options);
    let mut document = match args.cases.split_once("..") {
        None => sealed::read(&args.cases, options, &output).await?,
        Some((before, after)) if !before.is_empty() && !after.is_empty() => {
            between::read((before, after), options, &output).await?
        }
        Some(_) => {
            return Err(Failure::new(
                Kind::Usage,
                "two cases are named with .. in between: A..B",
            ));
        }
    };
    document.changes = std::mem::take(&mut document.changes)
        .into_iter()
        .map(without_values)
        .collect();
    if args.stat {
        for difference in document
            .parts
            .iter_mut()
            .filter_map(|part| part.difference.as_mut())
        {
            difference.texts.clear();
            difference.binaries.clear();
        }
    }
    output.answer(&document, |out| page::write(out, &document))?;
    for what in &document.not_read {
        output.remark(format_args!("not read: {what}"));
    }
    let same =
        document.changes.is_empty() && document.parts.is_empty() && document.altered.is_empty();
    Ok(if same {
        ExitCode::SUCCESS
    } else {
        ExitCode::from(1)
    })
}

/// What is told in the place of an environment variable's value.
const WITHHELD: &str = "(a value that is not shown)";

/// A change without what stands for values of the environment: marks say nothing to people, and nobody
/// should try out values with them.
fn without_values(mut change: Change) -> Change {
    if change.kind == ChangeKind::Environment {
        let verb = match (&change.before, &change.after) {
            (None, _) => "added",
            (_, None) => "removed",
            _ => "has another value",
        };
        change.statement = format!("{} {verb}", change.subject);
        for value in [&mut change.before, &mut change.after] {
            if value.is_some() {
                *value = Some(WITHHELD.to_owned());
            }
        }
    }
    change
}
