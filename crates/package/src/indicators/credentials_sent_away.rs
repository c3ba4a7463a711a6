//! Code that reads the function's credentials, or its whole environment, and sends it to a place that
//! the code names and that is not AWS.

use super::flow;
use super::pattern::Pattern;
use super::scene::Language;
use super::{Hit, Over, Rule, Scene};
use evidence::{Confidence, Severity, shown};
use std::ops::Range;

pub(super) static RULE: Rule = Rule {
    id: "credentials-sent-away",
    technique: "T1041",
    advice: "Revoke the role's sessions, look in CloudTrail for the role's credentials used from addresses that are not Lambda's, and replace every secret in the function's environment.",
    over: Over::Source(&[
        "AWS_SECRET_ACCESS_KEY",
        "AWS_SESSION_TOKEN",
        "/environ",
        "environ)",
        "environ )",
        "environ,",
        "environ.copy(",
        "environ.items(",
        "process.env)",
        "process.env )",
        "process.env,",
        "process.env}",
        "process.env }",
        "...process.env",
        "process.env\n",
        "ENV.to_h",
        "printenv",
        "$(env",
        "$( env",
        "env |",
        "env|",
        "`env",
        "get_frozen_credentials",
        "meta-data/iam",
    ]),
    look,
};

/// What is a credential wherever it stands.
static CREDENTIAL: Pattern = Pattern::new(
    r#"AWS_SECRET_ACCESS_KEY|AWS_SESSION_TOKEN|/proc/(?:self|\d{1,7}|\$\$|\*|thread-self|[{$][^/\s]{1,20})/environ|get_frozen_credentials|meta-data/iam/security-credentials|(?:\$\(|`)\s*(?:env|printenv)\s*(?:\||\)|`)|(?:^|[;&|(\s])(?:env|printenv)\s*\|"#,
);

/// The whole environment as a value. Ordinary for a child process: counts only where it is sent.
static ENVIRONMENT: Pattern = Pattern::new(
    r#"(?:dict|str|repr|list)\(\s*(?:os\.)?environ\s*\)|(?:os\.)?environ\.(?:copy|items)\(|(?:dumps|urlencode|encode|data|json|params|body|send|sendall|post)\s*[=(:]\s*(?:dict\()?(?:os\.)?environ\b\s*[,)]|\*\*\s*os\.environ|JSON\.stringify\(\s*process\.env\s*[,)]|\.\.\.\s*process\.env\b|(?:body|data|json|env)\s*:\s*process\.env\s*[,})]|querystring\.stringify\(\s*process\.env|URLSearchParams\(\s*process\.env|Object\.(?:entries|assign)\([^)]{0,40}process\.env\s*\)|ENV\.to_h"#,
);

static PYTHON_SEND: Pattern = Pattern::new(
    r"\b(?:requests|httpx|session|s|client|http|pool|urllib3)\.(?:post|put|get|request|patch|urlopen)\s*\(|\burlopen\s*\(|\burlretrieve\s*\(|\burllib\.request\.Request\s*\(|\bRequest\s*\(|\bHTTPS?Connection\s*\(|\.connect\s*\(|\bcreate_connection\s*\(|\bgethostbyname\s*\(|\bsendto\s*\(",
);
static NODE_SEND: Pattern = Pattern::new(
    r"\bfetch\s*\(|\baxios(?:\.\w{1,10})?\s*\(|\bhttps?\.(?:request|get)\s*\(|\bnet\.(?:connect|createConnection)\s*\(|\.connect\s*\(|\bdns\.(?:promises\.)?(?:lookup|resolve\w{0,6})\s*\(|\b(?:got|needle|superagent|request)(?:\.\w{1,10})?\s*\(|new\s+WebSocket\s*\(|sendBeacon\s*\(",
);
static SHELL_SEND: Pattern = Pattern::new(
    r"\b(?:curl|wget|nc|ncat|nslookup|dig|host)\b(?:[^\n\\]|\\\n){1,600}|/dev/(?:tcp|udp)/[^\s]{1,100}",
);
static RUBY_SEND: Pattern = Pattern::new(
    r"\bNet::HTTP(?:\.\w{1,12})?\s*\(|\bURI(?:\.open|\.parse)?\s*\(|\bHTTParty\.\w{1,8}\s*\(|\bFaraday\.\w{1,8}\s*\(|\bTCPSocket\.\w{1,5}\s*\(",
);

