//! The execution role: trust, inline and attached policies in all their versions, boundary, tags,
//! last use.

use super::{Artifact, Aws};
use crate::{Inquiry, Refusal};
use evidence::{ArtifactKind, ResourceKind, Target};
use futures_util::FutureExt as _;
use percent_encoding::percent_decode_str;
use serde_json::Value;

/// The selector is the ARN of the role, or of a managed policy to be kept by itself; without one it
/// is the target.
pub(super) const ARTIFACT: Artifact = Artifact {
    kind: ArtifactKind::ExecutionRole,
    actions: &[
        "iam:GetRole",
        "iam:ListRoleTags",
        "iam:ListRolePolicies",
        "iam:GetRolePolicy",
        "iam:ListAttachedRolePolicies",
        "iam:GetPolicy",
        "iam:ListPolicyVersions",
        "iam:GetPolicyVersion",
    ],
    collect: |aws, inquiry| collect(aws, inquiry).boxed(),
};

/// A customer's policy has five versions at most (IAM quota).
const VERSIONS: usize = 5;

async fn collect(aws: &Aws, inquiry: &mut Inquiry<'_>) {
    let arn = match &inquiry.request().selector {
        Some(selector) => selector.clone(),
        None => aws.target.id_unqualified(),
    };
    match Target::from_arn(&arn) {
        Ok(policy) if policy.kind == ResourceKind::Policy => managed(aws, inquiry, &policy).await,
        // IAM is asked by name and would answer with a role of ours that happens to be called so.
        Ok(role) if role.kind == ResourceKind::Role && role.account != aws.target.account => {
            inquiry.refuse(Refusal::Failed(format!(
                "not looked up: {arn} belongs to another account, and IAM tells about its own only"
            )));
        }
        Ok(role) if role.kind == ResourceKind::Role => whole_role(aws, inquiry, &role.name).await,
        _ => inquiry.refuse(Refusal::Failed(
            "what the function names is not the ARN of a role".to_owned(),
        )),
    }
}

async fn whole_role(aws: &Aws, inquiry: &mut Inquiry<'_>, role: &str) {
    let asked = inquiry
        .ask("iam:GetRole", role, |raw| {
            let call = aws.clients.iam.get_role().role_name(role);
            call.customize().interceptor(raw).send()
        })
        .await;
    if inquiry.is_absent() {
        return;
    }
    let mut boundary = None;
    if let Some(role) = asked.as_ref().and_then(|reply| reply.role()) {
        note_document(inquiry, "trust policy", role.assume_role_policy_document());
        boundary = role
            .permissions_boundary()
            .and_then(|boundary| boundary.permissions_boundary_arn())
            .map(str::to_owned);
    }
    tags(aws, inquiry, role).await;
    inline(aws, inquiry, role).await;
    let mut attached = attached(aws, inquiry, role).await;
    attached.extend(boundary);
    attached.sort();
    attached.dedup();
    for arn in attached {
        match Target::from_arn(&arn) {
            Ok(policy) => managed(aws, inquiry, &policy).await,
            Err(bad) => inquiry.refuse(Refusal::Failed(bad.to_string())),
        }
    }
}

async fn tags(aws: &Aws, inquiry: &mut Inquiry<'_>, role: &str) {
    inquiry
        .ask_pages(
            "the role's tags",
            "iam:ListRoleTags",
            role,
            |raw, marker| {
                let call = aws.clients.iam.list_role_tags().role_name(role);
                call.set_marker(marker).customize().interceptor(raw).send()
            },
            |_, page| page.marker,
        )
        .await;
}

async fn inline(aws: &Aws, inquiry: &mut Inquiry<'_>, role: &str) {
    let mut names = Vec::new();
    inquiry
        .ask_pages(
            "inline policies",
            "iam:ListRolePolicies",
            role,
            |raw, marker| {
                let call = aws.clients.iam.list_role_policies().role_name(role);
                call.set_marker(marker).customize().interceptor(raw).send()
            },
            |_, page| {
                names.extend(page.policy_names);
                page.marker
            },
        )
        .await;
    for policy in &names {
        let about = format!("{role}/{policy}");
        let asked = inquiry
            .ask("iam:GetRolePolicy", &about, |raw| {
                let call = aws.clients.iam.get_role_policy();
                let call = call.role_name(role).policy_name(policy);
                call.customize().interceptor(raw).send()
            })
            .await;
        if let Some(reply) = asked {
            let name = format!("inline policy {policy}");
            note_document(inquiry, &name, Some(reply.policy_document()));
        }
    }
}

