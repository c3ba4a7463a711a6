//! That a bag is whole, stands alone, and that whatever is done to it is found and named.

#![allow(clippy::unwrap_used, reason = "what a test cannot read, fails it")]

use bag::{Bag, ExportError, ImportError, Order, Verified};
use evidence::{CaseId, Sha256Digest, keys};
use proptest::prelude::*;
use specimen::{Kept, Specimen};
use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::{FileExt as _, PermissionsExt as _, symlink};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;
use std::task::Poll;
use tempfile::TempDir;
use vault::{MemoryVault, Vault, Verdict};

fn wait<T>(work: impl Future<Output = T>) -> T {
    let mut runtime = tokio::runtime::Builder::new_current_thread();
    runtime.enable_all().build().unwrap().block_on(work)
}

struct Original {
    _folder: TempDir,
    kept: Kept,
    pem: String,
    /// The bag as a folder and as a zip.
    folder: PathBuf,
    zip: PathBuf,
}

/// One case for all tests; each alters a copy.
fn original() -> &'static Original {
    static ORIGINAL: OnceLock<Original> = OnceLock::new();
    ORIGINAL.get_or_init(|| {
        let folder = tempfile::tempdir().unwrap();
        let kept = wait(Specimen::new().hostile().seal_in(folder.path())).unwrap();
        let pem = fs::read_to_string(&kept.public_key).unwrap();
        let (bag, zip) = (folder.path().join("bag"), folder.path().join("bag.zip"));
        for to in [&bag, &zip] {
            wait(bag::export(order(&kept, &*kept.vault, to))).unwrap();
        }
        Original {
            _folder: folder,
            kept,
            pem,
            folder: bag,
            zip,
        }
    })
}

fn order<'a>(kept: &'a Kept, vault: &'a dyn Vault, to: &'a Path) -> Order<'a> {
    Order {
        vault,
        id: &kept.case_id,
        to,
        public_key_pem: None,
        from: "a test".to_owned(),
        by: "somebody\u{1b}[2J\nBagging-Date: never".to_owned(),
        at: "2026-11-23T03:15:01Z".parse().unwrap(),
        beside: vec![(
            keys::report(&kept.case_id, 4, "md"),
            b"# A report\n".to_vec(),
        )],
        progress: None,
    }
}

/// A bag that may be altered.
struct Copy {
    folder: TempDir,
}

impl Copy {
    fn of(bag: &Path) -> Self {
        let folder = tempfile::tempdir().unwrap();
        copy(bag, folder.path());
        Self { folder }
    }

    fn new() -> Self {
        Self::of(&original().folder)
    }

    fn path(&self) -> &Path {
        self.folder.path()
    }

    fn at(&self, name: &str) -> PathBuf {
        self.path().join(name)
    }

    fn case(&self, name: &str) -> PathBuf {
        self.at(&format!("data/cases/{}/{name}", id()))
    }

    fn verify(&self) -> Verified {
        wait(verify(self.path()))
    }

    fn write(&self, name: &str, bytes: impl AsRef<[u8]>) {
        fs::create_dir_all(self.at(name).parent().unwrap()).unwrap();
        fs::write(self.at(name), bytes).unwrap();
    }

    /// What an attacker does who knows how bags are made: the lists are written anew.
    fn list_anew(&self) {
        let sums = |wanted: fn(&str) -> bool| -> String {
            let mut files = files(self.path());
            files.retain(|name| wanted(name));
            let line = |name: &String| {
                format!(
                    "{}  {name}\n",
                    Sha256Digest::of(fs::read(self.at(name)).unwrap())
                )
            };
            files.iter().map(line).collect()
        };
        let (mut count, mut size) = (0, 0);
        for name in files(self.path())
            .iter()
            .filter(|name| name.starts_with("data/"))
        {
            count += 1;
            size += fs::metadata(self.at(name)).unwrap().len();
        }
        let info = fs::read_to_string(self.at("bag-info.txt")).unwrap();
        let lines = info
            .lines()
            .map(|line| match line.starts_with("Payload-Oxum") {
                true => format!("Payload-Oxum: {size}.{count}\n"),
                false => format!("{line}\n"),
            });
        self.write("bag-info.txt", lines.collect::<String>());
        self.write(
            "manifest-sha256.txt",
            sums(|name| name.starts_with("data/")),
        );
        let tags = sums(|name| !name.starts_with("data/") && name != "tagmanifest-sha256.txt");
        self.write("tagmanifest-sha256.txt", tags);
    }
}

