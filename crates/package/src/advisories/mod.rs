//! Components that are known to be malicious or vulnerable, by advisories in OSV's format, offline.
//! <https://ossf.github.io/osv-schema/>

mod cvss;
mod version;

use crate::components::{Component, Ecosystem, Presence};
use crate::proof::{self, EXCERPT_CHARS, NAME_CHARS};
use crate::source::{Source, Unreadable};
use crate::{Content, File, Limits, Observer};
use evidence::{Confidence, Finding, Proof, Severity, shown};
use serde::Deserialize;
use std::cmp::Ordering;
use std::collections::{BTreeMap, BTreeSet, HashMap};

/// The largest file of advisories.
const MOST_BYTES: usize = 256 << 20;
/// How many broken advisories are named.
const MOST_SKIPPED: usize = 100;
/// The most findings of one source.
const MOST_FINDINGS: usize = 1_000;

/// Advisories, by what they speak of.
#[derive(Debug, Default)]
pub struct Advisories {
    all: Vec<Advisory>,
    by_component: HashMap<(Ecosystem, String), Vec<Affected>>,
    skipped: Vec<BadAdvisory>,
    skipped_beyond: usize,
}

/// Why an advisory, or a whole file of them, cannot be used.
#[derive(Clone, Debug, thiserror::Error, PartialEq, Eq)]
#[error("advisories of {name}: {why}")]
pub struct BadAdvisory {
    /// The file.
    pub name: String,
    /// What is wrong with it.
    pub why: String,
}

#[derive(Debug)]
struct Advisory {
    id: String,
    aliases: Vec<String>,
    summary: String,
    severity: Severity,
    is_malicious: bool,
}

/// One component of one advisory.
#[derive(Debug)]
struct Affected {
    advisory: usize,
    versions: BTreeSet<String>,
    ranges: Vec<Vec<Event>>,
}

#[derive(Debug)]
enum Event {
    Introduced(String),
    Fixed(String),
    LastAffected(String),
}

/// Whether an advisory speaks of a version.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Hit {
    Yes,
    No,
    /// The version, or one of the advisory, cannot be compared.
    Unknown,
}

impl Advisories {
    /// None yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// Reads one file: an advisory, an array of them, or a zip or tar of such files. `name` is what
    /// errors call it. What is broken within an array or an archive is [skipped](Self::skipped).
    pub fn read(name: &str, bytes: &[u8]) -> Result<Self, BadAdvisory> {
        let mut advisories = Self::new();
        advisories.add(name, bytes)?;
        Ok(advisories)
    }

