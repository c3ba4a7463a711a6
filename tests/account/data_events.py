"""Records of calls on data: objects, invocations, items. Written only where a trail's selectors ask for them."""

import re
import uuid
from urllib.parse import unquote
from xml.sax.saxutils import unescape

from account import operations, records
from account.event_selectors import DATA_TYPES

CLOUDTRAIL_NAMES = {"Invoke": "Invoke", "InvokeAsync": "Invoke", "InvokeWithResponseStream": "InvokeWithResponseStream"}
DYNAMODB_KEPT = ("TableName", "IndexName", "KeyConditionExpression", "FilterExpression", "ConditionExpression",
                 "UpdateExpression", "ProjectionExpression", "ConsistentRead", "Limit", "ReturnValues", "Statement")


def service_of(service: str, method: str, path: str) -> str | None:
    """The service whose bulk data a request moves: its bodies are not kept. None for every other request."""
    if service == "s3" and path.strip("/").count("/"):
        return "s3"
    return "lambda" if service == "lambda" and "invocations" in path else None


def keeps_body(method: str, query: dict) -> bool:
    """DeleteObjects names what it deletes in its body alone."""
    return method == "POST" and "delete" in query


def written(operation, call, details: dict) -> list[dict]:
    """The records of one call on data; empty for services whose data events nobody asks for here."""
    if operation.service not in DATA_TYPES:
        return []
    error = _error(operation, call)
    record = records.record(operation, {"Error": error} if error else {}, **details)
    record.update(managementEvent=False, eventCategory="Data", requestParameters=None, responseElements=None)
    return {"s3": _s3, "lambda": _lambda, "dynamodb": _dynamodb}[operation.service](operation, call, record)


def _error(operation, call) -> dict | None:
    if call.status < 300:
        return None
    error = operations.read_reply(operation, call.status, call.reply_headers, b"".join(call.reply)).get("Error", {})
    # The answer to a HEAD has no body that could say more.
    code = {"404": "NoSuchKey", "403": "AccessDenied"}.get(error.get("Code"), error.get("Code", str(call.status)))
    return {**error, "Code": code}


def _s3(operation, call, record: dict) -> list[dict]:
    account, bucket = record["recipientAccountId"], unquote(operation.parameters.get("Bucket", ""))
    key = operation.parameters.get("Key")
    record["requestParameters"] = records._s3_parameters(operation, call.headers.get("host", ""))
    for name in ("x-amz-server-side-encryption", "x-amz-copy-source", "x-amz-acl", "x-amz-object-lock-mode"):
        if name in call.headers:
            record["requestParameters"][name] = call.headers[name]
    if not record["readOnly"]:
        record["responseElements"] = {name: value for name, value in call.reply_headers.items() if name in (
            "x-amz-server-side-encryption", "x-amz-version-id", "x-amz-delete-marker")} or None
    record["additionalEventData"] = {
        "SignatureVersion": "SigV4", "AuthenticationMethod": "QueryString" if "X-Amz-Signature" in call.query else "AuthHeader",
        "bytesTransferredIn": call.received, "bytesTransferredOut": call.sent}
    of_bucket = {"accountId": account, "type": "AWS::S3::Bucket", "ARN": f"arn:aws:s3:::{bucket}"}
    record["resources"] = [{"type": "AWS::S3::Object", **({"ARN": f"arn:aws:s3:::{bucket}/{key}"} if key is not None else
                                                          {"ARNPrefix": f"arn:aws:s3:::{bucket}/"})}, of_bucket]
    if operation.name != "DeleteObjects":
        return [record]
    # The batch, and a record for each object that it deleted.
    record["requestParameters"].pop("Delete", None)
    keys = re.findall(rb"<Key>(.*?)</Key>", b"".join(call.body)) if call.status < 300 else []
    names = [unescape(name.decode(errors="replace")) for name in keys]
    return [record] + [{**record, "eventName": "DeleteObject", "eventID": str(uuid.uuid4()),
                        "requestParameters": {"bucketName": bucket, "key": name, "Host": call.headers.get("host", "")},
                        "resources": [{"type": "AWS::S3::Object", "ARN": f"arn:aws:s3:::{bucket}/{name}"}, of_bucket]}
                       for name in names]


def _lambda(operation, call, record: dict) -> list[dict]:
    written_name, region = operation.parameters.get("FunctionName", ""), record["awsRegion"]
    parts = written_name.split(":")
    named = re.search(r"function:([^:]+)(?::(.+))?$", written_name)
    name, qualifier = named.groups() if named else (parts[0], parts[1] if len(parts) > 1 else None)
    qualifier = operation.parameters.get("Qualifier") or qualifier
    arn = f"arn:aws:lambda:{region}:{record['recipientAccountId']}:function:{name}"
    record["eventName"] = CLOUDTRAIL_NAMES.get(operation.name, operation.name)
    record["readOnly"] = False
    record["requestParameters"] = {
        "functionName": arn, "invocationType": call.headers.get("x-amz-invocation-type", "RequestResponse"),
        **({"qualifier": qualifier} if qualifier else {}),
        **({"contentType": call.headers["content-type"]} if "content-type" in call.headers else {})}
    version = call.reply_headers.get("x-amz-executed-version", qualifier or "$LATEST")
    record["additionalEventData"] = {"functionVersion": f"{arn}:{version}"}
    record["resources"] = [{"accountId": record["recipientAccountId"], "type": "AWS::Lambda::Function", "ARN": arn}]
    return [record]


def _dynamodb(operation, call, record: dict) -> list[dict]:
    """Keys are told, other attributes only by their names."""
    parameters = operation.parameters
    told = {name[:1].lower() + name[1:]: parameters[name] for name in DYNAMODB_KEPT if name in parameters}
    tables = [parameters["TableName"]] if "TableName" in parameters else [
        *(parameters.get("RequestItems") or {}),
        *(next(iter(item.values()), {}).get("TableName", "") for item in parameters.get("TransactItems") or ())]
    if "Key" in parameters:
        told["key"] = _plain(parameters["Key"])
    elif "Item" in parameters:
        told["key"] = _plain({name: parameters["Item"][name] for name in _key_names(call, parameters.get("TableName", ""))
                              if name in parameters["Item"]})
        told["items"] = list(parameters["Item"])
    record["requestParameters"] = told or None
    record["resources"] = [{"accountId": record["recipientAccountId"], "type": "AWS::DynamoDB::Table",
                            "ARN": name if name.startswith("arn:") else
                            f"arn:aws:dynamodb:{record['awsRegion']}:{record['recipientAccountId']}:table/{name}"}
                           for name in dict.fromkeys(filter(None, tables))]
    return [record]


def _plain(item: dict) -> dict:
    return {name: next(iter(value.values()), None) if isinstance(value, dict) else value for name, value in item.items()}


def _key_names(call, table: str) -> list[str]:
    from ministack.core.responses import request_scope
    from ministack.services import dynamodb
    with request_scope(call.account, call.region):
        return [key["AttributeName"] for key in (dynamodb._tables.get(table.rpartition("/")[2]) or {}).get("KeySchema", ())]
