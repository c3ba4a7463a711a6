//! `coldcase activity`, run as the program that people run.

#![allow(clippy::unwrap_used, reason = "what a test cannot read, fails it")]

use flate2::Compression;
use flate2::write::GzEncoder;
use serde_json::{Value, json};
use std::fs;
use std::io::Write;
use std::path::Path;
use std::process::{Command, Output, Stdio};

const ROLE: &str = "arn:aws:iam::111122223333:role/billing-role";
const KEY: &str = "ASIAEXAMPLEEXAMPLE01";

fn coldcase(args: &[&str], input: &[u8]) -> Output {
    let mut child = Command::new(env!("CARGO_BIN_EXE_coldcase"))
        .arg("activity")
        .args(args)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut stdin = child.stdin.take().unwrap();
    let input = input.to_owned();
    let writer = std::thread::spawn(move || stdin.write_all(&input));
    let output = child.wait_with_output().unwrap();
    let _ = writer.join();
    output
}

fn stderr(output: &Output) -> String {
    String::from_utf8(output.stderr.clone()).unwrap()
}

fn report(args: &[&str], input: &[u8]) -> Value {
    let output = coldcase(&[args, &["--json"]].concat(), input);
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    serde_json::from_slice(&output.stdout).unwrap()
}

fn call(id: &str, time: &str, name: &str) -> Value {
    json!({
        "eventVersion": "1.11", "eventID": id, "eventName": name, "eventTime": time,
        "eventSource": "s3.amazonaws.com", "awsRegion": "eu-west-1", "recipientAccountId": "111122223333",
        "sourceIPAddress": "203.0.113.10", "userAgent": "Boto3/1.34 exec-env/AWS_Lambda_python3.12",
        "userIdentity": {"type": "AssumedRole", "accessKeyId": KEY,
            "arn": "arn:aws:sts::111122223333:assumed-role/billing-role/billing",
            "sessionContext": {"sessionIssuer": {"arn": ROLE}}},
        "requestParameters": {"bucketName": "data"},
    })
}

fn stolen(id: &str, time: &str) -> Value {
    let mut call = call(id, time, "ListBuckets");
    call["sourceIPAddress"] = json!("198.51.100.7");
    call["userAgent"] = json!("aws-cli/2.15");
    call
}

fn other(id: &str) -> Value {
    json!({"eventVersion": "1.11", "eventID": id, "eventName": "GetObject", "eventSource": "s3.amazonaws.com",
        "eventTime": "2026-11-20T09:00:00Z", "userIdentity": {"type": "IAMUser", "accessKeyId": "AKIAEXAMPLE"}})
}

fn gzip(text: &str) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    encoder.write_all(text.as_bytes()).unwrap();
    encoder.finish().unwrap()
}

fn put(folder: &Path, name: &str, bytes: impl AsRef<[u8]>) {
    let path = folder.join(name);
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(path, bytes).unwrap();
}

/// A trail's folder: four files of two days with what lies beside them.
fn trail() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    let wrapped = |records: Value| gzip(&json!({"Records": records}).to_string());
    let first = wrapped(json!([
        call("1", "2026-11-20T09:00:00Z", "GetObject"),
        other("x")
    ]));
    let second = wrapped(json!([other("y"), stolen("3", "2026-11-21T10:00:00Z")]));
    let third = format!("{}\n", call("4", "2026-11-21T23:59:59Z", "GetObject"));
    put(folder.path(), "CloudTrail/eu-west-1/20/a.json.gz", first);
    put(folder.path(), "CloudTrail/eu-west-1/21/b.json.gz", second);
    put(folder.path(), "CloudTrail/eu-west-1/21.jsonl", third);
    put(
        folder.path(),
        "CloudTrail-Digest/eu-west-1/d.json.gz",
        gzip("{\"digest\": 1}"),
    );
    put(folder.path(), "CloudTrail/notes.txt", "nothing");
    folder
}

