//! Python: every installed file against the `RECORD` of its distribution.
//! <https://packaging.python.org/en/latest/specifications/recording-installed-packages/#the-record-file>

use super::{Checking, Deviance, Deviation, Files, List, is_code, is_code_name};
use crate::{File, Kind};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use evidence::{Severity, Sha256Digest};
use std::collections::{BTreeMap, BTreeSet};

/// Folders that careless distributions install beside everybody else's, and owners have too.
const ANYBODYS: [&str; 12] = [
    "test",
    "tests",
    "testing",
    "doc",
    "docs",
    "example",
    "examples",
    "scripts",
    "benchmarks",
    "bin",
    "include",
    "share",
];

pub(super) fn is_list(path: &str) -> bool {
    path.ends_with(".dist-info/RECORD")
}

/// What lists say of one path.
struct Listed<'a> {
    record: &'a List,
    line: u64,
    digest: Option<String>,
}

pub(super) fn check(records: &[List], files: &Files<'_>, checking: &mut Checking) {
    // Distributions share folders (namespaces) and sometimes files, and an upgrade may leave the old
    // list behind: what is published is known only once all lists are read.
    let mut listed: BTreeMap<String, Vec<Listed<'_>>> = BTreeMap::new();
    let mut owners: BTreeMap<String, &List> = BTreeMap::new();
    for record in records {
        if !checking.has_room_for(record) {
            continue;
        }
        let Some((root, _)) = split(&record.path) else {
            continue;
        };
        for (at, row) in record.text.lines().enumerate() {
            let Some((path, digest)) = fields(row) else {
                continue;
            };
            let Some(path) = resolve(root, &path, files) else {
                continue;
            };
            if let Some((folder, _)) = path.rsplit_once('/')
                && folder.len() > root.len()
                && !folder.ends_with(".dist-info")
                && !is_anybodys(root, folder)
            {
                owners.entry(folder.to_owned()).or_insert(record);
            }
            listed.entry(path).or_default().push(Listed {
                record,
                line: at as u64 + 1,
                digest,
            });
        }
    }
    for (path, claims) in &listed {
        check_listed(path, claims, files, checking);
    }
    for file in files.all {
        let Some((folder, name)) = file.path.rsplit_once('/') else {
            continue;
        };
        if listed.contains_key(&file.path) || is_leftover(&file.path, name) {
            continue;
        }
        let Some(record) = owners.get(folder) else {
            continue;
        };
        // `compileall -b` puts `a.pyc` in the place of `a.py`.
        let source = file.path.trim_end_matches('c');
        let is_compiled_in_place =
            name.ends_with(".pyc") && listed.contains_key(source) && files.at(source).is_empty();
        let severity = if is_compiled_in_place || !is_code(file) {
            Severity::Info
        } else {
            Severity::Medium
        };
        checking.push(Deviation {
            component: component(record),
            path: file.path.clone(),
            how: Deviance::Extra,
            severity,
            list: record.path.clone(),
            line: None,
            expected: None,
            actual: file.sha256,
        });
    }
}

