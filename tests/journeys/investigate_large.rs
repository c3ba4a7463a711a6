//! Memory does not grow with what is read: a million log events and two gigabytes of trail with the 256
//! MB of the template, every line and every record once and in order.
//!
//! What is deployed is what was built. With the release build all of it takes a minute and a half on two
//! cores, with a debug build four minutes; either is one step of the template's fifteen minutes.
#![allow(clippy::unwrap_used, clippy::expect_used)]

use crate::investigate_window::result;
use aws_sdk_lambda::primitives::Blob;
use aws_sdk_s3::primitives::ByteStream;
use coldcase_tests::Account;
use evidence::{
    ArtifactKind, CaseId, CustodyAction, Outcome, Request, SealedCase, Sha256Digest, Window,
};
use flate2::Compression;
use flate2::read::MultiGzDecoder;
use flate2::write::GzEncoder;
use futures_util::{StreamExt as _, stream};
use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};
use std::io::{BufRead as _, BufReader, Write as _};
use std::sync::Arc;
use std::time::Instant;
use vault::Vault;

const BUCKET: &str = "large-trail";
const WINDOW: SignedDuration = SignedDuration::from_hours(6);

/// Environments, each with a stream of its own; an invocation has five lines.
const STREAMS: usize = 10;
const INVOCATIONS: usize = 20_000;
const LINES: usize = STREAMS * INVOCATIONS * 5;

/// Half of the files are one Region's, half another's, over the same time.
const FILES: usize = 300;
const RECORDS: usize = 6_000;
const REGIONS: [&str; 2] = ["us-east-1", "eu-west-1"];
const TEMPLATES: usize = 300;

#[tokio::test]
async fn a_million_log_events_and_two_gigabytes_of_trail_come_out_whole_within_256_mb_of_memory() {
    let mut account = Account::up();
    let s3 = account.s3().await;
    s3.create_bucket().bucket(BUCKET).send().await.unwrap();
    account.deploy(&[
        "Tracing=off",
        // What is looked into is looked into by hand.
        "SettleSeconds=86400",
        "BaselineSeconds=0",
        &format!("TrailBucket={BUCKET}"),
    ]);
    let account = Arc::new(account);
    let victim = account.victim("busy").await;
    let case = account.case_of(&victim.name, "CreateFunction").await;
    let id = &case.manifest().case_id;
    account.examined(id, "sealed").await;
    let until = case.manifest().trigger.occurred_at();
    let window = Window::new(until - WINDOW, until).unwrap();
    // Half an hour within the window at both ends.
    let since = window.since + SignedDuration::from_mins(30);

    let mut clock = Stopwatch::new();
    let group = format!("/aws/lambda/{}", victim.name);
    let load = {
        let (account, group) = (Arc::clone(&account), group.clone());
        tokio::task::spawn_blocking(move || load_lines(&account, &group, since))
    };
    let corpus = Arc::new(Corpus::new(&account, &victim.name, &victim.role, since));
    let size_bytes = deliver(&account, &corpus).await;
    assert!(size_bytes >= 2_000_000_000, "{size_bytes} bytes");
    load.await.unwrap();
    clock.lap(&format!(
        "{LINES} lines and {size_bytes} bytes of trail are there"
    ));

    let before = account.page("invocations").len();
    let steps = investigate(&account, id, window).await;
    let page = account.page("invocations");
    let of_steps = page[before..].iter();
    let of_steps: Vec<&Value> = of_steps
        .filter(|line| line["function"] == account.output("InvestigateFunctionName"))
        .collect();
    assert_eq!(of_steps.len(), steps);
    assert!(of_steps.iter().all(|line| line["outcome"] == "ok"));
    assert!(of_steps.iter().all(|line| line["memory_mb"] == 256));
    let peaks = of_steps
        .iter()
        .map(|line| line["peak_rss_kb"].as_u64().unwrap());
    let peak_kb = peaks.max().unwrap();
    clock.lap(&format!(
        "steps: {steps}, peak memory: {} MB",
        peak_kb / 1024
    ));
    // Far below, so that growth is noticed before it hurts.
    assert!(peak_kb < 128 * 1024, "{peak_kb} KB");

    let vault = account.vault().await;
    let of_pass = |action: &CustodyAction| matches!(action, CustodyAction::WindowCollected { .. });
    let addendum = account.addenda(id, of_pass).await.pop().unwrap();
    lines_are_whole(&vault, &addendum, &group, since).await;
    records_are_whole(&vault, &addendum, &corpus).await;
    let report = account.check(id).await;
    assert!(report.is_sound(), "{report}");
    clock.lap("all of it is as it was, and sound");
}

