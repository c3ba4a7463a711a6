//! Digests that the account's owner expects, from outside the package.

use crate::components::{Component, Ecosystem, Presence, jar_of};
use crate::proof::{self, EXCERPT_CHARS, NAME_CHARS, PATH_CHARS};
use crate::{Contents, File};
use evidence::{Confidence, Finding, Proof, Severity, Sha256Digest, shown};
use serde_json::{Map, Value, json};
use std::collections::{BTreeMap, BTreeSet, HashMap};

/// The largest document that is read.
const MOST_BYTES: usize = 32 << 20;
/// How many components a sentence names.
const MOST_NAMED: usize = 10;
const LAYER_BELONGS: &str = "the ARN of a layer's version belongs here: arn:…:layer:NAME:NUMBER";
const SECTIONS: [&str; 3] = ["functions", "layers", "components"];

/// The owner's expected digests.
///
/// ```json
/// {
///   "functions": {
///     "orders-api": "RCPvVGqLqLqHEJMrZO4mbXZ2WVOdzqFhFrYoROCcB5o=",
///     "arn:aws:lambda:eu-west-1:111122223333:function:billing:7": ["HEX", "HEX"],
///     "invoices": { "files": { "app.py": "HEX", "lib/tax.py": "HEX" } }
///   },
///   "layers": {
///     "arn:aws:lambda:eu-west-1:111122223333:layer:dependencies:3": "HEX"
///   },
///   "components": {
///     "pkg:pypi/requests@2.32.3": "HEX",
///     "gson@2.11.0": { "files": { "com/google/gson/Gson.class": "HEX" } }
///   }
/// }
/// ```
///
/// A digest is SHA-256 as hexadecimal or, as AWS writes `CodeSha256`, base64; a list of digests
/// accepts each of them. Functions are named by name or ARN, of one version or alias or of all; the
/// most exact entry decides. Of a package whose zip differs with every build its files are listed, all
/// of them: another one is a deviation as a changed one is. Components are named by package URL or `name@version`. A component's
/// own digest is that of its `RECORD` (Python), of the jar (Java) or the program (Go, Rust) that
/// carries it, and otherwise of its folder: of the lines that `sha256sum` prints for every file below
/// it, paths relative and sorted by byte, inner `node_modules` left out.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Expected {
    functions: BTreeMap<String, Expectation>,
    layers: BTreeMap<String, Expectation>,
    components: BTreeMap<String, Expectation>,
}

type Digests = Vec<Sha256Digest>;

/// What is expected of a package or a component.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Expectation {
    /// Its own digest is one of these; empty: not asked.
    own: Digests,
    /// Its files by path, relative to where a component is installed; all of a package's, or none.
    files: BTreeMap<String, Digests>,
}

impl Expectation {
    fn to_json(&self) -> Value {
        let several = |digests: &Digests| match &digests[..] {
            [one] => json!(one.to_string()),
            several => json!(several.iter().map(ToString::to_string).collect::<Vec<_>>()),
        };
        if self.files.is_empty() {
            return several(&self.own);
        }
        let files = self.files.iter();
        let files = files.map(|(path, digests)| (path.clone(), several(digests)));
        let mut fields = Map::new();
        if !self.own.is_empty() {
            fields.insert("sha256".to_owned(), several(&self.own));
        }
        fields.insert("files".to_owned(), Value::Object(files.collect()));
        Value::Object(fields)
    }
}

/// Why a document of expected digests cannot be used.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum BadExpected {
    /// It is no JSON.
    #[error("expected digests are no JSON: line {line}, column {column}: {why}")]
    Json {
        /// Counted from 1.
        line: usize,
        /// Counted from 1.
        column: usize,
        /// What the parser says.
        why: String,
    },
    /// A field is not what it has to be.
    #[error("expected digests: {field}: {why}")]
    Field {
        /// The field, e.g. `components."requests@2.32.3".files."requests/api.py"`.
        field: String,
        /// What is wrong and what belongs there.
        why: &'static str,
    },
    /// It is too large.
    #[error("expected digests are larger than {MOST_BYTES} bytes")]
    TooLarge,
}

