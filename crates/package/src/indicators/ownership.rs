//! To whom a file belongs: the installed component that lists it (Python), or in whose folder it
//! lies (Node, Ruby). That the bytes are what was published is for `integrity` to say.

use crate::{Content, Contents, File};
use std::collections::HashSet;

/// How many listed paths are kept; beyond them files belong to nobody.
const MOST_LISTED: usize = 400_000;

/// Paths that installed components list as theirs, gathered as files pass.
#[derive(Default)]
pub(super) struct Ownership {
    listed: HashSet<String>,
}

/// What is known once all files have passed.
pub(super) struct Settled {
    listed: HashSet<String>,
    folders: HashSet<String>,
}

impl Ownership {
    /// Reads a file if it is a list.
    pub(super) fn note(&mut self, file: &File, content: Content<'_>) {
        let Some(metadata) = file.path.strip_suffix("/RECORD") else {
            return;
        };
        if !metadata.ends_with(".dist-info") {
            return;
        }
        let root = metadata.rsplit_once('/').map_or("", |(root, _)| root);
        for line in content.bytes.split(|byte| *byte == b'\n') {
            if self.listed.len() >= MOST_LISTED {
                return;
            }
            let Ok(line) = std::str::from_utf8(line) else {
                continue;
            };
            // PATH,sha256=…,SIZE; a path with a comma stands in quotes.
            let path = match line.strip_prefix('"') {
                Some(quoted) => quoted.split('"').next(),
                None => line.split(',').next(),
            };
            if let Some(path) = path.filter(|path| !path.is_empty())
                && let Some(path) = resolved(root, path)
            {
                self.listed.insert(path);
            }
        }
    }

    /// With the folders of components.
    pub(super) fn settle(self, contents: &Contents) -> Settled {
        let mut folders = HashSet::new();
        for file in &contents.files {
            let Some(folder) = file.path.strip_suffix("/package.json") else {
                continue;
            };
            if module_folder(folder).is_some_and(|whole| whole.len() == folder.len()) {
                folders.insert(folder.to_owned());
            }
        }
        Settled {
            listed: self.listed,
            folders,
        }
    }
}

impl Settled {
    /// Whether a component claims this file.
    pub(super) fn owns(&self, path: &str) -> bool {
        self.listed.contains(path)
            || module_folder(path).is_some_and(|folder| self.folders.contains(folder))
            || path.contains("/gems/") && path.contains("ruby/")
    }
}

/// `a/node_modules/@b/c` of `a/node_modules/@b/c/d/e.js`.
fn module_folder(path: &str) -> Option<&str> {
    let start = match path.rfind("/node_modules/") {
        Some(at) => at + "/node_modules/".len(),
        None => path
            .starts_with("node_modules/")
            .then_some("node_modules/".len())?,
    };
    let rest = path.get(start..)?;
    let depth = if rest.starts_with('@') { 2 } else { 1 };
    let length = rest
        .match_indices('/')
        .nth(depth - 1)
        .map_or(rest.len(), |(at, _)| at);
    path.get(..start + length)
}

/// `path` as seen from `root`, without `..`; none if it leads out.
fn resolved(root: &str, path: &str) -> Option<String> {
    let mut parts: Vec<&str> = root.split('/').filter(|part| !part.is_empty()).collect();
    for part in path.split('/') {
        match part {
            "" | "." => {}
            ".." => {
                parts.pop()?;
            }
            part => parts.push(part),
        }
    }
    Some(parts.join("/"))
}
