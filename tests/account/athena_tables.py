"""Tables over CloudTrail's delivered files, as Athena reads them: projected partitions, typed columns, `$path`."""

import datetime
import gzip
import json
import os
import re
import tempfile

from ministack.services import athena, glue, s3

CLOUDTRAIL = "com.amazon.emr.cloudtrail.CloudTrailInputFormat"

# What Glue calls a type, and DuckDB.
SCALARS = {"string": "VARCHAR", "varchar": "VARCHAR", "char": "VARCHAR", "boolean": "BOOLEAN", "tinyint": "TINYINT",
           "smallint": "SMALLINT", "int": "INTEGER", "integer": "INTEGER", "bigint": "BIGINT", "float": "FLOAT",
           "double": "DOUBLE", "date": "DATE", "timestamp": "TIMESTAMP"}


class QueryFailed(Exception):
    """Why a query ends as FAILED, in Athena's words."""


def table_of(reference, database: str) -> tuple[str, dict]:
    """(database, table) of a reference in a query."""
    name = reference.database or database or "default"
    table = glue._tables.get(f"{name}/{reference.table}")
    if table is None:
        kind = "TABLE_NOT_FOUND" if name in glue._databases or name == "default" else "SCHEMA_NOT_FOUND"
        what = f"Table 'awsdatacatalog.{name}.{reference.table}'" if kind == "TABLE_NOT_FOUND" else f"Schema '{name}'"
        raise QueryFailed(f"{kind}: {what} does not exist")
    return name, table


def is_cloudtrail(table: dict) -> bool:
    return (table.get("StorageDescriptor") or {}).get("InputFormat") == CLOUDTRAIL


class Relation:
    """What takes a CloudTrail table's place in a query: the records of the partitions that the query asks for."""

    def __init__(self, table: dict, query: str):
        self.table = table
        self.columns = [(column["Name"].lower(), Type(column.get("Type", "string")))
                        for column in table["StorageDescriptor"].get("Columns") or []]
        self.keys = [key["Name"].lower() for key in table.get("PartitionKeys") or []]
        self.bucket, self.prefix, pattern = _layout(table, self.keys)
        wanted = _constraints(query, self.keys)
        projection = _projection(table, self.keys, wanted)
        self.files = []
        for key in sorted((s3._buckets.get(self.bucket) or {"objects": {}})["objects"]):
            found = pattern.match(key)
            if found is None or os.path.basename(key).startswith((".", "_")):
                continue
            values = found.groupdict()
            if all(projection[name](values[name]) and all(fits(values[name]) for fits in wanted.get(name, []))
                   for name in self.keys):
                self.files.append((key, values))
        self.scanned_bytes = sum(s3._buckets[self.bucket]["objects"][key].get("size", 0) for key, _ in self.files)

    def write(self, folder: str) -> str:
        """The relation in DuckDB's SQL, over one file written into a folder."""
        descriptor, path = tempfile.mkstemp(suffix=".json", dir=folder)
        with os.fdopen(descriptor, "w") as rows:
            for key, values in self.files:
                extra = {**values, "$path": f"s3://{self.bucket}/{key}"}
                for record in _records(s3._get_object_data(self.bucket, key), extra["$path"]):
                    lowered = {name.lower(): value for name, value in record.items()}
                    row = {name: type_.convert(lowered.get(name)) for name, type_ in self.columns}
                    rows.write(json.dumps(row | extra) + "\n")
        columns = {**{name: type_.sql for name, type_ in self.columns}, **{key: "VARCHAR" for key in self.keys},
                   "$path": "VARCHAR"}
        spelled = ", ".join(f"{_quoted(name)}: {_quoted(sql)}" for name, sql in columns.items())
        return (f"read_json({_quoted(path)}, format = 'newline_delimited', maximum_object_size = 268435456, "
                f"columns = {{{spelled}}})")


