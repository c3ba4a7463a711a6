//! A command that people run next, as a shell takes it: in the same vault, with the same account.

use super::{Options, Place};
use evidence::is_hidden;
use std::fmt::Write as _;

/// `coldcase` with `words`, and with the options that lead to the same vault and account; each word
/// quoted. What the environment says already is not said again.
pub fn command(options: &Options, words: &[&str]) -> String {
    let mut line = String::from("coldcase");
    for word in words {
        line.push(' ');
        line.push_str(&quoted(word));
    }
    let set = |name: &str, value: &str| std::env::var(name).is_ok_and(|found| found == value);
    for (name, value) in leading(options) {
        let is_said = match name {
            "vault" => set("COLDCASE_VAULT", &value),
            "stack" => set("COLDCASE_STACK", &value),
            _ => false,
        };
        if is_said {
            continue;
        }
        // A value that begins like an option has to hang on its own.
        let between = if value.starts_with('-') { '=' } else { ' ' };
        let _ = write!(line, " --{name}{between}{}", quoted(&value));
    }
    line
}

/// The options that lead to the same vault and account, by name and value. A URL that may hold a
/// password is left for the responder to fill in.
pub fn leading(options: &Options) -> Vec<(&'static str, String)> {
    let stack = Some(&options.stack).filter(|it| !matches!(it.as_str(), "" | "coldcase"));
    let endpoint = options.endpoint_url.as_deref().map(|url| match url {
        url if url.contains('@') => "URL",
        url => url,
    });
    let given = [
        ("vault", options.vault.as_ref().map(Place::raw)),
        ("stack", stack.cloned()),
        ("profile", options.profile.clone()),
        ("region", options.region.clone()),
        ("endpoint-url", endpoint.map(str::to_owned)),
    ];
    let given = given.into_iter();
    given
        .filter_map(|(name, value)| Some((name, value?)))
        .collect()
}

/// A word as a shell reads it back. Characters that a terminal obeys, or that cannot be seen, are
/// written by their numbers (`$'…'`, as bash, zsh and POSIX of 2024 know it).
pub fn quoted(word: &str) -> String {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "-_./:@%+=,".contains(c);
    // Of `=ls`, zsh makes a path.
    if !word.is_empty() && !word.starts_with('=') && word.chars().all(is_plain) {
        return word.to_owned();
    }
    if !word.chars().any(is_hidden) {
        return format!("'{}'", word.replace('\'', r"'\''"));
    }
    let mut text = String::from("$'");
    for c in word.chars() {
        match c {
            '\'' | '\\' => text.extend(['\\', c]),
            c if is_hidden(c) => {
                for byte in c.encode_utf8(&mut [0; 4]).bytes() {
                    let _ = write!(text, "\\{byte:03o}");
                }
            }
            c => text.push(c),
        }
    }
    text.push('\'');
    text
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "what a test cannot do, fails it")]

    use super::*;
    use std::path::PathBuf;
    use std::process::Command;

    #[test]
    fn a_shell_reads_back_what_was_meant() {
        let vault = "-a 'b' $(id) \u{1b}[2J\u{202e}\\ \n;x";
        let options = Options {
            vault: Some(Place::Directory(PathBuf::from(vault))),
            stack: "two words".to_owned(),
            region: Some("eu-west-1".to_owned()),
            ..Options::default()
        };
        let words = ["respond", "", "a*b", "~", "#", "=x\""];
        let line = command(&options, &words);
        assert!(!line.chars().any(is_hidden), "{line:?}");
        let script = line.replacen("coldcase", "printf '%s\\0'", 1);
        let said = Command::new("bash").args(["-c", &script]).output().unwrap();
        let said = String::from_utf8(said.stdout).unwrap();
        let vault = format!("--vault={vault}");
        let mut wanted = words.to_vec();
        wanted.extend([&vault, "--stack", "two words", "--region", "eu-west-1"]);
        let found: Vec<&str> = said.trim_end_matches('\0').split('\0').collect();
        assert_eq!(found, wanted);
    }
}
