//! Java: Maven's `pom.properties` within jars; for a jar without one its `MANIFEST.MF` and its file
//! name.

use super::{Declared, Ecosystem, METADATA_BYTES, Presence, Recogniser, Unread, base, text};
use crate::{Content, Contents, File, Kind};
use std::collections::BTreeSet;

pub(super) const RECOGNISER: Recogniser = Recogniser {
    declares,
    read,
    settle: Some(settle),
};

const MANIFEST: &str = "META-INF/MANIFEST.MF";

/// A manifest's sections as `(name, value)` pairs, the main one first. A line that begins with a
/// space goes on with the one before.
/// <https://docs.oracle.com/en/java/javase/21/docs/specs/jar/jar.html>
pub(crate) fn sections(text: &str) -> impl Iterator<Item = Vec<(&str, String)>> {
    let mut lines = text.lines().peekable();
    std::iter::from_fn(move || {
        let mut section: Vec<(&str, String)> = Vec::new();
        while lines.peek().is_some_and(|line| line.is_empty()) {
            lines.next();
        }
        lines.peek()?;
        for line in lines.by_ref() {
            if line.is_empty() {
                break;
            }
            if let Some(rest) = line.strip_prefix(' ') {
                if let Some((_, value)) = section.last_mut() {
                    value.push_str(rest);
                }
            } else if let Some((name, value)) = line.split_once(':') {
                section.push((name, value.strip_prefix(' ').unwrap_or(value).to_owned()));
            }
        }
        Some(section)
    })
}

/// The jar that a file lies in: the path up to the last `!/`, which is left out; empty for the
/// package itself.
pub(crate) fn jar_of(path: &str) -> &str {
    path.rfind("!/").map_or("", |at| &path[..at])
}

fn within(path: &str) -> &str {
    path.rfind("!/").map_or(path, |at| &path[at + 2..])
}

fn is_pom(path: &str) -> bool {
    let inner = within(path);
    inner.starts_with("META-INF/maven/") && inner.ends_with("/pom.properties")
}

fn declares(file: &File) -> bool {
    is_pom(&file.path) || within(&file.path) == MANIFEST
}

fn read(file: &File, content: Content<'_>, found: &mut Vec<Declared>) -> Result<(), Unread> {
    let text = text(content, METADATA_BYTES)?;
    let declared = if is_pom(&file.path) {
        from_pom(&text)
    } else {
        from_manifest(&text)
    };
    if let Some((name, version)) = declared {
        found.push(Declared {
            ecosystem: Ecosystem::Maven,
            name,
            version,
            path: file.path.clone(),
            presence: Presence::Installed,
            licenses: Vec::new(),
        });
    }
    Ok(())
}

fn from_pom(text: &str) -> Option<(String, Option<String>)> {
    let value = |wanted: &str| {
        text.lines()
            .filter_map(|line| line.split_once(['=', ':']))
            .find(|(key, _)| key.trim() == wanted)
            .map(|(_, value)| value.trim().to_owned())
    };
    Some((
        format!("{}:{}", value("groupId")?, value("artifactId")?),
        value("version"),
    ))
}

fn from_manifest(text: &str) -> Option<(String, Option<String>)> {
    let main = sections(text).next()?;
    let value = |wanted: &str| {
        main.iter()
            .find(|(name, _)| name.eq_ignore_ascii_case(wanted))
            .map(|(_, value)| value.trim())
            .filter(|value| !value.is_empty())
    };
    let title = value("Implementation-Title").or_else(|| {
        // OSGi adds directives: `org.slf4j.api;singleton:=true`.
        value("Bundle-SymbolicName").map(|name| name.split(';').next().unwrap_or(name))
    })?;
    let version = value("Implementation-Version").or_else(|| value("Bundle-Version"))?;
    let name = match value("Implementation-Vendor-Id") {
        Some(group) if !group.contains([' ', ':']) && !title.contains(':') => {
            format!("{group}:{title}")
        }
        _ => title.to_owned(),
    };
    Some((name, Some(version.to_owned())))
}

