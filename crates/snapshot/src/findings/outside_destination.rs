//! Results, failures, records or lines that go to another account, or come from one.

use super::{Look, Noticed, Rule, account_of, proof};
use crate::model::{Place, Snapshot};
use evidence::{Confidence, Severity};

pub(super) const RULE: Rule = Rule {
    id: "outside-destination",
    technique: "T1537",
    advice: "Take the destination off unless somebody answers for the account, and count what has gone there.",
    look,
};

fn look(look: &Look<'_>) -> Vec<Noticed> {
    let Some(own) = look.now.account.as_deref() else {
        return Vec::new();
    };
    let before = look.before.map(all);
    let mut noticed = Vec::new();
    for (what, arn, place, below) in all(look.now) {
        let Some(account) = account_of(&arn).filter(|account| *account != own) else {
            continue;
        };
        let known = before
            .as_ref()
            .map(|before| before.iter().any(|(_, old, ..)| *old == arn));
        let (since, severity) = match known {
            Some(true) => (", as before", Severity::Info),
            Some(false) => (" since it was recorded", Severity::High),
            None => ("", Severity::Medium),
        };
        noticed.push(Noticed {
            statement: format!("{what} {arn} of the account {account}{since}"),
            severity,
            confidence: Confidence::High,
            proof: proof(&place, below, Some(&arn)),
        });
    }
    noticed
}

/// Everything that goes somewhere: what it is, where it goes, where that stands.
fn all(snapshot: &Snapshot) -> Vec<(&'static str, String, Place, &'static str)> {
    let mut all = Vec::new();
    let mut add = |what, arn: &Option<String>, place: &Place, below| {
        if let Some(arn) = arn {
            all.push((what, arn.clone(), place.clone(), below));
        }
    };
    for calls in snapshot
        .async_calls
        .value()
        .into_iter()
        .flat_map(|calls| calls.values())
    {
        let success = "/DestinationConfig/OnSuccess/Destination";
        add("Results go to", &calls.on_success, &calls.place, success);
        let failure = "/DestinationConfig/OnFailure/Destination";
        add(
            "What failed goes to",
            &calls.on_failure,
            &calls.place,
            failure,
        );
    }
    let mappings = snapshot
        .mappings
        .values()
        .filter_map(|mappings| mappings.value());
    for mapping in mappings.flat_map(|mappings| mappings.values()) {
        add(
            "Records come from",
            &mapping.source,
            &mapping.place,
            "/EventSourceArn",
        );
        let failure = "/DestinationConfig/OnFailure/Destination";
        add(
            "Records that failed go to",
            &mapping.on_failure,
            &mapping.place,
            failure,
        );
    }
    if let Some(settings) = snapshot.settings_now() {
        let place = &settings.place;
        add(
            "What failed goes to",
            &settings.dead_letter,
            place,
            "/DeadLetterConfig/TargetArn",
        );
        add(
            "The environment is under the key",
            &settings.key,
            place,
            "/KMSKeyArn",
        );
    }
    if let Some(Some(group)) = snapshot.log_group.value() {
        for destination in group
            .subscriptions
            .iter()
            .flat_map(|filters| filters.values())
        {
            add("Lines go to", &Some(destination.clone()), &group.place, "");
        }
    }
    all
}

#[cfg(test)]
mod tests {
    use crate::canned::{FUNCTION, Pieces, ordinary};
    use crate::findings::tests::found;
    use evidence::{ArtifactKind, Severity};
    use serde_json::json;

    const RULE: &str = "outside-destination";

    fn all(account: &str) -> Vec<Pieces> {
        let queue = format!("arn:aws:sqs:eu-west-1:{account}:sink");
        let destination = json!({"OnSuccess": {"Destination": queue}});
        vec![
            ordinary().configured(json!({"DeadLetterConfig": {"TargetArn": queue}})),
            ordinary().configured(json!({"KMSKeyArn": format!("arn:aws:kms:eu-west-1:{account}:key/k")})),
            ordinary().answered(
                ArtifactKind::EventInvokeConfig,
                "lambda:ListFunctionEventInvokeConfigs",
                json!({"FunctionEventInvokeConfigs": [{"FunctionArn": FUNCTION, "DestinationConfig": destination}]}),
            ),
            ordinary().answered(
                ArtifactKind::EventSourceMappings,
                "lambda:ListEventSourceMappings",
                json!({"EventSourceMappings": [{"UUID": "u", "EventSourceArn": queue, "State": "Enabled"}]}),
            ),
            ordinary().log_group(
                "logs:DescribeSubscriptionFilters",
                json!({"subscriptionFilters": [{"filterName": "siphon", "destinationArn": format!("arn:aws:logs:eu-west-1:{account}:destination:d")}]}),
            ),
        ]
    }

    #[test]
    fn one_in_another_account_is_high_if_it_is_new() {
        for now in all("999999999999") {
            assert_eq!(found(RULE, &now, Some(&ordinary())), [Severity::High]);
            assert_eq!(found(RULE, &now, None), [Severity::Medium]);
            assert_eq!(found(RULE, &now, Some(&now)), [Severity::Info]);
        }
    }

    #[test]
    fn one_in_the_functions_account_is_nothing() {
        for now in all("111122223333") {
            assert_eq!(found(RULE, &now, Some(&ordinary())), []);
        }
    }
}
