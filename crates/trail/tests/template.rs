//! The templates' rules are those that the table asks for.

#![allow(clippy::unwrap_used, reason = "what a test cannot read, fails it")]

use std::collections::BTreeMap;
use std::path::Path;
use trail::patterns::{is_narrowed, rules};

/// What a template says of one rule.
#[derive(Debug, Default, PartialEq, Eq)]
struct Written {
    source: String,
    event_source: String,
    name_prefixes: Vec<String>,
    narrowed: bool,
    targets: Vec<String>,
}

/// The rules of a template by the end of their names, read line by line: a rule is laid out alike
/// everywhere.
fn written(file: &str, beginning: &str) -> BTreeMap<String, Written> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../..")
        .join(file);
    let text = std::fs::read_to_string(path).unwrap();
    let mut rules = BTreeMap::new();
    for resource in text.split("    Type: AWS::Events::Rule\n").skip(1) {
        let mut lines = resource.lines();
        let name = lines.find_map(|line| line.strip_prefix("      Name: !Sub \""));
        let name = name.unwrap().trim_end_matches('"');
        let name = name.strip_prefix(beginning).unwrap().to_owned();
        let mut rule = Written::default();
        let listed = |line: &str| line.trim_matches(['[', ']']).to_owned();
        // The next resource begins with its name, two columns in.
        for line in lines.take_while(|line| !line.starts_with("  ") || line.starts_with("    ")) {
            let line = line.trim();
            if let Some(source) = line.strip_prefix("source: ") {
                rule.source = listed(source);
            } else if let Some(source) = line.strip_prefix("eventSource: ") {
                rule.event_source = listed(source);
            } else if let Some(prefix) = line.strip_prefix("- prefix: ") {
                rule.name_prefixes.push(prefix.to_owned());
            } else if let Some(id) = line.strip_prefix("- Id: ") {
                rule.targets.push(id.to_owned());
            }
            rule.narrowed |= line == "$or:";
        }
        assert!(rules.insert(name, rule).is_none());
    }
    rules
}

fn expected(rule: &str, targets: &[&str]) -> Written {
    let pattern = &rules()[rule];
    Written {
        source: pattern.source.to_owned(),
        event_source: pattern.event_source.to_owned(),
        name_prefixes: pattern.name_prefixes.iter().map(|p| (*p).into()).collect(),
        narrowed: is_narrowed(rule),
        targets: targets.iter().map(|id| (*id).to_owned()).collect(),
    }
}

#[test]
fn the_stack_has_each_rule_and_what_is_done_to_itself_goes_to_the_topic_as_well() {
    let mut written = written("template.yaml", "${AWS::StackName}-");
    // Those that start sweeps let no call of anybody's through.
    written.retain(|name, _| !name.starts_with("baseline-"));
    for rule in rules().into_keys() {
        let targets: &[&str] = match is_narrowed(rule) {
            true => &["queue", "topic"],
            false => &["queue"],
        };
        let found = written.remove(rule);
        assert_eq!(found, Some(expected(rule, targets)), "{rule}");
    }
    assert!(written.is_empty(), "{written:?}");
}

#[test]
fn the_forwarder_forwards_the_same() {
    let mut written = written(
        "infra/events-forwarder.yaml",
        "${HomeStackName}-${HomeRegion}-",
    );
    for (name, rule) in [
        ("iam", "iam"),
        ("trail", "trail"),
        ("own", "responder-events"),
    ] {
        let found = written.remove(name);
        assert_eq!(found, Some(expected(rule, &["home"])), "{name}");
    }
    assert!(written.is_empty(), "{written:?}");
}