/// A manifest speaks for its jar only where Maven left nothing, and a jar's name only where neither
/// says anything.
fn settle(contents: &Contents, declared: &mut Vec<Declared>) {
    let jars_of = |declared: &[Declared], by_pom: bool| -> BTreeSet<String> {
        declared
            .iter()
            .filter(|it| it.ecosystem == Ecosystem::Maven && is_pom(&it.path) == by_pom)
            .map(|it| jar_of(&it.path).to_owned())
            .collect()
    };
    let with_pom = jars_of(declared, true);
    declared.retain(|it| {
        it.ecosystem != Ecosystem::Maven || is_pom(&it.path) || !with_pom.contains(jar_of(&it.path))
    });
    let with_manifest = jars_of(declared, false);
    for file in &contents.files {
        let path = file.path.as_str();
        if file.kind != Kind::Zip || with_pom.contains(path) || with_manifest.contains(path) {
            continue;
        }
        if let Some((name, version)) = base(path).strip_suffix(".jar").and_then(by_name) {
            declared.push(Declared {
                ecosystem: Ecosystem::Maven,
                name: name.to_owned(),
                version: Some(version.to_owned()),
                path: path.to_owned(),
                presence: Presence::Installed,
                licenses: Vec::new(),
            });
        }
    }
}

/// `guava-33.2.1-jre` → `guava`, `33.2.1-jre`.
fn by_name(stem: &str) -> Option<(&str, &str)> {
    stem.match_indices('-')
        .map(|(at, _)| (&stem[..at], &stem[at + 1..]))
        .find(|(name, version)| {
            !name.is_empty() && version.starts_with(|c: char| c.is_ascii_digit())
        })
}

#[cfg(test)]
mod tests {
    use super::sections;
    use crate::components::fixtures::Package;

    const POM: &str =
        "#Generated by Maven\nversion=2.11.0\ngroupId=com.google.code.gson\nartifactId=gson\n";

    #[test]
    fn jars_are_found_by_pom_then_manifest_then_name() {
        let package = Package::default()
            .with("lib/gson.jar", b"PK\x03\x04")
            .with("lib/gson.jar!/META-INF/MANIFEST.MF", "Bundle-SymbolicName: com.google.gson\r\nBundle-Version: 2.11.0\r\n")
            .with("lib/gson.jar!/META-INF/maven/com.google.code.gson/gson/pom.properties", POM)
            .with("lib/slf4j.jar", b"PK\x03\x04")
            .with(
                "lib/slf4j.jar!/META-INF/MANIFEST.MF",
                "Manifest-Version: 1.0\r\nImplementation-Title: slf4j-a\r\n pi\r\nImplementation-Version: 2.0.13\r\n\r\nName: x\r\n",
            )
            .with("lib/guava-33.2.1-jre.jar", b"PK\x03\x04")
            .with("lib/guava-33.2.1-jre.jar!/META-INF/MANIFEST.MF", "Manifest-Version: 1.0\r\n");
        assert_eq!(
            package.purls(),
            [
                "pkg:maven/com.google.code.gson/gson@2.11.0",
                "pkg:maven/guava@33.2.1-jre",
                "pkg:maven/slf4j-api@2.0.13"
            ]
        );
    }

    #[test]
    fn a_jar_that_says_nothing_is_none() {
        let package = Package::default()
            .with("lib/app.jar", b"PK\x03\x04")
            .with(
                "lib/app.jar!/META-INF/MANIFEST.MF",
                "Manifest-Version: 1.0\n",
            )
            .with("src/pom.properties", POM);
        assert_eq!(package.purls(), Vec::<String>::new());
    }

    #[test]
    fn a_manifest_is_read_by_section() {
        let all: Vec<_> = sections("A: 1\n\n\nName: x/\n y\nD: z\n").collect();
        assert_eq!(all.len(), 2);
        assert_eq!(all[1], [("Name", "x/y".to_owned()), ("D", "z".to_owned())]);
    }
}
