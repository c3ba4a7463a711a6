//! For tests: a sealed case like real ones, in any vault.
//!
//! The story: the function `billing` of account 111122223333 in eu-west-1 is changed by
//! `user/ci-deploy` from 203.0.113.66. Its new code posts its credentials away, a layer of another
//! account is added, its role may do more than before. Soon its credentials are used from elsewhere.
//!
//! Nothing here imitates a format: the acquisitions are laid down through the collectors' own desk, the
//! window's pages are merged by the investigating function, and the packages are opened by the
//! examining one. Only what the provider answers is made up: `function.rs` says how the function was and
//! is, `window.rs` what happened around the change.

mod contents;
mod function;
mod hostile;
mod window;

pub use hostile::{BREAKS, LONG_NAME_BYTES};

use ::function::Attempt;
use anyhow::{Context as _, Result};
use async_trait::async_trait;
use bytes::Bytes;
use collectors::Clouds;
use collectors::Desk;
use collectors::Pace;
use collectors::aws::Regions;
use collectors::aws::window::TrailSource;
use evidence::{
    Acquisition, Call, CaseId, Category, Confidence, CustodyAction, Finding, OpenCase, Proof,
    ResourceKind, Responder, SealedCase, Severity, Target, Trigger, keys,
};
use examine::{Bookcase, Examiner, Place};
use investigate::{Investigator, Pass, Step, ToSeal};
use jiff::{SignedDuration, Timestamp};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;
use tokio::time::Instant;
use vault::{Clock, DirectoryVault, LocalSigner, Signer, Vault};

/// The account of every specimen.
pub const ACCOUNT: &str = "111122223333";
/// The Region of every specimen.
pub const REGION: &str = "eu-west-1";
/// The value of the environment variable `DATABASE_PASSWORD`: it may stand in the vault's evidence and
/// nowhere else.
pub const SECRET: &str = "specimen-secret-9d1f27c4";
/// Where the credentials are posted to and used from.
pub const ATTACKER: &str = "203.0.113.66";

/// How far a case has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Stage {
    /// The case itself: number 0.
    Sealed,
    /// What came of tracing: number 1.
    Traced,
    /// Its packages are examined: number 2.
    Examined,
    /// The first pass over the window and its examination: numbers 3 and 4.
    Investigated,
}

/// What a case is to be like. [`Specimen::seal`] writes it.
#[derive(Clone, Debug)]
pub struct Specimen {
    function: String,
    changed_at: Timestamp,
    timeline_entries: usize,
    hostile: bool,
    baseline: bool,
    stage: Stage,
}

impl Default for Specimen {
    fn default() -> Self {
        Self::new()
    }
}

impl Specimen {
    /// The whole story of `billing`, changed at 2026-11-20T03:15:01Z: a case with four addenda.
    pub fn new() -> Self {
        Self {
            function: "billing".to_owned(),
            changed_at: Timestamp::constant(1_795_144_501, 0),
            timeline_entries: 0,
            hostile: false,
            baseline: true,
            stage: Stage::Investigated,
        }
    }

    /// Of another function: another case in the same vault.
    pub fn function(mut self, name: &str) -> Self {
        self.function = name.to_owned();
        self
    }

    /// Changed at another time: another case in the same vault.
    pub fn changed_at(mut self, changed_at: Timestamp) -> Self {
        self.changed_at = changed_at;
        self
    }

    /// At least so many entries in the timeline; 0, the default, is the story alone.
    pub fn timeline_entries(mut self, entries: usize) -> Self {
        self.timeline_entries = entries;
        self
    }

    /// Whatever an attacker names is a script, a terminal's escape, text from right to left, or long:
    /// principal, address, variables, files, log lines, records. The names hold [`BREAKS`].
    pub fn hostile(mut self) -> Self {
        self.hostile = true;
        self
    }

    /// The function was never recorded as good, so there are no differences.
    pub fn without_baseline(mut self) -> Self {
        self.baseline = false;
        self
    }

