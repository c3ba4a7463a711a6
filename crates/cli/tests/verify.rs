//! `verify`, `export` and `import`, run as the program that people run.

#![allow(clippy::unwrap_used, reason = "what a test cannot read, fails it")]

use bytes::Bytes;
use evidence::{
    Acquisition, ArtifactKind, Exhibit, OpenCase, Outcome, Request, Responder, Sha256Digest,
    Trigger, is_hidden,
};
use futures_util::StreamExt as _;
use serde_json::{Value, json};
use specimen::{Kept, SECRET, Specimen};
use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::sync::OnceLock;
use tempfile::TempDir;
use vault::{DirectoryVault, LocalSigner, Opened, Source, SourceError, Vault as _};

/// A hostile case, its bag, and nothing that a test may write to.
struct Fixed {
    _folder: TempDir,
    kept: Kept,
    bag: PathBuf,
}

fn fixed() -> &'static Fixed {
    static FIXED: OnceLock<Fixed> = OnceLock::new();
    FIXED.get_or_init(|| {
        let folder = tempfile::tempdir().unwrap();
        let kept = seal(&Specimen::new().hostile(), folder.path());
        let bag = folder.path().join("bag.zip");
        let exported = coldcase(&kept.folder, &["export", "latest", "--to", text(&bag)]);
        assert_eq!(exported.status.code(), Some(0), "{}", stderr(&exported));
        Fixed {
            _folder: folder,
            kept,
            bag,
        }
    })
}

fn seal(specimen: &Specimen, folder: &Path) -> Kept {
    let mut runtime = tokio::runtime::Builder::new_current_thread();
    let sealing = specimen.seal_in(folder);
    runtime
        .enable_all()
        .build()
        .unwrap()
        .block_on(sealing)
        .unwrap()
}

fn command(vault: &Path, args: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_coldcase"));
    command
        .args(args)
        .env("COLDCASE_VAULT", vault)
        .env("COLUMNS", "80");
    command
}

fn coldcase(vault: &Path, args: &[&str]) -> Output {
    command(vault, args).output().unwrap()
}

/// On a wide terminal, where little is broken into lines.
fn wide(vault: &Path, args: &[&str]) -> Output {
    command(vault, args).env("COLUMNS", "200").output().unwrap()
}

fn stdout(output: &Output) -> String {
    String::from_utf8(output.stdout.clone()).unwrap()
}

fn stderr(output: &Output) -> String {
    String::from_utf8(output.stderr.clone()).unwrap()
}

fn text(path: &Path) -> &str {
    path.to_str().unwrap()
}

fn document(vault: &Path, args: &[&str]) -> Value {
    let output = coldcase(vault, &[args, &["--json"]].concat());
    serde_json::from_slice(&output.stdout).unwrap_or_else(|_| panic!("{}", stderr(&output)))
}

/// Changes a file of a vault, whose files may only be read.
fn alter(path: &Path, with: &[u8]) {
    fs::set_permissions(path, Permissions::from_mode(0o600)).unwrap();
    fs::write(path, with).unwrap();
}

fn holds(schema: &str, document: &Value) -> Result<(), String> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../infra/schemas");
    let path = folder.join(format!("{schema}.schema.json"));
    let mut schemas = boon::Schemas::new();
    let mut compiler = boon::Compiler::new();
    compiler.enable_format_assertions();
    let index = compiler.compile(text(&path), &mut schemas).unwrap();
    schemas
        .validate(document, index)
        .map_err(|error| format!("{error:#}"))
}

