//! Which published components a package is made of, as their own metadata declares them.

mod dotnet;
mod go;
mod java;
mod node;
mod purl;
mod python;
mod ruby;
mod rust;

use crate::proof::{self, PATH_CHARS};
use crate::{Content, Contents, File, Observer};
use evidence::{Confidence, Finding, Proof, Severity, shown};
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;

pub(crate) use java::{jar_of, sections};
pub(crate) use node::installed_as;
pub(crate) use python::canonical_name as python_name;

/// Everyone who recognises components, in the order in which they are asked. A new ecosystem is a
/// file beside this one and a line here.
const RECOGNISERS: [Recogniser; 7] = [
    python::RECOGNISER,
    node::RECOGNISER,
    java::RECOGNISER,
    go::RECOGNISER,
    rust::RECOGNISER,
    dotnet::RECOGNISER,
    ruby::RECOGNISER,
];

/// The most components that are listed of one source.
const MOST_COMPONENTS: usize = 20_000;
/// The most gaps that are named one by one.
const MOST_GAPS: usize = 100;
/// The longest name or version that is believed.
const LONGEST_NAME_BYTES: usize = 256;
/// The most metadata text of one component that is read.
const METADATA_BYTES: usize = 1 << 20;
/// The most of a lock file or another list of many components that is read.
const LIST_BYTES: usize = 8 << 20;

/// Where a component is published.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Ecosystem {
    /// Python's.
    #[serde(rename = "PyPI")]
    PyPi,
    /// Node's.
    #[serde(rename = "npm")]
    Npm,
    /// Java's; names are `group:artifact`, or `artifact` alone where nothing tells the group.
    Maven,
    /// Go's modules.
    Go,
    /// Rust's.
    #[serde(rename = "crates.io")]
    CratesIo,
    /// .NET's.
    NuGet,
    /// Ruby's.
    RubyGems,
}

impl Ecosystem {
    /// Its name, as OSV spells it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::PyPi => "PyPI",
            Self::Npm => "npm",
            Self::Maven => "Maven",
            Self::Go => "Go",
            Self::CratesIo => "crates.io",
            Self::NuGet => "NuGet",
            Self::RubyGems => "RubyGems",
        }
    }

    /// The ecosystem of OSV's name, e.g. `PyPI`; none if it is one that is not recognised here.
    pub fn named(name: &str) -> Option<Self> {
        [
            Self::PyPi,
            Self::Npm,
            Self::Maven,
            Self::Go,
            Self::CratesIo,
            Self::NuGet,
            Self::RubyGems,
        ]
        .into_iter()
        .find(|ecosystem| ecosystem.name() == name)
    }

    /// `name` in the one spelling that two names of the same component share.
    pub fn canonical(self, name: &str) -> String {
        match self {
            Self::PyPi => python_name(name),
            Self::NuGet => name.to_lowercase(),
            _ => name.to_owned(),
        }
    }
}

/// How it is known that a component belongs to the package.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Presence {
    /// It lies there.
    Installed,
    /// A lock file or a list of dependencies names it; whether its files lie there is not said.
    Declared,
}

/// One published component.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Component {
    /// Where it is published.
    pub ecosystem: Ecosystem,
    /// Its name, as its metadata spells it; chosen by the attacker: escape it on the way out.
    pub name: String,
    /// Its version, as spelt there; none if nothing tells.
    pub version: Option<String>,
    /// Its package URL, e.g. `pkg:pypi/requests@2.32.3`; ASCII.
    pub purl: String,
    /// The file that declares it.
    pub path: String,
    /// How it is known.
    pub presence: Presence,
    /// Licences, as its metadata spells them.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub licenses: Vec<String>,
}

/// Recognises components as files pass.
#[derive(Debug, Default)]
pub struct Components {
    declared: Vec<Declared>,
    gaps: Vec<(String, &'static str)>,
    gaps_beyond: usize,
    is_full: bool,
}

impl Components {
    /// Nothing recognised yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// What could not be looked at, as findings at *info*: metadata that is too large, cut off, or
    /// not what its name says. `part` is the exhibit's name.
    pub fn gaps(&self, part: &str) -> Vec<Finding> {
        let mut findings = Vec::new();
        if !self.gaps.is_empty() {
            let others = self.gaps.len() + self.gaps_beyond - 1;
            let (path, why) = &self.gaps[0];
            let more = match others {
                0 => String::new(),
                n => format!(", and {n} more"),
            };
            findings.push(gap(
                format!(
                    "Components declared by {} {why}{more} are not in the inventory",
                    shown(path, PATH_CHARS)
                ),
                self.gaps
                    .iter()
                    .map(|(path, _)| proof::of_file(part, path))
                    .collect(),
            ));
        }
        if self.is_full {
            findings.push(gap(
                format!(
                    "More than {MOST_COMPONENTS} components are declared; the rest is not in the inventory"
                ),
                vec![proof::of_part(part)],
            ));
            // No function has so many: they may be there to keep others out of the list.
            if let Some(finding) = findings.last_mut() {
                finding.severity = Severity::Medium;
            }
        }
        findings
    }

