//! Every operation that a provider without an SDK is asked by is one that the provider's own
//! specification knows. `make specifications` writes those.

use serde_json::Value;
use std::path::Path;

#[test]
fn cloudflare_knows_every_operation() {
    let file =
        Path::new(env!("CARGO_MANIFEST_DIR")).join("../target/specifications/cloudflare.json");
    let text = std::fs::read_to_string(&file)
        .unwrap_or_else(|error| panic!("{}: {error}; `make specifications`", file.display()));
    let specification: Value = serde_json::from_str(&text).unwrap();
    let operations = collectors::cloudflare::operations();
    assert!(operations.len() > 15, "{operations:?}");
    for operation in operations {
        let (method, path) = operation.split_once(' ').unwrap();
        let known = &specification["paths"][path][method.to_lowercase()];
        assert!(known.is_object(), "{operation} is not in the specification");
    }
    let made_up = &specification["paths"]["/accounts/{account_id}/workers/scripts/{script_name}/x"];
    assert!(made_up.is_null());
}
