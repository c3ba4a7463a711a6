//! Writes what the fuzzer begins with into a folder; `.ci/fuzz` runs it.

#[path = "../tests/crafted/mod.rs"]
mod crafted;

use std::path::PathBuf;

fn main() -> std::io::Result<()> {
    let Some(folder) = std::env::args_os().nth(1).map(PathBuf::from) else {
        return Err(std::io::Error::other("which folder?"));
    };
    for (count, bytes) in crafted::specimens().iter().enumerate() {
        std::fs::write(folder.join(count.to_string()), bytes)?;
    }
    Ok(())
}
