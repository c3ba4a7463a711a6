//! `coldcase activity`: what a role, a session, a key did, or what was done to a resource, according
//! to the files of an audit trail; or what a function's role did, as it is sealed in a case (`sealed`).

mod page;
mod sealed;

pub use sealed::run as run_sealed;

use crate::bucket;
use crate::desk::{Options, Output, Tone, json_line, moving, sheet, visible};
use anyhow::{Context, Result, anyhow, bail};
use evidence::{ResourceKind, Target};
use indicatif::ProgressBar;
use jiff::Timestamp;
use jiff::civil::Date;
use jiff::tz::TimeZone;
use serde::Serialize;
use std::ffi::OsString;
use std::fs::{self, File};
use std::io::{self, BufWriter, ErrorKind, IsTerminal, Write};
use std::num::NonZeroUsize;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use trail::{Activity, Baseline, Known, Match, Query, Sink, Summary, Tally, TrailFile, scan_files};

/// How many folders are gone down into.
const MAX_FOLDER_DEPTH: usize = 64;

/// Says what a role, a session or a key did, or what was done to a resource, according to the files of
/// a CloudTrail trail.
///
/// Files are read from directories, one by one, or from standard input, compressed (gzip) or not, as
/// CloudTrail writes them or one record a line; that needs no account. Of s3://BUCKET/PREFIX they are
/// read with the credentials that the AWS CLI would take. Conditions may be combined; all of
/// them must hold.
///
/// Tells what stands out, with the ids of the records that prove it, and the calls by service and action.
/// With --json, one document: `asked`, `scan` (what was read, and what was broken, located) and `summary`
/// (the same, with errors, times, resources, addresses, agents, sessions and keys). With --records, the
/// matching records themselves, one a line, as they stand in the files, and the scan's figures on standard
/// error.
///
/// Of a CASE, what the function's role did in the window that was collected for it, as it is sealed there.
///
/// What is broken is counted and passed over. A record that holds nothing of what is asked for is told
/// apart, not parsed. Exits with 0; with 1 if there was nothing to read, or nothing of it readable;
/// with 2 if the command is used wrongly or a PATH cannot be read.
#[derive(clap::Args)]
#[command(
    group = clap::ArgGroup::new("whom").required(true).multiple(true)
        .args(["role", "session", "access_key", "resource", "case"]),
    after_help = "\
Examples:
  coldcase activity latest
  coldcase activity --role arn:aws:iam::111122223333:role/billing --trail AWSLogs/
  coldcase activity --session billing --since 2026-11-20 --until 2026-11-21 --trail AWSLogs/ \\
    --baseline-since 2026-10-20 --json | jq '.summary.marks[]'
  coldcase activity --key ASIAEXAMPLEEXAMPLE01 --records --trail one.json.gz two.json.gz
  coldcase activity --session billing --since 2026-11-20 \\
    --trail s3://BUCKET/AWSLogs/111122223333/CloudTrail/eu-west-1/2026/11/
  cat *.json.gz | coldcase activity --resource billing --trail -"
)]
pub struct Args {
    /// A case's id, the beginning or the end of it, or `latest`: what its function's role did.
    #[arg(
        value_name = "CASE",
        conflicts_with_all = [
            "role", "session", "access_key", "resource", "trail", "since", "until", "baseline_since",
            "tampered_at", "records", "threads",
        ]
    )]
    case: Option<String>,

    /// The ARN of a role: what its sessions did.
    #[arg(long, value_name = "ARN", value_parser = role)]
    role: Option<String>,

    /// The name of a session; a Lambda function's sessions are named after it.
    #[arg(long, value_name = "NAME")]
    session: Option<String>,

    /// The id of an access key (not the secret).
    #[arg(long, visible_alias = "key", value_name = "ID")]
    access_key: Option<String>,

    /// A name or an ARN: calls whose request or response names it.
    #[arg(long, value_name = "NAME")]
    resource: Option<String>,

    /// Where the trail's files are: directories or s3://BUCKET/PREFIX (searched for .json.gz, .json,
    /// .ndjson and .jsonl, in the order of their names, without CloudTrail-Digest), files, or - for
    /// standard input. All files are read, whatever --since says: name a prefix of the days wanted.
    #[arg(long, value_name = "PATH", required_unless_present = "case", num_args = 1..)]
    trail: Vec<OsString>,

    /// No calls before this: an RFC 3339 time, or a date (UTC).
    #[arg(long, value_name = "T", value_parser = since)]
    since: Option<Timestamp>,

    /// No calls after this: an RFC 3339 time, or a date (UTC), that day included.
    #[arg(long, value_name = "T", value_parser = until)]
    until: Option<Timestamp>,

    /// What was done from this time up to --since is known: whatever is new from then on is marked.
    #[arg(long, value_name = "T", value_parser = since, requires = "since", conflicts_with = "records")]
    baseline_since: Option<Timestamp>,

    /// When the function or its role was tampered with: calls after it are counted.
    #[arg(long, value_name = "T", value_parser = since, conflicts_with = "records")]
    tampered_at: Option<Timestamp>,

    /// Print the matching records, one a line.
    #[arg(long)]
    records: bool,

    /// How many files are read at a time; all processors, if not said.
    #[arg(long, value_name = "N")]
    threads: Option<NonZeroUsize>,
}

