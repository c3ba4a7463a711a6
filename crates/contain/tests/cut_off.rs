//! Containing and releasing where the power is cut at any moment: what is sealed always says enough to
//! go on or to go back.
#![allow(clippy::unwrap_used, clippy::expect_used)]

use async_trait::async_trait;
use bytes::Bytes;
use collectors::{Collector, Desk, Gathered};
use contain::{
    Aspect, ContainError, Containing, Function, History, Now, Refused, Restore, Sealing, State,
    Step, Wishes, apply,
};
use evidence::{
    Acquisition, ArtifactKind, CustodyAction, OpenCase, Outcome, Permission, Request, ResourceKind,
    Responder, Sha256Digest, Target, Trigger,
};
use futures_util::StreamExt as _;
use serde_json::{Value, json};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex};
use vault::{
    Case, LocalSigner, MemoryVault, Opened, Receipt, Signer, Source, SourceError, Vault, VaultError,
};

const SECRET: &str = "marked-secret";

/// What is done to the world, until the power is cut.
struct Power(AtomicU32);

impl Power {
    fn lasting(effects: u32) -> Arc<Self> {
        Arc::new(Self(AtomicU32::new(effects)))
    }

    /// Whether there is power for one more.
    fn is_on(&self) -> bool {
        let less = |left: u32| left.checked_sub(1);
        let left = self
            .0
            .fetch_update(Ordering::SeqCst, Ordering::SeqCst, less);
        left.is_ok()
    }
}

/// A vault that keeps nothing once the power is cut.
struct Cut {
    beneath: Arc<MemoryVault>,
    power: Arc<Power>,
}

impl Cut {
    fn off<T>(&self, key: &str) -> Result<T, VaultError> {
        Err(VaultError::Unavailable {
            call: "put",
            key: key.to_owned(),
            cause: "the power is cut".to_owned(),
        })
    }
}

#[async_trait]
impl Vault for Cut {
    async fn put_once(
        &self,
        key: &str,
        bytes: Bytes,
        media_type: &str,
    ) -> Result<Receipt, VaultError> {
        match self.power.is_on() {
            true => self.beneath.put_once(key, bytes, media_type).await,
            false => self.off(key),
        }
    }

    async fn put_content(&self, source: &dyn Source, limit: u64) -> Result<Receipt, VaultError> {
        self.beneath.put_content(source, limit).await
    }

    async fn get(&self, key: &str) -> Result<Bytes, VaultError> {
        self.beneath.get(key).await
    }

    async fn open(&self, key: &str) -> Result<Opened, VaultError> {
        self.beneath.open(key).await
    }

    async fn holds(&self, key: &str) -> Result<bool, VaultError> {
        self.beneath.holds(key).await
    }

    async fn list(&self, prefix: &str, limit: usize) -> Result<Vec<String>, VaultError> {
        self.beneath.list(prefix, limit).await
    }
}

/// A function in memory. It takes no change that the vault does not know to be intended.
struct Fake {
    state: Mutex<State>,
    vault: Arc<MemoryVault>,
    power: Mutex<Arc<Power>>,
    /// What cannot be read.
    denied: Option<ArtifactKind>,
}

