//! A shell that is handed to somebody outside.

use super::pattern::Pattern;
use super::scene::Language;
use super::{Hit, Over, Rule, Scene};
use evidence::{Confidence, Severity};

pub(super) static RULE: Rule = Rule {
    id: "reverse-shell",
    technique: "T1059.004",
    advice: "Take the function out of service, treat the role's credentials as stolen, and look for connections to the address in the VPC's flow logs.",
    over: Over::Source(&[
        "/dev/tcp/",
        "/dev/udp/",
        "dup2",
        "/bin/sh",
        "/bin/bash",
        "pty.spawn",
        "mkfifo",
        "ncat ",
        "nc -",
        "socat ",
    ]),
    look,
};

/// One line that does it all.
static ONE_LINE: Pattern = Pattern::new(
    r#"(?:\b(?:ba|z|k)?sh\s+-i\b[^\n]{0,40}(?:>&|&>|<>|<)\s*/dev/(?:tcp|udp)/|exec\s+\d{1,3}<>\s*/dev/(?:tcp|udp)/|/dev/(?:tcp|udp)/[^\s/]{1,100}/[^\s]{1,40}\s+0>&1|\bn(?:c|cat)\b[^\n|]{0,80}\s-(?:e|c)\s*["']?/?(?:usr/)?(?:bin/)?(?:ba)?sh\b|mkfifo\s[^\n]{1,120}\|[^\n]{0,60}\bn(?:c|cat)\b|socat\b[^\n]{0,120}\bexec:[^\n]{0,20}sh\b)"#,
);

/// Standard input and output put onto a socket.
static ONTO_SOCKET: Pattern = Pattern::new(r"dup2\s*\(\s*\w{1,40}(?:\.fileno\(\))?\s*,\s*[012]\b");
static SOCKET: Pattern =
    Pattern::new(r"socket\.socket\s*\(|socket\s*\(|create_connection\s*\(|TCPSocket");
static SHELL: Pattern = Pattern::new(
    r#"(?:subprocess\.\w{1,20}|pty\.spawn|os\.(?:system|popen|exec\w{1,3})|\bexec\b|\bspawn\w{0,8}|\bsystem)\s*[(\s\[]{1,4}["'`](?:/usr)?/?(?:bin/)?(?:ba|z)?sh\b"#,
);
/// A socket's stream joined to a shell's.
static JOINED: Pattern =
    Pattern::new(r"\.pipe\s*\(\s*\w{1,40}\.(?:stdin|stdio)|\.std(?:out|err)\.pipe\s*\(");
static NODE_SOCKET: Pattern = Pattern::new(
    r"net\W{1,4}(?:connect|createConnection|Socket)\b|new\s+\w{0,20}\.?Socket\s*\(|\.connect\s*\(",
);
static RUBY: Pattern =
    Pattern::new(r"TCPSocket\.(?:open|new)[^\n]{1,200}(?:/bin/(?:ba)?sh|exec\b|popen)");

/// How near to each other the parts of it stand.
const NEAR: usize = 1_500;

fn look(scene: &Scene<'_>, hits: &mut Vec<Hit>) {
    let technique = match scene.language {
        Language::Python => "T1059.006",
        Language::Node => "T1059.007",
        _ => "T1059.004",
    };
    if let Some(place) = ONE_LINE
        .find(scene.bytes)
        .or_else(|| RUBY.find(scene.bytes))
    {
        hits.push(
            Hit::new(
                Severity::Critical,
                Confidence::High,
                format!("{} opens a shell to an address outside", scene.path()),
            )
            .at(scene, &place)
            .technique(technique),
        );
        return;
    }
    for shell in SHELL.all(scene.bytes, 20) {
        let near = scene
            .bytes
            .get(shell.start.saturating_sub(NEAR)..scene.bytes.len().min(shell.end + NEAR))
            .unwrap_or_default();
        if (ONTO_SOCKET.is_in(near) && SOCKET.is_in(near))
            || (JOINED.is_in(near) && NODE_SOCKET.is_in(near))
        {
            hits.push(
                Hit::new(
                    Severity::Critical,
                    Confidence::High,
                    format!("{} joins a shell to a network connection", scene.path()),
                )
                .at(scene, &shell)
                .technique(technique),
            );
            return;
        }
    }
}
