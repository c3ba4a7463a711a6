//! Another entry point than before: the old code can stay as it is, and be called by the new one.

use super::{Look, Noticed, Rule, proof};
use evidence::{Confidence, Severity};

pub(super) const RULE: Rule = Rule {
    id: "handler-moved",
    technique: "T1648",
    advice: "Read the file that the handler names now, in the package and in each layer, before anything else.",
    look,
};

fn look(look: &Look<'_>) -> Vec<Noticed> {
    let (Some(before), Some(now)) = (look.settings_before(), look.now.settings_now()) else {
        return Vec::new();
    };
    let mut noticed = Vec::new();
    if let (Some(was), Some(is)) = (&before.handler, &now.handler)
        && was != is
    {
        let code = look.now.code.value().and_then(Option::as_ref);
        let (what, proof) = match code.filter(|_| look.now.is_worker()) {
            Some(code) => ("main module", proof(&code.place, "/main_module", Some(is))),
            None => ("handler", proof(&now.place, "/Handler", Some(is))),
        };
        noticed.push(Noticed {
            statement: format!("The {what} was moved from {was} to {is}"),
            severity: Severity::Medium,
            confidence: Confidence::High,
            proof,
        });
    }
    if before.image != now.image {
        noticed.push(Noticed {
            statement: "The image is started with another command, entry point or folder"
                .to_owned(),
            severity: Severity::Medium,
            confidence: Confidence::High,
            proof: proof(&now.place, "/ImageConfigResponse", None),
        });
    }
    noticed
}

#[cfg(test)]
mod tests {
    use crate::canned::ordinary;
    use crate::findings::tests::found;
    use evidence::Severity;
    use serde_json::json;

    #[test]
    fn another_handler_or_command_is_medium() {
        for fields in [
            json!({"Handler": "evil.handler"}),
            json!({"ImageConfigResponse": {"ImageConfig": {"EntryPoint": ["/bin/evil"]}}}),
        ] {
            let now = ordinary().configured(fields);
            assert_eq!(
                found("handler-moved", &now, Some(&ordinary())),
                [Severity::Medium]
            );
        }
    }

    #[test]
    fn the_same_handler_or_no_record_of_it_is_nothing() {
        let now = ordinary().configured(json!({"Handler": "evil.handler"}));
        assert_eq!(found("handler-moved", &now, Some(&now)), []);
        assert_eq!(found("handler-moved", &now, None), []);
    }
}
