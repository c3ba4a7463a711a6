//! A sealed case is read: `cases`, `show`, `timeline`, `findings`, `diff`, `logs`, `activity CASE`, `open`,
//! run as the program that people run.

#![allow(clippy::unwrap_used, reason = "what a test cannot read, fails it")]

use evidence::{
    Acquisition, ArtifactKind, CustodyAction, Exhibit, Outcome, Request, Responder, Sha256Digest,
    TimelineEntry, TimelineSource, is_hidden, keys,
};
use flate2::Compression;
use flate2::write::GzEncoder;
use jiff::Timestamp;
use serde_json::{Value, json};
use specimen::{ATTACKER, Kept, SECRET, Specimen};
use std::fs;
use std::io::{BufRead as _, BufReader, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::sync::OnceLock;
use vault::Vault as _;

/// A vault that all tests read and none writes to.
struct Fixed {
    _folder: tempfile::TempDir,
    kept: Kept,
}

fn fixed(specimen: &Specimen) -> Fixed {
    let folder = tempfile::tempdir().unwrap();
    let kept = wait(specimen.seal_in(folder.path())).unwrap();
    Fixed {
        _folder: folder,
        kept,
    }
}

fn wait<T>(what: impl Future<Output = T>) -> T {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    runtime.block_on(what)
}

fn plain() -> &'static Path {
    static PLAIN: OnceLock<Fixed> = OnceLock::new();
    &PLAIN.get_or_init(|| fixed(&Specimen::new())).kept.folder
}

fn hostile() -> &'static Path {
    static HOSTILE: OnceLock<Fixed> = OnceLock::new();
    let specimen = || fixed(&Specimen::new().hostile());
    &HOSTILE.get_or_init(specimen).kept.folder
}

fn command(vault: &Path, args: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_coldcase"));
    command
        .args(args)
        .env("COLDCASE_VAULT", vault)
        .env("XDG_STATE_HOME", env!("CARGO_TARGET_TMPDIR"))
        .env_remove("COLUMNS")
        .env_remove("DISPLAY")
        .env_remove("WAYLAND_DISPLAY")
        .env_remove("BROWSER");
    command
}

fn coldcase(vault: &Path, args: &[&str]) -> Output {
    command(vault, args).output().unwrap()
}

/// What a person reads at 80 columns.
fn read(vault: &Path, args: &[&str]) -> String {
    let output = command(vault, args).env("COLUMNS", "80").output().unwrap();
    let code = output.status.code();
    assert!(matches!(code, Some(0 | 1)), "{args:?}: {}", stderr(&output));
    String::from_utf8(output.stdout).unwrap()
}

fn document(vault: &Path, args: &[&str]) -> Value {
    let output = coldcase(vault, &[args, &["--json"]].concat());
    let code = output.status.code();
    assert!(matches!(code, Some(0 | 1)), "{args:?}: {}", stderr(&output));
    serde_json::from_slice(&output.stdout).unwrap()
}

fn stderr(output: &Output) -> String {
    String::from_utf8(output.stderr.clone()).unwrap()
}

/// Every way to read a case, and the schema of what it prints.
const READINGS: &[(&[&str], &str)] = &[
    (&["cases"], "cases"),
    (&["show", "latest"], "show"),
    (&["timeline", "latest"], "timeline"),
    (&["findings", "latest"], "findings"),
    (&["diff", "latest"], "diff"),
    (&["logs", "latest"], "logs"),
    (&["logs", "latest", "--invocations"], "invocations"),
    (&["activity", "latest"], "activity-case"),
    (&["open", "latest", "--print-path"], "open"),
];

