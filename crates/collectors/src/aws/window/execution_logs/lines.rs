//! What one line of a Lambda log says of an invocation.
//!
//! Formats: "Using Lambda function logs", "Lambda Telemetry API Event schema reference" and
//! "Configuring JSON and plain text log formats" in Lambda's developer guide; `Status` and
//! `Error Type` in REPORT and INIT_REPORT as logs show them.
//!
//! The function writes into the same log, so that any line may imitate Lambda's own. A line that
//! differs from what Lambda writes, in form or in size, is the function's.

use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::fmt;

/// Longer lines are not looked into: Lambda's own have some hundred bytes.
const LONGEST_LOOKED_INTO: usize = 64 * 1024;
/// The most characters of a name that are kept: an error's type, a version.
const LONGEST_NAME: usize = 128;

/// The id of a request, a UUID in lower case. A retried asynchronous event keeps its id.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct RequestId(u128);

impl RequestId {
    pub(super) fn of(text: &str) -> Option<Self> {
        let dash = |place: usize| matches!(place, 8 | 13 | 18 | 23);
        let mut id = 0_u128;
        if text.len() != 36 {
            return None;
        }
        for (place, byte) in text.bytes().enumerate() {
            let digit = match byte {
                b'-' if dash(place) => continue,
                _ if dash(place) => return None,
                b'0'..=b'9' => byte - b'0',
                b'a'..=b'f' => byte - b'a' + 10,
                _ => return None,
            };
            id = id << 4 | u128::from(digit);
        }
        Some(Self(id))
    }
}

impl fmt::Display for RequestId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let hex = format!("{:032x}", self.0);
        let (a, rest) = hex.split_at(8);
        let (b, rest) = rest.split_at(4);
        let (c, rest) = rest.split_at(4);
        let (d, e) = rest.split_at(4);
        write!(f, "{a}-{b}-{c}-{d}-{e}")
    }
}

/// How Lambda writes its own lines into a stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Format {
    Text,
    Json,
}

/// How something ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum Status {
    Success,
    Error,
    Failure,
    Timeout,
}

impl Status {
    fn of(text: &str) -> Option<Self> {
        match text {
            "success" => Some(Self::Success),
            "error" => Some(Self::Error),
            "failure" => Some(Self::Failure),
            "timeout" => Some(Self::Timeout),
            _ => None,
        }
    }
}

/// What REPORT or `platform.report` says. Units stand in the names; MB are Lambda's.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Report {
    pub(super) duration_ms: Option<f64>,
    pub(super) billed_ms: Option<f64>,
    pub(super) memory_mb: Option<f64>,
    pub(super) max_memory_used_mb: Option<f64>,
    pub(super) init_duration_ms: Option<f64>,
    pub(super) restore_duration_ms: Option<f64>,
    pub(super) status: Option<Status>,
    pub(super) error: Option<String>,
    pub(super) trace_id: Option<String>,
}

/// One of Lambda's own lines, or what looks like one.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Own {
    /// An environment begins: INIT_START, RESTORE_START.
    Init {
        /// `on-demand`, `provisioned-concurrency`, `snap-start`, `lambda-managed-instances`.
        kind: Option<String>,
        function: Option<String>,
        version: Option<String>,
    },
    /// How the beginning of an environment went: INIT_REPORT, RESTORE_REPORT.
    InitReport {
        duration_ms: Option<f64>,
        restored: bool,
        status: Option<Status>,
        error: Option<String>,
    },
    Start {
        id: RequestId,
        version: Option<String>,
        trace_id: Option<String>,
    },
    /// END, `platform.runtimeDone`.
    End {
        id: RequestId,
        status: Option<Status>,
        error: Option<String>,
    },
    Report {
        id: RequestId,
        report: Report,
    },
}

/// What a line that is not Lambda's own, or of which Lambda writes no more than the end, tells.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Said {
    /// The request that it names where runtimes name it.
    pub(super) id: Option<RequestId>,
    pub(super) sign: Option<Sign>,
}

