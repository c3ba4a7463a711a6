//! One entry of an audit log, whichever provider's: who did what to what, from where, and whether they
//! were let.

use crate::{Decision, Record, Scope, classify};
use evidence::Severity;
use jiff::Timestamp;
use serde_json::Value;

/// An entry as far as every provider has it. Everything is text from the log and may be anybody's.
#[derive(Clone, Debug, PartialEq)]
pub struct AuditEntry {
    /// When it happened.
    pub occurred_at: Timestamp,
    /// The provider's id of it.
    pub id: Option<String>,
    /// Who: an ARN, an e-mail address, with the token if there was one.
    pub who: Option<String>,
    /// From which address.
    pub from: Option<String>,
    /// Which part of the provider: `lambda`, `workers`.
    pub service: String,
    /// What: CloudTrail's `eventName` without its date, `create script`.
    pub action: String,
    /// To what, by name.
    pub on: Vec<String>,
    /// Why it was refused or failed.
    pub error: Option<String>,
    /// With which program.
    pub agent: Option<String>,
    /// How bad it is by itself, where that is known.
    pub severity: Option<Severity>,
}

impl AuditEntry {
    /// Reads an entry. Whose it is its own fields tell; none if it has no time or is nobody's.
    pub fn read(json: Value) -> Option<Self> {
        match json.get("eventTime") {
            Some(_) => Self::of_cloudtrail(&Record::new(json)),
            None => Self::of_cloudflare(&json),
        }
    }

    /// Of CloudTrail.
    pub fn of_cloudtrail(record: &Record) -> Option<Self> {
        let text = |text: Option<&str>| text.map(str::to_owned);
        let classification = classify(record, &Scope::default());
        Some(Self {
            occurred_at: record.occurred_at()?,
            id: text(record.event_id()),
            who: text(record.principal()),
            from: text(record.source_address()),
            service: record.service().unwrap_or("unknown").to_owned(),
            action: record.base_name().unwrap_or("unknown").to_owned(),
            on: (classification.targets.iter().take(2))
                .map(|target| target.name.clone())
                .collect(),
            error: text(record.error_code()),
            agent: text(record.user_agent()),
            severity: classification
                .severity
                .filter(|_| classification.decision == Decision::Respond),
        })
    }

    /// Of Cloudflare's audit log, second version.
    fn of_cloudflare(json: &Value) -> Option<Self> {
        let text = |at: &str| {
            let text = json.pointer(at).and_then(Value::as_str);
            text.filter(|text| !text.is_empty()).map(str::to_owned)
        };
        let who = text("/actor/email").or_else(|| text("/actor/id"));
        let token = text("/actor/token_name").or_else(|| text("/actor/token_id"));
        let kind = text("/resource/type").unwrap_or_else(|| "something".to_owned());
        let action = text("/action/type").unwrap_or_else(|| "change".to_owned());
        let is_failure = text("/action/result").is_some_and(|result| result == "failure");
        let status = json.pointer("/raw/status_code").and_then(Value::as_u64);
        Some(Self {
            occurred_at: text("/action/time")?.parse().ok()?,
            id: text("/id"),
            who: match (who, token) {
                (Some(who), Some(token)) => Some(format!("{who} (token {token})")),
                (who, _) => who,
            },
            from: text("/actor/ip_address"),
            service: text("/resource/product").unwrap_or_else(|| "cloudflare".to_owned()),
            action: format!("{action} {kind}"),
            on: text("/resource/id").into_iter().collect(),
            error: is_failure.then(|| match status {
                Some(status) => status.to_string(),
                None => "failure".to_owned(),
            }),
            agent: text("/raw/user_agent"),
            severity: None,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn entries_of_two_providers_say_who_did_what() {
        let cloudtrail = json!({"eventTime": "2026-01-02T03:04:05Z", "eventID": "e", "eventSource": "lambda.amazonaws.com",
            "eventName": "UpdateFunctionCode20150331v2", "awsRegion": "eu-west-1", "sourceIPAddress": "198.51.100.7",
            "userIdentity": {"type": "IAMUser", "arn": "arn:aws:iam::111122223333:user/alice", "accountId": "111122223333"},
            "requestParameters": {"functionName": "billing"}, "recipientAccountId": "111122223333"});
        let read = AuditEntry::read(cloudtrail).unwrap();
        let told = (
            read.service.as_str(),
            read.action.as_str(),
            read.on.as_slice(),
        );
        assert_eq!(
            told,
            ("lambda", "UpdateFunctionCode", &["billing".to_owned()][..])
        );
        assert!(read.severity.is_some());
        let cloudflare = json!({"id": "a1", "action": {"type": "update", "time": "2026-01-02T03:04:05Z", "result": "failure"},
            "actor": {"email": "alice@example.com", "token_name": "ci", "ip_address": "203.0.113.9"},
            "raw": {"status_code": 403}, "resource": {"id": "billing-api", "product": "workers", "type": "script"}});
        let read = AuditEntry::read(cloudflare).unwrap();
        assert_eq!(read.who.as_deref(), Some("alice@example.com (token ci)"));
        assert_eq!(
            (read.action.as_str(), read.error.as_deref()),
            ("update script", Some("403"))
        );
    }

    #[test]
    fn what_has_no_time_is_no_entry() {
        for json in [
            json!({}),
            json!(null),
            json!([]),
            json!({"eventTime": 7}),
            json!({"action": {"time": "soon"}}),
        ] {
            assert_eq!(AuditEntry::read(json.clone()), None, "{json}");
        }
    }
}
