//! A provider that answers from a script, and a desk to work at: for tests.

use super::window::{self, Investigation};
use super::{Aws, Clients, Regions, TriggerFacts};
use crate::rest::Downloads;
use crate::{Carried, Pace, Scope, Surroundings as _};
use crate::{Collector as _, Concluded, Desk, Gathered, Observer, Task, conclude, read_on};
use aws_config::{BehaviorVersion, Region, SdkConfig, retry::RetryConfig};
use aws_smithy_runtime_api::client::http::{
    HttpConnector, HttpConnectorFuture, SharedHttpConnector, http_client_fn,
};
use aws_smithy_runtime_api::client::orchestrator::{HttpRequest, HttpResponse};
use aws_smithy_types::body::SdkBody;
use evidence::{Acquisition, ArtifactKind, Outcome, Request, Sha256Digest, Target};
use flate2::read::MultiGzDecoder;
use std::collections::{BTreeMap, BTreeSet};
use std::io::Read as _;
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::time::Instant;
use vault::{MemoryVault, Vault as _};

/// `(pattern, status, body)`. The first line whose pattern fits answers. A pattern's first word is
/// the operation (`GetRole`), or the method where the service is REST (`GET`); its other words stand
/// somewhere in the address, which holds the Region, or the body. A line that begins with `once`
/// answers one call: several are a sequence. A call that no line fits is answered 500 `Unscripted`,
/// which no test expects. A body may begin with `x-…` or
/// `c…-…` headers and an empty line.
pub(crate) type Script = &'static [(&'static str, u16, &'static str)];

/// A script whose answers are made at run time.
pub(crate) fn script(lines: &[(&'static str, u16, &'static str)]) -> Script {
    lines.to_vec().leak()
}

/// Clients of `region` whose calls `script` answers.
pub(crate) fn clients(region: &'static str, script: Script) -> Clients {
    clients_noting(region, script).0
}

/// The same, with the list of the calls that were made.
pub(crate) fn clients_noting(
    region: &'static str,
    script: Script,
) -> (Clients, Arc<Mutex<Vec<String>>>) {
    let canned = Canned {
        script,
        ..Canned::default()
    };
    let asked = canned.asked.clone();
    let connector = SharedHttpConnector::new(canned);
    let mut clients = Clients::new(&config(region, connector.clone()));
    clients.downloads = Downloads::anywhere().through(connector);
    (clients, asked)
}

pub(crate) fn config(region: &'static str, connector: SharedHttpConnector) -> SdkConfig {
    SdkConfig::builder()
        .behavior_version(BehaviorVersion::latest())
        .region(Region::new(region))
        .credentials_provider(aws_sdk_lambda::config::SharedCredentialsProvider::new(
            aws_sdk_lambda::config::Credentials::new("AKIDEXAMPLE", "secret", None, None, "test"),
        ))
        .retry_config(RetryConfig::disabled())
        .http_client(http_client_fn(move |_, _| connector.clone()))
        .build()
}

/// Reads one request of a window of a function to its end, and concludes it. Holds for every
/// artifact: what is called is declared. Wants a paused clock; `took` is by that clock.
pub(crate) async fn investigate(
    scope: Scope,
    request: &Request,
    carried: &Carried,
    script: Script,
) -> Investigated {
    let canned = Canned {
        script,
        ..Canned::default()
    };
    let asked = canned.asked.clone();
    let config = config("eu-west-1", SharedHttpConnector::new(canned));
    let investigation = Investigation::new(
        Clients::new(&config),
        Regions::new(&config, &["eu-west-1"]),
        Arc::new(Pace::default()),
        scope,
    );
    let began = Instant::now();
    let task = investigation.task("first", request);
    let observer = investigation.observer(request, carried);
    let (concluded, kept) = carry_out(&task, observer).await;
    let declared = window::permissions();
    for call in &concluded.acquisition.calls {
        let listed = declared.iter().any(|permission| {
            permission.action == call.api && permission.artifact == request.artifact
        });
        assert!(listed, "{} is not declared", call.api);
    }
    let asked = asked.lock().unwrap().clone();
    Investigated {
        concluded,
        kept,
        asked,
        took: began.elapsed(),
    }
}

