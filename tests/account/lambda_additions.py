"""Lambda where MiniStack falls short of it: code links, dry runs, conflicts, code signing, runtime management, tracing, images."""

import base64
import copy
import hashlib
import json
import re
import secrets

from ministack import app
from ministack.core import iam_evaluator
from ministack.core.responses import (AccountRegionScopedDict, error_response_json, get_account_id, get_region,
                                      json_response, now_iso)
from ministack.services import cloudwatch_logs, iam, lambda_svc

from account import downloads, event_targets, images, operations

_code_signing_configs = AccountRegionScopedDict()  # ARN → configuration

ADDED = {}  # operation → what answers it instead of MiniStack
CHECKED = {}  # operation → what may refuse it before MiniStack answers
COMPLETED = {}  # operation → what amends MiniStack's answer


def apply() -> None:
    """Stands in front of MiniStack's handler in its table of services."""
    original = app.SERVICE_HANDLERS["lambda"]

    async def handle(method, path, headers, body, query_params):
        operation = operations.read_request("lambda", method, path, headers, query_params, body)
        if operation is None:
            return await original(method, path, headers, body, query_params)
        parameters = operation.parameters
        path = _with_full_arn(path, parameters)
        if check := CHECKED.get(operation.name):
            if refused := check(parameters):
                return refused
        if answer := ADDED.get(operation.name):
            reply = answer(parameters)
            if reply is not None:
                return reply
        reply = await original(method, path, headers, body, query_params)
        if reply[0] < 300 and (complete := COMPLETED.get(operation.name)):
            return complete(parameters, reply)
        return reply

    app.SERVICE_HANDLERS["lambda"] = handle
    # How long a change is under way: long enough to be met, short enough for a hundred tests.
    lambda_svc._LAMBDA_STATE_TRANSITION_DELAY = 0.2
    lambda_svc._emit_lambda_logs = _only_with_permission(lambda_svc._emit_lambda_logs)


def answers(table: dict, *names: str):
    def register(function):
        for name in names:
            table[name] = function
        return function
    return register


# --- names and records --------------------------------------------------------------------------------------------


def _with_full_arn(path: str, parameters: dict) -> str:
    """Takes names that AWS takes and MiniStack does not: ACCOUNT:function:NAME, and the ARN of one's own layer."""
    written = parameters.get("FunctionName", "")
    if re.match(r"\d{12}:function:", written):
        parameters["FunctionName"] = f"arn:aws:lambda:{get_region()}:{written}"
        return path.replace(written, parameters["FunctionName"])
    own_layers = f"arn:aws:lambda:{get_region()}:{get_account_id()}:layer:"
    if parameters.get("LayerName", "").startswith(own_layers):
        return path.replace(own_layers, "")
    return path


@answers(CHECKED, "GetLayerVersionPolicy", "ListLayerVersions")
def _layer_is_own(parameters: dict):
    """Another account can grant nothing but GetLayerVersion."""
    owner = re.match(r"arn:aws:lambda:[^:]+:(\d{12}):layer:", parameters.get("LayerName", ""))
    if owner is None or owner.group(1) == get_account_id():
        return None
    action = "GetLayerVersionPolicy" if "VersionNumber" in parameters else "ListLayerVersions"
    return error_response_json("AccessDeniedException", f"User: {iam_evaluator.caller_arn()} is not authorized to perform: "
                               f"lambda:{action} on resource: {parameters['LayerName']} because no resource-based policy "
                               f"allows the lambda:{action} action", 403)


def _function(parameters: dict) -> dict | None:
    name, _ = lambda_svc._resolve_request_scoped_name_and_qualifier(parameters.get("FunctionName", ""))
    return lambda_svc._functions.get(name)


def _named(parameters: dict) -> tuple[str, str | None]:
    name, qualifier = lambda_svc._resolve_request_scoped_name_and_qualifier(parameters["FunctionName"])
    return name, parameters.get("Qualifier") or qualifier


def _arn(parameters: dict) -> str:
    return lambda_svc._func_arn(_named(parameters)[0])


def _not_found(message: str) -> tuple:
    return error_response_json("ResourceNotFoundException", message, 404)


def _no_function(parameters: dict) -> tuple:
    return _not_found(f"Function not found: {_arn(parameters)}")


# --- code ---------------------------------------------------------------------------------------------------------


