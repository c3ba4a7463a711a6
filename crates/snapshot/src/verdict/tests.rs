//! The line for people.

use super::*;
use evidence::{Category, is_hidden};
use proptest::prelude::*;

fn event(principal: Option<&str>, address: Option<&str>) -> Trigger {
    call(
        "UpdateFunctionCode20150331v2",
        Category::Code,
        principal,
        address,
    )
}

fn call(name: &str, category: Category, principal: Option<&str>, address: Option<&str>) -> Trigger {
    Trigger::CloudTrailEvent {
        event_id: "e-1".to_owned(),
        event_name: name.to_owned(),
        occurred_at: "2026-01-02T03:04:05Z".parse().unwrap(),
        category,
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
        "UpdateFunctionCode by assumed-role/ci-deploy from 203.0.113.66; since the record of the known good \
         differs: code (3 files); also different since the record: 1 environment name and the role. Critical, high confidence: Credentials are read and sent away (and 1 more finding)"
    );
    assert_eq!(verdict.severity, Severity::Critical);
    assert_eq!(verdict.changed[0], "Code added");
    assert_eq!(
        verdict.by.as_deref(),
        Some("arn:aws:sts::111122223333:assumed-role/ci-deploy/build-7")
    );
}

#[test]
fn a_call_that_left_no_difference_is_still_told_and_at_most_medium() {
    for (changes, more) in [
        (vec![], ""),
        (
            vec![change(ChangeKind::Tracing, Severity::Info)],
            "; also different since the record: tracing",
        ),
    ] {
        let undone = verdict(&deployer(), &billing(), &compared(&changes, 0), &[], false);
        assert_eq!(
            undone.line,
            format!(
                "UpdateFunctionCode by assumed-role/ci-deploy from 203.0.113.66 left no difference: undone \
                 since, or of a kind that a record does not hold{more}. Medium, low confidence: nothing was found"
            )
        );
        let expected = verdict(&deployer(), &billing(), &compared(&changes, 0), &[], true);
        assert_eq!(
            (expected.severity, expected.confidence),
            (Severity::Info, Confidence::Low)
        );
    }
}

#[test]
fn deleted_logs_keep_the_severity_of_the_call() {
    let call = call("DeleteLogStream", Category::AntiForensics, None, None);
    let found = verdict(&call, &billing(), &compared(&[], 0), &[], false);
    assert_eq!(
        (found.severity, found.confidence),
        (Severity::High, Confidence::Low)
    );
    assert!(
        found.line.starts_with("DeleteLogStream by "),
        "{}",
        found.line
    );
}

#[test]
fn nothing_different_is_said_to_the_person_who_asked() {
    let person = Trigger::Person {
        request_id: "q".to_owned(),
        reason: "looks odd".to_owned(),
        occurred_at: "2026-01-02T03:04:05Z".parse().unwrap(),
    };
    let verdict = verdict(&person, &billing(), &compared(&[], 0), &[], false);
    assert_eq!(
        verdict.line,
        "A person asked, no event names who did it; nothing about billing differs from the record of the \
         known good. Info, high confidence: nothing was found"
    );
}

#[test]
fn what_the_call_cannot_have_done_is_told_apart_and_is_not_expected() {
    let changes = [
        change(ChangeKind::Code, Severity::Medium),
        change(ChangeKind::ResourcePolicy, Severity::Medium),
    ];
    let verdict = verdict(&deployer(), &billing(), &compared(&changes, 2), &[], true);
    assert_eq!(
        verdict.line,
        "UpdateFunctionCode by assumed-role/ci-deploy from 203.0.113.66; since the record of the known good \
         differs: code (2 files); also different since the record: who may call. Medium, low confidence \
         (expected of this deployer): nothing was found"
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
        "UpdateFunctionCode by assumed-role/ci-deploy from 203.0.113.66; there is no record of billing as it \
         was known to be good. High, low confidence: A reverse shell"
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
    let foreign = call(
        "UpdateFunctionConfiguration20150331v2",
        Category::Configuration,
        Some("arn:aws:iam::999999999999:user/mallory"),
        Some("198.51.100.1"),
    );
    let verdict = verdict(&foreign, &billing(), &compared(&changes, 0), &[], false);
    assert_eq!(
        verdict.line,
        "UpdateFunctionConfiguration by user/mallory of account 999999999999 from 198.51.100.1; since the \
         record of the known good differs: the handler. Medium, low confidence: nothing was found"
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

#[test]
fn a_worker_is_spoken_of_as_one() {
    let person = Trigger::Person {
        request_id: "q".to_owned(),
        reason: "looks odd".to_owned(),
        occurred_at: "2026-01-02T03:04:05Z".parse().unwrap(),
    };
    let worker = Target::parse(crate::canned::WORKER).unwrap();
    let line = |compared: &Compared<'_>| verdict(&person, &worker, compared, &[], false).line;
    assert_eq!(
        line(&Compared::default()),
        "A person asked, no event names who did it; there is no record of the Worker billing-api as it was \
         known to be good. Info, low confidence: nothing was found"
    );
    assert_eq!(
        line(&compared(&[], 0)),
        "A person asked, no event names who did it; nothing about the Worker billing-api differs from the \
         record of the known good. Info, high confidence: nothing was found"
    );
    let changes = [
        change(ChangeKind::Code, Severity::Medium),
        change(ChangeKind::Environment, Severity::Medium),
        change(ChangeKind::Environment, Severity::Low),
        change(ChangeKind::FunctionUrl, Severity::Medium),
        change(ChangeKind::Alias, Severity::Low),
    ];
    assert_eq!(
        line(&compared(&changes, 1)),
        "A person asked, no event names who did it; since the record of the known good differ: code (1 file), \
         2 bindings, addresses and which version answers. Medium, low confidence: nothing was found"
    );
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
        prop_assert!(verdict.line.contains("High, high confidence"), "{:?}", verdict.line);
    }
}