fn copy(from: &Path, to: &Path) {
    for entry in fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let to = to.join(entry.file_name());
        if entry.file_type().unwrap().is_dir() {
            fs::create_dir(&to).unwrap();
            copy(&entry.path(), &to);
        } else {
            fs::copy(entry.path(), &to).unwrap();
        }
    }
}

/// Every file below, sorted.
fn files(folder: &Path) -> Vec<String> {
    let mut found = Vec::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(next) = folders.pop() {
        for entry in fs::read_dir(next).unwrap() {
            let path = entry.unwrap().path();
            match path.is_dir() {
                true => folders.push(path),
                false => found.push(
                    path.strip_prefix(folder)
                        .unwrap()
                        .to_str()
                        .unwrap()
                        .to_owned(),
                ),
            }
        }
    }
    found.sort();
    found
}

fn id() -> &'static CaseId {
    &original().kept.case_id
}

async fn verify(bag: &Path) -> Verified {
    let bag = Bag::open(bag).unwrap();
    bag::verify(&bag, Some(&original().pem), None).await
}

/// Everything that is wrong, as a person reads it.
fn faults(verified: &Verified) -> Vec<String> {
    let bad = verified.checked.iter();
    let bad = bad.filter(|checked| matches!(checked.verdict, Verdict::Bad(_)));
    bad.map(ToString::to_string).collect()
}

fn names(verified: &Verified, file: &str) -> bool {
    faults(verified).iter().any(|fault| fault.contains(file))
}

#[test]
fn a_bag_verifies_as_a_folder_and_as_a_zip_and_both_say_the_same() {
    let original = original();
    let folder = wait(verify(&original.folder));
    let zip = wait(verify(&original.zip));
    assert_eq!(faults(&folder), Vec::<String>::new());
    assert_eq!(folder, zip);
    assert_eq!(folder.case_id.as_ref(), Some(id()));
    assert_eq!(folder.case.as_ref().unwrap().last.unwrap().0, 4);
}

#[test]
fn what_is_not_sealed_is_noted_and_nothing_else() {
    let verified = wait(verify(&original().folder));
    for checked in &verified.checked {
        if let Verdict::Note(why) = &checked.verdict {
            let known = ["data/reports/", "data/baselines/", "data/examinations/"];
            assert!(
                known.iter().any(|folder| checked.key.starts_with(folder)),
                "{checked}: {why}"
            );
        }
    }
}

#[test]
fn the_key_of_marks_and_other_cases_stay_in_the_vault() {
    let names = files(&original().folder).join("\n");
    assert!(!names.contains("mark-key"));
    assert!(!names.contains("windows/"));
    assert!(names.contains("data/baselines/"));
    assert!(names.contains("data/content/"));
}

#[test]
fn who_exported_is_one_line_of_text_whatever_their_name() {
    let info = fs::read_to_string(original().folder.join("bag-info.txt")).unwrap();
    assert!(!info.contains('\u{1b}'));
    let dates = info.lines().filter(|line| line.starts_with("Bagging-Date"));
    assert_eq!(dates.collect::<Vec<_>>(), ["Bagging-Date: 2026-11-23"]);
}

#[test]
fn only_its_owner_may_read_a_bag() {
    let original = original();
    let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode(&original.folder), 0o700);
    assert_eq!(mode(&original.zip), 0o600);
    assert_eq!(mode(&original.folder.join("data/content")), 0o700);
    for name in files(&original.folder) {
        assert_eq!(mode(&original.folder.join(&name)), 0o600, "{name}");
    }
}

