//! Who may call the function, a version or an alias: the resource policy of one qualifier.

use super::{Artifact, Aws};
use crate::{Inquiry, Refusal};
use evidence::{ArtifactKind, Request};
use futures_util::FutureExt as _;
use serde_json::Value;
use std::collections::BTreeSet;

pub(super) const ARTIFACT: Artifact = Artifact {
    kind: ArtifactKind::ResourcePolicy,
    actions: &["lambda:GetPolicy"],
    collect: |aws, inquiry| collect(aws, inquiry).boxed(),
};

/// How many sources of one policy are followed. A policy has at most 20 KB: more are made up.
const SOURCES: usize = 100;

async fn collect(aws: &Aws, inquiry: &mut Inquiry<'_>) {
    let about = aws.about(inquiry);
    let qualifier = Aws::qualifier(inquiry);
    let Some(reply) = inquiry
        .ask("lambda:GetPolicy", &about, |raw| {
            aws.clients
                .lambda
                .get_policy()
                .function_name(aws.target.id_unqualified())
                .set_qualifier(qualifier.clone())
                .customize()
                .interceptor(raw)
                .send()
        })
        .await
    else {
        return;
    };
    // The policy comes as JSON in a string; readers want it as JSON too.
    let Some(policy) = reply
        .policy()
        .and_then(|text| serde_json::from_str::<Value>(text).ok())
    else {
        return inquiry.refuse(Refusal::Failed(format!(
            "the policy of {about} is not JSON; it is kept as it came"
        )));
    };
    let sources = source_arns(&policy);
    inquiry.note("policy", policy);
    if sources.len() > SOURCES {
        inquiry.refuse(Refusal::Failed(format!(
            "the policy of {about} lets in more than {SOURCES} sources; the first ones are followed"
        )));
    }
    for source in sources.into_iter().take(SOURCES) {
        inquiry.then(Request::one(ArtifactKind::InvocationSources, source));
    }
}

/// The ARNs, wildcards included, that `Allow` statements want the caller's `aws:SourceArn` to be.
fn source_arns(policy: &Value) -> BTreeSet<String> {
    one_or_many(policy.get("Statement"))
        .filter(|statement| statement.get("Effect").and_then(Value::as_str) != Some("Deny"))
        .filter_map(|statement| statement.get("Condition")?.as_object())
        .flatten()
        .filter(|(operator, _)| names_what_is_allowed(operator))
        .filter_map(|(_, keys)| keys.as_object())
        .flatten()
        .filter(|(key, _)| key.eq_ignore_ascii_case("aws:SourceArn"))
        .flat_map(|(_, values)| one_or_many(Some(values)))
        .filter_map(|value| value.as_str().map(str::to_owned))
        .collect()
}

/// `ArnLike`, `StringEqualsIfExists`, `ForAnyValue:ArnEquals`, but not `ArnNotLike`.
fn names_what_is_allowed(operator: &str) -> bool {
    let operator = operator.to_ascii_lowercase();
    let operator = operator
        .rsplit_once(':')
        .map_or(operator.as_str(), |(_, bare)| bare);
    (operator.starts_with("arn") || operator.starts_with("string")) && !operator.contains("not")
}

/// IAM writes a list of one without brackets.
fn one_or_many(value: Option<&Value>) -> impl Iterator<Item = &Value> {
    match value {
        Some(Value::Array(items)) => items.iter(),
        Some(one) => std::slice::from_ref(one).iter(),
        None => [].iter(),
    }
}

#[cfg(test)]
mod tests {
    use crate::aws::canned::{collect, outcomes_when_refused};
    use evidence::ArtifactKind;

    const FUNCTION: &str = "arn:aws:lambda:eu-west-1:111122223333:function:billing";

    #[tokio::test]
    async fn the_policy_is_decoded_and_its_sources_are_followed() {
        let collected = collect(
            FUNCTION,
            ArtifactKind::ResourcePolicy,
            Some("live"),
            &[(
                "GET /policy Qualifier=live",
                200,
                r#"{"RevisionId":"r1","Policy":"{\"Version\":\"2012-10-17\",\"Statement\":[{\"Effect\":\"Allow\",\"Principal\":{\"Service\":\"events.amazonaws.com\"},\"Action\":\"lambda:InvokeFunction\",\"Condition\":{\"ArnLike\":{\"AWS:SourceArn\":\"arn:aws:events:eu-west-1:111122223333:rule/nightly\"},\"ArnNotLike\":{\"aws:SourceArn\":\"arn:aws:events:eu-west-1:111122223333:rule/not\"}}},{\"Effect\":\"Allow\",\"Principal\":\"*\",\"Action\":\"lambda:InvokeFunction\",\"Condition\":{\"StringEqualsIfExists\":{\"aws:sourcearn\":[\"arn:aws:s3:::uploads\",\"arn:aws:s3:::uploads\"]}}},{\"Effect\":\"Deny\",\"Principal\":\"*\",\"Condition\":{\"ArnLike\":{\"aws:SourceArn\":\"arn:aws:s3:::denied\"}}}]}"}"#,
            )],
        )
        .await;
        insta::assert_json_snapshot!(collected.told());
    }

    #[tokio::test]
    async fn a_policy_that_is_no_json_is_kept_as_it_came() {
        let hostile: crate::aws::canned::Script =
            &[("GET /policy", 200, r#"{"Policy":"{not json"}"#)];
        let collected = collect(FUNCTION, ArtifactKind::ResourcePolicy, None, hostile).await;
        assert_eq!(collected.outcome().0, "partial");
        assert!(collected.kept[0].contains("{not json"));
    }

    #[tokio::test]
    async fn no_answer_is_told_apart_from_none() {
        let outcomes = outcomes_when_refused(FUNCTION, ArtifactKind::ResourcePolicy, None).await;
        assert_eq!(outcomes, ["absent", "denied", "failed"]);
    }
}
