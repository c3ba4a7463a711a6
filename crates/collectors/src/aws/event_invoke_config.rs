//! Retries and destinations of asynchronous calls, for every qualifier.

use super::versions::next_page;
use super::{Artifact, Aws, PAGES, cut_off};
use crate::Inquiry;
use evidence::ArtifactKind;
use futures_util::FutureExt as _;

pub(super) const ARTIFACT: Artifact = Artifact {
    kind: ArtifactKind::EventInvokeConfig,
    actions: &["lambda:ListFunctionEventInvokeConfigs"],
    collect: |aws, inquiry| collect(aws, inquiry).boxed(),
};

async fn collect(aws: &Aws, inquiry: &mut Inquiry<'_>) {
    let mut marker: Option<String> = None;
    for page in 0.. {
        if page == PAGES {
            return inquiry.refuse(cut_off("event invoke configurations"));
        }
        let asked = inquiry
            .ask(
                "lambda:ListFunctionEventInvokeConfigs",
                &aws.target.name,
                |raw| {
                    aws.clients
                        .lambda
                        .list_function_event_invoke_configs()
                        .function_name(aws.target.arn_unqualified())
                        .set_marker(marker.clone())
                        .customize()
                        .interceptor(raw)
                        .send()
                },
            )
            .await;
        marker = asked.and_then(|reply| next_page(reply.next_marker()));
        if marker.is_none() {
            return;
        }
    }
}
