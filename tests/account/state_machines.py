"""Step Functions where MiniStack falls short of it: names and idempotence, the machine's own role, retries, definitions."""

import contextvars
import json
import random
import re
import time

import yaml
from ministack.core import iam_evaluator
from ministack.core.responses import error_response_json, get_account_id, get_region, json_response
from ministack.services import iam, lambda_svc, stepfunctions
from ministack.services.cloudformation import provisioners

from account import security_hub
from account.lambda_additions import role_may

# What may neither stand in a name nor pass through a state: the quotas that Step Functions documents.
FORBIDDEN_IN_NAMES = re.compile(r'[\s<>{}\[\]?*"#%\\^|~`$&,;:/\x00-\x1f\x7f-\x9f\ud800-\udfff\ufffe\uffff]')
NAME_LENGTH = 80
PAYLOAD_BYTES = 256 * 1024
LONGEST_WAIT_SECONDS = 99_999_999

# The execution that a thread works on. Its role is asked before a function is called.
_execution_arn: contextvars.ContextVar[str] = contextvars.ContextVar("account_execution_arn", default="")


def apply() -> None:
    """Replaces functions that MiniStack looks up in its module whenever it needs them."""
    stepfunctions._start_execution = _start(stepfunctions._start_execution)
    stepfunctions._create_state_machine = _checked(stepfunctions._create_state_machine)
    stepfunctions._update_state_machine = _checked(stepfunctions._update_state_machine)
    stepfunctions._run_execution = _known(stepfunctions._run_execution)
    stepfunctions._call_lambda = _call_function
    stepfunctions._invoke_resource = _complete_answer(_integrated(stepfunctions._invoke_resource))
    stepfunctions._run_distributed_map = _with_items(stepfunctions._run_distributed_map)
    stepfunctions._execute_wait = _strict_wait(stepfunctions._execute_wait)
    stepfunctions._find_matching_retrier = _waited(stepfunctions._find_matching_retrier)
    stepfunctions._error_matches = _but_terminal(stepfunctions._error_matches)
    stepfunctions._fail_execution = _unless_ended(stepfunctions._fail_execution)
    stepfunctions._add_event = _chained(stepfunctions._add_event)
    provisioners._sfn_definition = _parsed(provisioners._sfn_definition)
    handlers = provisioners._RESOURCE_HANDLERS["AWS::StepFunctions::StateMachine"]
    handlers["create"] = _assumable(handlers["create"])


# --- starting -----------------------------------------------------------------------------------------------------


def _start(original):
    """The same name and input answer the same execution while it runs; any other use of a name is refused for 90 days."""
    def start(parameters):
        name, content = parameters.get("name"), parameters.get("input", "{}")
        if name is not None and (not 0 < len(name) <= NAME_LENGTH or FORBIDDEN_IN_NAMES.search(name)):
            return error_response_json("InvalidName", f"Invalid Name: '{name}'", 400)
        if len(content.encode()) > PAYLOAD_BYTES:
            return error_response_json("ValidationException", "1 validation error detected: Value at 'input' failed to "
                                       "satisfy constraint: Member must have length less than or equal to 262144", 400)
        try:
            json.loads(content)
        except ValueError:
            return error_response_json("InvalidExecutionInput", "Invalid State Machine Execution Input: "
                                       f"'Unrecognized token in {content[:40]!r}'", 400)
        machine = stepfunctions._resolve_state_machine_arn(parameters.get("stateMachineArn", ""))
        if name is not None and machine is not None:
            arn = f"{machine.replace(':stateMachine:', ':execution:')}:{name}"
            if known := stepfunctions._executions.get(arn):
                if known["status"] == "RUNNING" and known["input"] == content:
                    return json_response({"executionArn": arn, "startDate": known["startDate"]})
                return error_response_json("ExecutionAlreadyExists", f"Execution Already Exists: '{arn}'", 400)
        return original(parameters)
    return start


def _known(original):
    def run(execution_arn):
        _execution_arn.set(execution_arn)
        return original(execution_arn)
    return run


# --- calling a function -------------------------------------------------------------------------------------------


