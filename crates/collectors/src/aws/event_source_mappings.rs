//! Streams and queues that feed the function, a version or an alias.

use super::versions::next_page;
use super::{Artifact, Aws, PAGES, cut_off};
use crate::Inquiry;
use evidence::ArtifactKind;
use futures_util::FutureExt as _;

pub(super) const ARTIFACT: Artifact = Artifact {
    kind: ArtifactKind::EventSourceMappings,
    actions: &["lambda:ListEventSourceMappings"],
    collect: |aws, inquiry| collect(aws, inquiry).boxed(),
};

async fn collect(aws: &Aws, inquiry: &mut Inquiry<'_>) {
    let about = aws.about(inquiry);
    // A mapping belongs to what it invokes: asked for the bare function, Lambda leaves out those
    // of its versions and aliases.
    let function = match Aws::qualifier(inquiry) {
        Some(qualifier) => format!("{}:{qualifier}", aws.target.arn_unqualified()),
        None => aws.target.arn_unqualified(),
    };
    let mut marker: Option<String> = None;
    for page in 0.. {
        if page == PAGES {
            return inquiry.refuse(cut_off("event source mappings"));
        }
        let asked = inquiry
            .ask("lambda:ListEventSourceMappings", &about, |raw| {
                aws.clients
                    .lambda
                    .list_event_source_mappings()
                    .function_name(&function)
                    .set_marker(marker.clone())
                    .customize()
                    .interceptor(raw)
                    .send()
            })
            .await;
        marker = asked.and_then(|reply| next_page(reply.next_marker()));
        if marker.is_none() {
            return;
        }
    }
}
