//! `coldcase baseline`: what is known as good of every function, and what is good from now on.

mod keeper;
pub mod records;

use crate::desk::{self, Account, Failure, Key, Kind, Opened, Options, Output, Tone, sheet};
use crate::respond::is_elsewhere;
use anyhow::Result;
use evidence::{Provider, ResourceKind, SealedCase, Target, shown};
use keeper::Recorder;
use records::Known;
use serde::Serialize;
use serde_json::{Value, json};
use snapshot::Cause;
use std::io::{self, IsTerminal as _, Write as _};
use std::process::ExitCode;

/// Lists what is recorded of functions as good; accepts the change of a case; records functions now.
///
/// An accepted change is sealed into the case, with who and why, and the function is recorded as it is
/// now, if it still is as the case preserved it. The stack's function does both; without a stack this
/// process does, with your credentials and your signing key.
#[derive(clap::Args)]
#[command(after_help = "\
Examples:
  coldcase baseline
  coldcase baseline billing orders
  coldcase baseline --accept latest --reason 'release 4711'
  coldcase baseline --record billing
  coldcase baseline --record --all
  coldcase baseline --json | jq -r '.functions[] | [.function, .recorded_at, .cause.why] | @tsv'")]
pub struct Args {
    /// Only these functions, by name or ARN.
    #[arg(value_name = "FUNCTION")]
    functions: Vec<String>,

    /// The change that this case is about is good: its id, the beginning or the end of it, or `latest`.
    #[arg(long, value_name = "CASE", conflicts_with_all = ["functions", "record"], requires = "reason")]
    accept: Option<String>,

    /// Why it is good.
    #[arg(long, value_name = "TEXT", requires = "accept")]
    reason: Option<String>,

    /// Who says so; you, as AWS knows you, if not said.
    #[arg(long, value_name = "TEXT", requires = "accept")]
    by: Option<String>,

    /// Records these functions as they are now.
    #[arg(long)]
    record: bool,

    /// All functions of the Region (with a stack: of its Regions).
    #[arg(long, requires = "record", conflicts_with = "functions")]
    all: bool,

    /// Does not ask before a change is accepted.
    #[arg(long, short)]
    yes: bool,

    #[command(flatten)]
    key: Key,
}

#[derive(Serialize)]
struct Listed {
    vault: String,
    functions: Vec<Line>,
}

#[derive(Serialize)]
struct Line {
    function: String,
    recorded_at: jiff::Timestamp,
    cause: Cause,
    /// Where the latest record is in the vault.
    record: String,
    /// How many records there are.
    records: usize,
    /// What could not be read when the latest was made, and is an earlier one's.
    not_read: Vec<String>,
}

/// Lists, accepts or records.
pub async fn run(args: &Args, options: &Options) -> Result<ExitCode> {
    let output = Output::new(options);
    match &args.accept {
        Some(case) => accept(case, args, options, &output).await,
        None if args.record => record(args, options, &output).await,
        None => list(args, options, &output).await,
    }
}

async fn list(args: &Args, options: &Options, output: &Output) -> Result<ExitCode> {
    let opened = desk::open_vault(options, output, false).await?;
    let known = records::known(&*opened.vault, &args.functions).await?;
    let listed = Listed {
        vault: opened.place.raw(),
        functions: known.into_iter().map(Line::of).collect(),
    };
    output.answer(&listed, |out| {
        if listed.functions.is_empty() {
            return writeln!(
                out,
                "Nothing is recorded yet in {}: `coldcase baseline --record --all` does that",
                listed.vault
            );
        }
        let columns = Output::columns();
        for one in &listed.functions {
            let why = match &one.cause {
                Cause::Deployed => "when the stack was deployed".to_owned(),
                Cause::Sweep => "a sweep".to_owned(),
                Cause::Accepted { case_id, by } => format!("accepted by {by}, case {case_id}"),
                Cause::Expected { case_id } => format!("a trusted deployer, case {case_id}"),
            };
            writeln!(
                out,
                "{}",
                Tone::Strong.paint(sheet::cut(&one.function, columns))
            )?;
            let told = format!(
                "{}, {why}; {}",
                sheet::at(one.recorded_at),
                sheet::count(one.records, "record", "records")
            );
            for line in sheet::wrapped(&told, columns - 2, 3) {
                writeln!(out, "  {line}")?;
            }
            if !one.not_read.is_empty() {
                let told = format!(
                    "not read then, kept from before: {}",
                    one.not_read.join(", ")
                );
                for line in sheet::wrapped(&told, columns - 2, 3) {
                    writeln!(out, "  {}", Tone::Warn.paint(line))?;
                }
            }
        }
        let many = sheet::count(listed.functions.len(), "function", "functions");
        writeln!(out, "\n{many} in {}", listed.vault)
    })?;
    Ok(ExitCode::SUCCESS)
}

