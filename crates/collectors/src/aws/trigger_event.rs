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
