//! The stage for whole journeys: the local account, the template deployed into it, victims, cases.
//!
//! [`Account::deployed`] starts an account of its own process on a free loopback port and deploys
//! `template.yaml` into it as it is; it ends with the test that holds it. Tests that leave the
//! stack as it was share one ([`Account::shared`]). Nothing here waits by the clock:
//! [`Account::until`] looks until it sees, within a bound.
#![allow(clippy::unwrap_used, clippy::expect_used, missing_docs)]

use aws_config::{BehaviorVersion, Region, SdkConfig};
use aws_sdk_lambda::config::Credentials;
use aws_sdk_lambda::primitives::Blob;
use aws_sdk_lambda::types::{Environment, FunctionCode, LastUpdateStatus, Runtime, State};
use evidence::{CaseId, CustodyAction, SealedCase, keys};
use serde_json::{Value, json};
use std::io::{BufRead as _, BufReader, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};
use vault::{S3Vault, Vault as _};

/// How long anything may take to happen. On two cores with everything else running.
const PATIENCE: Duration = Duration::from_secs(90);

pub struct Account {
    process: Child,
    pub endpoint: String,
    pub account: String,
    pub region: String,
    credentials: Credentials,
    /// The stack's outputs.
    pub outputs: Value,
}

impl Drop for Account {
    fn drop(&mut self) {
        // The account ends, with all its functions, when its standard input does.
        drop(self.process.stdin.take());
        self.process.wait().ok();
    }
}

/// The folder of the repository.
pub fn repository() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

fn python() -> Command {
    let python = repository().join(".venv/account/bin/python");
    assert!(
        python.exists(),
        "the local account is not set up: run `make setup` first"
    );
    let mut command = Command::new(python);
    command.current_dir(repository().join("tests"));
    command
}

/// Assumes a role, for which the journeys need no other client.
const ASSUME: &str = "import boto3, json, sys
sts = boto3.client('sts', endpoint_url=sys.argv[1], region_name='us-east-1')
reply = sts.assume_role(RoleArn=sys.argv[2], RoleSessionName=sys.argv[3])
print(json.dumps(reply['Credentials'], default=str))";

impl Account {
    /// An account with nothing in it.
    pub fn up() -> Self {
        let log = tempfile::NamedTempFile::new().unwrap().keep().unwrap().1;
        let mut process = python()
            .args(["-m", "account", "up", "--port", "0", "--log"])
            .arg(&log)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut line = String::new();
        BufReader::new(process.stdout.take().unwrap())
            .read_line(&mut line)
            .unwrap();
        let ready: Value = serde_json::from_str(&line)
            .unwrap_or_else(|_| panic!("the local account did not start; see {}", log.display()));
        let text = |name: &str| ready[name].as_str().unwrap().to_owned();
        Self {
            process,
            endpoint: text("endpoint"),
            account: text("account"),
            region: text("region"),
            credentials: Credentials::new(
                text("access_key_id"),
                text("secret_access_key"),
                None,
                None,
                "administrator",
            ),
            outputs: Value::Null,
        }
    }

    /// An account of one's own with the template deployed as it is.
    pub fn deployed(parameters: &[&str]) -> Self {
        let mut account = Self::up();
        account.deploy(parameters);
        account
    }

    /// Deploys the template as it is.
    pub fn deploy(&mut self, parameters: &[&str]) {
        for function in ["respond", "investigate", "examine", "baseline"] {
            let code = format!("target/lambda/{function}/bootstrap");
            assert!(
                repository().join(code).exists(),
                "the functions are not built: run `make build` first"
            );
        }
        // A deployment has every function recorded. The stack's own are large where they are built for
        // tests: who wants them recorded says so.
        let mut parameters = parameters.to_vec();
        let says = |parameter: &&str| parameter.starts_with("BaselineExclude=");
        if !parameters.iter().any(says) {
            parameters.push("BaselineExclude=coldcase-*");
        }
        self.outputs = self.deploy_beside("coldcase", "../template.yaml", &parameters);
    }

