//! The proof by trial: a function that nobody needs is changed, and a sealed case about it has to follow.

use super::deployment::Deployment;
use super::line::{Kind, Line, Lines, Trouble};
use crate::desk::{Interrupt, Output};
use anyhow::Result;
use aws_sdk_iam::Client as Iam;
use aws_sdk_lambda::Client as Lambda;
use aws_sdk_lambda::error::ProvideErrorMetadata as _;
use aws_sdk_lambda::primitives::Blob;
use aws_sdk_lambda::types::{FunctionCode, LastUpdateStatus, Runtime, State};
use evidence::{CaseId, Sha256Digest, Trigger};
use indicatif::{ProgressBar, ProgressStyle};
use jiff::{SignedDuration, Timestamp};
use std::io::{self, Write as _};
use std::sync::Arc;
use std::time::Duration;
use tokio::time::{Instant, sleep};
use vault::{Case, KmsSigner, Lock, LockMode, S3Vault, Signer as _, Vault};

/// What the caller needs for it, beside what the checks need.
pub(super) const ACTIONS: &[&str] = &[
    "iam:CreateRole",
    "iam:DeleteRole",
    "iam:PassRole",
    "kms:Decrypt",
    "kms:GetPublicKey",
    "lambda:CreateFunction",
    "lambda:DeleteFunction",
    "lambda:GetFunctionConfiguration",
    "lambda:UpdateFunctionCode",
    "s3:GetObject",
    "s3:ListBucket",
];

/// The heading of its lines.
const AREA: &str = "The canary";
/// How long IAM may take until Lambda knows a new role, and Lambda until a function is there.
const PATIENCE: Duration = Duration::from_secs(90);
/// How often it is looked.
const LOOK: Duration = Duration::from_secs(2);
/// By how much the clocks of this machine and of AWS may differ.
const SKEW: SignedDuration = SignedDuration::from_mins(10);

/// How the trial is made.
pub(super) struct Canary<'a> {
    /// What it is a trial of.
    pub(super) deployment: &'a Deployment,
    /// The role of the function; none to make one that may do nothing.
    pub(super) role: Option<&'a str>,
    /// How long to wait for the case.
    pub(super) wait: Duration,
}

/// That there was none.
pub(super) fn not_tried(why: &str) -> Vec<Line> {
    let mut lines = Lines::of("canary", AREA);
    lines.not_checked(
        "canary",
        why,
        "coldcase doctor --canary makes a function, changes it, and waits for the sealed case; it takes minutes and needs the right to make a role and a function",
    );
    lines.done()
}

/// What was made and has to go again.
#[derive(Default)]
struct Made {
    role: Option<String>,
    function: Option<String>,
}

/// A trial that somebody broke off.
pub(super) struct Interrupted;

