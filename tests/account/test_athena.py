"""Athena over a trail's files: which files, which partitions, whose permissions, which pages."""

import gzip
import json
import subprocess
import uuid

import pytest
from botocore.exceptions import ClientError

from account.conftest import TESTS, until
from account.test_deploy import FIXTURES, deploy

ROLE = "arn:aws:iam::111122223333:role/service/victim"


def record(number, name="victim", role=ROLE, at="2026-03-05T10:00:00Z", **more):
    return {"eventVersion": "1.09", "eventID": f"event-{number}", "eventTime": at, "eventName": "ListBuckets",
            "eventSource": "s3.amazonaws.com", "readOnly": True, "requestParameters": {"Host": "s3", "n": [1]},
            "userIdentity": {"type": "AssumedRole", "principalId": f"AROA:{name}", "sessionContext": {
                "sessionIssuer": {"arn": role, "userName": "victim"}}}, **more}


@pytest.fixture(scope="module")
def trail(account):
    """A trail's files of two days and two Regions, and the table over them; everything by name."""
    s3, made = account.client("s3"), {"bucket": f"trail-{uuid.uuid4().hex[:8]}", "results": f"results-{uuid.uuid4().hex[:8]}"}
    for bucket in made.values():
        s3.create_bucket(Bucket=bucket)
    folder = "some/AWSLogs/111122223333/CloudTrail"
    files = {
        f"{folder}/us-east-1/2026/03/05/a.json.gz": [record(1), record(2, "other", role="arn:aws:iam::1:role/x")],
        f"{folder}/us-east-1/2026/03/06/b.json.gz": [record(3, at="2026-03-06T01:00:00Z"), record(4, at="2026-03-06T09:00:00Z")],
        f"{folder}/eu-west-1/2026/03/06/c.json.gz": [record(5, at="2026-03-06T02:00:00Z")],
        f"{folder}/eu-west-2/2026/03/06/d.json.gz": [record(6, at="2026-03-06T02:00:00Z")],
        f"{folder}/us-east-1/2023/12/31/e.json.gz": [record(7, at="2023-12-31T02:00:00Z")],
        f"{folder}-Digest/us-east-1/2026/03/06/f.json.gz": [record(8)],
    }
    made["sizes"] = {}
    for key, records in files.items():
        content = gzip.compress(json.dumps({"Records": records}).encode(), mtime=0)
        s3.put_object(Bucket=made["bucket"], Key=key, Body=content)
        made["sizes"][key[-9:]] = len(content)
    run = deploy(account, "athena", f"TrailBucket={made['bucket']}", "TrailPrefix=some/", f"ResultBucket={made['results']}",
                 template=FIXTURES / "athena" / "template.yaml")
    assert run.returncode == 0, run.stderr
    return {**made, **json.loads(run.stdout), "folder": folder}


def ask(account, trail, query, client=None, **more):
    """The execution of a query that is over, and all rows of its answer but the header."""
    athena = client or account.client("athena")
    id = athena.start_query_execution(QueryString=query, QueryExecutionContext={"Database": trail["Database"]},
                                      WorkGroup=trail["WorkGroup"], **more)["QueryExecutionId"]
    states = []

    def over():
        states.append(athena.get_query_execution(QueryExecutionId=id)["QueryExecution"]["Status"]["State"])
        return states[-1] not in ("QUEUED", "RUNNING")

    until(over)
    assert states[0] in ("QUEUED", "RUNNING"), "a query takes its time"
    execution = athena.get_query_execution(QueryExecutionId=id)["QueryExecution"]
    if execution["Status"]["State"] != "SUCCEEDED":
        return execution, None
    pages = athena.get_paginator("get_query_results").paginate(QueryExecutionId=id)
    rows = [[value.get("VarCharValue") for value in row["Data"]] for page in pages for row in page["ResultSet"]["Rows"]]
    return execution, rows[1:]


