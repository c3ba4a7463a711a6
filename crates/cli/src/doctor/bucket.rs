//! The vault: locked as asked, closed to the public, and with the refusals that bind everybody.

use super::Check;
use super::deployment::Deployment;
use super::line::{Lines, Trouble};
use super::policies::{Ask, Document};
use aws_sdk_s3::Client;
use aws_sdk_s3::types::{
    BucketVersioningStatus, DefaultRetention, ObjectLockEnabled, ServerSideEncryption,
};
use futures_util::FutureExt as _;

pub(super) const CHECK: Check = Check {
    name: "bucket",
    area: "The vault",
    actions: &[
        "s3:GetBucketObjectLockConfiguration",
        "s3:GetBucketPolicy",
        "s3:GetBucketPublicAccessBlock",
        "s3:GetBucketVersioning",
        "s3:GetEncryptionConfiguration",
        "s3:GetLifecycleConfiguration",
    ],
    needs_stack: true,
    look: |deployment, lines| look(deployment, lines).boxed(),
};

async fn look(deployment: &Deployment, lines: &mut Lines) {
    let client = vault::s3_client(deployment.config());
    let bucket = deployment.output("BucketName");
    match client.get_bucket_versioning().bucket(bucket).send().await {
        Err(error) => {
            let trouble = Trouble::of("s3:GetBucketVersioning", &error);
            let gone = trouble.is_absent();
            lines.trouble(format!("bucket {bucket}"), &trouble);
            if gone {
                return;
            }
        }
        Ok(reply) if reply.status() == Some(&BucketVersioningStatus::Enabled) => {
            lines.ok("versioning", format!("is on in {bucket}"));
        }
        Ok(_) => lines.fail(
            "versioning",
            format!("is off in {bucket}: objects can be replaced"),
            format!("aws s3api put-bucket-versioning --bucket {bucket} --versioning-configuration Status=Enabled"),
        ),
    }
    lock(&client, deployment, bucket, lines).await;
    public(&client, bucket, lines).await;
    encryption(&client, deployment, bucket, lines).await;
    expiry(&client, bucket, lines).await;
    policy(&client, deployment, bucket, lines).await;
}

/// Whether each object is locked as the stack's parameters say.
async fn lock(client: &Client, deployment: &Deployment, bucket: &str, lines: &mut Lines) {
    let reply = client
        .get_object_lock_configuration()
        .bucket(bucket)
        .send()
        .await;
    let absent = "Object Lock is off: evidence can be deleted";
    let advice = "Object Lock cannot be turned on by the stack afterwards: keep evidence in a new bucket (deploy without ExistingBucketName), or turn it on with aws s3api put-object-lock-configuration";
    let reply =
        match reply.map_err(|error| Trouble::of("s3:GetBucketObjectLockConfiguration", &error)) {
            Ok(reply) => reply,
            Err(trouble) if trouble.is_absent() => return lines.fail("lock", absent, advice),
            Err(trouble) => return lines.trouble("lock", &trouble),
        };
    let configuration = reply.object_lock_configuration();
    if configuration.and_then(|it| it.object_lock_enabled()) != Some(&ObjectLockEnabled::Enabled) {
        return lines.fail("lock", absent, advice);
    }
    let rule = configuration.and_then(|it| it.rule());
    let default = rule.and_then(|rule| rule.default_retention());
    let (mode, days) = (
        deployment.parameter("RetentionMode"),
        deployment.parameter("RetentionDays"),
    );
    let wanted = format!("{mode} for {days} days");
    match weaker(default, mode, days.parse().unwrap_or_default()) {
        None => lines.ok("lock", format!("every object is locked: {wanted}")),
        Some(found) => lines.fail(
            "lock",
            format!("objects are locked {found} by default, the stack asks for {wanted}"),
            "find out who changed it (event PutBucketObjectLockConfiguration), then deploy the stack anew",
        ),
    }
    if mode == "GOVERNANCE" {
        lines.warn(
            "lock's mode",
            "GOVERNANCE can be lifted by who first rewrites the bucket's policy, which raises an alert",
            "once the retention is settled, deploy with RetentionMode=COMPLIANCE",
        );
    } else {
        lines.ok("lock's mode", "COMPLIANCE binds everybody");
    }
}

/// What the default is, if it is weaker than what was asked for.
fn weaker(default: Option<&DefaultRetention>, mode: &str, days: i64) -> Option<String> {
    let Some(default) = default else {
        return Some("not at all".to_owned());
    };
    let found_mode = default
        .mode()
        .map(|mode| mode.as_str())
        .unwrap_or("in no mode");
    let found_days = match (default.days(), default.years()) {
        (Some(days), _) => i64::from(days),
        (None, Some(years)) => i64::from(years) * 365,
        (None, None) => 0,
    };
    let mode_holds = found_mode == mode || found_mode == "COMPLIANCE";
    (!mode_holds || found_days < days).then(|| format!("{found_mode} for {found_days} days"))
}