def _call_function(reference, event):
    """Calls a function as the machine's role, which needs lambda:InvokeFunction on it.

    Errors are named as AWS names them: Lambda's own with the prefix `Lambda.`, a function's by its error type.
    """
    function, config, name = lambda_svc._get_func_record_for_ref(reference)
    arn = f"arn:aws:lambda:{get_region()}:{get_account_id()}:function:{name}"
    qualified = reference if reference.count(":") == 7 else arn
    if refused := _refused(qualified):
        raise stepfunctions._ExecutionError("Lambda.AWSLambdaException", refused)
    if not function or not config:
        raise stepfunctions._ExecutionError(
            "Lambda.ResourceNotFoundException",
            f"Function not found: {qualified} (Service: AWSLambda; Status Code: 404; Error Code: ResourceNotFoundException)")
    record = lambda_svc._execution_record_for_config(function, config)
    result = lambda_svc._execute_function_with_config_scope(record, event)
    body = result.get("body")
    if result.get("throttle"):
        raise stepfunctions._ExecutionError("Lambda.TooManyRequestsException", (
            f"{body.get('message')} (Service: AWSLambda; Status Code: 429; Error Code: TooManyRequestsException)"))
    if result.get("error"):
        if not isinstance(body, dict):
            raise stepfunctions._ExecutionError("Lambda.Unknown", str(body))
        timed_out = "Task timed out after" in str(body.get("errorMessage", ""))
        raise stepfunctions._ExecutionError(
            "Sandbox.Timedout" if timed_out else body.get("errorType") or "Lambda.Unknown", json.dumps(body))
    if isinstance(body, (str, bytes)):
        try:
            body = json.loads(body)
        except ValueError:
            pass
    if len(json.dumps(body, default=str).encode()) > PAYLOAD_BYTES:
        raise stepfunctions._ExecutionError("States.DataLimitExceeded", (
            f"The state/task '{reference}' returned a result with a size exceeding the maximum number of bytes "
            "service limit."))
    return body


def _refused(resource: str, action: str = "lambda:InvokeFunction", conditions: dict | None = None,
             service: str = "AWSLambda") -> str | None:
    """Why the machine's role may not do something; None when it may."""
    execution = stepfunctions._executions.get(_execution_arn.get())
    machine = stepfunctions._state_machines.get(execution["stateMachineArn"]) if execution else None
    if machine is None or role_may(machine["roleArn"], action, resource, conditions):
        return None
    session = _execution_arn.get().rpartition(":")[2]
    caller = f"arn:aws:sts::{get_account_id()}:assumed-role/{machine['roleArn'].rpartition('/')[2]}/{session}"
    return (f"User: {caller} is not authorized to perform: {action} on resource: {resource} because no "
            f"identity-based policy allows the {action} action (Service: {service}; Status Code: 403; Error "
            "Code: AccessDeniedException)")


# --- other services -----------------------------------------------------------------------------------------------


def _integrated(original):
    """Topics, buses and Security Hub are reached as the machine's role; an event that a bus refuses fails its task."""
    def invoke(resource, parameters):
        if resource.endswith(":sns:publish"):
            if refused := _refused(parameters.get("TopicArn", ""), "sns:Publish", service="AmazonSNS"):
                raise stepfunctions._ExecutionError("SNS.AuthorizationErrorException", refused)
        if resource.endswith(":events:putEvents"):
            return _put_events(original, resource, parameters)
        if resource.endswith(":aws-sdk:securityhub:batchImportFindings"):
            return _import_findings(parameters)
        return original(resource, parameters)
    return invoke


def _put_events(original, resource, parameters):
    entries = []
    for entry in parameters.get("Entries", []):
        bus = entry.get("EventBusName", "default").rpartition("/")[2]
        bus_arn = f"arn:aws:events:{get_region()}:{get_account_id()}:event-bus/{bus}"
        conditions = {"events:source": entry.get("Source", ""), "events:detail-type": entry.get("DetailType", "")}
        if refused := _refused(bus_arn, "events:PutEvents", conditions, "AmazonEventBridge"):
            raise stepfunctions._ExecutionError("EventBridge.AccessDeniedException", refused)
        detail = entry.get("Detail", {})
        entries.append({**entry, "Detail": detail if isinstance(detail, str) else json.dumps(detail)})
    answer = original(resource, {**parameters, "Entries": entries})
    if answer.get("FailedEntryCount"):
        raise stepfunctions._ExecutionError("EventBridge.FailedEntry", json.dumps(answer))
    return answer


