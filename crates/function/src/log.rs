//! A function's own log.

use tracing::Level;
use tracing_subscriber::filter::filter_fn;
use tracing_subscriber::{EnvFilter, Layer as _, prelude::*};

/// JSON lines, as much as RUST_LOG says. Below *info* only those that begin with one of `own`
/// crates' names: the SDK writes requests and replies there, signed URLs and environments included.
pub fn log(own: &'static [&'static str]) {
    let harmless = filter_fn(move |line| {
        *line.level() <= Level::INFO
            || own
                .iter()
                .chain(&HOUSE)
                .any(|own| line.target().starts_with(own))
    });
    let lines = tracing_subscriber::fmt::layer()
        .json()
        .without_time()
        .with_filter(EnvFilter::from_default_env())
        .with_filter(harmless);
    tracing_subscriber::registry().with(lines).init();
}

/// The house's own crates.
const HOUSE: [&str; 4] = ["collectors", "function", "trail", "vault"];
