"""Which tests ran against which Prometheus and Alertmanager: collected by a run, shown in docs/versions.md.

`python -m tests.support.tried FILE...` puts the table of such runs (tried-VERSION.json) into the page.
"""

from __future__ import annotations

import ast
import json
import sys
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from mlslo import atomic
from tests.support.paths import ROOT
from tests.support.tools import PAIRS

PAGE = ROOT / "docs" / "versions.md"
BEGIN = "<!-- what was tried, by scripts/test -->\n"
END = "<!-- end of what was tried -->\n"
OUTCOMES = ("passed", "failed", "skipped")


def write(path: Path, stats: Mapping[str, Sequence[Any]]) -> None:
    """Write how many tests of each module came out how: those that need other programs."""
    found: dict[str, Counter[str]] = {}
    for outcome, reports in (("failed", stats.get("error", ())), *stats.items()):
        for report in reports if outcome in OUTCOMES else ():
            if "programs" in getattr(report, "keywords", ()):
                found.setdefault(report.nodeid.partition("::")[0], Counter())[outcome] += 1
    path.write_text(json.dumps(found, indent=1, sort_keys=True), encoding="utf-8")


def table(runs: Mapping[str, Mapping[str, Mapping[str, int]]]) -> str:
    """Return a Markdown table: a line for each module, a column for each version."""
    heads = [f"{version} + {PAIRS[version]}" for version in runs]
    lines = [f"| | {' | '.join(heads)} |", f"|---|{'---|' * len(heads)}"]
    for module in sorted({module for run in runs.values() for module in run}):
        doc = ast.get_docstring(ast.parse((ROOT / module).read_text(encoding="utf-8"))) or module
        said = doc.split("\n\n")[0].replace("\n", " ").replace("|", "\\|")
        cells = [_cell(run.get(module, {})) for run in runs.values()]
        lines.append(f"| [{said}](../{module}) | {' | '.join(cells)} |")
    totals = [sum((Counter(found) for found in run.values()), Counter[str]()) for run in runs.values()]
    lines.append(f"| **all** | {' | '.join(map(_cell, totals))} |")
    return "\n".join(lines) + "\n"


def _cell(found: Mapping[str, int]) -> str:
    return ", ".join(f"{found[outcome]} {outcome}" for outcome in OUTCOMES if found.get(outcome)) or "-"


def main(paths: Sequence[str]) -> None:
    """Put the table of these runs, the oldest version first, into the page."""
    read = {Path(path).stem.removeprefix("tried-"): json.loads(Path(path).read_text()) for path in paths}
    text = PAGE.read_text(encoding="utf-8")
    before, _, rest = text.partition(BEGIN)
    after = rest.partition(END)[2]
    runs = {version: read[version] for version in PAIRS if version in read}
    atomic.write(PAGE, f"{before}{BEGIN}\n{table(runs)}\n{END}{after}".encode())


if __name__ == "__main__":
    main(sys.argv[1:])
