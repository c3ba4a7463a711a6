//! Several questions asked of a file at once, and the names by which Lambda lets a function be called.
#![allow(clippy::unwrap_used)]

use serde_json::{Value, json};
use std::ops::ControlFlow;
use trail::{Query, Record, Scanner};

const FUNCTION: &str = "arn:aws:lambda:eu-west-1:111122223333:function:billing";

fn naming(resource: &str) -> Query {
    Query {
        resource: Some(resource.to_owned()),
        ..Query::default()
    }
}

fn record(id: &str, source: &str, parameters: Value) -> Value {
    json!({
        "eventID": id, "eventName": "Get", "eventSource": source, "awsRegion": "eu-west-1",
        "recipientAccountId": "111122223333", "requestParameters": parameters,
    })
}

#[test]
fn what_any_of_several_queries_asks_for_is_found_once_and_in_the_order_of_the_file() {
    let function = |id| {
        record(
            id,
            "lambda.amazonaws.com",
            json!({"functionName": "billing"}),
        )
    };
    let bucket = |id| record(id, "s3.amazonaws.com", json!({"bucketName": "invoices"}));
    let both = record(
        "3",
        "lambda.amazonaws.com",
        json!({"functionName": "billing", "bucket": "invoices"}),
    );
    let other = record(
        "4",
        "lambda.amazonaws.com",
        json!({"functionName": "orders"}),
    );
    let file =
        json!({"Records": [bucket("1"), function("2"), both, other, bucket("5")]}).to_string();
    let found = |queries: Vec<Query>| {
        let mut ids = Vec::new();
        Scanner::any(queries).scan("a", file.as_bytes(), |found| {
            ids.push(found.record.event_id().unwrap().to_owned());
            ControlFlow::Continue(())
        });
        ids
    };
    assert_eq!(
        found(vec![naming(FUNCTION), naming("invoices")]),
        ["1", "2", "3", "5"]
    );
    assert_eq!(found(vec![naming("invoices")]), ["1", "3", "5"]);
    assert_eq!(found(vec![]), [""; 0]);
}

#[test]
fn a_function_is_found_by_every_name_that_lambda_takes_and_by_no_other() {
    let matches = |source: &str, name: &str| {
        let record = record("1", source, json!({"functionName": name}));
        naming(FUNCTION).matches(&Record::new(record))
    };
    for name in [
        "billing",
        "billing:live",
        "billing:$LATEST",
        "function:billing",
        "111122223333:function:billing",
        "111122223333:function:billing:7",
        FUNCTION,
        "arn:aws:lambda:eu-west-1:111122223333:function:billing:live",
    ] {
        assert!(matches("lambda.amazonaws.com", name), "{name}");
    }
    for name in [
        "billing2",
        "billing-live",
        "444455556666:function:billing",
        "111122223333",
        "111122223333:function:billing2",
        "function:orders:billing",
        "arn:aws:lambda:eu-west-1:111122223333:function:billing2",
        "arn:aws:lambda:eu-west-2:111122223333:function:billing",
    ] {
        assert!(!matches("lambda.amazonaws.com", name), "{name}");
    }
    // A qualifier is Lambda's; elsewhere a colon is a part of a name.
    assert!(!matches("s3.amazonaws.com", "billing:live"));
}