/// What is checked against the list.
#[derive(Clone, Copy, Debug)]
pub struct Subject<'a> {
    /// The exhibit's name, e.g. `function-code`.
    pub part: &'a str,
    /// The ARN of the function, with its version or alias where one is meant, or of the layer's
    /// version; none if nothing but a file is known, and then only components are checked.
    pub arn: Option<&'a str>,
    /// The digest of the package as AWS knows it: of the zip file.
    pub sha256: Option<Sha256Digest>,
}

impl Expected {
    /// Reads the owner's document.
    pub fn read(json: &[u8]) -> Result<Self, BadExpected> {
        if json.len() > MOST_BYTES {
            return Err(BadExpected::TooLarge);
        }
        let json: Value = serde_json::from_slice(json).map_err(|error| BadExpected::Json {
            line: error.line(),
            column: error.column(),
            why: error.to_string(),
        })?;
        let all = object(&json, "the document")?;
        if let Some(unknown) = all.keys().find(|key| !SECTIONS.contains(&key.as_str())) {
            return Err(field(
                &quoted(unknown),
                "no such field; functions, layers and components are known",
            ));
        }
        let mut expected = Self::default();
        for (name, value) in section(all, "functions")? {
            let at = format!("functions.{}", quoted(name));
            expected
                .functions
                .insert(name.clone(), expectation(value, &at)?);
        }
        for (arn, value) in section(all, "layers")? {
            let at = format!("layers.{}", quoted(arn));
            if layer_version(arn).is_none() {
                return Err(field(&at, LAYER_BELONGS));
            }
            expected
                .layers
                .insert(arn.clone(), expectation(value, &at)?);
        }
        for (name, value) in section(all, "components")? {
            let at = format!("components.{}", quoted(name));
            if !name.get(1..).is_some_and(|rest| rest.contains('@')) {
                return Err(field(&at, "a package URL or name@version belongs here"));
            }
            expected
                .components
                .insert(name.clone(), expectation(value, &at)?);
        }
        Ok(expected)
    }

    /// Expects a package of a function, named by name or ARN, or of a layer's version: this digest of it,
    /// and these files. Named again, either is good as well.
    pub fn expect(
        &mut self,
        name: &str,
        sha256: Option<Sha256Digest>,
        contents: Option<&Contents>,
    ) -> Result<(), BadExpected> {
        let at = || format!("layers.{}", quoted(name));
        let section = match layer_version(name) {
            Some(_) => &mut self.layers,
            None if name.contains(":layer:") => return Err(field(&at(), LAYER_BELONGS)),
            None => &mut self.functions,
        };
        let expectation = section.entry(name.to_owned()).or_default();
        expectation
            .own
            .extend(sha256.filter(|it| !expectation.own.contains(it)));
        for file in contents.into_iter().flat_map(own_files) {
            if let Some(digest) = file.sha256 {
                let digests = expectation.files.entry(file.path.clone()).or_default();
                digests.push(digest);
            }
        }
        Ok(())
    }

