//! The case as people read it, written beside the evidence.

#![allow(clippy::unwrap_used)]

use aws_config::{BehaviorVersion, SdkConfig};
use collectors::Clouds;
use collectors::aws::Regions;
use evidence::{CaseId, keys};
use function::Attempt;
use investigate::{Investigator, Order, Settings};
use jiff::Timestamp;
use serde_json::{Value, json};
use specimen::Specimen;
use std::sync::Arc;
use std::time::Duration;
use tokio::time::Instant;
use vault::{LocalSigner, MemoryVault, Vault as _};

const SETTINGS: &[(&str, &str)] = &[
    ("AWS_LAMBDA_FUNCTION_NAME", "coldcase-investigate"),
    ("AWS_REGION", "eu-west-1"),
    ("COLDCASE_ACCOUNT", "111122223333"),
    ("COLDCASE_REGIONS", "eu-west-1"),
    ("COLDCASE_BUCKET", "vault"),
    ("COLDCASE_LOCK_MODE", "GOVERNANCE"),
    ("COLDCASE_LOCK_DAYS", "1"),
    ("COLDCASE_SIGNING_KEY", "key"),
    ("COLDCASE_SETTLE_SECONDS", "0"),
    ("COLDCASE_LATE_SECONDS", "0"),
    ("COLDCASE_WINDOW_SECONDS", "3600"),
    ("COLDCASE_BASELINE_SECONDS", "0"),
    ("COLDCASE_TRAIL_LIMIT_BYTES", "1"),
];

async fn ask(
    vault: &Arc<MemoryVault>,
    case: &CaseId,
) -> Result<Value, investigate::InvestigateError> {
    let settings = SETTINGS
        .iter()
        .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
    let config = SdkConfig::builder()
        .behavior_version(BehaviorVersion::latest())
        .build();
    let investigator = Investigator {
        vault: vault.clone(),
        signer: Arc::new(LocalSigner::ephemeral().unwrap()),
        clock: Arc::new(Timestamp::now),
        clouds: Clouds::of_aws(Regions::new(&config, &["eu-west-1".to_owned()])),
        pace: Arc::default(),
        settings: Settings::from_env(settings).unwrap(),
    };
    let attempt = Attempt {
        id: "one".to_owned(),
        deadline: Instant::now() + Duration::from_secs(60),
    };
    let order = Order::read(json!({ "report": case })).unwrap();
    investigator.carry_out(order, &attempt).await
}

#[tokio::test]
async fn a_case_is_written_down_for_people_once_and_stays_as_it_was_written() {
    let vault = Arc::new(MemoryVault::new());
    let signer = Arc::new(LocalSigner::ephemeral().unwrap());
    let case = Specimen::new().seal(vault.clone(), signer).await.unwrap();
    let first = ask(&vault, &case).await.unwrap();
    let sequence = u32::try_from(first["sequence"].as_u64().unwrap()).unwrap();
    assert!(vault.holds(&keys::envelope(&case, sequence)).await.unwrap());
    assert!(
        !vault
            .holds(&keys::envelope(&case, sequence + 1))
            .await
            .unwrap()
    );
    let mut pages = Vec::new();
    for extension in ["html", "md", "json"] {
        let page = vault
            .get(&keys::report(&case, sequence, extension))
            .await
            .unwrap();
        assert!(
            String::from_utf8_lossy(&page).contains(&case.to_string()),
            "{extension}"
        );
        pages.push(page);
    }
    assert_eq!(ask(&vault, &case).await.unwrap(), first);
    for (extension, page) in ["html", "md", "json"].iter().zip(pages) {
        let now = vault
            .get(&keys::report(&case, sequence, extension))
            .await
            .unwrap();
        assert_eq!(now, page, "{extension}");
    }
    assert_eq!(first["left_out"], json!([]));
}

#[tokio::test]
async fn of_a_case_that_is_not_there_nothing_is_written() {
    let vault = Arc::new(MemoryVault::new());
    let case = "20260102T030405Z-billing-0123456789abcdef".parse().unwrap();
    let error = ask(&vault, &case).await.unwrap_err();
    assert_eq!(error.name(), "NoCase");
    assert!(vault.list("", 10).await.unwrap().is_empty());
}