async fn public(client: &Client, bucket: &str, lines: &mut Lines) {
    let reply = client.get_public_access_block().bucket(bucket).send().await;
    let advice = format!(
        "aws s3api put-public-access-block --bucket {bucket} --public-access-block-configuration BlockPublicAcls=true,IgnorePublicAcls=true,BlockPublicPolicy=true,RestrictPublicBuckets=true"
    );
    match reply.map_err(|error| Trouble::of("s3:GetBucketPublicAccessBlock", &error)) {
        Ok(reply) => {
            let block = reply.public_access_block_configuration();
            let all = block.is_some_and(|block| {
                [
                    block.block_public_acls(),
                    block.ignore_public_acls(),
                    block.block_public_policy(),
                    block.restrict_public_buckets(),
                ]
                .iter()
                .all(|one| *one == Some(true))
            });
            if all {
                lines.ok("public access", "is blocked");
            } else {
                lines.fail("public access", "is not blocked in all four ways", advice);
            }
        }
        Err(trouble) if trouble.is_absent() => {
            lines.fail("public access", "is not blocked by the bucket", advice);
        }
        Err(trouble) => lines.trouble("public access", &trouble),
    }
}

async fn encryption(client: &Client, deployment: &Deployment, bucket: &str, lines: &mut Lines) {
    let reply = client.get_bucket_encryption().bucket(bucket).send().await;
    let key = deployment.output("BucketKeyArn");
    match reply.map_err(|error| Trouble::of("s3:GetEncryptionConfiguration", &error)) {
        Err(trouble) if !trouble.is_absent() => lines.trouble("encryption", &trouble),
        reply => {
            let reply = reply.ok();
            let rules = reply
                .as_ref()
                .and_then(|it| it.server_side_encryption_configuration());
            let mut defaults = rules
                .map(|rules| rules.rules())
                .unwrap_or_default()
                .iter()
                .filter_map(|rule| rule.apply_server_side_encryption_by_default());
            let ours = defaults.any(|default| {
                *default.sse_algorithm() == ServerSideEncryption::AwsKms
                    && default.kms_master_key_id() == Some(key)
            });
            if ours {
                lines.ok("encryption", "by default with the stack's key");
            } else {
                lines.fail(
                    "encryption",
                    "is not by default with the stack's key",
                    "find out who changed it (event PutBucketEncryption), then deploy the stack anew",
                );
            }
        }
    }
}

/// Whether objects are made to go away by themselves; a lock delays that only.
async fn expiry(client: &Client, bucket: &str, lines: &mut Lines) {
    let reply = client
        .get_bucket_lifecycle_configuration()
        .bucket(bucket)
        .send()
        .await;
    match reply.map_err(|error| Trouble::of("s3:GetLifecycleConfiguration", &error)) {
        Err(trouble) if trouble.is_absent() => lines.ok("life cycle", "nothing expires by itself"),
        Err(trouble) => lines.trouble("life cycle", &trouble),
        Ok(reply) => {
            let expiring: Vec<_> = reply
                .rules()
                .iter()
                .filter(|rule| rule.status().as_str() == "Enabled")
                .filter(|rule| {
                    rule.expiration().is_some() || rule.noncurrent_version_expiration().is_some()
                })
                .map(|rule| rule.id().unwrap_or("without a name"))
                .collect();
            if expiring.is_empty() {
                lines.ok("life cycle", "nothing that is evidence expires by itself");
            } else {
                lines.fail(
                    "life cycle",
                    format!(
                        "rule {} lets evidence expire once its lock ends",
                        expiring.join(", ")
                    ),
                    "find out who put it there (event PutBucketLifecycle), and take it away",
                );
            }
        }
    }
}

/// What the policy must refuse: an action, on which object, in which circumstances, and what happens
/// without the refusal.
struct Refusal {
    ask: Ask,
    without: &'static str,
}

