"""infra/athena.yaml: the table and the workgroup answer the very query that the collectors ask."""

import gzip
import json
import uuid

import pytest

from account.conftest import TESTS, until
from account.test_deploy import deploy

ROOT = TESTS.parent
SNAPSHOTS = ROOT / "crates/collectors/src/aws/window/trail_files/snapshots"
ROLE = "arn:aws:iam::111122223333:role/service/victim"


def asked(test):
    """A query as the collectors' own tests hold it."""
    [snapshot] = SNAPSHOTS.glob(f"*__{test}.snap")
    return snapshot.read_text().split("---\n", 2)[2].strip()


def record(number, at, session="billing", role=ROLE, **more):
    return {"eventID": f"event-{number}", "eventTime": at, "eventName": "GetObject", "eventSource": "s3.amazonaws.com",
            "userIdentity": {"type": "AssumedRole", "principalId": f"AROA:{session}",
                             "arn": f"arn:aws:sts::111122223333:assumed-role/victim/{session}",
                             "sessionContext": {"sessionIssuer": {"arn": role}}}, **more}


@pytest.fixture(scope="module", params=["", "o-abcde12345"])
def table(account, request):
    s3, bucket = account.client("s3"), f"trail-{uuid.uuid4().hex[:8]}"
    s3.create_bucket(Bucket=bucket)
    root = f"logs/AWSLogs/{request.param + '/' if request.param else ''}111122223333/CloudTrail"
    for key, records in {
        f"{root}/eu-west-1/2026/01/01/a.json.gz": [record(1, "2026-01-01T22:00:00Z"), record(2, "2026-01-01T21:59:58Z")],
        f"{root}/eu-west-1/2026/01/02/b.json.gz": [record(3, "2026-01-02T02:00:00Z"), record(4, "2026-01-02T02:00:00Z")],
        f"{root}/eu-west-1/2026/01/02/c.json.gz": [record(5, "2026-01-02T02:00:01Z")],
        f"{root}/eu-west-1/2026/01/02/d.json.gz": [record(6, "2026-01-02T00:00:00Z", "other", "arn:aws:iam::111122223333:role/other",
                                                          userIdentity={"type": "Root"})],
        f"{root}/us-east-1/2026/01/02/e.json.gz": [record(7, "2026-01-02T00:00:00Z")],
    }.items():
        s3.put_object(Bucket=bucket, Key=key, Body=gzip.compress(json.dumps({"Records": records}).encode()))
    run = deploy(account, f"coldcase-athena-{uuid.uuid4().hex[:6]}", f"TrailBucket={bucket}", "TrailPrefix=logs/",
                 *([f"OrganisationId={request.param}"] if request.param else []), "FirstDay=2025/01/01", template=ROOT / "infra/athena.yaml")
    assert run.returncode == 0, run.stderr
    return {**json.loads(run.stdout), "root": f"s3://{bucket}/{root}"}


def rows(account, table, query):
    athena = account.client("athena")
    query = query.replace('"coldcase"."trail"', f'"{table["AthenaDatabase"]}"."{table["AthenaTable"]}"')
    id = athena.start_query_execution(QueryString=query, WorkGroup=table["AthenaWorkgroup"])["QueryExecutionId"]

    def status():
        return athena.get_query_execution(QueryExecutionId=id)["QueryExecution"]["Status"]

    until(lambda: status()["State"] not in ("QUEUED", "RUNNING"))
    assert status()["State"] == "SUCCEEDED", status()
    answer = athena.get_query_results(QueryExecutionId=id)["ResultSet"]["Rows"]
    return [[value.get("VarCharValue") for value in row["Data"]] for row in answer][1:]


def test_the_collectors_query_names_the_files_that_hold_any_of_it(account, table):
    query = asked("athena_names_the_files_that_are_read_and_is_asked_once")
    assert rows(account, table, query) == [[f"{table['root']}/eu-west-1/2026/01/01/a.json.gz", "1"],
                                           [f"{table['root']}/eu-west-1/2026/01/02/b.json.gz", "2"]]


def test_no_name_breaks_out_of_the_query(account, table):
    assert rows(account, table, asked("a_query_takes_any_name_as_a_text")) == []


def test_answers_are_private_and_expire(account, table):
    s3, bucket = account.client("s3"), table["AthenaResultsBucket"]
    assert all(s3.get_public_access_block(Bucket=bucket)["PublicAccessBlockConfiguration"].values())
    [rule] = s3.get_bucket_lifecycle_configuration(Bucket=bucket)["Rules"]
    assert rule["Status"] == "Enabled" and rule["Expiration"]["Days"] == 7