    /// Expects the components of a package, as they lie in it; those that have no digest are given back.
    pub fn expect_components<'a>(
        &mut self,
        contents: &Contents,
        components: &'a [Component],
    ) -> Vec<&'a Component> {
        let mut by_path: HashMap<&str, Vec<&File>> = HashMap::new();
        for file in &contents.files {
            by_path.entry(&file.path).or_default().push(file);
        }
        let mut left = Vec::new();
        for component in components {
            if component.presence == Presence::Declared {
                continue;
            }
            match own_digest(component, contents, &by_path) {
                (_, Some(digest)) if component.version.is_some() => {
                    let known = self.components.entry(component.purl.clone()).or_default();
                    if !known.own.contains(&digest) {
                        known.own.push(digest);
                    }
                }
                _ => left.push(component),
            }
        }
        left
    }

    /// The document that [`read`](Self::read) reads; digests as hexadecimal.
    pub fn to_json(&self) -> Value {
        let sections = [&self.functions, &self.layers, &self.components];
        let named = SECTIONS.into_iter().zip(sections);
        let document = named.filter(|(_, section)| !section.is_empty());
        let document = document.map(|(name, section)| {
            let entries = section.iter();
            let entries: Map<String, Value> = entries
                .map(|(name, expectation)| (name.clone(), expectation.to_json()))
                .collect();
            (name.to_owned(), Value::Object(entries))
        });
        Value::Object(document.collect())
    }

    /// Compares a package with the list: a deviation is *high*; what the list does not mention, once
    /// it mentions anything of its kind, is *info*.
    pub fn check(
        &self,
        subject: &Subject<'_>,
        contents: &Contents,
        components: &[Component],
    ) -> Vec<Finding> {
        let mut findings = self.check_subject(subject, contents);
        if self.components.is_empty() {
            return findings;
        }
        let mut by_path: HashMap<&str, Vec<&File>> = HashMap::new();
        for file in &contents.files {
            by_path.entry(&file.path).or_default().push(file);
        }
        let mut absent = Vec::new();
        for component in components {
            if component.presence == Presence::Declared {
                continue;
            }
            match self.of_component(component) {
                Some(expectation) => {
                    check_component(
                        subject.part,
                        component,
                        expectation,
                        contents,
                        &by_path,
                        &mut findings,
                    );
                }
                None => absent.push(component),
            }
        }
        if !absent.is_empty() {
            findings.push(unlisted(subject.part, &absent));
        }
        findings
    }

    fn check_subject(&self, subject: &Subject<'_>, contents: &Contents) -> Vec<Finding> {
        let Some(arn) = subject.arn else {
            return Vec::new();
        };
        let (kind, list, expected) = match layer_version(arn) {
            Some(_) => ("layer version", &self.layers, self.layers.get(arn)),
            None => ("function", &self.functions, self.of_function(arn)),
        };
        let name = format!("the {kind} {}", shown(arn, PATH_CHARS));
        let Some(expected) = expected else {
            let absent = Finding {
                rule: "expected-digest-absent".to_owned(),
                statement: format!("The owner's list of expected digests does not mention {name}"),
                severity: Severity::Info,
                confidence: Confidence::High,
                technique: None,
                advice: Some("Add its digest to the list once it is known to be good".to_owned()),
                proof: vec![proof::of_part(subject.part)],
            };
            return if list.is_empty() {
                Vec::new()
            } else {
                vec![absent]
            };
        };
        let mut findings = Vec::new();
        match subject.sha256 {
            Some(actual) if expected.own.contains(&actual) => return findings,
            Some(actual) if !expected.own.is_empty() => findings.push(deviation(
                format!("The package of {name} is not the one that its owner expects"),
                "Put the expected package back, and find out who deployed this one",
                vec![Proof {
                    excerpt: Some(compared(&expected.own, actual)),
                    ..proof::of_part(subject.part)
                }],
            )),
            // What is no package has no digest of one.
            None if expected.files.is_empty() => findings.push(Finding {
                rule: "expected-digest-absent".to_owned(),
                statement: format!(
                    "Of {name} the owner's list has the digest of the package and not of its files: \
                     there is nothing to hold a folder against"
                ),
                severity: Severity::Info,
                confidence: Confidence::High,
                technique: None,
                advice: Some("Examine the package itself".to_owned()),
                proof: vec![proof::of_part(subject.part)],
            }),
            _ => {}
        }
        if !expected.files.is_empty() {
            findings.extend(check_files(subject.part, &name, &expected.files, contents));
        }
        findings
    }

    /// The most exact entry: the ARN as given, then without its version, then the bare name.
    fn of_function(&self, arn: &str) -> Option<&Expectation> {
        let parts: Vec<&str> = arn.split(':').collect();
        let Some(name) = parts.get(6).copied() else {
            // A bare name, perhaps with a version behind it.
            return self
                .functions
                .get(arn)
                .or_else(|| self.functions.get(*parts.first()?));
        };
        let mut spellings = vec![arn.to_owned()];
        if let Some(qualifier) = parts.get(7) {
            spellings.push(format!("{name}:{qualifier}"));
            spellings.push(parts[..7].join(":"));
        }
        spellings.push(name.to_owned());
        spellings
            .iter()
            .find_map(|spelling| self.functions.get(spelling))
    }

    fn of_component(&self, component: &Component) -> Option<&Expectation> {
        let version = component.version.as_deref()?;
        let canonical = component.ecosystem.canonical(&component.name);
        // Maven's artifact is what people call a jar.
        let artifact = component.name.rsplit(':').next().unwrap_or_default();
        self.components
            .get(&component.purl)
            .or_else(|| {
                self.components
                    .get(&format!("{}@{version}", component.name))
            })
            .or_else(|| self.components.get(&format!("{canonical}@{version}")))
            .or_else(|| self.components.get(&format!("{artifact}@{version}")))
    }
}