fn role(text: &str) -> Result<String, String> {
    match Target::from_arn(text) {
        Ok(target) if target.kind == ResourceKind::Role => Ok(text.to_owned()),
        _ if text.contains(":assumed-role/") => Err(
            "this is the ARN of a session; name its role, as arn:aws:iam::ACCOUNT:role/NAME, and the session with --session".into(),
        ),
        _ => Err(format!(
            "{text:?} is not the ARN of a role; one looks like arn:aws:iam::ACCOUNT:role/NAME"
        )),
    }
}

fn since(text: &str) -> Result<Timestamp, String> {
    time(text, |date| date.at(0, 0, 0, 0))
}

fn until(text: &str) -> Result<Timestamp, String> {
    time(text, |date| date.at(23, 59, 59, 999_999_999))
}

fn time(text: &str, at: impl Fn(Date) -> jiff::civil::DateTime) -> Result<Timestamp, String> {
    if let Ok(time) = text.parse() {
        return Ok(time);
    }
    let date = text.parse::<Date>().ok().filter(|_| text.len() == 10);
    date.and_then(|date| at(date).to_zoned(TimeZone::UTC).ok())
        .map(|zoned| zoned.timestamp())
        .ok_or_else(|| {
            "neither a time nor a date; write 2026-11-20T09:12:33Z or 2026-11-20".to_owned()
        })
}

/// What is printed.
#[derive(Serialize)]
struct Report<'a> {
    asked: Asked<'a>,
    scan: Scan,
    summary: Summary,
}

#[derive(Serialize)]
struct Asked<'a> {
    role: Option<&'a str>,
    session: Option<&'a str>,
    access_key: Option<&'a str>,
    resource: Option<&'a str>,
    since: Option<Timestamp>,
    until: Option<Timestamp>,
    baseline_since: Option<Timestamp>,
}

#[derive(Serialize)]
struct Scan {
    #[serde(flatten)]
    tally: Tally,
    /// Files in the directories that by their name are no trail files.
    other_files: u64,
}

