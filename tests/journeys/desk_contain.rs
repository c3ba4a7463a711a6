//! A responder contains a function and releases it: the command line itself, with no stack and with one.

use aws_sdk_lambda::config::Credentials;
use aws_sdk_lambda::types::{Environment, LayerVersionContentInput};
use coldcase_tests::{Account, Victim, desk, desk_as, fits_schema, policy, unique, zip};
use collectors::aws::{Aws, Regions, TriggerFacts};
use collectors::{Desk, gather};
use evidence::{
    CaseId, CustodyAction, OpenCase, Request, ResourceKind, Responder, Target, Trigger, keys,
};
use serde_json::{Value, json};
use snapshot::{Baseline, Cause, Content, Document, MarkKey, Piece, Snapshot, Substance};
use std::process::{Command, Output, Stdio};
use std::sync::Arc;
use std::time::Duration;
use vault::{DirectoryVault, LocalSigner, Signer as _, Vault};

fn target(account: &Account, name: &str) -> Target {
    let (number, region) = (&account.account, &account.region);
    Target::aws(number, region, ResourceKind::Function, name)
}

/// A desk with no stack: a directory and a key of its own.
struct Place {
    folder: tempfile::TempDir,
}

impl Place {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        Self { folder }
    }

    fn path(&self, name: &str) -> std::path::PathBuf {
        self.folder.path().join(name)
    }

    async fn vault(&self) -> Arc<dyn Vault> {
        Arc::new(DirectoryVault::open(self.path("vault")).await.unwrap())
    }

    fn signer(&self) -> LocalSigner {
        LocalSigner::in_file(self.path("key.pem")).unwrap()
    }

    /// Runs the command line on this vault with this key.
    fn run(&self, account: &Account, who: Option<&Credentials>, arguments: &[&str]) -> Output {
        self.command(account, who, arguments).output().unwrap()
    }

    fn command(&self, account: &Account, who: Option<&Credentials>, arguments: &[&str]) -> Command {
        let mut command = match who {
            Some(who) => desk_as(account, who),
            None => desk(account),
        };
        command.args(arguments);
        command.arg("--vault").arg(self.path("vault"));
        if arguments.first() != Some(&"cases") {
            command.arg("--key").arg(self.path("key.pem"));
        }
        command.stdin(Stdio::null());
        command
    }

    /// Everything that can be read of a function now.
    async fn pieces(&self, account: &Account, name: &str) -> Vec<Piece> {
        let scratch = tempfile::tempdir().unwrap();
        let vault: Arc<dyn Vault> = Arc::new(
            DirectoryVault::open(scratch.path().to_owned())
                .await
                .unwrap(),
        );
        pieces(&vault, &open(account, &vault, name).await.0).await
    }

    /// A sealed case about the function as it is, with the addendum that says what came of tracing.
    async fn case(&self, account: &Account, name: &str) -> CaseId {
        let vault = self.vault().await;
        let (case, responder) = open(account, &vault, name).await;
        let draft = case.draft(jiff::Timestamp::now()).unwrap();
        let signer = self.signer();
        let sealed = vault::seal(&*vault, &signer, draft).await.unwrap();
        let mut addendum = sealed.amend(responder, jiff::Timestamp::now());
        addendum.custody(CustodyAction::TracingNotWanted, jiff::Timestamp::now());
        let draft = addendum.draft(jiff::Timestamp::now()).unwrap();
        vault::seal(&*vault, &signer, draft).await.unwrap();
        sealed.manifest().case_id.clone()
    }

    /// Records the function as good, as it is.
    async fn baseline(&self, account: &Account, name: &str) {
        let vault = self.vault().await;
        let (case, responder) = open(account, &vault, name).await;
        let target = target(account, name);
        let record = Baseline {
            function: target.arn(),
            recorded_at: jiff::Timestamp::now(),
            cause: Cause::Sweep,
            pieces: pieces(&vault, &case).await,
            not_read: Vec::new(),
            responder,
        };
        let bytes = serde_json::to_vec(&record).unwrap();
        let key = keys::baseline(&target, 1);
        vault
            .put_once(&key, bytes.into(), "application/json")
            .await
            .unwrap();
    }

    async fn manifests(&self, id: &CaseId) -> Vec<evidence::Manifest> {
        let vault = self.vault().await;
        let case = vault::Case::read(&*vault, id).await.unwrap().unwrap();
        assert_eq!(case.findings, []);
        case.manifests
    }

    /// Whether the case is what was sealed, the chain of its addenda included.
    async fn is_sound(&self, id: &CaseId) {
        let vault = self.vault().await;
        let pem = self.signer().public_key_pem().await.unwrap();
        let report = vault::check(&*vault, id, Some(&pem)).await;
        assert!(report.is_sound(), "{report}");
    }
}

