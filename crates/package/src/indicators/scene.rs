//! A file as the rules see it: its bytes, its language, its lines.

use super::downloaded_code_run::RUNS;
use super::flow::Budget;
use super::pattern::Pattern;
use super::{Part, SOURCE_BYTES};
use crate::{Content, File, Kind};
use evidence::shown;
use std::cell::OnceCell;
use std::ops::Range;

/// One file in front of a rule.
pub(super) struct Scene<'a> {
    pub(super) part: &'a Part,
    pub(super) file: &'a File,
    /// Its beginning; of sources as much as rules read.
    pub(super) bytes: &'a [u8],
    pub(super) language: Language,
    /// The last part of its path.
    pub(super) name: &'a str,
    /// How far its values are followed.
    pub(super) budget: Budget,
    /// Calls that run their argument, looked for once.
    runs: OnceCell<Vec<Range<usize>>>,
}

/// How many calls that run something are looked at in one file.
const MOST_RUNS: usize = 2_000;

/// What a file is written in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Language {
    Python,
    Node,
    Shell,
    Ruby,
    /// Text of a name that tells nothing: may be code that another file runs.
    Unknown,
    /// Documentation, data, markup: nothing runs it, and it often quotes what is bad.
    Prose,
    /// No text.
    None,
}

impl<'a> Scene<'a> {
    pub(super) fn new(part: &'a Part, file: &'a File, content: Content<'a>) -> Self {
        let name = file.path.rsplit('/').next().unwrap_or(&file.path);
        let language = language(name, file.kind, content.bytes);
        let bytes = if matches!(language, Language::None) {
            content.bytes
        } else {
            content.bytes.get(..SOURCE_BYTES).unwrap_or(content.bytes)
        };
        Self {
            part,
            file,
            bytes,
            language,
            name,
            budget: Budget::of(bytes),
            runs: OnceCell::new(),
        }
    }

    /// Whether something may run it as it is written.
    pub(super) fn is_source(&self) -> bool {
        !matches!(self.language, Language::Prose | Language::None)
    }

    /// Calls that run their argument as code or as a command: from the name to the opening bracket.
    pub(super) fn runs(&self) -> &[Range<usize>] {
        self.runs
            .get_or_init(|| RUNS.all(self.bytes, MOST_RUNS).collect())
    }

    /// Its path, fit to be shown.
    pub(super) fn path(&self) -> String {
        shown(&self.file.path, 120)
    }

    /// The line that stands at `offset`, counted from 1.
    pub(super) fn line(&self, offset: usize) -> u64 {
        let before = self.bytes.get(..offset).unwrap_or(self.bytes);
        memchr::memchr_iter(b'\n', before).count() as u64 + 1
    }

    /// What stands at `place`, fit to be shown.
    pub(super) fn excerpt(&self, place: &Range<usize>) -> String {
        excerpt(self.bytes.get(place.clone()).unwrap_or_default())
    }
}

/// These bytes as a proof shows them: on one line, at most 160 characters long, nothing hidden, and
/// without what looks like a secret (access keys, passwords, long encoded runs, queries of addresses).
pub fn excerpt(bytes: &[u8]) -> String {
    let bytes = bytes.get(..600).unwrap_or(bytes);
    let masked = masked(bytes);
    shown(&without_secrets(&String::from_utf8_lossy(&masked)), 160)
}

/// What is a secret by what stands before it or by its form: the groups are kept.
static SECRETS: Pattern = Pattern::new(
    r#"(://[^/\s:@"'`]{0,80}:)[^\s"'`@]{1,200}@|(\b(?:Basic|Bearer)\s+)[A-Za-z0-9+/=._~\-]{6,}|((?i:passw\w{0,8}|secret\w{0,8}|token|api_?key|auth)["']?\s{0,3}[:=]\s{0,3}["'`])[^"'`\n]{3,}|\b([sr]k_live_)\w+|\b(SG\.)[\w\-.]{10,}|(hooks\.slack\.com/services/)[\w/]+|(/bot)\d{6,}:[\w\-]{20,}"#,
);

