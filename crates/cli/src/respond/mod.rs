//! `coldcase respond`: preserves functions as they stand, looks into what happened around them, and says
//! what it comes to: by the stack's function, or here.

mod again;
mod deployed;
mod here;
mod landing;
mod targets;
mod told;
mod watched;

pub use targets::is_elsewhere;

use crate::desk::{
    self, Account, DIRECTORY, Failure, Interrupt, Key, Kind, Options, Output, Place, Stack, Tone,
};
use again::again;
use anyhow::{Context as _, Result};
use collectors::Clouds;
use deployed::Deployed;
use evidence::Target;
use here::Here;
use jiff::{SignedDuration, Timestamp};
use landing::Landing;
use std::collections::BTreeSet;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;
use targets::Tag;
use told::{By, CaseTold, Told};
use vault::Vault;

/// Preserves a function as it stands, seals the copy, and says what happened around it.
///
/// With a stack, its function does it: evidence goes into the stack's locked bucket, and the
/// investigation goes on by itself. Without one, or with --local, the same code runs here with your own
/// credentials, and evidence goes into a folder or a bucket of yours.
///
/// Nothing is changed in the function before the copy is sealed. Then tracing is turned on, X-Ray's or the
/// observability of a Worker, unless --no-tracing is given; what the function does next can be followed in
/// it.
///
/// It can be stopped with Ctrl-C at any time: the same command with --request-id goes on in the same case.
#[derive(clap::Args)]
#[command(after_help = "\
Examples:
  coldcase respond billing
  coldcase respond arn:aws:lambda:eu-west-1:111122223333:function:billing:live --reason 'ticket 4711'
  coldcase respond arn:aws:iam::111122223333:role/billing-role --window 7d
  coldcase respond --all-with-tag team=payments --local --vault ./evidence
  coldcase respond billing --request-id desk-20261123T031501Z-5f3a9c21   goes on with that one
  coldcase respond cloudflare://0123456789abcdef0123456789abcdef/billing-api
  coldcase respond gcp://example-project/europe-west1/billing-api

Exit codes:
  0  all that was wanted is sealed, or there never was any of it
  1  something was refused or failed; the rest is sealed, and each gap is told
  2  the command cannot be used as it is     3  the provider was not reached, or refused
  4  there is no such function or bucket     5  the vault is broken or full
  130  interrupted; what is sealed stays sealed")]
pub struct Args {
    /// What to preserve: a function's name or ARN (a version or alias too), or the ARN of a role, a
    /// layer or a policy, which means every function that has it; cloudflare://ACCOUNT/SCRIPT
    /// or gcp://PROJECT/LOCATION/FUNCTION.
    #[arg(value_name = "TARGET", required_unless_present = "all_with_tag")]
    targets: Vec<String>,

    /// Every function of the Region that carries this tag; finding them takes lambda:ListFunctions and
    /// lambda:ListTags of your own.
    #[arg(long, value_name = "KEY[=VALUE]")]
    all_with_tag: Option<Tag>,

    /// How far back logs, audit trail and role activity are looked into, from now. With a stack the
    /// default is the stack's, else 48h.
    #[arg(long, value_name = "48h", value_parser = window)]
    window: Option<Duration>,

    /// Why; goes into the sealed manifest.
    #[arg(long, value_name = "TEXT", default_value = "asked for at the desk")]
    reason: String,

    /// Leaves tracing as it is: X-Ray's, or the observability of a Worker.
    #[arg(long)]
    no_tracing: bool,

    /// Goes on with an earlier request: the same cases, nothing twice.
    #[arg(long, value_name = "ID")]
    request_id: Option<String>,

    /// Works here with your own credentials, even if there is a stack.
    #[arg(long)]
    local: bool,

    /// Waits for the stack's first examination and its verdict.
    #[arg(long)]
    wait: bool,

    /// Makes a case even if there is no such function now: one that was deleted leaves traces.
    #[arg(long)]
    anyway: bool,

    /// Where the account's trail delivers; looked for through CloudTrail if not said. Only without a
    /// stack.
    #[arg(long, value_name = "s3://BUCKET[/PREFIX]", value_parser = trail_bucket)]
    trail_bucket: Option<(String, String)>,

