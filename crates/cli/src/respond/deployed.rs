//! Has the stack's function do it, and looks on: what lands in the vault is told as it lands.

use super::Order;
use super::landing::Landing;
use crate::desk::{Account, Failure, Kind, Stack, Tone, refused};
use anyhow::Result;
use aws_config::retry::RetryConfig;
use aws_config::timeout::TimeoutConfig;
use aws_sdk_lambda::config::StalledStreamProtectionConfig;
use aws_sdk_lambda::error::ProvideErrorMetadata as _;
use aws_sdk_lambda::primitives::Blob;
use evidence::{CaseId, ResourceKind, Target, Trigger, Window, keys, shown};
use futures_util::{StreamExt as _, stream};
use jiff::Timestamp;
use serde::Deserialize;
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};
use vault::{Case, Vault};

/// How often the vault is looked at.
const LOOK: Duration = Duration::from_millis(700);
/// How many targets are asked for at a time; the function answers events besides.
const PARALLEL: usize = 3;
/// How often the function is asked again where its answer was lost or its time was up. It goes on in
/// the same case.
const TRIES: u32 = 4;
/// How long a case that was handed to the queue, or an examination, is waited for.
const PATIENCE: Duration = Duration::from_secs(1800);
/// The most keys of one case that are looked at.
const MOST_KEYS: usize = 5000;

/// The stack's function.
pub struct Deployed<'a> {
    order: &'a Order,
    client: aws_sdk_lambda::Client,
    function: String,
    vault: Arc<dyn Vault>,
    landing: Arc<Landing>,
    /// What was told already.
    seen: Mutex<BTreeSet<String>>,
    /// Steps that came to nothing, in words.
    left: Mutex<Vec<String>>,
}

/// What the function answers of one target.
#[derive(Deserialize)]
#[serde(tag = "did", rename_all = "kebab-case")]
enum Answer {
    Sealed {
        case_id: CaseId,
        target: String,
        #[serde(default)]
        tracing: Option<String>,
        #[serde(default)]
        remark: Option<String>,
    },
    SpreadOut {
        targets: Vec<String>,
    },
    Recorded {
        reason: String,
    },
    Ignored {
        reason: String,
    },
}

/// What came of each target, in the order of the targets, however long each takes.
async fn in_order<'t, T, F: Future<Output = T>>(
    targets: &'t [Target],
    ask: impl Fn(&'t Target) -> F,
) -> Vec<T> {
    stream::iter(targets)
        .map(ask)
        .buffered(PARALLEL)
        .collect()
        .await
}

impl<'a> Deployed<'a> {
    /// The function of `stack`, whose vault can be read.
    pub fn new(
        order: &'a Order,
        account: &Account,
        stack: &Stack,
        vault: Arc<dyn Vault>,
        landing: &Arc<Landing>,
    ) -> Result<Self> {
        // Waits for as long as it takes; asking again is decided here, where it is told.
        let config = aws_sdk_lambda::config::Builder::from(&account.config)
            .timeout_config(
                TimeoutConfig::builder()
                    .disable_operation_timeout()
                    .disable_operation_attempt_timeout()
                    .disable_read_timeout()
                    .connect_timeout(Duration::from_secs(4))
                    .build(),
            )
            .stalled_stream_protection(StalledStreamProtectionConfig::disabled())
            .retry_config(RetryConfig::disabled());
        Ok(Self {
            order,
            client: aws_sdk_lambda::Client::from_conf(config.build()),
            function: stack.output("FunctionArn")?.to_owned(),
            vault,
            landing: Arc::clone(landing),
            seen: Mutex::default(),
            left: Mutex::default(),
        })
    }

    /// Has the cases of these targets made. Answers what could not be done, in words.
    pub async fn respond(&self, targets: &[Target], wait: bool) -> Result<Vec<String>> {
        let asking = async {
            let answers = in_order(targets, |target| self.ask(target)).await;
            let mut spread = Vec::new();
            let mut failed = Vec::new();
            for (target, answer) in targets.iter().zip(answers) {
                match answer {
                    Ok(answer) => spread.extend(self.answered(target, answer)),
                    Err(error) => failed.push((target, error)),
                }
            }
            // What was answered for others counts; where nothing was, the first failure is the answer.
            if failed.len() == targets.len() && !failed.is_empty() {
                return Err(failed.swap_remove(0).1);
            }
            for (target, error) in failed {
                self.leave(format!(
                    "{}: {}",
                    target.id(),
                    shown(&format!("{error:#}"), 400)
                ));
            }
            self.follow(&spread).await?;
            if wait {
                self.examined().await?;
            }
            Ok::<(), anyhow::Error>(())
        };
        tokio::select! {
            done = asking => done?,
            () = self.look_on(targets) => {}
        }
        let left = self.left.lock().unwrap_or_else(PoisonError::into_inner);
        Ok(left.clone())
    }