    /// As [`Self::read`], in addition to what is here already.
    pub fn add(&mut self, name: &str, bytes: &[u8]) -> Result<(), BadAdvisory> {
        let bad = |why: String| BadAdvisory {
            name: shown(name, NAME_CHARS),
            why,
        };
        if !is_json(bytes) {
            let mut source = Source::from_bytes(name, bytes.to_vec())
                .map_err(|_| bad("neither JSON nor an archive of JSON files".to_owned()))?;
            return self
                .add_source(&mut source)
                .map_err(|error| bad(error.to_string()));
        }
        if bytes.len() > MOST_BYTES {
            return Err(bad(format!("larger than {MOST_BYTES} bytes")));
        }
        let bytes = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes);
        let is_many = bytes.iter().find(|byte| !byte.is_ascii_whitespace()) == Some(&b'[');
        if !is_many {
            let record = serde_json::from_slice(bytes).map_err(|error| bad(error.to_string()))?;
            self.take(record);
            return Ok(());
        }
        let records: Vec<serde_json::Value> =
            serde_json::from_slice(bytes).map_err(|error| bad(error.to_string()))?;
        for (at, record) in records.into_iter().enumerate() {
            match serde_json::from_value(record) {
                Ok(record) => self.take(record),
                Err(error) => self.skip(bad(format!("number {}: {error}", at + 1))),
            }
        }
        Ok(())
    }

    /// Adds every `*.json` of a folder or an archive.
    pub fn add_source(&mut self, source: &mut Source) -> Result<(), Unreadable> {
        // The registries' own collections have more entries than any package.
        let limits = Limits {
            entries: 2_000_000,
            depth: 1,
            ..Limits::default()
        };
        let contents = source.read(&limits, &mut [self])?;
        if !contents.is_complete {
            self.skip(BadAdvisory {
                name: "the collection".to_owned(),
                why: "not everything in it could be read".to_owned(),
            });
        }
        Ok(())
    }

    /// How many advisories speak of components of the known ecosystems.
    pub fn len(&self) -> usize {
        self.all.len()
    }

    /// Whether none does.
    pub fn is_empty(&self) -> bool {
        self.all.is_empty()
    }

    /// What was broken, at most a hundred of it.
    pub fn skipped(&self) -> &[BadAdvisory] {
        &self.skipped
    }

    /// Advisories about `components`: *critical* for malicious ones; for others as bad as they say.
    /// `part` is the exhibit's name.
    pub fn matching(&self, part: &str, components: &[Component]) -> Vec<Finding> {
        let mut findings = Vec::new();
        let mut unknown: BTreeMap<&str, &Component> = BTreeMap::new();
        let mut listed = [0; 2];
        let mut is_cut = false;
        for component in components {
            let name = component.ecosystem.canonical(&component.name);
            let Some(about) = self.by_component.get(&(component.ecosystem, name)) else {
                continue;
            };
            let mut hits = Vec::new();
            for affected in about {
                match affected.covers(component) {
                    Hit::Yes => hits.push(&self.all[affected.advisory]),
                    Hit::Unknown => {
                        unknown.insert(&self.all[affected.advisory].id, component);
                    }
                    Hit::No => {}
                }
            }
            for group in together(hits) {
                // What is malicious has room of its own: nothing else may hide it.
                let room = usize::from(group[0].is_malicious);
                if listed[room] < MOST_FINDINGS {
                    listed[room] += 1;
                    findings.push(finding(part, component, &group));
                } else {
                    is_cut = true;
                }
            }
        }
        if let Some((id, component)) = unknown.first_key_value() {
            findings.push(Finding {
                rule: "advisory-not-comparable".to_owned(),
                statement: format!(
                    "Whether {} advisories apply could not be told from versions, e.g. {} to {}",
                    unknown.len(),
                    shown(id, NAME_CHARS),
                    shown(&component.purl, NAME_CHARS)
                ),
                severity: Severity::Info,
                confidence: Confidence::Low,
                technique: None,
                advice: Some("Look these components up by hand".to_owned()),
                proof: unknown
                    .iter()
                    .take(25)
                    .map(|(id, component)| Proof {
                        excerpt: Some(shown(id, EXCERPT_CHARS)),
                        ..proof::of_file(part, &component.path)
                    })
                    .collect(),
            });
        }
        let skipped = self.skipped.len() + self.skipped_beyond;
        if skipped > 0 || is_cut {
            let first = self
                .skipped
                .first()
                .map(|bad| format!(", e.g. {bad}"))
                .unwrap_or_default();
            let cut = if is_cut {
                format!("; only the first {MOST_FINDINGS} findings are listed")
            } else {
                String::new()
            };
            findings.push(Finding {
                rule: "advisories-unread".to_owned(),
                statement: format!(
                    "{skipped} of the advisories given could not be used{}{cut}",
                    shown(&first, 300)
                ),
                severity: Severity::Info,
                confidence: Confidence::High,
                technique: None,
                advice: Some("Repair or replace the files of advisories".to_owned()),
                proof: vec![proof::of_part(part)],
            });
        }
        findings
    }

    fn take(&mut self, record: Record) {
        if record.withdrawn.is_some() {
            return;
        }
        let severity = record.severity();
        let is_malicious = record.is_malicious();
        let at = self.all.len();
        let mut speaks_of_known = false;
        for affected in record.affected {
            let Some(about) = affected.package else {
                continue;
            };
            // Distributions of registries have suffixes: `Maven:https://…`.
            let ecosystem = about.ecosystem.split(':').next().unwrap_or_default();
            let Some(ecosystem) = Ecosystem::named(ecosystem) else {
                continue;
            };
            speaks_of_known = true;
            self.by_component
                .entry((ecosystem, ecosystem.canonical(&about.name)))
                .or_default()
                .push(Affected {
                    advisory: at,
                    versions: affected.versions.into_iter().collect(),
                    ranges: affected
                        .ranges
                        .into_iter()
                        .filter(|range| range.kind != "GIT")
                        .map(|range| {
                            range
                                .events
                                .into_iter()
                                .filter_map(RawEvent::known)
                                .collect()
                        })
                        .collect(),
                });
        }
        if speaks_of_known {
            self.all.push(Advisory {
                id: record.id,
                aliases: record.aliases,
                summary: record.summary.chars().take(200).collect(),
                severity,
                is_malicious,
            });
        }
    }

    fn skip(&mut self, bad: BadAdvisory) {
        if self.skipped.len() < MOST_SKIPPED {
            self.skipped.push(bad);
        } else {
            self.skipped_beyond += 1;
        }
    }
}

