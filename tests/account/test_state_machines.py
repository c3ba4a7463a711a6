"""Step Functions: a machine from a file, started once under its name, calling functions as its own role."""

import json
import subprocess
import time
import uuid

import pytest
from botocore.exceptions import ClientError

from account.conftest import TESTS, package, until
from account.test_deploy import FIXTURES, deploy


@pytest.fixture(scope="module")
def stack(account):
    run = deploy(account, "machines", template=FIXTURES / "machine" / "template.yaml")
    assert run.returncode == 0, run.stderr
    return json.loads(run.stdout)


def run(account, machine, content=None, name=None, seconds=20):
    """What an execution ended as, and how long it took."""
    states, began = account.client("stepfunctions"), time.monotonic()
    arn = states.start_execution(stateMachineArn=machine, name=name or uuid.uuid4().hex,
                                 input=json.dumps(content or {}))["executionArn"]
    until(lambda: states.describe_execution(executionArn=arn)["status"] != "RUNNING", seconds)
    return states.describe_execution(executionArn=arn), time.monotonic() - began


def machine(account, states, role=None, **settings):
    definition = states if isinstance(states, str) else json.dumps({"StartAt": next(iter(states)), "States": states})
    return account.client("stepfunctions").create_state_machine(
        name=f"machine-{uuid.uuid4().hex[:8]}", definition=definition,
        roleArn=role or account.role(service="states.amazonaws.com"), **settings)["stateMachineArn"]


def task(function, **settings):
    return {"Task": {"Type": "Task", "Resource": "arn:aws:states:::lambda:invoke",
                     "Parameters": {"FunctionName": function, "Payload.$": "$"}, "End": True, **settings}}


@pytest.fixture(scope="module")
def step(account):
    name = account.function(package("step"), Runtime="python3.12", Handler="index.handler", Timeout=10)
    return account.client("lambda").get_function(FunctionName=name)["Configuration"]["FunctionArn"]


def names(account, arn):
    history = account.client("stepfunctions").get_paginator("get_execution_history").paginate(executionArn=arn)
    return [event["stateEnteredEventDetails"]["name"] for page in history for event in page["events"]
            if event["type"].endswith("StateEntered")]


def test_the_template_is_one_that_aws_takes():
    lint = TESTS.parent / ".venv" / "build" / "bin" / "cfn-lint"
    assert lint.exists(), "cfn-lint is not installed: run `make setup`"
    found = subprocess.run([lint, FIXTURES / "machine" / "template.yaml"], capture_output=True, text=True)
    assert found.returncode == 0, found.stdout


@pytest.mark.parametrize("name", ["Machine", "Jsonata"])
def test_a_machine_from_a_file_waits_and_goes_on_while_it_is_asked_to(account, stack, name):
    ended, seconds = run(account, stack[name], {"steps": 3, "wait_seconds": 1})
    assert ended["status"] == "SUCCEEDED", ended
    assert json.loads(ended["output"])["step"]["cursor"] == 3
    assert 3 <= seconds < 6, "one second to settle, one before each of two more steps"
    assert names(account, ended["executionArn"]) == ["Settle", "Collect", "Again", "Pause", "Collect", "Again", "Pause",
                                                     "Collect", "Again", "Done"]


@pytest.mark.parametrize("name", ["Yaml", "Inline"])
def test_other_forms_of_a_definition(account, stack, name):
    ended, seconds = run(account, stack[name])
    assert ended["status"] == "SUCCEEDED" and 1 <= seconds < 3