#[test]
fn a_case_a_vault_and_a_bag_verify_with_the_trusted_key() {
    let Fixed { kept, bag, .. } = fixed();
    let (id, key) = (kept.case_id.as_str(), text(&kept.public_key));
    for what in [id, "latest", text(&kept.folder), text(bag)] {
        let output = coldcase(&kept.folder, &["verify", what, "--key", key]);
        let said = stdout(&output);
        assert_eq!(
            output.status.code(),
            Some(0),
            "{what}: {said}{}",
            stderr(&output)
        );
        assert!(said.contains("GOOD") && said.contains(id), "{said}");
        assert!(!said.contains("BAD"), "{said}");
        assert!(!said.contains("whose key it is"), "{said}");
    }
    // Nobody named any.
    let output = coldcase(&kept.folder, &["verify"]);
    assert_eq!(output.status.code(), Some(0));
    assert!(stdout(&output).contains("whose key it is"));
    // The vault and the bag hold the same exhibits.
    let exhibits =
        |what: &str| document(&kept.folder, &["verify", what])["cases"][0]["exhibits"].clone();
    assert_eq!(exhibits("latest"), exhibits(text(bag)));
}

#[test]
fn the_digest_of_a_key_is_as_good_as_the_key() {
    let Fixed { kept, .. } = fixed();
    let signed =
        document(&kept.folder, &["verify", "latest"])["cases"][0]["signed_with"][0].clone();
    let right = coldcase(
        &kept.folder,
        &["verify", "latest", "--key-id", signed.as_str().unwrap()],
    );
    assert_eq!(right.status.code(), Some(0), "{}", stdout(&right));
    assert!(!stdout(&right).contains("whose key it is"));
    let wrong = wide(
        &kept.folder,
        &["verify", "latest", "--key-id", &"0".repeat(64)],
    );
    assert_eq!(wrong.status.code(), Some(1));
    assert!(
        stdout(&wrong).contains("no key that it was signed with"),
        "{}",
        stdout(&wrong)
    );
}

#[test]
fn another_key_an_altered_byte_and_a_missing_file_are_named() {
    let folder = tempfile::tempdir().unwrap();
    let kept = seal(&Specimen::new().only_examined(), folder.path());
    let bad = |args: &[&str]| {
        let output = wide(&kept.folder, args);
        assert_eq!(output.status.code(), Some(1), "{}", stderr(&output));
        stdout(&output).replace("\n      ", " ")
    };
    let said = bad(&["verify", "latest", "--key", text(&fixed().kept.public_key)]);
    assert!(said.contains("signature: signed with key"), "{said}");
    let case = kept.folder.join("cases").join(kept.case_id.as_str());
    let exhibit = fs::read_dir(case.join("exhibits"))
        .unwrap()
        .next()
        .unwrap()
        .unwrap()
        .path();
    let mut bytes = fs::read(&exhibit).unwrap();
    bytes[7] ^= 1;
    alter(&exhibit, &bytes);
    let name = exhibit.file_name().unwrap().to_str().unwrap();
    let said = bad(&["verify", "latest"]);
    assert!(said.contains(&format!("{name} digest:")), "{said}");
    fs::remove_file(case.join("manifest-0001.sig")).unwrap();
    let said = bad(&["verify", "latest"]);
    assert!(
        said.contains("manifest-0001.sig") && said.contains("is not in the vault"),
        "{said}"
    );
    // A whole last addendum: it cannot be seen, and that is said.
    for part in ["json", "sha256", "sig", "dsse.json"] {
        fs::remove_file(case.join(format!("manifest-0002.{part}"))).unwrap();
    }
    let said = bad(&["verify", "latest"]);
    assert!(
        said.contains("whether a last addendum was taken away"),
        "{said}"
    );
}