/// Compares all files of a package; what lies in an archive among them is that archive's.
fn check_files(
    part: &str,
    name: &str,
    expected: &BTreeMap<String, Digests>,
    contents: &Contents,
) -> Vec<Finding> {
    let mut unseen: BTreeSet<&str> = expected.keys().map(String::as_str).collect();
    let (mut changed, mut added) = (Vec::new(), Vec::new());
    for file in own_files(contents) {
        unseen.remove(file.path.as_str());
        let proof = proof::of_file(part, &file.path);
        match expected.get(&file.path) {
            Some(good) if file.sha256.is_some_and(|actual| good.contains(&actual)) => {}
            Some(good) => changed.push(Proof {
                excerpt: file.sha256.map(|actual| compared(good, actual)),
                ..proof
            }),
            None if file.sha256.is_some() => added.push(proof),
            // A link, or what could not be read: the irregularities tell of it.
            None => {}
        }
    }
    let missing = unseen
        .into_iter()
        .map(|path| proof::of_file(part, path))
        .collect();
    let kinds = [
        (
            changed,
            "not as its owner expects",
            "Compare the files with the build that they come from, and find out who deployed these",
        ),
        (
            added,
            "not among those that its owner expects",
            "Find out which build put them there; read them as if an attacker had",
        ),
        (
            missing,
            "expected by its owner and not there",
            "Find out what removed them",
        ),
    ];
    kinds
        .into_iter()
        .filter(|(files, ..)| !files.is_empty())
        .map(|(mut files, what, advice)| {
            let named: Vec<&str> = files
                .iter()
                .take(MOST_NAMED)
                .filter_map(|proof| proof.path.as_deref())
                .collect();
            let more = match files.len().saturating_sub(MOST_NAMED) {
                0 => String::new(),
                n => format!(" and {n} more"),
            };
            let statement = format!("Files of {name}, {what}: {}{more}", named.join(", "));
            files.truncate(MOST_NAMED);
            deviation(statement, advice, files)
        })
        .collect()
}

/// What lies in a package itself, and not in an archive within it.
fn own_files(contents: &Contents) -> impl Iterator<Item = &File> {
    let files = contents.files.iter();
    files.filter(|file| !file.path.contains("!/"))
}

fn check_component(
    part: &str,
    component: &Component,
    expectation: &Expectation,
    contents: &Contents,
    by_path: &HashMap<&str, Vec<&File>>,
    findings: &mut Vec<Finding>,
) {
    let name = shown(&component.purl, NAME_CHARS);
    if !expectation.own.is_empty() {
        let (path, actual) = own_digest(component, contents, by_path);
        match actual {
            Some(actual) if expectation.own.contains(&actual) => {}
            Some(actual) => findings.push(deviation(
                format!("The component {name} is not the one that the owner expects"),
                "Compare it with the same version from its registry",
                vec![Proof {
                    excerpt: Some(compared(&expectation.own, actual)),
                    ..proof::of_file(part, &path)
                }],
            )),
            None => findings.push(deviation(
                format!("The component {name} has no {} to compare with the owner's digest", shown(&path, PATH_CHARS)),
                "Find out what removed the file; compare the component with the same version from its registry",
                vec![proof::of_file(part, &component.path)],
            )),
        }
    }
    let root = root_of(component);
    for (path, expected) in &expectation.files {
        let path = format!("{root}{path}");
        let found = by_path.get(path.as_str()).map_or(&[][..], Vec::as_slice);
        let wrong = found
            .iter()
            .find(|file| !file.sha256.is_some_and(|actual| expected.contains(&actual)));
        if found.is_empty() {
            findings.push(deviation(
                format!(
                    "A file of {name} that the owner expects is not there: {}",
                    shown(&path, PATH_CHARS)
                ),
                "Find out what removed the file",
                vec![proof::of_file(part, &component.path)],
            ));
        } else if let Some(file) = wrong {
            findings.push(deviation(
                format!(
                    "A file of {name} is not the one that the owner expects: {}",
                    shown(&path, PATH_CHARS)
                ),
                "Compare the file with the same version from its registry",
                vec![Proof {
                    excerpt: file.sha256.map(|actual| compared(expected, actual)),
                    ..proof::of_file(part, &path)
                }],
            ));
        }
    }
}

