//! A function's settings, raw, environment included. The only exhibit that holds its values.

use super::{Artifact, Aws};
use crate::Inquiry;
use evidence::{ArtifactKind, Request};
use futures_util::FutureExt as _;

pub(super) const ARTIFACT: Artifact = Artifact {
    kind: ArtifactKind::Configuration,
    actions: &["lambda:GetFunctionConfiguration"],
    collect: |aws, inquiry| collect(aws, inquiry).boxed(),
};

async fn collect(aws: &Aws, inquiry: &mut Inquiry<'_>) {
    let about = aws.about(inquiry);
    let qualifier = Aws::qualifier(inquiry);
    let Some(configuration) = inquiry
        .ask("lambda:GetFunctionConfiguration", &about, |raw| {
            aws.clients
                .lambda
                .get_function_configuration()
                .function_name(aws.target.arn_unqualified())
                .set_qualifier(qualifier.clone())
                .customize()
                .interceptor(raw)
                .send()
        })
        .await
    else {
        return;
    };
    for layer in configuration.layers() {
        inquiry.then_maybe(ArtifactKind::Layer, layer.arn());
    }
    inquiry.then_maybe(ArtifactKind::ExecutionRole, configuration.role());
    // Never assume /aws/lambda/NAME: the group may be another one.
    let custom = configuration
        .logging_config()
        .and_then(|logging| logging.log_group());
    let group = match custom {
        Some(group) => group.to_owned(),
        None => format!("/aws/lambda/{}", aws.target.name),
    };
    inquiry.then(Request::one(ArtifactKind::LogGroup, group));
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::aws::canned::{Script, collect, outcomes_when_refused};

    const FUNCTION: &str = "arn:aws:lambda:eu-west-1:111122223333:function:billing";

    #[tokio::test]
    async fn the_reply_is_kept_as_it_came_and_leads_to_layers_role_and_log_group() {
        let raw: Script = &[(
            "GET /configuration Qualifier=7",
            200,
            r#"{"FunctionName":"billing","Role":"arn:aws:iam::111122223333:role/billing","Environment":{"Variables":{"KEY":"marked-secret"}},"Layers":[{"Arn":"arn:aws:lambda:eu-west-1:444455556666:layer:deps:3"}],"LoggingConfig":{"LogGroup":"/own/group"},"SnapStart":{"ApplyOn":"None","OptimizationStatus":"Off"},"FieldOfTomorrow":1}"#,
        )];
        let collected = collect(FUNCTION, ArtifactKind::Configuration, Some("7"), raw).await;
        insta::assert_json_snapshot!(collected.told());
    }

    #[tokio::test]
    async fn no_answer_is_told_apart_from_none() {
        let outcomes = outcomes_when_refused(FUNCTION, ArtifactKind::Configuration, None).await;
        assert_eq!(outcomes, ["absent", "denied", "failed"]);
    }
}
