"""The resource that IAM judges a call on, for CloudWatch Logs, Athena, Glue and X-Ray."""

from ministack.core import iam_actions, iam_evaluator
from ministack.core.responses import get_account_id
from ministack.services import athena

from account import operations


def apply() -> None:
    """After permissions, whose functions these stand in front of."""
    iam_actions.extract_resource_arn = _extract(iam_actions.extract_resource_arn)
    iam_evaluator.enforce = _enforce(iam_evaluator.enforce)


def _extract(original):
    def extract(service, method, path, headers, body, query_params, region, account_id):
        if service in FINDERS:
            found = operations.read_request(service, method, path, headers, query_params, body)
            if found and (arn := FINDERS[service](found.name, found.parameters, f"arn:aws:{service}:{region}:{account_id}")):
                return arn
        return original(service, method, path, headers, body, query_params, region, account_id)
    return extract


def _log_group(name: str, parameters: dict, prefix: str) -> str | None:
    """A group with the `:log-stream:` that the service's own messages show: a policy names `log-group:NAME:*`."""
    if name in ("TagResource", "UntagResource", "ListTagsForResource") or "Delivery" in name or "Destination" in name:
        return None
    if name in ("GetQueryResults", "StopQuery", "DescribeQueries", "GetLogRecord"):
        return "*"
    if name == "DescribeLogGroups":
        return f"{prefix}:log-group::log-stream:"
    groups = [parameters.get("logGroupName"), parameters.get("logGroupIdentifier"),
              *(parameters.get("logGroupNames") or []), *(parameters.get("logGroupIdentifiers") or [])]
    group = next((group for group in groups if group), None)
    if group is None:
        return None
    if group.startswith("arn:"):
        group = group.partition(":log-group:")[2].removesuffix(":*")
    stream = parameters.get("logStreamName", "") if name in (
        "GetLogEvents", "PutLogEvents", "CreateLogStream", "DeleteLogStream") else ""
    return f"{prefix}:log-group:{group}:log-stream:{stream}"


def _workgroup(name: str, parameters: dict, prefix: str) -> str | None:
    if name.startswith("List") and name in ("ListWorkGroups", "ListDataCatalogs"):
        return "*"
    if "DataCatalog" in name or "Database" in name or "TableMetadata" in name:
        return f"{prefix}:datacatalog/{parameters.get('CatalogName') or parameters.get('Name', '')}"
    workgroup = parameters.get("WorkGroup") or (parameters.get("Name") if name == "CreateWorkGroup" else None)
    if workgroup is None and (execution := athena._executions.get(parameters.get("QueryExecutionId") or "")):
        workgroup = execution["WorkGroup"]
    return f"{prefix}:workgroup/{workgroup or 'primary'}"


def _catalog(name: str, parameters: dict, prefix: str) -> str | None:
    """The innermost of table, database and catalog; the outer ones are asked as well."""
    if "DatabaseName" in parameters and (table := parameters.get("TableName") or (
            parameters.get("Name") if name in ("GetTable", "DeleteTable") else None)
            or (parameters.get("TableInput") or {}).get("Name")):
        return f"{prefix}:table/{parameters['DatabaseName']}/{table}"
    if "Database" in name or "DatabaseName" in parameters:
        database = parameters.get("DatabaseName") or parameters.get("Name") or (parameters.get("DatabaseInput") or {}).get("Name")
        return f"{prefix}:database/{database}" if database else f"{prefix}:catalog"
    return None


def _anything(name: str, parameters: dict, prefix: str) -> str:
    return "*"


FINDERS = {"logs": _log_group, "athena": _workgroup, "glue": _catalog, "xray": _anything}


def _enforce(original):
    """Whoever reads a table needs the permission on its database and on the catalog as well."""
    def enforce(access_key_id, iam_action, service, region, resource_arn="*", service_context=None):
        arns = [resource_arn]
        if service == "glue" and (":table/" in resource_arn or ":database/" in resource_arn):
            prefix = f"arn:aws:glue:{region}:{get_account_id()}"
            if ":table/" in resource_arn:
                arns.append(f"{prefix}:database/{resource_arn.partition(':table/')[2].partition('/')[0]}")
            arns.append(f"{prefix}:catalog")
        for arn in arns:
            if refused := original(access_key_id, iam_action, service, region, resource_arn=arn, service_context=service_context):
                return refused
        return None
    return enforce
