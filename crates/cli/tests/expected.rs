//! `coldcase expected`, and what `scan` makes of what it wrote; `coldcase baseline` of a vault.

#![allow(clippy::unwrap_used, reason = "what a test cannot read, fails it")]

use evidence::{
    ArtifactKind, Outcome, Request, ResourceKind, Responder, Sha256Digest, Target, keys,
};
use serde_json::{Value, json};
use snapshot::{Baseline, Cause, Content, Piece};
use std::fs;
use std::path::Path;
use std::process::{Command, Output};
use tempfile::TempDir;
use vault::{DirectoryVault, Vault as _};

fn coldcase(args: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_coldcase"))
        .args(args)
        .env("COLUMNS", "80")
        .env("NO_COLOR", "1")
        .env_remove("COLDCASE_VAULT")
        .output()
        .unwrap()
}

fn document(args: &[&str]) -> (Value, i32) {
    let output = coldcase(&[args, &["--json"]].concat());
    let stderr = String::from_utf8_lossy(&output.stderr);
    let document = serde_json::from_slice(&output.stdout).unwrap_or_else(|_| panic!("{stderr}"));
    (document, output.status.code().unwrap())
}

fn assert_holds(schema: &str, document: &Value) {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../infra/schemas");
    let path = folder.join(format!("{schema}.schema.json"));
    let mut schemas = boon::Schemas::new();
    let mut compiler = boon::Compiler::new();
    compiler.enable_format_assertions();
    let index = compiler
        .compile(path.to_str().unwrap(), &mut schemas)
        .unwrap();
    if let Err(error) = schemas.validate(document, index) {
        panic!("{schema}: {error:#}");
    }
    let mut other = document.clone();
    other["surprise"] = json!(1);
    assert!(
        schemas.validate(&other, index).is_err(),
        "{schema} allows anything"
    );
}

fn text(path: &Path) -> &str {
    path.to_str().unwrap()
}

fn build() -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    for (path, text) in [
        (
            "app.py",
            "import demo\n\n\ndef handler(event, context):\n    return demo.one()\n",
        ),
        ("lib/tax.py", "RATE = 19\n"),
        ("demo/__init__.py", "def one():\n    return 1\n"),
        (
            "demo-1.0.dist-info/METADATA",
            "Metadata-Version: 2.1\nName: demo\nVersion: 1.0\n",
        ),
        ("demo-1.0.dist-info/RECORD", "demo/__init__.py,,\n"),
    ] {
        let path = folder.path().join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }
    folder
}

/// The rules of what a scan found against the list.
fn deviations(package: &Path, list: &Path) -> Vec<String> {
    let (report, _) = document(&[
        "scan",
        text(package),
        "--expected",
        text(list),
        "--arn",
        "billing",
        "--no-rules",
    ]);
    let findings = report["findings"].as_array().unwrap().iter();
    findings
        .filter(|it| it["rule"].as_str().unwrap().starts_with("expected-digest"))
        .map(|it| it["statement"].as_str().unwrap().to_owned())
        .collect()
}

#[test]
fn what_is_written_of_a_build_is_accepted_and_a_changed_byte_is_named() {
    let (build, own) = (build(), tempfile::tempdir().unwrap());
    let list = own.path().join("expected.json");
    let named = format!("billing={}", text(build.path()));
    let (written, code) = document(&["expected", &named, "--out", text(&list)]);
    assert_eq!(
        (code, &written["functions"], &written["components"]),
        (0, &json!(1), &json!(1))
    );
    assert_holds(
        "expected",
        &serde_json::from_slice(&fs::read(&list).unwrap()).unwrap(),
    );
    assert_eq!(deviations(build.path(), &list), [""; 0]);

    for path in [
        "app.py",
        "lib/tax.py",
        "demo/__init__.py",
        "demo-1.0.dist-info/RECORD",
    ] {
        let file = build.path().join(path);
        let good = fs::read(&file).unwrap();
        let mut bad = good.clone();
        bad[3] ^= 1;
        fs::write(&file, bad).unwrap();
        let told = deviations(build.path(), &list);
        assert!(told.iter().any(|it| it.contains(path)), "{path}: {told:?}");
        fs::write(&file, good).unwrap();
    }
    fs::write(build.path().join("lib/more.py"), "x = 1\n").unwrap();
    assert!(deviations(build.path(), &list)[0].contains("lib/more.py"));

    // What is there is not written over unless that is said.
    let refused = coldcase(&["expected", &named, "--out", text(&list)]);
    assert_eq!(refused.status.code(), Some(2));
    assert!(String::from_utf8_lossy(&refused.stderr).contains("--force"));
    assert_eq!(
        coldcase(&["expected", &named, "--out", text(&list), "--force"])
            .status
            .code(),
        Some(0)
    );
    assert_eq!(deviations(build.path(), &list), [""; 0]);
}

