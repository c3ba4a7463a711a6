//! One order across sources, bounded, whatever the exhibits hold.

use super::*;
use crate::canned::{Draft as Written, Recording, at, trail_record};
use crate::evidence::Pieces;
use ::evidence::{Confidence, Request, SealedCase, Severity};
use flate2::read::MultiGzDecoder;
use serde_json::json;
use std::io::Read as _;
use std::sync::Arc;
use std::time::Duration;

async fn drawn(vault: &Arc<Recording>, sealed: &SealedCase) -> (Vec<Entry>, Drawn) {
    let scratch = tempfile::tempdir().unwrap();
    let case = Case::read(&**vault, &sealed.manifest().case_id)
        .await
        .unwrap()
        .unwrap();
    let pieces = Pieces::of(&**vault, case.first()).await.unwrap();
    let findings = [Finding {
        rule: "reverse-shell".to_owned(),
        statement: "app.py connects a shell to 198.51.100.9".to_owned(),
        severity: Severity::Critical,
        confidence: Confidence::High,
        technique: None,
        advice: None,
        proof: Vec::new(),
    }];
    let drawing = Drawing {
        vault: &**vault,
        case: &case,
        pieces: &pieces.pieces,
        findings: &findings,
        baseline: Some((
            at("2026-11-22T01:00:00Z"),
            "the function was recorded as good",
            "baselines/x/000001.json".to_owned(),
        )),
        scratch: scratch.path(),
        now: at("2026-11-23T06:00:00Z"),
        deadline: Instant::now() + Duration::from_secs(60),
        most: 2_000,
    };
    let mut exhibits = Exhibits {
        vault: Arc::clone(vault) as Arc<dyn Vault>,
        case: sealed.manifest().case_id.clone(),
        pass: "first".to_owned(),
        execution: None,
        clock: Arc::new(|| at("2026-11-23T06:00:00Z")),
        kept: Vec::new(),
        left_out: Vec::new(),
    };
    let drawn = drawing.keep(&mut exhibits).await.unwrap();
    let mut text = String::new();
    for exhibit in &exhibits.kept {
        let bytes = vault.get(&exhibit.key).await.unwrap();
        MultiGzDecoder::new(&bytes[..])
            .read_to_string(&mut text)
            .unwrap();
    }
    let entries = text.lines().map(|line| serde_json::from_str(line).unwrap());
    (entries.collect(), drawn)
}

fn invocation(at: &str, id: u32) -> String {
    json!({"request_id": format!("{id:08}-0000-0000-0000-000000000000"), "version": "$LATEST",
           "started_at": at, "duration_ms": 12.4, "status": "success", "cold_start": true,
           "first_line_at": at, "last_line_at": at})
    .to_string()
}