def _import_findings(parameters):
    for finding in parameters.get("Findings", []):
        product = finding.get("ProductArn", "") if isinstance(finding, dict) else ""
        if refused := _refused(product, "securityhub:BatchImportFindings", service="SecurityHub"):
            raise stepfunctions._ExecutionError("SecurityHub.AccessDeniedException", refused)
    if problem := security_hub.problem_of(parameters):
        raise stepfunctions._ExecutionError("SecurityHub.InvalidInputException", problem)
    return security_hub.take(parameters["Findings"])


def _complete_answer(original):
    """What `lambda:invoke` answers beside the payload."""
    def invoke(resource, parameters):
        answer = original(resource, parameters)
        if "states:::lambda:invoke" in resource and isinstance(answer, dict):
            answer = {"ExecutedVersion": "$LATEST", **answer,
                      "SdkHttpMetadata": {"HttpStatusCode": 200}, "SdkResponseMetadata": {}}
        return answer
    return invoke


# --- states -------------------------------------------------------------------------------------------------------


def _strict_wait(original):
    """MiniStack passes over a SecondsPath that leads to no number; AWS fails the execution."""
    def wait(state, content, context=None):
        if "SecondsPath" in state:
            seconds = stepfunctions._resolve_path_or_ctx(
                state["SecondsPath"], stepfunctions._apply_input_path(state, content, context), context)
            if not isinstance(seconds, int) or isinstance(seconds, bool) or not 0 <= seconds <= LONGEST_WAIT_SECONDS:
                raise stepfunctions._ExecutionError("States.Runtime", (
                    f"The SecondsPath parameter cannot be parsed as a long value: {state['SecondsPath']} == "
                    f"{json.dumps(seconds)}"))
        return original(state, content, context)
    return wait


def _with_items(original):
    """MiniStack's distributed map knows JSONPath only: Items, ItemSelector and Output are worked out here.

    Its batches are executions of the machine itself, which its role has to be allowed to start.
    """
    def run(state, content, effective, iterator, execution, context):
        machine = stepfunctions._state_machines.get(execution["stateMachineArn"])
        if machine and not role_may(machine["roleArn"], "states:StartExecution", execution["stateMachineArn"]):
            raise stepfunctions._ExecutionError("States.Permissions", (
                f"{machine['roleArn']} is not authorized to perform: states:StartExecution on resource: "
                f"{execution['stateMachineArn']}"))
        if stepfunctions._state_query_language(state, context) != "JSONata":
            return original(state, content, effective, iterator, execution, context)
        items = state.get("Items", content)
        if isinstance(items, str):
            items = stepfunctions._jsonata_state_field(state, "Items", "array", content, context)
        selector = state.get("ItemSelector")
        inputs = [
            item if selector is None else stepfunctions._apply_jsonata_template(
                selector, content, {**context, "Map": {"Item": {"Index": index, "Value": item}}})
            for index, item in enumerate(items)]
        plain = {name: value for name, value in state.items() if name in (
            "Type", "Label", "MaxConcurrency", "ToleratedFailurePercentage", "ToleratedFailureCount", "Next", "End")}
        results, following = original(plain, inputs, inputs, iterator, execution, context)
        output = stepfunctions._apply_jsonata_output(state, content, context, result=results, default=results)
        stepfunctions._apply_state_assign(state, content, context, result=results)
        return output, following
    return run


def _waited(original):
    """Waits before a retry here, with the jitter and the longest delay that MiniStack does not know."""
    def find(retriers, error, counts):
        retrier, index = original(retriers, error, counts)
        if retrier is None:
            return None, -1
        delay = retrier.get("IntervalSeconds", 1) * retrier.get("BackoffRate", 2.0) ** counts.get(index, 0)
        delay = min(delay, retrier.get("MaxDelaySeconds", LONGEST_WAIT_SECONDS))
        if retrier.get("JitterStrategy") == "FULL":
            delay = random.uniform(0, delay)
        time.sleep(delay)
        return {**retrier, "IntervalSeconds": 0}, index
    return find