    /// The components, sorted by ecosystem, name, version and path. One that lies there hides the
    /// lock file's line about the same version.
    pub fn finish(self, contents: &Contents) -> Vec<Component> {
        let mut declared = self.declared;
        for recogniser in &RECOGNISERS {
            if let Some(settle) = recogniser.settle {
                settle(contents, &mut declared);
            }
        }
        let mut components: Vec<Component> = declared
            .into_iter()
            .filter(Declared::is_believable)
            .map(Declared::into_component)
            .collect();
        components.sort();
        components.dedup_by(|a, b| a.purl == b.purl && a.path == b.path);
        let installed: BTreeSet<String> = components
            .iter()
            .filter(|component| component.presence == Presence::Installed)
            .map(|component| component.purl.clone())
            .collect();
        components.retain(|component| {
            component.presence == Presence::Installed || !installed.contains(&component.purl)
        });
        components.truncate(MOST_COMPONENTS);
        components
    }
}

impl Observer for Components {
    fn file(&mut self, file: &File, content: Content<'_>) {
        for recogniser in &RECOGNISERS {
            if !(recogniser.declares)(file) {
                continue;
            }
            if self.declared.len() >= MOST_COMPONENTS {
                self.is_full = true;
                return;
            }
            let before = self.declared.len();
            let mut result = (recogniser.read)(file, content, &mut self.declared);
            if !self.declared[before..].iter().all(Declared::is_believable) {
                result = Err(Unread("(names that nobody publishes)"));
            }
            if let Err(Unread(why)) = result {
                if self.gaps.len() < MOST_GAPS {
                    self.gaps.push((file.path.clone(), why));
                } else {
                    self.gaps_beyond += 1;
                }
            }
            if self.declared.len() > MOST_COMPONENTS {
                self.declared.truncate(MOST_COMPONENTS);
                self.is_full = true;
            }
        }
    }
}

/// Recognises the components of one ecosystem.
struct Recogniser {
    /// Whether a file declares components, told without its bytes.
    declares: fn(&File) -> bool,
    /// Reads such a file.
    read: fn(&File, Content<'_>, &mut Vec<Declared>) -> Result<(), Unread>,
    /// What can be told only once all files are known: added, or taken back.
    settle: Option<fn(&Contents, &mut Vec<Declared>)>,
}

/// A component as read from its metadata.
#[derive(Clone, Debug)]
struct Declared {
    ecosystem: Ecosystem,
    name: String,
    version: Option<String>,
    path: String,
    presence: Presence,
    licenses: Vec<String>,
}

impl Declared {
    /// Whether a registry would take the name: it says something, and is no novel.
    fn is_believable(&self) -> bool {
        let fits = |text: &str| text.len() <= LONGEST_NAME_BYTES;
        fits(&self.name)
            && self.name.contains(|c: char| !['/', ':', ' '].contains(&c))
            && self.version.as_deref().is_none_or(fits)
    }

    fn into_component(self) -> Component {
        Component {
            purl: purl::of(self.ecosystem, &self.name, self.version.as_deref()),
            ecosystem: self.ecosystem,
            name: self.name,
            version: self.version,
            path: self.path,
            presence: self.presence,
            licenses: self.licenses,
        }
    }
}

/// Why a file that should declare components does not.
#[derive(Debug)]
struct Unread(&'static str);

const TOO_LARGE: Unread = Unread("(too large)");
const NOT_AS_NAMED: Unread = Unread("(not what its name says)");

/// All of a metadata file as text, if it is at most `most` bytes long.
fn text<'a>(content: Content<'a>, most: usize) -> Result<std::borrow::Cow<'a, str>, Unread> {
    if !content.is_whole || content.bytes.len() > most {
        return Err(TOO_LARGE);
    }
    Ok(String::from_utf8_lossy(content.bytes))
}

/// The last part of a path.
fn base(path: &str) -> &str {
    path.rsplit('/').next().unwrap_or(path)
}

fn gap(statement: String, proof: Vec<Proof>) -> Finding {
    Finding {
        rule: "component-metadata-unread".to_owned(),
        statement,
        severity: Severity::Info,
        confidence: Confidence::High,
        technique: None,
        advice: Some("List these components by hand before trusting the inventory".to_owned()),
        proof,
    }
}

#[cfg(test)]
pub(crate) mod fixtures {
    //! Files as a reader hands them over, made in memory.