/// Reads what `args` name and prints what came of it. A reader of the output that goes away ends it
/// quietly.
pub fn run(args: &Args, options: &Options) -> Result<ExitCode> {
    let query = query(args)?;
    let output = Output::new(options);
    let other_files = Arc::new(AtomicU64::new(0));
    let places = places(&args.trail, options, &other_files)?;
    let threads = args.threads.unwrap_or_else(|| {
        let most = std::thread::available_parallelism().unwrap_or(NonZeroUsize::MIN);
        most.min(NonZeroUsize::MIN.saturating_add(7))
    });
    let files = places.into_iter().flatten();

    let (tally, activity, baseline) = if args.records {
        let mut lines = Lines {
            output: BufWriter::with_capacity(1 << 16, io::stdout()),
            error: None,
            is_seen: io::stdout().is_terminal(),
            progress: match io::stdout().is_terminal() {
                // A bar would be drawn between them.
                true => Progress::hidden(),
                false => Progress::start(output, &args.trail),
            },
        };
        let tally = scan_files(files, &query, threads, &mut lines);
        lines.progress.clear();
        let flushed = lines.output.flush();
        if let Some(error) = lines.error.or(flushed.err()) {
            return written(error);
        }
        (tally, None, None)
    } else {
        let mut sums = Sums {
            activity: Activity::new(Known {
                tampered_at: args.tampered_at,
                ..Known::default()
            }),
            baseline: args
                .baseline_since
                .and(args.since)
                .map(|since| (since, Baseline::default())),
            progress: Progress::start(output, &args.trail),
        };
        let tally = scan_files(files, &query, threads, &mut sums);
        sums.progress.clear();
        (tally, Some(sums.activity), sums.baseline)
    };

    let is_nothing_readable = tally.records == 0 && (tally.files == 0 || tally.broken > 0);
    let why = match (is_nothing_readable, tally.files) {
        (false, _) => None,
        (true, 0) => Some(
            "there are no trail files; their names end in .json.gz, .json, .ndjson or .jsonl, or name files themselves"
                .to_owned(),
        ),
        (true, _) => Some(format!(
            "nothing could be read as CloudTrail records; {}",
            tally.breakages.first().map_or_else(String::new, |first| format!(
                "{} at byte {}: {}",
                first.file, first.offset_bytes, first.why
            ))
        )),
    };
    let scan = Scan {
        tally,
        other_files: other_files.load(Ordering::Relaxed),
    };
    match activity {
        // Nobody to tell is no failure.
        None => drop(writeln!(io::stderr().lock(), "{}", json_line(&scan)?)),
        // A page would say that nothing stands out.
        Some(_) if why.is_some() && !output.is_json() => {}
        Some(activity) => {
            let baseline = baseline.map(|(_, baseline)| baseline);
            let report = Report {
                asked: asked(args),
                scan,
                summary: activity.summary(baseline.as_ref()),
            };
            output.answer(&report, |out| tell(out, &report))?;
        }
    }
    Ok(match why {
        None => ExitCode::SUCCESS,
        Some(why) => {
            let why = evidence::shown(&why, 2000);
            drop(writeln!(io::stderr().lock(), "coldcase: {why}"));
            ExitCode::FAILURE
        }
    })
}

/// The summary for people, and what was read for it.
fn tell(out: &mut dyn Write, report: &Report<'_>) -> io::Result<()> {
    page::write(out, &report.summary)?;
    let tally = &report.scan.tally;
    let read = format!(
        "read {}, {}, {}",
        sheet::count(tally.files as usize, "file", "files"),
        sheet::size(tally.bytes),
        sheet::count(tally.records as usize, "record", "records")
    );
    writeln!(out, "\n{}", Tone::Faint.paint(read))?;
    for broken in tally.breakages.iter().take(5) {
        let told = format!(
            "broken: {} at byte {}: {}",
            evidence::shown(&broken.file, 300),
            broken.offset_bytes,
            evidence::shown(&broken.why, 200)
        );
        writeln!(out, "{}", Tone::Warn.paint(told))?;
    }
    match tally.broken.saturating_sub(5) {
        0 => Ok(()),
        more => writeln!(
            out,
            "{}",
            Tone::Warn.paint(format!("and {more} more are broken"))
        ),
    }
}

fn written(error: io::Error) -> Result<ExitCode> {
    match error.kind() {
        ErrorKind::BrokenPipe => Ok(ExitCode::SUCCESS),
        _ => Err(error).context("standard output cannot be written"),
    }
}

impl Args {
    /// Whether a case is asked about, and no trail.
    pub const fn is_of_a_case(&self) -> bool {
        self.case.is_some()
    }
}

fn query(args: &Args) -> Result<Query> {
    let is_id = |key: &String| {
        key.bytes()
            .all(|b| b.is_ascii_uppercase() || b.is_ascii_digit())
    };
    if args.access_key.as_ref().is_some_and(|key| !is_id(key)) {
        // It may be a secret that was pasted, so it is not repeated.
        bail!(
            "--access-key is no id of an access key; one begins with AKIA or ASIA and has capitals and digits only"
        );
    }
    for (name, value) in [
        ("session", &args.session),
        ("access-key", &args.access_key),
        ("resource", &args.resource),
    ] {
        if value.as_ref().is_some_and(String::is_empty) {
            bail!("--{name} is empty; say whom or what to look for");
        }
    }
    if let (Some(since), Some(until)) = (args.since, args.until)
        && since > until
    {
        bail!("--since {since} is later than --until {until}; nothing is in between");
    }
    if let (Some(baseline), Some(since)) = (args.baseline_since, args.since)
        && baseline >= since
    {
        bail!("--baseline-since {baseline} is not before --since {since}, where the baseline ends");
    }
    Ok(Query {
        role: args.role.clone(),
        session: args.session.clone(),
        access_key: args.access_key.clone(),
        resource: args.resource.clone(),
        since: args.baseline_since.or(args.since),
        until: args.until,
    })
}

