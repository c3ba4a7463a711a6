//! Python: `*.dist-info/METADATA`, `*.egg-info/PKG-INFO`, single-file `*.egg-info`; where the
//! metadata was stripped, the folder's name.
//! <https://packaging.python.org/en/latest/specifications/recording-installed-packages/>

use super::{
    Declared, Ecosystem, METADATA_BYTES, NOT_AS_NAMED, Presence, Recogniser, Unread, text,
};
use crate::{Content, Contents, File};
use std::collections::BTreeMap;

pub(super) const RECOGNISER: Recogniser = Recogniser {
    declares,
    read,
    settle: Some(settle),
};

/// A name as PEP 503 compares it: lower case, runs of `-`, `_` and `.` as one `-`.
pub(crate) fn canonical_name(name: &str) -> String {
    let mut out = String::with_capacity(name.len());
    for c in name.chars() {
        match c {
            '-' | '_' | '.' => {
                if !out.ends_with('-') {
                    out.push('-');
                }
            }
            c => out.extend(c.to_lowercase()),
        }
    }
    out
}

fn declares(file: &File) -> bool {
    let path = file.path.as_str();
    path.ends_with(".dist-info/METADATA")
        || path.ends_with(".egg-info/PKG-INFO")
        || path.ends_with(".egg-info")
}

fn read(file: &File, content: Content<'_>, found: &mut Vec<Declared>) -> Result<(), Unread> {
    let text = text(content, METADATA_BYTES)?;
    let mut name = None;
    let mut version = None;
    let mut licenses = Vec::new();
    // Headers end at the first empty line; what follows is the description.
    for line in text.lines().take_while(|line| !line.is_empty()) {
        let Some((key, value)) = line.split_once(':') else {
            continue;
        };
        let value = value.trim();
        if value.is_empty() || line.starts_with([' ', '\t']) {
            continue;
        }
        match key {
            "Name" => name = name.or(Some(value)),
            "Version" => version = version.or(Some(value)),
            // Some put the whole text of the licence here.
            "License-Expression" | "License" if value.len() <= 100 => licenses.push(value),
            _ => {}
        }
    }
    let name = name.ok_or(NOT_AS_NAMED)?;
    licenses.truncate(4);
    found.push(Declared {
        ecosystem: Ecosystem::PyPi,
        name: name.to_owned(),
        version: version.map(ToOwned::to_owned),
        path: file.path.clone(),
        presence: Presence::Installed,
        licenses: licenses.into_iter().map(ToOwned::to_owned).collect(),
    });
    Ok(())
}

/// Some builds keep a `.dist-info` folder without its `METADATA`: its name still tells.
fn settle(contents: &Contents, declared: &mut Vec<Declared>) {
    let mut folders: BTreeMap<&str, &str> = BTreeMap::new();
    for file in &contents.files {
        if let Some((folder, _)) = split_dist_info(&file.path) {
            folders.entry(folder).or_insert(&file.path);
        }
    }
    for known in declared.iter() {
        if let Some((folder, "METADATA")) = split_dist_info(&known.path) {
            folders.remove(folder);
        }
    }
    for (folder, path) in folders {
        let stem = super::base(folder).trim_end_matches(".dist-info");
        if let Some((name, version)) = stem.rsplit_once('-') {
            declared.push(Declared {
                ecosystem: Ecosystem::PyPi,
                name: name.to_owned(),
                version: Some(version.to_owned()),
                path: path.to_owned(),
                presence: Presence::Installed,
                licenses: Vec::new(),
            });
        }
    }
}

/// The `.dist-info` folder that a file lies directly in, and the file's name.
fn split_dist_info(path: &str) -> Option<(&str, &str)> {
    let (folder, name) = path.rsplit_once('/')?;
    folder.ends_with(".dist-info").then_some((folder, name))
}

#[cfg(test)]
mod tests {
    use crate::components::fixtures::Package;

    #[test]
    fn installed_distributions_are_found() {
        let package = Package::default()
            .with(
                "python/requests-2.32.3.dist-info/METADATA",
                "Metadata-Version: 2.1\nName: requests\nVersion: 2.32.3\nLicense: Apache-2.0\n\nName: not-this\n",
            )
            .with("six.egg-info", "Name: six\nVersion: 1.16.0\n")
            .with("lib/PyYAML-6.0.egg-info/PKG-INFO", "Name: PyYAML\r\nVersion: 6.0\r\n");
        assert_eq!(
            package.purls(),
            [
                "pkg:pypi/pyyaml@6.0",
                "pkg:pypi/requests@2.32.3",
                "pkg:pypi/six@1.16.0"
            ]
        );
        assert_eq!(package.components()[1].licenses, ["Apache-2.0"]);
    }

    #[test]
    fn stripped_metadata_is_told_by_the_folder() {
        let package = Package::default().with("charset_normalizer-3.3.2.dist-info/RECORD", "");
        assert_eq!(package.purls(), ["pkg:pypi/charset-normalizer@3.3.2"]);
    }

    #[test]
    fn a_file_that_only_mentions_metadata_is_none() {
        let package = Package::default().with("docs/METADATA", "Name: no\nVersion: 1\n");
        assert_eq!(package.purls(), Vec::<String>::new());
    }
}
