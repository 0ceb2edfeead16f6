"""Log sinks: one file per kind, and the reader that commits their batches one by one.

From outside: ``SinkReader``, ``open_sink``, and of the contract ``Batch`` and ``SinkError``. A new sink is a file with
a ``LogSink`` and a line in ``SINKS`` of ``reader.py``.
"""

from exporter.sinks.reader import SinkReader, open_sink
from exporter.sinks.sink import Batch, SinkError

__all__ = ["Batch", "SinkError", "SinkReader", "open_sink"]