/// Says how long what took.
struct Stopwatch(Instant);

impl Stopwatch {
    fn new() -> Self {
        Self(Instant::now())
    }

    fn lap(&mut self, what: &str) {
        eprintln!("{:.1} s: {what}", self.0.elapsed().as_secs_f64());
        self.0 = Instant::now();
    }
}

/// Takes steps of a window that is named, so that none is waited for, until nothing is left; how many.
async fn investigate(account: &Account, id: &CaseId, window: Window) -> usize {
    let lambda = account.lambda().await;
    let function = account.output("InvestigateFunctionName");
    let payload = json!({ "case_id": id, "window": window }).to_string();
    for steps in 1.. {
        let invoke = lambda.invoke().function_name(&function);
        let invoke = invoke.payload(Blob::new(payload.clone()));
        let answer = invoke.send().await.unwrap();
        let said: Value = serde_json::from_slice(answer.payload().unwrap().as_ref()).unwrap();
        assert_eq!(answer.function_error(), None, "{said}");
        if said["again"] == false {
            return steps;
        }
    }
    unreachable!()
}

/// When a line of the log was written, and what it says. Of two neighbours in one millisecond the one
/// that came in first is first.
fn line(number: usize, since: Timestamp) -> (i64, String) {
    let (stream, of_stream) = (number % STREAMS, number / STREAMS);
    let (invocation, line) = (of_stream / 5, of_stream % 5);
    let id = format!("0c0ffee0-0000-4000-8000-{stream:04x}{invocation:08x}");
    let text = match line {
        0 => format!("START RequestId: {id} Version: $LATEST\n"),
        1 => format!("{id}\tINFO\tline {number}: took order {invocation} from queue\n"),
        2 => format!("{id}\tINFO\tline {number}: charged card, wrote receipt\n"),
        3 => format!("END RequestId: {id}\n"),
        _ => format!(
            "REPORT RequestId: {id}\tDuration: {}.25 ms\tBilled Duration: {} ms\tMemory Size: 128 MB\t\
             Max Memory Used: 64 MB\t\n",
            invocation % 900,
            invocation % 900 + 1
        ),
    };
    let ms = i64::try_from(number / 2 * 30).unwrap();
    (since.as_millisecond() + ms, text)
}

fn load_lines(account: &Account, group: &str, since: Timestamp) {
    for stream in 0..STREAMS {
        let numbers = (stream..LINES).step_by(STREAMS);
        let lines: Vec<Value> = numbers
            .map(|number| {
                let (ms, text) = line(number, since);
                json!({"timestamp": ms, "message": text})
            })
            .collect();
        account.tell(
            &format!("logs?group={group}&stream=environment-{stream}"),
            &lines,
        );
    }
}

