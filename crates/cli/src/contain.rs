//! `coldcase contain`: stops a function, takes layers away, or puts it back as it was recorded.

use crate::containment::{self, Consent, Site};
use crate::desk::{Failure, Kind, Options, Output};
use ::contain::{Restore, Wishes};
use anyhow::Result;
use evidence::keys;
use snapshot::Baseline;
use std::process::ExitCode;
use std::str::FromStr;

/// Contains the function of a case: asks first, preserves first, can be undone.
///
/// The function is sealed as it is right now, then what is about to be done; only then is it changed,
/// step by step, guarded by its revision. `coldcase release` undoes it. A run that broke off is continued by
/// the next one.
#[derive(clap::Args)]
#[command(after_help = "\
Examples:
  coldcase contain latest --reserved-concurrency-zero --reason 'ticket 4711'
  coldcase contain 20260102T030405Z-billing-ab12 \\
      --detach-layer arn:aws:lambda:eu-west-1:444455556666:layer:deps:3
  coldcase contain latest --restore baseline --dry-run
  coldcase release 20260102T030405Z-billing-ab12

Exit codes: 0 contained; 1 not all of it was done; 2 the command, no terminal to
ask on, or changed by somebody else; 3 refused; 4 no such case, record or function.")]
#[command(group(clap::ArgGroup::new("what").required(true).multiple(true)
    .args(["reserved_concurrency_zero", "detach_layer", "restore"])))]
pub struct Args {
    /// The case: its id, the beginning or the end of it, or `latest`.
    #[arg(value_name = "CASE")]
    case: String,

    /// Stops the function: no invocation starts any more. Those that run end.
    #[arg(long)]
    reserved_concurrency_zero: bool,

    /// Detaches this layer: the ARN of a layer version, or of a layer in any version.
    #[arg(long, value_name = "ARN")]
    detach_layer: Vec<String>,

    /// Restores code, settings, environment, layers, policy and concurrency as they were recorded
    /// last before the event, or in record N.
    #[arg(long, value_name = "baseline[=N]")]
    restore: Option<Record>,

    /// Restores the role as well.
    #[arg(long, requires = "restore")]
    with_role: bool,

    /// Detaches a layer even if its bytes cannot be preserved: another account may refuse them.
    #[arg(long, requires = "detach_layer")]
    unpreserved_layers: bool,

    #[command(flatten)]
    consent: Consent,
}

/// Which record is restored: a number, or the last one from before the event.
#[derive(Clone, Copy, Debug)]
struct Record(Option<u32>);

impl FromStr for Record {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text.split_once('=') {
            None if text == "baseline" => Ok(Self(None)),
            Some(("baseline", number)) => match number.parse() {
                Ok(number) if number > 0 => Ok(Self(Some(number))),
                _ => Err("a record's number is counted from 1: baseline=3"),
            },
            _ => Err("it takes baseline or baseline=N"),
        }
    }
}

/// Contains a function.
pub async fn run(args: &Args, options: &Options) -> Result<ExitCode> {
    let output = Output::new(options);
    let mut site = Site::open(options, &output, &args.case, &args.consent).await?;
    site.containing.may_lose_layers = args.unpreserved_layers;
    let restore = match args.restore {
        None => None,
        Some(Record(number)) => {
            let record = match number {
                Some(number) => number,
                None => last_before(&site).await?,
            };
            let state = site.containing.record(&site.case, record).await;
            Some(Restore {
                record,
                state: state.map_err(containment::failed)?,
                with_role: args.with_role,
            })
        }
    };
    let wishes = Wishes {
        stop: args.reserved_concurrency_zero,
        detach: args.detach_layer.clone(),
        detached: Vec::new(),
        restore,
    };
    let survey = site.containing.survey(&site.case, &wishes).await;
    let survey = survey.map_err(containment::failed)?;
    if args.consent.is_dry() || survey.is_empty() {
        return site.answer("contain", &survey, None, &output);
    }
    if !site.agree("contain", &survey, &args.consent, &output)? {
        return site.declined("contain", &survey, &output);
    }
    let outcome = site
        .containing
        .contain(&site.case, &survey, site.by(), args.consent.reason())
        .await
        .map_err(containment::failed)?;
    site.answer("contain", &survey, Some(&outcome), &output)
}

/// The most records that are looked at, the newest first.
const MOST_RECORDS: usize = 20_000;
const MOST_READ: usize = 500;

/// The last record from before the event: later ones may hold the attacker's work.
async fn last_before(site: &Site) -> Result<u32> {
    let manifest = site.case.first();
    let event_at = manifest.trigger.occurred_at();
    let folder = keys::baselines(&manifest.target.unqualified());
    let vault = &site.containing.vault;
    let listed = vault.list(&folder, MOST_RECORDS).await?;
    for key in listed.iter().rev().take(MOST_READ) {
        let number = key
            .strip_prefix(&folder)
            .and_then(|rest| rest.strip_suffix(".json"))
            .and_then(|number| number.parse::<u32>().ok());
        let bytes = vault.get(key).await?;
        if let (Some(number), Ok(record)) = (number, serde_json::from_slice::<Baseline>(&bytes))
            && record.recorded_at < event_at
        {
            return Ok(number);
        }
    }
    let why = match listed.is_empty() {
        true => "the function was never recorded as good in this vault".to_owned(),
        false => format!(
            "every record of the function is from after the event ({event_at}); name one with \
                          --restore baseline=N if you know it to be good"
        ),
    };
    Err(Failure::new(
        Kind::Absent,
        format!("{why}; nothing was changed"),
    ))
}
