"""What the account says of itself, and whom it hands out."""

import os

from account.conftest import Account, start_account


def test_says_where_it_is_and_hands_out_an_administrator(account):
    assert account.where["account"] == "111122223333" and account.where["region"] == "us-east-1"
    assert account.endpoint.startswith("http://127.0.0.1:")
    assert account.client("sts").get_caller_identity()["Arn"] == "arn:aws:iam::111122223333:user/administrator"


def test_without_enforcement_nobody_is_refused():
    process, where = start_account("--no-auth", "--log", os.devnull)
    try:
        account = Account(where)
        client, role = account.client("lambda"), account.role(["sts:*"])
        name = account.function(role=role)
        client.update_function_configuration(FunctionName=name, TracingConfig={"Mode": "Active"})
        assert account.session(role, "lambda").get_function(FunctionName=name)["Code"]["Location"]
        assert account.trail("UpdateFunctionConfiguration20150331v2")
    finally:
        process.stdin.close()
        process.wait(5)
