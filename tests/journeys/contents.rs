//! What a sealed case says and holds, for journeys to look at.

use coldcase_tests::Account;
use evidence::{
    Acquisition, ArtifactKind, Category, CustodyAction, Exhibit, Outcome, Request, SealedCase,
    Severity, Target, Trigger,
};
use serde_json::Value;
use vault::Vault as _;

/// What kind of event opened the case, how bad it is, and under which ATT&CK technique.
pub fn judged(case: &SealedCase) -> (Category, Severity, &str) {
    match &case.manifest().trigger {
        Trigger::CloudTrailEvent {
            category,
            severity,
            technique,
            ..
        } => (*category, *severity, technique),
        Trigger::Person { .. } => panic!("not an event's case"),
    }
}

/// The id of the event that opened the case.
pub fn event_id(case: &SealedCase) -> &str {
    match &case.manifest().trigger {
        Trigger::CloudTrailEvent { event_id, .. } => event_id,
        Trigger::Person { .. } => panic!("not an event's case"),
    }
}

/// A function of the account's own Region.
pub fn function(account: &Account, name: &str, qualifier: Option<&str>) -> Target {
    Target::aws(
        &account.account,
        &account.region,
        evidence::ResourceKind::Function,
        name,
    )
    .qualified(qualifier)
}

/// What came of one request.
pub fn acquisition<'a>(case: &'a SealedCase, request: &Request) -> &'a Acquisition {
    let all = &case.manifest().acquisitions;
    all.iter()
        .find(|acquisition| acquisition.request == *request)
        .unwrap_or_else(|| {
            let asked: Vec<_> = all.iter().map(|one| one.request.to_string()).collect();
            panic!("{request} was not asked for, but {asked:?}")
        })
}

/// The selectors of all requests of one kind, in the manifest's order.
pub fn selectors(case: &SealedCase, artifact: ArtifactKind) -> Vec<Option<&str>> {
    case.manifest()
        .acquisitions
        .iter()
        .filter(|acquisition| acquisition.request.artifact == artifact)
        .map(|acquisition| acquisition.request.selector.as_deref())
        .collect()
}

/// The document that one request left in the vault.
pub async fn document(account: &Account, case: &SealedCase, request: &Request) -> Value {
    let found = acquisition(case, request);
    let exhibit = found
        .exhibits
        .first()
        .unwrap_or_else(|| panic!("{request} left nothing: {:?}", found.result));
    let bytes = account.vault().await.get(&exhibit.key).await.unwrap();
    serde_json::from_slice(&bytes).unwrap()
}

/// The first reply to `call` in a document.
pub fn reply<'a>(document: &'a Value, call: &str) -> &'a Value {
    let replies = document["replies"].as_array().unwrap();
    let found = replies.iter().find(|reply| reply["call"] == call);
    &found.unwrap_or_else(|| panic!("no reply to {call} in {document}"))["reply"]
}

/// What a document notes under `name`.
pub fn note<'a>(document: &'a Value, name: &str) -> &'a Value {
    let replies = document["replies"].as_array().unwrap();
    let found = replies.iter().find(|reply| reply["note"] == name);
    &found.unwrap_or_else(|| panic!("no note {name:?} in {document}"))["value"]
}

/// An exhibit of one request that is content: a package, a layer, an object.
pub fn content<'a>(case: &'a SealedCase, request: &Request) -> &'a Exhibit {
    let found = acquisition(case, request);
    let content = |exhibit: &&Exhibit| exhibit.key.starts_with("content/");
    found
        .exhibits
        .iter()
        .find(content)
        .unwrap_or_else(|| panic!("{request} brought no content: {:?}", found.result))
}

/// The case is sound in every digest and signature; everything asked for is there or does not exist;
/// nothing is found wrong; and the event in it is the account's own record of it, word for word.
pub async fn assert_whole(account: &Account, case: &SealedCase) {
    let manifest = case.manifest();
    let report = account.check(&manifest.case_id).await;
    assert!(report.is_sound(), "{report:?}");
    assert!(manifest.findings.is_empty(), "{:?}", manifest.findings);
    for acquisition in &manifest.acquisitions {
        let answered = matches!(
            acquisition.result,
            Outcome::Acquired | Outcome::Absent { .. }
        );
        assert!(answered, "{acquisition:?}");
    }
    let event = document(account, case, &Request::whole(ArtifactKind::TriggerEvent)).await;
    assert_eq!(
        *note(&event, "record"),
        recorded(account, event_id(case)),
        "the record is kept verbatim"
    );
}

/// The account's own record of an event.
pub fn recorded(account: &Account, event_id: &str) -> Value {
    let records = account.page("trail");
    let found = records
        .into_iter()
        .find(|record| record["eventID"] == event_id);
    found.unwrap_or_else(|| panic!("the account has no record {event_id}"))
}

/// What was done about tracing once the case was sealed.
pub async fn tracing(account: &Account, case: &SealedCase) -> CustodyAction {
    let addendum = account.sealed(&case.manifest().case_id, 1).await.unwrap();
    assert_eq!(
        addendum.manifest().previous_sha256,
        Some(case.manifest_sha256()),
        "the addendum follows the case"
    );
    let custody = &addendum.manifest().custody;
    custody.last().unwrap().action.clone()
}
