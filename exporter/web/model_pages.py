"""Status pages of the daemon's models, rendered once for each cycle and choice."""

from __future__ import annotations

import threading
from urllib.parse import parse_qs, unquote

from exporter.daemon.daemon import Daemon
from exporter.measure.exposition import Snapshot
from exporter.pages import Choice, Frame, index, page

_MOST_CHOICES = 32


class ModelPages:
    """Renders pages of what a daemon last published. Safe in threads."""

    def __init__(self, watched: Daemon) -> None:
        self._watched = watched
        self._lock = threading.Lock()
        # Model -> its last snapshot, and the pages of that by what was chosen.
        self._rendered: dict[str, tuple[Snapshot, dict[Choice, bytes]]] = {}

    def index(self) -> bytes:
        """Return the page of all models."""
        models = [
            (status.name, Frame(status.file, trouble=status.trouble), status.snapshot)
            for status in self._watched.status()
        ]
        return index(models, self._watched.reload_error).encode()

    def model(self, name: str, query: str) -> bytes | None:
        """Return the page of a model; None where there is none. ``name`` and ``query``: as in the address."""
        name = unquote(name)
        status = next((status for status in self._watched.status() if status.name == name), None)
        if status is None or status.snapshot is None:
            return None
        choice = Choice.of(parse_qs(query))
        with self._lock:
            snapshot, pages = self._rendered.get(name, (None, {}))
            if snapshot is not status.snapshot or len(pages) > _MOST_CHOICES:
                pages = {}
                self._rendered[name] = status.snapshot, pages
            if choice not in pages:
                frame = Frame(status.file, trouble=status.trouble)
                pages[choice] = page(status.snapshot, frame, choice).encode()
            return pages[choice]
