//! What is loaded in place of what, by runtime.

use super::*;
use crate::Kind;
use evidence::Sha256Digest;

fn part(name: &str, role: PartRole, runtime: &str) -> Part {
    Part {
        name: name.to_owned(),
        role,
        runtime: Some(runtime.to_owned()),
        handler: Some("app.handler".to_owned()),
    }
}

/// Files by path and content.
fn contents(files: &[(&str, &str)]) -> Contents {
    Contents {
        files: files
            .iter()
            .map(|(path, text)| File {
                path: (*path).to_owned(),
                sha256: Some(Sha256Digest::of(*text)),
                size_bytes: text.len() as u64,
                mode: None,
                modified_at: None,
                kind: Kind::Text,
                link_to: None,
            })
            .collect(),
        irregularities: Vec::new(),
        is_complete: true,
    }
}

/// What is said of a function and its layers: rule, severity, part.
fn said(
    runtime: &str,
    function: &[(&str, &str)],
    layers: &[&[(&str, &str)]],
) -> Vec<(String, Severity, String)> {
    let mut parts = vec![(
        part("function-code", PartRole::Function, runtime),
        contents(function),
    )];
    for (number, layer) in layers.iter().enumerate() {
        parts.push((
            part(&format!("layer-{number}"), PartRole::Layer, runtime),
            contents(layer),
        ));
    }
    let parts: Vec<(&Part, &Contents)> = parts
        .iter()
        .map(|(part, contents)| (part, contents))
        .collect();
    across(&parts)
        .into_iter()
        .map(|finding| {
            let exhibit = finding.proof[0].exhibit.clone();
            (finding.rule, finding.severity, exhibit)
        })
        .collect()
}

fn one(rule: &str, severity: Severity, part: &str) -> Vec<(String, Severity, String)> {
    vec![(rule.to_owned(), severity, part.to_owned())]
}

const APP: (&str, &str) = ("app.py", "def handler(e, c): pass");

#[test]
fn a_function_s_own_python_module_comes_before_a_layer_s() {
    assert_eq!(
        said(
            "python3.13",
            &[APP, ("requests/__init__.py", "1")],
            &[&[("python/requests/__init__.py", "2")]]
        ),
        one("function-shadows-layer", Severity::Info, "function-code")
    );
}

#[test]
fn a_layer_s_package_comes_before_a_function_s_folder_without_init() {
    assert_eq!(
        said(
            "python3.13",
            &[APP, ("tools/money.py", "1")],
            &[&[("python/tools/__init__.py", "2")]]
        ),
        one("layer-shadows-function", Severity::High, "layer-0")
    );
    // Two such folders are one namespace.
    assert!(
        said(
            "python3.13",
            &[APP, ("tools/money.py", "1")],
            &[&[("python/tools/other.py", "2")]]
        )
        .is_empty()
    );
}

#[test]
fn a_layer_s_module_comes_before_python_s_own() {
    assert_eq!(
        said(
            "python3.13",
            &[APP],
            &[&[("python/secrets.py", "import os")]]
        ),
        one(
            "module-shadows-standard-library",
            Severity::Medium,
            "layer-0"
        )
    );
    // Another version's folder is not searched.
    assert!(
        said(
            "python3.13",
            &[APP],
            &[&[("python/lib/python3.9/site-packages/secrets.py", "")]]
        )
        .is_empty()
    );
}

#[test]
fn the_runtime_s_own_libraries_may_be_brought_along() {
    assert_eq!(
        said("python3.13", &[APP], &[&[("python/boto3/__init__.py", "")]]),
        one("layer-shadows-runtime", Severity::Info, "layer-0")
    );
    assert_eq!(
        said(
            "nodejs22.x",
            &[("app.mjs", "")],
            &[&[("nodejs/node_modules/@aws-sdk/client-s3/package.json", "{}")]]
        ),
        one("layer-shadows-runtime", Severity::Info, "layer-0")
    );
}

#[test]
fn a_later_layer_replaces_an_earlier_one_s_files() {
    let earlier: &[(&str, &str)] = &[
        ("python/lib_a/__init__.py", "1"),
        ("python/lib_a/api.py", "1"),
    ];
    assert_eq!(
        said(
            "python3.13",
            &[APP],
            &[earlier, &[("python/lib_a/api.py", "2")]]
        ),
        one("layer-shadows-layer", Severity::Medium, "layer-1")
    );
    assert!(said("python3.13", &[APP], &[earlier, earlier]).is_empty());
}

#[test]
fn of_two_layers_the_folder_that_is_searched_first_wins() {
    let usual: &[(&str, &str)] = &[("python/lib_a/__init__.py", "1")];
    let first: &[(&str, &str)] = &[("python/lib/python3.13/site-packages/lib_a/__init__.py", "2")];
    // Whatever their order.
    assert_eq!(
        said("python3.13", &[APP], &[usual, first]),
        one("layer-shadows-layer", Severity::Medium, "layer-1")
    );
    assert_eq!(
        said("python3.13", &[APP], &[first, usual]),
        one("layer-shadows-layer", Severity::Medium, "layer-0")
    );
    assert_eq!(
        said(
            "nodejs22.x",
            &[("app.mjs", "")],
            &[
                &[("nodejs/node_modules/a/index.js", "1")],
                &[("nodejs/node22/node_modules/a/index.js", "2")]
            ]
        ),
        one("layer-shadows-layer", Severity::Medium, "layer-1")
    );
}

#[test]
fn a_function_s_own_node_module_comes_before_a_layer_s() {
    assert_eq!(
        said(
            "nodejs22.x",
            &[("app.mjs", ""), ("node_modules/@a/b/index.js", "1")],
            &[&[("nodejs/node_modules/@a/b/index.js", "2")]]
        ),
        one("function-shadows-layer", Severity::Info, "function-code")
    );
}

#[test]
fn a_handler_that_lies_in_a_layer_is_named() {
    assert_eq!(
        said(
            "python3.13",
            &[("other.py", "")],
            &[&[("python/app.py", "")]]
        ),
        one("handler-in-layer", Severity::Low, "layer-0")
    );
    assert!(said("python3.13", &[APP], &[&[("python/lib_b/__init__.py", "")]]).is_empty());
}

#[test]
fn standard_names_are_sorted() {
    assert!(STANDARD_PYTHON.is_sorted());
    assert!(is_standard("secrets") && !is_standard("sys") && !is_standard("requests"));
}