/// A sign that something went wrong.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Sign {
    /// `Task timed out after`.
    Timeout,
    /// The runtime exited or the handler failed; with the error's type.
    Fatal(String),
    /// The program called it an error.
    ErrorLine,
}

/// One line.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Line {
    Own(Format, Own),
    Said(Said),
}

impl Line {
    /// Reads a message. Anything is a line.
    pub(super) fn of(message: &str) -> Self {
        let said = || Self::Said(Said::default());
        if message.len() > LONGEST_LOOKED_INTO {
            return said();
        }
        let message = message.trim_end();
        if message.starts_with('{') {
            let Ok(json) = serde_json::from_str::<Value>(message) else {
                return said();
            };
            return match own_json(&json) {
                Some(own) => Self::Own(Format::Json, own),
                None => Self::Said(said_json(&json)),
            };
        }
        match own_text(message) {
            Some(own) => Self::Own(Format::Text, own),
            None => Self::Said(said_text(message)),
        }
    }
}

fn own_text(message: &str) -> Option<Own> {
    let (word, rest) = message.split_once(' ')?;
    match word {
        "START" => {
            // START RequestId: UUID Version: $LATEST
            let (id, rest) = request_id(rest)?;
            let version = name(rest.strip_prefix(" Version: ")?)?;
            Some(Own::Start {
                id,
                version: Some(version),
                trace_id: None,
            })
        }
        "END" => {
            let (id, rest) = request_id(rest)?;
            rest.is_empty().then_some(Own::End {
                id,
                status: None,
                error: None,
            })
        }
        "REPORT" => {
            let (id, rest) = request_id(rest)?;
            let fields = Fields::of(rest.strip_prefix('\t')?);
            let report = Report {
                duration_ms: Some(fields.amount("Duration", "ms")?),
                billed_ms: Some(fields.amount("Billed Duration", "ms")?),
                memory_mb: fields.amount("Memory Size", "MB"),
                max_memory_used_mb: fields.amount("Max Memory Used", "MB"),
                init_duration_ms: fields.amount("Init Duration", "ms"),
                restore_duration_ms: fields.amount("Restore Duration", "ms"),
                status: fields.text("Status").and_then(Status::of),
                error: fields.text("Error Type").and_then(name),
                trace_id: fields.text("XRAY TraceId").and_then(trace_id),
            };
            Some(Own::Report { id, report })
        }
        // The fields after these differ from runtime to runtime.
        "INIT_START" | "RESTORE_START" if rest.starts_with("Runtime Version: ") => {
            Some(Own::Init {
                kind: None,
                function: None,
                version: None,
            })
        }
        "INIT_REPORT" | "RESTORE_REPORT" => {
            let fields = Fields::of(rest);
            let restored = word == "RESTORE_REPORT";
            let what = if restored {
                "Restore Duration"
            } else {
                "Init Duration"
            };
            Some(Own::InitReport {
                duration_ms: Some(fields.amount(what, "ms")?),
                restored,
                status: fields.text("Status").and_then(Status::of),
                error: fields.text("Error Type").and_then(name),
            })
        }
        _ => None,
    }
}

/// `RequestId: UUID`, and what follows.
fn request_id(text: &str) -> Option<(RequestId, &str)> {
    let text = text.strip_prefix("RequestId: ")?;
    let (id, rest) = text.split_at_checked(36)?;
    Some((RequestId::of(id)?, rest))
}

/// `Duration: 12.30 ms`, parted by tabs and line ends.
struct Fields<'a>(&'a str);

impl<'a> Fields<'a> {
    fn of(text: &'a str) -> Self {
        Self(text)
    }

    fn text(&self, name: &str) -> Option<&'a str> {
        self.0.split(['\t', '\n']).find_map(|field| {
            let (field, value) = field.split_once(": ")?;
            (field == name).then(|| value.trim())
        })
    }

    fn amount(&self, name: &str, unit: &str) -> Option<f64> {
        let (number, of) = self.text(name)?.split_once(' ')?;
        let plain = |byte: u8| byte.is_ascii_digit() || byte == b'.';
        // Neither `inf` nor an exponent.
        let fits = of == unit && number.len() <= 20 && number.bytes().all(plain);
        fits.then(|| number.parse().ok()).flatten()
    }
}

