//! Files held against the rules as they pass.

use crate::Signatures;
use crate::compile::OWN;
use evidence::{Confidence, Finding, Proof, Severity, shown};
use package::{Content, File, Judge, Observer};
use std::collections::BTreeMap;
use std::time::{Duration, Instant};
use yara_x::{MetaValue, Rule, Scanner};

/// How much is done. What lies beyond is told in a finding.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Bounds {
    /// The longest that one file is looked at.
    pub time_a_file: Duration,
    /// The longest that all files together are looked at.
    pub time: Duration,
    /// How much of a file is looked at, from its beginning, in bytes.
    pub file_bytes: usize,
    /// Matches of one pattern in one file that are kept.
    pub matches: usize,
    /// Findings of one rule that are written out.
    pub findings_a_rule: usize,
    /// Findings of all rules that are written out.
    pub findings: usize,
}

impl Default for Bounds {
    fn default() -> Self {
        Self {
            time_a_file: Duration::from_secs(10),
            time: Duration::from_secs(180),
            file_bytes: 48 << 20,
            matches: 100,
            findings_a_rule: 25,
            findings: 1_000,
        }
    }
}

/// Holds files against rules.
pub struct Matching<'a> {
    scanner: Scanner<'a>,
    signatures: &'a Signatures,
    part: String,
    bounds: Bounds,
    spent: Duration,
    findings: Vec<Finding>,
    /// How often each rule matched, by namespace and name.
    counts: BTreeMap<(&'a str, &'a str), usize>,
    not_written: usize,
    /// Files that were not looked at to their end: how many, and the first.
    unfinished: BTreeMap<&'static str, (usize, String)>,
}

impl<'a> Matching<'a> {
    /// Ready for the files of the exhibit `part`.
    pub fn new(signatures: &'a Signatures, part: &str) -> Self {
        Self::within(signatures, part, Bounds::default())
    }

    /// As [`Matching::new`], within other bounds.
    pub fn within(signatures: &'a Signatures, part: &str, bounds: Bounds) -> Self {
        let mut scanner = Scanner::new(&signatures.rules);
        scanner
            .set_timeout(bounds.time_a_file)
            .max_matches_per_pattern(bounds.matches)
            .max_scan_size(bounds.file_bytes);
        Self {
            scanner,
            signatures,
            part: part.to_owned(),
            bounds,
            spent: Duration::ZERO,
            findings: Vec::new(),
            counts: BTreeMap::new(),
            not_written: 0,
            unfinished: BTreeMap::new(),
        }
    }

    /// What matched, the worst first, and what was not looked at.
    pub fn finish(mut self) -> Vec<Finding> {
        self.findings
            .sort_by_key(|finding| std::cmp::Reverse(finding.severity));
        let mut notes = Vec::new();
        if self.not_written > 0 {
            notes.push((
                format!("{} more matches of rules are not listed", self.not_written),
                None,
            ));
        }
        for (why, (count, first)) in &self.unfinished {
            let statement =
                format!("{count} files were not held against the rules to their end: {why}");
            notes.push((statement, Some(first.clone())));
        }
        let left_out = self.signatures.left_out();
        if !left_out.is_empty() {
            let statement = format!(
                "{} rules were not used: they need a module that is not built in ({})",
                left_out.len(),
                shown(&left_out.join(", "), 300)
            );
            notes.push((statement, None));
        }
        self.findings
            .extend(notes.into_iter().map(|(statement, path)| Finding {
                rule: "signatures-partly-used".to_owned(),
                statement,
                severity: Severity::Info,
                confidence: Confidence::High,
                technique: None,
                advice: None,
                proof: vec![Proof {
                    exhibit: self.part.clone(),
                    path,
                    line: None,
                    excerpt: None,
                }],
            }));
        self.findings
    }

    fn leave(&mut self, why: &'static str, file: &File) {
        self.unfinished
            .entry(why)
            .or_insert_with(|| (0, shown(&file.path, 400)))
            .0 += 1;
    }
}

