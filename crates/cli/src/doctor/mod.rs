//! `coldcase doctor`: whether the deployment would work, line by line, and what to do where it would not.
//!
//! One file a check; [`CHECKS`] is the registry. To add one: a file, a line, the permissions that it
//! needs, and a journey in which its line fails.

mod alerts;
mod baselines;
mod bucket;
mod caller;
mod canary;
mod deployment;
mod encryption_key;
mod forwarding;
mod functions;
mod investigations;
mod line;
mod matching;
mod policies;
mod queue;
mod roles;
mod rules;
mod said;
mod signing_key;
mod stack;
mod trail;

use crate::desk::{Account, Options, Output};
use anyhow::{Context as _, Result};
use canary::Canary;
use deployment::Deployment;
use futures_util::future::BoxFuture;
use indicatif::{ProgressBar, ProgressStyle};
use line::{Line, Lines, Verdict};
use serde::Serialize;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

/// Proves that the deployment would work: each line says what was looked at and what to do.
///
/// Reads and changes nothing, but for what --canary makes and takes away again. A line is ok; warn: it works, but look; FAIL: evidence would be lost,
/// altered or nobody told; not checked: somebody else has to look, or the caller may not. Exit codes:
/// 0, nothing failed; 1, something did; 3, nothing failed, but something may not be looked at by the
/// caller.
#[derive(clap::Args)]
#[command(after_help = "\
Examples:
  coldcase doctor
  coldcase doctor --key coldcase.pem
  coldcase doctor --canary --canary-wait 30m
  coldcase doctor --json | jq -r '.lines[] | select(.result == \"fail\") | .advice'")]
pub struct Args {
    /// The public key that was fetched when the stack was deployed, in PEM: the signing key has to be
    /// the same.
    #[arg(long, value_name = "FILE")]
    key: Option<PathBuf>,

    /// Makes a function, changes its code, and waits until a sealed case about it is in the vault and
    /// verified; then takes the function away. The case stays. Ctrl-C takes it away as well.
    #[arg(long)]
    canary: bool,

    /// Leaves the canary out without a word.
    #[arg(long, conflicts_with = "canary")]
    no_canary: bool,

    /// The role of the canary, for who may not make one. Without it a role is made that may do nothing.
    #[arg(long, value_name = "ARN", requires = "canary")]
    canary_role: Option<String>,

    /// How long to wait for the canary's case. CloudTrail takes minutes.
    #[arg(long, value_name = "TIME", default_value = "15m", value_parser = duration)]
    canary_wait: Duration,
}

/// One thing to look at.
struct Check {
    /// Its name, as in JSON.
    name: &'static str,
    /// Under which heading its lines stand.
    area: &'static str,
    /// IAM actions that the caller needs for it.
    actions: &'static [&'static str],
    /// Whether there is anything to look at without a stack.
    needs_stack: bool,
    /// Looks, and writes lines.
    look: for<'a> fn(&'a Deployment, &'a mut Lines) -> BoxFuture<'a, ()>,
}

/// The registry: every check, in the order in which lines are told.
const CHECKS: &[Check] = &[
    caller::CHECK,
    stack::CHECK,
    trail::CHECK,
    rules::CHECK,
    matching::CHECK,
    forwarding::CHECK,
    queue::CHECK,
    functions::CHECK,
    roles::CHECK,
    bucket::CHECK,
    encryption_key::CHECK,
    signing_key::CHECK,
    investigations::CHECK,
    alerts::CHECK,
    baselines::CHECK,
];

/// What the doctor says.
#[derive(Serialize)]
struct Diagnosis {
    /// Twelve digits.
    account: String,
    region: String,
    /// Who asked, an ARN.
    caller: String,
    stack: String,
    /// `ok`, `warn`, `fail` or `not-checked`: the worst there is, in this order: fail, a line that
    /// AWS did not answer, warn, ok.
    result: Verdict,
    /// What the checks need: IAM actions, sorted.
    permissions: Vec<&'static str>,
    lines: Vec<Line>,
}

/// Looks at everything.
pub async fn run(args: &Args, options: &Options) -> Result<ExitCode> {
    let output = Output::new(options);
    let key = match &args.key {
        Some(path) => {
            let read = tokio::fs::read_to_string(path).await;
            Some(read.with_context(|| format!("{} cannot be read", path.display()))?)
        }
        None => None,
    };
    let account = Account::reach(options).await?;
    let deployment = Deployment::look(account, options, key).await;
    let mut lines = examine(&deployment, output).await;
    let mut interrupted = None;
    if args.canary && deployment.is_deployed() {
        let canary = Canary {
            deployment: &deployment,
            role: args.canary_role.as_deref(),
            wait: args.canary_wait,
        };
        let (told, broken_off) = canary.fly(output).await?;
        lines.extend(told);
        interrupted = broken_off;
    } else if args.canary {
        lines.extend(canary::not_tried(&deployment.why_not_deployed()));
    } else if !args.no_canary {
        lines.extend(canary::not_tried(
            "nothing was changed to see whether a case follows",
        ));
    }
    let diagnosis = Diagnosis {
        account: deployment.account.id.clone(),
        region: deployment.account.region.clone(),
        caller: deployment.account.caller.clone(),
        stack: deployment.stack.name.clone(),
        result: result(&lines),
        permissions: permissions(args.canary),
        lines,
    };
    output.answer(&diagnosis, |out| {
        said::say(out, &diagnosis, Output::columns())
    })?;
    Ok(match interrupted {
        Some(canary::Interrupted) => ExitCode::from(130),
        None => code(&diagnosis.lines),
    })
}

