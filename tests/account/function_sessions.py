"""What a function's session carries: whose it is, that its calls come from Lambda, and the port those calls take."""

import os

from ministack.core import lambda_runtime
from ministack.services import lambda_svc

from account import caller_address

_functions: dict[str, tuple[str, str]] = {}  # access key → (function ARN, version)


def apply() -> None:
    """Replaces the function that makes a function's credentials, under both names it is called by."""
    made = _with_execution_environment(lambda_runtime.execution_credentials)
    lambda_runtime.execution_credentials = made
    lambda_svc.execution_credentials = made


def _with_execution_environment(original):
    def credentials(config: dict) -> dict[str, str]:
        made, arn = original(config), ":".join(config.get("FunctionArn", "").split(":")[:7])
        _functions[made["AWS_ACCESS_KEY_ID"]] = arn, config.get("Version", "$LATEST")
        runtime = config.get("Runtime") or ""
        # AWS does not define it for OS-only runtimes (provided.*): their SDKs name no execution environment.
        if runtime and not runtime.startswith("provided"):
            made["AWS_EXECUTION_ENV"] = f"AWS_Lambda_{runtime}"
        return made
    return credentials


def scope(access_key: str) -> dict | None:
    """The `inScopeOf` of a session that was issued to a function."""
    if access_key not in _functions:
        return None
    arn, version = _functions[access_key]
    return {"issuerType": "AWS::Lambda::Function", "credentialsIssuedTo": arn, "credentialsIssuedToVersion": f"{arn}:{version}"}


def with_own_port(environment: dict) -> dict:
    """A function's environment with the functions' port in place of everybody's."""
    if caller_address.functions_port and environment.get("AWS_ENDPOINT_URL") == os.environ["AWS_ENDPOINT_URL"]:
        environment = {**environment, "AWS_ENDPOINT_URL": f"http://127.0.0.1:{caller_address.functions_port}"}
    return environment