/// The ARNs of the attached policies.
async fn attached(aws: &Aws, inquiry: &mut Inquiry<'_>, role: &str) -> Vec<String> {
    let mut arns = Vec::new();
    inquiry
        .ask_pages(
            "attached policies",
            "iam:ListAttachedRolePolicies",
            role,
            |raw, marker| {
                let call = aws.clients.iam.list_attached_role_policies();
                let call = call.role_name(role).set_marker(marker);
                call.customize().interceptor(raw).send()
            },
            |_, page| {
                let named = page.attached_policies().iter();
                arns.extend(named.filter_map(|policy| policy.policy_arn().map(str::to_owned)));
                page.marker
            },
        )
        .await;
    arns
}

/// A managed policy with the documents of its versions, the one in force first. Of AWS's own, which
/// nobody in the account can change and which may have a hundred versions, the one in force only.
async fn managed(aws: &Aws, inquiry: &mut Inquiry<'_>, policy: &Target) {
    let arn = &policy.arn();
    let asked = inquiry
        .ask("iam:GetPolicy", arn, |raw| {
            let call = aws.clients.iam.get_policy().policy_arn(arn);
            call.customize().interceptor(raw).send()
        })
        .await;
    let in_force = asked
        .as_ref()
        .and_then(|reply| reply.policy()?.default_version_id());
    let mut versions: Vec<String> = in_force.map(str::to_owned).into_iter().collect();
    let listed = versions_of(aws, inquiry, arn).await;
    if policy.account == "aws" {
        let in_force = listed.into_iter().filter(|(_, in_force)| *in_force);
        versions.extend(in_force.map(|(version, _)| version));
        inquiry.note(
            &format!("versions of {arn}"),
            Value::from("a policy of AWS's own: the document in force only"),
        );
    } else {
        versions.extend(listed.into_iter().map(|(version, _)| version));
    }
    let mut seen = std::collections::BTreeSet::new();
    versions.retain(|version| seen.insert(version.clone()));
    if versions.len() > VERSIONS {
        inquiry.refuse(Refusal::Failed(format!(
            "{arn} has more than {VERSIONS} versions; the first ones are read"
        )));
    }
    for version in versions.iter().take(VERSIONS) {
        let asked = inquiry
            .ask("iam:GetPolicyVersion", &format!("{arn} {version}"), |raw| {
                let call = aws.clients.iam.get_policy_version();
                let call = call.policy_arn(arn).version_id(version);
                call.customize().interceptor(raw).send()
            })
            .await;
        if let Some(version_reply) = asked.as_ref().and_then(|reply| reply.policy_version()) {
            let name = format!("policy {arn} {version}");
            note_document(inquiry, &name, version_reply.document());
        }
    }
}

/// The versions of a managed policy, and which one is in force.
async fn versions_of(aws: &Aws, inquiry: &mut Inquiry<'_>, arn: &str) -> Vec<(String, bool)> {
    let mut versions = Vec::new();
    inquiry
        .ask_pages(
            "policy versions",
            "iam:ListPolicyVersions",
            arn,
            |raw, marker| {
                let call = aws.clients.iam.list_policy_versions().policy_arn(arn);
                call.set_marker(marker).customize().interceptor(raw).send()
            },
            |_, page| {
                versions.extend(page.versions().iter().filter_map(|version| {
                    let id = version.version_id()?.to_owned();
                    Some((id, version.is_default_version()))
                }));
                page.marker
            },
        )
        .await;
    versions
}

/// IAM answers documents URL-encoded inside XML; readers want JSON.
fn note_document(inquiry: &mut Inquiry<'_>, name: &str, encoded: Option<&str>) {
    if let Some(encoded) = encoded {
        let text = percent_decode_str(encoded).decode_utf8_lossy();
        let document = serde_json::from_str(&text).unwrap_or_else(|_| Value::from(text));
        inquiry.note(name, document);
    }
}

#[cfg(test)]
mod tests {
    use crate::aws::canned::{Collected, Script, collect};
    use evidence::ArtifactKind;

    const FUNCTION: &str = "arn:aws:lambda:eu-west-1:111122223333:function:billing";
    const ROLE: &str = "arn:aws:iam::111122223333:role/service-role/billing-role";
    const DENIED: &str = "<ErrorResponse><Error><Type>Sender</Type><Code>AccessDenied</Code><Message>no</Message></Error></ErrorResponse>";
    const NO_SUCH: &str = "<ErrorResponse><Error><Type>Sender</Type><Code>NoSuchEntity</Code><Message>gone</Message></Error></ErrorResponse>";

