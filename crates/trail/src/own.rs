//! Knows the one event that the responder causes itself: turning tracing on.
//!
//! Turning X-Ray tracing on is UpdateFunctionConfiguration, the very event that wakes the responder.
//! Only that exact change is recognised. Everything else that the responder's role does is
//! classified like anybody's, and is more suspicious, not less: someone may hold its credentials.

use crate::record::Record;
use crate::table::Subject;
use crate::target::targets;
use evidence::Target;
use serde_json::Value;

/// What the responder would have done itself. The caller must still find its own intent in the
/// vault, with this revision, before it believes so.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OwnTracingChange {
    /// The function whose tracing was turned on.
    pub function: Target,
    /// The revision that the change was conditional on.
    pub revision_id: String,
}

/// What the responder would have tried itself, in vain. The caller must still find its own intent in
/// the vault before it believes so.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OwnTracingAttempt {
    /// The function whose tracing was to be turned on.
    pub function: Target,
    /// The revision that the change was conditional on; nothing where the call was denied, since
    /// CloudTrail leaves the parameters of denied calls out. Then any intent for the function will do.
    pub revision_id: Option<String>,
}

/// Recognises exactly the responder's own tracing-only change: made in a session of
/// `own_role_arn`, successful, naming nothing but the function, a revision and
/// `tracingConfig.mode` *Active*.
///
/// Parameters that are `null` count as not named. So does an `environment` of `{}`: CloudTrail writes
/// it into the record of a call that named none (Stratus Red Team's `lambda-layer-extension` sends a
/// function and layers, and its recorded event has an empty environment beside them). Variables that
/// were sent look the same, so the record alone does not tell our call from one that replaces them:
/// the intent for this very revision does, at which one call can succeed only.
pub fn own_tracing_change(record: &Record, own_role_arn: &str) -> Option<OwnTracingChange> {
    let succeeded = record.error_code().is_none() && record.error_message().is_none();
    if !succeeded || !is_configuring(record, own_role_arn) {
        return None;
    }
    tracing_only(record)
}

/// Recognises the responder's own tracing-only change where it failed: somebody was faster, the role
/// lacks permission. What else the responder's role fails at is a sign that somebody holds its
/// credentials and looks around.
pub fn own_tracing_attempt(record: &Record, own_role_arn: &str) -> Option<OwnTracingAttempt> {
    if record.error_code().is_none() || !is_configuring(record, own_role_arn) {
        return None;
    }
    let withheld = record
        .raw()
        .get("requestParameters")
        .is_none_or(Value::is_null);
    if withheld {
        let message = record.error_message()?;
        let mut functions = targets(record, Subject::Function);
        let function = functions.pop().filter(|_| functions.is_empty())?;
        let ours = message.contains("perform: lambda:UpdateFunctionConfiguration on resource: ")
            && function.qualifier.is_none();
        return ours.then_some(OwnTracingAttempt {
            function,
            revision_id: None,
        });
    }
    tracing_only(record).map(|change| OwnTracingAttempt {
        function: change.function,
        revision_id: Some(change.revision_id),
    })
}

/// Whether this is a configuration change made in a session of the role.
fn is_configuring(record: &Record, own_role_arn: &str) -> bool {
    record.text("/userIdentity/type") == Some("AssumedRole")
        && record.session_issuer_arn() == Some(own_role_arn)
        && record.event_source() == Some("lambda.amazonaws.com")
        && record.base_name() == Some("UpdateFunctionConfiguration")
        && record.event_type().is_none_or(|kind| kind == "AwsApiCall")
}

/// The function and revision of a change that names nothing but tracing.
fn tracing_only(record: &Record) -> Option<OwnTracingChange> {
    let parameters = record.raw().get("requestParameters")?.as_object()?;
    let is_empty = |value: &Value| value.as_object().is_some_and(serde_json::Map::is_empty);
    let only_tracing = parameters.iter().all(|(name, value)| {
        value.is_null()
            || (name == "environment" && is_empty(value))
            || matches!(
                name.as_str(),
                "functionName" | "revisionId" | "tracingConfig"
            )
    });
    if !only_tracing || !is_active(parameters.get("tracingConfig")?) {
        return None;
    }
    let revision_id = parameters.get("revisionId")?.as_str()?;
    let mut functions = targets(record, Subject::Function);
    let function = functions.pop().filter(|_| functions.is_empty())?;
    (!revision_id.is_empty() && function.qualifier.is_none()).then(|| OwnTracingChange {
        function,
        revision_id: revision_id.to_owned(),
    })
}

