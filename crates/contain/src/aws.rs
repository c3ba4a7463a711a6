//! A Lambda function, looked at and changed through Lambda's own calls.

use crate::aspect::{Aspect, State, fields};
use crate::plan::Step;
use crate::port::{Function, Now, Refused};
use crate::statement::Permission;
use async_trait::async_trait;
use aws_sdk_lambda::primitives::Blob;
use aws_sdk_lambda::types::{
    Architecture, DeadLetterConfig, Environment, EphemeralStorage, FileSystemConfig,
    FunctionUrlAuthType, ImageConfig, LastUpdateStatus, LoggingConfig, Runtime, SnapStart,
    State as Life, TracingConfig, VpcConfig,
};
use aws_smithy_runtime_api::client::orchestrator::HttpResponse;
use aws_smithy_runtime_api::client::result::SdkError;
use aws_smithy_types::error::display::DisplayErrorContext;
use aws_smithy_types::error::metadata::ProvideErrorMetadata;
use bytes::Bytes;
use collectors::aws::{Aws, Clients, TriggerFacts};
use collectors::{Collector, Desk, Gathered, RawReply, gather};
use evidence::{ArtifactKind, OpenCase, Request, Target};
use serde_json::Value;
use std::collections::HashMap;
use std::time::Duration;

/// How often the function is looked at while an update settles, and how long apart.
const LOOKS: u32 = 240;
const BETWEEN_LOOKS: Duration = Duration::from_millis(500);
/// How many requests of one preservation are carried out at a time: as the responder does.
const PARALLEL: usize = 4;

/// `$LATEST` of one function.
pub struct LambdaFunction {
    clients: Clients,
    target: Target,
    kinds: &'static [ArtifactKind],
}

impl LambdaFunction {
    /// The function `target`; `clients` are of its Region, `kinds` what is preserved of it.
    pub fn new(clients: Clients, target: &Target, kinds: &'static [ArtifactKind]) -> Self {
        Self {
            clients,
            target: target.unqualified(),
            kinds,
        }
    }

    fn lambda(&self) -> &aws_sdk_lambda::Client {
        self.clients.lambda()
    }

    fn arn(&self) -> String {
        self.target.id_unqualified()
    }

    /// The configuration once no update is under way.
    async fn settled(&self) -> Result<Value, Refused> {
        const CALL: &str = "lambda:GetFunctionConfiguration";
        for _ in 0..LOOKS {
            let raw = RawReply::default();
            let reply = self
                .lambda()
                .get_function_configuration()
                .function_name(self.arn())
                .customize()
                .interceptor(raw.clone())
                .send()
                .await
                .map_err(|error| refused(CALL, &error))?;
            let is_settled = reply.last_update_status() != Some(&LastUpdateStatus::InProgress)
                && reply.state() != Some(&Life::Pending);
            if is_settled {
                return Ok(raw.value());
            }
            tokio::time::sleep(BETWEEN_LOOKS).await;
        }
        Err(Refused::Failed(format!(
            "an update of the function did not end within {} s",
            LOOKS / 2
        )))
    }

    async fn change_concurrency(&self, after: &Value) -> Result<(), Refused> {
        match after.as_i64().and_then(|most| i32::try_from(most).ok()) {
            Some(most) => self
                .lambda()
                .put_function_concurrency()
                .function_name(self.arn())
                .reserved_concurrent_executions(most)
                .send()
                .await
                .map(drop)
                .map_err(|error| refused("lambda:PutFunctionConcurrency", &error)),
            None => self
                .lambda()
                .delete_function_concurrency()
                .function_name(self.arn())
                .send()
                .await
                .map(drop)
                .map_err(|error| refused("lambda:DeleteFunctionConcurrency", &error)),
        }
    }

    async fn change_statement(&self, sid: &str, step: &Step, now: &Now) -> Result<(), Refused> {
        if step.after.is_null() {
            return self
                .lambda()
                .remove_permission()
                .function_name(self.arn())
                .statement_id(sid)
                .set_revision_id(now.policy_revision.clone())
                .send()
                .await
                .map(drop)
                .map_err(|error| refused("lambda:RemovePermission", &error));
        }
        let permission = Permission::read(&step.after).map_err(|why| {
            Refused::Failed(format!("the statement {sid} cannot be added: {why}"))
        })?;
        self.lambda()
            .add_permission()
            .function_name(self.arn())
            .statement_id(sid)
            .action(permission.action)
            .principal(permission.principal)
            .set_source_arn(permission.source_arn)
            .set_source_account(permission.source_account)
            .set_event_source_token(permission.event_source_token)
            .set_principal_org_id(permission.principal_org_id)
            .set_function_url_auth_type(
                permission
                    .url_auth_type
                    .map(|kind| FunctionUrlAuthType::from(kind.as_str())),
            )
            .set_invoked_via_function_url(permission.via_url)
            .set_revision_id(now.policy_revision.clone())
            .send()
            .await
            .map(drop)
            .map_err(|error| refused("lambda:AddPermission", &error))
    }

