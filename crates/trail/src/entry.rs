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
            None if json.get("protoPayload").is_some() => Self::of_google(&json),
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

    /// Of Google's audit logs: a log entry with an `AuditLog`.
    /// <https://cloud.google.com/logging/docs/reference/audit/auditlog/rest/Shared.Types/AuditLog>
    fn of_google(json: &Value) -> Option<Self> {
        let text = |at: &str| {
            let text = json.pointer(at).and_then(Value::as_str);
            text.filter(|text| !text.is_empty()).map(str::to_owned)
        };
        let of = |at: &str| text(&format!("/protoPayload/{at}"));
        let who = of("authenticationInfo/principalEmail")
            .or_else(|| of("authenticationInfo/principalSubject"));
        // Whoever has a key of an account, or acts as it, is told with it.
        let key = of("authenticationInfo/serviceAccountKeyName");
        let key = key.and_then(|key| Some(format!("key {}", key.rsplit('/').next()?)));
        let first = "authenticationInfo/serviceAccountDelegationInfo/0";
        let by = of(&format!("{first}/firstPartyPrincipal/principalEmail"))
            .or_else(|| of(&format!("{first}/principalSubject")));
        let by = by.map(|by| format!("by {by}"));
        let code = json
            .pointer("/protoPayload/status/code")
            .and_then(Value::as_i64)
            .filter(|code| *code != 0);
        let method = of("methodName").unwrap_or_else(|| "unknown".to_owned());
        Some(Self {
            occurred_at: text("/timestamp")?.parse().ok()?,
            id: text("/insertId"),
            who: match (who, key.or(by)) {
                (Some(who), Some(how)) => Some(format!("{who} ({how})")),
                (who, how) => who.or(how),
            },
            from: of("requestMetadata/callerIp"),
            service: of("serviceName")
                .map(|name| name.trim_end_matches(".googleapis.com").to_owned())
                .unwrap_or_else(|| "google".to_owned()),
            // `google.cloud.functions.v2.FunctionService.UpdateFunction`: the rest is in the service.
            action: method.rsplit('.').next().unwrap_or_default().to_owned(),
            on: of("resourceName").into_iter().collect(),
            error: code.map(|code| {
                of("status/message")
                    .map_or(code.to_string(), |message| format!("{code}: {message}"))
            }),
            agent: of("requestMetadata/callerSuppliedUserAgent"),
            severity: None,
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
    fn an_entry_of_google_says_who_did_what_and_by_what_key() {
        let entry = json!({"timestamp": "2026-01-02T03:04:05.678Z", "insertId": "i1",
            "protoPayload": {"methodName": "google.cloud.functions.v2.FunctionService.UpdateFunction",
                "serviceName": "cloudfunctions.googleapis.com",
                "authenticationInfo": {"principalEmail": "ci@example-project.iam.gserviceaccount.com",
                    "serviceAccountKeyName": "//iam.googleapis.com/projects/example-project/serviceAccounts/ci/keys/abc"},
                "requestMetadata": {"callerIp": "198.51.100.7", "callerSuppliedUserAgent": "curl/8"},
                "resourceName": "projects/example-project/locations/europe-west1/functions/billing-api",
                "status": {"code": 7, "message": "denied"}}});
        let read = AuditEntry::read(entry).unwrap();
        let who = "ci@example-project.iam.gserviceaccount.com (key abc)";
        assert_eq!(read.who.as_deref(), Some(who));
        assert_eq!(
            (&*read.service, &*read.action),
            ("cloudfunctions", "UpdateFunction")
        );
        assert_eq!(read.error.as_deref(), Some("7: denied"));
        assert_eq!(read.from.as_deref(), Some("198.51.100.7"));
        let acting = json!({"timestamp": "2026-01-02T03:04:05Z", "protoPayload": {"status": {},
            "authenticationInfo": {"principalEmail": "a@example.com", "serviceAccountDelegationInfo":
                [{"firstPartyPrincipal": {"principalEmail": "b@example.com"}}]}}});
        let read = AuditEntry::read(acting).unwrap();
        assert_eq!(
            read.who.as_deref(),
            Some("a@example.com (by b@example.com)")
        );
        assert_eq!((&*read.action, read.error), ("unknown", None));
    }

    #[test]
    fn real_entries_of_google_are_read_where_they_are_at_hand() {
        let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR"));
        let folder = folder.join("../../../shared/data/gcp");
        let Ok(files) = std::fs::read_dir(&folder) else {
            return;
        };
        let mut read = 0;
        for file in files {
            let text = std::fs::read_to_string(file.unwrap().path()).unwrap();
            for line in text.lines() {
                let line: Value = serde_json::from_str(line).unwrap();
                let record = &line["record"];
                // Somebody's pipeline has written some of the times anew.
                let is_googles = record["timestamp"]
                    .as_str()
                    .is_some_and(|at| at.ends_with('Z'));
                if record.pointer("/protoPayload/methodName").is_none() || !is_googles {
                    continue;
                }
                let entry = AuditEntry::read(record.clone()).unwrap();
                assert!(!entry.action.is_empty(), "{record}");
                read += 1;
            }
        }
        assert!(read > 50, "{read}");
    }

    #[test]
    fn what_has_no_time_is_no_entry() {
        for json in [
            json!({}),
            json!(null),
            json!([]),
            json!({"eventTime": 7}),
            json!({"action": {"time": "soon"}}),
            json!({"protoPayload": {}, "timestamp": 7}),
        ] {
            assert_eq!(AuditEntry::read(json.clone()), None, "{json}");
        }
    }
}
