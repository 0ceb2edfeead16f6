"""Baseline of data that no single machine reads: the rows stay with Spark, all else is ``exporter.references.baseline``."""
