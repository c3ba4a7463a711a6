//! Lays a specimen down by hand: `cargo run -p specimen --example specimen -- FOLDER [hostile] [ENTRIES]`.

use anyhow::{Context as _, Result};
use specimen::Specimen;
use std::io::Write as _;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<()> {
    let mut words = std::env::args().skip(1);
    let folder = words.next().context("say into which folder")?;
    let mut specimen = Specimen::new();
    for word in words {
        specimen = match word.as_str() {
            "hostile" => specimen.hostile(),
            entries => specimen.timeline_entries(entries.parse()?),
        };
    }
    let kept = specimen.seal_in(folder).await?;
    let place = kept.folder.display();
    writeln!(std::io::stdout(), "{} in {place}", kept.case_id)?;
    Ok(())
}
