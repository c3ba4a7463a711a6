//! A function's settings, raw, environment included. The only exhibit that holds its values.

use super::{Artifact, Aws};
use crate::{Inquiry, Refusal};
use aws_sdk_lambda::operation::get_function_configuration::GetFunctionConfigurationOutput;
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
                .function_name(aws.target.id_unqualified())
                .set_qualifier(qualifier.clone())
                .customize()
                .interceptor(raw)
                .send()
        })
        .await
    else {
        if inquiry.is_absent() {
            // The function is gone; its log may still be there.
            inquiry.then(Request::one(ArtifactKind::LogGroup, default_log_group(aws)));
        }
        return;
    };
    for (part, code) in unreadable(&configuration) {
        inquiry.refuse(Refusal::Denied(format!(
            "lambda:GetFunctionConfiguration {about}: Lambda could not read the {part}: {code}"
        )));
    }
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
        None => default_log_group(aws),
    };
    inquiry.then(Request::one(ArtifactKind::LogGroup, group));
}

fn default_log_group(aws: &Aws) -> String {
    format!("/aws/lambda/{}", aws.target.name)
}

/// What Lambda says it could not read, inside a reply that is a success: an environment under a
/// key that we may not use, an image's settings.
fn unreadable(
    configuration: &GetFunctionConfigurationOutput,
) -> impl Iterator<Item = (&'static str, String)> {
    let environment = configuration
        .environment()
        .and_then(|environment| environment.error())
        .map(|error| ("environment", error.error_code()));
    let image = configuration
        .image_config_response()
        .and_then(|image| image.error())
        .map(|error| ("image settings", error.error_code()));
    let runtime = configuration
        .runtime_version_config()
        .and_then(|runtime| runtime.error())
        .map(|error| ("runtime version", error.error_code()));
    [environment, image, runtime]
        .into_iter()
        .flatten()
        .map(|(part, code)| (part, code.unwrap_or("no reason given").to_owned()))
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
    async fn an_environment_that_lambda_could_not_decrypt_is_denied_not_acquired() {
        let raw: Script = &[(
            "GET /configuration",
            200,
            r#"{"FunctionName":"billing","Environment":{"Error":{"ErrorCode":"KMSAccessDeniedException","Message":"no"}}}"#,
        )];
        let collected = collect(FUNCTION, ArtifactKind::Configuration, None, raw).await;
        let told = serde_json::to_value(collected.told()).unwrap().to_string();
        assert!(
            told.contains("denied") && told.contains("KMSAccessDeniedException"),
            "{told}"
        );
    }

    #[tokio::test]
    async fn no_answer_is_told_apart_from_none() {
        let outcomes = outcomes_when_refused(FUNCTION, ArtifactKind::Configuration, None).await;
        assert_eq!(outcomes, ["absent", "denied", "failed"]);
    }
}