    use crate::{Content, Contents, File, Kind, Observer};
    use evidence::Sha256Digest;

    /// A package in memory.
    #[derive(Default)]
    pub(crate) struct Package(Vec<(String, Vec<u8>)>);

    impl Package {
        pub(crate) fn with(mut self, path: &str, bytes: impl AsRef<[u8]>) -> Self {
            self.0.push((path.to_owned(), bytes.as_ref().to_vec()));
            self
        }

        pub(crate) fn contents(&self) -> Contents {
            Contents {
                files: self
                    .0
                    .iter()
                    .map(|(path, bytes)| file(path, bytes))
                    .collect(),
                irregularities: Vec::new(),
                is_complete: true,
            }
        }

        pub(crate) fn pass(&self, observer: &mut dyn Observer) -> Contents {
            for (path, bytes) in &self.0 {
                observer.file(
                    &file(path, bytes),
                    Content {
                        bytes,
                        is_whole: true,
                    },
                );
            }
            self.contents()
        }

        pub(crate) fn components(&self) -> Vec<super::Component> {
            let mut components = super::Components::new();
            let contents = self.pass(&mut components);
            assert_eq!(components.gaps("function-code"), Vec::new());
            components.finish(&contents)
        }

        pub(crate) fn purls(&self) -> Vec<String> {
            self.components().into_iter().map(|it| it.purl).collect()
        }
    }

    pub(crate) fn file(path: &str, bytes: &[u8]) -> File {
        File {
            path: path.to_owned(),
            sha256: Some(Sha256Digest::of(bytes)),
            size_bytes: bytes.len() as u64,
            mode: None,
            modified_at: None,
            kind: match bytes {
                [] => Kind::Empty,
                [0x7f, b'E', b'L', b'F', ..] => Kind::Elf,
                [b'P', b'K', 3, 4, ..] => Kind::Zip,
                [b'#', b'!', ..] => Kind::Script,
                _ if std::str::from_utf8(bytes).is_ok() => Kind::Text,
                _ => Kind::Data,
            },
            link_to: None,
        }
    }

    /// An ELF file with one section of `name`.
    pub(crate) fn elf(name: &str, section: &[u8]) -> Vec<u8> {
        use object::write::{Object, StandardSegment};
        let mut object = Object::new(
            object::BinaryFormat::Elf,
            object::Architecture::X86_64,
            object::Endianness::Little,
        );
        let segment = object.segment_name(StandardSegment::Data).to_vec();
        let id = object.add_section(segment, name.as_bytes().to_vec(), object::SectionKind::Data);
        object.append_section_data(id, section, 16);
        object.write().unwrap()
    }
}

#[cfg(test)]
mod tests {
    use super::fixtures::{Package, file};
    use super::*;

    #[test]
    fn a_package_without_metadata_has_no_components() {
        let package = Package::default()
            .with("app.py", "import json")
            .with("data/package.json.txt", "{}");
        assert_eq!(package.purls(), Vec::<String>::new());
    }

