//! Code whose text was made unreadable: a long encoded block beside what runs code, words put
//! together from character codes, the marks of an obfuscator.

use super::pattern::Pattern;
use super::{Hit, Over, Rule, Scene};
use evidence::{Confidence, Severity};

pub(super) static RULE: Rule = Rule {
    id: "obfuscated-code",
    technique: "T1027",
    advice: "Find out where the file comes from: published packages are minified, seldom obfuscated. Decode it without running it.",
    over: Over::Source(&[
        "exec(",
        "eval(",
        "Function(",
        "marshal.loads",
        "_0x",
        "__import__(",
    ]),
    look,
};

/// A run of what base64 or hexadecimal consist of.
static BLOCK: Pattern = Pattern::new(r"(?:[A-Za-z0-9+/=_\-]|\\x[0-9a-fA-F]{2}){200}");
/// Words from numbers.
static CODES: Pattern = Pattern::new(
    r"(?:chr\(\s*(?:0x)?[0-9a-fA-F]{1,3}\s*(?:[\^+-]\s*\d{1,3}\s*)?\)\s*\+\s*){8}|fromCharCode\(\s*(?:(?:0x)?[0-9a-fA-F]{1,4}\s*(?:\^\s*\d{1,3}\s*)?,\s*){12}|(?:\\x[0-9a-f]{2}){40}",
);
/// Names as javascript-obfuscator and its like give them.
static NUMBERED_NAMES: Pattern = Pattern::new(r"_0x[0-9a-f]{4,6}\b");
/// The way in of Python one-liners: `(lambda __: exec(__import__('zlib')…`, `__import__("builtins").exec`.
static ONE_LINER: Pattern = Pattern::new(
    r#"__import__\(\s*["'](?:zlib|base64|marshal|builtins|codecs|binascii)["']\s*\)\s*\.\s*(?:decompress|\w{0,8}decode|loads|exec|eval|unhexlify)"#,
);

/// How near a block stands to what runs code.
const NEAR: usize = 600;

fn look(scene: &Scene<'_>, hits: &mut Vec<Hit>) {
    let bytes = scene.bytes;
    let hit = |severity, what: &str| {
        Hit::new(
            severity,
            if severity == Severity::High {
                Confidence::High
            } else {
                Confidence::Medium
            },
            format!("{} {what}", scene.path()),
        )
    };
    // Calls of `.exec(` are what most of the words are: nothing of that runs code.
    if !scene.runs().is_empty()
        && let Some(place) = ONE_LINER.find(bytes)
    {
        let what = "hides the code that it runs in one encoded line";
        hits.push(hit(Severity::High, what).at(scene, &place));
        return;
    }
    for call in scene.runs() {
        let name = bytes.get(call.clone()).unwrap_or_default();
        let runs_code = [&b"exec"[..], b"eval", b"Function", b"marshal"]
            .iter()
            .any(|word| memchr::memmem::find(name, word).is_some());
        if !runs_code {
            continue;
        }
        let from = call.start.saturating_sub(NEAR);
        let near = bytes
            .get(from..bytes.len().min(call.end + NEAR))
            .unwrap_or_default();
        let what = if BLOCK.is_in(near) {
            "keeps a long encoded block beside what runs code"
        } else if CODES.is_in(near) {
            "puts words together from character codes beside what runs code"
        } else {
            continue;
        };
        let place = call.start..bytes.len().min(call.end + 60);
        hits.push(hit(Severity::Medium, what).at(scene, &place));
        return;
    }
    // One such name may be a constant; a hundred are the tool's.
    if NUMBERED_NAMES.all(bytes, 101).count() > 100
        && let Some(place) = NUMBERED_NAMES.find(bytes)
    {
        let what = "was passed through a JavaScript obfuscator";
        hits.push(hit(Severity::Medium, what).at(scene, &place));
    }
}