/// All lines are in the addendum, once each, in order, and all invocations are told of.
async fn lines_are_whole(vault: &dyn Vault, addendum: &SealedCase, group: &str, since: Timestamp) {
    let logs = Request::one(ArtifactKind::ExecutionLogs, group);
    assert_eq!(result(addendum, &logs).result, Outcome::Acquired);
    let mut found = Vec::new();
    let mut last_ms = 0;
    let mut lines = 0;
    each_line(
        vault,
        addendum,
        &logs,
        |name| !name.contains("-invocations-"),
        |text| {
            let ms: i64 = after(text, "\"timestamp\":", ',').parse().unwrap();
            assert!(ms >= last_ms, "{text}");
            last_ms = ms;
            found.extend_from_slice(after(text, "\"message\":\"", '"').as_bytes());
            lines += 1;
        },
    )
    .await;
    assert_eq!(lines, LINES);
    let mut written = Vec::with_capacity(found.len());
    for number in 0..LINES {
        let spelled = Value::from(line(number, since).1).to_string();
        written.extend_from_slice(&spelled.as_bytes()[1..spelled.len() - 1]);
    }
    assert_eq!(Sha256Digest::of(&found), Sha256Digest::of(&written));
    let mut told = Vec::new();
    each_line(
        vault,
        addendum,
        &logs,
        |name| name.contains("-invocations-"),
        |text| {
            told.push(after(text, "\"request_id\":\"", '"').to_owned());
        },
    )
    .await;
    assert_eq!(told.len(), STREAMS * INVOCATIONS);
    told.sort_unstable();
    told.dedup();
    assert_eq!(told.len(), STREAMS * INVOCATIONS);
}

/// Hands every line of those numbered parts of an acquisition whose names are wanted to `see`.
async fn each_line(
    vault: &dyn Vault,
    addendum: &SealedCase,
    request: &Request,
    wanted: impl Fn(&str) -> bool,
    mut see: impl FnMut(&str),
) {
    for exhibit in &result(addendum, request).exhibits {
        if exhibit.media_type != "application/gzip" || !wanted(&exhibit.name) {
            continue;
        }
        let bytes = vault.get(&exhibit.key).await.unwrap();
        let mut file = BufReader::new(MultiGzDecoder::new(&bytes[..]));
        let mut text = String::new();
        while file.read_line(&mut text).unwrap() > 0 {
            see(&text);
            text.clear();
        }
    }
}

/// What stands between `before` and the next `end`. Quicker than reading millions of lines as JSON in
/// a debug build.
fn after<'a>(text: &'a str, before: &str, end: char) -> &'a str {
    let (_, rest) = text.split_once(before).unwrap();
    rest.split(end).next().unwrap()
}

/// What is in the trail's files.
struct Corpus {
    account: String,
    since: Timestamp,
    /// Calls of others.
    others: Vec<Template>,
    /// A call of the function's own session.
    of_session: Template,
    /// Somebody has the function run.
    of_function: Template,
}

/// A record whose time and ids are left open: text, then the name of what is left open, then text.
struct Template(Vec<String>);

impl Template {
    fn of(record: &Value) -> Self {
        Self(record.to_string().split('@').map(str::to_owned).collect())
    }

    fn write(&self, into: &mut Vec<u8>, time: &str, id: &str, request: &str) {
        for (place, piece) in self.0.iter().enumerate() {
            let piece = match (place % 2, piece.as_str()) {
                (1, "time") => time,
                (1, "id") => id,
                (1, "request") => request,
                _ => piece,
            };
            into.extend_from_slice(piece.as_bytes());
        }
    }
}

/// What stands in a file's place `number`.
enum Who {
    Session,
    Function,
    Other,
}

