//! `coldcase classify`, run as the program that people run.

#![allow(clippy::unwrap_used, reason = "what a test cannot read, fails it")]

use serde_json::{Value, json};
use std::io::Write;
use std::process::{Command, Output, Stdio};

fn coldcase(args: &[&str], input: &[u8]) -> Output {
    let mut child = Command::new(env!("CARGO_BIN_EXE_coldcase"))
        .arg("classify")
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

fn classified(args: &[&str], input: &str) -> Vec<Value> {
    let output = coldcase(args, input.as_bytes());
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(0), "{stderr}");
    String::from_utf8(output.stdout)
        .unwrap()
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect()
}

fn decisions(lines: &[Value]) -> Vec<&str> {
    lines
        .iter()
        .map(|line| line["decision"].as_str().unwrap())
        .collect()
}

fn reason(line: &Value) -> &str {
    line["reason"].as_str().unwrap()
}

fn code(id: &str) -> Value {
    json!({
        "eventID": id, "eventName": "UpdateFunctionCode20150331v2", "eventTime": "2026-11-20T09:12:33Z",
        "eventSource": "lambda.amazonaws.com", "awsRegion": "eu-west-1",
        "recipientAccountId": "111122223333", "requestParameters": {"functionName": "billing:live"},
    })
}

fn read() -> Value {
    json!({"eventName": "GetFunction20150331v2", "eventSource": "lambda.amazonaws.com", "readOnly": true})
}

#[test]
fn a_line_has_exactly_the_documented_fields() {
    let lines = classified(&[], &code("1").to_string());
    assert_eq!(
        lines,
        [json!({
            "event_id": "1",
            "event_name": "UpdateFunctionCode20150331v2",
            "base_name": "UpdateFunctionCode",
            "category": "code",
            "decision": "respond",
            "reason": "UpdateFunctionCode replaces the code that runs",
            "targets": [{"provider": "aws", "account": "111122223333", "region": "eu-west-1",
                "kind": "function", "name": "billing", "qualifier": "live"}],
            "technique": "T1648",
            "severity": "high",
        })]
    );
    let unreadable = classified(&[], "nonsense");
    let fields = |line: &Value| {
        line.as_object()
            .unwrap()
            .keys()
            .cloned()
            .collect::<Vec<_>>()
    };
    assert_eq!(fields(&unreadable[0]), fields(&lines[0]));
}

#[test]
fn json_lines_and_documents_in_any_layout_give_the_same() {
    let bridge = json!({"detail-type": "AWS API Call via CloudTrail", "detail": code("1")});
    let sqs = json!({"Records": [
        {"eventSource": "aws:sqs", "body": bridge.to_string()},
        {"eventSource": "aws:sqs", "body": read().to_string()},
    ]});
    let log = json!({"Records": [code("1"), read()]});
    let list = json!([code("1"), read()]);
    let pretty = |value: &Value| serde_json::to_string_pretty(value).unwrap();
    for input in [
        format!("{}\n{}\n", code("1"), read()),
        format!("{}\r\n\r\n{}", code("1"), read()),
        format!("\u{feff}{}\n{}", code("1"), read()),
        format!("{}{}", code("1"), read()),
        format!("{}{}", pretty(&code("1")), pretty(&read())),
        format!("\n{}\n\n{}\n", pretty(&bridge), pretty(&read())),
        format!("[\n{},\n{}\n]\n", code("1"), read()),
        format!("[\n{}\n,\n{}\n]\n", code("1"), read()),
        log.to_string(),
        pretty(&log),
        list.to_string(),
        pretty(&list),
        sqs.to_string(),
        pretty(&sqs),
        format!("{bridge}\n{}\n", json!(read().to_string())),
    ] {
        let lines = classified(&["-"], &input);
        assert_eq!(decisions(&lines), ["respond", "ignore"], "{input}");
        assert_eq!(lines[0]["event_id"], "1");
    }
}

