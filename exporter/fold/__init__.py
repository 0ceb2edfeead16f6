"""Folding: decoded rows become summaries by version, segment and time bucket.

From outside: ``Ingestion`` takes batches, ``VersionSchemas`` says what is counted of each version.
"""