@answers(COMPLETED, "GetFunction")
def _link_to_its_own_code(parameters: dict, reply: tuple) -> tuple:
    """MiniStack links to whatever $LATEST is when the link is followed; AWS links to the bytes of the version asked for."""
    content = json.loads(reply[2])
    name, qualifier = _named(parameters)
    record, config = lambda_svc._get_func_record_for_qualifier(name, qualifier)
    code = content["Code"]
    if config.get("PackageType") == "Image":
        code["ResolvedImageUri"] = config.get("ImageUri")
        resolved = lambda_svc._functions[name].get("resolved_images", {}).get(config.get("CodeSha256"))
        if resolved:
            code["ResolvedImageUri"] = resolved
    elif record.get("code_zip"):
        code["Location"] = downloads.link(record["code_zip"])
    return json_response(content)


@answers(ADDED, "UpdateFunctionCode")
def _dry_run(parameters: dict):
    """A dry run answers as if it had updated and changes nothing."""
    if not parameters.get("DryRun"):
        return None
    function = _function(parameters)
    if function is None:
        return _no_function(parameters)
    if refused := lambda_svc._check_revision(function["config"], parameters):
        return refused
    code = None
    if "ZipFile" in parameters:
        code = base64.b64decode(parameters["ZipFile"])
    elif "S3Bucket" in parameters:
        code = lambda_svc._fetch_code_from_s3(parameters["S3Bucket"], parameters.get("S3Key"),
                                              version_id=parameters.get("S3ObjectVersion"))
        if code is None:
            return _no_such_code()
    if refused := lambda_svc._reject_unreadable_zip(code):
        return refused
    config = copy.deepcopy(function["config"])
    if code:
        config["CodeSize"], config["CodeSha256"] = len(code), base64.b64encode(hashlib.sha256(code).digest()).decode()
    return json_response(config)


@answers(CHECKED, "CreateFunction", "UpdateFunctionCode")
def _source_exists(parameters: dict):
    source = parameters.get("Code") or parameters
    if parameters.get("DryRun"):
        return None
    if refused := _busy(parameters) if "FunctionName" in parameters and "Code" not in parameters else None:
        return refused
    if source.get("ImageUri") and images.resolve(source["ImageUri"]) is None:
        return error_response_json("InvalidParameterValueException", f"Source image {source['ImageUri']} does not "
                                   "exist. Provide a valid source image.", 400)
    if source.get("S3Bucket") and lambda_svc._fetch_code_from_s3(
            source["S3Bucket"], source.get("S3Key"), version_id=source.get("S3ObjectVersion")) is None:
        return _no_such_code()
    return _tracing_allowed(parameters) if "Code" in parameters else None


def _no_such_code() -> tuple:
    return error_response_json("InvalidParameterValueException", "Error occurred while GetObject. S3 Error Code: "
                               "NoSuchKey. S3 Error Message: The specified key does not exist.", 400)


@answers(COMPLETED, "CreateFunction", "UpdateFunctionCode")
def _remember_the_image(parameters: dict, reply: tuple) -> tuple:
    """Lambda follows no tag: it keeps the digest that the tag named when the code was set."""
    source = parameters.get("Code") or parameters
    if not source.get("ImageUri"):
        return reply
    resolved, content = images.resolve(source["ImageUri"]), json.loads(reply[2])
    function = _function(parameters)
    digest = resolved.rpartition("sha256:")[2]
    function["config"]["CodeSha256"] = content["CodeSha256"] = digest
    function["config"]["CodeSize"] = content["CodeSize"] = 0
    function.setdefault("resolved_images", {})[digest] = resolved
    return json_response(content, reply[0])


@answers(CHECKED, "PublishVersion")
def _busy(parameters: dict):
    """AWS refuses a change while another one is under way."""
    function = _function(parameters)
    if function and function["config"].get("LastUpdateStatus") == "InProgress":
        return error_response_json("ResourceConflictException", "The operation cannot be performed at this time. An "
                                   f"update is in progress for resource: {_arn(parameters)}", 409)
    if function and function["config"].get("State") == "Pending":
        return error_response_json("ResourceConflictException", "The operation cannot be performed at this time. The "
                                   "function is currently in the following state: Pending", 409)
    return None


def _only_with_permission(original):
    """A function whose role may not write logs leaves none."""
    def emit(function, *arguments, **options):
        config = function.get("config") or function
        if not app.AUTH or not config.get("Role"):
            return original(function, *arguments, **options)
        group = (config.get("LoggingConfig") or {}).get("LogGroup") or f"/aws/lambda/{config.get('FunctionName')}"
        needed = ["logs:CreateLogStream", "logs:PutLogEvents"]
        if group not in cloudwatch_logs._log_groups:
            needed.append("logs:CreateLogGroup")
        arn = f"arn:aws:logs:{get_region()}:{get_account_id()}:log-group:{group}"
        if all(role_may(config["Role"], action, f"{arn}:log-stream:x") for action in needed):
            return original(function, *arguments, **options)
        return None
    return emit


