//! The line for people.

use super::*;
use evidence::{Category, is_hidden};
use proptest::prelude::*;

fn event(principal: Option<&str>, address: Option<&str>) -> Trigger {
    Trigger::CloudTrailEvent {
        event_id: "e-1".to_owned(),
        event_name: "UpdateFunctionCode20150331v2".to_owned(),
        occurred_at: "2026-01-02T03:04:05Z".parse().unwrap(),
        category: Category::Code,
        severity: Severity::High,
        technique: "T1648".to_owned(),
        principal: principal.map(str::to_owned),
        source_address: address.map(str::to_owned),
    }
}

fn deployer() -> Trigger {
    event(
        Some("arn:aws:sts::111122223333:assumed-role/ci-deploy/build-7"),
        Some("203.0.113.66"),
    )
}

fn billing() -> Target {
    Target::from_arn(crate::canned::FUNCTION).unwrap()
}

fn change(kind: ChangeKind, severity: Severity) -> Change {
    Change {
        kind,
        subject: "x".to_owned(),
        before: None,
        after: Some("y".to_owned()),
        statement: format!("{kind:?} added"),
        severity,
    }
}

fn finding(severity: Severity, statement: &str) -> Finding {
    Finding {
        rule: "r".to_owned(),
        statement: statement.to_owned(),
        severity,
        confidence: Confidence::High,
        technique: None,
        advice: None,
        proof: Vec::new(),
    }
}

fn compared<'a>(changes: &'a [Change], files: usize) -> Compared<'a> {
    Compared {
        changes: Some(changes),
        files: FileSummary {
            changed: files,
            ..FileSummary::default()
        },
        gaps: 0,
    }
}

#[test]
fn what_by_whom_from_where_how_bad_how_sure() {
    let changes = [
        change(ChangeKind::Code, Severity::Medium),
        change(ChangeKind::Environment, Severity::Low),
        change(ChangeKind::Role, Severity::Medium),
    ];
    let findings = [
        finding(Severity::High, "the role was changed"),
        finding(Severity::Critical, "Credentials are read and sent away."),
        finding(Severity::Info, "an AWS layer"),
    ];
    let verdict = verdict(
        &deployer(),
        &billing(),
        &compared(&changes, 3),
        &findings,
        false,
    );
    assert_eq!(
        verdict.line,
        "code (3 files), 1 environment name and the role were changed by assumed-role/ci-deploy from \
         203.0.113.66: critical, high confidence: Credentials are read and sent away (and 1 more finding)"
    );
    assert_eq!(verdict.severity, Severity::Critical);
    assert_eq!(verdict.changed[0], "Code added");
    assert_eq!(
        verdict.by.as_deref(),
        Some("arn:aws:sts::111122223333:assumed-role/ci-deploy/build-7")
    );
}

#[test]
fn nothing_changed_is_said_and_names_nobody() {
    let verdict = verdict(&deployer(), &billing(), &compared(&[], 0), &[], false);
    assert_eq!(
        verdict.line,
        "nothing about billing is different from how it was known to be good: info, high confidence: \
         nothing was found"
    );
}

#[test]
fn parts_that_could_not_be_compared_make_it_less_sure() {
    let gaps = Compared {
        gaps: 2,
        ..compared(&[], 0)
    };
    let verdict = verdict(&deployer(), &billing(), &gaps, &[], false);
    assert_eq!(verdict.confidence, Confidence::Low);
    assert!(
        verdict.line.contains("2 parts not comparable"),
        "{}",
        verdict.line
    );
}

#[test]
fn without_a_record_of_before_it_rests_on_findings_and_the_event() {
    let none = Compared::default();
    let findings = [finding(Severity::Medium, "A reverse shell.")];
    let found = verdict(&deployer(), &billing(), &none, &findings, false);
    assert_eq!(
        found.line,
        "billing was touched and there is no record of it as it was by assumed-role/ci-deploy from \
         203.0.113.66 with UpdateFunctionCode: high, low confidence: A reverse shell"
    );
    assert_eq!(
        (found.severity, found.confidence),
        (Severity::High, Confidence::Low)
    );
}

#[test]
fn an_expected_change_is_harmless_by_itself_and_a_finding_is_not() {
    let changes = [change(ChangeKind::Code, Severity::Medium)];
    let alone = verdict(&deployer(), &billing(), &compared(&changes, 0), &[], true);
    assert_eq!(alone.severity, Severity::Info);
    assert!(alone.line.contains("expected of this deployer") && alone.expected);
    let findings = [finding(Severity::High, "A miner")];
    let found = verdict(
        &deployer(),
        &billing(),
        &compared(&changes, 0),
        &findings,
        true,
    );
    assert_eq!(found.severity, Severity::High);
}

#[test]
fn somebody_of_another_account_is_told_with_it() {
    let changes = [change(ChangeKind::Handler, Severity::Medium)];
    let foreign = event(
        Some("arn:aws:iam::999999999999:user/mallory"),
        Some("198.51.100.1"),
    );
    let verdict = verdict(&foreign, &billing(), &compared(&changes, 0), &[], false);
    assert_eq!(
        verdict.line,
        "the handler was changed by user/mallory of account 999999999999 from 198.51.100.1: medium, \
         low confidence: nothing was found"
    );
}

#[test]
fn a_person_who_asked_is_not_taken_for_the_one_who_did_it() {
    let person = Trigger::Person {
        request_id: "q".to_owned(),
        reason: "looks odd".to_owned(),
        occurred_at: "2026-01-02T03:04:05Z".parse().unwrap(),
    };
    let changes = [change(ChangeKind::Handler, Severity::Medium)];
    let verdict = verdict(&person, &billing(), &compared(&changes, 0), &[], false);
    assert!(
        verdict.line.contains("no event names who did it"),
        "{}",
        verdict.line
    );
    assert_eq!(verdict.by, None);
}

proptest! {
    #[test]
    fn the_line_is_short_and_hides_nothing_whatever_the_attacker_is_called(
        name in "\\PC{0,200}|[\u{0}-\u{1f}\u{202e}:/]{0,60}",
        address in "\\PC{0,200}|[\u{0}-\u{1f}\u{202e}]{0,60}",
        statement in "\\PC{0,500}",
        kinds in prop::collection::vec(0_usize..6, 0..40),
        files in 0_usize..9,
    ) {
        const KINDS: [ChangeKind; 6] = [ChangeKind::Code, ChangeKind::Role, ChangeKind::RolePolicy,
            ChangeKind::Environment, ChangeKind::ResourcePolicy, ChangeKind::Tag];
        let changes: Vec<Change> = kinds.iter().map(|kind| change(KINDS[*kind], Severity::Medium)).collect();
        let findings = [finding(Severity::High, &statement), finding(Severity::Low, "x")];
        let verdict = verdict(&event(Some(&name), Some(&address)), &billing(), &compared(&changes, files), &findings, false);
        prop_assert!(verdict.line.chars().count() <= 300, "{}", verdict.line);
        prop_assert!(!verdict.line.chars().any(is_hidden), "{:?}", verdict.line);
        prop_assert!(verdict.line.contains("and 1 more finding"), "{:?}", verdict.line);
        prop_assert!(verdict.line.contains("high, high confidence"), "{:?}", verdict.line);
    }
}