    async fn change_code(&self, step: &Step, now: &Now, code: Bytes) -> Result<(), Refused> {
        let architectures = texts(&step.after["architectures"])
            .iter()
            .map(|name| Architecture::from(name.as_str()))
            .collect();
        self.lambda()
            .update_function_code()
            .function_name(self.arn())
            .zip_file(Blob::new(code))
            .set_architectures(Some(architectures))
            .revision_id(&now.revision)
            .send()
            .await
            .map(drop)
            .map_err(|error| refused("lambda:UpdateFunctionCode", &error))
    }

    async fn change_settings(&self, steps: &[Step], now: &Now) -> Result<(), Refused> {
        const CALL: &str = "lambda:UpdateFunctionConfiguration";
        let mut update = self
            .lambda()
            .update_function_configuration()
            .function_name(self.arn())
            .revision_id(&now.revision);
        for Step { aspect, after, .. } in steps {
            let Aspect::Setting(name) = aspect else {
                continue;
            };
            let text = || after.as_str().unwrap_or_default().to_owned();
            let number = || {
                after
                    .as_i64()
                    .and_then(|it| i32::try_from(it).ok())
                    .unwrap_or_default()
            };
            let part = |field: &str| after.get(field).and_then(Value::as_str).map(str::to_owned);
            update = match *name {
                "Handler" => update.handler(text()),
                "Runtime" => update.runtime(Runtime::from(text().as_str())),
                "Role" => update.role(text()),
                "Description" => update.description(text()),
                "KMSKeyArn" => update.kms_key_arn(text()),
                "Timeout" => update.timeout(number()),
                "MemorySize" => update.memory_size(number()),
                "Layers" => update.set_layers(Some(texts(after))),
                "Environment" => {
                    let variables: HashMap<String, String> = fields(after)
                        .into_iter()
                        .filter_map(|(name, value)| Some((name, value.as_str()?.to_owned())))
                        .collect();
                    update.environment(
                        Environment::builder()
                            .set_variables(Some(variables))
                            .build(),
                    )
                }
                "DeadLetterConfig" => update
                    .dead_letter_config(DeadLetterConfig::builder().target_arn(text()).build()),
                "EphemeralStorage" => {
                    let storage = EphemeralStorage::builder().size(number()).build();
                    update.ephemeral_storage(
                        storage.map_err(|error| Refused::Failed(error.to_string()))?,
                    )
                }
                "TracingConfig" => update.tracing_config(
                    TracingConfig::builder()
                        .mode(text().as_str().into())
                        .build(),
                ),
                "SnapStart" => update.snap_start(
                    SnapStart::builder()
                        .apply_on(text().as_str().into())
                        .build(),
                ),
                "VpcConfig" => update.vpc_config(
                    VpcConfig::builder()
                        .set_subnet_ids(Some(texts(&after["SubnetIds"])))
                        .set_security_group_ids(Some(texts(&after["SecurityGroupIds"])))
                        .set_ipv6_allowed_for_dual_stack(after["Ipv6AllowedForDualStack"].as_bool())
                        .build(),
                ),
                "FileSystemConfigs" => {
                    let mut systems = Vec::new();
                    for system in after.as_array().into_iter().flatten() {
                        let built = FileSystemConfig::builder()
                            .arn(system["Arn"].as_str().unwrap_or_default())
                            .local_mount_path(system["LocalMountPath"].as_str().unwrap_or_default())
                            .build();
                        systems.push(built.map_err(|error| Refused::Failed(error.to_string()))?);
                    }
                    update.set_file_system_configs(Some(systems))
                }
                "ImageConfig" => update.image_config(
                    ImageConfig::builder()
                        .set_entry_point(Some(texts(&after["EntryPoint"])))
                        .set_command(Some(texts(&after["Command"])))
                        .set_working_directory(part("WorkingDirectory"))
                        .build(),
                ),
                "LoggingConfig" => update.logging_config(
                    LoggingConfig::builder()
                        .set_log_format(part("LogFormat").map(|it| it.as_str().into()))
                        .set_application_log_level(
                            part("ApplicationLogLevel").map(|it| it.as_str().into()),
                        )
                        .set_system_log_level(part("SystemLogLevel").map(|it| it.as_str().into()))
                        .set_log_group(part("LogGroup"))
                        .build(),
                ),
                other => {
                    return Err(Refused::Failed(format!(
                        "{other} cannot be changed by this version"
                    )));
                }
            };
        }
        update
            .send()
            .await
            .map(drop)
            .map_err(|error| refused(CALL, &error))
    }
}

