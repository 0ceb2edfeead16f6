"""Files of a machine, and standard input: which there are, what each is known by, how far it was read.

From outside: ``FileSink``, ``StandardInput``; of one file ``TrackedFile``; ``matches`` of a glob.
"""

from exporter.sinks.files.file import FileSink
from exporter.sinks.files.listing import matches
from exporter.sinks.files.standard_input import StandardInput
from exporter.sinks.files.tracked import NOT_WHOLE, TrackedFile

__all__ = ["NOT_WHOLE", "FileSink", "StandardInput", "TrackedFile", "matches"]
