//! What an examining function writes is sealed as far as it can be true, whatever it writes: the
//! package that it opened may have taken it over.
#![allow(clippy::unwrap_used, clippy::expect_used)]

use aws_config::{BehaviorVersion, Region, SdkConfig};
use collectors::Clouds;
use collectors::aws::Regions;
use evidence::{
    Acquisition, ArtifactKind, CaseId, Category, CustodyAction, Finding, Manifest, OpenCase,
    Outcome, Request, ResourceKind, Responder, SealedCase, Severity, Sha256Digest, Target, Trigger,
    Verdict, keys,
};
use function::Attempt;
use investigate::{InvestigateError, Investigator, Order, Progress, Settings};
use jiff::Timestamp;
use serde_json::{Value, json};
use std::sync::Arc;
use std::time::Duration;
use tokio::time::Instant;
use vault::{LocalSigner, MemoryVault, Signer, Vault as _};

/// A sealed case in memory, and the function that adds to it.
struct Desk {
    vault: Arc<MemoryVault>,
    signer: Arc<LocalSigner>,
    id: CaseId,
}

impl Desk {
    async fn new() -> Self {
        Self::with(&[]).await
    }

    /// With a case that has these findings from the beginning.
    async fn with(findings: &[Value]) -> Self {
        let vault = Arc::new(MemoryVault::new());
        let signer = Arc::new(LocalSigner::ephemeral().unwrap());
        let target = Target::aws(
            "111122223333",
            "eu-west-1",
            ResourceKind::Function,
            "billing",
        );
        let trigger = Trigger::CloudTrailEvent {
            event_id: "e-1".to_owned(),
            event_name: "UpdateFunctionCode20150331v2".to_owned(),
            occurred_at: at(),
            severity: Severity::High,
            technique: "T1648".to_owned(),
            category: Category::Code,
            principal: Some("arn:aws:iam::111122223333:user/eve".to_owned()),
            source_address: Some("203.0.113.7".to_owned()),
        };
        let mut case = OpenCase::open(trigger, target, responder(), at());
        for finding in findings {
            case.find(serde_json::from_value(finding.clone()).unwrap());
        }
        let id = case.id().clone();
        let case = vault::seal(&*vault, &*signer, case.draft(at()).unwrap()).await;
        let mut tracing = case.unwrap().amend(responder(), at());
        tracing.custody(CustodyAction::TracingNotWanted, at());
        let draft = tracing.draft(at()).unwrap();
        vault::seal(&*vault, &*signer, draft).await.unwrap();
        Self { vault, signer, id }
    }

    fn investigator(&self) -> Investigator {
        let settings = [
            ("AWS_LAMBDA_FUNCTION_NAME", "coldcase-investigate"),
            ("AWS_REGION", "eu-west-1"),
            ("COLDCASE_ACCOUNT", "111122223333"),
            ("COLDCASE_SETTLE_SECONDS", "0"),
            ("COLDCASE_LATE_SECONDS", "0"),
            ("COLDCASE_WINDOW_SECONDS", "3600"),
            ("COLDCASE_BASELINE_SECONDS", "0"),
            ("COLDCASE_TRAIL_LIMIT_BYTES", "0"),
            ("COLDCASE_BUCKET", "the-vault"),
            ("COLDCASE_SIGNING_KEY", "ephemeral"),
            ("COLDCASE_LOCK_MODE", "GOVERNANCE"),
            ("COLDCASE_LOCK_DAYS", "1"),
        ];
        let settings = settings.map(|(name, value)| (name.to_owned(), value.to_owned()));
        Investigator {
            vault: self.vault.clone(),
            signer: self.signer.clone(),
            clock: Arc::new(Timestamp::now),
            clouds: Clouds::of_aws(Regions::new(&sdk_config(), &["eu-west-1".to_owned()])),
            pace: Arc::default(),
            settings: Settings::from_env(settings).unwrap(),
        }
    }

