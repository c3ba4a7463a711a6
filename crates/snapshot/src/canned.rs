//! An ordinary function and an ordinary Worker as the collectors lay them down, for tests to change.

use crate::mark::MarkKey;
use crate::model::Snapshot;
use crate::piece::{Content, Document, Piece};
use evidence::{ArtifactKind, Outcome, Request, Sha256Digest};
use serde_json::{Value, json};

pub(crate) const FUNCTION: &str = "arn:aws:lambda:eu-west-1:111122223333:function:billing";
pub(crate) const ROLE: &str = "arn:aws:iam::111122223333:role/service-role/billing-role";
pub(crate) const SECRET: &str = "marked-secret-value";
pub(crate) const RULE: &str = "arn:aws:events:eu-west-1:111122223333:rule/nightly";

pub(crate) const WORKER: &str = "cloudflare://0123456789abcdef0123456789abcdef/billing-api";
const SETTINGS: &str = "GET /accounts/{account_id}/workers/scripts/{script_name}/settings";
const SCRIPT_SETTINGS: &str =
    "GET /accounts/{account_id}/workers/scripts/{script_name}/script-settings";

pub(crate) const GOOGLE: &str = "gcp://example-project/europe-west1/billing-api";

/// Pieces to be changed.
#[derive(Clone)]
pub(crate) struct Pieces(pub(crate) Vec<Piece>);