/// `15m`, `90s`, `1h 30m`.
fn duration(text: &str) -> Result<Duration, String> {
    let told = text.parse::<jiff::SignedDuration>();
    let told = told.map_err(|error| error.to_string())?;
    let told = Duration::try_from(told).map_err(|error| error.to_string())?;
    let most = Duration::from_secs(24 * 60 * 60);
    if told > most {
        return Err("a day is the most".to_owned());
    }
    Ok(told)
}

/// Carries the checks out, all at once, and gives their lines in the registry's order.
async fn examine(deployment: &Deployment, output: Output) -> Vec<Line> {
    let bar = if output.draws() {
        let style = ProgressStyle::with_template("{spinner} {pos}/{len} checks");
        let style = style.unwrap_or_else(|_| ProgressStyle::default_bar());
        let bar = ProgressBar::new(CHECKS.len() as u64).with_style(style);
        bar.enable_steady_tick(Duration::from_millis(100));
        bar
    } else {
        ProgressBar::hidden()
    };
    let bar = &bar;
    let looks = CHECKS.iter().map(|check| async move {
        let mut lines = Lines::of(check.name, check.area);
        if check.needs_stack && !deployment.is_deployed() {
            lines.not_checked(
                check.name,
                deployment.why_not_deployed(),
                "deploy the stack, or name it with --stack and --region",
            );
        } else {
            (check.look)(deployment, &mut lines).await;
        }
        bar.inc(1);
        lines.done()
    });
    let lines = futures_util::future::join_all(looks).await;
    bar.finish_and_clear();
    lines.into_iter().flatten().collect()
}

/// Every IAM action that the checks need, and the canary if there is one.
fn permissions(canary: bool) -> Vec<&'static str> {
    let checks = CHECKS.iter().flat_map(|check| check.actions);
    let mut all: Vec<_> = checks.copied().collect();
    if canary {
        all.extend(canary::ACTIONS);
    }
    all.sort_unstable();
    all.dedup();
    all
}

/// The worst of the lines. What is for somebody else to look at makes nothing worse.
fn result(lines: &[Line]) -> Verdict {
    let any = |verdict| lines.iter().any(|line| line.result == verdict);
    if any(Verdict::Fail) {
        Verdict::Fail
    } else if lines.iter().any(Line::is_unanswered) {
        Verdict::NotChecked
    } else if any(Verdict::Warn) {
        Verdict::Warn
    } else {
        Verdict::Ok
    }
}

fn code(lines: &[Line]) -> ExitCode {
    match result(lines) {
        Verdict::Fail => ExitCode::from(1),
        Verdict::NotChecked => ExitCode::from(crate::desk::Kind::Access.code()),
        Verdict::Ok | Verdict::Warn => ExitCode::SUCCESS,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_check_stands_once_in_the_registry_and_names_its_permissions() {
        let mut names: Vec<_> = CHECKS.iter().map(|check| check.name).collect();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), CHECKS.len());
        for check in CHECKS {
            assert!(!check.actions.is_empty(), "{}", check.name);
            for action in check.actions {
                assert!(action.contains(':') && !action.contains('*'), "{action}");
            }
        }
    }

    #[test]
    fn areas_are_told_in_one_piece() {
        let mut areas: Vec<_> = CHECKS.iter().map(|check| check.area).collect();
        areas.dedup();
        let mut once = areas.clone();
        once.sort_unstable();
        once.dedup();
        assert_eq!(areas.len(), once.len(), "{areas:?}");
    }

    #[test]
    fn a_failure_outweighs_what_was_denied_and_that_a_warning() {
        let of = |tell: &dyn Fn(&mut Lines)| {
            let mut lines = Lines::of("x", "X");
            tell(&mut lines);
            result(&lines.done())
        };
        let denied = |lines: &mut Lines| {
            lines.trouble("x", &line::Trouble::refused("iam:GetRole"));
        };
        assert_eq!(of(&|lines| lines.ok("x", "y")), Verdict::Ok);
        assert_eq!(
            of(&|lines| lines.not_checked("x", "y", "z")),
            Verdict::Ok,
            "what nobody looks at is nobody's fault"
        );
        assert_eq!(of(&|lines| lines.warn("x", "y", "z")), Verdict::Warn);
        assert_eq!(
            of(&|lines| {
                lines.warn("x", "y", "z");
                denied(lines);
            }),
            Verdict::NotChecked
        );
        assert_eq!(
            of(&|lines| {
                denied(lines);
                lines.fail("x", "y", "z");
            }),
            Verdict::Fail
        );
    }
}