    /// Takes down what the function answered; the cases that it handed to its queue.
    fn answered(&self, target: &Target, answers: Vec<Answer>) -> Vec<Target> {
        let mut spread = Vec::new();
        for answer in answers {
            match answer {
                Answer::Sealed {
                    case_id,
                    target,
                    tracing,
                    remark,
                } => {
                    self.landing.sealed(&case_id, &target, tracing.as_deref());
                    if let Some(remark) = remark {
                        self.leave(shown(&remark, 600));
                    }
                }
                Answer::SpreadOut { targets } => {
                    let found = targets.len();
                    self.landing.say(format_args!(
                        "found      {found} functions of {}",
                        shown(&target.name, 80)
                    ));
                    let read = targets.iter().map(|arn| Target::from_arn(arn));
                    spread.extend(read.filter_map(Result::ok));
                }
                Answer::Recorded { reason } | Answer::Ignored { reason } => {
                    self.leave(format!("{}: {}", target.id(), shown(&reason, 400)));
                }
            }
        }
        spread
    }

    fn leave(&self, what: String) {
        let mut left = self.left.lock().unwrap_or_else(PoisonError::into_inner);
        left.push(what);
    }

    /// Asks for one target's case; where the answer is lost or the function's time was up, again.
    async fn ask(&self, target: &Target) -> Result<Vec<Answer>> {
        let step = self.landing.step("preserving");
        step.at(&target.name);
        let request = json!({
            "target": target.id(),
            "reason": self.order.reason,
            "tracing": (!self.order.tracing).then_some(false),
            "window": self.window(),
            "request_id": self.order.request.id,
        });
        let mut tries = 0;
        loop {
            tries += 1;
            let asked = self.client.invoke().function_name(&self.function);
            let asked = asked.payload(Blob::new(request.to_string())).send().await;
            let again = match asked {
                Ok(reply) => {
                    let payload = reply.payload().map(AsRef::as_ref).unwrap_or_default();
                    let read: Result<Value, _> = serde_json::from_slice(payload);
                    let payload = read.unwrap_or_default();
                    match reply.function_error() {
                        None => return answers(payload),
                        Some(_) => function_failed(&payload),
                    }
                }
                Err(error) => {
                    let passes = matches!(
                        error.code(),
                        None | Some("TooManyRequestsException" | "ServiceException")
                    );
                    let error = refused("lambda:InvokeFunction", Some("ResponderPolicy"), &error);
                    match passes {
                        true => error,
                        false => return Err(error),
                    }
                }
            };
            if tries >= TRIES || Failure::kind(&again) == Kind::Usage {
                return Err(again);
            }
            self.landing.say(format_args!(
                "again      {} ({})",
                Tone::Warn.paint("the function is asked to go on in the same case"),
                shown(&format!("{again:#}"), 200)
            ));
            tokio::time::sleep(Duration::from_secs(u64::from(tries) * 2)).await;
        }
    }

    /// The window that the options name; the stack's own if they name none.
    fn window(&self) -> Option<Window> {
        if !self.order.window_is_named {
            return None;
        }
        let until = self.order.request.at;
        let since = until.checked_sub(self.order.window).ok()?;
        Window::new(since, until).ok()
    }

    /// Tells what lands, for as long as it is waited for.
    async fn look_on(&self, targets: &[Target]) {
        let mut asked_at = None;
        loop {
            tokio::time::sleep(LOOK).await;
            if asked_at.is_none() {
                asked_at = self.asked_at().await;
            }
            let Some(asked_at) = asked_at else { continue };
            for target in targets {
                if target.kind == ResourceKind::Function {
                    self.look(&self.case_of(target, asked_at)).await;
                }
            }
            for case in self.landing.begun() {
                self.look(&case).await;
            }
        }
    }

    /// When the function first heard of this request; what its cases are named after.
    async fn asked_at(&self) -> Option<Timestamp> {
        let key = keys::request(&self.order.request.id);
        let note = self.vault.get(&key).await.ok()?;
        let note: Value = serde_json::from_slice(&note).ok()?;
        note["occurred_at"].as_str()?.parse().ok()
    }

    fn case_of(&self, target: &Target, asked_at: Timestamp) -> CaseId {
        let trigger = Trigger::Person {
            request_id: self.order.request.id.clone(),
            reason: String::new(),
            occurred_at: asked_at,
        };
        CaseId::derive(&trigger, target)
    }