#[test]
fn every_answer_is_as_its_schema_says() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../infra/schemas");
    let holds = |schema: &str, document: &Value| {
        let path = folder.join(format!("{schema}.schema.json"));
        let mut schemas = boon::Schemas::new();
        let mut compiler = boon::Compiler::new();
        compiler.enable_format_assertions();
        let index = compiler
            .compile(path.to_str().unwrap(), &mut schemas)
            .unwrap();
        schemas
            .validate(document, index)
            .map_err(|error| format!("{error:#}"))
    };
    let only_sealed = fixed(&Specimen::new().only_sealed());
    for vault in [plain(), hostile(), &only_sealed.kept.folder] {
        for (args, schema) in READINGS {
            let is_early = vault == only_sealed.kept.folder;
            if is_early && ["diff", "activity-case"].contains(schema) {
                continue;
            }
            let document = document(vault, args);
            assert_eq!(holds(schema, &document), Ok(()), "{args:?}");
            // A schema that allows anything would say nothing.
            let mut other = document.clone();
            other["surprise"] = json!(1);
            assert!(holds(schema, &other).is_err(), "{args:?}");
        }
    }
    let one = [
        "logs",
        "latest",
        "--invocation",
        "b1110000-0000-4000-8000-000000000004",
    ];
    assert_eq!(holds("logs", &document(plain(), &one)), Ok(()));
    let record = json!({"eventVersion": "1.11", "eventID": "1", "eventName": "GetObject",
        "eventSource": "s3.amazonaws.com", "eventTime": "2026-11-20T09:00:00Z", "sourceIPAddress": ATTACKER,
        "userIdentity": {"type": "IAMUser", "accessKeyId": "AKIAEXAMPLE"}});
    let folder = tempfile::tempdir().unwrap();
    let trail = folder.path().join("trail.jsonl");
    fs::write(&trail, format!("{record}\nno json\n")).unwrap();
    let args = [
        "activity",
        "--key",
        "AKIAEXAMPLE",
        "--trail",
        trail.to_str().unwrap(),
    ];
    let activity = document(plain(), &args);
    assert_eq!(holds("activity", &activity), Ok(()));
    assert_eq!(activity["summary"]["calls"], 1);
}

#[test]
fn nothing_that_an_attacker_wrote_is_obeyed_by_a_terminal() {
    let asked_for: &[(&[&str], &str)] = &[
        (&["show", "nothing\u{1b}[2J"], ""),
        (&["logs", "latest", "--grep", "\u{202e}"], ""),
    ];
    for (args, _) in READINGS.iter().chain(asked_for) {
        for json in [&[][..], &["--json"]] {
            for columns in [None, Some("80"), Some("40")] {
                let mut command = command(hostile(), &[args, json].concat());
                command.envs(columns.map(|columns| ("COLUMNS", columns)));
                let output = command.output().unwrap();
                for (what, bytes) in [("out", &output.stdout), ("err", &output.stderr)] {
                    let text = std::str::from_utf8(bytes).unwrap();
                    let hidden = text
                        .chars()
                        .find(|c| is_hidden(*c) && !matches!(c, '\n' | '\t'));
                    assert_eq!(hidden, None, "{args:?} {json:?} {columns:?} {what}");
                    assert!(!text.contains(SECRET), "{args:?} tells a secret");
                }
            }
        }
    }
}

#[test]
fn wrong_use_is_told_as_json_where_json_is_wanted() {
    for (args, told) in [
        (
            &["timeline", "latest", "--since", "soon", "--json"][..],
            "--since",
        ),
        (&["logs", "--json"], "CASE"),
        (&["shwo", "--json"], "shwo"),
    ] {
        let output = coldcase(plain(), args);
        assert_eq!(output.status.code(), Some(2), "{args:?}");
        let error: Value = serde_json::from_slice(&output.stderr).unwrap();
        assert_eq!(error["error"]["kind"], "usage");
        assert!(
            error["error"]["what"].as_str().unwrap().contains(told),
            "{error}"
        );
        assert_eq!(output.stdout, b"");
    }
}

#[test]
fn a_reader_that_goes_away_does_not_change_the_answer() {
    for (args, code) in [
        (&["diff", "latest"], 1),
        (&["show", "latest"], 0),
        (&["findings", "latest"], 1),
        (&["timeline", "latest"], 0),
        (&["completions", "bash"], 0),
    ] {
        for json in [&[][..], &["--json"]] {
            let (reader, writer) = std::io::pipe().unwrap();
            drop(reader);
            let mut command = command(plain(), &[args, json].concat());
            let output = command.stdout(writer).output().unwrap();
            assert_eq!(
                output.status.code(),
                Some(code),
                "{args:?}: {}",
                stderr(&output)
            );
            assert!(!stderr(&output).contains("pipe"), "{}", stderr(&output));
        }
    }
}

