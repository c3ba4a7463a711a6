//! Function URLs of `$LATEST` and of every alias: addresses, authorisation, CORS.

use super::versions::next_page;
use super::{Artifact, Aws, PAGES, cut_off};
use crate::Inquiry;
use evidence::ArtifactKind;
use futures_util::FutureExt as _;

pub(super) const ARTIFACT: Artifact = Artifact {
    kind: ArtifactKind::UrlConfig,
    actions: &["lambda:ListFunctionUrlConfigs"],
    collect: |aws, inquiry| collect(aws, inquiry).boxed(),
};

async fn collect(aws: &Aws, inquiry: &mut Inquiry<'_>) {
    let mut marker: Option<String> = None;
    for page in 0.. {
        if page == PAGES {
            return inquiry.refuse(cut_off("function URLs"));
        }
        let asked = inquiry
            .ask("lambda:ListFunctionUrlConfigs", &aws.target.name, |raw| {
                aws.clients
                    .lambda
                    .list_function_url_configs()
                    .function_name(aws.target.arn_unqualified())
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
