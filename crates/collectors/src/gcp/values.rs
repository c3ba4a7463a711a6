//! Values of variables in what Google answers: they belong to the configuration and to the service that
//! runs, and are taken out of everything else.

use serde_json::Value;

const WITHHELD: &str = "withheld by coldcase: a value of the environment";

/// Fields whose values are variables by name.
const BY_NAME: [&str; 3] = [
    "environmentVariables",
    "buildEnvironmentVariables",
    // Of a build: what the owner of a trigger put in.
    "substitutions",
];

/// Takes them out, wherever they are: Functions has a map of them, Run a list with names.
pub(super) fn withhold(value: &mut Value) {
    match value {
        Value::Object(fields) => {
            for (name, field) in fields {
                match field {
                    Value::Object(variables) if BY_NAME.contains(&name.as_str()) => {
                        for value in variables.values_mut() {
                            *value = WITHHELD.into();
                        }
                    }
                    Value::Array(variables) if name == "env" => {
                        for variable in variables {
                            match variable {
                                Value::Object(fields) => {
                                    if let Some(value) = fields.get_mut("value") {
                                        *value = WITHHELD.into();
                                    }
                                }
                                // Of a build's step: NAME=VALUE.
                                Value::String(text) => {
                                    let name = text.split('=').next().unwrap_or_default();
                                    *text = format!("{name}={WITHHELD}");
                                }
                                _ => {}
                            }
                        }
                    }
                    other => withhold(other),
                }
            }
        }
        Value::Array(items) => items.iter_mut().for_each(withhold),
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn values_are_taken_out_and_names_stay() {
        let mut value = json!({"function": {"serviceConfig": {"environmentVariables": {"KEY": "marked"}, "secretEnvironmentVariables": [{"key": "A", "secret": "s"}]}},
            "service": [{"template": {"containers": [{"env": [{"name": "KEY", "value": "marked"}, {"name": "B", "valueSource": {"secretKeyRef": {"secret": "s"}}}]}]}}],
            "steps": [{"env": ["KEY=marked=x"]}], "environmentVariables": "no map"});
        withhold(&mut value);
        let told = value.to_string();
        assert!(!told.contains("marked"), "{told}");
        assert_eq!(told.matches("KEY").count(), 3);
        assert!(
            told.contains("secretKeyRef") && told.contains("no map"),
            "{told}"
        );
    }
}