#[test]
fn the_commands_that_come_with_it_agree_and_find_what_was_altered() {
    let text = fs::read_to_string(original().folder.join("HOW-TO-VERIFY.md")).unwrap();
    let blocks: Vec<&str> = text
        .split("```sh\n")
        .skip(1)
        .map(|rest| rest.split("```").next().unwrap())
        .collect();
    assert_eq!(blocks.len(), 4);
    let run = |bag: &Path, block: &str| {
        let mut shell = Command::new("sh");
        shell
            .args(["-e", "-c", block])
            .current_dir(bag)
            .env("LC_ALL", "C");
        shell.output().unwrap()
    };
    for block in &blocks {
        let output = run(&original().folder, block);
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{block}\n{said}");
    }
    // And they fail where they should: a file, an exhibit, a signature, a key.
    let copy = Copy::new();
    copy.write("HOW-TO-VERIFY.md", "nothing");
    assert!(!run(copy.path(), blocks[0]).status.success());
    let copy = Copy::new();
    copy.write("data/added", "");
    assert!(!run(copy.path(), blocks[0]).status.success());
    let copy = Copy::new();
    let exhibit = fs::read_dir(copy.case("exhibits"))
        .unwrap()
        .next()
        .unwrap()
        .unwrap()
        .path();
    fs::write(exhibit, "other").unwrap();
    assert!(!run(copy.path(), blocks[1]).status.success());
    let copy = Copy::new();
    fs::copy(
        copy.case("manifest-0001.sig"),
        copy.case("manifest-0004.sig"),
    )
    .unwrap();
    assert!(!run(copy.path(), blocks[2]).status.success());
}

#[test]
fn other_programs_unpack_the_zip() {
    let folder = tempfile::tempdir().unwrap();
    let program = "import sys, zipfile; z = zipfile.ZipFile(sys.argv[1]); assert z.testzip() is None; z.extractall(sys.argv[2])";
    let python = Command::new("python3")
        .args(["-c", program])
        .arg(&original().zip)
        .arg(folder.path())
        .output()
        .unwrap();
    assert!(
        python.status.success(),
        "{}",
        String::from_utf8_lossy(&python.stderr)
    );
    let verified = wait(verify(&folder.path().join(id().as_str())));
    assert_eq!(faults(&verified), Vec::<String>::new());
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(96))]

    #[test]
    fn any_changed_byte_is_found_and_its_file_named(
        file in any::<prop::sample::Index>(),
        place in any::<prop::sample::Index>(),
        with in 1_u8..,
    ) {
        let copy = Copy::new();
        let files = files(copy.path());
        // As often a file about the files as one of the evidence.
        let name = file.get(&files);
        let opened = fs::OpenOptions::new().read(true).write(true).open(copy.at(name)).unwrap();
        let size = opened.metadata().unwrap().len();
        prop_assume!(size > 0);
        let at = place.index(usize::try_from(size).unwrap()) as u64;
        let mut byte = [0];
        opened.read_exact_at(&mut byte, at).unwrap();
        opened.write_all_at(&[byte[0] ^ with], at).unwrap();
        drop(opened);
        let verified = copy.verify();
        prop_assert!(names(&verified, name), "{} at {}: {:?}", name, at, faults(&verified));
    }

    #[test]
    fn any_missing_file_is_found_and_named(file in any::<prop::sample::Index>()) {
        let copy = Copy::new();
        let files = files(copy.path());
        let name = file.get(&files);
        fs::remove_file(copy.at(name)).unwrap();
        match Bag::open(copy.path()) {
            Ok(bag) => prop_assert!(names(&wait(bag::verify(&bag, None, None)), name), "{}", name),
            Err(error) => prop_assert!(error.to_string().contains(name.as_str())),
        }
    }

    #[test]
    fn any_two_files_that_change_places_are_found(a in any::<prop::sample::Index>(), b in any::<prop::sample::Index>()) {
        let copy = Copy::new();
        let files = files(copy.path());
        let (a, b) = (a.get(&files), b.get(&files));
        let (first, second) = (fs::read(copy.at(a)).unwrap(), fs::read(copy.at(b)).unwrap());
        prop_assume!(first != second);
        copy.write(a, second);
        copy.write(b, first);
        let verified = copy.verify();
        prop_assert!(names(&verified, a) && names(&verified, b), "{} {}: {:?}", a, b, faults(&verified));
    }

    #[test]
    fn an_added_file_is_found_and_named(folder in "(data/|data/content/|data/cases/|)", name in "[a-zA-Z0-9][a-zA-Z0-9._-]{0,20}") {
        let copy = Copy::new();
        let name = format!("{folder}{name}");
        prop_assume!(!copy.at(&name).exists());
        copy.write(&name, "");
        prop_assert!(names(&copy.verify(), &name), "{}", name);
    }

    #[test]
    fn any_changed_byte_of_a_zip_is_found(place in any::<prop::sample::Index>(), with in 1_u8..) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("bag.zip");
        fs::copy(&original().zip, &path).unwrap();
        let file = fs::OpenOptions::new().read(true).write(true).open(&path).unwrap();
        let at = place.index(usize::try_from(file.metadata().unwrap().len()).unwrap()) as u64;
        let mut byte = [0];
        file.read_exact_at(&mut byte, at).unwrap();
        file.write_all_at(&[byte[0] ^ with], at).unwrap();
        let sound = Bag::open(&path).is_ok_and(|bag| wait(bag::verify(&bag, None, None)).is_sound());
        prop_assert!(!sound, "{}", at);
    }
}

