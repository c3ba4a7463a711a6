//! Who records functions: the stack's own function, or this process with the caller's credentials.

use crate::desk::{Account, Failure, Key, Kind, Opened, Output, Stack, refused};
use anyhow::{Result, bail};
use aws_sdk_lambda::primitives::Blob;
use baseline::{BaselineError, Keeper, Pace, Settings, Step};
use collectors::Clouds;
use collectors::aws::Regions;
use evidence::shown;
use function::{Attempt, Sealing};
use serde_json::{Value, json};
use std::process;
use std::sync::Arc;
use std::time::Duration;
use tokio::time::{Instant, sleep};
use vault::{Lock, LockMode};

/// As the stack's default: how many requests a second AWS is asked.
const REQUESTS_PER_SECOND: u32 = 8;
/// The largest artifact that is kept.
const MOST_BYTES: u64 = 2 << 30;
/// As the stack's default: the tag that keeps a function from being recorded with all the others.
const EXCLUDE_TAG: &str = "coldcase:exclude";
/// How long one step may take in this process: a sweep has a step for every few functions.
const STEP: Duration = Duration::from_secs(3600);
/// The stack's policy that allows all of it.
const ACCEPT: Option<&str> = Some("AcceptPolicy");
/// How long to wait before the state machine is asked again.
const AGAIN_AFTER: Duration = Duration::from_secs(2);

/// Who records.
pub enum Recorder<'a> {
    /// The deployed stack.
    Stack(&'a Stack, &'a Account),
    /// This process.
    Here(Box<Keeper>),
}

impl<'a> Recorder<'a> {
    /// The stack's, if there is one; else this process, which writes into the vault itself.
    pub fn of(
        opened: &'a Opened,
        account: &'a Account,
        key: &Key,
        output: &Output,
    ) -> Result<Self> {
        if let Some(stack) = &opened.stack {
            return Ok(Self::Stack(stack, account));
        }
        let regions = vec![account.region.clone()];
        let clouds = Clouds::of_aws(Regions::new(&account.config, &regions));
        let asked = (clouds, account.caller.as_str(), Some(account));
        Self::here(opened, asked, regions, key, output)
    }

    /// This process, which asks `clouds` as `identity`; the account is of AWS, if there is one.
    pub fn here(
        opened: &Opened,
        (clouds, identity, account): (Clouds, &str, Option<&Account>),
        regions: Vec<String>,
        key: &Key,
        output: &Output,
    ) -> Result<Self> {
        let signer = key.signer(opened, account, output)?;
        Ok(Self::Here(Box::new(Keeper {
            vault: Arc::clone(&opened.vault),
            signer,
            clock: Arc::new(jiff::Timestamp::now),
            clouds,
            pace: Arc::new(Pace::of(f64::from(REQUESTS_PER_SECOND))),
            settings: Settings {
                identity: identity.to_owned(),
                regions,
                limit_bytes: MOST_BYTES,
                requests_per_second: REQUESTS_PER_SECOND,
                exclude: Vec::new(),
                exclude_tag: None,
                trusted_may_refresh: false,
                // The vault is open and the signer chosen; of these only the place is told.
                sealing: Sealing {
                    bucket: opened.place.to_string(),
                    bucket_key: None,
                    signing_key: String::new(),
                    lock: Lock {
                        mode: LockMode::Governance,
                        days: 1,
                    },
                },
            },
        })))
    }

    /// In words.
    pub fn told(&self) -> String {
        match self {
            Self::Stack(stack, _) => format!("the stack {}", stack.name),
            Self::Here(_) => "this process, with your credentials".to_owned(),
        }
    }

    /// Takes one step; its answer.
    pub async fn take(&self, input: Value) -> Result<Value> {
        match self {
            Self::Stack(stack, account) => invoke(stack, account, &input).await,
            Self::Here(keeper) => here(keeper, input).await,
        }
    }

    /// Records every function there is; what came of it.
    pub async fn take_all(&mut self) -> Result<Value> {
        match self {
            Self::Stack(stack, account) => sweep(stack, account).await,
            Self::Here(keeper) => {
                keeper.settings.exclude_tag = Some(EXCLUDE_TAG.to_owned());
                all(keeper).await
            }
        }
    }
}

