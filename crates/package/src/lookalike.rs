//! Components whose name is one slip away from that of a popular one.

use crate::components::{Component, Ecosystem};
use crate::proof::{self, NAME_CHARS};
use evidence::{Confidence, Finding, Severity, shown};
use std::collections::{BTreeSet, HashSet};

/// Shorter names have too many honest neighbours.
const SHORTEST_POPULAR: usize = 5;
/// The most findings of one source.
const MOST_FINDINGS: usize = 200;

/// Components whose name is one inserted, missing, swapped or exchanged character, or a game of
/// hyphens, away from a popular one of PyPI or npm; `part` is the exhibit's name. Popular names
/// themselves and their known honest neighbours (`boto` beside `boto3`) are none.
pub fn lookalikes(part: &str, components: &[Component]) -> Vec<Finding> {
    let lists = [
        (
            Ecosystem::PyPi,
            Names::read(include_str!("popular/pypi.txt")),
        ),
        (Ecosystem::Npm, Names::read(include_str!("popular/npm.txt"))),
    ];
    let mut seen = BTreeSet::new();
    let mut findings = Vec::new();
    for component in components {
        let Some((_, names)) = lists.iter().find(|(it, _)| *it == component.ecosystem) else {
            continue;
        };
        let name = component
            .ecosystem
            .canonical(&component.name)
            .to_lowercase();
        let Some(popular) = names.imitated_by(&name) else {
            continue;
        };
        if seen.insert((component.ecosystem, name)) && findings.len() < MOST_FINDINGS {
            findings.push(finding(part, component, popular));
        }
    }
    if let (Some(last), true) = (findings.last_mut(), seen.len() > MOST_FINDINGS) {
        last.statement.push_str(&format!(
            ", and {} more are like it",
            seen.len() - MOST_FINDINGS
        ));
    }
    findings
}

fn finding(part: &str, component: &Component, popular: &str) -> Finding {
    Finding {
        rule: "component-name-lookalike".to_owned(),
        statement: format!(
            "The {} component {} is named almost like the popular {popular}",
            component.ecosystem.name(),
            shown(&component.name, NAME_CHARS),
        ),
        severity: Severity::Medium,
        confidence: Confidence::Medium,
        technique: Some("T1195.001".to_owned()),
        advice: Some(
            "Find out who asked for this component; if it was meant to be the other, treat the function as compromised"
                .to_owned(),
        ),
        proof: vec![proof::of_file(part, &component.path)],
    }
}

/// The names of one ecosystem.
struct Names {
    popular: Vec<&'static str>,
    honest: HashSet<&'static str>,
}

impl Names {
    /// Reads a list: a popular name a line, `= name` for an honest neighbour, `#` for a remark.
    fn read(list: &'static str) -> Self {
        let mut popular = Vec::new();
        let mut honest = HashSet::new();
        for line in list.lines().filter(|line| !line.starts_with('#')) {
            match line.strip_prefix("= ") {
                Some(name) => {
                    honest.insert(name);
                }
                None => {
                    popular.push(line);
                    honest.insert(line);
                }
            }
        }
        Self { popular, honest }
    }

    /// The popular name that `name` imitates.
    fn imitated_by(&self, name: &str) -> Option<&'static str> {
        if self.honest.contains(name) || name.len() > 128 {
            return None;
        }
        let characters: Vec<char> = name.chars().collect();
        self.popular.iter().copied().find(|popular| {
            popular.len() >= SHORTEST_POPULAR
                && (is_one_slip_away(&characters, popular) || squashed(name).eq(squashed(popular)))
        })
    }
}

fn squashed(name: &str) -> impl Iterator<Item = char> {
    name.chars()
        .filter(|c| !['-', '_', '.', '@', '/'].contains(c))
}

/// Whether one insertion, deletion, substitution or swap of neighbours turns `a` into `b`.
fn is_one_slip_away(a: &[char], b: &str) -> bool {
    let b: Vec<char> = b.chars().collect();
    if a.len().abs_diff(b.len()) > 1 {
        return false;
    }
    let same_before = a.iter().zip(&b).take_while(|(x, y)| x == y).count();
    let same_after = a[same_before..]
        .iter()
        .rev()
        .zip(b[same_before..].iter().rev())
        .take_while(|(x, y)| x == y)
        .count();
    let a = &a[same_before..a.len() - same_after];
    let b = &b[same_before..b.len() - same_after];
    match (a, b) {
        ([], [_]) | ([_], []) | ([_], [_]) => true,
        ([x, y], [v, w]) => (x, y) == (w, v),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::components::fixtures::Package;

    fn flagged(python: &[&str], node: &[&str]) -> Vec<String> {
        let mut package = Package::default();
        for name in python {
            package = package.with(
                &format!("{name}-1.0.dist-info/METADATA"),
                format!("Name: {name}\nVersion: 1.0\n"),
            );
        }
        for name in node {
            package = package.with(
                &format!("node_modules/{name}/package.json"),
                format!("{{\"name\":\"{name}\",\"version\":\"1.0.0\"}}"),
            );
        }
        lookalikes("function-code", &package.components())
            .into_iter()
            .map(|it| it.statement)
            .collect()
    }

    #[test]
    fn names_one_slip_away_are_told() {
        let python = [
            "reqests",
            "requestss",
            "reqeusts",
            "requezts",
            "pythondateutil",
            "boto33",
        ];
        let node = [
            "expresss",
            "crossenv",
            "lodahs",
            "loadash",
            "types-node",
            "@aws-sdk/client-s33",
        ];
        for name in python {
            assert_eq!(flagged(&[name], &[]).len(), 1, "{name}");
        }
        for name in node {
            assert_eq!(flagged(&[], &[name]).len(), 1, "{name}");
        }
        assert_eq!(
            flagged(&["Reqests"], &[]),
            ["The PyPI component Reqests is named almost like the popular requests"]
        );
    }

    #[test]
    fn popular_names_honest_neighbours_and_strangers_are_not() {
        let python = [
            "boto",
            "boto3",
            "requests",
            "PyYAML",
            "typing_extensions",
            "psycopg",
            "grequests",
            "six",
            "pip",
            "orders-api",
            "jmespath",
            "pytest",
            "ujson",
            "ijson",
            "simplejson",
        ];
        let node = [
            "react",
            "preact",
            "request",
            "requests",
            "express",
            "ms",
            "qs",
            "ws",
            "color",
            "colors",
            "query-string",
            "querystring",
            "cross-env",
            "mssql",
            "mysql",
            "mysql2",
            "acorn",
        ];
        assert_eq!(flagged(&python, &node), Vec::<String>::new());
    }

    #[test]
    fn no_popular_name_imitates_another() {
        for list in [
            include_str!("popular/pypi.txt"),
            include_str!("popular/npm.txt"),
        ] {
            let names = Names::read(list);
            assert!(names.popular.len() >= 150);
            for name in &names.popular {
                assert_eq!(names.imitated_by(name), None);
            }
        }
    }
}