/// A case about a function as it is now, not sealed.
async fn open(account: &Account, vault: &Arc<dyn Vault>, name: &str) -> (OpenCase, Responder) {
    account.settled(name).await;
    let target = target(account, name);
    let config = account.config().await;
    let regions = Regions::new(&config, &[&account.region]);
    let responder = Responder {
        program: "coldcase".to_owned(),
        version: "0".to_owned(),
        identity: "a test".to_owned(),
        attempt: unique("attempt"),
    };
    let now = jiff::Timestamp::now();
    let trigger = Trigger::Person {
        request_id: unique("request"),
        reason: "a test".to_owned(),
        occurred_at: now,
    };
    let mut case = OpenCase::open(trigger, target.clone(), responder.clone(), now);
    let desk = Desk::new(
        Arc::clone(vault),
        case.id().clone(),
        Arc::new(jiff::Timestamp::now),
        u64::MAX,
    );
    let facts = TriggerFacts::default();
    let aws = Aws::new(regions.of(&account.region).unwrap(), target, facts, 3);
    gather(&aws, &desk, &mut case, 4).await;
    (case, responder)
}

async fn pieces(vault: &Arc<dyn Vault>, case: &OpenCase) -> Vec<Piece> {
    let mut pieces = Vec::new();
    for acquisition in case.acquisitions() {
        let mut piece = Piece {
            request: acquisition.request.clone(),
            result: acquisition.result.clone(),
            documents: Vec::new(),
            contents: Vec::new(),
        };
        for exhibit in &acquisition.exhibits {
            if exhibit.key.starts_with("content/") {
                piece.contents.push(Content::from(exhibit));
                continue;
            }
            let bytes = vault.get(&exhibit.key).await.unwrap();
            piece.documents.push(Document {
                name: exhibit.name.clone(),
                json: serde_json::from_slice(&bytes).unwrap(),
            });
        }
        pieces.push(piece);
    }
    pieces
}