/// Without what is a secret by its surroundings, and without AWS' secret keys.
fn masked(bytes: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(bytes.len());
    let mut at = 0;
    for place in SECRETS.all(bytes, 100) {
        let found = bytes.get(place.clone()).unwrap_or_default();
        out.extend_from_slice(bytes.get(at..place.start).unwrap_or_default());
        out.extend_from_slice(SECRETS.any_group(found).unwrap_or_default());
        out.extend_from_slice("…".as_bytes());
        if found.ends_with(b"@") {
            out.push(b'@');
        }
        at = place.end;
    }
    out.extend_from_slice(bytes.get(at..).unwrap_or_default());
    let is_of_key = |byte: &u8| byte.is_ascii_alphanumeric() || matches!(byte, b'/' | b'+');
    let mut start = 0;
    while start < out.len() {
        let rest = out.get(start..).unwrap_or_default();
        let length = rest.iter().take_while(|byte| is_of_key(byte)).count();
        let run = rest.get(..length).unwrap_or_default();
        if length == 40
            && run.iter().any(u8::is_ascii_digit)
            && run.iter().any(u8::is_ascii_uppercase)
            && run.iter().any(u8::is_ascii_lowercase)
        {
            out.splice(start + 4..start + 40, "…(40 characters)".bytes());
        }
        start += length.max(1);
    }
    out
}

fn language(name: &str, kind: Kind, bytes: &[u8]) -> Language {
    let is_text = matches!(kind, Kind::Text | Kind::Script);
    let extension = name
        .rsplit_once('.')
        .map(|(_, extension)| extension.to_ascii_lowercase())
        .unwrap_or_default();
    // Named as source it is read as source, whatever its bytes: one control character in a comment
    // does not keep an interpreter from running it.
    let may_be_text = is_text || kind == Kind::Data;
    match extension.as_str() {
        "py" | "pyw" | "pth" | "pyi" | "pyx" if may_be_text => Language::Python,
        "js" | "mjs" | "cjs" | "ts" | "mts" | "cts" | "jsx" | "tsx" if may_be_text => {
            Language::Node
        }
        "sh" | "bash" | "ksh" | "zsh" if may_be_text => Language::Shell,
        "rb" | "gemspec" | "ru" if may_be_text => Language::Ruby,
        _ if !is_text => Language::None,
        _ if kind == Kind::Script => shebang(bytes),
        "md" | "rst" | "html" | "htm" | "xml" | "svg" | "json" | "yaml" | "yml" | "toml"
        | "css" | "csv" | "tsv" | "map" | "markdown" | "tex" | "po" | "pot" | "scss" | "less"
        | "ipynb" | "h" | "hpp" | "c" | "cc" | "cpp" | "rs" | "go" | "java" | "pem" | "crt" => {
            Language::Prose
        }
        _ if is_prose(name) => Language::Prose,
        _ => Language::Unknown,
    }
}

/// By its first line.
fn shebang(bytes: &[u8]) -> Language {
    let line = bytes.get(..120).unwrap_or(bytes);
    let line = line.split(|byte| *byte == b'\n').next().unwrap_or(line);
    let has = |word: &str| memchr::memmem::find(line, word.as_bytes()).is_some();
    if has("python") {
        Language::Python
    } else if has("node") || has("deno") || has("bun") {
        Language::Node
    } else if has("ruby") {
        Language::Ruby
    } else if has("sh") {
        Language::Shell
    } else {
        Language::Unknown
    }
}

/// Files that only people read, whatever their ending.
fn is_prose(name: &str) -> bool {
    let upper = name.to_ascii_uppercase();
    [
        "LICENSE",
        "LICENCE",
        "COPYING",
        "NOTICE",
        "README",
        "CHANGELOG",
        "CHANGES",
        "HISTORY",
        "AUTHORS",
        "RECORD",
        "METADATA",
        "SECURITY",
    ]
    .iter()
    .any(|word| upper.starts_with(word))
}