#[test]
fn every_byte_of_the_files_about_the_files_counts() {
    let copy = Copy::new();
    for name in ["bagit.txt", "bag-info.txt", "tagmanifest-sha256.txt"] {
        let bytes = fs::read(copy.at(name)).unwrap();
        // Every byte of the short one; of the others each of a line's kinds.
        let step = if bytes.len() < 100 { 1 } else { 7 };
        for at in (0..bytes.len()).step_by(step) {
            let mut altered = bytes.clone();
            altered[at] ^= 0x20;
            copy.write(name, &altered);
            assert!(names(&copy.verify(), name), "{name} at {at}");
        }
        copy.write(name, &bytes);
    }
    assert!(copy.verify().is_sound());
}

#[test]
fn a_file_that_is_renamed_is_named_under_both_names() {
    let copy = Copy::new();
    let name = format!("data/cases/{}/manifest-0002.sig", id());
    fs::rename(copy.at(&name), copy.at(&format!("{name}.old"))).unwrap();
    let verified = copy.verify();
    assert!(names(&verified, &format!("{name}.old")));
    assert!(names(&verified, &format!("{name}  file: missing")));
}

#[test]
fn addenda_that_change_places_are_found_though_the_lists_are_written_anew() {
    let copy = Copy::new();
    for part in ["json", "sha256", "sig", "dsse.json"] {
        let path = |number: u32| copy.case(&format!("manifest-{number:04}.{part}"));
        let second = fs::read(path(2)).unwrap();
        fs::copy(path(3), path(2)).unwrap();
        fs::write(path(3), second).unwrap();
    }
    copy.list_anew();
    let verified = copy.verify();
    for number in [2, 3] {
        assert!(
            names(&verified, &format!("manifest-{number:04}.json  place")),
            "{:?}",
            faults(&verified)
        );
    }
}

#[test]
fn a_swapped_signature_is_found_though_the_lists_are_written_anew() {
    let copy = Copy::new();
    fs::copy(
        copy.case("manifest-0001.sig"),
        copy.case("manifest-0003.sig"),
    )
    .unwrap();
    copy.list_anew();
    assert!(names(
        &copy.verify(),
        "manifest-0003.sig  same as in the envelope"
    ));
    // In the envelope as well.
    let envelope = |number: u32| copy.case(&format!("manifest-{number:04}.dsse.json"));
    let of = |number: u32| -> serde_json::Value {
        serde_json::from_slice(&fs::read(envelope(number)).unwrap()).unwrap()
    };
    let mut third = of(3);
    third["signatures"] = of(1)["signatures"].clone();
    fs::write(envelope(3), third.to_string()).unwrap();
    copy.list_anew();
    assert!(names(&copy.verify(), "manifest-0003.dsse.json  signature"));
}

