//! Files in which programs keep credentials, and access keys written into code.

use super::pattern::Pattern;
use super::{Hit, Over, Rule, Scene};
use crate::Kind;
use evidence::{Confidence, Severity};

pub(super) static RULE: Rule = Rule {
    id: "credential-file",
    technique: "T1552.001",
    advice: "Replace the credentials, see in CloudTrail what was done with them, and take them out of the package.",
    over: Over::Every,
    look,
};

/// An AWS access key id that belongs to a user, beside its secret.
static ACCESS_KEY: Pattern = Pattern::new(
    r#"\bAKIA[A-Z2-7]{16}\b(?:[^\n]{0,200}\n){0,4}?[^\n]{0,120}[\s"'=:`]([A-Za-z0-9/+]{40})(?:["'`\s,;]|$)"#,
);
static NPM_TOKEN: Pattern = Pattern::new(r"_authToken\s*=\s*[^\s$]{16}|_password\s*=\s*[^\s$]{8}");
static PYPI_TOKEN: Pattern = Pattern::new(r"(?m)^\s*password\s*[=:]\s*\S{8}");
static GOOGLE_KEY: Pattern = Pattern::new(r#""type"\s*:\s*"service_account""#);
static DOCKER_AUTH: Pattern = Pattern::new(r#""auth"\s*:\s*"[A-Za-z0-9+/=]{8}"#);

fn look(scene: &Scene<'_>, hits: &mut Vec<Hit>) {
    if !matches!(scene.file.kind, Kind::Text | Kind::Script) || scene.bytes.len() > 4 << 20 {
        return;
    }
    let path = scene.file.path.as_str();
    let is = |file: &str| {
        path == file
            || path
                .strip_suffix(file)
                .is_some_and(|before| before.ends_with('/'))
    };
    let of_what = if is(".aws/credentials") {
        Some("AWS credentials")
    } else if is(".netrc") || is("_netrc") {
        Some("passwords of hosts")
    } else if is(".git-credentials") {
        Some("passwords of Git hosts")
    } else if is(".npmrc") && NPM_TOKEN.is_in(scene.bytes) {
        Some("a token of a package registry")
    } else if is(".pypirc") && PYPI_TOKEN.is_in(scene.bytes) {
        Some("a password of a package index")
    } else if is(".docker/config.json") && DOCKER_AUTH.is_in(scene.bytes) {
        Some("a password of an image registry")
    } else if is(".kube/config") {
        Some("the way into a cluster")
    } else if scene.name.ends_with(".json")
        && scene.bytes.len() < 16 << 10
        && GOOGLE_KEY.is_in(scene.bytes)
        && memchr::memmem::find(scene.bytes, b"\"private_key\"").is_some()
    {
        Some("a Google service account's key")
    } else {
        None
    };
    if let Some(what) = of_what {
        hits.push(
            Hit::new(
                Severity::Medium,
                Confidence::High,
                format!("{} holds {what}", scene.path()),
            )
            .if_owned(Severity::Info)
            .at_concealed(0),
        );
        return;
    }
    if memchr::memmem::find(scene.bytes, b"AKIA").is_some()
        && let Some(place) = ACCESS_KEY.find(scene.bytes)
        // AWS's own documentation uses keys that say that they are examples.
        && scene.bytes.get(place.clone()).is_none_or(|text| memchr::memmem::find(text, b"EXAMPLE").is_none())
    {
        hits.push(
            Hit::new(
                Severity::Medium,
                Confidence::Medium,
                format!(
                    "{} holds an AWS access key and, it seems, its secret",
                    scene.path()
                ),
            )
            .if_owned(Severity::Info)
            .at_concealed(place.start),
        );
    }
}
