//! Reserved concurrency of the function and provisioned concurrency of its qualifiers.

use super::versions::next_page;
use super::{Artifact, Aws, PAGES, cut_off};
use crate::Inquiry;
use evidence::ArtifactKind;
use futures_util::FutureExt as _;

pub(super) const ARTIFACT: Artifact = Artifact {
    kind: ArtifactKind::Concurrency,
    actions: &[
        "lambda:GetFunctionConcurrency",
        "lambda:ListProvisionedConcurrencyConfigs",
    ],
    collect: |aws, inquiry| collect(aws, inquiry).boxed(),
};

async fn collect(aws: &Aws, inquiry: &mut Inquiry<'_>) {
    inquiry
        .ask("lambda:GetFunctionConcurrency", &aws.target.name, |raw| {
            aws.clients
                .lambda
                .get_function_concurrency()
                .function_name(aws.target.arn_unqualified())
                .customize()
                .interceptor(raw)
                .send()
        })
        .await;
    let mut marker: Option<String> = None;
    for page in 0.. {
        if page == PAGES {
            return inquiry.refuse(cut_off("provisioned concurrency configurations"));
        }
        let asked = inquiry
            .ask(
                "lambda:ListProvisionedConcurrencyConfigs",
                &aws.target.name,
                |raw| {
                    aws.clients
                        .lambda
                        .list_provisioned_concurrency_configs()
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