#[test]
fn every_answer_is_as_its_schema_says() {
    let Fixed { kept, bag, .. } = fixed();
    let folder = tempfile::tempdir().unwrap();
    let other = folder.path().join("other");
    let vault = text(&other);
    let to = folder.path().join("bag");
    let answers = [
        ("verify", document(&kept.folder, &["verify"])),
        ("verify", document(&kept.folder, &["verify", text(bag)])),
        (
            "export",
            document(&kept.folder, &["export", "latest", "--to", text(&to)]),
        ),
        (
            "import",
            document(&kept.folder, &["import", text(bag), "--vault", vault]),
        ),
        (
            "import",
            document(&kept.folder, &["import", text(bag), "--vault", vault]),
        ),
    ];
    for (schema, document) in &answers {
        assert_eq!(holds(schema, document), Ok(()));
        let mut surprising = document.clone();
        surprising["surprise"] = json!(1);
        assert!(holds(schema, &surprising).is_err());
    }
    fs::write(to.join("data/added"), "").unwrap();
    let unsound = document(&kept.folder, &["verify", text(&to)]);
    assert_eq!(
        (holds("verify", &unsound), &unsound["result"]),
        (Ok(()), &json!("bad"))
    );
    let refused = document(&kept.folder, &["import", text(&to), "--vault", vault]);
    assert_eq!(
        (holds("import", &refused), &refused["is_sound"]),
        (Ok(()), &json!(false))
    );
}

#[test]
fn a_case_moves_to_another_vault_and_back_and_is_the_same() {
    let Fixed { kept, bag, .. } = fixed();
    let folder = tempfile::tempdir().unwrap();
    let other = folder.path().join("other");
    let key = ["--key", text(&kept.public_key)];
    let import = [&["import", text(bag)][..], &key].concat();
    let output = coldcase(&other, &import);
    assert_eq!(
        output.status.code(),
        Some(0),
        "{}{}",
        stdout(&output),
        stderr(&output)
    );
    assert_eq!(coldcase(&other, &import).status.code(), Some(0));
    assert_eq!(
        coldcase(&other, &[&["verify"][..], &key].concat())
            .status
            .code(),
        Some(0)
    );
    let again = folder.path().join("again");
    let output = coldcase(&other, &["export", "latest", "--to", text(&again)]);
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    let last =
        |vault: &Path, what: &str| document(vault, &["verify", what])["cases"][0]["last"].clone();
    assert_eq!(last(&other, text(&again)), last(&kept.folder, "latest"));
}

#[test]
fn raw_evidence_is_said_to_be_raw_and_the_report_goes_along() {
    let Fixed { kept, .. } = fixed();
    let folder = tempfile::tempdir().unwrap();
    let to = folder.path().join("bag");
    let output = coldcase(&kept.folder, &["export", "latest", "--to", text(&to)]);
    assert!(
        stderr(&output).contains("raw evidence"),
        "{}",
        stderr(&output)
    );
    for out in [&output.stdout, &output.stderr] {
        assert!(!String::from_utf8_lossy(out).contains(SECRET));
    }
    let reports = to.join("data/reports").join(kept.case_id.as_str());
    for extension in ["html", "md", "json"] {
        assert!(
            reports.join(format!("0004.{extension}")).is_file(),
            "{extension}"
        );
    }
    let info = fs::read_to_string(to.join("bag-info.txt")).unwrap();
    assert!(
        info.contains("Coldcase-Verified-Before-Export: everything was as it was sealed"),
        "{info}"
    );
    let output = coldcase(&kept.folder, &["export", "latest", "--to", text(&to)]);
    assert_eq!(output.status.code(), Some(2));
    assert!(
        stderr(&output).contains("is there already"),
        "{}",
        stderr(&output)
    );
}

#[test]
fn a_full_disk_leaves_nothing_and_says_so() {
    let Fixed { kept, .. } = fixed();
    let folder = tempfile::tempdir().unwrap();
    // No file may become longer than this; the kernel's answer is not told from a full disk's here.
    for name in ["bag", "bag.zip"] {
        let to = folder.path().join(name);
        let program = env!("CARGO_BIN_EXE_coldcase");
        let line = "trap '' XFSZ; ulimit -f 4; exec \"$0\" export latest --quiet --to \"$1\"";
        let output = Command::new("sh")
            .args(["-c", line, program, text(&to)])
            .env("COLDCASE_VAULT", &kept.folder)
            .output()
            .unwrap();
        assert!(!output.status.success());
        assert!(
            stderr(&output).contains("cannot be written"),
            "{}",
            stderr(&output)
        );
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0);
    }
}

