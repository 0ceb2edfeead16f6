"""Log sinks: a file or a room for each kind, and the reader that commits their batches one by one.

From outside: ``SinkReader``, ``open_sink``, and of the contract ``Batch``, ``Sample`` and ``SinkError``. A new sink is
a file or a room with a ``LogSink``, and a line in ``SINKS`` of ``reader.py``.
"""

from exporter.sinks.reader import SinkReader, open_sink
from exporter.sinks.sink import Batch, Sample, SinkError

__all__ = ["Batch", "Sample", "SinkError", "SinkReader", "open_sink"]