    /// More Regions in which a role's or a policy's functions are looked for. Only without a stack.
    #[arg(long, value_name = "REGION,…", value_delimiter = ',')]
    regions: Vec<String>,

    #[command(flatten)]
    key: Key,
}

/// How far back is looked where nothing is said.
const WINDOW: Duration = Duration::from_secs(48 * 3600);
/// How much of the time before the window shows what is ordinary.
const BASELINE: Duration = Duration::from_secs(7 * 24 * 3600);

/// What is to be done, however it is done.
struct Order {
    request: Request,
    reason: String,
    tracing: bool,
    window: Duration,
    window_is_named: bool,
    baseline: Duration,
    trail: Option<(String, String)>,
    regions: Vec<String>,
    identity: String,
}

/// Names the request, so that asking again goes on in the same cases.
struct Request {
    id: String,
    /// When it was made, as far as its id says.
    at: Timestamp,
}

impl Request {
    /// A new one, or the one that somebody names.
    fn of(named: Option<&str>) -> Result<Self> {
        let now = Timestamp::now();
        let Some(id) = named else {
            let second = now.strftime("%Y%m%dT%H%M%SZ");
            return Ok(Self {
                id: format!("desk-{second}-{:08x}", fastrand::u32(..)),
                at: Timestamp::from_second(now.as_second())?,
            });
        };
        let plain = |c: char| c.is_ascii_alphanumeric() || "-_.".contains(c);
        if id.is_empty() || id.len() > 80 || !id.chars().all(plain) {
            return Err(Failure::new(
                Kind::Usage,
                "a request id has letters, digits, -, _ and ., and 80 of them at most",
            ));
        }
        // The same window the second time as the first, if the id is one of ours.
        let second = id
            .strip_prefix("desk-")
            .and_then(|rest| rest.split('-').next());
        let at = second.and_then(|second| {
            let read = jiff::civil::DateTime::strptime("%Y%m%dT%H%M%SZ", second).ok()?;
            let read = read.to_zoned(jiff::tz::TimeZone::UTC).ok()?.timestamp();
            Some(read)
        });
        Ok(Self {
            id: id.to_owned(),
            at: at.unwrap_or(now),
        })
    }
}

/// What is to be preserved, and whom that takes.
struct Wanted {
    targets: Vec<Target>,
    /// What could not be looked up about them, in words.
    left: Vec<String>,
    clouds: Clouds,
    /// Who asks, for the manifest.
    identity: String,
    /// The AWS account, if it is needed.
    account: Option<Account>,
    /// The stack that does the work; none where it is done here.
    stack: Option<Stack>,
}

impl Wanted {
    async fn of_aws(args: &Args, options: &Options, output: Output) -> Result<Self> {
        let account = Account::reach(options).await?;
        let stack = stack(args, options, &account).await?;
        if stack.is_some() {
            check(args)?;
        }
        let mut targets = BTreeSet::new();
        for text in &args.targets {
            targets.insert(targets::named(text, &account)?);
        }
        if !args.anyway {
            for target in &targets {
                targets::check(target, &account).await?;
            }
        }
        let mut left = Vec::new();
        if let Some(tag) = &args.all_with_tag {
            let (tagged, gaps) = targets::tagged(tag, &account, output).await?;
            targets.extend(tagged);
            left.extend(gaps);
        }
        Ok(Self {
            targets: targets.into_iter().collect(),
            left,
            clouds: here::aws(&account, &args.regions),
            identity: account.caller.clone(),
            account: Some(account),
            stack,
        })
    }

    /// Functions of another provider: the work is done here, and AWS is asked only if it keeps the
    /// evidence or signs it.
    async fn elsewhere(targets: BTreeSet<Target>, args: &Args, options: &Options) -> Result<Self> {
        let given = [
            (args.all_with_tag.is_some(), "--all-with-tag"),
            (args.trail_bucket.is_some(), "--trail-bucket"),
            (!args.regions.is_empty(), "--regions"),
        ];
        if let Some((_, option)) = given.iter().find(|(is_given, _)| *is_given) {
            return Err(Failure::new(
                Kind::Usage,
                format!("{option} is of AWS, and the functions named are not"),
            ));
        }
        let first = targets.first().context("no target is named")?;
        let (clouds, identity) = desk::elsewhere::reach(first).await?;
        for target in targets.iter().filter(|_| !args.anyway) {
            desk::elsewhere::check(&clouds, target).await?;
        }
        let is_needed =
            matches!(options.vault, Some(Place::Bucket(_))) || args.key.of_kms().is_some();
        let account = match is_needed {
            true => Some(Account::reach(options).await?),
            false => None,
        };
        Ok(Self {
            targets: targets.into_iter().collect(),
            left: Vec::new(),
            clouds,
            identity,
            account,
            stack: None,
        })
    }
}

