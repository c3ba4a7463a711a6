//! Components as a CycloneDX 1.5 document, which other tools read.

use crate::components::{Component, Presence};
use crate::proof::{NAME_CHARS, PATH_CHARS};
use cyclonedx_bom::external_models::uri::Purl;
use cyclonedx_bom::models::bom::{Bom, SpecVersion, UrnUuid};
use cyclonedx_bom::models::component::{
    Classification, Component as Entry, ComponentEvidence, Components, Occurrence, Occurrences,
};
use cyclonedx_bom::models::license::{LicenseChoice, Licenses};
use cyclonedx_bom::models::metadata::Metadata;
use cyclonedx_bom::models::property::{Properties, Property};
use cyclonedx_bom::models::tool::{Tool, Tools};
use evidence::{Sha256Digest, shown};
use std::collections::BTreeSet;
use std::str::FromStr;

/// Why no document could be made: a fault of ours, not of the package.
#[derive(Debug, thiserror::Error)]
pub enum BadInventory {
    /// The time has no ISO 8601 form that CycloneDX knows.
    #[error("the time of an inventory is out of range")]
    Time,
    /// The document could not be written.
    #[error("the inventory could not be written as CycloneDX: {0}")]
    Form(String),
}

/// The inventory of `subject`, an exhibit's name, as CycloneDX 1.5 JSON: each component with its
/// package URL, the file that proves it, and whether it lies there or is only declared
/// (`coldcase:presence`). The same input gives the same bytes: the serial number is drawn from it.
pub fn cyclonedx(
    subject: &str,
    components: &[Component],
    at: jiff::Timestamp,
) -> Result<String, BadInventory> {
    let subject = shown(subject, PATH_CHARS);
    let timestamp = at.strftime("%Y-%m-%dT%H:%M:%SZ").to_string();
    let mut refs = BTreeSet::new();
    let entries = components.iter().map(|component| {
        let mut entry = entry(component);
        // A reference has to be the only one of its kind.
        let mut copy = 1;
        while !refs.insert(entry.bom_ref.clone()) {
            copy += 1;
            entry.bom_ref = Some(format!("{}#{copy}", reference(component)));
        }
        entry
    });
    let bom = Bom {
        version: 1,
        serial_number: Some(serial_number(&subject, components, &timestamp)),
        metadata: Some(Metadata {
            timestamp: Some(timestamp.try_into().map_err(|_| BadInventory::Time)?),
            tools: Some(Tools::List(vec![Tool::new(
                "coldcase",
                "coldcase",
                env!("CARGO_PKG_VERSION"),
            )])),
            component: Some(Entry {
                version: None,
                ..Entry::new(
                    Classification::Application,
                    &subject,
                    "",
                    Some(format!("subject:{subject}")),
                )
            }),
            ..Metadata::default()
        }),
        components: Some(Components(entries.collect())),
        spec_version: SpecVersion::V1_5,
        // Not `..default()`: it would draw a random serial number.
        services: None,
        external_references: None,
        dependencies: None,
        compositions: None,
        properties: None,
        vulnerabilities: None,
        signature: None,
        annotations: None,
        formulation: None,
    };
    let mut json = Vec::new();
    bom.output_as_json_v1_5(&mut json)
        .map_err(|error| BadInventory::Form(error.to_string()))?;
    String::from_utf8(json).map_err(|error| BadInventory::Form(error.to_string()))
}

fn reference(component: &Component) -> String {
    format!("{}#{}", component.purl, shown(&component.path, PATH_CHARS))
}

fn entry(component: &Component) -> Entry {
    let path = shown(&component.path, PATH_CHARS);
    // Maven's group and npm's scope have a field of their own.
    let (group, name) = match component.name.split_once([':', '/']) {
        Some((group, name))
            if component.purl.starts_with("pkg:maven/")
                || component.purl.starts_with("pkg:npm/%40") =>
        {
            (Some(group), name)
        }
        _ => (None, component.name.as_str()),
    };
    let mut entry = Entry::new(
        Classification::Library,
        &shown(name, NAME_CHARS),
        "",
        Some(reference(component)),
    );
    entry.group = group.map(|group| shown(group, NAME_CHARS).as_str().into());
    entry.version = component
        .version
        .as_deref()
        .map(|version| shown(version, NAME_CHARS).as_str().into());
    entry.purl = Purl::from_str(&component.purl).ok();
    entry.licenses = (!component.licenses.is_empty()).then(|| {
        Licenses(
            component
                .licenses
                .iter()
                .map(|license| LicenseChoice::license(&shown(license, NAME_CHARS)))
                .collect(),
        )
    });
    let presence = match component.presence {
        Presence::Installed => "installed",
        Presence::Declared => "declared",
    };
    entry.properties = Some(Properties(vec![Property::new(
        "coldcase:presence",
        presence,
    )]));
    entry.evidence = Some(ComponentEvidence {
        licenses: None,
        copyright: None,
        occurrences: Some(Occurrences(vec![Occurrence::new(&path)])),
        callstack: None,
        identity: None,
    });
    entry
}

