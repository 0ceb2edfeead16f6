"""Drafts of ModelMonitor files, from what a log holds.

From outside: ``draft`` looks at a log and returns a ``Draft``, the text of the file and what is to be said of it.
"""

from exporter.drafts.monitor_draft import Draft, draft

__all__ = ["Draft", "draft"]
