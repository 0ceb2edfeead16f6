"""Status pages of the daemon's models, rendered once for each cycle and choice."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from dataclasses import dataclass, field
from urllib.parse import parse_qs, unquote

from exporter.daemon.daemon import Daemon
from exporter.measure.exposition import Snapshot
from exporter.pages import Choice, Frame, index, page

_MOST_CHOICES = 32


@dataclass
class _Rendered:
    """The pages of a model's ``snapshot``, by what was chosen and what troubles its state."""

    snapshot: Snapshot | None = None
    pages: dict[tuple[Choice, Sequence[str]], bytes] = field(default_factory=dict)
    lock: threading.Lock = field(default_factory=threading.Lock)


class ModelPages:
    """Renders pages of what a daemon last published. Safe in threads; a model's slow page delays no other model's."""

    def __init__(self, watched: Daemon) -> None:
        self._watched = watched
        self._lock = threading.Lock()
        self._rendered: dict[str, _Rendered] = {}

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
        found = {status.name: status for status in self._watched.status()}
        with self._lock:
            # A model that was taken away takes its windows along.
            self._rendered = {known: self._rendered[known] for known in self._rendered if known in found}
            status = found.get(name)
            if status is None or status.snapshot is None:
                return None
            rendered = self._rendered.setdefault(name, _Rendered())
        choice = Choice.of(parse_qs(query, keep_blank_values=True)).among(status.snapshot)
        key = choice, tuple(status.trouble)
        with rendered.lock:
            if rendered.snapshot is not status.snapshot or len(rendered.pages) > _MOST_CHOICES:
                rendered.snapshot, rendered.pages = status.snapshot, {}
            if key not in rendered.pages:
                frame = Frame(status.file, trouble=status.trouble)
                rendered.pages[key] = page(status.snapshot, frame, choice).encode()
            return rendered.pages[key]