/// A UUID of version 8 (RFC 9562: of one's own making) from a digest of all that is said.
fn serial_number(subject: &str, components: &[Component], timestamp: &str) -> UrnUuid {
    let mut said = format!("{subject}\n{timestamp}\n");
    for component in components {
        said.push_str(&component.purl);
        said.push('\t');
        said.push_str(&component.path);
        said.push('\n');
    }
    let mut id = [0; 16];
    id.copy_from_slice(&Sha256Digest::of(said).as_bytes()[..16]);
    id[6] = id[6] & 0x0f | 0x80;
    id[8] = id[8] & 0x3f | 0x80;
    let hex = hex::encode(id);
    UrnUuid(format!(
        "urn:uuid:{}-{}-{}-{}-{}",
        &hex[..8],
        &hex[8..12],
        &hex[12..16],
        &hex[16..20],
        &hex[20..]
    ))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::components::fixtures::Package;
    use cyclonedx_bom::validation::Validate;

    fn components() -> Vec<Component> {
        Package::default()
            .with(
                "requests-2.32.3.dist-info/METADATA",
                "Name: requests\nVersion: 2.32.3\nLicense: Apache-2.0\n",
            )
            .with(
                "node_modules/@smithy/types/package.json",
                r#"{"name":"@smithy/types","version":"3.3.0"}"#,
            )
            .with(
                "lib/a.jar!/META-INF/maven/g/a/pom.properties",
                "groupId=org.g\nartifactId=a\nversion=1\n",
            )
            .with("Gemfile.lock", "GEM\n  specs:\n    rack (3.1.7)\n")
            .with(
                "node_modules/evil/package.json",
                "{\"name\":\"e\\u202e\\u0000 vil\",\"version\":\"1 ?#@\",\"license\":\"\\n\"}",
            )
            .components()
    }

    fn at() -> jiff::Timestamp {
        "2026-01-02T03:04:05.678Z".parse().unwrap()
    }

    #[test]
    fn an_inventory_is_valid_cyclonedx_even_of_hostile_names() {
        let json = cyclonedx("function-code", &components(), at()).unwrap();
        let bom = Bom::parse_from_json_v1_5(json.as_bytes()).unwrap();
        let result = bom.validate_version(SpecVersion::V1_5);
        assert!(result.passed(), "{result:?}");
        let value: serde_json::Value = serde_json::from_str(&json).unwrap();
        assert_eq!(value["specVersion"], "1.5");
        assert_eq!(value["components"].as_array().unwrap().len(), 5);
        let requests = &value["components"][0];
        assert_eq!(requests["purl"], "pkg:pypi/requests@2.32.3");
        assert_eq!(
            requests["evidence"]["occurrences"][0]["location"],
            "requests-2.32.3.dist-info/METADATA"
        );
        let smithy = &value["components"][1];
        assert_eq!(
            (&smithy["group"], &smithy["name"]),
            (&"@smithy".into(), &"types".into())
        );
        assert!(!json.contains('\u{202e}'));
    }

    #[test]
    fn the_same_components_give_the_same_bytes_and_others_another_serial_number() {
        let all = components();
        let one = cyclonedx("function-code", &all, at()).unwrap();
        assert_eq!(one, cyclonedx("function-code", &all, at()).unwrap());
        let serial = |json: &str| {
            serde_json::from_str::<serde_json::Value>(json).unwrap()["serialNumber"].clone()
        };
        let fewer = cyclonedx("function-code", &all[1..], at()).unwrap();
        assert_ne!(serial(&one), serial(&fewer));
    }

    #[test]
    fn two_copies_of_one_path_are_two_entries() {
        let one = components().remove(0);
        let json = cyclonedx("x", &[one.clone(), one], at()).unwrap();
        let bom = Bom::parse_from_json_v1_5(json.as_bytes()).unwrap();
        assert!(bom.validate_version(SpecVersion::V1_5).passed());
    }
}
