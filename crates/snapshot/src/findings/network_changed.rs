//! A function that was inside a network and is outside, or in another one, or mounts other files.

use super::{Look, Noticed, Rule, proof};
use evidence::{Confidence, Severity};

pub(super) const RULE: Rule = Rule {
    id: "network-changed",
    technique: "T1562.007",
    advice: "Put the network settings back: outside its network a function reaches any address, in another one other systems.",
    look,
};

fn look(look: &Look<'_>) -> Vec<Noticed> {
    let (Some(before), Some(now)) = (look.settings_before(), look.now.settings_now()) else {
        return Vec::new();
    };
    let mut noticed = Vec::new();
    let mut note = |statement: String, severity, below: &str| {
        noticed.push(Noticed {
            statement,
            severity,
            confidence: Confidence::High,
            proof: proof(&now.place, below, None),
        });
    };
    match (before.network.is_empty(), now.network.is_empty()) {
        (false, true) => note(
            "The function was taken out of its network".to_owned(),
            Severity::Medium,
            "",
        ),
        (true, false) => note(
            "The function was put into a network".to_owned(),
            Severity::Medium,
            "/VpcConfig",
        ),
        _ if before.network != now.network => {
            note(
                "The function is in other subnets or security groups".to_owned(),
                Severity::Low,
                "/VpcConfig",
            );
        }
        _ => {}
    }
    for (arn, path) in &now.file_systems {
        if !before.file_systems.contains_key(arn) {
            note(
                format!("The function mounts {arn} at {path}"),
                Severity::Medium,
                "/FileSystemConfigs",
            );
        }
    }
    noticed
}

#[cfg(test)]
mod tests {
    use crate::canned::ordinary;
    use crate::findings::tests::found;
    use evidence::Severity;
    use serde_json::json;

    const RULE: &str = "network-changed";

    #[test]
    fn out_of_the_network_or_with_other_files_is_medium() {
        for fields in [
            json!({"VpcConfig": {"SubnetIds": [], "SecurityGroupIds": []}}),
            json!({"FileSystemConfigs": [{"Arn": "arn:aws:elasticfilesystem:eu-west-1:111122223333:access-point/a", "LocalMountPath": "/mnt/a"}]}),
        ] {
            let now = ordinary().configured(fields);
            assert_eq!(found(RULE, &now, Some(&ordinary())), [Severity::Medium]);
            assert_eq!(found(RULE, &now, Some(&now)), []);
        }
    }

    #[test]
    fn the_same_network_or_no_record_is_nothing() {
        assert_eq!(found(RULE, &ordinary(), Some(&ordinary())), []);
        assert_eq!(found(RULE, &ordinary(), None), []);
    }
}
