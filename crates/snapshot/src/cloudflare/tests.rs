//! What Cloudflare answers becomes a snapshot, and what could not be got stays unknown.

use crate::canned::{Pieces, SECRET, WORKER, worker};
use crate::{
    ChangeKind, MarkKey, Reading, Snapshot, Substance, changes, changes_as_markdown_for, gaps,
    runtime_of,
};
use evidence::{ArtifactKind, Outcome, Provider};
use serde_json::json;

fn denied() -> Outcome {
    Outcome::Denied {
        why: "Authentication error".to_owned(),
    }
}

fn told(was: &Pieces, is: &Pieces) -> Vec<String> {
    let found = changes(&was.snapshot(), &is.snapshot()).into_iter();
    found.map(|change| change.statement).collect()
}

#[test]
fn every_part_of_an_ordinary_worker_is_read() {
    let snapshot = worker().snapshot();
    assert_eq!(gaps(&snapshot, &snapshot), []);
    insta::assert_json_snapshot!(snapshot);
}

#[test]
fn no_value_of_a_variable_is_in_a_snapshot() {
    let text = serde_json::to_string(&worker().snapshot()).unwrap();
    assert!(text.contains("TAX_PERCENT") && text.contains("COUNTRIES"));
    assert!(!text.contains(SECRET));
}

#[test]
fn the_attackers_changes_are_told_one_by_one_and_in_words_of_workers() {
    let now = worker()
        .uploaded("evil code")
        .bound(json!({"type": "plain_text", "name": "TAX_PERCENT", "text": "another-secret"}))
        .bound(json!({"type": "service", "name": "AUTH", "service": "auth", "environment": "production"}))
        .bound(json!({"type": "secret_text", "name": "TOKEN"}))
        .set(json!({"compatibility_flags": ["nodejs_compat"], "limits": null}))
        .observed(json!({"tail_consumers": [{"service": "evil"}], "observability": {"enabled": false}}))
        .routed(json!([{"id": "r2", "pattern": "shop.example.com/*", "script": "billing-api"}]))
        .resulted(
            ArtifactKind::EventSourceMappings,
            "GET /accounts/{account_id}/workers/scripts/{script_name}/schedules",
            json!({"schedules": [{"cron": "* * * * *"}]}),
        )
        .live(vec![
            json!({"version_id": "v3", "percentage": 1}),
            json!({"version_id": "v4", "percentage": 99}),
        ]);
    let (was, is) = (worker().snapshot(), now.snapshot());
    let text = changes_as_markdown_for(Provider::Cloudflare, &changes(&was, &is), &gaps(&was, &is));
    insta::assert_snapshot!(text);
    assert!(!text.contains(SECRET) && !text.contains("another-secret"));
    let lower = text.to_lowercase();
    for word in [
        "lambda",
        "arn:",
        "role",
        "alias",
        "function",
        "subscription",
    ] {
        assert!(!lower.contains(word), "{word}");
    }
}

#[test]
fn a_new_boundary_and_all_else_that_is_new_in_every_reply_is_no_change() {
    let again = worker().read_again();
    assert_eq!(told(&worker(), &again), Vec::<String>::new());
    assert_eq!(Substance::of(&worker().0), Substance::of(&again.0));
    let reordered = worker().reordered();
    assert_eq!(told(&worker(), &reordered), Vec::<String>::new());
    assert_eq!(Substance::of(&worker().0), Substance::of(&reordered.0));
}

#[test]
fn whatever_somebody_did_is_in_the_substance() {
    let fields = |fields| worker().set(fields);
    for now in [
        worker().uploaded("evil code"),
        worker()
            .uploaded("evil code")
            .live(vec![json!({"version_id": "v4", "percentage": 100})]),
        worker().bound(json!({"type": "plain_text", "name": "TAX_PERCENT", "text": "20"})),
        worker().bound(json!({"type": "json", "name": "COUNTRIES", "json": ["AT", "DE"]})),
        fields(json!({"compatibility_flags": []})),
        worker().observed(json!({"tail_consumers": [{"service": "evil"}]})),
        worker().observed(json!({"observability": {"enabled": false}})),
        worker().routed(
            json!([{"id": "r2", "pattern": "shop.example.com/*", "script": "billing-api"}]),
        ),
        worker().live(vec![json!({"version_id": "v2", "percentage": 100})]),
    ] {
        assert_ne!(Substance::of(&worker().0), Substance::of(&now.0));
        assert_ne!(told(&worker(), &now), Vec::<String>::new());
    }
}

