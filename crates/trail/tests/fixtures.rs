//! One fixture a shape, each with what is made of it. Data in, snapshot out.

#![allow(clippy::unwrap_used, reason = "what a test cannot read, fails it")]

use evidence::Target;
use std::path::Path;
use trail::{Classification, Scope, classify, to_trigger, unwrap};

/// The responder in the fixtures.
fn coldcase() -> Scope {
    let own = [
        "arn:aws:lambda:eu-west-1:111122223333:function:coldcase-respond",
        "arn:aws:events:eu-west-1:111122223333:rule/coldcase-lambda",
        "arn:aws:s3:::coldcase-evidence",
        "arn:aws:kms:eu-west-1:111122223333:key/0c0ffee0-1111-2222-3333-444455556666",
    ];
    Scope::new(
        own.map(|arn| Target::from_arn(arn).unwrap()),
        Some("arn:aws:iam::111122223333:role/coldcase-respond".into()),
    )
}

#[test]
fn every_shape_is_classified_as_a_responder_would() {
    let fixtures = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures");
    let mut names: Vec<_> = std::fs::read_dir(&fixtures)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .collect();
    names.sort();
    for path in names {
        let name = path.file_stem().unwrap().to_str().unwrap().to_owned();
        let records = unwrap(&std::fs::read(&path).unwrap());
        let classified: Vec<_> = records
            .iter()
            .map(|record| match record {
                Ok(record) => {
                    let classification = classify(record, &coldcase());
                    let trigger = to_trigger(record, &classification);
                    (classification, trigger)
                }
                Err(unreadable) => (Classification::unreadable(unreadable), None),
            })
            .collect();
        insta::assert_json_snapshot!(name, classified);
    }
}
