//! Code that runs what it decodes: base64, hexadecimal, compressed, marshalled.

use super::downloaded_code_run::RUN_WORDS;
use super::flow;
use super::pattern::Pattern;
use super::scene::Language;
use super::{Hit, Over, Rule, Scene};
use evidence::{Confidence, Severity};

pub(super) static RULE: Rule = Rule {
    id: "decoded-code-run",
    technique: "T1140",
    advice: "Decode it without running it, and judge what comes out.",
    over: Over::SourceWithBoth(
        &[
            "b64decode",
            "b32decode",
            "b85decode",
            "a85decode",
            "decompress",
            "fromhex",
            "unhexlify",
            "codecs.decode",
            "atob",
            "base64 -",
            "'base64'",
            "\"base64\"",
            "fromCharCode",
            "marshal",
            "unescape",
            "'hex'",
            "\"hex\"",
            "decode64",
            "inflateSync",
            "inflateRawSync",
            "gunzipSync",
            "brotliDecompressSync",
        ],
        RUN_WORDS,
    ),
    look,
};

static DECODED: Pattern = Pattern::new(
    r#"\b(?:urlsafe_|standard_)?b(?:64|32|85)decode\s*\(|\ba85decode\s*\(|\b(?:zlib|gzip|bz2|lzma)\.decompress\s*\(|\bfromhex\s*\(|\bunhexlify\s*\(|\bcodecs\.decode\s*\(|\batob\s*\(|\bBuffer\.from\s*\([^)]{1,4000}["'](?:base64|hex)["']|fromCharCode\s*\(|\bmarshal\.loads\s*\(|(?:^|[^\w.])unescape\s*\(|\b(?:inflate|gunzip|brotliDecompress)(?:Raw)?Sync\s*\(|\bdecode64\s*\("#,
);

static SHELL: Pattern = Pattern::new(
    r#"\bbase64\s+(?:-d|--decode|-D)\b[^\n;&]{0,200}\|\s*(?:sudo\s+)?(?:/\w{1,8}){0,3}/?(?:(?:ba|z|k|da)?sh|python[\d.]{0,4}|node|perl|ruby)\b|\b(?:eval|source|\.)\s+["']?(?:\$\(|`|<\()[^\n]{0,2000}\bbase64\s+(?:-d|--decode|-D)\b|\bxxd\s+-r[^\n]{0,60}\|\s*(?:ba|z)?sh\b"#,
);

fn look(scene: &Scene<'_>, hits: &mut Vec<Hit>) {
    let bytes = scene.bytes;
    if matches!(scene.language, Language::Shell | Language::Unknown)
        && let Some(place) = SHELL.find(bytes)
    {
        hits.push(found(scene, Severity::High).at(scene, &place));
        return;
    }
    for call in scene.runs() {
        let name = bytes.get(call.clone()).unwrap_or_default();
        let starts_a_program = [&b"subprocess"[..], b"child_process", b"execFile"]
            .iter()
            .any(|word| memchr::memmem::find(name, word).is_some());
        // Loading what is pickled or marshalled is judged where it is run.
        let only_loads = memchr::memmem::find(name, b".loads").is_some();
        if starts_a_program || only_loads {
            continue;
        }
        let run = flow::arguments(bytes, call.end);
        if flow::comes_from(scene, &run, &DECODED) {
            hits.push(found(scene, Severity::High).at(scene, &(call.start..run.end)));
            return;
        }
    }
}

fn found(scene: &Scene<'_>, severity: Severity) -> Hit {
    Hit::new(
        severity,
        Confidence::High,
        format!("{} runs code that it decodes first", scene.path()),
    )
}
