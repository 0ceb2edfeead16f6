"""Records: log records become columns, by the field mapping of the monitor file.

DuckDB parses the JSON; what comes out of it is numbers wherever possible (times, codes of categories, hashes of
ids), so that no Python object is made per value.

From outside: ``PredictionDecoder`` and ``LabelDecoder``, what they are asked for (``RequestedFields``, ``FeatureSet``)
and what they return (``columns.py``).
"""