impl Observer for Advisories {
    fn file(&mut self, file: &File, content: Content<'_>) {
        if !file.path.ends_with(".json") {
            return;
        }
        let result = if content.is_whole && is_json(content.bytes) {
            self.add(&file.path, content.bytes)
        } else {
            Err(BadAdvisory {
                name: shown(&file.path, NAME_CHARS),
                why: "too large, cut off or no JSON".to_owned(),
            })
        };
        if let Err(bad) = result {
            self.skip(bad);
        }
    }
}

/// Whether bytes can be JSON: an archive that calls itself `.json` is not opened again.
fn is_json(bytes: &[u8]) -> bool {
    bytes
        .iter()
        .find(|byte| !byte.is_ascii_whitespace())
        .is_some_and(|byte| matches!(byte, b'{' | b'[' | 0xef))
}

impl Affected {
    fn covers(&self, component: &Component) -> Hit {
        let is_everything = self
            .ranges
            .iter()
            .any(|events| matches!(&events[..], [Event::Introduced(from)] if from == "0"))
            || (self.ranges.is_empty() && self.versions.is_empty());
        if is_everything {
            return Hit::Yes;
        }
        let Some(version) = component.version.as_deref() else {
            return Hit::Unknown;
        };
        // Go's versions stand without their `v` in advisories.
        let bare = version.trim_start_matches('v');
        if self.versions.contains(version) || self.versions.contains(bare) {
            return Hit::Yes;
        }
        let mut hit = Hit::No;
        let equals = |other: &String| {
            version::compare(component.ecosystem, version, other) == Some(Ordering::Equal)
        };
        if component.ecosystem == Ecosystem::PyPi && self.versions.iter().any(equals) {
            return Hit::Yes;
        }
        for events in &self.ranges {
            match within(component.ecosystem, version, events) {
                Hit::Yes => return Hit::Yes,
                Hit::Unknown => hit = Hit::Unknown,
                Hit::No => {}
            }
        }
        hit
    }
}

/// OSV's evaluation: the events in order of their versions; the last that the version has reached
/// decides.
fn within(ecosystem: Ecosystem, version: &str, events: &[Event]) -> Hit {
    let mut reached: Option<(&Event, &str)> = None;
    for event in events {
        let (Event::Introduced(at) | Event::Fixed(at) | Event::LastAffected(at)) = event;
        let order = match (event, at.as_str()) {
            (Event::Introduced(_), "0") => Some(Ordering::Greater),
            _ => version::compare(ecosystem, version, at),
        };
        let Some(order) = order else {
            return Hit::Unknown;
        };
        let is_reached = match event {
            Event::Introduced(_) | Event::Fixed(_) => order != Ordering::Less,
            Event::LastAffected(_) => order == Ordering::Greater,
        };
        let is_later = reached.is_none_or(|(_, before)| {
            before == "0" || version::compare(ecosystem, at, before) != Some(Ordering::Less)
        });
        if is_reached && is_later {
            reached = Some((event, at));
        }
    }
    match reached {
        Some((Event::Introduced(_), _)) => Hit::Yes,
        _ => Hit::No,
    }
}

/// Advisories of several databases about the same thing, as one; the worst first.
fn together(mut hits: Vec<&Advisory>) -> Vec<Vec<&Advisory>> {
    hits.sort_by(|a, b| {
        (b.is_malicious, b.severity)
            .cmp(&(a.is_malicious, a.severity))
            .then_with(|| a.id.cmp(&b.id))
    });
    hits.dedup_by(|a, b| a.id == b.id);
    let mut groups: Vec<Vec<&Advisory>> = Vec::new();
    for hit in hits {
        let same = groups
            .iter_mut()
            .find(|group| group.iter().any(|other| other.is_about_the_same_as(hit)));
        match same {
            Some(group) => group.push(hit),
            None => groups.push(vec![hit]),
        }
    }
    groups
}

