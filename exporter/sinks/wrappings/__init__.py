"""Records taken out of what container runtimes and loggers write around them: Docker, CRI, a prefix, logfmt.

From outside: ``unwrap`` takes a chunk of a log, ``record_of`` a line of it.
"""

from exporter.sinks.wrappings.chunk import Unwrapped, is_plain, unwrap, unwrapped_sample
from exporter.sinks.wrappings.container import record_of

__all__ = ["Unwrapped", "is_plain", "record_of", "unwrap", "unwrapped_sample"]