/// A function behind an API, a bucket and a rule, with layers of AWS's, an alias, a queue that feeds
/// it, a failure queue and a role of little power.
pub(crate) fn ordinary() -> Pieces {
    use ArtifactKind as Kind;
    let mut pieces = Pieces(Vec::new());
    pieces.reply(
        Kind::Configuration,
        None,
        "lambda:GetFunctionConfiguration",
        json!({
            "FunctionName": "billing", "FunctionArn": FUNCTION, "Runtime": "python3.12",
            "Handler": "app.handler", "Role": ROLE, "PackageType": "Zip", "MemorySize": 256,
            "Timeout": 15, "CodeSha256": Sha256Digest::of("old code").to_base64(), "CodeSize": 1000,
            "Architectures": ["arm64"], "EphemeralStorage": {"Size": 512}, "Description": "bills",
            "Environment": {"Variables": {"TABLE": SECRET, "NODE_OPTIONS": "--enable-source-maps",
                "AWS_LAMBDA_EXEC_WRAPPER": "/opt/otel-instrument"}},
            "Layers": [
                {"Arn": "arn:aws:lambda:eu-west-1:017000801446:layer:AWSLambdaPowertoolsPythonV3-python312-arm64:7", "CodeSize": 10},
                {"Arn": "arn:aws:lambda:eu-west-1:111122223333:layer:deps:3", "CodeSize": 20}],
            "TracingConfig": {"Mode": "Active"},
            "VpcConfig": {"SubnetIds": ["subnet-2", "subnet-1"], "SecurityGroupIds": ["sg-1"], "VpcId": "vpc-1"},
            "DeadLetterConfig": {"TargetArn": "arn:aws:sqs:eu-west-1:111122223333:dead"},
            "LoggingConfig": {"LogFormat": "JSON", "LogGroup": "/aws/lambda/billing", "ApplicationLogLevel": "INFO", "SystemLogLevel": "INFO"},
            "KMSKeyArn": "arn:aws:kms:eu-west-1:111122223333:key/k", "SnapStart": {"ApplyOn": "None", "OptimizationStatus": "Off"},
            "LastModified": "2026-01-01T00:00:00Z", "RevisionId": "r1", "State": "Active", "LastUpdateStatus": "Successful"
        }),
    );
    pieces.reply(
        Kind::FunctionCode,
        None,
        "lambda:GetFunction",
        json!({"Configuration": {"CodeSha256": Sha256Digest::of("old code").to_base64(), "CodeSize": 1000,
            "Environment": "withheld by coldcase: the environment is in the configuration exhibit"},
            "Code": {"RepositoryType": "S3", "Location": "withheld by coldcase: a signed URL; the bytes are an exhibit"}}),
    );
    pieces.content(Kind::FunctionCode, None, "function-code.zip", "old code");
    let deps = "arn:aws:lambda:eu-west-1:111122223333:layer:deps:3";
    let deps_sha256 = Sha256Digest::of("deps").to_base64();
    pieces.reply(
        Kind::Layer,
        Some(deps),
        "lambda:GetLayerVersion",
        json!({"Content": {"CodeSha256": deps_sha256, "CodeSize": 20}, "Version": 3}),
    );
    pieces.reply(
        Kind::Aliases,
        None,
        "lambda:ListAliases",
        json!({"Aliases": [{"Name": "live", "FunctionVersion": "2", "Description": ""}]}),
    );
    let version = |number: &str| {
        json!({"Version": number, "CodeSha256": Sha256Digest::of("old code").to_base64(),
            "Handler": "app.handler", "Runtime": "python3.12", "Role": ROLE, "Environment": "withheld by coldcase"})
    };
    pieces.reply(
        Kind::Versions,
        None,
        "lambda:ListVersionsByFunction",
        json!({"Versions": [version("$LATEST"), version("1"), version("2")]}),
    );
    pieces.policy(
        None,
        json!([
            {"Sid": "api", "Effect": "Allow", "Principal": {"Service": "apigateway.amazonaws.com"}, "Action": "lambda:InvokeFunction", "Resource": FUNCTION,
             "Condition": {"ArnLike": {"AWS:SourceArn": "arn:aws:execute-api:eu-west-1:111122223333:abc/*/GET/"}}},
            {"Sid": "bucket", "Effect": "Allow", "Principal": {"Service": "s3.amazonaws.com"}, "Action": "lambda:InvokeFunction", "Resource": FUNCTION,
             "Condition": {"StringEquals": {"AWS:SourceAccount": "111122223333"}, "ArnLike": {"AWS:SourceArn": "arn:aws:s3:::uploads"}}},
            {"Sid": "rule", "Effect": "Allow", "Principal": {"Service": "events.amazonaws.com"}, "Action": "lambda:InvokeFunction", "Resource": FUNCTION,
             "Condition": {"ArnLike": {"AWS:SourceArn": RULE}}},
            {"Sid": "team", "Effect": "Allow", "Principal": {"AWS": "arn:aws:iam::111122223333:role/caller"}, "Action": "lambda:InvokeFunction", "Resource": FUNCTION},
            {"Sid": "organisation", "Effect": "Allow", "Principal": "*", "Action": "lambda:InvokeFunction", "Resource": FUNCTION,
             "Condition": {"StringEquals": {"aws:PrincipalOrgID": "o-0c0ffee"}}},
        ]),
    );
    pieces.policy(Some("live"), json!([]));
    pieces.reply(
        Kind::UrlConfig,
        None,
        "lambda:ListFunctionUrlConfigs",
        json!({"FunctionUrlConfigs": [{"FunctionUrl": "https://0c0ffee.lambda-url.eu-west-1.on.aws/", "FunctionArn": FUNCTION,
            "AuthType": "AWS_IAM", "InvokeMode": "BUFFERED", "Cors": {"AllowOrigins": ["https://b.example", "https://a.example"]}}]}),
    );
    pieces.reply(
        Kind::EventSourceMappings,
        None,
        "lambda:ListEventSourceMappings",
        json!({"EventSourceMappings": [{"UUID": "0c0ffee0-1111-2222-3333-444455556666", "BatchSize": 10,
            "EventSourceArn": "arn:aws:sqs:eu-west-1:111122223333:jobs", "FunctionArn": FUNCTION, "State": "Enabled",
            "LastModified": 1.0, "StateTransitionReason": "USER_INITIATED"}]}),
    );
    pieces.reply(
        Kind::EventInvokeConfig,
        None,
        "lambda:ListFunctionEventInvokeConfigs",
        json!({"FunctionEventInvokeConfigs": [{"FunctionArn": format!("{FUNCTION}:$LATEST"), "MaximumRetryAttempts": 1,
            "DestinationConfig": {"OnSuccess": {}, "OnFailure": {"Destination": "arn:aws:sqs:eu-west-1:111122223333:failed"}}}]}),
    );
    pieces.reply(
        Kind::Concurrency,
        None,
        "lambda:GetFunctionConcurrency",
        json!({"ReservedConcurrentExecutions": 20}),
    );
    pieces.reply(
        Kind::Concurrency,
        None,
        "lambda:ListProvisionedConcurrencyConfigs",
        json!({"ProvisionedConcurrencyConfigs": []}),
    );
    let signing = "arn:aws:lambda:eu-west-1:111122223333:code-signing-config:csc-0c0ffee";
    pieces.reply(
        Kind::CodeSigningConfig,
        None,
        "lambda:GetFunctionCodeSigningConfig",
        json!({"CodeSigningConfigArn": signing, "FunctionName": "billing"}),
    );
    pieces.reply(
        Kind::CodeSigningConfig,
        None,
        "lambda:GetCodeSigningConfig",
        json!({"CodeSigningConfig": {"CodeSigningConfigArn": signing, "AllowedPublishers": {"SigningProfileVersionArns": ["arn:aws:signer:eu-west-1:111122223333:/signing-profiles/p/v"]},
            "CodeSigningPolicies": {"UntrustedArtifactOnDeployment": "Enforce"}}}),
    );
    pieces.reply(
        Kind::RuntimeManagement,
        None,
        "lambda:GetRuntimeManagementConfig",
        json!({"UpdateRuntimeOn": "Auto", "FunctionArn": FUNCTION}),
    );
    pieces.reply(
        Kind::RecursionConfig,
        None,
        "lambda:GetFunctionRecursionConfig",
        json!({"RecursiveLoop": "Terminate"}),
    );
    pieces.reply(
        Kind::Tags,
        None,
        "lambda:ListTags",
        json!({"Tags": {"team": "money"}}),
    );
    let group = Some("/aws/lambda/billing");
    pieces.reply(
        Kind::LogGroup,
        group,
        "logs:DescribeLogGroups",
        json!({"logGroups": [{"logGroupName": "/aws/lambda/billing", "retentionInDays": 30, "storedBytes": 42, "logGroupClass": "STANDARD"}]}),
    );
    pieces.reply(
        Kind::LogGroup,
        group,
        "logs:DescribeSubscriptionFilters",
        json!({"subscriptionFilters": [{"filterName": "central", "destinationArn": "arn:aws:kinesis:eu-west-1:111122223333:stream/logs"}]}),
    );
    pieces.reply(
        Kind::InvocationSources,
        Some(RULE),
        "events:DescribeRule",
        json!({"Name": "nightly", "State": "ENABLED", "ScheduleExpression": "rate(1 day)"}),
    );
    pieces.reply(
        Kind::InvocationSources,
        Some(RULE),
        "events:ListTargetsByRule",
        json!({"Targets": [{"Id": "1", "Arn": FUNCTION, "Input": SECRET}]}),
    );
    pieces.role();
    pieces
}

