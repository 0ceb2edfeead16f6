"""The gate: one batch of data judged against expectations, the reference, and the limits of ModelSLO files.

From outside: ``open_batch`` reads and measures it, ``expectations`` and the two of ``limits`` yield checks, ``Verdict``
is the result, ``append`` and ``send`` tell others.
"""

from exporter.gate.audit import append, digest_of
from exporter.gate.batch import Batch, open_batch
from exporter.gate.downloads import downloaded
from exporter.gate.expectations import expectations
from exporter.gate.limits import Limit, of_reference, of_slos
from exporter.gate.notify import SlackReceiver, send
from exporter.gate.verdict import Check, NotJudged, Verdict, as_markdown, as_table

__all__ = [
    "Batch",
    "Check",
    "Limit",
    "NotJudged",
    "SlackReceiver",
    "Verdict",
    "append",
    "as_markdown",
    "as_table",
    "digest_of",
    "downloaded",
    "expectations",
    "of_reference",
    "of_slos",
    "open_batch",
    "send",
]