ACTIVITY = """SELECT "$path" AS path, count(*) AS records FROM {table}
WHERE {who} AND region IN ('us-east-1', 'eu-west-1') AND day BETWEEN '{first}' AND '{last}'
AND eventtime BETWEEN '{since}' AND '{until}' GROUP BY "$path" ORDER BY 1"""


def activity(trail, first="2026/03/05", last="2026/03/06", since="2026-03-05T00:00:00Z", until="2026-03-06T02:00:00Z",
             who=f"useridentity.sessioncontext.sessionissuer.arn = '{ROLE}'"):
    return ACTIVITY.format(table=f"{trail['Database']}.{trail['Table']}", who=who, first=first, last=last, since=since, until=until)


def test_the_template_is_one_that_aws_takes():
    lint = TESTS.parent / ".venv" / "build" / "bin" / "cfn-lint"
    assert lint.exists(), "cfn-lint is not installed: run `make setup`"
    found = subprocess.run([lint, FIXTURES / "athena" / "template.yaml"], capture_output=True, text=True)
    assert found.returncode == 0, found.stdout


@pytest.mark.parametrize("who", [f"useridentity.sessioncontext.sessionissuer.arn = '{ROLE}'",
                                 "useridentity.principalid LIKE '%:victim'",
                                 f"(useridentity.sessioncontext.sessionissuer.arn = '{ROLE}' OR useridentity.principalid LIKE '%:x')"])
def test_the_files_with_a_roles_records_are_found(account, trail, who):
    execution, rows = ask(account, trail, activity(trail, who=who))
    at = f"s3://{trail['bucket']}/{trail['folder']}"
    assert rows == [[f"{at}/eu-west-1/2026/03/06/c.json.gz", "1"], [f"{at}/us-east-1/2026/03/05/a.json.gz", "1"],
                    [f"{at}/us-east-1/2026/03/06/b.json.gz", "1"]]
    sizes = trail["sizes"]
    assert execution["Statistics"]["DataScannedInBytes"] == sizes["a.json.gz"] + sizes["b.json.gz"] + sizes["c.json.gz"]
    location = f"s3://{trail['results']}/athena/{execution['QueryExecutionId']}.csv"
    assert execution["ResultConfiguration"]["OutputLocation"] == location
    saved = account.client("s3").get_object(Bucket=trail["results"], Key=location.partition("/athena/")[1][1:] + location.rpartition("/")[2])
    assert saved["Body"].read().decode().splitlines()[:2] == ['"path","records"', f'"{at}/eu-west-1/2026/03/06/c.json.gz","1"']


def test_only_the_partitions_asked_for_are_scanned(account, trail):
    execution, rows = ask(account, trail, activity(trail, first="2026/03/05", last="2026/03/05"))
    assert [path.rpartition("/")[2] for path, _ in rows] == ["a.json.gz"]
    assert execution["Statistics"]["DataScannedInBytes"] == trail["sizes"]["a.json.gz"]
    _, rows = ask(account, trail, f"SELECT eventid FROM {trail['Table']} ORDER BY 1")
    assert [id for id, in rows] == [f"event-{number}" for number in range(1, 6)], "neither what is not projected nor digests"


def test_columns_have_their_types(account, trail):
    _, [row] = ask(account, trail, f"SELECT useridentity.type, requestparameters, readonly, errorcode, region, day FROM "
                                   f"{trail['Table']} WHERE eventid = 'event-5'")
    assert row == ["AssumedRole", '{"Host":"s3","n":[1]}', "true", None, "eu-west-1", "2026/03/06"]


def test_results_come_in_pages_whose_first_row_is_the_header(account, trail):
    athena = account.client("athena")
    execution, rows = ask(account, trail, "SELECT unnest(range(1500)) AS n")
    assert [int(n) for n, in rows] == list(range(1500))
    first = athena.get_query_results(QueryExecutionId=execution["QueryExecutionId"])
    assert len(first["ResultSet"]["Rows"]) == 1000 and first["ResultSet"]["Rows"][0]["Data"] == [{"VarCharValue": "n"}]
    second = athena.get_query_results(QueryExecutionId=execution["QueryExecutionId"], NextToken=first["NextToken"])
    assert len(second["ResultSet"]["Rows"]) == 501 and "NextToken" not in second
    with pytest.raises(ClientError, match="InvalidRequestException"):
        athena.get_query_results(QueryExecutionId=execution["QueryExecutionId"], NextToken="nothing")