/// A Worker on one route, run by a schedule, with a secret and a namespace; one version answers all.
pub(crate) fn worker() -> Pieces {
    use ArtifactKind as Kind;
    let request = Request::whole(Kind::Configuration);
    let json =
        json!({"artifact": request.artifact, "selector": null, "target": WORKER, "replies": []});
    let name = "configuration".to_owned();
    let mut pieces = Pieces(vec![Piece {
        request,
        result: Outcome::Acquired,
        documents: vec![Document { name, json }],
        contents: Vec::new(),
    }]);
    pieces.result(
        Kind::Configuration,
        None,
        SETTINGS,
        "billing-api",
        json!({
            "bindings": [
                {"type": "plain_text", "name": "TAX_PERCENT", "text": SECRET},
                {"type": "json", "name": "COUNTRIES", "json": ["DE", SECRET]},
                {"type": "kv_namespace", "name": "INVOICES", "namespace_id": "5f0f0a1c2b3d4e5f60718293a4b5c6d7"},
                {"type": "secret_text", "name": "API_PASSWORD"}],
            "compatibility_date": "2026-01-15", "compatibility_flags": ["nodejs_compat", "brotli_content_encoding"],
            "usage_model": "standard", "limits": {"cpu_ms": 50},
            "placement": {"mode": "smart", "last_analyzed_at": "2026-01-01T00:00:00Z", "status": "SUCCESS"},
            "tags": ["billing"], "logpush": false, "tail_consumers": null,
            "observability": {"enabled": true, "head_sampling_rate": 1}}),
    );
    pieces.result(
        Kind::Secrets,
        None,
        "GET /accounts/{account_id}/workers/scripts/{script_name}/secrets",
        "billing-api",
        json!([{"name": "API_PASSWORD", "type": "secret_text"}]),
    );
    pieces.modules(None, "old code", "one");
    pieces.modules(Some("v3"), "old code", "one");
    let made = |number: u64| {
        json!({"id": format!("v{number}"), "number": number, "metadata": {"created_on": "2026-01-01T00:00:00Z",
            "modified_on": "2026-01-01T00:00:00Z", "author_email": "alice@example.com", "source": "wrangler"}})
    };
    pieces.result(
        Kind::Versions,
        None,
        "GET /accounts/{account_id}/workers/scripts/{script_name}/versions",
        "billing-api",
        json!({"items": [made(3), made(2), made(1)]}),
    );
    pieces = pieces.live(vec![json!({"version_id": "v3", "percentage": 100})]);
    pieces.result(
        Kind::UrlConfig,
        None,
        "GET /accounts/{account_id}/workers/scripts/{script_name}/subdomain",
        "billing-api",
        json!({"enabled": false, "previews_enabled": false}),
    );
    pieces.result(
        Kind::UrlConfig,
        None,
        "GET /accounts/{account_id}/workers/subdomain",
        "the account",
        json!({"subdomain": "example"}),
    );
    pieces.result(
        Kind::UrlConfig,
        None,
        "GET /accounts/{account_id}/workers/domains",
        "billing-api",
        json!([]),
    );
    pieces.result(
        Kind::UrlConfig,
        None,
        "GET /zones",
        "the account",
        json!([{"id": "z1", "name": "example.com", "modified_on": "2026-01-01T00:00:00Z", "plan": {"price": 0}}]),
    );
    let pieces = pieces.routed(json!([
        {"id": "r1", "pattern": "billing.example.com/*", "script": "billing-api"},
        {"id": "r9", "pattern": "other.example.com/*", "script": "other"},
    ]));
    let mut pieces = pieces;
    pieces.result(
        Kind::EventSourceMappings,
        None,
        "GET /accounts/{account_id}/workers/scripts/{script_name}/schedules",
        "billing-api",
        json!({"schedules": [{"cron": "*/30 * * * *", "created_on": "2026-01-01T00:00:00Z"}]}),
    );
    pieces.result(
        Kind::Observability,
        None,
        SCRIPT_SETTINGS,
        "billing-api",
        json!({"logpush": false, "observability": {"enabled": true, "head_sampling_rate": 1}, "tags": ["billing"], "tail_consumers": null}),
    );
    pieces.result(
        Kind::Observability,
        None,
        "GET /accounts/{account_id}/workers/scripts/{script_name}/tails",
        "billing-api",
        Value::Null,
    );
    pieces.refused(
        Kind::ExecutionRole,
        None,
        Outcome::Absent {
            why: "a Worker has no identity of its own".to_owned(),
        },
    )
}

