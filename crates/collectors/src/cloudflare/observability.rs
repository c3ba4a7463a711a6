//! What is logged and traced and where to, and who listens in at this moment: a tail consumer gets every
//! request of the script, and so does a live tail.

use super::{Artifact, Worker, list, text};
use crate::Inquiry;
use evidence::{ArtifactKind, Confidence, Finding, Proof, Severity, shown};
use futures_util::FutureExt as _;

pub(super) const SCRIPT_SETTINGS: &str =
    "GET /accounts/{account_id}/workers/scripts/{script_name}/script-settings";
const TAILS: &str = "GET /accounts/{account_id}/workers/scripts/{script_name}/tails";

pub(super) const ARTIFACT: Artifact = Artifact {
    kind: ArtifactKind::Observability,
    permissions: &["Workers Scripts Read", "Workers Tail Read"],
    operations: &[SCRIPT_SETTINGS, TAILS],
    collect: |worker, inquiry| collect(worker, inquiry).boxed(),
};

async fn collect(worker: &Worker, inquiry: &mut Inquiry<'_>) {
    worker.ask(inquiry, SCRIPT_SETTINGS, &[]).await;
    let Some(reply) = worker.ask(inquiry, TAILS, &[]).await else {
        return;
    };
    // Whoever knows the address may listen.
    withhold_addresses(inquiry);
    // One tail or a list of them; Cloudflare's documentation and its types differ.
    let tails = match reply.get("result") {
        Some(serde_json::Value::Array(tails)) => tails.as_slice(),
        Some(tail @ serde_json::Value::Object(_)) => std::slice::from_ref(tail),
        _ => list(&reply, "/result"),
    };
    let open: Vec<&str> = tails.iter().filter_map(|tail| text(tail, "/id")).collect();
    if open.is_empty() {
        return;
    }
    let name = &worker.target.name;
    let exhibit = inquiry.name();
    let place = inquiry.last_place();
    inquiry.find(Finding {
        rule: "live-tail-open".to_owned(),
        severity: Severity::Medium,
        confidence: Confidence::Low,
        statement: format!(
            "Somebody is listening to {}: {} live tail(s) are open and get the requests, headers and log \
             lines of every invocation",
            shown(name, 80),
            open.len()
        ),
        technique: Some("T1020".to_owned()),
        advice: Some("Ask who runs `wrangler tail` or looks at live logs now.".to_owned()),
        proof: vec![Proof {
            exhibit,
            path: Some(format!("/replies/{place}/reply/result")),
            line: None,
            excerpt: None,
        }],
    });
}

fn withhold_addresses(inquiry: &mut Inquiry<'_>) {
    let Some(result) = inquiry
        .last_reply_mut()
        .and_then(|reply| reply.get_mut("result"))
    else {
        return inquiry.withhold("", "an address may be in it");
    };
    let tails = match result {
        serde_json::Value::Array(tails) => tails.as_mut_slice(),
        other => std::slice::from_mut(other),
    };
    for tail in tails {
        if let Some(url) = tail.get_mut("url") {
            *url = "withheld by coldcase: whoever has it may listen".into();
        }
    }
}

#[cfg(test)]
mod tests {
    use crate::cloudflare::canned::{collect, outcomes_when_refused, script};
    use evidence::ArtifactKind;

    const SETTINGS: &str = r#"{"success":true,"errors":[],"messages":[],"result":{"logpush":false,"observability":{"enabled":false,"head_sampling_rate":null},"tail_consumers":[{"service":"collector"}]}}"#;

    #[tokio::test(start_paused = true)]
    async fn an_open_tail_is_a_finding_and_its_address_is_kept_nowhere() {
        let tails = r#"{"success":true,"errors":[],"messages":[],"result":[{"id":"t1","url":"wss://tail.example.com/marked-secret","expires_at":"2026-01-01T06:00:00Z"}]}"#;
        let script = script(&[
            ("GET /script-settings", 200, SETTINGS),
            ("GET /tails", 200, tails),
        ]);
        let collected = collect(ArtifactKind::Observability, None, script).await;
        insta::assert_json_snapshot!(collected.told());
    }

    #[tokio::test(start_paused = true)]
    async fn nobody_listening_is_no_finding() {
        for none in ["null", "[]", "{}"] {
            let tails = format!(r#"{{"success":true,"errors":[],"messages":[],"result":{none}}}"#);
            let tails: &'static str = Box::leak(tails.into_boxed_str());
            let script = script(&[
                ("GET /script-settings", 200, SETTINGS),
                ("GET /tails", 200, tails),
            ]);
            let collected = collect(ArtifactKind::Observability, None, script).await;
            assert_eq!(collected.outcome(), ("acquired", ""));
            assert_eq!(collected.gathered.findings, []);
        }
    }

    #[tokio::test(start_paused = true)]
    async fn no_answer_is_told_apart_from_none() {
        let outcomes = outcomes_when_refused(ArtifactKind::Observability, None).await;
        assert_eq!(outcomes, ["absent", "denied", "failed"]);
    }
}