#[test]
fn tracing_that_coldcase_turned_on_can_be_left_out() {
    let off =
        worker().observed(json!({"observability": {"enabled": false, "head_sampling_rate": 0.1}}));
    let on = json!({"enabled": true, "head_sampling_rate": 1, "logs": {"enabled": true, "invocation_logs": true},
        "traces": {"enabled": true}});
    let traced = worker().observed(json!({ "observability": on }));
    assert_ne!(Substance::of(&off.0), Substance::of(&traced.0));
    assert_eq!(
        Substance::apart_from_tracing(&off.0),
        Substance::apart_from_tracing(&traced.0)
    );
    let found = changes(&off.snapshot(), &traced.snapshot());
    assert!(
        found
            .iter()
            .any(|change| change.kind == ChangeKind::Tracing)
    );
    assert!(found.iter().all(crate::Change::is_tracing_on), "{found:?}");
    // How many traces are kept is nothing that coldcase sets.
    let mut fewer = on.clone();
    fewer["traces"]["head_sampling_rate"] = json!(0.01);
    let fewer = worker().observed(json!({ "observability": fewer }));
    assert_ne!(
        Substance::apart_from_tracing(&traced.0),
        Substance::apart_from_tracing(&fewer.0)
    );
    // Nor is where the lines go.
    let mut elsewhere = on;
    elsewhere["logs"]["destinations"] = json!(["evil"]);
    let elsewhere = worker().observed(json!({ "observability": elsewhere }));
    assert_ne!(
        Substance::apart_from_tracing(&traced.0),
        Substance::apart_from_tracing(&elsewhere.0)
    );
    let found = changes(&off.snapshot(), &elsewhere.snapshot());
    assert!(!found.iter().all(crate::Change::is_tracing_on));
}

#[test]
fn another_deployment_of_the_same_version_is_no_change_of_the_worker() {
    let now = worker().resulted(
        ArtifactKind::Deployments,
        "GET /accounts/{account_id}/workers/scripts/{script_name}/deployments",
        json!({"deployments": [{"id": "d3", "created_on": "2026-02-01T00:00:00Z", "versions": [{"version_id": "v3", "percentage": 100}]}]}),
    );
    assert_eq!(told(&worker(), &now), Vec::<String>::new());
}

#[test]
fn versions_that_share_the_requests_in_another_order_are_the_same() {
    let (a, b) = (
        json!({"version_id": "v3", "percentage": 50}),
        json!({"version_id": "v4", "percentage": 50}),
    );
    let (one, other) = (
        worker().live(vec![a.clone(), b.clone()]),
        worker().live(vec![b, a]),
    );
    assert_eq!(told(&one, &other), Vec::<String>::new());
    assert_eq!(Substance::of(&one.0), Substance::of(&other.0));
}

#[test]
fn any_part_that_is_refused_is_unknown_and_not_removed() {
    let before = worker();
    for index in 0..before.0.len() {
        let request = before.0[index].request.clone();
        let selector = request.selector.as_deref();
        let now = before.clone().refused(request.artifact, selector, denied());
        let (was, is) = (before.snapshot(), now.snapshot());
        assert_eq!(changes(&was, &is), [], "{request}");
        assert_eq!(changes(&is, &was), [], "{request}");
        let is_told_elsewhere = matches!(
            request.artifact,
            ArtifactKind::Secrets
                | ArtifactKind::Observability
                | ArtifactKind::ExecutionRole
                // The code of the version that is live was got by its id.
                | ArtifactKind::FunctionCode
        ) || selector.is_some();
        assert_eq!(gaps(&was, &is).is_empty(), is_told_elsewhere, "{request}");
        for gap in gaps(&was, &is) {
            assert_eq!(gap.why, "Authentication error", "{request}");
        }
    }
}

#[test]
fn a_worker_of_which_nothing_can_be_read_any_more_is_all_gaps_and_still_a_worker() {
    let mut now = worker();
    for piece in worker().0 {
        let selector = piece.request.selector.as_deref();
        now = now.refused(piece.request.artifact, selector, denied());
    }
    let (was, is) = (worker().snapshot(), now.snapshot());
    assert_eq!(changes(&was, &is), []);
    let subjects: Vec<String> = gaps(&was, &is).into_iter().map(|gap| gap.subject).collect();
    insta::assert_json_snapshot!(subjects);
}

