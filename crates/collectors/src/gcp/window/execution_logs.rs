//! What the function wrote, and a row for each invocation: the request that Cloud Run logged, or the two
//! lines that Functions writes around an execution of the first generation.

use super::entries::{ENTRIES, Entries, quoted};
use super::{Artifact, Investigation};
use crate::gcp::text;
use crate::{Entry, Observed, Observer};
use evidence::{ArtifactKind, Request, shown};
use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};

pub(super) const ARTIFACT: Artifact = Artifact {
    kind: ArtifactKind::ExecutionLogs,
    permissions: &["logging.logEntries.list"],
    operations: &[ENTRIES],
    requests: |_| vec![Request::whole(ArtifactKind::ExecutionLogs)],
    reading: |investigation, _| {
        Box::new(Entries {
            investigation,
            filter: filter(investigation),
            about: format!("logs of {}", investigation.target.name),
            gap: None,
        })
    },
    observer: |_, _| Box::new(Invocations),
};

/// Of whichever generation: a function may have been moved from one to the other.
fn filter(investigation: &Investigation) -> String {
    let target = &investigation.target;
    let location = quoted(&target.region);
    format!(
        "((resource.type=\"cloud_run_revision\" AND resource.labels.service_name={} AND \
         resource.labels.location={location}) OR (resource.type=\"cloud_function\" AND \
         resource.labels.function_name={} AND resource.labels.region={location})) AND NOT \
         logName:\"cloudaudit.googleapis.com\"",
        quoted(&investigation.service()),
        quoted(&target.name),
    )
}

/// How much of what a request said is in a row; all of it is in the entry.
const LONGEST: usize = 1000;

/// Makes a row of each invocation.
struct Invocations;

impl Observer for Invocations {
    fn see(&mut self, entry: &Entry, is_new: bool, rows: &mut Vec<String>) {
        if !is_new {
            return;
        }
        let Ok(read) = serde_json::from_str::<Value>(&entry.raw) else {
            return;
        };
        let row = of_request(entry.occurred_at(), &read)
            .or_else(|| of_first_generation(entry.occurred_at(), &read));
        rows.extend(row.map(|row| row.to_string()));
    }

    fn conclude(self: Box<Self>, _rows: &mut Vec<String>) -> Observed {
        Observed::default()
    }

    fn table(&self) -> Option<&'static str> {
        Some("invocations")
    }
}

/// A request as Cloud Run logged it. Its time is when it began.
fn of_request(at: Timestamp, entry: &Value) -> Option<Value> {
    let status = entry.pointer("/httpRequest/status")?.as_u64()?;
    let latency = text(entry, "/httpRequest/latency").and_then(seconds);
    let method = text(entry, "/httpRequest/requestMethod").unwrap_or("?");
    let url = text(entry, "/httpRequest/requestUrl").unwrap_or("?");
    let until = latency.and_then(|it| at.checked_add(it).ok()).unwrap_or(at);
    Some(json!({
        "request_id": execution(entry)
            .or_else(|| text(entry, "/trace").map(crate::gcp::last))
            .or_else(|| text(entry, "/insertId"))
            .map(|id| shown(id, 200)).unwrap_or_default(),
        "version": text(entry, "/resource/labels/revision_name").map(|it| shown(it, 100)),
        "log_stream": text(entry, "/labels/instanceId").map(|it| shown(it, 200)).unwrap_or_default(),
        "started_at": at,
        "first_line_at": at,
        "last_line_at": until,
        "complete": true,
        "duration_ms": latency.map(|it| it.as_secs_f64() * 1000.0),
        "status": match status {
            0..=499 => "success".to_owned(),
            500..=599 => "error".to_owned(),
            other => other.to_string(),
        },
        "error": (status >= 500).then(|| format!("answered {status}")),
        "trigger": shown(&format!("{method} {url}"), LONGEST),
    }))
}

