"""The web configuration in force: read again when one of its files changes."""

from __future__ import annotations

import logging
import math
import time
from pathlib import Path
from threading import Lock

from exporter.web.config import WebConfig, load
from mlslo.yamlfile import InputError

logger = logging.getLogger(__name__)

_PAUSE = 10.0
_Stamps = tuple[tuple[int, int, int] | None, ...]


class Protection:
    """Web configuration in force, read again when its files change.

    Each new connection looks whether the file, a certificate or a key has changed, as exporter-toolkit does. What is
    wrong, or half-written, changes nothing and is logged once. So does what takes a protection away: a file that is
    about to be written looks like that, and nobody should be able to read pages because of it.
    """

    def __init__(self, path: Path) -> None:
        """Raises InputError where the file cannot be used."""
        self._path = path
        self._lock = Lock()
        self._config, self._stamp = self._loaded()
        self._error = ""
        self._again = math.inf

    def current(self) -> WebConfig:
        """Return the configuration in force."""
        with self._lock:
            stamp = _stamps(self._config)
            if stamp != self._stamp or time.monotonic() >= self._again:
                self._stamp = stamp
                self._reload()
            return self._config

    def _reload(self) -> None:
        try:
            config, stamp = self._loaded()
            if (lost := _lost(self._config, config)) is not None:
                raise InputError.of_file(self._path, f"it takes {lost} away, which needs a restart")
        except InputError as error:
            # A certificate that the new file names may come later.
            self._again = time.monotonic() + _PAUSE
            if str(error) != self._error:
                self._error = str(error)
                logger.error("web configuration not reloaded, the old one stays in force: %s", error)  # noqa: TRY400
            return
        self._config, self._stamp = config, stamp
        self._error, self._again = "", math.inf
        logger.info("web configuration reloaded")

    def _loaded(self) -> tuple[WebConfig, _Stamps]:
        """Load the files; what changes while they are read is seen the next time."""
        stamp = _stamps(load(self._path))
        return load(self._path), stamp


def _lost(old: WebConfig, new: WebConfig) -> str | None:
    if old.tls is not None and new.tls is None:
        return "tls_server_config"
    if old.tls is not None and new.tls is not None and new.tls.verify_mode < old.tls.verify_mode:
        return "client_auth_type"
    if old.passwords is not None and new.passwords is None:
        return "basic_auth_users"
    return None


def _stamps(config: WebConfig) -> _Stamps:
    return tuple(map(_stamp, config.files))


def _stamp(path: Path) -> tuple[int, int, int] | None:
    """Return what changes with a file's content; None where it is not there."""
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_ino, found.st_size, found.st_mtime_ns