/// What is done to a Worker.
/// A function of Google's, of the second generation.
pub(crate) fn google() -> Pieces {
    use ArtifactKind as Kind;
    const OF_FUNCTIONS: &str = "cloudfunctions.googleapis.com/v2/projects/{project}/locations/{location}/functions/{function}";
    const OF_RUN: &str =
        "run.googleapis.com/v2/projects/{project}/locations/{location}/services/{service}";
    let email = "billing@example-project.iam.gserviceaccount.com";
    let member = format!("serviceAccount:{email}");
    let build = "projects/111122223333/locations/europe-west1/builds/b-1";
    let image = format!(
        "europe-west1-docker.pkg.dev/example-project/gcf-artifacts/billing--api@sha256:{}",
        "a".repeat(64)
    );
    let request = Request::whole(Kind::Configuration);
    let json =
        json!({"artifact": request.artifact, "selector": null, "target": GOOGLE, "replies": []});
    let mut pieces = Pieces(vec![Piece {
        request,
        result: Outcome::Acquired,
        documents: vec![Document {
            name: "configuration".to_owned(),
            json,
        }],
        contents: Vec::new(),
    }]);
    for (kind, selector, call, reply) in [
        (Kind::Configuration, None, format!("GET {OF_FUNCTIONS}"), json!({
            "name": "projects/example-project/locations/europe-west1/functions/billing-api",
            "environment": "GEN_2", "state": "ACTIVE", "labels": {"team": "billing"},
            "buildConfig": {"build": build, "runtime": "nodejs22", "entryPoint": "handle",
                "environmentVariables": {"GOOGLE_NODE_RUN_SCRIPTS": ""},
                "sourceProvenance": {"resolvedStorageSource": {"bucket": "gcf-v2-sources-111122223333-europe-west1", "object": "billing-api/function-source.zip", "generation": "17"}}},
            "serviceConfig": {"service": "projects/example-project/locations/europe-west1/services/billing-api",
                "serviceAccountEmail": email, "availableMemory": "256M", "timeoutSeconds": 60, "ingressSettings": "ALLOW_ALL",
                "uri": "https://billing-api-abc-ew.a.run.app", "revision": "billing-api-00002-abc",
                "environmentVariables": {"MODE": SECRET},
                "secretEnvironmentVariables": [{"key": "API_KEY", "projectId": "example-project", "secret": "api-key", "version": "3"}]},
            "eventTrigger": {"eventType": "google.cloud.storage.object.v1.finalized", "eventFilters": [{"attribute": "bucket", "value": "invoices"}], "serviceAccountEmail": email},
        })),
        (Kind::RunningService, None, format!("GET {OF_RUN}"), json!({
            "latestReadyRevision": "projects/example-project/locations/europe-west1/services/billing-api/revisions/billing-api-00002-abc",
            "template": {"serviceAccount": email, "containers": [{"image": image}]},
            "trafficStatuses": [{"type": "TRAFFIC_TARGET_ALLOCATION_TYPE_LATEST", "percent": 100}],
        })),
        (Kind::Versions, None, format!("GET {OF_RUN}/revisions"), json!({"revisions": [
            {"name": "projects/example-project/locations/europe-west1/services/billing-api/revisions/billing-api-00002-abc",
                "createTime": "2026-01-01T00:00:00Z", "serviceAccount": email, "containers": [{"image": image}]},
        ]})),
        (Kind::ResourcePolicy, None, format!("GET {OF_FUNCTIONS}:getIamPolicy"), json!({"etag": "ACAB"})),
        (Kind::ResourcePolicy, None, format!("GET {OF_RUN}:getIamPolicy"), json!({"bindings": [{"role": "roles/run.invoker", "members": [member]}]})),
        (Kind::Observability, None, "POST cloudresourcemanager.googleapis.com/v1/projects/{project}:getIamPolicy".to_owned(),
            json!({"etag": "BwX", "auditConfigs": [{"service": "allServices", "auditLogConfigs": [{"logType": "DATA_READ"}]}]})),
        (Kind::ExecutionRole, Some(email), "POST iam.googleapis.com/v1/projects/{project}/serviceAccounts/{account}:getIamPolicy".to_owned(), json!({"etag": "ACAB"})),
        (Kind::ExecutionRole, Some(email), "POST cloudresourcemanager.googleapis.com/v1/projects/{project}:getIamPolicy".to_owned(),
            json!({"bindings": [{"role": "roles/datastore.user", "members": [member]}, {"role": "roles/owner", "members": ["user:alice@example.com"]}]})),
        (Kind::DeploymentSource, Some(build), "GET cloudbuild.googleapis.com/v1/projects/{project}/locations/{location}/builds/{build}".to_owned(),
            json!({"id": "b-1", "results": {"images": [{"name": "billing--api", "digest": format!("sha256:{}", "a".repeat(64))}]}})),
    ] {
        pieces.reply(kind, selector, &call, reply);
    }
    pieces
}