impl Line {
    fn of(known: Known) -> Self {
        let latest = known.latest;
        Self {
            function: latest.function,
            recorded_at: latest.recorded_at,
            cause: latest.cause,
            record: known.key,
            records: known.records,
            not_read: latest
                .not_read
                .iter()
                .map(|one| one.request.to_string())
                .collect(),
        }
    }
}

async fn accept(named: &str, args: &Args, options: &Options, output: &Output) -> Result<ExitCode> {
    let opened = desk::open_vault(options, output, true).await?;
    let id = desk::resolve(&*opened.vault, &opened.place, named).await?;
    let Some(case) = vault::sealed(&*opened.vault, &id, 0).await? else {
        return Err(Failure::new(
            Kind::Absent,
            format!("case {id} is not sealed yet: ask again in a minute"),
        ));
    };
    let target = &case.manifest().target;
    let aws;
    let (recorder, caller) = match target.provider {
        Provider::Cloudflare | Provider::Gcp | Provider::Azure => {
            let (clouds, identity) = desk::elsewhere::reach(target).await?;
            let asked = (clouds, identity.as_str(), opened.account.as_ref());
            let recorder = Recorder::here(&opened, asked, Vec::new(), &args.key, output)?;
            (recorder, identity)
        }
        Provider::Aws => {
            aws = account(&opened, options).await?;
            let recorder = Recorder::of(&opened, &aws, &args.key, output)?;
            (recorder, aws.caller.clone())
        }
    };
    let by = args.by.as_ref().unwrap_or(&caller);
    let reason = args.reason.as_deref().unwrap_or_default();
    if !args.yes {
        ask(&case, by, reason, &recorder.told())?;
    }
    let came = recorder
        .take(json!({ "accept": { "case_id": id, "by": by, "why": reason } }))
        .await?;
    let document =
        json!({ "vault": opened.place.raw(), "by": by, "reason": reason, "accepted": came });
    output.answer(&document, |out| {
        let text = |name: &str| shown(came[name].as_str().unwrap_or("none"), 300);
        writeln!(
            out,
            "{}",
            Tone::Good.paint(format!("The change of case {id} is accepted"))
        )?;
        writeln!(out, "  sealed    {}", text("addendum"))?;
        writeln!(out, "  recorded  {}", text("record"))
    })?;
    Ok(ExitCode::SUCCESS)
}

/// Shows what would be accepted and waits for a yes; where nobody can be asked, nothing is done.
fn ask(case: &SealedCase, by: &str, reason: &str, who: &str) -> Result<()> {
    if !io::stdin().is_terminal() {
        return Err(Failure::new(
            Kind::Usage,
            "nobody can be asked here: say --yes to accept the change",
        ));
    }
    let manifest = case.manifest();
    let mut err = anstream::AutoStream::auto(io::stderr().lock());
    writeln!(err, "Case      {}", manifest.case_id)?;
    writeln!(err, "Function  {}", shown(&manifest.target.id(), 300))?;
    for finding in manifest.findings.iter().take(10) {
        let word = function::word(finding.severity);
        writeln!(err, "Finding   {word}: {}", shown(&finding.statement, 300))?;
    }
    writeln!(err, "By        {}", shown(by, 200))?;
    writeln!(err, "Reason    {}", shown(reason, 300))?;
    writeln!(
        err,
        "What the function is now counts as good from then on; {who} seals and records it."
    )?;
    write!(err, "Accept the change? [y/N] ")?;
    err.flush()?;
    let mut answer = String::new();
    io::stdin().read_line(&mut answer)?;
    match answer.trim() {
        "y" | "Y" | "yes" => Ok(()),
        _ => Err(Failure::new(Kind::Usage, "nothing was accepted")),
    }
}