    async fn ask(&self, order: Value) -> Result<Progress, InvestigateError> {
        let attempt = Attempt {
            id: "one".to_owned(),
            deadline: Instant::now() + Duration::from_secs(60),
        };
        let investigator = self.investigator();
        match Order::read(order)? {
            Order::Collect(step) => investigator.take(step, &attempt).await,
            Order::Seal(examination) => investigator.seal_examination(&examination, &attempt).await,
            Order::Report(_) => panic!("a report has no progress"),
        }
    }

    /// Has the examination after a pass sealed.
    async fn seal(&self, pass: &str) -> (Progress, Manifest) {
        let order = json!({"case_id": self.id, "examination": pass});
        let progress = self.ask(order).await.unwrap();
        let sequence = progress.event.as_ref().unwrap()["sequence"]
            .as_u64()
            .unwrap();
        let sequence = u32::try_from(sequence).unwrap();
        let addendum = self.addendum(sequence).await.unwrap();
        (progress, addendum.manifest().clone())
    }

    async fn addendum(&self, sequence: u32) -> Option<SealedCase> {
        vault::sealed(&*self.vault, &self.id, sequence)
            .await
            .unwrap()
    }

    async fn put(&self, key: &str, bytes: impl Into<bytes::Bytes>) {
        self.vault
            .put_once(key, bytes.into(), "application/json")
            .await
            .unwrap();
    }

    async fn write(&self, pass: &str, result: &Value) {
        self.put(&keys::examination(&self.id, pass), result.to_string())
            .await;
    }

    /// An exhibit in an examination's folder, as the examining function would list it.
    async fn exhibit(&self, pass: &str, name: &str, bytes: &str) -> Value {
        let sha256 = Sha256Digest::of(bytes);
        let key = keys::examined(&self.id, pass, name, &sha256, "json");
        self.put(&key, bytes.to_owned()).await;
        json!({"name": name, "key": key, "sha256": sha256, "size_bytes": bytes.len(),
            "media_type": "application/json", "source": "examine", "acquired_at": at()})
    }

    async fn is_sound(&self) {
        let pem = self.signer.public_key_pem().await.unwrap();
        let report = vault::check(&*self.vault, &self.id, Some(&pem)).await;
        assert!(report.is_sound(), "{report}");
    }
}

/// Nothing is asked of any service here.
fn sdk_config() -> SdkConfig {
    SdkConfig::builder()
        .behavior_version(BehaviorVersion::latest())
        .region(Region::from_static("eu-west-1"))
        .http_client(collectors::aws::http_client())
        .build()
}

fn at() -> Timestamp {
    "2026-11-23T03:15:01Z".parse().unwrap()
}

fn responder() -> Responder {
    Responder {
        program: "coldcase".to_owned(),
        version: "0".to_owned(),
        identity: "a test".to_owned(),
        attempt: "one".to_owned(),
    }
}

fn finding(rule: &str, severity: &str, statement: &str) -> Value {
    json!({"rule": rule, "statement": statement, "severity": severity, "confidence": "high",
        "technique": "T1059.006", "advice": "Rotate the role's credentials.",
        "proof": [{"exhibit": "function-code", "path": "app.py", "line": 3, "excerpt": "eval("}]})
}

fn result(line: &str, severity: &str, findings: &[Value], exhibits: &[Value]) -> Value {
    json!({"findings": findings, "exhibits": exhibits, "outcome": {"outcome": "acquired"},
        "verdict": {"line": line, "severity": severity, "confidence": "high",
            "changed": ["app.py was changed"], "by": "arn:aws:iam::111122223333:user/eve",
            "from": "203.0.113.7", "expected": false}})
}

fn examination(manifest: &Manifest) -> &Acquisition {
    let mut all = manifest.acquisitions.iter();
    all.find(|one| one.request.artifact == ArtifactKind::Examination)
        .unwrap()
}