# --- configuration ------------------------------------------------------------------------------------------------


@answers(CHECKED, "UpdateFunctionConfiguration")
def _configuration_possible(parameters: dict):
    if _function(parameters) is None:
        return None
    return _busy(parameters) or _tracing_allowed(parameters)


def _tracing_allowed(parameters: dict):
    """Active tracing needs a role that may write traces."""
    if (parameters.get("TracingConfig") or {}).get("Mode") != "Active":
        return None
    function = _function(parameters) or {"config": {}}
    role = parameters.get("Role") or function["config"].get("Role", "")
    for action, operation in (("xray:PutTraceSegments", "PutTraceSegments"),
                              ("xray:PutTelemetryRecords", "PutTelemetryRecords")):
        if not role_may(role, action):
            return error_response_json("InvalidParameterValueException", "The provided execution role does not have "
                                       f"permissions to call {operation} on XRAY", 400)
    return None


def role_may(role_arn: str, action: str, resource: str = "*", conditions: dict | None = None) -> bool:
    if not app.AUTH:
        return True
    name, account = role_arn.rpartition("/")[2], get_account_id()
    context = iam_evaluator.EvalContext(
        principal_arn=f"arn:aws:sts::{account}:assumed-role/{name}/lambda", principal_type="AssumedRole",
        principal_account=account, action=action, resource_arn=resource, region=get_region(),
        service_context={key.lower(): value for key, value in (conditions or {}).items()})
    return iam_evaluator.evaluate(context, iam_evaluator._gather_role_policies(name, account),
                                  *iam_evaluator._permissions_boundary(iam._roles, name, account)).decision == "Allow"


@answers(CHECKED, "CreateEventSourceMapping")
def _source_is_readable(parameters: dict):
    function = _function(parameters)
    if function is None or ":sqs:" not in parameters.get("EventSourceArn", ""):
        return None
    reason = event_targets.unreadable(function["config"]["Role"], parameters["EventSourceArn"],
                                      function["config"].get("Timeout", 3))
    return error_response_json("InvalidParameterValueException", reason, 400) if reason else None


@answers(COMPLETED, "GetPolicy")
def _policy_or_404(parameters: dict, reply: tuple) -> tuple:
    """A policy belongs to one function, version or alias, and is a 404 where there is none."""
    content = json.loads(reply[2])
    policy, (name, qualifier) = json.loads(content["Policy"]), _named(parameters)
    resource = lambda_svc._policy_resource_arn(name, qualifier) if qualifier else lambda_svc._func_arn(name)
    policy["Statement"] = [statement for statement in policy["Statement"] if statement.get("Resource") == resource]
    if not policy["Statement"]:
        return _not_found("The resource you requested does not exist.")
    content["Policy"] = json.dumps(policy)
    return json_response(content)


@answers(ADDED, "GetRuntimeManagementConfig")
def _get_runtime_management(parameters: dict) -> tuple:
    function = _function(parameters)
    if function is None:
        return _no_function(parameters)
    chosen = function.get("runtime_management", {}).get(_named(parameters)[1] or "$LATEST", {"UpdateRuntimeOn": "Auto"})
    return json_response({"FunctionArn": _arn(parameters), "RuntimeVersionArn": None, **chosen})


@answers(ADDED, "PutRuntimeManagementConfig")
def _put_runtime_management(parameters: dict) -> tuple:
    function = _function(parameters)
    if function is None:
        return _no_function(parameters)
    chosen = {"UpdateRuntimeOn": parameters.get("UpdateRuntimeOn")}
    if parameters.get("RuntimeVersionArn"):
        chosen["RuntimeVersionArn"] = parameters["RuntimeVersionArn"]
    function.setdefault("runtime_management", {})[_named(parameters)[1] or "$LATEST"] = chosen
    return json_response({"FunctionArn": _arn(parameters), **chosen})


@answers(ADDED, "ListProvisionedConcurrencyConfigs")
def _list_provisioned_concurrency(parameters: dict) -> tuple:
    function = _function(parameters)
    if function is None:
        return _no_function(parameters)
    return json_response({"ProvisionedConcurrencyConfigs": [
        {"FunctionArn": f"{_arn(parameters)}:{qualifier}", **config}
        for qualifier, config in function.get("provisioned_concurrency", {}).items()]})