    type Line = (&'static str, u16, &'static str);
    const GET_ROLE: Line = (
        "GetRole RoleName=billing-role",
        200,
        "<GetRoleResponse><GetRoleResult><Role><Path>/service-role/</Path><RoleName>billing-role</RoleName><RoleId>AROAEXAMPLE</RoleId>\
         <Arn>arn:aws:iam::111122223333:role/service-role/billing-role</Arn><CreateDate>2025-01-01T00:00:00Z</CreateDate>\
         <AssumeRolePolicyDocument>%7B%22Statement%22%3A%5B%7B%22Principal%22%3A%7B%22AWS%22%3A%22arn%3Aaws%3Aiam%3A%3A999999999999%3Aroot%22%7D%7D%5D%7D</AssumeRolePolicyDocument>\
         <PermissionsBoundary><PermissionsBoundaryType>Policy</PermissionsBoundaryType><PermissionsBoundaryArn>arn:aws:iam::111122223333:policy/boundary</PermissionsBoundaryArn></PermissionsBoundary>\
         <RoleLastUsed><LastUsedDate>2026-01-01T00:00:00Z</LastUsedDate><Region>eu-west-1</Region></RoleLastUsed></Role></GetRoleResult></GetRoleResponse>",
    );
    const TAGS: Line = (
        "ListRoleTags",
        200,
        "<ListRoleTagsResponse><ListRoleTagsResult><Tags><member><Key>team</Key><Value>money</Value></member></Tags><IsTruncated>false</IsTruncated></ListRoleTagsResult></ListRoleTagsResponse>",
    );
    const INLINE_2: Line = (
        "ListRolePolicies Marker=two",
        200,
        "<ListRolePoliciesResponse><ListRolePoliciesResult><PolicyNames><member>second</member></PolicyNames><IsTruncated>false</IsTruncated></ListRolePoliciesResult></ListRolePoliciesResponse>",
    );
    const INLINE_1: Line = (
        "ListRolePolicies",
        200,
        "<ListRolePoliciesResponse><ListRolePoliciesResult><PolicyNames><member>first</member></PolicyNames><IsTruncated>true</IsTruncated><Marker>two</Marker></ListRolePoliciesResult></ListRolePoliciesResponse>",
    );
    const INLINE_POLICY: Line = (
        "GetRolePolicy RoleName=billing-role",
        200,
        "<GetRolePolicyResponse><GetRolePolicyResult><RoleName>billing-role</RoleName><PolicyName>p</PolicyName><PolicyDocument>%7B%22Action%22%3A%22s3%3A%2B%2A%22%7D</PolicyDocument></GetRolePolicyResult></GetRolePolicyResponse>",
    );
    const ATTACHED: Line = (
        "ListAttachedRolePolicies",
        200,
        "<ListAttachedRolePoliciesResponse><ListAttachedRolePoliciesResult><AttachedPolicies>\
         <member><PolicyName>basic</PolicyName><PolicyArn>arn:aws:iam::aws:policy/service-role/Basic</PolicyArn></member>\
         <member><PolicyName>boundary</PolicyName><PolicyArn>arn:aws:iam::111122223333:policy/boundary</PolicyArn></member>\
         </AttachedPolicies><IsTruncated>false</IsTruncated></ListAttachedRolePoliciesResult></ListAttachedRolePoliciesResponse>",
    );
    const POLICY: Line = (
        "GetPolicy",
        200,
        "<GetPolicyResponse><GetPolicyResult><Policy><DefaultVersionId>v2</DefaultVersionId></Policy></GetPolicyResult></GetPolicyResponse>",
    );
    const VERSIONS: Line = (
        "ListPolicyVersions",
        200,
        "<ListPolicyVersionsResponse><ListPolicyVersionsResult><Versions>\
         <member><VersionId>v3</VersionId><IsDefaultVersion>false</IsDefaultVersion></member>\
         <member><VersionId>v2</VersionId><IsDefaultVersion>true</IsDefaultVersion></member>\
         <member><VersionId>v1</VersionId><IsDefaultVersion>false</IsDefaultVersion></member>\
         </Versions><IsTruncated>false</IsTruncated></ListPolicyVersionsResult></ListPolicyVersionsResponse>",
    );
    const VERSION: Line = (
        "GetPolicyVersion",
        200,
        "<GetPolicyVersionResponse><GetPolicyVersionResult><PolicyVersion><Document>no%20JSON</Document><VersionId>v</VersionId><IsDefaultVersion>false</IsDefaultVersion></PolicyVersion></GetPolicyVersionResult></GetPolicyVersionResponse>",
    );
    const ALL: Script = &[
        GET_ROLE,
        TAGS,
        INLINE_2,
        INLINE_1,
        INLINE_POLICY,
        ATTACHED,
        POLICY,
        VERSIONS,
        VERSION,
    ];

