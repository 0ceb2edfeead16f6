"""The gate: one batch of data judged against expectations, the reference, and the limits of ModelSLO files.

From outside: ``judge`` reads and measures a batch and returns the ``Verdict`` and the page, ``append`` and
``SlackReceiver`` tell others.
"""

from exporter.gate.audit import append
from exporter.gate.judge import judge
from exporter.gate.notify import SlackReceiver
from exporter.gate.verdict import Verdict, as_markdown, as_table

__all__ = ["SlackReceiver", "Verdict", "append", "as_markdown", "as_table", "judge"]
