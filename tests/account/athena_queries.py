"""Athena's queries: whose permissions they take, what they scan, where their results go and how they are paged."""

import asyncio
import base64
import contextvars
import csv
import io
import json
import tempfile
from urllib.parse import urlparse

from ministack import app
from ministack.core import iam_evaluator
from ministack.core.responses import error_response_json, get_account_id, get_region, json_response
from ministack.core.router import extract_access_key_id
from ministack.services import athena, s3

from account.athena_tables import QueryFailed, Relation, is_cloudtrail, table_of

ROWS = 1000
RUNNING_SECONDS = 0.2  # long enough for a caller to meet a query that runs

_caller: contextvars.ContextVar[str] = contextvars.ContextVar("account_athena_caller", default="")
_query_id: contextvars.ContextVar[str] = contextvars.ContextVar("account_athena_query", default="")
_tokens: dict[tuple, tuple[str, str]] = {}  # (account, Region, client token) → (query id, query)


def apply() -> None:
    """Replaces MiniStack's functions by name; DuckDB stays the engine."""
    original = app.SERVICE_HANDLERS["athena"]

    async def handle(method, path, headers, body, query_params):
        _caller.set(extract_access_key_id(headers, query_params))
        return await original(method, path, headers, body, query_params)

    app.SERVICE_HANDLERS["athena"] = handle
    athena._start_query_execution = _start(athena._start_query_execution)
    athena._execute_query = _execute(athena._execute_query)
    athena._rewrite_data_paths = _with_tables(athena._rewrite_data_paths)
    athena._rewrite_s3_paths = lambda query: query
    athena._save_query_results = _save
    athena._get_query_results = get_query_results


def _may(action: str, arn: str) -> bool:
    """Whether the caller of the query may do what Athena does in the caller's name."""
    if not app.AUTH:
        return True
    service = action.partition(":")[0]
    return iam_evaluator.enforce(_caller.get(), action, service, get_region(), resource_arn=arn, service_context={
        "aws:calledvia": "athena.amazonaws.com"}) is None


# --- starting -----------------------------------------------------------------------------------------------------


def _start(original):
    def start(parameters):
        name = parameters.get("WorkGroup") or "primary"
        workgroup = athena._workgroups.get(name)
        if workgroup is None:
            return error_response_json("InvalidRequestException", f"WorkGroup {name} is not found.", 400)
        if workgroup["State"] != "ENABLED":
            return error_response_json("InvalidRequestException", f"WorkGroup {name} is disabled.", 400)
        token = (get_account_id(), get_region(), parameters.get("ClientRequestToken"))
        if token[2] and token in _tokens:
            known, query = _tokens[token]
            if query != parameters.get("QueryString"):
                return error_response_json("InvalidRequestException", "Idempotent parameters do not match", 400)
            return json_response({"QueryExecutionId": known})
        configuration = workgroup.get("Configuration") or {}
        location = (parameters.get("ResultConfiguration") or {}).get("OutputLocation")
        # On AWS a workgroup enforces its own settings unless it was told not to.
        own = (configuration.get("ResultConfiguration") or {}).get("OutputLocation")
        if own and (str(configuration.get("EnforceWorkGroupConfiguration", True)).lower() == "true" or not location):
            location = own
        if location:
            bucket = urlparse(location).netloc
            if bucket not in s3._buckets or not _may("s3:GetBucketLocation", f"arn:aws:s3:::{bucket}"):
                return error_response_json("InvalidRequestException", f"Unable to verify/create output bucket {bucket}", 400)
            parameters = {**parameters, "ResultConfiguration": {
                **(parameters.get("ResultConfiguration") or {}), "OutputLocation": location.rstrip("/") + "/"}}
        reply = original({**parameters, "WorkGroup": name})
        if reply[0] < 300 and token[2]:
            _tokens[token] = json.loads(reply[2])["QueryExecutionId"], parameters.get("QueryString")
        return reply
    return start


def _execute(original):
    async def execute(query_id, query, database, ddl, catalog=None):
        _query_id.set(query_id)
        execution = athena._executions[query_id]
        await asyncio.sleep(RUNNING_SECONDS)
        if execution["Status"]["State"] == "CANCELLED":
            return
        await original(query_id, query, database, ddl, catalog)
        # MiniStack takes the rows answered for the data scanned.
        execution["Statistics"]["DataScannedInBytes"] = execution.get("_scanned", 0)
        if execution.get("_cut_off"):
            execution["Status"] |= {"State": "CANCELLED", "StateChangeReason": "Bytes scanned limit was exceeded"}
    return execute


# --- tables -------------------------------------------------------------------------------------------------------


def _with_tables(original):
    """Puts the records of CloudTrail's files in place of their tables; MiniStack does so with the others."""
    async def rewrite(query, database, catalog=None):
        execution = athena._executions[_query_id.get()]
        limit = (athena._workgroups[execution["WorkGroup"]].get("Configuration") or {}).get("BytesScannedCutoffPerQuery")
        edits, folder = [], None
        for reference in athena._table_references(query):
            if reference.table.startswith("read_"):
                continue
            name, table = table_of(reference, database)
            _require_catalog(name, reference.table)
            if not is_cloudtrail(table):
                continue
            relation = Relation(table, query)
            _require_data(relation)
            execution["_scanned"] = execution.get("_scanned", 0) + relation.scanned_bytes
            if limit and execution["_scanned"] > int(limit):
                execution["_cut_off"] = True
                raise QueryFailed("Bytes scanned limit was exceeded")
            folder = folder or tempfile.mkdtemp(prefix="athena-")
            written = await asyncio.to_thread(contextvars.copy_context().run, relation.write, folder)
            edits.append((reference.start, reference.end, written + ("" if reference.aliased else f' AS "{reference.table}"')))
            if not reference.aliased:
                edits.extend(athena._qualified_column_prefixes(query, name, reference.table, edits[-1]))
        for start, end, text in sorted(set(edits), reverse=True):
            query = query[:start] + text + query[end:]
        rewritten, buckets, folders = await original(query, database, catalog)
        return rewritten, buckets, [*folders, *([folder] if folder else [])]
    return rewrite