/// Reads a task to its end and concludes it: what came of it, and each exhibit's content by its name,
/// unpacked.
pub(crate) async fn carry_out(
    task: &Task<'_>,
    observer: Box<dyn Observer + '_>,
) -> (Concluded, BTreeMap<String, String>) {
    let vault = Arc::new(MemoryVault::default());
    let clock = Arc::new(|| "2026-01-02T03:04:05Z".parse().unwrap());
    let case = "20260102T030405Z-test-0000000000000000".parse().unwrap();
    let desk = Desk::new(vault.clone(), case, clock, u64::MAX);
    assert!(read_on(&desk, task).await.unwrap());
    let concluded = conclude(&desk, task, &[], observer).await.unwrap();
    let concluded = concluded.expect("there is no deadline");
    let mut kept: BTreeMap<String, String> = BTreeMap::new();
    for exhibit in &concluded.acquisition.exhibits {
        let bytes = vault.get(&exhibit.key).await.unwrap();
        assert_eq!(Sha256Digest::of(&bytes), exhibit.sha256);
        let mut text = String::new();
        match exhibit.media_type.as_str() {
            "application/gzip" => MultiGzDecoder::new(&bytes[..]).read_to_string(&mut text),
            _ => (&bytes[..]).read_to_string(&mut text),
        }
        .unwrap();
        kept.insert(exhibit.name.clone(), text);
    }
    (concluded, kept)
}

/// What one request of a window brought.
pub(crate) struct Investigated {
    pub(crate) concluded: Concluded,
    /// Each exhibit's content by its name, unpacked.
    pub(crate) kept: BTreeMap<String, String>,
    /// Each call, as the script saw it.
    pub(crate) asked: Vec<String>,
    pub(crate) took: Duration,
}

impl Investigated {
    /// The outcome: its word, and its reason or nothing.
    pub(crate) fn outcome(&self) -> (&str, &str) {
        let outcome = &self.concluded.acquisition.result;
        (outcome.as_str(), outcome.why().unwrap_or_default())
    }

    /// The lines of the exhibits whose names contain `name`, in their order.
    pub(crate) fn lines(&self, name: &str) -> Vec<&str> {
        let kept = self.kept.iter().filter(|(key, _)| key.contains(name));
        kept.flat_map(|(_, text)| text.lines()).collect()
    }

    /// The document whose name ends so.
    pub(crate) fn document(&self, name: &str) -> serde_json::Value {
        let kept = self.kept.iter().find(|(key, _)| key.ends_with(name));
        serde_json::from_str(kept.expect("no such document").1).unwrap()
    }
}

/// The texts of what an acquisition put into the vault, each what its digest says.
pub(crate) async fn exhibits(vault: &MemoryVault, acquisition: &Acquisition) -> Vec<String> {
    let mut texts = Vec::new();
    for exhibit in &acquisition.exhibits {
        let bytes = vault.get(&exhibit.key).await.unwrap();
        assert_eq!(Sha256Digest::of(&bytes), exhibit.sha256);
        texts.push(String::from_utf8_lossy(&bytes).into_owned());
    }
    texts
}

/// Carries one request out against `script`.
pub(crate) async fn collect(
    target: &str,
    artifact: ArtifactKind,
    selector: Option<&str>,
    script: Script,
) -> Collected {
    collect_after(TriggerFacts::default(), target, artifact, selector, script).await
}

/// The same, woken by a trigger. Holds for every artifact: what is called is declared, and
/// [`SECRET`], wherever a reply holds it, comes out in configuration exhibits only.
pub(crate) async fn collect_after(
    trigger: TriggerFacts,
    target: &str,
    artifact: ArtifactKind,
    selector: Option<&str>,
    script: Script,
) -> Collected {
    let vault = Arc::new(MemoryVault::default());
    let target = Target::from_arn(target).unwrap();
    let (clients, asked) = clients_noting("eu-west-1", script);
    let clock = Arc::new(|| "2026-01-02T03:04:05Z".parse().unwrap());
    let case = "20260102T030405Z-test-0000000000000000".parse().unwrap();
    let desk = Desk::new(vault.clone(), case, clock, u64::MAX);
    let aws = Aws::new(clients, target, trigger, 3);
    let request = Request {
        artifact,
        selector: selector.map(str::to_owned),
    };
    let gathered = aws.collect(&desk, request).await;
    let kept = exhibits(&vault, &gathered.acquisition).await;
    let asked = asked.lock().unwrap().clone();
    let declared = aws.permissions();
    for call in &gathered.acquisition.calls {
        let listed = declared
            .iter()
            .any(|permission| permission.action == call.api && permission.artifact == artifact);
        assert!(
            listed || call.api == "https:GET",
            "{} is not declared",
            call.api
        );
    }
    assert!(!format!("{gathered:?}").contains(SECRET), "{gathered:?}");
    if artifact != ArtifactKind::Configuration {
        assert!(!format!("{kept:?}").contains(SECRET), "{kept:?}");
    }
    Collected {
        gathered,
        kept,
        asked,
    }
}