fn asked(args: &Args) -> Asked<'_> {
    Asked {
        role: args.role.as_deref(),
        session: args.session.as_deref(),
        access_key: args.access_key.as_deref(),
        resource: args.resource.as_deref(),
        since: args.since,
        until: args.until,
        baseline_since: args.baseline_since,
    }
}

/// Sums records up.
struct Sums {
    activity: Activity,
    /// What was done before this time.
    baseline: Option<(Timestamp, Baseline)>,
    progress: Progress,
}

impl Sink for Sums {
    fn matched(&mut self, found: Match<'_>) -> ControlFlow<()> {
        let time = found.record.occurred_at();
        match &mut self.baseline {
            Some((since, baseline)) if time.is_some_and(|time| time < *since) => {
                baseline.add(&found.record);
            }
            _ => self.activity.add(&found.record),
        }
        ControlFlow::Continue(())
    }

    fn finished(&mut self, _file: &str, tally: &Tally) -> ControlFlow<()> {
        self.progress.show(tally);
        ControlFlow::Continue(())
    }
}

/// Prints records.
struct Lines<W> {
    output: W,
    error: Option<io::Error>,
    /// Whether they go to a terminal, which would obey what stands in them.
    is_seen: bool,
    progress: Progress,
}

impl<W: Write> Sink for Lines<W> {
    fn matched(&mut self, found: Match<'_>) -> ControlFlow<()> {
        // A record may be laid out over lines; inside of strings, JSON has no line breaks.
        let record = match self.is_seen {
            true => visible(found.raw),
            false => found.raw.into(),
        };
        let written = (record.split(['\n', '\r']))
            .try_for_each(|line| self.output.write_all(line.as_bytes()))
            .and_then(|()| self.output.write_all(b"\n"));
        match written {
            Ok(()) => ControlFlow::Continue(()),
            Err(error) => {
                self.error = Some(error);
                ControlFlow::Break(())
            }
        }
    }

    fn finished(&mut self, _file: &str, tally: &Tally) -> ControlFlow<()> {
        self.progress.show(tally);
        ControlFlow::Continue(())
    }
}

/// Tells a person at a terminal how far it is.
struct Progress {
    bar: ProgressBar,
    files: u64,
    matched: u64,
}

impl Progress {
    fn start(output: Output, paths: &[OsString]) -> Self {
        let total = output.draws().then(|| stored_bytes(paths)).flatten();
        Self {
            bar: moving(output, "reading", total),
            files: 0,
            matched: 0,
        }
    }

    fn hidden() -> Self {
        Self {
            bar: ProgressBar::hidden(),
            files: 0,
            matched: 0,
        }
    }

    fn show(&mut self, tally: &Tally) {
        self.files += tally.files;
        self.matched += tally.matched;
        self.bar.inc(tally.stored_bytes);
        let files = sheet::count(self.files as usize, "file", "files");
        let matched = sheet::number(self.matched);
        self.bar.set_message(format!("{files}, {matched} found"));
    }

    fn clear(&self) {
        self.bar.finish_and_clear();
    }
}

/// How much there is to read; none where that is not known before it was read.
fn stored_bytes(paths: &[OsString]) -> Option<u64> {
    let size = |path: &Path| fs::metadata(path).map_or(0, |it| it.len());
    let sizes = paths.iter().map(|path| {
        let path = Path::new(path);
        let metadata = fs::metadata(path).ok()?;
        if metadata.is_dir() {
            let files = Folder::new(path.to_owned(), Arc::default());
            return Some(files.map(|file| size(Path::new(&file.name))).sum());
        }
        metadata.is_file().then_some(metadata.len())
    });
    sizes.sum()
}

/// Files of one PATH, opened when their turn comes.
type Files = Box<dyn Iterator<Item = TrailFile> + Send>;

/// The files that each PATH stands for. Other kinds of places fit in here: whatever lists names and
/// opens each as something that can be read, blocking.
fn places(
    paths: &[OsString],
    options: &Options,
    other_files: &Arc<AtomicU64>,
) -> Result<Vec<Files>> {
    if paths.iter().filter(|path| *path == "-").count() > 1 {
        bail!("standard input can be read once; name - once");
    }
    let place = |path| place(path, options, other_files);
    paths.iter().map(place).collect()
}