impl Corpus {
    fn new(account: &Account, function: &str, role: &str, since: Timestamp) -> Self {
        let id = &account.account;
        let call = |source: &str, name: &str, role: &str, session: &str, more: Value| {
            let role_name = role.rsplit('/').next().unwrap();
            let mut record = json!({
                "eventVersion": "1.11", "eventID": "@id@", "eventTime": "@time@", "requestID": "@request@",
                "userIdentity": {"type": "AssumedRole", "principalId": format!("AROA4EXAMPLE7KQ2LMZX3:{session}"),
                    "arn": format!("arn:aws:sts::{id}:assumed-role/{role_name}/{session}"), "accountId": id,
                    "accessKeyId": "ASIA4EXAMPLE9W3RTYU5",
                    "sessionContext": {"sessionIssuer": {"type": "Role", "principalId": "AROA4EXAMPLE7KQ2LMZX3",
                        "arn": role, "accountId": id, "userName": role_name},
                        "attributes": {"creationDate": "2026-01-02T03:04:05Z", "mfaAuthenticated": "false"}}},
                "eventSource": format!("{source}.amazonaws.com"), "eventName": name, "awsRegion": "us-east-1",
                "sourceIPAddress": "198.51.100.10",
                "userAgent": "aws-sdk-rust/1.3.9 os/linux lang/rust/1.91.0 exec-env/AWS_Lambda_provided.al2023",
                "responseElements": null, "readOnly": true, "eventType": "AwsApiCall", "managementEvent": false,
                "recipientAccountId": id, "eventCategory": "Data",
                "tlsDetails": {"tlsVersion": "TLSv1.3", "cipherSuite": "TLS_AES_128_GCM_SHA256",
                    "clientProvidedHostHeader": format!("{source}.us-east-1.amazonaws.com")},
            });
            let fields = record.as_object_mut().unwrap();
            fields.extend(more.as_object().unwrap().clone());
            Template::of(&record)
        };
        let table = format!("arn:aws:dynamodb:us-east-1:{id}:table/orders");
        let of_table = json!({"requestParameters": {"tableName": "orders", "key": {"id": "withheld"}},
            "resources": [{"accountId": id, "type": "AWS::DynamoDB::Table", "ARN": table}]});
        let services = [
            ("s3", "GetObject"),
            ("dynamodb", "PutItem"),
            ("sqs", "ReceiveMessage"),
            ("kms", "Decrypt"),
            ("lambda", "Invoke20150331"),
        ];
        let others = (0..TEMPLATES).map(|number| {
            let (source, name) = services[number % services.len()];
            let role = format!("arn:aws:iam::{id}:role/service-role/worker-{number}-role");
            let arn =
                format!("arn:aws:{source}:us-east-1:{id}:thing/number-{number}/of-{TEMPLATES}");
            let more = json!({"requestParameters": {"name": format!("thing-{number}"), "arn": arn,
                "condition": "attribute_not_exists(id) AND version = :expected", "limit": number},
                "resources": [{"accountId": id, "type": "AWS::Example::Thing", "ARN": arn}]});
            call(source, name, &role, &format!("worker-{number}"), more)
        });
        let arn = format!("arn:aws:lambda:us-east-1:{id}:function:{function}");
        let invoked = json!({"requestParameters": {"functionName": arn, "invocationType": "RequestResponse"},
            "resources": [{"accountId": id, "type": "AWS::Lambda::Function", "ARN": arn}]});
        let web = format!("arn:aws:iam::{id}:role/web");
        Self {
            account: id.clone(),
            since,
            others: others.collect(),
            of_session: call("dynamodb", "GetItem", role, function, of_table),
            of_function: call("lambda", "Invoke20150331", &web, "web-1", invoked),
        }
    }

    /// When the record in a file's place was made: the files of a Region follow each other.
    fn time(&self, file: usize, place: usize) -> Timestamp {
        let each = 5 * 3600 / (FILES / REGIONS.len());
        let second = file / REGIONS.len() * each + place * each / RECORDS;
        self.since + SignedDuration::from_secs(i64::try_from(second).unwrap())
    }

    fn who(file: usize, place: usize) -> Who {
        match place % 33 {
            0 => Who::Session,
            7 if file.is_multiple_of(2) && place.is_multiple_of(5) => Who::Function,
            _ => Who::Other,
        }
    }

