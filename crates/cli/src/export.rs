//! `coldcase export`: a case as a bag that stands alone.

use crate::desk::sheet::{count, size};
use crate::desk::{Failure, Interrupt, Kind, Options, Output, Reading, Tone, Trusted, moving};
use anyhow::{Context as _, Result};
use bag::{ExportError, Exported, Order};
use evidence::{CaseId, Sha256Digest, keys, shown};
use jiff::Timestamp;
use report::Report;
use serde::Serialize;
use std::io::ErrorKind;
use std::path::PathBuf;
use std::process::ExitCode;
use vault::Verdict;

/// Exports a case as a BagIt bag (RFC 8493) that anybody can verify with sha256sum and openssl.
///
/// It holds the manifests, signatures and public key, every exhibit, what the examinations wrote, the
/// record that the function was compared with, and the report. The case is verified first; one that is
/// not as it was sealed is exported all the same, and the bag says so. Exporting alters nothing in the
/// vault: who exported and when stands in bag-info.txt.
#[derive(clap::Args)]
#[command(after_help = "\
Examples:
  coldcase export latest --to ./billing-case
  coldcase export 20261120T031501Z-billing-52f1 --to /mnt/usb/case.zip
  coldcase verify /mnt/usb/case.zip --key public-key.pem

Exit codes:
  0    it is there, and everything in it is as it was sealed
  1    it is there, and something in it is not
  5    it is not there: the disk is full or the vault is broken
  130  it is not there: interrupted")]
pub struct Args {
    /// A case's id, the beginning or the end of it, or `latest`.
    #[arg(value_name = "CASE")]
    case: String,

    /// Where to: a zip if it ends with .zip, else a folder. Nothing is overwritten.
    #[arg(long, value_name = "FOLDER|FILE.zip")]
    to: PathBuf,

    #[command(flatten)]
    trusted: Trusted,
}

#[derive(Serialize)]
struct Document<'a> {
    case_id: &'a CaseId,
    vault: String,
    path: String,
    exported_at: Timestamp,
    exported_by: &'a str,
    payload_files: u64,
    payload_bytes: u64,
    /// SHA-256 of tagmanifest-sha256.txt: stands for the whole bag.
    bag_sha256: Sha256Digest,
    /// Whether everything was as it was sealed.
    is_sound: bool,
    /// What was not.
    bad: Vec<String>,
}

/// Exports.
pub async fn run(args: &Args, options: &Options) -> Result<ExitCode> {
    let output = Output::new(options);
    let reading = Reading::of(&args.case, options, &output).await?;
    let trust = args.trusted.find(Some(&reading.opened), options, &output);
    let trust = trust.await?;
    let key = trust.of(reading.vault(), &reading.id).await?;
    let by = match &reading.opened.account {
        Some(account) => account.caller.clone(),
        None => person(),
    };
    output.remark(format_args!(
        "{}",
        Tone::Warn.paint(
            "a bag holds raw evidence: environment values with their secrets, code, logs. It is made \
             readable for you alone; keep it so"
        )
    ));
    let total = reading
        .case
        .manifests
        .iter()
        .flat_map(evidence::Manifest::exhibits);
    let total: u64 = total
        .map(|exhibit| exhibit.size_bytes.saturating_mul(2))
        .sum();
    let bar = moving(output, "exporting", Some(total));
    let progress = |bytes| bar.inc(bytes);
    let order = Order {
        vault: reading.vault(),
        id: &reading.id,
        to: &args.to,
        public_key_pem: key.as_ref().and_then(|key| key.pem.as_deref()),
        from: reading.opened.place.to_string(),
        by: by.clone(),
        at: Timestamp::now(),
        beside: beside(&reading).await?,
        progress: Some(&progress),
    };
    let at = order.at;
    let interrupt = Interrupt::watch().context("Ctrl-C cannot be asked for")?;
    let exported = tokio::select! {
        exported = bag::export(order) => Some(exported),
        () = interrupt.wait() => None,
    };
    bar.finish_and_clear();
    let Some(exported) = exported else {
        output.remark(format_args!("interrupted; nothing is left of the bag"));
        return Ok(ExitCode::from(130));
    };
    let exported = exported.map_err(failure)?;
    let bad = faults(&exported);
    let document = Document {
        case_id: &reading.id,
        vault: reading.opened.place.raw(),
        path: shown(&args.to.display().to_string(), 4_096),
        exported_at: at,
        exported_by: &by,
        payload_files: exported.payload_files,
        payload_bytes: exported.payload_bytes,
        bag_sha256: exported.bag_sha256,
        is_sound: bad.is_empty(),
        bad,
    };
    output.answer(&document, |out| {
        let files = count(document.payload_files as usize, "file", "files");
        writeln!(out, "{}", Tone::Strong.paint(&document.path))?;
        writeln!(out, "  {files} of {}", size(document.payload_bytes))?;
        writeln!(out, "  digest of the whole bag:")?;
        writeln!(out, "  {}", document.bag_sha256)?;
        writeln!(
            out,
            "  Tell it whoever gets the bag, by another way than the bag."
        )?;
        for bad in &document.bad {
            writeln!(out, "{}  {}", Tone::Bad.paint("BAD"), shown(bad, 1_000))?;
        }
        Ok(())
    })?;
    Ok(match document.is_sound {
        true => ExitCode::SUCCESS,
        false => ExitCode::from(1),
    })
}

/// The reports, made now, as of the last manifest. Where the vault has them, those are taken.
async fn beside(reading: &Reading) -> Result<Vec<(String, Vec<u8>)>> {
    let folder = keys::reports(&reading.id);
    if !reading.vault().list(&folder, 1).await?.is_empty() {
        return Ok(Vec::new());
    }
    let report = Report::of(reading.vault(), &reading.case).await?;
    let mut files = Vec::new();
    for extension in ["html", "md", "json"] {
        let mut bytes = Vec::new();
        match extension {
            "html" => report.html(&mut bytes)?,
            "md" => report.markdown(&mut bytes)?,
            _ => report.json(&mut bytes)?,
        }
        let key = keys::report(&reading.id, report.sequence, extension);
        files.push((key, bytes));
    }
    Ok(files)
}

/// Who sits here, where no account knows.
fn person() -> String {
    let set = |name: &str| std::env::var(name).ok().filter(|value| !value.is_empty());
    let user = set("USER").or_else(|| set("LOGNAME"));
    let user = user.unwrap_or_else(|| "unknown".to_owned());
    match set("HOSTNAME") {
        Some(host) => format!("{user}@{host}"),
        None => user,
    }
}

fn faults(exported: &Exported) -> Vec<String> {
    let checked = exported.case.checked.iter();
    let bad = checked.filter_map(|checked| match &checked.verdict {
        Verdict::Bad(why) => Some(format!("{}  {}: {why}", checked.key, checked.what)),
        _ => None,
    });
    bad.map(|bad| shown(&bad, 1_000)).collect()
}

/// What went wrong, in words that say what to do.
fn failure(error: ExportError) -> anyhow::Error {
    match error {
        ExportError::Vault(error) => error.into(),
        ExportError::NotSealed(_) => Failure::new(Kind::Absent, error.to_string()),
        ExportError::Io { place, cause } if cause.kind() == ErrorKind::StorageFull => Failure::new(
            Kind::Vault,
            format!("{place} cannot be written: the disk is full; nothing is left of the bag"),
        ),
        ExportError::Exists(_) | ExportError::Io { .. } => {
            Failure::new(Kind::Usage, error.to_string())
        }
    }
}
