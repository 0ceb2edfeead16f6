"""Log files in a folder."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from tests.support.sinks import SinkServer


class FileServer(SinkServer):
    """Files of a glob; late records come into an older one. It is gone while its folder has another name."""

    name = "file"

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._number = 0
        self.begin()

    def begin(self) -> None:
        self._number += 1
        self._logs = self._folder / f"logs-{self._number}"
        self._logs.mkdir(parents=True)
        (self._logs / "log.jsonl").touch()

    def sink(self) -> dict[str, Any]:
        return {"file": {"path": str(self._logs / "*.jsonl")}}

    def append(self, records: Sequence[bytes], *, late: bool = False) -> None:
        with (self._logs / ("a-late.jsonl" if late else "log.jsonl")).open("ab") as file:
            file.write(b"".join(record + b"\n" for record in records))
            file.flush()
            os.fsync(file.fileno())

    def refuse(self) -> None:
        if os.geteuid() == 0:
            raise NotImplementedError
        for path in self._logs.iterdir():
            path.chmod(0)

    def accept(self) -> None:
        for path in self._logs.iterdir():
            path.chmod(0o644)

    def stop(self) -> None:
        self._logs.rename(self._away)

    def start(self) -> None:
        self._away.rename(self._logs)

    @property
    def _away(self) -> Path:
        return self._logs.with_name(f"{self._logs.name}-away")

    def close(self) -> None:
        """Stop nothing: files need no server."""
