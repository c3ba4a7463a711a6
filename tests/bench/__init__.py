"""coldcase beside others that do the same: a Python responder; for the trail engine, in trail/, DuckDB and gzip."""
