//! The vault that a command reads or writes, and how it was chosen.

use super::{Account, Failure, Kind, Options, Output, Place, Stack};
use anyhow::{Context as _, Result};
use evidence::CaseId;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use vault::{BadLockMode, Clock, DirectoryVault, Lock, LockMode, S3Vault, Vault, s3_client};

/// Where cases go without a stack and without --vault.
pub const DIRECTORY: &str = "coldcase-vault";

/// The least of an id that names a case: less fits by chance.
const SHORTEST: usize = 4;

/// A vault that is open.
pub struct Opened {
    /// The vault.
    pub vault: Arc<dyn Vault>,
    /// Where it is.
    pub place: Place,
    /// The account, if it was needed to get there.
    pub account: Option<Account>,
    /// The stack, if it was looked for and found.
    pub stack: Option<Stack>,
}

/// Opens the vault that the options name, else the stack's, else the directory; says which.
///
/// A directory needs no account. A bucket is read with the caller's credentials; `writes` is whether
/// the directory may be made.
pub async fn open_vault(options: &Options, output: &Output, writes: bool) -> Result<Opened> {
    match &options.vault {
        Some(Place::Directory(path)) => directory(path, writes, None).await,
        Some(Place::Bucket(bucket)) => {
            let account = Account::reach(options).await?;
            let stack = Stack::find(&account, options).await.ok().flatten();
            // The stack's lock and key are those of its own bucket.
            let stack = stack.filter(|stack| stack.outputs.get("BucketName") == Some(bucket));
            in_bucket(bucket, account, stack)
        }
        None => {
            let looked = match Account::reach(options).await {
                Ok(account) => Stack::find(&account, options)
                    .await
                    .map(|stack| (account, stack)),
                Err(error) => Err(error),
            };
            match looked {
                Ok((account, Some(stack))) => {
                    let bucket = stack.output("BucketName")?.to_owned();
                    output.aside(format_args!("vault: s3://{bucket} (stack {})", stack.name));
                    in_bucket(&bucket, account, Some(stack))
                }
                Ok((account, None)) => {
                    output.aside(format_args!(
                        "vault: ./{DIRECTORY} (there is no stack {} in {} {}; --vault names another place)",
                        options.stack, account.id, account.region
                    ));
                    directory(Path::new(DIRECTORY), writes, Some(account)).await
                }
                // What was kept on this disk can be read without an account.
                Err(error) if !writes && Path::new(DIRECTORY).is_dir() => {
                    output.aside(format_args!(
                        "vault: ./{DIRECTORY} (no stack was looked for: {error:#})"
                    ));
                    directory(Path::new(DIRECTORY), writes, None).await
                }
                Err(error) => Err(error),
            }
        }
    }
}

/// Opens the vault at a place that was chosen already, to write into it. `stack` is the one whose bucket
/// it is.
pub async fn open_at(
    place: &Place,
    account: Option<Account>,
    stack: Option<Stack>,
) -> Result<Opened> {
    match (place, account) {
        (Place::Directory(path), account) => directory(path, true, account).await,
        (Place::Bucket(bucket), Some(account)) => in_bucket(bucket, account, stack),
        (Place::Bucket(bucket), None) => Err(Failure::new(
            Kind::Access,
            format!("s3://{bucket} takes AWS credentials"),
        )),
    }
}

async fn directory(path: &Path, writes: bool, account: Option<Account>) -> Result<Opened> {
    if !writes && !path.is_dir() {
        return Err(Failure::new(
            Kind::Absent,
            format!(
                "there is no vault {}; name one with --vault s3://BUCKET or --vault DIR",
                Place::Directory(path.to_owned())
            ),
        ));
    }
    let vault = match writes {
        true => DirectoryVault::open(PathBuf::from(path))
            .await
            .with_context(|| format!("{} cannot be used as a vault", path.display()))?,
        false => DirectoryVault::at(path),
    };
    let of_a_vault = ["cases", "content", "baselines", ".incoming"];
    let is_one = || of_a_vault.iter().any(|name| path.join(name).is_dir());
    let is_filled = || {
        path.read_dir()
            .is_ok_and(|mut files| files.next().is_some())
    };
    if !writes && !is_one() && is_filled() {
        return Err(Failure::new(
            Kind::Absent,
            format!(
                "{} is no vault: there is no folder cases/ in it; name one with --vault s3://BUCKET or --vault DIR",
                Place::Directory(path.to_owned())
            ),
        ));
    }
    Ok(Opened {
        vault: Arc::new(vault),
        place: Place::Directory(path.to_owned()),
        account,
        stack: None,
    })
}

