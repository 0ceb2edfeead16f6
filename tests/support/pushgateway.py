"""A real Pushgateway."""

import shutil
from collections.abc import Sequence
from pathlib import Path

from tests.support.paths import ROOT
from tests.support.servers import Server


def installed() -> Path | None:
    """Return the executable that scripts/tools brought, or that is on PATH."""
    brought = ROOT / ".tools" / "pushgateway" / "usr" / "bin" / "prometheus-pushgateway"
    if brought.exists():
        return brought
    found = shutil.which("pushgateway") or shutil.which("prometheus-pushgateway")
    return Path(found) if found else None


class Pushgateway(Server):
    """Keeps what it is given in memory."""

    def __init__(self, folder: Path, *options: object) -> None:
        super().__init__(folder / "pushgateway.log")
        executable = installed()
        assert executable is not None
        command: Sequence[object] = (executable, f"--web.listen-address={self.address}", *options)
        self._command = [str(word) for word in command]