async fn here(keeper: &Keeper, input: Value) -> Result<Value> {
    let attempt = Attempt {
        id: format!("process-{}-{}", process::id(), jiff::Timestamp::now()),
        deadline: Instant::now() + STEP,
    };
    let step = Step::read(input).map_err(failed)?;
    keeper.take(step, &attempt).await.map_err(failed)
}

/// Page by page, batch by batch, as the state machine does it.
async fn all(keeper: &Keeper) -> Result<Value> {
    let mut marker = Value::Null;
    let mut sum = json!({"recorded": 0, "unchanged": 0, "excluded": 0, "gone": 0, "denied": 0,
                         "failed": [], "left": [], "not_listed": []});
    loop {
        let page = here(keeper, json!({ "list": marker })).await?;
        add(&mut sum, "not_listed", &page["not_listed"]);
        for batch in page["batches"].as_array().into_iter().flatten() {
            let came = here(keeper, json!({ "record": batch })).await?;
            for field in [
                "recorded",
                "unchanged",
                "excluded",
                "gone",
                "denied",
                "failed",
                "left",
            ] {
                add(&mut sum, field, &came[field]);
            }
        }
        marker = page["next"].clone();
        if marker.is_null() {
            return Ok(sum);
        }
    }
}

fn add(sum: &mut Value, field: &str, more: &Value) {
    match (&mut sum[field], more) {
        (Value::Array(all), Value::Array(more)) => all.extend(more.iter().cloned()),
        (sum, more) => {
            *sum = json!(sum.as_u64().unwrap_or_default() + more.as_u64().unwrap_or_default());
        }
    }
}

async fn invoke(stack: &Stack, account: &Account, input: &Value) -> Result<Value> {
    let answer = aws_sdk_lambda::Client::new(&account.config)
        .invoke()
        .function_name(stack.output("BaselineFunctionName")?)
        .payload(Blob::new(input.to_string()))
        .send()
        .await
        .map_err(|error| refused("lambda:InvokeFunction", ACCEPT, &error))?;
    let payload = answer.payload().map(AsRef::as_ref).unwrap_or_default();
    let payload: Value = serde_json::from_slice(payload)?;
    if answer.function_error().is_none() {
        return Ok(payload);
    }
    let text = |name: &str| {
        payload[name]
            .as_str()
            .unwrap_or("no reason was given")
            .to_owned()
    };
    Err(Failure::new(
        kind(&text("errorType")),
        shown(&text("errorMessage"), 1000),
    ))
}

/// Starts the state machine and waits for its end.
async fn sweep(stack: &Stack, account: &Account) -> Result<Value> {
    let sfn = aws_sdk_sfn::Client::new(&account.config);
    let started = sfn
        .start_execution()
        .state_machine_arn(stack.output("BaselineArn")?)
        .input(json!({"why": "sweep"}).to_string())
        .send()
        .await
        .map_err(|error| refused("states:StartExecution", ACCEPT, &error))?;
    loop {
        let now = sfn
            .describe_execution()
            .execution_arn(started.execution_arn())
            .send()
            .await
            .map_err(|error| refused("states:DescribeExecution", ACCEPT, &error))?;
        match now.status().as_str() {
            "RUNNING" => sleep(AGAIN_AFTER).await,
            "SUCCEEDED" => return Ok(json!({ "execution": started.execution_arn() })),
            status => bail!(
                "the sweep {} ended as {status}: {}",
                started.execution_arn(),
                shown(now.cause().unwrap_or("no reason was given"), 500)
            ),
        }
    }
}

fn failed(error: BaselineError) -> anyhow::Error {
    match error {
        BaselineError::Vault(error) => error.into(),
        BaselineError::Seal(error) => crate::desk::sealing(error),
        other => Failure::new(kind(other.name()), other.to_string()),
    }
}

/// What the function's word for a failure means at the desk.
fn kind(name: &str) -> Kind {
    match name {
        "NoCase" => Kind::Absent,
        "NotRead" | "NotListed" => Kind::Access,
        "VaultFailed" | "NotSealed" => Kind::Vault,
        _ => Kind::Usage,
    }
}