/// A case with a package of so many bytes.
fn large(folder: &Path, megabytes: usize) -> PathBuf {
    let vault = folder.join("vault");
    let sealing = async {
        let opened = DirectoryVault::open(&vault).await.unwrap();
        let package = Zeros(megabytes);
        let receipt = opened.put_content(&package, u64::MAX).await.unwrap();
        let specimen = Specimen::new();
        let at = "2026-11-20T03:15:01Z".parse().unwrap();
        let trigger = Trigger::Person {
            request_id: "large".to_owned(),
            reason: "a large package".to_owned(),
            occurred_at: at,
        };
        let responder = Responder {
            program: "coldcase".to_owned(),
            version: "0.1.0".to_owned(),
            identity: "a test".to_owned(),
            attempt: "1".to_owned(),
        };
        let mut case = OpenCase::open(trigger, specimen.target(), responder, at);
        case.record(Acquisition {
            request: Request::whole(ArtifactKind::FunctionCode),
            target: specimen.target(),
            result: Outcome::Acquired,
            calls: Vec::new(),
            exhibits: vec![Exhibit {
                name: "function-code.zip".to_owned(),
                key: receipt.key,
                sha256: receipt.sha256,
                size_bytes: receipt.size_bytes,
                media_type: "application/zip".to_owned(),
                source: "a test".to_owned(),
                acquired_at: at,
            }],
        });
        let signer = LocalSigner::ephemeral().unwrap();
        let draft = case.draft(at).unwrap();
        vault::seal(&opened, &signer, draft).await.unwrap();
    };
    let mut runtime = tokio::runtime::Builder::new_current_thread();
    runtime.enable_all().build().unwrap().block_on(sealing);
    vault
}

struct Zeros(usize);

#[async_trait::async_trait]
impl Source for Zeros {
    fn expected(&self) -> Option<Sha256Digest> {
        None
    }

    fn media_type(&self) -> &str {
        "application/zip"
    }

    async fn open(&self) -> Result<Opened, SourceError> {
        let chunk = Bytes::from(vec![0; 1 << 20]);
        let chunks = std::iter::repeat_n(Ok(chunk), self.0);
        Ok(Opened {
            bytes: futures_util::stream::iter(chunks).boxed(),
            size_bytes: None,
        })
    }
}

#[test]
fn ctrl_c_leaves_nothing_of_a_bag_and_the_next_one_is_whole() {
    let folder = tempfile::tempdir().unwrap();
    let vault = large(folder.path(), 256);
    for name in ["bag", "bag.zip"] {
        let to = folder.path().join(name);
        let partial = folder.path().join(format!("{name}.partial"));
        let mut export = command(&vault, &["export", "latest", "--to", text(&to)])
            .stderr(Stdio::piped())
            .stdout(Stdio::null())
            .spawn()
            .unwrap();
        while !partial.exists() {
            assert!(export.try_wait().unwrap().is_none(), "it was over too soon");
            std::thread::yield_now();
        }
        let killed = Command::new("kill")
            .args(["-INT", &export.id().to_string()])
            .status();
        assert!(killed.unwrap().success());
        let ended = export.wait_with_output().unwrap();
        assert_eq!(ended.status.code(), Some(130), "{}", stderr(&ended));
        assert!(stderr(&ended).contains("nothing is left of the bag"));
        assert!(!partial.exists() && !to.exists());
        let again = coldcase(&vault, &["export", "latest", "--to", text(&to)]);
        assert_eq!(again.status.code(), Some(0), "{}", stderr(&again));
        assert_eq!(
            coldcase(&vault, &["verify", text(&to)]).status.code(),
            Some(0)
        );
    }
}

