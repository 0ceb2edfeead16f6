"""Spark: the same fold and the same reference, where the logs outgrow one machine.

From outside: ``session``, which every command with ``--engine spark`` opens. Nothing else imports pyspark.
"""