    #[test]
    fn what_lies_there_hides_the_lock_of_the_same_version() {
        let package = Package::default()
            .with("node_modules/ms/package.json", r#"{"name":"ms","version":"2.1.3"}"#)
            .with(
                "package-lock.json",
                r#"{"lockfileVersion":3,"packages":{"":{"name":"app"},"node_modules/ms":{"version":"2.1.3"},"node_modules/qs":{"version":"6.13.0"}}}"#,
            );
        let components = package.components();
        assert_eq!(
            components
                .iter()
                .map(|it| (it.purl.as_str(), it.presence))
                .collect::<Vec<_>>(),
            [
                ("pkg:npm/ms@2.1.3", Presence::Installed),
                ("pkg:npm/qs@6.13.0", Presence::Declared)
            ]
        );
    }

    #[test]
    fn the_order_of_files_does_not_matter() {
        let a = ("a-1.dist-info/METADATA", "Name: a\nVersion: 1\n");
        let b = ("b-1.dist-info/METADATA", "Name: b\nVersion: 1\n");
        let one = Package::default().with(a.0, a.1).with(b.0, b.1);
        let two = Package::default().with(b.0, b.1).with(a.0, a.1);
        assert_eq!(one.components(), two.components());
    }

    #[test]
    fn names_that_nobody_publishes_are_said_and_left_out() {
        for name in ["n".repeat(300), "/".to_owned(), "::".to_owned()] {
            let package = Package::default().with(
                "node_modules/x/package.json",
                format!("{{\"name\":\"{name}\",\"version\":\"1.0.0\"}}"),
            );
            let mut components = Components::new();
            let contents = package.pass(&mut components);
            assert_eq!(components.gaps("function-code").len(), 1, "{name}");
            assert_eq!(components.finish(&contents), Vec::new());
        }
    }

    #[test]
    fn metadata_that_is_too_large_is_said() {
        let mut components = Components::new();
        let path = "node_modules/big/package.json";
        let bytes = vec![b' '; METADATA_BYTES + 1];
        components.file(
            &file(path, &bytes),
            Content {
                bytes: &bytes,
                is_whole: true,
            },
        );
        let gaps = components.gaps("function-code");
        assert_eq!(gaps.len(), 1);
        assert_eq!(gaps[0].severity, Severity::Info);
        assert_eq!(gaps[0].proof[0].path.as_deref(), Some(path));
    }

    #[test]
    fn more_components_than_bearable_are_cut_and_said() {
        let mut components = Components::new();
        let mut lock = String::from(r#"{"packages":{"#);
        for n in 0..MOST_COMPONENTS + 5 {
            lock.push_str(&format!(r#""node_modules/p{n}":{{"version":"1.0.0"}},"#));
        }
        lock.push_str(r#""":{}}}"#);
        let bytes = lock.as_bytes();
        let contents = Contents::default();
        components.file(
            &file("package-lock.json", bytes),
            Content {
                bytes,
                is_whole: true,
            },
        );
        assert_eq!(components.gaps("function-code").len(), 1);
        assert_eq!(components.finish(&contents).len(), MOST_COMPONENTS);
    }

    proptest::proptest! {
        /// Metadata is the attacker's: whatever stands in it, reading it ends, and what comes of it
        /// is valid CycloneDX.
        #[test]
        fn hostile_metadata_is_borne(
            pieces in proptest::collection::vec(
                proptest::prop_oneof![
                    "\\PC{0,12}",
                    "(Name|Version|License|groupId|artifactId|version): ?=?[^\n]{0,9}\n",
                    "[\"\u{27}@:,/() {}=\n\u{202e}-]{1,6}",
                    "\"(name|version|packages|libraries|type|dependencies)\":",
                    "(    [a-z]{1,3} \\([0-9.]{1,5}\\)|  /?@?[a-z]{1,3}[@/][0-9.]{1,5}:|packages:|s\\.name = \"x\")\n",
                ],
                0..20,
            ),
        ) {
            let text: String = pieces.concat();
            let mut package = Package::default();
            for path in [
                "a-1.dist-info/METADATA", "a-1.dist-info/RECORD", "b.egg-info", "package.json",
                "node_modules/@a/b/package.json", "package-lock.json", "yarn.lock", "pnpm-lock.yaml",
                "a.jar!/META-INF/MANIFEST.MF", "a.jar!/META-INF/maven/g/a/pom.properties",
                "x.deps.json", "specifications/a-1.gemspec", "Gemfile.lock", "setup.py",
            ] {
                package = package.with(path, &text);
            }
            let (mut components, mut integrity) = (Components::new(), crate::Integrity::new());
            let mut scripts = crate::InstallScripts::new();
            package.pass(&mut integrity);
            package.pass(&mut scripts);
            let contents = package.pass(&mut components);
            let _ = integrity.finish(&contents).findings("x");
            let _ = scripts.finish("x");
            let components = components.finish(&contents);
            let _ = crate::lookalikes("x", &components);
            let json = crate::cyclonedx("x", &components, jiff::Timestamp::UNIX_EPOCH).unwrap();
            let bom = cyclonedx_bom::models::bom::Bom::parse_from_json_v1_5(json.as_bytes()).unwrap();
            use cyclonedx_bom::validation::Validate;
            let result = bom.validate_version(cyclonedx_bom::models::bom::SpecVersion::V1_5);
            proptest::prop_assert!(result.passed(), "{result:?}");
        }

        #[test]
        fn hostile_programs_are_borne(bytes in proptest::collection::vec(proptest::num::u8::ANY, 0..200), at in 0usize..900) {
            for section in [".go.buildinfo", ".dep-v0"] {
                let mut binary = fixtures::elf(section, &[b"\xff Go buildinf:\x08\x02".as_slice(), &bytes].concat());
                for (n, byte) in bytes.iter().take(8).enumerate() {
                    let at = (at + n * 97) % binary.len();
                    if at > 4 {
                        binary[at] = *byte;
                    }
                }
                let mut components = Components::new();
                let contents = Package::default().with("x", binary).pass(&mut components);
                let _ = components.finish(&contents);
            }
        }
    }
}
