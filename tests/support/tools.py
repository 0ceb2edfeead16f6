"""Where Prometheus, promtool, Alertmanager and amtool are on this machine."""

import shutil
from pathlib import Path

from tests.support.paths import ROOT

NAMES = ("prometheus", "promtool", "alertmanager", "amtool")
# Debian calls its Alertmanager by another name than upstream's archive does.
ALIASES = {"alertmanager": ("alertmanager", "prometheus-alertmanager")}


def tool(name: str, root: Path = ROOT) -> Path:
    """The executable `name`: the one that `scripts/tools` put under `.tools/bin`, else the one on PATH.

    Raises LookupError for a name that is not one of `NAMES`, and FileNotFoundError, naming the command
    that fetches it, where the machine does not have the tool.
    """
    if name not in NAMES:
        raise LookupError(f"no tool is called {name!r}; there are {', '.join(NAMES)}")
    fetched = root / ".tools" / "bin" / name
    if fetched.exists():
        return fetched
    for alias in ALIASES.get(name, (name,)):
        found = shutil.which(alias)
        if found:
            return Path(found)
    raise FileNotFoundError(
        f"{name} is neither in {fetched.parent} nor on PATH; run scripts/tools, which fetches it"
    )