fn in_bucket(bucket: &str, account: Account, stack: Option<Stack>) -> Result<Opened> {
    let clock: Clock = Arc::new(jiff::Timestamp::now);
    let key = stack
        .as_ref()
        .and_then(|stack| stack.outputs.get("BucketKeyArn").cloned());
    let lock = lock(stack.as_ref())?;
    let vault = S3Vault::new(
        s3_client(&account.config),
        bucket.to_owned(),
        key,
        lock,
        clock,
    );
    Ok(Opened {
        vault: Arc::new(vault),
        place: Place::Bucket(bucket.to_owned()),
        account: Some(account),
        stack,
    })
}

/// What the stack locks evidence with; a year, and in a way that its owner can lift, in a bucket that
/// is no stack's.
fn lock(stack: Option<&Stack>) -> Result<Lock> {
    let parameter = |name: &str| stack.and_then(|stack| Some((stack, stack.parameters.get(name)?)));
    let mut lock = Lock {
        mode: LockMode::Governance,
        days: 365,
    };
    let bad = |name: &str, stack: &Stack, what: &str| {
        let stack = &stack.name;
        Failure::new(
            Kind::Usage,
            format!("the parameter {name} of the stack {stack} cannot be used: {what}"),
        )
    };
    if let Some((stack, mode)) = parameter("RetentionMode") {
        lock.mode = mode
            .parse()
            .map_err(|error: BadLockMode| bad("RetentionMode", stack, &error.to_string()))?;
    }
    if let Some((stack, days)) = parameter("RetentionDays") {
        lock.days = days
            .parse()
            .map_err(|_| bad("RetentionDays", stack, "it is no number of days"))?;
    }
    Ok(lock)
}

/// The case that somebody named: its id, the beginning or the end of it, `latest`, or `latest~N`, the Nth
/// before that.
pub async fn resolve(vault: &dyn Vault, place: &Place, named: &str) -> Result<CaseId> {
    let found = ids(vault).await?;
    if let Some(before) = from_the_latest(named) {
        return found.iter().nth_back(before).cloned().ok_or_else(|| {
            let what = match found.len() {
                0 => format!("there is no case in {place} yet"),
                1 => format!("there is no {named} in {place}: it holds 1 case"),
                many => format!("there is no {named} in {place}: it holds {many} cases"),
            };
            Failure::new(Kind::Absent, what)
        });
    }
    if named.chars().count() < SHORTEST {
        return Err(Failure::new(
            Kind::Usage,
            format!(
                "\"{}\" is too little of a case's id: give {SHORTEST} characters of its beginning or its end, or `latest`",
                evidence::shown(named, 80)
            ),
        ));
    }
    let is_named = |id: &&CaseId| {
        let id = id.to_string();
        id.starts_with(named) || id.ends_with(named)
    };
    let mut candidates = found.iter().filter(is_named);
    match (candidates.next(), candidates.next()) {
        (Some(only), None) => Ok(only.clone()),
        (Some(_), Some(_)) if found.iter().any(|id| id.to_string() == named) => {
            named.parse().map_err(anyhow::Error::from)
        }
        (Some(first), Some(second)) => Err(Failure::new(
            Kind::Usage,
            format!(
                "{} names several cases ({first}, {second}, …): name more of it",
                evidence::shown(named, 80)
            ),
        )),
        (None, _) => Err(Failure::new(
            Kind::Absent,
            format!(
                "there is no case {} in {place}; `coldcase cases` lists those that are",
                evidence::shown(named, 80)
            ),
        )),
    }
}

/// How many cases before the latest `latest` and `latest~N` name.
fn from_the_latest(named: &str) -> Option<usize> {
    match named.strip_prefix("latest")? {
        "" => Some(0),
        rest => match rest.strip_prefix('~')? {
            digits if digits.bytes().all(|it| it.is_ascii_digit()) => digits.parse().ok(),
            _ => None,
        },
    }
}

/// The ids of all cases, sealed or not, in the order of their times.
pub async fn ids(vault: &dyn Vault) -> Result<Vec<CaseId>> {
    let folders = vault.folders("cases/").await?;
    // A folder of another name was not made by coldcase.
    let ids = folders.iter().filter_map(|name| name.parse().ok());
    Ok(ids.collect())
}