    /// Its key, and its bytes before they were compressed.
    fn file(&self, file: usize) -> (String, Vec<u8>) {
        let mut text = br#"{"Records":["#.to_vec();
        let mut random = 0x9e37_79b9_7f4a_7c15 ^ (file as u64 + 1);
        for place in 0..RECORDS {
            let time = self.time(file, place).to_string();
            let request = format!("{:016x}-{:016x}", next(&mut random), next(&mut random));
            let (template, id) = match Self::who(file, place) {
                Who::Session => (&self.of_session, id("session", file, place)),
                Who::Function => (&self.of_function, id("function", file, place)),
                Who::Other => {
                    let number = next(&mut random);
                    let template = usize::try_from(number % TEMPLATES as u64).unwrap();
                    (
                        &self.others[template],
                        format!("{number:016x}-{file}-{place}"),
                    )
                }
            };
            template.write(&mut text, &time, &id, &request);
            text.push(b',');
        }
        text.pop();
        text.extend_from_slice(b"]}");
        let region = REGIONS[file % REGIONS.len()];
        // Some minutes after its last record.
        let named = self.time(file, RECORDS) + SignedDuration::from_mins(5);
        let (day, stamp) = (named.strftime("%Y/%m/%d"), named.strftime("%Y%m%dT%H%MZ"));
        let id = &self.account;
        let key = format!(
            "AWSLogs/{id}/CloudTrail/{region}/{day}/{id}_CloudTrail_{region}_{stamp}_{file:016}.json.gz"
        );
        (key, text)
    }

    /// The times and ids of all records of one kind, in order.
    fn all(&self, name: &str, wanted: impl Fn(&Who) -> bool) -> Vec<(String, String)> {
        let places = (0..FILES).flat_map(|file| (0..RECORDS).map(move |place| (file, place)));
        let mut all: Vec<(String, String)> = places
            .filter(|(file, place)| wanted(&Self::who(*file, *place)))
            .map(|(file, place)| (self.time(file, place).to_string(), id(name, file, place)))
            .collect();
        all.sort_unstable();
        all
    }
}

fn id(name: &str, file: usize, place: usize) -> String {
    format!("{name}-{file:04}-{place:06}")
}

/// xorshift64: Marsaglia, 2003.
fn next(state: &mut u64) -> u64 {
    *state ^= *state << 13;
    *state ^= *state >> 7;
    *state ^= *state << 17;
    *state
}

/// Puts the files where CloudTrail would; how many bytes they unpack to.
async fn deliver(account: &Account, corpus: &Arc<Corpus>) -> usize {
    let s3 = &account.s3().await;
    stream::iter(0..FILES)
        .map(|file| async move {
            let corpus = Arc::clone(corpus);
            let made = tokio::task::spawn_blocking(move || {
                let (key, text) = corpus.file(file);
                let mut packed = GzEncoder::new(Vec::new(), Compression::fast());
                packed.write_all(&text).unwrap();
                (key, text.len(), packed.finish().unwrap())
            });
            let (key, size_bytes, packed) = made.await.unwrap();
            let put = s3.put_object().bucket(BUCKET).key(key);
            let put = put.body(ByteStream::from(packed));
            put.send().await.unwrap();
            size_bytes
        })
        .buffer_unordered(2)
        .fold(0, |sum, size_bytes| std::future::ready(sum + size_bytes))
        .await
}

/// All records of the function's session and of the function itself are in the addendum, once each, in
/// order, and nobody else's.
async fn records_are_whole(vault: &dyn Vault, addendum: &SealedCase, corpus: &Corpus) {
    for (artifact, expected) in [
        (
            ArtifactKind::RoleActivity,
            corpus.all("session", |who| matches!(who, Who::Session)),
        ),
        (
            ArtifactKind::AuditEvents,
            corpus.all("function", |who| matches!(who, Who::Function)),
        ),
    ] {
        let request = Request::whole(artifact);
        assert_eq!(result(addendum, &request).result, Outcome::Acquired);
        let mut found = Vec::new();
        let mut others = 0;
        each_line(
            vault,
            addendum,
            &request,
            |_| true,
            |text| {
                let time = after(text, "\"eventTime\":\"", '"').to_owned();
                let id = after(text, "\"eventID\":\"", '"').to_owned();
                match id.starts_with("session-") || id.starts_with("function-") {
                    true => found.push((time, id)),
                    false => others += 1,
                }
            },
        )
        .await;
        // Of the account's own making: the function was made.
        assert!(others < 100, "{others} others' records");
        let name = expected[0].1.split('-').next().unwrap().to_owned();
        found.retain(|(_, id)| id.starts_with(&name));
        assert_eq!(found.len(), expected.len(), "{request}");
        assert!(found == expected, "{request} is not as it was");
    }
}