impl Canary<'_> {
    /// Makes the trial, and takes away what it made, whatever came of it. The cases stay: nobody can
    /// take evidence away.
    pub(super) async fn fly(&self, output: Output) -> Result<(Vec<Line>, Option<Interrupted>)> {
        let interrupt = Interrupt::watch()?;
        let mut lines = Lines::of("canary", AREA);
        let name = self.name();
        output.remark(format_args!(
            "canary: makes function {name}{}, and takes it away again at the end",
            match self.role {
                Some(_) => String::new(),
                None => format!(" and role {name}"),
            }
        ));
        let bar = bar(output);
        let packages = (package("before")?, package("after")?);
        let mut made = Made::default();
        let interrupted = tokio::select! {
            () = self.try_out(&name, packages, &mut made, &mut lines, &bar) => None,
            () = interrupt.wait() => Some(Interrupted),
        };
        bar.set_message("canary: taking away what was made");
        self.take_away(&made, &mut lines).await;
        bar.finish_and_clear();
        Ok((lines.done(), interrupted))
    }

    /// Does not begin with the stack's name: what does is taken for a part of coldcase itself, and its
    /// rules would tell everybody that somebody touches it.
    fn name(&self) -> String {
        let stack: String = self.deployment.stack.name.chars().take(20).collect();
        let now = Timestamp::now().as_microsecond();
        let unique = Sha256Digest::of(format!("{now}-{}", std::process::id())).to_string();
        let unique: String = unique.chars().take(8).collect();
        format!("canary-{}-{unique}", stack.to_ascii_lowercase())
    }

    async fn try_out(
        &self,
        name: &str,
        (before, after): (Vec<u8>, Vec<u8>),
        made: &mut Made,
        lines: &mut Lines,
        bar: &ProgressBar,
    ) {
        let what = format!("canary {name}");
        let began = Timestamp::now();
        bar.set_message(format!("canary: making function {name}"));
        let code = Sha256Digest::of(&after);
        if let Err(trouble) = self.change(name, before, after, made, bar).await {
            return lines.trouble(what, &trouble);
        }
        let until = Instant::now() + self.wait;
        let vault = self.vault();
        let mut looked = None;
        let found = loop {
            let waited = self
                .wait
                .saturating_sub(until.saturating_duration_since(Instant::now()));
            bar.set_message(format!(
                "canary: {} of {} s: waiting for a sealed case (CloudTrail takes minutes)",
                waited.as_secs(),
                self.wait.as_secs()
            ));
            match self.case(&vault, name, began).await {
                Ok(Some(found)) => break Some(found),
                Ok(None) => {}
                Err(trouble) => looked = Some(trouble),
            }
            if Instant::now() >= until {
                break None;
            }
            sleep(LOOK).await;
        };
        match (found, looked) {
            (Some((id, case)), _) => self.judge(&what, &vault, &id, &case, &code, lines).await,
            (None, Some(trouble)) => lines.trouble(what, &trouble),
            (None, None) => lines.fail(
                what,
                format!(
                    "was changed, and no sealed case followed within {} s",
                    self.wait.as_secs()
                ),
                "mend what failed above and try again; if nothing did, give it longer (--canary-wait 30m), then look at the dead letters and at the responder's log",
            ),
        }
    }

    /// Makes the function and changes its code.
    async fn change(
        &self,
        name: &str,
        before: Vec<u8>,
        after: Vec<u8>,
        made: &mut Made,
        bar: &ProgressBar,
    ) -> Result<(), Trouble> {
        let role = match self.role {
            Some(role) => role.to_owned(),
            None => self.make_role(name, made).await?,
        };
        let lambda = Lambda::new(self.deployment.config());
        let until = Instant::now() + PATIENCE;
        // Named before it is there: a call that was cut off may have made it.
        made.function = Some(name.to_owned());
        loop {
            let code = FunctionCode::builder().zip_file(Blob::new(before.clone()));
            let create = lambda
                .create_function()
                .function_name(name)
                .description("Made by coldcase doctor --canary; may be deleted.")
                .runtime(Runtime::Providedal2023)
                .handler("bootstrap")
                .role(&role)
                .code(code.build());
            let Err(error) = create.send().await else {
                break;
            };
            // IAM takes a while to tell Lambda of a new role.
            let unknown = error.code() == Some("InvalidParameterValueException")
                && error.message().unwrap_or_default().contains("assumed");
            // Nobody else has this name: a call whose answer was lost has made it.
            if is_there(error.code()) {
                break;
            }
            if !unknown || Instant::now() >= until {
                let trouble = Trouble::of("lambda:CreateFunction", &error);
                if made_nothing(&trouble, error.code()) {
                    made.function = None;
                }
                return Err(trouble);
            }
            sleep(LOOK).await;
        }
        self.settled(&lambda, name, until).await?;
        bar.set_message(format!("canary: changing function {name}"));
        lambda
            .update_function_code()
            .function_name(name)
            .zip_file(Blob::new(after))
            .send()
            .await
            .map_err(|error| Trouble::of("lambda:UpdateFunctionCode", &error))?;
        Ok(())
    }

    /// A role that may do nothing.
    async fn make_role(&self, name: &str, made: &mut Made) -> Result<String, Trouble> {
        let trust = serde_json::json!({"Version": "2012-10-17", "Statement": [{
            "Effect": "Allow",
            "Principal": {"Service": "lambda.amazonaws.com"},
            "Action": "sts:AssumeRole",
        }]});
        made.role = Some(name.to_owned());
        let create = Iam::new(self.deployment.config())
            .create_role()
            .role_name(name)
            .description("Made by coldcase doctor --canary; may do nothing, may be deleted.")
            .assume_role_policy_document(trust.to_string());
        match create.send().await {
            Ok(reply) => Ok(reply
                .role()
                .map(|role| role.arn().to_owned())
                .unwrap_or_default()),
            Err(error) if is_there(error.code()) => {
                let role = Iam::new(self.deployment.config()).get_role();
                let role = role.role_name(name).send().await;
                let role = role.map_err(|error| Trouble::of("iam:GetRole", &error))?;
                Ok(role
                    .role()
                    .map(|it| it.arn().to_owned())
                    .unwrap_or_default())
            }
            Err(error) => {
                let trouble = Trouble::of("iam:CreateRole", &error);
                if made_nothing(&trouble, error.code()) {
                    made.role = None;
                }
                Err(trouble)
            }
        }
    }

    async fn settled(&self, lambda: &Lambda, name: &str, until: Instant) -> Result<(), Trouble> {
        loop {
            let now = lambda
                .get_function_configuration()
                .function_name(name)
                .send()
                .await;
            let now =
                now.map_err(|error| Trouble::of("lambda:GetFunctionConfiguration", &error))?;
            let settled = now.state() == Some(&State::Active)
                && now.last_update_status() != Some(&LastUpdateStatus::InProgress);
            // Where it does not settle, changing it says why.
            if settled || Instant::now() >= until {
                return Ok(());
            }
            sleep(LOOK / 4).await;
        }
    }

    /// For reading; nothing is written.
    fn vault(&self) -> S3Vault {
        let lock = Lock {
            mode: LockMode::Governance,
            days: 1,
        };
        S3Vault::new(
            vault::s3_client(self.deployment.config()),
            self.deployment.output("BucketName").to_owned(),
            None,
            lock,
            Arc::new(Timestamp::now),
        )
    }

    /// The sealed case about the change, if it is there by now.
    async fn case(
        &self,
        vault: &dyn Vault,
        name: &str,
        began: Timestamp,
    ) -> Result<Option<(CaseId, Case)>, Trouble> {
        let since = began.saturating_sub(SKEW).unwrap_or(Timestamp::UNIX_EPOCH);
        let list = vault::s3_client(self.deployment.config())
            .list_objects_v2()
            .bucket(self.deployment.output("BucketName"))
            .prefix("cases/")
            .delimiter("/")
            .start_after(format!("cases/{}", since.strftime("%Y%m%dT%H%M%SZ")));
        let mut pages = list.into_paginator().send();
        let marked = format!("-{name}-");
        while let Some(page) = pages.next().await {
            let page = page.map_err(|error| Trouble::of("s3:ListBucket", &error))?;
            for folder in page.common_prefixes() {
                let folder = folder.prefix().unwrap_or_default();
                let id = folder.trim_start_matches("cases/").trim_end_matches('/');
                let Ok(id) = id.parse::<CaseId>() else {
                    continue;
                };
                if !id.as_str().contains(&marked) {
                    continue;
                }
                // What is not sealed yet is looked at again.
                if let Ok(Some(case)) = Case::read(vault, &id).await
                    && is_of_the_change(&case)
                {
                    return Ok(Some((id, case)));
                }
            }
        }
        Ok(None)
    }

    /// Whether the case holds what the function became, and nobody altered it.
    async fn judge(
        &self,
        what: &str,
        vault: &dyn Vault,
        id: &CaseId,
        case: &Case,
        code: &Sha256Digest,
        lines: &mut Lines,
    ) {
        let kms = aws_sdk_kms::Client::new(self.deployment.config());
        let signer = KmsSigner::new(kms, self.deployment.output("SigningKeyArn"));
        let key = match signer.public_key_pem().await {
            Ok(key) => key,
            Err(error) => {
                return lines.not_checked(
                    what,
                    format!("case {id} is sealed; it could not be verified: {error}"),
                    format!("coldcase verify {id}"),
                );
            }
        };
        let report = vault::check(vault, id, Some(&key)).await;
        if let Some(fault) = report.first_fault() {
            return lines.fail(
                what,
                format!("case {id} is not sound: {fault}"),
                format!("coldcase verify {id}"),
            );
        }
        let first = &case.manifests[0];
        let holds = first.exhibits().any(|exhibit| exhibit.sha256 == *code);
        if !holds {
            return lines.fail(
                what,
                format!("case {id} is sealed, and does not hold the code that the function had"),
                format!("coldcase show {id} says what was denied"),
            );
        }
        let took = first.sealed_at.duration_since(first.trigger.occurred_at());
        lines.ok(
            what,
            format!(
                "changed, and {} s later case {id} was sealed: the code is in it, digests and signature are right",
                took.as_secs().max(0)
            ),
        );
    }

    /// Takes function and role away; what cannot be is named.
    async fn take_away(&self, made: &Made, lines: &mut Lines) {
        if let Some(name) = &made.function {
            let lambda = Lambda::new(self.deployment.config());
            let gone = lambda.delete_function().function_name(name).send().await;
            if let Err(trouble) = gone.map_err(|error| Trouble::of("lambda:DeleteFunction", &error))
                && !trouble.is_absent()
            {
                lines.warn(
                    "canary",
                    format!("function {name} is left: {}", trouble.told),
                    format!("aws lambda delete-function --function-name {name}"),
                );
            }
        }
        if let Some(name) = &made.role {
            let gone = Iam::new(self.deployment.config())
                .delete_role()
                .role_name(name)
                .send()
                .await;
            if let Err(trouble) = gone.map_err(|error| Trouble::of("iam:DeleteRole", &error))
                && !trouble.is_absent()
            {
                lines.warn(
                    "canary",
                    format!("role {name} is left: {}", trouble.told),
                    format!("aws iam delete-role --role-name {name}"),
                );
            }
        }
    }
}