fn own_json(json: &Value) -> Option<Own> {
    let what = json.get("type")?.as_str()?.strip_prefix("platform.")?;
    let record = json.get("record")?;
    let text = |field: &str| record.get(field).and_then(Value::as_str);
    let id = || text("requestId").and_then(RequestId::of);
    let metric = |field: &str| {
        let number = record.get("metrics")?.get(field)?.as_f64()?;
        (number.is_finite() && number >= 0.0).then_some(number)
    };
    let status = text("status").and_then(Status::of);
    let error = text("errorType").and_then(name);
    let trace = || {
        let value = record.get("tracing")?.get("value")?.as_str()?;
        // Root=1-…;Parent=…;Sampled=1
        let root = value.split(';').find_map(|part| part.strip_prefix("Root="));
        trace_id(root?)
    };
    match what {
        "initStart" | "restoreStart" => Some(Own::Init {
            kind: match what {
                "restoreStart" => Some("snap-start".to_owned()),
                _ => text("initializationType").and_then(name),
            },
            function: text("functionName").and_then(name),
            version: text("functionVersion").and_then(name),
        }),
        "initReport" | "restoreReport" => Some(Own::InitReport {
            duration_ms: metric("durationMs"),
            restored: what == "restoreReport",
            status,
            error,
        }),
        "start" => Some(Own::Start {
            id: id()?,
            version: text("version").and_then(name),
            trace_id: trace(),
        }),
        "runtimeDone" => Some(Own::End {
            id: id()?,
            status,
            error,
        }),
        "report" => Some(Own::Report {
            id: id()?,
            report: Report {
                duration_ms: metric("durationMs"),
                billed_ms: metric("billedDurationMs"),
                memory_mb: metric("memorySizeMB"),
                max_memory_used_mb: metric("maxMemoryUsedMB"),
                init_duration_ms: metric("initDurationMs"),
                restore_duration_ms: metric("restoreDurationMs"),
                status,
                error,
                trace_id: trace(),
            },
        }),
        _ => None,
    }
}

fn said_text(message: &str) -> Said {
    let mut lines = message.lines();
    let first = lines.next().unwrap_or_default();
    // RequestId: UUID Error: Runtime exited with error: exit status 1⏎Runtime.ExitError
    if let Some((id, rest)) = request_id(first) {
        let why = rest.trim_start();
        let what = match why.strip_prefix("Error: ") {
            Some(why) => lines.next().and_then(name).or_else(|| name(why)),
            None => why.starts_with("Process exited").then(|| why.to_owned()),
        };
        return Said {
            id: Some(id),
            sign: what.map(Sign::Fatal),
        };
    }
    let id = first
        .split_ascii_whitespace()
        .take(3)
        .find_map(RequestId::of);
    let mut words = first.split(' ').skip(2);
    if id.is_some() && ["Task", "timed", "out", "after"].map(Some) == [(); 4].map(|()| words.next())
    {
        return Said {
            id,
            sign: Some(Sign::Timeout),
        };
    }
    let mut tabs = first.splitn(4, '\t');
    let sign = if let Some(rest) = first.strip_prefix("[ERROR]") {
        // Python: what the program logs has tabs, what it did not catch a space and a type.
        let uncaught = rest.strip_prefix(' ').and_then(|rest| {
            let (what, _) = rest.split_once(':').unwrap_or((rest, ""));
            name(what).filter(|what| !what.contains(' '))
        });
        Some(uncaught.map_or(Sign::ErrorLine, Sign::Fatal))
    } else if tabs.nth(2) == Some("ERROR") {
        // Node.js: time, request, level, message.
        let said = tabs.next().unwrap_or_default();
        let uncaught = ["Invoke Error", "Uncaught Exception", "Unhandled Promise"];
        let uncaught = uncaught.iter().any(|begin| said.starts_with(begin));
        let detail = message.split_once("\t{").filter(|_| uncaught);
        let detail = detail.and_then(|(_, json)| {
            let json: Value = serde_json::from_str(&format!("{{{json}")).ok()?;
            name(json.get("errorType")?.as_str()?)
        });
        Some(match (uncaught, detail) {
            (true, Some(what)) => Sign::Fatal(what),
            (true, None) => Sign::Fatal("Error".to_owned()),
            (false, _) => Sign::ErrorLine,
        })
    } else {
        None
    };
    Said { id, sign }
}

