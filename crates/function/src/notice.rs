//! What people are told, in words that nobody else can have chosen the form of.

use evidence::{Severity, Target};
use serde::Serialize;

/// A message to a person.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Notice {
    /// At most 100 printable ASCII characters (SNS).
    pub subject: String,
    /// What happened and where the case is; no secrets.
    pub body: String,
}

/// A subject that SNS takes: printable ASCII, at most 100 characters.
pub fn subject(what: &str, target: &Target) -> String {
    let text = format!("{what}: {} {}", target.kind.as_str(), target.name);
    text.chars()
        .map(|c| {
            if c.is_ascii_graphic() || c == ' ' {
                c
            } else {
                '?'
            }
        })
        .take(100)
        .collect()
}

/// One line of text that an attacker may have chosen: no control characters, no other ends of a
/// line, no tricks of direction, nothing that cannot be seen, bounded.
pub fn line(text: &str, longest: usize) -> String {
    text.chars()
        .take(longest)
        .map(|c| match c {
            '\u{61c}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' => '?',
            '\u{2060}'..='\u{206f}' | '\u{feff}' | '\u{e0000}'..='\u{e007f}' => '?',
            c if c.is_control() => '?',
            c => c,
        })
        .collect()
}

/// A severity in one word.
pub fn word(severity: Severity) -> &'static str {
    match severity {
        Severity::Info => "info",
        Severity::Low => "low",
        Severity::Medium => "medium",
        Severity::High => "high",
        Severity::Critical => "CRITICAL",
    }
}
