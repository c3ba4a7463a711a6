"""DuckDB's side, a process of its own: the records of one role, out of the trail files of a folder, into a file one a line.

The forms all give the same records. They differ in how DuckDB is asked; which is the quickest is found out by trying.
Without `auto_detect=false` each of them takes up to ten times as long.
"""

import argparse
import glob
import json
import time

# Its default; an object may not be larger, and a trail file is one object.
SMALLEST_LIMIT = 16 << 20


def plain(files: list[str], role: str, limit: int) -> str:
    return _select(files, limit, _issued_by(role))


def contains(files: list[str], role: str, limit: int) -> str:
    """Looks for the ARN as text first."""
    return _select(files, limit, _may_be_of(role))


def list_filter(files: list[str], role: str, limit: int) -> str:
    """Sieves each file's list before it becomes rows."""
    return f"SELECT unnest(list_filter(Records, lambda r: {_may_be_of(role)})) FROM {_read(files, limit)}"


def halves(files: list[str], role: str, limit: int) -> str:
    """As `contains`, over the files dealt out in two hands."""
    return " UNION ALL ".join(contains(half, role, limit) for half in (files[::2], files[1::2]) if half)


FORMS = {form.__name__: form for form in (plain, contains, list_filter, halves)}


def _select(files: list[str], limit: int, condition: str) -> str:
    return f"SELECT r FROM (SELECT unnest(Records) AS r FROM {_read(files, limit)}) WHERE {condition}"


def _read(files: list[str], limit: int) -> str:
    names = "[" + ", ".join(map(_text, files)) + "]"
    return (f"read_json({names}, columns = {{Records: 'JSON[]'}}, format = 'unstructured', records = true, "
            f"auto_detect = false, maximum_object_size = {limit})")


def _issued_by(role: str) -> str:
    return f"r->>'$.userIdentity.sessionContext.sessionIssuer.arn' = {_text(role)}"


def _may_be_of(role: str) -> str:
    return f"contains(r::VARCHAR, {_text(role)}) AND {_issued_by(role)}"


def _text(value: str) -> str:
    return "'" + value.replace("'", "''") + "'"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder")
    parser.add_argument("role")
    parser.add_argument("form", choices=FORMS)
    parser.add_argument("output")
    parser.add_argument("--largest-bytes", type=int, default=0)
    parser.add_argument("--threads", type=int, default=2)
    options = parser.parse_args()
    # Here, so that --help needs nothing, and because this, too, is what a process has to do.
    import duckdb

    files = sorted(glob.glob(f"{options.folder}/**/*.json.gz", recursive=True))
    limit = max(SMALLEST_LIMIT, options.largest_bytes + 1)
    query = FORMS[options.form](files, options.role, limit)
    # The order of the records is not asked for; without it DuckDB is freer.
    connection = duckdb.connect(config={"threads": options.threads, "preserve_insertion_order": False})
    began = time.perf_counter()
    # A record as it is, one a line: no quotes, and a separator that no JSON text holds.
    connection.execute(f"COPY ({query}) TO {_text(options.output)} (FORMAT csv, HEADER false, QUOTE '', ESCAPE '', DELIMITER '\x01')")
    print(json.dumps({"query_seconds": time.perf_counter() - began}))


if __name__ == "__main__":
    main()