/// Where programs and runtimes name the request in JSON.
const REQUEST_FIELDS: [&str; 5] = [
    "requestId",
    "AWSRequestId",
    "awsRequestId",
    "function_request_id",
    "request_id",
];

fn said_json(json: &Value) -> Said {
    let text = |field: &str| json.get(field).and_then(Value::as_str);
    let id = REQUEST_FIELDS
        .iter()
        .find_map(|field| text(field).and_then(RequestId::of));
    let is_error = text("level").is_some_and(|level| matches!(level, "ERROR" | "FATAL"));
    // A logger's name stands where the program itself logged what it caught.
    let caught = json.get("logger").is_some();
    let within = json.get("message").and_then(|said| said.get("errorType"));
    let what = text("errorType").or_else(|| within.and_then(Value::as_str));
    let what = what.filter(|_| !caught).and_then(name);
    Said {
        id,
        sign: match what {
            Some(what) => Some(Sign::Fatal(what)),
            None => is_error.then_some(Sign::ErrorLine),
        },
    }
}

/// A name that anybody may have written: one line, not too long, nothing but printable ASCII.
fn name(text: &str) -> Option<String> {
    let text = text.trim();
    let plain = |byte: u8| byte == b' ' || byte.is_ascii_graphic();
    (!text.is_empty() && text.bytes().all(plain)).then(|| text.chars().take(LONGEST_NAME).collect())
}

/// `1-5759e988-bd862e3fe1be46a994272793`.
fn trace_id(text: &str) -> Option<String> {
    let hex = |text: &str| text.bytes().all(|byte| byte.is_ascii_hexdigit());
    let (time, rest) = text.strip_prefix("1-")?.split_once('-')?;
    (time.len() == 8 && rest.len() == 24 && hex(time) && hex(rest)).then(|| text.to_owned())
}

