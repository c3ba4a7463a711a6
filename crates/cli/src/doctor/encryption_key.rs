//! The key that encrypts the evidence: without it the evidence cannot be read.

use super::Check;
use super::deployment::Deployment;
use super::line::{Lines, Trouble};
use aws_sdk_kms::Client;
use aws_sdk_kms::types::{KeyMetadata, KeyState};
use futures_util::FutureExt as _;

pub(super) const CHECK: Check = Check {
    name: "encryption-key",
    area: "The vault",
    actions: &["kms:DescribeKey", "kms:GetKeyRotationStatus"],
    needs_stack: true,
    look: |deployment, lines| look(deployment, lines).boxed(),
};

async fn look(deployment: &Deployment, lines: &mut Lines) {
    let client = Client::new(deployment.config());
    let key = deployment.output("BucketKeyArn");
    match client.describe_key().key_id(key).send().await {
        Err(error) => lines.trouble("encryption key", &Trouble::of("kms:DescribeKey", &error)),
        Ok(reply) => {
            if usable("encryption key", key, reply.key_metadata(), lines) {
                lines.ok("encryption key", "is enabled");
            }
        }
    }
    // A key of the owner's own is turned over as the owner likes.
    if deployment.parameter("ExistingBucketKeyArn").is_empty() {
        match client.get_key_rotation_status().key_id(key).send().await {
            Ok(reply) if reply.key_rotation_enabled() => {}
            Ok(_) => lines.warn(
                "encryption key",
                "is no longer rotated",
                format!("aws kms enable-key-rotation --key-id {key}"),
            ),
            Err(error) => lines.trouble(
                "encryption key: rotation",
                &Trouble::of("kms:GetKeyRotationStatus", &error),
            ),
        }
    }
}

/// Whether a key can be used; says so if not.
pub(super) fn usable(
    what: &str,
    key: &str,
    metadata: Option<&KeyMetadata>,
    lines: &mut Lines,
) -> bool {
    let state = metadata.and_then(|metadata| metadata.key_state());
    match state {
        Some(KeyState::Enabled) => return true,
        Some(KeyState::PendingDeletion) => {
            let when = metadata.and_then(|metadata| metadata.deletion_date());
            let when = when.map(|when| format!(" on {when}")).unwrap_or_default();
            lines.fail(
                what,
                format!("will be deleted{when}: after that nothing helps"),
                format!("now: aws kms cancel-key-deletion --key-id {key}, then aws kms enable-key --key-id {key}; find out who did that (event ScheduleKeyDeletion)"),
            );
        }
        Some(KeyState::Disabled) => lines.fail(
            what,
            "is disabled: no case can be sealed or read",
            format!(
                "find out who did that (event DisableKey), then aws kms enable-key --key-id {key}"
            ),
        ),
        other => lines.fail(
            what,
            format!(
                "is {}",
                other
                    .map(|state| state.as_str())
                    .unwrap_or("in no state that is known")
            ),
            format!("aws kms describe-key --key-id {key} says more"),
        ),
    }
    false
}