impl Advisory {
    fn is_about_the_same_as(&self, other: &Self) -> bool {
        self.aliases.contains(&other.id)
            || other.aliases.contains(&self.id)
            || self
                .aliases
                .iter()
                .any(|alias| other.aliases.contains(alias))
    }
}

fn finding(part: &str, component: &Component, group: &[&Advisory]) -> Finding {
    let worst = group[0];
    let ids: Vec<String> = group
        .iter()
        .take(5)
        .map(|it| shown(&it.id, NAME_CHARS))
        .collect();
    let ids = ids.join(", ");
    let name = format!(
        "{} {}",
        shown(&component.name, NAME_CHARS),
        component
            .version
            .as_deref()
            .map_or("of unknown version".to_owned(), |it| shown(it, NAME_CHARS))
    );
    let where_known = match component.presence {
        Presence::Installed => "",
        Presence::Declared => " (named by a lock file)",
    };
    let summary = if worst.summary.is_empty() {
        String::new()
    } else {
        format!(": {}", shown(&worst.summary, 200))
    };
    let (rule, what, technique, advice) = if worst.is_malicious {
        (
            "known-malicious-component",
            "known to be malicious",
            Some("T1195.001".to_owned()),
            "Stop the function, revoke every credential that its environment and role hold, then redeploy without the component",
        )
    } else {
        (
            "known-vulnerable-component",
            "known to be vulnerable",
            None,
            "Update the component to a version that the advisory calls fixed",
        )
    };
    Finding {
        rule: rule.to_owned(),
        statement: format!(
            "The {} component {name}{where_known} is {what}, {ids}{summary}",
            component.ecosystem.name()
        ),
        severity: worst.severity,
        confidence: match component.presence {
            Presence::Installed => Confidence::High,
            Presence::Declared => Confidence::Medium,
        },
        technique,
        advice: Some(advice.to_owned()),
        proof: vec![Proof {
            excerpt: Some(shown(&format!("{} {ids}", component.purl), EXCERPT_CHARS)),
            ..proof::of_file(part, &component.path)
        }],
    }
}

#[derive(Deserialize)]
struct Record {
    id: String,
    #[serde(default)]
    aliases: Vec<String>,
    #[serde(default)]
    summary: String,
    #[serde(default)]
    withdrawn: Option<String>,
    #[serde(default)]
    severity: Vec<RawSeverity>,
    #[serde(default)]
    affected: Vec<RawAffected>,
    #[serde(default)]
    database_specific: serde_json::Value,
}

#[derive(Deserialize)]
struct RawSeverity {
    #[serde(default)]
    score: String,
}

#[derive(Deserialize)]
struct RawAffected {
    package: Option<RawPackage>,
    #[serde(default)]
    severity: Vec<RawSeverity>,
    #[serde(default)]
    ranges: Vec<RawRange>,
    #[serde(default)]
    versions: Vec<String>,
}

#[derive(Deserialize)]
struct RawPackage {
    ecosystem: String,
    name: String,
}

#[derive(Deserialize)]
struct RawRange {
    #[serde(rename = "type", default)]
    kind: String,
    #[serde(default)]
    events: Vec<RawEvent>,
}

#[derive(Deserialize)]
struct RawEvent {
    introduced: Option<String>,
    fixed: Option<String>,
    last_affected: Option<String>,
}

impl RawEvent {
    /// `limit` matters to ranges of commits alone.
    fn known(self) -> Option<Event> {
        self.introduced
            .map(Event::Introduced)
            .or_else(|| self.fixed.map(Event::Fixed))
            .or_else(|| self.last_affected.map(Event::LastAffected))
    }
}

impl Record {
    fn is_malicious(&self) -> bool {
        let is_of_the_malicious = |id: &String| id.starts_with("MAL-");
        is_of_the_malicious(&self.id) || self.aliases.iter().any(is_of_the_malicious)
    }

