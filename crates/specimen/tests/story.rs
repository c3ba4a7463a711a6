//! That a specimen is what it says: a sealed, sound case with everything that the commands show.

#![allow(clippy::unwrap_used, reason = "what a test cannot read, fails it")]

use evidence::{ArtifactKind, CaseId, CustodyAction, Exhibit, Outcome, Severity};
use flate2::read::MultiGzDecoder;
use specimen::{BREAKS, SECRET, Specimen};
use std::collections::BTreeSet;
use std::io::Read as _;
use std::sync::Arc;
use vault::{Case, LocalSigner, MemoryVault, Signer as _, Vault};

struct Read {
    vault: Arc<MemoryVault>,
    id: CaseId,
    case: Case,
    pem: String,
}

async fn seal(specimen: Specimen) -> Read {
    let vault = Arc::new(MemoryVault::new());
    let signer = Arc::new(LocalSigner::ephemeral().unwrap());
    let pem = signer.public_key_pem().await.unwrap();
    let id = specimen.seal(vault.clone(), signer).await.unwrap();
    let case = Case::read(&*vault, &id).await.unwrap().unwrap();
    Read {
        vault,
        id,
        case,
        pem,
    }
}

impl Read {
    fn exhibits(&self) -> impl Iterator<Item = &Exhibit> {
        self.case
            .manifests
            .iter()
            .flat_map(|manifest| manifest.exhibits())
    }

    /// The lines of every part of an exhibit, from the last addendum that has it.
    async fn lines(&self, name: &str) -> Vec<String> {
        let mut text = String::new();
        for exhibit in self
            .exhibits()
            .filter(|exhibit| exhibit.name.starts_with(name))
        {
            let bytes = self.vault.get(&exhibit.key).await.unwrap();
            MultiGzDecoder::new(&*bytes)
                .read_to_string(&mut text)
                .unwrap();
        }
        text.lines().map(str::to_owned).collect()
    }
}

#[tokio::test]
async fn the_case_is_sound_and_has_its_four_addenda() {
    let read = seal(Specimen::new()).await;
    let report = vault::check(&*read.vault, &read.id, Some(&read.pem)).await;
    assert!(report.is_sound(), "{report}");
    assert!(read.case.findings.is_empty());
    let manifests = &read.case.manifests;
    assert_eq!(manifests.len(), 5);
    let says = |number: usize, wanted: fn(&CustodyAction) -> bool| {
        manifests[number]
            .custody
            .iter()
            .any(|entry| wanted(&entry.action))
    };
    assert!(says(1, |action| matches!(
        action,
        CustodyAction::TracingTurnedOn { .. }
    )));
    assert!(says(2, |action| matches!(
        action,
        CustodyAction::Examined { .. }
    )));
    assert!(says(3, |action| matches!(
        action,
        CustodyAction::WindowCollected { .. }
    )));
    assert!(says(4, |action| matches!(
        action,
        CustodyAction::Examined { .. }
    )));
    assert!(manifests[2].verdict.is_some());
    let verdict = manifests[4].verdict.as_ref().unwrap();
    assert_eq!(verdict.severity, Severity::Critical);
    assert_eq!(verdict.from.as_deref(), Some("203.0.113.66"));
    assert!(!verdict.expected);
}

#[tokio::test]
async fn every_kind_of_exhibit_is_there_and_outcomes_differ() {
    let read = seal(Specimen::new()).await;
    let names: Vec<&str> = read
        .exhibits()
        .map(|exhibit| exhibit.name.as_str())
        .collect();
    for wanted in [
        "trigger-event",
        "function-code.zip",
        "changes-sealed",
        "difference-sealed",
        "packages-sealed",
        "contents-",
        "components-",
        "timeline-",
        "execution-logs--aws-lambda-billing-9976f56ec3f1-first-0001",
        "execution-logs--aws-lambda-billing-9976f56ec3f1-first-invocations-0001",
        "audit-events-first-0001",
        "role-activity-first-0001",
        "role-activity-first-summary",
        "traces-first-0001",
    ] {
        assert!(
            names.iter().any(|name| name.starts_with(wanted)),
            "no {wanted} in {names:#?}"
        );
    }
    let outcomes: BTreeSet<&str> = read
        .case
        .manifests
        .iter()
        .flat_map(|manifest| &manifest.acquisitions)
        .map(|acquisition| acquisition.result.as_str())
        .collect();
    let wanted = BTreeSet::from(["acquired", "absent", "denied"]);
    assert!(outcomes.is_superset(&wanted), "{outcomes:?}");
    let integrity = read.case.manifests[3]
        .acquisitions
        .iter()
        .find(|acquisition| acquisition.request.artifact == ArtifactKind::TrailIntegrity);
    assert!(matches!(integrity.unwrap().result, Outcome::Denied { .. }));
}