/// What stands for a component as a whole: the path of it, and its digest.
fn own_digest(
    component: &Component,
    contents: &Contents,
    by_path: &HashMap<&str, Vec<&File>>,
) -> (String, Option<Sha256Digest>) {
    let folder = component
        .path
        .rsplit_once('/')
        .map_or("", |(folder, _)| folder);
    let path = match component.ecosystem {
        Ecosystem::PyPi if folder.ends_with(".dist-info") => format!("{folder}/RECORD"),
        Ecosystem::Maven if !jar_of(&component.path).is_empty() => {
            jar_of(&component.path).to_owned()
        }
        Ecosystem::PyPi | Ecosystem::Maven | Ecosystem::Go | Ecosystem::CratesIo => {
            component.path.clone()
        }
        Ecosystem::Npm | Ecosystem::NuGet | Ecosystem::RubyGems => {
            return (folder.to_owned(), Some(folder_digest(folder, contents)));
        }
    };
    let digest = match by_path.get(path.as_str()).map(Vec::as_slice) {
        Some([file]) => file.sha256,
        // Two files of one name: none of them can be called the component's.
        _ => None,
    };
    (path, digest)
}

/// The digest of the lines `DIGEST  PATH` of every file below `folder`, as `sha256sum` prints them.
fn folder_digest(folder: &str, contents: &Contents) -> Sha256Digest {
    let prefix = if folder.is_empty() {
        String::new()
    } else {
        format!("{folder}/")
    };
    let mut lines: Vec<(&str, String)> = contents
        .files
        .iter()
        .filter_map(|file| {
            let inner = file.path.strip_prefix(&prefix)?;
            let belongs_elsewhere = inner.starts_with("node_modules/") || inner.contains("!/");
            let digest = file.sha256.filter(|_| !belongs_elsewhere)?;
            Some((inner, format!("{digest}  {inner}\n")))
        })
        .collect();
    lines.sort();
    Sha256Digest::of(lines.into_iter().map(|(_, line)| line).collect::<String>())
}

/// What paths of a component's files are relative to: where Python installs, the jar, the folder.
fn root_of(component: &Component) -> String {
    let folder = component
        .path
        .rsplit_once('/')
        .map_or("", |(folder, _)| folder);
    match component.ecosystem {
        Ecosystem::PyPi => match folder.rsplit_once('/') {
            Some((site, _)) => format!("{site}/"),
            None => String::new(),
        },
        Ecosystem::Maven => match jar_of(&component.path) {
            "" => String::new(),
            jar => format!("{jar}!/"),
        },
        _ if folder.is_empty() => String::new(),
        _ => format!("{folder}/"),
    }
}

fn unlisted(part: &str, absent: &[&Component]) -> Finding {
    let named: Vec<String> = absent
        .iter()
        .take(MOST_NAMED)
        .map(|component| shown(&component.purl, NAME_CHARS))
        .collect();
    let more = match absent.len().saturating_sub(MOST_NAMED) {
        0 => String::new(),
        n => format!(" and {n} more"),
    };
    Finding {
        rule: "expected-digest-absent".to_owned(),
        statement: format!(
            "The owner's list of expected digests does not mention {}: {}{more}",
            match absent.len() {
                1 => "a component".to_owned(),
                n => format!("{n} components"),
            },
            named.join(", ")
        ),
        severity: Severity::Info,
        confidence: Confidence::High,
        technique: None,
        advice: Some("Add their digests to the list once they are known to be good".to_owned()),
        proof: absent
            .iter()
            .take(MOST_NAMED)
            .map(|component| proof::of_file(part, &component.path))
            .collect(),
    }
}