async fn policy(client: &Client, deployment: &Deployment, bucket: &str, lines: &mut Lines) {
    let advice = if deployment.parameter("ExistingBucketName").is_empty() {
        "find out who changed it (event PutBucketPolicy), then deploy the stack anew"
    } else {
        "take the refusals over from BucketPolicy in template.yaml"
    };
    let reply = client.get_bucket_policy().bucket(bucket).send().await;
    let policy = match reply.map_err(|error| Trouble::of("s3:GetBucketPolicy", &error)) {
        Ok(reply) => Document::of_text("bucket", reply.policy().unwrap_or_default()),
        Err(trouble) if trouble.is_absent() => None,
        Err(trouble) => return lines.trouble("policy", &trouble),
    };
    let Some(policy) = policy else {
        return lines.fail(
            "policy",
            "the bucket has none: whoever IAM lets may write, overwrite and delete",
            advice,
        );
    };
    let mut sound = true;
    for Refusal { ask, without } in refusals(deployment, bucket) {
        if !policy.denies(&ask) {
            sound = false;
            lines.fail("policy", format!("does not refuse it: {without}"), advice);
        }
    }
    for output in ["RoleArn", "InvestigateRoleArn", "BaselineRoleArn"] {
        let role = deployment.output(output);
        let put = put(deployment, bucket, role).with("s3:if-none-match", "*");
        if policy.denies(&put) {
            sound = false;
            lines.fail(
                "policy",
                format!("refuses {role} to write: its evidence is lost"),
                advice,
            );
        }
    }
    let open = policy.statements().iter().find(|statement| {
        let everybody = |principal: &snapshot::Principal| principal.name == "*";
        statement.effect == snapshot::Effect::Allow && statement.principals.iter().any(everybody)
    });
    if let Some(open) = open {
        sound = false;
        lines.fail(
            "policy",
            format!("lets everybody in: {}", open.told(200)),
            advice,
        );
    }
    if sound {
        lines.ok(
            "policy",
            "refuses others to write, and everybody to overwrite, to delete and to unlock",
        );
    }
}

/// A locked, write-once PUT as the responder sends it, but for what makes it write-once.
fn put(deployment: &Deployment, bucket: &str, by: &str) -> Ask {
    let object = format!(
        "arn:{}:s3:::{bucket}/cases/x/exhibits/y",
        deployment.partition()
    );
    Ask::new("s3:PutObject", &object)
        .by("AWS", by)
        .with("aws:principalarn", by)
        .with("aws:securetransport", "true")
        .with("s3:objectcreationoperation", "true")
        .with("s3:object-lock-mode", deployment.parameter("RetentionMode"))
        .with(
            "s3:object-lock-remaining-retention-days",
            deployment.parameter("RetentionDays"),
        )
        .with("s3:x-amz-server-side-encryption", "aws:kms")
        .with(
            "s3:x-amz-server-side-encryption-aws-kms-key-id",
            deployment.output("BucketKeyArn"),
        )
}

fn refusals(deployment: &Deployment, bucket: &str) -> Vec<Refusal> {
    let role = deployment.output("RoleArn");
    let examiner = deployment.output("ExamineRoleArn");
    let partition = deployment.partition();
    let stranger = format!(
        "arn:{partition}:iam::{}:role/somebody",
        deployment.account.id
    );
    let object = format!("arn:{partition}:s3:::{bucket}/cases/x/exhibits/y");
    let by = |action: &str, who: &str| {
        Ask::new(action, &object)
            .by("AWS", who)
            .with("aws:principalarn", who)
            .with("aws:securetransport", "true")
    };
    let of = |ask, without| Refusal { ask, without };
    vec![
        of(
            by("s3:DeleteObject", role),
            "an object can be hidden behind a delete marker",
        ),
        of(
            by("s3:DeleteObjectVersion", role),
            "evidence can be deleted once its lock ends",
        ),
        of(
            by("s3:BypassGovernanceRetention", &stranger),
            "locks can be bypassed",
        ),
        of(
            put(deployment, bucket, &stranger).with("s3:if-none-match", "*"),
            "others can write, so plant evidence",
        ),
        of(
            put(deployment, bucket, examiner).with("s3:if-none-match", "*"),
            "what opens untrusted packages can write evidence",
        ),
        of(
            put(deployment, bucket, role),
            "a newer version can be put on top of evidence",
        ),
        of(
            put(deployment, bucket, role)
                .with("s3:if-none-match", "*")
                .with("s3:object-lock-remaining-retention-days", "0"),
            "objects can be locked for less than was asked for",
        ),
        of(
            Ask::new("s3:GetObject", &object)
                .by("AWS", role)
                .with("aws:securetransport", "false"),
            "evidence can be sent unencrypted",
        ),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;
    use aws_sdk_s3::types::ObjectLockRetentionMode as Mode;

    #[test]
    fn a_default_that_is_weaker_is_told_and_a_stronger_one_is_fine() {
        let of = |mode: Mode, days: i32| DefaultRetention::builder().mode(mode).days(days).build();
        assert_eq!(
            weaker(Some(&of(Mode::Governance, 365)), "GOVERNANCE", 365),
            None
        );
        assert_eq!(
            weaker(Some(&of(Mode::Compliance, 400)), "GOVERNANCE", 365),
            None
        );
        let years = DefaultRetention::builder()
            .mode(Mode::Compliance)
            .years(1)
            .build();
        assert_eq!(weaker(Some(&years), "COMPLIANCE", 365), None);
        for (mode, days) in [(Mode::Governance, 365), (Mode::Compliance, 364)] {
            assert!(weaker(Some(&of(mode, days)), "COMPLIANCE", 365).is_some());
        }
        assert_eq!(weaker(None, "GOVERNANCE", 1).unwrap(), "not at all");
    }
}