#[tokio::test]
async fn the_story_is_found_credentials_layer_and_role() {
    let read = seal(Specimen::new()).await;
    let findings: BTreeSet<(&str, Severity)> = read
        .case
        .manifests
        .iter()
        .flat_map(|manifest| &manifest.findings)
        .map(|finding| (finding.rule.as_str(), finding.severity))
        .collect();
    for wanted in [
        "credentials-sent-away",
        "foreign-layer",
        "stolen-credentials",
        "role-widened",
        "open-resource-policy",
    ] {
        assert!(
            findings.iter().any(|(rule, _)| rule.contains(wanted)),
            "no {wanted} in {findings:#?}"
        );
    }
    let severities: BTreeSet<Severity> = findings.iter().map(|(_, severity)| *severity).collect();
    assert!(severities.len() >= 3, "{severities:?}");
}

#[tokio::test]
async fn the_timeline_has_as_many_entries_as_wanted() {
    let read = seal(Specimen::new().timeline_entries(3000)).await;
    let lines = read.lines("timeline-0001-first").await;
    assert!(lines.len() >= 3000, "{}", lines.len());
    assert!(lines.len() < 3300, "{}", lines.len());
}

#[tokio::test]
async fn a_hostile_specimen_holds_what_breaks_pages_and_terminals_and_is_sound() {
    let read = seal(Specimen::new().hostile()).await;
    let report = vault::check(&*read.vault, &read.id, Some(&read.pem)).await;
    assert!(report.is_sound(), "{report}");
    let first = serde_json::to_value(read.case.first()).unwrap();
    let principal = first["trigger"]["principal"].as_str().unwrap();
    for broken in BREAKS {
        assert!(principal.contains(broken), "{broken:?}");
    }
}

#[tokio::test]
async fn the_secret_is_in_the_configuration_and_nowhere_else() {
    let read = seal(Specimen::new()).await;
    for exhibit in read.exhibits() {
        let bytes = read.vault.get(&exhibit.key).await.unwrap();
        let holds = bytes
            .windows(SECRET.len())
            .any(|window| window == SECRET.as_bytes());
        assert_eq!(holds, exhibit.name == "configuration", "{}", exhibit.name);
    }
}

#[tokio::test]
async fn a_case_can_end_early_and_others_live_beside_it() {
    let vault = Arc::new(MemoryVault::new());
    let signer = Arc::new(LocalSigner::ephemeral().unwrap());
    let mut ids = BTreeSet::new();
    for (specimen, manifests) in [
        (Specimen::new().only_sealed(), 1),
        (Specimen::new().function("shipping").only_traced(), 2),
        (
            Specimen::new()
                .function("orders")
                .without_baseline()
                .only_examined(),
            3,
        ),
    ] {
        let id = specimen.seal(vault.clone(), signer.clone()).await.unwrap();
        assert_eq!(id, specimen.case_id());
        let case = Case::read(&*vault, &id).await.unwrap().unwrap();
        assert_eq!(case.manifests.len(), manifests);
        ids.insert(id);
    }
    assert_eq!(ids.len(), 3);
}

#[tokio::test]
async fn a_folder_has_the_vault_and_the_public_key_beside_it() {
    let folder = tempfile::tempdir().unwrap();
    let kept = Specimen::new()
        .only_sealed()
        .seal_in(folder.path())
        .await
        .unwrap();
    let pem = std::fs::read_to_string(&kept.public_key).unwrap();
    let report = vault::check(&*kept.vault, &kept.case_id, Some(&pem)).await;
    assert!(report.is_sound(), "{report}");
}