#[test]
fn an_altered_exhibit_is_found_though_every_list_is_written_anew() {
    let copy = Copy::new();
    let exhibit = fs::read_dir(copy.case("exhibits"))
        .unwrap()
        .next()
        .unwrap()
        .unwrap()
        .path();
    fs::write(&exhibit, "other").unwrap();
    copy.list_anew();
    let name = exhibit.file_name().unwrap().to_str().unwrap();
    assert!(names(&copy.verify(), name));
}

#[test]
fn a_chain_that_was_cut_off_is_found_by_what_bag_info_says() {
    let copy = Copy::new();
    for part in ["json", "sha256", "sig", "dsse.json"] {
        fs::remove_file(copy.case(&format!("manifest-0004.{part}"))).unwrap();
    }
    copy.list_anew();
    let verified = copy.verify();
    assert!(
        names(&verified, "Coldcase-Last-Manifest"),
        "{:?}",
        faults(&verified)
    );
    // The limit: whoever writes that anew as well has a bag that is sound, and another one.
    let info = fs::read_to_string(copy.at("bag-info.txt")).unwrap();
    let (number, sha256) = verified.case.unwrap().last.unwrap();
    let lines = info
        .lines()
        .map(|line| match line.starts_with("Coldcase-Last-Manifest") {
            true => format!("Coldcase-Last-Manifest: {number:04} {sha256}\n"),
            false => format!("{line}\n"),
        });
    copy.write("bag-info.txt", lines.collect::<String>());
    copy.list_anew();
    let shorter = copy.verify();
    assert!(shorter.is_sound());
    assert_ne!(
        shorter.bag_sha256,
        wait(verify(&original().folder)).bag_sha256
    );
}

#[test]
fn a_case_signed_with_another_key_is_found_by_the_key() {
    let folder = tempfile::tempdir().unwrap();
    let kept = wait(Specimen::new().only_sealed().seal_in(folder.path())).unwrap();
    let to = folder.path().join("bag");
    wait(bag::export(order(&kept, &*kept.vault, &to))).unwrap();
    let bag = Bag::open(&to).unwrap();
    assert!(wait(bag::verify(&bag, None, None)).is_sound());
    let verified = wait(bag::verify(&bag, Some(&original().pem), None));
    assert!(names(&verified, "manifest-0000.dsse.json  signature"));
}

#[test]
fn nothing_outside_of_the_bag_is_read() {
    let outside = tempfile::tempdir().unwrap();
    let secret = outside.path().join("secret");
    fs::write(&secret, "secret").unwrap();
    let digest = Sha256Digest::of("secret");
    // A link in the place of a file, a link to a folder, lines that lead out.
    let copy = Copy::new();
    fs::remove_file(copy.at("HOW-TO-VERIFY.md")).unwrap();
    symlink(&secret, copy.at("HOW-TO-VERIFY.md")).unwrap();
    symlink(outside.path(), copy.at("data/outside")).unwrap();
    let verified = copy.verify();
    assert!(names(
        &verified,
        "HOW-TO-VERIFY.md  name: it is a symbolic link"
    ));
    assert!(names(
        &verified,
        "data/outside  name: it is a symbolic link"
    ));
    for path in [
        secret.to_str().unwrap(),
        "data/../../secret",
        "data/outside/secret",
    ] {
        let copy = Copy::new();
        let mut lines = fs::read_to_string(copy.at("manifest-sha256.txt")).unwrap();
        lines.push_str(&format!("{digest}  {path}\n"));
        copy.write("manifest-sha256.txt", lines);
        let verified = copy.verify();
        assert!(names(&verified, path), "{path}: {:?}", faults(&verified));
        let good = |checked: &vault::Checked| {
            checked.key.contains("secret") && checked.verdict == Verdict::Good
        };
        assert!(!verified.checked.iter().any(good));
    }
}

#[test]
fn what_is_no_file_is_named_and_not_opened() {
    let copy = Copy::new();
    let made = Command::new("mkfifo")
        .arg(copy.at("data/pipe"))
        .status()
        .unwrap();
    assert!(made.success());
    copy.write("data/with\u{1b}[2Jescape", "");
    let mut deep = copy.at("data");
    deep.extend(["d"; 40]);
    fs::create_dir_all(&deep).unwrap();
    fs::write(deep.join("x"), "").unwrap();
    let verified = copy.verify();
    assert!(names(
        &verified,
        "data/pipe  name: it is neither a file nor a folder"
    ));
    assert!(names(&verified, "no file of a bag is called so"));
    assert!(names(&verified, "it lies too deep"));
    assert!(!faults(&verified).concat().contains('\u{1b}'));
}