#[tokio::test]
async fn every_source_is_in_one_order_with_where_it_is_from() {
    let vault = Arc::new(Recording::default());
    let case = Written::open(&vault)
        .reply(
            ArtifactKind::Configuration,
            "lambda:GetFunctionConfiguration",
            json!({"FunctionName": "billing", "Version": "$LATEST", "CodeSha256": "abc",
                   "LastModified": "2026-11-23T03:15:01.250+0000"}),
        )
        .await
        .seal("2026-11-23T03:15:10Z")
        .await;
    let logs = Request::one(ArtifactKind::ExecutionLogs, "/aws/lambda/billing");
    Written::amend(&vault, &case)
        .lines(
            Request::whole(ArtifactKind::AuditEvents),
            "audit-events-first-0001",
            &[
                trail_record(
                    "2026-11-23T03:14:00Z",
                    1,
                    "lambda",
                    "GetFunction20150331v2",
                    "mallory",
                ),
                trail_record(
                    "2026-11-23T03:15:01Z",
                    2,
                    "lambda",
                    "UpdateFunctionCode20150331v2",
                    "mallory",
                ),
            ],
        )
        .await
        .lines(
            Request::whole(ArtifactKind::RoleActivity),
            "role-activity-first-0001",
            &[
                trail_record(
                    "2026-11-23T03:15:01Z",
                    2,
                    "lambda",
                    "UpdateFunctionCode20150331v2",
                    "mallory",
                ),
                trail_record("2026-11-23T03:20:00Z", 3, "s3", "ListBuckets", "role"),
            ],
        )
        .await
        .lines(
            logs.clone(),
            "execution-logs-aws-lambda-billing-first-invocations-0001",
            &[invocation("2026-11-23T03:16:00Z", 1)],
        )
        .await
        .lines(
            logs,
            "execution-logs-aws-lambda-billing-first-0001",
            &["{\"message\": \"a line\", \"timestamp\": 1}".to_owned()],
        )
        .await
        .seal("2026-11-23T05:10:00Z")
        .await;
    let (entries, drawn) = drawn(&vault, &case).await;
    assert_eq!(
        (drawn.entries, &drawn.left_out),
        (entries.len() as u64, &Vec::new())
    );
    assert!(entries.is_sorted_by_key(|entry| (entry.occurred_at, entry.source)));
    let told: Vec<String> = entries
        .iter()
        .filter(|entry| !matches!(entry.source, Source::Custody | Source::Acquisition))
        .map(|entry| {
            format!(
                "{} {:?} {} | {} {} | {}:{} | {:?}",
                entry.occurred_at,
                entry.source,
                entry.what,
                entry.who.as_deref().unwrap_or("-"),
                entry.from.as_deref().unwrap_or("-"),
                entry.exhibit.as_deref().unwrap_or("-"),
                entry.line.unwrap_or_default(),
                entry.severity,
            )
        })
        .collect();
    assert_eq!(
        told,
        [
            "2026-11-22T01:00:00Z Baseline the function was recorded as good | - - | baselines/x/000001.json:0 | None",
            "2026-11-23T03:14:00Z AuditEvents lambda:GetFunction billing | arn:aws:iam::111122223333:user/mallory 198.51.100.7 | audit-events-first-0001:1 | None",
            "2026-11-23T03:15:01Z Trigger UpdateFunctionCode20150331v2 on billing | arn:aws:iam::111122223333:user/mallory 198.51.100.7 | -:0 | Some(High)",
            "2026-11-23T03:15:01Z AuditEvents lambda:UpdateFunctionCode billing | arn:aws:iam::111122223333:user/mallory 198.51.100.7 | audit-events-first-0001:2 | Some(High)",
            "2026-11-23T03:15:01.25Z Deployment $LATEST was last changed, code abc | - - | configuration:0 | None",
            "2026-11-23T03:16:00Z Invocation invocation 00000001-0000-0000-0000-000000000000 of $LATEST: success after 12 ms, a new environment | - - | execution-logs-aws-lambda-billing-first-invocations-0001:1 | None",
            "2026-11-23T03:20:00Z RoleActivity s3:ListBuckets | arn:aws:iam::111122223333:user/role 198.51.100.7 | role-activity-first-0001:2 | None",
            "2026-11-23T06:00:00Z Finding reverse-shell: app.py connects a shell to 198.51.100.9 | - - | -:0 | Some(Critical)",
        ]
    );
    let of = |source| {
        entries
            .iter()
            .filter(|entry| entry.source == source)
            .count()
    };
    // Opened, two of tracing, two of evidence acquired, two of sealed.
    assert_eq!((of(Source::Custody), of(Source::Acquisition)), (7, 5));
}

