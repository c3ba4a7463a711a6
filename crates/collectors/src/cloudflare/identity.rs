//! A Worker has no identity of its own: said, not left out.

use super::{Artifact, Worker};
use crate::Inquiry;
use evidence::ArtifactKind;
use futures_util::FutureExt as _;

pub(super) const ARTIFACT: Artifact = Artifact {
    kind: ArtifactKind::ExecutionRole,
    permissions: &[],
    operations: &[],
    collect: |worker, inquiry| collect(worker, inquiry).boxed(),
};

async fn collect(_worker: &Worker, inquiry: &mut Inquiry<'_>) {
    inquiry.conclude_absent(
        "a Worker has no identity of its own: what it may use is in its bindings, and who deployed it \
         is in the audit log",
    );
}

#[cfg(test)]
mod tests {
    use crate::cloudflare::canned::collect;
    use evidence::ArtifactKind;

    #[tokio::test(start_paused = true)]
    async fn where_to_look_instead_is_said() {
        let collected = collect(ArtifactKind::ExecutionRole, None, &[]).await;
        assert_eq!(collected.outcome().0, "absent");
        assert!(collected.outcome().1.contains("bindings"));
        assert!(collected.gathered.acquisition.exhibits.is_empty());
    }
}