#[tokio::test]
async fn what_fits_is_sealed_with_its_exhibits_and_told_once() {
    let desk = Desk::new().await;
    let contents = desk
        .exhibit("sealed", "function-code-contents.json", "{}")
        .await;
    let findings = [finding(
        "evaluated-code",
        "high",
        "app.py evaluates what it downloads.",
    )];
    desk.write(
        "sealed",
        &result("billing was changed", "high", &findings, &[contents]),
    )
    .await;
    let (progress, manifest) = desk.seal("sealed").await;
    assert_eq!(manifest.sequence, 2);
    let acquisition = examination(&manifest);
    assert_eq!(
        acquisition.request,
        Request::one(ArtifactKind::Examination, "sealed")
    );
    assert_eq!(acquisition.result, Outcome::Acquired);
    let names: Vec<&str> = acquisition
        .exhibits
        .iter()
        .map(|one| one.name.as_str())
        .collect();
    assert_eq!(
        names,
        [
            "function-code-contents.json",
            "examination-sealed-result.json"
        ]
    );
    assert_eq!(
        manifest.verdict.as_ref().unwrap().line,
        "billing was changed"
    );
    assert_eq!(manifest.findings.len(), 1);
    let notice = progress.notice.unwrap();
    assert_eq!(notice.subject, "Case examined, high: function billing");
    for told in [
        "billing was changed\n",
        "arn:aws:lambda:eu-west-1:111122223333:function:billing",
        "By        arn:aws:iam::111122223333:user/eve",
        "high      app.py evaluates what it downloads.  (ATT&CK T1059.006)",
        "Next: Rotate the role's credentials.",
        &format!("s3://the-vault/cases/{}/manifest-0002.dsse.json", desk.id),
    ] {
        assert!(notice.body.contains(told), "{told}\n{}", notice.body);
    }
    let event = progress.event.unwrap();
    assert_eq!(event["severity"], "high");
    assert_eq!(event["verdict"], "billing was changed");
    assert_eq!(event["key"], keys::envelope(&desk.id, 2));

    // Twice is once: another result or a failure later changes nothing.
    let again = desk
        .ask(json!({"case_id": desk.id, "examination": "sealed", "failure": "X"}))
        .await;
    assert_eq!(again.unwrap().event.unwrap(), event);
    assert!(desk.addendum(3).await.is_none());
    desk.is_sound().await;
}

#[tokio::test]
async fn a_verdict_is_told_again_only_where_it_is_worse_or_something_urgent_is_new() {
    let desk = Desk::new().await;
    let tell = async |pass: &str, severity: &str, findings: &[Value]| {
        desk.write(pass, &result("changed", severity, findings, &[]))
            .await;
        desk.seal(pass).await.0.notice.map(|notice| notice.subject)
    };
    let medium = finding("odd-handler", "medium", "The handler moved.");
    let high = finding("reverse-shell", "high", "app.py opens a shell.");
    let said = |word: &str| Some(format!("Case examined, {word}: function billing"));
    assert_eq!(tell("sealed", "medium", &[]).await, said("medium"));
    assert_eq!(
        tell("first", "medium", std::slice::from_ref(&medium)).await,
        None
    );
    assert_eq!(
        tell("second", "medium", &[medium.clone(), high.clone()]).await,
        said("high")
    );
    assert_eq!(
        tell("first-0a1b", "medium", std::slice::from_ref(&high)).await,
        None
    );
    assert_eq!(
        tell("second-0a1b", "critical", &[high]).await,
        said("CRITICAL")
    );
    // Asked for again, what a later examination has overtaken is old news; what has not, is told.
    assert_eq!(desk.seal("sealed").await.0.notice, None);
    assert!(desk.seal("second-0a1b").await.0.notice.is_some());
    desk.is_sound().await;
}

/// What an examination says, held to what the case knows.
async fn sealed_verdict(desk: &Desk, pass: &str, written: &Value) -> Verdict {
    desk.write(pass, written).await;
    desk.seal(pass).await.1.verdict.unwrap()
}

