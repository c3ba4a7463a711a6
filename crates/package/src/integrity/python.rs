//! Python: every installed file against the `RECORD` of its distribution.
//! <https://packaging.python.org/en/latest/specifications/recording-installed-packages/#the-record-file>

use super::{Checked, Deviance, Deviation, Files, List, MOST_DEVIATIONS, is_code, is_code_name};
use crate::{File, Kind};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use evidence::{Severity, Sha256Digest};
use std::collections::{BTreeMap, HashMap, HashSet};

/// The most lines of one list that are read.
const MOST_ROWS: usize = 200_000;
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

pub(super) fn check(records: &[List], files: &Files<'_>, checked: &mut Checked) {
    // Distributions share folders (namespaces), so what is published is known only once all lists
    // of one installation are read.
    let mut listed: HashSet<String> = HashSet::new();
    let mut owners: BTreeMap<String, &List> = BTreeMap::new();
    let mut missing_sources: HashMap<String, ()> = HashMap::new();
    for record in records {
        checked.components += 1;
        let Some((root, component)) = split(&record.path) else {
            continue;
        };
        for (at, row) in record.text.lines().take(MOST_ROWS).enumerate() {
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
            let deviation = Row {
                component: &component,
                record,
                line: at as u64 + 1,
                path: &path,
                digest: digest.as_deref(),
            }
            .check(files, checked);
            if let Some(deviation) = deviation {
                if deviation.how == Deviance::Missing {
                    missing_sources.insert(path.clone(), ());
                }
                if checked.deviations.len() < MOST_DEVIATIONS {
                    checked.deviations.push(deviation);
                }
            }
            listed.insert(path);
        }
    }
    for file in files.all {
        if checked.deviations.len() >= MOST_DEVIATIONS {
            break;
        }
        let Some((folder, name)) = file.path.rsplit_once('/') else {
            continue;
        };
        if listed.contains(&file.path) || is_leftover(&file.path, name) {
            continue;
        }
        let Some(record) = owners.get(folder) else {
            continue;
        };
        let Some((_, component)) = split(&record.path) else {
            continue;
        };
        // `compileall -b` puts `a.pyc` in the place of `a.py`.
        let is_compiled_in_place =
            name.ends_with(".pyc") && missing_sources.contains_key(file.path.trim_end_matches('c'));
        let severity = if is_compiled_in_place || !is_code(file) {
            Severity::Info
        } else {
            Severity::Medium
        };
        checked.deviations.push(Deviation {
            component,
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

struct Row<'a> {
    component: &'a str,
    record: &'a List,
    line: u64,
    path: &'a str,
    digest: Option<&'a str>,
}

impl Row<'_> {
    fn check(&self, files: &Files<'_>, checked: &mut Checked) -> Option<Deviation> {
        let deviation = |how, severity, expected, actual| {
            Some(Deviation {
                component: self.component.to_owned(),
                path: self.path.to_owned(),
                how,
                severity,
                list: self.record.path.clone(),
                line: Some(self.line),
                expected,
                actual,
            })
        };
        let found = files.at(self.path);
        // Without a digest stand what is made at installation: bytecode, the list itself.
        let digest = self.digest?;
        let Some(expected) = digest.strip_prefix("sha256=").and_then(decode) else {
            if !found.is_empty() {
                checked.unchecked += 1;
            }
            return None;
        };
        if found.is_empty() {
            return deviation(Deviance::Missing, Severity::Info, Some(expected), None);
        }
        for file in found {
            match file.sha256 {
                Some(actual) if actual != expected => {
                    return deviation(
                        Deviance::Changed,
                        severity_of_change(file),
                        Some(expected),
                        Some(actual),
                    );
                }
                Some(_) => checked.files += 1,
                // A link in the place of a file, or one that could not be read.
                None if file.kind == Kind::Link && is_code_name(self.path) => {
                    return deviation(Deviance::Changed, Severity::Medium, Some(expected), None);
                }
                None => checked.unchecked += 1,
            }
        }
        None
    }
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
            assert_eq!(checked.findings("function-code"), []);
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
