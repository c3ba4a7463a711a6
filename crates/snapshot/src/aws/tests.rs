//! The collectors' documents become a snapshot, and what they could not get stays unknown.

use crate::canned::{FUNCTION, ROLE, SECRET, ordinary};
use crate::{MarkKey, Reading, Snapshot, changes, gaps};
use evidence::{ArtifactKind, Outcome};
use serde_json::json;

fn denied() -> Outcome {
    Outcome::Denied {
        why: "not allowed".to_owned(),
    }
}

#[test]
fn every_part_of_an_ordinary_function_is_read() {
    let snapshot = ordinary().snapshot();
    let unread: Vec<_> = gaps(&snapshot, &snapshot)
        .into_iter()
        .map(|gap| gap.subject)
        .collect();
    // A layer of AWS's that the account may not read.
    assert_eq!(unread.len(), 2, "{unread:?}");
    assert!(unread[0].contains("017000801446"));
    insta::assert_json_snapshot!(snapshot);
}

#[test]
fn no_environment_value_is_in_a_snapshot() {
    let snapshot = ordinary().snapshot();
    let text = serde_json::to_string(&snapshot).unwrap();
    assert!(text.contains("TABLE"));
    assert!(!text.contains(SECRET) && !text.contains("source-maps"));
}

#[test]
fn nothing_is_known_of_no_pieces() {
    let nothing = Snapshot::read(&[], &MarkKey::new([0; 32]));
    let something = ordinary().snapshot();
    assert_eq!(changes(&nothing, &something), []);
    assert_eq!(changes(&something, &nothing), []);
    assert!(gaps(&something, &nothing).len() > 10);
}

#[test]
fn any_part_that_is_refused_is_unknown_and_not_removed() {
    let before = ordinary();
    for index in 0..before.0.len() {
        let request = before.0[index].request.clone();
        let selector = request.selector.as_deref();
        let now = before.clone().refused(request.artifact, selector, denied());
        let (was, is) = (before.snapshot(), now.snapshot());
        assert_eq!(changes(&was, &is), [], "{request}");
        assert_eq!(changes(&is, &was), [], "{request}");
        // The settings tell the digest of the code, too.
        let is_told_elsewhere = request.artifact == ArtifactKind::FunctionCode;
        let known = gaps(&was, &was);
        assert_eq!(gaps(&was, &is) == known, is_told_elsewhere, "{request}");
    }
}

#[test]
fn an_environment_that_lambda_could_not_decrypt_is_unknown_and_the_rest_is_known() {
    let now = ordinary().configured(json!({"Handler": "other.handler",
        "Environment": {"Error": {"ErrorCode": "KMSAccessDeniedException", "Message": "no"}}}));
    let (was, is) = (ordinary().snapshot(), now.snapshot());
    assert!(matches!(&is.environment, Reading::Unknown { why } if why.contains("KMSAccessDenied")));
    let subjects: Vec<String> = changes(&was, &is).into_iter().map(|c| c.subject).collect();
    assert_eq!(subjects, ["handler"]);
}

#[test]
fn what_the_provider_says_is_not_there_is_known_not_to_be_there() {
    let absent = Outcome::Absent {
        why: "ResourceNotFoundException".to_owned(),
    };
    let now = ordinary().refused(ArtifactKind::ResourcePolicy, None, absent);
    let found = changes(&ordinary().snapshot(), &now.snapshot());
    assert_eq!(found.len(), 5);
    assert!(found.iter().all(|change| change.after.is_none()));
}

#[test]
fn a_list_that_broke_off_takes_nothing_away_and_still_tells_what_is_new_in_it() {
    let mut now = ordinary();
    now.reply(
        ArtifactKind::Aliases,
        None,
        "lambda:ListAliases",
        json!({"Aliases": [{"Name": "extra", "FunctionVersion": "1"}], "NextMarker": "2"}),
    );
    let (was, is) = (ordinary().snapshot(), now.snapshot());
    let told: Vec<String> = changes(&was, &is)
        .into_iter()
        .map(|c| c.statement)
        .collect();
    assert_eq!(told, ["alias extra added: version 1"]);
    assert_eq!(
        changes(&is, &was).len(),
        1,
        "extra was there and is not: removed"
    );
    assert_eq!(gaps(&was, &is).len(), gaps(&was, &was).len() + 1);
}

#[test]
fn an_images_digest_is_its_code() {
    let with = |digest: &str| {
        let uri = format!("111122223333.dkr.ecr.eu-west-1.amazonaws.com/billing@sha256:{digest}");
        ordinary().answered(
            ArtifactKind::FunctionCode,
            "lambda:GetFunction",
            json!({"Configuration": {"PackageType": "Image"}, "Code": {"RepositoryType": "ECR", "ResolvedImageUri": uri}}),
        )
    };
    let (was, is) = (
        with(&"a".repeat(64)).snapshot(),
        with(&"b".repeat(64)).snapshot(),
    );
    let found = changes(&was, &is);
    assert_eq!(found.len(), 1);
    assert!(
        found[0]
            .before
            .as_deref()
            .unwrap()
            .contains(&"a".repeat(64))
    );
}

#[test]
fn the_role_in_the_snapshot_is_the_one_that_the_function_names() {
    let other = ROLE.replace("billing-role", "admin");
    let now = ordinary().configured(json!({ "Role": other }));
    let snapshot = now.snapshot();
    assert!(
        matches!(&snapshot.role, Reading::Unknown { why } if why.contains("was not asked for"))
    );
}

#[test]
fn hostile_documents_are_no_panic_and_no_change() {
    let hostile = [
        json!(null),
        json!(7),
        json!("text"),
        json!([[[]]]),
        json!({"Versions": {"a": 1}, "Policy": "{", "Layers": "x", "Environment": {"Variables": [1]}, "Aliases": [null, 3, {}]}),
    ];
    for document in hostile {
        let mut pieces = ordinary();
        for piece in &mut pieces.0 {
            for entry in piece.documents[0].json["replies"].as_array_mut().unwrap() {
                if entry["call"].is_string() {
                    entry["reply"] = document.clone();
                }
            }
        }
        let snapshot = pieces.snapshot();
        assert_eq!(snapshot.function.as_deref(), Some(FUNCTION));
        assert_eq!(changes(&snapshot, &snapshot), []);
    }
}
