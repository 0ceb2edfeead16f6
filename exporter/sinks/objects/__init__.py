"""Objects of a bucket, found by their keys, and remembered by place and version.

From outside: ``ObjectsSink``.
"""

from exporter.sinks.objects.sink import ObjectsSink

__all__ = ["ObjectsSink"]