/// Whether what was to be made exists already.
fn is_there(code: Option<&str>) -> bool {
    matches!(
        code,
        Some("ResourceConflictException" | "EntityAlreadyExists" | "EntityAlreadyExistsException")
    )
}

/// Whether a call that failed has surely made nothing: it was refused, or asked for what cannot be. A call
/// that was cut off may have made it.
fn made_nothing(trouble: &Trouble, code: Option<&str>) -> bool {
    let is_bad = code.is_some_and(|code| {
        ["Invalid", "Malformed", "Validation", "LimitExceeded"]
            .iter()
            .any(|word| code.contains(word))
    });
    trouble.kind == Kind::Denied || is_bad
}

fn is_of_the_change(case: &Case) -> bool {
    case.manifests.first().is_some_and(|first| {
        matches!(&first.trigger, Trigger::CloudTrailEvent { event_name, .. }
            if trail::base_name(event_name) == "UpdateFunctionCode")
    })
}

fn bar(output: Output) -> ProgressBar {
    if !output.draws() {
        return ProgressBar::hidden();
    }
    let style = ProgressStyle::with_template("{spinner} {msg}");
    let bar = ProgressBar::new_spinner();
    bar.set_style(style.unwrap_or_else(|_| ProgressStyle::default_spinner()));
    bar.enable_steady_tick(Duration::from_millis(100));
    bar
}

/// A deployment package of one file, which nobody ever runs.
fn package(word: &str) -> Result<Vec<u8>> {
    let mut zip = zip::ZipWriter::new(io::Cursor::new(Vec::new()));
    let options = zip::write::SimpleFileOptions::default().unix_permissions(0o755);
    zip.start_file("bootstrap", options)?;
    write!(
        zip,
        "#!/bin/sh\n# coldcase doctor --canary: {word}\nexit 0\n"
    )?;
    Ok(zip.finish()?.into_inner())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_may_have_been_made_is_taken_away() {
        let of = |kind, code| {
            let mut trouble = Trouble::refused("lambda:CreateFunction");
            trouble.kind = kind;
            made_nothing(&trouble, code)
        };
        assert!(of(Kind::Denied, Some("AccessDeniedException")));
        assert!(of(Kind::Failed, Some("InvalidParameterValueException")));
        assert!(!of(Kind::Failed, None), "its answer was lost");
        assert!(!of(Kind::Failed, Some("ServiceException")));
        assert!(is_there(Some("ResourceConflictException")));
        assert!(is_there(Some("EntityAlreadyExists")));
        assert!(!is_there(None));
    }
}