impl Observer for Matching<'_> {
    fn file(&mut self, file: &File, content: Content<'_>) {
        if self.spent >= self.bounds.time {
            self.leave("the time for all files was over", file);
            return;
        }
        let started = Instant::now();
        let mut is_too_slow = false;
        match self.scanner.scan(content.bytes) {
            Ok(results) => {
                for rule in results.matching_rules() {
                    let count = self
                        .counts
                        .entry((rule.namespace(), rule.identifier()))
                        .or_default();
                    *count += 1;
                    if *count > self.bounds.findings_a_rule
                        || self.findings.len() >= self.bounds.findings
                    {
                        self.not_written += 1;
                    } else {
                        self.findings
                            .push(finding(&rule, file, content.bytes, &self.part));
                    }
                }
            }
            Err(_) => is_too_slow = true,
        }
        self.spent += started.elapsed();
        if is_too_slow {
            self.leave("a rule took too long", file);
        } else if !content.is_whole || content.bytes.len() > self.bounds.file_bytes {
            self.leave("they are too large", file);
        }
    }
}

fn finding(rule: &Rule<'_, '_>, file: &File, bytes: &[u8], part: &str) -> Finding {
    let name = rule.identifier();
    let namespace = rule.namespace();
    let whose = match namespace.strip_prefix(OWN) {
        Some(_) => "our".to_owned(),
        None => format!("{}'s", shown(namespace, 80)),
    };
    let meta: BTreeMap<&str, String> = rule
        .metadata()
        .take(100)
        .filter_map(|(key, value)| match value {
            MetaValue::String(text) => Some((key, text.to_owned())),
            _ => None,
        })
        .collect();
    let text = |key: &str, longest: usize| meta.get(key).map(|text| shown(text, longest));
    // The first match tells best where to look.
    let first = rule
        .patterns()
        .flat_map(|pattern| pattern.matches().next().map(|found| found.range()))
        .min_by_key(|range| range.start);
    let is_text = matches!(file.kind, package::Kind::Text | package::Kind::Script);
    Finding {
        rule: format!("yara-{}", name.to_ascii_lowercase().replace('_', "-")),
        statement: match text("description", 200) {
            Some(description) => format!(
                "{} {description} ({whose} rule {})",
                shown(&file.path, 120),
                shown(name, 80)
            ),
            None => format!(
                "{} matches {whose} rule {}",
                shown(&file.path, 120),
                shown(name, 80)
            ),
        },
        severity: meta
            .get("severity")
            .and_then(|word| parsed(word))
            .unwrap_or(Severity::Medium),
        confidence: meta
            .get("confidence")
            .and_then(|word| parsed(word))
            .unwrap_or(Confidence::Medium),
        technique: meta
            .get("technique")
            .filter(|technique| is_technique(technique))
            .cloned(),
        advice: text("advice", 300),
        proof: vec![Proof {
            exhibit: part.to_owned(),
            path: Some(shown(&file.path, 400)),
            line: first
                .as_ref()
                .filter(|_| is_text)
                .and_then(|range| bytes.get(..range.start))
                .map(|before| before.iter().filter(|byte| **byte == b'\n').count() as u64 + 1),
            excerpt: first
                .and_then(|range| bytes.get(range))
                .map(package::excerpt),
        }],
    }
}

/// A word as findings spell it.
fn parsed<T: serde::de::DeserializeOwned>(word: &str) -> Option<T> {
    serde_json::from_value(serde_json::Value::String(word.to_ascii_lowercase())).ok()
}

/// `T1059` or `T1059.004`.
fn is_technique(text: &str) -> bool {
    let digits = |text: &str, length: usize| {
        text.len() == length && text.bytes().all(|byte| byte.is_ascii_digit())
    };
    text.strip_prefix('T')
        .is_some_and(|rest| match rest.split_once('.') {
            Some((technique, part)) => digits(technique, 4) && digits(part, 3),
            None => digits(rest, 4),
        })
}

impl Judge for Matching<'_> {
    fn findings(self: Box<Self>) -> Vec<Finding> {
        self.finish()
    }
}