#[test]
fn a_page_is_80_columns_wide_whatever_is_in_it() {
    for vault in [plain(), hostile()] {
        for (args, _) in READINGS {
            // A path is left whole, to be copied.
            if args[0] == "open" {
                continue;
            }
            let text = read(vault, args);
            let widest = text.lines().max_by_key(|line| console_width(line)).unwrap();
            assert!(console_width(widest) <= 80, "{args:?}: {widest:?}");
        }
    }
}

fn console_width(line: &str) -> usize {
    // The specimen's names are of one column a character.
    line.chars().count()
}

#[test]
fn a_case_is_told_on_one_screen() {
    let text = read(plain(), &["show", "latest"]);
    for told in [
        "CRITICAL",
        "UpdateFunctionCode",
        "user/ci-deploy",
        ATTACKER,
        "function billing, 111122223333 eu-west-1",
        "stolen-credentials",
        "denied   tags: ",
        "still to come",
        "coldcase diff ",
        "coldcase contain ",
    ] {
        assert!(text.contains(told), "{told:?} is missing in\n{text}");
    }
    assert!(text.lines().count() <= 70, "{}", text.lines().count());
    // What stands for a variable's value is of no use to people.
    assert!(
        text.contains("environment variable TELEMETRY_URL added\n"),
        "{text}"
    );
    let document = document(plain(), &["show", "latest"]);
    assert_eq!(document["severity"], "critical");
    assert_eq!(document["acquisitions"]["by_outcome"]["denied"], 2);
    assert_eq!(document["to_come"], json!(["collect-late", "examine-late"]));
}

#[test]
fn what_is_to_be_done_next_can_be_done_as_it_is_written() {
    let text = read(plain(), &["show", "latest"]);
    let (_, next) = text.split_once("\nNext\n").unwrap();
    let commands: Vec<&str> = (next.lines())
        .filter_map(|line| line.trim_start().strip_prefix("coldcase "))
        .map(|line| line.split("  ").next().unwrap())
        .collect();
    assert!(commands.len() >= 6, "{text}");
    for command in commands {
        let words: Vec<&str> = command.split(' ').collect();
        let mut run = self::command(plain(), &words);
        // None of them asks AWS for anything but what changes a function.
        let output = run
            .env("AWS_EC2_METADATA_DISABLED", "true")
            .env("AWS_REGION", "us-east-1")
            .env("HOME", env!("CARGO_TARGET_TMPDIR"))
            .env_remove("AWS_PROFILE")
            .env_remove("AWS_ACCESS_KEY_ID")
            .output()
            .unwrap();
        let code = output.status.code();
        let wanted: &[i32] = if words[0] == "contain" { &[3] } else { &[0, 1] };
        assert!(
            wanted.contains(&code.unwrap()),
            "{command}: {}",
            stderr(&output)
        );
    }
}

#[test]
fn what_is_not_examined_yet_says_so_and_tells_what_is_known() {
    let early = fixed(&Specimen::new().only_sealed());
    let vault = &early.kept.folder;
    assert!(read(vault, &["cases"]).contains("not examined"));
    let shown = read(vault, &["show", "latest"]);
    assert!(shown.contains("Not examined yet") && shown.contains("still to come: the packages"));
    let timeline = document(vault, &["timeline", "latest"]);
    assert_eq!(timeline["examined"], false);
    assert_eq!(timeline["entries"][0]["source"], "trigger");
    let diff = coldcase(vault, &["diff", "latest"]);
    assert_eq!(diff.status.code(), Some(4));
    assert!(
        stderr(&diff).contains("not examined yet"),
        "{}",
        stderr(&diff)
    );
    let logs = coldcase(vault, &["logs", "latest"]);
    assert_eq!(logs.status.code(), Some(0));
    assert!(stderr(&logs).contains("no logs were collected yet"));
    let activity = coldcase(vault, &["activity", "latest"]);
    assert_eq!(activity.status.code(), Some(4));
}

