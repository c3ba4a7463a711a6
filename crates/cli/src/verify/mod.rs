//! `coldcase verify`: whether evidence is what was sealed. Everything offline, but for a bucket's locks.

mod locks;
mod said;

use crate::desk::{
    self, Failure, Kind, Opened, Options, Output, Place, Trust, Trusted, TrustedKey, moving,
};
use anyhow::Result;
use bag::Bag;
use evidence::{CaseId, Sha256Digest, shown};
use jiff::Timestamp;
use locks::Locks;
use serde::Serialize;
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use vault::{Terms, Vault, Verdict};

/// Verifies evidence: every digest, every signature, the whole chain, and the locks if a bucket can be asked.
///
/// CASE is a case of the vault; DIR is a vault's directory, of which every case is verified; BAG is a
/// folder or zip that `coldcase export` made. Without any, every case of the vault is verified. Any
/// changed byte is named with its file, and so is what could not be checked.
#[derive(clap::Args)]
#[command(after_help = "\
Examples:
  coldcase verify latest
  coldcase verify 20261120T031501Z-billing-52f1 --key public-key.pem
  coldcase verify ./bag.zip --key-id 9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08
  coldcase verify --vault ./coldcase-vault --json | jq '.cases[] | {case_id, result}'

Exit codes:
  0  everything is as it was sealed; notes do not count
  1  something is not")]
pub struct Args {
    /// A case's id, the beginning or the end of it, or `latest`; a vault's directory; a bag.
    #[arg(value_name = "CASE|DIR|BAG")]
    what: Option<String>,

    #[command(flatten)]
    trusted: Trusted,

    /// Tells what is good as well, file by file.
    #[arg(long)]
    all: bool,
}

