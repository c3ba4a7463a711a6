//! Whether installed components are what was published: files against the digests that came with
//! them.
//!
//! Who changes a file can change the list beside it too. Against that stand digests from elsewhere:
//! [`crate::Expected`].

mod java;
mod python;

use crate::proof::{self, EXCERPT_CHARS, NAME_CHARS, PATH_CHARS};
use crate::{Content, Contents, File, Kind, Observer};
use evidence::{Confidence, Finding, Severity, Sha256Digest, shown};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, HashMap};

/// The most deviations that are listed of one source.
const MOST_DEVIATIONS: usize = 20_000;
/// The most files that one finding points at.
const MOST_PROOFS: usize = 25;
/// The most bytes of lists that are held.
const LISTS_BYTES: usize = 128 << 20;

/// Collects published digests as files pass.
#[derive(Debug, Default)]
pub struct Integrity {
    records: Vec<List>,
    manifests: Vec<List>,
    held_bytes: usize,
    unread: Vec<String>,
}

/// A file that lists digests.
#[derive(Debug)]
struct List {
    path: String,
    text: String,
}

/// What the check came to.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Checked {
    /// Components that came with digests.
    pub components: usize,
    /// Files whose bytes have the digest that was published.
    pub files: usize,
    /// Files that are listed with a digest that is not SHA-256, and so were not checked.
    pub unchecked: usize,
    /// What is not as published, sorted by component and path; at most 20,000.
    pub deviations: Vec<Deviation>,
    /// Lists that could not be read.
    pub unread: Vec<String>,
}

/// One file that is not as published.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Deviation {
    /// The component, e.g. `requests 2.32.3` or `lib/a.jar`. Escape it on the way out.
    pub component: String,
    /// The file's path in the package, or where it should lie. Escape it on the way out.
    pub path: String,
    /// What is wrong.
    pub how: Deviance,
    /// What it means, were this all there is.
    pub severity: Severity,
    /// The list that says so.
    pub list: String,
    /// Where in the list, counted from 1.
    pub line: Option<u64>,
    /// The digest that was published.
    pub expected: Option<Sha256Digest>,
    /// The digest of what lies there.
    pub actual: Option<Sha256Digest>,
}

/// How a file is not as published.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Deviance {
    /// Other bytes.
    Changed,
    /// Not there.
    Missing,
    /// There, among the component's files, and not published.
    Extra,
}

impl Integrity {
    /// Nothing collected yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// Compares all files with what was published.
    pub fn finish(self, contents: &Contents) -> Checked {
        let files = Files::of(contents);
        let mut checked = Checked {
            unread: self.unread,
            ..Checked::default()
        };
        python::check(&self.records, &files, &mut checked);
        java::check(&self.manifests, &files, &mut checked);
        checked.deviations.sort();
        checked.deviations.dedup();
        checked.deviations.truncate(MOST_DEVIATIONS);
        checked
    }
}

impl Observer for Integrity {
    fn file(&mut self, file: &File, content: Content<'_>) {
        let lists = if python::is_list(&file.path) {
            &mut self.records
        } else if java::is_list(&file.path) {
            &mut self.manifests
        } else {
            return;
        };
        let has_room = self.held_bytes.saturating_add(content.bytes.len()) <= LISTS_BYTES;
        if !content.is_whole || !has_room {
            if self.unread.len() < MOST_PROOFS {
                self.unread.push(file.path.clone());
            }
            return;
        }
        let text = String::from_utf8_lossy(content.bytes).into_owned();
        // Of Java's manifests only those of signed jars list digests.
        if java::is_list(&file.path) && !text.contains("-Digest:") {
            return;
        }
        self.held_bytes += text.len();
        lists.push(List {
            path: file.path.clone(),
            text,
        });
    }
}