/// Access keys, long runs of encoded bytes, users in addresses and what follows a `?` in them are
/// replaced by what they are.
fn without_secrets(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut run = String::new();
    let mut in_query = false;
    for character in text.chars().chain(std::iter::once('\n')) {
        if character.is_ascii_alphanumeric() || matches!(character, '+' | '/' | '=' | '_' | '-') {
            run.push(character);
            continue;
        }
        let is_key = run.len() >= 16
            && ["AKIA", "ASIA", "ghp_", "xox", "sk-", "glpat"]
                .iter()
                .any(|start| run.starts_with(start));
        if in_query && !run.is_empty() {
            out.push('…');
        } else if is_key || (run.len() >= 36 && !looks_like_a_path(&run)) {
            out.extend(run.chars().take(4));
            out.push_str(&format!("…({} characters)", run.chars().count()));
        } else if character == '@' && out.ends_with(':') {
            // A password between a user and a host.
            out.push('…');
        } else {
            out.push_str(&run);
        }
        run.clear();
        // A query lasts until the text does; it may carry a signature.
        in_query = match character {
            '?' => out
                .rsplit(['"', '\'', ' ', '`'])
                .next()
                .is_some_and(|word| word.contains("://") || word.contains(':')),
            '"' | '\'' | ' ' | '`' | '\n' | ')' | '>' => false,
            _ => in_query,
        };
        out.push(character);
    }
    out.pop();
    out
}

/// Folders between slashes rather than encoded bytes.
fn looks_like_a_path(run: &str) -> bool {
    let parts = run.split(['/', '_', '-']);
    run.contains(['/', '_', '-'])
        && parts.clone().all(|part| part.len() <= 24)
        && !run.contains(['+', '='])
        && !parts.into_iter().any(|part| {
            part.len() > 12
                && part.bytes().any(|byte| byte.is_ascii_digit())
                && part.bytes().any(|byte| byte.is_ascii_uppercase())
        })
}

#[cfg(test)]
mod tests {
    use super::{excerpt, without_secrets};

    #[test]
    fn secrets_are_told_by_what_stands_before_them_and_by_form() {
        for (text, secret) in [
            ("k = 'wJalrXUtnFEMI/K7MDENG/bPxRfiCYzzzzzzzKEY'", "K7MDENG"),
            ("https://admin:hunter2!@example.com/x", "hunter2"),
            ("postgres://u:p4ss.word@db.example/x", "p4ss"),
            ("'Basic YWRtaW46aHVudGVyMg=='", "YWRtaW4"),
            ("password = \"S3cretPass!\"", "S3cret"),
            ("{'api_key': 'abc123!'}", "abc123"),
            ("'SG.abcdefghijklmnopqrstuv.abcdefghij'", "abcdefghij"),
            ("https://hooks.slack.com/services/T0A/B0A/abcd", "T0A"),
        ] {
            let written = excerpt(text.as_bytes());
            assert!(!written.contains(secret), "{written}");
        }
        assert_eq!(excerpt(b"post(url, token=token)"), "post(url, token=token)");
    }

    #[test]
    fn an_excerpt_shows_no_key_no_password_and_no_signature() {
        for (text, expected) in [
            ("id = 'AKIAABCDEFGHIJKLMNOP'", "id = 'AKIA…(20 characters)'"),
            (
                "secret='wJalrXUtnFEMIK7MDENGbPxRfiCYzzzzzzzzzzzz'",
                "secret='wJal…(40 characters)'",
            ),
            (
                "get('https://203.0.113.7/a?X-Amz-Signature=abc&b=c')",
                "get('https://203.0.113.7/a?…&…')",
            ),
            (
                "https://user:hunter2@example.com/",
                "https://user:…@example.com/",
            ),
            ("a.b.c(d, 'plain text here')", "a.b.c(d, 'plain text here')"),
        ] {
            assert_eq!(without_secrets(text), expected);
        }
    }
}
