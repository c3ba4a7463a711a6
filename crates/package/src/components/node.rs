//! Node: `package.json` of what lies in `node_modules`, and the locks of npm, Yarn and pnpm.

use super::{
    Declared, Ecosystem, LIST_BYTES, METADATA_BYTES, NOT_AS_NAMED, Presence, Recogniser, Unread,
    base, text,
};
use crate::{Content, File};
use serde::Deserialize;
use serde_json::Value;
use std::collections::BTreeMap;

pub(super) const RECOGNISER: Recogniser = Recogniser {
    declares,
    read,
    settle: None,
};

/// The folder's name of a component directly within `node_modules`, scope included, if `path` is
/// its `package.json`.
pub(crate) fn installed_as(path: &str) -> Option<&str> {
    let folder = path.strip_suffix("/package.json")?;
    let name = match folder.rfind("node_modules/") {
        Some(at) if at == 0 || folder.as_bytes()[at - 1] == b'/' => {
            &folder[at + "node_modules/".len()..]
        }
        _ => return None,
    };
    let slashes = name.matches('/').count();
    let fits = if name.starts_with('@') {
        slashes == 1
    } else {
        slashes == 0
    };
    (fits && !name.is_empty()).then_some(name)
}

fn declares(file: &File) -> bool {
    installed_as(&file.path).is_some() || lock(&file.path).is_some()
}

fn read(file: &File, content: Content<'_>, found: &mut Vec<Declared>) -> Result<(), Unread> {
    if let Some(folder) = installed_as(&file.path) {
        let text = text(content, METADATA_BYTES)?;
        found.push(manifest(file, folder, &text)?);
        return Ok(());
    }
    let Some(lock) = lock(&file.path) else {
        return Ok(());
    };
    let text = text(content, LIST_BYTES)?;
    let mut add = |name: &str, version: &str| {
        if found.len() <= super::MOST_COMPONENTS {
            found.push(Declared {
                ecosystem: Ecosystem::Npm,
                name: name.to_owned(),
                version: Some(version.to_owned()),
                path: file.path.clone(),
                presence: Presence::Declared,
                licenses: Vec::new(),
            });
        }
    };
    match lock {
        Lock::Npm => npm(&text, &mut add)?,
        Lock::Yarn => yarn(&text, &mut add),
        Lock::Pnpm => pnpm(&text, &mut add),
    }
    Ok(())
}

enum Lock {
    Npm,
    Yarn,
    Pnpm,
}

/// A lock is the application's own only outside `node_modules`, apart from npm's hidden one.
fn lock(path: &str) -> Option<Lock> {
    let kind = match base(path) {
        ".package-lock.json" => return Some(Lock::Npm),
        "package-lock.json" | "npm-shrinkwrap.json" => Lock::Npm,
        "yarn.lock" => Lock::Yarn,
        "pnpm-lock.yaml" => Lock::Pnpm,
        _ => return None,
    };
    (!path.contains("node_modules/")).then_some(kind)
}

fn manifest(file: &File, folder: &str, text: &str) -> Result<Declared, Unread> {
    let json: Value =
        serde_json::from_str(text.trim_start_matches('\u{feff}')).map_err(|_| NOT_AS_NAMED)?;
    let license = match &json["license"] {
        Value::String(license) => Some(license.as_str()),
        other => other["type"].as_str(),
    };
    Ok(Declared {
        ecosystem: Ecosystem::Npm,
        name: json["name"].as_str().unwrap_or(folder).to_owned(),
        version: json["version"].as_str().map(ToOwned::to_owned),
        path: file.path.clone(),
        presence: Presence::Installed,
        licenses: license
            .filter(|license| license.len() <= 100)
            .map(ToOwned::to_owned)
            .into_iter()
            .collect(),
    })
}

/// npm's lock: `packages` by place since version 2, nested `dependencies` before.
#[derive(Deserialize)]
struct NpmLock {
    packages: Option<BTreeMap<String, Placed>>,
    dependencies: Option<BTreeMap<String, Nested>>,
}

#[derive(Deserialize)]
struct Placed {
    name: Option<String>,
    version: Option<String>,
    #[serde(default)]
    dev: bool,
}

#[derive(Deserialize)]
struct Nested {
    version: Option<String>,
    #[serde(default)]
    dev: bool,
    dependencies: Option<BTreeMap<String, Nested>>,
}

/// What only a developer needs is left out.
fn npm(text: &str, add: &mut impl FnMut(&str, &str)) -> Result<(), Unread> {
    // serde_json bounds the depth of nesting itself.
    let lock: NpmLock = serde_json::from_str(text).map_err(|_| NOT_AS_NAMED)?;
    if let Some(packages) = &lock.packages {
        for (place, entry) in packages {
            let Some((_, folder)) = place.rsplit_once("node_modules/") else {
                continue;
            };
            let name = entry.name.as_deref().unwrap_or(folder);
            if let (Some(version), false) = (&entry.version, entry.dev) {
                add(name, version);
            }
        }
    } else if let Some(dependencies) = &lock.dependencies {
        nested(dependencies, add);
    }
    Ok(())
}

fn nested(dependencies: &BTreeMap<String, Nested>, add: &mut impl FnMut(&str, &str)) {
    for (name, entry) in dependencies.iter().filter(|(_, entry)| !entry.dev) {
        if let Some(version) = &entry.version {
            add(name, version);
        }
        if let Some(inner) = &entry.dependencies {
            nested(inner, add);
        }
    }
}

