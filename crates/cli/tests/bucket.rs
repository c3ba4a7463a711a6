//! `coldcase activity --trail s3://…`, against a bucket on this machine.

#![allow(clippy::unwrap_used, reason = "what a test cannot read, fails it")]

use flate2::Compression;
use flate2::write::GzEncoder;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::io::{BufRead as _, BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::process::{Command, Output};
use std::sync::{Arc, Mutex};

/// What a bucket holds, and what was asked of it.
#[derive(Clone, Default)]
struct Bucket {
    objects: Arc<BTreeMap<String, Vec<u8>>>,
    asked: Arc<Mutex<Vec<String>>>,
    port: u16,
}

/// A bucket `trail` in eu-central-1 whose listings have three keys a page.
fn bucket(objects: BTreeMap<String, Vec<u8>>) -> Bucket {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let bucket = Bucket {
        objects: Arc::new(objects),
        port: listener.local_addr().unwrap().port(),
        ..Bucket::default()
    };
    let answering = bucket.clone();
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let bucket = answering.clone();
            std::thread::spawn(move || bucket.answer(stream.unwrap()));
        }
    });
    bucket
}

impl Bucket {
    fn answer(&self, stream: TcpStream) {
        let mut lines = BufReader::new(stream.try_clone().unwrap())
            .lines()
            .map_while(Result::ok);
        let mut stream = stream;
        while let Some(request) = lines.next() {
            let headers: Vec<String> = lines.by_ref().take_while(|line| !line.is_empty()).collect();
            let path = request.split(' ').nth(1).unwrap().to_owned();
            self.asked.lock().unwrap().push(path.clone());
            let is_here = headers
                .iter()
                .any(|header| header.contains("/eu-central-1/s3/"));
            let (status, more, body) = self.reply(&path, is_here);
            let is_cut_off = path.contains("cut") && !path.contains("list-type");
            let length = body.len() + if is_cut_off { 10 } else { 0 };
            let head = format!("HTTP/1.1 {status} x\r\ncontent-length: {length}\r\n{more}\r\n");
            if stream
                .write_all(head.as_bytes())
                .and_then(|()| stream.write_all(&body))
                .is_err()
            {
                return;
            }
            if is_cut_off {
                return;
            }
        }
    }

    fn reply(&self, path: &str, is_here: bool) -> (u16, &str, Vec<u8>) {
        let error = |code: &str| format!("<Error><Code>{code}</Code></Error>").into_bytes();
        let (path, query) = path.split_once('?').unwrap_or((path, ""));
        let key = path
            .strip_prefix("/trail")
            .map(|key| key.trim_start_matches('/'));
        let Some(key) = key else {
            return (403, "", error("AccessDenied"));
        };
        if !is_here {
            return (
                301,
                "x-amz-bucket-region: eu-central-1\r\n",
                error("PermanentRedirect"),
            );
        }
        if !query.contains("list-type=2") {
            return match self.objects.get(key) {
                Some(_) if key.contains("denied") => (403, "", error("AccessDenied")),
                Some(bytes) => (200, "", bytes.clone()),
                None => (404, "", error("NoSuchKey")),
            };
        }
        let parameter = |name: &str| {
            let pair = query.split('&').find_map(|pair| pair.strip_prefix(name));
            pair.unwrap_or_default().replace("%2F", "/")
        };
        let (prefix, after) = (parameter("prefix="), parameter("continuation-token="));
        let keys = self
            .objects
            .keys()
            .filter(|key| key.starts_with(&prefix) && **key > after);
        let keys: Vec<_> = keys.take(4).collect();
        let listed: String = keys
            .iter()
            .take(3)
            .map(|key| format!("<Contents><Key>{key}</Key></Contents>"))
            .collect();
        let token = match keys.len() {
            4 => format!("<NextContinuationToken>{}</NextContinuationToken>", keys[2]),
            _ => String::new(),
        };
        (
            200,
            "",
            format!("<ListBucketResult>{listed}{token}</ListBucketResult>").into_bytes(),
        )
    }

    fn coldcase(&self, args: &[&str]) -> Output {
        Command::new(env!("CARGO_BIN_EXE_coldcase"))
            .arg("activity")
            .args(args)
            .env(
                "AWS_ENDPOINT_URL",
                format!("http://127.0.0.1:{}", self.port),
            )
            .env("AWS_ACCESS_KEY_ID", "AKIDEXAMPLE")
            .env("AWS_SECRET_ACCESS_KEY", "secret")
            .env("AWS_REGION", "eu-west-1")
            .env("AWS_EC2_METADATA_DISABLED", "true")
            .env("AWS_MAX_ATTEMPTS", "1")
            .output()
            .unwrap()
    }
}