def test_a_name_starts_one_execution(account, stack):
    states, name = account.client("stepfunctions"), uuid.uuid4().hex
    begin = {"stateMachineArn": stack["Machine"], "name": name, "input": '{"steps": 1}'}
    first = states.start_execution(**begin)
    again = states.start_execution(**begin)
    assert (again["executionArn"], again["startDate"]) == (first["executionArn"], first["startDate"])
    with pytest.raises(states.exceptions.ExecutionAlreadyExists):
        states.start_execution(**{**begin, "input": '{"steps": 2}'})
    until(lambda: states.describe_execution(executionArn=first["executionArn"])["status"] == "SUCCEEDED")
    with pytest.raises(states.exceptions.ExecutionAlreadyExists):
        states.start_execution(**begin)
    listed = states.list_executions(stateMachineArn=stack["Machine"])["executions"]
    assert [execution["name"] for execution in listed].count(name) == 1


@pytest.mark.parametrize("name", ["a b", "a/b", "a:b", "a*", "x" * 81, "a<b", "a\tb", "a#b"])
def test_a_name_that_is_none_is_refused(account, stack, name):
    states = account.client("stepfunctions")
    with pytest.raises(ClientError, match="InvalidName|ValidationException"):
        states.start_execution(stateMachineArn=stack["Machine"], name=name)


def test_input_has_to_be_json_and_small(account, stack):
    states = account.client("stepfunctions")
    with pytest.raises(states.exceptions.InvalidExecutionInput):
        states.start_execution(stateMachineArn=stack["Machine"], input="no")
    with pytest.raises(ClientError, match="ValidationException"):
        states.start_execution(stateMachineArn=stack["Machine"], input=json.dumps("x" * 300_000))


def test_a_machine_calls_as_its_own_role(account, step):
    role = account.role(["logs:*"], service="states.amazonaws.com")
    ended, _ = run(account, machine(account, task(step), role))
    assert (ended["status"], ended["error"]) == ("FAILED", "Lambda.AWSLambdaException")
    assert "is not authorized to perform: lambda:InvokeFunction on resource: " + step in ended["cause"]
    account.allow(role.rpartition("/")[2], ["lambda:InvokeFunction"])
    assert run(account, machine(account, task(step), role))[0]["status"] == "SUCCEEDED"


def test_a_role_has_to_let_step_functions_in(account, step):
    with pytest.raises(ClientError, match="states.amazonaws.com, nor the regional one is authorized to assume"):
        machine(account, task(step), account.role())


def test_a_failed_step_is_tried_again_and_then_caught(account, stack):
    ended, seconds = run(account, stack["Machine"], {"steps": 2, "fail_at": 2})
    assert ended["status"] == "FAILED" and "told to" in ended["cause"]
    failures = [event for event in account.client("stepfunctions").get_execution_history(
        executionArn=ended["executionArn"])["events"] if event["type"] == "TaskFailed"]
    assert len(failures) >= 1 and names(account, ended["executionArn"])[-1] == "Failed"


def test_a_throttled_function_is_tried_again(account):
    name = account.function(package("step"), Runtime="python3.12", Handler="index.handler", Timeout=10)
    functions, states = account.client("lambda"), account.client("stepfunctions")
    functions.put_function_concurrency(FunctionName=name, ReservedConcurrentExecutions=0)
    retry = [{"ErrorEquals": ["Lambda.TooManyRequestsException"], "IntervalSeconds": 1, "MaxAttempts": 5,
              "BackoffRate": 1, "MaxDelaySeconds": 1, "JitterStrategy": "FULL"}]
    arn = states.start_execution(stateMachineArn=machine(account, task(name, Retry=retry)))["executionArn"]
    until(lambda: any(event["type"] == "TaskFailed"
                      for event in states.get_execution_history(executionArn=arn)["events"]))
    functions.delete_function_concurrency(FunctionName=name)
    until(lambda: states.describe_execution(executionArn=arn)["status"] == "SUCCEEDED")


