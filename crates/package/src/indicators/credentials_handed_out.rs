//! A handler that answers with the credentials that the function runs with.

use super::credentials_sent_away::KEEPS;
use super::flow;
use super::pattern::Pattern;
use super::{Hit, Over, Rule, Scene};
use evidence::{Confidence, Severity};
use std::ops::Range;

pub(super) static RULE: Rule = Rule {
    id: "credentials-handed-out",
    technique: "T1552",
    advice: "Revoke the role's sessions, look in CloudTrail for the role's credentials used from addresses that are not Lambda's, and find out who called the function so.",
    over: Over::SourceWithBoth(
        &[
            "AWS_SECRET_ACCESS_KEY",
            "AWS_SESSION_TOKEN",
            "get_frozen_credentials",
            "environ",
            "process.env",
        ],
        &["return", "callback(", "=>"],
    ),
    look,
};

static CREDENTIAL: Pattern =
    Pattern::new("AWS_SECRET_ACCESS_KEY|AWS_SESSION_TOKEN|get_frozen_credentials");
/// The whole environment, written out.
static ENVIRONMENT: Pattern = Pattern::new(
    r"\b(?:dict|str|repr|dumps)\(\s*(?:dict\(\s*)?(?:os\.)?environ\s*[,)]|\{\s*\*\*\s*os\.environ\s*\}|JSON\.stringify\(\s*process\.env\s*[,)]|/proc/self/environ",
);
/// An environment for another program.
static FOR_A_CHILD: Pattern = Pattern::new(r"\benv\s*[=:]|(?i:scrub|redact|sanitiz)");
static ANSWER: Pattern = Pattern::new(r"\breturn\b[ \t]*|\bcallback\s*\(|=>\s*\(");
/// Where a function begins, with its name.
static FUNCTION: Pattern = Pattern::new(
    r"\bdef\s+\w{1,80}\s*\(|\b(?:module\.)?exports\.\w{1,80}\s*=|\bexport\s+(?:async\s+)?(?:const|let|function)\s+\w{1,80}|\bfunction\s+\w{1,80}\s*\(|\b(?:const|let|var)\s+\w{1,80}\s*=\s*(?:async\s*)?(?:function\b|\([^()\n]{0,200}\)\s*=>)",
);

/// How a handler is commonly called where the configuration is not known.
const HANDLERS: [&str; 3] = ["handler", "lambda_handler", "lambdaHandler"];
/// The longest answer that is looked at.
const LONGEST: usize = 2_000;

fn look(scene: &Scene<'_>, hits: &mut Vec<Hit>) {
    let bytes = scene.bytes;
    let functions: Vec<Range<usize>> = FUNCTION.all(bytes, 2_000).collect();
    let handed = ANSWER.all(bytes, 1_000).find_map(|answer| {
        let after = functions.partition_point(|function| function.end <= answer.start);
        let within = functions.get(after.checked_sub(1)?)?;
        if !is_handler(scene, bytes.get(within.clone())?) {
            return None;
        }
        let said = answer.end..end_of(bytes, answer.end);
        let text = bytes.get(said.clone()).unwrap_or_default();
        (flow::origin_unless(scene, &said, &CREDENTIAL, 1, &KEEPS).is_some()
            || ENVIRONMENT.is_in(text) && !FOR_A_CHILD.is_in(text))
        .then_some(answer.start..said.end)
    });
    if let Some(place) = handed {
        hits.push(
            Hit::new(
                Severity::Critical,
                Confidence::High,
                format!(
                    "{} answers with the credentials that the function runs with: whoever calls it gets them",
                    scene.path()
                ),
            )
            .at(scene, &place),
        );
    }
}

/// Whether this beginning of a function is that of the one that Lambda calls.
fn is_handler(scene: &Scene<'_>, beginning: &[u8]) -> bool {
    let configured = scene.part.handler.as_deref();
    let configured = configured.and_then(|handler| handler.rsplit(['.', ':']).next());
    beginning
        .split(|byte| !byte.is_ascii_alphanumeric() && *byte != b'_')
        .filter_map(|word| std::str::from_utf8(word).ok())
        .any(|word| Some(word) == configured || HANDLERS.contains(&word))
}

/// Where the expression that begins at `from` ends: at the end of the line, but not within brackets.
fn end_of(bytes: &[u8], from: usize) -> usize {
    let mut depth = 0_usize;
    let longest = bytes.len().min(from.saturating_add(LONGEST));
    for (at, byte) in bytes.iter().enumerate().take(longest).skip(from) {
        match byte {
            b'(' | b'[' | b'{' => depth += 1,
            b')' | b']' | b'}' if depth == 0 => return at,
            b')' | b']' | b'}' => depth -= 1,
            b'\n' | b';' if depth == 0 => return at,
            _ => {}
        }
    }
    longest
}
