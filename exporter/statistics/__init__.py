"""Statistics: pure functions of summaries and counts, one statistic with its kin a file.

A file holds the value and, where there is one, its noise level. Each returns None where its value is not defined; each
docstring names the source and the bound. ``exporter.measure.drift`` lists those that compare a view with a reference.
"""
