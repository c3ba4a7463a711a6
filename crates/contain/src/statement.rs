//! A statement of a resource policy as `AddPermission` spells it, or why it cannot.

use serde_json::Value;

/// The parameters of `AddPermission` for one statement.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Permission {
    pub(crate) action: String,
    pub(crate) principal: String,
    pub(crate) source_arn: Option<String>,
    pub(crate) source_account: Option<String>,
    pub(crate) event_source_token: Option<String>,
    pub(crate) principal_org_id: Option<String>,
    pub(crate) url_auth_type: Option<String>,
    pub(crate) via_url: Option<bool>,
}

impl Permission {
    /// Reads a statement; what `AddPermission` could not make again exactly is refused with the reason.
    pub(crate) fn read(statement: &Value) -> Result<Self, &'static str> {
        let fields = statement.as_object().ok_or("it is no object")?;
        let known = [
            "Sid",
            "Effect",
            "Principal",
            "Action",
            "Resource",
            "Condition",
        ];
        if fields.keys().any(|name| !known.contains(&name.as_str())) {
            return Err("it has fields that AddPermission does not take");
        }
        if statement["Effect"] != "Allow" {
            return Err("AddPermission only allows, and it denies");
        }
        if !statement["Sid"].is_string() {
            return Err("it has no Sid to name it by");
        }
        let mut permission = Self {
            action: text(&statement["Action"]).ok_or("it names several actions")?,
            principal: principal(&statement["Principal"]).ok_or("it names several principals")?,
            ..Self::default()
        };
        let conditions = match statement.get("Condition") {
            None | Some(Value::Null) => return Ok(permission),
            Some(conditions) => conditions.as_object().ok_or("its condition is no object")?,
        };
        for (operator, keys) in conditions {
            for (key, value) in keys.as_object().ok_or("its condition is no object")? {
                let value = text(value).ok_or("a condition has several values")?;
                let place = match (operator.as_str(), key.to_ascii_lowercase().as_str()) {
                    ("ArnLike", "aws:sourcearn") => &mut permission.source_arn,
                    ("StringEquals", "aws:sourceaccount") => &mut permission.source_account,
                    ("StringEquals", "lambda:eventsourcetoken") => {
                        &mut permission.event_source_token
                    }
                    ("StringEquals", "aws:principalorgid") => &mut permission.principal_org_id,
                    ("StringEquals", "lambda:functionurlauthtype") => &mut permission.url_auth_type,
                    ("Bool", "lambda:invokedviafunctionurl") => {
                        permission.via_url = Some(value == "true");
                        continue;
                    }
                    _ => return Err("it has a condition that AddPermission does not take"),
                };
                *place = Some(value);
            }
        }
        Ok(permission)
    }
}

/// A string, or the only one of a list.
fn text(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text.clone()),
        Value::Bool(flag) => Some(flag.to_string()),
        Value::Array(items) if items.len() == 1 => text(items.first()?),
        _ => None,
    }
}

fn principal(value: &Value) -> Option<String> {
    match value {
        Value::String(all) if all == "*" => Some(all.clone()),
        Value::Object(kinds) if kinds.len() == 1 => {
            let (kind, who) = kinds.iter().next()?;
            ["AWS", "Service"]
                .contains(&kind.as_str())
                .then(|| text(who))?
        }
        _ => None,
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn what_add_permission_made_it_can_make_again() {
        let statement = json!({"Sid": "s3", "Effect": "Allow", "Principal": {"Service": "s3.amazonaws.com"},
            "Action": "lambda:InvokeFunction", "Resource": "arn:aws:lambda:eu-west-1:111122223333:function:f",
            "Condition": {"StringEquals": {"AWS:SourceAccount": "111122223333"},
                "ArnLike": {"AWS:SourceArn": "arn:aws:s3:::uploads"}}});
        let permission = Permission::read(&statement).unwrap();
        assert_eq!(permission.principal, "s3.amazonaws.com");
        assert_eq!(permission.source_account.as_deref(), Some("111122223333"));
        assert_eq!(
            permission.source_arn.as_deref(),
            Some("arn:aws:s3:::uploads")
        );
        let url = json!({"Sid": "url", "Effect": "Allow", "Principal": "*",
            "Action": "lambda:InvokeFunctionUrl",
            "Condition": {"StringEquals": {"lambda:FunctionUrlAuthType": "NONE"},
                "Bool": {"lambda:InvokedViaFunctionUrl": "true"}}});
        let permission = Permission::read(&url).unwrap();
        assert_eq!(permission.url_auth_type.as_deref(), Some("NONE"));
        assert_eq!(permission.via_url, Some(true));
    }

    #[test]
    fn what_it_cannot_make_again_is_refused() {
        let good = json!({"Sid": "a", "Effect": "Allow", "Principal": "*", "Action": "lambda:*"});
        assert!(Permission::read(&good).is_ok());
        for (name, value) in [
            ("Effect", json!("Deny")),
            ("Sid", json!(null)),
            ("Action", json!(["a", "b"])),
            ("Principal", json!({"AWS": ["a", "b"]})),
            ("Principal", json!({"Federated": "a"})),
            ("NotAction", json!("a")),
            (
                "Condition",
                json!({"IpAddress": {"aws:SourceIp": "203.0.113.0/24"}}),
            ),
            ("Condition", json!({"ArnEquals": {"aws:SourceArn": "a"}})),
        ] {
            let mut bad = good.clone();
            bad[name] = value;
            assert!(Permission::read(&bad).is_err(), "{bad}");
        }
    }
}
