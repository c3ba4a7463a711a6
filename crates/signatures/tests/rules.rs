//! Our own rules over their fixtures, and the owner's rules as owners write them.

use evidence::{Finding, Severity};
use package::{Content, File, Kind, Observer};
use signatures::{BadRules, Bounds, Matching, Signatures};
use std::fs;
use std::path::Path;
use std::time::Duration;

fn file(path: &str, bytes: &[u8]) -> File {
    File {
        path: path.to_owned(),
        sha256: None,
        size_bytes: bytes.len() as u64,
        mode: None,
        modified_at: None,
        kind: Kind::of(bytes, true),
        link_to: None,
    }
}

fn found(signatures: &Signatures, files: &[(&str, &[u8])], bounds: Bounds) -> Vec<Finding> {
    let mut matching = Matching::within(signatures, "function-code", bounds);
    for (path, bytes) in files {
        matching.file(
            &file(path, bytes),
            Content {
                bytes,
                is_whole: true,
            },
        );
    }
    matching.finish()
}

fn owner(source: &str) -> Result<Signatures, BadRules> {
    Signatures::with(std::iter::once((
        "team/rules.yar".to_owned(),
        source.to_owned(),
    )))
}

#[test]
fn every_rule_of_ours_fires_on_its_fixtures_and_is_quiet_on_the_others() {
    let signatures = Signatures::ours().unwrap();
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/rules");
    let mut rules = 0;
    for rule in fs::read_dir(&folder).unwrap().flatten() {
        rules += 1;
        let id = format!(
            "yara-{}",
            rule.file_name().to_string_lossy().replace('_', "-")
        );
        for what in ["fires", "quiet"] {
            let fixtures: Vec<_> = fs::read_dir(rule.path().join(what))
                .unwrap()
                .flatten()
                .collect();
            assert!(!fixtures.is_empty());
            for fixture in fixtures {
                let bytes = fs::read(fixture.path()).unwrap();
                let name = fixture.file_name().to_string_lossy().into_owned();
                let findings = found(&signatures, &[(&name, &bytes)], Bounds::default());
                let finding = findings.iter().find(|finding| finding.rule == id);
                assert_eq!(
                    finding.is_some(),
                    what == "fires",
                    "{id} {what} {name}: {findings:?}"
                );
                if let Some(finding) = finding {
                    assert!(finding.severity >= Severity::High);
                    assert!(finding.technique.is_some() && finding.advice.is_some());
                    assert!(finding.proof[0].excerpt.is_some());
                } else {
                    assert!(findings.is_empty(), "{name}: {findings:?}");
                }
            }
        }
    }
    assert_eq!(rules, signatures.count(), "a rule without fixtures");
}

#[test]
fn what_an_owner_s_rule_says_of_itself_is_taken_over() {
    let signatures = owner(
        r#"rule Team_Rule { meta: description = "is ours" severity = "critical" technique = "T1105" strings: $a = "needle" condition: $a }
           rule bare { strings: $a = "other" condition: $a }
           rule odd { meta: severity = "enormous" technique = "<b>" strings: $a = "strange" condition: $a }"#,
    )
    .unwrap();
    let findings = found(
        &signatures,
        &[
            ("a.txt", b"one\ntwo needle\n"),
            ("b\u{202e}.txt", b"other"),
            ("c.txt", b"strange"),
        ],
        Bounds::default(),
    );
    assert_eq!(findings.len(), 3);
    assert_eq!(findings[0].rule, "yara-team-rule");
    assert_eq!(
        findings[0].statement,
        "a.txt is ours (team/rules.yar's rule Team_Rule)"
    );
    assert_eq!(findings[0].severity, Severity::Critical);
    assert_eq!(findings[0].technique.as_deref(), Some("T1105"));
    assert_eq!(findings[0].proof[0].line, Some(2));
    assert_eq!(findings[0].proof[0].excerpt.as_deref(), Some("needle"));
    for plain in &findings[1..] {
        assert_eq!(plain.severity, Severity::Medium);
        assert_eq!(plain.technique, None);
        assert!(!format!("{plain:?}").contains('\u{202e}'));
    }
}

#[test]
fn a_rule_that_does_not_compile_is_named_with_its_line() {
    let Err(error) = owner("rule a {\n  condition:\n    $missing\n}\n") else {
        panic!("compiled");
    };
    let said = error.to_string();
    assert!(
        said.starts_with("the rules in team/rules.yar do not compile, line 3"),
        "{said}"
    );
    assert!(said.contains("$missing"), "{said}");
}

#[test]
fn nothing_is_included() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("other.yar");
    fs::write(&path, "rule other { condition: true }").unwrap();
    assert!(owner(&format!("include \"{}\"\n", path.display())).is_err());
}

#[test]
fn rules_of_one_name_in_two_files_are_two_rules() {
    let rule = "rule same { condition: true }".to_owned();
    let files =
        ["a.yar", "b.yar", "coldcase/backdoor.yar"].map(|name| (name.to_owned(), rule.clone()));
    let signatures = Signatures::with(files.into_iter()).unwrap();
    let findings = found(&signatures, &[("a", b"x")], Bounds::default());
    assert_eq!(findings.len(), 3);
    assert!(
        findings
            .iter()
            .all(|finding| !finding.statement.contains("our rule")),
        "{findings:?}"
    );
}

#[test]
fn rules_for_formats_that_are_not_built_in_are_left_out_and_named() {
    let signatures = owner(
        "import \"pe\"\nrule windows { condition: pe.is_pe }\nrule plain { condition: true }",
    )
    .unwrap();
    assert_eq!(signatures.left_out().len(), 1);
    let findings = found(&signatures, &[("a", b"x")], Bounds::default());
    assert_eq!(findings.len(), 2);
    assert!(findings[1].statement.contains("windows"), "{findings:?}");
}

#[test]
fn too_many_rules_are_refused() {
    let Err(error) = owner(&" ".repeat(9 << 20)) else {
        panic!("taken");
    };
    assert!(error.to_string().contains("team/rules.yar"));
}

#[test]
fn a_rule_that_matches_everything_does_not_fill_the_case() {
    let signatures = owner("rule everything { condition: true }").unwrap();
    let files: Vec<(String, &[u8])> = (0..100)
        .map(|number| (number.to_string(), &b"x"[..]))
        .collect();
    let files: Vec<(&str, &[u8])> = files
        .iter()
        .map(|(path, bytes)| (path.as_str(), *bytes))
        .collect();
    let findings = found(&signatures, &files, Bounds::default());
    assert_eq!(findings.len(), 26);
    assert!(findings[25].statement.starts_with("75 more"));
}

#[test]
fn a_rule_that_never_ends_is_ended() {
    let signatures = owner(
        "rule slow { condition: for all i in (0..1000000000000) : (for all j in (0..1000000000000) : (i * j >= 0)) }",
    )
    .unwrap();
    let bounds = Bounds {
        time_a_file: Duration::from_secs(1),
        // Spent by the first file, whenever the scanner's clock ticks.
        time: Duration::from_millis(1),
        ..Bounds::default()
    };
    let findings = found(&signatures, &[("a", b"x"), ("b", b"x")], bounds);
    let said: Vec<&str> = findings
        .iter()
        .map(|finding| finding.statement.as_str())
        .collect();
    assert_eq!(findings.len(), 2, "{said:?}");
    assert!(
        said[0].contains("took too long") && said[1].contains("time for all files"),
        "{said:?}"
    );
}