impl Pieces {
    /// Lays down a result in Cloudflare's envelope; one of the same call about the same is replaced.
    fn result(
        &mut self,
        artifact: ArtifactKind,
        selector: Option<&str>,
        call: &str,
        about: &str,
        result: Value,
    ) {
        let reply = json!({"result": result, "success": true, "errors": [], "messages": []});
        let text = reply.to_string();
        let entry = json!({"call": call, "about": about, "received_at": "2026-01-02T03:04:05Z", "reply": reply,
            "reply_sha256": Sha256Digest::of(&text), "reply_bytes": text.len()});
        self.entry(artifact, selector, entry);
    }

    /// Another result in place of the one there is.
    pub(crate) fn resulted(mut self, artifact: ArtifactKind, call: &str, result: Value) -> Self {
        self.result(artifact, None, call, "billing-api", result);
        self
    }

    /// The code of the script, or of a version, in a reply with this boundary.
    fn modules(&mut self, version: Option<&str>, code: &str, boundary: &str) {
        let module = json!({"name": "index.js", "content_type": "application/javascript+module",
            "offset": boundary.len() + 100, "size_bytes": code.len(), "crc32": 7, "sha256": Sha256Digest::of(code)});
        let note = json!({"note": "code", "value": {
            "content_type": format!("multipart/form-data; boundary={boundary}"), "main_module": "index.js",
            "modules": [module], "modules_sha256": Sha256Digest::of(format!("modules of {code}"))}});
        self.entry(ArtifactKind::FunctionCode, version, note);
        let name = version.map_or("function-code".to_owned(), |version| {
            format!("function-code-{version}")
        });
        let content = |name: String, bytes: String| Content {
            name,
            key: format!("content/{}", Sha256Digest::of(&bytes)),
            sha256: Sha256Digest::of(&bytes),
            size_bytes: bytes.len() as u64,
        };
        self.piece(ArtifactKind::FunctionCode, version).contents = vec![
            content(format!("{name}.raw"), format!("--{boundary}\n{code}")),
            content(format!("{name}.zip"), code.to_owned()),
        ];
    }

    /// Other code was uploaded as version `v4`, which is not deployed by that.
    pub(crate) fn uploaded(mut self, code: &str) -> Self {
        self.modules(None, code, "one");
        self.modules(Some("v4"), code, "one");
        let call = "GET /accounts/{account_id}/workers/scripts/{script_name}/versions";
        let versions = self.result_of(ArtifactKind::Versions, call)["items"].as_array_mut();
        let made = json!({"id": "v4", "number": 4, "metadata": {"author_email": "mallory@example.com", "source": "api"}});
        versions.unwrap().insert(0, made);
        self
    }