#[test]
fn a_timeline_is_in_order_and_gives_what_is_asked_for() {
    let told = |args: &[&str]| -> Vec<Value> {
        let document = document(plain(), &[&["timeline", "latest"], args].concat());
        let entries = document["entries"].as_array().unwrap().clone();
        assert_eq!(document["told"], entries.len());
        entries
    };
    let all = told(&[]);
    let at = |entry: &Value| {
        entry["occurred_at"]
            .as_str()
            .unwrap()
            .parse::<Timestamp>()
            .unwrap()
    };
    assert!(all.is_sorted_by_key(at));
    // Also what was sealed after the timeline was drawn.
    let last = all.last().unwrap();
    assert_eq!(last["what"], "addendum 4 was sealed");
    let is = |field: &str, value: &str| {
        let wanted = |entry: &&Value| entry[field] == value;
        all.iter().filter(wanted).count()
    };
    for source in [
        "trigger",
        "audit-events",
        "role-activity",
        "invocation",
        "finding",
    ] {
        let some = told(&["--source", source]);
        assert!(
            !some.is_empty() && some.len() == is("source", source),
            "{source}"
        );
    }
    let from = told(&["--grep", "USER/CI-DEPLOY"]);
    assert_eq!(
        from.len(),
        is("who", "arn:aws:iam::111122223333:user/ci-deploy") + says_only(&all)
    );
    let severe = told(&["--severity", "critical"]);
    assert_eq!(severe.len(), is("severity", "critical"));
    let event: Timestamp = "2026-11-20T03:15:01Z".parse().unwrap();
    let soon = told(&["--since", "event", "--until", "event+1m"]);
    let is_soon =
        |entry: &&Value| at(entry) >= event && at(entry).duration_since(event).as_secs() <= 60;
    assert_eq!(soon.len(), all.iter().filter(is_soon).count());
    assert!(told(&["--since", "2026-11-21", "--until", "-1s"]).is_empty());
    assert_eq!(told(&["--last", "3"]), all[all.len() - 3..]);
    let lines = coldcase(plain(), &["timeline", "latest"]).stdout;
    let lines = String::from_utf8(lines).unwrap();
    assert_eq!(
        lines.lines().count(),
        all.len(),
        "one line an entry where nobody watches"
    );
    assert!(lines.lines().all(|line| line.split('\t').count() == 7));
}

/// Entries that name the user in what happened, and not as who did it.
fn says_only(all: &[Value]) -> usize {
    let says = |entry: &&Value| {
        let what = entry["what"].as_str().unwrap();
        let who = entry["who"].as_str().unwrap_or_default();
        what.contains("user/ci-deploy") && !who.contains("user/ci-deploy")
    };
    all.iter().filter(says).count()
}

/// Entries in plenty, in an addendum of an examination.
fn flooded(entries: usize) -> Fixed {
    let fixed = fixed(&Specimen::new().only_sealed());
    let kept = &fixed.kept;
    let at: Timestamp = "2026-11-20T04:00:00Z".parse().unwrap();
    let mut exhibits = Vec::new();
    for (number, from) in (0..entries).step_by(25_000).enumerate() {
        let mut part = GzEncoder::new(Vec::new(), Compression::fast());
        for entry in from..entries.min(from + 25_000) {
            let what = format!("entry {entry} {}", "x".repeat(200));
            let entry = TimelineEntry::new(at, TimelineSource::RoleActivity, &what);
            writeln!(part, "{}", serde_json::to_string(&entry).unwrap()).unwrap();
        }
        let bytes = part.finish().unwrap();
        let sha256 = Sha256Digest::of(&bytes);
        let name = format!("timeline-{:04}-sealed", number + 1);
        let key = keys::examined(&kept.case_id, "sealed", &name, &sha256, "jsonl.gz");
        let size_bytes = bytes.len() as u64;
        wait(kept.vault.put_once(&key, bytes.into(), "application/gzip")).unwrap();
        exhibits.push(Exhibit {
            name,
            key,
            sha256,
            size_bytes,
            media_type: "application/gzip".to_owned(),
            source: "coldcase: a test".to_owned(),
            acquired_at: at,
        });
    }
    let case = wait(vault::sealed(&*kept.vault, &kept.case_id, 0))
        .unwrap()
        .unwrap();
    let responder = Responder {
        program: "coldcase".to_owned(),
        version: "0.1.0".to_owned(),
        identity: "a test".to_owned(),
        attempt: "1".to_owned(),
    };
    let is_ours = |manifest: &evidence::Manifest| manifest.sequence == 1;
    let amended = vault::amend(&*kept.vault, &*kept.signer, &case, is_ours, |last| {
        let mut addendum = last.amend(responder.clone(), at);
        addendum.record(Acquisition {
            request: Request::one(ArtifactKind::Examination, "sealed"),
            target: last.manifest().target.clone(),
            result: Outcome::Acquired,
            calls: Vec::new(),
            exhibits: exhibits.clone(),
        });
        let pass = "sealed".to_owned();
        addendum.custody(CustodyAction::Examined { pass }, at);
        addendum.draft(at)
    });
    wait(amended).unwrap();
    fixed
}