/// Responds.
pub async fn run(args: &Args, options: &Options) -> Result<ExitCode> {
    let output = Output::new(options);
    let Wanted {
        targets,
        mut left,
        clouds,
        identity,
        account,
        stack,
    } = match targets::elsewhere(&args.targets)? {
        Some(targets) => Wanted::elsewhere(targets, args, options).await?,
        None => Wanted::of_aws(args, options, output).await?,
    };
    let order = Order {
        request: Request::of(args.request_id.as_deref())?,
        reason: args.reason.clone(),
        tracing: !args.no_tracing,
        window: args.window.unwrap_or(WINDOW),
        window_is_named: args.window.is_some(),
        baseline: BASELINE,
        trail: args.trail_bucket.clone(),
        regions: args.regions.clone(),
        identity,
    };
    let interrupt = Interrupt::watch().context("Ctrl-C cannot be asked for")?;
    let landing = Arc::new(Landing::new(output));
    landing.say(format_args!(
        "request    {}   {}",
        Tone::Strong.paint(&order.request.id),
        Tone::Faint.paint("(--request-id goes on with it)")
    ));

    let place = match (&options.vault, &stack) {
        (Some(place), _) => place.clone(),
        (None, Some(stack)) => Place::Bucket(stack.output("BucketName")?.to_owned()),
        (None, None) => Place::Directory(PathBuf::from(DIRECTORY)),
    };
    let by = match &stack {
        Some(_) => By::Function,
        None => By::Here,
    };
    let opened = desk::open_at(&place, account.clone(), stack.clone()).await?;
    let whose = match &stack {
        Some(stack) => format!("(stack {}; its function does the work)", stack.name),
        None => "(no stack: the work is done here, with your credentials)".to_owned(),
    };
    landing.say(format_args!(
        "vault      {place}   {}",
        Tone::Faint.paint(whose)
    ));

    let vault = Arc::clone(&opened.vault);
    let work = async {
        match (&stack, &account) {
            (Some(stack), Some(account)) => {
                let vault = Arc::clone(&vault);
                let deployed = Deployed::new(&order, account, stack, vault, &landing)?;
                deployed.respond(&targets, args.wait).await
            }
            _ => {
                let signer = args.key.signer(&opened, account.as_ref(), &output)?;
                let vault = (Arc::clone(&vault), place.clone());
                let asked = (clouds, account.as_ref());
                let mut here = Here::new(&order, asked, vault, signer, &landing);
                here.respond(&targets).await.map(|()| here.left)
            }
        }
    };
    let (done, interrupted) = tokio::select! {
        done = work => (done, false),
        () = interrupt.wait() => (Ok(Vec::new()), true),
    };
    let again = again(args, options, &order.request.id);
    left.extend(done.with_context(|| {
        let begun = landing.begun();
        let sealed = match begun.is_empty() {
            true => String::new(),
            false => format!(
                "; {} case(s) were begun, and what is sealed stays sealed",
                begun.len()
            ),
        };
        format!("not finished (`{again}` goes on with it{sealed})")
    })?);
    let mut cases = Vec::new();
    for id in landing.begun() {
        cases.push(told(&*vault, &id).await?);
    }
    let told = Told {
        request_id: order.request.id.clone(),
        vault: place.raw(),
        by,
        interrupted,
        cases,
        left,
    };
    let named = options.vault.as_ref().map(|_| format!(" --vault {place}"));
    output.answer(&told, |out| {
        told.text(out, &again, &named.unwrap_or_default())
    })?;
    Ok(match (interrupted, told.is_whole()) {
        (true, _) => ExitCode::from(130),
        (false, true) => ExitCode::SUCCESS,
        (false, false) => ExitCode::from(1),
    })
}

async fn told(vault: &dyn Vault, id: &evidence::CaseId) -> Result<CaseTold> {
    CaseTold::read(vault, id).await
}

