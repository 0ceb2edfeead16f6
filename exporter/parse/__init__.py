"""Parsing: bytes of a log become numpy columns, by DuckDB.

From outside: ``FieldPaths`` collects the requested fields, ``Parser`` selects them, ``sql.py`` has expressions.
"""