/// 30 MB of entries pass through a process that holds one part of them and no more.
#[cfg(target_os = "linux")]
#[test]
fn a_hundred_thousand_entries_are_told_in_flat_memory() {
    let flooded = flooded(100_000);
    for args in [
        &["timeline", "latest"][..],
        &["timeline", "latest", "--json"],
    ] {
        let mut child = command(&flooded.kept.folder, args)
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let mut peak_kib = |after: usize| -> u64 {
            let read = lines.by_ref().take(after).map(Result::unwrap).count();
            assert_eq!(read, after);
            let status = fs::read_to_string(format!("/proc/{}/status", child.id())).unwrap();
            let mut said = status.lines();
            let peak = said.find(|line| line.starts_with("VmHWM:")).unwrap();
            peak.split_whitespace().nth(1).unwrap().parse().unwrap()
        };
        let (first, last) = (peak_kib(24_000), peak_kib(75_000));
        assert!(last < first + 4 * 1024, "{first} KiB, then {last} KiB");
        assert!(lines.map(Result::unwrap).count() >= 1_000);
        assert!(child.wait().unwrap().success());
    }
}

#[test]
fn findings_come_the_worst_first_with_their_proof() {
    let all = document(plain(), &["findings", "latest"]);
    let severities: Vec<evidence::Severity> = all["findings"]
        .as_array()
        .unwrap()
        .iter()
        .map(|finding| serde_json::from_value(finding["severity"].clone()).unwrap())
        .collect();
    assert!(severities.is_sorted_by(|a, b| a >= b));
    assert_eq!(
        coldcase(plain(), &["findings", "latest"]).status.code(),
        Some(1)
    );
    let some = document(plain(), &["findings", "latest", "--severity", "high"]);
    let told = some["findings"].as_array().unwrap().len();
    assert_eq!(
        told + some["more"].as_u64().unwrap() as usize,
        severities.len()
    );
    let text = read(
        plain(),
        &["findings", "latest", "--rule", "credentials-sent-away"],
    );
    for told in [
        "function-code.zip app.py:7",
        "ATT&CK T1041",
        "-> Revoke the role's sessions",
    ] {
        assert!(text.contains(told), "{told:?} is missing in\n{text}");
    }
    let none = coldcase(plain(), &["findings", "latest", "--rule", "no-such-rule"]);
    assert_eq!(none.status.code(), Some(0));
}

#[test]
fn a_difference_is_told_line_by_line_and_without_values() {
    let text = read(plain(), &["diff", "latest"]);
    for told in [
        "+ environment variable TELEMETRY_URL\n      is  (a value that is not shown)",
        "was allow dynamodb:getitem",
        "+ telemetry.py",
        "--- a/app.py\n+++ b/app.py\n@@ ",
        "\n+import urllib.request\n",
    ] {
        assert!(text.contains(told), "{told:?} is missing in\n{text}");
    }
    let document = document(plain(), &["diff", "latest"]);
    let part = &document["parts"][0];
    assert_eq!(
        part["difference"]["files"]["changed"][0]["after"]["path"],
        "app.py"
    );
    assert!(!read(plain(), &["diff", "latest", "--stat"]).contains("@@"));
}

#[test]
fn two_cases_are_compared_with_each_other() {
    let folder = tempfile::tempdir().unwrap();
    let first = wait(Specimen::new().only_sealed().seal_in(folder.path())).unwrap();
    let later = "2026-11-21T03:15:01Z".parse().unwrap();
    let specimen = Specimen::new()
        .hostile()
        .without_baseline()
        .only_sealed()
        .changed_at(later);
    let second = wait(specimen.seal_in(folder.path())).unwrap();
    let pair = format!("{}..{}", first.case_id, second.case_id);
    let document = document(&first.folder, &["diff", &pair]);
    let added = document["parts"][0]["difference"]["files"]["added"]
        .as_array()
        .unwrap();
    assert_eq!(added.len(), 1, "{document:#}");
    let changes = document["changes"].as_array().unwrap();
    let subject = |change: &&Value| change["subject"] == "description";
    let description = changes.iter().find(subject).unwrap();
    assert_eq!(description["before"], "bills every night");
    let text = document.to_string();
    assert!(!text.contains(SECRET));
    let same = coldcase(
        &first.folder,
        &["diff", &format!("{0}..{0}", first.case_id)],
    );
    assert_eq!(same.status.code(), Some(0), "{}", stderr(&same));
    let half = coldcase(&first.folder, &["diff", &format!("{}..", first.case_id)]);
    assert_eq!(half.status.code(), Some(2));
}

