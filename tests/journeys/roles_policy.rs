//! A role's own policy with an action less.
#![allow(clippy::unwrap_used)]

use coldcase_tests::Account;
use serde_json::Value;

/// The inline policy of a role of the stack, as it was deployed.
pub struct RolePolicy {
    iam: aws_sdk_iam::Client,
    role: String,
    name: String,
    document: Value,
}

impl RolePolicy {
    /// Of the role that this output names.
    pub async fn of(account: &Account, output: &str) -> Self {
        let iam = account.iam().await;
        let role = account.output(output);
        let role = role.rsplit_once('/').unwrap().1.to_owned();
        let names = iam.list_role_policies().role_name(&role).send().await;
        let names = names.unwrap().policy_names;
        assert_eq!(names.len(), 1, "{names:?}");
        let policy = iam.get_role_policy().role_name(&role);
        let policy = policy.policy_name(&names[0]).send().await.unwrap();
        let document = percent_decoded(policy.policy_document());
        Self {
            iam,
            role,
            name: names[0].clone(),
            document: serde_json::from_str(&document).unwrap(),
        }
    }

    /// Takes the action out of the statements that `of` names by their id.
    pub async fn without(&self, action: &str, of: fn(&str) -> bool) {
        self.without_all(&[action], of).await;
    }

    /// Takes several actions out of the statements that `of` names by their id.
    pub async fn without_all(&self, actions: &[&str], of: fn(&str) -> bool) {
        let mut document = self.document.clone();
        for action in actions {
            take_out(&mut document, action, of);
        }
        self.put(&document).await;
    }

    /// As it was.
    pub async fn restored(&self) {
        self.put(&self.document).await;
    }

    async fn put(&self, document: &Value) {
        let put = self.iam.put_role_policy().role_name(&self.role);
        let put = put.policy_name(&self.name);
        let put = put.policy_document(document.to_string());
        put.send().await.unwrap();
    }
}

fn take_out(document: &mut Value, action: &str, of: fn(&str) -> bool) {
    let mut taken = 0;
    for statement in document["Statement"].as_array_mut().unwrap() {
        if statement["Effect"] != "Allow" || !of(statement["Sid"].as_str().unwrap()) {
            continue;
        }
        match &mut statement["Action"] {
            Value::Array(actions) => {
                let before = actions.len();
                actions.retain(|known| known != action);
                taken += before - actions.len();
                if actions.is_empty() {
                    actions.push("none:None".into());
                }
            }
            only if *only == action => {
                *only = "none:None".into();
                taken += 1;
            }
            _ => {}
        }
    }
    assert!(taken > 0, "the role does not have {action}");
}

/// Whether a statement is there to read what is preserved, not to keep it, to be fed or to change.
pub fn statements_that_read(id: &str) -> bool {
    let others = [
        "Vault",
        "VaultKeys",
        "VaultEncryption",
        "Seal",
        "Events",
        "FailedInvocation",
        "Alert",
        "OwnLog",
        "TurnTracingOn",
    ];
    !others.contains(&id)
}

/// IAM answers documents URL-encoded.
fn percent_decoded(text: &str) -> String {
    let mut bytes = text.bytes();
    let mut decoded = Vec::new();
    while let Some(byte) = bytes.next() {
        if byte == b'%' {
            let digits = [bytes.next().unwrap(), bytes.next().unwrap()];
            let digits = std::str::from_utf8(&digits).unwrap();
            decoded.push(u8::from_str_radix(digits, 16).unwrap());
        } else {
            decoded.push(byte);
        }
    }
    String::from_utf8(decoded).unwrap()
}