#[test]
fn a_folder_is_summed_up_with_the_theft_in_it() {
    let folder = trail();
    let path = folder.path().to_str().unwrap();
    let report = report(&["--role", ROLE, "--trail", path], b"");
    let scan = &report["scan"];
    assert_eq!(
        (&scan["files"], &scan["records"], &scan["matched"]),
        (&json!(3), &json!(5), &json!(3))
    );
    assert_eq!(
        (&scan["broken"], &scan["breakages"], &scan["other_files"]),
        (&json!(0), &json!([]), &json!(1))
    );
    assert_eq!(report["asked"]["role"], ROLE);
    let summary = &report["summary"];
    assert_eq!(summary["calls"], 3);
    let mark = &summary["marks"][0];
    assert_eq!(
        (&mark["rule"], &mark["severity"]),
        (&json!("stolen-credentials"), &json!("critical"))
    );
    assert_eq!(mark["event_ids"], json!(["3"]));
    let actions = summary["actions"].as_array().unwrap();
    let names: Vec<_> = actions
        .iter()
        .map(|a| a["action"].as_str().unwrap())
        .collect();
    assert_eq!(names, ["GetObject", "ListBuckets"]);
}

#[test]
fn records_are_printed_as_they_stand_in_the_files_in_their_order() {
    let folder = trail();
    let path = folder.path().to_str().unwrap();
    for threads in ["1", "4"] {
        let output = coldcase(
            &[
                "--access-key",
                KEY,
                "--records",
                "--threads",
                threads,
                "--trail",
                path,
            ],
            b"",
        );
        assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
        // By the objects' names: 20/a before 21.jsonl before 21/b.
        let expected = [
            call("1", "2026-11-20T09:00:00Z", "GetObject"),
            call("4", "2026-11-21T23:59:59Z", "GetObject"),
            stolen("3", "2026-11-21T10:00:00Z"),
        ];
        let expected: String = expected
            .iter()
            .map(|record| format!("{record}\n"))
            .collect();
        assert_eq!(String::from_utf8(output.stdout.clone()).unwrap(), expected);
        let tally: Value = serde_json::from_str(&stderr(&output)).unwrap();
        assert_eq!((&tally["matched"], &tally["files"]), (&json!(3), &json!(3)));
    }
    let pretty = serde_json::to_string_pretty(
        &json!({"Records": [call("1", "2026-11-20T09:00:00Z", "GetObject")]}),
    )
    .unwrap();
    let output = coldcase(
        &["--access-key", KEY, "--records", "--trail", "-"],
        pretty.as_bytes(),
    );
    let lines: Vec<_> = output.stdout.split(|byte| *byte == b'\n').collect();
    assert_eq!(lines.len(), 2, "one record, one line");
    let line: Value = serde_json::from_slice(lines[0]).unwrap();
    assert_eq!(line["eventID"], "1");
}

#[test]
fn conditions_are_combined_and_dates_include_their_day() {
    let folder = trail();
    let path = folder.path().to_str().unwrap();
    let calls = |args: &[&str]| {
        let args = [args, &["--trail", path]].concat();
        report(&args, b"")["summary"]["calls"].as_u64().unwrap()
    };
    for (args, expected) in [
        (&["--session", "billing"][..], 3),
        (&["--resource", "data"], 3),
        (&["--session", "billing", "--since", "2026-11-21"], 2),
        (&["--session", "billing", "--until", "2026-11-20"], 1),
        (
            &[
                "--session",
                "billing",
                "--since",
                "2026-11-21",
                "--until",
                "2026-11-21",
            ],
            2,
        ),
        (
            &["--session", "billing", "--until", "2026-11-21T10:00:00Z"],
            2,
        ),
        (&["--session", "billing", "--access-key", "AKIAEXAMPLE"], 0),
        (&["--access-key", "AKIAEXAMPLE"], 2),
    ] {
        assert_eq!(calls(args), expected, "{args:?}");
    }
}