#[test]
fn a_log_is_read_whole_or_by_invocation() {
    let all = document(plain(), &["logs", "latest"]);
    let lines = all["lines"].as_array().unwrap();
    let at = |line: &Value| line["at"].as_str().unwrap().parse::<Timestamp>().unwrap();
    assert!(lines.is_sorted_by_key(at));
    let id = "b1110000-0000-4000-8000-000000000004";
    let one = document(plain(), &["logs", "latest", "--invocation", id]);
    let messages: Vec<&str> = one["lines"]
        .as_array()
        .unwrap()
        .iter()
        .map(|line| line["message"].as_str().unwrap())
        .collect();
    assert_eq!(messages.len(), 4, "{messages:#?}");
    assert!(
        messages[0].starts_with("START") && messages[1].contains("[ERROR]"),
        "{messages:#?}"
    );
    assert_eq!(one["invocation"]["status"], "timeout");
    let grep = document(plain(), &["logs", "latest", "--grep", "urlerror"]);
    assert_eq!(grep["told"], 1);
    let table = document(plain(), &["logs", "latest", "--invocations"]);
    assert_eq!((&table["told"], &table["failed"]), (&json!(4), &json!(1)));
    let none = coldcase(plain(), &["logs", "latest", "--invocation", "ffffffff"]);
    assert_eq!(none.status.code(), Some(4));
    let several = coldcase(plain(), &["logs", "latest", "--invocation", "b111"]);
    assert_eq!(several.status.code(), Some(2));
    assert!(stderr(&several).contains("name more of it"));
}

#[test]
fn a_wrong_name_says_what_to_do() {
    let folder = tempfile::tempdir().unwrap();
    let empty = coldcase(folder.path(), &["cases"]);
    assert_eq!(empty.status.code(), Some(0));
    assert!(String::from_utf8_lossy(&empty.stdout).contains("no case in"));
    for (vault, named, code, told) in [
        (
            plain(),
            "no-such-case",
            4,
            "`coldcase cases` lists those that are",
        ),
        (folder.path(), "latest", 4, "there is no case in"),
        (
            Path::new("/no/such/vault"),
            "latest",
            4,
            "name one with --vault",
        ),
    ] {
        for subcommand in [
            "show", "timeline", "findings", "diff", "logs", "open", "activity",
        ] {
            let output = coldcase(vault, &[subcommand, named]);
            assert_eq!(output.status.code(), Some(code), "{subcommand} {named}");
            assert!(
                stderr(&output).contains(told),
                "{subcommand}: {}",
                stderr(&output)
            );
        }
    }
    let two = tempfile::tempdir().unwrap();
    let specimen = Specimen::new().only_sealed();
    let kept = wait(specimen.seal_in(two.path())).unwrap();
    wait(specimen.function("billing-2").seal_in(two.path())).unwrap();
    let both = coldcase(&kept.folder, &["show", "20261120T031501Z"]);
    assert_eq!(both.status.code(), Some(2));
    assert!(stderr(&both).contains("several cases"), "{}", stderr(&both));
    let wrong = coldcase(
        &kept.folder,
        &["timeline", "latest", "--since", "yesterday"],
    );
    assert_eq!(wrong.status.code(), Some(2));
}