    /// What version `v3` was made of, as the collector keeps it.
    pub(crate) fn made_of(mut self, bindings: Value, runtime: Value) -> Self {
        let call = "GET /accounts/{account_id}/workers/scripts/{script_name}/versions/{version_id}";
        let made =
            json!({"id": "v3", "resources": {"bindings": bindings, "script_runtime": runtime}});
        self.result(ArtifactKind::Versions, Some("v3"), call, "v3", made);
        self
    }

    /// Everything once more a day later: another boundary, other times, other bytes of replies.
    pub(crate) fn read_again(mut self) -> Self {
        self.modules(None, "old code", "another-one");
        for piece in &mut self.0 {
            for document in &mut piece.documents {
                for entry in document.json["replies"].as_array_mut().unwrap() {
                    if entry["call"].is_string() {
                        entry["received_at"] = json!("2026-01-03T03:04:05Z");
                        entry["reply_sha256"] = json!(Sha256Digest::of("other"));
                        entry["reply_bytes"] = json!(1);
                        entry["reply"]["messages"] = json!(["seen before"]);
                    }
                }
            }
        }
        let settings = self.result_of(ArtifactKind::Configuration, SETTINGS);
        settings["placement"]["last_analyzed_at"] = json!("2026-01-03T00:00:00Z");
        settings["placement"]["status"] = json!("INSUFFICIENT_INVOCATIONS");
        let zones = self.result_of(ArtifactKind::UrlConfig, "GET /zones");
        zones[0]["plan"]["price"] = json!(20);
        self.routed(json!([
            {"id": "r8", "pattern": "new.example.com/*", "script": "other"},
            {"id": "r1", "pattern": "billing.example.com/*", "script": "billing-api"},
        ]))
    }

    /// The same with lists the other way round whose order means nothing.
    pub(crate) fn reordered(mut self) -> Self {
        let settings = self.result_of(ArtifactKind::Configuration, SETTINGS);
        for list in ["bindings", "compatibility_flags"] {
            settings[list].as_array_mut().unwrap().reverse();
        }
        self
    }

    fn result_of(&mut self, artifact: ArtifactKind, call: &str) -> &mut Value {
        let replies = self.piece(artifact, None).documents[0].json["replies"].as_array_mut();
        let mut replies = replies.unwrap().iter_mut();
        &mut replies.find(|entry| entry["call"] == call).unwrap()["reply"]["result"]
    }

    /// Replaces fields of the Worker's settings; null takes one out.
    pub(crate) fn set(mut self, fields: Value) -> Self {
        let settings = self.result_of(ArtifactKind::Configuration, SETTINGS);
        for (name, value) in fields.as_object().unwrap() {
            settings[name] = value.clone();
        }
        self
    }

    /// Binds something, in place of what has its name.
    pub(crate) fn bound(mut self, binding: Value) -> Self {
        let bindings = &mut self.result_of(ArtifactKind::Configuration, SETTINGS)["bindings"];
        let bindings = bindings.as_array_mut().unwrap();
        bindings.retain(|old| old["name"] != binding["name"]);
        bindings.push(binding);
        self
    }

    /// Replaces fields of what no version has: observability, who listens. The settings repeat them.
    pub(crate) fn observed(mut self, fields: Value) -> Self {
        let settings = self.result_of(ArtifactKind::Observability, SCRIPT_SETTINGS);
        for (name, value) in fields.as_object().unwrap() {
            settings[name] = value.clone();
        }
        self.set(fields)
    }

    /// The routes of the zone.
    pub(crate) fn routed(mut self, routes: Value) -> Self {
        let call = "GET /zones/{zone_id}/workers/routes";
        self.result(ArtifactKind::UrlConfig, None, call, "example.com", routes);
        self
    }

    /// A deployment of these versions; the one before stands below it.
    pub(crate) fn live(self, versions: Vec<Value>) -> Self {
        let deployment = |id: &str, versions: Vec<Value>| {
            json!({"id": id, "source": "wrangler", "strategy": "percentage", "author_email": "alice@example.com",
                "created_on": "2026-01-01T00:00:00Z", "versions": versions})
        };
        let old = vec![json!({"version_id": "v2", "percentage": 100})];
        self.resulted(
            ArtifactKind::Deployments,
            "GET /accounts/{account_id}/workers/scripts/{script_name}/deployments",
            json!({"deployments": [deployment("d2", versions), deployment("d1", old)]}),
        )
    }
}

impl Pieces {
    pub(crate) fn snapshot(&self) -> Snapshot {
        Snapshot::read(&self.0, &MarkKey::new([7; 32]))
    }