/// The stack that does the work; none where it is to be done here.
async fn stack(args: &Args, options: &Options, account: &Account) -> Result<Option<Stack>> {
    if args.local || matches!(options.vault, Some(Place::Directory(_))) {
        return Ok(None);
    }
    let found = Stack::find(account, options)
        .await
        .context("whether there is a stack is not known; --local works without one")?;
    Ok(found.filter(|stack| match &options.vault {
        Some(Place::Bucket(bucket)) => stack.outputs.get("BucketName") == Some(bucket),
        _ => true,
    }))
}

/// What only work done here can take; a stack has its own.
fn check(args: &Args) -> Result<()> {
    let given = [
        (args.key.file().is_some(), "--key"),
        (args.key.of_kms().is_some(), "--kms-key"),
        (args.trail_bucket.is_some(), "--trail-bucket"),
        (!args.regions.is_empty(), "--regions"),
    ];
    let given: Vec<&str> = given.iter().filter(|it| it.0).map(|it| it.1).collect();
    match given.is_empty() {
        true => Ok(()),
        false => Err(Failure::new(
            Kind::Usage,
            format!(
                "the stack's function has its own key, trail and Regions and takes no {}; --local does \
                 the work here, with them",
                given.join(", ")
            ),
        )),
    }
}

/// Reads `48h`, `7d`, `90m`.
fn window(text: &str) -> Result<Duration, String> {
    let bad = || format!("{text:?} is no length of time; write 48h, 7d or 90m, 400d at most");
    let span: jiff::Span = text.parse().map_err(|_| bad())?;
    let length = span
        .to_duration(jiff::SpanRelativeTo::days_are_24_hours())
        .map_err(|_| bad())?;
    let fits = length > SignedDuration::ZERO && length <= SignedDuration::from_hours(400 * 24);
    match fits {
        true => Duration::try_from(length).map_err(|_| bad()),
        false => Err(bad()),
    }
}

/// Reads `s3://BUCKET/PREFIX`.
fn trail_bucket(text: &str) -> Result<(String, String), String> {
    let bad = || format!("{text:?} is no bucket; write s3://BUCKET or s3://BUCKET/PREFIX/");
    let rest = text.strip_prefix("s3://").ok_or_else(bad)?;
    let (bucket, prefix) = rest.split_once('/').unwrap_or((rest, ""));
    match bucket.is_empty() {
        true => Err(bad()),
        false => Ok((bucket.to_owned(), prefix.to_owned())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_window_is_written_as_people_say_it() {
        let hours = |hours: u64| Ok(Duration::from_secs(hours * 3600));
        assert_eq!(window("48h"), hours(48));
        assert_eq!(window("7d"), hours(7 * 24));
        assert_eq!(window("1h30m"), Ok(Duration::from_secs(5400)));
        for bad in ["", "0h", "-2h", "48", "500d", "soon"] {
            assert!(window(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn what_a_stack_would_not_heed_is_refused() {
        use crate::{Cli, Command};
        use clap::Parser as _;
        for (words, is_heeded) in [
            (&["--window", "30m"][..], true),
            (&["--key", "x.pem"], false),
            (&["--kms-key", "alias/x"], false),
            (&["--trail-bucket", "s3://x"], false),
            (&["--regions", "eu-west-1"], false),
        ] {
            let all = ["coldcase", "respond", "billing"].iter().chain(words);
            let Command::Respond(args) = Cli::try_parse_from(all).unwrap().command else {
                panic!("another command");
            };
            let checked = check(&args);
            assert_eq!(checked.is_ok(), is_heeded, "{words:?}");
            if let Err(error) = checked {
                assert_eq!(Failure::kind(&error), Kind::Usage);
                assert!(error.to_string().contains(words[0]), "{error}");
            }
        }
    }

    #[test]
    fn a_request_is_of_the_same_time_when_it_is_gone_on_with() {
        let first = Request::of(None).unwrap();
        let again = Request::of(Some(&first.id)).unwrap();
        assert_eq!((first.id, first.at), (again.id, again.at));
        assert!(Request::of(Some("../../x")).is_err());
        assert!(Request::of(Some("")).is_err());
        assert!(Request::of(Some("TICKET-4711")).is_ok());
    }
}