    /// Ends with the case itself.
    pub fn only_sealed(mut self) -> Self {
        self.stage = Stage::Sealed;
        self
    }

    /// Ends with what came of tracing.
    pub fn only_traced(mut self) -> Self {
        self.stage = Stage::Traced;
        self
    }

    /// Ends with the examination of the packages: nothing of the window is collected yet.
    pub fn only_examined(mut self) -> Self {
        self.stage = Stage::Examined;
        self
    }

    /// The function that the case is about.
    pub fn target(&self) -> Target {
        Target::aws(ACCOUNT, REGION, ResourceKind::Function, &*self.function)
    }

    /// The id that the case has or will have.
    pub fn case_id(&self) -> CaseId {
        CaseId::derive(&self.trigger(), &self.target())
    }

    /// Writes the case into a vault. Twice is once, as long as the signer is the same.
    pub async fn seal(&self, vault: Arc<dyn Vault>, signer: Arc<dyn Signer>) -> Result<CaseId> {
        let id = self.case_id();
        let lab = Lab {
            specimen: self,
            id: id.clone(),
            vault,
            signer,
        };
        if self.baseline {
            lab.record_baseline().await?;
        }
        let case = lab.seal_case().await?;
        if self.stage >= Stage::Traced {
            lab.seal_tracing(&case).await?;
        }
        if self.stage >= Stage::Examined {
            lab.examine("sealed", SignedDuration::from_secs(30)).await?;
        }
        if self.stage >= Stage::Investigated {
            lab.investigate().await?;
            lab.examine("first", SignedDuration::from_mins(22)).await?;
        }
        Ok(id)
    }

    /// Writes the case into a folder, signed with the key that is kept beside its vault.
    pub async fn seal_in(&self, folder: impl AsRef<Path>) -> Result<Kept> {
        let folder = folder.as_ref();
        let vault = Arc::new(DirectoryVault::open(folder.join("vault")).await?);
        let signer = Arc::new(LocalSigner::in_file(folder.join("signing-key.pem"))?);
        let case_id = self.seal(Arc::clone(&vault) as _, signer.clone()).await?;
        let public_key = folder.join("public-key.pem");
        std::fs::write(&public_key, signer.public_key_pem().await?)?;
        Ok(Kept {
            case_id,
            folder: vault.root().to_owned(),
            vault,
            signer,
            public_key,
        })
    }

    fn after(&self, later: SignedDuration) -> Timestamp {
        self.changed_at
            .checked_add(later)
            .unwrap_or(self.changed_at)
    }

    fn trigger(&self) -> Trigger {
        let (principal, source_address) = if self.hostile {
            (hostile::principal(), hostile::address())
        } else {
            (
                format!("arn:aws:iam::{ACCOUNT}:user/ci-deploy"),
                ATTACKER.to_owned(),
            )
        };
        Trigger::CloudTrailEvent {
            event_id: window::TAMPERING.to_owned(),
            event_name: "UpdateFunctionCode20150331v2".to_owned(),
            occurred_at: self.changed_at,
            category: Category::Code,
            severity: Severity::High,
            technique: "T1648".to_owned(),
            principal: Some(principal),
            source_address: Some(source_address),
        }
    }
}

/// A case in a folder.
pub struct Kept {
    /// The case.
    pub case_id: CaseId,
    /// The vault's folder: what `--vault` takes.
    pub folder: PathBuf,
    /// The same, opened.
    pub vault: Arc<DirectoryVault>,
    /// Who signed.
    pub signer: Arc<LocalSigner>,
    /// A file with the public key, beside the vault: what `--key` takes.
    pub public_key: PathBuf,
}

/// One specimen in the making.
struct Lab<'a> {
    specimen: &'a Specimen,
    id: CaseId,
    vault: Arc<dyn Vault>,
    signer: Arc<dyn Signer>,
}