#[tokio::test]
async fn a_change_is_expected_only_if_the_case_said_so_before_it_was_examined() {
    let mark = finding("expected-change", "info", "ci-deploy deployed billing.");
    let mut written = result("fine", "info", std::slice::from_ref(&mark), &[]);
    written["verdict"]["expected"] = json!(true);
    let desk = Desk::new().await;
    // Neither by its own word nor by that of the examination before.
    for pass in ["sealed", "first"] {
        let verdict = sealed_verdict(&desk, pass, &written).await;
        assert!(!verdict.expected, "{pass}");
        assert!(verdict.line.contains("does not say"), "{}", verdict.line);
    }
    let desk = Desk::with(&[mark]).await;
    let verdict = sealed_verdict(&desk, "sealed", &written).await;
    assert!(verdict.expected);
    assert_eq!(verdict.line, "fine");
    // The case says so, the examination does not: the milder word is not put into its mouth.
    written["verdict"]["expected"] = json!(false);
    assert!(!sealed_verdict(&desk, "first", &written).await.expected);
    desk.is_sound().await;
}

#[tokio::test]
async fn a_verdict_is_no_milder_than_what_is_known() {
    let low = finding("noise", "low", "Odd.");
    let medium = finding("odd-handler", "medium", "The handler moved.");
    let high = finding("opened-to-all", "high", "Anybody may call billing.");
    let critical = finding("reverse-shell", "critical", "app.py opens a shell.");
    let desk = Desk::with(std::slice::from_ref(&medium)).await;
    let low_result = |findings: &[Value]| result("fine", "info", findings, &[]);
    let severity = async |desk: &Desk, pass: &str, written: Value| {
        sealed_verdict(desk, pass, &written).await.severity
    };
    // What the case knew, below high, is for the examination to judge.
    let first = severity(&desk, "a", low_result(&[])).await;
    assert_eq!(first, Severity::Info);
    let with_its_own = severity(&desk, "b", low_result(&[low, high.clone()])).await;
    assert_eq!(with_its_own, Severity::High);
    // What an earlier examination found stays found.
    let later = severity(&desk, "c", low_result(&[])).await;
    assert_eq!(later, Severity::High);
    // Never lowered.
    let worse = severity(&desk, "d", result("bad", "critical", &[], &[])).await;
    assert_eq!(worse, Severity::Critical);
    desk.is_sound().await;

    let mark = finding("expected-change", "info", "ci-deploy deployed billing.");
    let desk = Desk::with(&[mark, high]).await;
    let mut expected = low_result(&[]);
    expected["verdict"]["expected"] = json!(true);
    assert_eq!(severity(&desk, "a", expected.clone()).await, Severity::Info);
    // What comes with it counts all the same.
    expected["findings"] = json!([critical]);
    assert_eq!(severity(&desk, "b", expected).await, Severity::Critical);
}

#[tokio::test]
async fn an_examination_that_died_does_not_weigh_on_a_later_one() {
    let desk = Desk::new().await;
    let died = json!({"case_id": desk.id, "examination": "sealed", "failure": "Runtime.ExitError"});
    desk.ask(died).await.unwrap();
    let verdict = sealed_verdict(&desk, "first", &result("fine", "info", &[], &[])).await;
    assert_eq!(verdict.severity, Severity::Info);
    assert_eq!(verdict.line, "fine");
}

#[tokio::test]
async fn who_did_it_is_what_the_trigger_says() {
    let desk = Desk::new().await;
    let mut written = result("changed", "info", &[], &[]);
    for (pass, by, from) in [
        (
            "a",
            json!("arn:aws:iam::111122223333:user/bob"),
            json!("192.0.2.1"),
        ),
        ("b", json!("user/eve"), json!("203")),
        ("c", Value::Null, Value::Null),
    ] {
        written["verdict"]["by"] = by;
        written["verdict"]["from"] = from;
        let verdict = sealed_verdict(&desk, pass, &written).await;
        let eve = "arn:aws:iam::111122223333:user/eve";
        assert_eq!(verdict.by.as_deref(), Some(eve));
        assert_eq!(verdict.from.as_deref(), Some("203.0.113.7"));
    }
}