/// An execution of the first generation, by the line at its end: `Function execution took 123 ms, finished
/// with status code: 200`, or `status: 'ok'` where an event called it.
fn of_first_generation(at: Timestamp, entry: &Value) -> Option<Value> {
    let rest = text(entry, "/textPayload")?.strip_prefix("Function execution took ")?;
    let (took_ms, rest) = rest.split_once(" ms")?;
    let took_ms: f64 = took_ms.trim().parse().ok()?;
    let status = rest.rsplit_once("status").map(|(_, status)| status);
    let status = status?
        .trim_start_matches(" code")
        .trim_matches([':', ' ', '\'', '.']);
    let is_good = status == "ok" || status.parse().is_ok_and(|code: u16| code < 500);
    let took = SignedDuration::try_from_secs_f64(took_ms.max(0.0) / 1000.0).ok()?;
    let began = at.checked_sub(took).unwrap_or(at);
    Some(json!({
        "request_id": execution(entry).map(|id| shown(id, 200)).unwrap_or_default(),
        "version": Value::Null,
        "log_stream": text(entry, "/labels/instance_id").map(|it| shown(it, 200)).unwrap_or_default(),
        "started_at": began,
        "first_line_at": began,
        "last_line_at": at,
        "complete": true,
        "duration_ms": took_ms,
        "status": if is_good { "success" } else { "error" },
        "error": (!is_good).then(|| shown(status, 100)),
        "trigger": Value::Null,
    }))
}

fn execution(entry: &Value) -> Option<&str> {
    text(entry, "/labels/execution_id")
}

/// Google's form of a duration: `0.123s`.
fn seconds(text: &str) -> Option<SignedDuration> {
    let seconds: f64 = text.strip_suffix('s')?.parse().ok()?;
    let seconds = Some(seconds).filter(|seconds| *seconds >= 0.0)?;
    SignedDuration::try_from_secs_f64(seconds).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at() -> Timestamp {
        "2026-01-02T03:04:05Z".parse().unwrap()
    }

    #[test]
    fn a_request_is_a_row() {
        let row = of_request(at(), &json!({"insertId": "i", "trace": "projects/p/traces/t1",
            "resource": {"labels": {"revision_name": "billing-api-00002"}},
            "httpRequest": {"status": 503, "latency": "1.5s", "requestMethod": "POST", "requestUrl": "https://x.example.com/"}}))
        .unwrap();
        assert_eq!(row["request_id"], "t1");
        assert_eq!(
            (&row["status"], &row["error"]),
            (&json!("error"), &json!("answered 503"))
        );
        assert_eq!(row["duration_ms"], 1500.0);
        assert_eq!(row["last_line_at"], "2026-01-02T03:04:06.5Z");
        assert_eq!(of_request(at(), &json!({"textPayload": "hello"})), None);
    }

    #[test]
    fn the_last_line_of_an_execution_is_a_row() {
        for (line, status, error) in [
            (
                "Function execution took 123 ms, finished with status code: 200",
                "success",
                None,
            ),
            (
                "Function execution took 1 ms. Finished with status: ok",
                "success",
                None,
            ),
            (
                "Function execution took 60002 ms, finished with status: 'timeout'",
                "error",
                Some("timeout"),
            ),
            (
                "Function execution took 9 ms, finished with status: 'crash'",
                "error",
                Some("crash"),
            ),
        ] {
            let entry = json!({"textPayload": line, "labels": {"execution_id": "x1"}});
            let row = of_first_generation(at(), &entry).unwrap();
            assert_eq!(
                (&row["status"], &row["error"]),
                (&json!(status), &json!(error)),
                "{line}"
            );
            assert_eq!(row["request_id"], "x1");
        }
        for other in [
            "Function execution started",
            "Function execution took a ms",
            "x",
        ] {
            assert_eq!(
                of_first_generation(at(), &json!({"textPayload": other})),
                None
            );
        }
    }

    #[test]
    fn durations_of_any_size_are_read_or_not() {
        assert_eq!(seconds("0.5s"), Some(SignedDuration::from_millis(500)));
        for bad in ["", "s", "1", "-s", "NaNs", "infs", "1e300s"] {
            assert_eq!(seconds(bad), None, "{bad}");
        }
    }
}