impl Checked {
    /// One finding for each component and way of deviating; `part` is the exhibit's name.
    pub fn findings(&self, part: &str) -> Vec<Finding> {
        let mut groups: BTreeMap<(&str, Deviance, Severity), Vec<&Deviation>> = BTreeMap::new();
        for deviation in &self.deviations {
            groups
                .entry((&deviation.component, deviation.how, deviation.severity))
                .or_default()
                .push(deviation);
        }
        let mut findings: Vec<Finding> = groups
            .into_iter()
            .map(|((component, how, severity), all)| finding(part, component, how, severity, &all))
            .collect();
        if !self.unread.is_empty() {
            findings.push(Finding {
                rule: "published-digests-unread".to_owned(),
                statement: format!(
                    "{} lists of published digests are too large or cut off, so what they list was not checked",
                    self.unread.len()
                ),
                severity: Severity::Info,
                confidence: Confidence::High,
                technique: None,
                advice: Some("Compare these components with a fresh download".to_owned()),
                proof: self.unread.iter().map(|path| proof::of_file(part, path)).collect(),
            });
        }
        findings
    }
}

fn finding(
    part: &str,
    component: &str,
    how: Deviance,
    severity: Severity,
    all: &[&Deviation],
) -> Finding {
    let first = shown(&all[0].path, PATH_CHARS);
    let component = shown(component, NAME_CHARS);
    let files = match all.len() - 1 {
        0 => first,
        1 => format!("{first} and one more file"),
        n => format!("{first} and {n} more files"),
    };
    let (rule, statement, advice) = match how {
        Deviance::Changed => (
            "component-file-changed",
            format!("Of {component}, not as published: {files}"),
            "Compare the file with the same version from its registry",
        ),
        Deviance::Missing => (
            "component-file-missing",
            format!("Of {component}, published but not there: {files}"),
            "Nothing to do where the build strips tests, documents or modules",
        ),
        Deviance::Extra => (
            "component-file-extra",
            format!("Among the files of {component}, but never published with it: {files}"),
            "Find out which build put the file there; read it as if an attacker had",
        ),
    };
    let proof = all
        .iter()
        .take(MOST_PROOFS)
        .map(|deviation| evidence::Proof {
            excerpt: match (deviation.expected, deviation.actual) {
                (Some(expected), Some(actual)) => Some(shown(
                    &format!("published {expected}, found {actual}"),
                    EXCERPT_CHARS,
                )),
                _ => None,
            },
            ..match how {
                // What is not there can only be checked in the list.
                Deviance::Missing => evidence::Proof {
                    line: deviation.line,
                    ..proof::of_file(part, &deviation.list)
                },
                _ => proof::of_file(part, &deviation.path),
            }
        })
        .collect();
    Finding {
        rule: rule.to_owned(),
        statement,
        severity,
        confidence: match how {
            Deviance::Changed => Confidence::High,
            Deviance::Missing | Deviance::Extra => Confidence::Medium,
        },
        technique: (severity > Severity::Info).then(|| "T1554".to_owned()),
        advice: Some(advice.to_owned()),
        proof,
    }
}

/// The files of a package by path.
struct Files<'a> {
    all: &'a [File],
    by_path: HashMap<&'a str, Vec<&'a File>>,
}

impl<'a> Files<'a> {
    fn of(contents: &'a Contents) -> Self {
        let mut by_path: HashMap<&str, Vec<&File>> = HashMap::new();
        for file in &contents.files {
            by_path.entry(&file.path).or_default().push(file);
        }
        Self {
            all: &contents.files,
            by_path,
        }
    }

    /// Everything that lies at `path`: more than one thing in an archive with duplicate names.
    fn at(&self, path: &str) -> &[&'a File] {
        self.by_path.get(path).map_or(&[], Vec::as_slice)
    }
}

/// Whether a file runs, or is read as a program.
fn is_code(file: &File) -> bool {
    matches!(
        file.kind,
        Kind::Elf
            | Kind::Pe
            | Kind::MachO
            | Kind::Wasm
            | Kind::Script
            | Kind::JavaClass
            | Kind::PythonBytecode
    ) || is_code_name(&file.path)
}

fn is_code_name(path: &str) -> bool {
    let name = path.rsplit('/').next().unwrap_or(path);
    let extension = name.rsplit_once('.').map_or("", |(_, extension)| extension);
    matches!(
        extension,
        "py" | "pyc" | "so" | "pth" | "js" | "mjs" | "cjs" | "sh" | "class"
    ) || name.contains(".so.")
}