#[tokio::test]
async fn an_examination_that_died_is_sealed_as_such_and_a_finding() {
    let desk = Desk::new().await;
    let nothing = desk
        .ask(json!({"case_id": desk.id, "examination": "sealed"}))
        .await;
    assert!(
        matches!(nothing, Err(InvestigateError::NoCase(_))),
        "{nothing:?}"
    );
    assert!(desk.addendum(2).await.is_none());
    let order = json!({"case_id": desk.id, "examination": "sealed",
        "failure": "Sandbox.Timedout\n<b>"});
    let progress = desk.ask(order).await.unwrap();
    let manifest = desk.addendum(2).await.unwrap().manifest().clone();
    let why = examination(&manifest).result.why().unwrap();
    assert!(
        why.starts_with("the examination ended with Sandbox.Timedoutb before"),
        "{why}"
    );
    assert_eq!(manifest.findings[0].rule, "examination-failed");
    assert_eq!(manifest.findings[0].severity, Severity::High);
    assert_eq!(manifest.verdict, None);
    let notice = progress.notice.unwrap();
    assert_eq!(notice.subject, "Case not examined, high: function billing");
    assert_eq!(progress.event.unwrap()["examined"], false);
    desk.is_sound().await;
}

/// A result that cannot be one is not sealed as one; that it was written is.
#[tokio::test]
async fn a_result_that_does_not_fit_is_sealed_as_failed_with_why() {
    let desk = Desk::new().await;
    let elsewhere = "content/".to_owned() + &Sha256Digest::of("stolen").to_string();
    desk.put(&elsewhere, "stolen").await;
    let other_pass = desk.exhibit("another", "contents.json", "{}").await;
    let good = desk.exhibit("p0", "contents.json", "{}").await;
    let with = |pass: &str, field: &str, value: Value| {
        let mut exhibit = good.clone();
        exhibit["key"] = json!(
            good["key"]
                .as_str()
                .unwrap()
                .replace("/p0/", &format!("/{pass}/"))
        );
        exhibit[field] = value;
        exhibit
    };
    let key = |name: &str| format!("examinations/{}/{name}", desk.id);
    let short = Sha256Digest::of("{}").short();
    let many: Vec<Value> = (0..1001).map(|_| good.clone()).collect();
    let mut odd_rule = finding("x", "high", "x");
    odd_rule["rule"] = json!("Odd\u{1b}[2J");
    let mut odd_technique = finding("x", "high", "x");
    odd_technique["technique"] = json!("T1059'; --");
    let exhibits = |list: &[Value]| result("fine", "info", &[], list);
    let cases: Vec<(Value, &str)> = vec![
        (json!("nonsense"), "not what an examination writes"),
        (json!({"findings": []}), "missing field"),
        (
            serde_json::from_str(&format!("{}1{}", "[".repeat(100), "]".repeat(100))).unwrap(),
            "not what",
        ),
        (
            exhibits(&[with("p3", "key", json!(elsewhere))]),
            "own folder",
        ),
        (exhibits(&[other_pass]), "own folder"),
        (
            exhibits(&[with(
                "p5",
                "key",
                json!(key(&format!("p5/../p0/contents.json.{short}.json"))),
            )]),
            "own folder",
        ),
        (
            exhibits(&[with(
                "p6",
                "key",
                json!(key(&format!("p6/contents.json.{short}.x/y"))),
            )]),
            "own folder",
        ),
        (
            exhibits(&[with("p7", "name", json!("../../etc/passwd"))]),
            "its name is none",
        ),
        (exhibits(std::slice::from_ref(&good)), "own folder"),
        (
            exhibits(&[with("p9", "media_type", json!("text/html\r\nX: y"))]),
            "media type",
        ),
        (
            exhibits(&[with("p10", "size_bytes", json!(1_u64 << 40))]),
            "larger than",
        ),
        (
            exhibits(&[with("p11", "size_bytes", json!(1))]),
            "not in the vault",
        ),
        (exhibits(&many), "more than 1000"),
        (result("x", "info", &[odd_rule], &[]), "no rule's name"),
        (
            result("x", "info", &[odd_technique], &[]),
            "ATT&CK cannot have",
        ),
        (
            json!({"findings": "", "big": "x".repeat(8 << 20)}),
            "larger than",
        ),
    ];
    for (number, (written, why)) in cases.iter().enumerate() {
        let pass = format!("p{number}");
        let text = written.to_string();
        if text.len() > vault::SMALL_BYTES {
            continue; // No vault takes it by `put_once`.
        }
        desk.write(&pass, written).await;
        let (_, manifest) = desk.seal(&pass).await;
        unfit(&manifest, why);
        let itself = &examination(&manifest).exhibits;
        assert_eq!(itself.len(), 1, "{pass}");
        assert_eq!(itself[0].sha256, Sha256Digest::of(&text));
    }
    desk.is_sound().await;
}