def _require_catalog(database: str, table: str) -> None:
    prefix = f"arn:aws:glue:{get_region()}:{get_account_id()}"
    for action, arns in (("glue:GetDatabase", ("catalog", f"database/{database}")),
                         ("glue:GetTable", ("catalog", f"database/{database}", f"table/{database}/{table}"))):
        for arn in arns:
            if not _may(action, f"{prefix}:{arn}"):
                raise QueryFailed(f"Insufficient permissions to execute the query. User: {iam_evaluator.caller_arn()} is not "
                                  f"authorized to perform: {action} on resource: {prefix}:{arn} because no identity-based "
                                  f"policy allows the {action} action")


def _require_data(relation: Relation) -> None:
    refused = None if _may("s3:ListBucket", f"arn:aws:s3:::{relation.bucket}") else relation.prefix
    if refused is None:
        refused = next((key for key, _ in relation.files
                        if not _may("s3:GetObject", f"arn:aws:s3:::{relation.bucket}/{key}")), None)
    if refused is not None:
        raise QueryFailed(f"PERMISSION_DENIED: Permission denied on S3 path: s3://{relation.bucket}/{refused}")


# --- results ------------------------------------------------------------------------------------------------------


async def _save(query_id: str) -> None:
    """Writes QUERYID.csv, every value in quotes, and its metadata, as the caller."""
    execution = athena._executions[query_id]
    location = urlparse(execution["ResultConfiguration"]["OutputLocation"])
    key = location.path.lstrip("/")
    if not _may("s3:PutObject", f"arn:aws:s3:::{location.netloc}/{key}"):
        raise QueryFailed(f"Access denied when writing output to url: s3://{location.netloc}/{key} . Please ensure you are "
                          "allowed to access the S3 bucket.")
    results, text = execution["_results"], io.StringIO()
    writer = csv.writer(text, quoting=csv.QUOTE_ALL, lineterminator="\n")
    writer.writerow(results["columns"])
    for row in results["rows"]:
        writer.writerow(["" if value is None else athena._datum_text(value) for value in row])
    metadata = json.dumps({"columns": results["columns"], "types": execution["_column_types"]})
    for name, content in ((key, text.getvalue()), (f"{key}.metadata", metadata)):
        reply = s3._put_object(location.netloc, name, content.encode(), {"content-type": "application/octet-stream"})
        if reply[0] >= 300:
            raise QueryFailed(f"An error occurred while writing to S3: {reply[2]!r}")


def get_query_results(parameters: dict) -> tuple:
    """A page of at most 1,000 rows, the header of a SELECT being the first of them."""
    execution = athena._executions.get(parameters.get("QueryExecutionId"))
    if execution is None:
        return error_response_json("InvalidRequestException",
                                   f"QueryExecution {parameters.get('QueryExecutionId')} was not found", 400)
    state = execution["Status"]["State"]
    if state in ("QUEUED", "RUNNING"):
        return error_response_json("InvalidRequestException", f"Query has not yet finished. Current state: {state}", 400)
    if state != "SUCCEEDED":
        return error_response_json("InvalidRequestException",
                                   f"Query did not finish successfully. Final query state: {state}", 400)
    size = parameters.get("MaxResults", ROWS)
    if not isinstance(size, int) or not 1 <= size <= ROWS:
        return error_response_json("InvalidRequestException", f"MaxResults is more than maximum allowed length {ROWS}.", 400)
    results, types = execution["_results"], execution["_column_types"]
    rows = list(results["rows"])
    if execution["StatementType"] == "DML":
        rows.insert(0, results["columns"])
    begin = 0
    if token := parameters.get("NextToken"):
        try:
            query_id, begin = json.loads(base64.b64decode(token))
        except ValueError:
            query_id = None
        if query_id != execution["QueryExecutionId"]:
            return error_response_json("InvalidRequestException", "Next token is invalid", 400)
    spelled = [{"Data": [{} if value is None else {"VarCharValue": athena._datum_text(value)} for value in row]}
               for row in rows[begin:begin + size]]
    columns = []
    for name, kind in zip(results["columns"], types):
        precision, scale = athena._type_precision_scale(kind)
        columns.append({"CatalogName": "hive", "SchemaName": "", "TableName": "", "Name": name, "Label": name, "Type": kind,
                        "Precision": precision or (2147483647 if kind == "varchar" else 0), "Scale": scale,
                        "Nullable": "UNKNOWN", "CaseSensitive": kind == "varchar"})
    answer = {"UpdateCount": 0, "ResultSet": {"Rows": spelled, "ResultSetMetadata": {"ColumnInfo": columns}}}
    if begin + size < len(rows):
        answer["NextToken"] = base64.b64encode(json.dumps([execution["QueryExecutionId"], begin + size]).encode()).decode()
    return json_response(answer)