#[test]
fn memory_does_not_grow_with_the_evidence() {
    let folder = tempfile::tempdir().unwrap();
    let vault = large(folder.path(), 256);
    let (zip, other) = (folder.path().join("bag.zip"), folder.path().join("other"));
    for args in [
        &["verify", "latest"][..],
        &["export", "latest", "--to", text(&zip)],
        &["verify", text(&zip)],
        &["import", text(&zip), "--vault", text(&other)],
    ] {
        let program = "import resource, subprocess, sys
code = subprocess.call(sys.argv[1:], stdout=subprocess.DEVNULL)
print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss); sys.exit(code)";
        let measured = Command::new("python3")
            .args(["-c", program, env!("CARGO_BIN_EXE_coldcase")])
            .args(args)
            .env("COLDCASE_VAULT", &vault)
            .output()
            .unwrap();
        assert!(measured.status.success(), "{}", stderr(&measured));
        let kilobytes: u64 = stdout(&measured).trim().parse().unwrap();
        assert!(kilobytes < 150_000, "{args:?}: {kilobytes} kB");
    }
}

#[test]
fn what_is_neither_a_case_nor_a_vault_nor_a_bag_is_said_to_be_none() {
    let Fixed { kept, .. } = fixed();
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("file");
    fs::write(&file, "x").unwrap();
    for (what, code, words) in [
        (text(folder.path()), 4, "neither a vault nor a bag"),
        (text(&file), 2, "is no bag"),
        ("./no/such/place", 2, "cannot be read"),
        ("nothing", 4, "there is no case nothing"),
    ] {
        let output = coldcase(&kept.folder, &["verify", what]);
        assert_eq!(
            output.status.code(),
            Some(code),
            "{what}: {}",
            stderr(&output)
        );
        assert!(
            stderr(&output).contains(words),
            "{what}: {}",
            stderr(&output)
        );
    }
    let output = coldcase(&kept.folder, &["verify", "latest", "--key", text(&file)]);
    assert_eq!(output.status.code(), Some(2));
    assert!(
        stderr(&output).contains("is no public key"),
        "{}",
        stderr(&output)
    );
    // A private key is none either, and nothing of it is said.
    let private = kept.folder.parent().unwrap().join("signing-key.pem");
    let output = coldcase(&kept.folder, &["verify", "latest", "--key", text(&private)]);
    assert_eq!(output.status.code(), Some(2), "{}", stderr(&output));
}

#[test]
fn nothing_that_an_attacker_wrote_is_obeyed_by_a_terminal_and_lines_fit() {
    let Fixed { kept, bag, .. } = fixed();
    let folder = tempfile::tempdir().unwrap();
    let to = folder.path().join("bag");
    coldcase(&kept.folder, &["export", "latest", "--to", text(&to)]);
    fs::write(to.join("data/with\u{1b}[2J\u{202e}escapes"), "").unwrap();
    fs::write(to.join("tagmanifest-sha256.txt"), "\u{1b}[2J\n").unwrap();
    let commands: &[&[&str]] = &[
        &["verify", "--all"],
        &["verify", text(bag), "--all"],
        &["verify", text(&to)],
        &["verify", "nothing\u{1b}[2J"],
        &["import", text(&to)],
    ];
    for args in commands {
        for json in [&[][..], &["--json"]] {
            let output = coldcase(&kept.folder, &[args, json].concat());
            for bytes in [&output.stdout, &output.stderr] {
                let text = std::str::from_utf8(bytes).unwrap();
                assert_eq!(
                    text.chars().find(|c| is_hidden(*c) && *c != '\n'),
                    None,
                    "{args:?}"
                );
                let longest = text.lines().map(|line| line.chars().count()).max();
                assert!(
                    !json.is_empty() || bytes == &output.stderr || longest <= Some(80),
                    "{args:?}: {text}"
                );
            }
        }
    }
}
