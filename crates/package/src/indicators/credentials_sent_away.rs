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
        "environ",
        "process.env",
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

/// A name for the whole environment.
static ALIAS: Pattern =
    Pattern::new(r"(?:const|let|var)\s+\w{1,40}\s*=\s*process\.env\s*(?:;|\n|$)");

/// What keeps what goes into it: signers, and calls that stay on the machine.
pub(super) static KEEPS: Pattern = Pattern::new(
    r"AWS4Auth|SignatureV4|SigV4Auth|AWSRequestsAuth|hmac\.new|createHmac|\.sign\s*\(|//localhost\b|//127\.0\.0\.1|X-Aws-Parameters-Secrets-Token",
);

/// What takes out what is secret.
static FILTERS: Pattern = Pattern::new(r"(?i)\b\w{0,20}(?:scrub|redact|sanitiz)\w{0,20}\s*\(");

/// A method that sends over what its object was opened to.
static METHOD: Pattern =
    Pattern::new(r"\b\w{1,40}(?:\(\))?\.(?:write|end|send|sendall|request|post|put|patch)\s*\(");

static PYTHON_SEND: Pattern = Pattern::new(
    r"\b(?:requests|httpx|session|s|client|http|pool|urllib3)\.(?:post|put|get|request|patch|urlopen)\s*\(|\burlopen\s*\(|\burlretrieve\s*\(|\burllib\.request\.Request\s*\(|\bRequest\s*\(|\bHTTPS?Connection\s*\(|\.connect\s*\(|\bcreate_connection\s*\(|\bgethostbyname\s*\(|\bgetaddrinfo\s*\(|\bsendto\s*\(",
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
    let credentials: Vec<Range<usize>> = CREDENTIAL
        .all(bytes, 200)
        .filter(|place| is_read(bytes, place))
        .collect();
    if !CREDENTIAL.is_in(bytes) && !ENVIRONMENT.is_in(bytes) && !ALIAS.is_in(bytes) {
        return;
    }
    let signs = KEEPS.is_in(bytes);
    let senders: &[&Pattern] = match scene.language {
        Language::Python => &[&PYTHON_SEND, &METHOD],
        Language::Node => &[&NODE_SEND, &METHOD],
        Language::Shell => &[&SHELL_SEND],
        Language::Ruby => &[&RUBY_SEND],
        _ => &[&PYTHON_SEND, &NODE_SEND, &SHELL_SEND, &RUBY_SEND, &METHOD],
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
            let is_method = std::ptr::eq(*sender, &raw const METHOD);
            let near = if is_method { &[][..] } else { &credentials };
            let to = destination(scene, &call, &sent, is_shell)
                .or_else(|| is_method.then(|| opened_to(scene, &call))?);
            let Some((mut severity, mut confidence, what)) =
                what_is_sent(scene, &call, &sent, near)
            else {
                continue;
            };
            let is_near_only = severity == Severity::High;
            if is_near_only && signs {
                severity = Severity::Info;
            }
            let to = match to {
                Some(to) => to,
                None if !is_near_only
                    && !is_method
                    && !is_shell
                    && !signs
                    && is_address_hidden(scene, &call, &sent) =>
                {
                    severity = severity.min(Severity::High);
                    confidence = Confidence::Medium;
                    "an address that the code does not show".to_owned()
                }
                None => continue,
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
    if flow::origin_unless(scene, sent, &CREDENTIAL, 3, &KEEPS).is_some() {
        return Some((
            Severity::Critical,
            Confidence::High,
            "the function's credentials",
        ));
    }
    let is_environment = flow::origin_unless(scene, sent, &ENVIRONMENT, 3, &KEEPS).is_some()
        || is_alias_sent(bytes, sent);
    if is_environment {
        return Some((
            if bytes
                .get(sent.clone())
                .is_some_and(|sent| FILTERS.is_in(sent))
            {
                Severity::Info
            } else {
                Severity::Critical
            },
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

/// Whether a credential's name is read there, rather than spoken of.
fn is_read(bytes: &[u8], place: &Range<usize>) -> bool {
    let before = bytes.get(..place.start).unwrap_or_default();
    let start = memchr::memrchr(b'\n', before).map_or(0, |end| end + 1);
    let rest = bytes.get(place.end..).unwrap_or_default();
    let end = place.end + memchr::memchr(b'\n', rest).unwrap_or(rest.len());
    let line = bytes.get(start..end).unwrap_or_default().trim_ascii_start();
    let is_comment = line.starts_with(b"#") || line.starts_with(b"//") || line.starts_with(b"* ");
    let is_name = bytes
        .get(place.clone())
        .is_some_and(|name| name.starts_with(b"AWS_"));
    let has = |word: &[u8]| memchr::memmem::find(line, word).is_some();
    !is_comment && (!is_name || has(b"env") || has(b"ENV") || has(b"$"))
}

/// Whether the whole environment, under another name, is put into words to be sent.
fn is_alias_sent(bytes: &[u8], sent: &Range<usize>) -> bool {
    let sent = bytes.get(sent.clone()).unwrap_or_default();
    ALIAS.all(bytes, 20).any(|alias| {
        let alias = bytes.get(alias).unwrap_or_default();
        let name = alias
            .split(|byte| matches!(byte, b' ' | b'='))
            .filter(|word| !word.is_empty())
            .nth(1)
            .unwrap_or_default();
        let written = [&b"JSON.stringify("[..], name, b")"].concat();
        !name.is_empty() && memchr::memmem::find(sent, &written).is_some()
    })
}

/// Where the object of a method sends to: what it was made with, or connected to.
fn opened_to(scene: &Scene<'_>, call: &Range<usize>) -> Option<String> {
    let bytes = scene.bytes;
    let whole = bytes.get(call.clone())?;
    let length = whole
        .iter()
        .position(|byte| !byte.is_ascii_alphanumeric() && *byte != b'_')?;
    let name = call.start..call.start + length;
    let foreign = |place: Range<usize>| {
        [&ADDRESS, &HOST].into_iter().find_map(|pattern| {
            let place = flow::origin(scene, &place, pattern, 2)?;
            let host = String::from_utf8_lossy(pattern.group(bytes.get(place)?)?).to_lowercase();
            is_foreign(&host).then(|| shown(&host, 80))
        })
    };
    let connected = [bytes.get(name.clone())?, b".connect("].concat();
    foreign(name).or_else(|| {
        let before = bytes.get(call.start.saturating_sub(16 << 10)..call.start)?;
        let from = call.start - before.len();
        let at = memchr::memmem::rfind(before, &connected)?;
        foreign(flow::arguments(bytes, from + at + connected.len()))
    })
}

/// Whether a call surely sends over a network, to an address that stands nowhere.
fn is_address_hidden(scene: &Scene<'_>, call: &Range<usize>, sent: &Range<usize>) -> bool {
    let name = scene.bytes.get(call.clone()).unwrap_or_default();
    [&b"requests."[..], b"httpx.", b"urlopen", b"fetch", b"axios"]
        .iter()
        .any(|word| memchr::memmem::find(name, word).is_some())
        && flow::origin(scene, sent, &ADDRESS, 2).is_none()
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
        b"getaddrinfo",
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
    // What anybody can have under Amazon's name.
    let is_a_customers = [".execute-api.", ".s3.", ".s3-", ".elb.", "cloudfront"]
        .iter()
        .any(|part| host.contains(part));
    let is_aws = !is_a_customers
        && [
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