/// What comes of a request when every call is answered 404, 403, 429: three words.
pub(crate) async fn outcomes_when_refused(
    target: &str,
    artifact: ArtifactKind,
    selector: Option<&str>,
) -> [String; 3] {
    const ABSENT: Script = &[
        ("GET", 404, r#"{"__type":"ResourceNotFoundException"}"#),
        ("HEAD", 404, ""),
        (
            "BatchGetImage",
            400,
            r#"{"__type":"RepositoryNotFoundException"}"#,
        ),
    ];
    const DENIED: Script = &[
        ("GET", 403, r#"{"__type":"AccessDeniedException"}"#),
        ("HEAD", 403, ""),
        (
            "BatchGetImage",
            400,
            r#"{"__type":"AccessDeniedException"}"#,
        ),
    ];
    const THROTTLED: Script = &[
        ("GET", 429, r#"{"__type":"TooManyRequestsException"}"#),
        ("HEAD", 503, ""),
        ("BatchGetImage", 400, r#"{"__type":"ThrottlingException"}"#),
    ];
    let mut words = [ABSENT, DENIED, THROTTLED].map(|script| (script, String::new()));
    for (script, word) in &mut words {
        let collected = collect(target, artifact, selector, script).await;
        *word = collected.outcome().0.to_owned();
    }
    words.map(|(_, word)| word)
}

/// What one request brought.
pub(crate) struct Collected {
    pub(crate) gathered: Gathered,
    /// Each exhibit's content, as text.
    pub(crate) kept: Vec<String>,
    /// Each call, as the script saw it.
    pub(crate) asked: Vec<String>,
}

impl Collected {
    /// Everything: the acquisition, what was noticed, what is wanted next, what was kept.
    pub(crate) fn told(&self) -> serde_json::Value {
        let read = |text: &String| {
            serde_json::from_str(text).unwrap_or_else(|_| serde_json::Value::from(text.as_str()))
        };
        serde_json::json!({
            "acquisition": self.gathered.acquisition,
            "findings": self.gathered.findings,
            "next": self.gathered.next.iter().map(ToString::to_string).collect::<Vec<_>>(),
            "kept": self.kept.iter().map(read).collect::<Vec<_>>(),
        })
    }

    /// The outcome: its word, and its reason or nothing.
    pub(crate) fn outcome(&self) -> (&str, &str) {
        let outcome: &Outcome = &self.gathered.acquisition.result;
        (outcome.as_str(), outcome.why().unwrap_or_default())
    }
}

#[derive(Debug, Default)]
pub(crate) struct Canned {
    script: Script,
    asked: Arc<Mutex<Vec<String>>>,
    /// The numbers of the lines that have answered once.
    spent: Mutex<BTreeSet<usize>>,
}

impl Canned {
    /// One that answers from a script.
    pub(crate) fn answering(script: Script) -> Self {
        Self {
            script,
            ..Self::default()
        }
    }

    /// The calls that are made, as they are made.
    pub(crate) fn asked(&self) -> Arc<Mutex<Vec<String>>> {
        Arc::clone(&self.asked)
    }
}

impl HttpConnector for Canned {
    fn call(&self, request: HttpRequest) -> HttpConnectorFuture {
        let body = String::from_utf8_lossy(request.body().bytes().unwrap_or_default()).into_owned();
        let uri = request.uri();
        let path = uri
            .splitn(4, '/')
            .nth(3)
            .map(|path| format!("/{path}"))
            .unwrap_or_default();
        let operation = request
            .headers()
            .get("x-amz-target")
            .and_then(|target| target.split('.').next_back())
            .or_else(|| body.strip_prefix("Action=")?.split('&').next())
            .unwrap_or(request.method());
        let call = format!("{operation} {path} {body}");
        let mut spent = self.spent.lock().unwrap();
        let mut fits = |number: usize, pattern: &str| {
            let once = pattern.strip_prefix("once ");
            let mut words = once.unwrap_or(pattern).split(' ');
            words.next() == Some(operation)
                && words.all(|word| call.contains(word) || uri.contains(word))
                && (once.is_none() || spent.insert(number))
        };
        let (status, body) = self
            .script
            .iter()
            .enumerate()
            .find(|(number, (pattern, ..))| fits(*number, pattern))
            .map_or((500, UNSCRIPTED), |(_, (_, status, body))| (*status, *body));
        self.asked.lock().unwrap().push(call.clone());
        let (head, body) = match body.split_once("\n\n") {
            Some((head, body)) if head.starts_with("x-") || head.starts_with("c") => (head, body),
            _ => ("", body),
        };
        let mut reply = HttpResponse::new(status.try_into().unwrap(), SdkBody::from(body));
        for (name, value) in head.lines().filter_map(|line| line.split_once(": ")) {
            reply.headers_mut().insert(name, value);
        }
        if body.starts_with('{') {
            let media_type = match operation == request.method() {
                true => "application/json",
                false => "application/x-amz-json-1.1",
            };
            reply.headers_mut().insert("content-type", media_type);
        }
        HttpConnectorFuture::ready(Ok(reply))
    }
}

/// What replies hold in place of a signature or an environment's value.
pub(crate) const SECRET: &str = "marked-secret";

const UNSCRIPTED: &str = r#"{"__type":"Unscripted","message":"no line of the script fits"}"#;