#[test]
fn secrets_are_known_where_the_settings_are_not() {
    let now = worker().refused(ArtifactKind::Configuration, None, denied());
    let environment = now.snapshot().environment;
    assert!(!environment.is_whole());
    let names: Vec<String> = environment.value().unwrap().keys().cloned().collect();
    assert_eq!(names, ["API_PASSWORD"]);
}

#[test]
fn a_zone_that_was_denied_takes_no_route_away_and_what_is_new_is_told() {
    let mut now = worker()
        .routed(json!([{"id": "r2", "pattern": "shop.example.com/*", "script": "billing-api"}]));
    now.piece(ArtifactKind::UrlConfig, None).result = denied();
    assert_eq!(
        told(&worker(), &now),
        ["address: route shop.example.com/* added: on"]
    );
}

#[test]
fn code_that_came_in_part_is_told_with_a_gap() {
    let mut now = worker()
        .uploaded("evil co")
        .live(vec![json!({"version_id": "v4", "percentage": 100})]);
    for version in [None, Some("v4")] {
        now.piece(ArtifactKind::FunctionCode, version).result = Outcome::Partial {
            why: "breaks off in part 1".to_owned(),
        };
    }
    let (was, is) = (worker().snapshot(), now.snapshot());
    let found = changes(&was, &is);
    let of_code = found.iter().filter(|it| it.kind == ChangeKind::Code);
    assert_eq!(of_code.count(), 1);
    assert_eq!(gaps(&was, &is).len(), 1);
}

#[test]
fn what_runs_is_judged_and_not_what_was_uploaded_last() {
    let is_code = |change: &crate::Change| change.kind == ChangeKind::Code;
    let is_changed = |now: &Pieces| {
        changes(&worker().snapshot(), &now.snapshot())
            .iter()
            .any(is_code)
    };
    let uploaded = worker().uploaded("evil code");
    assert!(!is_changed(&uploaded));
    let deployed = |now: Pieces| now.live(vec![json!({"version_id": "v4", "percentage": 100})]);
    assert!(is_changed(&deployed(uploaded.clone())));
    // The script's content is still the old one, as somebody who looks there is to believe.
    let mut hidden = uploaded.clone();
    let honest = worker().piece(ArtifactKind::FunctionCode, None).clone();
    *hidden.piece(ArtifactKind::FunctionCode, None) = honest;
    assert!(!is_changed(&hidden));
    assert!(is_changed(&deployed(hidden)));
    // Without the live version's own code the content counts, unless it may be that of a later upload.
    let without = |mut now: Pieces, version: &str| {
        now.0
            .retain(|piece| piece.request.selector.as_deref() != Some(version));
        now
    };
    assert!(is_changed(&deployed(without(uploaded.clone(), "v4"))));
    let unknown = without(uploaded, "v3").snapshot();
    assert!(matches!(unknown.code, Reading::Partly { .. }));
}

#[test]
fn bindings_are_those_of_the_version_that_runs() {
    let withheld = "withheld by coldcase";
    let bound = json!([
        {"type": "plain_text", "name": "TAX_PERCENT", "text": withheld},
        {"type": "json", "name": "COUNTRIES", "json": withheld},
        {"type": "kv_namespace", "name": "INVOICES", "namespace_id": "5f0f0a1c2b3d4e5f60718293a4b5c6d7"}]);
    let runtime = json!({"compatibility_date": "2026-01-15", "usage_model": "standard", "limits": {"cpu_ms": 50},
        "compatibility_flags": ["nodejs_compat", "brotli_content_encoding"]});
    let same = worker().made_of(bound.clone(), runtime.clone());
    assert_eq!(told(&worker(), &same), Vec::<String>::new());
    // What was uploaded and is not deployed is no change of what runs.
    let uploaded = same
        .clone()
        .bound(json!({"type": "service", "name": "AUTH", "service": "auth"}))
        .set(json!({"compatibility_flags": []}));
    assert_eq!(told(&same, &uploaded), Vec::<String>::new());
    // What is deployed is one, whatever the settings say.
    let mut more = bound;
    more.as_array_mut()
        .unwrap()
        .push(json!({"type": "service", "name": "AUTH", "service": "auth"}));
    let found = told(&same, &worker().made_of(more, runtime));
    assert_eq!(found.len(), 1, "{found:?}");
    assert!(found[0].contains("AUTH"));
}