#[async_trait]
impl Function for LambdaFunction {
    async fn look(&self) -> Result<Now, Refused> {
        let configuration = self.settled().await?;
        let concurrency = RawReply::default();
        self.lambda()
            .get_function_concurrency()
            .function_name(self.arn())
            .customize()
            .interceptor(concurrency.clone())
            .send()
            .await
            .map_err(|error| refused("lambda:GetFunctionConcurrency", &error))?;
        let policy = RawReply::default();
        let reply = self
            .lambda()
            .get_policy()
            .function_name(self.arn())
            .customize()
            .interceptor(policy.clone())
            .send()
            .await;
        let (policy, policy_revision) = match reply {
            Ok(reply) => (policy.value(), reply.revision_id),
            Err(error) if error.code() == Some("ResourceNotFoundException") => (Value::Null, None),
            Err(error) => return Err(refused("lambda:GetPolicy", &error)),
        };
        let state = State::of(&configuration, &concurrency.value(), &policy)
            .map_err(|error| Refused::Failed(error.to_string()))?;
        Ok(Now {
            state,
            revision: configuration["RevisionId"]
                .as_str()
                .unwrap_or_default()
                .to_owned(),
            policy_revision,
        })
    }

    async fn preserve(&self, desk: &Desk, case: &mut OpenCase) {
        let collector = Chosen {
            // Of published versions those that an alias sends traffic to: they cannot be changed.
            inner: Aws::new(
                self.clients.clone(),
                self.target.clone(),
                TriggerFacts::default(),
                0,
            ),
            kinds: self.kinds,
        };
        gather(&collector, desk, case, PARALLEL).await;
    }

    async fn change(&self, steps: &[Step], now: &Now, code: Option<Bytes>) -> Result<(), Refused> {
        match steps {
            [] => Ok(()),
            [step] if step.aspect == Aspect::ReservedConcurrency => {
                self.change_concurrency(&step.after).await
            }
            [step] if step.aspect == Aspect::Code => match code {
                Some(code) => self.change_code(step, now, code).await,
                None => Err(Refused::Failed("the code is not in the vault".to_owned())),
            },
            [
                step @ Step {
                    aspect: Aspect::Statement(sid),
                    ..
                },
            ] => self.change_statement(sid, step, now).await,
            settings => self.change_settings(settings, now).await,
        }
    }
}

/// The collectors of AWS without what is no part of what a function is.
struct Chosen {
    inner: Aws,
    kinds: &'static [ArtifactKind],
}

#[async_trait]
impl Collector for Chosen {
    fn plan(&self) -> Vec<Request> {
        let mut plan = self.inner.plan();
        plan.retain(|request| self.kinds.contains(&request.artifact));
        plan
    }

    async fn collect(&self, desk: &Desk, request: Request) -> Gathered {
        let mut gathered = self.inner.collect(desk, request).await;
        gathered
            .next
            .retain(|request| self.kinds.contains(&request.artifact));
        gathered
    }

    fn permissions(&self) -> Vec<evidence::Permission> {
        let mut permissions = self.inner.permissions();
        permissions.retain(|permission| self.kinds.contains(&permission.artifact));
        permissions
    }
}

fn texts(value: &Value) -> Vec<String> {
    let items = value.as_array().into_iter().flatten();
    items
        .filter_map(|item| item.as_str().map(str::to_owned))
        .collect()
}

fn refused<E>(call: &'static str, error: &SdkError<E, HttpResponse>) -> Refused
where
    E: ProvideErrorMetadata + std::error::Error + Send + Sync + 'static,
{
    let Some(service) = error.as_service_error() else {
        let told = DisplayErrorContext(error).to_string();
        return Refused::Failed(format!("{call}: {}", evidence::shown(&told, 300)));
    };
    let code = service.code().unwrap_or("unknown error");
    let message = evidence::shown(service.message().unwrap_or_default(), 300);
    match code {
        _ if code.contains("AccessDenied") || code.starts_with("Unauthorized") => Refused::Denied {
            permission: call,
            cause: message,
        },
        "PreconditionFailedException" | "ResourceConflictException" => {
            Refused::Meanwhile(format!("{call}: {code}"))
        }
        "ResourceNotFoundException" if call == "lambda:GetFunctionConfiguration" => Refused::Gone,
        _ => Refused::Failed(format!("{call}: {code}: {message}")),
    }
}
