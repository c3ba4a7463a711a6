//! Gets records out of whatever carried them: EventBridge, SQS, SNS, CloudWatch Logs, log files.
//!
//! Wrappers nest (a record in an EventBridge event in an SNS message in an SQS body), as JSON and as
//! JSON inside strings. Each string is parsed once and is shorter than what held it, so the work is
//! bounded by the depth times the size.

use crate::record::Record;
use serde_json::{Map, Value};

/// How many steps inwards are taken: each list, string and envelope is one. EventBridge in SNS in SQS,
/// the deepest in common use, takes nine.
pub const MAX_DEPTH: usize = 16;

/// The largest document that is read, in bytes. CloudTrail's own files stay far below.
pub const MAX_BYTES: usize = 256 * 1024 * 1024;

/// What holds no record, and why.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{why}")]
pub struct Unreadable {
    /// One sentence; quotes at most a few field names of what was read.
    pub why: String,
}

/// The records in `bytes`, which is JSON in any wrapper. What can't be read takes its place in the
/// list; an empty wrapper (`{"Records": []}`) gives an empty list.
pub fn unwrap(bytes: &[u8]) -> Vec<Result<Record, Unreadable>> {
    if bytes.len() > MAX_BYTES {
        return vec![unreadable(format!(
            "{} bytes are more than the {MAX_BYTES} that are read at once; split the document",
            bytes.len()
        ))];
    }
    match serde_json::from_slice(bytes) {
        Ok(value) => unwrap_value(value),
        Err(error) => vec![unreadable(format!("not JSON: {error}"))],
    }
}

/// The same for JSON that is parsed already.
pub fn unwrap_value(value: Value) -> Vec<Result<Record, Unreadable>> {
    let mut found = Vec::new();
    open(value, 0, &mut found);
    found
}

type Found = Vec<Result<Record, Unreadable>>;

fn open(value: Value, depth: usize, found: &mut Found) {
    if depth > MAX_DEPTH {
        found.push(unreadable(format!(
            "wrapped more than {MAX_DEPTH} times over, deeper than any known carrier"
        )));
        return;
    }
    match value {
        Value::Array(items) => {
            for item in items {
                open(item, depth + 1, found);
            }
        }
        Value::String(text) => match serde_json::from_str(&text) {
            Ok(inner) => open(inner, depth + 1, found),
            Err(error) => found.push(unreadable(format!("text that is not JSON: {error}"))),
        },
        Value::Object(fields) => open_object(fields, depth, found),
        Value::Null => found.push(unreadable("null where a record was expected".into())),
        Value::Bool(_) | Value::Number(_) => {
            found.push(unreadable(
                "a bare value where a record was expected".into(),
            ));
        }
    }
}

/// Message carriers first, since SQS's and SNS's items have an `eventSource` as records do; then the
/// record itself; then envelopes and lists.
fn open_object(mut fields: Map<String, Value>, depth: usize, found: &mut Found) {
    for carrier in ["CloudTrailEvent", "body", "Body", "Sns", "Message"] {
        let carries = match fields.get(carrier) {
            // A CloudTrail record may well have such a field of its own; an SQS item never has a name.
            Some(Value::String(_)) => !fields.contains_key("eventName"),
            Some(Value::Object(_)) => carrier == "Sns",
            _ => false,
        };
        if carries && let Some(inner) = fields.remove(carrier) {
            return open(inner, depth + 1, found);
        }
    }
    if is_record(&fields) {
        found.push(Ok(Record::new(Value::Object(fields))));
        return;
    }
    if let Some(Value::Object(_) | Value::String(_)) = fields.get("detail") {
        let kind = fields.get("detail-type").and_then(Value::as_str);
        let kind = kind.unwrap_or("without a detail-type").to_owned();
        return match fields.remove("detail") {
            Some(Value::Object(detail)) if !is_record(&detail) => {
                found.push(unreadable(format!(
                    "an EventBridge event ({}) that carries no CloudTrail record",
                    shown(&kind)
                )));
            }
            Some(detail) => open(detail, depth + 1, found),
            None => {}
        };
    }
    for list in ["Records", "records", "Events", "logEvents", "Messages"] {
        if let Some(Value::Array(_)) = fields.get(list)
            && let Some(items) = fields.remove(list)
        {
            return open(items, depth + 1, found);
        }
    }
    if let Some(Value::String(_)) = fields.get("message")
        && let Some(message) = fields.remove("message")
    {
        return open(message, depth + 1, found);
    }
    if fields.contains_key("awslogs") {
        found.push(unreadable(
            "a compressed CloudWatch Logs delivery; decode and gunzip awslogs.data first".into(),
        ));
        return;
    }
    let names: Vec<_> = fields.keys().take(5).map(|name| shown(name)).collect();
    found.push(unreadable(match names.is_empty() {
        true => "an empty object".into(),
        false => format!("no CloudTrail record; its fields are {}", names.join(", ")),
    }));
}

