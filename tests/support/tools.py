"""The places of Prometheus, promtool, Alertmanager and amtool on this machine."""

import shutil
from pathlib import Path

from tests.support.paths import ROOT

NAMES = ("prometheus", "promtool", "alertmanager", "amtool")
# Debian calls its Alertmanager by another name than upstream's archive does.
ALIASES = {"alertmanager": ("alertmanager", "prometheus-alertmanager")}

available = True
"""False in the quick lane: a test that asks for a tool there was not recognised as one that does."""


def tool(name: str, root: Path = ROOT) -> Path:
    """The executable `name`: the one that `scripts/tools` put under `.tools/bin`, else the one on PATH.

    Raises LookupError for a name that is not one of `NAMES`, and FileNotFoundError, naming the command
    that fetches it, where the machine does not have the tool.
    """
    if name not in NAMES:
        raise LookupError(f"no tool is called {name!r}; there are {', '.join(NAMES)}")
    if not available and root == ROOT:
        raise RuntimeError(f"the quick lane has no {name}; mark this test with pytest.mark.chain")
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
