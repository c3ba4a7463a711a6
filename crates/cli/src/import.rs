//! `coldcase import`: an exported case into another vault.

use crate::desk::sheet::{count, size, wrapped};
use crate::desk::{self, Failure, Kind, Options, Output, Tone, Trusted, moving};
use crate::verify::verify_bag;
use anyhow::Result;
use bag::{Bag, ImportError};
use evidence::{CaseId, shown};
use serde::Serialize;
use std::path::PathBuf;
use std::process::ExitCode;
use vault::Verdict;

/// Puts an exported case into another vault, and verifies it there.
///
/// The bag is verified first; of one that is not as it was sealed, nothing is taken. Everything is written
/// once: the same import again finds it there, and other bytes under one of the names are a conflict that
/// is named. Taken over is what is sealed. Records of functions as good and reports are not: what counts as
/// good is each vault's own word, and reports are made anew.
#[derive(clap::Args)]
#[command(after_help = "\
Examples:
  coldcase import /mnt/usb/case.zip --vault ./coldcase-vault --key public-key.pem
  coldcase import ./billing-case --vault s3://evidence-of-the-team

Exit codes:
  0  it is there, and verifies
  1  the bag does not verify, or what is there now does not")]
pub struct Args {
    /// A folder or zip that `coldcase export` made.
    #[arg(value_name = "BAG")]
    bag: PathBuf,

    #[command(flatten)]
    trusted: Trusted,
}

#[derive(Serialize)]
struct Document {
    bag: String,
    vault: String,
    case_id: Option<CaseId>,
    /// Whether the case is there and verifies.
    is_sound: bool,
    stored: u64,
    there_already: u64,
    size_bytes: u64,
    /// What of the bag was not taken over.
    left_out: Vec<String>,
    /// What is wrong, with the bag or with what is there now.
    bad: Vec<String>,
}

/// Imports.
pub async fn run(args: &Args, options: &Options) -> Result<ExitCode> {
    let output = Output::new(options);
    let bag = Bag::open(&args.bag);
    let bag = bag.map_err(|error| Failure::new(Kind::Usage, error.to_string()))?;
    let opened = desk::open_vault(options, &output, true).await?;
    let trust = args.trusted.find(Some(&opened), options, &output).await?;
    let (verified, key) = verify_bag(&bag, &trust, output).await?;
    let mut document = Document {
        bag: shown(&args.bag.display().to_string(), 4_096),
        vault: opened.place.raw(),
        case_id: verified.case_id.clone(),
        is_sound: false,
        stored: 0,
        there_already: 0,
        size_bytes: 0,
        left_out: Vec::new(),
        bad: faults(&verified.checked),
    };
    if let Some(key) = key.as_ref().filter(|key| key.pem.is_none()) {
        let why = format!("no key that it was signed with has {}", key.whence);
        document.bad.push(shown(&why, 600));
    }
    if document.bad.is_empty() {
        if key.is_none() {
            output.remark(format_args!(
                "whose key it is, is not known: without --key or --key-id the bag's own is used"
            ));
        }
        let bar = moving(
            output,
            "importing",
            Some(bag.payload_bytes().saturating_mul(2)),
        );
        let progress = |bytes| bar.inc(bytes);
        let pem = key.as_ref().and_then(|key| key.pem.as_deref());
        let imported = bag::import(&bag, &verified, &*opened.vault, pem, Some(&progress)).await;
        bar.finish_and_clear();
        let imported = imported.map_err(failure)?;
        document.bad = faults(&imported.case.checked);
        document.is_sound = document.bad.is_empty();
        document.stored = imported.stored;
        document.there_already = imported.there_already;
        document.size_bytes = imported.size_bytes;
        document.left_out = imported
            .left_out
            .iter()
            .map(|key| shown(key, 1_000))
            .collect();
    }
    let taken = document.stored + document.there_already > 0;
    output.answer(&document, |out| {
        let id = document.case_id.as_ref().map_or("(no case)", |id| id.as_str());
        match (document.is_sound, taken) {
            (true, _) => writeln!(
                out,
                "{}  {id} in {}",
                Tone::Good.paint("GOOD"),
                document.vault
            )?,
            (false, true) => writeln!(out, "{}  {id} in {}", Tone::Bad.paint("BAD "), document.vault)?,
            (false, false) => writeln!(
                out,
                "{}  the bag does not verify; nothing was imported",
                Tone::Bad.paint("BAD ")
            )?,
        }
        if taken {
            writeln!(
                out,
                "      {} stored, {} there already, {} in all",
                count(document.stored as usize, "file", "files"),
                document.there_already,
                size(document.size_bytes)
            )?;
        }
        let columns = Output::columns().saturating_sub(6);
        for bad in &document.bad {
            for line in wrapped(bad, columns, 40) {
                writeln!(out, "      {line}")?;
            }
        }
        if !document.left_out.is_empty() {
            let left = count(document.left_out.len(), "file", "files");
            let text = format!(
                "{left} of the bag were not taken over: records of the function as good, reports and \
                 whatever else is not sealed (--json names them)"
            );
            for line in wrapped(&text, columns, 40) {
                writeln!(out, "      {line}")?;
            }
        }
        Ok(())
    })?;
    Ok(match document.is_sound {
        true => ExitCode::SUCCESS,
        false => ExitCode::from(1),
    })
}

fn faults(checked: &[vault::Checked]) -> Vec<String> {
    let bad = checked.iter().filter_map(|checked| match &checked.verdict {
        Verdict::Bad(why) => Some(format!("{}  {}: {why}", checked.key, checked.what)),
        _ => None,
    });
    bad.map(|bad| shown(&bad, 1_000)).collect()
}

fn failure(error: ImportError) -> anyhow::Error {
    match error {
        ImportError::Vault(error) => error.into(),
        error => Failure::new(Kind::Vault, error.to_string()),
    }
}