#[test]
fn a_broken_case_is_listed_as_broken_and_the_others_are_read() {
    let folder = tempfile::tempdir().unwrap();
    let kept = wait(Specimen::new().only_sealed().seal_in(folder.path())).unwrap();
    let other = Specimen::new().only_sealed().function("ledger");
    wait(other.seal_in(folder.path())).unwrap();
    let envelope = path_of(&kept.folder, &keys::envelope(&kept.case_id, 0));
    let bytes = fs::read(&envelope).unwrap();
    writable(&envelope);
    fs::write(&envelope, &bytes[..bytes.len() / 2]).unwrap();
    let listed = document(&kept.folder, &["cases"]);
    let states: Vec<&str> = listed["cases"]
        .as_array()
        .unwrap()
        .iter()
        .map(|case| case["state"].as_str().unwrap())
        .collect();
    assert_eq!(states, ["broken", "sealed"]);
    assert!(read(&kept.folder, &["cases"]).contains("BROKEN"));
    let broken = coldcase(&kept.folder, &["show", kept.case_id.as_str()]);
    assert_eq!(broken.status.code(), Some(5), "{}", stderr(&broken));
}

#[test]
fn an_altered_exhibit_is_not_told_and_that_is_said() {
    let fixed = fixed(&Specimen::new());
    let folder = &fixed.kept.folder;
    let case = wait(vault::Case::read(&*fixed.kept.vault, &fixed.kept.case_id))
        .unwrap()
        .unwrap();
    let mut exhibits = case
        .manifests
        .iter()
        .rev()
        .flat_map(|manifest| manifest.exhibits());
    let timeline = exhibits
        .find(|it| it.name.starts_with("timeline-"))
        .unwrap();
    let file = path_of(folder, &timeline.key);
    let mut bytes = fs::read(&file).unwrap();
    bytes[20] ^= 1;
    writable(&file);
    fs::write(&file, bytes).unwrap();
    let told = document(folder, &["timeline", "latest"]);
    let not_read = told["not_read"][0].as_str().unwrap();
    assert!(
        not_read.contains("not those that were sealed"),
        "{not_read}"
    );
    let spoken = coldcase(folder, &["timeline", "latest"]);
    assert!(
        stderr(&spoken).contains("not read: timeline-"),
        "{}",
        stderr(&spoken)
    );
}

fn path_of(vault: &Path, key: &str) -> PathBuf {
    vault.join(key)
}

/// What a vault keeps is not to be written; a test plays whoever does it all the same.
fn writable(path: &Path) {
    use std::os::unix::fs::PermissionsExt as _;
    fs::set_permissions(path, fs::Permissions::from_mode(0o600)).unwrap();
}

#[test]
fn a_report_is_laid_down_where_only_its_reader_sees_it() {
    use std::os::unix::fs::PermissionsExt as _;
    let fixed = fixed(&Specimen::new().hostile().only_traced());
    let kept = &fixed.kept;
    let home = tempfile::tempdir().unwrap();
    let open = |args: &[&str]| {
        let output = command(&kept.folder, args)
            .env("XDG_STATE_HOME", home.path())
            .output()
            .unwrap();
        assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
        let text = String::from_utf8(output.stdout).unwrap();
        let path = PathBuf::from(text.split_whitespace().last().unwrap());
        assert!(path.starts_with(home.path()));
        let mode = fs::metadata(&path).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
        fs::read_to_string(path).unwrap()
    };
    let made = open(&["open", "latest", "--print-path"]);
    assert!(made.contains(kept.case_id.as_str()) && !made.contains("<script>alert("));
    assert!(!made.contains(SECRET));
    // What lies in the vault beside the evidence is not sealed: anybody may have put it there.
    let report = "<!doctype html><script>alert(1)</script>";
    let key = keys::report(&kept.case_id, 1, "html");
    wait(kept.vault.put_once(&key, report.into(), "text/html")).unwrap();
    assert_eq!(open(&["open", "latest"]), made);
}

#[test]
fn a_reader_that_goes_away_ends_it_quietly() {
    let mut child = command(hostile(), &["timeline", "latest", "--quiet"])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    drop(child.stdout.take());
    let output = child.wait_with_output().unwrap();
    assert_eq!(
        (output.status.code(), stderr(&output)),
        (Some(0), String::new())
    );
}