fn deviation(statement: String, advice: &str, proof: Vec<Proof>) -> Finding {
    Finding {
        rule: "expected-digest-deviation".to_owned(),
        statement,
        severity: Severity::High,
        confidence: Confidence::High,
        technique: Some("T1554".to_owned()),
        advice: Some(advice.to_owned()),
        proof,
    }
}

fn compared(expected: &[Sha256Digest], actual: Sha256Digest) -> String {
    let expected = match expected {
        [one] => one.to_string(),
        several => format!("one of {}", several.len()),
    };
    shown(
        &format!("expected {expected}, found {actual}"),
        EXCERPT_CHARS,
    )
}

/// The number at the end of `arn:aws:lambda:REGION:ACCOUNT:layer:NAME:NUMBER`.
fn layer_version(arn: &str) -> Option<u64> {
    let parts: Vec<&str> = arn.split(':').collect();
    match parts[..] {
        ["arn", _, "lambda", _, _, "layer", _, number] => number.parse().ok(),
        _ => None,
    }
}

fn expectation(value: &Value, at: &str) -> Result<Expectation, BadExpected> {
    let Value::Object(fields) = value else {
        return Ok(Expectation {
            own: digests(value, at)?,
            files: BTreeMap::new(),
        });
    };
    let mut expectation = Expectation::default();
    for (name, value) in fields {
        match name.as_str() {
            "sha256" => expectation.own = digests(value, &format!("{at}.sha256"))?,
            "files" => {
                for (path, value) in object(value, &format!("{at}.files"))? {
                    let at = format!("{at}.files.{}", quoted(path));
                    expectation.files.insert(path.clone(), digests(value, &at)?);
                }
            }
            _ => {
                return Err(field(
                    &format!("{at}.{}", quoted(name)),
                    "no such field; sha256 and files are known",
                ));
            }
        }
    }
    Ok(expectation)
}

fn digests(value: &Value, at: &str) -> Result<Digests, BadExpected> {
    match value {
        Value::Array(several) if several.is_empty() => {
            Err(field(at, "at least one digest belongs here"))
        }
        Value::Array(several) => several
            .iter()
            .enumerate()
            .map(|(n, one)| digest(one, &format!("{at}[{n}]")))
            .collect(),
        one => Ok(vec![digest(one, at)?]),
    }
}

fn digest(value: &Value, at: &str) -> Result<Sha256Digest, BadExpected> {
    let why = "a SHA-256 digest belongs here, as 64 hexadecimal digits or as base64 of 32 bytes";
    let text = value.as_str().ok_or_else(|| field(at, why))?.trim();
    let text = text.strip_prefix("sha256:").unwrap_or(text);
    text.to_lowercase()
        .parse()
        .or_else(|_| Sha256Digest::from_base64(text))
        .map_err(|_| field(at, why))
}

fn section<'a>(
    all: &'a Map<String, Value>,
    name: &str,
) -> Result<impl Iterator<Item = (&'a String, &'a Value)>, BadExpected> {
    let map = match all.get(name) {
        Some(value) => Some(object(value, name)?),
        None => None,
    };
    Ok(map.into_iter().flatten())
}

fn object<'a>(value: &'a Value, at: &str) -> Result<&'a Map<String, Value>, BadExpected> {
    value
        .as_object()
        .ok_or_else(|| field(at, "an object { … } belongs here"))
}

fn field(at: &str, why: &'static str) -> BadExpected {
    BadExpected::Field {
        field: at.to_owned(),
        why,
    }
}

