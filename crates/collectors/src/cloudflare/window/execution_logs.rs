//! What the Worker wrote, and a row for each invocation: Cloudflare's own account of how it ended, beside
//! the lines that the code wrote.

use super::Artifact;
use super::telemetry::{QUERY, Telemetry, View};
use crate::{Entry, Observed, Observer};
use evidence::{ArtifactKind, shown};
use serde_json::{Value, json};

pub(super) const ARTIFACT: Artifact = Artifact {
    kind: ArtifactKind::ExecutionLogs,
    permissions: &["Workers Observability Read"],
    operations: &[QUERY],
    reading: |investigation| {
        Box::new(Telemetry {
            investigation,
            view: View {
                name: "events",
                list: "/events/events",
                count: Some("/events/count"),
                at_ms: "/timestamp",
                id: "/$metadata/id",
            },
        })
    },
    observer: |_| Box::new(Invocations),
};

/// How much of what the code or a request said is in a row; all of it is in the entry.
const LONGEST: usize = 1000;

/// Makes a row of each invocation.
struct Invocations;

impl Observer for Invocations {
    fn see(&mut self, entry: &Entry, is_new: bool, rows: &mut Vec<String>) {
        if !is_new {
            return;
        }
        let Ok(event) = serde_json::from_str::<Value>(&entry.raw) else {
            return;
        };
        // The lines of the code itself carry no times of the whole.
        let Some(wall_ms) = event
            .pointer("/$workers/wallTimeMs")
            .and_then(Value::as_f64)
        else {
            return;
        };
        let text = |pointer| event.pointer(pointer).and_then(Value::as_str);
        // Cloudflare gives the time of the end or of the beginning, as it happens: the lines are within.
        let wall_ms = wall_ms.max(0.0);
        let wall = jiff::SignedDuration::try_from_secs_f64(wall_ms / 1000.0).unwrap_or_default();
        let at = entry.occurred_at();
        let row = json!({
            "request_id": text("/$workers/requestId")
                .or_else(|| text("/$metadata/requestId"))
                .unwrap_or_default(),
            "version": text("/$workers/scriptVersion/id"),
            "log_stream": text("/$workers/requestId").unwrap_or_default(),
            "started_at": at,
            "first_line_at": at.checked_sub(wall).unwrap_or(at),
            "last_line_at": at.checked_add(wall).unwrap_or(at),
            "complete": true,
            "duration_ms": wall_ms,
            "cpu_ms": event.pointer("/$workers/cpuTimeMs"),
            "status": text("/$workers/outcome").map(|outcome| shown(status(outcome), 40)),
            "error": text("/$metadata/error").map(|error| shown(error, LONGEST)),
            "trigger": text("/$metadata/trigger").map(|trigger| shown(trigger, LONGEST)),
        });
        rows.push(row.to_string());
    }

    fn conclude(self: Box<Self>, _rows: &mut Vec<String>) -> Observed {
        Observed::default()
    }

    fn table(&self) -> Option<&'static str> {
        Some("invocations")
    }
}

/// An outcome of Cloudflare's in the words that invocations of every provider are told in.
fn status(outcome: &str) -> &str {
    match outcome {
        "ok" | "responseStreamDisconnected" => "success",
        "exception" => "error",
        "exceededCpu" | "exceededMemory" | "exceededWallTime" | "canceled" | "killSwitch"
        | "daemonDown" | "scriptNotFound" | "loadShed" => "failure",
        other => other,
    }
}
