//! Rust: the crates that `cargo auditable` notes in a binary, in the section `.dep-v0`.
//! Its layout: <https://github.com/rust-secure-code/cargo-auditable/blob/master/PARSING.md>

use super::{Declared, Ecosystem, NOT_AS_NAMED, Presence, Recogniser, Unread};
use crate::{Content, File, Kind};
use flate2::read::ZlibDecoder;
use object::{Object, ObjectSection};
use serde::Deserialize;
use std::io::Read;

pub(super) const RECOGNISER: Recogniser = Recogniser {
    declares,
    read,
    settle: None,
};

/// The most that the list may take once unpacked; cargo-auditable's own advice.
const MOST_BYTES: u64 = 8 << 20;

#[derive(Deserialize)]
struct List {
    packages: Vec<Package>,
}

#[derive(Deserialize)]
struct Package {
    name: String,
    version: String,
    source: String,
    #[serde(default)]
    kind: Option<String>,
}

fn declares(file: &File) -> bool {
    file.kind == Kind::Elf
}

fn read(file: &File, content: Content<'_>, found: &mut Vec<Declared>) -> Result<(), Unread> {
    // A program that is not held whole has been said to be so by Go's recogniser.
    let Some(packed) = section(content.bytes) else {
        return Ok(());
    };
    let mut json = Vec::new();
    ZlibDecoder::new(packed)
        .take(MOST_BYTES)
        .read_to_end(&mut json)
        .map_err(|_| NOT_AS_NAMED)?;
    let list: List = serde_json::from_slice(&json).map_err(|_| NOT_AS_NAMED)?;
    for package in list.packages.into_iter().take(super::MOST_COMPONENTS + 1) {
        // What only ran while building is not in the binary; what is not from the registry is the
        // owner's own or a fork, and no advisory speaks of it.
        let is_built_in = package.kind.as_deref() != Some("build");
        if is_built_in && matches!(package.source.as_str(), "crates.io" | "registry") {
            found.push(Declared {
                ecosystem: Ecosystem::CratesIo,
                name: package.name,
                version: Some(package.version),
                path: file.path.clone(),
                presence: Presence::Installed,
                licenses: Vec::new(),
            });
        }
    }
    Ok(())
}

fn section(bytes: &[u8]) -> Option<&[u8]> {
    object::File::parse(bytes)
        .ok()?
        .section_by_name(".dep-v0")?
        .data()
        .ok()
}

#[cfg(test)]
mod tests {
    use crate::components::fixtures::{Package, elf};
    use std::io::Write;

    fn packed(json: &str) -> Vec<u8> {
        let mut encoder = flate2::write::ZlibEncoder::new(Vec::new(), flate2::Compression::best());
        encoder.write_all(json.as_bytes()).unwrap();
        encoder.finish().unwrap()
    }

    #[test]
    fn crates_of_a_binary_are_found_without_those_of_its_build() {
        let list = r#"{"packages":[{"name":"app","version":"0.1.0","source":"local","root":true},{"name":"serde","version":"1.0.200","source":"crates.io","dependencies":[0]},{"name":"cc","version":"1.0.0","source":"crates.io","kind":"build"}]}"#;
        let binary = elf(".dep-v0", &packed(list));
        assert_eq!(
            Package::default().with("bootstrap", binary).purls(),
            ["pkg:cargo/serde@1.0.200"]
        );
    }

    #[test]
    fn a_section_that_is_no_list_is_said_and_borne() {
        for section in [b"nonsense".to_vec(), packed("[1,2"), Vec::new()] {
            let package = Package::default().with("bootstrap", elf(".dep-v0", &section));
            let mut components = crate::Components::new();
            let contents = package.pass(&mut components);
            assert_eq!(components.gaps("function-code").len(), 1);
            assert_eq!(components.finish(&contents), Vec::new());
        }
    }

    #[test]
    fn a_binary_without_the_section_has_none() {
        let binary = elf(".comment", b"rustc 1.80");
        assert_eq!(
            Package::default().with("bootstrap", binary).purls(),
            Vec::<String>::new()
        );
    }
}
