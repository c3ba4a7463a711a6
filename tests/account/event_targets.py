"""EventBridge's last step as AWS takes it: only to targets that let it in, over Regions with a role, else to dead letters."""

import json
import logging

from ministack import app
from ministack.core import iam_evaluator
from ministack.core.responses import get_account_id, get_region, request_scope
from ministack.services import eventbridge, lambda_svc, sqs

logger = logging.getLogger("account.events")


def apply() -> None:
    """Replaces the function through which MiniStack reaches every target of every rule."""
    eventbridge._invoke_target = _guarded(eventbridge._invoke_target)


def dispatch(event: dict, states: set[str]) -> None:
    """Hands an event to the rules of its bus in one of these states, by MiniStack's own matching.

    The loop is ours because MiniStack's knows the state ENABLED only.
    """
    view = eventbridge._pattern_event_view(event)
    for key, rule in list(eventbridge._rules.items()):
        if rule.get("EventBusName", "default") != event["EventBusName"] or rule.get("State") not in states:
            continue
        pattern = rule.get("EventPattern")
        if pattern and eventbridge._matches_pattern_view(pattern, view, f"rule {key}"):
            for target in list(eventbridge._targets.get(key, [])):
                eventbridge._invoke_target(target, {**event, "_states": states}, rule, view)


def _guarded(original):
    def invoke(target, event, rule, view=None):
        arn = target.get("Arn", "")
        service, region = (arn.split(":") + [""] * 4)[2:4]
        if service == "events" and ":event-bus/" in arn and region != get_region():
            reason = _forward(target, event, region)
        elif service in ("sqs", "lambda", "states"):
            reason = _refusal(service, arn, rule) if service != "states" else _unstartable(target)
            if reason is None:
                original(target, event, rule, view)
        else:
            original(target, event, rule, view)
            return
        if reason:
            logger.warning("rule %s could not reach %s: %s", rule.get("Name"), arn, reason)
            _to_dead_letters(target, event, rule, reason)
    return invoke


def _refusal(service: str, arn: str, rule: dict) -> str | None:
    """Why the target's own policy keeps the rule out; None when it lets it in."""
    found = sqs.queue_policy_for_arn(arn) if service == "sqs" else _function_policy(arn)
    if found is None:
        return "NO_RESOURCE"
    if not app.AUTH:
        return None
    context = iam_evaluator.EvalContext(
        principal_arn="", principal_type="Service", principal_account=get_account_id(),
        action="sqs:SendMessage" if service == "sqs" else "lambda:InvokeFunction", resource_arn=arn, region=get_region(),
        service_context={"aws:sourcearn": rule.get("Arn") or eventbridge._rule_arn(rule["Name"], rule.get("EventBusName", "default")),
                         "aws:sourceaccount": get_account_id(), "aws:principalservicename": "events.amazonaws.com",
                         "aws:principalisawsservice": "true"})
    context.secure_transport = True
    decision = iam_evaluator.evaluate_resource_policy(found[0], context, service="events.amazonaws.com").decision
    return None if decision == "Allow" else "NO_PERMISSIONS"


def _unstartable(target: dict) -> str | None:
    """Why a state machine cannot be started: it takes a role that may do so."""
    from account.lambda_additions import role_may
    role = target.get("RoleArn")
    return None if role and role_may(role, "states:StartExecution", target["Arn"]) else "NO_PERMISSIONS"


def _function_policy(arn: str):
    function, _, _ = lambda_svc._get_func_record_for_ref(arn)
    return (function.get("policy"), None) if function else None


def _forward(target: dict, event: dict, region: str) -> str | None:
    """Over to a bus in another Region, which takes a role that may put events there."""
    from account.lambda_additions import role_may
    if not target.get("RoleArn") or not role_may(target["RoleArn"], "events:PutEvents", target["Arn"]):
        return "NO_PERMISSIONS"
    with request_scope(get_account_id(), region):
        bus = target["Arn"].rpartition(":event-bus/")[2]
        if bus != "default" and bus not in eventbridge._event_buses:
            return "NO_RESOURCE"
        dispatch({**event, "EventBusName": bus}, event.get("_states") or {"ENABLED"})
    return None


def _to_dead_letters(target: dict, event: dict, rule: dict, reason: str) -> None:
    arn = (target.get("DeadLetterConfig") or {}).get("Arn")
    if not arn:
        return
    content = json.dumps(eventbridge._pattern_event_view(event).event_with_detail())
    if _refusal("sqs", arn, rule) is None:
        spec = eventbridge.parse_arn(arn)
        eventbridge._dispatch_to_sqs(spec, content)
        queue = sqs._queue_by_arn(arn)
        queue["messages"][-1]["message_attributes"] = {
            name: {"DataType": "String", "StringValue": value} for name, value in {
                "ERROR_CODE": reason, "RULE_ARN": rule.get("Arn", ""), "TARGET_ARN": target["Arn"]}.items()}
    else:
        logger.warning("rule %s: the dead letters %s refuse it too; the event is lost", rule.get("Name"), arn)


# --- queues that feed functions -----------------------------------------------------------------------------------


def unreadable(role_arn: str, queue_arn: str, function_timeout: int) -> str | None:
    """Why AWS would refuse to feed a function from a queue; None when it would not."""
    from account.lambda_additions import role_may
    for action in ("ReceiveMessage", "DeleteMessage", "GetQueueAttributes"):
        if not role_may(role_arn, f"sqs:{action}", queue_arn):
            return f"The provided execution role does not have permissions to call {action} on SQS"
    queue = sqs._queue_by_arn(queue_arn)
    if queue is None:
        return "Error occurred while ReceiveMessage. SQS Error Code: AWS.SimpleQueueService.NonExistentQueue."
    visibility = int(queue["attributes"].get("VisibilityTimeout", 30))
    if visibility < function_timeout:
        return (f"Queue visibility timeout: {visibility} seconds is less than Function timeout: {function_timeout} "
                "seconds")
    return None
