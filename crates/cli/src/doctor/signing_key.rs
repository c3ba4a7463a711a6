//! The key that signs manifests: able to sign, the one that was pinned, and nobody else's to use.

use super::Check;
use super::deployment::Deployment;
use super::encryption_key::usable;
use super::line::{Lines, Trouble};
use super::policies::{Ask, Document};
use aws_sdk_kms::Client;
use aws_sdk_kms::types::{KeySpec, KeyUsageType};
use futures_util::FutureExt as _;
use vault::Signer as _;

pub(super) const CHECK: Check = Check {
    name: "signing-key",
    area: "The vault",
    actions: &["kms:DescribeKey", "kms:GetKeyPolicy", "kms:GetPublicKey"],
    needs_stack: true,
    look: |deployment, lines| look(deployment, lines).boxed(),
};

async fn look(deployment: &Deployment, lines: &mut Lines) {
    let client = Client::new(deployment.config());
    let key = deployment.output("SigningKeyArn");
    let what = "signing key";
    match client.describe_key().key_id(key).send().await {
        Err(error) => lines.trouble(what, &Trouble::of("kms:DescribeKey", &error)),
        Ok(reply) => {
            let metadata = reply.key_metadata();
            let spec = metadata.and_then(|metadata| metadata.key_spec());
            let usage = metadata.and_then(|metadata| metadata.key_usage());
            let signs =
                spec == Some(&KeySpec::EccNistP256) && usage == Some(&KeyUsageType::SignVerify);
            if usable(what, key, metadata, lines) {
                if signs {
                    lines.ok(what, "is enabled, P-256, for signing");
                } else {
                    lines.fail(what, "is no P-256 key for signing", "deploy the stack anew");
                }
            }
        }
    }
    public_key(deployment, &client, key, lines).await;
    match client.get_key_policy().key_id(key).send().await {
        Err(error) => lines.trouble("who signs", &Trouble::of("kms:GetKeyPolicy", &error)),
        Ok(reply) => match Document::of_text("key", reply.policy().unwrap_or_default()) {
            Some(policy) => who_signs(deployment, &policy, key, lines),
            None => lines.fail(
                "who signs",
                "the key's policy cannot be read",
                "deploy the stack anew",
            ),
        },
    }
}

async fn public_key(deployment: &Deployment, client: &Client, key: &str, lines: &mut Lines) {
    let what = "public key";
    // Asked here first, so that a refusal is told as one.
    if let Err(error) = client.get_public_key().key_id(key).send().await {
        return lines.trouble(what, &Trouble::of("kms:GetPublicKey", &error));
    }
    let signer = vault::KmsSigner::new(client.clone(), key);
    match (signer.public_key_pem().await, &deployment.key) {
        (Err(error), _) => lines.fail(what, format!("is not to be had: {error}"), "try again"),
        (Ok(_), None) => lines.not_checked(
            what,
            "can be fetched; whether it is the one of the deployment is not known",
            "keep it elsewhere (output PublicKeyCommand) and name it with --key",
        ),
        (Ok(found), Some(pinned)) if same(&found, pinned) => {
            lines.ok(what, "is the one that was kept")
        }
        (Ok(_), Some(_)) => lines.fail(
            what,
            "is not the one that was kept: cases of before and after have different signers",
            "find out when the key was replaced; check older cases with the key that was kept",
        ),
    }
}

/// Whether two keys in PEM are the same, however their lines are broken.
fn same(one: &str, other: &str) -> bool {
    let body = |pem: &str| -> String {
        let lines = pem.lines().filter(|line| !line.starts_with("-----"));
        lines
            .flat_map(str::chars)
            .filter(|c| !c.is_whitespace())
            .collect()
    };
    !body(one).is_empty() && body(one) == body(other)
}

fn who_signs(deployment: &Deployment, policy: &Document, key: &str, lines: &mut Lines) {
    let sign = |who: &str| {
        Ask::new("kms:Sign", key)
            .by("AWS", who)
            .with("aws:principalarn", who)
    };
    let advice =
        "find out who changed the key's policy (event PutKeyPolicy), then deploy the stack anew";
    let mut sound = true;
    for output in ["RoleArn", "InvestigateRoleArn", "BaselineRoleArn"] {
        let role = deployment.output(output);
        if !policy.allows(&sign(role)) {
            sound = false;
            lines.fail(
                "who signs",
                format!("the key does not let {role} sign: no case is sealed"),
                advice,
            );
        }
    }
    let stranger = format!(
        "arn:{}:iam::{}:role/somebody",
        deployment.partition(),
        deployment.account.id
    );
    for who in [stranger.as_str(), deployment.output("ExamineRoleArn")] {
        if policy.allows(&sign(who)) {
            sound = false;
            lines.fail(
                "who signs",
                format!("the key lets {who} sign, if IAM does: signatures prove less"),
                advice,
            );
        }
    }
    if sound {
        lines.ok(
            "who signs",
            "the responder's roles, and nobody else of the account",
        );
    }
}

#[cfg(test)]
mod tests {
    use super::same;

    #[test]
    fn keys_are_compared_by_what_they_are() {
        let a = "-----BEGIN PUBLIC KEY-----\nAAAA\nBBBB\n-----END PUBLIC KEY-----\n";
        let b = "-----BEGIN PUBLIC KEY-----\r\nAAAABBBB\r\n-----END PUBLIC KEY-----";
        assert!(same(a, b));
        assert!(!same(a, &b.replace('B', "C")));
        assert!(!same("", ""));
    }
}