#[test]
fn lists_that_are_odd_are_named() {
    let altered = |name: &str, alter: &dyn Fn(String) -> String| {
        let copy = Copy::new();
        let text = fs::read_to_string(copy.at(name)).unwrap();
        copy.write(name, alter(text));
        copy.verify()
    };
    for name in ["manifest-sha256.txt", "tagmanifest-sha256.txt"] {
        let twice = |text: String| format!("{text}{}\n", text.lines().last().unwrap());
        assert!(names(&altered(name, &twice), "once more"));
        let windows = |text: String| text.replace('\n', "\r\n");
        assert!(names(
            &altered(name, &windows),
            "ends with a carriage return"
        ));
        let huge = |text: String| text + &"0".repeat(70 << 20);
        assert!(names(&altered(name, &huge), "it is longer than"));
        let empty = |_: String| String::new();
        assert!(!altered(name, &empty).is_sound());
    }
    let other = |text: String| text.replace(id().as_str(), "another");
    assert!(names(&altered("bag-info.txt", &other), "not sealed"));
}

#[test]
fn a_zip_with_hostile_entries_is_no_bag_of_ours() {
    let program = r#"
import sys, zipfile, warnings
warnings.simplefilter("ignore")
with zipfile.ZipFile(sys.argv[1]) as old, zipfile.ZipFile(sys.argv[2], "w") as new:
    for name in old.namelist():
        new.writestr(name, old.read(name), compress_type=zipfile.ZIP_DEFLATED if sys.argv[3] == "deflated" else zipfile.ZIP_STORED)
    if sys.argv[3] == "outside": new.writestr("../../outside", "x")
    if sys.argv[3] == "twice": new.writestr(old.namelist()[0], "x")
    if sys.argv[3] == "link":
        info = zipfile.ZipInfo(old.namelist()[0].split("/")[0] + "/data/link"); info.external_attr = 0o120777 << 16
        new.writestr(info, "/etc/passwd")
"#;
    for kind in ["outside", "twice", "link", "deflated"] {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("bag.zip");
        let python = Command::new("python3")
            .args(["-c", program])
            .arg(&original().zip)
            .arg(&path)
            .arg(kind)
            .output()
            .unwrap();
        assert!(
            python.status.success(),
            "{}",
            String::from_utf8_lossy(&python.stderr)
        );
        let error = Bag::open(&path).unwrap_err().to_string();
        assert!(
            error.contains("unpack it with another program"),
            "{kind}: {error}"
        );
    }
}

#[test]
fn nothing_is_overwritten_and_what_was_cut_off_is_replaced() {
    let original = original();
    let folder = tempfile::tempdir().unwrap();
    for name in ["bag", "bag.zip"] {
        let to = folder.path().join(name);
        let partial = folder.path().join(format!("{name}.partial"));
        // What a killed export left, be it a folder or a file.
        fs::create_dir(&partial).unwrap();
        fs::write(partial.join("half"), "x").unwrap();
        wait(bag::export(order(
            &original.kept,
            &*original.kept.vault,
            &to,
        )))
        .unwrap();
        assert!(!partial.exists());
        let again = wait(bag::export(order(
            &original.kept,
            &*original.kept.vault,
            &to,
        )));
        assert!(matches!(again, Err(ExportError::Exists(_))));
        assert!(wait(verify(&to)).is_sound());
    }
    // Not through a link either.
    let to = folder.path().join("link");
    symlink(folder.path().join("nowhere"), &to).unwrap();
    let through = wait(bag::export(order(
        &original.kept,
        &*original.kept.vault,
        &to,
    )));
    assert!(matches!(through, Err(ExportError::Exists(_))));
}

