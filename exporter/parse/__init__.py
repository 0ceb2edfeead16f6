"""Bytes of a log become numpy columns, by DuckDB: field paths, SQL, the JSON parser."""
