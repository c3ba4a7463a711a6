//! `coldcase release`: undoes exactly what containing changed.

use crate::containment::{self, Consent, Site};
use crate::desk::{Options, Output};
use anyhow::Result;
use std::process::ExitCode;

/// Releases the function of a case: undoes exactly what `contain` changed.
///
/// The case is the one that was contained; a deployed coldcase opens a newer one for the containing itself.
/// What somebody else changed since is left alone and told. The function is sealed as it is right
/// now before anything is changed, and compared with how it was before it was contained at the end.
#[derive(clap::Args)]
#[command(after_help = "\
Examples:
  coldcase release 20260102T030405Z-billing-ab12 --reason 'clean code is deployed'
  coldcase release 20260102T030405Z-billing-ab12 --dry-run

Exit codes: 0 released, and as it was; 1 not all of it, or something differs;
2 the command, or no terminal to ask on; 3 refused; 4 no such case or function.")]
pub struct Args {
    /// The case: its id, the beginning or the end of it, or `latest`.
    #[arg(value_name = "CASE")]
    case: String,

    #[command(flatten)]
    consent: Consent,
}

/// Releases a function.
pub async fn run(args: &Args, options: &Options) -> Result<ExitCode> {
    let output = Output::new(options);
    let mut site = Site::open(options, &output, &args.case, &args.consent).await?;
    let survey = site.containing.survey_release(&site.case).await;
    let survey = survey.map_err(containment::failed)?;
    if survey.released.is_empty() {
        return Err(site.nothing_to_release().await?);
    }
    if args.consent.is_dry() || survey.is_empty() {
        return site.answer("release", &survey, None, &output);
    }
    if !site.agree("release", &survey, &args.consent, &output)? {
        return site.declined("release", &survey, &output);
    }
    let outcome = site
        .containing
        .release(&site.case, &survey, site.by(), args.consent.reason())
        .await
        .map_err(containment::failed)?;
    site.answer("release", &survey, Some(&outcome), &output)
}