@answers(ADDED, "UpdateFunctionEventInvokeConfig")
def _update_event_invoke_config(parameters: dict) -> tuple:
    function = _function(parameters)
    if function is None:
        return _no_function(parameters)
    name, qualifier = _named(parameters)
    current = lambda_svc._event_invoke_config(function, qualifier)
    if current is None:
        return _not_found(f"The function {lambda_svc._func_arn(name)} doesn't have an EventInvokeConfig")
    changed = {key: parameters[key] for key in ("MaximumRetryAttempts", "MaximumEventAgeInSeconds", "DestinationConfig")
               if key in parameters}
    return lambda_svc._put_event_invoke_config(name, qualifier, {**current, **changed})


# --- code signing -------------------------------------------------------------------------------------------------


@answers(ADDED, "CreateCodeSigningConfig")
def _create_code_signing_config(parameters: dict) -> tuple:
    id = "csc-" + secrets.token_hex(9)[:17]
    arn = f"arn:aws:lambda:{get_region()}:{get_account_id()}:code-signing-config:{id}"
    _code_signing_configs[arn] = {
        "CodeSigningConfigId": id, "CodeSigningConfigArn": arn, "Description": parameters.get("Description", ""),
        "AllowedPublishers": parameters.get("AllowedPublishers", {}), "LastModified": now_iso(),
        "CodeSigningPolicies": parameters.get("CodeSigningPolicies", {"UntrustedArtifactOnDeployment": "Warn"})}
    return json_response({"CodeSigningConfig": _code_signing_configs[arn]}, 201)


def _no_code_signing_config(arn: str) -> tuple:
    return error_response_json("ResourceNotFoundException", f"The code signing configuration cannot be found: {arn}", 404)


@answers(ADDED, "GetCodeSigningConfig")
def _get_code_signing_config(parameters: dict) -> tuple:
    found = _code_signing_configs.get(parameters["CodeSigningConfigArn"])
    return json_response({"CodeSigningConfig": found}) if found else _no_code_signing_config(
        parameters["CodeSigningConfigArn"])


@answers(ADDED, "UpdateCodeSigningConfig")
def _update_code_signing_config(parameters: dict) -> tuple:
    found = _code_signing_configs.get(parameters["CodeSigningConfigArn"])
    if not found:
        return _no_code_signing_config(parameters["CodeSigningConfigArn"])
    found.update({key: parameters[key] for key in ("Description", "AllowedPublishers", "CodeSigningPolicies")
                  if key in parameters}, LastModified=now_iso())
    return json_response({"CodeSigningConfig": found})


@answers(ADDED, "DeleteCodeSigningConfig")
def _delete_code_signing_config(parameters: dict) -> tuple:
    arn = parameters["CodeSigningConfigArn"]
    if arn not in _code_signing_configs:
        return _no_code_signing_config(arn)
    if _functions_signed_by(arn):
        return error_response_json("ResourceConflictException", f"The code signing configuration {arn} is in use", 409)
    _code_signing_configs.pop(arn, None)
    return 204, {}, b""


@answers(ADDED, "ListCodeSigningConfigs")
def _list_code_signing_configs(parameters: dict) -> tuple:
    return json_response({"CodeSigningConfigs": list(_code_signing_configs.values())})


@answers(ADDED, "ListFunctionsByCodeSigningConfig")
def _list_functions_by_code_signing_config(parameters: dict) -> tuple:
    return json_response({"FunctionArns": _functions_signed_by(parameters["CodeSigningConfigArn"])})


def _functions_signed_by(arn: str) -> list[str]:
    return [function["config"]["FunctionArn"] for function in lambda_svc._functions.values()
            if function.get("code_signing_config_arn") == arn]


@answers(CHECKED, "PutFunctionCodeSigningConfig")
def _code_signing_config_exists(parameters: dict):
    if _function(parameters) is None:
        return _no_function(parameters)
    arn = parameters.get("CodeSigningConfigArn", "")
    if arn in _code_signing_configs:
        return None
    return error_response_json("CodeSigningConfigNotFoundException",
                               f"The code signing configuration cannot be found: {arn}", 404)


@answers(CHECKED, "GetFunctionCodeSigningConfig", "DeleteFunctionCodeSigningConfig")
def _signed_function_exists(parameters: dict):
    return _no_function(parameters) if _function(parameters) is None else None