#[test]
fn an_export_that_is_dropped_or_fails_leaves_nothing() {
    let original = original();
    let folder = tempfile::tempdir().unwrap();
    for name in ["bag", "bag.zip"] {
        let to = folder.path().join(name);
        // Dropped somewhere in the middle: once some of it is there.
        let partial = folder.path().join(format!("{name}.partial"));
        let is_begun = || match partial.is_dir() {
            true => files(&partial).len() > 3,
            false => fs::metadata(&partial).is_ok_and(|metadata| metadata.len() > 2_000),
        };
        wait(async {
            let export = bag::export(order(&original.kept, &*original.kept.vault, &to));
            let mut export = std::pin::pin!(export);
            std::future::poll_fn(|context| match export.as_mut().poll(context) {
                Poll::Pending if is_begun() => Poll::Ready(()),
                Poll::Pending => Poll::Pending,
                Poll::Ready(done) => panic!("it was over too soon: {:?}", done.is_ok()),
            })
            .await;
        });
        assert!(!to.exists());
        assert_eq!(files(folder.path()), Vec::<String>::new());
    }
    let nowhere = folder.path().join("no/such/folder");
    let failed = wait(bag::export(order(
        &original.kept,
        &*original.kept.vault,
        &nowhere,
    )));
    assert!(matches!(failed, Err(ExportError::Io { .. })));
}

#[test]
fn an_addendum_that_is_sealed_while_the_case_is_verified_is_in_the_bag_and_in_what_it_says() {
    let folder = tempfile::tempdir().unwrap();
    let kept = wait(Specimen::new().seal_in(folder.path())).unwrap();
    let last = wait(vault::check(&*kept.vault, &kept.case_id, None)).last;
    let (number, _) = last.unwrap();
    let envelope = kept.folder.join(keys::envelope(&kept.case_id, number));
    let aside = folder.path().join("aside");
    fs::rename(&envelope, &aside).unwrap();
    let to = folder.path().join("bag");
    // The first exhibit is measured after the case's files were listed.
    let seal = |_| drop(fs::rename(&aside, &envelope));
    let order = Order {
        progress: Some(&seal),
        ..order(&kept, &*kept.vault, &to)
    };
    let exported = wait(bag::export(order)).unwrap();
    assert_eq!(exported.case.last, last);
    let verified = wait(bag::verify(&Bag::open(&to).unwrap(), None, None));
    assert_eq!(faults(&verified), Vec::<String>::new());
}

#[test]
fn a_number_that_no_manifest_has_keeps_nobody_busy() {
    let folder = tempfile::tempdir().unwrap();
    let kept = wait(Specimen::new().only_sealed().seal_in(folder.path())).unwrap();
    let planted = keys::envelope(&kept.case_id, u32::MAX);
    fs::write(kept.folder.join(&planted), "{}").unwrap();
    let to = folder.path().join("bag");
    let exported = wait(bag::export(order(&kept, &*kept.vault, &to))).unwrap();
    assert!(exported.case.is_sound(), "{}", exported.case);
    assert!(exported.case.checked.len() < 1_000);
    let told = exported.case.checked.iter().find(|it| it.key == planted);
    assert!(matches!(told.unwrap().verdict, Verdict::Note(_)));
    let verified = wait(bag::verify(&Bag::open(&to).unwrap(), None, None));
    assert_eq!(faults(&verified), Vec::<String>::new());
}

#[test]
fn an_altered_case_is_exported_as_it_is_and_the_bag_says_so() {
    let folder = tempfile::tempdir().unwrap();
    let kept = wait(Specimen::new().only_sealed().seal_in(folder.path())).unwrap();
    let exhibits = kept
        .folder
        .join("cases")
        .join(kept.case_id.as_str())
        .join("exhibits");
    let exhibit = fs::read_dir(exhibits)
        .unwrap()
        .next()
        .unwrap()
        .unwrap()
        .path();
    fs::remove_file(&exhibit).unwrap();
    fs::write(&exhibit, "other").unwrap();
    let to = folder.path().join("bag");
    let exported = wait(bag::export(order(&kept, &*kept.vault, &to))).unwrap();
    assert!(!exported.case.is_sound());
    assert!(
        fs::read_to_string(to.join("bag-info.txt"))
            .unwrap()
            .contains("1 faults")
    );
    let bag = Bag::open(&to).unwrap();
    let verified = wait(bag::verify(&bag, None, None));
    assert!(names(
        &verified,
        exhibit.file_name().unwrap().to_str().unwrap()
    ));
}

