//! Puts two readings beside each other and takes down what differs, and what cannot be compared.

use super::{Change, ChangeKind, Gap};
use crate::policy::{Policy, Statement};
use crate::reading::Reading;
use evidence::{Severity, shown};
use std::collections::{BTreeMap, BTreeSet};

/// How many differences are told one by one.
const MOST: usize = 2_000;
/// How much of a value is told.
const LONGEST: usize = 600;

/// Things by name, as read.
pub(super) type ByName<T> = Reading<BTreeMap<String, T>>;

/// One fact of something that has several.
pub(super) struct Fact {
    name: String,
    value: Option<String>,
    severity: Severity,
}

impl Fact {
    /// A fact; its name is empty where it is the only one. `severity` is that of its change.
    pub(super) fn new(name: &str, value: Option<String>, severity: Severity) -> Self {
        Self {
            name: name.to_owned(),
            value,
            severity,
        }
    }
}

/// What was found so far.
#[derive(Default)]
pub(super) struct Comparison {
    changes: Vec<Change>,
    left_out: usize,
    gaps: BTreeSet<Gap>,
}

impl Comparison {
    /// The changes by part, in each part the worst first.
    pub(super) fn changes(mut self) -> Vec<Change> {
        self.changes
            .sort_by(|a, b| (a.kind, b.severity).cmp(&(b.kind, a.severity)));
        if self.left_out > 0 {
            self.changes.push(Change {
                kind: ChangeKind::Setting,
                subject: "further changes".to_owned(),
                before: None,
                after: Some(self.left_out.to_string()),
                statement: format!("{} more changes are not told one by one", self.left_out),
                severity: Severity::Low,
            });
        }
        self.changes
    }

    pub(super) fn gaps(self) -> Vec<Gap> {
        self.gaps.into_iter().take(MOST).collect()
    }

    pub(super) fn gap(&mut self, subject: &str, is_before: bool, why: &str) {
        if self.gaps.len() < MOST {
            self.gaps.insert(Gap {
                subject: shown(subject, 200),
                is_before,
                why: shown(why, 300),
            });
        }
    }

    pub(super) fn note_gaps<T>(&mut self, subject: &str, before: &Reading<T>, after: &Reading<T>) {
        if before.is_no_part() || after.is_no_part() {
            return;
        }
        for (reading, is_before) in [(before, true), (after, false)] {
            // A record holds less than a case, always. A case asks for all, so what it did not ask for
            // is hidden: by another role, say, that came in between.
            if is_before && reading.was_not_asked() {
                continue;
            }
            if let Some(why) = reading.why() {
                self.gap(subject, is_before, why);
            }
        }
    }

    /// One value that may be there or not.
    pub(super) fn value(
        &mut self,
        kind: ChangeKind,
        subject: &str,
        before: Option<String>,
        after: Option<String>,
        severity: Severity,
    ) {
        if before == after {
            return;
        }
        if self.changes.len() >= MOST {
            self.left_out += 1;
            return;
        }
        let subject = shown(subject, 200);
        let mut told_before = before.as_deref().map(|text| shown(text, LONGEST));
        let mut told_after = after.as_deref().map(|text| shown(text, LONGEST));
        // Two texts that differ only where they were cut must not look alike.
        if told_before == told_after {
            let mark = |text: &Option<String>| {
                text.as_deref().map(|text| {
                    let digest = evidence::Sha256Digest::of(text).short();
                    format!("{} (sha256 {digest})", shown(text, LONGEST))
                })
            };
            (told_before, told_after) = (mark(&before), mark(&after));
        }
        let brief = |text: &String| shown(text, 120);
        let statement = match (&told_before, &told_after) {
            (None, Some(after)) => format!("{subject} added: {}", brief(after)),
            (Some(before), None) => format!("{subject} removed: {}", brief(before)),
            (Some(before), Some(after)) => format!(
                "{subject} changed from {} to {}",
                brief(before),
                brief(after)
            ),
            (None, None) => return,
        };
        self.changes.push(Change {
            kind,
            subject,
            before: told_before,
            after: told_after,
            statement,
            severity,
        });
    }

    /// One value of two readings.
    pub(super) fn values<T>(
        &mut self,
        kind: ChangeKind,
        subject: &str,
        (before, after): (&Reading<T>, &Reading<T>),
        text: impl Fn(&T) -> Option<String>,
        severity: Severity,
    ) {
        self.note_gaps(subject, before, after);
        if let (Some(before), Some(after)) = (before.value(), after.value()) {
            self.value(kind, subject, text(before), text(after), severity);
        }
    }