fn unfit(manifest: &Manifest, why: &str) {
    let said = examination(manifest).result.clone();
    assert!(matches!(said, Outcome::Failed { .. }), "{said:?}");
    assert!(said.why().unwrap().contains(why), "{why}: {said:?}");
    let rules: Vec<&str> = manifest
        .findings
        .iter()
        .map(|one| one.rule.as_str())
        .collect();
    assert_eq!(rules, ["examination-unfit"], "{why}");
    assert_eq!(manifest.findings[0].severity, Severity::High);
    assert_eq!(manifest.verdict, None);
}

#[tokio::test]
async fn an_exhibit_is_what_its_bytes_are_and_not_what_is_said_of_it() {
    let desk = Desk::new().await;
    for (pass, size, why) in [("longer", 2, "longer than"), ("other", 7, "not those")] {
        let claimed = Sha256Digest::of("claimed");
        let key = keys::examined(&desk.id, pass, "contents", &claimed, "json");
        desk.put(&key, "written").await;
        let exhibit = json!({"name": "contents", "key": key, "sha256": claimed, "size_bytes": size,
            "media_type": "text/plain", "source": "x", "acquired_at": at()});
        desk.write(pass, &result("fine", "info", &[], &[exhibit]))
            .await;
        unfit(&desk.seal(pass).await.1, why);
    }
    // Two of one name.
    let twice = desk.exhibit("twice", "contents", "{}").await;
    desk.write(
        "twice",
        &result("fine", "info", &[], &[twice.clone(), twice]),
    )
    .await;
    unfit(&desk.seal("twice").await.1, "another's");
    desk.is_sound().await;
}

#[tokio::test]
async fn too_much_is_cut_told_and_escaped_and_the_worst_stays() {
    let desk = Desk::new().await;
    let hostile =
        "\u{1b}[2J\u{202e}\u{200b}\r\n\u{7}https://evil.example/ ".to_owned() + &"å".repeat(2000);
    let mut findings: Vec<Value> = (0..900)
        .map(|n| finding("noise", "low", &format!("n {n}")))
        .collect();
    let mut worst = finding("reverse-shell", "critical", &hostile);
    worst["advice"] = json!(hostile);
    worst["proof"] = json!(vec![
        json!({"exhibit": hostile, "path": hostile, "line": 1, "excerpt": hostile});
        100
    ]);
    findings.push(worst);
    let mut written = result(&hostile, "critical", &findings, &[]);
    written["verdict"]["changed"] = json!(vec![hostile.clone(); 200]);
    written["verdict"]["by"] = json!(hostile);
    written["outcome"] = json!({"outcome": "partial", "why": hostile});
    let mut exhibit = desk.exhibit("sealed", "contents", "{}").await;
    exhibit["source"] = json!(hostile);
    exhibit["acquired_at"] = json!("2999-01-01T00:00:00Z");
    written["exhibits"] = json!([exhibit]);
    desk.write("sealed", &written).await;
    let (progress, manifest) = desk.seal("sealed").await;
    assert_eq!(manifest.findings.len(), 500);
    assert_eq!(manifest.findings[0].rule, "reverse-shell");
    assert!(manifest.findings[0].proof.len() <= 8);
    let why = examination(&manifest).result.why().unwrap();
    assert!(
        why.ends_with("401 more findings are in the result only, which is an exhibit"),
        "{why}"
    );
    assert!(
        manifest
            .exhibits()
            .all(|one| one.acquired_at <= manifest.sealed_at)
    );
    for text in texts(&serde_json::to_value(&manifest).unwrap()) {
        assert!(text.chars().count() <= 1100, "{}", text.len());
        assert!(is_plain(&text), "{text:?}");
    }
    let notice = progress.notice.unwrap();
    assert!(notice.subject.len() <= 100 && notice.subject.is_ascii());
    assert!(notice.body.lines().all(is_plain) && notice.body.len() < 64 * 1024);
    assert!(!notice.body.contains("https://"), "{}", notice.body);
    assert!(notice.body.contains("https:[//]evil.example/"));
    let finding = progress.finding.unwrap();
    assert!(finding["Description"].as_str().unwrap().chars().count() <= 1024);
    let advice = &finding["Remediation"]["Recommendation"]["Text"];
    assert!(advice.as_str().unwrap().chars().count() <= 512);
    assert!(serde_json::to_vec(&progress.event).unwrap().len() < 16 * 1024);
    desk.is_sound().await;
}