async fn record(args: &Args, options: &Options, output: &Output) -> Result<ExitCode> {
    if args.functions.is_empty() && !args.all {
        return Err(Failure::new(
            Kind::Usage,
            "which functions? name them, or say --all",
        ));
    }
    if let Some(named) = args.functions.iter().find(|text| is_elsewhere(text)) {
        return Err(Failure::new(
            Kind::Usage,
            format!(
                "{} is not of AWS: preserve it with `coldcase respond`, and accept that case as good",
                shown(named, 200)
            ),
        ));
    }
    let opened = desk::open_vault(options, output, true).await?;
    let account = account(&opened, options).await?;
    let mut recorder = Recorder::of(&opened, &account, &args.key, output)?;
    let who = recorder.told();
    let progress = output.draws().then(|| {
        let spinner = indicatif::ProgressBar::new_spinner();
        spinner.set_message(format!("{who} records"));
        spinner.enable_steady_tick(std::time::Duration::from_millis(100));
        spinner
    });
    let came = match args.all {
        true => recorder.take_all().await,
        false => {
            let arns: Vec<String> = args.functions.iter().map(|it| arn(it, &account)).collect();
            recorder.take(json!({ "record": arns })).await
        }
    };
    if let Some(progress) = progress {
        progress.finish_and_clear();
    }
    let came = came?;
    let document = json!({ "vault": opened.place.raw(), "recorded": came });
    output.answer(&document, |out| told(out, &came))?;
    let is_wrong = |name: &str| came[name].as_array().is_some_and(|it| !it.is_empty());
    Ok(
        match ["failed", "left", "not_listed"].into_iter().any(is_wrong)
            || came["gone"] != json!(0) && came.get("gone").is_some()
        {
            true => ExitCode::from(1),
            false => ExitCode::SUCCESS,
        },
    )
}

fn told(out: &mut dyn io::Write, came: &Value) -> io::Result<()> {
    if let Some(execution) = came["execution"].as_str() {
        return writeln!(
            out,
            "Every function was looked at: {}",
            shown(execution, 300)
        );
    }
    let figure = |name: &str| came[name].as_u64().unwrap_or_default();
    writeln!(
        out,
        "{} recorded, {} as they were, {} left out by tag, {} not there, {} not wholly readable",
        figure("recorded"),
        figure("unchanged"),
        figure("excluded"),
        figure("gone"),
        figure("denied")
    )?;
    for one in came["failed"].as_array().into_iter().flatten() {
        let text = |name: &str| shown(one[name].as_str().unwrap_or("?"), 300);
        writeln!(
            out,
            "{} {}: {}",
            Tone::Bad.paint("not recorded"),
            text("function"),
            text("why")
        )?;
    }
    for name in ["left", "not_listed"] {
        for one in came[name].as_array().into_iter().flatten() {
            let one = shown(one.as_str().unwrap_or("?"), 300);
            writeln!(out, "{} {one}", Tone::Bad.paint(name.replace('_', " ")))?;
        }
    }
    Ok(())
}

/// A function's ARN, from its ARN or its name in the account's Region.
fn arn(named: &str, account: &Account) -> String {
    match named.starts_with("arn:") {
        true => named.to_owned(),
        false => Target::aws(&account.id, &account.region, ResourceKind::Function, named).arn(),
    }
}

async fn account(opened: &Opened, options: &Options) -> Result<Account> {
    match &opened.account {
        Some(account) => Ok(account.clone()),
        None => Account::reach(options).await,
    }
}
