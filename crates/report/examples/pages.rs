//! Writes reports of specimens into a folder, for the browser's tests and the pictures in the README:
//! a case like real ones, a hostile one, and one with 100,000 entries.
//!
//! `cargo run -p report --example specimen -- FOLDER`

use anyhow::{Context as _, Result};
use report::Report;
use specimen::Specimen;
use std::fs::File;
use std::io::BufWriter;
use std::path::Path;
use std::sync::Arc;
use vault::{LocalSigner, MemoryVault};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<()> {
    let folder = std::env::args_os().nth(1);
    let folder = folder.context("say which folder to write to")?;
    let folder = Path::new(&folder);
    std::fs::create_dir_all(folder)?;
    for (name, specimen) in [
        ("specimen", Specimen::new()),
        ("sealed", Specimen::new().only_sealed()),
        ("hostile", Specimen::new().hostile()),
        ("large", Specimen::new().timeline_entries(100_000)),
    ] {
        let vault = Arc::new(MemoryVault::default());
        // Nobody needs the key again: what is written here is looked at and thrown away.
        let key = folder.join(format!("{name}.pem"));
        let signer = Arc::new(LocalSigner::in_file(&key)?);
        let id = specimen.seal(Arc::clone(&vault) as _, signer).await?;
        let report = Report::read(&*vault, &id).await?.context("no case")?;
        let write = |extension: &str| -> Result<BufWriter<File>> {
            let file = File::create(folder.join(format!("{name}.{extension}")))?;
            Ok(BufWriter::new(file))
        };
        report.html(&mut write("html")?)?;
        report.markdown(&mut write("md")?)?;
        report.json(&mut write("json")?)?;
    }
    Ok(())
}