#[test]
fn what_the_window_before_lacks_is_marked_as_new() {
    let folder = trail();
    let path = folder.path().to_str().unwrap();
    let args = [
        "--role",
        ROLE,
        "--since",
        "2026-11-21",
        "--baseline-since",
        "2026-11-01",
        "--tampered-at",
        "2026-11-21T12:00:00Z",
        "--trail",
        path,
    ];
    let summary = &report(&args, b"")["summary"];
    assert_eq!(
        (&summary["calls"], &summary["baseline_actions"]),
        (&json!(2), &json!(1))
    );
    assert_eq!(summary["calls_after_tampering"], 1);
    let marks = summary["marks"].as_array().unwrap();
    let new: Vec<_> = marks
        .iter()
        .filter(|mark| mark["rule"] == "first-ever")
        .collect();
    assert_eq!(new.len(), 1);
    assert!(
        new[0]["statement"]
            .as_str()
            .unwrap()
            .starts_with("s3:ListBuckets")
    );
}

#[test]
fn standard_input_takes_concatenated_files() {
    let gz = |id: &str| {
        gzip(&json!({"Records": [call(id, "2026-11-20T09:00:00Z", "GetObject")]}).to_string())
    };
    let input = [gz("1"), gz("2"), gz("3")].concat();
    let report = report(&["--session", "billing", "--trail", "-"], &input);
    assert_eq!(
        (&report["summary"]["calls"], &report["scan"]["files"]),
        (&json!(3), &json!(1))
    );
}

#[test]
fn what_is_broken_is_located_and_the_rest_goes_on() {
    let folder = trail();
    let whole = gzip(&json!({"Records": vec![other("z"); 50]}).to_string());
    put(
        folder.path(),
        "CloudTrail/eu-west-1/22/cut.json.gz",
        &whole[..whole.len() - 9],
    );
    put(
        folder.path(),
        "CloudTrail/eu-west-1/22/text.json",
        "hello\n",
    );
    fs::create_dir(folder.path().join("CloudTrail/folder.json")).unwrap();
    let report = report(
        &[
            "--session",
            "billing",
            "--trail",
            folder.path().to_str().unwrap(),
        ],
        b"",
    );
    assert_eq!(
        (&report["summary"]["calls"], &report["scan"]["broken"]),
        (&json!(3), &json!(2))
    );
    let breakages = report["scan"]["breakages"].as_array().unwrap();
    assert!(
        breakages[0]["file"]
            .as_str()
            .unwrap()
            .ends_with("22/cut.json.gz")
    );
    assert_eq!(
        (&breakages[0]["what"], &breakages[1]["what"]),
        (&json!("file"), &json!("text"))
    );
    assert!(breakages[0]["offset_bytes"].as_u64().unwrap() > 0);
}

#[test]
fn nothing_readable_is_1_and_wrong_use_is_2_and_both_say_what_to_do() {
    let folder = tempfile::tempdir().unwrap();
    let empty = folder.path().to_str().unwrap();
    put(folder.path(), "sub/hello.txt", "hello");
    let secret = "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY";
    let session = "arn:aws:sts::111122223333:assumed-role/r/s";
    for (args, code, told) in [
        (
            &["--session", "s", "--trail", empty][..],
            1,
            "no trail files",
        ),
        (
            &["--session", "s", "--trail", "-"],
            1,
            "standard input at byte 0",
        ),
        (
            &["--session", "s", "--trail", "/no/such/place"],
            2,
            "/no/such/place cannot be read",
        ),
        (
            &["--session", "s", "--trail", "s3:///prefix"],
            2,
            "names no bucket",
        ),
        (&["--session", "s", "--trail", "-", "-"], 2, "once"),
        (&["--trail", "-"], 2, "--role"),
        (&["--session", "s"], 2, "--trail"),
        (
            &["--role", "billing", "--trail", "-"],
            2,
            "is not the ARN of a role",
        ),
        (
            &["--role", session, "--trail", "-"],
            2,
            "the session with --session",
        ),
        (&["--session", "", "--trail", "-"], 2, "--session is empty"),
        (
            &["--access-key", secret, "--trail", "-"],
            2,
            "no id of an access key",
        ),
        (
            &["--session", "s", "--since", "yesterday", "--trail", "-"],
            2,
            "2026-11-20T09:12:33Z",
        ),
        (
            &[
                "--session",
                "s",
                "--since",
                "2026-11-21",
                "--until",
                "2026-11-20",
                "--trail",
                "-",
            ],
            2,
            "later than",
        ),
        (
            &[
                "--session",
                "s",
                "--baseline-since",
                "2026-11-01",
                "--trail",
                "-",
            ],
            2,
            "--since",
        ),
        (
            &[
                "--session",
                "s",
                "--since",
                "2026-11-01",
                "--baseline-since",
                "2026-11-01",
                "--trail",
                "-",
            ],
            2,
            "not before",
        ),
    ] {
        let output = coldcase(args, b"hello\n");
        let stderr = stderr(&output);
        assert_eq!(output.status.code(), Some(code), "{args:?}: {stderr}");
        assert!(stderr.contains(told), "{args:?}: {stderr}");
        assert!(!stderr.contains(secret), "{stderr}");
        // A page would say that nothing stands out.
        assert_eq!(output.stdout, b"", "{args:?}");
    }
    // An empty trail is no fault.
    let report = report(&["--session", "s", "--trail", "-"], b"{\"Records\":[]}");
    assert_eq!(report["scan"]["broken"], 0);
}

