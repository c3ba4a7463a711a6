//! `coldcase verify`, `export` and `import` of what the deployed functions sealed: with the stack's key and
//! the bucket's locks, out of the account and into another bucket.

use coldcase_tests::{Account, desk, fits_schema};
use serde_json::Value;

/// What a command answered, and its exit code.
fn said(account: &Account, args: &[&str]) -> (Value, Option<i32>) {
    let output = desk(account).args(args).arg("--json").output().unwrap();
    let error = String::from_utf8_lossy(&output.stderr);
    let document = serde_json::from_slice(&output.stdout);
    let document = document.unwrap_or_else(|_| panic!("{args:?}: {error}"));
    (document, output.status.code())
}

#[tokio::test(flavor = "multi_thread")]
async fn what_the_stack_sealed_verifies_with_its_key_and_locks_and_moves_elsewhere() {
    let account = Account::shared();
    let victim = account.victim("verified").await;
    let case = account.case_of(&victim.name, "CreateFunction").await;
    let id = case.manifest().case_id.as_str();

    let (verified, code) = said(account, &["verify", id]);
    fits_schema("verify", &verified);
    assert_eq!(code, Some(0), "{verified:#}");
    let found = &verified["cases"][0];
    assert_eq!(found["trusted_key"], "the stack's key in KMS");
    assert_eq!(found["locks"]["locked"], found["locks"]["objects"]);
    assert_eq!(found["locks"]["modes"], serde_json::json!(["GOVERNANCE"]));

    let folder = tempfile::tempdir().unwrap();
    let bag = folder.path().join("bag.zip");
    let bag = bag.to_str().unwrap();
    let (exported, code) = said(account, &["export", id, "--to", bag]);
    fits_schema("export", &exported);
    assert_eq!(code, Some(0), "{exported:#}");
    assert!(
        exported["exported_by"]
            .as_str()
            .unwrap()
            .starts_with("arn:aws:")
    );
    // The key by its name in KMS, not from the bag.
    let key = account.output("SigningKeyArn");
    let (verified, code) = said(account, &["verify", bag, "--key-id", &key]);
    assert_eq!(code, Some(0), "{verified:#}");
    let other_key = account.output("BucketKeyArn");
    let other = desk(account)
        .args(["verify", bag, "--key-id", &other_key])
        .output()
        .unwrap();
    assert_eq!(
        other.status.code(),
        Some(3),
        "{}",
        String::from_utf8_lossy(&other.stderr)
    );

    // A bucket of the responder's own, with locks.
    let bucket = "coldcase-verified-elsewhere";
    let place = format!("s3://{bucket}");
    account
        .s3()
        .await
        .create_bucket()
        .bucket(bucket)
        .object_lock_enabled_for_bucket(true)
        .send()
        .await
        .unwrap();
    let imported = desk(account)
        .args(["import", bag, "--vault", &place, "--key-id", &key, "--json"])
        .output()
        .unwrap();
    let error = String::from_utf8_lossy(&imported.stderr);
    let imported: Value =
        serde_json::from_slice(&imported.stdout).unwrap_or_else(|_| panic!("{error}"));
    fits_schema("import", &imported);
    assert_eq!(imported["is_sound"], true, "{imported:#}");
    let (verified, code) = said(account, &["verify", id, "--vault", &place]);
    assert_eq!(code, Some(0), "{verified:#}");
    let found = &verified["cases"][0];
    assert_eq!(found["locks"]["locked"], found["locks"]["objects"]);
    assert_eq!(found["trusted_key"], Value::Null);

    // Somebody writes over an exhibit: it is another version, and it is named.
    let exhibit = case.manifest().exhibits().next().unwrap();
    let put = account
        .s3()
        .await
        .put_object()
        .bucket(bucket)
        .key(&exhibit.key);
    put.body(b"other".to_vec().into()).send().await.unwrap();
    let (verified, code) = said(account, &["verify", id, "--vault", &place]);
    assert_eq!(code, Some(1));
    let lines = verified["cases"][0]["checked"].as_array().unwrap().iter();
    let bad: Vec<_> = lines.filter(|line| line["result"] == "bad").collect();
    assert_eq!(bad.len(), 1, "{bad:#?}");
    assert_eq!(bad[0]["file"], exhibit.key.as_str());
}