#[test]
fn what_cannot_be_expected_is_refused_or_said() {
    let (build, empty) = (build(), tempfile::tempdir().unwrap());
    for args in [
        vec!["expected"],
        vec!["expected", text(empty.path())],
        vec!["expected", "a=x", "b=y", "--arn", "billing"],
        vec!["expected", "no such folder"],
    ] {
        assert_eq!(coldcase(&args).status.code(), Some(2), "{args:?}");
    }
    let output = coldcase(&["expected", text(build.path())]);
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(said.contains("not covered: what is no component"), "{said}");
    let list: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(list["components"].as_object().unwrap().len(), 1);
}

/// A record of a function as good, with a package of these bytes.
async fn record(vault: &DirectoryVault, name: &str, number: u32, package: &str, cause: Cause) {
    let function = Target::aws("111122223333", "eu-west-1", ResourceKind::Function, name);
    let sha256 = Sha256Digest::of(package);
    let record = Baseline {
        function: function.arn(),
        recorded_at: "2026-11-20T00:00:00Z".parse().unwrap(),
        cause,
        pieces: vec![Piece {
            request: Request::whole(ArtifactKind::FunctionCode),
            result: Outcome::Acquired,
            documents: Vec::new(),
            contents: vec![Content {
                name: "function-code.zip".to_owned(),
                key: keys::content(&sha256),
                sha256,
                size_bytes: package.len() as u64,
            }],
        }],
        not_read: Vec::new(),
        responder: Responder::coldcase("a test", "one"),
    };
    let bytes = serde_json::to_vec(&record).unwrap().into();
    let key = keys::baseline(&function, number);
    vault
        .put_once(&key, bytes, "application/json")
        .await
        .unwrap();
}

fn recorded() -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build();
    runtime.unwrap().block_on(async {
        let vault = DirectoryVault::open(folder.path()).await.unwrap();
        record(&vault, "billing", 1, "older", Cause::Sweep).await;
        let accepted = Cause::Accepted {
            case_id: "20261123T031501Z-0123456789abcdef".parse().unwrap(),
            by: "\u{1b}[2Jmallory".to_owned(),
        };
        record(&vault, "billing", 2, "good", accepted).await;
        record(&vault, "orders", 1, "orders", Cause::Deployed).await;
    });
    folder
}

#[test]
fn the_latest_record_of_every_function_is_listed() {
    let folder = recorded();
    let vault = text(folder.path());
    let (listed, code) = document(&["baseline", "--vault", vault]);
    assert_eq!(code, 0);
    assert_holds("baseline", &listed);
    let functions = listed["functions"].as_array().unwrap();
    assert_eq!(functions.len(), 2);
    assert_eq!(
        (&functions[0]["records"], &functions[0]["cause"]["why"]),
        (&json!(2), &json!("accepted"))
    );
    let told = coldcase(&["baseline", "billing", "--vault", vault]).stdout;
    let told = String::from_utf8(told).unwrap();
    assert!(
        told.contains("accepted by") && !told.contains('\u{1b}'),
        "{told:?}"
    );
    assert!(!told.contains("orders"));
    assert!(
        told.lines().all(|line| line.chars().count() <= 80),
        "{told}"
    );
    assert_eq!(
        coldcase(&["baseline", "nobody", "--vault", vault])
            .status
            .code(),
        Some(4)
    );
    // Without somebody to ask and without a reason nothing is accepted.
    assert_eq!(
        coldcase(&["baseline", "--accept", "latest", "--vault", vault])
            .status
            .code(),
        Some(2)
    );
}

#[test]
fn what_the_baseline_says_is_expected() {
    let (folder, own) = (recorded(), tempfile::tempdir().unwrap());
    let vault = text(folder.path());
    let (list, _) = document(&["expected", "--from-baseline", "--vault", vault]);
    assert_holds("expected", &list);
    let of = |name: &str| {
        &list["functions"][format!("arn:aws:lambda:eu-west-1:111122223333:function:{name}")]
    };
    assert_eq!(of("billing"), &json!(Sha256Digest::of("good").to_string()));
    assert_eq!(of("orders"), &json!(Sha256Digest::of("orders").to_string()));
    let path = own.path().join("expected.json");
    let args = [
        "expected",
        "--from-baseline",
        "orders",
        "--vault",
        vault,
        "--out",
        text(&path),
    ];
    assert_eq!(coldcase(&args).status.code(), Some(0));
    let list: Value = serde_json::from_slice(&fs::read(&path).unwrap()).unwrap();
    assert_eq!(list["functions"].as_object().unwrap().len(), 1);
}
