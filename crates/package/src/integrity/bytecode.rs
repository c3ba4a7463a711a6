//! Compiled Python beside its source: no list has its digest, and Python runs it in the source's
//! place.

use super::{Files, MOST_PROOFS};
use crate::proof;
use crate::{Content, File};
use evidence::{Confidence, Finding, Severity, shown};
use serde::{Deserialize, Serialize};

/// The most paths that are held.
const MOST_HELD: usize = 10_000;

/// What is known of compiled files without having compiled the source.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Bytecode {
    /// Compiled files in `__pycache__`, none of which could be checked.
    pub files: usize,
    /// Those of them that Python runs without looking at the source at all (PEP 552: by an
    /// unchecked hash); at most 10,000.
    pub blind: Vec<String>,
}

impl Bytecode {
    pub(super) fn file(&mut self, file: &File, content: Content<'_>) {
        // After the magic number stand the flags: 1 is by hash, 2 that the hash is to be checked.
        let is_blind = content.bytes.get(4..8) == Some(&[1, 0, 0, 0]);
        if is_blind && is_cached(&file.path) && self.blind.len() < MOST_HELD {
            self.blind.push(file.path.clone());
        }
    }

    pub(super) fn count(&mut self, files: &Files<'_>) {
        self.files = files
            .all
            .iter()
            .filter(|file| is_cached(&file.path))
            .count();
        self.blind.sort();
    }

    /// That nothing of it was checked, and files that differ from the others in not caring for their
    /// source. Some builds make all of them so.
    pub(super) fn findings(&self, part: &str) -> Vec<Finding> {
        let mut findings = Vec::new();
        if self.files > 0 {
            findings.push(Finding {
                rule: "published-bytecode-unchecked".to_owned(),
                statement: format!(
                    "Compiled Python has no published digests and was not checked: {} files",
                    self.files
                ),
                severity: Severity::Info,
                confidence: Confidence::High,
                technique: None,
                advice: Some(
                    "Leave __pycache__ out of packages, or compare it with a build of your own"
                        .to_owned(),
                ),
                proof: vec![proof::of_part(part)],
            });
        }
        if let [first, ..] = &self.blind[..] {
            let is_how_all_are = self.blind.len() * 2 > self.files;
            findings.push(Finding {
                rule: "bytecode-blind".to_owned(),
                statement: format!(
                    "Compiled Python that runs even if its source says something else: {} of {} files, e.g. {}",
                    self.blind.len(),
                    self.files,
                    shown(first, proof::PATH_CHARS)
                ),
                severity: if is_how_all_are { Severity::Info } else { Severity::Medium },
                confidence: Confidence::Medium,
                technique: (!is_how_all_are).then(|| "T1554".to_owned()),
                advice: Some("Disassemble these files and compare them with their source".to_owned()),
                proof: self
                    .blind
                    .iter()
                    .take(MOST_PROOFS)
                    .map(|path| proof::of_file(part, path))
                    .collect(),
            });
        }
        findings
    }
}

fn is_cached(path: &str) -> bool {
    path.ends_with(".pyc") && (path.contains("/__pycache__/") || path.starts_with("__pycache__/"))
}

#[cfg(test)]
mod tests {
    use crate::Integrity;
    use crate::components::fixtures::Package;
    use evidence::Severity;

    fn compiled(flags: u8) -> Vec<u8> {
        let mut bytes = b"\xcb\x0d\r\n".to_vec();
        bytes.extend([flags, 0, 0, 0, 1, 2, 3, 4, 5, 6, 7, 8]);
        bytes
    }

    fn findings(package: &Package) -> Vec<(String, Severity)> {
        let mut integrity = Integrity::new();
        let contents = package.pass(&mut integrity);
        let findings = integrity.finish(&contents).findings("function-code");
        findings
            .into_iter()
            .map(|it| (it.rule, it.severity))
            .collect()
    }

    fn package(blind: usize, ordinary: usize) -> Package {
        let flags = std::iter::repeat_n(1, blind).chain(std::iter::repeat_n(0, ordinary));
        flags
            .enumerate()
            .fold(Package::default(), |package, (n, flags)| {
                package.with(
                    &format!("a/__pycache__/m{n}.cpython-312.pyc"),
                    compiled(flags),
                )
            })
    }

    #[test]
    fn one_blind_file_among_ordinary_ones_stands_out() {
        assert_eq!(
            findings(&package(1, 5)),
            [
                ("published-bytecode-unchecked".to_owned(), Severity::Info),
                ("bytecode-blind".to_owned(), Severity::Medium)
            ]
        );
    }

    #[test]
    fn a_build_that_makes_all_of_them_blind_does_not() {
        assert!(
            findings(&package(6, 0))
                .iter()
                .all(|it| it.1 == Severity::Info)
        );
        assert_eq!(findings(&package(0, 6)).len(), 1);
        assert_eq!(findings(&package(0, 0)), []);
    }
}