def test_a_query_that_cannot_be_fails_with_a_reason(account, trail):
    for query, reason in (("SELECT 1 FROM nowhere", "TABLE_NOT_FOUND"), (f"SELECT nothing FROM {trail['Table']}", "nothing")):
        execution, _ = ask(account, trail, query)
        assert execution["Status"]["State"] == "FAILED" and reason in execution["Status"]["StateChangeReason"]
        with pytest.raises(ClientError, match="Final query state: FAILED"):
            account.client("athena").get_query_results(QueryExecutionId=execution["QueryExecutionId"])


def test_a_broken_file_fails_the_query(account, trail):
    s3, key = account.client("s3"), f"{trail['folder']}/us-east-1/2026/04/01/x.json.gz"
    s3.put_object(Bucket=trail["bucket"], Key=key, Body=b"no gzip")
    execution, _ = ask(account, trail, activity(trail, "2026/04/01", "2026/04/02"))
    s3.delete_object(Bucket=trail["bucket"], Key=key)
    assert f"HIVE_CURSOR_ERROR: Failed to read file at s3://{trail['bucket']}/{key}" in execution["Status"]["StateChangeReason"]


def test_a_token_starts_a_query_once_and_a_limit_cuts_it_off(account, trail):
    athena, token = account.client("athena"), uuid.uuid4().hex
    first, _ = ask(account, trail, "SELECT 1", ClientRequestToken=token)
    again = athena.start_query_execution(QueryString="SELECT 1", WorkGroup=trail["WorkGroup"], ClientRequestToken=token)
    assert again["QueryExecutionId"] == first["QueryExecutionId"]
    with pytest.raises(ClientError, match="Idempotent parameters do not match"):
        athena.start_query_execution(QueryString="SELECT 2", WorkGroup=trail["WorkGroup"], ClientRequestToken=token)
    name = f"small-{uuid.uuid4().hex[:8]}"
    athena.create_work_group(Name=name, Configuration={"BytesScannedCutoffPerQuery": 10_000_000, "ResultConfiguration": {
        "OutputLocation": f"s3://{trail['results']}/"}})
    key = f"{trail['folder']}/us-east-1/2026/05/01/large.json.gz"
    account.client("s3").put_object(Bucket=trail["bucket"], Key=key, Body=bytes(10_000_001))
    execution, _ = ask(account, {**trail, "WorkGroup": name}, activity(trail, "2026/05/01", "2026/05/01"))
    account.client("s3").delete_object(Bucket=trail["bucket"], Key=key)
    assert (execution["Status"]["State"], execution["Status"]["StateChangeReason"]) == (
        "CANCELLED", "Bytes scanned limit was exceeded")
    with pytest.raises(ClientError, match="Unable to verify/create output bucket"):
        athena.start_query_execution(QueryString="SELECT 1", ResultConfiguration={"OutputLocation": "s3://not-there-at-all/"})


def policy(account, trail, without=None):
    """A role that may ask and nothing more, but for one action."""
    glue = "arn:aws:glue:us-east-1:111122223333"
    statements = {
        ("athena:StartQueryExecution", "athena:GetQueryExecution", "athena:GetQueryResults"):
            [f"arn:aws:athena:us-east-1:111122223333:workgroup/{trail['WorkGroup']}"],
        ("glue:GetDatabase", "glue:GetTable"): [f"{glue}:catalog", f"{glue}:database/{trail['Database']}",
                                                f"{glue}:table/{trail['Database']}/{trail['Table']}"],
        ("s3:ListBucket",): [f"arn:aws:s3:::{trail['bucket']}"],
        ("s3:GetObject",): [f"arn:aws:s3:::{trail['bucket']}/some/AWSLogs/*"],
        ("s3:GetBucketLocation",): [f"arn:aws:s3:::{trail['results']}"],
        ("s3:PutObject",): [f"arn:aws:s3:::{trail['results']}/athena/*"],
    }
    arn = account.role(["sqs:ListQueues"])
    account.client("iam").put_role_policy(RoleName=arn.rpartition("/")[2], PolicyName="ask", PolicyDocument=json.dumps({
        "Version": "2012-10-17", "Statement": [
            {"Effect": "Allow", "Action": kept, "Resource": resources} for actions, resources in statements.items()
            if (kept := [action for action in actions if action != without])]}))
    return arn