    /// What the documents are about.
    fn target(&self) -> Value {
        let mut documents = self.0.iter().flat_map(|piece| &piece.documents);
        let first = documents
            .next()
            .map(|document| document.json["target"].clone());
        first.unwrap_or_else(|| json!(FUNCTION))
    }

    pub(crate) fn piece(&mut self, artifact: ArtifactKind, selector: Option<&str>) -> &mut Piece {
        let request = Request {
            artifact,
            selector: selector.map(str::to_owned),
        };
        let target = self.target();
        let known = self.0.iter().position(|piece| piece.request == request);
        let index = known.unwrap_or_else(|| {
            let name = match selector {
                Some(selector) => format!("{}-{selector}", artifact.as_str()),
                None => artifact.as_str().to_owned(),
            };
            let json = json!({"artifact": artifact, "selector": selector, "target": target, "replies": []});
            self.0.push(Piece {
                request,
                result: Outcome::Acquired,
                documents: vec![Document { name, json }],
                contents: Vec::new(),
            });
            self.0.len() - 1
        });
        &mut self.0[index]
    }

    fn entry(&mut self, artifact: ArtifactKind, selector: Option<&str>, entry: Value) {
        let piece = self.piece(artifact, selector);
        let replies = piece.documents[0].json["replies"].as_array_mut().unwrap();
        let same = |other: &Value| {
            let of = |entry: &Value| {
                (
                    entry["call"].clone(),
                    entry["about"].clone(),
                    entry["note"].clone(),
                )
            };
            of(other) == of(&entry)
        };
        match replies.iter().position(same) {
            Some(index) => replies[index] = entry,
            None => replies.push(entry),
        }
    }

    /// Lays down a reply; one of the same call is replaced.
    pub(crate) fn reply(
        &mut self,
        artifact: ArtifactKind,
        selector: Option<&str>,
        call: &str,
        reply: Value,
    ) {
        let entry = json!({"call": call, "about": "billing", "received_at": "2026-01-02T03:04:05Z", "reply": reply});
        self.entry(artifact, selector, entry);
    }

    fn about(&mut self, selector: &str, call: &str, about: &str, reply: &str) {
        let entry = json!({"call": call, "about": about, "reply": reply});
        self.entry(ArtifactKind::ExecutionRole, Some(selector), entry);
    }

    fn content(&mut self, artifact: ArtifactKind, selector: Option<&str>, name: &str, bytes: &str) {
        let sha256 = Sha256Digest::of(bytes);
        let contents = &mut self.piece(artifact, selector).contents;
        *contents = vec![Content {
            name: name.to_owned(),
            key: format!("content/{sha256}"),
            sha256,
            size_bytes: bytes.len() as u64,
        }];
    }

    /// The request was answered with nothing but this.
    pub(crate) fn refused(
        mut self,
        artifact: ArtifactKind,
        selector: Option<&str>,
        result: Outcome,
    ) -> Self {
        let piece = self.piece(artifact, selector);
        piece.result = result;
        piece.documents.clear();
        piece.contents.clear();
        self
    }

    /// Replaces fields of the function's settings; null takes one out.
    pub(crate) fn configured(mut self, fields: Value) -> Self {
        let piece = self.piece(ArtifactKind::Configuration, None);
        let settings = &mut piece.documents[0].json["replies"][0]["reply"];
        for (name, value) in fields.as_object().unwrap() {
            settings[name] = value.clone();
        }
        self
    }

    /// Adds an environment variable, or changes its value.
    pub(crate) fn variable(mut self, name: &str, value: &str) -> Self {
        let piece = self.piece(ArtifactKind::Configuration, None);
        let settings = &mut piece.documents[0].json["replies"][0]["reply"];
        settings["Environment"]["Variables"][name] = json!(value);
        self
    }

    /// Other code was deployed.
    pub(crate) fn deployed(mut self, code: &str) -> Self {
        let digest = Sha256Digest::of(code).to_base64();
        self.reply(
            ArtifactKind::FunctionCode,
            None,
            "lambda:GetFunction",
            json!({"Configuration": {"CodeSha256": digest, "CodeSize": 1001}, "Code": {}}),
        );
        self.content(ArtifactKind::FunctionCode, None, "function-code.zip", code);
        self.configured(json!({"CodeSha256": digest, "CodeSize": 1001}))
    }

    /// Another reply in place of the one there is.
    pub(crate) fn answered(mut self, artifact: ArtifactKind, call: &str, reply: Value) -> Self {
        self.reply(artifact, None, call, reply);
        self
    }

    /// The same of a log group.
    pub(crate) fn log_group(mut self, call: &str, reply: Value) -> Self {
        let group = Some("/aws/lambda/billing");
        self.reply(ArtifactKind::LogGroup, group, call, reply);
        self
    }