    /// Something with facts that may be there or not; `severity` is that of its coming.
    pub(super) fn options<T>(
        &mut self,
        kind: ChangeKind,
        subject: &str,
        (before, after): (&Reading<Option<T>>, &Reading<Option<T>>),
        facts: impl Fn(&T) -> Vec<Fact>,
        severity: Severity,
    ) {
        self.note_gaps(subject, before, after);
        if let (Some(was), Some(is)) = (before.value(), after.value()) {
            self.both(kind, subject, was.as_ref(), is.as_ref(), &facts, severity);
        }
    }

    /// Things by name. One that is missing in a list that broke off may be there.
    pub(super) fn maps<T>(
        &mut self,
        kind: ChangeKind,
        what: &str,
        (before, after): (&ByName<T>, &ByName<T>),
        facts: impl Fn(&T) -> Vec<Fact>,
        severity: Severity,
    ) {
        let part = what.trim_end_matches(" of").trim_end_matches(':');
        self.note_gaps(part, before, after);
        let (Some(was), Some(is)) = (before.value(), after.value()) else {
            return;
        };
        let names: BTreeSet<&String> = was.keys().chain(is.keys()).collect();
        for name in names {
            let (a, b) = (was.get(name), is.get(name));
            let may_be_there =
                (a.is_none() && !before.is_whole()) || (b.is_none() && !after.is_whole());
            if may_be_there {
                continue;
            }
            let shown_name = if name.is_empty() {
                "the function"
            } else {
                name
            };
            let subject = format!("{what} {shown_name}");
            self.both(kind, &subject, a, b, &facts, severity);
        }
    }

    fn both<T>(
        &mut self,
        kind: ChangeKind,
        subject: &str,
        before: Option<&T>,
        after: Option<&T>,
        facts: &impl Fn(&T) -> Vec<Fact>,
        severity: Severity,
    ) {
        let whole = |thing: &T| {
            let facts = facts(thing).into_iter();
            let told = facts.filter_map(|fact| match (fact.name.as_str(), fact.value?) {
                ("", value) => Some(value),
                (name, value) => Some(format!("{name} {value}")),
            });
            told.collect::<Vec<_>>().join(", ")
        };
        match (before, after) {
            (Some(before), Some(after)) => {
                let mut old: BTreeMap<String, Fact> = facts(before)
                    .into_iter()
                    .map(|fact| (fact.name.clone(), fact))
                    .collect();
                for fact in facts(after) {
                    let was = old.remove(&fact.name).and_then(|fact| fact.value);
                    let subject = format!("{subject} {}", fact.name);
                    self.value(kind, subject.trim(), was, fact.value, fact.severity);
                }
                for (name, fact) in old {
                    let subject = format!("{subject} {name}");
                    self.value(kind, subject.trim(), fact.value, None, fact.severity);
                }
            }
            (None, Some(after)) => self.value(kind, subject, None, Some(whole(after)), severity),
            // Less is seldom worse.
            (Some(before), None) => {
                let severity = severity.min(Severity::Low);
                self.value(kind, subject, Some(whole(before)), None, severity);
            }
            (None, None) => {}
        }
    }

    /// Two policies: statements that say the same are equal whatever they are called, others are
    /// taken for each other by their name.
    pub(super) fn policies(
        &mut self,
        kind: ChangeKind,
        subject: &str,
        (before, after): (&Reading<Policy>, &Reading<Policy>),
        severity: Severity,
    ) {
        self.note_gaps(subject, before, after);
        let (Some(was), Some(is)) = (before.value(), after.value()) else {
            return;
        };
        let mut gone = without(&was.statements, &is.statements);
        let come = without(&is.statements, &was.statements);
        for statement in come {
            let same_name = gone
                .iter()
                .position(|old| old.sid.is_some() && old.sid == statement.sid);
            let old = same_name.map(|index| gone.remove(index));
            let subject = of_statement(subject, statement);
            let old = old.map(|old| old.told(LONGEST));
            self.value(kind, &subject, old, Some(statement.told(LONGEST)), severity);
        }
        for statement in gone {
            let subject = of_statement(subject, statement);
            // What is denied no longer is allowed perhaps.
            let severity = match statement.effect {
                crate::policy::Effect::Deny => severity,
                crate::policy::Effect::Allow => severity.min(Severity::Low),
            };
            self.value(
                kind,
                &subject,
                Some(statement.told(LONGEST)),
                None,
                severity,
            );
        }
    }
}

fn of_statement(subject: &str, statement: &Statement) -> String {
    match &statement.sid {
        Some(sid) => format!("{subject}: statement {sid}"),
        None => format!("{subject}: a statement"),
    }
}

/// The statements of `these` that are not among `those`.
fn without<'a>(these: &'a [Statement], those: &[Statement]) -> Vec<&'a Statement> {
    let mut known: Vec<_> = those.iter().map(Statement::content).collect();
    known.sort();
    let new = these.iter();
    new.filter(|statement| known.binary_search(&statement.content()).is_err())
        .collect()
}
