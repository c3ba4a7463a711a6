//! .NET: the libraries that `*.deps.json` names.

use super::{Declared, Ecosystem, LIST_BYTES, NOT_AS_NAMED, Presence, Recogniser, Unread, text};
use crate::{Content, File};
use serde::Deserialize;
use std::collections::BTreeMap;

pub(super) const RECOGNISER: Recogniser = Recogniser {
    declares: |file: &File| file.path.ends_with(".deps.json"),
    read,
    settle: None,
};

#[derive(Deserialize)]
struct List {
    libraries: BTreeMap<String, Library>,
}

#[derive(Deserialize)]
struct Library {
    #[serde(rename = "type")]
    kind: String,
}

fn read(file: &File, content: Content<'_>, found: &mut Vec<Declared>) -> Result<(), Unread> {
    let text = text(content, LIST_BYTES)?;
    let list: List =
        serde_json::from_str(text.trim_start_matches('\u{feff}')).map_err(|_| NOT_AS_NAMED)?;
    for (library, entry) in list.libraries.iter().take(super::MOST_COMPONENTS + 1) {
        // `project` is the owner's own, `runtimepack` a part of .NET itself.
        if entry.kind != "package" {
            continue;
        }
        if let Some((name, version)) = library.rsplit_once('/') {
            found.push(Declared {
                ecosystem: Ecosystem::NuGet,
                name: name.to_owned(),
                version: Some(version.to_owned()),
                path: file.path.clone(),
                presence: Presence::Installed,
                licenses: Vec::new(),
            });
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use crate::components::fixtures::Package;

    #[test]
    fn packages_are_found_and_projects_are_not() {
        let package = Package::default().with(
            "Orders.deps.json",
            "\u{feff}{\"libraries\":{\"Orders/1.0.0\":{\"type\":\"project\"},\"Amazon.Lambda.Core/2.2.0\":{\"type\":\"package\",\"sha512\":\"sha512-x\"}}}",
        );
        assert_eq!(package.purls(), ["pkg:nuget/Amazon.Lambda.Core@2.2.0"]);
    }

    #[test]
    fn another_json_file_has_none() {
        let package = Package::default().with(
            "Orders.runtimeconfig.json",
            r#"{"libraries":{"A/1":{"type":"package"}}}"#,
        );
        assert_eq!(package.purls(), Vec::<String>::new());
    }
}
