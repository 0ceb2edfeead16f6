"""Measuring: from the summaries of windows to gauges, one layer a file.

From outside: ``measurement.Measurement`` exports all gauges of a version, layer by layer; ``meta`` those about the
measuring itself; ``exposition`` renders snapshots. A layer is a function ``export`` of the ``WindowSummaries`` in
``gauges``.
"""
