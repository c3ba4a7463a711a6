//! Each category of event opens the right cases; noise opens none.

use coldcase_tests::Account;
use evidence::{ArtifactKind, Category, Outcome, SealedCase, Trigger};

fn category(case: &SealedCase) -> Category {
    match &case.manifest().trigger {
        Trigger::CloudTrailEvent { category, .. } => *category,
        Trigger::Person { .. } => panic!("not an event's case"),
    }
}

fn outcome(case: &SealedCase, artifact: ArtifactKind) -> &Outcome {
    &case
        .manifest()
        .acquisitions
        .iter()
        .find(|acquisition| acquisition.request.artifact == artifact)
        .unwrap_or_else(|| panic!("{artifact:?} was not asked for"))
        .result
}

#[tokio::test]
async fn overwritten_code_ends_in_a_sealed_case_that_holds_the_new_code() {
    let account = Account::shared();
    let victim = account.victim("code").await;
    account.tamper(&victim.name).await;
    let case = account.case_of(&victim.name, "UpdateFunctionCode").await;
    assert_eq!(category(&case), Category::Code);
    let id = &case.manifest().case_id;
    let report = account.check(id).await;
    assert!(report.is_sound(), "{report:?}");
    let now = account
        .lambda()
        .await
        .get_function_configuration()
        .function_name(&victim.name)
        .send()
        .await
        .unwrap();
    let code = case
        .manifest()
        .exhibits()
        .find(|exhibit| exhibit.name == "function-code.zip")
        .expect("the code is an exhibit");
    assert_eq!(Some(code.sha256.to_base64().as_str()), now.code_sha256());
    assert!(case.manifest().findings.is_empty(), "{case:?}");
    for acquisition in &case.manifest().acquisitions {
        assert!(
            matches!(
                acquisition.result,
                Outcome::Acquired | Outcome::Absent { .. }
            ),
            "{acquisition:?}"
        );
    }
}