/// Findings whose texts take four bytes a character, as many as fit into a result.
#[tokio::test]
async fn a_manifest_stays_readable_in_one_piece_whatever_a_result_says() {
    let desk = Desk::new().await;
    let wide = "\u{1f41e}".repeat(600);
    let mut one = finding("wide", "high", &wide);
    one["advice"] = json!(wide);
    let findings: Vec<Value> = vec![one; 800];
    desk.write("sealed", &result("wide", "high", &findings, &[]))
        .await;
    let (_, manifest) = desk.seal("sealed").await;
    let sealed: &[Finding] = &manifest.findings;
    assert!(sealed.len() > 100 && sealed.len() < 500, "{}", sealed.len());
    let why = examination(&manifest).result.why().unwrap();
    assert!(
        why.starts_with(&format!("{} more", 800 - sealed.len())),
        "{why}"
    );
    desk.is_sound().await;
}

#[tokio::test]
async fn the_finding_of_a_case_has_one_id_and_gets_newer() {
    let desk = Desk::new().await;
    desk.write("sealed", &result("changed", "medium", &[], &[]))
        .await;
    desk.write("first", &result("changed a lot", "critical", &[], &[]))
        .await;
    let first = desk.seal("sealed").await.0.finding.unwrap();
    let second = desk.seal("first").await.0.finding.unwrap();
    assert_eq!(first["Id"], second["Id"]);
    assert_eq!(first["CreatedAt"], second["CreatedAt"]);
    let updated = |finding: &Value| finding["UpdatedAt"].as_str().unwrap().parse::<Timestamp>();
    assert!(updated(&first).unwrap() < updated(&second).unwrap());
    assert_eq!(second["Severity"]["Label"], "CRITICAL");
    let product = "arn:aws:securityhub:eu-west-1:111122223333:product/111122223333/default";
    assert_eq!(first["ProductArn"], product);
}

#[tokio::test]
async fn a_pass_that_is_none_is_refused_and_leaves_nothing() {
    let desk = Desk::new().await;
    for pass in ["", "../first", "a/b", ".", "a b", &"x".repeat(65)] {
        let refused = desk
            .ask(json!({"case_id": desk.id, "examination": pass, "failure": "X"}))
            .await;
        assert!(
            matches!(refused, Err(InvestigateError::BadInput(_))),
            "{pass:?}"
        );
    }
    let both = json!({"case_id": desk.id, "examination": "first", "pass": "first"});
    assert!(matches!(
        Order::read(both),
        Err(InvestigateError::BadInput(_))
    ));
    assert!(desk.addendum(2).await.is_none());
}

fn texts(value: &Value) -> Vec<String> {
    match value {
        Value::String(text) => vec![text.clone()],
        Value::Array(items) => items.iter().flat_map(texts).collect(),
        Value::Object(fields) => fields.values().flat_map(texts).collect(),
        _ => Vec::new(),
    }
}

fn is_plain(text: &str) -> bool {
    let odd = ['\u{202e}', '\u{200b}'];
    !text.chars().any(|c| c.is_control() || odd.contains(&c))
}