#[test]
fn a_broken_line_is_named_and_the_rest_goes_on() {
    let whole = code("1").to_string();
    for broken in [
        "nonsense",
        r#"{"eventName": "Upd"#,
        r#"{"eventName": "UpdateFunctionCode", "#,
        r#"{"eventName":"#,
        "}}}",
        "[",
        r#"{"a": 1 "b"}"#,
        r#"{"a": tru}"#,
        "null",
        "17",
        r#"{"no": "record"}"#,
    ] {
        let lines = classified(&[], &format!("{whole}\n\n{broken}\n{whole}\n{whole}\n"));
        let unreadable: Vec<_> = lines
            .iter()
            .filter(|line| reason(line).contains("line"))
            .collect();
        assert_eq!(unreadable.len(), 1, "{broken}: {lines:#?}");
        assert!(
            reason(unreadable[0]).contains("line 3: "),
            "{broken}: {}",
            reason(unreadable[0])
        );
        assert_eq!(unreadable[0]["decision"], "ignore");
        let responds = decisions(&lines)
            .iter()
            .filter(|d| **d == "respond")
            .count();
        assert_eq!(responds, 3, "{broken}: {lines:#?}");
    }
}

#[test]
fn a_broken_first_line_does_not_swallow_what_follows() {
    let whole = code("1").to_string();
    for broken in [r#"{"eventName": "Upd"#, r#"{"a": 1,"#, r#"{"a":"#, "{", "["] {
        let lines = classified(&[], &format!("{broken}\n{whole}\n{whole}\n"));
        assert_eq!(
            decisions(&lines)
                .iter()
                .filter(|d| **d == "respond")
                .count(),
            2,
            "{broken}"
        );
        assert!(
            lines.iter().any(|line| reason(line).contains("line 1: ")),
            "{broken}: {lines:#?}"
        );
    }
}

#[test]
fn two_broken_lines_are_two_lines() {
    let input = "{\"a\": 1,\n{\"b\": 2,\n";
    let lines = classified(&[], input);
    assert_eq!(lines.len(), 2, "{lines:#?}");
}

#[test]
fn a_document_cut_off_says_where() {
    let pretty = serde_json::to_string_pretty(&json!({"Records": [code("1")]})).unwrap();
    let cut = &pretty[..pretty.len() - 4];
    let lines = classified(&[], cut);
    assert_eq!(lines.len(), 1, "{lines:#?}");
    assert!(
        reason(&lines[0]).contains("lines 1-"),
        "{}",
        reason(&lines[0])
    );
}

#[test]
fn bytes_that_are_no_text_are_one_unreadable_line() {
    let output = coldcase(&[], b"\xff\xfe\x00garbage\x01\n{}\n");
    assert_eq!(output.status.code(), Some(0));
    assert_eq!(
        output.stdout.iter().filter(|byte| **byte == b'\n').count(),
        2
    );
}

#[test]
fn what_a_terminal_would_obey_is_escaped_and_means_the_same() {
    let id = "1\u{9b}31m\u{202e}gnp";
    let hostile = code(id);
    let output = coldcase(&[], hostile.to_string().as_bytes());
    let text = String::from_utf8(output.stdout).unwrap();
    let is_obeyed = |it: char| it != '\n' && evidence::is_hidden(it);
    assert!(!text.contains(is_obeyed), "{text:?}");
    let line: Value = serde_json::from_str(&text).unwrap();
    assert_eq!(line["event_id"], id);
}

#[test]
fn nothing_gives_nothing() {
    for input in ["", "\n\n  \n", "[]", "{\"Records\": []}\n"] {
        assert_eq!(classified(&[], input), [] as [Value; 0], "{input:?}");
    }
}

#[test]
fn deep_input_is_unreadable_and_no_crash() {
    let deep = format!("{}{}", "[".repeat(100_000), "]".repeat(100_000));
    let lines = classified(&[], &deep);
    assert_eq!(decisions(&lines), ["ignore"]);
}