fn quoted(name: &str) -> String {
    format!("\"{}\"", shown(name, NAME_CHARS))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::components::fixtures::Package;

    const FUNCTION: &str = "arn:aws:lambda:eu-west-1:111122223333:function:orders-api:7";
    const LAYER: &str = "arn:aws:lambda:eu-west-1:111122223333:layer:deps:3";

    fn expected(json: &Value) -> Expected {
        Expected::read(json.to_string().as_bytes()).unwrap()
    }

    fn subject(arn: &str, zip: &str) -> Vec<(String, Severity)> {
        let good = Sha256Digest::of("good");
        let list = expected(&json!({
            "functions": { "orders-api": [good.to_base64(), Sha256Digest::of("older").to_string()] },
            "layers": { LAYER: good.to_string().to_uppercase() },
        }));
        let subject = Subject {
            part: "function-code",
            arn: Some(arn),
            sha256: Some(Sha256Digest::of(zip)),
        };
        list.check(&subject, &Contents::default(), &[])
            .into_iter()
            .map(|it| (it.rule, it.severity))
            .collect()
    }

    #[test]
    fn functions_and_layers_are_held_against_the_list() {
        for arn in [FUNCTION, &FUNCTION[..FUNCTION.len() - 2], LAYER] {
            assert_eq!(subject(arn, "good"), [], "{arn}");
            assert_eq!(
                subject(arn, "evil"),
                [("expected-digest-deviation".to_owned(), Severity::High)],
                "{arn}"
            );
        }
        assert_eq!(subject(FUNCTION, "older"), []);
        for arn in [
            &FUNCTION.replace("orders", "other"),
            &LAYER.replace(":3", ":4"),
        ] {
            assert_eq!(
                subject(arn, "evil"),
                [("expected-digest-absent".to_owned(), Severity::Info)]
            );
        }
    }

    #[test]
    fn the_most_exact_entry_for_a_function_decides() {
        let list = expected(&json!({ "functions": {
            "orders-api": Sha256Digest::of("any").to_string(),
            FUNCTION: Sha256Digest::of("seven").to_string(),
        }}));
        let check = |zip: &str| {
            let subject = Subject {
                part: "function-code",
                arn: Some(FUNCTION),
                sha256: Some(Sha256Digest::of(zip)),
            };
            list.check(&subject, &Contents::default(), &[]).len()
        };
        assert_eq!((check("seven"), check("any")), (0, 1));
    }

    fn package() -> Package {
        Package::default()
            .with(
                "python/requests-2.32.3.dist-info/METADATA",
                "Name: requests\nVersion: 2.32.3\n",
            )
            .with("python/requests-2.32.3.dist-info/RECORD", "record")
            .with("python/requests/api.py", "api")
            .with("lib/gson.jar", b"PK\x03\x04gson")
            .with(
                "lib/gson.jar!/META-INF/maven/g/gson/pom.properties",
                "groupId=g\nartifactId=gson\nversion=2.11.0\n",
            )
            .with("lib/gson.jar!/a/B.class", "class")
            .with(
                "node_modules/ms/package.json",
                r#"{"name":"ms","version":"2.1.3"}"#,
            )
            .with("node_modules/ms/index.js", "ms")
            .with("node_modules/ms/node_modules/x/index.js", "not of ms")
    }

    fn components(list: &Value) -> Vec<(String, Severity)> {
        let package = package();
        let subject = Subject {
            part: "function-code",
            arn: None,
            sha256: None,
        };
        expected(&json!({ "components": list }))
            .check(&subject, &package.contents(), &package.components())
            .into_iter()
            .map(|it| (it.statement, it.severity))
            .collect()
    }

    fn of(text: impl AsRef<[u8]>) -> String {
        Sha256Digest::of(text).to_string()
    }

    #[test]
    fn components_as_expected_give_no_finding() {
        let folder = of(format!(
            "{}  index.js\n{}  package.json\n",
            of("ms"),
            of(r#"{"name":"ms","version":"2.1.3"}"#)
        ));
        assert_eq!(
            components(&json!({
                "pkg:pypi/requests@2.32.3": { "sha256": of("record"), "files": { "requests/api.py": of("api") } },
                "g:gson@2.11.0": { "sha256": of(b"PK\x03\x04gson"), "files": { "a/B.class": of("class") } },
                "ms@2.1.3": folder,
            })),
            []
        );
    }

    #[test]
    fn components_that_deviate_are_an_alarm_and_unlisted_ones_are_said() {
        let found = components(&json!({
            "requests@2.32.3": { "sha256": of("x"), "files": { "requests/api.py": of("x"), "requests/gone.py": of("x") } },
            "gson@2.11.0": of("x"),
        }));
        assert_eq!(
            found,
            [
                ("The component pkg:pypi/requests@2.32.3 is not the one that the owner expects".to_owned(), Severity::High),
                ("A file of pkg:pypi/requests@2.32.3 is not the one that the owner expects: python/requests/api.py".to_owned(), Severity::High),
                ("A file of pkg:pypi/requests@2.32.3 that the owner expects is not there: python/requests/gone.py".to_owned(), Severity::High),
                ("The component pkg:maven/g/gson@2.11.0 is not the one that the owner expects".to_owned(), Severity::High),
                ("The owner's list of expected digests does not mention a component: pkg:npm/ms@2.1.3".to_owned(), Severity::Info),
            ]
        );
    }

    #[test]
    fn what_is_written_down_is_read_back_and_accepts_what_it_was_written_from() {
        let package = package();
        let (contents, components) = (package.contents(), package.components());
        let mut written = Expected::default();
        let zip = Sha256Digest::of("zip");
        written.expect("orders", None, Some(&contents)).unwrap();
        written.expect(LAYER, Some(zip), None).unwrap();
        let left = written.expect_components(&contents, &components);
        assert!(left.is_empty(), "{left:?}");
        assert!(written.expect("arn:x:layer:y", None, None).is_err());
        let json = written.to_json();
        assert_eq!(expected(&json), written, "{json}");
        let said = |contents: &Contents| -> Vec<String> {
            let subject = Subject {
                part: "function-code",
                arn: Some("orders"),
                sha256: Some(Sha256Digest::of("another zip of the same")),
            };
            let findings = written.check(&subject, contents, &components);
            assert!(findings.iter().all(|it| it.severity == Severity::High));
            findings.into_iter().map(|it| it.statement).collect()
        };
        assert_eq!(said(&contents), [""; 0]);
        for at in 0..contents.files.len() {
            if contents.files[at].path.contains("!/") {
                continue;
            }
            let mut other = contents.clone();
            other.files[at].sha256 = Some(Sha256Digest::of("one byte"));
            let path = &contents.files[at].path;
            let found = said(&other);
            assert!(
                found.iter().any(|it| it.contains(path)),
                "{path}: {found:?}"
            );
            let mut fewer = contents.clone();
            fewer.files.remove(at);
            assert!(said(&fewer).iter().any(|it| it.contains("not there")));
            let mut more = contents.clone();
            more.files[at].path.push('x');
            assert!(said(&more).iter().any(|it| it.contains("not among those")));
        }
    }

    #[test]
    fn mistakes_in_the_list_are_named() {
        let cases = [
            ("{\n \"functions\": {,}\n}", "line 2, column 16"),
            ("[]", "the document: an object"),
            (r#"{"function": {}}"#, "\"function\": no such field"),
            (r#"{"functions": []}"#, "functions: an object"),
            (
                r#"{"functions": {"a": "abc"}}"#,
                "functions.\"a\": a SHA-256 digest",
            ),
            (
                r#"{"functions": {"a": []}}"#,
                "functions.\"a\": at least one",
            ),
            (
                r#"{"layers": {"arn:aws:lambda:eu-west-1:111122223333:layer:a": "x"}}"#,
                "a layer's version",
            ),
            (
                r#"{"components": {"requests": "x"}}"#,
                "components.\"requests\": a package URL or name@version",
            ),
            (
                r#"{"components": {"@a/b": "x"}}"#,
                "components.\"@a/b\": a package URL or name@version",
            ),
            (
                r#"{"components": {"a@1": {"file": {}}}}"#,
                "components.\"a@1\".\"file\": no such field",
            ),
            (
                r#"{"components": {"a@1": {"files": {"b/c": 1}}}}"#,
                "components.\"a@1\".files.\"b/c\": a SHA-256 digest",
            ),
        ];
        for (json, says) in cases {
            let error = Expected::read(json.as_bytes()).unwrap_err().to_string();
            assert!(error.contains(says), "{json}: {error}");
        }
    }
}