fn call(id: &str, session: &str) -> Value {
    json!({"eventVersion": "1.11", "eventID": id, "eventName": "GetObject", "eventTime": "2026-11-20T09:00:00Z",
        "eventSource": "s3.amazonaws.com",
        "userIdentity": {"type": "AssumedRole", "arn": format!("arn:aws:sts::111122223333:assumed-role/r/{session}")}})
}

fn gzip(value: &Value) -> Vec<u8> {
    let mut file = GzEncoder::new(Vec::new(), Compression::fast());
    file.write_all(value.to_string().as_bytes()).unwrap();
    file.finish().unwrap()
}

fn trail() -> BTreeMap<String, Vec<u8>> {
    let folder = "AWSLogs/111122223333/CloudTrail/eu-west-1/2026/11/20";
    let file = |id: &str| gzip(&json!({"Records": [call(id, "billing"), call("x", "other")]}));
    let mut objects: BTreeMap<String, Vec<u8>> = (0..30)
        .map(|number| {
            (
                format!("{folder}/{number:02}.json.gz"),
                file(&number.to_string()),
            )
        })
        .collect();
    let digests = folder.replace("CloudTrail", "CloudTrail-Digest");
    objects.insert(format!("{digests}/d.json.gz"), file("digest"));
    objects.insert(format!("{folder}/readme.txt"), b"hello".to_vec());
    objects.insert("elsewhere/e.json.gz".to_owned(), file("elsewhere"));
    objects
}

fn stderr(output: &Output) -> String {
    String::from_utf8(output.stderr.clone()).unwrap()
}

#[test]
fn a_buckets_files_are_read_in_order_whatever_region_it_is_in() {
    let bucket = bucket(trail());
    let output = bucket.coldcase(&[
        "--session",
        "billing",
        "--trail",
        "s3://trail/AWSLogs/",
        "--records",
    ]);
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    let records = String::from_utf8(output.stdout.clone()).unwrap();
    let records = records
        .lines()
        .map(|line| serde_json::from_str::<Value>(line).unwrap());
    let ids: Vec<String> = records
        .map(|record| record["eventID"].as_str().unwrap().to_owned())
        .collect();
    assert_eq!(
        ids,
        (0..30).map(|number| number.to_string()).collect::<Vec<_>>()
    );
    let scan: Value = serde_json::from_str(stderr(&output).lines().last().unwrap()).unwrap();
    assert_eq!(
        (&scan["files"], &scan["broken"], &scan["other_files"]),
        (&json!(30), &json!(0), &json!(1))
    );
    let asked = bucket.asked.lock().unwrap();
    assert!(
        !asked
            .iter()
            .any(|path| path.contains("Digest/") || path.contains("elsewhere")),
        "{asked:?}"
    );
}

#[test]
fn a_file_that_cannot_be_read_is_told_and_the_others_are_read() {
    let mut objects = trail();
    objects.insert("AWSLogs/denied.json.gz".to_owned(), b"x".to_vec());
    objects.insert(
        "AWSLogs/cut.json.gz".to_owned(),
        gzip(&json!({"Records": [call("cut", "billing")]})),
    );
    let bucket = bucket(objects);
    let output = bucket.coldcase(&[
        "--session",
        "billing",
        "--json",
        "--trail",
        "s3://trail/AWSLogs",
    ]);
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    let report: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert!(
        report["summary"]["calls"].as_u64().unwrap() >= 30,
        "{report:#}"
    );
    let broken = report["scan"]["breakages"].as_array().unwrap();
    let told: Vec<String> = broken
        .iter()
        .map(|one| format!("{}: {}", one["file"], one["why"]))
        .collect();
    assert!(
        told[0].contains("s3://trail/AWSLogs/cut.json.gz") && told[0].contains("cut off"),
        "{told:#?}"
    );
    assert!(
        told[1].contains("denied.json.gz") && told[1].contains("AccessDenied"),
        "{told:#?}"
    );
}

#[test]
fn a_bucket_that_cannot_be_listed_is_told_at_once() {
    let bucket = bucket(trail());
    let output = bucket.coldcase(&["--session", "billing", "--trail", "s3://another/AWSLogs/"]);
    assert_eq!(output.status.code(), Some(2));
    assert!(
        stderr(&output).contains("s3:ListBucket and s3:GetObject"),
        "{}",
        stderr(&output)
    );
}