struct Code(&'static str);

#[async_trait]
impl Source for Code {
    fn expected(&self) -> Option<Sha256Digest> {
        None
    }

    fn media_type(&self) -> &str {
        "application/zip"
    }

    async fn open(&self) -> Result<Opened, SourceError> {
        let bytes = Bytes::from_static(self.0.as_bytes());
        Ok(Opened {
            size_bytes: Some(bytes.len() as u64),
            bytes: futures_util::stream::iter([Ok(bytes)]).boxed(),
        })
    }
}

fn code(which: &str) -> Value {
    json!({"sha256": Sha256Digest::of(which).to_string(), "package": "Zip", "architectures": ["arm64"]})
}

impl Fake {
    fn state(&self) -> State {
        self.state.lock().unwrap().clone()
    }

    /// The replies that this state would be read from.
    fn reply(&self, artifact: ArtifactKind) -> (&'static str, Value) {
        let state = self.state();
        let get = |name: &str| state.get(&Aspect::setting(name).unwrap()).clone();
        match artifact {
            ArtifactKind::Configuration => {
                let layers = get("Layers");
                let layers = layers.as_array().into_iter().flatten();
                let code = state.get(&Aspect::Code);
                let sha256: Sha256Digest = code["sha256"].as_str().unwrap().parse().unwrap();
                (
                    "lambda:GetFunctionConfiguration",
                    json!({
                        "CodeSha256": sha256.to_base64(), "PackageType": "Zip",
                        "Architectures": code["architectures"], "Handler": get("Handler"),
                        "Environment": {"Variables": get("Environment")},
                        "Layers": layers.map(|arn| json!({"Arn": arn})).collect::<Vec<_>>(),
                    }),
                )
            }
            ArtifactKind::Concurrency => (
                "lambda:GetFunctionConcurrency",
                json!({"ReservedConcurrentExecutions": state.get(&Aspect::ReservedConcurrency)}),
            ),
            ArtifactKind::ResourcePolicy => {
                let sids = ["attacker", "bucket"].map(|sid| Aspect::Statement(sid.to_owned()));
                let statements = sids.map(|sid| state.get(&sid).clone());
                let statements: Vec<Value> =
                    statements.into_iter().filter(|it| !it.is_null()).collect();
                let policy = json!({"Version": "2012-10-17", "Statement": statements});
                ("lambda:GetPolicy", json!({"Policy": policy.to_string()}))
            }
            _ => ("lambda:GetFunction", json!({})),
        }
    }
}

#[async_trait]
impl Collector for Fake {
    fn plan(&self) -> Vec<Request> {
        let kinds = [
            ArtifactKind::FunctionCode,
            ArtifactKind::Configuration,
            ArtifactKind::ResourcePolicy,
            ArtifactKind::Concurrency,
        ];
        kinds.map(Request::whole).to_vec()
    }

    async fn collect(&self, desk: &Desk, request: Request) -> Gathered {
        let artifact = request.artifact;
        let mut next = Vec::new();
        let mut exhibits = Vec::new();
        let (call, reply) = self.reply(artifact);
        let document = json!({"replies": [{"call": call, "reply": reply}]});
        exhibits.push(desk.keep_json(&request, call, &document).await.unwrap());
        match artifact {
            ArtifactKind::FunctionCode => {
                let is_good = self.state().get(&Aspect::Code) == &code("good");
                let bytes = Code(if is_good { "good" } else { "evil" });
                let name = "function-code.zip".to_owned();
                exhibits.push(desk.keep_content(name, "https:GET", &bytes).await.unwrap());
            }
            ArtifactKind::Layer => {
                let name = "layer.zip".to_owned();
                exhibits.push(
                    desk.keep_content(name, "https:GET", &Code("layer"))
                        .await
                        .unwrap(),
                );
            }
            ArtifactKind::Configuration => {
                let layers = self.state();
                let layers = layers.layers();
                next = layers
                    .iter()
                    .map(|it| Request::one(ArtifactKind::Layer, *it))
                    .collect();
            }
            _ => {}
        }
        let result = match self.denied == Some(artifact) {
            false => Outcome::Acquired,
            true => Outcome::Denied {
                why: "not allowed".to_owned(),
            },
        };
        Gathered {
            acquisition: Acquisition {
                request,
                target: target(),
                exhibits: if result == Outcome::Acquired {
                    exhibits
                } else {
                    Vec::new()
                },
                result,
                calls: Vec::new(),
            },
            findings: Vec::new(),
            next,
            transient: false,
        }
    }

    fn permissions(&self) -> Vec<Permission> {
        Vec::new()
    }
}

#[async_trait]
impl Function for Fake {
    async fn look(&self) -> Result<Now, Refused> {
        Ok(Now {
            state: self.state(),
            revision: String::new(),
            policy_revision: None,
        })
    }

    async fn preserve(&self, desk: &Desk, case: &mut OpenCase) {
        collectors::gather(self, desk, case, 1).await;
    }

    async fn change(&self, steps: &[Step], _: &Now, bytes: Option<Bytes>) -> Result<(), Refused> {
        let power = Arc::clone(&self.power.lock().unwrap());
        if !power.is_on() {
            return Err(Refused::Failed("the power is cut".to_owned()));
        }
        // Preserve first, say first.
        let case = Case::read(&*self.vault, &id().await)
            .await
            .unwrap()
            .unwrap();
        for step in steps {
            let told = step.told();
            let mut custody = case.manifests.iter().flat_map(|manifest| &manifest.custody);
            assert!(
                custody.any(|entry| match &entry.action {
                    CustodyAction::ContainmentIntended { changes, .. }
                    | CustodyAction::ReleaseIntended { changes, .. } => changes.contains(&told),
                    _ => false,
                }),
                "{told:?} was not intended"
            );
            if step.aspect == Aspect::Code {
                let sha256 = Sha256Digest::of(bytes.as_ref().unwrap()).to_string();
                assert_eq!(step.after["sha256"], sha256.as_str());
            }
        }
        apply(steps, &mut self.state.lock().unwrap());
        Ok(())
    }
}

fn target() -> Target {
    Target::aws(
        "111122223333",
        "eu-west-1",
        ResourceKind::Function,
        "billing",
    )
}

fn responder(attempt: &str) -> Responder {
    Responder {
        program: "coldcase".to_owned(),
        version: "0".to_owned(),
        identity: "alice".to_owned(),
        attempt: attempt.to_owned(),
    }
}

fn now() -> jiff::Timestamp {
    "2026-01-02T03:04:05Z".parse().unwrap()
}

fn open() -> OpenCase {
    let trigger = Trigger::Person {
        request_id: "r-1".to_owned(),
        reason: "a test".to_owned(),
        occurred_at: now(),
    };
    OpenCase::open(trigger, target(), responder("first"), now())
}

async fn id() -> evidence::CaseId {
    open().id().clone()
}

/// A function as an attacker left it, the case of it, and how it was.
struct Scene {
    vault: Arc<MemoryVault>,
    function: Arc<Fake>,
    signer: Arc<dyn Signer>,
    good: State,
}

fn state(evil: bool) -> State {
    let statement = |sid: &str| {
        json!({"Sid": sid, "Effect": "Allow", "Principal": {"Service": "s3.amazonaws.com"},
            "Action": "lambda:InvokeFunction"})
    };
    let configuration = |code: &str, more: Value| {
        let mut all = json!({"CodeSha256": Sha256Digest::of(code).to_base64(), "PackageType": "Zip",
            "Architectures": ["arm64"]});
        for (name, value) in more.as_object().unwrap() {
            all[name] = value.clone();
        }
        all
    };
    let policy = |sids: &[&str]| {
        let statements: Vec<Value> = sids.iter().map(|sid| statement(sid)).collect();
        json!({"Policy": json!({"Statement": statements}).to_string()})
    };
    let (configuration, concurrency, policy) = match evil {
        false => (
            configuration(
                "good",
                json!({"Handler": "app.handler", "Environment": {"Variables": {"KEY": SECRET}}}),
            ),
            json!({"ReservedConcurrentExecutions": 10}),
            policy(&["bucket"]),
        ),
        true => (
            configuration(
                "evil",
                json!({"Handler": "evil.handler", "Layers": [{"Arn": "a:1"}, {"Arn": "b:2"}],
                    "Environment": {"Variables": {"KEY": SECRET, "MORE": SECRET}}}),
            ),
            json!({}),
            policy(&["attacker"]),
        ),
    };
    State::of(&configuration, &concurrency, &policy).unwrap()
}

impl Scene {
    async fn new() -> Self {
        let vault = Arc::new(MemoryVault::new());
        let signer: Arc<dyn Signer> = Arc::new(LocalSigner::ephemeral().unwrap());
        let function = Arc::new(Fake {
            state: Mutex::new(state(true)),
            vault: Arc::clone(&vault),
            power: Mutex::new(Power::lasting(u32::MAX)),
            denied: None,
        });
        vault.put_content(&Code("good"), 100).await.unwrap();
        let mut case = open();
        let shared: Arc<dyn Vault> = vault.clone();
        let desk = Desk::new(shared, case.id().clone(), Arc::new(now), 1000);
        function.preserve(&desk, &mut case).await;
        let sealed = vault::seal(&*vault, &*signer, case.draft(now()).unwrap())
            .await
            .unwrap();
        let mut tracing = sealed.amend(responder("first"), now());
        tracing.custody(CustodyAction::TracingNotWanted, now());
        vault::seal(&*vault, &*signer, tracing.draft(now()).unwrap())
            .await
            .unwrap();
        Self {
            vault,
            function,
            signer,
            good: state(false),
        }
    }

    /// One run of the command line, with power for so much.
    fn containing(&self, attempt: &str, power: &Arc<Power>) -> Containing {
        *self.function.power.lock().unwrap() = Arc::clone(power);
        let vault: Arc<dyn Vault> = Arc::new(Cut {
            beneath: Arc::clone(&self.vault),
            power: Arc::clone(power),
        });
        Containing {
            vault: Arc::clone(&vault),
            ledger: Arc::new(Sealing {
                vault,
                signer: Arc::clone(&self.signer),
                clock: Arc::new(now),
                function: self.function.clone(),
                identity: responder(attempt),
                limit_bytes: 1000,
                deadline: None,
            }),
            clock: Arc::new(now),
            function: self.function.clone(),
            may_lose_layers: false,
        }
    }

    async fn case(&self) -> Case {
        Case::read(&*self.vault, &id().await)
            .await
            .unwrap()
            .unwrap()
    }

    fn wishes(&self) -> Wishes {
        Wishes {
            stop: true,
            detach: vec![],
            detached: vec![],
            restore: Some(Restore {
                record: 1,
                state: self.good.clone(),
                with_role: false,
            }),
        }
    }

    /// Puts the record that is restored into the vault.
    async fn record(&self) {
        let desk_vault = Arc::new(MemoryVault::new());
        let shared: Arc<dyn Vault> = desk_vault.clone();
        let mut case = open();
        let desk = Desk::new(shared, case.id().clone(), Arc::new(now), 1000);
        let good = Fake {
            state: Mutex::new(self.good.clone()),
            vault: Arc::clone(&self.vault),
            power: Mutex::new(Power::lasting(u32::MAX)),
            denied: None,
        };
        good.preserve(&desk, &mut case).await;
        let manifest = case.draft(now()).unwrap().manifest().clone();
        let record = snapshot::Baseline {
            function: target().arn(),
            recorded_at: now(),
            cause: snapshot::Cause::Sweep,
            pieces: contain::pieces(&*desk_vault, &manifest).await.unwrap().0,
            not_read: Vec::new(),
            responder: responder("sweep"),
        };
        let key = evidence::keys::baseline(&target(), 1);
        let bytes = serde_json::to_vec(&record).unwrap();
        self.vault
            .put_once(&key, bytes.into(), "application/json")
            .await
            .unwrap();
    }

    async fn contain(&self, attempt: &str, power: &Arc<Power>) -> Result<bool, ContainError> {
        let containing = self.containing(attempt, power);
        let case = self.case().await;
        let survey = containing.survey(&case, &self.wishes()).await?;
        let outcome = containing.contain(&case, &survey, "alice", None).await?;
        Ok(outcome.is_complete())
    }

    async fn release(&self, attempt: &str, power: &Arc<Power>) -> Result<bool, ContainError> {
        let containing = self.containing(attempt, power);
        let case = self.case().await;
        let survey = containing.survey_release(&case).await?;
        let outcome = containing.release(&case, &survey, "alice", None).await?;
        assert_eq!(outcome.differs, Vec::<String>::new());
        Ok(outcome.is_complete())
    }

    fn contained(&self) -> State {
        let mut contained = self.good.clone();
        contained.set(Aspect::ReservedConcurrency, 0.into());
        contained
    }

    async fn is_sound(&self) {
        let pem = self.signer.public_key_pem().await.unwrap();
        let report = vault::check(&*self.vault, &id().await, Some(&pem)).await;
        assert!(report.is_sound(), "{report}");
        for key in self.vault.list("cases/", 10_000).await.unwrap() {
            let bytes = self.vault.get(&key).await.unwrap();
            let is_configuration = key.contains("configuration.");
            let holds = String::from_utf8_lossy(&bytes).contains(SECRET);
            assert!(!holds || is_configuration, "{key}");
        }
    }
}

fn enough() -> Arc<Power> {
    Power::lasting(u32::MAX)
}

#[tokio::test]
async fn wherever_containing_breaks_off_the_next_run_contains_and_a_release_restores() {
    let mut cut_in_between = 0;
    for effects in 0.. {
        let scene = Scene::new().await;
        scene.record().await;
        let done = scene.contain("cut", &Power::lasting(effects)).await;
        let now = scene.function.state();
        cut_in_between += u32::from(now != state(true) && now != scene.contained());
        assert!(
            scene.contain("again", &enough()).await.unwrap(),
            "{effects}"
        );
        assert_eq!(scene.function.state(), scene.contained(), "{effects}");
        assert!(scene.release("back", &enough()).await.unwrap(), "{effects}");
        assert_eq!(scene.function.state(), state(true), "{effects}");
        assert_eq!(History::of(&scene.case().await).open().count(), 0);
        scene.is_sound().await;
        if done.is_ok_and(|complete| complete) {
            break;
        }
    }
    assert!(cut_in_between >= 3, "{cut_in_between}");
}

#[tokio::test]
async fn wherever_containing_breaks_off_a_release_restores() {
    for effects in 0.. {
        let scene = Scene::new().await;
        scene.record().await;
        let done = scene.contain("cut", &Power::lasting(effects)).await;
        assert!(scene.release("back", &enough()).await.unwrap(), "{effects}");
        assert_eq!(scene.function.state(), state(true), "{effects}");
        scene.is_sound().await;
        if done.is_ok_and(|complete| complete) {
            break;
        }
    }
}

#[tokio::test]
async fn wherever_releasing_breaks_off_the_next_release_ends_it() {
    for effects in 0.. {
        let scene = Scene::new().await;
        scene.record().await;
        assert!(scene.contain("contain", &enough()).await.unwrap());
        let done = scene.containing("cut", &Power::lasting(effects));
        let case = scene.case().await;
        let survey = done.survey_release(&case).await.unwrap();
        let done = done.release(&case, &survey, "alice", None).await;
        assert!(
            scene.release("again", &enough()).await.unwrap(),
            "{effects}"
        );
        assert_eq!(scene.function.state(), state(true), "{effects}");
        scene.is_sound().await;
        if done.is_ok_and(|outcome| outcome.is_complete()) {
            break;
        }
    }
}

#[tokio::test]
async fn what_cannot_be_preserved_is_not_changed() {
    for kind in [
        ArtifactKind::FunctionCode,
        ArtifactKind::Configuration,
        ArtifactKind::ResourcePolicy,
        ArtifactKind::Concurrency,
    ] {
        let mut scene = Scene::new().await;
        scene.function = Arc::new(Fake {
            state: Mutex::new(state(true)),
            vault: Arc::clone(&scene.vault),
            power: Mutex::new(enough()),
            denied: Some(kind),
        });
        let sealed = scene.case().await.manifests.len();
        let refused = scene.contain("denied", &enough()).await.unwrap_err();
        assert!(
            matches!(refused, ContainError::NotPreserved(_)),
            "{refused}"
        );
        assert_eq!(scene.function.state(), state(true));
        assert_eq!(scene.case().await.manifests.len(), sealed);
    }
}

#[tokio::test]
async fn a_layer_that_cannot_be_preserved_is_detached_only_if_that_is_said() {
    let mut scene = Scene::new().await;
    scene.function = Arc::new(Fake {
        state: Mutex::new(state(true)),
        vault: Arc::clone(&scene.vault),
        power: Mutex::new(enough()),
        denied: Some(ArtifactKind::Layer),
    });
    let wishes = Wishes {
        detach: vec!["a:1".to_owned()],
        ..Wishes::default()
    };
    let case = scene.case().await;
    let mut containing = scene.containing("layers", &enough());
    let survey = containing.survey(&case, &wishes).await.unwrap();
    let refused = containing.contain(&case, &survey, "alice", None).await;
    assert!(matches!(refused, Err(ContainError::NotPreserved(_))));
    assert_eq!(scene.function.state(), state(true));
    containing.may_lose_layers = true;
    let outcome = containing
        .contain(&case, &survey, "alice", None)
        .await
        .unwrap();
    assert!(outcome.is_complete());
    assert_eq!(scene.function.state().layers(), ["b:2"]);
}

#[tokio::test]
async fn a_function_that_changed_since_it_was_shown_is_left_as_it_is() {
    let scene = Scene::new().await;
    let containing = scene.containing("late", &enough());
    let case = scene.case().await;
    let wishes = Wishes {
        stop: true,
        ..Wishes::default()
    };
    let survey = containing.survey(&case, &wishes).await.unwrap();
    let timeout = Aspect::setting("Handler").unwrap();
    scene
        .function
        .state
        .lock()
        .unwrap()
        .set(timeout, "other".into());
    let outcome = containing
        .contain(&case, &survey, "alice", None)
        .await
        .unwrap();
    assert!(matches!(outcome.stopped, Some(Refused::Meanwhile(_))));
    assert!(!outcome.is_complete());
    assert_eq!(
        scene.function.state().get(&Aspect::ReservedConcurrency),
        &Value::Null
    );
}