    fn policy(&mut self, qualifier: Option<&str>, statements: Value) {
        let policy = json!({"Version": "2012-10-17", "Statement": statements}).to_string();
        self.reply(
            ArtifactKind::ResourcePolicy,
            qualifier,
            "lambda:GetPolicy",
            json!({"Policy": policy, "RevisionId": "r"}),
        );
    }

    /// One more statement lets somebody in.
    pub(crate) fn permitted(mut self, statement: Value) -> Self {
        let piece = self.piece(ArtifactKind::ResourcePolicy, None);
        let text = piece.documents[0].json["replies"][0]["reply"]["Policy"].clone();
        let mut policy: Value = serde_json::from_str(text.as_str().unwrap()).unwrap();
        policy["Statement"].as_array_mut().unwrap().push(statement);
        let statements = policy["Statement"].clone();
        self.policy(None, statements);
        self
    }

    fn note(&mut self, name: &str, value: Value) {
        self.entry(
            ArtifactKind::ExecutionRole,
            Some(ROLE),
            json!({"note": name, "value": value}),
        );
    }

    fn role(&mut self) {
        let boundary = "arn:aws:iam::111122223333:policy/boundary";
        let basic = "arn:aws:iam::aws:policy/service-role/AWSLambdaBasicExecutionRole";
        self.about(ROLE, "iam:GetRole", "billing-role", &format!(
            "<GetRoleResponse><GetRoleResult><Role><Arn>{ROLE}</Arn><AssumeRolePolicyDocument>%7B%7D</AssumeRolePolicyDocument>\
             <PermissionsBoundary><PermissionsBoundaryType>Policy</PermissionsBoundaryType><PermissionsBoundaryArn>{boundary}</PermissionsBoundaryArn></PermissionsBoundary>\
             <RoleLastUsed><LastUsedDate>2026-01-01T00:00:00Z</LastUsedDate></RoleLastUsed></Role></GetRoleResult></GetRoleResponse>"));
        self.note("trust policy", json!({"Statement": [{"Effect": "Allow", "Principal": {"Service": "lambda.amazonaws.com"}, "Action": "sts:AssumeRole"}]}));
        self.about(ROLE, "iam:ListRoleTags", "billing-role",
            "<R><ListRoleTagsResult><Tags><member><Key>team</Key><Value>money</Value></member></Tags><IsTruncated>false</IsTruncated></ListRoleTagsResult></R>");
        self.about(ROLE, "iam:ListRolePolicies", "billing-role",
            "<R><PolicyNames><member>data</member></PolicyNames><IsTruncated>false</IsTruncated></R>");
        self.note("inline policy data", json!({"Statement": [{"Sid": "table", "Effect": "Allow", "Action": ["dynamodb:GetItem", "dynamodb:PutItem"],
            "Resource": "arn:aws:dynamodb:eu-west-1:111122223333:table/bills"}]}));
        self.attach(&[basic]);
        for (arn, version) in [(boundary, "v1"), (basic, "v3")] {
            self.about(
                ROLE,
                "iam:GetPolicy",
                arn,
                &format!("<R><Policy><DefaultVersionId>{version}</DefaultVersionId></Policy></R>"),
            );
            self.note(&format!("policy {arn} {version}"), json!({"Statement": {"Effect": "Allow", "Action": ["logs:CreateLogStream", "logs:PutLogEvents"], "Resource": "*"}}));
        }
    }

    fn attach(&mut self, arns: &[&str]) {
        let members: String = arns
            .iter()
            .map(|arn| {
                format!("<member><PolicyName>p</PolicyName><PolicyArn>{arn}</PolicyArn></member>")
            })
            .collect();
        let xml = format!(
            "<R><AttachedPolicies>{members}</AttachedPolicies><IsTruncated>false</IsTruncated></R>"
        );
        self.about(ROLE, "iam:ListAttachedRolePolicies", "billing-role", &xml);
    }

    /// One more policy is attached to the role; its document could not be read.
    pub(crate) fn attached(mut self, arn: &str) -> Self {
        let basic = "arn:aws:iam::aws:policy/service-role/AWSLambdaBasicExecutionRole";
        self.attach(&[basic, arn]);
        self
    }

    /// The role's inline policy says this.
    pub(crate) fn role_may(mut self, statements: Value) -> Self {
        self.note("inline policy data", json!({"Statement": statements}));
        self
    }

    /// The role trusts these.
    pub(crate) fn role_trusts(mut self, statements: Value) -> Self {
        self.note("trust policy", json!({"Statement": statements}));
        self
    }
}
