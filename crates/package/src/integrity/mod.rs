//! Whether installed components are what was published: files against the digests that came with
//! them. Of signed jars the digests are checked, not the signature.
//!
//! Who changes a file can change the list beside it too. Against that stand digests from elsewhere:
//! [`crate::Expected`].

mod bytecode;
mod java;
mod python;

pub use bytecode::Bytecode;

use crate::proof::{self, EXCERPT_CHARS, NAME_CHARS, PATH_CHARS};
use crate::{Content, Contents, File, Kind, Observer};
use evidence::{Confidence, Finding, Severity, Sha256Digest, shown};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, HashMap};

/// The most deviations that are listed of one source; those at *info* have room of their own, so
/// that a list of files that were never there cannot hide a changed one.
const MOST_DEVIATIONS: usize = 20_000;
const MOST_AT_INFO: usize = 5_000;
/// The most files that one finding points at.
const MOST_PROOFS: usize = 25;
/// The most lists that are named as not read.
const MOST_UNREAD: usize = 1_000;
/// The most bytes of lists that are held, of one and of all.
const LIST_BYTES: usize = 32 << 20;
const LISTS_BYTES: usize = 96 << 20;
/// The most lines of all lists that are read: a hundred times those of a large function.
const MOST_ROWS: usize = 1_000_000;

/// Collects published digests as files pass.
#[derive(Debug, Default)]
pub struct Integrity {
    bytecode: Bytecode,
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
    /// What is not as published, sorted by component and path; at most 20,000, and at most 5,000 more
    /// at *info*.
    pub deviations: Vec<Deviation>,
    /// How many more there are.
    pub omitted: usize,
    /// Lists that could not be read.
    pub unread: Vec<String>,
    /// Python distributions that came without a list.
    pub unlisted: Vec<String>,
    /// Compiled Python, of which nothing is published.
    pub bytecode: Bytecode,
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
    /// Listed, without a digest that proves anything.
    Unproven,
    /// As one list says, and not as another one of the same place says.
    Disputed,
}

impl Integrity {
    /// Nothing collected yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// Compares all files with what was published.
    pub fn finish(self, contents: &Contents) -> Checked {
        let files = Files::of(contents);
        let mut checking = Checking {
            checked: Checked {
                unread: self.unread,
                unlisted: python::without_list(&files),
                bytecode: self.bytecode,
                ..Checked::default()
            },
            at_info: 0,
            rows: 0,
        };
        checking.checked.bytecode.count(&files);
        python::check(&smallest_first(self.records), &files, &mut checking);
        java::check(&smallest_first(self.manifests), &files, &mut checking);
        let mut checked = checking.checked;
        checked.deviations.sort();
        checked.deviations.dedup();
        checked
    }
}

/// A list without end must not displace the others.
fn smallest_first(mut lists: Vec<List>) -> Vec<List> {
    lists.sort_by(|a, b| (a.text.len(), &a.path).cmp(&(b.text.len(), &b.path)));
    lists
}

/// A check under way.
struct Checking {
    checked: Checked,
    at_info: usize,
    rows: usize,
}

impl Checking {
    /// Whether there is room for the lines of a list; if not, that is recorded.
    fn has_room_for(&mut self, list: &List) -> bool {
        let rows = list.text.lines().count();
        let has_room = self.rows + rows <= MOST_ROWS;
        if has_room {
            self.rows += rows;
            self.checked.components += 1;
        } else if self.checked.unread.len() < MOST_UNREAD {
            self.checked.unread.push(list.path.clone());
        }
        has_room
    }

    fn push(&mut self, deviation: Deviation) {
        let others = self.checked.deviations.len() - self.at_info;
        let has_room = if deviation.severity == Severity::Info {
            self.at_info < MOST_AT_INFO
        } else {
            others < MOST_DEVIATIONS
        };
        if !has_room {
            self.checked.omitted += 1;
            return;
        }
        self.at_info += usize::from(deviation.severity == Severity::Info);
        self.checked.deviations.push(deviation);
    }
}

impl Observer for Integrity {
    fn file(&mut self, file: &File, content: Content<'_>) {
        self.bytecode.file(file, content);
        let lists = if python::is_list(&file.path) {
            &mut self.records
        } else if java::is_list(&file.path) {
            &mut self.manifests
        } else {
            return;
        };
        let has_room = self.held_bytes.saturating_add(content.bytes.len()) <= LISTS_BYTES;
        let fits = content.is_whole && content.bytes.len() <= LIST_BYTES && has_room;
        if !fits {
            if self.unread.len() < MOST_UNREAD {
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
        findings.extend(self.bytecode.findings(part));
        findings.extend(self.gaps(part));
        findings
    }

    /// What was not checked.
    fn gaps(&self, part: &str) -> Vec<Finding> {
        let gap = |rule: &str, severity, statement: String, paths: &[String]| Finding {
            rule: rule.to_owned(),
            statement,
            severity,
            confidence: Confidence::High,
            technique: None,
            advice: Some("Compare these components with a fresh download".to_owned()),
            proof: match paths {
                [] => vec![proof::of_part(part)],
                paths => paths
                    .iter()
                    .take(MOST_PROOFS)
                    .map(|path| proof::of_file(part, path))
                    .collect(),
            },
        };
        let mut gaps = Vec::new();
        if let [first, ..] = &self.unread[..] {
            gaps.push(gap(
                "published-digests-unread",
                // No component has so long a list: it may be there to keep others from being read.
                Severity::Medium,
                format!(
                    "Lists of published digests are too large or cut off, so what they list was not checked: {} in all, e.g. {}",
                    self.unread.len(),
                    shown(first, PATH_CHARS)
                ),
                &self.unread,
            ));
        }
        if let [first, ..] = &self.unlisted[..] {
            gaps.push(gap(
                "published-digests-absent",
                Severity::Info,
                format!(
                    "Python components came without the list of their files, so they were not checked: {} in all, e.g. {}",
                    self.unlisted.len(),
                    shown(first, PATH_CHARS)
                ),
                &self.unlisted,
            ));
        }
        if self.unchecked > 0 {
            gaps.push(gap(
                "published-digests-unchecked",
                Severity::Info,
                format!(
                    "Files with published digests of another kind than SHA-256, or that could not be read, were not checked: {} in all",
                    self.unchecked
                ),
                &[],
            ));
        }
        if self.omitted > 0 {
            gaps.push(gap(
                "component-deviations-omitted",
                Severity::Low,
                format!(
                    "More files are not as published than are listed: {} more",
                    self.omitted
                ),
                &[],
            ));
        }
        gaps
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
        Deviance::Unproven => (
            "component-file-unproven",
            format!("Of {component}, listed without a digest that proves it: {files}"),
            "Compare the file with the same version from its registry",
        ),
        Deviance::Disputed => (
            "component-file-disputed",
            format!(
                "Claimed by {component} with other bytes, and by another component as it is: {files}"
            ),
            "Find out whether both were meant to be installed, or one left behind by an upgrade",
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
            Deviance::Missing | Deviance::Extra | Deviance::Unproven | Deviance::Disputed => {
                Confidence::Medium
            }
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
