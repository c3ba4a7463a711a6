//! Progress of what takes long by its bytes: how much, how fast, how much longer.

use super::Output;
use indicatif::{ProgressBar, ProgressStyle};
use std::time::Duration;

/// A bar on standard error, where one may be drawn; `total_bytes` is how much there will be, if known.
pub fn moving(output: Output, what: &str, total_bytes: Option<u64>) -> ProgressBar {
    if !output.draws() {
        return ProgressBar::hidden();
    }
    let (bar, template) = match total_bytes {
        Some(total) => (
            ProgressBar::new(total),
            "{msg} {wide_bar} {decimal_bytes}/{decimal_total_bytes} {decimal_bytes_per_sec} {eta}",
        ),
        None => (
            ProgressBar::new_spinner(),
            "{spinner} {msg} {decimal_bytes} {decimal_bytes_per_sec}",
        ),
    };
    let style = ProgressStyle::with_template(template);
    let bar = bar.with_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()));
    bar.set_message(what.to_owned());
    bar.enable_steady_tick(Duration::from_millis(200));
    bar
}