async fn everything(vault: &dyn Vault) -> BTreeMap<String, Vec<u8>> {
    let mut all = BTreeMap::new();
    for key in vault.list("", 10_000).await.unwrap() {
        all.insert(key.clone(), vault.get(&key).await.unwrap().to_vec());
    }
    all
}

#[test]
fn what_is_sealed_is_taken_over_once_and_verifies_in_the_other_vault() {
    let original = original();
    wait(async {
        for place in [&original.folder, &original.zip] {
            let (bag, other) = (Bag::open(place).unwrap(), MemoryVault::new());
            let verified = bag::verify(&bag, None, None).await;
            let first = bag::import(&bag, &verified, &other, Some(&original.pem), None)
                .await
                .unwrap();
            assert!(first.case.is_sound(), "{}", first.case);
            assert_eq!(
                (first.there_already, first.case.last),
                (0, verified.case.as_ref().unwrap().last)
            );
            let before = everything(&other).await;
            assert_eq!(before.len() as u64, first.stored);
            let second = bag::import(&bag, &verified, &other, Some(&original.pem), None)
                .await
                .unwrap();
            assert_eq!((second.stored, second.there_already), (0, first.stored));
            assert_eq!(everything(&other).await, before);
        }
    });
}

#[test]
fn what_another_vault_goes_by_is_not_taken_from_a_bag() {
    let original = original();
    wait(async {
        let copy = Copy::new();
        // Somebody adds what a vault believes of itself, and lists it.
        for key in [
            "baselines/mark-key",
            "requests/r.json",
            "tracing/x/r.json",
            "windows/w/plan.json",
        ] {
            copy.write(&format!("data/{key}"), "{}");
        }
        copy.list_anew();
        let (bag, other) = (Bag::open(copy.path()).unwrap(), MemoryVault::new());
        let verified = bag::verify(&bag, Some(&original.pem), None).await;
        assert!(verified.is_sound(), "{:?}", faults(&verified));
        let imported = bag::import(&bag, &verified, &other, None, None)
            .await
            .unwrap();
        for key in everything(&other).await.keys() {
            let evidence = ["cases/", "content/", "examinations/"];
            assert!(
                evidence.iter().any(|folder| key.starts_with(folder)),
                "{key}"
            );
        }
        for left in [
            "baselines/mark-key",
            "requests/r.json",
            "tracing/x/r.json",
            "windows/w/plan.json",
        ] {
            assert!(imported.left_out.iter().any(|key| key == left), "{left}");
        }
        assert!(
            imported
                .left_out
                .iter()
                .any(|key| key.starts_with("reports/"))
        );
    });
}

#[test]
fn a_bag_that_does_not_verify_is_not_taken_over_at_all() {
    let copy = Copy::new();
    wait(async {
        copy.write("data/content/added", "");
        let (bag, other) = (Bag::open(copy.path()).unwrap(), MemoryVault::new());
        let verified = bag::verify(&bag, None, None).await;
        let refused = bag::import(&bag, &verified, &other, None, None).await;
        assert!(
            matches!(&refused, Err(ImportError::Unsound { file, .. }) if file == "data/content/added")
        );
        assert!(everything(&other).await.is_empty());
    });
}

#[test]
fn a_conflict_in_the_other_vault_is_named() {
    let original = original();
    wait(async {
        let (bag, other) = (Bag::open(&original.folder).unwrap(), MemoryVault::new());
        let key = keys::manifest(id(), 2);
        other
            .put_once(&key, "other".into(), "application/json")
            .await
            .unwrap();
        let verified = bag::verify(&bag, None, None).await;
        let refused = bag::import(&bag, &verified, &other, None, None)
            .await
            .unwrap_err();
        assert!(refused.to_string().contains(&key), "{refused}");
        assert!(!other.holds(&keys::envelope(id(), 2)).await.unwrap());
    });
}
