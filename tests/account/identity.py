"""Says who called: the `userIdentity` that CloudTrail writes for a root user, an IAM user and a role's session."""

import datetime
import re

from ministack.core.iam_evaluator import CredentialResolutionError, find_iam_access_key_account, resolve_credential
from ministack.core.responses import _account_from_sts_session

from account import ACCOUNT_ID


def of_key(access_key: str) -> tuple[dict, str] | None:
    """(userIdentity, account) of an access key, or None for a key that nobody holds."""
    # To MiniStack, twelve digits are the root key of the account of that number.
    account = (access_key if re.fullmatch(r"\d{12}", access_key) else _account_from_sts_session(access_key)
               or find_iam_access_key_account(access_key) or ACCOUNT_ID)
    credential = resolve_credential(access_key, account)
    if isinstance(credential, CredentialResolutionError):
        return None
    identity = {
        "type": {"User": "IAMUser"}.get(credential.principal_type, credential.principal_type),
        "principalId": credential.principal_id,
        "arn": credential.principal_arn,
        "accountId": credential.account_id,
        "accessKeyId": access_key,
    }
    if credential.principal_type == "User":
        identity["userName"] = credential.principal_name
    elif credential.principal_type == "AssumedRole":
        _describe_session(identity, access_key)
    return identity, credential.account_id


def _describe_session(identity: dict, access_key: str) -> None:
    from ministack.services import iam, sts

    from account import function_sessions

    role_name, _, session_name = identity["arn"].rpartition(":assumed-role/")[2].partition("/")
    role = iam._roles.get_scoped(identity["accountId"], None, role_name) or {}
    role_id = role.get("RoleId", "AROA" + role_name.upper()[:16])
    issued = (sts._sessions.get(access_key) or {}).get("IssuedAt", 0)
    identity["principalId"] = f"{role_id}:{session_name}"
    identity["sessionContext"] = {
        "sessionIssuer": {
            "type": "Role",
            "principalId": role_id,
            "arn": role.get("Arn", f"arn:aws:iam::{identity['accountId']}:role/{role_name}"),
            "accountId": identity["accountId"],
            "userName": role_name,
        },
        "attributes": {
            "creationDate": datetime.datetime.fromtimestamp(issued, datetime.timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ"),
            "mfaAuthenticated": "false",
        },
    }
    if scope := function_sessions.scope(access_key):
        identity["inScopeOf"] = scope
