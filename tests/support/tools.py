"""The places of Prometheus, promtool, Alertmanager and amtool on this machine, in the versions that are proved."""

import os
import shutil
from functools import cache
from pathlib import Path

from tests.support.paths import ROOT

NAMES = ("prometheus", "promtool", "alertmanager", "amtool")
# Debian calls its Alertmanager by another name than upstream's archive does.
ALIASES = {"alertmanager": ("alertmanager", "prometheus-alertmanager")}

# Prometheus and the Alertmanager beside it, as scripts/tools brings them, the oldest first.
PAIRS = {"2.42": "0.25", "2.53": "0.28", "3.5": "0.33"}
# Of a run: the version of Prometheus whose pair all tests use that don't ask for another.
VARIABLE = "MLSLO_TOOLS"

available = True
"""False in the quick lane: a test that asks for a tool there was not recognised as one that does."""


def installed(root: Path = ROOT) -> list[str]:
    """Return the versions of Prometheus that scripts/tools brought, the oldest first."""
    return [version for version in PAIRS if (root / ".tools" / version / "bin").is_dir()]


@cache
def chosen() -> str | None:
    """Return the version of this run: the variable's, else the oldest here; None where there is only PATH.

    Raises LookupError for a version that is not here.
    """
    here = installed()
    wanted = os.environ.get(VARIABLE)
    if wanted is not None and wanted not in here:
        raise LookupError(f"{VARIABLE} is {wanted}; scripts/tools brought {', '.join(here) or 'none'}")
    return wanted or next(iter(here), None)


def tool(name: str, root: Path = ROOT, version: str | None = None) -> Path:
    """Return the executable ``name`` of a version, by default the chosen; else the one on PATH.

    Raises LookupError for a name that is not one of `NAMES`, and FileNotFoundError, naming the command
    that fetches it, where the machine does not have the tool.
    """
    if name not in NAMES:
        raise LookupError(f"no tool is called {name!r}; there are {', '.join(NAMES)}")
    if not available and root == ROOT:
        raise RuntimeError(f"the quick lane has no {name}; mark this test with pytest.mark.chain")
    if version is None and root == ROOT:
        version = chosen()
    fetched = root / ".tools" / (version or "") / "bin" / name
    if fetched.exists():
        return fetched
    for alias in ALIASES.get(name, (name,)):
        if version is None and (found := shutil.which(alias)):
            return Path(found)
    raise FileNotFoundError(
        f"{name} is neither in {fetched.parent} nor on PATH; run scripts/tools, which fetches it"
    )


def alertmanager_version() -> str:
    """Return the chosen pair's version of Alertmanager, as a target names it."""
    return PAIRS[chosen() or next(iter(PAIRS))]
