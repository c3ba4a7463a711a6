//! Having Cloudflare store what a Worker does from now on: its logs, its invocations and its traces. The
//! one thing here that changes something. It is a setting of the script, not of a version: no new version
//! is made, and running code is not replaced.

use super::deployments::DEPLOYMENTS;
use super::observability::SCRIPT_SETTINGS;
use super::{Cloudflare, list, path, text};
use crate::rest::Trouble;
use evidence::Target;
use serde_json::{Map, Value, json};

/// `PATCH …/settings` would make a new version.
pub(super) const CHANGE: &str =
    "PATCH /accounts/{account_id}/workers/scripts/{script_name}/script-settings";

/// What is stored of a Worker, and which deployment of it is live.
#[derive(Clone, Debug, PartialEq)]
pub struct Observability {
    /// The id of the live deployment; empty if there is none.
    pub deployment: String,
    /// The setting as Cloudflare gives it; null if it was never set.
    pub setting: Value,
}

impl Observability {
    /// Whether logs, invocations and traces are stored already: some of them at least, where the owner
    /// has only so many stored.
    pub fn is_on(&self) -> bool {
        let is = |at: &str| self.setting.pointer(at).and_then(Value::as_bool);
        let rate = |at: &str| self.setting.pointer(at).and_then(Value::as_f64);
        let is_kept = |part: &str| {
            is(&format!("{part}/persist")) != Some(false)
                && rate(&format!("{part}/head_sampling_rate")) != Some(0.0)
        };
        is("/enabled") == Some(true)
            && is("/logs/enabled") != Some(false)
            && is("/logs/invocation_logs") != Some(false)
            && is("/traces/enabled") == Some(true)
            && ["", "/logs", "/traces"].into_iter().all(is_kept)
    }

    /// The setting with logs, invocations and traces turned on and stored. The rest stays as the owner
    /// has it: a share that is stored as well, unless it is none or was not in use.
    fn turned_on(&self) -> Value {
        let object = |value: Option<&Value>| value.and_then(Value::as_object).cloned();
        let mut setting = object(Some(&self.setting)).unwrap_or_default();
        setting.retain(|_, value| !value.is_null());
        let was_on = setting.get("enabled") == Some(&Value::Bool(true));
        if !was_on {
            setting.remove("head_sampling_rate");
        }
        setting.insert("enabled".to_owned(), true.into());
        let parts: [(&str, &[&str]); 2] = [
            ("logs", &["enabled", "invocation_logs"]),
            ("traces", &["enabled"]),
        ];
        for (part, switches) in parts {
            let mut on: Map<String, Value> = object(setting.get(part)).unwrap_or_default();
            on.retain(|_, value| !value.is_null());
            for switch in switches {
                on.insert((*switch).to_owned(), true.into());
            }
            stored(&mut on);
            setting.insert(part.to_owned(), on.into());
        }
        stored(&mut setting);
        setting.entry("head_sampling_rate").or_insert(1.into());
        setting.into()
    }
}

/// Has what is turned on stored as well: it may be sent elsewhere only, or nothing of it be taken.
fn stored(part: &mut Map<String, Value>) {
    if part.get("persist") == Some(&Value::Bool(false)) {
        part.insert("persist".to_owned(), true.into());
    }
    if part.get("head_sampling_rate").and_then(Value::as_f64) == Some(0.0) {
        part.insert("head_sampling_rate".to_owned(), 1.into());
    }
}

impl Cloudflare {
    /// How a Worker stands.
    pub async fn observability(&self, target: &Target) -> Result<Observability, Trouble> {
        let path = path(target);
        let settings = self.rest.call(SCRIPT_SETTINGS, &path, &[], None).await?;
        let deployments = self.rest.call(DEPLOYMENTS, &path, &[], None).await?;
        let live = list(&deployments.json, "/result/deployments").first();
        let live = live.and_then(|live| text(live, "/id"));
        Ok(Observability {
            deployment: live.unwrap_or_default().to_owned(),
            setting: settings
                .json
                .pointer("/result/observability")
                .cloned()
                .unwrap_or_default(),
        })
    }

    /// Turns it on, from what it is now.
    pub async fn turn_observability_on(
        &self,
        target: &Target,
        now: &Observability,
    ) -> Result<(), Trouble> {
        let body = json!({ "observability": now.turned_on() });
        let path = path(target);
        let changed = self.rest.call(CHANGE, &path, &[], Some(body)).await;
        changed.map(|_| ())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(setting: Value) -> Observability {
        Observability {
            deployment: "d1".to_owned(),
            setting,
        }
    }

    #[test]
    fn what_the_owner_has_set_besides_stays() {
        let turned_on = |setting| of(setting).turned_on();
        let all = json!({"enabled": true, "head_sampling_rate": 1, "logs": {"enabled": true, "invocation_logs": true}, "traces": {"enabled": true}});
        assert_eq!(turned_on(Value::Null), all);
        assert_eq!(
            turned_on(json!({"enabled": false, "head_sampling_rate": null, "logs": null})),
            all
        );
        let own = turned_on(
            json!({"enabled": true, "head_sampling_rate": 0.1, "logs": {"enabled": true, "destinations": ["d"]}}),
        );
        assert_eq!(own["head_sampling_rate"], 0.1);
        assert_eq!(own["logs"]["destinations"], json!(["d"]));
        assert!(of(own).is_on());
        // A rate that was never used is no wish of the owner's.
        let off = turned_on(json!({"enabled": false, "head_sampling_rate": 0.0}));
        assert_eq!(off["head_sampling_rate"], 1);
    }

    #[test]
    fn what_is_turned_on_and_not_stored_is_not_on() {
        for muted in [
            json!({"head_sampling_rate": 0}),
            json!({"logs": {"enabled": true, "persist": false}}),
            json!({"logs": {"enabled": true, "head_sampling_rate": 0.0}}),
            json!({"logs": {"enabled": true, "invocation_logs": false}}),
            json!({"traces": {"enabled": true, "persist": false, "destinations": ["d"]}}),
            json!({"traces": {"enabled": true, "head_sampling_rate": 0}}),
        ] {
            let mut setting = json!({"enabled": true, "traces": {"enabled": true}});
            assert!(of(setting.clone()).is_on());
            let fields = setting.as_object_mut().unwrap();
            fields.extend(muted.as_object().unwrap().clone());
            let observability = of(setting);
            assert!(!observability.is_on(), "{muted}");
            let after = of(observability.turned_on());
            assert!(after.is_on(), "{muted}");
            // What is sent elsewhere goes on being sent there.
            let sent = |it: &Observability| it.setting.pointer("/traces/destinations").cloned();
            assert_eq!(sent(&after), sent(&observability));
        }
    }

    #[test]
    fn it_is_on_when_traces_are_stored_as_well() {
        assert!(!of(Value::Null).is_on());
        assert!(!of(json!({"enabled": true})).is_on());
        assert!(
            !of(json!({"enabled": true, "traces": {"enabled": true}, "logs": {"enabled": false}}))
                .is_on()
        );
        assert!(!of(json!({"enabled": false, "traces": {"enabled": true}})).is_on());
        assert!(of(json!({"enabled": true, "traces": {"enabled": true}})).is_on());
    }
}