/// What is different between two readings of a function.
fn changes(before: &[Piece], after: &[Piece]) -> Vec<String> {
    let key = MarkKey::new([1; 32]);
    let read = |pieces| Snapshot::read(pieces, &key);
    let changes = snapshot::changes(&read(before), &read(after));
    changes.into_iter().map(|change| change.statement).collect()
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

fn ran(output: &Output, code: i32) -> String {
    let all = format!("{}{}", text(&output.stdout), text(&output.stderr));
    assert_eq!(output.status.code(), Some(code), "{all}");
    assert!(!all.contains("marked-secret"), "{all}");
    all
}

/// The answer as JSON; it fits the published schema, which is the same for both but for its words.
fn json_of(output: &Output, code: i32) -> Value {
    ran(output, code);
    let answer = serde_json::from_slice(&output.stdout).unwrap();
    for schema in ["contain", "release"] {
        fits_schema(schema, &answer);
    }
    answer
}

/// A function with a secret, two layers, somebody who may call it.
async fn victim(account: &Account, prefix: &str) -> (Victim, Vec<String>) {
    let lambda = account.lambda().await;
    let victim = account.victim(prefix).await;
    let mut layers = Vec::new();
    for name in ["first", "second"] {
        let content = LayerVersionContentInput::builder();
        let content = content.zip_file(aws_sdk_lambda::primitives::Blob::new(zip(name)));
        let made = lambda.publish_layer_version().layer_name(unique(name));
        let made = made.content(content.build()).send().await.unwrap();
        layers.push(made.layer_version_arn().unwrap().to_owned());
    }
    let environment = Environment::builder().variables("TOKEN", "marked-secret-good");
    lambda
        .update_function_configuration()
        .function_name(&victim.name)
        .set_layers(Some(layers.clone()))
        .environment(environment.build())
        .send()
        .await
        .unwrap();
    account.settled(&victim.name).await;
    allow(account, &victim.name, "bucket").await;
    (victim, layers)
}

async fn allow(account: &Account, function: &str, sid: &str) {
    let lambda = account.lambda().await;
    let add = lambda.add_permission().function_name(function);
    add.statement_id(sid)
        .action("lambda:InvokeFunction")
        .principal("s3.amazonaws.com")
        .source_arn(format!("arn:aws:s3:::{sid}"))
        .source_account(&account.account)
        .send()
        .await
        .unwrap();
}

async fn reserved(account: &Account, function: &str) -> Option<i32> {
    let lambda = account.lambda().await;
    let now = lambda.get_function_concurrency().function_name(function);
    now.send().await.unwrap().reserved_concurrent_executions()
}

/// Somebody who may do this and nothing else.
async fn person(account: &Account, actions: &[&str]) -> Credentials {
    let iam = account.iam().await;
    let name = unique("person");
    let trust = json!({"Version": "2012-10-17", "Statement": [{"Effect": "Allow",
        "Principal": {"AWS": format!("arn:aws:iam::{}:root", account.account)},
        "Action": "sts:AssumeRole"}]});
    let role = iam.create_role().role_name(&name);
    let role = role.assume_role_policy_document(trust.to_string());
    let role = role.send().await.unwrap();
    let put = iam.put_role_policy().role_name(&name).policy_name("own");
    put.policy_document(policy(actions)).send().await.unwrap();
    account.session(role.role().unwrap().arn(), "alice").await
}

/// Calls that changed this function.
fn changing(account: &Account, name: &str) -> usize {
    let records = account.page("trail");
    let about = |record: &&Value| record["requestParameters"].to_string().contains(name);
    let writes = |record: &&Value| record["readOnly"] != json!(true);
    records.iter().filter(about).filter(writes).count()
}

const READS: [&str; 6] = [
    "lambda:Get*",
    "lambda:List*",
    "iam:Get*",
    "iam:List*",
    "logs:*",
    "sts:*",
];

#[tokio::test]
async fn a_contained_function_is_stopped_and_a_released_one_is_as_it_was() {
    let (account, place) = (Account::up(), Place::new());
    let (victim, layers) = victim(&account, "contained").await;
    let name = &victim.name;
    let id = place.case(&account, name).await;
    let before = place.pieces(&account, name).await;
    let wishes = [
        "contain",
        "latest",
        "--reserved-concurrency-zero",
        "--detach-layer",
        &layers[0],
        "--by",
        "alice",
        "--reason",
        "ticket 4711",
    ];

    // Nobody said yes, and nobody can be asked.
    let asked = changing(&account, name);
    let told = ran(&place.run(&account, None, &wishes), 2);
    assert!(told.contains("--yes"), "{told}");
    let told = ran(
        &place.run(&account, None, &[&wishes[..], &["--dry-run"]].concat()),
        0,
    );
    assert!(
        told.contains("Nothing was changed") && told.contains("arn:aws:iam"),
        "{told}"
    );
    assert_eq!(changing(&account, name), asked);
    assert_eq!(place.manifests(&id).await.len(), 2);

    let yes = [&wishes[..], &["--yes", "--json"]].concat();
    let contained = json_of(&place.run(&account, None, &yes), 0);
    assert_eq!(contained["complete"], true, "{contained}");
    // Nobody had touched the function: the case itself is how it was.
    assert_eq!(
        (&contained["preserved"], &contained["newly_preserved"]),
        (&json!(0), &json!(false))
    );
    assert_eq!(reserved(&account, name).await, Some(0));
    let now = place.pieces(&account, name).await;
    let differs = changes(&before, &now);
    assert_eq!(differs.len(), 2, "{differs:?}");

    // Twice is once.
    let again = json_of(
        &place.run(
            &account,
            None,
            &[
                &yes[..2],
                &["--reserved-concurrency-zero", "--yes", "--json"],
            ]
            .concat(),
        ),
        0,
    );
    assert_eq!(again["changes"], json!([]));

    let released = ["release", id.as_str(), "--yes", "--json"];
    let released = json_of(&place.run(&account, None, &released), 0);
    assert_eq!(
        (&released["complete"], &released["differs"]),
        (&json!(true), &json!([]))
    );
    let after = place.pieces(&account, name).await;
    assert_eq!(changes(&before, &after), Vec::<String>::new());
    let substance = Substance::apart_from_tracing;
    assert_eq!(
        substance(&after).missing_in(&substance(&before)),
        Vec::<Request>::new()
    );
    place.is_sound(&id).await;

    // Custody tells all of it, in order, and no value of the environment.
    let manifests = place.manifests(&id).await;
    let actions: Vec<String> = manifests[2..]
        .iter()
        .flat_map(|manifest| &manifest.custody)
        .map(|entry| json!(entry.action)["action"].as_str().unwrap().to_owned())
        .filter(|action| action != "evidence-acquired")
        .collect();
    let all = [
        "containment-intended",
        "contained",
        "release-intended",
        "released",
    ];
    assert_eq!(actions, all);
    assert!(!json!(manifests).to_string().contains("marked-secret"));
    assert!(json!(manifests).to_string().contains("ticket 4711"));
    let nothing = ran(
        &place.run(&account, None, &["release", "latest", "--yes"]),
        4,
    );
    assert!(nothing.contains("is released already"), "{nothing}");
}

#[tokio::test]
async fn a_record_is_restored_and_the_tampered_function_comes_back_on_release() {
    let (account, place) = (Account::up(), Place::new());
    let (victim, _) = victim(&account, "restored").await;
    let name = &victim.name;
    place.baseline(&account, name).await;
    let good = place.pieces(&account, name).await;
    let lambda = account.lambda().await;
    account.tamper(name).await;
    account.settled(name).await;
    let environment = Environment::builder().variables("TOKEN", "marked-secret-evil");
    lambda
        .update_function_configuration()
        .function_name(name)
        .handler("evil.handler")
        .timeout(600)
        .set_layers(Some(Vec::new()))
        .environment(environment.variables("MORE", "marked-secret").build())
        .send()
        .await
        .unwrap();
    account.settled(name).await;
    allow(&account, name, "attacker").await;
    let remove = lambda.remove_permission().function_name(name);
    remove.statement_id("bucket").send().await.unwrap();
    let id = place.case(&account, name).await;
    let tampered = place.pieces(&account, name).await;

    let restore = [
        "contain",
        "latest",
        "--restore",
        "baseline",
        "--yes",
        "--json",
    ];
    let restored = json_of(&place.run(&account, None, &restore), 0);
    assert_eq!(
        (&restored["record"], &restored["complete"]),
        (&json!(1), &json!(true)),
        "{restored}"
    );
    let now = place.pieces(&account, name).await;
    assert_eq!(changes(&good, &now), Vec::<String>::new());

    let release = ["release", "latest", "--yes", "--json"];
    let released = json_of(&place.run(&account, None, &release), 0);
    assert_eq!(released["differs"], json!([]), "{released}");
    let now = place.pieces(&account, name).await;
    assert_eq!(changes(&tampered, &now), Vec::<String>::new());
    place.is_sound(&id).await;
}

#[tokio::test]
async fn who_may_not_change_or_not_preserve_changes_nothing() {
    let (account, place) = (Account::up(), Place::new());
    let (victim, _) = victim(&account, "denied").await;
    let name = &victim.name;
    let id = place.case(&account, name).await;
    let stop = ["contain", "latest", "--reserved-concurrency-zero", "--yes"];

    let reader = person(&account, &READS).await;
    let told = ran(&place.run(&account, Some(&reader), &stop), 3);
    assert!(told.contains("lambda:PutFunctionConcurrency"), "{told}");
    assert_eq!(reserved(&account, name).await, None);
    // What was intended and refused is sealed.
    let manifests = place.manifests(&id).await;
    let last = &manifests.last().unwrap().custody[0].action;
    assert!(
        matches!(last, CustodyAction::Contained { changes, .. } if changes[0].not_done.is_some())
    );

    let blind = [
        "lambda:GetFunctionConfiguration",
        "lambda:GetFunctionConcurrency",
        "lambda:GetPolicy",
        "lambda:List*",
        "lambda:Put*",
        "sts:*",
    ];
    let blind = person(&account, &blind).await;
    let asked = changing(&account, name);
    let told = ran(&place.run(&account, Some(&blind), &stop), 3);
    assert!(
        told.contains("cannot be preserved") && told.contains("lambda:GetFunction"),
        "{told}"
    );
    assert_eq!(changing(&account, name), asked);
    assert_eq!(reserved(&account, name).await, None);
    assert_eq!(place.manifests(&id).await.len(), manifests.len());
    place.is_sound(&id).await;
}

#[tokio::test]
async fn what_is_not_sealed_yet_is_sealed_before_anything_is_changed() {
    let (account, place) = (Account::up(), Place::new());
    let (victim, _) = victim(&account, "anew").await;
    let name = &victim.name;
    let id = place.case(&account, name).await;
    account.tamper(name).await;
    account.settled(name).await;
    let tampered = place.pieces(&account, name).await;
    let stop = [
        "contain",
        "latest",
        "--reserved-concurrency-zero",
        "--yes",
        "--json",
    ];
    let contained = json_of(&place.run(&account, None, &stop), 0);
    assert_eq!(
        (&contained["preserved"], &contained["newly_preserved"]),
        (&json!(2), &json!(true))
    );
    let manifests = place.manifests(&id).await;
    let code = |manifest: &evidence::Manifest| {
        let mut exhibits = manifest.exhibits();
        let code = exhibits.find(|it| it.name.ends_with("function-code.zip"));
        code.unwrap().sha256
    };
    assert_ne!(code(&manifests[0]), code(&manifests[2]));
    // A release puts back what was there right before, not what the case is about.
    json_of(
        &place.run(&account, None, &["release", "latest", "--yes", "--json"]),
        0,
    );
    assert_eq!(
        changes(&tampered, &place.pieces(&account, name).await),
        Vec::<String>::new()
    );
    place.is_sound(&id).await;
}

#[tokio::test]
async fn what_is_killed_half_way_is_continued_or_undone() {
    let (account, place) = (Account::up(), Place::new());
    for then in ["contain", "release"] {
        let (victim, layers) = victim(&account, "killed").await;
        let name = &victim.name;
        let id = place.case(&account, name).await;
        let before = place.pieces(&account, name).await;
        let id = id.as_str();
        let contain = [
            "contain",
            id,
            "--reserved-concurrency-zero",
            "--detach-layer",
            &layers[1],
            "--yes",
        ];
        account.tell(
            "faults",
            &[
                json!({"service": "lambda", "operation": "UpdateFunctionConfiguration",
                "code": "ServiceException", "status": 500, "seconds": 20, "match": name}),
            ],
        );
        let mut command = place.command(&account, None, &contain);
        let mut killed = command
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let first = || async { (reserved(&account, name).await == Some(0)).then_some(()) };
        account.until("the first change", first).await;
        tokio::time::sleep(Duration::from_millis(300)).await;
        killed.kill().unwrap();
        killed.wait().unwrap();
        let again = match then {
            "contain" => contain.to_vec(),
            _ => vec!["release", id, "--yes"],
        };
        ran(&place.run(&account, None, &again), 0);
        let differs = changes(&before, &place.pieces(&account, name).await);
        assert_eq!(
            differs.len(),
            if then == "contain" { 2 } else { 0 },
            "{differs:?}"
        );
        if then == "contain" {
            ran(&place.run(&account, None, &["release", id, "--yes"]), 0);
            let differs = changes(&before, &place.pieces(&account, name).await);
            assert_eq!(differs, Vec::<String>::new());
        }
        place.is_sound(&id.parse().unwrap()).await;
    }
}

#[tokio::test]
async fn what_somebody_else_changed_since_is_left_alone_on_release() {
    let (account, place) = (Account::up(), Place::new());
    let (victim, _) = victim(&account, "since").await;
    let name = &victim.name;
    let id = place.case(&account, name).await;
    let stop = ["contain", "latest", "--reserved-concurrency-zero", "--yes"];
    ran(&place.run(&account, None, &stop), 0);
    let lambda = account.lambda().await;
    let put = lambda.put_function_concurrency().function_name(name);
    put.reserved_concurrent_executions(7).send().await.unwrap();
    // A newer case of the function holds no containment; the one that does is named.
    let newer = place.case(&account, name).await;
    let told = ran(
        &place.run(&account, None, &["release", newer.as_str(), "--yes"]),
        4,
    );
    assert!(
        told.contains("was not contained") && told.contains(&format!("coldcase release {id}")),
        "{told}"
    );
    let told = ran(
        &place.run(&account, None, &["release", id.as_str(), "--yes"]),
        1,
    );
    assert!(told.contains("somebody else changed it"), "{told}");
    assert_eq!(reserved(&account, name).await, Some(7));
    place.is_sound(&id).await;
}

#[tokio::test]
async fn with_a_stack_its_key_signs_and_its_bucket_locks() {
    let account = Account::shared();
    let victim = account.victim("stacked").await;
    let name = &victim.name;
    account.tamper(name).await;
    let case = account.case_of(name, "UpdateFunctionCode").await;
    account.quiet().await;
    account.settled(name).await;
    let id = case.manifest().case_id.to_string();
    let run = |arguments: &[&str]| {
        let mut command = desk(account);
        command.args(arguments).stdin(Stdio::null());
        command.output().unwrap()
    };
    let stop = [
        "contain",
        &id,
        "--reserved-concurrency-zero",
        "--yes",
        "--json",
    ];
    let contained = json_of(&run(&stop), 0);
    assert_eq!(contained["complete"], true, "{contained}");
    assert_eq!(reserved(account, name).await, Some(0));
    let released = json_of(&run(&["release", &id, "--yes", "--json"]), 0);
    assert_eq!(released["differs"], json!([]), "{released}");
    assert_eq!(reserved(account, name).await, None);
    let report = account.check(&case.manifest().case_id).await;
    assert!(report.is_sound(), "{report}");
}
