//! A change of a role opens one case for every function that runs under it, wherever it is.

use crate::contents::{assert_whole, content, event_id, judged};
use crate::noise::two_regions;
use aws_sdk_lambda::types::{FunctionCode, Runtime, State};
use coldcase_tests::{package, package_bytes, policy, unique};
use evidence::{ArtifactKind, Category, Request, Severity, Sha256Digest};
use std::collections::BTreeSet;

#[tokio::test]
async fn a_role_change_opens_one_case_for_each_function_in_every_region() {
    let account = two_regions();
    let iam = account.iam().await;
    let role_name = unique("shared-role");
    let trust = serde_json::json!({"Version": "2012-10-17", "Statement": [{"Effect": "Allow",
        "Principal": {"Service": "lambda.amazonaws.com"}, "Action": "sts:AssumeRole"}]});
    let made = iam
        .create_role()
        .role_name(&role_name)
        .path("/team/billing/")
        .assume_role_policy_document(trust.to_string())
        .send()
        .await
        .unwrap();
    let role = made.role().unwrap().arn().to_owned();
    assert!(role.contains(":role/team/billing/"), "{role}");

    // Three at home, one abroad, and one in a Region that the stack does not look into.
    let mut functions = Vec::new();
    for (region, number) in [
        ("us-east-1", 1),
        ("us-east-1", 2),
        ("us-east-1", 3),
        ("eu-west-1", 4),
        ("ap-south-1", 5),
    ] {
        let lambda = aws_sdk_lambda::Client::new(&account.config_in(region).await);
        let name = unique("under-role");
        lambda
            .create_function()
            .function_name(&name)
            .runtime(Runtime::Python312)
            .handler("app.handler")
            .role(&role)
            .code(
                FunctionCode::builder()
                    .zip_file(package(&format!("number {number}")))
                    .build(),
            )
            .send()
            .await
            .unwrap();
        let (lambda, watched) = (&lambda, &name);
        account
            .until("an active function", || async {
                let now = lambda.get_function_configuration().function_name(watched);
                let now = now.send().await.unwrap();
                (now.state() == Some(&State::Active)).then_some(())
            })
            .await;
        functions.push((region, name, package_bytes(&format!("number {number}"))));
    }
    let (_, unwatched, _) = functions.pop().unwrap();

    iam.put_role_policy()
        .role_name(&role_name)
        .policy_name("everything")
        .policy_document(policy(&["*"]))
        .send()
        .await
        .unwrap();

    let mut events = BTreeSet::new();
    let mut ids = BTreeSet::new();
    for (region, name, bytes) in &functions {
        let case = account.case_of(name, "PutRolePolicy").await;
        assert_eq!(case.manifest().target.region, *region);
        let expected = (Category::Role, Severity::High, "T1098.003");
        assert_eq!(judged(&case), expected);
        assert_whole(account, &case).await;
        let code = content(&case, &Request::whole(ArtifactKind::FunctionCode));
        assert_eq!(code.sha256, Sha256Digest::of(bytes));
        let role = Request::one(ArtifactKind::ExecutionRole, &role);
        let role = crate::contents::document(account, &case, &role).await;
        let allowed = &crate::contents::note(&role, "inline policy everything")["Statement"];
        assert_eq!(allowed[0]["Action"][0], "*");
        events.insert(event_id(&case).to_owned());
        ids.insert(case.manifest().case_id.clone());
    }
    assert_eq!((events.len(), ids.len()), (1, 4), "one event, four cases");

    account.quiet().await;
    let trail = account.page("trail");
    let event = events.first().unwrap();
    assert!(trail.iter().any(|record| record["eventID"] == **event));
    assert!(account.cases_about(&unwatched).await.is_empty());
    assert!(account.cases_about(&role_name).await.is_empty());
}
