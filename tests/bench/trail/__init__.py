"""The trail engine beside DuckDB and beside decompression alone, over the same generated trail files."""