#[derive(Serialize)]
struct Document {
    /// What was verified: a vault or a bag.
    place: String,
    checked_at: Timestamp,
    result: Sound,
    /// What is known of the bag; none if it was a vault.
    bag: Option<OfBag>,
    cases: Vec<OfCase>,
    /// What could not be checked, and why.
    not_checked: Vec<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
enum Sound {
    Good,
    Bad,
}

#[derive(Serialize)]
struct OfBag {
    /// SHA-256 of tagmanifest-sha256.txt.
    bag_sha256: Option<Sha256Digest>,
    payload_files: u64,
    payload_bytes: u64,
    /// bag-info.txt, in its order.
    info: Vec<Label>,
}

#[derive(Serialize)]
struct Label {
    label: String,
    value: String,
}

#[derive(Serialize)]
struct OfCase {
    /// None where a bag does not say which case it holds.
    case_id: Option<CaseId>,
    result: Sound,
    /// The number and the digest of the last sealed manifest.
    last: Option<Last>,
    exhibits: u64,
    size_bytes: u64,
    /// SHA-256 of the public keys that the manifests name.
    signed_with: Vec<String>,
    /// Where the trusted key is from; none if the case's own was used.
    trusted_key: Option<String>,
    good: u64,
    notes: u64,
    bad: u64,
    /// None where the place knows no locks.
    locks: Option<Locks>,
    checked: Vec<Line>,
}

#[derive(Serialize)]
struct Last {
    sequence: u32,
    sha256: Sha256Digest,
}

#[derive(Serialize)]
struct Line {
    /// The key in the vault, or the path in the bag.
    file: String,
    /// What of it.
    what: &'static str,
    result: Found,
    /// Why, for all but what is good.
    why: Option<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
enum Found {
    Good,
    Note,
    Bad,
}

/// Verifies.
pub async fn run(args: &Args, options: &Options) -> Result<ExitCode> {
    let output = Output::new(options);
    let document = match target(args.what.as_deref(), options, &output).await? {
        Target::Bag(path) => of_bag(&path, &args.trusted, options, output).await?,
        Target::Cases(opened, ids) => {
            let trust = args.trusted.find(Some(&opened), options, &output).await?;
            of_vault(&opened, ids, &trust, output).await?
        }
    };
    output.answer(&document, |out| said::say(out, &document, args.all))?;
    Ok(match document.result {
        Sound::Good => ExitCode::SUCCESS,
        Sound::Bad => ExitCode::from(1),
    })
}

/// What somebody wants verified.
enum Target {
    Bag(PathBuf),
    Cases(Box<Opened>, Vec<CaseId>),
}

async fn target(what: Option<&str>, options: &Options, output: &Output) -> Result<Target> {
    if let Some(what) = what {
        let path = Path::new(what);
        if Bag::is_like(path) {
            return Ok(Target::Bag(path.to_owned()));
        }
        if path.is_dir() {
            let options = Options {
                vault: Some(Place::Directory(path.to_owned())),
                ..options.clone()
            };
            if !path.join("cases").is_dir() {
                let why = "there is no cases/ in it, and no bagit.txt";
                let place = shown(what, 300);
                return Err(Failure::new(
                    Kind::Absent,
                    format!("{place} is neither a vault nor a bag: {why}"),
                ));
            }
            return every_case(&options, output).await;
        }
        // No case is called so.
        if path.is_file() || what.contains('/') {
            Bag::open(path).map_err(|error| Failure::new(Kind::Usage, error.to_string()))?;
        }
        let opened = desk::open_vault(options, output, false).await?;
        let id = desk::resolve(&*opened.vault, &opened.place, what).await?;
        return Ok(Target::Cases(Box::new(opened), vec![id]));
    }
    every_case(options, output).await
}

async fn every_case(options: &Options, output: &Output) -> Result<Target> {
    let opened = desk::open_vault(options, output, false).await?;
    let ids = desk::ids(&*opened.vault).await?;
    if ids.is_empty() {
        return Err(Failure::new(
            Kind::Absent,
            format!("there is no case in {} yet", opened.place),
        ));
    }
    Ok(Target::Cases(Box::new(opened), ids))
}

async fn of_vault(
    opened: &Opened,
    ids: Vec<CaseId>,
    trust: &Trust,
    output: Output,
) -> Result<Document> {
    let total = match output.draws() {
        true => bytes_of(&*opened.vault, &ids).await,
        false => None,
    };
    let bar = moving(output, "verifying", total);
    let progress = |bytes| bar.inc(bytes);
    let mut cases = Vec::new();
    for id in ids {
        let vault = &*opened.vault;
        let key = trust.of(vault, &id).await?;
        let terms = Terms {
            public_key_pem: key.as_ref().and_then(|key| key.pem.as_deref()),
            progress: Some(&progress),
            ..Terms::default()
        };
        let report = vault::check_on(vault, &id, terms).await;
        let locks = match &opened.place {
            Place::Bucket(_) => Some(Locks::ask(vault, &report, Timestamp::now()).await),
            Place::Directory(_) => None,
        };
        let checked = report.checked.clone();
        cases.push(of_case(Some(id), Some(&report), &checked, key, locks));
    }
    bar.finish_and_clear();
    let mut not_checked = missing_key(&cases);
    not_checked.push(
        "whether a last addendum was taken away: compare the number of the last one with what you \
         were told of"
            .to_owned(),
    );
    match &opened.place {
        Place::Directory(_) => not_checked.push(
            "locks: a directory has none; whoever may write there can remove a whole case"
                .to_owned(),
        ),
        Place::Bucket(_) => {
            let locks = cases.iter().filter_map(|case| case.locks.as_ref());
            not_checked.extend(locks.filter_map(|locks| locks.why_not_told.clone()));
            not_checked.dedup();
        }
    }
    Ok(document(opened.place.raw(), None, cases, not_checked))
}

/// How much the exhibits of the cases have; none where that is not known.
async fn bytes_of(vault: &dyn Vault, ids: &[CaseId]) -> Option<u64> {
    let mut total = 0;
    for id in ids {
        let case = vault::Case::read(vault, id).await.ok()??;
        let exhibits = case.manifests.iter().flat_map(evidence::Manifest::exhibits);
        total += exhibits.map(|it| it.size_bytes).sum::<u64>();
    }
    Some(total)
}

async fn of_bag(
    path: &Path,
    trusted: &Trusted,
    options: &Options,
    output: Output,
) -> Result<Document> {
    let bag = Bag::open(path).map_err(|error| Failure::new(Kind::Usage, error.to_string()))?;
    let trust = trusted.find(None, options, &output).await?;
    let (verified, key) = verify_bag(&bag, &trust, output).await?;
    let bag = OfBag {
        bag_sha256: verified.bag_sha256,
        payload_files: verified.payload_files,
        payload_bytes: verified.payload_bytes,
        info: verified
            .info
            .iter()
            .map(|(label, value)| Label {
                label: shown(label, 100),
                value: shown(value, 1_000),
            })
            .collect(),
    };
    let case = of_case(
        verified.case_id.clone(),
        verified.case.as_ref(),
        &verified.checked,
        key,
        None,
    );
    let cases = vec![case];
    let mut not_checked = missing_key(&cases);
    not_checked.push(
        "whether somebody took a last addendum away and wrote the lists anew: compare the digest of the \
         bag with what was told when it was exported"
            .to_owned(),
    );
    Ok(document(
        path.display().to_string(),
        Some(bag),
        cases,
        not_checked,
    ))
}

/// Verifies a bag with the key that is trusted for its case.
pub async fn verify_bag(
    bag: &Bag,
    trust: &Trust,
    output: Output,
) -> Result<(bag::Verified, Option<TrustedKey>)> {
    let bar = moving(output, "verifying", Some(bag.payload_bytes()));
    let progress = |bytes| bar.inc(bytes);
    let key = match bag.case_id() {
        Some(id) => trust.of(bag, &id).await?,
        None => None,
    };
    let pem = key.as_ref().and_then(|key| key.pem.as_deref());
    let verified = bag::verify(bag, pem, Some(&progress)).await;
    bar.finish_and_clear();
    Ok((verified, key))
}

fn document(
    place: String,
    bag: Option<OfBag>,
    cases: Vec<OfCase>,
    not_checked: Vec<String>,
) -> Document {
    let is_good = cases.iter().all(|case| case.result == Sound::Good);
    Document {
        place: shown(&place, 4_096),
        checked_at: Timestamp::now(),
        result: if is_good { Sound::Good } else { Sound::Bad },
        bag,
        cases,
        not_checked,
    }
}

fn of_case(
    case_id: Option<CaseId>,
    report: Option<&vault::Report>,
    checked: &[vault::Checked],
    key: Option<TrustedKey>,
    locks: Option<Locks>,
) -> OfCase {
    let mut lines: Vec<Line> = checked.iter().map(Line::of).collect();
    if let Some(key) = key.as_ref().filter(|key| key.pem.is_none()) {
        let case = case_id.as_ref().map(evidence::keys::case);
        lines.push(Line {
            file: case.unwrap_or_default(),
            what: "key",
            result: Found::Bad,
            why: Some(format!("no key that it was signed with has {}", key.whence)),
        });
    }
    lines.extend(locks.iter().flat_map(Locks::lines));
    let count = |wanted: Found| lines.iter().filter(|line| line.result == wanted).count() as u64;
    let sizes = report.map(exhibits).unwrap_or_default();
    OfCase {
        case_id,
        result: match count(Found::Bad) {
            0 => Sound::Good,
            _ => Sound::Bad,
        },
        last: report
            .and_then(|report| report.last)
            .map(|(sequence, sha256)| Last { sequence, sha256 }),
        exhibits: sizes.len() as u64,
        size_bytes: sizes.iter().sum(),
        signed_with: report
            .map(|report| report.key_ids.iter().map(|id| shown(id, 64)).collect())
            .unwrap_or_default(),
        trusted_key: key.map(|key| shown(&key.whence, 400)),
        good: count(Found::Good),
        notes: count(Found::Note),
        bad: count(Found::Bad),
        locks,
        checked: lines,
    }
}

impl Line {
    fn of(checked: &vault::Checked) -> Self {
        let (result, why) = match &checked.verdict {
            Verdict::Good => (Found::Good, None),
            Verdict::Note(why) => (Found::Note, Some(why)),
            Verdict::Bad(why) => (Found::Bad, Some(why)),
        };
        Self {
            file: shown(&checked.key, 1_000),
            what: checked.what,
            result,
            why: why.map(|why| shown(why, 1_000)),
        }
    }
}

/// The sizes of the exhibits that were read, each once.
fn exhibits(report: &vault::Report) -> Vec<u64> {
    let digests = report.checked.iter().filter(|it| it.what == "digest");
    let keys: BTreeSet<&String> = digests.map(|it| &it.key).collect();
    let sealed = keys.into_iter().filter(|key| report.sealed.contains(*key));
    let measured = sealed.filter_map(|key| report.measured.get(key));
    measured.map(|(_, size_bytes)| *size_bytes).collect()
}

fn missing_key(cases: &[OfCase]) -> Vec<String> {
    let is_missing = cases.iter().any(|case| case.trusted_key.is_none());
    let said = "whose key it is: without --key or --key-id the key beside the case is used, which shows \
                that the case fits together and not who sealed it";
    is_missing.then(|| said.to_owned()).into_iter().collect()
}
