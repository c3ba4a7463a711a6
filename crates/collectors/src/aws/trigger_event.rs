//! The CloudTrail record that woke the responder, verbatim.

use super::{Artifact, Aws};
use crate::{Inquiry, Refusal};
use evidence::ArtifactKind;
use futures_util::FutureExt as _;

pub(super) const ARTIFACT: Artifact = Artifact {
    kind: ArtifactKind::TriggerEvent,
    // It was delivered; nothing is asked.
    actions: &[],
    collect: |aws, inquiry| collect(aws, inquiry).boxed(),
};

async fn collect(aws: &Aws, inquiry: &mut Inquiry<'_>) {
    match &aws.trigger.record {
        Some(record) => inquiry.note("record", record.clone()),
        None => inquiry.refuse(Refusal::Absent(
            "no event: a person asked for this case".to_owned(),
        )),
    }
}

#[cfg(test)]
mod tests {
    use crate::aws::TriggerFacts;
    use crate::aws::canned::{collect, collect_after};
    use evidence::ArtifactKind;
    use serde_json::json;

    const FUNCTION: &str = "arn:aws:lambda:eu-west-1:111122223333:function:billing";

    #[tokio::test]
    async fn the_record_is_kept_as_it_came() {
        let record = json!({"eventID": "e-1", "zzz": 1, "eventName": "UpdateFunctionCode20150331v2", "aaa": [null]});
        let collected = collect_after(
            TriggerFacts::of_record(&record),
            FUNCTION,
            ArtifactKind::TriggerEvent,
            None,
            &[],
        )
        .await;
        assert!(collected.kept[0].contains(&record.to_string()));
        assert!(collected.asked.is_empty());
        insta::assert_json_snapshot!(collected.told());
    }

    #[tokio::test]
    async fn a_person_leaves_no_record() {
        let collected = collect(FUNCTION, ArtifactKind::TriggerEvent, None, &[]).await;
        assert_eq!(collected.outcome().0, "absent");
    }
}