impl Lab<'_> {
    /// A clock that begins so long after the change and goes on a millisecond whenever it is looked at.
    fn clock(&self, later: SignedDuration) -> Clock {
        let begins = self.specimen.after(later);
        let looks = AtomicI64::new(0);
        Arc::new(move || {
            let look = looks.fetch_add(1, Ordering::Relaxed);
            begins
                .checked_add(SignedDuration::from_millis(look))
                .unwrap_or(begins)
        })
    }

    fn identity(&self, function: &str) -> String {
        Target::aws(ACCOUNT, REGION, ResourceKind::Function, function).arn()
    }

    fn responder(&self, function: &str) -> Responder {
        Responder {
            program: "coldcase".to_owned(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
            identity: self.identity(function),
            attempt: attempt().id,
        }
    }

    /// The function as it was a day before.
    async fn record_baseline(&self) -> Result<()> {
        let target = self.specimen.target();
        let pieces = function::as_it_was(self.specimen);
        for piece in &pieces {
            for content in &piece.contents {
                self.vault.put_content(content, u64::MAX).await?;
            }
        }
        let record = snapshot::Baseline {
            function: target.id_unqualified(),
            recorded_at: self.specimen.after(SignedDuration::from_hours(-24)),
            cause: snapshot::Cause::Sweep,
            pieces: pieces.iter().map(function::Told::as_piece).collect(),
            not_read: Vec::new(),
            responder: self.responder("coldcase-baseline"),
        };
        let bytes = serde_json::to_vec(&record)?;
        self.vault
            .put_once(&keys::baseline(&target, 1), bytes.into(), JSON)
            .await?;
        Ok(())
    }

    /// The case itself, its evidence laid down through the collectors' desk.
    async fn seal_case(&self) -> Result<SealedCase> {
        let clock = self.clock(SignedDuration::from_secs(5));
        let desk = Desk::new(
            Arc::clone(&self.vault),
            self.id.clone(),
            Arc::clone(&clock),
            u64::MAX,
        );
        let mut case = OpenCase::open(
            self.specimen.trigger(),
            self.specimen.target(),
            self.responder("coldcase-respond"),
            clock(),
        );
        for told in function::as_it_is(self.specimen) {
            case.record(self.acquire(&desk, told).await?);
        }
        if self.specimen.hostile {
            case.find(Finding {
                rule: "deployer-not-trusted".to_owned(),
                statement: format!("{} is nobody that the owner trusts", hostile::NAME),
                severity: Severity::Low,
                confidence: Confidence::High,
                technique: None,
                advice: Some(hostile::NAME.to_owned()),
                proof: vec![Proof {
                    exhibit: "trigger-event".to_owned(),
                    path: Some(hostile::NAME.to_owned()),
                    line: None,
                    excerpt: Some(hostile::NAME.to_owned()),
                }],
            });
        }
        let draft = case.draft(clock())?;
        Ok(vault::seal(&*self.vault, &*self.signer, draft).await?)
    }

    async fn acquire(&self, desk: &Desk, told: function::Told) -> Result<Acquisition> {
        let mut exhibits = Vec::new();
        let mut calls = Vec::new();
        for (call, about) in told.calls() {
            calls.push(Call {
                api: call.to_owned(),
                about: about.to_owned(),
                started_at: desk.now(),
                duration_ms: 41,
                error: told.result.why().map(str::to_owned),
                requests: 1,
            });
        }
        if let Some(document) = told.document(&self.specimen.target(), desk.now()) {
            let source = told.source();
            let kept = desk.keep_json(&told.request, &source, &document).await?;
            exhibits.push(kept);
        }
        for content in &told.contents {
            let kept = desk.keep_content(content.name.clone(), "https:GET", content);
            exhibits.push(kept.await?);
        }
        Ok(Acquisition {
            request: told.request,
            target: self.specimen.target(),
            result: told.result,
            calls,
            exhibits,
        })
    }

    async fn seal_tracing(&self, case: &SealedCase) -> Result<()> {
        let clock = self.clock(SignedDuration::from_secs(14));
        let mut addendum = case.amend(self.responder("coldcase-respond"), clock());
        let action = match self.specimen.hostile {
            true => CustodyAction::TracingNotPossible {
                why: hostile::NAME.to_owned(),
            },
            false => CustodyAction::TracingTurnedOn {
                revision_before: "4d2c1f0e-0001-4000-8000-000000000001".to_owned(),
                revision_after: "4d2c1f0e-0002-4000-8000-000000000002".to_owned(),
                mode_before: "PassThrough".to_owned(),
                mode_after: "Active".to_owned(),
            },
        };
        addendum.custody(action, clock());
        vault::seal(&*self.vault, &*self.signer, addendum.draft(clock())?).await?;
        Ok(())
    }

    /// The first pass over the window, by the investigating function from pages that are there already.
    async fn investigate(&self) -> Result<()> {
        window::lay_down(self.specimen, &self.id, &*self.vault).await?;
        let step = Step {
            case_id: self.id.clone(),
            pass: Pass::First,
            window: None,
        };
        let investigator = self.investigator(SignedDuration::from_mins(20));
        let progress = investigator.take(step, &attempt()).await?;
        progress.addendum.context("the first pass is not sealed")?;
        Ok(())
    }

    /// An examination by the examining function, sealed by the investigating one.
    async fn examine(&self, pass: &str, later: SignedDuration) -> Result<()> {
        let scratch = tempfile::tempdir()?;
        let examiner = Examiner {
            vault: Arc::clone(&self.vault),
            bookcase: Arc::new(NoBooks),
            clock: self.clock(later),
            scratch: scratch.path().to_owned(),
            limits: package::Limits::default(),
            settings: examine::Settings {
                limit_bytes: 64 << 20,
                rules: None,
                advisories: None,
                expected: None,
            },
            underway: Arc::default(),
        };
        let step = examine::Step {
            case_id: self.id.clone(),
            pass: pass.to_owned(),
            execution: None,
        };
        examiner.take(&step, &attempt()).await?;
        let asked = ToSeal {
            case_id: self.id.clone(),
            examination: pass.to_owned(),
            failure: None,
        };
        let later = later + SignedDuration::from_secs(5);
        let investigator = self.investigator(later);
        investigator.seal_examination(&asked, &attempt()).await?;
        Ok(())
    }

    fn investigator(&self, later: SignedDuration) -> Investigator {
        // Nobody is asked: every page is there.
        let config = aws_config::SdkConfig::builder()
            .behavior_version(aws_config::BehaviorVersion::latest())
            .region(aws_config::Region::from_static(REGION))
            .build();
        Investigator {
            vault: Arc::clone(&self.vault),
            signer: Arc::clone(&self.signer),
            clock: self.clock(later),
            clouds: Clouds::of_aws(Regions::new(&config, &[REGION])),
            pace: Arc::new(Pace::default()),
            settings: investigate::Settings {
                identity: self.identity("coldcase-investigate"),
                regions: vec![REGION.to_owned()],
                settle: Duration::from_secs(15 * 60),
                late: Duration::from_secs(60 * 60),
                window: Duration::from_secs(48 * 3600),
                baseline: Duration::from_secs(14 * 86_400),
                trail: TrailSource {
                    bucket: None,
                    prefix: String::new(),
                    limit_bytes: 0,
                    athena: None,
                },
                place: "s3://coldcase-evidence".to_owned(),
            },
        }
    }
}

/// The owner gave no rules.
struct NoBooks;

#[async_trait]
impl Bookcase for NoBooks {
    async fn list(&self, _: &Place, _: usize) -> Result<Vec<(String, u64)>, String> {
        Ok(Vec::new())
    }

    async fn get(&self, _: &Place, _: &str, _: u64) -> Result<Bytes, String> {
        Err("NoSuchKey".to_owned())
    }
}

fn attempt() -> Attempt {
    Attempt {
        id: "8f6e1c00-5a3e-4b7d-9c2a-3f1d2e4b5a60".to_owned(),
        deadline: Instant::now() + Duration::from_secs(3600),
    }
}

const JSON: &str = "application/json";