    /// Tells what is new in a case. What cannot be looked at now is told at the end.
    async fn look(&self, case: &CaseId) {
        let folder = keys::case(case);
        let Ok(found) = self.vault.list(&folder, MOST_KEYS).await else {
            return;
        };
        if found.is_empty() {
            return;
        }
        self.landing.begin(case);
        for key in found {
            let new = {
                let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
                seen.insert(key.clone())
            };
            let rest = key.strip_prefix(&folder).unwrap_or_default();
            if let (true, Some(exhibit)) = (new, rest.strip_prefix("exhibits/")) {
                let name = exhibit.split('.').next().unwrap_or(exhibit);
                self.landing.artifact(("landed", Tone::Good), name, "");
            }
        }
    }

    /// Waits until the cases that were handed to the queue are sealed.
    async fn follow(&self, targets: &[Target]) -> Result<()> {
        if targets.is_empty() {
            return Ok(());
        }
        let Some(asked_at) = self.asked_at().await else {
            self.leave(format!(
                "{} cases were handed to the stack's queue; they cannot be followed, since the vault \
                 cannot be read: `coldcase cases` lists them",
                targets.len()
            ));
            return Ok(());
        };
        let step = self.landing.step("waiting for the queue");
        let began = Instant::now();
        let mut open: Vec<&Target> = targets.iter().collect();
        while !open.is_empty() && began.elapsed() < PATIENCE {
            let mut still = Vec::new();
            for target in open {
                let case = self.case_of(target, asked_at);
                // What came of tracing is sealed next to last.
                let wanted =
                    keys::envelope(&case, u32::from(target.kind == ResourceKind::Function));
                match self.vault.holds(&wanted).await? {
                    true => {
                        self.landing.begin(&case);
                        self.landing
                            .say(format_args!("sealed     {}", shown(&target.id(), 200)));
                    }
                    false => still.push(target),
                }
            }
            open = still;
            step.at(&format!(
                "{} of {} sealed",
                targets.len() - open.len(),
                targets.len()
            ));
            tokio::time::sleep(LOOK).await;
        }
        for target in open {
            self.landing.begin(&self.case_of(target, asked_at));
            self.leave(format!(
                "{} was handed to the stack's queue and is not sealed yet",
                target.id()
            ));
        }
        Ok(())
    }

    /// Waits until a first examination of each case is sealed.
    async fn examined(&self) -> Result<()> {
        let step = self.landing.step("waiting for the examination");
        let began = Instant::now();
        for id in self.landing.begun() {
            step.at(id.as_str());
            loop {
                let case = Case::read(&*self.vault, &id).await?;
                let Some(case) = case else { break };
                let is_function = case.first().target.kind == ResourceKind::Function;
                if !is_function || case.manifests.iter().any(|it| it.verdict.is_some()) {
                    break;
                }
                if began.elapsed() > PATIENCE {
                    self.leave(format!(
                        "{id} is not examined yet; `coldcase show` tells when it is"
                    ));
                    break;
                }
                tokio::time::sleep(LOOK * 2).await;
            }
        }
        Ok(())
    }
}

fn answers(payload: Value) -> Result<Vec<Answer>> {
    serde_json::from_value(payload).map_err(|error| {
        Failure::new(
            Kind::Usage,
            format!("the stack's function answered what this program does not know: {error}"),
        )
    })
}

/// What the function says went wrong.
fn function_failed(payload: &Value) -> anyhow::Error {
    let text = |field: &str| shown(payload[field].as_str().unwrap_or_default(), 600);
    let (name, what) = (text("errorType"), text("errorMessage"));
    match name.as_str() {
        "BadInput" => Failure::new(Kind::Usage, what),
        "VaultFailed" | "NotSealed" => {
            Failure::new(Kind::Vault, format!("the stack's function: {what}"))
        }
        _ => Failure::new(
            Kind::Access,
            format!("the stack's function ended with {name}: {what}"),
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_answer_is_of_its_target_whichever_comes_first() {
        let target = |name: &str| {
            Target::from_arn(&format!(
                "arn:aws:lambda:eu-west-1:111122223333:function:{name}"
            ))
        };
        let targets: Vec<Target> = ["slow", "fast", "faster"]
            .map(|name| target(name).unwrap())
            .into();
        let asked = in_order(&targets, |target| async move {
            let turns = if target.name == "slow" { 20 } else { 1 };
            for _ in 0..turns {
                tokio::task::yield_now().await;
            }
            target.name.clone()
        });
        let runtime = tokio::runtime::Builder::new_current_thread().build();
        let names = runtime.unwrap().block_on(asked);
        assert_eq!(names, ["slow", "fast", "faster"]);
    }
}