/// Yarn's lock, classic and since version 2: an unindented key `"name@range", …:` and below it
/// `version "1.2.3"` or `version: 1.2.3`.
fn yarn(text: &str, add: &mut impl FnMut(&str, &str)) {
    let mut name = None;
    for line in text.lines() {
        if line.starts_with('#') || line.is_empty() {
            continue;
        }
        if !line.starts_with(' ') {
            let first = line.split(',').next().unwrap_or(line);
            let spec = first.trim_end_matches(':').trim_matches('"');
            let is_published = !spec.contains("@workspace:");
            name = name_of(spec, '@').filter(|_| is_published);
        } else if let Some(value) = line.strip_prefix("  version") {
            let version = value.trim_start_matches([':', ' ']).trim_matches('"');
            if let Some(name) = name.take() {
                add(name, version);
            }
        }
    }
}

/// What stands before the first `separator` that is not a scope's `@`.
fn name_of(spec: &str, separator: char) -> Option<&str> {
    let start = spec.chars().next()?.len_utf8();
    let at = spec[start..].find(separator)? + start;
    Some(&spec[..at])
}

/// pnpm's lock: keys of `packages:`, `name@1.2.3(peers)`, before version 6 `/name/1.2.3_peers`.
fn pnpm(text: &str, add: &mut impl FnMut(&str, &str)) {
    let mut is_inside = false;
    for line in text.lines() {
        if !line.starts_with(' ') {
            if !line.is_empty() {
                is_inside = line == "packages:";
            }
            continue;
        }
        let Some(key) = line.strip_prefix("  ").filter(|key| !key.starts_with(' ')) else {
            continue;
        };
        let Some(key) = key.strip_suffix(':').filter(|_| is_inside) else {
            continue;
        };
        let key = key.trim_matches(['\'', '"']).trim_start_matches('/');
        let key = key.split('(').next().unwrap_or(key);
        let own_slashes = usize::from(key.starts_with('@'));
        let split = match key.match_indices('/').nth(own_slashes) {
            Some((at, _)) => Some((&key[..at], &key[at + 1..]))
                .map(|(name, rest)| (name, rest.split('_').next().unwrap_or(rest))),
            None => key.rsplit_once('@'),
        };
        if let Some((name, version)) = split
            && version.starts_with(|c: char| c.is_ascii_digit())
        {
            add(name, version);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::installed_as;
    use crate::components::fixtures::Package;

    #[test]
    fn installed_packages_are_found_scoped_nested_and_linked() {
        let package = Package::default()
            .with(
                "node_modules/express/package.json",
                r#"{"name":"express","version":"4.19.2","license":"MIT"}"#,
            )
            .with(
                "node_modules/express/node_modules/debug/package.json",
                r#"{"name":"debug","version":"2.6.9"}"#,
            )
            .with(
                "nodejs/node_modules/@smithy/types/package.json",
                r#"{"name":"@smithy/types","version":"3.3.0"}"#,
            )
            .with(
                "node_modules/.pnpm/ms@2.0.0/node_modules/ms/package.json",
                "\u{feff}{\"version\":\"2.0.0\"}",
            );
        assert_eq!(
            package.purls(),
            [
                "pkg:npm/%40smithy/types@3.3.0",
                "pkg:npm/debug@2.6.9",
                "pkg:npm/express@4.19.2",
                "pkg:npm/ms@2.0.0"
            ]
        );
    }

    #[test]
    fn other_package_json_files_are_no_components() {
        for path in [
            "package.json",
            "src/package.json",
            "node_modules/x/dist/cjs/package.json",
            "node_modules/@scope/package.json",
            "my_node_modules/x/package.json",
        ] {
            assert_eq!(installed_as(path), None, "{path}");
        }
    }

    #[test]
    fn locks_of_three_package_managers_say_the_same() {
        let npm2 = r#"{"lockfileVersion":2,"packages":{"":{"version":"1.0.0"},"node_modules/@types/node":{"version":"20.1.0"},"node_modules/a/node_modules/ms":{"version":"2.1.3"},"node_modules/jest":{"version":"29.0.0","dev":true}}}"#;
        let npm1 = r#"{"lockfileVersion":1,"dependencies":{"@types/node":{"version":"20.1.0","dependencies":{"ms":{"version":"2.1.3"}}},"jest":{"version":"29.0.0","dev":true}}}"#;
        let yarn1 = "# yarn lockfile v1\n\n\n\"@types/node@*\", \"@types/node@^20\":\n  version \"20.1.0\"\n  resolved \"x\"\n\nms@^2.0.0:\n  version \"2.1.3\"\n";
        let yarn4 = "__metadata:\n  version: 8\n\n\"@types/node@npm:^20\":\n  version: 20.1.0\n\n\"app@workspace:.\":\n  version: 0.0.0-use.local\n\n\"ms@npm:^2.0.0, ms@npm:^2.1\":\n  version: 2.1.3\n";
        let pnpm9 = "lockfileVersion: '9.0'\n\nimporters:\n  .:\n    x: 1\n\npackages:\n\n  '@types/node@20.1.0':\n    resolution: {integrity: x}\n\n  ms@2.1.3(peer@1.0.0):\n    engines: {node: '>=4'}\n\nsnapshots:\n\n  zz@1.0.0:\n    x: y\n";
        let pnpm5 = "packages:\n\n  /@types/node/20.1.0:\n    dev: false\n\n  /ms/2.1.3_peer@1.0.0:\n    dev: false\n";
        for (path, lock) in [
            ("package-lock.json", npm2),
            ("package-lock.json", npm1),
            ("yarn.lock", yarn1),
            ("yarn.lock", yarn4),
            ("pnpm-lock.yaml", pnpm9),
            ("pnpm-lock.yaml", pnpm5),
        ] {
            assert_eq!(
                Package::default().with(path, lock).purls(),
                ["pkg:npm/%40types/node@20.1.0", "pkg:npm/ms@2.1.3"],
                "{lock}"
            );
        }
    }
}