def _but_terminal(original):
    """Two errors end an execution whatever States.ALL says."""
    def matches(names, error):
        return original([name for name in names if name == error], error) if error in (
            "States.Runtime", "States.DataLimitExceeded") else original(names, error)
    return matches


def _unless_ended(original):
    """What fails in an execution that was stopped meanwhile changes nothing any more."""
    def fail(execution, error, cause):
        if execution["status"] == "RUNNING":
            original(execution, error, cause)
            execution["output"] = None
    return fail


def _chained(original):
    """Every event names the one before it; nothing is written after the end of an execution."""
    def add(execution, kind, details=None):
        events = execution["events"]
        if events and re.fullmatch(r"Execution(Succeeded|Failed|Aborted|TimedOut)", events[-1]["type"]):
            return events[-1]
        event = original(execution, kind, details)
        event["previousEventId"] = event["id"] - 1
        return event
    return add


# --- definitions --------------------------------------------------------------------------------------------------


def _checked(original):
    def create_or_update(parameters):
        if "definition" in parameters and (problem := problem_of(parameters["definition"])):
            return error_response_json("InvalidDefinition", f"Invalid State Machine Definition: '{problem}'", 400)
        if "name" in parameters and (
                not 0 < len(parameters["name"]) <= NAME_LENGTH or FORBIDDEN_IN_NAMES.search(parameters["name"])):
            return error_response_json("InvalidName", f"Invalid Name: '{parameters['name']}'", 400)
        if "roleArn" in parameters and (refused := _not_assumable(parameters["roleArn"])):
            return error_response_json("AccessDeniedException", refused, 400)
        return original(parameters)
    return create_or_update


def _parsed(original):
    """A file may be JSON or YAML, read as such once its placeholders are filled in, and has to be a definition."""
    def definition(properties):
        text = original(properties)
        try:
            json.loads(text)
        except ValueError:
            try:
                text = json.dumps(yaml.safe_load(text))
            except (yaml.YAMLError, TypeError) as reason:
                raise ValueError(f"Invalid StateMachine definition: neither JSON nor YAML: {reason}") from None
        if problem := problem_of(text):
            raise ValueError(f"Resource handler returned message: \"Invalid State Machine Definition: '{problem}' "
                             '(Service: Sfn, Status Code: 400)" (HandlerErrorCode: InvalidRequest)')
        return text
    return definition


def _assumable(original):
    def create(logical_id, properties, stack_name):
        if refused := _not_assumable(properties.get("RoleArn", "")):
            raise ValueError(f'Resource handler returned message: "{refused} (Service: Sfn, Status Code: 400)"')
        return original(logical_id, properties, stack_name)
    return create


def _not_assumable(role_arn: str) -> str | None:
    """Why Step Functions may not become a role; None when its trust policy lets it."""
    role = iam._roles.get_scoped(get_account_id(), None, role_arn.rpartition("/")[2])
    trust = (role or {}).get("AssumeRolePolicyDocument")
    context = iam_evaluator.EvalContext(
        principal_arn="", principal_type="Service", principal_account=get_account_id(), action="sts:AssumeRole",
        resource_arn=role_arn, region=get_region(), service_context={
            "aws:sourceaccount": get_account_id(), "aws:principalservicename": "states.amazonaws.com",
            "aws:sourcearn": f"arn:aws:states:{get_region()}:{get_account_id()}:stateMachine:*"})
    if trust and iam_evaluator.evaluate_resource_policy(trust, context, service="states.amazonaws.com").decision == "Allow":
        return None
    return ("Neither the global service principal states.amazonaws.com, nor the regional one is authorized to assume the "
            "provided role.")


