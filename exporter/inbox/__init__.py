"""Inbox: events that came over HTTP, durable until they are counted.

From outside: ``Inbox``, which the receiver writes and the push sink reads, each in a process of its own, and the folder
of a model's inboxes. It imports nothing heavy: the receiver is a small process.
"""

from exporter.inbox.inbox import Event, Inbox, InboxError, Request, Taken, set_aside
from exporter.inbox.places import inbox_folder, inbox_path

__all__ = ["Event", "Inbox", "InboxError", "Request", "Taken", "inbox_folder", "inbox_path", "set_aside"]