def test_errors_have_the_names_that_aws_gives_them(account, step):
    catch = [{"ErrorEquals": ["Lambda.ResourceNotFoundException"], "Next": "Gone"}]
    states = {**task("nobody", Catch=catch), "Gone": {"Type": "Pass", "Result": "gone", "End": True}}
    assert json.loads(run(account, machine(account, states))[0]["output"]) == "gone"
    slow = account.function(package("step"), Runtime="python3.12", Handler="index.handler", Timeout=1)
    assert run(account, machine(account, task(slow)), {"sleep": 3})[0]["error"] == "Sandbox.Timedout"
    assert run(account, machine(account, task(step, TimeoutSeconds=1)), {"sleep": 3})[0]["error"] == "States.Timeout"
    everything = [{"ErrorEquals": ["States.ALL"], "Next": "Gone"}]
    states = {**task(step, Catch=everything), "Gone": {"Type": "Pass", "End": True}}
    assert run(account, machine(account, states), {"bytes": 300_000})[0]["error"] == "States.DataLimitExceeded"


def test_a_wait_takes_a_number(account):
    wait = {"Wait": {"Type": "Wait", "SecondsPath": "$.seconds", "End": True}}
    arn = machine(account, wait)
    assert run(account, arn, {"seconds": 1})[1] >= 1
    ended, _ = run(account, arn, {"seconds": "1"})
    assert ended["error"] == "States.Runtime"


def test_a_stopped_execution_stays_stopped(account, step):
    states = account.client("stepfunctions")
    arn = states.start_execution(stateMachineArn=machine(account, task(step)), input='{"sleep": 1}')["executionArn"]
    until(lambda: len(states.get_execution_history(executionArn=arn)["events"]) > 2)
    states.stop_execution(executionArn=arn, error="Enough", cause="asked for")
    time.sleep(1.5)
    ended = states.describe_execution(executionArn=arn)
    assert (ended["status"], ended["error"]) == ("ABORTED", "Enough")
    assert states.get_execution_history(executionArn=arn, reverseOrder=True)["events"][0]["type"] == "ExecutionAborted"


@pytest.mark.parametrize("states, problem", [
    ({"A": {"Type": "Wait", "Seconds": "30", "End": True}}, "Expected value of type Integer"),
    ({"A": {"Type": "Pass", "Next": "Nowhere"}}, "MISSING_TRANSITION_TARGET"),
    ({"A": {"Type": "Pass", "End": True}, "B": {"Type": "Pass", "End": True}}, "not reachable"),
    ({"A": {"Type": "Task", "Resource": "r", "End": True, "Catch": [
        {"ErrorEquals": ["States.ALL", "X"], "Next": "A"}]}}, "alone and last"),
    ('{"StartAt": "A", "States": {"A": {"Type": "Wait", "Seconds": ${Missing}, "End": true}}}', "INVALID_JSON"),
])
def test_a_definition_that_aws_refuses_is_refused(account, states, problem):
    with pytest.raises(ClientError, match=problem):
        machine(account, states)


def test_starting_is_judged_on_the_machine_and_recorded(account, stack):
    caller = account.role(["sqs:*"])
    account.client("iam").put_role_policy(RoleName=caller.rpartition("/")[2], PolicyName="start", PolicyDocument=json.dumps({
        "Version": "2012-10-17", "Statement": [
            {"Effect": "Allow", "Action": "states:StartExecution", "Resource": stack["Inline"]}]}))
    states, name = account.session(caller, "stepfunctions"), uuid.uuid4().hex
    states.start_execution(stateMachineArn=stack["Inline"], name=name)
    with pytest.raises(ClientError, match=f"states:StartExecution on resource: {stack['Yaml']} because"):
        states.start_execution(stateMachineArn=stack["Yaml"])
    with pytest.raises(ClientError, match=f"states:DescribeExecution on resource: .*:execution:machines-inline:{name}"):
        states.describe_execution(executionArn=stack["Inline"].replace(":stateMachine:", ":execution:") + ":" + name)
    [record] = [record for record in account.trail("StartExecution")
                if (record["requestParameters"] or {}).get("name") == name]
    assert (record["eventSource"], record["readOnly"]) == ("states.amazonaws.com", False)
    assert record["responseElements"]["executionArn"].endswith(f":execution:machines-inline:{name}")
