//! Java: every entry of a signed jar against the digests of its `MANIFEST.MF`.
//! <https://docs.oracle.com/en/java/javase/21/docs/specs/jar/jar.html#signed-jar-file>

use super::{Checking, Deviance, Deviation, Files, List, is_code};
use crate::components::{jar_of, sections};
use evidence::{Severity, Sha256Digest};
use std::collections::{BTreeMap, HashSet};

pub(super) fn is_list(path: &str) -> bool {
    path == "META-INF/MANIFEST.MF" || path.ends_with("!/META-INF/MANIFEST.MF")
}

pub(super) fn check(manifests: &[List], files: &Files<'_>, checking: &mut Checking) {
    let mut listed: HashSet<String> = HashSet::new();
    let mut signed: BTreeMap<&str, &List> = BTreeMap::new();
    for manifest in manifests {
        let jar = jar_of(&manifest.path);
        if !checking.has_room_for(manifest) {
            continue;
        }
        signed.insert(jar, manifest);
        for section in sections(&manifest.text).skip(1) {
            let value = |wanted: &str| {
                section
                    .iter()
                    .find(|(name, _)| name.eq_ignore_ascii_case(wanted))
                    .map(|(_, value)| value.as_str())
            };
            let Some(name) = value("Name") else {
                continue;
            };
            let path = within(jar, name);
            let deviation = |how, severity, expected, actual| Deviation {
                component: component(jar),
                path: path.clone(),
                how,
                severity,
                list: manifest.path.clone(),
                line: None,
                expected,
                actual,
            };
            let found = files.at(&path);
            let expected =
                value("SHA-256-Digest").and_then(|it| Sha256Digest::from_base64(it).ok());
            let has_other = section.iter().any(|(name, _)| name.ends_with("-Digest"));
            match expected {
                Some(expected) if found.is_empty() => checking.push(deviation(
                    Deviance::Missing,
                    Severity::Info,
                    Some(expected),
                    None,
                )),
                Some(expected) => {
                    for file in found {
                        match file.sha256 {
                            Some(actual) if actual == expected => checking.checked.files += 1,
                            Some(actual) => {
                                let severity = if is_code(file) {
                                    Severity::High
                                } else {
                                    Severity::Medium
                                };
                                checking.push(deviation(
                                    Deviance::Changed,
                                    severity,
                                    Some(expected),
                                    Some(actual),
                                ));
                            }
                            None => checking.checked.unchecked += 1,
                        }
                    }
                }
                None if has_other => checking.checked.unchecked += found.len(),
                None => {}
            }
            listed.insert(path);
        }
    }
    for file in files.all {
        let Some(manifest) = signed.get(jar_of(&file.path)) else {
            continue;
        };
        // Only classes: signers leave resources and the signature itself out.
        let is_class = file.path.ends_with(".class");
        if is_class && !listed.contains(&file.path) {
            checking.push(Deviation {
                component: component(jar_of(&file.path)),
                path: file.path.clone(),
                how: Deviance::Extra,
                severity: Severity::Medium,
                list: manifest.path.clone(),
                line: None,
                expected: None,
                actual: file.sha256,
            });
        }
    }
}

fn within(jar: &str, name: &str) -> String {
    if jar.is_empty() {
        name.to_owned()
    } else {
        format!("{jar}!/{name}")
    }
}

fn component(jar: &str) -> String {
    if jar.is_empty() {
        "the signed jar".to_owned()
    } else {
        jar.to_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Checked;
    use crate::Integrity;
    use crate::components::fixtures::Package;

    fn manifest(entries: &[(&str, &str)]) -> String {
        let mut text = "Manifest-Version: 1.0\r\n\r\n".to_owned();
        for (name, content) in entries {
            text.push_str(&format!(
                "Name: {name}\r\nSHA-256-Digest: {}\r\n\r\n",
                Sha256Digest::of(content).to_base64()
            ));
        }
        text
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
    fn a_signed_jar_as_signed_deviates_in_nothing() {
        for (jar, inner) in [("", ""), ("lib/a.jar", "lib/a.jar!/")] {
            let checked = check(
                &Package::default()
                    .with(
                        &format!("{inner}META-INF/MANIFEST.MF"),
                        manifest(&[("a/B.class", "b")]),
                    )
                    .with(&format!("{inner}META-INF/SIGN.SF"), "x")
                    .with(&format!("{inner}a/B.class"), "b"),
            );
            assert_eq!(said(&checked), [], "{jar}");
            assert_eq!((checked.components, checked.files), (1, 1));
        }
    }

    #[test]
    fn changed_missing_and_added_classes_of_a_signed_jar_are_told() {
        let package = Package::default()
            .with(
                "a.jar!/META-INF/MANIFEST.MF",
                manifest(&[("B.class", "b"), ("C.class", "c"), ("x.txt", "x")]),
            )
            .with("a.jar!/B.class", "evil")
            .with("a.jar!/D.class", "new")
            .with("a.jar!/x.txt", "y")
            .with("a.jar!/y.txt", "resource");
        assert_eq!(
            said(&check(&package)),
            [
                ("a.jar!/B.class", Deviance::Changed, Severity::High),
                ("a.jar!/C.class", Deviance::Missing, Severity::Info),
                ("a.jar!/D.class", Deviance::Extra, Severity::Medium),
                ("a.jar!/x.txt", Deviance::Changed, Severity::Medium),
            ]
        );
    }

    #[test]
    fn an_unsigned_jar_has_nothing_to_check_against() {
        let package = Package::default()
            .with(
                "a.jar!/META-INF/MANIFEST.MF",
                "Manifest-Version: 1.0\n\nName: a/\nSealed: true\n",
            )
            .with("a.jar!/B.class", "b");
        let checked = check(&package);
        assert_eq!((checked.components, said(&checked)), (0, vec![]));
    }

    #[test]
    fn old_digests_are_counted_as_unchecked() {
        let package = Package::default()
            .with(
                "a.jar!/META-INF/MANIFEST.MF",
                "Manifest-Version: 1.0\n\nName: B.class\nSHA1-Digest: x\n",
            )
            .with("a.jar!/B.class", "b");
        let checked = check(&package);
        assert_eq!((checked.unchecked, said(&checked)), (1, vec![]));
    }
}