#[test]
fn own_parts_are_named_on_the_command_line() {
    let rule = json!({"eventName": "DisableRule", "eventSource": "events.amazonaws.com",
        "awsRegion": "eu-west-1", "recipientAccountId": "111122223333",
        "requestParameters": {"name": "coldcase-lambda"}});
    let own = "arn:aws:events:eu-west-1:111122223333:rule/coldcase-lambda";
    let line = classified(&["--own", own], &rule.to_string()).remove(0);
    assert_eq!(
        (&line["decision"], &line["severity"]),
        (&json!("respond"), &json!("critical"))
    );
    assert_eq!(classified(&[], &rule.to_string())[0]["decision"], "record");
    for args in [["--own", "coldcase"], ["--own-role", own]] {
        let output = coldcase(&args, b"");
        assert_eq!(output.status.code(), Some(2));
        assert!(String::from_utf8_lossy(&output.stderr).contains(args[1]));
    }
}

#[test]
fn a_file_is_read_by_its_name() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("records.json");
    std::fs::write(&file, code("1").to_string()).unwrap();
    let lines = classified(&[file.to_str().unwrap()], "");
    assert_eq!(decisions(&lines), ["respond"]);
}

#[test]
fn a_file_that_cannot_be_opened_is_named_with_what_to_do() {
    let folder = tempfile::tempdir().unwrap();
    let missing = folder.path().join("missing.json");
    for (path, hint) in [
        (missing.as_path(), "check the path"),
        (folder.path(), "name one of its files"),
    ] {
        let output = coldcase(&[path.to_str().unwrap()], b"");
        let stderr = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(2));
        assert!(
            stderr.contains(path.to_str().unwrap()) && stderr.contains(hint),
            "{stderr}"
        );
        assert!(output.stdout.is_empty());
    }
}

#[test]
fn a_reader_that_goes_away_ends_it_quietly() {
    let mut child = Command::new(env!("CARGO_BIN_EXE_coldcase"))
        .arg("classify")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    drop(child.stdout.take());
    let mut stdin = child.stdin.take().unwrap();
    let line = format!("{}\n", code("1"));
    for _ in 0..10_000 {
        if stdin.write_all(line.as_bytes()).is_err() {
            break;
        }
    }
    drop(stdin);
    let output = child.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(0));
    assert_eq!(String::from_utf8_lossy(&output.stderr), "");
}

#[test]
fn help_shows_examples() {
    let output = coldcase(&["--help"], b"");
    let help = String::from_utf8(output.stdout).unwrap();
    assert!(help.contains("Examples:") && help.contains("--own") && help.contains("JSON Lines"));
}

/// 32 MiB of lines pass through a process, of which the last 24 take no more memory than the first 8.
#[cfg(target_os = "linux")]
#[test]
fn json_lines_need_no_more_memory_than_a_line() {
    let mut child = Command::new(env!("CARGO_BIN_EXE_coldcase"))
        .arg("classify")
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .spawn()
        .unwrap();
    let mut stdin = child.stdin.take().unwrap();
    let mut line = code("1");
    line["padding"] = json!("x".repeat(64 * 1024));
    let line = format!("{line}\n");
    let peak = |pid: u32| -> u64 {
        let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
        let line = status
            .lines()
            .find(|line| line.starts_with("VmHWM:"))
            .unwrap();
        line.split_whitespace().nth(1).unwrap().parse().unwrap()
    };
    // The program itself takes most of it; what counts is that the last 24 MiB add nothing.
    let mut peaks_kib = Vec::new();
    for number in 1..=512 {
        stdin.write_all(line.as_bytes()).unwrap();
        if [128, 512].contains(&number) {
            peaks_kib.push(peak(child.id()));
        }
    }
    drop(stdin);
    assert!(child.wait().unwrap().success());
    assert!(peaks_kib[1] < peaks_kib[0] + 4 * 1024, "{peaks_kib:?} KiB");
}
