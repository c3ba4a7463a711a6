//! The page: one file that needs nothing else. Everything but zoom and filters is plain HTML, so that it
//! can be read without its script, printed, and heard.
//!
//! The page may load nothing and run nothing but the one script and the one style sheet in it, by their
//! digests (Content Security Policy). Text gets in through [`escape::esc`] only.

mod escape;
mod pictures;
mod sections;
mod timeline;

use crate::Report;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use escape::esc;
use evidence::{Confidence, Severity, Sha256Digest};
use jiff::Timestamp;
use std::fmt::{self, Display};
use std::io;

const STYLE: &str = include_str!("report.css");
const SCRIPT: &str = include_str!("report.js");

/// Writes the page. It stays below what a vault takes in one piece ([`vault::SMALL_BYTES`]).
pub(crate) fn write(report: &Report, out: &mut impl io::Write) -> io::Result<()> {
    let title = format!("{} · {}", report.glance.name, report.case_id);
    write!(
        out,
        "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
         <meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; \
         script-src 'sha256-{}'; style-src 'sha256-{}'; img-src data:; base-uri 'none'; form-action 'none'\">\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
         <meta name=\"referrer\" content=\"no-referrer\">\n\
         <meta name=\"color-scheme\" content=\"light dark\">\n\
         <title>{}</title>\n<style>{STYLE}</style>\n</head>\n<body>\n\
         <a class=\"skip\" href=\"#main\">Skip to the verdict</a>\n",
        digest(SCRIPT),
        digest(STYLE),
        esc(&title),
    )?;
    sections::header(report, out)?;
    writeln!(out, "<main id=\"main\">")?;
    sections::verdict(report, out)?;
    sections::glance(report, out)?;
    timeline::write(report, out)?;
    sections::differences(report, out)?;
    sections::findings(report, out)?;
    sections::role_activity(report, out)?;
    sections::invocations(report, out)?;
    sections::acquisitions(report, out)?;
    sections::custody(report, out)?;
    sections::chain(report, out)?;
    writeln!(out, "</main>")?;
    sections::footer(report, out)?;
    timeline::data(&report.timeline, out)?;
    writeln!(out, "<script>{SCRIPT}</script>\n</body>\n</html>")
}

/// As a Content Security Policy names a script or a style sheet.
fn digest(text: &str) -> String {
    STANDARD.encode(Sha256Digest::of(text).as_bytes())
}

/// A time as people read it, in UTC, and as programs do.
fn time(at: Timestamp) -> impl Display {
    fmt::from_fn(move |f| {
        let at = at.round(jiff::Unit::Millisecond).unwrap_or(at);
        let short = at.strftime("%Y-%m-%d %H:%M:%S");
        write!(f, "<time datetime=\"{at}\">{short}</time>")
    })
}

/// A severity as a badge.
fn badge(severity: Severity) -> impl Display {
    let (class, word) = match severity {
        Severity::Info => ("info", "Info"),
        Severity::Low => ("low", "Low"),
        Severity::Medium => ("medium", "Medium"),
        Severity::High => ("high", "High"),
        Severity::Critical => ("critical", "Critical"),
    };
    fmt::from_fn(move |f| write!(f, "<span class=\"badge {class}\">{word}</span>"))
}

const fn sureness(confidence: Confidence) -> &'static str {
    match confidence {
        Confidence::Low => "low confidence",
        Confidence::Medium => "medium confidence",
        Confidence::High => "high confidence",
    }
}

/// A figure with a thin space between thousands.
fn figure(number: u64) -> String {
    let digits = number.to_string();
    let mut told = String::new();
    for (place, digit) in digits.chars().enumerate() {
        if place > 0 && (digits.len() - place).is_multiple_of(3) {
            told.push('\u{202f}');
        }
        told.push(digit);
    }
    told
}

/// `1 call`, `2 calls`.
fn counted(number: u64, one: &str, more: &str) -> String {
    match number {
        1 => format!("1 {one}"),
        number => format!("{} {more}", figure(number)),
    }
}

/// A size in bytes, to three digits.
fn size(bytes: u64) -> String {
    let mut size = bytes as f64;
    for unit in ["B", "KiB", "MiB", "GiB"] {
        if size < 1024.0 {
            return match unit {
                "B" => format!("{bytes} B"),
                unit if size < 10.0 => format!("{size:.1} {unit}"),
                unit => format!("{size:.0} {unit}"),
            };
        }
        size /= 1024.0;
    }
    format!("{size:.0} TiB")
}

/// A length of time in seconds, in the largest unit that divides it.
fn length(seconds: i64) -> String {
    let units = [
        (604_800, "week", "weeks"),
        (86_400, "day", "days"),
        (3600, "hour", "hours"),
        (60, "minute", "minutes"),
    ];
    for (unit, one, more) in units {
        if seconds >= unit && seconds % unit == 0 {
            return counted((seconds / unit).unsigned_abs(), one, more);
        }
    }
    counted(seconds.unsigned_abs(), "second", "seconds")
}

/// What was left out, as a note.
fn gaps(gaps: &[String], out: &mut impl io::Write) -> io::Result<()> {
    if gaps.is_empty() {
        return Ok(());
    }
    write!(out, "<div class=\"note\"><p>Not told here:</p><ul>")?;
    for gap in gaps {
        write!(out, "<li>{}</li>", esc(gap))?;
    }
    writeln!(out, "</ul></div>")
}