/// One listed path: good if it is as any of the lists says.
fn check_listed(path: &str, claims: &[Listed<'_>], files: &Files<'_>, checking: &mut Checking) {
    let found = files.at(path);
    let deviation = |claim: &Listed<'_>, how, severity, expected, actual| Deviation {
        component: component(claim.record),
        path: path.to_owned(),
        how,
        severity,
        list: claim.record.path.clone(),
        line: Some(claim.line),
        expected,
        actual,
    };
    let proven: Vec<(&Listed<'_>, Sha256Digest)> = claims
        .iter()
        .filter_map(|claim| {
            let digest = claim.digest.as_deref()?.strip_prefix("sha256=")?;
            Some((claim, decode(digest)?))
        })
        .collect();
    let Some((first, expected)) = proven.first() else {
        // Without a digest stand what is made at installation: bytecode, the list itself. The
        // specification knows stronger digests than SHA-256 too, and forbids weaker ones.
        let is_stronger = claims.iter().any(|claim| {
            let digest = claim.digest.as_deref().unwrap_or_default();
            digest.starts_with("sha384=") || digest.starts_with("sha512=")
        });
        for file in found {
            if is_stronger {
                checking.checked.unchecked += 1;
            } else if is_code(file) && !path.ends_with(".pyc") {
                checking.push(deviation(
                    &claims[0],
                    Deviance::Unproven,
                    Severity::Low,
                    None,
                    file.sha256,
                ));
            }
        }
        return;
    };
    if found.is_empty() {
        checking.push(deviation(
            first,
            Deviance::Missing,
            Severity::Info,
            Some(*expected),
            None,
        ));
        return;
    }
    for file in found {
        match file.sha256 {
            Some(actual) if proven.iter().any(|(_, digest)| *digest == actual) => {
                checking.checked.files += 1;
                if let Some((other, digest)) = proven.iter().find(|(_, it)| *it != actual)
                    && is_code(file)
                {
                    checking.push(deviation(
                        other,
                        Deviance::Disputed,
                        Severity::Low,
                        Some(*digest),
                        Some(actual),
                    ));
                }
            }
            // Whoever installs a wheel that brings bytecode compiles it anew, and adds a line without
            // a digest to the list.
            Some(_) if path.ends_with(".pyc") && claims.iter().any(|it| it.digest.is_none()) => {
                checking.checked.unchecked += 1;
            }
            Some(actual) => checking.push(deviation(
                first,
                Deviance::Changed,
                severity_of_change(file),
                Some(*expected),
                Some(actual),
            )),
            // A link in the place of a file, or one that could not be read.
            None if file.kind == Kind::Link && is_code_name(path) => checking.push(deviation(
                first,
                Deviance::Changed,
                Severity::Medium,
                Some(*expected),
                None,
            )),
            None => checking.checked.unchecked += 1,
        }
    }
}

fn component(record: &List) -> String {
    split(&record.path).map_or_else(|| record.path.clone(), |(_, component)| component)
}

/// Distributions that came without a list: installers always leave one.
pub(super) fn without_list(files: &Files<'_>) -> Vec<String> {
    let folders: BTreeSet<&str> = files
        .all
        .iter()
        .filter_map(|file| file.path.strip_suffix("/METADATA"))
        .filter(|folder| folder.ends_with(".dist-info"))
        .collect();
    folders
        .into_iter()
        .filter(|folder| files.at(&format!("{folder}/RECORD")).is_empty())
        .map(ToOwned::to_owned)
        .collect()
}

/// A changed program is an alarm; a changed library of machine code too, though builds strip those.
fn severity_of_change(file: &File) -> Severity {
    if file.path.contains(".dist-info/") && !is_code(file) {
        // Installers note here what they did.
        Severity::Info
    } else if file.kind == Kind::Elf {
        Severity::Medium
    } else if is_code(file) {
        Severity::High
    } else {
        Severity::Medium
    }
}

/// What installers, interpreters and builds leave behind.
fn is_leftover(path: &str, name: &str) -> bool {
    let is_compiled = path.contains("/__pycache__/") && name.ends_with(".pyc");
    is_compiled || (path.contains(".dist-info/") && !is_code_name(path))
}

fn is_anybodys(root: &str, folder: &str) -> bool {
    let top = folder[root.len()..].split('/').next().unwrap_or_default();
    ANYBODYS.contains(&top)
}

/// Where a distribution is installed (empty or ending in `/`), and what it is.
fn split(record: &str) -> Option<(&str, String)> {
    let folder = record.strip_suffix("/RECORD")?;
    let at = folder.rfind('/').map_or(0, |at| at + 1);
    let name = folder[at..].strip_suffix(".dist-info")?;
    let component = match name.rsplit_once('-') {
        Some((name, version)) => format!("{name} {version}"),
        None => name.to_owned(),
    };
    Some((&folder[..at], component))
}

/// Path and digest of a line of CSV.
fn fields(row: &str) -> Option<(String, Option<String>)> {
    let (path, rest) = if let Some(quoted) = row.strip_prefix('"') {
        let mut path = String::new();
        let mut characters = quoted.char_indices();
        loop {
            let (at, c) = characters.next()?;
            if c != '"' {
                path.push(c);
            } else if quoted[at + 1..].starts_with('"') {
                path.push('"');
                characters.next();
            } else {
                break (path, quoted[at + 1..].strip_prefix(',')?);
            }
        }
    } else {
        let (path, rest) = row.split_once(',')?;
        (path.to_owned(), rest)
    };
    let digest = rest.split(',').next().unwrap_or_default();
    Some((path, (!digest.is_empty()).then(|| digest.to_owned())))
}

/// The path in the package that a list's path means; none if it leads out of the installation, as
/// that of scripts does (`../../bin/x`), and nothing by that name lies in the folder `bin` that
/// `pip install --target` moves them to.
fn resolve(root: &str, path: &str, files: &Files<'_>) -> Option<String> {
    let path = path.replace('\\', "/");
    if path.starts_with('/') {
        return None;
    }
    if path.split('/').any(|part| part == "..") {
        let name = path.rsplit('/').next()?;
        let moved = format!("{root}bin/{name}");
        return (path.contains("/bin/") && !files.at(&moved).is_empty()).then_some(moved);
    }
    Some(format!("{root}{}", path.trim_start_matches("./")))
}

fn decode(digest: &str) -> Option<Sha256Digest> {
    let bytes = URL_SAFE_NO_PAD.decode(digest.trim_end_matches('=')).ok()?;
    Some(Sha256Digest::from_bytes(bytes.try_into().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Checked;
    use crate::Integrity;
    use crate::components::fixtures::Package;

    const INIT: &str = "from .api import get\n";
    const API: &str = "def get(): ...\n";

    fn row(path: &str, text: &str) -> String {
        format!(
            "{path},sha256={},{}\n",
            URL_SAFE_NO_PAD.encode(Sha256Digest::of(text).as_bytes()),
            text.len()
        )
    }

    fn record() -> String {
        row("requests/__init__.py", INIT)
            + &row("requests/api.py", API)
            + &row("requests/tests/test_api.py", "test")
            + &row("requests/cacert.pem", "pem")
            + &row("../../bin/requests", "#!python")
            + &row("\"requests/odd,name.txt\"", "odd")
            + "requests/__pycache__/api.cpython-312.pyc,,\n"
            + "requests-2.32.3.dist-info/RECORD,,\n"
    }

    fn installed(root: &str) -> Package {
        Package::default()
            .with(&format!("{root}app.py"), "import requests")
            .with(&format!("{root}requests/__init__.py"), INIT)
            .with(&format!("{root}requests/cacert.pem"), "pem")
            .with(&format!("{root}requests/odd,name.txt"), "odd")
            .with(&format!("{root}requests/tests/test_api.py"), "test")
            .with(&format!("{root}bin/requests"), "#!python")
            .with(
                &format!("{root}requests/__pycache__/api.cpython-312.pyc"),
                "x",
            )
            .with(&format!("{root}requests-2.32.3.dist-info/INSTALLER"), "pip")
            .with(
                &format!("{root}requests-2.32.3.dist-info/direct_url.json"),
                "{}",
            )
            .with(&format!("{root}requests-2.32.3.dist-info/RECORD"), record())
    }

    fn check(package: &Package) -> Checked {
        let mut integrity = Integrity::new();
        let contents = package.pass(&mut integrity);
        integrity.finish(&contents)
    }

    fn said(checked: &Checked) -> Vec<(&str, Deviance, Severity)> {
        checked
            .deviations
            .iter()
            .map(|it| (it.path.as_str(), it.how, it.severity))
            .collect()
    }

    #[test]
    fn an_ordinary_installation_deviates_in_nothing() {
        for root in ["", "python/", "python/lib/python3.12/site-packages/"] {
            let checked = check(&installed(root).with(&format!("{root}requests/api.py"), API));
            assert_eq!(said(&checked), []);
            assert_eq!(
                (checked.components, checked.files, checked.unchecked),
                (1, 6, 0)
            );
            let rules: Vec<_> = checked
                .findings("function-code")
                .into_iter()
                .map(|it| it.rule)
                .collect();
            assert_eq!(rules, ["published-bytecode-unchecked"]);
        }
    }

    #[test]
    fn a_changed_module_is_an_alarm_with_both_digests() {
        let checked = check(&installed("python/").with("python/requests/api.py", "import evil\n"));
        assert_eq!(
            said(&checked),
            [("python/requests/api.py", Deviance::Changed, Severity::High)]
        );
        let findings = checked.findings("layer-deps");
        assert_eq!(findings[0].rule, "component-file-changed");
        assert_eq!(
            findings[0].statement,
            "Of requests 2.32.3, not as published: python/requests/api.py"
        );
        assert!(
            findings[0].proof[0]
                .excerpt
                .as_ref()
                .unwrap()
                .contains(&Sha256Digest::of(API).to_string())
        );
    }

    #[test]
    fn the_second_of_two_files_of_one_name_is_checked_too() {
        let package = installed("")
            .with("requests/api.py", API)
            .with("requests/api.py", "evil");
        assert_eq!(
            said(&check(&package)),
            [("requests/api.py", Deviance::Changed, Severity::High)]
        );
    }

    #[test]
    fn bytecode_that_was_compiled_anew_at_installation_is_no_change() {
        let path = "a/__pycache__/x.cpython-311.pyc";
        let rows = format!("{path},,\n{}", row(path, "as published"));
        let package = Package::default()
            .with("a-1.dist-info/RECORD", rows)
            .with(path, "compiled anew");
        assert_eq!(said(&check(&package)), []);
    }

    #[test]
    fn changed_data_is_less_than_changed_code() {
        let package = Package::default()
            .with("requests/cacert.pem", "other")
            .with(
                "requests-2.32.3.dist-info/RECORD",
                row("requests/cacert.pem", "pem"),
            );
        assert_eq!(
            said(&check(&package)),
            [("requests/cacert.pem", Deviance::Changed, Severity::Medium)]
        );
    }

    #[test]
    fn stripped_parts_are_no_more_than_information() {
        let package = Package::default()
            .with("requests/__init__.py", INIT)
            .with("requests-2.32.3.dist-info/RECORD", record());
        let checked = check(&package);
        assert_eq!(checked.deviations.len(), 4);
        let findings = checked.findings("function-code");
        assert_eq!(findings.len(), 1);
        assert_eq!(findings[0].severity, Severity::Info);
        assert_eq!(findings[0].proof[0].line, Some(2));
    }

    #[test]
    fn a_module_that_was_never_published_is_told_from_data_and_bytecode() {
        let package = installed("")
            .with("requests/_hook.py", "import os")
            .with("requests/config.json", "{}")
            .with("requests/api.pyc", "compiled in place");
        assert_eq!(
            said(&check(&package)),
            [
                ("requests/_hook.py", Deviance::Extra, Severity::Medium),
                ("requests/api.py", Deviance::Missing, Severity::Info),
                ("requests/api.pyc", Deviance::Extra, Severity::Info),
                ("requests/config.json", Deviance::Extra, Severity::Info),
            ]
        );
    }

    #[test]
    fn namespaces_and_folders_of_everybody_are_not_extra() {
        let package = Package::default()
            .with("google/auth/__init__.py", INIT)
            .with("google/rpc/__init__.py", API)
            .with("google/mine/__init__.py", "mine")
            .with("tests/__init__.py", "")
            .with("tests/test_mine.py", "mine")
            .with(
                "a-1.dist-info/RECORD",
                row("google/auth/__init__.py", INIT) + &row("tests/__init__.py", ""),
            )
            .with("b-1.dist-info/RECORD", row("google/rpc/__init__.py", API));
        assert_eq!(said(&check(&package)), []);
    }

    #[test]
    fn a_file_of_two_lists_is_good_by_either_and_the_dispute_is_said() {
        let package = Package::default()
            .with("cv2/a.py", API)
            .with("cv2/data.txt", "data")
            .with(
                "opencv-4.dist-info/RECORD",
                row("cv2/a.py", "other") + &row("cv2/data.txt", "x"),
            )
            .with(
                "opencv_headless-4.dist-info/RECORD",
                row("cv2/a.py", API) + &row("cv2/data.txt", "data"),
            );
        assert_eq!(
            said(&check(&package)),
            [("cv2/a.py", Deviance::Disputed, Severity::Low)]
        );
        let neither = package.with("cv2/a.py", "evil");
        assert!(said(&check(&neither)).contains(&("cv2/a.py", Deviance::Changed, Severity::High)));
    }

    #[test]
    fn a_program_whose_digest_was_taken_off_the_list_is_told() {
        for digest in ["", "md5=AAAA", "sha256=", "sha256=AAAA"] {
            let package = Package::default()
                .with("a/x.py", "evil")
                .with("a/x.pyc", "bytecode")
                .with(
                    "a-1.dist-info/RECORD",
                    format!("a/x.py,{digest},4\na/x.pyc,,\n"),
                );
            assert_eq!(
                said(&check(&package)),
                [("a/x.py", Deviance::Unproven, Severity::Low)],
                "{digest}"
            );
        }
    }

    #[test]
    fn what_came_without_digests_or_with_others_is_said() {
        let package = Package::default()
            .with("a-1.dist-info/METADATA", "Name: a\nVersion: 1\n")
            .with("b-1.dist-info/RECORD", "b.py,sha512=AAAA,4\n")
            .with("b.py", "x");
        let checked = check(&package);
        assert_eq!((checked.unlisted.len(), checked.unchecked), (1, 1));
        let rules: Vec<_> = checked
            .findings("x")
            .into_iter()
            .map(|it| (it.rule, it.severity))
            .collect();
        assert_eq!(
            rules,
            [
                ("published-digests-absent".to_owned(), Severity::Info),
                ("published-digests-unchecked".to_owned(), Severity::Info)
            ]
        );
    }

    #[test]
    fn lists_without_end_are_said_and_displace_no_other() {
        let package = Package::default()
            .with(
                "a-1.dist-info/RECORD",
                "a,\n".repeat(super::super::MOST_ROWS),
            )
            .with("requests/api.py", "evil")
            .with(
                "requests-2.32.3.dist-info/RECORD",
                row("requests/api.py", API),
            );
        let checked = check(&package);
        assert_eq!(checked.unread, ["a-1.dist-info/RECORD"]);
        assert_eq!(
            said(&checked),
            [("requests/api.py", Deviance::Changed, Severity::High)]
        );
        assert_eq!(
            checked
                .findings("x")
                .iter()
                .map(|it| (it.rule.as_str(), it.severity))
                .collect::<Vec<_>>(),
            [
                ("component-file-changed", Severity::High),
                ("published-digests-unread", Severity::Medium)
            ]
        );
    }

    #[test]
    fn a_flood_of_missing_files_does_not_hide_a_changed_one() {
        let flood: String = (0..30_000)
            .map(|n| row(&format!("a/{n:05}.py"), "x"))
            .collect();
        let package = Package::default()
            .with("a-1.dist-info/RECORD", flood)
            .with("requests/api.py", "evil")
            .with(
                "requests-2.32.3.dist-info/RECORD",
                row("requests/api.py", API),
            );
        let checked = check(&package);
        assert_eq!(checked.omitted, 25_000);
        let findings = checked.findings("x");
        assert!(findings.iter().any(|it| it.severity == Severity::High));
        assert!(
            findings
                .iter()
                .any(|it| it.rule == "component-deviations-omitted")
        );
    }

    #[test]
    fn hostile_lists_are_borne() {
        for text in [
            "\"",
            "\"a",
            ",,,,",
            "../../../etc/passwd,sha256=x,1",
            "a,sha256=!!!,",
            "/etc/passwd,sha256=AAAA,",
            "\u{0}\n\"\"\"\",x",
        ] {
            let package = Package::default().with("a-1.dist-info/RECORD", text);
            assert_eq!(said(&check(&package)), [], "{text}");
        }
    }
}