/// Whose environment a stream is of, by its name: `2026/01/02/[VERSION]ENVIRONMENT` in a group of
/// the function's own, `2026/01/02/FUNCTION[VERSION]ENVIRONMENT` in another. Whoever may write logs
/// may name a stream as they like.
pub(super) fn owner_of_stream(stream: &str) -> (Option<String>, Option<String>) {
    let of = || {
        let mut parts = stream.splitn(4, '/');
        let date = [parts.next()?, parts.next()?, parts.next()?];
        let digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
        if date.map(str::len) != [4, 2, 2] || !date.into_iter().all(digits) {
            return None;
        }
        let (function, rest) = parts.next()?.split_once('[')?;
        let (version, _) = rest.split_once(']')?;
        Some((name(function), name(version)))
    };
    of().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    const ID: &str = "6d68ca91-49c9-448d-89b8-7ca3e6dc66aa";

    #[test]
    fn an_id_is_written_as_it_was_read_and_nothing_else_is_one() {
        assert_eq!(RequestId::of(ID).unwrap().to_string(), ID);
        let zeros = "00000000-0000-0000-0000-000000000000";
        assert_eq!(RequestId::of(zeros).unwrap().to_string(), zeros);
        for other in [
            "",
            "6D68CA91-49c9-448d-89b8-7ca3e6dc66aa",
            "6d68ca91049c9-448d-89b8-7ca3e6dc66aa",
            "6d68ca9--49c9-448d-89b8-7ca3e6dc66aa",
            "6d68ca91-49c9-448d-89b8-7ca3e6dc66aaa",
            "ééééééééé6d68ca91-49c9",
        ] {
            assert_eq!(RequestId::of(other), None, "{other}");
        }
    }

    #[test]
    fn a_stream_tells_function_and_version() {
        let owner = |stream: &str| {
            let (function, version) = owner_of_stream(stream);
            (function.unwrap_or_default(), version.unwrap_or_default())
        };
        let told = |function: &str, version: &str| (function.to_owned(), version.to_owned());
        assert_eq!(owner("2026/01/02/[$LATEST]0abc"), told("", "$LATEST"));
        assert_eq!(owner("2026/01/02/billing[7][0abc]"), told("billing", "7"));
        for other in ["", "x", "2026/1/02/[7]a", "2026/01/02/7", "2026/01/02/[7"] {
            assert_eq!(owner(other), told("", ""), "{other}");
        }
    }

    #[test]
    fn what_only_resembles_lambdas_own_lines_is_the_functions() {
        for message in [
            format!("START RequestId: {ID} Version: $LATEST\nand more"),
            format!(" START RequestId: {ID} Version: $LATEST"),
            format!("START RequestId: {ID}"),
            format!("END RequestId: {ID} and more"),
            format!("REPORT RequestId: {ID}\tDuration: inf ms\tBilled Duration: 1 ms"),
            format!("REPORT RequestId: {ID}\tDuration: 1e9 ms\tBilled Duration: 1 ms"),
            format!("REPORT RequestId: {ID}\tDuration: 1 s\tBilled Duration: 1 ms"),
            format!("REPORT RequestId: {ID} Duration: 1 ms Billed Duration: 1 ms"),
            format!("REPORT RequestId: {ID}\tDuration: 1 ms"),
            format!(r#"{{"type":"platform.report","record":{{"requestId":"{ID}x"}}}}"#),
            r#"{"type":"platform.start","record":7}"#.to_owned(),
            r#"{"type":7,"record":{}}"#.to_owned(),
            "{".to_owned(),
            "{".repeat(60_000),
            "[".repeat(60_000),
            r#"{"a":"#.repeat(10_000),
            "\u{0}\u{1b}[2J".to_owned(),
        ] {
            let line = Line::of(&message);
            assert!(matches!(line, Line::Said(_)), "{message:.80}: {line:?}");
        }
        let long = format!("START RequestId: {ID} Version: {}", "1".repeat(70_000));
        assert_eq!(Line::of(&long), Line::Said(Said::default()));
    }

    #[test]
    fn lambdas_own_lines_and_signs_of_errors_are_understood() {
        let messages = [
            format!("START RequestId: {ID} Version: $LATEST\n"),
            format!("END RequestId: {ID}\n"),
            format!(
                "REPORT RequestId: {ID}\tDuration: 33277.10 ms\tBilled Duration: 33278 ms\tMemory Size: 128 MB\tMax Memory Used: 116 MB\tInit Duration: 394.01 ms\t\nXRAY TraceId: 1-621fa5b2-1d0fdf726117126372296a3b\tSegmentId: 19852da441410609\tSampled: true\t\n"
            ),
            format!(
                "REPORT RequestId: {ID}\tDuration: 3000.00 ms\tBilled Duration: 3000 ms\tMemory Size: 128 MB\tMax Memory Used: 32 MB\tStatus: timeout\n"
            ),
            format!(
                "REPORT RequestId: {ID}\tDuration: 10.00 ms\tBilled Duration: 10 ms\tMemory Size: 1024 MB\tMax Memory Used: 1024 MB\tRestore Duration: 450.25 ms\tBilled Restore Duration: 100 ms\tStatus: error\tError Type: Runtime.OutOfMemory\n"
            ),
            "INIT_START Runtime Version: python:3.12.v10\tRuntime Version ARN: arn:aws:lambda:eu-west-1::runtime:b475\n".to_owned(),
            "INIT_REPORT Init Duration: 9999.47 ms\tPhase: init\tStatus: timeout\n".to_owned(),
            "INIT_REPORT Init Duration: 229.04 ms\tPhase: init\tStatus: error\tError Type: Runtime.ImportModuleError\n".to_owned(),
            "RESTORE_START Runtime Version: java:21.v82\tRuntime Version ARN: arn:aws:lambda:eu-west-1::runtime:1a7a\n".to_owned(),
            "RESTORE_REPORT Restore Duration: 1000.5 ms\n".to_owned(),
            format!("2026-01-02T03:04:08.000Z {ID} Task timed out after 3.00 seconds\n\n"),
            format!("RequestId: {ID} Error: Runtime exited with error: signal: killed\nRuntime.ExitError\n"),
            format!("RequestId: {ID} Process exited before completing request\n"),
            "[ERROR] KeyError: 'password'\nTraceback (most recent call last):\n".to_owned(),
            format!("[ERROR]\t2026-01-02T03:04:05.678Z\t{ID}\tcaught it\n"),
            format!("[INFO]\t2026-01-02T03:04:05.678Z\t{ID}\tfine\n"),
            format!("2026-01-02T03:04:05.678Z\t{ID}\tERROR\tInvoke Error \t{{\"errorType\":\"TypeError\",\"errorMessage\":\"x\"}}\n"),
            format!("2026-01-02T03:04:05.678Z\t{ID}\tERROR\tcaught it\n"),
            format!("2026-01-02T03:04:05.678Z\t{ID}\tINFO\tfine\n"),
            r#"{"time":"2026-01-02T03:04:05.000Z","type":"platform.initStart","record":{"initializationType":"on-demand","phase":"init","runtimeVersion":"nodejs:22.v1","functionName":"billing","functionVersion":"$LATEST"}}"#.to_owned(),
            r#"{"time":"2026-01-02T03:04:05.000Z","type":"platform.initReport","record":{"initializationType":"on-demand","phase":"init","status":"success","metrics":{"durationMs":173.778}}}"#.to_owned(),
            format!(r#"{{"time":"2026-01-02T03:04:05.000Z","type":"platform.start","record":{{"requestId":"{ID}","version":"$LATEST","tracing":{{"spanId":"54565fb41ac79632","type":"X-Amzn-Trace-Id","value":"Root=1-62e900b2-710d76f009d6e7785905449a;Parent=0efbd19962d95b05;Sampled=1"}}}}}}"#),
            format!(r#"{{"time":"2026-01-02T03:04:05.000Z","type":"platform.runtimeDone","record":{{"requestId":"{ID}","status":"error","errorType":"Runtime.ExitError","metrics":{{"durationMs":140.0,"producedBytes":16}}}}}}"#),
            format!(r#"{{"time":"2026-01-02T03:04:05.000Z","type":"platform.report","record":{{"requestId":"{ID}","status":"success","metrics":{{"billedDurationMs":694,"durationMs":693.92,"initDurationMs":397.68,"maxMemoryUsedMB":84,"memorySizeMB":128}}}}}}"#),
            format!(r#"{{"timestamp":"2026-01-02T03:04:05.000Z","level":"ERROR","requestId":"{ID}","message":{{"errorType":"TypeError","errorMessage":"x","stackTrace":[]}}}}"#),
            format!(r#"{{"timestamp":"2026-01-02T03:04:05.000Z","level":"ERROR","errorType":"KeyError","errorMessage":"x","requestId":"{ID}"}}"#),
            format!(r#"{{"timestamp":"2026-01-02T03:04:05.000Z","level":"ERROR","logger":"root","errorType":"KeyError","message":"caught it","requestId":"{ID}"}}"#),
            format!(r#"{{"level":"INFO","function_request_id":"{ID}","message":"fine"}}"#),
        ];
        let lines: Vec<String> = messages
            .iter()
            .map(|message| format!("{:?}", Line::of(message)))
            .collect();
        insta::assert_debug_snapshot!(lines);
    }
}
