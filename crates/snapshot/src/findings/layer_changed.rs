//! Layers that have come, that have other bytes under the same name, or that are laid in another order.

use super::{Look, Noticed, Rule, account_of, proof};
use evidence::{Confidence, Severity};

pub(super) const RULE: Rule = Rule {
    id: "layer-changed",
    technique: "T1574",
    advice: "Examine the layer's bytes: modules in a layer are found before those of the runtime, extensions and wrappers run beside the function.",
    look,
};

fn look(look: &Look<'_>) -> Vec<Noticed> {
    let before = look.before.and_then(|before| before.layers.value());
    let (Some(before), Some(now)) = (before, look.now.layers.value()) else {
        return Vec::new();
    };
    let own = look.now.account.as_deref();
    let mut noticed = Vec::new();
    for layer in now {
        let of_name = |arn: &str| arn.rsplit_once(':').map(|(name, _)| name.to_owned());
        let same = before.iter().find(|old| old.arn == layer.arn);
        let older = before
            .iter()
            .find(|old| of_name(&old.arn) == of_name(&layer.arn));
        let (statement, severity) = match (same, older) {
            (Some(same), _) => match (same.sha256, layer.sha256) {
                // A version's bytes cannot be changed; who reads others was lied to once.
                (Some(was), Some(is)) if was != is => (
                    format!("The layer {} has other bytes than it had", layer.arn),
                    Severity::Critical,
                ),
                _ => continue,
            },
            (None, Some(older)) => (
                format!("The layer {} took the place of {}", layer.arn, older.arn),
                Severity::Low,
            ),
            // Those of others are told by the rule about foreign layers.
            (None, None) if account_of(&layer.arn) != own => continue,
            (None, None) => (
                format!("The layer {} was added", layer.arn),
                Severity::Medium,
            ),
        };
        noticed.push(Noticed {
            statement,
            severity,
            confidence: Confidence::High,
            proof: proof(&layer.place, "", Some(&layer.arn)),
        });
    }
    noticed
}

#[cfg(test)]
mod tests {
    use crate::canned::{Pieces, ordinary};
    use crate::findings::tests::found;
    use evidence::{ArtifactKind, Severity};
    use serde_json::json;

    const RULE: &str = "layer-changed";

    fn with(layer: &str) -> Pieces {
        let arn = format!("arn:aws:lambda:eu-west-1:111122223333:layer:{layer}");
        ordinary().configured(json!({"Layers": [{"Arn": arn}]}))
    }

    #[test]
    fn a_layer_that_was_added_is_medium_and_a_new_version_is_low() {
        assert_eq!(
            found(RULE, &with("evil:1"), Some(&ordinary())),
            [Severity::Medium]
        );
        assert_eq!(
            found(RULE, &with("deps:4"), Some(&ordinary())),
            [Severity::Low]
        );
    }

    #[test]
    fn other_bytes_of_one_version_are_critical() {
        let mut now = ordinary();
        let arn = "arn:aws:lambda:eu-west-1:111122223333:layer:deps:3";
        let other = evidence::Sha256Digest::of("other").to_base64();
        now.reply(
            ArtifactKind::Layer,
            Some(arn),
            "lambda:GetLayerVersion",
            json!({"Content": {"CodeSha256": other}}),
        );
        assert_eq!(found(RULE, &now, Some(&ordinary())), [Severity::Critical]);
    }

    #[test]
    fn the_same_layers_or_no_record_are_nothing() {
        assert_eq!(found(RULE, &ordinary(), Some(&ordinary())), []);
        assert_eq!(found(RULE, &with("evil:1"), None), []);
    }
}