    async fn of_function(selector: &str, script: Script) -> Collected {
        collect(
            FUNCTION,
            ArtifactKind::ExecutionRole,
            Some(selector),
            script,
        )
        .await
    }

    /// The notes, by name.
    fn notes(found: &Collected) -> Vec<(String, String)> {
        let kept: serde_json::Value = serde_json::from_str(&found.kept[0]).unwrap();
        let replies = kept["replies"].as_array().unwrap().iter();
        let note = |reply: &serde_json::Value| {
            let name = reply.get("note")?.as_str()?.to_owned();
            Some((name, reply["value"].to_string()))
        };
        replies.filter_map(note).collect()
    }

    #[tokio::test]
    async fn a_role_with_a_path_is_kept_with_every_document_as_json() {
        let found = of_function(ROLE, ALL).await;
        assert_eq!(found.outcome(), ("acquired", ""));
        assert!(found.kept[0].contains("<LastUsedDate>2026-01-01"));
        let notes = notes(&found);
        let shown: Vec<String> = notes.iter().map(|(n, v)| format!("{n}: {v}")).collect();
        insta::assert_snapshot!(shown.join("\n"), @r#"
        trust policy: {"Statement":[{"Principal":{"AWS":"arn:aws:iam::999999999999:root"}}]}
        inline policy first: {"Action":"s3:+*"}
        inline policy second: {"Action":"s3:+*"}
        policy arn:aws:iam::111122223333:policy/boundary v2: "no JSON"
        policy arn:aws:iam::111122223333:policy/boundary v3: "no JSON"
        policy arn:aws:iam::111122223333:policy/boundary v1: "no JSON"
        versions of arn:aws:iam::aws:policy/service-role/Basic: "a policy of AWS's own: the document in force only"
        policy arn:aws:iam::aws:policy/service-role/Basic v2: "no JSON"
        "#);
    }

    #[tokio::test]
    async fn a_boundary_that_is_attached_too_is_read_once() {
        let found = of_function(ROLE, ALL).await;
        let calls = found.gathered.acquisition.calls;
        let asked = calls.iter().filter(|call| call.api == "iam:GetPolicy");
        assert_eq!(asked.count(), 2);
    }

    #[tokio::test]
    async fn a_deleted_role_is_absent_and_not_asked_about_further() {
        const SCRIPT: Script = &[("GetRole", 404, NO_SUCH)];
        let found = of_function(ROLE, SCRIPT).await;
        assert_eq!(
            found.outcome(),
            ("absent", "iam:GetRole billing-role: NoSuchEntity")
        );
        assert_eq!(found.asked.len(), 1);
    }

    #[tokio::test]
    async fn any_one_permission_missing_is_denied_and_the_rest_is_kept() {
        for action in super::ARTIFACT.actions {
            let operation = action.strip_prefix("iam:").unwrap();
            let mut script = vec![(operation, 403, DENIED)];
            script.extend(ALL);
            let found = of_function(ROLE, script.leak()).await;
            let (word, why) = found.outcome();
            assert_eq!(word, "denied", "{action}");
            assert!(why.starts_with(action), "{why}");
            assert!(found.asked.len() >= 9, "{:?}", found.asked);
        }
    }

    #[tokio::test]
    async fn what_breaks_is_told() {
        const SCRIPT: Script = &[
            GET_ROLE, TAGS, INLINE_2, ATTACHED, POLICY, VERSIONS, VERSION,
        ];
        let found = of_function(ROLE, SCRIPT).await;
        let (word, why) = found.outcome();
        assert_eq!(word, "partial");
        assert!(why.starts_with("iam:ListRolePolicies"), "{why}");
    }

    #[tokio::test]
    async fn a_role_of_another_account_is_not_mistaken_for_ours_of_the_same_name() {
        let found = of_function("arn:aws:iam::999999999999:role/billing-role", ALL).await;
        assert_eq!(found.outcome().0, "failed");
        assert!(found.asked.is_empty());
    }

    #[tokio::test]
    async fn a_target_that_is_a_role_or_a_policy_needs_no_selector() {
        let role = "arn:aws:iam::111122223333:role/billing-role";
        let found = collect(role, ArtifactKind::ExecutionRole, None, ALL).await;
        assert_eq!(found.outcome(), ("acquired", ""));
        let policy = "arn:aws:iam::111122223333:policy/team/deploy";
        let found = collect(policy, ArtifactKind::ExecutionRole, None, ALL).await;
        assert_eq!(found.outcome(), ("acquired", ""));
        assert_eq!(found.asked.len(), 5, "{:?}", found.asked);
    }
}