/// A specimen in which the last addendum's verdict is another one, and its signature is left as it was.
fn forged() -> Fixed {
    let fixed = fixed(&Specimen::new());
    let case = wait(vault::Case::read(&*fixed.kept.vault, &fixed.kept.case_id));
    let manifests = case.unwrap().unwrap().manifests;
    let last = manifests.last().unwrap();
    let path = (fixed.kept.folder).join(keys::envelope(&fixed.kept.case_id, last.sequence));
    writable(&path);
    let envelope = evidence::Envelope::read(&fs::read(&path).unwrap()).unwrap();
    let payload = String::from_utf8(envelope.payload().unwrap()).unwrap();
    let quoted = |line: &str| serde_json::to_string(line).unwrap();
    let line = quoted(&last.verdict.as_ref().unwrap().line);
    assert!(payload.contains(&line));
    let payload = payload.replace(&line, &quoted("All is well."));
    let draft = evidence::Draft::adopt(payload.into_bytes()).unwrap();
    let signature = envelope.signature().unwrap();
    fs::write(&path, draft.envelope(&signature).unwrap()).unwrap();
    fixed
}

#[test]
fn a_forged_addendum_is_not_told_as_truth() {
    let fixed = forged();
    let folder = &fixed.kept.folder;
    for name in ["show", "timeline", "findings"] {
        let output = command(folder, &[name, "latest"])
            .env("COLUMNS", "80")
            .output();
        let output = output.unwrap();
        assert_eq!(output.status.code(), Some(1), "{name}");
        assert!(stderr(&output).contains("ALTERED: Addendum"), "{name}");
    }
    let told = document(folder, &["show", "latest"]);
    assert_eq!(told["severity"], "critical");
    assert_eq!(told["altered"].as_array().unwrap().len(), 1, "{told}");
    let listed = document(folder, &["cases"]);
    assert_eq!(listed["cases"][0]["state"], "broken");
    // And what is whole says so.
    assert_eq!(document(plain(), &["show", "latest"])["altered"], json!([]));
}

#[test]
fn a_vault_is_read_as_it_is() {
    let fixed = fixed(&Specimen::new().only_traced());
    let folder = &fixed.kept.folder;
    fs::remove_dir_all(folder.join(".incoming")).unwrap();
    // One odd file does not hide the other cases.
    let id = fixed.kept.case_id.as_str();
    let (begin, end) = id.split_at(id.len() - 4);
    let end = if end == "0000" { "1111" } else { "0000" };
    fs::create_dir_all(folder.join(format!("cases/{begin}{end}/manifest-0000.dsse.json"))).unwrap();
    // A folder is no key: something of the case has to be there for it to be listed.
    fs::write(
        folder.join(format!("cases/{begin}{end}/notified.json")),
        "{}",
    )
    .unwrap();
    let listed = document(folder, &["cases"]);
    let states: Vec<&Value> = listed["cases"]
        .as_array()
        .unwrap()
        .iter()
        .map(|it| &it["state"])
        .collect();
    assert_eq!(states.len(), 2);
    assert!(
        states.contains(&&json!("broken")) && states.contains(&&json!("sealed")),
        "{states:?}"
    );
    assert!(!folder.join(".incoming").exists());
    for little in ["", "2", "f00"] {
        let output = coldcase(folder, &["show", little]);
        assert_eq!(output.status.code(), Some(2), "{little:?}");
    }
    let other = tempfile::tempdir().unwrap();
    fs::write(other.path().join("holiday.txt"), "sun").unwrap();
    let output = coldcase(other.path(), &["cases"]);
    assert_eq!(output.status.code(), Some(4));
    assert!(
        stderr(&output).contains("is no vault"),
        "{}",
        stderr(&output)
    );
}

#[test]
fn what_to_run_next_leads_to_the_same_vault() {
    let mut command = Command::new(env!("CARGO_BIN_EXE_coldcase"));
    command.args(["show", "latest", "--vault"]).arg(plain());
    let output = command.env_remove("COLDCASE_VAULT").output().unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    let next = text
        .lines()
        .find(|line| line.starts_with("  coldcase findings"));
    let vault = format!("--vault {}", plain().display());
    assert!(next.is_some_and(|line| line.ends_with(&vault)), "{next:?}");
    // Nor does JSON tell the marks that stand for values.
    let changed = document(plain(), &["show", "latest"])["verdict"]["changed"].to_string();
    assert!(changed.contains(r#"TELEMETRY_URL added""#), "{changed}");
    // Words that the lines say can be asked for.
    let roles = document(plain(), &["timeline", "latest", "--source", "role"]);
    assert_ne!(roles["told"], 0);
}
