//! What reports of specimens say, and what they must never hold.

#![allow(clippy::unwrap_used)]

use report::Report;
use specimen::{BREAKS, SECRET, Specimen};
use std::sync::Arc;
use vault::{LocalSigner, MemoryVault, SMALL_BYTES};

async fn sealed(specimen: Specimen) -> (Arc<MemoryVault>, evidence::CaseId) {
    let vault = Arc::new(MemoryVault::default());
    let folder = tempfile::tempdir().unwrap();
    let signer = Arc::new(LocalSigner::in_file(folder.path().join("key.pem")).unwrap());
    let id = specimen.seal(Arc::clone(&vault) as _, signer).await;
    (vault, id.unwrap())
}

async fn report(specimen: Specimen) -> Report {
    let (vault, id) = sealed(specimen).await;
    Report::read(&*vault, &id).await.unwrap().unwrap()
}

fn all(report: &Report) -> [String; 3] {
    let (mut html, mut markdown, mut json) = (Vec::new(), Vec::new(), Vec::new());
    report.html(&mut html).unwrap();
    report.markdown(&mut markdown).unwrap();
    report.json(&mut json).unwrap();
    [html, markdown, json].map(|bytes| {
        assert!(bytes.len() < SMALL_BYTES, "{} bytes", bytes.len());
        String::from_utf8(bytes).unwrap()
    })
}

#[tokio::test]
async fn every_part_of_an_investigated_case_is_told() {
    let report = report(Specimen::new()).await;
    assert!(!report.verdict.as_ref().unwrap().expected);
    assert_eq!(report.sequence, 4);
    assert_eq!(report.glance.name, "billing");

    let timeline = &report.timeline;
    assert_eq!(timeline.told as usize, timeline.items.len());
    assert!(timeline.gaps.is_empty(), "{:?}", timeline.gaps);

    let differences = report.differences.as_ref().unwrap();
    assert!(!differences.settings.is_empty());
    assert!(differences.gaps.is_empty(), "{:?}", differences.gaps);
    let part = differences.parts.first().unwrap();
    assert!(!part.files.is_empty());
    assert!(part.texts.iter().any(|text| !text.lines.is_empty()));

    let activity = report.role_activity.as_ref().unwrap();
    assert!(activity.calls > 0 && !activity.marks.is_empty());
    assert!(activity.gaps.is_empty(), "{:?}", activity.gaps);
    let services: u64 = activity.services.iter().map(|it| it.calls).sum();
    assert_eq!(services, activity.calls);
    let columns = activity.services.iter().flat_map(|it| &it.over_time);
    assert_eq!(
        columns.map(|[calls, _]| *calls).sum::<u64>(),
        activity.calls
    );
    let mut nodes = activity.callers.nodes.iter();
    assert!(nodes.any(|node| node.is_of_trigger));

    let invocations = report.invocations.as_ref().unwrap();
    let columns = invocations.over_time.iter().map(|column| column[0]);
    assert_eq!(columns.sum::<u64>(), invocations.invocations);

    let links = &report.chain.links;
    assert_eq!(links.len(), 5);
    assert!(links.iter().all(|it| it.follows && it.key_id.is_some()));
    let findings = report.findings.findings.iter();
    let severities = findings.map(|it| it.finding.severity);
    assert!(severities.is_sorted_by(|a, b| a >= b));
}

#[tokio::test]
async fn the_same_case_gives_the_same_bytes() {
    let (vault, id) = sealed(Specimen::new()).await;
    let mut told = Vec::new();
    for _ in 0..2 {
        let report = Report::read(&*vault, &id).await.unwrap().unwrap();
        told.push(all(&report));
    }
    assert_eq!(told[0], told[1]);
}

#[tokio::test]
async fn a_hostile_case_stays_text_and_no_report_holds_a_variables_value() {
    let report = report(Specimen::new().hostile()).await;
    let [html, markdown, json] = all(&report);
    for text in [&html, &markdown, &json] {
        let is_hidden = |c: char| c != '\n' && evidence::is_hidden(c);
        assert!(!text.chars().any(is_hidden));
        assert!(!text.contains(SECRET));
    }
    assert!(BREAKS.contains(&"<img "));
    assert!(!html.contains("<img "));
    // The data and our own script.
    assert_eq!(html.matches("<script").count(), 2);
    assert_eq!(html.matches("</script").count(), 2);
    let outside_of_fences = markdown.split("\n```").step_by(2);
    for text in outside_of_fences {
        assert!(!text.contains("<script>") && !text.contains("<img "));
    }
}

#[tokio::test]
async fn a_case_that_is_only_sealed_says_what_is_not_known_yet() {
    let report = report(Specimen::new().only_sealed()).await;
    assert!(report.verdict.is_none() && report.differences.is_none());
    let mut items = report.timeline.items.iter();
    assert!(items.any(|item| item.source == evidence::TimelineSource::Trigger));
    let [html, markdown, _] = all(&report);
    assert!(html.contains("Not examined yet"));
    assert!(markdown.contains("not examined yet"));
}