/// Whether an object is a record rather than a carrier of one. Insight events have no name, and
/// excerpts no id.
fn is_record(fields: &Map<String, Value>) -> bool {
    ["eventName", "eventID", "eventSource", "insightDetails"]
        .iter()
        .any(|field| fields.contains_key(*field))
}

fn shown(text: &str) -> String {
    text.chars()
        .take(40)
        .collect::<String>()
        .escape_debug()
        .to_string()
}

fn unreadable(why: String) -> Result<Record, Unreadable> {
    Err(Unreadable { why })
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn record() -> Value {
        json!({"eventName": "UpdateFunctionCode20150331v2", "eventSource": "lambda.amazonaws.com"})
    }

    #[test]
    fn the_record_comes_out_of_every_wrapper_met_in_the_wild() {
        let bridge = json!({"source": "aws.lambda", "detail-type": "AWS API Call via CloudTrail",
            "resources": [], "detail": record()});
        let sns = json!({"Type": "Notification", "TopicArn": "arn:aws:sns:eu-west-1:111122223333:t",
            "Message": bridge.to_string()});
        let sqs = |body: &Value| json!({"Records": [{"messageId": "1", "eventSource": "aws:sqs", "body": body.to_string()}]});
        for wrapped in [
            record(),
            json!([record()]),
            json!({"Records": [record()]}),
            bridge.clone(),
            json!(bridge.to_string()),
            sns.clone(),
            sqs(&bridge),
            sqs(&sns),
            sqs(
                &json!({"Records": [{"EventSource": "aws:sns", "Sns": {"Message": bridge.to_string()}}]}),
            ),
            json!({"Messages": [{"MessageId": "1", "Body": bridge.to_string()}]}),
            json!({"messageType": "DATA_MESSAGE",
                "logEvents": [{"id": "1", "timestamp": 1, "message": record().to_string()}]}),
            json!({"Events": [{"EventId": "1", "EventName": "UpdateFunctionCode20150331v2",
                "CloudTrailEvent": record().to_string()}]}),
        ] {
            let found = unwrap(wrapped.to_string().as_bytes());
            assert_eq!(found, [Ok(Record::new(record()))], "{wrapped}");
        }
    }

    #[test]
    fn what_holds_no_record_says_why_in_its_place() {
        let found = unwrap_value(
            json!({"Records": [record(), null, {"eventSource": "aws:sqs", "body": "hi"}, {}]}),
        );
        assert_eq!(found.len(), 4);
        assert!(found[0].is_ok() && found[1..].iter().all(Result::is_err));
        let other = json!({"detail-type": "Object Created", "detail": {"bucket": {"name": "b"}}});
        let why = unwrap_value(other).remove(0).unwrap_err().why;
        assert!(why.contains("Object Created"), "{why}");
    }

    #[test]
    fn an_empty_wrapper_holds_nothing() {
        assert_eq!(unwrap(br#"{"Records": []}"#), []);
        assert_eq!(unwrap(b"[]"), []);
    }

    #[test]
    fn depth_is_bounded() {
        let mut wrapped = record();
        for _ in 0..MAX_DEPTH + 1 {
            wrapped = json!([wrapped]);
        }
        assert!(unwrap_value(wrapped)[0].is_err());
        assert!(unwrap("[".repeat(100_000).as_bytes())[0].is_err());
    }
}