#[cfg(unix)]
#[test]
fn links_that_lead_around_in_a_circle_end() {
    let folder = trail();
    std::os::unix::fs::symlink(folder.path(), folder.path().join("CloudTrail/loop.json")).unwrap();
    let report = report(
        &[
            "--session",
            "billing",
            "--trail",
            folder.path().to_str().unwrap(),
        ],
        b"",
    );
    assert_eq!(
        (&report["summary"]["calls"], &report["scan"]["broken"]),
        (&json!(3), &json!(1))
    );
    let why = report["scan"]["breakages"][0]["why"].as_str().unwrap();
    assert!(why.contains("no regular file"), "{why}");
}

#[test]
fn a_reader_that_goes_away_ends_it_quietly() {
    let mut child = Command::new(env!("CARGO_BIN_EXE_coldcase"))
        .args([
            "activity",
            "--session",
            "billing",
            "--records",
            "--trail",
            "-",
        ])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    drop(child.stdout.take());
    let mut stdin = child.stdin.take().unwrap();
    let line = format!("{}\n", call("1", "2026-11-20T09:00:00Z", "GetObject"));
    for _ in 0..20_000 {
        if stdin.write_all(line.as_bytes()).is_err() {
            break;
        }
    }
    drop(stdin);
    let output = child.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(0));
    assert_eq!(stderr(&output), "");
}

/// 64 MiB pass through a process that holds no more of it than of the first 16.
#[cfg(target_os = "linux")]
#[test]
fn memory_does_not_grow_with_the_input() {
    let mut child = Command::new(env!("CARGO_BIN_EXE_coldcase"))
        .args(["activity", "--session", "billing", "--trail", "-"])
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .spawn()
        .unwrap();
    let mut stdin = child.stdin.take().unwrap();
    let mut large = other("x");
    large["padding"] = json!("x".repeat(256 * 1024));
    let block = format!(
        "{large}\n{}\n",
        call("1", "2026-11-20T09:00:00Z", "GetObject")
    );
    let mut peaks_kib = Vec::new();
    for number in 1..=256 {
        stdin.write_all(block.as_bytes()).unwrap();
        if [64, 256].contains(&number) {
            let status = fs::read_to_string(format!("/proc/{}/status", child.id())).unwrap();
            let mut lines = status.lines();
            let peak = lines.find(|line| line.starts_with("VmHWM:")).unwrap();
            let peak = peak.split_whitespace().nth(1).unwrap();
            peaks_kib.push(peak.parse::<u64>().unwrap());
        }
    }
    drop(stdin);
    assert!(child.wait().unwrap().success());
    assert!(peaks_kib[1] < peaks_kib[0] + 4 * 1024, "{peaks_kib:?} KiB");
}

#[test]
fn help_shows_examples_and_exit_codes() {
    let output = coldcase(&["--help"], b"");
    let help = String::from_utf8(output.stdout).unwrap();
    for part in [
        "Examples:",
        "--baseline-since",
        "Exits with 0",
        "CloudTrail-Digest",
        "RFC 3339",
    ] {
        assert!(help.contains(part), "{part}");
    }
}
