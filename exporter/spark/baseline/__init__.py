"""Baseline of data that no single machine reads: rows are with Spark, all else is that of one machine."""
