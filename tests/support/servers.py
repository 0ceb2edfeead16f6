"""A real server of somebody else's, on a free loopback port, in a folder of its own."""

from __future__ import annotations

import socket
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Sequence
from pathlib import Path
from typing import Self


def free_port() -> int:
    """A loopback port that nobody listens on."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])


class Server:
    """Runs until the `with` block ends. Raises RuntimeError, with its log, where it does not come up.

    Whoever inherits sets ``_command``, which listens on ``address``.
    """

    def __init__(self, log: Path) -> None:
        self.url = f"http://127.0.0.1:{free_port()}"
        self._log = log
        self._command: Sequence[str] = ()

    @property
    def address(self) -> str:
        """Host and port."""
        return self.url.removeprefix("http://")

    @property
    def log(self) -> str:
        return self._log.read_text()

    def __enter__(self) -> Self:
        with self._log.open("wb") as log:
            self._process = subprocess.Popen(self._command, stdout=log, stderr=subprocess.STDOUT)
        for _ in range(2000):
            if self._process.poll() is not None:
                break
            try:
                urllib.request.urlopen(f"{self.url}/-/ready", timeout=60).close()
            except urllib.error.URLError as error:
                if isinstance(error, urllib.error.HTTPError):
                    error.close()
                    # It is up, and wants a password.
                    if error.code == 401:
                        return self
                time.sleep(0.05)
            else:
                return self
        self.__exit__()
        raise RuntimeError(f"{type(self).__name__} did not come up:\n{self.log}")

    def __exit__(self, *_: object) -> None:
        if self._process.poll() is None:
            self._process.terminate()
            self._process.wait(60)