#[test]
fn the_code_of_a_version_that_was_not_read_again_was_not_taken_away() {
    let mut now = worker();
    now.0
        .retain(|piece| piece.request.selector.as_deref() != Some("v3"));
    assert_eq!(told(&worker(), &now), Vec::<String>::new());
    assert_eq!(told(&now, &worker()), Vec::<String>::new());
}

#[test]
fn a_deleted_worker_is_one_change_of_the_whole() {
    let gone = Outcome::Absent {
        why: "This Worker does not exist on your account.".to_owned(),
    };
    let now = worker().refused(ArtifactKind::Configuration, None, gone);
    assert_eq!(told(&worker(), &now)[0], "Worker removed: there");
}

#[test]
fn what_runs_it_is_known_without_a_snapshot() {
    let running = runtime_of(&worker().0, None);
    assert_eq!(running.runtime.as_deref(), Some("workers"));
    assert_eq!(running.handler.as_deref(), Some("index.js"));
    let of_version = runtime_of(&worker().0, Some("v3"));
    assert_eq!(of_version, running);
    assert_eq!(runtime_of(&worker().0, Some("v9")).handler, None);
    let lambda = runtime_of(&crate::canned::ordinary().0, None);
    assert_eq!(lambda.runtime.as_deref(), Some("python3.12"));
    assert_eq!(lambda.handler.as_deref(), Some("app.handler"));
    assert_eq!(lambda.layers.len(), 2);
    assert_eq!(runtime_of(&[], None), crate::Running::default());
}

#[test]
fn of_the_code_the_archive_is_the_package_and_not_the_reply_as_it_came() {
    let mut pieces = worker();
    let piece = pieces.piece(ArtifactKind::FunctionCode, None);
    assert_eq!(piece.contents.len(), 2);
    assert_eq!(piece.archive().unwrap().name, "function-code.zip");
    piece.contents.truncate(1);
    assert_eq!(piece.archive(), None);
}

#[test]
fn a_script_of_the_older_kind_is_entered_in_its_only_module() {
    let mut pieces = worker();
    let piece = pieces.piece(ArtifactKind::FunctionCode, None);
    piece.documents[0].json["replies"][0]["value"]["main_module"] = json!(null);
    let snapshot = pieces.snapshot();
    assert_eq!(
        snapshot.settings_now().unwrap().handler.as_deref(),
        Some("index.js")
    );
}

#[test]
fn a_provider_that_cannot_be_read_yet_is_unknown_and_said_to_be() {
    let mut pieces = worker();
    for piece in &mut pieces.0 {
        for document in &mut piece.documents {
            document.json["target"] =
                json!("azure://00000000-1111-2222-3333-444455556666/rg/billing");
        }
    }
    let snapshot = pieces.snapshot();
    assert_eq!(
        snapshot.function.as_deref(),
        Some("azure://00000000-1111-2222-3333-444455556666/rg/billing")
    );
    assert!(matches!(&snapshot.settings, Reading::Unknown { why } if why.contains("cannot read")));
    assert_eq!(changes(&snapshot, &snapshot), []);
    assert!(!gaps(&snapshot, &snapshot).is_empty());
}

#[test]
fn hostile_documents_are_no_panic_and_no_change() {
    let hostile = [
        json!(null),
        json!(7),
        json!("text"),
        json!([[[]]]),
        json!({"result": 7}),
        json!({"result": [null, 3, {"name": 1}, {"pattern": "x", "script": "billing-api"}]}),
        json!({"result": {"bindings": {"a": 1}, "items": "x", "deployments": [[], {"versions": 3}],
            "schedules": [null], "observability": [1], "tail_consumers": [[], {"service": 3}], "tags": 7, "enabled": "yes"}}),
    ];
    for document in hostile {
        let mut pieces = worker();
        for piece in &mut pieces.0 {
            for document_of in &mut piece.documents {
                for entry in document_of.json["replies"].as_array_mut().unwrap() {
                    let field = if entry["call"].is_string() {
                        "reply"
                    } else {
                        "value"
                    };
                    entry[field] = document.clone();
                }
            }
        }
        let snapshot = pieces.snapshot();
        assert_eq!(snapshot.function.as_deref(), Some(WORKER));
        assert_eq!(changes(&snapshot, &snapshot), []);
        let _ = crate::findings(&snapshot, Some(&worker().snapshot()));
        assert_eq!(Substance::of(&pieces.0), Substance::of(&pieces.0));
        let _ = runtime_of(&pieces.0, Some("v3"));
    }
    assert_eq!(Snapshot::read(&[], &MarkKey::new([0; 32])).function, None);
}
