//! A private key in a package.

use super::pattern::Pattern;
use super::{Hit, Over, Rule, Scene};
use crate::Kind;
use evidence::{Confidence, Severity};

pub(super) static RULE: Rule = Rule {
    id: "private-key",
    technique: "T1552.004",
    advice: "Find out what the key opens, replace it, and keep it in Secrets Manager or KMS instead.",
    over: Over::Every,
    look,
};

static KEY: Pattern = Pattern::new(
    r"-----BEGIN (?:RSA |EC |DSA |OPENSSH |ENCRYPTED |PGP )?PRIVATE KEY(?: BLOCK)?-----(?:\s|\\n|\\r|[A-Za-z0-9+/=:,\-]|\x22\s*\+?\s*\x22|'\s*\+?\s*'){120,}",
);

/// Keys are small files, or stand in sources of an ordinary size.
const LARGEST: usize = 2 << 20;

fn look(scene: &Scene<'_>, hits: &mut Vec<Hit>) {
    if !matches!(scene.file.kind, Kind::Text | Kind::Script)
        || scene.bytes.len() > LARGEST
        || memchr::memmem::find(scene.bytes, b"PRIVATE KEY").is_none()
    {
        return;
    }
    if let Some(place) = KEY.find(scene.bytes) {
        hits.push(
            Hit::new(
                Severity::Medium,
                Confidence::High,
                format!("{} holds a private key", scene.path()),
            )
            // Published packages carry keys for their own tests.
            .if_owned(Severity::Info)
            .at_concealed(place.start),
        );
    }
}