def _quoted(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"


def _records(content: bytes | None, path: str):
    try:
        content = gzip.decompress(content) if path.endswith(".gz") else content
        return json.loads(content)["Records"]
    except (OSError, EOFError, ValueError, KeyError, TypeError) as reason:
        raise QueryFailed(f"HIVE_CURSOR_ERROR: Failed to read file at {path}: {reason}") from None


class Type:
    """A column's type as Glue writes it: string, int, struct<a:string,b:array<string>>, map<string,string>, …"""

    def __init__(self, text: str):
        text = text.strip()
        outer, _, rest = text.partition("<")
        self.kind, inner = outer.strip().lower(), rest.rpartition(">")[0]
        self.members = []
        if self.kind == "struct":
            for part in _split(inner):
                name, _, type_ = part.partition(":")
                self.members.append((name.strip().strip("`").lower(), Type(type_)))
            self.sql = "STRUCT(" + ", ".join(f'"{name}" {type_.sql}' for name, type_ in self.members) + ")"
        elif self.kind == "array":
            self.members = [("", Type(inner))]
            self.sql = self.members[0][1].sql + "[]"
        elif self.kind == "map":
            self.members = [("", Type(part)) for part in _split(inner)]
            self.sql = f"MAP({self.members[0][1].sql}, {self.members[1][1].sql})"
        else:
            self.sql = SCALARS.get(self.kind.partition("(")[0], "VARCHAR")

    def convert(self, value):
        """A JSON value as the SerDe makes it: names in any case, and a string of whatever a string column meets."""
        if value is None:
            return None
        if self.kind == "struct":
            if not isinstance(value, dict):
                return None
            lowered = {name.lower(): item for name, item in value.items()}
            return {name: type_.convert(lowered.get(name)) for name, type_ in self.members}
        if self.kind == "array":
            return [self.members[0][1].convert(item) for item in value] if isinstance(value, list) else None
        if self.kind == "map":
            return {name: self.members[1][1].convert(item) for name, item in value.items()} if isinstance(value, dict) else None
        if self.sql != "VARCHAR" or isinstance(value, str):
            return value
        return json.dumps(value, separators=(",", ":"))


def _split(text: str) -> list[str]:
    """The parts between the commas that are in no inner brackets."""
    parts, depth, begin = [], 0, 0
    for index, character in enumerate(text):
        depth += {"<": 1, ">": -1, "(": 1, ")": -1}.get(character, 0)
        if character == "," and depth == 0:
            parts.append(text[begin:index])
            begin = index + 1
    return [part for part in [*parts, text[begin:]] if part.strip()]


# --- partitions ---------------------------------------------------------------------------------------------------


def _layout(table: dict, keys: list[str]) -> tuple[str, str, re.Pattern]:
    """The bucket, the prefix that all files share, and the pattern that tells a file's partition from its key."""
    parameters = {name.lower(): value for name, value in (table.get("Parameters") or {}).items()}
    location = parameters.get("storage.location.template") or table["StorageDescriptor"]["Location"]
    found = re.fullmatch(r"s3a?://([^/]+)/?(.*)", location)
    if found is None:
        raise QueryFailed(f"HIVE_INVALID_METADATA: no S3 location: {location}")
    bucket, template = found.group(1), found.group(2).rstrip("/")
    if keys and (parameters.get("projection.enabled") != "true" or not all(f"${{{key}}}" in template for key in keys)):
        raise QueryFailed("the local account reads CloudTrail tables by partition projection alone, with every partition key "
                          "in storage.location.template")
    pattern, prefix = "", template.partition("${")[0]
    for piece in re.split(r"(\$\{\w+\})", template):
        name = piece.strip("${}").lower()
        if piece.startswith("${"):
            # A date such as yyyy/MM/dd takes as many folders as its format has.
            depth = parameters.get(f"projection.{name}.format", "").count("/")
            pattern += f"(?P<{name}>[^/]+" + "/[^/]+" * depth + ")"
        else:
            pattern += re.escape(piece)
    return bucket, prefix, re.compile(pattern + (r"/[^/]+" if keys else "/.+") + r"\Z")


def _projection(table: dict, keys: list[str], wanted: dict) -> dict:
    """Whether a value is one of those that each key is projected to."""
    parameters = {name.lower(): value for name, value in (table.get("Parameters") or {}).items()}
    tests = {}
    for key in keys:
        kind = parameters.get(f"projection.{key}.type", "").strip().lower()
        if kind == "enum":
            tests[key] = parameters[f"projection.{key}.values"].split(",").__contains__
        elif kind == "date":
            tests[key] = _date_test(parameters, key)
        elif kind == "integer":
            low, high = (int(bound) for bound in parameters[f"projection.{key}.range"].split(","))
            tests[key] = lambda value, low=low, high=high: value.isdigit() and low <= int(value) <= high
        elif kind == "injected":
            if not any(getattr(test, "equality", False) for test in wanted.get(key, [])) or not all(
                    getattr(test, "equality", False) for test in wanted[key]):
                raise QueryFailed(f"CONSTRAINT_VIOLATION: Injected projected partition column {key} must have only (and at "
                                  "least one) equality conditions in the WHERE clause!")
            tests[key] = lambda value: True
        else:
            raise QueryFailed(f"INVALID_TABLE_PROPERTY: projection.{key}.type is {kind!r}")
    return tests


def _date_test(parameters: dict, key: str):
    spelled = parameters.get(f"projection.{key}.format", "")
    strptime = spelled.replace("yyyy", "%Y").replace("MM", "%m").replace("dd", "%d").replace("HH", "%H")
    low, high = (_bound(bound.strip(), strptime) for bound in parameters[f"projection.{key}.range"].split(","))

    def test(value: str) -> bool:
        try:
            return low <= datetime.datetime.strptime(value, strptime) <= high
        except ValueError:
            return False
    return test


def _bound(text: str, strptime: str) -> datetime.datetime:
    """A bound of a date range: a date in the key's format, or NOW with some years, months or days added or taken away."""
    relative = re.fullmatch(r"NOW\s*(?:([+-])\s*(\d+)\s*(YEAR|MONTH|WEEK|DAY|HOUR|MINUTE|SECOND)S?)?", text, re.I)
    if relative is None:
        return datetime.datetime.strptime(text, strptime)
    now = datetime.datetime.now(datetime.timezone.utc).replace(tzinfo=None)
    if not relative.group(1):
        return now
    days = {"YEAR": 365, "MONTH": 30, "WEEK": 7, "DAY": 1, "HOUR": 1 / 24, "MINUTE": 1 / 1440, "SECOND": 1 / 86400}
    change = datetime.timedelta(days=int(relative.group(2)) * days[relative.group(3).upper()])
    return now + change if relative.group(1) == "+" else now - change


def _constraints(query: str, keys: list[str]) -> dict[str, list]:
    """What the query demands of its partitions: the conditions on a key alone that its WHERE joins by AND.

    Others, and all of a WHERE with an OR outside of brackets, stay with DuckDB and prune nothing.
    """
    tokens = [(kind, text) for kind, text, _, _ in athena._sql_tokens(query)]
    begin = next((index for index, token in enumerate(tokens) if token == ("name", "where")), None)
    if begin is None:
        return {}
    conditions, current, depth, between = [], [], 0, False
    for kind, text in tokens[begin + 1:]:
        depth += (text == "(") - (text == ")") if kind == "punct" else 0
        if depth < 0 or depth == 0 and kind == "name" and text in ("group", "order", "limit", "having", "union"):
            break
        if depth == 0 and (kind, text) == ("name", "or"):
            return {}
        if depth == 0 and (kind, text) == ("name", "and") and not between:
            conditions.append(current)
            current = []
            continue
        between = text == "between" and kind == "name" or between and (kind, text) != ("name", "and")
        current.append((kind, text))
    found: dict[str, list] = {}
    for condition in [*conditions, current]:
        key, test = _constraint(condition, keys)
        if test:
            found.setdefault(key, []).append(test)
    return found


def _constraint(condition: list, keys: list[str]):
    while condition and condition[0] == ("punct", "(") and condition[-1] == ("punct", ")"):
        condition = condition[1:-1]
    if not condition or condition[0][0] not in ("name", "qname") or condition[0][1].lower() not in keys:
        return "", None
    key, rest = condition[0][1].lower(), condition[1:]
    words = "".join(text for kind, text in rest if kind != "str")
    values = [text[1:-1].replace("''", "'") for kind, text in rest if kind == "str"]
    if words == "=" and len(values) == 1 or re.fullmatch(r"in\(,*\)", words):
        test = values.__contains__
        equal = _Equality(test)
        return key, equal
    if words == "betweenand" and len(values) == 2:
        return key, lambda value: values[0] <= value <= values[1]
    compare = {">=": lambda value: value >= values[0], "<=": lambda value: value <= values[0],
               ">": lambda value: value > values[0], "<": lambda value: value < values[0]}.get(words)
    return (key, compare) if compare and len(values) == 1 else ("", None)


class _Equality:
    """A condition that names its values, as injected keys need it."""

    equality = True

    def __init__(self, test):
        self._test = test

    def __call__(self, value: str) -> bool:
        return self._test(value)
