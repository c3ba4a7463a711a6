//! Memory does not grow with the evidence: a package of 250 MB with the 128 MB of the template.
#![allow(clippy::unwrap_used, clippy::expect_used)]

use crate::crash::noise;
use crate::delivery::invoke;
use aws_sdk_s3::primitives::ByteStream;
use coldcase_tests::{Account, Victim, package_bytes, unique};
use evidence::Sha256Digest;
use serde_json::json;

/// Lambda's own limit of what a package unpacks to.
const LARGEST: usize = 250 * 1024 * 1024;

/// Has a function of a package of this size sealed; the peak of the responder's memory meanwhile.
async fn peak_kb(account: &Account, size: usize) -> u64 {
    let s3 = account.s3().await;
    let key = format!("{size}.zip");
    let mut zip = package_bytes("large");
    let noise = noise(size - zip.len());
    zip.splice(0..0, noise);
    let sha256 = Sha256Digest::of(&zip);
    let put = s3.put_object().bucket("deploys").key(&key);
    put.body(ByteStream::from(zip)).send().await.unwrap();
    let victim = Victim {
        name: unique("large"),
        role_name: String::new(),
        role: account.role(&unique("large-role"), &[]).await,
    };
    account
        .create(&victim, |create| {
            let code = aws_sdk_lambda::types::FunctionCode::builder();
            create.code(code.s3_bucket("deploys").s3_key(&key).build())
        })
        .await;
    let before = account.page("invocations").len();
    let request = json!({"target": victim.name, "reason": "a test", "tracing": false});
    let answer = invoke(account, &request).await;
    let id = answer[0]["case_id"].as_str().unwrap().parse().unwrap();
    let case = account.sealed(&id, 0).await.unwrap();
    let mut exhibits = case.manifest().exhibits();
    let code = exhibits
        .find(|exhibit| exhibit.name == "function-code.zip")
        .unwrap();
    assert_eq!(code.size_bytes, size as u64);
    assert_eq!(code.sha256, sha256);
    let page = account.page("invocations");
    // What is started by then, to examine the case, has memory of its own.
    let mut invocations = page[before..].to_vec();
    invocations.retain(|line| line["function"] == account.output("FunctionName"));
    assert!(invocations.iter().all(|line| line["outcome"] == "ok"));
    assert!(invocations.iter().all(|line| line["memory_mb"] == 128));
    let peaks = invocations.iter().map(|line| line["peak_rss_kb"].as_u64());
    peaks.max().unwrap().unwrap()
}

#[tokio::test]
async fn a_package_of_250_mb_is_sealed_within_128_mb_of_memory_and_takes_no_more_than_one_of_1_mb()
{
    let account = Account::deployed(&["Tracing=off"]);
    let s3 = account.s3().await;
    s3.create_bucket().bucket("deploys").send().await.unwrap();
    // Only what is asked for here is answered, so that its memory is its own.
    let lambda = account.lambda().await;
    let mappings = lambda.list_event_source_mappings();
    let mappings = mappings.function_name(account.output("FunctionName"));
    for mapping in mappings.send().await.unwrap().event_source_mappings() {
        let update = lambda.update_event_source_mapping().enabled(false);
        update.uuid(mapping.uuid().unwrap()).send().await.unwrap();
    }
    let small = peak_kb(&account, 1024 * 1024).await;
    let large = peak_kb(&account, LARGEST).await;
    assert!(large < 128 * 1024, "{large} KB");
    assert!(large <= small + 16 * 1024, "{small} KB, then {large} KB");
}