#[tokio::test]
async fn what_an_attacker_wrote_is_bounded_and_shown_for_what_it_is() {
    let vault = Arc::new(Recording::default());
    let case = Written::open(&vault).seal("2026-11-23T03:15:10Z").await;
    let hostile = json!({"request_id": "x\u{202e}\n\u{1b}[2J", "version": "v".repeat(10_000),
                         "started_at": "2026-11-23T03:16:00Z", "status": "success",
                         "error": "e".repeat(100_000)});
    let mut deep = "[".repeat(100_000);
    deep.push_str(&"]".repeat(100_000));
    Written::amend(&vault, &case)
        .lines(
            Request::one(ArtifactKind::ExecutionLogs, "x"),
            "execution-logs-x-first-invocations-0001",
            &[
                hostile.to_string(),
                deep,
                "no json".to_owned(),
                "{}".to_owned(),
                "x".repeat(2_000_000),
            ],
        )
        .await
        .seal("2026-11-23T05:10:00Z")
        .await;
    let (entries, drawn) = drawn(&vault, &case).await;
    let invocations: Vec<&Entry> = entries
        .iter()
        .filter(|entry| entry.source == Source::Invocation)
        .collect();
    assert_eq!(invocations.len(), 1);
    assert!(invocations[0].what.chars().count() <= Entry::LONGEST);
    assert!(!invocations[0].what.chars().any(::evidence::is_hidden));
    assert_eq!(
        drawn.left_out,
        ["the timeline: 4 lines of invocations that have no time, are too long or no JSON"]
    );
}

#[tokio::test]
async fn an_altered_exhibit_is_a_critical_finding_and_not_told() {
    let vault = Arc::new(Recording::default());
    let case = Written::open(&vault).seal("2026-11-23T03:15:10Z").await;
    let addendum = Written::amend(&vault, &case)
        .lines(
            Request::whole(ArtifactKind::AuditEvents),
            "audit-events-first-0001",
            &[trail_record(
                "2026-11-23T03:14:00Z",
                1,
                "lambda",
                "Invoke",
                "mallory",
            )],
        )
        .await
        .seal("2026-11-23T05:10:00Z")
        .await;
    let key = addendum.manifest().exhibits().next().unwrap().key.clone();
    vault.alter(&key, "something else");
    let (entries, drawn) = drawn(&vault, &case).await;
    assert!(
        !entries
            .iter()
            .any(|entry| entry.source == Source::AuditEvents)
    );
    assert_eq!(drawn.findings.len(), 1);
    assert_eq!(drawn.findings[0].severity, Severity::Critical);
    assert_eq!(drawn.left_out.len(), 1);
}

/// Whoever can invoke the function a million times does not push out what the trail says.
#[tokio::test]
async fn a_flood_of_one_source_is_cut_told_and_costs_the_others_nothing() {
    let vault = Arc::new(Recording::default());
    let case = Written::open(&vault).seal("2026-11-23T03:15:10Z").await;
    let mut addendum = Written::amend(&vault, &case);
    for part in 0..5_u32 {
        let rows: Vec<String> = (0..500)
            .map(|n| invocation("2026-11-23T03:16:00Z", part * 500 + n))
            .collect();
        addendum = addendum
            .lines(
                Request::one(ArtifactKind::ExecutionLogs, "x"),
                &format!("execution-logs-x-first-invocations-{part:04}"),
                &rows,
            )
            .await;
    }
    addendum
        .lines(
            Request::whole(ArtifactKind::AuditEvents),
            "audit-events-first-0001",
            &[trail_record(
                "2026-11-23T04:00:00Z",
                1,
                "lambda",
                "DeleteFunction20150331",
                "mallory",
            )],
        )
        .await
        .seal("2026-11-23T05:10:00Z")
        .await;
    let (entries, drawn) = drawn(&vault, &case).await;
    let of = |source| {
        entries
            .iter()
            .filter(|entry| entry.source == source)
            .count()
    };
    assert_eq!(of(Source::Invocation), 2_000);
    assert_eq!(of(Source::AuditEvents), 1);
    assert_eq!(
        drawn.left_out,
        ["the timeline: 500 entries of invocations beyond the first 2000"]
    );
}