static ADDRESS: Pattern =
    Pattern::new(r#"(?:https?|wss?|ftp)://(?:[^/@\s"'`]{1,80}@)?([A-Za-z0-9._\-\[\]:]{3,253})"#);
/// A host on its own: an address in digits, or a name of two labels or more, in quotes.
static HOST: Pattern = Pattern::new(
    r#"["'`](?:[^"'`\s]{0,60}\.)?((?:\d{1,3}\.){3}\d{1,3}|(?:[A-Za-z0-9\-]{1,63}\.){1,8}[A-Za-z]{2,24})["'`]"#,
);
static SHELL_HOST: Pattern = Pattern::new(
    r"(?:/dev/(?:tcp|udp)/|\s)((?:\d{1,3}\.){3}\d{1,3}|(?:[A-Za-z0-9\-]{1,63}\.){1,8}[a-z]{2,24})(?:[/\s:]|$)",
);
/// An address that is only put together when the code runs.
static HIDDEN: Pattern = Pattern::new(
    r"b64decode\s*\(|\batob\s*\(|fromCharCode|unhexlify\s*\(|bytes\.fromhex\s*\(|Buffer\.from\s*\([^)]{1,400}(?:base64|hex)|codecs\.decode\s*\(|base64\s+(?:-d|--decode|-D)",
);

/// Where stolen things are dropped: T1567.004, exfiltration over a webhook, and its like.
const DROPS: &[&str] = &[
    "webhook.site",
    "hooks.slack.com",
    "discord.com",
    "discordapp.com",
    "api.telegram.org",
    "requestbin",
    "pipedream.net",
    "ngrok",
    "pastebin.com",
    "oast.",
    "interact.sh",
    "burpcollaborator",
    "beeceptor",
];

/// How near a credential and what sends stand, if nothing leads from one to the other.
const NEAR_BYTES: usize = 2_500;
const NEAR_LINES: usize = 45;

fn look(scene: &Scene<'_>, hits: &mut Vec<Hit>) {
    let bytes = scene.bytes;
    let credentials: Vec<Range<usize>> = CREDENTIAL.all(bytes, 200).collect();
    if credentials.is_empty() && !ENVIRONMENT.is_in(bytes) {
        return;
    }
    let senders: &[&Pattern] = match scene.language {
        Language::Python => &[&PYTHON_SEND],
        Language::Node => &[&NODE_SEND],
        Language::Shell => &[&SHELL_SEND],
        Language::Ruby => &[&RUBY_SEND],
        _ => &[&PYTHON_SEND, &NODE_SEND, &SHELL_SEND, &RUBY_SEND],
    };
    let mut best: Option<(Hit, Severity)> = None;
    for sender in senders {
        let is_shell = std::ptr::eq(*sender, &raw const SHELL_SEND);
        for call in sender.all(bytes, 500) {
            let sent = if is_shell {
                call.clone()
            } else {
                flow::arguments(bytes, call.end)
            };
            let Some(to) = destination(scene, &call, &sent, is_shell) else {
                continue;
            };
            let Some((severity, confidence, what)) =
                what_is_sent(scene, &call, &sent, &credentials)
            else {
                continue;
            };
            if best.as_ref().is_some_and(|(_, best)| *best >= severity) {
                continue;
            }
            let place = call.start..sent.end;
            let mut hit = Hit::new(
                severity,
                confidence,
                format!("{} sends {what} to {to}", scene.path()),
            )
            .at(scene, &place);
            if DROPS.iter().any(|drop| to.contains(drop)) {
                hit = hit.technique("T1567.004");
            }
            best = Some((hit, severity));
        }
    }
    hits.extend(best.map(|(hit, _)| hit));
}

/// What goes with a call, if it is a credential or the environment.
fn what_is_sent(
    scene: &Scene<'_>,
    call: &Range<usize>,
    sent: &Range<usize>,
    credentials: &[Range<usize>],
) -> Option<(Severity, Confidence, &'static str)> {
    let bytes = scene.bytes;
    if flow::comes_from(scene, sent, &CREDENTIAL) {
        return Some((
            Severity::Critical,
            Confidence::High,
            "the function's credentials",
        ));
    }
    if flow::comes_from(scene, sent, &ENVIRONMENT) {
        return Some((
            Severity::Critical,
            Confidence::Medium,
            "the function's environment",
        ));
    }
    credentials
        .iter()
        .any(|credential| {
            let between = if credential.end <= call.start {
                credential.end..call.start
            } else if sent.end <= credential.start {
                sent.end..credential.start
            } else {
                return true;
            };
            between.len() <= NEAR_BYTES
                && bytes
                    .get(between)
                    .is_some_and(|text| memchr::memchr_iter(b'\n', text).count() <= NEAR_LINES)
        })
        .then_some((
            Severity::High,
            Confidence::Medium,
            "something, next to where it reads the function's credentials,",
        ))
}

/// Where a call sends to, if the code says so and it is not AWS or the machine itself.
fn destination(
    scene: &Scene<'_>,
    call: &Range<usize>,
    sent: &Range<usize>,
    is_shell: bool,
) -> Option<String> {
    let bytes = scene.bytes;
    let foreign = |place: Range<usize>, pattern: &Pattern| {
        let host = pattern.group(bytes.get(place)?)?;
        let host = String::from_utf8_lossy(host).to_ascii_lowercase();
        is_foreign(&host).then(|| shown(&host, 80))
    };
    if is_shell {
        let whole = call.start.saturating_sub(1)..sent.end;
        return foreign(whole.clone(), &ADDRESS)
            .or_else(|| foreign(whole.clone(), &SHELL_HOST))
            .or_else(|| {
                HIDDEN
                    .is_in(bytes.get(whole)?)
                    .then(|| "an address that it decodes first".to_owned())
            });
    }
    if let Some(place) = flow::origin(scene, sent, &ADDRESS, 2) {
        return foreign(place, &ADDRESS);
    }
    let name = bytes.get(call.clone()).unwrap_or_default();
    let takes_a_host = [
        &b"onnect"[..],
        b"create",
        b"gethost",
        b"sendto",
        b"dns.",
        b"TCPSocket",
        b".request",
        b"https.",
        b"http.",
    ]
    .iter()
    .any(|word| memchr::memmem::find(name, word).is_some());
    if takes_a_host && let Some(place) = flow::origin(scene, sent, &HOST, 2) {
        return foreign(place, &HOST);
    }
    flow::comes_from(scene, sent, &HIDDEN).then(|| "an address that it decodes first".to_owned())
}

fn is_foreign(host: &str) -> bool {
    let host = host.trim_matches(['[', ']']);
    let host = host.rsplit_once(':').map_or(host, |(host, port)| {
        if port.bytes().all(|byte| byte.is_ascii_digit()) {
            host
        } else {
            ""
        }
    });
    let is_aws = [
        "amazonaws.com",
        "amazonaws.com.cn",
        "api.aws",
        "aws.amazon.com",
        "amazonaws.eu",
    ]
    .iter()
    .any(|suffix| {
        host.strip_suffix(suffix)
            .is_some_and(|before| before.is_empty() || before.ends_with('.'))
    });
    // A file's name or a module is no host.
    let is_a_name = [".py", ".js", ".json", ".sh", ".txt", ".rb", ".md", ".env"]
        .iter()
        .any(|ending| host.ends_with(ending));
    !host.is_empty()
        && host.contains('.')
        && !is_aws
        && !is_a_name
        && !["127.", "0.0.0.0", "169.254."]
            .iter()
            .any(|own| host.starts_with(own))
}