fn is_active(tracing_config: &Value) -> bool {
    tracing_config.as_object().is_some_and(|fields| {
        fields.get("mode").and_then(Value::as_str) == Some("Active")
            && fields
                .iter()
                .all(|(name, value)| name == "mode" || value.is_null())
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    const ROLE: &str = "arn:aws:iam::111122223333:role/coldcase-respond";

    fn ours() -> Value {
        json!({
            "eventSource": "lambda.amazonaws.com", "eventType": "AwsApiCall",
            "eventName": "UpdateFunctionConfiguration20150331v2",
            "awsRegion": "eu-west-1", "recipientAccountId": "111122223333",
            "userIdentity": {"type": "AssumedRole",
                "arn": "arn:aws:sts::111122223333:assumed-role/coldcase-respond/coldcase-respond",
                "sessionContext": {"sessionIssuer": {"type": "Role", "arn": ROLE}}},
            "requestParameters": {"functionName": "billing", "revisionId": "r1",
                "tracingConfig": {"mode": "Active"}, "kMSKeyArn": null},
            "responseElements": {"functionName": "billing", "revisionId": "r2"},
        })
    }

    #[test]
    fn the_responders_own_tracing_change_is_recognised() {
        let change = own_tracing_change(&Record::new(ours()), ROLE).unwrap();
        assert_eq!(change.function.name, "billing");
        assert_eq!(change.revision_id, "r1");
    }

    #[test]
    fn what_cloudtrail_adds_by_itself_changes_nothing() {
        let mut record = ours();
        record["requestParameters"]["environment"] = json!({});
        let change = own_tracing_change(&Record::new(record), ROLE).unwrap();
        assert_eq!(change.revision_id, "r1");
    }

    #[test]
    fn its_own_attempt_in_vain_is_recognised_and_no_other() {
        let mut faster = ours();
        faster["errorCode"] = json!("PreconditionFailedException");
        faster["responseElements"] = json!(null);
        let attempt = own_tracing_attempt(&Record::new(faster.clone()), ROLE).unwrap();
        assert_eq!(attempt.function.name, "billing");
        assert_eq!(attempt.revision_id.as_deref(), Some("r1"));
        faster["requestParameters"]["layers"] = json!([]);
        assert_eq!(own_tracing_attempt(&Record::new(faster), ROLE), None);

        let mut denied = ours();
        denied["errorCode"] = json!("AccessDenied");
        denied["requestParameters"] = json!(null);
        let message = |action: &str| {
            json!(format!(
                "User: arn:aws:sts::111122223333:assumed-role/coldcase-respond/s is not authorized to \
                 perform: {action} on resource: arn:aws:lambda:eu-west-1:111122223333:function:billing \
                 because no identity-based policy allows it"
            ))
        };
        denied["errorMessage"] = message("lambda:UpdateFunctionConfiguration");
        let attempt = own_tracing_attempt(&Record::new(denied.clone()), ROLE).unwrap();
        assert_eq!(attempt.function.name, "billing");
        assert_eq!(attempt.revision_id, None);
        denied["errorMessage"] = message("iam:PassRole");
        assert_eq!(own_tracing_attempt(&Record::new(denied), ROLE), None);
        assert_eq!(own_tracing_attempt(&Record::new(ours()), ROLE), None);
    }

    #[test]
    fn nothing_else_is() {
        let arn = "arn:aws:iam::111122223333:role/coldcase-respond-2";
        for (what, pointer, value) in [
            (
                "another role",
                "/userIdentity/sessionContext/sessionIssuer/arn",
                json!(arn),
            ),
            ("no session", "/userIdentity/sessionContext", json!(null)),
            ("a user", "/userIdentity/type", json!("IAMUser")),
            (
                "tracing off",
                "/requestParameters/tracingConfig/mode",
                json!("PassThrough"),
            ),
            (
                "no tracing",
                "/requestParameters/tracingConfig",
                json!(null),
            ),
            ("no revision", "/requestParameters/revisionId", json!("")),
            (
                "a version",
                "/requestParameters/functionName",
                json!("billing:7"),
            ),
            (
                "another call",
                "/eventName",
                json!("UpdateFunctionCode20150331v2"),
            ),
            (
                "another service",
                "/eventSource",
                json!("evil.amazonaws.com"),
            ),
            (
                "variables as well",
                "/requestParameters/kMSKeyArn",
                json!({}),
            ),
        ] {
            let mut record = ours();
            *record.pointer_mut(pointer).unwrap() = value;
            assert_eq!(
                own_tracing_change(&Record::new(record), ROLE),
                None,
                "{what}"
            );
        }
        for (field, value) in [
            ("environment", json!({"variables": {}})),
            ("environment", json!([])),
            ("vpcConfig", json!({})),
            ("layers", json!([])),
            ("role", json!("arn:aws:iam::111122223333:role/admin")),
            ("handler", json!("evil.handler")),
        ] {
            let mut record = ours();
            record["requestParameters"][field] = value;
            assert_eq!(
                own_tracing_change(&Record::new(record), ROLE),
                None,
                "{field}"
            );
        }
        let mut failed = ours();
        failed["errorCode"] = json!("PreconditionFailedException");
        assert_eq!(own_tracing_change(&Record::new(failed), ROLE), None);
    }
}