fn place(path: &OsString, options: &Options, other_files: &Arc<AtomicU64>) -> Result<Files> {
    if path == "-" {
        let input = TrailFile::new("standard input", || Ok(io::stdin().lock()));
        return Ok(Box::new(std::iter::once(input)));
    }
    if let Some(url) = path.to_str().filter(|path| path.starts_with("s3://")) {
        return Ok(Box::new(bucket::files(url, options, other_files.clone())?));
    }
    let path = PathBuf::from(path);
    let metadata = fs::metadata(&path).map_err(|error| {
        anyhow!(
            "{} cannot be read ({error}); {}",
            path.display(),
            what_to_do(&error)
        )
    })?;
    if metadata.is_dir() {
        return Ok(Box::new(Folder::new(path, other_files.clone())));
    }
    // Tried now, for a wrong name is a mistake in the command; opened later, for there may be more files
    // than can be open at once. A pipe can be opened only once.
    if metadata.is_file() {
        File::open(&path).map_err(|error| {
            anyhow!(
                "{} cannot be opened ({error}); {}",
                path.display(),
                what_to_do(&error)
            )
        })?;
    }
    let file = TrailFile::new(path.display().to_string(), move || File::open(path));
    Ok(Box::new(std::iter::once(file)))
}

fn what_to_do(error: &io::Error) -> &'static str {
    match error.kind() {
        ErrorKind::NotFound => "check the path, or pass - to read standard input",
        ErrorKind::PermissionDenied => "ask for read access to it, or pipe it in and pass -",
        _ => "name a directory or a file that can be read, or pass - to read standard input",
    }
}

/// The trail files under a directory, in the order of their whole names, one directory listed at a
/// time.
struct Folder {
    /// What is left of each open directory, the next last.
    open: Vec<Vec<Entry>>,
    other_files: Arc<AtomicU64>,
}

struct Entry {
    path: PathBuf,
    is_folder: bool,
}

impl Folder {
    fn new(path: PathBuf, other_files: Arc<AtomicU64>) -> Self {
        let is_folder = true;
        Self {
            open: vec![vec![Entry { path, is_folder }]],
            other_files,
        }
    }

    fn list(&self, path: &Path) -> io::Result<Vec<Entry>> {
        if self.open.len() > MAX_FOLDER_DEPTH {
            return Err(io::Error::other(format!(
                "more than {MAX_FOLDER_DEPTH} directories deep; name it itself"
            )));
        }
        let mut entries = Vec::new();
        for entry in fs::read_dir(path)? {
            let entry = entry?;
            let is_folder = entry.file_type()?.is_dir();
            // Trail files are counted by their names; digests are another kind of file.
            match is_folder {
                true if entry.file_name() == "CloudTrail-Digest" => continue,
                false if !is_trail_file(&entry.path()) => {
                    self.other_files.fetch_add(1, Ordering::Relaxed);
                    continue;
                }
                _ => {}
            }
            let path = entry.path();
            entries.push(Entry { path, is_folder });
        }
        // As the names of objects sort: a directory's with a slash at its end.
        entries.sort_by_cached_key(|entry| {
            let mut name = entry.path.clone().into_os_string().into_encoded_bytes();
            name.extend(entry.is_folder.then_some(b'/'));
            name
        });
        entries.reverse();
        Ok(entries)
    }
}

impl Iterator for Folder {
    type Item = TrailFile;

    fn next(&mut self) -> Option<TrailFile> {
        loop {
            let Some(entry) = self.open.last_mut()?.pop() else {
                self.open.pop();
                continue;
            };
            let path = entry.path;
            let name = path.display().to_string();
            if !entry.is_folder {
                return Some(TrailFile::new(name, move || open(&path)));
            }
            match self.list(&path) {
                Ok(entries) => self.open.push(entries),
                // Told as a file that cannot be read, in its place.
                Err(error) => return Some(TrailFile::new(name, || Err::<File, _>(error))),
            }
        }
    }
}

/// Opens what was met in a directory. A pipe there would wait for ever, and a link to a directory may
/// lead around in a circle.
fn open(path: &Path) -> io::Result<File> {
    if !fs::metadata(path)?.is_file() {
        return Err(io::Error::other(
            "no regular file; name it itself to have it read",
        ));
    }
    File::open(path)
}

fn is_trail_file(path: &Path) -> bool {
    const ENDINGS: &[&str] = &[".json.gz", ".json", ".ndjson", ".jsonl"];
    let name = path.file_name().unwrap_or_default().as_encoded_bytes();
    ENDINGS
        .iter()
        .any(|ending| name.ends_with(ending.as_bytes()))
}