@pytest.mark.parametrize("missing", ["glue:GetDatabase", "glue:GetTable", "s3:ListBucket", "s3:GetObject", "s3:PutObject"])
def test_a_query_reads_with_the_permissions_of_its_caller(account, trail, missing):
    execution, rows = ask(account, trail, activity(trail), account.session(policy(account, trail), "athena"))
    assert execution["Status"]["State"] == "SUCCEEDED" and len(rows) == 3, execution["Status"]
    execution, _ = ask(account, trail, activity(trail), account.session(policy(account, trail, missing), "athena"))
    assert execution["Status"]["State"] == "FAILED"
    assert any(words in execution["Status"]["StateChangeReason"] for words in (missing, "ermission denied on S3", "Access denied"))


@pytest.mark.parametrize("missing", ["athena:StartQueryExecution", "athena:GetQueryExecution", "athena:GetQueryResults"])
def test_asking_is_judged_on_the_workgroup(account, trail, missing):
    with pytest.raises(ClientError, match=f"{missing} on resource: .*:workgroup/{trail['WorkGroup']} because"):
        ask(account, trail, activity(trail), account.session(policy(account, trail, missing), "athena"))


def test_catalog_and_logs_are_judged_on_what_they_name(account, trail):
    glue = account.session(policy(account, trail), "glue")
    assert glue.get_table(DatabaseName=trail["Database"], Name=trail["Table"])["Table"]["PartitionKeys"][1]["Name"] == "day"
    with pytest.raises(ClientError, match=f"glue:GetTable on resource: .*:table/{trail['Database']}/other because"):
        glue.get_table(DatabaseName=trail["Database"], Name="other")
    logs = account.session(account.role(["sqs:ListQueues"]), "logs")
    for call, resource in (
            (lambda: logs.filter_log_events(logGroupName="/g"), "log-group:/g:log-stream: because"),
            (lambda: logs.start_query(logGroupIdentifiers=["arn:aws:logs:us-east-1:111122223333:log-group:/g"], startTime=0,
                                      endTime=1, queryString="fields @message"), "log-group:/g:log-stream: because"),
            (lambda: logs.get_log_events(logGroupName="/g", logStreamName="s"), "log-group:/g:log-stream:s because"),
            (lambda: logs.describe_log_groups(), "log-group::log-stream: because"),
            (lambda: logs.get_query_results(queryId="x"), "GetQueryResults on resource: \\* because")):
        with pytest.raises(ClientError, match=resource):
            call()
    arn = account.role(["sqs:ListQueues"])
    account.client("iam").put_role_policy(RoleName=arn.rpartition("/")[2], PolicyName="read", PolicyDocument=json.dumps({
        "Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "logs:FilterLogEvents",
                                                "Resource": "arn:aws:logs:*:111122223333:log-group:/mine:*"}]}))
    allowed = account.session(arn, "logs")
    with pytest.raises(allowed.exceptions.ResourceNotFoundException):
        allowed.filter_log_events(logGroupName="/mine")
    with pytest.raises(ClientError, match="AccessDenied"):
        allowed.filter_log_events(logGroupName="/yours")
    xray = account.session(arn, "xray")
    with pytest.raises(ClientError, match="xray:GetTraceSegmentDestination on resource: \\* because"):
        xray.get_trace_segment_destination()
