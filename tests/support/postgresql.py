"""A real PostgreSQL, on a Unix socket of its own."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import tempfile
import time
from contextlib import suppress
from functools import cache
from pathlib import Path
from typing import Any, Self
from urllib.parse import quote

from tests.support.paths import ROOT

_NOBODY = 65534
_BROUGHT = ROOT / ".tools" / "postgresql"
PASSWORD = "right horse battery"


@cache
def installed() -> Path | None:
    """Return the folder of its programs: the one that scripts/tools brought, or the machine's newest."""
    for root in (_BROUGHT, Path("/")):
        found = sorted(root.glob("usr/lib/postgresql/*/bin/postgres"), key=lambda path: int(path.parts[-3]))
        if found:
            return found[-1].parent
    on_path = shutil.which("postgres")
    return Path(on_path).resolve().parent if on_path else None


class PostgreSQL:
    """A server whose one user is ``mlslo``; nothing that it writes survives a crash of the machine.

    Raises FileNotFoundError where there is none, and RuntimeError, with its log, where it does not come up.
    """

    def __init__(self) -> None:
        programs = installed()
        if programs is None:
            raise FileNotFoundError("no PostgreSQL: scripts/tools brings one where apt-get can fetch it")
        # Not pytest's folder: PostgreSQL refuses root, and nobody else may enter that.
        self.folder = Path(tempfile.mkdtemp(prefix="pg-"))
        self._process: subprocess.Popen[bytes] | None = None
        self._libraries = _BROUGHT
        try:
            self._programs = self._for_nobody(programs)
            password = self.folder / "password"
            password.write_text(PASSWORD)
            self._own(password)
            self._own(self.folder)
            options = (
                "-U",
                "mlslo",
                "--auth=scram-sha-256",
                f"--pwfile={password}",
                "--no-sync",
                "-E",
                "UTF8",
                "--locale=C",
            )
            command = [str(self._programs / "initdb"), "-D", str(self.folder / "data"), *options]
            made = subprocess.run(command, capture_output=True, text=True, timeout=60, **self._as_nobody())
            _check(made)
            self.start()
        except BaseException:
            self.close()
            raise

    @property
    def url(self) -> str:
        """The url of its database, without the password."""
        return f"postgresql://mlslo@/postgres?host={quote(str(self.folder), safe='')}"

    def start(self) -> None:
        """Start it, on what is there. Raises RuntimeError where it does not come up."""
        log = self.folder / "log"
        settings = (
            "listen_addresses=",
            "fsync=off",
            "synchronous_commit=off",
            "shared_buffers=16MB",
            "jit=off",
        )
        options = [word for setting in settings for word in ("-c", setting)]
        with log.open("ab") as output:
            self._process = subprocess.Popen(
                [
                    str(self._programs / "postgres"),
                    "-D",
                    str(self.folder / "data"),
                    "-k",
                    str(self.folder),
                    *options,
                ],
                stdout=output,
                stderr=subprocess.STDOUT,
                **self._as_nobody(),
            )
        for _ in range(400):
            pid = self.folder / "data" / "postmaster.pid"
            if self._process.poll() is not None:
                break
            if pid.exists() and pid.read_text().split()[-1:] == ["ready"]:
                return
            time.sleep(0.025)
        raise RuntimeError(f"PostgreSQL did not come up:\n{log.read_text()}")

    def stop(self) -> None:
        """Stop it at once, connections and all; what was committed stays."""
        if self._process is not None:
            self._process.send_signal(signal.SIGCONT)
            self._process.send_signal(signal.SIGINT)
            try:
                self._process.wait(60)
            except subprocess.TimeoutExpired:
                self._process.kill()
                self._process.wait()
            self._process = None

    def freeze(self) -> None:
        """Have it answer nobody, although it is there: its processes are stopped until ``thaw``."""
        self._signal_all(signal.SIGSTOP)

    def thaw(self) -> None:
        self._signal_all(signal.SIGCONT)

    def close(self) -> None:
        self.stop()
        shutil.rmtree(self.folder, ignore_errors=True)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def connect(self) -> Any:
        """Return a connection by Python's interface of databases."""
        from adbc_driver_postgresql import dbapi

        return dbapi.connect(f"{self.url}&password={quote(PASSWORD)}")

    def run(self, *statements: str) -> None:
        """Run statements in one transaction."""
        with self.connect() as connection, connection.cursor() as cursor:
            for statement in statements:
                cursor.execute(statement)
            connection.commit()

    def _signal_all(self, number: int) -> None:
        assert self._process is not None
        children = Path(f"/proc/{self._process.pid}/task/{self._process.pid}/children").read_text().split()
        for pid in (self._process.pid, *map(int, children)):
            # A child may end meanwhile.
            with suppress(ProcessLookupError):
                os.kill(pid, number)

    def _for_nobody(self, programs: Path) -> Path:
        """Return programs that who runs them can reach: copied where the checkout is root's alone."""
        try:
            subprocess.run(
                [str(programs / "postgres"), "--version"],
                check=True,
                capture_output=True,
                **self._as_nobody(),
            )
        except PermissionError:
            self.folder.chmod(0o755)
            self._libraries = self.folder / "programs"
            shutil.copytree(_BROUGHT, self._libraries, symlinks=True)
            return self._libraries / programs.relative_to(_BROUGHT)
        return programs

    def _own(self, path: Path) -> None:
        if os.geteuid() == 0:
            os.chown(path, _NOBODY, _NOBODY)

    def _as_nobody(self) -> dict[str, Any]:
        brought = [
            path for place in ("usr/lib", "lib") for path in self._libraries.glob(f"{place}/*-linux-gnu")
        ]
        libraries = ":".join(map(str, brought))
        environment = {
            "PATH": "/usr/bin:/bin",
            "LC_ALL": "C",
            **({"LD_LIBRARY_PATH": libraries} if libraries else {}),
        }
        options: dict[str, Any] = {"cwd": self.folder, "env": environment}
        if os.geteuid() == 0:
            options |= {"user": _NOBODY, "group": _NOBODY, "extra_groups": []}
        return options


def _check(made: subprocess.CompletedProcess[str]) -> None:
    if "user does not exist" in made.stderr:
        raise FileNotFoundError("no PostgreSQL: it refuses a user who has no name")
    if made.returncode:
        raise RuntimeError(f"initdb: {made.stderr}")
