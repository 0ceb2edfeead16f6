"""Inbox: events that came over HTTP, durable until they are counted.

From outside: ``Inbox``, to which the receiver writes, ``InboxReader`` of the push sink, each in a process of its own,
and where they are. It imports nothing heavy: the receiver is a small process.
"""

from exporter.inbox.inbox import Event, Inbox, InboxError, Request, Taken, checkpoint, set_aside
from exporter.inbox.reading import INBOXES, InboxReader, inbox_folder, inbox_path

__all__ = [
    "INBOXES",
    "Event",
    "Inbox",
    "InboxError",
    "InboxReader",
    "Request",
    "Taken",
    "checkpoint",
    "inbox_folder",
    "inbox_path",
    "set_aside",
]