    /// By the word of the database, else by CVSS 3, else medium.
    fn severity(&self) -> Severity {
        if self.is_malicious() {
            return Severity::Critical;
        }
        match self.database_specific["severity"].as_str() {
            Some("CRITICAL" | "HIGH") => return Severity::High,
            Some("MODERATE" | "MEDIUM") => return Severity::Medium,
            Some("LOW") => return Severity::Low,
            _ => {}
        }
        let scores = self
            .severity
            .iter()
            .chain(self.affected.iter().flat_map(|it| &it.severity));
        match scores
            .filter_map(|it| cvss::base_score(&it.score))
            .reduce(f64::max)
        {
            Some(score) if score >= 7.0 => Severity::High,
            Some(score) if score < 4.0 => Severity::Low,
            _ => Severity::Medium,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::components::fixtures::Package;
    use serde_json::{Value, json};

    fn advisory(id: &str, ecosystem: &str, name: &str, affected: &Value) -> Value {
        let mut affected = affected.clone();
        affected["package"] = json!({ "ecosystem": ecosystem, "name": name });
        json!({ "id": id, "summary": "Bad things", "affected": [affected] })
    }

    fn range(kind: &str, events: &Value) -> Value {
        json!({ "ranges": [{ "type": kind, "events": events }] })
    }

    fn matching(advisories: &Value, package: &Package) -> Vec<(String, Severity)> {
        Advisories::read("all.json", advisories.to_string().as_bytes())
            .unwrap()
            .matching("function-code", &package.components())
            .into_iter()
            .map(|it| (it.rule, it.severity))
            .collect()
    }

    fn python(name: &str, version: &str) -> Package {
        Package::default().with(
            &format!("{name}-{version}.dist-info/METADATA"),
            format!("Name: {name}\nVersion: {version}\n"),
        )
    }

    fn node(name: &str, version: &str) -> Package {
        Package::default().with(
            &format!("node_modules/{name}/package.json"),
            format!("{{\"name\":\"{name}\",\"version\":\"{version}\"}}"),
        )
    }

    #[test]
    fn a_malicious_component_wakes_somebody_and_another_version_does_not() {
        let listed = advisory(
            "MAL-2025-1",
            "npm",
            "ua-parser-js",
            &json!({ "versions": ["0.7.29"] }),
        );
        let hit = [("known-malicious-component".to_owned(), Severity::Critical)];
        assert_eq!(matching(&listed, &node("ua-parser-js", "0.7.29")), hit);
        assert_eq!(matching(&listed, &node("ua-parser-js", "0.7.30")), []);
        assert_eq!(matching(&listed, &python("ua-parser-js", "0.7.29")), []);
        let always = advisory(
            "MAL-2025-2",
            "PyPI",
            "Evil_Pkg",
            &range("ECOSYSTEM", &json!([{ "introduced": "0" }])),
        );
        assert_eq!(matching(&always, &python("evil.pkg", "3")), hit);
        assert_eq!(matching(&always, &python("good", "3")), []);
    }

    #[test]
    fn ranges_are_evaluated_as_osv_says() {
        let fixed = json!([{ "introduced": "1.0" }, { "fixed": "1.5" }, { "introduced": "2.0" }, { "last_affected": "2.3" }]);
        let shuffled = json!([{ "last_affected": "2.3" }, { "fixed": "1.5" }, { "introduced": "2.0" }, { "introduced": "1.0" }]);
        for events in [fixed, shuffled] {
            let list = advisory("PYSEC-1", "PyPI", "a", &range("ECOSYSTEM", &events));
            for (version, is_hit) in [
                ("0.9", false),
                ("1.0", true),
                ("1.4.9", true),
                ("1.5", false),
                ("1.9", false),
                ("2.0", true),
                ("2.3", true),
                ("2.3.1", false),
            ] {
                assert_eq!(
                    matching(&list, &python("a", version)).len(),
                    usize::from(is_hit),
                    "{version}"
                );
            }
        }
    }

    #[test]
    fn every_ecosystem_is_matched() {
        let package = node("ms", "1.9.0")
            .with(
                "lib/a.jar!/META-INF/maven/g/a/pom.properties",
                "groupId=org.g\nartifactId=a\nversion=1.9\n",
            )
            .with(
                "x.deps.json",
                r#"{"libraries":{"Newtonsoft.Json/1.9.0":{"type":"package"}}}"#,
            )
            .with("Gemfile.lock", "GEM\n  specs:\n    rack (1.9)\n");
        let package = package.with("b-1.9.dist-info/METADATA", "Name: b\nVersion: 1.9\n");
        let events = json!([{ "introduced": "0" }, { "fixed": "1.10" }]);
        let semver = json!([{ "introduced": "0" }, { "fixed": "1.10.0" }]);
        let list = json!([
            advisory("A-1", "npm", "ms", &range("SEMVER", &semver)),
            advisory("A-2", "Maven", "org.g:a", &range("ECOSYSTEM", &events)),
            advisory(
                "A-3",
                "NuGet",
                "newtonsoft.json",
                &range("ECOSYSTEM", &events)
            ),
            advisory("A-4", "RubyGems", "rack", &range("ECOSYSTEM", &events)),
            advisory("A-5", "PyPI", "b", &range("ECOSYSTEM", &events)),
            advisory("A-6", "Debian:12", "b", &range("ECOSYSTEM", &events)),
        ]);
        assert_eq!(matching(&list, &package).len(), 5);
        let go = Component {
            ecosystem: Ecosystem::Go,
            name: "golang.org/x/net".to_owned(),
            version: Some("v1.9.0".to_owned()),
            purl: "pkg:golang/golang.org/x/net@v1.9.0".to_owned(),
            path: "bootstrap".to_owned(),
            presence: Presence::Installed,
            licenses: Vec::new(),
        };
        let list =
            advisory("GO-1", "Go", "golang.org/x/net", &range("SEMVER", &semver)).to_string();
        let advisories = Advisories::read("go.json", list.as_bytes()).unwrap();
        assert_eq!(advisories.matching("function-code", &[go]).len(), 1);
    }

    #[test]
    fn severity_follows_the_database_then_cvss() {
        let mut list = advisory("GHSA-1", "npm", "ms", &json!({ "versions": ["1.0.0"] }));
        let severity = |list: &Value| matching(list, &node("ms", "1.0.0"))[0].1;
        assert_eq!(severity(&list), Severity::Medium);
        list["severity"] =
            json!([{ "type": "CVSS_V3", "score": "CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:U/C:H/I:H/A:H" }]);
        assert_eq!(severity(&list), Severity::High);
        list["database_specific"] = json!({ "severity": "LOW" });
        assert_eq!(severity(&list), Severity::Low);
    }

    #[test]
    fn two_databases_about_the_same_thing_are_one_finding_and_withdrawn_ones_none() {
        let at = json!({ "versions": ["1.0"] });
        let mut one = advisory("GHSA-1", "PyPI", "a", &at);
        one["aliases"] = json!(["CVE-1"]);
        let mut two = advisory("PYSEC-1", "PyPI", "a", &at);
        two["aliases"] = json!(["CVE-1"]);
        let mut three = advisory("PYSEC-2", "PyPI", "a", &at);
        three["withdrawn"] = json!("2024-01-01T00:00:00Z");
        assert_eq!(
            matching(&json!([one, two, three]), &python("a", "1.0")).len(),
            1
        );
    }

    #[test]
    fn what_cannot_be_compared_is_said() {
        let list = advisory(
            "A-1",
            "npm",
            "ms",
            &range(
                "SEMVER",
                &json!([{ "introduced": "0" }, { "fixed": "1.0.0" }]),
            ),
        );
        assert_eq!(
            matching(&list, &node("ms", "latest")),
            [("advisory-not-comparable".to_owned(), Severity::Info)]
        );
    }

    #[test]
    fn archives_are_read_and_what_is_broken_in_them_is_said() {
        use std::io::Write;
        let good = advisory("MAL-1", "PyPI", "a", &json!({ "versions": ["1"] })).to_string();
        let mut zip = zip::ZipWriter::new(std::io::Cursor::new(Vec::new()));
        let options = zip::write::SimpleFileOptions::default();
        for (name, text) in [
            ("MAL-1.json", good.as_str()),
            ("broken.json", "{\"id\":"),
            ("README.md", "x"),
        ] {
            zip.start_file(name, options).unwrap();
            zip.write_all(text.as_bytes()).unwrap();
        }
        let bytes = zip.finish().unwrap().into_inner();
        let advisories = Advisories::read("all.zip", &bytes).unwrap();
        assert_eq!((advisories.len(), advisories.skipped().len()), (1, 1));
        assert_eq!(advisories.skipped()[0].name, "broken.json");
        let found = advisories.matching("function-code", &python("a", "1").components());
        assert_eq!(
            found.iter().map(|it| it.rule.as_str()).collect::<Vec<_>>(),
            ["known-malicious-component", "advisories-unread"]
        );
    }

    #[test]
    fn a_file_that_is_no_advisory_is_refused_by_name() {
        for bytes in [&b"hello"[..], b"{}", b"{\"id\":1}", b""] {
            let error = Advisories::read("mine.json", bytes).unwrap_err();
            assert!(
                error.to_string().starts_with("advisories of mine.json: "),
                "{error}"
            );
        }
    }
}
