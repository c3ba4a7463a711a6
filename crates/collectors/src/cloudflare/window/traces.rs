//! The traces that Cloudflare stored of the Worker, in summary: when, how long, how many spans.

use super::Artifact;
use super::telemetry::{QUERY, Telemetry, View};
use crate::Unobserved;
use evidence::ArtifactKind;

pub(super) const ARTIFACT: Artifact = Artifact {
    kind: ArtifactKind::Traces,
    permissions: &["Workers Observability Read"],
    operations: &[QUERY],
    reading: |investigation| {
        Box::new(Telemetry {
            investigation,
            view: View {
                name: "traces",
                list: "/traces",
                count: None,
                at_ms: "/traceStartMs",
                id: "/traceId",
            },
        })
    },
    observer: |_| Box::new(Unobserved),
};