def problem_of(definition: str) -> str | None:
    """What makes AWS refuse a definition in the Amazon States Language; None when it would be taken.

    Looks at the shape and at where states lead, not at every field of every state.
    """
    try:
        content = json.loads(definition)
    except (TypeError, ValueError) as reason:
        return f"INVALID_JSON_DESCRIPTION: {reason}"
    return _problem_of_states(content, "", content.get("QueryLanguage", "JSONPath")) if isinstance(content, dict) else (
        "SCHEMA_VALIDATION_FAILED: a definition is an object")


def _problem_of_states(content: dict, place: str, language: str) -> str | None:
    states = content.get("States")
    if not isinstance(states, dict) or not states:
        return f"SCHEMA_VALIDATION_FAILED: The field 'States' is required at {place}/"
    if content.get("StartAt") not in states:
        return f"MISSING_TRANSITION_TARGET: Missing 'Next' target: {content.get('StartAt')} at {place}/StartAt"
    reached = {content["StartAt"]}
    for name, state in states.items():
        here = f"{place}/States/{name}"
        if not isinstance(state, dict) or state.get("Type") not in STATES:
            return f"SCHEMA_VALIDATION_FAILED: Value is not one of [{', '.join(STATES)}] at {here}/Type"
        problem = _problem_of_state(state, here, state.get("QueryLanguage", language))
        if problem:
            return problem
        for target in _targets(state):
            if target not in states:
                return f"MISSING_TRANSITION_TARGET: Missing 'Next' target: {target} at {here}"
            reached.add(target)
        parts = [("Iterator", state.get("Iterator") or state.get("ItemProcessor"))] if state["Type"] == "Map" else [
            (f"Branches[{number}]", branch) for number, branch in enumerate(state.get("Branches", []))]
        for part, branch in parts:
            problem = _problem_of_states(branch or {}, f"{here}/{part}", state.get("QueryLanguage", language))
            if problem:
                return problem
    unreached = [name for name in states if name not in reached]
    return f"MISSING_TRANSITION_TARGET: State \"{unreached[0]}\" is not reachable. at {place}/States" if unreached else None


STATES = ("Task", "Pass", "Choice", "Wait", "Succeed", "Fail", "Parallel", "Map")


def _problem_of_state(state: dict, here: str, language: str) -> str | None:
    kind = state["Type"]
    if kind in ("Task", "Pass", "Wait", "Parallel", "Map") and ("Next" in state) == bool(state.get("End")):
        return f"SCHEMA_VALIDATION_FAILED: exactly one of 'Next' and 'End' is required at {here}"
    if kind == "Task" and not isinstance(state.get("Resource"), str):
        return f"SCHEMA_VALIDATION_FAILED: The field 'Resource' is required at {here}"
    if kind == "Choice" and not state.get("Choices"):
        return f"SCHEMA_VALIDATION_FAILED: The field 'Choices' is required at {here}"
    if kind == "Wait":
        ways = [field for field in ("Seconds", "SecondsPath", "Timestamp", "TimestampPath") if field in state]
        if len(ways) != 1:
            return f"SCHEMA_VALIDATION_FAILED: exactly one of Seconds, SecondsPath, Timestamp, TimestampPath at {here}"
        seconds = state.get("Seconds", 0)
        expression = language == "JSONata" and isinstance(seconds, str) and seconds.startswith("{%")
        if not expression and (not isinstance(seconds, int) or not 0 <= seconds <= LONGEST_WAIT_SECONDS):
            return f"SCHEMA_VALIDATION_FAILED: Expected value of type Integer at {here}/Seconds"
    for field in ("Retry", "Catch"):
        rules = state.get(field, [])
        for number, rule in enumerate(rules):
            names = rule.get("ErrorEquals") or []
            if not names:
                return f"SCHEMA_VALIDATION_FAILED: ErrorEquals is required at {here}/{field}[{number}]"
            if "States.ALL" in names and (len(names) > 1 or number + 1 < len(rules)):
                return f"SCHEMA_VALIDATION_FAILED: 'States.ALL' must be alone and last at {here}/{field}[{number}]"
    return None


def _targets(state: dict) -> list[str]:
    found = [state[field] for field in ("Next", "Default") if field in state]
    return found + [rule["Next"] for field in ("Choices", "Catch") for rule in state.get(field, []) if "Next" in rule]
