"""Pushed events: the inbox, from where its receiver writes. That they come by HTTP is tested with the receiver."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from exporter.inbox import Event, Inbox, Request, inbox_folder, inbox_path
from exporter.parse.json_lines import LONGEST_RECORD
from tests.support.sinks import SinkServer


class PushServer(SinkServer):
    """An inbox and its receiver's lock. There are no credentials: it is senders who have them."""

    name = "push"
    repeats = True
    longest = LONGEST_RECORD

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._number = 0
        self._inbox: Inbox | None = None
        self.begin()

    def begin(self) -> None:
        self.close()
        self._number += 1
        self.start()

    def sink(self) -> dict[str, Any]:
        return {"push": {"path": "/m"}}

    def state(self, folder: Path) -> Path:  # noqa: ARG002 - the inbox is beside the state
        return self._folder / f"state-{self._number}" / "m.sqlite"

    def append(self, records: Sequence[bytes], *, late: bool = False) -> None:  # noqa: ARG002 - behind all others
        assert self._inbox is not None
        events = [Event(record, Event.key_of(str(json.loads(record)["id"]))) for record in records]
        # As large requests would come: each in a transaction of its own.
        for start in range(0, len(events), 500):
            self._inbox.append([Request(events[start : start + 500])])

    def stop(self) -> None:
        self.close()

    def start(self) -> None:
        path = inbox_path(inbox_folder(self.state(self._folder)), "predictions")
        self._inbox = Inbox(path)
        assert self._inbox.hold()

    def close(self) -> None:
        if self._inbox is not None:
            self._inbox.close()
            self._inbox = None