    /// Deploys another template, named from this package's folder; its outputs.
    pub fn deploy_beside(&self, stack: &str, template: &str, parameters: &[&str]) -> Value {
        let mut deploy = python();
        deploy
            .args(["-m", "account", "deploy", "--stack", stack])
            .args(["--endpoint", &self.endpoint])
            .args(["--template", template]);
        for parameter in parameters {
            deploy.args(["--parameter", parameter]);
        }
        let output = deploy.output().unwrap();
        assert!(
            output.status.success(),
            "the template cannot be deployed: {}",
            String::from_utf8_lossy(&output.stderr)
        );
        serde_json::from_slice(&output.stdout).unwrap()
    }

    /// The account of all tests that leave the stack as it was.
    pub fn shared() -> &'static Self {
        static SHARED: OnceLock<Account> = OnceLock::new();
        SHARED.get_or_init(|| Self::deployed(&[]))
    }

    pub fn output(&self, name: &str) -> String {
        self.outputs[name]
            .as_str()
            .unwrap_or_else(|| panic!("the stack has no output {name}"))
            .to_owned()
    }

    /// The administrator's configuration.
    pub async fn config(&self) -> SdkConfig {
        self.config_as(self.credentials.clone(), &self.region).await
    }

    pub async fn config_in(&self, region: &str) -> SdkConfig {
        self.config_as(self.credentials.clone(), region).await
    }

    pub async fn config_as(&self, credentials: Credentials, region: &str) -> SdkConfig {
        aws_config::defaults(BehaviorVersion::latest())
            .endpoint_url(&self.endpoint)
            .region(Region::new(region.to_owned()))
            .credentials_provider(credentials)
            .http_client(collectors::aws::http_client())
            .load()
            .await
    }

    /// Credentials of a session of a role.
    pub async fn session(&self, role: &str, name: &str) -> Credentials {
        let mut assume = python();
        assume.args(["-c", ASSUME, &self.endpoint, role, name]);
        assume.env("AWS_ACCESS_KEY_ID", self.credentials.access_key_id());
        assume.env(
            "AWS_SECRET_ACCESS_KEY",
            self.credentials.secret_access_key(),
        );
        let output = assume.output().unwrap();
        let error = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{error}");
        let session: Value = serde_json::from_slice(&output.stdout).unwrap();
        let text = |name: &str| session[name].as_str().unwrap().to_owned();
        Credentials::new(
            text("AccessKeyId"),
            text("SecretAccessKey"),
            Some(text("SessionToken")),
            None,
            "session",
        )
    }

    pub async fn lambda(&self) -> aws_sdk_lambda::Client {
        aws_sdk_lambda::Client::new(&self.config().await)
    }

    pub async fn iam(&self) -> aws_sdk_iam::Client {
        aws_sdk_iam::Client::new(&self.config().await)
    }

    pub async fn s3(&self) -> aws_sdk_s3::Client {
        collectors::aws::s3_client(&self.config().await)
    }

    pub async fn logs(&self) -> aws_sdk_cloudwatchlogs::Client {
        aws_sdk_cloudwatchlogs::Client::new(&self.config().await)
    }

    pub async fn sqs(&self) -> aws_sdk_sqs::Client {
        aws_sdk_sqs::Client::new(&self.config().await)
    }

    /// The stack's vault, seen by the administrator.
    pub async fn vault(&self) -> S3Vault {
        S3Vault::new(
            self.s3().await,
            self.output("BucketName"),
            Some(self.output("BucketKeyArn")),
            vault::Lock {
                mode: vault::LockMode::Governance,
                days: 365,
            },
            std::sync::Arc::new(jiff::Timestamp::now),
        )
    }

    /// A page of the account itself: `trail` or `invocations`, one JSON object a line.
    pub fn page(&self, name: &str) -> Vec<Value> {
        self.ask("GET", name, "")
            .lines()
            .filter_map(|line| serde_json::from_str(line).ok())
            .collect()
    }

    /// Tells the account itself something, one JSON document a line: `trail` takes records that no
    /// call made, `logs?group=…` lines of any age, `faults` what goes wrong next.
    pub fn tell<'a>(&self, page: &str, lines: impl IntoIterator<Item = &'a Value>) {
        let lines: Vec<String> = lines.into_iter().map(Value::to_string).collect();
        self.ask("POST", page, &lines.join("\n"));
    }

    fn ask(&self, method: &str, page: &str, body: &str) -> String {
        let address = self.endpoint.trim_start_matches("http://");
        let mut stream = std::net::TcpStream::connect(address).unwrap();
        write!(
            stream,
            "{method} /_account/{page} HTTP/1.0\r\nHost: {address}\r\nContent-Length: {}\r\n\r\n{body}",
            body.len()
        )
        .unwrap();
        let mut reply = String::new();
        std::io::Read::read_to_string(&mut stream, &mut reply).unwrap();
        let (head, body) = reply.split_once("\r\n\r\n").unwrap();
        assert!(head.contains(" 200 "), "{head}\n{body}");
        body.to_owned()
    }

    /// Looks until `seen` answers something.
    pub async fn until<T, F>(&self, what: &str, mut seen: impl FnMut() -> F) -> T
    where
        F: Future<Output = Option<T>>,
    {
        let began = Instant::now();
        loop {
            if let Some(seen) = seen().await {
                return seen;
            }
            assert!(began.elapsed() < PATIENCE, "{what} did not happen");
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }

    /// The ids of all cases that were begun.
    pub async fn case_ids(&self) -> Vec<CaseId> {
        // By folder: a case holds dozens of keys, and this is asked over and over.
        let mut pages = self
            .s3()
            .await
            .list_objects_v2()
            .bucket(self.output("BucketName"))
            .prefix("cases/")
            .delimiter("/")
            .into_paginator()
            .send();
        let mut ids = Vec::new();
        while let Some(page) = pages.next().await {
            let page = page.unwrap();
            let folders = page.common_prefixes().iter();
            ids.extend(folders.filter_map(|folder| {
                let id = folder.prefix()?.split('/').nth(1)?;
                id.parse::<CaseId>().ok()
            }));
        }
        ids
    }

    /// A sealed case with this sequence number, if it is there.
    pub async fn sealed(&self, id: &CaseId, sequence: u32) -> Option<SealedCase> {
        vault::sealed(&self.vault().await, id, sequence)
            .await
            .unwrap()
    }

    /// The addenda of a case so far whose custody holds such an action, in order.
    pub async fn addenda(
        &self,
        id: &CaseId,
        of: impl Fn(&CustodyAction) -> bool,
    ) -> Vec<SealedCase> {
        let mut addenda = Vec::new();
        for sequence in 1.. {
            let Some(addendum) = self.sealed(id, sequence).await else {
                break;
            };
            let mut custody = addendum.manifest().custody.iter();
            if custody.any(|entry| of(&entry.action)) {
                addenda.push(addendum);
            }
        }
        addenda
    }

    /// Waits for the addendum that a pass over what happened around a case ended in.
    pub async fn collected(&self, id: &CaseId, wanted: &str) -> SealedCase {
        let of = |action: &CustodyAction| matches!(action, CustodyAction::WindowCollected { pass, .. } if pass == wanted);
        let what = format!("the {wanted} pass over {id}");
        let look = async || self.addenda(id, of).await.pop();
        self.until(&what, look).await
    }

    /// Waits for the addendum that the examination of a case after a pass ended in.
    pub async fn examined(&self, id: &CaseId, wanted: &str) -> SealedCase {
        let of = |action: &CustodyAction| matches!(action, CustodyAction::Examined { pass } if pass == wanted);
        let what = format!("the examination of {id} after pass {wanted}");
        let look = async || self.addenda(id, of).await.pop();
        self.until(&what, look).await
    }

    /// The sealed cases about something of this name.
    pub async fn cases_about(&self, name: &str) -> Vec<SealedCase> {
        let marked = format!("-{name}-");
        let mut cases = Vec::new();
        for id in self.case_ids().await {
            if !id.as_str().contains(&marked) {
                continue;
            }
            cases.extend(self.sealed(&id, 0).await);
        }
        cases.retain(|case| case.manifest().target.name == name);
        cases
    }

    /// Waits for the case that a call opens about something, dealt with to the end, tracing and
    /// notification included.
    pub async fn case_of(&self, name: &str, base_event: &str) -> SealedCase {
        let what = format!("a sealed case of {base_event} about {name}");
        self.until(&what, || async {
            let cases = self.cases_about(name).await;
            let case = cases.into_iter().find(|case| {
                matches!(&case.manifest().trigger,
                    evidence::Trigger::CloudTrailEvent { event_name, .. }
                        if trail::base_name(event_name) == base_event)
            })?;
            let told = keys::notified(&case.manifest().case_id);
            let done = self.vault().await.holds(&told).await.unwrap();
            done.then_some(case)
        })
        .await
    }

    /// Waits until every event so far has been dealt with: nothing in the queue, nothing running.
    pub async fn quiet(&self) {
        let sqs = self.sqs().await;
        let queue = self.output("QueueUrl");
        let (sqs, queue) = (&sqs, &queue);
        let mut still = 0;
        let still = &mut still;
        let began = Instant::now();
        loop {
            // The trail's page answers once the records of all finished calls are delivered.
            self.page("trail");
            let attributes = sqs
                .get_queue_attributes()
                .queue_url(queue)
                .attribute_names(aws_sdk_sqs::types::QueueAttributeName::All)
                .send()
                .await
                .unwrap();
            let waiting: u32 = attributes
                .attributes()
                .unwrap()
                .iter()
                .filter(|(name, _)| name.as_str().starts_with("ApproximateNumberOfMessages"))
                .map(|(_, count)| count.parse::<u32>().unwrap())
                .sum();
            *still = if waiting == 0 { *still + 1 } else { 0 };
            if *still >= 5 {
                return;
            }
            assert!(began.elapsed() < PATIENCE, "the queue did not become empty");
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    }

    /// What the responder wrote to its log so far.
    pub async fn responder_log(&self) -> String {
        let events = self
            .logs()
            .await
            .filter_log_events()
            .log_group_name(self.output("LogGroupName"))
            .send()
            .await
            .unwrap();
        events
            .events()
            .iter()
            .filter_map(|event| event.message())
            .collect::<Vec<_>>()
            .join("\n")
    }

    /// Checks a whole case as a stranger would: every digest, every signature, the chain.
    pub async fn check(&self, id: &CaseId) -> vault::Report {
        vault::check(&self.vault().await, id, Some(&self.public_key().await)).await
    }

    /// The key that verifies the stack's cases, in PEM.
    pub async fn public_key(&self) -> String {
        let kms = aws_sdk_kms::Client::new(&self.config().await);
        let signer = vault::KmsSigner::new(kms, self.output("SigningKeyArn"));
        vault::Signer::public_key_pem(&signer).await.unwrap()
    }

    /// A role that functions can run under, allowed `actions` on everything.
    pub async fn role(&self, name: &str, actions: &[&str]) -> String {
        let trust = json!({"Version": "2012-10-17", "Statement": [{"Effect": "Allow",
            "Principal": {"Service": "lambda.amazonaws.com"}, "Action": "sts:AssumeRole"}]});
        let iam = self.iam().await;
        let role = iam
            .create_role()
            .role_name(name)
            .assume_role_policy_document(trust.to_string())
            .send()
            .await
            .unwrap();
        if !actions.is_empty() {
            iam.put_role_policy()
                .role_name(name)
                .policy_name("own")
                .policy_document(policy(actions))
                .send()
                .await
                .unwrap();
        }
        role.role().unwrap().arn().to_owned()
    }

    /// Keys of a user who has these of the stack's policies, named by its outputs, may do `actions` on
    /// everything, and nothing else.
    pub async fn person(&self, policies: &[&str], actions: &[&str]) -> Credentials {
        let iam = self.iam().await;
        let name = unique("person");
        let create = iam.create_user().user_name(&name);
        create.send().await.unwrap();
        for policy in policies {
            let attach = iam.attach_user_policy().user_name(&name);
            let attach = attach.policy_arn(self.output(policy));
            attach.send().await.unwrap();
        }
        if !actions.is_empty() {
            let put = iam.put_user_policy().user_name(&name);
            let put = put.policy_name("own").policy_document(policy(actions));
            put.send().await.unwrap();
        }
        let made = iam.create_access_key().user_name(&name);
        let made = made.send().await.unwrap();
        let key = made.access_key().unwrap();
        let (id, secret) = (key.access_key_id(), key.secret_access_key());
        Credentials::new(id, secret, None, None, "person")
    }

    /// A function whose role allows tracing, and no case of whose making is still under way.
    pub async fn victim(&self, prefix: &str) -> Victim {
        let name = unique(prefix);
        let role_name = format!("{name}-role");
        let role = self
            .role(
                &role_name,
                &["xray:PutTraceSegments", "xray:PutTelemetryRecords"],
            )
            .await;
        let victim = Victim {
            name,
            role_name,
            role,
        };
        self.create(&victim, |create| create).await;
        victim
    }

    /// Makes the function and waits for it.
    pub async fn create(
        &self,
        victim: &Victim,
        adjust: impl FnOnce(
            aws_sdk_lambda::operation::create_function::builders::CreateFunctionFluentBuilder,
        ) -> aws_sdk_lambda::operation::create_function::builders::CreateFunctionFluentBuilder,
    ) {
        let lambda = self.lambda().await;
        let create = lambda
            .create_function()
            .function_name(&victim.name)
            .runtime(Runtime::Python312)
            .handler("app.handler")
            .role(&victim.role)
            .environment(
                Environment::builder()
                    .variables("STAGE", "production")
                    .build(),
            )
            .code(
                FunctionCode::builder()
                    .zip_file(package("original"))
                    .build(),
            );
        adjust(create).send().await.unwrap();
        self.settled(&victim.name).await;
    }

    /// Waits until no update of the function is under way.
    pub async fn settled(&self, function: &str) {
        let lambda = self.lambda().await;
        let lambda = &lambda;
        self.until("a settled function", || async {
            let now = lambda
                .get_function_configuration()
                .function_name(function)
                .send()
                .await
                .unwrap();
            (now.state() == Some(&State::Active)
                && now.last_update_status() != Some(&LastUpdateStatus::InProgress))
            .then_some(())
        })
        .await;
    }

    /// Overwrites the function's code, as an attacker would.
    pub async fn tamper(&self, function: &str) {
        self.settled(function).await;
        self.lambda()
            .await
            .update_function_code()
            .function_name(function)
            .zip_file(package(&unique("tampered")))
            .send()
            .await
            .unwrap();
    }
}

/// The command line in an account: the administrator's keys, the account's endpoint and Region, and
/// nothing of whoever runs the test: no configuration, no profile, no signing key.
pub fn desk(account: &Account) -> Command {
    let mut desk = Command::new(binary());
    for (name, _) in std::env::vars_os() {
        let name_text = name.to_string_lossy();
        if name_text.starts_with("AWS_") || name_text.starts_with("COLDCASE") {
            desk.env_remove(&name);
        }
    }
    let home = home();
    desk.env("HOME", home)
        .env("XDG_CONFIG_HOME", home.join("config"))
        .env("AWS_ENDPOINT_URL", &account.endpoint)
        .env("AWS_REGION", &account.region)
        .env("AWS_ACCESS_KEY_ID", account.credentials.access_key_id())
        .env(
            "AWS_SECRET_ACCESS_KEY",
            account.credentials.secret_access_key(),
        )
        .env("AWS_EC2_METADATA_DISABLED", "true")
        .env("NO_COLOR", "1");
    desk
}

/// The same with somebody else's keys.
pub fn desk_as(account: &Account, who: &Credentials) -> Command {
    let mut desk = desk(account);
    desk.env("AWS_ACCESS_KEY_ID", who.access_key_id())
        .env("AWS_SECRET_ACCESS_KEY", who.secret_access_key());
    if let Some(token) = who.session_token() {
        desk.env("AWS_SESSION_TOKEN", token);
    }
    desk
}

/// Holds what a subcommand answered with `--json` against its published schema.
pub fn fits_schema(subcommand: &str, document: &Value) {
    // What schemas share is in a file beside them.
    const VALIDATE: &str = "import json, pathlib, sys, jsonschema, referencing
path = pathlib.Path(sys.argv[1])
beside = lambda uri: referencing.Resource.from_contents(json.load(open(path.parent / uri.rpartition('/')[2])))
schema = json.load(open(path))
jsonschema.Draft202012Validator.check_schema(schema)
registry = referencing.Registry(retrieve=beside)
jsonschema.Draft202012Validator(schema, registry=registry).validate(json.load(sys.stdin))";
    let schema = repository().join(format!("infra/schemas/{subcommand}.schema.json"));
    let mut validate = python()
        .args(["-c", VALIDATE])
        .arg(schema.canonicalize().unwrap())
        .stdin(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut input = validate.stdin.take().unwrap();
    input.write_all(document.to_string().as_bytes()).unwrap();
    drop(input);
    let output = validate.wait_with_output().unwrap();
    let error = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{error}\n{document:#}");
}

/// The home of whoever sits at the desk; one for the whole process.
fn home() -> &'static Path {
    static HOME: OnceLock<tempfile::TempDir> = OnceLock::new();
    HOME.get_or_init(|| tempfile::tempdir().unwrap()).path()
}

/// The command line: what COLDCASE names, else what was built last.
fn binary() -> PathBuf {
    if let Some(named) = std::env::var_os("COLDCASE") {
        return named.into();
    }
    let built = |profile: &str| {
        let path = repository().join("target").join(profile).join("coldcase");
        let built_at = path.metadata().and_then(|it| it.modified()).ok()?;
        Some((built_at, path))
    };
    let newest = ["debug", "release"].into_iter().filter_map(built).max();
    newest
        .expect("the command line is not built: run `cargo build -p cli` first")
        .1
}

/// A function to be tampered with.
#[derive(Clone, Debug)]
pub struct Victim {
    pub name: String,
    pub role_name: String,
    pub role: String,
}

/// A name that no other test uses.
pub fn unique(prefix: &str) -> String {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    let number = NEXT.fetch_add(1, Ordering::Relaxed);
    format!("{prefix}-{}-{number}", std::process::id())
}

/// An identity policy that allows `actions` on everything.
pub fn policy(actions: &[&str]) -> String {
    json!({"Version": "2012-10-17", "Statement": [
        {"Effect": "Allow", "Action": actions, "Resource": "*"}]})
    .to_string()
}

/// A small deployment package.
pub fn package(answer: &str) -> Blob {
    Blob::new(package_bytes(answer))
}

pub fn package_bytes(answer: &str) -> Vec<u8> {
    zip(&format!(
        "def handler(event, context):\n    return {answer:?}\n"
    ))
}

/// A deployment package of one module of Python.
pub fn zip(code: &str) -> Vec<u8> {
    let mut zip = zip::ZipWriter::new(std::io::Cursor::new(Vec::new()));
    zip.start_file("app.py", zip::write::SimpleFileOptions::default())
        .unwrap();
    zip.write_all(code.as_bytes()).unwrap();
    zip.finish().unwrap().into_inner()
}
